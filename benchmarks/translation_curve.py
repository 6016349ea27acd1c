"""Which translator learns more from more data? Two of about the same size, on real sentences, to the end.

    python benchmarks/translation_curve.py           an LSTM with attention and a Transformer on a sixteenth, a quarter
                                                     and all of Multi30k, until the validation loss stops falling
    python benchmarks/translation_curve.py search    which learning rate and dropout suit each model, on a sixteenth

Multi30k needs LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR, or LMTUTOR_SOURCE=hub. `--only 16 4` measures some sizes, and
keeps the rows of the others.
"""

import argparse
from types import SimpleNamespace

import torch
from measure import band
from torch.nn import functional as F
from translation import END, LSTM, SEEDS, START, TRANSFORMER, measure

import lmtutor as lm
from lmtutor import batches, results, runtime, text, training
from lmtutor.models import seq2seq, transformer
from lmtutor.runtime import seed_everything

RUNS = {16: SEEDS, 4: SEEDS, 1: SEEDS[:2]}  # one pair in so many, with which seeds
PASSES = {16: 60, 4: 40, 1: 20}  # over these pairs, at most
PATIENCE = 3  # passes without a lower validation loss, after which a training ends
RATES, DROPOUTS = (1e-3, 2e-3, 4e-3), (0.1, 0.3)  # that `search` tries
CHOSEN = {LSTM: (2e-3, 0.3), TRANSFORMER: (2e-3, 0.3)}  # learning rate (the top of the schedule) and dropout
NAME, COMMAND = "translation_curve", "python benchmarks/translation_curve.py"


def task_of(cfg, share: int) -> SimpleNamespace:
    """One training pair in `share`, all of validation and test, and a tokenizer that has read these training pairs."""
    rows = lm.load(cfg.corpus)
    pairs = {split: [(row[cfg.source], row[cfg.target]) for row in rows[split]] for split in rows}
    pairs["train"] = pairs["train"][::share]
    sentences = [sentence for pair in pairs["train"] for sentence in pair]
    tokenizer = text.byte_level_bpe(sentences, cfg.vocabulary_size, ["<pad>", "<s>", "</s>"])
    encoded = {
        split: [tuple(tokenizer.encode(s).ids for s in pair) for pair in found] for split, found in pairs.items()
    }
    return SimpleNamespace(pairs=pairs, encoded=encoded, tokenizer=tokenizer, features=None, cfg=cfg)


def train(task, kind: str, seed: int, passes: int, rate: float, dropout: float) -> tuple[torch.nn.Module, dict]:
    """A model with the weights of its best pass; how many that was, the validation loss, the seconds."""
    cfg, vocab_size = task.cfg, task.tokenizer.get_vocab_size()
    seed_everything(seed)
    if kind == LSTM:
        model = seq2seq.RecurrentTranslator(vocab_size, hidden_size=cfg.lstm_size, dropout=dropout)
    else:
        sizes = {name: getattr(cfg, name) for name in ("hidden_size", "num_heads", "num_layers", "inner_size")}
        model = transformer.Transformer(vocab_size, dropout=dropout, **sizes)

    def by_length(split: str, epochs: int) -> tuple[list[list[tuple]], int]:
        """Batches of pairs, and how many make a pass."""
        lengths = [len(source) + len(target) for source, target in task.encoded[split]]
        found = batches.epochs_by_length(lengths, cfg.batch_size, epochs, seed=seed)
        return [[task.encoded[split][i] for i in indices] for indices in found], len(found) // epochs

    def loss(wrapped, batch):
        batch = dict(batch)
        labels = batch.pop("labels").flatten()
        smoothing = cfg.smoothing if model.training else 0.0
        mean = F.cross_entropy(wrapped(**batch).flatten(0, 1), labels, label_smoothing=smoothing)
        return mean, (labels != batches.IGNORED).sum()

    ready, each = by_length("train", passes)
    history = training.fit(
        model,
        ready,
        loss=loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=lambda found: batches.source_and_target(found[0], START, END),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.98), fused=True),
        scheduler=training.inverse_root,
        validation=by_length("validation", 1)[0],
        log_every=each,
        patience=PATIENCE,
        seed=seed,
        progress=False,
    )
    best = history.loc[history["validation_loss"].idxmin()]
    found = {
        "passes": round(best["step"] / each),
        "validation loss": float(best["validation_loss"]),
        "seconds": round(history["seconds"].iloc[-1]),
    }
    return model.eval().cpu(), found


def search(cfg) -> None:
    """Print the validation loss of each setting."""
    task = task_of(cfg, 16)
    for kind in (LSTM, TRANSFORMER):
        for rate in RATES:
            for dropout in DROPOUTS:
                print(kind, rate, dropout, train(task, kind, SEEDS[0], PASSES[16], rate, dropout)[1], flush=True)


def row_of(task, share: int, kind: str) -> dict:
    """Trained and measured over seeds, as bands."""
    found, (rate, dropout) = [], CHOSEN[kind]
    for seed in RUNS[share]:
        model, best = train(task, kind, seed, PASSES[share], rate, dropout)
        found.append(best | measure(task, model))
        print(share, kind, seed, found[-1], flush=True)
    bands = {
        name: band([one[name] for one in found], digits) for name, digits in (("passes", 0), ("validation loss", 3))
    }
    scores = {name: [round(one[name], 1) for one in found] for name in found[0] if name not in ("seconds", *bands)}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "model": kind,
        "pairs": len(task.pairs["train"]),
        "seeds": len(found),
        **bands,
        **scores,
        "parameters": parameters,
        "learning rate": rate,
        "dropout": dropout,
        "seconds": max(one["seconds"] for one in found),
    }


def main(only: list[int]) -> None:
    cfg = lm.setup("07")
    kept = []
    for share in only:
        task = task_of(cfg, share)
        for kind in (LSTM, TRANSFORMER):
            row = row_of(task, share, kind)
            if (runtime.share("results") / f"{NAME}.json").exists():
                kept = results.read(NAME)["rows"]
            same = [(old["model"], old["pairs"]) == (row["model"], row["pairs"]) for old in kept]
            kept = [old for old, again in zip(kept, same, strict=True) if not again] + [row]
            record(cfg, sorted(kept, key=lambda row: (row["pairs"], row["model"])))


def record(cfg, rows: list[dict]) -> None:
    results.record(
        NAME,
        rows,
        about=f"Multi30k, {cfg.source} to {cfg.target}, scores on its test sentences of 2016 (sacreBLEU, "
        f"tokenize={cfg.bleu_tokens!r}), a number for each seed; trained until the validation loss (without label "
        f"smoothing, nats a token) has not fallen for {PATIENCE} passes, and at most {PASSES[16]}, {PASSES[4]} and "
        f"{PASSES[1]} passes over a sixteenth, a quarter and all of the pairs; the passes are those to the best one, "
        "which is measured. Batches of "
        f"{cfg.batch_size}; learning rate and dropout are the best of {RATES} and {DROPOUTS} on a sixteenth, by the "
        f"validation loss of seed 0; {torch.get_num_threads()} thread(s), other work beside.",
        command=COMMAND,
        packages=("torch", "accelerate", "tokenizers", "sacrebleu"),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["search"])
    parser.add_argument("--only", nargs="*", type=int, choices=list(RUNS), default=list(RUNS))
    options = parser.parse_args()
    search(lm.setup("07")) if options.part else main(options.only)
