"""Summaries that a model writes, with and without copying, as in chapter 11.

python benchmarks/summarising.py           on the course's notices: both models over three seeds, and the text's own
                                           sentences
"""

import argparse
import random
import statistics

import numpy as np
import torch
from measure import band

import lmtutor as lm
from lmtutor import batches, extraction, metrics, results, summaries, text, training
from lmtutor.models import copying, transformer
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
WRITES, COPIES = "writes", "writes or copies"
KINDS = {WRITES: transformer.Transformer, COPIES: copying.CopyingTransformer}
SIZES = {"hidden_size": 128, "num_heads": 4, "num_layers": 2, "inner_size": 256}
EXTRA = 32  # ids lent to words that the vocabulary lacks
STEPS, BATCH, RATE = 600, 16, 3e-3
SHOWN = 3  # notices whose summaries are kept


def split_names(corpus) -> tuple[list[str], list[str]]:
    """Words to make names of: those of train and as many made-up ones, and those that only the test split has."""
    known = extraction.name_words(corpus["train"])
    new = sorted(set(extraction.name_words(corpus["test"])) - set(known))
    return sorted({*known, *summaries.made_up(known, len(known))} - set(new)), new


def words_of(corpus) -> text.Vocabulary:
    """The words of train's notices and summaries, names included."""
    return text.Vocabulary([text.words(row[part]) for row in corpus["train"] for part in ("text", "summary")])


def learned_from(corpus, seed: int) -> list[tuple[str, str]]:
    """Notices of train with their summaries, in each pass with other names."""
    rng, (names, _) = random.Random(seed), split_names(corpus)
    passes = -(-STEPS * BATCH // len(corpus["train"]))
    return [summaries.other_names(row, names, rng) for _ in range(passes) for row in corpus["train"]]


def tested_on(corpus) -> dict[str, list[tuple[str, str]]]:
    """Notices with their summaries: known sentences and names; known sentences, new names; the test split."""
    rng, (_, new) = random.Random(0), split_names(corpus)
    return {
        "validation": [(row["text"], row["summary"]) for row in corpus["validation"]],
        "validation, new names": [summaries.other_names(row, new, rng) for row in corpus["validation"]],
        "test": [(row["text"], row["summary"]) for row in corpus["test"]],
    }


def train(kind: str, examples: list[tuple[str, str]], vocabulary: text.Vocabulary, seed: int) -> torch.nn.Module:
    """A trained model of that kind."""
    rng, lent = random.Random(seed), {COPIES: {"extra": EXTRA}}.get(kind, {})
    encoded = [summaries.encode_pair(pair, vocabulary, lent.get("extra", 0), rng) for pair in examples]
    seed_everything(seed)
    model = KINDS[kind](len(vocabulary), **lent, **SIZES)

    def collate(chosen: list[list[int]]) -> dict[str, torch.Tensor]:
        return batches.source_and_target([encoded[i] for i in chosen[0]], vocabulary.start, vocabulary.end)

    training.fit_by_length(
        model, [len(source) for source, _ in encoded], collate, copying.loss,
        steps=STEPS, batch_size=BATCH, learning_rate=RATE, seed=seed, progress=False,
        on_step=lambda step, loss: step % 100 or print(kind, seed, step, round(float(loss), 3), flush=True),
    )  # fmt: skip
    return model.eval().cpu()


def scores(pairs: list[tuple[str, str]], said: list[str]) -> dict[str, float]:
    """ROUGE and the names of summaries, in per cent."""
    sources, references = zip(*pairs, strict=True)
    rouge = [metrics.rouge(reference, one) for reference, one in zip(references, said, strict=True)]
    means = {kind: 100 * statistics.mean(one[kind][2] for one in rouge) for kind in rouge[0]}
    return means | summaries.name_scores(sources, references, said)


def baselines(pairs: list[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """A sentence of the text itself: the first, the most central, and the best in hindsight."""
    read = [text.split_sentences(source) for source, _ in pairs]
    ways = {
        "first sentence": [-np.arange(len(found)) for found in read],
        "TextRank": [summaries.text_rank(found) for found in read],
        "best sentence in hindsight": [
            [metrics.rouge(reference, one)["ROUGE-2"][2] for one in found]
            for found, (_, reference) in zip(read, pairs, strict=True)
        ],
    }
    return {
        name: scores(pairs, [summaries.extract(found, each, 1) for found, each in zip(read, chosen, strict=True)])
        for name, chosen in ways.items()
    }


def notices() -> None:
    corpus = lm.load("notices")
    tested, vocabulary, shown, times = tested_on(corpus), words_of(corpus), {}, []
    found: dict[tuple[str, str], list[dict]] = {
        (name, "test"): [each] for name, each in baselines(tested["test"]).items()
    }
    for seed in SEEDS:
        examples = learned_from(corpus, seed)
        for kind in KINDS:
            with Stopwatch() as watch:
                model = train(kind, examples, vocabulary, seed)
            times.append(round(watch.seconds))
            for name, pairs in tested.items():
                said = summaries.write(model, vocabulary, [source for source, _ in pairs])
                found.setdefault((kind, name), []).append(scores(pairs, said))
                print(kind, seed, name, {k: round(v, 1) for k, v in found[kind, name][-1].items()}, flush=True)
            if seed == 0:
                shown[kind] = said[:: len(said) // SHOWN][:SHOWN]
        rows = [
            {"summary": kind, "measured on": name, "seeds": len(runs) if kind in KINDS else "nothing random"}
            | {measure: band([run[measure] for run in runs]) for measure in runs[0]}
            for (kind, name), runs in found.items()
        ]
        record(rows, tested["test"], shown, times)


def record(rows, pairs, shown, times) -> None:
    examples = pairs[:: len(pairs) // SHOWN][:SHOWN]
    results.record(
        "summarising_notices",
        rows,
        about=f"Summaries of the notices, which a program made; in per cent, from the lowest to the highest seed. Both "
        f"models: 2 + 2 layers of 128, {STEPS:,} steps of {BATCH} notices, in each pass with other names. ROUGE is F1, "
        f"without stemming.",
        command="python benchmarks/summarising.py",
        packages=("torch", "accelerate"),
        seeds=list(SEEDS),
        seconds=times,
        shown=[
            {"notice": source, "reference": reference} | {kind: said[i] for kind, said in shown.items()}
            for i, (source, reference) in enumerate(examples)
        ],
    )


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    lm.setup("11")
    notices()


if __name__ == "__main__":
    main()
