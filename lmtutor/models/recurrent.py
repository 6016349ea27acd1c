"""Language models that read one token after the other: fixed window, RNN, GRU, LSTM.

Built and explained in chapter 03.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lmtutor.data import batches
from lmtutor.data.text import Vocabulary, stream
from lmtutor.models import evaluating, finite
from lmtutor.runtime import CourseError, choose, several

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
State = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


class WindowLanguageModel(nn.Module):
    """The next token from the last `window` ones (Bengio et al., 2003): embeddings, a hidden layer, logits.

    Args:
        vocab_size: number of tokens.
        window: how many tokens it sees.
        embedding_size: of each token; the embedding matrix is the output matrix, too.
        hidden_size: of the hidden layer.
        dropout: share of zeros in training, on what enters and what leaves the hidden layer.
    """

    def __init__(self, vocab_size: int, *, window: int, embedding_size: int, hidden_size: int, dropout: float = 0.0):
        super().__init__()
        self.window = window
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.hidden = nn.Linear(window * embedding_size, hidden_size)
        self.project = nn.Linear(hidden_size, embedding_size)
        self.output = nn.Linear(embedding_size, vocab_size)
        self.output.weight = self.embedding.weight
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, input_ids: torch.Tensor, state: torch.Tensor | None = None):
        """[batch, time] ids -> logits [batch, time, vocab], and the last `window` - 1 ids as the state."""
        if state is None:  # before the text stand unknown words: id 0
            state = input_ids.new_zeros(len(input_ids), self.window - 1)
        ids = torch.cat([state, input_ids], dim=1)  # [batch, window - 1 + time]
        vectors = self.dropout(self.embedding(ids.unfold(1, self.window, 1)))  # [batch, time, window, embedding]
        hidden = torch.tanh(self.hidden(vectors.flatten(2)))  # [batch, time, hidden]
        return self.output(self.dropout(self.project(hidden))), ids[:, ids.shape[1] - self.window + 1 :]


class RecurrentLanguageModel(nn.Module):
    """Embedding, recurrent layers, logits, with one matrix for input and output (Press and Wolf, 2017).

    Args:
        vocab_size: number of tokens.
        cell: "rnn", "gru" or "lstm".
        embedding_size: of each token.
        hidden_size: of the state.
        num_layers: recurrent layers on top of each other.
        dropout: share of zeros in training, on what enters and leaves the recurrent layers (Zaremba et al., 2014).

    Raises:
        CourseError: the cell is unknown.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        cell: str = "lstm",
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__()
        kind = CELLS[choose(cell, list(CELLS), "The cell")]
        between = dropout if num_layers > 1 else 0.0
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.rnn = kind(embedding_size, hidden_size, num_layers, dropout=between, batch_first=True)
        same = hidden_size == embedding_size
        self.project = nn.Identity() if same else nn.Linear(hidden_size, embedding_size)
        self.output = nn.Linear(embedding_size, vocab_size)
        self.output.weight = self.embedding.weight
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, input_ids: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """[batch, time] ids, and the state after what came before -> logits [batch, time, vocab], state."""
        vectors = self.dropout(self.embedding(input_ids))  # [batch, time, embedding]
        hidden, state = self.rnn(vectors, state)  # [batch, time, hidden]
        return self.output(self.dropout(self.project(hidden))), state


def carried_loss() -> Callable[[nn.Module, dict], tuple[torch.Tensor, int]]:
    """A loss for `training.fit` on blocks of `batches.streams`, with the state handed on from block to block.

    Fit them with `batch_size=1, shuffle=False, collate=lambda blocks: blocks[0]`. The gradient ends where a block
    begins (truncated back-propagation through time). Training and validation have a state each. A run that is resumed
    in the middle of an epoch begins with an empty state.

    Raises:
        CourseError: (from the loss) under several processes, which would take turns at the blocks of one text.
    """
    states: dict[bool, State | None] = {}

    def loss(model: nn.Module, block: dict) -> tuple[torch.Tensor, int]:
        if torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
            raise CourseError("A carried state needs one process: start this training without `accelerate launch`.")
        state = None if block["first"] else states.get(model.training)
        logits, state = model(block["input_ids"], state)  # [streams, time, vocab]
        states[model.training] = detach(state)
        labels = block["labels"].flatten()  # [streams * time]
        return F.cross_entropy(logits.flatten(0, 1), labels), labels.numel()

    return loss


def detach(state: State) -> State:
    """The same state, cut off from the computation that made it."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def probabilities(
    model: nn.Module, sentences: Sequence[Sequence[str]], vocabulary: Vocabulary, *, carry: bool = True
) -> np.ndarray:
    """What the model gives to each token that comes, </s> included, like the n-gram models' `probabilities`.

    Args:
        model: one of this module; it is in evaluation mode meanwhile.
        sentences: lists of words.
        vocabulary: the model's.
        carry: read all sentences as one text, or forget at the end of each.

    Returns:
        [tokens], as many as words and sentence ends.

    Raises:
        CourseError: there is no sentence, or the logits are not finite.
    """
    if len(several(sentences, "sentences (lists of words)")) == 0:
        raise CourseError("There is no sentence to score: the text is empty.")
    whole = stream(sentences, vocabulary)  # also tells what cannot be read, with the number of its sentence
    texts = [whole] if carry else [stream([s], vocabulary) for s in sentences]
    parts: list[np.ndarray] = [np.empty(0)] * len(texts)
    with evaluating(model) as device:
        for group in batches.in_order_of_length(list(map(len, texts))):
            padded = batches.pad([texts[i] for i in group])["input_ids"].to(device)  # [batch, 1 + time]
            state, found = None, []
            for ids, next_ids in zip(padded[:, :-1].split(512, dim=1), padded[:, 1:].split(512, dim=1), strict=True):
                logits, state = model(ids, state)  # [batch, time, vocab]
                # Half precision is too coarse.
                logits = finite(logits).to(torch.promote_types(logits.dtype, torch.float32))
                log_p = -F.cross_entropy(logits.transpose(1, 2), next_ids, reduction="none")  # [batch, time]
                found.append(log_p.cpu().double().exp())  # Apple's GPUs know no float64
            joined = torch.cat(found, dim=1).numpy()  # [batch, time]
            for row, i in enumerate(group):
                parts[i] = joined[row, : len(texts[i]) - 1]
    return np.concatenate(parts)


def next_distribution(model: nn.Module, vocabulary: Vocabulary) -> Callable[[Sequence[str]], np.ndarray]:
    """A function: history (words; "<s>" begins a sentence) -> probabilities of the next token, [vocabulary].

    It keeps the state of the last history, so that a history with one word more costs one step. When the model has
    learned something since, all is read anew.
    """
    last: dict = {"ids": [], "state": None, "p": None, "weights": []}

    def has_changed() -> bool:
        # By comparison: a step reads each weight as well, and no counter sees all ways in which weights can change.
        now = list(model.state_dict().values())
        same = len(now) == len(last["weights"]) and all(
            a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
            for a, b in zip(now, last["weights"], strict=True)
        )
        if not same:
            last["weights"] = [weight.clone() for weight in now]
        return not same

    def distribution(history: Sequence[str]) -> np.ndarray:
        # In training a sentence begins after the </s> of the one before.
        ids = [vocabulary.end if i == vocabulary.start else i for i in vocabulary.encode(history)] or [vocabulary.end]
        known = len(last["ids"])
        if has_changed() or ids[:known] != last["ids"]:
            known, last["state"] = 0, None
        if ids[known:]:
            with evaluating(model) as device:
                logits, last["state"] = model(torch.tensor([ids[known:]], device=device), last["state"])
            last["p"] = finite(logits[0, -1]).cpu().double().softmax(-1).numpy()  # [vocab]
            last["ids"] = ids
        return last["p"].copy()

    return distribution
