"""The decoder-only model of chapter 08 on WikiText-2, beside chapter 03's LSTM.

    python benchmarks/gpt_wikitext2.py [--passes 1] [--dropout 0.1]

WikiText-2 needs LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR, or LMTUTOR_SOURCE=hub.
"""

import argparse
import math
import statistics

import numpy as np
import recurrent
import torch
from gpt import train
from measure import band, score
from torch import nn

import lmtutor as lm
from lmtutor import results, text
from lmtutor.models import gpt
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
SIZES = {"hidden_size": 256, "num_heads": 4, "num_layers": 3, "max_length": 128}
BATCH, RATE = 6, 1e-3  # as many words a step as 03's LSTM reads there: 24 streams in blocks of 32
WINDOWS = 16  # of the test at once


class AdaptiveGPT(gpt.GPT):
    """The GPT with 03's adaptive softmax instead of the tied output layer, which would be nearly all of the work."""

    def __init__(self, vocab_size: int, **sizes):
        super().__init__(vocab_size, **sizes)
        self.output = recurrent.AdaptiveSoftmax(sizes["hidden_size"], vocab_size, recurrent.CUTOFFS)

    def log_p(self, ids: torch.Tensor) -> torch.Tensor:
        """Texts [batch, 1 + time] -> ln P of each token but the first: [batch, time]."""
        hidden = self.decoder(self.embedding(ids[:, :-1]), causal=True)[0]
        return self.output(hidden.flatten(0, 1), ids[:, 1:].flatten()).output.view(len(ids), -1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.log_p(ids)


def loss(model: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, int]:
    log_p = model(ids)
    return -log_p.mean(), log_p.numel()


@torch.no_grad()
def perplexity(model: AdaptiveGPT, ids: list[int], stride: int = 64) -> float:
    """Each token after at least `length - stride` others, but for the first window."""
    length = model.embedding.positions.num_embeddings
    windows = torch.as_tensor(np.asarray(ids)).unfold(0, length + 1, stride)  # [windows, length + 1]
    total = -model(windows[:1, : length - stride + 1]).double().sum()
    for some in windows.split(WINDOWS):
        total -= model(some)[:, -stride:].double().sum()
    read = length + (len(windows) - 1) * stride  # by whole windows, the first token not counted
    if read < len(ids) - 1:
        rest = torch.as_tensor(np.asarray(ids[-length - 1 :]))
        total -= model(rest[None])[0, read - len(ids) + 1 :].double().sum()
    return math.exp(total.item() / (len(ids) - 1))


def transformer(cfg08, ids: dict, vocab_size: int, passes: int, dropout: float, seed: int) -> dict:
    seed_everything(seed)
    model = AdaptiveGPT(vocab_size, dropout=dropout, **SIZES)
    steps = round(passes * len(ids["train"]) / BATCH / SIZES["max_length"])
    with Stopwatch() as watch:
        train(model, ids["train"], steps=steps, batch_size=BATCH, rate=RATE, seed=seed, cfg=cfg08, next_loss=loss)
    return measured(model.eval().cpu(), perplexity, ids, watch.seconds)


def measured(model: nn.Module, perplexity_of, ids: dict, seconds: float) -> dict:
    found = {split: perplexity_of(model, ids[split]) for split in ("validation", "test")}
    found |= {"parameters": sum(p.numel() for p in model.parameters()), "seconds": round(seconds)}
    print(found, flush=True)
    return found


def row_of(name: str, dropout: float, found: list[dict]) -> dict:
    """As the rows of `recurrent_wikitext2`."""
    tests = [one["test"] for one in found]
    return {
        "model": name,
        "parameters": f"{found[0]['parameters']:,}",
        "validation perplexity": round(statistics.mean(one["validation"] for one in found), 1),
        "test perplexity": round(statistics.mean(tests), 1),
        "test, lowest to highest": band(tests),
        "dropout": dropout,
        "seconds": max(one["seconds"] for one in found),
    }


def main(passes: int, dropout: float | None) -> None:
    cfg08, cfg03 = lm.setup("08", quiet=True), lm.setup("03")
    dropout = cfg03.dropout if dropout is None else dropout
    parts = recurrent.sentences(cfg03, "wikitext2")
    vocabulary = text.Vocabulary(parts["train"], cfg03.min_count)
    ids = {split: text.stream(parts[split], vocabulary) for split in parts}
    name, found = (
        f"GPT, {SIZES['num_layers']} layers of {SIZES['hidden_size']}, read {passes} time{'s' * (passes > 1)}",
        [],
    )
    for seed in SEEDS:
        found.append(transformer(cfg08, ids, len(vocabulary), passes, dropout, seed))
        tests = [one["test"] for one in found]
        record(
            [*results.read("recurrent_wikitext2")["rows"], row_of(name, dropout, found)],
            [score("08", "WikiText-2", name, "test perplexity", tests)],
            len(vocabulary),
        )


def record(rows: list[dict], scores: list[dict], size: int) -> None:
    results.record(
        "gpt_wikitext2",
        rows,
        about=f"WikiText-2, vocabulary of {size:,}, one </s> for each line; counts and LSTM as in 03's table; "
        f"the Transformer has 03's adaptive softmax, reads windows of {SIZES['max_length']} words drawn at random, "
        f"{BATCH} a step, learning rate {RATE:g}, and in the test predicts each word after at least half a window; "
        f"lowest to highest over seeds {', '.join(map(str, SEEDS))}; {torch.get_num_threads()} thread(s), other work "
        "beside.",
        command="python benchmarks/gpt_wikitext2.py",
        packages=("torch", "accelerate", "transformers"),
        scores=scores,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--dropout", type=float, help="03's if not given")
    options = parser.parse_args()
    main(options.passes, options.dropout)
