"""The sources of the book, made from the stored notebooks: nothing is executed.

`make_sources` writes one notebook a chapter, `index.md` and the two appendices into a folder, for Sphinx with MyST-NB.
What is changed on the way:

- The badge and the Colab cell give way to links below the title.
- Each figure takes its alternative text along; a cell with several figures is divided, since MyST-NB knows one a cell.
- Of a widget its picture stays, and a sentence says where the widget is.
- Links to other files of the repository lead to the repository, at the commit that the book is made from.
- Formulas in folded answers, which are HTML, are marked for MathJax.
"""

from __future__ import annotations

import html
import posixpath
import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
APPENDICES = {"SOURCES.md": "Sources", "PROOFS.md": "Proofs"}  # of chapters/
WIDGET_NOTE = """```{note}
In the notebook this is a **widget**: its controls change the picture at once. The page shows it as it is at the start.
To use it, open the chapter in Colab or in JupyterLab.
```"""
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")


def make_sources(out: Path, root: Path = ROOT, plans: Mapping[str, str] | None = None) -> list[str]:
    """Write the book's sources into the folder `out`; returns the names of the notebooks, in order.

    Args:
        out: a folder; it is made if need be.
        root: the repository.
        plans: lesson plans as Markdown, by the number of their chapter.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = []
    for path in sorted((root / "chapters").glob("[0-9][0-9]_*.ipynb"), key=reading_order):
        notebook = page_of(nbformat.read(path, as_version=4), path.stem, root)
        (out / path.name).write_text(nbformat.writes(notebook), encoding="utf-8")
        names.append(path.stem)
    for name in APPENDICES:
        text = (root / "chapters" / name).read_text(encoding="utf-8")
        (out / name).write_text(with_links(text, root), encoding="utf-8")
    for number, text in (plans or {}).items():
        (out / f"lesson_{number}.md").write_text(with_links(text, root), encoding="utf-8")
    (out / "index.md").write_text(index(names, root, [f"lesson_{number}" for number in plans or {}]), encoding="utf-8")
    return names


def reading_order(path: Path) -> tuple[str, bool]:
    """By number, a chapter before its bug hunt."""
    return path.stem[:2], path.stem.endswith("_bug_hunt")


def page_of(notebook: NotebookNode, name: str, root: Path) -> NotebookNode:
    """A chapter as the book shows it."""
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if {"badge", "colab"} & {*tags}:
            continue
        if cell.cell_type == "markdown":
            cell.source = with_links(with_formulas(cell.source), root)
            cells.append(cell)
        else:
            cells += code_cells(cell)
            if "widget" in tags:
                cells.append(nbformat.v4.new_markdown_cell(WIDGET_NOTE))
    title, _, rest = cells[0].source.partition("\n")
    cells[0].source = f"{title}\n\n{elsewhere(name, root)}\n{rest}"
    notebook.cells = cells
    notebook.metadata.pop("widgets", None)
    return notebook


def code_cells(cell: NotebookNode) -> list[NotebookNode]:
    """A code cell without widgets, each of its figures with its alternative text; one cell a figure."""
    cell.outputs = [output for output in cell.outputs if WIDGET_VIEW not in output.get("data", {})]
    groups: list[list[NotebookNode]] = [[]]
    for output in cell.outputs:
        if is_figure(output) and any(map(is_figure, groups[-1])):
            groups.append([])
        groups[-1].append(output)
    cells = []
    for number, outputs in enumerate(groups):
        part = cell if number == 0 else nbformat.v4.new_code_cell(cell.source)
        part.outputs = outputs
        if number:
            part.metadata["tags"] = ["remove-input"]
        for output in filter(is_figure, outputs):
            part.metadata["mystnb"] = {"image": {"alt": alternative_text(output)}}
        cells.append(part)
    return cells


def is_figure(output: NotebookNode) -> bool:
    return "image/png" in output.get("data", {})


def alternative_text(output: NotebookNode) -> str:
    """What `plots.show(alt=...)` left of a figure for readers who cannot see it."""
    return output.metadata.get("image/png", {}).get("alt") or output.data["text/plain"]


# --- texts ------------------------------------------------------------------------------------------------------------


def slug(title: str) -> str:
    """The anchor of a heading as JupyterLab makes it, which is how the notebooks link it; MyST asks for it here."""
    return title.strip().replace("%", "%25").replace(" ", "-")


def with_links(text: str, root: Path) -> str:
    """Markdown whose links to files that the book does not hold lead to the repository."""

    def link(found: re.Match) -> str:
        label, target = found.groups()
        file, mark, anchor = target.partition("#")
        pages = (root / "chapters" / file).is_file() and (file.endswith(".ipynb") or file in APPENDICES)
        if not target or not file or pages or re.match(r"[a-z]+:", target) or not exists(file, root):
            return found[0]
        place = posixpath.normpath(posixpath.join("chapters", file))
        return f"{label}({address(root)}/blob/{commit(root)}/{place}{mark}{anchor})"

    parts = re.split(r"(^```.*?^```|`[^`\n]*`)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if place % 2 else LINK.sub(link, part) for place, part in enumerate(parts))


def exists(file: str, root: Path) -> bool:
    return (root / "chapters" / file).exists()


def with_formulas(text: str) -> str:
    """Markdown with `$...$` in its pieces of HTML as the spans that Sphinx makes of formulas."""
    lines = text.splitlines()
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "html_block":
            for number in range(*token.map):
                parts = re.split(r"(<code>.*?</code>)", lines[number])
                lines[number] = "".join(p if i % 2 else FORMULA.sub(marked, p) for i, p in enumerate(parts))
    return "\n".join(lines)


FORMULA = re.compile(r"(?<!\\)\$([^$]+)\$")


def marked(formula: re.Match) -> str:
    return rf'<span class="math notranslate nohighlight">\({html.escape(html.unescape(formula[1]))}\)</span>'


def elsewhere(name: str, root: Path) -> str:
    """The line below a chapter's title: where it can be run."""
    place = f"{release(root)}/chapters/{name}.ipynb"
    repository = address(root)
    colab = f"https://colab.research.google.com/github/{repository.removeprefix('https://github.com/')}/blob/{place}"
    return f"[Open this chapter in Colab]({colab}) · [See the notebook on GitHub]({repository}/blob/{place})"


def index(names: list[str], root: Path, plans: list[str]) -> str:
    """The first page: what the course is, from the README, and all chapters."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    about = readme.split("\n\n")[1]
    listed = "\n".join(names)
    appendices = "\n".join(f"{title} <{name.removesuffix('.md')}>" for name, title in APPENDICES.items())
    contents = "".join(
        f"\n```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n\n{lines}\n```\n"
        for caption, lines in (("Chapters", listed), ("For teachers", "\n".join(plans)), ("Appendices", appendices))
        if lines
    )
    return f"""# Language models, from counting words to fine-tuning

{about}

These pages show the chapters as they were executed: text, code, results and figures. To run and change them, to solve
the exercises and to use the widgets, open a chapter in Colab (each page begins with a link), or install the course as
its [README]({address(root)}#readme) says.
{contents}"""


# --- the repository ---------------------------------------------------------------------------------------------------


def project(root: Path = ROOT) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def address(root: Path = ROOT) -> str:
    """The repository's public address, from pyproject.toml."""
    return project(root)["urls"]["Repository"].rstrip("/").removesuffix(".git")


def release(root: Path = ROOT) -> str:
    return f"v{project(root)['version']}"


def commit(root: Path = ROOT) -> str:
    """The commit that the checkout stands at, or the version's tag where there is no git."""
    try:
        command = ["git", "-C", str(root), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return release(root)


def changed(root: Path = ROOT) -> bool:
    """Whether the checkout holds changes that no commit has."""
    command = ["git", "-C", str(root), "status", "--porcelain", "--", "chapters", "book"]
    try:
        return bool(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    except (OSError, subprocess.CalledProcessError):
        return False
