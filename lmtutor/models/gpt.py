"""GPT-2 (Radford et al., 2019): a decoder alone, which writes on from what it has read. Built in chapter 08."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.data import batches
from lmtutor.models import evaluating, finite
from lmtutor.models.cache import Cache
from lmtutor.models.transformer import Stack
from lmtutor.runtime import CourseError


class LearnedEmbedding(nn.Module):
    """Ids to vectors with a learned vector for each position, and vectors back to logits by the same matrix.

    Args:
        vocab_size: number of tokens.
        hidden_size: size of the vectors.
        max_length: number of positions.
        dropout: share of the sums that is set to 0 in training.
    """

    def __init__(self, vocab_size: int, hidden_size: int, max_length: int, dropout: float = 0.0):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, hidden_size), nn.Embedding(max_length, hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids: torch.Tensor, start: int = 0) -> torch.Tensor:
        """Ids [batch, time], the first one at position `start` -> [batch, time, hidden].

        Raises:
            CourseError: the text has more tokens than there are positions.
        """
        end = start + input_ids.shape[1]
        if end > self.positions.num_embeddings:
            raise CourseError(
                f"A text of {end} tokens is longer than the {self.positions.num_embeddings} positions of this model: "
                f"cut it, or make the model with a larger max_length."
            )
        return self.dropout(self.tokens(input_ids) + self.positions.weight[start:end])

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., hidden] -> [..., vocab]."""
        return F.linear(hidden, self.tokens.weight)


class GPT(nn.Module):
    """A decoder-only language model of GPT-2's architecture: each token sees those before it, and predicts the next.

    Args:
        vocab_size: number of tokens.
        hidden_size: size of the vectors.
        num_heads: heads of each attention; must divide hidden_size.
        num_layers: how many layers.
        inner_size: size inside the feed-forward networks; four times hidden_size if not given.
        dropout: share that is set to 0 in training: of the embeddings, of the weights of attention, and of what each
            part adds.
        max_length: the most tokens that a text may have.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        hidden_size: int = 128,
        num_heads: int = 4,
        num_layers: int = 4,
        inner_size: int | None = None,
        dropout: float = 0.0,
        max_length: int = 256,
    ):
        super().__init__()
        sizes = (num_layers, hidden_size, num_heads, inner_size or 4 * hidden_size)
        self.embedding = LearnedEmbedding(vocab_size, hidden_size, max_length, dropout)
        self.decoder = Stack(*sizes, dropout=dropout, activation=partial(F.gelu, approximate="tanh"))
        for layer in self.decoder.layers:
            layer.feed_forward.dropout = nn.Identity()  # GPT-2 has no dropout there
        initialise(self)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Ids [batch, time] -> at each place the logits of the next token: [batch, time, vocab]."""
        return self.embedding.logits(self.decoder(self.embedding(input_ids), causal=True)[0])


def initialise(model: GPT, std: float = 0.02) -> None:
    """Start as GPT-2 does (its paper, section 2.3): small random matrices, even smaller where a part adds on.

    Its 0.02 is for vectors of 768 and more; narrow models learn faster from a larger spread.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    for layer in model.decoder.layers:
        for adds in (layer.attention.output, layer.feed_forward.outer):
            nn.init.normal_(adds.weight, std=std / math.sqrt(2 * len(model.decoder.layers)))


def next_token_loss(model: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Mean cross-entropy of each next token of texts [batch, time + 1], in nats, and how many tokens these are."""
    labels = ids[:, 1:].flatten()  # [batch * time]
    return F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), labels), len(labels)


def probabilities(model: GPT, ids: Sequence[int], stride: int | None = None) -> np.ndarray:
    """What the model gives to each token of a text of any length but to the first.

    Args:
        model: has positions for T tokens.
        ids: the text: [tokens].
        stride: how many tokens each window of T goes on; half of T if not given. Only what is new in a window counts,
            so that, after the first window, each token is seen with at least T - stride tokens before it.

    Returns:
        [tokens - 1].

    Raises:
        CourseError: the text has fewer than two tokens, the stride is not between 1 and T, or logits are not finite.
    """
    positions = model.embedding.positions.num_embeddings
    stride = stride or positions // 2
    if len(ids) < 2 or not 1 <= stride <= positions:
        raise CourseError(
            f"Needed are a text of at least two tokens and a stride from 1 to {positions}, not {len(ids)} and {stride}."
        )
    text, found = torch.as_tensor(np.asarray(ids), dtype=torch.long), []
    starts = range(0, max(len(ids) - 1 - positions, 0) + stride, stride)
    with evaluating(model) as device:
        for group in (starts[i : i + 64] for i in range(0, len(starts), 64)):
            windows = [text[start : start + positions + 1] for start in group]
            padded = batches.pad([window.tolist() for window in windows])["input_ids"].to(device)  # [windows, 1 + time]
            log_p = finite(model(padded[:, :-1])).float().log_softmax(dim=-1)  # [windows, time, vocab]
            log_p = log_p.gather(2, padded[:, 1:, None])[..., 0].cpu()
            for start, window, row in zip(group, windows, log_p, strict=True):
                found.append(row[0 if start == 0 else positions - stride : len(window) - 1])
    return torch.cat(found).double().exp().numpy()


def step(model: GPT, input_ids: torch.Tensor, cache: Cache) -> torch.Tensor:
    """Write on: the ids that came since the last step [batch, new] -> logits of the next token [batch, vocab]."""
    several = input_ids.shape[1] > 1  # a single new token comes last, so it may see all
    hidden, _ = model.decoder(model.embedding(input_ids, cache.length), cache=cache, causal=several)
    return model.embedding.logits(hidden[:, -1])


def logits(model: GPT, input_ids: torch.Tensor, cache: Cache) -> torch.Tensor:
    """As `step`, but the logits after each of the ids: [batch, new, vocab]."""
    hidden, _ = model.decoder(model.embedding(input_ids, cache.length), cache=cache, causal=input_ids.shape[1] > 1)
    return model.embedding.logits(hidden)


@torch.no_grad()
def load_gpt2(model: GPT, weights: Mapping[str, torch.Tensor]) -> None:
    """Copy the weights of a `transformers.GPT2LMHeadModel` of the same sizes, named as in its state_dict.

    Its matrices are transposed, and query, key and value stand side by side in one.

    Raises:
        CourseError: the weights are those of a model of other sizes.
    """
    found = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
    pairs = [
        (model.embedding.tokens.weight, found["wte.weight"]),
        (model.embedding.positions.weight, found["wpe.weight"]),
    ]
    norms = [(model.decoder.norm, "ln_f")]
    for number, layer in enumerate(model.decoder.layers):
        attention, network, (first, second) = layer.attention, layer.feed_forward, layer.residuals
        norms += [(first.norm, f"h.{number}.ln_1"), (second.norm, f"h.{number}.ln_2")]
        for name, maps in (
            ("attn.c_attn", (attention.query, attention.key, attention.value)),
            ("attn.c_proj", (attention.output,)),
            ("mlp.c_fc", (network.inner,)),
            ("mlp.c_proj", (network.outer,)),
        ):
            matrices = found[f"h.{number}.{name}.weight"].T.chunk(len(maps))
            biases = found[f"h.{number}.{name}.bias"].chunk(len(maps))
            pairs += [(m.weight, w) for m, w in zip(maps, matrices, strict=True)]
            pairs += [(m.bias, b) for m, b in zip(maps, biases, strict=True)]
    for norm, name in norms:
        pairs += [(norm.weight, found[f"{name}.weight"]), (norm.bias, found[f"{name}.bias"])]
    for ours, theirs in pairs:
        if ours.shape != theirs.shape:
            raise CourseError(
                f"The weights are those of a GPT-2 of other sizes: one has the shape {list(theirs.shape)} where this "
                f"model needs {list(ours.shape)}; make the model with the sizes of the weights."
            )
        ours.copy_(theirs)
