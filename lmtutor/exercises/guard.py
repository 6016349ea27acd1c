"""How a learner's code is run by a check: whatever it does, the check goes on, and all is afterwards as it was before.

It runs in a thread of its own: what it raises, also SystemExit and KeyboardInterrupt, ends that thread alone, a Ctrl-C
of the learner reaches the check, and waiting with a deadline works on every system and in every notebook. (An alarm
signal does not: Windows has none, and only a main thread hears it.) What cannot be stopped is a single call of C code
that never returns, such as `sum(itertools.count())`: Python itself waits for it, and the kernel must be restarted.
"""

from __future__ import annotations

import contextvars
import ctypes
import gc
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
import torch

SECONDS = 10.0  # that code may run, beyond what the check allows it
PATIENCE = 5.0  # seconds in which stopped code has to end; then its thread is left behind
MEMORY = 1e9  # bytes that it may add
PRINTED = 20_000  # characters that it may print


class Stopped(Exception):
    """Why code was stopped."""


def run(function: Callable[[], Any], seconds: float = 0.0) -> tuple[Any, BaseException | None]:
    """What `function` returns, and None; or None, and the error with which it ended, of whatever type.

    Args:
        function: the code; it may do anything.
        seconds: that it may take beyond `SECONDS`.

    Returns:
        (result, error). The error is `Stopped`, with the reason, where the code took too long or too much memory.
    """
    result: list = [None, None]
    wanted = threading.Event()
    wanted.set()

    def work() -> None:
        try:
            if wanted.is_set():
                result[0] = function()
        except BaseException as error:
            result[1] = error

    # With a copy of the context: what it sets there (NumPy's ways to print and to warn) is gone with it.
    worker = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    try:
        worker.start()
        reason = _wait(worker, SECONDS + seconds)
    except BaseException:  # the learner's Ctrl-C, also before the thread has begun
        wanted.clear()
        _stop(worker)
        raise
    if reason:
        ended = _stop(worker)
        return None, Stopped(reason if ended else f"{reason} It cannot be stopped: restart the kernel.")
    return result[0], result[1]


def _wait(worker: threading.Thread, seconds: float) -> str:
    """Wait for the end; "" then, else why it should not go on."""
    process = psutil.Process()
    end, most = time.monotonic() + seconds, process.memory_info().rss + MEMORY
    while worker.is_alive():
        if time.monotonic() > end:
            return f"still ran after {seconds:.0f} s: does a loop in it never end?"
        if process.memory_info().rss > most:
            return f"took more than {MEMORY / 1e9:.0f} GB of memory: does something in it grow without end?"
        worker.join(0.1)  # in slices, as Windows hears no Ctrl-C meanwhile
    return ""


def _stop(worker: threading.Thread) -> bool:
    """Raise SystemExit, of which threads end silently, and again where it is caught; returns whether it ended.

    No garbage is collected meanwhile: code that makes much of it would be in a collection most of the time, and an
    error that meets a callback of the collector (Hypothesis has one) is lost.
    """
    end, collects = time.monotonic() + PATIENCE, gc.isenabled()
    gc.disable()
    try:
        while worker.is_alive() and time.monotonic() < end:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(SystemExit))
            worker.join(0.1)
        return not worker.is_alive()
    finally:
        if collects:
            gc.enable()


@contextmanager
def as_before() -> Iterator[None]:
    """Afterwards the learner's random numbers, settings, folder and environment are what they were before."""
    kept = [(put, get()) for get, put in _KEPT]
    folder, environment, streams = _folder(), dict(os.environ), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = map(_Capped, streams)
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        sys.stdout, sys.stderr = streams
        for put, value in kept:
            put(value)
        if folder and _folder() != folder:
            os.chdir(folder)
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)


# What is kept: how to read it, how to put it back.
_KEPT = (
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (np.get_printoptions, lambda options: np.set_printoptions(**options)),
    (np.geterr, lambda options: np.seterr(**options)),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (
        lambda: dict(vars(torch._tensor_str.PRINT_OPTS)),
        lambda options: vars(torch._tensor_str.PRINT_OPTS).update(options),
    ),
    (sys.getrecursionlimit, sys.setrecursionlimit),
)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


class _Capped:
    """A stream that shows the first `PRINTED` characters, and says that there was more."""

    def __init__(self, stream):
        self._stream, self._left = stream, PRINTED

    def write(self, text: str) -> int:
        if self._left > 0:
            self._stream.write(text[: self._left])
            if len(text) >= self._left:
                self._stream.write("\n... (your code prints more than is shown)\n")
        self._left -= len(text)
        return len(text)

    def close(self) -> None:
        """It stays open: it is the notebook's."""

    def __getattr__(self, name: str):
        return getattr(self._stream, name)
