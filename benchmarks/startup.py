"""What starting costs: `import lmtutor` beside `import torch`, a kernel's way to the end of `lm.setup()`, a chat model.

    make bench ONLY=startup

writes startup.json into benchmarks/results.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median

from measure import comparison, in_turns
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from lmtutor import results

TURNS, KERNELS = 7, 3
CHAT_MODEL = "SmolLM2 from the learner's home"
LOAD = """
from transformers import AutoTokenizer, LlamaForCausalLM
from lmtutor import pretrained
from lmtutor.runtime import Stopwatch
with Stopwatch() as watch:
    folder = pretrained.folder("smollm2")
    LlamaForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
print(watch.seconds)
"""
TORCH, OURS, SETUP = "import torch", "import lmtutor", "kernel start to end of lm.setup()"


def run_python(code: str) -> None:
    """A fresh Python that does the code and ends."""
    subprocess.run([sys.executable, "-c", code], check=True)


def run_setup() -> None:
    """Start a kernel, run `lm.setup()` in its first cell, and end it."""
    notebook = new_notebook(cells=[new_code_cell("import lmtutor as lm\nlm.setup()")])
    NotebookClient(notebook, kernel_name="python3").execute()


def load_chat_model(turns: int) -> list[float]:
    """Seconds that it takes in fresh processes once it is converted: checksum, weights, tokenizer; without imports."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        options = {"env": os.environ | {"LMTUTOR_HOME": home}, "capture_output": True, "text": True, "check": True}
        found = [subprocess.run([sys.executable, "-c", LOAD], **options).stdout for _ in range(turns + 1)]
    return [float(seconds) for seconds in found[1:]]


def main() -> None:
    taken = in_turns({code: lambda code=code: run_python(code) for code in (TORCH, OURS)}, TURNS)
    taken |= in_turns({SETUP: run_setup}, KERNELS)
    taken[CHAT_MODEL] = load_chat_model(KERNELS)
    more = [ours - theirs for theirs, ours in zip(taken[TORCH], taken[OURS], strict=True)]
    results.record(
        "startup",
        [
            {"what": what, "median, s": round(median(seconds), 2), "best, s": round(min(seconds), 2)}
            for what, seconds in taken.items()
        ],
        about=f"Fresh processes, {TURNS} each in turn ({KERNELS} kernels); the kernel's time includes its shutdown.",
        command="make bench ONLY=startup",
        packages=("torch", "jupyterlab", "ipykernel"),
        comparisons=[
            comparison("00", OURS, TORCH, more, "s more", at_most=0.2),
            comparison("00", SETUP, "", taken[SETUP], "s", at_most=6),
            comparison("08", CHAT_MODEL, "", taken[CHAT_MODEL], "s", at_most=2),
        ],
    )
    print(results.markdown("startup"))


if __name__ == "__main__":
    main()
