"""Llama: equal to Transformers' with any sharing of keys, with a cache and with a window; and the real SmolLM2."""

import json
import math
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from lmtutor import decoding, pretrained
from lmtutor.models import gpt, llama, positions
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError

VOCAB, LAYERS = 23, 3
SIZES = {"hidden_size": 32, "num_layers": LAYERS, "inner_size": 40, "max_length": 64}
# Query heads, key heads, tied: grouped, multi-query, and plain multi-head attention.
KINDS = {"grouped": (4, 2, True), "multi-query": (4, 1, False), "multi-head": (4, 4, True), "odd": (6, 3, False)}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def their_config(kind, **options):
    from transformers import LlamaConfig

    heads, kv_heads, tied = KINDS[kind]
    return LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=24 if kind == "odd" else SIZES["hidden_size"],
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        num_hidden_layers=LAYERS,
        intermediate_size=SIZES["inner_size"],
        max_position_embeddings=SIZES["max_length"],
        rms_norm_eps=1e-3,  # large, so that its place counts
        rope_parameters={"rope_theta": 500.0, "rope_type": "default"},
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=None,
        **options,
    )


def new(kind="grouped", seed=0, spread=0.3):
    """One of ours, in float64, with weights that make lively texts."""
    heads, kv_heads, tied = KINDS[kind]
    torch.manual_seed(seed)
    sizes = SIZES | ({"hidden_size": 24} if kind == "odd" else {})
    options = {"base": 500.0, "epsilon": 1e-3, "tied": tied}
    model = llama.Llama(VOCAB, num_heads=heads, num_kv_heads=kv_heads, **sizes, **options).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=spread)
    return model


def pair(kind="grouped", spread=0.3):
    """The same random weights in our model and in theirs, in float64; gains, too, are random."""
    from transformers import LlamaForCausalLM

    theirs = LlamaForCausalLM(their_config(kind)).double().eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=spread)
    ours = new(kind, seed=1)
    llama.load_llama(ours, theirs.state_dict())
    return ours, theirs


def ids_of(*shape, seed=0):
    return torch.randint(VOCAB, shape, generator=torch.Generator().manual_seed(seed))


# --- transformers' ----------------------------------------------------------------------------------------------------


@pytest.mark.proof("08", "Llama", "transformers LlamaForCausalLM", "random ids and weights; 1, 2, 3 and 4 key heads")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 2, 13, 40])
def test_logits_are_llama_s(kind, length, in_float64):
    ours, theirs = pair(kind)
    ids = ids_of(3, length)
    torch.testing.assert_close(ours(ids), theirs(input_ids=ids).logits, atol=1e-10, rtol=0)


def test_logits_are_those_of_an_untouched_llama_within_the_float32_of_its_norms():
    ours, theirs = pair()
    ids = ids_of(3, 13)
    torch.testing.assert_close(ours(ids), theirs(input_ids=ids).logits, atol=1e-4, rtol=0)


@pytest.mark.proof("08", "Llama: loss and gradients", "transformers LlamaForCausalLM", "random ids and weights")
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_llama_s(kind, in_float64):
    ours, theirs = pair(kind)
    ids = ids_of(3, 13)
    loss, count = gpt.next_token_loss(ours, ids)
    loss.backward()
    logits = theirs(input_ids=ids[:, :-1]).logits
    expected = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-10) and count == 36
    expected.backward()
    slopes = new(kind)
    llama.load_llama(slopes, {name: parameter.grad for name, parameter in theirs.named_parameters()})
    for (name, parameter), wanted in zip(ours.named_parameters(), slopes.parameters(), strict=True):
        assert parameter.grad.abs().max() > 1e-5, name
        torch.testing.assert_close(parameter.grad, wanted.detach(), atol=1e-10, rtol=0)


@pytest.mark.proof("08", "Llama with a window", "transformers MistralForCausalLM", "random ids and weights")
@pytest.mark.parametrize("window", [1, 2, 5, 20, 40])
def test_a_window_is_mistral_s(window, in_float64, monkeypatch):
    """Mistral is a Llama whose tokens see a window only; its own norm and angles are patched as Llama's are."""
    from transformers import MistralConfig, MistralForCausalLM
    from transformers.models.llama import modeling_llama
    from transformers.models.mistral import modeling_mistral

    monkeypatch.setattr(modeling_mistral.MistralRMSNorm, "forward", modeling_llama.LlamaRMSNorm.forward)
    monkeypatch.setattr(modeling_mistral.MistralRotaryEmbedding, "forward", modeling_llama.LlamaRotaryEmbedding.forward)
    ours, theirs = pair()
    config = {name: value for name, value in theirs.config.to_dict().items() if name not in ("model_type", "dtype")}
    mistral = MistralForCausalLM(MistralConfig(**config | {"sliding_window": window, "head_dim": 8})).double().eval()
    mistral.load_state_dict(theirs.state_dict())
    ours.window, ids = window, ids_of(2, 30)
    torch.testing.assert_close(ours(ids), mistral(input_ids=ids).logits, atol=1e-10, rtol=0)


def test_it_starts_small_and_smaller_where_a_part_adds_on():
    torch.manual_seed(0)
    model = llama.Llama(300, hidden_size=96, num_heads=4, num_kv_heads=2, num_layers=8)
    assert model.layers[0].feed_forward.up.out_features == 256
    d, kv = 96, 48
    assert sum(p.numel() for p in model.parameters()) == 300 * d + 8 * (2 * d * (d + kv) + 3 * 256 * d + 2 * d) + d
    for name, parameter in model.named_parameters():
        if "norm" in name:
            assert (parameter == 1).all()
        else:
            adds = "output" in name or "down" in name
            assert math.isclose(parameter.std().item(), 0.02 / (4 if adds else 1), rel_tol=0.05), name


# --- reading on -------------------------------------------------------------------------------------------------------


@pytest.mark.proof("08", "Llama, a later token changed", "the logits before", "random ids")
@pytest.mark.parametrize("window", [None, 4])
def test_a_changed_later_token_changes_no_earlier_logit(window):
    model, ids = new(), ids_of(1, 9)
    model.window = window
    before = model(ids)
    for place in range(9):
        changed = ids.clone()
        changed[:, place] = (ids[:, place] + 1) % VOCAB
        after = model(changed)
        torch.testing.assert_close(after[:, :place], before[:, :place], atol=1e-13, rtol=0)
        assert not torch.allclose(after[:, place], before[:, place])


@pytest.mark.proof("08", "Llama with a cache, step by step, with a window, too", "the logits at once", "random ids")
@pytest.mark.parametrize("parts", [[30], [1] * 30, [5, 10, 1, 1, 1, 12], [20] + [1] * 10])
@pytest.mark.parametrize("window", [None, 1, 3, 7, 100])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spare", [0, 64])
def test_steps_with_a_cache_are_the_model_without_one(kind, window, parts, spare, monkeypatch):
    monkeypatch.setattr("lmtutor.models.cache.SlidingPast.SPARE", spare)
    model, ids = new(kind), ids_of(2, 30)
    model.window = window
    expected = model(ids)
    for cache in (model.cache(), Cache.empty(LAYERS)):  # one that drops keys, and one that keeps all
        read = 0
        for part in ids.split(parts, dim=1):
            logits = llama.step(model, part, cache)
            read += part.shape[1]
            assert cache.length == read
            torch.testing.assert_close(logits, expected[:, read - 1], atol=1e-12, rtol=0)


def test_a_token_beyond_the_windows_of_all_layers_changes_nothing():
    model, ids = new(), ids_of(1, 20)
    model.window = 3
    changed = ids.clone()
    changed[0, 0] = (ids[0, 0] + 1) % VOCAB
    reach = LAYERS * 2  # places
    same = (model(ids) == model(changed)).all(dim=-1)[0]
    assert same[reach + 1 :].all() and not same[: reach + 1].any()


def test_with_a_window_a_text_grows_beyond_the_positions_and_the_cache_does_not():
    model = new()
    with pytest.raises(CourseError, match=r"A text of 65 tokens is longer than the 64 positions.*model.window = 64"):
        model(ids_of(1, 65))
    model.window = 8
    cache, written = model.cache(), []
    with torch.inference_mode():
        token = ids_of(2, 5)
        for _ in range(500):
            token = llama.step(model, token, cache).argmax(-1)[:, None]
            written.append(token)
    places = max(past.room[0].shape[2] for past in cache.layers)
    assert cache.length == 504 and places <= 4 * 8 + 4 * 64
    text = torch.cat([ids_of(2, 5), *written], dim=1)
    with torch.no_grad():
        assert torch.equal(model(text)[:, 4:-1].argmax(-1), text[:, 5:])


def test_a_long_dialogue_goes_on_in_one_cache_with_a_window():
    """Each turn reads only what came since the last one; the answers are those of reading all of it anew."""
    model, text = new(spread=0.7), ids_of(1, 7)
    model.window = 12
    cache, step = model.cache(), partial(llama.step, model)
    for turn in range(12):
        answer = decoding.generate(step, cache, text[:, cache.length :], max_tokens=10)
        again = decoding.generate(step, model.cache(), text, max_tokens=10)
        assert torch.equal(answer, again)
        text = torch.cat([text, answer, ids_of(1, 5, seed=turn)], dim=1)
    assert text.shape[1] > 64 and max(past.room[0].shape[2] for past in cache.layers) < 200


def test_what_a_window_no_longer_needs_leaves_memory_after_a_long_prompt():
    model = new()
    model.window = 4
    cache = model.cache()
    with torch.no_grad():
        llama.step(model, ids_of(1, 1000), cache)
        llama.step(model, ids_of(1, 1), cache)
    assert cache.length == 1001 and cache.layers[0].room[0].shape[2] < 200


@pytest.mark.proof("08", "bytes of a cache, by formula", "counted", "1, 2 and 4 key heads, with a window", exact=True)
@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_of_a_cache_are_those_of_the_formula(kind):
    model, kv_heads = new(kind), KINDS[kind][1]
    assert model.cache().nbytes == 0
    for window in (None, 5):
        model.window = window
        cache = model.cache()
        with torch.no_grad():
            llama.step(model, ids_of(2, 12), cache)
        tokens = 12 if window is None else window
        assert cache.nbytes == 2 * LAYERS * 2 * kv_heads * model.layers[0].attention.size * tokens * 8


@pytest.mark.proof(
    "08", "greedy text of Llama, with a cache", "LlamaForCausalLM.generate", "random prompts", exact=True
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 3])
def test_greedy_texts_are_those_of_transformers(kind, batch, in_float64):
    ours, theirs = pair(kind, spread=0.7)
    ids = ids_of(batch, 4, seed=1)
    mask = torch.ones_like(ids)
    expected = theirs.generate(input_ids=ids, attention_mask=mask, max_new_tokens=30, do_sample=False)[:, 4:]
    got = decoding.generate(partial(llama.step, ours), ours.cache(), ids, max_tokens=30)
    assert torch.equal(got, expected) and len(got.unique()) > 3


@pytest.mark.parametrize("window", [None, 6])
def test_beams_are_those_of_a_search_without_a_cache(window):
    model, ids = new(spread=0.7), ids_of(2, 3)
    model.window = window

    class Texts:
        ids = None

        def select(self, rows):
            self.ids = self.ids[rows]

    def read_again(ids, texts):
        texts.ids = ids if texts.ids is None else torch.cat([texts.ids, ids], dim=1)
        return model(texts.ids)[:, -1]

    found, expected = (
        decoding.beam_search(step, cache, ids, beams=3, max_tokens=15, end=2)
        for step, cache in ((partial(llama.step, model), model.cache()), (read_again, Texts()))
    )
    assert [[h.tokens for h in row] for row in found] == [[h.tokens for h in row] for row in expected]


@pytest.mark.parametrize("window", [None, 4])
def test_a_cache_that_is_cut_goes_on_as_if_nothing_had_been_read(window):
    model, ids = new(), ids_of(2, 40)
    model.window = window
    expected, cache = model(ids), model.cache()
    with torch.no_grad():
        llama.step(model, ids[:, :25], cache)
        for back in (24, 20, 24, 10):
            cache.cut(back)
            assert cache.length == back
            torch.testing.assert_close(llama.step(model, ids[:, back:25], cache), expected[:, 24], atol=1e-12, rtol=0)
        for wrong in (26, -1):
            with pytest.raises(CourseError, match=f"cannot go back from 25 to {wrong} tokens"):
                cache.cut(wrong)
    if window:
        with torch.no_grad():
            for new_ids in (ids_of(2, 200), ids_of(2, 1)):
                llama.step(model, new_ids, cache)
        with pytest.raises(
            CourseError, match="cannot go back from 226 to 3 tokens: what stood there is no longer kept"
        ):
            cache.cut(3)


# --- rotations that layers share --------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 5, 3000])
def test_vectors_turned_by_a_shared_rotation_are_those_that_rotate_gives(start):
    x = torch.randn(2, 3, 7, 8).double()
    assert torch.equal(positions.turn(x, positions.rotation(start, 7, 8)), positions.rotate(x, start))


# --- the real one -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smollm2():
    """Its folder; converted once, into the learner's home of this machine."""
    if pretrained.package_problem("smollm2"):
        pytest.skip("SmolLM2's package is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LMTUTOR_HOME", raising=False)
        return pretrained.folder("smollm2")


@pytest.mark.proof("08", "SmolLM2 in our Llama, float32", "transformers LlamaForCausalLM", "its own text and noise")
def test_the_real_smollm2_says_in_our_class_what_it_says_in_theirs(smollm2):
    from transformers import AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    ours, theirs = llama.load(smollm2), LlamaForCausalLM.from_pretrained(smollm2, dtype=torch.float32).eval()
    assert sum(p.numel() for p in ours.parameters()) == 134_515_008 and not ours.training
    text = tokenizer("The old lighthouse keeper climbed the stairs, lit the lamp, and", return_tensors="pt").input_ids
    noise = torch.randint(49_152, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for ids in (text, noise):
            # Logits reach 30 and more; 30 layers of float32 leave some 1e-4 between two orders of the same sums.
            torch.testing.assert_close(ours(ids), theirs(input_ids=ids).logits, atol=2e-3, rtol=0)
    step = partial(llama.step, ours)
    written = decoding.generate(step, ours.cache(), text, max_tokens=16)
    mask = torch.ones_like(text)
    expected = theirs.generate(input_ids=text, attention_mask=mask, max_new_tokens=16, do_sample=False)
    assert torch.equal(written[0], expected[0, text.shape[1] :])


def test_smollm2_in_half_precision_says_nearly_the_same(smollm2):
    ids = torch.randint(49_152, (1, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = llama.load(smollm2)(ids).log_softmax(-1)
        half = llama.load(smollm2, dtype=torch.bfloat16)(ids)
    assert half.dtype == torch.bfloat16
    assert (exact.exp() * (exact - half.float().log_softmax(-1))).sum(-1).abs().mean() < 0.1  # nats


def kept(folder, kind="grouped", **changes):
    """A random model of theirs in a folder, its configuration changed."""
    from transformers import LlamaForCausalLM

    theirs = LlamaForCausalLM(their_config(kind)).eval()
    theirs.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    return theirs


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_loaded_with_its_sizes_whole_or_in_pieces(tmp_path, kind):
    theirs, ids = kept(tmp_path, kind), ids_of(2, 9)
    torch.testing.assert_close(llama.load(tmp_path)(ids), theirs(input_ids=ids).logits, atol=1e-5, rtol=0)
    theirs.save_pretrained(tmp_path / "pieces", max_shard_size="10kB")
    assert len(list((tmp_path / "pieces").glob("*.safetensors"))) > 1
    loaded = llama.load(str(tmp_path / "pieces"), window=5)
    assert loaded.window == 5 and (loaded.head.weight is loaded.embedding.weight) == KINDS[kind][2]
    torch.testing.assert_close(loaded(ids)[:, :5], theirs(input_ids=ids).logits[:, :5], atol=1e-5, rtol=0)
    loss, _ = gpt.next_token_loss(loaded.train(), ids)
    loss.backward()  # what was loaded can be trained
    assert loaded.embedding.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mistral"}, "model_type is 'mistral', and not 'llama'"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"head_dim": 16}, "head_dim is 16, and not 8"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}}, "rope_type is 'yarn'"),
        ({"hidden_size": 64, "head_dim": 16}, r"sizes: 'embedding.weight' has the shape \[23, 32\].*needs \[23, 64\]"),
        ({"num_hidden_layers": 4}, "not those of a Llama of so many layers"),
        ({"num_key_value_heads": 3}, "4 heads cannot share 3 heads of keys and values equally"),
    ],
)
def test_a_folder_with_another_model_is_told(tmp_path, change, message):
    kept(tmp_path, **change)
    with pytest.raises(CourseError, match=message):
        llama.load(tmp_path)


def test_a_folder_without_a_model_or_with_a_damaged_one_is_told(tmp_path):
    with pytest.raises(CourseError, match="holds no Llama: its config.json cannot be used"):
        llama.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama", "hidden_size": 8}', encoding="utf-8")
    with pytest.raises(CourseError, match="cannot be used .*num_attention_heads"):
        llama.load(tmp_path)
    kept(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CourseError, match="The weights in .* are damaged"):
        llama.load(tmp_path)
    weights.unlink()
    with pytest.raises(CourseError, match="holds no weights: there is no model.safetensors"):
        llama.load(tmp_path)


@pytest.mark.parametrize(("heads", "kv"), [(5, 5), (4, 3), (0, 1), (4, 0), (2, 4)])
def test_heads_that_cannot_share_are_told(heads, kv):
    with pytest.raises(CourseError, match=f"{heads} heads cannot share"):
        llama.Llama(9, hidden_size=32, num_heads=heads, num_kv_heads=kv)


def test_heads_of_an_odd_size_are_told():
    model = llama.Llama(9, hidden_size=12, num_heads=4, num_kv_heads=2)
    with pytest.raises(CourseError, match="must be even, and it is 3"):
        model(torch.zeros(1, 2, dtype=torch.long))
