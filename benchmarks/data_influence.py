"""The influence of data as in chapter 14: wrong labels, leaks, single examples.

python benchmarks/data_influence.py noise_real   wrong labels planted in SST-2: found, and taken out. Wants real data
python benchmarks/data_influence.py leaks        near-duplicates across the splits of four data sets. Wants real data
python benchmarks/data_influence.py price        what ChnSentiCorp's leak is worth, by protocol. Wants real data
python benchmarks/data_influence.py settings     the same for logistic regression with other features. Wants real data
python benchmarks/data_influence.py remedies     whether training in another way avoids the leak. Wants real data
python benchmarks/data_influence.py minilm       fine-tuned without one review, and what was foretold of it
python benchmarks/data_influence.py speed        near-duplicates among 100,000 texts, beside datasketch
"""

import argparse
import copy
import random
import statistics
import warnings

import numpy as np
import torch
from measure import band, comparison, in_turns, ratios
from scipy.sparse import vstack
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.naive_bayes import MultinomialNB
from torch.nn import functional as F
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import batches, duplicates, finetuning, influence, label_noise, pretrained, results, sentences
from lmtutor.models import bert
from lmtutor.models.attention import padding_mask
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
READ = 96  # pieces of a text that MiniLM reads


def encoder():
    folder = pretrained.folder("minilm")
    return bert.load(folder).eval(), AutoTokenizer.from_pretrained(folder)


def percent(values, digits=1) -> float:  # of numbers, or of booleans
    return round(100 * float(np.mean(values)), digits)


def spread(values, digits=1) -> str:
    return band([100 * value for value in values], digits)


# --- wrong labels -----------------------------------------------------------------------------------------------------


def noise_real(_) -> None:
    corpus = lm.load("sst2")
    model, tokenizer = encoder()
    draw = np.random.default_rng(0).permutation(len(corpus["train"]))[:2000]
    x = sentences.vectors(model, tokenizer, corpus["train"].select(draw)["text"], READ)
    x_test = sentences.vectors(model, tokenizer, corpus["test"]["text"][:1000], READ)
    truth, truth_test = np.array(corpus["train"]["label"])[draw], np.array(corpus["test"]["label"][:1000])

    def score(rows, labels):
        return LogisticRegression(C=3, max_iter=2000).fit(x[rows], labels[rows]).score(x_test, truth_test)

    rows = []
    for share in (0.05, 0.1, 0.2, 0.3):
        found = []
        for seed in SEEDS:
            labels, wrong = label_noise.plant(truth, share, seed)
            p = label_noise.out_of_fold(LogisticRegression(C=3, max_iter=2000), x, labels, seed=seed)
            suspects = label_noise.suspects(labels, p)
            found.append(
                {
                    "precision": wrong[suspects].mean(),
                    "recall": suspects[wrong].mean(),
                    "average precision": average_precision_score(wrong, -p[np.arange(len(p)), labels]),
                    "accuracy, as it is": score(~wrong | wrong, labels),
                    "suspects out": score(~suspects, labels),
                    "as many out at random": score(~np.random.default_rng(seed).permutation(suspects), labels),
                    "all errors out": score(~wrong, labels),
                }
            )
        row = {"wrong labels": f"{share:.0%}"}
        for name in found[0]:
            row[name] = f"{statistics.mean(one[name] for one in found):.3f} ({band([one[name] for one in found], 3)})"
        rows.append(row)
        print(row, flush=True)
    results.record(
        "data_noise_real",
        rows,
        about="SST-2, 2,000 training sentences of which a share got the other label at random, 1,000 test sentences; "
        "logistic regression (C = 3) on frozen MiniLM's vectors; suspects by confident learning, five folds. Mean of "
        f"{len(SEEDS)} seeds, lowest to highest.",
        command="LMTUTOR_SOURCE=local python benchmarks/data_influence.py noise_real",
        packages=("scikit-learn", "torch", "transformers"),
        seeds=list(SEEDS),
    )


# --- leaks ------------------------------------------------------------------------------------------------------------


def leaks(_) -> None:
    rows = []
    for name, size in (("chnsenticorp", 3), ("sst2", 5), ("imdb", 5), ("sms_spam", 5), ("20newsgroups", 5)):
        corpus = lm.load(name)
        train, test = corpus["train"]["text"], corpus["test"]["text"]
        best = np.zeros(len(test))
        with Stopwatch() as watch:
            for _, j, similarity in duplicates.near_duplicates(train, test, threshold=0.5, size=size):
                best[j] = max(best[j], similarity)
        known = {text.strip() for text in train}
        row = {"data": name, "train": len(train), "test": len(test)}
        row["word for word"] = sum(text.strip() in known for text in test)
        row |= {f"J at least {least}": int((best >= least).sum()) for least in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)}
        rows.append(row)
        print(row, f"{watch.seconds:.1f} s", flush=True)
    results.record(
        "data_leaks",
        rows,
        about="Test texts that stand in the training split: word for word, or with a Jaccard similarity J of their "
        "sets of 5 characters (Chinese: 3) to some training text, found by `duplicates.near_duplicates`.",
        command="LMTUTOR_SOURCE=local python benchmarks/data_influence.py leaks",
        packages=("numpy",),
    )


def row_of(kind, title, size, scores, **parted) -> dict:
    """A row of the table of prices; a band where there are several scores."""
    several = spread(scores) if len(scores) > 1 else ""
    row = {"classifier": kind, "protocol": title, "training texts": size, "all": percent(scores)}
    return row | {"lowest to highest": several, "leaked part": "", "the rest": ""} | parted


def price(_) -> None:
    corpus = lm.load("chnsenticorp")
    parts = [corpus[split] for split in ("train", "validation", "test")]
    texts = [text.strip() for part in parts for text in part["text"]]
    labels = np.concatenate([part["label"] for part in parts])
    counted = CountVectorizer(analyzer="char", ngram_range=(1, 2)).fit_transform(texts)
    near = duplicates.near_duplicates(texts, threshold=0.8, size=3)
    groups = duplicates.groups(near, len(texts))
    train, test = np.arange(len(parts[0])), np.arange(len(texts) - len(parts[2]), len(texts))
    known, tested = {texts[i] for i in train}, {texts[i] for i in test}
    leaked = np.array([texts[i] in known for i in test])
    near_leaked = np.isin(groups[test], groups[train])
    clean_train = np.array([i for i in train if texts[i] not in tested])
    no_near = train[~np.isin(groups[train], groups[test])]
    print("leaked", leaked.sum(), "near", near_leaked.sum(), "groups", len(set(groups)), len(texts), flush=True)

    def fitted(kind, rows):
        """The classifier, and a function from rows of the counts to its input; columns unseen in training are out."""
        seen = counted[rows].getnnz(axis=0) > 0
        if kind == "naive Bayes":
            model, made = MultinomialNB(), lambda some: (counted[some][:, seen] > 0).astype(float)
        else:
            weigh = TfidfTransformer(sublinear_tf=True).fit(counted[rows][:, seen])
            model = LogisticRegression(C=10, solver="liblinear")
            made = lambda some: weigh.transform(counted[some][:, seen])  # noqa: E731
        model.fit(made(rows), labels[rows])
        return lambda some: model.predict(made(some)) == labels[some]

    rows, kinds = [], ("naive Bayes", "logistic regression")
    books = np.array(["书" in texts[i] for i in test])
    about_leaked = {}
    for kind in kinds:
        for title, learned in (
            ("the published split", train),
            ("leaked texts taken out of train", clean_train),
            ("near-duplicates, too, taken out of train", no_near),
        ):
            right = fitted(kind, learned)(test)
            parted = {"leaked part": percent(right[leaked]), "the rest": percent(right[~leaked])}
            rows.append(row_of(kind, title, len(learned), [right.mean()], **parted))
            print(rows[-1], flush=True)
            if title.startswith("leaked"):
                for book in (True, False):
                    for label in (0, 1):
                        for part, name in ((leaked, "leaked"), (~leaked, "rest")):
                            some = part & (books == book) & (labels[test] == label)
                            key = f"{kind}: {name}, {'book' if book else 'other'}, {label}"
                            about_leaked[key] = [int(some.sum()), percent(right[some])]
        for title, by in (("all texts split anew, at random", None), ("all texts split anew, by group", groups)):
            scores = []
            for seed in SEEDS:
                each = np.arange(len(texts)) if by is None else by
                split = GroupShuffleSplit(1, test_size=0.1, random_state=seed)
                learn, ask = next(split.split(texts, groups=each))
                ask = ask[:1200]
                scores.append(fitted(kind, learn[:9600] if len(learn) > 9600 else learn)(ask).mean())
            rows.append(row_of(kind, title, 9600, scores))
            print(rows[-1], flush=True)
        scores = []
        for seed in SEEDS:  # one text of each group, as many of them for testing
            draw = np.random.default_rng(seed)
            order = draw.permutation(len(texts))
            once = order[np.unique(groups[order], return_index=True)[1]]
            draw.shuffle(once)
            scores.append(fitted(kind, once[1200:])(once[:1200]).mean())
        rows.append(row_of(kind, "one text of each group, split at random", len(once) - 1200, scores))
        print(rows[-1], flush=True)
    results.record(
        "data_leak_price",
        rows,
        about="ChnSentiCorp, accuracy in %: naive Bayes on which characters and pairs of characters occur, logistic "
        "regression on tf-idf of the same (C = 10). Groups: near-duplicates with a Jaccard similarity of at least 0.8 "
        f"of their sets of 3 characters. {int(leaked.sum())} of the 1,200 test texts stand in train word for word, "
        f"{int(near_leaked.sum())} in the same group as a training text. New splits: {len(SEEDS)} seeds.",
        command="LMTUTOR_SOURCE=local python benchmarks/data_influence.py price",
        packages=("scikit-learn", "numpy"),
        leaked=int(leaked.sum()),
        near_leaked=int(near_leaked.sum()),
        texts=len(texts),
        groups=len(set(groups)),
        by_kind=about_leaked,
        positive={"leaked": percent(labels[test][leaked]), "the rest": percent(labels[test][~leaked])},
    )


def chnsenticorp() -> dict:
    """Texts and labels of both parts, which test texts leak, and the training texts that the test does not have."""
    corpus = lm.load("chnsenticorp")
    train, test = ([text.strip() for text in corpus[split]["text"]] for split in ("train", "test"))
    known, tested = set(train), set(test)
    return {
        "train": train,
        "test": test,
        "labels": np.array(corpus["train"]["label"]),
        "labels_test": np.array(corpus["test"]["label"]),
        "leaked": np.array([text in known for text in test]),
        "clean": np.array([i for i, text in enumerate(train) if text not in tested]),
    }


def settings(_) -> None:
    """Logistic regression on other features: what it has with the leak, without it, and the difference."""
    data, rows = chnsenticorp(), []
    whole = np.arange(len(data["train"]))
    tried = [("occurs or not", (1, 2), 1, C, True) for C in (1, 10)]
    tried += [
        ("tf-idf", longest, least, C, False)
        for longest, least in (((1, 2), 1), ((1, 3), 1), ((1, 3), 2))
        for C in (3, 10)
    ]
    for name, lengths, least, C, binary in tried:
        found = []
        for learn in (whole, data["clean"]):
            made = TfidfVectorizer(
                analyzer="char",
                ngram_range=lengths,
                min_df=least,
                binary=binary,
                use_idf=not binary,
                norm=None if binary else "l2",
            )
            x = made.fit_transform([data["train"][i] for i in learn])
            model = LogisticRegression(C=C, solver="liblinear").fit(x, data["labels"][learn])
            found.append(model.predict(made.transform(data["test"])) == data["labels_test"])
        row = {
            "characters": f"{name}, 1 to {lengths[1]} of them" + (", at least twice" if least == 2 else ""),
            "C": C,
            "with the leak": percent(found[0], 2),
            "without": percent(found[1], 2),
            "price, points": round(100 * float(found[0].mean() - found[1].mean()), 1),
            "the rest, with the leak": percent(found[0][~data["leaked"]]),
            "the rest, without": percent(found[1][~data["leaked"]]),
        }
        rows.append(row)
        print(row, flush=True)
    results.record(
        "data_leak_settings",
        rows,
        about="ChnSentiCorp, logistic regression on pieces of one to two or three characters, accuracy in % on the "
        "published test, trained on the published training part or without the texts that the test has, too.",
        command="LMTUTOR_SOURCE=local python benchmarks/data_influence.py settings",
        packages=("scikit-learn", "numpy"),
    )


def remedies(_) -> None:
    """Ways of training that are said to help against leaks, each with the leak and without it."""
    data = chnsenticorp()
    whole, clean = np.arange(len(data["train"])), data["clean"]
    counts = CountVectorizer(analyzer="char", ngram_range=(1, 2)).fit(data["train"])
    x, x_test = counts.transform(data["train"]), counts.transform(data["test"])
    signs = sorted(set("".join(data["train"])))

    def reader(learn, features):
        """A function from counts to tf-idf, fitted to these rows; columns that they do not have are out."""
        seen = features[learn].getnnz(axis=0) > 0
        weigh = TfidfTransformer(sublinear_tf=True).fit(features[learn][:, seen])
        return lambda some: weigh.transform(some[:, seen])

    def plain(learn, seed, C=10.0, features=x):
        made = reader(learn, features)
        model = LogisticRegression(C=C, solver="liblinear").fit(made(features[learn]), data["labels"][learn])
        return lambda some: model.predict_proba(made(some))[:, 1]

    def averaged(learn, seed):
        draw = np.random.default_rng(seed)
        models = [plain(draw.choice(learn, len(learn)), seed) for _ in range(5)]
        return lambda some: np.mean([model(some) for model in models], axis=0)

    def distilled(learn, seed, read=None):
        """A student that learns the teacher's probabilities on the texts `read`, and no label."""
        read = learn if read is None else read
        p, made = plain(learn, seed)(x[read]), reader(read, x)
        both = made(vstack([x[read], x[read]]))
        student = LogisticRegression(C=10, solver="liblinear")
        student.fit(both, np.repeat([1, 0], len(p)), sample_weight=np.append(p, 1 - p))
        return lambda some: student.predict_proba(made(some))[:, 1]

    def reworded(learn, seed):
        draw = random.Random(seed)
        changed = [
            "".join(draw.choice(signs) if draw.random() < 0.3 else sign for sign in text) for text in data["train"]
        ]
        return plain(learn, seed, features=counts.transform(changed))

    ways = {
        "as before": (plain, SEEDS[:1]),
        "stronger penalty (C = 1)": (lambda learn, seed: plain(learn, seed, C=1), SEEDS[:1]),
        "five models averaged": (averaged, SEEDS),
        "3 of 10 characters exchanged": (reworded, SEEDS),
        "distilled, on the teacher's texts": (distilled, SEEDS[:1]),
        "distilled, on the texts without copies": (lambda learn, seed: distilled(learn, seed, clean), SEEDS[:1]),
    }
    rows = []
    for name, (way, seeds) in ways.items():
        found = [
            [(way(learn, seed)(x_test) > 0.5) == data["labels_test"] for learn in (whole, clean)] for seed in seeds
        ]
        found = np.array(found)  # [seeds, with the leak or without, test]
        prices = [float(one[0].mean() - one[1].mean()) for one in found]
        row = {
            "training": name,
            "with the leak": percent(found[:, 0]),
            "without": percent(found[:, 1]),
            "price, points": round(100 * statistics.mean(prices), 1),
            "lowest to highest": spread(prices) if len(prices) > 1 else "",
            "leaked part, with": percent(found[:, 0][:, data["leaked"]]),
            "leaked part, without": percent(found[:, 1][:, data["leaked"]]),
        }
        rows.append(row)
        print(row, flush=True)
    results.record(
        "data_leak_remedies",
        rows,
        about="ChnSentiCorp, logistic regression on tf-idf of characters and pairs (C = 10), accuracy in % on the "
        "published test, trained with the texts that the test has, too (9,600), and without them (9,255). A student "
        "learns its teacher's probabilities. What is random has three seeds.",
        command="LMTUTOR_SOURCE=local python benchmarks/data_influence.py remedies",
        packages=("scikit-learn", "numpy"),
        seeds=list(SEEDS),
    )


# --- influence --------------------------------------------------------------------------------------------------------

TRAIN, TEST, LEFT_OUT, EPOCHS, BATCH, RATE = 96, 40, 32, 4, 16, 3e-4


class Top(torch.nn.Module):
    """MiniLM's last layer and a linear classifier on the mean of its vectors."""

    def __init__(self, encoder):
        super().__init__()
        self.layer = copy.deepcopy(encoder.encoder.layers[-1])
        self.classifier = torch.nn.Linear(encoder.pooler.out_features, 2)

    def pooled(self, hidden, mask):  # [texts, time, hidden], [texts, time] -> [texts, hidden]
        out = self.layer(hidden, mask=padding_mask(mask))
        return sentences.mean_pool(out[0] if isinstance(out, tuple) else out, mask)

    def forward(self, hidden, mask):
        return self.classifier(self.pooled(hidden, mask))


def below(model, tokenizer, texts):
    """What the last layer reads: [texts, time, hidden], and the mask."""
    batch = batches.pad(finetuning.encode(tokenizer, texts, READ))
    whole, kept = model.encoder.layers, {}
    handle = whole[-1].register_forward_pre_hook(lambda _, given: kept.update(hidden=given[0]))
    with torch.no_grad():
        model(**batch)
    handle.remove()
    return kept["hidden"], batch["attention_mask"]


def trained(model, inputs, labels, seed, without=None, watch=None):
    """The top after training; example `without` counts 0, in the same batches. `watch` is called after each epoch."""
    seed_everything(seed)
    top = Top(model)
    counts = torch.ones(len(labels))
    if without is not None:
        counts[without] = 0
    optimizer = torch.optim.AdamW(top.parameters(), lr=RATE, weight_decay=0.01)
    generator, steps = torch.Generator().manual_seed(seed), EPOCHS * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    top.eval()  # no dropout: what remains random is the start of the classifier and the order
    for epoch in range(EPOCHS):
        for rows in torch.randperm(len(labels), generator=generator).split(BATCH):
            each = F.cross_entropy(top(inputs[0][rows], inputs[1][rows]), labels[rows], reduction="none")
            optimizer.zero_grad()
            (each * counts[rows]).sum().div(BATCH).backward()
            optimizer.step()
            schedule.step()
        if watch:
            watch(top, RATE * (1 - (epoch + 0.5) / EPOCHS))  # with the epoch's mean rate
    return top


def logits_of(top, inputs):
    with torch.no_grad():
        return top(*inputs)


def gradients_of(top, inputs, labels, whole):
    """Each text's gradient, by the classifier alone or by the last layer as well: [texts, parameters]."""
    parameters = list(top.parameters() if whole else top.classifier.parameters())
    found = []
    for i in range(len(labels)):
        loss = F.cross_entropy(top(inputs[0][i : i + 1], inputs[1][i : i + 1]), labels[i : i + 1])
        found.append(torch.cat([part.ravel() for part in torch.autograd.grad(loss, parameters)]))
    return torch.stack(found)


def of_minilm(draws):
    """Left out and measured, and foretold: for each seed a dict of [test, left out]."""
    model, tokenizer = encoder()
    corpus = lm.load("reviews")
    parts = {}
    for name, count in (("train", TRAIN), ("test", TEST)):
        plain = [row for row in corpus[name] if row["phenomena"][0] == "plain" and len(row["text"].split()) <= 22]
        plain = [plain[i] for i in np.random.default_rng(0).permutation(len(plain))[:count]]
        labels = torch.tensor([row["label"] ^ row["noisy"] for row in plain])
        parts[name] = (below(model, tokenizer, [row["text"] for row in plain]), labels)
    (inputs, labels), (asked, asked_labels) = parts["train"], parts["test"]
    left = list(range(LEFT_OUT))
    found = []
    for seed in draws:
        traced = {"TracIn, classifier": 0, "TracIn, classifier and last layer": 0}

        def watch(top, rate, traced=traced):
            for name, whole in zip(traced, (False, True), strict=True):
                ours, theirs = (gradients_of(top, *pair, whole) for pair in ((inputs, labels), (asked, asked_labels)))
                traced[name] = traced[name] + rate * (theirs @ ours.T).numpy()[:, left]

        with Stopwatch() as clock:
            top = trained(model, inputs, labels, seed, watch=watch)
            base = F.cross_entropy(logits_of(top, asked), asked_labels, reduction="none")
            truth = np.empty((len(asked_labels), len(left)))
            for column, one in enumerate(left):
                again = logits_of(trained(model, inputs, labels, seed, one), asked)
                truth[:, column] = (F.cross_entropy(again, asked_labels, reduction="none") - base).numpy()
        with torch.no_grad():
            features, features_test = (influence.with_ones(top.pooled(*pair).numpy()) for pair in (inputs, asked))
        y, y_test = labels.numpy(), asked_labels.numpy()
        weights = influence.fit(features, y, 1.0)
        foretold = influence.predicted(features, y, features_test, y_test, weights, 1.0)[:, left]
        lengths = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (features_test, features)]
        alike = np.where(y_test[:, None] == y, 1, -1) * (lengths[0] @ lengths[1].T)
        correct = float((logits_of(top, asked).argmax(1) == asked_labels).float().mean())
        found.append({"truth": truth, "influence function of the head": foretold, **traced, "cosine": alike[:, left],
                      "accuracy": correct})  # fmt: skip
        print(seed, f"{clock.seconds:.0f} s, accuracy {correct:.3f}", flush=True)
    return found


def minilm(_) -> None:
    found = of_minilm(SEEDS)
    names = [name for name in found[0] if name not in ("truth", "accuracy")]

    def rank(guess, truth):
        return float(spearmanr(guess.ravel(), truth.ravel()).statistic)

    def within(guess, truth):
        return statistics.mean(float(spearmanr(*pair).statistic) for pair in zip(guess, truth, strict=True))

    def row(name, one, each, averaged):
        return {
            "foretold by": name,
            "one training": round(statistics.mean(one), 2),
            "lowest to highest": band(one, 2),
            "within one test review": round(statistics.mean(each), 2),
            "mean of three seeds": averaged,
        }

    rows = []
    for name in names:
        one = [rank(run[name], run["truth"]) for run in found]
        each = [within(run[name], run["truth"]) for run in found]
        mean = np.mean([run["truth"] for run in found], axis=0)
        averaged = rank(np.mean([run[name] for run in found], axis=0), mean)
        rows.append(row(name, one, each, round(averaged, 2)))
    others = [(a, b) for a in range(len(found)) for b in range(len(found)) if a < b]
    one = [rank(found[a]["truth"], found[b]["truth"]) for a, b in others]
    each = [within(found[a]["truth"], found[b]["truth"]) for a, b in others]
    rows.append(row("training again with another seed", one, each, ""))
    for one in rows:
        print(one, flush=True)
    results.record(
        "data_influence_minilm",
        rows,
        about=f"MiniLM, its last layer and a linear classifier fine-tuned on {TRAIN} plain reviews ({EPOCHS} epochs of "
        f"AdamW, rate {RATE:g}, batches of {BATCH}, no dropout); {LEFT_OUT} of them left out one by one, the same seed "
        f"and batches otherwise; rank correlation of what is foretold with the change of the losses of {TEST} test "
        f"reviews. Three seeds. The influence function is that of a logistic regression (strength 1) on the fine-tuned "
        "vectors.",
        command="python benchmarks/data_influence.py minilm",
        packages=("torch", "transformers", "scipy"),
        seeds=list(SEEDS),
        accuracy=[round(100 * run["accuracy"], 1) for run in found],
        size_of_effects=[float(np.abs(run["truth"]).mean()) for run in found],
    )


# --- speed ------------------------------------------------------------------------------------------------------------


def speed(_) -> None:
    import datasketch

    draw = random.Random(0)
    words = sorted({word for text in lm.load("harbour", "train")["text"] for word in text.lower().split()})
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    texts = [" ".join(draw.choices(words, weights, k=draw.randint(10, 30))) for _ in range(95_000)]
    for _ in range(5_000):  # copies with one word changed
        copied = draw.choice(texts).split()
        copied[draw.randrange(len(copied))] = draw.choice(words)
        texts.append(" ".join(copied))
    bands, rows = duplicates.banding(0.8, 128)

    def theirs():
        index = datasketch.MinHashLSH(num_perm=bands * rows, params=(bands, rows))
        made, found = {}, set()
        sets = [duplicates.shingles(text) for text in texts]
        pieces = ([piece.encode() for piece in one] for one in sets)
        for number, one in enumerate(datasketch.MinHash.generator(pieces, num_perm=bands * rows)):
            for other in index.query(one):
                if duplicates.jaccard(sets[number], sets[other]) >= 0.8:
                    found.add((other, number))
            index.insert(number, one, check_duplication=False)
            made[number] = one
        return found

    def ours():
        return {(i, j) for i, j, _ in duplicates.near_duplicates(texts, threshold=0.8)}

    both = {"ours": set(), "datasketch": set()}
    works = {"ours": lambda: both.update(ours=ours()), "datasketch": lambda: both.update(datasketch=theirs())}
    seconds = in_turns(works, turns=3, warm_up=0)
    quotients = ratios(seconds["datasketch"], seconds["ours"])
    together = both["ours"] | both["datasketch"]
    table = [
        {
            "near-duplicates by": name,
            "seconds": round(statistics.median(seconds[name]), 1),
            "pairs": len(both[name]),
            "of all found by either, %": round(100 * len(both[name]) / len(together), 1),
        }
        for name in works
    ]
    for row in table:
        print(row, flush=True)
    results.record(
        "data_duplicates_speed",
        table,
        about=f"Near-duplicates (Jaccard similarity of at least 0.8 of the sets of 5 characters) among "
        f"{len(texts):,} texts of 10 to 30 words, 5,000 of them copies with one word changed: {bands} bands of {rows} "
        "rows; both compare their candidates exactly. Median of three turns, one process.",
        command="python benchmarks/data_influence.py speed",
        packages=("numpy", "datasketch"),
        comparisons=[
            comparison(
                "14",
                "near-duplicates among 100,000 texts",
                "datasketch, same bands",
                quotients,
                "times as fast",
                at_least=1,
            )
        ],
    )


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".* are cut")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"noise_real": noise_real, "leaks": leaks, "price": price, "settings": settings, "remedies": remedies}
    parts |= {"minilm": minilm, "speed": speed}
    parser.add_argument("part", choices=list(parts))
    parts[parser.parse_args().part](lm.setup("14"))
