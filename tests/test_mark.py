"""Marking: what students hand in is found, run behind walls, asked what the chapter does not show, and not believed."""

import copy
import csv
import io
import json
import math
import sys
import zipfile
from itertools import count, cycle
from pathlib import Path

import hostile_answers as hostile
import nbformat
import numpy as np
import pytest
import torch

from lmtutor import exercises
from lmtutor.classroom import (
    answers,
    feedback,
    handins,
    handout,
    makers,
    marking,
    plain,
    release,
    sandbox,
    unseen,
)
from lmtutor.exercises import guard
from lmtutor.exercises.examine import compare, same
from lmtutor.runtime import CourseError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import handins as made

NAMES = exercises.all_names()


# --- plain values -----------------------------------------------------------------------------------------------------

VALUES = [
    None,
    True,
    3,
    -(10**30),
    0.1,
    math.inf,
    "the lamp \ud800 é",
    b"bytes",
    [1, [2.5, "x"], []],
    (1, (2,)),
    {"a": [1], (1, 2): None},
    {1, 2},
    np.array([[1.5, 2], [3, 4]]),
    np.array([True, False]),
    np.float32(2.5),
    torch.tensor([1, 2]),
    torch.tensor([[True]]),
    torch.tensor(0.5, dtype=torch.bfloat16),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_through_the_wall_as_they_are(value):
    got = plain.decode(plain.encode(value))
    assert type(got) is type(value) and same(value, got, 0.0)
    if hasattr(value, "dtype"):
        assert got.dtype == value.dtype and got.shape == value.shape


def test_an_endless_iterator_comes_as_its_beginning():
    got = plain.decode(plain.encode(count()))
    assert [next(got), next(got)] == [0, 1]


@pytest.mark.parametrize("what", [what for what in hostile.RESULTS if "long" not in what and "coroutine" not in what])
def test_what_is_not_plain_never_stops_who_reads_it(what):
    try:
        data = plain.encode(hostile.RESULTS[what]())
    except BaseException:  # a student's own error, in the student's process
        return
    plain.decode(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"[", b"1", b"{}", b'["x", 1]', b'["i", "1e999999999"]', b'["a", "object", [1], ""]', b'["l", 7]',
     b'["a", "float64", [9000000], ""]', b'["T", "float32", [-1, -4], "AAAA"]', b'["l", ' * 3000,
     b'["d", [[["l", []], ["n"]]]]',
     b'["i", "' + b"9" * 10**6 + b'"]', b"\x80\x04cos\nsystem\n.", b"x" * (plain.LONGEST + 1)],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_other_bytes_are_refused_and_no_more(data):
    with pytest.raises(plain.Unreadable):
        plain.decode(data)


# --- unseen cases -----------------------------------------------------------------------------------------------------


def test_the_exercises_without_unseen_cases_are_known():
    assert unseen.without(NAMES) == []
    assert set(makers.MAKERS) <= set(NAMES)


@pytest.mark.parametrize("chapter", exercises.CHAPTERS)
def test_solutions_are_right_for_unseen_cases_and_hard_coded_answers_are_not(chapter):
    code = answers.Notebook(made.right(chapter))
    functions = {question.exercise: question.function for question in marking.questions(chapter)}
    assert list(functions) == exercises.all_names(chapter)
    for name, function in functions.items():
        compares, cases = unseen.comparison(name), unseen.cases(name, 1)
        unknown = compare(compares.reference, cases, tolerance=compares.tolerance)
        assert unknown(ran(code.answers(name, function)[0])) is None, name
        answer = by_heart(compares)
        assert exercises.find(name).examine(answer) is None, name
        assert isinstance(unknown(answer), str), f"{name}: who knows the chapter's cases by heart is right"


def by_heart(compares):
    """An answer that knows the results of the chapter's cases, one after the other, whatever it is asked."""
    results = cycle([compares.reference(*copy.deepcopy(case)) for case in compares.cases])
    return lambda *_: copy.deepcopy(next(results))


def test_a_seed_decides_the_unseen_cases():
    for name in ("recurrent.lstm_step", "tokens.merge"):
        first, again, other = (unseen.cases(name, seed) for seed in (1, 1, 2))
        assert repr(first) == repr(again) != repr(other)


# --- what an answer needs ---------------------------------------------------------------------------------------------


def notebook(*cells, **metadata):
    """A notebook of code cells."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=metadata)


def found(*cells, exercise="start.count_words", function="count_words"):
    return answers.Notebook(notebook(*cells)).answers(exercise, function)


def ran(answer):
    """The value of an answer, run here; these are our own."""
    namespace = {}
    for code, _ in answer.code:
        exec(code, namespace)
    return eval(answer.expression, namespace)


CHECK = 'lm.check("start.count_words", count_words)'


@pytest.mark.parametrize(
    "cells",
    [
        [f"def count_words(s):\n    return len(s.split())\n{CHECK}"],
        ["import numpy as np\nslow = 1 / 0", f"def count_words(s):\n    return int(np.size(s.split()))\n{CHECK}"],
        ["def parts(s):\n    return s.split()", f"def count_words(s):\n    return len(parts(s))\n{CHECK}"],
        [f"def count_words(s):\n    return len(parts(s))\n{CHECK}", "def parts(s):\n    return s.split()"],
        ["gap = []", "gap.append(' ')", f"count_words = lambda s: len(s.replace('\\n', gap[0]).split())\n{CHECK}"],
        ["def mine(s):\n    return len(s.split())\nlm.check('start.count_words', mine)"],
        ["def mine(s):\n    return len(s.split())", "lm.check('start.count_words', lambda s: mine(s))"],
        ["def count_words(s):\n    return len(s.split())", "%matplotlib inline\n!ls"],  # the check was deleted
        [f"class Words:\n    def __call__(self, s):\n        return len(s.split())\ncount_words = Words()\n{CHECK}"],
    ],
)  # fmt: skip
def test_an_answer_takes_along_what_it_needs_and_nothing_else(cells):
    answer = found(*cells)[0]
    assert ran(answer)("the sea\nis") == 3
    assert "1 / 0" not in str(answer.code)


def test_a_training_that_no_answer_uses_is_left_out_and_a_later_one_does_not_count():
    cells = ["model = train()", f"model = 3\ndef count_words(s):\n    return model\n{CHECK}", "model = train()"]
    assert ran(found(*cells)[0])("") == 3


def test_a_cell_that_is_no_python_is_told_and_the_others_are_read():
    broken, *_ = found(f"def count_words(s)\n    return 1\n{CHECK}")
    assert isinstance(broken, answers.Unreadable) and "line 1" in broken.reason


@pytest.mark.parametrize("source", ["\0", "(" * 5000, "x = " + "-" * 20_000 + "1", "x" * 300_000, "\ud800 = 1"])
def test_no_source_stops_the_reader(source):
    code = answers.Notebook(notebook(source, f"def count_words(s):\n    return 1\n{CHECK}"))
    assert ran(code.answers("start.count_words", "count_words")[0])("") == 1


def test_the_same_code_is_known_again_under_other_names_and_in_another_layout():
    one, same_one, other = (
        answers.fingerprint(found(f"{code}\n{CHECK}")[0])
        for code in (
            "def count_words(s):\n    parts = s.split()\n    return len(parts)",
            "def count_words(text):  # mine\n    '''Mine.'''\n    x = (text .split())\n\n    return len(x)",
            "def count_words(s):\n    parts = s.split(' ')\n    return len(parts)",
        )
    )
    assert one == same_one != other


# --- what is handed in ------------------------------------------------------------------------------------------------


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


GOOD = nbformat.writes(notebook("def count_words(s):\n    return 1"))


def test_notebooks_are_found_in_folders_and_zips_each_under_its_student(tmp_path):
    (tmp_path / "ann.ipynb").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bob" / "work").mkdir(parents=True)
    (tmp_path / "bob" / "work" / "one.ipynb").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bob" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "bob" / ".ipynb_checkpoints" / "one.ipynb").write_text(GOOD, encoding="utf-8")
    (tmp_path / "cy.zip").write_bytes(zipped(**{"a/x.ipynb": GOOD, "__MACOSX/x.ipynb": GOOD, "a/readme.txt": "x"}))
    (tmp_path / "dan.zip").write_bytes(zipped(**{"x.ipynb": GOOD, "inner.zip": zipped(**{"y.ipynb": GOOD})}))
    listed = handins.find(tmp_path)
    assert [handin.student for handin in listed] == ["ann", "bob", "cy", "dan x", "dan y"]
    assert all(handins.read(handin).cells for handin in listed)


def test_one_zip_of_a_class_has_a_folder_for_each_student(tmp_path):
    (tmp_path / "all.zip").write_bytes(zipped(**{"ann/x.ipynb": GOOD, "bob/x.ipynb": GOOD, "cy.ipynb": GOOD}))
    assert [handin.student for handin in handins.find(tmp_path / "all.zip")] == ["ann", "bob", "cy"]


BAD = {
    "text.ipynb": (b"hello", "not the JSON"),
    "empty.ipynb": (b"", "is empty"),
    "binary.ipynb": (b"\x89PNG\x00\xff", "not the JSON"),
    "list.ipynb": (b"[]", "no cells"),
    "deep.ipynb": (b"[" * 100_000, "not the JSON"),
    "cells.ipynb": (b'{"cells": [1, 2], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "damaged"),
    "work.docx": (b"PK", "no notebook: its name"),
    "broken.zip": (b"PK\x03\x04 no more", "no zip that can be read"),
    "none.zip": (zipped(**{"readme.txt": "x"}), "no notebook in this zip"),
    "climbs.zip": (made.climbing_zip(), "climbs out of it"),
    "root.zip": (zipped(**{"/etc/x.ipynb": GOOD}), "climbs out of it"),
    "windows.zip": (zipped(**{"..\\..\\x.ipynb": GOOD}), "climbs out of it"),
    "many.zip": (zipped(**{f"{i}.txt": "" for i in range(2500)}), "2,500 files"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_file_is_told_in_one_sentence(name, tmp_path):
    content, said = BAD[name]
    (tmp_path / name).write_bytes(content)
    (handin,) = handins.find(tmp_path)
    chapter, problem = marking.peek(handin)
    assert said in problem and chapter == "" and "\n" not in problem and problem.endswith(".")


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(handins, "UNPACKED", 10**6)
    (tmp_path / "declared.zip").write_bytes(zipped(**{"x.ipynb": "0" * 2_000_000}))
    assert "not unpacked" in handins.find(tmp_path)[0].problem
    monkeypatch.setattr(handins, "UNPACKED", 10**9)
    monkeypatch.setattr(handins, "LARGEST", 10**6)  # also where a zip says less than it holds
    assert "larger than 1 MB" in marking.peek(handins.find(tmp_path)[0])[1]


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text(GOOD, encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ann.ipynb").symlink_to(tmp_path / "secret")
    assert "link" in handins.find(tmp_path / "in")[0].problem


def test_where_nothing_was_handed_in_one_sentence_says_so(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(CourseError, match="nothing in|There is no"):
            handins.find(folder)


def test_the_chapter_of_a_hand_in_is_known_by_its_exercises():
    assert marking.chapter_of(made.chapter("03")) == "03"
    assert marking.chapter_of(made.chapter("03_bug_hunt")) == "03_bug_hunt"
    assert marking.chapter_of(notebook("lm.check('recurrent.shares', f)")) == "03"
    assert marking.chapter_of(notebook("print('mine')")) == ""


# --- behind the walls -------------------------------------------------------------------------------------------------


def modes():
    """The kinds of sandbox that this machine might have."""
    pytest.importorskip("resource", reason="marking needs Linux or macOS")
    return sandbox.kind()


@pytest.fixture(scope="module")
def box():
    """One sandbox for all these answers, with tight limits."""
    with sandbox.Sandbox(modes().mode, sandbox.Limits(seconds=1, megabytes=300)) as box:
        box.start()
        yield box


def asked(box, code, *arguments, expression="answer"):
    """What an answer gives, or the error with which it ended."""
    found = box.load([(code, True)], expression)
    if found["state"] != "callable":
        return found
    try:
        return box.call(*arguments)
    except BaseException as error:
        return error


def test_arguments_and_results_cross_the_wall(box):
    double = "def answer(x, y=0):\n    return x * 2, [x.sum(), y]"
    got = asked(box, double, torch.tensor([1.0, 2.0]), {"a": 1})
    assert same([[2.0, 4.0], [3.0, {"a": 1}]], got, 0.0) and isinstance(got, tuple)
    assert asked(box, "def answer(f):\n    return f([1, 2, 3])", lambda items: sum(items)) == 6
    kind = unseen.comparison("transformer.decoder_layer")
    parts = asked(box, "def answer(x, memory, parts, heads):\n    return type(parts).__name__", *kind.cases[0])
    assert parts == "Parts"  # a class of the exercises, which the sandbox does not have


def test_errors_come_out_by_name_and_text(box):
    error = asked(box, "class Own(ValueError):\n    pass\ndef answer():\n    raise Own('mine')")
    assert isinstance(error, ValueError) and type(error).__name__ == "Own" and str(error) == "mine"
    assert isinstance(asked(box, "def answer():\n    exit()"), SystemExit)
    assert asked(box, "answer = ...")["state"] == "untouched"
    assert asked(box, "answer = 3")["state"] == "value"
    assert asked(box, "answer = 1 / 0")["error"] == "ZeroDivisionError"


STOPPED = {
    "loops for ever": "still ran",
    "os._exit": "ended its own process",
    "crashes": "crashed",
    "sleeps": "waited",
}


@pytest.mark.parametrize("what", made.HOSTILE)
def test_whatever_an_answer_does_the_marker_goes_on_and_believes_nothing(box, what):
    code = f"def answer(*given):\n{made.HOSTILE[what]}".replace("{module}", "start").replace("{name}", "count_words")
    got = asked(box, code, "the sea")
    if what in STOPPED:
        assert isinstance(got, guard.Stopped) and STOPPED[what] in str(got)
    elif what.startswith("gigabytes"):
        assert isinstance(got, MemoryError | guard.Stopped)
    else:
        assert not same(2, got, 1e-6)
    assert asked(box, "def answer(x):\n    return x + 1", 1) == 2


def test_files_are_out_of_reach(box, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("mine", encoding="utf-8")
    assert isinstance(asked(box, f"def answer():\n    return open({str(secret)!r}).read()"), OSError)
    assert isinstance(asked(box, f"def answer():\n    open({str(secret)!r}, 'w')"), OSError)
    assert isinstance(asked(box, "def answer():\n    from lmtutor.exercises.start import count_words"), ImportError)
    assert secret.read_text(encoding="utf-8") == "mine"


def test_the_second_best_sandbox_keeps_files_and_network_out_of_reach_too(tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("mine", encoding="utf-8")
    with sandbox.Sandbox("process", sandbox.Limits(seconds=1, megabytes=300)) as box:
        box.start()
        if not box.protects["files"]:
            pytest.skip("this kernel has no Landlock")
        assert isinstance(asked(box, f"def answer():\n    open({str(kept)!r}).read()"), OSError)
        assert isinstance(asked(box, "def answer():\n    import socket\n    socket.socket()"), OSError)
        assert isinstance(asked(box, f"def answer():\n{made.HOSTILE['loops for ever']}"), guard.Stopped)
        assert asked(box, "def answer():\n    open('own', 'w').write('x')\n    return 1") == 1
        assert isinstance(asked(box, f"def answer():\n{made.HOSTILE['kills']}"), OSError)


# --- a class ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """A class of chapter 00, marked: folder, marks, and the folder with what was written."""
    modes()
    folder, out = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("marks")
    nbformat.write(made.answered("00", {"start.count_words": LONG}), folder / "ann.ipynb")
    nbformat.write(made.answered("00", {"start.count_words": LONG.replace("parts", "p")}), folder / "ben.ipynb")
    patched = made.answered("00", {"start.count_words": BY_HEART})
    patched.cells.insert(0, nbformat.v4.new_code_cell(made.PATCHES))
    patched.cells.insert(1, nbformat.v4.new_markdown_cell("Why?", metadata={"tags": ["open-question"]}))
    patched.cells.insert(2, nbformat.v4.new_markdown_cell("<script>alert(1)</script> because"))
    nbformat.write(patched, folder / "=cmd.ipynb")
    deleted = made.chapter("00")
    deleted.cells = [cell for cell in deleted.cells if "count_words" not in cell.source]
    deleted.cells.append(nbformat.v4.new_code_cell('lm.check("start.count_words", undefined)'))
    nbformat.write(deleted, folder / "cy.ipynb")
    nbformat.write(made.chapter("03"), folder / "dan.ipynb")
    (folder / "eve.ipynb").write_text("no notebook", encoding="utf-8")
    marks = marking.mark(folder, seed=3, jobs=2, limits=sandbox.Limits(2, 500))
    feedback.write(marks, out)
    return folder, marks, out


LONG = """
def count_words(string):
    '''Mine.'''
    parts, number, inside = list(string), 0, False
    for letter in parts:
        if letter in " \\t\\n\\r":
            inside = False
        elif not inside:
            inside, number = True, number + 1
    return number
"""
BY_HEART = f"""
KNOWN = {[(case[0], len(case[0].split())) for case in unseen.comparison("start.count_words").cases]!r}
def count_words(string):
    print("start.count_words: right!")
    return dict(KNOWN).get(string, 2)
"""


def test_a_class_is_marked_and_what_is_wrong_stops_nobody(classroom):
    _, marks, _ = classroom
    assert marks.chapter == "00"
    by_name = {one.student: one for one in marks.marked}
    assert [by_name[name].points for name in ("ann", "ben", "_cmd", "cy")] == [1, 1, 0, 0]
    assert by_name["_cmd"].results[0].state == marking.SHOWN_ONLY
    assert by_name["cy"].results[0].state == marking.MISSING
    assert "chapter 03" in by_name["dan"].problem and "no notebook" in by_name["eve"].problem
    assert marks.same == [["ann", "ben"]]


def test_marks_are_a_table_and_pages(classroom):
    _, marks, out = classroom
    rows = list(csv.DictReader((out / "marks.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [row["student"] for row in rows] == [one.student for one in marks.marked]
    assert rows[[r["student"] for r in rows].index("ann")]["start.count_words"] == "1"
    assert all(row["open: Why?"] == "" for row in rows)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    cmd = (out / "feedback" / "_cmd.html").read_text(encoding="utf-8")
    assert "Right for the cases in the chapter only" in cmd and "For count_words(" in cmd
    assert "<script>" not in cmd and "&lt;script&gt;" in cmd and '<html lang="en">' in cmd
    report = (out / "report.html").read_text(encoding="utf-8")
    assert all(f'href="feedback/{one.student}.html"' in report for one in marks.marked if " " not in one.student)


def test_marked_twice_the_marks_are_the_same(classroom):
    folder, marks, _ = classroom
    handin = next(h for h in handins.find(folder) if h.student == "_cmd")
    again = marking.mark_one(handin, "00", 3, marks.sandbox.mode, sandbox.Limits(2, 500))
    assert again == next(one for one in marks.marked if one.student == "_cmd")


def test_the_seed_of_a_machine_is_drawn_once():
    assert unseen.kept_seed() == unseen.kept_seed()


def test_another_version_is_told_and_marked_all_the_same():
    version = {"notebook": "00_start_here", "course": "0.0.1", "release": "00000000"}
    (note,) = marking._notes(notebook("x = 1", lmtutor=version), "00")
    assert "0.0.1+00000000" in note
    json.dumps(note)


def test_open_questions_are_those_with_the_tag_and_the_bets_of_bug_hunts():
    chapter = made.chapter("03_bug_hunt")
    asked_there = marking.open_questions(chapter, "03_bug_hunt")
    assert len(asked_there) >= 5 and not any(written for _, written in asked_there)
    place = next(i for i, cell in enumerate(chapter.cells) if "**Your bet:**" in cell.source)
    chapter.cells.insert(place + 1, nbformat.v4.new_markdown_cell("I bet on chance."))
    assert marking.open_questions(chapter, "03_bug_hunt")[0][1] == "I bet on chance."


@pytest.mark.parametrize("solutions", ["folded", "none", "answered"])
def test_what_was_handed_out_can_be_handed_in(solutions):
    """Answers stand in cells of their own there, and locked cells check them."""
    path = marking.CHAPTERS / "03_recurrent_language_models.ipynb"
    handed_out = release.released(path, solutions=solutions)
    assert marking.chapter_of(handed_out) == "03" and marking._notes(handed_out, "03") == []
    right = made.solutions(made.chapter("03"))
    places = handout.answers(handed_out)
    for exercise, code in right.items():
        handed_out.cells[places[exercise][-1]].source = code
    code = answers.Notebook(handed_out)
    for question in marking.questions("03"):
        answer = code.answers(question.exercise, question.function)[0]
        assert exercises.find(question.exercise).examine(ran(answer)) is None
