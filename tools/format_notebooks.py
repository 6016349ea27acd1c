"""Bring the notebooks and the README into their one form: `make format` runs it after ruff.

    python tools/format_notebooks.py [--check]

- Each notebook in chapters/: stable ids of cells and widgets, metadata that says something to a reader and no other,
  execution counts in order; executing a notebook twice gives the same file.
- NN_bug_hunt.ipynb is the companion of chapter NN: the README links it in that chapter's row.
- What is made from elsewhere: the Colab badge and the Colab cell (from the address and the version in pyproject.toml),
  the costs in the opening cell and the README's table of chapters (from benchmarks/results/costs.json), the README's
  result tables, and its picture, chapters/readme.png (from the cell tagged "readme-picture").

With --check nothing is written; the files that would change are named, and the status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("tags", "jupyter")  # what is kept of a cell's metadata
COMPANION = "_bug_hunt"  # what the name of a companion has after the chapter's number
OWN_ID = ("badge", "colab")  # cells that are called as they are tagged


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Bring the notebooks and the README into their one form.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that would change")
    options = parser.parse_args(arguments)
    changed = format_all(ROOT, write=not options.check)
    for path in changed:
        print(f"{'would change' if options.check else 'changed'}: {path.relative_to(ROOT)}")
    return 1 if options.check and changed else 0


def format_all(root: Path, *, write: bool) -> list[Path]:
    """Format all notebooks and the README of the repository at `root`; returns the files that change."""
    new = {path: format_notebook(path, root) for path in chapters(root)}
    if (root / "README.md").is_file():
        new[root / "README.md"] = format_readme(root)
    made = {path: text.encode() for path, text in new.items()} | readme_picture(root)
    changed = [path for path, content in made.items() if not path.is_file() or path.read_bytes() != content]
    if write:
        for path in changed:
            path.write_bytes(made[path])
    return changed


def chapters(root: Path) -> list[Path]:
    """All notebooks, companions among them."""
    return sorted((root / "chapters").glob("[0-9][0-9]_*.ipynb"))


def companion_of(path: Path) -> Path:
    """Where the companion of a chapter stands, if it has one."""
    return path.with_name(f"{path.stem[:2]}{COMPANION}.ipynb")


def is_companion(path: Path) -> bool:
    """Whether a notebook is the companion of a chapter, and none itself."""
    return path.name == companion_of(path).name


# --- notebooks --------------------------------------------------------------------------------------------------------


def format_notebook(path: Path, root: Path) -> str:
    """The notebook's text in its one form."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    insert_made_cells(notebook, path.stem, root)
    normalise(notebook)
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def insert_made_cells(notebook: NotebookNode, name: str, root: Path) -> None:
    """Renew the badge, the Colab cell and the costs; the cells come after the title cell if they are missing."""
    made = {
        "badge": nbformat.v4.new_markdown_cell(badge(root, name)),
        "colab": nbformat.v4.new_code_cell(install_cell(address(root), release(root), models_of(notebook))),
    }
    for place, (tag, new) in enumerate(made.items(), start=1):
        old = next((cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])), None)
        if old is None:
            new.metadata["tags"] = [tag]
            notebook.cells.insert(place, new)
        else:
            old.source = new.source
    opening = notebook.cells[0]
    opening.source = between(opening.source, "costs", lambda: cost_line(costs(root).get(name, {})))


INSTALL = """\
KEEP_PROGRESS_ON_DRIVE = False  # True: on Colab, your Google Drive remembers which exercises you solved

import os
import subprocess
import sys

if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:  # install the course; elsewhere do nothing
    course = "lmtutor @ git+{repository}@{release}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", course], check=True)

    from lmtutor.course import hosted

    hosted.prepare({models}, keep_progress_on_drive=KEEP_PROGRESS_ON_DRIVE)

import lmtutor as lm  # before PyTorch, since it settles how PyTorch's threads wait for each other"""


def install_cell(repository: str, release: str, models: list[str]) -> str:
    """The cell that makes a machine of Colab or Kaggle ready: the release of this notebook, and its models."""
    return INSTALL.format(repository=repository, release=release, models=json.dumps(models))


def models_of(notebook: NotebookNode) -> list[str]:
    """The pretrained models that a notebook loads."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return sorted(set(re.findall(r"\bpretrained\.(?:folder|tokenizer_of)\(\"(\w+)\"\)", code)))


def normalise(notebook: NotebookNode) -> None:
    """Drop what differs from run to run and from editor to editor."""
    widgets = notebook.metadata.get("widgets", {}).get(WIDGET_STATE)
    notebook.metadata = NotebookNode(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    taken: set[str] = set()
    count = 0
    for cell in notebook.cells:
        cell.source = cell.source.rstrip("\n")
        cell.metadata = NotebookNode({key: cell.metadata[key] for key in CELL_METADATA if cell.metadata.get(key)})
        cell.id = _cell_id(cell, taken)
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        cell.outputs = _merge_streams(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
    if widgets and widgets.get("state"):
        notebook.metadata["widgets"] = {WIDGET_STATE: widgets}
        _stable_widget_ids(notebook)


def _cell_id(cell: NotebookNode, taken: set[str]) -> str:
    """An id from the cell's content: it stays when other cells come and go, and survives a round trip to a script."""
    tag = next((tag for tag in cell.metadata.get("tags", []) if tag in OWN_ID), None)
    first = tag or hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
    found, number = first, 2
    while found in taken:
        found, number = f"{first}-{number}", number + 1
    taken.add(found)
    return found


def _merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one stream become one: where it was cut is a matter of timing."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _stable_widget_ids(notebook: NotebookNode) -> None:
    """Number the widgets' models in the order in which the outputs and then the models name them."""
    state = notebook.metadata["widgets"][WIDGET_STATE]["state"]
    views = [
        o.data[WIDGET_VIEW] for c in notebook.cells for o in c.get("outputs", []) if WIDGET_VIEW in o.get("data", {})
    ]
    written = {model: json.dumps(content, sort_keys=True) for model, content in state.items()}
    order: list[str] = []

    def visit(model: str) -> None:
        if model in state and model not in order:
            order.append(model)
            for reference in re.findall(r"IPY_MODEL_(\w+)", written[model]):
                visit(reference)

    for view in views:
        visit(view["model_id"])
    for model in sorted(state, key=lambda model: re.sub(r"IPY_MODEL_\w+", "", written[model])):  # those not shown
        visit(model)
    new = {model: f"{number:032x}" for number, model in enumerate(order, start=1)}
    for view in views:
        view["model_id"] = new.get(view["model_id"], view["model_id"])
    renamed = {new[m]: re.sub(r"(?<=IPY_MODEL_)\w+", lambda r: new.get(r[0], r[0]), written[m]) for m in order}
    notebook.metadata["widgets"][WIDGET_STATE]["state"] = {m: json.loads(content) for m, content in renamed.items()}


# --- the README -------------------------------------------------------------------------------------------------------


def format_readme(root: Path) -> str:
    """The README with its tables renewed."""
    text = (root / "README.md").read_text(encoding="utf-8")
    text = between(text, "chapters", lambda: f"\n{chapter_table(root)}\n")
    for name in re.findall(r"<!-- results:(\w+) -->", text):
        text = between(text, f"results:{name}", lambda name=name: f"\n{result_table(name)}\n")
    return text


def readme_picture(root: Path) -> dict[Path, bytes]:
    """The README's picture and where it goes: that of the cell tagged "readme-picture", if there is one."""
    for path in chapters(root):
        for cell in nbformat.read(path, as_version=4).cells:
            if "readme-picture" in cell.metadata.get("tags", []):
                pictures = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
                return {root / "chapters" / "readme.png": base64.b64decode(pictures[0])} if pictures else {}
    return {}


def chapter_table(root: Path) -> str:
    rows = ["| chapter | what it teaches | quick | Colab |", "|---|---|---|---|"]
    for path in [path for path in chapters(root) if not is_companion(path)]:
        title, teaches = opening(nbformat.read(path, as_version=4).cells[0].source)
        cost = costs(root).get(path.stem, {}).get("quick")
        spent = f"{_duration(cost['seconds'])}, {_memory(cost['peak_memory_mb'])}" if cost else "not measured"
        hunt = companion_of(path)
        beside = f" ([bug hunt](chapters/{hunt.name}))" if hunt.is_file() else ""
        rows.append(f"| [{title}](chapters/{path.name}){beside} | {teaches} | {spent} | {badge(root, path.stem)} |")
    return "\n".join(rows)


def opening(source: str) -> tuple[str, str]:
    """The title and the first sentence after it."""
    title, _, rest = source.partition("\n")
    paragraph = " ".join(rest.strip().split("\n\n")[0].split())
    return title.lstrip("# "), re.split(r"(?<=[.!?])\s", paragraph)[0]


def result_table(name: str) -> str:
    from lmtutor import results

    return results.markdown(name)


# --- what both need ---------------------------------------------------------------------------------------------------


def between(text: str, name: str, make: Callable[[], str]) -> str:
    """`text` with what stands between <!-- name --> and <!-- /name --> made anew; unchanged without such marks."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if start not in text:
        return text
    before, _, rest = text.partition(start)
    if end not in rest:
        raise SystemExit(f"There is {start} but no {end} after it: add it.")
    return before + start + make() + end + rest.partition(end)[2]


def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def address(root: Path) -> str:
    """The repository's public address, from pyproject.toml."""
    return project(root)["urls"]["Repository"].rstrip("/").removesuffix(".git")


def release(root: Path) -> str:
    """The tag of this version. Notebooks install it, so that a copy kept for months still meets its own package."""
    return f"v{project(root)['version']}"


def badge(root: Path, name: str) -> str:
    """Markdown of the badge that opens a chapter of this version on Colab."""
    path = address(root).removeprefix("https://github.com/")
    return f"[![Open In Colab]({BADGE})]({COLAB}/{path}/blob/{release(root)}/chapters/{name}.ipynb)"


def costs(root: Path) -> dict:
    path = root / "benchmarks" / "results" / "costs.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def cost_line(measured: dict) -> str:
    """What a chapter costs under each profile, in one line."""
    parts = []
    for profile, extra in (("quick", ", no download"), ("full", "")):
        cost = measured.get(profile)
        if cost:
            spent = f"{_duration(cost['seconds'])} and {_memory(cost['peak_memory_mb'])} of memory"
            parts.append(f"{profile}: {spent}{extra} (measured on {cost['machine']})")
        else:
            parts.append(f"{profile}: not measured yet")
    return "; ".join(parts)


def _duration(seconds: float) -> str:
    """Rounded up: to ten seconds, or to minutes from three on."""
    if seconds > 170:
        return f"{-int(-seconds // 60)} min"
    return f"{-int(-seconds // 10) * 10} s"


def _memory(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB"


if __name__ == "__main__":
    sys.exit(main())
