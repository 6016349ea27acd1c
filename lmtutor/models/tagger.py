"""Models that say something of each token, or of pairs of spans: taggers, pointers, relations.

Built and explained in chapter 11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lmtutor.data import batches
from lmtutor.data.batches import IGNORED
from lmtutor.models import bert as encoders
from lmtutor.models import evaluating, finite
from lmtutor.models.bert import Bert, initialise
from lmtutor.runtime import CourseError, several


class BertTagger(nn.Module):
    """BERT with one linear layer on each token's vector.

    With BIO tags as labels it tags names; with two labels, start and end, it points at answers.

    Args:
        bert: the encoder.
        labels: the names of the columns of logits.
        dropout: share of the vectors that is set to 0 in training.
    """

    def __init__(self, bert: Bert, labels: Sequence[str], dropout: float = 0.1):
        super().__init__()
        self.bert, self.labels = bert, tuple(labels)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(bert.pooler.in_features, len(self.labels))
        initialise(self.classifier)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Texts as in `Bert` -> logits [batch, time, labels]."""
        return self.classifier(self.dropout(self.bert(input_ids, attention_mask, token_type_ids)))


def load(folder: str | Path, labels: Sequence[str]) -> BertTagger:
    """The tagger that `lmtutor.models.bert.save` wrote into a folder.

    Args:
        folder: holds config.json and model.safetensors.
        labels: the names of the columns of logits, in their order.

    Raises:
        CourseError: as `bert.load`, or the folder's head is not one for that many labels.
    """
    from safetensors.torch import load_file

    several(labels, "labels")
    model = BertTagger(encoders.load(folder), labels)
    weights = load_file(Path(folder) / "model.safetensors")
    head = [weights.get(f"classifier.{name}") for name in ("weight", "bias")]
    own = [model.classifier.weight, model.classifier.bias]
    if any(there is None or there.shape != here.shape for there, here in zip(head, own, strict=True)):
        raise CourseError(f"The model in {str(folder)!r} has no head for the {len(own[1])} labels {', '.join(labels)}.")
    with torch.no_grad():
        for there, here in zip(head, own, strict=True):
            here.copy_(there)
    return model


class LSTMTagger(nn.Module):
    """Embedding, bidirectional LSTM, linear layer: a tagger that starts from nothing.

    Args:
        vocab_size: number of tokens.
        labels: the names of the tags.
        embedding_size: of each token.
        hidden_size: of the state, in each direction.
        dropout: share of zeros in training, on what enters the LSTM and on what leaves it.
    """

    def __init__(
        self,
        vocab_size: int,
        labels: Sequence[str],
        *,
        embedding_size: int = 64,
        hidden_size: int = 128,
        dropout: float = 0.3,
    ):
        super().__init__()
        self.labels = tuple(several(labels, "labels"))
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True, bidirectional=True)
        self.output, self.dropout = nn.Linear(2 * hidden_size, len(self.labels)), nn.Dropout(dropout)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask (1 real, 0 padding, on the right), both [batch, time] -> logits [batch, time, labels]."""
        vectors = self.dropout(self.embedding(input_ids))
        lengths = attention_mask.sum(dim=1).cpu()
        if not lengths.all():
            raise CourseError("A text of the batch has no tokens: put one, such as <unk>, into it.")
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        # [batch, time, 2 * hidden]
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=input_ids.shape[1])
        return self.output(self.dropout(hidden))


class RelationClassifier(nn.Module):
    """Which relation holds between two spans of a text: from the means of BERT's vectors over both.

    Args:
        bert: the encoder.
        labels: the names of the relations, one of them for "none".
        dropout: share of the pairs' vectors that is set to 0 in training.
    """

    def __init__(self, bert: Bert, labels: Sequence[str], dropout: float = 0.1):
        super().__init__()
        self.bert, self.labels, self.dropout = bert, tuple(labels), nn.Dropout(dropout)
        size = bert.pooler.in_features
        self.inner, self.classifier = nn.Linear(2 * size, size), nn.Linear(size, len(self.labels))
        initialise(self.inner)
        initialise(self.classifier)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
        """Texts [batch, time]; pairs [pairs, 5]: row, head's first piece and end, tail's -> logits [pairs, labels]."""
        hidden = self.bert(input_ids, attention_mask)  # [batch, time, hidden]
        row, head, head_end, tail, tail_end = pairs.T
        both = torch.cat([span_means(hidden, row, head, head_end), span_means(hidden, row, tail, tail_end)], dim=-1)
        return self.classifier(self.dropout(F.gelu(self.inner(self.dropout(both)))))


def span_means(hidden: torch.Tensor, row: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Means over the places from `start` up to, and without, `end` of a row: [batch, time, hidden] -> [spans, hidden].

    By differences of running sums, so for all spans at once.
    """
    # In half precision sums over a long text would be too coarse for differences.
    sums = hidden.cumsum(dim=1, dtype=torch.promote_types(hidden.dtype, torch.float32))
    sums = F.pad(sums, (0, 0, 1, 0))  # [batch, time + 1, hidden]
    return ((sums[row, end] - sums[row, start]) / (end - start)[:, None]).to(hidden.dtype)


def collator(
    sequences: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]
) -> Callable[[list[list[int]]], dict[str, torch.Tensor]]:
    """A `collate` for `training.fit`: one list of indices -> `input_ids`, `attention_mask`, `labels` [batch, time]."""

    def collate(chosen: list[list[int]]) -> dict[str, torch.Tensor]:
        (indices,) = chosen
        batch = batches.pad([sequences[i] for i in indices])
        target = batches.pad([labels[i] for i in indices], IGNORED)["input_ids"]
        return {**batch, "labels": target}

    return collate


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy over the tokens that have a label (0 if none has), and how many these are: for `training.fit`."""
    logits = model(batch["input_ids"], batch["attention_mask"])  # [batch, time, labels]
    labels = batch["labels"]
    total, count = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="sum"), labels != IGNORED
    return total / count.sum().clamp(min=1), count.sum()


def pointer_loss(logits: torch.Tensor, mask: torch.Tensor, spans: torch.Tensor) -> torch.Tensor:
    """Mean of -ln P(start) and -ln P(end): logits [batch, time, 2], mask [batch, time], spans [batch, 2] -> a number.

    Each pointer is a softmax over the places of its text; padding has probability 0.
    """
    hidden = logits.float().masked_fill(mask[..., None] == 0, -torch.inf)
    return F.cross_entropy(hidden, spans)  # classes are the places: [batch, time, 2] against [batch, 2]


def logits(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    token_types: Sequence[Sequence[int]] | None = None,
    *,
    batch_size: int = 64,
) -> list[np.ndarray]:
    """What the model says of each token: of each text [its tokens, labels]. It is in evaluation mode meanwhile.

    Raises:
        CourseError: a text has no tokens, or the logits are not finite.
    """
    found: list = [None] * len(sequences)
    with evaluating(model) as device:
        for group in batches.in_order_of_length(list(map(len, sequences)), batch_size):
            batch = batches.pad([sequences[i] for i in group])
            if token_types is not None:
                batch["token_type_ids"] = batches.pad([token_types[i] for i in group])["input_ids"]
            rows = finite(model(**{name: tensor.to(device) for name, tensor in batch.items()}))
            for i, row in zip(group, rows.cpu().double().numpy(), strict=True):
                found[i] = row[: len(sequences[i])]
    return found
