"""What `fit` can be given, and the sentence for what it cannot."""

from __future__ import annotations

from types import SimpleNamespace

from lmtutor.data.text import Vocabulary
from lmtutor.runtime import CourseError


class InputError(CourseError, ValueError):
    """What `fit` was given cannot be trained on."""


def check(options: SimpleNamespace) -> None:
    """Raise an InputError for the first of fit's arguments that makes no sense."""
    check_duration(options.epochs, options.steps)
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


def check_duration(epochs: int | None, steps: int | None) -> None:
    """Raise an InputError unless exactly one of them is given."""
    if (epochs is None) == (steps is None):
        raise InputError("Give either epochs or steps, and not both.")
