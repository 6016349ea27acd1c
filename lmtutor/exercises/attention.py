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


def softmax_backward(weights, weight_gradient) -> torch.Tensor:
    """The gradient of the scores, from the weights of a softmax and their gradient: [n]."""
    return weights * (weight_gradient - (weights * weight_gradient).sum())


def _remark_softmax_backward(arguments, expected, got):
    a, gradient = arguments
    if same(a * gradient, got, 1e-6):
        return "If one score rises, all other weights fall: the mean of the gradient is to be subtracted."
    if same(a * (gradient - gradient.mean()), got, 1e-6):
        return "The mean to subtract is the weighted one, sum(weights * weight_gradient)."
    if same(a * (1 - a) * gradient, got, 1e-6):
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


def multi_head(x, W_q, W_k, W_v, W_o, num_heads: int, mask=None) -> torch.Tensor:
    """Multi-head self-attention with projections on the right and no biases: [batch, time, hidden]."""
    return _heads(x, W_q, W_k, W_v, num_heads, mask) @ W_o


def _heads(x, W_q, W_k, W_v, num_heads, mask=None, scale=None):
    """The outputs of all heads side by side, before the output projection: [batch, time, hidden]."""
    q, k, v = (split_heads(x @ W, num_heads) for W in (W_q, W_k, W_v))
    scores = q @ k.transpose(-2, -1) / (q.shape[-1] ** 0.5 if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def _remark_multi_head(arguments, expected, got):
    x, W_q, W_k, W_v, W_o, num_heads, *rest = arguments
    mask = rest[0] if rest else None
    hidden, projections = x.shape[-1], (W_q, W_k, W_v)
    if isinstance(got, tuple):
        return "The output alone is wanted, one tensor."
    if tuple(got.shape) != tuple(expected.shape):
        return f"The shape should be {tuple(expected.shape)}, as that of x, and is {tuple(got.shape)}."
    if same(_heads(x, *projections, num_heads, mask), got, 1e-6):
        return "The output projection is missing: the merged heads times W_o."
    if same(multi_head(x, *(W.T for W in (*projections, W_o)), num_heads, mask), got, 1e-6):
        return "The matrices stand on the right, x @ W_q; nn.Linear and F.linear multiply by the transpose."
    for scale, remark in (
        (1.0, "The root is missing: divide the scores by the square root of the size of a head."),
        (hidden**0.5, "Divide by the root of the size of one head, hidden / num_heads, not of the whole vector."),
        (hidden / num_heads, "You divide by the size of a head; divide by its square root."),
    ):
        if same(_heads(x, *projections, num_heads, mask, scale) @ W_o, got, 1e-6):
            return remark
    if mask is not None:
        if same(multi_head(x, *projections, W_o, num_heads), got, 1e-6):
            return "The mask has no effect: where it is False, the score becomes -inf before the softmax."
        if not torch.as_tensor(got).isfinite().all() or same(
            multi_head(x, *projections, W_o, num_heads, mask | ~mask.any(-1, keepdim=True)), got, 1e-6
        ):
            return "True in the mask means that the query may look; hide the places where it is False."
        if same(multi_head(x, *projections, W_o, num_heads, ~mask), got, 1e-6):
            return "True in the mask means that the query may look; you hide just these places."
    merged = (split_heads(x @ W, num_heads) for W in projections)
    q, k, v = merged
    out = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v  # [batch, heads, time, size]
    if mask is None and num_heads > 1:
        if same(out.reshape(x.shape) @ W_o, got, 1e-6):
            return "The heads are merged in the wrong order: exchange the axes of heads and time before you flatten."
        q, k, v = ((x @ W).reshape(q.shape) for W in projections)
        out = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v
        if same(out.transpose(1, 2).flatten(2) @ W_o, got, 1e-6) or same(out.reshape(x.shape) @ W_o, got, 1e-6):
            return "The heads are cut through the words: cut the last axis first, then exchange heads and time."
        if same(multi_head(x, *projections, W_o, 1), got, 1e-6):
            return "That is one large head: cut the projections into num_heads parts."
    return ""


def rotary(x, positions, base: float = 10_000.0) -> torch.Tensor:
    """Vectors [..., time, size], rotated by their positions [time]; numbers i and i + size / 2 are a pair."""
    return _rotated(x, positions, base)


def _rotated(x, positions, base, sign=1.0, step=2, bits=torch.float64):
    size = x.shape[-1]
    speeds = base ** (-torch.arange(0, size, 2, dtype=torch.float64) * step / 2 / size)
    angles = positions.to(bits)[:, None] * speeds.to(bits)  # [time, size / 2]
    cos, sin = angles.cos().to(x.dtype), sign * angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def _remark_rotary(arguments, expected, got):
    x, positions, *base = arguments
    base = base[0] if base else 10_000.0
    if tuple(got.shape) != tuple(expected.shape):
        return f"The shape should stay {tuple(expected.shape)}, and is {tuple(got.shape)}."
    if same(_rotated(x, positions, base, sign=-1.0), got, 0.02):
        return "It turns the other way: exchange the signs of the two sines."
    if same(_rotated(x, torch.arange(len(positions)), base), got, 0.02):
        return "The positions are given, and need not begin at 0."
    if same(_rotated(x, positions, base, step=1), got, 0.02):
        return "The exponent is -2i / d for pair i: it runs over 0, 2, 4, ... divided by the size."
    if same(_rotated(x, positions, 10_000.0), got, 0.02):
        return "The base is given; use it."
    even, odd = x[..., 0::2], x[..., 1::2]
    neighbours = _rotated(torch.cat([even, odd], -1), positions, base)
    first, second = neighbours.chunk(2, -1)
    if same(torch.stack([first, second], -1).flatten(-2), got, 0.02) or same(neighbours, got, 0.02):
        return "You paired neighbours; here number i and number i + size / 2 are a pair."
    if x.dtype in (torch.bfloat16, torch.float16):
        return "x has 16 bits only: compute the angles in float32 or float64, and round sines and cosines."
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


def mended(x, W_q, W_k, W_v, num_heads: int) -> torch.Tensor:
    """Self-attention with several heads, no mask and no output projection: [batch, time, hidden]."""
    return _heads(x, W_q, W_k, W_v, num_heads)


def _remark_mended(arguments, expected, got):
    x, W_q, W_k, W_v, num_heads = arguments
    if tuple(got.shape) != tuple(expected.shape):
        return f"The shape should be {tuple(expected.shape)}, and is {tuple(got.shape)}."
    q, k, v = ((x @ W).unflatten(-1, (num_heads, -1)) for W in (W_q, W_k, W_v))  # [batch, time, heads, size]
    weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
    if same((weights @ v).flatten(2), got, 1e-6):
        return "Still each word sees itself alone: the last two axes of q, k and v must be time and size."
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    heads = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v
    if same(heads.reshape(x.shape), got, 1e-6):
        return "The heads look well; merging them mixes the words: exchange heads and time back before you flatten."
    if same(_heads(x, W_q, W_k, W_v, 1), got, 1e-6):
        return "That is one head; there should be num_heads."
    return ""


def _tensor(*numbers) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _random(*shape, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _matrices(size: int) -> list[torch.Tensor]:
    """Four random projections."""
    return [_random(size, size, seed=seed) for seed in (11, 12, 13, 14)]


def _causal(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()


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
        "In words: weight times (own gradient minus the mean gradient), with the mean taken with the weights.",
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
    "multi_head": Exercise(
        "x @ W_q is [batch, time, hidden]; `split_heads` above makes [batch, heads, time, size] of it. After the "
        "softmax and the mean, transpose(1, 2) and flatten(2) put the heads side by side again.",
        compare(
            multi_head,
            [
                (_tensor([[2.0]]), *(_tensor([n]) for n in (1.0, 1.0, 3.0, 0.5)), 1),
                (_tensor([[1.0], [2.0]]), *(_tensor([n]) for n in (1.0, 2.0, 3.0, 0.5)), 1, None),
                (_random(1, 3, 4), *_matrices(4), 1, None),
                (_random(1, 3, 4), *_matrices(4), 1, _causal(3)),
                (_random(1, 3, 4), *_matrices(4), 2, None),
                (_random(2, 4, 6), *_matrices(6), 3, _causal(4)),
                (_random(2, 3, 6, seed=9), *_matrices(6), 2, torch.eye(3, dtype=torch.bool)),
            ],
            remark=_remark_multi_head,
        ),
    ),
    "rotary": Exercise(
        "base ** (-torch.arange(0, size, 2) / size) gives the size / 2 frequencies, positions[:, None] times them the "
        "angles [time, size / 2]; x.chunk(2, dim=-1) gives the two numbers of each pair.",
        compare(
            rotary,
            [
                (_tensor([1.0, 0.0]), torch.tensor([0])),
                (_tensor([1.0, 0.0], [0.0, 1.0]), torch.tensor([1, 1])),
                (_tensor([1.0, 2.0, -3.0, 4.0]), torch.tensor([2])),
                (_random(3, 8), torch.tensor([5, 6, 7])),
                (_random(2, 3, 4, 6, seed=1), torch.tensor([0, 3, 1000, 12345])),
                (_random(2, 4, seed=2), torch.tensor([1, 2]), 100.0),
                (_random(3, 4, seed=3).half(), torch.tensor([1, 2049, 4099])),
            ],
            tolerance=0.02,
            remark=_remark_rotary,
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
    "mended": Exercise(
        "Print the shapes of q and k: between which two axes does scaled_dot_product_attention multiply?",
        compare(
            mended,
            [
                (_random(1, 2, 2), *_matrices(2)[:3], 1),
                (_random(1, 3, 4), *_matrices(4)[:3], 2),
                (_random(2, 4, 6), *_matrices(6)[:3], 3),
                (_random(2, 3, 6, seed=9), *_matrices(6)[:3], 2),
            ],
            remark=_remark_mended,
        ),
    ),
}
