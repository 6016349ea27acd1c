"""The Transformer (Vaswani et al., 2017): layers of attention and feed-forward networks, an encoder and a decoder.

Built in chapter 06. `Layer` serves encoders, decoders, and decoders that stand alone (chapter 08).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.models import positions
from lmtutor.models.attention import MultiHeadAttention, padding_mask
from lmtutor.models.cache import Cache, KeysAndValues, Past
from lmtutor.runtime import CourseError


class Residual(nn.Module):
    """A sublayer inside its residual connection: what it says is added to what came, with a norm before or after.

    Args:
        hidden_size: size of the vectors.
        dropout: share of what is added that is set to 0 in training.
        norm_first: normalise what goes into the sublayer (pre-norm), or the sum (post-norm, as in the paper).
    """

    def __init__(self, hidden_size: int, dropout: float = 0.0, norm_first: bool = True):
        super().__init__()
        self.norm, self.dropout, self.norm_first = nn.LayerNorm(hidden_size), nn.Dropout(dropout), norm_first

    def forward(self, hidden: torch.Tensor, sublayer: Callable) -> torch.Tensor:
        """Vectors [..., hidden] and a function of such vectors -> the same shape."""
        if self.norm_first:
            return hidden + self.dropout(sublayer(self.norm(hidden)))
        return self.norm(hidden + self.dropout(sublayer(hidden)))


class FeedForward(nn.Module):
    """Two linear maps with an activation between them, for each vector alone: [..., hidden] -> [..., hidden].

    Args:
        hidden_size: size of the vectors that come in and go out.
        inner_size: size between the two maps.
        dropout: share of the inner numbers that is set to 0 in training.
        activation: a function of each number.
    """

    def __init__(
        self,
        hidden_size: int,
        inner_size: int,
        dropout: float = 0.0,
        activation: Callable = F.relu,
    ):
        super().__init__()
        self.inner, self.outer = nn.Linear(hidden_size, inner_size), nn.Linear(inner_size, hidden_size)
        self.dropout, self.activation = nn.Dropout(dropout), activation

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., hidden] -> [..., hidden]."""
        return self.outer(self.dropout(self.activation(self.inner(hidden))))


class Layer(nn.Module):
    """Attention of a text to itself, with `cross` attention of it to a memory, and a feed-forward network.

    Args:
        hidden_size: size of the vectors that come in and go out.
        num_heads: heads of each attention; must divide hidden_size.
        inner_size: size inside the feed-forward network.
        cross: whether the layer also looks at a memory, as a decoder's does.
        dropout: share that is set to 0 in training: of the weights of attention, of inner numbers, of what is added.
        norm_first: see `Residual`.
        activation: see `FeedForward`.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        inner_size: int,
        *,
        cross: bool = False,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: Callable = F.relu,
    ):
        super().__init__()
        self.attention = MultiHeadAttention(hidden_size, num_heads, dropout=dropout)
        self.cross_attention = MultiHeadAttention(hidden_size, num_heads, dropout=dropout) if cross else None
        self.feed_forward = FeedForward(hidden_size, inner_size, dropout, activation)
        self.residuals = nn.ModuleList(Residual(hidden_size, dropout, norm_first) for _ in range(3 if cross else 2))

    def forward(
        self,
        hidden: torch.Tensor,
        memory: torch.Tensor | KeysAndValues | None = None,
        *,
        mask: torch.Tensor | None = None,
        memory_mask: torch.Tensor | None = None,
        causal: bool = False,
        past: Past | None = None,
        need_weights: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Take vectors through the layer.

        Args:
            hidden: [batch, time, hidden].
            memory: [batch, keys, hidden], or its keys and values; for a layer with `cross`.
            mask: boolean, True where the text may look at itself; broadcasts to [batch, heads, time, time].
            memory_mask: boolean, True where it may look at the memory; broadcasts to [batch, heads, time, keys].
            causal: whether no token sees a later one.
            past: what the layer has read of the text before; this text is added to it.
            need_weights: whether to return the weights of the cross-attention.

        Returns:
            [batch, time, hidden], and the weights of the cross-attention [batch, heads, time, keys] or None.
        """
        first, *across, last = self.residuals  # `across` is empty without cross-attention
        weights = None

        def attend(x):
            own = x if past is None else past.extend(self.attention.keys_and_values(x, past.length))
            return self.attention(x, own, mask=mask, causal=causal)[0]

        def look_across(x):
            nonlocal weights
            x, weights = self.cross_attention(x, memory, mask=memory_mask, need_weights=need_weights)
            return x

        hidden = first(hidden, attend)
        for residual in across:
            hidden = residual(hidden, look_across)
        return last(hidden, self.feed_forward), weights


class Stack(nn.Module):
    """Layers one after the other, and with norm_first a last normalisation.

    Args:
        num_layers: how many.
        hidden_size, num_heads, inner_size, norm_first, options: see `Layer`.
    """

    def __init__(
        self, num_layers: int, hidden_size: int, num_heads: int, inner_size: int, *, norm_first: bool = True, **options
    ):
        super().__init__()
        sizes = (hidden_size, num_heads, inner_size)
        self.layers = nn.ModuleList(Layer(*sizes, norm_first=norm_first, **options) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size) if norm_first else nn.Identity()

    def forward(
        self, hidden: torch.Tensor, memory: torch.Tensor | None = None, *, cache: Cache | None = None, **options
    ) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        """Take vectors through all layers.

        Args:
            hidden: [batch, time, hidden].
            memory: [batch, keys, hidden], for layers with `cross`; or the cache has it.
            cache: what the layers have read before.
            options: masks and need_weights, see `Layer`.

        Returns:
            [batch, time, hidden], and of each layer the weights of the cross-attention or None.
        """
        weights = []
        for number, layer in enumerate(self.layers):
            past = cache and cache.layers[number]
            there = cache.memories[number] if cache and cache.memories else memory
            hidden, layer_weights = layer(hidden, there, past=past, **options)
            weights.append(layer_weights)
        return self.norm(hidden), weights


class ScaledEmbedding(nn.Module):
    """Ids to vectors with sinusoids for their positions, and vectors back to logits (sections 3.4, 3.5 of the paper).

    The vectors are multiplied by the square root of their size. The logits are their products with the unscaled ones.

    Args:
        vocab_size: number of tokens.
        hidden_size: size of the vectors; even.
        max_length: number of positions.
        dropout: share of the sums that is set to 0 in training.
    """

    def __init__(self, vocab_size: int, hidden_size: int, max_length: int = 512, dropout: float = 0.0):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        # A buffer moves with the model to a GPU, but is no parameter; not persistent: not saved either.
        self.register_buffer("positions", positions.sinusoids(max_length, hidden_size), persistent=False)

    def forward(self, input_ids: torch.Tensor, start: int = 0) -> torch.Tensor:
        """Ids [batch, time], the first one at position `start` -> [batch, time, hidden].

        Raises:
            CourseError: the text has more tokens than there are positions.
        """
        end = start + input_ids.shape[1]
        if end > len(self.positions):
            raise CourseError(
                f"A text of {end} tokens is longer than the {len(self.positions)} positions of this model: "
                f"cut it, or make the model with a larger max_length."
            )
        vectors = self.tokens(input_ids) * math.sqrt(self.tokens.embedding_dim)  # [batch, time, hidden]
        return self.dropout(vectors + self.positions[start:end])

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., hidden] -> [..., vocab]."""
        return F.linear(hidden, self.tokens.weight)


class Transformer(nn.Module):
    """An encoder that reads a text and a decoder that writes another one, with one vocabulary and tied embeddings.

    Args:
        vocab_size: tokens of the vocabulary that both texts share.
        hidden_size: size of the vectors.
        num_heads: heads of each attention; must divide hidden_size.
        num_layers: layers of the encoder, and of the decoder.
        inner_size: size inside the feed-forward networks; four times hidden_size if not given.
        dropout: share that is set to 0 in training, see `Layer` and `ScaledEmbedding`.
        norm_first: see `Residual`.
        max_length: the most tokens that either text may have.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        hidden_size: int = 128,
        num_heads: int = 4,
        num_layers: int = 2,
        inner_size: int | None = None,
        dropout: float = 0.1,
        norm_first: bool = True,
        max_length: int = 512,
    ):
        super().__init__()
        sizes = (num_layers, hidden_size, num_heads, inner_size or 4 * hidden_size)
        self.embedding = ScaledEmbedding(vocab_size, hidden_size, max_length, dropout)
        self.encoder = Stack(*sizes, dropout=dropout, norm_first=norm_first)
        self.decoder = Stack(*sizes, dropout=dropout, norm_first=norm_first, cross=True)
        initialise(self)

    def encode(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Read a text: ids and mask (1 for a token, 0 for padding) [batch, keys] -> memory [batch, keys, hidden]."""
        return self.encoder(self.embedding(input_ids), mask=padding_mask(attention_mask))[0]

    def decode(
        self, decoder_input_ids: torch.Tensor, memory: torch.Tensor, attention_mask: torch.Tensor, **options
    ) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        """Write a text: at each place the logits of the next token.

        Args:
            decoder_input_ids: [batch, time] the text so far. Padding on the right needs no mask: no token sees it.
            memory: [batch, keys, hidden] the encoder's output.
            attention_mask: [batch, keys] 1 where the encoder read a token, 0 for padding.
            options: need_weights, whether to return the weights of the cross-attention.

        Returns:
            Logits [batch, time, vocab], and of each layer the weights [batch, heads, time, keys] or None.
        """
        hidden, weights = self.decoder(
            self.embedding(decoder_input_ids), memory, memory_mask=padding_mask(attention_mask), causal=True, **options
        )
        return self.embedding.logits(hidden), weights

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, decoder_input_ids: torch.Tensor
    ) -> torch.Tensor:
        """Source ids and mask [batch, keys], target ids so far [batch, time] -> logits [batch, time, vocab]."""
        return self.decode(decoder_input_ids, self.encode(input_ids, attention_mask), attention_mask)[0]


def initialise(model: nn.Module) -> None:
    """Start all matrices as Glorot and Bengio (2010) do, all biases at 0, embeddings at a length of about 1.

    Queries, keys and values count as one matrix with three times as many outputs, as in `nn.MultiheadAttention`.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            one_of_three = name.endswith(("query", "key", "value"))
            nn.init.xavier_uniform_(module.weight, gain=2**-0.5 if one_of_three else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)


def start(model: Transformer, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Cache:
    """Read a source once, for `step`: ids and mask [batch, keys]."""
    memory = model.encode(input_ids, attention_mask)
    cache = Cache.empty(len(model.decoder.layers))
    cache.memories = [layer.cross_attention.keys_and_values(memory) for layer in model.decoder.layers]
    cache.memory_mask = padding_mask(attention_mask)
    return cache


def step(model: Transformer, decoder_input_ids: torch.Tensor, cache: Cache) -> torch.Tensor:
    """Write on: the ids that came since the last step [batch, new] -> logits of the next token [batch, vocab]."""
    # A single new token comes last, so it may see all.
    masks = {"memory_mask": cache.memory_mask, "causal": decoder_input_ids.shape[1] > 1}
    hidden, _ = model.decoder(model.embedding(decoder_input_ids, cache.length), cache=cache, **masks)
    return model.embedding.logits(hidden[:, -1])
