"""Pretraining as in chapter 09.

python benchmarks/pretraining.py checkpoint   makes data/checkpoints/mini_bert, which the chapters load
python benchmarks/pretraining.py              compares tasks at an equal number of steps: hidden words with and
                                              without next sentences, next words, and two kinds of first weights
python benchmarks/pretraining.py negation     is there a negation in a review? pretrained or random first weights
python benchmarks/pretraining.py real         what pretrained vectors know of SST-2; with `mini_bert` of that model
                                              alone, and the rows of the other stay
python benchmarks/pretraining.py speed        the forward pass beside that of transformers.BertModel
"""

import argparse
import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from joblib import Parallel, delayed
from measure import band, comparison, in_turns, ratios, score
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F
from transformers import AutoTokenizer, BertModel

import lmtutor as lm
from lmtutor import batches, finetuning, pretrained, pretraining, results, runtime, text, training
from lmtutor.models import bert, classifier
from lmtutor.runtime import Stopwatch, seed_everything

PROBE_SEEDS = (0, 1, 2)
SEEDS, STEPS, LENGTH = (0, 1), 1200, 48  # of the comparison: pairs of at most 48 pieces
SMALL = {"hidden_size": 64, "learning_rate": 5e-3, "corpora": ["reviews"]}  # what it has smaller than the chapter
JOBS = 2  # at once, on one thread each
NAME = "mini_bert"
ENCODERS = ("minilm", NAME)  # whose vectors are probed and whose speed is measured


class CausalBert(bert.Bert):
    """The same layers, but no token sees a later one."""

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        return self.encoder(self.embedding(input_ids, token_type_ids), causal=True)[0]


def texts_of(cfg, split: str) -> list[str]:
    return [document for name in cfg.corpora for document in lm.load(name, split)["text"]]


def next_word_loss(model, batch):
    """Mean of -ln P of each next token but the first, as in chapter 08; nothing is hidden."""
    labels = batch["input_ids"][:, 1:].masked_fill(batch["attention_mask"][:, 1:] == 0, batches.IGNORED)
    hidden = model.bert(batch["input_ids"])[:, :-1]
    loss = F.cross_entropy(model.logits(hidden).flatten(0, 1), labels.flatten())
    return loss, (labels != batches.IGNORED).sum()


def masked_only_loss(model, batch):
    hidden = model.bert(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
    return bert.masked_loss(model, hidden, batch["labels"])


def stretches_of(cfg, split: str, tokenizer) -> list[pretraining.Stretch]:
    return pretraining.stretches(pretraining.encode(tokenizer, texts_of(cfg, split)), tokenizer.model_max_length)


def pretrain(
    cfg, tokenizer, *, steps, seed, log_every, loss=pretraining.pretraining_loss, kind=bert.Bert, std=0.02, **options
):
    """A pretrained model with its heads, and the history of its training (None without any step)."""
    train, validation = (stretches_of(cfg, split, tokenizer) for split in ("train", "validation"))
    seed_everything(seed)
    sizes = {name: getattr(cfg, name) for name in ("hidden_size", "num_heads", "num_layers")}
    sizes["max_length"] = tokenizer.model_max_length
    model = bert.PretrainingBert(kind(len(tokenizer), dropout=0.0, **sizes))
    if std != 0.02:  # else the weights are those that the model was made with
        bert.initialise(model, std)
    if steps == 0:
        return model.eval(), None
    history = training.fit(
        model,
        train,
        validation=validation,
        loss=loss,
        collate=pretraining.Collate(
            train, len(tokenizer), **{"share": cfg.share, **pretraining.special_ids(tokenizer), **options}
        ),
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
    sequences = finetuning.encode(tokenizer, texts)
    found: list[torch.Tensor | None] = [None] * len(texts)
    for group in batches.in_order_of_length(list(map(len, sequences))):
        batch = batches.pad([sequences[i] for i in group])
        for i, row in zip(group, model(**batch), strict=True):  # row: [time, hidden]
            found[i] = row[: len(sequences[i])]
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


@torch.no_grad()
def guess_scores(model, tokenizer, stretches, causal: bool) -> dict[str, float]:
    """Each stretch has one piece to guess, the same for all models: from what is left of it, or from both sides."""
    generator, nats, right = torch.Generator().manual_seed(0), [], []
    collate = pretraining.Collate(
        stretches, len(tokenizer), **pretraining.special_ids(tokenizer), pairs=False, share=0.0
    )
    for start in range(0, len(stretches), 100):
        batch = collate(stretches[start : start + 100])
        rows = torch.arange(len(batch["input_ids"]))
        # Not the first piece, of which the left side says nothing, and no special one.
        may = ~torch.isin(batch["input_ids"], torch.tensor(tokenizer.all_special_ids))
        may[:, 1] = False
        places = (torch.rand(may.shape, generator=generator) * may).argmax(1)  # [batch]
        truth = batch["input_ids"][rows, places]
        if not causal:
            batch["input_ids"][rows, places] = tokenizer.mask_token_id
        hidden = model.bert(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        logits = model.logits(hidden[rows, places - int(causal)])  # [batch, vocab]
        nats.append(F.cross_entropy(logits, truth, reduction="none"))
        right.append((logits.argmax(-1) == truth).float())
    return {"guess": torch.cat(nats).mean().item(), "right": 100 * torch.cat(right).mean().item()}


def checkpoint(cfg) -> None:
    tokenizer = text.wordpiece(texts_of(cfg, "train"), cfg.vocabulary_size, cfg.max_length)
    with Stopwatch() as watch:
        model, history = pretrain(
            cfg, tokenizer, steps=cfg.checkpoint_steps, seed=0, log_every=400, std=cfg.hidden_size**-0.5
        )
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


LARGE = {"std": 0.12}  # first weights that suit vectors of 64 numbers: about 1 / sqrt(64)
WORDS = {"loss": masked_only_loss, "pairs": False}
NEXT = {"loss": next_word_loss, "pairs": False, "kind": CausalBert}
WAYS = {
    "not trained": {**WORDS, **LARGE, "steps": 0},
    "hidden words, 15 %": {**WORDS, **LARGE},
    "hidden words, 15 %, first weights of 0.02": WORDS,
    "hidden words, 40 %": {**WORDS, **LARGE, "share": 0.4},
    "hidden words, 15 %, and next sentence": LARGE,
    "next word": {**NEXT, **LARGE},
    "next word, as many predictions": {**NEXT, **LARGE, "steps": round(0.15 * STEPS)},
}


def one_run(name: str, seed: int) -> dict[str, float]:
    """One way of pretraining, with what its vectors know; in a process of its own, on one thread."""
    torch.set_num_threads(1)
    cfg = SimpleNamespace(**{**vars(lm.setup("09")), **SMALL})
    tokenizer = text.wordpiece(texts_of(cfg, "train"), cfg.vocabulary_size, LENGTH)
    settings = {"steps": STEPS, "seed": seed, "log_every": 100} | WAYS[name]
    with Stopwatch() as watch:
        model, history = pretrain(cfg, tokenizer, **settings)
    guesses = guess_scores(model, tokenizer, stretches_of(cfg, "test", tokenizer), "kind" in WAYS[name])
    predictions = 0 if history is None else int(history["tokens"].iloc[-1])
    scores = probe_scores(model, tokenizer)
    found = {"predictions": predictions, **guesses, **scores, "seconds": watch.seconds}
    found["curve"] = [] if history is None else history["validation_loss"].round(3).tolist()
    print(name, seed, {key: value for key, value in found.items() if key != "curve"}, flush=True)
    return found


def compare(cfg) -> None:
    runs = [(name, seed) for seed in SEEDS for name in WAYS]
    found = Parallel(n_jobs=JOBS)(delayed(one_run)(*run) for run in runs)
    write_comparison(dict(zip(runs, found, strict=True)))


def write_comparison(found: dict[tuple[str, int], dict[str, float]]) -> None:
    """The table, and the validation losses on the way."""
    titles = {"guess": "a piece, nats", "right": "a piece, % right", "negated": "negated, %", "verdict": "verdict, %"}
    rows = []
    for name, settings in WAYS.items():
        mine = [found[name, seed] for seed in SEEDS]
        row = {"pretraining": name, "steps": settings.get("steps", STEPS)}
        row["predictions"] = 1000 * round(statistics.mean(one["predictions"] for one in mine) / 1000)
        for column, title in titles.items():
            digits = 2 if column == "guess" else 1
            low, high = (f"{bound(one[column] for one in mine):.{digits}f}" for bound in (min, max))
            row[title] = f"{low} to {high}"
        rows.append(row)
    results.record(
        "pretraining",
        rows,
        about=f"A BERT of 2 layers of {SMALL['hidden_size']}; the reviews, in pairs of up to {LENGTH} pieces, 32 a "
        "step. A piece: one of each stretch of the test split is guessed, from the pieces before it by models of the "
        "next word, from both sides by the others. Then a linear classifier on the vectors of the reviews: whether an "
        "opinion is negated, from the vector of its first piece; the verdict, from the mean vector; mean of the shares "
        "right in both classes, test split. Lowest to highest over the seeds.",
        command="python benchmarks/pretraining.py",
        packages=("torch", "transformers", "tokenizers", "accelerate", "scikit-learn"),
        seeds=list(SEEDS),
        curves={name: [found[name, seed]["curve"] for seed in SEEDS] for name in WAYS},
    )


# --- what pretraining is good for ------------------------------------------------------------------------------------

SIZES, RATES, NEGATION_STEPS, TUNING_SEED = (64, 256, 1024), (3e-4, 1e-3, 3e-3), 96, 100
FIRST_WEIGHTS = ("pretrained", "random")
COUNTED = "word pairs, counted"


def negation_task(split) -> tuple[list[str], list[int]]:
    """Reviews in pairs: one that holds a negation (label 1), one that holds none (label 0)."""
    yes, no = ([row["text"] for row in split if (row["negation"] != "none") == answer] for answer in (True, False))
    pairs = list(zip(yes, no, strict=False))
    return [text for pair in pairs for text in pair], [1, 0] * len(pairs)


def drawn(size: int, seed: int, all_of_them: int) -> list[int]:
    """Which examples a seed draws: half of them with a negation."""
    pairs = np.random.default_rng(seed).permutation(all_of_them // 2)[: size // 2]
    return [int(i) for pair in pairs for i in (2 * pair, 2 * pair + 1)]


def negation_run(task, weights: str, size: int, seed: int, rate: float, split: str) -> float:
    """Accuracy in % on that split of the mini BERT's architecture, trained from those first weights.

    Each run is kept in `runs/negation`: a program that was broken off can go on.
    """
    kept = Path(__file__).resolve().parent.parent / "runs" / "negation" / f"{weights}-{size}-{seed}-{rate:g}-{split}"
    if kept.exists():
        return float(kept.read_text(encoding="utf-8"))
    seed_everything(seed)
    encoder = bert.load(task.folder)
    if weights == "random":
        bert.initialise(encoder, encoder.embedding.tokens.embedding_dim**-0.5)
    model = bert.BertClassifier(encoder, ["no negation", "a negation"])
    chosen = drawn(size, seed, len(task.labels["train"]))
    finetuning.finetune(
        model,
        [task.pieces["train"][i] for i in chosen],
        [task.labels["train"][i] for i in chosen],
        learning_rate=rate,
        steps=NEGATION_STEPS,
        seed=seed,
        progress=False,
    )
    hits = classifier.logits(model, task.pieces[split]).argmax(1) == np.array(task.labels[split])
    print(weights, size, seed, rate, split, round(100 * hits.mean(), 1), flush=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(repr(100 * float(hits.mean())), encoding="utf-8")
    return 100 * float(hits.mean())


def negation(_) -> None:
    """The same training from pretrained and from random weights, and a linear classifier of counted words beside it."""
    torch.set_num_threads(1)
    task = SimpleNamespace(folder=pretrained.folder(NAME), texts={}, labels={}, pieces={})
    tokenizer = AutoTokenizer.from_pretrained(task.folder)
    for split, rows in lm.load("reviews").items():
        task.texts[split], task.labels[split] = negation_task(rows)
        task.pieces[split] = finetuning.encode(tokenizer, task.texts[split])
    tried = {rate: negation_run(task, "random", SIZES[1], TUNING_SEED, rate, "validation") for rate in RATES}
    best, found = max(tried, key=tried.get), {}
    for weights in FIRST_WEIGHTS:
        for size in SIZES:
            found[weights, size] = [negation_run(task, weights, size, seed, best, "test") for seed in PROBE_SEEDS]
    for size in SIZES:
        found[COUNTED, size] = []
        for seed in PROBE_SEEDS:
            chosen = drawn(size, seed, len(task.labels["train"]))
            counts = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]")
            model = make_pipeline(counts, LogisticRegression(max_iter=2000))
            model.fit([task.texts["train"][i] for i in chosen], [task.labels["train"][i] for i in chosen])
            found[COUNTED, size].append(100 * model.score(task.texts["test"], task.labels["test"]))
    results.record(
        "pretraining_negation",
        [
            {
                "examples": size,
                "first weights": weights,
                "mean, %": round(statistics.mean(runs), 1),
                "lowest to highest": band(runs),
            }
            for (weights, size), runs in sorted(found.items(), key=lambda one: one[0][1])
        ],
        about="Does a review hold a negation? Accuracy on the test split, half of which does. The mini BERT's "
        f"architecture, all weights trained for {NEGATION_STEPS} steps of 32, from the pretrained weights and from "
        f"random ones (standard deviation 1/sqrt(128)), both with the learning rate {best:g}, which suited the random "
        f"ones best of {', '.join(f'{rate:g}' for rate in RATES)} (validation split, {SIZES[1]} examples, own "
        f"seed); {len(PROBE_SEEDS)} seeds, each with its own examples. Counted: logistic regression on counts of words "
        "and of pairs of neighbouring words, on the same examples.",
        command="python benchmarks/pretraining.py negation",
        packages=("torch", "transformers", "scikit-learn"),
        seeds=list(PROBE_SEEDS),
        runs={f"{weights}, {size}": [round(one, 1) for one in runs] for (weights, size), runs in found.items()},
    )


# --- real data, and speed ---------------------------------------------------------------------------------------------


def real(_, *only: str) -> None:
    """A linear classifier on the mean vector of each sentence of SST-2; of the encoders named, or of all."""
    corpus, rows, scored = lm.load("sst2"), [], []
    for name in ENCODERS:
        if only and name not in only:  # it stays as it was measured
            stored = results.read("pretraining_real")
            rows += [row for row in stored["rows"] if row["model"] == name]
            scored += [one for one in stored["scores"] if f" {name}," in one["model"]]
            continue
        folder = pretrained.folder(name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        models, scores = {"pretrained": [bert.load(folder).eval()], "random weights": []}, {}
        for seed in PROBE_SEEDS:
            torch.manual_seed(seed)
            models["random weights"].append(bert.load(folder).eval())
            bert.initialise(models["random weights"][-1])
        for kind, model in [(kind, model) for kind, several in models.items() for model in several]:
            with Stopwatch() as watch:
                means = {
                    split: np.stack([v.mean(0).numpy() for v in vectors(model, tokenizer, corpus[split]["text"])])
                    for split in ("train", "test")
                }
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
            probe.fit(means["train"], corpus["train"]["label"])
            scores.setdefault(kind, []).append(100 * probe.score(means["test"], corpus["test"]["label"]))
            print(name, kind, scores[kind][-1], round(watch.seconds), flush=True)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        rows.append(
            {
                "model": name,
                "parameters": parameters,
                **{f"{kind}, %": round(statistics.mean(values), 1) for kind, values in scores.items()},
                "random, lowest to highest": band(scores["random weights"]),
            }
        )
        scored += [
            score("09", "SST-2, sentences", f"linear classifier on {name}, {kind}", "accuracy, %", values)
            for kind, values in scores.items()
        ]
    results.record(
        "pretraining_real",
        rows,
        about="SST-2: accuracy on the 1,821 test sentences of a linear classifier on the mean of the last layer's "
        "vectors, trained on the 6,920 training sentences; nothing was fine-tuned; random weights with "
        f"{len(PROBE_SEEDS)} seeds.",
        command="make scoreboard ONLY=pretraining",
        scores=scored,
        packages=("torch", "transformers", "scikit-learn"),
    )


@torch.inference_mode()
def speed(_) -> None:
    """The same batches through both models, in turns."""
    generator, rows, comparisons, turns = torch.Generator().manual_seed(0), [], [], 40
    full, half = torch.full((8,), 64), torch.randint(8, 65, (8,), generator=generator)
    for name in ENCODERS:
        folder = pretrained.folder(name)
        own, other = bert.load(folder).eval(), BertModel.from_pretrained(folder, attn_implementation="sdpa").eval()
        vocab_size = own.embedding.tokens.num_embeddings
        for padding, lengths in (("no", full), ("yes", half)):
            ids = [torch.randint(5, vocab_size, (n,), generator=generator).tolist() for n in lengths]
            batch = batches.pad(ids)
            works = {
                "ours": lambda model=own, batch=batch: model.pool(model(**batch)),  # theirs pools, too
                "theirs": lambda model=other, batch=batch: model(**batch),
            }
            ours, theirs = in_turns(works, turns, warm_up=3).values()
            longer = ratios(ours, theirs)
            rows.append(
                {
                    "model": name,
                    "padding": padding,
                    "ours, ms": round(1000 * statistics.median(ours), 1),
                    "BertModel, ms": round(1000 * statistics.median(theirs), 1),
                    "ours / BertModel": round(statistics.median(longer), 2),
                }
            )
            what = f"a forward pass of {name}, {'with' if padding == 'yes' else 'no'} padding"
            comparisons.append(comparison("09", what, "BertModel", longer, "times its time", at_most=1.1))
            print(rows[-1], flush=True)
    results.record(
        "bert_speed",
        rows,
        about=f"A forward pass of 8 texts with 64 pieces each, or of 8 to 64 with padding; {turns} turns, in each both "
        f"models one after the other; medians of the times, and of the turns' ratios. {torch.get_num_threads()} "
        "thread(s), 32 bits; BertModel with PyTorch's SDPA kernels.",
        command="make bench ONLY=pretraining",
        packages=("torch", "transformers"),
        comparisons=comparisons,
    )
    print(results.markdown("bert_speed"))


PARTS = {"checkpoint": checkpoint, "negation": negation, "real": real, "speed": speed, None: compare}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=[part for part in PARTS if part])
    parser.add_argument("only", nargs="*", choices=[*ENCODERS, []])
    given = parser.parse_args()
    PARTS[given.part](lm.setup("09"), *given.only)
