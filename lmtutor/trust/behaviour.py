"""Behavioural tests with templates: minimum functionality, invariance, direction (CheckList: Ribeiro et al., 2020).

Built and explained in chapter 15.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lmtutor.runtime import CourseError, several

Ask = Callable[[list[str]], np.ndarray]  # texts -> P(positive): [texts]


class Case(NamedTuple):
    """A kind of behaviour, how many texts or pairs were tried, and which failed."""

    name: str
    kind: str
    tried: int
    failed: list[str]

    @property
    def failure_rate(self) -> float:
        return len(self.failed) / self.tried


def expand(template: str, **slots: Sequence[str]) -> list[str]:
    """All texts that a template makes: "{thing} was {word}." with lists for both.

    Raises:
        CourseError: the template has a place for which there are no words, or words are given for no place.
    """
    places = list(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(template) if name is not None))
    for words in slots.values():
        several(words, "words")
    if set(places) != set(slots) or not all(map(len, slots.values())):
        raise CourseError(
            f"The template {template!r} has places for {', '.join(places) or 'nothing'}, and words came for "
            f"{', '.join(name for name, words in slots.items() if len(words)) or 'nothing'}."
        )
    made = [
        template.format(**dict(zip(places, words, strict=True)))
        for words in itertools.product(*(slots[place] for place in places))
    ]
    return [text[:1].upper() + text[1:] for text in made]


def minimum_functionality(ask: Ask, name: str, texts: Sequence[str], label: int) -> Case:
    """Simple texts whose label nobody doubts: failed are those on the wrong side of 0.5."""
    p = np.asarray(ask(list(several(texts, "texts"))))
    return Case(name, "minimum", len(texts), [text for text, one in zip(texts, p, strict=True) if (one > 0.5) != label])


def invariance(ask: Ask, name: str, pairs: Sequence[tuple[str, str]]) -> Case:
    """Pairs that differ in something of no importance: failed are those with two answers."""
    before, after = _both(ask, pairs)
    return Case(name, "invariance", len(pairs), _named(pairs, (before > 0.5) != (after > 0.5)))


def direction(ask: Ask, name: str, pairs: Sequence[tuple[str, str]], sign: int, tolerance: float = 0.1) -> Case:
    """Pairs of which the second should be more positive (sign 1), or less (-1): failed are those that go elsewhere.

    Args:
        tolerance: P(positive) may move against the sign by no more than this.

    Raises:
        CourseError: the sign is neither 1 nor -1.
    """
    if sign not in (1, -1):
        raise CourseError(f"The direction is 1 (up) or -1 (down), not {sign}.")
    before, after = _both(ask, pairs)
    return Case(name, "direction", len(pairs), _named(pairs, sign * (after - before) < -tolerance))


def _both(ask: Ask, pairs: Sequence[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    if not pairs:
        raise CourseError("A behavioural test needs at least one pair of texts.")
    p = np.asarray(ask([text for pair in pairs for text in pair]))
    return p[::2], p[1::2]


def _named(pairs: Sequence[tuple[str, str]], failed: np.ndarray) -> list[str]:
    return [f"{a} / {b}" for (a, b), bad in zip(pairs, failed, strict=True) if bad]
