"""Chapter 15 on real sentences: the small CNN, trained on SST-2, on mistyped sentences and on IMDB.

LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/robustness_sst2.py
"""

import random
import statistics

import numpy as np
import torch
from measure import band

import lmtutor as lm
from lmtutor import metrics, results, text
from lmtutor.models import classifier
from lmtutor.runtime import seed_everything
from lmtutor.tasks import classifying
from lmtutor.trust import attacks

SEEDS = (0, 1, 2)


def words_in(texts) -> list[list[str]]:
    return [text.words(one.replace("<br />", " ").lower()) for one in texts]


def trained(vocabulary: text.Vocabulary, words, labels, seed: int) -> classifier.CNNClassifier:
    seed_everything(seed)
    model = classifier.CNNClassifier(
        len(vocabulary), embedding_size=64, channels=64, widths=(1, 2, 3), dropout=0.4
    )  # fmt: skip
    classifying.train(model, list(map(vocabulary.encode, words)), labels, epochs=3, learning_rate=3e-3, seed=seed)
    return model


def judged(p: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(accuracy, expected calibration error) in %."""
    right = p.argmax(1) == truth
    return 100 * float(right.mean()), 100 * metrics.expected_calibration_error(p.max(1), right)


def judged_together(said: list[np.ndarray], truth: np.ndarray) -> dict:
    """Accuracy and calibration error of several models, and of the mean of their probabilities."""
    accuracy, error = zip(*(judged(p, truth) for p in said), strict=True)
    together = judged(np.mean(said, axis=0), truth)
    return {
        "accuracy, %": round(statistics.mean(accuracy), 1),
        "lowest to highest": band(accuracy),
        "calibration error, %": round(statistics.mean(error), 1),
        "its band": band(error),
        "ensemble: accuracy, %": round(together[0], 1),
        "ensemble: calibration error, %": round(together[1], 1),
    }


def main() -> None:
    sst, imdb = lm.load("sst2"), lm.load("imdb", "test")
    words = {side: words_in(sst[side]["text"]) for side in ("train", "test")}
    vocabulary = text.Vocabulary(words["train"], min_count=2)
    models = [trained(vocabulary, words["train"], list(sst["train"]["label"]), seed) for seed in SEEDS]
    here, there = np.array(sst["test"]["label"]), np.array(imdb["label"][:2000])
    far = words_in(imdb["text"][:2000])
    rows = []
    for name, typos, truth in (
        *((f"SST-2, {count} typos" if count != 1 else "SST-2, 1 typo", count, here) for count in (0, 1, 2, 4, 8)),
        ("IMDB, 0 typos", 0, there),
    ):
        said = []
        for seed, model in zip(SEEDS, models, strict=True):
            draw = random.Random(seed)
            texts = [attacks.with_typos(one, typos, draw) for one in (words["test"] if truth is here else far)]
            said.append(torch.tensor(classifier.logits(model, list(map(vocabulary.encode, texts)))).softmax(-1).numpy())
        rows.append({"texts": name} | judged_together(said, truth))
        print(rows[-1], flush=True)
    results.record(
        "robustness_sst2",
        rows,
        about="The small CNN of chapter 15, with vectors of 64 numbers, trained on the 6,920 sentences of SST-2, asked "
        "about SST-2's test sentences, with slips in so many words, and about the first 2,000 test reviews of IMDB. "
        "Means over three seeds; the ensemble averages the probabilities of the three.",
        command="LMTUTOR_SOURCE=local python benchmarks/robustness_sst2.py",
        packages=("torch",),
    )


if __name__ == "__main__":
    main()
