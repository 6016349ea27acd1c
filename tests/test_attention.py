"""Attention and positions: equal to PyTorch's and Transformers', true to their properties, and without leaks."""

import ast
import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_code import definitions
from torch import nn
from torch.nn import functional as F

from lmtutor import batches, text
from lmtutor.models import attention, bert, gpt, positions, transformer
from lmtutor.models.attention import MultiHeadAttention, causal_mask, padding_mask
from lmtutor.models.gpt import LearnedEmbedding
from lmtutor.runtime import CourseError

HERE = {"dtype": torch.float64}


def randn(*shape, seed=0, requires_grad=False):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **HERE)
    return x.requires_grad_(requires_grad)


def mask_of(kind, batch, queries, keys, seed=0):
    """Boolean masks [batch, 1, queries, keys] or None."""
    lengths = torch.arange(batch) % keys + 1
    padding = padding_mask(torch.arange(keys) < lengths[:, None])
    some = torch.rand(batch, 1, queries, keys, generator=torch.Generator().manual_seed(seed)) < 0.6
    return {
        "none": None,
        "padding": padding,
        "causal": causal_mask(queries, keys),
        "both": padding & causal_mask(queries, keys),
        "random": some,
    }[kind]


KINDS = ("none", "padding", "causal", "both", "random")


@pytest.mark.proof("05", "attention, all masks", "F.scaled_dot_product_attention", "random inputs")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (4, 4), (2, 5), (5, 3)])
def test_attention_is_pytorch_s(kind, queries, keys):
    q, k, v = randn(3, 2, queries, 4), randn(3, 2, keys, 4, seed=1), randn(3, 2, keys, 6, seed=2)
    mask = mask_of(kind, 3, queries, keys)
    output, weights = attention.attention(q, k, v, mask)
    torch.testing.assert_close(output, F.scaled_dot_product_attention(q, k, v, attn_mask=mask), atol=1e-12, rtol=0)
    torch.testing.assert_close(attention.fast_attention(q, k, v, mask), output, atol=1e-12, rtol=0)
    allowed = torch.ones_like(weights, dtype=torch.bool) if mask is None else mask.expand_as(weights)
    torch.testing.assert_close(weights.sum(-1), allowed.any(-1).double(), atol=1e-12, rtol=0)
    assert (weights[~allowed] == 0).all()


@pytest.mark.proof("05", "fast_attention", "attention, built in the chapter", "all masks, bias, causal")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("queries", "keys"), [(4, 4), (2, 5), (5, 3)])
def test_the_fast_way_is_the_slow_way_with_bias_and_causal_too(kind, queries, keys):
    q, k, v = randn(2, 2, queries, 4), randn(2, 2, keys, 4, seed=1), randn(2, 2, keys, 4, seed=2)
    mask = mask_of(kind, 2, queries, keys)
    for bias, causal in itertools.product((None, randn(2, queries, keys, seed=3)), (False, True)):
        seen = attention.with_causal(mask, q, k) if causal else mask
        slow, _ = attention.attention(q, k, v, seen, 0.0 if bias is None else bias)
        fast = attention.fast_attention(q, k, v, mask, bias, causal=causal)
        torch.testing.assert_close(fast, slow, atol=1e-12, rtol=0)


@pytest.mark.proof("05", "MultiHeadAttention", "nn.MultiheadAttention", "padding and causal masks in all combinations")
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("biases", [False, True])
def test_many_heads_are_pytorch_s_module(padded, causal, training, biases):
    torch.manual_seed(0)
    ours = MultiHeadAttention(12, 3, bias=biases).double().train(training)
    theirs = nn.MultiheadAttention(12, 3, bias=biases, batch_first=True, **HERE).train(training)
    with torch.no_grad():
        maps = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([m.weight for m in maps]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        if biases:
            theirs.in_proj_bias.copy_(torch.cat([m.bias for m in maps]))
            theirs.out_proj.bias.copy_(ours.output.bias)
    x = randn(4, 7, 12)
    real = (torch.arange(7) < torch.tensor([7, 4, 2, 1])[:, None]).long()
    expected, expected_weights = theirs(
        x,
        x,
        x,
        key_padding_mask=real == 0 if padded else None,
        attn_mask=~causal_mask(7) if causal else None,
        average_attn_weights=False,
    )
    mask = padding_mask(real) if padded else None
    fast, no_weights = ours(x, mask=mask, causal=causal)
    same, weights = ours(x, mask=mask, causal=causal, need_weights=True)
    assert no_weights is None
    for got, wanted in ((fast, expected), (same, expected), (weights, expected_weights)):
        torch.testing.assert_close(got, wanted, atol=1e-12, rtol=0)


@pytest.mark.proof("05", "cross-attention", "nn.MultiheadAttention", "random inputs, padded")
def test_looking_at_another_text_is_pytorch_s_too():
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(8, 2).double(), nn.MultiheadAttention(8, 2, batch_first=True, **HERE)
    with torch.no_grad():
        maps = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([m.weight for m in maps]))
        theirs.in_proj_bias.copy_(torch.cat([m.bias for m in maps]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    x, memory = randn(2, 3, 8), randn(2, 5, 8, seed=1)
    real = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    expected, _ = theirs(x, memory, memory, key_padding_mask=real == 0)
    torch.testing.assert_close(ours(x, memory, mask=padding_mask(real))[0], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_a_query_that_may_look_nowhere_gets_zeros_and_finite_gradients(need_weights, causal):
    torch.manual_seed(0)
    model = MultiHeadAttention(8, 2, bias=False).double()
    x = randn(2, 4, 8, requires_grad=True)
    real = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])  # the second text is empty
    output, _ = model(x, mask=padding_mask(real), causal=causal, need_weights=need_weights)
    assert (output[1] == 0).all() and output.isfinite().all()
    output.square().sum().backward()
    assert x.grad.isfinite().all() and all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.proof("05", "causal heads, a later word changed", "what they gave before", "random vectors")
@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
def test_a_changed_later_token_changes_nothing_before_it(rotary, need_weights):
    torch.manual_seed(0)
    model = MultiHeadAttention(8, 2, rotary=rotary).double()
    x = randn(1, 6, 8)
    before, _ = model(x, causal=True, need_weights=need_weights)
    for place in range(6):
        changed = x.clone()
        changed[:, place] += 1
        after, _ = model(changed, causal=True, need_weights=need_weights)
        torch.testing.assert_close(after[:, :place], before[:, :place], atol=1e-13, rtol=0)
        assert not torch.allclose(after[:, place:], before[:, place:])


@pytest.mark.proof("05", "heads beside padding", "the same text alone", "random vectors")
@given(length=st.integers(1, 6), extra=st.integers(0, 4), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_what_stands_in_the_padding_changes_nothing(length, extra, seed):
    torch.manual_seed(seed)
    model = MultiHeadAttention(8, 2).double()
    x = randn(1, length, 8, seed=seed)
    padded = torch.cat([x, 100 * randn(1, extra, 8, seed=seed + 1)], dim=1)
    real = (torch.arange(length + extra) < length).long()[None]
    output, _ = model(padded, mask=padding_mask(real))
    torch.testing.assert_close(output[:, :length], model(x)[0], atol=1e-12, rtol=0)


@pytest.mark.proof("05", "which outputs a changed input moves", "the mask", "random masks", exact=True)
@given(queries=st.integers(1, 5), keys=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_of_keys_and_values_exactly_those_are_seen_that_the_mask_allows(queries, keys, seed):
    q, k, v = randn(1, queries, 4, seed=seed), randn(1, keys, 4, seed=seed + 1), randn(1, keys, 4, seed=seed + 2)
    mask = torch.rand(1, queries, keys, generator=torch.Generator().manual_seed(seed)) < 0.5
    for look in (lambda *given: attention.attention(*given)[0], attention.fast_attention):
        before = look(q, k, v, mask)
        for place in range(keys):
            other_k, other_v = k.clone(), v.clone()
            other_k[:, place] += 1
            other_v[:, place] += 1
            moved = (look(q, other_k, other_v, mask) - before).abs().amax(-1) > 0  # [1, queries]
            assert torch.equal(moved, mask[..., place])


def test_the_leak_detector_of_the_chapter_finds_what_is_allowed_and_what_leaks():
    reach = definitions("05", "reach").reach
    queries, x, window = randn(1, 5, 4), randn(1, 5, 4, seed=1), causal_mask(5) & ~causal_mask(5).tril(-2)
    for mask in (torch.ones(5, 5).bool(), causal_mask(5), window):
        assert torch.equal(reach(lambda x, mask=mask: attention.attention(queries, x, x, mask)[0], x), mask)


@pytest.mark.proof("05", "heads of a reordered text", "their outputs reordered", "random vectors")
def test_attention_without_positions_is_equivariant_and_with_them_is_not():
    torch.manual_seed(0)
    x, order = randn(2, 6, 8), torch.tensor([3, 1, 5, 0, 4, 2])
    for rotary in (False, True):
        model = MultiHeadAttention(8, 2, rotary=rotary).double()
        shuffled, expected = model(x[:, order])[0], model(x)[0][:, order]
        if rotary:
            assert not torch.allclose(shuffled, expected, atol=1e-12)
        else:
            torch.testing.assert_close(shuffled, expected, atol=1e-12, rtol=0)


def test_dropout_is_for_training_only_and_leaves_the_weights_alone():
    torch.manual_seed(0)
    model, x = MultiHeadAttention(8, 2, dropout=0.5).double(), randn(2, 6, 8)
    still, weights = model.eval()(x, need_weights=True)
    torch.testing.assert_close(model(x)[0], still)
    moved, in_training = model.train()(x, need_weights=True)
    assert not torch.allclose(moved, still)
    torch.testing.assert_close(in_training, weights)


@pytest.mark.parametrize(("hidden", "heads"), [(10, 3), (8, 0), (4, 8)])
def test_heads_that_cannot_share_say_so(hidden, heads):
    with pytest.raises(CourseError, match=f"{heads} heads cannot share {hidden} numbers"):
        MultiHeadAttention(hidden, heads)


def test_rotary_heads_of_odd_size_say_so():
    with pytest.raises(CourseError, match="the size must be even, and it is 3"):
        MultiHeadAttention(6, 2, rotary=True)(torch.zeros(1, 2, 6))


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.proof("05", "gradients for Q, K, V by hand", "autograd, finite differences", "random inputs, masked")
@pytest.mark.parametrize("seed", range(3))
def test_gradients_by_hand_are_autograd_s_and_those_of_finite_differences(seed):
    backward = definitions("05", "attention_backward").attention_backward
    q, k, v = (randn(2, n, 4, seed=seed + i, requires_grad=True) for i, n in enumerate((3, 5, 5)))
    factors = randn(2, 3, 4, seed=seed + 9)

    def loss(q, k, v):
        return (attention.attention(q, k, v)[0] * factors).sum()

    ours = backward(q.detach(), k.detach(), v.detach(), factors)
    for by_hand, automatic in zip(ours, torch.autograd.grad(loss(q, k, v), (q, k, v)), strict=True):
        torch.testing.assert_close(by_hand, automatic, atol=1e-10, rtol=0)
    assert torch.autograd.gradcheck(loss, (q, k, v), atol=1e-6, rtol=0)


@pytest.mark.proof("05", "the sum in attention's gradient, the short way", "the long way", "random inputs")
def test_the_short_way_through_the_gradient_is_the_long_way():
    q, k, v, factors = (randn(2, n, 4, seed=i) for i, n in enumerate((3, 5, 5, 3)))
    output, weights = attention.attention(q, k, v)
    long_way = (weights * (factors @ v.transpose(1, 2))).sum(-1)
    torch.testing.assert_close((factors * output).sum(-1), long_way, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_attention_passes_gradcheck(kind):
    q, k, v = (randn(2, 1, 4, 3, seed=i, requires_grad=True) for i in range(3))
    mask = mask_of(kind, 2, 4, 4)
    assert torch.autograd.gradcheck(lambda q, k, v: attention.attention(q, k, v, mask)[0], (q, k, v))


@pytest.mark.proof("05", "Jacobian of the softmax", "autograd", "random scores")
def test_the_softmax_s_jacobian_is_autograd_s():
    jacobian = definitions("05", "softmax_jacobian").softmax_jacobian
    scores = randn(6)
    theirs = torch.autograd.functional.jacobian(lambda s: s.softmax(-1), scores)
    torch.testing.assert_close(jacobian(scores), theirs, atol=1e-14, rtol=0)


@pytest.mark.proof("05", "attention in blocks of keys", "attention with the whole table", "large random scores")
@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_attention_in_blocks_is_attention(block):
    in_blocks = definitions("05", "attention_in_blocks").attention_in_blocks
    q, k, v = 20 * randn(2, 3, 9, 4), 20 * randn(2, 3, 9, 4, seed=1), randn(2, 3, 9, 5, seed=2)
    output, log_total = in_blocks(q, k, v, block)
    torch.testing.assert_close(output, attention.attention(q, k, v)[0], atol=1e-10, rtol=0)
    expected = (q @ k.transpose(-2, -1) / 2).logsumexp(-1, keepdim=True)
    torch.testing.assert_close(log_total, expected, atol=1e-10, rtol=0)


@pytest.mark.proof("05", "gradients of attention in blocks", "autograd", "random inputs")
@pytest.mark.parametrize("block", [1, 3, 100])
def test_the_way_back_in_blocks_is_autograd_s(block):
    built = definitions("05", "attention_in_blocks", "backward_in_blocks")
    q, k, v = (randn(2, n, 4, seed=i, requires_grad=True) for i, n in enumerate((7, 9, 9)))
    factors = randn(2, 7, 4, seed=9)
    automatic = torch.autograd.grad((attention.attention(q, k, v)[0] * factors).sum(), (q, k, v))
    q, k, v = (x.detach() for x in (q, k, v))
    ours = built.backward_in_blocks(q, k, v, *built.attention_in_blocks(q, k, v, block), factors, block)
    for by_hand, expected in zip(ours, automatic, strict=True):
        torch.testing.assert_close(by_hand, expected, atol=1e-10, rtol=0)


@pytest.mark.proof("05", "numbers that cross the memory's border, by formula", "counted", "two ways", exact=True)
@pytest.mark.parametrize(("length", "size", "block"), [(64, 8, 16), (96, 16, 32)])
def test_the_traffic_of_both_ways_is_the_formula_s(length, size, block):
    built = definitions("05", "attention_in_blocks", "SlowMemory", "written_out", "in_blocks")
    q, k, v = randn(length, size), randn(length, size, seed=1), randn(length, size, seed=2)
    table, blocks = built.SlowMemory(), built.SlowMemory()
    both = built.written_out(q, k, v, table), built.in_blocks(q, k, v, blocks, block)
    assert torch.allclose(*both, atol=1e-12, rtol=0)
    assert table.moved == 4 * length * size + 4 * length**2
    assert blocks.moved == 2 * length * size + 2 * length * size * length // block


@pytest.mark.proof("05", "grouped-query attention", "F.scaled_dot_product_attention, enable_gqa", "random vectors")
@pytest.mark.parametrize("kv_heads", [1, 2, 3, 6])
def test_shared_keys_and_values_are_pytorch_s(kv_heads):
    built = definitions("05", "attention", "causal_mask", "GroupedQuery")
    torch.manual_seed(0)
    layer, x = built.GroupedQuery(12, 6, kv_heads).double(), randn(2, 5, 12)
    q, k, v = (p(x).unflatten(-1, (-1, 2)).transpose(1, 2) for p in (layer.query, layer.key, layer.value))
    heads = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    torch.testing.assert_close(layer(x), layer.output(heads.transpose(1, 2).flatten(2)), atol=1e-12, rtol=0)


@pytest.mark.proof("05", "the plain multi-head attention", "the package's", "all masks, same parameters")
@pytest.mark.parametrize("kind", KINDS)
def test_the_plain_heads_are_the_package_s(kind):
    torch.manual_seed(0)
    plain = definitions("05", "attention", "PlainMultiHead").PlainMultiHead(12, 3).double()
    package, mask = MultiHeadAttention(12, 3).double(), mask_of(kind, 3, 5, 5)
    package.load_state_dict(plain.state_dict())
    x = randn(3, 5, 12)
    torch.testing.assert_close(plain(x, mask), package(x, mask=mask)[0], atol=1e-12, rtol=0)


@pytest.mark.proof(
    "05", "steps and path of RNN, CNN and attention", "the table's formulas", "three lengths", exact=True
)
@pytest.mark.parametrize("words", [8, 16, 32])
def test_sequential_steps_and_paths_are_those_of_the_table(words):
    kinds = ("recurrent", "convolution", "self_attention")
    built = definitions("05", "chain", "measure", "causal_mask", *kinds)
    made = {letter: randn(8, 8, seed=i) / 8**0.5 for i, letter in enumerate("ABCD")}
    built.measure.__globals__.update(made, d=8, width=3, kernel=randn(8, 8, 3, seed=4) / 24**0.5)
    rows = {kind: built.measure(getattr(built, kind), words) for kind in kinds}
    found = {kind: (row["sequential steps"], row["path"]) for kind, row in rows.items()}
    layers = math.ceil((words - 1) / 2)
    assert found == {"recurrent": (words, words), "convolution": (1, layers), "self_attention": (4, 4)}


def test_additive_attention_saturates_too_if_its_scores_start_large():
    """What the chapter's "take the hidden root away" is answered with."""
    built = definitions("05", "recall_batch", "Recall", "Additive", "train_recall")

    class Drawn(built.Additive):
        def __init__(self, size, divisor=1.0):
            super().__init__(size)
            nn.init.normal_(self.score.weight, std=1.0)
            self.divisor = divisor

        def forward(self, query, key):
            return super().forward(query, key) / self.divisor

    last = [
        np.mean(built.train_recall(make, 0, steps=250)[-20:])
        for make in (built.Additive, Drawn, lambda d: Drawn(d, d**0.5))
    ]
    assert last[0] < 0.1 and last[2] < 0.1 and last[1] > 0.2


@pytest.mark.proof("05", "rotary positions at given places", "the package's rotate", "three starts")
@pytest.mark.parametrize("start", [0, 5, 1000])
def test_rotating_at_places_is_the_package_s(start):
    rotate_at = definitions("05", "frequencies", "rotate_at").rotate_at
    x = randn(2, 3, 9, 16)
    theirs = positions.rotate(x, start)
    torch.testing.assert_close(rotate_at(x, torch.arange(start, start + 9)), theirs, atol=1e-12, rtol=0)


@pytest.mark.proof("05", "size of the largest tensor, by formula", "counted while it runs", "three lengths", exact=True)
@pytest.mark.parametrize("length", [96, 128, 192])
def test_the_largest_tensor_is_a_table_only_where_a_table_is_made(length):
    built = definitions("05", "LargestTensor", "largest_tensor", "attention_in_blocks")
    assert built.largest_tensor(attention.attention, length) == length**2
    assert built.largest_tensor(F.scaled_dot_product_attention, length) == 32 * length
    assert built.largest_tensor(built.attention_in_blocks, length) == 64 * length  # a block has 64 keys


@pytest.mark.proof("05", "kernel regression", "F.scaled_dot_product_attention", "random points")
def test_kernel_regression_is_attention():
    kernel_regression = definitions("05", "kernel_regression").kernel_regression
    x, y, places, width = randn(20), randn(20, seed=1), randn(7, seed=2), 0.7
    queries = torch.stack([places, torch.ones_like(places)], dim=-1)
    keys = torch.stack([x, -(x**2) / 2], dim=-1)
    theirs = F.scaled_dot_product_attention(queries[None], keys[None], y[None, :, None], scale=1 / width**2)
    torch.testing.assert_close(kernel_regression(places, x, y, width), theirs.flatten(), atol=1e-12, rtol=0)


# --- positions --------------------------------------------------------------------------------------------------------


@pytest.mark.proof("05", "scores of rotated vectors, and their length", "those at other places", "any shift")
@given(shift=st.integers(0, 300), start=st.integers(0, 300))
@settings(deadline=None, max_examples=40)
def test_rotated_scores_depend_on_the_distance_only(shift, start):
    q, k = randn(1, 8), randn(1, 8, seed=1)
    near = (positions.rotate(q, start) * positions.rotate(k, start + 5)).sum()
    far = (positions.rotate(q, start + shift) * positions.rotate(k, start + shift + 5)).sum()
    torch.testing.assert_close(near, far, atol=1e-9, rtol=0)
    torch.testing.assert_close(positions.rotate(q, start).norm(), q.norm())


@pytest.mark.proof("05", "rotate", "transformers apply_rotary_pos_emb (Llama)", "random vectors")
def test_rotate_is_llama_s():
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = LlamaConfig(hidden_size=48, num_attention_heads=3, max_position_embeddings=64)
    x = randn(2, 3, 9, 16).float()
    cos, sin = LlamaRotaryEmbedding(config)(x, torch.arange(9)[None])
    theirs, _ = apply_rotary_pos_emb(x, x, cos, sin)
    torch.testing.assert_close(positions.rotate(x), theirs, atol=1e-5, rtol=0)


@pytest.mark.proof("05", "sinusoids times one matrix", "sinusoids some places on", "three shifts")
@pytest.mark.parametrize("shift", [1, 7, 50])
def test_a_shift_of_sinusoids_is_one_matrix(shift):
    parts = definitions("05", "shift_matrix", "frequencies")
    table = positions.sinusoids(120, 16).double()
    torch.testing.assert_close(table[:-shift] @ parts.shift_matrix(shift, 16).T, table[shift:], atol=1e-5, rtol=0)


@pytest.mark.proof("05", "sinusoids", "the paper's formula", "10 places")
def test_sinusoids_are_those_of_the_paper():
    table = positions.sinusoids(10, 6)
    for place, i in itertools.product(range(10), range(3)):
        angle = place / 10_000 ** (2 * i / 6)
        assert math.isclose(table[place, 2 * i], math.sin(angle), abs_tol=1e-6)
        assert math.isclose(table[place, 2 * i + 1], math.cos(angle), abs_tol=1e-6)


@pytest.mark.parametrize("function", [positions.frequencies, lambda size: positions.sinusoids(4, size)])
def test_positions_of_odd_size_say_so(function):
    with pytest.raises(CourseError, match="the size must be even, and it is 7"):
        function(7)


def test_learned_positions_that_training_never_reached_stay_as_they_were():
    embedding = LearnedEmbedding(10, 8, max_length=16)
    embedding(torch.randint(10, (2, 5))).square().sum().backward()
    taught = embedding.positions.weight.grad.abs().sum(1) > 0
    assert taught.tolist() == [True] * 5 + [False] * 11


@pytest.mark.proof("05", "weights with ALiBi, from place to place", "the factor of its slopes", "equal words")
def test_with_alibi_each_step_away_makes_the_weight_of_an_equal_word_smaller_by_the_same_factor():
    same = torch.zeros(1, 8, 30, 4, **HERE)
    _, weights = attention.attention(same, same, same, causal_mask(30), positions.alibi(8, 30).double())
    factors = weights[0, :, -1, 1:] / weights[0, :, -1, :-1]  # [heads, keys - 1]
    expected = torch.tensor([2.0**-i for i in range(1, 9)], **HERE).exp()[:, None].expand(8, 29)
    torch.testing.assert_close(factors, expected, atol=1e-12, rtol=0)


@pytest.mark.proof("05", "alibi", "the paper's slopes; itself, at other lengths", "8 heads")
def test_alibi_has_the_paper_s_slopes_and_depends_on_the_distance_only():
    bias = positions.alibi(8, 30)
    torch.testing.assert_close(-bias[:, 1, 0], torch.tensor([2.0**-i for i in range(1, 9)]))
    torch.testing.assert_close(bias[:, 5:, 5:], bias[:, :-5, :-5])
    assert torch.equal(positions.alibi(8, 12), bias[:, :12, :12])


# --- the one attention of the package ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "attentions"),
    [
        (lambda: transformer.Transformer(9, hidden_size=8, num_heads=2, num_layers=2), 2 + 2 * 2),
        (lambda: gpt.GPT(9, hidden_size=8, num_heads=2, num_layers=3), 3),
        (lambda: bert.Bert(9, hidden_size=8, num_heads=2, num_layers=3), 3),
    ],
    ids=["transformer", "gpt", "bert"],
)
def test_all_models_are_made_of_this_attention(made, attentions):
    modules = list(made().modules())
    assert sum(isinstance(module, MultiHeadAttention) for module in modules) == attentions
    assert not any(isinstance(module, nn.MultiheadAttention) for module in modules)


def test_no_other_module_of_the_package_computes_attention():
    package = Path(attention.__file__).resolve().parent.parent
    calls = {"scaled_dot_product_attention", "MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer"}
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & calls
        assert not used or path.name == "attention.py" and path.parent.name == "models", f"{path.name} uses {used}"


# --- what chapter 05 does with it -------------------------------------------------------------------------------------


@pytest.mark.proof("05", "weights of all heads of a BERT", "transformers BertModel", "padded texts, same weights")
def test_the_weights_of_an_encoder_s_heads_are_those_of_transformers(tmp_path):
    from transformers import BertModel

    torch.manual_seed(0)
    bert.save(bert.Bert(20, hidden_size=16, num_heads=4, num_layers=3), tmp_path)
    ours, theirs = bert.load(tmp_path).eval(), BertModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    batch = batches.pad([[5, 6, 7, 8, 9], [11, 12], [13, 14, 15]])
    looked = definitions("05", "padding_mask", "read").read(ours, batch)
    with torch.no_grad():
        expected = torch.stack(theirs(**batch, output_attentions=True).attentions, dim=1)
    is_token = batch["attention_mask"][:, None, None, :, None]
    torch.testing.assert_close(looked * is_token, expected * is_token, atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def show_head():
    """The function behind the chapter's first widget, with a small model that has learned nothing."""
    built = definitions("05", "AttentionModel", "show_head")
    vocabulary = text.Vocabulary([["the", "ferry", "was", "late", "."]] * 2)
    torch.manual_seed(0)
    model = built.AttentionModel(len(vocabulary), 8, 2).eval()
    built.show_head.__globals__.update(vocabulary=vocabulary, model=model, cfg=SimpleNamespace(length=6))
    return built.show_head


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("the ferry", ["<s>", "the", "ferry"]),
        ("", ["<s>", "."]),
        ("the 渡 \u2028\x00", ["<s>", "the", "<unk>"]),
        ("late " * 50, ["<s>", *["late"] * 5]),
    ],
    ids=["known", "nothing", "unknown characters", "too long"],
)
def test_the_widget_takes_whatever_is_typed(show_head, typed, shown):
    axes = show_head(typed, 1, 1)
    assert [label.get_text() for label in axes.get_yticklabels()][: len(shown)] == shown
    assert np.isfinite(axes.images[0].get_array()).all()
    plt.close(axes.figure)
