"""Parameter-efficient fine-tuning as in chapter 12: the mini BERT, does a review hold a negation?

python benchmarks/adapters.py rates    a learning rate for each method, chosen on the validation split
python benchmarks/adapters.py cost     parameters, time and memory of a step, size on disk
python benchmarks/adapters.py          one table: these costs, accuracy over five seeds, forgetting
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
from lmtutor import batches, finetuning, pretrained, pretraining, results, runtime, text, training
from lmtutor.models import adapters, bert, classifier
from lmtutor.runtime import Stopwatch, seed_everything

SEEDS, TUNING_SEED = (0, 1, 2, 3, 4), 100
PACKAGES = ("torch", "transformers", "peft", "accelerate")
# How each method is called in the tables: its name in the package, and its options.
METHODS = {
    "all weights": ("all", {}),
    "classifier alone": ("classifier", {}),
    "classifier and pooler": ("pooler", {}),
    "LoRA": ("lora", {"rank": 8, "alpha": 16.0}),
    "AdaLoRA (peft)": ("adalora", {"rank": 8, "alpha": 16.0}),
    "bottleneck adapters": ("bottleneck", {"size": 8}),
    "BitFit": ("bitfit", {}),
    "IA³": ("ia3", {}),
    "prefix tuning": ("prefix", {"length": 8}),
    "prompt tuning": ("prompt", {"length": 8}),
}
STEP = 10**0.5  # from one learning rate of the grid to the next
FIRST = {"all": 1e-3, "pooler": 3.2e-3, "lora": 1e-2, "bottleneck": 1e-2, "bitfit": 1e-2}  # the others: 3.2e-2


# --- one training -----------------------------------------------------------------------------------------------------


def balanced(split, wanted) -> tuple[list[str], list[int]]:
    """Reviews in pairs, one for which wanted(row) holds (label 1) and one for which it does not (label 0)."""
    yes, no = ([row["text"] for row in split if bool(wanted(row)) == answer] for answer in (True, False))
    pairs = list(zip(yes, no, strict=False))
    return [text for pair in pairs for text in pair], [1, 0] * len(pairs)


def is_negated(row) -> bool:
    return row["negation"] != "none"


def prepared(model, method: str, steps: int, **options):
    """The model with only that to learn which the method lets learn."""
    if method == "all":
        return model
    if method == "classifier":
        model.bert.requires_grad_(False)
        return model
    if method == "pooler":
        finetuning.freeze(model, 0)
        return model
    if method == "adalora":
        return adalora(model, steps, **options)
    adapters.add(model, "task", method, **options)
    return model


def adalora(model, steps: int, rank: int, alpha: float):
    from peft import AdaLoraConfig, get_peft_model

    config = AdaLoraConfig(
        target_modules=["query", "value"], modules_to_save=["classifier"], init_r=3 * rank // 2, target_r=rank,
        lora_alpha=alpha, total_step=steps, tinit=steps // 5, tfinal=steps // 5, deltaT=max(1, steps // 32),
    )  # fmt: skip
    return get_peft_model(model, config)


def penalty(model) -> torch.Tensor:
    """How far AdaLoRA's two factors are from orthogonal, as `peft` measures it; it does so for its own losses only."""
    found = []
    for name, p in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            square = p @ p.T if "lora_A" in name else p.T @ p
            found.append(torch.linalg.norm(square - torch.eye(len(square))))
    return torch.stack(found).mean()


def train(model, sequences, labels, *, rate: float, steps: int, cfg, seed: int, **more):
    """As `finetuning.finetune`; AdaLoRA needs a penalty in the loss, and a word after each step."""
    if not hasattr(model, "peft_config"):
        return finetuning.finetune(
            model, sequences, labels, learning_rate=rate, steps=steps, batch_size=cfg.batch_size, warm_up=cfg.warm_up,
            seed=seed, progress=False, **more,
        )  # fmt: skip

    def loss(net, batch):
        mean, count = classifier.loss(net, batch)
        return mean + 0.5 * penalty(model), count

    return training.fit_by_length(
        model, [len(one) for one in sequences], classifier.collator(sequences, labels), loss,
        learning_rate=rate, steps=steps, batch_size=cfg.batch_size, warm_up=cfg.warm_up, seed=seed, progress=False,
        on_step=lambda step, _: model.base_model.update_and_allocate(step),
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
        self.train, self.validation, self.test = (
            self.pieces(*balanced(split, is_negated)) for split in lm.load("reviews").values()
        )
        self.train = tuple(part[: cfg.examples] for part in self.train)
        self.hidden = hidden_words(self.tokenizer)

    def pieces(self, texts, labels):
        return finetuning.encode(self.tokenizer, texts), labels

    def run(self, method: str, rate: float, seed: int, **options) -> dict[str, float]:
        """What one training gives: accuracy in %, forgetting in nats, and how much learned."""
        key = "-".join(map(str, [method, rate, seed, self.cfg.steps, *options.values()])) + ".json"
        if self.cache and (self.cache / key).exists():
            return json.loads((self.cache / key).read_text(encoding="utf-8"))
        seed_everything(seed)
        model = bert.BertClassifier(bert.load(self.folder), self.cfg.labels)
        model = prepared(model, method, self.cfg.steps, **options)
        train(model, *self.train, rate=rate, steps=self.cfg.steps, cfg=self.cfg, seed=seed)
        model.eval()
        found = {
            "validation": accuracy(model, *self.validation),
            "test": accuracy(model, *self.test),
            "forgetting": self.guess_loss(model.base_model.model.bert if method == "adalora" else model.bert),
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


def rates(cfg, cache) -> None:
    """Up and down a grid from a first guess, as long as the validation split gets better."""
    experiment, rows = Experiment(cfg, cache), []
    for title, (method, options) in METHODS.items():
        scores = {}

        def score(power, method=method, options=options, scores=scores):
            scores[power] = experiment.run(method, rate_of(method, power), TUNING_SEED, **options)["validation"]

        for power in (-1, 0, 1):
            score(power)
        while (best := max(scores, key=scores.get)) in (min(scores), max(scores)) and len(scores) < 5:
            score(best + (1 if best == max(scores) else -1))
        for power in sorted(scores):
            row = {"method": title, "learning rate": rate_of(method, power), "accuracy, %": round(scores[power], 1)}
            rows.append(row)
    results.record(
        "adapters_rates",
        rows,
        about=f"The mini BERT tells {cfg.examples:,} reviews with a negation from others, {cfg.steps} steps of "
        f"{cfg.batch_size}: accuracy on the validation split ({len(experiment.validation[1])} reviews) for one seed "
        f"that the table does not use.",
        command="python benchmarks/adapters.py rates",
        packages=PACKAGES,
        seeds=[TUNING_SEED],
    )


def rate_of(method: str, power: int) -> float:
    """A learning rate of a method's grid, of two digits."""
    return float(f"{FIRST.get(method, 3.2e-2) * STEP**power:.2g}")


def best_rates() -> dict[str, float]:
    best = {}
    for row in results.read("adapters_rates")["rows"]:
        if row["accuracy, %"] > best.get(row["method"], (0, 0))[0]:
            best[row["method"]] = (row["accuracy, %"], row["learning rate"])
    return {method: rate for method, (_, rate) in best.items()}


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
    """Steps of all methods in turns, on the same batches; memory of loading and three steps, each method anew."""
    experiment, turns = Experiment(cfg), 40
    order = classifier.epochs_by_length(*experiment.train, batch_size=cfg.batch_size, epochs=2)[:turns]
    collate = classifier.collator(*experiment.train)
    steppers, sizes, taken, peaks = {}, {}, {title: [] for title in METHODS}, {}

    def stepper(method, options):
        seed_everything(0)
        model = bert.BertClassifier(bert.load(experiment.folder), cfg.labels)
        model = prepared(model, method, cfg.steps, **options).train()
        learning = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(learning, lr=1e-4, weight_decay=0.0)
        count = iter(range(1, cfg.steps))

        def step(batch):
            optimizer.zero_grad()
            loss = classifier.loss(model, batch)[0]
            if method == "adalora":
                loss = loss + 0.5 * penalty(model)
            loss.backward()
            optimizer.step()
            if method == "adalora":
                model.base_model.update_and_allocate(next(count))

        return step, learning

    longest = collate([sorted(range(len(experiment.train[0])), key=lambda i: -len(experiment.train[0][i]))[:32]])
    for title, (method, options) in METHODS.items():
        peaks[title] = peak_bytes(
            lambda method=method, options=options: [stepper(method, options)[0](longest) for _ in range(1)]
        )
        steppers[title], learning = stepper(method, options)
        weights = {str(i): p.detach() for i, p in enumerate(learning)}
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            save_file(weights, Path(folder) / "w.safetensors")
            sizes[title] = (sum(map(torch.numel, learning)), (Path(folder) / "w.safetensors").stat().st_size)
    for indices in order:
        batch = collate([indices])
        for title, step in steppers.items():
            with Stopwatch() as watch:
                step(batch)
            taken[title].append(watch.seconds)
    whole = sizes["all weights"][0]
    rows = [
        {
            "method": title,
            "parameters": sizes[title][0],
            "share, %": round(100 * sizes[title][0] / whole, 2),
            "ms a step": round(1000 * statistics.median(taken[title][3:]), 1),
            "peak MB": round(peaks[title] / 1e6, 1),
            "kB on disk": round(sizes[title][1] / 1e3),
        }
        for title in METHODS
    ]
    results.record(
        "adapters_cost",
        rows,
        about=f"The mini BERT, batches of {cfg.batch_size} reviews: parameters that learn; median time of a step, all "
        f"methods in turns, {torch.get_num_threads()} thread(s); the most memory that PyTorch's allocator gave out for "
        f"weights, gradients, the optimizer and activations, at the longest batch; the file of what was learned.",
        command="python benchmarks/adapters.py cost",
        packages=PACKAGES,
    )


def table(cfg, cache) -> None:
    experiment, best, rows = Experiment(cfg, cache), best_rates(), []
    costs = {row["method"]: row for row in results.read("adapters_cost")["rows"]}
    before = experiment.guess_loss(bert.load(experiment.folder))
    for title, (method, options) in METHODS.items():
        found = [experiment.run(method, best[title], seed, **options) for seed in SEEDS]
        scores, losses = ([one[what] for one in found] for what in ("test", "forgetting"))
        rows.append(
            costs[title]
            | {
                "accuracy, %": round(statistics.mean(scores), 1),
                "± (s.d.)": round(statistics.stdev(scores), 1),
                "forgetting, nats": f"{min(losses) - before:+.2f} to {max(losses) - before:+.2f}",
            }
        )
    results.record(
        "adapters_table",
        rows,
        about=f"The mini BERT tells {cfg.examples:,} reviews with a negation from others, {cfg.steps} steps of "
        f"{cfg.batch_size}, each method at its own learning rate. Accuracy on the test split "
        f"({len(experiment.test[1])} reviews), mean and standard deviation over the seeds. "
        f"Forgetting: by how much the loss of guessing hidden pieces of held-out harbour text has risen (from "
        f"{before:.2f} nats), lowest to highest, with the change switched on. Costs: see adapters_cost.",
        command="python benchmarks/adapters.py",
        packages=PACKAGES,
        seeds=list(SEEDS),
        loss_before=round(before, 3),
    )


def ranks(cfg, cache) -> None:
    experiment, rate, rows = Experiment(cfg, cache), best_rates()["LoRA"], []
    before = experiment.guess_loss(bert.load(experiment.folder))
    for rank in (1, 8, 32, 128):
        row = {"rank": rank}
        for title, stabilised in (("alpha / r", False), ("alpha / sqrt(r)", True)):
            # alike at rank 8, where the rate was chosen
            options = {"rank": rank, "alpha": 16.0}
            if stabilised and rank != 8:
                options |= {"alpha": 16 / 8**0.5, "stabilised": True}
            found = [experiment.run("lora", rate, seed, **options) for seed in SEEDS[:2]]
            scores = [one["test"] for one in found]
            row["parameters"] = found[0]["parameters"]
            row[f"{title}: accuracy, %"] = round(statistics.mean(scores), 1)
            row[f"{title}: ±"] = round(statistics.stdev(scores), 1)
            row[f"{title}: forgetting"] = round(statistics.mean(one["forgetting"] for one in found) - before, 2)
        rows.append(row)
    results.record(
        "adapters_ranks",
        rows,
        about=f"LoRA in queries and values of the mini BERT, {cfg.examples:,} reviews, {cfg.steps} steps at learning "
        f"rate {rate:.2g}; alpha is such that both scales agree at rank 8. Accuracy on the test split, mean and "
        f"standard deviation over two seeds, and forgetting in nats.",
        command="python benchmarks/adapters.py ranks",
        packages=PACKAGES,
        seeds=list(SEEDS[:2]),
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
        for seed in SEEDS[:3]:
            seed_everything(seed)
            model = prepared(bert.BertClassifier(bert.load(folder), ["bad", "good"]), method, steps, **options)
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
        seeds=list(SEEDS[:3]),
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
    parser.add_argument("part", nargs="?", choices=["rates", "cost", "ranks", "real", "speed", "memory", "peak"])
    parser.add_argument("--cache", type=Path, help="a folder that keeps each training's result, to go on later")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".* are cut")  # a review that is a little too long
    if arguments.part == "peak":
        peak(arguments.way)
    else:
        parts = {
            "rates": rates,
            "cost": cost,
            "ranks": ranks,
            "real": real,
            "speed": speed,
            "memory": memory,
            None: table,
        }
        parts[arguments.part](lm.setup("12"), arguments.cache)
