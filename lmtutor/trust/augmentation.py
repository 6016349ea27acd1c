"""New training examples from old ones, and a check that the label survived, on reviews whose truth is known.

Built and explained in chapter 14. The reviews are the course's own (data/reviews/CARD.md): their opinions are marked.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from lmtutor.data.text import words
from lmtutor.runtime import CourseError, several

# and what ends in n't
NEGATIONS = frozenset(("no", "not", "never", "nobody", "none", "nothing", "nor", "neither", "nowhere"))
NEGATIONS |= {"hardly", "scarcely", "without", "cannot"}


def negations(text: str) -> int:
    """How many words of a text negate."""
    return sum(word in NEGATIONS or word.endswith("n't") for word in words(text.lower()))


def side(span: Mapping) -> int:
    """1 or -1: what a marked opinion says as it stands, a negation that reverses it included."""
    return -span["polarity"] if span["negated"] else span["polarity"]


def decides(review: Mapping) -> bool:
    """Whether the review has one opinion only and that is its label: then turning it round turns the label."""
    sides = [side(span) for span in review["spans"]]
    truth = review["label"] ^ review["noisy"]
    return len(sides) == 1 and sides[0] == (1 if truth else -1)


def swap_opinion(review: Mapping, text: str, polarity: int, *, which: int = 0, relabel: bool = False) -> dict:
    """The review with other words in place of one opinion.

    Args:
        review: a record of `lm.load("reviews")`.
        text: the words that come instead.
        polarity: 1 or -1, what these words say of the same thing in a plain sentence.
        which: the number of the opinion among the review's `spans`.
        relabel: whether to turn the label where the truth turns; else that is an error.

    Returns:
        A new record; its spans are where they are in the new text.

    Raises:
        CourseError: the label would change, or what it would be is not known as the review has several opinions.
    """
    old = review["spans"][which]
    label = review["label"]
    if polarity != old["polarity"]:
        if not decides(review):
            raise CourseError(
                f"What the label becomes when {old['text']!r} turns into {text!r} is not known, for other parts of "
                f"the review speak, too."
            )
        if not relabel:
            raise CourseError(
                f"The label does not survive: {text!r} in place of {old['text']!r} turns it from {label} to "
                f"{1 - label}."
            )
        label = 1 - label
    longer = len(text) - (old["end"] - old["start"])
    spans = []
    for number, span in enumerate(review["spans"]):
        moved = longer if span["start"] > old["start"] else 0
        span = {**span, "start": span["start"] + moved, "end": span["end"] + moved}
        if number == which:
            span |= {"text": text, "end": old["start"] + len(text), "polarity": polarity}
        spans.append(span)
    changed = review["text"][: old["start"]] + text + review["text"][old["end"] :]
    return {**review, "text": changed, "label": label, "spans": spans}


def drop_words(text: str, share: float, generator: random.Random) -> str:
    """The text without each of its words with this probability, as "easy data augmentation" does (Wei and Zou, 2019).

    Raises:
        CourseError: the share is not between 0 and 1.
    """
    if not 0 <= share < 1:
        raise CourseError(f"The share of words to drop lies between 0 and 1, not at {share}.")
    kept = [word for word in text.split() if generator.random() >= share]
    return " ".join(kept) or text


def replace_words(
    text: str, others: Mapping[str, Sequence[str]], share: float, generator: random.Random, keep: frozenset = NEGATIONS
) -> str:
    """The text with each word that has others in its place replaced, with this probability, by one of them.

    Args:
        others: word in lower case -> what may stand in its place.
        share: of the words that can be replaced.
        generator: `random.Random(seed)`.
        keep: words that stay in any case; negations, unless you want to see what happens.
    """
    found = []
    for word in text.split():
        bare = word.strip(".,;:!?").lower()
        if bare in others and bare not in keep and generator.random() < share:
            new = generator.choice(several(others[bare], "others"))
            word = word.lower().replace(bare, new.capitalize() if word[0].isupper() else new)
        found.append(word)
    return " ".join(found)


def mixup(
    features: np.ndarray, labels: np.ndarray, count: int, alpha: float = 0.4, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Mixtures of two examples each, in features as in labels (Zhang et al., 2018).

    Args:
        features: [examples, features].
        labels: [examples], 0 or 1, or [examples, classes], shares.
        count: mixtures to be made.
        alpha: of the beta distribution of the share; small ones keep close to one of the two.
        seed: of the draws.

    Returns:
        Features [count, features] and the share of each class, [count, classes] (of class 1, [count], for 0 and 1).

    Raises:
        CourseError: there are fewer than two examples, or alpha is not above 0.
    """
    labels = np.asarray(labels, dtype=float)
    if len(labels) < 2 or len(features) != len(labels) or not alpha > 0:
        raise CourseError("Mixing needs at least two examples with a label each, and an alpha above 0.")
    generator = np.random.default_rng(seed)
    first, second = generator.integers(len(labels), size=(2, count))
    share = generator.beta(alpha, alpha, size=count)
    column = share.reshape(-1, *[1] * (labels.ndim - 1))
    mixed = share[:, None] * features[first] + (1 - share)[:, None] * features[second]
    return mixed, column * labels[first] + (1 - column) * labels[second]
