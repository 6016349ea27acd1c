"""The programs in benchmarks/: the tables are made of the stored results, and each result says how to make it."""

import ast
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lmtutor import runtime

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(FOLDER))
import gpu  # noqa: E402
import run  # noqa: E402

RESULTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (FOLDER / "results").glob("*.json")}
SWITCHES = r"(?:[A-Z_]+=\S+ )*"
MAKE, PROGRAM = r"make (bench|scoreboard)(?: ONLY=(\w+))?", r"python benchmarks/(\w+)\.py ?([\w ]*)"
COMMAND = re.compile(f"{SWITCHES}(?:{MAKE}|{PROGRAM})")


@pytest.mark.parametrize("name", run.HEADS)
def test_the_table_is_that_of_the_stored_results(name):
    assert (FOLDER / name).read_text(encoding="utf-8") == run.page(name), (
        "make it anew: python benchmarks/run.py tables"
    )


@pytest.mark.parametrize("name", sorted(set(RESULTS) - {"costs", "mutants"}))
def test_a_result_names_a_command_that_there_is(name):
    command = RESULTS[name]["command"]
    found = COMMAND.fullmatch(command)
    assert found, command
    table, only, program, part = found.groups()
    if table:
        known = {"bench": [program for program, *_ in run.BENCH], "scoreboard": run.SCOREBOARD}[table]
        assert only is None or only in known
    else:
        code = (FOLDER / f"{program}.py").read_text(encoding="utf-8")
        assert all(f'"{word}"' in code or f"def {word}(" in code for word in part.split())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_program_uses_only_what_the_package_has(path):
    """They take too long to be run here; at least they are loaded, and each `module.name` of lmtutor looked up."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{path.stem}", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = vars(program).get(node.value.id)
            if isinstance(owner, ModuleType) and owner.__name__.startswith("lmtutor"):
                assert hasattr(owner, node.attr), f"line {node.lineno}: {owner.__name__} has no {node.attr}"


@pytest.mark.parametrize("program", sorted({program for program, *_ in run.BENCH} | set(run.SCOREBOARD)))
def test_a_program_of_the_tables_is_there(program):
    assert (FOLDER / f"{program}.py").exists()


def test_what_was_asked_of_speed_and_memory_was_reached():
    """A miss has to be seen by whoever measures anew, and explained, before it can land."""
    assert [row["what"] for row in run.rows_of("comparisons") if row["reached"] == "NO"] == []


def test_the_scoreboard_has_three_seeds_wherever_chance_plays_a_part():
    assert {row["seeds"] for row in run.rows_of("scores")} == {3, "nothing random"}


# --- the run on a GPU -------------------------------------------------------------------------------------------------


def test_a_gpu_runs_every_chapter_that_has_numbers_and_some_in_fp16():
    chapters = {chapter for chapter, row in runtime._profiles().items() if row}
    assert {chapter for chapter, _ in gpu.ORDER} == chapters and len(set(gpu.ORDER)) == len(gpu.ORDER)
    assert {precision for _, precision in gpu.ORDER} == set(gpu.PRECISIONS)


def test_a_rehearsal_shrinks_what_takes_time_and_keeps_what_is_a_choice():
    for chapter in {chapter for chapter, _ in gpu.ORDER}:
        for name, value in runtime.chapter_numbers(chapter, "full", "local").items():
            small = gpu.shrunk(name, value)
            assert type(small) is type(value)
            if isinstance(value, int):
                assert (small <= value and small > 0) or small == value
    full = runtime.chapter_numbers("08", "full", "local")
    small = {name: gpu.shrunk(name, value) for name, value in full.items()}
    assert (small["steps"], small["hidden_size"], small["num_layers"]) == (125, 48, 2)
    assert (small["corpus"], small["learning_rate"], small["num_heads"]) == ("tinyshakespeare", 1e-3, 4)


def test_a_chapter_that_fails_and_one_that_takes_too_long_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "OUT", tmp_path)
    environment = {**os.environ, "LMTUTOR_SOURCE": "nowhere"}
    assert "LMTUTOR_SOURCE 'nowhere' is not known" in gpu.chapter("00", "bf16", environment, 200)["ended"]
    assert gpu.chapter("00", "bf16", environment, 0.1)["ended"] == "cut off after 0 s"
    assert gpu.costs_of([{"chapter": "00", "precision": "bf16", "ended": "cut off after 0 s"}]) == {}


def test_in_a_rehearsal_a_claim_that_fails_is_told_and_an_error_is_one(capsys):
    def run(code):
        exec(compile(gpu.Claims().visit(ast.parse(code)), "cell", "exec"), {})

    run("x = 1\nfor y in (1, 2):\n    assert x == y, 'no'")
    assert capsys.readouterr().out == "A claim that so small a run does not reach: x == y\n"
    with pytest.raises(NameError):
        run("assert z")


def test_the_cross_entropy_in_pieces_is_that_of_torch():
    import recurrent
    import torch
    from torch.nn import functional as F

    torch.manual_seed(0)
    logits, labels = torch.randn(150, 30, dtype=torch.float64, requires_grad=True), torch.randint(30, (150,))
    (2 * F.cross_entropy(logits, labels)).backward()
    copy = logits.detach().clone().requires_grad_()
    ours = recurrent.InPlaceCrossEntropy.apply(copy * 1, labels)
    (2 * ours).backward()
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels))
    torch.testing.assert_close(copy.grad, logits.grad)
