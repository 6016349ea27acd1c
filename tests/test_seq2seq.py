"""The recurrent translator of chapter 07: padding is not read, and step by step it says the same as at once."""

import functools

import pytest
import torch

from lmtutor import batches, decoding
from lmtutor.models import seq2seq
from lmtutor.runtime import CourseError

SOURCES = [[3, 4, 5, 6, 7], [8, 3], [5]]


def made(**changes):
    torch.manual_seed(0)
    return seq2seq.RecurrentTranslator(12, hidden_size=16, dropout=0.0, **changes).double().eval()


@pytest.mark.proof("07", "recurrent translator, step by step", "the logits at once", "random ids")
@pytest.mark.parametrize("num_layers", [1, 2])
def test_one_token_after_the_other_gives_the_logits_of_all_at_once(num_layers):
    model, source = made(num_layers=num_layers), batches.pad(SOURCES)
    target = torch.randint(12, (3, 6))
    reading = seq2seq.start(model, **source)
    by_step = torch.stack([seq2seq.step(model, target[:, i : i + 1], reading) for i in range(6)], dim=1)
    torch.testing.assert_close(by_step, model(**source, decoder_input_ids=target))


@pytest.mark.proof("07", "recurrent translator, padded among others", "the source alone", "random ids")
def test_padding_changes_nothing():
    model, target = made(), torch.randint(12, (1, 4))
    alone = model(**batches.pad(SOURCES[1:2]), decoder_input_ids=target)
    source = batches.pad(SOURCES)
    source["input_ids"][source["attention_mask"] == 0] = 9
    together = model(**source, decoder_input_ids=target.expand(3, -1))
    torch.testing.assert_close(together[1:2], alone)


def test_a_batch_may_be_padded_further_than_its_longest_source():
    model, source, target = made(), batches.pad(SOURCES), torch.randint(12, (3, 4))
    further = {name: torch.nn.functional.pad(part, (0, 3)) for name, part in source.items()}
    torch.testing.assert_close(model(**further, decoder_input_ids=target), model(**source, decoder_input_ids=target))


def test_a_later_token_of_the_target_changes_no_earlier_logit():
    model, source, target = made(), batches.pad(SOURCES[:1]), torch.randint(12, (1, 6))
    other = target.clone()
    other[0, 4] = (other[0, 4] + 1) % 12
    a, b = (model(**source, decoder_input_ids=ids) for ids in (target, other))
    assert torch.equal(a[:, :4], b[:, :4]) and not torch.equal(a[:, 4:], b[:, 4:])


def test_all_of_the_source_is_read():
    model, target = made(), torch.randint(12, (1, 3))
    before = model(**batches.pad([[3, 4, 5]]), decoder_input_ids=target)
    for place in range(3):
        other = [3, 4, 5]
        other[place] = 8
        assert not torch.allclose(model(**batches.pad([other]), decoder_input_ids=target), before)


@torch.no_grad()
def test_beam_search_keeps_each_text_with_its_own_source():
    model, source = made(), batches.pad(SOURCES)
    step, first = functools.partial(seq2seq.step, model), torch.ones(3, dtype=torch.long)
    options = {"beams": 3, "max_tokens": 5, "end": 2}
    together = decoding.beam_search(step, seq2seq.start(model, **source), first, **options)
    for i, ids in enumerate(SOURCES):
        alone = decoding.beam_search(step, seq2seq.start(model, **batches.pad([ids])), first[:1], **options)
        assert [found.tokens for found in alone[0]] == [found.tokens for found in together[i]]


def test_an_empty_source_is_told_in_one_sentence():
    source = batches.pad([[3, 4], [5]])
    source["attention_mask"][1] = 0
    with pytest.raises(CourseError, match="at least one token"):
        made()(**source, decoder_input_ids=torch.ones(2, 1, dtype=torch.long))
