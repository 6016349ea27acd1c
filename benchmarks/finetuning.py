"""Fine-tuning as in chapter 10, on the course's reviews unless told otherwise.

python benchmarks/finetuning.py           learning curves: MiniLM fine-tuned, frozen, from random weights; naive Bayes
python benchmarks/finetuning.py rates     learning rates, with and without a warm-up
python benchmarks/finetuning.py layers    what may learn: the head, the top layers, all
python benchmarks/finetuning.py mini      what pretraining is worth to the mini BERT, for two tasks
python benchmarks/finetuning.py real      MiniLM on SST-2
python benchmarks/finetuning.py lengths   how long real texts are
python benchmarks/finetuning.py speed     a step against that of transformers' Trainer
"""

import argparse
import os
import statistics
import tempfile
import warnings
from collections.abc import Callable

import numpy as np
import torch
from joblib import Parallel, delayed
from measure import comparison, in_turns, middle, ratios, score
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging

import lmtutor as lm
from lmtutor import batches, finetuning, pretrained, results
from lmtutor.data import without_leaks
from lmtutor.models import bert, classifier
from lmtutor.runtime import seed_everything

SEEDS = (0, 1, 2)
JOBS = int(os.environ.get("JOBS", "2"))  # runs at once, on one thread each
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "scikit-learn")
MINI, MINILM = "mini BERT", "MiniLM"
FRESH = ", from random weights"  # behind a model's name: the same without its pretraining
FROZEN, COUNTED = "MiniLM, frozen, logistic regression", "naive Bayes on pieces"
FOLDERS = {MINI: "mini_bert", MINILM: "minilm"}


def start(name: str, labels, seed: int):
    """A classifier with a fresh head, and its tokenizer."""
    folder = pretrained.folder(FOLDERS[name.removesuffix(FRESH)])
    seed_everything(seed)
    model = bert.BertClassifier(bert.load(folder), labels)
    if name.endswith(FRESH):
        bert.initialise(model)
    return model, AutoTokenizer.from_pretrained(folder)


def drawn(labels, size: int, seed: int) -> list[int]:
    """Indices of `size` examples, as many of each class."""
    rng, labels = np.random.default_rng(seed), np.array(labels)
    kinds = sorted(set(labels.tolist()))
    return [int(i) for kind in kinds for i in rng.permutation(np.flatnonzero(labels == kind))[: size // len(kinds)]]


def task(corpus: str, what: str = "verdict"):
    """Texts and labels of the splits; of the reviews also another task: is there a negation?"""
    data = without_leaks(lm.load(corpus))
    if what == "verdict":
        return {split: (list(rows["text"]), list(rows["label"])) for split, rows in data.items()}
    return {split: (list(rows["text"]), [int(n != "none") for n in rows["negation"]]) for split, rows in data.items()}


def one_run(name: str, seed: int, *, size=None, what="verdict", learns="all", corpus="reviews", on="test", **how):
    """Accuracy of one fine-tuned model, in %; in a process of its own.

    Args:
        learns: "all", "no embeddings" (all above them), or how many top layers learn.
        how: rate; if need be warm_up, steps (else an epoch), asked (so many texts of the split are judged).
    """
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".* are cut")  # a review that is a little too long
    cfg = lm.setup("10", quiet=True)
    data = task(corpus, what)
    model, tokenizer = start(name, cfg.labels, seed)
    if isinstance(learns, int):
        finetuning.freeze(model, learns)
    elif learns == "no embeddings":
        model.bert.embedding.requires_grad_(False)
    texts, labels = data["train"]
    chosen = range(len(texts)) if size is None else drawn(labels, size, seed)
    history = finetuning.finetune(
        model,
        finetuning.encode(tokenizer, [texts[i] for i in chosen]),
        [labels[i] for i in chosen],
        learning_rate=how["rate"],
        steps=how.get("steps") or -(-len(chosen) // cfg.batch_size),
        batch_size=cfg.batch_size,
        warm_up=how.get("warm_up", cfg.warm_up),
        seed=seed,
        progress=False,
    )
    asked = data[on][0][: how.get("asked")]
    said = classifier.logits(model.eval(), finetuning.encode(tokenizer, asked)).argmax(1)
    accuracy = 100 * float(np.mean(said == np.array(data[on][1][: len(asked)])))
    print(name, seed, size, what, learns, how, f"{accuracy:.1f} %", flush=True)
    return {"accuracy": accuracy, "said": said, "loss": float(history["train_loss"].iloc[-1])}


def scores(found: list[dict]) -> dict:
    """Mean and standard deviation over the seeds."""
    accuracies = [one["accuracy"] for one in found]
    return {
        "accuracy, %": round(statistics.mean(accuracies), 1),
        "± (s.d.)": round(statistics.stdev(accuracies), 1) if len(found) > 1 else None,
        "seeds": len(found),
    }


def record(part: str, names: list[dict], settings: list[dict], what: str, more=(), score_of=None) -> None:
    """Run all settings and write a row for each: its names and its scores; `score_of` makes a row of the scoreboard.

    After each seed the table is written, so that a program broken off has recorded some. `more` are rows with runs.
    """
    found: list[list[dict]] = [[] for _ in settings]
    for seed in SEEDS:
        runs = Parallel(n_jobs=JOBS)(delayed(one_run)(seed=seed, **setting) for setting in settings)
        for so_far, run in zip(found, runs, strict=True):
            so_far.append(run)
        rows = [*zip(names, found, strict=True), *more]
        results.record(
            f"finetuning_{part}",
            [name | scores(runs) for name, runs in rows],
            about=f"{what} Mean and standard deviation over the seeds, each with examples, first weights and order of "
            f"its own; batches of {lm.setup('10', quiet=True).batch_size}.",
            command="make scoreboard ONLY=finetuning"
            if score_of
            else f"python benchmarks/finetuning.py{'' if part == 'curve' else f' {part}'}",
            packages=PACKAGES,
            scores=[score_of(runs) for runs in found] if score_of else [],
        )


ASKED = 600  # test reviews of the curves; two standard errors of an accuracy near 80 % are 3 points


def curve(cfg) -> None:
    """MiniLM fine-tuned, frozen and from random weights, and counting, over the number of examples."""
    data = task("reviews")
    names, settings, more = [], [], []
    for name, learns in ((MINILM, "no embeddings"), (MINILM + FRESH, "all")):
        for size in cfg.sizes:
            names.append({"model": name, "examples": size})
            steps = max(cfg.least_steps, cfg.epochs * size // cfg.batch_size)
            how = {"learns": learns, "rate": cfg.minilm_rate, "steps": steps, "asked": ASKED}
            settings.append({"name": name, "size": size} | how)
    tokenizer = AutoTokenizer.from_pretrained(pretrained.folder("minilm"))
    pieces = {split: finetuning.encode(tokenizer, data[split][0]) for split in ("train", "test")}
    pieces["test"] = pieces["test"][:ASKED]
    encoder = bert.load(pretrained.folder("minilm"))
    needed = sorted({i for seed in SEEDS for i in drawn(data["train"][1], max(cfg.sizes), seed)})
    vectors = {"train": dict(zip(needed, mean_vectors(encoder, [pieces["train"][i] for i in needed]), strict=True))}
    vectors["test"] = mean_vectors(encoder, pieces["test"])
    truth = np.array(data["test"][1][:ASKED])
    for name, fit in ((FROZEN, regression), (COUNTED, counting)):
        for size in cfg.sizes:
            runs = []
            for seed in SEEDS:
                chosen = drawn(data["train"][1], size, seed)
                labels = [data["train"][1][i] for i in chosen]
                source = vectors if name == FROZEN else pieces
                said = fit([source["train"][i] for i in chosen], labels, source["test"])
                runs.append({"accuracy": 100 * float(np.mean(said == truth))})
            more.append(({"model": name, "examples": size}, runs))
            print(more[-1], flush=True)
    record(
        "curve",
        names,
        settings,
        f"Verdicts of the reviews, accuracy on the first {ASKED} test reviews; {cfg.epochs} epochs, but at least "
        f"{cfg.least_steps} steps, learning rate {cfg.minilm_rate:g}; MiniLM keeps its embeddings as they are, "
        f"from random weights all learn.",
        more,
    )


@torch.no_grad()
def mean_vectors(encoder, sequences) -> np.ndarray:
    """The mean of the vectors of a text's pieces, with length 1: [texts, hidden]."""
    found = np.zeros((len(sequences), encoder.pooler.in_features))
    for group in batches.in_order_of_length(list(map(len, sequences)), 64):
        batch = batches.pad([sequences[i] for i in group])
        mask = batch["attention_mask"][:, :, None]
        mean = (encoder.eval()(**batch) * mask).sum(1) / mask.sum(1)
        found[group] = torch.nn.functional.normalize(mean, dim=-1).double().numpy()
    return found


def regression(vectors, labels, test):
    return LogisticRegression(C=10, max_iter=1000).fit(np.array(vectors), labels).predict(test)


def counting(sequences, labels, test):
    bag = CountVectorizer(analyzer=lambda ids: ids)
    return MultinomialNB().fit(bag.fit_transform(sequences), labels).predict(bag.transform(test))


# Of the tables that need many runs: a task that the mini BERT learns well.
SMALL = {"name": MINI, "size": 1024, "what": "negation", "steps": 128}
TASK = "The mini BERT learns on 1,024 reviews, 128 updates, whether there is a negation"


def layers(cfg) -> None:
    ways = {
        "the head and the pooler": 0,
        "and the top layer": 1,
        "all but the embeddings": "no embeddings",
        "all": "all",
    }
    settings = [SMALL | {"learns": learns, "rate": cfg.learning_rate} for learns in ways.values()]
    what = f"{TASK}, when only a part of it learns: accuracy on the test split."
    record("layers", [{"what learns": way} for way in ways], settings, what)


def rates(cfg) -> None:
    tried = [(rate, warm_up) for rate in (1e-4, 1e-3, 1e-2) for warm_up in (0.0, cfg.warm_up)]
    settings = [SMALL | {"rate": rate, "warm_up": warm_up, "on": "validation", "asked": 400} for rate, warm_up in tried]
    names = [{"learning rate": rate, "warm-up": warm_up} for rate, warm_up in tried]
    record("rates", names, settings, f"{TASK}: accuracy on 400 validation reviews.")


def mini(cfg) -> None:
    """Two tasks on the same reviews."""
    tasks = {"is there a negation?": "negation", "is it good or bad?": "verdict"}
    settings, names = [], []
    for said, what in tasks.items():
        for name in (MINI, MINI + FRESH):
            names.append({"task": said, "model": name})
            settings.append(SMALL | {"name": name, "what": what, "rate": cfg.learning_rate})
    record("mini", names, settings, "The mini BERT on 1,024 reviews, 128 updates: accuracy on the test split.")


def real(cfg) -> None:
    settings = [{"name": MINILM, "corpus": "sst2", "rate": 1e-4}]
    what = "Fine-tuning on the sentences of SST-2, 1 epoch: accuracy on the test split."
    record("real", [{"model": MINILM}], settings, what, score_of=sst2_score)


def sst2_score(runs: list[dict]) -> dict:
    published = "93.5 (Devlin et al., 2019): BERT-base, which is five times as large, 67,349 phrases, GLUE's test set"
    accuracies = [one["accuracy"] for one in runs]
    return score(
        "10", "SST-2, sentences", "MiniLM, all weights, 1 pass", "accuracy, %", accuracies, published=published
    )


def lengths(cfg) -> None:
    """How many pieces real texts have, and how many are cut."""
    tokenizer = AutoTokenizer.from_pretrained(pretrained.folder(FOLDERS[MINILM]))
    rows = []
    for corpus in ("reviews", "sst2", "imdb"):
        texts = lm.load(corpus)["train"]["text"]
        pieces = np.array([len(ids) for ids in tokenizer(list(texts), verbose=False)["input_ids"]])
        longer = {f"longer than {limit}, %": round(100 * float((pieces > limit).mean()), 1) for limit in (128, 512)}
        rows.append({"texts": corpus, "number": len(pieces), "median pieces": int(np.median(pieces))} | longer)
    results.record(
        "finetuning_lengths",
        rows,
        about="Pieces of the training texts, [CLS] and [SEP] included, with the vocabulary of BERT-base, uncased.",
        command="LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/finetuning.py lengths",
        packages=PACKAGES,
    )


OURS = "ours, batches by length"
SPEED = ((MINI, 1024, 9), (MINILM, 512, 3))  # model, reviews, turns
SAMPLINGS = {"Trainer, random batches": "random", "Trainer, batches by length": "group_by_length"}


def training_of(way: str, name: str, cfg, size: int, out: str) -> Callable[[], object]:
    """A function that fine-tunes a model on the first `size` reviews for an epoch: ours, or that of a Trainer."""
    data = lm.load("reviews")["train"].select(range(size))
    folder = pretrained.folder(FOLDERS[name])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded, labels = finetuning.encode(tokenizer, data["text"]), data["label"]
    if way == OURS:
        model = bert.BertClassifier(bert.load(folder), cfg.labels)
        options = {"learning_rate": 1e-4, "epochs": 1, "batch_size": 32, "progress": False}
        return lambda: finetuning.finetune(model, encoded, labels, **options)
    trainer = Trainer(
        BertForSequenceClassification.from_pretrained(folder, num_labels=2),
        TrainingArguments(
            out, num_train_epochs=1, per_device_train_batch_size=32, learning_rate=1e-4, report_to=[],
            train_sampling_strategy=SAMPLINGS[way], save_strategy="no", disable_tqdm=True, use_cpu=True,
            logging_strategy="no",
        ),
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=[{"input_ids": ids, "labels": label} for ids, label in zip(encoded, labels, strict=True)],
    )  # fmt: skip
    return trainer.train


def speed(cfg) -> None:
    """Seconds of an epoch, ours and Trainer's in turns; the same model, batch and schedule."""
    logging.set_verbosity_error()
    rows, comparisons = [], []
    for name, size, turns in SPEED:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as out:
            works = {way: training_of(way, name, cfg, size, out) for way in (OURS, *SAMPLINGS)}
            taken = in_turns(works, turns)
        for way, seconds in taken.items():
            longer = ratios(seconds, taken[OURS])
            rows.append(
                {
                    "model": name,
                    "training": way,
                    "ms a step": round(1000 * statistics.median(seconds) / (size / 32), 1),
                    "times ours": round(statistics.median(longer), 2),
                    "middle half": middle(longer),
                }
            )
            if way != OURS:
                what = f"a step of fine-tuning {name}"
                comparisons.append(comparison("10", what, way, longer, "times as fast", at_least=1))
            print(rows[-1], flush=True)
    results.record(
        "finetuning_speed",
        rows,
        about="An epoch over "
        + " and ".join(f"{size:,} reviews ({name}, {turns} turns)" for name, size, turns in SPEED)
        + f" in batches of 32, float32, AdamW, norm of the gradient cut at 1; {torch.get_num_threads()} thread(s).",
        command="make bench ONLY=finetuning",
        packages=PACKAGES,
        comparisons=comparisons,
    )
    print(results.markdown("finetuning_speed"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = (layers, rates, mini, real, lengths, speed)
    by_name = {part.__name__: part for part in parts}
    parser.add_argument("part", nargs="?", choices=by_name)
    by_name.get(parser.parse_args().part, curve)(lm.setup("10"))
