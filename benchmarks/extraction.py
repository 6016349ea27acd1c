"""Names, relations, answers and summaries as in chapter 11.

python benchmarks/extraction.py            on the course's notices: each model over three seeds
python benchmarks/extraction.py reader     answers from the notices; keeps the reader as a checkpoint
python benchmarks/extraction.py real       names in Weibo messages, by a small LSTM over characters; answers, by MiniLM
                                           with two pointers, on part of SQuAD's development set; summaries of news
                                           (needs LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR)
"""

import argparse
import random
import statistics
import warnings

import numpy as np
import torch
from measure import band, score
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoTokenizer

import lmtutor as lm
from lmtutor import (
    answering,
    extraction,
    finetuning,
    metrics,
    pretrained,
    results,
    runtime,
    summaries,
    tagging,
    text,
    training,
)
from lmtutor.models import bert, classifier, tagger
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate")
PAIRS = {("PERSON", "SHIP"), ("ORG", "SHIP"), ("SHIP", "PLACE")}
MINI, SCRATCH = "mini BERT", "mini BERT, not pretrained"
EPOCHS = {"names": 3, "relations": 4, "sentences": 2}
READER = {"epochs": 14, "learning_rate": 2e-3, "others": 0.25}  # share of windows without the answer that are read
WEIBO_EPOCHS = 12
QUESTIONS = 1000  # of SQuAD, to learn from
SQUAD_PUBLISHED = {
    "exact match, %": "80.8 (Devlin et al., 2019): BERT-base, 87,599 questions",
    "F1, %": "88.5 (the same)",
}
LEAD = {"the first three sentences": "40.3 (See et al., 2017): all 11,490 test articles, with stemming"}


def encoder(name: str, seed: int) -> bert.Bert:
    """The mini BERT, or one like it with fresh weights."""
    seed_everything(seed)
    model = bert.load(pretrained.folder("mini_bert"))
    if name == SCRATCH:
        bert.initialise(model)
    return model


def spread(values: list[float]) -> dict:
    return {
        "mean": round(statistics.mean(values), 1),
        "± (s.d.)": round(statistics.stdev(values), 1) if len(values) > 1 else None,
        "seeds": len(values),
    }


# --- notices ----------------------------------------------------------------------------------------------------------


def name_examples(split, tokenizer, tags):
    """Sentences as ids, places, true tags and labels."""
    sentences = [one for row in split for one in tagging.split(row["text"], row["entities"])]
    texts = [one.text for one in sentences]
    ids, offsets, places = extraction.encode_words(tokenizer, texts, [text.words(one) for one in texts])
    truth = [tagging.tags_of(tagging.word_spans(s.spans, p), len(p)) for s, p in zip(sentences, places, strict=True)]
    labels = [
        tagging.label_pieces(o, p, [tags.index(tag) for tag in t])
        for o, p, t in zip(offsets, places, truth, strict=True)
    ]
    return ids, offsets, places, truth, labels


def names(cfg, corpus, tokenizer, kind: str, seed: int) -> dict[str, float]:
    """F1 of whole names on the test split, with the best tag of each word and with the best legal sequence."""
    tags = ["O", *(f"{prefix}-{name}" for name in cfg.types for prefix in "BI")]
    learned, tested = (name_examples(corpus[split], tokenizer, tags) for split in ("train", "test"))
    model = tagger.BertTagger(encoder(kind, seed), tags)
    ids, labels = learned[0], learned[-1]
    training.fit_by_length(
        model, [len(one) for one in ids], tagger.collator(ids, labels), tagger.loss,
        epochs=EPOCHS["names"], learning_rate=cfg.learning_rate, seed=seed, progress=False,
    )  # fmt: skip
    ids, offsets, places, truth, _ = tested
    found = {}
    for how, legal in (("each tag alone", False), ("legal sequence", True)):
        said = extraction.predict_tags(model, ids, offsets, places, legal=legal)
        found[f"names: F1, {how}"] = 100 * tagging.entity_scores(truth, said)["all"][2]
    return found


def pair_examples(split, tokenizer, labels):
    chosen = []
    for row in split:
        for sentence in tagging.split(row["text"], row["entities"]):
            if pairs := extraction.pairs_of(sentence, row["relations"], PAIRS):
                chosen.append((sentence.text, pairs))
    ids, places = extraction.encode_pairs(tokenizer, [one for one, _ in chosen], [pairs for _, pairs in chosen])
    return ids, places, [[labels.index(pair[2]) for pair in pairs] for _, pairs in chosen]


def relations(cfg, corpus, tokenizer, kind: str, seed: int) -> dict[str, float]:
    """F1 of relations on the test split, the names being given."""
    learned, tested = (pair_examples(corpus[split], tokenizer, cfg.relations) for split in ("train", "test"))
    model = tagger.RelationClassifier(encoder(kind, seed), cfg.relations)
    training.fit_by_length(
        model, [len(one) for one in learned[0]], extraction.pair_collator(*learned), extraction.pair_loss,
        epochs=EPOCHS["relations"], learning_rate=cfg.learning_rate, seed=seed, progress=False,
    )  # fmt: skip
    said = [cfg.relations.index(x) for row in extraction.predict_pairs(model, *tested[:2]) for x in row]
    truth = [x for row in tested[2] for x in row]
    hits = sum(a == b != 0 for a, b in zip(said, truth, strict=True))
    return {"relations: F1": 100 * metrics.precision_recall_f1(hits, sum(map(bool, said)), sum(map(bool, truth)))[2]}


def asked(split):
    """(question, text, right answers, where the first begins and ends or None)."""
    for row in split:
        for question in row["questions"]:
            right = [row["entities"][i] for i in question["answers"]]
            place = (right[0]["start"], right[0]["end"]) if right else None
            answers = [row["text"][one["start"] : one["end"]] for one in right]
            yield question["question"], row["text"], answers, place


def windows_to_learn_from(split, tokenizer, cfg, versions: int) -> tuple[list, list]:
    """Windows of so many versions of each notice, each with other names; of one version, the names as they are.

    All windows that hold the answer, all of questions that have none, and a share of the others.
    """
    rng, windows, spans = random.Random(0), [], []
    pool = extraction.name_words(split)
    for row in (row for _ in range(versions) for row in split):
        context, entities, questions = row["text"], row["entities"], [one["question"] for one in row["questions"]]
        if versions > 1:
            context, entities, questions = extraction.exchange_names(context, entities, questions, pool, rng)
        for question, known in zip(questions, row["questions"], strict=True):
            right = [entities[i] for i in known["answers"][:1]]
            for window in answering.windows(tokenizer, question, context, cfg.max_length, cfg.stride):
                span = window.locate(right[0]["start"], right[0]["end"]) if right else answering.NO_ANSWER
                if span != answering.NO_ANSWER or not right or rng.random() < READER["others"]:
                    windows.append(window)
                    spans.append(span)
    return windows, spans


def reader(cfg) -> None:
    corpus, tokenizer = lm.load("notices"), AutoTokenizer.from_pretrained(pretrained.folder("mini_bert"))
    rows, times = [], []
    for exchanged in (True, False):
        versions, epochs = (READER["epochs"], 1) if exchanged else (1, READER["epochs"])
        windows, spans = windows_to_learn_from(corpus["train"], tokenizer, cfg, versions)
        print(len(windows), "windows", flush=True)
        model = tagger.BertTagger(encoder(MINI, 0), ("start", "end"))
        with Stopwatch() as watch:
            training.fit_by_length(
                model, [len(one.input_ids) for one in windows], extraction.pointer_collator(windows, spans),
                extraction.pointer_loss, epochs=epochs, learning_rate=READER["learning_rate"], progress=False,
                on_step=lambda step, loss: step % 100 or print(step, round(float(loss), 3), flush=True),
            )  # fmt: skip
        times.append(round(watch.seconds))
        if exchanged:
            folder = runtime.share("data") / "checkpoints" / "notices_reader"
            bert.save(model, folder)
            tokenizer.save_pretrained(folder)
        for split in ("validation", "test"):
            found = answer_rows(model, tokenizer, list(asked(corpus[split])), cfg)
            print("reader", exchanged, split, found, f"{watch.seconds:.0f} s", flush=True)
            how = "other names in each pass" if exchanged else "as they are"
            rows.append({"training notices": how, "measured on": split, **found})
        results.record(
            "extraction_reader",
            rows,
            about=f"The mini BERT with two pointers on the notices, {READER['epochs']} passes, one seed; in per cent; "
            f"questions without an answer included unless said otherwise.",
            command="python benchmarks/extraction.py reader",
            packages=PACKAGES,
            seeds=[0],
            seconds=times,
        )


def answer_rows(model, tokenizer, examples, cfg) -> dict[str, float]:
    """Exact match and F1, of all questions and of those that have an answer."""
    found = extraction.find_answers(
        model, tokenizer, [one[:2] for one in examples], max_length=cfg.max_length, stride=cfg.stride
    )
    said = [one.text if one.margin > 0 else "" for one in found]
    scores = np.array([metrics.answer_scores(a, right) for a, (_, _, right, _) in zip(said, examples, strict=True)])
    has = np.array([bool(right) for _, _, right, _ in examples])
    every, some = 100 * scores.mean(axis=0), 100 * scores[has].mean(axis=0)
    return {
        "exact match": round(float(every[0]), 1),
        "F1": round(float(every[1]), 1),
        "exact match, where there is an answer": round(float(some[0]), 1),
    }


def sentences(cfg, corpus, tokenizer, kind: str, seed: int) -> dict[str, float]:
    """ROUGE of the sentence that a classifier chooses, labels from the summaries of train."""

    def read(split):
        return [(text.split_sentences(row["text"]), row["summary"]) for row in split]

    learned, tested = read(corpus["train"]), read(corpus["test"])
    flat, labels = [], []
    for found, summary in learned:
        scores = [metrics.rouge(summary, one)["ROUGE-2"][2] for one in found]
        flat += found
        labels += [int(i == int(np.argmax(scores))) for i in range(len(found))]
    model = bert.BertClassifier(encoder(kind, seed), ("no", "yes"))
    finetuning.finetune(
        model, finetuning.encode(tokenizer, flat), labels, learning_rate=cfg.learning_rate,
        epochs=EPOCHS["sentences"], seed=seed, progress=False,
    )  # fmt: skip
    scores = classifier.logits(
        model.eval(), finetuning.encode(tokenizer, [one for found, _ in tested for one in found])
    )
    each = iter((scores[:, 1] - scores[:, 0]).tolist())
    chosen = [summaries.extract(found, [next(each) for _ in found], 1) for found, _ in tested]
    rouge = [metrics.rouge(summary, said)["ROUGE-1"][2] for (_, summary), said in zip(tested, chosen, strict=True)]
    return {"summaries: ROUGE-1": 100 * float(np.mean(rouge))}


def notices(cfg) -> None:
    corpus, tokenizer = lm.load("notices"), AutoTokenizer.from_pretrained(pretrained.folder("mini_bert"))
    rows = []
    with Stopwatch() as watch:
        for task, kinds in ((names, (MINI, SCRATCH)), (relations, (MINI,)), (sentences, (MINI,))):
            for kind in kinds:
                runs = []
                for seed in SEEDS:
                    runs.append(task(cfg, corpus, tokenizer, kind, seed))
                    print(task.__name__, kind, seed, runs[-1], f"{watch.seconds:.0f} s", flush=True)
                for measure in runs[0]:
                    rows.append({"on test, %": measure, "model": kind, **spread([run[measure] for run in runs])})
    results.record(
        "extraction_notices",
        rows,
        about="Trained models on the notices, test split, mean and standard deviation over the seeds; epochs: "
        + ", ".join(f"{name} {count}" for name, count in EPOCHS.items()) + ".",
        command="python benchmarks/extraction.py",
        packages=PACKAGES,
        seeds=list(SEEDS),
        seconds=round(watch.seconds),
    )  # fmt: skip


# --- Weibo ------------------------------------------------------------------------------------------------------------


def weibo(cfg) -> None:
    corpus = lm.load("weibo_ner")
    tags = sorted({tag for row in corpus["train"] for tag in row["tags"]})
    vocabulary = text.Vocabulary(corpus["train"]["tokens"], min_count=2)
    ids = {split: [vocabulary.encode(row["tokens"]) for row in corpus[split]] for split in corpus}
    labels = [[tags.index(tag) for tag in row["tags"]] for row in corpus["train"]]
    truth, runs = [row["tags"] for row in corpus["test"]], []
    with Stopwatch() as watch:
        for seed in SEEDS:
            seed_everything(seed)
            model = tagger.LSTMTagger(len(vocabulary), tags, embedding_size=100, hidden_size=128, dropout=0.5)
            training.fit_by_length(
                model, [len(one) for one in ids["train"]], tagger.collator(ids["train"], labels), tagger.loss,
                epochs=WEIBO_EPOCHS, learning_rate=5e-3, batch_size=16, seed=seed, progress=False,
            )  # fmt: skip
            run = {}
            for how, legal in (("each tag alone", False), ("legal sequence", True)):
                scores = tagger.logits(model, ids["test"])
                said = [
                    tagging.best_legal(torch.tensor(one).log_softmax(-1).numpy(), tags)
                    if legal
                    else [tags[i] for i in one.argmax(-1)]
                    for one in scores
                ]
                for kind in ("NAM", "NOM", ""):
                    sides = [[keep(row, kind) for row in side] for side in (truth, said)]
                    run[how, kind] = 100 * tagging.entity_scores(*sides)["all"][2]
            runs.append(run)
            print("weibo", seed, run, f"{watch.seconds:.0f} s", flush=True)
    told = {"NAM": "names", "NOM": "nominal mentions", "": "all"}
    rows = [
        {"F1 on test, %": told[kind], "decoding": how, **spread([run[how, kind] for run in runs])}
        for how, kind in runs[0]
    ]
    results.record(
        "extraction_weibo",
        rows,
        about=f"A bidirectional LSTM over characters, from nothing, on Weibo NER; {WEIBO_EPOCHS} epochs.",
        command="make scoreboard ONLY=extraction",
        scores=[
            score("11", f"Weibo NER, {told[kind]}", "BiLSTM, legal sequence", "F1, %", [run[way] for run in runs])
            for way in runs[0]
            for how, kind in [way]
            if how == "legal sequence"
        ],
        packages=PACKAGES,
        seeds=list(SEEDS),
        seconds=round(watch.seconds),
    )


def keep(tags: list[str], kind: str) -> list[str]:
    """Tags of one kind of mention, the others turned into O."""
    return [tag if tag.endswith(kind) else "O" for tag in tags]


# --- SQuAD ------------------------------------------------------------------------------------------------------------


def squad_scores(cfg, folder, tokenizer, windows, spans, tested, seed: int) -> tuple[float, float]:
    """Exact match and F1 of one trained model, in %."""
    seed_everything(seed)
    model = tagger.BertTagger(bert.load(folder), ("start", "end"))
    training.fit_by_length(
        model, [len(one.input_ids) for one in windows], extraction.pointer_collator(windows, spans),
        extraction.pointer_loss, epochs=1, learning_rate=cfg.minilm_rate * 3, batch_size=16, seed=seed, progress=False,
    )  # fmt: skip
    answers = extraction.find_answers(
        model, tokenizer, [one[:2] for one in tested], max_length=cfg.max_length, stride=cfg.stride
    )
    scores = [metrics.answer_scores(one.text, right) for one, (_, _, right, _) in zip(answers, tested, strict=True)]
    return tuple(100 * float(x) for x in np.mean(scores, axis=0))


def squad(cfg) -> None:
    corpus, folder = lm.load("squad"), pretrained.folder("minilm")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    cfg.max_length, cfg.stride = 192, 48

    def examples(split):
        for row in split:
            right, starts = row["answers"]["text"], row["answers"]["answer_start"]
            yield row["question"], row["context"], right, (starts[0], starts[0] + len(right[0]))

    learned = corpus["train"].select(np.random.default_rng(0).permutation(len(corpus["train"]))[:QUESTIONS].tolist())
    windows, spans = [], []
    for question, context, _, place in examples(learned):
        for window in answering.windows(tokenizer, question, context, cfg.max_length, cfg.stride):
            span = window.locate(*place)
            if span != answering.NO_ANSWER:  # every question has an answer here
                windows.append(window)
                spans.append(span)
    tested, found = list(examples(corpus["test"])), []
    for seed in SEEDS:
        found.append(squad_scores(cfg, folder, tokenizer, windows, spans, tested, seed))
        print("squad", seed, found[-1], flush=True)
    overlap = []
    for question, context, right, _ in tested:
        wanted = set(text.words(question.lower()))
        best = max(text.split_sentences(context), key=lambda one: len(wanted & set(text.words(one.lower()))))
        overlap.append(metrics.answer_scores(best, right))
    rows = [
        {"model": "the sentence with most of the question's words", "exact match, %": 0.0, "F1, %": 0.0},
        {"model": "MiniLM with two pointers"},
    ]
    data, scored = f"SQuAD 1.1, {QUESTIONS:,} questions to learn from", []
    for place, (name, published) in enumerate(SQUAD_PUBLISHED.items()):
        values = [one[place] for one in found]
        scored.append(score("11", data, "MiniLM, 1 pass", name, values, published=published))
        rows[1] |= {name: round(statistics.mean(values), 1), f"{name[:-3]}, lowest to highest": band(values)}
    rows[0].update(zip(("exact match, %", "F1, %"), np.round(100 * np.mean(overlap, axis=0), 1).tolist(), strict=True))
    results.record(
        "extraction_squad",
        rows,
        about=f"SQuAD 1.1's development set, split by article: {len(tested):,} questions of "
        f"{len(set(corpus['test']['title']))} articles tested; {QUESTIONS:,} questions of "
        f"{len(set(corpus['train']['title']))} other articles, read once, to learn from; mean over "
        f"seeds {', '.join(map(str, SEEDS))}.",
        command="make scoreboard ONLY=extraction",
        packages=PACKAGES,
        seeds=list(SEEDS),
        scores=scored,
    )


# --- CNN/DailyMail ----------------------------------------------------------------------------------------------------


def features(found: list[str]) -> np.ndarray:
    """What is known of each sentence of an article: [sentences, 5]."""
    rank = summaries.text_rank(found) * len(found)
    lengths = np.array([len(text.words(one)) for one in found])
    place = np.arange(len(found))
    return np.stack([rank, np.log(lengths), 1 / (1 + place), place / len(found), place == 0], axis=1)


def oracle(found: list[str], summary: str, count: int) -> list[int]:
    """Sentences chosen one by one, each the one that adds most to ROUGE-1 and ROUGE-2."""
    chosen: list[int] = []

    def score(i):
        said = " ".join(found[j] for j in sorted([*chosen, i]))
        scores = metrics.rouge(summary, said)
        return scores["ROUGE-1"][2] + scores["ROUGE-2"][2]

    for _ in range(min(count, len(found))):
        chosen.append(max((i for i in range(len(found)) if i not in chosen), key=score))
    return chosen


def news(cfg) -> None:
    corpus = lm.load("cnn_dailymail")
    articles = [row for split in corpus.values() for row in split]
    read = [[one for one in text.split_sentences(row["text"]) if len(text.words(one)) >= 5] for row in articles]
    count = 3
    best = [oracle(found, row["summary"], count) for found, row in zip(read, articles, strict=True)]
    known = [features(found) for found in read]
    learned: list = [None] * len(read)
    for fold in range(10):
        trained = [i for i in range(len(read)) if i % 10 != fold]
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        labels = np.concatenate([[int(j in best[i]) for j in range(len(read[i]))] for i in trained])
        model.fit(np.concatenate([known[i] for i in trained]), labels)
        for i in range(fold, len(read), 10):
            learned[i] = model.decision_function(known[i])
    ways = {
        "the first three sentences": [-np.arange(len(found)) for found in read],
        "TextRank": [summaries.text_rank(found) for found in read],
        "learned: place, length, TextRank": learned,
        "best choice in hindsight": [
            np.isin(np.arange(len(f)), b).astype(float) for f, b in zip(read, best, strict=True)
        ],
    }
    rows, all_scores = [], {}
    for name, scores in ways.items():
        found = [
            metrics.rouge(row["summary"], summaries.extract(one, score, count))
            for row, one, score in zip(articles, read, scores, strict=True)
        ]
        each = {f"{kind}, %": [100 * one[kind][2] for one in found] for kind in ("ROUGE-1", "ROUGE-2", "ROUGE-L")}
        all_scores[name] = each["ROUGE-1, %"]
        rows.append({"summary": name, **{kind: round(statistics.mean(values), 1) for kind, values in each.items()}})
    data, rng = f"CNN/DailyMail, {len(articles)} articles", np.random.default_rng(0)
    draws = rng.integers(len(articles), size=(2000, len(articles)))
    lead = np.array(all_scores["the first three sentences"])
    for row in rows[1:]:
        gains = (np.array(all_scores[row["summary"]]) - lead)[draws].mean(axis=1)
        low, high = np.percentile(gains, [2.5, 97.5])
        row["gain in ROUGE-1, 95 %"] = f"{low:+.1f} to {high:+.1f}"
    results.record(
        "extraction_news",
        rows,
        about=f"Summaries of three sentences for {len(articles)} articles of CNN/DailyMail; sentences of fewer than "
        f"five words left out; F1 without stemming. The learned choice by ten-fold cross-validation. Gains over the "
        f"first three sentences by a paired bootstrap over articles.",
        command="make scoreboard ONLY=extraction",
        packages=("scikit-learn",),
        scores=[
            score("11", data, name, "ROUGE-1, %", [row["ROUGE-1, %"]], published=LEAD.get(name, ""))
            for name, row in zip(ways, rows, strict=True)
        ],
        seeds=[0],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"notices": [notices], "reader": [reader], "real": [news, squad, weibo]}
    parser.add_argument("part", nargs="?", choices=parts, default="notices")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".* are cut")
    for part in parts[arguments.part]:
        part(lm.setup("11"))


if __name__ == "__main__":
    main()
