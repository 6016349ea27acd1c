"""Unseen cases: inputs of an exercise that do not stand in the chapter, drawn with a seed that the teacher keeps.

Often they are the chapter's own cases with other numbers: all decimal numbers of a case go through one random rising
curve that keeps signs, zeros, ties and the order, and what summed to 1 does so afterwards, so that whatever a case had
to fulfil it still does. Where whole numbers or texts matter, `lmtutor.classroom.makers` draws the case.
"""

from __future__ import annotations

import copy
import math
import random
import secrets
from collections.abc import Callable, Mapping

import numpy as np
import torch

from lmtutor import exercises, runtime
from lmtutor.classroom import makers
from lmtutor.exercises.examine import Comparison, Verdict, compare, same

CASES = 5  # for an exercise
TRIES = 60  # to find them


def cases(exercise: str, seed: int, count: int = CASES) -> list[tuple]:
    """Arguments for an exercise that differ from all that the chapter shows; the same seed gives the same.

    Each is one for which the right function gives a finite result, and not that of the case it was made from
    (where the result is one of a few words, it may be).

    Args:
        exercise: such as "recurrent.shares".
        seed: any whole number.
        count: at most so many.

    Returns:
        A list of tuples of arguments; empty if none could be made.
    """
    compares = comparison(exercise)
    draw = random.Random(f"{seed} {exercise}")
    made = makers.MAKERS.get(exercise)
    found: list[tuple] = []
    shown = list(compares.cases)
    results = [compares.reference(*copy.deepcopy(case)) for case in shown]
    for attempt in range(TRIES):
        if len(found) == count:
            break
        place = (len(shown) - 1 - attempt) % len(shown)
        try:
            case = made(draw, shown) if made else _varied(shown[place], draw)
            given = compares.reference(*copy.deepcopy(case))
        except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError, AssertionError):
            continue
        if not _finite(given) or any(_equal(case, other) for other in [*shown, *found]):
            continue
        if not made and not isinstance(given, str) and same(results[place], given, compares.tolerance):
            continue
        found.append(case)
    return found


def comparison(exercise: str) -> Comparison:
    """What the exercise's check compares with which cases."""
    return exercises.find(exercise).examine.compares


def without(names: list[str], seed: int = 0) -> list[str]:
    """The exercises among these that have no unseen case."""
    return [name for name in names if not cases(name, seed, 1)]


# --- answers ----------------------------------------------------------------------------------------------------------


def examine(exercise: str, answer: Callable, seed: int) -> Verdict:
    """Examine with unseen cases an answer that is right for the chapter's own.

    Args:
        exercise: such as "recurrent.shares".
        answer: a function.
        seed: of the cases.

    Returns:
        None if the answer is right, else what is said to the student.
    """
    compares = comparison(exercise)
    unknown = compare(
        compares.reference,
        cases(exercise, seed),
        tolerance=compares.tolerance,
        remark=compares.remark,
        failure=compares.failure,
    )
    verdict = unknown(answer)
    if verdict is None:
        return None
    verdict = verdict if isinstance(verdict, str) else "It gives no answer."
    return f"Right for the cases in the chapter, but not for another one. {verdict}"


def require(exercise: str, answer, seed: int | None = None) -> None:
    """Examine an answer as `exercises.require` does, and with unseen cases, too: a hidden test for nbgrader.

    The seed does not stand in the notebook, as nbgrader shows its hidden tests on the pages of feedback.

    Args:
        exercise: such as "recurrent.shares".
        answer: what the learner wrote.
        seed: of the unseen cases; else the one that this machine keeps.

    Raises:
        NotRight: the answer is not right for all cases, not tried yet, or a function of this package.
    """
    seed = kept_seed() if seed is None else seed
    exercises.require(exercise, answer, beyond=lambda: examine(exercise, answer, seed))


def kept_seed() -> int:
    """A random seed that this machine keeps, so that marking twice gives the same marks and no student knows it."""
    path = runtime.home() / "marking_seed.txt"
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        seed = secrets.randbelow(10**9)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{seed}\n", encoding="utf-8")
    except OSError:
        pass
    return seed


# --- a case with other numbers ----------------------------------------------------------------------------------------


def _varied(case: tuple, draw: random.Random) -> tuple:
    """The case with all decimal numbers moved along one rising curve."""
    numbers = list(_decimals(case))
    small = all(abs(x) <= 1 for x in numbers)
    power, factor = draw.uniform(0.6, 1.5), 1.0 if small else draw.uniform(0.6, 1.4)

    def moved(x: float) -> float:
        if x == 0 or not math.isfinite(x):
            return x
        return math.copysign(abs(x) ** power * factor, x)

    return tuple(_moved(part, moved) for part in case)


def _decimals(value):
    if isinstance(value, float | np.floating):
        yield float(value)
    elif isinstance(value, torch.Tensor | np.ndarray) and _is_decimal(value):
        yield from (x for x in value.reshape(-1).tolist() if math.isfinite(x))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _decimals(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _decimals(item)


def _is_decimal(value) -> bool:
    return value.is_floating_point() if isinstance(value, torch.Tensor) else value.dtype.kind == "f"


def _moved(value, moved: Callable[[float], float]):
    if isinstance(value, torch.Tensor) and _is_decimal(value):
        return torch.from_numpy(_moved(value.detach().numpy(), moved)).to(value.dtype)
    if isinstance(value, np.ndarray) and _is_decimal(value):
        found = np.vectorize(moved, otypes=[float])(value).astype(value.dtype) if value.size else value
        if value.size and value.ndim and (value >= 0).all() and np.allclose(value.sum(-1), 1):
            found = found / found.sum(-1, keepdims=True)
        return found
    if isinstance(value, float):
        return moved(value)
    if isinstance(value, list | tuple) and value and all(isinstance(x, float) for x in value):
        found = [moved(x) for x in value]
        if min(value) >= 0 and len(value) > 1 and math.isclose(sum(value), 1):
            found = [x / sum(found) for x in found]
        return type(value)(found)
    if isinstance(value, Mapping) and type(value) is dict:
        return {key: _moved(item, moved) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_moved(item, moved) for item in value)
    return copy.deepcopy(value)


def _finite(value) -> bool:
    if isinstance(value, torch.Tensor | np.ndarray):
        return not _is_decimal(value) or bool(np.isfinite(np.asarray(value.tolist())).all())
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return True


def _equal(one: tuple, other: tuple) -> bool:
    """Whether two cases are the same; functions and models count as the same as themselves alone."""
    if len(one) != len(other):
        return False
    for a, b in zip(one, other, strict=True):
        plain = isinstance(a, int | float | str | list | tuple | Mapping | set | torch.Tensor | np.ndarray)
        if not (same(b, a, 1e-9) if plain else a is b or repr(a) == repr(b)):
            return False
    return True
