"""Summaries: made of a text's own sentences, or written; and whether the names in them are right.

Built and explained in chapter 11.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from lmtutor.data import batches, text
from lmtutor.decoding import generate, join
from lmtutor.models import copying, evaluating, transformer
from lmtutor.runtime import CourseError, several
from lmtutor.tasks.extraction import exchange_names
from lmtutor.training.arguments import whole_number

# Words with a capital because they open a sentence.
OPENERS = frozenset(("A", "An", "At", "He", "Her", "His", "In", "It", "On", "She", "Since", "The", "They"))


def similarity(sentences: Sequence[str]) -> np.ndarray:
    """Words that two sentences share over ln of their lengths (Mihalcea and Tarau, 2004): [sentences, sentences].

    The diagonal is 0: no sentence speaks for itself.
    """
    words = [set(text.words(sentence.lower())) for sentence in several(sentences, "sentences")]
    weights = np.zeros((len(words), len(words)))
    for i, first in enumerate(words):
        for j, second in enumerate(words[:i]):
            size = math.log(max(len(first), 1)) + math.log(max(len(second), 1))
            weights[i, j] = weights[j, i] = len(first & second) / size if size > 0 else 0.0
    return weights


def page_rank(weights: np.ndarray, damping: float = 0.85, tolerance: float = 1e-10) -> np.ndarray:
    """How often a reader is at each node who follows a link with probability `damping` and else jumps anywhere.

    Args:
        weights: [nodes, nodes], of the link from each row's node to each column's, none below 0. From a node without
            links the reader jumps anywhere.
        damping: from 0 to below 1 (Brin and Page, 1998); at 1 the repetition need not settle.
        tolerance: ends the repetition once the sum of changes is smaller, or no smaller than the one before: then only
            rounding errors are left.

    Returns:
        Probabilities: [nodes].

    Raises:
        CourseError: the matrix is not square, is empty, or has weights that are negative or not finite; or the damping
            is out of range.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or not weights.size or not (weights >= 0).all():
        raise CourseError(f"PageRank needs a square matrix of weights from 0 up, not one of shape {weights.shape}.")
    nodes, sums = len(weights), weights.sum(axis=1, keepdims=True)
    if not 0 <= damping < 1 or not np.isfinite(sums).all():
        raise CourseError(f"PageRank needs finite weights and a damping from 0 to below 1, not {damping!r}.")
    follow = np.divide(weights, sums, out=np.full_like(weights, 1 / nodes), where=sums > 0)  # rows sum to 1
    rank, change = np.full(nodes, 1 / nodes), np.inf
    while True:
        new = damping * rank @ follow + (1 - damping) / nodes
        before, change = change, np.abs(new - rank).sum()
        if change < tolerance or change >= before:  # each is at most `damping` of the one before, but for rounding
            return new
        rank = new


def text_rank(sentences: Sequence[str], damping: float = 0.85) -> np.ndarray:
    """How central each sentence is: PageRank over the sentences' similarities: [sentences]."""
    return page_rank(similarity(sentences), damping)


def extract(sentences: Sequence[str], scores: Sequence[float], count: int) -> str:
    """The `count` sentences with the highest scores, in the order of the text; of equals, the earlier.

    Raises:
        CourseError: the count is not a whole number of at least 1, or there is not one score for each sentence.
    """
    count = whole_number("count", count, at_least=1)
    if len(scores) != len(several(sentences, "sentences")):
        raise CourseError(f"Needed is one score for each sentence, not {len(scores)} for {len(sentences)} sentences.")
    best = sorted(range(len(sentences)), key=lambda i: (-scores[i], i))[:count]
    return " ".join(sentences[i] for i in sorted(best))


# --- written summaries ------------------------------------------------------------------------------------------------


def other_names(row: Mapping, names: Sequence[str], rng: random.Random) -> tuple[str, str]:
    """A notice and its summary with other names, the same in both; see `extraction.exchange_names`.

    Args:
        row: with text, entities and summary.
        names: words to take names from.
        rng: draws them.
    """
    # The first word of a question is never exchanged, so a word is put in front, and taken away again.
    names = several(names, "names")
    changed, _, (summary,) = exchange_names(row["text"], row["entities"], [f"Summary: {row['summary']}"], names, rng)
    return changed, summary.partition(" ")[2]


def made_up(names: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """So many words like names: the beginning of one and the end of another, such as Lyndwick; 4 to 9 letters each.

    Raises:
        CourseError: the names do not give so many.
    """
    names = several(names, "names")
    rng, names, found = random.Random(seed), sorted(set(several(names, "names"))), set()
    plain = [name for name in names if name.isalpha() and len(name) >= 4]
    for _ in range(100 * count if len(plain) > 1 else 0):
        first, last = rng.sample(plain, 2)
        word = first[: rng.randint(2, len(first) - 2)] + last[rng.randint(1, len(last) - 2) :]
        if 4 <= len(word) <= 9 and word not in names:
            found.add(word)
        if len(found) == count:
            return sorted(found)
    raise CourseError(f"{len(names)} names do not give {count} others: ask for fewer, or give more names.")


def lend(words: Sequence[str], vocabulary: text.Vocabulary, extra: int, rng: random.Random | None = None) -> list[str]:
    """The words of a text that the vocabulary lacks, in the order in which ids are lent to them: the first gets the
    id len(vocabulary). What is not lent has "" in its place, and words for which there is no id are left out.

    Args:
        words: of the text.
        vocabulary: the known words.
        extra: how many ids can be lent; 0 lends none.
        rng: mixes the ids, so that in training each of them is lent as often as any other; in order if not given.
    """
    words = several(words, "words")
    unknown = list(dict.fromkeys(word for word in words if word not in vocabulary))[:extra]
    lent = [*unknown, *[""] * (extra - len(unknown))]
    if rng:
        rng.shuffle(lent)
    return lent


def encode(words: Sequence[str], vocabulary: text.Vocabulary, lent: Sequence[str] = ()) -> list[int]:
    """Words to ids, those of `lent` behind the vocabulary's; what has neither is <unk>."""
    words, lent = several(words, "words"), several(lent, "lent")
    behind = {word: len(vocabulary) + i for i, word in enumerate(lent) if word}
    return [behind.get(word, known) for word, known in zip(words, vocabulary.encode(words), strict=True)]


def encode_pair(
    pair: tuple[str, str], vocabulary: text.Vocabulary, extra: int, rng: random.Random | None = None
) -> tuple[list[int], list[int]]:
    """A text and its summary as ids, with the same ids lent in both; see `lend`."""
    source, target = map(text.words, pair)
    lent = lend(source, vocabulary, extra, rng)
    return encode(source, vocabulary, lent), encode(target, vocabulary, lent)


def write(
    model: torch.nn.Module, vocabulary: text.Vocabulary, texts: Sequence[str], *, max_tokens: int = 40, batch: int = 50
) -> list[str]:
    """A summary of each text, word by word the likeliest; never <unk>, as a summary with a hole is of no use.

    Args:
        model: a `transformer.Transformer`, or one that copies.
        vocabulary: the words that it knows.
        texts: what is to be summarised.
        max_tokens: the most words of a summary, punctuation marks included.
        batch: texts that are read at once.
    """
    texts = several(texts, "texts")
    copies = isinstance(model, copying.CopyingTransformer)
    module, extra = (copying, model.extra) if copies else (transformer, 0)
    words = list(map(text.words, text.checked_texts(texts)))
    lent = [lend(one, vocabulary, extra) for one in words]
    ids = [encode(one, vocabulary, behind) for one, behind in zip(words, lent, strict=True)]

    def step(new: torch.Tensor, cache) -> torch.Tensor:
        scores = module.step(model, new, cache)
        scores[:, vocabulary.unknown] = -torch.inf
        return scores

    said = [""] * len(ids)
    with evaluating(model) as device:
        for chosen in batches.in_order_of_length(list(map(len, ids)), batch):
            source = batches.pad([ids[i] for i in chosen])
            cache = module.start(model, source["input_ids"].to(device), source["attention_mask"].to(device))
            first = torch.full((len(chosen), 1), vocabulary.start, device=device)
            for i, found in zip(
                chosen, generate(step, cache, first, max_tokens=max_tokens, end=vocabulary.end), strict=True
            ):
                known = [*vocabulary.words, *lent[i]]
                said[i] = join([known[token] for token in found.tolist() if token != vocabulary.end])
    return [one.replace(" ' ", "' ") for one in said]  # the Pilots' Guild


def names_in(summary: str) -> list[tuple[int, int]]:
    """Where a summary's names begin and end: runs of words with a capital, without what opens a sentence.

    "The Star of Lynd has come" has two, "Star" and "Lynd". Names of days and months count as well.
    """
    runs: list[list[re.Match]] = [[]]
    for word in re.finditer(r"\w[\w']*", summary):
        if runs[-1] and summary[runs[-1][-1].end() : word.start()] != " ":
            runs.append([])  # a punctuation mark ends a name
        if not word[0][0].isupper():
            runs.append([])
        elif runs[-1] or word[0] not in OPENERS:
            runs[-1].append(word)
    return [(run[0].start(), run[-1].end()) for run in runs if run]


def stands_in(name: str, source: str) -> bool:
    """Whether a name stands in a text, as whole words."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) is not None


def invented(source: str, summary: str) -> list[tuple[int, int]]:
    """Where a summary has names that its text does not have: (start, end) in characters."""
    return [(start, end) for start, end in names_in(summary) if not stands_in(summary[start:end], source)]


def name_scores(sources: Sequence[str], references: Sequence[str], said: Sequence[str]) -> dict[str, float]:
    """How right the names of summaries are, in per cent.

    Args:
        sources: the texts.
        references: a right summary of each.
        said: the summaries to be judged.

    Returns:
        Of all names written, the share that stands in the text, and in the right summary; the share of summaries with
        an invented name, and of those that have just the names of the right one.
    """
    sources, references, said = several(sources, "sources"), several(references, "references"), several(said, "said")
    names = [[one[a:b] for a, b in names_in(one)] for one in said]
    wanted = [{one[a:b] for a, b in names_in(one)} for one in references]
    flat = [(name, *both) for found, *both in zip(names, sources, references, strict=True) for name in found]
    wrong = [bool(invented(*both)) for both in zip(sources, said, strict=True)]
    return {
        "names that stand in the notice": 100 * sum(stands_in(name, t) for name, t, _ in flat) / max(len(flat), 1),
        "names that stand in the reference": 100 * sum(stands_in(name, r) for name, _, r in flat) / max(len(flat), 1),
        "summaries with an invented name": 100 * sum(wrong) / max(len(said), 1),
        "summaries with exactly the names of the reference": 100
        * sum(set(found) == right for found, right in zip(names, wanted, strict=True))
        / max(len(said), 1),
    }
