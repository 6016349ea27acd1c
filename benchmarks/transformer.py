"""The Transformer of chapter 06 translates: BLEU with the norm before and after, over several seeds.

    python benchmarks/transformer.py           the phrasebook into German and Chinese
    python benchmarks/transformer.py real      the shorter sentences of Multi30k (needs LMTUTOR_DATA_DIR or the hub)
    python benchmarks/transformer.py parts     what is lost without one of its parts, on short sentences
    python benchmarks/transformer.py weights   the norm before and after, with larger first weights in attention, on
                                               short sentences of both

A small network, few passes, one word a token, greedy translation: chapter 07 does this task properly.
"""

import argparse
import functools
import itertools

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
PARTS = ("none", "residual connections", "normalisation", "feed-forward networks", "positions")
WEIGHTS = {"queries, keys and values as one": False, "each matrix on its own": True}  # whether enlarged
SHORT, SHORT_EPOCHS, SHORT_SEEDS = 10, 6, (0, 1)  # words of a sentence, as in the notebook's quick profile


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


def _replace(residual: transformer.Residual, hidden: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """What a part says takes the place of what came."""
    return residual.dropout(change)


def take_away(model: transformer.Transformer, part: str) -> None:
    """Take one of PARTS out of a model."""
    layers = [*model.encoder.layers, *model.decoder.layers]
    for layer in layers:
        if part == "feed-forward networks":
            layer.feed_forward = Nothing()
        for residual in layer.residuals:
            if part == "residual connections":
                residual.after = functools.partial(_replace, residual)
            if part == "normalisation":
                residual.norm = nn.Identity()
    if part == "normalisation":
        model.encoder.norm = model.decoder.norm = nn.Identity()
    if part == "positions":
        model.embedding.positions.zero_()


@torch.no_grad()
def enlarge(model: transformer.Transformer) -> None:
    """First weights as if queries, keys and values were matrices of their own, and not one as in `initialise`.

    Glorot's bound is sqrt(6 / (inputs + outputs)): a third of the outputs make it larger by sqrt(2).
    """
    for module in model.modules():
        if isinstance(module, attention.MultiHeadAttention):
            for linear in (module.query, module.key, module.value):
                linear.weight *= 2**0.5


def train(
    examples,
    vocabulary: text.Vocabulary,
    epochs: int,
    norm_first: bool,
    seed: int,
    without: str = "none",
    enlarged: bool = False,
):
    """A trained model."""
    seed_everything(seed)
    model = transformer.Transformer(len(vocabulary), norm_first=norm_first, **SIZES)
    take_away(model, without)
    if enlarged:
        enlarge(model)
    lengths = [len(source) + len(target) for source, target in examples]
    ready = [
        batches.source_and_target([examples[i] for i in indices], vocabulary.start, vocabulary.end)
        for epoch in range(epochs)
        for indices in batches.by_length(lengths, BATCH, seed=1000 * seed + epoch)
    ]
    training.fit(
        model,
        ready,
        loss=loss,
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=lambda found: found[0],
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=RATE, betas=(0.9, 0.98), fused=True),
        scheduler=lambda opt, steps: torch.optim.lr_scheduler.OneCycleLR(opt, RATE, steps + 1, pct_start=0.3),
        seed=seed,
        progress=False,
    )
    return model.eval().cpu()


@torch.no_grad()
def bleu(model, pairs, vocabulary: text.Vocabulary) -> float:
    """Of the greedy translations, on words as they are."""
    said = []
    for start in range(0, len(pairs), 100):
        source = batches.pad([vocabulary.encode(words) for words, _ in pairs[start : start + 100]])
        cache = transformer.start(model, source["input_ids"], source["attention_mask"])
        first = torch.full((len(source["input_ids"]), 1), vocabulary.start)
        step = functools.partial(transformer.step, model)
        ids = decoding.generate(step, cache, first, max_tokens=50, end=vocabulary.end)
        said += [" ".join(vocabulary.decode(i for i in row if i != vocabulary.end)) for row in ids.tolist()]
    references = [" ".join(target) for _, target in pairs]
    return sacrebleu.corpus_bleu(said, [references], tokenize="none", force=True).score


def main(runs, name: str = "transformer_translation", most_words: int | None = None) -> None:
    rows, scored = [], []
    with Stopwatch() as watch:
        for corpus, language, epochs, min_count, seeds in runs:
            vocabulary, pairs, examples = encoded(corpus, language, min_count, most_words)
            for norm_first in (True, False):
                scores = []
                for seed in seeds:
                    model = train(examples, vocabulary, epochs, norm_first, seed)
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


def parts() -> None:
    vocabulary, pairs, _ = encoded("phrasebook", "de", 1)
    short = {split: [p for p in found if max(map(len, p)) <= SHORT] for split, found in pairs.items()}
    examples = [(vocabulary.encode(a), vocabulary.encode(b)) for a, b in short["train"]]
    rows = []
    with Stopwatch() as watch:
        for part in PARTS:
            models = [train(examples, vocabulary, SHORT_EPOCHS, True, seed, without=part) for seed in SHORT_SEEDS]
            scores = [bleu(model, short["test"], vocabulary) for model in models]
            print(part, scores, flush=True)
            rows.append(
                {
                    "taken away": part,
                    "parameters": f"{sum(p.numel() for p in models[0].parameters()):,}",
                    "BLEU": band(scores),
                }
            )
    results.record(
        "transformer_parts",
        rows,
        about=f"Test BLEU of greedy translations (English to German, sentences of at most {SHORT} words of the "
        f"phrasebook) by a Transformer with 2 + 2 layers of 128, norm before, {SHORT_EPOCHS} passes, with one part "
        f"taken away; seeds {', '.join(map(str, SHORT_SEEDS))}; {torch.get_num_threads()} thread(s).",
        command="python benchmarks/transformer.py parts",
        packages=("torch", "accelerate", "sacrebleu"),
        seeds=list(SHORT_SEEDS),
        seconds=round(watch.seconds),
    )


def weights() -> None:
    rows = []
    for corpus, language, epochs, min_count, seeds in (RUNS[0], REAL[0]):
        vocabulary, pairs, examples = encoded(corpus, language, min_count, SHORT)
        for norm_first, (drawn, enlarged) in itertools.product((True, False), WEIGHTS.items()):
            scores = []
            for seed in seeds:
                model = train(examples, vocabulary, epochs, norm_first, seed, enlarged=enlarged)
                scores.append(bleu(model, pairs["test"], vocabulary))
            rows.append(
                {
                    "data": f"{corpus}, en–{language}",
                    "norm": "before" if norm_first else "after",
                    "first weights drawn": drawn,
                    "BLEU": band(scores),
                }
            )
            print(rows[-1], flush=True)
    results.record(
        "transformer_weights",
        rows,
        about=f"Test BLEU of greedy translations (sentences of at most {SHORT} words) by a Transformer with 2 + 2 "
        f"layers of 128, {epochs} passes, with two ways to draw the first weights of attention; seeds "
        f"{', '.join(map(str, seeds))}; {torch.get_num_threads()} thread(s).",
        command="python benchmarks/transformer.py weights",
        packages=("torch", "accelerate", "sacrebleu"),
        seeds=list(seeds),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", choices=["real", "parts", "weights"])
    chosen = parser.parse_args().data
    lm.setup("06")
    if chosen == "parts":
        parts()
    elif chosen == "weights":
        weights()
    elif chosen == "real":
        main(REAL, "transformer_real", SHORT)
    else:
        main(RUNS)
