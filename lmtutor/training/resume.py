"""Resuming a run from its checkpoint folder: what is read there, checked, compared and taken over."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lmtutor.training.checkpoint import (
    BEST,
    STATE,
    WEIGHTS,
    CheckpointError,
    first_line,
    from_newest,
    read_file,
    read_state,
    weights_for,
)
from lmtutor.training.history import COLUMNS, Progress
from lmtutor.training.learner import Learner
from lmtutor.training.settings import first_difference

WAY_OUT = "call fit as before, or with resume=False to start again (training.load_weights takes the weights alone)"


class Resumption:
    """What is taken over from the newest save of a folder.

    Args:
        options: fit's arguments.
        learner: gets weights and the state of its optimizer, with its schedule as a run of this length has it.
        settings: of this run; a save made with others is refused.
        total_steps: of this run.
    """

    def __init__(self, options: SimpleNamespace, learner: Learner, settings: dict[str, Any], total_steps: int):
        self.options, self.learner, self.settings, self.total_steps = options, learner, settings, total_steps

    def find(self) -> SimpleNamespace | None:
        """The newest save as `state`, `weights` and `best`, if there is one; nothing is changed yet.

        Raises:
            CheckpointError: it is damaged, or of another model or run.
        """
        return from_newest(self.options.folder, self._read)

    def take_over(self, found: SimpleNamespace, progress: Progress) -> int:
        """Bring learner and progress to where the save was made; return since which step the schedule is this one."""
        learner, state = self.learner, found.state
        longer = state["total_steps"] != self.total_steps
        if learner.scheduler:
            updates = state["schedule"].get("last_epoch", state["progress"]["step"])
            self._compare_rates(state, updates)
            if longer:  # to where it is in a run of this length
                learner.advance_schedule(updates)
        groups = [{name: one for name, one in group.items() if name != "params"} for group in learner.groups()]
        for name, part in learner.parts().items():
            if name == "schedule" and longer:
                continue
            try:
                part.load_state_dict(state[name])
            except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
                self._refuse(f"is of a run with another {name} ({first_line(error)}); {WAY_OUT}", error)
        if learner.scheduler and longer:
            for group, values in zip(learner.groups(), groups, strict=True):
                group.update(values)
        vars(progress).update(state["progress"])
        progress.micro_batch = min(progress.micro_batch, self.options.batch_size)
        learner.module.load_state_dict(found.weights)
        return progress.step if longer else state["schedule_since"]

    def told(self, progress: Progress, early_stop: bool) -> str:
        """The sentence that says what is resumed."""
        at, folder = f"step {progress.step} of {self.total_steps}", self.options.folder
        if progress.step == self.total_steps or early_stop:
            ended = "stopped early" if progress.step < self.total_steps else "is finished"
            return f"The run in {folder} {ended} ({at}): model and history are taken from there."
        return f"Resuming at {at} from {folder}."

    def _read(self, save: Path) -> SimpleNamespace:
        state = read_state(save)
        read_file(save / STATE, lambda _: check_state(state))
        module = self.learner.module
        weights = weights_for(module, save / WEIGHTS, state)
        if difference := first_difference(state["made_with"], self.settings):
            self._refuse(f"is of a run with {difference}; {WAY_OUT}")
        step = state["progress"]["step"]
        if step > (end := self.total_steps):
            self._refuse(f"is of step {step}, and this run ends at step {end}: let it be longer, or {WAY_OUT}")
        best = None
        if self.options.patience and BEST in state["checksums"]:
            best = weights_for(module, save / BEST, state)
        return SimpleNamespace(state=state, weights=weights, best=best)

    def _compare_rates(self, state: dict[str, Any], updates: int) -> None:
        """Raise a CheckpointError if this run's schedule, in a run as long as the save's, had other rates so far."""
        rates = self.learner.rates(state["total_steps"], updates)
        expected = {updates: state["optimizer"]["param_groups"][0]["lr"]}
        if updates == state["progress"]["step"]:  # else loss scaling has skipped some
            rows = [row for row in state["progress"]["rows"] if row["step"] > state["schedule_since"]]
            expected |= {row["step"] - 1: row["learning_rate"] for row in rows}
        for update, rate in sorted(expected.items()):
            if not math.isclose(rate, rates[update], rel_tol=1e-6, abs_tol=1e-9 * max(map(abs, rates))):
                two = f"learning rate {rate:.3g} after {update} steps, and this one has {rates[update]:.3g}"
                self._refuse(f"is of a run with another schedule ({two}); {WAY_OUT}")

    def _refuse(self, why: str, error: Exception | None = None) -> None:
        raise CheckpointError(f"The checkpoint in {self.options.folder} {why}.") from error


def check_state(state: dict[str, Any]) -> None:
    """Raise a ValueError unless the state of a save is one that `fit` can have written."""
    progress, kinds = state["progress"], {"int": int, "float": (int, float)}
    if progress.keys() != {field.name for field in fields(Progress)}:
        raise ValueError("its progress has other parts")
    for field in fields(Progress):
        value = progress[field.name]
        if field.name == "rows":
            right = isinstance(value, list) and all(isinstance(row, dict) and list(row) == COLUMNS for row in value)
        else:
            right = isinstance(value, kinds[field.type]) and not value < (field.name == "micro_batch")
        if not right:
            raise ValueError(f"its {field.name} cannot be {value!r}"[:100])
    total, since = state.get("total_steps"), state.get("schedule_since")
    steps = [since, *(row["step"] for row in progress["rows"]), progress["step"], total]
    if not all(isinstance(step, int) for step in steps) or max(steps) > total or max(steps[1:-1]) > progress["step"]:
        raise ValueError(f"its steps cannot be {steps}"[:100])
