"""The order of the examples: which ones a step takes, by seed and epoch only."""

from __future__ import annotations

import math

import torch

from lmtutor.training.randomness import mix


class Order:
    """Examples in batches of all processes together, in a new order each epoch, or always in their own.

    Args:
        count: examples.
        batch: examples a step; the last step of an epoch may have fewer.
        seed: of the shuffling.
        shuffle: whether there is any.
    """

    def __init__(self, count: int, batch: int, seed: int, shuffle: bool):
        self.count, self.batch, self.seed, self.shuffle = count, batch, seed, shuffle
        self.steps_per_epoch = math.ceil(count / batch)
        self._epoch, self._order = -1, []

    def of_step(self, step: int) -> list[int]:
        """Indices of the examples that the step takes, after `step` others."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._epoch != epoch:
            generator = torch.Generator().manual_seed(mix(self.seed, "epoch", epoch))
            order = torch.randperm(self.count, generator=generator) if self.shuffle else torch.arange(self.count)
            self._epoch, self._order = epoch, order.tolist()
        return self._order[position * self.batch : (position + 1) * self.batch]
