"""Sentences, words and vocabularies."""

import importlib
import inspect
import json
import pkgutil
import random
import re

import numpy as np
import pytest
import torch
from complaints import complaint
from hypothesis import given
from hypothesis import strategies as st

import lmtutor
from lmtutor import decoding, plots
from lmtutor.data import bpe, text
from lmtutor.data.text import END, START, UNKNOWN, Vocabulary, sentences, split_sentences, wordpiece, words
from lmtutor.models import ngram, recurrent, tagger
from lmtutor.runtime import CourseError
from lmtutor.tasks import chatting, extraction, finetuning, pretraining, prompting, summaries, tagging
from lmtutor.tasks import sentences as sentence_vectors
from lmtutor.trust import attacks, augmentation, behaviour, certificates, duplicates, evidence, patching

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


# --- one string where a list is wanted, and strings that are none -----------------------------------------------------

SENTENCES = [["the", "sea"], ["the", "tide"]]
COUNTS = ngram.NgramCounts(SENTENCES, 2)
KNOWN = COUNTS.vocabulary
MODEL = ngram.AddK(COUNTS)
RNG = random.Random(0)

# Every public function with a parameter that is a list of strings, or of lists of strings: what to call with a string.
WANT_A_LIST = {
    "data.text.checked_texts texts": text.checked_texts,
    "data.text.checked_sentences sentences": lambda one: list(text.checked_sentences(one)),
    "data.text.sentences texts": sentences,
    "data.text.Vocabulary sentences": Vocabulary,
    "data.text.Vocabulary.encode words": KNOWN.encode,
    "data.text.Vocabulary.unknown_share sentences": KNOWN.unknown_share,
    "data.text.stream sentences": lambda one: text.stream(one, KNOWN),
    "data.text.byte_level_bpe texts": lambda one: text.byte_level_bpe(one, 300),
    "data.text.byte_level_bpe special_tokens": lambda one: text.byte_level_bpe(["the sea"], 300, one),
    "data.bpe.BytePairEncoding texts": lambda one: bpe.BytePairEncoding(one, 300),
    "data.text.wordpiece texts": lambda one: wordpiece(one, 90, 9),
    "data.text.label_ids labels": text.label_ids,
    "models.ngram.NgramCounts sentences": lambda one: ngram.NgramCounts(one, 2),
    "models.ngram.NgramCounts.encode sentences": COUNTS.encode,
    "models.ngram.NgramModel.probabilities sentences": MODEL.probabilities,
    "models.ngram.NgramModel.next_distribution history": MODEL.next_distribution,
    "models.ngram.Interpolated.fit_weights held_out": ngram.Interpolated(COUNTS, [0.2, 0.3, 0.5]).fit_weights,
    "models.ngram.CacheModel.shares sentences": ngram.CacheModel(MODEL).shares,
    "models.ngram.CacheModel.probabilities sentences": ngram.CacheModel(MODEL).probabilities,
    "models.ngram.CacheModel.fit_weight held_out": ngram.CacheModel(MODEL).fit_weight,
    "models.ngram.CacheModel.next_distribution history": ngram.CacheModel(MODEL).next_distribution,
    "models.ngram.CacheModel.next_distribution before": lambda one: ngram.CacheModel(MODEL).next_distribution([], one),
    "models.recurrent.probabilities sentences": lambda one: recurrent.probabilities(None, one, KNOWN, carry=False),
    "models.tagger.load labels": lambda one: tagger.load("nowhere", one),
    "models.tagger.LSTMTagger labels": lambda one: tagger.LSTMTagger(9, one),
    "decoding.sampling.sample history": lambda one: decoding.sample(MODEL.next_distribution, KNOWN, one),
    "decoding.sampling.join tokens": decoding.join,
    "plots.beam_tree names": lambda one: plots.beam_tree(lambda _: [0.0], one, width=1, end=0, max_tokens=1),
    "plots.bert first": lambda one: plots.bert(one, ["a"]),
    "plots.bert second": lambda one: plots.bert(["a"], one),
    "plots.copy_gate source": lambda one: plots.copy_gate(one, [1.0], {"a": 1.0}, 0.5),
    "plots.token_rows rows": lambda one: plots.token_rows({"a": one, "b": one}, {}),
    "plots.confusion names": lambda one: plots.confusion(np.eye(7), one),
    "plots.diagram frames": lambda one: plots.diagram({"a": (0, 0), "b": (1, 1)}, [], frames={"both": one}),
    "plots.graph orange": lambda one: plots.graph({"a": (0, 0), "b": (1, 1)}, [("a", "b", "")], orange=one),
    "plots.lattice words": lambda one: plots.lattice(np.ones((1, 1)), one, ["O"], np.zeros((1, 1)), [0]),
    "plots.lattice tags": lambda one: plots.lattice(np.ones((1, 1)), ["a"], one, np.zeros((1, 1)), [0]),
    "plots.matrices parts": plots.matrices,
    "plots.pointers pieces": lambda one: plots.pointers(one, [1.0], [1.0], (0, 0)),
    "plots.labelled_pieces words": lambda one: plots.labelled_pieces(one, ["a"], [0], ["O"]),
    "plots.labelled_pieces pieces": lambda one: plots.labelled_pieces(["a"], one, [0], ["O"]),
    "plots.labelled_pieces labels": lambda one: plots.labelled_pieces(["a"], ["a"], [0], one),
    "plots.word_map words": lambda one: plots.word_map(np.eye(2), one, ["k", "k"]),
    "plots.word_map kinds": lambda one: plots.word_map(np.eye(2), ["a", "b"], one),
    "tasks.finetuning.encode texts": lambda one: finetuning.encode(TOKENIZER(), one),
    "tasks.finetuning.statements kinds": lambda one: finetuning.statements([], kinds=one),
    "tasks.finetuning.predict texts": lambda one: finetuning.predict(None, TOKENIZER(), one),
    "tasks.prompting.check_words labels": lambda one: prompting.check_words({"a": "b", "c": "d"}, one),
    "tasks.prompting.scores prompts": lambda one: prompting.scores(None, TOKENIZER(), one, ["a"]),
    "tasks.prompting.scores words": lambda one: prompting.scores(None, TOKENIZER(), ["a"], one),
    "tasks.pretraining.encode texts": lambda one: pretraining.encode(TOKENIZER(), one),
    "tasks.summaries.similarity sentences": summaries.similarity,
    "tasks.summaries.text_rank sentences": summaries.text_rank,
    "tasks.summaries.extract sentences": lambda one: summaries.extract(one, range(len(one)), 1),
    "tasks.extraction.encode_words texts": lambda one: extraction.encode_words(TOKENIZER(), one, [["a"]]),
    "tasks.extraction.encode_words words": lambda one: extraction.encode_words(TOKENIZER(), ["the sea"], [one]),
    "tasks.extraction.encode_pairs texts": lambda one: extraction.encode_pairs(TOKENIZER(), one, [[]]),
    "tasks.extraction.exchange_names questions": lambda one: extraction.exchange_names("a", [], one, ["B"], RNG),
    "tasks.extraction.exchange_names names": lambda one: extraction.exchange_names("a", [], ["b"], one, RNG),
    "tasks.tagging.places_of words": lambda one: tagging.places_of("the sea", one),
    "tasks.chatting.graded answers": lambda one: chatting.graded(one, [{}]),
    "tasks.sentences.halves texts": sentence_vectors.halves,
    "tasks.sentences.vectors texts": lambda one: sentence_vectors.vectors(None, TOKENIZER(), one),
    "tasks.summaries.encode words": lambda one: summaries.encode(one, KNOWN),
    "tasks.summaries.encode lent": lambda one: summaries.encode(["a"], KNOWN, one),
    "tasks.summaries.lend words": lambda one: summaries.lend(one, KNOWN, 1),
    "tasks.summaries.made_up names": lambda one: summaries.made_up(one, 1),
    "tasks.summaries.name_scores sources": lambda one: summaries.name_scores(one, ["a"], ["a"]),
    "tasks.summaries.name_scores references": lambda one: summaries.name_scores(["a"], one, ["a"]),
    "tasks.summaries.name_scores said": lambda one: summaries.name_scores(["a"], ["a"], one),
    "tasks.summaries.other_names names": lambda one: summaries.other_names({}, one, RNG),
    "tasks.summaries.write texts": lambda one: summaries.write(None, KNOWN, one),
    "tasks.tagging.rules tags": tagging.rules,
    "tasks.tagging.to_bio tags": tagging.to_bio,
    "tasks.tagging.to_bioes tags": tagging.to_bioes,
    "tasks.extraction.text_vectors texts": lambda one: extraction.text_vectors(None, TOKENIZER(), one),
    "trust.augmentation.replace_words others": lambda one: augmentation.replace_words("a", {"a": one}, 1.0, RNG),
    "trust.attacks.with_typos words": lambda one: attacks.with_typos(one, 1, RNG),
    "trust.attacks.synonyms vocabulary": lambda one: attacks.synonyms(attacks.Lexicon(), one, {}),
    "trust.attacks.exhaustive texts": lambda one: attacks.exhaustive(len, one),
    "trust.attacks.combinations words": lambda one: attacks.combinations(one, {}),
    "trust.attacks.number_of_combinations words": lambda one: attacks.number_of_combinations(one, {}),
    "trust.attacks.greedy words": lambda one: attacks.greedy(len, one, {}),
    "trust.attacks.at_random words": lambda one: attacks.at_random(len, one, {}, 1, RNG),
    "trust.behaviour.expand slots": lambda one: behaviour.expand("{word}", word=one),
    "trust.behaviour.minimum_functionality texts": lambda one: behaviour.minimum_functionality(len, "a", one, 1),
    "trust.certificates.choice_table choices": lambda one: certificates.choice_table({"the": one}, KNOWN),
    "trust.duplicates.hashed texts": duplicates.hashed,
    "trust.duplicates.near_duplicates texts": duplicates.near_duplicates,
    "trust.duplicates.near_duplicates others": lambda one: duplicates.near_duplicates(["a"], one),
    "plots.heat_map rows": lambda one: plots.heat_map([[1.0]], one, ["a"], label="a"),
    "plots.heat_map columns": lambda one: plots.heat_map([[1.0]], ["a"], one, label="a"),
    "trust.evidence.found_share kinds": lambda one: evidence.found_share([1.0], one),
    "trust.patching.record sites": lambda one: patching.record(torch.nn.Identity(), one, None),
    "trust.patching.patch_map sites": lambda one: patching.patch_map(None, one, {}, torch.zeros(1, 2), None),
}  # fmt: skip
# What chapters 10 and 11 build in front of the reader, line by line; tags are told there if a letter is none.
SHOWN = {
    "models.bert.BertClassifier labels",
    "models.tagger.BertTagger labels",
    "models.tagger.RelationClassifier labels",
    "metrics.answer_scores answers",  # takes one string for one answer
    "tasks.tagging.best_legal tags",
    "tasks.tagging.entity_scores predicted",
    "tasks.tagging.entity_scores truth",
    "tasks.tagging.spans_of tags",
}
NOT_OURS = ("course.", "classroom.", "exercises.")  # what the command line hands on, and what answers are given


def TOKENIZER():
    return wordpiece(["the sea", "the tide"] * 3, 60, 16)


def test_the_list_above_names_every_function_that_wants_a_list_of_strings():
    found = set()
    for module in pkgutil.walk_packages(lmtutor.__path__, "lmtutor."):
        place = module.name.removeprefix("lmtutor.")
        if place.startswith(NOT_OURS) or module.ispkg:
            continue
        things = [thing for thing in vars(importlib.import_module(module.name)).items() if not thing[0].startswith("_")]
        for name, thing in things:
            if getattr(thing, "__module__", None) != module.name:
                continue
            methods = (
                [m for m in vars(thing).items() if m[0][0] != "_" or m[0] == "__init__"]
                if inspect.isclass(thing)
                else []
            )
            for path, function in [(name, thing)] if not methods else [(f"{name}.{m}", f) for m, f in methods]:
                if inspect.isfunction(function):
                    for parameter, kind in function.__annotations__.items():
                        if parameter != "return" and re.search(r"(Sequence|Iterable|list)\[(\w+\[)?str\]", str(kind)):
                            found.add(f"{place}.{path.removesuffix('.__init__')} {parameter}")
    # The first is a function that takes words; the last names what the caller itself chose.
    assert found - set(WANT_A_LIST) - SHOWN == {"decoding.sampling.sample next_distribution", "runtime.choose known"}


@pytest.mark.parametrize("name", WANT_A_LIST)
def test_one_string_where_a_list_is_wanted_is_told_and_not_taken_apart(name):
    assert re.search(
        r"list of [\w ()]+ is wanted, not one string: write \[\w+\]", complaint(WANT_A_LIST[name], "the sea")
    )


@pytest.mark.parametrize(
    "name", [name for name in WANT_A_LIST if re.search(r"sentences$|held_out$", name) and "summaries" not in name]
)
def test_a_sentence_that_is_one_string_is_told_with_its_number(name):
    said = complaint(WANT_A_LIST[name], [["the", "sea"], "the tide"])
    assert said.startswith("Sentence 2 is one string instead of a list of words")


@pytest.mark.parametrize(
    "name", [name for name in WANT_A_LIST if re.search(r"(bpe|piece|code|predict|_words|_pairs) texts$", name)]
)
@pytest.mark.parametrize(
    ("bad", "said"), [("the \ud800 sea", "half a character (U+D800 alone)"), (None, "NoneType"), (3, "int")]
)
def test_texts_that_no_tokenizer_can_read_are_told_with_their_number(name, bad, said):
    told = complaint(WANT_A_LIST[name], ["the sea", bad])
    assert told.startswith("Text 2 ") and said in told


def test_a_vocabulary_with_half_a_character_is_not_written(tmp_path):
    vocabulary = Vocabulary([["a", "\udc00"]])
    assert "half a character" in complaint(vocabulary.save, tmp_path / "words.json") and not list(tmp_path.iterdir())


def test_a_vocabulary_of_too_many_brackets_is_told(tmp_path):
    (tmp_path / "words.json").write_text("[" * 100_000, encoding="utf-8")
    assert "is not JSON" in complaint(Vocabulary.load, tmp_path / "words.json")


# --- special tokens that somebody typed -------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [START, END])
@pytest.mark.parametrize(
    "read", [lambda s: ngram.NgramCounts(s, 2), MODEL.probabilities, lambda s: text.stream(s, KNOWN)]
)
def test_marks_of_a_sentence_s_ends_in_the_text_are_told_with_their_sentence(read, mark):
    """They would count as ends that cost nothing: every model would look better."""
    said = complaint(read, [["the", "sea"], [], ["the", mark, "tide"], [mark]])
    assert said.startswith(f"Sentence 3 holds {mark!r} as a word")


def test_unk_in_the_text_is_an_unknown_word_as_the_published_corpora_have_it():
    assert ngram.NgramCounts([["the", UNKNOWN], [UNKNOWN]], 2).count(UNKNOWN) == 2
    assert text.stream([["the", UNKNOWN]], KNOWN) == [2, KNOWN.ids["the"], 0, 2]


@pytest.mark.parametrize("typed", ["</s>", "a </s> b", "<pad>", "<s>"])
def test_special_tokens_typed_in_a_text_are_spelled_by_the_byte_level_tokenizer(typed):
    tokenizer = text.byte_level_bpe(["the sea"] * 3, 280, ["<pad>", "<s>", "</s>"])
    ids = tokenizer.encode(typed).ids
    assert min(ids) > 2 and tokenizer.decode(ids) == typed


@pytest.mark.parametrize("typed", ["[SEP]", "[CLS]", "[MASK]", "[PAD]", "[UNK]"])
@pytest.mark.parametrize(
    "ids_of",
    [
        lambda t, typed: finetuning.encode(t, [typed])[0][1:-1],
        lambda t, typed: finetuning.windows_of(t, typed)[0][1:-1],
        lambda t, typed: extraction.encode_words(t, [typed], [[typed]])[0][0][1:-1],
        lambda t, typed: extraction.encode_pairs(t, [typed], [[]])[0][0][1:-1],
        lambda t, typed: pretraining.encode(t, [typed])[0][0],
    ],
    ids=["encode", "windows_of", "encode_words", "encode_pairs", "pretraining"],
)
def test_special_tokens_typed_in_a_text_are_spelled_by_wordpiece(typed, ids_of):
    tokenizer = wordpiece(["[ sep cls mask pad unk ] " * 3] * 3, 90, 16)
    assert tokenizer.convert_ids_to_tokens(ids_of(tokenizer, typed)) == ["[", typed[1:-1].lower(), "]"]
    assert tokenizer("[SEP]")["input_ids"][1] == tokenizer.sep_token_id  # chapter 09 types [MASK] on purpose
