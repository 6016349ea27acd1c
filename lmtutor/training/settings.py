"""The settings that decide a run's numbers: kept with a save, and compared when it is resumed.

`loss` and `collate` are functions, which cannot be compared. What may change (the size of a batch when the effective
batch stays, `log_every`, `patience`, where the run is saved) is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from lmtutor.training.checkpoint import plain

if TYPE_CHECKING:
    from lmtutor.training.learner import Learner

PRECISIONS = {"no": "float32"}
# How fast an optimizer is, and nothing else.
WITHOUT_EFFECT = {"params", "foreach", "fused", "capturable", "differentiable"}
EXAMPLES = ("training examples", "validation examples")
SAMPLED = 16  # examples that stand for all of them


def settings_of(options: SimpleNamespace, learner: Learner, effective_batch: int) -> dict[str, Any]:
    """The settings of a run by the names that a learner knows; plain values."""
    found = {
        "seed": options.seed,
        "shuffle": bool(options.shuffle),
        "number of examples": len(options.train),
        "effective batch size": effective_batch,
        **learner.optimizer_settings,
        "schedule": type(learner.scheduler).__name__ if learner.scheduler else None,
        "clip_norm": options.clip_norm,
        "precision": PRECISIONS.get(learner.accelerator.mixed_precision, learner.accelerator.mixed_precision),
        "dropout": sorted(
            {m.p for m in learner.module.modules() if isinstance(m, torch.nn.modules.dropout._DropoutNd)}
        ),
        "parameters that learn": _digest([name for name, p in learner.module.named_parameters() if p.requires_grad]),
        "training examples": fingerprint(options.train),
        "validation examples": None if options.validation is None else fingerprint(options.validation),
    }
    if options.vocabulary is not None:
        found["vocabulary"] = options.vocabulary.fingerprint
    return plain(found)


def optimizer_settings(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Its kind, and the settings of its groups of parameters, before any schedule."""
    found = {"optimizer": type(optimizer).__name__}
    for number, group in enumerate(optimizer.param_groups, start=1):
        of_group = f" of group {number}" if len(optimizer.param_groups) > 1 else ""
        for name, value in group.items():
            value = value.tolist() if isinstance(value, torch.Tensor) else plain(value)
            if name not in WITHOUT_EFFECT and isinstance(value, (bool, int, float, str, list, tuple)):
                found[{"lr": "learning rate"}.get(name, name) + of_group] = value
    return found


def first_difference(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first setting that differs, as part of a sentence; None if there is none.

    A setting that one of the two does not know is no difference, but for a vocabulary that only `now` has.
    """
    for name, value in now.items():
        if name in saved or name == "vocabulary":
            before = saved.get(name)
            if name in EXAMPLES and None in (before, value):  # not known, or (validation) not given
                continue
            if before != value:
                return f"{name} {before}, and this one has {value}"
    return None


def fingerprint(examples: Sequence | torch.utils.data.Dataset) -> str | None:
    """A digest of some examples, spread over all; None where an example is not the same each time."""
    step = max(1, len(examples) // SAMPLED)
    indices = [*range(0, len(examples), step)][: SAMPLED - 1] + [len(examples) - 1]
    try:
        once, again = (_digest([examples[index] for index in indices]) for _ in range(2))
    except Exception:  # the step that takes this example tells what is wrong with it
        return None
    return once if once == again else None


def _digest(value: Any) -> str:
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()[:12]


def _feed(digest: Any, value: Any) -> None:
    """Add a value, and all that it holds."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().tolist()
    value = plain(value)
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, (list, tuple)):
        digest.update(b"[%d" % len(value))
        for part in value:
            _feed(digest, part)
    elif isinstance(value, (str, bytes, int, float, bool, type(None))):
        digest.update(f"{type(value).__name__} {value!r};".encode(errors="surrogatepass"))
    else:
        digest.update(type(value).__qualname__.encode())
