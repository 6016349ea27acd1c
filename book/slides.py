"""Slides of a chapter, made from its notebook by rule: `make slides CH=05` writes runs/slides/05_attention.html.

    python book/slides.py [CHAPTER ...]

The main line only; what a slide has no room for goes into the speaker's notes (key S):

- A heading begins a slide and gives it its title; `##` a column of slides, what is below `##` the slides under it.
- A short paragraph stands on the slide. Of a long one its first sentence does, and all of it is in the notes.
- Code is shown if it has at most `CODE_LINES` lines and draws nothing; its output then appears at the next key.
  Longer code is in the notes, and its output on the slide. Long outputs and tables are cut, which a last line says.
- A figure begins a slide, with its alternative text, and shares it with one short paragraph below at most.
- Solutions, the answers of a quiz, what a chapter costs and what to read on are in the notes.
- A tag of the cell overrides: `slide:skip`, `slide:notes`, `slide:slide` (begins a slide, shown whole),
  `slide:fragment`.

Sizes are those of a canvas of 1280 x 720 pixels, and agree with nbconvert/slides/course.css.
"""

from __future__ import annotations

import math
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import files
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "runs" / "slides"
WIDTH, HEIGHT = 1280, 720
ROOM = 570  # pixels for what stands below a title of one line
CODE_LINES = 16
OUTPUT_LINES, TABLE_ROWS = 12, 8
FIGURE = 470  # pixels: below it one short paragraph has room
COLUMNS = 82  # characters in a line of code or output
LETTERS = 80  # letters in a line of text, about
SHORT = 200  # letters: a paragraph that is shown as it is
TAG = "slide:"
PARSER = MarkdownIt("commonmark").enable("table")
FOR_SPEAKERS = ("**Cost**", "**Your time**", "**Before**", "**Read on**", "**Read on:**")
ABBREVIATIONS = ("al.", "e.g.", "i.e.", "vs.", "Fig.", "cf.", "approx.")


@dataclass
class Slide:
    """One slide: its title, the cells that are shown, what the speaker reads, and how full it is in pixels."""

    title: str
    first: bool  # of a column
    cells: list[NotebookNode] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    height: int = 0


# --- what a cell becomes ----------------------------------------------------------------------------------------------


def blocks(source: str) -> list[tuple[str, str]]:
    """Markdown in its parts: (kind, text), the kind being heading, text, list, formula, code, table or html.

    What lies between <details> and </details>, or between two $$, is one part.
    """
    source = re.sub(r"<!--.*?-->", "", source, flags=re.DOTALL)
    lines = source.splitlines()
    names = {"paragraph": "text", "bullet_list": "list", "ordered_list": "list", "fence": "code", "html_block": "html"}
    found: list[tuple[str, str]] = []
    for token in PARSER.parse(source):
        if token.level or token.map is None or token.nesting < 0:
            continue
        kind = token.type.removesuffix("_open")
        text = "\n".join(lines[slice(*token.map)]).strip()
        if found and is_open(found[-1][1]):
            found[-1] = (found[-1][0], f"{found[-1][1]}\n\n{text}".strip())
        elif text:
            found.append((names.get(kind, kind), text))
    return [("formula" if text.startswith("$$") and text.endswith("$$") else kind, text) for kind, text in found]


def is_open(text: str) -> bool:
    return text.count("$$") % 2 == 1 or text.count("<details") > text.count("</details>")


def first_sentences(text: str) -> str:
    """As many sentences of a paragraph as are short together, at least one; all if none ends outside of marks."""
    text = " ".join(text.split())
    found = ""
    for end in re.finditer(r"[.!?:][*_)\"”]*(?= +[^a-z ])", text):
        sentence = text[: end.end()]
        whole = all(sentence.count(mark) % 2 == 0 for mark in ("$", "`", "**"))
        whole = whole and sentence.count("(") == sentence.count(")") and sentence.count("[") == sentence.count("]")
        if whole and not sentence.endswith(ABBREVIATIONS) and not re.search(r"\b[A-Z]\.$", sentence):
            if found and len(plain(sentence)) > SHORT:
                break
            found = sentence
    return re.sub(r":$", ".", found or text)


def choices(html: str) -> list[tuple[str, str]]:
    """The (summary, answer) of each <details> of a piece of HTML."""
    found = re.findall(r"<summary>(.*?)</summary>(.*?)</details>", html, flags=re.DOTALL)
    return [(summary.strip(), answer.strip()) for summary, answer in found]


def without_local_links(text: str) -> str:
    """Links to other notebooks and files lead nowhere from a slide: their words stay."""
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?://)[^)\s]*(?:\([^)]*\)[^)\s]*)*\)", r"\1", text)


def lines_of(text: str, columns: int = COLUMNS) -> int:
    """How many lines a text takes, when long lines are broken."""
    return sum(max(1, math.ceil(len(line) / columns)) for line in text.splitlines())


def height_of(kind: str, text: str) -> int:
    """Pixels that a part of a slide takes, about."""
    if kind == "code":
        return 31 * lines_of(text) + 40
    if kind == "formula":
        return 92 + 52 * text.count(r"\\")
    if kind == "list":
        return sum(45 * lines_of(plain(item), LETTERS - 4) + 10 for item in items(text)) + 14
    if kind == "table":
        return 50 * (len(text.splitlines()) - 1) + 24
    return 45 * lines_of(plain(" ".join(text.split())), LETTERS) + 18


def plain(text: str) -> str:
    """About as long as what is seen of it: no targets of links, no marks, formulas at half their length."""
    text = re.sub(r"\]\([^)]*\)|[*`]", "", text)
    return re.sub(r"\$([^$]*)\$", lambda formula: "x" * (len(formula[1]) * 2 // 3), text)


def items(text: str) -> list[str]:
    """The items of a list, each with what is indented below it."""
    return re.findall(r"^(?:[-*+]|\d+[.)]) .*(?:\n(?![-*+] |\d+[.)] ).*)*", text, flags=re.MULTILINE)


# --- packing ----------------------------------------------------------------------------------------------------------


class Deck:
    """Slides that are being filled, one after the other."""

    def __init__(self):
        self.slides: list[Slide] = []

    def begin(self, title: str, *, first: bool) -> None:
        """Begin a slide with a title, the first of a column or one below it."""
        wide = 44 * (lines_of(plain(title), 52) - 1)
        self.slides.append(Slide(title, first, height=wide))

    def go_on(self) -> None:
        """Begin another slide with the same title, unless there is nothing on this one yet."""
        if self.slides[-1].cells:
            self.begin(self.slides[-1].title, first=False)

    def keep_together(self, height: int) -> None:
        """Go on to a next slide if what comes has no room on this one."""
        if self.slides[-1].height + height > ROOM:
            self.go_on()

    def add(self, cell: NotebookNode, height: int) -> None:
        """Put a cell on this slide, or on a next one if it has no room."""
        self.keep_together(height)
        self.slides[-1].cells.append(cell)
        self.slides[-1].height += height

    def say(self, markdown: str) -> None:
        """Add to the speaker's notes."""
        self.slides[-1].notes.append(markdown.strip())


def slides_of(notebook: NotebookNode) -> list[Slide]:
    """The slides of a chapter, in order."""
    deck = Deck()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        wanted = next((tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)), None)
        if wanted == "skip" or (wanted is None and {"badge", "colab", "optional"} & {*tags}):
            continue
        if not deck.slides:
            deck.begin("", first=True)
        if cell.cell_type == "markdown":
            add_markdown(deck, cell.source, wanted)
        elif wanted == "notes":
            deck.say(f"```python\n{cell.source}\n```")
        elif wanted is not None or "lm.setup(" not in cell.source:
            add_code(deck, cell, wanted)
    return with_all_notes(deck.slides)


def with_all_notes(slides: list[Slide]) -> list[Slide]:
    """Without slides that show nothing; their notes go to the next one, whose column begins there if theirs did."""
    kept: list[Slide] = []
    notes, first = [], False
    for slide in slides:
        first, notes = first or slide.first, notes + slide.notes
        if slide.cells:
            slide.notes, slide.first = notes, first
            kept.append(slide)
            notes, first = [], False
    if kept:
        kept[-1].notes += notes
    return kept


def add_markdown(deck: Deck, source: str, wanted: str | None) -> None:
    if wanted == "notes":
        deck.say(source)
        return
    if wanted == "slide":
        deck.go_on()
    parts = blocks(without_local_links(source))
    for place, (kind, text) in enumerate(parts):
        following = parts[place + 1][1] if place + 1 < len(parts) else ""
        if text.startswith(FOR_SPEAKERS) or (kind == "list" and parts[place - 1][1].startswith(FOR_SPEAKERS)):
            deck.say(text)
        elif kind == "heading":
            level, title = text.split(" ", 1) if text.startswith("#") else ("##", text.splitlines()[0])
            deck.begin(title.strip(), first=len(level) <= 2)
        elif kind == "html":
            add_details(deck, text)
        elif kind == "text":
            if is_quiz(following):
                deck.keep_together(height_of("text", text) + height_of("list", choice_list(following)))
            add_text(deck, text, whole=wanted is not None, fragment=wanted == "fragment")
        elif kind == "list":
            add_list(deck, text)
        elif height_of(kind, text) > ROOM:
            deck.say(text)
        else:
            deck.add(markdown_cell(text, wanted), height_of(kind, text))


def add_text(deck: Deck, text: str, *, whole: bool, fragment: bool) -> None:
    """A paragraph; of a long one its first sentence, and all of it for the speaker."""
    shown = text if whole or len(plain(text)) <= SHORT else first_sentences(text)
    if shown != text:
        deck.say(text)
    if whole or len(plain(shown)) <= 1.5 * SHORT:
        deck.add(markdown_cell(shown, "fragment" if fragment else None), height_of("text", shown))


def add_list(deck: Deck, text: str) -> None:
    """A list, on as many slides as it needs; items that are paragraphs are shortened as those are."""
    waiting: list[str] = []
    for item in items(text):
        short = item if len(plain(item)) <= 1.5 * SHORT else first_sentences(item)
        if short != item:
            deck.say(item)
        if len(plain(short)) > 1.5 * SHORT:
            continue
        if waiting and deck.slides[-1].height + height_of("list", "\n".join([*waiting, short])) > ROOM:
            deck.add(markdown_cell("\n".join(waiting)), height_of("list", "\n".join(waiting)))
            deck.go_on()
            waiting = []
        waiting.append(short)
    if waiting:
        deck.add(markdown_cell("\n".join(waiting)), height_of("list", "\n".join(waiting)))


def is_quiz(html: str) -> bool:
    """Whether it holds the choices of a question, as in `<summary>a) ...</summary>`."""
    return "<details" in html and all(re.match(r"\w\)", summary) for summary, _ in choices(html))


def choice_list(html: str) -> str:
    return "\n".join(f"- {summary}" for summary, _ in choices(html))


def add_details(deck: Deck, html: str) -> None:
    """Choices of a quiz are shown, and answered in the notes; solutions and hints are in the notes only.

    After a solution the text goes on under the title of its section.
    """
    if is_quiz(html):
        deck.add(markdown_cell(choice_list(html)), height_of("list", choice_list(html)))
        for summary, answer in choices(html):
            deck.say(f"{summary} {answer}")
        return
    for summary, answer in choices(html):
        deck.say(f"**{summary}**\n\n{answer}")
    if "olution" in html:
        deck.begin(next((slide.title for slide in reversed(deck.slides) if slide.first), ""), first=False)


# --- code and its outputs ---------------------------------------------------------------------------------------------


def add_code(deck: Deck, cell: NotebookNode, wanted: str | None) -> None:
    """A code cell: its code, if it is short and draws nothing, then what it gives."""
    source = cell.source.strip()
    short = lines_of(source) <= CODE_LINES
    room = ROOM - height_of("code", source) if short else ROOM
    outputs = [] if "lm.check(" in source or "lm.hint(" in source else shown_outputs(cell, room)
    draws = any(kind == "figure" for kind, _, _ in outputs)
    if wanted == "slide":
        deck.go_on()
    show = wanted is not None or (short and not draws)
    if show and height_of("code", source) <= ROOM:
        deck.add(code_cell(source, [], "fragment" if wanted == "fragment" else None), height_of("code", source))
    else:
        deck.say(f"```python\n{source}\n```")
        show = False
    for kind, output, height in outputs:
        if kind == "figure":
            deck.go_on()
        same_slide = show and deck.slides[-1].height + height <= ROOM
        deck.add(code_cell("", [output], "fragment" if same_slide else None), height)


def shown_outputs(cell: NotebookNode, room: int) -> list[tuple[str, NotebookNode, int]]:
    """The outputs of a cell as a slide shows them: (kind, output, pixels), without widgets and messages of programs.

    Args:
        cell: a code cell.
        room: pixels that are left below its code; if they are few, an output is cut as if it had a slide of its own.
    """
    found = []
    room = room if room >= 250 else ROOM
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            found.append(("figure", output, FIGURE))
        elif "application/vnd.jupyter.widget-view+json" in data or output.get("name") == "stderr":
            continue
        elif "text/html" in data and "<table" in data["text/html"]:
            html, rows = shorter_table(data["text/html"], min(TABLE_ROWS, (room - 60) // 44 - 2))
            found.append(("table", html_output(html), 44 * rows + 60))
        else:
            text = output.get("text") or data.get("text/plain") or f"{output.get('ename')}: {output.get('evalue')}"
            text = shorter_text(text, min(OUTPUT_LINES, (room - 30) // 31 - 1))
            plain_text = nbformat.v4.new_output("stream", name="stdout", text=text)
            found.append(("output", plain_text, 31 * lines_of(text) + 30))
    return found


def shorter_text(text: str, most: int = OUTPUT_LINES) -> str:
    """At most `most` lines, broken ones counted; a last line says that there are more."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).strip("\n")
    kept: list[str] = []
    for line in text.splitlines():
        if lines_of("\n".join([*kept, line])) > most:
            return "\n".join([*kept, "... (more in the notebook)"]) if kept else line[: COLUMNS * (most - 1)] + " ..."
        kept.append(line)
    return "\n".join(kept)


def shorter_table(html: str, most: int = TABLE_ROWS) -> tuple[str, int]:
    """A table of pandas with at most `most` rows below its head, counting the lines of its cells; and its lines."""
    from bs4 import BeautifulSoup

    table = BeautifulSoup(html, "html.parser").table
    del table["border"]
    rows = table.find_all("tr")
    widths = [max(len(c.get_text()) for c in column) for column in zip(*(r.find_all(["td", "th"]) for r in rows))]  # noqa: B905
    room = max(1, sum(widths) + 3 * len(widths)) / COLUMNS  # above 1 the columns are narrower than their longest cell
    total = cut = 0
    for row in rows:
        cells = zip(row.find_all(["td", "th"]), widths, strict=False)
        lines = max((math.ceil(len(c.get_text()) / max(w / max(1, room), 6)) for c, w in cells), default=1)
        if total + max(1, lines) > most + 1:
            row.decompose()
            cut += 1
        else:
            total += max(1, lines)
    return str(table) + (f"<p>... and {cut} more rows in the notebook</p>" if cut else ""), total + bool(cut)


def html_output(html: str) -> NotebookNode:
    return nbformat.v4.new_output("display_data", data={"text/html": html, "text/plain": ""})


def markdown_cell(text: str, kind: str | None = None) -> NotebookNode:
    cell = nbformat.v4.new_markdown_cell(text)
    cell.metadata["slideshow"] = {"slide_type": kind if kind == "fragment" else "-"}
    return cell


def code_cell(source: str, outputs: list, kind: str | None = None) -> NotebookNode:
    cell = nbformat.v4.new_code_cell(source, outputs=outputs)
    cell.metadata["slideshow"] = {"slide_type": kind or "-"}
    if not source:
        cell.metadata["transient"] = {"remove_source": True}
    return cell


# --- writing ----------------------------------------------------------------------------------------------------------


def slide_notebook(slides: list[Slide], title: str) -> NotebookNode:
    """A notebook whose cells carry nbconvert's slide types, for its `SlidesExporter`."""
    cells = []
    for number, slide in enumerate(slides):
        begin = nbformat.v4.new_markdown_cell(f"{'#' if number == 0 else '##'} {slide.title}")
        begin.metadata["slideshow"] = {"slide_type": "slide" if slide.first else "subslide"}
        cells += [begin, *slide.cells]
        if slide.notes:
            notes = nbformat.v4.new_markdown_cell("\n\n".join(slide.notes))
            notes.metadata["slideshow"] = {"slide_type": "notes"}
            cells.append(notes)
    for place, cell in enumerate(cells):
        cell.id = f"s{place}"
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": title, "language_info": {"name": "python"}})


def page(notebook: NotebookNode) -> str:
    """The page with the slides of a chapter; reveal.js and MathJax are expected in folders beside it."""
    from nbconvert.exporters import SlidesExporter

    slides = slides_of(notebook)
    exporter = SlidesExporter(template_name="slides", extra_template_basedirs=[str(ROOT / "book" / "nbconvert")])
    exporter.reveal_url_prefix, exporter.reveal_theme, exporter.reveal_number = "reveal", "white", "c/t"
    exporter.reveal_width, exporter.reveal_height = str(WIDTH), str(HEIGHT)
    html, _ = exporter.from_notebook_node(slide_notebook(slides, slides[0].title))
    return html


PROGRAMS = {  # what packages of the index carry for the pages: the package, and a file in the folder that is copied
    "reveal": ("sphinx-revealjs", "_static/revealjs/LICENSE"),
    "mathjax": ("sphinx-mathjax-offline", "static/mathjax/tex-mml-chtml.js"),
}


def folder_of(program: str) -> Path:
    """The folder of reveal.js or of MathJax in the environment."""
    package, file = PROGRAMS[program]
    found = [path for path in files(package) or [] if str(path).endswith(file)]
    if not found:
        raise SystemExit(f"The package {package} no longer holds {file}: look where it is now.")
    return Path(found[0].locate()).parent


def copy_programs(out: Path) -> None:
    """Copy reveal.js and MathJax beside the slides, which ask no other server for them."""
    for name in PROGRAMS:
        if not (out / name).is_dir():
            shutil.copytree(folder_of(name), out / name, ignore=shutil.ignore_patterns("*.map"))


def notebooks(chapters: list[str]) -> Iterator[Path]:
    """The notebooks of these chapters ("05", or a name), or all of them."""
    known = sorted((ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))
    for chapter in chapters or [path.stem for path in known]:
        named = [path for path in known if chapter in (path.stem, path.stem[:2])]
        if not named:
            numbers = ", ".join(sorted({path.stem[:2] for path in known}))
            raise SystemExit(f"There is no chapter {chapter!r}: choose one of {numbers}.")
        yield from named


def main(chapters: list[str]) -> None:
    """Write the slides of these chapters into runs/slides/."""
    OUT.mkdir(parents=True, exist_ok=True)
    chosen = list(notebooks(chapters))
    copy_programs(OUT)
    for path in chosen:
        (OUT / f"{path.stem}.html").write_text(page(nbformat.read(path, as_version=4)), encoding="utf-8")
        print(f"{OUT.relative_to(ROOT) / path.stem}.html")


if __name__ == "__main__":
    main(sys.argv[1:])
