"""Word vectors by counting, from WikiText-2, on the word-similarity and analogy sets.

    LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/embeddings.py real

writes embeddings_similarity.json and embeddings_analogies.json into benchmarks/results. The settings were chosen before
the sets were looked at, and all of them are reported.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import scipy.sparse.linalg
from measure import score
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

import lmtutor as lm
from lmtutor import data, results, text
from lmtutor.runtime import Stopwatch

COMMAND = "make scoreboard ONLY=embeddings"
MIN_COUNT, SMOOTHING, POWER = 5, 0.75, 0.5
WINDOWS, SIZES = (2, 5), (100, 300)
PACKAGES = ("numpy", "scipy")
SHOWN = ("MEN-TR-3k", "WS-353-ALL", "SIMLEX-999")  # on the scoreboard


def cooccurrences(sentences: list[list[str]], vocabulary: text.Vocabulary, window: int):
    """Sparse [words, contexts]: how often the two stand at most `window` places apart."""
    encoded = [np.array(vocabulary.encode(s)) for s in sentences if s]
    total = scipy.sparse.csr_array((len(vocabulary), len(vocabulary)))
    for distance in range(1, window + 1):
        left = np.concatenate([ids[:-distance] for ids in encoded])
        right = np.concatenate([ids[distance:] for ids in encoded])
        known = (left != vocabulary.unknown) & (right != vocabulary.unknown)
        ones = np.ones(known.sum())
        total = total + scipy.sparse.coo_array((ones, (left[known], right[known])), shape=total.shape).tocsr()
    return total + total.T


def ppmi(counts):
    """Positive pointwise mutual information, with the contexts' probabilities raised to SMOOTHING."""
    pairs = counts.tocoo()
    words, contexts = counts.sum(axis=1), counts.sum(axis=0) ** SMOOTHING
    p_word, p_context = words / words.sum(), contexts / contexts.sum()
    values = np.log(pairs.data / counts.sum()) - np.log(p_word[pairs.row]) - np.log(p_context[pairs.col])
    return scipy.sparse.coo_array((values, (pairs.row, pairs.col)), shape=counts.shape).tocsr().maximum(0)


def unit(vectors):
    """Rows of length 1, dense or sparse."""
    if scipy.sparse.issparse(vectors):
        lengths = np.sqrt(vectors.multiply(vectors).sum(axis=1))
        return scipy.sparse.diags_array(1 / np.maximum(lengths, 1e-12)) @ vectors
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def cosines(vectors, first: list[int], second: list[int]) -> np.ndarray:
    a, b = vectors[first], vectors[second]
    return np.asarray(a.multiply(b).sum(axis=1)).ravel() if scipy.sparse.issparse(a) else (a * b).sum(axis=1)


def similarity(vectors: dict, vocabulary: text.Vocabulary) -> list[dict]:
    """A row for each set: pairs, pairs that are covered, and Spearman's correlation by each kind of vectors."""
    rows = []
    for name, group in data.load("word_similarity", "test").to_pandas().groupby("set"):
        pairs = [(a.lower(), b.lower(), s) for a, b, s in group[["word1", "word2", "score"]].itertuples(index=False)]
        known = [(a, b, s) for a, b, s in pairs if a in vocabulary and b in vocabulary]
        row = {"set": name, "pairs": len(pairs), "covered": len(known)}
        first, second = ([vocabulary.ids[pair[side]] for pair in known] for side in (0, 1))
        for kind, matrix in vectors.items():
            value = spearmanr(cosines(matrix, first, second), [s for *_, s in known]).statistic
            row[kind] = round(float(value), 3)
        rows.append(row)
    return rows


def analogies(vectors: dict, vocabulary: text.Vocabulary) -> list[dict]:
    """A row for each section of the analogy questions: asked, covered, and the share right by each kind of vectors.

    The right answer must be the nearest of all words but the three that were given. The last column is the baseline
    that forgets a and b and takes the nearest neighbour of c.
    """
    questions = data.load("word_analogies", "test").to_pandas()
    rows, names = [], [*vectors, "nearest neighbour alone"]
    for section, group in [*questions.groupby("section", sort=False), ("all", questions)]:
        words = [[w.lower() for w in row] for row in group[["a", "b", "c", "d"]].itertuples(index=False)]
        covered = np.array([[vocabulary.ids[w] for w in row] for row in words if all(w in vocabulary for w in row)])
        row = {"section": section, "questions": len(words), "covered": len(covered)}
        for name in names:
            matrix = vectors.get(name, list(vectors.values())[-1])
            right = 0
            for start in range(0, len(covered), 500):
                a, b, c, d = covered[start : start + 500].T
                target = matrix[c] if name not in vectors else matrix[b] - matrix[a] + matrix[c]
                scores = target @ matrix.T  # [questions, words]
                for given in (a, b, c):
                    scores[np.arange(len(a)), given] = -np.inf
                right += int((scores.argmax(axis=1) == d).sum())
            row[name] = round(right / len(covered), 3) if len(covered) else None
        rows.append(row)
    return rows


def main() -> None:
    lm.setup()
    threadpool_limits(1, user_api="blas")
    with Stopwatch() as watch:
        lines = text.sentences(data.load("wikitext2", "train")["text"], "whitespace")
        sentences = [[word.lower() for word in line] for line in lines]
        vocabulary = text.Vocabulary(sentences, min_count=MIN_COUNT)
        sparse, dense = {}, {}
        for window in WINDOWS:
            weighted = ppmi(cooccurrences(sentences, vocabulary, window))
            sparse[f"PPMI, window {window}"] = unit(weighted)
            u, s, _ = scipy.sparse.linalg.svds(weighted, k=max(SIZES), random_state=0)
            order = np.argsort(-s)
            for size in SIZES:
                keep = order[:size]
                dense[f"SVD {size}, window {window}"] = unit(u[:, keep] * s[keep] ** POWER).astype(np.float32)
        similar = similarity(sparse | dense, vocabulary)
        alike = analogies(dense, vocabulary)
    tokens = Counter(map(len, sentences))
    about = (
        f"Word vectors by counting, from the {sum(n * c for n, c in tokens.items()):,} tokens of WikiText-2 in lower "
        f"case: {len(vocabulary):,} words seen {MIN_COUNT} times or more, PPMI with contexts to the power {SMOOTHING}"
    )
    shared = {"command": COMMAND, "packages": PACKAGES, "seconds": round(watch.seconds)}
    best, analogy = "SVD 300, window 5", f"Google's analogies, {alike[-1]['covered']:,} questions"
    results.record(
        "embeddings_similarity",
        similar,
        about=f"{about}. Spearman's correlation.",
        scores=[
            score("02", f"{row['set']}, {row['covered']:,} of {row['pairs']:,} pairs", best, "Spearman", [row[best]], 3)
            for row in similar
            if row["set"] in SHOWN
        ],
        **shared,
    )
    results.record(
        "embeddings_analogies",
        alike,
        about=f"{about}, SVD. Share of questions right.",
        scores=[score("02", analogy, best, "right, %", [100 * alike[-1][best]])],
        **shared,
    )


if __name__ == "__main__":
    main()
    for name in ("embeddings_similarity", "embeddings_analogies"):
        print(f"\n{results.markdown(name)}")
