"""What chapter 14 says of amount, shift and rare classes, on real sentences.

python benchmarks/data_shift.py curves   SST-2: learning curves, and what their beginnings foretell
python benchmarks/data_shift.py domains  SST-2 and IMDB: a classifier of one asked about the other, and weights
python benchmarks/data_shift.py spam     SMS spam, three in a hundred: remedies for a rare class

They want real data (LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR).
"""

import argparse
import functools
import statistics

import numpy as np
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from measure import band
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import pretrained, results, sentences
from lmtutor.models import bert
from lmtutor.runtime import Stopwatch
from lmtutor.trust import imbalance, scaling, shift

SEEDS = (0, 1, 2, 3)
SIZES, SEEN = (50, 100, 200, 400, 800, 1600, 3200), 400  # the law is fitted to the sizes up to SEEN
LENGTH = 128  # pieces of a text that MiniLM reads
ABOUT = "MiniLM's vectors stay as they are; logistic regression on top of them, and on tf-idf of words and pairs."


@functools.cache
def encoder():
    folder = pretrained.folder("minilm")
    return bert.load(folder).eval(), AutoTokenizer.from_pretrained(folder)


def vectors(texts) -> np.ndarray:
    return sentences.vectors(*encoder(), list(texts), LENGTH)


def logistic(strength: float = 3.0, **options) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=3000, **options)


def counted(texts):
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(texts)


def both_readings(*parts) -> dict[str, list]:
    """MiniLM's vectors and tf-idf (fitted to the first part) of several lists of texts."""
    made = counted(parts[0])
    return {"MiniLM": [vectors(part) for part in parts], "tf-idf": [made.transform(part) for part in parts]}


def curves() -> tuple[list[dict], str]:
    """The error after training on so many sentences, and the power law through the small sizes."""
    train, test = (lm.load("sst2")[split].shuffle(seed=0) for split in ("train", "test"))
    train, test = train.select(range(4000)), test.select(range(1200))
    y, y_test = np.array(train["label"]), np.array(test["label"])
    rows, small = [], [n for n in SIZES if n <= SEEN]
    for name, (x, x_test) in both_readings(train["text"], test["text"]).items():
        errors = []
        for seed in SEEDS:
            order = np.random.default_rng(seed).permutation(len(y))
            errors.append([1 - logistic().fit(x[order[:n]], y[order[:n]]).score(x_test, y_test) for n in SIZES])
        errors = 100 * np.array(errors)
        said, low, high = scaling.extrapolate(small, errors[:, : len(small)] / 100, SIZES)
        for i, n in enumerate(SIZES):
            row = {"vectors": name, "examples": n, "error, %": round(float(errors[:, i].mean()), 1)}
            row["lowest to highest"] = band(errors[:, i].tolist())
            row["power law"] = round(100 * float(said[i]), 1)
            row["90 % band"] = f"{100 * low[i]:.1f} to {100 * high[i]:.1f}"
            row["n"] = "fitted" if n <= SEEN else "foretold"
            rows.append(row)
            print(row, flush=True)
    return rows, f"SST-2, error on 1,200 test sentences, {len(SEEDS)} draws of training sentences out of 4,000. {ABOUT}"


def domains() -> tuple[list[dict], str]:
    """Short sentences on films, and whole reviews of films: train here, ask there."""
    part = {}
    for name, n in (("sst2", 1500), ("imdb", 500)):
        rows = {
            split: lm.load(name)[split].shuffle(seed=0).select(range(500 if split == "test" else n))
            for split in ("train", "test")
        }
        part[name] = {split: (list(found["text"]), np.array(found["label"])) for split, found in rows.items()}
    order = [("sst2", "train"), ("sst2", "test"), ("imdb", "train"), ("imdb", "test")]
    rows = []
    for reading, found in both_readings(*(part[name][split][0] for name, split in order)).items():
        x = dict(zip(order, found, strict=True))
        y = {key: part[key[0]][key[1]][1] for key in order}
        auc, shuffled = shift.domain_auc(x["sst2", "train"], x["imdb", "train"], permutations=5)
        p, _ = shift.domain_probabilities(x["sst2", "train"], x["imdb", "train"])
        weights = shift.importance_weights(np.clip(p, 0, 1 - 1e-9), len(p), x["imdb", "train"].shape[0])
        ways = {
            "as they are": None,
            "weighted": weights / weights.mean(),
            "root of the weights": weights**0.5 / (weights**0.5).mean(),
        }
        for way, w in ways.items():
            model = logistic().fit(x["sst2", "train"], y["sst2", "train"], sample_weight=w)
            row = {
                "vectors": reading,
                "trained on": f"{len(p):,} sentences of SST-2, {way}",
                "SST-2, %": round(100 * model.score(x["sst2", "test"], y["sst2", "test"]), 1),
                "IMDB, %": round(100 * model.score(x["imdb", "test"], y["imdb", "test"]), 1),
                "effective size": round(shift.effective_size(np.ones(len(p)) if w is None else w)),
                "domain AUC": round(auc, 3),
                "shuffled": band(shuffled.tolist(), 3),
            }
            rows.append(row)
            print(row, flush=True)
        for n in (100, 500):
            scores = []
            for seed in SEEDS:
                some = np.random.default_rng(seed).permutation(len(y["imdb", "train"]))[:n]
                model = logistic().fit(x["imdb", "train"][some], y["imdb", "train"][some])
                scores.append([100 * model.score(x[name, "test"], y[name, "test"]) for name in ("sst2", "imdb")])
            own, there = np.mean(scores, axis=0)
            rows.append(
                {
                    "vectors": reading,
                    "trained on": f"{n:,} reviews of IMDB",
                    "SST-2, %": round(float(own), 1),
                    "IMDB, %": round(float(there), 1),
                }
            )
            print(rows[-1], flush=True)
    return (
        rows,
        f"Films, praise or complaint: 500 test texts each; MiniLM reads {LENGTH} pieces of a text. {ABOUT}",
    )


def prepared(remedy: str, x, y, seed: int):
    """The training data after a remedy."""
    if remedy == "SMOTE":
        return imbalance.smote(x, y, seed=seed)
    sampler = {"oversampling": RandomOverSampler, "undersampling": RandomUnderSampler}.get(remedy)
    return sampler(random_state=seed).fit_resample(x, y) if sampler else (x, y)


def spam() -> tuple[list[dict], str]:
    """Messages of which 3 % are spam: 1,200 to learn from, 1,200 to choose strength and threshold, 1,200 to judge."""
    rows = [row for part in lm.load("sms_spam").values() for row in part]
    kept = np.random.default_rng(0).permutation(len(rows))
    rows = [rows[i] for label, n in ((1, 400), (0, 3600)) for i in [i for i in kept if rows[i]["label"] == label][:n]]
    x, y, found = vectors(row["text"] for row in rows), np.array([row["label"] for row in rows]), {}
    for seed in range(6):
        generator = np.random.default_rng(seed)
        rare, common = (generator.permutation(np.flatnonzero(y == label)) for label in (1, 0))
        parts = [np.append(rare[36 * i : 36 * (i + 1)], common[1164 * i : 1164 * (i + 1)]) for i in range(3)]
        fitting, choosing, judging = parts
        for remedy in ("nothing", "weights", "oversampling", "undersampling", "SMOTE"):
            data, best = prepared(remedy, x[fitting], y[fitting], seed), None
            for strength in (1, 10, 100):
                model = logistic(strength, class_weight="balanced" if remedy == "weights" else None).fit(*data)
                p = model.predict_proba(x[choosing])[:, 1]
                t = imbalance.best_threshold(p, y[choosing])
                score = f1_score(y[choosing], p >= t)
                best = max(best or (-1,), (score, strength, t, model), key=lambda one: one[0])
            p = best[3].predict_proba(x[judging])[:, 1]
            measured = {
                "F1 at 0.5": f1_score(y[judging], p >= 0.5),
                "F1 at the chosen threshold": f1_score(y[judging], p >= best[2]),
                "average precision": average_precision_score(y[judging], p),
            }
            found.setdefault(remedy, []).append(measured)
    table = []
    for remedy, scores in found.items():
        row = {"remedy": remedy}
        for name in scores[0]:
            values = [one[name] for one in scores]
            row[name] = f"{statistics.mean(values):.2f} ({band(values, 2)})"
        table.append(row)
        print(row, flush=True)
    return table, (
        "SMS Spam Collection, each text once, thinned to 3 % spam: 36 of 1,200 messages in training, validation and "
        "test alike, six random splits. MiniLM's vectors, logistic regression; its strength and the threshold are "
        "those with the best F1 on the validation part. In brackets lowest to highest."
    )


PARTS = {"curves": curves, "domains": domains, "spam": spam}


def main(part: str) -> None:
    lm.setup()
    with Stopwatch() as watch:
        rows, about = PARTS[part]()
    results.record(
        f"data_shift_{part}",
        rows,
        about=about,
        command=f"python benchmarks/data_shift.py {part}",
        packages=("torch", "scikit-learn", "imbalanced-learn"),
        seconds=round(watch.seconds),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    main(parser.parse_args().part)
