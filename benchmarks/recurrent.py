"""Networks against n-grams on one text: perplexity over several seeds, on the course's corpus and on WikiText-2.

    python benchmarks/recurrent.py        the course's corpus
    python benchmarks/recurrent.py real   the LSTM with an adaptive softmax (needs LMTUTOR_DATA_DIR or the hub)

The sizes are those of chapter 03, quick profile.
"""

import argparse
import math
import statistics

import torch
from measure import band, score
from torch import nn

import lmtutor as lm
from lmtutor import batches, metrics, results, runtime, text, training
from lmtutor.models import ngram, recurrent
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
RATES = (4e-3, 1e-2)
CUTOFFS = [2000, 10000]  # of the adaptive softmax: the most frequent words, the less frequent, the rest
# On WikiText-2, quick profile: more streams than the chapter has, since most of a step is the embeddings' update.
STREAMS, STREAMS_RATE, PASSES = 24, 6e-3, 1
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
        command="python benchmarks/recurrent.py",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )


class AdaptiveLSTM(nn.Module):
    """The LSTM of chapter 03 with an adaptive softmax (Grave et al., ICML 2017): rare words share small output layers.

    With 33,000 words the ordinary output layer is nearly all of the work.
    """

    def __init__(self, vocab_size: int, size: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, size)
        self.rnn = nn.LSTM(size, size, batch_first=True)
        self.output = nn.AdaptiveLogSoftmaxWithLoss(size, vocab_size, CUTOFFS)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor, state=None):
        """[batch, time] ids, the ids that come next, the state before -> ln P of these [batch * time], state."""
        hidden, state = self.rnn(self.dropout(self.embedding(input_ids)), state)  # [batch, time, size]
        return self.output(self.dropout(hidden).flatten(0, 1), labels.flatten()).output, state


def train_adaptive(cfg, ids: list[int], vocab_size: int, rate: float, seed: int, passes: int) -> AdaptiveLSTM:
    seed_everything(seed)
    model, last = AdaptiveLSTM(vocab_size, cfg.hidden_size, cfg.dropout), {}

    def loss(model, block):
        log_p, state = model(block["input_ids"], block["labels"], None if block["first"] else last.get("state"))
        last["state"] = recurrent.detach(state)
        return -log_p.mean(), log_p.numel()

    training.fit(
        model,
        batches.streams(ids, cfg.streams, cfg.block),
        loss=loss,
        epochs=passes,
        batch_size=1,
        shuffle=False,
        collate=lambda blocks: blocks[0],
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=rate, fused=True),  # halves the time
        scheduler=lambda opt, steps: torch.optim.lr_scheduler.OneCycleLR(opt, rate, total_steps=steps, pct_start=0.15),
        seed=seed,
        progress=False,
    )
    return model.eval().cpu()


@torch.no_grad()
def perplexity(model: AdaptiveLSTM, ids: list[int]) -> float:
    """Of a text that is read from its beginning to its end."""
    state, total = None, 0.0
    for begin in range(0, len(ids) - 1, 512):
        block = torch.tensor([ids[begin : begin + 513]])  # [1, 1 + time]
        log_p, state = model(block[:, :-1], block[:, 1:], state)
        total -= log_p.double().sum().item()
    return math.exp(total / (len(ids) - 1))


def real() -> None:
    """The LSTM on WikiText-2, beside the best counts of chapter 01."""
    cfg = lm.setup("03")
    passes, rate = cfg.epochs, cfg.learning_rates["lstm"]
    if runtime.current().profile == "quick":
        cfg.streams, rate, passes = STREAMS, STREAMS_RATE, PASSES
    if cfg.corpus != "wikitext2":
        raise SystemExit("Set LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR (or LMTUTOR_SOURCE=hub).")
    parts = sentences(cfg)
    vocabulary = text.Vocabulary(parts["train"], cfg.min_count)
    ids = {split: text.stream(parts[split], vocabulary) for split in parts}
    found, seconds = [], []
    for seed in SEEDS:
        with Stopwatch() as watch:
            model = train_adaptive(cfg, ids["train"], len(vocabulary), rate, seed, passes)
        seconds.append(watch.seconds)
        found.append({split: perplexity(model, ids[split]) for split in ("validation", "test")})
        print(seed, found[-1], f"{watch.seconds:.0f} s", flush=True)
    counts = results.read("ngram_wikitext2")["rows"][-1]
    lstm = f"LSTM, {cfg.hidden_size} hidden units, read {passes} time{'s' * (passes > 1)}"
    published = "99.3 (Grave, Joulin and Usunier, 2017): 1,024 units, trained until it stops improving"
    tests = [one["test"] for one in found]
    results.record(
        "recurrent_wikitext2",
        [
            {
                "model": "modified Kneser-Ney 5-gram (chapter 01)",
                "validation perplexity": counts["modified Kneser-Ney, validation"],
                "test perplexity": counts["modified Kneser-Ney, test"],
            },
            {
                "model": lstm,
                "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
                "validation perplexity": round(statistics.mean(one["validation"] for one in found), 1),
                "test perplexity": round(statistics.mean(tests), 1),
                "test, lowest to highest": band(tests),
            },
        ],
        about=f"WikiText-2, vocabulary of {len(vocabulary):,}, one </s> for each line; adaptive softmax with cuts at "
        f"{', '.join(f'{cut:,}' for cut in CUTOFFS)}; {cfg.streams} streams in blocks of "
        f"{cfg.block}, learning rate {rate:g}; mean over seeds {', '.join(map(str, SEEDS))}; "
        f"{torch.get_num_threads()} thread(s).",
        command="make scoreboard ONLY=recurrent",
        packages=PACKAGES,
        seconds=[round(one) for one in seconds],
        seeds=list(SEEDS),
        scores=[score("03", "WikiText-2", lstm, "test perplexity", tests, published=published)],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["real"])
    options = parser.parse_args()
    real() if options.part else harbour()
