"""Text into sentences, words and ids.

Floor 1 of the package.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, repeat

import numpy as np

from lmtutor.runtime import CourseError, choose

UNKNOWN, START, END = "<unk>", "<s>", "</s>"

# A word (with the apostrophe of "don't"), a number, or one other visible character.
_WORD = re.compile(r"<unk>|\w+(?:'\w+)*|[^\w\s]")
# A sentence ends after . ! or ?, with the quotation mark or bracket that closes behind it.
_SENTENCE_END = re.compile(r"""(?<=[.!?])["')\]]*\s+(?=["'(\[]*[A-Z0-9])|\n+""")


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
        CourseError: there is no token at all.
    """
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
        counts = Counter(chain.from_iterable(sentences))
        if not counts:
            raise CourseError("A vocabulary needs at least one word, but the training sentences are empty.")
        specials = (UNKNOWN, START, END)
        self.words = [*specials, *(w for w, c in counts.most_common() if c >= min_count and w not in specials)]
        self.ids = {word: i for i, word in enumerate(self.words)}
        self.unknown, self.start, self.end = range(3)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.ids

    def encode(self, words: Iterable[str]) -> list[int]:
        """Words to ids; a word that is not in the vocabulary becomes the id of <unk>."""
        return list(map(self.ids.get, words, repeat(self.unknown)))

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Ids to words."""
        return [self.words[i] for i in ids]

    def unknown_share(self, sentences: Iterable[Sequence[str]]) -> float:
        """The share of running words that the vocabulary does not know, between 0 and 1."""
        encoded = np.array(self.encode(chain.from_iterable(sentences)))
        return float((encoded == self.unknown).mean()) if len(encoded) else 0.0
