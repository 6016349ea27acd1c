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
        CourseError: the temperature, top_k or top_p is out of range, or the model gives every token the probability 0.
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
        p = truncate(p / p.sum(), top_k=top_k, top_p=top_p)
        token = vocabulary.words[generator.choice(len(p), p=p)]
        if token == END:
            break
        drawn.append(token)
        history.append(token)
    return drawn


def truncate(p: np.ndarray, *, top_k: int | None = None, top_p: float | None = None) -> np.ndarray:
    """Keep the likeliest tokens only, and share out the probability of the others among them.

    Args:
        p: probabilities: [vocabulary].
        top_k: keep so many (Fan et al., 2018).
        top_p: keep the fewest that have at least this probability together (Holtzman et al., 2020). Of equally likely
            tokens the first in the vocabulary comes first. With both, top_k goes first.

    Returns:
        Probabilities: [vocabulary].

    Raises:
        CourseError: top_k is below 1, or top_p is not in (0, 1].
    """
    if top_k is not None and top_k < 1:
        raise CourseError(f"top_k must be at least 1, not {top_k!r}: that many of the likeliest tokens are kept.")
    if top_p is not None and not 0 < top_p <= 1:
        raise CourseError(f"top_p must be above 0 and at most 1, not {top_p!r}: it is a probability.")
    order = np.argsort(-p, kind="stable")  # [vocabulary] the likeliest first
    kept = p.copy()
    if top_k is not None:
        kept[order[top_k:]] = 0
        kept /= kept.sum()
    if top_p is not None:
        before = np.cumsum(kept[order]) - kept[order]  # what those in front of each one have together
        kept[order[before >= top_p]] = 0
    return kept / kept.sum()


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
