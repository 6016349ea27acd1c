"""Batches of sequences: padded, sorted by length, or cut out of parallel streams of one long text."""

from __future__ import annotations

import operator
import random
from collections.abc import Sequence

import numpy as np
import torch

from lmtutor.runtime import CourseError

IGNORED = -100  # the label that torch's cross-entropy leaves out


def pad(
    sequences: Sequence[Sequence[int]], pad_token_id: int = 0, *, max_length: int | None = None
) -> dict[str, torch.Tensor]:
    """Fill sequences up to one length on the right, and say which positions are real.

    Args:
        sequences: lists of ids, each of at least one.
        pad_token_id: fills the places behind the end. The mask, not this id, says what is padding.
        max_length: longer sequences lose what stands behind it.

    Returns:
        `input_ids`: [batch, time], int64, and `attention_mask`: [batch, time], 1 for a token and 0 for padding.

    Raises:
        CourseError: there is no sequence, one of them is empty, or max_length is below 1.
    """
    if not sequences:
        raise CourseError("A batch needs at least one sequence, but the list is empty.")
    if max_length is not None and max_length < 1:
        raise CourseError(f"max_length must be at least 1, not {max_length}.")
    for number, sequence in enumerate(sequences):
        if len(sequence) == 0:
            raise CourseError(
                f"Sequence {number} of the batch has no tokens; leave it out, or put one token, such as <unk>, into it."
            )
    cut = [list(sequence[:max_length]) for sequence in sequences]
    longest = max(map(len, cut))
    ids = torch.full((len(cut), longest), pad_token_id, dtype=torch.long)  # [batch, time]
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(cut):
        ids[row, : len(sequence)] = torch.as_tensor(sequence)
        mask[row, : len(sequence)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def source_and_target(
    examples: Sequence[tuple[Sequence[int], Sequence[int]]], start: int, end: int
) -> dict[str, torch.Tensor]:
    """Pairs of texts as an encoder and a decoder want them: padded, and the target shifted by one place.

    Args:
        examples: pairs of lists of ids, source and target; a source needs at least one id.
        start: id that begins what the decoder reads.
        end: id that ends what it should say.

    Returns:
        `input_ids` and `attention_mask` of the sources: [batch, source time]; `decoder_input_ids`, and `labels` (the
        next id at each place, IGNORED in the padding): [batch, target time].
    """
    source = pad([source for source, _ in examples])
    read = pad([[start, *target] for _, target in examples])
    said = pad([[*target, end] for _, target in examples])
    labels = said["input_ids"].masked_fill(said["attention_mask"] == 0, IGNORED)
    return source | {"decoder_input_ids": read["input_ids"], "labels": labels}


def by_length(lengths: Sequence[int], batch_size: int, *, seed: int = 0, pool: int = 50) -> list[list[int]]:
    """Indices of examples in batches of similar length, in random order.

    The examples are shuffled, sorted by length within pools of `pool` batches, and cut; then the batches are shuffled.
    So who meets whom still depends on chance, and little is padded.

    Args:
        lengths: tokens of each example: [examples].
        batch_size: examples a batch; the last one of all may have fewer.
        seed: of the shuffling.
        pool: batches that are sorted together; 1 gives ordinary random batches.

    Returns:
        Lists of indices; together they hold each index once.

    Raises:
        CourseError: batch_size or pool is below 1.
    """
    if batch_size < 1 or pool < 1:
        raise CourseError(f"batch_size and pool must be at least 1, not {batch_size} and {pool}.")
    generator = random.Random(seed)
    order = list(range(len(lengths)))
    generator.shuffle(order)
    batches = []
    for start in range(0, len(order), batch_size * pool):
        pooled = sorted(order[start : start + batch_size * pool], key=lambda index: lengths[index])
        batches += [pooled[i : i + batch_size] for i in range(0, len(pooled), batch_size)]
    generator.shuffle(batches)
    return batches


def epochs_by_length(lengths: Sequence[int], batch_size: int, epochs: int, *, seed: int = 0) -> list[list[int]]:
    """The batches of `by_length` for several epochs, one epoch after the other, each drawn anew.

    Raises:
        CourseError: an example has no tokens, and as in `by_length`.
    """
    check_lengths(lengths)
    seed = operator.index(seed)  # NumPy's numbers seed nothing
    return [batch for epoch in range(epochs) for batch in by_length(lengths, batch_size, seed=1000 * seed + epoch)]


def in_order_of_length(lengths: Sequence[int], batch_size: int = 64) -> list[list[int]]:
    """Indices of examples in batches from the shortest to the longest: for asking a model, where order is no matter.

    Raises:
        CourseError: an example has no tokens.
    """
    check_lengths(lengths)
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def check_lengths(lengths: Sequence[int], what: str = "Text") -> None:
    """Raise a CourseError that names the first example without tokens by its place among all, not in a batch."""
    for number, length in enumerate(lengths):
        if length == 0:
            raise CourseError(f"{what} {number} has no tokens; leave it out, or put one token, such as <unk>, into it.")


def padding_share(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """The share of padding in the rectangles that these batches fill, between 0 and 1."""
    tokens = sum(lengths[index] for batch in batches for index in batch)
    places = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    return 1 - tokens / places if places else 0.0


def streams(ids: Sequence[int] | np.ndarray, num_streams: int, length: int) -> list[dict[str, torch.Tensor]]:
    """Cut one long text into parallel streams and those into blocks, for training with a state that is carried along.

    Stream k is the k-th of `num_streams` equal pieces. Block i holds the same stretch of all of them, so row k of block
    i + 1 goes on where row k of block i ended. What is left over at the end (fewer than `num_streams` tokens) goes.

    Args:
        ids: the text: [tokens].
        num_streams: rows of each block, the batch.
        length: tokens a block; the last one may have fewer.

    Returns:
        Blocks: `input_ids` and `labels` (the same, one place further on): [num_streams, time], and `first`: a bool
        tensor, true where the state must start anew.

    Raises:
        CourseError: the text is too short for that many streams, or one of the numbers is below 1.
    """
    if num_streams < 1 or length < 1:
        raise CourseError(f"num_streams and length must be at least 1, not {num_streams} and {length}.")
    each = (len(ids) - 1) // num_streams
    if each < 1:
        raise CourseError(
            f"A text of {len(ids)} tokens cannot be cut into {num_streams} streams: each needs at least one token, and "
            f"the last token is only a label."
        )
    flat = torch.as_tensor(np.asarray(ids), dtype=torch.long)
    inputs = flat[: each * num_streams].view(num_streams, each)
    labels = flat[1 : each * num_streams + 1].view(num_streams, each)
    return [
        {
            "input_ids": inputs[:, start : start + length],
            "labels": labels[:, start : start + length],
            "first": torch.tensor(start == 0),
        }
        for start in range(0, each, length)
    ]
