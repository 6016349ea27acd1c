"""benchmarks/measure.py: turns, medians and what was asked for."""

import importlib.util
import statistics

import pytest
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

spec = importlib.util.spec_from_file_location("measure", REPOSITORY / "benchmarks" / "measure.py")
measure = importlib.util.module_from_spec(spec)
spec.loader.exec_module(measure)

numbers = st.lists(st.floats(0.01, 1000), min_size=1)


def row(values, **limits):
    return measure.comparison("08", "ours", "theirs", values, "times as fast", **limits)


def test_works_take_turns_and_the_first_ones_warm_up():
    done = []
    works = {name: lambda name=name: done.append(name) for name in "ab"}
    seconds = measure.in_turns(works, 3, warm_up=2)
    assert done == ["a", "b"] * 5
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 3, "b": 3}
    assert all(taken >= 0 for taken in seconds["a"])


def test_ratios_are_of_the_same_turn():
    assert measure.ratios([2, 9], [1, 3]) == [2, 3]
    with pytest.raises(ValueError, match="shorter"):
        measure.ratios([1, 2], [1])


@given(numbers)
def test_the_median_lies_in_the_middle_half(values):
    low, high = (float(bound.replace(",", "")) for bound in measure.middle(values, digits=9).split(" to "))
    assert low - 1e-9 <= statistics.median(values) <= high + 1e-9
    assert sum(low - 1e-9 <= value <= high + 1e-9 for value in values) >= len(values) / 2


def test_one_bad_turn_does_not_count():
    assert row([1.6, 1.7, 1.6, 1.7, 0.1], at_least=1.5)["reached"] == "yes"
    assert row([1.6, 1.7, 1.6, 1.7, 0.1], at_least=1.5)["middle half"] == "1.60 to 1.70"


@pytest.mark.parametrize(
    "limits, asked, reached",
    [
        ({"at_least": 1.5}, "at least 1.5", "yes"),
        ({"at_least": 1000}, "at least 1,000", "NO"),
        ({"at_most": 1.5}, "at most 1.5", "yes"),  # the limit itself will do
        ({"at_most": 1.4}, "at most 1.4", "NO"),
        ({"at_least": 1, "at_most": 2}, "at least 1, at most 2", "yes"),
        ({}, "", ""),
    ],
)
def test_what_was_asked_for_and_whether_it_is(limits, asked, reached):
    found = row([1.4, 1.5, 1.6], **limits)
    assert (found["asked for"], found["reached"]) == (asked, reached)
    assert (found["found"], found["turns"]) == ("1.50 times as fast", 3)


def test_a_missed_limit_is_not_rounded_away():
    assert row([0.996], at_least=1)["reached"] == "NO"  # though two digits show 1.00
    assert row([0.996], at_least=1)["middle half"] == ""  # of a single value


def test_the_score_tells_lowest_and_highest_of_several_seeds_only():
    several = measure.score("07", "Multi30k", "a model", "BLEU", [28.0, 29.5, 29.0])
    assert (several["mean"], several["lowest to highest"], several["seeds"]) == ("28.8", "28.0 to 29.5", 3)
    one = measure.score("01", "WikiText-2", "5-gram", "perplexity", [220.1])
    assert (one["mean"], one["lowest to highest"], one["seeds"]) == ("220.1", "", "nothing random")
