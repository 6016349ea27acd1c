"""Several people label the same examples: what each of them is worth, and what the truth probably is.

Built and explained in chapter 14, after Dawid and Skene (1979).
"""

from __future__ import annotations

import numpy as np

from lmtutor.runtime import CourseError


def dawid_skene(votes: np.ndarray, classes: int = 2, steps: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """The probable truth, and each annotator's confusion matrix, without any known label: `truth_and_habits`, checked.

    Args:
        votes: each annotator's label of each example, a whole number from 0 up: [examples, annotators].
        classes: their number.
        steps: of the algorithm, which begins with the shares of the votes.

    Returns:
        P(truth) of each example, [examples, classes], and P(annotator says v | truth t), [annotators, t, v].

    Raises:
        CourseError: votes are no whole numbers below `classes`, or there is one annotator only.
    """
    votes = np.asarray(votes)
    if votes.ndim != 2 or votes.shape[1] < 2 or not np.isin(votes, range(classes)).all():
        raise CourseError(
            f"Votes are whole numbers from 0 to {classes - 1}, a row an example and a column for each of at least two "
            f"annotators; the shape is {votes.shape}."
        )
    return truth_and_habits(votes, classes, steps)


def truth_and_habits(votes, classes=2, steps=50):
    """P(truth), [examples, classes], and P(annotator says v | truth t), [annotators, t, v]: Dawid and Skene's EM."""
    said = np.eye(classes)[votes]  # [examples, annotators, classes], a one where the vote is
    truth = said.mean(axis=1)  # [examples, classes]
    for _ in range(steps):
        shares = truth.mean(axis=0)
        confusion = np.einsum("et,eav->atv", truth, said) + 0.01  # counts, and a little, so that no log is of 0
        confusion /= confusion.sum(axis=2, keepdims=True)
        log = np.log(shares + 1e-12) + np.einsum("eav,atv->et", said, np.log(confusion))
        truth = np.exp(log - log.max(axis=1, keepdims=True))
        truth /= truth.sum(axis=1, keepdims=True)
    return truth, confusion
