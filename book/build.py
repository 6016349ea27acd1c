"""Build the book: `make book` calls this in the environment .venv-book.

    python book/build.py

The pages go to runs/book/html; whatever Sphinx warns of stops the build.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402

OUT = HERE.parent / "runs" / "book"


def main() -> int:
    from sphinx.cmd.build import build_main

    start = time.monotonic()
    for name in ("source", "html"):  # a chapter or a page that is gone shall not stay
        shutil.rmtree(OUT / name, ignore_errors=True)
    names = pages.make_sources(OUT / "source")
    options = ["-q", "-W", "--keep-going", "-j", "auto", "-c", str(HERE), "-d", str(OUT / "doctrees")]
    status = build_main([*options, "-b", "html", str(OUT / "source"), str(OUT / "html")])
    if status == 0:
        print(f"{len(names)} notebooks in {time.monotonic() - start:.0f} s: open runs/book/html/index.html")
    return status


if __name__ == "__main__":
    sys.exit(main())
