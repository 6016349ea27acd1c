"""All measurements of one kind in one run, and the table made of them.

    python benchmarks/run.py bench [NAME ...]        speed and memory, ours beside the library's: BENCH.md
    python benchmarks/run.py scoreboard [NAME ...]   what the course's models reach on real data: SCOREBOARD.md
    python benchmarks/run.py tables                  only writes both tables anew, from results/*.json

`make bench` and `make scoreboard` call it. Each program runs in a process of its own. What is timed runs alone, on all
cores. The scoreboard's programs run side by side, one on each core, or one after the other on a GPU. With
LMTUTOR_PROFILE=full (which wants a GPU) those run that have larger settings for it, and then all chapters.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

import lmtutor as lm
from lmtutor import results, runtime
from lmtutor.runtime import Stopwatch

HERE = Path(__file__).parent
LOGS = HERE.parent / "runs" / "bench"
WANTS_DATA = "It wants real data: set LMTUTOR_SOURCE=local and LMTUTOR_DATA_DIR, or LMTUTOR_SOURCE=hub."
# Program, part, whether it wants real data.
BENCH = [
    ("startup", "", False),
    ("load", "", False),
    ("ngram", "speed", True),
    ("training", "", False),
    ("attention", "cost", False),
    ("decoding", "", False),
    ("llama", "", False),
    ("pretraining", "speed", False),
    ("finetuning", "speed", False),
    ("adapters", "speed", False),
    ("adapters", "memory", False),
    ("smollm_adapters", "", False),
    ("data_influence", "speed", False),
    ("interpretability", "speed", False),
]
# The longest first, so that no core waits long for the last one.
SCOREBOARD = [
    "translation",
    "adapters",
    "finetuning",
    "interpretability",
    "extraction",
    "gpt",
    "recurrent",
    "classifier",
    "embeddings",
    "transformer",
    "pretraining",
    "ngram",
]
FULL = ["gpt", "translation", "recurrent"]  # have settings of their own for the full profile
HEADS = {
    "BENCH.md": """# Speed and memory, side by side

Ours and the other one do the same work in turns, in one process of its own for each program; the median of all turns
and the middle half of them. `make bench` measures everything anew, `make bench ONLY=decoding` one program; the
numbers come from `results/*.json`, which say on which machine, when and with which versions.
""",
    "SCOREBOARD.md": """# What the models reach on real data

Mean over the seeds, and the lowest and highest. `make scoreboard` runs everything anew (it wants `LMTUTOR_SOURCE=local`
and `LMTUTOR_DATA_DIR`, or `LMTUTOR_SOURCE=hub`), `make scoreboard ONLY=gpt` one program; the numbers come from
`results/*.json`, which say on which machine, when and with which versions. Two cores take some
40 minutes for all of it. A published figure stands beside it where there is one, with what differs.
""",
}


def run(program: str, part: str, threads: int) -> dict:
    """Run a program, its output into a log: minutes by the clock and of the processor, and peak memory."""
    command = [sys.executable, str(HERE / f"{program}.py"), *([part] if part else [])]
    name, log = f"{program} {part}".strip(), LOGS / f"{program}{'_' + part if part else ''}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    print(f"{name}: running; what it says goes to {log}", flush=True)
    with Stopwatch() as watch, log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    print(f"{name}: {'FAILED' if status else 'done'} after {watch.seconds / 60:.1f} min", flush=True)
    return {
        "program": name,
        "minutes": round(watch.seconds / 60, 1),
        "processor minutes": round((usage.ru_utime + usage.ru_stime) / 60, 1),
        "peak memory, MB": round(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6),
        "ok": status == 0,
    }


def rows_of(key: str) -> list[dict]:
    """What the stored results say under `key`, in the order of the chapters."""
    names = sorted(path.stem for path in runtime.share("results").glob("*.json"))
    found = [row for name in names for row in results.read(name).get(key, [])]
    return sorted(found, key=lambda row: row["chapter"])


def page(name: str) -> str:
    """BENCH.md or SCOREBOARD.md, made from the stored results."""
    key, last = {"BENCH.md": ("comparisons", "bench"), "SCOREBOARD.md": ("scores", "scoreboard")}[name]
    rows = rows_of(key)
    lines = [HEADS[name], "| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(f"{value}" for value in row.values()) + " |" for row in rows]
    return "\n".join([*lines, "", "## What it took", "", results.markdown(last), ""])


def write(name: str) -> None:
    (HERE / name).write_text(page(name), encoding="utf-8")
    print(f"benchmarks/{name} is written anew.")


def keep(name: str, taken: list[dict], seconds: float) -> None:
    """Keep what the programs took, beside what is known of those that did not run now."""
    stored = name + "_full" * (runtime.current().profile == "full")
    there = (runtime.share("results") / f"{stored}.json").exists()
    known = {row["program"]: row for row in (results.read(stored)["rows"] if there else [])}
    rows = known | {row["program"]: row for row in taken}
    about = {
        "bench": "Each program alone, on all cores.",
        "scoreboard": f"{workers()} programs at once, {threads()} thread(s) each.",
    }[name]
    if len(taken) == len(rows):
        about += f" Together they took {seconds / 60:.0f} minutes."
    results.record(name, list(rows.values()), about=about, command=f"make {name}")


def workers() -> int:
    """How many programs of the scoreboard run at once."""
    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


def threads() -> int:
    """For each program of the scoreboard."""
    return max(1, (os.cpu_count() or 1) // workers())


def bench(names: list[str]) -> bool:
    """Run what is timed, one program after the other."""
    taken = []
    with Stopwatch() as watch:
        for program, part, wants_data in BENCH:
            if names and program not in names:
                continue
            if wants_data and runtime.current().source == "embedded":
                print(f"{program} {part}: left out. {WANTS_DATA}")
                continue
            taken.append(run(program, part, os.cpu_count() or 1))
    return finish("bench", "BENCH.md", taken, watch.seconds)


def scoreboard(names: list[str]) -> bool:
    """Run what is learned from real data."""
    if runtime.current().source == "embedded":
        raise SystemExit(WANTS_DATA)
    full = runtime.current().profile == "full"
    chosen = [program for program in (FULL if full else SCOREBOARD) if not names or program in names]
    with Stopwatch() as watch, ThreadPoolExecutor(workers()) as pool:
        taken = list(pool.map(lambda program: run(program, "real", threads()), chosen))
    ok = finish("scoreboard", "SCOREBOARD.md", taken, watch.seconds)
    if full and not names:
        chapters = [sys.executable, "-m", "lmtutor.course.cli", "run", "--profile", "full", "--store"]
        ok = subprocess.run(chapters, check=False).returncode == 0 and ok
    return ok


def finish(name: str, table: str, taken: list[dict], seconds: float) -> bool:
    """Keep the times, write the table, say which programs failed."""
    failed = [row["program"] for row in taken if not row.pop("ok")]
    keep(name, [row for row in taken if row["program"] not in failed], seconds)
    write(table)
    if failed:
        print(f"FAILED: {', '.join(failed)}; their logs are in {LOGS}.")
    return not failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bench", "scoreboard", "tables"])
    parser.add_argument("names", nargs="*", help="only these programs")
    chosen = parser.parse_args()
    known = {"bench": [program for program, *_ in BENCH], "scoreboard": SCOREBOARD, "tables": []}[chosen.what]
    for name in chosen.names:
        runtime.choose(name, sorted(set(known)), "The program")
    lm.setup()
    if chosen.what == "tables":
        for name in HEADS:
            write(name)
    elif not {"bench": bench, "scoreboard": scoreboard}[chosen.what](chosen.names):
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except runtime.CourseError as error:
        sys.exit(str(error))
