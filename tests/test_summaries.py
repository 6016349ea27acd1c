"""ROUGE equal to rouge-score, PageRank equal to the eigenvector, TextRank and choosing."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from lmtutor import metrics, summaries
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
