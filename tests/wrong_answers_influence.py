"""Plausible wrong answers to the exercises of chapter 14."""

import math

import numpy as np


def cleaned(which=lambda flags: [not bad for bad in flags], rows=lambda train, test: train, test_too=False):
    def after_cleaning(train, test, suspicious, accuracy):
        flags = suspicious(rows(train, test))[: len(train)]
        kept = [row for row, keep in zip(train, which(flags), strict=True) if keep]
        if test_too:
            test = [row for row, bad in zip(test, suspicious(test), strict=True) if not bad]
        return accuracy(kept, test)

    return after_cleaning


def as_it_was(train, test, suspicious, accuracy):
    rows = train + test
    kept = [row for row, bad in zip(rows, suspicious(rows), strict=True) if not bad]
    return accuracy([row for row in kept if row in train], [row for row in kept if row in test])


def linked(rounds=None, choose=min, singles=None, backwards=False):
    def groups(pairs, count):
        found = list(range(count))
        for _ in range(count if rounds is None else rounds):
            for i, j in reversed(pairs) if backwards else pairs:
                found[i] = found[j] = choose(found[i], found[j])
        if singles is not None:
            found = [one if any(i in pair for pair in pairs) else singles for i, one in enumerate(found)]
        return found

    return groups


def numbered(pairs, count):
    """Groups called 0, 1, 2 in the order in which they appear."""
    found = linked()(pairs, count)
    order = list(dict.fromkeys(found))
    return [order.index(one) for one in found]


def neighbours_only(pairs, count):
    found = list(range(count))
    for i, j in pairs:
        found[max(i, j)] = min(i, j)
    return found


def influenced(
    leverage=True,
    penalty=True,
    sign=1.0,
    weight=lambda p: p * (1 - p),
    mean=False,
    own=True,
    test=lambda p, y, x: (p - y) * x,
):
    def influence_1d(xs, ys, z, x_test, y_test, theta, strength):
        def p(x):
            return 1 / (1 + math.exp(-theta * x))

        curved = strength * penalty + sum(weight(p(x)) * x**2 for x in xs) / (len(xs) if mean else 1)
        held = p(xs[z]) * (1 - p(xs[z])) * xs[z] ** 2 / curved if leverage else 0.0
        error = p(xs[z]) - (ys[z] if own else ys[0])
        return sign * test(p(x_test), y_test, x_test) * error * xs[z] / curved / (1 - held)

    return influence_1d


def traced(
    rate=lambda rates, k: rates[k], which=slice(None), end=lambda values: sum(values), product=lambda a, b: a * b
):
    def tracin(train_gradients, test_gradients, rates):
        values = [
            rate(rates, k) * sum(product(a, b) for a, b in zip(train_gradients[k], test_gradients[k], strict=True))
            for k in range(len(rates))
        ]
        return end(values[which])

    return tracin


def votes_with(share=lambda s: s, hit=lambda v, h: h if v else 1 - h, passed=lambda v, p: 1 - p if v else p, end=None):
    def truth_from_votes(votes, hits, passes, prior):
        positive, negative = share(prior), 1 - share(prior)
        for v, h, p in zip(votes, hits, passes, strict=True):
            positive, negative = positive * hit(v, h), negative * passed(v, p)
        return end(positive, negative) if end else positive / (positive + negative)

    return truth_from_votes


def smote_with(
    example=lambda pick, k: pick // k,
    neighbour=lambda order, pick, k, i: [j for j in order if j != i][pick % k],
    place=lambda a, b, s: a + s * (b - a),
    distance=lambda d: (d**2).sum(axis=1),
):
    def smote(rare, k, picks, steps):
        points, made = np.array(rare, dtype=float), []
        for pick, step in zip(picks, steps, strict=True):
            i = example(pick, k) % len(points)
            order = np.argsort(distance(points - points[i]), kind="stable")
            made.append(place(points[i], points[neighbour(order, pick, k, i) % len(points)], step).tolist())
        return made

    return smote


def prepared_with(balance_first=False, test_balanced=False, drop=False, shift=0, one=False):
    def prepare(labels, every):
        numbers = list(range(len(labels)))
        rare = [i for i in numbers if labels[i] == 1]
        if balance_first:
            numbers += [rare[j % len(rare)] for j in range(len(numbers) - 2 * len(rare))]
        test = numbers[shift::every]
        train = [i for place, i in enumerate(numbers) if place % every != shift]
        kept = [i for i in train if labels[i] == 1]
        if drop:
            common = [i for i in train if labels[i] == 0][: len(kept)]
            return [i for i in train if i in kept or i in common], test
        if not balance_first:
            more = [kept[0] if one else kept[j % len(kept)] for j in range(len(train) - 2 * len(kept))]
            train = train + more
        if test_balanced:
            found = [i for i in test if labels[i] == 1]
            test = test + [found[j % len(found)] for j in range(len(test) - 2 * len(found)) if found]
        return train, test

    return prepare


def leads_by(score, reverse=False):
    return lambda probabilities, count: sorted(
        range(len(probabilities)), key=lambda i: score(probabilities[i]), reverse=reverse
    )[:count]


def lead(row):
    second, first = sorted(row)[-2:]
    return first - second


WRONG = {
    "influence.seen_accuracy": {
        "right labels alone": lambda accuracy, wrong: accuracy * (1 - wrong),
        "subtracted": lambda accuracy, wrong: accuracy - wrong,
        "the opposite": lambda accuracy, wrong: 1 - (accuracy * (1 - wrong) + (1 - accuracy) * wrong),
        "the model's own": lambda accuracy, wrong: accuracy,
        "shrunk to 0": lambda accuracy, wrong: accuracy * (1 - 2 * wrong),
        "half of the errors hit": lambda accuracy, wrong: accuracy * (1 - wrong) + (1 - accuracy) * wrong / 2,
        "never below one half": lambda accuracy, wrong: max(0.5, accuracy * (1 - wrong) + (1 - accuracy) * wrong),
        "labels right": lambda accuracy, wrong: 1 - wrong,
    },
    "influence.after_cleaning": {
        "as it was": as_it_was,
        "each part cleaned": cleaned(test_too=True),
        "judged together": cleaned(rows=lambda train, test: train + test),
        "nothing cleaned": lambda train, test, suspicious, accuracy: accuracy(train, test),
        "the suspicious kept": cleaned(which=lambda flags: flags),
        "tested on training rows": lambda train, test, suspicious, accuracy: cleaned()(
            train, train, suspicious, accuracy
        ),
        "the test judged first": lambda train, test, suspicious, accuracy: accuracy(
            [row for row, bad in zip(train, suspicious(test + train)[len(test) :], strict=True) if not bad], test
        ),
        "parts exchanged": lambda train, test, suspicious, accuracy: cleaned()(test, train, suspicious, accuracy),
    },
    "influence.caught": {
        "none agrees": lambda similarity, bands, rows: (1 - similarity**rows) ** bands,
        "one band": lambda similarity, bands, rows: similarity**rows,
        "added up": lambda similarity, bands, rows: min(1.0, bands * similarity**rows),
        "exchanged": lambda similarity, bands, rows: 1 - (1 - similarity**bands) ** rows,
        "any row of each band": lambda similarity, bands, rows: (1 - (1 - similarity) ** rows) ** bands,
        "any row": lambda similarity, bands, rows: 1 - (1 - similarity) ** (bands * rows),
        "all bands": lambda similarity, bands, rows: similarity ** (rows * bands),
        "a threshold": lambda similarity, bands, rows: float(similarity >= (1 / bands) ** (1 / rows)),
    },
    "influence.groups": {
        "one pass": linked(rounds=1),
        "two passes": linked(rounds=2),
        "one pass backwards": linked(rounds=1, backwards=True),
        "the largest": linked(choose=max),
        "singles left out": linked(singles=-1),
        "singles at 0": linked(singles=0),
        "numbered": numbered,
        "direct neighbours": neighbours_only,
        "nobody": lambda pairs, count: list(range(count)),
        "everybody with a pair": lambda pairs, count: [
            min([x for pair in pairs for x in pair]) if any(i in pair for pair in pairs) else i for i in range(count)
        ],
    },
    "influence.influence_1d": {
        "no leverage": influenced(leverage=False),
        "no penalty": influenced(penalty=False),
        "the other sign": influenced(sign=-1.0),
        "curvature 1": influenced(weight=lambda p: 1.0),
        "curvature p": influenced(weight=lambda p: p),
        "the mean curvature": influenced(mean=True),
        "the first label": influenced(own=False),
        "no test feature": influenced(test=lambda p, y, x: p - y),
        "the absolute error": influenced(test=lambda p, y, x: abs(p - y) * x),
        "the loss": influenced(test=lambda p, y, x: -math.log(p if y else 1 - p) * x),
    },
    "influence.tracin": {
        "no rates": traced(rate=lambda rates, k: 1.0),
        "the mean": traced(end=lambda values: sum(values) / len(values)),
        "the last one": traced(which=slice(-1, None)),
        "the first one": traced(which=slice(0, 1)),
        "the other sign": traced(rate=lambda rates, k: -rates[k]),
        "absolute values": traced(product=lambda a, b: abs(a * b)),
        "the first rate": traced(rate=lambda rates, k: rates[0]),
        "the mean rate": traced(rate=lambda rates, k: sum(rates) / len(rates)),
        "differences": traced(product=lambda a, b: a - b),
        "each checkpoint": traced(end=list),
    },
    "influence.importance": {
        "the odds": lambda p, old, new: [x / (1 - x) for x in p],
        "the sizes exchanged": lambda p, old, new: [x / (1 - x) * new / old for x in p],
        "turned round": lambda p, old, new: [(1 - x) / x * new / old if x else 0.0 for x in p],
        "no odds": lambda p, old, new: [x * old / new for x in p],
        "the probability": lambda p, old, new: list(p),
        "normalised": lambda p, old, new: [x / (1 - x) / sum(y / (1 - y) for y in p) for x in p],
        "with both sizes": lambda p, old, new: [x / (1 - x) * old / (old + new) for x in p],
    },
    "influence.truth_from_votes": {
        "the share of votes": lambda votes, hits, passes, share: sum(votes) / len(votes),
        "without the share": votes_with(share=lambda s: 0.5),
        "the other class": votes_with(end=lambda a, b: b / (a + b)),
        "hits and passes exchanged": lambda votes, hits, passes, share: votes_with()(votes, passes, hits, share),
        "votes for 0 left out": votes_with(hit=lambda v, h: h if v else 1, passed=lambda v, p: 1 - p if v else 1),
        "votes not looked at": votes_with(hit=lambda v, h: h, passed=lambda v, p: p),
        "not normalised": votes_with(end=lambda a, b: a),
        "the odds": votes_with(end=lambda a, b: a / b),
        "a yes or no": votes_with(end=lambda a, b: float(a > b)),
    },
    "influence.smote": {
        "itself a neighbour": smote_with(neighbour=lambda order, pick, k, i: order[pick % k]),
        "from the neighbour": smote_with(place=lambda a, b, s: b + s * (a - b)),
        "picks exchanged": smote_with(
            example=lambda pick, k: pick % k,
            neighbour=lambda order, pick, k, i: [j for j in order if j != i][min(pick // k, len(order) - 2)],
        ),
        "the farthest first": smote_with(neighbour=lambda order, pick, k, i: order[::-1][pick % k]),
        "steps alone": smote_with(place=lambda a, b, s: s * (b - a)),
        "always the nearest": smote_with(neighbour=lambda order, pick, k, i: order[1]),
        "always the middle": smote_with(place=lambda a, b, s: (a + b) / 2),
        "copies": smote_with(place=lambda a, b, s: a),
        "one feature's distance": smote_with(distance=lambda d: d[:, 0] ** 2),
    },
    "influence.prepare": {
        "as it came": prepared_with(balance_first=True),
        "the test balanced, too": prepared_with(test_balanced=True),
        "the common ones thinned out": prepared_with(drop=True),
        "another part for testing": prepared_with(shift=1),
        "one example again and again": prepared_with(one=True),
        "exchanged": lambda labels, every: prepared_with()(labels, every)[::-1],
    },
    "influence.next_to_label": {
        "the surest": leads_by(lead, reverse=True),
        "by the largest probability": leads_by(max),
        "by the least likely class": leads_by(lambda row: max(row) - min(row)),
        "in the order of the rows": lambda p, n: sorted(leads_by(lead)(p, n)),
        "all of them": lambda p, n: leads_by(lead)(p, len(p)),
        "by the smallest probability": leads_by(min),
        "by entropy": leads_by(lambda row: sum(x * np.log(max(x, 1e-12)) for x in row)),
    },
}
