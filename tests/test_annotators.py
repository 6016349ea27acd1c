"""Dawid and Skene's algorithm, against annotators whose habits are known."""

import itertools

import numpy as np
import pytest

from lmtutor.runtime import CourseError
from lmtutor.trust import annotators


def votes_of(confusions, truth, generator):
    draws = [[generator.choice(c.shape[1], p=c[t]) for c in confusions] for t in truth]
    return np.array(draws)


@pytest.fixture
def votes():
    generator = np.random.default_rng(0)
    truth = generator.integers(2, size=1500)
    careful, lenient, tired = ([[0.94, 0.06], [0.06, 0.94]], [[0.65, 0.35], [0.05, 0.95]], [[0.65, 0.35], [0.35, 0.65]])
    habits = [np.array(habit) for habit in (careful, lenient, lenient, tired, tired)]
    return truth, habits, votes_of(habits, truth, generator)


def test_habits_and_truth_are_found_without_labels(votes):
    truth, habits, said = votes
    probable, found = annotators.dawid_skene(said)
    np.testing.assert_allclose(found, np.array(habits), atol=0.06)
    np.testing.assert_allclose(probable.sum(axis=1), 1)
    majority = (said.mean(axis=1) > 0.5).astype(int)
    assert (probable.argmax(axis=1) == truth).mean() > (majority == truth).mean() + 0.01


@pytest.mark.proof("14", "the truth given the votes", "Bayes' rule, vote by vote", "all votes of five annotators")
def test_the_truth_is_that_of_bayes_rule(votes):
    _, _, said = votes
    probable, confusion = annotators.dawid_skene(said, steps=400)
    share = probable.mean(axis=0)
    for pattern in itertools.product((0, 1), repeat=5):
        here = (said == pattern).all(axis=1)
        if not here.any():
            continue
        likely = [share[t] * np.prod([confusion[a, t, v] for a, v in enumerate(pattern)]) for t in (0, 1)]
        np.testing.assert_allclose(probable[here][0], np.array(likely) / sum(likely), atol=1e-3)


def test_three_classes_work_as_well():
    generator = np.random.default_rng(1)
    truth = generator.integers(3, size=600)
    habit = 0.7 * np.eye(3) + 0.1
    probable, _ = annotators.dawid_skene(votes_of([habit] * 5, truth, generator), classes=3)
    assert (probable.argmax(axis=1) == truth).mean() > 0.9


@pytest.mark.parametrize("votes", [[[0], [1]], [[0, 2]], [0, 1], [[0.5, 1]]])
def test_votes_that_are_none_are_told(votes):
    with pytest.raises(CourseError, match="whole numbers from 0 to 1"):
        annotators.dawid_skene(np.array(votes))
