"""Induction heads: small models of attention alone, sequences that repeat, and a score for each head of any decoder.

Built in chapter 16. A decoder here is a model with `layers`, each with an `attention` of `llama`'s class, such as
`llama.Llama` or `AttentionOnly`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.models import positions
from lmtutor.models.attention import causal_mask
from lmtutor.models.llama import GroupedQueryAttention, RMSNorm, Rotation
from lmtutor.runtime import CourseError
from lmtutor.trust.patching import Change

Head = tuple[int, int]  # number of the layer, number of the head


class AttentionLayer(nn.Module):
    """Attention behind a norm, added to what came, and no feed-forward network: [batch, time, hidden]."""

    def __init__(self, hidden_size: int, num_heads: int):
        super().__init__()
        self.attention_norm = RMSNorm(hidden_size)
        self.attention = GroupedQueryAttention(hidden_size, num_heads, num_heads)

    def forward(self, x: torch.Tensor, rotation: Rotation) -> torch.Tensor:
        """[batch, time, hidden] -> the same shape."""
        return x + self.attention(self.attention_norm(x), rotation)


class AttentionOnly(nn.Module):
    """A decoder of attention layers alone, with rotary positions (after Elhage et al., 2021).

    Args:
        vocab_size: number of tokens.
        hidden_size: size of the vectors.
        num_heads: heads of each layer; must divide hidden_size.
        num_layers: how many layers.
    """

    def __init__(self, vocab_size: int, *, hidden_size: int = 64, num_heads: int = 4, num_layers: int = 2):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.layers = nn.ModuleList(AttentionLayer(hidden_size, num_heads) for _ in range(num_layers))
        self.norm = RMSNorm(hidden_size)
        self.head = nn.Linear(hidden_size, vocab_size, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.5)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Ids [batch, time] -> at each place the logits of the next: [batch, time, vocab]."""
        rotation = positions.rotation(0, input_ids.shape[1], self.layers[0].attention.size)
        x = self.embedding(input_ids)  # [batch, time, hidden]
        rotation = tuple(part.to(x.dtype).to(x.device) for part in rotation)
        for layer in self.layers:
            x = layer(x, rotation)
        return self.head(self.norm(x))


def repeating(count: int, length: int, periods: Sequence[int], tokens: Sequence[int], seed: int = 0):
    """Random sequences, each of which repeats its beginning again and again.

    Args:
        count, length: how many, and of how many tokens.
        periods: after how many tokens a sequence repeats; drawn for each sequence.
        tokens: of which it is made. Within a period no token stands twice.
        seed: of the draw.

    Returns:
        Ids [count, length], and the period of each [count].

    Raises:
        CourseError: a period is longer than the sequence, or there are fewer tokens than it needs.
    """
    if not periods or min(periods) < 1 or max(periods) > min(length, len(tokens)):
        raise CourseError(
            f"Periods must lie between 1 and {min(length, len(tokens))}, for sequences of {length} out of "
            f"{len(tokens)} tokens: not {list(periods)}."
        )
    draw = torch.Generator().manual_seed(seed)
    period = torch.as_tensor(periods)[torch.randint(len(periods), (count,), generator=draw)]  # [count]
    order = torch.rand(count, len(tokens), generator=draw).argsort(1)  # each row all tokens in another order
    place = torch.arange(length) % period[:, None]  # [count, length]
    return torch.as_tensor(tokens)[order.gather(1, place)], period


def loss_by_part(logits: torch.Tensor, ids: torch.Tensor, period: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean loss of the tokens that are new, and of those that can be foretold from the repetition, in nats.

    Args:
        logits: [batch, time, vocab].
        ids: [batch, time].
        period: [batch]; see `repeating`. The token at this place repeats the first one, which nothing announces; it
            counts as new.
    """
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")  # [batch, time - 1]
    repeated = torch.arange(1, ids.shape[1], device=ids.device) > period[:, None]
    return losses[~repeated].mean(), losses[repeated].mean()


def weights_of(attention: GroupedQueryAttention, x: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """The weights of a causal attention, which its fast kernel never shows: [batch, heads, queries, keys]."""
    query, key = (part(x).unflatten(-1, (-1, attention.size)).transpose(1, 2) for part in
                  (attention.query, attention.key))  # fmt: skip
    query, key = positions.turn(query, rotation), positions.turn(key, rotation)
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = query @ key.transpose(-2, -1) / attention.size**0.5
    return scores.masked_fill(~causal_mask(x.shape[1], device=x.device), -torch.inf).softmax(-1)


def attention_weights(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """The weights of all heads of a decoder: ids [batch, time] -> [layers, batch, heads, queries, keys]."""
    found, handles = [], []

    def keep(attention, arguments):
        found.append(weights_of(attention, *arguments[:2]))

    try:
        handles += [layer.attention.register_forward_pre_hook(keep) for layer in model.layers]
        with torch.no_grad():
            model(ids)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(found)


def prefix_matching(weights: torch.Tensor, period: int) -> torch.Tensor:
    """How much each head looks at what followed the last occurrence of the present token (Olsson et al., 2022).

    Args:
        weights: [layers, batch, heads, time, time], for sequences of this period; see `attention_weights`.
        period: after how many tokens they repeat.

    Returns:
        [layers, heads], from 0 to 1: the mean weight that place t gives to t - period + 1, over all t from `period` on.

    Raises:
        CourseError: the sequences end before they repeat.
    """
    return _looking_back(weights, period - 1, period)


def previous_token(weights: torch.Tensor) -> torch.Tensor:
    """How much each head looks at the token before: weights as in `prefix_matching` -> [layers, heads]."""
    return _looking_back(weights, 1, 1)


def _looking_back(weights: torch.Tensor, distance: int, first: int) -> torch.Tensor:
    """The mean weight of the place so far back, over all places from `first` on."""
    time = weights.shape[-1]
    if not 1 <= first < time:
        raise CourseError(f"In sequences of {time} tokens a period must lie between 1 and {time - 1}, not at {first}.")
    place = torch.arange(first, time, device=weights.device)
    return weights[..., place, place - distance].mean((1, 3))


def without_heads(heads: Iterable[Head], size: int) -> dict[str, Change]:
    """Changes (see `patching.changed`) in which these heads give their mean over the batch and all places.

    So they still add what they add on average, but tell no place or text from another ("mean ablation").

    Args:
        heads: (layer, head) of each.
        size: of a head.
    """
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        by_layer.setdefault(layer, []).append(head)

    def ablating(numbers: list[int]) -> Change:
        def change(x: torch.Tensor) -> torch.Tensor:
            parts = x.clone().unflatten(-1, (-1, size))  # [batch, time, heads, size]
            parts[:, :, numbers] = parts[:, :, numbers].mean((0, 1), keepdim=True)
            return parts.flatten(-2)

        return change

    return {f"layers.{layer}.attention.output:input": ablating(numbers) for layer, numbers in by_layer.items()}
