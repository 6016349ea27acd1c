"""Adapters: each equals peft's or transformers' own, off is the base, merged is the same, files know their base."""

import copy
import inspect
import re
import warnings
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notebook_code import definitions
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from lmtutor import batches, decoding
from lmtutor.models import adapters, attention, bert, fourbit, gpt, transformer
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError
from lmtutor.tasks import finetuning

SIZES = {"hidden_size": 16, "num_heads": 2, "num_layers": 2, "inner_size": 24, "max_length": 20, "dropout": 0.0}
METHODS = list(adapters.METHODS)
MERGED = ["lora", "dora", "bitfit", "ia3"]


def made(seed=0, dtype=torch.float64):
    """A classifier whose weights are large enough to matter."""
    torch.manual_seed(seed)
    model = bert.BertClassifier(bert.Bert(40, **SIZES), ("no", "yes"), dropout=0.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.to(dtype).eval()


def some_batch():
    return batches.pad([[1, 5, 6, 7, 8, 2], [1, 9, 2], [1, 10, 11, 12, 2]])


def moved(model, name="task", seed=1):
    """The change as if it had learned something."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in adapters.weights_of(model, name).values():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def with_change(method, seed=0, **options):
    model = made(seed)
    adapters.add(model, "task", method, **options)
    return moved(model)


# --- what holds for all -----------------------------------------------------------------------------------------------


@pytest.mark.proof("12", "a model with a change that is switched off", "the base", "all methods", exact=True)
@pytest.mark.parametrize("method", METHODS)
def test_switched_off_it_is_exactly_the_base(method):
    model, batch = with_change(method), some_batch()
    with torch.no_grad():
        on = model(**batch)
        adapters.use(model, None)
        base = made()
        base.classifier.load_state_dict(model.classifier.state_dict())
        assert torch.equal(model(**batch), base(**batch))
        assert not torch.allclose(on, base(**batch))


@pytest.mark.proof("12", "a change that has learned nothing", "the base", "LoRA, DoRA, bottleneck, BitFit, IA³")
@pytest.mark.parametrize("method", ["lora", "dora", "bottleneck", "bitfit", "ia3"])
def test_before_it_has_learned_it_changes_nothing(method):
    model, batch = made(), some_batch()
    with torch.no_grad():
        before = model(**batch)
        adapters.add(model, "task", method)
        torch.testing.assert_close(model(**batch), before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_only_the_change_and_the_head_learn(method):
    model = made()
    counted = adapters.add(model, "task", method)
    before = {name: p.clone() for name, p in model.named_parameters()}
    F.cross_entropy(model(**some_batch()), torch.tensor([0, 1, 1])).backward()
    torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1).step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert all(".changes." in name or name.startswith("classifier") for name in changed)
    assert any(".changes." in name for name in changed)
    assert counted == sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("method", METHODS)
def test_padding_changes_nothing(method):
    model, batch = with_change(method), some_batch()
    other = copy.deepcopy(batch)
    other["input_ids"][batch["attention_mask"] == 0] = 17
    with torch.no_grad():
        assert torch.equal(model(**batch), model(**other))
        alone = batches.pad([[1, 9, 2]])
        torch.testing.assert_close(model(**alone)[0], model(**batch)[1], rtol=0, atol=1e-12)


@pytest.mark.proof("12", "merged matrices", "the model with the change beside it", "padded texts")
@pytest.mark.parametrize("method", MERGED)
def test_merged_it_says_the_same_as_an_ordinary_model(method, tmp_path):
    from transformers import BertForSequenceClassification

    model, batch = with_change(method), some_batch()
    with torch.no_grad():
        before = model(**batch)
        adapters.merge(model, "task")
        torch.testing.assert_close(model(**batch), before, rtol=0, atol=1e-10)
    assert not any(isinstance(part, adapters.Adapted) for part in model.modules())
    bert.save(model, tmp_path)
    theirs = BertForSequenceClassification.from_pretrained(tmp_path).double().eval()
    torch.testing.assert_close(theirs(**batch).logits, before, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(MERGED)))
def test_what_is_no_change_of_the_weights_cannot_be_merged(method):
    model = with_change(method)
    with pytest.raises(CourseError, match=f"A change by '{method}' is no change of the weights"):
        adapters.merge(model, "task")
    assert adapters.names(model) == ["task"]  # nothing was half done


@pytest.mark.parametrize("method", METHODS)
def test_removed_it_is_the_model_of_before(method):
    model = with_change(method)
    adapters.add(model, "more", "lora", rank=2)
    adapters.remove(model)
    assert adapters.names(model) == []
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in made().named_parameters()]
    assert all(torch.equal(a, b) for a, b in zip(model.bert.parameters(), made().bert.parameters(), strict=True))


@pytest.mark.proof("12", "two changes on one encoder, switched", "each alone", "all pairs of methods")
@pytest.mark.parametrize("first", METHODS)
@pytest.mark.parametrize("second", METHODS)
def test_two_live_on_one_encoder_and_know_nothing_of_each_other(first, second, tmp_path):
    """Added in either order, each says what it says alone."""
    batch, expected = some_batch(), {}
    model = made()
    for name, method in (("a", first), ("b", second)):
        alone = made()
        adapters.add(alone, name, method)
        adapters.save(moved(alone, name, seed=ord(name)), name, tmp_path / name)
        expected[name] = alone(**batch)
    models = {name: adapters.load(model.bert, name, tmp_path / name).eval() for name in ("a", "b")}
    for name in ("a", "b", "a"):
        adapters.use(model, name)
        torch.testing.assert_close(models[name](**batch), expected[name], rtol=0, atol=1e-12)


def learning(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("top_layers", [None, 0, 1])
def test_what_could_learn_before_can_learn_again(method, top_layers):
    """After one change or several, in a model of which all can learn, or the head, or the upper layer and the head."""
    for more in ([], ["lora"], ["bitfit", method]):
        model = made()
        finetuning.freeze(model, top_layers)
        before = learning(model)
        for number, name in enumerate([method, *more]):
            adapters.add(model, str(number), name)
            assert learning(model) != before
        if method in MERGED:
            merged = copy.deepcopy(model)
            adapters.merge(merged, "0")
            assert learning(merged) == before
        adapters.use(model, None)
        adapters.remove(model)
        assert learning(model) == before
        adapters.remove(model)  # there is nothing left to take out
        assert learning(model) == before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("training", [False, True])
def test_a_change_is_in_the_mode_of_what_it_is_put_around(method, training):
    """Of a model in evaluation mode no dropout may draw; and who keeps one part there keeps it there."""
    model = made().train(training)
    model.bert.encoder.layers[0].attention.eval()
    before = {name: part.training for name, part in model.named_modules()}
    adapters.add(model, "task", method, **({"dropout": 0.5} if method == "lora" else {}))
    for name, part in model.named_modules():
        there = re.sub(r"(\.changes.*|\.base$|\.base(?=\.))", "", name)
        assert part.training == before[there], name


@pytest.mark.parametrize("model", ["changed", "rounded"])
def test_what_is_no_plain_bert_is_not_saved_as_one(model, tmp_path):
    models = {"changed": with_change("lora"), "rounded": made()}
    fourbit.quantise_model(models["rounded"].bert)
    with pytest.raises(CourseError, match="the parts of this one were exchanged"):
        bert.save(models[model], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_switching_says_which_there_are():
    model = with_change("lora")
    with pytest.raises(CourseError, match="The change 'task' is not known; known: none"):
        adapters.use(made(), "task")
    with pytest.raises(CourseError, match="The change 'tusk' is not known; did you mean 'task'"):
        adapters.use(model, "tusk")


def test_a_causal_model_stays_causal():
    """The leak detector: a later token changes nothing before it, whatever is put in."""
    torch.manual_seed(0)
    for method in METHODS:
        model = gpt.GPT(30, hidden_size=16, num_heads=2, num_layers=2, max_length=12).double()
        adapters.add(model, "task", method)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        ids = torch.randint(30, (2, 10))
        other = ids.clone()
        other[:, 6] = (other[:, 6] + 1) % 30
        with torch.no_grad():
            difference = (model(ids) - model(other)).abs().amax(dim=(0, 2))
        assert (difference[:6] == 0).all() and (difference[6:] > 0).all(), method


def causal_model(method):
    torch.manual_seed(0)
    model = gpt.GPT(30, hidden_size=16, num_heads=2, num_layers=2, max_length=12).double().eval()
    adapters.add(model, "task", method)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.mark.proof("12", "reading with a cache, a change in the model", "reading at once", "random ids, all methods")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cuts", [(1,) * 12, (5, 1, 1, 5), (12,), (1, 11)])
def test_a_cache_knows_the_change(method, cuts):
    """Step by step, in blocks, after rows were chosen as in beam search, and up to the last position."""
    model, ids = causal_model(method), torch.randint(30, (3, 12), generator=torch.Generator().manual_seed(1))
    cache, start, rows = Cache.empty(2), 0, torch.tensor([0, 1, 2])
    with torch.no_grad():
        at_once = model(ids)
        for count in cuts:
            assert cache.length == start
            logits = gpt.step(model, ids[rows, start : start + count], cache)
            start += count
            torch.testing.assert_close(logits, at_once[rows, start - 1], rtol=0, atol=1e-12)
            chosen = torch.tensor([2, 0, 0])
            cache.select(chosen)
            rows = rows[chosen]
        if cuts == (1,) * 12:
            with pytest.raises(CourseError, match="A text of 13 tokens is longer than the 12 positions"):
                gpt.step(model, ids[:, :1], cache)


@pytest.mark.proof("12", "text written with a cache and a change", "without a cache", "greedy, all methods", exact=True)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("length", [1, 4])
def test_what_is_written_with_a_cache_is_what_is_written_without(method, length):
    model, ids = causal_model(method), torch.randint(30, (2, length), generator=torch.Generator().manual_seed(2))
    written = decoding.generate(partial(gpt.step, model), Cache.empty(2), ids, max_tokens=8)
    with torch.no_grad():
        for _ in range(8):
            ids = torch.cat([ids, model(ids)[:, -1:].argmax(dim=-1)], dim=1)
    assert torch.equal(written, ids[:, length:])


@pytest.mark.parametrize("method", METHODS)
def test_a_translator_knows_the_change_with_a_cache_and_without(method):
    torch.manual_seed(0)
    model = transformer.Transformer(30, hidden_size=16, num_heads=2, max_length=12).double().eval()
    adapters.add(model, "task", method)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    source, ids = batches.pad([[3, 4, 5, 6], [7, 8]]), torch.randint(30, (2, 9))
    with torch.no_grad():
        at_once, cache = model(**source, decoder_input_ids=ids), transformer.start(model, **source)
        for place in range(9):
            logits = transformer.step(model, ids[:, place : place + 1], cache)
            torch.testing.assert_close(logits, at_once[:, place], rtol=0, atol=1e-12)


# --- equal to peft ----------------------------------------------------------------------------------------------------


def theirs_with(config, tmp_path, ours):
    """transformers' model with our weights, and peft's change in it."""
    import peft
    from transformers import BertForSequenceClassification

    bert.save(ours, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BertForSequenceClassification.from_pretrained(tmp_path).double().eval()
        return peft.get_peft_model(model, config, autocast_adapter_dtype=False).double().eval()


def place_of(their_name):
    """Our encoder's part that a parameter of peft's belongs to."""
    number = re.search(r"layer\.(\d+)\.", their_name)[1]
    for theirs, ours in (
        ("self.query", "attention.query"), ("self.key", "attention.key"), ("self.value", "attention.value"),
        (".output.dense", "feed_forward.outer"),
    ):  # fmt: skip
        if theirs in their_name:
            return f"encoder.layers.{number}.{ours}"
    raise AssertionError(their_name)


@pytest.mark.proof(
    "12", "LoRA: outputs, gradients, a step of training", "peft LoraConfig", "padded texts, same matrices"
)
@pytest.mark.parametrize("stabilised", [False, True])
def test_lora_is_peft_s_outputs_gradients_and_a_step(tmp_path, stabilised):
    from peft import LoraConfig

    config = LoraConfig(
        task_type="SEQ_CLS", r=3, lora_alpha=5, target_modules=["query", "value"], use_rslora=stabilised
    )
    ours, batch, labels = made(), some_batch(), torch.tensor([0, 1, 1])
    theirs = theirs_with(config, tmp_path, ours)
    adapters.add(ours, "task", "lora", rank=3, alpha=5.0, stabilised=stabilised)
    moved(ours)
    own = {n: p for n, p in ours.named_parameters() if ".changes." in n}
    pairs = []
    for name, parameter in theirs.named_parameters():
        if "lora_" in name:
            mine = own[f"bert.{place_of(name)}.changes.task.{'a' if 'lora_A' in name else 'b'}"]
            parameter.data.copy_(mine)
            pairs.append((mine, parameter))
    theirs.base_model.model.classifier.modules_to_save["default"].load_state_dict(ours.classifier.state_dict())
    pairs += zip(
        ours.classifier.parameters(), theirs.base_model.model.classifier.modules_to_save.parameters(), strict=True
    )
    assert len(pairs) == len(own) + 2
    mine, their = ours(**batch), theirs(**batch).logits
    torch.testing.assert_close(mine, their, rtol=0, atol=1e-12)
    for model, logits in ((ours, mine), (theirs, their)):
        F.cross_entropy(logits, labels).backward()
        torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01).step()
    for a, b in pairs:
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-12)
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
    theirs.merge_adapter()
    adapters.merge(ours, "task")
    with torch.no_grad():
        torch.testing.assert_close(ours(**batch), theirs(**batch).logits, rtol=0, atol=1e-9)


@pytest.mark.proof("12", "DoRA: outputs, gradients, merged", "peft LoraConfig(use_dora=True)", "padded texts, all maps")
def test_dora_is_peft_s_outputs_and_gradients(tmp_path):
    from peft import LoraConfig

    names = {"self.query": "attention.query", "self.key": "attention.key", "self.value": "attention.value",
             "attention.output.dense": "attention.output", "intermediate.dense": "feed_forward.inner",
             "output.dense": "feed_forward.outer"}  # fmt: skip
    config = LoraConfig(task_type="SEQ_CLS", r=3, lora_alpha=5, use_dora=True,
                        target_modules=r".*encoder.*\.(query|key|value|dense)")  # fmt: skip
    ours, batch, labels = made(), some_batch(), torch.tensor([0, 1, 1])
    theirs = theirs_with(config, tmp_path, ours)
    targets = r"attention\.(query|key|value|output)|feed_forward\.(inner|outer)"
    adapters.add(ours, "task", "dora", targets=targets, rank=3, alpha=5.0)
    moved(ours)
    theirs.base_model.model.classifier.modules_to_save["default"].load_state_dict(ours.classifier.state_dict())
    pairs = []
    for i, layer in enumerate(ours.bert.encoder.layers):
        for their_name, our_name in names.items():
            change = layer.get_submodule(our_name).changes["task"]
            their = theirs.base_model.model.bert.encoder.layer[i].get_submodule(
                their_name if "." in their_name and not their_name.startswith("self") else f"attention.{their_name}"
            )
            pairs += [(change.turn.a, their.lora_A["default"].weight), (change.turn.b, their.lora_B["default"].weight),
                      (change.lengths, their.lora_magnitude_vector["default"].weight)]  # fmt: skip
    with torch.no_grad():
        for mine, their in pairs:
            their.copy_(mine)
    mine, their = ours(**batch), theirs(**batch).logits
    torch.testing.assert_close(mine, their, rtol=0, atol=1e-12)
    for logits in (mine, their):
        F.cross_entropy(logits, labels).backward()
    for a, b in pairs:
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-12)
    theirs.merge_adapter()
    adapters.merge(ours, "task")
    with torch.no_grad():
        torch.testing.assert_close(ours(**batch), theirs(**batch).logits, rtol=0, atol=1e-9)


@pytest.mark.proof("12", "several LoRAs added up", "peft add_weighted_adapter, cat", "shares 0.5 and -2, ranks 2 and 3")
def test_a_blend_is_peft_s_weighted_adapter(tmp_path):
    from peft import LoraConfig

    ours, batch = made(), some_batch()
    config = {"target_modules": ["query", "value"]}  # peft does not add up heads, so there is none among its parts
    theirs = theirs_with(LoraConfig(r=2, lora_alpha=5, **config), tmp_path, ours)
    theirs.add_adapter("second", LoraConfig(r=3, lora_alpha=4, **config))
    theirs = theirs.double()
    for name, their, rank, alpha in (("a", "default", 2, 5.0), ("b", "second", 3, 4.0)):
        adapters.add(ours, name, "lora", rank=rank, alpha=alpha)
        head = copy.deepcopy(ours.classifier.state_dict())
        moved(ours, name, seed=rank)
        ours.classifier.load_state_dict(head)
        own = {n: p for n, p in ours.named_parameters() if f".changes.{name}." in n}
        for key, parameter in theirs.named_parameters():
            if f".{their}.weight" in key and "lora_" in key:
                which = "a" if "lora_A" in key else "b"
                parameter.data.copy_(own[f"bert.{place_of(key)}.changes.{name}.{which}"])
    theirs.add_weighted_adapter(["default", "second"], [0.5, -2.0], "sum", combination_type="cat")
    theirs.set_adapter("sum")
    adapters.blend(ours, "sum", {"a": 0.5, "b": -2.0})
    with torch.no_grad():
        torch.testing.assert_close(ours(**batch), theirs(**batch).logits, rtol=0, atol=1e-10)


def test_what_is_no_lora_in_the_same_places_cannot_be_added_up():
    model = with_change("lora")
    adapters.add(model, "other", "ia3")
    adapters.add(model, "elsewhere", "lora", targets="outer")
    for shares in ({"task": 1.0, "other": 1.0}, {"task": 1.0, "elsewhere": 1.0}, {}):
        with pytest.raises(CourseError, match="Only LoRAs in the same places can be added up"):
            adapters.blend(model, "sum", shares)
    with pytest.raises(CourseError, match="The change 'tusk' is not known"):
        adapters.blend(model, "sum", {"tusk": 1.0})
    adapters.add(model, "large", "lora", rank=16)
    with pytest.raises(CourseError, match="A matrix of 16 x 16 has changes of rank 1 to 16, not 24"):
        adapters.blend(model, "sum", {"task": 1.0, "large": 1.0})


def test_a_blend_of_one_is_that_one_and_is_kept_in_a_file(tmp_path):
    model, batch = with_change("lora"), some_batch()
    with torch.no_grad():
        before = model(**batch)
        adapters.blend(model, "all of it", {"task": 1.0})
        torch.testing.assert_close(model(**batch), before, rtol=0, atol=1e-12)
        adapters.save(model, "all of it", tmp_path / "sum")
        again = adapters.load(made().bert, "sum", tmp_path / "sum").eval()
        torch.testing.assert_close(again(**batch), before, rtol=0, atol=1e-12)


@pytest.mark.proof("12", "IA³", "peft IA3Config", "padded texts, same vectors")
def test_ia3_is_peft_s(tmp_path):
    from peft import IA3Config

    ours, batch = made(), some_batch()
    forward = r".*layer\.\d+\.output\.dense"
    config = IA3Config(task_type="SEQ_CLS", target_modules=rf".*\.(key|value)|{forward}", feedforward_modules=forward)
    theirs = theirs_with(config, tmp_path, ours)
    adapters.add(ours, "task", "ia3")
    classifier = {name: weight.clone() for name, weight in ours.classifier.state_dict().items()}
    moved(ours)
    ours.classifier.load_state_dict(classifier)
    weights = adapters.weights_of(ours, "task")
    changed = [name for name, _ in theirs.named_parameters() if "ia3_l" in name]
    assert len(changed) == len(weights) - 2
    with torch.no_grad():
        for name in changed:
            parameter = theirs.get_parameter(name)
            parameter.copy_(weights[f"{place_of(name)}.factors"].view_as(parameter))
        torch.testing.assert_close(ours(**batch), theirs(**batch).logits, rtol=0, atol=1e-12)


@pytest.mark.proof("12", "prefix tuning", "peft PrefixTuningConfig", "padded texts, places moved alike")
def test_prefix_tuning_is_peft_s_but_for_the_places_of_the_tokens(tmp_path):
    """peft takes the prefix for text that was read before, so the first token stands at place `length`."""
    from peft import PrefixTuningConfig

    ours, batch = made(), some_batch()
    theirs = theirs_with(PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=3), tmp_path, ours)
    forward = theirs.base_model.bert.forward
    if (
        "past_key_values" not in inspect.signature(forward).parameters
    ):  # its name, until transformers 5.24 made it `cache`
        theirs.base_model.bert.forward = lambda past_key_values, **others: forward(cache=past_key_values, **others)
    adapters.add(ours, "task", "prefix", length=3)
    learned = theirs.prompt_encoder["default"].embedding.weight.view(3, 4, 2, 8)  # [length, layers * 2, heads, size]
    with torch.no_grad():
        for number, layer in enumerate(ours.bert.encoder.layers):
            change = layer.attention.changes["task"]
            change.key.copy_(learned[:, 2 * number].transpose(0, 1))
            change.value.copy_(learned[:, 2 * number + 1].transpose(0, 1))
        places = ours.bert.embedding.positions.weight
        places.copy_(places.roll(-3, 0))
        torch.testing.assert_close(ours(**batch), theirs(**batch).logits, rtol=0, atol=1e-12)


@pytest.mark.proof("12", "prompt tuning", "peft PromptTuningConfig", "padded texts, places and norm alike")
def test_prompt_tuning_is_peft_s_but_for_places_and_norm(tmp_path):
    """peft puts its vectors in front of the embeddings of words, so they get a place, a segment and the norm, too."""
    from peft import PromptTuningConfig

    ours, batch, length = made(), some_batch(), 3
    theirs = theirs_with(PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=length), tmp_path, ours)
    adapters.add(ours, "task", "prompt", length=length)
    embedding, learned = ours.bert.embedding, theirs.prompt_encoder["default"].embedding.weight
    with torch.no_grad():
        vectors = embedding.norm(learned + embedding.positions.weight[:length] + embedding.segments.weight[0])
        ours.bert.encoder.changes["task"].vectors.copy_(vectors)
        embedding.positions.weight.copy_(embedding.positions.weight.roll(-length, 0))
        read = torch.cat([theirs.get_prompt(3), theirs.word_embeddings(batch["input_ids"])], dim=1)
        mask = F.pad(batch["attention_mask"], (length, 0), value=1)
        expected = theirs.base_model.bert(inputs_embeds=read, attention_mask=mask).last_hidden_state[:, length:]
        there = batch["attention_mask"].bool()
        torch.testing.assert_close(ours.bert(**batch)[there], expected[there], rtol=0, atol=1e-12)


@pytest.mark.proof("12", "AdaLoRA's penalty", "peft AdaLoraConfig", "padded texts, random factors")
def test_the_penalty_of_adalora_is_peft_s(tmp_path):
    """peft adds it to the loss, so it is what the loss has beyond the cross-entropy."""
    from peft import AdaLoraConfig

    config = AdaLoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"], init_r=3, target_r=2, total_step=10,
                           orth_reg_weight=0.5)  # fmt: skip
    theirs, batch, labels = theirs_with(config, tmp_path, made()), some_batch(), torch.tensor([0, 1, 1])
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "lora_" in name:
                parameter.normal_()
        beyond = theirs(**batch, labels=labels).loss - F.cross_entropy(theirs(**batch).logits, labels)
        ours = definitions("12", "penalty").penalty(theirs)
    torch.testing.assert_close(ours, beyond / 0.5, rtol=0, atol=1e-12)


@pytest.mark.proof("12", "attention with a prefix", "a mixture of attention to prefix and to text", "random vectors")
def test_a_prefix_mixes_what_attention_says_without_it():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 2, 5, 8).double()  # [batch, heads, places, size]
    prefix_key, prefix_value = torch.randn(2, 2, 2, 3, 8).double()
    keys, values = torch.cat([prefix_key, key], 2), torch.cat([prefix_value, value], 2)
    together, weights = attention.attention(query, keys, values)
    share = weights[..., :3].sum(-1, keepdim=True)
    alone = [attention.attention(query, *pair)[0] for pair in ((prefix_key, prefix_value), (key, value))]
    torch.testing.assert_close(together, share * alone[0] + (1 - share) * alone[1], rtol=0, atol=1e-12)


@pytest.mark.proof("12", "BitFit as a change beside the model", "training the biases alone", "three steps of AdamW")
def test_a_shift_learns_what_the_bias_itself_would_learn():
    """BitFit as it is usually written: train nothing but the biases."""
    shifted, plain, batch, labels = made(), made(), some_batch(), torch.tensor([0, 1, 1])
    adapters.add(shifted, "task", "bitfit")
    for name, parameter in plain.bert.named_parameters():
        parameter.requires_grad = name.endswith("bias")
    for model in (shifted, plain):
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01, weight_decay=0.0)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(**batch), labels).backward()
            optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(shifted(**batch), plain(**batch), rtol=0, atol=1e-9)
    count = sum(p.numel() for n, p in plain.bert.named_parameters() if n.endswith("bias"))
    assert count == sum(p.numel() for n, p in shifted.named_parameters() if ".changes." in n)


# --- LoRA's laws ------------------------------------------------------------------------------------------------------


@pytest.mark.proof("12", "gradients of LoRA's A and B by hand", "autograd", "random matrices")
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_the_gradients_are_those_that_were_derived(rows, columns, data):
    """dL/dB = s G (A x)^T and dL/dA = s B^T G x^T, and the change has at most that rank."""
    rank = data.draw(st.integers(1, min(rows, columns)))
    torch.manual_seed(rows * 10 + columns)
    base = torch.nn.Linear(columns, rows).double()
    change = adapters.LoRA(base, rank=rank, alpha=3.0).double()
    torch.nn.init.normal_(change.b)
    x, upstream = torch.randn(5, columns).double(), torch.randn(5, rows).double()
    (change(base, x) * upstream).sum().backward()
    torch.testing.assert_close(change.b.grad, 3.0 / rank * upstream.T @ (x @ change.a.T))
    torch.testing.assert_close(change.a.grad, 3.0 / rank * change.b.T @ upstream.T @ x)
    before = base.weight.clone()
    change.fold(base)
    assert torch.linalg.matrix_rank(base.weight - before) <= rank


@pytest.mark.proof("12", "LoRA's first step, as it was derived", "a step of gradient descent", "random matrices")
def test_the_first_step_is_the_full_gradient_seen_through_a():
    torch.manual_seed(0)
    base, rate = torch.nn.Linear(6, 5, bias=False).double(), 0.1
    change = adapters.LoRA(base, rank=2, alpha=3.0).double()
    x, wanted = torch.randn(10, 6).double(), torch.randn(10, 5).double()
    F.mse_loss(change(base, x), wanted).backward()
    torch.optim.SGD(change.parameters(), lr=rate).step()
    full = 2 * (x @ base.weight.T - wanted).T @ x / wanted.numel()
    a = change.a.detach()
    expected = -rate * change.scale**2 * full @ a.T @ a
    torch.testing.assert_close((change.scale * change.b @ a).detach(), expected.detach(), rtol=0, atol=1e-14)


@pytest.mark.proof("12", "number of LoRA's parameters, by formula", "counted", "rank 3", exact=True)
def test_a_rank_costs_as_many_numbers_as_the_formula_says():
    model = made()
    counted, head = adapters.add(model, "task", "lora", rank=3), sum(p.numel() for p in model.classifier.parameters())
    assert counted - head == 2 * 2 * 3 * (16 + 16)  # layers, matrices in each, and a row and a column for each rank


def test_at_first_only_b_has_a_gradient():
    base = torch.nn.Linear(4, 3)
    change = adapters.LoRA(base, rank=2)
    change(base, torch.randn(2, 4)).sum().backward()
    assert (change.a.grad == 0).all() and (change.b.grad != 0).any()


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, -1, 17])
def test_a_rank_that_the_matrix_does_not_have_is_refused(rank):
    model = made()
    with pytest.raises(CourseError, match=rf"A matrix of 16 x 16 has changes of rank 1 to 16, not {rank}\."):
        adapters.add(model, "task", "lora", rank=rank)
    assert adapters.names(model) == [] and not any(isinstance(part, adapters.Adapted) for part in model.modules())


def test_an_unknown_target_is_refused_with_names_that_there_are():
    with pytest.raises(CourseError, match=r"called 'q_proj'; there are, for example, attention.query, "):
        adapters.add(made(), "task", "lora", targets="q_proj")


def test_an_unknown_method_and_a_name_that_is_taken_are_refused():
    model = with_change("lora")
    with pytest.raises(CourseError, match="The method 'lara' is not known; did you mean 'lora'"):
        adapters.add(model, "other", "lara")
    with pytest.raises(CourseError, match="There is a change by the name 'task' already"):
        adapters.add(model, "task", "ia3")


def test_targets_choose_the_matrices():
    model = made()
    adapters.add(model, "task", "lora", targets=r"attention\.(query|key|value|output)|inner|outer", rank=1)
    assert len(adapters.weights_of(model, "task")) == 2 * 2 * 6 + 2


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_what_was_saved_is_loaded_with_its_head(method, tmp_path):
    model, batch = with_change(method), some_batch()
    adapters.save(model, "task", tmp_path / "new" / "change.safetensors")
    again = adapters.load(made().bert, "mine", tmp_path / "new" / "change.safetensors").eval()
    assert again.labels == ("no", "yes") and adapters.names(again) == ["mine"]
    with torch.no_grad():
        assert torch.equal(again(**batch), model(**batch))


def test_options_and_targets_come_back_with_the_file(tmp_path):
    model = made()
    adapters.add(model, "task", "lora", targets="outer", rank=3, alpha=7.0, stabilised=True)
    adapters.save(moved(model), "task", tmp_path / "change")
    again = adapters.load(made().bert, "task", tmp_path / "change")
    assert again.bert.encoder.layers[0].feed_forward.outer.changes["task"].scale == pytest.approx(7 / 3**0.5)
    assert torch.equal(again(**some_batch()), model(**some_batch()))


def test_a_change_for_another_base_is_refused(tmp_path):
    adapters.save(with_change("lora"), "task", tmp_path / "change")
    other = made(seed=5).bert
    with pytest.raises(CourseError, match=r"was made for another base \(fingerprint [0-9a-f]{16}, and this one has"):
        adapters.load(other, "task", tmp_path / "change")
    assert adapters.names(other) == []


def test_the_fingerprint_is_the_base_s_and_nothing_else(tmp_path):
    model = made()
    before = adapters.fingerprint(model)
    assert before == adapters.fingerprint(model.bert)
    for number, method in enumerate(METHODS):
        adapters.add(model, str(number), method)
    assert adapters.fingerprint(moved(model, "0")) == before
    adapters.remove(model)
    adapters.add(model, "task", "lora")
    adapters.merge(moved(model), "task")
    assert adapters.fingerprint(model) != before


def test_files_that_are_no_change_are_refused(tmp_path):
    (tmp_path / "text").write_text("no tensors", encoding="utf-8")
    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(CourseError, match="cannot be read"):
        adapters.load(made().bert, "task", tmp_path / "missing")
    with pytest.raises(CourseError, match="cannot be read"):
        adapters.load(made().bert, "task", tmp_path / "text")
    with pytest.raises(CourseError, match="holds no change that `adapters.save` wrote"):
        adapters.load(made().bert, "task", tmp_path / "other")


def test_the_file_is_small(tmp_path):
    model = made(dtype=torch.float32)
    adapters.add(model, "task", "lora", rank=1)
    adapters.save(model, "task", tmp_path / "change")
    assert sum(w.numel() for w in load_file(tmp_path / "change").values()) == 2 * 2 * 32 + 34


# --- four bits --------------------------------------------------------------------------------------------------------


@pytest.mark.proof("12", "NF4's levels", "the paper's appendix E", "all 16")
def test_the_sixteen_levels_are_those_of_the_paper():
    """Appendix E of Dettmers et al. (2023)."""
    published = [
        -1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0.0,
        0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
    ]  # fmt: skip
    torch.testing.assert_close(fourbit.NF4, torch.tensor(published), rtol=0, atol=1e-6)


@pytest.mark.proof("12", "error of a quantised number", "that of the nearest level, trying all", "random weights")
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 50), st.sampled_from([2, 16, 64]))
def test_a_quantised_number_is_the_nearest_level_of_its_block(rows, columns, block):
    torch.manual_seed(rows * 100 + columns)
    weight = torch.randn(rows, columns)
    kept = fourbit.quantise(weight, block)
    again = fourbit.dequantise(kept)
    assert again.shape == weight.shape
    flat, back = weight.flatten(), again.flatten()
    for start in range(0, len(flat), block):
        part = flat[start : start + block]
        levels = fourbit.NF4 * part.abs().max()
        nearest = (part[:, None] - levels).abs().min(dim=1).values
        torch.testing.assert_close((part - back[start : start + block]).abs(), nearest, rtol=1e-4, atol=1e-6)


def test_zeros_stay_zeros_and_four_bits_are_four_bits():
    assert (fourbit.dequantise(fourbit.quantise(torch.zeros(3, 64))) == 0).all()
    with pytest.raises(CourseError, match="nothing to quantise"):
        fourbit.quantise(torch.zeros(0, 64))
    kept = fourbit.quantise(torch.randn(128, 128))
    assert kept.codes.numel() == 128 * 128 // 2 and kept.codes.dtype == torch.uint8
    assert kept.largest.numel() == 128 * 128 // 64


@pytest.mark.parametrize(("block", "levels"), [(3, 16), (0, 16), (64, 17)])
def test_what_does_not_fit_into_four_bits_is_told(block, levels):
    with pytest.raises(CourseError, match="even blocks and at most 16 levels"):
        fourbit.quantise(torch.randn(9), block, torch.linspace(-1, 1, levels))


def test_a_frozen_base_of_four_bits_lets_the_gradient_through_to_lora():
    model = made(dtype=torch.float32)
    fourbit.quantise_model(model.bert)
    adapters.add(model, "task", "lora", rank=2)
    F.cross_entropy(model(**some_batch()), torch.tensor([0, 1, 1])).backward()
    change = model.bert.encoder.layers[0].attention.query.changes["task"]
    assert (change.b.grad != 0).any()
    with pytest.raises(CourseError, match="in four bits"):
        adapters.merge(model, "task")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", METHODS)
def test_beside_four_bits_a_change_learns_in_half_precision_what_it_learns_in_single(method, dtype):
    """Autocast leaves products in half precision, so what comes back is, too."""
    gradients = []
    for enabled in (False, True):
        model = made(dtype=torch.float32)
        fourbit.quantise_model(model.bert)
        adapters.add(model, "task", method)
        moved(model)
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            logits = model(**some_batch())
        assert logits.dtype == (dtype if enabled else torch.float32)
        F.cross_entropy(logits.float(), torch.tensor([0, 1, 1])).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad]))
    assert F.cosine_similarity(*gradients, dim=0) > 0.99


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_four_bits_of_half_precision_are_those_of_the_same_numbers_in_single(dtype):
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    half, single = fourbit.quantise(weight), fourbit.quantise(weight.float())
    assert torch.equal(half.codes, single.codes) and fourbit.dequantise(half).dtype == dtype
    assert fourbit.FourBitLinear(torch.nn.Linear(64, 64).to(dtype))(weight).dtype == dtype


@pytest.mark.proof("12", "gradient through a matrix of four bits", "through an ordinary one", "random numbers")
def test_the_gradient_through_four_bits_is_that_of_the_numbers_that_they_stand_for():
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 32)
    packed, plain = fourbit.FourBitLinear(linear), torch.nn.Linear(64, 32)
    with torch.no_grad():
        plain.weight.copy_(fourbit.dequantise(packed.kept))
        plain.bias.copy_(linear.bias)
    inputs = [torch.randn(3, 64, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2)]
    outputs = [layer(x) for layer, x in zip((packed, plain), inputs, strict=True)]
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=0, atol=1e-4)
