"""Cross-entropy, perplexity and bits per character."""

import math

import numpy as np
import pytest
import torch
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


def test_a_perplexity_beyond_the_largest_float_is_infinite():
    assert metrics.perplexity([1e-320]) == math.inf  # exp(736.8) = 1e320
    assert metrics.perplexity([5e-324, 1.0]) == pytest.approx(5e-324**-0.5, rel=1e-9)
    assert metrics.bits_per_character([1e-320], 1) == pytest.approx(-math.log2(1e-320))


@pytest.mark.parametrize(
    ("right", "bins"), [([1, math.nan], 10), ([2, 0], 10), ([1, 0], 0), ([1, 0], -1), ([1, 0], 2.5)]
)
def test_calibration_of_what_is_neither_right_nor_wrong_is_told(right, bins):
    with pytest.raises(CourseError, match="Calibration needs a whole number of bins from 1 up"):
        metrics.expected_calibration_error([0.5, 0.7], right, bins)


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


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.integers(-9, 3), st.data())
def test_agreement_is_said_with_the_bound_and_ten_times_the_bound_is_found(numbers, power, data):
    within, place = 10.0**power, data.draw(st.integers(0, len(numbers) - 1))
    for share in (0, 0.5, 10):
        moved = np.array(numbers)
        moved[place] += share * within
        if share < 1:
            assert metrics.agree(numbers, moved, within=within) == f"agree within {within:g}"
        else:
            with pytest.raises(AssertionError, match=rf"do not agree within {within:g}: .* at \[{place}\] of "):
                metrics.agree(numbers, moved, within=within)


def test_agreement_takes_numbers_arrays_and_tensors():
    learned = torch.tensor([[0.5, 0.25]], requires_grad=True)
    assert metrics.agree(learned, np.array([[0.5, 0.25]]), within=1e-12) == "agree within 1e-12"
    assert metrics.agree(learned.sum(), 0.75, within=1e-5) == "agree within 1e-05"
    assert metrics.agree([math.inf, -math.inf, 1], [math.inf, -math.inf, 1], within=1e-3) == "agree within 0.001"


def test_disagreement_tells_how_much_where_and_between_what():
    said = r"within 1e-06: the largest difference is 2.5e-01 at \[1, 0\] of \(2, 2\), between 3 and 3.25."
    with pytest.raises(AssertionError, match=said):
        metrics.agree([[1, 2], [3, 4]], [[1, 2.1], [3.25, 4]], within=1e-6)
    with pytest.raises(AssertionError, match="the largest difference is 1.0e\\+00, between 1 and 2."):
        metrics.agree(1, 2, within=0.5)


@pytest.mark.parametrize("ours, theirs", [(math.nan, 0), (math.nan, math.nan), (math.inf, 0), (math.inf, -math.inf)])
def test_nan_and_infinity_are_within_no_bound(ours, theirs):
    with pytest.raises(AssertionError, match="do not agree within 1e\\+300"):
        metrics.agree([0.0, ours], [0.0, theirs], within=1e300)


def test_different_shapes_and_nothing_do_not_agree():
    with pytest.raises(AssertionError, match=r"different shapes, \(2,\) and \(1,\)"):
        metrics.agree([1.0, 2.0], [1.0], within=1)
    with pytest.raises(AssertionError, match="nothing to compare"):
        metrics.agree([], [], within=1)


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


def test_one_right_answer_may_be_given_without_a_list():
    assert (
        metrics.answer_scores("The Swift.", "the swift") == metrics.answer_scores("The Swift.", ["the swift"]) == (1, 1)
    )
    assert metrics.answer_scores("s", "swift") == (0, 0)
