"""The history of a run: what is counted on the way, and the rows made of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

COLUMNS = [
    "step", "epoch", "train_loss", "validation_loss", "tokens", "tokens_per_second", "seconds", "learning_rate",
]  # fmt: skip


@dataclass
class Progress:
    """How far a run has come: what a checkpoint keeps of it besides weights, optimizer and schedule."""

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

    def start_clock(self) -> None:
        """Let the first lap begin."""
        self._clock = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap; they are added to the run's."""
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        self.seconds += seconds
        return seconds

    def count(self, loss: float, tokens: int) -> None:
        """Add steps that were done since the last lap, with the sum of their losses, to the row under way."""
        self.row_loss += loss
        self.row_tokens += tokens
        self.tokens += tokens
        self.row_seconds += self.lap()

    def so_far(self) -> str:
        """Loss and speed of the row under way, for the bar."""
        return f"loss {self.row_mean:.3f}, {self.row_tokens / self.row_seconds:,.0f} tokens/s"

    @property
    def row_mean(self) -> float:
        """Mean loss over the tokens of the row under way; NaN if there are none."""
        return self.row_loss / self.row_tokens if self.row_tokens else math.nan

    @property
    def last_row_step(self) -> int:
        """The step of the last row, 0 if there is none."""
        return self.rows[-1]["step"] if self.rows else 0

    def add_row(self, steps_per_epoch: int, validation_loss: float = math.nan) -> dict[str, float]:
        """End the row under way, and begin another one."""
        values = [
            self.step,
            self.step / steps_per_epoch,
            self.row_mean,
            validation_loss,
            self.tokens,
            self.row_tokens / max(self.row_seconds, 1e-9),
            self.seconds,
            self.learning_rate,
        ]
        self.rows.append(dict(zip(COLUMNS, values, strict=True)))
        self.row_loss, self.row_tokens, self.row_seconds = 0.0, 0, 0.0
        return self.rows[-1]

    def history(self, stopped: str, validated: bool) -> pandas.DataFrame:
        """The rows as `fit` returns them."""
        import pandas

        history = pandas.DataFrame(self.rows, columns=COLUMNS)
        history.attrs["stopped"] = stopped
        return history if validated else history.drop(columns="validation_loss")
