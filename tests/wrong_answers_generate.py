"""Plausible wrong answers to the exercises of chapter 08."""


def count_with(embeddings=lambda v, t: v + t, layer=lambda d: 12 * d**2 + 13 * d, last=lambda d: 2 * d, layers=None):
    def parameters(vocab_size, max_length, d, num_layers):
        return embeddings(vocab_size, max_length) * d + (layers or num_layers) * layer(d) + last(d)

    return parameters


def scaled(kept):
    return [x / sum(kept) for x in kept]


def first_above(p, u, exceeds=lambda u, total: u < total):
    total = 0.0
    for i, x in enumerate(p):
        total += x
        if exceeds(u, total):
            return i
    return len(p) - 1


def grams(tokens, n):
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def share_with(count, of=len):
    def repetition(tokens, n):
        found = grams(tokens, n)
        return count(found) / max(of(found), 1)

    return repetition


def bisection_with(borders=True, wrong_way=False, steps=20):
    def matching_temperature(surprise, target, low, high, _steps=20):
        if borders and target <= surprise(low):
            return low
        if borders and target >= surprise(high):
            return high
        for _ in range(steps):
            middle = (low + high) / 2
            low, high = (middle, high) if (surprise(middle) < target) != wrong_way else (low, middle)
        return (low + high) / 2

    return matching_temperature


def straight_line(surprise, target, low, high, steps=20):
    if target <= surprise(low):
        return low
    if target >= surprise(high):
        return high
    return low + (target - surprise(low)) / (surprise(high) - surprise(low)) * (high - low)


def line_beyond(surprise, target, low, high, steps=20):
    return low + (target - surprise(low)) / (surprise(high) - surprise(low)) * (high - low)


WRONG = {
    "generate.parameters": {
        "logits twice": count_with(embeddings=lambda v, t: 2 * v + t),
        "no positions": count_with(embeddings=lambda v, t: v),
        "no last norm": count_with(last=lambda d: 0),
        "no norms": count_with(layer=lambda d: 12 * d**2 + 9 * d),
        "one layer": count_with(layers=1),
        "matrices alone": count_with(layer=lambda d: 12 * d**2, last=lambda d: 0),
    },
    "generate.cache_bytes": {
        "keys alone": lambda batch, tokens, layers, hidden, size: batch * tokens * layers * hidden * size,
        "queries, too": lambda batch, tokens, layers, hidden, size: 3 * batch * tokens * layers * hidden * size,
        "numbers": lambda batch, tokens, layers, hidden, size: 2 * batch * tokens * layers * hidden,
        "one layer": lambda batch, tokens, layers, hidden, size: 2 * batch * tokens * hidden * size,
        "one text": lambda batch, tokens, layers, hidden, size: 2 * tokens * layers * hidden * size,
        "scores": lambda batch, tokens, layers, hidden, size: 2 * batch * tokens**2 * layers * hidden * size,
    },
    "generate.min_p": {
        "not scaled": lambda p, share: [x if x >= share * max(p) else 0.0 for x in p],
        "a probability": lambda p, share: scaled([x if x >= min(share, max(p)) else 0.0 for x in p]),
        "places lost": lambda p, share: scaled([x for x in p if x >= share * max(p)]),
        "nothing cut": lambda p, share: p,
        "above only": lambda p, share: scaled([x if x > share * max(p) else 0.0 for x in p]),
    },
    "generate.draw": {
        "greedy": lambda p, u: max(range(len(p)), key=p.__getitem__),
        "not exceeded": lambda p, u: first_above(p, u, lambda u, total: u <= total),
        "each probability": lambda p, u: next((i for i, x in enumerate(p) if u < x), len(p) - 1),
        "from behind": lambda p, u: len(p) - 1 - first_above(p[::-1], u),
        "the last, though it has no probability": first_above,
    },
    "generate.repetition": {
        "diversity": share_with(lambda found: len(set(found))),
        "kinds that come twice": share_with(lambda found: sum(found.count(gram) > 1 for gram in set(found))),
        "all that come twice": share_with(lambda found: sum(found.count(gram) > 1 for gram in found)),
        "a count": lambda tokens, n: len(grams(tokens, n)) - len(set(grams(tokens, n))),
        "of the tokens": lambda tokens, n: 1 - len(set(grams(tokens, n))) / len(tokens),
        "neighbours": share_with(lambda found: sum(a == b for a, b in zip(found, found[1:], strict=False))),
    },
    "generate.matching_temperature": {
        "the middle": bisection_with(steps=0),
        "the wrong way": bisection_with(wrong_way=True),
        "a straight line": straight_line,
        "a line beyond the borders": line_beyond,
        "too few steps": bisection_with(steps=3),
    },
}
