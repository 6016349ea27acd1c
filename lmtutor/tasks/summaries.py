"""Summaries made of a text's own sentences.

Built and explained in chapter 11.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lmtutor.data import text
from lmtutor.runtime import CourseError, several
from lmtutor.training.arguments import whole_number


def similarity(sentences: Sequence[str]) -> np.ndarray:
    """Words that two sentences share over ln of their lengths (Mihalcea and Tarau, 2004): [sentences, sentences].

    The diagonal is 0: no sentence speaks for itself.
    """
    words = [set(text.words(sentence.lower())) for sentence in several(sentences, "sentences")]
    weights = np.zeros((len(words), len(words)))
    for i, first in enumerate(words):
        for j, second in enumerate(words[:i]):
            size = math.log(max(len(first), 1)) + math.log(max(len(second), 1))
            weights[i, j] = weights[j, i] = len(first & second) / size if size > 0 else 0.0
    return weights


def page_rank(weights: np.ndarray, damping: float = 0.85, tolerance: float = 1e-10) -> np.ndarray:
    """How often a reader is at each node who follows a link with probability `damping` and else jumps anywhere.

    Args:
        weights: [nodes, nodes], of the link from each row's node to each column's, none below 0. From a node without
            links the reader jumps anywhere.
        damping: from 0 to below 1 (Brin and Page, 1998); at 1 the repetition need not settle.
        tolerance: ends the repetition once the sum of changes is smaller, or no smaller than the one before: then only
            rounding errors are left.

    Returns:
        Probabilities: [nodes].

    Raises:
        CourseError: the matrix is not square, is empty, or has weights that are negative or not finite; or the damping
            is out of range.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or not weights.size or not (weights >= 0).all():
        raise CourseError(f"PageRank needs a square matrix of weights from 0 up, not one of shape {weights.shape}.")
    nodes, sums = len(weights), weights.sum(axis=1, keepdims=True)
    if not 0 <= damping < 1 or not np.isfinite(sums).all():
        raise CourseError(f"PageRank needs finite weights and a damping from 0 to below 1, not {damping!r}.")
    follow = np.divide(weights, sums, out=np.full_like(weights, 1 / nodes), where=sums > 0)  # rows sum to 1
    rank, change = np.full(nodes, 1 / nodes), np.inf
    while True:
        new = damping * rank @ follow + (1 - damping) / nodes
        before, change = change, np.abs(new - rank).sum()
        if change < tolerance or change >= before:  # each is at most `damping` of the one before, but for rounding
            return new
        rank = new


def text_rank(sentences: Sequence[str], damping: float = 0.85) -> np.ndarray:
    """How central each sentence is: PageRank over the sentences' similarities: [sentences]."""
    return page_rank(similarity(sentences), damping)


def extract(sentences: Sequence[str], scores: Sequence[float], count: int) -> str:
    """The `count` sentences with the highest scores, in the order of the text; of equals, the earlier.

    Raises:
        CourseError: the count is not a whole number of at least 1, or there is not one score for each sentence.
    """
    count = whole_number("count", count, at_least=1)
    if len(scores) != len(several(sentences, "sentences")):
        raise CourseError(f"Needed is one score for each sentence, not {len(scores)} for {len(sentences)} sentences.")
    best = sorted(range(len(sentences)), key=lambda i: (-scores[i], i))[:count]
    return " ".join(sentences[i] for i in sorted(best))
