"""Pretraining as in chapter 09.

python benchmarks/pretraining.py checkpoint   makes data/checkpoints/mini_bert, which the chapters load
python benchmarks/pretraining.py              compares tasks at an equal number of steps: hidden words with and
                                              without next sentences, and next words
"""

import argparse
import statistics

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import batches, pretrained, pretraining, results, runtime, text, training
from lmtutor.models import bert
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS, STEPS = (0, 1), 3000
NAME = "mini_bert"


class CausalBert(bert.Bert):
    """The same layers, but no token sees a later one."""

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        return self.encoder(self.embedding(input_ids, token_type_ids), causal=True)[0]


def texts_of(cfg, split: str) -> list[str]:
    return [document for name in cfg.corpora for document in lm.load(name, split)["text"]]


def documents_of(texts, tokenizer) -> list[list[list[int]]]:
    """Texts as sentences of ids, without special tokens."""
    return [
        [tokenizer.encode(sentence, add_special_tokens=False) for sentence in text.split_sentences(one)]
        for one in texts
    ]


def special(tokenizer) -> dict[str, int]:
    return {name: getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep", "mask")}


def next_word_loss(model, batch):
    """Mean of -ln P of each next token but the first, as in chapter 08; nothing is hidden."""
    labels = batch["input_ids"][:, 1:].masked_fill(batch["attention_mask"][:, 1:] == 0, batches.IGNORED)
    hidden = model.bert(batch["input_ids"])[:, :-1]
    loss = F.cross_entropy(model.logits(hidden).flatten(0, 1), labels.flatten())
    return loss, (labels != batches.IGNORED).sum()


def masked_only_loss(model, batch):
    hidden = model.bert(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
    return bert.masked_loss(model, hidden, batch["labels"])


def pretrain(cfg, tokenizer, *, steps, seed, log_every, loss=pretraining.pretraining_loss, kind=bert.Bert, **options):
    """A pretrained model with its heads, and the history of its training."""
    train, validation = (
        pretraining.stretches(documents_of(texts_of(cfg, split), tokenizer), cfg.max_length)
        for split in ("train", "validation")
    )
    seed_everything(seed)
    sizes = {name: getattr(cfg, name) for name in ("hidden_size", "num_heads", "num_layers", "max_length")}
    model = bert.PretrainingBert(kind(len(tokenizer), dropout=0.0, **sizes))
    history = training.fit(
        model,
        train,
        validation=validation,
        loss=loss,
        collate=pretraining.Collate(train, len(tokenizer), share=cfg.share, **special(tokenizer), **options),
        steps=steps,
        batch_size=cfg.batch_size,
        optimizer=lambda p: torch.optim.AdamW(p, lr=cfg.learning_rate, weight_decay=cfg.weight_decay),
        scheduler=training.rise_and_fall,
        log_every=log_every,
        seed=seed,
        progress=False,
    )
    return model.eval().cpu(), history


@torch.no_grad()
def vectors(model: nn.Module, tokenizer, texts: list[str]) -> list[torch.Tensor]:
    """The last layer's vectors of each text: [time, hidden], special tokens included."""
    found = []
    for start in range(0, len(texts), 50):
        batch = tokenizer(texts[start : start + 50], padding=True, truncation=True, return_tensors="pt")
        hidden = model(batch["input_ids"], batch["attention_mask"])
        found += [row[: n.item()] for row, n in zip(hidden, batch["attention_mask"].sum(1), strict=True)]
    return found


def probe_scores(model, tokenizer) -> dict[str, float]:
    """What a linear classifier reads off the vectors: the verdict of a review, and whether an opinion is negated."""
    reviews = lm.load("reviews")
    sides = {}
    for split in ("train", "test"):
        rows, read = reviews[split], vectors(model.bert, tokenizer, reviews[split]["text"])
        words, negated = [], []
        for row, hidden in zip(rows, read, strict=True):
            encoding = tokenizer(row["text"], truncation=True)
            for span in row["spans"]:
                place = encoding.char_to_token(span["start"])
                if place is not None:
                    words.append(hidden[place].numpy())
                    negated.append(span["negated"])
        means = np.stack([hidden.mean(0).numpy() for hidden in read])
        sides[split] = {"verdict": (means, rows["label"]), "negated": (np.stack(words), negated)}
    scores = {}
    for task in ("verdict", "negated"):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"))
        probe.fit(*sides["train"][task])
        x, y = sides["test"][task]
        hits = probe.predict(x) == np.array(y)
        scores[task] = 100 * statistics.mean(hits[np.array(y) == kind].mean() for kind in sorted(set(y)))
    return scores


def checkpoint(cfg) -> None:
    tokenizer = text.wordpiece(texts_of(cfg, "train"), cfg.vocabulary_size, cfg.max_length)
    with Stopwatch() as watch:
        model, history = pretrain(cfg, tokenizer, steps=cfg.checkpoint_steps, seed=0, log_every=400)
    folder = runtime.share("data") / "checkpoints" / NAME
    bert.save(model, folder)
    tokenizer.save_pretrained(folder)
    results.record(
        NAME,
        history[["step", "train_loss", "validation_loss"]].round(3).to_dict("records"),
        about=f"Pretraining of data/checkpoints/{NAME}: the sum of both tasks' losses, in nats; "
        f"{torch.get_num_threads()} thread(s), with other work beside it.",
        command="python benchmarks/pretraining.py checkpoint",
        packages=("torch", "transformers", "tokenizers", "accelerate"),
        seconds=round(watch.seconds),
    )


WAYS = {
    "not trained": {"steps": 1},
    "hidden words and next sentence": {},
    "hidden words": {"loss": masked_only_loss, "pairs": False},
    "next word": {"loss": next_word_loss, "pairs": False, "kind": CausalBert},
}


def one_run(name: str, seed: int) -> dict[str, float]:
    """One way of pretraining, with what its vectors know; in a process of its own, on one thread."""
    torch.set_num_threads(1)
    cfg = lm.setup("09")
    tokenizer = text.wordpiece(texts_of(cfg, "train"), cfg.vocabulary_size, cfg.max_length)
    settings = {"steps": STEPS, "seed": seed, "log_every": STEPS} | WAYS[name]
    with Stopwatch() as watch:
        model, history = pretrain(cfg, tokenizer, **settings)
    found = {"loss": history["validation_loss"].iloc[-1], **probe_scores(model, tokenizer), "seconds": watch.seconds}
    print(name, seed, {key: round(float(value), 2) for key, value in found.items()}, flush=True)
    return found


def compare(cfg) -> None:
    runs = [(name, seed) for name in WAYS for seed in SEEDS]
    found = dict(zip(runs, Parallel(n_jobs=2)(delayed(one_run)(*run) for run in runs), strict=True))
    rows = []
    for name in WAYS:
        mine = [found[name, seed] for seed in SEEDS]
        row = {"pretraining": name, "seeds": len(SEEDS)}
        for column, title in (("verdict", "verdict, %"), ("negated", "negated, %"), ("loss", "own validation loss")):
            low, high = (bound(one[column] for one in mine) for bound in (min, max))
            digits = 2 if column == "loss" else 1
            row[title] = f"{low:.{digits}f} to {high:.{digits}f}"
        rows.append(row | {"seconds": round(statistics.median(one["seconds"] for one in mine))})
    results.record(
        "pretraining",
        rows,
        about=f"The sizes of chapter 09, {STEPS} steps of {cfg.batch_size} stretches each; then a linear classifier on "
        "the vectors of the reviews: the verdict from their mean, whether an opinion is negated from the vector of "
        "its first piece; mean of the shares right in both classes, test split; lowest to highest over the seeds; "
        "one thread each, with other work beside it.",
        command="python benchmarks/pretraining.py",
        packages=("torch", "transformers", "tokenizers", "accelerate", "scikit-learn"),
        seeds=list(SEEDS),
    )


def real(_) -> None:
    """A linear classifier on the mean vector of each sentence of SST-2."""
    corpus, rows = lm.load("sst2"), []
    for name in pretrained.MODELS:
        folder = pretrained.folder(name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        trained = bert.load(folder).eval()
        torch.manual_seed(0)
        untrained = bert.load(folder).eval()
        bert.initialise(untrained)
        scores = {}
        for kind, model in (("pretrained", trained), ("random weights", untrained)):
            with Stopwatch() as watch:
                means = {
                    split: np.stack([v.mean(0).numpy() for v in vectors(model, tokenizer, corpus[split]["text"])])
                    for split in ("train", "test")
                }
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
            probe.fit(means["train"], corpus["train"]["label"])
            scores[kind] = round(100 * probe.score(means["test"], corpus["test"]["label"]), 1)
            print(name, kind, scores[kind], round(watch.seconds), flush=True)
        parameters = sum(parameter.numel() for parameter in trained.parameters())
        rows.append({"model": name, "parameters": parameters, **{f"{k}, %": v for k, v in scores.items()}})
    results.record(
        "pretraining_real",
        rows,
        about="SST-2: accuracy on the 1,821 test sentences of a linear classifier on the mean of the last layer's "
        "vectors, trained on the 6,920 training sentences; nothing was fine-tuned.",
        command="LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/pretraining.py real",
        packages=("torch", "transformers", "scikit-learn"),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["checkpoint", "real"])
    {"checkpoint": checkpoint, "real": real, None: compare}[parser.parse_args().part](lm.setup("09"))
