"""One step: the gradient over its effective batch, and the update of the weights."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import torch

from lmtutor.training.history import Progress
from lmtutor.training.interrupt import Interrupt
from lmtutor.training.learner import Learner
from lmtutor.training.losses import Losses
from lmtutor.training.memory import or_as_before
from lmtutor.training.order import Order
from lmtutor.training.randomness import reseed


class Step:
    """`gradients`, `clip` and `update`, one after the other, are one step."""

    def __init__(
        self,
        options: SimpleNamespace,
        learner: Learner,
        order: Order,
        losses: Losses,
        progress: Progress,
        interrupt: Interrupt,
    ):
        self.options, self.learner, self.order, self.losses = options, learner, order, losses
        self.progress, self.interrupt = progress, interrupt
        self._updated = False

    def gradients(self) -> torch.Tensor:
        """Leave in the parameters the gradient of the mean loss over all tokens of the step's effective batch.

        The mean loss of each micro-batch weighs as many tokens as it has, see `_unit`.

        Returns:
            Over all processes: sum of the losses, number of tokens, how many processes want to stop; shape (3,).
        """
        learner, accelerator = self.learner, self.learner.accelerator
        reseed(self.options.seed, self.progress.step, learner.rank)
        learner.optimizer.zero_grad()
        indices, size = self.order.of_step(self.progress.step), self.progress.micro_batch
        share = indices[learner.rank :: learner.processes]
        micro_batches = [share[start : start + size] for start in range(0, len(share), size)]
        # With fewer examples than processes, this one may only take part in the exchange.
        groups, batches = micro_batches or [indices[:1]], {}
        losses, counts = [], []  # of each micro-batch [parts]
        for number, chosen in enumerate(groups):
            with accelerator.no_sync(learner.model) if number + 1 < len(groups) else nullcontext():
                batch = batches.pop(number) if batches else self.losses.batch(self.options.train, chosen)
                mean, count = self.losses.of(learner.model, batch)
                if not share:
                    count = 0 * count
                if number == 0:
                    unit, batches = self._unit(count, groups)
                losses.append(mean.detach() * count)
                counts.append(count)
                if learner.processes > 1 or number > 0 or (len(mean) > 1 and len(groups) > 1):
                    # Accelerate averages gradients over the processes; times their number that is the sum.
                    mean = mean * (count * learner.processes / unit)
                accelerator.backward(mean.sum())
        stop = torch.full_like(count, self.interrupt.presses)
        losses, counts, stops = learner.over_processes(torch.stack([sum(losses), sum(counts), stop]))
        if len(unit) == 1 and len(indices) > learner.processes * size:  # some process has more than one micro-batch
            factor = unit / torch.where(counts > 0, counts, 1)  # 0: nothing to learn in any of them
            for parameter in learner.parameters:
                if parameter.grad is not None:
                    parameter.grad *= factor
        # The tokens are those of the first part.
        losses = losses if len(losses) == 1 else (losses / counts.clamp(min=1)).sum() * counts
        return torch.stack([losses[0], counts[0], stops[0]])

    def _unit(self, count: torch.Tensor, groups: list[list[int]]) -> tuple[torch.Tensor, dict]:
        """What the loss is counted in units of [parts], and batches that had to be made to know it, by their numbers.

        How many tokens there are is known only after the last micro-batch. For a single mean the first one's do, and
        the gradient is divided by all in units of these in the end. Several means are weighed against each other, so
        of a loss that has them the numbers of all are found beforehand.
        """
        batches = {}
        if len(count) > 1:
            with torch.no_grad():
                for number, chosen in enumerate(groups[1:], start=1):
                    batches[number] = self.losses.batch(self.options.train, chosen)
                    count = count + self.losses.of(self.learner.module, batches[number])[1]
        return self.learner.over_processes(count).clamp(min=1), batches

    def clip(self) -> torch.Tensor:
        """Clip the gradient; return the norm that it had."""
        parameters = self.learner.parameters
        self.learner.accelerator.unscale_gradients()
        if self.options.clip_norm is not None:
            return torch.nn.utils.clip_grad_norm_(parameters, self.options.clip_norm)
        return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])

    def update(self) -> None:
        """Change the weights, and advance the schedule."""
        learner = self.learner
        self.progress.learning_rate = learner.optimizer.param_groups[0]["lr"]
        with or_as_before(learner.module, self.progress.step, first=not self._updated):
            learner.optimizer.step()
        self._updated = True
        if learner.scheduler and not learner.accelerator.optimizer_step_was_skipped:
            learner.scheduler.step()
        self.progress.step += 1
