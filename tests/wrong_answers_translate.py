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


def beams_with(
    key=lambda text: text,
    grow=lambda log_p, p: log_p + p,
    kept=lambda grown, ended, width: [text for text in grown if text not in ended][:width],
    pool=lambda grown, width: grown[:width],
    cut=True,
    last=True,
    count=lambda text, end: len(text),
    score=lambda log_p, length, penalty: log_p / ((5 + length) / 6) ** penalty,
    stop=lambda finished, width: False,
    reverse=True,
    one_each=False,
    pair=lambda score, text: (score, text),
):
    """The search with one thing changed."""

    def beam_search(next_log_p, width, end, max_tokens, length_penalty):
        beams, finished = [(0.0, [])], []
        for length in range(1, max_tokens + 1):
            parts = [[(grow(p, more), [*text, i]) for i, more in enumerate(next_log_p(text))] for p, text in beams]
            parts = [[max(part)] for part in parts] if one_each else parts
            grown = sorted((text for part in parts for text in part), key=key, reverse=True)
            ended = [text for text in grown if text[1][-1] == end]
            for p, text in pool(grown, width):
                if text[-1] == end or (last and length == max_tokens):
                    finished.append((score(p, count(text, end), length_penalty), text))
            beams = kept(grown, ended, width)
            if stop(finished, width):
                break
        found = [pair(*text) for text in sorted(finished, reverse=reverse)]
        return found[:width] if cut else found

    return beam_search


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


def risk_with(score, choose=max, candidates=lambda candidates, samples: candidates):
    def least_risk(given, samples, utility):
        return choose(candidates(given, samples), key=lambda one: score(one, samples, utility))

    return least_risk


def of_all(utility, one, samples):
    return sum(utility(one, sample) for sample in samples)


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
    "translate.beam_search": {
        "greedy": lambda next_log_p, width, *rest: beams_with()(next_log_p, 1, *rest),
        "what came before forgotten": beams_with(grow=lambda log_p, p: p),
        "probabilities": beams_with(grow=lambda log_p, p: math.exp(log_p) * math.exp(p)),
        "multiplied logarithms": beams_with(grow=lambda log_p, p: (log_p or -1) * -p),
        "each goes on alone": beams_with(one_each=True),
        "an ended one goes on": beams_with(kept=lambda grown, ended, width: grown[:width]),
        "an ended one takes a place": beams_with(
            kept=lambda grown, ended, width: [text for text in grown[:width] if text not in ended]
        ),
        "all that end": beams_with(pool=lambda grown, width: grown),
        "unfinished ones dropped": beams_with(last=False),
        "the end not counted": beams_with(count=lambda text, end: len(text) - (text[-1] == end)),
        "all returned": beams_with(cut=False),
        "the worst first": beams_with(reverse=False),
        "no length penalty": beams_with(score=lambda log_p, length, penalty: log_p),
        "divided by the length": beams_with(score=lambda log_p, length, penalty: log_p / length**penalty),
        "the penalty multiplied": beams_with(
            score=lambda log_p, length, penalty: log_p * ((5 + length) / 6) ** penalty
        ),
        "the penalty's power forgotten": beams_with(score=lambda log_p, length, penalty: log_p / ((5 + length) / 6)),
        "a penalty that is taken off": beams_with(score=lambda log_p, length, penalty: log_p - penalty * length),
        "stops at the first end": beams_with(stop=lambda finished, width: finished),
        "stops when enough have ended": beams_with(stop=lambda finished, width: len(finished) >= width),
        "the unlikeliest": beams_with(key=lambda text: -text[0]),
        "tokens and score exchanged": beams_with(pair=lambda score, text: (text, score)),
        "tokens alone": beams_with(pair=lambda score, text: text),
        "without the end": lambda next_log_p, width, end, *rest: [
            (score, [token for token in text if token != end])
            for score, text in beams_with()(next_log_p, width, end, *rest)
        ],
        "the best alone": lambda *given: beams_with()(*given)[:1],
        "one step too few": lambda next_log_p, width, end, max_tokens, penalty: beams_with()(
            next_log_p, width, end, max_tokens - 1, penalty
        ),
        "one beam too many": lambda next_log_p, width, *rest: beams_with()(next_log_p, width + 1, *rest)[:width],
    },
    "translate.least_risk": {
        "the most frequent sample": risk_with(lambda one, samples, utility: samples.count(one)),
        "exchanged": risk_with(lambda one, samples, utility: sum(utility(sample, one) for sample in samples)),
        "each sample once": risk_with(lambda one, samples, utility: of_all(utility, one, set(samples))),
        "the best match": risk_with(lambda one, samples, utility: max(utility(one, sample) for sample in samples)),
        "the worst match": risk_with(lambda one, samples, utility: min(utility(one, sample) for sample in samples)),
        "the most risk": risk_with(lambda one, samples, utility: of_all(utility, one, samples), choose=min),
        "itself left out": risk_with(
            lambda one, samples, utility: of_all(utility, one, [sample for sample in samples if sample != one])
        ),
        "against the candidates": lambda candidates, samples, utility: max(
            candidates, key=lambda one: of_all(utility, one, candidates)
        ),
        "the best sample": risk_with(
            lambda one, samples, utility: of_all(utility, one, samples), candidates=lambda candidates, samples: samples
        ),
        "the first candidate": lambda candidates, samples, utility: candidates[0],
        "the utility itself": lambda candidates, samples, utility: max(
            of_all(utility, one, samples) / len(samples) for one in candidates
        ),
        "its number": lambda candidates, samples, utility: max(
            range(len(candidates)), key=lambda i: of_all(utility, candidates[i], samples)
        ),
        "the last of equals": lambda candidates, samples, utility: max(
            candidates[::-1], key=lambda one: of_all(utility, one, samples)
        ),
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
