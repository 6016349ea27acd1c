"""Exercises of chapter 05."""

from __future__ import annotations

import math

import torch

from lmtutor.exercises.examine import Exercise, compare, same


def lookup(query, keys, values) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean of the values, weighted by softmax(keys . query): answer [value size], weights [n]."""
    weights = (keys @ query).softmax(-1)
    return weights @ values, weights


def _remark_lookup(arguments, expected, got):
    query, keys, values = arguments
    scores = keys @ query
    if len(got) != 2:
        return "Two things are wanted: the answer, and the weights."
    if same(scores, got[1], 1e-6):
        return "Those are the scores; the softmax makes weights of them."
    if same([expected[1], expected[0]], got, 1e-6):
        return "Exchanged: the answer comes first, then the weights."
    if same(expected[0] / len(keys), got[0], 1e-6):
        return "The weights sum to 1 already: add up weight times value, and divide by nothing more."
    if same((scores / len(query) ** 0.5).softmax(-1), got[1], 1e-6):
        return "The score is the dot product as it is; dividing by a root comes in section 3."
    if same(values[scores.argmax()], got[0], 1e-6):
        return "That is the value of the best key alone; take the weighted mean of all values."
    if same(scores / scores.sum(), got[1], 1e-6):
        return "Scores may be negative, so dividing by their sum gives no weights: use the softmax."
    return ""


def scaled_attention(Q, K, V) -> torch.Tensor:
    """softmax(Q K^T / sqrt(d)) V: [queries, value size]."""
    return (Q @ K.T / K.shape[1] ** 0.5).softmax(-1) @ V


def _remark_scaled_attention(arguments, expected, got):
    Q, K, V = arguments
    scores = Q @ K.T
    if isinstance(got, tuple):
        return "The output alone is wanted, one tensor."
    if same(scores.softmax(-1) / K.shape[1] ** 0.5 @ V, got, 1e-6):
        return "Divide the scores by the root, before the softmax: afterwards the weights no longer sum to 1."
    if same(scores.softmax(-1) @ V, got, 1e-6):
        return "The root is missing: divide the scores by the square root of the size of a key."
    if same((scores / K.shape[1]).softmax(-1) @ V, got, 1e-6):
        return "You divide by the size of a key; divide by its square root."
    if same((scores / K.shape[0] ** 0.5).softmax(-1) @ V, got, 1e-6):
        return "The root is that of the size of a key (columns of K), not of the number of keys."
    if same((scores / K.shape[1] ** 0.5).softmax(0) @ V, got, 1e-6):
        return "The weights of each query must sum to 1: softmax along the last axis."
    return ""


def right_scale(d: int, sigma_q: float, sigma_k: float) -> float:
    """Standard deviation of the dot product of d pairs of independent numbers with mean 0."""
    return math.sqrt(d) * sigma_q * sigma_k


def _remark_right_scale(arguments, expected, got):
    d, sigma_q, sigma_k = arguments
    if same(math.sqrt(d), got, 1e-9):
        return "That is right if both standard deviations are 1; here they are not."
    if same(expected**2, got, 1e-9):
        return "That is the variance of q . k. What makes it 1 is dividing by its root."
    if same(1 / expected, got, 1e-9):
        return "The scores are divided by what you return, not multiplied."
    if same(math.sqrt(d * sigma_q * sigma_k), got, 1e-9):
        return "The variances are the squares of sigma_q and sigma_k: only d stays under the root."
    return ""


def softmax_backward(weights, weight_slopes) -> torch.Tensor:
    """Slopes for the scores, from the weights of a softmax and the slopes for them: [n]."""
    return weights * (weight_slopes - (weights * weight_slopes).sum())


def _remark_softmax_backward(arguments, expected, got):
    a, slopes = arguments
    if same(a * slopes, got, 1e-6):
        return "If one score rises, all other weights fall: the mean of the slopes is to be subtracted."
    if same(a * (slopes - slopes.mean()), got, 1e-6):
        return "The mean to subtract is the weighted one, sum(weights * weight_slopes)."
    if same(a * (1 - a) * slopes, got, 1e-6):
        return "That is the diagonal of the Jacobian alone."
    return ""


def window_mask(length: int, size: int) -> torch.Tensor:
    """True for the keys from query - size + 1 to query: [length, length]."""
    place = torch.arange(length)
    back = place[:, None] - place[None, :]  # [queries, keys]
    return (back >= 0) & (back < size)


def _remark_window_mask(arguments, expected, got):
    length, size = arguments
    numbers, got = torch.as_tensor(got).dtype != torch.bool, torch.as_tensor(got).bool()
    if numbers and torch.equal(got, expected):
        return "The places are right, but a mask is of booleans, and these are numbers: make it with dtype=torch.bool."
    if got.shape != expected.shape:
        return f"The mask must be [{length}, {length}], one row for each query."
    if (got == expected.T).all():
        return "Rows and columns are exchanged: rows are queries."
    if (got == ~expected).all():
        return "True says where a query may look, not what is hidden."
    if got.triu(1).any():
        return "It lets a query see what comes later."
    if not got.diagonal().all():
        return "Each query sees itself, too."
    if got[-1].sum() != expected[-1].sum():
        right, seen = int(expected[-1].sum()), int(got[-1].sum())
        return f"Of the places, itself among them, the last query should see {right}, and sees {seen}."
    return ""


def split_heads(x, num_heads: int) -> torch.Tensor:
    """[batch, time, hidden] -> [batch, heads, time, hidden / heads]."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _remark_split_heads(arguments, expected, got):
    x, num_heads = arguments
    if same(x.unflatten(-1, (num_heads, -1)), got, 1e-9):
        return "The numbers are cut rightly; now move the axis of the heads before that of time: transpose(1, 2)."
    if tuple(got.shape) == tuple(expected.shape):
        if same(x.reshape(expected.shape), got, 1e-9):
            return "The shape is right, but the words are mixed up: cut the last axis first, then transpose."
        return "The shape is right; head 0 should have the first numbers of each vector, in their order."
    return f"The shape should be {tuple(expected.shape)}, and is {tuple(got.shape)}."


def turn(pair: tuple[float, float], position: int, speed: float) -> tuple[float, float]:
    """A point turned counter-clockwise by position * speed radians."""
    x, y = pair
    cos, sin = math.cos(position * speed), math.sin(position * speed)
    return x * cos - y * sin, x * sin + y * cos


def _remark_turn(arguments, expected, got):
    pair, position, speed = arguments
    if same(turn(pair, -position, speed), got, 1e-6):
        return "It turns clockwise: exchange the signs of the two sines."
    if same(turn(pair, 1, speed), got, 1e-6):
        return "The angle is the position times the speed."
    if same(turn(pair, 1, math.radians(position * speed)), got, 1e-6):
        return "The angle is in radians already."
    return ""


def merge(first, second):
    """(largest score, sum of exp(score - largest), weighted sum of values) of two sets of keys together."""
    largest = max(first[0], second[0])
    a, b = math.exp(first[0] - largest), math.exp(second[0] - largest)
    return largest, a * first[1] + b * second[1], a * first[2] + b * second[2]


def _remark_merge(arguments, expected, got):
    first, second = arguments
    if not same(expected[0], got[0], 1e-6):
        return "The largest score of both together is the larger of the two."
    if same(first[1] + second[1], got[1], 1e-6) and first[0] != second[0]:
        return "The two sums were made with different largest scores: bring both to the common one first."
    if not all(math.isfinite(float(x)) for x in (got[0], got[1])):
        return "exp of a score overflows; use exp(score - largest), which is never above 1."
    if same(first[1] + second[1] * math.exp(second[0] - first[0]), got[1], 1e-6):
        return "Your sums are those for the first's largest score; give both the factor for the common one."
    a, b = (math.exp(min(expected[0] - half[0], 700)) for half in (first, second))
    if same(a * first[1] + b * second[1], got[1], 1e-6):
        return "The other way round: the factor is exp(its own largest - the common largest), never above 1."
    if same(expected[1], got[1], 1e-6) and not same(expected[2], got[2], 1e-6):
        return "The weighted sums need the same factors as the totals."
    return ""


def _failure_merge(arguments, error):
    if isinstance(error, OverflowError | ZeroDivisionError):
        return "exp of a score becomes infinite or 0; use exp(score - largest), which is never above 1."
    if isinstance(error, TypeError) and "must be Tensor" in str(error):
        return "The largest scores are plain numbers: max and math.exp work on them."
    return ""


def _tensor(*numbers) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _random(*shape, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


EXERCISES = {
    "lookup": Exercise(
        "keys @ query gives all scores at once; .softmax(-1) makes weights of them; weights @ values is their mean.",
        compare(
            lookup,
            [
                (_tensor(1.0), _tensor([0.0], [0.0]), _tensor([1.0], [3.0])),
                (_tensor(1.0, 0.0), _tensor([2.0, 0.0], [0.0, 5.0]), _tensor([1.0], [-1.0])),
                (_random(3), _random(4, 3, seed=1), _random(4, 2, seed=2)),
            ],
            remark=_remark_lookup,
        ),
    ),
    "scaled_attention": Exercise(
        "Q @ K.T holds each query with each key. Which axis must sum to 1 after the softmax?",
        compare(
            scaled_attention,
            [
                (_tensor([2.0, 0.0]), _tensor([1.0, 0.0], [0.0, 1.0], [0.0, 0.0]), _tensor([1.0], [0.0], [0.0])),
                (_random(2, 4), _random(3, 4, seed=1), _random(3, 5, seed=2)),
                (3 * _random(5, 2), 3 * _random(5, 2, seed=1), _random(5, 2, seed=2)),
            ],
            remark=_remark_scaled_attention,
        ),
    ),
    "right_scale": Exercise(
        "What is the variance of one product? Of the sum of d of them? Dividing by which number makes it 1?",
        compare(
            right_scale,
            [(1, 1.0, 2.0), (4, 1.0, 1.0), (2, 1.0, 1.0), (64, 0.5, 3.0), (100, 2.0, 2.0)],
            remark=_remark_right_scale,
        ),
    ),
    "softmax_backward": Exercise(
        "In words: weight times (own slope minus the mean slope), with the mean taken with the weights.",
        compare(
            softmax_backward,
            [
                (_tensor(0.5, 0.5), _tensor(1.0, 0.0)),
                (_tensor(0.2, 0.8), _tensor(1.0, 1.0)),
                (_random(5).softmax(-1), _random(5, seed=1)),
            ],
            remark=_remark_softmax_backward,
        ),
    ),
    "window_mask": Exercise(
        "The causal mask hides what is later. What hides what is too far back? Tensor.triu takes a diagonal.",
        compare(window_mask, [(2, 1), (3, 2), (5, 3), (4, 9), (1, 1)], remark=_remark_window_mask),
    ),
    "split_heads": Exercise(
        "Cut the last axis in two, [batch, time, heads, size], and then exchange two axes.",
        compare(
            split_heads,
            [
                (torch.arange(12.0).view(1, 3, 4), 2),
                (torch.arange(24.0).view(2, 3, 4), 4),
                (torch.arange(36.0).view(1, 3, 12), 3),
                (torch.arange(12.0).view(2, 2, 3), 1),
            ],
            remark=_remark_split_heads,
        ),
    ),
    "turn": Exercise(
        "Counter-clockwise by the angle t: x' = x cos t - y sin t, y' = x sin t + y cos t.",
        compare(
            turn,
            [
                ((1.0, 0.0), 1, 0.5),
                ((1.0, 2.0), 0, 1.0),
                ((0.3, -1.2), 7, 0.1),
                ((2.0, 1.0), 3, 1.0),
                ((-1.0, 2.0), 1, 0.5),
                ((0.0, -1.0), 2, 0.25),
                ((0.0, 0.0), 1, 1.0),
            ],
            remark=_remark_turn,
        ),
    ),
    "merge": Exercise(
        "Take the larger of the two largest scores. By which factor is each half's sum off, compared with it?",
        compare(
            merge,
            [
                ((0.0, 1.0, _tensor(2.0)), (0.0, 3.0, _tensor(1.0))),
                ((1.0, 1.0, _tensor(2.0, 0.0)), (0.0, 1.0, _tensor(0.0, 2.0))),
                ((-3.0, 2.5, _tensor(1.0)), (4.0, 1.5, _tensor(-1.0))),
                ((1000.0, 2.0, _tensor(1.0)), (990.0, 2.0, _tensor(4.0))),
                ((-1001.0, 2.0, _tensor(1.0)), (-1000.0, 2.0, _tensor(4.0))),
            ],
            remark=_remark_merge,
            failure=_failure_merge,
        ),
    ),
}
