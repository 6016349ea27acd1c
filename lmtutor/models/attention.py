"""Attention: soft look-up by scaled dot products, with masks and with many heads. Built in chapter 05.

A mask is boolean, True where a query may look, and broadcasts to [batch, heads, queries, keys]. A query that may look
nowhere gets zeros, in the output and in the weights, and no NaN.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.models import positions
from lmtutor.runtime import CourseError


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
    position_bias: torch.Tensor | float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled dot-product attention (Vaswani et al., 2017, eq. 1), with the weights.

    Args:
        query: [..., queries, size]; key: [..., keys, size]; value: [..., keys, value size].
        mask: boolean, True where a query may look; broadcasts to [..., queries, keys].
        position_bias: added to the scores before the softmax, for example ALiBi's.

    Returns:
        The output [..., queries, value size] and the weights [..., queries, keys].
    """
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5 + position_bias  # [..., queries, keys]
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        # The second filling turns the NaN of a query without any key into zeros.
        weights = scores.masked_fill(~mask, -torch.inf).softmax(dim=-1).masked_fill(~mask, 0.0)
    return weights @ value, weights


def fast_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None = None,
    position_bias: torch.Tensor | None = None,
    *,
    causal: bool = False,
    dropout: float = 0.0,
) -> torch.Tensor:
    """The output of `attention` by PyTorch's kernels, which need not hold the table of weights.

    Args:
        query, key, value, mask, position_bias: as in `attention`.
        causal: whether no query sees a later key, besides the mask; the last query is at the place of the last key.
        dropout: share of the weights that is set to 0.
    """
    # The kernels have a fast way for the causal mask alone, and for equal numbers of queries and keys.
    if causal and (mask is not None or position_bias is not None or query.shape[-2] != key.shape[-2]):
        mask, causal = with_causal(mask, query, key), False
    if position_bias is not None:
        mask = position_bias if mask is None else torch.where(mask, position_bias, -torch.inf)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=causal)


def padding_mask(attention_mask: torch.Tensor) -> torch.Tensor:
    """From 1 for a token and 0 for padding, [batch, keys], to a mask [batch, 1, 1, keys]."""
    return attention_mask.bool()[:, None, None, :]


def causal_mask(queries: int, keys: int | None = None, device: torch.device | str | None = None) -> torch.Tensor:
    """A mask [queries, keys] in which no query sees a later key; the last query is at the place of the last key."""
    keys = queries if keys is None else keys
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def window_mask(queries: int, keys: int, window: int, device: torch.device | str | None = None) -> torch.Tensor:
    """As `causal_mask`, and each query sees the key at its own place and the window - 1 before it only."""
    return causal_mask(queries, keys, device).triu(keys - queries - window + 1)


def with_causal(mask: torch.Tensor | None, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """The mask, and besides no query sees a later key."""
    no_later = causal_mask(query.shape[-2], key.shape[-2], query.device)
    return no_later if mask is None else mask & no_later


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each on its own part of the vectors (Vaswani et al., 2017, section 3.2.2).

    Args:
        hidden_size: size of the vectors that come in and go out.
        num_heads: how many attentions; must divide hidden_size.
        dropout: share of the weights that is set to 0 in training.
        bias: whether the four projections have a bias, as in nn.Linear.
        rotary: whether queries and keys are rotated by their positions (RoPE); only where a text looks at itself.

    Raises:
        CourseError: num_heads does not divide hidden_size (and from forward, if rotary heads have an odd size).
    """

    def __init__(
        self, hidden_size: int, num_heads: int, *, dropout: float = 0.0, bias: bool = True, rotary: bool = False
    ):
        super().__init__()
        if num_heads < 1 or hidden_size % num_heads:
            raise CourseError(f"{num_heads} heads cannot share {hidden_size} numbers equally: choose a divisor of it.")
        self.num_heads, self.dropout, self.rotary = num_heads, dropout, rotary
        projections = [nn.Linear(hidden_size, hidden_size, bias=bias) for _ in range(4)]
        self.query, self.key, self.value, self.output = projections

    def keys_and_values(self, memory: torch.Tensor, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """What queries look at: [batch, keys, hidden], the first one at `start` -> two [batch, heads, keys, size]."""
        projections = (self.key, self.value)
        key, value = (linear(memory).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for linear in projections)
        return (positions.rotate(key, start) if self.rotary else key), value

    def forward(
        self,
        hidden: torch.Tensor,
        memory: torch.Tensor | tuple[torch.Tensor, torch.Tensor] | None = None,
        *,
        mask: torch.Tensor | None = None,
        position_bias: torch.Tensor | None = None,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Each vector of `hidden` looks at those of `memory`, or at those of `hidden` itself.

        Args:
            hidden: [batch, queries, hidden].
            memory: [batch, keys, hidden], or what `keys_and_values` made of it; None for self-attention.
            mask: boolean, True where a query may look; broadcasts to [batch, heads, queries, keys].
            position_bias: added to the scores; broadcasts to the same.
            causal: whether no query sees a later key, besides the mask; the last query is at the place of the last key.
            need_weights: whether to return the weights; without them faster kernels are used.

        Returns:
            [batch, queries, hidden], and the weights (without dropout) [batch, heads, queries, keys] or None.
        """
        memory = hidden if memory is None else memory
        key, value = memory if isinstance(memory, tuple) else self.keys_and_values(memory)
        query = self.query(hidden).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # [batch, heads, queries, size]
        query = positions.rotate(query, key.shape[-2] - query.shape[-2]) if self.rotary else query
        dropout = self.dropout if self.training else 0.0
        context = fast_attention(query, key, value, mask, position_bias, causal=causal, dropout=dropout)
        output = self.output(context.transpose(1, 2).flatten(2))  # [batch, queries, hidden]
        if not need_weights:
            return output, None
        mask = with_causal(mask, query, key) if causal else mask
        return output, attention(query, key, value, mask, 0.0 if position_bias is None else position_bias)[1]
