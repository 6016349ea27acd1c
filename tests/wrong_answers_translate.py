"""Plausible wrong answers to the exercises of chapter 07."""

import math
from collections import Counter


def ngrams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def entropy_with(right=lambda e, v: 1 - e + e / v, others=lambda e, v: v - 1, unit=1.0):
    def least_loss(epsilon, vocab_size):
        p, q = right(epsilon, vocab_size), epsilon / vocab_size
        rest = others(epsilon, vocab_size) * q * math.log(q) if epsilon else 0.0
        return (-p * math.log(p) - rest) / unit

    return least_loss


def continuations_with(key=lambda so_far, p: so_far + p, pair=lambda beam, token: (beam, token), reverse=True):
    def best_continuations(log_p, next_log_p, width):
        grown = [
            (key(so_far, p), beam, token)
            for beam, (so_far, row) in enumerate(zip(log_p, next_log_p, strict=True))
            for token, p in enumerate(row)
        ]
        best = sorted(grown, reverse=True)[:width]
        return [pair(beam, token) for _, beam, token in (best if reverse else best[::-1])]

    return best_continuations


def each_goes_on(log_p, next_log_p, width):
    return [(beam, max(range(len(row)), key=row.__getitem__)) for beam, row in enumerate(next_log_p)][:width]


def precision_with(common=lambda a, b: sum((a & b).values()), total=lambda a, b: sum(a.values())):
    def clipped_precision(said, reference, n):
        mine, theirs = ngrams(said, n), ngrams(reference, n)
        return common(mine, theirs), total(mine, theirs)

    return clipped_precision


def error_with(possible=lambda s, p: s | p, size=lambda a, s, p: len(a) + len(s)):
    def error_rate(proposed, sure, possible_links):
        hits = len(proposed & sure) + len(proposed & possible(sure, possible_links))
        return 1 - hits / size(proposed, sure, possible_links)

    return error_rate


def mean_of_sentences(score, said_a, said_b, references, samples):
    a, b = ([score([t], [r]) for t, r in zip(said, references, strict=True)] for said in (said_a, said_b))
    sums = [(sum(a[i] for i in sample), sum(b[i] for i in sample)) for sample in samples]
    return sum(1.0 if x > y else 0.5 if x == y else 0.0 for x, y in sums) / len(samples)


def wins_with(tie=0.5, swapped=False, share=True, chosen=lambda sample: sample):
    def wins(score, said_a, said_b, references, samples):
        if swapped:
            said_a, said_b = said_b, said_a
        won = 0.0
        for sample in map(chosen, samples):
            a, b = (score([said[i] for i in sample], [references[i] for i in sample]) for said in (said_a, said_b))
            won += 1 if a > b else tie if a == b else 0
        return won / len(samples) if share else won

    return wins


def joined(separator):
    """Clipped precision of n-grams that were made one string each."""

    def clipped_precision(said, reference, n):
        mine, theirs = (
            Counter(separator.join(words[i : i + n]) for i in range(len(words) - n + 1)) for words in (said, reference)
        )
        return sum((mine & theirs).values()), sum(mine.values())

    return clipped_precision


def as_text(said, reference, n):
    """Looks for each n-gram in the reference's text."""
    text, found = " ".join(reference), ngrams(said, n)
    return sum(min(count, text.count(" ".join(gram))) for gram, count in found.items()), sum(found.values())


def at_the_same_place(said, reference, n):
    mine, theirs = ([tuple(w[i : i + n]) for i in range(len(w) - n + 1)] for w in (said, reference))
    return sum(a == b for a, b in zip(mine, theirs, strict=False)), len(mine)


def other_sum(combine):
    """All beams compete by another number than the sum of the logarithms."""
    return continuations_with(key=combine)


def best_beams_first(log_p, next_log_p, width):
    """Beam after beam, the likeliest beam first."""
    beams = sorted(range(len(log_p)), key=lambda beam: -log_p[beam])
    pairs = [
        (beam, token)
        for beam in beams
        for token in sorted(range(len(next_log_p[beam])), key=lambda t: -next_log_p[beam][t])
    ]
    return pairs[:width]


WRONG = {
    "translate.least_loss": {
        "no smoothing": lambda epsilon, size: 0.0,
        "the right token alone": lambda epsilon, size: -math.log(1 - epsilon + epsilon / size),
        "the others forgotten": entropy_with(others=lambda e, v: 0),
        "one too many": entropy_with(others=lambda e, v: v),
        "the right one without its part": entropy_with(right=lambda e, v: 1 - e),
        "in bits": entropy_with(unit=math.log(2)),
        "the gap": lambda epsilon, size: math.log(1 + (1 - epsilon) * size / epsilon) if epsilon else 0.0,
        "the others' part shared by all but one": entropy_with(
            right=lambda e, v: 1 - e, others=lambda e, v: v * (v - 1) / (v - 1)
        ),
        "only for small ε": lambda epsilon, size: entropy_with()(epsilon, size) if epsilon < 1 else 0.0,
        "of certainty": lambda epsilon, size: -(1 - epsilon) * math.log(1 - epsilon) if epsilon < 1 else 0.0,
        "of the uniform part": lambda epsilon, size: epsilon * math.log(size),
        "minus": lambda epsilon, size: -entropy_with()(epsilon, size),
        "0 ln 0 not thought of": lambda epsilon, size: (
            -(1 - epsilon + epsilon / size) * math.log(1 - epsilon + epsilon / size)
            - (size - 1) * epsilon / size * math.log(epsilon / size)
        ),
    },
    "translate.paper_rate": {
        "no size": lambda step, size, warm: min(step**-0.5, step * warm**-1.5),
        "size the wrong way": lambda step, size, warm: size**0.5 * min(step**-0.5, step * warm**-1.5),
        "max": lambda step, size, warm: size**-0.5 * max(step**-0.5, step * warm**-1.5),
        "no rise": lambda step, size, warm: size**-0.5 * step**-0.5,
        "no fall": lambda step, size, warm: size**-0.5 * step * warm**-1.5,
        "the share of the largest": lambda step, size, warm: min(step / warm, (warm / step) ** 0.5),
        "wrong power": lambda step, size, warm: size**-0.5 * min(step**-0.5, step * warm**-0.5),
        "from step 0": lambda step, size, warm: size**-0.5 * min((step + 1) ** -0.5, (step + 1) * warm**-1.5),
        "a model of 512": lambda step, size, warm: 512**-0.5 * min(step**-0.5, step * warm**-1.5),
        "4000 steps": lambda step, size, warm: size**-0.5 * min(step**-0.5, step * 4000**-1.5),
        "falls in a straight line": lambda step, size, warm: size**-0.5 * min(1 / step, step * warm**-1.5),
        "the product of both": lambda step, size, warm: size**-0.5 * step**-0.5 * step * warm**-1.5,
        "the sum of both": lambda step, size, warm: size**-0.5 * (step**-0.5 + step * warm**-1.5),
        "flat until the warm-up ends": lambda step, size, warm: size**-0.5 * max(step, warm) ** -0.5,
    },
    "translate.best_continuations": {
        "beams forgotten": continuations_with(key=lambda so_far, p: p),
        "exchanged": continuations_with(pair=lambda beam, token: (token, beam)),
        "worst first": continuations_with(reverse=False),
        "each beam goes on": each_goes_on,
        "multiplied": continuations_with(key=lambda so_far, p: so_far * p),
        "the unlikeliest": continuations_with(key=lambda so_far, p: -so_far - p),
        "all kept": lambda log_p, next_log_p, width: continuations_with()(log_p, next_log_p, 99),
        "probabilities added": other_sum(lambda so_far, p: math.exp(so_far) + math.exp(p)),
        "the mean of both probabilities": other_sum(lambda so_far, p: (math.exp(so_far) + math.exp(p)) / 2),
        "the smaller of both": other_sum(lambda so_far, p: min(so_far, p)),
        "the logarithm times the probability": other_sum(lambda so_far, p: so_far * math.exp(p)),
        "the best beams first": best_beams_first,
        "the best beam alone": lambda log_p, next_log_p, width: best_beams_first(log_p, next_log_p, width)[:1],
        "by beam and token": lambda log_p, next_log_p, width: sorted(continuations_with()(log_p, next_log_p, width)),
        "as many as there are beams": lambda log_p, next_log_p, width: continuations_with()(
            log_p, next_log_p, len(log_p)
        ),
        "with their log P": lambda log_p, next_log_p, width: [
            (log_p[beam] + next_log_p[beam][token], beam, token)
            for beam, token in continuations_with()(log_p, next_log_p, width)
        ],
        "places in one long row": lambda log_p, next_log_p, width: [
            beam * len(next_log_p[beam]) + token for beam, token in continuations_with()(log_p, next_log_p, width)
        ],
    },
    "translate.clipped_precision": {
        "not clipped": precision_with(common=lambda a, b: sum(n for gram, n in a.items() if gram in b)),
        "kinds": precision_with(common=lambda a, b: len(a & b), total=lambda a, b: len(a)),
        "kinds of all": precision_with(common=lambda a, b: len(a & b)),
        "recall": precision_with(total=lambda a, b: sum(b.values())),
        "words as total": lambda said, reference, n: (precision_with()(said, reference, n)[0], len(said)),
        "in the text": as_text,
        "n-grams without blanks": joined(""),
        "small letters": lambda said, reference, n: precision_with()(
            [w.lower() for w in said], [w.lower() for w in reference], n
        ),
        "at the same place": at_the_same_place,
        "one n-gram too few": lambda said, reference, n: precision_with()(said[:-1], reference[:-1], n),
        "at least one": lambda said, reference, n: (
            precision_with()(said, reference, n)[0],
            max(precision_with()(said, reference, n)[1], 1),
        ),
        "all up to n": lambda said, reference, n: tuple(
            map(sum, zip(*(precision_with()(said, reference, k) for k in range(1, n + 1)), strict=True))
        ),
        "the quotient": lambda said, reference, n: (
            precision_with()(said, reference, n)[0] / (precision_with()(said, reference, n)[1] or 1)
        ),
    },
    "translate.brevity_penalty": {
        "rewards length": lambda c, r: math.exp(1 - r / c) if c else 0.0,
        "exchanged": lambda c, r: min(1.0, math.exp(1 - c / r)),
        "ratio": lambda c, r: min(1.0, c / r),
        "no 1": lambda c, r: min(1.0, math.exp(-r / c)) if c else 0.0,
        "the other sign": lambda c, r: min(1.0, math.exp(r / c - 1)) if c else 0.0,
        "zero not thought of": lambda c, r: min(1.0, math.exp(1 - r / c)),
        "nothing for nothing": lambda c, r: 1.0 if c >= r else math.exp(1 - r / c) if c else 0.0,
        "whole numbers": lambda c, r: min(1.0, math.exp(1 - r // c)) if c else 0.0,
        "a power of 2": lambda c, r: min(1.0, 2 ** (1 - r / c)) if c else 0.0,
        "0 for what is longer": lambda c, r: (math.exp(1 - r / c) if c <= r else 0.0) if c else 0.0,
        "absolute": lambda c, r: math.exp(-abs(1 - r / c)) if c else 0.0,
        "a straight line": lambda c, r: max(0.0, min(1.0, 2 - r / c)) if c else 0.0,
        "the difference": lambda c, r: min(1.0, math.exp(c - r)) if c else 0.0,
    },
    "translate.error_rate": {
        "what is right": lambda a, s, p: 1 - error_with()(a, s, p),
        "sure ones not possible": error_with(possible=lambda s, p: p),
        "possible ones forgotten": error_with(possible=lambda s, p: s),
        "no brackets": lambda a, s, p: 1 - (len(a & s) + len(a & s | p)) / (len(a) + len(s)),
        "union": error_with(size=lambda a, s, p: len(a | s)),
        "all must be found": error_with(size=lambda a, s, p: len(a) + len(s | p)),
        "sure ones counted again": lambda a, s, p: 1 - (2 * len(a & s) + len(a & p)) / (len(a) + len(s)),
        "possible without sure": lambda a, s, p: 1 - (len(a & s) + len(a & (p - s))) / (len(a) + len(s)),
        "either alone": lambda a, s, p: 1 - (len(a & s) + len(a & (s ^ p))) / (len(a) + len(s)),
        "the mean of two shares": lambda a, s, p: (
            1 - (len(a & s) / max(len(s), 1) + len(a & (s | p)) / max(len(a), 1)) / 2
        ),
        "precision alone": lambda a, s, p: 1 - len(a & (s | p)) / max(len(a), 1),
        "recall alone": lambda a, s, p: 1 - len(a & s) / max(len(s), 1),
        "0 when nothing is proposed": lambda a, s, p: error_with()(a, s, p) if a else 0.0,
    },
    "translate.wins": {
        "ties lost": wins_with(tie=0.0),
        "ties won": wins_with(tie=1.0),
        "B's wins": wins_with(swapped=True, tie=0.5),
        "a count": wins_with(share=False),
        "each sentence once": wins_with(chosen=lambda sample: sorted(set(sample))),
        "means of sentences": mean_of_sentences,
        "samples ignored": lambda score, a, b, references, samples: float(score(a, references) > score(b, references)),
        "arguments of the score exchanged": lambda score, a, b, references, samples: wins_with()(
            lambda said, right: score(right, said), a, b, references, samples
        ),
        "all references": lambda score, a, b, references, samples: wins_with()(
            lambda said, right: score(said, (references * 9)[: len(said)]), a, b, references, samples
        ),
        "the mean margin": lambda score, a, b, references, samples: (
            sum(
                score([a[i] for i in s], [references[i] for i in s])
                - score([b[i] for i in s], [references[i] for i in s])
                for s in samples
            )
            / len(samples)
        ),
        "the majority": lambda score, a, b, references, samples: float(
            round(wins_with()(score, a, b, references, samples))
        ),
        "samples without ties": lambda score, a, b, references, samples: (
            wins_with(tie=0.0)(score, a, b, references, samples)
            / (
                (
                    wins_with(tie=0.0)(score, a, b, references, samples)
                    + wins_with(tie=0.0)(score, b, a, references, samples)
                )
                or 1
            )
        ),
        "the first sample": lambda score, a, b, references, samples: wins_with()(score, a, b, references, samples[:1]),
        "scores cut to whole numbers": lambda score, a, b, references, samples: wins_with()(
            lambda said, right: int(score(said, right)), a, b, references, samples
        ),
    },
}
