"""What a decoder has read already, so that each new token costs one step. Built in chapter 08."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from lmtutor.runtime import CourseError

KeysAndValues = tuple[torch.Tensor, torch.Tensor]  # two [batch, heads, keys, size]


@dataclass
class Past:
    """Keys and values of the text so far, of one layer.

    They stand in tensors with room for more. So a new token is written behind the others, and nothing else is copied
    until the room is full; then there is twice as much.
    """

    room: KeysAndValues | None = None  # two [batch, heads, places, size], filled up to `length`
    length: int = 0  # tokens of the text so far
    rows: torch.Tensor | None = None  # the rows of `room` to go on with, see `Cache.select`

    def extend(self, new: KeysAndValues) -> KeysAndValues:
        """Add keys and values of new tokens; return those of all tokens."""
        count = new[0].shape[2]
        self.length += count
        if self.room is None or self.rows is not None or self.length > self.room[0].shape[2] or self._is_locked():
            self._move(new, self.length - count)
        for room, part in zip(self.room, new, strict=True):
            room.narrow(2, self.length - count, count).copy_(part)
        return tuple(room.narrow(2, 0, self.length) for room in self.room)

    def _move(self, new: KeysAndValues, before: int) -> None:
        """Take the chosen rows of the first `before` tokens to tensors that have room for the new ones."""
        # Where rows are chosen they are so at each step, and all is copied anyway.
        places = max(64, 2 * self.length) if self.rows is None else self.length
        old, self.room = self.room, tuple(part.new_empty(*part.shape[:2], places, part.shape[3]) for part in new)
        for source, target in zip(old or (), self.room, strict=False):
            source, target = source.narrow(2, 0, before), target.narrow(2, 0, before)
            if self.rows is None:
                target.copy_(source)
            else:
                torch.index_select(source, 0, self.rows, out=target)
        self.rows = None

    def _is_locked(self) -> bool:
        """What was made in inference mode cannot be written to outside of it."""
        return self.room[0].is_inference() and not torch.is_inference_mode_enabled()


@dataclass
class SlidingPast(Past):
    """Keys and values of the last tokens only: what no later token looks at any more makes room for what comes."""

    window: int = 256  # each token looks at itself and the window - 1 before it
    dropped: int = 0  # tokens of the text whose keys have left

    SPARE: ClassVar[int] = 64  # tokens that `Cache.cut` can take back

    def extend(self, new: KeysAndValues) -> KeysAndValues:
        """Add keys and values of new tokens; return those of all that the new ones look at."""
        count = new[0].shape[2]
        first = max(0, self.length + 1 - self.window)  # the earliest place that the first of the new ones looks at
        keep = max(self.dropped, first - self.SPARE)
        self.length += count
        full = self.room is None or self.length - self.dropped > self.room[0].shape[2]
        if full or keep - self.dropped > self.window + self.SPARE or self.rows is not None or self._is_locked():
            self._drop(new, keep)
        for room, part in zip(self.room, new, strict=True):
            room.narrow(2, self.length - count - self.dropped, count).copy_(part)
        return tuple(room.narrow(2, first - self.dropped, self.length - first) for room in self.room)

    def _drop(self, new: KeysAndValues, keep: int) -> None:
        """Go on in tensors that hold the chosen rows of the tokens from the place `keep` on, with room for more."""
        held = self.length - new[0].shape[2] - keep  # tokens that move
        old, self.room = self.room, None
        places = max(64, 2 * (self.length - keep)) if self.rows is None else self.length - keep
        self.room = tuple(part.new_empty(*part.shape[:2], places, part.shape[3]) for part in new)
        for source, target in zip(old or (), self.room, strict=False):
            source = source.narrow(2, keep - self.dropped, held)
            target.narrow(2, 0, held).copy_(source if self.rows is None else source.index_select(0, self.rows))
        self.dropped, self.rows = keep, None

    def can_return_to(self, length: int) -> bool:
        """Whether all that a token at this place looks at is still there."""
        return self.dropped <= max(0, length + 1 - self.window)


@dataclass
class Cache:
    """What all layers of a decoder have read, for a batch of texts that are written token by token."""

    layers: list[Past]
    # With an encoder: keys and values of its output for each layer, and where it read a token: [batch, 1, 1, keys].
    memories: list[KeysAndValues] = field(default_factory=list)
    memory_mask: torch.Tensor | None = None
    in_front: int = 0  # places before the text that hold no token of it, such as a learned prompt's

    @classmethod
    def empty(cls, num_layers: int, window: int | None = None) -> Cache:
        """Of a decoder that has read nothing yet; with a window it keeps what the last tokens look at."""
        return cls([Past() if window is None else SlidingPast(window=window) for _ in range(num_layers)])

    @property
    def length(self) -> int:
        """Tokens of each text so far."""
        return self.layers[0].length - self.in_front

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values that the next token can look at; room for more tokens is not counted."""
        held = [(past, min(past.length, getattr(past, "window", past.length))) for past in self.layers]
        return sum(part[:, :, :count].nbytes for past, count in held for part in past.room or ())

    def cut(self, length: int) -> None:
        """Forget the last tokens of each text, so that `length` of them are left.

        Raises:
            CourseError: the texts have fewer, or the keys before them have left a window.
        """
        for past in self.layers:
            wanted = length + self.in_front
            if not 0 <= wanted <= past.length or (isinstance(past, SlidingPast) and not past.can_return_to(wanted)):
                raise CourseError(
                    f"The cache cannot go back from {self.length} to {length} tokens: what stood there is no longer "
                    f"kept."
                )
            past.length = wanted

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows of the batch, in this order; a row may come twice, as in beam search: [new batch]."""
        for past in self.layers:
            past.rows = rows if past.rows is None else past.rows[rows]
        self.memories = [tuple(part.index_select(0, rows) for part in memory) for memory in self.memories]
        if self.memory_mask is not None:
            self.memory_mask = self.memory_mask.index_select(0, rows)
