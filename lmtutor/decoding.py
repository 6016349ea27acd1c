"""From the probabilities of the next token to text."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lmtutor.data.text import END, START, Vocabulary
from lmtutor.models import finite
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError, several

# The ids that came since the last step [batch, new], and what was read before -> logits of the next token
# [batch, vocab]; for example `functools.partial(gpt.step, model)`.
Step = Callable[[torch.Tensor, Cache], torch.Tensor]


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
    _check_temperature(temperature)
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


def truncate(p: np.ndarray, *, top_k: int | None = None, top_p: float | None = None) -> np.ndarray:
    """Keep the likeliest tokens only, and share out the probability of the others among them.

    Args:
        p: probabilities: [..., vocabulary].
        top_k: keep so many (Fan et al., 2018).
        top_p: keep the fewest that have at least this probability together (Holtzman et al., 2020). Of equally likely
            tokens the first in the vocabulary comes first. With both, top_k goes first.

    Returns:
        Probabilities: [..., vocabulary].

    Raises:
        CourseError: top_k is below 1, or top_p is not in (0, 1].
    """
    if top_k is not None and top_k < 1:
        raise CourseError(f"top_k must be at least 1, not {top_k!r}: that many of the likeliest tokens are kept.")
    if top_p is not None and not 0 < top_p <= 1:
        raise CourseError(f"top_p must be above 0 and at most 1, not {top_p!r}: it is a probability.")
    if top_k is None and top_p is None:
        return p / p.sum(axis=-1, keepdims=True)
    order = np.argsort(-p, axis=-1, kind="stable")  # [..., vocabulary] the likeliest first
    kept = p.copy()
    if top_k is not None:
        np.put_along_axis(kept, order[..., top_k:], 0, axis=-1)
        kept /= kept.sum(axis=-1, keepdims=True)
    if top_p is not None:
        sorted_p = np.take_along_axis(kept, order, axis=-1)
        before = np.cumsum(sorted_p, axis=-1) - sorted_p  # what those in front of each one have together
        np.put_along_axis(kept, order, np.where(before >= top_p, 0, sorted_p), axis=-1)
    return kept / kept.sum(axis=-1, keepdims=True)


def generate(
    step: Step,
    cache: Cache,
    input_ids: torch.Tensor,
    *,
    max_tokens: int,
    end: int | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
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
        temperature: None takes the likeliest token (greedy); above 0 draws one, as in `sample`.
        top_k, top_p: see `truncate`; only with a temperature.
        seed: makes the draw repeatable.

    Returns:
        The new tokens [batch, new], int64. A text that has ended is filled with `end`; when all have, no more come. Nor
        do they when the model cannot read on, as it has no position left; a warning says so.

    Raises:
        CourseError: the temperature, top_k or top_p is out of range, top_k or top_p comes without a temperature, there
            is nothing to read first or more than the model can read, or its logits are not finite.
    """
    _check_first(input_ids)
    if temperature is not None:
        _check_temperature(temperature)
    elif top_k is not None or top_p is not None:
        raise CourseError(
            "top_k and top_p cut what is drawn from, and without a temperature nothing is drawn: set one."
        )
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(operator.index(seed))

    def draw(logits: torch.Tensor) -> torch.Tensor:
        logits = logits.cpu().double()  # [batch, vocab]
        finite(logits)
        # The largest becomes 0 first, so that no temperature makes it infinite.
        p = ((logits - logits.amax(dim=-1, keepdim=True)) / temperature).softmax(dim=-1)
        p = torch.from_numpy(truncate(p.numpy(), top_k=top_k, top_p=top_p))
        return torch.multinomial(p, 1, generator=generator)[:, 0].to(input_ids.device)

    written: list[torch.Tensor] = []
    ended = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)  # [batch]
    with torch.inference_mode():  # like no_grad, and less work for each operation
        for _ in range(max_tokens):
            logits = _next_logits(step, input_ids, cache, len(written), max_tokens)  # [batch, vocab]
            if logits is None:
                break
            token = logits.argmax(dim=-1) if temperature is None else draw(logits)  # [batch]
            if temperature is None:
                finite(logits.gather(1, token[:, None]))  # the largest: NaN if one is
            if end is not None:
                token = token.masked_fill(ended, end)
                ended = token == end
            input_ids = token[:, None]
            written.append(input_ids)
            if end is not None and ended.all():
                break
    # Copied out of there, so that a model can be trained on it.
    return torch.cat(written, dim=1) if written else input_ids.new_empty(len(input_ids), 0)


@dataclass(frozen=True)
class Hypothesis:
    """A text that beam search has found.

    Attributes:
        tokens: its ids: with the one that ends it, without what the model read first.
        log_p: natural logarithm of the probability of these tokens.
        score: what it is ranked by, see `length_normalised`.
    """

    tokens: list[int]
    log_p: float
    score: float


def length_normalised(log_p: float, length: int, length_penalty: float) -> float:
    """log_p / ((5 + length) / 6) ** length_penalty (Wu et al., 2016, equation 14); 0 leaves log_p as it is."""
    return log_p / ((5 + length) / 6) ** length_penalty


def continuations(logits: torch.Tensor, log_p: torch.Tensor, count: int) -> tuple[torch.Tensor, ...]:
    """The likeliest continuations of all beams of each text by one token, on the processor.

    Args:
        logits: [texts * width, vocab], after each beam.
        log_p: [texts, width], of each beam.
        count: how many; if there are fewer, all.

    Returns:
        Three times [texts, continuations], the likeliest first: log_p, the row of `logits` that goes on, the token.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision is too coarse here
    total = log_p.to(logits.device)[..., None] + finite(logits).log_softmax(dim=-1).view(*log_p.shape, logits.shape[1])
    total = total.flatten(1)  # [texts, width * vocab]
    best, place = (part.cpu() for part in total.topk(min(count, total.shape[1])))
    row = torch.arange(len(log_p))[:, None] * log_p.shape[1] + place // logits.shape[1]
    return best, row, place % logits.shape[1]


@torch.inference_mode()
def beam_search(
    step: Step,
    cache: Cache,
    first: torch.Tensor,
    *,
    beams: int,
    max_tokens: int,
    end: int,
    length_penalty: float = 0.6,
) -> list[list[Hypothesis]]:
    """Let the likeliest few beginnings of each text grow, and rank those that have ended.

    At each step the continuations of all beams of a text by all tokens compete. Those among the likeliest `beams` that
    end are finished; the likeliest `beams` that do not end are the next beams. A text is done when `beams` finished
    ones are kept and no open beam can beat the worst of them any more. More beams than there are beginnings, as at
    first with a small vocabulary, are no mistake: then all beginnings are kept.

    Args:
        step: one step of a model, see `Step`.
        cache: what the model has read, one row for each text of the batch; afterwards it is of no use.
        first: [batch] or [batch, time], what the model reads first, all texts of one length, at least one token.
        beams: how many beginnings are kept, and at most returned; 1 with length_penalty 0 is greedy search.
        max_tokens: the most tokens to write; a text that has not ended then counts as it stands. So it does when the
            model cannot read on, as it has no position left; a warning says so.
        end: the id that ends a text; one outside the vocabulary, such as -1, never comes.
        length_penalty: see `length_normalised`; 0 ranks by probability, and so favours short texts.

    Returns:
        For each text of the batch its finished hypotheses, the best score first.

    Raises:
        CourseError: beams or max_tokens is below 1, there is nothing to read first or more than the model can read, or
            its logits are not finite.
    """
    if beams < 1 or max_tokens < 1:
        raise CourseError(f"beams and max_tokens must be at least 1, not {beams!r} and {max_tokens!r}.")
    ids = first if first.dim() == 2 else first[:, None]  # [texts * width, new]; the width is 1 at first
    _check_first(ids)
    finished: list[list[Hypothesis]] = [[] for _ in ids]

    def finish(text: int, tokens: list[int], p: float) -> None:
        finished[text].append(Hypothesis(tokens, p, length_normalised(p, len(tokens), length_penalty)))
        finished[text].sort(key=lambda hypothesis: hypothesis.score, reverse=True)
        del finished[text][beams:]

    texts = list(range(len(ids)))  # those not done
    written = torch.empty(len(ids), 0, dtype=torch.long)  # [texts * width, length]
    log_p = torch.zeros(len(ids), 1)  # [texts, width]
    for length in range(1, max_tokens + 1):
        logits = _next_logits(step, ids, cache, length - 1, max_tokens)
        if logits is None:  # no text can go on, so each counts as it stands
            for text, i in (log_p > -torch.inf).nonzero().tolist():
                finish(texts[text], written[text * log_p.shape[1] + i].tolist(), float(log_p[text, i]))
            break
        # A beam can end in one way only, so that among twice as many continuations there are enough that do not end.
        best, row, token = continuations(logits, log_p, 2 * beams)  # [texts, continuations]
        closes = ((token == end) | (length == max_tokens)) & (best > -torch.inf)
        for text, i in closes[:, :beams].nonzero().tolist():
            finish(texts[text], [*written[row[text, i]].tolist(), int(token[text, i])], float(best[text, i]))
        log_p, order = best.masked_fill(token == end, -torch.inf).topk(min(beams, best.shape[1]))  # [texts, width]
        worst = [finished[text][-1].score if len(finished[text]) == beams else -math.inf for text in texts]
        # What the best open beam can reach, at the length that suits it most: the next one or the last.
        lengths = (length + 1, max_tokens)
        hope = [max(length_normalised(p, n, length_penalty) for n in lengths) for p in log_p[:, 0].tolist()]
        stay = [i for i in range(len(texts)) if hope[i] > worst[i]]
        if not stay or length == max_tokens:
            break
        texts, log_p = [texts[i] for i in stay], log_p[stay]
        rows, new = (part[stay].gather(1, order[stay]).flatten() for part in (row, token))  # [texts * width]
        written = torch.cat([written[rows], new[:, None]], dim=1)
        ids = new[:, None].to(ids.device)
        cache.select(rows.to(ids.device))
    return finished


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


def _next_logits(step: Step, ids: torch.Tensor, cache: Cache, written: int, max_tokens: int) -> torch.Tensor | None:
    """What the model says next [rows, vocab]; None, and a warning, if it has written something and cannot read on."""
    try:
        return step(ids, cache)
    except CourseError as error:
        if not written:
            raise
        warnings.warn(f"The text ends after {written} of {max_tokens} tokens. {error}", stacklevel=3)
        return None


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise CourseError(
            f"The temperature must be above 0, not {temperature!r}; near 0 the likeliest token always wins."
        )


def _check_first(ids: torch.Tensor) -> None:
    if ids.shape[1] == 0:
        raise CourseError(
            "There is nothing to write on from: begin each text with at least one token, such as the one that ends a "
            "sentence."
        )
