"""What is known about the phrasebook's simple German statements: their other word order, and their opposite.

For chapter 07, which asks what measures of translation make of both. `data/phrasebook/words.py` has the times.
"""

from __future__ import annotations

TIMES = ("gestern", "heute", "nachts", "nach dem Essen", "letzte Woche")
TIMES += tuple(f"am {day}" for day in ("Abend", "Morgen", "Montag", "Freitag"))


def other_order(german: str) -> str | None:
    """The statement with its time moved to the front, or from there to its place behind the verb.

    The phrasebook tosses a coin for this (`inversion` in its card), so both say the same and both are right.

    Returns:
        None if it is no statement of one clause without a comma and with a time.
    """
    words = german.split()
    if "," in words or words[-1:] != ["."] or len(words) < 4:
        return None
    words[0] = words[0][0].lower() + words[0][1:]  # the first word is an article or a time, never a noun
    nouns = [place for place, word in enumerate(words) if word[0].isupper()]
    for time in map(str.split, TIMES):
        n = len(time)
        if words[:n] == time:  # time, verb, subject, rest; the subject ends with the first noun behind the verb
            noun = next(place for place in nouns if place > n)
            return _sentence([*words[n + 1 : noun + 1], words[n], *time, *words[noun + 1 :]])
        behind = nouns[0] + 2
        if words[behind : behind + n] == time:  # subject, verb, time, rest
            return _sentence([*time, words[behind - 1], *words[: behind - 1], *words[behind + n :]])
    return None


def opposite(german: str) -> str:
    """The statement with its "nicht" taken out; or with one put in, before what closes the clause, else at its end."""
    words = german.split()
    if "nicht" in words:
        return " ".join(word for word in words if word != "nicht")
    closes = words[-2].islower() and words[-2] not in TIMES  # a participle, an infinitive or a prefix
    place = len(words) - 1 - closes
    return " ".join([*words[:place], "nicht", *words[place:]])


def _sentence(words: list[str]) -> str:
    """Words joined, the first one in upper case."""
    joined = " ".join(words)
    return joined[0].upper() + joined[1:]
