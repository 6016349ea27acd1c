"""Fine-tuning: the classifier equals transformers', training equals Trainer's, and what is frozen stays."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification, DataCollatorWithPadding, Trainer, TrainingArguments

import lmtutor as lm
from lmtutor import batches, finetuning, pretrained, text, training
from lmtutor.models import bert, classifier
from lmtutor.runtime import CourseError

WORDS = ["the soup was good", "the soup was bad", "a good boat and a bad lamp", "the lamp"] * 5
LABELS = [1, 0, 0, 1] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return text.wordpiece(WORDS, 60, 16)


def small(tokenizer, labels=("bad", "good"), seed=0, dropout=0.0):
    torch.manual_seed(seed)
    encoder = bert.Bert(len(tokenizer), hidden_size=16, num_heads=2, num_layers=2, max_length=16, dropout=dropout)
    return bert.BertClassifier(encoder, labels, dropout=dropout)


# --- the classifier ---------------------------------------------------------------------------------------------------


@pytest.mark.proof("10", "gradients of a head for W, b and h, by hand", "autograd", "random numbers")
def test_the_gradients_of_the_head_are_those_that_were_derived():
    torch.manual_seed(0)
    h, W, b = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((5,), (3, 5), (3,)))
    p = (W @ h + b).softmax(-1)
    (-p[1].log()).backward()
    error = p.detach() - torch.eye(3)[1]
    by_hand = (torch.outer(error, h.detach()), error, W.detach().T @ error)
    for ours, theirs in zip(by_hand, (W.grad, b.grad, h.grad), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


@pytest.mark.proof("10", "rise_and_fall, while it falls", "transformers get_linear_schedule_with_warmup", "20 updates")
def test_the_rate_falls_as_in_transformers():
    from transformers import get_linear_schedule_with_warmup

    rates = []
    for schedule in (
        partial(training.rise_and_fall, steps=20, share=0.2),
        partial(get_linear_schedule_with_warmup, num_warmup_steps=4, num_training_steps=20),
    ):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler, found = schedule(optimizer), []
        for _ in range(20):
            found.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        rates.append(found)
    np.testing.assert_allclose(rates[0][4:], rates[1][4:], rtol=0, atol=1e-12)
    assert rates[0][0] == 0.25 and rates[1][0] == 0  # theirs begins with an update that changes nothing


@pytest.mark.proof("10", "BertClassifier", "transformers BertForSequenceClassification", "padded texts")
def test_it_equals_transformers_padding_included(tokenizer, tmp_path):
    ours = small(tokenizer).eval()
    bert.save(ours, tmp_path)
    theirs = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    read = batches.pad(finetuning.encode(tokenizer, WORDS))
    assert (read["attention_mask"] == 0).any()
    with torch.no_grad():
        torch.testing.assert_close(ours(**read), theirs(**read).logits, rtol=0, atol=1e-6)
    assert theirs.config.id2label == {0: "bad", 1: "good"}


@pytest.mark.proof("10", "a classifier, saved and loaded", "the one that was saved", "sentences", exact=True)
def test_what_was_saved_is_loaded_with_its_labels(tokenizer, tmp_path):
    model = small(tokenizer, ("red", "green", "blue"), dropout=0.2)
    bert.save(model, tmp_path)
    again = bert.load_classifier(tmp_path)
    assert again.labels == ("red", "green", "blue") and again.dropout.p == 0.2
    said = [finetuning.predict(one, tokenizer, WORDS[:3]) for one in (model, again)]
    assert np.array_equal(*said)


def test_what_transformers_saved_is_loaded(tokenizer, tmp_path):
    bert.save(small(tokenizer), tmp_path / "ours")
    theirs = BertForSequenceClassification.from_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    again = bert.load_classifier(tmp_path / "theirs")
    assert torch.equal(again.classifier.weight, theirs.classifier.weight)


def test_the_names_of_the_first_berts_are_understood(tokenizer, tmp_path):
    model = small(tokenizer)
    bert.save(model, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): w.clone()
           for name, w in weights.items()}  # fmt: skip
    assert old.keys() != weights.keys()
    save_file(old, tmp_path / "model.safetensors")
    again = bert.load_classifier(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))


def test_without_a_network_bert_base_says_what_it_needs(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    with pytest.raises(CourseError, match=r"'bert_base' could not be fetched .* connect to the network"):
        pretrained.folder("bert_base")


def test_a_model_without_a_classifier_says_what_it_lacks(tokenizer, tmp_path):
    bert.save(small(tokenizer).bert, tmp_path)
    with pytest.raises(CourseError, match=r"classifier\.bias"):
        bert.load_classifier(tmp_path)


def test_the_encoder_alone_can_be_loaded_from_a_classifier(tokenizer, tmp_path):
    model = small(tokenizer)
    bert.save(model, tmp_path)
    alone = bert.load(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), model.bert.parameters(), strict=True))


# --- pieces -----------------------------------------------------------------------------------------------------------


def test_encode_is_silent_about_short_texts_and_warns_of_long_ones(tokenizer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert finetuning.encode(tokenizer, ["the soup"])[0] == tokenizer("the soup")["input_ids"]
    with pytest.warns(UserWarning, match="1 of 2 texts have more than 16 pieces"):
        cut = finetuning.encode(tokenizer, ["the soup was good " * 9, "the soup"])
    assert len(cut[0]) == 16 and cut[0][-1] == tokenizer.sep_token_id


def test_an_empty_text_has_its_special_tokens(tokenizer):
    assert finetuning.encode(tokenizer, [""]) == [[tokenizer.cls_token_id, tokenizer.sep_token_id]]


def test_windows_overlap_and_leave_nothing_out(tokenizer):
    long = "the soup was good and bad " * 7
    whole = tokenizer(long, add_special_tokens=False, verbose=False)["input_ids"]
    found = [window[1:-1] for window in finetuning.windows_of(tokenizer, long)]
    together = found[0]
    for window in found[1:]:
        assert together[-4:] == window[:4]
        together = together + window[4:]
    assert together == whole and all(len(window) <= 14 for window in found)


def test_a_short_text_is_one_window(tokenizer):
    assert finetuning.windows_of(tokenizer, "the soup") == finetuning.encode(tokenizer, ["the soup"])


def test_windows_without_room_are_refused(tokenizer):
    with pytest.raises(CourseError, match="too short"):
        finetuning.windows_of(tokenizer, "the soup", max_length=2)


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.proof("10", "training.fit: weights after training", "transformers Trainer", "the same batches")
def test_it_equals_trainer(tokenizer, tmp_path):
    ours = small(tokenizer).double()
    sequences = finetuning.encode(tokenizer, WORDS)
    bert.save(ours, tmp_path)
    theirs = BertForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float64)
    optimizer_of = partial(torch.optim.SGD, lr=0.5, momentum=0.9)  # Adam would magnify what rounding does
    order = [list(range(i, i + 4)) for i in range(0, 20, 4)]
    training.fit(
        ours,
        order,
        loss=classifier.loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        progress=False,
        collate=classifier.collator(sequences, LABELS),
        optimizer=optimizer_of,
        scheduler=training.rise_and_fall,
    )
    optimizer = optimizer_of(theirs.parameters())
    Trainer(
        theirs,
        TrainingArguments(
            tmp_path,
            num_train_epochs=1,
            per_device_train_batch_size=4,
            train_sampling_strategy="sequential",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=[{"input_ids": ids, "labels": label} for ids, label in zip(sequences, LABELS, strict=True)],
        data_collator=DataCollatorWithPadding(tokenizer),
        optimizers=(optimizer, training.rise_and_fall(optimizer, len(order))),
    ).train()
    bert.save(ours, tmp_path)  # under their names
    own, their = (
        BertForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float64).state_dict(),
        theirs.state_dict(),
    )
    assert own.keys() == their.keys()
    for name in own:
        torch.testing.assert_close(own[name], their[name], rtol=0, atol=1e-7)  # our loss is taken in 32 bits


def test_it_learns_and_the_epochs_are_counted(tokenizer):
    model = small(tokenizer)
    sequences = finetuning.encode(tokenizer, WORDS)
    history = finetuning.finetune(
        model, sequences, LABELS, learning_rate=1e-2, epochs=30, batch_size=5, log_every=4, progress=False,
        validation=(sequences[:8], LABELS[:8]),
    )  # fmt: skip
    assert history["epoch"].iloc[-1] == 30 and history["validation_loss"].iloc[-1] < 0.05
    assert (finetuning.predict(model, tokenizer, WORDS).argmax(1) == LABELS).all()


def test_steps_end_it_in_the_middle_of_an_epoch(tokenizer):
    sequences = finetuning.encode(tokenizer, WORDS)
    history = finetuning.finetune(
        small(tokenizer), sequences, LABELS, learning_rate=1e-3, steps=6, batch_size=5, progress=False
    )
    assert history["step"].iloc[-1] == 6 and history["epoch"].iloc[-1] == 1.5


@pytest.mark.parametrize("top_layers", [0, 1, 2, None])
def test_what_is_frozen_stays_and_the_rest_moves(tokenizer, top_layers):
    model = small(tokenizer)
    learning = finetuning.freeze(model, top_layers)
    head = 16 * 16 + 16 + 16 * 2 + 2
    every = sum(p.numel() for p in model.parameters())
    assert learning == (every if top_layers is None else head + top_layers * (12 * 16**2 + 13 * 16))
    before = {name: p.clone() for name, p in model.named_parameters()}
    sequences = finetuning.encode(tokenizer, WORDS)
    finetuning.finetune(model, sequences, LABELS, learning_rate=1e-2, steps=3, batch_size=5, progress=False)
    for name, parameter in model.named_parameters():
        unused = "segments" in name or "positions" in name or "tokens" in name  # rows without a gradient
        moved = not torch.equal(parameter.cpu(), before[name])
        assert moved == parameter.requires_grad or (unused and not moved), name


def test_too_many_layers_to_free(tokenizer):
    with pytest.raises(CourseError, match="2 layers"):
        finetuning.freeze(small(tokenizer), 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 1}, "either epochs or steps"),
        ({"epochs": None}, "either epochs or steps"),
        ({"labels": [0, 2] * 10}, r"Label 1 is 2, but the model knows 0 \(bad\), 1 \(good\)"),
        ({"labels": [0, 1]}, "20 texts but 2 labels"),
        ({"labels": ["good", "bad"] * 10}, "text.label_ids"),
    ],
)
def test_bad_input_gets_a_sentence(tokenizer, change, message):
    arguments = {"labels": LABELS, "epochs": 1, "learning_rate": 1e-3, "progress": False} | change
    sequences = finetuning.encode(tokenizer, WORDS)
    with pytest.raises(CourseError, match=message):
        finetuning.finetune(small(tokenizer), sequences, **arguments)


def test_a_text_without_tokens_is_told_by_its_place(tokenizer):
    sequences = finetuning.encode(tokenizer, WORDS)
    arguments = {"epochs": 1, "learning_rate": 1e-3, "progress": False}
    with pytest.raises(CourseError, match="^Text 13 has no tokens"):
        finetuning.finetune(small(tokenizer), [*sequences[:13], [], *sequences[14:]], LABELS, **arguments)
    with pytest.raises(CourseError, match="^Validation text 1 has no tokens"):
        arguments["validation"] = ([sequences[0], [], sequences[1]], [0, 1, 1])
        finetuning.finetune(small(tokenizer), sequences, LABELS, **arguments)


def test_a_wholly_frozen_model_cannot_learn(tokenizer):
    model = small(tokenizer).requires_grad_(False)
    with pytest.raises(CourseError, match="nothing can learn"):
        finetuning.finetune(model, finetuning.encode(tokenizer, WORDS), LABELS, learning_rate=1e-3, epochs=1)


# --- prediction -------------------------------------------------------------------------------------------------------


@pytest.mark.proof("10", "verdict on a long text", "the mean of its windows", "a text of several windows")
def test_a_long_text_gets_the_mean_of_its_windows(tokenizer):
    model, long = small(tokenizer).eval(), "the soup was good and bad " * 7
    with torch.no_grad():
        logits = [model(torch.tensor([ids])) for ids in finetuning.windows_of(tokenizer, long)]
    expected = torch.cat(logits).double().mean(0).softmax(-1)
    said = finetuning.predict(model, tokenizer, [long, "the soup"])
    np.testing.assert_allclose(said[0], expected, atol=1e-6)
    np.testing.assert_allclose(said.sum(1), 1)


@pytest.mark.parametrize(("texts", "said"), [("one text", "A list of texts is wanted"), ([], "wants a list")])
def test_predict_wants_a_list(tokenizer, texts, said):
    with pytest.raises(CourseError, match=said):
        finetuning.predict(small(tokenizer), tokenizer, texts)


# --- pairs of texts ---------------------------------------------------------------------------------------------------


def test_each_sentence_has_a_statement_that_follows_and_one_that_does_not():
    notices = lm.load("notices")["test"]
    made = finetuning.statements(notices)
    assert made == finetuning.statements(notices) != finetuning.statements(notices, seed=1)
    for follows, not_so in zip(made[::2], made[1::2], strict=True):
        assert (follows["label"], not_so["label"]) == (1, 0)
        assert follows["text"] == not_so["text"] and follows["statement"] != not_so["statement"]
        assert follows["kind"] == "true" != not_so["kind"]
    assert len({row["kind"] for row in made}) == 4


def test_a_false_statement_is_false_in_the_way_that_it_says():
    for notice in lm.load("notices")["test"].select(range(60)):
        pairs = finetuning.statements([notice])
        facts = {row["statement"] for row in pairs if row["label"]}
        for row in pairs:
            assert row["text"] in notice["text"]
            assert row["label"] == (row["statement"] in facts)
            names = [n for n in names_of(notice) if n in row["statement"].replace("The ", "the ")]
            inside = all(name in row["text"] for name in longest(names))
            assert inside == (row["kind"] != "name from elsewhere"), row


def names_of(notice):
    return {notice["text"][entity["start"] : entity["end"]] for entity in notice["entities"]}


def longest(names):
    """The names that are no part of another one."""
    return [name for name in names if not any(name != other and name in other for other in names)]


def test_a_name_keeps_the_article_of_an_organisation():
    text = "The Lynd belongs to the Chandlers' Guild, the Hallin to Ada Pell."
    spans = [(4, 8, "SHIP"), (24, 40, "ORG"), (46, 52, "SHIP"), (56, 64, "PERSON")]
    notice = {
        "text": text,
        "entities": [{"start": a, "end": b, "type": kind} for a, b, kind in spans],
        "relations": [{"head": 1, "tail": 0, "type": "owns"}],
    }
    follows, not_so = finetuning.statements([notice])
    assert follows["statement"] == "The Lynd belongs to the Chandlers' Guild."
    assert not_so == {
        "text": text,
        "statement": "The Hallin belongs to the Chandlers' Guild.",
        "relation": "owns",
        "label": 0,
        "kind": "name from the sentence",
    }
