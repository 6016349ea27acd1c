"""SmolLM2 in the course's Llama against `transformers.LlamaForCausalLM` of the same weights: writing, loading, memory.

    make bench ONLY=llama

Both write the same text greedily with a cache, one after the other in turns. Loading and memory are measured in
processes of their own, which read the converted file and write a few tokens.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from functools import partial

import torch
from measure import comparison, in_turns, middle, ratios

from lmtutor import decoding, pretrained, results
from lmtutor.models import llama
from lmtutor.runtime import Stopwatch

PROMPT, NEW, TURNS, LOADS = 16, 48, 7, 5
# In a process of its own: seconds to load, peak memory in GB, and that it writes.
PROBE = """
import json, resource, sys, time
import torch
from functools import partial
from lmtutor import decoding, pretrained
from lmtutor.models import llama
folder = pretrained.folder("smollm2")
start = time.perf_counter()
model = llama.load(folder, dtype=getattr(torch, sys.argv[1]))
seconds = time.perf_counter() - start
ids = torch.arange(1000, 1016)[None]
written = decoding.generate(partial(llama.step, model), model.cache(), ids, max_tokens=8)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
print(json.dumps({"seconds": seconds, "peak": peak}))
"""


def prompt() -> torch.Tensor:
    return torch.randint(1000, 40_000, (1, PROMPT), generator=torch.Generator().manual_seed(0))


def writing() -> tuple[dict, list[float]]:
    """Greedy texts of both, in turns: a row of the table, and the ratio of each turn."""
    from transformers import LlamaForCausalLM

    folder = pretrained.folder("smollm2")
    ours, theirs = llama.load(folder), LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = prompt()
    # No token ends the text, so that both do the same work.
    options = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False}
    works = {
        "ours": lambda: decoding.generate(partial(llama.step, ours), ours.cache(), ids, max_tokens=NEW),
        "theirs": lambda: theirs.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)[:, PROMPT:],
    }
    if not torch.equal(*(work() for work in works.values())):
        raise SystemExit("The two wrote different texts.")
    taken = in_turns(works, TURNS)
    faster = ratios(taken["theirs"], taken["ours"])
    row = {
        "what": f"SmolLM2, greedy, {NEW} new tokens, batch of 1",
        **{name: round(NEW / statistics.median(seconds), 1) for name, seconds in taken.items()},
        "unit": "tokens/s",
        "ratio": round(statistics.median(faster), 2),
        "middle half of the ratios": middle(faster),
    }
    return row, faster


def probe(dtype: str) -> dict[str, float]:
    """What a process says of loading with this type, and of its memory."""
    done = subprocess.run([sys.executable, "-c", PROBE, dtype], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def cache_rows() -> list[dict]:
    """Bytes that keys and values of a text take: SmolLM2's, and if each head had its own."""
    rows = []
    for kv_heads, what in ((3, "3 shared key heads, as SmolLM2 has"), (9, "9 key heads, one for each query head")):
        sizes = {"hidden_size": 576, "num_heads": 9, "num_kv_heads": kv_heads, "num_layers": 30, "inner_size": 32}
        model = llama.Llama(64, **sizes, max_length=8192).eval()
        for window in (None, 256):
            model.window = window
            cache = model.cache()
            with torch.inference_mode():
                for ids in torch.zeros(1, 1024, dtype=torch.long).split(256, dim=1):
                    llama.step(model, ids, cache)
            kept = "all of 1,024 tokens" if window is None else f"a window of {window}"
            rows.append({"cache": what, "keeps": kept, "megabytes": round(cache.nbytes / 1e6, 1)})
    return rows


def main() -> None:
    load = os.getloadavg()[0]  # what else the machine does
    with Stopwatch() as watch:
        row, faster = writing()
        print(row, flush=True)
        probes = {dtype: [probe(dtype) for _ in range(LOADS)] for dtype in ("float32", "bfloat16")}
        caches = cache_rows()
    about = (
        f"SmolLM2-135M in our class against transformers' LlamaForCausalLM, float32, the same text; medians of {TURNS} "
        f"runs taking turns; {torch.get_num_threads()} thread(s), load {load:.1f} at the start."
    )
    common = {
        "command": "make bench ONLY=llama",
        "packages": ("torch", "transformers", "safetensors"),
        "seconds": round(watch.seconds),
        "seed": 0,
    }
    name = "SmolLM2 in our Llama"
    rows = [
        comparison("08", row["what"], "LlamaForCausalLM", faster, "times as fast", at_least=1.2),
        *(
            comparison("08", f"{name}: load, {dtype}", "", [p["seconds"] for p in found], "s", at_most=2.0)
            for dtype, found in probes.items()
        ),
        *(
            comparison("08", f"{name}: peak memory, {dtype}", "", [p["peak"] for p in found], "GB", at_most=most)
            for (dtype, found), most in zip(probes.items(), (1.3, 0.8), strict=True)
        ),
    ]
    results.record("llama_speed", [row], about=about, comparisons=rows, **common)
    about = "Keys and values of a text of 1,024 tokens, 30 layers with heads of 64, float32, read 256 at a time."
    results.record("llama_cache", caches, about=about, **common)
    for table in ("llama_speed", "llama_cache"):
        print(results.markdown(table))


if __name__ == "__main__":
    main()
