"""SMOTE against imbalanced-learn's, and thresholds against trying them all."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.metrics import f1_score

from lmtutor.runtime import CourseError
from lmtutor.trust import imbalance


def clouds(seed, rare=12, common=60, features=4, dtype=float):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rare + common, features)).astype(dtype)
    return x, generator.permutation(np.repeat([1, 0], [rare, common]))


@pytest.mark.proof("14", "SMOTE", "imblearn.over_sampling.SMOTE", "random clouds")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [1, 5])
def test_smote_makes_the_examples_of_imbalanced_learn(seed, k):
    x, y = clouds(seed)
    ours, labels = imbalance.smote(x, y, k=k, seed=seed)
    theirs, their_labels = SMOTE(k_neighbors=k, random_state=seed).fit_resample(x, y)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(labels, their_labels)


def test_smote_also_when_0_is_rare_and_in_float32():
    x, y = clouds(5, dtype=np.float32)
    ours, labels = imbalance.smote(x, 1 - y, seed=1)
    theirs, _ = SMOTE(random_state=1).fit_resample(x, 1 - y)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert ours.dtype == np.float32
    assert (labels == 0).sum() == (labels == 1).sum()


def test_what_was_there_stays():
    x, y = clouds(0)
    ours, labels = imbalance.smote(x, y)
    np.testing.assert_array_equal(ours[: len(x)], x)
    np.testing.assert_array_equal(labels[: len(y)], y)


def test_equal_classes_get_nothing_new():
    x, y = clouds(0, rare=10, common=10)
    assert len(imbalance.smote(x, y)[0]) == 20


@pytest.mark.parametrize(
    "call",
    [lambda y: imbalance.smote(np.zeros((len(y), 2)), y), lambda y: imbalance.best_threshold(np.zeros(len(y)), y)],
)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_is_told(call, label):
    with pytest.raises(CourseError, match="one class only"):
        call(np.full(8, label))


def test_other_labels_are_told():
    with pytest.raises(CourseError, match="Labels are 0 or 1"):
        imbalance.best_threshold([0.1, 0.2], [1, 2])


def test_too_few_rare_examples_are_told():
    x, y = clouds(0, rare=5)
    with pytest.raises(CourseError, match="6 examples of the rare class at least; here are 5"):
        imbalance.smote(x, y, k=5)


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_best_of_all(seed):
    generator = np.random.default_rng(seed)
    y = np.append(generator.random(40) < 0.2, [True, False]).astype(int)
    p = np.round(0.3 * y + 0.7 * generator.random(42), 1)  # with ties
    scores = [f1_score(y, p >= t) for t in np.unique(p)]
    found = imbalance.best_threshold(p, y)
    assert f1_score(y, p >= found) == pytest.approx(max(scores))
