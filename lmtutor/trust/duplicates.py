"""Near-duplicates among many texts: MinHash, bands, and an exact look at what they find. Explained in chapter 14.

After Broder, "On the Resemblance and Containment of Documents", 1997, and Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", chapter 3. Signatures are those of `datasketch`, given the same hashes and the same permutations.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from lmtutor.data.text import checked_texts
from lmtutor.runtime import CourseError

CHUNK = 1 << 17  # shingles that are permuted at once: they stay in the processor's cache


def normal(text: str) -> str:
    """In lower case, of one width, and with one blank between words, so that form alone makes no difference."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


def shingles(text: str, size: int = 5) -> set[str]:
    """All pieces of `size` characters of the normalised text; a shorter text is one piece."""
    text = normal(text)
    return {text[i : i + size] for i in range(max(1, len(text) - size + 1))}


def jaccard(first: set, second: set) -> float:
    """What two sets share, as a part of what they have together; 1 for two empty ones."""
    return len(first & second) / len(first | second) if first | second else 1.0


def permutations(count: int, seed: int = 1) -> np.ndarray:
    """Factors and summands of `count` maps h -> factor * h + summand modulo 2**32: [2, count].

    The factors are odd, so that no two numbers come to the same place: each map permutes the numbers below 2**32. They
    are drawn as `datasketch` draws them.
    """
    if count < 1:
        raise CourseError(f"At least one permutation is needed, not {count}.")
    draw = np.random.RandomState(seed)
    factors = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.stack([factors, draw.randint(0, 1 << 32, count, dtype=np.uint32)])


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers below 2**32, shuffled so that neighbours lie far apart (the last step of MurmurHash3; one to one)."""
    numbers = numbers.astype(np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        numbers = (numbers ^ (numbers >> np.uint32(shift))) * np.uint32(factor)
    return numbers ^ (numbers >> np.uint32(16))


def hashed(texts: Sequence[str], size: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of all texts as numbers below 2**32, one text after the other, and where each text begins.

    Returns:
        (numbers, starts): [shingles], [texts]. A shingle that a text has twice stands there twice.
    """
    if size < 1:
        raise CourseError(f"A shingle has at least one character, not {size}.")
    texts = [normal(text).ljust(size, "\0") for text in checked_texts(texts)]
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    whole = np.zeros(max(0, len(codes) - size + 1), dtype=np.uint64)
    for place in range(size):  # a polynomial in a large odd number, modulo 2**64
        whole = whole * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(whole)]
    whole ^= whole >> np.uint64(32)
    whole *= np.uint64(0xD6E8FEB86659FD93)
    counts = lengths - size + 1
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else lengths
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(lengths) else lengths
    keep = np.repeat(first - starts, counts) + np.arange(counts.sum())  # not across the border of two texts
    return (whole[keep] >> np.uint64(32)).astype(np.uint32), starts.astype(np.int64)


def signatures(numbers: np.ndarray, starts: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """The smallest value of each hash function over each text's shingles: [texts, hash functions].

    Args:
        numbers, starts: see `hashed`; no text without a shingle.
        maps: see `permutations`.
    """
    found = np.empty((len(starts), maps.shape[1]), dtype=np.uint32)
    ends = np.append(starts[1:], len(numbers))
    begin = 0
    while begin < len(starts):  # as many texts as fit into a chunk, but at least one
        end = max(begin + 1, int(np.searchsorted(ends, starts[begin] + CHUNK, side="right")))
        part = mixed(numbers[starts[begin] : ends[end - 1]])
        offsets = starts[begin:end] - starts[begin]
        for column, (factor, summand) in enumerate(maps.T):  # products beyond 2**32 wrap around: that is the modulo
            found[begin:end, column] = np.minimum.reduceat(part * factor + summand, offsets)
        begin = end
    return found


def caught(similarity: np.ndarray | float, bands: int, rows: int) -> np.ndarray | float:
    """The probability that two texts of this similarity agree in all rows of at least one band."""
    return 1 - (1 - similarity**rows) ** bands


def banding(threshold: float, count: int, recall: float = 0.99) -> tuple[int, int]:
    """The strictest (bands, rows) that still catch a pair at the threshold with probability `recall`.

    Args:
        threshold: a similarity above 0.
        count: hash functions at hand; bands times rows are at most as many.
    """
    if not 0 < threshold <= 1:
        raise CourseError(f"The threshold is a similarity above 0 and at most 1, not {threshold}.")
    fit = [rows for rows in range(1, count + 1) if caught(threshold, count // rows, rows) >= recall]
    if not fit:
        raise CourseError(
            f"{count} hash functions cannot catch pairs of similarity {threshold} with probability {recall}."
        )
    return count // fit[-1], fit[-1]


def candidates(signed: np.ndarray, bands: int, rows: int, apart: int = 0) -> np.ndarray:
    """Pairs that agree in all rows of some band: [pairs, 2], the smaller number first, in order, each once.

    Args:
        signed: [texts, hash functions], of which the first bands * rows are used.
        apart: if above 0, only pairs of a text before this number and one from it on.
    """
    found = []
    for band in range(bands):
        part = np.ascontiguousarray(signed[:, band * rows : (band + 1) * rows])
        keys = part.view(np.dtype((np.void, part.itemsize * rows))).ravel()
        _, buckets, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        members = np.flatnonzero(sizes[buckets] > 1)
        members = members[np.argsort(buckets[members], kind="stable")]
        for bucket in np.split(members, np.flatnonzero(np.diff(buckets[members])) + 1):
            if apart:
                before, after = bucket[bucket < apart], bucket[bucket >= apart]
                found.append(np.stack([np.repeat(before, len(after)), np.tile(after, len(before))], axis=1))
            else:
                found.append(bucket[np.stack(np.triu_indices(len(bucket), 1), axis=1)])
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    return np.unique(pairs, axis=0)


def near_duplicates(
    texts: Sequence[str],
    others: Sequence[str] | None = None,
    *,
    threshold: float = 0.8,
    size: int = 5,
    count: int = 128,
    recall: float = 0.99,
    seed: int = 1,
) -> list[tuple[int, int, float]]:
    """Pairs of texts whose sets of shingles have at least this Jaccard similarity: (i, j, similarity), in order.

    What the bands catch is compared exactly, so no pair below the threshold is returned; one just at it is missed with
    a probability of at most 1 - recall, a more similar one less often.

    Args:
        texts: among themselves (i < j), or, if `others` are given, each of them (i) with each of those (j).
        threshold: see above; 1 finds texts that differ in form alone.
        size: characters in a shingle; 5 suits English, 3 Chinese.
        count: hash functions; more of them make the bands sharper and the search slower.

    Raises:
        CourseError: one string instead of a list, or a number out of its range.
    """
    texts = checked_texts(texts)
    everything = [*texts, *checked_texts([] if others is None else others)]
    bands, rows = banding(threshold, count, recall)
    if not texts or (others is not None and not len(others)):
        return []
    numbers, starts = hashed(everything, size)
    signed = signatures(numbers, starts, permutations(bands * rows, seed))
    apart = len(texts) if others is not None else 0
    pairs = candidates(signed, bands, rows, apart)
    ends = np.append(starts[1:], len(numbers))
    sets = {int(i): set(numbers[starts[i] : ends[i]].tolist()) for i in np.unique(pairs)}
    scored = ((int(i), int(j), jaccard(sets[int(i)], sets[int(j)])) for i, j in pairs)
    return [(i, j - apart, similarity) for i, j, similarity in scored if similarity >= threshold]


def groups(pairs: Sequence[tuple], count: int) -> np.ndarray:
    """Whoever is connected by pairs gets one number: [count], numbers from 0 in the order of their first member.

    Args:
        pairs: (i, j, ...) with numbers below `count`.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = np.array([pair[:2] for pair in pairs], dtype=np.int64).reshape(-1, 2)
    if len(ends) and not (ends.min() >= 0 and ends.max() < count):
        raise CourseError(f"A pair names a text outside of the {count} texts.")
    graph = coo_matrix((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(count, count))
    found = connected_components(graph, directed=False)[1]
    _, first, numbers = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]
