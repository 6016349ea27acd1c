"""Word vectors: by counting and by skip-gram from the course's texts, by counting from WikiText-2, and MiniLM's.

    LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/embeddings.py real
    python benchmarks/embeddings.py harbour

`real` writes embeddings_similarity.json, embeddings_analogies.json and embeddings_minilm.json into benchmarks/results:
the word-similarity and analogy sets. `harbour` writes embeddings_harbour.json: how many neighbours are of a word's own
kind, on the prose and on the tales. The settings were chosen before the sets were looked at; all of them are reported.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import scipy.sparse.linalg
from measure import band, score
from safetensors import safe_open
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

import lmtutor as lm
from lmtutor import data, pretrained, results, text
from lmtutor.models import embeddings
from lmtutor.runtime import Stopwatch

COMMAND = "make scoreboard ONLY=embeddings"
MIN_COUNT, SMOOTHING, POWER = 5, 0.75, 0.5
WINDOWS, SIZES = (2, 5), (100, 300)
PACKAGES = ("numpy", "scipy")
SHOWN = ("MEN-TR-3k", "WS-353-ALL", "SIMLEX-999")  # on the scoreboard


def unit(vectors):
    """Rows of length 1, dense or sparse."""
    if scipy.sparse.issparse(vectors):
        lengths = np.sqrt(vectors.multiply(vectors).sum(axis=1))
        return scipy.sparse.diags_array(1 / np.maximum(lengths, 1e-12)) @ vectors
    return embeddings.unit(vectors)


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


class Pieces(dict):
    """MiniLM's vocabulary with the two things that the functions above ask of a vocabulary."""

    @property
    def ids(self) -> dict[str, int]:
        return self


def minilm() -> tuple[np.ndarray, Pieces]:
    """The input embeddings of MiniLM, centred and of length 1, and the place of each piece."""
    from transformers import AutoTokenizer

    folder = pretrained.folder("minilm")
    with safe_open(folder / "model.safetensors", "np") as weights:
        vectors = weights.get_tensor("embeddings.word_embeddings.weight")
    return unit(vectors - vectors.mean(axis=0)), Pieces(AutoTokenizer.from_pretrained(folder).get_vocab())


def answers(vectors: np.ndarray, vocabulary: Pieces) -> list[dict]:
    """A row for each section of the analogy questions: three ways to answer, and what the third mostly says."""
    questions = data.load("word_analogies", "test").to_pandas()
    rows = []
    for section, group in [*questions.groupby("section", sort=False), ("all", questions)]:
        words = [[w.lower() for w in row] for row in group[["a", "b", "c", "d"]].itertuples(index=False)]
        covered = np.array([[vocabulary[w] for w in row] for row in words if all(w in vocabulary for w in row)])
        right, alone, allowed, third = 0, 0, 0, 0
        for start in range(0, len(covered), 500):
            a, b, c, d = covered[start : start + 500].T
            scores, near = (vectors[b] - vectors[a] + vectors[c]) @ vectors.T, vectors[c] @ vectors.T
            allowed += int((scores.argmax(axis=1) == d).sum())
            third += int((scores.argmax(axis=1) == c).sum())
            for given in (a, b, c):
                scores[np.arange(len(a)), given] = near[np.arange(len(a)), given] = -np.inf
            right += int((scores.argmax(axis=1) == d).sum())
            alone += int((near.argmax(axis=1) == d).sum())
        shares = {
            "b - a + c": right,
            "nearest to c alone": alone,
            "b - a + c, any word allowed": allowed,
            "of these, c itself": third,
        }
        row = {"section": section, "questions": len(words), "covered": len(covered)}
        rows.append(row | {name: round(value / len(covered), 3) for name, value in shares.items()})
    return rows


def harbour() -> None:
    """Counts, PPMI, SVD and skip-gram on the prose and on the tales: how many neighbours are of a word's own kind."""
    with Stopwatch() as watch:
        found: dict[str, dict[str, str]] = {}
        for corpus in ("harbour", "tales"):
            train = data.load(corpus, "train")
            sentences = [[word.lower() for word in s] for s in text.sentences(train["text"])]
            vocabulary = text.Vocabulary(sentences, min_count=MIN_COUNT)
            kinds = embeddings.kinds_in(vocabulary) if corpus == "harbour" else slots(train, vocabulary)
            column = "prose, kinds written down" if corpus == "harbour" else "tales, slots of the grammar"
            counts = embeddings.cooccurrences(sentences, vocabulary, window=2)
            weighted = embeddings.sparse_pmi(counts, SMOOTHING).maximum(0)
            settings = lm.setup("02", quiet=True).skip_gram
            size = settings["size"]
            trained = [embeddings.skip_gram(counts, **settings, seed=seed) for seed in range(3)]
            ways = {
                "counts": [counts],
                "PPMI": [weighted],
                "PPMI and SVD": [embeddings.svd_vectors(weighted, size)],
                "skip-gram, three seeds": trained,
            }
            found.setdefault("by chance", {})[column] = f"{embeddings.by_chance(kinds):.2f}"
            for name, several in ways.items():
                values = [embeddings.same_kind(vectors, vocabulary, kinds) for vectors in several]
                found.setdefault(name, {})[column] = band(values, 2)
    results.record(
        "embeddings_harbour",
        [{"vectors": name, **row} for name, row in found.items()],
        about="Share of a word's nearest neighbours that are of its own kind, mean over the kinds; window of 2 words.",
        command="python benchmarks/embeddings.py harbour",
        packages=(*PACKAGES, "torch"),
        seconds=round(watch.seconds),
    )


def slots(tales, vocabulary: text.Vocabulary) -> dict[str, str]:
    """Word -> what the tales' grammar uses it as, for words of one use that are recalled three times or more."""
    found: dict[str, Counter] = {}
    for row in tales:
        for recalled in (row["truth"] or {}).get("recall") or []:
            word = text.words(row["text"][recalled["start"] :])[0].lower()
            found.setdefault(word, Counter())[recalled["what"]] += 1
    kinds = {w: next(iter(c)) for w, c in found.items() if w in vocabulary and len(c) == 1 and c.total() >= 3}
    return {w: kind for w, kind in kinds.items() if kind in ("colour", "day", "name", "number", "object")}


def real() -> None:
    with Stopwatch() as watch:
        lines = text.sentences(data.load("wikitext2", "train")["text"], "whitespace")
        sentences = [[word.lower() for word in line] for line in lines]
        vocabulary = text.Vocabulary(sentences, min_count=MIN_COUNT)
        sparse, dense = {}, {}
        for window in WINDOWS:
            counts = embeddings.cooccurrences(sentences, vocabulary, window)
            weighted = embeddings.sparse_pmi(counts, SMOOTHING).maximum(0)
            sparse[f"PPMI, window {window}"] = unit(weighted)
            u, s, _ = scipy.sparse.linalg.svds(weighted, k=max(SIZES), random_state=0)
            order = np.argsort(-s)
            for size in SIZES:
                keep = order[:size]
                dense[f"SVD {size}, window {window}"] = unit(u[:, keep] * s[keep] ** POWER).astype(np.float32)
        similar = similarity(sparse | dense, vocabulary)
        alike = analogies(dense, vocabulary)
        read_much, pieces = minilm()
        for row, other in zip(similar, similarity({"MiniLM": read_much}, pieces), strict=True):
            row |= {"covered by MiniLM": other["covered"], "MiniLM": other["MiniLM"]}
        answered = answers(read_much, pieces)
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
    results.record(
        "embeddings_minilm",
        answered,
        about="Google's analogies by the input embeddings of all-MiniLM-L6-v2, centred and of length 1; covered are "
        "the questions whose four words are whole pieces of its vocabulary. Shares.",
        scores=[
            score(
                "02",
                f"Google's analogies, {answered[-1]['covered']:,} questions",
                "MiniLM's input embeddings",
                "right, %",
                [100 * answered[-1]["b - a + c"]],
            )
        ],
        **shared,
    )


def main(part: str) -> None:
    lm.setup("02", quiet=True)
    threadpool_limits(1, user_api="blas")
    {"real": real, "harbour": harbour}[part]()


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "real")
