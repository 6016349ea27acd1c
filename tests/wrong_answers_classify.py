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


def posterior_after(change):
    """The softmax with another way against underflow; NaN and infinity come without a warning."""

    def posterior(log_joint):
        with np.errstate(all="ignore"):
            shares = np.exp(change(np.array(log_joint)))
            return (shares / shares.sum()).tolist()

    return posterior


def long_double_posterior(log_joint):
    shares = np.exp(np.array(log_joint, dtype=np.longdouble))
    with np.errstate(invalid="ignore"):
        return (shares / shares.sum()).astype(float).tolist()


def until_the_last_token(hidden, mask):
    return np.stack([states[: int(real.sum())].mean(axis=0) for states, real in zip(hidden, mask, strict=True)])


def bins_of(edges):
    """Bins by the edges that the function gives; the lower edge belongs to a bin."""
    return lambda p, bins: np.clip(np.digitize(p, edges(p, bins)) - 1, 0, bins - 1)


def ece_by_middles(probabilities, labels, bins):
    p, y = np.array(probabilities), np.array(labels)
    which = np.minimum((p * bins).astype(int), bins - 1)
    return sum((which == b).mean() * abs(y[which == b].mean() - (b + 0.5) / bins) for b in np.unique(which))


def by_coins(right_a, right_b):
    """The p value with powers of one half, which become 0 for long tests."""
    a = sum(x and not y for x, y in zip(right_a, right_b, strict=True))
    b = sum(y and not x for x, y in zip(right_a, right_b, strict=True))
    return min(1.0, 2 * sum(math.comb(a + b, k) * 0.5 ** (a + b) for k in range(max(a, b), a + b + 1)))


def by_the_bell(right_a, right_b):
    a = sum(x and not y for x, y in zip(right_a, right_b, strict=True))
    b = sum(y and not x for x, y in zip(right_a, right_b, strict=True))
    return math.erfc(abs(a - b) / math.sqrt(2 * (a + b))) if a + b else 1.0


def cnn_with(
    behind=lambda width: width - 1, before=lambda width: 0, cut=lambda places: np.maximum(places, 0), pool=np.max,
    turn=lambda kernel: kernel, bias_of=lambda bias: bias, last=lambda W, pooled, b: W @ pooled + b,
    rows=lambda embedding, ids: embedding[ids], order=lambda pairs: pairs,
):  # fmt: skip
    def cnn_logits(ids, embedding, kernels, biases, W, b):
        found = []
        for kernel, bias in order(list(zip(kernels, biases, strict=True))):
            channels, size, width = kernel.shape
            vectors = [np.zeros((before(width), size)), rows(embedding, ids), np.zeros((behind(width), size))]
            longer = np.concatenate(vectors)
            places = [
                (turn(kernel) * longer[t : t + width].T).sum(axis=(1, 2)) + bias_of(bias)
                for t in range(len(longer) - width + 1)
            ] or [np.zeros(channels)]
            found.append(pool(cut(np.array(places)), axis=0))
        return last(W, np.concatenate(found), b)

    return cnn_logits


WRONG = {
    "classify.posterior": {
        "underflow": posterior_direct,
        "underflow with an error": lambda log_joint: [math.exp(x) / sum(map(math.exp, log_joint)) for x in log_joint],
        "the joint probabilities": lambda log_joint: np.exp(log_joint).tolist(),
        "the logarithms normalised": lambda log_joint: [x / sum(log_joint) for x in log_joint],
        "the likeliest is certain": lambda log_joint: [float(x == max(log_joint)) for x in log_joint],
        "the smallest subtracted": posterior_after(lambda x: x - x.min()),
        "the first subtracted": posterior_after(lambda x: x - x[0]),
        "the mean subtracted": posterior_after(lambda x: x - x.mean()),
        "1000 added": posterior_after(lambda x: x + 1000),
        "cut off": posterior_after(lambda x: np.maximum(x, -700)),
        "divided by the largest": posterior_after(lambda x: x / np.abs(x).max()),
        "in 80 bits": long_double_posterior,
        "a little added": lambda log_joint: (
            (np.exp(np.array(log_joint)) + 1e-9) / (np.exp(np.array(log_joint)) + 1e-9).sum()
        ).tolist(),
        "two classes alone": lambda log_joint: [
            float(sigmoid(log_joint[0] - log_joint[-1])),
            float(sigmoid(log_joint[-1] - log_joint[0])),
        ],
        "logarithms": lambda log_joint: [
            math.log(p) if p else -math.inf for p in posterior_after(lambda x: x - x.max())(log_joint)
        ],
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
        "decisions": lambda X, y, w: X.T @ ((X @ w > 0) - y) / len(y),
        "the last text alone": lambda X, y, w: X[-1] * (sigmoid(X[-1] @ w) - y[-1]),
        "means multiplied": lambda X, y, w: X.mean(axis=0) * (sigmoid(X @ w) - y).mean(),
        "divided by the number of all counts": lambda X, y, w: X.T @ (sigmoid(X @ w) - y) / X.size,
        "labels of minus 1 and 1": lambda X, y, w: X.T @ (sigmoid(X @ w) - (2 * y - 1)) / len(y),
        "a column": lambda X, y, w: (X.T @ (sigmoid(X @ w) - y) / len(y))[:, None],
        "a decay added": lambda X, y, w: X.T @ (sigmoid(X @ w) - y) / len(y) + 0.01 * w,
    },
    "classify.cnn_logits": {
        "windows inside alone": cnn_with(behind=lambda width: 0),
        "zeros before": cnn_with(behind=lambda width: 0, before=lambda width: width - 1),
        "zeros on both sides": cnn_with(before=lambda width: width - 1),
        "one row of zeros too many": cnn_with(behind=lambda width: width),
        "no cut at 0": cnn_with(cut=lambda places: places),
        "the cut after the linear layer": cnn_with(
            cut=lambda places: places, last=lambda W, pooled, b: np.maximum(W @ pooled + b, 0)
        ),
        "the mean over the places": cnn_with(pool=np.mean),
        "the sum over the places": cnn_with(pool=np.sum),
        "the last place": cnn_with(pool=lambda places, axis: places[-1]),
        "the kernels turned round": cnn_with(turn=lambda kernel: kernel[:, :, ::-1]),
        "no bias": cnn_with(bias_of=lambda bias: 0 * bias),
        "no b": cnn_with(last=lambda W, pooled, b: W @ pooled),
        "the absolute values": cnn_with(cut=np.abs),
        "the places' order for the ids": cnn_with(rows=lambda embedding, ids: embedding[sorted(ids)]),
        "each word once": cnn_with(rows=lambda embedding, ids: embedding[list(dict.fromkeys(ids))]),
        "probabilities": cnn_with(last=lambda W, pooled, b: np.exp(W @ pooled + b) / np.exp(W @ pooled + b).sum()),
        "the kernels from the last to the first": cnn_with(order=lambda pairs: pairs[::-1]),
        "the largest of all channels": lambda ids, embedding, kernels, biases, W, b: cnn_with(
            last=lambda W, pooled, b: W.sum(axis=1) * pooled.max() + b
        )(ids, embedding, kernels, biases, W, b),
    },
    "classify.masked_mean": {
        "padding in the mean": lambda hidden, mask: hidden.mean(axis=1),
        "padding counted": lambda hidden, mask: (hidden * mask[:, :, None]).mean(axis=1),
        "sum": lambda hidden, mask: (hidden * mask[:, :, None]).sum(axis=1),
        "all texts' tokens": lambda hidden, mask: (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(),
        "the last state": lambda hidden, mask: hidden[:, -1],
        "as if the padding stood behind": until_the_last_token,
        "vectors that are not 0": lambda hidden, mask: (
            (hidden * mask[:, :, None]).sum(axis=1)
            / np.maximum((hidden * mask[:, :, None]).any(axis=2).sum(axis=1, keepdims=True), 1)
        ),
        "by the longest text": lambda hidden, mask: (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1).max(),
        "the mean of all numbers": lambda hidden, mask: (
            (hidden * mask[:, :, None]).sum(axis=(1, 2)) / mask.sum(axis=1)
        )[:, None].repeat(hidden.shape[2], axis=1),
        "the largest": lambda hidden, mask: np.where(mask[:, :, None] > 0, hidden, -np.inf).max(axis=1),
        "the axis kept": lambda hidden, mask: (
            (hidden * mask[:, :, None]).sum(axis=1, keepdims=True) / mask.sum(axis=1)[:, None, None]
        ),
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
        "1 when there is nothing at all": lambda labels, predictions: (
            prf_with()(labels, predictions) if any(labels) or any(predictions) else (1.0, 1.0, 1.0)
        ),
        "F1 of nothing": lambda labels, predictions: (lambda h, s, r: (divide(h, s), divide(h, r), 2 * h / (s + r)))(
            *counts(labels, predictions)
        ),
        "no case for nothing called": lambda labels, predictions: (
            lambda h, s, r: (h / s, divide(h, r), divide(2 * h, s + r))
        )(*counts(labels, predictions)),
        "no case for nothing real": lambda labels, predictions: (
            lambda h, s, r: (divide(h, s), h / r, divide(2 * h, s + r))
        )(*counts(labels, predictions)),
        "NaN for 0/0": lambda labels, predictions: tuple(
            x if any(predictions) else math.nan for x in prf_with()(labels, predictions)
        ),
        "of class 0": lambda labels, predictions: prf_with()([1 - y for y in labels], [1 - y for y in predictions]),
        "the geometric mean": prf_with(f=lambda p, r: math.sqrt(p * r)),
        "the smaller one": prf_with(f=min),
        "whole numbers": prf_with(lambda h, s, r: h // s if s else 0),
    },
    "classify.auc": {
        "turned round": auc_with(lambda p, n: (p < n) + 0.5 * (p == n)),
        "ties lose": auc_with(lambda p, n: p > n),
        "ties win": auc_with(lambda p, n: p >= n),
        "all pairs": auc_with(pairs=lambda p, n: (p + n) ** 2),
        "accuracy": lambda labels, scores: float(np.mean((np.array(scores) > 0.5) == np.array(labels))),
        "never below one half": lambda labels, scores: max(auc_with()(labels, scores), 1 - auc_with()(labels, scores)),
        "nearly equal is equal": auc_with(lambda p, n: 0.5 if math.isclose(p, n, abs_tol=1e-8) else float(p > n)),
        "each score once": lambda labels, scores: auc_with()(*zip(*set(zip(labels, scores, strict=True)), strict=True)),
        "scores above 0": lambda labels, scores: auc_with()(labels, [max(s, 0) for s in scores]),
        "a score for each label": lambda labels, scores: (lambda found: auc_with()(list(found.values()), list(found)))(
            dict(zip(scores, labels, strict=True))
        ),
        "neighbours alone": lambda labels, scores: (
            auc_with()(*zip(*sorted(zip(labels, scores, strict=True))[-2:], strict=True))
            if len(set(labels[-2:])) > 1
            else 0.0
        ),
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
        "the other side of the bin": ece_with(which=lambda p, bins: np.maximum(np.ceil(p * bins).astype(int) - 1, 0)),
        "bins as large as each other": ece_with(
            which=lambda p, bins: np.argsort(np.argsort(p, kind="stable"), kind="stable") * bins // len(p)
        ),
        "bins between smallest and largest": ece_with(
            which=bins_of(lambda p, bins: np.linspace(p.min(), p.max() + 1e-9, bins + 1))
        ),
        "the middle of the bin": ece_by_middles,
        "rounded": ece_with(which=lambda p, bins: np.minimum(np.round(p * bins).astype(int), bins - 1)),
        "ten bins": lambda p, c, bins: ece_with()(p, c, 10),
        "one bin too many": lambda p, c, bins: ece_with()(p, c, bins + 1),
        "0.0 in no bin": lambda p, c, bins: (
            ece_with()([q for q in p if q], [y for q, y in zip(p, c, strict=True) if q], bins)
            * (sum(q > 0 for q in p) / len(p))
            if any(p)
            else 0.0
        ),
        "the largest gap": lambda p, c, bins: max(
            abs(np.mean([y - q for q, y in zip(p, c, strict=True) if min(int(q * bins), bins - 1) == b]))
            for b in {min(int(q * bins), bins - 1) for q in p}
        ),
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
        "thresholds of class 1 alone": lambda probabilities, labels, m, a: threshold_with(
            candidates=sorted({p for p, y in zip(probabilities, labels, strict=True) if y} or {1.0})
        )(probabilities, labels, m, a),
        "nobody, too": lambda probabilities, labels, m, a: threshold_with(
            candidates=[*sorted(set(probabilities)), 2.0]
        )(probabilities, labels, m, a),
        "everybody, too": lambda probabilities, labels, m, a: threshold_with(
            candidates=[0.0, *sorted(set(probabilities))]
        )(probabilities, labels, m, a),
        "in the order given": lambda probabilities, labels, m, a: threshold_with(candidates=probabilities)(
            probabilities, labels, m, a
        ),
        "halfway between": lambda probabilities, labels, m, a: (
            lambda best, s: (best + max([p for p in s if p < best], default=best)) / 2
        )(threshold_with()(probabilities, labels, m, a), probabilities),
        "the theory's": lambda probabilities, labels, m, a: a / (a + m),
        "shares of the classes": lambda probabilities, labels, m, a: threshold_with(
            costs=lambda miss, alarm: (miss / max(sum(labels), 1), alarm / max(len(labels) - sum(labels), 1))
        )(probabilities, labels, m, a),
    },
    "classify.sign_test": {
        "one side": sign_with(factor=1),
        "above 1": sign_with(cap=math.inf),
        "exactly this": sign_with(tail=lambda n, most: [most]),
        "the tail of A alone": a_alone,
        "all texts": sign_with(use=lambda a, b, n: (a, n - a)),
        "more uneven only": sign_with(tail=lambda n, most: range(most + 1, n + 1)),
        "powers of one half": by_coins,
        "the normal curve": by_the_bell,
        "0 without a difference": lambda right_a, right_b: (
            0.0 if list(right_a) == list(right_b) else sign_with()(right_a, right_b)
        ),
        "the shares differ": lambda right_a, right_b: abs(sum(right_a) - sum(right_b)) / len(right_a),
        "the difference alone": sign_with(use=lambda a, b, n: (abs(a - b), 0)),
        "the tail of B alone": lambda right_a, right_b: a_alone(right_b, right_a),
        "right answers of both": lambda right_a, right_b: sign_with(use=lambda a, b, n: (sum(right_a), sum(right_b)))(
            right_a, right_b
        ),
    },
}
