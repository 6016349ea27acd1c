"""Exercises of chapter 08."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from lmtutor.exercises.examine import Exercise, compare, same


def _told(known: dict[float, str], got) -> str:
    """The remark on the first known wrong value that came."""
    return next((remark for value, remark in known.items() if same(value, got, 1e-9)), "")


def parameters(vocab_size: int, max_length: int, d: int, num_layers: int) -> int:
    """Embeddings, layers, the last norm."""
    return (vocab_size + max_length) * d + num_layers * (12 * d**2 + 13 * d) + 2 * d


def _remark_parameters(arguments, expected, got):
    size, length, d, layers = arguments
    return _told(
        {
            expected + size * d: "The matrix of the embeddings makes the logits, too: it counts once.",
            expected - length * d: "The vectors of the positions are missing.",
            expected - 2 * d: "The last norm is missing.",
            expected - layers * 4 * d: "The two norms of each layer are missing.",
            (size + length) * d + 12 * d**2 + 13 * d + 2 * d: "There is more than one layer.",
            (size + length) * d + layers * 12 * d**2: "Biases and norms are missing.",
        },
        got,
    )


def cached_attention(query, keys, values) -> torch.Tensor:
    """Causal attention of the last tokens of a text to all of it: [batch, heads, new, size]."""
    new, total = query.shape[2], keys.shape[2]
    mask = torch.ones(new, total, dtype=torch.bool).tril(total - new)
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)


def _remark_cached_attention(arguments, expected, got):
    query, keys, values = arguments
    new, total = query.shape[2], keys.shape[2]
    if same(F.scaled_dot_product_attention(query, keys, values, is_causal=True), got, 1e-6):
        return "The triangle lies in the upper left corner still: there the first new token sees the first token alone."
    if same(F.scaled_dot_product_attention(query, keys, values), got, 1e-6):
        return "Now each new token sees the new ones after it, too: a mask is needed where several are read at once."
    for shift in (-1, 1):
        mask = torch.ones(new, total, dtype=torch.bool).tril(total - new + shift)
        if mask[0].any() and same(F.scaled_dot_product_attention(query, keys, values, attn_mask=mask), got, 1e-6):
            return "Nearly: the last new token sees all tokens, the one before it all but one. Move the diagonal."
    if new > 1 and same(expected[:, :, -1:], got, 1e-6):
        return "A row for each new token is wanted, not for the last one only."
    return ""


def cache_bytes(batch: int, tokens: int, num_layers: int, kv_heads: int, head_size: int, bytes_per_number: int) -> int:
    """A key and a value for each token, in each layer, of each key head."""
    return 2 * batch * tokens * num_layers * kv_heads * head_size * bytes_per_number


def _remark_cache_bytes(arguments, expected, got):
    batch, tokens, layers, heads, _, size = arguments
    return _told(
        {
            expected / 2: "Keys *and* values are kept.",
            expected * 3 / 2: "Queries are not needed any more: only keys and values are kept.",
            expected / size: "These are numbers; each takes some bytes.",
            expected / layers: "Each layer has keys and values of its own.",
            expected / heads: "Each of the kv_heads has a key and a value of its own.",
            expected / batch: "Each text of the batch has keys and values of its own.",
            expected * tokens: "The scores, one for each pair of tokens, are not kept.",
        },
        got,
    )


def min_p(p: list[float], share: float) -> list[float]:
    """What is at least a share of the largest, scaled to sum 1."""
    kept = [x if x >= share * max(p) else 0.0 for x in p]
    return [x / sum(kept) for x in kept]


def _remark_min_p(arguments, expected, got):
    p, share = arguments
    kept = [x if x >= share * max(p) else 0.0 for x in p]
    if same(kept, got, 1e-9):
        return "What is left should sum to 1."
    absolute = [x if x >= share else 0.0 for x in p]
    if sum(absolute) and same([x / sum(absolute) for x in absolute], got, 1e-9):
        return "The threshold is a share of the largest probability, not a probability itself."
    if same([x / sum(kept) for x in kept if x], got, 1e-9):
        return "Keep the places: what is cut gets 0."
    above = [x if x > share * max(p) else 0.0 for x in p]
    if sum(above) and same([x / sum(above) for x in above], got, 1e-9):
        return "*At least* that share: what has exactly so much stays."
    return ""


def draw(p: list[float], u: float) -> int:
    """The first index at which the running sum exceeds u."""
    total = 0.0
    for i, x in enumerate(p):
        total += x
        if u < total:
            return i
    return max(i for i, x in enumerate(p) if x > 0)


def _remark_draw(arguments, expected, got):
    p, u = arguments
    if u > 1 - 1e-9:
        return (
            "Here u is a hair below 1, and rounding ends the sum at the same number, so that no sum exceeds u: "
            "then the last token with a probability above 0 is drawn."
        )
    if p[int(got)] == 0:
        return "A token of probability 0 must never be drawn: the sum must *exceed* u."
    if got == next((i for i, x in enumerate(p) if u < x), None):
        return "Compare u with the running sum, not with each probability."
    if got == max(range(len(p)), key=p.__getitem__):
        return "That is the likeliest token: greedy, whatever u is."
    return ""


def repetition(tokens: list[str], n: int) -> float:
    """The share of n-grams that have occurred before."""
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _remark_repetition(arguments, expected, got):
    tokens, n = arguments
    grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    distinct = "That is the share of different ones (diversity). Repetition is the rest: each time but the first."
    known = {1 - expected: distinct}
    if grams:
        known[sum(grams.count(gram) > 1 for gram in grams) / len(grams)] = (
            "The first time is no repetition: only what has occurred *before* counts."
        )
        known[1 - len(set(grams)) / len(tokens)] = "Divide by the number of n-grams: m tokens have m - n + 1 of them."
        known[float(len(grams) - len(set(grams)))] = "A share was asked for."
    return _told(known, got)


def matching_temperature(surprise, target: float, low: float, high: float, steps: int = 20) -> float:
    """Bisection of a function that rises."""
    if target <= surprise(low):
        return low
    if target >= surprise(high):
        return high
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if surprise(middle) < target else (low, middle)
    return (low + high) / 2


def _line(temperature):
    """Twice the temperature."""
    return 2 * temperature


def _half(temperature):
    """Half the temperature."""
    return temperature / 2


def _steep(temperature):
    """100 times the temperature."""
    return 100 * temperature


def _bent(temperature):
    """8 times the square root of the temperature."""
    return 8 * math.sqrt(temperature)


def _remark_matching_temperature(arguments, expected, got):
    surprise, target, low, high, steps = (*arguments, 20)[:5]
    if steps > 20 and abs(surprise(got) - target) < 100:
        return f"Not near enough: to within (high - low) / 2**steps, and here steps is {steps}."
    if expected in (low, high) and not low <= got <= high:
        return "The answer lies between low and high; a target beyond them gives the nearer one."
    if same((low + high) / 2, got, 1e-3):
        return "That is the middle: halve the interval again and again, and keep the half that holds the target."
    if (
        not same(expected, low, 1e-3)
        and not same(expected, high, 1e-3)
        and (same(low, got, 1e-3) or same(high, got, 1e-3))
    ):
        return "You end at a border: if the middle surprises too little, the answer lies above it."
    between = low + (target - surprise(low)) / (surprise(high) - surprise(low)) * (high - low)
    if same(between, got, 1e-3):
        return "The function need not be a straight line; halve the interval instead."
    return ""


def _random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


EXERCISES = {
    "parameters": Exercise(
        "Add up the rows of the table; the rows of a layer count num_layers times.",
        compare(parameters, [(10, 5, 2, 1), (300, 32, 64, 3), (50257, 1024, 768, 12)], remark=_remark_parameters),
    ),
    "cached_attention": Exercise(
        "Make a boolean mask [new, all], True where a new token may look. The last row is True everywhere, the row "
        "above it everywhere but in the last column: `torch.ones(...).tril(diagonal)` with the right diagonal.",
        compare(
            cached_attention,
            [
                tuple(_random(1, 1, count, 2, seed=seed) for seed, count in enumerate((1, 3, 3))),
                tuple(_random(1, 1, count, 4, seed=seed) for seed, count in enumerate((3, 3, 3))),
                tuple(_random(2, 2, count, 4, seed=seed) for seed, count in enumerate((2, 5, 5))),
            ],
            remark=_remark_cached_attention,
        ),
    ),
    "cache_bytes": Exercise(
        "In each layer, each token of each text leaves one key and one value of head_size numbers for each key head.",
        compare(
            cache_bytes,
            [(1, 3, 1, 1, 4, 4), (2, 12, 5, 4, 8, 4), (3, 7, 11, 3, 64, 2), (1, 2048, 96, 96, 128, 2)],
            remark=_remark_cache_bytes,
        ),
    ),
    "min_p": Exercise(
        "Two steps: 0 for what is below share * max(p), then divide by the sum of the rest.",
        compare(
            min_p,
            [
                ([0.8, 0.2], 0.5),
                ([0.5, 0.3, 0.2], 0.5),
                ([0.4, 0.2, 0.4], 0.5),  # one has exactly the share
                ([0.1, 0.4, 0.2, 0.3], 0.3),
                ([0.25, 0.25, 0.25, 0.25], 1.0),
                ([0.0, 0.75, 0.25], 0.0),
            ],
            remark=_remark_min_p,
        ),
    ),
    "repetition": Exercise(
        "Make the list of all n-grams. How many would be left if each were kept once? The others are repetitions.",
        compare(
            repetition,
            [
                ([], 1),
                (["a", "a", "a"], 1),
                (["a", "b", "a", "b"], 2),
                (["a", "b", "c"], 4),
                (["x", "y", "x", "y", "x", "z"], 2),
                (list("abcabcabd"), 3),
                (["a", "b"], 2),
                (["a", "bc", "ab", "c"], 2),
                (["a", "b", "c", "b"], 2),
            ],
            remark=_remark_repetition,
        ),
    ),
    "draw": Exercise(
        "Add the probabilities up from the front; stop at the first sum that is larger than u.",
        compare(
            draw,
            [
                ([1.0], 0.5),
                ([0.5, 0.5], 0.7),
                ([0.0, 1.0], 0.0),
                ([0.2, 0.3, 0.5], 0.2),
                ([0.3, 0.3, 0.4], 0.35),
                ([0.5, 0.0, 0.5], 0.5),
                ([0.1] * 10 + [0.0], 1 - 2**-53),  # the ten sum to 1 - 2**-53
            ],
            remark=_remark_draw,
            failure=lambda arguments, error: _remark_draw(arguments, None, 0) if arguments[1] > 1 - 1e-9 else "",
        ),
    ),
    "matching_temperature": Exercise(
        "Look at the middle: is it too surprising or too dull? Go on with the half that holds the target.",
        compare(
            matching_temperature,
            [
                (_line, 3.0, 0.0, 4.0),
                (_line, 9.0, 0.5, 2.0),
                (_line, 0.1, 0.5, 2.0),
                (_bent, 2.0, 0.0, 1.0),
                (_line, 3.0, 1.0, 2.0**24, 60),
                (_half, 15.0, 20.0, 40.0),
                (_steep, 60.0, 0.5, 1.0),
            ],
            tolerance=1e-3,
            remark=_remark_matching_temperature,
        ),
    ),
}
