"""One training loop for the whole course, on Hugging Face Accelerate.

`fit` trains a model on one CPU, one GPU or, under `accelerate launch`, on several processes. Three rules make its
numbers the same however a batch is cut up, distributed or broken off:

- A step minimises the mean loss over *all tokens* of its effective batch (`batch_size * accumulate * processes`
  examples), never a mean of means.
- The order of the examples depends on seed and epoch only; the random numbers of a step (dropout, masking in
  `collate`) on seed, step and process only. So no state of a random generator has to be kept.
- A step changes the weights in one place, once its gradient is complete. Whatever happens before that (Ctrl-C, out of
  memory) drops the step as if it had never begun.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from lmtutor import runtime
from lmtutor.data import batches
from lmtutor.data.text import Vocabulary
from lmtutor.training.arguments import InputError, check, check_duration, whole_number
from lmtutor.training.checkpoint import folder_of
from lmtutor.training.divergence import Diverged, told
from lmtutor.training.interrupt import Interrupt, deferred_interrupt
from lmtutor.training.learner import kernels, make_accelerator, take_off
from lmtutor.training.lock import writing_to
from lmtutor.training.parts import assemble
from lmtutor.training.randomness import own_randomness
from lmtutor.training.schedules import rise_and_fall

if TYPE_CHECKING:
    import pandas
    from tqdm.auto import tqdm


def fit(
    model: torch.nn.Module,
    train: Sequence | torch.utils.data.Dataset,
    *,
    loss: Callable[[torch.nn.Module, Any], tuple[torch.Tensor, int | torch.Tensor]],
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    accumulate: int = 1,
    collate: Callable[[list], Any] = torch.utils.data.default_collate,
    shuffle: bool = True,
    optimizer: Callable[[list], torch.optim.Optimizer] | None = None,
    scheduler: Callable[[torch.optim.Optimizer, int], Any] | None = None,
    clip_norm: float | None = 1.0,
    validation: Sequence | torch.utils.data.Dataset | None = None,
    log_every: int | None = None,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    vocabulary: Vocabulary | None = None,
    seed: int | None = None,
    log_with: Any = None,
    progress: bool = True,
    on_step: Callable[[int, torch.Tensor], None] | None = None,
) -> pandas.DataFrame:
    """Train `model` in place and return the history. Device and precision are those of `runtime.current()`.

    Args:
        model: moves to the device; its train/eval modes are afterwards as before.
        train: examples with a length and an index: a list, a tensor, a map-style `Dataset`.
        loss: `loss(model, batch)` returns the mean loss (a scalar tensor) and the number of tokens, or examples, that
            it is the mean of; of nothing to learn 0, and then the gradient is 0. A loss that is the sum of several
            means returns these, and their numbers: two tensors [parts], with the tokens first. It calls the `model` it
            is handed, as `model(...)`: that one computes in the runtime's precision and shares its gradients with the
            other processes.
        epochs, steps: how long; exactly one of them. A step is one update of the weights.
        batch_size: examples that one process takes through the model at once.
        accumulate: batches whose gradients are added up for one update.
        collate: makes a batch of a list of examples; the batch then moves to the device.
        shuffle: a new order each epoch, or always the order of `train`.
        optimizer: makes an optimizer of a list of parameters; if not given, AdamW with learning rate 1e-3.
        scheduler: makes a schedule of an optimizer and the number of steps, as `CosineAnnealingLR` itself does; it
            advances with each update.
        clip_norm: largest norm of the gradient, or None.
        validation: examples whose loss is measured for each row of the history.
        log_every: steps from one row of the history to the next; an epoch if not given.
        patience: stop when so many rows in a row bring no better validation loss, and end, however the run ends, with
            the weights of the best one.
        checkpoint: a folder for saving the run with each row and on Ctrl-C; `~` is the home folder. A save that fails
            leaves the one before. No other run can write there meanwhile.
        resume: go on from the checkpoint, if there is one, to the numbers of a run that was never broken off, and say
            so. A run may get longer; a schedule is then from here on that of a run of the new length. All else that
            decides the numbers (seed, data, effective batch, optimizer, schedule, clip_norm, precision, dropout, ...)
            must be as it was; `loss` and `collate` cannot be compared.
        vocabulary: the checkpoint keeps its fingerprint, so that neither `resume` nor `load_weights` takes another one.
        seed: for order, dropout and all else that is random; the runtime's if not given. The caller's own random
            generators (Python's, NumPy's, PyTorch's) are afterwards as before.
        log_with: a tracker as Accelerate names it ("tensorboard", "wandb", ...); it gets each row.
        progress: show a bar with loss, tokens per second and time left.
        on_step: is called with the number of steps done and the loss of the last (a scalar tensor) after each update;
            it may raise KeyboardInterrupt to end the run. The loss is NaN where there was nothing to learn.

    Returns:
        A data frame with a row for each `log_every` steps: `step`, `epoch` (a fraction within an epoch), `train_loss`
        (mean over the tokens since the row before, NaN if there were none), `validation_loss` (with `validation`),
        `tokens` (so far), `tokens_per_second` (of training alone), `seconds` (so far, all included), `learning_rate`
        (of the last step).
        `history.attrs["stopped"]` is "finished", "early stopping", "interrupted" (Ctrl-C: after the step under way, or
        at once when pressed again) or "diverged" (a loss or gradient was not finite, and the model has its last good
        weights).

    Raises:
        InputError: (a ValueError) arguments that do not go together, no examples, a batch that the loss cannot take,
            or nothing to learn in any batch of an epoch, or of `validation`.
        CheckpointError: the checkpoint is damaged, or from another model or run, or another run is writing there.
        CourseError: out of memory with single examples, or in the update itself. Before that, each time memory runs out
            the step is repeated with half as many examples at once; the effective batch, and so the result, stays the
            same.
    """
    options = SimpleNamespace(**locals())
    check(options)
    options.seed = whole_number("seed", runtime.current().seed if seed is None else seed)
    options.folder = folder_of(checkpoint) if checkpoint else None
    modes = [(module, module.training) for module in model.modules()]
    forward = vars(model).get("forward")
    accelerator = make_accelerator(log_with, options.folder)
    try:
        with (
            own_randomness(accelerator.device),
            kernels(accelerator),
            deferred_interrupt() as interrupt,
            writing_to(options.folder, accelerator),
        ):
            return _Run(options, accelerator, interrupt).train()
    finally:
        take_off(model, forward)
        for module, training in modes:
            module.training = training


def fit_by_length(
    model: torch.nn.Module,
    lengths: Sequence[int],
    collate: Callable[[list[list[int]]], Any],
    loss: Callable[[torch.nn.Module, Any], tuple[torch.Tensor, int | torch.Tensor]],
    *,
    learning_rate: float,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    warm_up: float = 0.1,
    seed: int = 0,
    **options,
) -> pandas.DataFrame:
    """`fit` in batches of similar length, with AdamW and a rate that rises and falls in straight lines.

    Args:
        model: is trained in place.
        lengths: tokens of each example: [examples].
        collate: makes a batch of a list that holds one list of examples' numbers, see `classifier.collator`.
        loss: as `fit` wants it.
        learning_rate: the top of the schedule.
        epochs, steps: how long; exactly one of them.
        batch_size: examples a step; one step of each epoch may have fewer.
        warm_up: share of the steps in which the rate rises.
        seed: for order and dropout.
        options: more of `fit`, such as `log_every` or `patience`; `validation` is a list of lists of numbers, too.

    Returns:
        The history of `fit`; its `epoch` counts the passes over these examples.

    Raises:
        InputError: as in `fit`.
    """
    check_duration(epochs, steps)
    seed, batch_size = whole_number("seed", seed), whole_number("batch_size", batch_size, at_least=1)
    if not len(lengths):
        raise InputError("There are no examples to train on.")
    batches.check_lengths(lengths)
    per_epoch = len(batches.by_length(lengths, batch_size))
    epochs = epochs or math.ceil(steps / per_epoch)
    history = fit(
        model,
        batches.epochs_by_length(lengths, batch_size, epochs, seed=seed)[:steps],
        loss=loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=collate,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0),
        scheduler=partial(rise_and_fall, share=warm_up),
        seed=seed,
        **options,
    )
    history["epoch"] = history["step"] / per_epoch
    return history


class _Run:
    """One call of `fit`: `train` is the loop."""

    def __init__(self, options: SimpleNamespace, accelerator: Any, interrupt: Interrupt):
        self.options, self.accelerator, self.interrupt = options, accelerator, interrupt
        self.parts = assemble(options, accelerator, interrupt)
        self.progress = self.parts.progress
        self.stop = False

    def train(self) -> pandas.DataFrame:
        """Train until something ends it; return the history."""
        p, parts, main = self.progress, self.parts, self.accelerator.is_main_process
        parts.learner.module.train()
        parts.readings.remember()
        p.start_clock()
        with _bar(p.step, parts.total_steps, hidden=not (self.options.progress and main)) as self.bar:
            try:
                stopped, message = self._loop_or_interrupt()
            except Diverged as diverged:
                stopped, message = "diverged", told(diverged, p.step, best=parts.early_stopping.best is not None)
                parts.readings.restore()
            self.interrupt.may_raise = 0
        if p.step > p.last_row_step:
            p.add_row(parts.order.steps_per_epoch)
        parts.early_stopping.restore()
        if message and main:
            print(message)
        _finish(self.accelerator.trackers, self.interrupt)
        return p.history(stopped, validated=self.options.validation is not None)

    def _loop_or_interrupt(self) -> tuple[str, str]:
        """Step until the end; return which one, and what to tell."""
        try:
            return self._loop(), ""
        except KeyboardInterrupt:
            return "interrupted", self._interrupted()

    def _loop(self) -> str:
        """Step until the last step or early stopping; return which."""
        p, parts = self.progress, self.parts
        log_every = self.options.log_every or parts.order.steps_per_epoch
        while True:
            at_row = p.step % log_every == 0 or p.step == parts.total_steps
            if at_row and p.step > p.last_row_step:
                self._end_row()
            if parts.early_stopping.over:
                return "early stopping"
            if p.step >= parts.total_steps:
                return "finished"
            self._step()

    def _interrupted(self) -> str:
        """Save once more, if nothing can be torn apart; return what to tell."""
        # Only a second Ctrl-C can have torn an update apart, which must not replace the last good save.
        self.interrupt.may_raise = int(self.interrupt.presses < 2)
        saving, saved = self.parts.saving, False
        with suppress(KeyboardInterrupt):
            self._read()
            saved = self.interrupt.presses < 2 and saving.save()
        where = f", and the run is saved in {saving.folder}" if saved else ""
        return f"Interrupted after step {self.progress.step}: the model and the history are kept{where}."

    def _step(self) -> None:
        """One step, and what has to be looked at and told."""
        p, step, readings = self.progress, self.parts.step, self.parts.readings
        sums = self.parts.halving(step.gradients)
        readings.note(sums, step.clip())
        if (p.step + 1) % readings.every == 0:
            self._read()
            readings.remember()
        step.update()
        self.bar.update()
        if self.options.on_step:
            self.options.on_step(p.step, sums[0] / sums[1])
        if self.stop:
            raise KeyboardInterrupt

    def _read(self) -> None:
        """Read the losses of the steps since the last time."""
        loss, tokens, self.stop = self.parts.readings.read()
        self.progress.count(loss, tokens)
        self.bar.set_postfix_str(self.progress.so_far(), refresh=False)

    def _end_row(self) -> None:
        """Finish a row of the history: validate, keep the best weights, save."""
        p, parts = self.progress, self.parts
        self._read()
        parts.losses.check_tokens(parts.order.steps_per_epoch)
        validated = self.options.validation is not None
        validation_loss = parts.halving(parts.losses.of_validation) if validated else math.nan
        p.lap()
        row = p.add_row(parts.order.steps_per_epoch, validation_loss)
        parts.early_stopping.note(validation_loss)
        self.accelerator.log({name: value for name, value in row.items() if not math.isnan(value)}, step=p.step)
        parts.saving.save()
        p.lap()


def _bar(done: int, total: int, hidden: bool) -> tqdm:
    from tqdm.auto import tqdm

    hide = {"disable": True} if hidden else {}
    return tqdm(desc="training", total=total, initial=done, unit="step", leave=False, **hide)


def _finish(trackers: list, interrupt: Interrupt) -> None:
    """Let the trackers end; as they may take long, Ctrl-C ends that."""
    interrupt.may_raise = math.inf
    with suppress(KeyboardInterrupt):
        for tracker in trackers:
            tracker.finish()
