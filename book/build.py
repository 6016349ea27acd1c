"""Build the book: `make book` calls this in the environment .venv-book.

    python book/build.py [--course-python PYTHON]

The pages go to runs/book/html; whatever Sphinx warns of is an error. Lesson plans come from `lmtutor`, which needs
PyTorch: they are pages if a Python that has the course is given.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402

OUT = HERE.parent / "runs" / "book"


PLANS = """
import json
from lmtutor.classroom import lessons
print(json.dumps({chapter: lessons.markdown(chapter) for chapter in lessons.chapters()}))
"""


def lesson_plans(python: str | None) -> dict[str, str]:
    """The lesson plan of each chapter that has one, as Markdown; none without a Python that has the course."""
    if python is None:
        print("Without lesson plans: the course is not installed (make doctor installs it).")
        return {}
    done = subprocess.run([python, "-c", PLANS], capture_output=True, text=True, check=True, cwd=HERE.parent)
    return json.loads(done.stdout)


def main(arguments: list[str] | None = None) -> int:
    from sphinx.cmd.build import build_main

    parser = argparse.ArgumentParser(description="Build the book from the stored notebooks.")
    parser.add_argument("--course-python", metavar="PYTHON", help="a Python that has lmtutor, for the lesson plans")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    for name in ("source", "html"):  # a chapter or a page that is gone shall not stay
        shutil.rmtree(OUT / name, ignore_errors=True)
    names = pages.make_sources(OUT / "source", plans=lesson_plans(options.course_python))
    sphinx = ["-q", "-W", "--keep-going", "-j", "auto", "-c", str(HERE), "-d", str(OUT / "doctrees")]
    status = build_main([*sphinx, "-b", "html", str(OUT / "source"), str(OUT / "html")])
    if status == 0:
        print(f"{len(names)} notebooks in {time.monotonic() - start:.0f} s: open runs/book/html/index.html")
    return status


if __name__ == "__main__":
    sys.exit(main())
