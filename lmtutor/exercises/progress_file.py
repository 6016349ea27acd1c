"""The learner's progress: one JSON file in the learner's home, written whole or not at all, by one kernel at a time.

Whatever is wrong with the file or its folder is told in one sentence, and stops nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from itertools import count
from pathlib import Path

from filelock import FileLock

from lmtutor import runtime
from lmtutor.runtime import CourseError

NAME = "progress.json"
FORMAT = 1  # of an exported file
LOCK_SECONDS = 10  # that another kernel may take to write


def file() -> Path:
    """Where progress is kept: progress.json in `runtime.home()`, or the file to which a link of that name points.

    Raises:
        CourseError: there is no home folder.
    """
    path = runtime.home() / NAME
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def read() -> dict[str, dict]:
    """Exercise -> {"tries": number, "solved": date or None}. A damaged file is put aside, not lost."""
    entries: dict[str, dict] = {}

    def look() -> None:
        found, whole = _parse(file())
        if not whole:
            with _lock():
                found = _read()
        entries.update(found)

    _try(look)
    return entries


def record(name: str, *, solved: bool) -> None:
    """Count a try and, the first time it is right, the day. Says so in one sentence if it cannot be saved."""

    def count_it() -> None:
        with _lock():  # what another kernel writes between reading and writing would be lost
            entries = _read()
            entry = entries.setdefault(name, {"tries": 0, "solved": None})
            if not entry["solved"]:
                entry["tries"] += 1
                entry["solved"] = date.today().isoformat() if solved else None
                _write(entries)

    _try(count_it)


def reset() -> None:
    """Forget all progress."""

    def forget() -> None:
        with _lock():
            _write({})

    _try(forget)


def export(path: Path) -> int:
    """Write all progress to a file that `merge` reads, here or on another machine; returns how many exercises it holds.

    Raises:
        CourseError: there is such a file already, or it cannot be written.
    """
    entries = read()
    content = {"lmtutor progress": FORMAT, "exercises": entries}
    try:
        with open(path, "x", encoding="utf-8") as new:
            json.dump(content, new, indent=1, sort_keys=True)
            new.write("\n")
    except FileExistsError:
        raise CourseError(f"{path} exists already, and nothing is written over: choose another name.") from None
    except OSError as error:
        raise CourseError(f"Progress cannot be written to {path}: {error.strerror}.") from None
    return len(entries)


def merge(path: Path) -> int:
    """Add the progress of an exported file: solved in either is solved; returns how many exercises are new as solved.

    Of two days the earlier one stays, and of two numbers of tries the larger, so that a file can be read twice.

    Raises:
        CourseError: the file is none that `export` wrote, or the result cannot be saved. Nothing is changed then.
    """
    others, new = _exported(path), 0
    try:
        with _lock():
            entries = _read()
            for name, other in others.items():
                entry = entries.setdefault(name, {"tries": 0, "solved": None})
                new += bool(other["solved"]) and not entry["solved"]
                entry["tries"] = max(entry["tries"], other["tries"])
                entry["solved"] = min(filter(None, (entry["solved"], other["solved"])), default=None)
            _write(entries)
    except OSError as error:
        raise CourseError(f"Progress cannot be saved in {runtime.home() / NAME}: {error}.") from None
    return new


def _exported(path: Path) -> dict[str, dict]:
    """The entries of an exported file; all of them or an error."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "lmtutor progress" not in content:
        raise CourseError(f"{path} holds no progress: give a file that `lmtutor progress --export` wrote.")
    if content["lmtutor progress"] != FORMAT:
        raise CourseError(f"{path} was written by another version of the course: update the course and try again.")
    entries = content.get("exercises")
    if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
        raise CourseError(f"{path} is damaged: export it anew.")
    return entries


def _try(action: Callable[[], None]) -> None:
    """Do it, or say why progress cannot be kept. What cannot be read is not written over."""
    try:
        action()
    except CourseError as error:
        print(f"(Progress is not saved: {error})")
    except (OSError, NotImplementedError) as error:  # the second: a disk on which files cannot be locked
        reason = getattr(error, "strerror", None) or str(error)
        advice = "Set LMTUTOR_HOME to a folder that you can write."
        print(f"(Progress is not saved: {reason}, {runtime.home() / NAME}. {advice})")


def _lock() -> FileLock:
    path = file().with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, timeout=LOCK_SECONDS)


def _read() -> dict[str, dict]:
    """The entries; if the file is damaged it is put aside, and those that can be read go on. Needs the lock."""
    path = file()
    entries, whole = _parse(path)
    if not whole:
        aside = next(p for n in count(1) if not (p := path.with_suffix(f".damaged-{n}.json")).exists())
        path.replace(aside)
        if entries:
            _write(entries)
        goes_on = "what can be read of it goes on" if entries else "progress starts anew"
        print(f"Your progress file was damaged; it is kept as {aside}, and {goes_on}.")
    return entries


def _parse(path: Path) -> tuple[dict[str, dict], bool]:
    """The entries of the file that are in order, and whether that is all that it holds."""
    if not path.exists():
        return {}, True
    if not path.is_file():
        raise OSError(f"this is not a file: {path}")  # reading from a pipe would wait for ever
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # not JSON or not UTF-8; or lists in lists in lists
        return {}, False
    if not isinstance(entries, dict):
        return {}, False
    good = {name: entry for name, entry in entries.items() if _is_entry(entry)}
    return good, len(good) == len(entries)


def _is_entry(entry) -> bool:
    if not isinstance(entry, dict) or not entry.keys() >= {"tries", "solved"}:
        return False
    tries, solved = entry["tries"], entry["solved"]
    return type(tries) is int and tries >= 0 and (solved is None or isinstance(solved, str))


def _write(entries: dict[str, dict]) -> None:
    path = file()
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(path)  # all or nothing: a reader never sees half a file
    finally:
        temporary.unlink(missing_ok=True)


def table(exercises: dict[str, list[str]]):
    """One row a chapter: solved, of how many, tries, and which is next. `exercises`: chapter -> names."""
    import pandas as pd

    entries = read()
    rows = []
    for chapter, names in exercises.items():
        still_open = [name for name in names if not entries.get(name, {}).get("solved")]
        rows.append(
            {
                "chapter": chapter,
                "solved": len(names) - len(still_open),
                "of": len(names),
                "tries": sum(entries.get(name, {}).get("tries", 0) for name in names),
                "next": still_open[0] if still_open else "",
            }
        )
    return pd.DataFrame(rows).set_index("chapter")
