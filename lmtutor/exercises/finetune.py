"""Exercises of chapter 10."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from lmtutor.exercises.examine import Exercise, compare, same


def _told(known: dict, got, tolerance: float = 1e-9) -> str:
    """The remark on the first known wrong value that came; the keys may be tuples."""
    return next((remark for value, remark in known.items() if same(value, got, tolerance)), "")


def new_parameters(hidden_size: int, num_labels: int) -> int:
    """A weight for each number of the vector and a bias, for each class."""
    return num_labels * (hidden_size + 1)


def _remark_new_parameters(arguments, expected, got):
    hidden, labels = arguments
    return _told(
        {
            hidden * labels: "Each class has a bias, too.",
            hidden + 1: "Each class has weights of its own.",
            hidden * labels + 1: "Each class has a bias of its own.",
            expected + hidden * (hidden + 1): "The pooler comes with the pretrained model: it is not new.",
        },
        got,
    )


def rate(done: int, steps: int, warm_up_steps: int, peak: float) -> float:
    """The lower of the line that rises and the line that falls."""
    return peak * min((done + 1) / warm_up_steps, (steps - done) / (steps - warm_up_steps))


def _remark_rate(arguments, expected, got):
    done, steps, warm_up, peak = arguments
    rise, fall = (done + 1) / warm_up, (steps - done) / (steps - warm_up)
    return _told(
        {
            peak * max(rise, fall): "The lower of the two lines counts.",
            peak * rise: "After the warm-up the rate falls.",
            peak * fall: "It begins with a warm-up.",
            peak * done / warm_up: "The first update (done = 0) has the rate peak / warm_up_steps, not 0.",
            peak * min(rise, 1.0): "After the warm-up it falls, and so reaches 0 when all steps are done.",
            peak * min(rise, (steps - done) / steps): "The fall begins where the warm-up ends.",
            min(rise, fall): "That is the share of the peak.",
        },
        got,
    )


def stop_early(losses: list[float], patience: int) -> tuple[int, int]:
    """Go through the losses, and count how many in a row brought nothing better."""
    best, waited = 0, 0
    for i, loss in enumerate(losses):
        if i == 0 or loss < losses[best]:
            best, waited = i, 0
        else:
            waited += 1
        if waited == patience:
            return i + 1, best
    return len(losses), best


def _remark_stop_early(arguments, expected, got):
    losses, patience = arguments
    rows, best = got
    if (best, rows) == expected:
        return "The number of losses comes first, then the index."
    lowest = min(range(len(losses)), key=losses.__getitem__)
    waited, ends = 0, len(losses)  # for who compares with the loss before
    for i in range(1, len(losses)):
        waited = waited + 1 if losses[i] >= losses[i - 1] else 0
        if waited == patience:
            ends = i + 1
            break
    if rows == ends != expected[0] and patience > 1:
        return "Compare each loss with the lowest so far, not with the one before."
    if rows == len(losses) > expected[0]:
        return "Training stops when `patience` losses in a row were no better: later losses are never seen."
    if best == lowest != expected[1]:
        return "The lowest loss of all comes after the stop, so it is never seen."
    if rows == expected[0] and best == rows - 1 != expected[1]:
        return "The weights to keep are those with the lowest loss, not the last ones."
    if rows == expected[0] - 1 and best == expected[1]:
        return "How many losses were measured: the last one counts, too."
    return ""


def windows(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Each window begins where the one before ends, less the overlap."""
    found = [(0, min(size, length))]
    while found[-1][1] < length:
        start = found[-1][1] - overlap
        found.append((start, min(start + size, length)))
    return found


def _remark_windows(arguments, expected, got):
    length, size, overlap = arguments
    got = [tuple(pair) for pair in got]
    covered = {i for start, end in got for i in range(start, end)}
    if any(end > length for _, end in got):
        return "The last window ends where the text ends."
    if covered != set(range(length)):
        return "Some pieces are in no window."
    if any(end - start > size for start, end in got):
        return "A window holds `size` pieces at most."
    if got[:-1] == expected:
        return "The text was read to its end already: the last window holds nothing new."
    if any(a[1] - b[0] != overlap for a, b in zip(got, got[1:], strict=False)):
        return "Neighbours share exactly `overlap` pieces, the last two as well."
    return ""


def importance(probability: Callable[[list[str]], float], words: list[str]) -> list[float]:
    """How far the probability falls when one word is left out."""
    whole = probability(words)
    return [whole - probability(words[:i] + words[i + 1 :]) for i in range(len(words))]


def _remark_importance(arguments, expected, got):
    probability, words = arguments
    left_out = [probability(words[:i] + words[i + 1 :]) for i in range(len(words))]
    got = list(got)
    if same([-e for e in expected], got, 1e-9):
        return "The sign: a word that speaks for the class has a positive importance."
    if same(left_out, got, 1e-9):
        return "That is the probability without the word; compare it with that of the whole text."
    if same([probability([word]) for word in words], got, 1e-9):
        return "That is each word alone; leave one out, and keep all others."
    if len(got) != len(words):
        return "One number for each word, in their order; a word may occur twice."
    first = [probability(words[: words.index(w)] + words[words.index(w) + 1 :]) for w in words]
    if same([probability(words) - p for p in first], got, 1e-9):
        return "Leave out the word at *this* place: where a word occurs twice, `remove` and `index` find the first one."
    without = [probability([w for w in words if w != word]) for word in words]
    if same([probability(words) - p for p in without], got, 1e-9):
        return "Leave out the word at one place only, also where the same word stands elsewhere."
    return ""


def _praise(words: list[str]) -> float:
    """Knows that "good" speaks for it, "dull" against it, and "not" turns round the word behind it."""
    score = 0.0
    for i, word in enumerate(words):
        value = {"good": 2.0, "dull": -2.0}.get(word, 0.0)
        score += -value if i and words[i - 1] == "not" else value
    return 1 / (1 + math.exp(-score))


def _short_is_good(words: list[str]) -> float:
    """1 / (1 + the number of words)."""
    return 1 / (1 + len(words))


def seeds_needed(difference: float, spread: float) -> int:
    """The smallest number for which the difference is at least twice its standard error."""
    n = 2
    while difference < 2 * spread * math.sqrt(2 / n):
        n += 1
    return n


def _remark_seeds_needed(arguments, expected, got):
    difference, spread = arguments

    def smallest(error):
        return next(n for n in range(2, 10**6) if difference >= error(n))

    return _told(
        {
            smallest(lambda n: 2 * spread / math.sqrt(n)): "Both means are uncertain, so their variances add.",
            smallest(lambda n: spread * math.sqrt(2 / n)): "Twice the standard error was asked for.",
            8 * spread**2 / difference**2: "Seeds are whole; round up.",
            1: "With one seed there is no spread to compare with: at least 2.",
        },
        got,
    )


def parameter_groups(names: list[str], peak: float, factor: float, decay: float) -> list[tuple[float, float]]:
    """For each name its learning rate, smaller by `factor` with each layer down, and its weight decay."""
    layers = [re.match(r"bert\.encoder\.layers\.(\d+)\.", name) for name in names]
    numbers = [int(found[1]) if found else None for found in layers]
    n = max((number for number in numbers if number is not None), default=-1) + 1
    groups = []
    for name, number in zip(names, numbers, strict=True):
        down = n - number if number is not None else n + 1 if name.startswith("bert.embedding") else 0
        groups.append((peak * factor**down, 0.0 if name.endswith(".bias") or ".norm." in name else decay))
    return groups


def _remark_parameter_groups(arguments, expected, got):
    names, peak, factor, decay = arguments
    try:
        pairs = [(float(rate), float(lost)) for rate, lost in got]
    except (TypeError, ValueError):
        return "A list is wanted, with a pair for each name: (learning rate, weight decay)."
    if len(pairs) != len(names):
        return "A pair for each name is wanted, in their order."
    rates, decays = ([pair[i] for pair in expected] for i in (0, 1))
    if same([pair[1] for pair in pairs], rates, 1e-12) and not same(rates, decays, 1e-12):
        return "The learning rate comes first, then the weight decay."
    for name, (rate, lost), (right, right_decay) in zip(names, pairs, expected, strict=True):
        if not same(rate, right, 1e-12):
            if same(rate * factor, right, 1e-12):
                below = "embeddings are a step below layer 0" if "embedding" in name else "the top layer is a step down"
                return f"One step too few for {name!r}: {below}."
            return f"Look at the learning rate of {name!r}."
        if not same(lost, right_decay, 1e-12):
            return f"Look at the weight decay of {name!r}."
    return ""


def _parameters_of(layers: list[int], parts: tuple[str, ...] = ("attention.query", "residuals.0.norm")) -> list[str]:
    """Names such as a BertClassifier's with these layers has."""
    names = ["bert.embedding.tokens.weight", "bert.embedding.norm.weight", "bert.embedding.norm.bias"]
    for i in layers:
        names += [f"bert.encoder.layers.{i}.{part}.{kind}" for part in parts for kind in ("weight", "bias")]
    return [*names, "bert.pooler.weight", "bert.pooler.bias", "classifier.weight", "classifier.bias"]


EXERCISES = {
    "new_parameters": Exercise(
        "The head is one linear layer: a matrix of num_labels rows, and a bias for each row.",
        compare(new_parameters, [(3, 2), (128, 2), (768, 5)], remark=_remark_new_parameters),
    ),
    "seeds_needed": Exercise(
        "The mean of n numbers has a variance of spread² / n. The variances of two independent means add up.",
        compare(
            seeds_needed,
            [(2.0, 1.0), (1.0, 1.0), (10.0, 0.5), (1.5, 2.0), (0.5, 1.1), (0.125, 1.0), (1.0, 0.0)],
            remark=_remark_seeds_needed,
        ),
    ),
    "rate": Exercise(
        "Two straight lines: one that reaches the peak after warm_up_steps updates, one that reaches 0 after all. "
        "Take the lower one.",
        compare(
            rate,
            [
                *[(0, 10, 2, 1.0), (1, 10, 2, 1.0), (2, 10, 2, 1.0), (9, 10, 2, 1.0), (50, 625, 62, 1e-3)],
                *[(3, 5, 4, 1.0), (0, 3, 1, 0.5), (7, 10, 2, 2.0)],
            ],
            tolerance=1e-9,
            remark=_remark_rate,
        ),
    ),
    "stop_early": Exercise(
        "Keep the place of the lowest loss so far and a counter; a better loss sets the counter to 0.",
        compare(
            stop_early,
            [
                ([0.5], 1),
                ([0.6, 0.5, 0.7], 2),
                ([0.6, 0.5, 0.7, 0.4], 1),
                ([0.6, 0.5, 0.7, 0.6, 0.4, 0.3], 2),
                ([0.7, 0.5, 0.6, 0.55, 0.52, 0.4, 0.45, 0.5], 3),
                ([0.5, 0.5, 0.5, 0.4], 2),  # an equal loss is no better one
                ([2.0, 1.5, 1.8, 1.9], 2),
                ([0.50001, 0.5, 0.6, 0.7], 2),
                ([0.505, 0.5, 0.6, 0.7], 2),
                ([-0.5, -0.25, -0.75], 1),
                ([0.6, 0.7, 0.5, 0.6, 0.4], 2),  # a better one sets the counter back
            ],
            remark=_remark_stop_early,
        ),
    ),
    "importance": Exercise(
        "words[:i] + words[i + 1 :] is the text without the word at place i.",
        compare(
            importance,
            [
                (_praise, []),
                (_praise, ["good"]),
                (_praise, ["not", "good"]),
                (_praise, ["good", "food", "good"]),
                (_praise, ["good", "not", "good"]),  # which of the two is left out matters
                (_short_is_good, ["a", "b", "c"]),
                (_praise, ["the", "film", "was", "not", "dull"]),
            ],
            remark=_remark_importance,
        ),
    ),
    "parameter_groups": Exercise(
        "Find the layer's number in the name with a regular expression; n is the largest one plus 1. The exponent of "
        "`factor` is n - i in layer i, n + 1 in the embeddings, and 0 above the layers.",
        compare(
            parameter_groups,
            [
                (["classifier.bias"], 0.5, 0.5, 0.25),
                (["classifier.weight"], 0.5, 0.5, 0.25),
                (_parameters_of([0]), 1.0, 0.5, 0.25),
                (_parameters_of([0, 1]), 0.5, 0.5, 0.01),
                (_parameters_of([1, 0, 2]), 2e-4, 0.8, 0.1),
                (_parameters_of(list(range(12)), ("feed_forward.inner",)), 1.0, 0.9, 0.01),
                (["bert.embedding.positions.weight", "bert.pooler.weight"], 1.0, 0.5, 0.1),
            ],
            tolerance=1e-12,
            remark=_remark_parameter_groups,
        ),
    ),
    "windows": Exercise(
        "Begin with (0, size), cut at the end of the text. While the last window ends before the text does, the next "
        "one begins `overlap` before its end.",
        compare(
            windows,
            [
                *[(5, 10, 2), (10, 10, 2), (12, 10, 2), (20, 10, 2), (26, 10, 2), (9, 3, 0), (1300, 510, 128)],
                *[(2, 10, 2), (1, 10, 4), (5, 3, 2), (11, 10, 2), (3, 1, 0)],
            ],
            remark=_remark_windows,
        ),
    ),
}
