"""Exercises: `check` an answer, ask for a `hint`, see your `progress`.

Each module of this folder holds the exercises of one notebook in a dict `EXERCISES`; "ngram.add_k" is the exercise
"add_k" of `lmtutor.exercises.ngram`. How an answer is examined is in `lmtutor.exercises.examine`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from lmtutor.exercises import progress_file
from lmtutor.exercises.examine import Exercise, Verdict
from lmtutor.runtime import choose

# Chapter number, or a companion's name such as "03_bug_hunt" -> module. The order is that of the course.
CHAPTERS = {
    "00": "start",
    "01": "ngram",
    "02": "tokens",
    "03": "recurrent",
    "03_bug_hunt": "recurrent_bugs",
    "04": "classify",
    "04_bug_hunt": "classify_bugs",
    "05": "attention",
    "06": "transformer",
    "06_bug_hunt": "transformer_bugs",
    "07": "translate",
    "08": "generate",
    "09": "pretrain",
    "10": "finetune",
    "10_bug_hunt": "finetune_bugs",
    "11": "extract",
    "12": "adapt",
    "12_bug_hunt": "adapt_bugs",
    "13": "prompt",
    "14": "influence",
    "15": "robust",
    "16": "explain",
}


def find(name: str) -> Exercise:
    """The exercise of that name, such as "ngram.add_k".

    Raises:
        CourseError: there is none; the nearest name is suggested.
    """
    choose(name, all_names(), "The exercise")
    module, _, exercise = name.partition(".")
    return import_module(f"lmtutor.exercises.{module}").EXERCISES[exercise]


def all_names(chapter: str | None = None) -> list[str]:
    """Names of all exercises, or of one chapter's, in their order."""
    modules = [CHAPTERS[chapter]] if chapter else CHAPTERS.values()
    return [f"{m}.{name}" for m in modules for name in import_module(f"lmtutor.exercises.{m}").EXERCISES]


def check(name: str, answer) -> None:
    """Examine an answer, print what was found, and record a right one in the learner's progress.

    An answer that still is, or returns, `...` counts as "not tried yet"; it never raises. Only while nbgrader executes
    the notebook it is `require`: a cell that raises nothing is right for nbgrader.
    """
    if os.environ.get("NBGRADER_EXECUTION"):  # "autograde" or "validate"
        return require(name, answer)
    complaint = find(name).examine(answer)
    if complaint is Ellipsis:
        helps = f"; lm.hint({name!r}) helps" if _gives_hints else ""
        print(f"{name}: not tried yet. Put your code in place of the `...`{helps}.")
    elif complaint:
        print(f"{name}: not yet. {complaint}")
        progress_file.record(name, solved=False)
    else:
        print(f"{name}: right!")
        progress_file.record(name, solved=True)


class NotRight(AssertionError):
    """What `require` raises. A notebook shows its sentence alone, without the package's call stack."""

    def _render_traceback_(self) -> list[str]:
        return [f"AssertionError: {self}"]


def require(name: str, answer, beyond: Callable[[], Verdict] = lambda: None) -> None:
    """Examine an answer as `check` does, and record nothing: for cells that nbgrader marks.

    What goes to stderr meanwhile, a warning say, goes to stdout: nbgrader gives no points for a cell that writes there.

    Args:
        name: of the exercise.
        answer: what the learner wrote.
        beyond: examines an answer further that is right so far.

    Raises:
        NotRight: the answer is not right, not tried yet, or a function of this package.
    """
    if str(getattr(answer, "__module__", "")).split(".")[0] == "lmtutor":
        raise NotRight(f"{name}: this is a function of lmtutor's own, and not an answer.")
    with contextlib.redirect_stderr(sys.stdout):
        complaint = find(name).examine(answer) or beyond()
    if complaint:  # a sentence, or ...
        raise NotRight(f"{name}: not tried yet." if complaint is Ellipsis else f"{name}: not yet. {complaint}")
    print(f"{name}: right!")


_gives_hints = True


def hint(name: str) -> None:
    """Print the exercise's hint."""
    told = find(name).hint if _gives_hints else "no hints are given in this notebook. Ask your teacher."
    print(f"{name}: {told}")


def without_hints() -> None:
    """From now on `hint` tells none: for notebooks that were handed out so, as many a hint is half the answer."""
    global _gives_hints
    _gives_hints = False


def progress(*, reset: bool = False, export: str | Path | None = None, merge: str | Path | None = None):
    """The learner's progress as a table with one row a chapter.

    Args:
        reset: forget all of it first.
        export: a new file to which all of it is written, for another machine.
        merge: such a file, whose progress is added first; what is solved in either is solved.

    Raises:
        CourseError: a file cannot be read or written; nothing is changed then.
    """
    if reset:
        progress_file.reset()
    if merge is not None:
        print(f"New from {merge}: {progress_file.merge(Path(merge))} solved.")
    if export is not None:
        print(f"Written to {export}: {progress_file.export(Path(export))} exercises.")
    return progress_file.table({chapter: all_names(chapter) for chapter in CHAPTERS})
