"""When training data and the data in use differ: a detector, importance weights, and shares of labels.

Built and explained in chapter 14.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from lmtutor.runtime import CourseError


def domain_probabilities(
    old, new, model: BaseEstimator | None = None, *, folds: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """P(an example is one of the new ones) for each old and each new example, by a classifier that did not see it.

    Args:
        old, new: features, [old, features] and [new, features], or two lists of texts if the model reads texts.
        model: a classifier of scikit-learn; logistic regression if not given.
        folds: of the cross-validation.

    Returns:
        The probabilities of the old and of the new examples: [old], [new].

    Raises:
        CourseError: one side has fewer examples than there are folds.
    """
    both, domain = _joined(old, new, folds)
    return np.split(_out_of_fold(both, domain, model, folds, seed), [int((domain == 0).sum())])


def domain_auc(
    old, new, model: BaseEstimator | None = None, *, permutations: int = 0, folds: int = 5, seed: int = 0
) -> tuple[float, np.ndarray]:
    """How well a classifier tells new examples from old ones: its AUC, and those of shuffled marks.

    0.5 is guessing. The AUC of a domain classifier that finds nothing is only near 0.5, so the same is measured with
    old and new exchanged at random (Lopez-Paz and Oquab, 2017).

    Args:
        old, new, model, folds: as in `domain_probabilities`.
        permutations: how often the marks old and new are shuffled.

    Returns:
        The AUC, and the AUCs of the shuffled: [permutations].
    """
    both, domain = _joined(old, new, folds)
    generator, found = np.random.default_rng(seed), []
    for number in range(permutations + 1):
        marks = generator.permutation(domain) if number else domain
        found.append(roc_auc_score(marks, _out_of_fold(both, marks, model, folds, seed)))
    return float(found[0]), np.array(found[1:])


def importance_weights(probabilities: Sequence[float] | np.ndarray, old: int, new: int) -> np.ndarray:
    """p_new(x) / p_old(x) for each old example x, from the domain classifier: its odds times old / new.

    Args:
        probabilities: P(new | x) of the old examples, [examples], each in [0, 1).
        old, new: how many examples of each the domain classifier saw.

    Raises:
        CourseError: a probability is none, or is 1: then nothing old is like this example's neighbours.
    """
    p = np.asarray(probabilities, dtype=float)
    if p.size == 0 or not ((p >= 0) & (p < 1)).all() or min(old, new) < 1:
        raise CourseError(
            "Weights need at least one old and one new example, and for each old one a probability from 0 up, below 1."
        )
    return p / (1 - p) * old / new


def effective_size(weights: Sequence[float] | np.ndarray) -> float:
    """(sum of w)^2 / sum of w^2: so many examples of equal weight would give a mean as sure (Kish, 1965).

    Raises:
        CourseError: there is no weight, one is negative, or all are 0.
    """
    w = np.asarray(weights, dtype=float)
    if w.size == 0 or (w < 0).any() or not w.any():
        raise CourseError("An effective size needs weights from 0 up, and not all of them 0.")
    return float(w.sum() ** 2 / (w**2).sum())


def shares_by_confusion(confusion: np.ndarray, said: Sequence[float] | np.ndarray) -> np.ndarray:
    """The classes' true shares in new data, from what a classifier says there: solve C q = said (Lipton et al., 2018).

    It holds if the classes look as before and only their shares have changed (label shift).

    Args:
        confusion: C, with P(the classifier says i | the truth is j) in row i and column j, measured on old data:
            [classes, classes]. Each column has the sum 1.
        said: the share of each class among the classifier's answers on the new data: [classes].

    Raises:
        CourseError: the shapes do not fit, a class is missing, or the classifier cannot tell the classes apart at all.
    """
    c, s = np.asarray(confusion, dtype=float), np.asarray(said, dtype=float)
    if c.shape != (len(s), len(s)) or not np.allclose(c.sum(axis=0), 1):
        raise CourseError(
            f"The confusion matrix needs a column with the sum 1 for each of the {len(s)} classes: of each class's "
            f"examples the share that is called this or that."
        )
    if np.linalg.cond(c) > 1e8:
        raise CourseError(
            "The classifier says the same whatever the class is, so its answers tell nothing about the shares."
        )
    shares = np.clip(np.linalg.solve(c, s), 0, None)  # chance may push a share below 0
    return shares / shares.sum()


def shares_by_em(
    probabilities: np.ndarray, old: Sequence[float] | np.ndarray, *, steps: int = 1000, tolerance: float = 1e-10
) -> np.ndarray:
    """The same shares by maximum likelihood, from calibrated probabilities (Saerens et al., 2002).

    Each step reweighs the probabilities with new shares / old shares, and takes their mean as the new shares.

    Args:
        probabilities: P(class | x) of the new examples by a model that was trained with the old shares:
            [examples, classes].
        old: those shares: [classes].
    """
    p, old = np.asarray(probabilities, dtype=float), np.asarray(old, dtype=float)
    if p.ndim != 2 or p.shape[1] != len(old) or not (old > 0).all() or not len(p):
        raise CourseError("Shares need probabilities [examples, classes], and an old share above 0 for each class.")
    shares = old
    for _ in range(steps):
        before, shares = shares, prior_corrected(p, old, shares).mean(axis=0)
        if np.abs(shares - before).max() < tolerance:
            break
    return shares


def prior_corrected(probabilities: np.ndarray, old: Sequence[float], new: Sequence[float]) -> np.ndarray:
    """P(class | x) with new shares of the classes in place of the old ones: times new / old, then made to sum to 1."""
    p = np.asarray(probabilities, dtype=float) * (np.asarray(new, dtype=float) / np.asarray(old, dtype=float))
    return p / p.sum(axis=1, keepdims=True)


def _joined(old, new, folds: int):
    """Both sides one below the other, whatever they are, and 0 or 1 for each: old or new."""
    sizes = [np.shape(side)[0] for side in (old, new)]
    if min(sizes) < folds:
        raise CourseError(
            f"A domain classifier with {folds} folds needs {folds} old and {folds} new examples at least, not "
            f"{sizes[0]} and {sizes[1]}."
        )
    if isinstance(old, Sequence):
        both = [*old, *new]
    elif hasattr(old, "tocsr"):
        both = sparse.vstack([old, new]).tocsr()
    else:
        both = np.concatenate([np.asarray(old), np.asarray(new)])
    return both, np.repeat([0, 1], sizes)


def _out_of_fold(both, domain, model, folds, seed) -> np.ndarray:
    model = LogisticRegression(max_iter=1000) if model is None else clone(model)
    order = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return cross_val_predict(model, both, domain, cv=order, method="predict_proba")[:, 1]
