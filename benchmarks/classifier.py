"""Naive Bayes, logistic regression and an LSTM on reviews, SST-2 and IMDB; naive Bayes on four of the 20 newsgroups.

    python benchmarks/classifier.py        the course's reviews
    python benchmarks/classifier.py real   SST-2, IMDB and the newsgroups (needs LMTUTOR_DATA_DIR or the hub)

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
from collections.abc import Sequence

import numpy as np
import torch
from measure import score
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

import lmtutor as lm
from lmtutor import results, text, training
from lmtutor.models import classifier

REAL_COMMAND = "make scoreboard ONLY=classifier"
PACKAGES = ("torch", "scikit-learn", "numpy")
SEEDS = (0, 1, 2)
PUBLISHED = {
    ("imdb", "logistic regression, words"): "88.9 (LLMs-from-scratch): all 25,000 texts",
    ("imdb", "LSTM"): "87.0 (handson-ml3, a GRU): all 25,000 texts",
}
# Found on the validation data. `first` and `last`: tokens kept of a text's beginning and end.
LSTM = {
    "reviews": {"epochs": 12, "learning_rate": 8e-3, "min_count": 2, "first": 1000, "last": 0},
    "sst2": {"epochs": 3, "learning_rate": 3e-3, "min_count": 2, "first": 1000, "last": 0},
    "imdb": {"epochs": 3, "learning_rate": 5e-3, "min_count": 5, "first": 100, "last": 200},
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


def bag_of_words(kind: str, n: int, data: dict) -> dict:
    """Fit on train with each strength of smoothing, choose by validation, and measure on test."""
    start = time.process_time()
    vectorizer = CountVectorizer(
        analyzer=lambda words: ngrams(words, n), min_df=2, binary=kind == "logistic regression"
    )
    x = {"train": vectorizer.fit_transform(data["train"][0])}
    x |= {split: vectorizer.transform(data[split][0]) for split in ("validation", "test")}
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


def lstm(name: str, data: dict, seed: int) -> tuple[float, float, float]:
    """Accuracy on validation and test, and seconds of processor time for training."""
    settings = LSTM[name]
    vocabulary = text.Vocabulary(data["train"][0], min_count=settings["min_count"])

    def encode(words: list[str]) -> list[int]:
        first, last = settings["first"], settings["last"]
        if len(words) > first + last:
            words = words[:first] + words[len(words) - last :]
        return vocabulary.encode(words)

    ids = {split: [encode(words) for words in part[0]] for split, part in data.items()}
    labels = {split: part[1] for split, part in data.items()}
    torch.manual_seed(seed)
    model = classifier.LSTMClassifier(len(vocabulary), dropout=0.4, word_dropout=0.1)
    rate, start = settings["learning_rate"], time.process_time()
    training.fit(
        model,
        classifier.epochs_by_length(ids["train"], labels["train"], batch_size=50, epochs=settings["epochs"], seed=seed),
        loss=classifier.loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=classifier.collator(ids["train"], labels["train"]),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=rate),
        scheduler=lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1),
        progress=False,
        seed=seed,
    )
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


def scores_of(name: str, rows: list[dict], lstm: list[float]) -> list[dict]:
    """Rows of the scoreboard."""
    data, measure = {"sst2": "SST-2, sentences", "imdb": "IMDB, 8,988 texts to learn from"}[name], "accuracy, %"
    found = [(one["model"], [one["test accuracy, %"]]) for one in rows] + [("LSTM", [100 * one for one in lstm])]
    return [score("04", data, m, measure, v, published=PUBLISHED.get((name, m), "")) for m, v in found]


def sentiment(name: str) -> None:
    """The table of four models on one data set, written after each run of the LSTM."""
    data, about = splits(name)
    rows = []
    for model, kind, n in (
        ("naive Bayes, words", "naive Bayes", 1),
        ("logistic regression, words", "logistic regression", 1),
        ("logistic regression, words and pairs", "logistic regression", 2),
    ):
        found = bag_of_words(kind, n, data)
        rows.append(row(model, [found["test"]], found["seconds"], found["validation"]))
    busy = os.getloadavg()[0] > os.cpu_count() + 1 if hasattr(os, "getloadavg") else False
    settings, runs = LSTM[name], []
    for seed in SEEDS:
        runs.append(lstm(name, data, seed))
        print(name, seed, runs[-1], flush=True)
        validation, test, seconds = zip(*runs, strict=True)
        seeds = f"{len(runs)} seed" + "s" * (len(runs) > 1)
        results.record(
            f"classification_{name}",
            [
                *rows,
                row(f"LSTM, {seeds}", list(test), statistics.mean(seconds), statistics.mean(validation)),
            ],
            about=f"Sentiment on {about}. One thread; processor time of one training of the LSTM, and of the others "
            "with the search for their smoothing"
            + (" (the machine was busy with other work, which makes all of them slower)" if busy else "")
            + (
                f"; the LSTM reads the first {settings['first']} and the last {settings['last']} tokens of a text."
                if settings["last"]
                else "."
            ),
            command=REAL_COMMAND if name in REAL else "python benchmarks/classifier.py",
            packages=PACKAGES,
            scores=scores_of(name, rows, list(test)) if name in REAL else [],
            lstm=settings,
            seeds=len(runs),
        )


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
    for name in REAL if sys.argv[1:] == ["real"] else ["reviews"]:
        newsgroups() if name == "newsgroups" else sentiment(name)
        print(f"\n{results.markdown(f'classification_{name}')}")
