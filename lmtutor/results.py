"""Measured results: each is one JSON file in benchmarks/results, made by a command that stands in it.

Tables in the README and in the notebooks are made from these files and never typed.
"""

from __future__ import annotations

import json
import os
import platform
import textwrap
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from lmtutor import runtime
from lmtutor.runtime import CourseError, choose

WIDTH = 110  # characters that a notebook's page shows in a line


def machine() -> str:
    """The machine in a few words: number of cores, processor, GPU if there is one."""
    import torch

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{os.cpu_count()} cores, {name}{gpu}"


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def record(name: str, rows: list[dict], *, about: str, command: str, packages: tuple[str, ...] = (), **more) -> Path:
    """Write a result with its command, machine, versions, date and peak memory; returns the file.

    Args:
        name: the file's name without ".json"; the full profile's results stand beside the others, as NAME_full.
        rows: the table, one dict a row.
        about: one sentence: what was measured, on which data.
        command: what to type to make it again.
        packages: whose versions matter.
        more: anything else worth keeping (seed, seconds, ...).
    """
    content = {
        "about": about,
        "command": command,
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(*packages),
        "peak_memory_mb": round(runtime.peak_memory() / 1e6),
        **more,
        "rows": rows,
    }
    name += "_full" * (runtime.current().profile == "full")
    path = runtime.share("results") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(name: str) -> dict:
    """The stored result of that name.

    Raises:
        CourseError: there is none; the nearest name is suggested.
    """
    folder = runtime.share("results")
    choose(name, sorted(path.stem for path in folder.glob("*.json")), "The result")
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


class Table(pd.DataFrame):
    """A data frame that shows each of its columns with the same number of decimals: 0.50 below 0.47, and not 0.5."""

    @property
    def _constructor(self):
        return Table

    def __repr__(self) -> str:
        return repr(self._even())

    def _repr_html_(self) -> str:
        return self._even()._repr_html_()

    def _even(self) -> pd.DataFrame:
        return pd.DataFrame({i: _even(self.iloc[:, i]) for i in range(self.shape[1])}).set_axis(self.columns, axis=1)


def table(name: str) -> Table:
    """The rows of a stored result as a table; what was not measured is left blank."""
    frame = Table(_rows(name), dtype=object)
    return frame.where(frame.notna(), "").set_index(frame.columns[0])


def source(name: str) -> str:
    """One sentence that says where a stored result comes from: data, command, machine, date; in lines of `WIDTH`."""
    found = read(name)
    said = f"{found['about']} Made on {found['date']} by `{found['command']}` on {found['machine']}."
    return textwrap.fill(said, WIDTH, break_on_hyphens=False)


def markdown(name: str) -> str:
    """A stored result as a Markdown table, with its source below."""
    frame = table(name).reset_index()
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * frame.shape[1]]
    cells = zip(*(_even(frame[column], thousands=",") for column in frame.columns), strict=True)
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in cells]
    return "\n".join([*lines, "", source(name).replace("\n", " ")])


def _rows(name: str) -> list[dict]:
    found = read(name)
    if not found["rows"]:
        raise CourseError(f"The stored result {name!r} has no rows; make it again with: {found['command']}")
    return found["rows"]


def _even(column: pd.Series, thousands: str = "") -> pd.Series:
    """Each fraction as a text with as many decimals as the longest one of its column has."""
    decimals = [str(x).partition(".")[2] for x in column if isinstance(x, float) and "e" not in str(x)]
    digits = max(map(len, decimals), default=0)

    def shown(x):
        if isinstance(x, bool) or not isinstance(x, int | float):
            return x
        return f"{x:{thousands}.{digits}f}" if isinstance(x, float) and "e" not in str(x) else f"{x:{thousands}}"

    return column.map(shown)
