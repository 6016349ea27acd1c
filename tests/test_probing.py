"""Probes: they find what was planted, a control is learned by heart only, and what is taken out is gone."""

import numpy as np
import pytest

from lmtutor.runtime import CourseError
from lmtutor.trust import probing


def planted(count=400, hidden=20, seed=0):
    """Vectors of which one direction holds a label; and that direction."""
    draw = np.random.default_rng(seed)
    labels, way = draw.integers(2, size=count), draw.normal(size=hidden)
    way /= np.linalg.norm(way)
    return draw.normal(size=(count, hidden)) + 6 * (labels - 0.5)[:, None] * way, labels, way


def test_a_probe_finds_the_planted_direction():
    x, labels, way = planted()
    fitted = probing.probe(x[:300], labels[:300])
    assert fitted.score(x[300:], labels[300:]) > 0.97
    assert probing.direction(fitted) @ way > 0.95 and np.isclose(np.linalg.norm(probing.direction(fitted)), 1)


def test_the_direction_is_the_one_along_which_the_score_rises():
    x, labels, _ = planted()
    x = x * np.linspace(0.1, 10, 20) + 3  # columns of different scale
    fitted = probing.probe(x, labels)
    way, other = probing.direction(fitted), np.random.default_rng(1).normal(size=20)
    other -= other @ way * way
    score = fitted.decision_function
    assert np.allclose(score(x), score(x + other)) and (score(x + way) > score(x)).all()


def test_what_is_taken_out_can_no_longer_be_read():
    x, labels, _ = planted()
    centre, ways = x[:300].mean(0), probing.directions(x[:300], labels[:300], 3)
    np.testing.assert_allclose(ways @ ways.T, np.eye(3), atol=1e-9)
    left = probing.without(x, ways, centre)
    np.testing.assert_allclose((left - centre) @ ways.T, 0, atol=1e-9)
    np.testing.assert_allclose(probing.without(left, ways, centre), left, atol=1e-9)
    assert probing.probe(left[:300], labels[:300]).score(left[300:], labels[300:]) < 0.65


def test_control_labels_belong_to_types():
    types = [("key", 0), ("key", 1), ("door", 0), ("door", 1)] * 3
    labels = probing.control_labels(types, seed=1)
    assert len(set(zip(types, labels.tolist(), strict=True))) == 4 and labels.mean() == 0.5
    assert any((probing.control_labels(types, seed) != labels).any() for seed in range(5))


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0], [0, 1, 2]])
def test_bad_labels_are_told(labels):
    with pytest.raises(CourseError, match="two kinds of labels"):
        probing.probe(np.zeros((3, 2)), labels)
