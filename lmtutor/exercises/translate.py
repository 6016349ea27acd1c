"""Exercises of chapter 07."""

from __future__ import annotations

import math
import random
from collections import Counter

from lmtutor.exercises.examine import Exercise, compare, same


def least_loss(epsilon: float, vocab_size: int) -> float:
    """The entropy of the smoothed target, in nats."""
    rest = epsilon / vocab_size
    others = (vocab_size - 1) * rest * math.log(rest) if epsilon else 0.0
    right = 1 - epsilon + rest
    return -right * math.log(right) - others


def _remark_least_loss(arguments, expected, got):
    epsilon, size = arguments
    rest = epsilon / size
    right = 1 - epsilon + rest
    known = {
        0.0: "That is the least loss without smoothing; an uncertain target has an entropy.",
        -math.log(right): "That is -ln of the right token's share. The loss weighs -ln of all shares with the shares.",
        -right * math.log(right): "The other tokens have a share, too: their part of the entropy is missing.",
        -expected: "The sign: an entropy is not negative.",
    }
    if epsilon:
        share = epsilon / size
        known[math.log(1 + (1 - epsilon) * size / epsilon)] = (
            "That is the gap of the logits at the minimum, not the loss."
        )
        known[-right * math.log(right) - size * share * math.log(share)] = "One token is the right one: V - 1 are left."
        known[-(1 - epsilon) * math.log(1 - epsilon) - (size - 1) * share * math.log(share)] = (
            "The right token gets its part of ε, too: its share is 1 - ε + ε / V."
        )
        known[expected / math.log(2)] = "These are bits; the loss has natural logarithms."
    return next((remark for value, remark in known.items() if same(value, got, 1e-9)), "")


def _failure_least_loss(arguments, error):
    return "ln 0 does not exist: for epsilon = 0 leave the others out." if isinstance(error, ValueError) else ""


def beam_search(next_log_p, width: int, end: int, max_tokens: int, length_penalty: float) -> list[tuple[float, list]]:
    """(score, tokens) of the finished texts, the best score first; defined as `lmtutor.decoding.beam_search` is."""
    beams, finished = [(0.0, [])], []
    for length in range(1, max_tokens + 1):
        grown = [(log_p + p, [*text, i]) for log_p, text in beams for i, p in enumerate(next_log_p(text))]
        grown.sort(reverse=True)
        ends = [text for text in grown[:width] if text[1][-1] == end or length == max_tokens]
        finished += [(log_p / ((5 + length) / 6) ** length_penalty, text) for log_p, text in ends]
        beams = [text for text in grown if text[1][-1] != end][:width]
    return sorted(finished, reverse=True)[:width]


def _as_pairs(got) -> list[tuple[float, tuple]]:
    return [(float(score), tuple(int(token) for token in tokens)) for score, tokens in got]


def _agree(one, other) -> bool:
    """Whether two lists of (score, tokens) hold the same."""
    same_texts = [tokens for _, tokens in one] == [tokens for _, tokens in other]
    return same_texts and all(same(a, b, 1e-6) for (a, _), (b, _) in zip(one, other, strict=True))


def _variant(next_log_p, width, end, max_tokens, length_penalty, fault):
    """The search with one typical fault."""
    beams, finished = [(0.0, ())], []
    for length in range(1, max_tokens + 1):
        parts = [
            [((0 if fault == "forgets" else log_p) + p, (*text, i)) for i, p in enumerate(next_log_p(list(text)))]
            for log_p, text in beams
        ]
        if fault == "alone":
            parts = [[max(part)] for part in parts]
        grown = sorted((text for part in parts for text in part), reverse=True)
        pool = grown if fault == "all that end" else grown[:width]
        last = length == max_tokens and fault != "unfinished dropped"
        for log_p, text in pool:
            if text[-1] == end or last:
                count = length - (text[-1] == end) if fault == "end not counted" else length
                weight = ((5 + count) / 6) ** length_penalty
                finished.append((log_p * weight if fault == "multiplied" else log_p / weight, text))
        open_texts = grown if fault == "goes on" else [text for text in grown if text[1][-1] != end]
        if fault == "takes a place":
            open_texts = [text for text in grown[:width] if text[1][-1] != end]
        beams = open_texts[:width]
        if fault == "first end" and finished:
            break
    return sorted(finished, reverse=True)[: None if fault == "all returned" else width]


_FAULTS = {
    "first end": "The search goes on when a text has ended: another one may become better.",
    "forgets": "What a text has so far counts, too: add its log P to that of the next token.",
    "alone": "All continuations of all texts compete with each other: one text may go on twice, another not at all.",
    "takes a place": "A text that ends leaves its place to the next best one: the likeliest `width` of those that do "
    "not end go on.",
    "goes on": "A text that has ended does not go on.",
    "all that end": "Only what is among the likeliest `width` continuations of its step counts as finished.",
    "unfinished dropped": "A text that has max_tokens tokens counts as it stands, even if it has not ended.",
    "end not counted": "The token that ends a text counts in its length.",
    "multiplied": "The log P is divided by ((5 + length) / 6) ** length_penalty.",
    "all returned": "Only the best `width` of the finished ones are wanted.",
}


def _remark_beam_search(arguments, expected, got):
    got, expected = _as_pairs(got), _as_pairs(expected)
    for fault, said in _FAULTS.items():
        if _agree(_variant(*arguments, fault), got):
            return said
    if sorted(got) == sorted(expected):
        return "The best score comes first."
    if [tokens for _, tokens in got] == [tokens for _, tokens in expected]:
        return "The texts are right, their scores are not: log P / ((5 + length) / 6) ** length_penalty."
    return ""


def _table(said: str, rows: dict[tuple, list[float]], other: list[float]):
    """A model of a few tokens: P of the next token after some beginnings, and after all others."""

    def next_log_p(tokens):
        return [math.log(p) for p in rows.get(tuple(int(token) for token in tokens), other)]

    next_log_p.__doc__ = said
    return next_log_p


def _drawn(seed: int, vocab: int):
    """A model with its own random numbers after each beginning."""

    def next_log_p(tokens):
        generator = random.Random(f"{seed} {[int(token) for token in tokens]}")
        weights = [generator.random() ** 2 + 0.01 for _ in range(vocab)]
        return [math.log(weight / sum(weights)) for weight in weights]

    next_log_p.__doc__ = f"a model of {vocab} tokens, drawn with seed {seed}"
    return next_log_p


def least_risk(candidates: list, samples: list, utility):
    """The first candidate with the largest sum of utility(candidate, sample)."""
    return max(candidates, key=lambda candidate: sum(utility(candidate, sample) for sample in samples))


def _remark_least_risk(arguments, expected, got):
    candidates, samples, utility = arguments
    if got not in candidates:
        return "One of the candidates is wanted, itself."

    def best(score):
        return max(candidates, key=score)

    known = {
        "The sample stands for the reference: utility(candidate, sample), in this order.": best(
            lambda one: sum(utility(sample, one) for sample in samples)
        ),
        "A sample that was drawn twice counts twice: go over the list, not over a set.": best(
            lambda one: sum(utility(one, sample) for sample in set(samples))
        ),
        "That is the most frequent sample; what is near to many samples may be another one.": best(samples.count),
        "One sample that suits it is not enough: take the mean over all samples.": best(
            lambda one: max(utility(one, sample) for sample in samples)
        ),
        "The highest utility is wanted, which is the least risk.": min(
            candidates, key=lambda one: sum(utility(one, sample) for sample in samples)
        ),
        "A sample that is equal to the candidate counts, too.": best(
            lambda one: sum(utility(one, sample) for sample in samples if sample != one)
        ),
    }
    fitting = [said for said, found in known.items() if found == got]
    return fitting[0] if len(fitting) == 1 else ""


def _shared(candidate, reference):
    """the share of the reference's letters that the candidate has"""
    return len(set(candidate) & set(reference)) / len(set(reference))


def _same(candidate, reference):
    """1 if both are the same, else 0"""
    return float(candidate == reference)


def _near(candidate, reference):
    """minus the distance of two numbers"""
    return -abs(candidate - reference)


def _ngrams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def clipped_precision(said: list[str], reference: list[str], n: int) -> tuple[int, int]:
    """Common n-grams, clipped, and all that were said."""
    mine, theirs = _ngrams(said, n), _ngrams(reference, n)
    return sum((mine & theirs).values()), sum(mine.values())


def _remark_clipped_precision(arguments, expected, got):
    said, reference, n = arguments
    if not hasattr(got, "__len__"):
        return "Two numbers are wanted: how many are in the reference, and how many there are."
    mine, theirs = _ngrams(said, n), _ngrams(reference, n)
    common, total = (int(number) for number in got)
    if common == sum(count for gram, count in mine.items() if gram in theirs) != expected[0]:
        return "Not clipped: an n-gram counts at most as often as the reference has it."
    if (common, total) == (len(mine.keys() & theirs.keys()), len(mine)):
        return "Each n-gram counts as often as it was said, not once."
    if common == len(mine.keys() & theirs.keys()) != expected[0]:
        return "An n-gram that both have twice counts twice: take counts, not sets."
    if common == expected[0] and total == sum(theirs.values()):
        return "You divide by the n-grams of the reference: that is recall."
    cut, cut_reference = _ngrams(said[:-1], n), _ngrams(reference[:-1], n)
    if (common, total) == (sum((cut & cut_reference).values()), sum(cut.values())):
        return "The last n-gram is missing: range(len(words) - n + 1)."
    if common == expected[0] and total == len(said):
        return "A text of m words has m - n + 1 n-grams."
    return ""


def error_rate(proposed: set, sure: set, possible: set) -> float:
    """Och and Ney, 2003, of one sentence."""
    hits = len(proposed & sure) + len(proposed & (sure | possible))
    return 1 - hits / (len(proposed) + len(sure))


def _remark_error_rate(arguments, expected, got):
    a, s, p = arguments
    size = len(a) + len(s)
    known = {
        1
        - (2 * len(a & s) + len(a & p)) / size: "A sure link that is among the possible ones, too, counts once there.",
        1 - expected: "That is what is right; the error rate is 1 minus it.",
        1 - (len(a & s) + len(a & p)) / size: "P contains S: a sure link is a possible one, too.",
        1 - (len(a & s) + len(a & s | p)) / size: "& binds more strongly than |: put sure | possible in brackets.",
        1 - 2 * len(a & s) / size: "Possible links that are proposed are no mistakes.",
        1 - (len(a & s) + len(a & (s | p))) / len(s | a): "Divide by |A| + |S|: what is in both counts twice.",
        1
        - (len(a & s) + len(a & (s | p))) / (len(a) + len(s | p)): "Nobody has to find the possible links: |A| + |S|.",
    }
    return next((remark for value, remark in known.items() if same(value, got, 1e-9)), "")


def wins(score, said_a, said_b, references, samples) -> float:
    """The share of samples that A wins; ties count one half."""
    won = 0.0
    for sample in samples:
        chosen = [references[i] for i in sample]
        a, b = (score([said[i] for i in sample], chosen) for said in (said_a, said_b))
        won += 1.0 if a > b else 0.5 if a == b else 0.0
    return won / len(samples)


def _right(said, references):
    """The share of texts that are right."""
    return sum(a == b for a, b in zip(said, references, strict=True)) / len(said)


def _length_ratio(said, references):
    """How near the number of characters is to the references', of all together."""
    return -abs(sum(map(len, said)) - sum(map(len, references)))


def _room(said, references):
    """How many characters the references have more."""
    return sum(map(len, references)) - sum(map(len, said))


def _remark_wins(arguments, expected, got):
    score, a, b, references, samples = arguments
    strict = sum(
        score([a[i] for i in s], [references[i] for i in s]) > score([b[i] for i in s], [references[i] for i in s])
        for s in samples
    ) / len(samples)
    alone = [[score([said[i]], [references[i]]) for i in range(len(references))] for said in (a, b)]
    means = [[sum(scores[i] for i in s) for scores in alone] for s in samples]
    if same(sum((x > y) + 0.5 * (x == y) for x, y in means) / len(samples), got, 1e-9):
        return "A sample has one score, that of all its sentences together; it need not be the mean of theirs."
    if score is _room:
        return "score takes what was said first, and then the references."
    if same(1 - expected, got, 1e-9) and not same(expected, 0.5, 1e-9):
        return "These are B's wins."
    if same(expected * len(samples), got, 1e-9):
        return "A share was asked for: divide by the number of samples."
    if same(strict, got, 1e-9):
        return "A tie counts one half."
    if same(float(score(a, references) > score(b, references)), got, 1e-9):
        return "Score each sample: only the sentences that it names, as often as it names them."
    return ""


_A, _B, _C = (0, 0), (1, 1), (2, 2)

_GREEDY_FAILS = _table(
    "P = 0.1, 0.5, 0.4 at first; 0.28, 0.4, 0.32 after [1]; 0.9, 0.06, 0.04 after all else",
    {(): [0.1, 0.5, 0.4], (1,): [0.28, 0.4, 0.32]},
    [0.9, 0.06, 0.04],
)
_ROOM = _table(
    "P = 0.4, 0.35, 0.25 at first; 0.34, 0.36, 0.3 after [1]; 0.9, 0.06, 0.04 after all else",
    {(): [0.4, 0.35, 0.25], (1,): [0.34, 0.36, 0.3]},
    [0.9, 0.06, 0.04],
)
_LONG_PAYS = _table(
    "P = 0.45, 0.5, 0.05 at first; 0.04, 0.95, 0.01 after [1], [1, 1]; 0.9, 0.06, 0.04 after all else",
    {(): [0.45, 0.5, 0.05], (1,): [0.04, 0.95, 0.01], (1, 1): [0.04, 0.95, 0.01]},
    [0.9, 0.06, 0.04],
)

EXERCISES = {
    "least_loss": Exercise(
        "One token has the share 1 - ε + ε/V, each of V - 1 others ε/V. Entropy is -Σ q ln q; 0 ln 0 counts as 0.",
        compare(
            least_loss,
            [(0.0, 4), (0.5, 2), (0.1, 10), (0.1, 1000), (1.0, 4)],
            remark=_remark_least_loss,
            failure=_failure_least_loss,
        ),
    ),
    "beam_search": Exercise(
        "Keep a list of pairs (log P, tokens), at first [(0.0, [])]. In each step make the list of all continuations, "
        "sort it, look which of the first `width` have ended, and keep the first `width` that have not.",
        compare(
            beam_search,
            [
                (_table("P = 0.3, 0.7 after everything", {}, [0.3, 0.7]), 1, 0, 1, 0.0),
                (_table("P = 0.3, 0.7 after everything", {}, [0.3, 0.7]), 2, 0, 1, 0.0),
                (_table("P = 0.6, 0.4 after everything", {}, [0.6, 0.4]), 1, 0, 2, 0.0),
                (_table("P = 0.6, 0.4 after everything", {}, [0.6, 0.4]), 2, 0, 2, 0.0),
                (_GREEDY_FAILS, 1, 0, 2, 0.0),
                (_GREEDY_FAILS, 2, 0, 2, 0.0),
                (_GREEDY_FAILS, 2, 0, 3, 1.0),
                (_GREEDY_FAILS, 100, 0, 3, 0.0),
                (_ROOM, 2, 0, 2, 0.0),
                (_LONG_PAYS, 2, 0, 5, 0.0),
                (_LONG_PAYS, 2, 0, 5, 0.6),
                (_drawn(1, 3), 100, 2, 4, 0.6),
                (_drawn(2, 4), 2, 0, 4, 0.0),
                (_drawn(3, 4), 3, 1, 5, 0.6),
                (_drawn(4, 3), 2, -1, 3, 0.0),
                (_drawn(5, 5), 4, 3, 5, 1.5),
            ],
            remark=_remark_beam_search,
        ),
    ),
    "clipped_precision": Exercise(
        "Count the n-grams of both with `ngrams`; `&` of two Counters takes the smaller of two counts.",
        compare(
            clipped_precision,
            [
                (["the"], ["the"], 1),
                (["the", "the", "cat"], ["the", "cat", "sat"], 1),
                (["the", "cat", "the"], ["the", "dog", "the"], 1),
                (["a", "b", "a", "b", "a"], ["a", "b", "a", "c"], 2),
                (["the"], ["the", "cat"], 2),
                (["the", "cat", "sat", "on", "the", "mat"], ["on", "the", "mat", "the", "cat", "sat"], 3),
                (["he"], ["the"], 1),
                (["The"], ["the"], 1),
                (["ab", "c"], ["a", "bc"], 2),
                ([], ["the", "cat"], 1),
            ],
            remark=_remark_clipped_precision,
        ),
    ),
    "least_risk": Exercise(
        "For each candidate, add up utility(candidate, sample) over all samples; max(..., key=...) gives the best.",
        compare(
            least_risk,
            [
                (["a"], ["a"], _same),
                ([5, 9, 1, 30], [1, 1, 9, 6, 6], _near),
                ([1, 7, 30], [1, 1, 1, 7, 8], _near),
                (["ab", "cd", "x"], ["ab", "ce"], _shared),
                (["abcd", "ab", "z"], ["abcde", "ax", "bc"], _shared),
                (["ab", "abcd"], ["abcd", "a", "b", "a"], _shared),
                ([3, 4], [3, 4], _near),
                ([0, 4, 10], [4, 10, 10, 0, 3], _near),
            ],
            remark=_remark_least_risk,
        ),
    ),
    "error_rate": Exercise(
        "Sets have & and |. |A ∩ P| with P = possible | sure.",
        compare(
            error_rate,
            [
                ({_A}, {_A}, set()),
                ({_A, _B}, {_A}, {_B}),
                ({_A, _B, (1, 2)}, {_A, _C}, {_B}),
                ({_C}, {_A}, {_B}),
                ({_A, _B, _C, (0, 2)}, {_A, _B, _C}, {(2, 0), (1, 0)}),
                ({_A, _B}, {_A}, {_A, _B}),
                (set(), {_A}, {_B}),
            ],
            remark=_remark_error_rate,
        ),
    ),
    "wins": Exercise(
        "For each sample: pick said_a[i], said_b[i] and references[i] for i in the sample, and compare the two scores.",
        compare(
            wins,
            [
                (_right, ["x"], ["y"], ["x"], [[0]]),
                (_right, ["x", "y"], ["x", "z"], ["x", "y"], [[0, 1], [0, 0], [1, 1]]),
                (_right, ["x", "y", "q"], ["x", "z", "q"], ["x", "y", "z"], [[0, 0, 2], [0, 1, 2], [1, 1, 1]]),
                (_right, ["x", "q", "q"], ["q", "y", "q"], ["x", "y", "z"], [[0, 0, 1], [1, 1, 2], [0, 1, 0]]),
                (_length_ratio, ["a", "aaa"], ["aa", "a"], ["aa", "aa"], [[0, 1]]),
                (_length_ratio, ["aa", "b"], ["a", "b"], ["aa", "bbb"], [[0, 1], [1, 1], [0, 0], [0, 1]]),
                (_room, ["a"], ["aa"], ["aaa"], [[0]]),
            ],
            remark=_remark_wins,
        ),
    ),
}
