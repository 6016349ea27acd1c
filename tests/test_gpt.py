"""The decoder-only model: equal to Transformers' GPT-2, with and without a cache, and without leaks."""

import math
from functools import partial

import pytest
import torch
from notebook_code import definitions
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lmtutor import decoding
from lmtutor.exercises import generate as exercises
from lmtutor.models import gpt, llama
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError

SIZES = {"hidden_size": 24, "num_heads": 4, "num_layers": 3, "max_length": 40}
VOCAB = 17


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair(dropout=0.0, spread=0.3):
    """The same random weights in our model and in theirs, in float64; the more spread, the more lively the texts."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCAB,
        n_positions=SIZES["max_length"],
        n_embd=SIZES["hidden_size"],
        n_layer=SIZES["num_layers"],
        n_head=SIZES["num_heads"],
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        initializer_range=spread,
        bos_token_id=None,
        eos_token_id=None,
    )
    theirs = GPT2LMHeadModel(config).double().eval()
    with torch.no_grad():  # biases that are 0 would hide a mistake
        for name, parameter in theirs.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    ours = gpt.GPT(VOCAB, dropout=dropout, **SIZES).double().eval()
    gpt.load_gpt2(ours, theirs.state_dict())
    return ours, theirs


def ids_of(*shape, seed=0):
    return torch.randint(VOCAB, shape, generator=torch.Generator().manual_seed(seed))


# --- GPT-2 ------------------------------------------------------------------------------------------------------------


@pytest.mark.proof("08", "GPT", "transformers GPT2LMHeadModel", "random ids, same weights")
@pytest.mark.parametrize("length", [1, 2, 13, 40])
def test_logits_are_gpt2_s(length):
    ours, theirs = pair()
    ids = ids_of(3, length)
    torch.testing.assert_close(ours(ids), theirs(input_ids=ids).logits, atol=1e-10, rtol=0)


@pytest.mark.proof("08", "GPT: loss and gradients", "transformers GPT2LMHeadModel", "random ids, same weights")
def test_loss_and_gradients_are_gpt2_s():
    ours, theirs = pair()
    ids = ids_of(3, 13)
    loss = F.cross_entropy(ours(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    expected = theirs(input_ids=ids, labels=ids).loss
    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-6)  # theirs is computed in float32
    loss.backward()
    logits = theirs(input_ids=ids).logits
    F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
    # Their gradients come into our order and shapes as their weights do.
    expected = gpt.GPT(VOCAB, **SIZES).double()
    gpt.load_gpt2(expected, {name: parameter.grad for name, parameter in theirs.named_parameters()})
    for (name, parameter), wanted in zip(ours.named_parameters(), expected.parameters(), strict=True):
        assert parameter.grad.abs().max() > 1e-5 or name.endswith("key.bias"), name  # softmax ignores the keys' bias
        torch.testing.assert_close(parameter.grad, wanted.detach(), atol=1e-10, rtol=0)


def test_dropout_falls_on_the_same_places_as_in_gpt2():
    ours, theirs = (model.train() for model in pair(dropout=0.2))
    ids = ids_of(3, 13)
    torch.manual_seed(1)
    got = ours(ids)
    torch.manual_seed(1)
    torch.testing.assert_close(got, theirs(input_ids=ids).logits, atol=1e-10, rtol=0)
    torch.manual_seed(2)
    assert not torch.allclose(ours(ids), got)
    torch.testing.assert_close(ours.eval()(ids), ours(ids))


def test_it_starts_as_gpt2_does():
    torch.manual_seed(0)
    model = gpt.GPT(300, hidden_size=128, num_layers=8)
    assert sum(p.numel() for p in model.parameters()) == 300 * 128 + 256 * 128 + 8 * (12 * 128**2 + 13 * 128) + 2 * 128
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            assert (parameter == 1).all()
        elif name.endswith("bias"):
            assert (parameter == 0).all()
        else:
            adds = "attention.output" in name or "feed_forward.outer" in name
            assert math.isclose(parameter.std().item(), 0.02 / (4 if adds else 1), rel_tol=0.03), name


def test_weights_of_another_size_are_told():
    _, theirs = pair()
    with pytest.raises(CourseError, match=r"shape \[17, 24\] where this model needs \[18, 24\]"):
        gpt.load_gpt2(gpt.GPT(18, **SIZES), theirs.state_dict())


@pytest.mark.proof("08", "number of parameters, by formula", "GPT, counted", "three sizes", exact=True)
@pytest.mark.parametrize(("vocab", "length", "size", "layers"), [(17, 5, 8, 1), (30, 40, 16, 3), (101, 7, 24, 2)])
def test_parameters_by_formula_are_those_counted(vocab, length, size, layers):
    model = gpt.GPT(vocab, hidden_size=size, num_heads=4, num_layers=layers, max_length=length)
    assert exercises.parameters(vocab, length, size, layers) == sum(p.numel() for p in model.parameters())


@pytest.mark.proof("08", "operations and memory of a cache, by formula", "counted", "one size", exact=True)
def test_operations_and_memory_with_and_without_a_cache_are_those_of_the_formula():
    L, d, V, n = 2, 32, 50, 12
    model, ids, cache = gpt.GPT(V, hidden_size=d, num_heads=4, num_layers=L).eval(), torch.ones(1, n).long(), None

    def flops(work):
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            work()
        return counter.get_total_flops()

    cache, matrices = Cache.empty(L), 24 * L * d**2 + 2 * d * V
    without = sum(flops(lambda t=t: model(ids[:, :t])) for t in range(1, n + 1))
    assert without == n * (n + 1) // 2 * matrices + 4 * L * d * sum(t * t for t in range(n + 1))
    with_cache = sum(flops(lambda t=t: gpt.step(model, ids[:, t : t + 1], cache)) for t in range(n))
    assert with_cache == n * matrices + 4 * L * d * n * (n + 1) // 2
    kept = [part.narrow(2, 0, past.length) for past in cache.layers for part in past.room]
    assert sum(part.nbytes for part in kept) == 2 * L * n * d * 4


@pytest.mark.proof("08", "all texts of one length, their probabilities summed", "1", "4 tokens, 3 places")
def test_the_probabilities_of_all_texts_of_one_length_sum_to_one():
    torch.manual_seed(0)
    model = gpt.GPT(4, hidden_size=8, num_heads=2, num_layers=1, max_length=4).double()
    texts = torch.cartesian_prod(*[torch.arange(4)] * 3)  # [64, 3]
    read = torch.cat([torch.zeros(64, 1, dtype=torch.long), texts], dim=1)
    log_p = model(read[:, :-1]).log_softmax(-1).gather(2, texts[..., None]).sum((1, 2))
    assert math.isclose(log_p.exp().sum().item(), 1, rel_tol=1e-12)


# --- reading on -------------------------------------------------------------------------------------------------------


@pytest.mark.proof("08", "GPT, a later token changed", "the logits before", "random ids")
def test_a_changed_later_token_changes_no_earlier_logit():
    model, _ = pair()
    ids = ids_of(1, 9)
    before = model(ids)
    for place in range(9):
        changed = ids.clone()
        changed[:, place] = (ids[:, place] + 1) % VOCAB
        after = model(changed)
        torch.testing.assert_close(after[:, :place], before[:, :place], atol=1e-13, rtol=0)
        assert not torch.allclose(after[:, place], before[:, place])


@pytest.mark.proof("08", "GPT with a cache, step by step", "the logits at once", "random ids")
@pytest.mark.parametrize("parts", [[12], [1] * 12, [5, 1, 1, 5], [3, 9]])
def test_steps_with_a_cache_are_the_model_without_one(parts):
    model, _ = pair()
    ids, cache, read = ids_of(2, 12), Cache.empty(3), 0
    expected = model(ids)
    for part in ids.split(parts, dim=1):
        logits = gpt.step(model, part, cache)
        read += part.shape[1]
        assert cache.length == read
        torch.testing.assert_close(logits, expected[:, read - 1], atol=1e-12, rtol=0)


def test_a_model_that_has_diverged_says_nothing_and_says_so():
    model, _ = pair()
    with torch.no_grad():
        model.embedding.tokens.weight[3] = torch.nan
    with pytest.raises(CourseError, match="logits are not finite"):
        gpt.probabilities(model, [1, 2, 4])


def test_a_text_that_is_too_long_is_told():
    model, _ = pair()
    message = "A text of 41 tokens is longer than the 40 positions of this model"
    with pytest.raises(CourseError, match=message):
        model(ids_of(1, 41))
    with pytest.raises(CourseError, match=message):
        decoding.generate(partial(gpt.step, model), Cache.empty(3), ids_of(1, 41), max_tokens=10)
    with pytest.warns(UserWarning, match=f"The text ends after 3 of 10 tokens. {message}"):
        written = decoding.generate(partial(gpt.step, model), Cache.empty(3), ids_of(1, 38), max_tokens=10)
    assert written.shape == (1, 3)


@pytest.mark.proof("08", "greedy text, with a cache", "GPT2LMHeadModel.generate", "random prompts", exact=True)
@pytest.mark.parametrize("batch", [1, 3])
def test_greedy_texts_are_those_of_transformers(batch):
    ours, theirs = pair(spread=1.0)
    ids = ids_of(batch, 4, seed=1)
    mask = torch.ones_like(ids)
    expected = theirs.generate(input_ids=ids, attention_mask=mask, max_new_tokens=30, do_sample=False)[:, 4:]
    got = decoding.generate(partial(gpt.step, ours), Cache.empty(3), ids, max_tokens=30)
    assert torch.equal(got, expected) and len(got.unique()) > 3
    end = int(expected[0, 10])  # one that comes in the middle
    expected = theirs.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=30, do_sample=False, eos_token_id=end, pad_token_id=end
    )[:, 4:]
    got = decoding.generate(partial(gpt.step, ours), Cache.empty(3), ids, max_tokens=30, end=end)
    assert torch.equal(got, expected) and (got == end).any()


@pytest.mark.proof("08", "beams and their scores", "GPT2LMHeadModel.generate", "random prompts")
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("beams", [2, 4])
def test_beams_are_those_of_transformers(batch, beams):
    """Without a length penalty the two rank alike; they also stop alike, with `early_stopping="never"`."""
    ours, theirs = pair(spread=0.15)
    ids, end = ids_of(batch, 4, seed=2), 3
    with torch.no_grad():
        ours.embedding.tokens.weight[end] *= 2  # so that some texts end early
        theirs.transformer.wte.weight[end] *= 2
    expected = theirs.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=12,
        do_sample=False,
        num_beams=beams,
        num_return_sequences=beams,
        length_penalty=0.0,
        early_stopping="never",
        eos_token_id=end,
        pad_token_id=VOCAB,  # an id that no token has
        return_dict_in_generate=True,
        output_scores=True,
    )
    found = decoding.beam_search(
        partial(gpt.step, ours), Cache.empty(3), ids, beams=beams, max_tokens=12, end=end, length_penalty=0.0
    )
    texts = [[int(i) for i in text if i != VOCAB] for text in expected.sequences[:, 4:]]
    assert [h.tokens for row in found for h in row] == texts
    scores = torch.tensor([h.score for row in found for h in row])
    torch.testing.assert_close(scores, expected.sequences_scores.float(), atol=1e-5, rtol=0)  # theirs are float32
    if batch > 1:
        assert len({len(text) for text in texts}) > 1


@pytest.mark.parametrize("many", [3, 70, 140])
def test_a_cache_goes_on_outside_of_inference_mode_and_beyond_its_first_room(many):
    torch.manual_seed(0)
    model, ids = (
        gpt.GPT(11, hidden_size=16, num_heads=2, num_layers=2, max_length=200).eval(),
        torch.randint(11, (2, 4)),
    )
    cache = Cache.empty(2)
    written = decoding.generate(partial(gpt.step, model), cache, ids, max_tokens=many)
    read = torch.cat([ids, written], dim=1)
    assert cache.length == read.shape[1] - 1  # what is written last is not read
    with torch.no_grad():
        for _ in range(2):
            logits = gpt.step(model, read[:, cache.length :], cache)
            torch.testing.assert_close(logits, model(read)[:, -1], atol=1e-5, rtol=1e-4)
            read = torch.cat([read, logits.argmax(-1)[:, None]], dim=1)


def test_chosen_rows_go_on_with_what_they_have_read_and_then_grow():
    torch.manual_seed(0)
    model, ids = gpt.GPT(11, hidden_size=16, num_heads=2, num_layers=2, max_length=30).eval(), torch.randint(11, (3, 5))
    cache, rows = Cache.empty(2), torch.tensor([2, 0, 2, 1])
    with torch.no_grad():
        gpt.step(model, ids, cache)
        cache.select(rows)
        read = ids[rows]
        for _ in range(3):
            read = torch.cat([read, torch.randint(11, (4, 1))], dim=1)
            logits = gpt.step(model, read[:, -1:], cache)
            torch.testing.assert_close(logits, model(read)[:, -1], atol=1e-5, rtol=1e-4)


# --- the probability of a text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 3, 4, 8])
@pytest.mark.parametrize("length", [2, 5, 8, 9, 10, 12, 13, 16, 17, 30])
def test_windows_give_each_token_but_the_first_one_probability(length, stride):
    """With stride 1 each token sees as many as there are positions, or all before it."""
    torch.manual_seed(0)
    model = gpt.GPT(11, hidden_size=16, num_heads=2, num_layers=2, max_length=8).eval()
    ids = torch.randint(11, (length,)).tolist()
    found = gpt.probabilities(model, ids, stride)
    assert found.shape == (length - 1,)
    if stride == 1:
        with torch.no_grad():
            one_by_one = [
                model(torch.tensor([ids[max(0, i - 8) : i]]))[0, -1].softmax(-1)[ids[i]].item()
                for i in range(1, length)
            ]
        assert found == pytest.approx(one_by_one, abs=1e-6)


@pytest.mark.parametrize(("ids", "stride"), [([3], 4), ([], 4), ([1, 2, 3], 9), ([1, 2, 3], -1)])
def test_a_text_or_a_stride_that_cannot_be_read_is_told_in_one_sentence(ids, stride):
    model = gpt.GPT(11, hidden_size=16, num_heads=2, num_layers=1, max_length=8)
    with pytest.raises(CourseError, match="at least two tokens and a stride from 1 to 8"):
        gpt.probabilities(model, ids, stride)


def test_the_loss_is_the_mean_over_all_places_of_what_comes_next():
    torch.manual_seed(0)
    model, ids = gpt.GPT(11, hidden_size=16, num_heads=2, num_layers=1, max_length=8).eval(), torch.randint(11, (3, 9))
    loss, count = gpt.next_token_loss(model, ids)
    by_hand = [-math.log(p) for row in ids.tolist() for p in gpt.probabilities(model, row)]
    assert count == 24 and loss.item() == pytest.approx(sum(by_hand) / 24, abs=1e-5)


def test_the_first_weights_have_the_spread_that_is_asked_for():
    model = gpt.GPT(500, hidden_size=64, num_heads=4, num_layers=2, max_length=8)
    gpt.initialise(model, 0.1)
    layer = model.decoder.layers[0]
    assert model.embedding.tokens.weight.std().item() == pytest.approx(0.1, rel=0.05)
    assert layer.attention.output.weight.std().item() == pytest.approx(0.05, rel=0.05)  # 0.1 / sqrt(2 * 2 layers)


# --- what chapter 08 builds -------------------------------------------------------------------------------------------


def test_where_nothing_is_typed_there_is_nothing_to_write_on_from():
    built = definitions("08", "typed_ids").typed_ids
    built.__globals__["tokenizer"] = lambda typed: {"input_ids": [len(word) for word in typed.split()]}
    assert built("the ferry").tolist() == [[3, 5]]
    with pytest.raises(CourseError, match="Type at least one word"):
        built("  ")


@pytest.mark.proof("08", "the page of GPT-2 that the chapter builds", "GPT", "random ids, same weights")
def test_the_page_of_gpt2_is_the_package_s_gpt():
    built = definitions("08", "PlainLayer", "PlainGPT")
    ours, _ = pair()
    page = built.PlainGPT(VOCAB, SIZES["hidden_size"], SIZES["num_heads"], SIZES["num_layers"], SIZES["max_length"])
    found = {"tokens.weight": ours.embedding.tokens.weight, "positions.weight": ours.embedding.positions.weight}
    found |= {f"norm.{kind}": getattr(ours.decoder.norm, kind) for kind in ("weight", "bias")}
    for number, layer in enumerate(ours.decoder.layers):
        attention, network, (first, second) = layer.attention, layer.feed_forward, layer.residuals
        for kind in ("weight", "bias"):
            parts = [getattr(linear, kind) for linear in (attention.query, attention.key, attention.value)]
            found[f"layers.{number}.qkv.{kind}"] = torch.cat(parts)
            modules = {"output": attention.output, "inner": network.inner, "outer": network.outer}
            for name, module in (modules | {"norm_1": first.norm, "norm_2": second.norm}).items():
                found[f"layers.{number}.{name}.{kind}"] = getattr(module, kind)
    page = page.double()
    page.load_state_dict(found)
    ids = ids_of(3, 13)
    torch.testing.assert_close(page(ids), ours(ids), atol=1e-10, rtol=0)


@pytest.mark.proof("08", "the page of Llama that the chapter builds", "Llama", "random ids, same weights")
@pytest.mark.parametrize("kv_heads", [1, 2, 6])
def test_the_page_of_llama_is_the_package_s(kv_heads):
    names = ("RMSNorm", "rotate", "SwiGLU", "GroupedQueryAttention", "LlamaLayer", "PlainLlama")
    built = definitions("08", *names)
    torch.manual_seed(0)
    sizes = {"num_heads": 6, "num_kv_heads": kv_heads, "num_layers": 2, "inner_size": 64}
    package = llama.Llama(50, hidden_size=48, **sizes, base=500.0).double().eval()
    page = built.PlainLlama(50, size=48, **sizes, base=500.0).double()
    page.load_state_dict(package.state_dict())
    ids = torch.randint(50, (2, 30))
    torch.testing.assert_close(page(ids), package(ids), atol=1e-10, rtol=0)


def test_without_a_mask_a_place_sees_its_own_label():
    built = definitions("08", "NoMask")
    torch.manual_seed(0)
    ids = torch.randint(11, (1, 6))
    other = ids.clone()
    other[0, 5] = (ids[0, 5] + 1) % 11
    for kind, leaks in ((gpt.GPT, False), (built.NoMask, True)):
        model = kind(11, hidden_size=16, num_heads=2, num_layers=1, max_length=8).double().eval()
        with torch.no_grad():
            assert (not torch.equal(model(ids)[:, :5], model(other)[:, :5])) == leaks
