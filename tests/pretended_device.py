"""A device that pretends: its tensors claim to be on `mps:0`, are computed by the CPU, and refuse what it refuses.

Apple's GPUs know no float64, take no CPU tensors beside theirs (but for single numbers), no CPU generator, and give
nothing to NumPy. No machine that tests the course has one, so tests look for mistakes with these:

    with pretended_device.on(): ...                   LMTUTOR_DEVICE=mps is now obeyed
    python tests/pretended_device.py [01 02 ...]      executes chapters on it, as `make test-device` does
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode

HERE = torch.device("mps", 0)
# They take tensors of two devices: copies, indices, and the lengths of sequences, which the CPU keeps.
MAY_MIX = {"copy_", "data.__set__", "__getitem__", "_has_compatible_shallow_copy_type", "_pack_padded_sequence"}
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu", "_pad_packed_sequence"}
MIXED = "Expected all tensors to be on the same device, but found at least two devices, mps:0 and cpu!"
FLOAT64 = "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Use float32."


class Pretended(torch.Tensor):
    """A tensor of the pretended device. An object becomes one, or a plain tensor again, by its `__class__`."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


class Factories(TorchFunctionMode):
    """What makes a tensor of none, such as torch.zeros(3, device="mps"), and what moves one."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


def compute(func: Callable, args: tuple, kwargs: dict) -> Any:
    """What a function of torch gives, if the device knows it; else the error of the device."""
    name, tensors = name_of(func), list(tensors_in((args, kwargs)))
    ours = [tensor for tensor in tensors if is_ours(tensor)]
    wanted = kwargs.get("device")
    if not ours and not is_here(wanted) and not (name == "to" and any(map(is_here, args))):
        return func(*args, **kwargs)
    with torch._C.DisableTorchFunctionSubclass():
        if name in SPECIAL:
            return SPECIAL[name](*args, **kwargs)
        refuse_mixtures(name, args, tensors, ours)
        if any(isinstance(value, torch.Generator) for value in (*args, *kwargs.values())):
            raise RuntimeError("Expected a 'mps' device type for generator but found 'cpu'")
        if wanted is not None:
            kwargs = {**kwargs, "device": "cpu"}
        result = func(*args, **kwargs)
        if wanted is None or is_here(wanted):
            theirs = {id(tensor) for tensor in tensors if not is_ours(tensor)}
            made = result[:1] if "packed" in name or "pack_padded" in name else result  # the second are lengths
            for tensor in tensors_in(made):
                if id(tensor) not in theirs:
                    claim(tensor)
        return result


def refuse_mixtures(name: str, args: tuple, tensors: list, ours: list) -> None:
    """The error of tensors on two devices, where the real device raises it."""
    others = [t for t in tensors if not is_ours(t) and t.device.type == "cpu"]
    if name in RECURRENT:
        others = [t for t in others if t.dtype != torch.int64]
    if name == "_pack_padded_sequence" and is_ours(args[1]):
        raise RuntimeError("'lengths' argument should be a 1D CPU int64 tensor, but got 1D mps:0 Long tensor")
    if name == "__setitem__":  # by places it wants a value of the same device, by slices it copies
        by_places = any(t.dim() for t in tensors_in(args[1]))
        others = [t for t in tensors_in(args[2]) if by_places and is_ours(t) != is_ours(args[0])]
    if name in ("__getitem__", "__setitem__") and not is_ours(args[0]) and any(t.dim() for t in tensors_in(args[1])):
        raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    single = name not in ("cat", "stack", "concat")
    if ours and name not in MAY_MIX and any(t.dim() > 0 or not single for t in others):
        raise RuntimeError(MIXED)


def move(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """`tensor.to(...)`: a device, a dtype, both, or those of another tensor."""
    there, dtype = HERE if is_ours(tensor) else tensor.device, tensor.dtype
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            there, dtype = HERE if is_ours(value) else value.device, value.dtype
        elif isinstance(value, torch.device | str):
            there = torch.device(value)
        elif isinstance(value, torch.dtype):
            dtype = value
    moved = plain(tensor, graph=True).to(dtype, copy=kwargs.get("copy", False))
    if is_ours(tensor) == is_here(there) and moved.data_ptr() == tensor.data_ptr() and dtype == tensor.dtype:
        return tensor
    moved = moved.clone() if moved.data_ptr() == tensor.data_ptr() else moved
    return claim(moved) if is_here(there) else moved.to(there)


def set_data(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """`tensor.data = value`, by which `Module.to` moves parameters: the object stays, its device changes."""
    parameter, ours = isinstance(tensor, torch.nn.Parameter), is_ours(value)
    torch.Tensor.data.__set__(tensor, plain(value))
    tensor.__class__ = torch.nn.Parameter if parameter else torch.Tensor
    if ours:
        claim(tensor)


def deep_copy(tensor: torch.Tensor, memo: dict) -> torch.Tensor:
    if id(tensor) not in memo:
        copy = plain(tensor).clone().requires_grad_(tensor.requires_grad)
        if isinstance(tensor, torch.nn.Parameter):
            copy = torch.nn.Parameter(copy, tensor.requires_grad)
        memo[id(tensor)] = claim(copy)
    return memo[id(tensor)]


def no_numpy(*args: Any, **kwargs: Any) -> None:
    raise TypeError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() to copy it to the host first.")


SPECIAL = {
    "device.__get__": lambda tensor: HERE,
    "is_mps.__get__": lambda tensor: True,
    "is_cpu.__get__": lambda tensor: False,
    "get_device": lambda tensor: 0,
    "numpy": no_numpy,
    "__array__": no_numpy,
    "to": move,
    "cpu": lambda tensor, *args, **kwargs: plain(tensor, graph=True).clone(),
    "data.__set__": set_data,
    "__deepcopy__": deep_copy,
    "__reduce_ex__": lambda tensor, protocol: plain(tensor).__reduce_ex__(protocol),
    "__format__": lambda tensor, form: plain(tensor).__format__(form),
    "__repr__": lambda tensor, **kwargs: repr(plain(tensor))[:-1] + ", device='mps:0')",
}


def claim(tensor: torch.Tensor) -> torch.Tensor:
    """The same object, on the pretended device from now on."""
    if tensor.dtype in (torch.float64, torch.complex128):
        raise TypeError(FLOAT64)
    if type(tensor) in (torch.Tensor, torch.nn.Parameter):
        parameter, tensor.__class__ = type(tensor) is torch.nn.Parameter, Pretended
        if parameter:
            tensor._is_param = True  # by which isinstance(tensor, Parameter) knows one
    return tensor


def plain(tensor: torch.Tensor, graph: bool = False) -> torch.Tensor:
    """A CPU tensor of the same numbers, in the same memory."""
    with torch._C.DisableTorchFunctionSubclass():
        if not is_ours(tensor):
            return tensor
        return tensor.view_as(tensor) if graph else tensor.detach()


def is_ours(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, Pretended)


def is_here(device: Any) -> bool:
    return isinstance(device, str | torch.device) and str(device).partition(":")[0] == "mps"


def name_of(func: Callable) -> str:
    """ "add", or "device.__get__" of a property."""
    name = getattr(func, "__name__", "")
    return f"{func.__self__.__name__}.{name}" if name in ("__get__", "__set__") else name


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple) and not isinstance(next(iter(value), None), int | float | str):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


@contextmanager
def on() -> Iterator[None]:
    """This process has the device, as far as torch, Accelerate, Keras and the course can tell."""
    with mock.patch.multiple(torch.backends.mps, is_available=lambda: True, is_built=lambda: True), Factories():
        nothing = dict.fromkeys(("manual_seed", "empty_cache", "synchronize"), lambda *args: None)
        with mock.patch.multiple(torch.mps, _is_in_bad_fork=lambda: False, **nothing):
            yield


def main(chapters: list[str]) -> None:
    """Execute chapters in kernels that have the device, and say which cells failed."""
    from lmtutor.course import execute

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        startup = Path(folder) / "profile_default" / "startup" / "pretend.py"
        startup.parent.mkdir(parents=True)
        lines = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport pretended_device\n"
        startup.write_text(lines + "pretending = pretended_device.on()\npretending.__enter__()\n", encoding="utf-8")
        os.environ |= {"IPYTHONDIR": folder, "LMTUTOR_DEVICE": "mps"}
        out = Path(__file__).parent.parent / "runs" / "device"
        outcomes = execute.run(execute.find(chapters), out, profile="quick")
    sys.exit(any(outcome.error for outcome in outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
