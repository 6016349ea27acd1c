"""Divergence: losses and gradients that are not finite, and the last weights before them."""

from __future__ import annotations

import math

import torch

from lmtutor.training.early_stopping import copy_weights

# Reading a loss makes the program wait for the GPU, which is then idle until it gets new work.
STEPS_PER_READ_ON_GPU = 10


class Diverged(Exception):
    """A loss or a gradient is not finite."""


def told(diverged: Diverged, steps: int, best: bool) -> str:
    """The sentence on a run that ends so after `steps` steps, with or without `best` weights by validation."""
    kept = "the weights with the best validation loss" if best else "its last good weights"
    return f"Stopped at step {steps + 1}: {diverged}, and the model has {kept}; a lower learning rate may help."


class Readings:
    """Sums over steps that stay on the device until they are read, and weights as of the last reading.

    Args:
        module: whose weights are kept, where losses are read too late to stop the update that spoils them.
        device: where the sums are.
        scaler: of the loss, with fp16.
    """

    def __init__(self, module: torch.nn.Module, device: torch.device, scaler: torch.amp.GradScaler | None):
        self.module, self.scaler = module, scaler
        self.every = 1 if device.type == "cpu" else STEPS_PER_READ_ON_GPU
        self.sums = torch.zeros(4, device=device)
        self.good: dict[str, torch.Tensor] | None = None

    def note(self, sums: torch.Tensor, norm: torch.Tensor) -> None:
        """Add a step: what `Update.gradients` returned, and the gradient's norm."""
        self.sums += torch.cat([sums, norm.reshape(1)])  # a NaN or infinity in any of the steps stays in the sum

    def read(self) -> tuple[float, int, bool]:
        """Take the sums since the last reading from the device: here the program waits for the GPU.

        Returns:
            Sum of the losses, number of tokens, whether a process wants to stop.

        Raises:
            Diverged: one of the steps since then was not finite.
        """
        loss, tokens, stops, norm = self.sums.tolist()
        self.sums.zero_()
        within = f" within {self.every} steps" if self.every > 1 else ""
        if not math.isfinite(loss):
            raise Diverged(f"the loss became {loss:g}{within}")
        # With loss scaling (fp16) the gradient overflows now and then: the scaler skips the update and halves the scale
        if not math.isfinite(norm) and (self.scaler is None or self.scaler.get_scale() < 1):
            raise Diverged(f"the gradient became {norm:g}{within}")
        return loss, int(tokens), stops > 0

    def remember(self) -> None:
        """Keep the weights as they are now."""
        if self.every > 1 and self.good is None:
            self.good = copy_weights(self.module)
        elif self.good is not None:
            for name, value in self.module.state_dict().items():
                self.good[name].copy_(value)

    def restore(self) -> None:
        """Give the module the weights of the last reading, if they were kept."""
        if self.good is not None:
            self.module.load_state_dict(self.good)
