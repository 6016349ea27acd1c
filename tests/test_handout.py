"""What a hand-out and a hand-in have in common: versions, and which cell answers which exercise."""

import copy
import re

import nbformat
import pytest
from notebook_code import CHAPTERS

from lmtutor import exercises
from lmtutor.classroom import handout

START = CHAPTERS / "00_start_here.ipynb"
NOTEBOOKS = sorted(CHAPTERS.glob("[0-9][0-9]_*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def code(source, **metadata):
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


STUB = 'def count_words(string):\n    return ...  # your code here\n\n\nlm.check("start.count_words", count_words)'
ANSWERED = "def count_words(string):\n    return len(string.split())"


def test_all_exercises_are_found_once_in_the_chapters_and_are_answered_where_they_are_asked():
    asked = []
    for path in NOTEBOOKS:
        chapter = read(path)
        questions = handout.questions(chapter)
        assert handout.answers(chapter) == {question.exercise: [question.cell] for question in questions}
        asked += [question.exercise for question in questions]
        for question in questions:
            left = handout.without_calls(chapter.cells[question.cell].source)
            assert "lm.check" not in left and f"def {question.function}(" in left
    assert sorted(asked) == sorted(exercises.all_names())


def test_what_is_optional_gives_no_points():
    points = {question.exercise: question.points for question in handout.questions(read(NOTEBOOKS[4]))}
    assert points["recurrent.shares"] == 1 and points["recurrent.top_p"] == 0


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_version_says_the_course_and_the_text():
    chapter = read(START)
    version = handout.version(chapter, START.stem)
    assert re.fullmatch(r"\d+\.\d+\.\d+\+[0-9a-f]{8}", str(version)) and version.notebook == "00_start_here"
    for cell in chapter.cells:
        cell.outputs, cell.execution_count = [], None
    chapter.cells[0].source = re.sub("quick: .*?;", "quick: 99 s;", chapter.cells[0].source)
    chapter.cells[1].source = "another badge"
    assert handout.version(chapter, START.stem) == version
    chapter.cells[4].source += " One word more."
    assert handout.version(chapter, START.stem) != version


def test_a_version_is_written_and_read():
    chapter = read(START)
    assert handout.read_version(chapter) is None
    version = handout.version(chapter, START.stem)
    handout.stamp(chapter, version)
    assert handout.read_version(nbformat.reads(nbformat.writes(chapter), as_version=4)) == version


@pytest.mark.parametrize("note", ["0.1", 7, None, [], {}, {"notebook": "a", "course": "b"}, {"notebook": 1}])
def test_a_version_that_somebody_spoilt_is_none(note):
    damaged = notebook()
    damaged.metadata["lmtutor"] = note
    assert handout.read_version(damaged) is None


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def handed_in():
    answer, check = code(ANSWERED), code('lm.check("start.count_words", count_words)')
    for cell, part in ((answer, "answer"), (check, "check")):
        handout.mark_cell(cell, "start.count_words", part)
    return notebook(code("import lmtutor as lm"), answer, check)


def test_marks_are_valid_and_read_from_metadata_from_nbgrader_and_from_the_id(handed_in):
    nbformat.validate(handed_in)
    for drop in ("id", "lmtutor", "nbgrader"):
        cell = copy.deepcopy(handed_in.cells[1])
        cell.metadata["nbgrader"] = {"grade_id": cell.id}
        if drop == "id":
            cell.id = "0a1b2c3d"
        cell.metadata.pop(drop, None)
        assert handout.marked(cell) == ("start.count_words", "answer")
    assert handout.marked(handed_in.cells[0]) is None


@pytest.mark.parametrize("note", ["text", 3, None, {"exercise": 3, "part": "answer"}, {"part": "answer"}])
def test_a_mark_that_somebody_spoilt_is_none(note):
    assert handout.marked(code("1", lmtutor=note, nbgrader=note)) is None


def test_an_answer_is_found_by_its_mark(handed_in):
    assert handout.answers(handed_in) == {"start.count_words": [1]}


def test_copies_of_an_answer_are_all_found(handed_in):
    handed_in.cells.append(copy.deepcopy(handed_in.cells[1]))
    assert handout.answers(handed_in) == {"start.count_words": [1, 3]}


def test_an_answer_is_found_without_marks(handed_in):
    for place, cell in enumerate(handed_in.cells):
        cell.metadata, cell.id = nbformat.NotebookNode(), f"cell{place}"
    assert handout.answers(handed_in) == {"start.count_words": [1]}
    handed_in.cells.insert(2, code(ANSWERED))  # the later definition is the one that is checked
    assert handout.answers(handed_in) == {"start.count_words": [2]}


def test_an_answer_is_found_in_the_chapter_itself():
    assert handout.answers(notebook(code("1"), code(STUB))) == {"start.count_words": [1]}


def test_an_answer_that_was_deleted_is_not_found(handed_in):
    del handed_in.cells[1]
    assert handout.answers(handed_in) == {}


def test_an_answer_that_is_no_python_is_found(handed_in):
    handed_in.cells[1].source = "def count_words(string:\n    return"
    assert handout.answers(handed_in) == {"start.count_words": [1]}
