"""Names in a text as tags: spans to BIO tags and back, labels for pieces of words, the best legal sequence of tags.

Built and explained in chapter 11.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lmtutor.data import text as words_and_sentences
from lmtutor.data.batches import IGNORED
from lmtutor.metrics import precision_recall_f1
from lmtutor.models.crf import best_path
from lmtutor.runtime import CourseError, several

OUTSIDE = "O"


class Span(NamedTuple):
    """A name: the places from `start` up to, and without, `end`, and what kind of thing it names."""

    start: int
    end: int
    type: str


class Sentence(NamedTuple):
    """A sentence of a longer text, with its names."""

    text: str
    start: int  # where it begins in the longer text
    spans: list[Span]  # in characters of the sentence
    numbers: list[int]  # which of the longer text's names these are


def tags_of(spans: Iterable[Span], length: int) -> list[str]:
    """Spans as BIO tags: B-TYPE at the first place of each, I-TYPE at the others, O elsewhere.

    Args:
        spans: (start, end, type), in places (words, characters ...).
        length: number of places.

    Raises:
        CourseError: a span is empty or leaves the text, or two overlap: BIO cannot write such down.
    """
    tags = [OUTSIDE] * length
    for start, end, kind in spans:
        if not 0 <= start < end <= length:
            raise CourseError(f"The span {start} to {end} does not lie in a text of {length} places.")
        if any(tag != OUTSIDE for tag in tags[start:end]):
            raise CourseError(f"The span {start} to {end} overlaps another one; one BIO tag a place can hold only one.")
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def spans_of(tags: Sequence[str], strict: bool = False) -> list[Span]:
    """BIO tags as spans.

    Args:
        tags: "O", "B-TYPE" or "I-TYPE".
        strict: what becomes of an I- that continues nothing of its type: it begins a name (as the script of CoNLL-2000
            has it, and `seqeval` by default), or with `strict` it is left out (`seqeval`'s strict mode with IOB2).

    Raises:
        CourseError: a tag is none of these.
    """
    found: list[Span] = []
    start, kind = 0, None  # of the name under way
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, _, name = tag.partition("-")
        if prefix not in ("B", "I", "O") or (prefix == "O") != (not name):
            raise CourseError(f"Tag {place} is {tag!r}; a tag is O, or B- or I- and a type, such as B-PERSON.")
        goes_on = prefix == "I" and name == kind
        if kind is not None and not goes_on:
            found.append(Span(start, place, kind))
            kind = None
        if prefix == "B" or (prefix == "I" and not goes_on and not strict):
            start, kind = place, name
    return found


def to_bioes(tags: Sequence[str]) -> list[str]:
    """BIO tags as BIOES tags: a name's last place gets an E- (end), a name of one place an S- (single)."""
    found = [OUTSIDE] * len(tags)
    for start, end, kind in spans_of(several(tags, "tags")):
        inner = [f"I-{kind}"] * (end - start - 2)
        found[start:end] = [f"B-{kind}", *inner, f"E-{kind}"] if end - start > 1 else [f"S-{kind}"]
    return found


def to_bio(tags: Sequence[str]) -> list[str]:
    """BIOES tags as BIO tags: S- becomes B-, E- becomes I-."""
    return [{"S-": "B-", "E-": "I-"}.get(tag[:2], tag[:2]) + tag[2:] for tag in several(tags, "tags")]


def may_follow(tag: str, before: str = OUTSIDE) -> bool:
    """Whether a BIO tag may stand behind another one; at the beginning the one before is O."""
    return not tag.startswith("I-") or before[2:] == tag[2:]


def rules(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What may be, as scores: 0, or -inf where it may not; of BIO tags, or of BIOES tags if an E- or S- is among them.

    Returns:
        first [tags]: a tag at the beginning; moves [before, tag]: one tag behind another; last [tags]: one at the end.
    """

    def legal(tag: str, before: str) -> bool:
        inside, goes_on = before[:2] in ("B-", "I-"), tag[:2] in ("I-", "E-")
        if not whole:
            return may_follow(tag, before)
        return tag[2:] == before[2:] and inside if goes_on else not inside

    tags = several(tags, "tags")
    whole = any(tag[:2] in ("E-", "S-") for tag in tags)  # only then the end of a name can be told from its tag
    first = [legal(tag, OUTSIDE) for tag in tags]
    moves = [[legal(tag, before) for tag in tags] for before in tags]
    last = [not whole or legal(OUTSIDE, tag) for tag in tags]
    return tuple(np.where(np.array(one, dtype=bool), 0.0, -np.inf) for one in (first, moves, last))


def best_legal(scores: np.ndarray, tags: Sequence[str]) -> list[str]:
    """The legal sequence of tags with the largest sum of scores.

    Args:
        scores: [places, tags], such as log-probabilities; -inf is lower than all numbers, and still legal.
        tags: the names of the columns, BIO or BIOES; O must be among them.

    Raises:
        CourseError: a score is NaN, there is not one for each tag, or O is missing.
    """
    if len(scores) == 0:
        return []
    if np.shape(scores)[1:] != (len(tags),) or np.isnan(scores).any() or OUTSIDE not in tags:
        raise CourseError(f"Each place needs a score of each of {list(tags)}, none NaN, and a tag must be {OUTSIDE!r}.")
    scores = np.clip(np.asarray(scores, dtype=np.float64), -1e200, 1e200)  # the most unlikely beats the illegal
    first, moves, last = rules(tags)
    return [tags[i] for i in best_path(scores, moves, first, last)]


def places_of(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Where each word stands in its text: (start, end) in characters.

    Raises:
        CourseError: a word does not stand in the text behind the one before.
    """
    places, at = [], 0
    for word in several(words, "words"):
        start = text.find(word, at)
        if start < 0:
            raise CourseError(f"The word {word!r} does not stand in the text where it should.")
        at = start + len(word)
        places.append((start, at))
    return places


def word_spans(spans: Iterable[Span], places: Sequence[tuple[int, int]]) -> list[Span]:
    """Spans in characters as spans in words.

    Raises:
        CourseError: a span does not begin and end where words do.
    """
    starts = {start: i for i, (start, _) in enumerate(places)}
    ends = {end: i + 1 for i, (_, end) in enumerate(places)}
    found = []
    for start, end, kind in spans:
        if start not in starts or end not in ends:
            raise CourseError(f"The span of characters {start} to {end} does not begin and end where words do.")
        found.append(Span(starts[start], ends[end], kind))
    return found


def label_pieces(
    offsets: Sequence[tuple[int, int]], places: Sequence[tuple[int, int]], labels: Sequence[int]
) -> list[int]:
    """A label for each piece: that of the word whose first one it is; IGNORED for other pieces and for special tokens.

    Args:
        offsets: (start, end) of each piece in characters, as a tokenizer gives them; special tokens have (0, 0).
        places: (start, end) of each word.
        labels: of each word.
    """
    found = [IGNORED] * len(offsets)
    for piece, label in zip(first_pieces(offsets, places), labels, strict=True):
        if piece is not None:
            found[piece] = label
    return found


def first_pieces(offsets: Sequence[tuple[int, int]], places: Sequence[tuple[int, int]]) -> list[int | None]:
    """Of each word the number of its first piece; None if the tokenizer left the word out or cut it off.

    That piece need not begin where the word does: tokenizers leave out what cannot be seen, such as U+200B.
    """
    starts = sorted((start, i) for i, (start, end) in enumerate(offsets) if end > start)
    found = []
    for start, end in places:
        at = bisect_left(starts, (start, -1))
        found.append(starts[at][1] if at < len(starts) and starts[at][0] < end else None)
    return found


def split(text: str, entities: Sequence[Mapping]) -> list[Sentence]:
    """The sentences of a text, each with its names.

    Args:
        text: running text.
        entities: dicts with start, end (characters of the text) and type, in the order of the text.

    Raises:
        CourseError: a name does not lie within one sentence.
    """
    found = []
    sentences = words_and_sentences.split_sentences(text)
    places = places_of(text, sentences)
    for sentence, (start, end) in zip(sentences, places, strict=True):
        inside = [i for i, e in enumerate(entities) if start <= e["start"] and e["end"] <= end]
        spans = [Span(entities[i]["start"] - start, entities[i]["end"] - start, entities[i]["type"]) for i in inside]
        found.append(Sentence(sentence, start, spans, inside))
    if sum(len(sentence.spans) for sentence in found) != len(entities):
        raise CourseError("A name does not lie within one sentence of its text.")
    return found


def entity_scores(
    truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], strict: bool = False
) -> dict[str, tuple[float, float, float]]:
    """Precision, recall and F1 of whole names: one counts if its start, its end and its type are all right.

    Args:
        truth, predicted: BIO tags of each text.
        strict: see `spans_of`. Without, the same as `seqeval` by default.

    Returns:
        For each type that occurs, in alphabetical order, and for "all": (precision, recall, F1).

    Raises:
        CourseError: the two do not have as many texts, or a text not as many tags.
    """
    if [len(tags) for tags in truth] != [len(tags) for tags in predicted]:
        raise CourseError("Truth and prediction need the same texts, with a tag for each place in both.")
    sides = [
        {(i, *span) for i, tags in enumerate(side) for span in spans_of(tags, strict)} for side in (truth, predicted)
    ]
    kinds = sorted({span[-1] for side in sides for span in side})
    found = {}
    for kind in [*kinds, "all"]:
        wanted, proposed = ({span for span in side if kind in (span[-1], "all")} for side in sides)
        found[kind] = precision_recall_f1(len(wanted & proposed), len(proposed), len(wanted))
    return found
