"""Where a notebook runs: device, precision, seed, profile and source of data, settled once by `setup`."""

from __future__ import annotations

import operator
import os
import random
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

# OpenMP's threads shall look a thousand times whether to go on, and then sleep. By default they spin as long as they
# wait, which makes small networks twenty times as slow on a machine that has other work; to sleep at once costs an idle
# machine a quarter of its speed. It is read when torch is loaded; what is set already stays.
if "OMP_WAIT_POLICY" not in os.environ:
    for _name, _value in {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"}.items():
        os.environ.setdefault(_name, _value)

import torch

PACKAGE = Path(__file__).resolve().parent
PROFILES = ("quick", "full")
PRECISIONS = ("no", "bf16", "fp16")  # as Accelerate names them; "no" is float32
SOURCES = ("embedded", "local", "hub")


class CourseError(Exception):
    """A mistake of use, told in one sentence that says what is wrong and what to do.

    In a notebook only the sentence is shown: the reader needs it, and not our call stack.
    """

    def _render_traceback_(self) -> list[str]:  # IPython asks the exception itself how it wants to be shown
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True)
class Runtime:
    """What `setup` settled; `numbers` holds the chapter's row of profiles.toml."""

    device: torch.device
    precision: str  # one of PRECISIONS
    profile: str
    source: str
    data_dir: Path | None
    seed: int
    numbers: dict = field(default_factory=dict)

    def __str__(self) -> str:
        where = str(self.device)
        if self.device.type == "cuda":
            where += f" ({torch.cuda.get_device_name(self.device)})"
        elif self.device.type == "cpu":
            threads = torch.get_num_threads()
            where += f" ({threads} thread{'s' if threads > 1 else ''})"
        precision = {"no": "float32"}.get(self.precision, self.precision)
        source = self.source if self.data_dir is None else f"{self.source} ({self.data_dir})"
        return (
            f"lmtutor {version('lmtutor')} | {where}, {precision} | "
            f"profile {self.profile} | data {source} | seed {self.seed}"
        )


_current: Runtime | None = None


def setup(chapter: str | None = None, *, seed: int = 0, quiet: bool = False) -> SimpleNamespace:
    """Settle device, precision, seed, profile and data source, print them in one line, return the chapter's numbers.

    Args:
        chapter: the notebook's number, such as "01". Its numbers come from profiles.toml.
        seed: seeds Python, NumPy and PyTorch.
        quiet: print nothing.

    Returns:
        The chapter's numbers for this profile and source as attributes (empty without a chapter).

    The switches are the environment variables LMTUTOR_PROFILE (quick, full), LMTUTOR_SOURCE (embedded, local, hub),
    LMTUTOR_DATA_DIR (the folder of local data), LMTUTOR_DEVICE (cpu, cuda, mps) and LMTUTOR_PRECISION (of training: no,
    bf16, fp16); the last two are chosen by themselves when not set.

    Raises:
        CourseError: a switch has a value that it does not know; or Keras was imported before, and not for PyTorch.
    """
    global _current
    _keras()
    _current = _from_environment(chapter, operator.index(seed))
    seed_everything(seed)
    if _current.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32: float32 products at tensor-core speed
    if not quiet:
        print(_current)
    return SimpleNamespace(**_current.numbers)


def _keras() -> None:
    """Chapters compare Keras with PyTorch, so it has to compute with it; it asks once, when it is imported.

    Its part is small, so it computes on the processor, also where there is a GPU, which it would take by itself.
    """
    os.environ |= {"KERAS_BACKEND": "torch", "KERAS_TORCH_DEVICE": "cpu"}
    keras = sys.modules.get("keras")
    if keras is not None and keras.backend.backend() != "torch":
        raise CourseError(
            f"Keras was imported before `lm.setup`, and computes with {keras.backend.backend()!r} instead of PyTorch: "
            "restart the kernel (on Colab: Runtime → Restart session), and run the chapter from its first cell."
        )


def current() -> Runtime:
    """The runtime that `setup` settled; without a call of `setup`, one from the environment (seed 0)."""
    return _current or _from_environment(None, 0)


def seed_everything(seed: int) -> None:
    """Seed the global random generators of Python, NumPy and PyTorch (all devices)."""
    seed = operator.index(seed)  # Python and PyTorch take no NumPy number
    random.seed(seed)
    torch.manual_seed(seed)
    import numpy

    numpy.random.seed(seed)


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kibibytes


def share(name: str) -> Path:
    """The folder `data` or `results`: the checkout's own, or the copy that an installed wheel carries."""
    checkout = PACKAGE.parent / {"data": "data", "results": "benchmarks/results"}[name]
    return checkout if (PACKAGE.parent / "pyproject.toml").exists() else PACKAGE / "_share" / name


def home() -> Path:
    """The folder for what belongs to the learner (progress): LMTUTOR_HOME, or ~/.lmtutor.

    A relative LMTUTOR_HOME lies in the home folder, so that it is the same one for kernels, which run in chapters/,
    and for commands, which run anywhere.

    Raises:
        CourseError: this user has no home folder.
    """
    wanted = os.environ.get("LMTUTOR_HOME") or "~/.lmtutor"
    try:
        folder = Path(wanted).expanduser()
        return folder if folder.is_absolute() else Path.home() / folder
    except RuntimeError:
        advice = "set LMTUTOR_HOME to the full path of a folder that you can write."
        raise CourseError(f"There is no home folder for {wanted}: {advice}") from None


class Stopwatch:
    """`with Stopwatch() as watch: ...` measures; `watch.seconds` tells, also while it runs."""

    def __enter__(self) -> Stopwatch:
        self._start, self._end = time.perf_counter(), None
        return self

    def __exit__(self, *exception) -> None:
        self._end = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the beginning of the block, up to its end or to now."""
        return (self._end or time.perf_counter()) - self._start


def choose(value: str, known: tuple[str, ...] | list[str], what: str) -> str:
    """`value` if it is one of `known`; else a CourseError that names `what` and suggests the nearest."""
    if value in known:
        return value
    near = get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}."
    raise CourseError(f"{what} {value!r} is not known; {hint}")


def several(values: Sequence, what: str) -> Sequence:
    """`values`, unless they are one string, whose letters would be taken for them; `what` names them, such as "texts".

    Raises:
        CourseError: they are one string, or None.
    """
    if isinstance(values, str | bytes) or values is None:
        one = "nothing" if values is None else "one string"
        raise CourseError(f"A list of {what} is wanted, not {one}: write [{what.partition(' ')[0].removesuffix('s')}].")
    return values


def _from_environment(chapter: str | None, seed: int) -> Runtime:
    profile = choose(os.environ.get("LMTUTOR_PROFILE") or "quick", PROFILES, "LMTUTOR_PROFILE")
    source = choose(os.environ.get("LMTUTOR_SOURCE") or "embedded", SOURCES, "LMTUTOR_SOURCE")
    folder = os.environ.get("LMTUTOR_DATA_DIR")
    device = _device()
    return Runtime(
        device=device,
        precision=_precision(device),
        profile=profile,
        source=source,
        data_dir=_data_dir(folder) if folder else None,
        seed=seed,
        numbers=chapter_numbers(chapter, profile, source) if chapter else {},
    )


def _data_dir(folder: str) -> Path:
    """The folder as seen from here or, as notebooks run in chapters/, as seen from the repository's top."""
    here, top = Path(folder).expanduser(), PACKAGE.parent / folder
    return top if not os.path.isdir(here) and os.path.isdir(top) else here


def _device() -> torch.device:
    wanted = os.environ.get("LMTUTOR_DEVICE")
    if wanted:
        kind = choose(wanted.partition(":")[0], ("cpu", "cuda", "mps"), "LMTUTOR_DEVICE")
        there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if not there[kind]:
            raise CourseError(
                f"LMTUTOR_DEVICE is {wanted!r}, but this machine has no such device; unset it or say cpu."
            )
        try:
            return torch.device(wanted)
        except RuntimeError:
            raise CourseError(f"LMTUTOR_DEVICE {wanted!r} is not a device; say cpu, cuda, cuda:1 or mps.") from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _precision(device: torch.device) -> str:
    """bf16 where the GPU computes in it (Ampere and later), fp16 with loss scaling before (a T4), else float32."""
    if wanted := os.environ.get("LMTUTOR_PRECISION"):
        return choose(wanted, PRECISIONS, "LMTUTOR_PRECISION")
    if device.type != "cuda":
        return "no"
    return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"


@cache
def _profiles() -> dict:
    return tomllib.loads((PACKAGE / "profiles.toml").read_text(encoding="utf-8"))


def chapter_numbers(chapter: str, profile: str, source: str) -> dict:
    """The chapter's row of profiles.toml: what holds always, then what the profile says, then what the source says."""
    table = _profiles()
    row = table[choose(chapter, sorted(table), "Chapter")]
    common = {key: value for key, value in row.items() if not isinstance(value, dict)}
    return common | row.get(profile, {}) | row.get(source, {})
