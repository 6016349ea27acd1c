"""Plausible wrong answers to the exercises of chapter 08."""

import math

import torch
from torch.nn import functional as F

from lmtutor.exercises import generate as right


def count_with(embeddings=lambda v, t: v + t, layer=lambda d: 12 * d**2 + 13 * d, last=lambda d: 2 * d, layers=None):
    def parameters(vocab_size, max_length, d, num_layers):
        return embeddings(vocab_size, max_length) * d + (layers or num_layers) * layer(d) + last(d)

    return parameters


def scaled(kept):
    return [x / sum(kept) for x in kept]


def first_above(p, u, exceeds=lambda u, total: u < total):
    total = 0.0
    for i, x in enumerate(p):
        total += x
        if exceeds(u, total):
            return i
    return len(p) - 1


def grams(tokens, n):
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def share_with(count, of=len):
    def repetition(tokens, n):
        found = grams(tokens, n)
        return count(found) / max(of(found), 1)

    return repetition


def bisection_with(borders=True, wrong_way=False, steps=20):
    def matching_temperature(surprise, target, low, high, _steps=20):
        if borders and target <= surprise(low):
            return low
        if borders and target >= surprise(high):
            return high
        for _ in range(steps):
            middle = (low + high) / 2
            low, high = (middle, high) if (surprise(middle) < target) != wrong_way else (low, middle)
        return (low + high) / 2

    return matching_temperature


def straight_line(surprise, target, low, high, steps=20):
    if target <= surprise(low):
        return low
    if target >= surprise(high):
        return high
    return low + (target - surprise(low)) / (surprise(high) - surprise(low)) * (high - low)


def line_beyond(surprise, target, low, high, steps=20):
    return low + (target - surprise(low)) / (surprise(high) - surprise(low)) * (high - low)


def kept_by(least):
    """min-p with another threshold: (probabilities, share) -> the least probability that stays."""
    return lambda p, share: scaled([x if x >= min(least(p, share), max(p)) else 0.0 for x in p])


def drawn_with(last):
    """The first index above u; `last` says which one if rounding left none."""

    def draw(p, u):
        total = 0.0
        for i, x in enumerate(p):
            total += x
            if u < total:
                return i
        return last(p)

    return draw


def twenty_steps(surprise, target, low, high, steps=20):
    return bisection_with()(surprise, target, low, high)


def on_a_grid(surprise, target, low, high, steps=20):
    """The best of some thousand temperatures."""
    grid = [low + (high - low) * i / 4096 for i in range(4097)]
    return min(grid, key=lambda temperature: abs(surprise(temperature) - target))


def attention_with(shift):
    """Cached attention whose triangle is shifted."""

    def attend(query, keys, values):
        new, total = query.shape[2], keys.shape[2]
        mask = torch.ones(new, total, dtype=torch.bool).tril(total - new + shift)
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)

    return attend


def writer(
    feed=lambda ids, written, new: new, cached=lambda cache: cache, ends=lambda token, end: token == end,
    more=lambda written, max_tokens: len(written) < max_tokens, out=lambda ids, written, end: written,
    pick=lambda logits: int(logits[0].argmax()), first=lambda ids: ids,
):  # fmt: skip
    """The loop with one thing changed."""

    def generate_with_cache(step, cache, ids, max_tokens, end):
        written, new = [], first(ids)
        while more(written, max_tokens):
            new = [pick(step(torch.tensor([feed(ids, written, new)]), cached(cache)))]
            written += new
            if ends(new[0], end):
                break
        return out(ids, written, end)

    return generate_with_cache


def reads_the_last_token(step, cache, ids, max_tokens, end):
    written, logits = [], step(torch.tensor([ids]), cache)
    for _ in range(max_tokens):
        token = int(logits[0].argmax())
        written.append(token)
        logits = step(torch.tensor([[token]]), cache)
        if token == end:
            break
    return written


def ends_with_what_was_read(step, cache, ids, max_tokens, end):
    text, new = list(ids), ids
    while len(text) < len(ids) + max_tokens and text[-1] != end:
        new = [int(step(torch.tensor([new]), cache)[0].argmax())]
        text += new
    return text[len(ids) :]


def block(**change):
    return lambda x, w, num_heads, num_kv_heads, epsilon=1e-5: right._block(
        x, w, num_heads, num_kv_heads, epsilon, **change
    )


WRONG = {
    "generate.parameters": {
        "logits twice": count_with(embeddings=lambda v, t: 2 * v + t),
        "no positions": count_with(embeddings=lambda v, t: v),
        "no last norm": count_with(last=lambda d: 0),
        "no norms": count_with(layer=lambda d: 12 * d**2 + 9 * d),
        "one layer": count_with(layers=1),
        "matrices alone": count_with(layer=lambda d: 12 * d**2, last=lambda d: 0),
        "feed-forward without its second bias": count_with(layer=lambda d: 12 * d**2 + 12 * d),
        "no biases in attention": count_with(layer=lambda d: 12 * d**2 + 9 * d + 1),
        "a norm with a gain alone": count_with(last=lambda d: d),
        "two segments": count_with(embeddings=lambda v, t: v + t + 2),
        "an inner size of d": count_with(layer=lambda d: 6 * d**2 + 10 * d),
        "a bias for the logits": lambda v, t, d, n: count_with()(v, t, d, n) + v,
    },
    "generate.cached_attention": {
        "the corner of PyTorch": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        "no mask": lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        "not itself": attention_with(-1),
        "one too many": attention_with(1),
        "no first token": lambda q, k, v: attention_with(0)(q, k, torch.cat([0 * v[:, :, :1], v[:, :, 1:]], dim=2)),
        "the last token alone": lambda q, k, v: attention_with(0)(q[:, :, -1:], k, v),
        "the new tokens alone": lambda q, k, v: F.scaled_dot_product_attention(
            q, k[:, :, -q.shape[2] :], v[:, :, -q.shape[2] :], is_causal=True
        ),
        "no root": lambda q, k, v: attention_with(0)(q * q.shape[3] ** 0.5, k, v),
        "zeros for weights": lambda q, k, v: (
            (q @ k.mT / q.shape[3] ** 0.5).softmax(-1).tril(k.shape[2] - q.shape[2]) @ v
        ),
    },
    "generate.generate_with_cache": {
        "all of it again": writer(feed=lambda ids, written, new: [*ids, *written]),
        "all of it again, without the cache": writer(
            feed=lambda ids, written, new: [*ids, *written], cached=lambda cache: []
        ),
        "the newest without the cache": writer(cached=lambda cache: []),
        "the last of what is given": writer(first=lambda ids: ids[-1:]),
        "the end left out": writer(out=lambda ids, written, end: [i for i in written if i != end]),
        "never ends": writer(ends=lambda token, end: False),
        "one too many": writer(more=lambda written, max_tokens: len(written) <= max_tokens),
        "at least one": writer(more=lambda written, max_tokens: not written or len(written) < max_tokens),
        "what was read, too": writer(out=lambda ids, written, end: [*ids, *written]),
        "the least likely": writer(pick=lambda logits: int(logits[0].argmin())),
        "drawn from the middle": writer(pick=lambda logits: int(logits[0].argsort()[logits.shape[1] // 2])),
        "the last one read": reads_the_last_token,
        "ended by what was read": ends_with_what_was_read,
        "one dimension": writer(feed=lambda ids, written, new: new, pick=lambda logits: int(logits.argmax(0)[0])),
        "the last one alone": writer(out=lambda ids, written, end: written[-1:]),
    },
    "generate.cache_bytes": {
        "keys alone": lambda b, t, n, h, s, size: b * t * n * h * s * size,
        "queries, too": lambda b, t, n, h, s, size: 3 * b * t * n * h * s * size,
        "numbers": lambda b, t, n, h, s, size: 2 * b * t * n * h * s,
        "one layer": lambda b, t, n, h, s, size: 2 * b * t * h * s * size,
        "one head": lambda b, t, n, h, s, size: 2 * b * t * n * s * size,
        "one text": lambda b, t, n, h, s, size: 2 * t * n * h * s * size,
        "scores": lambda b, t, n, h, s, size: 2 * b * t**2 * n * h * s * size,
        "four bytes": lambda b, t, n, h, s, size: 8 * b * t * n * h * s,
        "bits": lambda b, t, n, h, s, size: 16 * b * t * n * h * s * size,
        "the last token alone": lambda b, t, n, h, s, size: 2 * b * n * h * s * size,
        "without the first token": lambda b, t, n, h, s, size: 2 * b * (t - 1) * n * h * s * size,
        "megabytes": lambda b, t, n, h, s, size: 2 * b * t * n * h * s * size / 1e6,
    },
    "generate.llama_block": {
        "values turned": block(turn=("query", "key", "value")),
        "no positions": block(turn=()),
        "queries turned alone": block(turn=("query",)),
        "keys turned alone": block(turn=("key",)),
        "not causal": block(causal=False),
        "heads shared in turn": block(share=lambda x, group, dim: torch.cat([x] * group, dim=dim)),
        "no first residual": block(first=False),
        "no second residual": block(second=False),
        "silu on the wrong side": block(gated=lambda gate, up: gate * F.silu(up)),
        "no silu": block(gated=lambda gate, up: gate * up),
        "a GLU": block(gated=lambda gate, up: gate.sigmoid() * up),
        "GELU": block(gated=lambda gate, up: F.gelu(gate) * up),
        "ReLU": block(gated=lambda gate, up: F.relu(gate) * up),
        "no gate": block(gated=lambda gate, up: F.silu(up)),
        "side by side": block(again=lambda before, after: before),
        "LayerNorm": block(norm=right._layer_norm),
        "no gains": block(norm=lambda x, gain, epsilon: right._norm(x, 1.0, epsilon)),
        "norms without a root": block(
            norm=lambda x, gain, epsilon: gain * x / (x.square().mean(-1, keepdim=True) + epsilon)
        ),
        "no norms": block(norm=lambda x, gain, epsilon: x),
        "epsilon ignored": lambda x, w, num_heads, num_kv_heads, epsilon=1e-5: right._block(
            x, w, num_heads, num_kv_heads, 1e-5
        ),
        "epsilon outside the root": block(
            norm=lambda x, gain, epsilon: gain * x / (x.square().mean(-1, keepdim=True).sqrt() + epsilon)
        ),
        "heads not brought back": block(join=lambda context: context),
        "keys not shared": block(share=lambda x, group, dim: x),
        "the first key head for all": block(
            share=lambda x, group, dim: x[:, :1].expand(-1, x.shape[1] * group, -1, -1)
        ),
    },
    "generate.min_p": {
        "not scaled": lambda p, share: [x if x >= share * max(p) else 0.0 for x in p],
        "a probability": lambda p, share: scaled([x if x >= min(share, max(p)) else 0.0 for x in p]),
        "places lost": lambda p, share: scaled([x for x in p if x >= share * max(p)]),
        "nothing cut": lambda p, share: p,
        "above only": lambda p, share: scaled([x if x > share * max(p) else 0.0 for x in p]),
        "a share of the first": kept_by(lambda p, share: share * p[0]),
        "a share of the second": kept_by(lambda p, share: share * sorted(p)[-2]),
        "a share of the mean": kept_by(lambda p, share: share / len(p)),
        "a share of the smallest": kept_by(lambda p, share: share * min(p)),
        "divided by the largest": lambda p, share: [x / max(p) if x >= share * max(p) else 0.0 for x in p],
        "scaled by the share": lambda p, share: [x / share if x >= share * max(p) else 0.0 for x in p],
        "the rest shared by all": lambda p, share: (
            lambda kept: [x + (1 - sum(kept)) / sum(y > 0 for y in kept) if x else 0.0 for x in kept]
        )([x if x >= share * max(p) else 0.0 for x in p]),
        "the likeliest first": lambda p, share: sorted(
            scaled([x if x >= share * max(p) else 0.0 for x in p]), reverse=True
        ),
        "the likeliest alone": lambda p, share: [float(i == p.index(max(p))) for i in range(len(p))],
    },
    "generate.draw": {
        "greedy": lambda p, u: max(range(len(p)), key=p.__getitem__),
        "not exceeded": lambda p, u: first_above(p, u, lambda u, total: u <= total),
        "each probability": lambda p, u: next((i for i, x in enumerate(p) if u < x), len(p) - 1),
        "from behind": lambda p, u: len(p) - 1 - first_above(p[::-1], u),
        "the last, though it has no probability": first_above,
        "the likeliest at the end": drawn_with(lambda p: max(range(len(p)), key=p.__getitem__)),
        "the first at the end": drawn_with(lambda p: 0),
        "nothing at the end": drawn_with(lambda p: -1),
        "an error at the end": lambda p, u: next(i for i in range(len(p)) if u < sum(p[: i + 1])),
        "without itself": lambda p, u: next((i for i in range(len(p)) if u < sum(p[:i])), len(p) - 1),
        "evenly": lambda p, u: int(u * len(p)),
        "rounded": lambda p, u: first_above([round(x, 1) for x in p], round(u, 1)),
        "the likeliest first": lambda p, u: (
            lambda order: order[drawn_with(lambda q: len(q) - 1)([p[i] for i in order], u)]
        )(sorted(range(len(p)), key=lambda i: -p[i])),
        "the probability": lambda p, u: p[drawn_with(lambda q: len(q) - 1)(p, u)],
    },
    "generate.repetition": {
        "diversity": share_with(lambda found: len(set(found))),
        "kinds that come twice": share_with(lambda found: sum(found.count(gram) > 1 for gram in set(found))),
        "all that come twice": share_with(lambda found: sum(found.count(gram) > 1 for gram in found)),
        "a count": lambda tokens, n: len(grams(tokens, n)) - len(set(grams(tokens, n))),
        "of the tokens": lambda tokens, n: 1 - len(set(grams(tokens, n))) / len(tokens) if tokens else 0.0,
        "neighbours": share_with(lambda found: sum(a == b for a, b in zip(found, found[1:], strict=False))),
        "n-grams as one word": lambda tokens, n: share_with(lambda found: len(found) - len(set(map("".join, found))))(
            tokens, n
        ),
        "side by side": lambda tokens, n: (lambda found: 1 - len(set(found)) / len(found) if found else 0.0)(
            [tuple(tokens[i : i + n]) for i in range(0, len(tokens) - n + 1, n)]
        ),
        "the last one lost": lambda tokens, n: share_with(lambda found: len(found) - len(set(found)))(tokens[:-1], n),
        "without regard to the order": lambda tokens, n: share_with(
            lambda found: len(found) - len({tuple(sorted(gram)) for gram in found})
        )(tokens, n),
        "tokens": lambda tokens, n: 1 - len(set(tokens)) / len(tokens) if tokens else 0.0,
        "cut ones, too": lambda tokens, n: (lambda found: 1 - len(set(found)) / len(found) if found else 0.0)(
            [tuple(tokens[i : i + n]) for i in range(len(tokens))]
        ),
        "of the kinds": share_with(lambda found: len(found) - len(set(found)), of=lambda found: len(set(found))),
    },
    "generate.matching_temperature": {
        "the middle": bisection_with(steps=0),
        "the wrong way": bisection_with(wrong_way=True),
        "a straight line": straight_line,
        "a line beyond the borders": line_beyond,
        "too few steps": bisection_with(steps=3),
        "always twenty steps": twenty_steps,
        "on a grid": on_a_grid,
        "from 0 up": lambda surprise, target, low, high, steps=20: bisection_with()(surprise, target, 0.0, high),
        "the surprise there": lambda surprise, target, low, high, steps=20: surprise(
            bisection_with()(surprise, target, low, high)
        ),
        "the geometric middle": lambda surprise, target, low, high, steps=20: math.sqrt(low * high),
        "never the lower border": lambda surprise, target, low, high, steps=20: (
            bisection_with()(surprise, target, low, high) if target > surprise(low) else (low + high) / 2
        ),
        "0 beyond the borders": lambda surprise, target, low, high, steps=20: (
            bisection_with()(surprise, target, low, high) if surprise(low) <= target <= surprise(high) else 0.0
        ),
    },
}
