"""Readers of names, answers and summaries: what they make of real files, and what they say of damaged ones."""

import json

import pytest
from complaints import complaint

import lmtutor as lm
from lmtutor import answering, tagging
from lmtutor.data import readers
from lmtutor.runtime import CourseError


def written(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return folder


# --- names ------------------------------------------------------------------------------------------------------------

CONLL = """-DOCSTART- -X- O O

Nell NNP I-NP I-PER
sails VBZ I-VP O
to TO I-PP O
Lynd NNP I-NP I-LOC

The DT O O
Swift NNP O B-SHIP
Heron NNP O I-SHIP
"""


def test_conll_files_are_read_under_the_usual_names(local):
    written(local / "conll", eng__train=CONLL, eng__testa="a O\n", eng__testb="b B-X\n")
    loaded = lm.load("conll")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 2, "validation": 1, "test": 1}
    assert loaded["train"][0] == {"tokens": ["Nell", "sails", "to", "Lynd"], "tags": ["B-PER", "O", "O", "B-LOC"]}
    assert loaded["train"][1]["tags"] == ["O", "B-SHIP", "I-SHIP"]


@pytest.mark.parametrize(
    ("tags", "bio"),
    [
        (["I-X", "I-X", "O", "I-Y"], ["B-X", "I-X", "O", "B-Y"]),  # IOB1
        (["I-X", "B-X", "I-X"], ["B-X", "B-X", "I-X"]),  # IOB1, two names side by side
        (["S-X", "B-X", "I-X", "E-X", "O"], ["B-X", "B-X", "I-X", "I-X", "O"]),  # BIOES
        (["B-X", "I-Y"], ["B-X", "B-Y"]),
    ],
)
def test_other_ways_to_write_tags_come_out_as_bio(tmp_path, tags, bio):
    lines = "".join(f"w {tag}\n" for tag in tags)
    rows = readers.conll(written(tmp_path / "conll", train__txt=lines))
    assert rows["train"] == [{"tokens": ["w"] * len(tags), "tags": bio}]
    tagging.spans_of(bio, strict=True)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train__txt": "a O\nb\n"}, "Line 2 of"),
        ({"train__txt": "a O\nb PER\n"}, "Line 2 of"),
        ({"train__txt": "a B-\n"}, "a tag such as O or B-PER"),
        ({"words__txt": "a O\n"}, 'has "train" in its name'),
        ({"train__txt": "a O\n", "train__conll": "a O\n"}, "Several files"),
    ],
)
def test_conll_files_that_are_none_are_told(tmp_path, files, said):
    assert said in complaint(readers.conll, written(tmp_path / "conll", **files))


def test_an_empty_conll_file_is_told(local):
    written(local / "conll", train__txt="\n\n")
    with pytest.raises(CourseError, match="train split of 'conll'.* is empty"):
        lm.load("conll")


def test_weibo_is_read_by_characters(real):
    loaded = lm.load("weibo_ner")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 1350, "validation": 270, "test": 270}
    for rows in loaded.values():
        for row in rows:
            assert len(row["tokens"]) == len(row["tags"]) and all(len(token) == 1 for token in row["tokens"])
            tagging.spans_of(row["tags"], strict=True)
    kinds = {span.type for row in loaded["train"] for span in tagging.spans_of(row["tags"])}
    assert kinds == {f"{kind}.{form}" for kind in ("PER", "ORG", "LOC", "GPE") for form in ("NAM", "NOM")}


# --- answers ----------------------------------------------------------------------------------------------------------


def squad(*articles, start=4, answer="Swift", answers=None):
    """SQuAD's JSON with one question an article."""
    right = [{"text": answer, "answer_start": start}] if answers is None else answers
    return json.dumps(
        {
            "data": [
                {
                    "title": title,
                    "paragraphs": [
                        {
                            "context": "The Swift sank.",
                            "qas": [{"id": title, "question": "What sank? ", "answers": right}],
                        }
                    ],
                }
                for title in articles
            ]
        }
    )


def test_a_development_set_alone_is_split_by_article(local):
    written(local / "squad", **{"dev-v1__1__json": squad(*map(str, range(20)))})
    loaded = lm.load("squad")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 16, "validation": 2, "test": 2}
    assert loaded["test"][0] == {
        "id": "9",
        "title": "9",
        "context": "The Swift sank.",
        "question": "What sank?",
        "answers": {"text": ["Swift"], "answer_start": [4]},
    }


def test_with_a_training_set_the_development_set_is_for_testing(local):
    files = {"dev-v2__0__json": squad("d", answers=[]), "train-v2__0__json": squad(*map(str, range(10)))}
    written(local / "squad", **files)
    loaded = lm.load("squad")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 9, "validation": 1, "test": 1}
    assert loaded["test"][0]["answers"] == {"text": [], "answer_start": []}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (squad("a", start=5), "The answer 'Swift' of question 'a'"),
        (squad("a", answer=""), "The answer '' of question 'a'"),
        ("{}", "is no SQuAD file"),
        ('{"data": [{"paragraphs": 3}]}', "is no SQuAD file"),
        ('{"data": ', "is not JSON"),
    ],
)
def test_squad_files_that_are_none_are_told(tmp_path, content, said):
    folder = written(tmp_path / "squad", **{"dev-v1__1__json": content})
    assert said in complaint(readers.squad, folder)


def test_squad_s_answers_stand_where_they_should_and_no_article_is_in_two_splits(real):
    loaded = lm.load("squad")
    assert sum(map(len, loaded.values())) == 10_570
    titles = {split: set(rows["title"]) for split, rows in loaded.items()}
    assert not titles["train"] & titles["test"] and not titles["validation"] & titles["test"]
    for row in loaded["test"]:
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            answering.check_answer(row["context"], start, text)


# --- summaries --------------------------------------------------------------------------------------------------------


def test_news_are_read_with_their_highlights(real):
    loaded = lm.load("cnn_dailymail")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 160, "validation": 20, "test": 20}
    assert all(len(row["text"]) > len(row["summary"]) > 0 for row in loaded["train"])


def test_news_without_highlights_are_told(tmp_path):
    row = json.dumps({"article": "A.", "highlights": " "})
    folder = written(tmp_path / "news", **{"cnn_dailymail__jsonl": row + "\n"})
    assert "highlights that are not empty" in complaint(readers.cnn_dailymail, folder)
