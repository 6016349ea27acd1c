"""From the probabilities of the next token to text.

Floor 3 of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lmtutor.runtime import CourseError
from lmtutor.text import END, START, Vocabulary


def sample(
    next_distribution: Callable[[Sequence[str]], np.ndarray],
    vocabulary: Vocabulary,
    history: Sequence[str] = (START,),
    *,
    max_tokens: int = 40,
    temperature: float = 1.0,
    seed: int | None = None,
) -> list[str]:
    """Draw one token after the other from P(. | history) until </s> comes or `max_tokens` are drawn.

    Args:
        next_distribution: history -> probabilities of the next token: [vocabulary].
        vocabulary: names the tokens.
        history: what stands before; ["<s>"] begins a sentence.
        temperature: above 0. P is raised to the power 1 / temperature and normalised: below 1 plays safe, above 1
            dares.
        seed: makes the draw repeatable.

    Returns:
        The tokens drawn, without the history and without </s>. <unk> is never drawn.

    Raises:
        CourseError: the temperature is not above 0, or the model gives every token the probability 0.
    """
    if not temperature > 0:
        raise CourseError(
            f"The temperature must be above 0, not {temperature!r}; near 0 the likeliest token always wins."
        )
    generator = np.random.default_rng(seed)
    history = list(history)
    drawn: list[str] = []
    for _ in range(max_tokens):
        p = next_distribution(history).copy()  # [vocabulary]
        p[vocabulary.unknown] = 0  # <unk> stands for words that the model cannot spell
        if not p.max() > 0:
            raise CourseError(
                f"After {' '.join(history[-3:])!r} every token has the probability 0, so none can be drawn; "
                f"take a smoothed model, or a history that it has seen."
            )
        p = (p / p.max()) ** (1 / temperature)  # divided by the largest first, so that no power underflows to all zeros
        token = vocabulary.words[generator.choice(len(p), p=p / p.sum())]
        if token == END:
            break
        drawn.append(token)
        history.append(token)
    return drawn


def join(tokens: Sequence[str]) -> str:
    """Tokens back to readable text: no blank before marks that close, none after marks that open."""
    text, glue, inside_quotes = "", "", False
    for token in tokens:
        closes = token in ".,!?;:)]" or (token == '"' and inside_quotes)
        opens = token in "([" or (token == '"' and not inside_quotes)
        text += token if closes else glue + token
        glue = "" if opens else " "
        inside_quotes ^= token == '"'
    return text
