"""Exercises of chapter 13."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from lmtutor.exercises.examine import Exercise, compare, same


def _told(known: dict[str, object], got) -> str:
    """The first remark whose wrong value came."""
    return next((remark for remark, value in known.items() if same(value, got, 1e-9)), "")


def script(messages: list[tuple[str, str]]) -> str:
    """A dialogue as SmolLM2 reads it, up to where the assistant's next message begins."""
    said = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in messages)
    return said + "<|im_start|>assistant\n"


def _remark_script(arguments, expected, got):
    begin = "<|im_start|>assistant\n"
    return _told(
        {
            "It is the assistant's turn now: open its message at the end.": expected.removesuffix(begin),
            "The role of the last message is followed by a line break.": expected.removesuffix("\n"),
            "After <|im_end|> comes a line break.": expected.replace("<|im_end|>\n", "<|im_end|>"),
            "The assistant's message is opened only: what ends it is written by the model.": expected + "<|im_end|>\n",
        },
        got,
    )


def likeliest(log_p: list[list[float]], mean: bool) -> int:
    """The number of the answer with the largest sum of ln P over its tokens, or with the largest mean."""
    totals = [sum(one) / (len(one) if mean else 1) for one in log_p]
    return totals.index(max(totals))


def _remark_likeliest(arguments, expected, got):
    log_p, mean = arguments
    return _told(
        {
            "Sum and mean are the wrong way round.": likeliest(log_p, not mean),
            "Only the first token was looked at; the others belong to the answer, too.": likeliest(
                [one[:1] for one in log_p], mean
            ),
            "ln P is negative, and the likeliest is the one nearest to 0: the largest.": likeliest(
                [[-x for x in one] for one in log_p], mean
            ),
        },
        got,
    )


def split_prompt(template: str, text: str, word: str) -> list[str]:
    """The prompt without a blank at its end, and the answer with one before it."""
    return [template.replace("{text}", text).rstrip(" "), " " + word.strip()]


def _remark_split_prompt(arguments, expected, got):
    template, text, word = arguments
    return _told(
        {
            "The answer begins with a blank, whatever the template or the word looked like.": [expected[0], word],
            "The prompt must not end with a blank.": [template.replace("{text}", text), expected[1]],
            "Blanks inside the text are the text's: only the end of the prompt matters.": [
                template.replace("{text}", text.strip()).rstrip(" "),
                expected[1],
            ],
            "Put the text into the template.": [template.rstrip(" "), expected[1]],
        },
        got,
    )


def calibrate(log_p: list[float], free: list[float]) -> list[float]:
    """P(label | text) divided by P(label | a text that says nothing), and normalised."""
    weights = [math.exp(a - b) for a, b in zip(log_p, free, strict=True)]
    return [weight / sum(weights) for weight in weights]


def _remark_calibrate(arguments, expected, got):
    log_p, free = (np.array(x) for x in arguments)
    raw = np.exp(log_p - free)
    plain, both = np.exp(log_p), np.exp(log_p + free)
    return _told(
        {
            "Normalise: the probabilities of the labels have the sum 1.": raw.tolist(),
            "That is without calibration.": (plain / plain.sum()).tolist(),
            "Divide by what the empty text gets; that multiplies by it.": (both / both.sum()).tolist(),
            "ln P are logarithms: dividing probabilities is subtracting these.": (
                np.exp(log_p / free) / np.exp(log_p / free).sum()
            ).tolist(),
            "Probabilities were asked for, and not their logarithms.": np.log(raw / raw.sum()).tolist(),
        },
        got,
    )


def count_pairs(sizes: list[int]) -> tuple[int, int]:
    """How many pairs of two different examples are of one class, and how many of two."""
    one = sum(n * (n - 1) // 2 for n in sizes)
    return one, sum(sizes) * (sum(sizes) - 1) // 2 - one


def _remark_count_pairs(arguments, expected, got):
    sizes = arguments[0]
    total = sum(sizes)
    return _told(
        {
            "Each pair is counted once: (a, b) is the pair (b, a).": tuple(2 * n for n in expected),
            "No example is paired with itself.": (sum(n * (n + 1) // 2 for n in sizes), expected[1]),
            "First the pairs of one class, then those of two.": expected[::-1],
            "The second number is that of the pairs of two classes, not of all pairs.": (
                expected[0],
                total * (total - 1) // 2,
            ),
        },
        got,
    )


def allowed(
    moves: Mapping[int, Mapping[str, int]], ends: Sequence[int], state: int, tokens: Sequence[str]
) -> list[int]:
    """The numbers of the tokens after which the text can still be completed."""

    def can_end(start):
        seen, todo = {start}, [start]
        while todo:
            now = todo.pop()
            if now in ends:
                return True
            new = set(moves.get(now, {}).values()) - seen
            seen |= new
            todo += new
        return False

    found = []
    for number, token in enumerate(tokens):
        now = state
        for character in token:
            now = moves.get(now, {}).get(character)
            if now is None:
                break
        if now is not None and can_end(now):
            found.append(number)
    return found


def _remark_allowed(arguments, expected, got):
    moves, ends, state, tokens = arguments

    def walked(token):
        now = state
        for character in token:
            now = moves.get(now, {}).get(character)
            if now is None:
                return None
        return now

    fitting = [number for number, token in enumerate(tokens) if walked(token) is not None]
    return _told(
        {
            "One of these leads into a dead end: every character fits, and no end can be reached any more.": fitting,
            "These are the tokens themselves; their numbers were asked for.": [tokens[number] for number in expected],
            "A token may also stop in the middle: it is enough that an end can still be reached.": [
                number for number in fitting if walked(tokens[number]) in ends
            ],
            "A token has several characters, and all of them have to fit.": [
                number for number, token in enumerate(tokens) if token[0] in moves.get(state, {})
            ],
        },
        got,
    )


def majority(p: float, answers: int) -> float:
    """The probability that more than half of so many independent answers are right."""
    return sum(math.comb(answers, k) * p**k * (1 - p) ** (answers - k) for k in range(answers // 2 + 1, answers + 1))


def _remark_majority(arguments, expected, got):
    p, n = arguments
    terms = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return _told(
        {
            "In how many ways can k of n be right? `math.comb` counts them.": sum(
                p**k * (1 - p) ** (n - k) for k in range(n // 2 + 1, n + 1)
            ),
            "That is the probability of exactly the smallest majority; larger ones count, too.": terms[n // 2 + 1],
            "That is the probability that all are right.": p**n,
            "That is the probability that the majority is wrong.": 1 - expected,
            "More than half: for 3 answers at least 2.": sum(terms[n // 2 :]),
            "The largest majority, all of them, counts, too.": sum(terms[n // 2 + 1 : -1]),
        },
        got,
    )


def needed(share: float, tokens: int) -> float:
    """How often each token has to be right so that this share of answers is right as a whole."""
    return share ** (1 / tokens)


def _remark_needed(arguments, expected, got):
    share, tokens = arguments
    return _told(
        {
            "That way round it is the share of whole answers.": share**tokens,
            "Chances are multiplied, so it is a root and not a division.": share / tokens,
            "That is how often a token may be wrong.": 1 - expected,
            "That bound (every token's error added up) is not exact.": 1 - (1 - share) / tokens,
        },
        got,
    )


_MONTHS = {0: {"M": 1, "J": 5}, 1: {"a": 2}, 2: {"y": 3, "r": 4}, 4: {"c": 6}, 5: {"u": 7}, 7: {"n": 8}}
_AROUND = {0: {"a": 1, "b": 2}, 1: {"a": 2}, 2: {"a": 1}}  # from 1 and 2 one goes round and round
_FORKS = {
    0: {"a": 1, "b": 2},
    1: {"a": 3, "b": 4},
    2: {"a": 5, "b": 6},
    3: {"a": 7},
    4: {"a": 9},
    5: {"a": 9},
    6: {"a": 7},
}  # only one branch leads to 9
_LOOP = {0: {"a": 0, "b": 1, "c": 2}, 1: {"b": 1, "c": 3}, 2: {"a": 2}, 3: {}}

EXERCISES = {
    "script": Exercise(
        'Each message is "<|im_start|>" + role + a line break + content + "<|im_end|>" + a line break. Then the last '
        "message is opened, and not closed.",
        compare(
            script,
            [
                ([("user", "Hello")],),
                ([("system", "Be brief."), ("user", "Why?")],),
                ([("user", "Is it late?"), ("assistant", "Yes."), ("user", "How late?")],),
                ([("user", "two\nlines ")],),
            ],
            remark=_remark_script,
        ),
    ),
    "split_prompt": Exercise(
        'Fill in the text; take blanks off the end with `.rstrip(" ")`. The answer is a blank and the word without '
        "blanks of its own.",
        compare(
            split_prompt,
            [
                ("{text} It was ", "Fine soup.", "good"),
                ("{text} It was", "Fine soup.", " good"),
                ("{text} It was", " Two  blanks ", "bad "),
                ("{text}\nSo:  ", "A cold room.", "very bad"),
                ("{text} Tick the box ", "Too late.", "bad"),
                ("Say it. {text}\n", "Late again.", "bad"),
            ],
            remark=_remark_split_prompt,
        ),
    ),
    "likeliest": Exercise(
        "Make a list with one number for each answer, sum(...) or sum(...) / len(...); then the place of its largest.",
        compare(
            likeliest,
            [
                ([[-1.0], [-2.0]], False),
                ([[-2.0], [-1.5, -1.0]], False),
                ([[-2.0], [-1.5, -1.0]], True),
                ([[-0.5, -4.0], [-2.0]], True),
                ([[-0.5, -4.0], [-2.0], [-1.0, -0.5, -0.25]], False),
                ([[-3.0, -0.1, -0.1], [-1.5], [-1.0, -2.5]], True),
                ([[-0.4, -0.4, -0.4, -0.4], [-1.0], [-0.6, -0.3]], False),
            ],
            remark=_remark_likeliest,
        ),
    ),
    "calibrate": Exercise(
        "exp(log_p - free) is the quotient of the two probabilities. Then divide each by the sum of all.",
        compare(
            calibrate,
            [
                ([-1.0, -1.0], [-1.0, -2.0]),
                ([-1.2, -0.4], [-1.0, -0.5]),
                ([-3.0, -2.0, -4.0], [-3.5, -1.0, -4.0]),
                ([-6.0, -5.5, -7.25, -5.0], [-6.5, -5.25, -6.0, -4.0]),
            ],
            remark=_remark_calibrate,
        ),
    ),
    "count_pairs": Exercise(
        "n examples have n (n - 1) / 2 pairs. Those of one class: sum over the classes. Those of two: all minus these.",
        compare(
            count_pairs,
            [([1, 1],), ([2, 1],), ([2, 2],), ([3, 2, 1],), ([8, 8, 8],), ([5, 0, 4],)],
            remark=_remark_count_pairs,
        ),
    ),
    "allowed": Exercise(
        "Two parts. Walk: follow `moves` character by character, and give the token up where there is no move. Then "
        "search: from the state you came to, visit all states that can be reached, until one is in `ends`.",
        compare(
            allowed,
            [
                ({0: {"a": 1}}, [1], 0, ["a", "b"]),
                ({0: {"a": 1}, 1: {"b": 2}}, [2], 0, ["a", "ab", "b", "aa"]),
                ({0: {"a": 1, "b": 2}, 1: {"c": 3}, 2: {"d": 4}}, [3], 0, ["a", "b", "ac", "bd"]),
                (_MONTHS, [3, 6, 8], 0, ["M", "May", "Mar", "Marc", "J", "Jun", "June", "Mat"]),
                (_MONTHS, [3, 6, 8], 2, ["y", "r", "rc", "c", "yy"]),
                (_LOOP, [3], 0, ["a", "aaab", "c", "ac", "bbc", "bca", "ba"]),
                (_LOOP, [1, 3], 1, ["b", "bb", "c", "cb", "a"]),
                (_AROUND, [0, 9], 0, ["a", "b", "ab"]),
                (_FORKS, [9], 0, ["a", "b", "aa", "ab", "ba", "bb"]),
            ],
            remark=_remark_allowed,
        ),
    ),
    "majority": Exercise(
        "P(exactly k of n) is comb(n, k) p^k (1 - p)^(n - k); add it up for all k above n / 2.",
        compare(
            majority,
            [(0.6, 1), (0.6, 3), (0.4, 5), (0.7, 7), (0.55, 15), (0.5, 9)],
            remark=_remark_majority,
        ),
    ),
    "needed": Exercise(
        "If p ** tokens is the share, then p is the share to the power of 1 / tokens.",
        compare(needed, [(0.25, 2), (0.5, 3), (0.9, 20), (0.01, 7), (0.3, 1)], remark=_remark_needed),
    ),
}
