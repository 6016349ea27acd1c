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


WRONG = {
    "translate.least_loss": {
        "no smoothing": lambda epsilon, size: 0.0,
        "the right token alone": lambda epsilon, size: -math.log(1 - epsilon + epsilon / size),
        "the others forgotten": entropy_with(others=lambda e, v: 0),
        "one too many": entropy_with(others=lambda e, v: v),
        "the right one without its part": entropy_with(right=lambda e, v: 1 - e),
        "in bits": entropy_with(unit=math.log(2)),
        "the gap": lambda epsilon, size: math.log(1 + (1 - epsilon) * size / epsilon) if epsilon else 0.0,
    },
    "translate.paper_rate": {
        "no size": lambda step, size, warm: min(step**-0.5, step * warm**-1.5),
        "size the wrong way": lambda step, size, warm: size**0.5 * min(step**-0.5, step * warm**-1.5),
        "max": lambda step, size, warm: size**-0.5 * max(step**-0.5, step * warm**-1.5),
        "no rise": lambda step, size, warm: size**-0.5 * step**-0.5,
        "no fall": lambda step, size, warm: size**-0.5 * step * warm**-1.5,
        "the share of the largest": lambda step, size, warm: min(step / warm, (warm / step) ** 0.5),
        "wrong power": lambda step, size, warm: size**-0.5 * min(step**-0.5, step * warm**-0.5),
    },
    "translate.best_continuations": {
        "beams forgotten": continuations_with(key=lambda so_far, p: p),
        "exchanged": continuations_with(pair=lambda beam, token: (token, beam)),
        "worst first": continuations_with(reverse=False),
        "each beam goes on": each_goes_on,
        "multiplied": continuations_with(key=lambda so_far, p: so_far * p),
        "the unlikeliest": continuations_with(key=lambda so_far, p: -so_far - p),
        "all kept": lambda log_p, next_log_p, width: continuations_with()(log_p, next_log_p, 99),
    },
    "translate.clipped_precision": {
        "not clipped": precision_with(common=lambda a, b: sum(n for gram, n in a.items() if gram in b)),
        "kinds": precision_with(common=lambda a, b: len(a & b), total=lambda a, b: len(a)),
        "kinds of all": precision_with(common=lambda a, b: len(a & b)),
        "recall": precision_with(total=lambda a, b: sum(b.values())),
        "words as total": lambda said, reference, n: (precision_with()(said, reference, n)[0], len(said)),
    },
    "translate.brevity_penalty": {
        "rewards length": lambda c, r: math.exp(1 - r / c) if c else 0.0,
        "exchanged": lambda c, r: min(1.0, math.exp(1 - c / r)),
        "ratio": lambda c, r: min(1.0, c / r),
        "no 1": lambda c, r: min(1.0, math.exp(-r / c)) if c else 0.0,
        "the other sign": lambda c, r: min(1.0, math.exp(r / c - 1)) if c else 0.0,
        "zero not thought of": lambda c, r: min(1.0, math.exp(1 - r / c)),
    },
    "translate.error_rate": {
        "what is right": lambda a, s, p: 1 - error_with()(a, s, p),
        "sure ones not possible": error_with(possible=lambda s, p: p),
        "possible ones forgotten": error_with(possible=lambda s, p: s),
        "no brackets": lambda a, s, p: 1 - (len(a & s) + len(a & s | p)) / (len(a) + len(s)),
        "union": error_with(size=lambda a, s, p: len(a | s)),
        "all must be found": error_with(size=lambda a, s, p: len(a) + len(s | p)),
    },
    "translate.wins": {
        "ties lost": wins_with(tie=0.0),
        "ties won": wins_with(tie=1.0),
        "B's wins": wins_with(swapped=True, tie=0.5),
        "a count": wins_with(share=False),
        "each sentence once": wins_with(chosen=lambda sample: sorted(set(sample))),
        "means of sentences": mean_of_sentences,
        "samples ignored": lambda score, a, b, references, samples: float(score(a, references) > score(b, references)),
    },
}
