"""More remedies for a rare class, as in chapter 14: examples that a network makes, and a layer that two tasks share.

python benchmarks/data_rare.py made    augmentation, SMOTE, a Gaussian and a generative adversarial network
python benchmarks/data_rare.py tasks   a hidden layer learns the rare class alone, or a related task as well

Which of the generated reviews are ironical (three in a hundred)? MiniLM's vectors, section 10's splits.
`--cache FOLDER` keeps the vectors.
"""

import argparse
import functools
import random
import statistics
from pathlib import Path

import numpy as np
import torch
from imblearn.over_sampling import RandomOverSampler
from measure import band
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import pretrained, results, sentences
from lmtutor.models import bert
from lmtutor.runtime import Stopwatch, seed_everything
from lmtutor.trust import augmentation, imbalance

DRAWS = range(6)
FEW = 2000  # training reviews that the chapter uses; the further ones have labels for the related task only


@functools.cache
def encoder():
    folder = pretrained.folder("minilm")
    return bert.load(folder).eval(), AutoTokenizer.from_pretrained(folder)


def reviews(cache: Path | None) -> tuple[np.ndarray, list[dict]]:
    """Vectors and records: the chapter's 3,200 reviews first, then 2,000 further ones."""
    corpus = lm.load("reviews")
    train, test = corpus["train"].to_list(), corpus["test"].to_list()
    rows = [*train[:FEW], *test, *train[FEW:]]
    kept = cache / "reviews.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept), rows
    vectors = sentences.vectors(*encoder(), [row["text"] for row in rows])
    if kept:
        np.save(kept, vectors)
    return vectors, rows


def drawn(seed: int, count: int) -> list[np.ndarray]:
    """Numbers of the reviews to learn from, to choose with, and to judge by."""
    return np.split(np.random.default_rng(seed).permutation(count), [1200, 2000])


def judged(p_choosing, p_judging, right_choosing, right_judging) -> tuple[float, float]:
    """F1 at the threshold that is best for the choosing part, and average precision."""
    t = imbalance.best_threshold(p_choosing, right_choosing)
    return f1_score(right_judging, p_judging >= t), average_precision_score(right_judging, p_judging)


def table_of(found: dict[str, list[dict]], first: str, rival: str) -> list[dict]:
    """A row for each way: mean of each measure, and differences from the rival draw by draw."""
    table = []
    for way, runs in found.items():
        row = {first: way}
        for name in runs[0]:
            values = [run[name] for run in runs]
            row[name] = round(statistics.mean(values), 2)
            if name in ("F1", "average precision") and way != rival:
                gain = [100 * (run[name] - other[name]) for run, other in zip(runs, found[rival], strict=True)]
                row[f"{name}, points gained"] = f"{statistics.mean(gain):+.1f} ({band(gain)})"
                row[f"{name}, draws ahead"] = f"{sum(one > 0 for one in gain)} of {len(gain)}"
        table.append(row)
        print(row, flush=True)
    return table


# --- examples that are made -------------------------------------------------------------------------------------------

PARTS, NOISE, WIDTH, BATCH, STEPS, RATE, CRITIC = 64, 64, 128, 64, 1000, 1e-3, 3


def layers(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, WIDTH),
        nn.LeakyReLU(0.2),
        nn.Linear(WIDTH, WIDTH),
        nn.LeakyReLU(0.2),
        nn.Linear(WIDTH, outputs),
    )


def generator_of(x: np.ndarray, y: np.ndarray, seed: int):
    """A conditional Wasserstein GAN with a penalty on the slope (Gulrajani et al., 2017), on [examples, parts].

    Both networks are told the class, and batches hold both classes alike, so that the common class helps to learn what
    a vector looks like. The generator's weights are averaged over the last steps. Returns a function: count -> vectors
    of class 1.
    """
    seed_everything(seed)
    generate, judge = layers(NOISE + 2, x.shape[1]), layers(x.shape[1] + 2, 1)
    slow = AveragedModel(generate, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    optimizers = [torch.optim.Adam(part.parameters(), RATE, betas=(0.5, 0.9)) for part in (generate, judge)]
    schedules = [LambdaLR(one, lambda step: 1 - step / STEPS) for one in optimizers]
    x, mark = torch.tensor(x, dtype=torch.float32), torch.eye(2)
    rows = [torch.tensor(np.flatnonzero(y == c)) for c in (0, 1)]
    marks = mark[torch.arange(BATCH) % 2]  # [batch, 2]: every other one is rare

    def real():
        common, rare = (part[torch.randint(len(part), (BATCH // 2,))] for part in rows)
        return x[torch.stack([common, rare], dim=1).ravel()]

    def fake(network, marks):
        return network(torch.cat([torch.randn(len(marks), NOISE), marks], dim=1))

    for _ in range(STEPS):
        for _ in range(CRITIC):
            true, made, share = real(), fake(generate, marks).detach(), torch.rand(BATCH, 1)
            between = (share * true + (1 - share) * made).requires_grad_()
            slope = torch.autograd.grad(judge(torch.cat([between, marks], 1)).sum(), between, create_graph=True)[0]
            scores = [judge(torch.cat([part, marks], 1)).mean() for part in (made, true)]
            loss = scores[0] - scores[1] + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
        loss = -judge(torch.cat([fake(generate, marks), marks], 1)).mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        slow.update_parameters(generate)
        for one in schedules:
            one.step()

    @torch.no_grad()
    def make(count: int) -> np.ndarray:
        return fake(slow, mark[[1] * count]).numpy()

    return make


def by_network(x, y, count: int, seed: int) -> np.ndarray:
    """Rare vectors: their first principal components by the GAN, the rest from a rare example drawn at random."""
    rare, size = x[y == 1], x.std(axis=0).mean()
    pca = PCA(PARTS, random_state=0).fit(x)
    make = generator_of(pca.transform(x) / size, y, seed)
    rest = rare - pca.inverse_transform(pca.transform(rare))
    picks = np.random.default_rng(seed).integers(len(rare), size=count)
    return pca.inverse_transform(make(count) * size) + rest[picks]


def by_gaussian(rare, count: int, seed: int) -> np.ndarray:
    """A normal distribution fitted to the rare examples, its covariance shrunk as Ledoit and Wolf say (2004)."""
    fitted = LedoitWolf().fit(rare)
    draw = np.random.default_rng(seed)
    return draw.multivariate_normal(fitted.location_, fitted.covariance_, count, method="cholesky")


def versions(text: str, seed: int) -> np.ndarray:
    """Vectors of a review with 15 % of its words left out, ten times: [10, features]."""
    draw = random.Random(seed)
    return sentences.vectors(*encoder(), [augmentation.drop_words(text, 0.15, draw) for _ in range(10)])


def made(cache: Path | None) -> tuple[list[dict], str]:
    vectors, rows = reviews(cache)
    vectors = vectors[: FEW + 1200].astype(np.float64)
    ironical = np.array([row["phenomena"][0] == "irony" for row in rows[: len(vectors)]]).astype(int)
    shorter = {i: versions(rows[i]["text"], int(i)) for i in np.flatnonzero(ironical)}
    found: dict[str, list[dict]] = {}
    for seed in DRAWS:
        fitting, choosing, judging = drawn(seed, len(vectors))
        x, y = vectors[fitting], ironical[fitting]
        rare, count = x[y == 1], int((1 - 2 * y).sum())
        with Stopwatch() as watch:
            network = by_network(x, y, count, seed)
        ways = {
            "nothing": rare[:0],
            "copies": RandomOverSampler(random_state=seed).fit_resample(x, y)[0][len(x) :],
            "words left out": np.concatenate([shorter[i] for i in fitting if ironical[i]]),
            "SMOTE": imbalance.smote(x, y, seed=seed)[0][len(x) :],
            "Gaussian": by_gaussian(rare, count, seed),
            "GAN": network,
        }
        others = np.concatenate([choosing, judging])
        unseen = vectors[others][ironical[others] == 1]
        for way, more in ways.items():
            best = (-1.0,)
            mixed = more[np.random.default_rng(seed).permutation(len(more))]
            for extra in {min(100, len(more)), len(more)}:
                data = np.concatenate([x, mixed[:extra]]), np.append(y, np.ones(extra))
                for strength in (10, 100, 1000):
                    model = LogisticRegression(C=strength, max_iter=3000).fit(*data)
                    p = model.predict_proba(vectors[choosing])[:, 1]
                    score = f1_score(ironical[choosing], p >= imbalance.best_threshold(p, ironical[choosing]))
                    best = max(best, (score, strength, extra, p, model), key=lambda one: one[0])
            p = best[4].predict_proba(vectors[judging])[:, 1]
            f1, precision = judged(best[3], p, ironical[choosing], ironical[judging])
            run = {"F1": f1, "average precision": precision}
            looked = more if len(more) else rare
            run["distance of the means"] = float(np.linalg.norm(looked.mean(axis=0) - unseen.mean(axis=0)))
            run["spread"] = float(looked.var(axis=0).sum() / unseen.var(axis=0).sum())
            found.setdefault(way, []).append(run)
        print(seed, f"{watch.seconds:.0f} s", {way: runs[-1] for way, runs in found.items()}, flush=True)
    return table_of(found, "rare examples made by", "nothing"), (
        "Which of 3,200 reviews are ironical (3 %)? MiniLM's vectors, logistic regression; 1,200 to learn from, 800 to "
        "choose strength, threshold and number of examples made (100, or until both classes are equal; of words left "
        f"out, ten of each review) by F1, 1,200 to judge; {len(DRAWS)} splits, the same for all; in brackets lowest to "
        "highest. The last columns compare what was made (in the first row: the rare examples themselves) with rare "
        "reviews that were not seen: distance of the means, and the quotient of the summed variances. GAN: "
        f"conditional, Wasserstein, a penalty on the slope, {STEPS:,} steps, on {PARTS} principal components, the rest "
        "of a vector from a rare example drawn at random."
    )


# --- a layer that two tasks share -------------------------------------------------------------------------------------

HIDDEN, TASK_STEPS, EVERY, EACH, TASK_DRAWS = 64, 300, 20, 128, range(5)


def trained(x, rare, parts, related, *, dropout: float, seed: int, first: bool = False):
    """Probabilities of the rare class on the choosing and judging parts, at the step that is best on the former.

    Args:
        x: vectors, [reviews, features]; rare: 0 or 1 of the first reviews.
        parts: numbers of the reviews to learn from, to choose with, to judge by.
        related: numbers of the reviews with a label for the other task, and these labels; or None.
        dropout: between the layer and the outputs.
        first: the related task alone for as many steps, then the rare one alone; otherwise both in each step.
    """
    seed_everything(seed)
    fitting, choosing, judging = (torch.tensor(part) for part in parts)
    layer, head = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(dropout)), nn.Linear(HIDDEN, 1)
    network = nn.ModuleList([layer, head])
    if related is not None:
        network.append(nn.Linear(HIDDEN, int(related[1].max()) + 1))
    optimizer, best = torch.optim.Adam(network.parameters(), 2e-3), (-1.0,)
    for step in range(TASK_STEPS * (2 if first else 1)):
        before, loss = first and step < TASK_STEPS, 0.0
        if not before:
            some = fitting[torch.randint(len(fitting), (EACH,))]
            loss = F.binary_cross_entropy_with_logits(head(layer(x[some])).squeeze(1), rare[some].float())
        if related is not None and (before or not first):
            some = torch.randint(len(related[0]), (EACH,))
            loss = loss + F.cross_entropy(network[2](layer(x[related[0][some]])), related[1][some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not before and (step + 1) % EVERY == 0:
            network.eval()
            with torch.no_grad():
                p = [head(layer(x[part])).squeeze(1).sigmoid().numpy() for part in (choosing, judging)]
            network.train()
            best = max(best, (average_precision_score(rare[choosing], p[0]), *p), key=lambda one: one[0])
    return best


def tasks(cache: Path | None) -> tuple[list[dict], str]:
    vectors, rows = reviews(cache)
    count = FEW + 1200
    x = torch.tensor((vectors - vectors.mean(axis=0)) / vectors.std(axis=0).mean())
    written = np.array([row["phenomena"][0] for row in rows])
    rare = torch.tensor(written[:count] == "irony").long()
    labels = {
        "topic, eight classes": np.array([row["domain"] for row in rows]),
        "praise or complaint": np.array([row["label"] for row in rows]),
        "construction, eight classes": written,
    }
    found: dict[str, list[dict]] = {}
    for seed in TASK_DRAWS:
        parts = drawn(seed, count)
        known = np.concatenate([parts[0], np.arange(count, len(rows))])  # those to learn from, and 2,000 further ones
        ways = {"the rare class alone": (None, False)}
        for task, given in labels.items():
            some = known[given[known] != "irony"] if task.startswith("construction") else known
            numbers = torch.tensor(np.unique(given[some], return_inverse=True)[1])
            ways[f"and {task}"] = ((torch.tensor(some), numbers), False)
            if task.startswith("construction"):
                ways[f"first {task}"] = ((torch.tensor(some), numbers), True)
                mixed = numbers[torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))]
                ways["and construction, labels shuffled"] = ((torch.tensor(some), mixed), False)
        right = [rare.numpy()[part] for part in parts]
        for way, (related, first) in ways.items():
            runs = [trained(x, rare, parts, related, dropout=d, seed=seed, first=first) for d in (0.0, 0.3)]
            best = max(runs, key=lambda one: one[0])
            f1, precision = judged(best[1], best[2], right[1], right[2])
            found.setdefault(way, []).append({"F1": f1, "average precision": precision})
        print(seed, {way: round(runs[-1]["average precision"], 2) for way, runs in found.items()}, flush=True)
    return table_of(found, "the layer learns", "the rare class alone"), (
        f"Which reviews are ironical (3 %)? A hidden layer of {HIDDEN} on MiniLM's vectors; the rare class has 1,200 "
        "labelled reviews, the related task these and 2,000 more. Both losses are added in each step; `first`: the "
        "related task alone, then the rare class alone. Dropout (0 or 0.3), the step at which training ends (both by "
        "average precision) and the threshold are chosen on 800 reviews, 1,200 judge; "
        f"{len(TASK_DRAWS)} splits, the same for all; in brackets lowest to highest. Construction: what a review was "
        "written to show, without the ironical ones."
    )


PARTS_OF_IT = {"made": made, "tasks": tasks}


def main(part: str, cache: Path | None) -> None:
    lm.setup("14")
    with Stopwatch() as watch:
        rows, about = PARTS_OF_IT[part](cache)
    results.record(
        f"data_rare_{part}",
        rows,
        about=about,
        command=f"python benchmarks/data_rare.py {part}",
        packages=("torch", "scikit-learn", "imbalanced-learn", "transformers"),
        seeds=list(DRAWS if part == "made" else TASK_DRAWS),
        seconds=round(watch.seconds),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS_OF_IT))
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    main(arguments.part, arguments.cache)
