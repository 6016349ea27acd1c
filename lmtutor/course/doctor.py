"""Is this machine ready for the course? `lmtutor doctor` prints the checks, `table()` shows them in a notebook.

What is measured is told in steps ("more than 10 GB"), so that the table of one machine stays the same from day to day.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lmtutor import runtime
from lmtutor.exercises import progress_file
from lmtutor.runtime import CourseError

if TYPE_CHECKING:
    import pandas as pd

MINIMUM_PYTHON = (3, 11)


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, "ok", "warn" or "fail", what was found, and what to do about it."""

    check: str
    state: str
    found: str
    advice: str = ""


def doctor() -> list[Check]:
    """All checks, in the order in which one would mend what they find."""
    return [
        _python(),
        *_packages(),
        *torchao(),
        _kernel(),
        _switches(),
        _device(),
        _cores(),
        _memory(),
        _disk(),
        _data(),
        *_models(),
        _home(),
    ]


def table() -> pd.DataFrame:
    """The checks as a table with one row each."""
    import pandas as pd

    return pd.DataFrame([asdict(check) for check in doctor()]).set_index("check")


def _python() -> Check:
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MINIMUM_PYTHON:
        return Check("Python", "fail", found, f"Install Python {wanted} or later.")
    return Check("Python", "ok", found)


def _packages() -> list[Check]:
    """One row for each package that is missing or not as tested, else one row for all of them."""
    tested = tested_versions()
    rows, names = [], dependencies()
    for name in names:
        try:
            found = version(name).partition("+")[0]  # 2.13.0+cpu is torch 2.13.0
        except PackageNotFoundError:
            rows.append(Check(name, "fail", "not installed", f"Run `pip install {name}`, or `make lab` again."))
            continue
        if tested.get(name, found) != found:
            rows.append(Check(name, "warn", found, f"Tested was {tested[name]}; `make lab` installs it."))
    said = f"all {len(names)} as tested" if tested else f"all {len(names)} there"
    return rows or [Check("packages", "ok", said)]


def torchao() -> list[Check]:
    """peft stops at a torchao that is older than it wants (Colab and Kaggle bring one), though the course uses none."""
    if find_spec("torchao") is None:
        return []
    from peft.import_utils import is_torchao_available

    try:
        is_torchao_available()
    except ImportError:
        advice = "peft wants a newer one, and the course none at all: run `pip uninstall torchao`."
        return [Check("torchao", "fail", version("torchao"), advice)]
    return []


def dependencies() -> list[str]:
    """The names of the packages that the course needs, without those of its extras."""
    from packaging.requirements import Requirement

    found = [Requirement(line) for line in requires("lmtutor") or []]
    return [r.name for r in found if not r.marker or r.marker.evaluate({"extra": ""})]


def tested_versions() -> dict[str, str]:
    """Package -> version in constraints.txt; empty without a checkout, where there is no such file."""
    path = runtime.PACKAGE.parent / "constraints.txt"
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def _kernel() -> Check:
    """JupyterLab finds kernels by name; "python3" has to be the Python that has the course."""
    advice = "Run `python -m ipykernel install --sys-prefix` with the Python that has the course."
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

        command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except (ImportError, NoSuchKernel):
        return Check("Jupyter kernel", "fail", "there is no kernel python3", advice)
    if Path(command).name == command:  # a bare "python" stands for the Python that starts the kernel
        return Check("Jupyter kernel", "ok", "python3")
    if not Path(command).exists():
        return Check("Jupyter kernel", "fail", f"python3 starts {command}, which does not exist", advice)
    if Path(command).parent.resolve() != Path(sys.executable).parent.resolve():
        return Check("Jupyter kernel", "warn", f"python3 starts {command}", advice)
    return Check("Jupyter kernel", "ok", "python3")


def _switches() -> Check:
    try:
        found = runtime.current()
    except CourseError as error:
        return Check("switches", "fail", str(error), "Correct that environment variable, or unset it.")
    said = f"profile {found.profile}, data {found.source}"
    if found.source == "local" and not (found.data_dir and found.data_dir.is_dir()):
        where = f"there is no folder {found.data_dir}" if found.data_dir else "LMTUTOR_DATA_DIR is not set"
        return Check("switches", "fail", f"{said}, but {where}", "Set LMTUTOR_DATA_DIR to the folder of your data.")
    if found.source == "hub" and os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Check("switches", "warn", f"{said}, but HF_HUB_OFFLINE is set", "Unset HF_HUB_OFFLINE to download.")
    return Check("switches", "ok", said)


def _device() -> Check:
    try:
        found = runtime.current()
        torch.zeros(1, device=found.device)
    except Exception as error:  # a driver that does not fit raises errors of many types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Check("device", "fail", reason, "Mend the driver, or set LMTUTOR_DEVICE=cpu.")
    precision = {"no": "float32"}.get(found.precision, found.precision)
    return Check("device", "ok", f"{found.device}, {precision}")


def _cores() -> Check:
    import psutil

    found = psutil.cpu_count(logical=True) or 1
    if found < 2:
        return Check("cores", "warn", "1", "The chapters take about twice the time that they state.")
    return Check("cores", "ok", str(found))


def _memory() -> Check:
    import psutil

    found = psutil.virtual_memory().total / 2**30
    if found < 3.5:  # a machine sold with 4 GB shows a little less
        return Check("memory", "warn", f"{found:.0f} GB", "A notebook needs up to 2 GB: run one at a time.")
    return Check("memory", "ok", f"{found:.0f} GB")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < 0.5:
        return Check("free disk", "fail", f"{free:.1f} GB", "Make room: checkpoints and downloads need some.")
    if free < 5:
        return Check("free disk", "warn", f"{free:.0f} GB", "Enough for quick; real data sets need more.")
    return Check("free disk", "ok", "more than 10 GB" if free > 10 else "more than 5 GB")


def _data() -> Check:
    from lmtutor import data

    advice = "Restore it with `git checkout data`, or install the course again."
    try:
        files = data.verify()
    except CourseError as error:
        return Check("embedded data", "fail", str(error))
    bad = [name for name, right in files if not right]
    if bad:
        return Check("embedded data", "fail", f"missing or damaged: {', '.join(bad)}", advice)
    return Check("embedded data", "ok", f"{len(files)} files, checksums right")


def _models() -> list[Check]:
    """A row for each pretrained model that comes in a package."""
    from lmtutor import pretrained

    rows = []
    for name, model in pretrained.MODELS.items():
        if not model.package:
            continue
        if problem := pretrained.package_problem(name):
            rows.append(Check(name, "warn", problem, f"The chapters that use it need it: run `{model.install}`."))
        else:
            rows.append(Check(name, "ok", "its package is there"))
    return rows


def _home() -> Check:
    """Whether progress can be saved; what does not exist yet is not made, only its nearest folder is looked at."""
    advice = "Set LMTUTOR_HOME to a folder that you can write."
    try:
        folder = next(place for place in progress_file.file().parents if place.exists())
        with tempfile.TemporaryFile(dir=folder):
            return Check("your progress", "ok", "can be saved")
    except CourseError as error:
        return Check("your progress", "fail", str(error), advice)
    except OSError as error:
        return Check("your progress", "fail", f"{runtime.home()} cannot be written ({error.strerror})", advice)
