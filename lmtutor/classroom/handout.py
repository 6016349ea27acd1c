"""What a hand-out and a hand-in have in common: which cell answers which exercise, and which version it is.

`lmtutor release` writes these marks, `lmtutor mark` reads them. They stand under "lmtutor" in the metadata of the
notebook and of its cells:

- the notebook: {"notebook": "03_recurrent_language_models", "course": "0.1.0", "release": "3f2a9c1d"}
- a cell: {"exercise": "recurrent.shares", "part": "answer"}, or "check" for the locked cell below, which checks it

Such a cell has the id "answer-recurrent-shares", which is its `grade_id` for nbgrader, too. Some editors drop ids, some
drop metadata, and a learner may hand in the chapter itself: so the `lm.check(...)` of a cell counts as well.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from dataclasses import asdict, dataclass

from nbformat import NotebookNode

KEY = "lmtutor"
ANSWER, CHECK = "answer", "check"  # the parts of an exercise
POINTS = 1  # for an exercise of the main line; an optional one gives none

_CALL = re.compile(r"""^lm\.check\(\s*["']([\w.]+)["']\s*,\s*(\w+)\s*,?\s*\).*$""", re.MULTILINE)
# What is folded and no choice of a quiz ("a) ...") answers a question.
_FOLDED = re.compile(r"[ \t]*<details>\s*<summary>(?![a-z]\) ).*?</summary>.*?</details>[ \t]*\n?", re.DOTALL)
_POINTER = re.compile(r" ?Only then open the solution\.")  # to what is no longer there then
_COSTS = re.compile(r"<!-- costs -->.*?<!-- /costs -->", re.DOTALL)


@dataclass(frozen=True)
class Question:
    """An exercise as a notebook asks it: its name, the function that the learner writes, and the place of the cell."""

    exercise: str
    function: str
    optional: bool
    cell: int

    @property
    def points(self) -> int:
        """What a right answer gives."""
        return 0 if self.optional else POINTS


@dataclass(frozen=True)
class Version:
    """Which notebook, of which version of the course, with which hash of its cells."""

    notebook: str
    course: str
    release: str

    def __str__(self) -> str:
        return f"{self.course}+{self.release}"


def questions(chapter: NotebookNode) -> list[Question]:
    """The exercises that a notebook of the course asks, in their order."""
    found = []
    for place, cell in enumerate(chapter.cells):
        optional = "optional" in cell.metadata.get("tags", [])
        found += [Question(name, function, optional, place) for name, function in calls(cell)]
    return found


def calls(cell: NotebookNode) -> list[tuple[str, str]]:
    """What `lm.check` is called with in a cell: (exercise, function)."""
    return _CALL.findall(cell.source) if cell.cell_type == "code" else []


def without_calls(source: str) -> str:
    """The code of a cell without its calls of `lm.check`."""
    return _CALL.sub("", source).rstrip()


def without_folded(text: str) -> str:
    """A markdown cell without its folded solutions and answers to open questions; the choices of a quiz stay."""
    return _POINTER.sub("", _FOLDED.sub("", text)).strip()


def texts(chapter: NotebookNode) -> set[str]:
    """The markdown that a class may get of a chapter, but for its opening cell: all other is the learner's."""
    sources = [cell.source for cell in chapter.cells if cell.cell_type == "markdown"]
    return {*sources, *map(without_folded, sources)}


# --- versions ---------------------------------------------------------------------------------------------------------


def version(chapter: NotebookNode, notebook: str) -> Version:
    """The version of a notebook of the course, whose file is called `notebook` (without its ending).

    It changes with every word of it, but for the line of its costs and the badge.
    """
    kept = [cell for cell in chapter.cells if "badge" not in cell.metadata.get("tags", [])]
    content = json.dumps([[cell.cell_type, _COSTS.sub("", cell.source).rstrip()] for cell in kept])
    return Version(notebook, importlib.metadata.version("lmtutor"), hashlib.sha256(content.encode()).hexdigest()[:8])


def stamp(notebook: NotebookNode, version: Version) -> None:
    """Write the version into a notebook's metadata."""
    notebook.metadata[KEY] = NotebookNode(asdict(version))


def read_version(notebook: NotebookNode) -> Version | None:
    """The version in a notebook's metadata; None if there is none, as in a chapter that was not released."""
    try:
        found = Version(**notebook.metadata[KEY])
    except (KeyError, TypeError):
        return None
    return found if all(isinstance(value, str) for value in asdict(found).values()) else None


# --- cells ------------------------------------------------------------------------------------------------------------


def cell_id(exercise: str, part: str) -> str:
    """The id of a cell, and its `grade_id`: "answer-recurrent-shares" for "recurrent.shares"."""
    return f"{part}-{exercise.replace('.', '-')}"


def mark_cell(cell: NotebookNode, exercise: str, part: str) -> None:
    """Write into a cell's id and metadata of which exercise it is which part."""
    cell.id = cell_id(exercise, part)
    cell.metadata[KEY] = NotebookNode(exercise=exercise, part=part)


def marked(cell: NotebookNode) -> tuple[str, str] | None:
    """(exercise, part) as a cell's metadata says, or nbgrader's, or its id; None if none of them says it."""
    note = cell.metadata.get(KEY)
    if isinstance(note, dict) and isinstance(note.get("exercise"), str) and note.get("part") in (ANSWER, CHECK):
        return note["exercise"], note["part"]
    grader = cell.metadata.get("nbgrader")
    for name in (grader.get("grade_id") if isinstance(grader, dict) else None, cell.get("id")):
        if isinstance(name, str) and (match := re.fullmatch(rf"({ANSWER}|{CHECK})-(\w+)-(\w+)", name)):
            return f"{match[2]}.{match[3]}", match[1]
    return None


def answers(handed_in: NotebookNode) -> dict[str, list[int]]:
    """Exercise -> the places of the code cells that answer it, in their order.

    These are the cells that are marked as answers, and those that define a function and hand it to `lm.check`, as the
    chapters' own do. Where neither is found, and a cell of its own checks a function, it is the last cell above that
    defines it.
    """
    found: dict[str, list[int]] = {}
    checked: list[tuple[str, str, int]] = []
    for place, cell in enumerate(handed_in.cells):
        if cell.cell_type != "code":
            continue
        exercise, part = marked(cell) or (None, None)
        if part == ANSWER:
            found.setdefault(exercise, []).append(place)
            continue
        for name, function in calls(cell):
            if part is None and _defines(cell, function):
                found.setdefault(name, []).append(place)
            else:
                checked.append((name, function, place))
    for name, function, place in checked:
        above = [i for i in range(place) if handed_in.cells[i].cell_type == "code"]
        if name not in found and (defined := [i for i in above if _defines(handed_in.cells[i], function)]):
            found[name] = defined[-1:]
    return found


def _defines(cell: NotebookNode, function: str) -> bool:
    """Whether a cell binds the name at its top level; its code need not be right."""
    return bool(re.search(rf"^(?:(?:async )?def {function}\b|{function}\s*=)", cell.source, re.MULTILINE))
