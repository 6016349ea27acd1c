"""Attention on long texts: what it costs, and which positions still work there.

python benchmarks/attention.py cost        time and memory over length, each length in a process of its own
python benchmarks/attention.py positions   trained on short stretches of the Python reference, tested on long ones
"""

import argparse
import math
import resource
import statistics
import subprocess
import sys
import time

import torch
from measure import band, comparison, ratios
from torch import nn
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import results, training
from lmtutor.models import attention, positions
from lmtutor.models.attention import MultiHeadAttention
from lmtutor.runtime import Stopwatch, seed_everything

LENGTHS = (512, 1024, 2048, 4096)
HEADS, SIZE, REPETITIONS, TURNS = 4, 32, 5, 3
KINDS = {
    "written out": lambda q, k, v: attention.attention(q, k, v)[0],
    "scaled_dot_product_attention": F.scaled_dot_product_attention,
}
SCHEMES = ("none", "learned", "sinusoidal", "rotary", "ALiBi")
SEEDS = (0, 1)
TRAINED, TESTED = 64, (64, 128, 256, 512)  # characters of a row
HIDDEN, LAYERS, BATCH, STEPS, RATE = 128, 2, 16, 500, 3e-3


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
            hidden = hidden + layer(hidden, causal=True, bias=bias)[0]
        return self.output(hidden)


def loss(model: nn.Module, rows: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The mean loss of the next characters of rows [batch, time + 1], and how many they are."""
    logits = model(rows[:, :-1])  # [batch, time, size]
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()), rows[:, 1:].numel()


def train(scheme: str, ids: torch.Tensor, size: int, seed: int) -> Model:
    """A model trained on stretches of TRAINED characters, drawn at random."""
    seed_everything(seed)
    model = Model(scheme, size)
    training.fit(
        model,
        ids.unfold(0, TRAINED + 1, 1),  # [places, TRAINED + 1], without a copy
        loss=loss,
        steps=STEPS,
        batch_size=BATCH,
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


def schemes() -> None:
    corpus = lm.load("pydoc")
    joined = {split: "\n".join(corpus[split]["text"]) for split in corpus}
    known = {character: i for i, character in enumerate(sorted(set("".join(joined.values()))))}
    train_ids = torch.tensor([known[character] for character in joined["train"]])
    test_ids = torch.tensor([known[character] for character in joined["test"]])
    rows = []
    with Stopwatch() as watch:
        for scheme in SCHEMES:
            found = {length: [] for length in TESTED}
            for seed in SEEDS:
                model = train(scheme, train_ids, len(known), seed)
                for length in TESTED:
                    found[length].append(bits(model, test_ids, length))
                print(scheme, seed, {length: round(values[-1], 3) for length, values in found.items()}, flush=True)
            rows.append({"positions": scheme} | {f"rows of {n}": band(values) for n, values in found.items()})
    results.record(
        "attention_positions",
        rows,
        about="Bits a character on the test text of the Python reference (pydoc), read in rows "
        f"of {TESTED[0]} to {TESTED[-1]} characters, by {LAYERS} layers of causal attention with {HEADS} heads and "
        f"vectors of {HIDDEN} numbers, trained on rows of {TRAINED}: {STEPS} steps of {BATCH} rows, learning rate "
        f"{RATE}; seeds {', '.join(map(str, SEEDS))}; {torch.get_num_threads()} thread(s), other work beside.",
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
        parser.add_argument("part", nargs="?", default="cost", choices=["cost", "positions"])
        chosen = parser.parse_args().part
        lm.setup("05")
        schemes() if chosen == "positions" else cost()
