"""LoRA and QLoRA on SmolLM2, as in chapter 12: it learns to fill in the harbour office's form.

python benchmarks/smollm_adapters.py train      the runs of three seeds, each kept in --cache, and what they score
python benchmarks/smollm_adapters.py table      the stored table, texts, and the adapter of the first seed
make bench ONLY=smollm_adapters                 a step's time and its peak memory beside peft's
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
from measure import band, comparison, in_turns, ratios
from torch.nn.attention import SDPBackend, sdpa_kernel

import lmtutor as lm
from lmtutor import pretrained, results, runtime
from lmtutor.models import adapters, fourbit, llama, peft_files
from lmtutor.runtime import seed_everything
from lmtutor.tasks import chatting

SEEDS, STEPS, BATCH, LONGEST, RATE, RANK, ALPHA = (0, 1, 2), 160, 4, 128, 2e-4, 8, 16.0
NOTICES, SHOWN = 60, 5  # of the test split; those whose texts are kept
WINDOWS, WINDOW = 12, 256  # of harbour prose, to measure what was forgotten
BASELINES = ("as it came", "two examples", "five examples")
TITLES = {
    "as it came": "untrained, the task described",
    "two examples": "untrained, and two examples in the prompt",
    "five examples": "untrained, and five examples",
    "LoRA": "LoRA",
    "rounded": "the same adapter, the base then rounded to four bits",
    "QLoRA": "QLoRA: trained on the base in four bits",
}
ROUNDED = "rounded"
OURS = "LoRA, ours"
AGAIN = 5  # of how many layers one is computed again on the way back
WAYS = (OURS, "peft")
TURNS, PROCESSES = 3, 1
PACKAGES = ("torch", "transformers", "peft")


# --- the experiment ---------------------------------------------------------------------------------------------------


def base(four_bits: bool) -> llama.Llama:
    """SmolLM2 in bfloat16; its layers' matrices rounded to four bits, if wanted.

    Those are multiplied as what the four bits stand for, which is kept here for the whole run: the same numbers as when
    each is made anew from its codes (`FourBitLinear`), in less time.
    """
    model = llama.load(pretrained.folder("smollm2"), dtype=torch.float32 if four_bits else torch.bfloat16)
    if four_bits:
        with torch.no_grad():
            for part in model.layers.modules():
                if isinstance(part, torch.nn.Linear):
                    part.weight.copy_(fourbit.dequantise(fourbit.quantise(part.weight)))
    return model.to(torch.bfloat16)


def examples(tokenizer) -> list[tuple[list[int], list[int]]]:
    """Of the train split, forms of at most LONGEST tokens."""
    rows = [row for row in lm.load("notices", "train") if chatting.form(row)]
    found = [chatting.encode(tokenizer, chatting.messages(row), json.dumps(chatting.form(row))) for row in rows]
    return [one for one in found if len(one[0]) <= LONGEST]


def asked() -> list[dict]:
    """Notices of the test split."""
    return [row for row in lm.load("notices", "test") if chatting.form(row)][:NOTICES]


def train(model: llama.Llama, data, seed: int, log=print) -> list[float]:
    """The course's LoRA on all linear maps; returns the losses."""
    seed_everything(seed)
    adapters.add(model, "form", "lora", targets=chatting.ALL_LINEAR, rank=RANK, alpha=ALPHA)
    optimizer = torch.optim.AdamW(chatting.learning(model), lr=RATE, weight_decay=0.0)
    rises = lambda step: min((step + 1) / 10, (STEPS - step) / max(1, STEPS - 10))  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rises)
    order, losses = [], []
    for step in range(STEPS):
        while len(order) < BATCH:
            order += torch.randperm(len(data)).tolist()
        batch, order = chatting.collate([data[i] for i in order[:BATCH]]), order[BATCH:]
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            loss, _ = chatting.answer_loss(model, batch)
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.item())
        if step % 20 == 0:
            log(f"step {step}: {statistics.mean(losses[-20:]):.3f}, {time.process_time():.0f} s")
    return losses


@torch.no_grad()
def prose_loss(model: llama.Llama, tokenizer) -> float:
    """Mean -ln P of a token of the harbour's prose, in windows that begin anywhere."""
    ids = tokenizer("\n\n".join(lm.load("harbour", "validation")["text"]), return_tensors="pt")["input_ids"][0]
    windows = ids[: len(ids) // WINDOW * WINDOW].view(-1, WINDOW)
    windows = windows[torch.linspace(0, len(windows) - 1, WINDOWS).long()]
    with torch.autocast("cpu", torch.bfloat16):
        losses = [
            torch.nn.functional.cross_entropy(model(one[None])[0, :-1].float(), one[1:]).item() for one in windows
        ]
    return statistics.mean(losses)


@torch.no_grad()
def answers(model: llama.Llama, tokenizer, conversations, folder=None) -> list[str]:
    """Greedy answers in batches, by transformers' class with the same weights, and peft's with the folder's adapter."""
    from transformers import AutoConfig, LlamaForCausalLM

    config = AutoConfig.from_pretrained(pretrained.folder("smollm2"))
    theirs = LlamaForCausalLM(config).to(torch.bfloat16).eval()
    back = {ours: name for name, ours in llama.NAMES.items()}
    weights = {}
    for name, weight in adapters.base_parameters(model):
        parts = [back.get(part, part) for part in name.split(".")]
        weights[("" if name.startswith("head") else "model.") + ".".join(parts)] = weight
    theirs.load_state_dict(weights)
    if folder:
        from peft import PeftModel

        theirs = PeftModel.from_pretrained(theirs, folder).eval()
    tokenizer.padding_side, tokenizer.pad_token = "left", tokenizer.eos_token
    prompts = [tokenizer.apply_chat_template(one, add_generation_prompt=True, tokenize=False) for one in conversations]
    found = {}
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for some in (order[i : i + 20] for i in range(0, len(order), 20)):
        batch = tokenizer([prompts[i] for i in some], return_tensors="pt", padding=True, add_special_tokens=False)
        new = theirs.generate(**batch, max_new_tokens=56, do_sample=False, pad_token_id=tokenizer.eos_token_id)
        texts = tokenizer.batch_decode(new[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        found |= dict(zip(some, (text.strip() for text in texts), strict=True))
    return [found[i] for i in range(len(prompts))]


def file_of(way: str, seed: int, cache: Path) -> Path:
    return cache / f"{way.replace(' ', '_')}-{seed}.json"


def read(way: str, seed: int, cache: Path) -> dict:
    return json.loads(file_of(way, seed, cache).read_text(encoding="utf-8"))


def run(way: str, seed: int, cache: Path) -> dict:
    """One row's worth: answers to the test notices, and the loss on prose; kept in the cache."""
    file = file_of(way, seed, cache)
    if file.exists():
        return read(way, seed, cache)
    cache.mkdir(parents=True, exist_ok=True)
    tokenizer = pretrained.tokenizer_of("smollm2")
    found: dict = {}
    folder, rows = None, asked()
    model = base(four_bits=way in ("QLoRA", ROUNDED))
    if way in ("LoRA", "QLoRA"):
        start = time.process_time()
        found["losses"] = train(model, examples(tokenizer), seed, partial(print, way, seed, flush=True))
        found["seconds"] = time.process_time() - start
        folder = cache / f"{way}-{seed}"
        peft_files.save(model, "form", folder, base=peft_files.fingerprint(base(False)))
        conversations = [chatting.messages(row) for row in rows]
    elif way == ROUNDED:
        folder = cache / f"LoRA-{seed}"
        add_from(model, folder)
        conversations = [chatting.messages(row) for row in rows]
    else:
        shown = few() if way != "as it came" else []
        shown = shown[:2] if way == "two examples" else shown
        conversations = [chatting.messages(row, task=chatting.DESCRIPTION, shown=shown) for row in rows]
    found["prose"] = prose_loss(model, tokenizer)
    found["answers"] = answers(model, tokenizer, conversations, folder)
    found |= chatting.graded(found["answers"], rows)
    file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(way, seed, {k: v for k, v in found.items() if k not in ("answers", "losses")}, flush=True)
    return found


def add_from(model: llama.Llama, folder: Path) -> None:
    """Put the folder's adapter into a rounded base, which `peft_files.load` would rightly call another one."""
    exact = base(four_bits=False)
    peft_files.load(exact, "form", folder)
    adapters.add(model, "form", "lora", targets=chatting.ALL_LINEAR, rank=RANK, alpha=ALPHA)
    with torch.no_grad():
        for own, learned in zip(chatting.learning(model), chatting.learning(exact), strict=True):
            own.copy_(learned)


def few() -> list[dict]:
    """One short notice of the train split for each event."""
    rows = [row for row in lm.load("notices", "train") if chatting.form(row)]
    kinds = [[row for row in rows if row["kind"] == kind] for kind in chatting.EVENTS]
    return [min(some, key=lambda row: abs(len(row["text"]) - 200)) for some in kinds]


def chosen() -> list[tuple[str, str, int]]:
    """Title, way, seed of each run."""
    plain = [(way, way, 0) for way in (*BASELINES, ROUNDED)]
    return plain + [(f"{way}, seed {seed}", way, seed) for way in ("LoRA", "QLoRA") for seed in SEEDS]


def experiment(cache: Path) -> None:
    """All runs that the cache does not have; of each seed LoRA comes before what needs its adapter."""
    for _, way, seed in sorted(chosen(), key=lambda one: (one[2], one[1] == ROUNDED)):
        run(way, seed, cache)


def table(cache: Path) -> None:
    """The stored table of the runs that the cache has, their texts, and the first seed's adapter as a checkpoint."""
    found = {title: read(way, seed, cache) for title, way, seed in chosen() if file_of(way, seed, cache).exists()}
    measures = ["JSON, %", "fields right, %", "forms right, %", "values not in the notice, %"]
    rows = []
    for title in (*BASELINES, "LoRA", ROUNDED, "QLoRA"):
        runs = [one for name, one in found.items() if name == title or name.startswith(f"{title}, seed")]
        if not runs:
            continue
        row = {"model": TITLES[title], "runs": len(runs)}
        row |= {measure: band([one[measure] for one in runs], 0) for measure in measures}
        rows.append(row | {"perplexity of prose": band([math.exp(one["prose"]) for one in runs], 1)})
    notices = asked()
    texts = [
        {"notice": row["text"], "truth": json.dumps(chatting.form(row))}
        | {title: one["answers"][number] for title, one in found.items()}
        for number, row in enumerate(notices)
    ]
    training = {title: one for title, one in found.items() if "losses" in one}
    results.record(
        "smollm_lora",
        rows,
        about=f"SmolLM2-135M fills in the form of {len(notices)} test notices, half of whose names it never saw; "
        f"untrained with the task described, with or without examples in the prompt, and after {STEPS} "
        f"steps of {BATCH} forms (rank {RANK} on all linear maps, alpha {ALPHA:g}, rate {RATE:g}, base in bfloat16). "
        f"Lowest to highest of the runs. Perplexity of the harbour's prose, {WINDOWS} windows of {WINDOW}.",
        command="python benchmarks/smollm_adapters.py table",
        packages=PACKAGES,
        seeds=list(SEEDS),
        texts=texts,
        losses={title: [round(loss, 3) for loss in one["losses"]] for title, one in training.items()},
        training_seconds={title: round(one["seconds"]) for title, one in training.items()},
    )
    print(results.markdown("smollm_lora"))
    checkpoint = runtime.share("data") / "checkpoints" / "smollm2_form"
    checkpoint.mkdir(parents=True, exist_ok=True)
    for name in (peft_files.CONFIG, peft_files.WEIGHTS):
        (checkpoint / name).write_bytes((cache / "LoRA-0" / name).read_bytes())


# --- time and memory --------------------------------------------------------------------------------------------------


def stepper(way: str):
    """A training step on 4 x 128 tokens, of which the last 40 of each row are the answer, in float32."""
    torch.manual_seed(0)
    ids = torch.randint(1000, 40_000, (4, 128))
    batch = {"input_ids": ids, "labels": ids.clone()}
    batch["labels"][:, :-40] = chatting.IGNORED
    folder = pretrained.folder("smollm2")
    if way == "peft":
        from peft import LoraConfig, get_peft_model
        from transformers import LlamaForCausalLM

        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32), config)
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        loss_of = lambda: model(**batch).loss  # noqa: E731
    else:
        model = llama.load(folder)
        adapters.add(model, "form", "lora", targets=chatting.ALL_LINEAR, rank=RANK, alpha=ALPHA)
        learning = chatting.learning(model)
        chatting.recompute(model, AGAIN)
        loss_of = lambda: chatting.answer_loss(model, batch)[0]  # noqa: E731
    model.train()
    optimizer = torch.optim.AdamW(learning, lr=RATE, weight_decay=0.0)

    def step() -> None:
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()

    return step


def peak(way: str) -> None:
    """Print the peak memory of this process after two steps."""
    step = stepper(way)
    for _ in range(2):
        step()
    print(json.dumps(runtime.peak_memory()))


def bench() -> None:
    """Steps in turns; peak memory in processes of their own."""
    peaks: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(PROCESSES):
        for way in WAYS:
            command = [sys.executable, __file__, "peak", "--way", way]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            peaks[way].append(json.loads(said.strip().splitlines()[-1]) / 1e9)
    taken = in_turns({way: stepper(way) for way in WAYS}, TURNS)
    rows = [
        {
            "training": way,
            "s a step": round(statistics.median(taken[way]), 2),
            "times ours": round(statistics.median(ratios(taken[way], taken[OURS])), 2),
            "peak GB": round(statistics.median(peaks[way]), 2),
        }
        for way in WAYS
    ]
    what = "SmolLM2 with LoRA, 4 x 128 tokens"
    results.record(
        "smollm_speed",
        rows,
        about="SmolLM2, LoRA of rank 8 on all linear maps, float32: a training step on 4 x 128 tokens, 40 of each row "
        f"the answer, {TURNS} turns; peak memory of a process that loads the model and makes two steps, median of "
        f"{PROCESSES}; {torch.get_num_threads()} thread(s).",
        command="make bench ONLY=smollm_adapters",
        packages=PACKAGES,
        comparisons=[
            comparison(
                "12", f"{what}: a step", "peft", ratios(taken[OURS], taken["peft"]), "times its time", at_most=1
            ),
            comparison("12", f"{what}: peak memory", "", peaks[OURS], "GB", at_most=2.5),
            comparison("12", f"{what}: peak memory", "peft", ratios(peaks[OURS], peaks["peft"]), "times its memory"),
        ],
    )
    print(results.markdown("smollm_speed"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["train", "table", "peak"])
    parser.add_argument("--cache", type=Path, default=Path("runs/smollm"), help="a folder that keeps each run")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    lm.setup("12", quiet=True)
    if arguments.part == "peak":
        peak(arguments.way)
    elif arguments.part:
        {"train": experiment, "table": table}[arguments.part](arguments.cache)
    else:
        bench()
