"""Which token comes next: what changes a distribution before one is taken from it."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import torch

from lmtutor.models import finite
from lmtutor.runtime import CourseError


def truncate(
    p: np.ndarray, *, top_k: int | None = None, top_p: float | None = None, min_p: float | None = None
) -> np.ndarray:
    """Keep the likeliest tokens only, and share out the probability of the others among them.

    Args:
        p: probabilities: [..., vocabulary].
        top_k: keep so many (Fan et al., 2018).
        top_p: keep the fewest that have at least this probability together (Holtzman et al., 2020). Of equally likely
            tokens the first in the vocabulary comes first. With both, top_k goes first.
        min_p: keep those that have at least this share of the likeliest one's probability (Nguyen et al., 2024).

    Returns:
        Probabilities: [..., vocabulary].

    Raises:
        CourseError: top_k is below 1, top_p is not in (0, 1], or min_p not in [0, 1].
    """
    if top_k is not None and top_k < 1:
        raise CourseError(f"top_k must be at least 1, not {top_k!r}: that many of the likeliest tokens are kept.")
    if top_p is not None and not 0 < top_p <= 1:
        raise CourseError(f"top_p must be above 0 and at most 1, not {top_p!r}: it is a probability.")
    if min_p is not None and not 0 <= min_p <= 1:
        raise CourseError(f"min_p must be from 0 to 1, not {min_p!r}: it is a share of the largest probability.")
    kept = p.copy()
    if top_k is not None or top_p is not None:
        order = np.argsort(-p, axis=-1, kind="stable")  # [..., vocabulary] the likeliest first
    if top_k is not None:
        np.put_along_axis(kept, order[..., top_k:], 0, axis=-1)
        kept /= kept.sum(axis=-1, keepdims=True)
    if top_p is not None:
        sorted_p = np.take_along_axis(kept, order, axis=-1)
        before = np.cumsum(sorted_p, axis=-1) - sorted_p  # what those in front of each one have together
        np.put_along_axis(kept, order, np.where(before >= top_p, 0, sorted_p), axis=-1)
    if min_p is not None:
        kept = np.where(p >= min_p * p.max(axis=-1, keepdims=True), kept, 0)
    return kept / kept.sum(axis=-1, keepdims=True)


def penalise(logits: torch.Tensor, ids: torch.Tensor, penalty: float) -> torch.Tensor:
    """Make tokens that have occurred less likely (CTRL: Keskar et al., 2019, section 4.1).

    Args:
        logits: [batch, vocab]; those of tokens that have occurred are divided by the penalty, or, if below 0,
            multiplied by it, once however often the token has occurred.
        ids: [batch, time] what has occurred.
        penalty: above 0; 1 changes nothing, 1.2 is the paper's.

    Returns:
        [batch, vocab].

    Raises:
        CourseError: the penalty is not above 0.
    """
    if not penalty > 0:
        raise CourseError(f"The repetition penalty must be above 0, not {penalty!r}; 1 changes nothing.")
    there = logits.gather(1, ids)  # [batch, time]
    return logits.scatter(1, ids, torch.where(there < 0, there * penalty, there / penalty))


def distribution(logits: torch.Tensor, temperature: float, **cuts: float | None) -> torch.Tensor:
    """Probabilities [..., vocab] on the processor, float64, after the temperature and the `cuts` of `truncate`.

    Raises:
        CourseError: a cut is out of range, or the logits are not finite.
    """
    logits = finite(logits.cpu().double())
    # The largest becomes 0 first, so that no temperature makes it infinite.
    p = ((logits - logits.amax(dim=-1, keepdim=True)) / temperature).softmax(dim=-1)
    return torch.from_numpy(truncate(p.numpy(), **cuts))


def chooser(
    temperature: float | None, seed: int | None, penalty: float | None, **cuts: float | None
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """How a token is chosen: logits [batch, vocab] and the ids before them [batch, time] -> ids [batch].

    Raises:
        CourseError: the temperature is out of range, or there is none and something to cut.
    """
    if temperature is not None:
        check_temperature(temperature)
    elif any(cut is not None for cut in cuts.values()):
        names = ", ".join(cuts)
        raise CourseError(f"{names} cut what is drawn from, and without a temperature nothing is drawn: set one.")
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(operator.index(seed))

    def choose(logits: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        logits = logits if penalty is None else penalise(logits, before, penalty)
        if temperature is None:
            token = logits.argmax(dim=-1)
            finite(logits.gather(1, token[:, None]))  # the largest: NaN if one is
            return token
        p = distribution(logits, temperature, **cuts)
        return torch.multinomial(p, 1, generator=generator)[:, 0].to(logits.device)

    return choose


def check_temperature(temperature: float) -> None:
    """Raise a CourseError unless it is above 0."""
    if not temperature > 0:
        raise CourseError(
            f"The temperature must be above 0, not {temperature!r}; near 0 the likeliest token always wins."
        )
