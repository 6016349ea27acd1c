"""Exercises of chapter 02."""

from __future__ import annotations

import math

import numpy as np

from lmtutor.data.text import byte_level_bpe
from lmtutor.exercises.examine import Exercise, compare, same


def utf8(code_point: int) -> list[int]:
    """The UTF-8 bytes of a code point, each a number below 256."""
    if code_point < 0x80:
        return [code_point]
    if code_point < 0x800:
        return [0xC0 | code_point >> 6, 0x80 | code_point & 0x3F]
    if code_point < 0x10000:
        return [0xE0 | code_point >> 12, 0x80 | code_point >> 6 & 0x3F, 0x80 | code_point & 0x3F]
    return [0xF0 | code_point >> 18, *(0x80 | code_point >> shift & 0x3F for shift in (12, 6, 0))]


def _remark_utf8(arguments, expected, got):
    if any(isinstance(byte, str) for byte in got):
        return "Each byte should be a number, not a string that shows one."
    got = [int(byte) for byte in got]
    if got == expected[::-1]:
        return "The order is turned round: the byte with the highest bits comes first."
    if len(got) == len(expected) > 1 and [byte & 0x3F for byte in got[1:]] == [byte & 0x3F for byte in expected[1:]]:
        return "The six bits of each byte are right; look at the bits in front of them: 10 behind the first byte."
    return ""


def merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """The ids with each occurrence of the pair, from left to right and without overlap, replaced by `new`."""
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == tuple(pair):
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def _remark_merge(arguments, expected, got):
    ids, pair, new = arguments
    got = [int(i) for i in got]
    if got == ids and expected != ids:
        return "Nothing was replaced; is the pair compared as (ids[i], ids[i + 1])?"
    if 0 < got.count(new) < expected.count(new):
        return "Every occurrence is to be replaced, not the first alone."
    if got.count(new) > expected.count(new) or (new in got and len(got) > len(expected)):
        return "Both tokens of a pair are used up by a merge: go on two places further after it."
    return ""


def _failure_merge(arguments, error):
    return "The last token has no right neighbour." if isinstance(error, IndexError) else ""


def lookup_gradient(ids: list[int], upstream: list[list[float]], vocabulary_size: int) -> list[list[float]]:
    """The gradient of an embedding matrix: row i is the sum of the upstream rows whose token is i.

    ids: [time], upstream: [time, hidden]; returns [vocabulary, hidden].
    """
    gradient = np.zeros((vocabulary_size, len(upstream[0])))
    np.add.at(gradient, list(ids), np.array(upstream))
    return gradient.tolist()


def _remark_lookup_gradient(arguments, expected, got):
    ids, upstream, vocabulary_size = arguments
    last = np.zeros_like(expected)
    last[list(ids)] = upstream
    if same(last.tolist(), got, 1e-9):
        return "Only the last occurrence of a token counts in yours: `gradient[ids] += upstream` adds once for each id."
    if np.shape(got) != np.shape(expected):
        return "The gradient has the shape of the matrix: [vocabulary, hidden]."
    times = np.maximum(np.bincount(ids, minlength=vocabulary_size), 1)
    if same((np.array(expected) / times[:, None]).tolist(), got, 1e-9):
        return "You took the mean over the places where the token stands; add them up."
    return ""


def ppmi(counts: list[list[float]]) -> list[list[float]]:
    """max(0, ln(P(word, context) / (P(word) P(context)))) from a table of counts: [words, contexts]; 0 where c = 0."""
    joint = np.array(counts, dtype=float) / np.sum(counts)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    found = np.zeros_like(joint)
    seen = joint > 0
    found[seen] = np.maximum(np.log(joint[seen] / independent[seen]), 0)
    return found.tolist()


def _remark_ppmi(arguments, expected, got):
    got = np.array(got, dtype=float)
    if np.isnan(got).any():
        return "A word that stands in no pair has 0 / 0 there; its counts are 0, so its PPMI is."
    if not np.isfinite(got).all():
        return "Where the count is 0 the logarithm is minus infinity; the positive part of that is 0."
    if (got < 0).any():
        return "Negative values become 0: that is the first P of PPMI."
    if same((np.array(expected) / math.log(2)).tolist(), got.tolist(), 1e-9):
        return "That is the logarithm to base 2; the natural one is asked for."
    if same(expected, np.log(np.maximum(got, 1)).tolist(), 1e-9):
        return "That is the ratio itself: take its logarithm."
    return ""


def _ranks(values: list[float]) -> np.ndarray:
    """Ranks from 1; equal values share the mean of their ranks."""
    values = np.asarray(values, dtype=float)
    smaller = (values[:, None] > values[None, :]).sum(axis=1)
    equal = (values[:, None] == values[None, :]).sum(axis=1)
    return smaller + (equal + 1) / 2


def spearman(first: list[float], second: list[float]) -> float:
    """Pearson's correlation of the ranks; equal values share the mean of their ranks."""
    a, b = (_ranks(values) - (len(values) + 1) / 2 for values in (first, second))
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def _remark_spearman(arguments, expected, got):
    first, second = arguments
    if same(float(np.corrcoef(first, second)[0, 1]), got, 1e-9):
        return "That is the correlation of the values; replace them by their ranks first."
    if same(float(np.corrcoef(np.argsort(first), np.argsort(second))[0, 1]), got, 1e-9) and len(set(first)) == len(
        first
    ):
        return "argsort() says which value comes first, second ...; a rank says where a value comes."
    a, b = _ranks(first), _ranks(second)
    by_differences = 1 - 6 * float(((a - b) ** 2).sum()) / (len(a) * (len(a) ** 2 - 1))
    if same(by_differences, got, 1e-9):
        return "The formula with the squared differences holds only where no values are equal: correlate the ranks."
    if len(set(first)) < len(first) or len(set(second)) < len(second):
        return "Equal values must share the mean of their ranks."
    return ""


def characters_per_token(train: list[str], test: list[str], sizes: list[int]) -> list[float]:
    """For each vocabulary size: characters / tokens of the test texts, with byte-level BPE trained on the others."""
    characters = sum(map(len, test))
    found = []
    for size in sizes:
        tokenizer = byte_level_bpe(train, size)
        found.append(characters / sum(len(tokenizer.encode(text).ids) for text in test))
    return found


def _remark_characters_per_token(arguments, expected, got):
    train, test, sizes = arguments
    if same(characters_per_token(test, test, sizes), got, 1e-9):
        return "Your merges were learned on the test texts themselves: they fit them too well. Learn on `train`."
    if same(characters_per_token(train, train, sizes), got, 1e-9):
        return "You measured on the training texts; the merges fit those better than any new text."
    if same([1 / value for value in expected], got, 1e-9):
        return "That is tokens per character, the other way round."
    tokenizers = [byte_level_bpe(train, size) for size in sizes]
    means = [float(np.mean([len(text) / len(t.encode(text).ids) for text in test])) for t in tokenizers]
    if same(means, got, 1e-9):
        return "A mean of ratios gives short texts the weight of long ones: divide the two sums."
    if same(characters_per_token([*train, *test], test, sizes), got, 1e-9):
        return "The test texts are among those that your merges were learned from: learn on `train` alone."
    share_of_bytes = sum(len(text.encode()) for text in test) / sum(map(len, test))
    if same([value * share_of_bytes for value in expected], got, 1e-9):
        return "You counted bytes; a Chinese character is three of them."
    return ""


def encode(string: str, merges: list[tuple[int, int]]) -> list[int]:
    """The ids of a text by byte-level BPE: byte b has the id b, and merge number i makes the id 256 + i.

    The merges are applied in their order, each wherever its pair stands.
    """
    ids = list(string.encode())
    for number, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + number)
    return ids


def _remark_encode(arguments, expected, got):
    string, merges = arguments
    got = [int(i) for i in got]
    if {ord(character) for character in string if not character.isascii()} & set(got):
        return "There are code points among these ids; begin with the bytes, string.encode()."
    if got == list(string.encode()):
        return "These are the bytes; now apply the merges to them."
    if [min(i, 255) for i in got] == [min(i, 255) for i in expected]:
        return "Merge number i, counted from 0, makes the id 256 + i."
    if len(got) > len(expected):
        return "Some pair that has a merge is left: apply all merges, in their order, wherever their pair stands."
    if len(got) == len(expected):
        return "As many tokens, but other ones: an earlier merge goes before a later one, wherever they stand."
    return ""


def decode(ids: list[int], merges: list[tuple[int, int]]) -> str:
    """The text of ids; bytes that are no text become U+FFFD."""
    tokens = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return b"".join(tokens[i] for i in ids).decode("utf-8", errors="replace")


def _remark_decode(arguments, expected, got):
    ids, merges = arguments
    if "".join(decode([i], merges) for i in ids) == got:
        return "You decoded each token by itself: join the bytes of all tokens first, a character may be split."
    return "Return a string, not bytes." if isinstance(got, bytes) else ""


def _failure_decode(arguments, error):
    if isinstance(error, UnicodeDecodeError):
        return "Not every sequence of ids is a text: pass errors='replace'."
    return ""


def sgns_step(word, context, noise, rate: float) -> tuple[list, list, list]:
    """One step of gradient descent on the loss of skip-gram with negative sampling for one word.

    The loss is -ln s(word . context) - sum_j ln s(-word . noise_j), s the logistic function.

    Args:
        word, context: [size].
        noise: [negatives, size].
        rate: how far to go against the gradient.

    Returns:
        The new word, context and noise; all gradients are taken at the old ones.
    """
    word, context, noise = (np.array(values, dtype=float) for values in (word, context, noise))
    real, fake = (1 / (1 + np.exp(-scores)) for scores in (context @ word, noise @ word))
    to_word = (real - 1) * context + fake @ noise
    new = word - rate * to_word, context - rate * (real - 1) * word, noise - rate * np.outer(fake, word)
    return tuple(values.tolist() for values in new)


def _remark_sgns_step(arguments, expected, got):
    word, context, noise, rate = arguments
    got = [np.array(values, dtype=float) for values in got]
    if len(got) != 3 or any(g.shape != np.shape(e) for g, e in zip(got, expected, strict=True)):
        return "Return three things with the shapes of word, context and noise."
    back = sgns_step(word, context, noise, -rate)
    if all(same(b, g.tolist(), 1e-9) for b, g in zip(back, got, strict=True)):
        return "You went up the gradient: subtract it."
    if same(expected[0], got[0].tolist(), 1e-9):
        new = np.array(expected[0])
        real, fake = (1 / (1 + np.exp(-np.array(side) @ new)) for side in (context, noise))
        later = np.array(context) - rate * (real - 1) * new, np.array(noise) - rate * np.outer(fake, new)
        if all(same(e.tolist(), g.tolist(), 1e-9) for e, g in zip(later, got[1:], strict=True)):
            return "Context and noise were changed with the new word vector: take all gradients at the old vectors."
        return "The word's new vector is right, context or noise is not."
    if same(expected[1:], [g.tolist() for g in got[1:]], 1e-9):
        return "Context and noise are right; the word's gradient is a sum over the context and all noise vectors."
    return ""


def analogy(a: int, b: int, c: int, vectors) -> int:
    """The row d, none of a, b and c, for which vector d points most nearly in the direction of b - a + c.

    vectors: [words, size], each of length 1.
    """
    vectors = np.array(vectors, dtype=float)
    cosines = vectors @ (vectors[b] - vectors[a] + vectors[c])
    cosines[[a, b, c]] = -np.inf
    return int(cosines.argmax())


def _remark_analogy(arguments, expected, got):
    a, b, c, vectors = arguments
    vectors = np.array(vectors, dtype=float)
    if got in (a, b, c):
        return "The three given words may not be the answer."
    if got == analogy(b, a, c, vectors):
        return "The difference is turned round: go from a to b, so b - a + c."
    return ""


def words_to_ids(words: list[str], ids: dict[str, int]) -> list[int]:
    """The ids of words; a word that is not in `ids` gets that of "<unk>"."""
    return [ids.get(word, ids["<unk>"]) for word in words]


def _remark_words_to_ids(arguments, expected, got):
    words, ids = arguments
    if list(got) == [ids[word] for word in words if word in ids] != expected:
        return "Unknown words are still lost: each of them has to become ids['<unk>']."
    return ""


_TRAIN = ["the lamp is lit, the lamp is out", "the ferry is late", "码头的灯亮了", "the lamplighter lit the lamps"]
_TEST = ["the lamps are out", "灯", "the ferry is lit by lamps"]

_MERGES = [(116, 104), (256, 101), (32, 257), (97, 109), (108, 259), (260, 112), (101, 114)]  # th, the, " the", am ...

EXERCISES = {
    "merge": Exercise(
        hint="Walk with an index i. If ids[i] and ids[i + 1] are the pair, append `new` and go on two places; else "
        "append ids[i] and go on one. Mind the last place: it has no right neighbour.",
        examine=compare(
            merge,
            [
                ([], (1, 2), 3),
                ([1, 2], (1, 2), 3),
                ([2, 1], (1, 2), 3),
                ([1, 2, 1, 2], (1, 2), 3),
                ([2, 1, 2], (1, 2), 3),
                ([5, 5, 5], (5, 5), 9),
                ([1, 2, 2, 1, 1, 2, 1], (1, 2), 7),
                ([5, 5, 5, 5, 5], (5, 5), 9),
                ([12, 1, 2, 13, 2, 1], (2, 1), 256),
            ],
            remark=_remark_merge,
            failure=_failure_merge,
        ),
    ),
    "encode": Exercise(
        hint="list(string.encode()) gives the bytes as ids. Then take the merges one after the other, in their order: "
        "merge(ids, pair, 256 + number).",
        examine=compare(
            encode,
            [
                ("", []),
                ("the", []),
                ("the", [(116, 104)]),
                ("abc", [(98, 99), (97, 98)]),
                ("the lamp", _MERGES),
                ("灯", [(231, 129)]),
                ("thethe the", _MERGES),
                ("aaaa aaa", [(97, 97), (256, 256), (256, 97)]),
                ("abcbc", [(98, 99), (97, 98), (97, 256)]),
                ("abcab", [(97, 98), (98, 99)]),
                ("the lamplighter's lamp, there", _MERGES),
                ("café 灯 🚢", [(195, 169), (102, 256), (231, 129), (258, 175)]),
            ],
            remark=_remark_encode,
        ),
    ),
    "decode": Exercise(
        hint="Make a list of the bytes of each token: 256 of one byte, then for each merge the bytes of its left token "
        "and those of its right one. Join the bytes of all ids, and decode at the end, with errors='replace'.",
        examine=compare(
            decode,
            [
                ([], []),
                ([104, 105], []),
                ([256, 101], [(116, 104)]),
                ([258, 32, 261], _MERGES),
                ([231, 129, 175], []),
                ([257, 33], [(231, 129), (256, 175)]),
                ([256, 175, 256], [(231, 129)]),
                ([255, 65], []),
            ],
            remark=_remark_decode,
            failure=_failure_decode,
        ),
    ),
    "utf8": Exercise(
        hint="Four cases: below 0x80, below 0x800, below 0x10000, and the rest. `x >> 6` drops the lowest six bits, "
        "`x & 0x3F` keeps only them, and `0x80 | y` sets the leading 1 of a byte that follows.",
        examine=compare(
            utf8,
            [
                *[(0x41,), (0xE9,), (0x706F,), (0x1F6A2,), (0x7F,), (0x80,), (0x7FF,), (0x800,), (0xFFFF,)],
                *[(0x10000,), (0x10FFFF,), (0,)],
            ],
            remark=_remark_utf8,
        ),
    ),
    "characters_per_token": Exercise(
        hint="For each size call text.byte_level_bpe(train, size), encode every test text with it, and divide the "
        "characters of all test texts by the tokens of all test texts.",
        examine=compare(
            characters_per_token,
            [
                (_TRAIN, ["the lamp"], [257]),
                (_TRAIN, _TEST, [260]),
                (_TRAIN, _TEST, [256, 262, 275, 290]),
                (_TRAIN, ["the l", "amp"], [290, 256]),
            ],
            remark=_remark_characters_per_token,
        ),
    ),
    "lookup_gradient": Exercise(
        hint="Begin with zeros of [vocabulary, hidden]; then add upstream[t] to row ids[t], for each place t.",
        examine=compare(
            lookup_gradient,
            [
                ([0], [[1.0, 2.0]], 2),
                ([1, 0], [[1.0, 2.0], [3.0, 4.0]], 2),
                ([1, 1], [[1.0, 2.0], [3.0, 4.0]], 3),
                ([2, 0, 2, 2], [[1.0, 0.5], [0.25, 2.0], [4.0, -1.0], [3.0, 3.0]], 4),
            ],
            remark=_remark_lookup_gradient,
        ),
    ),
    "ppmi": Exercise(
        hint="Divide by the sum of the table for the joint probabilities; its row sums and column sums are P(word) and "
        "P(context). Take the logarithm only where the count is not 0.",
        examine=compare(
            ppmi,
            [
                ([[3, 0], [0, 3]],),
                ([[3, 1], [1, 3]],),
                ([[1, 1], [1, 1]],),
                ([[4, 0, 1], [1, 2, 0], [0, 5, 3]],),
                ([[1, 2, 3], [4, 0, 1]],),
                ([[0.5, 0.25], [0.0, 1.0]],),
                ([[3, 1], [1, 3], [0, 0]],),
            ],
            remark=_remark_ppmi,
        ),
    ),
    "sgns_step": Exercise(
        hint="Work out s(word . context) and s(word . noise_j). The gradient for the context is (s - 1) word, for "
        "each noise vector s word, and for the word the sum of (s - 1) context and of s noise_j over all j.",
        examine=compare(
            sgns_step,
            [
                ([1.0], [0.0], [[0.0]], 1.0),
                ([1.0, 0.0], [0.0, 1.0], [[0.0, 2.0]], 1.0),
                ([0.5, -1.0], [1.0, 1.0], [[1.0, 0.0], [0.0, -1.0]], 0.1),
                ([0.3, 0.2, -0.5], [1.0, -2.0, 0.5], [[0.1, 0.4, 0.2], [1.0, 1.0, -1.0], [0.1, 0.4, 0.2]], 0.5),
                ([2.0, -1.0], [1.5, -0.5], [[-1.0, 0.5], [2.0, 1.0], [0.5, 0.5], [0.0, 3.0]], 0.25),
            ],
            remark=_remark_sgns_step,
        ),
    ),
    "spearman": Exercise(
        hint="Rank each list (equal values get the mean of the ranks that they take), subtract the mean rank, and "
        "divide the product of the two by the root of the product of their squares.",
        examine=compare(
            spearman,
            [
                ([1.0, 2.0], [1.0, 3.0]),
                ([1.0, 2.0, 3.0], [10.0, 200.0, 3000.0]),
                ([1.0, 2.0, 3.0], [2.0, 3.0, 1.0]),
                ([0.1, 0.4, 0.2, 0.3], [20.0, 10.0, 40.0, 30.0]),
                ([1.0, 5.0, 5.0, 9.0], [1.0, 7.0, 6.0, 8.0]),
                ([0.3, 0.9, 0.1, 0.4, 0.4], [7.0, 9.0, 2.0, 2.0, 2.0]),
                ([9.0, 10.0, 11.0], [-1.0, -2.0, 3.0]),
            ],
            remark=_remark_spearman,
        ),
    ),
    "analogy": Exercise(
        hint="vectors @ (vectors[b] - vectors[a] + vectors[c]) is largest where the direction fits best. Put -np.inf "
        "in the places of a, b and c before you take argmax().",
        examine=compare(
            analogy,
            [
                (0, 1, 2, np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.6, 0.8]])),
                (0, 1, 2, np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8], [0.6, 0.8]])),
                (0, 1, 2, np.array([[0.7071, 0.7071], [1.0, 0.0], [0.0, 1.0], [0.96, 0.28], [-1.0, 0.0]])),
                (2, 0, 1, np.array([[0.0, 1.0], [-0.8, 0.6], [0.6, 0.8], [-1.0, 0.0], [0.8, -0.6], [-0.6, 0.8]])),
                (
                    1,
                    2,
                    0,
                    np.array(
                        [[0.6, 0.8], [1.0, 0.0], [0.8, -0.6], [0.0, -1.0], [0.28, 0.96], [0.96, 0.28], [-1.0, 0.0]]
                    ),
                ),
                (3, 1, 2, np.array([[-0.6, -0.8], [0.0, -1.0], [-1.0, 0.0], [1.0, 0.0], [0.6, -0.8], [0.6, 0.8]])),
                (
                    2,
                    3,
                    1,
                    np.array([[0.48, 0.6, 0.64], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [-0.6, 0.8, 0.0]]),
                ),
            ],
            remark=_remark_analogy,
        ),
    ),
    "words_to_ids": Exercise(
        hint="One word, one id: ids.get(word, ...) takes a second argument, what to give for a word that is not there.",
        examine=compare(
            words_to_ids,
            [
                ([], {"<unk>": 0}),
                (["late"], {"<unk>": 0, "late": 1}),
                (["never"], {"<unk>": 0, "late": 1}),
                (["never", "late", "never"], {"late": 1, "is": 2, "<unk>": 7}),
                (["the", "ferry", "is", "never", "late"], {"late": 0, "the": 1, "is": 2, "ferry": 3, "<unk>": 4}),
            ],
            remark=_remark_words_to_ids,
        ),
    ),
}
