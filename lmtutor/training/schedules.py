"""Schedules of the learning rate, each made of an optimizer and the number of steps, as `fit` wants them."""

from __future__ import annotations

import torch


def inverse_root(optimizer: torch.optim.Optimizer, steps: int, share: float = 0.1) -> torch.optim.lr_scheduler.LambdaLR:
    """The rate rises in a straight line for a share of the steps, then falls like 1 / sqrt(step).

    Section 5.3 of Vaswani et al. (2017), but the top is the optimizer's own rate.
    """
    peak = max(1, round(share * steps))
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: min((done + 1) / peak, (peak / (done + 1)) ** 0.5))


def rise_and_fall(
    optimizer: torch.optim.Optimizer, steps: int, share: float = 0.1
) -> torch.optim.lr_scheduler.LambdaLR:
    """The rate rises in a straight line for a share of the steps, then falls in one to 0 (Devlin et al., 2019)."""
    up = max(1, int(share * steps))
    fall = max(1, steps - up)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: min((done + 1) / up, (steps - done) / fall))
