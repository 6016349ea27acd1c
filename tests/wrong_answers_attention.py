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


def rotation(angle=lambda position, speed: position * speed, sign=1, swap=False):
    def turn(pair, position, speed):
        x, y = pair
        t = sign * angle(position, speed)
        turned = x * math.cos(t) - y * math.sin(t), x * math.sin(t) + y * math.cos(t)
        return turned[::-1] if swap else turned

    return turn


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
    },
    "attention.right_scale": {
        "the variance": lambda d, q, k: d * q**2 * k**2,
        "the root of d alone": lambda d, q, k: d**0.5,
        "d": lambda d, q, k: d * q * k,
        "added": lambda d, q, k: (d * (q**2 + k**2)) ** 0.5,
        "the inverse": lambda d, q, k: 1 / (d**0.5 * q * k),
        "all under the root": lambda d, q, k: (d * q * k) ** 0.5,
    },
    "attention.softmax_backward": {
        "no mean": lambda a, s: a * s,
        "plain mean": lambda a, s: a * (s - s.mean()),
        "diagonal alone": lambda a, s: a * (1 - a) * s,
        "not weighted outside": lambda a, s: s - (a * s).sum(),
        "other sign": lambda a, s: a * ((a * s).sum() - s),
        "the whole Jacobian": lambda a, s: torch.diag(a) - torch.outer(a, a),
    },
    "attention.window_mask": {
        "causal": lambda n, size: ones(n).tril(),
        "one too wide": lambda n, size: ones(n).tril() & ones(n).triu(-size),
        "both sides": lambda n, size: ones(n).tril(size - 1) & ones(n).triu(1 - size),
        "without itself": lambda n, size: ones(n).tril(-1) & ones(n).triu(1 - size),
        "exchanged": lambda n, size: (ones(n).tril() & ones(n).triu(1 - size)).T,
        "what is hidden": lambda n, size: ~(ones(n).tril() & ones(n).triu(1 - size)),
        "numbers": lambda n, size: torch.ones(n, n).tril().triu(1 - size),
    },
    "attention.split_heads": {
        "view alone": lambda x, heads: x.reshape(x.shape[0], heads, x.shape[1], -1),
        "not transposed": lambda x, heads: x.unflatten(-1, (heads, -1)),
        "every so many numbers": lambda x, heads: x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2),
        "heads first": lambda x, heads: x.unflatten(-1, (heads, -1)).permute(2, 0, 1, 3),
        "copied, not cut": lambda x, heads: x[:, None].expand(-1, heads, -1, -1),
    },
    "attention.turn": {
        "clockwise": rotation(sign=-1),
        "position forgotten": rotation(angle=lambda position, speed: speed),
        "degrees": rotation(angle=lambda position, speed: math.radians(position * speed)),
        "position plus speed": rotation(angle=lambda position, speed: position + speed),
        "exchanged": rotation(swap=True),
        "added instead of turned": lambda pair, position, speed: (
            pair[0] + math.sin(position * speed),
            pair[1] + math.cos(position * speed),
        ),
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
    },
}
