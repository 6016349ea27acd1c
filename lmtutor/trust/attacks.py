"""Attacks on text classifiers: typos, every single edit of a word, words chosen by gradient, synonyms.

A change that turns an opinion round is no attack on the model: it makes another text. So what may be exchanged is
asked of a `Lexicon`, which knows what the generator of the corpus `reviews` wrote down. Built and explained in
chapter 15.
"""

from __future__ import annotations

import random
import string
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

from lmtutor.data import text as words_of
from lmtutor.runtime import CourseError, several

Ask = Callable[[list[list[str]]], np.ndarray]  # texts, each a list of words -> margins of their true class: [texts]
Choices = Mapping[str, Sequence[str]]  # word -> what may stand in its place
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# What may stand before an opinion word inside its span: the degrees of the generator.
DEGREES = frozenset(
    """quite fairly pretty rather somewhat mildly moderately faintly very really so truly particularly genuinely
    remarkably thoroughly seriously decidedly absolutely utterly completely totally extremely incredibly unbelievably
    wildly astonishingly simply downright""".split()  # noqa: SIM905
)


def keyboard_neighbours(letter: str) -> str:
    """The letters beside this one on an English keyboard: in its own row, and the nearest of the other rows."""
    for y, row in enumerate(_ROWS):
        if (x := row.find(letter)) >= 0:
            near = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
            return "".join(_ROWS[b][a] for b, a in near if 0 <= b < len(_ROWS) and 0 <= a < len(_ROWS[b]))
    return ""


@cache
def slips(word: str) -> tuple[str, ...]:
    """What a slip of a finger makes of a word: a neighbouring key, two letters swapped, one left out, or one doubled.

    The first letter stays, as it does in most slips. Of words of fewer than four letters, or of others than a to z,
    there are none: nobody could tell what they were.
    """
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return ()
    made = []
    for i in range(1, len(word)):
        made += [word[:i] + letter + word[i + 1 :] for letter in keyboard_neighbours(word[i].lower())]
        made += [word[:i] + word[i + 1 :], word[:i] + word[i] + word[i:]]
        made += [word[:i] + word[i + 1] + word[i] + word[i + 2 :]] if i + 1 < len(word) else []
    return tuple(one for one in dict.fromkeys(made) if one != word)


def with_typos(words: Sequence[str], count: int, draw: random.Random) -> list[str]:
    """A text with a slip in so many of its words, drawn among those of four letters or more; in all, if it has fewer.

    Raises:
        CourseError: the count is below 0.
    """
    if count < 0:
        raise CourseError(f"A text has 0 typos or more, not {count}.")
    words = list(several(words, "words"))
    long = [i for i, word in enumerate(words) if slips(word)]
    for i in draw.sample(long, min(count, len(long))):
        words[i] = draw.choice(slips(words[i]))
    return words


def single_edits(word: str, letters: str = string.ascii_lowercase) -> set[str]:
    """All words that one edit makes of this one: a letter left out, two neighbours swapped, one replaced, one put in.

    A word of n letters has n + (n - 1) + 25 n + 26 (n + 1) edits, some of which make the same. The word itself and the
    empty one are not among them.
    """
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    made = {left + right[1:] for left, right in cuts if right}
    made |= {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    made |= {left + letter + right[1:] for left, right in cuts if right for letter in letters}
    made |= {left + letter + right for left, right in cuts for letter in letters}
    return made - {word, ""}


# --- what keeps the label ---------------------------------------------------------------------------------------------


@dataclass
class Lexicon:
    """What the corpus `reviews` says of its opinion words: polarity, what they are said of, whether "not" comes before.

    A word is exchanged for another one only if nothing that is known of the two differs, so that the review stays as
    true as it was. Words that are good of one thing and bad of another are left out. A plain "not" goes with mild words
    only ("not good" is a complaint, "not superb" is none), so words that it goes with are exchanged among themselves.
    """

    polarities: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    aspects: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    after_not: set[str] = field(default_factory=set)
    after: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # words that it comes after

    @classmethod
    def of(cls, reviews: Iterable[Mapping]) -> Lexicon:
        """Of records of the corpus `reviews`, from the spans of their opinions.

        Raises:
            CourseError: no record has a span.
        """
        found = cls()
        for row in reviews:
            for span in row["spans"]:
                if word := opinion_word(span["text"]):
                    found.polarities[word].add(span["polarity"])
                    found.aspects[word].add((row["domain"], span["aspect"]))
                    before = words_of.words(row["text"][: span["end"]].lower())[:-1][-3:]
                    found.after[word].update(before[-1:])
                    if any(one == "not" or one.endswith("n't") for one in before):
                        found.after_not.add(word)
        if not found.polarities:
            raise CourseError("A lexicon needs records with `spans`, as the corpus `reviews` has them.")
        return found

    def polarity(self, word: str) -> int:
        """1 or -1; 0 if the word holds no opinion, or one that depends on what it is said of."""
        known = self.polarities.get(word, set())
        return next(iter(known)) if len(known) == 1 else 0

    def keeps_opinion(self, old: str, new: str) -> bool:
        """Whether `new` may stand for `old`: same polarity, the same aspect, "not" before both or neither."""
        return (
            self.polarity(old) != 0
            and self.polarity(old) == self.polarity(new)
            and (old in self.after_not) == (new in self.after_not)
            and bool(self.aspects[old] & self.aspects[new])
            and bool(self.after[old] & self.after[new] - {"not"})  # the same kind of word
        )

    def turns_opinion(self, old: str, new: str) -> bool:
        """Whether `new` says the contrary of `old`."""
        return self.polarity(old) * self.polarity(new) == -1


def opinion_word(said: str) -> str:
    """The word that holds the opinion of a span: it stands alone or behind a degree; "" for a longer phrase."""
    parts = words_of.words(said.lower())
    return parts[-1] if len(parts) == 1 or (len(parts) == 2 and parts[0] in DEGREES) else ""


def synonyms(
    lexicon: Lexicon, vocabulary: Iterable[str], vectors: Mapping[str, np.ndarray], count: int = 6
) -> dict[str, list[str]]:
    """For each opinion word of the vocabulary the nearest others that keep its opinion, nearest first.

    Args:
        lexicon: says what keeps the opinion.
        vocabulary: words, of which those with a vector count.
        vectors: word -> vector of length 1.
        count: at most so many for each.
    """
    known = [word for word in several(vocabulary, "words") if lexicon.polarity(word) and word in vectors]
    found = {}
    for word in known:
        others = [other for other in known if other != word and lexicon.keeps_opinion(word, other)]
        nearest = sorted(others, key=lambda other: (-float(vectors[word] @ vectors[other]), other))
        if nearest:
            found[word] = nearest[:count]
    return found


def check_choices(choices: Choices, lexicon: Lexicon) -> None:
    """Raise unless each choice keeps the opinion.

    Raises:
        CourseError: one does not: which, and whether it turns the opinion round.
    """
    for old, others in choices.items():
        for new in others:
            if new != old and not lexicon.keeps_opinion(old, new):
                why = "says the contrary" if lexicon.turns_opinion(old, new) else "is not known to say the same"
                raise CourseError(
                    f"{new!r} must not stand for {old!r}: it {why}, so the review's label may change with it."
                )


# --- searching --------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """What an attack on one text found."""

    words: list[str]  # the worst text that it saw
    margin: float  # of the true class there; below 0 the model is wrong
    queries: int  # texts that the model was asked

    @property
    def broken(self) -> bool:
        return self.margin < 0


def check_budget(budget: int) -> None:
    if not isinstance(budget, int) or budget < 1:
        raise CourseError(f"An attack needs a budget of at least one query, not {budget!r}.")


def exhaustive(ask: Ask, texts: Iterable[list[str]], budget: int = 1_000_000) -> Found:
    """The worst of these texts, the first of which is the unchanged one: exact for this set of attacks.

    Args:
        ask: gives the margin of the true class for each text.
        texts: all that the attack may make of a text.
        budget: queries at most.

    Raises:
        CourseError: the budget is below 1, or there are more texts than that: then the answer would not be exact.
    """
    check_budget(budget)
    texts = list(several(texts, "texts (lists of words)"))
    if len(texts) > budget:
        raise CourseError(
            f"There are {len(texts):,} texts to try and {budget:,} queries: an exhaustive search needs all."
        )
    margins = ask(texts)
    worst = int(np.argmin(margins))
    return Found(texts[worst], float(margins[worst]), len(texts))


def combinations(words: Sequence[str], choices: Choices) -> list[list[str]]:
    """Every text in which each word is itself or one of its choices; the unchanged text comes first."""
    made: list[list[str]] = [[]]
    for word in several(words, "words"):
        options = [word, *(other for other in choices.get(word, ()) if other != word)]
        made = [[*one, option] for one in made for option in options]
    return made


def number_of_combinations(words: Sequence[str], choices: Choices) -> int:
    """How many texts `combinations` would make."""
    total = 1
    for word in several(words, "words"):
        total *= 1 + len(set(choices.get(word, ())) - {word})
    return total


def greedy(ask: Ask, words: Sequence[str], choices: Choices, budget: int = 1000) -> Found:
    """Exchange one word after the other, each time the one that lowers the margin most, until it is below 0.

    It ends when the model is wrong, when no exchange lowers the margin, or when the budget does not reach for another
    question. (Li et al., 2019, and Jin et al., 2020, search in this way, with better orders.)

    Args:
        ask: gives the margin of the true class for each text.
        words: the text.
        choices: word -> what may stand in its place.
        budget: queries at most, the one for the unchanged text included.

    Raises:
        CourseError: the budget is below 1.
    """
    check_budget(budget)
    best = Found(list(several(words, "words")), float(ask([list(words)])[0]), 1)
    changed: set[int] = set()
    while not best.broken:
        tries = [
            (i, [*best.words[:i], other, *best.words[i + 1 :]])
            for i, word in enumerate(words)
            if i not in changed
            for other in choices.get(word, ())
            if other != word
        ][: budget - best.queries]
        if not tries:
            break
        margins = ask([text for _, text in tries])
        worst = int(np.argmin(margins))
        best = best._replace(queries=best.queries + len(tries))
        if margins[worst] >= best.margin:
            break
        changed.add(tries[worst][0])
        best = Found(tries[worst][1], float(margins[worst]), best.queries)
    return best


def at_random(ask: Ask, words: Sequence[str], choices: Choices, budget: int, draw: random.Random) -> Found:
    """The worst of so many texts in which each word is drawn among itself and its choices: what search has to beat.

    Raises:
        CourseError: the budget is below 1.
    """
    check_budget(budget)
    drawn = [list(several(words, "words"))]
    drawn += [[draw.choice([word, *choices.get(word, ())]) for word in words] for _ in range(budget - 1)]
    return exhaustive(ask, drawn, budget)


def hotflip(gradient: torch.Tensor, embeddings: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
    """By how much the loss rises if a word is exchanged, to first order: [time, words] (Ebrahimi et al., 2018).

    Args:
        gradient: of the loss for the embedded text: [time, hidden].
        embeddings: of all words: [words, hidden].
        input_ids: the text: [time].
    """
    return gradient @ embeddings.T - (gradient * embeddings[input_ids]).sum(dim=-1, keepdim=True)


# --- rates ------------------------------------------------------------------------------------------------------------


class Rates(NamedTuple):
    """Shares of texts, each between 0 and 1."""

    clean: float  # right as they are
    robust: float  # right, and the attack found nothing: an upper bound of the true robust accuracy
    success: float  # broken ones among those that were right: what papers call the attack's success rate


def rates(right: Sequence[bool], broken: Sequence[bool]) -> Rates:
    """Clean accuracy, accuracy under attack, and success rate of the attack.

    Args:
        right: whether the unchanged text is classified rightly.
        broken: whether the attack found a text that is not.

    Raises:
        CourseError: there are no texts, or the two differ in number.
    """
    if len(right) != len(broken) or not len(right):
        raise CourseError(f"Rates need both answers for each text, but there are {len(right)} and {len(broken)}.")
    was, is_broken = np.asarray(right, bool), np.asarray(broken, bool)
    survived = was & ~is_broken
    success = float((was & is_broken).sum() / was.sum()) if was.any() else 0.0
    return Rates(float(was.mean()), float(survived.mean()), success)
