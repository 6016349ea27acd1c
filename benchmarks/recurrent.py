"""Networks against n-grams on one text: perplexity over several seeds, on the course's corpus and on WikiText-2.

    python benchmarks/recurrent.py             the course's corpus, three seeds
    python benchmarks/recurrent.py wikitext2   one epoch of the small LSTM (needs LMTUTOR_DATA_DIR or the hub)

The sizes are those of chapter 03, quick profile; `make bench ONLY=recurrent` runs the first.
"""

import argparse
import statistics

import torch

import lmtutor as lm
from lmtutor import batches, metrics, results, text, training
from lmtutor.models import ngram, recurrent
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
RATES = (4e-3, 1e-2)
PACKAGES = ("torch", "numpy", "accelerate")


def sentences(cfg) -> dict[str, list[list[str]]]:
    corpus = lm.load(cfg.corpus)
    return {split: text.sentences(corpus[split]["text"], cfg.tokens) for split in ("train", "validation", "test")}


def train(cell: str, cfg, parts: dict, vocabulary: text.Vocabulary, rate: float, seed: int, epochs: int):
    """A trained model and the validation loss of its last epoch; the training of chapter 03."""
    seed_everything(seed)
    sizes = {"embedding_size": cfg.embedding_size, "hidden_size": cfg.hidden_size, "dropout": cfg.dropout}
    if cell == "window":
        model = recurrent.WindowLanguageModel(len(vocabulary), window=cfg.window, **sizes)
    else:
        model = recurrent.RecurrentLanguageModel(len(vocabulary), cell=cell, num_layers=cfg.num_layers, **sizes)
    history = training.fit(
        model,
        batches.streams(text.stream(parts["train"], vocabulary), cfg.streams, cfg.block),
        validation=batches.streams(text.stream(parts["validation"], vocabulary), 1, 512),
        loss=recurrent.carried_loss(),
        epochs=epochs,
        batch_size=1,
        shuffle=False,
        collate=lambda blocks: blocks[0],
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=rate),
        scheduler=lambda opt, steps: torch.optim.lr_scheduler.OneCycleLR(opt, rate, total_steps=steps, pct_start=0.15),
        seed=seed,
        progress=False,
    )
    print(f"{cell}, learning rate {rate}, seed {seed}:\n{history.round(3).to_string()}", flush=True)
    return model, float(history["validation_loss"].iloc[-1]), float(history["seconds"].iloc[-1])


def band(values: list[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def harbour() -> None:
    """All models of chapter 03 on the course's corpus."""
    cfg = lm.setup("03")
    parts = sentences(cfg)
    vocabulary = text.Vocabulary(parts["train"], cfg.min_count)
    rows = []
    counts = ngram.NgramCounts(parts["train"], cfg.max_order, vocabulary)
    for name, discount in (("Kneser-Ney 5-gram", 0.75), ("modified Kneser-Ney 5-gram", "modified")):
        model = ngram.KneserNey(counts, discount)
        forgets = metrics.perplexity(model.probabilities(parts["test"]))
        rows.append({"model": name, "forgets at each sentence": f"{forgets:.1f}"})
    for cell in cfg.cells:
        # The learning rate with the better validation loss, from one run each.
        first = {rate: train(cell, cfg, parts, vocabulary, rate, SEEDS[0], cfg.epochs) for rate in RATES}
        rate = min(RATES, key=lambda rate: first[rate][1])
        runs = [first[rate], *(train(cell, cfg, parts, vocabulary, rate, seed, cfg.epochs) for seed in SEEDS[1:])]
        carried, alone = (
            [metrics.perplexity(recurrent.probabilities(m, parts["test"], vocabulary, carry=carry)) for m, _, _ in runs]
            for carry in (True, False)
        )
        rows.append(
            {
                "model": cell,
                "parameters": f"{sum(p.numel() for p in runs[0][0].parameters()):,}",
                "learning rate": rate,
                "reads on": band(carried),
                "forgets at each sentence": band(alone),
                "seconds": round(statistics.median(seconds for _, _, seconds in runs)),
            }
        )
        print(rows[-1], flush=True)
    results.record(
        "recurrent_harbour",
        rows,
        about=f"Test perplexity on the corpus {cfg.corpus}, </s> counted; networks of chapter 03 (quick), "
        f"{cfg.epochs} epochs, seeds {', '.join(map(str, SEEDS))}, the better of the learning rates "
        f"{' and '.join(f'{rate:g}' for rate in RATES)} by validation loss; {torch.get_num_threads()} thread(s).",
        command="make bench ONLY=recurrent",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )


def wikitext2(epochs: int) -> None:
    """The small LSTM on WikiText-2: what a processor can do in half an hour."""
    cfg = lm.setup("03")
    if cfg.corpus != "wikitext2":
        raise SystemExit("Set LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR (or LMTUTOR_SOURCE=hub).")
    parts = sentences(cfg)
    vocabulary = text.Vocabulary(parts["train"], cfg.min_count)
    with Stopwatch() as watch:
        model, _, _ = train("lstm", cfg, parts, vocabulary, cfg.learning_rates["lstm"], 0, epochs)
    rows = [
        {
            "model": name,
            "parameters": parameters,
            "validation perplexity": round(metrics.perplexity(p["validation"]), 1),
            "test perplexity": round(metrics.perplexity(p["test"]), 1),
        }
        for name, parameters, p in (
            (
                f"LSTM, {epochs} epoch(s), {cfg.hidden_size} hidden units",
                f"{sum(p.numel() for p in model.parameters()):,}",
                {s: recurrent.probabilities(model, parts[s], vocabulary) for s in ("validation", "test")},
            ),
        )
    ]
    stored = results.read("ngram_wikitext2")["rows"][-1]
    rows.insert(
        0,
        {
            "model": "modified Kneser-Ney 5-gram (chapter 01)",
            "validation perplexity": stored["modified Kneser-Ney, validation"],
            "test perplexity": stored["modified Kneser-Ney, test"],
        },
    )
    results.record(
        "recurrent_wikitext2",
        rows,
        about=f"WikiText-2, vocabulary of {len(vocabulary):,}, one </s> for each line; seed 0; trained with "
        f"{torch.get_num_threads()} thread(s).",
        command=f"LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/recurrent.py wikitext2 --epochs {epochs}",
        packages=PACKAGES,
        seconds=round(watch.seconds),
        seeds=[0],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["harbour", "wikitext2"], default="harbour")
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    if options.what == "harbour":
        harbour()
    else:
        wikitext2(options.epochs)
