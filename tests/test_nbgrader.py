"""A release goes through nbgrader itself: to the assignment, to marks, to feedback. `make test-nbgrader` runs this."""

import copy
import html
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from notebook_code import solutions

from lmtutor.classroom import handout, release, unseen
from lmtutor.course import execute

pytest.importorskip("nbgrader", reason="nbgrader is not installed: `make test-nbgrader` installs it and runs this")

START, RECURRENT = "00_start_here", "03_recurrent_language_models"

# Whoever is marked answers some exercises; all else stays as it was handed out.
RIGHT = {name: f"{solution.imports}\n{solution.code}" for name, solution in solutions().items()}
WARNS = "import warnings\n" + RIGHT["recurrent.clip"].replace("):\n", "):\n    warnings.warn('odd')\n", 1)


def by_heart(exercise: str) -> str:
    """Code of an answer that knows what is right for the chapter's cases, and gives the first of it for all others."""
    compares = unseen.comparison(exercise)
    results = [compares.reference(*copy.deepcopy(case)) for case in compares.cases]
    plain = [one.tolist() if hasattr(one, "tolist") else one for one in results]
    known = dict(zip(map(repr, compares.cases), plain, strict=True))
    function = exercise.partition(".")[2]
    return f"def {function}(*given):\n    known = {known!r}\n    return known.get(repr(given), {plain[0]!r})"


LEARNED = ("start.count_words", "recurrent.shares", "recurrent.lstm_parameters")
HANDED_IN = {
    "ada": RIGHT,
    "bob": {
        "start.count_words": "def count_words(string):\n    return len(string)",
        "recurrent.shares": RIGHT["recurrent.shares"],
        "recurrent.softmax_gradient": "def softmax_gradient(z, y):\n    return np.array(z) * 0",
        "recurrent.two_layer": "def two_layer(x, y, W1, b1, W2, b2):\n    return x @",
        "recurrent.clip": WARNS,
        "recurrent.next_token_loss": "def next_token_loss(logits, ids, pad):\n    raise SystemExit",
        "recurrent.rnn_step": "from lmtutor.exercises.recurrent import rnn_step",
        "recurrent.top_p": RIGHT["recurrent.top_p"],
    },
    "eve": {},
    "kim": {exercise: by_heart(exercise) for exercise in LEARNED},
}
GIVEN = {"bob": {"recurrent.shares", "recurrent.clip"}}  # which of them are right


@pytest.fixture(scope="module", params=["none", "answered"])
def course(request, tmp_path_factory):
    """A release, handed out, handed in, marked and answered by nbgrader."""
    folder = tmp_path_factory.mktemp("classroom") / "course"
    release.release(execute.find([START, RECURRENT]), folder, solutions=request.param)
    for assignment in (START, RECURRENT):
        nbgrader(folder, "generate_assignment", assignment)
        for student, answers in HANDED_IN.items():
            hand_in(folder, assignment, student, answers)
        nbgrader(folder, "autograde", assignment)
        nbgrader(folder, "generate_feedback", assignment)
    return folder


def has_hidden_tests(folder):
    """Whether it is the release in which nbgrader finds solutions and hidden tests."""
    return "BEGIN HIDDEN TESTS" in (folder / "source" / START / f"{START}.ipynb").read_text(encoding="utf-8")


def nbgrader(folder, *arguments, status=0):
    """Run a command of nbgrader as in an activated environment: nbgrader itself starts its alembic by name."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(execute.folder().parent),
        "LMTUTOR_HOME": str(folder / "home"),
    }
    command = ["nbgrader", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == status, done.stderr[-3000:]
    return done.stdout


def hand_in(folder, assignment, student, answers):
    notebook = nbformat.read(folder / "release" / assignment / f"{assignment}.ipynb", as_version=4)
    if assignment == RECURRENT:  # without what trains; a learner may delete cells, too
        notebook.cells = [c for i, c in enumerate(notebook.cells) if i < 4 or handout.marked(c)]
    for cell in notebook.cells:
        exercise, part = handout.marked(cell) or (None, None)
        if part == handout.ANSWER and exercise in answers:
            cell.source = answers[exercise]
        if part == handout.CHECK and student == "eve":
            cell.source = "print('right!')"
    target = folder / "submitted" / student / assignment / f"{assignment}.ipynb"
    target.parent.mkdir(parents=True)
    nbformat.write(notebook, target)


def grades(folder, assignment, student):
    """Exercise -> the points that nbgrader gives for it, and the most that it can give."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        (notebook,) = gradebook.find_submission(assignment, student).notebooks
        assert not notebook.needs_manual_grade
        return {grade.name: (grade.score, grade.max_score) for grade in notebook.grades}


@pytest.mark.slow
@pytest.mark.parametrize("assignment", [START, RECURRENT])
def test_the_marks_are_right(course, assignment):
    (path,) = execute.find([assignment])
    asked = [q for q in handout.questions(nbformat.read(path, as_version=4)) if q.points]
    given = GIVEN | {"ada": {q.exercise for q in asked}, "kim": set() if has_hidden_tests(course) else {*LEARNED}}
    for student in HANDED_IN:
        right = given.get(student, set())
        expected = {handout.cell_id(q.exercise, "check"): (float(q.exercise in right), 1.0) for q in asked}
        assert grades(course, assignment, student) == expected, student


@pytest.mark.slow
def test_a_class_gets_no_solutions_and_its_version(course):
    notebook = nbformat.read(course / "release" / RECURRENT / f"{RECURRENT}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "counts.sum(1, keepdim=True)" not in text and "HIDDEN TESTS" not in text and "BEGIN" not in text
    assert text.count("return ...  # your code here") == 12
    assert str(handout.read_version(notebook)) in notebook.cells[0].source


@pytest.mark.slow
def test_who_knows_the_cases_by_heart_reads_of_another_one_and_the_seed_stays_with_the_teacher(course):
    page = html.unescape((course / "feedback" / "kim" / START / f"{START}.html").read_text(encoding="utf-8"))
    if has_hidden_tests(course):
        assert "Right for the cases in the chapter, but not for another one. For count_words(" in page
        seed = (course / "home" / "marking_seed.txt").read_text(encoding="utf-8").strip()
        written = [path for name in ("source", "release", "feedback") for path in (course / name).rglob("*.*")]
        assert len(written) > 8 and not [path for path in written if seed in path.read_text(encoding="utf-8")]
    else:
        assert "another one" not in page


@pytest.mark.slow
def test_the_feedback_says_what_is_wrong(course):
    page = (course / "feedback" / "bob" / RECURRENT / f"{RECURRENT}.html").read_text(encoding="utf-8")
    page = html.unescape(page)
    for said in (
        "recurrent.softmax_gradient: not yet. For softmax_gradient(",
        "recurrent.adamw_step: not tried yet.",
        "recurrent.rnn_step: this is a function of lmtutor's own",
        "your function ended with SystemExit",
    ):
        assert said in page, said


@pytest.mark.slow
def test_what_answers_itself_is_validated(course):
    """nbgrader's own check of a source before it is handed out passes where the solutions stand in it."""
    source = Path("source") / START / f"{START}.ipynb"
    answered = has_hidden_tests(course)
    said = nbgrader(course, "validate", str(source))
    assert ("Success!" in said) == answered and ("count_words: not tried yet" in said) != answered, said
