"""Chapter 15 with a pretrained model: MiniLM on SST-2, attacked, and asked about texts from elsewhere.

LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... python benchmarks/robustness_minilm.py [--cache FOLDER]
"""

import argparse
import pickle
import random
import re
import statistics
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import band
from robustness_sst2 import judged, judged_together, words_in
from torch.nn import functional as F
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import batches, finetuning, pretrained, results, sentences, text
from lmtutor.models import adapters, bert, classifier, evaluating
from lmtutor.runtime import seed_everything
from lmtutor.tasks import classifying
from lmtutor.trust import attacks, outliers

SEEDS = (0, 1)
TRAINED, TESTED, ATTACKED, OUTSIDE = 1500, 400, 200, 250  # sentences
BUDGET, FIRST = 200, 50  # queries of the greedy search; words that are read of a review
CNN, HEAD, LORA, ALL = "small CNN", "MiniLM, head alone", "MiniLM, LoRA", "MiniLM, all weights"
PACKAGES = ("torch", "transformers")
# Words that say the same of a film: written by hand, one group a line.
ALIKE = """
good decent fine nice solid worthy
great excellent terrific wonderful fantastic superb outstanding splendid marvelous brilliant amazing magnificent
best finest greatest
funny amusing hilarious humorous witty comical
entertaining enjoyable engaging
beautiful gorgeous lovely stunning exquisite
moving touching affecting poignant stirring
clever smart intelligent ingenious
imaginative inventive creative original
fascinating intriguing compelling absorbing gripping riveting engrossing interesting
charming delightful appealing likable endearing lovable
powerful strong potent
remarkable impressive extraordinary astonishing exceptional
honest sincere genuine heartfelt
exciting thrilling exhilarating
sweet tender gentle warm
talented gifted
perfect flawless
enjoy appreciate savor
pleasure delight joy
charm appeal
humor wit
beautifully gorgeously wonderfully superbly brilliantly
thoughtful insightful perceptive
memorable unforgettable
success triumph
gem treasure masterpiece
lively vibrant energetic
satisfying rewarding gratifying
effective successful
elegant graceful
bad poor lousy
awful terrible horrible dreadful
boring dull tedious tiresome dreary monotonous
stupid dumb idiotic silly foolish
absurd ludicrous preposterous
predictable formulaic
stale trite tired hackneyed
slow sluggish plodding
weak feeble lame
annoying irritating grating
pointless meaningless useless
empty hollow
messy muddled confusing incoherent
ugly unpleasant nasty repulsive disgusting
pretentious pompous
shallow superficial
disappointing frustrating
mess disaster failure
unfortunately sadly
pathetic pitiful
clumsy awkward inept
offensive insulting
crude vulgar
problems flaws weaknesses
contrived forced strained
film movie picture
films movies pictures
story tale narrative
script screenplay
director filmmaker
actors performers
viewers audiences
comedy farce
kids children
very really truly extremely
often frequently
almost nearly
whole entire
though although
"""
NOT_HERE = {"funny", "comical"}  # complaints in the lexicon of opinions; of a film they are praise


def same_words(vocabulary: text.Vocabulary) -> dict[str, list[str]]:
    """For each word the others of its group that the vocabulary holds, those of the nearest pieces first."""
    folder = pretrained.folder("minilm")
    pieces = AutoTokenizer.from_pretrained(folder)
    table = F.normalize(bert.load(folder).embedding.tokens.weight.detach(), dim=1)

    def vector(word: str) -> torch.Tensor:
        return F.normalize(table[pieces(word, add_special_tokens=False)["input_ids"]].mean(0), dim=0)

    found, known = {}, set(vocabulary.words)
    for line in ALIKE.strip().splitlines():
        group = [word for word in line.split() if word in known]
        for word in group:
            others = [other for other in group if other != word]
            found.setdefault(word, []).extend(sorted(others, key=lambda w: -float(vector(word) @ vector(w))))
    lexicon = attacks.Lexicon()
    for row in lm.load("opinion_lexicon")["train"]:
        if row["text"] not in NOT_HERE:
            lexicon.polarities[row["text"]].add(2 * row["label"] - 1)
    turned = [(a, b) for a, others in found.items() for b in others if lexicon.turns_opinion(a, b)]
    assert not turned, f"the lexicon of opinions has these as contraries: {turned}"
    return {word: others for word, others in found.items() if others}


def not_negated(words: list[str], choices: dict) -> dict[str, list[str]]:
    """The choices without words that stand behind a negation: "not great" is less of a complaint than "not good"."""
    near = {
        word
        for i, word in enumerate(words)
        if any(w in {"not", "no", "never", "hardly", "t"} or w.endswith("n't") for w in words[max(0, i - 4) : i])
    }
    return {word: choices[word] for word in set(words) & set(choices) - near}


# --- the models that are attacked -------------------------------------------------------------------------------------


class Reader:
    """MiniLM with a head: what it says to texts, each a list of words, and its vectors of their first tokens."""

    def __init__(self, seed: int):
        folder = pretrained.folder("minilm")
        seed_everything(seed)
        self.model = bert.BertClassifier(bert.load(folder), ["bad", "good"])
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(self, texts) -> list[list[int]]:
        return finetuning.encode(self.tokenizer, [" ".join(words) for words in texts])

    def vectors(self, texts) -> torch.Tensor:
        sequences, found = self.encode(texts), {}
        with evaluating(self.model):
            for group in batches.in_order_of_length(list(map(len, sequences))):
                hidden = self.model.bert(**batches.pad([sequences[i] for i in group]))[:, 0]
                found.update(zip(group, hidden, strict=True))
        return torch.stack([found[i] for i in range(len(texts))])  # [texts, hidden]

    def said(self, vectors: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return self.model.eval().classifier(torch.tanh(self.model.bert.pooler(vectors))).double().numpy()

    def logits(self, texts) -> np.ndarray:
        return self.said(self.vectors(texts))

    def train(self, way: str, texts, labels, seed: int, vectors: torch.Tensor) -> None:
        """All weights or LoRA, one pass; or the head (pooler and classifier) on `vectors` of the frozen encoder."""
        if way == HEAD:
            head = [*self.model.bert.pooler.parameters(), *self.model.classifier.parameters()]
            optimizer, truth = torch.optim.AdamW(head, lr=1e-3), torch.tensor(labels)
            for _ in range(20):
                for group in torch.randperm(len(vectors)).split(32):
                    pooled = torch.tanh(self.model.bert.pooler(vectors[group]))
                    loss = F.cross_entropy(self.model.classifier(F.dropout(pooled, 0.1)), truth[group])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            return
        if way == LORA:
            adapters.add(self.model, "task", "lora", rank=8, alpha=16.0)
        finetuning.finetune(
            self.model, self.encode(texts), labels, learning_rate={ALL: 1e-4, LORA: 2e-3}[way], epochs=1,
            batch_size=16, seed=seed, progress=False,
        )  # fmt: skip


class Small:
    """The chapter's CNN with vectors of 64 numbers."""

    def __init__(self, vocabulary: text.Vocabulary, texts, labels, seed: int):
        seed_everything(seed)
        self.vocabulary = vocabulary
        self.model = classifier.CNNClassifier(
            len(vocabulary), embedding_size=64, channels=64, widths=(1, 2, 3), dropout=0.4
        )
        sequences = list(map(vocabulary.encode, texts))
        classifying.train(self.model, sequences, labels, epochs=8, learning_rate=3e-3, seed=seed)

    def logits(self, texts) -> np.ndarray:
        return classifier.logits(self.model, list(map(self.vocabulary.encode, texts)))


# --- the texts --------------------------------------------------------------------------------------------------------


def drawn(rows, count: int) -> tuple[list[list[str]], list[int]]:
    some = rows.shuffle(seed=0).select(range(count))
    return words_in(some["text"]), list(some["label"])


class Texts:
    """What the models learn from and are asked about."""

    def __init__(self):
        sst, imdb = lm.load("sst2"), lm.load("imdb", "test")
        self.train, self.labels = drawn(sst["train"], TRAINED)
        self.test, self.truth = drawn(sst["test"], TESTED)
        self.far, self.far_truth = drawn(imdb, TESTED)
        self.far = [one[:FIRST] for one in self.far]  # for all models alike
        self.vocabulary = text.Vocabulary(self.train, min_count=2)
        self.choices = same_words(self.vocabulary)
        whole = imdb.shuffle(seed=0).select(range(OUTSIDE))["text"]
        parts = [[s for s in re.split(r"(?<=[.!?])\s+", one.replace("<br />", " ")) if 5 < len(s.split()) < 40]
                 for one in whole]  # fmt: skip
        draw = random.Random(0)
        self.outside = {
            "SST-2, words shuffled": [draw.sample(one, len(one)) for one in self.test[:OUTSIDE]],
            "IMDB, one sentence": words_in(draw.choice(part or [one]) for part, one in zip(parts, whole, strict=True)),
            "IMDB, first words": self.far[:OUTSIDE],
            "short messages (SMS)": drawn(lm.load("sms_spam")["train"], OUTSIDE)[0],
        }

    def with_typos(self, count: int, seed: int) -> list[list[str]]:
        draw = random.Random(seed)
        return [attacks.with_typos(one, count, draw) for one in self.test]


# --- measuring --------------------------------------------------------------------------------------------------------


def attacked(victim, texts: Texts, seed: int) -> dict:
    """Accuracy in % as it is and under the attacks, all on the first test sentences."""
    searched = []
    for words, label in zip(texts.test[:ATTACKED], texts.truth, strict=False):

        def ask(tries, label=label):
            said = victim.logits(tries)
            return said[:, label] - said[:, 1 - label]

        searched.append((words, attacks.greedy(ask, words, not_negated(words, texts.choices), BUDGET)))
    # An unchanged text that is wrong is "broken" with one query.
    right = [one.queries > 1 or not one.broken for _, one in searched]
    rates = attacks.rates(right, [one.broken for _, one in searched])
    found, truth = {"clean": 100 * rates.clean}, np.array(texts.truth[:ATTACKED])
    for typos in (1, 2, 4):
        said = victim.logits(texts.with_typos(typos, seed)[:ATTACKED])
        found[f"{typos} typo{'s' * (typos > 1)}"] = 100 * float((said.argmax(1) == truth).mean())
    found |= {"same words": 100 * rates.robust, "success": 100 * rates.success}
    found["queries"] = float(np.mean([one.queries for (_, one), r in zip(searched, right, strict=True) if r]))
    pairs = [(words, one.words) for (words, one), r in zip(searched, right, strict=True) if r and one.broken]
    found["broken"] = [" ".join(f"[{a} -> {b}]" if a != b else a for a, b in zip(*two, strict=True)) for two in pairs]
    return found


def probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.tensor(logits).softmax(-1).numpy()


def from_outside(reader: Reader, texts: Texts, known: dict[str, torch.Tensor]) -> dict:
    """Kind of outlier -> detector -> (AUROC, share let in); the vectors of some texts are known."""
    near = outliers.Mahalanobis(reader.vectors(texts.train[:1000]).numpy(), texts.labels[:1000])

    def scores(vectors) -> dict[str, np.ndarray]:
        said = reader.said(vectors)
        return {
            "maximum probability": outliers.max_probability(said),
            "energy": outliers.negative_energy(said),
            "Mahalanobis": near(vectors.numpy()),
        }

    outside = {
        name: scores(known["IMDB"][:OUTSIDE] if name == "IMDB, first words" else reader.vectors(some))
        for name, some in texts.outside.items()
    }
    return compared(scores(known["SST-2"][:OUTSIDE]), outside)


def compared(inside, outside) -> dict:
    return {
        name: {way: (outliers.auroc(inside[way], s), outliers.let_in(inside[way], s)) for way, s in scores.items()}
        for name, scores in outside.items()
    }


def untrained(texts: Texts) -> dict:
    """Detectors that know nothing of the task: MiniLM's vectors as they come, and the number of words."""
    reader = Reader(0)

    def vectors(some):
        return sentences.vectors(reader.model.bert, reader.tokenizer, [" ".join(words) for words in some])

    near = outliers.Mahalanobis(vectors(texts.train[:1000]), texts.labels[:1000])
    usual = np.log(list(map(len, texts.train))).mean()

    def scores(some):
        lengths = np.log([max(1, len(words)) for words in some])
        return {"Mahalanobis, not fine-tuned": near(vectors(some)), "number of words": -np.abs(lengths - usual)}

    return compared(scores(texts.test[:OUTSIDE]), {name: scores(some) for name, some in texts.outside.items()})


def measured(way: str, seed: int, texts: Texts, frozen) -> dict:
    """Everything of one model; `frozen` are vectors of the encoder as it comes, from which the head learns."""
    asked, found = {"SST-2": texts.test, "IMDB": texts.far}, {}
    if way == CNN:
        victim = Small(texts.vocabulary, texts.train, texts.labels, seed)
        found["learns"] = sum(p.numel() for p in victim.model.parameters())
        found["elsewhere"] = {name: probabilities(victim.logits(some)) for name, some in asked.items()}
    else:
        victim = Reader(seed)
        victim.train(way, texts.train, texts.labels, seed, frozen["train"])
        head = [*victim.model.bert.pooler.parameters(), *victim.model.classifier.parameters()]
        learning = head if way == HEAD else [p for p in victim.model.parameters() if p.requires_grad]
        found["learns"] = sum(p.numel() for p in learning)
        if way != LORA:
            vectors = frozen if way == HEAD else {name: victim.vectors(some) for name, some in asked.items()}
            found["elsewhere"] = {name: probabilities(victim.said(vectors[name])) for name in asked}
        if way == ALL:
            found["outside"] = from_outside(victim, texts, vectors)
    found["attacked"] = attacked(victim, texts, seed)
    print(way, seed, found["learns"], {k: v for k, v in found["attacked"].items() if k != "broken"}, flush=True)
    return found


def cached(cache: Path | None, name: str, work):
    """What `work` finds, kept in the folder, if there is one: a program that was broken off can go on."""
    kept = cache / f"{name}.pickle" if cache else None
    if kept and kept.exists():
        return pickle.loads(kept.read_bytes())
    found = work()
    if kept:
        cache.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(found))
    return found


# --- tables -----------------------------------------------------------------------------------------------------------


def spread(values, digits: int = 1) -> str:
    """Mean, and lowest to highest."""
    return f"{statistics.mean(values):.{digits}f} ({band(values, digits)})"


def record(name: str, rows: list[dict], about: str) -> None:
    results.record(
        name, rows, about=about, command="LMTUTOR_SOURCE=local python benchmarks/robustness_minilm.py",
        packages=PACKAGES, seeds=list(SEEDS),
    )  # fmt: skip


def tables(found: dict[str, list[dict]], plain: dict, texts: Texts) -> None:
    trained = f"trained on {TRAINED:,} sentences of SST-2"
    rows, examples = [], []
    for way, runs in found.items():
        several = [run["attacked"] for run in runs]
        row = {"model": way, "learns": runs[0]["learns"]}
        row |= {name: spread([one[name] for one in several]) for name in several[0] if name != "broken"}
        rows.append(row)
        examples += [{"model": way, "sentence": one} for one in several[0]["broken"][:4]]
    swapped = np.mean([bool(not_negated(one, texts.choices)) for one in texts.test[:ATTACKED]])
    record(
        "robustness_minilm", rows,
        f"MiniLM and the small CNN, {trained}. Accuracy in % on {ATTACKED} test sentences: as they are; with slips in "
        f"1, 2 and 4 words; and against the greedy search of at most {BUDGET} queries that exchanges words for others "
        "that say the same. The words come from "
        f"groups written by hand, are known to the CNN, are no contraries in Hu and Liu's lexicon, and do not stand "
        f"behind a negation; {100 * swapped:.0f} % of these sentences have one. Success is the share of the right "
        "sentences that is broken; queries: mean of the right ones. Mean of two seeds, and both in brackets.",
    )  # fmt: skip
    record(
        "robustness_minilm_broken", examples,
        "The first sentences that the greedy search broke, with what it exchanged: seed 0 of each model.",
    )  # fmt: skip
    rows = []
    for way, runs in found.items():
        for name in runs[0].get("elsewhere", ()):
            truth = np.array(texts.far_truth if name == "IMDB" else texts.truth)
            several = [run["elsewhere"][name] for run in runs]
            rows.append({"model": way, "texts": name} | judged_together(several, truth))
    record(
        "robustness_elsewhere", rows,
        f"The models, {trained}, on {TESTED} of SST-2's test sentences and on the first {FIRST} words of {TESTED} test "
        "reviews of IMDB. Means of two seeds; the ensemble averages the probabilities of the two.",
    )  # fmt: skip
    rows = []
    for name in texts.outside:
        for way in (*found[ALL][0]["outside"][name], *plain[name]):
            values = [run["outside"][name][way] for run in found[ALL]] if way not in plain[name] else [plain[name][way]]
            area, share = zip(*values, strict=True)
            row = {"from outside": name, "score": way, "AUROC": round(statistics.mean(area), 2)}
            row |= {"its band": band(area, 2), "let in, %": round(100 * statistics.mean(share), 1)}
            rows.append(row | {"band": band([100 * one for one in share])})
    clean = [judged(run["elsewhere"]["SST-2"], np.array(texts.truth))[0] for run in found[ALL]]
    record(
        "robustness_outliers", rows,
        f"MiniLM, all weights {trained}: does a score tell {OUTSIDE} of SST-2's test sentences from {OUTSIDE} texts "
        "from outside? AUROC, and the share let in at a threshold that 95 % of the sentences pass; mean and lowest to "
        "highest of two seeds. The Mahalanobis distance is that of the last layer's first vector; in the next row "
        "of the mean of the vectors before fine-tuning. Words: how far their number is from the usual one. "
        f"Accuracy on the test sentences: {statistics.mean(clean):.1f} % ({band(clean)}).",
    )  # fmt: skip


def main(cache: Path | None) -> None:
    texts = Texts()

    def as_it_comes():
        reader = Reader(0)
        return {"train": reader.vectors(texts.train), "SST-2": reader.vectors(texts.test)} | {
            "IMDB": reader.vectors(texts.far)
        }

    frozen = cached(cache, "frozen", as_it_comes)
    found: dict[str, list[dict]] = {way: [] for way in (CNN, HEAD, LORA, ALL)}
    for seed in SEEDS:
        for way, runs in found.items():
            runs.append(cached(cache, f"{way} {seed}", partial(measured, way, seed, texts, frozen)))
    tables(found, cached(cache, "untrained", partial(untrained, texts)), texts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, help="folder that keeps what each model was measured at")
    main(parser.parse_args().cache)
