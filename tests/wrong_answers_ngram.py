"""Plausible wrong answers to the exercises of chapters 00 and 01."""

import math
import re
from collections import Counter

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


def witten_bell_with(
    share=lambda seen: len(seen) / (seen.total() + len(seen)),
    kept=lambda seen, word: seen[word] / (seen.total() + len(seen)),
    unseen=None,
    ends=True,
    starts=True,
    empty=lambda seen, word: seen[word] / seen.total(),
    longest=lambda n: n - 1,
    lower=lambda history: history[1:],
):
    """Witten-Bell with one thing done differently."""

    def witten_bell(train, test, n):
        def padded(sentence):
            return [*(["<s>"] if starts else []), *sentence, *(["</s>"] if ends else [])]

        first, table = int(starts), {}
        for sentence in map(padded, train):
            for i in range(first, len(sentence)):
                for k in range(min(i, longest(n)) + 1):
                    table.setdefault(tuple(sentence[i - k : i]), Counter())[sentence[i]] += 1

        def probability(word, history):
            seen = table.get(history, Counter())
            if not history:
                return empty(seen, word)
            below = probability(word, lower(history))
            if not seen:
                return below if unseen is None else unseen
            return kept(seen, word) + share(seen) * below

        return [
            probability(sentence[i], tuple(sentence[max(0, i - longest(n)) : i]))
            for sentence in map(padded, test)
            for i in range(first, len(sentence))
        ]

    return witten_bell


def sampler_with(
    begin=("<s>",), end="</s>", keep_end=False, keep_start=False, last_only=False, new_seed=False, greedy=False, more=0
):
    """A sampler with one thing done differently."""

    def sample_sentence(next_distribution, words, seed, longest):
        generator, history = np.random.default_rng(seed), list(begin)
        while len(history) <= longest + more:
            if new_seed:
                generator = np.random.default_rng(seed)
            p = next_distribution(history[-1:] if last_only else history)
            word = words[int(np.argmax(p))] if greedy else words[generator.choice(len(words), p=p)]
            if word == end:
                history += [word] * keep_end
                break
            history.append(word)
        return history if keep_start else history[1:]

    return sample_sentence


def bounds_with(lower=None, upper=None, gaps=True, both=lambda low, high: (low, high), log=math.log2, cut=False):
    """Shannon's bounds with one thing done differently."""

    def guessing_bounds(ranks):
        places = range(1, max(ranks) + 1) if gaps else sorted(set(ranks))
        q = [ranks.count(i) / len(ranks) for i in places]
        after = [*q[1:], 0.0]
        low = sum(i * (a - b) * log(i) for i, (a, b) in enumerate(zip(q, after, strict=True), start=1))
        if cut:
            low = sum(i * (a - b) * log(i) for i, (a, b) in enumerate(zip(q[:-1], after, strict=False), start=1))
        high = -sum(share * log(share) for share in q if share)
        return both(lower(ranks, q) if lower else low, upper(ranks, q) if upper else high)

    return guessing_bounds


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
    "ngram.witten_bell": {
        "without the ends": witten_bell_with(ends=False),
        "without the starts": witten_bell_with(starts=False),
        "0 for an unseen history": witten_bell_with(unseen=0.0),
        "the discounted share left out": witten_bell_with(share=lambda seen: 0.0),
        "relative frequencies and the share": witten_bell_with(kept=lambda seen, word: seen[word] / seen.total()),
        "T over N": witten_bell_with(share=lambda seen: len(seen) / seen.total()),
        "N over N + T": witten_bell_with(share=lambda seen: seen.total() / (seen.total() + len(seen))),
        "1 over N + 1": witten_bell_with(
            share=lambda seen: 1 / (seen.total() + 1), kept=lambda seen, word: seen[word] / (seen.total() + 1)
        ),
        "followers that came once": witten_bell_with(
            share=lambda seen: sum(c == 1 for c in seen.values()) / (seen.total() + len(seen))
        ),
        "Witten-Bell of the unigrams, too": witten_bell_with(
            empty=lambda seen, word: (seen[word] + 1) / (seen.total() + len(seen))
        ),
        "different words in the unigrams": witten_bell_with(empty=lambda seen, word: (seen[word] > 0) / len(seen)),
        "one order more": witten_bell_with(longest=lambda n: n),
        "always pairs": witten_bell_with(longest=lambda n: 1),
        "the last word of the history left out": witten_bell_with(lower=lambda history: history[:-1]),
        "unigrams below every order": witten_bell_with(lower=lambda history: ()),
        "the order of the tokens": lambda train, test, n: sorted(witten_bell_with()(train, test, n)),
        "a list for each sentence": lambda train, test, n: [witten_bell_with()(train, [s], n) for s in test],
        "logarithms": lambda train, test, n: [
            math.log(p) if p else -math.inf for p in witten_bell_with()(train, test, n)
        ],
        "the product": lambda train, test, n: math.prod(witten_bell_with()(train, test, n)),
        "the training text": lambda train, test, n: witten_bell_with()(train, train, n),
    },
    "ngram.sample_sentence": {
        "the end kept": sampler_with(keep_end=True),
        "the start kept": sampler_with(keep_start=True),
        "the likeliest word": sampler_with(greedy=True),
        "a new generator for each word": sampler_with(new_seed=True),
        "only the last word as history": sampler_with(last_only=True),
        "one word too many": sampler_with(more=1),
        "one word too few": sampler_with(more=-1),
        "never ends": sampler_with(end=None),
        "a text": lambda next_distribution, words, seed, longest: " ".join(
            sampler_with()(next_distribution, words, seed, longest)
        ),
        "always the same seed": lambda next_distribution, words, seed, longest: sampler_with()(
            next_distribution, words, 0, longest
        ),
        "drawn evenly": lambda next_distribution, words, seed, longest: sampler_with()(
            lambda history: np.full(len(words), 1 / len(words)), words, seed, longest
        ),
        "the history never grows": lambda next_distribution, words, seed, longest: sampler_with()(
            lambda history: next_distribution(["<s>"]), words, seed, longest
        ),
        "all drawn at once": lambda next_distribution, words, seed, longest: list(
            np.random.default_rng(seed).choice(words, size=longest, p=next_distribution(["<s>"]))
        ),
    },
    "ngram.guessing_bounds": {
        "upper first": bounds_with(both=lambda low, high: (high, low)),
        "nats": bounds_with(log=math.log),
        "base 10": bounds_with(log=math.log10),
        "guesses that were never right left out": bounds_with(gaps=False),
        "the last share left out": bounds_with(cut=True),
        "the upper alone": bounds_with(both=lambda low, high: high),
        "the mean of the two": bounds_with(both=lambda low, high: (low + high) / 2),
        "upper without its minus": bounds_with(both=lambda low, high: (low, -high)),
        "lower without i": bounds_with(
            lower=lambda ranks, q: sum(
                (a - b) * math.log2(i) for i, (a, b) in enumerate(zip(q, [*q[1:], 0.0], strict=True), start=1)
            )
        ),
        "logarithms of the ranks": bounds_with(
            lower=lambda ranks, q: sum(math.log2(rank) for rank in ranks) / len(ranks)
        ),
        "differences the other way": bounds_with(both=lambda low, high: (-low, high)),
        "the mean rank": bounds_with(upper=lambda ranks, q: sum(ranks) / len(ranks)),
        "the largest share": bounds_with(upper=lambda ranks, q: -math.log2(max(q))),
        "counts instead of shares": bounds_with(
            upper=lambda ranks, q: (
                -sum(ranks.count(rank) * math.log2(ranks.count(rank) / len(ranks)) for rank in set(ranks))
            )
        ),
        "ranks in order": lambda ranks: bounds_with()([sorted(set(ranks)).index(rank) + 1 for rank in ranks]),
        "most frequent first": lambda ranks: bounds_with()(
            [sorted(set(ranks), key=lambda r: -ranks.count(r)).index(rank) + 1 for rank in ranks]
        ),
    },
    "ngram.text_perplexity": {
        "the mean of the sentences' perplexities": lambda sentences: float(
            np.mean([math.exp(-np.mean(np.log(p))) for p in sentences])
        ),
        "the geometric mean of the sentences' perplexities": lambda sentences: math.exp(
            -np.mean([np.mean(np.log(p)) for p in sentences])
        ),
        "sums, not means": lambda sentences: math.exp(-np.mean([np.sum(np.log(p)) for p in sentences])),
        "the cross-entropy": lambda sentences: -float(np.mean(np.log([x for p in sentences for x in p]))),
        "the product": lambda sentences: 1 / math.prod(x for p in sentences for x in p),
        "the arithmetic mean": lambda sentences: 1 / float(np.mean([x for p in sentences for x in p])),
        "the first sentence": lambda sentences: math.exp(-np.mean(np.log(sentences[0]))),
        "sentences weighted by their length, exponentials first": lambda sentences: (
            sum(len(p) * math.exp(-np.mean(np.log(p))) for p in sentences) / sum(map(len, sentences))
        ),
        "divided by the sentences": lambda sentences: math.exp(
            -sum(math.log(x) for p in sentences for x in p) / len(sentences)
        ),
        "the median": lambda sentences: math.exp(-np.median(np.log([x for p in sentences for x in p]))),
        "a product that underflows": lambda sentences: product_perplexity([x for p in sentences for x in p]),
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
