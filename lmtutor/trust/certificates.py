"""Bounds that hold for every attack: interval bound propagation through chapter 04's CNN, and training for them.

After Jia et al., 2019, and Gowal et al., 2019. Built and explained in chapter 15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.data import batches
from lmtutor.models import evaluating
from lmtutor.models.classifier import CNNClassifier
from lmtutor.runtime import CourseError, several

Box = tuple[torch.Tensor, torch.Tensor]  # lower and upper bounds, of one shape


def interval_linear(low: torch.Tensor, high: torch.Tensor, layer: Callable, weight: torch.Tensor, bias) -> Box:
    """Bounds of what a linear layer gives: its centre goes through the layer, its radius through absolute weights.

    Args:
        low, high: bounds of what enters.
        layer: `F.linear` or `F.conv1d`, which takes (input, weight, bias).
        weight, bias: of the layer.
    """
    centre, radius = layer((low + high) / 2, weight, bias), layer((high - low) / 2, weight.abs(), None)
    return centre - radius, centre + radius


def word_boxes(embedding: nn.Embedding, choices: torch.Tensor, scale: float = 1.0) -> Box:
    """For each word of the vocabulary the smallest box that holds the vectors of all its choices: two [words, hidden].

    Args:
        embedding: of the model.
        choices: ids [words, most]; each row begins with the word itself and is filled up with it.
        scale: 1 for the whole box, 0 for the word alone.
    """
    vectors = embedding.weight[choices]  # [words, most, hidden]
    own, low, high = vectors[:, 0], vectors.amin(dim=1), vectors.amax(dim=1)
    return own + scale * (low - own), own + scale * (high - own)


def choice_table(choices: Mapping[str, Sequence[str]], vocabulary) -> torch.Tensor:
    """Words and their choices as ids [words, most]: each row begins with the word itself and is filled up with it."""
    known = [
        [i, *(vocabulary.ids[other] for other in several(choices.get(word, ()), "words") if other in vocabulary)]
        for i, word in enumerate(vocabulary.words)
    ]
    most = max(map(len, known))
    return torch.tensor([row + row[:1] * (most - len(row)) for row in known])


def worst_logits(
    model: CNNClassifier, batch: Mapping[str, torch.Tensor], choices: torch.Tensor, scale: float = 1.0
) -> torch.Tensor:
    """Logits minus the right one's, each at most as large as what any exchange of words can make it: [batch, labels].

    The true class has 0. If all others are below 0, no exchange breaks the text: that is proved.

    Args:
        model: a `CNNClassifier`; dropout is left out.
        batch: `input_ids`, `attention_mask`, `labels`.
        choices, scale: see `word_boxes`.

    Raises:
        CourseError: the model is another one.
    """
    if not isinstance(model, CNNClassifier):
        raise CourseError(f"Intervals are propagated through a CNNClassifier, not through a {type(model).__name__}.")
    padding = batch["attention_mask"][:, None, :] == 0  # [batch, 1, time]
    words = word_boxes(model.embedding, choices, scale)
    low, high = (table[batch["input_ids"]].transpose(1, 2).masked_fill(padding, 0) for table in words)
    lows, highs = [], []
    for convolution in model.convolutions:
        room = (0, convolution.kernel_size[0] - 1)
        inside = F.pad(low, room), F.pad(high, room)
        box = interval_linear(*inside, F.conv1d, convolution.weight, convolution.bias)
        # ReLU and maximum only grow with what enters: the bounds go through them as they are.
        least, most = (F.relu(side).masked_fill(padding, 0).amax(dim=2) for side in box)  # [batch, channels]
        lows.append(least)
        highs.append(most)
    low, high = torch.cat(lows, dim=1), torch.cat(highs, dim=1)
    rows = model.output.weight - model.output.weight[batch["labels"]][:, None]  # [batch, labels, channels]
    bias = model.output.bias - model.output.bias[batch["labels"]][:, None]
    centre, radius = (low + high) / 2, (high - low) / 2
    return torch.einsum("blc,bc->bl", rows, centre) + torch.einsum("blc,bc->bl", rows.abs(), radius) + bias


def certified(
    model: CNNClassifier, sequences: Sequence[Sequence[int]], labels: Sequence[int], choices: torch.Tensor
) -> list[bool]:
    """Whether it is proved for each text that no exchange of words makes the model wrong."""
    found = [False] * len(sequences)
    with evaluating(model) as device:
        for group in batches.in_order_of_length(list(map(len, sequences)), 100):
            batch = {name: ids.to(device) for name, ids in batches.pad([sequences[i] for i in group]).items()}
            batch["labels"] = torch.tensor([labels[i] for i in group], device=device)
            worst = worst_logits(model, batch, choices.to(device))
            # The true class itself has 0, exactly.
            safe = worst.scatter(1, batch["labels"][:, None], -torch.inf).amax(dim=1) < 0
            for i, sure in zip(group, safe.tolist(), strict=True):
                found[i] = sure
    return found


def certified_loss(choices: torch.Tensor, steps: int, *, share: float = 0.5, ramp: float = 0.6) -> Callable:
    """A loss for `training.fit`: cross-entropy of the texts and of their worst logits, whose boxes grow step by step.

    Args:
        choices: see `word_boxes`.
        steps: of the whole training.
        share: of the second part, at the end.
        ramp: share of the steps after which boxes and weights have their full size.
    """
    done = 0

    def loss(model: nn.Module, batch: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
        nonlocal done
        grown = min(1.0, done / max(1, ramp * steps))
        done += model.training
        plain = F.cross_entropy(model(batch["input_ids"], batch["attention_mask"]).float(), batch["labels"])
        worst = F.cross_entropy(worst_logits(model, batch, choices, grown), batch["labels"])
        return (1 - share * grown) * plain + share * grown * worst, len(batch["labels"])

    return loss
