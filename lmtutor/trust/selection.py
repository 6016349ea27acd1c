"""Which examples to have labelled next: active learning, beside drawing at random.

Built and explained in chapter 14.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.base import BaseEstimator, clone

from lmtutor.runtime import CourseError


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """1 - the probability of the likeliest class, for each example: [examples, classes] -> [examples]."""
    return 1 - np.asarray(probabilities).max(axis=1)


def margin(probabilities: np.ndarray) -> np.ndarray:
    """Minus the lead of the likeliest class over the second: the largest, 0, is a tie. Shapes as in `uncertainty`."""
    ordered = np.sort(np.asarray(probabilities), axis=1)
    return ordered[:, -2] - ordered[:, -1]


def most(scores: Sequence[float] | np.ndarray, pool: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """The `count` members of the pool with the largest scores, largest first; of equals the earlier one.

    Args:
        scores: one for each member: [pool].
        pool: the numbers of the examples that have no label yet.

    Raises:
        CourseError: the pool is empty, or scores and pool differ in number.
    """
    scores, pool = np.asarray(scores, dtype=float), np.asarray(pool)
    if not pool.size:
        raise CourseError("The pool of unlabelled examples is empty: there is nothing left to choose from.")
    if scores.shape != pool.shape:
        raise CourseError(f"Each of the {pool.size} examples of the pool needs a score, but {scores.size} came.")
    return pool[np.argsort(-scores, kind="stable")[:count]]


def label_in_rounds(
    features: np.ndarray,
    labels: np.ndarray,
    model: BaseEstimator,
    score: Callable[[np.ndarray], np.ndarray] | None,
    *,
    start: int,
    batch: int,
    rounds: int,
    seed: int = 0,
) -> list[np.ndarray]:
    """Active learning on data whose labels are known but looked at only when they are asked for.

    Args:
        features: [examples, features].
        labels: of all; only those of chosen examples are used.
        model: a classifier of scikit-learn with probabilities; trained afresh in each round.
        score: probabilities [pool, classes] -> [pool], such as `uncertainty`; None draws at random.
        start: examples drawn at random at first.
        batch: examples that are asked for in each round.
        rounds: their number.
        seed: of the first draw, and of all draws where there is no score.

    Returns:
        After the first draw and after each round the numbers of all labelled examples.

    Raises:
        CourseError: the pool runs empty, or the first draw has one class only.
    """
    labels = np.asarray(labels)
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = [order[:start]]
    if len(np.unique(labels[chosen[0]])) < 2:
        raise CourseError(f"The first {start} examples have one class only; draw more, or draw with another seed.")
    for _ in range(rounds):
        pool = order[~np.isin(order, chosen[-1])]
        if score is None or not len(pool):
            scores = np.zeros(len(pool))  # all alike: the next ones of the random order
        else:
            fitted = clone(model).fit(features[chosen[-1]], labels[chosen[-1]])
            scores = score(fitted.predict_proba(features[pool]))
        chosen.append(np.concatenate([chosen[-1], most(scores, pool, batch)]))
    return chosen
