"""Exercises of chapter 01."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np

from lmtutor import metrics
from lmtutor.data.text import Vocabulary
from lmtutor.exercises.examine import Exercise, compare, same
from lmtutor.models.ngram import KneserNey, NgramCounts

# A text small enough to count by hand.
_PAIRS = Counter({("the", "cat"): 2, ("the", "dog"): 1, ("a", "cat"): 1, ("cat", "sat"): 2})
_SENTENCES = [
    sentence.split()
    for sentence in (
        "the lamp is lit",
        "the ferry is late",
        "the lamp is out",
        "a ferry is lit",
        "the keeper is late",
        "a lamp is a light",
    )
]


def log_probability(probabilities: list[float]) -> float:
    """ln of the probability of a sentence, from P(w_i | w_1 ... w_{i-1}) of its words."""
    return sum(math.log(p) for p in probabilities)


def _remark_log_probability(arguments, expected, got):
    if same(math.exp(expected), got, 1e-9):
        return "That is the product itself: a long sentence would underflow to 0, so add logarithms."
    if same(expected / math.log(2), got, 1e-9):
        return "That is the logarithm to base 2; the natural one is asked for."
    if got == -math.inf:
        return "The product became 0 before you took its logarithm: take the logarithms first, then add."
    return ""


def _failure_log_probability(arguments, error):
    zero = "Did a product become 0 before you took its logarithm? Take the logarithms first, then add."
    return zero if isinstance(error, ValueError) else ""


def mle(pairs: Counter, history: str, word: str) -> float:
    """count(history, word) / count(history, anything); 0 if the history was never seen."""
    total = sum(count for (first, _), count in pairs.items() if first == history)
    return pairs[history, word] / total if total else 0.0


def _remark_mle(arguments, expected, got):
    pairs, history, word = arguments
    if got == pairs[history, word] / sum(pairs.values()):
        return "You divided by the number of all pairs: that is the joint probability, not the conditional one."
    if got == pairs[history, word] / sum(first == history for first, _ in pairs):
        return "You divided by the number of different followers: divide by the sum of their counts."
    return ""


def _failure_mle(arguments, error):
    _, history, _ = arguments
    return f"{history!r} was never seen as a history." if isinstance(error, ZeroDivisionError) else ""


def perplexity(probabilities: list[float]) -> float:
    """exp of the mean of -ln p; infinite if one p is 0."""
    if min(probabilities) == 0:
        return math.inf
    return math.exp(-sum(math.log(p) for p in probabilities) / len(probabilities))


def _remark_perplexity(arguments, expected, got):
    (probabilities,) = arguments
    if same(1 / np.mean(probabilities), got, 1e-6):
        return "You took the arithmetic mean of the probabilities; perplexity needs the mean of their logarithms."
    if expected != math.inf and same(math.log(expected), got, 1e-6):
        return "That is the cross-entropy; the perplexity is its exponential."
    if expected != math.inf and got == math.inf and len(probabilities) < 10:
        return "Only a probability of exactly 0 makes it infinite; a small one is no 0."
    if expected != math.inf and got == math.inf:
        return "A product of so many probabilities becomes 0: take the mean of their logarithms instead."
    if same(expected ** len(probabilities), got, 1e-6):
        return "The mean is missing: divide the sum by the number of tokens."
    if same(2 ** math.log(expected), got, 1e-6):
        return "The base must be that of your logarithm: e for ln, 2 for log2."
    return ""


def _failure_perplexity(arguments, error):
    (probabilities,) = arguments
    infinite = 0 in probabilities and isinstance(error, ValueError | ZeroDivisionError)
    return "One of the probabilities is 0, so the answer is math.inf." if infinite else ""


def add_k(count: int, total: int, k: float, vocabulary_size: int) -> float:
    """(count + k) / (total + k |V|)."""
    return (count + k) / (total + k * vocabulary_size)


def _remark_add_k(arguments, expected, got):
    count, total, k, vocabulary_size = arguments
    if same((count + k) / (total + k), got, 1e-9) or same((count + k) / total, got, 1e-9):
        return "Every one of the |V| words got k more, so the denominator grows by k times |V|."
    if same((count + k) / (total + vocabulary_size), got, 1e-9):
        return "This is right for k = 1 only: the denominator grows by k times |V|."
    if same((count + 1) / (total + vocabulary_size), got, 1e-9):
        return "You added 1 to each count; add k."
    return ""


def em_step(weights: list[float], components: list[list[float]]) -> list[float]:
    """One round of EM. components[j][i] is what model j gave to token i; returns the new weights."""
    shares = np.array(weights)[:, None] * np.array(components)
    return (shares / shares.sum(axis=0)).mean(axis=1).tolist()


def _remark_em_step(arguments, expected, got):
    weights, components = arguments
    shares = np.array(weights)[:, None] * np.array(components)
    if same((shares.sum(axis=1) / shares.sum()).tolist(), got, 1e-6):
        return "Normalise for each token first, then average: here tokens with high probability count more."
    if not same(1.0, np.sum(got), 1e-6):
        return "The new weights should sum to 1."
    if same((np.array(components) / np.sum(components, axis=0)).mean(axis=1).tolist(), got, 1e-6):
        return "The old weights are missing: a share is weights[j] * components[j][i], over the sum for all j."
    return ""


def continuation_probability(pairs: Counter, word: str) -> float:
    """In how many different pairs the word comes second / the number of different pairs."""
    return sum(second == word for _, second in pairs) / len(pairs)


def _remark_continuation(arguments, expected, got):
    pairs, word = arguments
    if same(sum(c for (_, second), c in pairs.items() if second == word) / sum(pairs.values()), got, 1e-9):
        return "You counted tokens; count each different pair once."
    if same(sum(second == word for _, second in pairs), got, 1e-9):
        return "A share is asked for: divide by the number of different pairs."
    return ""


def kneser_ney(pairs: Counter, history: str, word: str, discount: float) -> float:
    """Interpolated Kneser-Ney for pairs: discounted count, and the freed share times the continuation probability."""
    followers = {second: count for (first, second), count in pairs.items() if first == history}
    lower = continuation_probability(pairs, word)
    if not followers:
        return lower
    total = sum(followers.values())
    freed = discount * len(followers) / total
    return max(followers.get(word, 0) - discount, 0) / total + freed * lower


def _remark_kneser_ney(arguments, expected, got):
    pairs, history, word, discount = arguments
    total = sum(count for (first, _), count in pairs.items() if first == history)
    if total and not pairs[history, word] and got < 0:
        return "A count of 0 minus the discount is negative: take max(count - discount, 0)."
    if not total:
        return "The history was never seen, so the continuation probability alone has to answer."
    if same(max(pairs[history, word] - discount, 0) / total, got, 1e-9):
        return "The freed share, discount * different followers / total, is not given to the continuation probability."
    kept, followers = max(pairs[history, word] - discount, 0) / total, sum(first == history for first, _ in pairs)
    if same(kept + discount / total * continuation_probability(pairs, word), got, 1e-9):
        return "Each of the different followers gave one discount, so the freed share is that many times larger."
    frequency = sum(count for (_, second), count in pairs.items() if second == word) / sum(pairs.values())
    if same(kept + discount * followers / total * frequency, got, 1e-9):
        return "Your lower order counts tokens: take the continuation probability, which counts different pairs."
    return ""


def _failure_kneser_ney(arguments, error):
    _, history, *_ = arguments
    unseen = f"{history!r} was never seen as a history: the continuation probability alone has to answer."
    return unseen if isinstance(error, ZeroDivisionError) else ""


def learning_curve(train: list, test: list, order: int, sizes: list[int], vocabulary: Vocabulary) -> list[float]:
    """Test perplexity of Kneser-Ney models trained on the first `size` sentences, for each size; one vocabulary."""
    curve = []
    for size in sizes:
        model = KneserNey(NgramCounts(train[:size], order, vocabulary))
        curve.append(math.exp(-np.log(model.probabilities(test)).mean()))
    return curve


def _remark_learning_curve(arguments, expected, got):
    train, test, order, sizes, vocabulary = arguments
    own = []
    for size in sizes:
        model = KneserNey(NgramCounts(train[:size], order, Vocabulary(train[:size])))
        own.append(math.exp(-np.log(model.probabilities(test)).mean()))
    if same(own, got, 1e-6):
        return (
            "Each of your models has a vocabulary of its own, so a smaller text makes more words <unk>, which is "
            "cheaper to predict than they are: give all models the same vocabulary."
        )
    whole = math.exp(-np.log(KneserNey(NgramCounts(train, order, vocabulary)).probabilities(test)).mean())
    if len(sizes) > 1 and same([whole] * len(sizes), got, 1e-6):
        return "Each size gives the same: is train[:size] used?"
    if same([math.log(perplexity) for perplexity in expected], got, 1e-6):
        return "These are cross-entropies; the perplexity is the exponential."
    one_discount = [KneserNey(NgramCounts(train[:size], order, vocabulary), 0.75) for size in sizes]
    if same([metrics.perplexity(model.probabilities(test)) for model in one_discount], got, 1e-6):
        return "Modified Kneser-Ney is asked for: KneserNey(counts), without a discount of yours."
    return ""


def witten_bell(train: list, test: list, n: int) -> list[float]:
    """Interpolated Witten-Bell, trained on `train`: P of every word and every </s> of the test sentences, in order."""
    followers = defaultdict(Counter)
    for sentence in train:
        padded = ["<s>", *sentence, "</s>"]
        for i in range(1, len(padded)):
            for k in range(min(i, n - 1) + 1):
                followers[tuple(padded[i - k : i])][padded[i]] += 1

    def probability(word, history):
        seen = followers.get(history, Counter())
        if not history:
            return seen[word] / seen.total()
        lower = probability(word, history[1:])
        return (seen[word] + len(seen) * lower) / (seen.total() + len(seen)) if seen else lower

    found = []
    for sentence in test:
        padded = ["<s>", *sentence, "</s>"]
        found += [probability(padded[i], tuple(padded[max(0, i - n + 1) : i])) for i in range(1, len(padded))]
    return found


def _remark_witten_bell(arguments, expected, got):
    train, test, n = arguments
    words = sum(map(len, test))
    if not isinstance(got, list | tuple | np.ndarray):
        return "A list is asked for: a probability for every word and every </s> of the test sentences."
    if len(got) == words and words < len(expected):
        return "The ends are missing: </s> is predicted after each sentence, like a word."
    if len(got) != len(expected):
        return f"The test sentences have {len(expected)} tokens that are predicted, with </s>; you gave {len(got)}."
    if not all(0 <= p <= 1 + 1e-9 for p in got):
        return "Some of your numbers are no probabilities."
    starts = np.cumsum([0, *(len(s) + 1 for s in test[:-1])])
    wrong = [i for i, (e, g) in enumerate(zip(expected, got, strict=True)) if not same(e, g, 1e-6)]
    if n == 1:
        return "With n = 1 there is no history: count of the word / all tokens, with </s> and without <s>."
    if all(i in starts for i in wrong):
        return "Only first words are wrong: <s> is their history."
    if any(same(0.0, got[i], 1e-12) and expected[i] > 0 for i in wrong):
        return "Some are 0 that should not be: a history that was never seen leaves the shorter one to answer."
    return ""


def _failure_witten_bell(arguments, error):
    if isinstance(error, ZeroDivisionError):
        return "A history that was never seen has N = T = 0: then the shorter history answers alone."
    return ""


def sample_sentence(next_distribution, words: list[str], seed: int, longest: int) -> list[str]:
    """Draw words from P(. | history), beginning with ["<s>"], until </s> comes or `longest` words are drawn."""
    generator, history = np.random.default_rng(seed), ["<s>"]
    while len(history) <= longest:
        word = words[generator.choice(len(words), p=next_distribution(history))]
        if word == "</s>":
            break
        history.append(word)
    return history[1:]


def _remark_sample(arguments, expected, got):
    longest = arguments[-1]
    if not isinstance(got, list | tuple):
        return "A list of words is asked for."
    got = [str(word) for word in got]
    if got[:1] == ["<s>"]:
        return "<s> is given, and no part of the sentence: leave it out of what you return."
    if got[-1:] == ["</s>"]:
        return "</s> ends the sentence, and is no word of it: leave it out."
    if len(got) > longest:
        return f"At most {longest} words were asked for."
    if longest and len(got) == longest - 1 and expected[:-1] == got:
        return "One word is missing: is `longest` compared with a list that holds <s>, too?"
    if len(set(got)) == 1 < len(got):
        return "Is the word that was drawn appended to the history?"
    return ""


def _mentions(word: str, factor: float):
    """A toy model: the last word of the history is likely to be followed by the next one of the list."""

    def next_distribution(history):
        p = np.ones(len(_TOY))
        p[0] = 0
        p[(_TOY.index(history[-1]) + 1) % len(_TOY)] += factor * len(history)
        p[_TOY.index(word)] += 1
        p[0] = 0
        return p / p.sum()

    next_distribution.__doc__ = "a model of the words <s>, the, lamp, is, lit, </s>"
    return next_distribution


_TOY = ["<s>", "the", "lamp", "is", "lit", "</s>"]


def guessing_bounds(ranks: list[int]) -> tuple[float, float]:
    """Shannon's lower and upper bound, in bits for each letter, from the number of the right guess of each letter."""
    q = [ranks.count(i) / len(ranks) for i in range(1, max(ranks) + 2)]  # one more: a 0 at the end
    lower = sum(i * (q[i - 1] - q[i]) * math.log2(i) for i in range(1, len(q)))
    upper = -sum(share * math.log2(share) for share in q if share > 0)
    return lower, upper


def _remark_bounds(arguments, expected, got):
    (ranks,) = arguments
    if not isinstance(got, list | tuple) or len(got) != 2:
        return "Two numbers are asked for: (lower, upper)."
    if same(expected[::-1], got, 1e-6):
        return "The lower bound comes first."
    if same([bound * math.log(2) for bound in expected], got, 1e-6):
        return "These are nats: take log2."
    if same(expected[1], got[1], 1e-6) and same(expected[0], -got[0], 1e-6):
        return "The sign of the lower bound is the wrong one."
    if same(expected[1], got[1], 1e-6) and max(ranks) not in (1, len(set(ranks))):
        return "The upper bound is right. Is q_i = 0 for a guess that was never the right one?"
    if same(expected[1], got[1], 1e-6):
        return "The upper bound is right. In the lower one, the share after the last is 0."
    if same(expected[0], got[0], 1e-6):
        return "The lower bound is right; the upper one is the entropy of the shares."
    return ""


def _failure_bounds(arguments, error):
    return "The logarithm of 0: leave out guesses that were never right." if isinstance(error, ValueError) else ""


def text_perplexity(sentences: list[list[float]]) -> float:
    """The perplexity of a text from its sentences' probabilities: exp of the mean of -ln p over all tokens."""
    logs = [math.log(p) for probabilities in sentences for p in probabilities]
    return math.exp(-sum(logs) / len(logs))


def _remark_text_perplexity(arguments, expected, got):
    (sentences,) = arguments
    own = [perplexity(probabilities) for probabilities in sentences]
    if same(sum(own) / len(own), got, 1e-6):
        return "Still the mean of the sentences' perplexities."
    if same(math.exp(sum(map(math.log, own)) / len(own)), got, 1e-6):
        return "Better, but each sentence counts as much as any other: each token should."
    if same(math.log(expected), got, 1e-6):
        return "That is the cross-entropy; the perplexity is its exponential."
    return ""


_VOCABULARY = Vocabulary(_SENTENCES)

EXERCISES = {
    "log_probability": Exercise(
        hint="The logarithm of a product is the sum of the logarithms: sum(math.log(p) for p in ...).",
        examine=compare(
            log_probability,
            [([1.0],), ([0.5],), ([0.5, 0.25],), ([0.5, 1e-310],), ([0.1] * 400,), ([0.1] * 6000,)],
            remark=_remark_log_probability,
            failure=_failure_log_probability,
        ),
    ),
    "mle": Exercise(
        hint="The denominator is the sum of the counts of all pairs whose first word is the history; it may be 0.",
        examine=compare(
            mle,
            [(_PAIRS, "the", "cat"), (_PAIRS, "a", "cat"), (_PAIRS, "the", "sat"), (_PAIRS, "sat", "the")],
            remark=_remark_mle,
            failure=_failure_mle,
        ),
    ),
    "perplexity": Exercise(
        hint="Mean of -ln p first, then exp. math.log(0) is an error, so look for a 0 before: the answer is math.inf.",
        examine=compare(
            perplexity,
            [
                ([0.5],),
                ([0.25, 0.25],),
                ([0.5, 0.125],),
                ([0.5, 0.25, 0.01],),
                ([0.5, 0.5, 0.125],),
                ([0.5, 0.0],),
                ([0.0, 0.5],),
                ([0.5, 0.0, 0.5],),
                ([1e-20],),
                ([1e-3] * 300,),
                ([1e-3] * 2000,),
            ],
            remark=_remark_perplexity,
            failure=_failure_perplexity,
        ),
    ),
    "text_perplexity": Exercise(
        hint="Perplexity is about tokens: put the probabilities of all sentences into one list first.",
        examine=compare(
            text_perplexity,
            [
                ([[0.5]],),
                ([[0.5, 0.25]],),
                ([[0.5], [0.125]],),
                ([[0.5, 0.5, 0.5], [0.01]],),
                ([[0.1, 0.2], [0.3], [0.05, 0.6, 0.7]],),
                ([[1e-3] * 200, [0.5] * 3],),
            ],
            remark=_remark_text_perplexity,
        ),
    ),
    "add_k": Exercise(
        hint="Pretend that each of the |V| words was seen k times more after this history.",
        examine=compare(
            add_k,
            [(0, 4, 1.0, 6), (2, 4, 1.0, 6), (2, 4, 0.5, 6), (0, 0, 0.1, 10)],
            remark=_remark_add_k,
        ),
    ),
    "em_step": Exercise(
        hint="For token i, model j's share is weights[j] * components[j][i], divided by the sum of that over all j. "
        "The new weight of j is the mean of its shares over the tokens.",
        examine=compare(
            em_step,
            [
                ([0.5, 0.5], [[0.5], [0.5]]),
                ([0.5, 0.5], [[0.2], [0.6]]),
                ([0.25, 0.75], [[0.2, 0.9], [0.6, 0.1]]),
                ([0.2, 0.3, 0.5], [[0.1, 0.1, 0.1], [0.5, 0.0, 0.2], [0.9, 0.0, 0.0]]),
                ([0.5, 0.5], [[1e-10], [3e-10]]),
                ([0.0, 1.0], [[0.5, 0.5], [0.25, 0.5]]),
            ],
            remark=_remark_em_step,
        ),
    ),
    "witten_bell": Exercise(
        hint="First fill a table: for each token of the training sentences (with <s> in front and </s> behind) and "
        "each history of 0 to n - 1 tokens before it, followers[history][token] += 1. Then write "
        "probability(word, history), which calls itself with history[1:] unless the history is empty.",
        examine=compare(
            witten_bell,
            [
                ([["sea"]], [["sea"]], 1),
                ([["a", "lamp"], ["a", "sea"]], [["a", "sea"]], 1),
                ([["a", "lamp"], ["a", "sea"]], [["a", "sea"]], 2),
                ([["a", "lamp"], ["a", "sea"]], [["sea", "a"], []], 2),
                (_SENTENCES[:4], _SENTENCES[4:5], 2),
                (_SENTENCES[:4], [["lamp", "the", "the", "is"], ["lit"]], 3),
                (_SENTENCES, _SENTENCES[:2], 3),
                (_SENTENCES, [["a", "lamp", "is", "late", "the"]], 5),
            ],
            remark=_remark_witten_bell,
            failure=_failure_witten_bell,
        ),
    ),
    "continuation_probability": Exercise(
        hint="A Counter of pairs has each different pair once as a key: loop over the keys, not over the counts.",
        examine=compare(
            continuation_probability,
            [(_PAIRS, "cat"), (_PAIRS, "sat"), (_PAIRS, "the"), (_PAIRS, "at")],
            remark=_remark_continuation,
        ),
    ),
    "kneser_ney": Exercise(
        hint="Collect the followers of the history with their counts. Freed share = discount * number of different "
        "followers / total. If there are no followers, return the continuation probability.",
        examine=compare(
            kneser_ney,
            [
                (_PAIRS, "the", "cat", 0.5),
                (_PAIRS, "the", "sat", 0.5),
                (_PAIRS, "the", "the", 0.75),
                (_PAIRS, "sat", "cat", 0.5),
                (_PAIRS, "the", "cat", 0.75),
                (_PAIRS, "a", "cat", 1.0),
                (_PAIRS, "the", "dog", 0.0),
            ],
            remark=_remark_kneser_ney,
            failure=_failure_kneser_ney,
        ),
    ),
    "sample_sentence": Exercise(
        hint="Make the generator once, before the loop, and begin with history = ['<s>']. generator.choice(words, "
        "p=next_distribution(history)) draws one word: append it, and stop at </s>.",
        examine=compare(
            sample_sentence,
            [
                (_mentions("lamp", 1e9), _TOY, 0, 10),
                (_mentions("lamp", 1e9), _TOY, 0, 2),
                (_mentions("</s>", 1.0), _TOY, 1, 10),
                (_mentions("lamp", 1.0), _TOY, 2, 4),
                (_mentions("the", 0.5), _TOY, 3, 20),
                (_mentions("is", 0.1), _TOY, 4, 30),
                (_mentions("is", 0.1), _TOY, 4, 0),
            ],
            remark=_remark_sample,
        ),
    ),
    "guessing_bounds": Exercise(
        hint="q = shares of the ranks 1, 2, ..., max(ranks), and a 0 behind them. Guesses that were never right have "
        "the share 0: in the upper bound leave them out, in the lower one keep them.",
        examine=compare(
            guessing_bounds,
            [([1],), ([1, 2],), ([1, 1, 1, 2],), ([1, 2, 2, 3],), ([1, 1, 1, 3],), ([1, 1, 2, 1, 5, 9, 1, 2, 27],)],
            remark=_remark_bounds,
            failure=_failure_bounds,
        ),
    ),
    "learning_curve": Exercise(
        hint="For each size: counts = NgramCounts(train[:size], order, vocabulary); then KneserNey(counts), its "
        "probabilities on the test sentences, and metrics.perplexity.",
        examine=compare(
            learning_curve,
            [
                (_SENTENCES[:4], _SENTENCES[4:], 2, [4], _VOCABULARY),
                (_SENTENCES[:4], _SENTENCES[4:], 2, [1, 2, 4], _VOCABULARY),
                (_SENTENCES[:5], _SENTENCES[5:], 3, [2, 5], _VOCABULARY),
                (_SENTENCES[:4], _SENTENCES[4:], 2, [4, 2], Vocabulary(_SENTENCES, min_count=2)),
            ],
            remark=_remark_learning_curve,
        ),
    ),
}
