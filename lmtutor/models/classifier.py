"""Three text classifiers, and what asking any classifier of texts takes.

A bag of embeddings, a convolution, and an LSTM that reads in both directions: built and explained in chapter 04.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lmtutor.data import batches
from lmtutor.models import evaluating, finite
from lmtutor.runtime import CourseError


class BagOfEmbeddings(nn.Module):
    """Mean of the tokens' embeddings, linear layer: fastText without its pairs of words (Joulin et al., 2017).

    With a hidden layer between mean and output it is the deep averaging network of Iyyer et al. (2015).

    Args:
        vocab_size: number of tokens.
        num_labels: number of classes.
        embedding_size: of each token.
        hidden_size: of the hidden layer; 0 for none.
        dropout: share of zeros in training, on the mean and on the hidden layer.
    """

    def __init__(
        self,
        vocab_size: int,
        num_labels: int = 2,
        *,
        embedding_size: int = 64,
        hidden_size: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        hidden = [nn.Linear(embedding_size, hidden_size), nn.ReLU(), nn.Dropout(dropout)] if hidden_size else []
        self.hidden = nn.Sequential(nn.Dropout(dropout), *hidden)
        self.output = nn.Linear(hidden_size or embedding_size, num_labels)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask (1 real, 0 padding), both [batch, time] -> logits [batch, num_labels]."""
        vectors = self.embedding(input_ids) * attention_mask[:, :, None]  # [batch, time, embedding], 0 where padded
        mean = vectors.sum(dim=1) / attention_mask.sum(dim=1, keepdim=True)  # [batch, embedding]
        return self.output(self.hidden(mean))


class CNNClassifier(nn.Module):
    """Embedding, convolutions over windows of several widths, the largest value of each, linear layer (Kim, 2014).

    Args:
        vocab_size: number of tokens.
        num_labels: number of classes.
        embedding_size: of each token.
        channels: detectors of each width.
        widths: tokens in a window.
        dropout: share of zeros in training, on the embeddings and on the largest values.
    """

    def __init__(
        self,
        vocab_size: int,
        num_labels: int = 2,
        *,
        embedding_size: int = 64,
        channels: int = 64,
        widths: tuple[int, ...] = (1, 2, 3, 4),
        dropout: float = 0.0,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding_size, channels, width) for width in widths)
        self.output = nn.Linear(channels * len(widths), num_labels)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask (1 real, 0 padding, on the right), both [batch, time] -> logits [batch, num_labels]."""
        padding = attention_mask[:, None, :] == 0  # [batch, 1, time]
        vectors = self.dropout(self.embedding(input_ids)).transpose(1, 2).masked_fill(padding, 0)
        largest = []
        for convolution in self.convolutions:
            longer = F.pad(vectors, (0, convolution.kernel_size[0] - 1))  # a window begins at each token
            found = F.relu(convolution(longer)).masked_fill(padding, 0)  # [batch, channels, time]
            largest.append(found.amax(dim=2))
        return self.output(self.dropout(torch.cat(largest, dim=1)))


class LSTMClassifier(nn.Module):
    """Embedding, bidirectional LSTM (Graves and Schmidhuber, 2005), mean over the real tokens, linear layer.

    Args:
        vocab_size: number of tokens.
        num_labels: number of classes.
        embedding_size: of each token.
        hidden_size: of the state, in each direction.
        dropout: share of zeros in training, on what enters the LSTM and on what leaves it.
        word_dropout: share of tokens that training replaces by `unk_token_id`, so that no word alone decides.
        unk_token_id: the id of <unk>.
    """

    def __init__(
        self,
        vocab_size: int,
        num_labels: int = 2,
        *,
        embedding_size: int = 64,
        hidden_size: int = 64,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        unk_token_id: int = 0,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * hidden_size, num_labels)
        self.dropout = nn.Dropout(dropout)
        self.word_dropout, self.unk_token_id = word_dropout, unk_token_id
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask (1 real, 0 padding, on the right), both [batch, time] -> logits [batch, num_labels]."""
        lengths = attention_mask.sum(dim=1)  # [batch]
        if self.training and self.word_dropout:
            dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.word_dropout
            input_ids = input_ids.masked_fill(dropped, self.unk_token_id)
        vectors = self.dropout(self.embedding(input_ids))  # [batch, time, embedding]
        packed = pack_padded_sequence(vectors, lengths.cpu(), batch_first=True, enforce_sorted=False)
        # [batch, time, 2 * hidden], zeros where padded
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        mean = hidden.sum(dim=1) / lengths[:, None]  # [batch, 2 * hidden]
        return self.output(self.dropout(mean))


def checked_labels(sequences: Sequence[Sequence[int]], labels: Sequence[int]) -> list[int]:
    """The labels as plain numbers, if a classifier can be trained on them.

    Raises:
        CourseError: labels and sequences differ in number, a label is no whole number from 0 up (names become numbers
            with `text.label_ids`), or all are the same.
    """
    labels = _whole_numbers(labels)
    if len(sequences) != len(labels):
        raise CourseError(f"There are {len(sequences):,} texts but {len(labels):,} labels; each text needs one.")
    if len(set(labels)) < 2:
        found = f"all {len(labels):,} labels are {labels[0]}" if labels else "there are no labels"
        raise CourseError(f"A classifier needs training examples of at least two classes, but {found}.")
    return labels


def _whole_numbers(labels: Sequence[int]) -> list[int]:
    # NumPy's and torch's numbers, too
    plain = labels.tolist() if hasattr(labels, "tolist") else [x.item() if hasattr(x, "item") else x for x in labels]
    for number, label in enumerate(plain):
        if isinstance(label, bool) or not isinstance(label, int) or label < 0:
            raise CourseError(
                f"Label {number} is {label!r}, but labels must be whole numbers from 0 up; "
                f"`ids, names = text.label_ids(labels)` turns names into numbers."
            )
    return plain


def epochs_by_length(
    sequences: Sequence[Sequence[int]], labels: Sequence[int], *, batch_size: int, epochs: int, seed: int = 0
) -> list[list[int]]:
    """Indices of all batches of all epochs, each epoch in batches of similar length that are drawn anew.

    Train with `fit(model, these, epochs=1, batch_size=1, shuffle=False, collate=collator(sequences, labels), ...)`.

    Raises:
        CourseError: as in `checked_labels`.
    """
    checked_labels(sequences, labels)
    return batches.epochs_by_length([len(sequence) for sequence in sequences], batch_size, epochs, seed=seed)


def collator(
    sequences: Sequence[Sequence[int]], labels: Sequence[int], *, pad_token_id: int = 0
) -> Callable[[list[list[int]]], dict[str, torch.Tensor]]:
    """A `collate` for `training.fit`: one list of indices -> `input_ids`, `attention_mask` and `labels` [batch].

    Raises:
        CourseError: a label is no whole number from 0 up.
    """
    labels = _whole_numbers(labels)

    def collate(chosen: list[list[int]]) -> dict[str, torch.Tensor]:
        (indices,) = chosen
        batch = batches.pad([sequences[i] for i in indices], pad_token_id)
        return {**batch, "labels": torch.tensor([labels[i] for i in indices])}

    return collate


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Cross-entropy, and the number of texts that it is the mean of: for `training.fit`."""
    logits = model(batch["input_ids"], batch["attention_mask"])  # [batch, num_labels]
    return F.cross_entropy(logits.float(), batch["labels"]), len(batch["labels"])


def logits(model: nn.Module, sequences: Sequence[Sequence[int]], *, batch_size: int = 64) -> np.ndarray:
    """What the model says to each text: [texts, num_labels]. The model is in evaluation mode meanwhile.

    Raises:
        CourseError: a text has no tokens, or the logits are not finite.
    """
    found: list[np.ndarray | None] = [None] * len(sequences)
    with evaluating(model) as device:
        for group in batches.in_order_of_length(list(map(len, sequences)), batch_size):
            batch = batches.pad([sequences[i] for i in group])
            rows = finite(model(**{name: tensor.to(device) for name, tensor in batch.items()}))
            for i, row in zip(group, rows.cpu().double().numpy(), strict=True):
                found[i] = row
    return np.array(found)


def probabilities(model: nn.Module, sequences: Sequence[Sequence[int]], *, batch_size: int = 64) -> np.ndarray:
    """P(class | text): [texts, num_labels], each row with sum 1. Errors as in `logits`."""
    return torch.tensor(logits(model, sequences, batch_size=batch_size)).softmax(dim=-1).numpy()
