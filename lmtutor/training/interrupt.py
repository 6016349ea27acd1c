"""Ctrl-C, and Jupyter's stop button, which cannot tear an update of the weights apart."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace


@contextmanager
def deferred_interrupt() -> Iterator[SimpleNamespace]:
    """Ctrl-C only counts in `.presses`, so that it cannot tear an update apart; from the second on it raises."""
    interrupt = SimpleNamespace(presses=0)

    def press(*_) -> None:
        interrupt.presses += 1
        if interrupt.presses > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield interrupt
        return
    previous = signal.signal(signal.SIGINT, press)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
