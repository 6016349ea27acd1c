"""Plausible wrong answers to the exercises of chapter 09."""


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


WRONG = {
    "pretrain.hidden_loss": {
        "plus": loss_with(value=lambda row, label: row[label]),
        "a sum": loss_with(over=lambda found: 1),
        "over all places": over_all,
        "over the vocabulary": loss_with(value=lambda row, label: -sum(row)),
        "nothing hidden": loss_with(none=float("nan")),
        "label 0 taken for none": lambda log_p, labels: loss_with()(log_p, [label or None for label in labels]),
    },
    "pretrain.trust": {
        "of all tokens": lambda share, random, same: 1 - share * (1 - same),
        "stayers forgotten": lambda share, random, same: (1 - share) / (1 - share * (1 - random - same)),
        "not chosen": lambda share, random, same: 1 - share,
        "wrong ones": lambda share, random, same: share * random / (1 - share * (1 - random - same)),
        "of the chosen": lambda share, random, same: same / (random + same),
        "the mask counted as true": lambda share, random, same: 1 - share * random,
        "never wrong": lambda share, random, same: 1.0,
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
    },
    "pretrain.fair_accuracy": {
        "nothing hidden": test_with(lambda tokens, i, mask: tokens),
        "all hidden": test_with(lambda tokens, i, mask: [mask] * len(tokens)),
        "cut out": test_with(lambda tokens, i, mask: [*tokens[:i], *tokens[i + 1 :], ""]),
        "a count": counted,
        "the wrong place": lambda guess, tokens, mask: (
            sum(guess(one_hidden(tokens, i, mask), 0) == t for i, t in enumerate(tokens)) / max(len(tokens), 1)
        ),
    },
    "pretrain.most_selective": {
        "a ratio": lambda task, control: largest([a / b for a, b in zip(task, control, strict=True)]),
        "best accuracy": lambda task, control: largest(task),
        "exchanged": lambda task, control: largest([b - a for a, b in zip(task, control, strict=True)]),
        "the last of equals": last_of,
        "the value": lambda task, control: max(a - b for a, b in zip(task, control, strict=True)),
        "from 1": lambda task, control: 1 + largest([a - b for a, b in zip(task, control, strict=True)]),
    },
}
