"""Exercises of the bug hunt that goes with chapter 10."""

from __future__ import annotations

import math

from lmtutor.exercises.examine import Exercise, compare, same

IGNORED = -100


def numbered(train: list[str], other: list[str]) -> tuple[list[int], list[int]]:
    """One table of names, in sorted order, for all splits."""
    table = {name: number for number, name in enumerate(sorted(set(train)))}
    return [table[name] for name in train], [table.get(name, IGNORED) for name in other]


def _remark_numbered(arguments, expected, got):
    train, other = arguments
    try:
        ours, theirs = got
        ours, theirs = [int(x) for x in ours], [int(x) for x in theirs]
    except (TypeError, ValueError):
        return "Two lists are wanted: the numbers of the training labels, and of the others."
    first = list(dict.fromkeys(train))
    if ours == [first.index(name) for name in train] != expected[0]:
        return "That is the order of appearance, case 1's mistake: number the names in sorted order."
    if ours != expected[0]:
        both = sorted(set(train) | set(other))
        if ours == [both.index(name) for name in train]:
            return "The table is made from the training labels alone."
        return ""
    own = sorted(set(other))
    if theirs == [own.index(name) for name in other]:
        return "The other labels need the table of the training labels, not one of their own."
    return "A name that training does not know gets -100; all others get their number in training."


def moved(before: dict[str, list[float]], after: dict[str, list[float]]) -> list[float]:
    """For each part the length of its change over its length."""
    change: dict[str, float] = {}
    length: dict[str, float] = {}
    for name, old in before.items():
        part = name.split(".")[0]
        change[part] = change.get(part, 0.0) + sum((a - b) ** 2 for a, b in zip(after[name], old, strict=True))
        length[part] = length.get(part, 0.0) + sum(b**2 for b in old)
    return [math.sqrt(change[part] / length[part]) for part in change]


def _remark_moved(arguments, expected, got):
    before, after = arguments
    got = list(got)
    if len(got) == len(before) != len(expected):
        return "Parameters of the same part belong together: the part is the name up to its first dot."
    if len(got) != len(expected):
        return "One number for each part is wanted."
    if same([value**2 for value in expected], got, 1e-9):
        return "A root is missing."
    if same(moved(after, before), got, 1e-9):
        return "Divide by the length before, not after."
    of_part: dict[str, list[float]] = {}
    for name, old in before.items():
        of_part.setdefault(name.split(".")[0], []).extend(moved({name: old}, after))
    if same([sum(values) / len(values) for values in of_part.values()], got, 1e-9):
        return "Not the mean of the parameters' changes: sum squares over all of them, and divide once."
    return ""


EXERCISES = {
    "numbered": Exercise(
        "{name: number for number, name in enumerate(sorted(set(train)))} is the table; .get(name, -100) asks it.",
        compare(
            numbered,
            [
                (["b", "a"], ["a"]),
                (["good", "bad"], ["bad", "good"]),
                (["b", "a", "c", "a"], ["c", "c", "a"]),
                (["b", "a", "b"], ["a", "z", "c", "b", "z"]),
                (["b", "c"], ["a", "c", "b"]),
                (["x", "y"], []),
                (["x", "y", "z"], ["z"]),
            ],
            remark=_remark_numbered,
        ),
    ),
    "moved": Exercise(
        "Two dicts from part to a sum of squares, of the changes and of the weights before; then the root of their "
        "quotient.",
        compare(
            moved,
            [
                ({"head": [3.0, 4.0]}, {"head": [3.0, 4.0]}),
                ({"head.weight": [3.0, 4.0]}, {"head.weight": [3.0, 1.0]}),
                ({"b.w": [1.0, 0.0], "a.w": [2.0]}, {"b.w": [1.0, 1.0], "a.w": [-2.0]}),
                ({"a.w": [3.0], "a.b": [4.0]}, {"a.w": [3.0], "a.b": [1.0]}),
                ({"head.w": [1.0, 2.0], "hid.w": [2.0]}, {"head.w": [2.0, 4.0], "hid.w": [3.0]}),
                (
                    {"a.w": [1.0, -1.0], "c.x.w": [2.0, 0.0], "a.b": [0.5], "c.y.w": [1.0]},
                    {"a.w": [1.5, -1.0], "c.x.w": [2.0, -1.0], "a.b": [0.0], "c.y.w": [1.0]},
                ),
            ],
            tolerance=1e-9,
            remark=_remark_moved,
        ),
    ),
}
