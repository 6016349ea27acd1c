"""Exercises of chapter 12."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from lmtutor.exercises.examine import Exercise, compare, same


def _told(known: dict[str, object], got) -> str:
    """The first remark whose wrong value came."""
    return next((remark for remark, value in known.items() if same(value, got, 1e-9)), "")


def fleet(parameters: int, learned: int, tasks: int) -> tuple[int, int]:
    """A copy a task, or one base and a change a task."""
    return tasks * parameters, parameters + tasks * learned


def _remark_fleet(arguments, expected, got):
    parameters, learned, tasks = arguments
    return _told(
        {
            "The other way round: first the copies, then one base with changes.": expected[::-1],
            "The base is kept once, whatever the number of tasks.": (
                expected[0],
                tasks * (parameters + learned),
            ),
            "The changes are of no use without the base: it must be kept, too.": (expected[0], tasks * learned),
            "Each task has a change of its own.": (expected[0], parameters + learned),
            "The copies need no base beside them: each is a whole model.": (
                parameters + tasks * parameters,
                expected[1],
            ),
        },
        got,
    )


def break_even_rank(rows: int, columns: int) -> int:
    """The largest r with r (rows + columns) < rows * columns."""
    return (rows * columns - 1) // (rows + columns)


def _remark_break_even_rank(arguments, expected, got):
    rows, columns = arguments
    if got == min(rows, columns):
        return "That is the largest rank that the matrix has. The two factors would be larger than the matrix by then."
    if got == rows * columns // (rows + columns) and got != expected:
        return "At that rank both are equally large; fewer was asked for."
    if got == expected + 1:
        return "That one already has more numbers than the matrix; the last rank that has fewer was asked for."
    if not float(got).is_integer():
        return "A rank is a whole number."
    if got in (rows * columns // rows, rows * columns // columns, rows * columns // (2 * max(rows, columns))):
        return "A has rank * columns numbers, and B has rows * rank: together rank * (rows + columns)."
    return ""


def merged(weight: list, a: list, b: list, alpha: float) -> list:
    """W + alpha / r * B A."""
    return (np.array(weight) + alpha / len(a) * np.array(b) @ np.array(a)).tolist()


def _remark_merged(arguments, expected, got):
    weight, a, b, alpha = (np.array(x) for x in arguments)
    known = {
        "The scale is missing: alpha / rank.": weight + b @ a,
        "alpha has to be divided by the rank, which is the number of rows of A.": weight + alpha * b @ a,
        "alpha / sqrt(rank) is the rank-stabilised scale; here it is alpha / rank.": weight
        + alpha / len(a) ** 0.5 * b @ a,
        "That is the change; the matrix it changes must be added.": alpha / len(a) * b @ a,
        "The rank is the number of rows of A (and of columns of B), not of B's rows.": weight + alpha / len(b) * b @ a,
    }
    if len(a) == 1 and a.shape[1] == len(b):  # only then can A B be added, too
        known["The order matters: B A, as A is applied first."] = weight + alpha / len(a) * (a @ b)
        known["That adds the change with rows and columns exchanged."] = weight + alpha / len(a) * (b @ a).T
    return _told(known, got)


def kept_share(singular_values: list[float], rank: int) -> float:
    """The share of the sum of squares that the largest ones have."""
    squares = sorted((value**2 for value in singular_values), reverse=True)
    return sum(squares[:rank]) / sum(squares)


def _remark_kept_share(arguments, expected, got):
    values, rank = arguments
    ordered = sorted(values, reverse=True)
    return _told(
        {
            "Square them: the size of a matrix is the root of the sum of its squared singular values.": sum(
                ordered[:rank]
            )
            / sum(values),
            "They need not come in order: keep the largest ones.": sum(v**2 for v in values[:rank])
            / sum(v**2 for v in values),
            "That is what is lost; what is kept was asked for.": 1 - expected,
            "The share of the squares, without a root.": expected**0.5,
            "Divide by the sum over all of them.": sum(v**2 for v in ordered[:rank]),
        },
        got,
    )


def four_bits(block: list[float], levels: list[float]) -> list[float]:
    """The nearest level of each number, times the block's largest absolute value."""
    largest = max(abs(x) for x in block)
    return [largest * min(levels, key=lambda level: abs(x - largest * level)) for x in block]


def _remark_four_bits(arguments, expected, got):
    block, levels = arguments
    largest = max(abs(x) for x in block)
    nearest = [min(levels, key=lambda level: abs(x - largest * level)) for x in block]
    known = {
        "These are the levels; times the largest absolute value they are numbers of the block's size again.": nearest,
        "These are the codes; the numbers that they stand for were asked for.": [levels.index(one) for one in nearest],
        "The scale is the largest *absolute* value of the block.": four_bits_with(block, levels, max(block)),
        "Divide the block by its largest absolute value before you look for the nearest level.": [
            min(levels, key=lambda level: abs(x - level)) for x in block
        ],
        "The sign is lost: compare the number itself with the levels.": [abs(largest * one) for one in nearest],
    }
    above = [largest * min([level for level in levels if level >= x / largest], default=levels[-1]) for x in block]
    below = [largest * max([level for level in levels if level <= x / largest], default=levels[0]) for x in block]
    if same(above, got, 1e-9) or same(below, got, 1e-9):
        return "Take the nearest level, above or below."
    return _told(known, got)


def _failure_four_bits(arguments, error):
    zeros = "The largest absolute value of a block of zeros is 0, and nothing can be divided by it."
    return zeros if isinstance(error, ZeroDivisionError) else ""


def four_bits_with(block: list[float], levels: list[float], scale: float) -> list[float]:
    """With another scale than the largest absolute value."""
    scale = scale or 1.0
    return [scale * min(levels, key=lambda level: abs(x / scale - level)) for x in block]


def tuned(measure: Callable, rates: Sequence[float], seeds: Sequence[int]) -> tuple[float, float]:
    """The rate with the best mean on the validation split, and its mean on the test split."""
    found = {rate: [measure(rate, seed) for seed in seeds] for rate in rates}
    best = max(rates, key=lambda rate: statistics.mean(validation for validation, _ in found[rate]))
    return best, statistics.mean(test for _, test in found[best])


def _even(rate, seed):
    """One rate is best, whatever the seed: (accuracy on the validation split, accuracy on the test split)."""
    return {0.1: (0.6, 0.58), 0.3: (0.8, 0.79), 1.0: (0.5, 0.5)}[rate]


def _skewed(rate, seed):
    """The first rate has the best median, the last one the best worst seed, and the middle one the best mean."""
    return {
        0.1: [(0.9, 0.9), (0.9, 0.88), (0.3, 0.3)],
        0.3: [(0.75, 0.74), (0.76, 0.76), (0.74, 0.66)],
        1.0: [(0.745, 0.7), (0.745, 0.7), (0.745, 0.7)],
    }[rate][seed]


def _lucky(rate, seed):
    """The middle rate has one lucky seed, the first is better on average."""
    return {
        0.1: [(0.80, 0.78), (0.82, 0.80), (0.81, 0.79)],
        0.3: [(0.90, 0.70), (0.60, 0.62), (0.62, 0.60)],
        1.0: [(0.5, 0.5)] * 3,
    }[rate][seed]


def _tempting(rate, seed):
    """The test split likes another rate than the validation split does."""
    return {0.1: (0.70, 0.90), 0.3: (0.75, 0.71), 1.0: (0.72, 0.73)}[rate]


def _mixed(rate, seed):
    """Each seed has another best rate."""
    return {0.1: [(0.9, 0.80), (0.5, 0.50)], 0.3: [(0.7, 0.60), (0.8, 0.70)], 1.0: [(0.6, 0.9), (0.85, 0.85)]}[rate][
        seed
    ]


def _remark_tuned(arguments, expected, got):
    measure, rates, seeds = arguments
    found = {rate: [measure(rate, seed) for seed in seeds] for rate in rates}

    def mean(rate, side):
        return statistics.mean(pair[side] for pair in found[rate])

    by_test = max(rates, key=lambda rate: mean(rate, 1))
    lucky = max(rates, key=lambda rate: max(pair[0] for pair in found[rate]))
    each = [max((found[rate][i] for rate in rates), key=lambda pair: pair[0])[1] for i in range(len(seeds))]
    if same(expected[1], got[1], 1e-9):
        return "The score is right; give back the rate as well, first."
    if got[0] == by_test != expected[0]:
        return "The test split chose the rate. Then its score is too good: it is no test any more."
    if same(statistics.mean(each), got[1], 1e-9):
        return "Each seed chose a rate of its own; a method gets one rate for all of them."
    if got[0] == lucky != expected[0]:
        return "One lucky seed chose the rate; choose by the mean over all seeds."
    if got[0] == expected[0] and same(mean(expected[0], 0), got[1], 1e-9):
        return "That is its score on the validation split, which chose it; report the test split's."
    if got[0] == expected[0]:
        return "The rate is right; report the mean over all seeds, not the best or the first."
    return ""


def train_lora(
    weight: list, a: list, b: list, alpha: float, inputs: list, targets: list, rate: float, steps: int
) -> list:
    """W + alpha / r * B A after steps of gradient descent on A and B, for the mean squared error."""
    return _trained(weight, a, b, alpha, inputs, targets, rate, steps)


def _trained(weight, a, b, alpha, inputs, targets, rate, steps, *, inner=None, mean=True, turns=None, base=0.0):
    """`inner` is in place of the scale in the gradients, `turns` what is updated first, `base` the rate of W."""
    w, a, b, x, y = (np.array(matrix, dtype=float) for matrix in (weight, a, b, inputs, targets))
    s = alpha / len(a)
    factor = s if inner is None else inner
    for _ in range(steps):
        d = 2 * (x @ (w + s * b @ a).T - y).T @ x / (y.size if mean else 1)
        old = a
        if turns == "A":
            a = a - rate * factor * b.T @ d
            b = b - rate * factor * d @ a.T
        elif turns == "B":
            b = b - rate * factor * d @ a.T
            a = a - rate * factor * b.T @ d
        else:
            a = a - rate * factor * b.T @ d
            b = b - rate * factor * d @ old.T
        w = w - base * d
    return (w + s * b @ a).tolist()


def _remark_train_lora(arguments, expected, got):
    weight, a, b, alpha, inputs, targets, rate, steps = arguments
    known = {
        "The weights did not move at all: is the loop there, and are the new A and B used?": weight,
        "W is frozen: only A and B take steps.": _trained(*arguments, base=rate),
        "Both gradients belong to the A and B of before: change the two at once, not one after the other.": _trained(
            *arguments, turns="B"
        ),
        "The *mean* squared error is divided by the number of all targets, examples times outputs.": _trained(
            *arguments, mean=False
        ),
        "Downhill: subtract the gradient.": _trained(*arguments[:-2], -rate, steps),
    }
    said = _told(known, got)
    if not said and same(_trained(*arguments, turns="A"), got, 1e-9):
        return "Both gradients belong to the A and B of before: change the two at once, not one after the other."
    if not said and alpha != len(a) and same(_trained(*arguments, inner=1.0), got, 1e-9):
        return "The scale is missing in the gradients: they are s D A^T and s B^T D."
    return said


def blended(changes: list[tuple[list, list, float]], shares: list[float]) -> tuple[list, list]:
    """A and B of one change, of scale 1, that is the sum of share * scale * B A."""
    a = [[share * scale * x for x in row] for (a, _, scale), share in zip(changes, shares, strict=True) for row in a]
    b = [[x for row in rows for x in row] for rows in zip(*(b for _, b, _ in changes), strict=True)]
    return a, b


def _remark_blended(arguments, expected, got):
    changes, shares = arguments
    if same(expected[::-1], got, 1e-9):
        return "A comes first in the answer."
    first, second = (np.array(matrix, dtype=float) for matrix in got)
    if first.shape == np.shape(changes[0][0]) and len(changes) > 1:
        return "A sum of two changes has the ranks of both together: B A + B' A' is not (B + B')(A + A')."
    if first.shape != np.shape(expected[0]) or second.shape != np.shape(expected[1]):
        return "Put the matrices A below each other, and the matrices B side by side."
    if not same(expected[1], got[1], 1e-9):
        return "The factors belong to A alone; B stays as it is."
    plain = [row for a, _, _ in changes for row in a]
    shared = [[share * x for x in row] for (a, _, _), share in zip(changes, shares, strict=True) for row in a]
    scaled = [[scale * x for x in row] for a, _, scale in changes for row in a]
    return _told({"Scales and shares are missing.": plain, "The scales are missing.": shared,
                  "The shares are missing.": scaled}, got[0])  # fmt: skip


EXERCISES = {
    "fleet": Exercise(
        "How often is the base kept in each of the two cases? And how many changes are there?",
        compare(
            fleet,
            [(10, 1, 1), (100, 3, 4), (110_000_000, 300_000, 50)],
            remark=_remark_fleet,
        ),
    ),
    "break_even_rank": Exercise(
        "B and A together have r * (rows + columns) numbers. For which r is that below rows * columns?",
        compare(
            break_even_rank,
            [(1, 1), (2, 2), (3, 6), (4, 4), (128, 128), (512, 128), (768, 3072)],
            remark=_remark_break_even_rank,
        ),
    ),
    "train_lora": Exercise(
        "np.array(...) first. In each step: the error [examples, m] of the outputs, from it D [m, n], from D both "
        "gradients, and then new A and B at once: a, b = a - ..., b - ...",
        compare(
            train_lora,
            [
                ([[1.0]], [[1.0]], [[0.0]], 1.0, [[1.0]], [[2.0]], 0.1, 0),
                ([[1.0]], [[1.0]], [[0.0]], 1.0, [[1.0]], [[2.0]], 0.1, 1),
                ([[1.0]], [[1.0]], [[0.5]], 2.0, [[1.0]], [[2.0]], 0.1, 1),
                ([[1.0], [0.0]], [[1.0]], [[0.5], [0.25]], 3.0, [[1.0]], [[2.0, 1.0]], 0.1, 1),
                ([[1.0, 0.0]], [[1.0, 2.0]], [[0.5]], 2.0, [[1.0, 1.0], [0.0, 2.0]], [[2.0], [1.0]], 0.05, 2),
                (
                    [[1.0, 0.0, 1.0], [0.0, 1.0, 2.0]],
                    [[1.0, 0.0, 0.5], [0.0, 1.0, 1.0]],
                    [[0.5, 0.0], [0.25, 1.0]],
                    6.0,
                    [[1.0, 0.0, 1.0], [0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [2.0, 0.0, 0.0]],
                    [[1.0, 1.0], [0.0, 1.0], [2.0, 0.0], [1.0, 3.0]],
                    0.02,
                    3,
                ),
            ],
            remark=_remark_train_lora,
        ),
    ),
    "merged": Exercise(
        "np.array(...) makes matrices of lists; B @ A has the shape of W. The rank is len(a).",
        compare(
            merged,
            [
                ([[1.0]], [[2.0]], [[3.0]], 1.0),
                ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0]], [[3.0], [4.0]], 3.0),
                ([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]], [[1.0, 0.0, 1.0], [0.0, 3.0, 0.0]], [[1.0, 2.0], [0.5, 0.0]], 4.0),
                ([[1.0, 2.0]] * 3, [[1.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], 8.0),
                ([[1.0]], [[2.0]], [[3.0]], 0.5),
                ([[1.0]], [[2.0], [1.0]], [[3.0, 1.0]], 1.0),
                ([[1.0]], [[2.0], [1.0]], [[3.0, 1.0]], 5.0),
            ],
            remark=_remark_merged,
        ),
    ),
    "kept_share": Exercise(
        "Square, sort from the largest, add up the first `rank` of them, divide by the sum of all.",
        compare(
            kept_share,
            [([2.0], 1), ([2.0, 1.0], 1), ([1.0, 3.0, 2.0], 2), ([1.0, 1.0, 1.0, 1.0], 3), ([2.0, 1.0], 0)],
            remark=_remark_kept_share,
        ),
    ),
    "tuned": Exercise(
        "Measure each pair of rate and seed once. Average the validation scores of each rate, take the best rate, and "
        "only then look at test scores.",
        compare(
            tuned,
            [
                (_even, [1.0, 0.1], [0]),
                (_even, [0.1, 0.3, 1.0], [0]),
                (_tempting, [0.1, 0.3, 1.0], [0, 1]),
                (_lucky, [0.1, 0.3, 1.0], [0, 1, 2]),
                (_mixed, [0.1, 0.3, 1.0], [0, 1]),
                (_skewed, [0.1, 0.3, 1.0], [0, 1, 2]),
                (_skewed, [0.1, 0.3, 1.0], [1, 2]),
            ],
            remark=_remark_tuned,
        ),
    ),
    "blended": Exercise(
        "B A + B' A' is [B B'] times A on top of A'. The factors share * scale go into A.",
        compare(
            blended,
            [
                ([([[1.0, 2.0]], [[3.0], [4.0]], 1.0)], [1.0]),
                ([([[1.0, 2.0]], [[3.0], [4.0]], 2.0)], [0.5]),
                ([([[1.0, 2.0]], [[3.0], [4.0]], 2.0)], [3.0]),
                ([([[1.0, 0.0]], [[1.0], [0.0]], 1.0), ([[0.0, 2.0]], [[0.0], [1.0]], 1.0)], [1.0, 1.0]),
                (
                    [
                        ([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]], [[1.0, 2.0], [0.5, 0.0]], 2.0),
                        ([[0.0, 2.0, -1.0]], [[0.5], [1.0]], 0.5),
                    ],
                    [0.75, -0.5],
                ),
            ],
            remark=_remark_blended,
        ),
    ),
    "four_bits": Exercise(
        "Let s be the largest absolute value. The levels stand for s * level: which of these is nearest to a number?",
        compare(
            four_bits,
            [
                ([1.0], [-1.0, 0.0, 1.0]),
                ([2.5, 1.0, -0.8], [-1.0, -0.5, 0.0, 0.5, 1.0]),
                ([0.4, -2.0], [-1.0, 0.0, 1.0]),
                ([0.0, 0.0], [-1.0, 0.0, 1.0]),
                ([0.3, -0.1, 1.0], [-1.0, -0.4, 0.0, 0.1, 0.4, 1.0]),
                ([0.02, -0.05, 0.03], [-1.0, -0.7, -0.5, -0.2, 0.0, 0.2, 0.5, 0.7, 1.0]),
            ],
            remark=_remark_four_bits,
            failure=_failure_four_bits,
        ),
    ),
}
