"""Names, relations, answers and summaries as in chapter 11.

python benchmarks/extraction.py            relations and summaries of the course's notices: three seeds
python benchmarks/extraction.py names      names in them: each tag alone, legal sequences, a conditional random field
python benchmarks/extraction.py readers    answers from them after one pass: MiniLM, the same not pretrained, mini BERT
python benchmarks/extraction.py reader     answers from the notices; keeps the reader as a checkpoint
python benchmarks/extraction.py real       names in Weibo messages, by a small LSTM over characters; summaries of news
                                           (needs LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR)
python benchmarks/extraction.py news       the summaries alone (needs the same)
python benchmarks/extraction.py squad      answers on SQuAD's development set, split by article, by MiniLM with two
                                           pointers; about an hour on one core (needs the same)
"""

import argparse
import random
import statistics
import warnings

import numpy as np
import torch
from measure import band, score
from rouge_score import rouge_scorer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.attention import SDPBackend, sdpa_kernel
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
from lmtutor.data import batches
from lmtutor.models import bert, classifier, tagger
from lmtutor.models.crf import CRFTagger
from lmtutor.models.crf import loss as crf_loss
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS = (0, 1, 2)
PACKAGES = ("torch", "transformers", "tokenizers", "accelerate")
PAIRS = {("PERSON", "SHIP"), ("ORG", "SHIP"), ("SHIP", "PLACE")}
MINI, SCRATCH = "mini BERT", "mini BERT, not pretrained"
EPOCHS = {"names": 2, "relations": 4, "sentences": 2}
LARGE, LARGE_SCRATCH = "MiniLM", "MiniLM, not pretrained"
ENCODERS = {MINI: "mini_bert", SCRATCH: "mini_bert", LARGE: "minilm", LARGE_SCRATCH: "minilm"}
READERS = (LARGE, LARGE_SCRATCH, MINI)
RATES = {MINI: 2e-3, LARGE: 3e-4, LARGE_SCRATCH: 3e-4}  # of a reader, the top of the schedule
READER = {"epochs": 14, "others": 0.25}  # share of windows without the answer that are read
WEIBO_EPOCHS = 12
WEIBO_KINDS = {"NAM": "names", "NOM": "nominal mentions", "": "all"}
CRF_WAY = "conditional random field"
WEIBO_PUBLISHED = {
    "model": "BiLSTM over characters that were pretrained (Zhang and Yang, 2018)",
    "decoding": CRF_WAY,
    "names": 46.1,
    "nominal mentions": 55.3,
    "all": 52.8,
}
SQUAD = {"learning_rate": 3e-4, "batch_size": 16, "max_length": 256, "stride": 48, "looks": (0.5, 0.75, 1.0)}
SQUAD_PUBLISHED = {
    "model": "BERT-base, 87,599 questions, 3 passes; the whole development set (Devlin et al., 2019)",
    "exact match, %": 80.8,
    "F1, %": 88.5,
}
LEAD = {"the first three sentences": "40.3 (See et al., 2017): all 11,490 test articles, with stemming"}
LEAD_PUBLISHED = {
    "summary": "published, the first three: all 11,490 test articles (See et al., 2017)",
    "ROUGE-1, stemmed, %": 40.3,
    "ROUGE-2, stemmed, %": 17.7,
    "ROUGE-Lsum, stemmed, %": 36.6,
}
NEWS_C = 0.003  # strength of the regression's shrinking: 1 / C


def encoder(name: str, seed: int) -> bert.Bert:
    """The mini BERT or MiniLM, or one like it with fresh weights."""
    seed_everything(seed)
    model = bert.load(pretrained.folder(ENCODERS[name]))
    if name in (SCRATCH, LARGE_SCRATCH):
        bert.initialise(model)
    return model


def spread(values: list[float]) -> dict:
    return {
        "mean": round(statistics.mean(values), 1),
        "± (s.d.)": round(statistics.stdev(values), 1) if len(values) > 1 else None,
        "seeds": len(values),
    }


# --- notices ----------------------------------------------------------------------------------------------------------


def name_examples(split, tokenizer, tags, change):
    """Sentences as ids, places, true BIO tags and labels, these of the tags that `change` makes of BIO tags."""
    sentences = [one for row in split for one in tagging.split(row["text"], row["entities"])]
    texts = [one.text for one in sentences]
    ids, offsets, places = extraction.encode_words(tokenizer, texts, [text.words(one) for one in texts])
    truth = [tagging.tags_of(tagging.word_spans(s.spans, p), len(p)) for s, p in zip(sentences, places, strict=True)]
    labels = [
        tagging.label_pieces(o, p, [tags.index(tag) for tag in change(t)])
        for o, p, t in zip(offsets, places, truth, strict=True)
    ]
    return ids, offsets, places, truth, labels


def spread_of(rows: list[float]) -> dict:
    """The mean over the seeds, and the band from lowest to highest."""
    return {"F1, %": round(statistics.mean(rows), 1), "lowest to highest": band(rows), "seeds": len(rows)}


def name_f1(model, read, legal: bool) -> float:
    """F1 of whole names on what `name_examples` gave, in %."""
    ids, offsets, places, truth, _ = read
    said = extraction.predict_tags(model, ids, offsets, places, legal=legal)
    return 100 * tagging.entity_scores(truth, [tagging.to_bio(one) for one in said])["all"][2]


def names(cfg) -> None:
    """Whole names on the notices: each tag alone, the best legal sequence, a conditional random field."""
    corpus, tokenizer = lm.load("notices"), AutoTokenizer.from_pretrained(pretrained.folder("mini_bert"))
    schemes = {"BIO": "BI", "BIOES": "BIES"}
    ways = ((MINI, "BIO", False), (MINI, "BIOES", False), (MINI, "BIO", True), (SCRATCH, "BIO", False))
    read = {}
    for scheme, prefixes in schemes.items():
        tags = ["O", *(f"{prefix}-{name}" for name in cfg.types for prefix in prefixes)]
        change = tagging.to_bioes if scheme == "BIOES" else list
        read[scheme] = tags, [name_examples(corpus[split], tokenizer, tags, change) for split in ("train", "test")]
    found: dict[tuple, list[float]] = {}
    with Stopwatch() as watch:
        for seed in SEEDS:
            for kind, scheme, crf in ways:
                tags, (learned, tested) = read[scheme]
                model = tagger.BertTagger(encoder(kind, seed), tags)
                if crf:
                    model = CRFTagger(model, tagging.rules(tags))
                training.fit_by_length(
                    model, [len(one) for one in learned[0]], tagger.collator(learned[0], learned[-1]),
                    crf_loss if crf else tagger.loss,
                    epochs=EPOCHS["names"], learning_rate=cfg.learning_rate, seed=seed, progress=False,
                )  # fmt: skip
                decodings = {CRF_WAY: True} if crf else {"each tag alone": False, "best legal": True}
                for decoding, legal in decodings.items():
                    found.setdefault((kind, scheme, decoding), []).append(name_f1(model, tested, legal))
                print(
                    kind, scheme, crf, seed, {k: v[-1] for k, v in found.items()}, f"{watch.seconds:.0f} s", flush=True
                )
    record_names(found, round(watch.seconds))


def record_names(found: dict[tuple, list[float]], seconds: int) -> None:
    results.record(
        "extraction_names",
        [
            {"model": kind, "tags": scheme, "decoding": decoding, **spread_of(values)}
            for (kind, scheme, decoding), values in sorted(found.items(), key=lambda item: item[0][0] == SCRATCH)
        ],
        about=f"Whole names in the notices (a program made them), test split; {EPOCHS['names']} epochs each.",
        command="python benchmarks/extraction.py names",
        packages=PACKAGES,
        seeds=list(range(len(next(iter(found.values()))))),
        seconds=seconds,
    )


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
    """(question, text, right answers, where the first begins and ends or None, whether its wording is new)."""
    for row in split:
        for question in row["questions"]:
            right = [row["entities"][i] for i in question["answers"]]
            place = (right[0]["start"], right[0]["end"]) if right else None
            answers = [row["text"][one["start"] : one["end"]] for one in right]
            yield question["question"], row["text"], answers, place, question["unseen"]


def windows_to_learn_from(split, tokenizer, cfg, versions: int, exchanged: bool) -> tuple[list, list]:
    """Windows of so many versions of each notice, each with other names if they are `exchanged`.

    All windows that hold the answer, all of questions that have none, and a share of the others.
    """
    rng, windows, spans = random.Random(0), [], []
    pool = extraction.name_words(split)
    for row in (row for _ in range(versions) for row in split):
        context, entities, questions = row["text"], row["entities"], [one["question"] for one in row["questions"]]
        if exchanged:
            context, entities, questions = extraction.exchange_names(context, entities, questions, pool, rng)
        for question, known in zip(questions, row["questions"], strict=True):
            right = [entities[i] for i in known["answers"][:1]]
            for window in answering.windows(tokenizer, question, context, cfg.max_length, cfg.stride):
                span = window.locate(right[0]["start"], right[0]["end"]) if right else answering.NO_ANSWER
                if span != answering.NO_ANSWER or not right or rng.random() < READER["others"]:
                    windows.append(window)
                    spans.append(span)
    return windows, spans


def taught_reader(model, tokenizer, split, cfg, kind: str, passes: int, exchanged: bool, seed: int) -> None:
    """Train two pointers on notices, in place."""
    windows, spans = windows_to_learn_from(split, tokenizer, cfg, passes if exchanged else 1, exchanged)
    for layer in model.bert.encoder.layers:
        layer.attention.dropout = 0.0
    print(kind, f"{len(windows)} windows", flush=True)
    training.fit_by_length(
        model, [len(one.input_ids) for one in windows], extraction.pointer_collator(windows, spans),
        extraction.pointer_loss, epochs=1 if exchanged else passes, learning_rate=RATES[kind], batch_size=16,
        seed=seed, progress=False,
        on_step=lambda step, loss: step % 100 or print(step, round(float(loss), 3), flush=True),
    )  # fmt: skip


def readers(cfg) -> None:
    """Two pointers on the notices after one pass: the same data and the same code for three encoders."""
    corpus, found = lm.load("notices"), {}
    with Stopwatch() as watch, sdpa_kernel(SDPBackend.MATH):
        for seed in SEEDS:
            for kind in READERS:
                tokenizer = AutoTokenizer.from_pretrained(pretrained.folder(ENCODERS[kind]))
                model = tagger.BertTagger(encoder(kind, seed), ("start", "end"))
                taught_reader(model, tokenizer, corpus["train"], cfg, kind, 1, True, seed)
                found.setdefault(kind, []).append(reader_scores(model, tokenizer, corpus, cfg))
                print(kind, seed, found[kind][-1], f"{watch.seconds:.0f} s", flush=True)
            record_readers(found, round(watch.seconds))


def reader_scores(model, tokenizer, corpus, cfg) -> dict[str, float]:
    """Exact match in %: of questions with an answer, in three groups, and of those without."""
    groups: dict[str, list[float]] = {}
    for split in ("validation", "test"):
        examples = list(asked(corpus[split]))
        said = extraction.find_answers(
            model, tokenizer, [one[:2] for one in examples], max_length=cfg.max_length, stride=cfg.stride
        )
        for one, (_, _, right, _, unseen) in zip(said, examples, strict=True):
            wording = f", {'new' if unseen else 'known'} wording" if split == "test" else ""
            group = f"{split}{wording}" if right else f"{split}, no answer in the text"
            groups.setdefault(group, []).append(metrics.answer_scores(one.text if one.margin > 0 else "", right)[0])
    return {group: round(100 * statistics.mean(values), 1) for group, values in groups.items()}


def record_readers(found: dict[str, list[dict]], seconds: int) -> None:
    rows = []
    for kind, runs in found.items():
        row = {"encoder": kind}
        for group in runs[0]:
            values = [run[group] for run in runs]
            row[group] = f"{statistics.mean(values):.1f} ({band(values)})"
        rows.append(row)
    results.record(
        "extraction_readers",
        rows,
        about="Two pointers on the notices (a program made them), one pass over them with other names, in batches of "
        "16; exact match in %, mean (lowest to highest) over the seeds. The answer is empty where the margin is not "
        "above 0.",
        command="python benchmarks/extraction.py readers",
        packages=PACKAGES,
        seeds=list(SEEDS)[: len(next(iter(found.values())))],
        runs=found,
        seconds=seconds,
    )


def reader(cfg) -> None:
    """The reader that the course ships, and what it is worth."""
    corpus, tokenizer = lm.load("notices"), AutoTokenizer.from_pretrained(pretrained.folder("mini_bert"))
    rows, times = [], []
    for exchanged in (True, False):
        model = tagger.BertTagger(encoder(MINI, 0), ("start", "end"))
        with Stopwatch() as watch:
            taught_reader(model, tokenizer, corpus["train"], cfg, MINI, READER["epochs"], exchanged, 0)
        times.append(round(watch.seconds))
        if exchanged:
            folder = runtime.share("data") / "checkpoints" / "notices_reader"
            bert.save(model, folder)
            tokenizer.save_pretrained(folder)
        how = "other names in each pass" if exchanged else "as they are"
        rows.append({"training notices": how, **reader_scores(model, tokenizer, corpus, cfg)})
        print(rows[-1], f"{watch.seconds:.0f} s", flush=True)
        results.record(
            "extraction_reader",
            rows,
            about=f"The mini BERT with two pointers on the notices (a program made them), {READER['epochs']} passes, "
            "one seed; exact match in %. The answer is empty where the margin is not above 0.",
            command="python benchmarks/extraction.py reader",
            packages=PACKAGES,
            seeds=[0],
            seconds=times,
        )


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
        for task, kinds in ((relations, (MINI,)), (sentences, (MINI,))):
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
        + ", ".join(f"{name} {EPOCHS[name]}" for name in ("relations", "sentences")) + ".",
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
            run = {}
            for crf in (False, True):
                model = tagger.LSTMTagger(len(vocabulary), tags, embedding_size=100, hidden_size=128, dropout=0.5)
                if crf:
                    model = CRFTagger(model, tagging.rules(tags))
                training.fit_by_length(
                    model, [len(one) for one in ids["train"]], tagger.collator(ids["train"], labels),
                    crf_loss if crf else tagger.loss,
                    epochs=WEIBO_EPOCHS, learning_rate=5e-3, batch_size=16, seed=seed, progress=False,
                )  # fmt: skip
                scores = tagger.logits(model, ids["test"])
                if crf:
                    said_by = {CRF_WAY: [[tags[i] for i in model.crf.decode(one)] for one in scores]}
                else:
                    said_by = {
                        "each tag alone": [[tags[i] for i in one.argmax(-1)] for one in scores],
                        "best legal": [
                            tagging.best_legal(torch.tensor(one).log_softmax(-1).numpy(), tags) for one in scores
                        ],
                    }
                for how, said in said_by.items():
                    for kind in WEIBO_KINDS:
                        sides = [[keep(row, kind) for row in side] for side in (truth, said)]
                        run[how, kind] = 100 * tagging.entity_scores(*sides)["all"][2]
            runs.append(run)
            print("weibo", seed, run, f"{watch.seconds:.0f} s", flush=True)
    rows = []
    for how in dict.fromkeys(how for how, _ in runs[0]):
        row = {"model": "BiLSTM over characters, from nothing", "decoding": how}
        for kind, told in WEIBO_KINDS.items():
            values = [run[how, kind] for run in runs]
            row |= {told: round(statistics.mean(values), 1)} | (
                {"all, lowest to highest": band(values)} if not kind else {}
            )
        rows.append(row)
    results.record(
        "extraction_weibo",
        [*rows, WEIBO_PUBLISHED],
        about=f"F1 of whole mentions in %, Weibo NER, test split; {WEIBO_EPOCHS} epochs, mean over seeds "
        f"{', '.join(map(str, SEEDS))}.",
        command="make scoreboard ONLY=extraction",
        scores=[
            score("11", f"Weibo NER, {told}", f"BiLSTM, {how}", "F1, %", [run[how, kind] for run in runs],
                  published=f"{WEIBO_PUBLISHED[told]} (Zhang and Yang, 2018): the same, with pretrained characters")
            for how in ("best legal", CRF_WAY)
            for kind, told in WEIBO_KINDS.items()
        ],
        packages=PACKAGES,
        seeds=list(SEEDS),
        seconds=round(watch.seconds),
    )  # fmt: skip


def keep(tags: list[str], kind: str) -> list[str]:
    """Tags of one kind of mention, the others turned into O."""
    return [tag if tag.endswith(kind) else "O" for tag in tags]


# --- SQuAD ------------------------------------------------------------------------------------------------------------


def squad_questions(split):
    """(question, context, right answers, where the first begins and ends)."""
    for row in split:
        right, starts = row["answers"]["text"], row["answers"]["answer_start"]
        yield row["question"], row["context"], right, (starts[0], starts[0] + len(right[0]))


def squad_rows(model, tokenizer, tested) -> list[dict]:
    """What was said to each question: exact match and F1 of the best span, and whether "no answer" was more likely."""
    found = extraction.find_answers(
        model, tokenizer, [one[:2] for one in tested], max_length=SQUAD["max_length"], stride=SQUAD["stride"]
    )
    return [
        dict(zip(("exact", "f1"), metrics.answer_scores(one.text, right), strict=True), silent=one.margin <= 0)
        for one, (_, _, right, _) in zip(found, tested, strict=True)
    ]


def squad_share(rows: list[dict]) -> dict[str, float]:
    """In per cent: exact match, F1, and what kind of mistakes the others are."""
    exact, f1, silent = (np.array([row[name] for row in rows], dtype=float) for name in ("exact", "f1", "silent"))
    shares = {
        "exact match, %": exact,
        "F1, %": f1,
        "overlaps a right answer, %": (f1 > 0) & (exact == 0),
        "elsewhere, %": f1 == 0,
        '"no answer" likelier, %': silent,
    }
    return {name: round(100 * float(values.mean()), 1) for name, values in shares.items()}


def squad(cfg) -> None:
    corpus, folder = lm.load("squad"), pretrained.folder("minilm")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    windows, spans = [], []
    for question, context, _, place in squad_questions(corpus["train"]):
        for window in answering.windows(tokenizer, question, context, SQUAD["max_length"], SQUAD["stride"]):
            windows.append(window)
            spans.append(window.locate(*place))  # both pointers at [CLS] where the answer is in another window
    tested = list(squad_questions(corpus["test"]))
    lengths = [len(one.input_ids) for one in windows]
    steps = len(batches.by_length(lengths, SQUAD["batch_size"]))
    looks = {round(share * steps): share for share in SQUAD["looks"]}
    print(f"{len(windows)} windows, {steps} steps, {len(tested)} questions tested", flush=True)
    overlap = []
    for question, context, right, _ in tested:
        wanted = set(text.words(question.lower()))
        best = max(text.split_sentences(context), key=lambda one: len(wanted & set(text.words(one.lower()))))
        overlap.append(dict(zip(("exact", "f1"), metrics.answer_scores(best, right), strict=True), silent=False))
    easy = {"model": "baseline: the sentence with most of the question's words", **squad_share(overlap)}
    rows, times, losses = [easy], [], []
    seed_everything(0)
    model = tagger.BertTagger(bert.load(folder), ("start", "end"))
    for layer in model.bert.encoder.layers:
        layer.attention.dropout = 0.0  # with it a step takes half as long again
    model.bert.embedding.tokens.requires_grad_(False)  # half of all weights: without them a step is shorter

    def on_step(step: int, loss: torch.Tensor) -> None:
        losses.append(float(loss))
        if step % 50 == 0:
            print(step, round(statistics.mean(losses[-50:]), 3), f"{watch.seconds:.0f} s", flush=True)
        if step in looks:
            said = squad_rows(model, tokenizer, tested)
            times.append(round(watch.seconds))
            read = f"{looks[step] * len(corpus['train']):,.0f} questions read"
            rows.append({"model": f"MiniLM with two pointers, {read}", **squad_share(said)})
            print(rows[-1], flush=True)
            squad_record(rows, corpus, tested, times)

    with Stopwatch() as watch, sdpa_kernel(SDPBackend.MATH):  # on CPUs in bf16 the fused one is slower
        training.fit_by_length(
            model, lengths, extraction.pointer_collator(windows, spans), extraction.pointer_loss,
            epochs=1, learning_rate=SQUAD["learning_rate"], batch_size=SQUAD["batch_size"], seed=0,
            progress=False, on_step=on_step,
        )  # fmt: skip


def squad_record(rows: list[dict], corpus, tested: list, times: list[int]) -> None:
    learned = f"{len(corpus['train']):,} questions"
    results.record(
        "extraction_squad",
        [*rows, SQUAD_PUBLISHED],
        about=f"SQuAD 1.1's development set, split by article: {len(tested):,} questions of "
        f"{len(set(corpus['test']['title']))} articles tested; {learned} of {len(set(corpus['train']['title']))} other "
        f"articles to learn from, once; windows of {SQUAD['max_length']} pieces; rate up to "
        f"{SQUAD['learning_rate']:g}, falling to 0 at the end; batches of {SQUAD['batch_size']}; token embeddings as "
        "they were; mixed precision; one seed. Nothing was chosen on the tested questions. Scores of the best span, "
        'whether or not "no answer" was likelier.',
        command="LMTUTOR_PRECISION=bf16 python benchmarks/extraction.py squad",
        packages=PACKAGES,
        seeds=[0],
        seconds=times,
    )


# --- CNN/DailyMail ----------------------------------------------------------------------------------------------------


def features(found: list[str], vectors: np.ndarray) -> np.ndarray:
    """What is known of each sentence of an article: its vector, how near it is to the article's mean, place, length."""
    lengths = np.array([len(text.words(one)) for one in found])
    place = np.arange(len(found))
    centre = vectors.mean(axis=0)
    plain = [
        vectors @ centre / np.linalg.norm(centre),
        summaries.text_rank(found) * len(found),
        np.log(lengths),
        1 / (1 + place),
        place / len(found),
        place == 0,
    ]
    return np.column_stack([*plain, vectors])


def chosen_by(known: list[np.ndarray], best: list[list[int]], columns: slice) -> list[np.ndarray]:
    """Scores of the sentences of each article from a logistic regression on nine tenths of the others, tenfold."""
    found: list = [None] * len(known)
    for fold in range(10):
        trained = [i for i in range(len(known)) if i % 10 != fold]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=NEWS_C, class_weight="balanced", max_iter=1000))
        labels = np.concatenate([np.isin(np.arange(len(known[i])), best[i]) for i in trained])
        model.fit(np.concatenate([known[i][:, columns] for i in trained]), labels)
        for i in range(fold, len(known), 10):
            found[i] = model.decision_function(known[i][:, columns])
    return found


def stemmed(summary: str, said: list[str]) -> dict[str, float]:
    """ROUGE with stemming from the library, in %: ROUGE-1, and ROUGE-Lsum with a sentence a line."""
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeLsum"], use_stemmer=True)
    found = scorer.score("\n".join(text.split_sentences(summary)), "\n".join(said))
    names = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeLsum": "ROUGE-Lsum"}
    return {f"{name}, stemmed, %": 100 * found[key].fmeasure for key, name in names.items()}


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
    place = pretrained.folder("minilm")
    flat = [one for found in read for one in found]
    print(f"{len(flat):,} sentences", flush=True)
    vectors = iter(extraction.text_vectors(bert.load(place), AutoTokenizer.from_pretrained(place), flat))
    known = [features(found, np.array([next(vectors) for _ in found])) for found in read]
    ways = {
        "the first three sentences": [-np.arange(len(found)) for found in read],
        "TextRank": [summaries.text_rank(found) for found in read],
        "learned: place and length": chosen_by(known, best, slice(2, 6)),
        "learned: the same and MiniLM's vectors": chosen_by(known, best, slice(0, None)),
        "best choice in hindsight": [
            np.isin(np.arange(len(f)), b).astype(float) for f, b in zip(read, best, strict=True)
        ],
    }
    rows, all_scores = [], {}
    for name, scores in ways.items():
        chosen = [sorted(np.argsort(-np.asarray(one), kind="stable")[:count]) for one in scores]
        said = [[found[i] for i in which] for found, which in zip(read, chosen, strict=True)]
        plain = [metrics.rouge(row["summary"], " ".join(one)) for row, one in zip(articles, said, strict=True)]
        each = {f"{kind}, %": [100 * one[kind][2] for one in plain] for kind in ("ROUGE-1", "ROUGE-2", "ROUGE-L")}
        with_stems = [stemmed(row["summary"], one) for row, one in zip(articles, said, strict=True)]
        each |= {kind: [one[kind] for one in with_stems] for kind in with_stems[0]}
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
        [*rows, LEAD_PUBLISHED],
        about=f"Summaries of three sentences for {len(articles)} articles of CNN/DailyMail; sentences of fewer than "
        f"five words left out; F1. The learned choices by tenfold cross-validation. Gains over the first three "
        f"sentences by a paired bootstrap over articles.",
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
    parts = {
        "names": [names],
        "notices": [notices],
        "reader": [reader],
        "readers": [readers],
        "real": [news, weibo],
        "news": [news],
        "weibo": [weibo],
        "squad": [squad],
    }
    parser.add_argument("part", nargs="?", choices=parts, default="notices")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".* are cut")
    for part in parts[arguments.part]:
        part(lm.setup("11"))


if __name__ == "__main__":
    main()
