"""What models that tag, relate and answer learn from, and asking them; what chapter 11 needs more than once."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from lmtutor.data import batches
from lmtutor.data.text import checked_texts
from lmtutor.data.text import words as words_of
from lmtutor.models import evaluating, finite, tagger
from lmtutor.models.bert import Bert
from lmtutor.models.crf import CRFTagger
from lmtutor.runtime import CourseError, several
from lmtutor.tasks import answering, tagging
from lmtutor.tasks.tagging import Sentence, Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RENAMED = ("PERSON", "PLACE", "SHIP")  # types whose names may be exchanged for any others


def encode_words(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], words: Sequence[Sequence[str]]
) -> tuple[list[list[int]], list[list[tuple[int, int]]], list[list[tuple[int, int]]]]:
    """Texts as pieces: of each the ids, the pieces' places and the words' places, both in characters.

    What is longer than the tokenizer's bound is cut; `tagging.first_pieces` then gives None for the words behind.
    """
    texts = checked_texts(texts)
    read = tokenizer(texts, return_offsets_mapping=True, truncation=True, split_special_tokens=True)
    places = [tagging.places_of(text, found) for text, found in zip(texts, words, strict=True)]
    return read["input_ids"], [list(map(tuple, one)) for one in read["offset_mapping"]], places


def predict_tags(
    model: tagger.BertTagger | CRFTagger,
    sequences: Sequence[Sequence[int]],
    offsets: Sequence[Sequence[tuple[int, int]]],
    places: Sequence[Sequence[tuple[int, int]]],
    *,
    legal: bool = True,
) -> list[list[str]]:
    """A tag for each word, from the scores of its first piece; O for a word that has none.

    Args:
        model: its `labels` are BIO or BIOES tags. One with a conditional random field takes its likeliest sequence.
        sequences, offsets, places: as `encode_words` gives them.
        legal: take the best legal sequence, or else the best tag of each word alone.
    """
    found = []
    for scores, pieces, of_words in zip(tagger.logits(model, sequences), offsets, places, strict=True):
        first = tagging.first_pieces(pieces, of_words)
        kept = scores[[i for i in first if i is not None]]  # [words, tags]
        if isinstance(model, CRFTagger):
            chosen = [model.labels[i] for i in model.crf.decode(kept)]
        elif legal:
            chosen = tagging.best_legal(torch.tensor(kept).log_softmax(-1).numpy(), model.labels)
        else:
            chosen = [model.labels[i] for i in kept.argmax(-1)]
        said = iter(chosen)
        found.append([next(said) if i is not None else tagging.OUTSIDE for i in first])
    return found


def text_vectors(
    model: Bert, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, max_length: int = 256
) -> np.ndarray:
    """A vector of length 1 for each text, the mean of its tokens' vectors: [texts, hidden]. Longer texts are cut."""
    read = tokenizer(checked_texts(texts), truncation=True, max_length=max_length, split_special_tokens=True)
    ids, found = read["input_ids"], np.zeros((len(texts), model.pooler.in_features))
    with evaluating(model) as device:
        for group in batches.in_order_of_length(list(map(len, ids)), 64):
            batch = {name: tensor.to(device) for name, tensor in batches.pad([ids[i] for i in group]).items()}
            mask = batch["attention_mask"][..., None]
            mean = (finite(model(**batch)) * mask).sum(1) / mask.sum(1)
            found[group] = F.normalize(mean, dim=-1).cpu().double().numpy()
    return found


# --- relations --------------------------------------------------------------------------------------------------------


def pairs_of(
    sentence: Sentence, relations: Sequence[Mapping], allowed: set[tuple[str, str]]
) -> list[tuple[Span, Span, str]]:
    """All pairs of names of a sentence that a relation might join, with the one that does or "none".

    Args:
        sentence: with its names.
        relations: dicts with head, tail (numbers of names in the longer text) and type.
        allowed: the types of head and tail that occur in relations.
    """
    known = {(one["head"], one["tail"]): one["type"] for one in relations}
    names = list(zip(sentence.spans, sentence.numbers, strict=True))
    return [
        (head, tail, known.get((i, j), "none"))
        for (head, i), (tail, j) in permutations(names, 2)
        if (head.type, tail.type) in allowed
    ]


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], pairs: Sequence[Sequence[tuple]]
) -> tuple[list[list[int]], list[list[tuple[int, int, int, int]]]]:
    """Texts as ids, and for each pair where its names lie in pieces: head's first and end, tail's first and end."""
    texts = checked_texts(texts)
    read = tokenizer(texts, return_offsets_mapping=True, split_special_tokens=True)
    found = []
    for offsets, of_text in zip(read["offset_mapping"], pairs, strict=True):

        def pieces(span: Span, offsets=offsets) -> tuple[int, int]:
            inside = [i for i, (a, b) in enumerate(offsets) if a < b and a < span.end and b > span.start]
            if not inside:
                raise CourseError(f"The name at characters {span.start} to {span.end} of a text holds nothing visible.")
            return inside[0], inside[-1] + 1

        found.append([(*pieces(head), *pieces(tail)) for head, tail, *_ in of_text])
    return read["input_ids"], found


def pair_collator(
    sequences: Sequence[Sequence[int]], places: Sequence[Sequence[tuple]], labels: Sequence[Sequence[int]]
) -> Callable[[list[list[int]]], dict[str, torch.Tensor]]:
    """A `collate` for `training.fit`: a list of indices -> texts, their `pairs` [pairs, 5], and `labels` [pairs]."""

    def collate(chosen: list[list[int]]) -> dict[str, torch.Tensor]:
        (indices,) = chosen
        pairs = [(row, *pair) for row, i in enumerate(indices) for pair in places[i]]
        said = [label for i in indices for label in labels[i]]
        batch = batches.pad([sequences[i] for i in indices])
        numbers = torch.tensor(pairs, dtype=torch.long).reshape(-1, 5)  # so too if no text has a pair
        return {**batch, "pairs": numbers, "labels": torch.tensor(said, dtype=torch.long)}

    return collate


def pair_loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Cross-entropy over pairs (0 if there is none), and their number: for `training.fit`."""
    logits = model(batch["input_ids"], batch["attention_mask"], batch["pairs"])  # [pairs, labels]
    total, count = F.cross_entropy(logits.float(), batch["labels"], reduction="sum"), len(batch["labels"])
    return total / max(count, 1), count


def predict_pairs(
    model: tagger.RelationClassifier, sequences: Sequence[Sequence[int]], places: Sequence[Sequence[tuple]]
) -> list[list[str]]:
    """The likeliest relation of each pair of each text."""
    batches.check_lengths(list(map(len, sequences)))
    collate = pair_collator(sequences, places, [[0] * len(pairs) for pairs in places])
    found = []
    with evaluating(model) as device:
        for start in range(0, len(sequences), 64):
            batch = collate([list(range(start, min(start + 64, len(sequences))))])
            inputs = [batch[name].to(device) for name in ("input_ids", "attention_mask", "pairs")]
            said = iter(finite(model(*inputs)).argmax(-1).tolist())
            found += [[model.labels[next(said)] for _ in pairs] for pairs in places[start : start + 64]]
    return found


# --- answers ----------------------------------------------------------------------------------------------------------


def name_words(rows: Sequence[Mapping]) -> list[str]:
    """All words of names of persons, places and ships in texts with `text` and `entities`, in alphabetical order."""
    return sorted(
        {
            word
            for row in rows
            for e in row["entities"]
            if e["type"] in RENAMED
            for word in words_of(row["text"][e["start"] : e["end"]])
            if word[0].isupper()
        }
    )


def exchange_names(
    text: str, entities: Sequence[Mapping], questions: Sequence[str], names: Sequence[str], rng: random.Random
) -> tuple[str, list[dict], list[str]]:
    """The same text with other names: each word of a person's, place's or ship's name becomes another one throughout.

    A model that learns from many such versions cannot learn names by heart.

    Args:
        text: running text.
        entities: its names, dicts with start, end and type.
        questions: questions on it, in which the names change with those of the text.
        names: words to take names from.
        rng: draws them.

    Returns:
        The text, its names and the questions.
    """
    exchanged = [e for e in entities if e["type"] in RENAMED]
    old = {word for e in exchanged for word in words_of(text[e["start"] : e["end"]]) if word[0].isupper()}
    names = several(names, "names")
    if len(names) < len(old):
        raise CourseError(
            f"The text has {len(old)} words of names to exchange, but there are only {len(names)} others."
        )
    new = dict(zip(sorted(old), rng.sample(list(names), len(old)), strict=True))
    pattern = (
        re.compile(r"\b(" + "|".join(map(re.escape, sorted(new, key=len, reverse=True))) + r")\b") if new else None
    )

    def rename(name: str) -> str:
        return pattern.sub(lambda match: new[match[0]], name) if pattern else name

    parts, found, at, length = [], [], 0, 0
    for e in entities:
        name = rename(text[e["start"] : e["end"]])
        parts += [text[at : e["start"]], name]
        length += e["start"] - at
        found.append({**e, "start": length, "end": length + len(name)})
        length, at = length + len(name), e["end"]
    first = [question.partition(" ") for question in several(questions, "questions")]  # the word that asks is no name
    return "".join([*parts, text[at:]]), found, [f"{a}{b}{rename(c)}" for a, b, c in first]


def pointer_collator(
    windows: Sequence[answering.Window], spans: Sequence[tuple[int, int]]
) -> Callable[[list[list[int]]], dict[str, torch.Tensor]]:
    """A `collate` for `training.fit`: a list of indices -> what BERT reads, and `spans` [batch, 2]."""

    def collate(chosen: list[list[int]]) -> dict[str, torch.Tensor]:
        (indices,) = chosen
        batch = batches.pad([windows[i].input_ids for i in indices])
        batch["token_type_ids"] = batches.pad([windows[i].token_type_ids for i in indices])["input_ids"]
        return {**batch, "spans": torch.tensor([spans[i] for i in indices])}

    return collate


def pointer_loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """`tagger.pointer_loss`, and the number of windows: for `training.fit`."""
    mask = batch["attention_mask"]
    logits = model(batch["input_ids"], mask, batch["token_type_ids"])  # [batch, time, 2]
    return tagger.pointer_loss(logits, mask, batch["spans"]), len(mask)


def score_windows(
    model: tagger.BertTagger,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[tuple[str, str]],
    *,
    max_length: int | None = None,
    stride: int = 32,
) -> list[tuple[list[answering.Window], list[np.ndarray]]]:
    """For each (question, text) the windows of the text, and for each window start and end scores [pieces, 2].

    Args:
        model: its two labels are start and end.
        tokenizer: the one that the model was trained with.
        questions: pairs of a question and the text that may answer it.
        max_length, stride: of the windows, see `answering.windows`.
    """
    read = [answering.windows(tokenizer, question, text, max_length, stride) for question, text in questions]
    flat = [window for one in read for window in one]
    scores = iter(tagger.logits(model, [w.input_ids for w in flat], [w.token_type_ids for w in flat]))
    return [(one, [next(scores) for _ in one]) for one in read]


def find_answers(
    model: tagger.BertTagger,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[tuple[str, str]],
    *,
    max_length: int | None = None,
    stride: int = 32,
    longest: int = 30,
) -> list[answering.Answer]:
    """The best span for each (question, text), over all windows of the text; `longest` pieces at most.

    The other arguments are those of `score_windows`.
    """
    scored = score_windows(model, tokenizer, questions, max_length=max_length, stride=stride)
    return [answering.answer(text, *one, longest) for (_, text), one in zip(questions, scored, strict=True)]
