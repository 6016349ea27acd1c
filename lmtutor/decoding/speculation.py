"""Speculative decoding: a small model guesses ahead, and the large one reads all its guesses at once."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from lmtutor.decoding.choosing import check_temperature, distribution
from lmtutor.decoding.writing import check_first
from lmtutor.models import finite
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError

if TYPE_CHECKING:  # transformers takes seconds to import
    from transformers import PreTrainedTokenizerBase

# The ids that came since the last step [1, new], and what was read before -> logits after each of them
# [1, new, vocab]; for example a `Llama`, or `functools.partial(gpt.logits, model)`.
Logits = Callable[[torch.Tensor, Cache], torch.Tensor]
OTHER_TOKENIZER = (
    "The draft must have the target's tokenizer, as an id of one means nothing to the other: take two models of one "
    "family."
)


@dataclass(frozen=True)
class Speculation:
    """A text that two models have written, and how well the small one guessed.

    Attributes:
        tokens: the new tokens [1, new], int64, as `generate` gives them.
        guessed: how many tokens the draft has guessed.
        accepted: how many of these the target took.
        forwards: how often the target was asked; without a draft once for each token.
    """

    tokens: torch.Tensor
    guessed: int
    accepted: int
    forwards: int

    @property
    def acceptance(self) -> float:
        """The share of guesses that was taken; 0 if nothing was guessed."""
        return self.accepted / max(self.guessed, 1)


@torch.inference_mode()
def speculative(
    target: Logits,
    target_cache: Cache,
    draft: Logits,
    draft_cache: Cache,
    input_ids: torch.Tensor,
    *,
    max_tokens: int,
    guesses: int = 4,
    end: int | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    seed: int | None = None,
    tokenizers: tuple[PreTrainedTokenizerBase, PreTrainedTokenizerBase] | None = None,
) -> Speculation:
    """Write on as the target alone would, with fewer steps of it (Leviathan et al., 2023, algorithm 1).

    The draft writes some tokens, one a step; the target reads them all in one step and says of each how likely it is.
    Guess x is accepted with probability min(1, p(x) / q(x)), and instead of the first that is not one is drawn from
    max(p - q, 0), normalised. So each token has exactly the target's distribution p, whatever the draft's q is.

    Args:
        target, draft: see `Logits`; in evaluation mode.
        target_cache, draft_cache: what each has read; both grow.
        input_ids: [1, time] what both read first.
        max_tokens: the most tokens to write.
        guesses: how many tokens the draft writes at a time.
        end: the id that ends the text; None if none does.
        temperature, top_k, top_p, min_p, seed: as in `generate`; without a temperature the text is the greedy one.
        tokenizers: of the target and of the draft: that they are the same is checked.

    Raises:
        CourseError: an option is out of range, there is not exactly one text with something to read, the two models
            have not the same vocabulary, or the target cannot read the text.
    """
    _check(input_ids, guesses, temperature, tokenizers)
    cuts = {"top_k": top_k, "top_p": top_p, "min_p": min_p}
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(operator.index(seed))
    text, first = input_ids[0].tolist(), input_ids.shape[1]
    starts = (target_cache.length, draft_cache.length)  # what was read before the text
    guessed = accepted = forwards = 0

    def look(model: Logits, cache: Cache, start: int, ids: list[int]) -> torch.Tensor:
        """Probabilities after each of the tokens that are new to a model: [new, vocab]."""
        new = torch.tensor([ids[cache.length - start :]], device=input_ids.device)
        logits = model(new, cache)[0]
        if temperature is not None:
            return distribution(logits, temperature, **cuts)
        return F.one_hot(finite(logits).cpu().argmax(dim=-1), logits.shape[-1]).double()

    while len(text) - first < max_tokens and (len(text) == first or text[-1] != end):
        ahead, q = list(text), []
        try:
            for _ in range(min(guesses, first + max_tokens - len(text) - 1)):
                q.append(look(draft, draft_cache, starts[1], ahead)[-1])
                ahead.append(_draw(q[-1], generator))
            p = look(target, target_cache, starts[0], ahead)[-len(q) - 1 :]
        except IndexError:  # from an embedding
            raise CourseError(f"One of the two models does not know a token's id. {OTHER_TOKENIZER}") from None
        except CourseError as error:
            if len(text) == first:
                raise
            warnings.warn(f"The text ends after {len(text) - first} of {max_tokens} tokens. {error}", stacklevel=2)
            break
        _check_vocabularies(p, q)
        forwards, guessed = forwards + 1, guessed + len(q)
        taken, token = _verify(p, q, ahead[len(text) :], generator)
        accepted += taken
        text = [*ahead[: len(text) + taken], token]
        if end in text[first:]:
            text = text[: text.index(end, first) + 1]
        for cache, start in zip((target_cache, draft_cache), starts, strict=True):
            cache.cut(min(cache.length, start + len(text) - 1))  # what was not taken is forgotten
    return Speculation(
        torch.tensor([text[first:]], dtype=torch.long, device=input_ids.device), guessed, accepted, forwards
    )


def _verify(p: torch.Tensor, q: list[torch.Tensor], tokens: list[int], generator: torch.Generator) -> tuple[int, int]:
    """How many guesses are taken, and the token that comes after them.

    Args:
        p: what the target says at the place of each guess, and after the last: [guesses + 1, vocab].
        q: what the draft said, for each guess [vocab].
        tokens: the guesses.
        generator: of what is drawn.
    """
    for taken, (token, p_here, q_here) in enumerate(zip(tokens, p, q, strict=False)):
        take = min(1.0, float(p_here[token] / q_here[token]))
        if not _draw(torch.tensor([1 - take, take], dtype=torch.float64), generator):
            return taken, _draw((p_here - q_here).clamp(min=0), generator)
    return len(q), _draw(p[len(q)], generator)


def _draw(p: torch.Tensor, generator: torch.Generator) -> int:
    """An index, each with a probability in proportion to its weight: [choices]."""
    return int(torch.multinomial(p, 1, generator=generator))


def _check(ids: torch.Tensor, guesses: int, temperature: float | None, tokenizers: tuple | None) -> None:
    check_first(ids)
    if len(ids) != 1:
        raise CourseError(
            f"Speculative decoding writes one text at a time, and these are {len(ids)}: call it for each."
        )
    if guesses < 1:
        raise CourseError(f"The draft must guess at least 1 token at a time, not {guesses!r}.")
    if temperature is not None:
        check_temperature(temperature)
    if tokenizers and tokenizers[0].get_vocab() != tokenizers[1].get_vocab():
        raise CourseError(OTHER_TOKENIZER)


def _check_vocabularies(p: torch.Tensor, q: list[torch.Tensor]) -> None:
    if q and q[0].shape[-1] != p.shape[-1]:
        raise CourseError(f"The draft knows {q[0].shape[-1]} tokens and the target {p.shape[-1]}. {OTHER_TOKENIZER}")
