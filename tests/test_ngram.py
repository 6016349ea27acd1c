"""The n-gram models against nltk.lm, KenLM, a plain-dictionary implementation, and the laws of probability."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import MLE, KneserNeyInterpolated, Laplace, WittenBellInterpolated
from nltk.lm import Vocabulary as NltkVocabulary
from nltk.lm.counter import NgramCounter
from nltk.util import everygrams
from notebook_code import definitions

from lmtutor import CourseError, metrics, widgets
from lmtutor.data.text import Vocabulary
from lmtutor.models import ngram

WORDS = ["the", "a", "lamp", "ferry", "is", "lit", "late", "and"]


def random_sentences(seed: int, count: int = 60, longest: int = 9) -> list[list[str]]:
    """Sentences with skewed word frequencies; some are empty, as in WikiText-2."""
    generator = np.random.default_rng(seed)
    p = 1 / np.arange(1, len(WORDS) + 1)
    return [list(generator.choice(WORDS, size=generator.integers(0, longest), p=p / p.sum())) for _ in range(count)]


def padded(sentence):
    return ["<s>", *sentence, "</s>"]


def places(sentences, order):
    """(word, history) of every predicted token."""
    for sentence in sentences:
        tokens = padded(sentence)
        for i in range(1, len(tokens)):
            yield tokens[i], tuple(tokens[max(0, i - order + 1) : i])


def nltk_model(kind, sentences, order, **arguments):
    words = NltkVocabulary([w for s in sentences for w in [*s, "</s>"]], unk_label="<unk>")
    # nltk would count <s> among the unigrams, as if it could come next
    grams = [[g for g in everygrams(padded(s), max_len=order) if g != ("<s>",)] for s in sentences]
    counter = NgramCounter(grams)
    return kind(order=order, vocabulary=words, counter=counter, **arguments)


sentences_strategy = st.lists(st.lists(st.sampled_from(WORDS), max_size=7), min_size=1, max_size=12).filter(any)
PROPER_MODELS = [
    lambda c, n: ngram.AddK(c, 0.3, n),
    lambda c, n: ngram.Interpolated(c, np.full(n + 1, 1 / (n + 1)), n),
    lambda c, n: ngram.WittenBell(c, n),
    lambda c, n: ngram.AbsoluteDiscounting(c, 0.6, n),
    lambda c, n: ngram.KneserNey(c, 0.6, n),
    lambda c, n: ngram.KneserNey(c, "modified", n),
]


@pytest.mark.proof("01", "product of the factors (chain rule)", "the sentence counted directly", "random sentences")
def test_the_product_of_the_factors_is_the_direct_count():
    share = definitions("01", "share_starting_with").share_starting_with
    share.__globals__["tiny"] = sentences = random_sentences(1)
    for sentence in sentences:
        starts = [share(sentence[:i]) for i in range(len(sentence) + 1)]
        factors = [after / before for before, after in zip(starts, starts[1:], strict=False)]
        assert math.isclose(math.prod(factors), starts[-1], rel_tol=1e-12)


@pytest.mark.proof("01", "MLE, with arrays", "the same with dictionaries", "random sentences, orders 1 to 4")
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_mle_equals_the_model_that_is_built_by_hand(order):
    train, new = random_sentences(2), random_sentences(3)
    by_hand = definitions("01", "CountingModel").CountingModel(train, order)
    expected = [by_hand.probability(word, history) for word, history in places(train, order)]
    counts = ngram.NgramCounts(train, order)
    assert np.allclose(ngram.MLE(counts).probabilities(train), expected, atol=1e-12)
    known = [[word for word in s if word in counts.vocabulary] for s in new]
    expected = [by_hand.probability(word, history) for word, history in places(known, order)]
    assert np.allclose(ngram.MLE(counts).probabilities(known), expected, atol=1e-12)


@pytest.mark.proof("01", "MLE, add-one", "nltk.lm MLE, Laplace", "random sentences, orders 1 to 5")
@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("ours, theirs", [(ngram.MLE, MLE), (lambda c: ngram.AddK(c, 1.0), Laplace)])
def test_mle_and_laplace_equal_nltk_at_every_token(order, ours, theirs):
    sentences = random_sentences(order)
    expected = nltk_model(theirs, sentences, order)
    got = ours(ngram.NgramCounts(sentences, order)).probabilities(sentences)
    assert np.allclose(got, [expected.unmasked_score(w, h) for w, h in places(sentences, order)], atol=1e-14)


@pytest.mark.proof("01", "MLE, add-one on new text", "nltk.lm MLE, Laplace", "random sentences, order 3")
def test_mle_and_laplace_equal_nltk_on_unseen_text():
    train, test = random_sentences(1, count=15), random_sentences(2, count=15)
    counts = ngram.NgramCounts(train, 3)
    for ours, theirs in [(ngram.MLE(counts), MLE), (ngram.AddK(counts, 1.0), Laplace)]:
        expected = nltk_model(theirs, train, 3)
        got = ours.probabilities(test)
        assert np.allclose(got, [expected.unmasked_score(w, h) for w, h in places(test, 3)], atol=1e-14)


@pytest.mark.proof(
    "01", "Kneser–Ney", "nltk.lm KneserNeyInterpolated", "random sentences, full histories, orders 2 to 4"
)
@pytest.mark.parametrize("order", [2, 3, 4])
def test_kneser_ney_equals_nltk_where_the_history_has_full_length(order):
    train, test = random_sentences(3), random_sentences(4, count=20)
    expected = nltk_model(KneserNeyInterpolated, train, order, discount=0.4)
    got = ngram.KneserNey(ngram.NgramCounts(train, order), discount=0.4).probabilities(test)
    compared = 0
    for p, (word, history) in zip(got, places(test, order), strict=True):
        if len(history) == order - 1:
            # nltk divides by zero where no longer n-gram continues the history; that is its fault and not compared
            try:
                q = expected.unmasked_score(word, history)
            except ZeroDivisionError:
                continue
            assert p == pytest.approx(q, abs=1e-12)
            compared += 1
    assert compared > 20


@pytest.mark.proof("01", "Witten–Bell", "nltk.lm WittenBellInterpolated", "random sentences, new text, orders 1 to 4")
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_witten_bell_equals_nltk_on_unseen_text(order):
    train, test = random_sentences(3, count=25), random_sentences(4, count=20)
    expected = nltk_model(WittenBellInterpolated, train, order)
    got = ngram.WittenBell(ngram.NgramCounts(train, order)).probabilities(test)
    assert np.allclose(got, [expected.unmasked_score(w, h) for w, h in places(test, order)], atol=1e-14)


@pytest.mark.proof(
    "01", "a cache of the last tokens", "the same by hand, token by token", "random sentences, five sizes"
)
@pytest.mark.parametrize("size", [1, 2, 5, 30, 10_000])
def test_the_cache_equals_the_shares_counted_by_hand(size):
    train, test = random_sentences(3), random_sentences(4)
    base = ngram.KneserNey(ngram.NgramCounts(train, 3))
    tokens = [word for s in test for word in [*s, "</s>"]]
    by_hand = definitions("01", "shares_of_recent").shares_of_recent(tokens, size)
    shares = [tokens[max(0, i - size) : i].count(token) / max(1, min(i, size)) for i, token in enumerate(tokens)]
    model = ngram.CacheModel(base, size, 0.3)
    assert np.allclose(by_hand, shares) and np.allclose(model.shares(test), shares)
    expected = 0.7 * base.probabilities(test) + 0.3 * np.array(shares)
    expected[0] = base.probabilities(test)[0]
    assert np.allclose(model.probabilities(test), expected, atol=1e-14)


def test_the_cache_asks_for_the_next_token_as_it_scores_a_text():
    train, test = random_sentences(3), random_sentences(4, count=8)
    model = ngram.CacheModel(ngram.KneserNey(ngram.NgramCounts(train, 3)), 7, 0.3)
    before, expected = [], []
    for s in test:
        tokens = padded(s)
        for i in range(1, len(tokens)):
            p = model.next_distribution(tokens[:i], before)
            assert p.sum() == pytest.approx(1) and p[model.vocabulary.start] == 0
            expected.append(p[model.vocabulary.ids[tokens[i]]])
        before += tokens[1:]
    assert np.allclose(model.probabilities(test), expected, atol=1e-14)


def test_the_weight_of_the_cache_is_the_best_of_a_grid():
    train, held_out = random_sentences(3), random_sentences(4)
    model = ngram.CacheModel(ngram.KneserNey(ngram.NgramCounts(train, 3)), 10, 0.5)
    best = model.fit_weight(held_out, rounds=2000)
    assert best == model.weight

    def loss(weight):
        model.weight = weight
        return metrics.cross_entropy(model.probabilities(held_out)[1:])

    assert loss(best) <= min(loss(weight) for weight in np.linspace(0, 0.99, 100)) + 1e-6


def test_a_text_that_repeats_itself_turns_the_cache_on_and_one_that_does_not_turns_it_off():
    train = random_sentences(3)
    base = ngram.KneserNey(ngram.NgramCounts(train, 2))
    again = [["lamp"] * 5, ["late"] * 5] * 10
    assert ngram.CacheModel(base, 5).fit_weight(again, rounds=100) > 0.3
    never = [WORDS[:4], WORDS[4:]] * 10
    assert ngram.CacheModel(base, 2).fit_weight(never, rounds=100) < 1e-3


@pytest.mark.proof("01", "Shannon's bounds", "the same by the chapter's solution", "random ranks")
@given(st.lists(st.integers(1, 27), min_size=1, max_size=50))
def test_shannons_bounds_hold_the_entropy_between_them(ranks):
    from lmtutor.exercises.ngram import guessing_bounds

    lower, upper = metrics.guessing_bounds(ranks)
    assert np.allclose((lower, upper), guessing_bounds(ranks), atol=1e-12)
    ordered = [sorted(set(ranks), key=lambda r: -ranks.count(r)).index(rank) + 1 for rank in ranks]  # as Shannon's were
    lower, upper = metrics.guessing_bounds(ordered)
    assert 0 <= lower <= upper + 1e-12


def test_shannons_bounds_on_cases_that_one_knows():
    assert metrics.guessing_bounds([1, 1, 1]) == (0, 0)
    assert metrics.guessing_bounds(range(1, 28)) == pytest.approx((math.log2(27), math.log2(27)))
    assert metrics.guessing_bounds([1, 2]) == pytest.approx((1, 1))
    for nothing in ([], [0, 1], [1.5]):
        with pytest.raises(CourseError, match="1, 2, 3"):
            metrics.guessing_bounds(nothing)


@pytest.mark.parametrize(
    ("guesses", "ranks", "tried"),
    [
        ("", [], ""),
        ("the", [1, 1, 1], ""),
        ("ot", [2], ""),
        ("oot", [2], ""),  # the same wrong letter twice is one guess
        ("?hx", [27, 1], "x"),
        ("THE_Q", [1, 1, 1, 1], "q"),
        ("the 7,l", [1, 1, 1, 1, 1], ""),  # what is none of the 27 symbols is no guess
        ("the lamps and more", [1] * 8, ""),
    ],
)
def test_shannons_game_is_played_from_what_was_typed(guesses, ranks, tried):
    assert widgets.play("the lamp", guesses) == (ranks, tried)


def test_a_model_guesses_in_the_order_of_its_probabilities():
    texts = [list("the lamp is lit "), list("the ferry is late ")]
    model = ngram.KneserNey(ngram.NgramCounts(texts, 3))
    p = model.next_distribution(["<s>", "t"])
    ids = model.vocabulary.ids
    order = sorted((c for c in widgets.LETTERS if c in ids), key=lambda c: -p[ids[c]])
    assert widgets.guess_rank(model, "t", order[0]) == 1
    assert {widgets.guess_rank(model, "t", c) for c in order} <= set(range(1, len(order) + 1))


class PlainModifiedKneserNey:
    """Modified Kneser-Ney from Chen and Goodman's formulas, with dictionaries and recursion, and nothing clever."""

    def __init__(self, sentences, order, outcomes):
        self.order, self.outcomes = order, outcomes
        raw = [Counter() for _ in range(order + 1)]
        for s in sentences:
            tokens = padded(s)
            for k in range(1, order + 1):
                raw[k].update(tuple(tokens[i : i + k]) for i in range(len(tokens) - k + 1))
        self.counts = list(raw)
        for k in range(1, order):
            lefts = defaultdict(set)
            for gram in raw[k + 1]:
                lefts[gram[1:]].add(gram[0])
            self.counts[k] = {g: c if g[0] == "<s>" else len(lefts[g]) for g, c in raw[k].items()}
        self.discounts = [None] + [self._discounts(k) for k in range(1, order + 1)]

    def _discounts(self, k):
        n = Counter(c for g, c in self.counts[k].items() if g[-1] != "<s>")
        if min(n[1], n[2], n[3]) == 0:
            return (0, 0.5, 1.0, 1.5)
        y = n[1] / (n[1] + 2 * n[2])
        estimates = [r - (r + 1) * y * n[r + 1] / n[r] for r in (1, 2, 3)]
        return (0, *estimates) if min(estimates) > 0 else (0, 0.5, 1.0, 1.5)

    def probability(self, word, history):
        k = len(history) + 1
        lower = self.probability(word, history[1:]) if history else 1 / self.outcomes
        following = {g[-1]: c for g, c in self.counts[k].items() if g[:-1] == history and g[-1] != "<s>"}
        total = sum(following.values())
        if not total:
            return lower
        discount = self.discounts[k]
        freed = sum(discount[min(c, 3)] for c in following.values()) / total
        count = following.get(word, 0)
        return (count - discount[min(count, 3)]) / total + freed * lower


@pytest.mark.proof(
    "01", "modified Kneser–Ney", "Chen and Goodman's formulas, with dictionaries", "random sentences, orders 1 to 4"
)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_modified_kneser_ney_equals_the_plain_formulas(order):
    train, test = random_sentences(5, count=80), random_sentences(6, count=10)
    counts = ngram.NgramCounts(train, order)
    plain = PlainModifiedKneserNey(train, order, counts.num_outcomes)
    model = ngram.KneserNey(counts)
    assert [d[1:] for d in plain.discounts[1:]] == [pytest.approx(d) for d in model.discounts]
    expected = [plain.probability(w, h) for w, h in places(test, order)]
    assert np.allclose(model.probabilities(test), expected, atol=1e-13)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(1, 3))
def test_modified_kneser_ney_gives_every_known_word_a_chance(repetitions, order):
    """Text that repeats itself makes the formula for the discounts give 0 or less."""
    sentences = [s for i, n in enumerate(repetitions) for s in [[WORDS[i], WORDS[-i - 1], f"w{n}"]] * n]
    model = ngram.KneserNey(ngram.NgramCounts(sentences, order))
    assert all(0 < d <= c for discounts in model.discounts for c, d in enumerate(discounts, start=1))
    for history in (["<s>"], ["the"], [WORDS[0], WORDS[-1]], ["zeppelin"]):
        p = model.next_distribution(history)
        assert p.sum() == pytest.approx(1) and (np.delete(p, model.vocabulary.start) > 0).all()


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1, 2, 3, 3], (0.5, 1.0, 1.5)),  # 2 - 3 * 1/3 * 2 = 0 for words seen twice: nothing would be freed
        ([1, 2, 3, 3, 3], (0.5, 1.0, 1.5)),  # below 0
        ([1, 1, 2, 3], (0.5, 0.5, 3.0)),  # in range, although nothing occurs four times
    ],
)
def test_discounts_out_of_range_are_replaced_as_kenlm_does(times, expected):
    """`amount < 0 || amount > j` in lm/builder/adjust_counts.cc; and a discount of 0 has no use either."""
    sentences = [[word for word, n in zip(WORDS, times, strict=False) for _ in range(n)]]
    sentences += [[]] * 4  # </s> occurs five times, more often than the formula asks for
    assert ngram.KneserNey(ngram.NgramCounts(sentences, 1)).discounts[0] == pytest.approx(expected)


@pytest.mark.proof("01", "ARPA file of Kneser–Ney, log10", "kenlm", "random sentences, orders 1 to 5")
@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("discount", ["modified", 0.7])
@pytest.mark.parametrize("min_count", [1, 4])
def test_kenlm_reads_our_arpa_file_and_scores_the_same(tmp_path, order, discount, min_count):
    kenlm = pytest.importorskip("kenlm", reason="kenlm is not installed; it needs a C++ compiler")
    train, test = random_sentences(7), [*random_sentences(8, count=30), ["the", "zeppelin", "is", "late"]]
    vocabulary = Vocabulary(train, min_count)
    if discount != "modified" and order == 1:
        pytest.skip("a unigram model with one fixed discount is not written by anyone")
    model = ngram.KneserNey(ngram.NgramCounts(train, order, vocabulary), discount)
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    try:
        loaded = kenlm.Model(str(ngram.write_arpa(model, tmp_path / "model.arpa")), config)
    except OSError:
        if order == 1:
            pytest.skip("this build of KenLM reads no unigram models")
        raise
    known = [vocabulary.decode(vocabulary.encode(s)) for s in test]
    got = np.array([score for s in known for score, _, _ in loaded.full_scores(" ".join(s))])
    p = model.probabilities(test)
    assert np.allclose(np.log10(p[p > 0]), got[p > 0], atol=2e-5)
    assert (got[p == 0] < -90).all()  # ARPA has no logarithm of 0


@pytest.mark.proof("01", "all probabilities of a proper model, summed", "1", "any history, random counts")
@given(
    sentences_strategy, st.lists(st.sampled_from([*WORDS, "zeppelin"]), max_size=4), st.integers(1, 4), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_proper_models_sum_to_one_after_any_history(sentences, history, order, at_start):
    counts = ngram.NgramCounts(sentences, order)
    for make in PROPER_MODELS:
        p = make(counts, order).next_distribution((["<s>"] if at_start else []) + history)
        assert (p >= 0).all()
        assert p.sum() == pytest.approx(1)
        assert p[counts.vocabulary.start] == 0


@pytest.mark.proof("01", "the probabilities of a text at once", "asking token by token", "random sentences")
@given(sentences_strategy, sentences_strategy, st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_scoring_a_text_equals_asking_token_by_token(train, test, order):
    counts = ngram.NgramCounts(train, order)
    models = [make(counts, order) for make in PROPER_MODELS] + [ngram.MLE(counts), ngram.StupidBackoff(counts)]
    for model in models:
        ids = model.vocabulary.ids
        expected = []
        for s in test:
            tokens = padded(s)
            for i in range(1, len(tokens)):
                expected.append(model.next_distribution(tokens[:i])[ids.get(tokens[i], 0)])
        assert np.allclose(model.probabilities(test), expected, atol=1e-12)


@pytest.mark.proof(
    "01", "counts of n-grams", "a Counter over nltk's everygrams", "random sentences, order 3", exact=True
)
def test_counts_are_those_of_a_counter():
    sentences = random_sentences(9)
    counts = ngram.NgramCounts(sentences, 3)
    expected = Counter(g for s in sentences for g in everygrams(padded(s), max_len=3))
    assert all(counts.count(*gram) == count for gram, count in expected.items())
    assert counts.num_grams() == [len({g for g in expected if len(g) == k}) for k in (1, 2, 3)]
    assert counts.count("lit", "lit", "zeppelin") == 0
    assert counts.num_tokens == sum(len(s) + 1 for s in sentences)


@pytest.mark.proof(
    "01", "Kneser–Ney, averaged over the histories", "the words' relative frequencies", "random sentences, bigrams"
)
def test_kneser_ney_keeps_the_marginals_and_plain_counts_do_not():
    """Averaged over the histories of the training text, the bigram model gives each word its relative frequency."""
    sentences = random_sentences(10, count=200)
    counts = ngram.NgramCounts(sentences, 2)
    histories, frequency = Counter(), Counter()
    for s in sentences:
        for word, (h,) in places([s], 2):
            histories[h] += 1
            frequency[word] += 1

    def largest_error(model):
        average = sum(n * model.next_distribution([h]) for h, n in histories.items()) / counts.num_tokens
        return max(abs(average[counts.vocabulary.ids[w]] - c / counts.num_tokens) for w, c in frequency.items())

    assert largest_error(ngram.KneserNey(counts, 0.7)) == pytest.approx(0, abs=1e-12)
    assert largest_error(ngram.AbsoluteDiscounting(counts, 0.7)) > 1e-3


def test_em_never_gets_worse_and_finds_what_a_grid_finds():
    train, held_out = random_sentences(11), random_sentences(12)
    model = ngram.Interpolated(ngram.NgramCounts(train, 2), [1 / 3] * 3)
    trace = model.fit_weights(held_out, rounds=3000)
    assert all(later <= earlier + 1e-12 for earlier, later in zip(trace, trace[1:], strict=False))
    assert model.weights.sum() == pytest.approx(1)
    best, found = -np.log(model.probabilities(held_out)).mean(), model.weights
    grid = np.linspace(0, 1, 41)
    for a in grid:
        for b in grid[grid <= 1 - a + 1e-12]:
            model.weights = np.array([a, b, max(1 - a - b, 0)])
            p = model.probabilities(held_out)
            assert (p == 0).any() or -np.log(p).mean() >= best - 1e-5
    model.weights = found


@pytest.mark.proof(
    "01", "loss of any choice above the best", "N times the Kullback–Leibler divergence", "random distributions"
)
def test_likelihood_is_largest_at_relative_frequencies():
    """Loss of any other distribution = N * KL(p || q), as the chapter derives with a Lagrange multiplier."""
    c = np.array([5.0, 3.0, 1.0, 1.0])
    p = c / c.sum()
    generator = np.random.default_rng(0)
    for _ in range(100):
        q = generator.dirichlet(np.ones(4))
        loss = c @ np.log(p) - c @ np.log(q)
        assert loss > 0
        assert loss == pytest.approx(c.sum() * (p @ np.log(p / q)))


def test_stupid_backoff_does_not_sum_to_one():
    counts = ngram.NgramCounts(random_sentences(13), 3)
    assert ngram.StupidBackoff(counts).next_distribution(["the", "lamp"]).sum() > 1.01


def test_unknown_words_have_the_probability_of_unk():
    train = [["the", "lamp", "is", "lit"], ["the", "ferry", "is", "late"], ["the", "lamp", "is", "late"]]
    model = ngram.KneserNey(ngram.NgramCounts(train, 2, Vocabulary(train, min_count=2)))
    assert np.array_equal(model.probabilities([["the", "zeppelin"]]), model.probabilities([["the", "<unk>"]]))
    assert (model.probabilities([["zeppelin"]]) > 0).all()


def test_a_shorter_model_of_the_same_counts_equals_one_counted_shorter():
    sentences, test = random_sentences(14), random_sentences(15)
    long, short = ngram.NgramCounts(sentences, 4), ngram.NgramCounts(sentences, 2)
    for make in PROPER_MODELS:
        assert np.allclose(make(long, 2).probabilities(test), make(short, 2).probabilities(test))


@pytest.mark.parametrize(
    "mistake, says",
    [
        (lambda: ngram.NgramCounts([["a"]], 0), "at least 1"),
        (lambda: ngram.NgramCounts([["a"]], 2.0), "at least 1"),
        (lambda: ngram.NgramCounts([], 2), "empty"),
        (lambda: ngram.MLE(ngram.NgramCounts([["a"]], 2), order=3), "order 2"),
        (lambda: ngram.MLE(ngram.NgramCounts([["a"]], 2), order=0), "order 0"),
        (lambda: ngram.MLE(ngram.NgramCounts([["a"]], 2)).probabilities([]), "empty"),
        (lambda: ngram.AddK(ngram.NgramCounts([["a"]], 2), k=0), "positive"),
        (lambda: ngram.AddK(ngram.NgramCounts([["a"]], 2), k=float("nan")), "finite k"),
        (lambda: ngram.AddK(ngram.NgramCounts([["a"]], 2), k=float("inf")), "finite k"),
        (lambda: ngram.AbsoluteDiscounting(ngram.NgramCounts([["a"]], 2), 1.5), "between 0 and 1"),
        (lambda: ngram.KneserNey(ngram.NgramCounts([["a"]], 2), "modifid"), "modified"),
        (lambda: ngram.Interpolated(ngram.NgramCounts([["a"]], 2), [0.5, 0.5]), "3 weights"),
        (lambda: ngram.Interpolated(ngram.NgramCounts([["a"]], 1), [0, 1]).fit_weights([["b"]]), "probability 0"),
        (lambda: ngram.NgramCounts([["a"]], 2).count("a", "a", "a"), "1 to 2"),
        (lambda: ngram.CacheModel(ngram.MLE(ngram.NgramCounts([["a"]], 2)), 0), "at least 1"),
        (lambda: ngram.CacheModel(ngram.MLE(ngram.NgramCounts([["a"]], 2)), 5, 1.5), "between 0 and 1"),
    ],
)
def test_mistakes_are_told_in_one_sentence(mistake, says):
    with pytest.raises(CourseError, match=says):
        mistake()


def test_one_sentence_of_one_word_is_enough():
    model = ngram.KneserNey(ngram.NgramCounts([["a"]], 3))
    assert math.isclose(model.next_distribution(["<s>", "a"]).sum(), 1)


def test_modified_kneser_ney_on_wikitext2(realdata, monkeypatch):
    """The stored result of the chapter, from the loaders to the perplexity, on the real text."""
    from lmtutor import data, metrics, results, text

    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(realdata))
    train, test = (text.sentences(data.load("wikitext2", s)["text"], "whitespace") for s in ("train", "test"))
    p = ngram.KneserNey(ngram.NgramCounts(train, 5)).probabilities(test)
    assert len(p) == 245_569
    stored = results.table("ngram_wikitext2")
    assert metrics.perplexity(p) == pytest.approx(stored.loc[5, "modified Kneser-Ney, test"], abs=0.06)


@pytest.mark.parametrize("order", [4, 9])
def test_an_order_longer_than_every_sentence_is_told(order):
    with pytest.raises(
        CourseError, match=f"No sentence is long enough for n-grams of order {order}.*longest has 3 tok"
    ):
        ngram.NgramCounts([["a"], []], order)
    assert ngram.NgramCounts([["a"], []], 3).num_grams() == [3, 3, 1]  # <s> </s>, <s> a and a </s>


@pytest.mark.parametrize("word", ["New York", "a\tb", "a\nb", "a\rb", "a\x0bb", "a\x0cb", "a\0b", ""])
def test_words_that_an_arpa_file_cannot_hold_are_told_and_nothing_is_written(tmp_path, word):
    model = ngram.KneserNey(ngram.NgramCounts([["the", word]], 2))
    with pytest.raises(CourseError, match=r"^The word '.*' cannot stand in an ARPA file"):
        ngram.write_arpa(model, tmp_path / "model.arpa")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["a\u00a0b", "\u3000", "a\u2028b", "a\u0085b", "\u200b", "é", "\x1c"])
def test_kenlm_reads_words_with_blanks_that_are_none_to_it(tmp_path, word):
    kenlm = pytest.importorskip("kenlm")
    model = ngram.KneserNey(ngram.NgramCounts([["the", word], ["a", "the"]], 2))
    theirs = kenlm.Model(str(ngram.write_arpa(model, tmp_path / "model.arpa")))
    state, after = kenlm.State(), kenlm.State()
    theirs.NullContextWrite(state)
    p = 10 ** theirs.BaseScore(state, word, after)
    assert p == pytest.approx(model.next_distribution([])[model.vocabulary.ids[word]], rel=1e-4)
