"""Saving a run in its checkpoint folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmtutor.training.checkpoint import first_line, write
from lmtutor.training.early_stopping import EarlyStopping
from lmtutor.training.history import Progress
from lmtutor.training.learner import Learner


class Saving:
    """Saves of a run: `save` writes one.

    Args:
        folder: where to; None saves nothing.
        learner, progress, early_stopping: what is saved.
        made_with: the settings of the run.
        total_steps: of the run.
        schedule_since: the step from which on the schedule is that of so many steps.
    """

    def __init__(
        self,
        folder: Path | None,
        learner: Learner,
        progress: Progress,
        early_stopping: EarlyStopping,
        made_with: dict[str, Any],
        total_steps: int,
        schedule_since: int,
    ):
        self.folder, self.learner, self.progress, self.early_stopping = folder, learner, progress, early_stopping
        self.made_with, self.length = made_with, {"total_steps": total_steps, "schedule_since": schedule_since}

    def save(self) -> bool:
        """Save the run, and say whether that went well; a failure is told, and leaves the save before."""
        from safetensors import SafetensorError

        saved, learner = False, self.learner
        try:
            if self.folder and learner.accelerator.is_main_process:
                state = {"made_with": self.made_with, "progress": asdict(self.progress), **self.length}
                state |= {name: part.state_dict() for name, part in learner.parts().items()}
                write(self.folder, learner.module.state_dict(), self.early_stopping.best, state)
                saved = True
        except (OSError, RuntimeError, SafetensorError) as error:
            print(
                f"The checkpoint of step {self.progress.step} could not be written to {self.folder} "
                f"({first_line(error)}); what was saved before is unharmed."
            )
        finally:
            learner.accelerator.wait_for_everyone()
        return saved
