"""The notices: their truth is where it is said to be, and easy ways do not solve them."""

import json
import re
from collections import Counter

import pytest

import lmtutor as lm
from lmtutor import metrics, runtime, summaries, tagging, text

RELATIONS = {
    "captain_of": {("PERSON", "SHIP")},
    "owns": {("PERSON", "SHIP"), ("ORG", "SHIP")},
    "came_from": {("SHIP", "PLACE")},
    "bound_for": {("SHIP", "PLACE")},
}


@pytest.fixture(scope="module")
def notices():
    folder = runtime.share("data") / "notices"
    return {
        split: [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "validation", "test")
    }


@pytest.fixture(scope="module")
def rows(notices):
    return [row for split in notices.values() for row in split]


def name(row, number):
    return row["text"][row["entities"][number]["start"] : row["entities"][number]["end"]]


def test_it_loads_with_its_columns():
    loaded = lm.load("notices", "test")
    assert set(loaded.column_names) >= {"id", "text", "entities", "relations", "questions", "summary", "key"}


def test_it_stays_below_two_megabytes():
    folder = runtime.share("data") / "notices"
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 2e6


def test_names_stand_where_they_should_and_do_not_overlap(rows):
    for row in rows:
        end = 0
        for i, entity in enumerate(row["entities"]):
            assert end <= entity["start"] < entity["end"] <= len(row["text"])
            assert entity["type"] in ("PERSON", "PLACE", "SHIP", "DATE", "ORG")
            assert not re.match(r"the |Captain |Mrs |Miss |Mr ", name(row, i)), name(row, i)
            end = entity["end"]


def test_each_name_is_made_of_whole_words_of_one_sentence(rows):
    for row in rows:
        for sentence in tagging.split(row["text"], row["entities"]):
            places = tagging.places_of(sentence.text, text.words(sentence.text))
            tagging.tags_of(tagging.word_spans(sentence.spans, places), len(places))


def test_relations_join_the_right_types_within_a_sentence(rows):
    for row in rows:
        sentences = tagging.split(row["text"], row["entities"])
        home = {number: i for i, sentence in enumerate(sentences) for number in sentence.numbers}
        for pair in row["relations"]:
            kinds = tuple(row["entities"][pair[end]]["type"] for end in ("head", "tail"))
            assert kinds in RELATIONS[pair["type"]]
            assert home[pair["head"]] == home[pair["tail"]]


def test_all_answers_of_a_question_have_one_type_and_the_last_name_of_the_first(rows):
    for row in rows:
        for question in row["questions"]:
            assert question["question"].endswith("?")
            kinds = {row["entities"][i]["type"] for i in question["answers"]}
            assert len(kinds) <= 1
            assert len({name(row, i).split()[-1] for i in question["answers"]}) <= 1


def test_train_and_validation_have_no_question_in_words_of_the_test_split(notices):
    for split, found in notices.items():
        unseen = sum(question["unseen"] for row in found for question in row["questions"])
        assert (unseen > 100) == (split == "test")


def test_the_summary_rests_on_sentences_that_are_there_and_copies_none(rows):
    for row in rows:
        sentences = text.split_sentences(row["text"])
        assert 1 <= len(row["key"]) <= 2 and max(row["key"]) < len(sentences)
        assert not set(text.split_sentences(row["summary"])) & set(sentences)


def test_half_of_the_names_in_test_are_new_and_many_stand_for_several_types(notices):
    known = {name(row, i) for row in notices["train"] for i in range(len(row["entities"]))}
    said = [name(row, i) for row in notices["test"] for i in range(len(row["entities"]))]
    assert 0.4 < sum(one not in known for one in said) / len(said) < 0.75
    kinds = {}
    for row in notices["train"]:
        for i, entity in enumerate(row["entities"]):
            kinds.setdefault(name(row, i), set()).add(entity["type"])
    assert sum(len(kinds.get(one, ())) > 1 for one in said) / len(said) > 0.1


def test_the_nearest_pair_is_often_the_wrong_one(notices):
    """Of captains whose sentence names two ships, the nearer ship is theirs in clearly less than all cases."""
    right = []
    for row in notices["test"]:
        for sentence in tagging.split(row["text"], row["entities"]):
            spans = dict(zip(sentence.numbers, sentence.spans, strict=True))
            ships = {i: span for i, span in spans.items() if span.type == "SHIP"}
            for pair in row["relations"]:
                if pair["type"] == "captain_of" and pair["head"] in spans and len(ships) > 1:
                    own = spans[pair["head"]]
                    near = min(ships, key=lambda i: max(ships[i].start - own.end, own.start - ships[i].end))
                    right.append(near == pair["tail"])
    assert len(right) > 50 and sum(right) / len(right) < 0.8


def test_the_first_sentence_is_often_not_the_one_to_tell(notices):
    first = Counter(row["key"][0] == 0 for row in notices["test"])
    assert 0.25 < first[True] / sum(first.values()) < 0.6
    scores = {"lead": [], "key": []}
    for row in notices["test"]:
        sentences = text.split_sentences(row["text"])
        scores["lead"].append(metrics.rouge(row["summary"], sentences[0])["ROUGE-1"][2])
        scores["key"].append(metrics.rouge(row["summary"], summaries.extract(sentences, _only(row), 1))["ROUGE-1"][2])
    lead, key = (sum(values) / len(values) for values in scores.values())
    assert lead + 0.1 < key < 0.9


def _only(row):
    return [float(i == row["key"][0]) for i in range(len(text.split_sentences(row["text"])))]
