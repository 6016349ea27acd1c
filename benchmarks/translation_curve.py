"""Which translator learns more from more data? Two of about the same size, on real sentences, to the end.

    python benchmarks/translation_curve.py    an LSTM with attention and a Transformer on a sixteenth, a quarter and all
                                              of Multi30k, until the validation loss stops falling

Multi30k needs LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR, or LMTUTOR_SOURCE=hub. `--only 16 4` measures some sizes,
`--model Transformer` one of the two; the rows of the others are kept.
"""

import argparse

import torch
from measure import band
from translation import END, LSTM, SEEDS, START, TRANSFORMER, loss_with, measure, task_of, translator

import lmtutor as lm
from lmtutor import batches, results, runtime, training
from lmtutor.runtime import seed_everything

RUNS = {16: SEEDS, 4: SEEDS[:1], 1: SEEDS[:1]}  # one pair in so many, with which seeds
PASSES = {16: 40, 4: 25, 1: 20}  # over these pairs, at most
PATIENCE = 3  # passes without a lower validation loss, after which a training ends
RATES, DROPOUTS = (2e-3, 4e-3), (0.3, 0.1)  # the top of the schedule; 0.3 is what Wu et al. (2021) take
TRIED = {  # rates and dropouts with the first seed; the better one on the validation text is kept
    16: [(rate, DROPOUTS[0]) for rate in RATES],
    4: [(RATES[1], dropout) for dropout in DROPOUTS],
    1: None,  # the one that was kept on a quarter
}
NAME, COMMAND = "translation_curve", "python benchmarks/translation_curve.py"


def train(task, kind: str, seed: int, passes: int, rate: float, dropout: float) -> tuple[torch.nn.Module, dict]:
    """A model with the weights of its best pass; how many that was, the validation loss, the seconds."""
    cfg = task.cfg
    seed_everything(seed)
    model = translator(task, kind, dropout)

    def by_length(split: str, epochs: int) -> tuple[list[list[tuple]], int]:
        """Batches of pairs, and how many make a pass."""
        lengths = [len(source) + len(target) for source, target in task.encoded[split]]
        found = batches.epochs_by_length(lengths, cfg.batch_size, epochs, seed=seed)
        return [[task.encoded[split][i] for i in indices] for indices in found], len(found) // epochs

    ready, each = by_length("train", passes)
    history = training.fit(
        model,
        ready,
        loss=loss_with(cfg.smoothing),
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


def row_of(task, share: int, kind: str, tried: list[tuple[float, float]]) -> dict:
    """Trained and measured over seeds; rate and dropout are chosen by the validation loss of the first seed."""
    trained = {setting: train(task, kind, SEEDS[0], PASSES[share], *setting) for setting in tried}
    print(share, kind, {setting: best for setting, (_, best) in trained.items()}, flush=True)
    setting = min(trained, key=lambda setting: trained[setting][1]["validation loss"])
    runs = [trained[setting]] + [train(task, kind, seed, PASSES[share], *setting) for seed in RUNS[share][1:]]
    found = [best | measure(task, model) for model, best in runs]
    print(share, kind, found, flush=True)
    scores = [name for name in found[0] if "BLEU" in name or name == "chrF"]
    return {
        "model": kind,
        "pairs": len(task.pairs["train"]),
        "seeds": len(found),
        "passes": band([one["passes"] for one in found], 0),
        "validation loss": band([one["validation loss"] for one in found], 3),
        **{name: [round(one[name], 1) for one in found] for name in scores},
        "parameters": sum(parameter.numel() for parameter in runs[0][0].parameters()),
        "learning rate": setting[0],
        "dropout": setting[1],
        "seconds": max(one["seconds"] for one in found),
    }


def stored() -> dict[tuple[int, str], dict]:
    """The rows measured before, by pairs and model."""
    rows = results.read(NAME)["rows"] if (runtime.share("results") / f"{NAME}.json").exists() else []
    return {(row["pairs"], row["model"]): row for row in rows}


def main(only: list[int], kinds: list[str]) -> None:
    cfg = lm.setup("07")
    for share in only:
        task = task_of(cfg, cfg.target, share)
        for kind in kinds:
            before = [row for (_, model), row in sorted(stored().items()) if model == kind]
            tried = TRIED[share] or [(before[1]["learning rate"], before[1]["dropout"])]
            row = row_of(task, share, kind, tried)
            rows = stored() | {(row["pairs"], kind): row}
            record(cfg, [rows[key] for key in sorted(rows)])


def record(cfg, rows: list[dict]) -> None:
    results.record(
        NAME,
        rows,
        about=f"Multi30k, {cfg.source} to {cfg.target}, scores on its test sentences of 2016 (sacreBLEU, "
        f"tokenize={cfg.bleu_tokens!r}), a number for each seed; trained until the validation loss (without label "
        f"smoothing, nats a token) has not fallen for {PATIENCE} passes, and at most {PASSES[16]}, {PASSES[4]} and "
        f"{PASSES[1]} passes over a sixteenth, a quarter and all of the pairs; the passes are those to the best one, "
        f"which is measured. Batches of {cfg.batch_size}; learning rate the better of {RATES} on a sixteenth, dropout "
        f"the better of {DROPOUTS} on a quarter (by the validation loss; the sixteenth has {DROPOUTS[0]}, the quarter "
        f"and the whole the rate {RATES[1]:g}); {torch.get_num_threads()} thread(s), other work beside.",
        command=COMMAND,
        packages=("torch", "accelerate", "tokenizers", "sacrebleu"),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", type=int, choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--model", nargs="*", choices=[LSTM, TRANSFORMER], default=[LSTM, TRANSFORMER])
    options = parser.parse_args()
    main(options.only, options.model)
