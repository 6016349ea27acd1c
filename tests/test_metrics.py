"""Cross-entropy, perplexity and bits per character."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutor import metrics
from lmtutor.runtime import CourseError

probabilities = st.lists(st.floats(1e-290, 1.0), min_size=1, max_size=40)
MEASURES = [metrics.cross_entropy, metrics.perplexity, lambda p: metrics.bits_per_character(p, 10)]


def test_values_that_can_be_worked_out_by_hand():
    assert metrics.cross_entropy([0.5, 0.125]) == pytest.approx(2 * math.log(2))
    assert metrics.perplexity([0.5, 0.125]) == pytest.approx(4)
    assert metrics.bits_per_character([0.5, 0.125], 8) == pytest.approx(0.5)  # 1 + 3 bits for 8 characters


@given(probabilities, st.integers(1, 500))
def test_bits_per_character_times_characters_are_the_bits_of_all_tokens(p, num_characters):
    bits = metrics.bits_per_character(p, num_characters)
    assert bits * num_characters == pytest.approx(len(p) * math.log2(metrics.perplexity(p)), abs=1e-9)


@given(probabilities)
def test_perplexity_is_the_inverse_of_the_geometric_mean(p):
    assert metrics.perplexity(p) == pytest.approx(math.prod(x ** (-1 / len(p)) for x in p), rel=1e-9)


@given(st.integers(1, 1000), st.integers(1, 20))
def test_a_uniform_model_is_as_unsure_as_its_number_of_choices(choices, tokens):
    assert metrics.perplexity([1 / choices] * tokens) == pytest.approx(choices)


@given(probabilities)
def test_lists_arrays_and_orders_of_tokens_give_the_same(p):
    assert metrics.cross_entropy(np.array(p)) == metrics.cross_entropy(p)
    assert metrics.cross_entropy(p[::-1]) == pytest.approx(metrics.cross_entropy(p))


def test_certainty_costs_nothing_and_prints_without_a_minus():
    assert str(metrics.cross_entropy([1.0, 1.0])) == "0.0"
    assert metrics.perplexity([1.0]) == 1.0
    assert str(metrics.bits_per_character([1.0], 3)) == "0.0"
    assert metrics.cross_entropy([1 + 1e-12]) == 0.0  # a sum that is a rounding error above one


@pytest.mark.parametrize("measure", MEASURES)
def test_one_impossible_token_makes_every_measure_infinite_without_a_warning(measure, recwarn):
    assert measure([0.5, 0.0, 0.5]) == math.inf
    assert not recwarn.list


@pytest.mark.parametrize("measure", MEASURES)
def test_no_tokens_are_told_in_one_sentence(measure):
    with pytest.raises(CourseError, match="no tokens is not defined: the text is empty"):
        measure([])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("wrong", [-0.7, 3.0, math.nan, math.inf])
def test_what_is_no_probability_is_told_in_one_sentence(measure, wrong):
    with pytest.raises(CourseError, match="between 0 and 1; were logarithms or counts passed instead"):
        measure([0.5, wrong])


@pytest.mark.parametrize("num_characters", [0, -3])
def test_bits_per_character_of_no_characters_are_told_in_one_sentence(num_characters):
    with pytest.raises(CourseError, match="at least one character"):
        metrics.bits_per_character([0.5], num_characters)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.floats(1e-14, 1e3))
def test_the_largest_difference_is_rounded_up_to_a_power_of_ten(numbers, shift):
    true = max(abs(a - (a + shift)) for a in numbers)
    rounded = metrics.largest_difference(numbers, [a + shift for a in numbers])
    assert true <= rounded * (1 + 1e-6) and (rounded <= 10 * true * (1 + 1e-6) or rounded <= 1e-15)
    assert rounded == 10.0 ** round(math.log10(rounded))


def test_what_agrees_to_the_last_bits_differs_by_the_same_number_on_every_machine():
    assert metrics.largest_difference([0.5, 0.25], np.array([0.5, 0.25])) == 1e-15
    assert metrics.largest_difference([0.5], [0.5 + 2e-16]) == 1e-15
    assert metrics.largest_difference([1.0, 1.0], [1.0, 1.001]) == pytest.approx(1e-3)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_nan_and_infinity_fall_below_no_bound(wrong):
    assert not metrics.largest_difference([wrong], [0.0]) < 1e300


def test_different_shapes_are_not_compared():
    with pytest.raises(CourseError, match="different shapes"):
        metrics.largest_difference([1.0, 2.0], [1.0])


# --- alignment --------------------------------------------------------------------------------------------------------

LINKS = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8)


def test_the_alignment_error_rate_of_an_example_by_hand():
    """Of three links one is sure and one possible: 1 - (1 + 2) / (3 + 2)."""
    proposed, sure, possible = [{(0, 0), (1, 2), (3, 3)}], [{(0, 0), (1, 1)}], [{(3, 3)}]
    assert metrics.alignment_error_rate(proposed, sure, possible) == pytest.approx(0.4)


@given(st.lists(st.tuples(LINKS, LINKS, LINKS), min_size=1, max_size=4))
def test_the_alignment_error_rate_without_possible_links_is_one_minus_f1(sentences):
    proposed, sure, _ = (list(part) for part in zip(*sentences, strict=True))
    if not any(proposed) or not any(sure):
        return
    hits = sum(len(a & s) for a, s in zip(proposed, sure, strict=True))
    precision, recall = (hits / sum(map(len, part)) for part in (proposed, sure))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    assert metrics.alignment_error_rate(proposed, sure, [set()] * len(sure)) == pytest.approx(1 - f1)


@given(st.lists(st.tuples(LINKS, LINKS), min_size=1, max_size=4))
def test_all_sure_and_some_possible_links_are_no_error(sentences):
    sure, possible = (list(part) for part in zip(*sentences, strict=True))
    if any(sure):
        proposed = [s | set(sorted(p)[::2]) for s, p in sentences]
        assert metrics.alignment_error_rate(proposed, sure, possible) == pytest.approx(0)


def test_no_link_at_all_is_told_in_one_sentence():
    with pytest.raises(CourseError, match="Without a single link"):
        metrics.alignment_error_rate([set()], [set()], [{(0, 0)}])
