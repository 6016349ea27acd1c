"""Exercises of chapter 15."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lmtutor.exercises.examine import Exercise, compare, same


def _told(known: dict[str, object], got) -> str:
    """The first remark whose wrong value came."""
    return next((remark for remark, value in known.items() if same(value, got, 1e-9)), "")


def rates(right: list[bool], broken: list[bool]) -> tuple[float, float, float]:
    """Clean accuracy, accuracy under attack, success rate of the attack."""
    clean = sum(right) / len(right)
    robust = sum(r and not b for r, b in zip(right, broken, strict=True)) / len(right)
    return clean, robust, (clean - robust) / clean


def _remark_rates(arguments, expected, got):
    right, broken = arguments
    count, was = len(right), sum(right)
    both = sum(r and b for r, b in zip(right, broken, strict=True))
    clean, robust, success = expected
    return _told(
        {
            "A text that was wrong before counts as wrong in the robust accuracy, broken or not.": (
                clean,
                1 - sum(broken) / count,
                success,
            ),
            "A text that was wrong before is no success of the attack.": (clean, robust, sum(broken) / count),
            "The success rate is a share of the texts that were right, and not of all.": (clean, robust, both / count),
            "A share of the texts that were right: only their breaks count, above the line as below it.": (
                clean,
                robust,
                sum(broken) / was,
            ),
            "Robust accuracy is a share of all texts, as clean accuracy is.": (clean, (was - both) / was, success),
        },
        got,
    )


def single_edits(word: str, letters: str) -> list[str]:
    """All other words that one edit makes, sorted."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    made = {a + b[1:] for a, b in cuts if b}
    made |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    made |= {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    made |= {a + letter + b for a, b in cuts for letter in letters}
    return sorted(made - {word, ""})


def _remark_single_edits(arguments, expected, got):
    word, letters = arguments
    got = list(got)
    if sorted(set(got)) == expected and len(got) > len(expected):
        return "Several edits make the same word; each should stand once."
    if sorted(got) == expected:
        return "They are all there; sort them."
    if set(got) - {""} == set(expected) | {word} or set(got) == set(expected) | {word}:
        return "The word itself is no edit of it."
    if "" in got:
        return "The empty word is no word; leave it out."
    missing = set(expected) - set(got)
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    kinds = {
        "letters left out": {a + b[1:] for a, b in cuts if b},
        "neighbours swapped": {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1},
        "letters replaced": {a + letter + b[1:] for a, b in cuts if b for letter in letters},
        "letters put in": {a + letter + b for a, b in cuts for letter in letters},
    }
    short = [kind for kind, made in kinds.items() if missing & made]
    if missing and short:
        return (
            f"Missing: {', '.join(sorted(missing)[:3])} ({short[0]}). Letters can also stand before and after the word."
        )
    return ""


def hotflip(gradient: list, embeddings: list, ids: list[int]) -> tuple[int, int]:
    """The place, and the other word there, whose exchange raises the loss most to first order."""
    g, table = np.array(gradient), np.array(embeddings)
    score = g @ table.T - (g * table[ids]).sum(axis=1, keepdims=True)
    score[np.arange(len(ids)), ids] = -math.inf
    place, word = np.unravel_index(score.argmax(), score.shape)
    return int(place), int(word)


def _hotflip_with(arguments, own=True, sign=1, other=True):
    g, table, ids = np.array(arguments[0]), np.array(arguments[1]), arguments[2]
    score = sign * (g @ table.T - own * (g * table[ids]).sum(axis=1, keepdims=True))
    if other:
        score[np.arange(len(ids)), ids] = -math.inf
    place, word = np.unravel_index(score.argmax(), score.shape)
    return int(place), int(word)


def _remark_hotflip(arguments, expected, got):
    return _told(
        {
            "The place comes first, then the word.": expected[::-1],
            "That is the exchange that lowers the loss most.": _hotflip_with(arguments, sign=-1),
            "That leaves the text as it is: another word was asked for.": _hotflip_with(arguments, other=False),
            "The old word is taken away as well: its product with the gradient has to be subtracted.": _hotflip_with(
                arguments, own=False
            ),
            "The old word is taken away, and another one must come.": _hotflip_with(arguments, own=False, other=False),
        },
        got,
    )


def steepest(gradients: list[list[float]], epsilon: float) -> list[list[float]]:
    """For each text the shift of length epsilon along its own gradient; 0 where that is 0."""
    shifts = []
    for gradient in gradients:
        size = math.sqrt(sum(g * g for g in gradient))
        shifts.append([epsilon * g / size if size else 0.0 for g in gradient])
    return shifts


def _remark_steepest(arguments, expected, got):
    gradients, epsilon = arguments
    g = np.array(gradients)
    together = (epsilon * g / max(np.linalg.norm(g), 1e-12)).tolist()
    if same(together, got, 1e-9):
        return "Still one length for the whole batch: each text is attacked alone, and may move by epsilon."
    if any(isinstance(x, float) and x != x for row in got for x in row):
        return "Where a gradient is 0 there is no steepest direction: the shift is 0, and not nan."
    if same((epsilon * g / np.maximum(np.abs(g).sum(1, keepdims=True), 1e-12)).tolist(), got, 1e-9):
        return "The length is the root of the sum of squares."
    if same((epsilon * np.sign(g)).tolist(), got, 1e-9):
        return "That is the steepest step if each number alone may move by epsilon; here the length is bounded."
    return ""


def greedy(margin: Callable, words: list[str], choices: dict[str, list[str]], budget: int) -> tuple[list[str], int]:
    """The text that a greedy search ends with, and the queries that it took."""
    text, queries = list(words), 1
    best, changed = margin(text), set()
    while best >= 0:
        tries = [
            (i, [*text[:i], other, *text[i + 1 :]])
            for i, word in enumerate(words)
            if i not in changed
            for other in choices.get(word, [])
        ]
        tries = tries[: budget - queries]
        queries += len(tries)
        found = [(margin(new), number) for number, (_, new) in enumerate(tries)]
        if not found or min(found)[0] >= best:
            break
        best, number = min(found)
        changed.add(tries[number][0])
        text = tries[number][1]
    return text, queries


def _margin_of(weights: dict[str, float], pairs: dict[tuple[str, str], float] | None = None) -> Callable:
    def margin(words: list[str]) -> float:
        """a sum over the words, and over pairs of neighbours"""
        total = sum(weights.get(word, 0.0) for word in words)
        return total + sum((pairs or {}).get(pair, 0.0) for pair in zip(words, words[1:], strict=False))

    return margin


_MILD = _margin_of({"good": 2.1, "fine": 1.03, "nice": 1.57, "film": 0.5, "movie": 0.23, "great": 3.0, "super": 2.45})
_HARSH = _margin_of(
    {"good": 1.0, "fine": 0.53, "ok": -0.21, "film": 0.55, "movie": -0.31, "very": 0.47, "so": 0.26},
    {("fine", "movie"): 0.91, ("so", "ok"): 0.29},
)
_EVEN = _margin_of({"so": 0.5, "what": -0.5, "much": -0.75})
_WRONG_ALREADY = _margin_of({"bad": -1.0, "poor": -2.0})


def _remark_greedy(arguments, expected, got):
    margin, words, choices, budget = arguments
    text, queries = got
    if queries > budget:
        return (
            "That is more than the budget: the unchanged text is a query, too, and of the last round only what is left."
        )
    if list(text) == expected[0]:
        return (
            "The text is right; the queries are not: count each call of margin once, also that of the unchanged text."
        )
    if margin(words) < 0 and list(text) != words:
        return "The model is wrong already: there is nothing to attack."
    if margin(text) > margin(expected[0]):
        return "There is a lower margin to be found within the budget: after an exchange, go on with the other places."
    return ""


def interval(weights: list, bias: list, low: list, high: list) -> tuple[list, list]:
    """Least and largest value of each output of a linear layer, if each input lies between low and high."""
    w, b, least, most = (np.array(x, dtype=float) for x in (weights, bias, low, high))
    centre, radius = w @ (least + most) / 2 + b, np.abs(w) @ (most - least) / 2
    return (centre - radius).tolist(), (centre + radius).tolist()


def _remark_interval(arguments, expected, got):
    w, b, least, most = (np.array(x, dtype=float) for x in arguments)
    return _told(
        {
            "With a negative weight the largest input gives the smallest output: look at the signs.": (
                (w @ least + b).tolist(),
                (w @ most + b).tolist(),
            ),
            "The least values come first.": expected[::-1],
            "The bias is missing.": ((np.array(expected[0]) - b).tolist(), (np.array(expected[1]) - b).tolist()),
            "The radius is half the width.": (
                (w @ (least + most) / 2 + b - np.abs(w) @ (most - least)).tolist(),
                (w @ (least + most) / 2 + b + np.abs(w) @ (most - least)).tolist(),
            ),
            "The radius of the outputs takes the absolute weights.": (
                (w @ (least + most) / 2 + b - w @ (most - least) / 2).tolist(),
                (w @ (least + most) / 2 + b + w @ (most - least) / 2).tolist(),
            ),
        },
        got,
    )


def let_in(inside: list[float], outside: list[float], keep: float) -> float:
    """The share of the outside that passes the highest threshold which lets at least `keep` of the inside pass."""
    ordered = sorted(inside, reverse=True)
    threshold = ordered[math.ceil(keep * len(ordered)) - 1]
    return sum(score >= threshold for score in outside) / len(outside)


def _remark_let_in(arguments, expected, got):
    inside, outside, keep = arguments
    ordered = sorted(inside)
    wrong_end = ordered[math.ceil(keep * len(ordered)) - 1]
    ordered_outside = sorted(outside, reverse=True)
    by_outside = ordered_outside[math.ceil(keep * len(ordered_outside)) - 1]
    return _told(
        {
            "The share that is kept out is 1 minus this one.": 1 - expected,
            "Count the share of the outside.": sum(score >= wrong_end for score in outside),
            "High scores look like the inside: the threshold lies low, so that most of the inside is above it.": sum(
                score >= wrong_end for score in outside
            )
            / len(outside),
            "The threshold is chosen on the inside alone; nobody knows beforehand what comes from outside.": sum(
                score >= by_outside for score in inside
            )
            / len(inside),
        },
        got,
    )


EXERCISES = {
    "rates": Exercise(
        "Count three things: texts that were right; texts that were right and are not broken; all texts. The success "
        "rate is the share of those that were right which broke.",
        compare(
            rates,
            [
                ([True], [False]),
                ([True, True], [True, False]),
                ([True, False], [False, True]),
                ([True, True, False, False, True], [True, False, True, False, True]),
                ([False, True, True, True, False, True], [True, True, False, False, True, False]),
            ],
            remark=_remark_rates,
        ),
    ),
    "single_edits": Exercise(
        "Cut the word at each place into a left and a right part, also before the first letter and after the last. A "
        "letter left out is left + right[1:]; the other three are made of the same parts.",
        compare(
            single_edits,
            [("a", "a"), ("ab", "a"), ("aab", "ab"), ("not", "now"), ("good", "xyz")],
            remark=_remark_single_edits,
        ),
    ),
    "hotflip": Exercise(
        "The loss rises by about g · (new - old). Make the table of these numbers, [places, words], take the words "
        "that stand there already out of it, and look for its largest.",
        compare(
            hotflip,
            [
                ([[1.0]], [[0.0], [1.0]], [0]),
                ([[-1.0]], [[0.0], [1.0], [-0.5]], [0]),
                ([[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [1.0, 0.5], [0.5, 2.0]], [0, 2]),
                ([[2.0, 1.0], [0.5, -1.0]], [[3.0, 1.0], [1.0, 0.0], [0.0, -2.0], [1.0, -1.5]], [0, 1]),
                ([[1.0], [3.0]], [[4.0], [1.0], [0.0]], [0, 0]),
                (
                    [[-0.5, 1.7], [1.5, -2.0], [-1.7, -1.6]],
                    [[0.5, -0.6], [-1.4, -1.7], [1.6, 0.3], [-1.9, -1.0]],
                    [2, 1, 3],
                ),
                ([[0.5, 1.0], [2.0, 0.0], [-1.0, 0.5]], [[0.0, 1.0], [2.0, 2.0], [-1.0, 0.0], [1.0, 3.0]], [3, 1, 2]),
            ],
            remark=_remark_hotflip,
        ),
    ),
    "greedy": Exercise(
        "Keep the best text and its margin. In each round make all texts with one more exchange at a place that was "
        "not changed, no more than the budget has left, and go on from the lowest. Stop below 0, or if nothing helps.",
        compare(
            greedy,
            [
                (_WRONG_ALREADY, ["bad"], {"bad": ["poor"]}, 9),
                (_MILD, ["good"], {"good": ["fine"]}, 9),
                (_MILD, ["good", "film"], {"good": ["nice", "fine"], "film": ["movie"]}, 20),
                (_MILD, ["good", "film"], {"good": ["nice", "fine"], "film": ["movie"]}, 3),
                (_HARSH, ["very", "good", "film"], {"good": ["fine", "ok"], "film": ["movie"], "very": ["so"]}, 50),
                (_HARSH, ["very", "good", "film"], {"good": ["fine", "ok"], "film": ["movie"], "very": ["so"]}, 6),
                (_MILD, ["great", "film"], {"great": ["super"]}, 1),
                (_MILD, ["fine"], {"fine": ["good", "great"]}, 10),
                (_EVEN, ["so", "what"], {"what": ["much"]}, 10),
            ],
            remark=_remark_greedy,
        ),
    ),
    "steepest": Exercise(
        "How long is each text's own shift in the code above? Divide each gradient by its own length, and mind the "
        "gradient that has none.",
        compare(
            steepest,
            [
                ([[3.0, 4.0]], 1.0),
                ([[3.0, 4.0], [0.0, 2.0]], 1.0),
                ([[0.0, 0.0], [0.0, -2.0]], 0.5),
                ([[1.0, -2.0, 2.0], [0.1, 0.0, 0.0], [0.0, 0.3, -0.4]], 2.0),
            ],
            remark=_remark_steepest,
        ),
    ),
    "interval": Exercise(
        "The centre (low + high) / 2 goes through the layer as any input does. The radius (high - low) / 2 goes "
        "through the absolute weights, without the bias.",
        compare(
            interval,
            [
                ([[2.0]], [1.0], [0.0], [1.0]),
                ([[-2.0]], [1.0], [0.0], [1.0]),
                ([[1.0, -1.0], [0.5, 2.0]], [0.0, 1.0], [0.0, 1.0], [2.0, 3.0]),
                ([[1.0, -3.0, 0.5]], [-1.0], [-1.0, 0.5, 2.0], [-0.5, 1.5, 2.0]),
            ],
            remark=_remark_interval,
        ),
    ),
    "let_in": Exercise(
        "Sort the inside from the highest score down. The threshold is the score of the last one that must pass; then "
        "count which of the outside have at least that.",
        compare(
            let_in,
            [
                ([2.0, 1.0], [0.0, 3.0], 1.0),
                ([4.0, 3.0, 2.0, 1.0], [0.5, 2.5, 3.5, 3.6, 3.7], 0.5),
                ([1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.5, 2.0, 2.5, 9.0], 0.75),
                ([0.1, 0.9, 0.5, 0.7], [0.2, 0.5, 0.6], 0.75),
                ([5.0, 1.0, 3.0], [1.0, 0.0], 0.9),
            ],
            remark=_remark_let_in,
        ),
    ),
}
