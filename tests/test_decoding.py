"""Sampling from a model, and tokens back to text."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutor import decoding
from lmtutor.models.ngram import MLE, AddK, KneserNey, NgramCounts
from lmtutor.runtime import CourseError
from lmtutor.text import Vocabulary, words

SENTENCES = [["the", "lamp", "is", "lit"], ["the", "ferry", "is", "late"], ["a", "lamp", "is", "a", "light"]]
VOCABULARY = Vocabulary([["a", "b", "c"]])  # with the special tokens, six words
COUNTS = NgramCounts(SENTENCES, 3)


def always(p):
    """A model that gives the same distribution after every history."""
    return lambda history: np.array(p, dtype=float)


distributions = st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6).filter(lambda p: sum(p[1:]) > 1e-3)


@given(distributions, st.integers(0, 1000), st.sampled_from([1e-3, 1e-9, 1e-200]))
def test_a_temperature_near_zero_draws_the_likeliest_token(p, seed, temperature):
    p[0] = 0.0  # <unk>, which is never drawn
    second, best = sorted(p)[-2:]
    if second > 0.9 * best:  # a tie may fall either way
        return
    tokens = decoding.sample(always(p), VOCABULARY, max_tokens=5, temperature=temperature, seed=seed)
    likeliest = VOCABULARY.words[int(np.argmax(p))]
    assert tokens == ([] if likeliest == "</s>" else [likeliest] * 5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_frequencies_drawn_are_those_of_the_tempered_distribution(temperature):
    p = np.array([0.0, 0.05, 0.0, 0.5, 0.25, 0.2])
    draws = decoding.sample(always(p), VOCABULARY, max_tokens=4000, temperature=temperature, seed=7)
    tempered = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
    expected = {VOCABULARY.words[i]: 4000 * tempered[i] for i in np.flatnonzero(p)}
    seen = Counter(draws)
    assert set(seen) <= set(expected)
    chi_square = sum((seen[token] - e) ** 2 / e for token, e in expected.items())
    assert chi_square < 16.27  # 3 degrees of freedom: the 0.1 % point


@pytest.mark.parametrize(
    "model", [MLE(COUNTS), AddK(COUNTS, 0.5), KneserNey(COUNTS, 0.5)], ids=lambda m: type(m).__name__
)
def test_neither_start_nor_end_of_sentence_is_ever_drawn_from_a_model(model):
    drawn = Counter()
    for seed in range(60):
        drawn.update(
            decoding.sample(model.next_distribution, model.vocabulary, temperature=3.0, seed=seed, max_tokens=20)
        )
    assert drawn and not drawn.keys() & {"<s>", "</s>"}


def test_unknown_words_are_never_drawn_and_the_rest_keeps_its_proportions():
    p = np.array([0.8, 0.0, 0.0, 0.1, 0.1, 0.0])
    draws = Counter(decoding.sample(lambda history: p, VOCABULARY, max_tokens=1000, seed=1))
    assert set(draws) == {"a", "b"} and 430 < draws["a"] < 570
    assert p[0] == 0.8  # what the model answered stays as it was
    with pytest.raises(CourseError, match="none can be drawn"):
        decoding.sample(always([1.0, 0, 0, 0, 0, 0]), VOCABULARY)


def test_a_maximum_likelihood_model_draws_only_pairs_that_it_has_seen():
    model = MLE(NgramCounts(SENTENCES, 2))
    seen = {pair for s in SENTENCES for pair in zip(["<s>", *s], s, strict=False)}
    for seed in range(30):
        tokens = decoding.sample(model.next_distribution, model.vocabulary, seed=seed)
        assert set(zip(["<s>", *tokens], tokens, strict=False)) <= seen


def test_the_model_sees_the_history_and_what_was_drawn_so_far():
    histories = []

    def model(history):
        histories.append(list(history))
        return np.array([0, 0, 0, 1.0, 0, 0])

    given_history = ["<s>", "b"]
    assert decoding.sample(model, VOCABULARY, given_history, max_tokens=2) == ["a", "a"]
    assert histories == [["<s>", "b"], ["<s>", "b", "a"]]
    assert given_history == ["<s>", "b"]  # the caller's list stays as it was


def test_drawing_stops_at_the_end_of_the_sentence_or_at_max_tokens():
    assert decoding.sample(always([0, 0, 1.0, 0, 0, 0]), VOCABULARY) == []
    assert len(decoding.sample(always([0, 0, 0, 1.0, 0, 0]), VOCABULARY)) == 40
    assert decoding.sample(always([0, 0, 0, 1.0, 0, 0]), VOCABULARY, max_tokens=0) == []


def test_seeds_repeat_and_differ():
    def draw(seed):
        return decoding.sample(always([0, 0, 0, 1.0, 1.0, 1.0]), VOCABULARY, seed=seed)

    assert draw(3) == draw(3)
    assert len({tuple(draw(seed)) for seed in (None, None, 1, 2)}) == 4


@pytest.mark.parametrize("temperature", [0, 0.0, -1.0, math.nan])
def test_a_temperature_that_is_none_is_told_in_one_sentence(temperature):
    with pytest.raises(CourseError, match="temperature must be above 0"):
        decoding.sample(always([1.0] * 6), VOCABULARY, temperature=temperature)


def test_a_model_that_has_nothing_to_say_is_told_in_one_sentence(recwarn):
    model = MLE(NgramCounts(SENTENCES, 2))
    with pytest.raises(CourseError, match="After 'harbour' every token has the probability 0.*smoothed model"):
        decoding.sample(model.next_distribution, model.vocabulary, ["harbour"])
    assert not recwarn.list


@pytest.mark.parametrize(
    "text",
    [
        "The ferry is late, but the lamp is lit.",
        "Who goes there? Nobody!",
        'She said: "Go on, then." And he went.',
        '"Go!" he said; "now."',
        "The light (an old one) burns [at night].",
        "I don't know.",
        "",
    ],
)
def test_join_undoes_words_on_plain_english(text):
    assert decoding.join(words(text)) == text


word = st.from_regex(r"[A-Za-z]{1,6}('[a-z])?|[0-9]{1,3}", fullmatch=True)
phrase = st.lists(word, min_size=1, max_size=4).map(" ".join)
wrapped = phrase | phrase.map('"{}"'.format) | phrase.map("({})".format)


@given(
    st.lists(wrapped, min_size=1, max_size=4),
    st.sampled_from([", ", "; ", ": ", " ", ". ", "! "]),
    st.sampled_from(".!?"),
)
def test_join_undoes_words_on_simple_sentences(parts, between, end):
    text = between.join(parts) + end
    assert decoding.join(words(text)) == text


# --- top-k and top-p --------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=30), st.integers(1, 40), st.floats(0.01, 1.0))
def test_truncation_keeps_the_likeliest_and_their_proportions(weights, k, share):
    p = np.array(weights) / sum(weights)
    for kept in (decoding.truncate(p, top_k=k), decoding.truncate(p, top_p=share), decoding.truncate(p)):
        inside = kept > 0
        assert math.isclose(kept.sum(), 1, abs_tol=1e-9) and inside.any()
        assert p[inside].min() >= p[~inside].max(initial=0)
        assert np.allclose(kept[inside], p[inside] / p[inside].sum())
    assert (decoding.truncate(p, top_k=k) > 0).sum() == min(k, len(p))
    nucleus = p[decoding.truncate(p, top_p=share) > 0]
    assert nucleus.sum() >= share - 1e-9  # enough, and without the least likely one not enough
    assert nucleus.sum() - nucleus.min() < share + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_truncation_is_that_of_transformers(seed):
    import torch
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    torch.manual_seed(seed)
    logits = 3 * torch.randn(1, 200).double()
    p = logits.softmax(-1)[0].numpy()
    for k in (1, 7, 200):
        theirs = TopKLogitsWarper(k)(None, logits).softmax(-1)[0].numpy()
        assert np.allclose(decoding.truncate(p, top_k=k), theirs, atol=1e-12)
    for share in (0.1, 0.5, 0.95):
        theirs = TopPLogitsWarper(share)(None, logits).softmax(-1)[0].numpy()
        assert np.allclose(decoding.truncate(p, top_p=share), theirs, atol=1e-12)


def test_what_is_cut_off_is_never_drawn():
    p = [0.0, 0.0, 0.0, 0.5, 0.3, 0.2]
    for cut in ({"top_k": 2}, {"top_p": 0.6}):
        tokens = decoding.sample(always(p), VOCABULARY, max_tokens=200, seed=0, **cut)
        assert set(tokens) == {"a", "b"}


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_a_wrong_cut_is_told(wrong):
    with pytest.raises(CourseError, match=next(iter(wrong))):
        decoding.truncate(np.array([0.5, 0.5]), **wrong)
