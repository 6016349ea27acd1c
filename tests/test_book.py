"""Book and slides: by which rules they are made of the notebooks.

The pages themselves are looked at in Chromium by `make test-book`, with packages that CI does not install.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_notebooks import load_tool

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LONG = "The first sentence is here. " + "Then much more is said about all of it, in many words. " * 8


def load(name: str):
    """A program of the folder book/, without putting that folder on the path."""
    spec = importlib.util.spec_from_file_location(f"book_{name}", ROOT / "book" / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slides, pages = load("slides"), load("pages")


def read(path: Path):
    return nbformat.read(path, as_version=4)


def chapter(name: str) -> Path:
    return next(path for path in CHAPTERS if path.stem.startswith(name))


def figure(alt: str = "A curve that falls."):
    return new_output(
        "display_data", data={"image/png": PIXEL, "text/plain": alt}, metadata={"image/png": {"alt": alt}}
    )


def deck(*cells) -> list:
    return slides.slides_of(new_notebook(cells=[new_markdown_cell("# 05 · Title\n\nWhat it is about."), *cells]))


def shown(slide) -> str:
    return "\n".join(cell.source for cell in slide.cells)


# --- slides -----------------------------------------------------------------------------------------------------------


def test_a_heading_begins_a_slide_wherever_it_stands_in_a_cell():
    made = deck(new_markdown_cell("The end.\n\n## 1 One\n\nText one.\n\n### Below\n\nText two."))
    assert [(s.title, s.first) for s in made] == [("05 · Title", True), ("1 One", True), ("Below", False)]
    assert [shown(s) for s in made] == ["What it is about.\nThe end.", "Text one.", "Text two."]


def test_of_a_long_paragraph_the_first_sentence_is_shown_and_the_speaker_has_all():
    (_, slide) = deck(new_markdown_cell(f"## 1 One\n\n{LONG}"))
    assert shown(slide).startswith("The first sentence is here.") and len(shown(slide)) <= slides.SHORT
    assert slide.notes == [LONG.strip()]


@pytest.mark.parametrize(
    ("paragraph", "first"),
    [
        ("Elman et al. (1990) did it. Then more.", "Elman et al. (1990) did it."),
        ("The value $x. Y$ is known. Then more.", "The value $x. Y$ is known."),
        ("Call `lm.hint(1). Now` it. Then more.", "Call `lm.hint(1). Now` it."),
        ("**Bold. Still** bold. Then more.", "**Bold. Still** bold."),
        ("By J. Elman it was. Then more.", "By J. Elman it was."),
        ("One sentence without an end", "One sentence without an end"),
    ],
)
def test_a_sentence_does_not_end_in_a_formula_a_name_or_an_abbreviation(paragraph, first, monkeypatch):
    monkeypatch.setattr(slides, "SHORT", 1)
    assert slides.first_sentences(paragraph) == first


def test_short_code_is_shown_and_its_output_comes_at_the_next_key():
    (_, slide) = deck(
        new_markdown_cell("## 1 One"), new_code_cell("print(1)", outputs=[new_output("stream", text="1")])
    )
    code, output = slide.cells
    assert code.source == "print(1)" and output.outputs[0].text == "1"
    assert output.metadata.slideshow.slide_type == "fragment" and output.metadata.transient.remove_source


def test_long_code_and_code_that_draws_are_the_speakers():
    long = "\n".join(f"x = {i}" for i in range(slides.CODE_LINES + 1))
    cells = [new_code_cell(long, outputs=[new_output("stream", text="7")]), new_code_cell("draw()", outputs=[figure()])]
    (_, first, second) = deck(new_markdown_cell("## 1 One\n\nText."), *cells, new_markdown_cell("What to see."))
    assert long not in shown(first) and any(long in note for note in first.notes)
    assert second.title == "1 One" and shown(second) == "\nWhat to see."  # the figure, and a sentence below it
    assert "draw()" in "\n".join(first.notes + second.notes)


def test_solutions_and_answers_are_the_speakers_and_the_text_goes_on_under_its_section():
    choices = (
        "<details><summary>a) This</summary>No.</details>\n<details><summary>b) That</summary><b>Yes.</b></details>"
    )
    quiz = f"**1.** Which?\n{choices}"
    solution = "<details><summary>Solution</summary>\n\n```python\nsecret = 1\n```\n</details>\n\nIt goes on."
    made = deck(new_markdown_cell("## 1 One\n\n### Your turn\n\nWrite it."), new_markdown_cell(solution))
    assert [(s.title, shown(s)) for s in made[1:]] == [("Your turn", "Write it."), ("1 One", "It goes on.")]
    assert "secret = 1" in made[1].notes[0]
    (_, asked) = deck(new_markdown_cell(f"## 2 Quiz\n\n{quiz}"))
    assert "- a) This\n- b) That" in shown(asked) and "Yes" not in shown(asked) and "Yes" in "".join(asked.notes)


def test_what_is_optional_and_how_the_chapter_is_installed_are_left_out():
    left_out = [new_markdown_cell("Extra.", metadata={"tags": ["optional"]}), new_code_cell('cfg = lm.setup("05")')]
    made = deck(*left_out, new_code_cell("install", metadata={"tags": ["colab"]}))
    assert [shown(s) for s in made] == ["What it is about."]


def test_a_tag_overrides_the_rules():
    def tagged(tag):
        long = "\n".join(f"x = {i}" for i in range(slides.CODE_LINES + 1))
        return deck(new_markdown_cell("## 1 One\n\nText."), new_code_cell(long, metadata={"tags": [tag]}))

    assert "x = 3" not in "".join(shown(s) + "".join(s.notes) for s in tagged("slide:skip"))
    (_, notes) = tagged("slide:notes")
    assert "x = 3" in notes.notes[0] and shown(notes) == "Text."
    (_, _, own) = tagged("slide:slide")
    assert "x = 3" in shown(own) and own.title == "1 One"
    fragment = tagged("slide:fragment")[-1].cells[-1]
    assert fragment.metadata.slideshow.slide_type == "fragment"


def test_long_outputs_and_tables_are_cut_and_say_so():
    text = slides.shorter_text("\n".join(map(str, range(100))))
    assert text.splitlines()[-1] == "... (more in the notebook)" and len(text.splitlines()) == slides.OUTPUT_LINES + 1
    rows = "".join(f"<tr><th>{i}</th><td>{i}</td></tr>" for i in range(30))
    html, lines = slides.shorter_table(f"<table border='1'><tr><th></th><th>a</th></tr>{rows}</table>")
    assert "22 more rows" in html and html.count("<tr>") == lines - 1 == slides.TABLE_ROWS + 1


def test_a_formula_with_a_minus_at_a_lines_start_stays_one():
    formula = "$$a = b\n- c\n\n- d$$"
    assert [kind for kind, _ in slides.blocks(f"Text.\n\n{formula}\n\nMore.")] == ["text", "formula", "text"]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_slides_of_a_chapter_have_room_for_what_they_hold(path):
    made = slides.slides_of(read(path))
    assert made[0].title == read(path).cells[0].source.splitlines()[0].removeprefix("# ")
    assert [(s.title, s.height) for s in made if s.height > slides.ROOM or not s.cells] == []
    text = "\n".join(map(shown, made))
    assert "<details" not in text and "cfg = lm.setup(" not in text and "colab.research" not in text


def test_a_page_of_slides_needs_nothing_from_elsewhere_and_has_the_alternative_texts():
    notebook = read(chapter("00"))
    html = slides.page(notebook)
    asked = re.findall(r'<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)="(?!data:)([^"]+)"', html)
    assert {link.split("/")[0] for link in asked} == {"reveal", "mathjax"}
    assert html.count("<section") > 20 and html.count('<aside class="notes"') > 5 and "@import url(http" not in html
    alts = [pages.alternative_text(o) for c in notebook.cells for o in c.get("outputs", []) if pages.is_figure(o)]
    assert re.findall(r'<img[^>]*? alt="([^"]*)"', html) == alts and len(alts) == 2


def test_a_chapter_that_is_not_there_is_told():
    assert [path.stem for path in slides.notebooks(["05"])] == ["05_attention"]
    with pytest.raises(SystemExit, match="no chapter '77': choose one of 00, 01"):
        list(slides.notebooks(["77"]))


# --- the book ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_page_keeps_figures_with_their_texts_and_has_neither_widgets_nor_what_only_colab_needs(path):
    before = [pages.alternative_text(o) for c in read(path).cells for o in c.get("outputs", []) if pages.is_figure(o)]
    page = pages.page_of(read(path), path.stem, ROOT)
    outputs = [(cell, o) for cell in page.cells for o in cell.get("outputs", [])]
    found = [cell.metadata.mystnb.image.alt for cell, output in outputs if pages.is_figure(output)]
    assert found == before
    assert not [o for _, o in outputs if pages.WIDGET_VIEW in o.get("data", {})] and "widgets" not in page.metadata
    assert not [cell for cell in page.cells if {"colab", "badge"} & {*cell.metadata.get("tags", [])}]
    assert sum("In the notebook this is a **widget**" in cell.source for cell in page.cells) == sum(
        "widget" in cell.metadata.get("tags", []) for cell in read(path).cells
    )
    tool = load_tool()
    assert f"/blob/{tool.release(ROOT)}/chapters/{path.name})" in page.cells[0].source
    assert re.search(r"\(([^)]*colab[^)]*)\)", page.cells[0].source)[1] in tool.badge(ROOT, path.stem)


def test_a_cell_with_two_figures_becomes_two():
    first, second = pages.code_cells(new_code_cell("draw()", outputs=[figure("One thing."), figure("Another.")]))
    assert [c.metadata.mystnb.image.alt for c in (first, second)] == ["One thing.", "Another."]
    assert second.metadata.tags == ["remove-input"] and "tags" not in first.metadata


def test_links_to_other_files_lead_to_the_repository():
    text = "[a](../README.md) `[b](../README.md)` [c](00_start_here.ipynb#2-Three-switches) [d](https://e.org/f_(g))"
    made = pages.with_links(text, ROOT)
    assert made == text.replace(
        "[a](../README.md)", f"[a]({pages.address()}/blob/{pages.commit()}/README.md)"
    ) and re.search(r"/blob/([0-9a-f]{40}|v[\d.]+)/README", made)


def test_formulas_in_html_are_marked_and_code_there_is_not():
    made = pages.with_formulas("$a$ here\n\n<details><summary>a) $x < y$</summary><code>$HOME$</code></details>\n\n$b$")
    assert r'<span class="math notranslate nohighlight">\(x &lt; y\)</span>' in made
    assert "<code>$HOME$</code>" in made and "$a$ here" in made and made.endswith("$b$")


def test_the_index_lists_all_chapters_each_before_its_bug_hunt(tmp_path):
    names = pages.make_sources(tmp_path)
    assert sorted(names) == [path.stem for path in CHAPTERS]
    assert names.index("03_recurrent_language_models") < names.index("03_bug_hunt") < names.index("04_classifying_text")
    listed = (tmp_path / "index.md").read_text(encoding="utf-8")
    assert all(f"\n{name}\n" in listed for name in names) and (tmp_path / "SOURCES.md").is_file()


def test_what_makes_the_book_is_pinned():
    wanted = (ROOT / "book" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = (ROOT / "constraints-book.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    pinned = {re.sub("[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    assert {line for line in wanted if not line.startswith("#")} <= pinned


def test_alternative_texts_reach_the_page(tmp_path):
    """The whole book, and what Chromium and axe say of it, is `make test-book`'s."""
    pytest.importorskip("myst_nb", reason="MyST-NB is not installed here: make test-book makes the whole book")
    (tmp_path / "source").mkdir()
    page = pages.page_of(read(chapter("00")), "00_start_here", ROOT)
    (tmp_path / "source" / "index.ipynb").write_text(nbformat.writes(page), encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-c", str(ROOT / "book"), str(tmp_path / "source")]
    subprocess.run([*command, str(tmp_path / "html")], check=True)
    html = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    alts = [pages.alternative_text(o) for c in page.cells for o in c.get("outputs", []) if pages.is_figure(o)]
    assert alts and [alt in html for alt in alts] == [True] * len(alts)
