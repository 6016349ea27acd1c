"""Ctrl-C, and Jupyter's stop button, which cannot tear an update of the weights apart."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupt:
    """Counts how often Ctrl-C was pressed.

    The first time is only counted, so that the loop ends after the step under way; from the second on it raises
    KeyboardInterrupt. `may_raise` limits how often yet: while a run ends, a broken-off save must not cost the history.
    """

    def __init__(self):
        self.presses, self.may_raise = 0, math.inf

    def press(self, *_) -> None:
        """What the signal does."""
        self.presses += 1
        if self.presses > 1 and self.may_raise > 0:
            self.may_raise -= 1
            raise KeyboardInterrupt


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """An Interrupt that gets Ctrl-C meanwhile."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield interrupt
        return
    previous = signal.signal(signal.SIGINT, interrupt.press)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
