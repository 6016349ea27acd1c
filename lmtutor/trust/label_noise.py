"""Wrong labels: planted in known places, and found again by confident learning. Built and explained in chapter 14.

After Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lmtutor.runtime import CourseError

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


def plant(
    labels: Sequence[int] | np.ndarray, share: float, seed: int = 0, where: Sequence[bool] | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share is wrong, and where: each of these becomes another class, drawn evenly.

    Args:
        labels: right labels, whole numbers: [examples].
        share: of all labels, between 0 and 1; the number of wrong ones is rounded.
        where: if given, only these examples may get a wrong label: [examples], booleans.

    Returns:
        (labels, wrong): [examples] each; `wrong` holds booleans.

    Raises:
        CourseError: there is one class only, the share is none, or more labels are to be wrong than may be.
    """
    labels = np.asarray(labels)
    classes = _classes(labels)
    if not 0 <= share <= 1:
        raise CourseError(f"The share of wrong labels is between 0 and 1, not {share}.")
    allowed = np.ones(len(labels), bool) if where is None else np.asarray(where, bool)
    if allowed.shape != labels.shape:
        raise CourseError(f"`where` has {len(allowed)} entries for {len(labels)} labels.")
    count, draw = round(share * len(labels)), np.random.default_rng(seed)
    if count > allowed.sum():
        raise CourseError(f"{count} labels are to be wrong, but only {allowed.sum()} may be.")
    chosen = draw.choice(np.flatnonzero(allowed), count, replace=False)
    places = np.searchsorted(classes, labels[chosen])
    noisy, wrong = labels.copy(), np.zeros(len(labels), bool)
    noisy[chosen] = classes[(places + draw.integers(1, len(classes), count)) % len(classes)]
    wrong[chosen] = True
    return noisy, wrong


def out_of_fold(
    model: ClassifierMixin,
    features: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    folds: int = 5,
    seed: int = 0,
    groups: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """P(class) of each example by a model that was not trained on it: [examples, classes].

    Args:
        model: a classifier of scikit-learn; it is copied, not trained itself.
        features: [examples, ...], whatever the model reads.
        labels: [examples].
        groups: a number for each example; those of one group stay together, so that copies do not vouch for each other.

    Raises:
        CourseError: one class only, another number of labels than examples, or a class with fewer examples than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

    labels = np.asarray(labels)
    classes = _classes(labels)
    count = features.shape[0] if hasattr(features, "shape") else len(features)  # a sparse matrix has no length
    if len(labels) != count:
        raise CourseError(f"There are {count} examples, but {len(labels)} labels.")
    least = min((labels == one).sum() for one in classes)
    if least < folds:
        raise CourseError(f"A class has {least} examples: too few for {folds} folds.")
    split = StratifiedKFold if groups is None else StratifiedGroupKFold
    parts = split(folds, shuffle=True, random_state=seed)
    return cross_val_predict(model, features, labels, cv=parts, groups=groups, method="predict_proba")


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """How many examples labelled i (row) are confidently of class j (column): [classes, classes]."""
    given, guess = _confident(labels, probabilities)
    counts = np.zeros((probabilities.shape[1],) * 2, int)
    np.add.at(counts, (given[guess >= 0], guess[guess >= 0]), 1)
    return counts


def suspects(labels: Sequence[int] | np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Which labels are probably wrong: confidently of another class, and likelier so than not: [examples], booleans.

    Args:
        labels: 0, 1, ...: [examples].
        probabilities: out of fold: [examples, classes].

    Raises:
        CourseError: the two do not fit, or a class has no example.
    """
    given, guess = _confident(labels, probabilities)
    return (guess >= 0) & (guess != given) & (probabilities.argmax(axis=1) != given)


def wrong_share(labels: Sequence[int] | np.ndarray, probabilities: np.ndarray) -> float:
    """The share of wrong labels as confident learning estimates it: what lies off the diagonal of the joint.

    Each row of the confident joint is scaled to the number of examples that carry that label.
    """
    counts = confident_joint(np.asarray(labels), probabilities).astype(float)
    np.fill_diagonal(counts, counts.diagonal().clip(min=1))
    joint = counts / counts.sum(axis=1, keepdims=True) * np.bincount(labels, minlength=len(counts))[:, None]
    return float(1 - joint.trace() / joint.sum())


def _confident(labels: Sequence[int] | np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and the class that each example confidently belongs to, -1 where there is none.

    Confident of a class is whoever reaches the mean probability that the examples with that label give to it. Of
    several classes the likeliest of all counts, as in cleanlab.
    """
    labels = np.asarray(labels)
    if probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise CourseError(f"There are {len(labels)} labels, but probabilities of shape {list(probabilities.shape)}.")
    classes = range(probabilities.shape[1])
    if not np.array_equal(np.unique(labels), classes):
        raise CourseError(f"Each of the {len(classes)} classes needs an example that is labelled so.")
    if len(classes) < 2:
        raise CourseError("With one class only, no label can be wrong.")
    least = np.array([probabilities[labels == one, one].mean() for one in classes])
    reached = probabilities >= least - 1e-6  # the mean is rounded
    guess = np.where(reached.sum(axis=1) > 1, probabilities.argmax(axis=1), reached.argmax(axis=1))
    return labels, np.where(reached.any(axis=1), guess, -1)


def _classes(labels: np.ndarray) -> np.ndarray:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise CourseError("All labels are of one class; at least two are needed.")
    return classes
