"""Exercises of chapter 04."""

from __future__ import annotations

import math

import numpy as np

from lmtutor.exercises.examine import Exercise, compare, same


def posterior(log_joint: list[float]) -> list[float]:
    """P(y | x) of each class, from ln P(y) + ln P(x | y) of each class, however small."""
    largest = max(log_joint)
    shares = [math.exp(value - largest) for value in log_joint]
    return [share / sum(shares) for share in shares]


def _remark_posterior(arguments, expected, got):
    (log_joint,) = arguments
    if any(math.isnan(float(p)) for p in got):
        return _UNDERFLOW
    if same((np.array(log_joint) / np.sum(log_joint)).tolist(), got, 1e-6):
        return "You normalised the logarithms: take exp first."
    if not same(1.0, float(np.sum(got)), 1e-6):
        return "The probabilities of all classes should sum to 1."
    return ""


_UNDERFLOW = "exp gave 0 everywhere, or infinity, and 0/0 is no number: subtract the largest logarithm first."


def _failure_posterior(arguments, error):
    return _UNDERFLOW if isinstance(error, ZeroDivisionError | OverflowError) else ""


def logistic_gradient(X, y, w):
    """Gradient of the mean cross-entropy of sigmoid(X w): X [texts, features], y [texts] of 0 and 1, w [features]."""
    X, y, w = (np.asarray(a, dtype=float) for a in (X, y, w))
    return X.T @ (1 / (1 + np.exp(-X @ w)) - y) / len(y)


def _remark_logistic_gradient(arguments, expected, got):
    X, y, w = arguments
    got = np.asarray(got, dtype=float)
    if got.shape != np.shape(expected):
        return f"One number for each feature was asked for, [{len(w)}]; yours has the shape {list(got.shape)}."
    if same(-np.asarray(expected), got, 1e-6):
        return "The sign is turned round: this would climb. It is probability minus label."
    if len(y) > 1 and same(np.asarray(expected) * len(y), got, 1e-6):
        return "That is the gradient of the sum; the mean over the texts is asked for."
    if same(np.asarray(X).T @ (np.asarray(X) @ np.asarray(w) - y) / len(y), got, 1e-6):
        return "The sigmoid is missing: X w is a log-odds, not a probability."
    return ""


def cnn_logits(ids, embedding, kernels, biases, W, b):
    """Logits of one text: embed, convolve with each kernel [channels, size, width], cut off, take the largest, add up.

    A window begins at each token; beyond the last one there are zeros.
    """
    vectors = np.asarray(embedding, dtype=float)[list(ids)]
    largest = []
    for kernel, bias in zip(kernels, biases, strict=True):
        longer = np.concatenate([vectors, np.zeros((kernel.shape[2] - 1, vectors.shape[1]))])
        places = [(kernel * longer[t : t + kernel.shape[2]].T).sum(axis=(1, 2)) + bias for t in range(len(ids))]
        largest.append(np.maximum(places, 0).max(axis=0))
    return np.asarray(W) @ np.concatenate(largest) + b


def _remark_cnn_logits(arguments, expected, got):
    ids, embedding, kernels, biases, W, b = arguments
    if np.shape(got) != np.shape(expected):
        return f"One logit for each class was asked for, [{len(b)}]; yours has the shape {list(np.shape(got))}."
    turned = [kernel[:, :, ::-1] for kernel in kernels]
    if same(cnn_logits(ids, embedding, turned, biases, W, b), got, 1e-9):
        return "The kernels are turned round: position 0 of a kernel meets the first token of the window."
    if same(np.asarray(expected) - b, got, 1e-9):
        return "The linear layer's own b is missing."
    if same(cnn_logits(ids, embedding, kernels, [0 * bias for bias in biases], W, b), got, 1e-9):
        return "The biases of the kernels are missing."
    return _remark_pooling(arguments, got)


def _remark_pooling(arguments, got):
    """What another way from the windows to one number for each channel would give."""
    ids, embedding, kernels, biases, W, b = arguments
    vectors = np.asarray(embedding, dtype=float)[list(ids)]
    whole, plain, mean = [], [], []
    for kernel, bias in zip(kernels, biases, strict=True):
        width = kernel.shape[2]
        longer = np.concatenate([vectors, np.zeros((width - 1, vectors.shape[1]))])
        places = np.array([(kernel * longer[t : t + width].T).sum(axis=(1, 2)) + bias for t in range(len(ids))])
        plain.append(places.max(axis=0))
        mean.append(np.maximum(places, 0).mean(axis=0))
        inside = places[: max(len(ids) - width + 1, 0)]
        whole.append(np.maximum(inside, 0).max(axis=0) if len(inside) else np.zeros(len(bias)))
    for pooled, told in (
        (plain, "A channel that finds nothing gives 0, not a negative number: cut off with np.maximum(..., 0)."),
        (mean, "Of each channel the largest value over the places is kept, not the mean."),
        (whole, "A window begins at each token, also at the last ones: put width - 1 rows of zeros behind the text."),
    ):
        if same(np.asarray(W) @ np.concatenate(pooled) + b, got, 1e-9):
            return told
    return ""


def _cnn_case(seed, time, shapes, classes=2, size=3, words=7):
    """Arguments of `cnn_logits`: kernels of the (channels, width) in `shapes`, all numbers drawn."""
    generator = np.random.default_rng(seed)
    kernels = [generator.normal(size=(channels, size, width)).round(1) for channels, width in shapes]
    biases = [generator.normal(size=channels).round(1) for channels, _ in shapes]
    W = generator.normal(size=(classes, sum(channels for channels, _ in shapes))).round(1)
    ids = generator.integers(words, size=time).tolist()
    embedding = generator.normal(size=(words, size)).round(1)
    return ids, embedding, kernels, biases, W, generator.normal(size=classes).round(1)


def masked_mean(hidden, mask):
    """Mean over each text's real tokens: hidden [batch, time, size], mask [batch, time], 1 real and 0 padding."""
    hidden, mask = np.asarray(hidden, dtype=float), np.asarray(mask, dtype=float)
    return (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


def _remark_masked_mean(arguments, expected, got):
    hidden, mask = (np.asarray(a, dtype=float) for a in arguments)
    if same(hidden.mean(axis=1), got, 1e-9):
        return "The padding is averaged in: multiply by the mask first."
    if same((hidden * mask[:, :, None]).mean(axis=1), got, 1e-9):
        return "The padding is 0 now, but still counted: divide by the number of real tokens, not by the length."
    total = (hidden * mask[:, :, None]).sum(axis=1)
    if same(total, got, 1e-9):
        return "That is the sum: divide it by the number of real tokens."
    if same(total / mask.sum(), got, 1e-9):
        return "Each text has a number of real tokens of its own: sum the mask over the time alone."
    return ""


def precision_recall_f1(labels: list[int], predictions: list[int]) -> tuple[float, float, float]:
    """Of class 1: precision, recall, F1; a quotient with denominator 0 counts as 0."""
    pairs = list(zip(labels, predictions, strict=True))
    hits = sum(y == 1 and guess == 1 for y, guess in pairs)
    said, real = sum(guess == 1 for _, guess in pairs), sum(y == 1 for y, _ in pairs)
    return hits / said if said else 0.0, hits / real if real else 0.0, 2 * hits / (said + real) if said + real else 0.0


def _remark_precision_recall_f1(arguments, expected, got):
    p, r, f = expected
    got_p, got_r, got_f = got
    if same((r, p), (got_p, got_r), 1e-9) and not same(p, r, 1e-9):
        return "Precision and recall are swapped: precision divides by what was *said* to be 1."
    if same((p, r, (p + r) / 2), got, 1e-9):
        return "F1 is the harmonic mean, 2pr/(p + r), not the ordinary one."
    return ""


def _failure_precision_recall_f1(arguments, error):
    return "A quotient whose denominator is 0 counts as 0." if isinstance(error, ZeroDivisionError) else ""


def auc(labels: list[int], scores: list[float]) -> float:
    """The share of pairs (one of class 1, one of class 0) in which class 1 has the higher score; ties count half."""
    positive = [s for s, y in zip(scores, labels, strict=True) if y == 1]
    negative = [s for s, y in zip(scores, labels, strict=True) if y == 0]
    return sum((p > n) + 0.5 * (p == n) for p in positive for n in negative) / (len(positive) * len(negative))


def _remark_auc(arguments, expected, got):
    labels, scores = arguments
    positive = [s for s, y in zip(scores, labels, strict=True) if y == 1]
    negative = [s for s, y in zip(scores, labels, strict=True) if y == 0]
    pairs = len(positive) * len(negative)
    if same(1 - expected, got, 1e-9) and not same(expected, 0.5, 1e-9):
        return "The order is turned round: class 1 should have the higher score."
    if same(sum(p > n for p in positive for n in negative) / pairs, got, 1e-9):
        return "Two equal scores are in no order: such a pair counts half."
    if same(sum(p >= n for p in positive for n in negative) / pairs, got, 1e-9):
        return "Two equal scores are in no order: such a pair counts half, not whole."
    return ""


def calibration_error(probabilities: list[float], labels: list[int], bins: int) -> float:
    """Mean over bins of equal width of |share of class 1 - mean probability|, weighted with the bins' sizes."""
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    which = np.minimum((p * bins).astype(int), bins - 1)
    gaps = np.bincount(which, weights=y - p, minlength=bins)
    return float(np.abs(gaps).sum() / len(y))


def _remark_calibration_error(arguments, expected, got):
    p, y, bins = (np.asarray(a, dtype=float) for a in arguments)
    if math.isnan(got):
        return "A bin without examples has no mean: leave it out."
    below = np.maximum(np.ceil(p * bins).astype(int) - 1, 0)
    borders = (p * bins % 1 == 0) & (p > 0) & (p < 1)
    if borders.any() and same(float(np.abs(np.bincount(below, weights=y - p)).sum() / len(y)), got, 1e-9):
        return "A probability on the border of two bins belongs into the upper one."
    if same(abs(y.mean() - p.mean()), got, 1e-9):
        return "Over all bins together too high and too low cancel: take the absolute value in each bin."
    which = np.minimum((p * bins).astype(int), int(bins) - 1)
    gaps = [abs((y - p)[which == b].mean()) for b in np.unique(which)]
    if len(gaps) > 1 and same(float(np.mean(gaps)), got, 1e-9):
        return "A bin with two examples weighs as much as one with a thousand: weight the bins with their sizes."
    if same(sum(gaps), got, 1e-9):
        return "That is the sum of the gaps: weight each bin with its share of the examples."
    alone = (p * bins).astype(int)  # without the rule for 1.0
    for seen in (np.unique(alone), np.arange(int(bins))):
        found = [abs((y - p)[alone == b].sum()) for b in seen]
        if (p == 1).any() and same(float(np.sum(found)) / len(y), got, 1e-9):
            return "A probability of 1.0 belongs into the last bin, together with those just below it."
    if same(np.abs(y - p).mean(), got, 1e-9):
        return "That is the error of single examples: average probabilities and labels within a bin before comparing."
    return ""


def best_threshold(probabilities: list[float], labels: list[int], cost_miss: float, cost_alarm: float) -> float:
    """The smallest of the probabilities t for which "1 if p >= t" costs least.

    A miss (a 1 called 0) costs `cost_miss`, a false alarm (a 0 called 1) `cost_alarm`.
    """
    pairs = list(zip(probabilities, labels, strict=True))

    def cost(threshold: float) -> float:
        misses = sum(y == 1 and p < threshold for p, y in pairs)
        alarms = sum(y == 0 and p >= threshold for p, y in pairs)
        return cost_miss * misses + cost_alarm * alarms

    return min(sorted(set(probabilities)), key=cost)


def _remark_best_threshold(arguments, expected, got):
    probabilities, labels, cost_miss, cost_alarm = arguments
    pairs = list(zip(probabilities, labels, strict=True))
    if got in probabilities:
        costs = [
            sum(cost_miss * (y == 1 and p < t) + cost_alarm * (y == 0 and p >= t) for p, y in pairs)
            for t in (expected, got)
        ]
        if same(*costs, 1e-9):
            return "That threshold costs as little, but it is not the smallest that does."
    if cost_miss != cost_alarm and same(best_threshold(probabilities, labels, cost_alarm, cost_miss), got, 1e-9):
        return "The two costs seem to be swapped: a miss is a 1 that is called 0."
    if same(best_threshold(probabilities, labels, 1, 1), got, 1e-9):
        return "That is the threshold with the fewest errors: the two kinds do not cost the same."
    return ""


def sign_test(right_a: list[bool], right_b: list[bool]) -> float:
    """Two-sided p value for the hypothesis that neither of two classifiers is better, from the same test texts.

    Only the n texts that exactly one of them has right count. If neither were better, a coin would decide each of them.
    The p value is the probability that n tosses come out at least as unevenly as observed, at most 1.
    """
    a = sum(x and not y for x, y in zip(right_a, right_b, strict=True))
    b = sum(y and not x for x, y in zip(right_a, right_b, strict=True))
    tail = sum(math.comb(a + b, k) for k in range(max(a, b), a + b + 1))
    return min(1.0, 2 * tail / 2 ** (a + b))


def _failure_sign_test(arguments, error):
    if isinstance(error, OverflowError):
        return "math.comb(n, k) is too large for a float: divide it by 2**n, two whole numbers, before anything else."
    return ""


def _remark_sign_test(arguments, expected, got):
    right_a, right_b = arguments
    a = sum(x and not y for x, y in zip(right_a, right_b, strict=True))
    b = sum(y and not x for x, y in zip(right_a, right_b, strict=True))
    tail = sum(math.comb(a + b, k) for k in range(max(a, b), a + b + 1)) / 2 ** (a + b)
    if got > 1:
        return "A probability cannot exceed 1: with a tie the doubled tail counts the middle twice, so cap it."
    of_a = sum(math.comb(a + b, k) for k in range(a, a + b + 1)) / 2 ** (a + b)
    if b > a and same(min(1.0, 2 * of_a), got, 1e-9):
        return "Here B is the better one: the tail begins at the larger of the two numbers."
    if same(tail, got, 1e-9):
        return "That is one side only: B could have been better as well, so the other tail counts, too."
    if same(2 * math.comb(a + b, max(a, b)) / 2 ** (a + b), got, 1e-9):
        return "That is the probability of exactly this result; add all that are more uneven."
    return ""


EXERCISES = {
    "posterior": Exercise(
        hint="P(y | x) is P(x, y) divided by its sum over the classes. math.exp(-1000) is 0.0, so multiply all joint "
        "probabilities by the same factor first: subtract max(log_joint) from each logarithm.",
        examine=compare(
            posterior,
            [
                ([-1.0, -1.0],),
                ([-1.0, -3.0],),
                ([-1.5, -0.5, -3.0],),
                ([-1000.0, -1001.0],),
                ([-1.0, -2000.0],),
                ([-2000.0, -1.0],),
                ([-20000.0, -20001.0],),
            ],
            remark=_remark_posterior,
            failure=_failure_posterior,
        ),
    ),
    "logistic_gradient": Exercise(
        hint="p = 1 / (1 + np.exp(-X @ w)) has one entry a text; each text pulls with (p - y) times its row of X.",
        examine=compare(
            logistic_gradient,
            [
                (np.array([[1.0]]), np.array([1]), np.array([2.0])),
                (np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([1, 0]), np.array([0.5, -1.0])),
                (
                    np.random.default_rng(0).normal(size=(6, 3)),
                    np.array([0, 1, 1, 0, 1, 0]),
                    np.array([0.3, -0.2, 1.0]),
                ),
            ],
            remark=_remark_logistic_gradient,
        ),
    ),
    "cnn_logits": Exercise(
        hint="embedding[ids] is [time, size]. For a kernel of width k put k - 1 rows of zeros behind it. The window at "
        "t is rows t to t + k, and (kernel * window.T).sum(axis=(1, 2)) has one number a channel. Add the bias, "
        "cut off at 0, take the largest over t; np.concatenate the kernels' results, and W @ them + b.",
        examine=compare(
            cnn_logits,
            [
                ([0], np.array([[2.0]]), [np.array([[[1.0]]])], [np.array([0.5])], np.eye(1), np.zeros(1)),
                ([0], np.array([[2.0]]), [np.array([[[-1.0]]])], [np.zeros(1)], np.eye(1), np.zeros(1)),
                ([0], np.array([[2.0]]), [np.array([[[1.0]]])], [np.zeros(1)], np.array([[1.0], [-1.0]]), np.zeros(2)),
                ([1, 0], np.array([[2.0], [3.0]]), [np.array([[[1.0, 10.0]]])], [np.zeros(1)], np.eye(1), np.ones(1)),
                ([0, 1], np.array([[2.0], [3.0]]), [np.array([[[0.0, 1.0]]])], [np.zeros(1)], np.eye(1), np.zeros(1)),
                _cnn_case(0, 5, [(2, 2)]),
                _cnn_case(1, 4, [(2, 1), (3, 3)], classes=3),
                _cnn_case(2, 2, [(2, 4), (1, 2)]),
                _cnn_case(3, 9, [(3, 2), (2, 3), (1, 1)], size=4),
            ],
            remark=_remark_cnn_logits,
        ),
    ),
    "masked_mean": Exercise(
        hint="mask[:, :, None] has the shape [batch, time, 1], so it multiplies each state. How many real tokens does "
        "each text have?",
        examine=compare(
            masked_mean,
            [
                (np.array([[[1.0], [3.0]]]), np.array([[1, 1]])),
                (np.array([[[1.0], [3.0], [100.0]]]), np.array([[1, 1, 0]])),
                (
                    np.random.default_rng(1).normal(size=(3, 4, 2)).round(2),
                    np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]),
                ),
                (np.array([[[0.0], [4.0]]]), np.array([[1, 1]])),  # a real token whose state is 0
                (np.array([[[9.0], [1.0], [9.0], [3.0]]]), np.array([[0, 1, 0, 1]])),
            ],
            remark=_remark_masked_mean,
        ),
    ),
    "precision_recall_f1": Exercise(
        hint="Count three: said to be 1 and is 1; said to be 1; is 1. Look at the denominators before dividing.",
        examine=compare(
            precision_recall_f1,
            [
                ([1], [1]),
                ([1, 0], [1, 1]),
                ([1, 1, 0], [1, 0, 0]),
                ([1, 1, 1, 0, 0], [1, 0, 0, 1, 0]),
                ([1, 0], [0, 0]),
                ([0, 0], [1, 0]),
                ([1, 0], [0, 1]),
                ([0], [0]),
                ([1, 1, 0], [1, 1, 1]),
            ],
            remark=_remark_precision_recall_f1,
            failure=_failure_precision_recall_f1,
        ),
    ),
    "auc": Exercise(
        hint="Two loops: over the scores of the ones and over the scores of the zeros.",
        examine=compare(
            auc,
            [
                ([0, 1], [0.2, 0.7]),
                ([1, 0], [0.2, 0.7]),
                ([0, 1], [0.5, 0.5]),
                ([0, 1, 1, 0], [0.1, 0.4, 0.35, 0.35]),
                ([0, 0, 0, 1, 1], [0.1, 0.5, 0.6, 0.55, 0.9]),
                ([0, 1, 0], [-2.0, -1.0, -3.0]),
                ([0, 1], [1e-10, 3e-10]),
                ([1, 1, 0, 0, 1], [0.4, 0.4, 0.1, 0.3, 0.2]),
            ],
            remark=_remark_auc,
        ),
    ),
    "calibration_error": Exercise(
        hint="Bin number int(p * bins) (1.0 belongs into the last). In each bin: number of examples * |mean of the "
        "labels - mean of the probabilities|; in the end divide by the number of all examples.",
        examine=compare(
            calibration_error,
            [
                ([0.75], [1], 2),
                ([0.75, 0.75], [1, 0], 2),
                ([0.2, 0.9, 0.8], [1, 1, 0], 2),
                ([1.0, 0.75], [0, 1], 2),
                ([0.0, 0.5], [1, 1], 2),
                ([0.25, 0.5], [1, 0], 2),
                ([0.4, 0.1], [1, 0], 2),
                ([0.0, 0.25], [1, 0], 4),
                ([0.1, 0.3, 0.35, 0.7, 1.0], [0, 1, 0, 0, 1], 5),
            ],
            remark=_remark_calibration_error,
        ),
    ),
    "best_threshold": Exercise(
        hint="Try each of the probabilities as the threshold: count misses (1, p below t) and false alarms (0, p at or "
        "above t), and weight them with their costs.",
        examine=compare(
            best_threshold,
            [
                ([0.2, 0.8], [0, 1], 1.0, 1.0),
                ([0.2, 0.4, 0.6], [1, 0, 1], 10.0, 1.0),
                ([0.8, 0.3, 0.6], [1, 1, 0], 1.0, 1.0),
                ([0.1, 0.2, 0.4, 0.6, 0.8, 0.9], [1, 0, 0, 1, 0, 1], 1.0, 3.0),
                ([0.1, 0.3, 0.35, 0.5, 0.7, 0.9], [0, 1, 0, 0, 1, 1], 5.0, 1.0),
                ([0.1, 0.3, 0.35, 0.5, 0.7, 0.9], [0, 1, 0, 0, 1, 1], 1.0, 5.0),
                ([0.3, 0.6], [0, 0], 1.0, 1.0),
                ([0.1, 0.2, 0.3, 0.9], [1, 1, 0, 1], 1.0, 1.5),
                ([0.4, 0.6, 0.4, 0.6], [0, 0, 0, 1], 1.0, 2.0),
            ],
            remark=_remark_best_threshold,
        ),
    ),
    "sign_test": Exercise(
        hint="With a texts that only A has right and b that only B has right, n = a + b: twice the sum of "
        "math.comb(n, k) / 2**n over k from max(a, b) to n, but at most 1.",
        examine=compare(
            sign_test,
            [
                ([True], [True]),
                ([True, True], [False, False]),
                ([True, False], [False, True]),
                ([True] + [False] * 4, [False] + [True] * 4),
                ([True] * 6 + [False], [False] * 6 + [True]),
                ([True] * 9 + [False] * 3, [True] * 4 + [False] * 5 + [True] + [False] * 2),
                ([True] * 570 + [False] * 530, [False] * 570 + [True] * 530),
            ],
            remark=_remark_sign_test,
            failure=_failure_sign_test,
        ),
    ),
}
