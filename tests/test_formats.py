"""Answers that must parse: automata against Python's regular expressions, token masks against brute force."""

import itertools
import json
import re
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtutor import decoding, pretrained
from lmtutor.decoding import formats
from lmtutor.decoding.formats import InOrder, OneOf, Times, TokenFormat, automaton, letters
from lmtutor.models import llama
from lmtutor.models.cache import Cache, Past
from lmtutor.runtime import CourseError

END = 0
TOKENS = [None, b"a", b"b", b"c", b"ab", b"bc", b"aab", b"cc", b"abc"]

patterns = st.recursive(
    st.text("abc", min_size=1, max_size=3),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: OneOf(*parts)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: InOrder(*parts)),
        st.builds(
            lambda part, least, more: Times(part, least, least + more), inner, st.integers(0, 2), st.integers(0, 2)
        ),
        st.builds(lambda part, least: Times(part, least), inner, st.integers(0, 1)),
    ),
    max_leaves=5,
)


def expression(pattern) -> str:
    """The same as a regular expression of Python's."""
    if isinstance(pattern, str):
        return re.escape(pattern)
    if isinstance(pattern, OneOf):
        return f"(?:{'|'.join(map(expression, pattern.parts))})"
    if isinstance(pattern, InOrder):
        return "".join(f"(?:{expression(part)})" for part in pattern.parts)
    most = "" if pattern.most is None else pattern.most
    return f"(?:{expression(pattern.part)}){{{pattern.least},{most}}}"


def random_step(seed: int, spread: float = 3.0, vocab: int = len(TOKENS)):
    """A "model" that says anything: another random row for each text and step."""
    generator = torch.Generator().manual_seed(seed)

    def step(ids, cache):
        return torch.randn(len(ids), vocab, generator=generator) * spread

    return step


def written(form: TokenFormat, rows) -> list[str]:
    texts = []
    for row in rows.tolist():
        assert form.end in row, "it has not ended"
        texts.append(b"".join(form.tokens[token] for token in row[: row.index(form.end)]).decode())
    return texts


@pytest.mark.proof(
    "13", "formats.automaton", "re.fullmatch", "random patterns, all texts of up to five letters", exact=True
)
@given(patterns)
@settings(max_examples=60, deadline=None)
def test_an_automaton_takes_what_a_regular_expression_takes(pattern):
    shape, wanted = automaton(pattern), re.compile(expression(pattern))
    for length in range(6):
        for characters in itertools.product("abc", repeat=length):
            text = "".join(characters)
            assert shape.fits(text) == bool(wanted.fullmatch(text)), (pattern, text)


@given(patterns, st.integers(0, 12), st.integers(0, 99))
@settings(max_examples=120, deadline=None)
def test_every_sample_has_the_format_whatever_the_model_says(pattern, more, seed):
    form = TokenFormat(automaton(pattern), TOKENS, END)
    most = form.steps[0] + more
    step = formats.masked(random_step(seed, 30.0), form, most)
    rows = decoding.generate(
        step, Cache([Past()]), torch.zeros(4, 1, dtype=torch.long), max_tokens=most, end=END, temperature=1.0, seed=seed
    )
    assert rows.shape[1] <= most
    for text in written(form, rows):
        assert re.fullmatch(expression(pattern), text), (pattern, text)


def test_the_tokens_allowed_are_those_that_can_be_completed():
    pattern = OneOf("abca", InOrder("aab", Times("c", 1, 3)), "b")
    form = TokenFormat(automaton(pattern), TOKENS, END)
    whole = re.compile(expression(pattern))
    texts = {"".join(t) for n in range(9) for t in itertools.product("abc", repeat=n) if whole.fullmatch("".join(t))}
    for state in form.moves:
        # a beginning that leads to this state
        beginnings = {text[:i] for text in texts for i in range(len(text) + 1)}
        here = next(text for text in sorted(beginnings, key=len) if form.shape.walk(text.encode()) == state)
        for number, token in enumerate(TOKENS):
            fits = token is not None and any(text.startswith(here + token.decode()) for text in texts)
            assert (number in form.allowed(state, 99)) == (fits or (number == END and here in texts))


def test_a_text_ends_in_time():
    form = TokenFormat(automaton(Times("a", 3)), [None, b"a", b"aa"], END)
    assert form.steps[0] == 3  # aa, a, the end
    for most in (3, 4, 9):
        step = formats.masked(random_step(most, vocab=3), form, most)
        rows = decoding.generate(step, Cache([Past()]), torch.zeros(8, 1, dtype=torch.long), max_tokens=most, end=END)
        assert all(len(text) >= 3 for text in written(form, rows))
    with pytest.raises(CourseError, match="shortest answer in this format has 3 tokens.*only 2"):
        formats.masked(random_step(0), form, 2)


def test_a_format_that_nothing_can_satisfy():
    for pattern in (OneOf(), InOrder("a", OneOf()), Times(OneOf(), 1), OneOf(InOrder("x", letters("")))):
        with pytest.raises(CourseError, match="No text at all has this format"):
            automaton(pattern)
    assert automaton(Times(OneOf(), 0)).fits("")  # not once is a way
    with pytest.raises(CourseError, match="No text of these tokens has the format"):
        TokenFormat(automaton("xyz"), TOKENS, END)
    with pytest.raises(CourseError, match="No text of these tokens"):  # a dead end: "ab" has no "d" behind it
        TokenFormat(automaton("abd"), TOKENS, END)
    with pytest.raises(CourseError, match="made of strings, OneOf"):
        automaton(InOrder("a", 7))
    with pytest.raises(CourseError, match="from 3 to 2 times"):
        automaton(Times("a", 3, 2))


def test_a_dead_end_is_never_entered():
    form = TokenFormat(automaton(OneOf("abd", "ac")), TOKENS, END)  # nothing writes d
    assert sorted(form.allowed(0, 9)) == [1]
    assert form.allowed(form.after(0, 1), 9) == [3]
    with pytest.raises(KeyError):
        form.after(0, 4)


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level BPE of the kind that SmolLM2 has, learned from a few words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(['{"stars": 4, "what": "book"}', 'A café, a book: "what" stars!'] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")


def test_bytes_of_a_tokenizer(tokenizer):
    tokens = formats.token_bytes(tokenizer)
    text = 'Das Café kostet 3 €, {"a": [1, 2]}\n 漁'
    ids = tokenizer(text)["input_ids"]
    assert b"".join(tokens[number] for number in ids).decode() == text
    assert tokens[tokenizer.eos_token_id] is None
    with pytest.raises(CourseError, match="tokenizer that cuts bytes"):
        formats.token_bytes(pretrained.tokenizer_of("mini_bert"))


VERDICT = InOrder('{"stars": ', letters("12345"), ', "what": "', OneOf("café", "book", "漁"), '"}')


def test_json_of_a_tokenizer_parses(tokenizer):
    form = formats.token_format(VERDICT, tokenizer)
    step = formats.masked(random_step(5, vocab=len(tokenizer)), form, 40)
    rows = decoding.generate(
        step,
        Cache([Past()]),
        torch.zeros(16, 1, dtype=torch.long),
        max_tokens=40,
        end=form.end,
        temperature=1.0,
        seed=1,
    )
    for text in written(form, rows):
        read = json.loads(text)
        assert read["what"] in ("café", "book", "漁") and 1 <= read["stars"] <= 5


@pytest.mark.proof(
    "13", "formats.masked", "transformers: generate(prefix_allowed_tokens_fn)", "a random Llama, greedy", exact=True
)
def test_masked_decoding_is_that_of_transformers():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENS), hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True, eos_token_id=END, pad_token_id=END,
        bos_token_id=END,
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).eval()
    for parameter in theirs.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    ours = llama.Llama(
        len(TOKENS),
        hidden_size=32,
        num_heads=4,
        num_kv_heads=2,
        num_layers=2,
        inner_size=40,
        max_length=64,
        epsilon=1e-6,
    )
    llama.load_llama(ours, theirs.state_dict())
    form = TokenFormat(automaton(InOrder(Times(OneOf("ab", "ca"), 2), "bc")), TOKENS, END)
    for seed in range(5):
        ids = torch.randint(1, len(TOKENS), (1, 6), generator=torch.Generator().manual_seed(seed))

        def may_come(_batch, so_far, first=6):
            state = 0
            for token in so_far[first:].tolist():
                state = form.after(state, token)
            return form.allowed(state, 12 - (len(so_far) - first))

        found = theirs.generate(ids, max_new_tokens=12, do_sample=False, prefix_allowed_tokens_fn=may_come)[0, 6:]
        step = formats.masked(partial(llama.step, ours), form, 12)
        own = decoding.generate(step, ours.cache(), ids, max_tokens=12, end=END)[0]
        assert own.tolist() == found.tolist()
