"""The Transformer of chapter 06: equal to PyTorch's, without leaks, and the same step by step."""

import math

import pytest
import torch
from notebook_code import definitions
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lmtutor import batches
from lmtutor.models import transformer
from lmtutor.models.attention import padding_mask
from lmtutor.models.transformer import FeedForward, Layer, Residual, ScaledEmbedding, Stack, Transformer
from lmtutor.runtime import CourseError

MASK = torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] + [0] * 5])  # [batch, keys]


def made(**changes):
    """A small Transformer in double precision, with parameters that are not at their start."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_heads": 4, "num_layers": 3, "dropout": 0.0} | changes
    model = Transformer(20, **sizes).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def batch():
    torch.manual_seed(1)
    return {
        "input_ids": torch.randint(3, 20, (3, 6)),
        "attention_mask": MASK.clone(),
        "decoder_input_ids": torch.randint(3, 20, (3, 5)),
    }


# --- equal to PyTorch's -----------------------------------------------------------------------------------------------


@pytest.mark.proof(
    "06", "encoder–decoder, and its gradients", "nn.Transformer", "norm before and after, padded and not"
)
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # norm_first rules out one of PyTorch's short cuts
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_both_stacks_equal_those_of_nn_transformer_with_the_same_weights(norm_first, padded):
    copy_stack = definitions("06", "copy_attention", "copy_stack").copy_stack
    ours = made(norm_first=norm_first)
    theirs = nn.Transformer(16, 4, 3, 3, 64, 0.0, batch_first=True, norm_first=norm_first, dtype=torch.float64)
    copy_stack(ours.encoder, theirs.encoder)
    copy_stack(ours.decoder, theirs.decoder)
    source, target = (torch.randn(3, n, 16).double().requires_grad_() for n in (6, 5))
    mask = MASK if padded else torch.ones_like(MASK)
    memory, _ = ours.encoder(source, mask=padding_mask(mask))
    mine, _ = ours.decoder(target, memory, memory_mask=padding_mask(mask), causal=True)
    hidden = {"src_key_padding_mask": mask == 0, "memory_key_padding_mask": mask == 0}
    later = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    other = theirs.train()(source, target, tgt_mask=later, **hidden)
    torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)
    slopes = [torch.autograd.grad(output.square().sum(), [source, target]) for output in (mine, other)]
    torch.testing.assert_close(slopes[0], slopes[1], rtol=0, atol=1e-9)


def test_first_weights_are_as_large_as_those_of_nn_transformer():
    copy_stack = definitions("06", "copy_attention", "copy_stack").copy_stack
    torch.manual_seed(0)
    theirs, copied = (nn.Transformer(128, 4, 1, 1, 512, batch_first=True) for _ in range(2))
    ours = Transformer(20, hidden_size=128, num_heads=4, num_layers=1, norm_first=False)
    for half in ("encoder", "decoder"):
        copy_stack(getattr(ours, half), getattr(copied, half))
    expected = dict(theirs.named_parameters())
    for name, weight in copied.named_parameters():
        if weight.dim() == 2:
            assert weight.std().item() == pytest.approx(expected[name].std().item(), rel=0.02), name


@pytest.mark.proof("06", "encoder–decoder of ten-line layers", "the package's Transformer", "padded, same weights")
def test_the_translator_of_ten_line_layers_is_the_package_s():
    found = definitions("06", "EncoderLayer", "DecoderLayer", "ScaledEmbedding", "Translator", "NAMES", "as_general")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_heads": 4, "num_layers": 3, "inner_size": 24}
    ours = found.Translator(20, **sizes)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    theirs = found.as_general(ours, 20, **sizes).double()
    ours = ours.double()
    logits = [model(**batch()) for model in (ours, theirs)]
    torch.testing.assert_close(*logits, rtol=0, atol=1e-12)
    for output in logits:
        output.square().mean().backward()
    torch.testing.assert_close(
        ours.embedding.tokens.weight.grad, theirs.embedding.tokens.weight.grad, rtol=0, atol=1e-12
    )


@pytest.mark.proof("06", "LayerNorm and its gradient", "F.layer_norm, autograd", "random inputs")
def test_layer_norm_by_hand_equals_pytorch_s_and_so_does_its_gradient():
    found = definitions("06", "layer_norm", "layer_norm_slopes")
    torch.manual_seed(0)
    x, gain, bias = torch.randn(3, 5, 8).double() * 3 + 1, torch.randn(8).double(), torch.randn(8).double()
    x.requires_grad_()
    torch.testing.assert_close(found.layer_norm(x, gain, bias), F.layer_norm(x, (8,), gain, bias))
    slopes = torch.randn_like(x)
    F.layer_norm(x, (8,)).backward(slopes)
    torch.testing.assert_close(found.layer_norm_slopes(x.detach(), slopes), x.grad)


@pytest.mark.proof(
    "06", "number of parameters, by formula", "Transformer, counted", "sizes, norm before and after", exact=True
)
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize(("vocab", "d", "f", "layers"), [(30, 16, 64, 2), (100, 24, 40, 3)])
def test_parameters_by_formula_are_those_counted(vocab, d, f, layers, norm_first):
    formula = definitions("06", "parameters").parameters
    model = Transformer(
        vocab, hidden_size=d, num_heads=4, num_layers=layers, inner_size=f, norm_first=norm_first
    )  # fmt: skip
    assert formula(vocab, d, f, layers, norm_first) == sum(p.numel() for p in model.parameters())


@pytest.mark.proof("06", "operations, by formula", "PyTorch's FlopCounterMode", "several lengths", exact=True)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (9, 4), (5, 17)])
def test_flops_by_formula_are_those_counted(n, m):
    formula = definitions("06", "flops").flops
    model = Transformer(30, hidden_size=16, num_heads=4, num_layers=2, inner_size=40).eval()
    ids = {"input_ids": torch.ones(1, n).long(), "attention_mask": torch.ones(1, n)}
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(**ids, decoder_input_ids=torch.ones(1, m).long())
    there = counter.get_total_flops()
    assert there == formula(n, m, 30, 16, 40, 2)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(**ids, decoder_input_ids=torch.ones(1, m).long()).sum().backward()
    assert counter.get_total_flops() == 3 * there


@pytest.mark.proof("06", "the loss over real words alone", "the mean of −ln p, by hand", "padded random labels")
def test_the_loss_without_padding_is_the_mean_over_the_real_words():
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 5, 20).double(), torch.randint(20, (3, 5))
    labels[0, 3:] = labels[2, 1:] = batches.IGNORED
    ours = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=batches.IGNORED)
    p = logits.softmax(-1)
    by_hand = [-math.log(p[i, t, labels[i, t]]) for i, t in (labels != batches.IGNORED).nonzero().tolist()]
    assert math.isclose(ours, sum(by_hand) / len(by_hand), rel_tol=1e-12)


@pytest.mark.proof("06", "the documents' Transformer, mended, in PyTorch", "the same in Keras", "padded, same weights")
def test_both_listings_cured_are_one_model():
    keras = pytest.importorskip("keras")
    built = definitions("06_bug_hunt", "TorchTransformer", "EncoderLayer", "DecoderLayer", "KerasTransformer",
                        "attention_weights", "copy_layer", "same_numbers")  # fmt: skip
    keras.utils.set_random_seed(0)
    sizes = (2, 16, 4, 32, 20)  # layers, hidden, heads, inner, vocabulary
    ours, theirs, given = built.TorchTransformer(*sizes).eval(), built.KerasTransformer(*sizes), batch()
    theirs(given)  # Keras makes its parameters at the first call
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        built.same_numbers(ours, theirs)
        torch.testing.assert_close(ours(**given), theirs(given).cpu(), rtol=0, atol=1e-4)


def test_the_bug_hunt_s_short_model_is_the_package_s():
    built = definitions("06_bug_hunt", "Attention", "Layer", "Translator")
    built.Translator.__init__.__globals__["V"] = 20
    short, ours = built.Translator(2, 16).eval(), Transformer(20, hidden_size=16, num_heads=4, num_layers=2).eval()
    with torch.no_grad():
        for parameter, other in zip(short.parameters(), ours.parameters(), strict=True):
            parameter.copy_(other + 0.1 * torch.randn_like(other))
            other.copy_(parameter)
        torch.testing.assert_close(short(**batch()), ours(**batch()), rtol=0, atol=1e-5)


# --- leaks ------------------------------------------------------------------------------------------------------------


@pytest.mark.proof(
    "06", "logits; later words, padding, other examples changed", "the logits before", "random ids", exact=True
)
@pytest.mark.parametrize("norm_first", [True, False])
@torch.no_grad()
def test_no_logit_knows_of_later_words_of_padding_or_of_other_examples(norm_first):
    model, given = made(norm_first=norm_first), batch()
    before = model(**given)
    for place in range(5):
        changed = given["decoder_input_ids"].clone()
        changed[:, place] = 1
        after = model(**given | {"decoder_input_ids": changed})
        assert torch.equal(after[:, :place], before[:, :place])
        assert (after[:, place:] - before[:, place:]).abs().amax(-1).min() > 1e-6
    filled = given["input_ids"].masked_fill(MASK == 0, 1)
    assert torch.equal(model(**given | {"input_ids": filled}), before)
    other = given["input_ids"].clone()
    other[0] = 1
    after = model(**given | {"input_ids": other})
    assert torch.equal(after[1:], before[1:]) and not torch.allclose(after[0], before[0])


@pytest.mark.proof("06", "Transformer on a padded source among others", "the source alone", "random ids")
@torch.no_grad()
def test_a_source_alone_and_padded_among_others_give_the_same():
    model, given = made(), batch()
    alone = model(given["input_ids"][1:2, :4], torch.ones(1, 4), given["decoder_input_ids"][1:2])
    torch.testing.assert_close(alone, model(**given)[1:2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_source_that_is_all_padding_gives_numbers_and_finite_gradients(norm_first):
    model, given = made(norm_first=norm_first), batch()
    given["attention_mask"][2] = 0
    logits = model(**given)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    filled = given["input_ids"].clone()
    filled[2] = 1
    assert torch.equal(model(**given | {"input_ids": filled}), logits)


def test_a_source_without_a_single_place_gives_numbers():
    model, given = made(), batch()
    nothing = {"input_ids": torch.zeros(3, 0).long(), "attention_mask": torch.zeros(3, 0)}
    assert model(**given | nothing).isfinite().all()


# --- step by step -----------------------------------------------------------------------------------------------------


@pytest.mark.proof("07", "decoder with a cache, step by step", "the logits at once", "random ids")
@pytest.mark.parametrize("pieces", [[1] * 5, [2, 1, 2], [5]])
@torch.no_grad()
def test_writing_in_pieces_gives_the_logits_of_writing_at_once(pieces):
    model, given = made(), batch()
    whole = model(**given)
    cache = transformer.start(model, given["input_ids"], given["attention_mask"])
    place = 0
    for size in pieces:
        logits = transformer.step(model, given["decoder_input_ids"][:, place : place + size], cache)
        place += size
        torch.testing.assert_close(logits, whole[:, place - 1], rtol=0, atol=1e-12)
        assert cache.length == place


@torch.no_grad()
def test_a_cache_goes_on_with_the_rows_that_are_selected():
    model, given = made(), batch()
    cache = transformer.start(model, given["input_ids"], given["attention_mask"])
    transformer.step(model, given["decoder_input_ids"][:, :4], cache)
    rows = torch.tensor([2, 0, 0, 1])
    cache.select(rows)
    logits = transformer.step(model, given["decoder_input_ids"][rows, 4:], cache)
    torch.testing.assert_close(logits, model(**given)[rows, -1], rtol=0, atol=1e-12)


@torch.no_grad()
def test_cross_attention_weights_come_from_every_layer_sum_to_one_and_spare_the_padding():
    model, given = made(), batch()
    memory = model.encode(given["input_ids"], given["attention_mask"])
    logits, weights = model.decode(given["decoder_input_ids"], memory, given["attention_mask"], need_weights=True)
    torch.testing.assert_close(logits, model(**given))
    assert len(weights) == 3
    for layer in weights:  # [batch, heads, time, keys]
        assert layer.shape == (3, 4, 5, 6)
        torch.testing.assert_close(layer.sum(-1), torch.ones(3, 4, 5).double())
        assert (layer * (MASK == 0)[:, None, None]).abs().max() == 0


# --- parts ------------------------------------------------------------------------------------------------------------


def test_a_residual_normalises_before_or_after():
    x, pre, post = torch.randn(2, 3, 8) * 5, Residual(8, norm_first=True), Residual(8, norm_first=False)
    torch.testing.assert_close(pre(x, torch.tanh), x + torch.tanh(F.layer_norm(x, (8,))))
    torch.testing.assert_close(post(x, torch.tanh), F.layer_norm(x + torch.tanh(x), (8,)))


def test_dropout_falls_on_what_is_added_and_never_on_the_stream():
    torch.manual_seed(0)
    residual = Residual(100, dropout=0.5, norm_first=True).train()
    change = residual(torch.ones(50, 100), torch.ones_like) - 1
    assert set(change.unique().tolist()) == {0.0, 2.0} and 0.45 < (change == 0).float().mean() < 0.55


@pytest.mark.proof("06", "feed-forward network of a text", "each vector alone", "random vectors")
def test_the_feed_forward_network_treats_each_vector_alone_with_its_activation():
    part, x = FeedForward(8, 32, activation=F.gelu), torch.randn(2, 5, 8)
    torch.testing.assert_close(part(x)[:, 3], part(x[:, 3]))
    torch.testing.assert_close(part(x), part.outer(F.gelu(part.inner(x))))


def test_only_layers_with_cross_look_at_a_memory():
    x, memory = torch.randn(1, 4, 8), torch.randn(1, 3, 8)
    without, across = Layer(8, 2, 16), Layer(8, 2, 16, cross=True)
    assert torch.equal(without(x, memory)[0], without(x)[0])
    assert not torch.equal(across(x, memory)[0], across(x, memory + 1)[0])


def test_embeddings_are_scaled_on_the_way_in_and_tied_on_the_way_out():
    embedding = ScaledEmbedding(10, 8)
    ids = torch.tensor([[4, 4]])
    vectors = embedding(ids)
    difference = vectors[0, 1] - vectors[0, 0]  # the same word at two places
    torch.testing.assert_close(difference, embedding.positions[1] - embedding.positions[0])
    table = embedding.tokens.weight
    torch.testing.assert_close(vectors[0, 0], table[4] * math.sqrt(8) + embedding.positions[0])
    torch.testing.assert_close(embedding.logits(vectors), vectors @ table.T)
    torch.testing.assert_close(embedding(ids, start=3)[0, 0], table[4] * math.sqrt(8) + embedding.positions[3])


def test_a_stack_ends_with_a_norm_only_if_the_norm_stands_first():
    x = torch.randn(2, 3, 8) * 4
    for norm_first in (True, False):
        output, weights = Stack(2, 8, 2, 16, norm_first=norm_first)(x)
        torch.testing.assert_close(output.mean(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
        assert weights == [None, None]
    assert isinstance(Stack(1, 8, 2, 16, norm_first=False).norm, nn.Identity)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_text_longer_than_the_positions_is_told():
    model = Transformer(20, hidden_size=8, num_heads=2, max_length=4)
    ids = torch.ones(1, 5).long()
    message = "A text of 5 tokens is longer than the 4 positions of this model: cut it, or make"
    with pytest.raises(CourseError, match=message):
        model.encode(ids, torch.ones(1, 5))
    cache = transformer.start(model, ids[:, :2], torch.ones(1, 2))
    transformer.step(model, ids[:, :4], cache)
    with pytest.raises(CourseError, match=message):
        transformer.step(model, ids[:, :1], cache)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"num_heads": 3}, "3 heads cannot share 8"), ({"hidden_size": 7, "num_heads": 7}, "must be even, and it is 7")],
)
def test_sizes_that_cannot_be_are_told(sizes, message):
    with pytest.raises(CourseError, match=message):
        Transformer(20, **{"hidden_size": 8, "num_heads": 2} | sizes)


def test_sources_and_targets_come_padded_and_the_target_shifted():
    found = batches.source_and_target([([5, 6], [7]), ([8], [9, 10])], start=1, end=2)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "input_ids": [[5, 6], [8, 0]],
        "attention_mask": [[1, 1], [1, 0]],
        "decoder_input_ids": [[1, 7, 0], [1, 9, 10]],
        "labels": [[7, 2, batches.IGNORED], [9, 10, 2]],
    }
    assert batches.source_and_target([([5], [])], 1, 2)["labels"].tolist() == [[2]]


def test_an_empty_source_is_told():
    with pytest.raises(CourseError, match="Sequence 1 of the batch has no tokens"):
        batches.source_and_target([([5], [7]), ([], [7])], 1, 2)
