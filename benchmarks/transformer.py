"""The Transformer of chapter 06 translates: BLEU with the norm before and after, over several seeds.

    python benchmarks/transformer.py           the phrasebook into German and Chinese
    python benchmarks/transformer.py real      the shorter sentences of Multi30k (needs LMTUTOR_DATA_DIR or the hub)
    python benchmarks/transformer.py parts     what is lost without one of its parts: the notebook's model and data
    python benchmarks/transformer.py weights   the same with other first weights, and with untied embeddings
    python benchmarks/transformer.py depth     8 + 8 thin layers: norms and warm-up

A small network, few passes, one word a token, greedy translation: chapter 07 does this task properly.
"""

import argparse
import functools
import itertools
import sys
from pathlib import Path

import sacrebleu
import torch
from measure import band, score
from torch import nn
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import batches, decoding, results, text, training
from lmtutor.models import attention, transformer
from lmtutor.runtime import Stopwatch, seed_everything

SIZES = {"hidden_size": 128, "num_heads": 4, "num_layers": 2, "inner_size": 256}
BATCH, RATE = 64, 2e-3
# Corpus, target language, epochs, words seen less often are <unk>, seeds.
RUNS = [("phrasebook", "de", 6, 1, (0, 1, 2)), ("phrasebook", "zh", 6, 1, (0,))]
REAL = [("multi30k", "de", 6, 3, (0, 1, 2))]
SHORT = 10  # words of a sentence, as in the notebook's quick profile
SHORT_SEEDS = (0, 1, 2)
NOTEBOOK = {"hidden_size": 64, "num_heads": 4, "num_layers": 2, "inner_size": 128, "dropout": 0.0}
NOTEBOOK_EPOCHS, NOTEBOOK_RATE = 6, 5e-3
WHOLE = "nothing"
REMINDED = "residual connections, but each sublayer also reads the embeddings"
PARTS = (WHOLE, "residual connections", REMINDED, "feed-forward networks", "positions")
DRAWN = "queries, keys and values drawn as one matrix"
WEIGHTS = {DRAWN: {}, "each drawn on its own, √2 larger": {"enlarged": True}}
UNTIED = "drawn as one; logits from a matrix of their own"
DEEP = {"hidden_size": 32, "num_heads": 4, "num_layers": 8, "inner_size": 64, "dropout": 0.0}
DEEP_EPOCHS, DEEP_RATE = 3, 4e-3
NORMS = {"before": {}, "after": {"norm_first": False}, "nowhere": {"without": "normalisation"}}
DEPTH = (("before", True), ("after", False), ("after", True), ("before", False), ("nowhere", True))  # and warm-up
SWAPPED = (("small", "klein"), ("strange", "seltsam"))  # adjectives that go with people and with things


def encoded(corpus: str, language: str, min_count: int, most_words: int | None = None):
    """The vocabulary of both languages, the pairs of sentences of each split, and the ids of those in train."""
    rows = lm.load(corpus)
    pairs = {
        split: [(text.words(r["en"]), text.words(r[language])) for r in rows[split]] for split in ("train", "test")
    }
    if most_words:
        pairs = {split: [p for p in found if max(map(len, p)) <= most_words] for split, found in pairs.items()}
    vocabulary = text.Vocabulary([words for pair in pairs["train"] for words in pair], min_count)
    return vocabulary, pairs, [(vocabulary.encode(a), vocabulary.encode(b)) for a, b in pairs["train"]]


def loss(model, batch):
    batch = dict(batch)
    labels = batch.pop("labels")  # [batch, time]
    mean = F.cross_entropy(model(**batch).flatten(0, 1), labels.flatten(), ignore_index=batches.IGNORED)
    return mean, (labels != batches.IGNORED).sum()


class Nothing(nn.Module):
    """A part that adds nothing."""

    def forward(self, hidden):
        """[..., hidden] -> zeros of the same shape."""
        return torch.zeros_like(hidden)


def _replace(residual: transformer.Residual, hidden: torch.Tensor, sublayer) -> torch.Tensor:
    """What a sublayer says takes the place of what came."""
    return residual.dropout(sublayer(residual.norm(hidden)))


def _remind(residual: transformer.Residual, embedded: list, hidden: torch.Tensor, sublayer) -> torch.Tensor:
    """The same, but the sublayer also reads the embeddings with which its stack began."""
    return residual.dropout(sublayer(residual.norm(hidden + embedded[0])))


def take_away(model: transformer.Transformer, part: str) -> None:
    """Take one of PARTS, or the normalisation, out of a model."""
    for stack in (model.encoder, model.decoder):
        embedded = []
        if part == REMINDED:
            stack.register_forward_pre_hook(lambda _, given, kept=embedded: kept.__setitem__(slice(None), given[:1]))
        for layer in stack.layers:
            if part == "feed-forward networks":
                layer.feed_forward = Nothing()
            for residual in layer.residuals:
                if part == REMINDED:
                    residual.forward = functools.partial(_remind, residual, embedded)
                elif part == "residual connections":
                    residual.forward = functools.partial(_replace, residual)
                if part == "normalisation":
                    residual.norm = nn.Identity()
        if part == "normalisation":
            stack.norm = nn.Identity()
    if part == "positions":
        model.embedding.positions.zero_()


def untie(model: transformer.Transformer) -> None:
    """Give the logits a matrix of their own, which starts as the embeddings do."""
    model.output = nn.Linear(*reversed(model.embedding.tokens.weight.shape), bias=False)
    nn.init.normal_(model.output.weight, std=model.output.in_features**-0.5)
    model.embedding.logits = model.output.forward


@torch.no_grad()
def enlarge(model: transformer.Transformer) -> None:
    """First weights as if queries, keys and values were matrices of their own, and not one as in `initialise`.

    Glorot's bound is sqrt(6 / (inputs + outputs)): a third of the outputs make it larger by sqrt(2).
    """
    for module in model.modules():
        if isinstance(module, attention.MultiHeadAttention):
            for linear in (module.query, module.key, module.value):
                linear.weight *= 2**0.5


def only_down(optimizer, steps: int):
    """The falling part of the one-cycle schedule alone: no warm-up."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps + 1)


def train(
    examples,
    vocabulary: text.Vocabulary,
    epochs: int,
    seed: int,
    *,
    norm_first: bool = True,
    without: str = WHOLE,
    enlarged: bool = False,
    tied: bool = True,
    warm_up: bool = True,
    sizes: dict | None = None,
    rate: float = RATE,
):
    """A trained model."""
    seed_everything(seed)
    model = transformer.Transformer(len(vocabulary), norm_first=norm_first, **(sizes or SIZES))
    take_away(model, without)
    if enlarged:
        enlarge(model)
    if not tied:
        untie(model)
    lengths = [len(source) + len(target) for source, target in examples]
    ready = [
        batches.source_and_target([examples[i] for i in indices], vocabulary.start, vocabulary.end)
        for indices in batches.epochs_by_length(lengths, BATCH, epochs, seed=seed)
    ]

    def one_cycle(opt, steps):
        return torch.optim.lr_scheduler.OneCycleLR(opt, rate, steps + 1, pct_start=0.3)

    training.fit(
        model,
        ready,
        loss=loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=lambda found: found[0],
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.98), fused=True),
        scheduler=one_cycle if warm_up else only_down,
        seed=seed,
        progress=False,
    )
    return model.eval().cpu()


@torch.no_grad()
def translate(model, sources, vocabulary: text.Vocabulary) -> list[list[str]]:
    """Greedy translations of lists of words."""
    said = []
    for start in range(0, len(sources), 100):
        source = batches.pad([vocabulary.encode(words) for words in sources[start : start + 100]])
        cache = transformer.start(model, source["input_ids"], source["attention_mask"])
        first = torch.full((len(source["input_ids"]), 1), vocabulary.start)
        step = functools.partial(transformer.step, model)
        ids = decoding.generate(step, cache, first, max_tokens=50, end=vocabulary.end)
        said += [vocabulary.decode(i for i in row if i != vocabulary.end) for row in ids.tolist()]
    return said


def bleu(model, pairs, vocabulary: text.Vocabulary) -> float:
    """Of the greedy translations, on words as they are."""
    said = [" ".join(words) for words in translate(model, [source for source, _ in pairs], vocabulary)]
    references = [" ".join(target) for _, target in pairs]
    return sacrebleu.corpus_bleu(said, [references], tokenize="none", force=True).score


def adjectives() -> set[str]:
    """Those of the phrasebook's English."""
    folder = str(Path(lm.__file__).parents[1] / "data" / "phrasebook")
    sys.path.insert(0, folder)
    import words

    sys.path.remove(folder)
    return {line.split(" | ")[0] for line in words.ADJECTIVES.strip().splitlines()}


def swaps(pairs) -> list[tuple[list[str], list[str]]]:
    """Sentences with two adjectives, with those of SWAPPED in their place, once in each order; and the German stems.

    Sentences that occur in train are left out.
    """
    known, found, read = adjectives(), [], {tuple(source) for source, _ in pairs["train"]}
    for words, _ in itertools.chain.from_iterable(pairs.values()):
        places = [i for i, word in enumerate(words) if word in known]
        if len(places) == 2:
            both = []
            for order in (SWAPPED, SWAPPED[::-1]):
                changed = list(words)
                for i, (english, _) in zip(places, order, strict=True):
                    article = {"an": "a", "An": "A"}.get(words[i - 1], words[i - 1])
                    changed[i - 1 : i + 1] = [article, english]
                both.append((changed, [stem for _, stem in order]))
            if not read & {tuple(changed) for changed, _ in both}:
                found += both
    return found


def in_order(model, asked, vocabulary: text.Vocabulary) -> float:
    """Percent of the sentences of `swaps` whose translation has both adjectives in the right order."""
    right = 0
    for words, (_, stems) in zip(translate(model, [s for s, _ in asked], vocabulary), asked, strict=True):
        right += [s for w in words for s in stems if w.startswith(s)] == stems
    return 100 * right / len(asked)


def main(runs, name: str = "transformer_translation", most_words: int | None = None) -> None:
    rows, scored = [], []
    with Stopwatch() as watch:
        for corpus, language, epochs, min_count, seeds in runs:
            vocabulary, pairs, examples = encoded(corpus, language, min_count, most_words)
            for norm_first in (True, False):
                scores = []
                for seed in seeds:
                    model = train(examples, vocabulary, epochs, seed, norm_first=norm_first)
                    scores.append(bleu(model, pairs["test"], vocabulary))
                    print(corpus, language, "before" if norm_first else "after", seed, scores[-1], flush=True)
                model = f"Transformer, norm {'before' if norm_first else 'after'}, {epochs} passes"
                scored.append(score("06", f"{corpus}, en–{language}, short", model, "BLEU, greedy", scores))
                rows.append(
                    {
                        "data": f"{corpus}, en–{language}",
                        "norm": "before" if norm_first else "after",
                        "passes": epochs,
                        "seeds": len(seeds),
                        "BLEU": band(scores),
                    }
                )
    results.record(
        name,
        rows,
        about="Test BLEU of greedy translations (sacrebleu, words as they are) by a Transformer with 2 + 2 layers of "
        f"128 and one word a token{f', sentences of at most {most_words} words' if most_words else ''}; "
        f"{torch.get_num_threads()} thread(s).",
        command="make scoreboard ONLY=transformer" if most_words else "python benchmarks/transformer.py",
        scores=scored if most_words else [],
        packages=("torch", "accelerate", "sacrebleu"),
        seconds=round(watch.seconds),
    )


def short_phrasebook():
    """The notebook's vocabulary, of all sentences; of each split the short pairs; and those of train as ids."""
    vocabulary, pairs, _ = encoded("phrasebook", "de", 1)
    short = {split: [p for p in found if max(map(len, p)) <= SHORT] for split, found in pairs.items()}
    return vocabulary, short, [(vocabulary.encode(a), vocabulary.encode(b)) for a, b in short["train"]]


def over_seeds(name: str, task, **changes):
    """Of a training with three seeds: the first model, and of all BLEU and the share of adjectives in order."""
    vocabulary, short, examples, asked = task
    changes |= {"sizes": NOTEBOOK, "rate": NOTEBOOK_RATE}
    models = [train(examples, vocabulary, NOTEBOOK_EPOCHS, seed, **changes) for seed in SHORT_SEEDS]
    scores = [bleu(model, short["test"], vocabulary) for model in models]
    ordered = [in_order(model, asked, vocabulary) for model in models]
    print(name, scores, ordered, flush=True)
    return models[0], scores, ordered


def keep(name: str, rows: list[dict], what: str, seconds: float, epochs: int = NOTEBOOK_EPOCHS, sizes: dict = NOTEBOOK):
    results.record(
        f"transformer_{name}",
        rows,
        about=f"{what}. English to German, sentences of at most {SHORT} words of the phrasebook (a program made it); "
        f"the vocabulary is that of all its sentences; {sizes['num_layers']} + {sizes['num_layers']} layers of "
        f"{sizes['hidden_size']}, {epochs} passes; seeds {', '.join(map(str, SHORT_SEEDS))}, lowest to highest; "
        f"{torch.get_num_threads()} thread(s).",
        command=f"python benchmarks/transformer.py {name}",
        packages=("torch", "accelerate", "sacrebleu"),
        seeds=list(SHORT_SEEDS),
        seconds=round(seconds),
    )


def parts() -> None:
    vocabulary, short, examples = short_phrasebook()
    asked, rows = swaps(short), []
    with Stopwatch() as watch:
        for part in PARTS:
            model, scores, ordered = over_seeds(part, (vocabulary, short, examples, asked), without=part)
            rows.append(
                {
                    "taken away": part,
                    "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
                    "BLEU": band(scores),
                    "adjectives in order, %": band(ordered),
                }
            )
    what = (
        f"Test BLEU of greedy translations, and of {len(asked)} new sentences with small and strange the share whose "
    )
    keep("parts", rows, what + "translation has the two in the right order", watch.seconds)


def weights() -> None:
    vocabulary, short, examples = short_phrasebook()
    rows = []
    with Stopwatch() as watch:
        for norm_first in (True, False):
            for drawn, changes in {**WEIGHTS, UNTIED: {"tied": False}}.items():
                task = (vocabulary, short, examples, swaps(short))
                scores = over_seeds(drawn, task, norm_first=norm_first, **changes)[1]
                norm = "before" if norm_first else "after"
                rows.append({"norm": norm, "first weights": drawn, "BLEU": band(scores)})
    keep("weights", rows, "Test BLEU of greedy translations", watch.seconds)


@torch.no_grad()
def loss_on(model, pairs, vocabulary: text.Vocabulary) -> float:
    """Mean of -ln p over the words of the targets, their ends among them."""
    examples = [(vocabulary.encode(a), vocabulary.encode(b)) for a, b in pairs]
    return float(loss(model, batches.source_and_target(examples, vocabulary.start, vocabulary.end))[0])


def depth() -> None:
    vocabulary, short, examples = short_phrasebook()
    rows = []
    with Stopwatch() as watch:
        for where, warm_up in DEPTH:
            losses = []
            for seed in SHORT_SEEDS:
                options = {"warm_up": warm_up, "sizes": DEEP, "rate": DEEP_RATE}
                model = train(examples, vocabulary, DEEP_EPOCHS, seed, **options, **NORMS[where])
                losses.append(loss_on(model, short["test"], vocabulary))
            rows.append({"norm": where, "warm-up": "yes" if warm_up else "no", "test loss": band(losses, 2)})
            print(rows[-1], losses, flush=True)
            keep("depth", rows, "Test loss, nats a word", watch.seconds, DEEP_EPOCHS, DEEP)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", choices=["real", "parts", "weights", "depth"])
    chosen = parser.parse_args().data
    lm.setup("06")
    if chosen == "parts":
        parts()
    elif chosen == "weights":
        weights()
    elif chosen == "depth":
        depth()
    elif chosen == "real":
        main(REAL, "transformer_real", SHORT)
    else:
        main(RUNS)
