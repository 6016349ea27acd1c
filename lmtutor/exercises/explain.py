"""Exercises of chapter 16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from math import comb

from lmtutor.exercises.examine import Exercise, compare, same


def _told(known: dict[str, object], got) -> str:
    """The first remark whose wrong value came."""
    return next((remark for remark, value in known.items() if same(value, got, 1e-9)), "")


# --- contributions in a linear model ----------------------------------------------------------------------------------


def contributions(weights: list[float], x: list[float], baseline: list[float]) -> list[float]:
    """Each weight times the feature's difference from the baseline."""
    return [w * (a - b) for w, a, b in zip(weights, x, baseline, strict=True)]


def _remark_contributions(arguments, expected, got):
    weights, x, baseline = arguments
    known = {
        "These are the weights. How far is each feature from its baseline?": weights,
        "That is measured from 0, and not from the baseline.": [w * a for w, a in zip(weights, x, strict=True)],
        "The other way round: the input minus the baseline.": [-one for one in expected],
        "A contribution can be negative: no absolute values.": [abs(one) for one in expected],
        "Each feature's own contribution was asked for, not their sum.": sum(expected),
    }
    return _told(known, got)


# --- integrated gradients ---------------------------------------------------------------------------------------------


def integrated(
    gradient: Callable[[list[float]], list[float]], x: list[float], baseline: list[float], steps: int
) -> list[float]:
    """The gradient's mean at the middles of equal stretches of the line, times the difference."""
    return _integrated(gradient, x, baseline, [(step + 0.5) / steps for step in range(steps)])


def _integrated(gradient, x, baseline, places, times=lambda total, a, b: total * (a - b)):
    total = [0.0] * len(x)
    for place in places:
        point = [b + place * (a - b) for a, b in zip(x, baseline, strict=True)]
        total = [t + g / len(places) for t, g in zip(total, gradient(point), strict=True)]
    return [times(t, a, b) for t, a, b in zip(total, x, baseline, strict=True)]


def _bowl(point: list[float]) -> list[float]:
    """Gradient of the sum of squares."""
    return [2 * one for one in point]


def _product(point: list[float]) -> list[float]:
    """Gradient of a * b * b."""
    a, b = point
    return [b * b, 2 * a * b]


def _flat(point: list[float]) -> list[float]:
    """Gradient of min(a, 1)."""
    return [1.0 if point[0] < 1 else 0.0]


def _remark_integrated(arguments, expected, got):
    gradient, x, baseline, steps = arguments
    middles = [(step + 0.5) / steps for step in range(steps)]
    known = {
        "The gradients are averaged; now multiply by the input minus the baseline.": _integrated(
            gradient, x, baseline, middles, lambda total, a, b: total
        ),
        "That is the sum over the steps; their mean was asked for.": [steps * one for one in expected],
        "These are the beginnings of the stretches; take their middles.": _integrated(
            gradient, x, baseline, [step / steps for step in range(steps)]
        ),
        "These are the ends of the stretches; take their middles.": _integrated(
            gradient, x, baseline, [(step + 1) / steps for step in range(steps)]
        ),
        "The line begins at the baseline, not at 0.": _integrated(
            lambda point: gradient([p - b for p, b in zip(point, baseline, strict=True)]), x, baseline, middles
        ),
        "The mean is times (input - baseline), and not times the input.": _integrated(
            gradient, x, baseline, middles, lambda total, a, b: total * a
        ),
        "That is the gradient at the input alone: gradient times input.": _integrated(gradient, x, baseline, [1.0]),
    }
    if steps > 1:
        known["With both ends of the line these are no stretches of equal length."] = _integrated(
            gradient, x, baseline, [step / (steps - 1) for step in range(steps)]
        )
    return _told(known, got)


# --- games ------------------------------------------------------------------------------------------------------------


def left_out(value: Callable[[list[str]], float], words: list[str]) -> list[float]:
    """By how much the value falls when the word at each place is left out."""
    return [value(words) - value(words[:i] + words[i + 1 :]) for i in range(len(words))]


def _praise(words: Sequence[str]) -> float:
    """2 for each "good", turned round by a "not" anywhere."""
    return (-1.0 if "not" in words else 1.0) * 2 * list(words).count("good")


def _either(words: Sequence[str]) -> float:
    """1 if "good" or "fine" is there."""
    return float("good" in words or "fine" in words)


def _in_order(words: Sequence[str]) -> float:
    """How often "not" stands right before "good", minus half the number of words."""
    return sum(pair == ("not", "good") for pair in zip(words, words[1:], strict=False)) - len(words) / 2


def _remark_left_out(arguments, expected, got):
    value, words = arguments
    known = {
        "The sign is the other way round: what is lost is the value of all minus the value without.": [
            -one for one in expected
        ],
        "That is the value without the word; by how much did it fall?": [
            value(words[:i] + words[i + 1 :]) for i in range(len(words))
        ],
        "That is what each word is worth alone; leave it out of all the others.": [value([word]) for word in words],
        "If a word stands twice, leave out one of the two.": [
            value(words) - value([other for other in words if other != word]) for word in words
        ],
    }
    return _told(known, got)


def shapley_values(value: Callable[[set], float], players: list[str]) -> list[float]:
    """The mean, over all orders, of what each player adds to those who came before."""
    total = dict.fromkeys(players, 0.0)
    orders = list(permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            before = set(order[:place])
            total[player] += value(before | {player}) - value(before)
    return [total[player] / len(orders) for player in players]


def _alone(team: set) -> float:
    """3 if Ann is there, plus 1 for each other player."""
    return sum(3.0 if player == "Ann" else 1.0 for player in team)


def _together(team: set) -> float:
    """4 if both Ann and Bob are there, else 0."""
    return 4.0 if {"Ann", "Bob"} <= set(team) else 0.0


def _any(team: set) -> float:
    """6 if anybody is there."""
    return 6.0 if team else 0.0


def _gloves(team: set) -> float:
    """1 for a pair: Ann has a left glove, all others have right ones."""
    return float("Ann" in team and len(team) > 1)


def _overhead(team: set) -> float:
    """2 to the number of players, and 5 more if Cem is there without Ann."""
    return 2.0 ** len(team) + 5.0 * ("Cem" in team and "Ann" not in team)


def _over_coalitions(value, players, weight):
    found = []
    for player in players:
        others = [other for other in players if other != player]
        found.append(
            sum(
                weight(len(players), size) * (value({*team, player}) - value(set(team)))
                for size in range(len(others) + 1)
                for team in combinations(others, size)
            )
        )
    return found


def _remark_shapley_values(arguments, expected, got):
    value, players = arguments
    everybody = set(players)
    known = {
        "That is what each is worth alone; average over all orders in which they may come.": [
            value({player}) - value(set()) for player in players
        ],
        "That is what each takes away by leaving last; average over all orders in which they may come.": [
            value(everybody) - value(everybody - {player}) for player in players
        ],
        "All coalitions count alike there (it is Banzhaf's index); small and large ones weigh more than middle ones.": (
            _over_coalitions(value, players, lambda n, size: 1 / 2 ** (n - 1))
        ),
        "That is a sum over the orders; divide by their number.": [
            one * sum(1 for _ in permutations(players)) for one in expected
        ],
        "The empty team has a value, too: the first to come adds what exceeds it.": [
            one + value(set()) / len(players) for one in expected
        ],
    }
    if isinstance(got, dict):
        return "A list in the order of `players` was asked for."
    weights = _over_coalitions(value, players, lambda n, size: 1 / comb(n - 1, size))
    return _told(known, got) or _told({"Each size of team weighs the same: divide by their number, too.": weights}, got)


# --- cause and correlation --------------------------------------------------------------------------------------------


def adjusted(rows: list[tuple[str, int, int]]) -> float:
    """The difference that the word makes within each topic, averaged over the topics of all rows."""
    topics = [topic for topic, _, _ in rows]
    return sum(_share(rows, topic, 1) - _share(rows, topic, 0) for topic in topics) / len(rows)


def _share(rows, topic, word) -> float:
    """P(label = 1 | topic, word)."""
    labels = [label for t, w, label in rows if (topic is None or t == topic) and w == word]
    return sum(labels) / len(labels)


def _weighted(rows, weights) -> float:
    return sum(
        sign * sum(weights(topic, word) * _share(rows, topic, word) for topic in {t for t, _, _ in rows})
        for word, sign in ((1, 1), (0, -1))
    )


def _remark_adjusted(arguments, expected, got):
    (rows,) = arguments
    topics = {topic for topic, _, _ in rows}
    known = {
        "That is the plain difference, in which topic and word are mixed up: the bug is still there.": _share(
            rows, None, 1
        )
        - _share(rows, None, 0),
        "Each topic counts by how often it occurs; not all alike.": _weighted(
            rows, lambda topic, word: 1 / len(topics)
        ),
        "That is the probability with the word; subtract the one without.": _weighted(
            rows, lambda topic, word: word * sum(t == topic for t, _, _ in rows) / len(rows)
        ),
        "The sign is the other way round: with the word minus without.": -expected,
    }
    with_word = [t for t, w, _ in rows if w == 1]
    known["The topics of all rows count, not of those with the word alone."] = _weighted(
        rows, lambda topic, word: with_word.count(topic) / len(with_word)
    )
    return _told(known, got)


def recovered(clean: float, corrupted: float, patched: float) -> float:
    """The share of the way from the corrupted to the clean value."""
    return (patched - corrupted) / (clean - corrupted)


def _remark_recovered(arguments, expected, got):
    clean, corrupted, patched = arguments
    known = {
        "That is by how much it rose; as a share of the whole way?": patched - corrupted,
        "That is the share that is still missing.": 1 - expected,
        "Start at the corrupted run's value: it counts as 0.": patched / clean,
        "The whole way is from corrupted to clean.": (patched - corrupted) / clean,
        "The two runs are exchanged: corrupted counts as 0, clean as 1.": (patched - clean) / (corrupted - clean),
    }
    return _told(known, got)


# --- induction --------------------------------------------------------------------------------------------------------


def prefix_score(weights: list[list[float]], tokens: list[str]) -> float:
    """The mean weight on what followed the last occurrence of the present token, where there was one."""
    found = [weights[t][1 + _last(tokens, t)] for t in range(len(tokens)) if tokens[t] in tokens[:t]]
    return sum(found) / len(found) if found else 0.0


def _last(tokens, t) -> int:
    return max(place for place in range(t) if tokens[place] == tokens[t])


def _remark_prefix_score(arguments, expected, got):
    weights, tokens = arguments
    places = [t for t in range(len(tokens)) if tokens[t] in tokens[:t]]
    if not places:
        return "No token occurs twice here, so nothing can be matched: 0."
    size = len(places)
    known = {
        "That is the weight on the earlier occurrence itself; the head should look at the token after it.": sum(
            weights[t][_last(tokens, t)] for t in places
        )
        / size,
        "If a token occurred several times, the last time before now counts.": sum(
            weights[t][1 + tokens.index(tokens[t])] for t in places
        )
        / size,
        "Take the mean over the places whose token occurred before, not over all.": expected * size / len(tokens),
        "That is the sum; the mean was asked for.": expected * size,
        "Rows are queries: weights[t] is what place t looks at.": sum(weights[1 + _last(tokens, t)][t] for t in places)
        / size,
    }
    return _told(known, got)


_UNIFORM = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]
_SHARP = [
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.4, 0.6, 0.0, 0.0, 0.0, 0.0],
    [0.1, 0.7, 0.2, 0.0, 0.0, 0.0],
    [0.1, 0.2, 0.5, 0.2, 0.0, 0.0],
    [0.3, 0.05, 0.25, 0.25, 0.15, 0.0],
    [0.05, 0.1, 0.15, 0.3, 0.05, 0.35],
]

EXERCISES = {
    "contributions": Exercise(
        "By how much would the score change if this feature alone went from its baseline to its value?",
        compare(
            contributions,
            [
                ([2.0], [3.0], [0.0]),
                ([2.0], [3.0], [1.0]),
                ([1.0, -2.0, 0.5], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0]),
            ],
            remark=_remark_contributions,
        ),
    ),
    "integrated": Exercise(
        "Loop over the steps: the place is (step + 0.5) / steps, the point is baseline + place * (x - baseline). Add "
        "up the gradients, divide by the steps, and only then multiply by x - baseline.",
        compare(
            integrated,
            [
                (_bowl, [2.0], [0.0], 1),
                (_bowl, [2.0], [1.0], 2),
                (_flat, [4.0], [0.0], 2),
                (_product, [1.0, 2.0], [0.0, 0.0], 3),
                (_product, [1.0, -2.0], [0.5, 1.0], 4),
            ],
            remark=_remark_integrated,
        ),
    ),
    "left_out": Exercise(
        "words[:i] + words[i + 1:] is the text without the word at place i.",
        compare(
            left_out,
            [
                (_praise, ["good"]),
                (_praise, ["not", "good"]),
                (_either, ["good", "and", "fine"]),
                (_praise, ["good", "soup", "good"]),
                (_in_order, ["not", "so", "good", "not", "good"]),
            ],
            remark=_remark_left_out,
        ),
    ),
    "shapley_values": Exercise(
        "itertools.permutations(players) gives all orders. Walk through each with a growing set, and note by how much "
        "the value rises as each player comes.",
        compare(
            shapley_values,
            [
                (_alone, ["Ann"]),
                (_alone, ["Bob", "Ann"]),
                (_together, ["Ann", "Bob"]),
                (_any, ["Ann", "Bob", "Cem"]),
                (_gloves, ["Ann", "Bob", "Cem"]),
                (_overhead, ["Dia", "Cem", "Ann", "Bob"]),
            ],
            remark=_remark_shapley_values,
        ),
    ),
    "adjusted": Exercise(
        "How often does each topic occur among *all* rows? These shares are the weights for both sides, with the word "
        "and without it.",
        compare(
            adjusted,
            [
                ([("a", 1, 1), ("a", 0, 0)],),
                ([("a", 1, 1), ("a", 1, 1), ("a", 0, 1), ("b", 1, 0), ("b", 0, 0), ("b", 0, 0)],),
                ([("a", 1, 1), ("a", 1, 0), ("a", 0, 0), ("b", 1, 1), ("b", 0, 1), ("b", 0, 0), ("b", 0, 0)],),
                (
                    [("a", 1, 1)] * 4
                    + [("a", 1, 0), ("a", 0, 1), ("a", 0, 0)]
                    + [("b", 1, 1), ("b", 0, 0), ("b", 0, 0), ("b", 0, 0), ("b", 0, 1)]
                    + [("c", 0, 1), ("c", 1, 0)],
                ),
            ],
            remark=_remark_adjusted,
        ),
    ),
    "recovered": Exercise(
        "0 where patching changes nothing, 1 where it brings the clean value back, and in between a straight line.",
        compare(
            recovered,
            [(1.0, 0.0, 0.5), (5.0, 1.0, 1.0), (3.0, -1.0, 2.0), (-2.0, 6.0, 4.0), (1.0, 0.0, -0.5)],
            remark=_remark_recovered,
        ),
    ),
    "prefix_score": Exercise(
        "For each place t look for the last place before t with the same token. If there is one, note the weight that "
        "place t gives to the place after it. The mean of what you noted.",
        compare(
            prefix_score,
            [
                ([[1.0]], ["a"]),
                (_UNIFORM, ["a", "b", "a"]),
                (_UNIFORM, ["a", "a", "b"]),
                (_SHARP, ["a", "b", "c", "a", "b", "c"]),
                (_SHARP, ["a", "b", "a", "c", "a", "b"]),
                (_SHARP, ["a", "b", "c", "d", "e", "f"]),
            ],
            remark=_remark_prefix_score,
        ),
    ),
}
