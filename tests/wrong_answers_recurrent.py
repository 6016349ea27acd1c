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


def softmax_after(change):
    """The gradient with another way against overflow; NaN and infinity come without a warning."""

    def softmax_gradient(z, y):
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(change(np.array(z, dtype=float), y))
            return e / e.sum() - one_hot(y, len(z))

    return softmax_gradient


def clip_with(size=lambda g: (g**2).sum(), factor=lambda limit, norm: min(1.0, limit / norm), zero=lambda gs: False):
    """Clipping with one thing done differently."""

    def clip(gradients, limit):
        whole = math.sqrt(sum(float(size(g)) for g in gradients))
        return gradients if zero(gradients) or not whole else [g * factor(limit, whole) for g in gradients]

    return clip


def by_value(p, share):
    """Keeps all that are as likely as the last one needed."""
    p = np.array(p)
    ordered = np.sort(p)[::-1]
    least = ordered[min(np.searchsorted(np.cumsum(ordered), share), len(p) - 1)]
    kept = np.where(p >= least, p, 0)
    return kept / kept.sum()


def last_of_equals(p, share):
    return top_p_with()(p[::-1], share)[::-1]


def in_their_order(p, share):
    p = np.array(p)
    kept = np.where(np.cumsum(p) - p < share, p, 0)
    return kept / kept.sum()


def two_layer_with(
    scale=lambda dz, x: dz / len(x),
    through=lambda dh, h, a: dh * (1 - h**2),
    down=lambda dz, W2: dz @ W2.T,
    target=lambda p, y: p - torch.eye(p.shape[1])[y],
    out=lambda *gradients: gradients,
):
    """Back through two layers, with one thing done differently."""

    def two_layer(x, y, W1, b1, W2, b2):
        a = x @ W1 + b1
        h = tanh(a)
        dz = scale(target((h @ W2 + b2).softmax(-1), y), x)
        da = through(down(dz, W2), h, a)
        return out(x.T @ da, da.sum(0), h.T @ dz, dz.sum(0))

    return two_layer


def adamw_with(
    correct=lambda mean, beta, t: mean / (1 - beta**t),
    square=lambda g: g**2,
    under=lambda v, epsilon: v.sqrt() + epsilon,
    shrink=lambda w, rate, decay: rate * decay * w,
    into=lambda g, w, decay: g,
    out=lambda w, m, v: (w, m, v),
    swapped=False,
):
    """A step of AdamW with one thing done differently."""

    def adamw_step(w, g, m, v, t, rate, betas=(0.9, 0.999), epsilon=1e-8, decay=0.01):
        one, two = betas[::-1] if swapped else betas
        g = into(g, w, decay)
        m = one * m + (1 - one) * g
        v = two * v + (1 - two) * square(g)
        step = rate * correct(m, one, t) / under(correct(v, two, t), epsilon)
        return out(w - step - shrink(w, rate, decay), m, v)

    return adamw_step


def token_loss(logits, ids, **options):
    return F.cross_entropy(logits.flatten(0, 1), ids.flatten(), **options)


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
        "the first logit subtracted": softmax_after(lambda z, y: z - z[0]),
        "the right logit subtracted": softmax_after(lambda z, y: z - z[y]),
        "the smallest logit subtracted": softmax_after(lambda z, y: z - z.min()),
        "the mean subtracted": softmax_after(lambda z, y: z - z.mean()),
        "logits cut off": softmax_after(lambda z, y: np.clip(z, -500, 500)),
        "cut off above": softmax_after(lambda z, y: np.minimum(z, 700)),
        "subtracted only where it is large": softmax_after(lambda z, y: z - (z.max() if z.max() > 700 else 0)),
        "divided by the largest": softmax_after(lambda z, y: z / np.abs(z).max() if z.any() else z),
        "a column": lambda z, y: (softmax(z) - one_hot(y, len(z)))[:, None],
        "1 at the likeliest": lambda z, y: softmax(z) - one_hot(int(np.argmax(z)), len(z)),
    },
    "recurrent.shares": {
        "of the columns": lambda counts: counts / counts.sum(0),
        "of the whole": lambda counts: counts / counts.sum(),
        "without keepdim": lambda counts: counts / counts.sum(1),
        "by the largest": lambda counts: counts / counts.max(1, keepdim=True).values,
        "softmax": lambda counts: counts.softmax(1),
        "the sums": lambda counts: counts.sum(1, keepdim=True),
        "by the number of columns": lambda counts: counts / counts.shape[1],
        "the first row's sum": lambda counts: counts / counts[0].sum(),
    },
    "recurrent.two_layer": {
        "a sum instead of a mean": two_layer_with(scale=lambda dz, x: dz),
        "divided by all logits": two_layer_with(scale=lambda dz, x: dz / dz.numel()),
        "tanh forgotten": two_layer_with(through=lambda dh, h, a: dh),
        "slope of tanh at h": two_layer_with(through=lambda dh, h, a: dh * (1 - tanh(h) ** 2)),
        "sigmoid's slope": two_layer_with(through=lambda dh, h, a: dh * h * (1 - h)),
        "1 - a squared": two_layer_with(through=lambda dh, h, a: dh * (1 - a**2)),
        "the wrong sign": two_layer_with(target=lambda p, y: torch.eye(p.shape[1])[y] - p),
        "probabilities alone": two_layer_with(target=lambda p, y: p),
        "the true class alone": two_layer_with(target=lambda p, y: (p - 1) * torch.eye(p.shape[1])[y]),
        "W2 forgotten": two_layer_with(down=lambda dz, W2: dz.sum(1, keepdim=True).expand(-1, len(W2))),
        "another order": two_layer_with(out=lambda W1, b1, W2, b2: (W2, b2, W1, b1)),
        "matrices only": two_layer_with(out=lambda W1, b1, W2, b2: (W1, W2)),
        "transposed": two_layer_with(out=lambda W1, b1, W2, b2: (W1.T, b1, W2.T, b2)),
        "bias of one row": two_layer_with(out=lambda W1, b1, W2, b2: (W1, b1 * 0, W2, b2)),
        "first row only": lambda x, y, *rest: two_layer_with()(x[:1], y[:1], *rest),
    },
    "recurrent.adamw_step": {
        "uncorrected": adamw_with(correct=lambda mean, beta, t: mean),
        "corrected by t - 1": adamw_with(correct=lambda mean, beta, t: mean / (1 - beta ** (t - 1) if t > 1 else 1)),
        "corrected for one step": adamw_with(correct=lambda mean, beta, t: mean / (1 - beta)),
        "corrected upside down": adamw_with(correct=lambda mean, beta, t: mean * (1 - beta**t)),
        "Adam: no decay": adamw_with(shrink=lambda w, rate, decay: 0),
        "L2 in the gradient": adamw_with(into=lambda g, w, decay: g + decay * w, shrink=lambda w, rate, decay: 0),
        "decay without the rate": adamw_with(shrink=lambda w, rate, decay: decay * w),
        "decay the wrong way": adamw_with(shrink=lambda w, rate, decay: -rate * decay * w),
        "the slope, not its square": adamw_with(square=lambda g: g),
        "absolute values": adamw_with(square=lambda g: g.abs()),
        "no root": adamw_with(under=lambda v, epsilon: v + epsilon),
        "epsilon inside the root": adamw_with(under=lambda v, epsilon: (v + epsilon).sqrt()),
        "no epsilon": adamw_with(under=lambda v, epsilon: v.sqrt()),
        "betas exchanged": adamw_with(swapped=True),
        "the weights alone": adamw_with(out=lambda w, m, v: w),
        "v before m": adamw_with(out=lambda w, m, v: (w, v, m)),
        "corrected means carried on": lambda w, g, m, v, t, rate, betas=(0.9, 0.999), epsilon=1e-8, decay=0.01: (
            lambda new: (new[0], new[1] / (1 - betas[0] ** t), new[2] / (1 - betas[1] ** t))
        )(adamw_with()(w, g, m, v, t, rate, betas, epsilon, decay)),
        "gradient descent": lambda w, g, m, v, t, rate, betas=(0.9, 0.999), epsilon=1e-8, decay=0.01: (
            w - rate * g,
            m,
            v,
        ),
    },
    "recurrent.next_token_loss": {
        "unshifted": lambda logits, ids, pad: token_loss(logits, ids),
        "unshifted, padding left out": lambda logits, ids, pad: token_loss(logits, ids, ignore_index=pad),
        "padding counts": lambda logits, ids, pad: token_loss(logits[:, :-1], ids[:, 1:]),
        "shifted the other way": lambda logits, ids, pad: token_loss(logits[:, 1:], ids[:, :-1], ignore_index=pad),
        "padding is always 0": lambda logits, ids, pad: token_loss(logits[:, :-1], ids[:, 1:], ignore_index=0),
        "two places on": lambda logits, ids, pad: token_loss(
            logits[:, : max(ids.shape[1] - 2, 1)], ids[:, -max(ids.shape[1] - 2, 1) :], ignore_index=pad
        ),
        "a sum": lambda logits, ids, pad: token_loss(logits[:, :-1], ids[:, 1:], ignore_index=pad, reduction="sum"),
        "a mean of means": lambda logits, ids, pad: torch.stack(
            [token_loss(z[None, :-1], i[None, 1:], ignore_index=pad) for z, i in zip(logits, ids, strict=True)]
        ).mean(),
        "divided by all places": lambda logits, ids, pad: (
            token_loss(logits[:, :-1], ids[:, 1:], ignore_index=pad, reduction="sum") / ids[:, 1:].numel()
        ),
        "the inputs' padding": lambda logits, ids, pad: F.cross_entropy(
            logits[:, :-1][ids[:, :-1] != pad], ids[:, 1:][ids[:, :-1] != pad]
        ),
        "the axes mixed up": lambda logits, ids, pad: F.cross_entropy(
            logits[:, :-1].reshape(len(ids), logits.shape[2], -1), ids[:, 1:], ignore_index=pad
        ),
        "the sign": lambda logits, ids, pad: -token_loss(logits[:, :-1], ids[:, 1:], ignore_index=pad),
        "bits": lambda logits, ids, pad: token_loss(logits[:, :-1], ids[:, 1:], ignore_index=pad) / math.log(2),
    },
    "recurrent.rnn_step": {
        "no squashing": rnn_with(squash=lambda z: z),
        "sigmoid": rnn_with(squash=sigmoid),
        "state forgotten": rnn_with(old=False),
        "one bias": rnn_with(biases=(1, 0)),
        "no bias": rnn_with(biases=(0, 0)),
        "not transposed": rnn_with(transposed=False),
        "added to the old state": lambda x, h, *rest: h + rnn(x, h, *rest),
        "the first of the batch": lambda x, *rest: rnn(x, *rest)[:1].expand(len(x), -1),
        "the mean state": lambda x, h, *rest: rnn(x, h.mean(0, keepdim=True).expand_as(h), *rest),
        "cut off": rnn_with(squash=lambda z: z.clamp(-1, 1)),
        "b_x twice": rnn_with(biases=(2, 0)),
        "squashed before the sum": lambda x, h, W_x, W_h, b_x, b_h: tanh(x @ W_x.T + b_x) + tanh(h @ W_h.T + b_h),
        "one text without its axis": lambda x, *rest: rnn(x, *rest).squeeze(0),
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
        "the old cell is shown": lambda x, h, c, W, U, b: (
            sigmoid((x @ W.T + h @ U.T + b).chunk(4, dim=-1)[3]) * tanh(c),
            lstm_with()(x, h, c, W, U, b)[1],
        ),
        "no bias": lambda x, h, c, W, U, b: lstm_with()(x, h, c, W, U, 0 * b),
        "no old state": lambda x, h, c, W, U, b: lstm_with()(x, 0 * h, c, W, U, b),
        "every fourth number": lambda x, h, c, W, U, b: (
            lambda i, f, g, o, cell: (sigmoid(o) * tanh(sigmoid(f) * cell + sigmoid(i) * tanh(g)),) * 2
        )(*(x @ W.T + h @ U.T + b).unflatten(-1, (-1, 4)).unbind(-1), c),
        "the candidate beside the gates": lstm_with(keep=lambda f, i: (f, 1)),
        "cut along the batch": lambda x, h, c, W, U, b: lstm_with()(x[:1], h[:1], c[:1], W, U, b),
    },
    "recurrent.inputs_and_labels": {
        "copying": lambda ids: (ids, ids),
        "exchanged": lambda ids: (ids[1:], ids[:-1]),
        "the last input has no label": lambda ids: (ids, ids[1:]),
        "two places on": lambda ids: (ids[:-2], ids[2:]),
        "the last token alone": lambda ids: (ids[:-1], ids[-1]),
        "moved round": lambda ids: (ids, ids[1:] + ids[:1]),
        "all that is not the last one": lambda ids: ([i for i in ids if i != ids[-1]], ids[1:]),
        "all that is not the first one": lambda ids: (ids[:-1], [i for i in ids if i != ids[0]]),
        "what comes after its first occurrence": lambda ids: (ids[:-1], [ids[ids.index(i) + 1] for i in ids[:-1]]),
        "the first that is like the last one": lambda ids: (
            [i for place, i in enumerate(ids) if place != ids.index(ids[-1])],
            ids[1:],
        ),
        "without padding": lambda ids: ([i for i in ids[:-1] if i], [i for i in ids[1:] if i]),
        "pairs": lambda ids: list(zip(ids[:-1], ids[1:], strict=True)),
        "each id once": lambda ids: (list(dict.fromkeys(ids[:-1])), list(dict.fromkeys(ids[1:]))),
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
        "one-dimensional only": clip_with(size=lambda g: np.square(g[0] if g.ndim > 1 else g).sum()),
        "the norm of matrices": clip_with(size=lambda g: np.linalg.norm(g, 2) ** 2),
        "the first array's norm": lambda gradients, limit: [
            g * min(1.0, limit / (float(np.sqrt((gradients[0] ** 2).sum())) or limit)) for g in gradients
        ],
        "nothing where one array is zeros": clip_with(zero=lambda gradients: not all(g.any() for g in gradients)),
        "always to 1": lambda gradients, limit: clip_with()(gradients, 1.0),
        "the mean of the squares": clip_with(size=lambda g: (g**2).mean()),
        "the root left out of the factor": clip_with(factor=lambda limit, norm: min(1.0, limit / norm) ** 2),
        "the largest number": lambda gradients, limit: [
            g * min(1.0, limit / (max(float(np.abs(a).max()) for a in gradients) or limit)) for g in gradients
        ],
        "all in one row": lambda gradients, limit: [np.concatenate([g.ravel() for g in clip_with()(gradients, limit)])],
    },
    "recurrent.lstm_parameters": {
        "one bias": lambda input_size, hidden_size: 4 * hidden_size * (input_size + hidden_size + 1),
        "no bias": lambda input_size, hidden_size: 4 * hidden_size * (input_size + hidden_size),
        "one gate": lambda input_size, hidden_size: hidden_size * (input_size + hidden_size + 2),
        "three gates": lambda input_size, hidden_size: 3 * hidden_size * (input_size + hidden_size + 2),
        "the state's matrix forgotten": lambda input_size, hidden_size: 4 * hidden_size * (input_size + 2),
        "one matrix for both": lambda input_size, hidden_size: 4 * hidden_size * (max(input_size, hidden_size) + 2),
        "biases of the input's size": lambda input_size, hidden_size: (
            4 * (hidden_size * (input_size + hidden_size) + input_size + hidden_size)
        ),
        "exchanged": lambda input_size, hidden_size: 4 * input_size * (input_size + hidden_size + 2),
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
        "all of equals": by_value,
        "the last of equals": last_of_equals,
        "the likeliest first, equal ones from behind": lambda p, share: (
            lambda order: top_p_with()(np.array(p)[order], share)[np.argsort(order)]
        )(np.argsort(np.array(p), kind="stable")[::-1]),
        "in their order": in_their_order,
        "divided by the share": lambda p, share: top_p_with(normalise=False)(p, share) / share,
        "the likeliest alone": lambda p, share: one_hot(int(np.argmax(p)), len(p)),
        "cut ones left out": lambda p, share: [x for x in top_p_with()(p, share) if x],
        "at most half": lambda p, share: top_p_with()(p, min(share, 0.5)),
        "softmax of what is left": lambda p, share: (
            np.exp(top_p_with()(p, share)) / np.exp(top_p_with()(p, share)).sum()
        ),
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
        "from the last of the lengths": context_with(places=lambda ids, lengths, k: range(lengths[-1], len(ids))),
        "lengths in order": lambda model, ids, lengths: context_with()(model, ids, sorted(lengths)),
        "without the last token": context_with(places=lambda ids, lengths, k: range(max(lengths), len(ids) - 1)),
        "from one place later": context_with(places=lambda ids, lengths, k: range(max(lengths) + 1, len(ids))),
        "the last token alone": context_with(places=lambda ids, lengths, k: [len(ids) - 1]),
        "one token more": context_with(window=lambda ids, i, k: ids[max(i - k - 1, 0) : i]),
        "the oldest tokens": context_with(window=lambda ids, i, k: ids[i - k : i][::-1]),
        "2 to the nats": context_with(end=lambda nats: 2**nats),
    },
}
