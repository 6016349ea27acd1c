"""Lesson plans: they fit the notebooks, and are printed for a terminal and as Markdown."""

import json
import re
from functools import cache
from statistics import median

import pytest
from notebook_code import CHAPTERS, asked_in, called, notebooks

from lmtutor import exercises
from lmtutor.classroom import lessons
from lmtutor.course.cli import main
from lmtutor.runtime import CourseError

LISTS = ("in_class", "at_home", "left_out")
plans = pytest.mark.parametrize("chapter", lessons.chapters())


def notebooks_of(plan: dict) -> list[str]:
    """Names of the notebooks that a plan is about, as they are `called`: the chapter, and its bug hunt."""
    return [plan["notebook"][:2], *([plan["hunt"]["notebook"]] if "hunt" in plan else [])]


all_notebooks = cache(notebooks)


@cache
def headings(notebook: str) -> dict[str, list[str]]:
    """Each heading of a notebook, and the exercises that are checked below it, before the next one."""
    found, last = {}, None
    for kind, source in all_notebooks()[notebook]:
        if kind == "code":
            found.setdefault(last, []).extend(asked_in(source))
            continue
        for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", source, flags=re.DOTALL), re.MULTILINE):
            found.setdefault(heading, [])
            last = heading
    return found


def all_exercises(notebook: str) -> list[str]:
    """Those with a check by their names, those without one by their headings."""
    unchecked = [h for h, checked in headings(notebook).items() if h.startswith("Your turn") and not checked]
    return [*exercises.all_names(notebook), *unchecked]


def texts(part) -> list[str]:
    """All texts in a part of a plan."""
    if isinstance(part, str):
        return [part]
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    return [text for piece in parts for text in texts(piece)]


def test_every_chapter_has_a_plan_and_every_bug_hunt_is_part_of_one():
    planned = [notebook for chapter in lessons.chapters() for notebook in notebooks_of(lessons.plan(chapter))]
    assert planned == list(all_notebooks())
    assert lessons.chapters() == sorted(lessons.chapters())


@plans
def test_a_plan_names_its_notebook_as_it_is(chapter):
    plan = lessons.plan(chapter)
    assert (
        called(CHAPTERS / f"{plan['notebook']}.ipynb") == chapter and (CHAPTERS / f"{plan['notebook']}.ipynb").exists()
    )
    assert plan["title"] in headings(chapter)


@plans
def test_the_path_takes_ninety_minutes(chapter):
    steps = lessons.plan(chapter)["path"]
    assert sum(step["minutes"] for step in steps) == 90
    assert all(3 <= step["minutes"] <= 25 for step in steps)


@plans
def test_the_path_goes_through_the_notebook_in_its_order(chapter):
    known = list(headings(chapter))
    named = [section for step in lessons.plan(chapter)["path"] for section in step["sections"]]
    assert [section for section in named if section not in known] == []
    assert named == sorted(named, key=known.index)


@plans
def test_each_exercise_is_for_class_or_for_home_or_left_out_once(chapter):
    plan = lessons.plan(chapter)
    named = [name for place in LISTS for name in plan.get(place, {})]
    assert sorted(named) == sorted(name for notebook in notebooks_of(plan) for name in all_exercises(notebook))
    assert plan["in_class"] and ("at_home" in plan or chapter == "00")


@plans
def test_exercises_in_class_stand_on_the_path(chapter):
    plan = lessons.plan(chapter)
    on_path = {section for step in plan["path"] for section in step["sections"]}
    checked = {name for section in on_path for name in [section, *headings(chapter)[section]]}
    own = [name for name in plan["in_class"] if name in all_exercises(chapter)]
    assert [name for name in own if name not in checked] == []


@plans
def test_exercises_and_cases_that_a_plan_speaks_of_exist(chapter):
    plan = lessons.plan(chapter)
    modules = set(exercises.CHAPTERS.values())
    named = {
        name for text in texts(plan) for name in re.findall(r"`(\w+\.\w+)`", text) if name.split(".")[0] in modules
    }
    assert named <= set(exercises.all_names())
    if "hunt" in plan:
        known = headings(plan["hunt"]["notebook"])
        assert [case for case, _ in plan["hunt"]["cases"] if case not in known] == []


@plans
def test_every_step_shows_something_and_most_say_where_students_get_stuck(chapter):
    steps = lessons.plan(chapter)["path"]
    assert all(len(step["show"]) > 60 for step in steps)
    assert sum("ask" in step for step in steps) >= len(steps) / 2
    assert all(("answer" in step) == ("ask" in step) for step in steps)
    assert sum(len(step.get("stuck", [])) for step in steps) >= 6
    assert all(len(pair) == 2 for step in steps for pair in step.get("stuck", []))


# Numbers that a teacher works out on the board, or makes up for a question.
ON_THE_BOARD = {"03": {0.16, 0.13}, "08": {32_896}, "10": {22.7}, "12": {5.5}}
NUMBER = r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d+\.\d+|\d+)"


def numbers_in(notebook: str) -> set[float]:
    """All numbers in a notebook's cells and in what they show."""
    (path,) = [path for path in CHAPTERS.glob("[0-9][0-9]_*.ipynb") if called(path) == notebook]
    shown = [
        output for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] for output in cell.get("outputs", [])
    ]
    parts = [source for _, source in all_notebooks()[notebook]]
    for output in shown:
        parts += [
            "".join(output.get("text", "")),
            *("".join(output.get("data", {}).get(f"text/{k}", "")) for k in ("plain", "html")),
        ]
    return {float(found.replace(",", "")) for part in parts for found in re.findall(NUMBER, part)}


@plans
def test_numbers_that_a_plan_tells_are_in_the_notebook(chapter):
    """Where a chapter was run anew and gave another number, its plan has to say the new one."""
    plan, gone = lessons.plan(chapter), []
    known = set().union(*map(numbers_in, notebooks_of(plan)))
    for found in {found for text in texts(plan) for found in re.findall(NUMBER + r"( %)?", text)}:
        told = found[0].replace(",", "")
        if not (found[1] or "." in told or "," in found[0]):
            continue  # a small whole number: a count, a minute, a section
        digits = len(told.partition(".")[2])
        if not any(float(told) in (round(number, digits), round(100 * number, digits)) for number in known):
            gone.append(float(told))
    assert set(gone) <= ON_THE_BOARD.get(chapter, set())


def test_no_plan_is_much_shorter_than_the_others():
    sizes = {chapter: sum(map(len, texts(lessons.plan(chapter)))) for chapter in lessons.chapters()}
    assert {chapter: size for chapter, size in sizes.items() if size < 0.6 * median(sizes.values())} == {}


@pytest.mark.parametrize("width", [30, 80, 200])
@plans
def test_a_plan_fits_the_terminal(chapter, width):
    lines = lessons.plain(chapter, width).splitlines()
    allowed = min(max(width, 40), 100)
    assert [line for line in lines if len(line) > allowed and " " in line.strip("- ")] == []
    assert not any(line != line.rstrip() for line in lines)


@plans
def test_both_forms_say_everything(chapter):
    plain = " ".join(re.sub(r"\*\*|^ +- |^[-=]+$", "", lessons.plain(chapter), flags=re.MULTILINE).split())
    page = " ".join(lessons.markdown(chapter).split())
    plan = lessons.plan(chapter)
    for text in texts({key: value for key, value in plan.items() if key not in ("path", "notebook", "hunt")}):
        assert text in page and text.replace("**", "") in plain
    for step in plan["path"]:
        for part in (step["show"], step.get("ask", ""), step.get("answer", ""), *sum(step.get("stuck", []), [])):
            assert part in page and part in plain


def test_markdown_has_one_title_and_a_heading_for_each_step():
    page, plan = lessons.markdown("05"), lessons.plan("05")
    assert page.startswith("# Lesson plan: 05 · Attention\n\n") and page.count("\n# ") == 0
    assert page.count("\n### ") == len(plan["path"])
    assert "### 0:00 to 0:12 (12 minutes)" in page


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["05", "5", "05_attention", "chapters/05_attention.ipynb"])
def test_lesson_prints_the_plan(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["lesson", name]) == 0
    assert capsys.readouterr().out == lessons.plain("05", 70)
    assert main(["lesson", name, "--markdown"]) == 0
    assert capsys.readouterr().out == lessons.markdown("05")


@pytest.mark.parametrize("name", ["99", "attention", "", "055"])
def test_an_unknown_chapter_is_told_in_one_sentence(name, capsys):
    assert main(["lesson", name]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("The chapter") and "is not known" in said and len(said.splitlines()) == 1


def test_a_plan_of_an_unknown_chapter_is_a_mistake_of_use():
    with pytest.raises(CourseError, match="did you mean '05_attention'"):
        lessons.plan("05_atention")


def test_a_chapter_whose_cost_was_not_measured_has_a_plan_too(monkeypatch):
    monkeypatch.setattr(lessons.results, "read", lambda name: {})
    assert "has not been measured" in lessons.plain("05")


def test_costs_are_those_that_were_measured():
    measured = json.loads((CHAPTERS.parent / "benchmarks" / "results" / "costs.json").read_text(encoding="utf-8"))
    cost = measured["05_attention"]["quick"]
    assert f"{cost['peak_memory_mb'] / 1000:.1f} GB" in lessons.plain("05", 100)
