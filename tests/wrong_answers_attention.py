"""Plausible wrong answers to the exercises of chapter 05."""

import math

import torch


def lookup_with(weigh=lambda s: s.softmax(-1), answer=lambda w, v: w @ v, out=lambda a, w: (a, w)):
    def lookup(query, keys, values):
        weights = weigh(keys @ query)
        return out(answer(weights, values), weights)

    return lookup


def attention_with(root=lambda K: K.shape[1] ** 0.5, axis=-1, weigh=None):
    def scaled_attention(Q, K, V):
        scores = Q @ K.T / root(K)
        return (scores.softmax(axis) if weigh is None else weigh(scores)) @ V

    return scaled_attention


def ones(length):
    return torch.ones(length, length, dtype=torch.bool)


def multi_head_with(cut="right", root=None, merge="right", hide=True, out=True, transposed=False, heads=None, axis=-1):
    def multi_head(x, W_q, W_k, W_v, W_o, num_heads, mask=None):
        num_heads = heads or num_heads
        batch, time, hidden = x.shape
        size = hidden // num_heads
        matrices = [W.T if transposed else W for W in (W_q, W_k, W_v, W_o)]
        q, k, v = (
            {
                "right": lambda y: y.view(batch, time, num_heads, size).transpose(1, 2),
                "view": lambda y: y.reshape(batch, num_heads, time, size),
                "every so many": lambda y: y.view(batch, time, size, num_heads).permute(0, 3, 1, 2),
            }[cut](x @ W)
            for W in matrices[:3]
        )
        scores = q @ k.transpose(-2, -1) / (size**0.5 if root is None else root(hidden, size))
        if mask is not None and hide:
            scores = scores.masked_fill(mask if hide == "turned round" else ~mask, -math.inf)
        weights = scores.softmax(axis)
        if hide == "weights" and mask is not None:
            weights = (q @ k.transpose(-2, -1) / size**0.5).softmax(-1) * mask
        found = weights @ v
        merged = found.transpose(1, 2) if merge == "right" else found
        return merged.reshape(batch, time, hidden) @ (matrices[3] if out else torch.eye(hidden, dtype=x.dtype))

    return multi_head


def rotary_with(sign=1, places=None, exponent=2, base_used=True, bits=torch.float64, pairs="halves", both=True):
    def rotary(x, positions, base=10_000.0):
        size = x.shape[-1]
        base = base if base_used else 10_000.0
        speeds = base ** (-torch.arange(size // 2, dtype=torch.float64) * exponent / size)
        positions = positions if places is None else places(positions)
        bits_used = x.dtype if bits == "those of x" else bits
        angles = positions.to(bits_used)[:, None] * speeds.to(bits_used)
        cos, sin = angles.cos().to(x.dtype), sign * angles.sin().to(x.dtype)
        a, b = x.chunk(2, -1) if pairs == "halves" else (x[..., 0::2], x[..., 1::2])
        turned = a * cos - b * sin, (a * sin if both else 0 * a) + b * cos
        if pairs == "neighbours":
            return torch.stack(turned, -1).flatten(-2)
        return torch.cat(turned, -1)

    return rotary


def added_sinusoids(x, positions, base=10_000.0):
    angles = positions[:, None] * base ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    return x + torch.cat([angles.sin(), angles.cos()], -1).to(x.dtype)


def mended_with(before=True, after=True, heads=None, root=lambda size: size**0.5, masked=False):
    def mended(x, W_q, W_k, W_v, num_heads):
        q, k, v = ((x @ W).unflatten(-1, (heads or num_heads, -1)) for W in (W_q, W_k, W_v))
        if before:
            q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        scores = q @ k.transpose(-2, -1) / root(q.shape[-1])
        if masked:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1) > 0, -math.inf)
        found = scores.softmax(-1) @ v
        return (found.transpose(1, 2) if after else found).reshape(x.shape)

    return mended


def merge_with(factor=math.exp, on=(1, 2), largest=max):
    def merge(first, second):
        m = largest(first[0], second[0])
        a, b = factor(first[0] - m), factor(second[0] - m)
        total = a * first[1] + b * second[1] if 1 in on else first[1] + second[1]
        output = a * first[2] + b * second[2] if 2 in on else first[2] + second[2]
        return m, total, output

    return merge


def finished(first, second):
    m, total, output = merge_with()(first, second)
    return m, total, output / total


def merge_of_exponentials(first, second):
    a, b = math.exp(first[0]), math.exp(second[0])
    m = max(first[0], second[0])
    return m, (a * first[1] + b * second[1]) / math.exp(m), (a * first[2] + b * second[2]) / math.exp(m)


def slice_from_behind(length, size):
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        mask[i, i - size + 1 : i + 1] = True
    return mask


WRONG = {
    "attention.lookup": {
        "scores for weights": lookup_with(weigh=lambda s: s),
        "divided by the sum": lookup_with(weigh=lambda s: s / s.sum()),
        "the best alone": lookup_with(answer=lambda w, v: v[w.argmax()]),
        "exchanged": lookup_with(out=lambda a, w: (w, a)),
        "the answer alone": lookup_with(out=lambda a, w: a),
        "plain mean": lookup_with(answer=lambda w, v: v.mean(0)),
        "divided twice": lookup_with(answer=lambda w, v: w @ v / len(v)),
        "divided by the root": lambda query, keys, values: lookup_with()(query / len(query) ** 0.5, keys, values),
        "each key by itself": lookup_with(weigh=lambda s: s.sigmoid()),
        "the worst first": lookup_with(weigh=lambda s: (-s).softmax(-1)),
        "the nearest key": lambda query, keys, values: (lambda w: (w @ values, w))(
            (-(keys - query).norm(dim=-1)).softmax(-1)
        ),
        "of unit length": lambda query, keys, values: lookup_with()(
            query / query.norm(), keys / keys.norm(dim=-1, keepdim=True).clamp(min=1e-9), values
        ),
        "an axis too many": lookup_with(out=lambda a, w: (a[None], w[None])),
        "the sum of the values": lookup_with(answer=lambda w, v: v.sum(0)),
    },
    "attention.scaled_attention": {
        "no root": attention_with(root=lambda K: 1.0),
        "divided by the size": attention_with(root=lambda K: K.shape[1]),
        "root of the number of keys": attention_with(root=lambda K: K.shape[0] ** 0.5),
        "softmax over the queries": attention_with(axis=0),
        "no softmax": attention_with(weigh=lambda s: s),
        "times the root": attention_with(root=lambda K: K.shape[1] ** -0.5),
        "keys and values exchanged": lambda Q, K, V: attention_with()(Q, V, K) if V.shape == K.shape else Q @ K.T @ V,
        "root after the softmax": lambda Q, K, V: (Q @ K.T).softmax(-1) / K.shape[1] ** 0.5 @ V,
        "weights, too": lambda Q, K, V: (attention_with()(Q, K, V), (Q @ K.T).softmax(-1)),
        "root of the size of a value": lambda Q, K, V: (Q @ K.T / V.shape[1] ** 0.5).softmax(-1) @ V,
        "root of the number of queries": lambda Q, K, V: (Q @ K.T / len(Q) ** 0.5).softmax(-1) @ V,
        "a whole root": attention_with(root=lambda K: int(K.shape[1] ** 0.5)),
        "causal": lambda Q, K, V: (
            (Q @ K.T / K.shape[1] ** 0.5).masked_fill(torch.ones(len(Q), len(K)).triu(1) > 0, -math.inf).softmax(-1) @ V
        ),
        "the first query alone": lambda Q, K, V: attention_with()(Q[:1], K, V).expand(len(Q), -1),
        "over everything": attention_with(weigh=lambda s: s.flatten().softmax(0).view_as(s)),
        "a root of 2": attention_with(root=lambda K: 2**0.5),
    },
    "attention.right_scale": {
        "the variance": lambda d, q, k: d * q**2 * k**2,
        "the root of d alone": lambda d, q, k: d**0.5,
        "d": lambda d, q, k: d * q * k,
        "added": lambda d, q, k: (d * (q**2 + k**2)) ** 0.5,
        "the inverse": lambda d, q, k: 1 / (d**0.5 * q * k),
        "all under the root": lambda d, q, k: (d * q * k) ** 0.5,
        "a whole root": lambda d, q, k: math.isqrt(d) * q * k,
        "sizes that are powers of 2": lambda d, q, k: 2 ** ((d.bit_length() - 1) / 2) * q * k,
        "the mean of both": lambda d, q, k: d**0.5 * (q + k) / 2,
        "the larger of both": lambda d, q, k: d**0.5 * max(q, k) ** 2,
        "the queries' alone": lambda d, q, k: d**0.5 * q,
        "the keys' alone": lambda d, q, k: d**0.5 * k,
    },
    "attention.softmax_backward": {
        "no mean": lambda a, s: a * s,
        "plain mean": lambda a, s: a * (s - s.mean()),
        "diagonal alone": lambda a, s: a * (1 - a) * s,
        "not weighted outside": lambda a, s: s - (a * s).sum(),
        "other sign": lambda a, s: a * ((a * s).sum() - s),
        "the whole Jacobian": lambda a, s: torch.diag(a) - torch.outer(a, a),
        "the mean by weights, twice": lambda a, s: a * (s - (a * a * s).sum()),
        "the weights subtracted": lambda a, s: a * s - a,
        "the largest subtracted": lambda a, s: a * (s - s.max()),
        "squared weights": lambda a, s: a * a * (s - (a * s).sum()),
        "a softmax of the slopes": lambda a, s: (a * s).softmax(-1) - a,
        "a row of a matrix": lambda a, s: (a * (s - (a * s).sum()))[None],
    },
    "attention.window_mask": {
        "causal": lambda n, size: ones(n).tril(),
        "one too wide": lambda n, size: ones(n).tril() & ones(n).triu(-size),
        "both sides": lambda n, size: ones(n).tril(size - 1) & ones(n).triu(1 - size),
        "without itself": lambda n, size: ones(n).tril(-1) & ones(n).triu(1 - size),
        "exchanged": lambda n, size: (ones(n).tril() & ones(n).triu(1 - size)).T,
        "what is hidden": lambda n, size: ~(ones(n).tril() & ones(n).triu(1 - size)),
        "numbers": lambda n, size: torch.ones(n, n).tril().triu(1 - size),
        "cut from behind": slice_from_behind,
        "size places before": lambda n, size: ones(n).tril() & ones(n).triu(-size) & ~ones(n).tril(-n),
        "blocks": lambda n, size: (
            ones(n).tril() & (torch.arange(n)[:, None] // size == torch.arange(n)[None, :] // size)
        ),
        "wrapped round": lambda n, size: (torch.arange(n)[:, None] - torch.arange(n)[None, :]) % n < size,
        "additive": lambda n, size: torch.zeros(n, n).masked_fill(
            ~(ones(n).tril() & ones(n).triu(1 - size)), -math.inf
        ),
        "with the axes of a batch": lambda n, size: (ones(n).tril() & ones(n).triu(1 - size))[None, None],
        "the last window for all": lambda n, size: (torch.arange(n) >= n - size).expand(n, n),
    },
    "attention.split_heads": {
        "view alone": lambda x, heads: x.reshape(x.shape[0], heads, x.shape[1], -1),
        "not transposed": lambda x, heads: x.unflatten(-1, (heads, -1)),
        "every so many numbers": lambda x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2),
        "heads first": lambda x, heads: x.unflatten(-1, (heads, -1)).permute(2, 0, 1, 3),
        "copied, not cut": lambda x, heads: x[:, None].expand(-1, heads, -1, -1),
        "pieces of the size of the number": lambda x, heads: torch.stack(x.split(heads, -1), 1),
        "batch and time exchanged": lambda x, heads: x.unflatten(-1, (heads, -1)).permute(1, 2, 0, 3),
        "no axis for one head": lambda x, heads: x.unflatten(-1, (heads, -1)).transpose(1, 2).squeeze(1),
        "no batch": lambda x, heads: x[:1].unflatten(-1, (heads, -1)).transpose(1, 2),
        "the last head first": lambda x, heads: x.unflatten(-1, (heads, -1)).transpose(1, 2).flip(1),
        "cut along time": lambda x, heads: x.unflatten(-1, (heads, -1)).transpose(1, 2).flip(2),
    },
    "attention.multi_head": {
        "no output projection": multi_head_with(out=False),
        "no root": multi_head_with(root=lambda hidden, size: 1.0),
        "root of the model's size": multi_head_with(root=lambda hidden, size: hidden**0.5),
        "divided by the size of a head": multi_head_with(root=lambda hidden, size: size),
        "no mask": multi_head_with(hide=False),
        "the mask turned round": multi_head_with(hide="turned round"),
        "the weights hidden": multi_head_with(hide="weights"),
        "cut by a view": multi_head_with(cut="view"),
        "cut and merged by a view": multi_head_with(cut="view", merge="view"),
        "merged without transposing": multi_head_with(merge="view"),
        "every so many numbers": multi_head_with(cut="every so many"),
        "transposed matrices": multi_head_with(transposed=True),
        "one head": multi_head_with(heads=1),
        "softmax over the queries": multi_head_with(axis=-2),
        "queries and keys exchanged": lambda x, q, k, v, o, n, mask=None: multi_head_with()(x, k, q, v, o, n, mask),
        "values and keys exchanged": lambda x, q, k, v, o, n, mask=None: multi_head_with()(x, q, v, k, o, n, mask),
        "the first text alone": lambda x, q, k, v, o, n, mask=None: multi_head_with()(
            x[:1], q, k, v, o, n, mask
        ).expand_as(x),
    },
    "attention.rotary": {
        "clockwise": rotary_with(sign=-1),
        "positions from 0": rotary_with(places=lambda p: torch.arange(len(p))),
        "positions from the first": rotary_with(places=lambda p: torch.arange(len(p)) + int(p[0])),
        "half the exponent": rotary_with(exponent=1),
        "its own base": rotary_with(base_used=False),
        "in 16 bits": rotary_with(bits="those of x"),
        "neighbours": rotary_with(pairs="neighbours"),
        "neighbours, in halves": rotary_with(pairs="neighbours, in halves"),
        "one half": rotary_with(both=False),
        "added": added_sinusoids,
        "all at one frequency": rotary_with(exponent=0),
        "not at all": lambda x, positions, base=10_000.0: x,
        "the first vector's angle for all": rotary_with(places=lambda p: p[:1].expand(len(p))),
    },
    "attention.merge": {
        "no factors": merge_with(on=()),
        "factors for the totals alone": merge_with(on=(1,)),
        "factors for the values alone": merge_with(on=(2,)),
        "the smaller one": merge_with(largest=min),
        "divided already": finished,
        "not the exponential": merge_with(factor=lambda difference: difference + 1),
        "made larger": merge_with(factor=lambda difference: math.exp(-difference)),
        "for the first's largest": lambda first, second: (
            max(first[0], second[0]),
            first[1] + second[1] * math.exp(second[0] - first[0]),
            first[2] + second[2] * math.exp(second[0] - first[0]),
        ),
        "exponentials of the scores": merge_of_exponentials,
        "the first's largest first": lambda first, second: (
            merge_with()(first, second) if first[0] >= second[0] else merge_with()(second, first)[:2] + (second[2],)
        ),
        "weighted by half": lambda first, second: (
            max(first[0], second[0]),
            (first[1] + second[1]) / 2,
            (first[2] + second[2]) / 2,
        ),
        "the mean of the largest": merge_with(largest=lambda a, b: (a + b) / 2),
        "the largest left out": lambda first, second: merge_with()(first, second)[1:],
        "powers of 2": merge_with(factor=lambda difference: 2**difference),
    },
    "attention.mended": {
        "as it was": mended_with(before=False, after=False),
        "not merged": mended_with(after=False),
        "transposed afterwards alone": lambda x, q, k, v, n: (
            mended_with(before=False, after=False)(x, q, k, v, n).transpose(0, 1).reshape(x.shape)
        ),
        "one head": mended_with(heads=1),
        "no root": mended_with(root=lambda size: 1.0),
        "causal": mended_with(masked=True),
        "the values as they are": lambda x, q, k, v, n: x @ v,
        "the mean of the values": lambda x, q, k, v, n: (x @ v).mean(1, keepdim=True).expand_as(x),
    },
}
