"""Chapter 03's training on a machine that has other work: its time beside busy loops, as a ratio to its time alone.

    make bench ONLY=load

writes load.json into benchmarks/results. Each time is that of a fresh process, since OpenMP reads once whether its
waiting threads sleep (as `import lmtutor` settles it) or spin (as is its default).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack

import torch
from measure import comparison, middle, ratios
from recurrent import sentences

import lmtutor as lm
from lmtutor import batches, results, text, training
from lmtutor.models import recurrent
from lmtutor.runtime import Stopwatch

STEPS, WARM_UP, TURNS = 80, 5, 5
LOOPS = (1, 3)
ALONE, SPINNING = "alone", "alone, waiting threads spin"


def steps() -> None:
    """Print the seconds that some steps of chapter 03's LSTM take in this process."""
    cfg = lm.setup("03", quiet=True)
    train = sentences(cfg, cfg.corpus)["train"]
    vocabulary = text.Vocabulary(train, cfg.min_count)
    sizes = {"embedding_size": cfg.embedding_size, "hidden_size": cfg.hidden_size, "dropout": cfg.dropout}
    model = recurrent.RecurrentLanguageModel(len(vocabulary), cell="lstm", num_layers=cfg.num_layers, **sizes)
    blocks = batches.streams(text.stream(train, vocabulary), cfg.streams, cfg.block)

    def train_for(number: int) -> None:
        training.fit(
            model,
            blocks,
            loss=recurrent.carried_loss(),
            steps=number,
            batch_size=1,
            shuffle=False,
            collate=lambda taken: taken[0],
            optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
            progress=False,
        )

    train_for(WARM_UP)
    with Stopwatch() as watch:
        train_for(STEPS)
    print(watch.seconds)


def seconds(loops: int = 0, policy: str | None = None) -> float:
    """What `steps` prints in a fresh process, beside so many busy loops; the policy is the package's if not given."""
    with ExitStack() as stack:
        for _ in range(loops):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
        environment |= {"OMP_WAIT_POLICY": policy} if policy else {}
        command = [sys.executable, __file__, "steps"]
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    beside = {f"beside {loops} busy loop{'s' * (loops > 1)}": loops for loops in LOOPS}
    works = {ALONE: seconds, SPINNING: lambda: seconds(policy="active")}
    works |= {name: lambda loops=loops: seconds(loops) for name, loops in beside.items()}
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TURNS):
        for name, work in works.items():
            found[name].append(work())
    training_03 = f"{STEPS} steps of the LSTM's training"
    results.record(
        "load",
        [
            {"training": name, "steps a second": middle([STEPS / taken for taken in times])}
            for name, times in found.items()
        ],
        about=f"{training_03} of chapter 03 with {os.cpu_count()} threads, {TURNS} fresh processes each, in turns.",
        command="make bench ONLY=load",
        packages=("torch",),
        comparisons=[
            comparison(
                "03", f"{training_03}, {name}", ALONE, ratios(found[name], found[ALONE]), "times its time", at_most=most
            )
            for name, most in zip(beside, (2.5, 5), strict=True)
        ]
        + [
            comparison(
                "03",
                f"{training_03}, {ALONE}",
                "waiting threads spin",
                ratios(found[ALONE], found[SPINNING]),
                "times its time",
                at_most=1.05,
            )
        ],
    )
    print(results.markdown("load"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["steps"], help="what a fresh process measures")
    steps() if parser.parse_args().what else main()
