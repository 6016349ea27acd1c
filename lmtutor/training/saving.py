"""Saving a run in its checkpoint folder, and resuming it from there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from lmtutor.training.checkpoint import CheckpointError, first_line, read_state, saves, weights_for, write
from lmtutor.training.early_stopping import EarlyStopping
from lmtutor.training.history import Progress
from lmtutor.training.learner import Learner


class Saving:
    """Saves of a run: `save` writes one, `resume` takes over the newest."""

    def __init__(
        self,
        options: SimpleNamespace,
        learner: Learner,
        progress: Progress,
        early_stopping: EarlyStopping,
        effective_batch: int,
    ):
        self.learner, self.progress, self.early_stopping = learner, progress, early_stopping
        self.folder = Path(options.checkpoint) if options.checkpoint else None
        self.made_with = {
            "seed": options.seed,
            "shuffle": options.shuffle,
            "number of examples": len(options.train),
            "effective batch size": effective_batch,
            "optimizer": learner.optimizer_name,
        }
        if options.vocabulary is not None:
            self.made_with["vocabulary"] = options.vocabulary.fingerprint

    def save(self) -> bool:
        """Save the run, and say whether that went well; a failure is told, and leaves the save before."""
        from safetensors import SafetensorError

        saved, learner = False, self.learner
        if self.folder and learner.accelerator.is_main_process:
            state = {"made_with": self.made_with, "progress": asdict(self.progress)}
            state |= {name: part.state_dict() for name, part in learner.parts().items()}
            try:
                write(self.folder, learner.module.state_dict(), self.early_stopping.best, state)
                saved = True
            except (OSError, RuntimeError, SafetensorError) as error:
                print(
                    f"The checkpoint of step {self.progress.step} could not be written to {self.folder} "
                    f"({first_line(error)}); what was saved before is unharmed."
                )
        learner.accelerator.wait_for_everyone()
        return saved

    def resume(self) -> None:
        """Take over the newest save, if there is one, or raise a CheckpointError."""
        found = saves(self.folder) if self.folder else []
        if not found:
            return
        state = read_state(found[-1])
        weights = weights_for(self.learner.module, found[-1] / "model.safetensors")
        again = "call fit as before, or with resume=False to start again"
        for name, value in self.made_with.items():
            if state["made_with"].get(name) != value:
                raise CheckpointError(
                    f"The checkpoint in {self.folder} is of a run with {name} {state['made_with'].get(name)}, and this "
                    f"one has {value}; {again}."
                )
        self.made_with = state["made_with"] | self.made_with  # a vocabulary that was given once stays known
        if self.early_stopping.patience and (found[-1] / "best.safetensors").exists():
            self.early_stopping.best = weights_for(self.learner.module, found[-1] / "best.safetensors")
        for name, part in self.learner.parts().items():
            try:
                part.load_state_dict(state[name])
            except (LookupError, TypeError, ValueError) as error:
                raise CheckpointError(
                    f"The checkpoint in {self.folder} is of a run with another {name} ({first_line(error)}); {again}."
                ) from error
        vars(self.progress).update(state["progress"])
        self.learner.module.load_state_dict(weights)
