"""Exercises of chapter 11."""

from __future__ import annotations

import itertools

import numpy as np

from lmtutor.exercises.examine import Exercise, compare, same

IGNORED = -100


def bio(spans: list[tuple[int, int, str]], length: int) -> list[str]:
    """B- at the first place of a span, I- at the others, O elsewhere."""
    tags = ["O"] * length
    for start, end, kind in spans:
        tags[start] = f"B-{kind}"
        for place in range(start + 1, end):
            tags[place] = f"I-{kind}"
    return tags


def _remark_bio(arguments, expected, got):
    spans, length = arguments
    if len(got) != length:
        return "Each place needs a tag."
    if list(got) == [tag.replace("B-", "I-") for tag in expected]:
        return "The first place of a span gets a B-, else two names side by side run into one."
    if list(got) == [tag.replace("I-", "B-") for tag in expected]:
        return "Only the first place gets a B-: each B- begins a new name."
    further = ["O"] * length
    for start, end, kind in spans:
        for place in range(start, min(end + 1, length)):
            further[place] = f"{'B' if place == start else 'I'}-{kind}"
    return "A span ends before `end`, as a slice does." if list(got) == further else ""


def bioes(tags: list[str]) -> list[str]:
    """BIO tags with E- at the last place of a name, and S- at a name of one place."""
    found = []
    for tag, after in zip(tags, [*tags[1:], "O"], strict=False):
        goes_on = after.startswith("I-")
        found.append(tag if tag == "O" or goes_on else {"B": "S", "I": "E"}[tag[0]] + tag[1:])
    return found


def _remark_bioes(arguments, expected, got):
    (tags,) = arguments
    if len(got) != len(tags):
        return "Each tag becomes one tag."
    if list(got) == [tag.replace("S-", "B-") for tag in expected]:
        return "A name of a single place gets an S-."
    if list(got) == [tag.replace("E-", "I-") for tag in expected]:
        return "The last place of a longer name gets an E-."
    if list(got) == [tag.replace("S-", "E-") for tag in expected]:
        return "A name of a single place gets an S-; E- ends a name that a B- has begun."
    return ""


def piece_labels(word_of: list[int | None], labels: list[int]) -> list[int]:
    """The word's label at its first piece, -100 elsewhere."""
    found, before = [], None
    for word in word_of:
        found.append(labels[word] if word is not None and word != before else IGNORED)
        before = word
    return found


def _remark_piece_labels(arguments, expected, got):
    word_of, labels = arguments
    if list(got) == [IGNORED if word is None else labels[word] for word in word_of]:
        return "Only the first piece of a word carries its label; the others get -100."
    if list(got) == [0 if e == IGNORED else e for e in expected]:
        return "0 is a label (O); what is to be ignored gets -100."
    if list(got) == [e if word else IGNORED for e, word in zip(expected, word_of, strict=True)]:
        return "Word 0 is a word, too, and `if word` is false for it: ask whether it `is not None`."
    if IGNORED not in got and len(got) == len(labels):
        return "Each piece needs an entry, special tokens included."
    last = [
        IGNORED if word is None or word_of[i + 1 : i + 2] == [word] else labels[word] for i, word in enumerate(word_of)
    ]
    return "That is the last piece of each word; the first one was asked for." if list(got) == last else ""


def may_follow(tag: str, before: str) -> bool:
    """O and B- may stand anywhere, I- only within a name of its type."""
    return not tag.startswith("I-") or before in (f"B-{tag[2:]}", tag)


def _remark_may_follow(arguments, expected, got):
    tag, before = arguments
    if not tag.startswith("I-"):
        return "O and B- may stand behind anything."
    if before.startswith("I-") and before == tag:
        return "I- may go on behind I- of the same type."
    if before != "O" and got:
        return "The types must be the same."
    return "A name begins with B-." if got else ""


def log_total(scores, moves) -> float:
    """The forward algorithm for one text: [places, labels] and [before, label] -> ln of the sum over all sequences."""
    so_far = np.asarray(scores[0], dtype=float)
    for row in scores[1:]:
        so_far = np.logaddexp.reduce(so_far[:, None] + moves, axis=0) + row
    return float(np.logaddexp.reduce(so_far))


def _remark_log_total(arguments, expected, got):
    scores, moves = (np.asarray(one, dtype=float) for one in arguments)
    paths = itertools.product(range(scores.shape[1]), repeat=len(scores))
    totals = [
        sum(scores[i, label] for i, label in enumerate(path)) + sum(moves[a, b] for a, b in itertools.pairwise(path))
        for path in paths
    ]
    if not np.isfinite(got) and np.isfinite(expected):
        return "e to such a number does not fit into a float: take the largest out of the sum first (np.logaddexp)."
    if same(max(totals), got, 1e-6):
        return "That is the best sequence alone; all of them are to be added up."
    if same(float(np.logaddexp.reduce(scores, axis=1).sum()), got, 1e-6):
        return "The moves count, too."
    turned = np.asarray(scores[0])
    for row in scores[1:]:
        turned = np.logaddexp.reduce(turned[:, None] + moves.T, axis=0) + row
    if same(float(np.logaddexp.reduce(turned)), got, 1e-6):
        return "moves[before, label]: its rows are the labels that one comes from."
    return "The logarithm of the sum was asked for." if same(float(np.exp(expected)), got, 1e-6) else ""


def best_span(start: list[float], end: list[float]) -> tuple[int, int]:
    """One pass: remember the best start so far."""
    best, pair, first = float("-inf"), (0, 0), 0
    for j, score in enumerate(end):
        if start[j] > start[first]:
            first = j
        if start[first] + score > best:
            best, pair = start[first] + score, (first, j)
    return pair


def _argmax(values):
    return max(range(len(values)), key=values.__getitem__)


def _remark_best_span(arguments, expected, got):
    start, end = arguments
    i, j = got
    if j == len(end):
        return "The last place of the span itself was asked for, not the place behind it."
    if (i, j) == (0, 0) and max(map(sum, itertools.product(start, end))) < 0:
        return "Scores may all be below 0: the best one so far begins at minus infinity."
    if i < j and expected[0] == expected[1]:
        return "A span may be a single place: at each end, look at its own start first."
    if i > j:
        return "This span ends before it begins. The best start *up to* each end was asked for."
    if i == j and (start[i] + end[i]) == max(map(sum, zip(start, end, strict=True))):
        return "A span may have more than one place."
    if i == _argmax(start):
        return "The best start alone need not belong to the best span: its sum with an end behind it counts."
    if j == _argmax(end):
        return "The best end alone need not belong to the best span: its sum with a start before it counts."
    return ""


def common(first: list[str], second: list[str]) -> int:
    """The longest common subsequence, row by row."""
    row = [0] * (len(second) + 1)
    for item in first:
        before, row = row, [0] * (len(second) + 1)
        for j, other in enumerate(second, start=1):
            row[j] = before[j - 1] + 1 if item == other else max(before[j], row[j - 1])
    return row[-1]


def _remark_common(arguments, expected, got):
    first, second = arguments
    unordered = sum(min(first.count(word), second.count(word)) for word in set(first))
    runs = [0]
    for i in range(len(first)):
        for j in range(len(second)):
            n = 0
            while i + n < len(first) and j + n < len(second) and first[i + n] == second[j + n]:
                n += 1
            runs.append(n)
    greedy, position = 0, 0
    for word in first:
        if word in second[position:]:
            position = second.index(word, position) + 1
            greedy += 1
    if same(max(runs), got, 0):
        return "Gaps are allowed: the words need not stand side by side."
    if same(greedy, got, 0):
        return "Taking each word at its first chance can block better ones: compare taking it with leaving it out."
    if got > unordered:
        return "A match uses up a word on both sides: it adds 1 to the value for both lists without these words."
    return "That is without regard to the order." if same(unordered, got, 0) else ""


def not_better(first: list[float], second: list[float], draws: list[list[int]]) -> float:
    """The share of resamples in which the first's sum is not larger."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return sum(sum(differences[i] for i in draw) <= 0 for draw in draws) / len(draws)


def _remark_not_better(arguments, expected, got):
    first, second, draws = arguments
    differences = [a - b for a, b in zip(first, second, strict=True)]
    sums = [sum(differences[i] for i in draw) for draw in draws]
    once = [sum(differences[i] for i in set(draw)) for draw in draws]
    known = {
        1 - expected: "That is the share in which the first is better.",
        sum(total < 0 for total in sums) / len(draws): "A draw of zero is not better, either: count it.",
        float(sum(total <= 0 for total in sums)): "A share of the draws was asked for, not their number.",
        100 * expected: "A share was asked for, between 0 and 1.",
        sum(total <= 0 for total in once) / len(draws): "A text that was drawn twice counts twice.",
        sum(d <= 0 for d in differences) / len(differences): "Use the draws: each is a list of texts to add up.",
    }
    return next((remark for value, remark in known.items() if same(value, got, 1e-9)), "")


def next_word(
    words: list[str], written: list[float], source: list[str], weights: list[float], gate: float
) -> list[float]:
    """The gate's share of what is written, and the rest by attention to each place of the source."""
    found = [gate * p for p in written]
    for word, weight in zip(source, weights, strict=True):
        found[words.index(word)] += (1 - gate) * weight
    return found


def _remark_next_word(arguments, expected, got):
    words, written, source, weights, gate = arguments
    if len(got) != len(words):
        return "One probability for each of `words` was asked for."
    copied = [sum(x for one, x in zip(source, weights, strict=True) if one == word) for word in words]
    last = dict(zip(source, weights, strict=True))
    first = dict(zip(source[::-1], weights[::-1], strict=True))
    for once in (last, first):
        if same([gate * p + (1 - gate) * once.get(w, 0.0) for w, p in zip(words, written, strict=True)], got, 1e-9):
            return "A word that occurs twice in the source gets the weights of both places."
    if same([(1 - gate) * p + gate * c for p, c in zip(written, copied, strict=True)], got, 1e-9):
        return "The gate is the share of what is written; what is copied gets the rest."
    pairs = list(zip(words, written, strict=True))
    if same([(1 - gate) * last[w] if w in last else gate * p for w, p in pairs], got, 1e-9):
        return "A word can be written and copied: add both."
    if same([p + c for p, c in zip(written, copied, strict=True)], got, 1e-9):
        return "The two distributions sum to 2 together: each gets its share of the gate."
    return ""


EXERCISES = {
    "bio": Exercise(
        'Begin with a list of "O". Then, for each span, write B- at start and I- from start + 1 up to end.',
        compare(
            bio,
            [
                ([], 2),
                ([(0, 1, "SHIP")], 2),
                ([(1, 3, "PERSON")], 4),
                ([(0, 2, "SHIP"), (2, 3, "SHIP")], 4),
                ([(3, 6, "DATE"), (0, 1, "ORG")], 6),
                ([(0, 2, "ship")], 2),
            ],
            remark=_remark_bio,
        ),
    ),
    "bioes": Exercise(
        "Look at each tag and the one after it. Where no I- follows, the name ends: B- becomes S-, and I- becomes E-.",
        compare(
            bioes,
            [
                (["O"],),
                (["B-SHIP", "O"],),
                (["B-SHIP", "I-SHIP"],),
                (["O", "B-SHIP", "I-SHIP", "I-SHIP", "O"],),
                (["B-SHIP", "B-SHIP", "I-SHIP"],),
                (["B-PERSON", "I-PERSON", "B-SHIP", "O", "B-ORG"],),
                (["B-BIB", "I-BIB", "O", "B-SEISMIC-SITE"],),
                ([],),
            ],
            remark=_remark_bioes,
        ),
    ),
    "piece_labels": Exercise(
        "Go through the pieces and keep in mind whose the piece before was. Where a word begins: its label. Else -100.",
        compare(
            piece_labels,
            [
                ([0], [3]),
                ([None, 0, 1, None], [0, 2]),
                ([None, 0, 0, 1, None], [1, 0]),
                ([None, 0, 1, 1, 1, 2, 2, None], [5, 6, 0]),
                ([None, None], []),
                ([None, 1, 1, 2, None], [3, 4, 5]),  # a window that begins at word 1
            ],
            remark=_remark_piece_labels,
        ),
    ),
    "may_follow": Exercise(
        "Only an I- is ever forbidden. It is allowed behind exactly two tags.",
        compare(
            may_follow,
            [
                ("O", "O"),
                ("I-SHIP", "B-SHIP"),
                ("I-SHIP", "O"),
                ("I-SHIP", "B-DATE"),
                ("I-SHIP", "I-SHIP"),
                ("I-SHIP", "I-DATE"),
                ("B-SHIP", "I-DATE"),
                ("B-SHIP", "B-SHIP"),
                ("O", "I-DATE"),
                ("I-SHIP", "B-STARSHIP"),
                ("I-SHIP", "B-SHIPYARD"),
                ("I-STARSHIP", "B-SHIP"),
                ("I-SHIPYARD", "I-SHIP"),
                ("I-ART-WORK", "B-ART-PRICE"),
                ("I-FINE-ART", "B-FOLK-ART"),
                ("I-ID", "B-D"),
                ("I-ship", "B-SHIP"),
                ("I-DATE", "B-DISH"),
            ],
            remark=_remark_may_follow,
        ),
    ),
    "log_total": Exercise(
        "Take Viterbi's search with a sum in place of the maximum: so_far[label] is ln of the sum of e^score over all "
        "sequences up to here that end in `label`. For each next label add up, over `before`, e^(so_far[before] + "
        "moves[before, label]), take the logarithm (np.logaddexp.reduce does both), and add the score of that label.",
        compare(
            log_total,
            [
                (np.array([[1.0, 2.0]]), np.zeros((2, 2))),
                (np.zeros((3, 2)), np.zeros((2, 2))),
                (np.array([[1.0, 0.0], [0.5, -1.0]]), np.array([[0.0, 2.0], [-1.0, 0.5]])),
                (
                    np.array([[0.3, -0.2, 1.0], [0.0, 0.4, -0.6], [1.2, 0.1, 0.2], [0.0, 0.7, -0.3]]),
                    np.array([[0.5, -0.3, 0.0], [1.0, 0.2, -1.0], [0.0, 0.6, 0.4]]),
                ),
                (np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, -np.inf], [0.0, 0.0]])),
                (np.array([[800.0, 0.0], [1.0, 900.0]]), np.array([[0.0, 1.0], [2.0, 0.0]])),
                (np.array([[-800.0, -900.0], [-900.0, -800.0]]), np.array([[0.0, 1.0], [2.0, 0.0]])),
            ],
            remark=_remark_log_total,
        ),
    ),
    "best_span": Exercise(
        "For an end at j the best start is the largest of start[0] ... start[j]; each further end adds one start only.",
        compare(
            best_span,
            [
                ([1.0], [1.0]),
                ([-3.0, -1.0], [-4.0, -2.5]),
                ([0.0, 2.0], [4.0, 1.0]),
                ([3.0, 0.0, 1.0], [0.0, 0.0, 2.0]),
                ([1.0, 5.0, 0.0], [4.0, 1.5, 2.0]),
                ([0.0, 1.0, 0.0, 3.0], [0.0, 2.0, 6.0, 1.0]),
                ([-2000.0, -3000.0], [-4000.0, -1000.0]),
                ([-2.0, -1.0], [1.0, 1.0]),
                ([5.0, 0.0, 1.0, 0.0], [0.0, 1.0, 2.0, 4.0]),
            ],
            remark=_remark_best_span,
        ),
    ),
    "common": Exercise(
        "Compare the last words. Equal: one more than for both lists without them. Else: leave out one of the two, and "
        "take the better. Fill a table, so that nothing is worked out twice.",
        compare(
            common,
            [
                (["a"], ["a"]),
                (["a"], ["a", "a"]),
                (["a", "a"], ["a"]),
                (["a", "b"], ["b", "a"]),
                (["a", "x", "b"], ["a", "b"]),
                (["d", "a", "b", "c"], ["a", "b", "c", "d"]),
                (["b", "x", "a", "c"], ["a", "b", "c", "a", "c"]),
                (["a", "b"], []),
                ([], ["a"]),
                (["ab"], ["ba"]),
                (["A"], ["a"]),
                (["x", "y", "a", "b", "c"], ["a", "1", "b", "2", "c", "x", "y"]),
                (["c", "a", "b", "d", "f", "e"], ["a", "f", "b", "d", "e", "c"]),
            ],
            remark=_remark_common,
        ),
    ),
    "not_better": Exercise(
        "Take the differences, text by text. For each list of indices add up the differences at these indices.",
        compare(
            not_better,
            [
                ([1.0], [0.0], [[0]]),
                ([0.0, 3.0], [1.0, 0.0], [[0, 0], [1, 1]]),
                ([0.0, 5.0], [2.0, 0.0], [[0, 0, 0, 1], [1, 1, 1, 0]]),
                ([0.5, 0.2, 0.9], [0.4, 0.2, 1.0], [[0, 0, 1], [1, 1, 1], [2, 2, 0], [0, 1, 0]]),
                ([0.1, 0.9], [0.3, 0.2], [[0, 1], [0, 0], [1, 1], [1, 0], [0, 0]]),
                ([0.0, 5.0, 0.0], [1.0, 0.0, 1.0], [[0, 1, 2], [0, 0, 1], [0, 2, 2]]),
            ],
            remark=_remark_not_better,
        ),
    ),
    "next_word": Exercise(
        "Begin with gate times the probability that each word has by writing. Then go through the places of the source "
        "and add (1 - gate) times the weight of each to its word.",
        compare(
            next_word,
            [
                (["sank"], [1.0], ["sank"], [1.0], 0.5),
                (["sank", "Kelso"], [1.0, 0.0], ["Kelso"], [1.0], 0.25),
                (["sank", "the", "Kelso"], [0.75, 0.25, 0.0], ["Kelso", "sank"], [0.5, 0.5], 0.5),
                (["sank", "the", "Kelso"], [0.75, 0.25, 0.0], ["Kelso", "sank", "Kelso"], [0.5, 0.25, 0.25], 0.25),
                (["sank", "the"], [0.5, 0.5], ["the", "the"], [0.75, 0.25], 0.25),
                (["sank", "the", "Kelso"], [0.5, 0.5, 0.0], ["Kelso"], [1.0], 1.0),
                (["sank", "the", "Kelso"], [0.5, 0.5, 0.0], ["Kelso", "sank"], [1.0, 0.0], 0.0),
            ],
            remark=_remark_next_word,
        ),
    ),
}
