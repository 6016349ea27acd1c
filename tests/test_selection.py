"""Active learning: what is chosen, and the bookkeeping of the rounds."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lmtutor.runtime import CourseError
from lmtutor.trust import selection

P = np.array([[0.5, 0.3, 0.2], [0.45, 0.1, 0.45], [0.8, 0.15, 0.05]])


def test_scores_of_three_answers():
    np.testing.assert_allclose(selection.uncertainty(P), [0.5, 0.55, 0.2])
    np.testing.assert_allclose(selection.margin(P), [-0.2, 0.0, -0.65])


@pytest.mark.parametrize("seed", range(3))
def test_with_two_classes_both_choose_alike(seed):
    p = np.random.default_rng(seed).random(50)
    both = np.stack([p, 1 - p], axis=1)
    pool = np.arange(50)
    chosen = [selection.most(score(both), pool, 10) for score in (selection.uncertainty, selection.margin)]
    np.testing.assert_array_equal(*chosen)


def test_the_largest_scores_come_first_and_of_equals_the_earlier():
    assert selection.most([1, 3, 3, 2], [10, 11, 12, 13], 3).tolist() == [11, 12, 13]


def test_an_empty_pool_is_told():
    with pytest.raises(CourseError, match="pool of unlabelled examples is empty"):
        selection.most([], [], 3)


def test_a_score_is_missing():
    with pytest.raises(CourseError, match="needs a score"):
        selection.most([1.0], [3, 4], 1)


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    y = generator.integers(2, size=300)
    return generator.normal(size=(300, 2)) + 1.5 * y[:, None], y


@pytest.mark.parametrize("score", [None, selection.uncertainty])
def test_each_round_adds_new_examples(data, score):
    rounds = selection.label_in_rounds(*data, LogisticRegression(), score, start=10, batch=5, rounds=4, seed=1)
    assert [len(chosen) for chosen in rounds] == [10, 15, 20, 25, 30]
    for before, after in zip(rounds, rounds[1:], strict=False):
        assert before.tolist() == after[: len(before)].tolist()
        assert len(set(after.tolist())) == len(after)


def test_all_ways_begin_with_the_same_examples_and_uncertainty_asks_near_the_border(data):
    x, y = data
    ways = {
        score: selection.label_in_rounds(x, y, LogisticRegression(), score, start=20, batch=20, rounds=1)
        for score in (None, selection.margin)
    }
    assert ways[None][0].tolist() == ways[selection.margin][0].tolist()
    distance = {score: np.abs(x[rounds[1][20:]].sum(axis=1) - 1.5).mean() for score, rounds in ways.items()}
    assert distance[selection.margin] < distance[None]


def test_labels_are_used_only_once_they_were_asked_for(data):
    x, y = data
    before = selection.label_in_rounds(x, y, LogisticRegression(), selection.margin, start=20, batch=20, rounds=1)
    other = np.where(np.isin(np.arange(300), before[0]), y, 1 - y)  # all labels that nobody saw are turned
    after = selection.label_in_rounds(x, other, LogisticRegression(), selection.margin, start=20, batch=20, rounds=1)
    assert before[1].tolist() == after[1].tolist()


def test_a_pool_that_runs_empty_is_told(data):
    with pytest.raises(CourseError, match="pool of unlabelled examples is empty"):
        selection.label_in_rounds(*data, LogisticRegression(), None, start=100, batch=100, rounds=3)


def test_a_first_draw_of_one_class_is_told(data):
    with pytest.raises(CourseError, match="one class only"):
        selection.label_in_rounds(data[0], np.zeros(300, int), LogisticRegression(), None, start=5, batch=5, rounds=1)
