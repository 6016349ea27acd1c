"""Exercises of chapter 00."""

from __future__ import annotations

import re

from lmtutor.data.text import words
from lmtutor.exercises.examine import Exercise, compare


def count_words(string: str) -> int:
    """How many words there are in the string, between spaces."""
    return len(string.split())


def _remark_count_words(arguments, expected, got):
    (string,) = arguments
    if got == len(string):
        return "That is the number of characters: split the text into words first."
    if not string:
        return "A text of no characters has no word: split() without an argument knows that."
    if got == len(words(string)) and "," in string:
        return "A comma is no word of its own here: only spaces separate words."
    if got == len(re.findall(r"\w+", string)):
        return "Only spaces separate words: an apostrophe or a hyphen does not, and a dash between spaces is a word."
    return ""


EXERCISES = {
    "count_words": Exercise(
        hint='"a b".split() gives the list ["a", "b"], and len() tells how long a list is.',
        examine=compare(
            count_words,
            [
                ("sea",),
                ("the sea",),
                ("the lamp, the sea!",),
                ("",),
                ("two  spaces",),
                (" sea ",),
                ("a line\nand another",),
                ("a\ttab",),
                ("the lamp-room",),
                ("the keeper's lamp",),
                ("7 lamps - all lit",),
            ],
            remark=_remark_count_words,
        ),
    ),
}
