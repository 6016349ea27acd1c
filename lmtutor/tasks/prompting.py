"""Tasks put to a model as text: templates and label words, their scores, calibration; few examples without a prompt.

Built and explained in chapter 13. The parts on language models work with `models.llama`, whose cache keeps what many
prompts have in common; the last part trains a sentence encoder as SetFit does.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lmtutor import training
from lmtutor.data.text import checked_texts
from lmtutor.models import llama
from lmtutor.models.cache import Cache
from lmtutor.runtime import CourseError, several
from lmtutor.tasks.sentences import pad_sides, pooled_sides

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

PLACE = "{text}"  # where the text goes in a template
Example = tuple[str, str]  # a text and the word for its label

# --- prompts ----------------------------------------------------------------------------------------------------------


def check_template(template: str) -> None:
    """Raise a CourseError unless a template has exactly one place for the text, and ends where an answer can begin."""
    if (count := template.count(PLACE)) != 1:
        raise CourseError(f"A template needs one place for the text, {PLACE}, and {template!r} has {count}.")
    if template != template.rstrip(" "):
        raise CourseError(
            f"The template {template!r} ends with a blank, which belongs to the answer's first token (' good'): take "
            f"it off."
        )


def check_words(words: Mapping[str, str], labels: Sequence[str] = ()) -> None:
    """Raise a CourseError unless each label has a word, and no two the same one.

    Args:
        words: the verbaliser: label -> what the model should say for it.
        labels: those that there are; those of `words` if not given.
    """
    for label in [*words, *several(labels, "labels")]:
        if not words.get(label, "").strip():
            raise CourseError(f"The label {label!r} has no word that the model could say for it: add it to `words`.")
    if len({word.strip() for word in words.values()}) < max(2, len(words)):
        raise CourseError(f"A verbaliser needs two labels or more, each with a word of its own, not {dict(words)}.")


def filled(template: str, text: str, shown: Sequence[Example] = ()) -> str:
    """The prompt for a text, after examples that are filled in with their words, an empty line between.

    Args:
        template: has one `{text}`; the answer follows its end after a blank.
        text: the text in question.
        shown: texts and the words of their labels, in the order in which they are shown.
    """
    check_template(template)
    before = [f"{template.replace(PLACE, one)} {word.strip()}\n\n" for one, word in several(shown, "examples")]
    return "".join(before) + template.replace(PLACE, text)


# --- scores -----------------------------------------------------------------------------------------------------------


def shared_start(sequences: Sequence[Sequence[int]]) -> int:
    """How many ids all sequences begin with alike; at least the last id of each stays out."""
    most = min(map(len, sequences)) - 1
    first = sequences[0]
    return next((i for i in range(most) if any(one[i] != first[i] for one in sequences)), most)


def answer_log_p(
    model: llama.Llama, ids: Sequence[int], answers: Sequence[Sequence[int]], cache: Cache | None = None
) -> list[torch.Tensor]:
    """ln P of each token of each answer after a prompt.

    Args:
        model: in evaluation mode.
        ids: the prompt, or what of it the cache does not hold yet; at least one id.
        answers: ids of each answer, at least one.
        cache: holds the beginning of the prompt; afterwards it holds that and no more.

    Returns:
        One vector an answer: [tokens of the answer], in float32 at least.
    """
    cache = model.cache() if cache is None else cache
    held, device = cache.length, next(model.parameters()).device
    with torch.inference_mode():
        logits = llama.step(model, torch.tensor([ids], device=device), cache)  # [1, vocab]
        log_p = [_in_full(logits).log_softmax(-1)[0, [one[0] for one in answers]][:, None]]  # [answers, 1]
        rest = max(map(len, answers)) - 1
        if rest:  # all answers at once, filled up behind, where no token looks
            rows = torch.tensor([[*one, *[0] * (rest + 1 - len(one))] for one in answers], device=device)
            cache.select(torch.zeros(len(answers), dtype=torch.long, device=device))
            after = _in_full(model(rows[:, :-1], cache)).log_softmax(-1)  # [answers, rest, vocab]
            log_p.append(after.gather(2, rows[:, 1:, None])[..., 0])
            cache.select(torch.zeros(1, dtype=torch.long, device=device))
        cache.cut(held)
    found = torch.cat(log_p, dim=1).cpu()  # [answers, longest]
    return [row[: len(one)].clone() for row, one in zip(found, answers, strict=True)]


def _in_full(logits: torch.Tensor) -> torch.Tensor:
    """Logits of sixteen bits as float32."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def scores(
    model: llama.Llama,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    words: Sequence[str],
    *,
    mean: bool = False,
    reuse: bool = True,
) -> np.ndarray:
    """ln P(word | prompt) of each word after each prompt: [prompts, words].

    What all prompts begin with is read once. Special tokens in a prompt, such as a chat template's, are read as such.

    Args:
        model: SmolLM2 or another `Llama`, in evaluation mode.
        prompts: they end where the answer begins, without the blank before it.
        words: what may follow, each after one blank.
        mean: divide by the number of a word's tokens.
        reuse: whether to keep what is shared; without, each prompt is read from its first token.

    Raises:
        CourseError: there is no prompt, an empty one, or a word without a letter.
    """
    prompts, words = checked_texts(prompts), checked_texts(words)
    if not prompts or not all(prompts) or not words or not all(word.strip() for word in words):
        raise CourseError("Scores need at least one prompt and one word, and none of them empty.")
    ids = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    answers = [tokenizer(f" {word.strip()}", add_special_tokens=False)["input_ids"] for word in words]
    cache, shared = model.cache(), shared_start(ids) if reuse else 0
    if shared:
        device = next(model.parameters()).device
        with torch.inference_mode():
            model.hidden(torch.tensor([ids[0][:shared]], device=device), cache)
    found = [answer_log_p(model, one[shared:], answers, cache) for one in ids]
    return np.array([[(row.mean() if mean else row.sum()).item() for row in one] for one in found])


def calibrated(log_p: np.ndarray, free: np.ndarray) -> np.ndarray:
    """P(label | text) after contextual calibration (Zhao et al., 2021): divided by what an empty text gets.

    Args:
        log_p: ln P of the labels' words after each prompt: [texts, labels].
        free: the same after prompts whose text says nothing: [contents, labels], or [labels].

    Returns:
        [texts, labels], each row with the sum 1.
    """
    free = np.atleast_2d(free)
    prior = np.exp(free - np.logaddexp.reduce(free, axis=1, keepdims=True)).mean(axis=0)  # [labels]
    shifted = log_p - np.log(prior)
    return np.exp(shifted - np.logaddexp.reduce(shifted, axis=1, keepdims=True))


def vote(answers: Sequence) -> object:
    """The answer that came most often; of several such the one that came first (Wang et al., 2023)."""
    if not len(several(answers, "answers")):
        raise CourseError("Without an answer there is nothing to vote on.")
    return max(dict.fromkeys(answers), key=list(answers).count)


# --- a sentence encoder and few examples ------------------------------------------------------------------------------


def pairs(labels: Sequence[int], count: int, seed: int = 0) -> list[tuple[int, int, float]]:
    """Pairs of examples to learn from, as SetFit draws them (Tunstall et al., 2022): half of one class, half of two.

    Args:
        labels: the class of each example: [examples].
        count: how many pairs.

    Returns:
        (number of the one, number of the other, 1.0 if their classes are the same, else 0.0).

    Raises:
        CourseError: there is one class only, or no class has two examples.
    """
    members: dict[int, list[int]] = {}
    for number, label in enumerate(labels):
        members.setdefault(label, []).append(number)
    several_of = [group for group in members.values() if len(group) > 1]
    if len(members) < 2 or not several_of:
        raise CourseError("Pairs need two classes or more, and one of them with two examples or more.")
    rng, found = random.Random(seed), []
    for number in range(count):
        if number % 2:
            first, second = rng.sample(list(members.values()), 2)
            found.append((rng.choice(first), rng.choice(second), 0.0))
        else:
            found.append((*rng.sample(rng.choice(several_of), 2), 1.0))
    return found


def teach_pairs(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    labels: Sequence[int],
    *,
    steps: int,
    batch_size: int = 16,
    learning_rate: float = 5e-5,
    seed: int = 0,
    **options,
) -> pd.DataFrame:
    """Train an encoder in place as SetFit does: the cosine of a pair's vectors towards 1 in a class, 0 between two.

    Args:
        model: a `Bert`.
        sequences: ids of each example, special tokens included.
        labels: its class.
        batch_size: pairs a step.
        options: see `training.fit`.

    Returns:
        The history of `training.fit`.
    """

    def collate(chosen):
        first, second, same = zip(*chosen, strict=True)
        sides = ([sequences[i] for i in side] for side in (first, second))
        return pad_sides(*sides) | {"same": torch.tensor(same)}

    def loss(net, batch):
        same = batch["same"]
        likeness = F.cosine_similarity(*pooled_sides(net, batch))
        return F.mse_loss(likeness, same), torch.tensor(len(same), device=same.device)

    return training.fit(
        model,
        pairs(labels, steps * batch_size, seed),
        loss=loss,
        collate=collate,
        steps=steps,
        batch_size=batch_size,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01),
        scheduler=training.rise_and_fall,
        **options,
    )


def expected_best(accuracies: Sequence[float], examples: int, seed: int = 0, draws: int = 10_000) -> float:
    """What the best of several prompts is expected to score on so many examples, if these are their true accuracies.

    By drawing each prompt's number of right answers at random, on its own.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.binomial(examples, np.asarray(accuracies), size=(draws, len(accuracies)))
    return float(drawn.max(axis=1).mean() / examples)
