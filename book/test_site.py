"""The built pages in Chromium: `make test-book` builds book and slides, and runs this with pytest in .venv-book.

Nothing is asked of another server, every link inside leads somewhere, axe-core finds nothing serious, pages fit on 360
pixels, the search finds, and no slide is larger than its screen.
"""

import functools
import http.server
import os
import re
import shutil
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
SITE, SLIDES = ROOT / "runs" / "book" / "html", ROOT / "runs" / "slides"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))
PAGES = ["index", "search", "genindex", "SOURCES", "PROOFS", *CHAPTERS]
FEW = re.split(r"[, ]+", os.environ.get("PAGES", "")) if os.environ.get("PAGES") else PAGES  # PAGES=05_attention

sys.path.insert(0, str(ROOT / "book"))

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def address():
    """The site as a web server hands it out."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


class Visit:
    """A page, opened; what it asked for elsewhere, and what it complained of."""

    def __init__(self, browser, url: str, *, width: int = 1280, scheme: str = "light"):
        self.asked, self.errors = [], []
        self.page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page.set_default_timeout(180_000)  # of a busy machine
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("requestfailed", lambda request: self.errors.append(request.url))
        self.page.goto(url)
        self.page.evaluate("window.MathJax && MathJax.startup && MathJax.startup.promise.then(() => 0)")

    def elsewhere(self, own: str) -> list[str]:
        return [url for url in self.asked if not url.startswith((own, "data:", "blob:"))]


# --- the files --------------------------------------------------------------------------------------------------------


def soup_of(name: str):
    from bs4 import BeautifulSoup

    return BeautifulSoup((SITE / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8")))


def broken_links(name: str) -> list[str]:
    """Links and sources of a page that lead nowhere: no such file, no such place in it, no address."""
    broken = []
    for element in soup_of(name).find_all(["a", "img", "script", "link"]):
        link = element.get("href") or element.get("src")
        if not link or link.startswith("data:") or element.get("rel") == ["search"]:
            continue
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            well_formed = parts.scheme in ("http", "https", "mailto") and not re.search(r"\s", link)
            if not well_formed or (parts.scheme != "mailto" and "." not in parts.netloc):
                broken.append(link)
            continue
        target = (SITE / f"{name}.html").parent / unquote(parts.path) if parts.path else SITE / f"{name}.html"
        anchor = unquote(parts.fragment)
        if not target.is_file() or (anchor and target.suffix == ".html" and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    """External ones are only held to the form of an address: there may be no network."""
    assert broken_links(name) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_figure_has_the_alternative_text_of_its_notebook(name):
    import nbformat
    import pages

    notebook = nbformat.read(ROOT / "chapters" / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", []) if pages.is_figure(output)]
    shown = [image.get("alt", "") for image in soup_of(name).select("article .cell_output img")]
    assert shown == [pages.alternative_text(output) for output in outputs]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_which_commit_it_is_made_from(name):
    import pages

    assert f"Made from commit {pages.commit()[:10]}" in " ".join(soup_of(name).get_text(" ").split())


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_formula_is_left_as_it_was_typed(name):
    article = soup_of(name).article
    for element in article.find_all(["pre", "code", "script", "style"]) + article.select(".math, .output"):
        element.decompose()
    assert re.findall(r"(?<!\\)\$[^$\n]{1,80}\$", article.get_text()) == []


# --- in the browser ---------------------------------------------------------------------------------------------------


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", FEW)
def test_axe_finds_nothing_serious(browser, address, name, scheme):
    from axe_playwright_python.sync_playwright import Axe

    visit = Visit(browser, f"{address}/{name}.html", scheme=scheme)
    visit.page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    found = Axe().run(visit.page, options=WCAG).response["violations"]
    visit.page.close()
    serious = {
        violation["id"]: [node["html"][:200] for node in violation["nodes"]][:3]
        for violation in found
        if violation["impact"] in ("serious", "critical")
    }
    assert serious == {}


@in_browser
@pytest.mark.parametrize("name", FEW)
def test_a_page_asks_nobody_else_and_fits_on_a_telephone(browser, address, name):
    visit = Visit(browser, f"{address}/{name}.html", width=360)
    visit.page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    wide = visit.page.evaluate("document.documentElement.scrollWidth")
    beyond = visit.page.evaluate(BEYOND)
    visit.page.close()
    assert visit.elsewhere(address) == [] and visit.errors == []
    assert wide <= 360 and beyond == []


# What reaches beyond the right edge and stands in no box that scrolls.
BEYOND = """() => [...document.querySelectorAll("article *")].filter((element) => {
  if (element.closest("mjx-assistive-mml")) return false;
  const box = element.getBoundingClientRect();
  if (!box.width || box.right <= window.innerWidth + 1) return false;
  for (let above = element; above; above = above.parentElement) {
    if (["auto", "scroll", "hidden"].includes(getComputedStyle(above).overflowX)) return false;
  }
  return true;
}).slice(0, 3).map((element) => element.outerHTML.slice(0, 200))"""


@in_browser
def test_formulas_are_set_and_can_be_read_aloud(browser, address):
    visit = Visit(browser, f"{address}/05_attention.html")
    assert (
        visit.page.locator("mjx-container").count() > 50 and visit.page.locator("mjx-assistive-mml math").count() > 50
    )
    assert visit.page.locator("mjx-merror").count() == 0
    visit.page.close()


@in_browser
@pytest.mark.parametrize("served", [True, False], ids=["from a server", "as a file"])
def test_the_search_finds_without_a_network(browser, address, served):
    start = address if served else SITE.as_uri()
    visit = Visit(browser, f"{start}/search.html?q=perplexity")
    visit.page.locator("#search-results li a").first.wait_for(timeout=180_000)
    assert visit.page.locator("#search-results li").count() >= 3
    assert visit.elsewhere(start) == []
    visit.page.close()


@in_browser
def test_light_and_dark_can_be_chosen(browser, address):
    visit = Visit(browser, f"{address}/index.html")
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {visit.page.evaluate(background)}
    for _ in range(2):
        visit.page.locator(".theme-toggle:visible").first.click()
        seen.add(visit.page.evaluate(background))
    assert len(seen) == 2
    visit.page.close()


# --- slides -----------------------------------------------------------------------------------------------------------

# Of each slide its title and how far it reaches, in its own pixels.
REACH = """() => Reveal.getSlides().map((slide) => {
  const { h, v } = Reveal.getIndices(slide);
  Reveal.slide(h, v);
  const frame = slide.getBoundingClientRect(), scale = Reveal.getScale();
  let right = 0, bottom = 0;
  for (const element of slide.querySelectorAll("*")) {
    if (element.closest("aside.notes, mjx-assistive-mml") || element.parentElement.closest("mjx-math")) continue;
    const box = element.getBoundingClientRect();
    if (!box.width) continue;
    right = Math.max(right, (box.right - frame.left) / scale);
    bottom = Math.max(bottom, (box.bottom - frame.top) / scale);
  }
  return [slide.querySelector("h1, h2").textContent, Math.round(right), Math.round(bottom)];
})"""


@in_browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_no_slide_is_larger_than_the_screen(browser, name):
    import slides

    visit = Visit(browser, (SLIDES / f"{name}.html").as_uri())
    visit.page.wait_for_function("window.Reveal && Reveal.isReady()", timeout=180_000)
    reach = visit.page.evaluate(REACH)
    sizes = visit.page.evaluate(
        "['p', 'pre'].map((tag) => document.querySelector(`.reveal section.present ${tag}, .reveal section ${tag}`))"
        ".map((element) => element && parseFloat(getComputedStyle(element).fontSize))"
    )
    visit.page.close()
    assert visit.elsewhere(SLIDES.as_uri()) == [] and visit.errors == []
    assert len(reach) > 5 and reach[0][2] > 100  # they are there
    assert [slide for slide in reach if slide[1] > slides.WIDTH or slide[2] > slides.HEIGHT - 14] == []
    assert sizes[0] >= slides.HEIGHT / 24 and (sizes[1] is None or sizes[1] >= slides.HEIGHT / 30)  # from the last row
