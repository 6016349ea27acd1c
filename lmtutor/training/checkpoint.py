"""Checkpoints: the folder in which `lmtutor.training.fit` saves a run, and the weights taken from it.

A checkpoint folder holds one save, such as `save-000007`. The next one is written beside it under a name that does
not count, and renamed once it is complete, read back and on the disk. There is nothing between before and after a
rename; only after it the old save goes. What bears another name is not ours: it is neither read nor removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch

from lmtutor.data.text import Vocabulary
from lmtutor.runtime import CourseError

Read = TypeVar("Read")
WEIGHTS, BEST, STATE, UNFINISHED = "model.safetensors", "best.safetensors", "training.pt", "unfinished-save"


class CheckpointError(CourseError):
    """A checkpoint cannot be used."""


def load_weights(model: torch.nn.Module, checkpoint: str | Path, vocabulary: Vocabulary | None = None) -> None:
    """Load the weights that `fit` saved in the folder `checkpoint`: with `patience` the best, else the last.

    Args:
        model: gets the weights.
        checkpoint: the folder that `fit` got by that name.
        vocabulary: if given, it must be the one that `fit` was given. Another one of the same size would fit the
            shapes of all weights, but every word would get the row of some other word.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged, of another model, or of another vocabulary.
    """

    def read(save: Path) -> dict[str, torch.Tensor]:
        state = read_state(save)
        if vocabulary is not None:
            _check_vocabulary(vocabulary, checkpoint, state["made_with"].get("vocabulary"))
        return weights_for(model, save / (BEST if BEST in state["checksums"] else WEIGHTS), state)

    weights = from_newest(folder_of(checkpoint), read)
    if weights is None:
        raise CheckpointError(f"There is no checkpoint in {checkpoint}.")
    model.load_state_dict(weights)


def _check_vocabulary(vocabulary: Vocabulary, checkpoint: str | Path, known: str | None) -> None:
    """Raise a CheckpointError unless `known` is the vocabulary's fingerprint."""
    if known is None:
        raise CheckpointError(
            f"The checkpoint in {checkpoint} does not say which vocabulary it was made with: give fit the vocabulary, "
            f"or load the weights without one."
        )
    if known != vocabulary.fingerprint:
        raise CheckpointError(
            f"The checkpoint in {checkpoint} was made with another vocabulary (fingerprint {known}, and this one has "
            f"{vocabulary.fingerprint}): load the one that was saved with it."
        )


def folder_of(checkpoint: str | Path) -> Path:
    """The folder that `fit` and `load_weights` mean by `checkpoint`, in which `~` is the home folder."""
    return Path(checkpoint).expanduser()


def write(folder: Path, weights: dict, best: dict | None, state: dict) -> None:
    """Write the next save into `folder` and remove the one before.

    Args:
        folder: is made if it is not there.
        weights, best: state dicts; the second may be missing.
        state: all else, of numbers, text, tensors, lists and dicts.

    Raises:
        OSError, RuntimeError, SafetensorError: it could not be written.
    """
    from safetensors.torch import save_file

    before, unfinished = saves(folder), folder / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    checksums = {}
    try:
        unfinished.mkdir(parents=True)
        for name, tensors in {WEIGHTS: weights, BEST: best}.items():
            if tensors is not None:  # copied, as safetensors takes no two tensors that share memory (tied weights)
                tensors = {key: value.to("cpu", copy=True).contiguous() for key, value in tensors.items()}
                save_file(tensors, unfinished / name)
                checksums[name] = checksum(unfinished / name)
        torch.save(plain(state) | {"checksums": checksums}, unfinished / STATE)
        _read_again(unfinished)
        for file in unfinished.iterdir():
            if file.name != STATE:
                shutil.copymode(unfinished / STATE, file)  # safetensors lets nobody but the owner read its files
            _sync(file, os.O_RDWR)
        os.replace(unfinished, folder / f"save-{_next_number(folder):06d}")
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)  # a full disk gets its room back
        raise
    with suppress(OSError):  # Windows cannot open a folder
        _sync(folder, os.O_RDONLY)
    for save in before:
        shutil.rmtree(save, ignore_errors=True)


def _read_again(save: Path) -> None:
    try:
        read_state(save)
    except CheckpointError as error:
        raise RuntimeError(
            "it could not be read again: the optimizer or the schedule holds something else than numbers, text and "
            "tensors"
        ) from error


def plain(value: Any) -> Any:
    """The same with Python's own numbers instead of NumPy's, which would be written and not be read again."""
    import numpy

    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, numpy.ndarray):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else list(map(plain, value))
    return value


def checksum(file: Path) -> str:
    """SHA-256 of a file."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sync(path: Path, flags: int) -> None:
    """Wait until what was written to `path` is on the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _number(path: Path) -> int:
    """The number in the name of a save; 0 if it is not exactly such a name."""
    match = re.fullmatch(r"save-(\d{6,})", path.name, re.ASCII)
    number = int(match[1]) if match else 0
    return number if path.name == f"save-{number:06d}" else 0


def _next_number(folder: Path) -> int:
    return 1 + max(map(_number, folder.iterdir()), default=0)


def saves(folder: Path) -> list[Path]:
    """The complete saves in `folder`, the newest last."""
    return sorted((path for path in folder.glob("save-*") if _number(path) and path.is_dir()), key=_number)


def from_newest(folder: Path, read: Callable[[Path], Read]) -> Read | None:
    """`read(save)` of the newest save, or None if there is none.

    Raises:
        CheckpointError: from `read`, if the save is still there: a run that goes on meanwhile replaces its saves.
    """
    while found := saves(folder):
        try:
            return read(found[-1])
        except CheckpointError:
            if saves(folder)[-1:] == found[-1:]:
                raise
    return None


def read_state(save: Path) -> dict[str, Any]:
    """What a save holds besides weights, as it was given to `write`; or a CheckpointError.

    `checksums` are those of the files with weights; `made_with` and `progress` are dicts.
    """

    def read(file: Path) -> dict[str, Any]:
        with zipfile.ZipFile(file) as parts:  # torch.load does not compare their checksums
            if damaged := parts.testzip():
                raise ValueError(f"{damaged} has another checksum")
        state = torch.load(file, "cpu", weights_only=True)
        for name in ("made_with", "progress", "checksums"):
            if not isinstance(state, dict) or not isinstance(state.get(name), dict):
                raise ValueError(f"it has no {name}")
        return state

    return read_file(save / STATE, read)


def read_file(file: Path, read: Callable[[Path], Read]) -> Read:
    """`read(file)`, or a CheckpointError that names the file."""
    try:
        return read(file)
    except Exception as error:  # whatever it is, the file cannot be used
        raise CheckpointError(
            f"{file} is cut short or damaged ({first_line(error)}); remove {file.parent} to start again."
        ) from error


def weights_for(model: torch.nn.Module, file: Path, state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights in a file of a save, or a CheckpointError that names the first one that does not fit `model`.

    Args:
        model: which the weights are for.
        file: of the save.
        state: of the save.
    """
    from safetensors.torch import load_file

    def read(file: Path) -> dict[str, torch.Tensor]:
        weights = load_file(file)
        if checksum(file) != state["checksums"].get(file.name):
            raise ValueError("it has another checksum than when it was saved")
        return weights

    saved, own = read_file(file, read), model.state_dict()
    for name in [*own, *saved]:
        if name not in saved:
            misfit = f"{name!r} of this model is missing there"
        elif name not in own:
            misfit = f"{name!r} there is unknown to this model"
        elif saved[name].shape != own[name].shape:
            misfit = f"{name!r} has shape {tuple(saved[name].shape)} there and {tuple(own[name].shape)} in this model"
            if _counts_words(model, own[name]) and saved[name].shape[1:] == own[name].shape[1:]:
                raise CheckpointError(
                    f"{file} is of another model: {misfit}; was the model made with another vocabulary?"
                )
        else:
            continue
        raise CheckpointError(f"{file} is of another model: {misfit}.")
    return saved


def _counts_words(model: torch.nn.Module, weight: torch.Tensor) -> bool:
    """Whether a weight has a row a word, which is as many rows as the model's first embedding has."""
    kinds = (torch.nn.Embedding, torch.nn.EmbeddingBag)
    embedding = next((module for module in model.modules() if isinstance(module, kinds)), None)
    return embedding is not None and weight.shape[:1] == (embedding.num_embeddings,)


def first_line(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
