"""One training loop for the whole course, its schedules and its checkpoints."""

from lmtutor.training.arguments import InputError
from lmtutor.training.checkpoint import CheckpointError, load_weights
from lmtutor.training.loop import fit, fit_by_length
from lmtutor.training.schedules import inverse_root, rise_and_fall

__all__ = ["CheckpointError", "InputError", "fit", "fit_by_length", "inverse_root", "load_weights", "rise_and_fall"]
