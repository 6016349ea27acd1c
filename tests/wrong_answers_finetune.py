"""Plausible wrong answers to the exercises of chapter 10."""

import math


def rise_of(done, warm_up):
    return (done + 1) / warm_up


def fall_of(done, steps, warm_up):
    return (steps - done) / (steps - warm_up)


def stop_with(better, keep="best", counted=1, patient=True):
    """Early stopping with one thing done differently."""

    def stop_early(losses, patience):
        best, waited = 0, 0
        for i in range(len(losses)):
            if i == 0 or better(losses, i, best):
                best, waited = i, 0
            else:
                waited += 1
            if patient and waited == patience:
                return i + counted, i if keep == "last" else best
        return len(losses), min(range(len(losses)), key=losses.__getitem__)

    return stop_early


def never_set_back(losses, patience):
    best, waited = 0, 0
    for i, loss in enumerate(losses):
        if loss < losses[best]:
            best = i
        elif i:
            waited += 1
        if waited == patience:
            return i + 1, best
    return len(losses), best


def lower(losses, i, best):
    return losses[i] < losses[best]


def windows_with(step=lambda size, overlap: size - overlap, cut=True, more=lambda start, end, length: end < length):
    """Windows with one thing done differently."""

    def windows(length, size, overlap):
        found, start = [], 0
        while not found or more(start, found[-1][1], length):
            found.append((start, min(start + size, length) if cut else start + size))
            start += step(size, overlap)
        return found

    return windows


def whole_windows_alone(length, size, overlap):
    return [(start, start + size) for start in range(0, length - size + 1, size - overlap)] or [(0, length)]


def left_out_with(change, order=1):
    def importance(probability, words):
        whole = probability(words)
        return [order * (whole - probability(change(words, i))) for i in range(len(words))]

    return importance


def without(words, i):
    return words[:i] + words[i + 1 :]


def seeds_with(error):
    def seeds_needed(difference, spread):
        n = 2
        while difference < error(spread, n):
            n += 1
        return n

    return seeds_needed


WRONG = {
    "finetune.new_parameters": {
        "no biases": lambda hidden_size, num_labels: hidden_size * num_labels,
        "one class": lambda hidden_size, num_labels: hidden_size + 1,
        "one bias": lambda hidden_size, num_labels: hidden_size * num_labels + 1,
        "the pooler, too": lambda hidden_size, num_labels: (hidden_size + 1) * (hidden_size + num_labels),
    },
    "finetune.rate": {
        "the higher line": lambda d, n, w, peak: peak * max(rise_of(d, w), fall_of(d, n, w)),
        "only rises": lambda d, n, w, peak: peak * rise_of(d, w),
        "only falls": lambda d, n, w, peak: peak * fall_of(d, n, w),
        "begins at 0": lambda d, n, w, peak: peak * min(d / w, fall_of(d, n, w)),
        "stays up": lambda d, n, w, peak: peak * min(rise_of(d, w), 1.0),
        "falls from the start": lambda d, n, w, peak: peak * min(rise_of(d, w), (n - d) / n),
        "a share": lambda d, n, w, peak: min(rise_of(d, w), fall_of(d, n, w)),
    },
    "finetune.windows": {
        "no overlap": windows_with(step=lambda size, overlap: size),
        "beyond the end": windows_with(cut=False),
        "the rest is lost": whole_windows_alone,
        "one too many": windows_with(more=lambda start, end, length: start < length),
        "a full last window": lambda length, size, overlap: [
            (max(min(start, length - size), 0), min(start + size, length))
            for start in range(0, max(length - overlap, 1), size - overlap)
        ],
        "the overlap is the step": windows_with(step=lambda size, overlap: overlap or size),
    },
    "finetune.stop_early": {
        "an equal one counts as better": stop_with(lambda losses, i, best: losses[i] <= losses[best]),
        "never set back": never_set_back,
        "never stops": stop_with(lower, patient=False),
        "against the one before": stop_with(lambda losses, i, best: losses[i] < losses[i - 1]),
        "keeps the last": stop_with(lower, keep="last"),
        "not counted": stop_with(lower, counted=0),
        "exchanged": lambda losses, patience: stop_with(lower)(losses, patience)[::-1],
        "the lowest of all": lambda losses, patience: (
            stop_with(lower)(losses, patience)[0],
            min(range(len(losses)), key=losses.__getitem__),
        ),
    },
    "finetune.importance": {
        "the other sign": left_out_with(without, order=-1),
        "not compared": lambda probability, words: [probability(without(words, i)) for i in range(len(words))],
        "each word alone": lambda probability, words: [probability([word]) for word in words],
        "the first that is alike": left_out_with(lambda words, i: without(words, words.index(words[i]))),
        "all that are alike": left_out_with(lambda words, i: [w for w in words if w != words[i]]),
        "a dict": lambda probability, words: list(
            {word: probability(words) - probability(without(words, i)) for i, word in enumerate(words)}.values()
        ),
    },
    "finetune.seeds_needed": {
        "one mean alone": seeds_with(lambda s, n: 2 * s / math.sqrt(n)),
        "one standard error": seeds_with(lambda s, n: s * math.sqrt(2 / n)),
        "not rounded": lambda difference, spread: max(2, 8 * spread**2 / difference**2),
        "the spread itself": seeds_with(lambda s, n: 2 * s * math.sqrt(2) / n),
        "one will do": lambda difference, spread: 1,
    },
}
