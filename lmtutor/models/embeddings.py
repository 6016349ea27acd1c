"""Word vectors: from counts, from the skip-gram model, and what their neighbours are like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import nn

from lmtutor.data.text import Vocabulary

# Ten kinds of words, written down by hand: enough for a first test of neighbours. MAY and MARCH are verbs, too.
KINDS = {
    "colour": "red blue green white black yellow grey brown",
    "day": "monday tuesday wednesday thursday friday saturday sunday",
    "month": "january february march april may june july august september october november december",
    "number": "two three four five six seven eight nine ten twelve twenty thirty",
    "family": "mother father brother sister daughter son wife husband uncle aunt grandmother grandfather",
    "body": "hand hands arm head face eyes mouth feet knee shoulder hair",
    "food": "bread butter cheese soup fish eggs meat potatoes milk tea sugar flour salt",
    "house": "door window wall roof floor stairs kitchen table chair bed",
    "weather": "rain wind fog snow frost storm sun cloud",
    "past": "went came said took gave made saw looked asked stood",
}


def kinds_in(vocabulary: Vocabulary) -> dict[str, str]:
    """Word -> kind, for the words of `KINDS` that the vocabulary has."""
    return {word: kind for kind, words in KINDS.items() for word in words.split() if word in vocabulary}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each row divided by its length."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def cooccurrences(sentences, vocabulary, window):
    """Sparse [words, contexts]: how often the two stand at most `window` places apart in a sentence."""
    left, right = [], []
    for sentence in sentences:
        ids = vocabulary.encode(sentence)
        for distance in range(1, window + 1):
            left += ids[:-distance]
            right += ids[distance:]
    left, right = np.array(left), np.array(right)
    known = (left != vocabulary.unknown) & (right != vocabulary.unknown)
    size = (len(vocabulary), len(vocabulary))
    one_way = scipy.sparse.coo_array((np.ones(known.sum()), (left[known], right[known])), shape=size).tocsr()
    return one_way + one_way.T


def sparse_pmi(counts, smoothing=1.0):
    """PMI of the pairs that occurred, sparse. `smoothing` below 1 makes rare contexts count less: P(c)^smoothing."""
    pairs = counts.tocoo()
    words, contexts = counts.sum(axis=1), counts.sum(axis=0) ** smoothing
    p_word, p_context = words / words.sum(), contexts / contexts.sum()
    values = np.log(pairs.data / counts.sum()) - np.log(p_word[pairs.row]) - np.log(p_context[pairs.col])
    return scipy.sparse.coo_array((values, (pairs.row, pairs.col)), shape=counts.shape).tocsr()


def svd_vectors(matrix, size, power=0.5):
    """Rows of U_k S_k^power, each of length 1: [words, size]."""
    u, s, _ = scipy.sparse.linalg.svds(matrix, k=size, random_state=0)
    return unit(u * s**power)


def skip_gram(counts, size, negatives, epochs, batch_size, learning_rate, rare=1e-3, seed=0):
    """Word vectors by skip-gram with negative sampling (Mikolov et al., 2013), each of length 1: [words, size].

    Args:
        counts: sparse [words, contexts]; each pair is shown as often as it was counted.
        rare: words with a larger share of the text are shown less often, with probability sqrt(rare / share).
    """
    draw = torch.Generator().manual_seed(seed)
    table = counts.tocoo()
    often = torch.from_numpy(table.data).long()
    words, contexts = (torch.from_numpy(np.int64(side)).repeat_interleave(often) for side in (table.row, table.col))
    share = torch.from_numpy(counts.sum(axis=1) / counts.sum())
    keep = (rare / share.clamp(min=1e-12)).sqrt().clamp(max=1)
    W = nn.Parameter((torch.rand(len(share), size, generator=draw) - 0.5) / size)  # the word vectors
    C = nn.Parameter(torch.zeros(len(share), size))  # the context vectors
    optimizer = torch.optim.Adam([W, C], lr=learning_rate)
    for epoch in range(epochs):
        shown = (torch.rand(len(words), generator=draw) < keep[words] * keep[contexts]).nonzero().squeeze(1)
        losses = []
        for batch in shown[torch.randperm(len(shown), generator=draw)].split(batch_size):
            noise = torch.multinomial(share**0.75, len(batch) * negatives, replacement=True, generator=draw)
            word, context, fake = W[words[batch]], C[contexts[batch]], C[noise.view(len(batch), negatives)]
            real_score = (word * context).sum(dim=1)  # [batch]
            fake_score = (fake * word.unsqueeze(1)).sum(dim=2)  # [batch, negatives]
            loss = -nn.functional.logsigmoid(real_score).mean() - nn.functional.logsigmoid(-fake_score).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"pass {epoch + 1}: loss {np.mean(losses):.3f}")
    return unit(W.detach().numpy())


def same_kind(vectors, vocabulary: Vocabulary, kinds: Mapping[str, str]) -> float:
    """Of the n - 1 nearest words, n being the size of a word's kind: the share of that kind; mean over the kinds.

    Args:
        vectors: [words of the vocabulary, size], dense or sparse.
        kinds: word -> kind; only these words are compared with each other.
    """
    words, sizes = sorted(kinds), Counter(kinds.values())
    kind = np.array([kinds[word] for word in words])
    chosen = vectors[vocabulary.encode(words)]  # their rows alone: the whole matrix may be too large to fill
    chosen = unit(chosen.toarray() if scipy.sparse.issparse(chosen) else chosen)
    nearest = np.argsort(2 * np.eye(len(words)) - chosen @ chosen.T, axis=1, kind="stable")  # itself comes last
    right = np.array([np.mean(kind[row[: sizes[own] - 1]] == own) for own, row in zip(kind, nearest, strict=True)])
    return float(np.mean([np.mean(right[kind == k]) for k in sizes]))


def by_chance(kinds: Mapping[str, str]) -> float:
    """What `same_kind` gives to vectors that know nothing."""
    return float(np.mean([(size - 1) / (len(kinds) - 1) for size in Counter(kinds.values()).values()]))
