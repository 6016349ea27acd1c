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
_DOUBLE = re.compile(  # two words that turn an opinion round, and back; as the generator writes them
    r"""\b(?:
      (nobody)\ could\ (deny|dispute)
    | (cannot)\ (?:say|claim|pretend)\ that\ [^.!?]*?\ (wasn't|weren't)
    | (not)\ (without)
    | had\ (no)\ (lack)\ of
    | be\ (wrong)\ to\ say\ that\ [^.!?]*?\ (?:was|were)\ (not)
    | (never)\ (failed)\ to
    | (impossible)\ (not)\ to
    | (not)\ met\ anyone\ who\ did\ (not)
    | (not)\ one\ of\ us,\ [^.!?]*?,\ would\ (deny)
    | (not)\ find\ a\ soul\ who\ (doubts)
    | (hardly)\ a\ (?:minute|moment)\ when\ [^.!?]*?\ (?:was|were)\ (not)
    | would\ (not)\ (dispute)
    | (never)\ (less)\ than
    | (nobody)\ left\ (without)
    | (no)\ (denying)
    | (not)\ to\ be\ (doubted)
    | (seldom)\ did\ [^.!?]*?\ (fail)\ to
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)


def words_of(text: str) -> list[tuple[str, int, int]]:
    """The words of a text in lower case, as `text.words` cuts it, with start and end in characters."""
    return [(found.group().lower(), *found.span()) for found in _WORD.finditer(text)]


def evidence(row: Mapping) -> list[str]:
    """For each word of a review "opinion", "negation" or "".

    "opinion" is a word in one of its `spans`. "negation" is a word of `NEGATIONS` in a sentence with a span that the
    context reverses, and each of two words that cancel ("not ... without"), since either one alone would reverse it;
    the sentences with no span decide nothing.

    Args:
        row: a record of the reviews, with `text` and `spans`.
    """
    text, kinds = row["text"], []
    ends = [found.end() for found in re.finditer(r"[.!?:](?=\s|$)", text)] or [len(text)]
    sentence_of = lambda place: sum(end <= place for end in ends)  # noqa: E731
    reversed_in = {sentence_of(span["start"]) for span in row["spans"] if span["negated"]}
    cancelling = set(double_negation(text))
    for word, start, end in words_of(text):
        if any(span["start"] < end and start < span["end"] for span in row["spans"]):
            kinds.append("opinion")
        else:
            negates = word in NEGATIONS or word.endswith("n't")
            turns = negates and sentence_of(start) in reversed_in or (start, end) in cancelling
            kinds.append("negation" if turns else "")
    return kinds


def double_negation(text: str) -> list[tuple[int, int]]:
    """Start and end, in characters, of the two words that cancel in each double negation of a review, in pairs."""
    return [found.span(i) for found in _DOUBLE.finditer(text) for i in range(1, _DOUBLE.groups + 1) if found[i]]


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
