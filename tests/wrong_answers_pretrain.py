"""Plausible wrong answers to the exercises of chapter 09."""

import math
import statistics


def loss_with(value=lambda row, label: -row[label], over=len, none=0.0):
    def hidden_loss(log_p, labels):
        found = [value(row, label) for row, label in zip(log_p, labels, strict=True) if label is not None]
        return sum(found) / over(found) if found else none

    return hidden_loss


def over_all(log_p, labels):
    found = [-row[label] for row, label in zip(log_p, labels, strict=True) if label is not None]
    return sum(found) / len(labels) if labels else 0.0


def count_with(embeddings=lambda v, t: v + t + 2, norm=2, layers=None, pooler=lambda d: d**2 + d, extra=lambda v, d: 0):
    def parameters(vocab_size, max_length, d, num_layers):
        inside = (layers or num_layers) * (12 * d**2 + 13 * d)
        return embeddings(vocab_size, max_length) * d + norm * d + inside + pooler(d) + extra(vocab_size, d)

    return parameters


def test_with(hide):
    def fair_accuracy(guess, tokens, mask):
        right = sum(guess(hide(tokens, i, mask), i) == token for i, token in enumerate(tokens))
        return right / len(tokens) if tokens else 0.0

    return fair_accuracy


def one_hidden(tokens, i, mask):
    return [*tokens[:i], mask, *tokens[i + 1 :]]


def counted(guess, tokens, mask):
    return sum(guess(one_hidden(tokens, i, mask), i) == token for i, token in enumerate(tokens))


def largest(values):
    return values.index(max(values))


def last_of(task, control):
    difference = [a - b for a, b in zip(task, control, strict=True)]
    return max(i for i, value in enumerate(difference) if value == max(difference))


def equal_ones_hidden(tokens, i, mask):
    return [mask if token == tokens[i] else token for token in tokens]


def kept_behind(tokens, i, mask):
    """The mask is put before the token, which stays."""
    return [*tokens[:i], mask, *tokens[i:]]


def hidden_from_there(tokens, i, mask):
    return [*tokens[:i], *[mask] * (len(tokens) - i)]


def never_shown_again(guess, tokens, mask):
    """Each token stays hidden."""
    right, tokens, truth = 0, list(tokens), list(tokens)
    for place, token in enumerate(truth):
        tokens[place] = mask
        right += guess(tokens, place) == token
    return right / len(truth) if truth else 0.0


def first_occurrence(guess, tokens, mask):
    places = [tokens.index(token) for token in tokens]
    right = sum(guess(one_hidden(tokens, i, mask), i) == tokens[i] for i in places)
    return right / len(tokens) if tokens else 0.0


def best_so_far(begin=0.0, from_layer=0, change=lambda difference: difference):
    def most_selective(task, control):
        best, layer = begin, from_layer
        for i in range(from_layer, len(task)):
            difference = change(task[i] - control[i])
            if difference > best:
                best, layer = difference, i
        return layer

    return most_selective


def words_with(
    begins=lambda piece: not piece.startswith("##"),
    special=("[CLS]", "[SEP]", "[PAD]"),
    mask="[MASK]",
    below=lambda draw, share: draw < share,
    label=lambda piece: piece,
    none="",
):
    def whole_words(pieces, draws, share=0.15):
        read, labels, hidden = [], [], False
        for piece, draw in zip(pieces, draws, strict=True):
            if begins(piece):
                hidden = below(draw, share) and piece not in special
            read.append(mask if hidden else piece)
            labels.append(label(piece) if hidden else none)
        return read, labels

    return whole_words


def any_piece(pieces, draws, share=0.15):
    """A word is hidden if any of its pieces is drawn."""
    words, hidden = [], []
    for piece, draw in zip(pieces, draws, strict=True):
        if not piece.startswith("##"):
            words.append([])
            hidden.append(False)
        words[-1].append(piece)
        hidden[-1] |= draw < share and piece not in ("[CLS]", "[SEP]", "[PAD]")
    both = [(piece, hide) for word, hide in zip(words, hidden, strict=True) for piece in word]
    return ["[MASK]" if hide else piece for piece, hide in both], [piece if hide else "" for piece, hide in both]


def one_mask_a_word(pieces, draws, share=0.15):
    """The pieces of a hidden word become one mask."""
    read, labels = words_with()(pieces, draws, share)
    kept = [i for i, piece in enumerate(pieces) if not (labels[i] and piece.startswith("##"))]
    return [read[i] for i in kept], [labels[i] for i in kept]


def nce_with(scale=lambda c, t: c / t, over=lambda row, i: row, mean=True, sign=-1.0):
    def info_nce(cosines, temperature=0.05):
        losses = []
        for i, row in enumerate(cosines):
            scores = [scale(cosine, temperature) for cosine in row]
            top = max(scores)
            total = sum(math.exp(score - top) for score in over(scores, i))
            losses.append(-sign * (math.log(total) + top - scores[i]) if total else 0.0)
        return sum(losses) / (len(losses) if mean else 1)

    return info_nce


WRONG = {
    "pretrain.hidden_loss": {
        "plus": loss_with(value=lambda row, label: row[label]),
        "a sum": loss_with(over=lambda found: 1),
        "over all places": over_all,
        "over the vocabulary": loss_with(value=lambda row, label: -sum(row)),
        "nothing hidden": loss_with(none=float("nan")),
        "label 0 taken for none": lambda log_p, labels: loss_with()(log_p, [label or None for label in labels]),
        "the median": lambda log_p, labels: float(
            statistics.median([-r[label] for r, label in zip(log_p, labels, strict=True) if label is not None] or [0])
        ),
        "the likeliest token": loss_with(value=lambda row, label: -max(row)),
        "labels counted from 1": loss_with(value=lambda row, label: -row[label - 1]),
        "labels from behind": loss_with(value=lambda row, label: -row[-label]),
        "the exponential": loss_with(value=lambda row, label: -(2.718281828459045 ** row[label])),
        "the first place alone": loss_with(over=lambda found: len(found) * sum(found) / found[0]),
        "one number a place": lambda log_p, labels: [
            -row[label] if label is not None else 0.0 for row, label in zip(log_p, labels, strict=True)
        ],
        "rows in their order": lambda log_p, labels: (
            lambda seen: sum(-row[label] for row, label in zip(log_p, seen, strict=False)) / max(len(seen), 1)
        )([label for label in labels if label is not None]),
    },
    "pretrain.trust": {
        "of all tokens": lambda share, random=0.1, same=0.1: 1 - share * (1 - same),
        "stayers forgotten": lambda share, random=0.1, same=0.1: (1 - share) / (1 - share * (1 - random - same)),
        "not chosen": lambda share, random=0.1, same=0.1: 1 - share,
        "wrong ones": lambda share, random=0.1, same=0.1: share * random / (1 - share * (1 - random - same)),
        "of the chosen": lambda share, random=0.1, same=0.1: same / (random + same),
        "the mask counted as true": lambda share, random=0.1, same=0.1: 1 - share * random,
        "never wrong": lambda share, random=0.1, same=0.1: 1.0,
        "always a tenth": lambda share, random=0.1, same=0.1: (1 - share * 0.9) / (1 - share * 0.8),
        "other defaults": lambda share, random=0.8, same=0.1: (
            (1 - share * (1 - same)) / (1 - share * (1 - random - same))
        ),
        "the two exchanged": lambda share, random=0.1, same=0.1: (
            (1 - share * (1 - random)) / (1 - share * (1 - random - same))
        ),
        "a wrong one may be right": lambda share, random=0.1, same=0.1: (
            (1 - share * (1 - same - random / 2)) / (1 - share * (1 - random - same))
        ),
        "none where all are chosen": lambda share, random=0.1, same=0.1: (
            (1 - share * (1 - same)) / (1 - share * (1 - random - same)) if share < 1 else 0.0
        ),
        "the share that is seen": lambda share, random=0.1, same=0.1: 1 - share * (1 - random - same),
    },
    "pretrain.parameters": {
        "no pooler": count_with(pooler=lambda d: 0),
        "no pooler's bias": count_with(pooler=lambda d: d**2),
        "no segments": count_with(embeddings=lambda v, t: v + t),
        "no norm": count_with(norm=0),
        "half a norm": count_with(norm=1),
        "a norm too many": count_with(norm=4),
        "neither": count_with(embeddings=lambda v, t: v + t, norm=0),
        "no positions": count_with(embeddings=lambda v, t: v + 2),
        "logits twice": count_with(extra=lambda v, d: v * d),
        "one layer": count_with(layers=1),
        "one segment": count_with(embeddings=lambda v, t: v + t + 1),
        "the heads, too": count_with(extra=lambda v, d: d * d + 3 * d + v),
        "a pooler without a matrix": count_with(pooler=lambda d: d),
        "a mask more": count_with(embeddings=lambda v, t: v + t + 3),
        "a layer more": lambda v, t, d, n: count_with()(v, t, d, n + 1),
        "an inner size of d": lambda v, t, d, n: count_with()(v, t, d, n) - n * (6 * d * d + 3 * d),
    },
    "pretrain.fair_accuracy": {
        "nothing hidden": test_with(lambda tokens, i, mask: tokens),
        "all hidden": test_with(lambda tokens, i, mask: [mask] * len(tokens)),
        "cut out": test_with(lambda tokens, i, mask: [*tokens[:i], *tokens[i + 1 :], ""]),
        "a count": counted,
        "the wrong place": lambda guess, tokens, mask: (
            sum(guess(one_hidden(tokens, i, mask), 0) == t for i, t in enumerate(tokens)) / max(len(tokens), 1)
        ),
        "the hidden token behind the mask": test_with(kept_behind),
        "equal ones hidden, too": test_with(equal_ones_hidden),
        "all behind it hidden": test_with(hidden_from_there),
        "never shown again": never_shown_again,
        "always [MASK]": test_with(lambda tokens, i, mask: one_hidden(tokens, i, "[MASK]")),
        "the first of equals": first_occurrence,
        "the neighbour hidden": test_with(lambda tokens, i, mask: one_hidden(tokens, (i + 1) % len(tokens), mask)),
        "an empty word for the mask": test_with(lambda tokens, i, mask: one_hidden(tokens, i, "")),
        "per cent": lambda guess, tokens, mask: 100 * counted(guess, tokens, mask) / max(len(tokens), 1),
        "of the different tokens": lambda guess, tokens, mask: counted(guess, tokens, mask) / max(len(set(tokens)), 1),
    },
    "pretrain.most_selective": {
        "a ratio": lambda task, control: largest([a / b for a, b in zip(task, control, strict=True)]),
        "best accuracy": lambda task, control: largest(task),
        "exchanged": lambda task, control: largest([b - a for a, b in zip(task, control, strict=True)]),
        "the last of equals": last_of,
        "the value": lambda task, control: max(a - b for a, b in zip(task, control, strict=True)),
        "from 1": lambda task, control: 1 + largest([a - b for a, b in zip(task, control, strict=True)]),
        "0 unless it is above the control": best_so_far(),
        "without the embedding": best_so_far(begin=-1e9, from_layer=1),
        "absolute": best_so_far(begin=-1.0, change=abs),
        "squared": best_so_far(begin=-1.0, change=lambda difference: difference**2),
        "the lowest control": lambda task, control: control.index(min(control)),
        "from behind": lambda task, control: largest([a - b for a, b in zip(task, control, strict=True)]) - len(task),
        "the sum": lambda task, control: largest([a + b for a, b in zip(task, control, strict=True)]),
        "the largest rise": lambda task, control: largest(
            [0.0] + [b - a for a, b in zip(task, task[1:], strict=False)]
        ),
    },
    "pretrain.whole_words": {
        "each piece by itself": words_with(begins=lambda piece: True),
        "any piece": any_piece,
        "special ones, too": words_with(special=()),
        "padding, too": words_with(special=("[CLS]", "[SEP]")),
        "at most the share": words_with(below=lambda draw, share: draw <= share),
        "above the share": words_with(below=lambda draw, share: draw > share),
        "always 15 %": words_with(below=lambda draw, share: draw < 0.15),
        "None for no label": words_with(none=None),
        "all pieces as labels": lambda pieces, draws, share=0.15: (words_with()(pieces, draws, share)[0], pieces),
        "without ##": words_with(label=lambda piece: piece.removeprefix("##")),
        "another mask": words_with(mask="<mask>"),
        "labels first": lambda pieces, draws, share=0.15: words_with()(pieces, draws, share)[::-1],
        "one mask a word": one_mask_a_word,
        "continued where it begins": words_with(begins=lambda piece: piece.startswith("##")),
        "only what is read": lambda pieces, draws, share=0.15: words_with()(pieces, draws, share)[0],
    },
    "pretrain.mean_pool": {
        "padding, too": lambda hidden, mask: hidden.mean(1),
        "divided by all places": lambda hidden, mask: (hidden * mask[:, :, None]).mean(1),
        "the sum": lambda hidden, mask: (hidden * mask[:, :, None]).sum(1),
        "the first token": lambda hidden, mask: hidden[:, 0],
        "the largest": lambda hidden, mask: hidden.masked_fill(mask[:, :, None] == 0, -1e9).amax(1),
        "over the hidden numbers": lambda hidden, mask: hidden.mean(2),
        "divided by all real tokens": lambda hidden, mask: (hidden * mask[:, :, None]).sum(1) / mask.sum(),
        "of the whole batch": lambda hidden, mask: (hidden * mask[:, :, None]).sum((0, 1)) / mask.sum(),
        "of length 1": lambda hidden, mask: (lambda mean: mean / mean.norm(dim=-1, keepdim=True).clamp(min=1e-9))(
            (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        ),
    },
    "pretrain.info_nce": {
        "no temperature": nce_with(scale=lambda c, t: c),
        "times the temperature": nce_with(scale=lambda c, t: c * t),
        "always 0.05": nce_with(scale=lambda c, t: c / 0.05),
        "plus": nce_with(sign=1.0),
        "a sum": nce_with(mean=False),
        "over the wrong ones alone": nce_with(over=lambda row, i: row[:i] + row[i + 1 :]),
        "over the columns": lambda cosines, temperature=0.05: nce_with()(
            [list(column) for column in zip(*cosines, strict=True)], temperature
        ),
        "minus the right cosine": lambda cosines, temperature=0.05: (
            -sum(row[i] for i, row in enumerate(cosines)) / len(cosines)
        ),
        "exp without care": lambda cosines, temperature=0.05: (
            -sum(
                math.log(math.exp(row[i] / temperature) / sum(math.exp(c / temperature) for c in row))
                for i, row in enumerate(cosines)
            )
            / len(cosines)
        ),
        "the first row alone": lambda cosines, temperature=0.05: (
            nce_with()(cosines, temperature) * len(cosines)
            - sum(nce_with()([cosines[i][i:] + cosines[i][:i]], temperature) for i in range(1, len(cosines)))
        ),
        "accuracy": lambda cosines, temperature=0.05: (
            sum(row[i] == max(row) for i, row in enumerate(cosines)) / len(cosines)
        ),
    },
}
