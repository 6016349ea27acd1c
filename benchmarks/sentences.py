"""Vectors for sentences as in chapter 09.

python benchmarks/sentences.py halves    halves of paragraphs find each other, with and without contrastive learning
python benchmarks/sentences.py similar   STS Benchmark: how alike are two sentences? Wants real data, and the models
                                         that `halves` left in runs/sentences
python benchmarks/sentences.py few       SST-2: a classifier from few labels on frozen vectors. Wants real data
"""

import argparse
import statistics
import warnings
from pathlib import Path

import numpy as np
from measure import band
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import finetuning, pretrained, results, sentences
from lmtutor.models import bert
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS, STEPS, BATCH, LENGTH, RATE, TEMPERATURE = (0, 1, 2), 100, 32, 32, 1e-3, 0.05
READ = 96  # pieces of a text that are read when a vector is asked for
LABELS, DRAWS = (64, 256, 1024), (0, 1, 2)
MINI, MINILM, COUNTED = "mini_bert", "minilm", "tf-idf"


def encoder(name: str):
    """A frozen encoder and its tokenizer."""
    folder = pretrained.folder(name)
    return bert.load(folder).eval(), AutoTokenizer.from_pretrained(folder)


def tf_idf(learned: list[str]):
    """Texts -> vectors of length 1, as dense arrays."""
    made = TfidfVectorizer(sublinear_tf=True).fit(learned)
    return lambda texts: made.transform(texts).toarray()


def found(read, pairs) -> dict[str, float]:
    """How well first halves find their second halves."""
    ranks = sentences.ranks(*(read([pair[i] for pair in pairs]) for i in (0, 1)))
    return {
        "first, %": 100 * float((ranks == 1).mean()),
        "among five, %": 100 * float((ranks <= 5).mean()),
        "mean 1/rank": float((1 / ranks).mean()),
    }


def kept(weights: str, seed: int) -> Path:
    """Where the trained model of a seed is put."""
    return Path(__file__).resolve().parent.parent / "runs" / "sentences" / f"{weights}-{seed}"


def trained(weights: str, seed: int, pairs, steps: int = STEPS):
    """The mini BERT's architecture after contrastive learning, from its own weights or from random ones.

    What an earlier run left in `runs/sentences` is taken from there: a program that was broken off can go on.
    """
    if (kept(weights, seed) / "model.safetensors").exists():
        return bert.load(kept(weights, seed)).eval()
    model, tokenizer = encoder(MINI)
    seed_everything(seed)
    if weights == "random":
        bert.initialise(model, model.embedding.tokens.embedding_dim**-0.5)
    sides = [finetuning.encode(tokenizer, [pair[i] for pair in pairs], LENGTH) for i in (0, 1)]
    with Stopwatch() as watch:
        sentences.contrast(
            model,
            list(zip(*sides, strict=True)),
            steps=steps,
            batch_size=BATCH,
            learning_rate=RATE,
            temperature=TEMPERATURE,
            seed=seed,
            progress=False,
        )
    print(weights, seed, f"{watch.seconds:.0f} s", flush=True)
    bert.save(model, kept(weights, seed))
    return model.eval()


def reader(model, tokenizer):
    return lambda texts: sentences.vectors(model, tokenizer, texts, READ)


def halves(_) -> None:
    pairs = {split: sentences.halves(rows["text"]) for split, rows in lm.load("harbour").items()}
    mini, tokenizer = encoder(MINI)
    ways = {
        COUNTED: [tf_idf([text for pair in pairs["train"] for text in pair])],
        "MiniLM": [reader(*encoder(MINILM))],
        "mini BERT": [reader(mini, tokenizer)],
    }
    for title, weights in (("mini BERT, contrasted", "pretrained"), ("random weights, contrasted", "random")):
        ways[title] = []
        for seed in SEEDS:
            ways[title].append(reader(trained(weights, seed, pairs["train"]), tokenizer))
    rows = []
    for title, several in ways.items():
        scores = [found(read, pairs["test"]) for read in several]
        row = {"vectors": title}
        for name in scores[0]:
            digits = 3 if "1/" in name else 1
            row[name] = round(statistics.mean(one[name] for one in scores), digits)
            row[f"{name}, lowest to highest"] = band([one[name] for one in scores], digits)
        rows.append(row)
        print(row, flush=True)
    results.record(
        "sentences_halves",
        rows,
        about=f"The first half of each of {len(pairs['test'])} paragraphs of harbour's prose (test split) looks for "
        f"its second half among all {len(pairs['test'])}: how often the right one is first, or among five. Vectors: "
        f"mean of the last layer. Contrasted: {STEPS} steps of {BATCH} pairs, halves of the training split's "
        f"{len(pairs['train']):,} paragraphs, InfoNCE with temperature {TEMPERATURE}, {len(SEEDS)} seeds.",
        command="python benchmarks/sentences.py halves",
        packages=("torch", "transformers", "scikit-learn"),
        seeds=list(SEEDS),
    )


def similar(_) -> None:
    corpus = lm.load("stsb")
    test = corpus["test"]
    learned = [*corpus["train"]["sentence1"], *corpus["train"]["sentence2"]]
    _, tokenizer = encoder(MINI)
    ways = {
        COUNTED: [tf_idf(learned)],
        "MiniLM": [reader(*encoder(MINILM))],
        "mini BERT": [reader(*encoder(MINI))],
        "mini BERT, contrasted on harbour": [
            reader(bert.load(kept("pretrained", seed)).eval(), tokenizer) for seed in SEEDS
        ],
    }
    rows = []
    for title, several in ways.items():
        scores = []
        for read in several:
            first, second = (read(test[column]) for column in ("sentence1", "sentence2"))
            scores.append(float(spearmanr((first * second).sum(axis=1), test["score"]).statistic))
        rows.append(
            {
                "vectors": title,
                "Spearman": round(statistics.mean(scores), 3),
                "lowest to highest": band(scores, 3),
            }
        )
        print(rows[-1], flush=True)
    results.record(
        "sentences_similar",
        rows,
        about=f"STS Benchmark, {len(test):,} pairs of sentences (test split): Spearman's rank correlation of the "
        "cosine of the two vectors with the score that people gave. tf-idf learned its weights on the training split; "
        "the others never saw the benchmark. Contrasted on harbour: the three models of the part `halves`.",
        command="LMTUTOR_SOURCE=local python benchmarks/sentences.py similar",
        packages=("torch", "transformers", "scikit-learn", "scipy"),
    )


def few(_) -> None:
    corpus = lm.load("sst2")
    draws = {seed: np.random.default_rng(seed).permutation(len(corpus["train"])) for seed in DRAWS}
    wanted = sorted({int(i) for order in draws.values() for i in order[: max(LABELS)]})
    place = {i: number for number, i in enumerate(wanted)}
    learned = corpus["train"].select(wanted)
    labels, truth = np.array(learned["label"]), np.array(corpus["test"]["label"])
    rows = []
    for title in (COUNTED, "mini BERT", "MiniLM"):
        if title != COUNTED:
            read = reader(*encoder({"mini BERT": MINI, "MiniLM": MINILM}[title]))
            x, x_test = read(learned["text"]), read(corpus["test"]["text"])
        for size in LABELS:
            scores = []
            for order in draws.values():
                chosen = [place[int(i)] for i in order[:size]]
                if title == COUNTED:
                    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=2000))
                    model.fit([learned["text"][i] for i in chosen], labels[chosen])
                    scores.append(100 * model.score(corpus["test"]["text"], truth))
                else:
                    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
                    scores.append(100 * model.fit(x[chosen], labels[chosen]).score(x_test, truth))
            rows.append(
                {
                    "labels": size,
                    "vectors": title,
                    "mean, %": round(statistics.mean(scores), 1),
                    "lowest to highest": band(scores),
                }
            )
            print(rows[-1], flush=True)
    results.record(
        "sentences_few",
        rows,
        about=f"SST-2, sentences of film reviews, good or bad: accuracy on {len(truth):,} test sentences of a logistic "
        f"regression that gets few labels; {len(DRAWS)} draws of the labelled sentences. Its inputs: tf-idf of words "
        "and pairs of words, or the mean of a frozen encoder's last vectors.",
        command="LMTUTOR_SOURCE=local python benchmarks/sentences.py few",
        packages=("torch", "transformers", "scikit-learn"),
        seeds=list(DRAWS),
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".* are cut")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"halves": halves, "similar": similar, "few": few}
    parser.add_argument("part", choices=list(parts))
    parts[parser.parse_args().part](lm.setup("09"))
