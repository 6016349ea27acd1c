"""What starting costs: `import lmtutor` beside `import torch`, and a kernel's way to the end of `lm.setup()`.

    make bench ONLY=startup

writes startup.json into benchmarks/results.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from lmtutor import results
from lmtutor.runtime import Stopwatch

REPETITIONS = 7


def seconds_of(code: str) -> float:
    """Seconds that a fresh Python takes for the code, its own start included."""
    with Stopwatch() as watch:
        subprocess.run([sys.executable, "-c", code], check=True)
    return watch.seconds


def seconds_to_setup() -> float:
    """Seconds from starting a kernel to the end of `lm.setup()` in its first cell."""
    notebook = new_notebook(cells=[new_code_cell("import lmtutor as lm\nlm.setup()")])
    with Stopwatch() as watch:
        NotebookClient(notebook, kernel_name="python3").execute()
    return watch.seconds


def main() -> None:
    codes = {"import torch": "import torch", "import lmtutor": "import lmtutor"}
    measured = {name: [] for name in codes}
    for _ in range(REPETITIONS):  # in turn, so that both meet the same load
        for name, code in codes.items():
            measured[name].append(seconds_of(code))
    setups = [seconds_to_setup() for _ in range(3)]
    rows = [
        {"what": name, "median, s": round(median(times), 2), "best, s": round(min(times), 2)}
        for name, times in measured.items()
    ]
    rows.append(
        {
            "what": "kernel start to end of lm.setup()",
            "median, s": round(median(setups), 2),
            "best, s": round(min(setups), 2),
        }
    )
    results.record(
        "startup",
        rows,
        about=f"Fresh processes, {REPETITIONS} each in turn (3 kernels); the kernel's time includes its shutdown.",
        command="make bench ONLY=startup",
        packages=("torch", "jupyterlab", "ipykernel"),
    )
    print(results.markdown("startup"))


if __name__ == "__main__":
    main()
