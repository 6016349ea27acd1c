"""Which training example made this prediction? Influence functions and TracIn, for logistic regression.

Built and explained in chapter 14, after Koh and Liang, "Understanding Black-box Predictions via Influence Functions",
2017, and Pruthi et al., "Estimating Training Data Influence by Tracing Gradient Descent", 2020. The model is
P(1 | x) = sigmoid(weights · x); it minimises the sum of the losses plus strength / 2 times the squared weights. For an
intercept give x a column of ones (`with_ones`), which is then penalised as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lmtutor.runtime import CourseError


def with_ones(features: np.ndarray) -> np.ndarray:
    """The features with a column of ones behind them: [examples, features + 1]."""
    return np.concatenate([features, np.ones((len(features), 1))], axis=1).astype(np.float64)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))


def losses(x: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """-ln P(label) of each example, in nats: [examples]."""
    return np.logaddexp(0, -(2 * np.asarray(labels) - 1) * (x @ weights))


def gradients(x: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The gradient of each example's loss: (p - label) x: [examples, features]."""
    return (sigmoid(x @ weights) - np.asarray(labels))[:, None] * x


def hessian(x: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """Second derivatives of the whole objective: the sum of p (1 - p) x x^T, plus strength: [features, features]."""
    p = sigmoid(x @ weights)
    return (x * (p * (1 - p))[:, None]).T @ x + strength * np.eye(x.shape[1])


def fit(
    x: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    strength: float,
    start: np.ndarray | None = None,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """The weights of least objective, by Newton's method: [features].

    Args:
        x: [examples, features], with its column of ones if there is to be an intercept.
        labels: 0 or 1: [examples].
        strength: of the penalty, above 0.
        start: weights to begin with; near ones save steps.
        counts: how often each example counts (0 leaves it out): [examples]; once if not given.

    Raises:
        CourseError: shapes do not fit, labels are not 0 and 1, of one class only, or the strength is not above 0.
    """
    labels = _checked(x, labels, strength)
    counts = np.ones(len(x)) if counts is None else np.asarray(counts, float)
    if len(np.unique(labels[counts > 0])) < 2:
        raise CourseError("The training examples are all of one class; at least two are needed.")
    weights = np.zeros(x.shape[1]) if start is None else np.array(start, float)

    def objective(at):
        return counts @ losses(x, labels, at) + strength / 2 * at @ at

    for _ in range(100):
        p = sigmoid(x @ weights)
        slope = (counts * (p - labels)) @ x + strength * weights
        if np.abs(slope).max() < 1e-10 * max(1.0, len(x)):
            break
        curved = (x * (counts * p * (1 - p))[:, None]).T @ x + strength * np.eye(x.shape[1])
        step, before = np.linalg.solve(curved, slope), objective(weights)
        while objective(weights - step) > before + 1e-9 * abs(before) and np.abs(step).max() > 1e-12:
            step /= 2
        weights = weights - step
    return weights


def predicted(
    x: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    x_test: np.ndarray,
    labels_test: Sequence[int] | np.ndarray,
    weights: np.ndarray,
    strength: float,
    leverage: bool = False,
) -> np.ndarray:
    """By how much each test loss would rise if a training example were left out, to first order: [test, train].

    Args:
        weights: the optimum for x, labels, strength: see `fit`.
        leverage: take one whole step of Newton's method on what is left, instead of the linear term alone.

    Raises:
        CourseError: as in `fit`.
    """
    labels, labels_test = _checked(x, labels, strength), _checked(x_test, labels_test, strength)
    moved = np.linalg.solve(hessian(x, weights, strength), gradients(x, labels, weights).T)  # [features, train]
    if leverage:
        p = sigmoid(x @ weights)
        pull = np.linalg.solve(hessian(x, weights, strength), x.T)
        moved = moved / (1 - p * (1 - p) * (x * pull.T).sum(axis=1))
    return gradients(x_test, labels_test, weights) @ moved


def left_out(
    x: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    x_test: np.ndarray,
    labels_test: Sequence[int] | np.ndarray,
    strength: float,
    which: Sequence[int | Sequence[int]] | None = None,
) -> np.ndarray:
    """By how much each test loss does rise when it is left out and the model trained again: [test, left out].

    Args:
        which: numbers of training examples, or groups of numbers that are left out together; each one if not given.
    """
    labels = _checked(x, labels, strength)
    weights = fit(x, labels, strength)
    before = losses(x_test, labels_test, weights)
    which = range(len(x)) if which is None else which
    found = np.empty((len(x_test), len(which)))
    for column, one in enumerate(which):
        counts = np.ones(len(x))
        counts[one] = 0
        found[:, column] = losses(x_test, labels_test, fit(x, labels, strength, weights, counts)) - before
    return found


def tracin(
    steps: Sequence[tuple[np.ndarray, float]],
    x: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    x_test: np.ndarray,
    labels_test: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """How much each training example has lowered each test loss, to first order: [test, train].

    Args:
        steps: (weights, learning rate) of each checkpoint; the rate is that of a step on the sum of the losses.
    """
    if not len(steps):
        raise CourseError("TracIn needs at least one checkpoint.")
    return sum(
        rate * gradients(x_test, labels_test, weights) @ gradients(x, labels, weights).T for weights, rate in steps
    )


def _checked(x: np.ndarray, labels: Sequence[int] | np.ndarray, strength: float) -> np.ndarray:
    labels = np.asarray(labels)
    if len(x) != len(labels):
        raise CourseError(f"There are {len(x)} examples, but {len(labels)} labels.")
    if not set(np.unique(labels).tolist()) <= {0, 1}:
        raise CourseError("The labels must be 0 or 1.")
    if not strength > 0:
        raise CourseError(f"The strength of the penalty must be above 0, not {strength}: else nothing may be inverted.")
    return labels
