"""n-grams on WikiText-2: speed and memory beside nltk.lm and KenLM, and perplexities of every order.

    LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... make bench ONLY=ngram

writes ngram_speed.json, ngram_scaling.json and ngram_wikitext2.json into benchmarks/results. Each measurement runs in
a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from statistics import median

import numpy as np

import lmtutor as lm
from lmtutor import data, metrics, results, runtime, text
from lmtutor.models import ngram
from lmtutor.runtime import Stopwatch

COMMAND = "LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... make bench ONLY=ngram"
ORDER, DISCOUNT = 5, 0.1
NLTK_SCORED = 40  # tokens: nltk needs a good part of a second for each
REPETITIONS = 5
PACKAGES = ("numpy", "nltk", "kenlm")


def sentences(split: str, limit: int | None = None) -> list[list[str]]:
    """The first sentences of a split of WikiText-2, up to about `limit` tokens."""
    found = text.sentences(data.load("wikitext2", split)["text"], "whitespace")
    if limit is None:
        return found
    total = np.cumsum([len(s) + 1 for s in found])
    return found[: int(np.searchsorted(total, limit)) + 1]


def alone(function, *arguments):
    """Run a measurement in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def full_contexts(test: list[list[str]]) -> list[tuple[int, str, tuple]]:
    """(place among all predicted tokens, word, history) of the tokens whose history has full length."""
    places, i = [], 0
    for s in test:
        padded = ["<s>", *s, "</s>"]
        for j in range(1, len(padded)):
            if j >= ORDER - 1:
                places.append((i, padded[j], tuple(padded[j - ORDER + 1 : j])))
            i += 1
    return places


def measure_nltk(limit: int | None) -> dict:
    """Counting with nltk.lm, then a few probabilities; also returned, to compare them."""
    from nltk.lm import KneserNeyInterpolated, Vocabulary
    from nltk.lm.counter import NgramCounter
    from nltk.util import everygrams

    train = sentences("train", limit)
    with Stopwatch() as fit:
        words = Vocabulary([w for s in train for w in [*s, "</s>"]], unk_label="<unk>")
        counter = NgramCounter(list(everygrams(["<s>", *s, "</s>"], max_len=ORDER)) for s in train)
        model = KneserNeyInterpolated(ORDER, discount=DISCOUNT, vocabulary=words, counter=counter)
    # Tokens of the training text: in the test text most histories are unseen, where nltk's answer is quick and trivial.
    places = full_contexts(train)[:: max(1, len(full_contexts(train)) // NLTK_SCORED)][:NLTK_SCORED]
    with Stopwatch() as score:
        p = [model.unmasked_score(word, history) for _, word, history in places]
    tokens = sum(len(s) + 1 for s in train)
    return {
        "tokens": tokens,
        "fit": fit.seconds,
        "score": score.seconds / len(p),
        "memory": runtime.peak_memory(),
        "p": p,
        "places": [i for i, _, _ in places],
    }


def measure_ours(limit: int | None, discount: float | str = DISCOUNT) -> dict:
    """Counting with lmtutor, then all probabilities of the test text. Medians over repetitions."""
    train, test = sentences("train", limit), sentences("test")
    fits, scores = [], []
    for _ in range(REPETITIONS):
        with Stopwatch() as fit:
            model = ngram.KneserNey(ngram.NgramCounts(train, ORDER), discount)
        with Stopwatch() as score:
            p = model.probabilities(test)
        fits.append(fit.seconds)
        scores.append(score.seconds / len(p))
    tokens = sum(len(s) + 1 for s in train)
    memory = runtime.peak_memory()
    return {
        "tokens": tokens,
        "fit": median(fits),
        "score": median(scores),
        "memory": memory,
        "p": model.probabilities(train),
    }


def measure_kenlm() -> dict:
    """KenLM reading our ARPA file of the modified model: its scoring time, and the largest difference in log10 P."""
    import kenlm

    train, test = sentences("train"), sentences("test")
    model = ngram.KneserNey(ngram.NgramCounts(train, ORDER))
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    with tempfile.TemporaryDirectory() as folder:
        loaded = kenlm.Model(str(ngram.write_arpa(model, f"{folder}/model.arpa")), config)
    lines = [" ".join(s) for s in test]
    ours, theirs = [], []
    for _ in range(REPETITIONS):
        with Stopwatch() as watch:
            total = sum(loaded.score(line) for line in lines)
        theirs.append(watch.seconds)
        with Stopwatch() as watch:
            p = model.probabilities(test)
        ours.append(watch.seconds)
    scores = [score for line in lines for score, _, _ in loaded.full_scores(line)]
    assert np.isclose(total, np.log10(p).sum())
    return {
        "ours": median(ours) / len(p),
        "score": median(theirs) / len(p),
        "difference": float(np.abs(np.log10(p) - scores).max()),
    }


def speed(limit: int | None) -> None:
    """The table beside nltk.lm and KenLM."""
    nltk, ours, kenlm = alone(measure_nltk, limit), alone(measure_ours, limit), alone(measure_kenlm)
    difference = float(np.abs(ours["p"][nltk["places"]] - nltk["p"]).max())
    assert difference < 1e-9, difference

    def row(name: str, fit: float | None, score: float, memory: int | None) -> dict:
        return {
            "program": name,
            "estimating, tokens/s": round(nltk["tokens"] / fit) if fit else None,
            "scoring, tokens/s": round(1 / score, 1) if score > 1e-3 else round(1 / score),
            "peak memory, MB": round(memory / 1e6) if memory else None,
        }

    results.record(
        "ngram_speed",
        [
            row("nltk.lm", nltk["fit"], nltk["score"], nltk["memory"]),
            row("lmtutor", ours["fit"], ours["score"], ours["memory"]),
            row("KenLM (reading our ARPA file)", None, kenlm["score"], None),
        ],
        about=f"Interpolated Kneser-Ney {ORDER}-grams on the first {nltk['tokens']:,} tokens of WikiText-2's training "
        f"text; one run of nltk.lm ({NLTK_SCORED} probabilities scored), medians of {REPETITIONS} of the others.",
        command=COMMAND,
        packages=PACKAGES,
        estimating_ratio=round(nltk["fit"] / ours["fit"], 1),
        scoring_ratio=round(nltk["score"] / ours["score"]),
        kenlm_ratio=round(kenlm["ours"] / kenlm["score"], 2),
        difference_to_nltk=difference,
        difference_to_kenlm_log10=kenlm["difference"],
    )


def scaling() -> None:
    """How time and memory grow with the text: three sizes."""
    rows = []
    for limit in (500_000, 1_000_000, None):
        found = alone(measure_ours, limit, "modified")
        rows.append(
            {
                "training tokens": found["tokens"],
                "estimating, s": round(found["fit"], 2),
                "scoring the test text, s": round(found["score"] * 245_569, 2),
                "peak memory, MB": round(found["memory"] / 1e6),
            }
        )
    results.record(
        "ngram_scaling",
        rows,
        about=f"A modified Kneser-Ney {ORDER}-gram on growing parts of WikiText-2; medians of {REPETITIONS}.",
        command=COMMAND,
        packages=PACKAGES,
    )


def quality() -> None:
    """Perplexities of all orders on the validation and test texts."""
    train, validation, test = (sentences(split) for split in ("train", "validation", "test"))
    with Stopwatch() as watch:
        counts = ngram.NgramCounts(train, ORDER)
        rows = []
        for n in range(1, ORDER + 1):
            row = {"n": n}
            for name, make in {
                "absolute discounting": lambda n: ngram.AbsoluteDiscounting(counts, 0.75, n),
                "Kneser-Ney": lambda n: ngram.KneserNey(counts, 0.75, n),
                "modified Kneser-Ney": lambda n: ngram.KneserNey(counts, "modified", n),
            }.items():
                row[f"{name}, test"] = round(metrics.perplexity(make(n).probabilities(test)), 1)
            row["modified Kneser-Ney, validation"] = round(
                metrics.perplexity(ngram.KneserNey(counts, "modified", n).probabilities(validation)), 1
            )
            rows.append(row)
    results.record(
        "ngram_wikitext2",
        rows,
        about="Perplexity on WikiText-2, trained on its 2,088,628 tokens, one </s> for each line.",
        command=COMMAND,
        packages=PACKAGES,
        seconds=round(watch.seconds, 1),
    )


if __name__ == "__main__":
    lm.setup()
    quality()
    scaling()
    speed(limit=None)
    for name in ("ngram_wikitext2", "ngram_scaling", "ngram_speed"):
        print(f"\n{results.markdown(name)}")
