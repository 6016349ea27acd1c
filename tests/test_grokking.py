"""Sums modulo a prime: no sum is on both sides, frequencies are those of the waves, and decay is what it needs."""

import math

import pytest
import torch

from lmtutor.runtime import CourseError
from lmtutor.trust import grokking


def test_each_pair_is_on_one_side_only_in_either_order():
    train, test = grokking.pairs_of(11, 0.5, seed=3)
    seen = [tuple(sorted(pair)) for part in (train, test) for pair in part.tolist()]
    assert len(seen) == len(set(seen)) == 11 * 12 // 2 and len(train) == 33
    assert not torch.equal(train, grokking.pairs_of(11, 0.5, seed=4)[0])


@pytest.mark.parametrize("share", [0, 1, 0.001])
def test_an_empty_part_is_told(share):
    with pytest.raises(CourseError, match="nothing for one part"):
        grokking.pairs_of(5, share)


def test_the_order_of_two_numbers_does_not_matter():
    torch.manual_seed(0)
    model, pairs = grokking.ModularAdder(7), torch.tensor([[1, 4], [0, 6]])
    assert model(pairs).shape == (2, 7) and torch.equal(model(pairs), model(pairs.flip(1)))


def test_a_wave_has_one_frequency():
    n = torch.arange(13.0, dtype=torch.float64)
    vectors = torch.stack([torch.cos(2 * math.pi * 3 * n / 13) + 5, 2 * torch.sin(2 * math.pi * 5 * n / 13)], dim=1)
    assert torch.allclose(grokking.power(vectors)[[2, 4]], torch.tensor([0.2, 0.8], dtype=torch.float64))
    only = grokking.with_frequencies(vectors, [3])
    assert torch.allclose(only[:, 0], vectors[:, 0]) and torch.allclose(only[:, 1], torch.zeros_like(n))
    rest = grokking.with_frequencies(vectors, [3], keep=False)
    assert torch.allclose(rest[:, 0], torch.full_like(n, 5)) and torch.allclose(rest[:, 1], vectors[:, 1])


@pytest.mark.parametrize("frequency", [0, 7])
def test_a_frequency_that_there_is_not_is_told(frequency):
    with pytest.raises(CourseError, match="the frequencies 1 to 6"):
        grokking.with_frequencies(torch.zeros(13, 2), [frequency])


def test_a_short_training_learns_by_heart_and_is_the_same_again():
    model, history = grokking.train(23, steps=150, seed=1)
    assert history["train"][-1] == 1 and history["test"][-1] < 0.5 and history["step"][-1] == 150
    assert history["step"] == sorted(set(history["step"])) and len({*map(len, history.values())}) == 1
    again, _ = grokking.train(23, steps=150, seed=1)
    assert torch.equal(model.embedding.weight, again.embedding.weight)
    start, first = grokking.train(23, steps=0, start=0.1, dtype=torch.float64)
    assert first["step"] == [0] and start.embedding.weight.dtype == torch.float64
    assert 9 < grokking.train(23, steps=0)[1]["size"][0] / first["size"][0] < 11
