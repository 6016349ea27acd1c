"""n-grams on WikiText-2, with LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=...

python benchmarks/ngram.py speed   time and memory beside nltk.lm and KenLM, and how they grow with the text
python benchmarks/ngram.py real    perplexities of every order

Each measurement runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from statistics import median

import numpy as np
from measure import comparison, in_turns, ratios, score

import lmtutor as lm
from lmtutor import data, metrics, results, runtime, text
from lmtutor.models import ngram
from lmtutor.runtime import Stopwatch

COMMAND = "LMTUTOR_SOURCE=local LMTUTOR_DATA_DIR=... make {} ONLY=ngram"
ORDER, DISCOUNT = 5, 0.1
NLTK_SCORED = 10  # tokens: nltk needs a good part of a second for each
TURNS, KENLM_TURNS, REPETITIONS = 3, 15, 5
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


def measure_nltk(limit: int | None, turn: int) -> dict:
    """Counting with nltk.lm, then a few probabilities, in each turn others; also returned, to compare them."""
    from nltk.lm import KneserNeyInterpolated, Vocabulary
    from nltk.lm.counter import NgramCounter
    from nltk.util import everygrams

    train = sentences("train", limit)
    with Stopwatch() as fit:
        words = Vocabulary([w for s in train for w in [*s, "</s>"]], unk_label="<unk>")
        counter = NgramCounter(list(everygrams(["<s>", *s, "</s>"], max_len=ORDER)) for s in train)
        model = KneserNeyInterpolated(ORDER, discount=DISCOUNT, vocabulary=words, counter=counter)
    # Tokens of the training text: in the test text most histories are unseen, where nltk's answer is quick and trivial.
    places = full_contexts(train)
    places = places[turn * 1000 :: max(1, len(places) // NLTK_SCORED)][:NLTK_SCORED]
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


def measure_ours(limit: int | None, discount: float | str, turns: int) -> dict:
    """Counting with lmtutor, then all probabilities of the test text. Medians of the turns."""
    train, test = sentences("train", limit), sentences("test")
    models: list[ngram.KneserNey] = []  # the last one

    def fit():
        models[:] = [ngram.KneserNey(ngram.NgramCounts(train, ORDER), discount)]

    taken = in_turns({"fit": fit, "score": lambda: models[0].probabilities(test)}, turns)
    return {
        "tokens": sum(len(s) + 1 for s in train),
        "fit": median(taken["fit"]),
        "score": median(taken["score"]) / sum(len(s) + 1 for s in test),
        "memory": runtime.peak_memory(),
        "p": models[0].probabilities(train),
    }


def measure_kenlm() -> dict:
    """KenLM reading our ARPA file of the modified model: scoring times, and the largest difference in log10 P."""
    import kenlm

    train, test = sentences("train"), sentences("test")
    model = ngram.KneserNey(ngram.NgramCounts(train, ORDER))
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        loaded = kenlm.Model(str(ngram.write_arpa(model, f"{folder}/model.arpa")), config)
    lines = [" ".join(s) for s in test]
    works = {"ours": lambda: model.probabilities(test), "KenLM": lambda: sum(loaded.score(line) for line in lines)}
    taken = in_turns(works, KENLM_TURNS)
    p = model.probabilities(test)
    scores = [score for line in lines for score, _, _ in loaded.full_scores(line)]
    return {
        "ours": taken["ours"],
        "KenLM": taken["KenLM"],
        "score": median(taken["KenLM"]) / len(p),
        "difference": float(np.abs(np.log10(p) - scores).max()),
    }


def speed(limit: int | None = None) -> None:
    """The table beside nltk.lm and KenLM."""
    nltk, ours = [], []
    for turn in range(TURNS):
        nltk.append(alone(measure_nltk, limit, turn))
        ours.append(alone(measure_ours, limit, DISCOUNT, REPETITIONS))
        print({name: round(nltk[-1][name] / ours[-1][name], 1) for name in ("fit", "score", "memory")}, flush=True)
    kenlm = alone(measure_kenlm)
    difference = max(float(np.abs(b["p"][a["places"]] - a["p"]).max()) for a, b in zip(nltk, ours, strict=True))
    assert difference < 1e-9, difference
    tokens = nltk[0]["tokens"]

    def row(name: str, found: list[dict]) -> dict:
        fit, score, memory = (median(one[part] for one in found) for part in ("fit", "score", "memory"))
        return {
            "program": name,
            "estimating, tokens/s": round(tokens / fit),
            "scoring, tokens/s": round(1 / score, 1) if score > 1e-3 else round(1 / score),
            "peak memory, MB": round(memory / 1e6),
        }

    times = {part: ratios([a[part] for a in nltk], [b[part] for b in ours]) for part in ("fit", "score")}
    slower = ratios(kenlm["ours"], kenlm["KenLM"])
    megabytes = [b["memory"] / 1e6 for b in ours]
    results.record(
        "ngram_speed",
        [
            row("nltk.lm", nltk),
            row("lmtutor", ours),
            {
                "program": "KenLM (reading our ARPA file)",
                "estimating, tokens/s": None,
                "scoring, tokens/s": round(1 / kenlm["score"]),
                "peak memory, MB": None,
            },
        ],
        about=f"Interpolated Kneser-Ney {ORDER}-grams on the first {tokens:,} tokens of WikiText-2's training text; "
        f"medians of {TURNS} turns, and of {KENLM_TURNS} for KenLM. In each nltk.lm estimates once and scores "
        f"{NLTK_SCORED} tokens; ours does all of it {REPETITIONS} times after a warm-up (the first time, before the "
        "memory is at hand, takes up to twice as long), and the median counts.",
        command=COMMAND.format("bench"),
        packages=PACKAGES,
        estimating_ratio=round(median(times["fit"]), 1),
        scoring_ratio=round(median(times["score"])),
        kenlm_ratio=round(median(slower), 2),
        difference_to_nltk=difference,
        difference_to_kenlm_log10=kenlm["difference"],
        comparisons=[
            comparison("01", "estimating a 5-gram", "nltk.lm", times["fit"], "times as fast", at_least=20, digits=1),
            comparison("01", "scoring", "nltk.lm", times["score"], "times as fast", at_least=1000, digits=0),
            comparison("01", "scoring", "KenLM", slower, "times its time", at_most=5),
            comparison("01", "estimating, peak memory", "", megabytes, "MB", at_most=3000, digits=0),
        ],
    )


def scaling() -> None:
    """How time and memory grow with the text: three sizes."""
    rows = []
    for limit in (500_000, 1_000_000, None):
        found = alone(measure_ours, limit, "modified", REPETITIONS)
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
        command=COMMAND.format("bench"),
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
        scores=[
            score("01", "WikiText-2", "modified Kneser-Ney 5-gram", "test perplexity", [rows[-1][f"{name}, test"]])
        ],
        about="Perplexity on WikiText-2, trained on its 2,088,628 tokens, one </s> for each line.",
        command=COMMAND.format("scoreboard"),
        packages=PACKAGES,
        seconds=round(watch.seconds, 1),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "real"])
    part = parser.parse_args().part
    lm.setup()
    if part == "real":
        quality()
        print(results.markdown("ngram_wikitext2"))
    else:
        scaling()
        speed()
        for name in ("ngram_scaling", "ngram_speed"):
            print(f"\n{results.markdown(name)}")
