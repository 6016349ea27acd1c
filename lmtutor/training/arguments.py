"""What `fit` can be given, and the sentence for what it cannot."""

from __future__ import annotations

import operator
from types import SimpleNamespace
from typing import Any

from lmtutor.data.text import Vocabulary
from lmtutor.runtime import CourseError


class InputError(CourseError, ValueError):
    """What `fit` was given cannot be trained on."""


def check(options: SimpleNamespace) -> None:
    """Make Python's numbers of NumPy's; raise an InputError for the first of fit's arguments that makes no sense."""
    check_duration(options.epochs, options.steps)
    for name in ("epochs", "steps", "batch_size", "accumulate", "log_every", "patience"):
        if getattr(options, name) is not None:
            setattr(options, name, whole_number(name, getattr(options, name), at_least=1))
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


def whole_number(name: str, value: Any, at_least: int | None = None) -> int:
    """The value as Python's int, of which NumPy's and torch's whole numbers differ in what they look like.

    Raises:
        InputError: it is none, or too small.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or (at_least is not None and number < at_least):
        least = "" if at_least is None else f" of at least {at_least}"
        raise InputError(f"{name} must be a whole number{least}, not {value!r}.")
    return number
