"""What attention costs on long texts: time and memory over length, each length in a process of its own.

Made by `make bench ONLY=attention`.
"""

import resource
import statistics
import subprocess
import sys
import time

import torch
from torch.nn import functional as F

import lmtutor as lm
from lmtutor import results
from lmtutor.models import attention

LENGTHS = (512, 1024, 2048, 4096)
HEADS, SIZE, REPETITIONS = 4, 32, 5
KINDS = {
    "written out": lambda q, k, v: attention.attention(q, k, v)[0],
    "scaled_dot_product_attention": F.scaled_dot_product_attention,
}


def measure(kind: str, length: int) -> None:
    """Print the median seconds of forward and backward, and by how many MiB the peak memory rose."""
    torch.manual_seed(0)
    small = [torch.randn(1, HEADS, 8, SIZE, requires_grad=True) for _ in range(3)]
    KINDS[kind](*small).sum().backward()  # loads what is loaded once
    q, k, v = (torch.randn(1, HEADS, length, SIZE, requires_grad=True) for _ in range(3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        KINDS[kind](q, k, v).sum().backward()
        seconds.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(statistics.median(seconds), (after - before) / 1024)


def cost() -> None:
    rows = []
    for length in LENGTHS:
        row = {"words": length}
        for kind in KINDS:
            command = [sys.executable, __file__, "measure", kind, str(length)]
            seconds, mebibytes = map(float, subprocess.check_output(command, text=True).split())
            row |= {f"{kind}, ms": round(1e3 * seconds, 1), f"{kind}, MiB": round(mebibytes)}
        rows.append(row)
        print(row, flush=True)
    results.record(
        "attention_cost",
        rows,
        about=f"Forward and backward pass of one layer's attention, {HEADS} heads of {SIZE} numbers, float32; median "
        f"of {REPETITIONS} runs, and growth of the process's peak memory; {torch.get_num_threads()} thread(s).",
        command="make bench ONLY=attention",
        packages=("torch",),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        lm.setup("05")
        cost()
