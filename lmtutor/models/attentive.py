"""A text classifier that weighs its words: a GRU whose states are averaged by attention. Built in chapter 16."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class AttentiveClassifier(nn.Module):
    """Embeddings, a GRU in both directions, additive attention over its states (Bahdanau et al., 2015), two logits.

    Args:
        vocab_size: number of words.
        embedding_size: of each word.
        hidden_size: of the GRU's state, in each direction.
        dropout: share of zeros in training, on the embeddings and on the mean.
        uniform: all words of a text weigh the same, so that nothing is learned about where to look.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_size: int = 64,
        hidden_size: int = 48,
        dropout: float = 0.3,
        uniform: bool = False,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.gru = nn.GRU(embedding_size, hidden_size, batch_first=True, bidirectional=True)
        self.look = nn.Sequential(
            nn.Linear(2 * hidden_size, hidden_size), nn.Tanh(), nn.Linear(hidden_size, 1, bias=False)
        )
        self.output, self.dropout, self.uniform = nn.Linear(2 * hidden_size, 2), nn.Dropout(dropout), uniform
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Ids and mask (1 real, 0 padding), both [batch, time] -> logits [batch, 2]."""
        return self.read(self.embedding(input_ids), attention_mask)[0]

    def read(
        self, vectors: torch.Tensor, attention_mask: torch.Tensor | None = None, weights: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The words' vectors [batch, time, embedding] -> logits [batch, 2] and attention weights [batch, time].

        Other `weights` may be put in the place of the model's own.
        """
        mask = vectors.new_ones(vectors.shape[:2]) if attention_mask is None else attention_mask
        packed = pack_padded_sequence(
            self.dropout(vectors), mask.sum(1).long().cpu(), batch_first=True, enforce_sorted=False
        )
        hidden, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)  # [batch, time, 2 * hidden]
        if weights is None:
            scores = 0 * hidden[..., 0] if self.uniform else self.look(hidden)[..., 0]  # [batch, time]
            weights = scores.masked_fill(mask == 0, -torch.inf).softmax(-1)
        mean = (weights[:, :, None] * hidden).sum(1)  # [batch, 2 * hidden]
        return self.output(self.dropout(mean)), weights
