"""Attention on long texts: what it costs, and which positions still work there.

python benchmarks/attention.py cost        time and memory over length, each length in a process of its own
python benchmarks/attention.py places      which positions find the letter one place back, and three: chapter 05's task
python benchmarks/attention.py positions   trained on short stretches of the Python reference, tested on long ones
"""

import argparse
import copy
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from measure import band, comparison, ratios
from torch import nn
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import results, training
from lmtutor.models import attention, positions
from lmtutor.models.attention import MultiHeadAttention
from lmtutor.runtime import Stopwatch, seed_everything

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = (512, 1024, 2048, 4096)
HEADS, SIZE, REPETITIONS, TURNS = 4, 32, 5, 3
KINDS = {
    "written out": lambda q, k, v: attention.attention(q, k, v)[0],
    "scaled_dot_product_attention": F.scaled_dot_product_attention,
}
SCHEMES = ("none", "learned", "sinusoidal", "rotary", "ALiBi")
SEEDS = (0, 1, 2)
TRAINED, TESTED = 64, (64, 128, 256, 512)  # characters of a row
HIDDEN, LAYERS, BATCH, STEPS, RATE = 128, 2, 16, 500, 3e-3
MORE = 50  # steps on the longest rows, to get used to positions that are squeezed
SHORT, PARTS, BACKS = 32, (32, 64, 96, 128), (1, 3)  # letters of a text in training; the ends of the parts in the test


def measure(kind: str, length: int) -> None:
    """Print the median seconds of forward and backward, and by how many MiB the peak memory rose."""
    torch.manual_seed(0)
    small = [torch.randn(1, HEADS, 8, SIZE, requires_grad=True) for _ in range(3)]
    KINDS[kind](*small).sum().backward()  # loads what is loaded once
    q, k, v = (torch.randn(1, HEADS, length, SIZE, requires_grad=True) for _ in range(3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        KINDS[kind](q, k, v).sum().backward()
        seconds.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(statistics.median(seconds), (after - before) / 1024)


def cost() -> None:
    rows, comparisons = [], []
    for length in LENGTHS:
        found = {kind: [] for kind in KINDS}
        for _ in range(TURNS):
            for kind in KINDS:
                command = [sys.executable, __file__, "measure", kind, str(length)]
                found[kind].append([float(part) for part in subprocess.check_output(command, text=True).split()])
        row, parts = {"words": length}, {}
        for kind in KINDS:
            parts[kind] = seconds, mebibytes = list(zip(*found[kind], strict=True))
            row[f"{kind}, ms"] = round(1e3 * statistics.median(seconds), 1)
            row[f"{kind}, MiB"] = round(statistics.median(mebibytes))
        rows.append(row)
        print(row, flush=True)
        written, kernel = parts.values()
        what = f"scaled_dot_product_attention, {length:,} words"
        for above, below, measure in zip(written, kernel, ("times as fast", "times less memory"), strict=True):
            comparisons.append(comparison("05", what, "written out", ratios(above, below), measure, digits=1))
    results.record(
        "attention_cost",
        rows,
        about=f"Forward and backward pass of one layer's attention, {HEADS} heads of {SIZE} numbers, float32; median "
        f"of {REPETITIONS} runs, and growth of the process's peak memory, medians of {TURNS} processes in turns; "
        f"{torch.get_num_threads()} thread(s).",
        command="make bench ONLY=attention",
        packages=("torch",),
        comparisons=comparisons,
    )
    print(results.markdown("attention_cost"))


# --- positions: one place back, and three ---------------------------------------------------------------------------


def places() -> None:
    """Train chapter 05's layer, built there, on its task with several seeds."""
    sys.path.insert(0, str(ROOT / "tests"))
    from notebook_code import definitions

    cfg = lm.setup("05")
    built = definitions("05", "frequencies", "rotate_at", "PlaceLayer", "train_layer", "right_by_place")
    built.train_layer.__globals__["cfg"] = cfg
    rows = []
    with Stopwatch() as watch:
        for back in BACKS:
            for scheme, layers in [*((scheme, 1) for scheme in SCHEMES), ("none", 2)]:
                found = {end: [] for end in PARTS}
                for seed in SEEDS:
                    model = built.train_layer(scheme, back, seed=seed, layers=layers)
                    share = built.right_by_place(model, back)  # from place `back` on
                    for start, end in zip((back, *PARTS), PARTS, strict=False):
                        found[end].append(float(share[start - back : end - back].mean()))
                rows.append(
                    {"letters back": back, "positions": scheme if layers == 1 else f"{scheme}, {layers} layers"}
                    | {f"places {end - SHORT} to {end - 1}": band(values, digits=2) for end, values in found.items()}
                )
                print(rows[-1], flush=True)
    results.record(
        "attention_places",
        rows,
        about="Share of right answers to *which letter stood so many places ago*, by place in texts of "
        f"{PARTS[-1]} letters drawn at random out of 12 (chance: 0.08); one layer of causal attention (or two), "
        f"4 heads, vectors of 32 numbers, trained on texts of {SHORT} letters for {cfg.place_steps} steps of 32 texts, "
        f"Adam, learning rate 5e-3; seeds {', '.join(map(str, SEEDS))}.",
        command="python benchmarks/attention.py places",
        packages=("torch",),
        seeds=list(SEEDS),
        seconds=round(watch.seconds),
    )


# --- positions on a text ----------------------------------------------------------------------------------------------


class Model(nn.Module):
    """Layers of causal attention with one way to say where a character stands: ids [batch, time] -> logits."""

    def __init__(self, scheme: str, size: int):
        super().__init__()
        self.scheme = scheme
        self.words, self.places = nn.Embedding(size, HIDDEN), nn.Embedding(max(TESTED), HIDDEN)
        self.layers = nn.ModuleList(MultiHeadAttention(HIDDEN, HEADS, rotary=scheme == "rotary") for _ in range(LAYERS))
        self.output = nn.Linear(HIDDEN, size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[batch, time] -> [batch, time, size]."""
        hidden, n = self.words(ids), ids.shape[1]  # [batch, time, hidden]
        if self.scheme == "learned":
            hidden = hidden + self.places(torch.arange(n))
        if self.scheme == "sinusoidal":
            hidden = hidden + positions.sinusoids(n, HIDDEN)
        bias = positions.alibi(HEADS, n) if self.scheme == "ALiBi" else None
        for layer in self.layers:
            hidden = hidden + layer(hidden, causal=True, position_bias=bias)[0]
        return self.output(hidden)


def loss(model: nn.Module, rows: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The mean loss of the next characters of rows [batch, time + 1], and how many they are."""
    logits = model(rows[:, :-1])  # [batch, time, size]
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()), rows[:, 1:].numel()


@contextmanager
def squeezed(factor: float) -> Iterator[None]:
    """Inside, rotary positions are divided by a factor: linear interpolation (Chen et al., 2023)."""
    whole = positions.frequencies
    positions.frequencies = lambda *given: whole(*given) / factor
    try:
        yield
    finally:
        positions.frequencies = whole


def train(scheme: str, ids: torch.Tensor, size: int, seed: int) -> Model:
    """A model trained on stretches of TRAINED characters, drawn at random."""
    seed_everything(seed)
    return fitted(Model(scheme, size), ids, TRAINED, STEPS, seed)


def fitted(model: Model, ids: torch.Tensor, length: int, steps: int, seed: int) -> Model:
    """The model after so many steps, each on as many characters as a batch of rows of TRAINED has."""
    training.fit(
        model,
        ids.unfold(0, length + 1, 1),  # [places, length + 1], without a copy
        loss=loss,
        steps=steps,
        batch_size=BATCH * TRAINED // length,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=RATE),
        scheduler=lambda opt, steps: torch.optim.lr_scheduler.OneCycleLR(opt, RATE, steps, pct_start=0.1),
        seed=seed,
        progress=False,
    )
    return model.eval().cpu()


@torch.no_grad()
def bits(model: Model, ids: torch.Tensor, length: int) -> float:
    """Bits a character over a text that is read in rows of `length`."""
    rows = ids[: (len(ids) - 1) // max(TESTED) * max(TESTED) + 1].unfold(0, length + 1, length)  # the same characters
    losses = [loss(model, part) for part in rows.split(16)]
    return float(sum(mean * count for mean, count in losses) / sum(count for _, count in losses)) / math.log(2)


SCALED = ("rotary, divided by 8", f"rotary, {MORE} more steps", f"rotary, divided by 8, {MORE} more steps")


def schemes() -> None:
    corpus = lm.load("pydoc")
    joined = {split: "\n".join(corpus[split]["text"]) for split in corpus}
    known = {character: i for i, character in enumerate(sorted(set("".join(joined.values()))))}
    train_ids = torch.tensor([known[character] for character in joined["train"]])
    test_ids = torch.tensor([known[character] for character in joined["test"]])
    found = {name: {length: [] for length in TESTED} for name in (*SCHEMES, *SCALED)}

    def note(name: str, model: Model) -> None:
        for length, values in found[name].items():
            with squeezed(max(TESTED) / TRAINED if "divided" in name else 1.0):
                values.append(bits(model, test_ids, length))
        print(name, {length: round(values[-1], 3) for length, values in found[name].items()}, flush=True)

    with Stopwatch() as watch:
        for scheme in SCHEMES:
            for seed in SEEDS:
                model = train(scheme, train_ids, len(known), seed)
                note(scheme, model)
                if scheme == "rotary":
                    at_once, more, divided = SCALED
                    note(at_once, model)
                    note(more, fitted(copy.deepcopy(model), train_ids, max(TESTED), MORE, seed))
                    with squeezed(max(TESTED) / TRAINED):
                        fitted(model, train_ids, max(TESTED), MORE, seed)
                    note(divided, model)
    rows = [
        {"positions": name} | {f"rows of {n}": band(values, digits=2) for n, values in lengths.items()}
        for name, lengths in found.items()
    ]
    results.record(
        "attention_positions",
        rows,
        about="Bits a character on the test text of the Python reference (pydoc), read in rows "
        f"of {TESTED[0]} to {TESTED[-1]} characters, by {LAYERS} layers of causal attention with {HEADS} heads and "
        f"vectors of {HIDDEN} numbers, trained on rows of {TRAINED}: {STEPS} steps of {BATCH} rows, learning rate "
        f"{RATE}; *more steps* are on rows of {max(TESTED)}, *divided* are all positions; seeds "
        f"{', '.join(map(str, SEEDS))}; {torch.get_num_threads()} thread(s), other work beside.",
        command="python benchmarks/attention.py positions",
        packages=("torch", "accelerate"),
        seeds=list(SEEDS),
        seconds=round(watch.seconds),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("part", nargs="?", default="cost", choices=["cost", "places", "positions"])
        chosen = parser.parse_args().part
        lm.setup("05")
        {"cost": cost, "places": places, "positions": schemes}[chosen]()
