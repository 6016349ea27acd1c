"""Changed reviews: what happens to their marks and labels; mixtures."""

import random

import numpy as np
import pytest

import lmtutor as lm
from lmtutor.runtime import CourseError
from lmtutor.trust import augmentation


@pytest.fixture(scope="module")
def reviews():
    return lm.load("reviews", "validation").to_list()


@pytest.fixture
def review():
    text = "The soup was not good."
    span = {"start": 17, "end": 21, "text": "good", "aspect": "food", "polarity": 1, "negated": True}
    return {"text": text, "label": 0, "noisy": False, "spans": [span]}


def test_words_of_the_same_side_keep_the_label(review):
    changed = augmentation.swap_opinion(review, "splendid", 1)
    assert (changed["text"], changed["label"]) == ("The soup was not splendid.", 0)
    assert changed["text"][17:25] == changed["spans"][0]["text"] == "splendid"
    assert review["text"] == "The soup was not good."  # as it was


def test_words_of_the_other_side_are_told(review):
    with pytest.raises(CourseError, match="The label does not survive: 'bad' in place of 'good' turns it from 0 to 1"):
        augmentation.swap_opinion(review, "bad", -1)


def test_or_the_label_is_turned_with_them(review):
    changed = augmentation.swap_opinion(review, "bad", -1, relabel=True)
    assert (changed["text"], changed["label"], changed["spans"][0]["polarity"]) == ("The soup was not bad.", 1, -1)


def test_where_several_opinions_speak_nothing_is_claimed(review):
    other = {"start": 0, "end": 3, "text": "The", "aspect": "x", "polarity": 1, "negated": False}
    with pytest.raises(CourseError, match="is not known"):
        augmentation.swap_opinion(review | {"spans": [*review["spans"], other]}, "bad", -1, relabel=True)


def test_marks_stay_at_their_words_in_all_reviews(reviews):
    for review in reviews:
        for which, span in enumerate(review["spans"]):
            changed = augmentation.swap_opinion(review, "something else", span["polarity"], which=which)
            for number, moved in enumerate(changed["spans"]):
                wanted = "something else" if number == which else review["spans"][number]["text"]
                assert changed["text"][moved["start"] : moved["end"]] == moved["text"] == wanted


def test_one_opinion_that_is_the_label_decides(reviews, review):
    assert augmentation.decides(review)
    assert not augmentation.decides(review | {"label": 1})
    assert augmentation.decides(review | {"label": 1, "noisy": True})  # the wrong label counts as what it should be
    assert 0.1 < np.mean([augmentation.decides(one) for one in reviews]) < 0.3


def test_negations_are_counted():
    assert augmentation.negations("Nobody could say that it wasn't good, and I do not.") == 3
    assert augmentation.negations("A notable knot") == 0


def test_dropping_words():
    text = "a b c d e f g h i j"
    assert augmentation.drop_words(text, 0.0, random.Random(0)) == text
    kept = augmentation.drop_words(text, 0.5, random.Random(0)).split()
    assert 0 < len(kept) < 10
    assert kept == sorted(kept)
    assert augmentation.drop_words("word", 0.99, random.Random(0)) == "word"  # never nothing
    with pytest.raises(CourseError, match="between 0 and 1"):
        augmentation.drop_words(text, 1.0, random.Random(0))


def test_replacing_words_keeps_marks_capitals_and_negations():
    others = {"good": ["fine"], "the": ["a"], "not": ["so"]}
    said = augmentation.replace_words("The soup was not good.", others, 1.0, random.Random(0))
    assert said == "A soup was not fine."
    said = augmentation.replace_words("The soup was not good.", others, 1.0, random.Random(0), keep=frozenset())
    assert said == "A soup was so fine."
    assert augmentation.replace_words("The soup.", others, 0.0, random.Random(0)) == "The soup."


@pytest.mark.parametrize("classes", [0, 3])
def test_mixtures_lie_between_and_labels_mix_alike(classes):
    generator = np.random.default_rng(0)
    y = generator.integers(3 if classes else 2, size=20)
    labels = np.eye(3)[y] if classes else y
    x = labels @ np.ones((3, 5)) if classes else np.repeat(y[:, None], 5, axis=1)
    mixed, shares = augmentation.mixup(x.astype(float), labels, 100, seed=1)
    assert mixed.shape == (100, 5)
    if classes:
        assert shares.shape == (100, 3)
        np.testing.assert_allclose(shares.sum(axis=1), 1)
    else:  # the features are the labels here
        np.testing.assert_allclose(mixed[:, 0], shares)
        assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.parametrize(("labels", "alpha"), [([1], 0.4), ([0, 1], 0.0), ([0, 1, 1], 0.4)])
def test_what_cannot_be_mixed_is_told(labels, alpha):
    with pytest.raises(CourseError, match="at least two examples"):
        augmentation.mixup(np.zeros((2 if len(labels) > 1 else 1, 2)), labels, 5, alpha)
