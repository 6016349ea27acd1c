"""Losses: of some examples taken through the model at once, and of all validation examples."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch

from lmtutor.runtime import CourseError
from lmtutor.training.arguments import InputError
from lmtutor.training.checkpoint import first_line
from lmtutor.training.history import Progress
from lmtutor.training.learner import Learner
from lmtutor.training.memory import is_out_of_memory
from lmtutor.training.randomness import reseed


class Losses:
    """Losses of a model by fit's `collate` and `loss`."""

    def __init__(self, options: SimpleNamespace, learner: Learner, progress: Progress, total_steps: int):
        self.options, self.learner, self.progress, self.total_steps = options, learner, progress, total_steps

    def batch(self, data: Any, indices: list[int]) -> Any:
        """The examples at `indices`, collated and on the device."""
        from accelerate.utils import send_to_device

        with self._blamed():
            fetch = getattr(data, "__getitems__", None)  # a datasets.Dataset reads many at once much faster
            examples = fetch(indices) if fetch else [data[index] for index in indices]
            return send_to_device(self.options.collate(examples), self.learner.device, **self._free())

    def of(self, model: torch.nn.Module, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean loss, and the number that it is the mean of; [parts] each, as a loss may be the sum of several means."""
        with self._blamed():
            with self.learner.accelerator.autocast():  # for a loss that takes parts of the model, or has parts itself
                mean, count = self.options.loss(model, batch)
            known = count if not isinstance(count, torch.Tensor) or count.device.type == "cpu" else None
            count = torch.as_tensor(count).to(self.learner.device, torch.float32, **self._free())
            if mean.dim() > 1 or mean.shape != count.shape:
                raise ValueError("the loss is not a scalar")
            return self._or_zero(mean.float().reshape(-1), count.reshape(-1), known), count.reshape(-1)

    def _free(self) -> dict[str, bool]:
        # Copies to a GPU that do not block spare the program a wait for all that the GPU has still to do.
        return {"non_blocking": self.learner.device.type == "cuda"}

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """What goes wrong with a batch or its loss is told with its step."""
        try:
            yield
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, CourseError) or is_out_of_memory(error):
                raise
            raise InputError(_blame(error, self.progress.step + 1)) from error

    def _or_zero(self, mean: torch.Tensor, count: torch.Tensor, known: Any) -> torch.Tensor:
        """The mean loss [parts], or 0 with a gradient of 0 where it is a mean of nothing, which PyTorch calls NaN.

        `known` is the count, if that can be asked for without waiting for a device.
        """
        if known is not None and not torch.as_tensor(known).any():
            return sum((0 * parameter).sum() for parameter in self.learner.parameters).float() + torch.zeros_like(count)
        return torch.where(count > 0, mean, 0.0)

    def check_tokens(self, steps_per_epoch: int) -> None:
        """Raise an InputError if in an epoch, or in the run as far as it goes, nothing was to be learned."""
        p = self.progress
        if p.tokens == 0 and p.step >= min(steps_per_epoch, self.total_steps):
            raise InputError(
                f"There was nothing to learn in {p.step} steps: in every batch the loss was the mean of 0 tokens or "
                f"examples. Look at the labels that collate makes."
            )

    @torch.no_grad()
    def of_validation(self) -> float:
        """Mean loss over all tokens of the validation examples, in evaluation mode."""
        learner, data, size = self.learner, self.options.validation, self.progress.micro_batch
        reseed(self.options.seed, "validation", learner.rank)  # masks drawn in `collate` are the same each time
        sums = torch.zeros(2, 1, device=learner.device)  # [losses and counts, parts]
        share = list(range(len(data)))[learner.rank :: learner.processes]
        learner.module.eval()
        try:
            # With fewer examples than processes, one without any takes part with nothing.
            for chosen in [share[start : start + size] for start in range(0, len(share), size)] or [[0]]:
                mean, count = self.of(learner.module, self.batch(data, chosen))
                sums = sums + torch.stack([mean * count, count]) * bool(share)
        finally:
            learner.module.train()
        losses, counts = learner.over_processes(sums)
        if not counts.any():
            raise InputError(
                "The validation loss is the mean of 0 tokens or examples. Look at the labels that collate makes of "
                "validation."
            )
        return float((losses / counts.clamp(min=1)).sum())


def _blame(error: Exception, step: int) -> str:
    """One sentence on an error in a batch or its loss, with the caller's line that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.line for f in frames if f.filename != __file__ and "site-packages" not in f.filename]
    where = f" in `{lines[-1]}`" if lines and lines[-1] else ""
    return f"The batch of step {step} or its loss failed{where} ({first_line(error)})."
