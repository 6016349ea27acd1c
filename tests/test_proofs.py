"""chapters/PROOFS.md is complete: it lists what the tests prove, and the tests prove what the chapters compare."""

import ast
import math
from pathlib import Path

import nbformat
import pytest
from notebook_code import COMPANION
from proofs import largest_difference

TESTS = Path(__file__).resolve().parent
CHAPTERS = TESTS.parent / "chapters"
NOTEBOOKS = sorted(
    path for path in CHAPTERS.glob("[0-9][0-9]_*.ipynb") if path.stem == path.stem.removesuffix(COMPANION)
)


def marked() -> dict[str, list[str]]:
    """File and name of each test that carries the mark `proof`, with the mark's words."""
    found = {}
    for file in sorted(TESTS.glob("test_*.py")):
        for test in ast.parse(file.read_text(encoding="utf-8")).body:
            for call in getattr(test, "decorator_list", []):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.proof":
                    found[f"{file.stem}::{test.name}"] = [ast.literal_eval(word) for word in call.args]
    return found


def test_the_table_lists_what_carries_the_mark():
    lines = (CHAPTERS / "PROOFS.md").read_text(encoding="utf-8").splitlines()
    listed = [[cell.strip(" `") for cell in line.strip("| ").split(" | ")] for line in lines if "::" in line]
    assert {row[-1]: row[:4] for row in listed} == marked(), "make proof makes the table anew"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_chapter_has_a_proof_for_each_cell_that_compares_numbers(path):
    """Counted only: which proof belongs to which cell is for a reader to see.

    A companion compares a program with itself as well, before and after what must not matter: no proof of equality.
    """
    cells = nbformat.read(path, as_version=4).cells
    compared = sum(cell.cell_type == "code" and "metrics.agree(" in cell.source for cell in cells)
    proofs = [words for words in marked().values() if path.stem[:2] in words[0].split(", ")]
    assert len(proofs) >= compared, f"{compared} cells compare, {len(proofs)} tests carry the mark: add one"


def test_the_largest_difference_is_rounded_up_to_a_power_of_ten():
    assert largest_difference([0.5, 0.25], [0.5, 0.25 + 2e-16]) == 1e-15
    assert largest_difference([1.0, 1.0], [1.0, 1.0011]) == pytest.approx(1e-2)
    assert math.isnan(largest_difference([math.nan, 0.0], [0.0, 0.0]))
