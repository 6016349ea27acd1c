"""Generation's cuts, penalties, stops and streams; and speculative decoding, which gives the target's distribution."""

import itertools
import math
from collections import Counter
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_decoding import Texts, random_table, reader

from lmtutor import decoding
from lmtutor.decoding import speculation
from lmtutor.models import gpt, llama
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError

# --- min-p and the repetition penalty ---------------------------------------------------------------------------------


@pytest.mark.proof("08", "min-p", "transformers MinPLogitsWarper", "random logits")
@pytest.mark.parametrize("seed", range(5))
def test_min_p_is_that_of_transformers(seed):
    from transformers import MinPLogitsWarper

    torch.manual_seed(seed)
    logits = 3 * torch.randn(2, 200).double()
    for share in (0.0, 0.02, 0.1, 0.5, 1.0):
        theirs = MinPLogitsWarper(share)(None, logits).softmax(-1).numpy()
        ours = decoding.truncate(logits.softmax(-1).numpy(), min_p=share)
        assert np.allclose(ours, theirs, atol=1e-12) and (ours > 0).sum() == (theirs > 0).sum()


@pytest.mark.proof("08", "top-k, top-p and min-p together", "transformers' warpers, one after the other", "random")
@pytest.mark.parametrize("seed", range(5))
def test_all_cuts_together_are_those_of_transformers(seed):
    from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    torch.manual_seed(seed)
    logits = 2 * torch.randn(1, 100).double()
    for k, share, least in itertools.product((5, 50), (0.5, 0.9), (0.05, 0.4)):
        theirs = MinPLogitsWarper(least)(None, TopPLogitsWarper(share)(None, TopKLogitsWarper(k)(None, logits)))
        ours = decoding.truncate(logits.softmax(-1).numpy(), top_k=k, top_p=share, min_p=least)
        assert np.allclose(ours, theirs.softmax(-1).numpy(), atol=1e-12)


@pytest.mark.proof("08", "repetition penalty", "transformers RepetitionPenaltyLogitsProcessor", "random logits and ids")
@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.2, 3.0])
def test_the_repetition_penalty_is_that_of_transformers(penalty):
    from transformers import RepetitionPenaltyLogitsProcessor

    torch.manual_seed(0)
    logits, ids = torch.randn(3, 20).double(), torch.randint(20, (3, 9))
    expected = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits.clone())
    before = logits.clone()
    torch.testing.assert_close(decoding.penalise(logits, ids, penalty), expected, atol=0, rtol=0)
    assert torch.equal(logits, before)  # what the model said stays as it was


def test_generation_penalises_what_was_read_and_what_was_written():
    step = reader(lambda text: [3.0, 2.9, 2.8, -1.0])
    write = partial(decoding.generate, step, input_ids=torch.tensor([[1, 1]]), max_tokens=4)
    assert write(cache=Texts()).tolist() == [[0, 0, 0, 0]]
    assert write(cache=Texts(), repetition_penalty=1.2).tolist() == [[0, 2, 0, 0]]
    assert write(cache=Texts(), repetition_penalty=1.2, temperature=1e-3).tolist() == [[0, 2, 0, 0]]


@pytest.mark.parametrize("kind", ["greedy", "drawn"])
def test_penalised_texts_of_a_gpt_are_those_of_transformers(kind):
    from test_gpt import ids_of, pair

    ours, theirs = pair(spread=1.0)
    ids = ids_of(2, 4)
    mask, options = torch.ones_like(ids), {"repetition_penalty": 1.5}
    expected = theirs.generate(input_ids=ids, attention_mask=mask, max_new_tokens=20, do_sample=False, **options)
    if kind == "drawn":
        options |= {"temperature": 1e-6, "min_p": 0.5}
    got = decoding.generate(partial(gpt.step, ours), Cache.empty(3), ids, max_tokens=20, **options)
    assert torch.equal(got, expected[:, 4:])


# --- stops ------------------------------------------------------------------------------------------------------------

COUNT = {"step": reader(lambda text: [9.0 * (i == (text[-1] + 1) % 10) for i in range(10)]), "max_tokens": 12}  # 0 1 2


def count(first, **options):
    return decoding.generate(**COUNT, cache=Texts(), input_ids=torch.tensor(first), **options).tolist()


def spell(ids):
    return "".join("abcdefghij"[i] for i in ids)


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ([[3]], [1, 2, 3]),
        ([[2, 3, 4]], [1, 2, 3, 4]),
        ([[3, 2], [5, 6], [4, 5]], [1, 2, 3, 4, 5]),
        (["de"], [1, 2, 3, 4]),
        (["x", "ef"], [1, 2, 3, 4, 5]),
        (["ab"], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]),  # what was read first does not count
        ([[0, 1]], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]),
        ([torch.tensor([2, 3])], [1, 2, 3]),
    ],
)
def test_a_stop_sequence_ends_a_text_once_it_is_written(stop, expected):
    assert count([[5, 0]], stop=stop, decode=spell) == [expected]
    assert decoding.ended_at(expected, stop=stop, decode=spell) == len(expected)


def test_a_stop_that_never_comes_ends_nothing_and_can_be_told_from_one_that_does():
    options = {"stop": [[7, 7], "ba"], "decode": spell}
    (ids,) = count([[0]], **options)
    assert len(ids) == 12 and decoding.ended_at(ids, **options) is None
    assert decoding.ended_at(ids, end=2, **options) == 2


def test_in_a_batch_each_text_stops_alone_and_is_filled():
    found = count([[0], [4], [8]], stop=[[5, 6]])
    assert found == [[1, 2, 3, 4, 5, 6, 6, 6], [5, 6, 6, 6, 6, 6, 6, 6], [9, 0, 1, 2, 3, 4, 5, 6]]
    assert [decoding.ended_at(row, stop=[[5, 6]]) for row in found] == [6, 2, 8]
    found = count([[0], [4], [7]], stop=[[5, 6]], end=9)
    assert found == [[1, 2, 3, 4, 5, 6], [5, 6, 9, 9, 9, 9], [8, 9, 9, 9, 9, 9]]


def test_a_string_within_one_token_and_across_tokens_of_several_bytes_is_found():
    pieces = ["x", "é.\n", "\nU", "s", "er", ": ", "y", "z", "w", "v"]
    decode = lambda ids: "".join(pieces[i] for i in ids)  # noqa: E731
    assert count([[0]], stop=["\n\nUser"], decode=decode) == [[1, 2, 3, 4]]
    assert count([[0]], stop=["é"], decode=decode) == [[1]]


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ("the end", r"list of stop sequences \(strings or lists of ids\) is wanted, not one string: write \[stop\]"),
        ([""], "something in it, not ''"),
        ([[]], r"something in it, not \[\]"),
        ([5], "something in it, not 5"),
        (["b"], "find the string 'b' the tokens have to be decoded: give `decode=tokenizer.decode`"),
    ],
)
def test_a_wrong_stop_is_told(stop, message):
    with pytest.raises(CourseError, match=message):
        count([[0]], stop=stop)


# --- streams, and long prompts ----------------------------------------------------------------------------------------


def test_each_token_is_handed_on_as_soon_as_it_is_there():
    seen = []
    written = count([[0], [8]], end=3, on_token=lambda token: seen.append(token.tolist()))
    assert [list(column) for column in zip(*written, strict=True)] == seen
    cache = Texts()
    decoding.generate(
        **COUNT, cache=cache, input_ids=torch.tensor([[0]]), on_token=lambda t: seen.append(len(cache.rows))
    )
    assert seen[-12:] == list(range(1, 13))


@pytest.mark.parametrize(("context", "max_tokens", "keep"), [(8, 3, 5), (8, 6, 4), (8, 100, 4), (1, 3, 1)])
def test_a_prompt_that_is_too_long_loses_its_beginning_and_a_warning_says_how_much(context, max_tokens, keep):
    ids, cache = torch.arange(20)[None] % 10, Texts()
    with pytest.warns(UserWarning) as told:
        written = decoding.generate(COUNT["step"], cache, ids, max_tokens=max_tokens, context=context)
    assert len(told) == 1 and str(told[0].message).startswith(
        f"The prompt has 20 tokens, and the model can read {context}: its first {20 - keep} are dropped, and the last"
    )
    assert written.shape == (1, max_tokens) and cache.ids[0, :keep].tolist() == ids[0, -keep:].tolist()


def test_a_prompt_that_fits_is_left_alone(recwarn):
    assert count([[5, 6, 7]], context=3)[0][0] == 8 and not recwarn.list


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_p": 0.1}, "without a temperature nothing is drawn"),
        ({"min_p": 1.5, "temperature": 1.0}, "min_p must be from 0 to 1, not 1.5"),
        ({"repetition_penalty": 0}, "repetition penalty must be above 0, not 0"),
        ({"repetition_penalty": math.nan}, "repetition penalty must be above 0"),
    ],
)
def test_wrong_options_are_told(wrong, message):
    with pytest.raises(CourseError, match=message):
        count([[0]], **wrong)


# --- speculative decoding ---------------------------------------------------------------------------------------------


@pytest.fixture
def every_path(monkeypatch):
    """Runs a function once for each way in which its draws can fall; gives (result, probability) of each."""
    script, weight = [], [1.0]

    def draw(p, generator):
        p = p / p.sum()
        place = draw.place
        draw.place += 1
        if place == len(script):
            script.append([i for i in range(len(p)) if p[i] > 0])
        weight[0] *= float(p[script[place][0]])
        return script[place][0]

    monkeypatch.setattr(speculation, "_draw", draw)

    def paths(work):
        script.clear()
        while True:
            draw.place, weight[0] = 0, 1.0
            yield work(), weight[0]
            while script and len(script[-1]) == 1:
                script.pop()
            if not script:
                return
            script[-1].pop(0)

    return paths


class Read(Texts):
    """A cache that says how long its text is, and forgets."""

    @property
    def length(self):
        return 0 if self.ids is None else self.ids.shape[1]

    def cut(self, length):
        self.ids = self.ids[:, :length]


def table_model(vocab, seed, spread=1.5):
    """Logits after each of the new tokens, which depend on all before."""
    logits_after = random_table(vocab, seed, spread)

    def model(ids, cache):
        start = cache.length
        cache.ids = ids if cache.ids is None else torch.cat([cache.ids, ids], dim=1)
        cache.rows.append(ids.shape[1])
        text = cache.ids[0].tolist()
        return torch.stack([logits_after(text[: i + 1]) for i in range(start, len(text))])[None]

    return model


def exact(vocab, seed, first, length, end, temperature=1.0, **cuts):
    """The probability of each text that the target alone writes."""
    logits_after, found = random_table(vocab, seed, 1.5), {}
    todo = [((), 1.0)]
    while todo:
        text, p = todo.pop()
        if len(text) == length or end in text:
            found[text] = p
            continue
        after = (logits_after([*first, *text]) / temperature).softmax(-1).numpy()
        after = decoding.truncate(after, **cuts)
        todo += [((*text, i), p * after[i]) for i in range(vocab) if after[i] > 0]
    return found


@pytest.mark.proof("08", "speculative decoding, the probability of each text", "the target's", "all texts and draws")
@pytest.mark.parametrize("guesses", [1, 2, 4])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"top_k": 2}, {"min_p": 0.4}, {"end": 1}])
def test_speculative_decoding_gives_each_text_the_targets_probability(guesses, options, every_path):
    """The program itself is run, once for each way in which all of its draws can fall."""
    vocab, length, first = 3, 3, [0, 2]
    options = {"temperature": 1.0, **options}

    def work():
        found = decoding.speculative(
            table_model(vocab, 1), Read(), table_model(vocab, 7), Read(), torch.tensor([first]),
            max_tokens=length, guesses=guesses, **options,
        )  # fmt: skip
        return tuple(found.tokens[0].tolist())

    got = Counter()
    for text, p in every_path(work):
        got[text] += p
    cuts = {name: value for name, value in options.items() if name in ("top_k", "min_p")}
    expected = exact(vocab, 1, first, length, options.get("end"), options["temperature"], **cuts)
    assert got.keys() == expected.keys() and len(expected) > 5
    for text, p in expected.items():
        assert math.isclose(got[text], p, abs_tol=1e-12)


def test_many_drawn_texts_have_the_targets_distribution():
    expected = exact(3, 1, [0, 2], 2, None)
    seen = Counter()
    for seed in range(1500):
        found = decoding.speculative(
            table_model(3, 1), Read(), table_model(3, 7), Read(), torch.tensor([[0, 2]]),
            max_tokens=2, guesses=2, temperature=1.0, seed=seed,
        )  # fmt: skip
        seen[tuple(found.tokens[0].tolist())] += 1
    chi_square = sum((seen[text] - 1500 * p) ** 2 / (1500 * p) for text, p in expected.items())
    assert seen.keys() <= expected.keys() and chi_square < 26.12  # 8 degrees of freedom: the 0.1 % point


def llamas():
    from test_llama import new

    return new(spread=0.7), new("multi-query", seed=5, spread=0.7)


@pytest.mark.proof("08", "speculative decoding, greedy", "greedy decoding", "GPTs and Llamas, two drafts", exact=True)
@pytest.mark.parametrize("guesses", [1, 3, 5, 40])
@pytest.mark.parametrize("window", [None, 6])
def test_greedy_speculative_decoding_writes_the_greedy_text(guesses, window):
    target, draft = llamas()
    target.window = draft.window = window
    ids = torch.tensor([[4, 9, 2]])
    expected = decoding.generate(partial(llama.step, target), target.cache(), ids, max_tokens=30)
    for guesser in (draft, target):
        cache = target.cache()
        found = decoding.speculative(target, cache, guesser, guesser.cache(), ids, max_tokens=30, guesses=guesses)
        assert torch.equal(found.tokens, expected)
        assert cache.length <= 3 + 29 and found.accepted + found.forwards >= 30
        if guesser is target:
            assert found.acceptance == 1 and found.forwards == math.ceil(30 / (guesses + 1))
    end = int(expected[0, 6])
    stopped = decoding.generate(partial(llama.step, target), target.cache(), ids, max_tokens=30, end=end)
    found = decoding.speculative(
        target, target.cache(), draft, draft.cache(), ids, max_tokens=30, guesses=guesses, end=end
    )
    assert torch.equal(found.tokens, stopped)


def test_speculative_decoding_goes_on_from_a_text_that_was_read():
    target, draft = llamas()
    ids = torch.tensor([[4, 9, 2, 7, 7]])
    expected = decoding.generate(partial(llama.step, target), target.cache(), ids, max_tokens=12)
    caches = target.cache(), draft.cache()
    with torch.no_grad():
        for model, cache in zip((target, draft), caches, strict=True):
            llama.step(model, ids[:, :3], cache)
    found = decoding.speculative(target, caches[0], draft, caches[1], ids[:, 3:], max_tokens=12)
    assert torch.equal(found.tokens, expected)


def test_a_gpt_drafts_for_a_gpt_until_no_position_is_left():
    from test_gpt import pair

    model, _ = pair(spread=1.0)
    ids, step = torch.tensor([[4, 9]]), partial(gpt.logits, model)
    expected = decoding.generate(partial(gpt.step, model), Cache.empty(3), ids, max_tokens=30)
    found = decoding.speculative(step, Cache.empty(3), step, Cache.empty(3), ids, max_tokens=30)
    assert torch.equal(found.tokens, expected)
    with pytest.warns(UserWarning, match=r"The text ends after 3\d of 60 tokens. A text of 4\d tokens is longer"):
        decoding.speculative(step, Cache.empty(3), step, Cache.empty(3), ids, max_tokens=60)


@pytest.mark.parametrize("sizes", [(5, 7), (7, 5)])
def test_a_draft_with_another_vocabulary_is_refused(sizes):
    models = [llama.Llama(size, hidden_size=8, num_heads=2, num_kv_heads=1, num_layers=1).eval() for size in sizes]
    target, draft = models
    torch.nn.init.zeros_(target.embedding.weight)  # so that token 0 is the likeliest of both
    with pytest.raises(CourseError, match=r"^The draft knows .* and the target .*must have the target's tokenizer"):
        decoding.speculative(target, target.cache(), draft, draft.cache(), torch.tensor([[0]]), max_tokens=3)
    unknown = torch.tensor([[6]])
    with pytest.raises(CourseError, match=r"does not know a token's id. The draft must have the target's tokenizer"):
        decoding.speculative(target, target.cache(), draft, draft.cache(), unknown, max_tokens=3)


def test_a_draft_with_another_tokenizer_is_refused():
    target, _ = llamas()
    both = [SimpleNamespace(get_vocab=lambda word=word: {word: 0}) for word in "ab"]
    work = partial(decoding.speculative, target, target.cache(), target, target.cache(), torch.tensor([[1]]))
    with pytest.raises(CourseError, match="must have the target's tokenizer, as an id of one means nothing"):
        work(max_tokens=2, tokenizers=tuple(both))
    work(max_tokens=2, tokenizers=(both[0], both[0]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"guesses": 0}, "guess at least 1 token"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"input_ids": torch.tensor([[1], [2]])}, "writes one text at a time, and these are 2"),
        ({"input_ids": torch.zeros(1, 0, dtype=torch.long)}, "at least one token"),
    ],
)
def test_wrong_speculation_is_told(wrong, message):
    options = {"input_ids": torch.tensor([[1]]), "max_tokens": 3} | wrong
    with pytest.raises(CourseError, match=message):
        decoding.speculative(table_model(3, 1), Read(), table_model(3, 7), Read(), **options)
