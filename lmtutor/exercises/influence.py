"""Exercises of chapter 14."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lmtutor.exercises.examine import Exercise, compare, same


def _told(known: dict[str, object], got) -> str:
    """The first remark whose wrong value came."""
    return next((remark for remark, value in known.items() if same(value, got, 1e-9)), "")


# --- labels -----------------------------------------------------------------------------------------------------------


def seen_accuracy(accuracy: float, wrong: float) -> float:
    """Right answers with right labels, and wrong answers with wrong ones."""
    return accuracy * (1 - wrong) + (1 - accuracy) * wrong


def _remark_seen_accuracy(arguments, expected, got):
    accuracy, wrong = arguments
    return _told(
        {
            "A wrong answer counts, too, where the label is wrong.": accuracy * (1 - wrong),
            "Both can be wrong at once, and then they agree: the two shares do not just add up.": accuracy - wrong,
            "That is the share that does not count; the accuracy was asked for.": 1 - expected,
            "The labels change, not the model: weigh its two kinds of answers.": accuracy,
        },
        got,
    )


def after_cleaning(train: list, test: list, suspicious: Callable, accuracy: Callable) -> float:
    """Only the training rows are judged and cleaned."""
    kept = [row for row, bad in zip(train, suspicious(train), strict=True) if not bad]
    return accuracy(kept, test)


def _cleaned_both(train, test, suspicious, accuracy):
    rows = train + test
    kept = [row for row, bad in zip(rows, suspicious(rows), strict=True) if not bad]
    return accuracy([row for row in kept if row in train], [row for row in kept if row in test])


def _cleaned_each(train, test, suspicious, accuracy):
    parts = [[row for row, bad in zip(part, suspicious(part), strict=True) if not bad] for part in (train, test)]
    return accuracy(*parts)


def _cleaned_together(train, test, suspicious, accuracy):
    found = suspicious(train + test)[: len(train)]
    return accuracy([row for row, bad in zip(train, found, strict=True) if not bad], test)


def _remark_after_cleaning(arguments, expected, got):
    train, test, suspicious, accuracy = arguments
    kept = [row for row, bad in zip(train, suspicious(train), strict=True) if bad]
    return _told(
        {
            "The test is cleaned, too: what is hard is no longer asked.": _cleaned_both(*arguments),
            "The test is still cleaned; leave it as it is.": _cleaned_each(*arguments),
            "The test rows take part in judging the training rows.": _cleaned_together(*arguments),
            "Nothing was cleaned.": accuracy(train, test),
            "These are the suspicious rows; keep the others.": accuracy(kept, test),
        },
        got,
    )


def _far_off(rows):
    """Suspicious: the numbers that are more than 5 from the mean of all rows."""
    mean = sum(rows) / max(1, len(rows))
    return [abs(row - mean) > 5 for row in rows]


def _odd(rows):
    """Suspicious: odd numbers."""
    return [row % 2 == 1 for row in rows]


def _near_the_mean(train, test):
    """The share of test numbers within 3 of the training mean."""
    mean = sum(train) / max(1, len(train))
    return sum(abs(row - mean) <= 3 for row in test) / max(1, len(test))


def _both_counted(train, test):
    """100 for each training row and 1 for each test row."""
    return 100.0 * len(train) + len(test)


# --- copies -----------------------------------------------------------------------------------------------------------


def caught(similarity: float, bands: int, rows: int) -> float:
    """The S-curve."""
    return 1 - (1 - similarity**rows) ** bands


def _remark_caught(arguments, expected, got):
    similarity, bands, rows = arguments
    return _told(
        {
            "That is the probability that *no* band agrees; at least one was asked for.": 1 - expected,
            "That is one band; there are several.": similarity**rows,
            "Probabilities of bands do not add up: two bands may agree at once.": bands * similarity**rows,
            "Bands and rows are exchanged.": 1 - (1 - similarity**bands) ** rows,
            "All rows *within* a band must agree, in at least one band.": (1 - (1 - similarity) ** rows) ** bands,
            "In at least one band, not in all of them.": similarity ** (rows * bands),
        },
        got,
    )


def groups(pairs: list[tuple[int, int]], count: int) -> list[int]:
    """The smallest number that each one is connected with."""
    found = list(range(count))
    moved = True
    while moved:
        moved = False
        for i, j in pairs:
            least = min(found[i], found[j])
            if found[i] != least or found[j] != least:
                found[i] = found[j] = least
                moved = True
    return found


def _once(pairs, count):
    """The pairs are gone through one time only."""
    found = list(range(count))
    for i, j in pairs:
        found[i] = found[j] = min(found[i], found[j])
    return found


def _remark_groups(arguments, expected, got):
    pairs, count = arguments
    linked = list(range(count))
    for i, j in pairs:
        linked[max(i, j)] = min(i, j)
    if isinstance(got, list) and len(got) == count and all(isinstance(one, int) for one in got):
        same_groups = all(
            (expected[i] == expected[j]) == (got[i] == got[j]) for i in range(count) for j in range(count)
        )
        if same_groups:
            return "The groups are right; call each by its smallest member."
    return _told(
        {
            "One pass over the pairs is not enough: a later pair may join two groups.": _once(pairs, count),
            "Whoever is connected through others belongs to the group, too.": linked,
            "Texts without a pair are groups of one, called by their own number.": [
                expected[i] if any(i in pair for pair in pairs) else -1 for i in range(count)
            ],
        },
        got,
    )


# --- influence --------------------------------------------------------------------------------------------------------


def influence_1d(
    xs: Sequence[float], ys: Sequence[int], z: int, x_test: float, y_test: int, theta: float, strength: float
) -> float:
    """The test gradient times the step of Newton's method on what is left."""
    return _influence(xs, ys, z, x_test, y_test, theta, strength)


def _influence(xs, ys, z, x_test, y_test, theta, strength, *, leverage=True, penalty=True, sign=1.0, curved=True):
    def p(x):
        return 1 / (1 + math.exp(-theta * x))

    whole = strength * penalty + sum((p(x) * (1 - p(x)) if curved else 1) * x**2 for x in xs)
    held = p(xs[z]) * (1 - p(xs[z])) * xs[z] ** 2 / whole if leverage else 0.0
    return sign * (p(x_test) - y_test) * x_test * (p(xs[z]) - ys[z]) * xs[z] / whole / (1 - held)


def _remark_influence_1d(arguments, expected, got):
    xs = arguments[0]
    return _told(
        {
            "That is without the leverage: divide by 1 - h.": _influence(*arguments, leverage=False),
            "The penalty belongs to the curvature, too.": _influence(*arguments, penalty=False),
            "The sign: leaving out a helpful example raises the loss, which is positive.": -expected,
            "The curvature of each loss is p (1 - p) x².": _influence(*arguments, curved=False),
            "The curvature is a sum over the examples, as the objective is; do not divide by their number.": (
                expected * len(xs)
            ),
        },
        got,
    )


def tracin(train_gradients: list[list[float]], test_gradients: list[list[float]], rates: list[float]) -> float:
    """The sum of rate times the scalar product over the checkpoints."""
    return sum(
        rate * sum(a * b for a, b in zip(one, other, strict=True))
        for one, other, rate in zip(train_gradients, test_gradients, rates, strict=True)
    )


def _remark_tracin(arguments, expected, got):
    trained, tested, rates = arguments
    each = [sum(a * b for a, b in zip(one, other, strict=True)) for one, other in zip(trained, tested, strict=True)]
    return _told(
        {
            "Each checkpoint has its learning rate as a factor.": sum(each),
            "The sum over the checkpoints, not the mean.": expected / len(rates),
            "The gradients of all checkpoints matter, not those of the last one alone.": rates[-1] * each[-1],
            "A gradient descent step goes against the gradient, so equal gradients lower the loss: that is positive.": (
                -expected
            ),
            "Add up the products, not their absolute values.": sum(
                rate * abs(one) for rate, one in zip(rates, each, strict=True)
            ),
        },
        got,
    )


# --- shift, annotators, rare classes, what to label -------------------------------------------------------------------


def importance(probabilities: list[float], old: int, new: int) -> list[float]:
    """The domain classifier's odds times old / new."""
    return [p / (1 - p) * old / new for p in probabilities]


def _remark_importance(arguments, expected, got):
    probabilities, old, new = arguments
    return _told(
        {
            "These are the odds; if there are more old examples than new ones, all odds are too small.": [
                p / (1 - p) for p in probabilities
            ],
            "The other way round: old / new.": [p / (1 - p) * new / old for p in probabilities],
            "That is p_old / p_new: it makes what is typical of the old data count more.": [
                (1 - p) / p * new / old for p in probabilities
            ],
            "Not the probability, but its odds p / (1 - p).": [p * old / new for p in probabilities],
            "That is the probability as it came.": list(probabilities),
        },
        got,
    )


def truth_from_votes(votes: list[int], hits: list[float], passes: list[float], share: float) -> float:
    """Bayes' rule with votes that are independent given the truth."""
    positive, negative = share, 1 - share
    for vote, hit, passed in zip(votes, hits, passes, strict=True):
        positive *= hit if vote else 1 - hit
        negative *= 1 - passed if vote else passed
    return positive / (positive + negative)


def _remark_truth_from_votes(arguments, expected, got):
    votes, hits, passes, share = arguments
    swapped = truth_from_votes(votes, passes, hits, share)
    return _told(
        {
            "That is the share of votes for 1: it trusts all annotators alike.": sum(votes) / len(votes),
            "The share of class 1 is forgotten: Bayes' rule starts with it.": truth_from_votes(
                votes, hits, passes, 0.5
            ),
            "That is P(truth 0 | votes).": 1 - expected,
            "`hits` belongs to truth 1, `passes` to truth 0.": swapped,
            "A vote for 0 tells something, too: its probability is 1 - hit if the truth is 1.": truth_from_votes(
                [v for v in votes if v],
                [h for v, h in zip(votes, hits, strict=True) if v],
                [p for v, p in zip(votes, passes, strict=True) if v],
                share,
            ),
        },
        got,
    )


def smote(rare: list[list[float]], k: int, picks: list[int], steps: list[float]) -> list[list[float]]:
    """A point between an example and one of its k nearest neighbours, for each pick."""
    points = np.array(rare, dtype=float)
    made = []
    for pick, step in zip(picks, steps, strict=True):
        start = points[pick // k]
        distances = ((points - start) ** 2).sum(axis=1)
        distances[pick // k] = np.inf
        end = points[np.argsort(distances, kind="stable")[pick % k]]
        made.append((start + step * (end - start)).tolist())
    return made


def _remark_smote(arguments, expected, got):
    rare, k, picks, steps = arguments
    points = np.array(rare, dtype=float)

    def variant(start_of, neighbour_of, place=lambda a, b, s: a + s * (b - a)):
        made = []
        for pick, step in zip(picks, steps, strict=True):
            i = start_of(pick)
            order = np.argsort(((points - points[i]) ** 2).sum(axis=1), kind="stable")
            made.append(place(points[i], points[neighbour_of(order, pick, i)], step).tolist())
        return made

    def example(pick):
        return pick // k

    def others(order, i):
        return [j for j in order if j != i]

    return _told(
        {
            "An example is not its own neighbour: leave it out before you count to k.": variant(
                example, lambda order, pick, i: order[pick % k]
            ),
            "That starts at the neighbour: the step goes from the example towards it.": variant(
                example, lambda order, pick, i: others(order, i)[pick % k], lambda a, b, s: b + s * (a - b)
            ),
            "The numbers are exchanged: pick // k is the example, pick % k its neighbour.": variant(
                lambda pick: pick % k, lambda order, pick, i: others(order, i)[min(pick // k, len(rare) - 2)]
            ),
            "The nearest neighbour comes first, not the farthest.": variant(
                example, lambda order, pick, i: others(order, i)[::-1][pick % k]
            ),
            "These are the steps alone; they start at the example.": variant(
                example, lambda order, pick, i: others(order, i)[pick % k], lambda a, b, s: s * (b - a)
            ),
        },
        got,
    )


def prepare(labels: list[int], every: int) -> tuple[list[int], list[int]]:
    """Split first; repeat the rare examples of training in turn until both classes are equal."""
    numbers = list(range(len(labels)))
    test = numbers[::every]
    train = [i for i in numbers if i not in test]
    rare = [i for i in train if labels[i] == 1]
    missing = len(train) - 2 * len(rare)
    return train + [rare[j % len(rare)] for j in range(missing)], test


def _prepare_with_the_bug(labels, every):
    numbers = list(range(len(labels)))
    rare = [i for i in numbers if labels[i] == 1]
    numbers += [rare[j % len(rare)] for j in range(len(numbers) - 2 * len(rare))]
    return [i for place, i in enumerate(numbers) if place % every], numbers[::every]


def _remark_prepare(arguments, expected, got):
    labels, every = arguments
    known = {
        "That is the function as it came: copies of a rare example stand on both sides.": _prepare_with_the_bug(
            labels, every
        ),
        "The two lists are exchanged: training first.": expected[::-1],
        "The training data are not balanced any more.": (expected[0][: len(labels) - len(expected[1])], expected[1]),
    }
    said = _told(known, got)
    if not said and len(got) == 2 and set(got[0]) & set(got[1]):
        return f"Example {min(set(got[0]) & set(got[1]))} stands in training and in test."
    if not said and len(got) == 2 and len(set(got[1])) < len(got[1]):
        return "The test data hold copies: they should have the shares that the data really have."
    return said


def next_to_label(probabilities: list[list[float]], count: int) -> list[int]:
    """The numbers of the examples with the smallest lead of the first class over the second."""

    def lead(i):
        second, first = sorted(probabilities[i])[-2:]
        return first - second

    return sorted(range(len(probabilities)), key=lead)[:count]


def _remark_next_to_label(arguments, expected, got):
    probabilities, count = arguments
    by_lead = sorted(range(len(probabilities)), key=lambda i: np.diff(sorted(probabilities[i])[-2:])[0])
    return _told(
        {
            "These have the largest lead: the model is surest of them.": by_lead[::-1][:count],
            "That goes by the largest probability; here it is its lead over the second.": sorted(
                range(len(probabilities)), key=lambda i: max(probabilities[i])
            )[:count],
            "That is the lead over the least likely class; over the second was asked for.": sorted(
                range(len(probabilities)), key=lambda i: max(probabilities[i]) - min(probabilities[i])
            )[:count],
            "Smallest lead first.": sorted(expected),
        },
        got,
    )


_SMOTE_CASES = [
    ([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]], 1, [0], [0.5]),
    ([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]], 2, [1, 4, 5], [0.25, 0.5, 1.0]),
    ([[2.0, 1.0], [0.0, 0.5], [5.0, 4.0], [2.5, 3.0], [-1.0, 2.0]], 3, [0, 4, 8, 10, 14], [0.1, 0.9, 0.0, 0.6, 0.35]),
]

EXERCISES = {
    "seen_accuracy": Exercise(
        "The answer counts as right in two cases: right answer and right label, wrong answer and wrong label.",
        compare(
            seen_accuracy,
            [(1.0, 0.0), (1.0, 0.05), (0.9, 0.1), (0.5, 0.3), (0.2, 0.4), (0.8, 0.5)],
            remark=_remark_seen_accuracy,
        ),
    ),
    "after_cleaning": Exercise(
        "Who may be deleted, and whom may `suspicious` see?",
        compare(
            after_cleaning,
            [
                ([2, 3], [4], _odd, _both_counted),
                ([2, 3, 4], [5, 6], _odd, _both_counted),
                ([1, 2, 2, 3], [2, 2, 9, 10], _far_off, _near_the_mean),
                ([0, 1, 1, 12], [1, 2, 30, 3], _far_off, _near_the_mean),
                ([2, 2, 3, 5], [2, 3], _odd, _both_counted),
                ([0, 0, 7, 7], [0, 0, 0, 0, 0, 0, 0, 0, 9], _far_off, _both_counted),
            ],
            remark=_remark_after_cleaning,
        ),
    ),
    "importance": Exercise(
        hint="Bayes' rule: of the classifier's data the share old / (old + new) is old. So p / (1 - p) = "
        "p_new(x) / p_old(x) times new / old. Solve this for p_new(x) / p_old(x).",
        examine=compare(
            importance,
            [([0.5], 1, 1), ([0.5, 0.75], 100, 50), ([0.1, 0.3, 0.9], 20, 80), ([0.0, 0.25], 7, 3)],
            remark=_remark_importance,
        ),
    ),
    "truth_from_votes": Exercise(
        hint="Multiply share by the probability of each vote if the truth is 1, and 1 - share by the probability of "
        "each vote if it is 0. The answer is the first product over the sum of both.",
        examine=compare(
            truth_from_votes,
            [
                ([1], [0.8], [0.7], 0.5),
                ([0], [0.8], [0.7], 0.25),
                ([1, 0], [0.9, 0.6], [0.95, 0.55], 0.5),
                ([1, 1, 0], [0.6, 0.55, 0.99], [0.5, 0.6, 0.98], 0.3),
            ],
            remark=_remark_truth_from_votes,
        ),
    ),
    "caught": Exercise(
        "First one band: all of its rows agree. Then: no band agrees. Then the opposite of that.",
        compare(
            caught,
            [(0.5, 1, 1), (0.5, 1, 2), (0.5, 2, 1), (0.8, 3, 2), (0.3, 20, 5), (1.0, 4, 4), (0.0, 4, 4)],
            remark=_remark_caught,
        ),
    ),
    "groups": Exercise(
        "Begin with each text as a group of its own. A pair gives both ends the smaller of their two numbers. How "
        "often must you go through the pairs?",
        compare(
            groups,
            [
                ([], 2),
                ([(0, 1)], 3),
                ([(1, 2)], 4),
                ([(2, 1), (3, 4)], 5),
                ([(0, 1), (1, 2)], 3),
                ([(2, 3), (0, 1), (1, 2)], 4),
                ([(4, 5), (3, 4), (2, 3), (1, 2)], 7),
                ([(3, 5), (1, 4), (5, 4), (0, 6)], 7),
                ([(2, 0), (1, 0), (4, 3), (3, 2)], 6),
            ],
            remark=_remark_groups,
        ),
    ),
    "smote": Exercise(
        hint="For each pick: i = pick // k; the squared distances from rare[i] to all others; their order, without i "
        "itself; number pick % k of it is the neighbour. Then start + step * (neighbour - start).",
        examine=compare(smote, _SMOTE_CASES, remark=_remark_smote),
    ),
    "prepare": Exercise(
        hint="Take test = every so many of the *original* numbers first, and balance what is left.",
        examine=compare(
            prepare,
            [
                ([0, 1, 0, 0], 3),
                ([1, 0, 0, 1, 0, 0, 0, 0, 1, 0], 5),
                ([0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0], 4),
                ([0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0], 4),
                ([0, 1, 0, 0, 0, 0, 1, 0, 0], 3),
            ],
            remark=_remark_prepare,
        ),
    ),
    "influence_1d": Exercise(
        "p(x) = 1 / (1 + exp(-theta x)). The curvature is strength plus the sum of p (1 - p) x² over all training "
        "examples; the gradients are (p - y) x; the leverage is z's own share of the curvature.",
        compare(
            influence_1d,
            [
                ([1.0], [1], 0, 1.0, 1, 0.0, 1.0),
                ([1.0, -1.0], [1, 0], 0, 1.0, 1, 0.0, 1.0),
                ([1.0, -1.0], [1, 0], 1, 2.0, 0, 0.5, 2.0),
                ([2.0, -1.0, 0.5], [1, 0, 0], 2, 1.5, 1, 0.4, 0.7),
                ([2.0, -1.0, 0.5, 3.0], [1, 0, 0, 1], 0, -0.5, 0, -0.3, 1.3),
            ],
            remark=_remark_influence_1d,
            tolerance=1e-7,
        ),
    ),
    "tracin": Exercise(
        "At each checkpoint: the learning rate times the scalar product of the two gradients. Add these up.",
        compare(
            tracin,
            [
                ([[1.0]], [[2.0]], [0.5]),
                ([[1.0, 2.0]], [[3.0, -1.0]], [0.1]),
                ([[1.0, 0.0], [0.5, 2.0]], [[1.0, 1.0], [2.0, -1.0]], [0.1, 0.3]),
                ([[1.0, 2.0], [0.0, 1.0], [-1.0, 1.0]], [[0.5, 1.0], [2.0, 2.0], [1.0, 3.0]], [0.4, 0.2, 0.1]),
            ],
            remark=_remark_tracin,
        ),
    ),
    "next_to_label": Exercise(
        hint="Sort each row; the lead is its last number minus the one before. Sort the rows' numbers by it.",
        examine=compare(
            next_to_label,
            [
                ([[0.9, 0.1], [0.6, 0.4]], 1),
                ([[0.5, 0.3, 0.2], [0.45, 0.1, 0.45], [0.8, 0.15, 0.05]], 2),
                ([[0.4, 0.35, 0.25], [0.55, 0.44, 0.01], [0.38, 0.31, 0.31], [0.7, 0.2, 0.1]], 3),
            ],
            remark=_remark_next_to_label,
        ),
    ),
}
