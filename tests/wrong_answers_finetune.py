"""Plausible wrong answers to the exercises of chapter 10."""

import math
import re


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


def stop_from(begin, window=False):
    """Early stopping whose lowest loss begins at a number."""

    def stop_early(losses, patience):
        lowest, best, waited = begin, 0, 0
        for i, loss in enumerate(losses):
            if loss < lowest:
                lowest, best, waited = loss, i, 0
            else:
                waited += 1
            if waited == patience:
                return i + 1, best
        return len(losses), best

    return stop_early


def against_patience_before(losses, patience):
    for i in range(patience, len(losses)):
        if losses[i] >= losses[i - patience]:
            return i + 1, min(range(i + 1), key=losses.__getitem__)
    return len(losses), min(range(len(losses)), key=losses.__getitem__)


def begun_before_the_overlap(length, size, overlap):
    """A window for each start before the last overlap: a text no longer than that gets none."""
    return [(start, min(start + size, length)) for start in range(0, length - overlap, size - overlap)]


def evenly(length, size, overlap):
    """As many windows as are needed, spread evenly."""
    number = max(1, math.ceil((length - overlap) / (size - overlap)))
    starts = [round(i * (length - size) / max(number - 1, 1)) for i in range(number)]
    return [(max(start, 0), min(start + size, length)) for start in starts]


def groups_with(
    down=lambda n, i: n - i,
    embedding=lambda n: n + 1,
    plain=lambda name: name.endswith(".bias") or ".norm." in name,
    rate=lambda peak, factor, down: peak * factor**down,
    pattern=r"bert\.encoder\.layers\.(\d+)\.",
    layers=None,
):
    """A right answer with one thing done differently."""

    def parameter_groups(names, peak, factor, decay):
        numbers = {name: int(found[1]) for name in names if (found := re.match(pattern, name))}
        n = layers or max(numbers.values(), default=-1) + 1
        groups = []
        for name in names:
            steps = down(n, numbers[name]) if name in numbers else embedding(n) if "bert.embedding" in name else 0
            groups.append((rate(peak, factor, steps), 0.0 if plain(name) else decay))
        return groups

    return parameter_groups


WRONG = {
    "finetune.new_parameters": {
        "no biases": lambda hidden_size, num_labels: hidden_size * num_labels,
        "one class": lambda hidden_size, num_labels: hidden_size + 1,
        "one bias": lambda hidden_size, num_labels: hidden_size * num_labels + 1,
        "the pooler, too": lambda hidden_size, num_labels: (hidden_size + 1) * (hidden_size + num_labels),
        "one more of both": lambda hidden_size, num_labels: (hidden_size + 1) * (num_labels + 1),
        "two classes": lambda hidden_size, num_labels: 2 * (hidden_size + 1),
        "one class less": lambda hidden_size, num_labels: (num_labels - 1) * (hidden_size + 1),
        "biases of the vector's size": lambda hidden_size, num_labels: hidden_size * (num_labels + 1),
    },
    "finetune.rate": {
        "the higher line": lambda d, n, w, peak: peak * max(rise_of(d, w), fall_of(d, n, w)),
        "only rises": lambda d, n, w, peak: peak * rise_of(d, w),
        "only falls": lambda d, n, w, peak: peak * fall_of(d, n, w),
        "begins at 0": lambda d, n, w, peak: peak * min(d / w, fall_of(d, n, w)),
        "stays up": lambda d, n, w, peak: peak * min(rise_of(d, w), 1.0),
        "falls from the start": lambda d, n, w, peak: peak * min(rise_of(d, w), (n - d) / n),
        "a share": lambda d, n, w, peak: min(rise_of(d, w), fall_of(d, n, w)),
        "0 at the last update": lambda d, n, w, peak: peak * min(rise_of(d, w), (n - d - 1) / (n - w)),
        "falls one update early": lambda d, n, w, peak: peak * min(rise_of(d, w), (n - d) / (n - w + 1)),
        "a cosine": lambda d, n, w, peak: (
            peak * rise_of(d, w) if d < w else peak * (1 + math.cos(math.pi * (d - w) / (n - w))) / 2
        ),
        "a tenth of the steps": lambda d, n, w, peak: (
            peak * min(rise_of(d, max(n // 10, 1)), fall_of(d, n, max(n // 10, 1)))
        ),
        "no division by one": lambda d, n, w, peak: peak * min(d / max(w - 1, 1), fall_of(d, n, w)),
        "whole shares": lambda d, n, w, peak: peak * min((d + 1) // w, fall_of(d, n, w)),
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
        "a text in the overlap is dropped": begun_before_the_overlap,
        "short texts are dropped": lambda length, size, overlap: [
            (s, min(s + size, length)) for s in range(0, length - overlap, size - overlap) if length >= size
        ],
        "spread evenly": evenly,
        "filled up": lambda length, size, overlap: [
            (start, start + size) for start in range(0, max(length - overlap, 1), size - overlap)
        ],
        "starts alone": lambda length, size, overlap: [
            start for start in range(0, max(length - overlap, 1), size - overlap)
        ],
        "ends included": lambda length, size, overlap: [
            (start, min(start + size, length) - 1) for start in range(0, max(length - overlap, 1), size - overlap)
        ],
        "lengths, not ends": lambda length, size, overlap: [
            (start, min(size, length - start)) for start in range(0, max(length - overlap, 1), size - overlap)
        ],
        "half a window of overlap": windows_with(step=lambda size, overlap: max(size // 2, 1)),
        "one more than the overlap": windows_with(step=lambda size, overlap: max(size - overlap - 1, 1)),
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
        "from 1.0 down": stop_from(1.0),
        "from 0 down": stop_from(0.0),
        "against the one patience before": against_patience_before,
        "the last of equals": lambda losses, patience: (
            stop_with(lower)(losses, patience)[0],
            max(
                range(stop_with(lower)(losses, patience)[0]),
                key=lambda i: (-losses[i], i),
            ),
        ),
        "one more than patience": lambda losses, patience: stop_with(lower)(losses, patience + 1),
        "one less than patience": lambda losses, patience: stop_with(lower)(losses, max(patience - 1, 1)),
        "the loss itself": lambda losses, patience: (
            stop_with(lower)(losses, patience)[0],
            min(losses[: stop_with(lower)(losses, patience)[0]]),
        ),
        "counted from 1": lambda losses, patience: (
            stop_with(lower)(losses, patience)[0],
            stop_with(lower)(losses, patience)[1] + 1,
        ),
        "better by a hundredth": stop_with(lambda losses, i, best: losses[i] < losses[best] - 0.01),
        "nearly equal is equal": stop_with(lambda losses, i, best: losses[i] < losses[best] - 1e-4),
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
        "replaced by nothing": left_out_with(lambda words, i: [*words[:i], "", *words[i + 1 :]]),
        "replaced by [MASK]": left_out_with(lambda words, i: [*words[:i], "[MASK]", *words[i + 1 :]]),
        "absolute": lambda probability, words: [abs(x) for x in left_out_with(without)(probability, words)],
        "a ratio": lambda probability, words: [
            probability(words) / probability(without(words, i)) for i in range(len(words))
        ],
        "shares of the sum": lambda probability, words: (lambda found: [x / (sum(found) or 1) for x in found])(
            left_out_with(without)(probability, words)
        ),
        "without all that follow": left_out_with(lambda words, i: words[:i]),
        "without all before": left_out_with(lambda words, i: words[i + 1 :]),
        "left out for good": lambda probability, words: [
            probability(words[i:]) - probability(words[i + 1 :]) for i in range(len(words))
        ],
        "against a text of no words": lambda probability, words: [
            probability([word]) - probability([]) for word in words
        ],
    },
    "finetune.seeds_needed": {
        "one mean alone": seeds_with(lambda s, n: 2 * s / math.sqrt(n)),
        "one standard error": seeds_with(lambda s, n: s * math.sqrt(2 / n)),
        "not rounded": lambda difference, spread: max(2, 8 * spread**2 / difference**2),
        "the spread itself": seeds_with(lambda s, n: 2 * s * math.sqrt(2) / n),
        "one will do": lambda difference, spread: 1,
        "more than twice": lambda difference, spread: next(
            n for n in range(2, 10**6) if difference > 2 * spread * math.sqrt(2 / n)
        ),
        "rounded": lambda difference, spread: max(2, round(8 * spread**2 / difference**2)),
        "rounded down": lambda difference, spread: max(2, int(8 * spread**2 / difference**2)),
        "one more": lambda difference, spread: max(2, int(8 * spread**2 / difference**2) + 1),
        "a hundred at most": lambda difference, spread: next(
            (n for n in range(2, 100) if difference >= 2 * spread * math.sqrt(2 / n)), 100
        ),
        "at least 1": lambda difference, spread: max(1, math.ceil(8 * spread**2 / difference**2)),
        "at least 3": lambda difference, spread: max(3, math.ceil(8 * spread**2 / difference**2)),
        "standard deviations of samples": seeds_with(lambda s, n: 2 * s * math.sqrt(2 / (n - 1))),
    },
    "finetune.parameter_groups": {
        "one rate for all": groups_with(down=lambda n, i: 0),
        "the top layer with the peak": groups_with(down=lambda n, i: n - 1 - i),
        "counted from below": groups_with(down=lambda n, i: i + 1),
        "the embeddings with the lowest layer": groups_with(embedding=lambda n: n),
        "the embeddings with the peak": groups_with(embedding=lambda n: 0),
        "decay for biases, too": groups_with(plain=lambda name: ".norm." in name),
        "decay for norms, too": groups_with(plain=lambda name: name.endswith(".bias")),
        "no decay at all": groups_with(plain=lambda name: True),
        "decay for biases and norms alone": groups_with(
            plain=lambda name: not (name.endswith(".bias") or ".norm." in name)
        ),
        "times the layer, not to its power": groups_with(rate=lambda peak, factor, down: peak * factor * max(down, 1)),
        "one digit": groups_with(pattern=r"bert\.encoder\.layers\.(\d)"),
        "decay first": lambda *arguments: [pair[::-1] for pair in groups_with()(*arguments)],
        "two layers": groups_with(layers=2),
        "the rates alone": lambda *arguments: [rate for rate, _ in groups_with()(*arguments)],
    },
}
