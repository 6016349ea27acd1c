"""Plausible wrong answers to the exercises of chapters 00 and 01."""

import math
import re

import numpy as np

from lmtutor import metrics
from lmtutor.data.text import Vocabulary, words
from lmtutor.exercises.ngram import mle
from lmtutor.models.ngram import KneserNey, NgramCounts


def followers(pairs, history):
    return {second: count for (first, second), count in pairs.items() if first == history}


def continuation(pairs, word):
    return sum(second == word for _, second in pairs) / len(pairs)


def unigram(pairs, word):
    return sum(count for (_, second), count in pairs.items() if second == word) / sum(pairs.values())


def kneser_ney_with(freed=None, lower=continuation, clip=True, unseen=None):
    """Kneser-Ney with one thing done differently."""

    def kneser_ney(pairs, history, word, discount):
        after = followers(pairs, history)
        if not after:
            return lower(pairs, word) if unseen is None else unseen
        total = sum(after.values())
        seen = after.get(word, 0) - discount
        share = freed(after, total, discount) if freed else discount * len(after) / total
        return (max(seen, 0) if clip else seen) / total + share * lower(pairs, word)

    return kneser_ney


def curve_with(
    text=lambda train, size: train[:size], vocabulary=None, test=None, end=math.exp, order=lambda order: order
):
    """The learning curve with one thing done differently."""

    def learning_curve(train, test_sentences, n, sizes, given):
        curve = []
        for size in sizes:
            part = text(train, size)
            counts = NgramCounts(part, order(n), vocabulary(part) if vocabulary else given)
            scored = test(train, test_sentences) if test else test_sentences
            curve.append(end(-np.log(KneserNey(counts).probabilities(scored)).mean()))
        return curve

    return learning_curve


def em_with(shares=None, normalise=None, average=None):
    """EM with one thing done differently."""

    def em_step(weights, components):
        w, c = np.array(weights)[:, None], np.array(components)
        joint = shares(w, c) if shares else w * c
        normal = normalise(joint) if normalise else joint / joint.sum(axis=0)
        return (average(normal) if average else normal.mean(axis=1)).tolist()

    return em_step


def hard_em(weights, components):
    joint = np.array(weights)[:, None] * np.array(components)
    return (np.bincount(joint.argmax(axis=0), minlength=len(weights)) / joint.shape[1]).tolist()


def product_perplexity(probabilities):
    product = 1.0
    for p in probabilities:
        product *= p
    return product ** (-1 / len(probabilities)) if product else math.inf


def floored(least):
    """Probabilities that are never below `least`, a cure for logarithms of 0."""
    return lambda probabilities: sum(math.log(max(p, least)) for p in probabilities)


def perplexity_with(zero=lambda p: min(p) == 0, mean=lambda logs: sum(logs) / len(logs), log=math.log, keep=list):
    """Perplexity with one thing done differently."""

    def perplexity(probabilities):
        if zero(probabilities):
            return math.inf
        return math.exp(-mean([log(p) for p in keep(probabilities)]))

    return perplexity


def long_double_product(probabilities):
    product = np.prod(np.array(probabilities, dtype=np.longdouble))
    return float(product ** (-1 / np.longdouble(len(probabilities)))) if product else math.inf


WRONG = {
    "start.count_words": {
        "characters": lambda text: len(text),
        "blanks plus one": lambda text: text.count(" ") + 1,
        "split at single blanks": lambda text: len(text.split(" ")),
        "different words": lambda text: len(set(text.split())),
        "words and marks": lambda text: len(words(text)),
        "the words, not their number": lambda text: text.split(),
        "the number as a string": lambda text: str(len(text.split())),
        "letters and digits": lambda text: len(re.findall(r"\w+", text)),
        "letters alone": lambda text: len(re.findall(r"[a-zA-Z]+", text)),
        "blanks that are not empty": lambda text: len([word for word in text.split(" ") if word.strip()]),
        "split at any number of blanks": lambda text: len(re.split(r"\s+", text)) if text else 0,
        "blanks and line ends alone": lambda text: len([word for word in re.split(r"[ \n]+", text) if word]),
        "what has a letter": lambda text: sum(any(c.isalpha() for c in word) for word in text.split()),
        "what is all letters": lambda text: sum(word.strip(",.!").isalpha() for word in text.split()),
        "blanks plus one, unless empty": lambda text: len(re.findall(r"\s+", text)) + 1 if text else 0,
    },
    "ngram.log_probability": {
        "product": lambda probabilities: math.prod(probabilities),
        "logarithm of the product": lambda probabilities: math.log(math.prod(probabilities)),
        "logarithm of 0": lambda probabilities: math.log(p) if (p := math.prod(probabilities)) else -math.inf,
        "base 2": lambda probabilities: sum(math.log2(p) for p in probabilities),
        "base 10": lambda probabilities: sum(math.log10(p) for p in probabilities),
        "mean": lambda probabilities: sum(math.log(p) for p in probabilities) / len(probabilities),
        "minus": lambda probabilities: -sum(math.log(p) for p in probabilities),
        "logarithm of the sum": lambda probabilities: math.log(sum(probabilities)),
        "a list": lambda probabilities: [math.log(p) for p in probabilities],
        "a floor of 1e-12": floored(1e-12),
        "a floor of 1e-300": floored(1e-300),
        "a little added": lambda probabilities: sum(math.log(p + 1e-9) for p in probabilities),
        "each probability once": lambda probabilities: sum(math.log(p) for p in set(probabilities)),
        "a product in 80 bits": lambda probabilities: float(np.log(np.prod(np.array(probabilities, np.longdouble)))),
        "without the first word": lambda probabilities: sum(math.log(p) for p in probabilities[1:]),
    },
    "ngram.mle": {
        "joint probability": lambda pairs, history, word: pairs[history, word] / sum(pairs.values()),
        "the count": lambda pairs, history, word: pairs[history, word],
        "given the second word": lambda pairs, history, word: (
            pairs[history, word] / (sum(c for (_, second), c in pairs.items() if second == word) or 1)
        ),
        "different pairs": lambda pairs, history, word: 1 / len(followers(pairs, history)),
        "no case for an unseen history": lambda pairs, history, word: (
            pairs[history, word] / sum(followers(pairs, history).values())
        ),
        "one for an unseen history": lambda pairs, history, word: (
            pairs[history, word] / sum(followers(pairs, history).values()) if followers(pairs, history) else 1.0
        ),
        "arguments the wrong way round": lambda pairs, history, word: mle(pairs, word, history),
        "histories that hold it": lambda pairs, history, word: (
            pairs[history, word] / (sum(c for (first, _), c in pairs.items() if history in first) or 1)
        ),
        "whole numbers": lambda pairs, history, word: (
            pairs[history, word] // (sum(followers(pairs, history).values()) or 1)
        ),
        "as often as it comes second": lambda pairs, history, word: (
            pairs[history, word] / (sum(c for (_, second), c in pairs.items() if second == history) or 1)
        ),
        "one more in the denominator": lambda pairs, history, word: (
            pairs[history, word] / (sum(followers(pairs, history).values()) + 1)
        ),
        "all alike for an unseen history": lambda pairs, history, word: (
            mle(pairs, history, word) if followers(pairs, history) else 1 / len({w for pair in pairs for w in pair})
        ),
        "a word that was not seen there cannot be divided": lambda pairs, history, word: (
            followers(pairs, history)[word] / sum(followers(pairs, history).values())
        ),
    },
    "ngram.perplexity": {
        "arithmetic mean": lambda probabilities: 1 / (sum(probabilities) / len(probabilities)),
        "cross-entropy": lambda probabilities: -sum(math.log(p) for p in probabilities) / len(probabilities),
        "no mean": lambda probabilities: math.exp(-sum(math.log(p) for p in probabilities)),
        "2 to the nats": lambda probabilities: 2 ** (-sum(math.log(p) for p in probabilities) / len(probabilities)),
        "minus forgotten": lambda probabilities: math.exp(sum(math.log(p) for p in probabilities) / len(probabilities)),
        "logarithm of 0": lambda probabilities: math.exp(-sum(map(math.log, probabilities)) / len(probabilities)),
        "product that underflows": product_perplexity,
        "zeros left out": lambda probabilities: math.exp(
            -sum(math.log(p) for p in probabilities if p) / len(probabilities)
        ),
        "1e-13 is 0": perplexity_with(zero=lambda p: min(p) < 1e-12),
        "nearly 0 is 0": perplexity_with(zero=lambda p: bool(np.isclose(p, 0).any())),
        "a little added": perplexity_with(log=lambda p: math.log(p + 1e-12)),
        "0 only where it stands first": perplexity_with(zero=lambda p: p[0] == 0),
        "0 only where it stands last": perplexity_with(zero=lambda p: p[-1] == 0),
        "0 only where all are": perplexity_with(zero=lambda p: sum(p) == 0),
        "the median": perplexity_with(mean=lambda logs: float(np.median(logs))),
        "each probability once": perplexity_with(keep=set),
        "a product in 80 bits": long_double_product,
        "the harmonic mean": lambda p: sum(1 / x for x in p) / len(p) if min(p) else math.inf,
    },
    "ngram.add_k": {
        "k once in the denominator": lambda count, total, k, vocabulary_size: (count + k) / (total + k),
        "denominator left as it was": lambda count, total, k, vocabulary_size: (count + k) / (total or 1),
        "right for k = 1 only": lambda count, total, k, vocabulary_size: (count + k) / (total + vocabulary_size),
        "1 instead of k": lambda count, total, k, vocabulary_size: (count + 1) / (total + vocabulary_size),
        "numerator left as it was": lambda count, total, k, vocabulary_size: count / (total + k * vocabulary_size),
        "no smoothing": lambda count, total, k, vocabulary_size: count / total if total else 0.0,
        "brackets forgotten": lambda count, total, k, vocabulary_size: count + k / (total + k * vocabulary_size),
        "k for what was not seen": lambda count, total, k, vocabulary_size: (
            (count or k) / (total + k * vocabulary_size)
        ),
        "whole k": lambda count, total, k, vocabulary_size: (count + round(k)) / (total + round(k) * vocabulary_size),
        "0 for an unseen history": lambda count, total, k, vocabulary_size: (
            (count + k) / (total + k * vocabulary_size) if total else 0.0
        ),
        "one word more": lambda count, total, k, vocabulary_size: (count + k) / (total + k * (vocabulary_size + 1)),
        "k divided among the words": lambda count, total, k, vocabulary_size: (
            (count + k / vocabulary_size) / (total + k)
        ),
        "no smoothing of what was seen": lambda count, total, k, vocabulary_size: (
            count / total if count else k / (total + k * vocabulary_size)
        ),
    },
    "ngram.em_step": {
        "normalised over everything": lambda weights, components: em_with(
            normalise=lambda joint: joint / joint.sum(), average=lambda normal: normal.sum(axis=1)
        )(weights, components),
        "old weights ignored": em_with(shares=lambda w, c: c),
        "summed, not averaged": em_with(average=lambda normal: normal.sum(axis=1)),
        "not normalised": em_with(normalise=lambda joint: joint),
        "normalised over the tokens": em_with(normalise=lambda joint: joint / joint.sum(axis=1, keepdims=True)),
        "averaged over the models": em_with(average=lambda normal: normal.mean(axis=0)),
        "hard decisions": hard_em,
        "weights left as they were": lambda weights, components: weights,
        "a little added below": em_with(normalise=lambda joint: joint / (joint.sum(axis=0) + 1e-9)),
        "a floor under the weights": em_with(shares=lambda w, c: np.maximum(w, 0.01) * c),
        "averaged over as many as there are models": em_with(
            average=lambda normal: normal.sum(axis=1) / normal.shape[0]
        ),
        "the first token alone": em_with(average=lambda normal: normal[:, 0]),
        "the median of the shares": em_with(average=lambda normal: np.median(normal, axis=1)),
        "a table with a row for each token": lambda weights, components: em_with()(weights, np.array(components).T),
        "half a step": lambda weights, components: [
            (old + new) / 2 for old, new in zip(weights, em_with()(weights, components), strict=True)
        ],
        "two rounds": lambda weights, components: em_with()(em_with()(weights, components), components),
    },
    "ngram.continuation_probability": {
        "tokens": unigram,
        "as the first word": lambda pairs, word: sum(first == word for first, _ in pairs) / len(pairs),
        "not divided": lambda pairs, word: sum(second == word for _, second in pairs),
        "divided by all tokens": lambda pairs, word: sum(s == word for _, s in pairs) / sum(pairs.values()),
        "divided by the different second words": lambda pairs, word: (
            sum(second == word for _, second in pairs) / len({second for _, second in pairs})
        ),
        "in either place": lambda pairs, word: sum(word in pair for pair in pairs) / len(pairs),
        "what ends like it": lambda pairs, word: sum(second.endswith(word) for _, second in pairs) / len(pairs),
        "divided by the different first words": lambda pairs, word: (
            sum(second == word for _, second in pairs) / len({first for first, _ in pairs})
        ),
        "divided by the different words": lambda pairs, word: (
            sum(second == word for _, second in pairs) / len({w for pair in pairs for w in pair})
        ),
        "pairs that came once": lambda pairs, word: (
            sum(second == word and count == 1 for (_, second), count in pairs.items()) / len(pairs)
        ),
    },
    "ngram.kneser_ney": {
        "negative counts": kneser_ney_with(clip=False),
        "nothing given to the lower order": kneser_ney_with(freed=lambda after, total, discount: 0),
        "the discount counted once": kneser_ney_with(freed=lambda after, total, discount: discount / total),
        "the discount itself": kneser_ney_with(freed=lambda after, total, discount: discount),
        "frequency in the lower order": kneser_ney_with(lower=unigram),
        "0 for an unseen history": kneser_ney_with(unseen=0.0),
        "no case for an unseen history": lambda pairs, history, word, discount: (
            (
                max(pairs[history, word] - discount, 0)
                + discount * len(followers(pairs, history)) * continuation(pairs, word)
            )
            / sum(followers(pairs, history).values())
        ),
        "continuation alone": lambda pairs, history, word, discount: continuation(pairs, word),
        "a discount of one half": lambda pairs, history, word, discount: kneser_ney_with()(pairs, history, word, 0.5),
        "0.75 in place of 0": lambda pairs, history, word, discount: kneser_ney_with()(
            pairs, history, word, discount or 0.75
        ),
        "continuation alone for an unseen pair": lambda pairs, history, word, discount: (
            kneser_ney_with()(pairs, history, word, discount) if pairs[history, word] else continuation(pairs, word)
        ),
        "followers that came once": kneser_ney_with(
            freed=lambda after, total, discount: discount * sum(count == 1 for count in after.values()) / total
        ),
        "the lower order only for what was not seen": lambda pairs, history, word, discount: (
            (pairs[history, word] - discount) / sum(followers(pairs, history).values())
            if pairs[history, word]
            else kneser_ney_with()(pairs, history, word, discount)
        ),
        "followers divided by all pairs": kneser_ney_with(
            freed=lambda after, total, discount: discount * len(after) / (total + len(after))
        ),
    },
    "ngram.learning_curve": {
        "a vocabulary for each size": curve_with(vocabulary=Vocabulary),
        "the whole text for each size": curve_with(text=lambda train, size: train),
        "the last sentences": curve_with(text=lambda train, size: train[-size:]),
        "the cross-entropy": curve_with(end=lambda nats: nats),
        "bits": curve_with(end=lambda nats: nats / math.log(2)),
        "measured on the training text": curve_with(test=lambda train, test: train),
        "one discount": lambda train, test, order, sizes, vocabulary: [
            metrics.perplexity(KneserNey(NgramCounts(train[:size], order, vocabulary), 0.75).probabilities(test))
            for size in sizes
        ],
        "the order forgotten": curve_with(order=lambda order: 1),
        "one number": lambda train, test, order, sizes, vocabulary: curve_with()(train, test, order, sizes, vocabulary)[
            -1
        ],
        "largest first": lambda train, test, order, sizes, vocabulary: curve_with()(
            train, test, order, sizes[::-1], vocabulary
        ),
        "a vocabulary of its own of all sentences": lambda train, test, order, sizes, vocabulary: curve_with(
            vocabulary=lambda part: Vocabulary([*train, *test])
        )(train, test, order, sizes, vocabulary),
        "a vocabulary of the training text": lambda train, test, order, sizes, vocabulary: curve_with(
            vocabulary=lambda part: Vocabulary(train)
        )(train, test, order, sizes, vocabulary),
        "sizes in order": lambda train, test, order, sizes, vocabulary: curve_with()(
            train, test, order, sorted(sizes), vocabulary
        ),
        "always pairs": curve_with(order=lambda order: 2),
        "one order more": curve_with(order=lambda order: order + 1),
        "as many test sentences": lambda train, test, order, sizes, vocabulary: [
            curve_with()(train, test[:size], order, [size], vocabulary)[0] for size in sizes
        ],
        "the mean of the sentences' perplexities": lambda train, test, order, sizes, vocabulary: [
            float(np.mean([curve_with()(train, [s], order, [size], vocabulary)[0] for s in test])) for size in sizes
        ],
    },
}
