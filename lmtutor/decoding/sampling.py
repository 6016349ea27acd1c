"""Words drawn one by one from a model that gives a distribution after each history, such as an n-gram model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lmtutor.data.text import END, START, Vocabulary
from lmtutor.decoding.choosing import check_temperature, truncate
from lmtutor.runtime import CourseError, several


def sample(
    next_distribution: Callable[[Sequence[str]], np.ndarray],
    vocabulary: Vocabulary,
    history: Sequence[str] = (START,),
    *,
    max_tokens: int = 40,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> list[str]:
    """Draw one token after the other from P(. | history) until </s> comes or `max_tokens` are drawn.

    Args:
        next_distribution: history -> probabilities of the next token: [vocabulary].
        vocabulary: names the tokens.
        history: what stands before; ["<s>"] begins a sentence.
        temperature: above 0. P is raised to the power 1 / temperature and normalised: below 1 plays safe, above 1
            dares.
        top_k, top_p: see `truncate`, which comes after the temperature.
        seed: makes the draw repeatable.

    Returns:
        The tokens drawn, without the history and without </s>. <unk> is never drawn.

    Raises:
        CourseError: the temperature, top_k or top_p is out of range, or after some history the model gives no token but
            <unk> a probability above 0, or one that is no number.
    """
    check_temperature(temperature)
    generator = np.random.default_rng(seed)
    history = list(several(history, "words"))
    drawn: list[str] = []
    for _ in range(max_tokens):
        p = next_distribution(history).copy()  # [vocabulary]
        there = f"After {' '.join(history[-3:])!r}"
        if not np.isfinite(p).all():
            raise CourseError(f"{there} the model's probabilities are not finite: it was not trained, or diverged.")
        unknown = p[vocabulary.unknown]
        p[vocabulary.unknown] = 0  # <unk> stands for words that the model cannot spell
        if not p.max() > 0 and unknown > 0:
            raise CourseError(
                f"{there} only {vocabulary.words[vocabulary.unknown]} can come, which stands for words that the model "
                f"cannot spell, so none can be drawn; take a vocabulary with more words (a lower min_count)."
            )
        if not p.max() > 0:
            raise CourseError(
                f"{there} every token has the probability 0, so none can be drawn; "
                f"take a smoothed model, or a history that it has seen."
            )
        p = (p / p.max()) ** (1 / temperature)  # divided by the largest first, so that no power underflows to all zeros
        p = truncate(p / p.sum(), top_k=top_k, top_p=top_p)
        token = vocabulary.words[generator.choice(len(p), p=p)]
        if token == END:
            break
        drawn.append(token)
        history.append(token)
    return drawn


def join(tokens: Sequence[str]) -> str:
    """Tokens back to readable text: no blank before marks that close, none after marks that open."""
    text, glue, inside_quotes = "", "", False
    for token in several(tokens, "tokens"):
        closes = token in ".,!?;:)]" or (token == '"' and inside_quotes)
        opens = token in "([" or (token == '"' and not inside_quotes)
        text += token if closes else glue + token
        glue = "" if opens else " "
        inside_quotes ^= token == '"'
    return text
