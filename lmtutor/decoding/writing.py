"""Write on with a model and its cache, one token a step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch

from lmtutor.decoding.choosing import chooser
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError, several

# The ids that came since the last step [batch, new], and what was read before -> logits of the next token
# [batch, vocab]; for example `functools.partial(gpt.step, model)`.
Step = Callable[[torch.Tensor, Cache], torch.Tensor]
Stop = str | Sequence[int]


def generate(
    step: Step,
    cache: Cache,
    input_ids: torch.Tensor,
    *,
    max_tokens: int,
    end: int | None = None,
    stop: Sequence[Stop] = (),
    decode: Callable[[Sequence[int]], str] | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
    seed: int | None = None,
    context: int | None = None,
    on_token: Callable[[torch.Tensor], object] | None = None,
) -> torch.Tensor:
    """Write on, one token a step, in all texts of a batch at once.

    The model should be in evaluation mode. What is drawn is drawn on the processor, so that a seed draws alike on every
    device; PyTorch's own random state is left alone.

    Args:
        step: one step of a model, see `Step`.
        cache: what the model has read; it grows.
        input_ids: [batch, time] what it reads first, all texts of one length, at least one token.
        max_tokens: the most tokens to write.
        end: the id that ends a text; None if none does.
        stop: sequences that end a text once it has written one of them: lists of ids, or strings, which may begin and
            end within a token.
        decode: ids -> string, such as a tokenizer's `decode`; needed for strings in `stop`.
        temperature: None takes the likeliest token (greedy); above 0 draws one, as in `sample`.
        top_k, top_p, min_p: see `truncate`; only with a temperature.
        repetition_penalty: see `penalise`; what was read first counts, too.
        seed: makes the draw repeatable.
        context: the most tokens that the model can read. A longer prompt loses its first tokens, so many that there is
            room for max_tokens or at least for half of the context, and a warning says how many.
        on_token: called with each new token, [batch], as soon as it is there; so a text can be shown while it grows.

    Returns:
        The new tokens [batch, new], int64. A text that has ended is filled with `end`, or, if there is none, with its
        last token; when all have ended, no more come. `ended_at` tells where a text has ended, or that it has not. Nor
        do more come when the model cannot read on, as it has no position left; a warning says so.

    Raises:
        CourseError: an option is out of range, one that cuts comes without a temperature, a string in `stop` without
            `decode`, there is nothing to read first or more than the model can read, or its logits are not finite.
    """
    check_first(input_ids)
    _check_stop(stop, decode)
    input_ids = _fitting(input_ids, context, max_tokens)
    choose = chooser(temperature, seed, repetition_penalty, top_k=top_k, top_p=top_p, min_p=min_p)
    new, read = input_ids, input_ids  # what the model has not read yet, and all: [batch, time]
    ended = torch.zeros(len(new), dtype=torch.bool, device=new.device)  # [batch]
    with torch.inference_mode():  # like no_grad, and less work for each operation
        for written in range(max_tokens):
            logits = next_logits(step, new, cache, written, max_tokens)  # [batch, vocab]
            if logits is None:
                break
            token = choose(logits, read)  # [batch]
            if written and (end is not None or stop):
                token = torch.where(ended, new[:, -1] if end is None else end, token)
            new = token[:, None]
            read = torch.cat([read, new], dim=1)
            if on_token:
                on_token(token)
            if end is not None:
                ended = token == end
            if stop:
                ended = ended | _stopped(read[:, input_ids.shape[1] :], stop, decode)
            if (end is not None or stop) and ended.all():
                break
    return read[:, input_ids.shape[1] :].clone()  # copied out of there, so that a model can be trained on it


def ended_at(
    ids: Sequence[int],
    *,
    end: int | None = None,
    stop: Sequence[Stop] = (),
    decode: Callable[[Sequence[int]], str] | None = None,
) -> int | None:
    """How many tokens a text of `generate` has, with the one that ends it; None if it has not ended.

    Args:
        ids: its tokens: [new].
        end, stop, decode: as in `generate`.
    """
    _check_stop(stop, decode)
    ids = torch.as_tensor(ids).tolist()
    for length in range(1, len(ids) + 1):
        if ids[length - 1] == end or _has_stopped(ids[:length], stop, decode):
            return length
    return None


def _has_stopped(ids: list[int], stop: Sequence[Stop], decode: Callable | None) -> bool:
    """Whether the last token of a text has completed one of the sequences."""
    for one in stop:
        if isinstance(one, str):
            # Each token is at least a byte, so that no earlier ones are needed; some more for half characters.
            if one in decode(ids[-len(one.encode()) - 8 :]):
                return True
        elif ids[-len(one) :] == list(one):
            return True
    return False


def _stopped(written: torch.Tensor, stop: Sequence[Stop], decode: Callable | None) -> torch.Tensor:
    """The same of each text: [batch, new] -> [batch]."""
    found = [_has_stopped(ids, stop, decode) for ids in written.tolist()]
    return torch.tensor(found, dtype=torch.bool, device=written.device)


def _check_stop(stop: Sequence[Stop], decode: Callable | None) -> None:
    for one in several(stop, "stop sequences (strings or lists of ids)"):
        if isinstance(one, int) or not len(one):
            raise CourseError(f"A stop sequence is a string or a list of ids with something in it, not {one!r}.")
        if isinstance(one, str) and decode is None:
            raise CourseError(
                f"To find the string {one!r} the tokens have to be decoded: give `decode=tokenizer.decode`, too."
            )


def _fitting(ids: torch.Tensor, context: int | None, max_tokens: int) -> torch.Tensor:
    """The last tokens of a prompt [batch, time] that is longer than what the model can read."""
    length = ids.shape[1]
    if context is None or length <= context:
        return ids
    keep = max(context - max_tokens, context // 2, 1)
    warnings.warn(
        f"The prompt has {length} tokens, and the model can read {context}: its first {length - keep} are dropped, and "
        f"the last {keep} are read.",
        stacklevel=3,
    )
    return ids[:, -keep:]


def next_logits(step: Step, ids: torch.Tensor, cache: Cache, written: int, max_tokens: int) -> torch.Tensor | None:
    """What the model says next [rows, vocab]; None, and a warning, if it has written something and cannot read on."""
    try:
        return step(ids, cache)
    except CourseError as error:
        if not written:
            raise
        warnings.warn(f"The text ends after {written} of {max_tokens} tokens. {error}", stacklevel=3)
        return None


def check_first(ids: torch.Tensor) -> None:
    """Raise a CourseError if there is nothing to read: [batch, time]."""
    if ids.shape[1] == 0:
        raise CourseError(
            "There is nothing to write on from: begin each text with at least one token, such as the one that ends a "
            "sentence."
        )
