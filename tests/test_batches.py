"""Batches: what is padded and what says so, how little is padded, and streams that go on where they ended."""

import random

import numpy as np
import pytest
import torch
from complaints import complaint
from hypothesis import given
from hypothesis import strategies as st

from lmtutor import batches
from lmtutor.runtime import CourseError

ids = st.integers(0, 50_000)
sequences = st.lists(st.lists(ids, min_size=1, max_size=12), min_size=1, max_size=8)
lengths = st.lists(st.integers(1, 40), max_size=60)


# --- padding ----------------------------------------------------------------------------------------------------------


def test_pad_fills_up_on_the_right():
    batch = batches.pad([[5, 6, 7], [8]], pad_token_id=9)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


@given(sequences, ids)
def test_where_the_mask_is_1_stand_the_sequences_and_elsewhere_the_padding(sequences, pad_token_id):
    """Also when the padding's id occurs as a token: the mask decides."""
    batch = batches.pad(sequences, pad_token_id)
    input_ids, mask = batch["input_ids"], batch["attention_mask"]
    assert input_ids.shape == mask.shape == (len(sequences), max(map(len, sequences)))
    assert [row[here.bool()].tolist() for row, here in zip(input_ids, mask, strict=True)] == sequences
    assert (input_ids[mask == 0] == pad_token_id).all()
    assert (mask[:, 1:] <= mask[:, :-1]).all()  # no token behind padding


@given(sequences, st.integers(1, 15))
def test_longer_sequences_lose_what_stands_behind_max_length(sequences, max_length):
    cut = batches.pad(sequences, max_length=max_length)
    expected = batches.pad([sequence[:max_length] for sequence in sequences])
    assert all(torch.equal(cut[name], expected[name]) for name in expected)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor], ids=["list", "NumPy", "PyTorch"])
def test_a_sequence_of_10_000_tokens_is_padded_and_cut_like_any_other(kind):
    long = kind(list(range(10_000)))
    batch = batches.pad([long, kind([3])])
    assert batch["input_ids"].shape == (2, 10_000)
    assert batch["input_ids"][0].tolist() == list(range(10_000))
    assert batch["attention_mask"].sum(dim=1).tolist() == [10_000, 1]
    assert batches.pad([long, kind([3])], max_length=512)["input_ids"].shape == (2, 512)


def test_a_batch_without_a_sequence_is_told():
    assert complaint(batches.pad, []) == "A batch needs at least one sequence, but the list is empty."


def test_a_sequence_without_tokens_is_told_with_its_number():
    said = complaint(batches.pad, [[1], [2, 3], []])
    assert said.startswith("Sequence 2 of the batch has no tokens; leave it out")


# --- batches by length ------------------------------------------------------------------------------------------------


@given(lengths, st.integers(1, 9), st.integers(0, 5), st.integers(1, 5))
def test_batches_by_length_hold_each_index_once(lengths, batch_size, seed, pool):
    made = batches.by_length(lengths, batch_size, seed=seed, pool=pool)
    assert sorted(index for batch in made for index in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in made)
    assert len(made) == -(-len(lengths) // batch_size)  # at most one is not full: the last pool's


@given(lengths, st.integers(1, 9), st.integers(0, 5))
def test_one_pool_of_everything_puts_neighbours_in_length_together(lengths, batch_size, seed):
    """No two batches overlap: the longest of one is at most as long as the shortest of the next."""
    made = batches.by_length(lengths, batch_size, seed=seed, pool=60)
    spans = sorted((min(found), max(found)) for found in ([lengths[i] for i in batch] for batch in made))
    assert all(one[1] <= other[0] for one, other in zip(spans, spans[1:], strict=False))


@given(st.data(), st.integers(1, 6), st.integers(0, 5), st.integers(1, 3), st.integers(1, 4))
def test_a_pool_of_several_pools_never_pads_more(data, batch_size, seed, pool, times):
    """If all batches are full. One pool is a union of the smaller ones, and of all ways to cut it sorting pads least.

    With a last batch that is not full this need not hold, nor for two pools of which none is a multiple of the other.
    """
    count = batch_size * data.draw(st.integers(1, 20))
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=count, max_size=count))

    def share(pool):
        return batches.padding_share(lengths, batches.by_length(lengths, batch_size, seed=seed, pool=pool))

    assert 0 <= share(pool * times) <= share(pool) < 1


def test_the_law_of_pools_does_not_hold_with_a_last_batch_that_is_not_full():
    """Three lengths in batches of two: sorted, the two long ones are apart."""
    lengths = [10, 10, 1]
    together = batches.padding_share(lengths, [[0, 1], [2]])
    assert batches.padding_share(lengths, batches.by_length(lengths, 2, pool=2)) > together == 0


def test_pools_save_most_of_the_padding_of_texts_of_unequal_length():
    generator = random.Random(0)
    lengths = [round(generator.lognormvariate(3, 0.8)) + 1 for _ in range(3200)]
    shares = [batches.padding_share(lengths, batches.by_length(lengths, 32, pool=pool)) for pool in (1, 10, 50)]
    assert shares[0] > 0.5 and shares[1] < shares[0] / 2 and shares[2] < shares[1]


def test_batches_depend_on_the_seed_alone_and_come_in_random_order():
    lengths = [1 + i % 17 for i in range(200)]
    made = batches.by_length(lengths, 8, seed=1)
    assert made == batches.by_length(lengths, 8, seed=1) != batches.by_length(lengths, 8, seed=2)
    longest = [max(lengths[index] for index in batch) for batch in made]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


@given(sequences, st.integers(1, 4))
def test_padding_share_is_the_share_of_zeros_in_the_masks(sequences, batch_size):
    made = batches.by_length(list(map(len, sequences)), batch_size)
    masks = [batches.pad([sequences[index] for index in batch])["attention_mask"] for batch in made]
    zeros = sum((mask == 0).sum().item() for mask in masks) / sum(mask.numel() for mask in masks)
    assert batches.padding_share(list(map(len, sequences)), made) == pytest.approx(zeros, abs=1e-12)


@given(lengths, st.integers(1, 9))
def test_in_order_of_length_each_example_comes_once_and_none_before_a_shorter_one(lengths, batch_size):
    found = batches.in_order_of_length(lengths, batch_size)
    flat = [index for batch in found for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[index] for index in flat] == sorted(lengths)
    assert all(len(batch) == batch_size for batch in found[:-1])


@pytest.mark.parametrize("make", [batches.in_order_of_length, lambda n: batches.epochs_by_length(n, 2, 1)])
def test_an_example_without_tokens_is_told_by_its_place_among_all(make):
    said = complaint(make, [3, 1, 4, 0, 2])
    assert said == "Text 3 has no tokens; leave it out, or put one token, such as <unk>, into it."


def test_a_seed_is_the_same_as_numpys_number():
    lengths = list(range(1, 30))
    assert batches.epochs_by_length(lengths, 4, 2, seed=np.int64(3)) == batches.epochs_by_length(lengths, 4, 2, seed=3)


def test_batches_of_nothing_are_no_batches():
    assert batches.by_length([], 4) == []


@pytest.mark.parametrize(("batch_size", "pool"), [(0, 5), (4, 0), (-1, 5)])
def test_batch_size_and_pool_below_1_are_told(batch_size, pool):
    said = complaint(batches.by_length, [1, 2], batch_size, pool=pool)
    assert said == f"batch_size and pool must be at least 1, not {batch_size} and {pool}."


# --- streams ----------------------------------------------------------------------------------------------------------


def test_streams_of_a_small_text():
    blocks = batches.streams(list(range(12)), num_streams=2, length=3)
    assert [block["input_ids"].tolist() for block in blocks] == [[[0, 1, 2], [5, 6, 7]], [[3, 4], [8, 9]]]
    assert [block["labels"].tolist() for block in blocks] == [[[1, 2, 3], [6, 7, 8]], [[4, 5], [9, 10]]]
    assert [bool(block["first"]) for block in blocks] == [True, False]


@st.composite
def cuts(draw):
    """A text of distinct tokens, and into how many streams and how long blocks it is cut."""
    num_streams, length = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    count = draw(st.integers(num_streams + 1, 120))
    return random.Random(draw(st.integers(0, 9))).sample(range(1000), count), num_streams, length


@given(cuts())
def test_each_row_goes_on_in_the_next_block_where_it_ended(cut):
    text, num_streams, length = cut
    blocks = batches.streams(text, num_streams, length)
    for block, following in zip(blocks, blocks[1:], strict=False):
        assert block["input_ids"].shape == (num_streams, length)  # only the last one may be shorter
        assert torch.equal(block["labels"][:, -1], following["input_ids"][:, 0])
    assert 1 <= blocks[-1]["input_ids"].shape[1] <= length
    assert [bool(block["first"]) for block in blocks] == [True] + [False] * (len(blocks) - 1)


@given(cuts())
def test_the_streams_one_after_another_are_the_text_and_the_labels_the_text_one_place_further_on(cut):
    text, num_streams, length = cut
    blocks = batches.streams(text, num_streams, length)
    inputs, labels = (
        torch.cat([b[name] for b in blocks], dim=1).flatten().tolist() for name in ("input_ids", "labels")
    )
    assert inputs == text[: len(inputs)] and labels == text[1 : len(inputs) + 1]  # none invented, none twice
    assert 0 <= len(text) - 1 - len(inputs) < num_streams  # and hardly any lost
    assert len(inputs) % num_streams == 0


def test_streams_take_a_numpy_array_and_one_long_stream():
    (block,) = batches.streams(np.arange(10_001, dtype=np.int32), num_streams=1, length=20_000)
    assert block["input_ids"].dtype == block["labels"].dtype == torch.int64
    assert block["labels"][0].tolist() == list(range(1, 10_001))


@pytest.mark.parametrize(("count", "num_streams"), [(0, 1), (1, 1), (3, 3), (5, 100)])
def test_more_streams_than_the_text_has_tokens_for_are_told(count, num_streams):
    said = complaint(batches.streams, list(range(count)), num_streams, 4)
    assert said.startswith(f"A text of {count} tokens cannot be cut into {num_streams} streams")


@pytest.mark.parametrize(("num_streams", "length"), [(0, 4), (-2, 4), (2, 0), (2, -1)])
def test_streams_and_lengths_below_1_are_told(num_streams, length):
    said = complaint(batches.streams, list(range(20)), num_streams, length)
    assert said == f"num_streams and length must be at least 1, not {num_streams} and {length}."


@pytest.mark.parametrize("max_length", [0, -1])
def test_a_length_below_one_is_refused(max_length):
    with pytest.raises(CourseError, match="max_length"):
        batches.pad([[1, 2, 3]], max_length=max_length)


def test_no_batches_have_no_padding():
    assert batches.padding_share([3, 4], []) == 0.0
