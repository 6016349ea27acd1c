"""Plausible wrong answers to the exercises of chapter 03."""

import math

import numpy as np
import torch
from torch.nn import functional as F

sigmoid, tanh = torch.sigmoid, torch.tanh


def softmax(z):
    e = np.exp(np.array(z) - max(z))
    return e / e.sum()


def one_hot(y, size):
    return np.eye(size)[y]


def rnn(x, h, W_x, W_h, b_x, b_h, *, squash=tanh, old=True, biases=(1, 1), transposed=True):
    W = W_h.T if transposed else W_h
    return squash(x @ W_x.T + biases[0] * b_x + biases[1] * b_h + (h @ W if old else 0))


def rnn_with(**changes):
    def rnn_step(x, h, W_x, W_h, b_x, b_h):
        return rnn(x, h, W_x, W_h, b_x, b_h, **changes)

    return rnn_step


def lstm_with(
    order="ifgo", candidate=tanh, shown=tanh, keep=lambda f, i: (f, i), out=lambda h, c: (h, c), gate=sigmoid
):
    """A step of an LSTM with one thing done differently."""

    def lstm_step(x, h, c, W, U, b):
        gates = dict(zip(order, (x @ W.T + h @ U.T + b).chunk(4, dim=-1), strict=True))
        f, i = keep(gate(gates["f"]), gate(gates["i"]))
        cell = f * c + i * candidate(gates["g"])
        return out(gate(gates["o"]) * shown(cell), cell)

    return lstm_step


def norm(gradients):
    return math.sqrt(sum(float((g**2).sum()) for g in gradients))


def top_p_with(enough=lambda total, share: total >= share, normalise=True, ascending=False):
    def top_p(p, share):
        kept, total = np.zeros(len(p)), 0.0
        for j in np.argsort(np.array(p) if ascending else -np.array(p), kind="stable"):
            if enough(total, share):
                break
            kept[j] = p[j]
            total += p[j]
        return kept / kept.sum() if normalise else kept

    return top_p


def too_few(p, share):
    order = np.argsort(-np.array(p), kind="stable")
    kept = np.zeros(len(p))
    inside = np.cumsum(np.array(p)[order]) <= share
    kept[order[inside]] = np.array(p)[order[inside]]
    return kept / kept.sum()


def context_with(
    places=lambda ids, lengths, k: range(max(lengths), len(ids)),
    window=lambda ids, i, k: ids[i - k : i],
    last=lambda logits: logits[:, -1],
    end=math.exp,
):
    def context_curve(model, ids, lengths):
        curve = []
        for k in lengths:
            at = places(ids, lengths, k)
            with torch.no_grad():
                logits = last(model(torch.tensor([window(ids, i, k) for i in at]))[0])
            curve.append(end(F.cross_entropy(logits, torch.tensor([ids[i] for i in at])).item()))
        return curve

    return context_curve


def all_places(model, ids, lengths):
    curve = []
    for k in lengths:
        at = range(max(lengths), len(ids))
        with torch.no_grad():
            logits = model(torch.tensor([ids[i - k : i] for i in at]))[0]
        labels = torch.tensor([ids[i - k + 1 : i + 1] for i in at])
        curve.append(math.exp(F.cross_entropy(logits.flatten(0, 1), labels.flatten()).item()))
    return curve


WRONG = {
    "recurrent.softmax_gradient": {
        "probabilities": lambda z, y: softmax(z),
        "minus": lambda z, y: one_hot(y, len(z)) - softmax(z),
        "overflow": lambda z, y: np.exp(np.float64(z)) / np.exp(np.float64(z)).sum() - one_hot(y, len(z)),
        "logits": lambda z, y: np.array(z) - one_hot(y, len(z)),
        "overflow with an error": lambda z, y: [
            math.exp(v) / sum(map(math.exp, z)) - (i == y) for i, v in enumerate(z)
        ],
        "the true word alone": lambda z, y: (softmax(z) - 1) * one_hot(y, len(z)),
        "one number": lambda z, y: softmax(z)[y] - 1,
        "of log p": lambda z, y: 1 / softmax(z),
    },
    "recurrent.rnn_step": {
        "no squashing": rnn_with(squash=lambda z: z),
        "sigmoid": rnn_with(squash=sigmoid),
        "state forgotten": rnn_with(old=False),
        "one bias": rnn_with(biases=(1, 0)),
        "no bias": rnn_with(biases=(0, 0)),
        "not transposed": rnn_with(transposed=False),
        "added to the old state": lambda x, h, *rest: h + rnn(x, h, *rest),
    },
    "recurrent.lstm_step": {
        "gates in another order": lstm_with(order="fiog"),
        "Keras's order with o and g exchanged": lstm_with(order="ifog"),
        "input and forget gate exchanged": lstm_with(keep=lambda f, i: (i, f)),
        "candidate not squashed": lstm_with(candidate=lambda g: g),
        "cell shown unsquashed": lstm_with(shown=lambda c: c),
        "cell first": lstm_with(out=lambda h, c: (c, h)),
        "hidden state alone": lstm_with(out=lambda h, c: h),
        "tanh gates": lstm_with(gate=tanh),
        "one minus the forget gate": lstm_with(keep=lambda f, i: (1 - f, i)),
        "a GRU's sum": lstm_with(keep=lambda f, i: (f, 1 - f)),
    },
    "recurrent.inputs_and_labels": {
        "copying": lambda ids: (ids, ids),
        "exchanged": lambda ids: (ids[1:], ids[:-1]),
        "the last input has no label": lambda ids: (ids, ids[1:]),
        "two places on": lambda ids: (ids[:-2], ids[2:]),
        "the last token alone": lambda ids: (ids[:-1], ids[-1]),
        "moved round": lambda ids: (ids, ids[1:] + ids[:1]),
    },
    "recurrent.clip": {
        "each number": lambda gradients, limit: [np.clip(g, -limit, limit) for g in gradients],
        "each array": lambda gradients, limit: [
            g * min(1.0, limit / max(math.sqrt((g**2).sum()), 1e-12)) for g in gradients
        ],
        "always scaled": lambda gradients, limit: [g * limit / norm(gradients) for g in gradients],
        "sent on unchanged above the limit": lambda gradients, limit: [g * max(1.0, limit) for g in gradients],
        "sum of absolute values": lambda gradients, limit: [
            g * min(1.0, limit / max(sum(np.abs(a).sum() for a in gradients), 1e-12)) for g in gradients
        ],
        "the squared norm": lambda gradients, limit: [
            g * min(1.0, limit / max(norm(gradients) ** 2, 1e-12)) for g in gradients
        ],
        "not at all": lambda gradients, limit: gradients,
        "zeros divided": lambda gradients, limit: [g * min(1.0, limit / norm(gradients)) for g in gradients],
    },
    "recurrent.lstm_parameters": {
        "one bias": lambda input_size, hidden_size: 4 * hidden_size * (input_size + hidden_size + 1),
        "no bias": lambda input_size, hidden_size: 4 * hidden_size * (input_size + hidden_size),
        "one gate": lambda input_size, hidden_size: hidden_size * (input_size + hidden_size + 2),
        "three gates": lambda input_size, hidden_size: 3 * hidden_size * (input_size + hidden_size + 2),
        "the state's matrix forgotten": lambda input_size, hidden_size: 4 * hidden_size * (input_size + 2),
    },
    "recurrent.top_p": {
        "not normalised": top_p_with(normalise=False),
        "too few": too_few,
        "one more when the share is reached": top_p_with(enough=lambda total, share: total > share),
        "one too many": top_p_with(enough=lambda total, share: total > share + 0.2),
        "unlikeliest first": top_p_with(ascending=True),
        "above the share": lambda p, share: (
            np.where(np.array(p) > share, p, 0) / max(sum(x for x in p if x > share), 1)
        ),
        "the order lost": lambda p, share: np.sort(top_p_with()(p, share))[::-1],
        "nothing cut": lambda p, share: np.array(p),
    },
    "recurrent.context_curve": {
        "other tokens for each length": context_with(places=lambda ids, lengths, k: range(k, len(ids))),
        "cross-entropy": context_with(end=lambda nats: nats),
        "bits": context_with(end=lambda nats: nats / math.log(2)),
        "everything before": context_with(window=lambda ids, i, k: ids[i - 2 : i]),
        "the first output": context_with(last=lambda logits: logits[:, 0]),
        "all places of a window": all_places,
        "sees the answer": context_with(window=lambda ids, i, k: ids[i - k + 1 : i + 1]),
        "one number": lambda model, ids, lengths: context_with()(model, ids, lengths)[-1],
        "turned round": lambda model, ids, lengths: context_with()(model, ids, lengths[::-1]),
    },
}
