"""Parameter-efficient fine-tuning as in chapter 12: the mini BERT, does a review hold a negation?

python benchmarks/adapters.py          one table: accuracy of each method at its best rate, forgetting; and all rates
python benchmarks/adapters.py cost     parameters, memory of a step, size on disk
python benchmarks/adapters.py places   LoRA in other places of a layer, with as many parameters
python benchmarks/adapters.py ranks    LoRA's rank and scale
python benchmarks/adapters.py real     MiniLM on SST-2
python benchmarks/adapters.py speed    MiniLM: a step against peft's and that of full fine-tuning; merged or not
python benchmarks/adapters.py memory   peak memory of the same
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import comparison, in_turns, middle, ratios, score
from safetensors.torch import save_file
from torch.profiler import ProfilerActivity, profile
from transformers import AutoTokenizer, BertForSequenceClassification

import lmtutor as lm
from lmtutor import batches, finetuning, pretrained, pretraining, results, runtime, text
from lmtutor.models import adapters, bert, classifier
from lmtutor.runtime import seed_everything

SEEDS = (0, 1, 2)
PACKAGES = ("torch", "transformers", "peft", "accelerate")
LORA8 = {"rank": 8, "alpha": 16.0}
# How each method is called in the tables: its name in the package, its options, how many times the chapter's steps it
# gets, and the learning rates that are tried. Prefixes and prompts learn slowly, so they are trained longer, too.
METHODS = {
    "all weights": ("all", {}, 1, (3.2e-4, 1e-3, 3.2e-3)),
    "all weights, not pretrained": ("fresh", {}, 1, (3.2e-4, 1e-3, 3.2e-3)),
    "classifier alone": ("classifier", {}, 1, (3.2e-2, 1e-1, 3.2e-1)),
    "LoRA": ("lora", LORA8, 1, (3.2e-3, 1e-2, 3.2e-2)),
    "DoRA": ("dora", LORA8, 1, (3.2e-3, 1e-2, 3.2e-2)),
    "bottleneck adapters": ("bottleneck", {"size": 8}, 1, (3.2e-3, 1e-2, 3.2e-2)),
    "IA³": ("ia3", {}, 1, (3.2e-2, 1e-1, 3.2e-1)),
    "BitFit": ("bitfit", {}, 1, (3.2e-3, 1e-2, 3.2e-2)),
    "prefix tuning": ("prefix", {}, 1, (3.2e-2, 1e-1, 3.2e-1)),
    "prefix tuning, four times as long": ("prefix", {}, 4, (3.2e-2, 1e-1, 3.2e-1)),
    "prompt tuning": ("prompt", {}, 1, (1e-2, 3.2e-2, 1e-1)),
    "prompt tuning, four times as long": ("prompt", {}, 4, (1e-2, 3.2e-2, 1e-1)),
}
# Places for LoRA in each layer, and ranks at which they have about as many parameters.
PLACES = {
    "queries and values": (r"attention\.(query|value)", 18),
    "all four maps of attention": (r"attention\.(query|key|value|output)", 9),
    "all linear maps": (r"attention\.(query|key|value|output)|feed_forward\.(inner|outer)", 4),
}


# --- one training -----------------------------------------------------------------------------------------------------


def balanced(split, wanted) -> tuple[list[str], list[int]]:
    """Reviews in pairs, one for which wanted(row) holds (label 1) and one for which it does not (label 0)."""
    yes, no = ([row["text"] for row in split if bool(wanted(row)) == answer] for answer in (True, False))
    pairs = list(zip(yes, no, strict=False))
    return [text for pair in pairs for text in pair], [1, 0] * len(pairs)


def is_negated(row) -> bool:
    return row["negation"] != "none"


def prepared(model, method: str, **options):
    """The model with only that to learn which the method lets learn."""
    if method == "fresh":
        bert.initialise(model, std=model.classifier.in_features**-0.5)
    elif method == "classifier":
        model.bert.requires_grad_(False)
    elif method != "all":
        adapters.add(model, "task", method, **options)
    return model


def train(model, sequences, labels, *, rate: float, steps: int, cfg, seed: int, **more):
    return finetuning.finetune(
        model, sequences, labels, learning_rate=rate, steps=steps, batch_size=cfg.batch_size, warm_up=cfg.warm_up,
        seed=seed, progress=False, **more,
    )  # fmt: skip


def accuracy(model, sequences, labels) -> float:
    """In %."""
    return 100 * float((classifier.logits(model, sequences).argmax(1) == np.array(labels)).mean())


class Experiment:
    """The mini BERT, the reviews, and the words that are hidden in the harbour's text to measure what was forgotten.

    Each training's result is kept in the folder `cache`, if there is one: a program that was broken off can go on.
    """

    def __init__(self, cfg, cache: Path | None = None):
        self.cfg, self.cache, self.folder = cfg, cache, pretrained.folder("mini_bert")
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.train, self.validation, self.test = self.sides(is_negated)
        self.hidden = hidden_words(self.tokenizer)

    def sides(self, wanted):
        """Ids and labels of the training, validation and test reviews, half of them with what is wanted."""
        sides = []
        for name, split in lm.load("reviews").items():
            texts, labels = balanced(split, wanted)
            count = self.cfg.examples if name == "train" else len(labels)
            sides.append((finetuning.encode(self.tokenizer, texts[:count]), labels[:count]))
        return sides

    def learned(self, method: str, rate: float, seed: int, data, times: int = 1, **options):
        """The model after one training."""
        seed_everything(seed)
        model = prepared(bert.BertClassifier(bert.load(self.folder), self.cfg.labels), method, **options)
        train(model, *data, rate=rate, steps=times * self.cfg.steps, cfg=self.cfg, seed=seed)
        return model.eval()

    def run(self, method: str, rate: float, seed: int, times: int = 1, **options) -> dict[str, float]:
        """What one training gives: accuracy in %, forgetting in nats, and how much learned."""
        key = "-".join(map(str, [method, rate, seed, times * self.cfg.steps, *options.values()]))
        key = "".join(c if c.isalnum() or c in "-." else "_" for c in key) + ".json"
        if self.cache and (self.cache / key).exists():
            return json.loads((self.cache / key).read_text(encoding="utf-8"))
        model = self.learned(method, rate, seed, self.train, times, **options)
        found = {
            "validation": accuracy(model, *self.validation),
            "test": accuracy(model, *self.test),
            "forgetting": self.guess_loss(model.bert),
            "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        }
        print(key, found, flush=True)
        if self.cache:
            self.cache.mkdir(parents=True, exist_ok=True)
            (self.cache / key).write_text(json.dumps(found), encoding="utf-8")
        return found

    def guess_loss(self, encoder) -> float:
        """Mean -ln P of the hidden pieces, in nats, read by this encoder with the heads of pretraining."""
        heads = bert.load(self.folder, heads=True)
        heads.bert = encoder
        return guess_loss(heads.eval(), self.hidden)


def hidden_words(tokenizer, count: int = 300):
    """Batches of held-out harbour text in which pieces are hidden, always the same."""
    documents = [
        [tokenizer.encode(one, add_special_tokens=False) for one in text.split_sentences(document)]
        for document in lm.load("harbour", "validation")["text"]
    ]
    found = pretraining.stretches(documents, 96)[:count]
    collate = pretraining.Collate(found, len(tokenizer), pairs=False, **pretraining.special_ids(tokenizer))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [collate(found[i : i + 50]) for i in range(0, len(found), 50)]


@torch.no_grad()
def guess_loss(heads, hidden) -> float:
    total = count = 0.0
    for batch in hidden:
        vectors = heads.bert(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        loss, guessed = bert.masked_loss(heads, vectors, batch["labels"])
        total, count = total + loss.item() * guessed.item(), count + guessed.item()
    return total / count


# --- parts ------------------------------------------------------------------------------------------------------------


def mean(found) -> float:
    return round(statistics.mean(found), 1)


def spread(found, digits: int = 1) -> float:
    return round(statistics.stdev(found), digits)


def tuned(experiment, title: str, before: float) -> tuple[list[dict], list[dict]]:
    """A row for each rate, over the seeds; and the trainings at the rate that the validation split chooses.

    `before` is the loss of guessing hidden pieces before any training.
    """
    method, options, times, rates = METHODS[title]
    tried = {rate: [experiment.run(method, rate, seed, times, **options) for seed in SEEDS] for rate in rates}
    rows = []
    for rate, found in tried.items():
        scores = [one["validation"] for one in found]
        row = {"method": title, "steps": times * experiment.cfg.steps, "learning rate": rate}
        rows.append(row | {"accuracy, %": mean(scores), "± (s.d.)": spread(scores)} | forgotten(method, found, before))
    return rows, tried[max(tried, key=lambda rate: statistics.mean(one["validation"] for one in tried[rate]))]


def forgotten(method: str, found: list[dict], before: float) -> dict[str, float]:
    """By how much the loss of guessing has risen; what was never pretrained has nothing to forget."""
    losses = [one["forgetting"] - before for one in found]
    if method == "fresh":
        return {}
    # Adding 0.0 makes 0.0 of -0.0.
    return {"forgetting, nats": round(statistics.mean(losses), 2) + 0.0, "± (s.d.) ": spread(losses, 2)}


def best_rate(title: str) -> float:
    rows = [row for row in results.read("adapters_rates")["rows"] if row["method"] == title]
    return max(rows, key=lambda row: row["accuracy, %"])["learning rate"]


def peak_bytes(work) -> int:
    """The most bytes that PyTorch's allocator on the CPU had given out at once since `work` began."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    events = [event for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    level = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        level += event.nbytes()
        peak = max(peak, level)
    return peak


def cost(cfg, _) -> None:
    """Memory of loading and a step with the longest batch, each method anew, and the file of what learned."""
    experiment, rows = Experiment(cfg), []
    longest = sorted(range(len(experiment.train[0])), key=lambda i: -len(experiment.train[0][i]))[: cfg.batch_size]
    batch = classifier.collator(*experiment.train)([longest])

    def step(method, options):
        seed_everything(0)
        model = bert.BertClassifier(bert.load(experiment.folder), cfg.labels)
        model = prepared(model, method, **options).train()
        learning = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=1e-4, weight_decay=0.0)
        classifier.loss(model, batch)[0].backward()
        optimizer.step()
        found.update({str(i): p.detach() for i, p in enumerate(learning)})

    for title, (method, options, times, _) in METHODS.items():
        if method == "fresh" or times > 1:
            continue  # costs as much as all weights, or as the same for a shorter time
        found = {}
        peak = peak_bytes(partial(step, method, options))
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            save_file(found, Path(folder) / "w.safetensors")
            size = (Path(folder) / "w.safetensors").stat().st_size
        row = {"method": title, "parameters": sum(map(torch.numel, found.values()))}
        row["share, %"] = round(100 * row["parameters"] / (rows[0]["parameters"] if rows else row["parameters"]), 2)
        rows.append(row | {"peak MB": round(peak / 1e6, 1), "kB on disk": round(size / 1e3)})
    results.record(
        "adapters_cost",
        rows,
        about=f"The mini BERT, batches of {cfg.batch_size} reviews: parameters that learn; the most memory that "
        f"PyTorch's allocator gave out for weights, gradients, the optimizer and activations, at the longest batch; "
        f"the file of what was learned.",
        command="python benchmarks/adapters.py cost",
        packages=PACKAGES,
    )


def table(cfg, cache) -> None:
    """Each method at each of its rates, over the seeds; the validation split chooses, the test split is reported."""
    experiment, tried, rows = Experiment(cfg, cache), [], []
    before = experiment.guess_loss(bert.load(experiment.folder))
    for title, (method, _, times, _) in METHODS.items():
        more, chosen = tuned(experiment, title, before)
        tried += more
        scores = [one["test"] for one in chosen]
        row = {"method": title, "parameters": chosen[0]["parameters"], "steps": times * cfg.steps}
        rows.append(row | {"accuracy, %": mean(scores), "± (s.d.)": spread(scores)} | forgotten(method, chosen, before))
    told = {"command": "python benchmarks/adapters.py", "packages": PACKAGES, "seeds": list(SEEDS)}
    task = f"The mini BERT tells {cfg.examples:,} reviews with a negation from others, batches of {cfg.batch_size}"
    results.record(
        "adapters_rates",
        tried,
        about=f"{task}: accuracy on the validation split ({len(experiment.validation[1])} reviews) and forgetting (as "
        f"in the table of methods), means and standard deviations over three seeds.",
        **told,
    )
    results.record(
        "adapters_table",
        rows,
        about=f"{task}, each method at the best of the learning rates tried for it (validation split). Accuracy on "
        f"the test split ({len(experiment.test[1])} reviews), and forgetting: by how much the loss of guessing hidden "
        f"pieces of held-out harbour text has risen (from {before:.2f} nats) with the change switched on. Means and "
        f"standard deviations over three seeds.",
        loss_before=round(before, 3),
        **told,
    )


def places(cfg, cache) -> None:
    """LoRA with alpha = 2 r in other places, with as many parameters; the validation split chooses each one's rate."""
    experiment, rows, rates = Experiment(cfg, cache), [], METHODS["LoRA"][3]
    for title, (targets, rank) in PLACES.items():
        options = {"rank": rank, "alpha": 2.0 * rank, "targets": targets}
        tried = {rate: [experiment.run("lora", rate, seed, **options) for seed in SEEDS] for rate in rates}
        best = max(tried, key=lambda rate: statistics.mean(one["validation"] for one in tried[rate]))
        for rate, found in tried.items():
            row = {"LoRA in": title, "rank": rank, "parameters": found[0]["parameters"], "learning rate": rate}
            row["validation, %"] = mean([one["validation"] for one in found])
            scores = [one["test"] for one in found] if rate == best else []
            rows.append(row | ({"test, %": mean(scores), "± (s.d.)": spread(scores)} if scores else {}))
    results.record(
        "adapters_places",
        rows,
        about=f"LoRA in the mini BERT, alpha = 2 r, {cfg.examples:,} reviews, {cfg.steps} steps, three learning rates. "
        f"Mean accuracy over three seeds on the validation split ({len(experiment.validation[1])} reviews); of the "
        f"best rate also on the test split ({len(experiment.test[1])} reviews), with its standard deviation.",
        command="python benchmarks/adapters.py places",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )


def ranks(cfg, cache) -> None:
    """Rank and alpha at the rate that was best for rank 8; and once at a rate that makes the first step alike."""
    experiment, rate, rows = Experiment(cfg, cache), best_rate("LoRA"), []
    before = experiment.guess_loss(bert.load(experiment.folder))
    ways = [("2 r", 8, 16.0, rate), ("2 r", 64, 128.0, rate), ("2 r", 64, 128.0, float(f"{rate / 8:.2g}"))]
    for title, rank, alpha, own in ways:
        found = [experiment.run("lora", own, seed, rank=rank, alpha=alpha) for seed in SEEDS]
        scores, losses = [one["test"] for one in found], [one["forgetting"] - before for one in found]
        row = {"alpha": title, "rank": rank, "parameters": found[0]["parameters"], "learning rate": own}
        row |= {"accuracy, %": mean(scores), "± (s.d.)": spread(scores)}
        rows.append(row | {"forgetting, nats": round(statistics.mean(losses), 2), "± (s.d.) ": spread(losses, 2)})
    results.record(
        "adapters_ranks",
        rows,
        about=f"LoRA in queries and values of the mini BERT, {cfg.examples:,} reviews, {cfg.steps} steps. Accuracy on "
        f"the test split and forgetting, means and standard deviations over three seeds.",
        command="python benchmarks/adapters.py ranks",
        packages=PACKAGES,
        seeds=list(SEEDS),
    )


REAL = {
    "LoRA": ("lora", {"rank": 8, "alpha": 16.0}, 1e-3),
    "classifier alone": ("classifier", {}, 1e-2),
}


def real(cfg, cache) -> None:
    """The settings of `finetuning.py real`: an epoch of SST-2, batches of 32."""
    data, folder = lm.load("sst2"), pretrained.folder("minilm")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sides = {
        name: (finetuning.encode(tokenizer, data[name]["text"]), list(data[name]["label"]))
        for name in ("train", "test")
    }
    steps = -(-len(data["train"]) // cfg.batch_size)
    rows = []
    scored = []
    for title, (method, options, rate) in REAL.items():
        accuracies, seconds = [], []
        for seed in SEEDS:
            seed_everything(seed)
            model = prepared(bert.BertClassifier(bert.load(folder), ["bad", "good"]), method, **options)
            learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
            folders = {"checkpoint": cache / f"real-{method}-{seed}", "log_every": 20} if cache else {}
            history = train(model, *sides["train"], rate=rate, steps=steps, cfg=cfg, seed=seed, **folders)
            accuracies.append(accuracy(model, *sides["test"]))
            seconds.append(history["seconds"].iloc[-1])
            print(title, seed, accuracies[-1], seconds[-1], flush=True)
        rows.append(
            {
                "what learns": title,
                "parameters": learning,
                "learning rate": rate,
                "accuracy, %": round(statistics.mean(accuracies), 1),
                "± (s.d.)": round(statistics.stdev(accuracies), 1),
                "seconds": round(statistics.median(seconds)),
            }
        )
        scored.append(score("12", "SST-2, sentences", f"MiniLM, {title}, 1 pass", "accuracy, %", accuracies))
    results.record(
        "adapters_real",
        rows,
        about="MiniLM on the 6,920 sentences of SST-2, 1 epoch in batches of 32, learning rates as customary and not "
        "tuned: accuracy on the 1,821 test sentences, mean and standard deviation over the seeds; seconds are the "
        f"median of a training, {torch.get_num_threads()} thread(s).",
        command="make scoreboard ONLY=adapters",
        packages=PACKAGES,
        seeds=list(SEEDS),
        scores=scored,
    )


# --- speed ------------------------------------------------------------------------------------------------------------


def minilm(way: str, folder: str):
    """MiniLM as a classifier in one of four ways, and a function that gives its logits."""
    seed_everything(0)
    if way == "LoRA, peft":
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"])
        model = get_peft_model(BertForSequenceClassification.from_pretrained(folder), config)
        return model, lambda batch: model(**batch).logits
    if way == "all weights, transformers":
        model = BertForSequenceClassification.from_pretrained(folder)
        return model, lambda batch: model(**batch).logits
    model = bert.BertClassifier(bert.load(folder), ["bad", "good"])
    if way != "all weights, ours":
        adapters.add(model, "task", "lora", rank=8, alpha=16.0)
    if way == "merged":
        adapters.merge(model, "task")
    return model, lambda batch: model(**batch)


def stepper(way: str, folder: str):
    model, logits = minilm(way, folder)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.0)
    labels = torch.arange(16) % 2
    model.train()

    def step(batch):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits(batch), labels).backward()
        optimizer.step()

    return step


def batch_of(tokenizer):
    return batches.pad(finetuning.encode(tokenizer, lm.load("reviews")["train"]["text"][:16]))


LORA = "LoRA, ours"
WAYS = (LORA, "LoRA, peft", "all weights, ours", "all weights, transformers")
BESIDE = {"LoRA, peft": 1.05, "all weights, ours": 1, "all weights, transformers": 1}  # at most so many times theirs
STEPS, READINGS, PROCESSES = 25, 40, 3  # turns


def peak(way: str) -> None:
    """Print the peak memory of this process after three steps; it is called in a process of its own."""
    folder = pretrained.folder("minilm")
    step, batch = stepper(way, str(folder)), batch_of(AutoTokenizer.from_pretrained(folder))
    for _ in range(3):
        step(batch)
    print(json.dumps(runtime.peak_memory()))


def memory(cfg, _) -> None:
    """Each way in processes of its own."""
    peaks = {way: [] for way in WAYS}
    for _ in range(PROCESSES):
        for way in WAYS:
            command = [sys.executable, __file__, "peak", "--way", way]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            peaks[way].append(json.loads(said.strip().splitlines()[-1]) / 1e6)
    rows = [
        {
            "training": way,
            "peak MB": round(statistics.median(found)),
            "lowest to highest": f"{min(found):.0f} to {max(found):.0f}",
        }
        for way, found in peaks.items()
    ]
    what = "memory of LoRA's training"
    results.record(
        "adapters_memory",
        rows,
        about="MiniLM, LoRA of rank 8 in queries and values or all weights: peak memory of a process that loads the "
        f"model and makes three training steps with 16 reviews, median of {PROCESSES} processes.",
        command="make bench ONLY=adapters",
        packages=PACKAGES,
        comparisons=[
            comparison("12", what, other, ratios(peaks[LORA], peaks[other]), "times its memory", at_most=most)
            for other, most in BESIDE.items()
        ],
    )
    print(results.markdown("adapters_memory"))


def speed(cfg, _) -> None:
    from transformers.utils import logging

    logging.set_verbosity_error()
    folder = pretrained.folder("minilm")
    batch = batch_of(AutoTokenizer.from_pretrained(folder))
    steppers = {way: stepper(way, str(folder)) for way in WAYS}
    taken = in_turns({way: partial(step, batch) for way, step in steppers.items()}, STEPS)
    what = "a step of LoRA's training"
    results.record(
        "adapters_speed",
        timed("training", taken, LORA, "times ours"),
        about=f"MiniLM, LoRA of rank 8 in queries and values or all weights: a training step with 16 reviews, {STEPS} "
        f"turns; {torch.get_num_threads()} thread(s).",
        command="make bench ONLY=adapters",
        packages=PACKAGES,
        comparisons=[
            comparison("12", what, other, ratios(taken[LORA], taken[other]), "times its time", at_most=most)
            for other, most in BESIDE.items()
        ],
    )
    print(results.markdown("adapters_speed"))
    models = {"the base": "all weights, ours", "LoRA, not merged": LORA, "LoRA, merged": "merged"}
    calls = {}
    for name, way in models.items():
        model, logits = minilm(way, str(folder))
        model.eval()
        calls[name] = partial(logits, batch)
    with torch.no_grad():
        taken = in_turns(calls, READINGS)
    merged = ratios(taken["LoRA, merged"], taken["the base"])
    results.record(
        "adapters_inference",
        timed("inference", taken, "the base", "times the base"),
        about=f"MiniLM reads 16 reviews, {READINGS} turns; {torch.get_num_threads()} thread(s).",
        command="make bench ONLY=adapters",
        packages=PACKAGES,
        # Equal, that is: as equal as 5 % of noise can tell.
        comparisons=[comparison("12", "reading with LoRA merged", "the base", merged, "times its time", at_most=1.05)],
    )
    print(results.markdown("adapters_inference"))


def timed(title: str, taken: dict[str, list[float]], base: str, times: str) -> list[dict]:
    """A row for each way: milliseconds, and how many times those of the base."""
    rows = []
    for way, seconds in taken.items():
        longer = ratios(seconds, taken[base])
        row = {title: way, "ms a step" if title == "training" else "ms": round(1000 * statistics.median(seconds))}
        rows.append(row | {times: round(statistics.median(longer), 2), "middle half": middle(longer)})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["cost", "places", "ranks", "real", "speed", "memory", "peak"])
    parser.add_argument("--cache", type=Path, help="a folder that keeps each training's result, to go on later")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".* are cut")  # a review that is a little too long
    if arguments.part == "peak":
        peak(arguments.way)
    else:
        parts = {
            "cost": cost,
            "places": places,
            "ranks": ranks,
            "real": real,
            "speed": speed,
            "memory": memory,
            None: table,
        }
        parts[arguments.part](lm.setup("12"), arguments.cache)
