"""A vector for a sentence: pooling, contrastive learning (InfoNCE), and search among texts.

Built and explained in chapter 09, after Sentence-BERT (Reimers and Gurevych, 2019) and SimCSE (Gao et al., 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lmtutor import training
from lmtutor.data import batches
from lmtutor.data.text import checked_texts, split_sentences
from lmtutor.models import evaluating
from lmtutor.runtime import CourseError
from lmtutor.tasks import finetuning

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase


def mean_pool(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """The mean of a text's vectors, without padding: [batch, time, hidden], [batch, time] -> [batch, hidden]."""
    there = attention_mask[:, :, None].to(hidden.dtype)
    return (hidden * there).sum(dim=1) / there.sum(dim=1)


def info_nce(first: torch.Tensor, second: torch.Tensor, temperature: float = 0.05) -> torch.Tensor:
    """Which of the second vectors belongs to each first one? The mean loss in nats (van den Oord et al., 2018).

    Args:
        first, second: [pairs, hidden]; row i of the one belongs to row i of the other, and to no other row.
        temperature: the cosines are divided by it.

    Raises:
        CourseError: the two differ in shape, or the temperature is not above 0.
    """
    if first.shape != second.shape:
        raise CourseError(
            f"Each vector needs its partner, but the shapes are {list(first.shape)} and {list(second.shape)}."
        )
    if not temperature > 0:
        raise CourseError(f"The temperature must be above 0, not {temperature}.")
    cosines = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).T  # [pairs, pairs]
    return F.cross_entropy(cosines / temperature, torch.arange(len(cosines), device=cosines.device))


def vectors(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int | None = None
) -> np.ndarray:
    """A vector of length 1 for each text: the mean of the last layer's vectors, [texts, hidden].

    Args:
        model: a `Bert`; it is asked in its mode of evaluation.
        tokenizer: the one that the model was trained with.
        texts: a list, not one string. What is longer than the model reads is cut, and a warning says so.
        max_length: pieces that are read of a text; the tokenizer's own bound if not given.

    Raises:
        CourseError: `texts` is one string or empty.
    """
    texts = checked_texts(texts)
    if not texts:
        raise CourseError("vectors wants a list with at least one text, such as [text].")
    sequences = finetuning.encode(tokenizer, texts, max_length)
    device = next(model.parameters()).device
    found = torch.empty(0)
    with evaluating(model):
        for group in batches.in_order_of_length(list(map(len, sequences))):
            batch = {name: ids.to(device) for name, ids in batches.pad([sequences[i] for i in group]).items()}
            pooled = F.normalize(mean_pool(model(**batch), batch["attention_mask"]), dim=-1).cpu().float()
            if not len(found):
                found = torch.empty(len(texts), pooled.shape[1])
            found[group] = pooled
    return found.numpy()


def nearest(query: np.ndarray, among: np.ndarray, count: int = 5) -> list[tuple[int, float]]:
    """The rows of `among` with the largest cosine with the query, nearest first: (number of the row, cosine).

    Args:
        query: [hidden], of length 1, as all rows of `among`: [texts, hidden].
        count: how many; fewer if there are fewer texts.
    """
    cosines = among @ query
    order = np.argsort(-cosines, kind="stable")[:count]
    return [(int(i), float(cosines[i])) for i in order]


def halves(texts: Sequence[str], least: int = 4) -> list[tuple[str, str]]:
    """Pairs that belong together, from plain text: the first and the second half of each paragraph.

    Args:
        texts: documents whose paragraphs are separated by an empty line.
        least: sentences that a paragraph must have.
    """
    found = []
    for text in checked_texts(texts):
        for paragraph in text.split("\n\n"):
            sentences = split_sentences(paragraph)
            if len(sentences) >= least:
                middle = len(sentences) // 2
                found.append((" ".join(sentences[:middle]), " ".join(sentences[middle:])))
    return found


def ranks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """For each row of `first`: at which place, from 1, its partner in `second` is found by its cosine.

    Rows have length 1. Of equal ones the partner is counted last, so that vectors that are all alike find nothing.
    """
    cosines = first @ second.T  # [pairs, pairs]
    return (cosines >= np.diag(cosines)[:, None]).sum(axis=1)


def pad_sides(first: Sequence[Sequence[int]], second: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    """A batch of pairs: the padded ids and masks of each side, named input_ids_0, attention_mask_0, input_ids_1 ..."""
    return {f"{name}_{i}": ids for i, side in enumerate((first, second)) for name, ids in batches.pad(side).items()}


def pooled_sides(model: nn.Module, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The mean-pooled vectors of both sides of such a batch: two of [pairs, hidden]."""
    masks = [batch[f"attention_mask_{i}"] for i in (0, 1)]
    return [mean_pool(model(batch[f"input_ids_{i}"], mask), mask) for i, mask in enumerate(masks)]


def contrast(
    model: nn.Module,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    steps: int,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    temperature: float = 0.05,
    **options,
) -> pd.DataFrame:
    """Train an encoder in place so that the pooled vectors of a pair are near each other, and those of others far.

    Args:
        model: a `Bert`.
        pairs: ids of two texts that belong together, special tokens included.
        batch_size: pairs a step; the other pairs of the batch are the wrong answers.
        options: see `training.fit`.

    Returns:
        The history of `training.fit`.

    Raises:
        CourseError: a batch of fewer than two pairs, which has no wrong answer, and as in `training.fit`.
    """
    if min(batch_size, len(pairs)) < 2:
        raise CourseError("Contrast needs batches of at least two pairs: the other pairs are the wrong answers.")

    def loss(net, batch):
        pooled = pooled_sides(net, batch)
        return info_nce(*pooled, temperature), torch.tensor(len(pooled[0]), device=pooled[0].device)

    return training.fit(
        model,
        pairs,
        loss=loss,
        collate=lambda chosen: pad_sides(*zip(*chosen, strict=True)),
        steps=steps,
        batch_size=batch_size,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01),
        scheduler=training.rise_and_fall,
        **options,
    )
