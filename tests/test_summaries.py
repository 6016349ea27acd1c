"""ROUGE equal to rouge-score, PageRank equal to the eigenvector, TextRank and choosing."""

import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

import lmtutor as lm
from lmtutor import metrics, summaries, text
from lmtutor.models import copying, transformer
from lmtutor.runtime import CourseError

WORDS = ["the", "Swift", "ship's", "sank", "off", "Lynd,", "7", "of", "12.5", "née", "-"]


@pytest.mark.proof("11", "ROUGE-1, -2, -L", "rouge_score", "random texts")
@pytest.mark.parametrize("seed", range(40))
def test_rouge_is_that_of_rouge_score(seed):
    rng = random.Random(seed)
    reference, said = (" ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 12))) for _ in range(2))
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    theirs, ours = scorer.score(reference, said), metrics.rouge(reference, said)
    for name, own in (("rouge1", "ROUGE-1"), ("rouge2", "ROUGE-2"), ("rougeL", "ROUGE-L")):
        assert ours[own] == pytest.approx(tuple(theirs[name]))


@pytest.mark.proof("11", "longest common subsequence", "trying all", "any two texts", exact=True)
@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_the_longest_common_subsequence_is_the_longest_of_all(first, second):
    def subsequences(word):
        return {tuple(kept) for n in range(len(word) + 1) for kept in itertools.combinations(word, n)}

    longest = max(map(len, subsequences(first) & subsequences(second)))
    assert metrics.longest_common_subsequence(first, second) == longest


@pytest.mark.proof("11", "PageRank", "numpy.linalg.eig", "random weights")
@pytest.mark.parametrize("seed", range(20))
def test_page_rank_is_the_eigenvector_of_the_reader_s_matrix(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    weights = rng.random((size, size)) * (rng.random((size, size)) < 0.5)
    sums = weights.sum(axis=1, keepdims=True)
    follow = np.where(sums > 0, weights / np.where(sums > 0, sums, 1), 1 / size)
    values, vectors = np.linalg.eig((0.85 * follow + 0.15 / size).T)
    first = vectors[:, np.argmax(values.real)].real
    ranks = summaries.page_rank(weights)
    assert ranks == pytest.approx(first / first.sum(), abs=1e-8) and ranks.sum() == pytest.approx(1)


@pytest.mark.proof("11", "PageRank", "networkx.pagerank", "random weights")
def test_page_rank_is_that_of_networkx():
    networkx = pytest.importorskip("networkx", reason="networkx is not installed")
    weights = np.random.default_rng(0).random((7, 7))
    theirs = networkx.pagerank(networkx.from_numpy_array(weights, create_using=networkx.DiGraph), tol=1e-12)
    assert summaries.page_rank(weights) == pytest.approx([theirs[i] for i in range(7)], abs=1e-8)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 1e-30])
@pytest.mark.parametrize("damping", [0.0, 0.5, 0.85, 0.999])
def test_page_rank_ends_when_only_rounding_errors_are_left(damping, tolerance):
    generator = np.random.default_rng(0)
    for weights in ([[0.0, 1.0], [1.0, 0.0]], np.zeros((3, 3)), generator.random((30, 30)), np.eye(7)):
        ranks = summaries.page_rank(weights, damping, tolerance)
        assert np.allclose(ranks, summaries.page_rank(weights, damping, 1e-14), rtol=0, atol=1e-11)
        assert ranks.sum() == pytest.approx(1)


@pytest.mark.parametrize("damping", [1.0, 1.5, -0.1, np.nan])
def test_a_damping_with_which_it_need_not_end_is_told(damping):
    with pytest.raises(CourseError, match="damping from 0 to below 1"):
        summaries.page_rank([[0, 1, 0], [1, 0, 1], [0, 1, 0]], damping)  # at 1 the reader goes to and fro for ever


@pytest.mark.parametrize("weights", [[[0, np.nan], [1, 0]], [[0, np.inf], [1, 0]], [[1e308, 1e308], [1, 0]]])
def test_weights_that_are_no_numbers_are_told(weights):
    with np.errstate(over="ignore"), pytest.raises(CourseError, match="PageRank needs"):
        summaries.page_rank(weights)


@pytest.mark.parametrize("weights", [np.zeros((2, 3)), np.zeros((0, 0)), [[0, -1], [1, 0]]])
def test_weights_that_make_no_page_rank_are_told(weights):
    with pytest.raises(CourseError, match="square matrix of weights"):
        summaries.page_rank(weights)


@given(
    st.lists(st.sampled_from(["The ship sank.", "A ship sailed.", "Fish was dear.", "Yes."]), min_size=1, max_size=6)
)
@settings(deadline=None)
def test_similarity_is_symmetric_without_a_diagonal_and_ranks_are_probabilities(sentences):
    weights = summaries.similarity(sentences)
    assert (weights == weights.T).all() and (np.diag(weights) == 0).all() and (weights >= 0).all()
    assert summaries.text_rank(sentences).sum() == pytest.approx(1)


def test_chosen_sentences_keep_the_order_of_the_text_and_ties_go_to_the_earlier():
    assert summaries.extract(["A.", "B.", "C."], [1, 3, 2], 2) == "B. C."
    assert summaries.extract(["A.", "B."], [1, 1], 1) == "A."
    assert summaries.extract(["A."], [1], 5) == "A."
    for count in (-1, 0, 1.5):
        with pytest.raises(CourseError, match="count must be a whole number of at least 1"):
            summaries.extract(["A.", "B."], [1, 2], count)
    with pytest.raises(CourseError, match="one score for each sentence"):
        summaries.extract(["A.", "B."], [1], 1)


# --- written summaries ------------------------------------------------------------------------------------------------


def names(summary):
    return [summary[a:b] for a, b in summaries.names_in(summary)]


@pytest.mark.parametrize(
    "summary, expected",
    [
        ("", []),
        ("She belongs to nobody.", []),
        ("The Lynd has come from Saint Orrin.", ["Lynd", "Saint Orrin"]),
        ("Dinah Rook now commands her.", ["Dinah Rook"]),
        ("The Star of Lynd sank off Hag's Tooth.", ["Star", "Lynd", "Hag's Tooth"]),
        ("It was decided by the Pilots' Guild. Her port is Ély.", ["Pilots' Guild", "Ély"]),
        ("On Tuesday the Theodora leaves.", ["Tuesday", "Theodora"]),
        ("The the The", []),
    ],
)
def test_names_are_words_with_a_capital_that_open_no_sentence(summary, expected):
    assert names(summary) == expected


def test_a_name_is_invented_if_the_text_does_not_have_it_in_one_piece():
    source = "Captain Dinah Rook takes the Lynd over. Ida Lyndwick pays."
    said = "Dinah Rook has the Lynd. Ida Rook pays for the Lyn and the Kelso."
    wrong = [said[a:b] for a, b in summaries.invented(source, said)]
    assert wrong == ["Ida Rook", "Lyn", "Kelso"]
    assert not summaries.invented(source, "Ida Lyndwick pays.") and not summaries.invented(source, "")


def test_what_a_name_with_signs_in_it_means_to_a_pattern_does_no_harm():
    assert summaries.stands_in("Hag's", "off Hag's Tooth") and not summaries.stands_in("Hag", "Hags")


def test_scores_of_names_counted_by_hand():
    sources = ["Dinah Rook takes the Lynd to Skene.", "The Kelso sank. Ida Tuck pays."]
    references = ["Dinah Rook commands the Lynd.", "The Kelso was lost."]
    found = summaries.name_scores(
        sources, references, ["Dinah Rook goes to Skene.", "The Kelsoby was lost with Ida Tuck."]
    )
    # four names: Dinah Rook (both), Skene (the notice), Kelsoby (neither), Ida Tuck (the notice)
    assert list(found.values()) == [75, 25, 50, 0]
    assert list(summaries.name_scores(sources, references, references).values()) == [100, 100, 0, 100]
    assert list(summaries.name_scores(sources, references, ["", ""]).values()) == [0, 0, 0, 0]


@pytest.fixture(scope="module")
def notices():
    return lm.load("notices")


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_no_true_summary_has_an_invented_name(notices, split):
    rows = notices[split]
    found = summaries.name_scores(rows["text"], rows["summary"], rows["summary"])
    assert list(found.values()) == [100, 100, 0, 100]


def test_a_notice_and_its_summary_get_the_same_other_names(notices):
    rng, pool = random.Random(0), summaries.made_up(["Lyndon", "Hallin", "Tamsin", "Osterby", "Ambleton"], 60)
    for row in notices["train"].select(range(60)):
        changed, summary = summaries.other_names(row, pool, rng)
        assert not summaries.invented(changed, summary)
        assert len(summary.split()) == len(row["summary"].split())
        ships = [row["text"][e["start"] : e["end"]] for e in row["entities"] if e["type"] == "SHIP"]
        assert not any(summaries.stands_in(ship, changed) for ship in ships)


def test_made_up_names_are_new_short_and_repeatable():
    known = ["Lyndon", "Hallin", "Tamsin", "Osterby", "Ambleton"]
    found = summaries.made_up(known, 40)
    assert found == summaries.made_up(known[::-1], 40) != summaries.made_up(known, 40, seed=1)
    assert len(set(found)) == 40 and not set(found) & set(known)
    assert all(4 <= len(word) <= 9 and word[0].isupper() and word[1:].islower() for word in found)


@pytest.mark.parametrize("names", [[], ["Lyndon"], ["Lynd", "Carn"]])
def test_too_few_names_to_make_up_others_is_told(names):
    with pytest.raises(CourseError, match="ask for fewer"):
        summaries.made_up(names, 50)


@pytest.fixture(scope="module")
def vocabulary():
    return text.Vocabulary([text.words("The Lynd sank off Skene on 2 May.")])


def test_ids_are_lent_in_the_order_of_the_text(vocabulary):
    words = text.words("The Kelso sank off Skene. The Kelso was Ida's.")
    lent = summaries.lend(words, vocabulary, 5)
    assert lent == ["Kelso", "was", "Ida's", "", ""]
    ids, size = summaries.encode(words, vocabulary, lent), len(vocabulary)
    assert [i - size for i in ids if i >= size] == [0, 0, 1, 2]
    assert [[*vocabulary.words, *lent][i] for i in ids] == words


def test_what_finds_no_id_is_unknown(vocabulary):
    assert summaries.lend(["Kelso", "Ida"], vocabulary, 1) == ["Kelso"]
    assert summaries.lend(["Kelso"], vocabulary, 0) == []
    assert summaries.encode(["Kelso", "Ida", "sank"], vocabulary, ["Kelso"]) == [len(vocabulary), 0, 5]


def test_in_training_each_id_is_lent_as_often_as_any_other(vocabulary):
    rng, counts = random.Random(0), [0] * 4
    for _ in range(2000):
        lent = summaries.lend(["Kelso", "sank", "Ida"], vocabulary, 4, rng)
        assert sorted(filter(None, lent)) == ["Ida", "Kelso"] and len(lent) == 4
        counts[lent.index("Kelso")] += 1
    assert all(420 < count < 580 for count in counts)


def test_a_text_and_its_summary_have_the_same_lent_ids(vocabulary):
    source, target = summaries.encode_pair(("The Kelso sank off Ida.", "Ida sank the Kelso."), vocabulary, 3)
    size = len(vocabulary)
    assert source == [3, size, 5, 6, size + 1, vocabulary.ids["."]]
    assert target == [size + 1, 5, 0, size, vocabulary.ids["."]]  # "the" is not in the text, so nothing is lent to it


@pytest.mark.parametrize("kind", [transformer.Transformer, copying.CopyingTransformer])
def test_a_summary_is_that_of_its_text_whatever_it_is_batched_with(kind, vocabulary):
    torch.manual_seed(0)
    extra = {"extra": 6} if kind is copying.CopyingTransformer else {}
    model = kind(len(vocabulary), hidden_size=16, num_heads=2, num_layers=1, **extra).double()
    texts = ["The Lynd sank off Skene.", "Skene.", "The Kelso came in late and left early."]
    said = summaries.write(model, vocabulary, texts, max_tokens=6)
    assert said == [summaries.write(model, vocabulary, [one], max_tokens=6)[0] for one in texts]
    assert model.training and all(isinstance(one, str) and "<unk>" not in one for one in said)


def test_what_the_vocabulary_lacks_is_copied_as_it_stands(vocabulary):
    torch.manual_seed(0)
    model = copying.CopyingTransformer(len(vocabulary), extra=4, hidden_size=16, num_heads=2, num_layers=1)
    torch.nn.init.zeros_(model.gate.weight)
    torch.nn.init.constant_(model.gate.bias, -60.0)
    (said,) = summaries.write(model, vocabulary, ["Zora Zolly"], max_tokens=3)
    assert set(said.split()) <= {"Zora", "Zolly"}


def test_an_empty_text_cannot_be_summarised(vocabulary):
    model = copying.CopyingTransformer(len(vocabulary), hidden_size=16, num_heads=2, num_layers=1)
    with pytest.raises(CourseError, match="Text 1 has no tokens"):
        summaries.write(model, vocabulary, ["The Lynd.", ""])
    assert summaries.write(model, vocabulary, []) == []
