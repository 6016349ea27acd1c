"""Explanations as in chapter 16: of a small classifier of the reviews, of SmolLM2, of MiniLM on SST-2.

With `--cache FOLDER` each seed's numbers are kept there, and a run that was broken off goes on.

python benchmarks/interpretability.py evidence    attributions against planted evidence, deletion, random weights
python benchmarks/interpretability.py attention   attention weights: agreement, shuffling, a model without them
python benchmarks/interpretability.py patching    SmolLM2: where capitals and agreement are carried
python benchmarks/interpretability.py induction   attention-only models on sequences that repeat
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
from lmtutor import attribution, evidence, finetuning, induction, patching, pretrained, results, text, training
from lmtutor.models import bert, classifier, llama
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
    texts = reviews.asked(trained.model, 60)
    for name, method in trained.methods().items():
        per = {"plain": [], "negation": [], "deleted": [], "same": [], "blank": []}
        for ids, row in texts:
            kinds, scores = evidence.evidence(row), method(ids)
            per[row["phenomena"][0]].append(evidence.found_share(scores, kinds))
            game, sign = trained.verdict(ids)
            per["deleted"].append(
                attribution.faithfulness(game, scores if name == "attention weights" else sign * scores)
            )
            other = random.methods()[name](ids)
            per["blank"].append(evidence.found_share(other, kinds))
            per["same"].append(spearmanr(np.abs(scores), np.abs(other))[0])
        found[name] = {kind: float(np.nanmean(per[kind])) for kind in ("plain", "negation", "same", "blank")}
        found[name]["comprehensiveness"], found[name]["sufficiency"] = np.mean(per["deleted"], axis=0).tolist()
    chance = np.mean([np.mean([kind != "" for kind in evidence.evidence(row)]) for _, row in texts])
    return {"methods": found, "chance": float(chance)}


def evidence_part(cfg, seeds) -> None:
    reviews = Reviews(cfg)
    each = [kept("evidence", seed, partial(evidence_of, reviews, seed)) for seed in seeds]
    if len(each) < len(SEEDS):
        return
    found = {name: [one["methods"][name] for one in each] for name in each[0]["methods"]}
    chance = np.mean([one["chance"] for one in each])
    rows = []
    for name, many in found.items():
        row = {"method": name}
        for key, title in (("plain", "evidence found, plain"), ("negation", "evidence found, negation"),
                           ("comprehensiveness", "comprehensiveness"), ("sufficiency", "sufficiency")):  # fmt: skip
            row[title] = band([one[key] for one in many], 2)
        rows.append(row)
    about = (
        f"Three models (seeds 0 to 2) of the reviews, of each 60 test reviews that it gets right: plain opinions or "
        f"negated ones. Evidence found: of the words with the largest absolute scores, as many as there are evidence "
        f"words, the share that is evidence (by chance {chance:.2f}). Deletion of 10, 20 and 50 % of the words. "
        f"Lowest to highest of the three models."
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
        "The same models and texts beside models with random weights (of all but the words' vectors): rank correlation "
        "of the absolute scores, and the share of evidence that the random model's scores find. Lowest to highest."
    )
    results.record("interpretability_random", rows, about=about, **more)
    for name in ("evidence", "random"):
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
    "induction": induction_part,
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
