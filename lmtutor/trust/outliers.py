"""Does a text come from where the training texts came from? Three scores, and what they are worth.

The larger a score, the more a text looks like the training texts. Built and explained in chapter 15.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp, softmax
from scipy.stats import rankdata

from lmtutor.runtime import CourseError


def max_probability(logits: np.ndarray) -> np.ndarray:
    """The largest softmax probability: [texts, labels] -> [texts] (Hendrycks and Gimpel, 2017)."""
    return softmax(np.asarray(logits, float), axis=1).max(axis=1)


def negative_energy(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """T log sum exp(logits / T): [texts, labels] -> [texts] (Liu et al., 2020).

    Raises:
        CourseError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise CourseError(f"The temperature must be above 0, not {temperature}.")
    return temperature * logsumexp(np.asarray(logits, float) / temperature, axis=1)


class Mahalanobis:
    """Distance to the nearest class, measured with the spread of the training vectors (Lee et al., 2018).

    Args:
        vectors: of the training texts, [texts, hidden].
        labels: their classes.
        ridge: is added to the covariance's diagonal, as a share of its mean.

    Raises:
        CourseError: there is one class only, or texts and labels differ in number.
    """

    def __init__(self, vectors: np.ndarray, labels: Sequence[int], ridge: float = 1e-3):
        vectors, labels = np.asarray(vectors, float), np.asarray(labels)
        if len(vectors) != len(labels):
            raise CourseError(f"There are {len(vectors):,} vectors but {len(labels):,} labels; each needs one.")
        classes = np.unique(labels)
        if len(classes) < 2:
            raise CourseError("Distances to classes need training texts of at least two, and all have one label.")
        self.means = np.stack([vectors[labels == one].mean(axis=0) for one in classes])  # [classes, hidden]
        centred = vectors - self.means[np.searchsorted(classes, labels)]
        covariance = centred.T @ centred / len(vectors)
        self.covariance = covariance + ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        self._factor = cho_factor(self.covariance)

    def squared(self, vectors: np.ndarray) -> np.ndarray:
        """Squared distances to each class: [texts, hidden] -> [texts, classes]."""
        apart = np.asarray(vectors, float)[:, None] - self.means  # [texts, classes, hidden]
        solved = cho_solve(self._factor, apart.reshape(-1, apart.shape[-1]).T).T.reshape(apart.shape)
        return (apart * solved).sum(axis=-1)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Minus the squared distance to the nearest class: [texts]."""
        return -self.squared(vectors).min(axis=1)


def auroc(inside: Sequence[float], outside: Sequence[float]) -> float:
    """How often a text from inside has a larger score than one from outside; ties count half (Mann and Whitney, 1947).

    Raises:
        CourseError: one of the two is empty.
    """
    if not len(inside) or not len(outside):
        raise CourseError("The area under the curve compares texts from inside with texts from outside: it needs both.")
    ranks = rankdata([*inside, *outside])[: len(inside)]
    n = len(inside)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * len(outside)))


def let_in(inside: Sequence[float], outside: Sequence[float], keep: float = 0.95) -> float:
    """The share of the outside that passes a threshold which lets at least this share of the inside pass.

    Raises:
        CourseError: one of the two is empty, or `keep` is not in (0, 1].
    """
    if not len(inside) or not len(outside) or not 0 < keep <= 1:
        raise CourseError(f"A threshold needs scores of both sides and a share in (0, 1] to keep, not {keep}.")
    ordered = np.sort(inside)[::-1]
    threshold = ordered[int(np.ceil(keep * len(ordered) - 1e-9)) - 1]
    return float((np.asarray(outside) >= threshold).mean())
