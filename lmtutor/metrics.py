"""Measures of models: cross-entropy and perplexity, bits per character, calibration, errors of alignment; of
answers and summaries.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
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
    try:
        return math.exp(cross_entropy(probabilities))
    except OverflowError:  # more than the largest float, 1.8e308
        return math.inf


def bits_per_character(probabilities: Sequence[float] | np.ndarray, num_characters: int) -> float:
    """Bits that the model needs for each character of a text: -sum log2 p / characters.

    It compares models with different tokens, as the characters of the text are the same for all.

    Args:
        probabilities: what the model gave to each token that came: [tokens].
        num_characters: length of the text in characters, line ends included.

    Raises:
        CourseError: the text has no characters, and as in `cross_entropy`.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if num_characters <= 0:
        raise CourseError("Bits per character need a text of at least one character.")
    return cross_entropy(p) * p.size / math.log(2) / num_characters


def guessing_bounds(ranks: Sequence[int] | np.ndarray) -> tuple[float, float]:
    """Shannon's bounds for the entropy of a text, in bits for each letter, from how many guesses each letter took.

    With q_i, the share of letters that were found at guess i: the sum of i (q_i - q_{i+1}) log2 i is the lower bound,
    and the entropy of q is the upper one. The upper bound holds for any guesser, the lower for one who guesses in the
    order of the true probabilities (C. Shannon, Prediction and entropy of printed English, 1951). Both speak of
    shares: few letters make them unsure, and too low.

    Args:
        ranks: for each letter which guess was right, from 1 up: [letters].

    Raises:
        CourseError: there is no letter, or a rank is no whole number from 1 up.
    """
    r = np.asarray(ranks)
    if r.size == 0 or r.dtype.kind not in "iu" or r.min() < 1:
        raise CourseError("The bounds need for each letter the number of its right guess: 1, 2, 3, ...")
    q = np.bincount(r)[1:] / r.size
    i, seen = np.arange(1, len(q) + 1), q[q > 0]
    lower = (i * (q - np.append(q[1:], 0)) * np.log2(i)).sum()
    return float(lower), max(0.0, float(-(seen * np.log2(seen)).sum()))


def agree(ours: Sequence[float] | np.ndarray, theirs: Sequence[float] | np.ndarray, within: float) -> str:
    """Assert that two arrays of one shape differ nowhere by more than `within`, and say so: "agree within 1e-12".

    What is said holds the author's bound and not the measured difference: that is rounding, which is another on each
    processor. Infinity agrees with infinity of the same sign, nan with nothing.

    Args:
        ours, theirs: numbers, arrays or tensors of any device, all compared as float64.
        within: the largest |a - b| allowed: for sums of a few numbers of size 1 some 1e-12 (float64) or 1e-5 (float32).

    Raises:
        AssertionError: they do not agree, and where; the shapes differ; or there is nothing to compare.
    """
    a, b = (np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, dtype=np.float64) for x in (ours, theirs))
    if a.shape != b.shape:
        raise AssertionError(f"The two have different shapes, {a.shape} and {b.shape}, so they cannot be compared.")
    if not a.size:
        raise AssertionError(f"Both have the shape {a.shape}, so there is nothing to compare.")
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0.0, np.abs(a - b))
    place = np.unravel_index(difference.argmax(), a.shape)  # of the first nan, if there is one
    if not difference[place] <= within:
        where = f" at {[int(i) for i in place]} of {a.shape}" if place else ""
        raise AssertionError(
            f"They do not agree within {within:g}: the largest difference is {difference[place]:.1e}{where}, "
            f"between {a[place]:.8g} and {b[place]:.8g}."
        )
    return f"agree within {within:g}"


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
        CourseError: there are no examples, the lengths differ, a confidence is no probability, or what was right is
            neither 0 nor 1.
    """
    p, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if p.size == 0 or p.shape != right.shape or p.ndim != 1:
        raise CourseError(
            f"Calibration needs a confidence for each answer, but the shapes are {p.shape}, {right.shape}."
        )
    if not isinstance(bins, int) or bins < 1 or not np.isin(right, (0, 1)).all():
        raise CourseError(
            "Calibration needs a whole number of bins from 1 up, and for each answer 1 or 0: right or wrong."
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


# --- answers, summaries (chapter 11) ----------------------------------------------------------------------------------


def precision_recall_f1(hits: float, proposed: float, wanted: float) -> tuple[float, float, float]:
    """hits / proposed, hits / wanted, and their harmonic mean; what would be divided by 0 is 0."""
    precision = hits / proposed if proposed else 0.0
    recall = hits / wanted if wanted else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def normalise_answer(answer: str) -> str:
    """As SQuAD's script compares answers: lower case, no punctuation, no "a", "an", "the", single blanks."""
    plain = "".join(c for c in answer.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())


def answer_scores(predicted: str, answers: Sequence[str]) -> tuple[float, float]:
    """Exact match and F1 over words of an answer, each against the best of the right ones (Rajpurkar et al., 2016).

    As the script of SQuAD 2.0 has them (evaluate-v2.0.py): right answers of which normalising leaves nothing do not
    count, and if no others are there, only an empty answer is right.

    Args:
        predicted: "" if the model says that there is no answer.
        answers: the right ones; none if there is no answer.

    Returns:
        (exact match, F1), both between 0 and 1. Where one side has no words left, both are 1 if the other has none too.
    """
    answers = [answers] if isinstance(answers, str) else answers  # not its letters
    exact, best = 0.0, 0.0
    said = normalise_answer(predicted)
    for right in list(filter(None, map(normalise_answer, answers))) or [""]:
        common = sum((Counter(said.split()) & Counter(right.split())).values())
        f1 = precision_recall_f1(common, len(said.split()), len(right.split()))[2]
        exact = max(exact, float(said == right))
        best = max(best, f1 if said and right else float(said == right))
    return exact, best


def rouge(reference: str, summary: str) -> dict[str, tuple[float, float, float]]:
    """ROUGE-1, -2 and -L (Lin, 2004) of a summary: precision, recall and F1, as the package rouge-score has them.

    Words are runs of a-z and 0-9 in lower case, without stemming; so it is for English only.

    Args:
        reference: a summary that a person wrote.
        summary: the one to be judged.
    """
    wanted, said = (re.findall(r"[a-z0-9]+", text.lower()) for text in (reference, summary))
    found = {}
    for n in (1, 2):
        first, second = (Counter(zip(*(side[i:] for i in range(n)), strict=False)) for side in (wanted, said))
        found[f"ROUGE-{n}"] = precision_recall_f1((first & second).total(), second.total(), first.total())
    found["ROUGE-L"] = precision_recall_f1(longest_common_subsequence(wanted, said), len(said), len(wanted))
    return found


def longest_common_subsequence(first: Sequence, second: Sequence) -> int:
    """The number of items of the longest sequence that both hold in its order, gaps allowed."""
    row = [0] * (len(second) + 1)  # for the items of `first` so far: with each beginning of `second`
    for item in first:
        before, row = row, [0] * (len(second) + 1)
        for j, other in enumerate(second, start=1):
            row[j] = before[j - 1] + 1 if item == other else max(before[j], row[j - 1])
    return row[-1]
