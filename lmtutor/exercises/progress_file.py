"""The learner's progress: one JSON file in the learner's home, written whole or not at all."""

from __future__ import annotations

import json
import os
from datetime import date
from itertools import count
from pathlib import Path

from lmtutor import runtime


def file() -> Path:
    """Where progress is kept: progress.json in LMTUTOR_HOME or ~/.lmtutor."""
    return runtime.home() / "progress.json"


def read() -> dict[str, dict]:
    """Exercise -> {"tries": number, "solved": date or None}. A damaged file is put aside, not lost."""
    try:
        return _read()
    except OSError as error:
        _complain(error)
        return {}


def record(name: str, *, solved: bool) -> None:
    """Count a try and, the first time it is right, the day. Says so in one sentence if it cannot be saved."""
    try:
        entries = _read()
        entry = entries.setdefault(name, {"tries": 0, "solved": None})
        if entry["solved"]:
            return
        entry["tries"] += 1
        entry["solved"] = date.today().isoformat() if solved else None
        _write(entries)
    except OSError as error:  # also when it cannot be read: what is there must not be written over
        _complain(error)


def reset() -> None:
    """Forget all progress."""
    try:
        _write({})
    except OSError as error:
        _complain(error)


def _read() -> dict[str, dict]:
    if not file().exists():
        return {}
    text = file().read_bytes()
    try:
        entries = json.loads(text)
        if all(entry.keys() >= {"tries", "solved"} for entry in entries.values()):
            return entries
    except (ValueError, AttributeError):  # not JSON or not UTF-8; or JSON, but no table of entries
        pass
    aside = next(path for path in map(_aside, count(1)) if not path.exists())
    file().replace(aside)
    print(f"Your progress file was damaged; it is kept as {aside}, and progress starts anew.")
    return {}


def _aside(number: int) -> Path:
    return file().with_suffix(f".damaged-{number}.json")


def _write(entries: dict[str, dict]) -> None:
    temporary = file().with_suffix(f".{os.getpid()}.tmp")
    file().parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(file())  # all or nothing: a reader never sees half a file
    finally:
        temporary.unlink(missing_ok=True)


def _complain(error: OSError) -> None:
    print(f"(Progress is not saved: {error.strerror}, {file()}. Set LMTUTOR_HOME to a folder that you can write.)")


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
