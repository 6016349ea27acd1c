"""Networks against n-grams on one text, over several seeds: on the course's prose, on its tales, on WikiText-2.

    python benchmarks/recurrent.py              the prose; with names (... harbour lstm gru) only these networks' rows
    python benchmarks/recurrent.py tales        the tales, trained and tested on their own; then who gets verbs right
    python benchmarks/recurrent.py forget_bias  the prose: an LSTM whose forget gates start open
    python benchmarks/recurrent.py memory       how far small networks remember, and what decides it
    python benchmarks/recurrent.py real         the LSTM with an adaptive softmax (needs LMTUTOR_DATA_DIR or the hub)

The sizes are those of chapter 03, quick profile; the validation text chooses epochs and dropout.
"""

import argparse
import math
import statistics

import numpy as np
import torch
from measure import band, score
from torch import nn
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import batches, metrics, results, runtime, text, training
from lmtutor.models import ngram, recurrent
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
# Epochs and dropout: of these pairs the one with which the LSTM is better on the validation text; all take it.
SETTINGS = {"harbour": ((3, 0.2), (4, 0.4)), "tales": ((3, 0.1), (3, 0.3))}
RATES = {"window": 1e-2, "rnn": 4e-3, "gru": 1e-2, "lstm": 1e-2}  # of AdamW, at the top of the one-cycle schedule
CUTOFFS = [2000, 10000]  # of the adaptive softmax: the most frequent words, the less frequent, the rest
# On WikiText-2, quick profile: more streams than the chapter has, since most of a step is the embeddings' update.
STREAMS, STREAMS_RATE, PASSES = 24, 6e-3, 1
PACKAGES = ("torch", "numpy", "accelerate")


def sentences(cfg, corpus: str) -> dict[str, list[list[str]]]:
    loaded = lm.load(corpus)
    return {split: text.sentences(loaded[split]["text"], cfg.tokens) for split in ("train", "validation", "test")}


class InPlaceCrossEntropy(torch.autograd.Function):
    """The mean cross-entropy of F.cross_entropy, in pieces that fit into a processor's cache; it overwrites the logits.

    A fifth of a step's time is saved, since most of it is the output layer of some 6,000 words.
    """

    @staticmethod
    def forward(ctx, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """[tokens, vocab] and [tokens] -> a scalar."""
        total = logits.new_zeros(())
        for z, y in zip(logits.split(64), labels[:, None].split(64), strict=True):
            z -= z.amax(1, keepdim=True)
            z.exp_()
            z /= z.sum(1, keepdim=True)
            total -= z.gather(1, y).log().sum()
            z.scatter_add_(1, y, -torch.ones_like(y, dtype=z.dtype))  # p - [j = y]
        ctx.slopes = logits.div_(len(labels))
        return total / len(labels)

    @staticmethod
    def backward(ctx, slope: torch.Tensor):
        return ctx.slopes.mul_(slope), None


def carried_loss():
    """`recurrent.carried_loss` with the cross-entropy above."""
    states: dict[bool, recurrent.State | None] = {}

    def loss(model: nn.Module, block: dict) -> tuple[torch.Tensor, int]:
        logits, state = model(block["input_ids"], None if block["first"] else states.get(model.training))
        states[model.training] = recurrent.detach(state)
        labels = block["labels"].flatten()
        return InPlaceCrossEntropy.apply(logits.flatten(0, 1), labels), labels.numel()

    return loss


def train(cell: str, cfg, parts: dict, vocabulary, setting: tuple, seed: int, forget_bias: float | None = None) -> dict:
    """A trained model, its validation loss and its seconds; the training of chapter 03."""
    seed_everything(seed)
    epochs, dropout = setting
    sizes = {"embedding_size": cfg.embedding_size, "hidden_size": cfg.hidden_size, "dropout": dropout}
    if cell == "window":
        model = recurrent.WindowLanguageModel(len(vocabulary), window=cfg.window, **sizes)
    else:
        model = recurrent.RecurrentLanguageModel(len(vocabulary), cell=cell, num_layers=cfg.num_layers, **sizes)
    if forget_bias is not None:
        with torch.no_grad():
            model.rnn.bias_ih_l0[cfg.hidden_size : 2 * cfg.hidden_size] = forget_bias
    rate = RATES[cell]
    history = training.fit(
        model,
        batches.streams(text.stream(parts["train"], vocabulary), cfg.streams, cfg.block),
        validation=batches.streams(text.stream(parts["validation"], vocabulary), 1, 512),
        loss=carried_loss(),
        epochs=epochs,
        batch_size=1,
        shuffle=False,
        collate=lambda blocks: blocks[0],
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=rate, fused=True),
        scheduler=lambda opt, steps: torch.optim.lr_scheduler.OneCycleLR(opt, rate, total_steps=steps, pct_start=0.15),
        seed=seed,
        progress=False,
    )
    print(
        f"{cell}, epochs {epochs}, dropout {dropout}, seed {seed}, bias {forget_bias}:\n{history.round(3).to_string()}",
        flush=True,
    )
    last = history.iloc[-1]
    return {"model": model, "validation": float(last["validation_loss"]), "seconds": float(last["seconds"])}


def perplexities(runs: list[dict], parts: dict, vocabulary) -> dict[str, str]:
    """Of the test text, reading on and forgetting, from the best run to the worst."""
    return {
        how: band(
            [
                metrics.perplexity(recurrent.probabilities(r["model"], parts["test"], vocabulary, carry=carry))
                for r in runs
            ]
        )
        for how, carry in (("reads on", True), ("forgets at each sentence", False))
    }


def network_row(cell: str, cfg, settings: tuple, parts: dict, vocabulary) -> tuple[dict, list[dict]]:
    """The row of a network and its three trainings, with the setting that is better on the validation text."""
    first = {setting: train(cell, cfg, parts, vocabulary, setting, SEEDS[0]) for setting in settings}
    setting = min(first, key=lambda setting: first[setting]["validation"])
    runs = [first[setting], *(train(cell, cfg, parts, vocabulary, setting, seed) for seed in SEEDS[1:])]
    row = {
        "model": cell,
        "parameters": f"{sum(p.numel() for p in runs[0]['model'].parameters()):,}",
        "learning rate": RATES[cell],
        "epochs": setting[0],
        "dropout": setting[1],
        **perplexities(runs, parts, vocabulary),
        "seconds": round(statistics.median(run["seconds"] for run in runs)),
    }
    print(row, flush=True)
    return row, runs


def counting_rows(cfg, parts: dict, vocabulary) -> list[dict]:
    """Kneser-Ney, modified Kneser-Ney, and the latter with a cache whose size and share the validation text chooses."""
    counts = ngram.NgramCounts(parts["train"], cfg.max_order, vocabulary)
    rows = []
    for name, discount in (("Kneser-Ney 5-gram", 0.75), ("modified Kneser-Ney 5-gram", "modified")):
        model = ngram.KneserNey(counts, discount)
        forgets = metrics.perplexity(model.probabilities(parts["test"]))
        rows.append({"model": name, "forgets at each sentence": f"{forgets:.1f}"})

    def perplexity(size: int, share: float, split: str) -> float:
        return metrics.perplexity(ngram.CacheModel(model, size, share).probabilities(parts[split]))

    grid = [(size, share) for size in (100, 200, 400, 800, 1600) for share in (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)]
    size, share = min(grid, key=lambda g: perplexity(*g, "validation"))
    found = perplexity(size, share, "test")
    print(f"cache of {size} tokens, share {share}", flush=True)
    return [*rows, {"model": f"the same + cache ({size} tokens)", "reads on": f"{found:.1f}"}]


def harbour(corpus: str, cells: list[str]) -> None:
    """All models of chapter 03 on one of the course's corpora; with names of networks only their rows are renewed."""
    cfg = lm.setup("03")
    parts = sentences(cfg, corpus)
    vocabulary = text.Vocabulary(parts["train"], cfg.min_count)
    rows = counting_rows(cfg, parts, vocabulary)
    found = {}
    if cells and (runtime.share("results") / f"recurrent_{corpus}.json").exists():
        found = {row["model"]: row for row in results.read(f"recurrent_{corpus}")["rows"]}
    trained = {}
    for cell in sorted(cells or cfg.cells, key=lambda cell: cell != "lstm"):  # the LSTM first
        chosen = SETTINGS[corpus] if cell == "lstm" else ((found["lstm"]["epochs"], found["lstm"]["dropout"]),)
        found[cell], trained[cell] = network_row(cell, cfg, chosen, parts, vocabulary)
    rows += [found[cell] for cell in cfg.cells if cell in found]
    kind = {"harbour": "prose (harbour)", "tales": "tales, which a program told from a grammar"}[corpus]
    results.record(
        f"recurrent_{corpus}",
        rows,
        about=f"Test perplexity on the course's {kind}, </s> counted; networks of chapter 03 (quick), seeds "
        f"{', '.join(map(str, SEEDS))}, with the epochs and dropout, "
        f"{' or '.join(f'{e} and {d}' for e, d in SETTINGS[corpus])}, with which the LSTM is better on the "
        f"validation text; {torch.get_num_threads()} thread(s).",
        command=f"python benchmarks/recurrent.py{'' if corpus == 'harbour' else ' ' + corpus}",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )
    if corpus == "tales" and "lstm" in trained:
        agreement(parts, vocabulary, trained["lstm"], cfg)


def forget_bias(corpus: str = "harbour") -> None:
    """The LSTM of the stored table with the bias of its forget gates at 1 and 2 before training."""
    cfg = lm.setup("03")
    parts = sentences(cfg, corpus)
    vocabulary = text.Vocabulary(parts["train"], cfg.min_count)
    (lstm,) = (row for row in results.read(f"recurrent_{corpus}")["rows"] if row["model"] == "lstm")
    columns = ("reads on", "forgets at each sentence")
    rows = [{"forget bias at the start": "PyTorch's, about 0"} | {name: lstm[name] for name in columns}]
    for bias in (1.0,):
        setting = lstm["epochs"], lstm["dropout"]
        runs = [train("lstm", cfg, parts, vocabulary, setting, seed, bias) for seed in SEEDS]
        rows.append({"forget bias at the start": f"{bias:g}"} | perplexities(runs, parts, vocabulary))
        print(rows[-1], flush=True)
    results.record(
        "recurrent_forget_bias",
        rows,
        about=f"Test perplexity on the course's prose; the LSTM of the table recurrent_harbour, seeds "
        f"{', '.join(map(str, SEEDS))}; {torch.get_num_threads()} thread(s).",
        command="python benchmarks/recurrent.py forget_bias",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )


FORMS = {"is": "are", "are": "is", "was": "were", "were": "was", "has": "have", "have": "has"}


def verbs(document: dict):
    """For each verb of a tale that agrees with its subject: attractor between?, sentence and tale before, verb."""
    for truth in document["truth"].get("agreement") or []:
        if truth["verb"] in FORMS:
            before = [text.words(s) for s in text.split_sentences(document["text"][: truth["verb_start"]])]
            whole = ["<s>"] + [token for s in before[:-1] for token in [*s, "</s>"]] + before[-1]
            yield truth["attractor"], before[-1], whole, truth["verb"]


def agreement(parts: dict, vocabulary, runs: list[dict], cfg) -> None:
    """How often the right form of a verb gets more probability than the wrong one, in the test tales."""
    counts = ngram.NgramCounts(parts["train"], cfg.max_order, vocabulary)
    five_gram = ngram.KneserNey(counts, "modified").next_distribution
    readers = [recurrent.next_distribution(run["model"].cpu(), vocabulary) for run in runs]
    right: dict[bool, list[list[bool]]] = {False: [], True: []}
    for document in lm.load("tales", "test"):
        for attractor, sentence, whole, verb in verbs(document):
            ids = vocabulary.ids[verb], vocabulary.ids[FORMS[verb]]
            given = [five_gram(["<s>", *sentence]), *(read(whole) for read in readers)]
            right[attractor].append([p[ids[0]] > p[ids[1]] for p in given])
    rows = []
    for attractor, found in right.items():
        shares = np.mean(found, axis=0)
        rows.append(
            {
                "attractor between": "yes" if attractor else "no",
                "verbs": len(found),
                "5-gram right": round(float(shares[0]), 2),
                "LSTM right": band([float(share) for share in shares[1:]], 2),
                "two standard errors": round(len(found) ** -0.5, 2),
            }
        )
    results.record(
        "recurrent_agreement",
        rows,
        about="Verbs of the test tales that agree with a subject to their left; share in which the right form gets "
        f"more probability than the wrong one; LSTM of the table recurrent_tales, seeds {', '.join(map(str, SEEDS))}.",
        command="python benchmarks/recurrent.py tales",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )
    print(results.markdown("recurrent_agreement"))


# --- memory -----------------------------------------------------------------------------------------------------------

MEMORY_SEEDS = range(5)


class StartedLSTM(nn.LSTM):
    """An LSTM whose forget gates start with a bias of their own."""

    start = 4.0  # sigmoid(4) = 0.98

    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        with torch.no_grad():
            self.bias_ih_l0[self.hidden_size : 2 * self.hidden_size] = self.start
            self.bias_hh_l0[self.hidden_size : 2 * self.hidden_size] = 0.0


class OpenerLSTM(StartedLSTM):
    start = 0.6  # sigmoid(0.6) = 0.65


class ScaledRNN(nn.RNN):
    """An RNN whose recurrent matrix is made smaller or larger before training."""

    factor = 0.7

    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        with torch.no_grad():
            self.weight_hh_l0 *= self.factor


KINDS = {
    "RNN": nn.RNN,
    "RNN, W_h times 0.7": ScaledRNN,
    "LSTM": nn.LSTM,
    "LSTM, forget bias 0.6": OpenerLSTM,
    "LSTM, forget bias 4": StartedLSTM,
}


def recall(kind, distance: int, steps: int, seed: int) -> tuple[float, float]:
    """Learn to name the first of `distance` + 1 symbols: the slope that reaches it at the start, and the accuracy."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 1)

    def draw(count):  # [count, 1 + distance]: one of the symbols 0 to 9, then others, from 10 to 19
        first = torch.randint(10, (count, 1), generator=generator)
        return torch.cat([first, torch.randint(10, 20, (count, distance), generator=generator)], dim=1)

    embed, net, out = nn.Embedding(20, 16), kind(16, 32, batch_first=True), nn.Linear(32, 10)
    parameters = [*embed.parameters(), *net.parameters(), *out.parameters()]
    ids = draw(64)
    vectors = embed(ids)
    loss = F.cross_entropy(out(net(vectors)[0][:, -1]), ids[:, 0])
    (slopes,) = torch.autograd.grad(64 * loss, vectors)
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(steps):
        ids = draw(64)  # [batch, time]
        loss = F.cross_entropy(out(net(embed(ids))[0][:, -1]), ids[:, 0])  # from the state after the last symbol
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    ids = draw(500)
    with torch.no_grad():
        right = (out(net(embed(ids))[0][:, -1]).argmax(-1) == ids[:, 0]).float().mean()
    return float(slopes[:, 0].norm(dim=1).mean()), float(right)


def memory() -> None:
    """Five kinds of networks, three distances, five seeds."""
    cfg = lm.setup("03")
    rows = []
    for name, kind in KINDS.items():
        row: dict = {"network": name}
        for distance in (10, 20, 40):
            found = [recall(kind, distance, cfg.recall_steps, seed) for seed in MEMORY_SEEDS]
            slope, accuracy = (list(values) for values in zip(*found, strict=True))
            row[f"slope, {distance} symbols"] = f"{statistics.median(slope):.0e}"
            row[f"accuracy, {distance} symbols"] = band(accuracy, 2)
            row[f"mean, {distance} symbols"] = round(statistics.mean(accuracy), 2)
        rows.append(row)
        print(row, flush=True)
    results.record(
        "recurrent_memory",
        rows,
        about=f"Networks with 32 hidden units name the first of so many symbols after {cfg.recall_steps} steps of "
        "training, chance 0.10; slope: median norm of the loss's slope for the first symbol's vector before training; "
        f"seeds {', '.join(map(str, MEMORY_SEEDS))}.",
        command="python benchmarks/recurrent.py memory",
        packages=PACKAGES,
        seeds=list(MEMORY_SEEDS),
    )


# --- real text --------------------------------------------------------------------------------------------------------


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """PyTorch's, in float32 also within mixed precision, where it stops: its parts would come in two types."""

    def forward(self, hidden: torch.Tensor, labels: torch.Tensor):
        with torch.autocast(hidden.device.type, enabled=False):
            return super().forward(hidden.float(), labels)


class AdaptiveLSTM(nn.Module):
    """The LSTM of chapter 03 with an adaptive softmax (Grave et al., ICML 2017): rare words share small output layers.

    With 33,000 words the ordinary output layer is nearly all of the work.
    """

    def __init__(self, vocab_size: int, size: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, size)
        self.rnn = nn.LSTM(size, size, batch_first=True)
        self.output = AdaptiveSoftmax(size, vocab_size, CUTOFFS)
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
    passes, rate = cfg.epochs, cfg.learning_rate
    if runtime.current().profile == "quick":
        cfg.streams, rate, passes = STREAMS, STREAMS_RATE, PASSES
    if cfg.corpus != "wikitext2":
        raise SystemExit("Set LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR (or LMTUTOR_SOURCE=hub).")
    parts = sentences(cfg, cfg.corpus)
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
    parts_of_this = ["harbour", "tales", "forget_bias", "memory", "real"]
    parser.add_argument("part", nargs="?", choices=parts_of_this, default="harbour")
    parser.add_argument("cells", nargs="*", help="networks whose rows are renewed; all if not given")
    options = parser.parse_args()
    if options.part in ("harbour", "tales"):
        harbour(options.part, options.cells)
    else:
        {"forget_bias": forget_bias, "memory": memory, "real": real}[options.part]()
