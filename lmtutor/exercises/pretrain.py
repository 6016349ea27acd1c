"""Exercises of chapter 09."""

from __future__ import annotations

import math

import torch

from lmtutor.exercises.examine import Exercise, compare, same


def hidden_loss(log_p: list[list[float]], labels: list[int | None]) -> float:
    """The mean of -ln p of the right tokens, where there is one."""
    found = [-row[label] for row, label in zip(log_p, labels, strict=True) if label is not None]
    return sum(found) / len(found) if found else 0.0


def _remark_hidden_loss(arguments, expected, got):
    log_p, labels = arguments
    hidden = [row for row, label in zip(log_p, labels, strict=True) if label is not None]
    if same(-expected, got, 1e-9):
        return "ln p is below 0; the loss is *minus* its mean."
    if same(expected * len(hidden), got, 1e-9):
        return "That is the sum; take the mean over the hidden places."
    if same(expected * len(hidden) / len(labels), got, 1e-9):
        return "Divide by the number of hidden places, not of all places."
    if hidden and same(-sum(map(sum, hidden)) / len(hidden), got, 1e-9):
        return "That sums over the whole vocabulary; only the right token counts."
    return ""


def trust(share: float, random: float = 0.1, same: float = 0.1) -> float:
    """Bayes: the share of true tokens among those that are not the mask."""
    return (1 - share * (1 - same)) / (1 - share * (1 - random - same))


def _remark_trust(arguments, expected, got):
    share, random, unchanged = (*arguments, 0.1, 0.1)[:3]
    seen = 1 - share * (1 - random - unchanged)
    known = {
        1 - share * (1 - unchanged): "Of all tokens, yes; but this one is not the mask. Divide by how likely that is.",
        (1 - share) / seen: "Chosen tokens that stayed as they were are true, too.",
        1 - share: "Neither the mask nor the chosen tokens that stay are taken into account.",
        share * random / seen: "That is how likely it is wrong.",
        1 - share * random: "The mask is not a true token: it must be left out, above and below the line.",
        unchanged / (random + unchanged): "That is so for a *chosen* one; most visible tokens were not chosen.",
    }
    return next((remark for value, remark in known.items() if same(value, got, 1e-9)), "")


def parameters(vocab_size: int, max_length: int, d: int, num_layers: int) -> int:
    """Three embeddings and a norm, the layers, the pooler."""
    return (vocab_size + max_length + 2) * d + 2 * d + num_layers * (12 * d**2 + 13 * d) + d**2 + d


def _remark_parameters(arguments, expected, got):
    size, length, d, layers = arguments
    known = {
        d**2 + d: "The pooler is missing: a matrix and a bias.",
        2 * d: "The two segments, or the norm of the embeddings, are missing: 2 d each.",
        4 * d: "The two segments *and* the norm of the embeddings are missing.",
        length * d: "The vectors of the positions are missing.",
        d: "The pooler's bias is missing, or half of the norm: it has a gain and a bias.",
        -2 * d: "No further norm comes after the last layer: each of BERT's layers ends with one of its own.",
        -4 * d * layers: "The two norms of a layer are in its 12 d² + 13 d already.",
        -size * d: "The matrix of the embeddings counts once.",
        (layers - 1) * (12 * d**2 + 13 * d): "There is more than one layer.",
    }
    return known.get(expected - got, "")


def fair_accuracy(guess, tokens: list[str], mask: str) -> float:
    """The share that is guessed when each token, alone, is hidden."""
    right = 0
    for place, token in enumerate(tokens):
        right += guess([*tokens[:place], mask, *tokens[place + 1 :]], place) == token
    return right / len(tokens) if tokens else 0.0


def _copy(tokens, place):
    """Says what it reads."""
    return tokens[place]


def _left(tokens, place):
    """Says what stands before; at the first place "a"."""
    return tokens[place - 1] if place else "a"


def _both(tokens, place):
    """Says what stands on both sides if that is the same, else "b"."""
    before, behind = tokens[place - 1 : place], tokens[place + 1 : place + 2]
    return before[0] if before == behind and before else "b"


def _behind(tokens, place):
    """Says what stands behind, and nothing at the end."""
    return "".join(tokens[place + 1 : place + 2])


def _question(tokens, place):
    """Says "b" where it reads "?", else what it reads."""
    return "b" if tokens[place] == "?" else tokens[place]


def _remark_fair_accuracy(arguments, expected, got):
    guess, tokens, mask = arguments
    if same(sum(guess(tokens, i) == t for i, t in enumerate(tokens)) / len(tokens), got, 1e-9):
        return "The token can still be read: put the mask in its place first."
    if mask != "[MASK]":
        return "The mask of this model is another one: use the argument."
    every = [mask] * len(tokens)
    if same(sum(guess(every, i) == t for i, t in enumerate(tokens)) / len(tokens), got, 1e-9):
        return "Hide one token at a time: the others stay visible."
    if same(expected * len(tokens), got, 1e-9):
        return "A share was asked for."
    cut = [guess([*tokens[:i], *tokens[i + 1 :], ""], i) == t for i, t in enumerate(tokens)]
    if same(sum(cut) / len(tokens), got, 1e-9):
        return "The token is gone, and all behind it move up: put the mask in its place."
    beside = [guess([*tokens[:i], mask, *tokens[i:]], i) == t for i, t in enumerate(tokens)]
    if same(sum(beside) / len(tokens), got, 1e-9):
        return "Put the mask in the place of the token, not before it: there it can still be read."
    return ""


def most_selective(task: list[float], control: list[float]) -> int:
    """The layer in which the task is furthest above the control."""
    difference = [a - b for a, b in zip(task, control, strict=True)]
    return difference.index(max(difference))


def _remark_most_selective(arguments, expected, got):
    task, control = arguments
    difference = [a - b for a, b in zip(task, control, strict=True)]
    if got == len(difference) - 1 - difference[::-1].index(max(difference)):
        return "Several layers are equal: take the first."
    if got == difference.index(min(difference)) or got == control.index(max(control)):
        return "The control should be *low*: subtract it from the task's accuracy."
    if got == max(range(len(task)), key=lambda layer: task[layer] / control[layer]):
        return "That is the largest ratio; selectivity is the difference."
    if got == task.index(max(task)):
        return "That is the layer with the best accuracy; subtract the control's."
    if same(got, max(difference), 1e-9):
        return "That is the selectivity itself; the number of its layer was asked for."
    if got == expected + 1:
        return "Layers are counted from 0."
    return ""


SPECIAL = ("[CLS]", "[SEP]", "[PAD]")


def whole_words(pieces: list[str], draws: list[float], share: float = 0.15) -> tuple[list[str], list[str]]:
    """Each word shares the draw of its first piece."""
    read, labels, hidden = [], [], False
    for piece, draw in zip(pieces, draws, strict=True):
        if not piece.startswith("##"):
            hidden = draw < share and piece not in SPECIAL
        read.append("[MASK]" if hidden else piece)
        labels.append(piece if hidden else "")
    return read, labels


def _remark_whole_words(arguments, expected, got):
    pieces, draws, share = (*arguments, 0.15)[:3]
    if not (isinstance(got, tuple | list) and len(got) == 2):
        return "Two lists were asked for: what the model reads, and the labels."
    alone = [draw < share and piece not in SPECIAL for piece, draw in zip(pieces, draws, strict=True)]
    read, labels = (list(one) if isinstance(one, tuple | list) else one for one in got)
    if read == ["[MASK]" if hide else piece for piece, hide in zip(pieces, alone, strict=True)]:
        return "Each piece is hidden by a draw of its own; pieces that begin with ## share the draw of their word."
    if any(label in SPECIAL for label in labels if isinstance(label, str)):
        return "[CLS], [SEP] and [PAD] are never hidden."
    if read == expected[0] and labels != expected[1]:
        return 'Right for what the model reads. A label is the piece where something was hidden, and "" elsewhere.'
    if got == (expected[1], expected[0]):
        return "First what the model reads, then the labels."
    return ""


def mean_pool(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """The mean over the real tokens: [batch, time, hidden], [batch, time] -> [batch, hidden]."""
    return (hidden * attention_mask[:, :, None]).sum(1) / attention_mask.sum(1, keepdim=True)


def _remark_mean_pool(arguments, expected, got):
    hidden, mask = arguments
    if same(hidden.mean(1), got, 1e-9):
        return "That is the mean over padding, too."
    if same((hidden * mask[:, :, None]).mean(1), got, 1e-9):
        return "Padding is left out above the line; divide by the number of real tokens, too."
    if same((hidden * mask[:, :, None]).sum(1), got, 1e-9):
        return "That is the sum; divide by the number of real tokens."
    if same(hidden[:, 0], got, 1e-9):
        return "That is the vector at the first token."
    return ""


def _failure_mean_pool(arguments, error):
    return "mask[:, :, None] has the shape [batch, time, 1]." if "must match the size" in str(error) else ""


def info_nce(cosines: list[list[float]], temperature: float = 0.05) -> float:
    """The mean of minus ln softmax(row / temperature) at the row's own place."""
    losses = []
    for i, row in enumerate(cosines):
        scores = [cosine / temperature for cosine in row]
        highest = max(scores)
        losses.append(highest + math.log(sum(math.exp(score - highest) for score in scores)) - scores[i])
    return sum(losses) / len(losses)


def _remark_info_nce(arguments, expected, got):
    cosines, temperature = (*arguments, 0.05)[:2]
    turned = [list(column) for column in zip(*cosines, strict=True)]
    known = {
        info_nce(cosines, 1.0): "Divide the cosines by the temperature before the softmax.",
        info_nce(turned, temperature): "Each *row* is one question: sum over the columns.",
        -expected: "ln p is below 0; the loss is *minus* its mean.",
        expected * len(cosines): "That is the sum; take the mean over the rows.",
        info_nce(cosines, 1 / temperature): "Divide by the temperature, do not multiply.",
    }
    return next((said for value, said in known.items() if same(value, got, 1e-9)), "")


def _failure_info_nce(arguments, error):
    return (
        "exp of a large number is too large: subtract the row's largest score first."
        if isinstance(error, OverflowError)
        else ""
    )


def _batch(*shape):
    """Vectors that are the same on every machine."""
    count = math.prod(shape)
    return (torch.arange(count).double() * 7 % 11 - 3).reshape(shape)


def _ln(*rows):
    return [[math.log(p) for p in row] for row in rows]


EXERCISES = {
    "hidden_loss": Exercise(
        "zip gives each row with its label. Which number of the row does the loss want? Over how many is the mean?",
        compare(
            hidden_loss,
            [
                ([], []),
                (_ln([0.5, 0.5]), [1]),
                (_ln([0.9, 0.1], [0.2, 0.8]), [None, 0]),
                (_ln([0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]), [2, None, 0]),
                (_ln([0.4, 0.6]), [None]),
                (_ln([0.5, 0.5], [0.1, 0.9], [0.2, 0.8]), [0, 0, 1]),
            ],
            remark=_remark_hidden_loss,
        ),
    ),
    "trust": Exercise(
        "How many of 1,000 tokens are shown as something other than the mask? How many of these are true?",
        compare(
            trust,
            [
                *[(0.5,), (0.5, 0.0, 0.2), (0.15, 0.1, 0.1), (0.4, 0.3, 0.1), (0.0, 0.1, 0.1)],
                (1.0, 0.1, 0.1),
            ],
            remark=_remark_trust,
        ),
    ),
    "parameters": Exercise(
        "Three tables of embeddings, a norm (gain and bias), the layers, and the pooler, a linear map from d to d.",
        compare(parameters, [(10, 5, 2, 1), (1000, 50, 64, 3), (30522, 512, 768, 12)], remark=_remark_parameters),
    ),
    "fair_accuracy": Exercise(
        "For each place make a copy of the text with the mask there, ask for that place, and compare with the token.",
        compare(
            fair_accuracy,
            [
                (_copy, ["a"], "[MASK]"),
                (_left, ["a", "a", "b"], "[MASK]"),
                (_both, ["a", "a", "a", "a"], "[MASK]"),
                (_both, ["c", "b", "c", "d"], "[MASK]"),
                (_both, ["c", "c", "c", "b", "c", "d", "b"], "[MASK]"),
                (_left, [], "[MASK]"),
                (_behind, ["a", "a"], "[MASK]"),
                (_both, ["c", "b", "c"], "[MASK]"),
                (_question, ["b", "a"], "?"),
            ],
            remark=_remark_fair_accuracy,
        ),
    ),
    "most_selective": Exercise(
        "First write the selectivity of each layer into a list. A list can tell at which place a value first occurs.",
        compare(
            most_selective,
            [
                ([60.0, 70.0, 65.0], [50.0, 62.0, 63.0]),
                ([55.0, 80.0, 85.0], [90.0, 60.0, 80.0]),
                ([70.0, 75.0, 75.0], [60.0, 55.0, 55.0]),
                ([60.0, 66.0, 70.0, 71.0], [64.0, 58.0, 60.0, 62.0]),
                ([50.0, 60.0, 55.0], [70.0, 65.0, 70.0]),
                ([60.0, 88.0, 80.0], [45.0, 70.0, 79.0]),  # the largest ratio is not the largest difference
            ],
            remark=_remark_most_selective,
        ),
    ),
    "whole_words": Exercise(
        "Go through pieces and draws together and keep in a variable whether the present word is hidden; a piece that "
        "does not begin with ## starts a new word.",
        compare(
            whole_words,
            [
                (["sea"], [0.1]),
                (["sea"], [0.2]),
                (["light", "##house"], [0.1, 0.9]),
                (["light", "##house"], [0.9, 0.1]),
                (["[CLS]", "the", "sea", "[SEP]", "[PAD]"], [0.0, 0.5, 0.1, 0.0, 0.01]),
                (
                    ["[CLS]", "gull", "##s", "##feet", "on", "quay", "##s", "[SEP]"],
                    [0.9, 0.2, 0.9, 0.9, 0.1, 0.6, 0.0, 0.3],
                    0.5,
                ),
                (["a", "##b", "c", "##d", "[SEP]"], [0.3, 0.0, 0.29, 0.8, 0.0], 0.3),
                (["a", "##b", "a", "##b"], [0.0, 0.9, 0.9, 0.0], 0.4),
            ],
            remark=_remark_whole_words,
        ),
    ),
    "mean_pool": Exercise(
        "Set the vectors at the padding to 0: attention_mask[:, :, None] has the right shape for that. What is the sum "
        "divided by?",
        compare(
            mean_pool,
            [
                (_batch(1, 2, 1), torch.tensor([[1, 1]])),
                (_batch(1, 2, 2), torch.tensor([[1, 0]])),
                (_batch(2, 3, 2), torch.tensor([[1, 1, 1], [1, 1, 0]])),
                (_batch(3, 4, 5), torch.tensor([[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]])),
            ],
            remark=_remark_mean_pool,
            failure=_failure_mean_pool,
        ),
    ),
    "info_nce": Exercise(
        "For each row i: the scores are the cosines divided by the temperature; its loss is ln of the sum of all exp, "
        "minus the score at place i.",
        compare(
            info_nce,
            [
                ([[0.5]], 1.0),
                ([[1.0, 0.0], [0.0, 1.0]], 1.0),
                ([[0.5, 0.2], [0.4, 0.1]], 0.5),
                ([[0.9, 0.1, 0.3], [0.2, 0.4, 0.6], [0.0, -0.5, 0.7]], 0.1),
                ([[0.2, 0.1], [-0.1, 0.3]],),
                ([[1.0, -1.0], [-1.0, 1.0]], 0.001),
                ([[-1.0, 1.0], [1.0, -1.0]], 0.001),
            ],
            remark=_remark_info_nce,
            failure=_failure_info_nce,
        ),
    ),
}
