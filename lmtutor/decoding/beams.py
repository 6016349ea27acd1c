"""Beam search: the likeliest few beginnings of a text grow side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from lmtutor.decoding.writing import Step, check_first, next_logits
from lmtutor.models import finite
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError


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
    check_first(ids)
    finished: list[list[Hypothesis]] = [[] for _ in ids]

    def finish(text: int, tokens: list[int], p: float) -> None:
        finished[text].append(Hypothesis(tokens, p, length_normalised(p, len(tokens), length_penalty)))
        finished[text].sort(key=lambda hypothesis: hypothesis.score, reverse=True)
        del finished[text][beams:]

    texts = list(range(len(ids)))  # those not done
    written = torch.empty(len(ids), 0, dtype=torch.long)  # [texts * width, length]
    log_p = torch.zeros(len(ids), 1)  # [texts, width]
    for length in range(1, max_tokens + 1):
        logits = next_logits(step, ids, cache, length - 1, max_tokens)
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
