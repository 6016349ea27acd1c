"""A chat model learns a task: the form's truth, ids and labels, the answers' loss; LoRA of a Llama is peft's."""

import copy
import json
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import pretrained, runtime
from lmtutor.models import adapters, fourbit, llama, peft_files
from lmtutor.runtime import CourseError
from lmtutor.tasks import chatting

SIZES = {"hidden_size": 32, "num_heads": 4, "num_kv_heads": 2, "num_layers": 3, "inner_size": 40, "max_length": 64}
VOCAB = 50


def small(seed: int = 0, dtype: torch.dtype = torch.float64) -> llama.Llama:
    torch.manual_seed(seed)
    model = llama.Llama(VOCAB, **SIZES)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.to(dtype).eval()


def with_lora(seed: int = 0, **options) -> llama.Llama:
    """A small model with LoRA that has learned something."""
    model = small(seed)
    adapters.add(model, "form", "lora", targets=chatting.ALL_LINEAR, **{"rank": 3, "alpha": 6.0, **options})
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                # float16 holds them exactly, as the file does
                parameter.copy_((0.2 * torch.randn_like(parameter)).half())
    return model


def batch(seed: int = 1, rows: int = 3, time: int = 12) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    examples = []
    for row in range(rows):
        ids = torch.randint(VOCAB, (time - row,)).tolist()
        examples.append((ids, [chatting.IGNORED] * 5 + ids[5:]))
    return chatting.collate(examples)


def gradients(model, loss) -> list[torch.Tensor]:
    return torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad])


def in_theirs(model: llama.Llama):
    """transformers' model with the base's weights, its norms and angles in float64, too."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=3,
        intermediate_size=40, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).double().eval()
    back = {ours: name for name, ours in llama.NAMES.items()}
    weights = {}
    for name, weight in adapters.base_parameters(model):
        whole = ".".join(back.get(part, part) for part in name.split("."))
        weights[whole if name.startswith("head") else f"model.{whole}"] = weight
    theirs.load_state_dict(weights)
    return theirs


# --- LoRA of a Llama --------------------------------------------------------------------------------------------------


@pytest.mark.proof(
    "12", "LoRA on all linear maps of a Llama: logits, loss, gradients", "peft on LlamaForCausalLM", "same matrices"
)
def test_lora_of_a_llama_is_peft_s_outputs_and_gradients(in_float64, tmp_path, numbers_agree):
    from peft import PeftModel

    model, data = with_lora(), batch()
    peft_files.save(model, "form", tmp_path)
    theirs = PeftModel.from_pretrained(
        in_theirs(model), tmp_path, is_trainable=True, autocast_adapter_dtype=False
    ).double()
    ours_logits, said = model(data["input_ids"]), theirs(input_ids=data["input_ids"], labels=data["labels"])
    numbers_agree(ours_logits, said.logits, 1e-11)
    loss, count = chatting.answer_loss(model, data)
    assert count == (data["labels"][:, 1:] != chatting.IGNORED).sum()
    # transformers computes the loss in float32
    full = F.cross_entropy(said.logits[:, :-1].flatten(0, 1), data["labels"][:, 1:].flatten(), ignore_index=-100)
    loss.backward()
    full.backward()
    found = dict(theirs.named_parameters())
    seen = 0
    for name, part in model.named_modules():
        if isinstance(part, adapters.Adapted):
            stem = peft_files._theirs(name)
            for letter in "AB":
                own = getattr(part.changes["form"], letter.lower()).grad
                numbers_agree(own, found[f"{stem}.lora_{letter}.default.weight"].grad, 1e-9)
                seen += 1
    assert seen == 2 * 7 * SIZES["num_layers"]
    assert all(p.grad is None for n, p in theirs.named_parameters() if "lora" not in n)
    assert all(p.grad is None for n, p in model.named_parameters() if "changes" not in n)


@pytest.fixture
def numbers_agree():
    def agree(ours, theirs, within):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=within, atol=within)

    return agree


def test_what_peft_saved_we_load_and_it_says_the_same(in_float64, tmp_path):
    from peft import LoraConfig, get_peft_model

    model = small()
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    theirs = get_peft_model(in_theirs(model), config, autocast_adapter_dtype=False).double().eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "lora" in name:
                parameter.copy_(torch.randn_like(parameter))
    theirs.save_pretrained(tmp_path)
    count = peft_files.load(model, "theirs", tmp_path)
    assert count == theirs.num_parameters(only_trainable=True)
    ids = batch()["input_ids"]
    torch.testing.assert_close(model(ids), theirs(input_ids=ids).logits, rtol=1e-6, atol=1e-6)  # its file is float32


@pytest.mark.proof("12", "a Llama with LoRA merged", "with LoRA beside it; and loaded from its file", "random ids")
def test_saved_loaded_merged_it_says_the_same(tmp_path):
    model, ids = with_lora(), batch()["input_ids"]
    peft_files.save(model, "form", tmp_path)
    again = small()
    assert peft_files.load(again, "mine", tmp_path) == sum(p.numel() for p in model.parameters() if p.requires_grad)
    expected = model(ids)
    assert torch.equal(again(ids), expected)
    adapters.use(again, None)
    assert torch.equal(again(ids), small()(ids))
    adapters.merge(model, "form")
    torch.testing.assert_close(model(ids), expected, rtol=1e-12, atol=1e-12)
    assert model.head.weight is model.embedding.weight


def test_an_adapter_of_another_base_is_refused_also_of_a_merged_one(tmp_path):
    model = with_lora()
    peft_files.save(model, "form", tmp_path)
    for other in (small(seed=5), small().bfloat16()):
        if other.norm.weight.dtype == torch.bfloat16:
            assert peft_files.load(other, "form", tmp_path)  # the same base in another precision
            continue
        with pytest.raises(CourseError, match="trained on another base"):
            peft_files.load(other, "form", tmp_path)
    adapters.merge(model, "form")
    with pytest.raises(CourseError, match="trained on another base"):
        peft_files.load(model, "form", tmp_path)
    torch.manual_seed(0)
    narrower = llama.Llama(VOCAB, **(SIZES | {"inner_size": 36}))
    with pytest.raises(CourseError, match="trained on another base"):
        peft_files.load(narrower, "form", tmp_path)


def test_folders_that_are_no_adapter_are_refused(tmp_path):
    with pytest.raises(CourseError, match="no change that can be read"):
        peft_files.load(small(), "form", tmp_path)
    model = with_lora()
    peft_files.save(model, "form", tmp_path)
    config = json.loads((tmp_path / peft_files.CONFIG).read_text(encoding="utf-8"))
    for change in ({"peft_type": "IA3"}, {"use_dora": True}):
        (tmp_path / peft_files.CONFIG).write_text(json.dumps(config | change), encoding="utf-8")
        with pytest.raises(CourseError, match="no plain LoRA"):
            peft_files.load(small(), "form", tmp_path)
    (tmp_path / peft_files.WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(CourseError, match="no change that can be read"):
        peft_files.load(small(), "form", tmp_path)
    with pytest.raises(CourseError, match="Only LoRA"):
        peft_files.save(small(), "form", tmp_path)


def test_a_rank_above_the_matrix_is_refused():
    with pytest.raises(CourseError, match="changes of rank 1 to 16, not 17"):  # two key heads of eight
        adapters.add(small(), "form", "lora", targets=r"attention\.key", rank=17)


def test_a_base_of_four_bits_is_frozen_and_says_what_its_numbers_say():
    rounded, made = with_lora(), with_lora()
    fourbit.quantise_model(rounded.layers)
    assert not isinstance(rounded.head, fourbit.FourBitLinear)
    with torch.no_grad():  # the same numbers, kept
        for part in made.layers.modules():
            if isinstance(part, torch.nn.Linear):
                part.weight.copy_(fourbit.dequantise(fourbit.quantise(part.weight)))
    found = []
    for model in (rounded, made):
        loss, _ = chatting.answer_loss(model, batch())
        found.append(gradients(model, loss))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)
    assert {n.rpartition(".")[2] for n, p in rounded.named_parameters() if p.requires_grad} == {"a", "b"}


# --- conversations ----------------------------------------------------------------------------------------------------


def test_the_loss_is_that_of_the_answers_and_padding_changes_nothing():
    model, data = with_lora(), batch()
    logits = model(data["input_ids"])[:, :-1]
    expected = F.cross_entropy(logits.flatten(0, 1), data["labels"][:, 1:].flatten(), ignore_index=-100)
    torch.testing.assert_close(chatting.answer_loss(model, data)[0].double(), expected, rtol=1e-6, atol=1e-6)
    alone = [
        chatting.answer_loss(model, {key: value[[row], : 12 - row] for key, value in data.items()}) for row in range(3)
    ]
    total = sum(loss * count for loss, count in alone) / sum(count for _, count in alone)
    torch.testing.assert_close(total, chatting.answer_loss(model, data)[0])
    with pytest.raises(CourseError, match="nothing to learn"):
        chatting.answer_loss(model, data | {"labels": torch.full_like(data["labels"], chatting.IGNORED)})


@pytest.mark.proof(
    "12", "gradients of a Llama whose layers are computed again", "of one that keeps everything", "random ids"
)
@pytest.mark.parametrize("every", [1, 2])
def test_computed_again_the_gradients_are_the_same(every):
    model, data = with_lora(), batch()
    expected = gradients(model, chatting.answer_loss(model, data)[0])
    chatting.recompute(model, every)
    assert sum("forward" in vars(layer) for layer in model.layers) == len(range(0, 3, every))
    for own, kept in zip(gradients(model, chatting.answer_loss(model, data)[0]), expected, strict=True):
        torch.testing.assert_close(own, kept, rtol=1e-12, atol=1e-12)
    chatting.recompute(model, 0)
    assert not any("forward" in vars(layer) for layer in model.layers)


def test_what_learns_is_float32_at_least():
    model = small(dtype=torch.bfloat16)
    adapters.add(model, "form", "lora", rank=2)
    assert {p.dtype for p in chatting.learning(model)} == {torch.float32}
    assert model.norm.weight.dtype == torch.bfloat16


# --- the form ---------------------------------------------------------------------------------------------------------


def test_the_forms_are_true(monkeypatch):
    """The generator knows whom each notice is about; the forms are read off its records."""
    folder = Path(runtime.share("data")) / "notices"
    monkeypatch.syspath_prepend(str(folder))
    import make

    record = make.Notice.record
    monkeypatch.setattr(
        make.Notice, "record",
        lambda self: record(self) | {"cast": {role: self.mention(role, True)[1] for role in self.cast}},
    )  # fmt: skip
    third = {"arrival": "from origin", "departure": "to goal", "wreck": "on rock", "sale": "buyer owner"}
    seen = 0
    for split, rows in make.make().items():
        for made, row in zip(rows, lm.load("notices", split), strict=True):
            if (found := chatting.form(row)) is None:
                assert row["kind"] in ("council", "lost")
                continue
            field, role = third.get(row["kind"], "captain captain").split()
            truth = {"event": row["kind"], "ship": made["cast"]["ship"], field: made["cast"][role]}
            truth |= {"date": made["cast"]["date"]} if row["kind"] in ("arrival", "departure", "wreck") else {}
            assert found == truth, row["text"]
            seen += 1
    assert seen > 900
    for module in ("make", "grammar", "words"):
        sys.modules.pop(module, None)


def test_answers_are_graded():
    rows = [row for row in lm.load("notices", "test") if chatting.form(row)][:4]
    right = [json.dumps(chatting.form(row)) for row in rows]
    assert chatting.graded(right, rows) == {
        "JSON, %": 100, "fields right, %": 100, "forms right, %": 100, "values not in the notice, %": 0,
    }  # fmt: skip
    assert set(chatting.graded(["no idea"] * 4, rows).values()) == {0}
    invented = [json.dumps(chatting.form(row) | {"ship": "Titanic"}) for row in rows]
    found = chatting.graded(invented, rows)
    assert found["forms right, %"] == 0 and found["JSON, %"] == 100 and found["values not in the notice, %"] > 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('Here it is: {"event": "sale", "ship": "Lynd"} That is all. {"a": "b"}', {"event": "sale", "ship": "Lynd"}),
        ('{"event": "sale", "ship": ', {}),
        ("{event: sale}", {}),
        ("", {}),
        ('{"ship": 3, "to": null, "on": "x"}', {"on": "x"}),
    ],
)
def test_fields_are_read_from_the_first_braces(answer, expected):
    assert chatting.fields(answer) == expected


def test_a_conversation_ends_with_the_answer_alone_to_be_learned():
    tokenizer = pretrained.tokenizer_of("smollm2")
    row = next(row for row in lm.load("notices", "train") if chatting.form(row))
    answer = json.dumps(chatting.form(row))
    ids, labels = chatting.encode(tokenizer, chatting.messages(row), answer)
    learned = [label for label in labels if label != chatting.IGNORED]
    assert tokenizer.decode(learned) == answer + tokenizer.eos_token
    assert ids[-len(learned) :] == learned and len(ids) == len(labels)
    prompt, ignored = chatting.encode(tokenizer, chatting.messages(row))
    assert prompt == ids[: -len(learned)] and set(ignored) == {chatting.IGNORED}
    assert tokenizer.decode(prompt).endswith("<|im_start|>assistant\n")
    shown = chatting.messages(row, task=chatting.DESCRIPTION, shown=[row])
    assert [one["role"] for one in shown] == ["system", "user", "assistant", "user"]


def test_the_real_model_is_cut_adapted_and_asked():
    """SmolLM2 takes the adapter that comes with the course; two of its layers learn with LoRA, and answer."""
    model, tokenizer = llama.load(pretrained.folder("smollm2")), pretrained.tokenizer_of("smollm2")
    assert peft_files.load(model, "kept", pretrained.folder("smollm2_form")) == 2_442_240
    adapters.remove(model)
    del model.layers[2:]
    row = next(row for row in lm.load("notices", "train") if chatting.form(row))
    data = chatting.collate([chatting.encode(tokenizer, chatting.messages(row), json.dumps(chatting.form(row)))])
    untouched = copy.deepcopy(model.norm.weight)
    adapters.add(model, "form", "lora", targets=chatting.ALL_LINEAR, rank=8)
    optimizer = torch.optim.AdamW(chatting.learning(model), lr=1e-3)
    losses = []
    for _ in range(3):
        loss, _ = chatting.answer_loss(model, data)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert torch.equal(model.norm.weight, untouched)
    assert isinstance(chatting.ask(model, tokenizer, chatting.messages(row), max_tokens=3), str)
