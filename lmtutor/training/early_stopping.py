"""Early stopping: the weights with the best validation loss, and when to wait no longer for better ones."""

from __future__ import annotations

import torch

from lmtutor.training.history import Progress


class EarlyStopping:
    """Keeps the best weights of a module, and counts in `progress` the rows since.

    Args:
        module: whose weights are kept.
        patience: rows in a row that may bring nothing better; None never stops and keeps nothing.
    """

    def __init__(self, module: torch.nn.Module, patience: int | None, progress: Progress):
        self.module, self.patience, self.progress = module, patience, progress
        self.best: dict[str, torch.Tensor] | None = None

    def note(self, validation_loss: float) -> None:
        """Look at the validation loss of a row."""
        p = self.progress
        if self.patience:
            p.rows_since_best += 1
            if validation_loss < p.best_loss:
                p.best_loss, p.rows_since_best, self.best = validation_loss, 0, copy_weights(self.module)

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return bool(self.patience) and self.progress.rows_since_best >= self.patience

    def restore(self) -> None:
        """Give the module its best weights, if there are any."""
        if self.best is not None:
            self.module.load_state_dict(self.best)


def copy_weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state dict of a module as it is now."""
    return {name: value.clone() for name, value in module.state_dict().items()}
