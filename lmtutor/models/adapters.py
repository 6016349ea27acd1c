"""Parameter-efficient fine-tuning: small changes to a frozen encoder, by name, that can be switched, merged and kept.

`add` puts a change into a model, `use` switches between several, `blend` adds up several, `merge` folds one into the
weights, `save` and `load` keep it in a file that knows the base it belongs to. Built in chapter 12. Works on any model
whose layers are those of `lmtutor.models.transformer`; in a `BertClassifier` the head is no part of the base, and
learns as well.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.models.bert import Bert, BertClassifier
from lmtutor.models.fourbit import FourBitLinear
from lmtutor.runtime import CourseError, choose

# --- the methods ------------------------------------------------------------------------------------------------------


class LoRA(nn.Module):
    """Low-rank adaptation (Hu et al., 2022): W becomes W + scale * B A, where B and A are thin.

    Args:
        base: the linear map that is changed.
        rank: rows of A and columns of B.
        alpha: the scale is alpha / rank, or with `stabilised` alpha / sqrt(rank) (Kalajdzievski, 2023).
        dropout: share of what A reads that is set to 0 in training.
        stabilised: see alpha.

    Raises:
        CourseError: the rank is below 1, or larger than the matrix allows.
    """

    def __init__(
        self, base: nn.Linear, rank: int = 8, alpha: float = 16.0, dropout: float = 0.0, stabilised: bool = False
    ):
        super().__init__()
        rows, columns = base.out_features, base.in_features
        if not 1 <= rank <= min(rows, columns):
            raise CourseError(
                f"A matrix of {rows} x {columns} has changes of rank 1 to {min(rows, columns)}, not {rank}."
            )
        self.a = nn.Parameter(torch.empty(rank, columns))
        self.b = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))  # as a linear layer begins
        self.scale = alpha / (math.sqrt(rank) if stabilised else rank)
        self.dropout = nn.Dropout(dropout)

    def forward(self, base: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        """[..., columns] -> [..., rows]."""
        return base(x) + F.linear(F.linear(self.dropout(x), self.scale * self.a), self.b)

    @torch.no_grad()
    def fold(self, base: nn.Linear) -> None:
        """Put the change into the base's own matrix."""
        base.weight += self.scale * self.b @ self.a


class DoRA(nn.Module):
    """Weight-decomposed low-rank adaptation (Liu et al., 2024): LoRA turns each row of W, and a number sets its length.

    The length of the turned row counts as a constant in the gradient, as in section 4.3 of the paper and in `peft`.

    Args:
        base: the linear map that is changed.
        rank, alpha: of the LoRA that turns the rows.
    """

    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0):
        super().__init__()
        self.turn = LoRA(base, rank, alpha)
        self.lengths = nn.Parameter(base.weight.detach().norm(dim=1))  # [rows]

    def forward(self, base: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        """[..., columns] -> [..., rows]."""
        bias = 0.0 if base.bias is None else base.bias
        return self.lengths / self.turned(base).norm(dim=1) * (self.turn(base, x) - bias) + bias

    @torch.no_grad()
    def turned(self, base: nn.Linear) -> torch.Tensor:
        """W + scale * B A."""
        return base.weight + self.turn.scale * self.turn.b @ self.turn.a

    @torch.no_grad()
    def fold(self, base: nn.Linear) -> None:
        """Put the change into the base's own matrix."""
        turned = self.turned(base)
        base.weight.copy_((self.lengths / turned.norm(dim=1))[:, None] * turned)


class Bottleneck(nn.Module):
    """An adapter (Houlsby et al., 2019): a small network with a residual, behind a part of each layer.

    Args:
        base: the linear map behind which it stands.
        size: numbers in its middle.
    """

    def __init__(self, base: nn.Linear, size: int = 8):
        super().__init__()
        self.down, self.up = nn.Linear(base.out_features, size), nn.Linear(size, base.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, base: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        """[..., columns] -> [..., rows]."""
        y = base(x)
        return y + self.up(F.gelu(self.down(y)))


class Shift(nn.Module):
    """BitFit (Ben Zaken et al., 2022): only biases change. What is added to one, at first 0.

    Args:
        base: a linear map or a norm with a bias.
    """

    def __init__(self, base: nn.Module):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros_like(base.bias))

    def forward(self, base: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """[..., columns] -> [..., rows]."""
        return base(x) + self.bias

    @torch.no_grad()
    def fold(self, base: nn.Module) -> None:
        """Put the change into the base's own bias."""
        base.bias += self.bias


class Scale(nn.Module):
    """IA³ (Liu et al., 2022): each number that leaves, or enters, a linear map is multiplied by a learned one.

    Args:
        base: the linear map.
        inputs: whether what enters is scaled, and not what leaves.
    """

    def __init__(self, base: nn.Linear, inputs: bool = False):
        super().__init__()
        self.factors, self.inputs = nn.Parameter(torch.ones(base.in_features if inputs else base.out_features)), inputs

    def forward(self, base: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        """[..., columns] -> [..., rows]."""
        return base(x * self.factors) if self.inputs else base(x) * self.factors

    @torch.no_grad()
    def fold(self, base: nn.Linear) -> None:
        """Put the factors into the base's own matrix and bias."""
        base.weight *= self.factors if self.inputs else self.factors[:, None]
        if not self.inputs and base.bias is not None:
            base.bias *= self.factors


class Prefix(nn.Module):
    """Prefix tuning (Li and Liang, 2021): learned keys and values in front of the text's own, in each attention.

    Args:
        base: the attention.
        length: how many keys and values.
    """

    def __init__(self, base: nn.Module, length: int = 8):
        super().__init__()
        size = base.key.out_features // base.num_heads
        self.key, self.value = (nn.Parameter(0.1 * torch.randn(base.num_heads, length, size)) for _ in range(2))

    def forward(self, base: nn.Module, hidden: torch.Tensor, memory=None, *, mask=None, **options):
        """As `MultiHeadAttention`, whose queries see the prefix, too."""
        # Two [batch, heads, keys, size]: those of the text alone, also where they come from a cache.
        own = memory if isinstance(memory, tuple) else base.keys_and_values(hidden if memory is None else memory)
        both = [
            torch.cat([learned.expand(len(mine), -1, -1, -1), mine], dim=2)
            for learned, mine in zip((self.key, self.value), own, strict=True)
        ]
        return base(hidden, tuple(both), mask=widened(mask, self.key.shape[1]), **options)


class Prompt(nn.Module):
    """Prompt tuning (Lester et al., 2021): learned vectors in front of the embedded text, which go through all layers.

    What the layers make of them is dropped in the end, so the text's tokens stay where they were.

    Args:
        base: the stack of layers.
        length: how many vectors.
    """

    def __init__(self, base: nn.Module, length: int = 8):
        super().__init__()
        size = base.layers[0].residuals[0].norm.normalized_shape[0]
        self.vectors = nn.Parameter(0.5 * torch.randn(length, size))

    def forward(self, base: nn.Module, hidden: torch.Tensor, *arguments, mask=None, cache=None, **options):
        """As `Stack`: [batch, time, hidden] -> the same, and weights."""
        options |= {"mask": widened(mask, len(self.vectors)), "cache": cache}
        if cache is not None and cache.length:  # it has read the vectors before the first token
            return base(hidden, *arguments, **options)
        if cache is not None:
            cache.in_front, options["causal"] = len(self.vectors), True  # the vectors see no token, not even one
        longer = torch.cat([self.vectors.expand(len(hidden), -1, -1), hidden], dim=1)
        longer, weights = base(longer, *arguments, **options)
        return longer[:, len(self.vectors) :], weights


def widened(mask: torch.Tensor | None, length: int) -> torch.Tensor | None:
    """A mask of keys, [..., keys], with `length` more in front that may be seen."""
    return None if mask is None else F.pad(mask, (length, 0), value=True)


# Of each method the places that it changes, as patterns of their names, and what it puts there.
METHODS: dict[str, dict[str, Callable]] = {
    "lora": {r"attention\.(query|value)": LoRA},
    "dora": {r"attention\.(query|value)": DoRA},
    "bottleneck": {r"attention\.output|feed_forward\.outer": Bottleneck},
    "bitfit": {r".+": Shift},  # of what has a bias
    "ia3": {r"attention\.(key|value)": Scale, r"feed_forward\.outer": partial(Scale, inputs=True)},
    "prefix": {r"attention": Prefix},
    "prompt": {r"encoder|decoder": Prompt},
}


# --- putting them in --------------------------------------------------------------------------------------------------


class Adapted(nn.Module):
    """A part of a model with changes by name, of which at most one is active; without one it is the part itself.

    Args:
        base: the part.
    """

    def __init__(self, base: nn.Module):
        super().__init__()
        self.base, self.changes, self.active = base, nn.ModuleDict(), None

    def forward(self, *arguments, **options):
        """What the part gives, changed by the active change."""
        if self.active is None:
            return self.base(*arguments, **options)
        return self.changes[self.active](self.base, *arguments, **options)

    def __getattr__(self, name: str):
        try:
            return super().__getattr__(name)
        except AttributeError:  # sizes, weights and methods of the part
            return getattr(super().__getattr__("base"), name)


def add(model: nn.Module, name: str, method: str, *, targets: str | None = None, **options) -> int:
    """Freeze a model's encoder, put a change into it, and switch it on.

    Args:
        model: an encoder, or a model with one as its `bert`; what else it has, such as a classifier, can still learn.
        name: what the change shall be called.
        method: one of `METHODS`.
        targets: a pattern that the end of a part's name must match, instead of the method's own places.
        options: of the method, such as rank=4.

    Returns:
        How many parameters of the model can learn now.

    Raises:
        CourseError: the name is taken, the method unknown, nothing matches, or an option makes no sense.
    """
    encoder, places = encoder_of(model), METHODS[choose(method, list(METHODS), "The method")]
    if name in names(model):
        raise CourseError(f"There is a change by the name {name!r} already; choose another name, or `remove` it.")
    if targets is not None:
        places = {targets: next(iter(places.values()))}
    parts = {_plain(found): part for found, part in encoder.named_modules() if not _is_ours(found, part)}
    chosen = {}
    for pattern, kind in places.items():
        for part_name, part in parts.items():
            if re.search(rf"(^|\.)({pattern})$", part_name) and _suits(kind, part):
                chosen[part_name] = kind(part, **options)
    if not chosen:
        ends = dict.fromkeys(
            ".".join(found.split(".")[-2:]) for found, part in parts.items() if hasattr(part, "weight")
        )
        raise CourseError(
            f"No part of the model that {method!r} can change is called {targets or ' or '.join(places)!r}; "
            f"there are, for example, {', '.join([end for end in ends if 'attention' in end or 'feed' in end][:6])}."
        )
    if not names(model):
        encoder.could_learn = {found for found, parameter in encoder.named_parameters() if parameter.requires_grad}
    for part_name, change in chosen.items():
        like = next(encoder.parameters())
        wrapped = _wrapped(encoder, part_name)
        wrapped.changes[name] = change.to(like.device, like.dtype).train(wrapped.training)
    about = {"method": method, **({"targets": targets} if targets else {}), **options}
    encoder.adapters = {**getattr(encoder, "adapters", {}), name: about}
    use(model, name)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def use(model: nn.Module, name: str | None) -> None:
    """Switch to the change of that name, which alone can learn then; with None the encoder says what it said before.

    Raises:
        CourseError: there is none by that name.
    """
    if name is not None:
        choose(name, names(model), "The change")
    encoder = encoder_of(model)
    encoder.requires_grad_(False)
    for part in _adapted(encoder).values():
        part.active = name if name in part.changes else None
        if part.active:
            part.changes[name].requires_grad_(True)


def blend(model: nn.Module, name: str, shares: dict[str, float]) -> None:
    """Add several LoRAs up, each times its share, to one new LoRA, and switch it on: W + sum of share * scale * B A.

    The matrices A are put below each other, and the matrices B side by side, so the ranks add up and the sum is exact.

    Args:
        model: as in `add`.
        name: what the sum shall be called.
        shares: names of LoRAs in the model, and how much of each; they need not add up to 1.

    Raises:
        CourseError: there is none by one of the names, or they are no LoRAs in the same places; and as in `add`.
    """
    for one in shares:
        choose(one, names(model), "The change")
    about = [encoder_of(model).adapters[one] for one in shares]
    if not about or any((each["method"], each.get("targets")) != ("lora", about[0].get("targets")) for each in about):
        raise CourseError(f"Only LoRAs in the same places can be added up, at least one of them; got {list(shares)}.")
    parts = [part for part in _adapted(encoder_of(model)).values() if next(iter(shares)) in part.changes]
    rank = max(sum(len(part.changes[one].a) for one in shares) for part in parts)
    targets = {"targets": about[0]["targets"]} if "targets" in about[0] else {}
    add(model, name, "lora", **targets, rank=rank, alpha=float(rank))  # so the scale is 1
    with torch.no_grad():
        for part in parts:
            new, old = part.changes[name], [part.changes[one] for one in shares]
            scaled = [share * one.scale * one.a for share, one in zip(shares.values(), old, strict=True)]
            new.a.copy_(torch.cat(scaled))
            new.b.copy_(torch.cat([one.b for one in old], dim=1))


def names(model: nn.Module) -> list[str]:
    """Names of the changes in a model."""
    return list(getattr(encoder_of(model), "adapters", {}))


def merge(model: nn.Module, name: str) -> None:
    """Fold a change into the encoder's own weights, for good, and take all changes out: it is an ordinary model again.

    What could learn before the first `add` can learn again.

    Raises:
        CourseError: there is none by that name, or it is of a method that no weights can express.
    """
    choose(name, names(model), "The change")
    encoder, parts = encoder_of(model), _adapted(encoder_of(model))
    for part in parts.values():
        if name in part.changes and not hasattr(part.changes[name], "fold"):
            method = encoder.adapters[name]["method"]
            raise CourseError(f"A change by {method!r} is no change of the weights, so {name!r} cannot be merged.")
        if name in part.changes and isinstance(part.base, FourBitLinear):
            raise CourseError(f"The base is in four bits, too few to hold {name!r}: merge it into the unrounded base.")
    for part in parts.values():
        if name in part.changes:
            part.changes[name].fold(part.base)
    remove(model)


def remove(model: nn.Module) -> None:
    """Take all changes out: the model is as it was before the first `add`, but for its head.

    What could learn before can learn again.
    """
    encoder = encoder_of(model)
    if not names(model):
        return
    for part_name, part in _adapted(encoder).items():
        parent, _, last = part_name.rpartition(".")
        setattr(encoder.get_submodule(parent), last, part.base)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(name in encoder.could_learn)
    encoder.adapters = {}


def encoder_of(model: nn.Module) -> nn.Module:
    """What can be changed of a model: its `bert`, or itself."""
    return getattr(model, "bert", model)


def _adapted(encoder: nn.Module) -> dict[str, Adapted]:
    """The parts with changes, the innermost first, so that each can be taken out by its name."""
    found = {name: part for name, part in encoder.named_modules() if isinstance(part, Adapted)}
    return dict(sorted(found.items(), key=lambda item: -item[0].count(".")))


def _wrapped(encoder: nn.Module, plain_name: str) -> Adapted:
    """The part of that name, which gets room for changes if it has none."""
    part, parent, last = encoder, None, ""
    for last in plain_name.split("."):
        parent = part.base if isinstance(part, Adapted) else part
        part = getattr(parent, last)
    if not isinstance(part, Adapted):
        part = Adapted(part)
        part.training = part.changes.training = part.base.training
        setattr(parent, last, part)
    return part


def _plain(name: str) -> str:
    """The name that a part or a parameter had before anything was put around it."""
    return re.sub(r"(^|\.)base(?=\.|$)", "", name).lstrip(".")


def _is_ours(name: str, part: nn.Module) -> bool:
    """Whether a part came in with a change."""
    return isinstance(part, Adapted) or re.search(r"(^|\.)changes(\.|$)", name) is not None


def _suits(kind: Callable, part: nn.Module) -> bool:
    """Whether a method can change a part."""
    if kind is Shift:
        return isinstance(getattr(part, "bias", None), nn.Parameter)
    if kind in (Prefix, Prompt):
        return hasattr(part, "keys_and_values" if kind is Prefix else "layers")
    return hasattr(part, "in_features")


# --- keeping them -----------------------------------------------------------------------------------------------------


def base_parameters(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and weights of the encoder alone, without changes and without a head."""
    for name, parameter in encoder_of(model).state_dict().items():
        if not re.search(r"(^|\.)changes\.", name):
            yield _plain(name), parameter


def fingerprint(model: nn.Module) -> str:
    """Sixteen hexadecimal digits that depend on each number of the encoder, and on nothing else."""
    digest = hashlib.sha256()
    for name, parameter in sorted(base_parameters(model)):
        digest.update(f"{name} {parameter.dtype} {tuple(parameter.shape)}".encode())
        digest.update(parameter.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def weights_of(model: BertClassifier, name: str) -> dict[str, torch.Tensor]:
    """What a change has learned, by names that do not depend on other changes, and the head's weights."""
    found = {}
    for part_name, part in _adapted(model.bert).items():
        if name in part.changes:
            for last, weight in part.changes[name].state_dict().items():
                found[f"{_plain(part_name)}.{last}"] = weight
    return found | {f"classifier.{last}": weight for last, weight in model.classifier.state_dict().items()}


def save(model: BertClassifier, name: str, file: str | Path) -> None:
    """Write a change and the model's head to a file of safetensors, which knows the base that it belongs to.

    Raises:
        CourseError: there is no change by that name.
    """
    from safetensors.torch import save_file

    choose(name, names(model), "The change")
    about = model.bert.adapters[name] | {"labels": model.labels, "base": fingerprint(model)}
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    weights = {key: weight.detach().cpu().contiguous() for key, weight in weights_of(model, name).items()}
    save_file(weights, file, metadata={"lmtutor": json.dumps(about)})


def load(encoder: Bert, name: str, file: str | Path) -> BertClassifier:
    """Put the change in a file into an encoder, and switch it on.

    Args:
        encoder: the base that it was made for; other changes may be in it.
        name: what the change shall be called here.
        file: as `save` wrote it.

    Returns:
        A classifier with the head from the file, on this very encoder: what switches one switches all that share it.

    Raises:
        CourseError: the file cannot be read, or was made for another base; and as in `add`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            about = json.loads((opened.metadata() or {}).get("lmtutor", "null"))
            weights = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise CourseError(f"The change in {str(file)!r} cannot be read ({type(error).__name__}): {error}") from None
    if about is None:
        raise CourseError(f"{str(file)!r} holds no change that `adapters.save` wrote.")
    base, labels, made_for = fingerprint(encoder), about.pop("labels"), about.pop("base")
    if made_for != base:
        raise CourseError(
            f"The change in {Path(file).name!r} was made for another base (fingerprint {made_for}, and this one has "
            f"{base}): load it into the encoder that it was trained on."
        )
    add(encoder, name, **about)
    model, like = BertClassifier(encoder, labels), next(encoder.parameters())
    model.classifier.to(like.device, like.dtype)
    own = weights_of(model, name)
    if own.keys() != weights.keys():
        remains = sorted(own.keys() ^ weights.keys())
        raise CourseError(f"The change in {str(file)!r} does not fit this encoder: look at {remains[0]}.")
    with torch.no_grad():
        for key, weight in own.items():  # these are the model's own tensors
            weight.copy_(weights[key])
    return model.train(encoder.training)
