"""Random numbers of a run: seeds made of a key, and generators that the caller gets back as they were."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def mix(*key: Any) -> int:
    """A seed of 32 bits made of several numbers and names, the same on every machine."""
    return zlib.crc32(repr(key).encode())


def reseed(*key: Any) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (of the CPU and the current GPU) from `key`."""
    import numpy

    seed = mix(*key)
    random.seed(seed)
    numpy.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed takes far longer: it asks every kind of device
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(seed)
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Leave the caller's random generators as they were."""
    import numpy

    python, array = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(array)
