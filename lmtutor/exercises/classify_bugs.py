"""Exercises of the bug hunt that goes with chapter 04."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lmtutor.exercises.examine import Exercise, compare, same


def leaked(train: Sequence[str], test: Sequence[str], least: float) -> list[int]:
    """Indices of test texts whose set of words has a Jaccard similarity of at least `least` with some training text."""
    seen = [_words(text) for text in train]
    return [i for i, text in enumerate(test) if any(_jaccard(_words(text), other) >= least for other in seen)]


def _words(text: str) -> set[str]:
    return set(text.lower().split())


def _jaccard(a: set, b: set) -> float:
    return len(a & b) / len(a | b)


def _remark_leaked(arguments, expected, got):
    train, test, least = arguments
    seen = [_words(text) for text in train]

    def found(alike) -> list[int]:
        return [i for i, text in enumerate(test) if any(alike(_words(text), other) for other in seen)]

    if got and all(isinstance(one, str) for one in got):
        return "The places of the texts are wanted, not the texts."
    if same(sorted(set(range(len(test))) - set(expected)), got, 0):
        return "Those are the others: the ones that have no such neighbour."
    if same([i for i, text in enumerate(test) if text in train], got, 0):
        return "Exact copies are found; near ones, with a similarity of at least `least`, are wanted, too."
    if same(found(lambda a, b: _jaccard(a, b) > least), got, 0):
        return "A similarity of exactly `least` counts, too."
    if same(found(lambda a, b: len(a & b) / min(len(a), len(b)) >= least), got, 0) or same(
        found(lambda a, b: len(a & b) / len(a) >= least), got, 0
    ):
        return "Divide by the number of words in either text, len(a | b)."
    if same([i for i, t in enumerate(test) if any(_case(t, other) >= least for other in train)], got, 0):
        return "Capitals make no difference: compare the words in lower case."
    if sorted(set(got)) == expected:
        return "Each text once, in their order, however many neighbours it has."
    return ""


def _case(a: str, b: str) -> float:
    return _jaccard(set(a.split()), set(b.split()))


def expected_best(n: int, k: int) -> float:
    """The mean of the largest of k binomial counts (n coins each), divided by n."""
    at_most, total = 0.0, 0.0
    for m in range(n):
        at_most += math.comb(n, m) / 2**n
        total += 1 - at_most**k
    return total / n


def _remark_expected_best(arguments, expected, got):
    n, k = arguments
    if same(expected * n, got, 1e-6):
        return "That is the number of right answers; the accuracy is a share of n."
    if same(0.5, got, 1e-6):
        return "That is one of them in the mean; the best of k is higher."
    if same(1 - 0.5**k, got, 1e-6) and n > 1:
        return "That would be right for a test of one text."
    if same(expected + 1 / n, got, 1e-6):
        return "One too many: sum over m from 1 to n, not from 0, since 0 or more is always reached."
    return ""


def called_too_often(precision: Sequence[float], recall: Sequence[float], support: Sequence[int]) -> float:
    """The sum of support * recall / precision, minus the sum of the supports."""
    called = [n * r / p for p, r, n in zip(precision, recall, support, strict=True)]
    return sum(called) - sum(support)


def _remark_called_too_often(arguments, expected, got):
    precision, recall, support = arguments
    rows = list(zip(precision, recall, support, strict=True))
    if same(-expected, got, 1e-6):
        return "The sign is the other way round: positive means that too many texts are called something."
    if same(sum(n * r / p for p, r, n in rows), got, 1e-6):
        return "Those are all that were called something; subtract the number of texts."
    if same(sum(n * p / r for p, r, n in rows) - sum(support), got, 1e-6):
        return (
            "Precision and recall are exchanged: recall * support answers are right, and of what was called this class "
            "they are the share `precision`."
        )
    if same(sum(n * r for _, r, n in rows) - sum(support), got, 1e-6):
        return "Those are the right answers only; divide by the precision to get all that were called this class."
    return ""


EXERCISES = {
    "leaked": Exercise(
        hint="Make the set of words of each training text once: set(text.lower().split()). For two sets a & b are the "
        "common words and a | b those in either. any(...) asks whether one neighbour is near enough.",
        examine=compare(
            leaked,
            [
                (["a b c"], ["a b c"], 1.0),
                (["a b c"], ["c b a", "x y"], 1.0),
                (["The ferry is late"], ["x", "the FERRY is here", "the ferry"], 0.5),
                (["a b c d", "e f"], ["e f g h", "a b c", "e f f f e"], 0.75),
                (["a b", "a b c", "b a"], ["q", "a b", "a a b b c", "b"], 0.6),
                (["a a a b"], ["a a a c", "a b b b"], 0.5),
                (["a b c d e f"], ["a b", "a b c d e", "a b c d e f g h i j k l"], 0.5),
            ],
            remark=_remark_leaked,
        ),
    ),
    "expected_best": Exercise(
        hint="Let F grow in a loop: F += math.comb(n, m) / 2**n for m = 0, 1, ..., n - 1. The best has m + 1 or more "
        "with probability 1 - F**k; add these up, and divide by n.",
        examine=compare(
            expected_best, [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5), (100, 40)], remark=_remark_expected_best
        ),
    ),
    "called_too_often": Exercise(
        hint="For each class: right answers = recall * support; called = right answers / precision. Add up over the "
        "classes, and subtract the number of texts, sum(support).",
        examine=compare(
            called_too_often,
            [
                ([1.0], [1.0], [5]),
                ([0.5, 1.0], [1.0, 0.5], [2, 4]),
                ([0.8, 0.5], [0.4, 0.25], [10, 20]),
                ([0.5, 0.25, 0.8], [0.75, 0.5, 0.8], [4, 2, 10]),
            ],
            remark=_remark_called_too_often,
        ),
    ),
}
