"""Plausible wrong answers to the exercises of chapter 12."""

import statistics

import numpy as np


def measured(measure, rates, seeds):
    return {rate: [measure(rate, seed) for seed in seeds] for rate in rates}


def tuned_with(choose, report=lambda pairs: statistics.mean(test for _, test in pairs)):
    """The experiment with another way of choosing the rate, or of reporting."""

    def tuned(measure, rates, seeds):
        found = measured(measure, rates, seeds)
        best = max(rates, key=lambda rate: choose(found[rate]))
        return best, report(found[best])

    return tuned


def validation_mean(pairs):
    return statistics.mean(validation for validation, _ in pairs)


def each_seed_its_own(measure, rates, seeds):
    best = [max(((measure(rate, seed), rate) for rate in rates), key=lambda pair: pair[0][0]) for seed in seeds]
    return best[0][1], statistics.mean(test for (_, test), _ in best)


def four_bits_with(scale=lambda block: max(map(abs, block)), rounded=None, end=lambda level, scale: scale * level):
    def four_bits(block, levels):
        s = scale(block)
        pick = rounded or (lambda x, levels: min(levels, key=lambda level: abs(x - level)))
        return [end(pick(x / s, levels), s) for x in block]

    return four_bits


def above(x, levels):
    return min([level for level in levels if level >= x - 1e-12], default=levels[-1])


def below(x, levels):
    return max([level for level in levels if level <= x + 1e-12], default=levels[0])


def merged_with(scale=lambda alpha, a, b: alpha / len(a), product=lambda a, b: b @ a, start=lambda w: w):
    def merged(weight, a, b, alpha):
        w, a, b = np.array(weight), np.array(a), np.array(b)
        return (start(w) + scale(alpha, a, b) * product(a, b)).tolist()

    return merged


def seeds_by_number(measure, rates, seeds):
    """The seeds' numbers, not the seeds themselves."""
    return tuned_with(validation_mean)(measure, rates, range(len(seeds)))


def first_seed_chooses(measure, rates, seeds):
    best = max(rates, key=lambda rate: measure(rate, seeds[0])[0])
    return best, statistics.mean(test for _, test in measured(measure, [best], seeds)[best])


def share_of(pick):
    """The share of squares that the picked ones have."""
    return lambda values, rank: sum(v**2 for v in pick(values, rank)) / sum(v**2 for v in values)


def blended_with(factor=lambda share, scale: share * scale, both=False, cat=True):
    def blended(changes, shares):
        a = [np.array(a) * factor(share, scale) for (a, _, scale), share in zip(changes, shares, strict=True)]
        b = [
            np.array(b) * (factor(share, scale) if both else 1.0)
            for (_, b, scale), share in zip(changes, shares, strict=True)
        ]
        return (np.vstack(a), np.hstack(b)) if cat else (a[0] + sum(x[: len(a[0])] for x in a[1:]), b[0])

    return blended


def trained_with(scale=lambda alpha, rank: alpha / rank, inner=None, size=lambda y: y.size, base=0.0, order="both"):
    def train_lora(weight, a, b, alpha, inputs, targets, rate, steps):
        w, a, b, x, y = (np.array(matrix, dtype=float) for matrix in (weight, a, b, inputs, targets))
        s = scale(alpha, len(a))
        g = s if inner is None else inner
        for _ in range(steps):
            d = 2 * (x @ (w + s * b @ a).T - y).T @ x / size(y)
            if order == "B first":
                b = b - rate * g * d @ a.T
                a = a - rate * g * b.T @ d
            elif order == "A first":
                a = a - rate * g * b.T @ d
                b = b - rate * g * d @ a.T
            elif order == "B alone":
                b = b - rate * g * d @ a.T
            else:
                a, b = a - rate * g * b.T @ d, b - rate * g * d @ a.T
            w = w - base * d
        return (w + s * b @ a).tolist()

    return train_lora


WRONG = {
    "adapt.train_lora": {
        "alpha alone": trained_with(scale=lambda alpha, rank: alpha),
        "no scale": trained_with(scale=lambda alpha, rank: 1.0),
        "no scale in the gradients": trained_with(inner=1.0),
        "the sum of squares": trained_with(size=lambda y: 1),
        "the mean over examples": trained_with(size=len),
        "half of the square": trained_with(size=lambda y: 2 * y.size),
        "B first": trained_with(order="B first"),
        "A first": trained_with(order="A first"),
        "B alone": trained_with(order="B alone"),
        "W moves, too": trained_with(base=0.05),
        "uphill": lambda weight, a, b, alpha, inputs, targets, rate, steps: trained_with()(
            weight, a, b, alpha, inputs, targets, -rate, steps
        ),
        "one step": lambda weight, a, b, alpha, inputs, targets, rate, steps: trained_with()(
            weight, a, b, alpha, inputs, targets, rate, min(steps, 1)
        ),
        "no step": lambda weight, *_: weight,
    },
    "adapt.blended": {
        "no scale": blended_with(lambda share, scale: share),
        "no share": blended_with(lambda share, scale: scale),
        "in both": blended_with(both=True),
        "the first matrices, added": blended_with(cat=False),
        "B and A exchanged": lambda changes, shares: blended_with()(changes, shares)[::-1],
        "divided by the number": blended_with(lambda share, scale: share * scale / 2),
    },
    "adapt.fleet": {
        "the base a task": lambda parameters, learned, tasks: (tasks * parameters, tasks * (parameters + learned)),
        "no base": lambda parameters, learned, tasks: (tasks * parameters, tasks * learned),
        "one change": lambda parameters, learned, tasks: (tasks * parameters, parameters + learned),
        "a base besides the copies": lambda parameters, learned, tasks: (
            parameters + tasks * parameters,
            parameters + tasks * learned,
        ),
        "the wrong way round": lambda parameters, learned, tasks: (parameters + tasks * learned, tasks * parameters),
        "a task's copy saved": lambda parameters, learned, tasks: (
            (tasks - 1) * parameters,
            parameters + tasks * learned,
        ),
        "a base and its copies": lambda parameters, learned, tasks: (
            tasks * parameters,
            parameters + (tasks - 1) * learned,
        ),
        "the change taken off": lambda parameters, learned, tasks: (
            tasks * parameters,
            parameters - learned + tasks * learned,
        ),
        "bytes": lambda parameters, learned, tasks: (4 * tasks * parameters, 4 * (parameters + tasks * learned)),
        "the second alone": lambda parameters, learned, tasks: parameters + tasks * learned,
    },
    "adapt.break_even_rank": {
        "the largest rank": lambda rows, columns: min(rows, columns),
        "equally large": lambda rows, columns: rows * columns // (rows + columns),
        "no whole number": lambda rows, columns: rows * columns / (rows + columns),
        "rounded up": lambda rows, columns: -(-rows * columns // (rows + columns)),
        "one of the two": lambda rows, columns: rows * columns // rows,
        "both square": lambda rows, columns: rows * columns // (2 * max(rows, columns)),
        "at least 1": lambda rows, columns: max(1, (rows * columns - 1) // (rows + columns)),
        "one less": lambda rows, columns: rows * columns // (rows + columns) - 1,
        "a quarter of both": lambda rows, columns: (rows + columns) // 4,
        "half of the smaller one": lambda rows, columns: min(rows, columns) // 2,
        "rounded": lambda rows, columns: round(rows * columns / (rows + columns)),
        "equally large where square": lambda rows, columns: (
            rows // 2 if rows == columns else (rows * columns - 1) // (rows + columns)
        ),
    },
    "adapt.kept_share": {
        "not squared": lambda singular_values, rank: (
            sum(sorted(singular_values, reverse=True)[:rank]) / sum(singular_values)
        ),
        "the first ones": lambda singular_values, rank: (
            sum(v**2 for v in singular_values[:rank]) / sum(v**2 for v in singular_values)
        ),
        "the smallest ones": lambda singular_values, rank: (
            sum(v**2 for v in sorted(singular_values)[:rank]) / sum(v**2 for v in singular_values)
        ),
        "what is lost": lambda singular_values, rank: (
            sum(v**2 for v in sorted(singular_values, reverse=True)[rank:]) / sum(v**2 for v in singular_values)
        ),
        "the root": lambda singular_values, rank: (
            (sum(v**2 for v in sorted(singular_values, reverse=True)[:rank]) / sum(v**2 for v in singular_values))
            ** 0.5
        ),
        "how many": lambda singular_values, rank: rank / len(singular_values),
        "from behind": share_of(lambda values, rank: sorted(values)[-rank:]),
        "one too many": share_of(lambda values, rank: sorted(values, reverse=True)[: rank + 1]),
        "one too few": share_of(lambda values, rank: sorted(values, reverse=True)[: max(rank - 1, 0)]),
        "each value once": share_of(lambda values, rank: sorted(set(values), reverse=True)[:rank]),
        "the largest alone": share_of(lambda values, rank: sorted(values, reverse=True)[: min(rank, 1)]),
        "cubed": lambda values, rank: (
            sum(sorted((v**3 for v in values), reverse=True)[:rank]) / sum(v**3 for v in values)
        ),
    },
    "adapt.merged": {
        "no scale": merged_with(scale=lambda alpha, a, b: 1.0),
        "alpha alone": merged_with(scale=lambda alpha, a, b: alpha),
        "the root of the rank": merged_with(scale=lambda alpha, a, b: alpha / len(a) ** 0.5),
        "the change alone": merged_with(start=lambda w: 0 * w),
        "rows of B": merged_with(scale=lambda alpha, a, b: alpha / len(b)),
        "A times B": merged_with(product=lambda a, b: (a @ b) if a.shape[1] == b.shape[0] else b @ a),
        "element by element": merged_with(product=lambda a, b: b * a.T),
        "a whole scale": merged_with(scale=lambda alpha, a, b: alpha // len(a)),
        "a scale of a whole alpha": merged_with(scale=lambda alpha, a, b: int(alpha) / len(a)),
        "columns of A": merged_with(scale=lambda alpha, a, b: alpha / a.shape[1]),
        "at least 1": merged_with(scale=lambda alpha, a, b: max(1.0, alpha / len(a))),
        "the rank of the product": merged_with(scale=lambda alpha, a, b: alpha / np.linalg.matrix_rank(b @ a)),
        "subtracted": merged_with(scale=lambda alpha, a, b: -alpha / len(a)),
        "all scaled": lambda weight, a, b, alpha: (
            alpha / len(a) * (np.array(weight) + np.array(b) @ np.array(a))
        ).tolist(),
        "whole numbers": lambda weight, a, b, alpha: (
            (np.array(weight) + alpha / len(a) * np.array(b) @ np.array(a)).astype(int).tolist()
        ),
        "in one row": lambda weight, a, b, alpha: sum(merged_with()(weight, a, b, alpha), []),
    },
    "adapt.tuned": {
        "chosen by the test split": tuned_with(lambda pairs: statistics.mean(test for _, test in pairs)),
        "chosen by one seed": tuned_with(lambda pairs: max(validation for validation, _ in pairs)),
        "chosen by the worst seed": tuned_with(lambda pairs: min(validation for validation, _ in pairs)),
        "chosen by the median": tuned_with(lambda pairs: statistics.median(validation for validation, _ in pairs)),
        "the median reported": tuned_with(validation_mean, lambda pairs: statistics.median(test for _, test in pairs)),
        "chosen by both splits": tuned_with(lambda pairs: statistics.mean(v + t for v, t in pairs)),
        "validation reported": tuned_with(validation_mean, validation_mean),
        "the best seed reported": tuned_with(validation_mean, lambda pairs: max(test for _, test in pairs)),
        "a rate for each seed": each_seed_its_own,
        "the score alone": lambda measure, rates, seeds: tuned_with(validation_mean)(measure, rates, seeds)[::-1],
        "seeds by their number": seeds_by_number,
        "the first seed chooses": first_seed_chooses,
        "the first rate of all": lambda measure, rates, seeds: tuned_with(lambda pairs: 0.0)(measure, rates, seeds),
        "the smallest mean": tuned_with(lambda pairs: -validation_mean(pairs)),
        "the number of the rate": lambda measure, rates, seeds: (lambda rate, score: (rates.index(rate), score))(
            *tuned_with(validation_mean)(measure, rates, seeds)
        ),
        "the sum reported": tuned_with(validation_mean, lambda pairs: sum(test for _, test in pairs)),
        "the first seed reported": tuned_with(validation_mean, lambda pairs: pairs[0][1]),
        "the worst seed reported": tuned_with(validation_mean, lambda pairs: min(test for _, test in pairs)),
        "the mean of both splits reported": tuned_with(
            validation_mean, lambda pairs: statistics.mean((v + t) / 2 for v, t in pairs)
        ),
        "three known rates": lambda measure, rates, seeds: tuned_with(validation_mean)(measure, [0.1, 0.3, 1.0], seeds),
    },
    "adapt.four_bits": {
        "not absolute": four_bits_with(scale=lambda block: max(block)),
        "no scale": four_bits_with(scale=lambda block: 1.0),
        "levels": four_bits_with(end=lambda level, scale: level),
        "the level below": four_bits_with(rounded=below),
        "the level above": four_bits_with(rounded=above),
        "the sign lost": four_bits_with(end=lambda level, scale: abs(scale * level)),
        "scaled by the spread": four_bits_with(scale=lambda block: max(block) - min(block) or 1.0),
        "codes": lambda block, levels: [
            min(range(len(levels)), key=lambda i: abs(x - max(map(abs, block)) * levels[i])) for x in block
        ],
        "rounded off": lambda block, levels: [round(x) for x in block],
        "zeros not thought of": four_bits_with(),
        "1 for a block of zeros": lambda block, levels: (
            four_bits_with()(block, levels) if any(block) else [1.0] * len(block)
        ),
        "the number itself where it is largest": lambda block, levels: [
            y if abs(x) < max(map(abs, block)) else abs(x)
            for x, y in zip(block, four_bits_with(scale=lambda b: max(map(abs, b)) or 1.0)(block, levels), strict=True)
        ],
        "the first number's scale": four_bits_with(scale=lambda block: abs(block[0]) or 1.0),
        "the mean's scale": four_bits_with(scale=lambda block: sum(map(abs, block)) / len(block) or 1.0),
        "evenly spaced levels": lambda block, levels: four_bits_with(scale=lambda b: max(map(abs, b)) or 1.0)(
            block, [-1 + 2 * i / (len(levels) - 1) for i in range(len(levels))]
        ),
        "levels of its size": lambda block, levels: [min(levels, key=lambda level: abs(x - level)) for x in block],
        "to the largest level": lambda block, levels: [
            max(map(abs, block)) * max(levels, key=lambda level: level * x) for x in block
        ],
    },
}
