"""A lock on a checkpoint folder, so that no two runs write into it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lmtutor.training.checkpoint import CheckpointError, first_line

if TYPE_CHECKING:
    from accelerate import Accelerator


@contextmanager
def writing_to(folder: Path | None, accelerator: Accelerator) -> Iterator[None]:
    """Keep other runs from writing to the folder meanwhile; process 0 does it for all of this run.

    The lock is the operating system's, so one that a killed run had is gone. Where there is none to be had (a folder
    that cannot be written to, a file system without locks), that is told, and the run goes on.

    Raises:
        CheckpointError: (in all processes) another run is writing there.
    """
    lock, taken = None, False
    if folder and accelerator.is_main_process:
        lock, taken = _acquire(folder)
    if folder and accelerator.num_processes > 1:
        taken = accelerator.reduce(torch.tensor(float(taken), device=accelerator.device)).item() > 0
    if taken:
        raise CheckpointError(
            f"Another run is writing here: {folder}. Wait for its end, stop it, or give this run a folder of its own."
        )
    try:
        yield
    finally:
        if lock:
            lock.release()


def _acquire(folder: Path) -> tuple:
    """The lock, or None; and whether another one has it."""
    from filelock import FileLock, SoftFileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0, thread_local=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a SoftFileLock, a mere file, which a killed run leaves behind
            lock.acquire()
        if isinstance(lock, SoftFileLock):
            lock.release()
            raise OSError("the file system has no locks")
    except Timeout:
        return None, True
    except (OSError, NotImplementedError) as error:
        print(
            f"The checkpoint folder {folder} could not be locked ({first_line(error)}): "
            f"see that no other run writes to it."
        )
        return None, False
    return lock, False
