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
}
