"""Answers in texts: spans, windows, scores; and what is not an answer."""

import random
import re
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from lmtutor import answering, extraction, metrics, pretrained
from lmtutor.data.text import wordpiece
from lmtutor.models import bert, tagger
from lmtutor.runtime import CourseError

TEXT = "The Swift came from Lynd on Monday. " * 12 + "Captain Nell Farrow has the Heron. " + "It rained. " * 30


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(pretrained.folder("mini_bert"))


@pytest.mark.proof("11", "the best span, in one pass", "trying all spans", "random scores", exact=True)
@pytest.mark.parametrize("seed", range(30))
def test_the_best_span_is_the_best_of_all_legal_spans(seed):
    rng = np.random.default_rng(seed)
    size, longest = int(rng.integers(1, 12)), int(rng.integers(1, 14))
    start, end = rng.normal(size=(2, size))
    start[rng.random(size) < 0.2] = -np.inf
    every = {(i, j): start[i] + end[j] for i in range(size) for j in range(i, min(size, i + longest))}
    i, j, score = answering.best_span(start, end, longest)
    assert score == max(every.values())
    assert not np.isfinite(score) or every[i, j] == score


def test_of_equal_spans_the_shorter_and_then_the_earlier_wins():
    assert answering.best_span([1, 1, 0], [1, 1, 1])[:2] == (0, 0)
    assert answering.best_span([0, 0, 0], [0, 0, 1])[:2] == (2, 2)


@pytest.mark.parametrize("case", [([], []), ([1.0], [1.0, 2.0])])
def test_scores_that_make_no_spans_are_told(case):
    with pytest.raises(CourseError, match="start and an end score of each place"):
        answering.best_span(*case)


@pytest.mark.parametrize(
    ("start", "answer", "said"),
    [
        (4, "Swan", "it stands nowhere"),
        (0, "Swift", "where 'The S' is; it stands at 4"),
        (-3, "Swift", "it stands at 4"),
        (9999, "Lynd", "it stands at 20"),
        (0, "", "has no words"),
    ],
)
def test_an_answer_that_does_not_stand_where_it_should_is_told_in_one_sentence(start, answer, said):
    with pytest.raises(CourseError) as error:
        answering.check_answer(TEXT, start, answer)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_answer_that_stands_there_passes():
    answering.check_answer(TEXT, 4, "Swift")


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 40), st.integers(0, 40))
@settings(deadline=None, max_examples=60)
def test_windows_hold_all_of_the_text_and_each_short_answer_whole(tokenizer, start, length, stride):
    found = answering.windows(tokenizer, "Who has the Heron?", TEXT, 64, stride)
    covered = {c for window in found for offset in window.offsets if offset for c in range(*offset)}
    assert covered == {i for i, c in enumerate(TEXT) if c != " "}
    assert all(len(window.input_ids) <= 64 for window in found)
    words = [offset for offset in tokenizer(TEXT, return_offsets_mapping=True, verbose=False)["offset_mapping"][1:-1]]
    inside = [(a, b) for a, b in words if start <= a and b <= start + length]
    if inside and len(inside) <= stride:
        a, b = inside[0][0], inside[-1][1]
        spans = [window.locate(a, b) for window in found]
        assert any(span != answering.NO_ANSWER for span in spans)
        for window, (i, j) in zip(found, spans, strict=True):
            if (i, j) != answering.NO_ANSWER:
                assert TEXT[window.offsets[i][0] : window.offsets[j][1]] == TEXT[a:b]


def test_segments_tell_the_question_from_the_text(tokenizer):
    window = answering.windows(tokenizer, "Who?", "Nell has it.")[0]
    assert [kind for kind, offset in zip(window.token_type_ids, window.offsets, strict=True) if offset] == [1] * 4
    assert window.offsets[0] is None and window.offsets[-1] is None


def test_windows_without_room_and_texts_without_words_are_told(tokenizer):
    with pytest.raises(CourseError, match="room for"):
        answering.windows(tokenizer, "Who " * 60, TEXT, 64, 32)
    with pytest.raises(CourseError, match="text is empty"):
        answering.windows(tokenizer, "Who?", "  ")


def test_the_window_with_the_largest_margin_wins(tokenizer):
    read = answering.windows(tokenizer, "Who has the Heron?", TEXT, 64, 16)
    scores = [np.zeros((len(window.input_ids), 2)) for window in read]
    at = TEXT.index("Nell Farrow")
    which = next(k for k, w in enumerate(read) if w.locate(at, at + 11) != answering.NO_ANSWER)
    i, j = read[which].locate(at, at + 11)
    scores[which][i, 0] = scores[which][j, 1] = 2.0
    for k, rows in enumerate(scores):
        rows[0] = 0.5 if k == which else 3.0
    found = answering.answer(TEXT, read, scores)
    assert (found.text, found.start, found.margin) == ("Nell Farrow", at, 3.0)


def test_an_answer_may_be_chosen_among_given_spans_only(tokenizer):
    text = "Nell Farrow has the Heron."
    read = answering.windows(tokenizer, "Who?", text)
    scores = np.random.default_rng(0).normal(size=(len(read[0].input_ids), 2))
    among = [(0, 11), (20, 25)]
    found = answering.answer(text, read, [scores], among=among)
    margins = {span: sum(scores[place, k] for k, place in enumerate(read[0].locate(*span))) for span in among}
    best = max(margins, key=margins.get)
    assert (found.start, found.text) == (best[0], text[slice(*best)])
    assert found.margin == pytest.approx(margins[best] - scores[0].sum())
    assert answering.answer(text, read, [scores], among=[]) == answering.Answer("", 0, -np.inf)


def test_answers_are_found_for_each_question_and_stand_in_its_text(tokenizer):
    model = tagger.BertTagger(bert.load(pretrained.folder("mini_bert")), ("start", "end"))
    found = extraction.find_answers(
        model, tokenizer, [("Who?", TEXT), ("Where?", "In Lynd.")], max_length=64, stride=16
    )
    for one, text in zip(found, (TEXT, "In Lynd."), strict=True):
        assert text[one.start : one.start + len(one.text)] == one.text != ""


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("The  Harbour Council!", "harbour council"),
        ("an apple, a day", "apple day"),
        ("Theatre", "theatre"),
        ("U.S.A.", "usa"),
        ("a-b", "ab"),
        ("4 March", "4 march"),
        ("the", ""),
        ("12—14", "12—14"),  # a dash that is no ASCII punctuation stays
    ],
)
def test_answers_are_normalised_as_in_squads_script(answer, plain):
    assert metrics.normalise_answer(answer) == plain


@pytest.mark.proof("11", "exact match and F1", "cases of SQuAD's script", "pairs of answers")
@pytest.mark.parametrize(
    ("said", "right", "scores"),
    [
        ("the Swift", ["Swift"], (1, 1)),
        ("Swift of Lynd", ["Swift"], (0, 0.5)),
        ("Lynd", ["Swift", "port of Lynd"], (0, 0.5)),
        ("Swift Swift", ["Swift"], (0, 2 / 3)),  # a word counts as often as it occurs in both
        ("", [], (1, 1)),
        ("Swift", [], (0, 0)),
        ("", ["Swift"], (0, 0)),
    ],
)
def test_exact_match_and_f1_are_those_of_squads_script(said, right, scores):
    assert metrics.answer_scores(said, right) == pytest.approx(scores)


def squad_2_scores(predicted, answers):
    """What `get_raw_scores`, `compute_exact` and `compute_f1` of SQuAD 2.0's evaluate-v2.0.py do, line by line."""

    def normalize_answer(s):
        s = "".join(ch for ch in s.lower() if ch not in set(string.punctuation))
        return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", s).split())

    def get_tokens(s):
        return normalize_answer(s).split() if s else []

    def compute_f1(a_gold, a_pred):
        gold_toks, pred_toks = get_tokens(a_gold), get_tokens(a_pred)
        num_same = sum((Counter(gold_toks) & Counter(pred_toks)).values())
        if len(gold_toks) == 0 or len(pred_toks) == 0:
            return int(gold_toks == pred_toks)
        if num_same == 0:
            return 0
        precision, recall = num_same / len(pred_toks), num_same / len(gold_toks)
        return 2 * precision * recall / (precision + recall)

    gold_answers = [a for a in answers if normalize_answer(a)]
    if not gold_answers:
        gold_answers = [""]
    exact = max(int(normalize_answer(a) == normalize_answer(predicted)) for a in gold_answers)
    return exact, max(compute_f1(a, predicted) for a in gold_answers)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_told_and_a_window_without_text_has_no_answer(wrong):
    for scores in (([wrong, 0.0], [0.0, 0.0]), ([-np.inf, -np.inf], [0.0, wrong])):
        with pytest.raises(CourseError, match="A start or an end score is NaN or inf"):
            answering.best_span(*scores)
    window = answering.Window([1, 2, 3], [0, 0, 0], [None, None, None])
    found = answering.answer("A text.", [window], [np.zeros((3, 2))])
    assert found == answering.Answer("", 0, -np.inf)


texts = st.lists(st.sampled_from(["the", "Swift", "Lynd", "of", "a,", "…", "!"]), max_size=4).map(" ".join)


@pytest.mark.proof("11", "exact match and F1, empty answers, too", "SQuAD 2.0's script, written down", "any answers")
@given(texts, st.lists(texts, max_size=4))
def test_scores_are_those_of_the_script_of_squad_2(said, right):
    assert metrics.answer_scores(said, right) == pytest.approx(squad_2_scores(said, right), abs=1e-12)


def test_a_right_answer_without_words_does_not_count():
    assert metrics.answer_scores("", ["the", "Swift"]) == (0, 0)  # "the" is left out, so the text has an answer
    assert metrics.answer_scores("a", ["the"]) == (1, 1)  # none is left: right is an empty answer
    assert metrics.answer_scores("Swift", ["!"]) == (0, 0)


@given(st.lists(st.sampled_from(["the", "Swift", "Lynd", "of", "a,"]), min_size=1, max_size=5), st.data())
def test_f1_is_between_exact_match_and_one_and_the_same_both_ways(words, data):
    other = data.draw(st.permutations(words))
    first, second = " ".join(words), " ".join(other[: data.draw(st.integers(1, len(words)))])
    exact, f1 = metrics.answer_scores(first, [second])
    assert 0 <= exact <= f1 <= 1 + 1e-12
    assert metrics.answer_scores(second, [first]) == pytest.approx((exact, f1))
    assert metrics.answer_scores(first, [first]) == (1, 1)


def test_the_course_s_reader_loads_and_points_into_the_text():
    folder = pretrained.folder("notices_reader")
    model, tokenizer = tagger.load(folder, ("start", "end")), AutoTokenizer.from_pretrained(folder)
    text = "The Heron is in the charge of Captain Nell Farrow. She is bound for Lynd."
    (found,) = extraction.find_answers(model, tokenizer, [("Where is the Heron bound?", text)])
    assert found.text and text[found.start :].startswith(found.text)


def test_a_folder_without_such_a_head_is_told():
    with pytest.raises(CourseError, match="has no head for the 3 labels"):
        tagger.load(pretrained.folder("notices_reader"), ("a", "b", "c"))
    with pytest.raises(CourseError, match="has no head for the 2 labels start, end"):
        tagger.load(pretrained.folder("mini_bert"), ("start", "end"))


def test_names_are_exchanged_everywhere_and_stay_where_they_are_said_to_be():
    text = "Captain Nell Farrow has the Nell Farrow. Mrs Farrow is not the good Nell of Lynd on Monday."
    names = [
        ("Nell Farrow", "PERSON"),
        ("Nell Farrow", "SHIP"),
        ("Farrow", "PERSON"),
        ("Lynd", "PLACE"),
        ("Monday", "DATE"),
    ]
    entities, at = [], 0
    for name, kind in names:
        start = text.index(name, at)
        at = start + len(name)
        entities.append({"start": start, "end": at, "type": kind})
    new, moved, questions = extraction.exchange_names(
        text, entities, ["Who has the Nell Farrow?", "What?"], ["Amos", "Bo", "Cecily", "Dinah"], random.Random(0)
    )
    said = [new[e["start"] : e["end"]] for e in moved]
    assert said[0] == said[1] and said[2] == said[0].split()[1] and said[4] == "Monday"
    assert not {"Farrow", "Lynd"} & set(" ".join(said).split())
    assert questions == [f"Who has the {said[0]}?", "What?"]
    assert [e["type"] for e in moved] == [kind for _, kind in names]
    for a, b in zip(entities, moved, strict=True):  # nothing else has changed
        assert text[a["end"] : a["end"] + 1] == new[b["end"] : b["end"] + 1]


@pytest.mark.parametrize("sign", ["\u200b", "\ufeff", "\u00ad", "\u0301"])
@pytest.mark.parametrize("answer", ["{sign}swift", "swift{sign}", "{sign}swift{sign}"])
@pytest.mark.parametrize("before", ["", "the bay the bay ", "the " * 9])
def test_an_answer_with_an_invisible_sign_at_its_end_is_found(sign, answer, before):
    """Else a model would learn that such questions have no answer."""
    tokenizer = wordpiece(["the swift sank in the bay ?"] * 3, 80, 14)
    answer = answer.format(sign=sign)
    context = f"{before}{answer} sank in the bay in the bay"
    read = answering.windows(tokenizer, "the ?", context, stride=3)
    found = [window.locate(len(before), len(before) + len(answer)) for window in read]
    swift = [w.input_ids.index(id) if (id := tokenizer.vocab["swift"]) in w.input_ids else None for w in read]
    assert found == [(i, i) if i else answering.NO_ANSWER for i in swift] and any(swift)


@pytest.mark.parametrize("context", ["", " \n", "\u200b", "\u200b \ufeff\u00ad"])
def test_a_context_without_a_piece_is_told(context):
    tokenizer = wordpiece(["the swift sank ?"] * 3, 80, 16)
    with pytest.raises(CourseError, match="The text is empty, or holds nothing that can be seen"):
        answering.windows(tokenizer, "the ?", context, stride=2)


@pytest.mark.parametrize("typed", ["[SEP]", "[CLS]", "[PAD]"])
def test_a_special_token_typed_in_question_or_text_is_text(typed):
    tokenizer = wordpiece(["the swift sank ? [ sep cls pad ]"] * 3, 90, 32)
    (window,) = answering.windows(tokenizer, f"the {typed} ?", f"the {typed} sank", stride=2)
    special = [tokenizer.sep_token_id, tokenizer.cls_token_id, tokenizer.pad_token_id]
    assert sorted(i for i in window.input_ids if i in special) == sorted([special[1], special[0], special[0]])
