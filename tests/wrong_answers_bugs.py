"""Plausible wrong answers to the exercises of the bug hunts."""

import math


def changed_at(ids, b, t, by=1):
    changed = [list(line) for line in ids]
    changed[b][t] += by
    return changed


def reads_with(differs=lambda before, after: before != after, at=lambda row, place: (row, place), swap=False):
    """A right answer with one thing done differently."""

    def reads(predict, ids, row, place):
        r, p = at(row, place)
        before = predict(ids)[r][p]
        found = [
            [differs(before, predict(changed_at(ids, b, t))[r][p]) for t in range(len(ids[b]))] for b in range(len(ids))
        ]
        return [list(line) for line in zip(*found, strict=True)] if swap else found

    return reads


def adds_up(predict, ids, row, place):
    before, changed, found = predict(ids)[row][place], [list(line) for line in ids], []
    for b in range(len(ids)):
        found.append([])
        for t in range(len(ids[b])):
            changed[b][t] += 1
            found[b].append(predict(changed)[row][place] != before)
    return found


def own_row_only(predict, ids, row, place):
    before = predict(ids)[row][place]
    return [
        [b == row and predict(changed_at(ids, b, t))[row][place] != before for t in range(len(ids[b]))]
        for b in range(len(ids))
    ]


def perplexity_with(take=lambda losses, tokens: sum(x * n for x, n in zip(losses, tokens, strict=True) if n), **how):
    divide = how.get("divide", lambda losses, tokens: sum(tokens))
    end = how.get("end", math.exp)

    def corpus_perplexity(losses, tokens):
        return end(take(losses, tokens) / divide(losses, tokens))

    return corpus_perplexity


def leaked_with(alike, words=lambda text: set(text.lower().split()), give=lambda found, test: found):
    def leaked(train, test, least):
        seen = [words(text) for text in train]
        found = [i for i, text in enumerate(test) if any(alike(words(text), other, least) for other in seen)]
        return give(found, test)

    return leaked


def near(a, b, least):
    return len(set(a) & set(b)) >= least * len(set(a) | set(b))


def once_a_neighbour(train, test, least):
    sets = [set(text.lower().split()) for text in train]
    return [i for i, text in enumerate(test) for other in sets if near(text.lower().split(), other, least)]


def best_with(first=0, last=0, end=lambda total, n: total / n, power=lambda at_most, k: 1 - at_most**k):
    def expected_best(n, k):
        at_most, total = 0.0, 0.0
        for m in range(first, n + last):
            at_most += math.comb(n, m) / 2**n
            total += power(at_most, k)
        return end(total, n)

    return expected_best


def called_with(called=lambda p, r, n: n * r / p, end=lambda called, support: sum(called) - sum(support)):
    def called_too_often(precision, recall, support):
        return end([called(p, r, n) for p, r, n in zip(precision, recall, support, strict=True)], support)

    return called_too_often


WRONG = {
    "recurrent_bugs.double_softmax_floor": {
        "zero, as with one softmax": lambda V: 0.0,
        "the loss at the start": lambda V: math.log(V),
        "V others instead of V - 1": lambda V: math.log(math.e + V) - 1,
        "the denominator only": lambda V: math.log(math.e + V - 1),
        "the wrong sign": lambda V: 1 - math.log(math.e + V - 1),
        "the probability, not its logarithm": lambda V: math.e / (math.e + V - 1),
    },
    "recurrent_bugs.reads": {
        "turned round": reads_with(lambda before, after: before == after),
        "the difference, not whether there is one": reads_with(lambda before, after: after - before),
        "only growth": reads_with(lambda before, after: after > before),
        "row and place exchanged": reads_with(at=lambda row, place: (place, row)),
        "rows and columns exchanged": reads_with(swap=True),
        "changes add up": adds_up,
        "its own row only": own_row_only,
        "always the first cell": reads_with(at=lambda row, place: (0, 0)),
    },
    "recurrent_bugs.corpus_perplexity": {
        "the mean of means": perplexity_with(
            lambda losses, tokens: sum(x for x, n in zip(losses, tokens, strict=True) if n),
            divide=lambda losses, tokens: sum(n > 0 for n in tokens),
        ),
        "the mean of perplexities": lambda losses, tokens: (
            sum(n * math.exp(x) for x, n in zip(losses, tokens, strict=True) if n) / sum(tokens)
        ),
        "base 2": perplexity_with(end=lambda mean: 2**mean),
        "the mean loss": perplexity_with(end=lambda mean: mean),
        "nan kept": perplexity_with(lambda losses, tokens: sum(x * n for x, n in zip(losses, tokens, strict=True))),
        "divided by the batches": perplexity_with(divide=lambda losses, tokens: len(tokens)),
    },
    "classify_bugs.leaked": {
        "exact copies only": lambda train, test, least: [i for i, text in enumerate(test) if text in train],
        "more than least": leaked_with(lambda a, b, least: len(a & b) > least * len(a | b)),
        "divided by the smaller": leaked_with(lambda a, b, least: len(a & b) >= least * min(len(a), len(b))),
        "divided by its own": leaked_with(lambda a, b, least: len(a & b) >= least * len(a)),
        "capitals differ": leaked_with(near, words=lambda text: set(text.split())),
        "letters instead of words": leaked_with(near, words=lambda text: set(text.lower())),
        "the texts": leaked_with(near, give=lambda found, test: [test[i] for i in found]),
        "the others": leaked_with(near, give=lambda found, test: [i for i in range(len(test)) if i not in found]),
        "once for each neighbour": once_a_neighbour,
        "the share": leaked_with(near, give=lambda found, test: len(found) / len(test)),
    },
    "classify_bugs.expected_best": {
        "the mean of one": lambda n, k: 0.5,
        "the count": best_with(end=lambda total, n: total),
        "one too many": best_with(end=lambda total, n: total / n + 1 / n),
        "as if the test had one text": lambda n, k: 1 - 0.5**k,
        "the worst": best_with(power=lambda at_most, k: (1 - at_most) ** k),
        "begins at 1": best_with(first=1),
        "one standard deviation up": lambda n, k: 0.5 + 0.5 / math.sqrt(n),
    },
    "classify_bugs.called_too_often": {
        "the sign": called_with(end=lambda called, support: sum(support) - sum(called)),
        "all that were called": called_with(end=lambda called, support: sum(called)),
        "precision and recall exchanged": called_with(lambda p, r, n: n * p / r),
        "the right answers": called_with(lambda p, r, n: n * r),
        "times the precision": called_with(lambda p, r, n: n * r * p),
        "a share": called_with(end=lambda called, support: sum(called) / sum(support) - 1),
    },
}
