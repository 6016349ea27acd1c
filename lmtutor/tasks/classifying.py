"""Training a text classifier: batches of similar length, AdamW, a learning rate that rises and falls.

Built and explained in chapter 04.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from lmtutor import training
from lmtutor.models import classifier


def train(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    labels: Sequence[int],
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int = 50,
    warm_up: float = 0.3,
    validation: tuple[Sequence[Sequence[int]], Sequence[int]] = ((), ()),
    loss: Callable = classifier.loss,
    seed: int = 0,
    progress: bool = False,
) -> pd.DataFrame:
    """Train a classifier in place and return the history: a row an epoch, with `train_loss` and its number, `epoch`.

    Args:
        model: takes `input_ids` and `attention_mask`, both [batch, time], and gives logits [batch, num_labels].
        sequences: the texts' ids.
        labels: whole numbers from 0 up, one for each text.
        epochs: passes through the texts, each in batches of similar length that are drawn anew.
        learning_rate: the top of the one-cycle schedule.
        batch_size: texts in a batch.
        warm_up: share of the steps in which the learning rate rises.
        validation: texts and labels whose loss is measured after each epoch as `validation_loss`, and nothing else.
        loss: (model, batch) -> mean loss and number of texts, see `training.fit`; cross-entropy if not given.
        seed: of the order of the batches and of dropout; the weights are what they are.
        progress: whether to show a bar.

    Raises:
        CourseError: labels cannot be trained on, or a text has no tokens.
    """
    held_out = list(range(len(sequences), len(sequences) + len(validation[0])))  # they stand behind the others
    order = classifier.epochs_by_length(sequences, labels, batch_size=batch_size, epochs=epochs, seed=seed)
    history = training.fit(
        model,
        order,  # the ready-made batches of all epochs
        loss=loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=classifier.collator([*sequences, *validation[0]], np.concatenate([labels, validation[1]]).astype(int)),
        validation=[held_out] if held_out else None,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=learning_rate),
        scheduler=lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(
            optimizer, learning_rate, total_steps=steps + 1, pct_start=warm_up
        ),
        log_every=max(1, len(order) // epochs),
        progress=progress,
        seed=seed,
    )
    return history.assign(epoch=history["step"] / max(1, len(order) // epochs))
