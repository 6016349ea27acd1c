"""Answers that do their worst: kind -> a function that takes any arguments. None of them is right for any exercise."""

import asyncio
import builtins
import itertools
import os
import random
import sys
import threading
import time

import numpy as np
import pandas as pd
import torch


class Own(BaseException):
    pass


def error(kind, *arguments):
    """An answer that raises."""

    def answer(*_):
        raise kind(*arguments)

    return answer


def gives(value):
    """An answer that returns."""
    return lambda *_: value


def bad(how):
    def method(*_):
        if isinstance(how, type) and issubclass(how, BaseException):
            raise how("hostile")
        return how

    return method


def thing(base=object, *arguments, **methods):
    """An answer whose result has these methods: each raises an error, or returns a value."""
    return gives(type("Thing", (base,), {name: bad(how) for name, how in methods.items()})(*arguments))


def holding_itself(kind):
    value = kind()
    value.append(value) if isinstance(value, list) else value.update(key=value)
    return value


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def deep(*_):
    return deep(*_)


class Unsayable(Exception):
    def __str__(self):
        raise SystemExit("not even its text")


class Changing(dict):
    def keys(self):
        raise Own


def exhausts(*_):
    raise MemoryError


def generator_that(how):
    def answer(*_):
        def items():
            yield 1
            raise how("hostile")

        return items()

    return answer


async def coroutine(*_):
    return 1


SPECIAL = ["__eq__", "__repr__", "__float__", "__iter__", "__len__", "__array__", "__bool__", "__getitem__"]
SPECIAL += ["__hash__", "tolist", "detach"]

RAISING = {
    f"raises {kind.__name__}": error(kind, "hostile")
    for kind in (SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, BaseException, Own, Unsayable)
} | {
    "exit()": lambda *_: builtins.exit() if hasattr(builtins, "exit") else sys.exit(),
    "sys.exit(0)": lambda *_: sys.exit(0),
    "cancelled": error(asyncio.CancelledError),
    "a long error": error(ValueError, "x" * 10**7),
    "an error that cannot be printed": error(ValueError, "\ud800"),
    "an error of many": error(BaseExceptionGroup, "many", [SystemExit(), ValueError()]),
    "endless recursion": deep,
    "no memory": exhausts,
    "ends half way with SystemExit": generator_that(SystemExit),
    "ends half way with Own": generator_that(Own),
}

RESULTS = {
    f"{name} {'raises ' + how.__name__ if isinstance(how, type) else 'gives ' + repr(how)}": thing(**{name: how})
    for name in SPECIAL
    for how in (ValueError, SystemExit, RecursionError, None)
} | {
    "always equal": thing(__eq__=True, __ne__=False, __hash__=0),
    "an always equal list": thing(list, [], __eq__=True, __ne__=False),
    "an always equal text": thing(str, "", __eq__=True, __ne__=False, __hash__=0),
    "an always equal dict": thing(dict, {}, __eq__=True, __ne__=False),
    "a list that holds itself": gives(holding_itself(list)),
    "a dict that holds itself": gives(holding_itself(dict)),
    "a deep list": gives(nested(50_000)),
    "a deep tuple": gives((nested(50_000),) * 3),
    "a wide and deep list": gives([[[[[[[[0] * 9] * 9] * 9] * 9] * 9] * 9] * 9]),
    "a dict that raises": gives(Changing(a=1)),
    "a long text": gives("x" * 10**7),
    "a long list": gives(list(range(10**6))),
    "a large array": gives(np.zeros((10**4, 10**4), dtype=np.int8)),
    "a large number": gives(10**5000),
    "a complex number": gives(1j),
    "an array of objects": gives(np.array([None, "x", [1]], dtype=object)),
    "a table": gives(pd.DataFrame({"a": [1, 2]})),
    "a column": gives(pd.Series([1.5, 2.5])),
    "a sparse tensor": gives(torch.eye(3).to_sparse()),
    "a meta tensor": gives(torch.empty(2, device="meta")),
    "a negative length": thing(__len__=-1, __getitem__=1),
    "it says it is a list": thing(__class__=property(lambda self: list)),
    "endless": lambda *_: itertools.count(),
    "endless text": lambda *_: itertools.repeat("the"),
    "endless in pairs": lambda *_: ((x, itertools.count()) for x in itertools.count()),
    "endless by index": thing(__getitem__=0.5),
    "a coroutine": coroutine,
    "a class": gives(int),
    "a module": gives(os),
    "not implemented": gives(NotImplemented),
    "dots in a list": gives([...]),
}


def changes(what):
    """An answer that changes the world before it gives a wrong result."""

    def answer(*_):
        what()
        return object()

    return answer


def close_streams():
    sys.stdout.close()
    sys.stderr = sys.stdout = None


CHANGES = {
    "seeds": changes(lambda: (random.seed(1), np.random.seed(1), torch.manual_seed(1))),
    "draws": changes(lambda: (random.random(), np.random.rand(), torch.rand(1))),
    "prints much": changes(lambda: print("x" * 10**7)),
    "prints often": changes(lambda: [print("line") for _ in range(10**5)]),
    "the streams": changes(close_streams),
    "how NumPy prints": changes(lambda: np.set_printoptions(precision=1)),
    "how NumPy warns": changes(lambda: np.seterr(all="raise")),
    "how PyTorch prints": changes(lambda: torch.set_printoptions(precision=1)),
    "the type of numbers": changes(lambda: torch.set_default_dtype(torch.float64)),
    "gradients": changes(lambda: torch.set_grad_enabled(False)),
    "algorithms": changes(lambda: torch.use_deterministic_algorithms(True)),
    "the folder": changes(lambda: os.chdir("/")),
    "the environment": changes(lambda: os.environ.update(LMTUTOR_HOME="/nowhere")),
    "how deep calls may go": changes(lambda: sys.setrecursionlimit(5000)),
    "tracing": changes(lambda: sys.settrace(lambda *_: None)),
}


def spins(*_):
    while True:
        pass


def spins_and_catches(*_):
    for _ in range(3):
        try:
            spins()
        except:  # noqa: E722
            continue
    spins()


def grows(*_):
    held = []
    while True:
        held.append([0] * 1000)


def waits(*_):
    threading.Event().wait()


def sleeps(*_):
    time.sleep(3600)


def yields_nothing(*_):
    return (x for x in itertools.count() if x < 0)


def slow(name):
    return gives(type("Slow", (), {name: spins})())


ENDLESS = {
    "spins": spins,
    "spins and catches": spins_and_catches,
    "waits": waits,
    "sleeps": sleeps,
    "yields nothing": yields_nothing,
    "counts for ever": slow("__float__"),
    "shows for ever": slow("__repr__"),
    "iterates for ever": slow("__iter__"),
}
