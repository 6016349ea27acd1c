"""Sentences, words and vocabularies."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.data.text import END, START, UNKNOWN, Vocabulary, sentences, split_sentences, wordpiece, words
from lmtutor.runtime import CourseError

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


def test_a_single_text_in_place_of_a_list_is_not_taken_apart_into_letters():
    with pytest.raises(CourseError, match=r"not one string: write \[text\]"):
        sentences("The sea. The tide.")


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


# Not a surrogate: no text that was read from a file has one.
any_word = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(any_word, min_size=1))
def test_a_saved_vocabulary_comes_back_whole(tmp_path_factory, training):
    path = tmp_path_factory.mktemp("saved") / "vocabulary.json"
    vocabulary = Vocabulary([training])
    vocabulary.save(path)
    loaded = Vocabulary.load(path)
    assert vars(loaded) == vars(vocabulary)
    assert loaded.fingerprint == vocabulary.fingerprint
    assert json.loads(path.read_text(encoding="utf-8")) == vocabulary.words


def test_a_saved_vocabulary_reads_as_text(tmp_path):
    Vocabulary([["naïve", "海港"]]).save(tmp_path / "vocabulary.json")
    content = (tmp_path / "vocabulary.json").read_bytes().decode("utf-8")
    assert content == '[\n"<unk>",\n"<s>",\n"</s>",\n"naïve",\n"海港"\n]'
    assert [file.name for file in tmp_path.iterdir()] == ["vocabulary.json"]


def test_the_fingerprint_is_that_of_the_words_and_their_order():
    fingerprints = {Vocabulary([found]).fingerprint for found in (["a", "b"], ["b", "a"], ["ab"], ["a", "c"], ["a b"])}
    assert len(fingerprints) == 5
    assert Vocabulary([["a", "b"], ["a"]]).fingerprint == Vocabulary([["a", "b"]]).fingerprint == "0a1afbea2f18"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'["<unk>", "<s>", "</s>", "a', "is not JSON; is the file complete?"),
        (b"", "is not JSON; is the file complete?"),
        ('["<unk>", "<s>", "</s>", "é"]'.encode("latin-1"), "is not JSON; is the file complete?"),
        (b'{"a": 0}', "is no vocabulary: it should be a JSON list"),
        (b'["a", "b"]', "is no vocabulary: it should be a JSON list"),
        (b'["<unk>", "<s>", "</s>", 7]', "is no vocabulary: it should be a JSON list"),
        (b'["<unk>", "<s>", "</s>", "a", "a"]', "is no vocabulary: it should be a JSON list"),
    ],
)
def test_a_file_that_holds_no_vocabulary_is_told_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(CourseError) as error:
        Vocabulary.load(path)
    assert str(path) in str(error.value) and message in str(error.value) and "\n" not in str(error.value)


def test_a_vocabulary_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CourseError, match=r"vocabulary\.json' cannot be read \(No such file or directory\)\.$"):
        Vocabulary.load(tmp_path / "vocabulary.json")
    with pytest.raises(
        CourseError, match=r"could not be written to .*/nowhere/v\.json' \(No such file or directory\)\.$"
    ):
        Vocabulary([["a"]]).save(tmp_path / "nowhere" / "v.json")


@pytest.mark.parametrize("writer", ["os.fsync", "os.replace"])
def test_a_full_disk_leaves_the_vocabulary_that_was_saved_before(tmp_path, monkeypatch, writer):
    path, before = tmp_path / "vocabulary.json", Vocabulary([["a"]])
    before.save(path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, full)
    with pytest.raises(CourseError, match=r"could not be written to .* \(No space left on device\)\.$"):
        Vocabulary([["b", "c"]]).save(path)
    monkeypatch.undo()
    assert Vocabulary.load(path).words == before.words
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("training", [[], [[]], [[], []]])
def test_a_vocabulary_of_nothing_is_told_in_one_sentence(training):
    with pytest.raises(CourseError, match="needs at least one word, but the training sentences are empty"):
        Vocabulary(training)


def test_wordpiece_puts_bert_s_special_tokens_around_pieces_in_lower_case():
    tokenizer = wordpiece(["The ferry was late", "the Ferry was early"] * 3, 60, max_length=6)
    assert [tokenizer.convert_ids_to_tokens(i) for i in range(5)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokenizer.tokenize("THE ferry") == tokenizer.tokenize("the Ferry")
    pair = tokenizer("the ferry", "was late")
    assert tokenizer.decode(pair["input_ids"]) == "[CLS] the ferry [SEP] was late [SEP]"
    assert pair["token_type_ids"][0] == 0 and pair["token_type_ids"][-1] == 1
    assert len(tokenizer("the ferry was late the ferry was late", truncation=True)["input_ids"]) == 6
    assert "[UNK]" in tokenizer.tokenize("渡")
