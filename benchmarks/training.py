"""What `training.fit` costs over a bare PyTorch loop, and how fast the recurrent language model trains.

    python benchmarks/training.py

Two loops take turns, a stretch of steps each, so that whatever else the machine does hits both. The
machine should be idle.
"""

import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import batches, results, text, training
from lmtutor.models import recurrent
from lmtutor.runtime import seed_everything

ROUNDS, STEPS = 12, 30
COMMAND = "make bench ONLY=training"


class PlainLSTM(nn.Module):
    """The same layers and sizes as the recurrent language model, as one would write them down at once."""

    def __init__(self, vocab_size: int, embedding_size: int, hidden_size: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        self.project = nn.Linear(hidden_size, embedding_size)
        self.output = nn.Linear(embedding_size, vocab_size)
        self.output.weight = self.embedding.weight
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.lstm(self.dropout(self.embedding(ids)))
        return self.output(self.dropout(self.project(hidden)))


def settings():
    cfg = lm.setup("03")
    train = text.sentences(lm.load(cfg.corpus, "train")["text"], cfg.tokens)
    vocabulary = text.Vocabulary(train, cfg.min_count)
    return cfg, vocabulary, batches.streams(text.stream(train, vocabulary), cfg.streams, cfg.block)[:STEPS]


def model_of(cfg, vocabulary) -> recurrent.RecurrentLanguageModel:
    seed_everything(0)
    return recurrent.RecurrentLanguageModel(
        len(vocabulary), embedding_size=cfg.embedding_size, hidden_size=cfg.hidden_size, dropout=cfg.dropout
    )


def optimizer_of(parameters):
    return torch.optim.AdamW(parameters, lr=1e-3)


def bare_loop(model, optimizer, blocks, loss_of) -> None:
    """What everybody writes: forward, backward, clip, step, and the loss read for display."""
    model.train()
    for block in blocks:
        loss = loss_of(model, block)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()


def fit_step_times(model, blocks) -> list[float]:
    """Seconds from the end of one step to the end of the next, inside `fit`."""
    marks = []
    training.fit(
        model,
        blocks,
        loss=recurrent.carried_loss(),
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=lambda b: b[0],
        optimizer=optimizer_of,
        progress=False,
        on_step=lambda step, loss: marks.append(time.perf_counter()),
    )
    return [after - before for before, after in zip(marks, marks[1:], strict=False)]


def bare_step_times(model, optimizer, blocks, loss_of) -> list[float]:
    marks = []
    for block in blocks:
        bare_loop(model, optimizer, [block], loss_of)
        marks.append(time.perf_counter())
    return [after - before for before, after in zip(marks, marks[1:], strict=False)]


def carried(model, block) -> torch.Tensor:
    return model.loss_of(model, block)[0]


def shuffled_blocks(blocks) -> list[dict]:
    """Fixed batches of the same size in which nothing is carried: what a shuffling loader would give."""
    order = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(0)).tolist()
    return [blocks[i] for i in order]


def plain_loss(model, block) -> torch.Tensor:
    return F.cross_entropy(model(block["input_ids"]).flatten(0, 1), block["labels"].flatten())


def main() -> None:
    cfg, vocabulary, blocks = settings()
    ours, same = model_of(cfg, vocabulary), model_of(cfg, vocabulary)
    same.loss_of = recurrent.carried_loss()
    plain = PlainLSTM(len(vocabulary), cfg.embedding_size, cfg.hidden_size, cfg.dropout)
    same_optimizer, plain_optimizer = optimizer_of(list(same.parameters())), optimizer_of(list(plain.parameters()))
    shuffled = shuffled_blocks(blocks)
    times: dict[str, list[float]] = {"fit": [], "bare loop": [], "plain nn.LSTM": []}
    for round_number in range(ROUNDS + 1):
        found = {
            "fit": fit_step_times(ours, blocks),
            "bare loop": bare_step_times(same, same_optimizer, blocks, carried),
            "plain nn.LSTM": bare_step_times(plain, plain_optimizer, shuffled, plain_loss),
        }
        if round_number:  # the first one warms up
            for name, values in found.items():
                times[name].append(statistics.median(values))
    tokens = cfg.streams * cfg.block
    middle = {name: statistics.median(values) for name, values in times.items()}
    names = {
        "fit": "training.fit, carried state",
        "bare loop": "the same model and batches in a bare loop",
        "plain nn.LSTM": "the same layers in a plain loop, shuffled fixed batches",
    }
    rows = [
        {
            "loop": names[name],
            "ms a step": round(1e3 * seconds, 2),
            "tokens a second": f"{tokens / seconds:,.0f}",
        }
        for name, seconds in middle.items()
    ]
    overhead = statistics.median(a / b - 1 for a, b in zip(times["fit"], times["bare loop"], strict=True))
    against_plain = statistics.median(b / a for a, b in zip(times["fit"], times["plain nn.LSTM"], strict=True))
    results.record(
        "training_speed",
        rows,
        about=f"One step of the LSTM language model of chapter 03 (quick) on {tokens} tokens; medians of {ROUNDS} "
        f"rounds of {STEPS} steps that take turns, {torch.get_num_threads()} thread(s).",
        command=COMMAND,
        packages=("torch", "accelerate"),
        overhead_percent=round(100 * overhead, 1),
        speed_against_plain_loop=round(against_plain, 3),
    )
    print(results.markdown("training_speed"))
    print(f"fit costs {100 * overhead:+.1f} % over the bare loop; tokens/s against the plain loop: {against_plain:.3f}")


if __name__ == "__main__":
    main()
