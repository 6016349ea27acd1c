"""Values as plain data: what a student's code returns comes out of the sandbox in this form, and as nothing else.

Numbers, texts, lists, dicts, sets, arrays and tensors become JSON; all else becomes the name of its type. Nothing is
unpickled, and no code of the student is called, when it is read. This module runs on both sides of the wall.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import islice
from numbers import Number

LONGEST = 16_000_000  # bytes of an encoded value
ITEMS = 200_000  # of all containers of a value together
ITERATED = 10_000  # items that are taken from something without a length
DEPTH = 40  # of containers in containers
DIGITS = 4000  # of a whole number
TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bfloat16")


class Opaque:
    """Something that is not plain: all that is known of it is its type's name."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Unreadable(ValueError):
    """What came is no encoded value."""


# --- in the sandbox ---------------------------------------------------------------------------------------------------


def encode(value) -> bytes:
    """A value as bytes; anything that is not plain, or that is too large, by its type's name alone."""
    try:
        data = json.dumps(_node(value, 0, [0])).encode()
    except _TooLarge:
        data = b""
    if not data or len(data) > LONGEST:
        return json.dumps(["o", f"{type(value).__name__}, too large to be marked"]).encode()
    return data


class _TooLarge(Exception):
    pass


def _node(value, depth: int, count: list[int]):
    count[0] += 1
    if depth > DEPTH or count[0] > ITEMS:
        raise _TooLarge
    if value is None:
        return ["n"]
    if value is Ellipsis:
        return ["e"]
    if isinstance(value, bool):
        return ["b", bool(value)]
    if type(value).__module__ == "torch" and hasattr(value, "detach"):
        return _tensor(value)
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return _array(value, "a")
    if isinstance(value, int):
        return ["i", int.__repr__(value)] if value.bit_length() < 3 * DIGITS else ["o", "int of many digits"]
    if isinstance(value, float):
        return ["f", float(value)]
    if isinstance(value, str):
        return ["t", str.__str__(value)]
    if isinstance(value, bytes | bytearray):
        return ["y", base64.b64encode(value).decode()]
    return _container(value, depth + 1, count)


def _container(value, depth: int, count: list[int]):
    def nodes(items):
        return [_node(item, depth, count) for item in items]

    if isinstance(value, Mapping):
        return ["d", [[_node(key, depth, count), _node(item, depth, count)] for key, item in value.items()]]
    if isinstance(value, tuple):
        return ["u", nodes(value)]
    if isinstance(value, Set):
        return ["s", nodes(sorted(value, key=repr))]
    if isinstance(value, list):
        return ["l", nodes(value)]
    if isinstance(value, Iterator):
        return ["g", nodes(islice(value, ITERATED))]
    if hasattr(value, "to_numpy") and getattr(value, "ndim", 0) == 1:  # a column of pandas
        return _node(value.to_numpy(), depth, count)
    if isinstance(value, Number) and hasattr(value, "__float__"):  # a fraction
        return ["f", float(value)]
    if isinstance(value, Iterable) and not isinstance(value, type) and hasattr(value, "__len__"):
        return ["l", nodes(islice(value, ITERATED))]
    return ["o", type(value).__name__]


def _tensor(value):
    value = value.detach()
    if value.is_sparse or value.is_quantized or value.device.type == "meta":
        return ["o", "Tensor"]
    name = str(value.dtype).removeprefix("torch.")
    value = value.cpu().resolve_conj().resolve_neg()
    array = (value.float() if name == "bfloat16" else value).numpy()
    return _array(array, "T", name)


def _array(array, kind: str, name: str | None = None):
    import numpy as np

    name = name or str(array.dtype)
    if name not in TYPES:
        return _node(array.tolist(), 0, [0]) if array.ndim else ["o", type(array).__name__]
    if array.nbytes > LONGEST // 2:
        raise _TooLarge
    return [kind, name, list(array.shape), base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()]


# --- outside ----------------------------------------------------------------------------------------------------------


def decode(data: bytes):
    """The value that `encode` wrote.

    Raises:
        Unreadable: the bytes are something else.
    """
    try:
        if len(data) > LONGEST:
            raise Unreadable("more than is allowed")
        return _value(json.loads(data), 0)
    except Unreadable:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, MemoryError, OverflowError) as error:
        raise Unreadable(str(error)[:200]) from None


def _value(node, depth: int):
    if depth > DEPTH + 2 or not isinstance(node, list) or not node:
        raise Unreadable("not a value")
    kind, *rest = node
    if kind in ("n", "e"):
        return None if kind == "n" else Ellipsis
    if kind == "b":
        return rest[0] is True
    if kind == "i":
        if len(_text(rest[0])) > DIGITS:
            raise Unreadable("a number of many digits")
        return int(rest[0])
    if kind == "f":
        return float(rest[0])
    if kind == "t":
        return _text(rest[0])
    if kind == "y":
        return base64.b64decode(_text(rest[0]))
    if kind in ("a", "T"):
        return _numbers(kind, *rest)
    if kind == "o":
        return Opaque("".join(c for c in _text(rest[0]) if c.isprintable())[:80])
    if kind == "d":
        return {_value(key, depth + 1): _value(item, depth + 1) for key, item in rest[0]}
    items = [_value(item, depth + 1) for item in rest[0]]
    makers = {"l": list, "u": tuple, "s": set, "g": iter}
    return makers[kind](items)


def _text(value) -> str:
    if not isinstance(value, str):
        raise Unreadable("not a text")
    return value


def _numbers(kind: str, name: str, shape: list[int], data: str):
    import numpy as np

    if name not in TYPES or len(shape) > 16 or not all(type(n) is int and 0 <= n <= LONGEST for n in shape):
        raise Unreadable("not an array")
    stored = np.dtype("float32" if name == "bfloat16" else name)
    content = base64.b64decode(_text(data))
    if math.prod(shape) * stored.itemsize != len(content):
        raise Unreadable("an array of another size than it says")
    array = np.frombuffer(content, dtype=stored).reshape(shape).copy()
    if kind == "a":
        return array if shape else array[()]
    import torch

    return torch.from_numpy(array).to(getattr(torch, name))
