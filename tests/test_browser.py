"""A real browser: JupyterLab opens chapter 01, runs it, and its widget answers.

Needs Chromium and playwright; it says so where they are missing. The last screen is kept in runs/browser.png.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "01_ngram_language_models.ipynb"
SECONDS = 400  # for all cells of the chapter, on a busy machine
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture
def chapter(tmp_path) -> Path:
    """A copy of the chapter without outputs, so that whatever is seen later was computed in the browser's session."""
    folder = tmp_path / "chapters"
    shutil.copytree(ROOT / "chapters", folder, ignore=shutil.ignore_patterns(".*"))
    notebook = nbformat.read(folder / CHAPTER, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, folder / CHAPTER)
    return folder / CHAPTER


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@contextmanager
def jupyterlab(folder: Path, tmp_path: Path):
    """JupyterLab as `make lab` starts it, on a free port; gives the address and the token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    own = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    environment = {**os.environ, **own, "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
    environment.pop("MPLBACKEND", None)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--port-retries=0",
    ]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with (tmp_path / "lab.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_until(
            lambda: listens(port),
            90,
            lambda: f"JupyterLab did not start:\n{(tmp_path / 'lab.log').read_text(encoding='utf-8')}",
        )
        yield f"http://127.0.0.1:{port}", token
    finally:
        server.terminate()  # it ends its kernels, too
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, seconds: float, complaint):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, complaint()
        time.sleep(0.5)
    return result


@contextmanager
def browser_page(tmp_path: Path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "browser",
            executable_path=CHROMIUM,
            headless=True,
            args=ARGUMENTS,
            viewport={"width": 1280, "height": 1000},
        )
        try:
            yield context.pages[0]
        finally:
            (ROOT / "runs").mkdir(exist_ok=True)
            context.pages[0].screenshot(path=ROOT / "runs" / "browser.png")
            context.close()


def test_a_chapter_runs_in_the_browser_and_its_widget_answers(chapter, tmp_path):
    notebook = nbformat.read(chapter, as_version=4)
    with jupyterlab(chapter.parent, tmp_path) as (address, token), browser_page(tmp_path) as page:
        page.goto(f"{address}/lab/tree/{chapter.name}?token={token}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=120_000)
        page.get_by_text("| Idle").wait_for(timeout=120_000)  # in the status bar: the kernel is there
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

        last = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").last
        error = page.locator(
            '[data-mime-type="application/vnd.jupyter.error"], .jp-RenderedText[data-mime-type*="stderr"]'
        )
        wait_until(
            lambda: re.search(r"\[\d+\]", last.inner_text()) or error.count(),
            SECONDS,
            lambda: "some cells still run or wait",
        )
        assert not error.count(), error.first.inner_text()

        place = next(i for i, cell in enumerate(notebook.cells) if "widgets.next_word(" in cell.source)
        cell = page.locator(".jp-Notebook .jp-Cell").nth(place)
        cell.scroll_into_view_if_needed()
        picture, handle = cell.locator(".jp-OutputArea img").first, cell.locator(".noUi-handle").first
        picture.wait_for()
        before = picture.get_attribute("src")
        handle.focus()
        page.keyboard.press("ArrowLeft")
        wait_until(
            lambda: picture.get_attribute("src") != before, 60, lambda: "the slider moved, but the picture stayed"
        )
        picture.scroll_into_view_if_needed()
