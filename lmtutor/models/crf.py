"""A conditional random field over the tags of a text: what fits together is learned, and all sequences are summed over.

Built and explained in chapter 11.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lmtutor.data.batches import IGNORED
from lmtutor.runtime import CourseError

FORBIDDEN = -1e4  # in place of -inf, whose gradients are not numbers


def best_path(scores: np.ndarray, moves: np.ndarray, first: np.ndarray, last: np.ndarray | None = None) -> list[int]:
    """The sequence of labels with the largest sum of scores and moves, found place by place (Viterbi, 1967).

    Args:
        scores: [places, labels].
        moves: [before, label], what going from one label to the next adds; -inf where that is forbidden.
        first, last: [labels], what beginning and ending with a label adds; `last` may be left out.

    Returns:
        One label for each place; of equals, the ones with the lower numbers from the end.
    """
    best = scores[0] + first  # [labels], of the best sequence that ends in each
    came_from = []
    for row in scores[1:]:
        ways = best[:, None] + moves  # [before, label]
        came_from.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + row
    path = [int((best if last is None else best + last).argmax())]
    for step in reversed(came_from):
        path.append(int(step[path[-1]]))
    return path[::-1]


class CRF(nn.Module):
    """A linear-chain conditional random field (Lafferty, McCallum and Pereira, 2001).

    A sequence of labels has as its score the sum of its places' scores, of its moves, and of its two ends; its
    probability is the softmax of that over all sequences.

    Args:
        num_labels: labels of a place.
        rules: (first, moves, last) as `tagging.rules` gives them, with -inf for what may never be; 0 elsewhere.
        speed: the weights are kept divided by it, so an optimizer such as Adam moves them that much faster.
    """

    def __init__(
        self, num_labels: int, rules: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None, speed: float = 20.0
    ):
        super().__init__()
        self.speed = speed
        shapes = ((num_labels,), (num_labels, num_labels), (num_labels,))
        for name, shape, rule in zip(("first", "moves", "last"), shapes, rules or (None, None, None), strict=True):
            setattr(self, f"own_{name}", nn.Parameter(torch.zeros(shape)))
            fixed = np.zeros(shape) if rule is None else np.maximum(rule, FORBIDDEN)
            self.register_buffer(f"fixed_{name}", torch.tensor(fixed, dtype=torch.float32))

    def weights(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What a first label, a move [before, label] and a last label add."""
        return tuple(
            self.speed * getattr(self, f"own_{name}") + getattr(self, f"fixed_{name}")
            for name in ("first", "moves", "last")
        )

    def score(self, scores: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The score of one sequence of labels for each text.

        Args:
            scores: [batch, places, labels].
            labels: [batch, places]; what stands where the mask is 0 does not count.
            mask: [batch, places], 1 for a place of the text and 0 for padding, which is on the right.
        """
        first, moves, last = self.weights()
        labels = labels.clamp(min=0)
        of_places = scores.gather(-1, labels[..., None])[..., 0] * mask  # [batch, places]
        of_moves = moves[labels[:, :-1], labels[:, 1:]] * mask[:, 1:]
        ends = labels.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]
        return of_places.sum(1) + of_moves.sum(1) + first[labels[:, 0]] + last[ends]

    def log_total(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """ln of the sum of e^score over all sequences of labels, for each text: the forward algorithm."""
        first, moves, last = self.weights()
        so_far = scores[:, 0] + first  # [batch, labels]: ln of the sum over all that end in each
        for place in range(1, scores.shape[1]):
            longer = torch.logsumexp(so_far[:, :, None] + moves, dim=1) + scores[:, place]
            so_far = torch.where(mask[:, place, None] > 0, longer, so_far)
        return torch.logsumexp(so_far + last, dim=-1)

    def forward(self, scores: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """ln P(labels) of each text: [batch]. Arguments as in `score`; each text needs a place."""
        return self.score(scores, labels, mask) - self.log_total(scores, mask)

    def decode(self, scores: np.ndarray) -> list[int]:
        """The likeliest sequence of labels of one text: [places, labels] -> [places]."""
        if len(scores) == 0:
            return []
        first, moves, last = (weights.detach().cpu().double().numpy() for weights in self.weights())
        return best_path(np.asarray(scores, dtype=np.float64), moves, first, last)


class CRFTagger(nn.Module):
    """A tagger whose labels are chosen together.

    Args:
        tagger: has `labels`, and gives logits [batch, time, labels], such as a `BertTagger`.
        rules: see `CRF`.
    """

    def __init__(self, tagger: nn.Module, rules: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None):
        super().__init__()
        self.tagger, self.labels, self.crf = tagger, tagger.labels, CRF(len(tagger.labels), rules)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Texts -> logits [batch, time, labels], the scores of the chain; with labels their ln P of each text: [batch].

        Places whose label is IGNORED (further pieces of a word, special tokens, padding) are no places of the chain.
        """
        logits = self.tagger(input_ids, attention_mask)
        if labels is None:
            return logits
        kept = labels != IGNORED
        if not kept.any(dim=1).all():
            raise CourseError(
                "A text of the batch has no word with a label, so there is no sequence to learn: leave it out."
            )
        order = (~kept).long().argsort(dim=1, stable=True)[:, : int(kept.sum(1).max())]  # kept ones to the left
        chain = logits.float().gather(1, order[..., None].expand(-1, -1, logits.shape[-1]))
        return self.crf(chain, labels.gather(1, order), kept.gather(1, order).long())


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """-ln P of the true sequences in nats per place, and how many places these are: for `training.fit`."""
    count = (batch["labels"] != IGNORED).sum()
    log_probability = model(batch["input_ids"], batch["attention_mask"], batch["labels"])
    return -log_probability.sum() / count.clamp(min=1), count
