"""Exercises of the bug hunt that goes with chapter 03."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lmtutor.exercises.examine import Exercise, compare, same


def double_softmax_floor(V: int) -> float:
    """-ln of the softmax of (1, 0, ..., 0) at the true class."""
    return math.log(math.e + V - 1) - 1


def _remark_double_softmax_floor(arguments, expected, got):
    (V,) = arguments
    if same(0.0, got, 1e-6):
        return "That is the best loss with one softmax; here a second one takes the probabilities 1 and 0 for logits."
    if same(math.log(V), got, 1e-6):
        return "That is the loss at the start, when all classes are equally probable; how far down can it go?"
    if same(expected + 1, got, 1e-6):
        return "That is the logarithm of the softmax's denominator; the true class has e^1 in the numerator."
    if same(math.log(math.e + V) - 1, got, 1e-6):
        return "Of the V classes one is the true one, so V - 1 others have the logit 0."
    return ""


def reads(predict: Callable, ids: Sequence[Sequence[int]], row: int, place: int) -> list[list[bool]]:
    """Cell by cell, whether raising that id by 1 changes the prediction at (row, place)."""
    before = predict([list(line) for line in ids])[row][place]
    found = []
    for b, line in enumerate(ids):
        found.append([])
        for t in range(len(line)):
            changed = [list(other) for other in ids]
            changed[b][t] += 1
            found[b].append(predict(changed)[row][place] != before)
    return found


def _remark_reads(arguments, expected, got):
    predict, ids, row, place = arguments
    turned = [[not cell for cell in line] for line in expected]
    if same(turned, got, 1e-6):
        return "Exactly the other way round: True means that the number at (row, place) changes."
    if same([list(line) for line in zip(*expected, strict=True)], got, 1e-6):
        return "Rows and columns are exchanged: the first index of the result is the row of the batch."
    if any(cell not in (0, 1) for line in got for cell in line):
        return "Booleans are wanted: compare what came before and after the change with !=."
    cumulative, changed = [], [list(line) for line in ids]
    before = predict(changed)[row][place]
    for b, line in enumerate(ids):
        cumulative.append([])
        for t in range(len(line)):
            changed[b][t] += 1
            cumulative[b].append(predict(changed)[row][place] != before)
    if same(cumulative, got, 1e-6):
        return "Your changes add up: start from the given ids again for each cell, with a copy of every row."
    return ""


# What the cases predict from: a number for each row and place, made of the ids that it may or may not read.


def _present(ids):
    """its own id, doubled"""
    return [[2 * i for i in line] for line in ids]


def _causal(ids):
    """the sum of its row up to its place"""
    return [[sum(line[: t + 1]) for t in range(len(line))] for line in ids]


def _across(ids):
    """the sum of its column down to its row"""
    return [[sum(ids[k][t] for k in range(b + 1)) for t in range(len(line))] for b, line in enumerate(ids)]


def _leaky(ids):
    """its own id, and the next one of its row"""
    return [[10 * line[t] + (line[t + 1] if t + 1 < len(line) else 0) for t in range(len(line))] for line in ids]


def _above_five(ids):
    """whether its own id is above 5"""
    return [[int(i > 5) for i in line] for line in ids]


def _parity(ids):
    """whether the ids of its row are odd together, and the first id of the last row"""
    return [[sum(line) % 2 + 10 * ids[-1][0] for _ in line] for line in ids]


def corpus_perplexity(losses: Sequence[float], tokens: Sequence[int]) -> float:
    """e to the sum of losses times tokens, divided by all tokens; batches without tokens do not count."""
    total = sum(loss * n for loss, n in zip(losses, tokens, strict=True) if n)
    return math.exp(total / sum(tokens))


def _remark_corpus_perplexity(arguments, expected, got):
    losses, tokens = arguments
    mean = math.log(expected)
    if same(mean, got, 1e-6):
        return "That is the mean loss in nats; the perplexity is e to that power."
    if same(2**mean, got, 1e-6):
        return "The losses are in nats, so the base is e, not 2."
    if isinstance(got, float) and math.isnan(got):
        return "nan times 0 is nan: leave batches without tokens out."
    counted = [(loss, n) for loss, n in zip(losses, tokens, strict=True) if n]
    if same(math.exp(sum(loss for loss, _ in counted) / len(counted)), got, 1e-6):
        return "A mean of means: a batch with more tokens must count for more."
    if same(sum(n * math.exp(loss) for loss, n in counted) / sum(tokens), got, 1e-6):
        return "A mean of perplexities: first the mean loss of all tokens, then the exponential."
    return ""


EXERCISES = {
    "double_softmax_floor": Exercise(
        hint="The best that the model can say is 1 for the true class and 0 for V - 1 others. What is the softmax of "
        "those numbers at the true class, and minus the logarithm of that?",
        examine=compare(double_softmax_floor, [(2,), (3,), (30,), (50_000,)], remark=_remark_double_softmax_floor),
    ),
    "reads": Exercise(
        hint="First remember predict(ids)[row][place]. Then for each cell: copy all rows "
        "([list(line) for line in ids]), raise one id, ask again, compare.",
        examine=compare(
            reads,
            [
                (_present, [[4]], 0, 0),
                (_causal, [[3, 1, 4]], 0, 1),
                (_above_five, [[5, 6]], 0, 0),
                (_causal, [[3, 1, 4], [1, 5, 9]], 1, 2),
                (_across, [[3, 1], [1, 5], [2, 6]], 1, 0),
                (_leaky, [[2, 7, 1, 8], [2, 8, 1, 8]], 0, 1),
                (_parity, [[1, 2, 3], [4, 5, 6], [7, 8, 9]], 1, 1),
            ],
            remark=_remark_reads,
        ),
    ),
    "corpus_perplexity": Exercise(
        hint="Multiply each loss by its tokens, add up, divide once by all tokens, then math.exp. Skip batches with 0 "
        "tokens: nan * 0 is nan.",
        examine=compare(
            corpus_perplexity,
            [
                ([math.log(8)], [5]),
                ([math.log(2), math.log(8)], [1, 1]),
                ([math.log(2), math.log(16)], [3, 1]),
                ([math.log(4), math.nan, math.log(2)], [2, 0, 6]),
                ([0.5, 2.0, 1.25], [100, 7, 40]),
            ],
            remark=_remark_corpus_perplexity,
        ),
    ),
}
