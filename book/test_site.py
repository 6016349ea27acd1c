"""The built pages in Chromium: `make test-book` builds book and slides, and runs this with pytest in .venv-book.

Nothing is asked of another server, every link inside leads somewhere, axe-core finds nothing serious, pages fit on 360
pixels, the search finds, folded sections open for links, and no slide is larger than its screen. The pages that
`lmtutor mark` writes are held to the same where the course is installed.
"""

import copy
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parent.parent
SITE, SLIDES = ROOT / "runs" / "book" / "html", ROOT / "runs" / "slides"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
COLOURS = {"type": "rule", "values": ["color-contrast"]}
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[0-9][0-9]_*.ipynb"))
PLANS = tomllib.loads((ROOT / "lmtutor" / "classroom" / "lessons.toml").read_text(encoding="utf-8"))
COURSE = os.environ.get("COURSE_PYTHON")  # a Python that has lmtutor; without it there are no lesson plans
LESSONS = [f"lesson_{chapter}" for chapter in PLANS if COURSE]
PAGES = ["index", "search", "genindex", "SOURCES", "PROOFS", *CHAPTERS, *LESSONS]
FEW = re.split(r"[, ]+", os.environ.get("PAGES", "")) if os.environ.get("PAGES") else PAGES  # PAGES=05_attention

sys.path.insert(0, str(ROOT / "book"))

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
with_course = pytest.mark.skipif(not COURSE, reason="the course is not installed: make lab installs it")


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
        self.page.on("response", lambda answer: answer.status >= 400 and self.errors.append(answer.url))
        self.page.goto(url)
        self.page.evaluate("window.MathJax && MathJax.startup && MathJax.startup.promise.then(() => 0)")

    def elsewhere(self, own: str) -> list[str]:
        return [url for url in self.asked if not url.startswith((own, "data:", "blob:"))]

    def open_all(self) -> None:
        """Open all that is folded."""
        self.page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")

    def each_colour_of_code_once(self) -> None:
        """Code whose colours all occur above becomes plain text: axe takes the time of a page for its words of code."""
        self.page.evaluate(SAME_COLOURS)

    def serious(self, only=WCAG) -> dict[str, list[str]]:
        """What axe-core finds serious: rule -> pieces of HTML."""
        from axe_playwright_python.sync_playwright import Axe

        return {
            violation["id"]: [node["html"][:200] for node in violation["nodes"]][:3]
            for violation in Axe().run(self.page, options={"runOnly": only}).response["violations"]
            if violation["impact"] in ("serious", "critical")
        }


SAME_COLOURS = """() => {
  const seen = new Set();
  for (const code of document.querySelectorAll(".highlight pre")) {
    const kinds = [...code.querySelectorAll("span")].map((word) => word.className);
    if (kinds.every((kind) => seen.has(kind))) code.textContent = code.textContent;
    kinds.forEach((kind) => seen.add(kind));
  }
}"""


# --- the files --------------------------------------------------------------------------------------------------------


@functools.cache
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


def test_every_page_is_looked_at():
    found = sorted(path.relative_to(SITE).as_posix().removesuffix(".html") for path in SITE.rglob("*.html"))
    assert found == sorted(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_server_hands_out_each_page(address, name):
    with urlopen(f"{address}/{name}.html") as answer:
        page = answer.read().decode("utf-8")
        assert answer.status == 200 and answer.headers.get_content_type() == "text/html"
    assert "<title>" in page and page.rstrip().endswith("</html>")


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
    article = copy.copy(soup_of(name).article)
    for element in article.find_all(["pre", "code", "script", "style"]) + article.select(".math, .output"):
        element.decompose()
    assert re.findall(r"(?<!\\)\$[^$\n]{1,80}\$", article.get_text()) == []


# --- in the browser ---------------------------------------------------------------------------------------------------


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", FEW)
def test_axe_finds_nothing_serious(browser, address, name, scheme):
    visit = Visit(browser, f"{address}/{name}.html", scheme=scheme)
    visit.open_all()
    visit.each_colour_of_code_once()
    found = visit.serious(WCAG if scheme == "light" else COLOURS)  # only the colours differ
    visit.page.close()
    assert found == {}


@in_browser
@pytest.mark.parametrize("name", FEW)
def test_a_page_asks_nobody_else_and_fits_on_a_telephone(browser, address, name):
    visit = Visit(browser, f"{address}/{name}.html", width=360)
    visit.open_all()
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


# --- folded sections --------------------------------------------------------------------------------------------------

FOLDED = "details.optional"


@pytest.mark.parametrize("name", CHAPTERS)
def test_optional_sections_are_folded_and_nothing_else_of_the_text(name):
    """The heading stays outside; what is tagged optional lies within, and no other cell."""
    import nbformat

    soup = soup_of(name)
    for folded in soup.select(FOLDED):
        assert folded.parent.name == "section" and "(optional)" in folded.find_previous_sibling().get_text()
        assert not folded.has_attr("open") and folded.find_parent("details") is None
    inside = {heading for folded in soup.select(FOLDED) for heading in folded.select("h2, h3, h4, h5")}
    left = [h.get_text() for h in soup.article.select("h2, h3, h4, h5") if h not in inside and "(optional)" in h.text]
    assert len(left) == len(soup.select(FOLDED))
    cells = nbformat.read(ROOT / "chapters" / f"{name}.ipynb", as_version=4).cells
    code = [c for c in cells if c.cell_type == "code" and not {"colab", "badge"} & {*c.metadata.get("tags", [])}]
    shown = [bool(part.find_parent(class_="optional")) for part in soup.article.select(".cell_input")]
    assert shown == ["optional" in cell.metadata.get("tags", []) for cell in code]


def hidden_places(page) -> list[str]:
    """The anchors of headings that lie in folded sections."""
    return page.eval_on_selector_all(f"{FOLDED} section[id]", "sections => sections.map((section) => section.id)")


IN_SIGHT = """(id) => {
  const section = document.getElementById(id), box = section.querySelector("h2, h3, h4, h5").getBoundingClientRect();
  return section.checkVisibility() && box.height > 0 && box.top >= 0 && box.bottom <= window.innerHeight;
}"""


@in_browser
@pytest.mark.parametrize("name", [name for name in FEW if name in CHAPTERS])
def test_a_link_into_a_folded_section_opens_it(browser, address, name):
    visit = Visit(browser, f"{address}/{name}.html")
    places = hidden_places(visit.page)
    own = visit.page.eval_on_selector_all(f"section:has(> {FOLDED})", "all => all.map((section) => section.id)")
    assert len(visit.page.query_selector_all(f"{FOLDED}[open]")) == 0
    for place in [*places[:1], *places[-1:], *own[:1]]:
        visit.page.goto("about:blank")
        visit.page.goto(f"{address}/{name}.html#{quote(place)}")
        visit.page.wait_for_function(IN_SIGHT, arg=place)
        assert len(visit.page.query_selector_all(f"{FOLDED}[open]")) == 1
    visit.page.close()
    assert visit.errors == []


@in_browser
def test_folded_sections_obey_the_keyboard_and_the_contents(browser, address):
    visit = Visit(browser, f"{address}/05_attention.html", width=1400)  # the contents stand beside the page there
    first = visit.page.locator(f"{FOLDED} > summary").first
    first.focus()
    for key, open_then in (("Enter", 1), ("Space", 0)):
        visit.page.keyboard.press(key)
        assert visit.page.locator(f"{FOLDED}[open]").count() == open_then
    place = hidden_places(visit.page)[0]
    link = visit.page.locator(".toc-tree a").and_(visit.page.locator(f'[href="#{quote(place)}"], [href="#{place}"]'))
    for _ in range(2):  # again after it was closed, when the address is the same
        link.click()
        visit.page.wait_for_function(IN_SIGHT, arg=place)
        visit.page.locator(f"{FOLDED}[open] > summary").click()
        assert visit.page.locator(f"{FOLDED}[open]").count() == 0
    visit.page.close()


@in_browser
def test_what_the_search_finds_in_a_folded_section_is_shown(browser, address):
    """The word stands in an optional section of chapter 05 alone."""
    visit = Visit(browser, f"{address}/search.html?q=outgrows")
    found = visit.page.locator('#search-results li a[href*="05_attention"]').first
    found.click()
    visit.page.wait_for_load_state()
    visit.page.locator(".highlighted").first.wait_for(state="attached")
    marks = visit.page.locator(f"{FOLDED} .highlighted")
    assert marks.count() and all(mark.is_visible() for mark in marks.all())
    visit.page.close()


# --- pages of feedback ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def feedback(tmp_path_factory):
    """The pages that `lmtutor mark` writes, of made-up hand-ins."""
    folder = tmp_path_factory.mktemp("marks")
    subprocess.run([COURSE, str(ROOT / "book" / "feedback_pages.py"), str(folder)], check=True, cwd=ROOT)
    return folder


FEEDBACK = ["report", "feedback/ann", "feedback/a very_long_name", "feedback/eve"]


@in_browser
@with_course
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", FEEDBACK)
def test_axe_finds_nothing_serious_on_pages_of_feedback(browser, feedback, name, scheme):
    pages = [path.relative_to(feedback).as_posix() for path in feedback.rglob("*.html")]
    assert sorted(pages) == sorted(f"{name}.html" for name in FEEDBACK)
    visit = Visit(browser, (feedback / f"{name}.html").as_uri(), scheme=scheme)
    found = visit.serious()
    dark = visit.page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    visit.page.close()
    assert found == {} and dark == (scheme == "dark")


@in_browser
@with_course
@pytest.mark.parametrize("name", FEEDBACK)
def test_pages_of_feedback_ask_nobody_and_fit_on_a_telephone(browser, feedback, name):
    visit = Visit(browser, (feedback / f"{name}.html").as_uri(), width=360)
    wide = visit.page.evaluate("document.documentElement.scrollWidth")
    beyond = visit.page.evaluate(BEYOND.replace("article *", "main *"))
    links = visit.page.eval_on_selector_all("a", "all => all.map((link) => link.href)")
    visit.page.close()
    assert visit.elsewhere(feedback.as_uri()) == [] and visit.errors == []
    assert wide <= 360 and beyond == []
    assert all(Path(unquote(urlsplit(link).path)).is_file() for link in links)
    assert len(links) == (len(FEEDBACK) - 1 if name == "report" else 0)


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
