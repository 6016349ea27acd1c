"""Every notebook is written as the course's notebooks are, is stored executed, and stands in its one form."""

import ast
import base64
import importlib
import importlib.util
import json
import re
import struct
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
OPENING = ("**You will be able to**", "**Cost**", "**Before**")
MAIN_LINE = 90  # cells without the tag "optional"
# Chapters that are not yet what the two tests of these lists ask for. A renewed chapter leaves them; none comes back.
NOT_YET_SHORT = ()

COMPANION = "_bug_hunt"  # NN_bug_hunt is the companion of chapter NN

pytestmark = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def is_companion(path: Path) -> bool:
    """Whether a notebook goes with a chapter and is none: it needs no widget, no quiz and fewer exercises."""
    return re.fullmatch(rf"\d\d{COMPANION}", path.stem) is not None


def read(path: Path):
    return nbformat.read(path, as_version=4)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def codes(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def label(cell) -> str:
    """How a failing test calls a cell: its number and its first line."""
    return f"[{cell.get('execution_count')}] {cell.source.splitlines()[0][:60]!r}"


# --- how it begins and ends -------------------------------------------------------------------------------------------


def test_name_and_title_carry_the_same_number(path):
    first = read(path).cells[0]
    assert re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem)
    assert first.source.startswith(f"# {path.stem[:2]} · ")
    for part in OPENING[:3] if is_companion(path) else OPENING:
        assert part in first.source, f"the opening cell lacks {part}"
    assert "<!-- costs -->" in first.source and "<!-- /costs -->" in first.source


def test_badge_colab_cell_and_setup_come_first(path):
    cells = read(path).cells
    assert tags(cells[1]) == ["badge"] and tags(cells[2]) == ["colab"]
    first_code = next(cell for cell in codes(read(path)) if tags(cell) != ["colab"])
    assert f'lm.setup("{path.stem[:2]}")' in first_code.source


def test_it_ends_with_a_quiz_and_what_to_remember(path):
    headings = re.findall(r"^## .*$", "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown"), re.M)
    assert any("What to remember" in heading for heading in headings)
    if is_companion(path):
        return
    assert any("Quiz" in heading for heading in headings)
    if path.stem[:2] != "00":
        for wanted in ("Play", "On real data"):
            assert any(wanted in heading for heading in headings), f"there is no section {wanted!r}"


def test_a_companion_goes_with_a_chapter_that_is_there(path):
    if is_companion(path):
        assert len([p for p in CHAPTERS if p.stem[:2] == path.stem[:2] and not is_companion(p)]) == 1


def test_the_quiz_has_three_to_five_questions_with_an_answer_to_each_choice(path):
    if is_companion(path):
        pytest.skip("a companion needs no quiz")
    quiz = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown").split("Quiz", 1)[1]
    quiz = re.split(r"^## ", quiz, flags=re.M)[0]
    questions = re.split(r"^\*\*\d\.\*\* ", quiz, flags=re.M)[1:]
    assert 3 <= len(questions) <= 5
    for question in questions:
        choices = re.findall(r"<summary>(.*?)</summary>(.*?)</details>", question, flags=re.DOTALL)
        assert len(choices) >= 2
        assert all(answer.strip() for _, answer in choices)
        assert sum("<b>Yes" in answer for _, answer in choices) == 1, f"one right choice: {question[:60]!r}"


# --- exercises --------------------------------------------------------------------------------------------------------


def test_each_exercise_is_followed_by_its_solution(path):
    """The cell that checks is followed by <details> with a solution, before the next check."""
    cells = read(path).cells
    checks = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and "lm.check(" in cell.source]
    assert len(checks) >= (1 if path.stem[:2] == "00" else 2 if is_companion(path) else 4)
    for i, following in zip(checks, [*checks[1:], len(cells)], strict=True):
        between = "\n".join(cell.source for cell in cells[i + 1 : following] if cell.cell_type == "markdown")
        assert "<details>" in between and "```python" in between, f"no solution after {label(cells[i])}"


def test_exercises_are_stored_untouched(path):
    for cell in codes(read(path)):
        if "lm.check(" in cell.source:
            said = "".join(output.get("text", "") for output in cell.outputs)
            assert "not tried yet" in said, f"{label(cell)} says {said!r}"


def test_there_is_a_widget_with_its_picture(path):
    cells = [cell for cell in codes(read(path)) if "widget" in tags(cell)]
    assert cells or is_companion(path)
    for cell in cells:
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= kinds, f"{label(cell)} shows {kinds}"


# --- what a first reader may skip -----------------------------------------------------------------------------------


def optional(cells) -> list[set[bool]]:
    """For each cell whether it stands in a section, or below one, whose heading says "(optional)"; both if it mixes."""
    answers, level = [], None  # level: of the optional section that is open
    for cell in cells:
        found, lines = set(), []
        if cell.cell_type == "markdown":
            lines = re.sub(r"^```.*?^```", "", cell.source, flags=re.M | re.S).splitlines()
        if not (lines and re.match("#+ ", lines[0])):
            found.add(level is not None)
        for heading in (line for line in lines if re.match("#+ ", line)):
            depth = len(heading.split()[0])
            if level is None or depth <= level:
                level = depth if "(optional)" in heading else None
            found.add(level is not None)
        answers.append(found)
    return answers


def test_optional_sections_and_no_other_cells_are_tagged(path):
    """Every cell of a section whose heading says "(optional)", with the sections below it, carries the tag."""
    cells = read(path).cells
    for cell, found in zip(cells, optional(cells), strict=True):
        first = cell.source.splitlines()[0][:60]
        assert len(found) == 1, f"{first!r}: one part is optional, another is not: begin a new cell with the heading"
        if found == {True}:
            assert "optional" in tags(cell), f"{first!r} stands in an optional section: tag it `optional`"
        else:
            assert "optional" not in tags(cell), f"{first!r} is tagged `optional`, its section is not called so"


def test_the_main_line_is_short_and_the_opening_says_the_readers_hours(path):
    cells = read(path).cells
    main = sum("optional" not in tags(cell) for cell in cells)
    faults = [f"the main line has {main} cells, {MAIN_LINE} are allowed"] if main > MAIN_LINE else []
    if not re.search(r"\*\*Your time\*\* about (\S+ ){1,4}hours?\b", cells[0].source):
        faults.append("the opening has no line `**Your time** about N hours`")
    if path.stem in NOT_YET_SHORT:
        assert faults, f"{path.stem} is what this test asks for: take it from the list NOT_YET_SHORT"
    else:
        assert not faults, "; ".join(faults)


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_every_code_cell_was_executed_in_order(path):
    counts = [cell.execution_count for cell in codes(read(path))]
    assert counts == list(range(1, len(counts) + 1)), "run `make store`"


def test_no_errors_and_nothing_on_stderr(path):
    for cell in codes(read(path)):
        for output in cell.outputs:
            assert output.get("name") != "stderr", f"{label(cell)} wrote to stderr: {output.text[:200]}"
            if output.output_type == "error":
                assert "raises-exception" in tags(cell), f"{label(cell)} raised {output.ename}: {output.evalue}"
        if "raises-exception" in tags(cell):
            assert any(output.output_type == "error" for output in cell.outputs), f"{label(cell)} raised nothing"


def test_most_printing_cells_are_compared(path):
    printing = [cell for cell in codes(read(path)) if cell.outputs]
    ignored = [cell for cell in printing if "nbval-ignore-output" in tags(cell)]
    assert len(ignored) < len(printing) / 2, f"{len(ignored)} of {len(printing)} are not compared"


def test_no_compared_output_holds_last_digits(path):
    """They differ between processors: a difference below 1e-10 is rounding, and so is the ninth decimal."""
    for cell in codes(read(path)):
        if "nbval-ignore-output" not in tags(cell):
            texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            numbers = re.findall(r"(?<!within )\b\d(?:\.\d+)?e-\d+", "\n".join(texts))
            tiny = [number for number in numbers if float(number) < 1e-10]
            assert not tiny, f"{label(cell)} prints {tiny}: assert a bound of your own with `metrics.agree`"
            assert not re.search(r"\d\.\d{9,}", "\n".join(texts)), f"{label(cell)} prints numbers that are not rounded"


def test_only_known_tags_are_used(path):
    known = {"badge", "colab", "widget", "readme-picture", "nbval-ignore-output", "raises-exception", "optional"}
    for cell in read(path).cells:
        slide = {f"slide:{kind}" for kind in ("skip", "notes", "slide", "fragment")}
        unknown = {tag for tag in tags(cell) if not tag.startswith("same-as:")} - known - slide
        assert not unknown, f"{label(cell)} has the tags {unknown}"


def pictures(path) -> list[tuple]:
    """Each PNG of the notebook: its cell, its bytes, and what its output says of it."""
    return [
        (cell, base64.b64decode(output.data["image/png"]), output.get("metadata", {}).get("image/png", {}))
        for cell in codes(read(path))
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def test_figures_have_a_sensible_size(path):
    """Wide enough to read, no wider than a page, sharp on a screen of twice the usual density, and modest in bytes."""
    for cell, png, metadata in pictures(path):
        pixels = struct.unpack(">II", png[16:24])
        width, height = metadata.get("width", pixels[0]), metadata.get("height", pixels[1])
        assert 200 <= width <= 900 and 100 <= height <= 700, f"{label(cell)} is shown {width} x {height}"
        if metadata:
            assert pixels[0] >= 1.9 * width, f"{label(cell)}: {pixels[0]} pixels on a width of {width}"
        assert len(png) < 250_000, f"{label(cell)}: {len(png):,} bytes"


def test_figures_have_an_alternative_text(path):
    """`plots.show(alt=...)` and `widgets.explore(..., alt=...)` write it into the output's metadata."""
    without = [label(cell) for cell, _, metadata in pictures(path) if len(metadata.get("alt", "")) < 30]
    assert not without, f"say in 30 characters or more what is to be seen: {without}"


def test_outputs_do_not_name_this_machine(path):
    text = json.dumps([cell.outputs for cell in codes(read(path))])
    for folder in (ROOT, Path.home(), Path(importlib.util.find_spec("torch").origin).parents[1]):
        assert f"{folder}/" not in text


# --- form -------------------------------------------------------------------------------------------------------------


def test_code_cells_fit_on_a_screen(path):
    for cell in codes(read(path)):
        assert len(cell.source.splitlines()) <= 40, f"{label(cell)} has {len(cell.source.splitlines())} lines"


def test_the_notebook_is_small(path):
    assert path.stat().st_size < 3e6


def test_it_stands_in_its_one_form(path):
    tool = load_tool()
    assert path not in tool.format_all(ROOT, write=False), "run `make format`"


def test_what_is_built_in_front_of_the_reader_is_what_the_package_has(path):
    for cell in codes(read(path)):
        for tag in tags(cell):
            if tag.startswith("same-as:"):
                module, _, name = tag.removeprefix("same-as:").rpartition(".")
                source = Path(importlib.import_module(module).__file__).read_text(encoding="utf-8")
                assert definition(cell.source, name) == definition(source, name), (
                    f"{label(cell)} is not {module}.{name}"
                )


def definition(source: str, name: str) -> str:
    """The class or function of that name, without docstrings, as Python sees it (no comments, one layout)."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [node for node in ast.parse(source).body if isinstance(node, kinds) and node.name == name]
    assert found, f"there is no {name}"
    for node in ast.walk(found[0]):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(found[0])


def load_tool(name="format_notebooks"):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    tool = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look for their module there
    spec.loader.exec_module(tool)
    return tool


ASKED_FOR = (
    r"(curves|plot)\(\s*[\w.]*range\([^()]*\b(epochs|steps)\b"  # such as curves(range(1, cfg.epochs + 1), losses)
)


def test_a_curve_of_training_is_drawn_over_what_its_history_holds(path):
    """A training that is stopped, by Ctrl-C or by a time limit, is shorter than was asked for."""
    assert not [label(cell) for cell in codes(read(path)) if re.search(ASKED_FOR, cell.source)]
