"""Exercises of chapter 07."""

from __future__ import annotations

import math
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


def paper_rate(step: int, hidden_size: int, warm_up: int) -> float:
    """Section 5.3 of Vaswani et al., 2017."""
    return hidden_size**-0.5 * min(step**-0.5, step * warm_up**-1.5)


def _remark_paper_rate(arguments, expected, got):
    step, size, warm_up = arguments
    known = {
        expected
        * (size * warm_up) ** 0.5: "That is the share of the largest rate, which is (d · w) to the power of -1/2.",
        expected * size**0.5: "The size of the model is missing: d to the power of -1/2.",
        expected * size: "d stands in the formula with the power -1/2: a larger model takes smaller steps.",
        size**-0.5 * max(step**-0.5, step * warm_up**-1.5): "The rise counts before step w, the fall after: of the "
        "two, the one that is smaller.",
        size**-0.5 * min(step**-0.5, step * warm_up**-0.5): "In the rise, w has the power -3/2.",
    }
    return next((remark for value, remark in known.items() if same(value, got, 1e-9)), "")


def best_continuations(log_p: list, next_log_p: list, width: int) -> list[tuple[int, int]]:
    """(number of the beam, token) of the likeliest continuations, the likeliest first."""
    grown = [
        (so_far + p, beam, token)
        for beam, (so_far, row) in enumerate(zip(log_p, next_log_p, strict=True))
        for token, p in enumerate(row)
    ]
    return [(beam, token) for _, beam, token in sorted(grown, reverse=True)[:width]]


def _remark_best_continuations(arguments, expected, got):
    log_p, next_log_p, width = arguments
    if any(len(pair) == 3 for pair in got):
        return "Pairs are wanted: number of the beam and token, without the log P."
    got = [tuple(int(number) for number in pair) for pair in got]
    if got == [(token, beam) for beam, token in expected]:
        return "Exchanged: the number of the beam comes first."
    if got == expected[::-1]:
        return "The likeliest comes first."
    if got == best_continuations([0.0] * len(log_p), next_log_p, width):
        return "What the beam itself has counts, too: add its log P."
    lowest = [(beam, token) for beam, row in enumerate(next_log_p) for token, _ in enumerate(row)]
    lowest.sort(key=lambda pair: log_p[pair[0]] + next_log_p[pair[0]][pair[1]])
    if got == lowest[:width] != expected:
        return "Those are the unlikeliest: sorted() begins with the smallest number."
    if got == sorted(lowest, key=lambda pair: -log_p[pair[0]] * next_log_p[pair[0]][pair[1]])[:width]:
        return "Probabilities are multiplied; their logarithms are added."
    each = [(beam, max(range(len(row)), key=row.__getitem__)) for beam, row in enumerate(next_log_p)]
    if sorted(got) == sorted(each):
        return "All beams compete with each other: one of them may go on twice, another one not at all."
    if len(got) > width:
        return f"Only {width} of them are kept."
    return ""


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


def brevity_penalty(said_length: int, reference_length: int) -> float:
    """1 if enough was said, else e^(1 - r/c); 0 if nothing was said."""
    return min(1.0, math.exp(1 - reference_length / said_length)) if said_length else 0.0


def _remark_brevity_penalty(arguments, expected, got):
    c, r = arguments
    if c == 0:
        return "Nothing was said, so it is 0, whatever the reference."
    if expected == 1 and got > 1:
        return "What is long enough is not rewarded: at most 1."
    if r and same(min(1, math.exp(1 - c / r)), got, 1e-9):
        return "Exchanged: the length of the reference stands above."
    if r and same(min(1, c / r), got, 1e-9):
        return "The penalty is e to the power of 1 - r/c, not the ratio itself."
    if same(expected / math.e, got, 1e-9) or same(math.exp(-r / max(c, 1)), got, 1e-9):
        return "The 1 in the exponent is missing: equal lengths cost nothing."
    if r and same(math.exp(1 - c / r), got, 1e-9):
        return "Exchanged: the length of the reference stands above."
    if c and same(math.exp(r / c - 1), got, 1e-9):
        return "The sign: 1 - r/c is negative for a text that is too short."
    return ""


def _failure_brevity_penalty(arguments, error):
    return "If nothing was said, c is 0: a case of its own." if isinstance(error, ZeroDivisionError) else ""


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
    "paper_rate": Exercise(
        "d^(-1/2) · min(t^(-1/2), t · w^(-3/2)): in Python, a power is **.",
        compare(
            paper_rate,
            [(1, 9, 4), (16, 4, 4), (4, 16, 4), (1000, 512, 4000), (10000, 512, 4000)],
            remark=_remark_paper_rate,
            tolerance=1e-9,
        ),
    ),
    "best_continuations": Exercise(
        "Make one list of (log P of the beam + log P of the token, beam, token) over all beams and tokens; sort it.",
        compare(
            best_continuations,
            [
                ([0.0], [[-1.0, -0.5]], 1),
                ([-0.1, -4.0], [[-3.0, -0.8, -0.7], [-0.1, -2.5, -3.2]], 2),
                ([-1.0, -1.2], [[-3.0, -0.9, -0.7], [-0.1, -3.0, -4.0]], 2),
                ([-1.0, -2.0], [[-0.2, -1.7], [-0.4, -1.1]], 3),
                ([-0.2, -3.0], [[-2.5, -2.6], [-0.1, -4.0]], 1),
            ],
            remark=_remark_best_continuations,
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
    "brevity_penalty": Exercise(
        "min(1, e^(1 - r/c)) does both cases at once; c = 0 wants a case of its own.",
        compare(
            brevity_penalty,
            [(4, 4), (2, 4), (6, 4), (0, 4), (9, 10), (0, 0), (3, 0)],
            remark=_remark_brevity_penalty,
            failure=_failure_brevity_penalty,
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
