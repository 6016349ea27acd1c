"""Power laws through learning curves, against laws that are known."""

import numpy as np
import pytest

from lmtutor.runtime import CourseError
from lmtutor.trust import scaling

SIZES = [50, 100, 200, 400, 800]


@pytest.mark.parametrize("law", [(1.0, 0.5, 0.1), (3.0, 0.3, 0.0), (0.8, 1.0, 0.25)])
def test_a_law_is_found_again_in_its_own_errors(law):
    a, b, c = scaling.fit_power_law(SIZES, scaling.power_law(SIZES, *law))
    assert a == pytest.approx(law[0], rel=0.05)
    assert b == pytest.approx(law[1], rel=0.05)
    assert c == pytest.approx(law[2], abs=0.01)


def test_with_a_known_floor_two_sizes_are_enough():
    a, b, c = scaling.fit_power_law([100, 400], scaling.power_law([100, 400], 2.0, 0.4, 0.05), floor=0.05)
    assert (a, b, c) == (pytest.approx(2.0, rel=1e-4), pytest.approx(0.4, rel=1e-4), 0.05)


def test_the_band_of_noisy_runs_holds_the_truth_and_widens_away_from_what_was_measured():
    law, generator = (1.0, 0.4, 0.12), np.random.default_rng(0)
    errors = scaling.power_law(SIZES, *law) + 0.005 * generator.normal(size=(8, len(SIZES)))
    fit, low, high = scaling.extrapolate(SIZES, errors, [400, 6400])
    assert (low <= scaling.power_law([400, 6400], *law)).all()
    assert (scaling.power_law([400, 6400], *law) <= high).all()
    assert ((low <= fit) & (fit <= high)).all()
    assert (high - low)[1] > (high - low)[0]


def test_the_same_seed_gives_the_same_band():
    errors = scaling.power_law(SIZES, 1, 0.4, 0.1) + 0.01 * np.random.default_rng(0).normal(size=(4, len(SIZES)))
    for first, second in zip(
        scaling.extrapolate(SIZES, errors, [9000]), scaling.extrapolate(SIZES, errors, [9000]), strict=True
    ):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("sizes", "errors"), [([50, 100], [0.3, 0.2]), ([50, 50, 50], [0.3, 0.2, 0.1]), ([50, 100, 200], [0.3, 0.2])]
)
def test_too_few_sizes_are_told(sizes, errors):
    with pytest.raises(CourseError, match="3 sizes at least"):
        scaling.fit_power_law(sizes, errors)


def test_no_examples_are_no_size():
    with pytest.raises(CourseError, match="above 0"):
        scaling.fit_power_law([0, 100, 200], [0.5, 0.3, 0.2])


def test_a_band_needs_runs():
    with pytest.raises(CourseError, match="three runs"):
        scaling.extrapolate(SIZES, np.ones(len(SIZES)), [9000])
