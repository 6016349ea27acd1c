"""Measures of models: cross-entropy and perplexity, bits per character, calibration, errors of alignment.

Floor 3 of the package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lmtutor.runtime import CourseError


def cross_entropy(probabilities: Sequence[float] | np.ndarray) -> float:
    """Mean of -ln p over the tokens, in nats a token; infinite as soon as one p is 0.

    Args:
        probabilities: what the model gave to each token that came: [tokens], each in [0, 1].

    Raises:
        CourseError: there is no token, or a number is no probability.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.size == 0:
        raise CourseError("The cross-entropy of no tokens is not defined: the text is empty.")
    if not ((p >= 0) & (p <= 1 + 1e-9)).all():
        raise CourseError("Probabilities lie between 0 and 1; were logarithms or counts passed instead?")
    return max(0.0, float(-np.log(p).mean())) if (p > 0).all() else math.inf  # 0.0 for certainty, never -0.0


def perplexity(probabilities: Sequence[float] | np.ndarray) -> float:
    """exp(cross-entropy): the number of equally likely tokens among which the model would be as unsure.

    Args and errors as in `cross_entropy`.
    """
    return math.exp(cross_entropy(probabilities))


def bits_per_character(probabilities: Sequence[float] | np.ndarray, num_characters: int) -> float:
    """Bits that the model needs for each character of a text: -sum log2 p / characters.

    It compares models with different tokens, as the characters of the text are the same for all.

    Args:
        probabilities: what the model gave to each token that came: [tokens].
        num_characters: length of the text in characters, line ends included.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if num_characters <= 0:
        raise CourseError("Bits per character need a text of at least one character.")
    return cross_entropy(p) * p.size / math.log(2) / num_characters


def largest_difference(ours: Sequence[float] | np.ndarray, theirs: Sequence[float] | np.ndarray) -> float:
    """The largest |a - b|, rounded up to a power of ten and not below 1e-15.

    What is below differs between processors; so rounded, a proof of equality prints the same everywhere.

    Raises:
        CourseError: the two do not have the same shape.
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (ours, theirs))
    if a.shape != b.shape:
        raise CourseError(f"The two have different shapes, {a.shape} and {b.shape}, so they cannot be compared.")
    largest = float(np.abs(a - b).max(initial=0.0))
    if not math.isfinite(largest):  # nan or inf is below no bound, so a proof fails on it
        return largest
    return 10.0 ** math.ceil(math.log10(max(largest, 1e-15)) - 1e-9)


def expected_calibration_error(
    confidences: Sequence[float] | np.ndarray, correct: Sequence[int] | np.ndarray, bins: int = 10
) -> float:
    """Mean of |share that is right - mean confidence| over bins of equal width, weighted with the bins' sizes.

    A classifier is calibrated if of all answers that it gives with 80 % confidence 80 % are right. Guo et al., 2017.

    Args:
        confidences: of each answer, in [0, 1]: [examples]. With two classes P(class 1) does as well.
        correct: whether the answer was right, 1 or 0 (with P(class 1): the label): [examples].
        bins: their number. Few bins hide errors that cancel, many make noise look like errors.

    Raises:
        CourseError: there are no examples, the lengths differ, or a confidence is no probability.
    """
    p, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if p.size == 0 or p.shape != right.shape or p.ndim != 1:
        raise CourseError(
            f"Calibration needs a confidence for each answer, but the shapes are {p.shape}, {right.shape}."
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise CourseError("Confidences lie between 0 and 1; were logits or percentages passed instead?")
    which = np.minimum((p * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(which, weights=right - p, minlength=bins)).sum() / len(p))


def alignment_error_rate(proposed: list[set], sure: list[set], possible: list[set]) -> float:
    """1 - (|A & S| + |A & P|) / (|A| + |S|), over all sentences. Och and Ney, 2003.

    Args:
        proposed: the links A that an aligner proposes: a set of pairs for each sentence.
        sure: the links S that it must find.
        possible: further links that it may propose; P are these and S.

    Returns:
        0 if every sure link is found, and nothing is proposed that is not at least possible; at most 1.

    Raises:
        CourseError: there is neither a proposed nor a sure link.
    """
    size = sum(len(a) + len(s) for a, s in zip(proposed, sure, strict=True))
    if not size:
        raise CourseError("Without a single link there is no alignment error rate: neither side has one.")
    return 1 - sum(len(a & s) + len(a & (s | p)) for a, s, p in zip(proposed, sure, possible, strict=True)) / size
