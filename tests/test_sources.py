"""chapters/SOURCES.md: every link leads to a heading, and nothing of the documents is left out."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (ROOT / "chapters" / "SOURCES.md").read_text(encoding="utf-8")
DOCUMENTS = ROOT.parent / "shared" / "documents"

ROWS = {}  # what the first column names -> the last column
for line in SOURCES.splitlines():
    if re.match(r"\| 00\d ", line):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        ROWS[cells[0]] = cells[-1]


def anchors(notebook: Path) -> set[str]:
    """The anchors that JupyterLab gives to a notebook's headings: their text, with - for each blank."""
    found = set()
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            source = re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            for heading in re.findall(r"^#{1,6} +(.*?) *$", source, flags=re.MULTILINE):
                found.add(re.sub(r"[*`]", "", heading).replace(" ", "-"))
    return found


def test_every_link_leads_to_a_heading_of_a_notebook():
    wrong = []
    links = re.findall(r"\]\(([^()\s]+\.ipynb)(?:#((?:[^()\s]|\([^()\s]*\))+))?\)", SOURCES)
    assert links
    assert len(links) == SOURCES.count(".ipynb"), "a link is not written as [text](NOTEBOOK.ipynb#Heading)"
    for name, anchor in links:
        path = ROOT / "chapters" / name
        if not path.is_file() or (anchor and unquote(anchor) not in anchors(path)):
            wrong.append(f"{name}#{anchor}")
    assert not wrong, f"these links lead nowhere: {sorted(set(wrong))}"


def test_every_row_says_where_or_when_or_why_not():
    """A link, or a later chapter with its number, or a reason in words."""
    for place, where in ROWS.items():
        assert re.search(r"\.ipynb|later: chapter \d\d|parts below|not taught: \w+", where), f"{place}: {where!r}"


def test_later_chapters_are_not_yet_there():
    written = {path.name[:2] for path in (ROOT / "chapters").glob("[0-9][0-9]_*.ipynb")}
    for place, where in ROWS.items():
        for numbers in re.findall(r"later: chapters? ([\d, ]+)", where):
            named = set(re.findall(r"\d\d", numbers))
            assert not named & written, f"{place} says {where!r}, but the chapter is written: link its heading"


def counted_rows(what: str) -> Counter:
    """Section -> how many of its formulas, listings ... the rows name; "listings 1–4" names four."""
    found = Counter()
    for place in ROWS:
        if match := re.match(rf"(00\d §[\d.]+) .*?{what}s?(?: (\d+)(?:–(\d+))?)?$", place):
            section, first, last = match.groups()
            found[section] += int(last) - int(first) + 1 if last else 1
    return found


def parts_of_documents() -> dict[str, Counter]:
    """What the documents contain: sections and questions by name, and how many formulas, listings, diagrams in each."""
    parts = {what: Counter() for what in ("section", "question", "formula", "listing", "diagram")}
    for path in sorted(DOCUMENTS.glob("00*.txt")):
        document, section, fence = path.name[:3], None, None
        for line in path.read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if line.startswith("```"):
                if fence is None:
                    parts["diagram" if line == "```mermaid" else "listing"][section] += 1
                fence = line if fence is None else None
            elif fence is None:
                if match := re.match(r"#{2,4} +(\d+(?:\.\d+)*)\b", line):
                    section = f"{document} §{match[1]}"
                    parts["section"][section] += 1
                elif match := re.match(r"(?:\*\*Q(\d+)[：:]|(\d+)\. Q[：:])", line):
                    parts["question"][f"{document} FAQ {match[1] or match[2]}"] += 1
                parts["formula"][section] += line.count("$$")
    parts["formula"] = Counter({section: marks // 2 for section, marks in parts["formula"].items() if marks})
    return parts


@pytest.fixture(scope="module")
def parts() -> dict[str, Counter]:
    if not DOCUMENTS.is_dir():
        pytest.skip("the documents are not here (../shared/documents)")
    return parts_of_documents()


def test_the_documents_are_read_as_they_are_written(parts):
    """A guard of this test itself: the five documents have 185 sections and 40 questions."""
    assert (len(parts["section"]), len(parts["question"])) == (185, 40)


@pytest.mark.parametrize("what", ["section", "question"])
def test_every_section_and_question_has_a_row(parts, what):
    missing = [place for place in parts[what] if place not in ROWS]
    assert not missing, f"chapters/SOURCES.md has no row for {missing}"


@pytest.mark.parametrize("what", ["formula", "listing", "diagram"])
def test_every_formula_listing_and_diagram_has_a_row(parts, what):
    rows = counted_rows(what)
    different = {
        section: f"{rows[section]} rows for {parts[what][section]}"
        for section in sorted(rows | parts[what])
        if rows[section] != parts[what][section]
    }
    assert not different, f"{what}s without a row, or rows without one: {different}"
