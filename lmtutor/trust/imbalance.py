"""A class with few examples: new ones between neighbours (SMOTE), and the threshold that is best on validation data.

Built and explained in chapter 14; chapter 04 has weights, resampling and thresholds where the truth is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from lmtutor.runtime import CourseError


def smote(features: np.ndarray, labels: np.ndarray, k: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The data with new examples of the rarer class, until both are equally frequent (Chawla et al., 2002).

    A new example lies at a random place between one of the rare class and one of its k nearest neighbours in it. The
    random numbers are those of imbalanced-learn, and so are the examples.

    Args:
        features: [examples, features].
        labels: 0 or 1 for each.
        k: neighbours among which is drawn.
        seed: of the draws.

    Returns:
        Features and labels, the new ones at the end.

    Raises:
        CourseError: there is one class only, or too few rare examples for k neighbours.
    """
    labels = np.asarray(labels)
    check_two_classes(labels)
    rare = int((labels == 1).mean() < 0.5)
    few, missing = features[labels == rare], int((labels != rare).sum() - (labels == rare).sum())
    if len(few) <= k:
        raise CourseError(f"{k} neighbours need {k + 1} examples of the rare class at least; here are {len(few)}.")
    near = NearestNeighbors(n_neighbors=k + 1).fit(few).kneighbors(few, return_distance=False)[:, 1:]  # [rare, k]
    generator = np.random.RandomState(seed)
    picks = generator.randint(0, near.size, size=missing)  # an example, and one of its neighbours, in one number
    steps = generator.uniform(size=missing)[:, None]
    start, end = few[picks // k], few[near[picks // k, picks % k]]
    made = (start + steps * (end - start)).astype(features.dtype)
    return np.concatenate([features, made]), np.concatenate([labels, np.full(missing, rare, labels.dtype)])


def best_threshold(probabilities: Sequence[float] | np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
    """The probability t for which "1 if p >= t" has the largest F1 on these (validation) examples.

    Raises:
        CourseError: there is one class only, so that F1 would choose nothing.
    """
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels)
    check_two_classes(y)
    order = np.argsort(-p, kind="stable")
    hits, said = np.cumsum(y[order] == 1), np.arange(1, len(y) + 1)
    f1 = 2 * hits / (said + (y == 1).sum())  # 2 hits / (called positive + positive)
    last = np.append(np.diff(p[order]) != 0, True)  # of equal probabilities all are called positive, or none
    return float(p[order][np.where(last, f1, -1).argmax()])


def check_two_classes(labels: Sequence[int] | np.ndarray) -> None:
    """Raise a CourseError unless both 0 and 1 occur, and nothing else."""
    found = np.unique(labels)
    if not np.isin(found, (0, 1)).all():
        raise CourseError(f"Labels are 0 or 1 here, not {found.tolist()[:5]}.")
    if len(found) < 2:
        raise CourseError(f"All {np.size(labels)} examples have one class only, so there is nothing to tell apart.")
