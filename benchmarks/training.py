"""What `training.fit` costs over a bare PyTorch loop, and how fast the course's models train beside plain loops.

    make bench ONLY=training

The loops take turns, step by step, so that whatever else the machine does hits all of them.
"""

import statistics
import time

import torch
from measure import comparison, ratios
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, StackDataset

import lmtutor as lm
from lmtutor import batches, results, text, training
from lmtutor.models import positions, recurrent, transformer
from lmtutor.runtime import seed_everything

STEPS, TRANSLATION_STEPS, WARM_UP = 310, 150, 10
COMMAND, TOKENS = "make bench ONLY=training", "times the tokens a second"


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
    """The chapter's settings, the sentences and the vocabulary."""
    cfg = lm.setup("03")
    train = text.sentences(lm.load(cfg.corpus, "train")["text"], cfg.tokens)
    vocabulary = text.Vocabulary(train, cfg.min_count)
    return cfg, train, vocabulary


def model_of(cfg, vocabulary) -> recurrent.RecurrentLanguageModel:
    seed_everything(0)
    return recurrent.RecurrentLanguageModel(
        len(vocabulary), embedding_size=cfg.embedding_size, hidden_size=cfg.hidden_size, dropout=cfg.dropout
    )


def optimizer_of(parameters):
    return torch.optim.AdamW(parameters, lr=1e-3)


def fused(parameters):
    """As chapter 03 makes it: one pass over each tensor."""
    return torch.optim.AdamW(parameters, lr=1e-3, fused=True)


def bare_steps(model, optimizer, blocks, loss_of):
    """What everybody writes: forward, backward, clip, step, and the loss read for display.

    Pauses after each step, and gives the number of its tokens, without padding.
    """
    model.train()
    for block in blocks:
        loss = loss_of(model, block)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        yield int((block["labels"] >= 0).sum())


def step_times(
    model, blocks, others: dict, loss, optimizer=optimizer_of
) -> tuple[dict[str, list[float]], dict[str, list[int]]]:
    """Seconds and tokens of each step inside `fit`, and of one step of each other loop, done between steps of `fit`."""
    times: dict[str, list[float]] = {name: [] for name in ("fit", *others)}
    tokens: dict[str, list[int]] = {name: [] for name in times}
    began = None

    def on_step(step, loss):
        nonlocal began
        if began is not None:
            times["fit"].append(time.perf_counter() - began)
            tokens["fit"].append(int((blocks[step - 1]["labels"] >= 0).sum()))
            for name, loop in others.items():
                began = time.perf_counter()
                tokens[name].append(next(loop))
                times[name].append(time.perf_counter() - began)
        began = time.perf_counter()

    training.fit(
        model,
        blocks,
        loss=loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=lambda b: b[0],
        optimizer=optimizer,
        progress=False,
        on_step=on_step,
    )
    return times, tokens


def carried(model, block) -> torch.Tensor:
    return model.loss_of(model, block)[0]


def shuffled_blocks(blocks) -> DataLoader:
    """The rows of all blocks, shuffled: fixed batches without padding in which nothing is carried."""
    rows = {name: torch.cat([block[name] for block in blocks]) for name in ("input_ids", "labels")}
    return DataLoader(StackDataset(**rows), batch_size=len(blocks[0]["input_ids"]), shuffle=True)


def shuffled_sentences(sentences, vocabulary, tokens: int) -> DataLoader:
    """Fixed numbers of sentences, shuffled and padded, with about so many tokens to a batch: how one begins."""
    ids = [text.stream([sentence], vocabulary) for sentence in sentences]
    count = round(tokens / statistics.mean(len(s) - 1 for s in ids))

    def collate(chosen):
        inputs, labels = batches.pad([s[:-1] for s in chosen]), batches.pad([s[1:] for s in chosen])
        return inputs | {"labels": labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)}

    return DataLoader(ids, batch_size=count, shuffle=True, drop_last=True, collate_fn=collate)


def plain_loss(model, block) -> torch.Tensor:
    return F.cross_entropy(model(block["input_ids"]).flatten(0, 1), block["labels"].flatten())


def table_of(names: dict[str, str], times, tokens) -> tuple[dict[str, list[float]], list[dict]]:
    """Tokens a second of each step of each loop, and the rows of the table."""
    rates, rows = {}, []
    for name, seconds in times.items():
        rates[name] = [n / s for n, s in zip(tokens[name], seconds, strict=True)][WARM_UP:]
        rows.append(
            {
                "loop": names[name],
                "tokens a step": round(statistics.mean(tokens[name])),
                "ms a step": round(1e3 * statistics.median(seconds[WARM_UP:]), 2),
                "tokens a second": f"{statistics.median(rates[name]):,.0f}",
            }
        )
    return rates, rows


def faster_than(rates: dict[str, list[float]], other: str) -> list[float]:
    """How many times the tokens a second of another loop `fit` trains, in each pair of steps."""
    return ratios(rates["fit"], rates[other])


def language_model() -> None:
    """The LSTM of chapter 03."""
    cfg, sentences, vocabulary = settings()
    blocks = batches.streams(text.stream(sentences, vocabulary), cfg.streams, cfg.block)[:STEPS]
    ours, same = model_of(cfg, vocabulary), model_of(cfg, vocabulary)
    same.loss_of = recurrent.carried_loss()

    def plain(data):
        model = PlainLSTM(len(vocabulary), cfg.embedding_size, cfg.hidden_size, cfg.dropout)
        return bare_steps(model, optimizer_of(list(model.parameters())), data, plain_loss)

    others = {
        "bare": bare_steps(same, fused(list(same.parameters())), blocks, carried),
        "plain blocks": plain(shuffled_blocks(blocks)),
        "plain sentences": plain(shuffled_sentences(sentences, vocabulary, cfg.streams * cfg.block)),
    }
    times, tokens = step_times(ours, blocks, others, recurrent.carried_loss(), fused)
    names = {
        "fit": "training.fit, carried state",
        "bare": "the same model and batches in a bare loop",
        "plain blocks": "the same layers in a plain loop, shuffled blocks, nothing carried",
        "plain sentences": "the same layers in a plain loop, shuffled sentences, padded",
    }
    rates, rows = table_of(names, times, tokens)
    longer = ratios(rates["bare"], rates["fit"])  # the tokens are the same
    shuffled, padded = (faster_than(rates, f"plain {kind}") for kind in ("blocks", "sentences"))
    lstm = ("03", "training the LSTM")
    results.record(
        "training_speed",
        rows,
        about="Steps of the LSTM language model of chapter 03 (quick), padding not counted; its loop and the bare one "
        f"have the chapter's fused AdamW, the plain loops PyTorch's default one; medians of "
        f"{len(rates['fit'])} steps of each loop, taking turns, {torch.get_num_threads()} thread(s).",
        command=COMMAND,
        packages=("torch", "accelerate"),
        overhead_percent=round(100 * (statistics.median(longer) - 1), 1),
        speed_against_shuffled_blocks=round(statistics.median(shuffled), 3),
        speed_against_shuffled_sentences=round(statistics.median(padded), 3),
        comparisons=[
            comparison("03", "a step of training.fit", "bare loop", longer, "times its time", at_most=1.03, digits=3),
            comparison(*lstm, "nn.LSTM, shuffled sentences, padded", padded, TOKENS, at_least=1),
            comparison(*lstm, "nn.LSTM, shuffled blocks, no padding", shuffled, TOKENS, at_least=1, digits=3),
        ],
    )
    print(results.markdown("training_speed"))


# --- translation ------------------------------------------------------------------------------------------------------


class PlainTransformer(nn.Module):
    """nn.Transformer with embeddings, as one would write it down at once; the sizes of the course's model."""

    def __init__(self, vocab_size: int, hidden_size: int, num_heads: int, num_layers: int, inner_size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.transformer = nn.Transformer(
            hidden_size, num_heads, num_layers, num_layers, inner_size, 0.1, batch_first=True, norm_first=True
        )
        self.register_buffer("positions", positions.sinusoids(512, hidden_size))
        self.output = nn.Linear(hidden_size, vocab_size)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        return self.embedding(ids) * self.embedding.embedding_dim**0.5 + self.positions[: ids.shape[1]]

    def forward(self, input_ids, attention_mask, decoder_input_ids) -> torch.Tensor:
        padding = attention_mask == 0
        later = nn.Transformer.generate_square_subsequent_mask(decoder_input_ids.shape[1])
        hidden = self.transformer(
            self.embed(input_ids), self.embed(decoder_input_ids), tgt_mask=later, tgt_is_causal=True,
            src_key_padding_mask=padding, memory_key_padding_mask=padding,
        )  # fmt: skip
        return self.output(hidden)


def translation_loss(model, batch) -> tuple[torch.Tensor, torch.Tensor]:
    batch = dict(batch)
    labels = batch.pop("labels")
    mean = F.cross_entropy(model(**batch).flatten(0, 1), labels.flatten(), ignore_index=batches.IGNORED)
    return mean, (labels >= 0).sum()


def translation() -> None:
    """The Transformer of chapter 06 on the phrasebook, all sentences."""
    sizes = {"hidden_size": 128, "num_heads": 4, "num_layers": 2, "inner_size": 256}
    rows = lm.load("phrasebook", "train")
    pairs = [(text.words(row["en"]), text.words(row["de"])) for row in rows]
    vocabulary = text.Vocabulary([words for pair in pairs for words in pair])
    examples = [(vocabulary.encode(source), vocabulary.encode(target)) for source, target in pairs]
    lengths = [len(source) + len(target) for source, target in examples]

    def ready(order: list[list[int]]) -> list[dict]:
        ids = (vocabulary.start, vocabulary.end)
        return [batches.source_and_target([examples[i] for i in indices], *ids) for indices in order]

    def drawn(**options) -> list[dict]:
        order = [indices for seed in range(3) for indices in batches.by_length(lengths, 64, seed=seed, **options)]
        return ready(order[:TRANSLATION_STEPS])

    sorted_batches, random_batches = drawn(), drawn(pool=1)
    seed_everything(0)
    ours = transformer.Transformer(len(vocabulary), **sizes)

    def plain(data):
        model = PlainTransformer(len(vocabulary), **sizes)
        loss_of = lambda model, batch: translation_loss(model, batch)[0]  # noqa: E731
        return bare_steps(model, optimizer_of(list(model.parameters())), data, loss_of)

    others = {"same batches": plain(sorted_batches), "random batches": plain(random_batches)}
    times, tokens = step_times(ours, sorted_batches, others, translation_loss)
    names = {
        "fit": "training.fit, models.transformer, batches by length",
        "same batches": "nn.Transformer in a plain loop, the same batches",
        "random batches": "nn.Transformer in a plain loop, 64 shuffled sentences, padded",
    }
    rates, rows = table_of(names, times, tokens)
    same, random = (faster_than(rates, f"{kind} batches") for kind in ("same", "random"))
    results.record(
        "translation_speed",
        rows,
        about=f"Training of the Transformer of chapter 06 on the phrasebook; target words without padding; medians "
        f"of {len(rates['fit'])} steps of each loop, taking turns, {torch.get_num_threads()} thread(s).",
        command=COMMAND,
        packages=("torch", "accelerate"),
        speed_against_the_same_batches=round(statistics.median(same), 3),
        speed_against_random_batches=round(statistics.median(random), 3),
        comparisons=[
            comparison("07", "training translation", "nn.Transformer, shuffled batches", random, TOKENS, at_least=1.3),
            comparison("07", "training translation", "nn.Transformer, the same batches", same, TOKENS),
        ],
    )
    print(results.markdown("translation_speed"))


if __name__ == "__main__":
    language_model()
    translation()
