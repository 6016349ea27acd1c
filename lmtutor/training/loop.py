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
import random
import signal
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from lmtutor import runtime
from lmtutor.data import batches
from lmtutor.data.text import Vocabulary
from lmtutor.runtime import CourseError
from lmtutor.training.checkpoint import CheckpointError, first_line, read_state, saves, weights_for, write
from lmtutor.training.schedules import rise_and_fall

if TYPE_CHECKING:
    import pandas

# Reading a loss makes the program wait for the GPU, which is then idle until it gets new work.
STEPS_PER_READ_ON_GPU = 10


class InputError(CourseError, ValueError):
    """What `fit` was given cannot be trained on."""


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
            it is the mean of. It calls the `model` it is handed, as `model(...)`: that one computes in the runtime's
            precision and shares its gradients with the other processes.
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
        checkpoint: a folder for saving the run with each row and on Ctrl-C. A save that fails leaves the one before.
        resume: go on from the checkpoint, if there is one, to the numbers of a run that was never broken off. Learning
            rate and other settings of the optimizer come from the checkpoint.
        vocabulary: the checkpoint keeps its fingerprint, so that neither `resume` nor `load_weights` takes another one.
        seed: for order, dropout and all else that is random; the runtime's if not given. The caller's own random
            generators (Python's, NumPy's, PyTorch's) are afterwards as before.
        log_with: a tracker as Accelerate names it ("tensorboard", "wandb", ...); it gets each row.
        progress: show a bar with loss, tokens per second and time left.
        on_step: is called with the number of steps done and the loss of the last (a scalar tensor) after each update;
            it may raise KeyboardInterrupt to end the run.

    Returns:
        A data frame with a row for each `log_every` steps: `step`, `epoch` (a fraction within an epoch), `train_loss`
        (mean over the tokens since the row before), `validation_loss` (with `validation`), `tokens` (so far),
        `tokens_per_second` (of training alone), `seconds` (so far, all included), `learning_rate` (of the last step).
        `history.attrs["stopped"]` is "finished", "early stopping", "interrupted" (Ctrl-C: after the step under way, or
        at once when pressed again) or "diverged" (a loss or gradient was not finite, and the model has its last good
        weights).

    Raises:
        InputError: (a ValueError) arguments that do not go together, no examples, a batch that the loss cannot take.
        CheckpointError: the checkpoint is damaged, or from another model or run.
        CourseError: out of memory with single examples. Before that, each time memory runs out the step is repeated
            with half as many examples at once; the effective batch, and so the result, stays the same.
    """
    options = SimpleNamespace(**locals())
    _check(options)
    options.seed = runtime.current().seed if seed is None else seed
    modes = [(module, module.training) for module in model.modules()]
    forward = vars(model).get("forward")
    accelerator = _accelerator(log_with, checkpoint)
    try:
        with _own_randomness(accelerator.device), _deferred_interrupt() as interrupt:
            return _Run(options, accelerator, interrupt).train()
    finally:
        for name in ("forward", "_original_forward", "_is_accelerate_prepared"):  # what Accelerate put on the model
            vars(model).pop(name, None)
        if forward is not None:
            model.forward = forward
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
    _check_duration(epochs, steps)
    if not len(lengths):
        raise InputError("There are no examples to train on.")
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


def _check(options: SimpleNamespace) -> None:
    """Raise an InputError for the first of fit's arguments that makes no sense."""
    _check_duration(options.epochs, options.steps)
    for name in ("epochs", "steps", "batch_size", "accumulate", "log_every", "patience"):
        value = getattr(options, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise InputError(f"{name} must be a whole number of at least 1, not {value!r}.")
    for name in ("train", "validation"):
        data = getattr(options, name)
        if data is None and name == "validation":
            continue
        if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
            raise InputError(f"{name} must have a length and an index, as a list has; {type(data).__name__} has not.")
        if len(data) == 0:
            raise InputError(f"{name} holds no examples.")
    if options.patience is not None and options.validation is None:
        raise InputError("patience needs validation examples to measure the loss on.")
    if options.vocabulary is not None and not isinstance(options.vocabulary, Vocabulary):
        raise InputError(f"vocabulary must be a Vocabulary, not {type(options.vocabulary).__name__}.")
    if not any(parameter.requires_grad for parameter in options.model.parameters()):
        raise InputError("All parameters of the model are frozen, so nothing can learn: set requires_grad of some.")


def _check_duration(epochs: int | None, steps: int | None) -> None:
    if (epochs is None) == (steps is None):
        raise InputError("Give either epochs or steps, and not both.")


@dataclass
class _Progress:
    """What a checkpoint keeps of a run besides weights, optimizer and schedule."""

    micro_batch: int  # examples taken through the model at once: batch_size, or less once memory ran out
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    learning_rate: float = math.nan
    rows: list[dict] = field(default_factory=list)
    row_loss: float = 0.0  # of the row under way: sum over its tokens
    row_tokens: int = 0
    row_seconds: float = 0.0
    best_loss: float = math.inf
    rows_since_best: int = 0


class _Diverged(Exception):
    """A loss or a gradient is not finite."""


class _Run:
    """One call of `fit`: `train` is the loop, `_step` one update."""

    def __init__(self, options: SimpleNamespace, accelerator, interrupt: SimpleNamespace):
        self.options, self.accelerator, self.interrupt = options, accelerator, interrupt
        self.device, self.rank, self.world = accelerator.device, accelerator.process_index, accelerator.num_processes
        self.on_cuda = self.device.type == "cuda"
        self.folder = Path(options.checkpoint) if options.checkpoint else None
        self.effective_batch = options.batch_size * options.accumulate * self.world
        self.steps_per_epoch = math.ceil(len(options.train) / self.effective_batch)
        self.total_steps = options.steps or options.epochs * self.steps_per_epoch
        self.log_every = options.log_every or self.steps_per_epoch
        self.steps_per_read = 1 if self.device.type == "cpu" else STEPS_PER_READ_ON_GPU

        self.model = accelerator.prepare_model(options.model)
        self.module = accelerator.unwrap_model(self.model)  # without the part that exchanges gradients
        self.parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        optimizer = (options.optimizer or _adamw)(self.parameters)
        # Accelerate would advance the schedule once for each process; here it counts updates.
        self.scheduler = options.scheduler(optimizer, self.total_steps) if options.scheduler else None
        # Without loss scaling Accelerate's optimizer adds only time (a search for a package with each step).
        self.optimizer = accelerator.prepare_optimizer(optimizer) if accelerator.scaler else optimizer

        self.progress = _Progress(micro_batch=options.batch_size)
        self.unread = torch.zeros(4, device=self.device)  # sums since the last read: see _step
        self.best: dict | None = None  # weights with the best validation loss
        self.good: dict | None = None  # weights at the last read
        self.order: tuple[int, list[int]] = (-1, [])  # an epoch and its order of the examples
        self.stop = False
        self.made_with = {
            "seed": options.seed,
            "shuffle": options.shuffle,
            "number of examples": len(options.train),
            "effective batch size": self.effective_batch,
            "optimizer": type(optimizer).__name__,
        }
        if options.vocabulary is not None:
            self.made_with["vocabulary"] = options.vocabulary.fingerprint
        if self.folder and options.resume:
            self._resume()

    # The loop

    def train(self) -> pandas.DataFrame:
        """Train until something ends it; return the history."""
        from tqdm.auto import tqdm

        p, main = self.progress, self.accelerator.is_main_process
        hidden = {} if self.options.progress and main else {"disable": True}
        self.module.train()
        self._remember_good()
        self.clock = time.perf_counter()
        with tqdm(desc="training", total=self.total_steps, initial=p.step, unit="step", leave=False, **hidden) as bar:
            self.bar = bar
            try:
                stopped, message = self._loop()
            except _Diverged as diverged:
                stopped, message = "diverged", f"Stopped at step {p.step + 1}: {diverged}."
                if self.good is not None:
                    self.module.load_state_dict(self.good)
        if p.step > self._last_row_step():
            p.rows.append(self._row(math.nan))
        if self.best is not None:
            self.module.load_state_dict(self.best)
        if message and main:
            print(message)
        for tracker in self.accelerator.trackers:
            tracker.finish()
        return self._history(stopped)

    def _loop(self) -> tuple[str, str]:
        """Step until the end, early stopping or Ctrl-C; return which, and what to tell."""
        p = self.progress
        try:
            while True:
                at_row = p.step % self.log_every == 0 or p.step == self.total_steps
                if at_row and p.step > self._last_row_step():
                    self._end_row()
                if self.options.patience and p.rows_since_best >= self.options.patience:
                    return "early stopping", ""
                if p.step >= self.total_steps:
                    return "finished", ""
                self._step()
        except KeyboardInterrupt:
            self._read()
            # Only a second Ctrl-C can have torn an update apart, which must not replace the last good save.
            saved = f", and the run is saved in {self.folder}" if self.interrupt.presses < 2 and self._save() else ""
            return "interrupted", f"Interrupted after step {p.step}: the model and the history are kept{saved}."

    def _step(self) -> None:
        """One update of the weights."""
        p = self.progress
        sums = self._halving(self._gradients)
        norm = self._clip()
        self.unread += torch.cat([sums, norm.reshape(1)])  # a NaN or infinity in any of the steps stays in the sum
        if (p.step + 1) % self.steps_per_read == 0:
            self._read()
            self._remember_good()
        p.learning_rate = self.optimizer.param_groups[0]["lr"]
        self.optimizer.step()
        if self.scheduler and not self.accelerator.optimizer_step_was_skipped:
            self.scheduler.step()
        p.step += 1
        self.bar.update()
        if self.options.on_step:
            self.options.on_step(p.step, sums[0] / sums[1])
        if self.stop:
            raise KeyboardInterrupt

    def _gradients(self) -> torch.Tensor:
        """Leave in the parameters the gradient of the mean loss over all tokens of the step's effective batch.

        The number of all tokens is known only after the last micro-batch. So the mean loss of each one weighs as many
        tokens as it has, in units of the first one's, and the gradient is divided by their sum at the end.

        Returns:
            Over all processes: sum of the losses, number of tokens, how many processes want to stop; shape (3,).
        """
        _reseed(self.options.seed, self.progress.step, self.rank)
        self.optimizer.zero_grad()
        indices, size = self._indices(), self.progress.micro_batch
        share = indices[self.rank :: self.world]
        micro_batches = [share[start : start + size] for start in range(0, len(share), size)]
        losses, counts = [], []
        for number, chosen in enumerate(micro_batches or [indices[:1]], start=1):
            with self.accelerator.no_sync(self.model) if number < len(micro_batches) else nullcontext():
                mean, count = self._mean_loss(self.model, self.options.train, chosen)
                if not share:
                    count = 0 * count  # fewer examples than processes: this one only takes part in the exchange
                if number == 1:
                    unit = self._over_processes(count).clamp(min=1)
                losses.append(mean.detach() * count)
                counts.append(count)
                if self.world > 1 or number > 1:
                    # Accelerate averages gradients over the processes; times `world` that is their sum.
                    mean = mean * (count * self.world / unit)
                self.accelerator.backward(mean)
        stop = torch.full_like(count, self.interrupt.presses)
        sums = self._over_processes(torch.stack([sum(losses), sum(counts), stop]))
        if len(indices) > self.world * size:  # some process has more than one micro-batch
            factor = unit / sums[1]
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad *= factor
        return sums

    def _mean_loss(self, model: torch.nn.Module, data: Any, indices: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean loss of the examples at `indices`, and the number that it is the mean of: scalar tensors."""
        from accelerate.utils import send_to_device

        try:
            fetch = getattr(data, "__getitems__", None)  # a datasets.Dataset reads many at once much faster
            examples = fetch(indices) if fetch else [data[index] for index in indices]
            # Copies to a GPU that do not block spare the program a wait for all that the GPU has still to do.
            batch = send_to_device(self.options.collate(examples), self.device, non_blocking=self.on_cuda)
            mean, count = self.options.loss(model, batch)
            if mean.dim() > 0:
                raise ValueError("the loss is not a scalar")
            return mean.float(), torch.as_tensor(count).to(self.device, torch.float32, non_blocking=self.on_cuda)
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, CourseError) or _is_out_of_memory(error):
                raise
            raise InputError(_blame(error, self.progress.step + 1)) from error

    def _over_processes(self, numbers: torch.Tensor) -> torch.Tensor:
        """The sum of every process's `numbers`."""
        return self.accelerator.reduce(numbers) if self.world > 1 else numbers

    def _clip(self) -> torch.Tensor:
        """Clip the gradient; return the norm that it had."""
        self.accelerator.unscale_gradients()
        if self.options.clip_norm is not None:
            return torch.nn.utils.clip_grad_norm_(self.parameters, self.options.clip_norm)
        return torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])

    def _halving(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, repeated with half the micro-batch for as long as memory runs out."""
        from accelerate.utils.memory import clear_device_cache

        p = self.progress
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                if p.micro_batch == 1 or self.world > 1:  # other processes would wait for this one's repetition
                    way_out = "shorten them, or take a smaller model" if self.world == 1 else (
                        "start again with half the batch_size and twice the accumulate"
                    )  # fmt: skip
                    raise CourseError(
                        f"Out of memory at step {p.step + 1} with {p.micro_batch} examples at once; {way_out}."
                    ) from error
            # No longer within `except`, so the error does not hold the tensors of the broken-off work.
            p.micro_batch //= 2
            self.optimizer.zero_grad()
            clear_device_cache(garbage_collection=True)
            print(
                f"Out of memory at step {p.step + 1}: going on with {p.micro_batch} examples at once; "
                f"each update still sees {self.effective_batch}."
            )

    def _indices(self) -> list[int]:
        """Which examples the effective batch of this step holds."""
        epoch, position = divmod(self.progress.step, self.steps_per_epoch)
        if self.order[0] != epoch:
            count = len(self.options.train)
            generator = torch.Generator().manual_seed(_mix(self.options.seed, "epoch", epoch))
            shuffled = torch.randperm(count, generator=generator) if self.options.shuffle else torch.arange(count)
            self.order = (epoch, shuffled.tolist())
        return self.order[1][position * self.effective_batch : (position + 1) * self.effective_batch]

    # The numbers

    def _read(self) -> None:
        """Take the sums since the last read from the device: here the program waits for the GPU.

        Raises:
            _Diverged: one of the steps since then was not finite.
        """
        loss, tokens, stops, norm = self.unread.tolist()
        self.unread.zero_()
        within = f" within {self.steps_per_read} steps" if self.steps_per_read > 1 else ""
        kept = "the weights with the best validation loss" if self.best is not None else "its last good weights"
        hint = f"the model has {kept}; a lower learning rate may help"
        if not math.isfinite(loss):
            raise _Diverged(f"the loss became {loss:g}{within}, and {hint}")
        # With loss scaling (fp16) the gradient overflows now and then: the scaler skips the update and halves the scale
        scaler = self.accelerator.scaler
        if not math.isfinite(norm) and (scaler is None or scaler.get_scale() < 1):
            raise _Diverged(f"the gradient became {norm:g}{within}, and {hint}")
        p = self.progress
        p.row_loss += loss
        p.row_tokens += int(tokens)
        p.tokens += int(tokens)
        p.row_seconds += self._lap()
        self.stop = stops > 0
        shown = f"loss {p.row_loss / max(p.row_tokens, 1):.3f}, {p.row_tokens / p.row_seconds:,.0f} tokens/s"
        self.bar.set_postfix_str(shown, refresh=False)

    def _lap(self) -> float:
        """Seconds since the last lap; they are added to the run's."""
        seconds, self.clock = time.perf_counter() - self.clock, time.perf_counter()
        self.progress.seconds += seconds
        return seconds

    def _remember_good(self) -> None:
        """Keep the weights, where losses are read too late to stop the update that spoils them."""
        if self.steps_per_read > 1 and self.good is None:
            self.good = _copy(self.module)
        elif self.good is not None:
            for name, value in self.module.state_dict().items():
                self.good[name].copy_(value)

    def _end_row(self) -> None:
        """Finish a row of the history: validate, keep the best weights, save."""
        p = self.progress
        self._read()
        validation_loss = math.nan if self.options.validation is None else self._halving(self._validate)
        self._lap()
        row = self._row(validation_loss)
        p.rows.append(row)
        p.row_loss, p.row_tokens, p.row_seconds = 0.0, 0, 0.0
        if self.options.patience:
            p.rows_since_best += 1
            if validation_loss < p.best_loss:
                p.best_loss, p.rows_since_best, self.best = validation_loss, 0, _copy(self.module)
        self.accelerator.log({name: value for name, value in row.items() if not math.isnan(value)}, step=p.step)
        self._save()
        self._lap()

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean loss over all tokens of the validation examples, in evaluation mode."""
        _reseed(self.options.seed, "validation", self.rank)  # masks drawn in `collate` are the same each time
        sums = torch.zeros(2, device=self.device)
        data, size = self.options.validation, self.progress.micro_batch
        share = list(range(len(data)))[self.rank :: self.world]
        self.module.eval()
        try:
            for start in range(0, len(share), size):
                mean, count = self._mean_loss(self.module, data, share[start : start + size])
                sums += torch.stack([mean * count, count])
        finally:
            self.module.train()
        loss, tokens = self._over_processes(sums).tolist()
        return loss / max(tokens, 1)

    def _last_row_step(self) -> int:
        return self.progress.rows[-1]["step"] if self.progress.rows else 0

    def _row(self, validation_loss: float) -> dict[str, float]:
        p = self.progress
        return {
            "step": p.step,
            "epoch": p.step / self.steps_per_epoch,
            "train_loss": p.row_loss / max(p.row_tokens, 1),
            "validation_loss": validation_loss,
            "tokens": p.tokens,
            "tokens_per_second": p.row_tokens / max(p.row_seconds, 1e-9),
            "seconds": p.seconds,
            "learning_rate": p.learning_rate,
        }

    def _history(self, stopped: str) -> pandas.DataFrame:
        import pandas

        history = pandas.DataFrame(self.progress.rows, columns=list(self._row(math.nan)))
        history.attrs["stopped"] = stopped
        return history if self.options.validation is not None else history.drop(columns="validation_loss")

    # The checkpoint

    def _save(self) -> bool:
        """Save the run, and say whether that went well; a failure is told, and leaves the save before."""
        from safetensors import SafetensorError

        saved = False
        if self.folder and self.accelerator.is_main_process:
            state = {"made_with": self.made_with, "progress": asdict(self.progress)}
            state |= {name: part.state_dict() for name, part in self._parts().items()}
            try:
                write(self.folder, self.module.state_dict(), self.best, state)
                saved = True
            except (OSError, RuntimeError, SafetensorError) as error:
                print(
                    f"The checkpoint of step {self.progress.step} could not be written to {self.folder} "
                    f"({first_line(error)}); what was saved before is unharmed."
                )
        self.accelerator.wait_for_everyone()
        return saved

    def _resume(self) -> None:
        """Take over the newest save, if there is one, or raise a CheckpointError."""
        found = saves(self.folder)
        if not found:
            return
        state = read_state(found[-1])
        weights = weights_for(self.module, found[-1] / "model.safetensors")
        again = "call fit as before, or with resume=False to start again"
        for name, value in self.made_with.items():
            if state["made_with"].get(name) != value:
                raise CheckpointError(
                    f"The checkpoint in {self.folder} is of a run with {name} {state['made_with'].get(name)}, and this "
                    f"one has {value}; {again}."
                )
        self.made_with = state["made_with"] | self.made_with  # a vocabulary that was given once stays known
        if self.options.patience and (found[-1] / "best.safetensors").exists():
            self.best = weights_for(self.module, found[-1] / "best.safetensors")
        for name, part in self._parts().items():
            try:
                part.load_state_dict(state[name])
            except (LookupError, TypeError, ValueError) as error:
                raise CheckpointError(
                    f"The checkpoint in {self.folder} is of a run with another {name} ({first_line(error)}); {again}."
                ) from error
        self.progress = _Progress(**state["progress"])
        self.module.load_state_dict(weights)

    def _parts(self) -> dict[str, Any]:
        """What has a state to save besides the model."""
        parts = {"optimizer": self.optimizer, "schedule": self.scheduler, "loss scaling": self.accelerator.scaler}
        return {name: part for name, part in parts.items() if part is not None}


# Helpers


def _accelerator(log_with: Any, checkpoint: str | Path | None):
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
        project_dir=(Path(checkpoint).parent if checkpoint else "runs") if log_with else None,
    )
    if log_with:
        accelerator.init_trackers("lmtutor")
    return accelerator


def _adamw(parameters: list) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-3)


def _copy(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _mix(*key: Any) -> int:
    """A seed of 32 bits made of several numbers and names, the same on every machine."""
    return zlib.crc32(repr(key).encode())


def _reseed(*key: Any) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (of the CPU and the current GPU) from `key`."""
    import numpy

    seed = _mix(*key)
    random.seed(seed)
    numpy.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed takes far longer: it asks every kind of device
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(seed)
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Leave the caller's random generators as they were."""
    import numpy

    python, array = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(array)


@contextmanager
def _deferred_interrupt() -> Iterator[SimpleNamespace]:
    """Ctrl-C only counts in `.presses`, so that it cannot tear an update apart; from the second on it raises."""
    interrupt = SimpleNamespace(presses=0)

    def press(*_) -> None:
        interrupt.presses += 1
        if interrupt.presses > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield interrupt
        return
    previous = signal.signal(signal.SIGINT, press)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)


def _is_out_of_memory(error: BaseException) -> bool:
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or should_reduce_batch_size(error)


def _blame(error: Exception, step: int) -> str:
    """One sentence on an error in a batch or its loss, with the caller's line that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.line for f in frames if f.filename != __file__ and "site-packages" not in f.filename]
    where = f" in `{lines[-1]}`" if lines and lines[-1] else ""
    return f"The batch of step {step} or its loss failed{where} ({first_line(error)})."
