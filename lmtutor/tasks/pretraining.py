"""BERT's pretraining (Devlin et al., 2019): two texts, hidden tokens, and whether the second text follows the first.

Built in chapter 09. `Stretches` are the examples, `Collate` makes batches of them, `pretraining_loss` is what training
lowers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from lmtutor.data import batches
from lmtutor.data.text import checked_texts, split_sentences
from lmtutor.models.bert import PretrainingBert, first_pieces, mask_tokens, masked_loss
from lmtutor.runtime import CourseError

if TYPE_CHECKING:
    from transformers import BertTokenizer

FOLLOWS, DOES_NOT = 0, 1  # labels of the second text, as `transformers` has them


@dataclass(frozen=True)
class Stretch:
    """Two pieces of a document, one after the other; ids of whole sentences, and the number of the document."""

    document: int
    first: list[int]
    second: list[int]


def stretches(documents: Sequence[Sequence[Sequence[int]]], length: int) -> list[Stretch]:
    """Cut documents into stretches of two pieces, neither longer than half of what fits.

    Args:
        documents: of each document its sentences, of each sentence its ids.
        length: tokens of an example, three special ones included.

    Returns:
        In the order of the text. A sentence that is too long loses its end; a document of one sentence gives none.

    Raises:
        CourseError: the length leaves no room for two tokens, or no document has two sentences.
    """
    room = (length - 3) // 2
    if room < 1:
        raise CourseError(f"An example needs room for at least 5 tokens, not {length}.")
    found = []
    for number, sentences in enumerate(documents):
        pieces: list[list[int]] = []
        for sentence in sentences:
            if pieces and len(pieces[-1]) + len(sentence) <= room:
                pieces[-1] = [*pieces[-1], *sentence]
            else:
                pieces.append(list(sentence[:room]))
        if len(pieces) == 1 and len(sentences) > 1:  # a short document: its last sentence is the second piece
            cut = len(pieces[0]) - len(sentences[-1])
            pieces = [pieces[0][:cut], pieces[0][cut:]]
        found += [Stretch(number, a, b) for a, b in zip(pieces[::2], pieces[1::2], strict=False)]
    if not found:
        raise CourseError("No document has two sentences, so no text follows another one.")
    return found


def encode(tokenizer: BertTokenizer, texts: Sequence[str]) -> list[list[list[int]]]:
    """Documents as `stretches` wants them: of each text its sentences, of each sentence its ids, none special."""
    return [
        # Not verbose: a long sentence is no mistake here, as `stretches` cuts it.
        [
            tokenizer.encode(sentence, add_special_tokens=False, verbose=False, split_special_tokens=True)
            for sentence in split_sentences(text)
        ]
        for text in checked_texts(texts)
    ]


def special_ids(tokenizer: BertTokenizer) -> dict[str, int]:
    """The ids of the special tokens, under the names that `Collate` wants."""
    return {name: getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep", "mask")}


def continues_a_word(tokenizer: BertTokenizer) -> torch.Tensor:
    """Which pieces go on with the word before them, as their `##` says: [vocab], bool."""
    return torch.tensor([p.startswith("##") for p in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))])


@dataclass
class Collate:
    """Batches for pretraining: half of the second texts are exchanged for others, and tokens are hidden.

    Args:
        stretches: all examples, from which other second texts are drawn.
        vocab_size: number of tokens.
        pad, cls, sep, mask: ids of the special tokens.
        pairs: whether there are second texts from elsewhere; without, each second text follows.
        share: probability that a token is to be guessed.
        continues: [vocab], bool, as `continues_a_word` gives it: hide whole words; single tokens if it is not given.

    Raises:
        CourseError: with pairs, if all stretches are of one document.
    """

    stretches: Sequence[Stretch]
    vocab_size: int
    pad: int
    cls: int
    sep: int
    mask: int
    pairs: bool = True
    share: float = 0.15
    continues: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.pairs and len({one.document for one in self.stretches}) < 2:
            raise CourseError("Texts from elsewhere need two documents or more; or leave them out with pairs=False.")

    def __call__(self, chosen: Sequence[Stretch]) -> dict[str, torch.Tensor]:
        """Examples -> input_ids, attention_mask, token_type_ids, labels [batch, time], and next_sentence [batch]."""
        elsewhere = (torch.rand(len(chosen)) < 0.5) & self.pairs
        seconds = [self._other(one) if away else one.second for one, away in zip(chosen, elsewhere, strict=True)]
        firsts = [[self.cls, *one.first, self.sep] for one in chosen]
        batch = batches.pad([[*a, *b, self.sep] for a, b in zip(firsts, seconds, strict=True)], self.pad)
        places = torch.arange(batch["input_ids"].shape[1])
        behind_first = places >= torch.tensor([len(first) for first in firsts])[:, None]  # [batch, time]
        special = torch.isin(batch["input_ids"], torch.tensor([self.pad, self.cls, self.sep]))
        words = None if self.continues is None else first_pieces(batch["input_ids"], self.continues)
        read, labels = mask_tokens(batch["input_ids"], ~special, self.vocab_size, self.mask, self.share, words)
        return {
            "input_ids": read,
            "attention_mask": batch["attention_mask"],
            "token_type_ids": (behind_first & batch["attention_mask"].bool()).long(),
            "labels": labels,
            "next_sentence": elsewhere.long(),  # FOLLOWS or DOES_NOT
        }

    def _other(self, one: Stretch) -> list[int]:
        """The second text of a stretch of another document."""
        while True:
            other = self.stretches[int(torch.randint(len(self.stretches), ()))]
            if other.document != one.document:
                return other.second


def pretraining_loss(model: PretrainingBert, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Both tasks' mean losses in nats [2], and how many tokens and how many pairs were guessed [2]."""
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    hidden = model.bert(**inputs)  # [batch, time, hidden]
    guessed, count = masked_loss(model, hidden, batch["labels"])
    follows = F.cross_entropy(model.next_sentence(model.bert.pool(hidden)), batch["next_sentence"])
    return torch.stack([guessed, follows]), torch.stack([count, count.new_tensor(len(hidden))])
