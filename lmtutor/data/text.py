"""Text into sentences, words and ids."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmtutor.runtime import CourseError, choose, several

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertTokenizer

UNKNOWN, START, END = "<unk>", "<s>", "</s>"

# A word (with the apostrophe of "don't"), a number, or one other visible character.
_WORD = re.compile(r"<unk>|\w+(?:'\w+)*|[^\w\s]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# A sentence ends after . ! or ?, with the quotation mark or bracket that closes behind it.
_SENTENCE_END = re.compile(r"""(?<=[.!?])["')\]]*\s+(?=["'(\[]*[A-Z0-9])|\n+""")


def checked_texts(texts: Iterable[str]) -> list[str]:
    """Texts as a list, for a tokenizer: whole strings, each of which can be written in UTF-8.

    Raises:
        CourseError: they are one string, or one of them is no string or holds half a character (a lone surrogate).
    """
    texts = list(several(texts, "texts"))
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise CourseError(f"Text {number} is not a string but of the kind {type(text).__name__}.")
        if not text.isascii() and (half := _LONE_SURROGATE.search(text)):
            raise CourseError(
                f"Text {number} holds half a character (U+{ord(half[0]):04X} alone), which cannot be encoded: take it "
                f"out, or read the text anew as UTF-8."
            )
    return texts


def checked_sentences(sentences: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The same sentences, one after the other.

    Raises:
        CourseError: they are one string, or one of them is a string instead of a list of words.
    """
    for number, sentence in enumerate(several(sentences, "sentences (lists of words)"), start=1):
        if isinstance(sentence, str):
            raise CourseError(
                f"Sentence {number} is one string instead of a list of words: split it, as text.sentences(texts) does."
            )
        yield sentence


def words(text: str) -> list[str]:
    """Split text into words and punctuation marks: "Don't go!" gives ["Don't", "go", "!"]."""
    return _WORD.findall(text)


def split_sentences(text: str) -> list[str]:
    """Split running text into sentences at . ! ? before a capital, and at line breaks."""
    sentences, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        # What the match holds before its blanks (closing quotes) still belongs to the sentence.
        end = match.start() + len(match.group().rstrip())
        sentences.append(text[start:end].strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def sentences(texts: Iterable[str], tokens: str = "words") -> list[list[str]]:
    """Turn texts into sentences of tokens.

    Args:
        texts: documents of running text, or (with tokens="whitespace") lines that are tokenised already.
        tokens: "words" splits each document into sentences and those into words and marks; "whitespace" takes every
            line as one sentence, empty lines included, and splits at blanks, as WikiText-2 and Penn Treebank want it.

    Raises:
        CourseError: there is no token at all, or `texts` is a single string.
    """
    several(texts, "texts")
    choose(tokens, ("words", "whitespace"), "The kind of tokens")
    if tokens == "whitespace":
        result = [text.split() for text in texts]
    else:
        result = [words(sentence) for text in texts for sentence in split_sentences(text)]
    if not any(result):
        raise CourseError("The corpus is empty: not one token was found in it; check that the right file was loaded.")
    return result


class Vocabulary:
    """The words that a model knows, and their ids.

    Ids 0, 1 and 2 are <unk> (every unknown word), <s> (start of sentence) and </s> (end of sentence); the others
    follow by falling frequency, ties in the order of first appearance.

    Args:
        sentences: the training sentences, lists of words.
        min_count: words seen less often become <unk>.
    """

    def __init__(self, sentences: Iterable[Sequence[str]], min_count: int = 1):
        counts = Counter(chain.from_iterable(checked_sentences(sentences)))
        if not counts:
            raise CourseError("A vocabulary needs at least one word, but the training sentences are empty.")
        specials = (UNKNOWN, START, END)
        self._set([*specials, *(w for w, c in counts.most_common() if c >= min_count and w not in specials)])

    def _set(self, words: list[str]) -> None:
        self.words = words
        self.ids = {word: i for i, word in enumerate(words)}
        self.unknown, self.start, self.end = range(3)

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """The vocabulary that `save` wrote.

        Raises:
            CourseError: there is no such file, or it is no vocabulary.
        """
        try:
            words = json.loads(Path(path).read_bytes())
        except OSError as error:
            raise CourseError(f"The vocabulary {str(path)!r} cannot be read ({error.strerror}).") from None
        except (ValueError, RecursionError):  # no JSON, or no UTF-8
            raise CourseError(f"The vocabulary {str(path)!r} is not JSON; is the file complete?") from None
        strings = isinstance(words, list) and all(isinstance(word, str) for word in words)
        if not strings or words[:3] != [UNKNOWN, START, END] or len(set(words)) < len(words):
            raise CourseError(
                f"{str(path)!r} is no vocabulary: it should be a JSON list of different words that begins with "
                f"{UNKNOWN}, {START}, {END}."
            )
        vocabulary = cls.__new__(cls)
        vocabulary._set(words)
        return vocabulary

    def save(self, path: str | Path) -> None:
        """Write the words to `path`, a JSON list in the order of their ids.

        Raises:
            CourseError: they cannot be written; what was there before is still there.
        """
        path = Path(path)
        unfinished = path.with_name(f"{path.name}.unfinished")
        content = json.dumps(checked_texts(self.words), ensure_ascii=False, indent=0).encode()
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise CourseError(f"The vocabulary could not be written to {str(path)!r} ({error.strerror}).") from None

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that stand for the words and their order: other words, other digits."""
        return hashlib.sha256(json.dumps(self.words).encode()).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.ids

    def encode(self, words: Iterable[str]) -> list[int]:
        """Words to ids; a word that is not in the vocabulary becomes the id of <unk>."""
        return list(map(self.ids.get, several(words, "words"), repeat(self.unknown)))

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Ids to words."""
        return [self.words[i] for i in ids]

    def unknown_share(self, sentences: Iterable[Sequence[str]]) -> float:
        """The share of running words that the vocabulary does not know, between 0 and 1."""
        encoded = np.array(self.encode(chain.from_iterable(checked_sentences(sentences))))
        return float((encoded == self.unknown).mean()) if len(encoded) else 0.0


def typed_mark(number: int, word: str) -> CourseError:
    """What to say of a sentence in which <s> or </s> stands as a word."""
    return CourseError(
        f"Sentence {number} holds {word!r} as a word, but {START} and {END} mark where sentences begin and end: take "
        f"it out, or write it another way."
    )


def stream(sentences: Iterable[Sequence[str]], vocabulary: Vocabulary) -> list[int]:
    """Sentences as one text of ids: </s> in front (the end of what is not there), and behind each sentence.

    Raises:
        CourseError: <s> or </s> stands in a sentence, or a sentence is a string.
    """
    ids = [vocabulary.end]
    for number, sentence in enumerate(checked_sentences(sentences), start=1):
        inner = vocabulary.encode(sentence)
        for mark in (vocabulary.start, vocabulary.end):
            if mark in inner:
                raise typed_mark(number, vocabulary.words[mark])
        ids += [*inner, vocabulary.end]
    return ids


def byte_level_bpe(texts: Iterable[str], vocabulary_size: int, special_tokens: Sequence[str] = ()) -> Tokenizer:
    """Train byte-level byte-pair encoding as GPT-2 has it (Sennrich et al., 2016; Radford et al., 2019).

    Args:
        texts: what the merges are learned from.
        vocabulary_size: entries at most (special tokens, the 256 bytes, merges); fewer if the texts give no more.
        special_tokens: get the first ids, in their order.

    Returns:
        A `tokenizers.Tokenizer`; `.encode(text).ids` and `.decode(ids)` are inverse for any text. A special token that
        somebody types is text like any other: only its id makes a special one.

    Raises:
        CourseError: that size leaves no room for the bytes and the special tokens, or see `checked_texts`.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    texts, special_tokens = checked_texts(texts), list(several(special_tokens, "special tokens"))
    smallest = 256 + len(special_tokens)
    if vocabulary_size < smallest:
        raise CourseError(f"A byte-level vocabulary needs at least {smallest} entries, not {vocabulary_size}.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=special_tokens,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


def wordpiece(texts: Iterable[str], vocabulary_size: int, max_length: int) -> BertTokenizer:
    """Train WordPiece in lower case, with the special tokens of BERT (Devlin et al., 2019).

    Args:
        texts: what the pieces are learned from.
        vocabulary_size: entries at most; fewer if the texts give no more.
        max_length: tokens that the model can read; where asked to, the tokenizer cuts there.

    Returns:
        A `transformers` tokenizer: called with texts it puts [CLS] and [SEP] around them.

    Raises:
        CourseError: see `checked_texts`.
    """
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    trained = BertWordPieceTokenizer(lowercase=True)
    trained.train_from_iterator(checked_texts(texts), vocab_size=vocabulary_size, min_frequency=2, show_progress=False)
    return BertTokenizer(vocab=trained.get_vocab(), model_max_length=max_length)


def label_ids(labels: Sequence) -> tuple[list[int], list]:
    """Names of classes to numbers: ["bad", "good", "bad"] gives [0, 1, 0] and ["bad", "good"].

    Returns:
        A number for each label, and the names in sorted order: `names[id]` leads back.

    Raises:
        CourseError: there are no labels, names of different kinds, such as "1" and 1, or one is NaN or None.
    """
    several(labels, "labels")
    labels = labels.tolist() if hasattr(labels, "tolist") else list(labels)  # of NumPy, pandas, torch
    if not labels:
        raise CourseError("There are no labels to number: the list is empty.")
    for number, label in enumerate(labels):
        if label is None or label != label:
            raise CourseError(f"Label {number} is {label!r}, so it is missing: leave that example out.")
    kinds = sorted({type(label).__name__ for label in labels})
    if len(kinds) > 1:
        raise CourseError(f"Labels of different kinds ({', '.join(kinds)}) cannot be put in order; make all one kind.")
    names = sorted(set(labels))
    ids = {name: number for number, name in enumerate(names)}
    return [ids[label] for label in labels], names
