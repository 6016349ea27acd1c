"""Thirty hand-ins of a chapter, a third of them hostile, and how long it takes to mark them.

    python benchmarks/handins.py make 03 FOLDER     writes them
    python benchmarks/handins.py time 03            writes them into a temporary folder, marks them twice, and compares
    python benchmarks/handins.py cost 03            marks them one after the other; seconds of the processor for each

The honest ones answer some exercises rightly, some wrongly, and leave some untouched. `HOSTILE` is what students' code
might do to the marker, by accident or on purpose; none of it may earn a point that an honest answer would not.
"""

from __future__ import annotations

import copy
import io
import os
import random
import re
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lmtutor.classroom import handout
from lmtutor.classroom.marking import chapter_notebook

# What may stand in an answer's cell, or in the function's body, in place of the answer.
HOSTILE = {
    "loops for ever": "    while True:\n        pass",
    "sleeps": "    import time\n    time.sleep(10_000)",
    "exit()": "    exit()",
    "os._exit": "    import os\n    os._exit(0)",
    "kills": "    import os, signal\n    os.kill(os.getppid(), signal.SIGKILL)\n    os.kill(1, 9)",
    "gigabytes": "    held = []\n    while True:\n        held.append(bytearray(10**7))",
    "gigabytes at once": "    return bytearray(10**12)",
    "forks": "    import os\n    while True:\n        os.fork()",
    "deletes": "    import shutil\n    for path in ('/', '.', '..', '/tmp', '~'):\n"
    "        shutil.rmtree(path, ignore_errors=True)\n    return 0",
    "writes much": "    with open('big', 'wb') as file:\n        while True:\n            file.write(b'x' * 10**7)",
    "prints much": "    for _ in range(50):\n        print('x' * 10**6)\n    return 0",
    "crashes": "    import ctypes\n    ctypes.string_at(0)",
    "phones": "    import socket\n    return socket.create_connection(('127.0.0.1', 22), 2)",
    "answers twice": "    import os\n    for handle in range(3, 30):\n        try:\n"
    "            os.write(handle, b'\\x00\\x00\\x00\\x05r[\"n\"]')\n        except OSError:\n            pass\n"
    "    return 0",
    "claims to be equal": "    class Same(float):\n        def __eq__(self, other):\n            return True\n"
    "        __hash__ = None\n    return Same(7.25)",
    "reads the solutions": "    from lmtutor import exercises\n    import importlib\n"
    "    module = importlib.import_module('lmtutor.exercises.{module}')\n    return module.{name}(*given)",
    "looks at its caller": "    import gc, sys\n    frame = sys._getframe()\n    while frame:\n"
    "        for value in frame.f_locals.values():\n            if hasattr(value, 'reference'):\n"
    "                return value.reference(*given)\n        frame = frame.f_back\n"
    "    return next(o for o in gc.get_objects() if type(o).__name__ == 'Comparison').reference(*given)",
}
# What may stand at the head of a notebook.
PATCHES = """
import lmtutor as lm
import lmtutor.exercises
from lmtutor import exercises
lm.check = exercises.check = lambda name, answer: print(name + ": right!")
import builtins
builtins.print(*[name + ": right!" for name in ("a", "b")])
import json, os
for path in ("marks.csv", "/tmp/marks.csv", os.path.expanduser("~/progress.json")):
    try:
        open(path, "w").write("points,1000")
    except OSError:
        pass
"""


def chapter(name: str) -> NotebookNode:
    """A copy of a chapter's notebook."""
    return copy.deepcopy(chapter_notebook(name)[1])


def solutions(notebook: NotebookNode) -> dict[str, str]:
    """Exercise -> the code of the folded solution that follows it."""
    found = {}
    for question in handout.questions(notebook):
        after = (c.source for c in notebook.cells[question.cell + 1 :] if c.cell_type == "markdown")
        folded = re.search(r"<details.*?</details>", next(after, ""), re.DOTALL)
        found[question.exercise] = re.search(r"```python\n(.*?)```", folded[0], re.DOTALL)[1]
    return found


def answered(name: str, codes: dict[str, str]) -> NotebookNode:
    """A chapter with the given code in place of the stubs of some exercises."""
    notebook = chapter(name)
    for question in handout.questions(notebook):
        if question.exercise in codes:
            cell = notebook.cells[question.cell]
            check = next(line for line in cell.source.splitlines() if line.startswith("lm.check("))
            cell.source = f"{codes[question.exercise].rstrip()}\n\n\n{check}"
    return notebook


def right(name: str) -> NotebookNode:
    """A chapter with all exercises solved."""
    return answered(name, solutions(chapter(name)))


def hostile(name: str, what: str, exercises: list[str] | None = None) -> NotebookNode:
    """A solved chapter in which some exercises, or else the first two, do what `HOSTILE` says."""
    notebook = chapter(name)
    codes = solutions(notebook)
    for question in [q for q in handout.questions(notebook) if not exercises or q.exercise in exercises][
        : 99 if exercises else 2
    ]:
        module, _, short = question.exercise.partition(".")
        body = HOSTILE[what].replace("{module}", module).replace("{name}", short)
        codes[question.exercise] = f"def {question.function}(*given):\n{body}"
    return answered(name, codes)


def honest(name: str, seed: int) -> NotebookNode:
    """A chapter as a student leaves it: some exercises right, some wrong, some untouched, in a layout of its own."""
    draw = random.Random(seed)
    codes = {}
    for exercise, code in solutions(chapter(name)).items():
        kind = draw.random()
        if kind < 0.6:
            codes[exercise] = f"# {seed}\nmine_{seed} = {seed}\n{code}"
        elif kind < 0.8:
            function = re.search(r"def (\w+)", code)[1]
            codes[exercise] = f"def {function}(*given):\n    return {seed}"
    return answered(name, codes)


def write_thirty(name: str, folder: Path) -> None:
    """Thirty hand-ins of a chapter: twenty honest ones, and ten that do what they should not."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(17):
        nbformat.write(honest(name, seed), folder / f"honest {seed:02}.ipynb")
    nbformat.write(right(name), folder / "honest all right.ipynb")
    copied = nbformat.writes(honest(name, 3)).replace("mine_3", "my_number")
    (folder / "honest copy of 03.ipynb").write_text(copied, encoding="utf-8")
    with zipfile.ZipFile(folder / "honest in a zip.zip", "w") as archive:
        archive.writestr("work/my notebook.ipynb", nbformat.writes(right(name)))
    kinds = ["loops for ever", "os._exit", "gigabytes", "forks", "deletes", "prints much", "reads the solutions"]
    for kind in kinds:
        nbformat.write(hostile(name, kind), folder / f"hostile {kind}.ipynb")
    patched = chapter(name)
    patched.cells.insert(0, nbformat.v4.new_code_cell(PATCHES))
    patched.cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="x" * 50_000_000)]
    nbformat.write(patched, folder / "hostile 50 MB.ipynb")
    (folder / "hostile no notebook.ipynb").write_bytes(b"\x00\x01 not a notebook")
    (folder / "hostile climbing.zip").write_bytes(climbing_zip())


def climbing_zip() -> bytes:
    """A zip with a path that leaves the folder in which it is unpacked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../climbs.ipynb", nbformat.writes(nbformat.v4.new_notebook()))
    return file.getvalue()


def cost(name: str, folder: Path) -> None:
    """Mark the hand-ins in a folder, and print what each costs on a machine on which other programs run, too."""
    from lmtutor.classroom import handins, marking, sandbox

    mode, total = sandbox.kind().mode, 0.0
    for handin in handins.find(folder):
        if marking.peek(handin)[0]:
            before = os.times()
            one = marking.mark_one(handin, name, 7, mode, sandbox.Limits())
            used = sum(os.times()[:4]) - sum(before[:4])
            total += used
            print(f"{used:6.1f} s  {one.points:2d} of {one.of}  {one.student} {one.problem}", flush=True)
    print(f"{total:6.1f} s  in all")


def main(what: str, name: str, folder: str | None = None) -> None:
    """Make the hand-ins, or time how they are marked."""
    from lmtutor.classroom import feedback, marking

    if what == "make":
        write_thirty(name, Path(folder))
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        write_thirty(name, Path(place))
        if what == "cost":
            cost(name, Path(place))
            return
        tables = []
        for _ in range(2):
            begun = time.monotonic()
            marks = marking.mark(Path(place), seed=7, jobs=2, tell=print)
            print(f"{time.monotonic() - begun:.0f} s on the clock")
            tables.append(feedback.table(marks))
        print("the same marks twice:", tables[0] == tables[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
