"""Sentences, words and vocabularies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.runtime import CourseError
from lmtutor.text import END, START, UNKNOWN, Vocabulary, sentences, split_sentences, words

# Texts with what takes sentences apart: marks, quotes, brackets, line breaks, also the odd ones of Unicode.
any_text = st.text() | st.text(alphabet="aB1 .!?\"')([\n\r\t'é中\u0085\u2028\u00a0_-<>", max_size=60)
word = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
word_lists = st.lists(st.lists(word, max_size=6), min_size=1, max_size=6).filter(any)


def without_blanks(text):
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't go!", ["Don't", "go", "!"]),
        ("", []),
        (" \n\t ", []),
        ("the <unk> sea", ["the", "<unk>", "sea"]),
        ("3.5 km", ["3", ".", "5", "km"]),
        ('"Go," she said.', ['"', "Go", ",", '"', "she", "said", "."]),
        ("fishermen's nets'", ["fishermen's", "nets", "'"]),
        ("naïve 海港 café", ["naïve", "海港", "café"]),
    ],
)
def test_words_takes_text_apart_as_it_says(text, expected):
    assert words(text) == expected


@given(any_text)
def test_words_loses_no_visible_character_and_keeps_their_order(text):
    assert "".join(words(text)) == without_blanks(text)


@given(any_text)
def test_no_word_holds_a_blank_and_none_is_empty(text):
    assert all(w and w == without_blanks(w) for w in words(text))


@given(any_text)
def test_words_of_words_are_the_same_words(text):
    found = words(text)
    assert words(" ".join(found)) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains. The ferry waits.", ["It rains.", "The ferry waits."]),
        ('"Go!" She went.', ['"Go!"', "She went."]),
        ("He (the pilot.) Then he left.", ["He (the pilot.)", "Then he left."]),
        ("It is 3. p.m. now", ["It is 3. p.m. now"]),
        ("One line\nanother line\n\n\nlast", ["One line", "another line", "last"]),
        ("Who? 12 men.", ["Who?", "12 men."]),
        ('Wait. "Why?"', ["Wait.", '"Why?"']),
        ("", []),
        ("\n \n", []),
        ("no end", ["no end"]),
    ],
)
def test_split_sentences_ends_them_where_it_says(text, expected):
    assert split_sentences(text) == expected


@given(any_text)
def test_split_sentences_loses_nothing_but_blanks(text):
    assert without_blanks("".join(split_sentences(text))) == without_blanks(text)


@given(any_text)
def test_no_sentence_is_empty_or_has_blanks_around_it_or_a_line_feed_in_it(text):
    assert all(s and s == s.strip() and "\n" not in s for s in split_sentences(text))


def test_sentences_of_running_text_are_words_and_marks():
    assert sentences(["It rains. Go!", "No"]) == [["It", "rains", "."], ["Go", "!"], ["No"]]


def test_sentences_of_tokenised_lines_keep_empty_lines():
    assert sentences([" = A = ", "", "the <unk> @-@ sea"], tokens="whitespace") == [
        ["=", "A", "="],
        [],
        ["the", "<unk>", "@-@", "sea"],
    ]


@pytest.mark.parametrize("texts", [[], [""], ["", "  \n "]])
@pytest.mark.parametrize("tokens", ["words", "whitespace"])
def test_an_empty_corpus_is_told_in_one_sentence(texts, tokens):
    with pytest.raises(CourseError, match="corpus is empty.*check that the right file was loaded"):
        sentences(texts, tokens=tokens)


def test_an_unknown_kind_of_tokens_is_told_with_the_nearest():
    with pytest.raises(CourseError, match="'whitespaces' is not known; did you mean 'whitespace'"):
        sentences(["a b"], tokens="whitespaces")


def test_the_vocabulary_orders_by_frequency_and_then_by_first_appearance():
    vocabulary = Vocabulary([["b", "a", "c"], ["c", "a"], ["c"]])
    assert vocabulary.words == [UNKNOWN, START, END, "c", "a", "b"]
    assert (vocabulary.unknown, vocabulary.start, vocabulary.end) == (0, 1, 2)
    assert len(vocabulary) == 6


def test_min_count_makes_rare_words_unknown():
    vocabulary = Vocabulary([["a", "a", "b"]], min_count=2)
    assert "a" in vocabulary and "b" not in vocabulary
    assert vocabulary.encode(["a", "b", "never seen"]) == [3, 0, 0]
    assert vocabulary.decode(vocabulary.encode(["a", "b"])) == ["a", UNKNOWN]


def test_special_tokens_in_the_text_keep_their_ids():
    vocabulary = Vocabulary([["<unk>", "a", "</s>", "<unk>", "<s>"]])
    assert vocabulary.words == [UNKNOWN, START, END, "a"]
    assert vocabulary.encode(["<unk>", "<s>", "</s>"]) == [0, 1, 2]


@given(word_lists, st.integers(1, 3))
def test_known_words_come_back_from_their_ids(training, min_count):
    vocabulary = Vocabulary(training, min_count)
    for sentence in training:
        known = [w for w in sentence if w in vocabulary]
        assert vocabulary.decode(vocabulary.encode(known)) == known


@given(word_lists, st.integers(1, 3))
def test_the_vocabulary_holds_exactly_the_frequent_words_each_once(training, min_count):
    vocabulary = Vocabulary(training, min_count)
    flat = [w for sentence in training for w in sentence]
    assert set(vocabulary.words[3:]) == {w for w in flat if flat.count(w) >= min_count}
    assert len(vocabulary.ids) == len(vocabulary.words)
    counts = [flat.count(w) for w in vocabulary.words[3:]]
    assert counts == sorted(counts, reverse=True)


@given(word_lists, word_lists)
def test_the_unknown_share_is_the_share_of_words_that_are_not_in_training(training, text):
    flat = [w for sentence in text for w in sentence]
    seen = {w for sentence in training for w in sentence}
    expected = sum(w not in seen for w in flat) / len(flat)
    assert Vocabulary(training).unknown_share(text) == pytest.approx(expected)


def test_the_unknown_share_of_no_words_is_zero():
    assert Vocabulary([["a"]]).unknown_share([[], []]) == 0.0


@pytest.mark.parametrize("training", [[], [[]], [[], []]])
def test_a_vocabulary_of_nothing_is_told_in_one_sentence(training):
    with pytest.raises(CourseError, match="needs at least one word, but the training sentences are empty"):
        Vocabulary(training)
