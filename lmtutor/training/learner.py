"""What learns, as Accelerate prepares it: the model on its device, its optimizer and its schedule."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from lmtutor import runtime
from lmtutor.training.settings import optimizer_settings

if TYPE_CHECKING:
    from accelerate import Accelerator


class Learner:
    """The model, ready to be trained.

    Args:
        options: fit's arguments.
        accelerator: see `make_accelerator`.
        total_steps: what the schedule is made for.
    """

    def __init__(self, options: SimpleNamespace, accelerator: Accelerator, total_steps: int):
        self.options, self.accelerator = options, accelerator
        self.device, self.rank, self.processes = (
            accelerator.device, accelerator.process_index, accelerator.num_processes,
        )  # fmt: skip
        self.model = accelerator.prepare_model(options.model)
        self.module = accelerator.unwrap_model(self.model)  # without the part that exchanges gradients
        self.parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        optimizer = (options.optimizer or _adamw)(self.parameters)
        self.optimizer_settings = optimizer_settings(optimizer)  # before a schedule changes them
        # Accelerate would advance the schedule once for each process; here it counts updates.
        self.scheduler = options.scheduler(optimizer, total_steps) if options.scheduler else None
        # Without loss scaling Accelerate's optimizer adds only time (a search for a package with each step).
        self.optimizer = accelerator.prepare_optimizer(optimizer) if accelerator.scaler else optimizer

    def groups(self) -> list[dict[str, Any]]:
        """The optimizer's groups of parameters, with their learning rates."""
        return self.optimizer.param_groups

    def advance_schedule(self, updates: int) -> None:
        """Let the schedule go on as after so many updates."""
        _advance(self.scheduler, updates)

    def rates(self, total_steps: int, updates: int) -> list[float]:
        """Learning rates of a run of that length: before any update, after the first, ..., after `updates`."""
        optimizer = (self.options.optimizer or _adamw)(self.parameters)
        scheduler = self.options.scheduler(optimizer, total_steps)
        found = [optimizer.param_groups[0]["lr"]]
        for _ in range(updates):
            _advance(scheduler, 1)
            found.append(optimizer.param_groups[0]["lr"])
        return list(map(float, found))

    def over_processes(self, numbers: torch.Tensor) -> torch.Tensor:
        """The sum of every process's `numbers`."""
        return self.accelerator.reduce(numbers) if self.processes > 1 else numbers

    def parts(self) -> dict[str, Any]:
        """What has a state to save besides the model."""
        parts = {"optimizer": self.optimizer, "schedule": self.scheduler, "loss scaling": self.accelerator.scaler}
        return {name: part for name, part in parts.items() if part is not None}


def make_accelerator(log_with: Any, folder: Path | None) -> Accelerator:
    """An Accelerator for the runtime's device and precision."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import GradientAccumulationPlugin

    settings = runtime.current()
    # Accelerate keeps the first Accelerator's device and precision for the life of the process, and the runtime's may
    # have changed since. What connects several processes must stay.
    connected = torch.distributed.is_available() and torch.distributed.is_initialized()
    AcceleratorState._reset_state(reset_partial_state=not connected)
    accelerator = Accelerator(
        cpu=settings.device.type == "cpu",
        mixed_precision=settings.precision,
        # `fit` weighs micro-batches itself; a number set by `accelerate launch` would divide a second time.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1, sync_with_dataloader=False),
        log_with=log_with,
        project_dir=(folder.parent if folder else "runs") if log_with else None,
    )
    if settings.precision == "fp16" and settings.device.type == "cpu":  # Accelerate does so on GPUs only
        accelerator.native_amp, accelerator.scaler = True, torch.amp.GradScaler("cpu")
    if log_with:
        accelerator.init_trackers("lmtutor")
    return accelerator


@contextmanager
def kernels(accelerator: Accelerator) -> Iterator[None]:
    """Meanwhile fp16 runs on any CPU: oneDNN's LSTM knows it on few of them, PyTorch's own on all."""
    onednn, before = torch.backends.mkldnn, torch.backends.mkldnn.enabled
    onednn.enabled = before and (accelerator.scaler is None or accelerator.device.type != "cpu")
    try:
        yield
    finally:
        onednn.enabled = before


def take_off(model: torch.nn.Module, forward: Any) -> None:
    """Take from the model what Accelerate put on it; `forward` is what `vars(model)` held by that name before."""
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        vars(model).pop(name, None)
    if forward is not None:
        model.forward = forward


def _advance(scheduler: Any, updates: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the schedule of an optimizer that has not made these updates
        for _ in range(updates):
            scheduler.step()


def _adamw(parameters: list) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-3)
