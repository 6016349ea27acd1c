"""The decoder-only model of chapter 08: against the recurrent ones, on Tiny Shakespeare, and larger and larger.

python benchmarks/gpt.py                 the course's prose by words, beside the models of chapters 01 and 03
python benchmarks/gpt.py scaling         pydoc by characters: loss over parameters
python benchmarks/gpt.py data            the same text: loss over how much of it is read
python benchmarks/gpt.py isoflop         the prose by characters: for a budget of work, which size is best?
python benchmarks/gpt.py real            Tiny Shakespeare: nanoGPT's setting for a processor, or with
                                         LMTUTOR_PROFILE=full that for a GPU (needs LMTUTOR_SOURCE=local or hub)
"""

import argparse
from types import SimpleNamespace

import numpy as np
import torch
from measure import band, score
from transformers import get_cosine_with_min_lr_schedule_with_warmup

import lmtutor as lm
from lmtutor import metrics, results, runtime, text, training
from lmtutor.models import gpt
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
PASSES, DROPOUTS = (3, 6), (0.1, 0.2, 0.3)  # over the course's prose; the recurrent models had 3 passes, too
BUDGETS = {  # floating-point operations of a training, and the layers and sizes it is spent on
    1e11: [(1, 16), (1, 32), (2, 32), (2, 48), (2, 64)],
    4e11: [(1, 32), (2, 32), (2, 48), (2, 64), (3, 80)],
}
BUDGET_BATCH = 8  # windows of a step, so that the largest models get some hundred steps
SIZES = [(1, 8), (1, 16), (1, 32), (2, 32), (2, 64), (3, 96)]  # layers and size of the vectors
SHARES = [1 / 32, 1 / 8]  # of the text, for a model of (2, 64)
PATIENCE = 4  # measurements without a better validation loss, after which a run on a part of the text ends
SPREADS = (0.02, 0.06)  # of the first weights, on Tiny Shakespeare: nanoGPT's, and one for narrow models
LENGTH, BATCH, STEPS, EVERY = 64, 16, 1500, 100  # of the scaling experiment
# nanoGPT's for a processor; that for a GPU is the full profile.
CPU_SETTING = {
    "num_layers": 4,
    "num_heads": 4,
    "hidden_size": 128,
    "max_length": 64,
    "batch_size": 12,
    "steps": 2000,
    "learning_rate": 1e-3,
    "dropout": 0.0,
}
NANOGPT = {"quick": "1.88 (nanoGPT's notes; estimated from 20 batches)", "full": "1.4697 (nanoGPT's notes)"}


def train(
    model,
    ids,
    *,
    steps: int,
    batch_size: int,
    rate: float,
    seed: int,
    cfg,
    validation=None,
    next_loss=gpt.next_token_loss,
    **options,
):
    """Train on windows of a text, drawn at random, as nanoGPT does."""
    length = model.embedding.positions.num_embeddings
    windows = torch.as_tensor(np.asarray(ids)).unfold(0, length + 1, 1)  # [places, length + 1], without a copy

    def optimizer(parameters: list) -> torch.optim.Optimizer:
        groups = [
            {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": cfg.weight_decay},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))

    return training.fit(
        model,
        windows,
        validation=None
        if validation is None
        else torch.as_tensor(np.asarray(validation)).unfold(0, length + 1, length),
        loss=next_loss,
        steps=steps,
        batch_size=batch_size,
        optimizer=optimizer,
        scheduler=lambda found, total: get_cosine_with_min_lr_schedule_with_warmup(
            found, min(cfg.warm_up, total // 5), total, min_lr_rate=cfg.lowest_rate
        ),
        seed=seed,
        progress=False,
        **options,
    )


def count(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def prose_model(cfg, ids: dict, vocab_size: int, passes: int, dropout: float, seed: int) -> tuple[gpt.GPT, float]:
    """A model that has read the course's prose so many times, and the seconds that took."""
    steps = round(passes * len(ids["train"]) / cfg.batch_size / cfg.max_length)
    sizes = {name: getattr(cfg, name) for name in ("hidden_size", "num_heads", "num_layers", "max_length")}
    seed_everything(seed)
    model = gpt.GPT(vocab_size, dropout=dropout, **sizes)
    gpt.initialise(model, cfg.spread)
    with Stopwatch() as watch:
        train(model, ids["train"], steps=steps, batch_size=cfg.batch_size, rate=cfg.learning_rate, seed=seed, cfg=cfg)
    return model, watch.seconds


def harbour() -> None:
    cfg = lm.setup("08")
    corpus = lm.load(cfg.corpus)
    parts = {split: text.sentences(corpus[split]["text"], cfg.tokens) for split in corpus}
    vocabulary = text.Vocabulary(parts["train"], cfg.min_count)
    ids = {split: text.stream(parts[split], vocabulary) for split in parts}
    rows = []
    for passes in PASSES:
        searched = {}
        for dropout in DROPOUTS:
            model, _ = prose_model(cfg, ids, len(vocabulary), passes, dropout, SEEDS[0])
            searched[dropout] = metrics.perplexity(gpt.probabilities(model, ids["validation"]))
            print(passes, dropout, searched[dropout], flush=True)
        dropout = min(searched, key=searched.get)
        reads, forgets, seconds = [], [], []
        for seed in SEEDS:
            model, taken = prose_model(cfg, ids, len(vocabulary), passes, dropout, seed)
            seconds.append(taken)
            reads.append(metrics.perplexity(gpt.probabilities(model, ids["test"])))
            alone = [gpt.probabilities(model, text.stream([s], vocabulary)) for s in parts["test"]]
            forgets.append(metrics.perplexity(np.concatenate(alone)))
            print(passes, seed, reads[-1], forgets[-1], taken, flush=True)
        rows.append(
            {
                "model": f"Transformer, {passes} passes",
                "parameters": f"{count(model):,}",
                "learning rate": cfg.learning_rate,
                "epochs": passes,
                "dropout": dropout,
                "reads on": band(reads, 1),
                "forgets at each sentence": band(forgets, 1),
                "seconds": round(sorted(seconds)[1]),
            }
        )
        record_harbour(cfg, rows)


def record_harbour(cfg, rows: list[dict]) -> None:
    results.record(
        "gpt_harbour",
        rows,
        about=f"Test perplexity on the course's prose ({cfg.corpus}), </s> counted, as in chapter 03; windows of "
        f"{cfg.max_length} words drawn at random, dropout the best of {DROPOUTS} by the validation perplexity of seed "
        f"0, seeds {', '.join(map(str, SEEDS))}; {torch.get_num_threads()} thread(s), other work beside.",
        command="python benchmarks/gpt.py",
        packages=("torch", "transformers", "accelerate"),
        seeds=list(SEEDS),
    )


def characters(corpus) -> tuple[dict[str, list[int]], int]:
    """Each split as ids of characters, and how many characters there are."""
    joined = {split: "\n".join(corpus[split]["text"]) for split in corpus}
    known = {character: i for i, character in enumerate(sorted(set("".join(joined.values()))))}
    return {split: [known[character] for character in found] for split, found in joined.items()}, len(known)


def one_run(ids: dict[str, list[int]], size: int, layers: int, hidden: int, seed: int, cfg, **options) -> dict:
    """Train one model of the scaling experiments; its size, and the best of its validation losses."""
    seed_everything(seed)
    model = gpt.GPT(size, hidden_size=hidden, num_heads=hidden // 8, num_layers=layers, max_length=LENGTH)
    gpt.initialise(model, cfg.spread)
    history = train(
        model, ids["train"], validation=ids["validation"], steps=STEPS, batch_size=BATCH, rate=3e-3, seed=seed,
        cfg=cfg, log_every=EVERY, **options,
    )  # fmt: skip
    best = history["validation_loss"].idxmin()
    return {
        "parameters": count(model),
        "without embeddings": count(model) - count(model.embedding),
        "loss": round(float(history["validation_loss"][best]), 4),
        "step": int(history["step"][best]),
        "seconds": round(history["seconds"].iloc[-1]),
    }


def setting() -> str:
    return (
        f"{STEPS} steps of {BATCH} windows of {LENGTH} characters, learning rate 3e-3, seeds "
        f"{', '.join(map(str, SEEDS))}; {torch.get_num_threads()} thread(s)."
    )


def scaling() -> None:
    cfg = lm.setup("08")
    ids, size = characters(lm.load("pydoc"))
    rows = []
    for layers, hidden in SIZES:
        runs = [one_run(ids, size, layers, hidden, seed, cfg) for seed in SEEDS]
        rows.append(
            {
                "layers": layers,
                "size": hidden,
                "parameters": runs[0]["parameters"],
                "without embeddings": runs[0]["without embeddings"],
                "losses": [run["loss"] for run in runs],
                "best at step": [run["step"] for run in runs],
            }
        )
        print(rows[-1], flush=True)
    results.record(
        "gpt_scaling",
        rows,
        about="Validation loss (nats a character) on the Python reference by characters, the lowest of each run, over "
        f"the size of the model; {setting()}",
        command="python benchmarks/gpt.py scaling",
        packages=("torch", "transformers", "accelerate"),
        seeds=list(SEEDS),
    )


def data() -> None:
    cfg = lm.setup("08")
    ids, size = characters(lm.load("pydoc"))
    rows = []
    for share in SHARES:
        part = ids | {"train": ids["train"][: round(share * len(ids["train"]))]}
        runs = [one_run(part, size, 2, 64, seed, cfg, patience=PATIENCE) for seed in SEEDS]
        rows.append(
            {
                "characters": len(part["train"]),
                "losses": [run["loss"] for run in runs],
                "best at step": [run["step"] for run in runs],
            }
        )
        print(rows[-1], [run["seconds"] for run in runs], flush=True)
    results.record(
        "gpt_data",
        rows,
        about="Validation loss (nats a character) on the Python reference by characters, the lowest of each run, over "
        f"the length of the training text, 2 layers of 64; {setting()} A run ends when {PATIENCE} measurements, "
        f"one each {EVERY} steps, bring nothing better.",
        command="python benchmarks/gpt.py data",
        packages=("torch", "transformers", "accelerate"),
        seeds=list(SEEDS),
    )


def isoflop() -> None:
    """The same work, 6 * weights * characters, in small models that read much and large ones that read little."""
    cfg = lm.setup("08")
    ids, size = characters(lm.load("harbour"))
    rows = []
    for budget, sizes in BUDGETS.items():
        for layers, hidden in sizes:
            runs = [one_budget(ids, size, layers, hidden, budget, seed, cfg) for seed in SEEDS]
            rows.append({"work": budget, "layers": layers, "size": hidden} | runs[0][1])
            rows[-1]["losses"] = [loss for loss, _ in runs]
            print(rows[-1], flush=True)
            record_isoflop(rows, len(ids["train"]))


def one_budget(ids, vocab_size: int, layers: int, hidden: int, budget: float, seed: int, cfg) -> tuple[float, dict]:
    """The validation loss at the end of a training with this budget; and weights, characters and seconds."""
    seed_everything(seed)
    model = gpt.GPT(vocab_size, hidden_size=hidden, num_heads=hidden // 8, num_layers=layers, max_length=LENGTH)
    gpt.initialise(model, cfg.spread)
    weights = count(model) - count(model.embedding)
    steps = round(budget / (6 * weights * BUDGET_BATCH * LENGTH))
    with Stopwatch() as watch:
        train(model, ids["train"], steps=steps, batch_size=BUDGET_BATCH, rate=3e-3, seed=seed, cfg=cfg)
    loss = metrics.cross_entropy(gpt.probabilities(model, ids["validation"], LENGTH))
    read = steps * BUDGET_BATCH * LENGTH
    return round(loss, 4), {"without embeddings": weights, "characters": read, "seconds": round(watch.seconds)}


def record_isoflop(rows: list[dict], length: int) -> None:
    results.record(
        "gpt_isoflop",
        rows,
        about=f"Validation loss (nats a character) on the course's prose by characters, {length:,} in training, "
        "after a training of 6 * weights without embeddings * characters read = a budget of floating-point operations; "
        f"steps of {BUDGET_BATCH} windows of {LENGTH} characters, learning rate 3e-3 to a tenth of it, seeds "
        f"{', '.join(map(str, SEEDS))}; {torch.get_num_threads()} thread(s).",
        command="python benchmarks/gpt.py isoflop",
        packages=("torch", "transformers", "accelerate"),
        seeds=list(SEEDS),
    )


def real() -> None:
    """nanoGPT's setting for a processor: 4 layers of 128, 2,000 steps of 12 windows of 64 characters, no dropout."""
    cfg = lm.setup("08")
    if cfg.corpus != "tinyshakespeare":
        raise SystemExit("Set LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR (or LMTUTOR_SOURCE=hub).")
    ids, size = characters(lm.load(cfg.corpus))
    full = runtime.current().profile == "full"
    if not full:
        cfg = SimpleNamespace(**{**vars(cfg), **CPU_SETTING})
    rows, scored = [], []
    sizes = {name: getattr(cfg, name) for name in ("hidden_size", "num_heads", "num_layers", "max_length", "dropout")}
    steps = {"steps": cfg.steps, "batch_size": cfg.batch_size, "rate": cfg.learning_rate}
    for spread in [cfg.spread] if full else SPREADS:
        losses: dict[int, list[float]] = {cfg.max_length: [], cfg.max_length // 2: []}  # by stride
        seconds = []
        for seed in SEEDS:
            seed_everything(seed)
            model = gpt.GPT(size, **sizes)
            gpt.initialise(model, spread)
            with Stopwatch() as watch:
                train(model, ids["train"], **steps, seed=seed, cfg=cfg)
            seconds.append(round(watch.seconds))
            for stride, found in losses.items():
                found.append(metrics.cross_entropy(gpt.probabilities(model, ids["validation"], stride)))
            print(spread, seed, {stride: found[-1] for stride, found in losses.items()}, seconds[-1], flush=True)
        side, overlapping = losses.values()
        rows.append(
            {
                "first weights": spread,
                "parameters": count(model),
                "loss, windows side by side": [round(loss, 4) for loss in side],
                "loss, windows overlapping by half": [round(loss, 4) for loss in overlapping],
                "seconds": seconds,
            }
        )
        name = f"GPT, {cfg.num_layers} layers of {cfg.hidden_size}, first weights {spread}"
        published = NANOGPT["full" if full else "quick"] if spread == 0.02 else ""
        scored.append(score("08", "Tiny Shakespeare, characters", name, "loss, nats", side, 3, published=published))
    results.record(
        "gpt_shakespeare",
        rows,
        about="Tiny Shakespeare by characters, all of the last tenth (nats a character), a number for each seed; "
        f"nanoGPT's setting for a {'GPU' if full else 'processor'}: {cfg.num_layers} layers of {cfg.hidden_size}, "
        f"windows of {cfg.max_length}, {cfg.steps:,} steps of {cfg.batch_size}, learning rate {cfg.learning_rate:g} to "
        f"a tenth of it, dropout {cfg.dropout:g}; {torch.get_num_threads()} thread(s).",
        command="make scoreboard ONLY=gpt",
        packages=("torch", "transformers", "accelerate"),
        seeds=list(SEEDS),
        scores=scored,
    )


if __name__ == "__main__":
    parts = {"harbour": harbour, "scaling": scaling, "data": data, "isoflop": isoflop, "real": real}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=list(parts), default="harbour")
    parts[parser.parse_args().part]()
