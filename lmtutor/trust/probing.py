"""Linear probes: what can be read from a model's vectors, a control for the reading, and taking it out. Chapter 16."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from sklearn.linear_model import RidgeClassifierCV

from lmtutor.runtime import CourseError, several


def probe(features: np.ndarray, labels: Sequence[int]) -> RidgeClassifierCV:
    """A linear classifier of vectors [n, hidden] with two labels: least squares, the penalty by leaving one out.

    Raises:
        CourseError: another number of labels than of vectors, or not two kinds of labels.
    """
    features = np.asarray(features, dtype=float)
    if len(features) != len(labels) or len(set(np.asarray(labels).tolist())) != 2:
        raise CourseError(
            f"A probe needs a label for each vector, and two kinds of labels: here are {len(features)} vectors, "
            f"{len(labels)} labels and {len(set(np.asarray(labels).tolist()))} kinds."
        )
    alphas = np.median(features.var(0)) * np.array([0.1, 1.0, 10.0, 100.0, 1000.0]) + 1e-12
    return RidgeClassifierCV(alphas).fit(features, labels)


def control_labels(types: Sequence[Hashable], seed: int = 0) -> np.ndarray:
    """A label drawn for each type and the same wherever the type occurs: [n] of 0 and 1 (Hewitt and Liang, 2019).

    Half of the types get 1. A probe can learn these labels by heart only, so its accuracy says how much of its success
    at a real task may be that.
    """
    kinds = sorted(set(several(types, "types")), key=str)
    drawn = dict(zip(kinds, np.random.default_rng(seed).permutation(len(kinds)) % 2, strict=True))
    return np.array([drawn[one] for one in types])


def direction(fitted: RidgeClassifierCV) -> np.ndarray:
    """The unit vector along which a probe's score rises fastest: [hidden]."""
    return fitted.coef_.ravel() / np.linalg.norm(fitted.coef_)


def directions(features: np.ndarray, labels: Sequence[int], count: int = 1) -> np.ndarray:
    """Directions of probes, each trained on what is left without the ones before: [count, hidden], orthonormal.

    This is iterative nullspace projection (Ravfogel et al., 2020).
    """
    found = np.zeros((0, np.shape(features)[1]))
    for _ in range(count):
        new = direction(probe(without(features, found, np.mean(features, axis=0)), labels))
        new -= found.T @ (found @ new)  # what rounding left of the others
        found = np.vstack([found, new / np.linalg.norm(new)])
    return found


def without(x: np.ndarray, directions: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Vectors that no longer differ from the centre along these directions: [n, hidden] -> the same shape.

    Args:
        x: [n, hidden].
        directions: orthonormal, [count, hidden].
        centre: [hidden], such as the mean of the vectors.
    """
    return x - (x - centre) @ directions.T @ directions
