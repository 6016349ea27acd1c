"""The models that are built in front of the reader and used again later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[torch.device]:
    """`with evaluating(model) as device: ...` runs a model in evaluation mode and without gradients.

    Afterwards, also after an error, each part of it is in the mode in which it was. `device` is where its weights are.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield next(model.parameters()).device
    finally:
        for module, training in modes:
            module.training = training
