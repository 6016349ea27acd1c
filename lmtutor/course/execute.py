"""Run the chapters headless, as `lmtutor run` and `make run` do: executed copies, a log, and what each one cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TextIO

from lmtutor import results, runtime
from lmtutor.runtime import CourseError, choose

CELL_SECONDS = 2000  # after so long a cell counts as hanging, on the full profile, too
PACKAGES = ("torch", "numpy", "transformers")
SAME_COST = 0.5  # a stored cost stays until a new one differs from it by more than half of it


@dataclass(frozen=True)
class Outcome:
    """How one notebook went; `error` is None, or the cell and the last line of its error."""

    name: str
    seconds: float
    peak_memory_mb: int
    error: str | None = None


def folder() -> Path:
    """The folder chapters/ of the checkout, or the one in the working directory.

    Raises:
        CourseError: there is none.
    """
    for place in (runtime.PACKAGE.parent / "chapters", Path.cwd() / "chapters"):
        if place.is_dir():
            return place
    raise CourseError("There is no folder chapters/ here: change into the course's folder first.")


def find(chapters: Sequence[str] = ()) -> list[Path]:
    """The notebooks of these chapters, each a number ("01") or a name; of all chapters if none is given.

    A number names all that carry it: the chapter, and its companion ("03_bug_hunt") where there is one.

    Raises:
        CourseError: there is no such chapter; the nearest name is suggested.
    """
    names = {path.stem: path for path in sorted(folder().glob("[0-9][0-9]_*.ipynb"))}
    if not names:
        raise CourseError(f"There is no notebook in {str(folder())!r}.")
    known = sorted({*names, *(name[:2] for name in names)})
    wanted = [Path(chapter).name.removesuffix(".ipynb") for chapter in chapters] or list(names)
    wanted = {choose(name, known, "The chapter") for name in wanted}
    return [path for name, path in names.items() if name in wanted or name[:2] in wanted]


def run(notebooks: Sequence[Path], out: Path, *, profile: str, store: bool = False) -> list[Outcome]:
    """Execute notebooks one after the other, telling of each as it goes; all are run, also when one fails.

    Writes executed copies, run.log and costs.json into `out`. Each notebook starts without learner's progress.

    Args:
        notebooks: as `find` gives them.
        out: a folder; it is made if need be.
        profile: "quick" or "full".
        store: for maintainers: merge the costs into benchmarks/results and, if the profile is quick, put the executed
            notebooks, normalised, into chapters/.

    Raises:
        CourseError: the profile is unknown, `out` cannot be written, or other data than the embedded is to be stored.
    """
    choose(profile, runtime.PROFILES, "The profile")
    environment = {**os.environ, "LMTUTOR_PROFILE": profile}
    environment.pop("MPLBACKEND", None)  # figures belong into the notebook
    if store and profile == "quick":
        if os.environ.get("LMTUTOR_SOURCE", "") not in ("", "embedded"):
            raise CourseError("Stored notebooks show the embedded data: unset LMTUTOR_SOURCE.")
        environment |= {"LMTUTOR_DEVICE": "cpu", "LMTUTOR_PRECISION": "no"}  # the outputs that everybody can get
        _format_notebooks()  # inserts made cells that are missing, so that they are executed, too
    try:
        out.mkdir(parents=True, exist_ok=True)
        log = (out / "run.log").open("w", encoding="utf-8")
        home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    except OSError as error:
        place = error.filename or out
        raise CourseError(
            f"{str(place)!r} cannot be written ({_reason(error)}): choose another folder with --out."
        ) from None

    def tell(line: str, details: str = "") -> None:
        _print(f"\r{line:<70}" if sys.stdout.isatty() else line)
        _print(f"{line}\n{details}" if details else line, log)

    with _closing(log), home:
        environment["LMTUTOR_HOME"] = home.name
        _share_models(Path(home.name))
        tell(f"{len(notebooks)} notebook(s), profile {profile}, executed copies in {out}/")
        outcomes = [_run_one(path, out, environment, tell) for path in notebooks]
        tell(summary(outcomes))
    costs = {outcome.name: {profile: _cost(outcome)} for outcome in outcomes if outcome.error is None}
    try:
        _write_json(out / "costs.json", costs)
        if store:
            _store(outcomes, out, costs, profile)
    except OSError as error:
        raise CourseError(f"{error.filename} cannot be written ({_reason(error)}).") from None
    return outcomes


def _share_models(home: Path) -> None:
    """Let a home without progress have the learner's converted models: to make one takes half a minute."""
    models = runtime.home().resolve() / "models"
    with suppress(OSError):  # where nothing can be linked, each run converts its own
        models.mkdir(parents=True, exist_ok=True)
        (home / "models").symlink_to(models, target_is_directory=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _print(line: str, file: TextIO | None = None) -> None:
    """Print at once; a full disk below the log, or below this command's own output, stops no run."""
    try:
        print(line, file=file, flush=True)
    except BrokenPipeError:  # nobody reads on: `lmtutor run | head`
        raise
    except OSError:
        pass


@contextmanager
def _closing(log: TextIO) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError):  # what could not be written is tried again, and fails again
            log.close()


def summary(outcomes: Sequence[Outcome]) -> str:
    """A table with one line a notebook: seconds, peak memory, how it ended."""
    width = max(len("notebook"), *(len(o.name) for o in outcomes))
    lines = [f"{'notebook':<{width}}  seconds  peak MB  result"]
    for o in outcomes:
        lines.append(f"{o.name:<{width}}  {o.seconds:7.1f}  {o.peak_memory_mb:7d}  {o.error or 'ok'}")
    return "\n".join(lines)


def _run_one(path: Path, out: Path, environment: dict[str, str], tell: Callable[..., None]) -> Outcome:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as problem:  # of many types
        tell(f"{path.stem}: {(error := f'it cannot be read: {_last_line(str(problem))}')}")
        return Outcome(path.stem, 0.0, 0, error)
    codes = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    place, start = 0, time.perf_counter()  # place: which of the code cells is running

    def started(cell, cell_index, **_) -> None:
        nonlocal place
        if cell_index in codes:
            place = codes.index(cell_index) + 1
            if sys.stdout.isatty():
                seconds = time.perf_counter() - start
                print(f"\r{path.stem}: cell {place} of {len(codes)}, {seconds:.0f} s  ", end="", flush=True)

    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],  # of the kernel's own messages
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=started,
    )
    if not sys.stdout.isatty():
        _print(f"{path.stem}: {len(codes)} code cells ...")
    error, details, memory = None, "", 0
    # In a thread of its own, so that this one can watch the memory and hear Ctrl-C.
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.execute, env=environment)
        try:
            while wait_for([future], timeout=0.2).not_done:
                memory = max(memory, _children_memory())
            future.result()
        except KeyboardInterrupt:
            _end_children()
            raise
        except CellExecutionError as problem:
            error, details = f"cell [{place}]: {problem.ename}: {_last_line(problem.evalue)}", problem.traceback
        except CellTimeoutError:
            error = f"cell [{place}]: it ran longer than {CELL_SECONDS} s"
        except DeadKernelError:
            error = f"cell [{place}]: the kernel died; was the memory used up?"
        except Exception as problem:  # the kernel does not start, has no place for its files, ...
            error = f"cell [{place}]: it could not be run: {type(problem).__name__}: {_last_line(str(problem))}"
    seconds = time.perf_counter() - start
    try:
        _write(out / path.name, nbformat.writes(notebook) + "\n")
    except OSError as problem:
        error = f"{error + '; ' if error else ''}the executed copy cannot be written ({_reason(problem)})"
    outcome = Outcome(path.stem, round(seconds, 1), round(memory / 1e6), error)
    tell(f"{path.stem}: {error or 'ok'} ({seconds:.1f} s, {outcome.peak_memory_mb} MB)", details)
    return outcome


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def _children() -> list:
    """The kernel and what it started: this process starts nothing else meanwhile."""
    import psutil

    return psutil.Process().children(recursive=True)


def _children_memory() -> int:
    """Their resident memory now, in bytes."""
    import psutil

    total = 0
    for child in _children():
        try:
            total += child.memory_info().rss
        except psutil.Error:  # it has ended meanwhile
            continue
    return total


def _end_children() -> None:
    import psutil

    for child in _children():
        try:
            child.kill()
        except psutil.Error:
            continue


# --- costs ------------------------------------------------------------------------------------------------------------


def _cost(outcome: Outcome) -> dict:
    return {
        "seconds": outcome.seconds,
        "peak_memory_mb": outcome.peak_memory_mb,
        "machine": results.machine(),
        "date": date.today().isoformat(),
        "versions": results.versions(*PACKAGES),
    }


def merge_costs(stored: dict, measured: dict) -> dict:
    """The stored costs with the newly measured ones put in.

    Where both agree roughly (same machine, at most `SAME_COST` apart) the stored one stays, so that storing twice
    gives the same files.
    """
    merged = {name: dict(profiles) for name, profiles in stored.items()}
    for name, profiles in measured.items():
        for profile, new in profiles.items():
            old = merged.get(name, {}).get(profile)
            if old is None or old["machine"] != new["machine"] or not _alike(old, new):
                merged.setdefault(name, {})[profile] = new
    return dict(sorted(merged.items()))


def _alike(old: dict, new: dict) -> bool:
    return all(abs(new[key] - old[key]) <= SAME_COST * old[key] for key in ("seconds", "peak_memory_mb"))


def _store(outcomes: Sequence[Outcome], out: Path, costs: dict, profile: str) -> None:
    path = runtime.share("results") / "costs.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    _write_json(path, merge_costs(stored, costs))
    for outcome in outcomes:
        if outcome.error is None and profile == "quick":
            _write(folder() / f"{outcome.name}.ipynb", (out / f"{outcome.name}.ipynb").read_text(encoding="utf-8"))
    _format_notebooks()


def _format_notebooks() -> None:
    subprocess.run([sys.executable, str(runtime.PACKAGE.parent / "tools" / "format_notebooks.py")], check=True)


def _write_json(path: Path, content: dict) -> None:
    _write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    """All or nothing: what was there before stays where the new cannot be written."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
