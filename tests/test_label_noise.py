"""Wrong labels: planted where they should be, found as cleanlab finds them, and told apart from bad input."""

import numpy as np
import pytest
from notebook_code import definitions
from sklearn.linear_model import LogisticRegression

from lmtutor import label_noise
from lmtutor.runtime import CourseError


def noisy_classes(seed=0, examples=600, classes=3, share=0.15):
    """Labels of overlapping clouds, some of them wrong, and out-of-fold probabilities."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(classes, size=examples)
    x = draw.normal(size=(examples, 4)) + 2.0 * np.eye(classes, 4)[truth]
    labels, wrong = label_noise.plant(truth, share, seed)
    return labels, wrong, label_noise.out_of_fold(LogisticRegression(), x, labels)


# --- planting ---------------------------------------------------------------------------------------------------------


def test_as_many_labels_are_wrong_as_were_asked_for_and_all_others_are_right():
    truth = np.array([3, 5, 9] * 100)
    labels, wrong = label_noise.plant(truth, 0.21, seed=4)
    assert wrong.sum() == 63 and (labels != truth).tolist() == wrong.tolist() and set(labels) == {3, 5, 9}
    again, _ = label_noise.plant(truth, 0.21, seed=4)
    other, _ = label_noise.plant(truth, 0.21, seed=5)
    assert labels.tolist() == again.tolist() != other.tolist()


def test_wrong_labels_can_be_kept_to_some_examples():
    truth, where = np.array([0, 1] * 50), np.arange(100) < 30
    _, wrong = label_noise.plant(truth, 0.2, where=where)
    assert wrong.sum() == 20 and not wrong[30:].any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([1, 1, 1], 0.5), "of one class"),
        (([0, 1], 1.5), "between 0 and 1"),
        (([0, 1, 0, 1], 0.5, 0, [True, False, False, False]), "only 1 may be"),
        (([0, 1, 0, 1], 0.5, 0, [True]), "1 entries for 4 labels"),
    ],
)
def test_what_cannot_be_planted_is_told(arguments, said):
    with pytest.raises(CourseError, match=said):
        label_noise.plant(*arguments)


# --- out of fold ------------------------------------------------------------------------------------------------------


def test_nobody_is_judged_by_a_model_that_knows_it():
    draw = np.random.default_rng(0)
    x, coins = draw.normal(size=(200, 150)), draw.integers(2, size=200)
    p = label_noise.out_of_fold(LogisticRegression(C=1e3), x, coins)
    known = LogisticRegression(C=1e3).fit(x, coins).predict(x)
    assert (known == coins).mean() > 0.95 and (p.argmax(1) == coins).mean() < 0.65


def test_groups_stay_together():
    draw = np.random.default_rng(0)
    x, labels = np.repeat(draw.normal(size=(60, 40)), 4, axis=0), np.repeat(draw.integers(2, size=60), 4)
    alone = label_noise.out_of_fold(LogisticRegression(C=1e3), x, labels)
    together = label_noise.out_of_fold(LogisticRegression(C=1e3), x, labels, groups=np.repeat(np.arange(60), 4))
    assert (alone.argmax(1) == labels).mean() > 0.9 and (together.argmax(1) == labels).mean() < 0.7


@pytest.mark.parametrize(
    ("labels", "said"),
    [([1] * 20, "of one class"), ([0, 1] * 9, "20 examples, but 18 labels"), ([0] * 17 + [1] * 3, "has 3 examples")],
)
def test_what_cannot_be_split_into_folds_is_told(labels, said):
    with pytest.raises(CourseError, match=said):
        label_noise.out_of_fold(LogisticRegression(), np.zeros((20, 2)), labels)


# --- confident learning -----------------------------------------------------------------------------------------------


@pytest.mark.proof("14", "confident joint", "cleanlab.count.compute_confident_joint", "3 classes, noisy", exact=True)
def test_the_confident_joint_is_cleanlab_s():
    count = pytest.importorskip("cleanlab.count")
    for seed in range(5):
        labels, _, p = noisy_classes(seed)
        theirs = count.compute_confident_joint(labels, p, calibrate=False)
        assert label_noise.confident_joint(labels, p).tolist() == theirs.tolist()


@pytest.mark.proof("14", "labels under suspicion", "cleanlab.filter.find_label_issues", "2 and 3 classes", exact=True)
def test_the_suspects_are_cleanlab_s():
    find = pytest.importorskip("cleanlab.filter").find_label_issues
    for classes in (2, 3):
        for seed in range(5):
            labels, wrong, p = noisy_classes(seed, classes=classes)
            theirs = find(labels, p, filter_by="confident_learning", n_jobs=1)
            ours = label_noise.suspects(labels, p)
            assert ours.tolist() == theirs.tolist()
            assert wrong[ours].mean() > 2 * wrong.mean()


@pytest.mark.proof("14", "estimated share of wrong labels", "cleanlab.count.estimate_joint", "3 classes, noisy")
def test_the_estimated_share_is_cleanlab_s():
    count = pytest.importorskip("cleanlab.count")
    for seed in range(5):
        labels, _, p = noisy_classes(seed)
        joint = count.estimate_joint(labels, p)
        theirs = 1 - joint.trace()
        # cleanlab rounds the counts to whole examples before it divides
        np.testing.assert_allclose(label_noise.wrong_share(labels, p), theirs, atol=3 / len(labels))


@pytest.mark.proof("14", "the notebook's confident joint", "the package's", "3 classes, noisy", exact=True)
def test_the_notebook_s_ten_lines_are_the_package():
    theirs = definitions("14", "joint_by_hand").joint_by_hand
    for seed in range(3):
        labels, _, p = noisy_classes(seed)
        assert theirs(labels, p).tolist() == label_noise.confident_joint(labels, p).tolist()


def test_a_class_whose_probabilities_are_all_alike_reaches_its_own_mean():
    labels, p = np.array([0, 0, 0, 1]), np.array([[0.7, 0.3]] * 3 + [[0.7, 0.3]])
    assert label_noise.confident_joint(labels, p).tolist() == [[3, 0], [1, 0]]
    assert label_noise.suspects(labels, p).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("labels", "probabilities", "said"),
    [
        ([0, 1], np.full((3, 2), 0.5), "2 labels, but probabilities of shape"),
        ([0, 0, 0], np.full((3, 2), 0.5), "needs an example"),
        ([0, 2, 1], np.full((3, 2), 0.5), "needs an example"),
        ([0, 0, 0], np.ones((3, 1)), "one class only"),
        ([0, 1, 0], np.full(3, 0.5), "of shape"),
    ],
)
def test_labels_and_probabilities_that_do_not_fit_are_told(labels, probabilities, said):
    with pytest.raises(CourseError, match=said):
        label_noise.suspects(labels, probabilities)
