"""How an answer is examined: run it on cases from the smallest up, and tell of the first on which it differs."""

from __future__ import annotations

import copy
import inspect
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from numbers import Number
from typing import Any

# What an examination returns: None if the answer is right, ... if it is untouched, else one or two sentences.
Verdict = Any

_short = reprlib.Repr()
_short.maxstring, _short.maxother = 80, 160
_short.maxlist = _short.maxtuple = _short.maxdict = 8


@dataclass(frozen=True)
class Exercise:
    """A hint, and the function that examines an answer."""

    hint: str
    examine: Callable[[Any], Verdict]


def compare(
    reference: Callable,
    cases: Sequence[tuple],
    *,
    tolerance: float = 1e-6,
    remark: Callable | None = None,
    failure: Callable | None = None,
) -> Callable[[Callable], Verdict]:
    """An examination that compares a function with `reference` on each case (a tuple of arguments), in order.

    Args:
        reference: the right function.
        cases: arguments, the smallest first: the first that differs is shown to the learner.
        tolerance: relative and absolute, for numbers.
        remark: (arguments, expected, got) -> a sentence on a typical mistake, or "".
        failure: (arguments, error) -> the same for an answer that raised an error.
    """

    def examine(answer: Callable) -> Verdict:
        if answer is Ellipsis:
            return Ellipsis
        if not callable(answer):
            return f"A function was expected, but a {type(answer).__name__} came: pass the function itself, without ()."
        for arguments in cases:
            expected = reference(*copy.deepcopy(arguments))
            try:
                got = answer(*copy.deepcopy(arguments))
                right = same(expected, got, tolerance)  # a generator runs only now
            except Exception as error:
                what = f"{type(error).__name__}: {error}".removesuffix(": ")
                said = f"For {_call(reference, arguments)} your code raised {what}"
                return f"{said}. {failure(arguments, error) if failure else ''}".removesuffix(". ")
            if got is Ellipsis:
                return Ellipsis
            if got is None and expected is not None:
                return f"For {_call(reference, arguments)} your function returned None: is there a `return`?"
            if not right:
                said = f"For {_call(reference, arguments)} expected {_show(expected)}, but got {_show(got)}."
                with suppress(Exception):  # a remark on numbers, when something quite different came
                    said = f"{said} {remark(arguments, expected, got) if remark else ''}".strip()
                return said
        return None

    return examine


def same(expected, got, tolerance: float) -> bool:
    """Whether two results agree: numbers within the tolerance, containers item by item, all else by ==.

    Whole numbers and booleans agree exactly. What came has to be of the kind that was expected: its own `==` is not
    asked, as it may say yes to everything.
    """
    if hasattr(got, "detach"):  # a tensor with a gradient warns when it becomes a number
        got = got.detach()
    if hasattr(expected, "tolist"):  # arrays and tensors
        if _of_booleans(expected) and not _of_booleans(got):  # 1.0 == True, but a mask of numbers masks nothing
            return False
        expected = expected.tolist()
    if isinstance(expected, list | tuple) and not isinstance(got, str | Mapping | Set):  # a set has no order
        try:
            got = list(got)
        except TypeError:
            return False
        return len(expected) == len(got) and all(same(e, g, tolerance) for e, g in zip(expected, got, strict=True))
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or expected.keys() != got.keys():
            return False
        return all(same(value, got[key], tolerance) for key, value in expected.items())
    if isinstance(expected, Number):
        if isinstance(got, str | bytes) or getattr(got, "shape", ()):  # "1" is no number, and [1] isn't either
            return False
        tolerance = min(tolerance, 1e-12) if isinstance(expected, int) else tolerance
        try:
            return math.isclose(expected, float(got), rel_tol=tolerance, abs_tol=tolerance)
        except (TypeError, ValueError):
            return False
    kind = type(expected)
    return isinstance(got, kind) and kind.__eq__(expected, got) is True


def _of_booleans(value) -> bool:
    """Whether an array or a tensor holds booleans; lists and the like may."""
    return str(getattr(value, "dtype", "bool")).endswith("bool")


def _show(value) -> str:
    if hasattr(value, "tolist"):  # arrays, tensors and numpy's numbers
        value = value.tolist()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        shown = ", ".join([_show(item) for item in value[:8]] + ["..."] * (len(value) > 8))
        return f"[{shown}]" if isinstance(value, list) else f"({shown}{',' * (len(value) == 1)})"
    if inspect.isfunction(value):  # what it does says more than its address in memory
        does = (value.__doc__ or "").partition("\n")[0]
        return f"<{does}>" if does else "<function>"
    if type(value).__repr__ is object.__repr__:  # its address in memory tells nobody anything
        return f"<{type(value).__name__}>"
    shown = _short.repr(value)
    return shown if "\n" not in shown else f"<{type(value).__name__}>"  # a model shows itself on many lines


def _call(reference: Callable, arguments: tuple) -> str:
    names = list(inspect.signature(reference).parameters)
    return f"{reference.__name__}({', '.join(f'{n}={_show(a)}' for n, a in zip(names, arguments, strict=False))})"
