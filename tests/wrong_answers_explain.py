"""Plausible wrong answers to the exercises of chapter 16."""

from itertools import combinations, permutations
from math import comb


def line(places, times=lambda mean, a, b: mean * (a - b), start=None, mean=True):
    """Integrated gradients at other places, or put together in another way."""

    def integrated(gradient, x, baseline, steps):
        where, begin = places(steps), baseline if start is None else [start] * len(x)
        total = [0.0] * len(x)
        for place in where:
            point = [b + place * (a - b) for a, b in zip(x, begin, strict=True)]
            total = [t + g for t, g in zip(total, gradient(point), strict=True)]
        share = len(where) if mean else 1
        return [times(t / share, a, b) for t, a, b in zip(total, x, baseline, strict=True)]

    return integrated


def middles(steps):
    return [(step + 0.5) / steps for step in range(steps)]


def by_coalitions(weight):
    def shapley_values(value, players):
        found = []
        for player in players:
            others = [other for other in players if other != player]
            teams = [team for size in range(len(others) + 1) for team in combinations(others, size)]
            found.append(
                sum(weight(len(players), len(team)) * (value({*team, player}) - value(set(team))) for team in teams)
            )
        return found

    return shapley_values


def not_before(value, players):
    """Each player's gain over the empty set of those who came before it, always from 0."""
    total = dict.fromkeys(players, 0.0)
    orders = list(permutations(players))
    for order in orders:
        last = 0.0
        for place, player in enumerate(order):
            now = value(set(order[: place + 1]))
            total[player] += now - last
            last = now
    return [total[player] / len(orders) for player in players]


def in_one_order(value, players):
    return [value(set(players[: i + 1])) - value(set(players[:i])) for i in range(len(players))]


def share(rows, topic, word):
    labels = [label for t, w, label in rows if (topic is None or t == topic) and w == word]
    return sum(labels) / len(labels)


def weighted(weight):
    def adjusted(rows):
        topics = {topic for topic, _, _ in rows}
        return sum(
            weight(rows, topic, 1) * share(rows, topic, 1) - weight(rows, topic, 0) * share(rows, topic, 0)
            for topic in topics
        )

    return adjusted


def given_word(rows, topic, word):
    with_it = [t for t, w, _ in rows if w == word]
    return with_it.count(topic) / len(with_it)


def prefix(look=lambda weights, t, last: weights[t][last + 1], which=max, mean=True, every=False):
    def prefix_score(weights, tokens):
        found = []
        for t, token in enumerate(tokens):
            earlier = [place for place in range(t) if tokens[place] == token]
            if earlier:
                found.append(look(weights, t, which(earlier)))
        if not found:
            return 0.0
        return sum(found) / ((len(tokens) if every else len(found)) if mean else 1)

    return prefix_score


def all_earlier(weights, tokens):
    """The weight on the followers of all earlier occurrences together."""
    found = []
    for t, token in enumerate(tokens):
        earlier = [place for place in range(t) if tokens[place] == token]
        if earlier:
            found.append(sum(weights[t][place + 1] for place in earlier))
    return sum(found) / len(found) if found else 0.0


WRONG = {
    "explain.contributions": {
        "the weights": lambda weights, x, baseline: weights,
        "from 0": lambda weights, x, baseline: [w * a for w, a in zip(weights, x, strict=True)],
        "the other way round": lambda weights, x, baseline: [
            w * (b - a) for w, a, b in zip(weights, x, baseline, strict=True)
        ],
        "absolute": lambda weights, x, baseline: [
            abs(w * (a - b)) for w, a, b in zip(weights, x, baseline, strict=True)
        ],
        "the sum": lambda weights, x, baseline: sum(w * (a - b) for w, a, b in zip(weights, x, baseline, strict=True)),
    },
    "explain.integrated": {
        "left ends": line(lambda steps: [step / steps for step in range(steps)]),
        "right ends": line(lambda steps: [(step + 1) / steps for step in range(steps)]),
        "both ends": line(lambda steps: [step / max(1, steps - 1) for step in range(steps)]),
        "not times the difference": line(middles, lambda mean, a, b: mean),
        "times the input": line(middles, lambda mean, a, b: mean * a),
        "the sum": line(middles, mean=False),
        "from 0": line(middles, start=0.0),
        "at the input": line(lambda steps: [1.0]),
        "at the baseline": line(lambda steps: [0.0]),
    },
    "explain.left_out": {
        "the other way round": lambda value, words: [
            value(words[:i] + words[i + 1 :]) - value(words) for i in range(len(words))
        ],
        "the value without": lambda value, words: [value(words[:i] + words[i + 1 :]) for i in range(len(words))],
        "alone": lambda value, words: [value([word]) for word in words],
        "all of that word": lambda value, words: [
            value(words) - value([other for other in words if other != word]) for word in words
        ],
        "from here on": lambda value, words: [value(words) - value(words[:i]) for i in range(len(words))],
        "prefixes": lambda value, words: [value(words[: i + 1]) - value(words[:i]) for i in range(len(words))],
    },
    "explain.shapley_values": {
        "alone": lambda value, players: [value({player}) - value(set()) for player in players],
        "leaving last": lambda value, players: [
            value(set(players)) - value(set(players) - {player}) for player in players
        ],
        "Banzhaf": by_coalitions(lambda n, size: 1 / 2 ** (n - 1)),
        "each size": by_coalitions(lambda n, size: 1 / comb(n - 1, size)),
        "without weights": by_coalitions(lambda n, size: 1),
        "one order": in_one_order,
        "the empty team is worth 0": not_before,
        "in equal parts": lambda value, players: [(value(set(players)) - value(set())) / len(players) for _ in players],
    },
    "explain.adjusted": {
        "the bug": weighted(given_word),
        "plain": lambda rows: share(rows, None, 1) - share(rows, None, 0),
        "all topics alike": weighted(lambda rows, topic, word: 1 / len({t for t, _, _ in rows})),
        "topics of those with the word": weighted(lambda rows, topic, word: given_word(rows, topic, 1)),
        "topics of those without": weighted(lambda rows, topic, word: given_word(rows, topic, 0)),
        "with the word only": weighted(
            lambda rows, topic, word: word * sum(t == topic for t, _, _ in rows) / len(rows)
        ),
        "the other way round": lambda rows: (
            -weighted(lambda rows, topic, word: sum(t == topic for t, _, _ in rows) / len(rows))(rows)
        ),
    },
    "explain.recovered": {
        "not as a share": lambda clean, corrupted, patched: patched - corrupted,
        "of the clean value": lambda clean, corrupted, patched: patched / clean,
        "what is missing": lambda clean, corrupted, patched: (clean - patched) / (clean - corrupted),
        "by the clean value": lambda clean, corrupted, patched: (patched - corrupted) / clean,
        "cut off": lambda clean, corrupted, patched: min(1, max(0, (patched - corrupted) / (clean - corrupted))),
        "absolute": lambda clean, corrupted, patched: abs(patched - corrupted) / abs(clean - corrupted),
    },
    "explain.prefix_score": {
        "the earlier token itself": prefix(lambda weights, t, last: weights[t][last]),
        "the token before it": prefix(lambda weights, t, last: weights[t][max(0, last - 1)]),
        "the first occurrence": prefix(which=min),
        "the sum": prefix(mean=False),
        "over all places": prefix(every=True),
        "columns": prefix(lambda weights, t, last: weights[last + 1][t]),
        "all occurrences": all_earlier,
        "the token before": prefix(lambda weights, t, last: weights[t][t - 1]),
    },
}
