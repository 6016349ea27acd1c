"""What turns CI red: `make test` runs the notebooks so that nothing that goes wrong in them is green."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 25  # seconds: on a busy machine, too, the first cell below is training by then

SLOW = """import time
from pathlib import Path
import torch
from lmtutor import training

def loss(model, batch):
    time.sleep(0.1)
    return model(batch).square().sum(), len(batch)

history = training.fit(
    torch.nn.Linear(2, 1), torch.randn(64, 2), loss=loss, steps=100_000, batch_size=4, progress=False
)
Path("ended").write_text(history.attrs["stopped"], encoding="utf-8")"""


def make_test_runs_notebooks_with() -> list[str]:
    """The arguments of pytest, from what `make test` would run."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    printed = subprocess.check_output(["make", "-n", "test"], cwd=ROOT, env=environment, encoding="utf-8")
    (found,) = re.findall(r"-m pytest (--nbval.*?) \|\|", printed)
    return shlex.split(found)


@pytest.mark.slow
def test_a_training_that_is_cut_off_is_red_and_so_is_what_follows_it(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in (SLOW, "print('here')", "assert False", "print('end')")]
    for count, cell in enumerate(cells, start=1):
        cell.execution_count = count
    cells[0].metadata["tags"] = ["nbval-ignore-output"]
    cells[1].outputs = [nbformat.v4.new_output("stream", text="stored\n")]
    cells[3].outputs = [nbformat.v4.new_output("stream", text="end\n")]
    (tmp_path / "chapters").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "chapters" / "slow.ipynb")
    for name in ("pyproject.toml", "chapters/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    options = [re.sub("timeout=.*", f"timeout={LIMIT}", word) for word in make_test_runs_notebooks_with()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LMTUTOR_DEVICE": "cpu"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    ended = (tmp_path / "chapters" / "ended").read_text(encoding="utf-8")
    assert ended == "interrupted"  # fit took the interrupt, and the cell ended well
    failed = re.findall(r"^FAILED \S*slow.ipynb::(Cell \d)", done.stdout, flags=re.MULTILINE)
    assert done.returncode == 1 and failed == ["Cell 0", "Cell 1", "Cell 2"] and "1 passed" in done.stdout, done.stdout
    assert f"cut off after {LIMIT} seconds" in done.stdout
