"""Fine-tuning a BERT into a classifier of texts, and asking it: pieces, frozen layers, training, prediction.

Built and explained in chapter 10.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from lmtutor import training
from lmtutor.data import batches
from lmtutor.data.text import checked_texts
from lmtutor.models import classifier
from lmtutor.models.bert import BertClassifier
from lmtutor.runtime import CourseError

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
    """Ids of texts with their special tokens; what is longer than `max_length` is cut, and a warning says how many.

    Args:
        tokenizer: a tokenizer of `transformers`.
        texts: an empty one gives its special tokens alone.
        max_length: pieces, special tokens included; the tokenizer's own bound if not given.
    """
    max_length = max_length or tokenizer.model_max_length
    texts = checked_texts(texts)
    # A [SEP] or [MASK] that somebody types is text.
    sequences = tokenizer(texts, add_special_tokens=True, verbose=False, split_special_tokens=True)["input_ids"]
    long = [i for i, ids in enumerate(sequences) if len(ids) > max_length]
    if long:
        warnings.warn(
            f"{len(long):,} of {len(sequences):,} texts have more than {max_length} pieces and are cut; "
            f"`finetuning.predict` reads long texts whole, in windows.",
            stacklevel=2,
        )
        again = [texts[i] for i in long]
        cut = tokenizer(again, truncation=True, max_length=max_length, split_special_tokens=True)["input_ids"]
        for i, ids in zip(long, cut, strict=True):
            sequences[i] = ids
    return sequences


def windows_of(tokenizer: PreTrainedTokenizerBase, text: str, max_length: int | None = None) -> list[list[int]]:
    """Ids of overlapping stretches of a text, each with special tokens; neighbours share a quarter of `max_length`.

    Raises:
        CourseError: max_length leaves no room beside the special tokens and the overlap.
    """
    max_length = max_length or tokenizer.model_max_length
    stride = max_length // 4
    if max_length - stride <= tokenizer.num_special_tokens_to_add():
        raise CourseError(f"Windows of {max_length} pieces are too short; take at least 8.")
    read = tokenizer(
        text,
        truncation=True,
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        split_special_tokens=True,
    )
    return read["input_ids"]


def freeze(model: BertClassifier, top_layers: int | None = None) -> int:
    """Let only the head (pooler and classifier) and the top layers learn; all, if `top_layers` is None.

    Returns:
        How many parameters learn.

    Raises:
        CourseError: there are not that many layers.
    """
    layers = model.bert.encoder.layers
    if top_layers is not None and not 0 <= top_layers <= len(layers):
        raise CourseError(
            f"The model has {len(layers)} layers, so from 0 to {len(layers)} can learn: not {top_layers}."
        )
    model.requires_grad_(top_layers is None)
    if top_layers is not None:
        learning = [model.classifier, model.bert.pooler, *layers[len(layers) - top_layers :]]
        for part in learning:
            part.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def finetune(
    model: torch.nn.Module,
    sequences: Sequence[Sequence[int]],
    labels: Sequence[int],
    *,
    validation: tuple[Sequence[Sequence[int]], Sequence[int]] | None = None,
    batch_size: int = 32,
    **options,
) -> pd.DataFrame:
    """Train a classifier in place: batches of similar length, AdamW, a rate that rises and falls in straight lines.

    Args:
        model: takes `input_ids` and `attention_mask`, gives logits [batch, labels]; frozen parameters stay.
        sequences, labels: ids of each text, and its class.
        validation: sequences and labels whose loss is measured for each row of the history.
        batch_size: texts a step; one step of each epoch may have fewer.
        options: `learning_rate`, `epochs` or `steps`, `warm_up`, `seed`, and more: see `training.fit_by_length`.

    Returns:
        The history of `training.fit`; its `epoch` counts the passes over these texts.

    Raises:
        CourseError: labels do not fit the texts or the model, nothing can learn, and as in `training.fit_by_length`.
    """
    labels = classifier.checked_labels(sequences, labels)
    names = getattr(model, "labels", ())
    for number, label in enumerate(labels):
        if names and label >= len(names):
            known = ", ".join(f"{i} ({name})" for i, name in enumerate(names))
            raise CourseError(
                f"Label {number} is {label}, but the model knows {known}; make it with the names of all classes."
            )
    lengths = [len(sequence) for sequence in sequences]
    if validation is not None:  # its numbers go on behind those for training
        batches.check_lengths(list(map(len, validation[0])), "Validation text")
        held_out = classifier.epochs_by_length(*validation, batch_size=batch_size, epochs=1)
        options["validation"] = [[len(lengths) + i for i in group] for group in held_out]
        sequences, labels = [*sequences, *validation[0]], [*labels, *validation[1]]
    collate = classifier.collator(sequences, labels)
    return training.fit_by_length(model, lengths, collate, classifier.loss, batch_size=batch_size, **options)


def predict(
    model: BertClassifier, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int | None = None
) -> np.ndarray:
    """P(class | text): [texts, labels]. A long text is read in windows, whose logits are averaged.

    Args:
        model: its `labels` name the columns.
        tokenizer: the one that the model was trained with.
        texts: a list, not one string.
        max_length: pieces that the model reads at once; the tokenizer's own bound if not given.

    Raises:
        CourseError: `texts` is one string or empty.
    """
    texts = checked_texts(texts)
    if not texts:
        raise CourseError("predict wants a list with at least one text, such as [text].")
    read = [windows_of(tokenizer, text, max_length) for text in texts]
    logits = classifier.logits(model, [ids for one in read for ids in one])  # [windows, labels]
    ends = np.cumsum([len(one) for one in read])
    means = [logits[end - len(one) : end].mean(axis=0) for one, end in zip(read, ends, strict=True)]
    return torch.tensor(np.array(means)).softmax(dim=-1).numpy()
