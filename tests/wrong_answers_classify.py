"""Plausible wrong answers to the exercises of chapter 04."""

import math

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def posterior_direct(log_joint):
    shares = np.exp(np.float64(log_joint))
    with np.errstate(invalid="ignore"):
        return (shares / shares.sum()).tolist()


def counts(labels, predictions):
    """hits, said, real"""
    pairs = list(zip(labels, predictions, strict=True))
    return sum(y * g for y, g in pairs), sum(predictions), sum(labels)


def divide(a, b):
    return a / b if b else 0.0


def prf_with(p=lambda hits, said, real: divide(hits, said), r=lambda hits, said, real: divide(hits, real), f=None):
    def precision_recall_f1(labels, predictions):
        found = counts(labels, predictions)
        precision, recall = p(*found), r(*found)
        f1 = f(precision, recall) if f else divide(2 * precision * recall, precision + recall)
        return precision, recall, f1

    return precision_recall_f1


def accuracy_for_precision(labels, predictions):
    right = sum(y == g for y, g in zip(labels, predictions, strict=True)) / len(labels)
    return right, right, right


def auc_with(won=lambda p, n: (p > n) + 0.5 * (p == n), pairs=lambda p, n: p * n):
    def auc(labels, scores):
        ones = [s for s, y in zip(scores, labels, strict=True) if y]
        zeros = [s for s, y in zip(scores, labels, strict=True) if not y]
        return sum(won(p, n) for p in ones for n in zeros) / pairs(len(ones), len(zeros))

    return auc


def ece_with(weight=lambda size, total: size / total, gap=abs, which=None):
    def calibration_error(confidences, correct, bins):
        p, right = np.array(confidences), np.array(correct)
        bin_of = which(p, bins) if which else np.minimum((p * bins).astype(int), bins - 1)
        found = [(bin_of == b) for b in np.unique(bin_of)]
        return sum(weight(here.sum(), len(p)) * gap((right - p)[here].mean()) for here in found)

    return calibration_error


def empty_bins(p, c, bins):
    p, c = np.array(p), np.array(c)
    which = np.minimum((p * bins).astype(int), bins - 1)
    sizes = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        gaps = np.bincount(which, weights=c - p, minlength=bins) / sizes
    return float((np.abs(gaps) * sizes / len(p)).sum())


def threshold_with(miss=lambda p, t: p < t, alarm=lambda p, t: p >= t, costs=lambda m, a: (m, a), candidates=None):
    def best_threshold(probabilities, labels, cost_miss, cost_alarm):
        m, a = costs(cost_miss, cost_alarm)

        def cost(t):
            return sum(
                m * (y == 1 and miss(p, t)) + a * (y == 0 and alarm(p, t))
                for p, y in zip(probabilities, labels, strict=True)
            )

        return min(candidates or sorted(set(probabilities)), key=cost)

    return best_threshold


def sign_with(tail=lambda n, most: range(most, n + 1), factor=2, cap=1.0, use=lambda a, b, n: (a, b)):
    def sign_test(right_a, right_b):
        a = sum(x and not y for x, y in zip(right_a, right_b, strict=True))
        b = sum(y and not x for x, y in zip(right_a, right_b, strict=True))
        a, b = use(a, b, len(right_a))
        total = sum(math.comb(a + b, k) for k in tail(a + b, max(a, b))) / 2 ** (a + b)
        return min(cap, factor * total)

    return sign_test


def a_alone(right_a, right_b):
    a = sum(x and not y for x, y in zip(right_a, right_b, strict=True))
    b = sum(y and not x for x, y in zip(right_a, right_b, strict=True))
    return min(1.0, 2 * sum(math.comb(a + b, k) for k in range(a, a + b + 1)) / 2 ** (a + b))


WRONG = {
    "classify.posterior": {
        "underflow": posterior_direct,
        "underflow with an error": lambda log_joint: [math.exp(x) / sum(map(math.exp, log_joint)) for x in log_joint],
        "the joint probabilities": lambda log_joint: np.exp(log_joint).tolist(),
        "the logarithms normalised": lambda log_joint: [x / sum(log_joint) for x in log_joint],
        "the likeliest is certain": lambda log_joint: [float(x == max(log_joint)) for x in log_joint],
    },
    "classify.logistic_gradient": {
        "uphill": lambda X, y, w: X.T @ (y - sigmoid(X @ w)) / len(y),
        "sum": lambda X, y, w: X.T @ (sigmoid(X @ w) - y),
        "no sigmoid": lambda X, y, w: X.T @ (X @ w - y) / len(y),
        "the derivative of the squared error": lambda X, y, w: (
            X.T @ ((sigmoid(X @ w) - y) * sigmoid(X @ w) * (1 - sigmoid(X @ w))) / len(y)
        ),
        "a number for each text": lambda X, y, w: (sigmoid(X @ w) - y)[:, None] * X / len(y),
        "by features": lambda X, y, w: X.T @ (sigmoid(X @ w) - y) / len(w),
    },
    "classify.masked_mean": {
        "padding in the mean": lambda hidden, mask: hidden.mean(axis=1),
        "padding counted": lambda hidden, mask: (hidden * mask[:, :, None]).mean(axis=1),
        "sum": lambda hidden, mask: (hidden * mask[:, :, None]).sum(axis=1),
        "all texts' tokens": lambda hidden, mask: (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(),
        "the last state": lambda hidden, mask: hidden[:, -1],
    },
    "classify.precision_recall_f1": {
        "swapped": prf_with(lambda h, s, r: divide(h, r), lambda h, s, r: divide(h, s)),
        "ordinary mean": prf_with(f=lambda p, r: (p + r) / 2),
        "division by zero": prf_with(lambda h, s, r: h / s),
        "accuracy": accuracy_for_precision,
        "no case for no hit": prf_with(f=lambda p, r: 2 * p * r / (p + r)),
        "1 when nothing is called": prf_with(lambda h, s, r: h / s if s else 1.0),
        "1 when nothing is real": prf_with(r=lambda h, s, r: h / r if r else 1.0),
        "no factor 2": prf_with(f=lambda p, r: divide(p * r, p + r)),
    },
    "classify.auc": {
        "turned round": auc_with(lambda p, n: (p < n) + 0.5 * (p == n)),
        "ties lose": auc_with(lambda p, n: p > n),
        "ties win": auc_with(lambda p, n: p >= n),
        "all pairs": auc_with(pairs=lambda p, n: (p + n) ** 2),
        "accuracy": lambda labels, scores: float(np.mean((np.array(scores) > 0.5) == np.array(labels))),
    },
    "classify.calibration_error": {
        "all bins alike": lambda p, c, b: (
            ece_with(weight=lambda size, total: 1)(p, c, b) / len(set(np.array(p) * b // 1))
        ),
        "no absolute value": ece_with(gap=lambda g: g),
        "one bin": ece_with(which=lambda p, bins: np.zeros(len(p))),
        "each example alone": ece_with(which=lambda p, bins: np.arange(len(p))),
        "sum of the gaps": ece_with(weight=lambda size, total: 1),
        "a bin for 1.0 alone": ece_with(which=lambda p, bins: (p * bins).astype(int)),
        "1.0 in no bin": lambda p, c, bins: (
            sum(abs(sum(y - q for q, y in zip(p, c, strict=True) if int(q * bins) == b)) for b in range(bins)) / len(p)
        ),
        "empty bins": empty_bins,
        "squared": ece_with(gap=lambda g: g**2),
    },
    "classify.best_threshold": {
        "costs swapped": threshold_with(costs=lambda m, a: (a, m)),
        "fewest errors": threshold_with(costs=lambda m, a: (1, 1)),
        "one half": lambda *arguments: 0.5,
        "the largest of equals": lambda probabilities, labels, cost_miss, cost_alarm: min(
            sorted(set(probabilities), reverse=True),
            key=lambda t: sum(
                cost_miss * (y == 1 and p < t) + cost_alarm * (y == 0 and p >= t)
                for p, y in zip(probabilities, labels, strict=True)
            ),
        ),
        "the other way round": threshold_with(lambda p, t: p >= t, lambda p, t: p < t),
        "above, not at": threshold_with(lambda p, t: p <= t, lambda p, t: p > t),
    },
    "classify.sign_test": {
        "one side": sign_with(factor=1),
        "above 1": sign_with(cap=math.inf),
        "exactly this": sign_with(tail=lambda n, most: [most]),
        "the tail of A alone": a_alone,
        "all texts": sign_with(use=lambda a, b, n: (a, n - a)),
        "more uneven only": sign_with(tail=lambda n, most: range(most + 1, n + 1)),
    },
}
