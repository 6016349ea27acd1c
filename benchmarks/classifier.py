"""Bags of words, a bag of embeddings, a convolution and an LSTM on reviews, SST-2 and IMDB; naive Bayes on newsgroups.

    python benchmarks/classifier.py            the course's reviews
    python benchmarks/classifier.py real       SST-2, IMDB and the newsgroups (needs LMTUTOR_DATA_DIR or the hub)
    python benchmarks/classifier.py imdb CNN   one of the sets; with a word, only the models whose names begin so,
                                               beside the stored rows of the others

writes classification_reviews.json, ..._sst2, ..._imdb and ..._newsgroups.json into benchmarks/results. All of it runs
on one thread. Settings are chosen on validation data; the test data are looked at once.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from measure import score
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from torch import nn

import lmtutor as lm
from lmtutor import results, text
from lmtutor.models import classifier
from lmtutor.tasks import classifying

REAL_COMMAND = "make scoreboard ONLY=classifier"
PACKAGES = ("torch", "scikit-learn", "numpy")
SEEDS = (0, 1, 2)
PUBLISHED = {
    ("imdb", "logistic regression, words"): "88.9 (LLMs-from-scratch): all 25,000 texts",
    ("imdb", "NB-weighted, words and pairs"): "91.2 (Wang and Manning, 2012, with an SVM): all 25,000 texts",
    ("imdb", "LSTM"): "87.0 (handson-ml3, a GRU): all 25,000 texts",
}
# name: kind, n-grams of up to so many words, whether a word counts once a text
COUNTED = {
    "naive Bayes, counts of words": ("naive Bayes", 1, False),
    "naive Bayes, words": ("naive Bayes", 1, True),
    "logistic regression, words": ("logistic regression", 1, True),
    "naive Bayes, words and pairs": ("naive Bayes", 2, True),
    "logistic regression, words and pairs": ("logistic regression", 2, True),
    "NB-weighted, words and pairs": ("NB-weighted", 2, True),
}
# Of the models that are trained by gradients: what makes one of the size of the vocabulary.
TRAINED: dict[str, Callable[[int], nn.Module]] = {
    "bag of embeddings": lambda size: classifier.BagOfEmbeddings(size, dropout=0.4),
    "bag of embeddings, hidden layer": lambda size: classifier.BagOfEmbeddings(size, hidden_size=64, dropout=0.4),
    "CNN, windows of 1 word": lambda size: classifier.CNNClassifier(size, channels=256, widths=(1,), dropout=0.4),
    "CNN": lambda size: classifier.CNNClassifier(size, dropout=0.4),
    "LSTM": lambda size: classifier.LSTMClassifier(size, dropout=0.4, word_dropout=0.1),
}
# Epochs and the top of the learning rate, found on the validation data; the CNNs' least of all, on IMDB not at all.
SETTINGS = {
    "reviews": {"bag of embeddings": (4, 1e-2), "bag of embeddings, hidden layer": (6, 2e-2),
                "CNN, windows of 1 word": (8, 4e-3), "CNN": (8, 4e-3), "LSTM": (12, 8e-3)},
    "sst2": {"bag of embeddings": (3, 5e-3), "bag of embeddings, hidden layer": (3, 5e-3),
             "CNN, windows of 1 word": (3, 2e-3), "CNN": (3, 2e-3), "LSTM": (3, 3e-3)},
    "imdb": {"bag of embeddings": (4, 5e-3), "bag of embeddings, hidden layer": (4, 5e-3),
             "CNN, windows of 1 word": (3, 2e-3), "CNN": (3, 2e-3), "LSTM": (3, 5e-3)},
}  # fmt: skip
# Words seen less often become <unk>; tokens kept of a text's beginning and end.
KEPT = {
    "reviews": {"min_count": 2, "first": 1000, "last": 0},
    "sst2": {"min_count": 2, "first": 1000, "last": 0},
    "imdb": {"min_count": 5, "first": 100, "last": 200},
}
REAL = ("sst2", "imdb", "newsgroups")


def tokens(document: str) -> list[str]:
    """Words and marks in lower case, without IMDB's line breaks."""
    return text.words(re.sub(r"<br\s*/?>", " ", document).lower())


def splits(name: str) -> tuple[dict[str, tuple[list[list[str]], np.ndarray]], str]:
    """Texts as tokens and labels of each split, and a sentence on what was done to the data.

    Training texts that also stand in the test part are left out. Without a validation part a tenth of train is one.
    """
    corpus = lm.load(name)
    seen = set(corpus["test"]["text"])
    rows = list(zip(corpus["train"]["text"], corpus["train"]["label"], strict=True))
    kept = [row for row in rows if row[0] not in seen]
    parts = {"train": kept, "test": list(zip(corpus["test"]["text"], corpus["test"]["label"], strict=True))}
    if "validation" in corpus:
        parts["validation"] = list(zip(corpus["validation"]["text"], corpus["validation"]["label"], strict=True))
    else:
        random.Random(0).shuffle(kept)
        parts["validation"], parts["train"] = kept[: len(kept) // 10], kept[len(kept) // 10 :]
    train, validation, test = (f"{len(parts[split]):,}" for split in ("train", "validation", "test"))
    about = f"{name}: {train} texts to train, {validation} to validate, {test} to test"
    if len(kept) < len(rows):
        about += f"; {len(rows) - len(kept)} training texts were left out because they stand in test, too"
    return {s: ([tokens(t) for t, _ in part], np.array([y for _, y in part])) for s, part in parts.items()}, about


def weighted(x, ratio: np.ndarray | None):
    """Features [texts, n-grams], each times its n-gram's log-count ratio, if there is one."""
    return x if ratio is None else x.multiply(ratio).tocsr()


def log_count_ratio(x, labels: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """The votes of naive Bayes (Wang and Manning, 2012): features [texts, n-grams], labels 0 and 1 -> [n-grams]."""
    good, bad = (alpha + np.asarray(x[labels == y].sum(axis=0)).ravel() for y in (1, 0))
    return np.log(good / good.sum()) - np.log(bad / bad.sum())


def bag_of_words(name: str, data: dict) -> dict:
    """Fit on train with each strength of smoothing, choose by validation, and measure on test."""
    kind, n, once = COUNTED[name]
    start = time.process_time()
    vectorizer = CountVectorizer(analyzer=lambda words: ngrams(words, n), min_df=2, binary=once)
    x = {"train": vectorizer.fit_transform(data["train"][0])}
    x |= {split: vectorizer.transform(data[split][0]) for split in ("validation", "test")}
    ratio = log_count_ratio(x["train"], data["train"][1]) if kind == "NB-weighted" else None
    x = {split: weighted(features, ratio) for split, features in x.items()}
    if kind == "naive Bayes":
        candidates = [MultinomialNB(alpha=alpha) for alpha in (0.1, 0.3, 1, 3)]
    else:
        candidates = [LogisticRegression(C=c, max_iter=1000) for c in (0.01, 0.03, 0.1, 0.3, 1)]
    fitted = [model.fit(x["train"], data["train"][1]) for model in candidates]
    best = max(fitted, key=lambda model: model.score(x["validation"], data["validation"][1]))
    scores = {split: best.score(x[split], data[split][1]) for split in ("validation", "test")}
    return {**scores, "seconds": time.process_time() - start}


def ngrams(words: Sequence[str], n: int) -> list[str]:
    """All n-grams of 1 to n words."""
    return [" ".join(words[i : i + k]) for k in range(1, n + 1) for i in range(len(words) - k + 1)]


def encoded(name: str, data: dict) -> tuple[text.Vocabulary, dict[str, list[list[int]]]]:
    """The vocabulary of the training texts, and the ids of all texts, long ones without their middle."""
    first, last = KEPT[name]["first"], KEPT[name]["last"]
    vocabulary = text.Vocabulary(data["train"][0], min_count=KEPT[name]["min_count"])

    def encode(words: list[str]) -> list[int]:
        if len(words) > first + last:
            words = words[:first] + words[len(words) - last :]
        return vocabulary.encode(words)

    return vocabulary, {split: [encode(words) for words in part[0]] for split, part in data.items()}


def trained(name: str, model_name: str, vocabulary: text.Vocabulary, ids: dict, labels: dict, seed: int) -> tuple:
    """Accuracy on validation and test, and seconds of processor time for training."""
    epochs, rate = SETTINGS[name][model_name]
    torch.manual_seed(seed)
    model = TRAINED[model_name](len(vocabulary))
    start = time.process_time()
    classifying.train(model, ids["train"], labels["train"], epochs=epochs, learning_rate=rate, seed=seed)
    seconds = time.process_time() - start
    right = [
        float((classifier.logits(model, ids[split]).argmax(axis=1) == labels[split]).mean())
        for split in ("validation", "test")
    ]
    return *right, seconds


def row(model: str, accuracies: list[float], seconds: float, validation: float) -> dict:
    """A row of the table: the mean, and the band if there are several seeds."""
    band = f"{100 * min(accuracies):.1f} to {100 * max(accuracies):.1f}" if len(accuracies) > 1 else ""
    return {
        "model": model,
        "validation accuracy, %": round(100 * validation, 1),
        "test accuracy, %": round(100 * statistics.mean(accuracies), 1),
        "band over seeds": band,
        "CPU seconds": round(seconds, 1),
    }


def measured(model: str) -> str:
    """The name of a model in the table without the number of seeds."""
    return model.partition(f", {len(SEEDS)} seeds")[0]


def score_of(name: str, model: str, accuracies: list[float]) -> dict:
    """A row of the scoreboard."""
    data = {"sst2": "SST-2, sentences", "imdb": "IMDB, 8,988 texts to learn from"}[name]
    values = [100 * one for one in accuracies]
    return score("04", data, model, "accuracy, %", values, published=PUBLISHED.get((name, model), ""))


def sentiment(name: str, only: str = "") -> None:
    """The table of all models on one data set, written after each model; `only`: those whose names begin so."""
    data, about = splits(name)
    busy = os.getloadavg()[0] > os.cpu_count() + 1 if hasattr(os, "getloadavg") else False
    vocabulary, ids = encoded(name, data)
    labels = {split: part[1] for split, part in data.items()}
    stored = results.read(f"classification_{name}") if only else {}
    rows = {measured(one["model"]): one for one in stored.get("rows", [])}
    scores = {one["model"]: one for one in stored.get("scores", [])}
    for model in (*COUNTED, *TRAINED):
        if not model.startswith(only):
            continue
        if model in COUNTED:
            found = bag_of_words(model, data)
            accuracies = [found["test"]]
            rows[model] = row(model, accuracies, found["seconds"], found["validation"])
        else:
            runs = [trained(name, model, vocabulary, ids, labels, seed) for seed in SEEDS]
            validation, accuracies, seconds = (list(column) for column in zip(*runs, strict=True))
            means = statistics.mean(seconds), statistics.mean(validation)
            rows[model] = row(f"{model}, {len(SEEDS)} seeds", accuracies, *means)
        if name in REAL:
            scores[model] = score_of(name, model, accuracies)
        print(name, rows[model], flush=True)
        record(name, about, busy, *({m: of[m] for m in (*COUNTED, *TRAINED) if m in of} for of in (rows, scores)))


def record(name: str, about: str, busy: bool, rows: dict, scores: dict) -> None:
    """Write the table of one data set."""
    kept = KEPT[name]
    results.record(
        f"classification_{name}",
        list(rows.values()),
        about=f"Sentiment on {about}. Counted models see which words occur, but for *counts of words*; one thread; "
        "processor time of one training of a network, and of the others with the search for their smoothing"
        + (" (the machine was busy with other work, which makes all of them slower)" if busy else "")
        + (
            f"; networks read the first {kept['first']} and the last {kept['last']} tokens of a text."
            if kept["last"]
            else "."
        ),
        command=REAL_COMMAND if name in REAL else "python benchmarks/classifier.py",
        packages=PACKAGES,
        scores=list(scores.values()),
        settings={model: dict(zip(("epochs", "learning_rate"), SETTINGS[name][model], strict=True)) | kept
                  for model in TRAINED},
        seeds=len(SEEDS),
    )  # fmt: skip


def newsgroups() -> None:
    """Naive Bayes on four newsgroups, as scikit-learn's tutorial has it."""
    corpus = lm.load("20newsgroups")
    vectorizer = TfidfVectorizer()  # CountVectorizer and TfidfTransformer of the tutorial in one
    x = vectorizer.fit_transform(corpus["train"]["text"])
    model = MultinomialNB().fit(x, corpus["train"]["label"])
    accuracy = model.score(vectorizer.transform(corpus["test"]["text"]), corpus["test"]["label"])
    results.record(
        "classification_newsgroups",
        [
            {
                "model": "naive Bayes on tf-idf",
                "vocabulary": len(vectorizer.vocabulary_),
                "test accuracy": round(accuracy, 7),
                "scikit-learn's tutorial": 0.8348868,
            }
        ],
        about=f"Four newsgroups: {len(corpus['train']):,} messages to train, {len(corpus['test']):,} for test.",
        command=REAL_COMMAND,
        packages=PACKAGES,
        scores=[
            score("04", "four newsgroups", "naive Bayes on tf-idf", "accuracy, %", [100 * accuracy], 2,
                  published="83.49 (scikit-learn's tutorial)")
        ],
    )  # fmt: skip


if __name__ == "__main__":
    lm.setup()
    torch.set_num_threads(1)
    wanted, only = [*sys.argv[1:], "", ""][:2]
    for name in REAL if wanted == "real" else [wanted or "reviews"]:
        newsgroups() if name == "newsgroups" else sentiment(name, only)
        print(f"\n{results.markdown(f'classification_{name}')}")
