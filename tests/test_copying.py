"""The Transformer that may copy: its mixture against an enumeration, its borders, padding, and step by step."""

import functools
import math

import pytest
import torch

from lmtutor import batches, decoding
from lmtutor.models import copying, transformer
from lmtutor.runtime import CourseError

SOURCES = [[3, 4, 5, 6, 4, 7], [8, 3], [5]]
SIZES = {"hidden_size": 16, "num_heads": 2, "num_layers": 2, "dropout": 0.0}


def made(kind=copying.CopyingTransformer):
    torch.manual_seed(0)
    return kind(12, **SIZES).double().eval()


def opened(model, gate):
    """The model with the same gate everywhere."""
    torch.nn.init.zeros_(model.gate.weight)
    torch.nn.init.constant_(model.gate.bias, gate)
    return model


@pytest.fixture
def target():
    return torch.randint(12, (3, 5), generator=torch.Generator().manual_seed(1))


def random_mixture(seed=0, batch=2, time=3, keys=6, vocab=5):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, time, vocab, generator=draw, dtype=torch.float64)
    weights = torch.randn(batch, time, keys, generator=draw, dtype=torch.float64).softmax(-1)
    ids = torch.randint(vocab, (batch, keys), generator=draw)
    return logits, weights, ids, torch.randn(batch, time, generator=draw, dtype=torch.float64)


@pytest.mark.proof("11", "copying or writing, as a mixture", "the sum over all ways to a token", "random scores")
@pytest.mark.parametrize("seed", range(5))
def test_the_mixture_is_the_sum_over_all_ways_to_say_a_token(seed):
    """A coin says whether to write or to copy; then a token is drawn, or a place of the source."""
    logits, weights, ids, gate = random_mixture(seed)
    found = copying.mixture(logits, weights, ids, gate).exp()
    for row in range(2):
        for time in range(3):
            heads = 1 / (1 + math.exp(-float(gate[row, time])))
            ways = [0.0] * 5
            for token in range(5):
                ways[token] += heads * float(logits[row, time].exp()[token] / logits[row, time].exp().sum())
            for place in range(6):
                ways[int(ids[row, place])] += (1 - heads) * float(weights[row, time, place])
            torch.testing.assert_close(found[row, time], torch.tensor(ways, dtype=torch.float64))


def test_a_mixture_counted_by_hand():
    """Source "Lynd sank Lynd"; the writer knows "the" and "sank" alone, and the gate is a fair coin."""
    the, sank, lynd = 0, 1, 2
    logits = torch.tensor([[[math.log(0.75), math.log(0.25), -torch.inf]]], dtype=torch.float64)
    weights = torch.tensor([[[0.5, 0.2, 0.3]]], dtype=torch.float64)
    said = copying.mixture(logits, weights, torch.tensor([[lynd, sank, lynd]]), torch.zeros(1, 1, dtype=torch.float64))
    # the: 1/2 · 0.75; sank: 1/2 · 0.25 + 1/2 · 0.2; Lynd: 1/2 · (0.5 + 0.3)
    assert said.exp()[0, 0].tolist() == pytest.approx([0.375, 0.225, 0.4])
    assert said[0, 0].argmax() == lynd and said.exp()[0, 0, the] > said.exp()[0, 0, sank]


def test_a_lent_id_can_be_copied_and_not_written():
    """The vocabulary has two words, and id 2 is lent to a third: it gets what is copied, and nothing else."""
    logits, weights = torch.zeros(1, 1, 2, dtype=torch.float64), torch.tensor([[[0.75, 0.25]]], dtype=torch.float64)
    said = copying.mixture(logits, weights, torch.tensor([[2, 1]]), torch.zeros(1, 1, dtype=torch.float64), extra=2)
    assert said.exp()[0, 0].tolist() == pytest.approx([0.25, 0.375, 0.375, 0.0])


def test_a_model_copies_lent_ids_alone():
    torch.manual_seed(0)
    model = copying.CopyingTransformer(8, extra=4, **SIZES).double().eval()
    source, target = batches.pad([[3, 8, 9], [8, 4]]), torch.tensor([[1, 8], [1, 8]])
    said = model(**source, decoder_input_ids=target).exp()
    assert said.shape == (2, 2, 12) and said[..., 10:].max() < 1e-25 and said[1, :, 9].max() < 1e-25
    assert said[0, :, 8:10].min() > 1e-4
    torch.testing.assert_close(said.sum(-1), torch.ones(2, 2, dtype=torch.float64))
    opened(model, -60.0)
    step, reading = functools.partial(copying.step, model), copying.start(model, **source)
    written = decoding.generate(step, reading, torch.ones(2, 1, dtype=torch.long), max_tokens=4)
    assert set(written[0].tolist()) <= {3, 8, 9} and set(written[1].tolist()) <= {4, 8}


def test_what_is_copied_from_several_places_adds_up():
    weights = torch.tensor([[[0.5, 0.2, 0.3], [0.0, 0.0, 1.0]]])
    found = copying.copied(weights, torch.tensor([[2, 1, 2]]), 4)
    torch.testing.assert_close(found, torch.tensor([[[0.0, 0.2, 0.8, 0.0], [0.0, 0.0, 1.0, 0.0]]]))


def test_all_probabilities_sum_to_one(target):
    said = made()(**batches.pad(SOURCES), decoder_input_ids=target)
    torch.testing.assert_close(said.exp().sum(-1), torch.ones(3, 5, dtype=torch.float64))
    torch.testing.assert_close(said.log_softmax(-1), said)  # so it serves where logits are asked for


@pytest.mark.proof("11", "copying Transformer, its gate open", "the Transformer of chapter 07", "padded, same weights")
def test_with_the_gate_at_one_it_is_the_plain_transformer(target):
    source = batches.pad(SOURCES)
    plain = made(transformer.Transformer)(**source, decoder_input_ids=target).log_softmax(-1)
    torch.testing.assert_close(opened(made(), 60.0)(**source, decoder_input_ids=target), plain)


def test_with_the_gate_at_zero_only_tokens_of_the_source_can_be_said(target):
    said = opened(made(), -200.0)(**batches.pad(SOURCES), decoder_input_ids=target).exp()
    for row, source in enumerate(SOURCES):
        others = [token for token in range(12) if token not in source]
        assert said[row][:, others].max() < 1e-25
        torch.testing.assert_close(said[row][:, sorted(set(source))].sum(-1), torch.ones(5, dtype=torch.float64))


@pytest.mark.proof("11", "copying Transformer, padded among others", "the source alone", "random ids")
def test_padding_changes_nothing(target):
    model, source = made(), batches.pad(SOURCES)
    source["input_ids"][source["attention_mask"] == 0] = 9
    together = model(**source, decoder_input_ids=target)
    for row, ids in enumerate(SOURCES):
        alone = model(**batches.pad([ids]), decoder_input_ids=target[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)


def test_a_later_token_of_the_summary_changes_no_earlier_place(target):
    model, source, other = made(), batches.pad(SOURCES), target.clone()
    other[:, 3] = (other[:, 3] + 1) % 12
    a, b = (model(**source, decoder_input_ids=ids) for ids in (target, other))
    assert torch.equal(a[:, :3], b[:, :3]) and not torch.equal(a[:, 3:], b[:, 3:])


@pytest.mark.proof("11", "copying Transformer, step by step", "the log-probabilities at once", "padded random ids")
def test_one_token_after_the_other_gives_what_all_at_once_give(target):
    model, source = made(), batches.pad(SOURCES)
    reading = copying.start(model, **source)
    by_step = torch.stack([copying.step(model, target[:, i : i + 1], reading) for i in range(5)], dim=1)
    torch.testing.assert_close(by_step, model(**source, decoder_input_ids=target))
    several = copying.step(model, target, copying.start(model, **source))
    torch.testing.assert_close(several, by_step[:, -1])


@torch.no_grad()
def test_beam_search_keeps_each_summary_with_its_own_source():
    model, source = opened(made(), -2.0), batches.pad(SOURCES)
    step, first = functools.partial(copying.step, model), torch.ones(3, dtype=torch.long)
    options = {"beams": 3, "max_tokens": 5, "end": 2}
    together = decoding.beam_search(step, copying.start(model, **source), first, **options)
    for i, ids in enumerate(SOURCES):
        alone = decoding.beam_search(step, copying.start(model, **batches.pad([ids])), first[:1], **options)
        assert [found.tokens for found in alone[0]] == [found.tokens for found in together[i]]


@pytest.mark.parametrize("gate", [-400.0, 400.0])
def test_loss_and_gradients_are_finite_even_where_a_token_is_impossible(gate):
    """The gate shut, a token that the source lacks; and open, a token that the writer rules out."""
    logits = torch.tensor([[[0.0, 0.0, -400.0]]], requires_grad=True)
    weights, opening = torch.ones(1, 1, 1, requires_grad=True), torch.tensor([[gate]], requires_grad=True)
    loss = -copying.mixture(logits, weights, torch.tensor([[0]]), opening)[0, 0, 2]
    loss.backward()
    assert all(part.isfinite().all() for part in (loss, logits.grad, weights.grad, opening.grad))


def test_all_else_begins_as_in_a_transformer_of_the_same_seed():
    plain, copier = made(transformer.Transformer).state_dict(), made().state_dict()
    assert set(copier) - set(plain) == {"gate.weight", "gate.bias"}
    assert all(torch.equal(copier[name], plain[name]) for name in plain)


def test_half_precision_is_computed_in_single():
    logits, weights, ids, gate = random_mixture()
    exact = copying.mixture(logits, weights, ids, gate)
    coarse = copying.mixture(*(part.bfloat16() for part in (logits, weights)), ids, gate.bfloat16())
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse.double(), exact, rtol=0.05, atol=0.05)


def first_token_of_new_texts(kind) -> float:
    """The share right after learning to say a text's first token, on tokens that no training text has."""
    draw, model = torch.Generator().manual_seed(0), None
    torch.manual_seed(0)
    model = kind(50, hidden_size=32, num_heads=2, num_layers=1, dropout=0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        ids = torch.randint(3, 40, (32, 6), generator=draw)
        batch = batches.source_and_target([(row, row[:1]) for row in ids.tolist()], 1, 2)
        labels = batch.pop("labels").flatten()
        loss = torch.nn.functional.cross_entropy(model(**batch).flatten(0, 1), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    new = torch.randint(40, 50, (50, 6), generator=draw)
    with torch.no_grad():
        said = model.eval()(new, torch.ones_like(new), torch.ones(50, 1, dtype=torch.long))[:, 0].argmax(-1)
    return float((said == new[:, 0]).float().mean())


def test_it_learns_to_copy_what_it_never_saw():
    assert first_token_of_new_texts(copying.CopyingTransformer) > 0.6
    assert first_token_of_new_texts(transformer.Transformer) < 0.2


def test_a_model_is_kept_and_loaded_in_half_precision(tmp_path, target):
    model, source = made().float(), batches.pad(SOURCES)
    copying.save(model, tmp_path)
    again = copying.load(tmp_path)
    assert not again.training and all(part.dtype == torch.float32 for part in again.state_dict().values())
    said = (one(**source, decoder_input_ids=target) for one in (model, again))
    torch.testing.assert_close(*said, rtol=1e-2, atol=1e-2)


def test_a_folder_without_such_a_model_is_told(tmp_path):
    with pytest.raises(CourseError, match="holds no model that copies"):
        copying.load(tmp_path)
