"""tools/mutants.py: right answers are changed in one place, and the checks refuse what is wrong."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from notebook_code import Solution, solutions
from test_notebooks import load_tool

from lmtutor import exercises, results

tool = load_tool("mutants")
ROOT = Path(__file__).resolve().parent.parent


def changed(code):
    """The second lines of the mutants of a function that has two."""
    return {text.splitlines()[1].strip() for text in tool.mutants(code)}


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("return a - b", {"a + b", "b - a", "a", "b", "b - b", "a - a", "None"}),
        ("return a < 1", {"a <= 1", "a > 1", "a >= 1", "a < 2", "a < 0", "b < 1", "None"}),
        ("return not a and b", {"not a or b", "a and b", "not a", "b", "not b and b", "not a and a", "None"}),
        ("return max(a)", {"min(a)", "sum(a)", "a", "max(b)", "None"}),
        ("return a[1:]", {"a[1:-1]", "a[2:]", "a[0:]", "a[:]", "b[1:]", "None"}),
        ("return f(x, key=True)", {"f(x)", "x", "f(x, key=False)", "None"}),
        ("return (x, 'O')", {"('O', x)", "x", "'O'", "(x, '')", "(x, 'Ox')", "None"}),
        ("return {x for x in y if x}", {"{x for x in y}", "{x for x in y if not x}", "None"}),
        ("return 0.5", {"1.5", "-0.5", "1.0", "None"}),
    ],
)
def test_each_place_is_changed_in_each_way_once(line, becomes):
    assert changed(f"def f(a, b):\n    {line}") == {"pass", *(f"return {new}" for new in becomes)}


def test_defaults_and_whole_statements_are_changed_too():
    code = "def f(a=2):\n    a += 1\n    return a"
    assert {text.splitlines()[0] for text in tool.mutants(code)} == {"def f(a=2):", "def f(a=3):", "def f(a=1):"}
    assert {"pass", "a -= 1", "a *= 1", "a = 1", "a += 2", "a += 0"} <= changed(code)
    assert ast.unparse(ast.parse(code)) not in set(tool.mutants(code))


def test_each_exercise_has_a_solution_that_its_check_calls_right():
    assert list(solutions()) == exercises.all_names()
    assert [name for name, solution in solutions().items() if tool._refused(solution, solution.code)] == []


def test_each_equivalent_that_is_listed_still_comes_up_and_says_why():
    for (name, change), why in tool.equivalents().items():
        code = solutions()[name].code
        assert change in {tool.difference(code, mutant) for mutant in tool.mutants(code)}, (name, change)
        assert why.endswith(".")


def test_a_change_that_never_ends_is_refused_and_the_next_is_heard(monkeypatch):
    monkeypatch.setattr(tool, "SECONDS", 3)
    endless = "def count_words(string):\n    while True:\n        pass"
    leaves = "import os\ndef count_words(string):\n    os._exit(0)"
    right = "def count_words(string):\n    return len(string.split())"
    solution = Solution("start.count_words", "count_words", "", right)
    examiner = tool.Examiner()
    assert [examiner.refuses(solution, code) for code in (right, endless, right, leaves, right)] == [0, 1, 0, 1, 0]
    examiner.end()


def test_the_checks_refuse_all_changes_to_some_answers():
    names = ["start.count_words", "ngram.add_k", "classify.auc", "extract.may_follow", "finetune.seeds_needed"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "tools/mutants.py", *names]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 surviving\nScore: 100.0 %" in done.stdout, done.stdout


def test_of_all_changes_at_least_98_per_cent_were_refused():
    (row,) = results.read("mutants")["rows"]
    assert row["exercises"] == len(exercises.all_names())
    assert row["equivalent"] == len(tool.equivalents())
    assert float(row["score"].removesuffix(" %")) >= 98
