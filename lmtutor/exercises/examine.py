"""How an answer is examined: run it on cases from the smallest up, and tell of the first on which it differs."""

from __future__ import annotations

import copy
import inspect
import math
import reprlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set, Sized
from dataclasses import dataclass
from functools import partial
from itertools import islice
from numbers import Number
from typing import Any

from lmtutor.exercises import guard

# What an examination returns: None if the answer is right, ... if it is untouched, else one or two sentences.
Verdict = Any

LONGEST = 1000  # characters of a value or of an error that are shown
DEPTH = 4  # of lists in lists that are shown

_short = reprlib.Repr()
_short.maxstring, _short.maxother = 80, 160
_short.maxlist = _short.maxtuple = _short.maxdict = 8


@dataclass(frozen=True)
class Comparison:
    """What `compare` was given; its examinations carry it as `compares`, so that others can add cases of their own."""

    reference: Callable
    cases: Sequence[tuple]
    tolerance: float
    remark: Callable | None
    failure: Callable | None


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
        with guard.as_before():
            for arguments in cases:
                start = time.perf_counter()
                expected = reference(*copy.deepcopy(arguments))
                allowed = 100 * (time.perf_counter() - start)  # a busy machine slows the reference, too
                given = copy.deepcopy(arguments)
                look = partial(_look, answer, given, expected, tolerance)  # all that runs the learner's code
                verdict, error = guard.run(look, allowed)
                if type(error) is NotImplementedError and not error.args:  # the stub that nbgrader leaves
                    return Ellipsis
                if isinstance(verdict, _Differs):
                    said = f"For {_call(reference, arguments)} {verdict.said}"
                    return f"{said} {_said(remark, arguments, expected, verdict.got)}".strip()
                if error is not None:
                    said = f"For {_call(reference, arguments)} {_ended(error)}"
                    return f"{said}. {_said(failure, arguments, error)}".removesuffix(". ")
                if verdict is not None:
                    return verdict
        return None

    examine.compares = Comparison(reference, cases, tolerance, remark, failure)
    return examine


@dataclass(frozen=True)
class _Differs:
    """What came and is not right, and how that is told."""

    got: Any
    said: str


def _look(answer: Callable, arguments: tuple, expected, tolerance: float) -> Verdict | _Differs:
    """Ask the answer, and compare: also a generator and an `==` of the learner's run here only."""
    got = answer(*arguments)
    if got is Ellipsis:
        return Ellipsis
    got = _finite(got, expected)
    if got is None and expected is not None:
        return _Differs(got, "your function returned None: is there a `return`?")
    if same(expected, got, tolerance):
        return None
    return _Differs(got, f"expected {_show(expected)}, but got {_show(got)}.")


def _finite(got, expected):
    """Iterators as lists of one item too many at most: they may have no end, and a remark reads them, too."""
    if isinstance(got, Iterator):
        sized = isinstance(expected, Sized) and getattr(expected, "ndim", 1)
        got = list(islice(got, len(expected) + 1 if sized else 1))
    if isinstance(got, list) and isinstance(expected, list | tuple):
        got = [_finite(*both) for both in zip(got, expected, strict=False)] + got[len(expected) :]
    return got


def _ended(error: BaseException) -> str:
    """How code ended, if not with a result."""
    if isinstance(error, guard.Stopped):
        return f"your code {error}".removesuffix(".")
    name = type(error).__name__
    told, _ = guard.run(lambda: f"{name}: {error}".removesuffix(": "))  # its text may be code of the learner's, too
    if isinstance(error, Exception):
        return f"your code raised {_cut(told or name)}"
    return f"your function ended with {_cut(told or name)}: it has to return its result"


def _said(remark: Callable | None, *arguments) -> str:
    """A remark on a mistake; "" where there is none, or it is on numbers and something quite different came."""
    said, _ = guard.run(lambda: remark(*arguments) if remark else "")
    return said or ""


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
            got = list(islice(got, len(expected) + 1))  # it may have no end
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
    try:
        return _cut(_shown(value))
    except Exception:  # it cannot be shown
        return f"<{type(value).__name__}>"


def _shown(value, depth: int = 0) -> str:
    if getattr(value, "ndim", 0) and hasattr(value, "tolist"):  # arrays and tensors: no more of them than is shown
        return _items(list(value[:9]), depth, "[]")
    if hasattr(value, "tolist"):  # a number of theirs
        value = value.tolist()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return _items(value, depth, "[]" if isinstance(value, list) else "()")
    if inspect.isfunction(value):  # what it does says more than its address in memory
        does = (value.__doc__ or "").partition("\n")[0]
        return f"<{does}>" if does else "<function>"
    if type(value).__repr__ is object.__repr__:  # its address in memory tells nobody anything
        return f"<{type(value).__name__}>"
    shown = _short.repr(value)
    return shown if "\n" not in shown else f"<{type(value).__name__}>"  # a model shows itself on many lines


def _items(values: list | tuple, depth: int, brackets: str) -> str:
    if depth >= DEPTH:  # it may hold itself
        return "...".join(brackets)
    shown = ", ".join([_shown(item, depth + 1) for item in values[:8]] + ["..."] * (len(values) > 8))
    return f"{brackets[0]}{shown}{',' * (brackets == '()' and len(values) == 1)}{brackets[1]}"


def _cut(text: str) -> str:
    """Not more of a text than one reads, and nothing that cannot be printed."""
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return text.encode("utf-8", "backslashreplace").decode()


def _call(reference: Callable, arguments: tuple) -> str:
    names = list(inspect.signature(reference).parameters)
    return f"{reference.__name__}({', '.join(f'{n}={_show(a)}' for n, a in zip(names, arguments, strict=False))})"
