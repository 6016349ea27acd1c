"""The parts that a run is made of, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from lmtutor.training.divergence import Readings
from lmtutor.training.early_stopping import EarlyStopping
from lmtutor.training.history import Progress
from lmtutor.training.interrupt import Interrupt
from lmtutor.training.learner import Learner
from lmtutor.training.losses import Losses
from lmtutor.training.memory import halving
from lmtutor.training.order import Order
from lmtutor.training.resume import Resumption
from lmtutor.training.saving import Saving
from lmtutor.training.settings import settings_of
from lmtutor.training.step import Step


@dataclass
class Parts:
    """What one call of `fit` needs, each part made of those above it."""

    progress: Progress
    order: Order
    total_steps: int
    learner: Learner
    losses: Losses
    step: Step
    readings: Readings
    early_stopping: EarlyStopping
    saving: Saving
    halving: Callable[[Callable[[], Any]], Any]


def assemble(options: SimpleNamespace, accelerator: Any, interrupt: Interrupt) -> Parts:
    """The parts for fit's arguments; a run that is resumed is where it was left."""
    batch = options.batch_size * options.accumulate * accelerator.num_processes
    progress = Progress(micro_batch=options.batch_size)
    order = Order(len(options.train), batch, options.seed, options.shuffle)
    total_steps = options.steps or options.epochs * order.steps_per_epoch
    learner = Learner(options, accelerator, total_steps)
    losses = Losses(options, learner, progress, total_steps)
    early_stopping = EarlyStopping(learner.module, options.patience, progress)
    made_with, since = settings_of(options, learner, batch) if options.folder else {}, 0
    if options.folder and options.resume:
        resumption = Resumption(options, learner, made_with, total_steps)
        if found := resumption.find():
            since = resumption.take_over(found, progress)
            early_stopping.best = found.best
            made_with = found.state["made_with"] | made_with  # a vocabulary that was given once stays known
            if accelerator.is_main_process:
                print(resumption.told(progress, early_stopping.over))
    forget = learner.optimizer.zero_grad
    return Parts(
        progress=progress,
        order=order,
        total_steps=total_steps,
        learner=learner,
        losses=losses,
        step=Step(options, learner, order, losses, progress, interrupt),
        readings=Readings(learner.module, learner.device, accelerator.scaler),
        early_stopping=early_stopping,
        saving=Saving(options.folder, learner, progress, early_stopping, made_with, total_steps, since),
        halving=partial(halving, progress=progress, processes=learner.processes, batch=batch, forget=forget),
    )
