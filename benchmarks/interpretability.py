"""Explanations as in chapter 16: of a small classifier of the reviews, of SmolLM2, of MiniLM on SST-2.

With `--cache FOLDER` each seed's numbers are kept there, and a run that was broken off goes on.

python benchmarks/interpretability.py evidence    attributions against planted evidence, deletion, random weights
python benchmarks/interpretability.py attention   attention weights: agreement, shuffling, a model without them
python benchmarks/interpretability.py patching    SmolLM2: where capitals and agreement are carried
python benchmarks/interpretability.py probes      SmolLM2: the subject's number read off its layers, and taken out
python benchmarks/interpretability.py induction   attention-only models on sequences that repeat
python benchmarks/interpretability.py grokking    networks that add modulo a prime, with and without weight decay
python benchmarks/interpretability.py heads       SmolLM2: induction heads ablated, and as many others
python benchmarks/interpretability.py real        MiniLM on SST-2, held against a lexicon of opinion words
python benchmarks/interpretability.py speed       integrated gradients and Shapley values beside captum and shap
"""

import argparse
import itertools
import json
import statistics
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import band, comparison, in_turns, ratios, score
from scipy.stats import kendalltau, spearmanr
from torch.nn import functional as F
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import (
    attribution,
    evidence,
    finetuning,
    grokking,
    induction,
    patching,
    pretrained,
    probing,
    results,
    text,
    training,
)
from lmtutor.models import bert, classifier, llama, positions
from lmtutor.models.attentive import AttentiveClassifier
from lmtutor.runtime import seed_everything

SEEDS = (0, 1, 2)
PACKAGES = ("torch", "transformers", "captum", "shap")
CACHE: Path | None = None


def kept(part: str, seed: int, work) -> dict:
    """What `work()` gives, from the cache if it is there."""
    file = CACHE / f"{part}-{seed}.json" if CACHE else None
    if file and file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    found = work()
    print(part, seed, json.dumps(found), flush=True)
    if file:
        CACHE.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found), encoding="utf-8")
    return found


# --- the reviews ------------------------------------------------------------------------------------------------------


class Reviews:
    """The reviews as ids, a classifier of them, and its score."""

    def __init__(self, cfg):
        self.cfg, self.rows = cfg, lm.load("reviews")
        self.words = {
            name: [[word.lower() for word in text.words(one)] for one in split["text"]]
            for name, split in self.rows.items()
        }
        self.vocabulary = text.Vocabulary(self.words["train"], cfg.min_count)
        self.ids = {name: list(map(self.vocabulary.encode, found)) for name, found in self.words.items()}

    def encode(self, sentence: str) -> list[int]:
        return self.vocabulary.encode(word.lower() for word in text.words(sentence))

    def train(self, seed: int, chosen=None, **options) -> AttentiveClassifier:
        """As in the chapter, on all reviews or on those with these numbers."""
        seed_everything(seed)
        chosen = range(len(self.ids["train"])) if chosen is None else chosen
        sequences, labels = [self.ids["train"][i] for i in chosen], [self.rows["train"][i]["label"] for i in chosen]
        model = AttentiveClassifier(len(self.vocabulary), **options)
        training.fit(
            model,
            classifier.epochs_by_length(sequences, labels, batch_size=64, epochs=self.cfg.epochs, seed=seed),
            epochs=1,
            batch_size=1,
            shuffle=False,
            collate=classifier.collator(sequences, labels),
            loss=classifier.loss,
            optimizer=lambda p: torch.optim.AdamW(p, lr=self.cfg.learning_rate),
            scheduler=lambda o, n: torch.optim.lr_scheduler.OneCycleLR(o, self.cfg.learning_rate, total_steps=n),
            seed=seed,
            progress=False,
        )
        return model.cpu().eval()

    def accuracy(self, model) -> float:
        found = classifier.logits(model, self.ids["test"]).argmax(1)
        return 100 * float((found == np.array(self.rows["test"]["label"])).mean())

    def asked(self, model, count: int):
        """Test reviews that show an opinion plainly or negated, and that the model gets right."""
        found = classifier.logits(model, self.ids["test"]).argmax(1)
        rows = zip(self.ids["test"], self.rows["test"], found, strict=True)
        fits = [
            (ids, row)
            for ids, row, said in rows
            if said == row["label"] and row["phenomena"][0] in ("plain", "negation") and row["spans"]
        ]
        return fits[:count]

    def doubles(self, model):
        """The reviews of validation and test with two negations that cancel that the model gets right; and how many."""
        pairs = [
            (ids, row)
            for split in ("test", "validation")
            for ids, row in zip(self.ids[split], self.rows[split], strict=True)
            if row["negation"] == "double"
        ]
        found = classifier.logits(model, [ids for ids, _ in pairs]).argmax(1)
        return [pair for pair, said in zip(pairs, found, strict=True) if said == pair[1]["label"]], len(pairs)


class Explained:
    """One model of the reviews, and each method's scores for a text."""

    def __init__(self, reviews: Reviews, model):
        self.model, self.filler = model, reviews.vocabulary.unknown
        everything = model.embedding.weight.detach()
        self.mean, self.unknown = everything.mean(0), everything[self.filler]

    def vectors(self, ids) -> torch.Tensor:
        return self.model.embedding(torch.tensor([ids])).detach()

    def odds(self, vectors) -> torch.Tensor:
        logits, _ = self.model.read(vectors)
        return logits[:, 1] - logits[:, 0]

    def game(self, ids, score=None):
        score = score or (lambda rows: self.odds(self.model.embedding(rows)))
        return attribution.word_game(score, torch.tensor(ids), self.filler)

    def verdict(self, ids):
        """The game with the probability of the model's own verdict, and the verdict's sign."""
        said = int(self.odds(self.vectors(ids)) > 0)
        return self.game(ids, lambda rows: self.model(rows).softmax(-1)[:, said]), 2 * said - 1

    def weights(self, ids) -> np.ndarray:
        return self.model.read(self.vectors(ids))[1][0].detach().numpy()

    def integrated(self, ids, baseline=0.0) -> np.ndarray:
        found = attribution.integrated_gradients(self.odds, self.vectors(ids), baseline, steps=16)
        return found.sum(-1)[0].numpy()

    def gradient(self, ids) -> np.ndarray:
        return attribution.gradient_times_input(self.odds, self.vectors(ids)).sum(-1)[0].numpy()

    def occlusion(self, ids) -> np.ndarray:
        return attribution.occlusion(self.game(ids), len(ids))

    def shapley(self, ids, orders=10) -> np.ndarray:
        return attribution.shapley_sampling(self.game(ids), len(ids), orders)[0]

    def shapley_from_zero(self, ids, orders=10) -> np.ndarray:
        """The vector of a word that does not take part is 0, and not that of <unk>."""
        vectors = self.vectors(ids)

        def value(masks):
            with torch.no_grad():
                return self.odds(torch.as_tensor(masks)[:, :, None] * vectors).double().numpy()

        return attribution.shapley_sampling(value, len(ids), orders)[0]

    def methods(self):
        return {
            "random numbers": lambda ids: np.random.default_rng(ids).normal(size=len(ids)),
            "attention weights": self.weights,
            "gradient x input": self.gradient,
            "integrated gradients, from 0": self.integrated,
            "integrated gradients, from the mean vector": lambda ids: self.integrated(ids, self.mean),
            "integrated gradients, from <unk>": lambda ids: self.integrated(ids, self.unknown),
            "leave one out, <unk> instead": self.occlusion,
            "Shapley, 10 orders, <unk> instead": self.shapley,
            "Shapley, 10 orders, 0 instead": self.shapley_from_zero,
        }


def evidence_of(reviews: Reviews, seed: int) -> dict:
    """Method -> shares of evidence found and the effects of deletion, of one model; and the share by chance."""
    trained = Explained(reviews, reviews.train(seed))
    seed_everything(100 + seed)
    blank = AttentiveClassifier(len(reviews.vocabulary)).eval()
    blank.embedding.load_state_dict(trained.model.embedding.state_dict())
    random, found = Explained(reviews, blank), {}
    texts, (doubles, of) = reviews.asked(trained.model, 60), reviews.doubles(trained.model)
    for name, method in trained.methods().items():
        per = {"plain": [], "negation": [], "double": [], "deleted": [], "same": [], "blank": []}
        for ids, row in texts:
            kinds, scores = evidence.evidence(row), method(ids)
            if row["negation"] != "double":
                per[row["phenomena"][0]].append(evidence.found_share(scores, kinds))
            game, sign = trained.verdict(ids)
            per["deleted"].append(
                attribution.faithfulness(game, scores if name == "attention weights" else sign * scores)
            )
            other = random.methods()[name](ids)
            if row["negation"] != "double":
                per["blank"].append(evidence.found_share(other, kinds))
            per["same"].append(spearmanr(np.abs(scores), np.abs(other))[0])
        per["double"] = [evidence.found_share(method(ids), evidence.evidence(row)) for ids, row in doubles]
        found[name] = {kind: float(np.nanmean(many)) for kind, many in per.items() if kind != "deleted"}
        found[name]["comprehensiveness"], found[name]["sufficiency"] = np.mean(per["deleted"], axis=0).tolist()
    chance = np.mean([np.mean([kind != "" for kind in evidence.evidence(row)]) for _, row in texts])
    alone = [(ids, row) for ids, row in doubles if not any(span["negated"] for span in row["spans"])]
    return {
        "methods": found,
        "chance": float(chance),
        "doubles": len(doubles),
        "of": of,
        "alone": len(alone),
        "turned": turned(trained, alone),
    }


def turned(one: Explained, doubles) -> dict[str, float]:
    """How many verdicts on reviews with two negations that cancel are turned when words become <unk>, in %."""
    found: dict[str, list[bool]] = {}
    for number, (ids, row) in enumerate(doubles):
        place = {start: i for i, (_, start, _) in enumerate(evidence.words_of(row["text"]))}
        first, second = (place[start] for start, _ in evidence.double_negation(row["text"])[:2])
        idle = [i for i, kind in enumerate(evidence.evidence(row)) if not kind]
        pair = np.random.default_rng(number).permutation(idle)[:2].tolist()
        plans = {"the first": [first], "the second": [second], "both": [first, second]}
        plans |= {"another word": pair[:1], "two other words": pair}
        masks = np.ones((1 + len(plans), len(ids)), dtype=bool)
        for i, places in enumerate(plans.values()):
            masks[1 + i, places] = False
        odds = one.game(ids)(masks)
        for name, value in zip(plans, odds[1:], strict=True):
            found.setdefault(name, []).append((value > 0) != (odds[0] > 0))
    return {name: 100 * float(np.mean(many)) for name, many in found.items()}


def evidence_part(cfg, seeds) -> None:
    reviews = Reviews(cfg)
    each = [kept("evidence", seed, partial(evidence_of, reviews, seed)) for seed in seeds]
    if len(each) < len(SEEDS):
        return
    found = {name: [one["methods"][name] for one in each] for name in each[0]["methods"]}
    chance = np.mean([one["chance"] for one in each])
    doubles, alone = (band([one[key] for one in each], 0) for key in ("doubles", "alone"))
    of = each[0]["of"]
    rows = []
    for name, many in found.items():
        row = {"method": name}
        for key, title in (("plain", "evidence found, plain"), ("negation", "one negation"),
                           ("double", "two that cancel"), ("comprehensiveness", "comprehensiveness"),
                           ("sufficiency", "sufficiency")):  # fmt: skip
            row[title] = band([one[key] for one in many], 2)
        rows.append(row)
    about = (
        f"Three models (seeds 0 to 2) of the reviews, of each 60 test reviews that it gets right: plain opinions or "
        f"negated ones; and {doubles} of {of} reviews (test and validation) with two negations that cancel. Evidence "
        f"found: of the words with the largest absolute scores, as many as there are evidence words, the share that "
        f"is evidence (by chance {chance:.2f} in the 60). Deletion of 10, 20 and 50 % of the words of the 60. Lowest "
        f"to highest of the three models."
    )
    more = {"command": "python benchmarks/interpretability.py evidence", "packages": PACKAGES, "seeds": list(SEEDS)}
    results.record("interpretability_evidence", rows, about=about, chance=round(float(chance), 3), **more)
    rows = [
        {
            "method": name,
            "rank correlation, trained and random weights": band([one["same"] for one in many], 2),
            "evidence found by random weights": band([one["blank"] for one in many], 2),
            "by the trained model": band([(one["plain"] + one["negation"]) / 2 for one in many], 2),
        }
        for name, many in found.items()
    ]
    about = (
        "The same models and 60 texts beside models with random weights (of all but the words' vectors): rank "
        "correlation of the absolute scores, and the share of evidence that the random model's scores find (plain or "
        "with one negation). Lowest to highest."
    )
    results.record("interpretability_random", rows, about=about, **more)
    truth = {"the first": "turned", "the second": "turned"}
    rows = [
        {
            "taken out": name,
            "the truth": truth.get(name, "stays"),
            "verdicts of the model turned, %": band([one["turned"][name] for one in each], 0),
        }
        for name in each[0]["turned"]
    ]
    about = (
        f"The same models on reviews whose verdict hangs on two negations that cancel ({alone} that the model gets "
        f"right): words become <unk>. Other words are neither opinion nor negation, drawn at random. Lowest to highest."
    )
    results.record("interpretability_double", rows, about=about, **more)
    for name in ("evidence", "random", "double"):
        print(results.markdown(f"interpretability_{name}"))


def attention_of(reviews: Reviews, seed: int) -> dict[str, float]:
    """What is measured of a model with learned attention and of one with equal weights: title -> number."""
    models = {"learned": reviews.train(seed), "uniform": reviews.train(seed, uniform=True)}
    note = {f"accuracy, {name} attention, %": reviews.accuracy(model) for name, model in models.items()}
    one, draw = Explained(reviews, models["learned"]), torch.Generator().manual_seed(seed)
    scores = {"weights": [], "gradient": [], "occlusion": [], "shapley": []}
    moved, flips, largest, equal = [], [], [], []
    for ids, _ in reviews.asked(one.model, 80):
        for name, many in scores.items():
            many.append(np.abs(getattr(one, name)(ids)))
        with torch.no_grad():
            vectors = one.vectors(ids)
            logits, weights = one.model.read(vectors)
            shuffled = torch.stack([weights[0, torch.randperm(len(ids), generator=draw)] for _ in range(50)])
            others, _ = one.model.read(vectors.expand(50, -1, -1), None, shuffled)
            flat, _ = one.model.read(vectors, None, torch.full_like(weights, 1 / len(ids)))
        change = (others.softmax(-1) - logits.softmax(-1))[:, 1].abs()
        moved.append(change.median().item())
        flips.append((others.argmax(-1) != logits.argmax(-1)).float().mean().item())
        equal.append((flat.argmax(-1) != logits.argmax(-1)).float().mean().item())
        largest.append(weights.max().item())
    for a, b, title in (("weights", "gradient", "tau: attention, gradient x input"),
                        ("weights", "occlusion", "tau: attention, leave one out"),
                        ("weights", "shapley", "tau: attention, Shapley"),
                        ("occlusion", "shapley", "tau: leave one out, Shapley"),
                        ("gradient", "shapley", "tau: gradient x input, Shapley")):  # fmt: skip
        note[title] = np.nanmean([kendalltau(x, y)[0] for x, y in zip(scores[a], scores[b], strict=True)])
    note["largest weight of a text"] = np.mean(largest)
    note["change of P(good) by shuffled weights, median text"] = np.median(moved)
    note["change of P(good) by shuffled weights, 90th percentile"] = np.percentile(moved, 90)
    note["verdicts turned by shuffled weights, %"] = 100 * np.mean(flips)
    note["verdicts turned by equal weights, %"] = 100 * np.mean(equal)
    return {title: float(value) for title, value in note.items()}


def attention_part(cfg, seeds) -> None:
    reviews = Reviews(cfg)
    each = [kept("attention", seed, partial(attention_of, reviews, seed)) for seed in seeds]
    if len(each) < len(SEEDS):
        return
    rows = {title: [one[title] for one in each] for title in each[0]}
    digits = lambda title: 1 if "%" in title else 3 if "change" in title else 2  # noqa: E731
    table = [
        {
            "what": title,
            "mean": f"{np.mean(values):.{digits(title)}f}",
            "lowest to highest": band(values, digits(title)),
        }
        for title, values in rows.items()
    ]
    results.record(
        "interpretability_attention",
        table,
        about=(
            "Three classifiers of the reviews with learned attention (seeds 0 to 2), and three trained with equal "
            "weights; 80 test reviews each, weights shuffled 50 times. tau is Kendall's, between absolute scores."
        ),
        command="python benchmarks/interpretability.py attention",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )
    print(results.markdown("interpretability_attention"))


# --- SmolLM2 ----------------------------------------------------------------------------------------------------------

CAPITALS = {"France": " Paris", "Italy": " Rome", "Japan": " Tokyo", "Germany": " Berlin", "Spain": " Madrid"}
NUMBERS = [
    ("The keys to the cabinet", "The key to the cabinet"),
    ("The doors of the house", "The door of the house"),
]


class Smol:
    """The model, and the share of an answer that patching recovers."""

    def __init__(self):
        self.tokenizer = pretrained.tokenizer_of("smollm2")
        self.model = llama.load(pretrained.folder("smollm2"))

    def read(self, prompt: str) -> torch.Tensor:
        return torch.tensor([self.tokenizer(prompt)["input_ids"]])

    def one(self, word: str) -> int:
        (found,) = self.tokenizer(word)["input_ids"]
        return found

    def shares(self, clean: str, corrupted: str, answer: str, other: str, places) -> dict[str, list[float]]:
        """Denoising: kind of part -> share recovered in each layer, at the place that differs and at the last."""
        a, b = self.one(answer), self.one(other)
        stream = [f"layers.{i}" for i in range(30)]
        parts = {
            "stream, word": (stream, places[0]),
            "stream, last": (stream, -1),
            "attention, last": ([f"layers.{i}.attention" for i in range(30)], -1),
            "feed-forward, last": ([f"layers.{i}.feed_forward" for i in range(30)], -1),
        }
        sites = list(dict.fromkeys(site for sites, _ in parts.values() for site in sites))
        gap = lambda logits: (logits[0, -1, a] - logits[0, -1, b]).item()  # noqa: E731
        out, source = patching.record(self.model, sites, self.read(clean))
        ids = self.read(corrupted)
        with torch.no_grad():
            high, low = gap(out), gap(self.model(ids))
            return {
                name: [self._patched(site, source[site], place, ids, gap, high, low) for site in sites]
                for name, (sites, place) in parts.items()
            } | {"gap": [high, low]}

    def _patched(self, site, source, place, ids, gap, high, low) -> float:
        with patching.changed(self.model, {site: patching.put(source, [place])}):
            return (gap(self.model(ids)) - low) / (high - low)


def patching_part(cfg, seeds) -> None:
    smol, rows, curves = Smol(), [], {}
    facts = [(f"The capital of {a} is", f"The capital of {b} is", CAPITALS[a], CAPITALS[b], [3])
             for a, b in itertools.permutations(CAPITALS, 2)][:12:3]  # fmt: skip
    numbers = [(plural, singular, " are", " is", [1]) for plural, singular in NUMBERS]
    numbers += [(singular, plural, " is", " are", [1]) for plural, singular in NUMBERS]
    for title, prompts in (("capitals", facts), ("agreement", numbers)):
        found = [kept(title, number, partial(smol.shares, *prompt)) for number, prompt in enumerate(prompts)]
        known = [one for one in found if one["gap"][0] > 0 > one["gap"][1]]
        for part in ("stream, word", "stream, last", "attention, last", "feed-forward, last"):
            middle = np.mean([one[part] for one in known], axis=0)
            curves[f"{title}: {part}"] = [round(float(x), 3) for x in middle]
            row = {"pairs": f"{title}, {len(known)} of {len(prompts)}", "patched": part}
            if part.startswith("stream"):
                half = [sum(x > 0.5 for x in one[part]) for one in known]
                last = part == "stream, last"
                row["layer"] = (
                    f"from {band([30 - h for h in half], 0)}" if last else f"to {band([h - 1 for h in half], 0)}"
                )
                row["share"], row["lowest to highest"] = "above 0.5", ""
            else:
                layer = int(middle.argmax())
                row["layer"], row["share"] = f"{layer}", f"{middle[layer]:.2f}"
                row["lowest to highest"] = band([one[part][layer] for one in known], 2)
            rows.append(row)
            print(row, flush=True)
    results.record(
        "interpretability_patching",
        rows,
        about=(
            "SmolLM2, denoising: one activation of the clean prompt put into the corrupted one, at the place of "
            "the word that differs or at the last place; share of the difference of the two answers' logits that "
            "comes back. Pairs whose prompts both have the right answer ahead; lowest to highest over the pairs."
        ),
        command="python benchmarks/interpretability.py patching",
        packages=PACKAGES,
        curves=curves,
    )
    print(results.markdown("interpretability_patching"))


def heads_part(cfg, seeds) -> None:
    smol, found = Smol(), {}
    scored, _ = induction.repeating(4, 60, [20], range(1000, 11000), seed=0)
    weights = induction.attention_weights(smol.model, scored)
    matching, before = induction.prefix_matching(weights, 20), induction.previous_token(weights)
    ranking, earlier = ([(i // 9, i % 9) for i in one.flatten().argsort(descending=True).tolist()]
                        for one in (matching, before))  # fmt: skip
    others = [head for head in ranking[30:] if head not in earlier[:30]]
    near = [head for head in others if 17 <= head[0] <= 24]
    draw = np.random.default_rng(0)
    for seed in (1, 2, 3, 4, 5):  # other sequences than those that chose the heads
        ids, period = induction.repeating(4, 60, [20], range(1000, 11000), seed=seed)
        plans = {"none": [], "the best": ranking[:1]}
        for count in (3, 6, 12):
            plans[f"the {count} best"] = ranking[:count]
        for count in (6, 12):
            plans[f"{count} others at random"] = [others[i] for i in draw.permutation(len(others))[:count]]
        plans["12 others of layers 17 to 24"] = [near[i] for i in draw.permutation(len(near))[:12]]
        plans["the 6 best previous-token heads"] = earlier[:6]
        for name, heads in plans.items():
            with patching.changed(smol.model, induction.without_heads(heads, 64)), torch.no_grad():
                new, repeated = induction.loss_by_part(smol.model(ids), ids, period)
            found.setdefault(name, []).append((new.item(), repeated.item()))
        print(seed, {name: many[-1] for name, many in found.items()}, plans, flush=True)
    rows = [
        {
            "heads ablated": name,
            "loss, new tokens": band([new for new, _ in many], 1),
            "loss, repeated tokens": band([repeated for _, repeated in many], 2),
        }
        for name, many in found.items()
    ]
    named = ", ".join(f"{layer}.{head} ({matching[layer, head]:.2f})" for layer, head in ranking[:6])
    results.record(
        "interpretability_heads",
        rows,
        about=(
            "SmolLM2 on random tokens, three rounds of 20: mean loss in nats when heads give their mean over all "
            f"places. The heads were chosen by prefix matching on other sequences; the best, layer.head: {named}. "
            "Others are neither among the 30 best by prefix matching nor among the 30 that look most at the token "
            "before. Lowest to highest of five draws of sequences and of random heads."
        ),
        command="python benchmarks/interpretability.py heads",
        packages=PACKAGES,
    )
    print(results.markdown("interpretability_heads"))


# --- probes -----------------------------------------------------------------------------------------------------------

NOUNS = (
    "key door book car dog cat tree house boat picture table chair window letter song road river bridge flower bird "
    "teacher doctor student artist farmer worker soldier painter writer singer cup plate box bag shirt coat hat ship "
    "train clock map lamp"
)
PROBED = {"subject": [0, 6, 12, 18, 22, 24, 26, 27, 28], "last": [0, 6, 12, 18, 22, 24, 25, 26, 27, 29]}
CHANGED = {"subject": [6, 18, 24, 27], "last": [12, 22, 26, 28]}
PLACE = {"subject": 1, "last": 4}


class Probed:
    """Sentences such as "The keys near the door", and what SmolLM2 makes of the subject and of the last word."""

    def __init__(self, count: int = 480):
        self.smol, draw = Smol(), np.random.default_rng(0)
        form = lambda noun, plural: noun + ("es" if noun == "box" else "s") * plural  # noqa: E731
        self.noun, prompts = [], []
        for _ in range(count):
            subject, other = draw.choice(NOUNS.split(), 2, replace=False)
            plural, other_plural = draw.integers(2, size=2)
            self.noun.append((str(subject), int(plural)))
            word = draw.choice(["near", "behind", "beside", "by"])
            prompts.append(f"The {form(subject, plural)} {word} the {form(other, other_plural)}")
        self.plural = np.array([plural for _, plural in self.noun])
        sites = sorted({f"layers.{i}" for many in (*PROBED.values(), *CHANGED.values()) for i in many})
        self.stream: dict[str, torch.Tensor] = {}
        ids = torch.cat([self.smol.read(prompt) for prompt in prompts])  # [count, 5]
        logits = []
        for some in ids.split(60):
            with patching.changed(self.smol.model, {site: self._keep(site) for site in sites}), torch.no_grad():
                logits.append(self._verbs(self.smol.model.hidden(some)[:, -1]))
        self.says = torch.cat(logits)

    def _keep(self, site: str):
        def keep(x: torch.Tensor) -> None:
            self.stream[site] = torch.cat([self.stream[site], x]) if site in self.stream else x.clone()

        return keep

    def _verbs(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logit of "are" minus that of "is": [n, hidden] -> [n]."""
        weight = self.smol.model.head.weight
        return hidden @ (weight[self.smol.one(" are")] - weight[self.smol.one(" is")])

    def features(self, layer: int, place: str) -> np.ndarray:
        return self.stream[f"layers.{layer}"][:, PLACE[place]].double().numpy()

    def right(self, says, chosen) -> float:
        """How often the verb of the subject's number is ahead, in %."""
        return 100 * float(((says.numpy() > 0) == self.plural[chosen]).mean())

    def resumed(self, layer: int, place: str, vectors: np.ndarray, chosen) -> torch.Tensor:
        """What the model says when these vectors stand at a place of a layer: [n]."""
        model = self.smol.model
        x = self.stream[f"layers.{layer}"][chosen].clone()
        x[:, PLACE[place]] = torch.as_tensor(vectors, dtype=x.dtype)
        rotation = positions.rotation(0, x.shape[1], model.layers[0].attention.size, model.base)
        rotation = tuple(part.to(x.dtype) for part in rotation)
        with torch.no_grad():
            for later in model.layers[layer + 1 :]:
                x = later(x, rotation, None, model.window)
            return self._verbs(model.norm(x)[:, -1])


def probes_of(probed: Probed, seed: int) -> dict:
    """One cut into training and test: accuracies of probes, and the model's verbs when directions are taken out."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(probed.plural))
    train, test = order[:320], order[320:]
    kept_nouns = set(draw.permutation(NOUNS.split())[:28].tolist())
    known = np.array([noun in kept_nouns for noun, _ in probed.noun])
    control, found = probing.control_labels(probed.noun, seed), {"read": {}, "changed": {}}
    for place, layers in PROBED.items():
        for layer in layers:
            x, scores = probed.features(layer, place), []
            for labels, a, b in ((probed.plural, train, test), (control, train, test), (probed.plural, known, ~known)):
                scores.append(100 * probing.probe(x[a], labels[a]).score(x[b], labels[b]))
            found["read"][f"{place} {layer}"] = scores
    few = test[:80]
    found["model"] = probed.right(probed.says[few], few)
    for place, layers in CHANGED.items():
        for layer in layers:
            x = probed.features(layer, place)
            centre, ways = x[train].mean(0), probing.directions(x[train], probed.plural[train], 8)
            means = x[train][probed.plural[train] == 1].mean(0) - x[train][probed.plural[train] == 0].mean(0)
            plans = {"1": ways[:1], "8": ways, "means": means[None] / np.linalg.norm(means)}
            line = {}
            for name, taken in plans.items():
                new = probing.without(x, taken, centre)
                again = probing.probe(new[train], probed.plural[train])
                line[f"read again, {name}"] = 100 * again.score(new[test], probed.plural[test])
                line[f"without {name}"] = probed.right(probed.resumed(layer, place, new[few], few), few)
                moved = (x[few] - centre) @ taken.T  # [n, directions]: as far, in random directions
                random = np.linalg.qr(draw.normal(size=(x.shape[1], len(taken))))[0].T
                said = probed.resumed(layer, place, x[few] - moved @ random, few)
                line[f"random {name}"] = probed.right(said, few)
            found["changed"][f"{place} {layer}"] = line
    return found


def probes_part(cfg, seeds) -> None:
    probed = None
    for seed in seeds:
        if not (CACHE and (CACHE / f"probes-{seed}.json").exists()):
            probed = probed or Probed()
    each = [kept("probes", seed, partial(probes_of, probed, seed)) for seed in seeds]
    if len(each) < len(SEEDS):
        return
    titles = ("number, %", "drawn labels, %", "number of unseen nouns, %")
    rows, curves = [], {}
    for key in each[0]["read"]:
        place, layer = key.split()
        many = np.array([one["read"][key] for one in each])  # [seeds, 3]
        row = {"layer": f"{place} word, {layer}"}
        row |= {title: band(many[:, i]) for i, title in enumerate(titles)}
        rows.append(row | {"selectivity": band(many[:, 0] - many[:, 1])})
        for i, title in enumerate(titles):
            curves.setdefault(place, {}).setdefault(title, []).append(many[:, i].round(1).tolist())
        curves[place].setdefault("layer", []).append(int(layer))
    about = (
        'SmolLM2 on 480 sentences such as "The keys near the door": linear probes of the stream after a layer, at the '
        "subject or at the last word, for the number of the subject, and for a label drawn for each subject. Trained "
        "on 320 sentences and tested on 160, or trained on 28 nouns and tested on the 14 others. Selectivity: number "
        "minus drawn labels. Lowest to highest of three cuts and drawings."
    )
    more = {"command": "python benchmarks/interpretability.py probes", "packages": PACKAGES, "seeds": list(SEEDS)}
    results.record("interpretability_probes", rows, about=about, curves=curves, **more)
    rows = []
    for key in each[0]["changed"]:
        place, layer = key.split()
        row = {"layer": f"{place} word, {layer}"}
        for title, name in (
            ("right without one probe's direction, %", "without 1"),
            ("as far at random", "random 1"),
            ("without eight", "without 8"),
            ("as far at random, eight", "random 8"),
            ("a new probe after eight, %", "read again, 8"),
            ("without the means' difference", "without means"),
            ("as far at random, one", "random means"),
        ):
            row[title] = band([one["changed"][key][name] for one in each])
        rows.append(row)
    model = band([one["model"] for one in each])
    about = (
        "The same sentences, 80 of the test: how often the verb of the subject's number (are or is) is ahead, in %, "
        "when the directions of one or of eight probes, each trained on what the others left, or the one direction "
        "from the mean of the singular to the mean of the plural sentences, are taken out of the "
        f"stream at one place of one layer, or as long a step is made in random directions; unchanged: {model} %. And "
        "what a new probe reads afterwards, on 160 sentences. Lowest to highest of three cuts."
    )
    results.record("interpretability_erased", rows, about=about, **more)
    for name in ("probes", "erased"):
        print(results.markdown(f"interpretability_{name}"))


# --- models of attention alone ----------------------------------------------------------------------------------------


def copier(layers: int, seed: int, periods, steps: int) -> dict:
    """One training as in the chapter: the last losses and scores, and when the loss fell below half of its start."""
    seed_everything(seed)
    model = induction.AttentionOnly(40, num_layers=layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    held_out, period = induction.repeating(64, 48, periods, range(40), seed=10**6)
    curve = []
    for step in range(steps + 1):
        if step % 10 == 0:
            with torch.no_grad():
                curve.append(induction.loss_by_part(model(held_out), held_out, period)[1].item())
        batch, _ = induction.repeating(32, 48, periods, range(40), seed=10**5 * seed + step)
        loss = F.cross_entropy(model(batch)[:, :-1].transpose(1, 2), batch[:, 1:])
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 50)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = induction.attention_weights(model, induction.repeating(16, 48, [12], range(40), seed=7)[0])
    fall = next((10 * i for i, value in enumerate(curve) if value < 2), None)
    end = next((10 * i for i, value in enumerate(curve) if value < 0.5), None)
    return {"loss": curve[-1], "prefix": induction.prefix_matching(weights, 12).max().item(), "two": fall, "half": end}


def induction_part(cfg, seeds) -> None:
    rows = []
    for title, layers, periods, steps in (
        ("two layers, periods of 8 to 20", 2, range(8, 21), 300),
        ("one layer, periods of 8 to 20", 1, range(8, 21), 300),
        ("one layer, three times the steps", 1, range(8, 21), 900),
        ("one layer, always a period of 12", 1, [12], 300),
    ):
        many = [kept(f"{title}, {steps}", seed, partial(copier, layers, seed, periods, steps)) for seed in seeds]
        if len(many) < len(SEEDS):
            continue
        falls = [(one["two"], one["half"]) for one in many]
        known = all(a is not None and b is not None for a, b in falls)
        rows.append(
            {
                "model": title,
                "steps": steps,
                "loss on the repeated part": band([one["loss"] for one in many], 2),
                "prefix matching, best head": band([one["prefix"] for one in many], 2),
                "loss below 2 at step": band([a for a, _ in falls], 0) if known else "",
                "below 0.5 at step": band([b for _, b in falls], 0) if known else "",
            }
        )
    if not rows:
        return
    results.record(
        "interpretability_induction",
        rows,
        about=(
            "Models of attention alone (64 numbers a token, four heads a layer) on random sequences of 48 tokens "
            "that repeat; 40 different tokens. Loss in nats on 64 other sequences. Lowest to highest of three "
            "seeds."
        ),
        command="python benchmarks/interpretability.py induction",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )
    print(results.markdown("interpretability_induction"))


# --- sums modulo a prime ----------------------------------------------------------------------------------------------

ADDERS = {
    "decay 1": {"weight_decay": 1.0, "steps": 1500},
    "decay 0.3": {"weight_decay": 0.3, "steps": 3000},
    "no decay": {"weight_decay": 0.0, "steps": 6000},
    "no decay, float64": {"weight_decay": 0.0, "steps": 3000, "dtype": torch.float64},
    "no decay, start a tenth as large": {"weight_decay": 0.0, "steps": 2000, "start": 0.1},
}


def adder(options: dict, seed: int, prime: int = 59, strong: int = 10) -> dict:
    """One training, and what the strongest frequencies of the numbers' vectors are worth."""
    model, history = grokking.train(prime, seed=seed, **options)
    first, _ = grokking.train(prime, seed=seed, **options | {"steps": 0})
    _, unseen = grokking.pairs_of(prime, 0.5, seed)
    vectors = model.embedding.weight.detach().clone()
    order = (1 + grokking.power(vectors).argsort(descending=True)).tolist()
    plans = {"kept": (order[:strong], True), "out": (order[:strong], False)}
    plans["others out"] = (order[strong : 2 * strong], False)
    spectra = [grokking.power(one).tolist() for one in (first.embedding.weight, vectors)]
    found = {"history": history, "spectra": spectra}
    found["before"], found["after"] = (sum(sorted(one)[-strong:]) for one in spectra)
    for name, (frequencies, keep) in plans.items():
        with torch.no_grad():
            model.embedding.weight.copy_(grokking.with_frequencies(vectors, frequencies, keep))
        found[name] = grokking.accuracy(model, unseen, prime)
    return found


def when(steps: list) -> str:
    """The band of the seeds' steps, and how many of them never got there."""
    known = [step for step in steps if step is not None]
    missing = f"{len(steps) - len(known)} of {len(steps)} never"
    return band(known, 0) if len(known) == len(steps) else f"{band(known, 0)}, {missing}" if known else "never"


def grokking_part(cfg, seeds) -> None:
    torch.set_flush_denormal(True)  # without decay some numbers become so small that the processor is slow with them
    rows, opened, curves = [], [], {}
    for title, options in ADDERS.items():
        many = [kept(f"adder, {title}", seed, partial(adder, options, seed)) for seed in seeds]
        if len(many) < len(SEEDS):
            return
        histories = [one["history"] for one in many]
        curves[title] = {"step": histories[0]["step"]}
        for key in ("train", "test", "size"):
            curves[title][key] = [[round(x, 3) for x in history[key]] for history in histories]
        curves[title]["spectra"] = [[[round(x, 4) for x in half] for half in one["spectra"]] for one in many]
        reached = {
            key: [next((s for s, x in zip(one["step"], one[key], strict=True) if x >= 0.99), None) for one in histories]
            for key in ("train", "test")
        }
        rows.append(
            {
                "training": title,
                "steps": options["steps"],
                **{f"{key} 99 % right at step": when(found) for key, found in reached.items()},
                "test right at the end, %": band([100 * one["test"][-1] for one in histories]),
                "size of all parameters at the end": band([one["size"][-1] for one in histories], 0),
            }
        )
        opened.append(
            {
                "training": title,
                "power, first": band([one["before"] for one in many], 2),
                "at the end": band([one["after"] for one in many], 2),
                **{
                    what: band([100 * one[key] for one in many])
                    for what, key in (
                        ("test right, %: they alone", "kept"),
                        ("all but they", "out"),
                        ("all but ten others", "others out"),
                    )
                },
            }
        )
    about = (
        "Sums modulo 59, learned from half of all pairs (all at once, AdamW at 0.01); a and b in either order count as "
        "one pair. Three seeds, each with its own pairs; lowest to highest."
    )
    more = {"command": "python benchmarks/interpretability.py grokking", "packages": PACKAGES, "seeds": list(SEEDS)}
    results.record("interpretability_grokking", rows, about=about, curves=curves, **more)
    about = (
        "The same networks: the share of the numbers' vectors that the ten strongest of 29 frequencies hold, before "
        "and after the training; and how many test pairs are right if the vectors are made of these ten frequencies "
        "alone, of all but them, or of all but the next ten. Lowest to highest of three seeds."
    )
    results.record("interpretability_frequencies", opened, about=about, **more)
    for name in ("grokking", "frequencies"):
        print(results.markdown(f"interpretability_{name}"))


# --- real data --------------------------------------------------------------------------------------------------------


def real_part(cfg, seeds) -> None:
    """MiniLM on SST-2: do the words with the largest scores stand in a lexicon of opinion words?"""
    splits, lexicon = lm.load("sst2"), lm.load("opinion_lexicon", "train")
    opinion = set(lexicon["text"])
    folder = pretrained.folder("minilm")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sides = {
        name: (finetuning.encode(tokenizer, splits[name]["text"]), splits[name]["label"]) for name in ("train", "test")
    }
    each = [kept("real", seed, partial(_real, folder, tokenizer, sides, opinion, cfg, seed)) for seed in seeds]
    if len(each) < len(SEEDS):
        return
    found = {name: [one[name] for one in each] for name in each[0]}
    rows = [
        {
            "method": name,
            "opinion words found": band([one[0] for one in many], 2),
            "comprehensiveness": band([one[1] for one in many], 2),
            "sufficiency": band([one[2] for one in many], 2),
        }
        for name, many in found.items()
        if name != "accuracy, %"
    ]
    results.record(
        "interpretability_real",
        rows,
        about=(
            f"MiniLM fine-tuned on SST-2 ({cfg.real_steps} steps of 32; accuracy {band(found['accuracy, %'])} %), "
            "40 test sentences with words of Hu and Liu's opinion lexicon. Opinion words found: of the pieces with "
            "the largest absolute scores, as many as there are, the share that belongs to such words. Words that "
            "do not take part are [MASK]. Lowest to highest of three seeds."
        ),
        command="LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/interpretability.py real",
        packages=PACKAGES,
        seeds=list(SEEDS),
        scores=[score("16", "SST-2", "MiniLM, explained in the chapter", "accuracy, %", found["accuracy, %"])],
    )
    print(results.markdown("interpretability_real"))


def _real(folder, tokenizer, sides, opinion, cfg, seed) -> dict:
    """One fine-tuned model: its accuracy, and what each method's scores are worth."""
    seed_everything(seed)
    model = bert.BertClassifier(bert.load(folder), ["bad", "good"])
    options = {"batch_size": 32, "warm_up": 0.1, "seed": seed, "progress": False}
    finetuning.finetune(model, *sides["train"], learning_rate=1e-4, steps=cfg.real_steps, **options)
    model = model.cpu().eval()
    said = classifier.logits(model, sides["test"][0]).argmax(1)
    found = {"accuracy, %": 100 * float((said == np.array(sides["test"][1])).mean())}
    return found | _explained(model, tokenizer, sides["test"][0], opinion)


def _explained(model, tokenizer, sequences, opinion, count: int = 40) -> dict[str, list[float]]:
    """Method -> share of opinion words found, comprehensiveness, sufficiency; means over sentences."""
    noted: dict[str, list] = {}
    fitting = [ids for ids in sequences if 8 <= len(ids) <= 30 and any(_opinions(tokenizer, ids, opinion))][:count]
    for ids in fitting:
        kinds = ["opinion" if wanted else "" for wanted in _opinions(tokenizer, ids, opinion)]
        for name, (scores, deleted) in _sentence(model, torch.tensor(ids), tokenizer.mask_token_id).items():
            noted.setdefault(name, []).append((evidence.found_share(scores, kinds), *deleted))
    return {name: np.mean(many, axis=0).tolist() for name, many in noted.items()}


def _opinions(tokenizer, ids, opinion) -> list[bool]:
    """For each piece of a sentence, without its special tokens, whether its word stands in the lexicon."""
    pieces, words = tokenizer.convert_ids_to_tokens(ids)[1:-1], []
    for piece in pieces:
        words = [*words, piece] if not piece.startswith("##") else [*words[:-1], words[-1] + piece[2:]]
    number = np.cumsum([not piece.startswith("##") for piece in pieces]) - 1
    return [words[i] in opinion for i in number]


def _sentence(model, ids, mask: int) -> dict[str, tuple]:
    """Method -> scores of the pieces of one sentence, and comprehensiveness and sufficiency."""
    embedding, n = model.bert.embedding, len(ids) - 2
    inner = torch.zeros(n + 2, dtype=torch.bool)
    inner[1:-1] = True

    def odds(vectors):  # the tokens' vectors [n, time, hidden], before positions are added
        places = embedding.positions.weight[: n + 2] + embedding.segments.weight[0]
        logits = model.classifier(model.bert.pool(model.bert.encoder(embedding.norm(vectors + places))[0]))
        return logits[:, 1] - logits[:, 0]

    def framed(rows):
        return torch.cat([ids[:1].expand(len(rows), 1), rows, ids[-1:].expand(len(rows), 1)], 1)

    vectors = embedding.tokens(ids)[None].detach()
    start = torch.where(inner[:, None], embedding.tokens.weight[mask].detach(), vectors)
    verdict = int(odds(vectors).item() > 0)
    game = attribution.word_game(lambda rows: odds(embedding.tokens(framed(rows))), ids[1:-1], mask)
    sure = attribution.word_game(lambda rows: model(framed(rows)).softmax(-1)[:, verdict], ids[1:-1], mask)
    integrated = attribution.integrated_gradients(odds, vectors, start, steps=16)
    scores = {
        "random numbers": np.random.default_rng(ids.tolist()).normal(size=n),
        "gradient x input": attribution.gradient_times_input(odds, vectors, start).sum(-1)[0, 1:-1].numpy(),
        "integrated gradients": integrated.sum(-1)[0, 1:-1].numpy(),
        "leave one out": attribution.occlusion(game, n),
        "Shapley, 5 orders": attribution.shapley_sampling(game, n, 5)[0],
    }
    return {name: (found, attribution.faithfulness(sure, (2 * verdict - 1) * found)) for name, found in scores.items()}


# --- speed ------------------------------------------------------------------------------------------------------------


def speed_part(cfg, seeds) -> None:
    import captum.attr
    import shap

    reviews = Reviews(cfg)
    seed_everything(0)
    one = Explained(reviews, AttentiveClassifier(len(reviews.vocabulary)).eval())
    with torch.no_grad():
        for parameter in one.model.parameters():
            parameter.mul_(2)  # so that the scores are not all alike
    texts = [ids for ids in reviews.ids["test"] if 20 <= len(ids) <= 28][:8]
    theirs = captum.attr.IntegratedGradients(one.odds)
    layer = captum.attr.LayerIntegratedGradients(lambda ids: one.odds(one.model.embedding(ids)), one.model.embedding)
    works = {
        "ours": lambda: [attribution.integrated_gradients(one.odds, one.vectors(ids), steps=50) for ids in texts],
        "captum, IntegratedGradients": lambda: [theirs.attribute(one.vectors(ids), n_steps=50) for ids in texts],
        "captum, LayerIntegratedGradients": lambda: [
            layer.attribute(torch.tensor([ids]), torch.zeros(1, len(ids), dtype=torch.long), n_steps=50)
            for ids in texts
        ],
    }
    taken = in_turns(works, 15)
    compared = [
        comparison("16", "integrated gradients, 50 steps", name, ratios(taken["ours"], taken[name]), "times its time",
                   at_most=1.0 if "Layer" in name else 1.05)
        for name in list(works)[1:]
    ]  # fmt: skip
    rows = [
        {
            "work": f"integrated gradients, 50 steps: {name}",
            "ms a text": round(1000 * statistics.median(t) / len(texts), 1),
        }
        for name, t in taken.items()
    ]
    orders = 10
    games = [(one.game(ids), len(ids)) for ids in texts]

    def shaps(value, n, evals):
        explainer = shap.explainers.PermutationExplainer(lambda x: value(x > 0.5), np.zeros((1, n)), seed=0)
        return explainer(np.ones((1, n)), max_evals=evals, silent=True).values[0]

    works = {
        "ours": lambda: [attribution.shapley_sampling(value, n, orders) for value, n in games],
        "shap, PermutationExplainer": lambda: [shaps(value, n, orders * (2 * n + 1)) for value, n in games],
    }
    taken = in_turns(works, 9)
    exact = [attribution.shapley_sampling(value, n, 300, seed=99)[0] for value, n in games]
    errors = {
        "ours": [
            np.abs(attribution.shapley_sampling(v, n, orders)[0] - e).mean()
            for (v, n), e in zip(games, exact, strict=True)
        ],
        "shap": [np.abs(shaps(v, n, orders * (2 * n + 1)) - e).mean() for (v, n), e in zip(games, exact, strict=True)],
    }
    compared.append(
        comparison("16", f"Shapley values, {orders} orders and their reverses", "shap", ratios(*taken.values()),
                   "times its time", at_most=1.1)
    )  # fmt: skip
    compared.append(
        comparison("16", f"mean error of Shapley values, {orders} orders and their reverses", "shap",
                   [np.mean(errors["ours"]) / np.mean(errors["shap"])], "times its error")
    )  # fmt: skip
    rows += [
        {"work": f"Shapley values, {orders} orders and their reverses: {name}",
         "ms a text": round(1000 * statistics.median(t) / len(texts), 1)}
        for name, t in taken.items()
    ]  # fmt: skip
    results.record(
        "interpretability_speed",
        rows,
        about=(
            f"The chapter's classifier, {len(texts)} reviews of 20 to 28 words one after the other; "
            f"{torch.get_num_threads()} thread(s)."
        ),
        command="make bench ONLY=interpretability",
        packages=PACKAGES,
        comparisons=compared,
    )
    print(results.markdown("interpretability_speed"), compared)


PARTS = {
    "evidence": evidence_part,
    "attention": attention_part,
    "patching": patching_part,
    "probes": probes_part,
    "induction": induction_part,
    "grokking": grokking_part,
    "heads": heads_part,
    "real": real_part,
    "speed": speed_part,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    warnings.filterwarnings("ignore", message=".* are cut")
    warnings.filterwarnings("ignore", message="An input array is constant")
    parser.add_argument("--cache", type=Path, help="a folder that keeps each seed's numbers, to go on later")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS, help="these alone, for the cache")
    arguments = parser.parse_args()
    CACHE = arguments.cache
    PARTS[arguments.part](lm.setup("16"), arguments.seeds)
