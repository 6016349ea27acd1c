"""What a class gets: notebooks with or without solutions, with a version, in nbgrader's format."""

import ast
import re
import sys
from collections import Counter
from functools import cache

import jsonschema
import nbformat
import pytest
from notebook_code import CHAPTERS, solutions

from lmtutor import exercises
from lmtutor.classroom import handout, marking, release, unseen
from lmtutor.course.cli import main
from lmtutor.exercises import progress_file
from lmtutor.runtime import CourseError

NOTEBOOKS = sorted(CHAPTERS.glob("[0-9][0-9]_*.ipynb"))
START = CHAPTERS / "00_start_here.ipynb"

# nbgrader's schema of a cell's metadata, version 3. The test of a whole round, in test_nbgrader.py, needs nbgrader.
SCHEMA = {
    "type": "object",
    "properties": {
        "schema_version": {"const": 3},
        "grade": {"type": "boolean"},
        "locked": {"type": "boolean"},
        "solution": {"type": "boolean"},
        "task": {"type": "boolean"},
        "grade_id": {"type": "string", "pattern": r"^[a-zA-Z0-9_\-]+$"},
        "points": {"type": "number", "minimum": 0},
        "cell_type": {"enum": ["raw", "code", "markdown"]},
    },
    "required": ["schema_version", "grade", "locked", "solution", "grade_id"],
    "additionalProperties": False,
}


def read(path):
    return nbformat.read(path, as_version=4)


@cache
def released(path, how):
    return release.released(path, solutions=how)


def texts(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def by_part(notebook, wanted):
    return {
        name: cell for cell in notebook.cells for name, part in [handout.marked(cell) or ("", "")] if part == wanted
    }


EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
FORMS = pytest.mark.parametrize("how", release.SOLUTIONS)


@EACH
@FORMS
def test_each_exercise_is_an_answer_and_a_locked_check_below_it(path, how):
    notebook, asked = released(path, how), handout.questions(read(path))
    nbformat.validate(notebook)
    found = [mark for cell in notebook.cells if (mark := handout.marked(cell))]
    assert found == [(question.exercise, part) for question in asked for part in (handout.ANSWER, handout.CHECK)]
    for question in asked:
        check = by_part(notebook, handout.CHECK)[question.exercise]
        assert check.source.splitlines()[0] == f'lm.check("{question.exercise}", {question.function})'
        grader = check.metadata["nbgrader"]
        assert not check.metadata["editable"] and not check.metadata["deletable"] and grader["locked"]
        assert grader["grade"] == (not question.optional) and grader.get("points", 0) == question.points
        hidden = re.findall(r"### BEGIN HIDDEN TESTS\n(.*?)\n### END HIDDEN TESTS", check.source, re.DOTALL)
        asks = f'lmtutor.classroom.unseen.require("{question.exercise}", {question.function})'
        wanted = [f"import lmtutor.classroom.unseen\n{asks}"] if how == "answered" and question.points else []
        assert hidden == wanted and len(check.source.splitlines()) == 1 + 4 * len(wanted)
    metadata = [cell.metadata["nbgrader"] for cell in notebook.cells if "nbgrader" in cell.metadata]
    for one in metadata:
        jsonschema.validate(dict(one), SCHEMA)
    assert not [name for name, times in Counter(one["grade_id"] for one in metadata).items() if times > 1]
    assert len(metadata) == len(asked) * (2 if how == "answered" else 1)


@EACH
def test_a_version_stands_below_the_title_and_in_the_metadata_and_nothing_else_of_the_machine(path):
    notebook = released(path, "folded")
    version = handout.version(read(path), path.stem)
    title, _, line, *_ = notebook.cells[0].source.splitlines()
    assert title.startswith(f"# {path.stem[:2]} · ") and line == f"*Version {version} of this notebook.*"
    assert handout.read_version(notebook) == version and "widgets" not in notebook.metadata
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    assert "colab-badge" not in "".join(texts(notebook))  # it would open the chapter


def test_outputs_are_kept_on_request():
    notebook, chapter = release.released(START, outputs=True), read(START)
    kept, stored = ([o for c in n.cells for o in c.get("outputs", [])] for n in (notebook, chapter))
    assert kept == stored and "widgets" in notebook.metadata
    assert "not tried yet" in str(by_part(notebook, handout.CHECK)["start.count_words"].outputs)


@EACH
def test_hints_are_refused_on_request(path):
    lines = [line for cell in release.released(path, hints=False).cells for line in cell.source.splitlines()]
    assert lines.count("lm.exercises.without_hints()") == 1
    assert lines.index("lm.exercises.without_hints()") > next(i for i, line in enumerate(lines) if "lm.setup(" in line)


def test_without_hints_none_is_told(monkeypatch, capsys):
    monkeypatch.setattr(exercises, "_gives_hints", True)  # what it was comes back after the test
    exercises.without_hints()
    exercises.hint("start.count_words")
    exercises.check("start.count_words", ...)
    hint, check = capsys.readouterr().out.splitlines()
    assert hint == "start.count_words: no hints are given in this notebook. Ask your teacher."
    assert check == "start.count_words: not tried yet. Put your code in place of the `...`."


@EACH
@pytest.mark.parametrize("how", ["none", "answered"])
def test_no_solution_is_left_where_a_class_reads(path, how):
    chapter, notebook = texts(read(path)), texts(released(path, how))
    said = "\n".join(notebook)
    summaries = re.findall(r"<summary>(.*?)</summary>", said, re.DOTALL)
    assert all(re.match(r"[a-e]\) ", summary) for summary in summaries)
    assert len(summaries) == len(re.findall(r"<summary>[a-e]\) ", "\n".join(chapter)))  # the quiz is whole
    for question in handout.questions(read(path)):
        assert f"def {question.function}(" not in said
    kept = Counter(re.sub(r"<details>.*?</details>|Only then open the solution\.|\s", "", "".join(chapter), flags=re.S))
    left = Counter(re.sub(r"<details>.*?</details>|\*Version .*? of this notebook\.\*|\s", "", said, flags=re.S))
    badge = Counter(re.sub(r"\s", "", next(text for text in chapter if "colab-badge" in text)))
    assert left == kept - badge  # all other text is there
    assert all(text in handout.texts(read(path)) for text in notebook[1:])


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if "bug_hunt" in path.stem], ids=lambda path: path.stem)
@FORMS
def test_nothing_that_was_handed_out_counts_as_what_a_learner_wrote(path, how):
    questions = marking.open_questions(released(path, how), path.stem)
    assert questions and [text for _, text in questions if text] == []


@EACH
def test_a_folded_solution_stays_where_it_was(path):
    kept = [text for text in texts(read(path))[1:] if "colab-badge" not in text]
    assert texts(released(path, "folded"))[1:] == kept


@EACH
def test_an_answered_cell_is_the_stub_with_the_solution_in_its_gap(path):
    chapter, cells = read(path), by_part(released(path, "answered"), handout.ANSWER)
    for question in handout.questions(chapter):
        code = cells[question.exercise].source
        stub = handout.without_calls(chapter.cells[question.cell].source)
        cleared = re.sub(r"### BEGIN SOLUTION\n.*?### END SOLUTION", "return ...  # your code here", code, flags=re.S)
        # A stub that says what to return, "return ...  # your code here: two numbers", says so in a line above.
        assert cleared == re.sub(r"return \.\.\.  (# your code here.+)", r"\1\n    return ...  # your code here", stub)
        body = release._definition(code, question.function).body
        body = body[ast.get_docstring(release._definition(code, question.function)) is not None :]
        right = ast.parse(solutions()[question.exercise].code).body
        (function,) = [s for s in right if isinstance(s, ast.FunctionDef) and s.name == question.function]
        wanted = function.body[ast.get_docstring(function) is not None :]
        assert list(map(ast.dump, body)) == [*(ast.dump(s) for s in right if s is not function), *map(ast.dump, wanted)]


def test_a_solution_may_bring_imports_comments_and_lines_that_are_not_indented():
    stub = 'before = 1\n\n\ndef f(x):\n    """Doc."""\n    return ...  # your code here'
    solution = 'import math\n\n\ndef f(x):\n    """Other."""\n    # why\n    text = """a\nb"""\n    return math.pi\n'
    code = release.answered(stub, "f", solution)
    assert "### BEGIN SOLUTION\n    import math\n    # why\n" in code and code.startswith(
        'before = 1\n\n\ndef f(x):\n    """Doc'
    )
    namespace = {}
    exec(code, namespace)
    assert namespace["f"](1) == 3.141592653589793


def test_a_chapter_without_a_solution_is_told(tmp_path):
    chapter = read(START)
    for cell in chapter.cells:
        cell.source = cell.source.replace("```python", "```")
    nbformat.write(chapter, tmp_path / START.name)
    with pytest.raises(CourseError, match=r"no folded solution below the exercise start\.count_words"):
        release.released(tmp_path / START.name, solutions="answered")
    assert release.released(tmp_path / START.name, solutions="none")


# --- folders and chapters ---------------------------------------------------------------------------------------------


def test_the_command_writes_a_folder_for_nbgrader(tmp_path, capsys):
    folder = tmp_path / "new" / "course"
    assert main(["release", str(folder), "--chapters", "00", "--without-solutions"]) == 0
    (path,) = (folder / "source").rglob("*.ipynb")
    assert path.relative_to(folder).as_posix() == "source/00_start_here/00_start_here.ipynb"
    version = str(handout.version(read(START), START.stem))
    assert capsys.readouterr().out == f"source/00_start_here/00_start_here.ipynb  {version}  1 point\n"
    assert sorted(p.name for p in folder.iterdir()) == ["nbgrader_config.py", "source"]
    assert read(path).cells == released(START, "none").cells
    compile((folder / "nbgrader_config.py").read_text(encoding="utf-8"), "nbgrader_config.py", "exec")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("03", ["03"]),
        ("01-04", ["01", "02", "03", "04"]),
        ("00, 03_bug_hunt", ["00", "03_bug_hunt"]),
        ("09-09,11", ["09", "11"]),
    ],
)
def test_chapters_are_named_by_numbers_ranges_and_names(wanted, found):
    assert release.chapter_numbers(wanted) == found


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("04-01", "'04-01' is no range of chapters"),
        ("1-4", "'1-4' is no range of chapters"),
        ("01-", "'01-' is no range of chapters"),
        ("", "No chapter is named"),
        ("98-99", "98"),
        ("nonsense", "nonsense"),
    ],
)
def test_unknown_chapters_are_told_in_a_sentence_and_nothing_is_written(tmp_path, capsys, wanted, said):
    assert main(["release", str(tmp_path / "course"), "--chapters", wanted]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_files_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert main(["release", str(tmp_path), "--chapters", "00"]) == 2
    assert "holds files already, and nothing is overwritten" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert main(["release", str(tmp_path / "mine.txt"), "--chapters", "00"]) == 2
    assert "is a file" in capsys.readouterr().err


def test_an_empty_folder_is_filled(tmp_path):
    assert main(["release", str(tmp_path), "--chapters", "00"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nbgrader_config.py", "source"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["release", str(tmp_path / "file" / "course"), "--chapters", "00"]) == 2
    told = capsys.readouterr().err
    assert "cannot be written (Not a directory)" in told or "cannot be written (The system" in told
    assert told.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    def full(path, text, encoding):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert main(["release", str(tmp_path / "course"), "--chapters", "00"]) == 2
    assert "No space left on device" in capsys.readouterr().err and not list(tmp_path.iterdir())
    (tmp_path / "empty").mkdir()
    assert main(["release", str(tmp_path / "empty"), "--chapters", "00"]) == 2
    assert not list((tmp_path / "empty").iterdir())


def test_a_file_that_is_no_notebook_is_told(tmp_path):
    (tmp_path / "03_x.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(CourseError, match=r"03_x\.ipynb cannot be read as a notebook"):
        release.release([tmp_path / "03_x.ipynb"], tmp_path / "course")
    assert not (tmp_path / "course").exists()


# --- what nbgrader runs -----------------------------------------------------------------------------------------------


def right(string):
    return len(string.split())


def wrong(string):
    return len(string)


def stub_of_nbgrader(string):
    raise NotImplementedError()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (wrong, "start.count_words: not yet. For count_words("),
        (lambda string: ..., "start.count_words: not tried yet."),
        (stub_of_nbgrader, "start.count_words: not tried yet."),
        (..., "start.count_words: not tried yet."),
        (3, "start.count_words: not yet. A function was expected"),
        (exercises.find, "start.count_words: this is a function of lmtutor's own"),
    ],
)
def test_what_is_not_right_raises_for_nbgrader(answer, said, monkeypatch, capsys):
    with pytest.raises(AssertionError) as raised:
        exercises.require("start.count_words", answer)
    assert str(raised.value).startswith(said)
    assert raised.value._render_traceback_() == [f"AssertionError: {raised.value}"]
    exercises.check("start.count_words", right if answer is exercises.find else answer)  # elsewhere nothing stops
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(AssertionError):
        exercises.check("start.count_words", answer)


def test_what_is_right_is_said_and_writes_nothing_to_stderr(capsys, monkeypatch):
    def noisy(string):
        print("mine", file=sys.stderr)
        return right(string)

    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    exercises.check("start.count_words", noisy)
    shown = capsys.readouterr()
    assert shown.out.endswith("start.count_words: right!\n") and "mine" in shown.out and shown.err == ""
    assert progress_file.read() == {}


def known_by_heart(string):
    known = {case[0]: right(*case) for case in unseen.comparison("start.count_words").cases}
    return known.get(string, 2)


def test_a_hidden_test_asks_what_the_chapter_does_not_show(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path))
    exercises.require("start.count_words", known_by_heart)
    capsys.readouterr()
    with pytest.raises(exercises.NotRight) as raised:
        unseen.require("start.count_words", known_by_heart)
    said = "not yet. Right for the cases in the chapter, but not for another one. For count_words(string="
    assert str(raised.value).startswith(f"start.count_words: {said}")
    with pytest.raises(exercises.NotRight) as again:  # with the seed that was kept
        unseen.require("start.count_words", known_by_heart)
    assert str(again.value) == str(raised.value) and capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["marking_seed.txt"]
    unseen.require("start.count_words", right)
    assert capsys.readouterr().out == "start.count_words: right!\n"


@pytest.mark.parametrize(
    ("answer", "said"), [(wrong, "not yet. For count_words("), (..., "not tried yet."), (exercises.find, "this is a")]
)
def test_a_hidden_test_says_first_what_the_check_says(answer, said):
    with pytest.raises(exercises.NotRight) as raised:
        unseen.require("start.count_words", answer, seed=1)
    assert str(raised.value).startswith(f"start.count_words: {said}")
