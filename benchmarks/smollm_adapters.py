"""LoRA and QLoRA on SmolLM2, as in chapter 12: it learns to fill in the harbour office's form.

python benchmarks/smollm_adapters.py train      the runs of three seeds, each kept in --cache, and what they score
python benchmarks/smollm_adapters.py table      the stored table, texts, and the adapter of the first seed
python benchmarks/smollm_adapters.py            a step's time and peak memory beside peft's (make bench ONLY=smollm_adapters)
"""

import argparse
import copy
import json
import math
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
from measure import band, comparison, in_turns, middle, ratios
from torch.nn.attention import SDPBackend, sdpa_kernel

import lmtutor as lm
from lmtutor import pretrained, results
from lmtutor.models import adapters, fourbit, llama, peft_files
from lmtutor.runtime import Stopwatch, seed_everything
from lmtutor.tasks import chatting

SEEDS, STEPS, BATCH, LONGEST, RATE, RANK, ALPHA = (0, 1, 2), 160, 4, 128, 2e-4, 8, 16.0
NOTICES, SHOWN = 60, 5  # of the test split; those whose texts are kept
WINDOWS, WINDOW = 12, 256  # of harbour prose, to measure what was forgotten
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


def run(way: str, seed: int, cache: Path) -> dict:
    """One row's worth: answers to the test notices, and the loss on prose; kept in the cache."""
    file = cache / f"{way.replace(' ', '_')}-{seed}.json"
    if file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    cache.mkdir(parents=True, exist_ok=True)
    tokenizer = pretrained.tokenizer_of("smollm2")
    found: dict = {}
    folder, rows = None, asked()
    model = base(four_bits=way == "QLoRA")
    if way in ("LoRA", "QLoRA"):
        start = time.process_time()
        found["losses"] = train(model, examples(tokenizer), seed, partial(print, way, seed, flush=True))
        found["seconds"] = time.process_time() - start
        folder = cache / f"{way}-{seed}"
        peft_files.save(model, "form", folder, base=peft_files.fingerprint(base(False)))
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


def few() -> list[dict]:
    """One short notice of the train split for each event."""
    rows = [row for row in lm.load("notices", "train") if chatting.form(row)]
    return [
        min((r for r in rows if r["kind"] == kind), key=lambda r: abs(len(r["text"]) - 200)) for kind in chatting.EVENTS
    ]
