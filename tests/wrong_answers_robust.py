"""Plausible wrong answers to the exercises of chapter 15."""

import math

import numpy as np


def counted(right, broken):
    was = sum(right)
    both = sum(r and b for r, b in zip(right, broken, strict=True))
    return len(right), was, both


def robust_of_broken_alone(right, broken):
    n, was, both = counted(right, broken)
    return was / n, 1 - sum(broken) / n, both / was


def success_of_all_texts(right, broken):
    n, was, both = counted(right, broken)
    return was / n, (was - both) / n, both / n


def success_with_wrong_ones(right, broken):
    n, was, both = counted(right, broken)
    return was / n, (was - both) / n, sum(broken) / was


def robust_of_the_right_ones(right, broken):
    n, was, both = counted(right, broken)
    return was / n, (was - both) / was, both / was


def edits(swap=True, insert_at_end=True, without=True, delete=True):
    def single_edits(word, letters):
        cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
        made = {a + b[1:] for a, b in cuts if b} if delete else set()
        made |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1} if swap else set()
        made |= {a + letter + b[1:] for a, b in cuts if b for letter in letters}
        made |= {a + letter + b for a, b in (cuts if insert_at_end else cuts[:-1]) for letter in letters}
        return sorted(made - {word, ""} if without else made)

    return single_edits


def edits_with_repeats(word, letters):
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    made = [a + b[1:] for a, b in cuts if b]
    made += [a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1]
    made += [a + letter + b[1:] for a, b in cuts if b for letter in letters]
    made += [a + letter + b for a, b in cuts for letter in letters]
    return sorted(one for one in made if one not in (word, ""))


def flip(own=True, sign=1, other=True, order=1):
    def hotflip(gradient, embeddings, ids):
        g, table = np.array(gradient), np.array(embeddings)
        score = sign * (g @ table.T - own * (g * table[ids]).sum(axis=1, keepdims=True))
        if other:
            score[np.arange(len(ids)), ids] = -math.inf
        found = np.unravel_index(score.argmax(), score.shape)
        return tuple(int(x) for x in found)[::order]

    return hotflip


def together(gradients, epsilon):
    g = np.array(gradients)
    return (epsilon * g / np.linalg.norm(g)).tolist()


def signs(gradients, epsilon):
    return (epsilon * np.sign(gradients)).tolist()


def by_absolute_sum(gradients, epsilon):
    g = np.array(gradients)
    return (epsilon * g / np.maximum(np.abs(g).sum(axis=1, keepdims=True), 1e-12)).tolist()


def with_nan(gradients, epsilon):
    with np.errstate(invalid="ignore"):
        g = np.array(gradients)
        return (epsilon * g / np.linalg.norm(g, axis=1, keepdims=True)).tolist()


def by_square(gradients, epsilon):
    g = np.array(gradients)
    return (epsilon * g / np.maximum((g * g).sum(axis=1, keepdims=True), 1e-12)).tolist()


def search(first=1, count_all=False, once=False, stop=True, again=False, lower=True):
    def greedy(margin, words, choices, budget):
        text, queries = list(words), first
        best, changed = margin(text), set()
        while best >= 0 or not stop:
            tries = [
                (i, [*text[:i], other, *text[i + 1 :]])
                for i, word in enumerate(words)
                if again or i not in changed
                for other in choices.get(word, [])
            ]
            tries = tries if count_all else tries[: budget - queries]
            if count_all and queries >= budget:
                break
            queries += len(tries)
            found = [(margin(new), number) for number, (_, new) in enumerate(tries)]
            if not found or (lower and min(found)[0] >= best):
                break
            best, number = min(found)
            changed.add(tries[number][0])
            text = tries[number][1]
            if once:
                break
        return text, queries

    return greedy


def left_to_right(margin, words, choices, budget):
    """The first exchange that lowers the margin is taken."""
    text, queries = list(words), 1
    best = margin(text)
    for i, word in enumerate(words):
        for other in choices.get(word, []):
            if best < 0 or queries >= budget:
                return text, queries
            new = [*text[:i], other, *text[i + 1 :]]
            queries += 1
            if margin(new) < best:
                best, text = margin(new), new
    return text, queries


def ends_alone(weights, bias, low, high):
    w, b, low, high = (np.array(x, dtype=float) for x in (weights, bias, low, high))
    return (w @ low + b).tolist(), (w @ high + b).tolist()


def bounds(scale=0.5, absolute=np.abs, with_bias=1, order=1):
    def interval(weights, bias, low, high):
        w, b, low, high = (np.array(x, dtype=float) for x in (weights, bias, low, high))
        centre, radius = w @ (low + high) / 2 + with_bias * b, scale * absolute(w) @ (high - low)
        return ((centre - radius).tolist(), (centre + radius).tolist())[::order]

    return interval


def threshold(ordered=lambda scores: sorted(scores, reverse=True), place=math.ceil, outcome=1, shift=-1):
    def let_in(inside, outside, keep):
        scores = ordered(inside)
        limit = scores[min(max(place(keep * len(scores)) + shift, 0), len(scores) - 1)]
        share = sum(score >= limit for score in outside) / len(outside)
        return share if outcome else 1 - share

    return let_in


WRONG = {
    "robust.rates": {
        "robust is 1 minus the share of the broken": robust_of_broken_alone,
        "success among all texts": success_of_all_texts,
        "wrong texts are successes, too": success_with_wrong_ones,
        "robust among the right ones": robust_of_the_right_ones,
    },
    "robust.single_edits": {
        "no swaps": edits(swap=False),
        "no letter behind the last": edits(insert_at_end=False),
        "the word itself and the empty one": edits(without=False),
        "no letter left out": edits(delete=False),
        "the same word several times": edits_with_repeats,
    },
    "robust.hotflip": {
        "the old word is not taken away": flip(own=False),
        "the lowest": flip(sign=-1),
        "the word that stands there": flip(other=False),
        "word and place exchanged": flip(order=-1),
    },
    "robust.steepest": {
        "one length for the batch": together,
        "signs": signs,
        "sum of absolute values": by_absolute_sum,
        "0 divided by 0": with_nan,
        "without a root": by_square,
    },
    "robust.greedy": {
        "the first query is not counted": search(first=0),
        "the budget is overdrawn": search(count_all=True),
        "one exchange only": search(once=True),
        "a place is changed again": search(again=True),
        "takes what is no lower": search(lower=False),
        "the first that lowers the margin": left_to_right,
        "goes on with a wrong text": search(stop=False),
    },
    "robust.interval": {
        "both ends through the layer": ends_alone,
        "the whole width": bounds(scale=1.0),
        "weights with their signs": bounds(absolute=lambda w: w),
        "without the bias": bounds(with_bias=0),
        "the largest first": bounds(order=-1),
    },
    "robust.let_in": {
        "from the lowest score": threshold(ordered=sorted),
        "rounded down": threshold(place=math.floor),
        "one further": threshold(shift=0),
        "the share that is kept out": threshold(outcome=0),
    },
}
