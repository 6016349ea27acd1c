"""Recurrent translation with attention (Bahdanau et al., 2015; Luong et al., 2015), the Transformer's yardstick.

Built in chapter 07.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lmtutor.models.attention import attention
from lmtutor.runtime import CourseError


class RecurrentTranslator(nn.Module):
    """A bidirectional LSTM reads, an LSTM writes, and looks at what was read before it says each word.

    Args:
        vocab_size: tokens of the vocabulary that both texts share.
        hidden_size: of embeddings and states; even.
        num_layers: of the encoder, and of the decoder.
        dropout: share that is set to 0 in training, of embeddings and of what the logits are made of.
    """

    def __init__(self, vocab_size: int, *, hidden_size: int = 128, num_layers: int = 1, dropout: float = 0.1):
        super().__init__()
        options = {"num_layers": num_layers, "batch_first": True, "dropout": dropout if num_layers > 1 else 0.0}
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.encoder = nn.LSTM(hidden_size, hidden_size // 2, bidirectional=True, **options)
        self.decoder = nn.LSTM(hidden_size, hidden_size, **options)
        self.key = nn.Linear(hidden_size, hidden_size, bias=False)
        self.mix = nn.Linear(2 * hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def encode(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, tuple]:
        """Ids and mask [batch, keys] -> memory [batch, keys, hidden], and the state with which the decoder begins.

        Raises:
            CourseError: a source is empty.
        """
        vectors, lengths = self.dropout(self.embedding(input_ids)), attention_mask.sum(dim=1).cpu()
        if not lengths.all():
            raise CourseError("A source is empty: a recurrent encoder needs at least one token to read.")
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        hidden, state = self.encoder(packed)
        memory, _ = pad_packed_sequence(hidden, batch_first=True, total_length=input_ids.shape[1])
        # Of each layer both directions side by side: [layers, batch, hidden].
        return memory, tuple(torch.cat([part[0::2], part[1::2]], dim=-1) for part in state)

    def decode(
        self, decoder_input_ids: torch.Tensor, memory: torch.Tensor, attention_mask: torch.Tensor, state: tuple
    ) -> tuple[torch.Tensor, torch.Tensor, tuple]:
        """Ids so far [batch, time] -> logits [batch, time, vocab], weights [batch, time, keys], state."""
        hidden, state = self.decoder(self.dropout(self.embedding(decoder_input_ids)), state)  # [batch, time, hidden]
        context, weights = attention(hidden, self.key(memory), memory, attention_mask.bool()[:, None, :])
        mixed = torch.tanh(self.mix(torch.cat([hidden, context], dim=-1)))  # [batch, time, hidden]
        return F.linear(self.dropout(mixed), self.embedding.weight), weights, state

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, decoder_input_ids: torch.Tensor
    ) -> torch.Tensor:
        """Source ids and mask [batch, keys], target ids so far [batch, time] -> logits [batch, time, vocab]."""
        memory, state = self.encode(input_ids, attention_mask)
        return self.decode(decoder_input_ids, memory, attention_mask, state)[0]


@dataclass
class Reading:
    """What a translator has read, and the state of its decoder, for a batch of texts: the cache of this model."""

    memory: torch.Tensor  # [batch, keys, hidden]
    mask: torch.Tensor  # [batch, keys]
    state: tuple

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows of the batch, in this order; a row may come more than once or not at all."""
        self.memory, self.mask = self.memory.index_select(0, rows), self.mask.index_select(0, rows)
        self.state = tuple(part.index_select(1, rows) for part in self.state)


def start(model: RecurrentTranslator, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Reading:
    """Read a source once, for `step`: ids and mask [batch, keys]."""
    memory, state = model.encode(input_ids, attention_mask)
    return Reading(memory, attention_mask, state)


def step(model: RecurrentTranslator, decoder_input_ids: torch.Tensor, reading: Reading) -> torch.Tensor:
    """Write on: the ids that came since the last step [batch, new] -> logits of the next token [batch, vocab]."""
    logits, _, reading.state = model.decode(decoder_input_ids, reading.memory, reading.mask, reading.state)
    return logits[:, -1]
