"""`make proof`: runs the tests that carry the mark `proof` and makes chapters/PROOFS.md, the table of all equalities.

A pytest plugin. While a marked test runs, it notes every comparison of numbers that the test makes: the largest
difference and the type. So the table comes from the tests' own code. A test that compares with == alone is marked
`exact=True`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from lmtutor.metrics import largest_difference

TABLE = Path(__file__).resolve().parent.parent / "chapters" / "PROOFS.md"
HEAD = """# What is proved equal

Each row is a unit test: what the course builds, against the library that the field uses (or against calculus, or
against trying everything). Same input, same weights; the largest difference of all comparisons, rounded up to a power
of ten. `make proof` runs these tests and makes this table anew.

| chapter | ours | equal to | on | numbers | largest difference | test |
|---|---|---|---|---|---|---|
"""


def rows_of(item) -> dict[str, object]:
    """The words of a test's mark: chapter, ours, theirs, on; and whether it compares with ==."""
    mark = item.get_closest_marker("proof")
    chapter, ours, theirs, on = mark.args
    return {"chapter": chapter, "ours": ours, "theirs": theirs, "on": on, "exact": mark.kwargs.get("exact", False)}


COMPARISONS = (
    (torch.testing, "assert_close"),
    (np.testing, "assert_allclose"),
    (np, "allclose"),
    (math, "isclose"),
)


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
        self.marks: dict[tuple[str, str], dict] = {}
        self.found: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
        self.failed = False

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.get_closest_marker("proof")]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        key = (item.path.name, item.originalname)
        self.marks[key] = rows_of(item)
        note = partial(self.note, key)
        with pytest.MonkeyPatch.context() as patch:
            for place, name in COMPARISONS:
                patch.setattr(place, name, self.watched(getattr(place, name), note))
            patch.setattr(pytest, "approx", lambda expected, **tolerance: Approximately(expected, note, **tolerance))
            return (yield)

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
        lines = [line for _, line in sorted(self.lines())]
        TABLE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
        terminalreporter.write_line("\n".join(lines))
        terminalreporter.write_line(f"{len(lines)} proofs, written to chapters/{TABLE.name}")

    def lines(self):
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
