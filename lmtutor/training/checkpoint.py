"""Checkpoints: the folder in which `lmtutor.training.fit` saves a run, and the weights taken from it.

A checkpoint folder holds one save, such as `save-000007`. The next one is written beside it under a name that does
not count, and renamed once it is complete and on the disk. There is nothing between before and after a rename; only
after it the old save goes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from lmtutor.data.text import Vocabulary
from lmtutor.runtime import CourseError


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
    found = saves(Path(checkpoint))
    if not found:
        raise CheckpointError(f"There is no checkpoint in {checkpoint}.")
    if vocabulary is not None:
        _check_vocabulary(vocabulary, checkpoint, read_state(found[-1])["made_with"].get("vocabulary"))
    best = found[-1] / "best.safetensors"
    model.load_state_dict(weights_for(model, best if best.exists() else found[-1] / "model.safetensors"))


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


def write(folder: Path, weights: dict, best: dict | None, state: dict) -> None:
    """Write the next save into `folder` and remove the one before."""
    from safetensors.torch import save_file

    before, unfinished = saves(folder), folder / "unfinished"
    number = int(before[-1].name.removeprefix("save-")) + 1 if before else 1
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        for name, tensors in {"model": weights, "best": best}.items():
            if tensors is not None:  # copied, as safetensors takes no two tensors that share memory (tied weights)
                tensors = {key: value.to("cpu", copy=True).contiguous() for key, value in tensors.items()}
                save_file(tensors, unfinished / f"{name}.safetensors")
        torch.save(state, unfinished / "training.pt")
        for file in unfinished.iterdir():
            _sync(file, os.O_RDWR)
        os.replace(unfinished, folder / f"save-{number:06d}")
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)  # a full disk gets its room back
        raise
    with suppress(OSError):  # Windows cannot open a folder
        _sync(folder, os.O_RDONLY)
    for save in before:
        shutil.rmtree(save, ignore_errors=True)


def _sync(path: Path, flags: int) -> None:
    """Wait until what was written to `path` is on the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def saves(folder: Path) -> list[Path]:
    """The complete saves in `folder`, the newest last."""
    return sorted(folder.glob("save-*"))


def read_state(save: Path) -> dict[str, Any]:
    """What a save holds besides weights, as it was given to `write`; or a CheckpointError."""
    return read_file(save / "training.pt", lambda file: torch.load(file, "cpu", weights_only=True))


def read_file(file: Path, read: Callable[[Path], Any]) -> Any:
    """`read(file)`, or a CheckpointError that names the file."""
    try:
        return read(file)
    except Exception as error:  # whatever it is, the file cannot be used
        raise CheckpointError(
            f"{file} is cut short or damaged ({first_line(error)}); remove {file.parent} to start again."
        ) from error


def weights_for(model: torch.nn.Module, file: Path) -> dict[str, torch.Tensor]:
    """The weights in `file`, or a CheckpointError that names the first one that does not fit `model`."""
    from safetensors.torch import load_file

    saved, own = read_file(file, load_file), model.state_dict()
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
