"""The course on one GPU, within ten minutes: every kind of model in bf16 and fp16, then chapters in the full profile.

    python benchmarks/gpu.py                     `make gpu`; real data come from LMTUTOR_DATA_DIR
    python benchmarks/gpu.py --minutes 5         less time
    python benchmarks/gpu.py --rehearse [08 ...] on any machine, with shrunk sizes and data: does everything run?

What was measured is kept after each part, so that a run that is broken off keeps it: in `results/gpu.json`, and the
chapters' costs in `results/costs.json`. A rehearsal keeps it in `runs/gpu/`. A chapter that fails stops nothing.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
import kinds

from lmtutor import results, runtime, training
from lmtutor.course import execute
from lmtutor.models import gpt
from lmtutor.runtime import Stopwatch

OUT = Path(__file__).parent.parent / "runs" / "gpu"
PRECISIONS = ("bf16", "fp16")
SMOKE_SECONDS = 40
CHAPTER_SECONDS = 240  # at most, of the time that is left
# In the order of value: what a GPU is for first, then what it changes little; the last ones hardly need it.
ORDER = [
    *(("08", "bf16"), ("10", "bf16"), ("07", "bf16"), ("12", "bf16"), ("09", "bf16"), ("05", "bf16"), ("08", "fp16")),
    *(("11", "bf16"), ("04", "bf16"), ("03", "bf16"), ("06", "bf16"), ("10", "fp16"), ("02", "bf16"), ("01", "bf16")),
    *(("13", "bf16"), ("14", "bf16"), ("15", "bf16"), ("16", "bf16")),
]
ABOUT = "Chapters in the full profile on one GPU with real data, within some minutes; and every kind of model."


# --- every kind of model ----------------------------------------------------------------------------------------------


def trained(kind: str, device: str, precision: str, steps: int = 5) -> list[float]:
    """The losses of a small training of `kinds`."""
    os.environ |= {"LMTUTOR_DEVICE": device, "LMTUTOR_PRECISION": precision}
    return kinds.make(kind)[1](steps=steps).train_loss.tolist()


def smoke(device: str, seconds: float) -> list[dict]:
    """Of each kind the largest relative difference of a loss to the CPU's float32, in each precision."""
    rows = []
    with Stopwatch() as watch:
        for kind in kinds.KINDS:
            if watch.seconds > seconds or "MiniLM" in kind:
                continue
            row = {"model": kind}
            try:
                expected = trained(kind, "cpu", "no")
                for precision in PRECISIONS:
                    found = trained(kind, device, precision)
                    row[precision] = max(abs(a - b) / b for a, b in zip(found, expected, strict=True))
            except Exception as error:  # told, and the others go on
                row["error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            rows.append(row)
    return rows


def product(device: str, precision: str, size: int) -> float:
    """Operations a second in a product of two square matrices: what can be reached."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    a = torch.randn(size, size, device=device, dtype=dtype)
    works = 0
    a @ a
    synchronise(device)
    with Stopwatch() as watch:
        while watch.seconds < 0.5:
            a @ a
            synchronise(device)
            works += 1
    return works * 2 * size**3 / watch.seconds


def speed(device: str, precision: str, shrink: int) -> dict:
    """The GPT of chapter 08's full profile: tokens a second, memory, and its share of what a product reaches."""
    os.environ |= {"LMTUTOR_DEVICE": device, "LMTUTOR_PRECISION": precision}
    cfg = runtime.chapter_numbers("08", "full", "local")
    hidden, batch_size = (cfg["hidden_size"], cfg["batch_size"]) if shrink == 1 else (48, 4)
    sizes = {"hidden_size": hidden, "num_heads": cfg["num_heads"], "num_layers": cfg["num_layers"]}
    model = gpt.GPT(65, **sizes, max_length=cfg["max_length"])
    windows = torch.randint(65, (2000, cfg["max_length"] + 1))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    fit = partial(training.fit, loss=gpt.next_token_loss, batch_size=batch_size, progress=False)
    history = fit(model, windows, steps=60 if shrink == 1 else 4, log_every=20 if shrink == 1 else 2)
    tokens = history.tokens_per_second.iloc[-1]
    parameters = sum(p.numel() for p in model.parameters())
    attention = 12 * cfg["num_layers"] * hidden * cfg["max_length"]  # queries by keys, weights by values; 3 passes
    reached = product(device, precision, 8192 if shrink == 1 else 256)
    return {
        "precision": precision,
        "tokens a second": round(float(tokens)),
        "memory, MB": round(torch.cuda.max_memory_allocated() / 1e6) if device == "cuda" else None,
        "a product's TFLOP/s": round(reached / 1e12, 3),
        "share of it": round(float(tokens) * (6 * parameters + attention) / reached, 3),
    }


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


# --- chapters ---------------------------------------------------------------------------------------------------------


def chapter(number: str, precision: str, environment: dict[str, str], seconds: float) -> dict:
    """Execute a chapter in the full profile in a process of its own: seconds, memory, and how it ended."""
    out = OUT / f"{number}_{precision}"
    command = [sys.executable, "-m", "lmtutor.course.cli", "run", number, "--profile", "full", "--out", str(out)]
    row = {"chapter": number, "precision": precision}
    (out / "costs.json").unlink(missing_ok=True)
    with Stopwatch() as watch:
        process = subprocess.Popen(
            command, env=environment | {"LMTUTOR_PRECISION": precision}, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            row["ended"] = f"cut off after {seconds:.0f} s"
        finally:
            end(process)
    if "ended" not in row:
        lines = [line for line in said.splitlines() if line.startswith(f"{number}_") and "code cells" not in line]
        row["ended"] = "ok" if process.returncode == 0 else (lines or said.splitlines() or ["it said nothing"])[0]
    copies = [file.read_text(encoding="utf-8") for file in out.glob("*.ipynb")]
    claims = sum(copy.count("A claim that so small a run does not reach:") for copy in copies)
    return row | {"seconds": round(watch.seconds, 1)} | ({"claims not reached": claims} if claims else {})


def end(process: subprocess.Popen) -> None:
    """End the process and its kernel, if they still run."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def costs_of(rows: list[dict]) -> dict:
    """What the chapters that ran to their end say of their costs."""
    files = [OUT / f"{row['chapter']}_{row['precision']}" / "costs.json" for row in rows if row["ended"] == "ok"]
    return {name: cost for file in files[::-1] for name, cost in json.loads(file.read_text(encoding="utf-8")).items()}


def keep(rows: list[dict], models: list[dict], speeds: list[dict], rehearsal: bool) -> None:
    """Write down what is known so far."""
    if rehearsal:
        content = json.dumps({"rows": rows, "models": models, "speed": speeds}, indent=1)
        (OUT / "rehearsal.json").write_text(content + "\n", encoding="utf-8")
        return
    results.record(
        "gpu", rows, about=ABOUT, command="python benchmarks/gpu.py", packages=execute.PACKAGES,
        models=models, speed=speeds,
    )  # fmt: skip
    path = runtime.share("results") / "costs.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    merged = execute.merge_costs(stored, costs_of(rows))
    path.write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# --- the rehearsal ----------------------------------------------------------------------------------------------------

SHRUNK = 40  # so many times fewer steps, examples and texts
WIDTHS = {"hidden_size": 48, "embedding_size": 48, "inner_size": 64, "lstm_size": 48, "live_size": 32}
WIDTHS |= {"vector_size": 32, "num_layers": 2, "max_length": 64, "batch_size": 16, "large": 64, "num_heads": 4}
COUNTED = ("steps", "epochs", "rounds", "sentences", "probabilities", "samples", "size", "texts", "searched", "prompts")
COUNTED += (
    "guesses",
    "probed",
    "questions",
    "examples",
    "answers",
    "names",
    "names_epochs",
    "new_tokens",
    "max_tokens",
)
LEAST = {"epochs": 1, "steps": 4, "answers": 1, "names": 1, "sentences": 20}


def shrunk(name: str, value: object) -> object:
    """A number of a profile as a rehearsal takes it."""
    if isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        return sorted({min(one, 300 * (i + 1)) for i, one in enumerate(value)})
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if name == "vocabulary_size":  # bytes and some merges
        return min(value, 600)
    if name in WIDTHS:
        return min(value, WIDTHS[name])
    counted = [end for end in COUNTED if name.endswith(end) and name != "checkpoint_steps"]
    return max(value // SHRUNK, min(value, LEAST.get(counted[0], 20))) if counted else value


def cut(splits: dict) -> dict:
    """Fewer examples of each split; of a single long text its beginning."""

    def part(rows: object) -> object:
        rows = list(rows)
        if len(rows) == 1:
            return [{k: v[: len(v) // SHRUNK] if isinstance(v, str) else v for k, v in rows[0].items()}]
        return rows[: max(len(rows) // SHRUNK, 200)]

    return {name: part(rows) for name, rows in splits.items()}


class Claims(ast.NodeTransformer):
    """Makes of each `assert` of a cell one that tells and goes on: so small a run cannot reach every result."""

    def visit_Assert(self, node: ast.Assert) -> ast.Try:
        telling = f"print('A claim that so small a run does not reach:', {ast.unparse(node.test)!r})"
        found = ast.parse(f"try:\n    pass\nexcept AssertionError:\n    {telling}").body[0]
        found.body = [node]
        return ast.fix_missing_locations(ast.copy_location(found, node))


def shrink() -> None:
    """In a kernel of a rehearsal: profiles and real data become small, claims tell. The package knows nothing of it."""
    from IPython import get_ipython

    get_ipython().ast_transformers.append(Claims())
    from lmtutor.data import catalogue

    numbers, load = runtime.chapter_numbers, catalogue._load_local
    runtime.chapter_numbers = lambda *args: {name: shrunk(name, value) for name, value in numbers(*args).items()}
    catalogue._load_local = lambda *args: cut(load(*args))


def startup(folder: str) -> None:
    """Have each kernel that is started with IPYTHONDIR=folder call `shrink` first."""
    file = Path(folder) / "profile_default" / "startup" / "shrink.py"
    file.parent.mkdir(parents=True)
    lines = ["import sys", f"sys.path.insert(0, {str(Path(__file__).parent)!r})", "import gpu", "gpu.shrink()"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", help="only these")
    parser.add_argument("--minutes", type=float, default=10.0, help="of all together")
    parser.add_argument("--seconds", type=float, default=CHAPTER_SECONDS, help="of a chapter at most")
    parser.add_argument("--rehearse", action="store_true", help="with shrunk sizes and data, on any machine")
    chosen = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not chosen.rehearse:
        sys.exit("There is no NVIDIA GPU here: say --rehearse to try everything with shrunk sizes.")
    if not os.environ.get("LMTUTOR_DATA_DIR"):
        sys.exit("It wants real data: set LMTUTOR_DATA_DIR to the folder that holds them.")
    os.environ.pop("LMTUTOR_PROFILE", None)  # of this process; the chapters run in the full one
    OUT.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "LMTUTOR_SOURCE": "local", "LMTUTOR_DEVICE": device}
    rows, models, speeds = [], [], []
    with Stopwatch() as watch, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if chosen.rehearse:
            startup(folder)
            environment["IPYTHONDIR"] = folder
        if not chosen.chapters:
            models = smoke(device, SMOKE_SECONDS)
            print(*models, sep="\n", flush=True)
            speeds = [speed(device, precision, 1 + chosen.rehearse) for precision in PRECISIONS]
            print(*speeds, sep="\n", flush=True)
        for number, precision in ORDER:
            left = 60 * chosen.minutes - watch.seconds
            if (chosen.chapters and number not in chosen.chapters) or left < 10:
                continue
            rows.append(chapter(number, precision, environment, min(left, chosen.seconds)))
            print(rows[-1], flush=True)
            keep(rows, models, speeds, chosen.rehearse)
    print(f"{sum(row['ended'] == 'ok' for row in rows)} of {len(rows)} ran to their end, in {watch.seconds:.0f} s.")
    sys.exit(any(row["ended"] != "ok" and "cut off" not in row["ended"] for row in rows) and not chosen.rehearse)


if __name__ == "__main__":
    main()
