"""Answers that stand in a text: windows over a long text, the best legal span, a check of what is said to be an answer.

Built and explained in chapter 11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmtutor.data.text import checked_texts
from lmtutor.runtime import CourseError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_ANSWER = (0, 0)  # both pointers at [CLS]


@dataclass(frozen=True)
class Window:
    """A question and a stretch of its text, as the model reads them."""

    input_ids: list[int]
    token_type_ids: list[int]
    offsets: list[tuple[int, int] | None]  # of each piece in characters of the text; None if it is not of the text
    reach: tuple[int, int] | None = None  # characters of the text that it covers, with what no piece shows around them

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """The first and the last piece of characters `start` to `end`; NO_ANSWER if they do not all lie in here.

        An answer may begin or end with what no piece shows, such as U+200B.
        """
        places = [(i, *offset) for i, offset in enumerate(self.offsets) if offset]
        inside = [i for i, a, b in places if a < end and b > start]
        if not inside:
            return NO_ANSWER
        begins, ends = self.reach or (places[0][1], places[-1][2])
        return (inside[0], inside[-1]) if begins <= start and end <= ends else NO_ANSWER


def check_answer(context: str, start: int, answer: str) -> None:
    """Make sure that an answer stands where it is said to stand.

    Raises:
        CourseError: it does not; says what stands there, and where the answer is, if it is anywhere.
    """
    there = context[start : start + len(answer)] if start >= 0 else ""
    if there == answer and answer:
        return
    if not answer:
        raise CourseError("An answer has no words; a question without an answer has an empty list of answers.")
    at = context.find(answer)
    where = f"it stands at {at}" if at >= 0 else "it stands nowhere in the text"
    raise CourseError(f"The answer {answer!r} does not stand at character {start}, where {there!r} is; {where}.")


def windows(
    tokenizer: PreTrainedTokenizerBase, question: str, context: str, max_length: int | None = None, stride: int = 32
) -> list[Window]:
    """A question with each of the overlapping stretches of its text that fit: [CLS] question [SEP] stretch [SEP].

    Args:
        tokenizer: a fast tokenizer of `transformers`, of a BERT.
        question, context: the question, and the text that may answer it.
        max_length: pieces of a window; the tokenizer's own bound if not given.
        stride: pieces that neighbours share; an answer of no more pieces lies whole in at least one of them.

    Raises:
        CourseError: the text is empty, or beside the question there is no room for more than `stride` pieces of it.
    """
    max_length = max_length or tokenizer.model_max_length
    question, context = checked_texts([question, context])
    if not tokenizer.tokenize(context):
        raise CourseError("The text is empty, or holds nothing that can be seen, so no answer can stand in it.")
    room = max_length - len(tokenizer(question, verbose=False, split_special_tokens=True)["input_ids"]) - 1
    if room <= stride:
        raise CourseError(
            f"Beside the question there is room for {max(room, 0)} pieces of the text, which must be more than the "
            f"stride of {stride}: shorten the question, or take longer windows or a smaller stride."
        )
    read = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
        split_special_tokens=True,  # a [SEP] that somebody typed is text
    )
    found = []
    for i, ids in enumerate(read["input_ids"]):
        offsets = zip(read["offset_mapping"][i], read.sequence_ids(i), strict=True)
        kept = [tuple(offset) if whose == 1 else None for offset, whose in offsets]
        found.append(Window(list(ids), list(read["token_type_ids"][i]), kept))
    pieces = {offset for window in found for offset in window.offsets if offset}
    return [replace(window, reach=_reach(window, pieces, len(context))) for window in found]


def _reach(window: Window, pieces: set[tuple[int, int]], length: int) -> tuple[int, int]:
    """From the end of the piece before a window to the start of the piece behind it."""
    own = [offset for offset in window.offsets if offset]
    before = [b for _, b in pieces if b <= own[0][0]]
    behind = [a for a, _ in pieces if a >= own[-1][1]]
    return max(before, default=0), min(behind, default=length)


def best_span(
    start: Sequence[float] | np.ndarray, end: Sequence[float] | np.ndarray, max_length: int = 30
) -> tuple[int, int, float]:
    """The span with the largest start score + end score, that does not end before it begins and is not too long.

    Args:
        start, end: scores of each place: [places]; -inf where no answer may begin or end.
        max_length: places of a span at most.

    Returns:
        The first place, the last, their score. Of equals, the shorter span, then the earlier one.

    Raises:
        CourseError: there is no place, the two differ in length, or a score is NaN or inf.
    """
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    if start.shape != end.shape or start.size == 0 or max_length < 1:
        raise CourseError("The best span needs a start and an end score of each place, and a length of at least 1.")
    if not (np.maximum(start, end) < np.inf).all():
        raise CourseError("A start or an end score is NaN or inf, so no span is the best: the model has diverged.")
    best = (0, 0, -np.inf)
    for further in range(min(max_length, len(start))):  # how much further on the end stands
        scores = start[: len(start) - further] + end[further:]
        i = int(scores.argmax())
        if scores[i] > best[2]:
            best = (i, i + further, float(scores[i]))
    return best


@dataclass(frozen=True)
class Answer:
    """What was found: the words, where they begin, and by how much they beat "no answer"."""

    text: str
    start: int
    margin: float


def answer(
    context: str,
    read: Sequence[Window],
    scores: Sequence[np.ndarray],
    max_length: int = 30,
    among: Sequence[tuple[int, int]] | None = None,
) -> Answer:
    """The best span over all windows of a text.

    In each window the span competes with "no answer" ([CLS]); the window with the largest margin wins. Say that
    there is no answer if the margin is below a threshold, such as 0.

    Args:
        context: the text.
        read: its windows.
        scores: of each window [pieces, 2]: start and end scores.
        max_length: pieces of an answer at most.
        among: the only spans that may be answers, such as the text's names: (start, end) in characters.

    Returns:
        The answer; one without words and with a margin of -inf, if no window holds text, or `among` allows none.
    """
    found = [Answer("", 0, -np.inf)]
    for window, both in zip(read, scores, strict=True):
        start, end = np.asarray(both, dtype=np.float64).T
        if among is None:
            inside = np.array([offset is not None for offset in window.offsets])
            options = [best_span(np.where(inside, start, -np.inf), np.where(inside, end, -np.inf), max_length)]
        else:
            places = {window.locate(a, b) for a, b in among} - {NO_ANSWER}
            options = [(i, j, start[i] + end[j]) for i, j in sorted(places)]
        for i, j, score in options:
            if score == -np.inf:  # nothing of the text is in this window
                continue
            a, b = window.offsets[i][0], window.offsets[j][1]
            found.append(Answer(context[a:b], a, float(score - start[0] - end[0])))
    return max(found, key=lambda one: one.margin)
