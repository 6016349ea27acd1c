"""Exercises of chapter 03."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from lmtutor.exercises.examine import Exercise, compare, same
from lmtutor.models.recurrent import RecurrentLanguageModel


def softmax_gradient(z: list[float], y: int) -> np.ndarray:
    """Slopes of -ln softmax(z)[y]: softmax(z), minus 1 at y."""
    e = np.exp(np.array(z) - max(z))
    gradient = e / e.sum()
    gradient[y] -= 1
    return gradient


def _remark_softmax_gradient(arguments, expected, got):
    z, y = arguments
    if same((-expected).tolist(), got, 1e-6):
        return (
            "The sign is the other way round: the slope of a loss is positive where raising the logit makes it worse."
        )
    if same((expected + np.eye(len(z))[y]).tolist(), got, 1e-6):
        return "Those are the probabilities; subtract 1 at the word that came."
    if not np.isfinite(np.array(list(got), dtype=float)).all():
        return _OVERFLOW
    return ""


_OVERFLOW = (
    "A large logit overflows in exp, and where all are far below 0 each exp is 0: subtract the largest logit from all "
    "of them first."
)


def _failure_softmax_gradient(arguments, error):
    return _OVERFLOW if isinstance(error, OverflowError) else ""


def shares(counts: torch.Tensor) -> torch.Tensor:
    """Each row divided by its sum: [rows, columns]."""
    return counts / counts.sum(1, keepdim=True)


def _remark_shares(arguments, expected, got):
    (counts,) = arguments
    if same((counts / counts.sum(0)).tolist(), got, 1e-6):
        return "Those are shares of the columns: sum over axis 1, which runs along a row."
    if same((counts / counts.sum()).tolist(), got, 1e-6):
        return "Those are shares of the whole table; each row should sum to 1."
    if counts.shape[0] == counts.shape[1] and same((counts / counts.sum(1)).tolist(), got, 1e-6):
        return (
            "counts.sum(1) has the shape [rows], so broadcasting lays it along the columns: keep it a column with "
            "keepdim=True."
        )
    return ""


def _failure_shares(arguments, error):
    return "counts.sum(1) has the shape [rows]; keepdim=True makes it [rows, 1]." if "size" in str(error) else ""


def two_layer(x, y, W1, b1, W2, b2) -> tuple[torch.Tensor, ...]:
    """Gradients of the mean cross-entropy of tanh(x @ W1 + b1) @ W2 + b2 for W1, b1, W2 and b2."""
    h = torch.tanh(x @ W1 + b1)  # [batch, hidden]
    dz = (h @ W2 + b2).softmax(-1)  # [batch, classes]
    dz[torch.arange(len(x)), y] -= 1
    dz = dz / len(x)
    da = (dz @ W2.T) * (1 - h**2)  # [batch, hidden]
    return x.T @ da, da.sum(0), h.T @ dz, dz.sum(0)


def _remark_two_layer(arguments, expected, got):
    x, y, W1, b1, W2, b2 = arguments
    if len(got) != 4:
        return "Four gradients are wanted, in the order W1, b1, W2, b2."
    names = ("W1", "b1", "W2", "b2")
    if same([g * len(x) for g in expected], got, 1e-6):
        return "The loss is a mean over the batch, so each slope of a logit is divided by the number of rows."
    wrong = [name for name, right, mine in zip(names, expected, got, strict=True) if not same(right, mine, 1e-6)]
    if wrong == ["W1", "b1"]:
        h = torch.tanh(x @ W1 + b1)
        dz = ((h @ W2 + b2).softmax(-1) - torch.eye(W2.shape[1])[y]) / len(x)
        if same(x.T @ (dz @ W2.T), got[0], 1e-6):
            return "The layer on top is right; on the way through tanh the slope is multiplied by 1 - h**2."
        return "The layer on top is right; look at the way through tanh: h stands where the sum before it stood."
    return f"Wrong: {', '.join(wrong)}."


def adamw_step(w, g, m, v, t, rate, betas=(0.9, 0.999), epsilon=1e-8, decay=0.01) -> tuple[torch.Tensor, ...]:
    """One step of AdamW, the t-th (t = 1, 2, ...): the new w, m and v."""
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    mean, square = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w - rate * mean / (square.sqrt() + epsilon) - rate * decay * w, m, v


def _remark_adamw_step(arguments, expected, got):
    w, g, m, v, t, rate, betas, epsilon, decay = (*arguments, (0.9, 0.999), 1e-8, 0.01)[:9]
    if len(got) != 3:
        return "Three tensors are wanted: the new w, m and v."
    right = [same(mine, theirs, 1e-6) for mine, theirs in zip(expected, got, strict=True)]
    new_m, new_v = expected[1], expected[2]
    if right[1:] == [True, True]:
        if same((w - rate * new_m / (new_v.sqrt() + epsilon) - rate * decay * w), got[0], 1e-6):
            return "m and v are right, but the step uses them uncorrected: divide by 1 - beta ** t first."
        undecayed = adamw_step(w, g, m, v, t, rate, betas, epsilon, 0.0)[0]
        if same(undecayed, got[0], 1e-6):
            return "The weight decay is missing: subtract rate * decay * w as well."
        return "m and v are right; the step is not."
    coupled = adamw_step(w, g + decay * w, m, v, t, rate, betas, epsilon, 0.0)
    if same(list(coupled), got, 1e-6):
        return (
            "The decay stands in the gradient, as in L2 regularisation; AdamW subtracts it from the weights directly."
        )
    hatted = (new_m / (1 - betas[0] ** t), new_v / (1 - betas[1] ** t))
    if same(hatted[0], got[1], 1e-6) or same(hatted[1], got[2], 1e-6):
        return "You return the corrected means; m and v themselves are carried on uncorrected."
    if not right[2] and right[1]:
        return "m is right; v is the running mean of the squares g**2, with the second beta."
    return ""


def next_token_loss(logits: torch.Tensor, ids: torch.Tensor, pad: int) -> torch.Tensor:
    """Mean of -ln P of each token after the first, padding left out; logits [batch, time, vocab], ids [batch, time]."""
    wanted = ids[:, 1:]
    log_p = logits[:, :-1].log_softmax(-1).gather(2, wanted[:, :, None])[:, :, 0]  # [batch, time - 1]
    return -log_p[wanted != pad].mean()


def _remark_next_token_loss(arguments, expected, got):
    logits, ids, pad = arguments
    cross_entropy = torch.nn.functional.cross_entropy
    if same(cross_entropy(logits.flatten(0, 1), ids.flatten()), got, 1e-5):
        return "That still asks each place for the token that it has just read."
    if same(cross_entropy(logits.flatten(0, 1), ids.flatten(), ignore_index=pad), got, 1e-5):
        return "Padding is left out now, but each place is still asked for the token that it has just read."
    if same(cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()), got, 1e-5):
        return "Shifted, but padding counts as text: leave out the places whose label is `pad`."
    if same(cross_entropy(logits[:, 1:].flatten(0, 1), ids[:, :-1].flatten(), ignore_index=pad), got, 1e-5):
        return "Shifted the wrong way: the logits of place t are for token t + 1."
    rows = [next_token_loss(logits[i : i + 1], ids[i : i + 1], pad) for i in range(len(ids))]
    if same(torch.stack(rows).mean(), got, 1e-5):
        return "That is a mean of the rows' means; every token should count alike."
    return ""


def rnn_step(x, h, W_x, W_h, b_x, b_h) -> torch.Tensor:
    """tanh(W_x x + b_x + W_h h + b_h) for a batch: [batch, hidden]."""
    return torch.tanh(x @ W_x.T + b_x + h @ W_h.T + b_h)


def _remark_rnn_step(arguments, expected, got):
    x, h, W_x, W_h, b_x, b_h = arguments
    if same(torch.arctanh(expected), got, 1e-5):
        return "That is the sum before the squashing: apply torch.tanh."
    if same(torch.tanh(x @ W_x.T + b_x).tolist(), got, 1e-6):
        return "The state before does not come in: add h @ W_h.T + b_h."
    if h.shape[1] == W_h.shape[1] and same(torch.tanh(x @ W_x.T + b_x + h @ W_h + b_h).tolist(), got, 1e-6):
        return "W_h must be transposed: W_h has a row for each number of the new state."
    return ""


def lstm_step(x, h, c, W, U, b) -> tuple[torch.Tensor, torch.Tensor]:
    """The next hidden state and cell, gates in PyTorch's order i, f, g, o: two tensors [batch, hidden]."""
    i, f, g, o = (x @ W.T + h @ U.T + b).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _remark_lstm_step(arguments, expected, got):
    x, h, c, W, U, b = arguments
    i, f, g, o = (x @ W.T + h @ U.T + b).chunk(4, dim=-1)
    if same([expected[1], expected[0]], got, 1e-6):
        return "You return the cell first; the hidden state comes first."
    if same(expected[0], got, 1e-6):
        return "The hidden state is right; return the new cell with it: two tensors."
    swapped = torch.sigmoid(i) * c + torch.sigmoid(f) * torch.tanh(g)
    if same(swapped.tolist(), got[1], 1e-6):
        return "Input and forget gate are exchanged: f keeps the old cell, i lets the new one in."
    unsquashed = torch.sigmoid(f) * c + torch.sigmoid(i) * g
    if same(unsquashed.tolist(), got[1], 1e-6):
        return "What could be written is tanh(g), not g."
    if same(expected[1], got[1], 1e-6):
        return "The cell is right; the hidden state is sigmoid(o) * tanh(new cell)."
    for order in itertools.permutations("ifgo"):
        sums = dict(zip(order, (i, f, g, o), strict=True))
        cell = torch.sigmoid(sums["f"]) * c + torch.sigmoid(sums["i"]) * torch.tanh(sums["g"])
        if same([torch.sigmoid(sums["o"]) * torch.tanh(cell), cell], got, 1e-6):
            return f"You take the four sums in the order {', '.join(order)}; here it is i, f, g, o."
    return ""


def inputs_and_labels(ids: list[int]) -> tuple[list[int], list[int]]:
    """All ids but the last, and all but the first."""
    return ids[:-1], ids[1:]


def _remark_inputs_and_labels(arguments, expected, got):
    (ids,) = arguments
    inputs, labels = (list(part) for part in got)
    if inputs == labels:
        return "Inputs and labels are the same, so a model would only learn to copy what it sees."
    if [inputs, labels] == [ids[1:], ids[:-1]]:
        return "Exchanged: the model reads what was, and predicts what comes."
    if len(inputs) != len(labels):
        return "Each input needs a label: as many labels as inputs. The last id has no label, so it is no input."
    return ""


def clip(gradients: list[np.ndarray], limit: float) -> list[np.ndarray]:
    """All gradients times min(1, limit / their common norm)."""
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    return [g * min(1.0, limit / norm) if norm else g for g in gradients]


def _remark_clip(arguments, expected, got):
    gradients, limit = arguments
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    if same([np.clip(g, -limit, limit) for g in gradients], got, 1e-6):
        return "You cut each number by itself, which changes the direction; scale all of them by one factor."
    each = [g * min(1.0, limit / max(float(np.sqrt((g**2).sum())), 1e-12)) for g in gradients]
    if same(each, got, 1e-6):
        return "You clip each array by its own norm; take one norm over all of them."
    if norm < limit and norm and same([g * limit / norm for g in gradients], got, 1e-6):
        return "A gradient below the limit must stay as it is."
    if norm > limit and same([g * limit / norm**2 for g in gradients], got, 1e-6):
        return "You divide by the sum of the squares; the norm is its root."
    return _ZEROS if not norm else ""


_ZEROS = "The norm of zeros is 0, and nothing can be divided by it: leave such a gradient as it is."


def _failure_clip(arguments, error):
    return _ZEROS if isinstance(error, ZeroDivisionError) else ""


def lstm_parameters(input_size: int, hidden_size: int) -> int:
    """Number of parameters of nn.LSTM(input_size, hidden_size): four times two matrices' rows and two biases."""
    return 4 * hidden_size * (input_size + hidden_size + 2)


def _remark_lstm_parameters(arguments, expected, got):
    input_size, hidden_size = arguments
    if got == 4 * hidden_size * (input_size + hidden_size + 1):
        return "That has one bias vector for each gate; PyTorch keeps two, one beside each matrix."
    if got == expected // 4:
        return "That is one gate; there are three, and the candidate g."
    if got == expected * 3 // 4:
        return "There are three gates, but the candidate g has its matrices and biases, too."
    if got == 4 * hidden_size * (input_size + hidden_size):
        return "The biases are missing."
    return ""


def top_p(p: list[float], share: float) -> np.ndarray:
    """Keep the fewest of the likeliest tokens that have `share` together, and normalise."""
    p = np.array(p, dtype=float)
    order = np.argsort(-p, kind="stable")
    kept = np.zeros_like(p)
    for j in order:
        if kept.sum() >= share:
            break
        kept[j] = p[j]
    return kept / kept.sum()


def _remark_top_p(arguments, expected, got):
    p, share = arguments
    kept = np.where(expected > 0, p, 0)
    if same(kept.tolist(), got, 1e-9):
        return "The probabilities that are left must be made to sum to 1 again."
    got = np.array([float(x) for x in got])
    if np.isnan(got).any() or (got > 0).sum() < (expected > 0).sum():
        return "The token with which the sum reaches the share is kept, too: otherwise less than the share is left."
    if (got > 0).sum() > (expected > 0).sum():
        return (
            "You keep more than you need: begin with the likeliest, and stop as soon as the sum is at least the share."
        )
    if same(np.sort(expected), np.sort(got), 1e-9):
        return (
            "The right numbers at the wrong places: each token stays where it was, and of equal ones the first is kept."
        )
    return ""


def context_curve(model: RecurrentLanguageModel, ids: list[int], lengths: list[int]) -> list[float]:
    """Perplexity of the same tokens, when the model sees only the last k tokens before each, for each k."""
    places = range(max(lengths), len(ids))
    labels = torch.tensor([ids[i] for i in places])
    curve = []
    with torch.no_grad():
        for k in lengths:
            windows = torch.tensor([ids[i - k : i] for i in places])  # [places, k]
            logits = model(windows)[0][:, -1]  # [places, vocab]
            curve.append(math.exp(torch.nn.functional.cross_entropy(logits, labels).item()))
    return curve


def _remark_context_curve(arguments, expected, got):
    model, ids, lengths = arguments
    own = [context_curve(model, ids, [k])[0] for k in lengths]
    if same(own, got, 1e-5):
        return (
            "Each length is measured on other tokens: with k = 1 you predict from the second token on. Predict "
            "the same tokens for all lengths: those from place max(lengths) on."
        )
    if same(np.log(expected).tolist(), got, 1e-5):
        return "That is the cross-entropy; the perplexity is its exponential."
    everywhere = []
    for k in lengths:
        places = range(max(lengths), len(ids))
        with torch.no_grad():
            logits = model(torch.tensor([ids[i - k : i] for i in places]))[0].flatten(0, 1)  # [places * k, vocab]
        labels = torch.tensor([ids[i - k + 1 : i + 1] for i in places]).flatten()
        everywhere.append(math.exp(torch.nn.functional.cross_entropy(logits, labels).item()))
    if same(everywhere, got, 1e-5):
        return "You count the predictions at all places of a window; only the one at the last place has seen k tokens."
    if len(lengths) > 1 and len(set(np.round(list(got), 6))) == 1:
        return "All lengths give the same: does the model really see only the last k tokens, with a new state?"
    return ""


def _matrices(rows: int, inputs: int, hidden: int, factor: int, seed: int, biases: int) -> list[torch.Tensor]:
    """x, matrices and biases with round numbers, so that a learner can follow by hand."""
    g = torch.Generator().manual_seed(seed)
    shapes = [(rows, inputs), (factor * hidden, inputs), (factor * hidden, hidden), *[(factor * hidden,)] * biases]
    return [torch.randint(-4, 5, shape, generator=g) / 4 for shape in shapes]


def _rnn_case(rows: int, inputs: int, hidden: int, seed: int) -> tuple:
    x, W_x, W_h, b_x, b_h = _matrices(rows, inputs, hidden, 1, seed, 2)
    return x, torch.full((rows, hidden), 0.5), W_x, W_h, b_x, b_h


def _lstm_case(rows: int, inputs: int, hidden: int, seed: int) -> tuple:
    x, W, U, b = _matrices(rows, inputs, hidden, 4, seed, 1)
    return x, torch.full((rows, hidden), 0.5), torch.full((rows, hidden), -0.25), W, U, b


def _two_states(case: tuple) -> tuple:
    """The case with another old state for each of its two texts."""
    x, h, *rest = case
    return x, torch.tensor([[0.5, -1.0], [0.25, 0.0]]), *rest


def _tiny_model() -> RecurrentLanguageModel:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = RecurrentLanguageModel(5, embedding_size=3, hidden_size=4)
        with torch.no_grad():  # far from uniform, so that different answers differ
            model.embedding.weight *= 20
            model.output.bias.copy_(torch.linspace(-1, 1, 5))
    return model.eval()


def _two_layer_case(batch: int, inputs: int, hidden: int, classes: int, seed: int) -> tuple:
    g = torch.Generator().manual_seed(seed)
    shapes = [(batch, inputs), (inputs, hidden), (hidden,), (hidden, classes), (classes,)]
    x, W1, b1, W2, b2 = (torch.randint(-4, 5, shape, generator=g) / 4 for shape in shapes)
    return x, torch.randint(classes, (batch,), generator=g), W1, b1, W2, b2


def _adamw_case(t: int, rate: float, betas: tuple, epsilon: float, decay: float, shape: tuple, seed: int) -> tuple:
    g = torch.Generator().manual_seed(seed)
    w, slope, m = (torch.randint(-4, 5, shape, generator=g) / 4 for _ in range(3))
    v = torch.randint(1, 9, shape, generator=g) / 8
    return w, slope, (m if t > 1 else 0 * m), (v if t > 1 else 0 * v), t, rate, betas, epsilon, decay


def _padded_case(lengths: list[int], vocab: int, pad: int, seed: int) -> tuple:
    g = torch.Generator().manual_seed(seed)
    ids = torch.full((len(lengths), max(lengths)), pad)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.tensor([i for i in range(vocab) if i != pad])[
            torch.randint(vocab - 1, (length,), generator=g)
        ]
    return torch.randint(-8, 9, (*ids.shape, vocab), generator=g) / 4, ids, pad


_ONE = torch.ones(1, 1)
_TINY = (torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.0]), torch.tensor([0.25, 2e-8]), torch.tensor([0.5, 0.0]))

EXERCISES = {
    "shares": Exercise(
        hint="counts.sum(1) adds along each row; with keepdim=True the sums stay a column, [rows, 1], and a division "
        "spreads them over the columns.",
        examine=compare(
            shares,
            [
                (torch.tensor([[1.0, 3.0]]),),
                (torch.tensor([[1.0, 3.0], [4.0, 4.0]]),),
                (torch.tensor([[1.0, 3.0, 4.0], [2.0, 0.0, 2.0]]),),
                (torch.tensor([[5.0], [2.0]]),),
            ],
            remark=_remark_shares,
            failure=_failure_shares,
        ),
    ),
    "softmax_gradient": Exercise(
        hint="First the softmax: exponentials divided by their sum (subtract max(z) from all logits before, so that "
        "none overflows). Then subtract 1 from the entry y.",
        examine=compare(
            softmax_gradient,
            [
                ([0.0, 0.0], 0),
                ([2.0, 1.0, 0.0], 1),
                ([-1.0, 0.5, 3.0], 2),
                ([1000.0, 0.0], 0),
                ([0.0, 1000.0], 0),
                ([1000.0, -1000.0], 1),
                ([1000.0, 999.0], 1),
                ([-1000.0, -1001.0], 0),
            ],
            remark=_remark_softmax_gradient,
            failure=_failure_softmax_gradient,
        ),
    ),
    "two_layer": Exercise(
        hint="Forward first: h = torch.tanh(x @ W1 + b1), p = (h @ W2 + b2).softmax(-1). The slope of the logits is p, "
        "minus 1 at each row's y, divided by the number of rows. Then h.T @ dz, dz.sum(0), dz @ W2.T, * (1 - h**2).",
        examine=compare(
            two_layer,
            [
                _two_layer_case(1, 1, 1, 2, 0),
                _two_layer_case(1, 2, 2, 2, 1),
                _two_layer_case(2, 1, 2, 3, 2),
                _two_layer_case(4, 3, 5, 4, 3),
            ],
            tolerance=1e-5,
            remark=_remark_two_layer,
        ),
    ),
    "adamw_step": Exercise(
        hint="New m and v first. Then divide them by 1 - beta1 ** t and 1 - beta2 ** t, but return them undivided. "
        "w - rate * mean / (square.sqrt() + epsilon) - rate * decay * w.",
        examine=compare(
            adamw_step,
            [
                _adamw_case(1, 0.5, (0.5, 0.75), 0.0, 0.0, (1,), 3),
                _adamw_case(2, 0.5, (0.5, 0.75), 0.0, 0.0, (1,), 1),
                _adamw_case(2, 0.5, (0.5, 0.75), 0.25, 0.0, (2,), 2),
                _adamw_case(3, 0.25, (0.5, 0.75), 0.0, 0.5, (2,), 3),
                _adamw_case(5, 0.125, (0.9, 0.999), 0.5, 0.25, (2, 3), 4),
                (*_TINY, 1, 0.25),  # betas, epsilon and decay as they are if not given; epsilon counts
            ],
            tolerance=1e-5,
            remark=_remark_adamw_step,
        ),
    ),
    "clip": Exercise(
        hint="The common norm is the root of the sum of all squares, over all arrays. If it is above the limit, "
        "multiply everything by limit / norm. Mind a gradient of zeros.",
        examine=compare(
            clip,
            [
                ([np.array([3.0, 4.0])], 1.0),
                ([np.array([3.0, 4.0]), np.array([12.0, 0.0])], 2.5),
                ([np.array([0.3, 0.4])], 1.0),
                ([np.array([0.0, 0.0])], 1.0),
                ([np.array([0.0]), np.array([3.0, 4.0])], 1.0),
                ([np.array([0.3]), np.array([0.0, 0.4])], 0.25),
                ([np.array([[3.0, 0.0], [0.0, 4.0]])], 1.0),
                ([np.array([3.0, -4.0]), np.array([12.0, 0.0])], 1.0),
            ],
            remark=_remark_clip,
            failure=_failure_clip,
        ),
    ),
    "next_token_loss": Exercise(
        hint="The logits of places 0 ... T - 2 belong to the tokens of places 1 ... T - 1: logits[:, :-1] and "
        "ids[:, 1:]. F.cross_entropy has an argument ignore_index.",
        examine=compare(
            next_token_loss,
            [
                _padded_case([2], 3, 0, 0),
                _padded_case([4], 3, 0, 1),
                _padded_case([4, 2], 4, 0, 2),
                _padded_case([2, 5, 3], 6, 5, 3),
                _padded_case([5, 2], 4, 2, 4),
            ],
            tolerance=1e-5,
            remark=_remark_next_token_loss,
        ),
    ),
    "rnn_step": Exercise(
        hint="@ multiplies matrices. x @ W_x.T is [batch, hidden]; so is h @ W_h.T. Add the biases, then torch.tanh.",
        examine=compare(
            rnn_step,
            [
                (_ONE, 0 * _ONE, 0.5 * _ONE, _ONE, 0 * _ONE[0], 0 * _ONE[0]),
                (_ONE, 0.5 * _ONE, 0.5 * _ONE, _ONE, 0 * _ONE[0], 0 * _ONE[0]),
                _rnn_case(1, 1, 2, 0),
                _rnn_case(2, 3, 2, 1),
                _two_states(_rnn_case(2, 3, 2, 1)),
            ],
            tolerance=1e-5,
            remark=_remark_rnn_step,
        ),
    ),
    "lstm_step": Exercise(
        hint="i, f, g, o = (x @ W.T + h @ U.T + b).chunk(4, dim=-1); sigmoid on i, f, o; tanh on g. New cell first, "
        "then h = sigmoid(o) * tanh(new cell).",
        examine=compare(
            lstm_step,
            [
                _lstm_case(1, 1, 1, 0),
                _lstm_case(1, 1, 2, 1),
                _lstm_case(2, 3, 2, 2),
                _two_states(_lstm_case(2, 3, 2, 2)),
                _lstm_case(1, 1, 5, 3),
            ],
            tolerance=1e-5,
            remark=_remark_lstm_step,
        ),
    ),
    "lstm_parameters": Exercise(
        hint="sum(p.numel() for p in nn.LSTM(2, 3).parameters()) tells the answer for one case; look at the shapes.",
        examine=compare(lstm_parameters, [(3, 4), (2, 3), (64, 256)], remark=_remark_lstm_parameters),
    ),
    "inputs_and_labels": Exercise(
        hint="ids[:-1] leaves out the last one, ids[1:] the first one.",
        examine=compare(
            inputs_and_labels,
            [([1, 2],), ([5, 6, 7, 8],), ([3, 3, 3, 1],), ([5, 6, 5],), ([0, 4, 0, 0],), ([9],)],
            remark=_remark_inputs_and_labels,
        ),
    ),
    "top_p": Exercise(
        hint="Sort by falling probability (np.argsort(-p, kind='stable'): equal ones keep their order), add up until "
        "the sum reaches the share, keep those, and divide by their sum.",
        examine=compare(
            top_p,
            [
                ([1.0], 0.5),
                ([0.5, 0.25, 0.25], 0.7),
                ([0.5, 0.25, 0.25], 0.5),
                ([0.125, 0.5, 0.375], 0.25),
                ([0.125, 0.5, 0.25, 0.125], 0.75),
                ([0.25, 0.5, 0.125, 0.125], 1.0),
                ([1 / 128, 1 / 64] * 40 + [1 / 128] * 8, 0.75),  # a sort that is not stable mixes them up
            ],
            remark=_remark_top_p,
        ),
    ),
    "context_curve": Exercise(
        hint="For each k: windows [ids[i - k : i] for the places i], as a tensor [places, k]; model(windows)[0][:, -1] "
        "are the logits after the last token, F.cross_entropy(logits, labels) their mean loss. Which places i are the "
        "same for all k?",
        examine=compare(
            context_curve,
            [
                (_tiny_model(), [0, 1, 2, 3], [2]),
                (_tiny_model(), [0, 4, 2, 3, 1, 2, 0, 3], [1, 3]),
                (_tiny_model(), [1, 4, 2, 2, 1, 0, 0, 3, 4, 1], [1, 2, 5]),
                (_tiny_model(), [0, 4, 2, 3, 1, 2, 0, 3], [3, 1]),
            ],
            tolerance=1e-4,
            remark=_remark_context_curve,
        ),
    ),
}
