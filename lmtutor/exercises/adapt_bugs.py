"""Exercises of the bug hunt that goes with chapter 12."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lmtutor.exercises.examine import Exercise, compare

FAULTS = ("forgotten", "moved", "stuck", "lost", "none")


def fault(
    before: Mapping[str, list], after: Mapping[str, list], learns: Sequence, held: Sequence, saved: Sequence
) -> str:
    """The first that is true of a training, or "none"."""
    changed = [name for name in before if before[name] != after[name]]
    if any(name not in held for name in learns):
        return "forgotten"
    if any(name not in learns for name in changed):
        return "moved"
    if any(name not in changed for name in learns):
        return "stuck"
    return "lost" if any(name not in saved for name in learns) else "none"


def _remark_fault(arguments, expected, got):
    if not isinstance(got, str) or got not in FAULTS:
        return 'One of the words "forgotten", "moved", "stuck", "lost" and "none" is wanted.'
    if got == "none":
        return f"Your questions found nothing; does the one for {expected!r} go through all names?"
    if FAULTS.index(got) > FAULTS.index(expected):
        return f"{got!r} may be true of it, too, but {expected!r} comes before it."
    return f"The question for {got!r} rings where it should not: whose names does it compare with whose?"


def after_calls(weight: float, change: float, calls: Sequence[str]) -> float:
    """Merged after "eval", and not before the first call or after "train"."""
    return weight + change if calls and calls[-1] == "eval" else weight


def _remark_after_calls(arguments, expected, got):
    weight, change, calls = arguments
    evals, trains = calls.count("eval"), calls.count("train")
    if got == weight + change * evals and got != expected:
        return "That merges again at every eval: the bug of case 6. And train should take the change out."
    if got == weight + change * (evals - trains) and got != expected:
        return "A second eval must not merge again, and a train without an eval before it has nothing to take out."
    if got == weight - change:
        return "A train at the beginning has nothing to take out."
    return ""


_LIKE = {"w": [1.0, 2.0], "a": [0.5], "b": [0.0], "head": [0.1]}
_LEARNS = ["a", "b", "head"]


def _after(**moved):
    return _LIKE | moved


_TRAINED = _after(a=[0.4], b=[0.2], head=[0.3])

EXERCISES = {
    "fault": Exercise(
        hint="First list the names whose numbers have changed. Then one question after the other, in the order of the "
        "text; each is an any(...) over names.",
        examine=compare(
            fault,
            [
                ({"w": [1.0], "a": [0.0]}, {"w": [1.0], "a": [2.0]}, ["a"], ["a"], ["a"]),
                (_LIKE, _TRAINED, _LEARNS, _LEARNS, _LEARNS),
                (_LIKE, _after(head=[0.3]), _LEARNS, ["w", "head"], _LEARNS),
                (_LIKE, _TRAINED | {"w": [1.0, 1.9]}, _LEARNS, [*_LEARNS, "w"], _LEARNS),
                (_LIKE, _after(head=[0.3]), _LEARNS, _LEARNS, _LEARNS),
                (_LIKE, _TRAINED, _LEARNS, _LEARNS, ["a", "b"]),
                (_LIKE, _TRAINED, _LEARNS, ["w", *_LEARNS], ["w", *_LEARNS]),
                (_LIKE, _TRAINED, _LEARNS, ["w", *_LEARNS], _LEARNS),
                (_LIKE, _TRAINED, _LEARNS, _LEARNS, ["w", *_LEARNS]),
                (_LIKE, _TRAINED | {"w": [1.0, 1.9]}, _LEARNS, _LEARNS, _LEARNS),
                (_LIKE, _after(b=[0.2], w=[0.9, 2.0]), _LEARNS, ["w", *_LEARNS], ["a"]),
                (_LIKE, _after(b=[0.2], w=[0.9, 2.0]), _LEARNS, ["w", "b"], ["a"]),
                (_LIKE, _after(a=[0.4], b=[0.2]), _LEARNS, _LEARNS, ["a"]),
                (_LIKE, _after(b=[0.2], head=[0.3]), _LEARNS, _LEARNS, ["head", "b"]),
            ],
            remark=_remark_fault,
        ),
    ),
    "after_calls": Exercise(
        hint="Only the last call counts. Why?",
        examine=compare(
            after_calls,
            [
                (1.0, 0.5, []),
                (1.0, 0.5, ["eval"]),
                (1.0, 0.5, ["eval", "eval"]),
                (1.0, 0.5, ["train"]),
                (1.0, 0.5, ["train", "eval", "train"]),
                (2.0, -1.0, ["eval", "train", "train", "eval", "eval"]),
                (2.0, 3.0, ["eval", "eval", "train"]),
            ],
            remark=_remark_after_calls,
        ),
    ),
}
