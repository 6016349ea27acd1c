"""Sampling from a model, generation with a cache, beam search, and tokens back to text."""

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmtutor import decoding
from lmtutor.data.text import Vocabulary, words
from lmtutor.models import gpt, seq2seq, transformer
from lmtutor.models.cache import Cache
from lmtutor.models.ngram import MLE, AddK, KneserNey, NgramCounts
from lmtutor.runtime import CourseError

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
    with pytest.raises(CourseError, match="After '<s>' only <unk> can come.*lower min_count"):
        decoding.sample(always([1.0, 0, 0, 0, 0, 0]), VOCABULARY)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_probabilities_that_are_no_numbers_are_told(wrong):
    with pytest.raises(CourseError, match="After '<s>' the model's probabilities are not finite"):
        decoding.sample(always([0, 0, 0, 0.5, wrong, 0]), VOCABULARY)


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


@pytest.mark.proof("03, 08", "top-k, top-p", "transformers TopKLogitsWarper, TopPLogitsWarper", "random logits")
@pytest.mark.parametrize("seed", range(5))
def test_truncation_is_that_of_transformers(seed):
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


# --- generating with a model and its cache ----------------------------------------------------------------------------


@dataclass
class Texts:
    """The cache of a model that needs no other memory than the texts that it has read: [batch, time]."""

    ids: torch.Tensor | None = None
    rows: list[int] = field(default_factory=list)  # texts in each step

    def select(self, rows):
        self.ids = self.ids[rows]


def reader(logits_after):
    """A step function of the whole text so far: [time] ids -> [vocab] logits."""

    def step(ids, cache):
        cache.ids = ids if cache.ids is None else torch.cat([cache.ids, ids], dim=1)
        cache.rows.append(len(ids))
        return torch.stack([torch.as_tensor(logits_after(text.tolist()), dtype=torch.float64) for text in cache.ids])

    return step


def random_table(vocab, seed, spread):
    """Logits that are random and depend on the whole text."""

    def logits_after(text):
        generator = torch.Generator().manual_seed(seed + hash(tuple(text)) % 10**6)
        return spread * torch.randn(vocab, generator=generator, dtype=torch.float64)

    return logits_after


def always_logits(p):
    return reader(lambda text: np.log(p))


def models(vocab):
    """Two tiny models in float64: for each a function that gives step, fresh cache and first ids of two texts."""
    torch.manual_seed(4)
    decoder = gpt.GPT(vocab, hidden_size=8, num_heads=2, num_layers=2, max_length=16).double().eval()
    translator = transformer.Transformer(vocab, hidden_size=8, num_heads=2, max_length=16).double().eval()
    for parameter in (*decoder.parameters(), *translator.parameters()):
        torch.nn.init.normal_(parameter, std=0.7)
    source, mask = torch.tensor([[1, 2, 3], [2, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
    first = torch.tensor([1, 2])
    return {
        "gpt": lambda: (partial(gpt.step, decoder), Cache.empty(2), first),
        "transformer": lambda: (
            partial(transformer.step, translator),
            transformer.start(translator, source, mask),
            first,
        ),
    }


@given(st.lists(st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7), min_size=1, max_size=4), st.data())
def test_truncation_of_a_batch_is_that_of_each_row(weights, data):
    p = np.array(weights) + 1e-6
    p /= p.sum(axis=1, keepdims=True)
    k, share = data.draw(st.none() | st.integers(1, 8)), data.draw(st.none() | st.floats(0.01, 1.0))
    kept = decoding.truncate(p, top_k=k, top_p=share)
    assert np.allclose(kept.sum(axis=1), 1, atol=1e-12)
    for row, alone in zip(kept, p, strict=True):
        assert np.array_equal(row, decoding.truncate(alone, top_k=k, top_p=share))  # to the last bit


def test_greedy_takes_the_likeliest_and_stops_when_all_texts_have_ended():
    after = {1: [0, 3, 0, 5.0], 3: [0, 0, 9.0, 0], 2: [7.0, 0, 0, 0]}  # 1 -> 3 -> 2 -> 0, the end
    cache = Texts()
    step = reader(lambda text: after.get(text[-1], [0, 0, 1.0, 0]))
    written = decoding.generate(step, cache, torch.tensor([[1], [3]]), max_tokens=10, end=0)
    assert written.tolist() == [[3, 2, 0], [2, 0, 0]] and written.dtype == torch.int64
    assert len(cache.rows) == 3  # what is written last is not read
    assert decoding.generate(step, Texts(), torch.tensor([[1]]), max_tokens=5).tolist() == [[3, 2, 0, 2, 0]]
    assert decoding.generate(step, Texts(), torch.tensor([[1]]), max_tokens=0).shape == (1, 0)


@pytest.mark.parametrize("cut", [{}, {"top_k": 2}, {"top_p": 0.7}, {"top_k": 4, "top_p": 0.8}])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_what_is_drawn_has_the_tempered_and_truncated_distribution(temperature, cut):
    p = np.array([0.05, 0.1, 0.4, 0.25, 0.2])
    ids = torch.zeros(4000, 1, dtype=torch.long)
    drawn = decoding.generate(
        lambda ids, cache: torch.from_numpy(np.log(p)).expand(len(ids), -1) + 5,
        Texts(),
        ids,
        max_tokens=1,
        temperature=temperature,
        seed=3,
        **cut,
    )
    expected = 4000 * decoding.truncate(p ** (1 / temperature) / (p ** (1 / temperature)).sum(), **cut)
    seen = np.bincount(drawn.flatten().numpy(), minlength=5)
    assert (seen[expected == 0] == 0).all()
    inside = expected > 0
    chi_square = ((seen - expected)[inside] ** 2 / expected[inside]).sum()
    assert chi_square < 18.47  # the 0.1 % point of 4 degrees of freedom, and there are at most so many


@pytest.mark.parametrize("temperature", [1e-3, 1e-200])
def test_a_temperature_near_zero_is_greedy(temperature):
    for new in models(5).values():
        texts = [
            decoding.generate(step, cache, first[:, None], max_tokens=6, seed=0, **options)
            for options in ({}, {"temperature": temperature})
            for step, cache, first in [new()]
        ]
        assert torch.equal(*texts)


def test_generation_repeats_by_seed_and_leaves_the_random_state_and_gradients_alone():
    new = models(5)["gpt"]

    def draw(seed):
        step, cache, first = new()
        return decoding.generate(step, cache, first[:, None], max_tokens=12, temperature=100.0, seed=seed)

    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = draw(3)
    assert (
        torch.equal(first, draw(3))
        and torch.equal(first, draw(np.int64(3)))
        and not first.requires_grad
        and not first.is_inference()
    )
    assert len({tuple(draw(seed).flatten().tolist()) for seed in (None, None, 1, 2, 3)}) == 5
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("temperature", [0, -1.0, math.nan])
def test_generation_tells_a_temperature_that_is_none(temperature):
    with pytest.raises(CourseError, match="temperature must be above 0"):
        decoding.generate(
            always_logits([1.0]), Texts(), torch.zeros(1, 1).long(), max_tokens=1, temperature=temperature
        )


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_generation_tells_a_wrong_cut_and_a_cut_without_a_draw(wrong):
    ids = torch.zeros(1, 1).long()
    with pytest.raises(CourseError, match=f"{next(iter(wrong))} must be"):
        decoding.generate(always_logits([1.0]), Texts(), ids, max_tokens=1, temperature=1.0, **wrong)
    with pytest.raises(CourseError, match="without a temperature nothing is drawn"):
        decoding.generate(always_logits([1.0]), Texts(), ids, max_tokens=1, **wrong)


def limited():
    """Models with 16 positions, which have read one token, and one without positions, with as many to compare."""
    found = models(5)
    torch.manual_seed(4)
    translator = seq2seq.RecurrentTranslator(5, hidden_size=8).double().eval()
    source = torch.tensor([[1, 2, 3], [2, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
    found["recurrent"] = lambda: (
        partial(seq2seq.step, translator), seq2seq.start(translator, *source), torch.tensor([1, 2])
    )  # fmt: skip
    return found


@pytest.mark.parametrize("kind", ["gpt", "transformer", "recurrent"])
@pytest.mark.parametrize("temperature", [None, 1.0])
def test_where_the_positions_end_the_text_ends_and_nothing_is_lost(kind, temperature):
    """16 positions are read, and one more token is written."""
    step, cache, first = limited()[kind]()
    options = {"temperature": temperature, "seed": 0}
    if kind == "recurrent":  # it has no positions
        assert decoding.generate(step, cache, first[:, None], max_tokens=40, **options).shape == (2, 40)
        return
    with pytest.warns(UserWarning, match="The text ends after 16 of 40 tokens. A text of 17 tokens is longer than"):
        written = decoding.generate(step, cache, first[:, None], max_tokens=40, **options)
    step, cache, _ = limited()[kind]()
    assert torch.equal(written, decoding.generate(step, cache, first[:, None], max_tokens=16, **options))
    step, cache, _ = limited()[kind]()
    with pytest.raises(CourseError, match="A text of 17 tokens is longer"):  # it cannot even read
        decoding.generate(step, cache, first[:, None].expand(2, 17), max_tokens=3)


@pytest.mark.parametrize("kind", ["gpt", "transformer"])
@pytest.mark.parametrize("beams", [1, 2, 3, 7])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("end", [0, 3, -1])
def test_where_the_positions_end_beams_count_as_they_stand(kind, beams, length_penalty, end, recwarn):
    found = []
    for max_tokens in (40, 16):
        step, cache, first = models(5)[kind]()
        options = {"beams": beams, "end": end, "length_penalty": length_penalty}
        found.append(decoding.beam_search(step, cache, first, max_tokens=max_tokens, **options))
    assert all(found[0])
    for ours, expected in zip(*found, strict=True):
        assert [one.tokens for one in ours] == [one.tokens for one in expected]
        assert [one.score for one in ours] == pytest.approx([one.score for one in expected], abs=1e-12)
    told = [str(warning.message) for warning in recwarn]
    assert len(told) == 1 or (end != -1 and not told)  # a text that ends sooner needs no more positions
    assert all(one.startswith("The text ends after 16 of 40 tokens. A text of 17 tokens") for one in told)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("search", ["greedy", "draw", "beams"])
def test_logits_that_are_no_numbers_are_told(wrong, place, search):
    step = reader(lambda text: [1.0, wrong if len(text) > place else 0.0, -math.inf])
    with pytest.raises(CourseError, match="The model's logits are not finite"):
        if search == "beams":
            decoding.beam_search(step, Texts(), torch.tensor([[1]]), beams=2, max_tokens=5, end=-1)
        else:
            temperature = 1.0 if search == "draw" else None
            decoding.generate(step, Texts(), torch.tensor([[1]]), max_tokens=5, temperature=temperature)


@pytest.mark.parametrize("search", ["greedy", "draw", "beams"])
def test_a_model_that_forbids_every_token_is_told_and_one_that_forbids_some_is_not(search):
    for logits, fails in (([-math.inf] * 3, True), ([-math.inf, 0.0, -math.inf], False)):
        step = reader(lambda text, logits=logits: logits)

        def write(step=step):
            if search == "beams":
                found = decoding.beam_search(step, Texts(), torch.tensor([[1]]), beams=2, max_tokens=3, end=-1)
                return [one.tokens for one in found[0]]
            temperature = 1.0 if search == "draw" else None
            return decoding.generate(step, Texts(), torch.tensor([[1]]), max_tokens=3, temperature=temperature).tolist()

        if fails:
            with pytest.raises(CourseError, match="logits are not finite"):
                write()
        else:
            assert write() == [[1, 1, 1]]


# --- beam search ------------------------------------------------------------------------------------------------------


def all_texts(new, vocab, end, max_tokens):
    """For each text of the batch all that can be written, with its log_p; each is read afresh."""
    found = [[] for _ in new()[2]]
    for length in range(1, max_tokens + 1):
        for tokens in itertools.product(range(vocab), repeat=length):
            if end in tokens[:-1] or (tokens[-1] != end and length < max_tokens):
                continue
            step, cache, first = new()
            ids, log_p = first[:, None], 0.0
            for token in tokens:
                log_p = log_p + step(ids, cache).log_softmax(-1)[:, token]
                ids = torch.full_like(ids, token)
            for row, p in zip(found, log_p.tolist(), strict=True):
                row.append((list(tokens), p))
    return found


@pytest.mark.proof("07", "beam search, scores of all texts", "trying all texts", "GPT and encoder–decoder of 4 tokens")
@pytest.mark.parametrize("kind", ["gpt", "transformer"])
def test_a_beam_that_is_wide_enough_is_an_exhaustive_search(kind):
    vocab, end, length = 4, 0, 4
    new = models(vocab)[kind]
    with torch.no_grad():
        texts = all_texts(new, vocab, end, length)
    winners = set()
    for length_penalty in (0.0, 0.6, 2.0, -1.0):
        step, cache, first = new()
        wide = decoding.beam_search(
            step, cache, first, beams=vocab**length, max_tokens=length, end=end, length_penalty=length_penalty
        )
        for found, expected in zip(wide, texts, strict=True):
            scores = {tuple(tokens): p / ((5 + len(tokens)) / 6) ** length_penalty for tokens, p in expected}
            assert len(found) == len(expected) == 1 + 3 + 9 + 27 * 4
            assert [tuple(h.tokens) for h in found] == sorted(scores, key=scores.get, reverse=True)
            winners.add(tuple(found[0].tokens))
            for h in found:
                assert math.isclose(h.score, scores[tuple(h.tokens)], rel_tol=1e-9)
                assert math.isclose(h.log_p, h.score * ((5 + len(h.tokens)) / 6) ** length_penalty, rel_tol=1e-9)
    assert len(winners) > 1  # so that the penalties and the two texts are told apart


@given(
    seed=st.integers(0, 10**6),
    beams=st.integers(1, 4),
    length_penalty=st.sampled_from([0.0, 0.6, 3.0, -3.0]),
    spread=st.sampled_from([2.0, 5.0, 10.0]),  # the last is nearly sure of each token
)
def test_a_batch_is_searched_like_each_text_alone_and_stopping_early_loses_nothing(seed, beams, length_penalty, spread):
    """The same beams on to the last step, whatever has finished: the definition, with lists and without a cache."""
    end, max_tokens, table = 0, 7, random_table(5, seed, spread)
    first = torch.tensor([[1, 4], [2, 2], [3, 1]])
    batch = decoding.beam_search(
        reader(table), Texts(), first, beams=beams, max_tokens=max_tokens, end=end, length_penalty=length_penalty
    )
    for prompt, found in zip(first.tolist(), batch, strict=True):
        open_beams, finished = [([], 0.0)], []
        for length in range(1, max_tokens + 1):
            candidates = [
                ([*tokens, token], log_p + more)
                for tokens, log_p in open_beams
                for token, more in enumerate(table(prompt + tokens).log_softmax(-1).tolist())
            ]
            candidates.sort(key=lambda text: -text[1])
            finished += [c for c in candidates[:beams] if c[0][-1] == end or length == max_tokens]
            open_beams = [c for c in candidates if c[0][-1] != end][:beams]
        finished.sort(key=lambda text: -text[1] / ((5 + len(text[0])) / 6) ** length_penalty)
        assert [h.tokens for h in found] == [tokens for tokens, _ in finished[:beams]]


@pytest.mark.parametrize("end", [0, 2, -1])
def test_one_beam_without_a_length_penalty_is_greedy_search(end):
    for new in models(5).values():
        step, cache, first = new()
        greedy = decoding.generate(step, cache, first[:, None], max_tokens=9, end=end).tolist()
        step, cache, first = new()
        found = decoding.beam_search(step, cache, first, beams=1, max_tokens=9, end=end, length_penalty=0.0)
        for row, (only,) in zip(greedy, found, strict=True):
            assert only.tokens == (row[: row.index(end) + 1] if end in row else row)


def test_the_length_penalty_changes_the_winner():
    # Short: 1 and the end, 0.5 * 0.9. Long: 2 2 2 2 and the end, 0.5 * 0.96 ** 4, which is a little less likely.
    def logits_after(text):
        p = {0: [0, 0.5, 0.5], 1: [0.9, 0.05, 0.05], 2: [0.02, 0.02, 0.96]}[text[-1]]
        p = [0.96, 0.02, 0.02] if text[-4:] == [2, 2, 2, 2] else p
        return np.log(np.maximum(p, 1e-30))

    best = {}
    for length_penalty in (0.0, 0.6):
        ((best[length_penalty], *_),) = decoding.beam_search(
            reader(logits_after),
            Texts(),
            torch.tensor([0]),
            beams=2,
            max_tokens=8,
            end=0,
            length_penalty=length_penalty,
        )
    assert best[0.0].tokens == [1, 0] and best[0.6].tokens == [2, 2, 2, 2, 0]
    assert math.isclose(best[0.0].score, math.log(0.45)) and best[0.0].score == best[0.0].log_p
    assert math.isclose(best[0.6].log_p, math.log(0.5 * 0.96**4))
    assert math.isclose(best[0.6].score, best[0.6].log_p / (10 / 6) ** 0.6)


def test_the_search_goes_on_for_a_text_that_is_good_at_its_shortest_only():
    # A penalty below 0 favours short texts: 1 1 and the end beats 1 and the end, but no long text would.
    p = {(0,): [0.3, 0.7], (0, 1): [0.2, 0.8], (0, 1, 1): [0.99, 0.01]}
    step = reader(lambda text: np.log(p.get(tuple(text), [0.01, 0.99])))
    (found,) = decoding.beam_search(
        step, Texts(), torch.tensor([0]), beams=2, max_tokens=20, end=0, length_penalty=-3.0
    )
    assert [h.tokens for h in found] == [[0], [1, 1, 0]]


def test_an_empty_batch_gives_nothing():
    step, none = (lambda ids, cache: torch.zeros(len(ids), 3)), torch.zeros(0, 1, dtype=torch.long)
    assert decoding.beam_search(step, Texts(none), none, beams=2, max_tokens=3, end=0) == []
    assert decoding.generate(step, Texts(), none, max_tokens=3, temperature=1.0).shape == (0, 3)


def test_a_text_without_a_beginning_is_told_in_one_sentence():
    step, nothing = (lambda ids, cache: torch.zeros(len(ids), 3)), torch.zeros(2, 0, dtype=torch.long)
    with pytest.raises(CourseError, match="at least one token"):
        decoding.generate(step, Texts(), nothing, max_tokens=3)
    with pytest.raises(CourseError, match="at least one token"):
        decoding.beam_search(step, Texts(), nothing, beams=2, max_tokens=3, end=0)


def test_texts_that_are_done_leave_the_batch_and_the_search_stops_when_none_is_left():
    def logits_after(text):  # texts that begin with 1 end at once, others after three more tokens
        return [9.0, 0, 0] if text[0] == 1 or len(text) > 3 else [-9.0, 0, 1]

    cache = Texts()
    found = decoding.beam_search(
        reader(logits_after), cache, torch.tensor([1, 2]), beams=1, max_tokens=50, end=0, length_penalty=0.0
    )
    assert [row[0].tokens for row in found] == [[0], [2, 2, 2, 0]]
    assert cache.rows == [2, 1, 1, 1]


def test_tokens_that_are_impossible_are_never_found():
    step = reader(lambda text: [0.0, 0.0, -math.inf])
    (found,) = decoding.beam_search(step, Texts(), torch.tensor([1]), beams=20, max_tokens=2, end=0)
    assert sorted(h.tokens for h in found) == [[0], [1, 0], [1, 1]]


@pytest.mark.parametrize("wrong", ["beams", "max_tokens"])
def test_a_beam_or_length_below_one_is_told(wrong):
    options = {"beams": 2, "max_tokens": 2, wrong: 0}
    with pytest.raises(CourseError, match="beams and max_tokens must be at least 1, not"):
        decoding.beam_search(always_logits([1.0]), Texts(), torch.tensor([0]), end=0, **options)
