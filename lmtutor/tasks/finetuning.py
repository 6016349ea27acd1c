"""Fine-tuning a BERT into a classifier of texts or pairs, and asking it: pieces, frozen layers, training, prediction.

Built and explained in chapter 10.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from lmtutor import training
from lmtutor.data import batches
from lmtutor.data.text import checked_texts, split_sentences
from lmtutor.models import classifier
from lmtutor.models.bert import BertClassifier
from lmtutor.runtime import CourseError, several

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
    """Ids of texts with their special tokens; what is longer than `max_length` is cut, and a warning says how many.

    Args:
        tokenizer: a tokenizer of `transformers`.
        texts: an empty one gives its special tokens alone.
        max_length: pieces, special tokens included; the tokenizer's own bound if not given.
    """
    max_length = max_length or tokenizer.model_max_length
    texts = checked_texts(texts)
    # A [SEP] or [MASK] that somebody types is text.
    sequences = tokenizer(texts, add_special_tokens=True, verbose=False, split_special_tokens=True)["input_ids"]
    long = [i for i, ids in enumerate(sequences) if len(ids) > max_length]
    if long:
        warnings.warn(
            f"{len(long):,} of {len(sequences):,} texts have more than {max_length} pieces and are cut; "
            f"`finetuning.predict` reads long texts whole, in windows.",
            stacklevel=2,
        )
        again = [texts[i] for i in long]
        cut = tokenizer(again, truncation=True, max_length=max_length, split_special_tokens=True)["input_ids"]
        for i, ids in zip(long, cut, strict=True):
            sequences[i] = ids
    return sequences


def windows_of(tokenizer: PreTrainedTokenizerBase, text: str, max_length: int | None = None) -> list[list[int]]:
    """Ids of overlapping stretches of a text, each with special tokens; neighbours share a quarter of `max_length`.

    Raises:
        CourseError: max_length leaves no room beside the special tokens and the overlap.
    """
    max_length = max_length or tokenizer.model_max_length
    stride = max_length // 4
    if max_length - stride <= tokenizer.num_special_tokens_to_add():
        raise CourseError(f"Windows of {max_length} pieces are too short; take at least 8.")
    read = tokenizer(
        text,
        truncation=True,
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        split_special_tokens=True,
    )
    return read["input_ids"]


def freeze(model: BertClassifier, top_layers: int | None = None) -> int:
    """Let only the head (pooler and classifier) and the top layers learn; all, if `top_layers` is None.

    Returns:
        How many parameters learn.

    Raises:
        CourseError: there are not that many layers.
    """
    layers = model.bert.encoder.layers
    if top_layers is not None and not 0 <= top_layers <= len(layers):
        raise CourseError(
            f"The model has {len(layers)} layers, so from 0 to {len(layers)} can learn: not {top_layers}."
        )
    model.requires_grad_(top_layers is None)
    if top_layers is not None:
        learning = [model.classifier, model.bert.pooler, *layers[len(layers) - top_layers :]]
        for part in learning:
            part.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def finetune(
    model: torch.nn.Module,
    sequences: Sequence[Sequence[int]],
    labels: Sequence[int],
    *,
    validation: tuple[Sequence[Sequence[int]], Sequence[int]] | None = None,
    batch_size: int = 32,
    **options,
) -> pd.DataFrame:
    """Train a classifier in place: batches of similar length, AdamW, a rate that rises and falls in straight lines.

    Args:
        model: takes `input_ids` and `attention_mask`, gives logits [batch, labels]; frozen parameters stay.
        sequences, labels: ids of each text, and its class.
        validation: sequences and labels whose loss is measured for each row of the history.
        batch_size: texts a step; one step of each epoch may have fewer.
        options: `learning_rate`, `epochs` or `steps`, `warm_up`, `seed`, and more: see `training.fit_by_length`.

    Returns:
        The history of `training.fit`; its `epoch` counts the passes over these texts.

    Raises:
        CourseError: labels do not fit the texts or the model, nothing can learn, and as in `training.fit_by_length`.
    """
    labels = classifier.checked_labels(sequences, labels)
    names = getattr(model, "labels", ())
    for number, label in enumerate(labels):
        if names and label >= len(names):
            known = ", ".join(f"{i} ({name})" for i, name in enumerate(names))
            raise CourseError(
                f"Label {number} is {label}, but the model knows {known}; make it with the names of all classes."
            )
    lengths = [len(sequence) for sequence in sequences]
    if validation is not None:  # its numbers go on behind those for training
        batches.check_lengths(list(map(len, validation[0])), "Validation text")
        held_out = classifier.epochs_by_length(*validation, batch_size=batch_size, epochs=1)
        options["validation"] = [[len(lengths) + i for i in group] for group in held_out]
        sequences, labels = [*sequences, *validation[0]], [*labels, *validation[1]]
    collate = classifier.collator(sequences, labels)
    return training.fit_by_length(model, lengths, collate, classifier.loss, batch_size=batch_size, **options)


def predict(
    model: BertClassifier, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int | None = None
) -> np.ndarray:
    """P(class | text): [texts, labels]. A long text is read in windows, whose logits are averaged.

    Args:
        model: its `labels` name the columns.
        tokenizer: the one that the model was trained with.
        texts: a list, not one string.
        max_length: pieces that the model reads at once; the tokenizer's own bound if not given.

    Raises:
        CourseError: `texts` is one string or empty.
    """
    texts = checked_texts(texts)
    if not texts:
        raise CourseError("predict wants a list with at least one text, such as [text].")
    read = [windows_of(tokenizer, text, max_length) for text in texts]
    logits = classifier.logits(model, [ids for one in read for ids in one])  # [windows, labels]
    ends = np.cumsum([len(one) for one in read])
    means = [logits[end - len(one) : end].mean(axis=0) for one, end in zip(read, ends, strict=True)]
    return torch.tensor(np.array(means)).softmax(dim=-1).numpy()


# --- pairs of texts ---------------------------------------------------------------------------------------------------

# What a relation of a notice says, as a sentence of its own, and the relation that it is easily taken for.
SAID = {
    "captain_of": "{0} is the captain of the {1}.",
    "owns": "The {1} belongs to {0}.",
    "came_from": "The {0} came from {1}.",
    "bound_for": "The {0} is bound for {1}.",
}
_MISTAKEN = {"captain_of": "owns", "owns": "captain_of", "came_from": "bound_for", "bound_for": "came_from"}


FALSE = ("name from elsewhere", "name from the sentence", "other relation")  # what makes a statement false


def statements(notices: Sequence[Mapping], seed: int = 0, kinds: Sequence[str] = FALSE) -> list[dict]:
    """Sentences of the notices, each with a statement that follows from it and one that does not.

    Args:
        notices: records of the corpus `notices`, with `text`, `entities` and `relations`.
        seed: draws the false statements.
        kinds: what may make a statement false, of `FALSE`: a name that stands in the notice, but not in the sentence,
            another name of the sentence, or the relation that the true one is easily taken for.

    Returns:
        Dicts with `text` (a sentence), `statement`, `relation` (what the sentence says), `label` (1: the statement
        follows) and `kind` ("true", or what makes it false); a true statement, then the false one of its sentence.
    """
    several(kinds, "kinds")
    rng, made = random.Random(seed), []
    for notice in notices:
        entities = notice["entities"]
        names = [_name(notice["text"], entity) for entity in entities]
        facts = {(names[r["head"]], names[r["tail"]], r["type"]) for r in notice["relations"]}
        for relation in notice["relations"]:
            head, tail, kind = relation["head"], relation["tail"], relation["type"]
            fact = names[head], names[tail], kind
            sentence = _sentence_of(notice["text"], entities[head], entities[tail])
            swaps = [
                (names[i], fact[1], kind) if place == head else (fact[0], names[i], kind)
                for place in (head, tail)
                for i, entity in enumerate(entities)
                if entity["type"] == entities[place]["type"] and names[i] not in fact
            ]
            wrong = {
                "name from elsewhere": [s for s in swaps if s[0] not in sentence or s[1] not in sentence],
                "name from the sentence": [s for s in swaps if s[0] in sentence and s[1] in sentence],
                # A guild owns ships, but is no captain: that would be false whatever the notice says.
                "other relation": [(*fact[:2], _MISTAKEN[kind])] if entities[head]["type"] != "ORG" else [],
            }
            wrong = {why: rest for why in kinds if (rest := [s for s in wrong[why] if s not in facts])}
            if not wrong:
                continue
            why = rng.choice(sorted(wrong))
            for label, reason, (a, b, said) in ((1, "true", fact), (0, why, rng.choice(wrong[why]))):
                statement = SAID[said].format(a, b)
                statement = statement[0].upper() + statement[1:]
                row = {"text": sentence, "statement": statement, "relation": kind, "label": label, "kind": reason}
                made.append(row)
    return made


def _name(text: str, entity: Mapping) -> str:
    """A name as it is written; that of an organisation with the article before it."""
    name = text[entity["start"] : entity["end"]]
    return f"the {name}" if entity["type"] == "ORG" and text[: entity["start"]].endswith("the ") else name


def _sentence_of(text: str, *entities: Mapping) -> str:
    """The sentence in which names stand."""
    end = 0
    for sentence in split_sentences(text):
        start = text.index(sentence, end)
        end = start + len(sentence)
        if end >= max(entity["end"] for entity in entities):
            return sentence
    raise CourseError("The names stand in no sentence of the text.")
