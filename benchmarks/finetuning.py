"""Fine-tuning as in chapter 10, on the course's reviews unless told otherwise.

python benchmarks/finetuning.py           learning curves: from few examples to all, pretrained and not, five seeds
python benchmarks/finetuning.py minilm    the same with MiniLM, where examples are few
python benchmarks/finetuning.py layers    what may learn: the head, the top layer, all
python benchmarks/finetuning.py rates     learning rates, with and without a warm-up
python benchmarks/finetuning.py kinds     accuracy by what a review was written to show
python benchmarks/finetuning.py real      MiniLM on SST-2
python benchmarks/finetuning.py lengths   how long real texts are
python benchmarks/finetuning.py speed     a step against that of transformers' Trainer
"""

import argparse
import os
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from joblib import Parallel, delayed
from measure import comparison, in_turns, middle, ratios, score
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)
from transformers.utils import logging

import lmtutor as lm
from lmtutor import finetuning, pretrained, results
from lmtutor.data import without_leaks
from lmtutor.models import bert, classifier
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2, 3, 4)
JOBS = int(os.environ.get("JOBS", "2"))  # runs at once, on one thread each
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate")
MINI, SCRATCH, MINILM = "mini BERT", "mini BERT, not pretrained", "MiniLM"
FOLDERS = {MINI: "mini_bert", SCRATCH: "mini_bert", MINILM: "minilm"}


def start(name: str, labels, seed: int):
    """A classifier with a fresh head, and its tokenizer."""
    folder = pretrained.folder(FOLDERS[name])
    seed_everything(seed)
    model = bert.BertClassifier(bert.load(folder), labels)
    if name == SCRATCH:
        bert.initialise(model)
    return model, AutoTokenizer.from_pretrained(folder)


def drawn(labels, size: int, seed: int) -> list[int]:
    """Indices of `size` examples, as many of each class."""
    rng, labels = np.random.default_rng(seed), np.array(labels)
    kinds = sorted(set(labels.tolist()))
    return [int(i) for kind in kinds for i in rng.permutation(np.flatnonzero(labels == kind))[: size // len(kinds)]]


def one_run(
    name: str,
    seed: int,
    *,
    size=None,
    top_layers=None,
    corpus="reviews",
    rate=None,
    warm_up=None,
    epochs=None,
    least_steps=None,
):
    """Accuracy on the test split of one fine-tuned model, in %, and what it took; in a process of its own."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".* are cut")  # a review that is a little too long
    cfg = lm.setup("10")
    data = without_leaks(lm.load(corpus))
    model, tokenizer = start(name, cfg.labels, seed)
    learning = finetuning.freeze(model, top_layers)
    split = data["train"] if size is None else data["train"].select(drawn(data["train"]["label"], size, seed))
    steps = max(least_steps or cfg.least_steps, (epochs or cfg.epochs) * -(-len(split) // cfg.batch_size))
    with Stopwatch() as watch:
        history = finetuning.finetune(
            model,
            finetuning.encode(tokenizer, split["text"]),
            split["label"],
            learning_rate=rate or (cfg.minilm_rate if name == MINILM else cfg.learning_rate),
            steps=steps,
            batch_size=cfg.batch_size,
            warm_up=cfg.warm_up if warm_up is None else warm_up,
            seed=seed,
            progress=False,
        )
    said = classifier.logits(model.eval(), finetuning.encode(tokenizer, data["test"]["text"])).argmax(1)
    right = said == np.array(data["test"]["label"])
    accuracy = 100 * float(right.mean())
    print(name, seed, size, top_layers, rate, warm_up, f"{accuracy:.1f} {watch.seconds:.0f} s", flush=True)
    return {
        "accuracy": accuracy,
        "right": right,  # [test texts]
        "seconds": watch.seconds,
        "learning": learning,
        "loss": float(history["train_loss"].iloc[-1]),
    }


def runs_of(settings: list[dict], seeds=SEEDS) -> Iterator[list[list[dict]]]:
    """What each setting gave, for each seed so far; after each seed, so that a program broken off has recorded some."""
    found: list[list[dict]] = [[] for _ in settings]
    for seed in seeds:
        runs = Parallel(n_jobs=JOBS)(delayed(one_run)(seed=seed, **setting) for setting in settings)
        for so_far, run in zip(found, runs, strict=True):
            so_far.append(run)
        yield found


def scores(found: list[dict]) -> dict:
    """Mean and standard deviation over the seeds."""
    accuracies = [one["accuracy"] for one in found]
    return {
        "accuracy, %": round(statistics.mean(accuracies), 1),
        "± (s.d.)": round(statistics.stdev(accuracies), 1) if len(found) > 1 else None,
        "seeds": len(found),
        "seconds": round(statistics.median(one["seconds"] for one in found)),
    }


def record(cfg, part: str, names: list[dict], settings: list[dict], what: str, seeds=SEEDS, score_of=None) -> None:
    """Run all settings and write a row for each: its names and its scores; `score_of` makes a row of the scoreboard."""
    for found in runs_of(settings, seeds):
        results.record(
            f"finetuning_{part}",
            [name | scores(runs) for name, runs in zip(names, found, strict=True)],
            about=f"{what} Accuracy on the test split, mean and standard deviation over the seeds; batches of "
            f"{cfg.batch_size}; seconds are the median of a training, on one thread, with other work beside it.",
            command="make scoreboard ONLY=finetuning"
            if score_of
            else f"python benchmarks/finetuning.py{'' if part == 'curves' else f' {part}'}",
            packages=PACKAGES,
            scores=[score_of(runs) for runs in found] if score_of else [],
        )


def curve(cfg, part: str, settings: list[dict], how_long: str) -> None:
    names = [{"model": setting["name"], "examples": setting["size"]} for setting in settings]
    record(cfg, part, names, settings, f"Fine-tuning on the reviews, {how_long}.")


def curves(cfg) -> None:
    settings = [{"name": name, "size": size} for name in (MINI, SCRATCH) for size in cfg.sizes]
    curve(cfg, "curves", settings, f"{cfg.epochs} epochs, but at least {cfg.least_steps} steps")


def minilm(cfg) -> None:  # a step takes 50 times as long, so there are fewer
    settings = [{"name": MINILM, "size": size, "epochs": 3, "least_steps": 60} for size in cfg.sizes[:4]]
    curve(cfg, "minilm", settings, "3 epochs, but at least 60 steps")


def layers(cfg) -> None:
    ways = {"the head and the pooler": 0, "and the top layer": 1, "all": None}
    settings = [{"name": MINI, "epochs": 2, "top_layers": top} for top in ways.values()]
    what = "The mini BERT on all 4,000 reviews, 2 epochs, when only a part of it learns."
    record(cfg, "layers", [{"what learns": way} for way in ways], settings, what, SEEDS[:3])


def rates(cfg) -> None:
    settings = [
        {"name": MINI, "epochs": 2, "rate": rate, "warm_up": warm_up}
        for rate, warm_up in ((1e-5, 0.1), (1e-4, 0.1), (1e-3, 0.0), (1e-3, 0.1), (1e-2, 0.0), (1e-2, 0.1))
    ]
    names = [{"learning rate": f"{one['rate']:g}", "warm-up": one["warm_up"]} for one in settings]
    record(cfg, "rates", names, settings, "The mini BERT on all 4,000 reviews, 2 epochs.", SEEDS[:3])


def kind_of(review: dict) -> str:
    """What a review was written to show, with where and how: "negation, distant", "contrast, decisive side first"."""
    kind = review["phenomena"][0]
    if kind == "negation":
        return f"{kind}, {review['negation']}"
    return f"{kind}, decisive side {review['contrast']}" if kind == "contrast" else kind


def kinds(cfg) -> None:
    test = lm.load("reviews")["test"]
    found = {name: one_run(name, 0, epochs=1 if name == MINILM else None, least_steps=1) for name in (MINI, MINILM)}
    groups: dict[str, list[int]] = {"all": list(range(len(test)))}
    for i, review in enumerate(test):
        groups.setdefault(kind_of(review), []).append(i)
    rows = [
        {"what the review shows": kind, "reviews": len(group)}
        | {f"{name}, %": round(100 * float(run["right"][group].mean()), 1) for name, run in found.items()}
        for kind, group in sorted(groups.items())
    ]
    results.record(
        "finetuning_kinds",
        rows,
        about=f"Accuracy on the test reviews by what they show, after fine-tuning on all 4,000 training reviews: the "
        f"mini BERT for {cfg.epochs} epochs, MiniLM for 1; one seed.",
        command="python benchmarks/finetuning.py kinds",
        packages=PACKAGES,
        seed=0,
    )


def real(cfg) -> None:
    settings = [{"name": MINILM, "corpus": "sst2", "epochs": 1, "least_steps": 1}]
    what = "Fine-tuning on the sentences of SST-2, 1 epoch."
    record(cfg, "real", [{"model": MINILM}], settings, what, SEEDS[:3], score_of=sst2_score)


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
    parts = (minilm, layers, rates, kinds, real, lengths, speed)
    by_name = {part.__name__: part for part in parts}
    parser.add_argument("part", nargs="?", choices=by_name)
    by_name.get(parser.parse_args().part, curves)(lm.setup("10"))
