"""n-gram language models on sorted arrays: the models of chapter 01, fast enough for millions of words.

`NgramCounts` counts all n-grams up to an order once; the models on top of it differ only in one line of mathematics,
their method `_combine`. All follow the same recursion from short to long contexts,

    p_0 = 1 / |V|,    p_k = combine(counts of the k-gram, counts of its context, p_{k-1}),

which is how the chapter derives them. |V| counts every word that can come next: the vocabulary without <s>.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lmtutor.data.text import Vocabulary, checked_sentences, checked_texts, typed_mark
from lmtutor.runtime import CourseError, several

# What KenLM takes for the end of a word or of a line.
_PARTS_ARPA = re.compile(r"[\0\t\n\v\f\r ]")


class Table(NamedTuple):
    """All k-grams of one order k, sorted by (context, last word). The i-th k-gram has the id i.

    `key` is id of the context (a (k-1)-gram) * |vocabulary| + id of the last word, so that a binary search finds a
    k-gram and all k-grams with one context stand side by side.
    """

    key: np.ndarray  # [grams] int64
    count: np.ndarray  # [grams] how often the k-gram occurs
    suffix: np.ndarray  # [grams] id of the (k-1)-gram without the first word
    left_types: np.ndarray  # [grams] number of different words seen before it (the count itself after <s>)


class ContextSums(NamedTuple):
    """For each context of a table, sums over the k-grams that continue it."""

    total: np.ndarray  # [contexts] sum of the counts
    types: np.ndarray  # [contexts] number of different continuations
    ones: np.ndarray  # [contexts] of these, how many have count 1,
    twos: np.ndarray  # [contexts] count 2,
    more: np.ndarray  # [contexts] and count 3 or more


class NgramCounts:
    """Counts of all n-grams of order 1 to `order` in sentences, each read as <s> w_1 ... w_m </s>.

    Args:
        sentences: lists of words.
        order: the longest n-gram, at least 1.
        vocabulary: maps words to ids; made from the sentences (min_count=1) if not given.

    Raises:
        CourseError: the order is below 1 or above the length of every sentence, there is no sentence, one is a string,
            or <s> or </s> stands in one.

    Time O(n log n) and memory O(n) in the number of tokens, for each order.
    """

    def __init__(self, sentences: Sequence[Sequence[str]], order: int, vocabulary: Vocabulary | None = None):
        _check_countable(sentences, order)
        self.order = order
        self.vocabulary = vocabulary or Vocabulary(sentences)
        ids, position = self.encode(sentences)
        self.num_tokens = int((position > 0).sum())  # every word and every </s>; <s> is given, not predicted
        self.tables: list[Table] = []
        self._starts_sentence: list[np.ndarray] = []
        self._sums: dict[tuple[int, str], ContextSums] = {}
        self._count(ids, position)

    @property
    def num_outcomes(self) -> int:
        """|V|: how many different tokens can come next; <s> cannot."""
        return len(self.vocabulary) - 1

    def encode(self, sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
        """All sentences in one row of ids, and each token's position in its sentence (0 at <s>): twice [tokens]."""
        vocabulary = self.vocabulary
        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences)) + 2
        ends = np.cumsum(lengths)
        inner = np.array(vocabulary.encode(chain.from_iterable(checked_sentences(sentences))), dtype=np.int64)
        _check_marks(inner, lengths - 2, vocabulary)
        ids = np.full(ends[-1], -1, dtype=np.int64)
        ids[ends - lengths], ids[ends - 1] = vocabulary.start, vocabulary.end
        ids[ids == -1] = inner
        position = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        return ids, position

    def _count(self, ids: np.ndarray, position: np.ndarray) -> None:
        size = len(self.vocabulary)
        previous = np.zeros(len(ids), dtype=np.int64)  # id of the (k-1)-gram that ends at each token; order 0: one gram
        for k in range(1, self.order + 1):
            # The k-gram that ends at token i is the (k-1)-gram that ends at i-1, and the word at i.
            context = np.concatenate(([0], previous[:-1])) if k > 1 else previous
            where = np.flatnonzero(position >= k - 1)
            key, count, gram, last = _group(context[where] * size + ids[where])
            here = where[last]  # one token where each k-gram ends
            suffix = previous[here]
            starts = position[here] == k - 1  # <s> is its first word, so nothing can stand before it
            if k > 1:
                self._count_left_types(suffix)
            self.tables.append(Table(key, count, suffix, count))
            self._starts_sentence.append(starts)
            previous = np.full(len(ids), -1, dtype=np.int64)
            previous[where] = gram

    def _count_left_types(self, suffix: np.ndarray) -> None:
        """Each different k-gram adds one to the left types of the (k-1)-gram that it ends with."""
        shorter = self.tables[-1]
        left_types = np.bincount(suffix, minlength=len(shorter.key))
        left_types = np.where(self._starts_sentence[-1], shorter.count, left_types)
        self.tables[-1] = shorter._replace(left_types=left_types)

    def context_sums(self, k: int, column: str) -> ContextSums:
        """Sums over the continuations of every context of order k - 1; <s> never continues one.

        Args:
            column: of which numbers of the k-grams: "count" or "left_types". Models share each result.
        """
        if (k, column) not in self._sums:
            self._sums[k, column] = self._sum_by_context(k, getattr(self.tables[k - 1], column))
        return self._sums[k, column]

    def _sum_by_context(self, k: int, count: np.ndarray) -> ContextSums:
        context, word = np.divmod(self.tables[k - 1].key, len(self.vocabulary))
        count = np.where(word == self.vocabulary.start, 0, count)
        contexts = len(self.tables[k - 2].key) if k > 1 else 1

        def total(weights: np.ndarray) -> np.ndarray:
            return np.bincount(context, weights=weights, minlength=contexts)

        return ContextSums(total(count), *(total(chosen) for chosen in (count > 0, count == 1, count == 2, count > 2)))

    def find(self, k: int, context: np.ndarray, word: np.ndarray) -> np.ndarray:
        """Ids of the k-grams (context id, word id); -1 where the context is -1 or the k-gram was never seen."""
        keys, wanted = self.tables[k - 1].key, context * len(self.vocabulary) + word
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where((keys[place] == wanted) & (context >= 0), place, -1)

    def count(self, *words: str) -> int:
        """How often the n-gram of these words occurs. `<s>` and `</s>` may be among them.

        Raises:
            CourseError: there are no words, or more than the order.
        """
        if not 1 <= len(words) <= self.order:
            raise CourseError(f"These counts hold n-grams of 1 to {self.order} words, not of {len(words)}.")
        gram = self.gram_id(self.vocabulary.encode(words))
        return int(self.tables[len(words) - 1].count[gram]) if gram >= 0 else 0

    def gram_id(self, ids: Sequence[int]) -> int:
        """The id of the n-gram of these word ids among those of its order; -1 if never seen; 0 for no words at all."""
        gram = np.zeros(1, dtype=np.int64)
        for k, word in enumerate(ids, start=1):
            gram = self.find(k, gram, np.array([word]))
        return int(gram[0])

    def num_grams(self) -> list[int]:
        """How many different n-grams there are of each order 1, 2, ..."""
        return [len(table.key) for table in self.tables]


def _check_countable(sentences: Sequence[Sequence[str]], order: int) -> None:
    if not isinstance(order, int) or order < 1:
        raise CourseError(f"The order of an n-gram model is a whole number of at least 1, not {order!r}.")
    if len(several(sentences, "sentences (lists of words)")) == 0:
        raise CourseError("Counting n-grams needs at least one sentence, but the corpus is empty.")
    longest = max(map(len, checked_sentences(sentences))) + 2
    if order > longest:
        raise CourseError(
            f"No sentence is long enough for n-grams of order {order}: with <s> and </s> the longest has {longest} "
            f"tokens; take a lower order."
        )


def _check_marks(inner: np.ndarray, lengths: np.ndarray, vocabulary: Vocabulary) -> None:
    """No <s> or </s> among the words: they would count as sentences that begin and end, and cost nothing."""
    marks = np.flatnonzero((inner == vocabulary.start) | (inner == vocabulary.end))
    if len(marks):
        number = int(np.searchsorted(np.cumsum(lengths), marks[0], side="right"))
        raise typed_mark(number + 1, vocabulary.words[inner[marks[0]]])


def _group(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The different keys in order, how often each occurs, each key's rank among them, and one place of each.

    That is numpy.unique with all its extras, only faster: sorting numbers that carry their place in their lowest bits
    takes a third of the time of argsort and a look-up.
    """
    bits = len(keys).bit_length()
    if int(keys.max()) < 1 << (63 - bits):
        ordered = keys << bits  # changed in place from here on: fresh memory costs more than the arithmetic
        ordered |= np.arange(len(keys))
        ordered.sort()
        order = ordered & ((1 << bits) - 1)
        ordered >>= bits
    else:
        order = np.argsort(keys)
        ordered = keys[order]
    is_first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    first = np.flatnonzero(is_first)
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.cumsum(is_first) - 1
    return ordered[first], np.diff(first, append=len(keys)), rank, order[first]


class NgramModel:
    """What all n-gram models share: probabilities of texts and of the next word, sampling, perplexity.

    Args:
        counts: the counted training text.
        order: use n-grams up to this order (default: all that were counted).
    """

    def __init__(self, counts: NgramCounts, order: int | None = None):
        order = counts.order if order is None else order
        if not 1 <= order <= counts.order:
            raise CourseError(
                f"The counts reach order {counts.order}; a model of order {order!r} cannot be made of them."
            )
        self.counts, self.order, self.vocabulary = counts, order, counts.vocabulary
        self._sums = [counts.context_sums(k, self._column(k)) for k in range(1, order + 1)]

    def _column(self, k: int) -> str:
        """Which numbers of the k-grams' table this model takes for counts."""
        return "count"

    def _numerator(self, k: int) -> np.ndarray:
        """The counts that this model uses for the k-grams: [k-grams]."""
        return getattr(self.counts.tables[k - 1], self._column(k))

    def _combine(self, k: int, count: np.ndarray, sums: ContextSums, lower: np.ndarray) -> np.ndarray:
        """p_k from the k-grams' counts, the sums of their contexts (all > 0) and the lower order's p_{k-1}."""
        raise NotImplementedError

    def _unseen_context(self, lower: np.ndarray) -> np.ndarray:
        """p_k where the context was never seen: that of the lower order, which is what backing off means."""
        return lower

    def _step(self, k: int, context: np.ndarray, gram: np.ndarray, lower: np.ndarray) -> np.ndarray:
        sums = self._sums[k - 1]
        seen = np.flatnonzero((context >= 0) & (sums.total[context] > 0))
        result = self._unseen_context(lower)
        if len(seen) == 0:
            return result
        gram, context = gram[seen], context[seen]
        count = np.where(gram >= 0, self._numerator(k)[gram], 0)
        result = np.array(result, dtype=np.float64)
        result[seen] = self._combine(k, count, ContextSums(*(s[context] for s in sums)), lower[seen])
        return result

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """P(token | history) for every word and every </s> of the sentences, in order: [tokens]."""
        return self._mix(self._all_orders(sentences))

    def _all_orders(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """p_0, p_1, ..., p_order of every predicted token: order + 1 arrays [tokens]."""
        if len(several(sentences, "sentences (lists of words)")) == 0:
            raise CourseError("There is no sentence to score: the text is empty.")
        ids, position = self.counts.encode(sentences)
        predicted = np.flatnonzero(position > 0)
        result = [np.full(len(predicted), 1 / self.counts.num_outcomes)]
        gram = np.zeros(len(ids), dtype=np.int64)
        for k in range(1, self.order + 1):
            context = np.concatenate(([-1], gram[:-1])) if k > 1 else gram
            gram = self.counts.find(k, context, ids)
            # Near the start of a sentence there is no longer history: the shorter order is the full model there.
            enough = position[predicted] >= k - 1
            now, lower = predicted[enough], result[-1]
            p = lower.copy()
            p[enough] = self._step(k, context[now], gram[now], lower[enough])
            result.append(p)
            gram[position < k - 1] = -1
        return result

    def next_distribution(self, history: Sequence[str]) -> np.ndarray:
        """P(w | history) for every w of the vocabulary: [vocabulary]; 0 for <s>.

        A history that begins a sentence starts with "<s>". The model looks at its last order - 1 words only.
        """
        p = self._mix(self._all_orders_next(history))
        p[self.vocabulary.start] = 0
        return p

    def _all_orders_next(self, history: Sequence[str]) -> list[np.ndarray]:
        """p_0, p_1, ..., p_order of every word of the vocabulary after the history: order + 1 arrays [vocabulary]."""
        ids = self.vocabulary.encode(history)
        every = np.arange(len(self.vocabulary))
        result = [np.full(len(every), 1 / self.counts.num_outcomes)]
        for k in range(1, self.order + 1):
            p = result[-1]
            if k <= len(ids) + 1:
                context = np.full(len(every), self.counts.gram_id(ids[len(ids) - k + 1 :]))
                p = self._step(k, context, self.counts.find(k, context, every), p)
            result.append(p)
        return result

    def _mix(self, orders: list[np.ndarray]) -> np.ndarray:
        """The model's probability from those of all its orders: that of the highest, unless a subclass mixes them."""
        return orders[-1].copy()


class MLE(NgramModel):
    """Maximum likelihood: count of the n-gram / count of its context; 0 for what was never seen."""

    def _combine(self, k, count, sums, lower):
        return count / sums.total

    def _unseen_context(self, lower):
        return np.zeros_like(lower)


class AddK(NgramModel):
    """Add-k smoothing (Laplace for k = 1): (count + k) / (total + k |V|)."""

    def __init__(self, counts: NgramCounts, k: float = 1.0, order: int | None = None):
        if not 0 < k < math.inf:
            raise CourseError(f"Add-k smoothing adds a positive, finite k to each count, not {k!r}.")
        self.k = k
        super().__init__(counts, order)

    def _combine(self, k, count, sums, lower):
        return (count + self.k) / (sums.total + self.k * self.counts.num_outcomes)

    def _unseen_context(self, lower):
        return np.full_like(lower, 1 / self.counts.num_outcomes)


class Interpolated(NgramModel):
    """Jelinek-Mercer: a mixture of the maximum-likelihood estimates of all orders, and of 1/|V|.

    An order whose context was never seen passes on the estimate of the order below.

    Args:
        weights: order + 1 mixture weights that sum to one, the first that of 1/|V|; `fit_weights` finds them with EM.
    """

    def __init__(self, counts: NgramCounts, weights: Sequence[float], order: int | None = None):
        super().__init__(counts, order)
        self.weights = np.asarray(weights, dtype=np.float64)
        if len(self.weights) != self.order + 1 or not np.isclose(self.weights.sum(), 1) or (self.weights < 0).any():
            raise CourseError(f"Interpolation of order {self.order} needs {self.order + 1} weights >= 0 that sum to 1.")

    def _combine(self, k, count, sums, lower):
        return count / sums.total

    def _mix(self, orders):
        return self.weights @ np.stack(orders)

    def fit_weights(self, held_out: Sequence[Sequence[str]], rounds: int = 20) -> list[float]:
        """EM for the mixture weights on held-out text; returns the cross-entropy (nats a token) before each round.

        Raises:
            CourseError: there is no sentence, or the mixture gives a token the probability 0.
        """
        components = np.stack(self._all_orders(held_out))  # [order + 1, tokens]
        history = []
        for _ in range(rounds):
            shares = self.weights[:, None] * components
            mixture = shares.sum(axis=0)
            if not mixture.all():
                raise CourseError("A held-out token has the probability 0: give 1/|V|, the first, a weight above 0.")
            history.append(float(-np.log(mixture).mean()))
            self.weights = (shares / mixture).mean(axis=1)  # E-step: whose token was it?  M-step: average
        return history


class WittenBell(NgramModel):
    """Interpolated Witten-Bell: a history passes on the share T / (N + T) to the lower order (Witten and Bell, 1991).

    N is how often the history occurs, T how many different words came after it: so often did something come that was
    new there. Unigrams are relative frequencies, as in nltk.
    """

    def _combine(self, k, count, sums, lower):
        if k == 1:
            return count / sums.total
        return (count + sums.types * lower) / (sums.total + sums.types)


class AbsoluteDiscounting(NgramModel):
    """Take `discount` off every count above zero, and give what is gained to the lower order (Ney et al., 1994)."""

    def __init__(self, counts: NgramCounts, discount: float = 0.75, order: int | None = None):
        if not 0 < discount < 1:
            raise CourseError(f"The discount lies between 0 and 1, not at {discount!r}.")
        self.discount = discount
        super().__init__(counts, order)

    def _combine(self, k, count, sums, lower):
        freed = self.discount * sums.types / sums.total
        return np.maximum(count - self.discount, 0) / sums.total + freed * lower


class KneserNey(NgramModel):
    """Interpolated Kneser-Ney smoothing; modified (three discounts an order, from the counts) by default.

    The highest order uses counts, the lower orders use in how many different contexts an n-gram occurs
    (Kneser and Ney, 1995; Chen and Goodman, 1999). n-grams that begin with <s> keep their counts, as in
    SRILM and KenLM.

    Args:
        discount: one number between 0 and 1 for all orders, or "modified": D1, D2, D3+ for each order from Chen and
            Goodman's formula, and 1/|V| below the unigrams; an order for which the formula fails takes 0.5, 1, 1.5.
    """

    def __init__(self, counts: NgramCounts, discount: float | str = "modified", order: int | None = None):
        if discount != "modified" and not (isinstance(discount, int | float) and 0 < discount < 1):
            raise CourseError(f'The discount is a number between 0 and 1, or "modified", not {discount!r}.')
        self.discount = discount
        super().__init__(counts, order)
        self.discounts = [self._discounts(k) for k in range(1, self.order + 1)]  # (D1, D2, D3+) for each order

    def _column(self, k):
        return "count" if k == self.order else "left_types"

    def _discounts(self, k: int) -> tuple[float, float, float]:
        if self.discount != "modified":
            # With one given discount the unigrams stay as they are: the continuation counts sum to one by themselves.
            return (0.0,) * 3 if k == 1 < self.order else (self.discount,) * 3
        table = self.counts.tables[k - 1]
        count = self._numerator(k)[table.key % len(self.vocabulary) != self.vocabulary.start]
        n1, n2, n3, n4 = (int((count == c).sum()) for c in (1, 2, 3, 4))
        # Too little text, or text that was made up, has no estimate or one below 0. KenLM falls back to these, too. A
        # discount of 0 would be one too few: after a context all of whose counts keep everything, nothing is left.
        fallback = 0.5, 1.0, 1.5
        if min(n1, n2, n3) == 0:
            return fallback
        y = Fraction(n1, n1 + 2 * n2)  # exact, so that what is 0 is not rounded to what is not
        estimates = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        return tuple(map(float, estimates)) if min(estimates) > 0 else fallback

    def _combine(self, k, count, sums, lower):
        one, two, more = self.discounts[k - 1]
        discount = np.array([0.0, one, two, more])[np.minimum(count, 3)]
        freed = (one * sums.ones + two * sums.twos + more * sums.more) / sums.total
        return (count - discount) / sums.total + freed * lower

    def backoff(self, k: int) -> np.ndarray:
        """The share that each context of order k - 1 passes on to the lower order: [contexts]; 1 if never continued."""
        one, two, more = self.discounts[k - 1]
        sums = self._sums[k - 1]
        freed = one * sums.ones + two * sums.twos + more * sums.more
        return np.divide(freed, sums.total, out=np.ones(len(sums.total)), where=sums.total > 0)


class StupidBackoff(NgramModel):
    """Relative frequency if the n-gram was seen, else 0.4 times the lower order's score (Brants et al., 2007).

    The scores do not sum to one: they rank continuations, but they have no perplexity.
    """

    def __init__(self, counts: NgramCounts, factor: float = 0.4, order: int | None = None):
        self.factor = factor
        super().__init__(counts, order)

    def _combine(self, k, count, sums, lower):
        return np.where(count > 0, count / sums.total, self.factor * lower)

    def _unseen_context(self, lower):
        return self.factor * lower


class CacheModel:
    """An n-gram model that expects the words of the last `size` tokens again (Kuhn and De Mori, 1990).

        P(w | history) = (1 - weight) P_base(w | history) + weight * share of w among the last `size` tokens

    The tokens are words and </s>, across the ends of sentences. At the first token there is nothing to remember, and
    the base answers alone.

    Args:
        base: any n-gram model whose probabilities sum to one.
        size: how many tokens it remembers.
        weight: of the cache, from 0 to 1; `fit_weight` finds it with EM.
    """

    def __init__(self, base: NgramModel, size: int = 400, weight: float = 0.05):
        if not isinstance(size, int) or size < 1:
            raise CourseError(f"A cache remembers a whole number of tokens of at least 1, not {size!r}.")
        if not 0 <= weight <= 1:
            raise CourseError(f"The weight of the cache lies between 0 and 1, not at {weight!r}.")
        self.base, self.size, self.weight = base, size, weight
        self.vocabulary = base.vocabulary

    def shares(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """For every token of the sentences, read in order, its share among the `size` tokens before it: [tokens]."""
        ids, position = self.base.counts.encode(sentences)
        window: deque[int] = deque()
        count: Counter[int] = Counter()
        found = []
        for token in ids[position > 0].tolist():
            found.append(count[token] / max(len(window), 1))
            window.append(token)
            count[token] += 1
            if len(window) > self.size:
                count[window.popleft()] -= 1
        return np.array(found)

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """P(token | history, cache) for every word and every </s> of the sentences, read in order: [tokens]."""
        base = self.base.probabilities(sentences)
        mixed = (1 - self.weight) * base + self.weight * self.shares(sentences)
        mixed[0] = base[0]
        return mixed

    def fit_weight(self, held_out: Sequence[Sequence[str]], rounds: int = 30) -> float:
        """EM for the weight on held-out text, read in order; sets and returns it."""
        base, cached = self.base.probabilities(held_out)[1:], self.shares(held_out)[1:]
        for _ in range(rounds if len(base) else 0):
            share = self.weight * cached
            self.weight = float((share / (share + (1 - self.weight) * base)).mean())
        return self.weight

    def next_distribution(self, history: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """P(w | history, cache) for every w of the vocabulary: [vocabulary]; 0 for <s>.

        Args:
            history: the sentence so far, with <s> in front, as for any n-gram model. It is remembered, too.
            before: the tokens that were read before it, </s> at each end of a sentence.
        """
        ids = np.array(self.vocabulary.encode([*several(before, "words"), *several(history, "words")]), dtype=np.int64)
        ids = ids[ids != self.vocabulary.start][-self.size :]
        p = self.base.next_distribution(history)
        if len(ids) == 0:
            return p
        return (1 - self.weight) * p + self.weight * np.bincount(ids, minlength=len(p)) / len(ids)


def write_arpa(model: KneserNey, path: str | Path) -> Path:
    """Write a Kneser-Ney model in the ARPA format, which KenLM, SRILM and others read.

    An ARPA file holds log10 P(w | context) for every n-gram seen, and log10 of the backoff for every context.

    Raises:
        CourseError: a word is empty or holds a blank or a line end, which part words and lines there.
    """
    for word in checked_texts(model.vocabulary.words):
        if not word or _PARTS_ARPA.search(word):
            raise CourseError(
                f"The word {word!r} cannot stand in an ARPA file, where blanks part words: replace what is blank in it "
                f"(such as with _) before you count, or leave it out."
            )
    words, counts = np.array(model.vocabulary.words, dtype=object), model.counts
    grams: np.ndarray = np.array([""], dtype=object)  # each k-gram's text
    lower = np.full(1, 1 / counts.num_outcomes)
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write("\\data\\\n")
        # <unk> has its line even if training never met it; the unigram table may lack it.
        sizes = counts.num_grams()[: model.order]
        lacks_unknown = counts.count("<unk>") == 0
        for k, size in enumerate(sizes, start=1):
            file.write(f"ngram {k}={size + (lacks_unknown and k == 1)}\n")
        for k in range(1, model.order + 1):
            table = counts.tables[k - 1]
            context, word = np.divmod(table.key, len(words))
            below = lower[table.suffix] if k > 1 else np.full(len(word), lower[0])
            p = model._step(k, context, np.arange(len(word)), below)
            text = grams[context] + words[word] if k == 1 else grams[context] + " " + words[word]
            logs = np.where(word == model.vocabulary.start, -99.0, np.log10(np.maximum(p, 1e-99)))
            file.write(f"\n\\{k}-grams:\n")
            if k == 1 and lacks_unknown:
                unknown = model._step(1, np.zeros(1, int), np.full(1, -1), lower)[0]
                file.write(f"{math.log10(max(unknown, 1e-99)):.7f}\t<unk>\t0\n")
            if k < model.order:
                backoffs = np.log10(np.maximum(model.backoff(k + 1), 1e-99))
                file.writelines(f"{a:.7f}\t{t}\t{b:.7f}\n" for a, t, b in zip(logs, text, backoffs, strict=True))
            else:
                file.writelines(f"{a:.7f}\t{t}\n" for a, t in zip(logs, text, strict=True))
            grams, lower = text, p
        file.write("\n\\end\\\n")
    return Path(path)
