"""Detecting and weighing away a shift, against densities and shares that are known."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lmtutor.runtime import CourseError
from lmtutor.trust import shift


@pytest.mark.proof("14", "importance weights", "the quotient of the densities", "counts of kinds")
@pytest.mark.parametrize("seed", range(3))
def test_weights_of_kinds_are_the_quotient_of_their_shares(seed):
    """A domain classifier that can say anything about each kind says just the counts."""
    generator = np.random.default_rng(seed)
    old, new = generator.choice(4, 900, p=[0.4, 0.3, 0.2, 0.1]), generator.choice(4, 600, p=[0.1, 0.2, 0.3, 0.4])
    both, domain = np.eye(4)[np.concatenate([old, new])], np.repeat([0, 1], [900, 600])
    model = LogisticRegression(C=1e9, tol=1e-12, max_iter=10_000).fit(both, domain)
    weights = shift.importance_weights(model.predict_proba(np.eye(4))[:, 1], 900, 600)
    shares = (np.bincount(new, minlength=4) / 600) / (np.bincount(old, minlength=4) / 900)
    np.testing.assert_allclose(weights, shares, rtol=0, atol=1e-4)


@pytest.mark.proof("14", "importance weights", "the quotient of the densities", "two normal distributions")
def test_weights_of_the_true_probability_are_the_quotient_of_the_densities():
    x, old, new = np.linspace(-3, 4, 30), 300, 700
    p_old, p_new = np.exp(-(x**2) / 2), np.exp(-((x - 1) ** 2) / 2)
    p = new * p_new / (new * p_new + old * p_old)
    np.testing.assert_allclose(shift.importance_weights(p, old, new), p_new / p_old, rtol=1e-10)


def test_weights_have_mean_one_if_the_classifier_is_right():
    generator = np.random.default_rng(0)
    old, new = generator.normal(size=(20_000, 1)), generator.normal(0.7, 1, size=(20_000, 1))
    p, _ = shift.domain_probabilities(old, new)
    weights = shift.importance_weights(p, len(old), len(new))
    assert weights.mean() == pytest.approx(1, abs=0.05)
    assert np.average(old[:, 0], weights=weights) == pytest.approx(new.mean(), abs=0.05)


def test_where_nothing_differs_the_auc_is_one_of_the_shuffled():
    generator = np.random.default_rng(0)
    auc, shuffled = shift.domain_auc(generator.normal(size=(80, 3)), generator.normal(size=(60, 3)), permutations=15)
    assert shuffled.shape == (15,)
    assert shuffled.min() - 0.1 < auc < shuffled.max() + 0.1


def test_where_something_differs_the_auc_is_above_them_all():
    generator = np.random.default_rng(0)
    old, new = generator.normal(size=(80, 3)), generator.normal(0.8, 1, size=(60, 3))
    auc, shuffled = shift.domain_auc(old, new, permutations=15)
    assert auc > shuffled.max() + 0.1
    assert shift.domain_auc(csr_matrix(old), csr_matrix(new))[0] == pytest.approx(auc)


def test_texts_are_told_apart_too():
    old, new = ["a good film"] * 8 + ["a bad film"] * 8, ["a good soup"] * 8 + ["a bad soup"] * 8
    auc, _ = shift.domain_auc(old, new, make_pipeline(CountVectorizer(), LogisticRegression()))
    assert auc == 1


def test_every_example_is_judged_by_a_classifier_that_did_not_see_it():
    """Each has a mark of its own, so whoever saw it knows it; out of fold nothing is left."""
    p_old, p_new = shift.domain_probabilities(np.eye(40)[:20], np.eye(40)[20:], LogisticRegression(C=1e6))
    assert abs(p_old.mean() - p_new.mean()) < 0.2
    assert p_old.shape == p_new.shape == (20,)


@pytest.mark.parametrize(("old", "new"), [(np.zeros((3, 2)), np.zeros((9, 2))), (np.zeros((9, 2)), np.zeros((0, 2)))])
def test_too_few_examples_are_told(old, new):
    with pytest.raises(CourseError, match="5 old and 5 new examples at least"):
        shift.domain_auc(old, new)


@pytest.mark.parametrize(("p", "sizes"), [([0.2, 1.0], (5, 5)), ([], (5, 5)), ([-0.1], (5, 5)), ([0.5], (0, 5))])
def test_no_weight_without_a_probability(p, sizes):
    with pytest.raises(CourseError, match="below 1"):
        shift.importance_weights(p, *sizes)


def test_the_effective_size_of_equal_weights_is_their_number():
    assert shift.effective_size([2.0] * 7) == pytest.approx(7)
    assert shift.effective_size([1, 0, 0]) == 1
    assert shift.effective_size([3, 1]) == pytest.approx(1.6)


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_no_effective_size_without_weights(weights):
    with pytest.raises(CourseError, match="weights from 0 up"):
        shift.effective_size(weights)


def normal_classes(shares, size, generator):
    y = generator.choice(len(shares), size, p=shares)
    return generator.normal(size=(size, 1)) + 1.5 * y[:, None], y


@pytest.mark.proof("14", "shares from a confusion matrix", "the true shares", "answers as often as they are likely")
@pytest.mark.parametrize("seed", range(3))
def test_shares_are_those_that_explain_the_answers(seed):
    generator = np.random.default_rng(seed)
    confusion = generator.dirichlet(np.ones(3) + 4 * np.eye(3)[seed], size=3).T + 0.5 * np.eye(3)
    confusion /= confusion.sum(axis=0)
    shares = generator.dirichlet(np.ones(3))
    np.testing.assert_allclose(shift.shares_by_confusion(confusion, confusion @ shares), shares, atol=1e-10)


def test_both_ways_find_the_shares_of_new_data():
    generator = np.random.default_rng(0)
    x, y = normal_classes([0.5, 0.5], 8000, generator)
    x_new, y_new = normal_classes([0.9, 0.1], 8000, generator)
    model = LogisticRegression().fit(x, y)
    confusion = np.array([[(model.predict(x)[y == truth] == said).mean() for truth in (0, 1)] for said in (0, 1)])
    said = np.bincount(model.predict(x_new), minlength=2) / len(x_new)
    by_em = shift.shares_by_em(model.predict_proba(x_new), [0.5, 0.5])
    for found in (shift.shares_by_confusion(confusion, said), by_em):
        assert found.sum() == pytest.approx(1)
        assert found[1] == pytest.approx(0.1, abs=0.04)
    before = (model.predict(x_new) == y_new).mean()
    corrected = shift.prior_corrected(model.predict_proba(x_new), [0.5, 0.5], by_em)
    assert (corrected.argmax(axis=1) == y_new).mean() > before + 0.05


def test_a_classifier_that_always_says_the_same_tells_no_shares():
    with pytest.raises(CourseError, match="says the same whatever"):
        shift.shares_by_confusion(np.array([[0.7, 0.7], [0.3, 0.3]]), [0.7, 0.3])


@pytest.mark.parametrize("confusion", [np.eye(3), np.array([[0.9, 0.1], [0.2, 0.8]])])
def test_rows_and_columns_are_not_exchanged_in_silence(confusion):
    with pytest.raises(CourseError, match="column with the sum 1"):
        shift.shares_by_confusion(confusion, [0.7, 0.3])


def test_shares_need_probabilities():
    with pytest.raises(CourseError, match="an old share above 0"):
        shift.shares_by_em(np.ones((4, 2)) / 2, [1.0, 0.0])
