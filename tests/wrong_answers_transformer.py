"""Plausible wrong answers to the exercises of chapter 06."""

from operator import ne

import torch

from lmtutor.exercises.transformer import DECODER_MISTAKES, decoder_layer


def decoder_with(**wrong):
    """The right layer with one of the mistakes that the check knows."""
    return lambda x, memory, parts, num_heads: decoder_layer(x, memory, parts, num_heads, **wrong)


def attended(queries, looked_at, parts, number, num_heads, causal):
    q, k, v = (
        getattr(parts, f"{name}{number}")(vectors).unflatten(-1, (num_heads, -1)).transpose(1, 2)
        for name, vectors in (("query", queries), ("key", looked_at), ("value", looked_at))
    )
    found = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return getattr(parts, f"output{number}")(found.transpose(1, 2).flatten(2))


def self_attention(x, memory, parts, num_heads):
    h = parts.norm1(x)
    return attended(h, h, parts, 1, num_heads, True)


def cross_attention(x, memory, parts, num_heads):
    return attended(parts.norm2(x), memory, parts, 2, num_heads, False)


def feed_forward(x, memory, parts, num_heads):
    return parts.outer(parts.inner(parts.norm3(x)).relu())


def decoder_of(*sublayers):
    """These sublayers in this order."""

    def layer(x, memory, parts, num_heads):
        for sublayer in sublayers:
            x = x + sublayer(x, memory, parts, num_heads)
        return x

    return layer


def mask_with(mask):
    """A decoder's mask made of where tokens are and where no key is later than the query."""

    def decoder_mask(attention_mask):
        time = attention_mask.shape[1]
        return mask(attention_mask.bool(), torch.ones(time, time, dtype=torch.bool).tril())

    return decoder_mask


def rms_with(size=lambda x: (x.square().mean(-1, keepdim=True) + 1e-6).sqrt(), gained=True, centred=False):
    def rms_norm(x, gain, eps=1e-6):
        x = x - x.mean(-1, keepdim=True) if centred else x
        return x / size(x) * (gain if gained else 1)

    return rms_norm


def leaks_with(other=lambda ids, size: [*ids[:-1], (ids[-1] + 1) % size], places=lambda n: range(n - 1), same=False):
    def leaks(model, ids, vocab_size):
        before, after = model(ids), model(other(ids, vocab_size))
        return [place for place in places(len(ids)) if (before[place] == after[place]) == same]

    return leaks


def rms_of(eps=lambda eps: eps, mean=lambda x: x.square().mean(-1, keepdim=True), end=lambda m, eps: (m + eps).sqrt()):
    """RMSNorm with another use of eps."""

    def rms_norm(x, gain, eps=1e-6):
        return gain * x / end(mean(x), eps_of(eps))

    eps_of = eps
    return rms_norm


def longer_and_shorter(model, ids, vocab_size):
    """Compares with the text without its last id."""
    before, after = model(ids), model(ids[:-1])
    return [place for place in range(len(ids) - 1) if before[place] != after[place]]


def changed_in_place(model, ids, vocab_size):
    other = ids
    other[-1] = (other[-1] + 1) % vocab_size
    before, after = model(ids), model(other)
    return [place for place in range(len(ids) - 1) if before[place] != after[place]]


def compared_by(differ):
    def leaks(model, ids, vocab_size):
        before, after = model(ids), model([*ids[:-1], (ids[-1] + 1) % vocab_size])
        return [place for place in range(len(ids) - 1) if differ(before[place], after[place])]

    return leaks


WRONG = {
    "transformer.shift": {
        "copying": lambda target, start, end: ([start, *target], [start, *target]),
        "unshifted": lambda target, start, end: (target, target),
        "exchanged": lambda target, start, end: ([*target, end], [start, *target]),
        "reads the end": lambda target, start, end: ([start, *target, end], [*target, end]),
        "says the start": lambda target, start, end: ([start, *target], [start, *target, end]),
        "words are lost": lambda target, start, end: (target[:-1], target[1:]),
        "the last word is lost": lambda target, start, end: ([start, *target[:-1]], target),
        "always 1 and 2": lambda target, start, end: ([1, *target], [*target, 2]),
        "a start that is 0 left out": lambda target, start, end: ([i for i in (start, *target) if i], [*target, end]),
        "start and end exchanged": lambda target, start, end: ([end, *target], [*target, start]),
        "nothing for no words": lambda target, start, end: ([start, *target], [*target, end]) if target else ([], []),
        "each word once": lambda target, start, end: ([start, *dict.fromkeys(target)], [*dict.fromkeys(target), end]),
        "pairs": lambda target, start, end: list(zip([start, *target], [*target, end], strict=True)),
        "the first word twice": lambda target, start, end: ([start, *target], [*target[:1], *target, end]),
    },
    "transformer.rms_norm": {
        "no gain": rms_with(gained=False),
        "centred": rms_with(centred=True),
        "length": rms_with(size=lambda x: x.norm(dim=-1, keepdim=True) + 1e-9),
        "no root": rms_with(size=lambda x: x.square().mean(-1, keepdim=True) + 1e-6),
        "over all": rms_with(size=lambda x: (x.square().mean() + 1e-6).sqrt()),
        "eps ignored": rms_of(eps=lambda eps: 1e-6),
        "no eps": lambda x, gain, eps=1e-6: gain * x / x.square().mean(-1, keepdim=True).sqrt(),
        "eps outside the root": rms_of(end=lambda m, eps: m.sqrt() + eps),
        "eps as a floor": rms_of(end=lambda m, eps: m.clamp(min=eps).sqrt()),
        "PyTorch's eps": lambda x, gain, eps=1e-5: rms_of()(x, gain, eps),
        "a smaller eps": lambda x, gain, eps=1e-8: rms_of()(x, gain, eps),
        "eps squared": rms_of(end=lambda m, eps: (m + eps**2).sqrt()),
        "over the second axis": rms_of(mean=lambda x: x.square().mean(min(1, x.ndim - 1), keepdim=True)),
        "1 added to the gain": lambda x, gain, eps=1e-6: rms_of()(x, 1 + gain, eps),
        "the mean of the absolute values": rms_of(mean=lambda x: x.abs().mean(-1, keepdim=True) ** 2),
        "the variance": rms_of(mean=lambda x: x.var(-1, correction=0, keepdim=True)),
    },
    "transformer.decoder_layer": {
        **{
            ", ".join(f"{name} {value}" for name, value in wrong.items()): decoder_with(**wrong)
            for wrong, _ in DECODER_MISTAKES
        },
        "the memory alone": lambda x, memory, parts, heads: decoder_layer(memory, memory, parts, heads),
        "target and memory exchanged": lambda x, memory, parts, heads: decoder_layer(memory, x, parts, heads),
        "no cross-attention": decoder_of(self_attention, feed_forward),
        "cross-attention first": decoder_of(cross_attention, self_attention, feed_forward),
        "no feed-forward network": decoder_of(self_attention, cross_attention),
        "the feed-forward network alone": decoder_of(feed_forward),
        "one head": lambda x, memory, parts, heads: decoder_layer(x, memory, parts, 1),
        "a last norm": lambda x, memory, parts, heads: parts.norm3(decoder_layer(x, memory, parts, heads)),
        "the sum of the sublayers": lambda x, memory, parts, heads: decoder_layer(x, memory, parts, heads) - x,
        "nothing": lambda x, memory, parts, heads: x,
    },
    "transformer.decoder_mask": {
        "the queries hidden": mask_with(lambda keep, now: keep[:, None, :, None] & now),
        "no causal mask": mask_with(lambda keep, now: keep[:, None, None, :].expand(-1, 1, len(now), -1)),
        "no padding mask": mask_with(lambda keep, now: now.expand(len(keep), 1, -1, -1)),
        "turned round": mask_with(lambda keep, now: keep[:, None, None, :] & now.T),
        "not itself": mask_with(lambda keep, now: keep[:, None, None, :] & now.tril(-1)),
        "what is hidden": mask_with(lambda keep, now: ~(keep[:, None, None, :] & now)),
        "or": mask_with(lambda keep, now: keep[:, None, None, :] | now),
        "padding's rows, too": mask_with(lambda keep, now: keep[:, None, None, :] & keep[:, None, :, None] & now),
        "no axis for the heads": mask_with(lambda keep, now: keep[:, None, :] & now),
        "the axes of heads and batch exchanged": mask_with(
            lambda keep, now: (keep[:, None, None, :] & now).transpose(0, 1)
        ),
        "minus infinity": mask_with(
            lambda keep, now: torch.zeros(1).masked_fill(~(keep[:, None, None, :] & now), -torch.inf)
        ),
        "the first row's padding for all": mask_with(
            lambda keep, now: keep[:1, None, None, :].expand(len(keep), 1, 1, -1) & now
        ),
    },
    "transformer.leaks": {
        "the last counts": leaks_with(places=range),
        "nothing changed": leaks_with(other=lambda ids, size: list(ids)),
        "the first changed": leaks_with(other=lambda ids, size: [(ids[0] + 1) % size, *ids[1:]]),
        "those that stay": leaks_with(same=True),
        "only the neighbour": leaks_with(places=lambda n: range(n - 2, n - 1)),
        "always changed to 0": leaks_with(other=lambda ids, size: [*ids[:-1], 0]),
        "beyond the vocabulary": leaks_with(other=lambda ids, size: [*ids[:-1], ids[-1] + 1]),
        "yes or no": lambda model, ids, size: list(map(ne, model(ids), model([*ids[:-1], 0])))[:-1],
        "without the last id": longer_and_shorter,
        "the list itself changed": changed_in_place,
        "what grows": compared_by(lambda before, after: after > before),
        "what shrinks": compared_by(lambda before, after: after < before),
        "the first leak alone": lambda model, ids, size: leaks_with()(model, ids, size)[:1],
        "the neighbour of a leak": lambda model, ids, size: [i + 1 for i in leaks_with()(model, ids, size)],
        "from behind": lambda model, ids, size: leaks_with()(model, ids, size)[::-1],
        "how many": lambda model, ids, size: len(leaks_with()(model, ids, size)),
        "changed to the one before": leaks_with(other=lambda ids, size: [*ids[:-1], ids[-1] - 1]),
    },
    "transformer.decoder_layer_parameters": {
        "the encoder's": lambda d, f: 4 * (d * d + d) + 2 * d * f + f + d + 4 * d,
        "one attention": lambda d, f: 4 * (d * d + d) + 2 * d * f + f + d + 6 * d,
        "no biases": lambda d, f: 8 * d * d + 2 * d * f + 6 * d,
        "matrices alone": lambda d, f: 8 * d * d + 2 * d * f,
        "norms without bias": lambda d, f: 8 * (d * d + d) + 2 * d * f + f + d + 3 * d,
        "two norms": lambda d, f: 8 * (d * d + d) + 2 * d * f + f + d + 4 * d,
        "three maps": lambda d, f: 6 * (d * d + d) + 2 * d * f + f + d + 6 * d,
        "an output map too few": lambda d, f: 8 * (d * d + d) - (d * d + d) + 2 * d * f + f + d + 6 * d,
        "feed-forward's biases alike": lambda d, f: 8 * (d * d + d) + 2 * d * f + 2 * f + 6 * d,
        "one bias in feed-forward": lambda d, f: 8 * (d * d + d) + 2 * d * f + f + 6 * d,
        "an inner size of 4 d": lambda d, f: 8 * (d * d + d) + 8 * d * d + 5 * d + 6 * d,
        "biases for queries, keys and values alone": lambda d, f: 8 * d * d + 6 * d + 2 * d * f + f + d + 6 * d,
    },
    "transformer.break_even": {
        "attention alone": lambda d, f: 2 * d,
        "feed-forward alone": lambda d, f: f,
        "no twos": lambda d, f: d + f,
        "not divided": lambda d, f: 8 * d + 4 * f,
        "of one word": lambda d, f: 8 * d * d + 4 * d * f,
        "a root": lambda d, f: (2 * d + f) ** 0.5,
        "an inner size of 4 d": lambda d, f: 6 * d,
        "the decoder's": lambda d, f: (16 * d * d + 4 * d * f) / (8 * d),
        "half of it": lambda d, f: d + f / 2,
        "twos exchanged": lambda d, f: d + 2 * f,
        "scores alone": lambda d, f: 2 * (2 * d + f),
        "a whole power of 2": lambda d, f: 2 ** (2 * d + f).bit_length(),
    },
}
