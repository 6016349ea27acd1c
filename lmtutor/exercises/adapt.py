"""Exercises of chapter 12."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

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


def blended(changes: list[tuple[list, list, float]], shares: list[float]) -> tuple[list, list]:
    """A and B of one change, of scale 1, that is the sum of share * scale * B A."""
    a = [[share * scale * x for x in row] for (a, _, scale), share in zip(changes, shares, strict=True) for row in a]
    b = [[x for row in rows for x in row] for rows in zip(*(b for _, b, _ in changes), strict=True)]
    return a, b


def _seen(view: Callable, reference: Callable, cases: Sequence[tuple], **options) -> Callable:
    """An examination that compares not what an answer returns but what `view` makes of it."""
    examination = compare(view(reference), cases, **options)
    return lambda answer: examination(view(answer) if callable(answer) else answer)


def _product(answer):
    """An answer as what it stands for: the sizes of A and B, and B A."""

    def product(changes, shares):
        got = answer(changes, shares)
        if got is Ellipsis or got is None:
            return got
        a, b = (np.array(matrix, dtype=float) for matrix in got)
        return {
            "shape of A": a.shape,
            "shape of B": b.shape,
            "B A": (b @ a).tolist() if b.ndim == a.ndim == 2 else None,
        }

    product.__name__ = "blended"
    return product


def _remark_blended(arguments, expected, got):
    changes, shares = arguments
    if got["shape of A"] == expected["shape of A"][::-1]:
        return "A has a row for each direction and B a column: A comes first in the answer."
    if got["shape of A"] == np.shape(changes[0][0]) and len(changes) > 1:
        return "A sum of two changes has the ranks of both together: B A + B' A' is not (B + B')(A + A')."
    if got["shape of A"] != expected["shape of A"]:
        return "Put the matrices A below each other, and the matrices B side by side."
    product = np.array(got["B A"])
    wanted = {
        "The scales are missing: each change is scale * B A.": [1.0] * len(changes),
        "Each share or scale counts once: multiply A by it, or B, but not both.": [
            share * scale * share * scale for (_, _, scale), share in zip(changes, shares, strict=True)
        ],
    }
    for remark, factors in wanted.items():
        scaled = factors if "once" in remark else shares
        total = sum(f * np.array(b) @ np.array(a) for (a, b, _), f in zip(changes, scaled, strict=True))
        if same(total.tolist(), product.tolist(), 1e-9):
            return remark
    total = sum(scale * np.array(b) @ np.array(a) for a, b, scale in changes)
    return "The shares are missing." if same(total.tolist(), product.tolist(), 1e-9) else ""


def with_lora(model: nn.Module, names: Sequence[str], rank: int, alpha: float) -> nn.Module:
    """The model, frozen, with LoRA in each linear map whose last name is one of these."""
    model.requires_grad_(False)
    for name, part in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(part, nn.Linear) and last in names:
            setattr(model.get_submodule(parent), last, _WithLoRA(part, rank, alpha))
    return model


class _WithLoRA(nn.Module):
    def __init__(self, base: nn.Linear, rank: int, alpha: float):
        super().__init__()
        self.base, self.scale = base, alpha / rank
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + self.scale * x @ self.a.T @ self.b.T


class _Small(nn.Module):
    """Two layers with maps of several names; `mean_value` only ends like one that is asked for."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {name: nn.Linear(5, 7) for name in ("query", "value", "mean_value")} | {"output": nn.Linear(7, 5)}
            )
            for _ in range(2)
        )

    def forward(self, x):
        for layer in self.layers:
            x = x + layer["output"](layer["query"](x).tanh() * layer["value"](x) + layer["mean_value"](x))
        return x


# What `with_lora` is tried on: a model, names, rank, alpha.
_MODELS = {
    "one map": (lambda: nn.Sequential(nn.Linear(3, 4)), ["0"], 2, 2.0),
    "one map, alpha 6": (lambda: nn.Sequential(nn.Linear(3, 4)), ["0"], 2, 6.0),
    "no bias": (lambda: nn.Sequential(nn.Linear(4, 3, bias=False), nn.Tanh(), nn.Linear(3, 2)), ["0"], 1, 3.0),
    "query and value of two layers": (_Small, ["query", "value"], 3, 3.0),
    "output of two layers": (_Small, ["output"], 2, 5.0),
}


def _facts(answer):
    """An answer as what can be seen of the model that it returns."""

    def facts(model):
        make, names, rank, alpha = _MODELS[model]
        torch.manual_seed(0)
        built = make()
        x = torch.randn(4, next(built.parameters()).shape[1])
        base = [parameter.detach().clone() for parameter in built.parameters()]
        own, before = list(built.parameters()), built(x).detach()
        adapted = answer(built, list(names), rank, alpha)
        if not isinstance(adapted, nn.Module):
            return adapted
        learn = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
        found = {
            "at first it says what it said": bool(torch.allclose(adapted(x), before, atol=1e-6)),
            "sizes of what learns": sorted(parameter.numel() for parameter in learn),
        }
        for _ in range(3):
            adapted.zero_grad()
            adapted(x).square().sum().backward()
            with torch.no_grad():
                for parameter in adapted.parameters():
                    if parameter.grad is not None:
                        parameter -= 0.01 * parameter.grad
        found["all that learns has moved"] = all(bool((parameter != 0).any()) for parameter in learn) and not bool(
            torch.allclose(adapted(x), before, atol=1e-6)
        )
        found["the base has moved"] = not all(map(torch.equal, base, own))
        return found | {"with A and B set": _with_matrices(adapted, learn, rank, x)}

    facts.__name__ = "with_lora"
    return facts


def _with_matrices(adapted: nn.Module, learn: Sequence[nn.Parameter], rank: int, x: torch.Tensor) -> list:
    """What the model says when A and B have numbers that depend on their sizes only, however they are kept."""
    with torch.no_grad():
        for parameter in learn:
            if parameter.dim() == 2 and rank in parameter.shape:
                numbers = torch.linspace(-1, 1, parameter.numel()).view(rank, -1)
                parameter.copy_(numbers if len(parameter) == rank else numbers.T)
        return adapted(x).tolist()


def _remark_with_lora(arguments, expected, got):
    if not isinstance(got, dict):
        return "Return the model itself."
    if got["sizes of what learns"] != expected["sizes of what learns"]:
        if len(got["sizes of what learns"]) > len(expected["sizes of what learns"]):
            return "More learns than the matrices A and B of the maps that were asked for: freeze all else."
        return "In each map whose last name is one of `names`, A (rank x in) and B (out x rank) should learn."
    if not got["at first it says what it said"]:
        return "B A has to be 0 at first: begin with B = 0."
    if not got["all that learns has moved"]:
        return "After three steps some of A and B has not moved, or the output has not: do both begin at 0?"
    if got["the base has moved"]:
        return "The frozen weights have changed."
    return "With other numbers in A and B the output is off: base(x) + alpha / rank * B A x."


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
    "with_lora": Exercise(
        "First model.requires_grad_(False). Then go through list(model.named_modules()): if the part is a linear map "
        "with such a name, setattr(model.get_submodule(parent), last, YourModule(part)). Your module keeps the map and "
        "has two nn.Parameter.",
        _seen(_facts, with_lora, [(model,) for model in _MODELS], tolerance=1e-4, remark=_remark_with_lora),
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
        "B A + B' A' is [B B'] times A on top of A'. One of the two takes the factors, share * scale.",
        _seen(
            _product,
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
