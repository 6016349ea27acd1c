"""One step: the gradient over its effective batch, and the update of the weights."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import torch

from lmtutor.training.history import Progress
from lmtutor.training.learner import Learner
from lmtutor.training.losses import Losses
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
        interrupt: SimpleNamespace,
    ):
        self.options, self.learner, self.order, self.losses = options, learner, order, losses
        self.progress, self.interrupt = progress, interrupt

    def gradients(self) -> torch.Tensor:
        """Leave in the parameters the gradient of the mean loss over all tokens of the step's effective batch.

        The number of all tokens is known only after the last micro-batch. So the mean loss of each one weighs as many
        tokens as it has, in units of the first one's, and the gradient is divided by their sum at the end.

        Returns:
            Over all processes: sum of the losses, number of tokens, how many processes want to stop; shape (3,).
        """
        learner, accelerator = self.learner, self.learner.accelerator
        reseed(self.options.seed, self.progress.step, learner.rank)
        learner.optimizer.zero_grad()
        indices, size = self.order.of_step(self.progress.step), self.progress.micro_batch
        share = indices[learner.rank :: learner.processes]
        micro_batches = [share[start : start + size] for start in range(0, len(share), size)]
        losses, counts = [], []
        for number, chosen in enumerate(micro_batches or [indices[:1]], start=1):
            with accelerator.no_sync(learner.model) if number < len(micro_batches) else nullcontext():
                mean, count = self.losses.of(learner.model, self.options.train, chosen)
                if not share:
                    count = 0 * count  # fewer examples than processes: this one only takes part in the exchange
                if number == 1:
                    unit = learner.over_processes(count).clamp(min=1)
                losses.append(mean.detach() * count)
                counts.append(count)
                if learner.processes > 1 or number > 1:
                    # Accelerate averages gradients over the processes; times their number that is the sum.
                    mean = mean * (count * learner.processes / unit)
                accelerator.backward(mean)
        stop = torch.full_like(count, self.interrupt.presses)
        sums = learner.over_processes(torch.stack([sum(losses), sum(counts), stop]))
        if len(indices) > learner.processes * size:  # some process has more than one micro-batch
            factor = unit / sums[1]
            for parameter in learner.parameters:
                if parameter.grad is not None:
                    parameter.grad *= factor
        return sums

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
        learner.optimizer.step()
        if learner.scheduler and not learner.accelerator.optimizer_step_was_skipped:
            learner.scheduler.step()
        self.progress.step += 1
