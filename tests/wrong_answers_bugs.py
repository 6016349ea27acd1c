"""Plausible wrong answers to the exercises of the bug hunts."""

import math

import torch


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


def real_keys(lengths, real=lambda places, ends: places < ends):
    return real(torch.arange(max(lengths)), torch.tensor(lengths)[:, None])


def greedy_with(more=lambda rows, end: not all(end in row[1:] for row in rows), cut=None, first=lambda start: [start]):
    """A right answer with one thing done differently."""

    def greedy(following, count, start, end, longest):
        rows = [first(start) for _ in range(count)]
        for _ in range(longest):
            if not more(rows, end):
                break
            rows = [[*row, new] for row, new in zip(rows, following(rows), strict=True)]
        written = [row[1:] for row in rows]
        if cut:
            return [cut(row, start, end) for row in written]
        return [row[: row.index(end)] if end in row else row for row in written]

    return greedy


def with_end(row, start, end):
    return row[: row.index(end) + 1] if end in row else row


def to_the_last_end(row, start, end):
    return row[: len(row) - 1 - row[::-1].index(end)] if end in row else row


def padded(rows):
    return [[*row, *[0] * (max(map(len, rows)) - len(row))] for row in rows]


def fault_with(checks=("peeks", "deaf", "orderless", "company"), some=any, first=None, own=True, fill=padded, **other):
    """A right answer with one thing done differently: some questions left out, or another order of them, ..."""

    def fault(predict, sources, targets):
        def alone(source, target):
            return predict([source], [target])[0]

        pairs = list(zip(sources, targets, strict=True))[:first]
        before = [alone(*pair) for pair in pairs]
        together = predict(fill(sources), fill(targets))
        asked = {
            "peeks": lambda k, s, t: alone(s, [*t[:-1], t[-1] + 1])[:-1] != before[k][:-1],
            "deaf": lambda k, s, t: some(
                alone([*s[:i], s[i] + 1, *s[i + 1 :]], t)[-1] == before[k][-1] for i in range(len(s))
            ),
            "orderless": lambda k, s, t: alone(s[::-1], t) == before[k],
            "company": lambda k, s, t: together[k][: len(before[k]) if own else None] != before[k],
        } | other
        for name in checks:
            if any(asked[name](k, s, t) for k, (s, t) in enumerate(pairs)):
                return name
        return "none"

    return fault


def numbered_with(table=lambda train, other: sorted(set(train)), unknown=-100, first=0):
    """A right answer with one thing done differently."""

    def numbered(train, other):
        number = {name: first + i for i, name in enumerate(table(train, other))}
        return [number[name] for name in train], [number.get(name, unknown) for name in other]

    return numbered


def moved_with(
    part=lambda name: name.split(".")[0], end=lambda change, length: math.sqrt(change / length), power=2, add=True
):
    """A right answer with one thing done differently."""

    def moved(before, after):
        sums = {}
        for name, old in before.items():
            change, length = sums.get(part(name), (0.0, 0.0)) if add else (0.0, 0.0)
            change += sum(abs(a - b) ** power for a, b in zip(after[name], old, strict=True))
            sums[part(name)] = change, length + sum(abs(b) ** power for b in old)
        return [end(*pair) for pair in sums.values()]

    return moved


def adapter_fault(order=("forgotten", "moved", "stuck", "lost"), some=any, **other):
    """A right answer with one thing done differently."""

    def fault(before, after, learns, held, saved):
        changed = [name for name in before if before[name] != after[name]]
        found = {
            "forgotten": some(name not in held for name in learns),
            "moved": some(name not in learns for name in changed),
            "stuck": some(name not in changed for name in learns),
            "lost": some(name not in saved for name in learns),
        }
        found |= {name: question(before, changed, learns, held, saved) for name, question in other.items()}
        return next((name for name in order if found[name]), "none")

    return fault


WRONG = {
    "adapt_bugs.fault": {
        "never asks for the optimizer": adapter_fault(("moved", "stuck", "lost")),
        "never asks for the base": adapter_fault(("forgotten", "stuck", "lost")),
        "never asks what is stuck": adapter_fault(("forgotten", "moved", "lost")),
        "never asks for the file": adapter_fault(("forgotten", "moved", "stuck")),
        "the last fault": adapter_fault(("lost", "stuck", "moved", "forgotten")),
        "stuck before moved": adapter_fault(("forgotten", "stuck", "moved", "lost")),
        "all names only": adapter_fault(some=all),
        "anything moved": adapter_fault(moved=lambda before, changed, learns, held, saved: bool(changed)),
        "the base is held": adapter_fault(moved=lambda b, c, learns, held, s: any(name not in learns for name in held)),
        "the base is saved": adapter_fault(lost=lambda b, c, learns, h, saved: set(saved) != set(learns)),
        "the whole has not moved": adapter_fault(stuck=lambda before, changed, learns, held, saved: not changed),
        "the frozen ones are stuck": adapter_fault(stuck=lambda before, changed, *_: len(changed) < len(before)),
    },
    "adapt_bugs.after_calls": {
        "merges each time": lambda weight, change, calls: weight + change * calls.count("eval"),
        "adds and subtracts": lambda weight, change, calls: (
            weight + change * (calls.count("eval") - calls.count("train"))
        ),
        "once merged, for ever": lambda weight, change, calls: weight + change * ("eval" in calls),
        "merged at first": lambda weight, change, calls: weight if calls and calls[-1] == "train" else weight + change,
        "the first call": lambda weight, change, calls: weight + change * (calls[:1] == ["eval"]),
        "the change alone": lambda weight, change, calls: change * (calls[-1:] == ["eval"]),
    },
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
    "transformer_bugs.look_at": {
        "turned round": lambda lengths: ~real_keys(lengths)[:, None, None, :],
        "queries": lambda lengths: real_keys(lengths)[:, None, :, None],
        "one too many": lambda lengths: real_keys(lengths, lambda places, ends: places <= ends)[:, None, None, :],
        "numbers": lambda lengths: real_keys(lengths).float()[:, None, None, :],
        "two axes": real_keys,
        "heads forgotten": lambda lengths: real_keys(lengths)[:, None, :],
        "0 and minus infinity": lambda lengths: torch.zeros(len(lengths), 1, 1, max(lengths)).masked_fill(
            ~real_keys(lengths)[:, None, None, :], float("-inf")
        ),
        "all of the first one's length": lambda lengths: real_keys([lengths[0]] * len(lengths))[:, None, None, :],
    },
    "transformer_bugs.split_heads": {
        "reshaped at once": lambda x, heads: x.reshape(x.shape[0], heads, x.shape[1], -1),
        "not moved": lambda x, heads: x.unflatten(-1, (heads, -1)),
        "every second number": lambda x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2),
        "heads and sizes exchanged": lambda x, heads: x.unflatten(-1, (-1, heads)).transpose(1, 2),
        "moved before it was split": lambda x, heads: x.transpose(1, 2).reshape(x.shape[0], heads, x.shape[1], -1),
        "moved to the end": lambda x, heads: x.unflatten(-1, (heads, -1)).permute(0, 2, 3, 1),
        "batch and heads exchanged": lambda x, heads: x.unflatten(-1, (heads, -1)).permute(2, 0, 1, 3),
    },
    "transformer_bugs.greedy": {
        "stops with the first": greedy_with(lambda rows, end: not any(end in row[1:] for row in rows)),
        "with the end": greedy_with(cut=with_end),
        "with the start": lambda following, count, start, end, longest: [
            [start, *row] for row in greedy_with()(following, count, start, end, longest)
        ],
        "begins with nothing": greedy_with(first=lambda start: []),
        "not cut": greedy_with(cut=lambda row, start, end: row),
        "to the last end": greedy_with(cut=to_the_last_end),
        "the end left out, what follows not": greedy_with(cut=lambda row, s, end: [i for i in row if i != end]),
        "the start left out everywhere": greedy_with(
            cut=lambda row, start, end: [i for i in with_end(row, start, end) if i not in (start, end)]
        ),
        "one step too few": lambda following, count, start, end, longest: greedy_with()(
            following, count, start, end, longest - 1
        ),
        "the start taken for the end": greedy_with(lambda rows, end: not all(end in row for row in rows)),
        "stops with the last row": greedy_with(lambda rows, end: end not in rows[-1][1:]),
    },
    "transformer_bugs.fault": {
        "always none": lambda predict, sources, targets: "none",
        "never asks for peeking": fault_with(("deaf", "orderless", "company")),
        "never asks for deafness": fault_with(("peeks", "orderless", "company")),
        "never asks for order": fault_with(("peeks", "deaf", "company")),
        "never asks for company": fault_with(("peeks", "deaf", "orderless")),
        "the last fault": fault_with(("company", "orderless", "deaf", "peeks")),
        "deaf to all words only": fault_with(some=all),
        "the first sentence only": fault_with(first=1),
        "the last place, too, which always moves": fault_with(peeks=lambda k, s, t: True),
        "with what stands behind the end": fault_with(own=False),
        "not padded": fault_with(fill=list),
    },
    "finetune_bugs.numbered": {
        "order of appearance": numbered_with(table=lambda train, other: list(dict.fromkeys(train))),
        "a table of its own": lambda train, other: (
            numbered_with()(train, other)[0],
            [sorted(set(other)).index(name) for name in other],
        ),
        "one table of both": numbered_with(table=lambda train, other: sorted(set(train) | set(other))),
        "unknown is -1": numbered_with(unknown=-1),
        "unknown is 0": numbered_with(unknown=0),
        "unknown left out": lambda train, other: (
            numbered_with()(train, other)[0],
            [number for number in numbered_with()(train, other)[1] if number >= 0],
        ),
        "numbered from 1": numbered_with(first=1),
        "the others alone": lambda train, other: numbered_with()(train, other)[1],
        "exchanged": lambda train, other: numbered_with()(train, other)[::-1],
    },
    "finetune_bugs.moved": {
        "no root": moved_with(end=lambda change, length: change / length),
        "each parameter for itself": moved_with(part=lambda name: name),
        "the last part of the name": moved_with(part=lambda name: name.split(".")[-1]),
        "divided by the length after": lambda before, after: moved_with()(after, before),
        "the change alone": moved_with(end=lambda change, length: math.sqrt(change)),
        "sums, not squares": moved_with(power=1),
        "the last parameter of each": moved_with(add=False),
        "two dots": moved_with(part=lambda name: ".".join(name.split(".")[:2])),
        "whether it moved": moved_with(end=lambda change, length: change > 0),
    },
}
