"""Robustness as in chapter 15, of a fine-tuned MiniLM.

python benchmarks/robustness.py          the reviews: typos, every slip of a finger, synonyms, behaviour
python benchmarks/robustness.py training the small CNN: what each way of training it defends against
python benchmarks/robustness.py real     SST-2: typos, IMDB, calibration, texts from elsewhere
"""

import argparse
import json
import random
import statistics
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import band, score
from safetensors.torch import load_file
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import finetuning, metrics, pretrained, results, text
from lmtutor.data import batches
from lmtutor.models import bert, classifier
from lmtutor.runtime import seed_everything
from lmtutor.tasks import classifying
from lmtutor.trust import adversarial, attacks, certificates, outliers

SEEDS = (0, 1, 2)
PACKAGES = ("torch", "transformers", "scipy")


class Reader:
    """MiniLM, fine-tuned as in chapter 10, and asked of texts that are lists of words."""

    def __init__(self, texts, labels, seed: int, rate: float, max_length: int = 128):
        folder = pretrained.folder("minilm")
        self.tokenizer, self.max_length = AutoTokenizer.from_pretrained(folder), max_length
        seed_everything(seed)
        self.model = bert.BertClassifier(bert.load(folder), ["bad", "good"])
        finetuning.finetune(
            self.model, self.encode(texts), labels, epochs=1, batch_size=16, learning_rate=rate, warm_up=0.1,
            seed=seed, progress=False,
        )  # fmt: skip

    def encode(self, texts):
        cut = {"truncation": True, "max_length": self.max_length, "split_special_tokens": True}
        return self.tokenizer(list(texts), **cut)["input_ids"]

    def logits(self, texts) -> np.ndarray:
        return classifier.logits(self.model, self.encode(texts))

    def accuracy(self, texts, labels) -> float:
        return 100 * float((self.logits(texts).argmax(1) == np.array(labels)).mean())

    def margins(self, label: int, texts: list[list[str]]) -> np.ndarray:
        said = self.logits(map(" ".join, texts))
        return said[:, label] - said[:, 1 - label]

    def both(self, texts) -> tuple[np.ndarray, np.ndarray]:
        """Logits, and the vectors that the last layer made them of: [texts, labels], [texts, hidden]."""
        sequences, kept = self.encode(texts), []
        handle = self.model.classifier.register_forward_pre_hook(lambda _module, given: kept.append(given[0].numpy()))
        try:
            said = classifier.logits(self.model, sequences)
        finally:
            handle.remove()
        order = np.concatenate(batches.in_order_of_length(list(map(len, sequences))))
        vectors = np.concatenate(kept)
        return said, vectors[np.argsort(order)]


def words_in(texts) -> list[list[str]]:
    return [text.words(one.lower()) for one in texts]


def mistyped(words, count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(attacks.with_typos(one, count, draw)) for one in words]


def synonym_sets(reviews, vocabulary):
    """As in the chapter: words that keep the opinion, nearest by MiniLM's embeddings of pieces."""
    folder = pretrained.folder("minilm")
    ids = AutoTokenizer.from_pretrained(folder).get_vocab()
    table = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    table = torch.nn.functional.normalize(table, dim=1).numpy()
    lexicon = attacks.Lexicon.of(row for split in reviews for row in reviews[split])
    return attacks.synonyms(lexicon, vocabulary, {word: table[ids[word]] for word in vocabulary if word in ids})


def attacked(reader, words, labels, right, candidates) -> attacks.Rates:
    """Rates of an attack: `candidates(ask, words)` gives what it found."""
    broken = [
        candidates(partial(reader.margins, label), one).broken if is_right else True
        for one, label, is_right in zip(words, labels, right, strict=True)
    ]
    return attacks.rates(right, broken)


def slipped(reader, ask, words) -> attacks.Found:
    """The worst single slip that makes no other word."""
    known = reader.tokenizer.get_vocab()
    tries = [
        [*words[:i], slip, *words[i + 1 :]]
        for i, word in enumerate(words)
        for slip in attacks.slips(word)
        if slip not in known
    ]
    return attacks.exhaustive(ask, [list(words), *tries])


def reviews(count: int) -> None:
    """What changes MiniLM's mind about the reviews."""
    data = lm.load("reviews")
    train = data["train"]
    vocabulary = text.Vocabulary(words_in(train["text"]), min_count=2)
    choices = synonym_sets(data, vocabulary.words)
    words, labels = words_in(data["test"]["text"]), list(data["test"]["label"])
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        reader = Reader(train["text"][:1024], train["label"][:1024], seed, 2e-4)
        some, theirs = words[:300], labels[:300]
        found.setdefault("as they are, 300 reviews", []).append(reader.accuracy(map(" ".join, some), theirs))
        for typos in (1, 4, 8):
            name = f"{typos} typos, drawn, 300 reviews" if typos != 1 else "1 typo, drawn, 300 reviews"
            found.setdefault(name, []).append(reader.accuracy(mistyped(some, typos, seed), theirs))
        few, theirs = words[:count], labels[:count]
        right = (reader.logits(map(" ".join, few)).argmax(1) == np.array(theirs)).tolist()
        for name, search in {
            "the worst slip": partial(slipped, reader),
            "synonyms, greedy": lambda ask, one: attacks.greedy(ask, one, choices, 300),
        }.items():
            got = attacked(reader, few, theirs, right, search)
            found.setdefault(f"{name}, {count} reviews: clean", []).append(100 * got.clean)
            found.setdefault(f"{name}, {count} reviews: robust", []).append(100 * got.robust)
        print(seed, {name: round(values[-1], 1) for name, values in found.items()}, flush=True)
    results.record(
        "robustness_reviews",
        [
            {"the reviews": name, "accuracy, %": round(statistics.mean(values), 1), "lowest to highest": band(values)}
            for name, values in found.items()
        ],
        about="MiniLM, fine-tuned on 1,024 of the generated reviews in one pass, on test reviews that are attacked; "
        "means over three seeds.",
        command="python benchmarks/robustness.py",
        packages=PACKAGES,
    )


class Small:
    """The chapter's small CNN on the reviews, and what it is measured by."""

    def __init__(self, cfg):
        self.cfg, data = cfg, lm.load("reviews")
        self.rows = {side: list(data[side]) for side in data}
        self.words = {side: words_in(data[side]["text"]) for side in data}
        self.labels = {side: list(data[side]["label"]) for side in data}
        self.vocabulary = text.Vocabulary(self.words["train"], min_count=cfg.min_count)
        self.ids = {side: list(map(self.vocabulary.encode, self.words[side])) for side in data}
        self.choices = synonym_sets(data, self.vocabulary.words)
        self.table = certificates.choice_table(self.choices, self.vocabulary)

    def train(self, seed: int, *, ids=None, labels=None, loss=classifier.loss, dropout=None, epochs=None):
        cfg = self.cfg
        seed_everything(seed)
        model = classifier.CNNClassifier(
            len(self.vocabulary), embedding_size=cfg.size, channels=cfg.size, widths=tuple(cfg.widths),
            dropout=cfg.dropout if dropout is None else dropout,
        )  # fmt: skip
        classifying.train(
            model, ids or self.ids["train"], labels or self.labels["train"], loss=loss, seed=seed,
            epochs=epochs or cfg.epochs, learning_rate=cfg.learning_rate,
        )  # fmt: skip
        return model

    def with_hidden_words(self, seed: int, share: float = 0.2):
        """The reviews, and each once more with some words unknown."""
        draw = random.Random(seed)
        hidden = [[0 if draw.random() < share else i for i in ids] for ids in self.ids["train"]]
        return self.ids["train"] + hidden, self.labels["train"] * 2

    def with_even_groups(self, seed: int):
        """As many reviews, drawn so that each kind of negation comes equally often."""
        draw, groups = random.Random(seed), {}
        for i, row in enumerate(self.rows["train"]):
            groups.setdefault((row["negation"], row["label"]), []).append(i)
        each = len(self.rows["train"]) // len(groups)
        chosen = [i for group in groups.values() for i in draw.choices(group, k=each)]
        return [self.ids["train"][i] for i in chosen], [self.labels["train"][i] for i in chosen]

    def measures(self, model) -> dict[str, float]:
        """Everything in %, on the test reviews."""
        words, ids, labels = self.words["test"], self.ids["test"], self.labels["test"]
        right = classifier.logits(model, ids).argmax(1) == np.array(labels)
        negation = np.array([row["negation"] for row in self.rows["test"]])
        made = [adversarial.with_labels([ids[i] for i in group], [labels[i] for i in group])
                for group in batches.in_order_of_length(list(map(len, ids[:600])), 100)]  # fmt: skip
        pgd = partial(adversarial.pgd, epsilon=self.cfg.epsilon, steps=5)
        some = [
            attacks.greedy(self.margin(model, labels[i]), words[i], self.choices, 500).broken if right[i] else True
            for i in range(200)
        ]
        return {
            "clean": 100 * right.mean(),
            "worst slip": 100 * (right & (self.slipped(model) > 0)).mean(),
            "synonyms": 100 * attacks.rates(right[:200], some).robust,
            "certified": 100 * np.mean(certificates.certified(model, ids, labels, self.table)),
            "PGD": 100 * adversarial.accuracy_under(model, made, pgd),
            "worst group": 100 * min(right[negation == one].mean() for one in set(negation)),
        }

    def margin(self, model, label: int):
        def ask(texts):
            said = classifier.logits(model, list(map(self.vocabulary.encode, texts)))
            return said[:, label] - said[:, 1 - label]

        return ask

    def slipped(self, model) -> np.ndarray:
        """The margin of each test review at the worst word that a slip can make unknown."""
        made, whose = [], []
        for number, words in enumerate(self.words["test"]):
            for i in [i for i, word in enumerate(words) if attacks.slips(word)]:
                ids = self.ids["test"][number]
                made.append([*ids[:i], 0, *ids[i + 1 :]])
                whose.append(number)
        said, sign = classifier.logits(model, made), 2 * np.array(self.labels["test"])[whose] - 1
        worst = np.full(len(self.ids["test"]), np.inf)
        np.minimum.at(worst, whose, sign * (said[:, 1] - said[:, 0]))
        return worst


def trainings(cfg, cache: Path | None, most: int) -> None:
    """Ways of training, and what each defends against; after `most` new ones it stops, to go on another time."""
    small = Small(cfg)
    steps = cfg.epochs * len(batches.by_length(list(map(len, small.ids["train"])), 50))
    found: dict[str, list[dict[str, float]]] = {}
    for seed in cfg.seeds:
        hidden, even = small.with_hidden_words(seed), small.with_even_groups(seed)
        ways = {
            "plain": {},
            "hidden words": {"ids": hidden[0], "labels": hidden[1], "epochs": (cfg.epochs + 1) // 2},
            "FGM": {"loss": adversarial.adversarial_loss(cfg.epsilon)},
            "virtual": {"loss": adversarial.virtual_loss(cfg.epsilon)},
            "certified": {"loss": certificates.certified_loss(small.table, steps), "dropout": 0.1},
            "even groups": {"ids": even[0], "labels": even[1]},
        }
        for name, options in ways.items():
            kept = cache / f"{seed} {name}.json" if cache else None
            if kept and kept.exists():
                found.setdefault(name, []).append(json.loads(kept.read_text(encoding="utf-8")))
                continue
            if not most:
                return
            most -= 1
            measured = {k: float(v) for k, v in small.measures(small.train(seed, **options)).items()}
            found.setdefault(name, []).append(measured)
            print(seed, name, {k: round(v, 1) for k, v in measured.items()}, flush=True)
            if kept:
                cache.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(measured), encoding="utf-8")
    rows = []
    for name, several in found.items():
        row = {"training": name}
        for measure in several[0]:
            values = [one[measure] for one in several]
            row[measure] = f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
        rows.append(row)
    results.record(
        "robustness_training",
        rows,
        about="The chapter's small CNN on the generated reviews, trained in six ways. Accuracy in % on the test "
        "reviews: as they are; at the worst slip; under synonyms (greedy, 200 reviews); certified against synonyms; "
        f"under PGD of 5 steps with epsilon {cfg.epsilon} (600 reviews); of the worst kind of negation. Mean and "
        "standard deviation over three seeds.",
        command="python benchmarks/robustness.py training",
        packages=PACKAGES,
    )


def asked_elsewhere(seed: int, sst, imdb, news, examples: int) -> dict:
    """What MiniLM, trained on some sentences of SST-2, says elsewhere: probabilities and areas under the curve."""
    draw = np.random.default_rng(seed).permutation(len(sst["train"]["text"]))[:examples]
    texts, theirs = [sst["train"]["text"][i] for i in draw], [sst["train"]["label"][i] for i in draw]
    reader = Reader(texts, theirs, seed, 1e-4)
    words = words_in(sst["test"]["text"][:500])
    sets = {f"SST-2, {typos} typos": mistyped(words, typos, seed) for typos in (0, 2, 8)}
    sets["IMDB, first 128 pieces"] = [one.replace("<br />", " ") for one in imdb["text"][:200]]
    seen = {name: reader.both(some) for name, some in sets.items()}
    elsewhere = {"IMDB": seen["IMDB, first 128 pieces"], "newsgroups": reader.both(news["text"][:200])}
    distance = outliers.Mahalanobis(reader.both(texts[:600])[1], theirs[:600])
    scores = {
        "maximum probability": lambda said, vectors: outliers.max_probability(said),
        "energy": lambda said, vectors: outliers.negative_energy(said),
        "Mahalanobis": lambda said, vectors: distance(vectors),
    }
    inside = [side[:200] for side in seen["SST-2, 0 typos"]]
    return {
        "p": {name: torch.tensor(said).softmax(-1).tolist() for name, (said, _) in seen.items()},
        "areas": {
            f"{name}/{title}": outliers.auroc(one(*inside), one(*outside))
            for name, outside in elsewhere.items()
            for title, one in scores.items()
        },
    }


def real(examples: int, cache: Path | None) -> None:
    """SST-2: what changes MiniLM's mind, and what it says of texts from elsewhere."""
    sst, imdb, news = lm.load("sst2"), lm.load("imdb", "test"), lm.load("20newsgroups", "test")
    labels = {"SST-2": list(sst["test"]["label"][:500]), "IMDB": list(imdb["label"][:200])}
    accuracy, error, areas, said_by = ({} for _ in range(4))
    for seed in SEEDS:
        found = cached(cache, f"real {seed}", partial(asked_elsewhere, seed, sst, imdb, news, examples))
        for name, rows in found["p"].items():
            p, true = np.array(rows), np.array(labels[name.partition(",")[0]])
            right = p.argmax(1) == true
            said_by.setdefault(name, []).append(p)
            accuracy.setdefault(name, []).append(100 * float(right.mean()))
            error.setdefault(name, []).append(100 * metrics.expected_calibration_error(p.max(1), right, bins=10))
        for name, area in found["areas"].items():
            areas.setdefault(tuple(name.split("/")), []).append(area)
    keep(accuracy, error, areas, said_by, labels, examples)


def cached(cache: Path | None, name: str, work) -> dict:
    """What `work` finds, kept in the folder, if there is one: a program that was broken off can go on."""
    kept = cache / f"{name}.json" if cache else None
    if kept and kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    found = work()
    if kept:
        cache.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(found), encoding="utf-8")
    return found


def keep(accuracy, error, areas, said_by, labels, examples: int) -> None:
    """Write both tables; the ensemble is the mean of the three models' probabilities."""
    rows = []
    for name in accuracy:
        true, mean = np.array(labels[name.partition(",")[0]]), np.mean(said_by[name], axis=0)
        right = mean.argmax(1) == true
        rows.append(
            {
                "texts": name,
                "accuracy, %": round(statistics.mean(accuracy[name]), 1),
                "lowest to highest": band(accuracy[name]),
                "calibration error, %": round(statistics.mean(error[name]), 1),
                "its band": band(error[name]),
                "ensemble: accuracy, %": round(100 * float(right.mean()), 1),
                "ensemble: calibration error, %": round(
                    100 * metrics.expected_calibration_error(mean.max(1), right, bins=10), 1
                ),
            }
        )
    about = f"MiniLM, fine-tuned on {examples:,} sentences of SST-2 in one pass; three seeds and samples. "
    command = "LMTUTOR_SOURCE=local python benchmarks/robustness.py real"
    results.record(
        "robustness_real",
        rows,
        about=about + "Accuracy and calibration error; the ensemble is the mean of the three.",
        command=command,
        packages=PACKAGES,
        scores=[
            score("15", "SST-2 -> IMDB, 128 pieces", f"MiniLM, {examples:,} sentences, 1 pass", "accuracy, %",
                  accuracy["IMDB, first 128 pieces"]),
        ],
    )  # fmt: skip
    results.record(
        "robustness_outliers",
        [
            {"texts from": name, "score": title, "AUROC": round(statistics.mean(v), 3), "lowest to highest": band(v, 3)}
            for (name, title), v in areas.items()
        ],
        about=about + "How well each score tells 200 sentences of SST-2's test split from 200 texts from elsewhere.",
        command=command,
        packages=PACKAGES,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", default="reviews", choices=("reviews", "training", "real"))
    parser.add_argument("--count", type=int, default=40, help="reviews that are attacked word by word")
    parser.add_argument("--examples", type=int, default=1500, help="sentences of SST-2 to learn from")
    parser.add_argument("--cache", type=Path, help="folder that keeps each training's numbers (training, real)")
    parser.add_argument("--most", type=int, default=99, help="new trainings, then stop (training)")
    given = parser.parse_args()
    cfg = lm.setup("15", quiet=True)
    if given.part == "training":
        trainings(cfg, given.cache, given.most)
    else:
        reviews(given.count) if given.part == "reviews" else real(given.examples, given.cache)
