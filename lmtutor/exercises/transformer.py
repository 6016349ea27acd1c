"""Exercises of chapter 06."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from lmtutor.exercises.examine import Exercise, compare, same


def shift(target, start, end) -> tuple[list[int], list[int]]:
    """What the decoder reads, and what it should say at each place."""
    return [start, *target], [*target, end]


def _remark_shift(arguments, expected, got):
    target, start, end = arguments
    read, said = list(got[0]), list(got[1])
    if [read, said] == [target[:-1], target[1:]]:
        return "No word of the target may be lost: the first one has to be said, and the last one read."
    if read == said:
        return "Reading and saying the same is copying: shift them by one place."
    if [read, said] == [expected[1], expected[0]]:
        return "Exchanged: what it reads comes first."
    if end in read:
        return "The decoder never reads the end: after it nothing is to be said."
    if start in said:
        return "The start is never said: it is only read, before the first word."
    if len(read) != len(said):
        return "Each place that is read has one word to say, so both lists are of the same length."
    return ""


def rms_norm(x, gain, eps=1e-6) -> torch.Tensor:
    """Divided by the root of the mean square, times the gain: [..., hidden]."""
    return gain * x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


def _remark_rms_norm(arguments, expected, got):
    x, gain, eps = (*arguments, 1e-6)[:3]
    if eps != 1e-6 and same(rms_norm(x, gain), got, 1e-6):
        return "eps has another value here: use the argument."
    if same(gain * x / (x.square().mean(-1, keepdim=True).sqrt() + eps), got, 1e-6):
        return "eps is added to the mean square, before the root."
    if same((x / (x.square().mean(-1, keepdim=True)).sqrt()), got, 1e-4):
        return "The gain is missing: each number gets its own factor."
    if same(gain * (x - x.mean(-1, keepdim=True)) / x.std(-1, correction=0, keepdim=True), got, 1e-4):
        return "That is LayerNorm without bias; RMSNorm does not subtract the mean."
    if same(gain * x / x.norm(dim=-1, keepdim=True), got, 1e-4):
        return "You divide by the length of the vector; take the mean of the squares, not their sum."
    if same(gain * x / (x.square().mean(-1, keepdim=True)), got, 1e-4):
        return "You divide by the mean square; take its root."
    if same(gain * x / x.square().mean().sqrt(), got, 1e-4):
        return "Each vector by itself: the mean runs over the last axis alone."
    return ""


def _failure_rms_norm(arguments, error):
    return "Did the mean lose its axis? keepdim=True keeps it." if "must match the size" in str(error) else ""


class Parts:
    """What the sublayers of a decoder layer are made of: functions of vectors."""

    def __init__(self, hidden_size: int, seed: int):
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape):
            return torch.randn(*shape, dtype=torch.float64, generator=generator)

        self._size, names = hidden_size, ("query", "key", "value", "output")
        sizes = {f"{name}{number}": (hidden_size, hidden_size) for number in (1, 2) for name in names}
        sizes |= {"inner": (2 * hidden_size, hidden_size), "outer": (hidden_size, 2 * hidden_size)}
        for name, (outputs, inputs) in sizes.items():
            weight, bias = drawn(outputs, inputs) / inputs**0.5, 0.3 * drawn(outputs)
            setattr(self, name, partial(F.linear, weight=weight, bias=bias))
        for number in (1, 2, 3):
            gain, bias = 1 + 0.3 * drawn(hidden_size), 0.3 * drawn(hidden_size)
            norm = partial(F.layer_norm, normalized_shape=(hidden_size,), weight=gain, bias=bias)
            setattr(self, f"norm{number}", norm)

    def __repr__(self) -> str:
        return f"<parts of a layer, hidden size {self._size}>"


def decoder_layer(
    x,
    memory,
    parts,
    num_heads,
    *,
    causal=True,
    across="memory",
    after=False,
    residual=True,
    scale="head",
    bend=True,
    mixed=False,
) -> torch.Tensor:
    """A pre-norm decoder layer; the options are mistakes."""

    def attend(queries, looked_at, number, hide_later):
        maps = (
            (parts.__dict__[f"query{number}"], queries),
            *((parts.__dict__[f"{n}{number}"], looked_at) for n in ("key", "value")),
        )
        shape = (-1, num_heads) if mixed else (num_heads, -1)
        q, k, v = (linear(vectors).unflatten(-1, shape) for linear, vectors in maps)
        q, k, v = (t.movedim(-1 if mixed else -2, 1) for t in (q, k, v))  # [batch, heads, time, size]
        size = {"head": q.shape[-1], "hidden": x.shape[-1], "none": 1}[scale]
        scores = q @ k.transpose(-2, -1) / size**0.5
        if hide_later:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
        context = (scores.softmax(-1) @ v).movedim(1, -1 if mixed else -2).flatten(2)
        return parts.__dict__[f"output{number}"](context)

    def feed_forward(h):
        inner = parts.inner(h)
        return parts.outer(inner.relu() if bend else inner)

    def across_the_texts(h):
        return attend(h, h if across == "itself" else parts.norm2(memory) if across == "normed" else memory, 2, False)

    sublayers = (lambda h: attend(h, h, 1, causal), across_the_texts, feed_forward)
    for sublayer, norm in zip(sublayers, (parts.norm1, parts.norm2, parts.norm3), strict=True):
        x = norm(x + sublayer(x)) if after else residual * x + sublayer(norm(x))
    return x


DECODER_MISTAKES = (
    ({"causal": False}, "A target token sees later ones: hide them in the self-attention before the softmax."),
    ({"across": "itself"}, "The cross-attention takes its keys and values from the memory, not from the target."),
    ({"across": "normed"}, "The memory was normalised by the encoder's last norm: only the queries go through norm2."),
    ({"residual": False}, "The residual connections are missing: each sublayer's output is added to x."),
    ({"after": True}, "That is post-norm. Here the norm stands before each sublayer: x + sublayer(norm(x))."),
    ({"scale": "hidden"}, "The scores are divided by the root of a head's size, not of the hidden size."),
    ({"scale": "none"}, "The scores are not divided by the root of the head's size."),
    ({"bend": False}, "The ReLU between inner and outer is missing."),
    ({"mixed": True}, "Each head owns neighbouring numbers: the first head the first hidden / num_heads of them."),
)


def _remark_decoder_layer(arguments, expected, got):
    for mistake, remark in DECODER_MISTAKES:
        if same(decoder_layer(*arguments, **mistake), got, 1e-6):
            return remark
    x, memory, *_ = arguments
    if tuple(got.shape) == tuple(memory.shape) != tuple(x.shape):
        return "One vector for each target token is wanted: queries come from x."
    return ""


def _decoder_case(hidden_size, num_heads, batch, target, source, seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((batch, target, hidden_size), (batch, source, hidden_size))
    x, memory = (torch.randn(*shape, dtype=torch.float64, generator=generator).mul(10).round() / 10 for shape in shapes)
    return x, memory, Parts(hidden_size, seed), num_heads


def decoder_mask(attention_mask) -> torch.Tensor:
    """True where a token may look: at no padding, and at no later token."""
    time = attention_mask.shape[1]
    return attention_mask.bool()[:, None, None, :] & torch.ones(time, time, dtype=torch.bool).tril()


def _remark_decoder_mask(arguments, expected, got):
    keep, time = arguments[0].bool(), arguments[0].shape[1]
    now = torch.ones(time, time, dtype=torch.bool).tril()
    known = (
        (
            keep[:, None, :, None] & now,
            "Still the queries are hidden. Which axis holds the keys, those that are looked at?",
        ),
        (
            keep[:, None, None, :] & now.T,
            "The triangle is turned round: a token may look at itself and at earlier ones.",
        ),
        (keep[:, None, None, :] & now.tril(-1), "A token may look at itself, too."),
        ((keep[:, None, None, :] & now).logical_not(), "True means may look; yours is True where it may not."),
        (now.expand_as(expected), "Padding may still be looked at."),
        (keep[:, None, None, :].expand_as(expected), "Later tokens may still be looked at."),
        (keep[:, None, None, :] | now, "Both must allow it: use &, not |."),
        (
            keep[:, None, None, :] & keep[:, None, :, None] & now,
            "Leave the rows of the padding as they are: a query "
            "that may look nowhere is a special case that nobody needs.",
        ),
    )
    for wrong, remark in known:
        if tuple(got.shape) == tuple(wrong.shape) and bool((torch.as_tensor(got).bool() == wrong).all()):
            return remark
    if tuple(got.shape) != tuple(expected.shape):
        return "The shape is [batch, 1, queries, keys], with an axis of size 1 for the heads."
    return ""


def leaks(model, ids, vocab_size) -> list[int]:
    """Places before the last whose output changes when the last id changes."""
    other = [*ids[:-1], (ids[-1] + 1) % vocab_size]
    before, after = model(ids), model(other)
    return [place for place in range(len(ids) - 1) if before[place] != after[place]]


def _causal(ids):
    """Sums of the ids so far: nothing leaks."""
    return [sum(ids[: place + 1]) for place in range(len(ids))]


def _one_ahead(ids):
    """Each place sees the next one."""
    return [sum(ids[: place + 2]) for place in range(len(ids))]


def _everywhere(ids):
    """Each place sees all."""
    return [sum(ids) + place for place in range(len(ids))]


def _first_sees_last(ids):
    """Only the first place sees the last one."""
    return [ids[0] * 10 + ids[-1], *ids[1:]]


def _number_of_ids(ids):
    """Each place knows how many ids there are."""
    return [sum(ids[: place + 1]) + len(ids) for place in range(len(ids))]


def _below(vocab_size, model):
    """A model that, as an embedding does, knows only the ids below vocab_size."""

    def known(ids):
        if not all(0 <= i < vocab_size for i in ids):
            raise IndexError(f"an id is not below vocab_size = {vocab_size}")
        return model(ids)

    known.__doc__ = model.__doc__
    return known


def _failure_leaks(arguments, error):
    if isinstance(error, IndexError) and "vocab_size" in str(error):
        return "After the last id comes 0 again: % vocab_size."
    return ""


def _remark_leaks(arguments, expected, got):
    model, ids, _ = arguments
    if all(isinstance(place, bool) for place in got) and got:
        return "Not whether each place leaks, but the numbers of those that do."
    if len(ids) - 1 in list(got):
        return "The last place may change, it has read the new id; only those before it count."
    if model.__doc__ == _number_of_ids.__doc__:
        return "Change the last id, and leave the number of ids as it is."
    if not list(got) and expected:
        return "Is the last id of your second call really another one?"
    if list(got) != sorted(set(got)):
        return "The places should be sorted, each once."
    return ""


def decoder_layer_parameters(d: int, f: int) -> int:
    """Two attentions, a feed-forward network, three norms."""
    return 2 * 4 * (d * d + d) + (2 * d * f + f + d) + 3 * 2 * d


def _remark_decoder_layer_parameters(arguments, expected, got):
    d, f = arguments
    known = {
        4 * (d * d + d) + (2 * d * f + f + d) + 2 * 2 * d: "That is a layer of the encoder; the decoder's has a "
        "second attention and a third norm.",
        4 * (d * d + d) + (2 * d * f + f + d) + 3 * 2 * d: "There are two attentions: to itself, and across.",
        8 * d * d + 2 * d * f: "Those are the matrices alone; biases and norms are missing.",
        8 * d * d + 2 * d * f + 6 * d: "The biases of the linear maps are missing.",
        8 * (d * d + d) + (2 * d * f + f + d) + 3 * d: "A norm has a gain and a bias.",
        8 * (d * d + d) + (2 * d * f + f + d) + 4 * d: "The decoder's layer has a third norm.",
        6 * (d * d + d) + (2 * d * f + f + d) + 6 * d: "Each attention has four maps: the output is the fourth.",
    }
    return known.get(got, "")


def break_even(d: int, f: int) -> float:
    """4 n^2 d = 8 n d^2 + 4 n d f."""
    return 2 * d + f


def _remark_break_even(arguments, expected, got):
    d, f = arguments
    if same(2 * d, got, 1e-9):
        return "The feed-forward network works, too: 4 n d f."
    if same(f, got, 1e-9):
        return "The four maps of attention work, too: 8 n d²."
    if same(d + f, got, 1e-9) or same(8 * d + 4 * f, got, 1e-9):
        return "Divide both sides of 4 n² d = 8 n d² + 4 n d f by 4 n d."
    if same(8 * d * d + 4 * d * f, got, 1e-9):
        return "Those are the FLOPs of one word; at which n does 4 n² d equal n times that?"
    if same((2 * d + f) ** 0.5, got, 1e-9):
        return "The other FLOPs grow with n, too, so one n cancels, and no root is left."
    return ""


def _vector(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


EXERCISES = {
    "shift": Exercise(
        "Before the first word it has read only the start. What should it say when it has read the last word?",
        compare(shift, [([7], 1, 2), ([7, 8, 9], 1, 2), ([], 1, 2), ([7, 8, 7], 0, 9)], remark=_remark_shift),
    ),
    "rms_norm": Exercise(
        "x.square().mean(-1, keepdim=True) is the mean square of each vector.",
        compare(
            rms_norm,
            [
                (_vector(3, 4), _vector(1, 1)),
                (_vector(1, 2, 3, 6), _vector(1, 2, 1, 0.5)),
                (torch.arange(6.0).double().reshape(2, 3) + 1, _vector(1, 1, 3)),
                (_vector(0, 0), _vector(1, 1)),
                (_vector(0.001, 0.001), _vector(1, 1)),
                (_vector(3, 4), _vector(1, 1), 12.5),
                (torch.arange(8.0).double().reshape(2, 2, 2), _vector(1, 2)),
            ],
            remark=_remark_rms_norm,
            failure=_failure_rms_norm,
        ),
    ),
    "decoder_layer": Exercise(
        "Three lines of x = x + ...; write one function for both attentions, which takes queries from one text and "
        "keys and values from another. .unflatten(-1, (num_heads, -1)).transpose(1, 2) makes the heads.",
        compare(
            decoder_layer,
            [
                _decoder_case(3, 1, 1, 1, 1, 0),
                _decoder_case(3, 1, 1, 2, 1, 1),
                _decoder_case(3, 1, 1, 1, 2, 2),
                _decoder_case(4, 2, 1, 1, 2, 3),
                _decoder_case(4, 2, 2, 3, 2, 4),
                _decoder_case(6, 3, 2, 2, 4, 5),
            ],
            remark=_remark_decoder_layer,
        ),
    ),
    "leaks": Exercise(
        "Run the model twice: on ids, and on a copy whose last id is another one below vocab_size.",
        compare(
            leaks,
            [
                (_below(5, _one_ahead), [1, 2], 5),
                (_below(5, _causal), [1, 2, 3], 5),
                (_below(4, _everywhere), [1, 2, 3], 4),
                (_below(5, _one_ahead), [4, 3, 2, 4], 5),
                (_below(5, _number_of_ids), [1, 2, 3], 5),
                (_below(3, _first_sees_last), [1, 0, 2, 1], 3),
                (_below(3, _one_ahead), [2, 0], 3),
                (_below(2, _one_ahead), [0, 1], 2),
                (_below(5, _everywhere), [3], 5),
            ],
            remark=_remark_leaks,
            failure=_failure_leaks,
        ),
    ),
    "decoder_mask": Exercise(
        "A mask has the axes [batch, heads, queries, keys]. Padding must not be looked at: is it a query, or a key?",
        compare(
            decoder_mask,
            [
                (torch.tensor([[1, 1]]),),
                (torch.tensor([[0, 1]]),),
                (torch.tensor([[1, 0]]),),
                (torch.tensor([[1, 1, 1], [1, 1, 0]]),),
                (torch.tensor([[0, 1, 1]]),),
                (torch.tensor([[1], [1]]),),
            ],
            remark=_remark_decoder_mask,
        ),
    ),
    "decoder_layer_parameters": Exercise(
        "Add up the rows of the table, with the attention twice and the norm three times.",
        compare(decoder_layer_parameters, [(2, 3), (16, 64), (512, 2048)], remark=_remark_decoder_layer_parameters),
    ),
    "break_even": Exercise(
        "Write down the FLOPs of a layer of the encoder from the table: which terms have n, which have n²?",
        compare(break_even, [(2, 6), (64, 256), (512, 2048)], remark=_remark_break_even),
    ),
}
