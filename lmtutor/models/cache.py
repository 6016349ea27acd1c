"""What a decoder has read already, so that each new token costs one step. Built in chapter 08.

Floor 2 of the package.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

KeysAndValues = tuple[torch.Tensor, torch.Tensor]  # two [batch, heads, keys, size]


@dataclass
class Past:
    """Keys and values of the text so far, of one layer."""

    own: KeysAndValues | None = None
    rows: torch.Tensor | None = None  # the rows of `own` to go on with, see `Cache.select`

    @property
    def length(self) -> int:
        """Tokens of the text so far."""
        return 0 if self.own is None else self.own[0].shape[-2]

    def extend(self, new: KeysAndValues) -> KeysAndValues:
        """Add keys and values of new tokens; return those of all tokens."""
        if self.own is not None:
            new = tuple(_append(old, part, self.rows) for old, part in zip(self.own, new, strict=True))
        self.own, self.rows = new, None
        return new


@dataclass
class Cache:
    """What all layers of a decoder have read, for a batch of texts that are written token by token."""

    layers: list[Past]
    # With an encoder: keys and values of its output for each layer, and where it read a token: [batch, 1, 1, keys].
    memories: list[KeysAndValues] = field(default_factory=list)
    memory_mask: torch.Tensor | None = None

    @classmethod
    def empty(cls, num_layers: int) -> Cache:
        """Of a decoder that has read nothing yet."""
        return cls([Past() for _ in range(num_layers)])

    @property
    def length(self) -> int:
        """Tokens of each text so far."""
        return self.layers[0].length

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows of the batch, in this order; a row may come twice, as in beam search: [new batch]."""
        for past in self.layers:
            past.rows = rows if past.rows is None else past.rows[rows]
        self.memories = [tuple(part.index_select(0, rows) for part in memory) for memory in self.memories]
        if self.memory_mask is not None:
            self.memory_mask = self.memory_mask.index_select(0, rows)


def _append(old: torch.Tensor, new: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
    """The chosen rows of `old` and behind them `new`, with one copy of `old`: [batch, heads, keys, size]."""
    if rows is None:
        return torch.cat([old, new], dim=-2)
    both = new.new_empty(*new.shape[:2], old.shape[-2] + new.shape[-2], new.shape[-1])
    torch.index_select(old, 0, rows, out=both[:, :, : old.shape[-2]])
    both[:, :, old.shape[-2] :] = new
    return both
