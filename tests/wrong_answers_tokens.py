"""Plausible wrong answers to the exercises of chapter 02."""

from itertools import pairwise

import numpy as np
import pandas as pd

from lmtutor.data.text import byte_level_bpe
from lmtutor.exercises.tokens import analogy, decode, sgns_step, spearman


def utf8_with(bits=lambda x: [x >> 12, x >> 6, x], masks=(0xE0, 0x80, 0x80)):
    """UTF-8 with one thing done differently where three bytes are needed; right everywhere else."""

    def utf8(code_point):
        if not 0x800 <= code_point < 0x10000:
            return list(chr(code_point).encode())
        return [mask | part & 0x3F for mask, part in zip(masks, bits(code_point), strict=True)]

    return utf8


def merge_with(step=2, most=10**9, keep=False, pair=lambda pair: pair):
    """A merge with one thing done differently."""

    def merge(ids, wanted, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == tuple(pair(wanted)) and merged.count(new) < most:
                merged += [new, ids[i + 1]] if keep else [new]
                i += step
            else:
                merged.append(ids[i])
                i += 1
        return merged

    return merge


def lookup_gradient_with(add=lambda gradient, ids, upstream: np.add.at(gradient, ids, upstream), end=lambda g, ids: g):
    """The gradient of a look-up with one thing done differently."""

    def lookup_gradient(ids, upstream, vocabulary_size):
        gradient = np.zeros((vocabulary_size, len(upstream[0])))
        add(gradient, list(ids), np.array(upstream))
        return end(gradient, ids).tolist()

    return lookup_gradient


def overwrite(gradient, ids, upstream):
    gradient[ids] = upstream


def ppmi_with(joint=lambda c: c / c.sum(), end=lambda x: np.where(x > 0, x, 0), log=np.log, independent=None):
    """PPMI with one thing done differently."""

    def ppmi(counts):
        p = joint(np.array(counts, dtype=float))
        chance = independent(p) if independent else p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return end(log(p / chance)).tolist()

    return ppmi


def ranks_in_order(values):
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")


def by_differences(first, second):
    differences = ranks_in_order(first) - ranks_in_order(second)
    return 1 - 6 * (differences**2).sum() / (len(first) * (len(first) ** 2 - 1))


def kendall(first, second):
    pairs = [(i, j) for i in range(len(first)) for j in range(i)]
    return np.mean([np.sign((first[i] - first[j]) * (second[i] - second[j])) for i, j in pairs])


def token_curve(learned=lambda train, test: train, measured=lambda train, test: test, one=None, ratio=None):
    """Characters a token with one thing done differently."""

    def characters_per_token(train, test, sizes):
        found = []
        for size in sizes:
            tokenizer = byte_level_bpe(learned(train, test), max(sizes) if one else size)
            pairs = [(t, len(tokenizer.encode(t).ids)) for t in measured(train, test)]
            whole = sum(len(t) for t, _ in pairs) / sum(n for _, n in pairs)
            found.append(ratio(pairs) if ratio else whole)
        return found

    return characters_per_token


def utf8_below(limits=(0x80, 0x800, 0x10000)):
    """UTF-8 whose numbers of bytes change at other limits."""

    def utf8(code_point):
        further = sum(code_point >= limit for limit in limits)
        if not further:
            return [code_point]
        tail = [0x80 | code_point >> 6 * i & 0x3F for i in range(further)]
        return [(0, 0xC0, 0xE0, 0xF0)[further] | code_point >> 6 * further, *tail[::-1]]

    return utf8


def ranked(method):
    """Spearman with another rule for equal values."""

    def spearman(first, second):
        return float(pd.DataFrame({"a": first, "b": second}).rank(method=method).corr().iloc[0, 1])

    return spearman


def merge_without_the_end(ids, pair, new):
    merged, i = [], 0
    while i < len(ids) - 1:
        found = (ids[i], ids[i + 1]) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


def merge_with_the_last(ids, pair, new):
    """The last token is put behind what was merged, whether or not it was used up."""
    return [*merge_without_the_end(ids, pair, new), ids[-1]]


def merged_again(ids, pair, new):
    """Goes on with the list in which a pair was replaced from behind."""
    ids = list(ids)
    for i in range(len(ids) - 2, -1, -1):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new]
    return ids


def encode_with(first=256, order=list, most=10**9, start=lambda string: list(string.encode())):
    """Encoding with one thing done differently."""

    def encode(string, merges):
        ids = start(string)
        for number, pair in order(list(enumerate(merges))):
            ids = merge_with(most=most)(ids, pair, first + number)
        return ids

    return encode


def token_bytes(merges):
    tokens = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return tokens


def longest_first(string, merges):
    """From the left the longest token, as WordPiece encodes."""
    tokens, data, ids = token_bytes(merges), string.encode(), []
    while data:
        best = max((i for i, token in enumerate(tokens) if data.startswith(token)), key=lambda i: len(tokens[i]))
        ids.append(best)
        data = data[len(tokens[best]) :]
    return ids


def sgns_with(late=False, of_noise=1.0, mean=False, squash=lambda x: 1 / (1 + np.exp(-x)), real=1.0, slope=None):
    """The update of skip-gram with one thing done differently."""

    def sgns_step(word, context, noise, rate):
        word, context, noise = np.array(word), np.array(context), np.array(noise)
        up, down = squash(context @ word) - real, squash(noise @ word)
        if slope:
            up, down = up * slope(squash(context @ word)), down * slope(down)
        new = word - rate * (up * context + of_noise * (down @ noise) / (len(noise) if mean else 1))
        used = new if late else word
        if late:
            up, down = squash(context @ used) - real, squash(noise @ used)
        return new, context - rate * up * used, noise - rate * np.outer(down, used)

    return sgns_step


def analogy_with(target=lambda a, b, c: b - a + c, forbidden=lambda a, b, c: [a, b, c]):
    """The answer to an analogy with one thing done differently."""

    def analogy(a, b, c, vectors):
        vectors = np.array(vectors)
        cosines = vectors @ target(vectors[a], vectors[b], vectors[c])
        cosines[forbidden(a, b, c)] = -np.inf
        return int(cosines.argmax())

    return analogy


WRONG = {
    "tokens.utf8": {
        "the bytes turned round": lambda code_point: list(chr(code_point).encode())[::-1],
        "low bits first": utf8_with(bits=lambda x: [x, x >> 6, x >> 12]),
        "no mark on the bytes behind": utf8_with(masks=(0xE0, 0, 0)),
        "the first byte's mark everywhere": utf8_with(masks=(0xE0, 0xE0, 0xE0)),
        "the first byte of two": utf8_with(masks=(0xC0, 0x80, 0x80)),
        "seven bits a byte": utf8_with(bits=lambda x: [x >> 14, x >> 7, x]),
        "the code point": lambda code_point: [code_point],
        "its bytes as they are": lambda code_point: list(code_point.to_bytes(3, "big").lstrip(b"\0") or b"\0"),
        "UTF-16": lambda code_point: list(chr(code_point).encode("utf-16-be")),
        "two bytes too early": lambda code_point: (
            [0xC1, 0xBF] if code_point == 0x7F else list(chr(code_point).encode())
        ),
        "three bytes too late": lambda code_point: (
            [0xC0 | code_point >> 6, 0x80 | code_point & 0x3F]
            if 0x80 <= code_point < 0x1000
            else list(chr(code_point).encode())
        ),
        "a string": lambda code_point: chr(code_point).encode().hex(),
        "strings of bits": lambda code_point: [f"{byte:08b}" for byte in chr(code_point).encode()],
        "one byte up to 0x80": utf8_below((0x81, 0x800, 0x10000)),
        "two bytes up to 0x800": utf8_below((0x80, 0x801, 0x10000)),
        "three bytes up to 0x10000": utf8_below((0x80, 0x800, 0x10001)),
        "three bytes below 0xFFFF": utf8_below((0x80, 0x800, 0xFFFF)),
        "three bytes at most": utf8_below((0x80, 0x800)),
        "nothing for 0": lambda code_point: utf8_below()(code_point) if code_point else [],
        "Latin-1": lambda code_point: [code_point] if code_point < 0x100 else utf8_below()(code_point),
        "a byte order mark before it": lambda code_point: list(chr(code_point).encode("utf-8-sig")),
    },
    "tokens.merge": {
        "overlapping": merge_with(step=1),
        "the first alone": merge_with(most=1),
        "the right token kept": merge_with(keep=True),
        "the pair turned round": merge_with(pair=lambda pair: pair[::-1]),
        "nothing": lambda ids, pair, new: ids,
        "each of both replaced": lambda ids, pair, new: [new if i in pair else i for i in ids],
        "from the right": lambda ids, pair, new: merge_with()(ids[::-1], tuple(pair)[::-1], new)[::-1],
        "digits": lambda ids, pair, new: [
            int(i) for i in " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new)).split()
        ],
        "past the end": lambda ids, pair, new: [new for i in range(len(ids)) if (ids[i], ids[i + 1]) == pair],
        "any two of both": lambda ids, pair, new: (
            merge_with()(merge_with()(ids, pair, new), tuple(pair)[::-1], new) if pair[0] != pair[1] else [new]
        ),
        "the last token lost": merge_without_the_end,
        "the last token kept": merge_with_the_last,
        "from behind": merged_again,
        "if the pair begins": lambda ids, pair, new: [new, *ids[2:]] if tuple(ids[:2]) == pair else ids,
        "only at even places": lambda ids, pair, new: [
            token
            for i in range(0, len(ids), 2)
            for token in ([new] if tuple(ids[i : i + 2]) == pair else ids[i : i + 2])
        ],
        "how many": lambda ids, pair, new: sum(both == pair for both in pairwise(ids)),
    },
    "tokens.lookup_gradient": {
        "the last occurrence alone": lookup_gradient_with(add=overwrite),
        "added once for each id": lookup_gradient_with(add=lambda g, ids, up: g.__setitem__(ids, g[ids] + up)),
        "the mean": lookup_gradient_with(
            end=lambda g, ids: g / np.maximum(np.bincount(ids, minlength=len(g)), 1)[:, None]
        ),
        "turned": lookup_gradient_with(end=lambda g, ids: g.T),
        "the rows that were looked up": lambda ids, upstream, vocabulary_size: upstream,
        "counts": lookup_gradient_with(add=lambda g, ids, up: np.add.at(g, ids, 1.0)),
        "divided by the places": lookup_gradient_with(end=lambda g, ids: g / len(ids) ** 2),
        "as many rows as ids": lambda ids, upstream, vocabulary_size: lookup_gradient_with()(
            ids, upstream, max(ids) + 1
        ),
        "a running sum": lambda ids, upstream, vocabulary_size: np.cumsum(
            lookup_gradient_with()(ids, upstream, vocabulary_size), axis=0
        ),
        "neighbours added, others written over": lookup_gradient_with(
            add=lambda g, ids, up: [
                g.__setitem__(i, up[t] + (g[i] if t and ids[t - 1] == i else 0)) for t, i in enumerate(ids)
            ]
        ),
        "each in the row of its place": lookup_gradient_with(
            add=lambda g, ids, up: np.add.at(g, np.arange(len(ids)) % len(g), up)
        ),
        "a column for each token": lookup_gradient_with(
            add=lambda g, ids, up: np.add.at(g, ids, up.mean(axis=1, keepdims=True))
        ),
        "the average over the batch": lookup_gradient_with(end=lambda g, ids: g / len(ids)),
    },
    "tokens.ppmi": {
        "negative values kept": ppmi_with(end=lambda x: np.where(np.isfinite(x), x, 0)),
        "minus infinity": ppmi_with(end=lambda x: x),
        "base 2": ppmi_with(log=np.log2),
        "no logarithm": ppmi_with(log=lambda x: x),
        "counts not divided": ppmi_with(joint=lambda c: c),
        "rows alone": ppmi_with(independent=lambda p: p.sum(axis=1, keepdims=True)),
        "the sum of both shares": ppmi_with(independent=lambda p: p.sum(axis=1, keepdims=True) + p.sum(axis=0)),
        "the counts": lambda counts: counts,
        "rows twice": ppmi_with(independent=lambda p: p.sum(axis=1, keepdims=True) @ p.sum(axis=1, keepdims=True).T),
        "shares smoothed": ppmi_with(joint=lambda c: (c + 1) / (c + 1).sum()),
        "half seen is not seen": ppmi_with(joint=lambda c: np.floor(c) / c.sum()),
        "one more": ppmi_with(log=np.log1p),
        "absolute": ppmi_with(end=lambda x: np.abs(np.where(np.isfinite(x), x, 0))),
        "contexts raised": ppmi_with(
            independent=lambda p: p.sum(axis=1, keepdims=True) * (p.sum(axis=0) ** 0.75 / (p.sum(axis=0) ** 0.75).sum())
        ),
        "the mean over all": lambda counts: float(np.mean(ppmi_with()(counts))),
        "0 / 0 for a word without a pair": ppmi_with(end=lambda x: np.maximum(x, 0)),
    },
    "tokens.spearman": {
        "the correlation of the values": lambda first, second: float(np.corrcoef(first, second)[0, 1]),
        "equal values in their order": lambda first, second: float(
            np.corrcoef(ranks_in_order(first), ranks_in_order(second))[0, 1]
        ),
        "the formula without ties": by_differences,
        "the smallest of the ranks": lambda first, second: float(
            np.corrcoef(*(np.searchsorted(np.sort(values), values) for values in (first, second)))[0, 1]
        ),
        "Kendall": kendall,
        "places for ranks": lambda first, second: float(np.corrcoef(np.argsort(first), np.argsort(second))[0, 1]),
        "one list ranked": lambda first, second: float(np.corrcoef(ranks_in_order(first), second)[0, 1]),
        "minus": lambda first, second: -spearman(first, second),
        "dense ranks": ranked("dense"),
        "the largest of the ranks": ranked("max"),
        "absolute": lambda first, second: abs(spearman(first, second)),
        "ranked as text": lambda first, second: ranked("average")([str(x) for x in first], [str(x) for x in second]),
        "of whole numbers": lambda first, second: spearman([int(x) for x in first], [int(x) for x in second]),
        "the covariance": lambda first, second: float(np.cov(ranks_in_order(first), ranks_in_order(second))[0, 1]),
        "squared": lambda first, second: spearman(first, second) ** 2,
    },
    "tokens.encode": {
        "code points": lambda string, merges: list(map(ord, string)),
        "bytes alone": lambda string, merges: list(string.encode()),
        "ids from 255": encode_with(first=255),
        "ids from 257": encode_with(first=257),
        "the last merges first": encode_with(order=reversed),
        "the first merge alone": encode_with(order=lambda numbered: numbered[:1]),
        "without the last merge": encode_with(order=lambda numbered: numbered[:-1]),
        "one replacement for each merge": encode_with(most=1),
        "the longest token first": longest_first,
        "from code points": encode_with(start=lambda string: list(map(ord, string))),
        "Latin-1": encode_with(start=lambda string: list(string.encode("latin-1", errors="replace"))),
        "a string": lambda string, merges: string,
    },
    "tokens.decode": {
        "each by itself": lambda ids, merges: "".join(decode([i], merges) for i in ids),
        "an error": lambda ids, merges: b"".join(token_bytes(merges)[i] for i in ids).decode(),
        "left out": lambda ids, merges: b"".join(token_bytes(merges)[i] for i in ids).decode(errors="ignore"),
        "bytes": lambda ids, merges: b"".join(token_bytes(merges)[i] for i in ids),
        "code points": lambda ids, merges: "".join(map(chr, ids)),
        "Latin-1": lambda ids, merges: b"".join(token_bytes(merges)[i] for i in ids).decode("latin-1"),
        "right before left": lambda ids, merges: decode(ids, [pair[::-1] for pair in merges]),
        "one level alone": lambda ids, merges: decode(
            [part for i in ids for part in (merges[i - 256] if i > 255 else [i])], [(63, 63)] * len(merges)
        ),
    },
    "tokens.sgns_step": {
        "up": lambda word, context, noise, rate: sgns_step(word, context, noise, -rate),
        "the new word": sgns_with(late=True),
        "noise forgotten by the word": sgns_with(of_noise=0.0),
        "the mean over the noise": sgns_with(mean=True),
        "the rate forgotten": lambda word, context, noise, rate: sgns_step(word, context, noise, 1.0),
        "no logistic function": sgns_with(squash=lambda x: x),
        "tanh": sgns_with(squash=np.tanh),
        "real as fake": sgns_with(real=0.0),
        "only the word": lambda word, context, noise, rate: (sgns_step(word, context, noise, rate)[0], context, noise),
        "the word alone returned": lambda word, context, noise, rate: sgns_step(word, context, noise, rate)[0],
        "nothing": lambda word, context, noise, rate: (word, context, noise),
        "squared error": sgns_with(slope=lambda s: s * (1 - s)),
    },
    "tokens.analogy": {
        "given words allowed": analogy_with(forbidden=lambda a, b, c: []),
        "c forbidden alone": analogy_with(forbidden=lambda a, b, c: [c]),
        "b allowed": analogy_with(forbidden=lambda a, b, c: [a, c]),
        "turned round": lambda a, b, c, vectors: analogy(b, a, c, vectors),
        "the nearest of c": analogy_with(target=lambda a, b, c: c),
        "the sum": analogy_with(target=lambda a, b, c: b + a + c),
        "b - a alone": analogy_with(target=lambda a, b, c: b - a),
        "b - c + a": analogy_with(target=lambda a, b, c: b - c + a),
        "the farthest": analogy_with(target=lambda a, b, c: a - b - c),
        "the cosine, not the row": lambda a, b, c, vectors: 1.0,
    },
    "tokens.words_to_ids": {
        "dropped": lambda words, ids: [ids[word] for word in words if word in ids],
        "always 0": lambda words, ids: [ids.get(word, 0) for word in words],
        "None": lambda words, ids: [ids.get(word) for word in words],
        "the word": lambda words, ids: [ids.get(word, "<unk>") for word in words],
        "a new id": lambda words, ids: [ids.setdefault(word, len(ids)) for word in words],
        "the last id": lambda words, ids: [ids.get(word, len(ids) - 1) for word in words],
        "once": lambda words, ids: [ids.get(word, ids["<unk>"]) for word in dict.fromkeys(words)],
        "an error": lambda words, ids: [ids[word] for word in words],
    },
    "tokens.characters_per_token": {
        "learned on the test texts": token_curve(learned=lambda train, test: test),
        "learned on all texts": token_curve(learned=lambda train, test: train + test),
        "measured on the training texts": token_curve(measured=lambda train, test: train),
        "one tokenizer for all sizes": token_curve(one=True),
        "tokens per character": token_curve(
            ratio=lambda pairs: sum(n for _, n in pairs) / sum(len(t) for t, _ in pairs)
        ),
        "bytes for characters": token_curve(
            ratio=lambda pairs: sum(len(t.encode()) for t, _ in pairs) / sum(n for _, n in pairs)
        ),
        "the mean of ratios": token_curve(ratio=lambda pairs: float(np.mean([len(t) / n for t, n in pairs]))),
        "the number of tokens": token_curve(ratio=lambda pairs: sum(n for _, n in pairs)),
        "without the blanks": token_curve(
            ratio=lambda pairs: sum(len(t.replace(" ", "")) for t, _ in pairs) / sum(n for _, n in pairs)
        ),
        "all sizes sorted": lambda train, test, sizes: token_curve()(train, test, sorted(sizes)),
        "one text": token_curve(measured=lambda train, test: [" ".join(test)]),
        "without an end": token_curve(measured=lambda train, test: ["".join(test)]),
        "different tokens": lambda train, test, sizes: [
            sum(map(len, test)) / sum(len(set(byte_level_bpe(train, size).encode(t).ids)) for t in test)
            for size in sizes
        ],
        "the first text": token_curve(measured=lambda train, test: test[:1]),
        "learned on half": token_curve(learned=lambda train, test: train[: len(train) // 2]),
        "words": token_curve(ratio=lambda pairs: sum(len(t.split()) for t, _ in pairs) / sum(n for _, n in pairs)),
    },
}
