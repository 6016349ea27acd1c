"""`make proof`: runs the tests that carry the mark `proof` and makes chapters/PROOFS.md, the table of all equalities.

A pytest plugin. While a marked test runs, it notes every comparison of numbers that the test makes: the largest
difference and the type. So the table comes from the tests' own code. A test that compares with == alone is marked
`exact=True`. A test that is skipped, as its library or data is not there, keeps the row that it had.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

TABLE = Path(__file__).resolve().parent.parent / "chapters" / "PROOFS.md"
HEAD = """# What is proved equal

Each row is a unit test: what the course builds, against the library that the field uses (or against calculus, against
another way to the same numbers, or against trying everything). Same input, same weights; the largest difference of all
comparisons, rounded up to a power of ten, as the machine that made the table found it: rounding is another on each
processor, so the tests assert bounds. `make proof` runs these tests and makes this table anew.

| chapter | ours | equal to | on | numbers | largest difference | test |
|---|---|---|---|---|---|---|
"""


def rows_of(item) -> dict[str, object]:
    """The words of a test's mark: chapter, ours, theirs, on; and whether it compares with ==."""
    mark = item.get_closest_marker("proof")
    chapter, ours, theirs, on = mark.args
    return {"chapter": chapter, "ours": ours, "theirs": theirs, "on": on, "exact": mark.kwargs.get("exact", False)}


def key_of(item) -> tuple[str, str]:
    """File and name of a test, whatever its parameters."""
    return item.path.name, item.originalname


COMPARISONS = (
    (torch.testing, "assert_close"),
    (np.testing, "assert_allclose"),
    (np, "allclose"),
    (math, "isclose"),
)


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest |a - b|, rounded up to a power of ten and not below 1e-15; nan or inf if that is what it is."""
    largest = float(np.abs(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)).max(initial=0.0))
    return 10.0 ** math.ceil(math.log10(max(largest, 1e-15)) - 1e-9) if math.isfinite(largest) else largest


class Approximately:
    """What `pytest.approx` gives, but it tells `note` what it is compared with."""

    __array_ufunc__ = None  # so that numpy leaves the comparison to this class

    def __init__(self, expected, note, **tolerance):
        self.expected, self.inner, self.note = expected, APPROX(expected, **tolerance), note

    def __eq__(self, other):
        other = other.expected if isinstance(other, Approximately) else other
        self.note(other, self.expected)
        return other == self.inner


APPROX = pytest.approx


class Proofs:
    """Watches marked tests and keeps what they compared, by file and name of the test."""

    def __init__(self):
        self.rows = {
            line.split("`")[-2]: line for line in TABLE.read_text(encoding="utf-8").splitlines() if "::" in line
        }
        self.marks: dict[tuple[str, str], dict] = {}
        self.wanted: list[tuple[str, str]] = []  # all tests that carry the mark
        self.found: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
        self.failed = False

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.get_closest_marker("proof")]
        self.wanted = list(dict.fromkeys(map(key_of, items)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        note = partial(self.note, key_of(item))
        with pytest.MonkeyPatch.context() as patch:
            for place, name in COMPARISONS:
                patch.setattr(place, name, self.watched(getattr(place, name), note))
            patch.setattr(pytest, "approx", lambda expected, **tolerance: Approximately(expected, note, **tolerance))
            result = yield
        self.marks[key_of(item)] = rows_of(item)
        return result

    def watched(self, compare, note):
        def comparison(ours, theirs, *args, **options):
            note(ours, theirs)
            return compare(ours, theirs, *args, **options)

        return comparison

    def note(self, key, ours, theirs):
        if isinstance(ours, list | tuple):
            for pair in zip(ours, theirs, strict=True):
                self.note(key, *pair)
            return
        a, b = (x.detach().cpu() if isinstance(x, torch.Tensor) else np.asarray(x) for x in (ours, theirs))
        bits = min(8 * x.itemsize for x in (a, b))
        self.found[key].append((largest_difference(*np.broadcast_arrays(a, b)), f"float{bits}"))

    def pytest_runtest_logreport(self, report):
        self.failed |= report.failed

    def pytest_terminal_summary(self, terminalreporter):
        if self.failed:
            terminalreporter.write_line("A proof failed, so the table is left as it was.")
            return
        table = HEAD + "\n".join(line for _, line in sorted(self.lines())) + "\n"
        TABLE.write_text(table, encoding="utf-8")
        terminalreporter.write_line(table)
        left = "".join(f"; {file}::{test} was skipped" for file, test in self.wanted if (file, test) not in self.marks)
        terminalreporter.write_line(f"{table.count('::')} proofs, written to chapters/{TABLE.name}{left}")

    def lines(self):
        for file, test in self.wanted:
            row = self.rows.get(f"{file[:-3]}::{test}")
            if (file, test) not in self.marks and row:
                yield (row.split("|")[1].strip(), file, test), row
        for (file, test), mark in self.marks.items():
            found = self.found[file, test]
            if mark["exact"] == bool(found):
                raise pytest.UsageError(f"{file}::{test} compares {'numbers' if found else 'with == alone'}.")
            numbers = ", ".join(sorted({kind for _, kind in found})) or "exact"
            largest = f"{max(size for size, _ in found):.0e}" if found else "none"
            cells = (
                mark["chapter"],
                mark["ours"],
                mark["theirs"],
                mark["on"],
                numbers,
                largest,
                f"`{file[:-3]}::{test}`",
            )
            yield (mark["chapter"], file, test), "| " + " | ".join(cells) + " |"


def pytest_configure(config):
    config.pluginmanager.register(Proofs())
