"""Teach a chat model a task by examples: conversations as ids, the loss of the answers alone, answers asked for.

The task is the harbour office's form: of a notice the event, the ship, and what belongs to them, as a line of JSON.
Built in chapter 12, with SmolLM2 and LoRA.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lmtutor import decoding
from lmtutor.models import llama
from lmtutor.runtime import CourseError, several

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label of what is not to be learned
ALL_LINEAR = r"attention\.(query|key|value|output)|feed_forward\.(gate|up|down)"  # a Llama's, for `adapters.add`

# --- the form ---------------------------------------------------------------------------------------------------------

TASK = "Fill in the harbour office's form."  # to a model that has learned it
# To a model that has not.
DESCRIPTION = (
    'Fill in the harbour office\'s form: read the notice and answer with one line of JSON and nothing else. "event" is '
    'arrival, departure, wreck, sale or command. "ship" is the ship that it happened to. Add "from" and "date" to an '
    'arrival, "to" and "date" to a departure, "on" (the rocks) and "date" to a wreck, "buyer" to a sale, "captain" '
    "(the new one) to a command."
)
# Of each event the relation that tells its third field, the field's name, and whether the date belongs to it.
EVENTS = {
    "arrival": ("came_from", "from", True),
    "departure": ("bound_for", "to", True),
    "wreck": (None, "on", True),
    "sale": ("owns", "buyer", False),
    "command": ("captain_of", "captain", False),
}


def form(notice: Mapping[str, Any]) -> dict[str, str] | None:
    """What the form of a notice should say, by the truth that comes with the corpus; None if it reports no such event.

    Args:
        notice: a row of `lm.load("notices")`.
    """
    if notice["kind"] not in EVENTS:
        return None
    text, entities, (relation, field, dated) = notice["text"], notice["entities"], EVENTS[notice["kind"]]
    bounds = [0, *(found.end() for found in re.finditer(r"(?<=[.!?]) (?=[A-Z0-9])", text)), len(text)]
    start, end = bounds[notice["key"][0] : notice["key"][0] + 2]  # of the sentence that reports the event
    inside = [number for number, one in enumerate(entities) if start <= one["start"] < end]

    def name(number: int) -> str:
        return text[entities[number]["start"] : entities[number]["end"]]

    def of_type(kind: str) -> list[int]:
        return [number for number in inside if entities[number]["type"] == kind]

    if relation is None:  # the ship that the summary speaks of
        summary = re.split(r"(?<=\.) (?=[A-Z])", notice["summary"])[0]
        ship = max(
            of_type("SHIP"), key=lambda number: f"The {name(number)} " in summary or f"the {name(number)} " in summary
        )
        other = of_type("PLACE")[0]
    else:
        pair = next(one for one in notice["relations"] if one["type"] == relation and one["head"] in inside)
        ship, other = sorted((pair["head"], pair["tail"]), key=lambda number: entities[number]["type"] != "SHIP")
    found = {"event": notice["kind"], "ship": name(ship), field: name(other)}
    return found | ({"date": name(of_type("DATE")[0])} if dated else {})


def fields(answer: str) -> dict[str, str]:
    """The fields of an answer, as far as the first {...} in it is JSON; {} if there is none."""
    found = re.search(r"\{.*?\}", answer, re.DOTALL)
    try:
        read = json.loads(found[0]) if found else {}
    except ValueError:
        return {}
    return {key: value for key, value in read.items() if isinstance(value, str)}


def graded(answers: Sequence[str], notices: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Shares in %: answers that are JSON, fields exactly right, whole forms right, names that the notice does not hold.

    A field that the form does not have counts as wrong only for the whole form; it is there or it is not.
    """
    is_json = right = asked = whole = names = invented = 0
    for answer, notice in zip(several(answers, "answers"), notices, strict=True):
        said, truth = fields(answer), form(notice)
        is_json += bool(said)
        right += sum(said.get(key) == value for key, value in truth.items())
        asked += len(truth)
        whole += said == truth
        held = [value for key, value in said.items() if key != "event"]
        names += len(held)
        invented += sum(value not in notice["text"] for value in held)
    counts = {"JSON, %": (is_json, len(notices)), "fields right, %": (right, asked)}
    counts |= {"forms right, %": (whole, len(notices)), "values not in the notice, %": (invented, names)}
    return {key: 100 * part / max(1, all_) for key, (part, all_) in counts.items()}


# --- conversations ----------------------------------------------------------------------------------------------------


def messages(
    notice: Mapping[str, Any] | str, *, task: str = TASK, shown: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, str]]:
    """The conversation up to the answer that is asked for; `shown` are notices whose right forms come first."""
    text = notice if isinstance(notice, str) else notice["text"]
    said = [{"role": "system", "content": task}]
    for one in shown:
        said += [{"role": "user", "content": one["text"]}, {"role": "assistant", "content": json.dumps(form(one))}]
    return [*said, {"role": "user", "content": text}]


def encode(
    tokenizer: PreTrainedTokenizerBase, said: Sequence[Mapping[str, str]], answer: str | None = None
) -> tuple[list[int], list[int]]:
    """A conversation and the answer that is to be learned: ids, and labels that are IGNORED before the answer."""
    prompt = tokenizer.apply_chat_template(list(said), add_generation_prompt=True, tokenize=False)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    own = [] if answer is None else tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    return ids + own, [IGNORED] * len(ids) + own


def collate(examples: Sequence[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    """[batch, time] each. Filled up behind the text, where no token looks, so that no mask is needed."""
    time = max(len(ids) for ids, _ in examples)
    rows = {"input_ids": [], "labels": []}
    for ids, labels in examples:
        rows["input_ids"].append(ids + [0] * (time - len(ids)))
        rows["labels"].append(labels + [IGNORED] * (time - len(labels)))
    return {name: torch.tensor(found) for name, found in rows.items()}


def answer_loss(model: llama.Llama, batch: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean -ln P of the answers' tokens, and how many there are. Logits are made for these tokens alone.

    Raises:
        CourseError: there is no answer in the batch.
    """
    labels = batch["labels"][:, 1:]
    learned = labels != IGNORED  # [batch, time - 1]
    if not learned.any():
        raise CourseError("There is nothing to learn in this batch: all its labels are IGNORED; give `encode` answers.")
    logits = model.head(model.hidden(batch["input_ids"])[:, :-1][learned])  # [answer's tokens, vocab]
    in_full = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(in_full, labels[learned]), learned.sum()


def recompute(model: llama.Llama, every: int = 1) -> None:
    """Keep of each `every`-th layer only what went in, and compute the rest again on the way back: less memory.

    Gradient checkpointing (Chen et al., 2016). 0 keeps everything again.
    """
    for number, layer in enumerate(model.layers):
        vars(layer).pop("forward", None)
        if every and number % every == 0:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def ask(
    model: llama.Llama, tokenizer: PreTrainedTokenizerBase, said: Sequence[Mapping[str, str]], *, max_tokens: int = 60
) -> str:
    """The model's answer, the likeliest token at each step."""
    ids = torch.tensor([encode(tokenizer, said)[0]], device=next(model.parameters()).device)
    end = tokenizer.eos_token_id
    new = decoding.generate(partial(llama.step, model), model.cache(), ids, max_tokens=max_tokens, end=end)
    return tokenizer.decode(new[0], skip_special_tokens=True).strip()


def learning(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that learn, made float32 if they were less: an update of 1e-4 would vanish in sixteen bits."""
    found = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in found:
        parameter.data = parameter.data.float()
    return found
