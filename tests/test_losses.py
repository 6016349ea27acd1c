"""Each loss of the package is a mean, and comes with the number that it is the mean of: a batch may be cut anywhere."""

import pytest
import torch

from lmtutor import batches, training
from lmtutor.models import bert, classifier, gpt, recurrent, tagger
from lmtutor.tasks import answering, extraction, pretraining

SIZES = {"hidden_size": 16, "num_heads": 2, "num_layers": 1, "inner_size": 24, "max_length": 12, "dropout": 0.0}
TEXTS = [[1, 5, 6, 7, 8, 2], [1, 9, 2], [1, 10, 11, 12, 2], [1, 3, 2], [1, 4, 4, 2]]
IGNORED = batches.IGNORED


def tensors(chosen):
    """Examples of one length, as dicts of tensors."""
    return {name: torch.stack([one[name] for one in chosen]) for name in chosen[0]}


def pretraining_case():
    """One, no, three, two tokens of a text are hidden."""
    padded = batches.pad(TEXTS)
    labels = torch.full_like(padded["input_ids"], IGNORED)
    labels[0, 2], labels[2, 1:4], labels[3, :2], labels[4, 1] = 7, torch.tensor([3, 4, 5]), 9, 1
    whole = {
        **padded,
        "token_type_ids": torch.zeros_like(labels),
        "labels": labels,
        "next_sentence": torch.tensor([0, 1, 0, 1, 1]),
    }
    examples = [{name: part[i] for name, part in whole.items()} for i in range(5)]
    return bert.PretrainingBert(bert.Bert(40, **SIZES)), examples, pretraining.pretraining_loss, tensors


def by_numbers(collate):
    """`collate` of one list of numbers, for examples that are numbers."""
    return list(range(5)), lambda chosen: collate([chosen])


def classifier_case():
    examples, collate = by_numbers(classifier.collator(TEXTS, [0, 1, 1, 0, 1]))
    return classifier.LSTMClassifier(40), examples, classifier.loss, collate


def tagger_case():
    """Texts with four, no, one, ... labels."""
    labels = [
        [IGNORED, 0, 1, 1, 0, IGNORED],
        [IGNORED] * 3,
        [IGNORED, 1, IGNORED, IGNORED, IGNORED],
        [0] * 3,
        [IGNORED, 1, 0, 0],
    ]
    examples, collate = by_numbers(tagger.collator(TEXTS, labels))
    return tagger.BertTagger(bert.Bert(40, **SIZES), "ab", dropout=0.0), examples, tagger.loss, collate


def pair_case():
    """Texts with two pairs, one, none, ..."""
    places = [[(1, 2, 3, 4), (2, 4, 1, 2)], [(1, 2, 0, 1)], [], [], [(0, 1, 1, 3)]]
    examples, collate = by_numbers(extraction.pair_collator(TEXTS, places, [[0, 1], [1], [], [], [1]]))
    return tagger.RelationClassifier(bert.Bert(40, **SIZES), "ab", dropout=0.0), examples, extraction.pair_loss, collate


def pointer_case():
    windows = [answering.Window(ids, [0] * len(ids), [None] * len(ids)) for ids in TEXTS]
    examples, collate = by_numbers(extraction.pointer_collator(windows, [(1, 2), (0, 0), (2, 3), (1, 1), (1, 2)]))
    return (
        tagger.BertTagger(bert.Bert(40, **SIZES), ("start", "end"), dropout=0.0),
        examples,
        extraction.pointer_loss,
        collate,
    )


def gpt_case():
    windows = torch.randint(30, (5, 8), generator=torch.Generator().manual_seed(0))
    return gpt.GPT(30, **SIZES), list(windows), gpt.next_token_loss, torch.stack


def carried_case():
    """Each row of a block is a stream of its own."""
    (block,) = batches.streams([i * i % 29 for i in range(41)], 5, 8)
    rows = [{"input_ids": block["input_ids"][i], "labels": block["labels"][i]} for i in range(5)]

    def collate(chosen):
        return {**tensors(chosen), "first": torch.tensor(True)}

    return (
        recurrent.RecurrentLanguageModel(30, embedding_size=6, hidden_size=6),
        rows,
        recurrent.carried_loss(),
        collate,
    )


CASES = [pretraining_case, classifier_case, tagger_case, pair_case, pointer_case, gpt_case, carried_case]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_batch_cut_in_pieces_moves_the_weights_as_the_whole(case, size):
    """A step of gradient descent, the history, and the loss of validation."""
    found = []
    for batch_size in (5, size):
        torch.manual_seed(0)
        model, examples, loss, collate = case()
        history = training.fit(
            model, examples, loss=loss, collate=collate, steps=2, batch_size=batch_size, accumulate=-(-5 // batch_size),
            optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5), clip_norm=None, shuffle=False, seed=0,
            validation=examples, log_every=1, progress=False,
        )  # fmt: skip
        assert history.attrs["stopped"] == "finished"
        found.append((model.state_dict(), history[["train_loss", "validation_loss", "tokens"]].to_numpy()))
    (whole, expected), (cut, measured) = found
    torch.testing.assert_close(cut, whole, rtol=0, atol=2e-6)
    torch.testing.assert_close(torch.tensor(measured), torch.tensor(expected), rtol=0, atol=1e-5)
