"""What a review's verdict rests on, as its generator knows it: the truth that explanations are held against."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from lmtutor.runtime import CourseError, several

_WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s]")  # as `text.words` cuts
NEGATIONS = frozenset(  # "n't" at the end of a word counts, too
    ("not", "never", "no", "nobody", "nothing", "none", "neither", "nor", "hardly", "scarcely", "anything", "far")
    + ("opposite", "cannot")
)


def words_of(text: str) -> list[tuple[str, int, int]]:
    """The words of a text in lower case, as `text.words` cuts it, with start and end in characters."""
    return [(found.group().lower(), *found.span()) for found in _WORD.finditer(text)]


def evidence(row: Mapping) -> list[str]:
    """For each word of a review "opinion", "negation" or "".

    "opinion" is a word in one of its `spans`. "negation" is a word of `NEGATIONS` in a sentence with a span that the
    context reverses; the sentences with no span decide nothing.

    Args:
        row: a record of the reviews, with `text` and `spans`.
    """
    text, kinds = row["text"], []
    ends = [found.end() for found in re.finditer(r"[.!?:](?=\s|$)", text)] or [len(text)]
    sentence_of = lambda place: sum(end <= place for end in ends)  # noqa: E731
    reversed_in = {sentence_of(span["start"]) for span in row["spans"] if span["negated"]}
    for word, start, end in words_of(text):
        if any(span["start"] < end and start < span["end"] for span in row["spans"]):
            kinds.append("opinion")
        else:
            negates = word in NEGATIONS or word.endswith("n't")
            kinds.append("negation" if negates and sentence_of(start) in reversed_in else "")
    return kinds


def found_share(scores: Sequence[float], kinds: Sequence[str]) -> float:
    """The share of evidence among the words with the largest absolute scores, as many as there are evidence words.

    1 for a perfect ranking; by chance the share of evidence among all words ("R-precision").

    Raises:
        CourseError: there is no evidence, or another number of scores than of words.
    """
    wanted = np.array([kind != "" for kind in several(kinds, "kinds")])
    if len(scores) != len(kinds) or not wanted.any():
        raise CourseError(f"{len(scores)} scores for {len(kinds)} words, of which {wanted.sum()} are evidence.")
    best = np.argsort(-np.abs(np.asarray(scores, dtype=float)), kind="stable")[: wanted.sum()]
    return float(wanted[best].mean())
