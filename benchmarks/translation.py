"""Translation as in chapter 07: two models, two languages, label smoothing and warm-up left out, real sentences.

    python benchmarks/translation.py             the phrasebook into German and Chinese: two models
    python benchmarks/translation.py longer      both models into German, twice as many passes
    python benchmarks/translation.py ablation    the phrasebook into German: what each habit of training is worth
    python benchmarks/translation.py back        some of the short pairs, and back-translations of the others
    python benchmarks/translation.py real        the Transformer on Multi30k, three seeds

Multi30k needs LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR, or LMTUTOR_SOURCE=hub.
"""

import argparse
import functools
import statistics
from types import SimpleNamespace

import sacrebleu
import torch
from measure import band, score
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import batches, decoding, results, runtime, text, training
from lmtutor.models import seq2seq, transformer
from lmtutor.runtime import Stopwatch, seed_everything

START, END = 1, 2
SEEDS = (0, 1, 2)
LSTM, TRANSFORMER = "LSTM with attention", "Transformer"
PUBLISHED = "41.0 (Wu et al., 2021): 4 + 4 layers, until it stops improving; counted on other tokens"
ABLATIONS = {
    "as in the chapter": {},
    "no label smoothing": {"smoothing": 0.0},
    "no warm-up": {"warm_up": False},
    "norm after": {"norm_first": False},
    "norm after, no warm-up": {"norm_first": False, "warm_up": False},
}
SHORT, PART = 10, 4  # words of a sentence in the part `back`, at most; one pair in so many has its English


def task_of(cfg, target: str, share: int = 1) -> SimpleNamespace:
    """Pairs of sentences, as text and as ids, with the tokenizer that has read those of train, one in `share`."""
    rows = lm.load(cfg.corpus)
    pairs = {split: [(row[cfg.source], row[target]) for row in rows[split]] for split in rows}
    pairs["train"] = pairs["train"][::share]
    tokenizer = text.byte_level_bpe(
        [sentence for pair in pairs["train"] for sentence in pair], cfg.vocabulary_size, ["<pad>", "<s>", "</s>"]
    )
    encoded = {split: [tuple(tokenizer.encode(s).ids for s in pair) for pair in pairs[split]] for split in pairs}
    features = rows["test"]["features"] if "features" in rows["test"].column_names else None
    return SimpleNamespace(pairs=pairs, encoded=encoded, tokenizer=tokenizer, features=features, cfg=cfg)


def only_down(optimizer, steps: int):
    """The schedule of the chapter without its rise: the largest rate from the first step on."""
    peak = max(1, round(0.1 * steps))
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: min(1.0, (peak / (done + 1)) ** 0.5))


def translator(task, kind: str, dropout: float, norm_first: bool = True) -> torch.nn.Module:
    """A model of that kind with the sizes of the profile, untrained."""
    cfg, vocab_size = task.cfg, task.tokenizer.get_vocab_size()
    if kind == LSTM:
        return seq2seq.RecurrentTranslator(vocab_size, hidden_size=cfg.lstm_size, dropout=dropout)
    sizes = {name: getattr(cfg, name) for name in ("hidden_size", "num_heads", "num_layers", "inner_size")}
    return transformer.Transformer(vocab_size, dropout=dropout, norm_first=norm_first, **sizes)


def loss_with(smoothing: float):
    """The loss that `training.fit` wants, with label smoothing in training only."""

    def loss(model, batch):
        batch = dict(batch)
        labels = batch.pop("labels").flatten()
        smoothed = smoothing if model.training else 0.0
        mean = F.cross_entropy(model(**batch).flatten(0, 1), labels, label_smoothing=smoothed)
        return mean, (labels != batches.IGNORED).sum()

    return loss


def train(task, kind: str, seed: int, smoothing: float | None = None, warm_up: bool = True, norm_first: bool = True):
    """A trained model."""
    cfg = task.cfg
    seed_everything(seed)
    model = translator(task, kind, cfg.dropout, norm_first)
    rate = cfg.lstm_rate if kind == LSTM else cfg.learning_rate
    smoothing = cfg.smoothing if smoothing is None else smoothing
    examples = task.encoded["train"]
    lengths = [len(source) + len(target) for source, target in examples]
    ready = [
        batches.source_and_target([examples[i] for i in indices], START, END)
        for epoch in range(cfg.epochs)
        for indices in batches.by_length(lengths, cfg.batch_size, seed=1000 * seed + epoch)
    ]

    training.fit(
        model,
        ready,
        loss=loss_with(smoothing),
        epochs=1,
        batch_size=1,
        shuffle=False,
        collate=lambda found: found[0],
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.98), fused=True),
        scheduler=training.inverse_root if warm_up else only_down,
        seed=seed,
        progress=False,
    )
    return model.eval().cpu()


def translate(task, model, beams: int, sources: list[list[int]] | None = None) -> list[str]:
    """The translations of the test sentences, or of others."""
    module, said = seq2seq if isinstance(model, seq2seq.RecurrentTranslator) else transformer, []
    sources = [source for source, _ in task.encoded["test"]] if sources is None else sources
    for begin in range(0, len(sources), 100):
        batch = batches.pad(sources[begin : begin + 100])
        with torch.inference_mode():
            cache = module.start(model, batch["input_ids"], batch["attention_mask"])
        first, step = torch.full((len(batch["input_ids"]),), START), functools.partial(module.step, model)
        found = decoding.beam_search(step, cache, first, beams=beams, max_tokens=task.cfg.max_tokens, end=END)
        said += [task.tokenizer.decode([i for i in texts[0].tokens if i != END]).strip() for texts in found]
    return said


def measure(task, model) -> dict[str, float]:
    """Scores on the test sentences."""
    references = [target for _, target in task.pairs["test"]]
    said = {beams: translate(task, model, beams) for beams in (1, task.cfg.beams)}
    bleu = sacrebleu.BLEU(tokenize=task.cfg.bleu_tokens, force=True)
    scores = {
        "BLEU, greedy": bleu.corpus_score(said[1], [references]).score,
        f"BLEU, beam {task.cfg.beams}": bleu.corpus_score(said[task.cfg.beams], [references]).score,
        "chrF": sacrebleu.CHRF().corpus_score(said[task.cfg.beams], [references]).score,
    }
    if task.features is not None:
        right = [a == b for a, b in zip(said[task.cfg.beams], references, strict=True)]
        chosen = {"all right, %": None, "… with a pronoun, %": "pronoun", "… nested, %": "nested"}
        for name, feature in chosen.items():
            found = [ok for ok, kinds in zip(right, task.features, strict=True) if feature in (None, *kinds)]
            scores[name] = 100 * sum(found) / len(found)
    return scores


def row_of(task, names: dict, kind: str, seeds, **changes) -> tuple[dict, list[dict]]:
    """Trained and measured over seeds: names, bands, parameters, the median time of a training; and all scores."""
    found, seconds = [], []
    for seed in seeds:
        with Stopwatch() as watch:
            model = train(task, kind, seed, **changes)
        seconds.append(watch.seconds)
        found.append(measure(task, model))
        print(
            names, seed, {name: round(score, 1) for name, score in found[-1].items()}, round(watch.seconds), flush=True
        )
    bands = {name: band([scores[name] for scores in found]) for name in found[0]}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    row = {
        **names,
        "seeds": len(seeds),
        **bands,
        "parameters": parameters,
        "seconds": round(statistics.median(seconds)),
    }
    return row, found


# --- text of one language (back-translation) --------------------------------------------------------------------------


def back(cfg) -> list[dict]:
    """The rows of the part `back`: LSTMs, into German. All trainings have as many steps; the subwords are those of all
    pairs.
    """
    task, passes, found = task_of(cfg, "de"), cfg.epochs, {}
    short = {
        split: [i for i, (english, _) in enumerate(task.pairs[split]) if len(english.split()) <= SHORT]
        for split in task.pairs
    }
    for kind in (task.pairs, task.encoded):
        kind.update({split: [kind[split][i] for i in chosen] for split, chosen in short.items()})
    task.features, pairs = None, task.encoded["train"]
    known, others = pairs[::PART], [pair for i, pair in enumerate(pairs) if i % PART]
    german = [target for _, target in others]

    def learn(examples, seed):
        task.encoded["train"], cfg.epochs = examples, passes * len(pairs) // len(examples)
        return train(task, LSTM, seed)

    for seed in SEEDS:
        backwards = learn([(target, source) for source, target in known], seed)
        english = [task.tokenizer.encode(said).ids for said in translate(task, backwards, 1, german)]
        right = sum(said == source for said, (source, _) in zip(english, others, strict=True)) / len(others)
        texts = {
            f"{len(known):,} pairs": known,
            f"{len(known):,} pairs, {len(german):,} German sentences": known + list(zip(english, german, strict=True)),
            f"{len(pairs):,} pairs": pairs,
        }
        for name, examples in texts.items():
            scores = measure(task, learn(examples, seed))
            scores |= {"back-translations all right, %": 100 * right} if "German" in name else {}
            found.setdefault(name, []).append(scores)
            print(name, seed, {key: round(value, 1) for key, value in scores.items()}, flush=True)
    return [
        {"learned from": name, "seeds": len(SEEDS)} | {key: band([one[key] for one in scores]) for key in scores[0]}
        for name, scores in found.items()
    ]


def score_row(cfg, names: dict, measure: str, values: list[float]) -> dict:
    published = PUBLISHED if "BLEU" in measure else ""
    layers = f"{cfg.num_layers} + {cfg.num_layers} layers of {cfg.hidden_size}"
    model = f"{names['model']}, {layers}, {names['passes']} passes"
    return score("07", "Multi30k, English to German", model, measure, values, published=published)


def main(part: str | None) -> None:
    cfg = lm.setup("07")
    kinds = [LSTM, TRANSFORMER]
    runs = [(cfg.epochs, "de", SEEDS), (cfg.epochs, "zh", SEEDS[:1])]  # passes, language, seeds
    if part == "longer":
        runs = [(2 * cfg.epochs, "de", SEEDS[:1])]
    if part == "real":
        runs, kinds = [(cfg.epochs, "de", SEEDS)], [TRANSFORMER]
        if runtime.current().profile == "quick":  # so few passes get more steps
            cfg.batch_size, cfg.learning_rate = 32, 3e-3
    scores = []
    with Stopwatch() as watch:
        if part == "ablation":
            task = task_of(cfg, "de")
            rows = [row_of(task, {"training": name}, TRANSFORMER, SEEDS, **how)[0] for name, how in ABLATIONS.items()]
        elif part == "back":
            rows = back(cfg)
        else:
            rows = []
            for cfg.epochs, language, seeds in runs:
                task = task_of(cfg, language)
                for kind in kinds:
                    names = {"data": f"{cfg.corpus}, en–{language}", "passes": cfg.epochs, "model": kind}
                    row, found = row_of(task, names, kind, seeds)
                    rows.append(row)
                    scores += [(names, name, [one[name] for one in found]) for name in list(found[0])[1:3]]
    results.record(
        "_".join(["translation", *([part] if part else [])]),
        rows,
        about=f"Scores on the test sentences (sacreBLEU, tokenize={cfg.bleu_tokens!r}), with chapter 07's settings, "
        f"batches of {cfg.batch_size}, lowest to highest over the seeds; seconds are those of one training, with other "
        f"work beside it; {torch.get_num_threads()} thread(s).",
        scores=[score_row(cfg, *one) for one in scores] if part == "real" else [],
        command=" ".join(["python benchmarks/translation.py", *([part] if part else [])]),
        packages=("torch", "accelerate", "tokenizers", "sacrebleu"),
        seconds=round(watch.seconds),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["ablation", "longer", "back", "real"])
    main(parser.parse_args().part)
