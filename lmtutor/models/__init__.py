"""The models that are built in front of the reader and used again later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lmtutor.runtime import CourseError


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


def finite(logits: torch.Tensor) -> torch.Tensor:
    """The logits [..., choices] as they are, if something can be chosen by them; single ones may be -inf.

    Raises:
        CourseError: one is NaN or inf, or all of a row are -inf.
    """
    if not logits.amax(dim=-1).isfinite().all():
        raise CourseError("The model's logits are not finite, so nothing can be chosen by them: it has diverged.")
    return logits
