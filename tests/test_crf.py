"""The conditional random field: equal to trying all sequences, in values and in slopes; what it cannot learn from."""

import itertools

import numpy as np
import pytest
import torch
from seqeval.metrics import f1_score
from seqeval.scheme import IOBES

from lmtutor import tagging, training
from lmtutor.data.batches import IGNORED, pad
from lmtutor.models import crf, tagger
from lmtutor.runtime import CourseError

BIO = ["O", "B-X", "I-X", "B-Y", "I-Y"]
BIOES = ["O", *(f"{prefix}-{kind}" for kind in "XY" for prefix in "BIES")]


def random_crf(labels, rules=None, seed=0):
    torch.manual_seed(seed)
    model = crf.CRF(labels, rules).double()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.05)
    return model


def totals(model, scores):
    """The score of each sequence of labels of one text, added up as one would on paper."""
    first, moves, last = (weights.detach().numpy() for weights in model.weights())
    found = {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        total = first[path[0]] + last[path[-1]] + sum(scores[i, label] for i, label in enumerate(path))
        found[path] = total + sum(moves[pair] for pair in itertools.pairwise(path))
    return found


@pytest.mark.proof("11", "CRF: the forward algorithm", "adding up all sequences", "random weights, padded texts")
@pytest.mark.parametrize("ruled", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_forward_algorithm_adds_up_all_sequences(seed, ruled):
    model = random_crf(len(BIO), tagging.rules(BIO) if ruled else None, seed)
    lengths = [1, 3, 4, 2]
    scores = torch.randn(4, 4, len(BIO), dtype=torch.float64)
    mask = torch.tensor([[int(place < length) for place in range(4)] for length in lengths])
    alone = [totals(model, scores[i, :length].numpy()) for i, length in enumerate(lengths)]
    every = [np.logaddexp.reduce(list(one.values())) for one in alone]
    torch.testing.assert_close(model.log_total(scores, mask), torch.tensor(np.array(every)), atol=1e-9, rtol=0)
    labels = torch.tensor([max(one, key=one.get) + (IGNORED,) * (4 - len(next(iter(one)))) for one in alone])
    best = torch.tensor(np.array([max(one.values()) for one in alone]))
    torch.testing.assert_close(model.score(scores, labels, mask), best, atol=1e-9, rtol=0)
    for i, length in enumerate(lengths):
        assert model.decode(scores[i, :length].numpy()) == labels[i, :length].tolist()


@pytest.mark.proof("11", "CRF: the slope of ln Z", "shares of the sequences with that label", "random weights")
def test_the_gradient_of_the_total_is_the_probability_of_each_label():
    model = random_crf(len(BIO), seed=5)
    scores = torch.randn(1, 4, len(BIO), dtype=torch.float64, requires_grad=True)
    model.log_total(scores, torch.ones(1, 4, dtype=torch.long)).sum().backward()
    every = totals(model, scores.detach()[0].numpy())
    log_z = np.logaddexp.reduce(list(every.values()))
    wanted = np.zeros((4, len(BIO)))
    for path, total in every.items():
        wanted[range(4), path] += np.exp(total - log_z)
    torch.testing.assert_close(scores.grad[0], torch.tensor(wanted), atol=1e-9, rtol=0)


@pytest.mark.parametrize("tags", [BIO, BIOES])
@pytest.mark.parametrize("seed", range(8))
def test_the_best_legal_sequence_obeys_the_rules_of_its_scheme(seed, tags):
    scores = np.random.default_rng(seed).normal(size=(seed % 4 + 1, len(tags)))
    found = tagging.best_legal(scores, tags)
    bio = tagging.to_bio(found)
    spans = tagging.spans_of(bio, strict=True)
    whole = tagging.tags_of(spans, len(bio))
    assert whole == bio and (tags is BIO or tagging.to_bioes(bio) == found)
    worth = sum(scores[i, tags.index(tag)] for i, tag in enumerate(found))
    for path in itertools.product(tags, repeat=min(len(scores), 3)):  # no legal one is better
        plain = tagging.to_bio(path)
        legal = tagging.tags_of(tagging.spans_of(plain, strict=True), len(plain)) == plain
        if len(scores) <= 3 and legal and (tags is BIO or tagging.to_bioes(plain) == list(path)):
            assert sum(scores[i, tags.index(tag)] for i, tag in enumerate(path)) <= worth + 1e-12


@pytest.mark.filterwarnings("ignore")
def test_names_in_bioes_are_those_of_seqeval():
    rng = np.random.default_rng(0)
    for _ in range(50):
        sides = [[tagging.best_legal(rng.normal(size=(n, len(BIOES))), BIOES) for n in (3, 7, 5)] for _ in range(2)]
        ours = tagging.entity_scores(*([tagging.to_bio(one) for one in side] for side in sides))["all"][2]
        assert ours == pytest.approx(f1_score(*sides, mode="strict", scheme=IOBES, zero_division=0))


def small():
    torch.manual_seed(0)
    return crf.CRFTagger(tagger.LSTMTagger(30, BIO, embedding_size=16, hidden_size=16, dropout=0.0), tagging.rules(BIO))


def test_pieces_without_a_label_are_no_places_of_the_chain():
    """The chain of a text with further pieces and padding is that of its words alone."""
    model = small()
    ids = pad([[5, 6, 7, 8, 9], [3, 4]])
    labels = torch.tensor([[IGNORED, 1, IGNORED, 2, 0], [0, 3, IGNORED, IGNORED, IGNORED]])
    both = model(**ids, labels=labels)
    logits = model(**ids)
    first = model.crf(logits[:1, [1, 3, 4]], torch.tensor([[1, 2, 0]]), torch.ones(1, 3, dtype=torch.long))
    second = model.crf(logits[1:, :2], torch.tensor([[0, 3]]), torch.ones(1, 2, dtype=torch.long))
    assert torch.allclose(both, torch.cat([first, second]), atol=1e-5) and (both < 0).all()


def test_it_learns_what_goes_together():
    """Every word looks alike, so only the order of the labels can be learned: B-X I-X O, again and again."""
    model, ids = small(), [[2] * 9] * 8
    labels = [[1, 2, 0] * 3] * 8
    history = training.fit_by_length(
        model, [9] * 8, tagger.collator(ids, labels), crf.loss, epochs=60, batch_size=4, learning_rate=0.01,
        progress=False,
    )  # fmt: skip
    assert history["train_loss"].iloc[-1] < 0.1
    model.eval()
    assert [BIO[i] for i in model.crf.decode(tagger.logits(model, ids[:1])[0])] == ["B-X", "I-X", "O"] * 3


def test_a_text_without_a_label_is_told():
    model = small()
    with pytest.raises(CourseError, match="no word with a label"):
        model(**pad([[5, 6]]), labels=torch.tensor([[IGNORED, IGNORED]]))


def test_nothing_has_no_labels():
    assert random_crf(3).decode(np.zeros((0, 3))) == []
