"""Exercises of chapter 00."""

from __future__ import annotations

from lmtutor.exercises.examine import Exercise, compare


def count_words(text: str) -> int:
    """How many words stand in the text, between blanks."""
    return len(text.split())


def _remark_count_words(arguments, expected, got):
    (text,) = arguments
    if got == len(text):
        return "That is the number of characters: take the text apart into words first."
    if "  " in text:
        return "Two blanks in a row hold no word between them: split() without an argument knows that."
    return ""


EXERCISES = {
    "count_words": Exercise(
        hint='"a b".split() gives the list ["a", "b"], and len() tells how long a list is.',
        examine=compare(
            count_words,
            [("sea",), ("the sea",), ("the lamp, the sea!",), ("",), ("two  blanks",), ("a line\nand another",)],
            remark=_remark_count_words,
        ),
    ),
}
