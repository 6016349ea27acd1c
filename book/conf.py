"""Sphinx's configuration of the book. `make book` calls it; the sources are made on the way, into runs/book/source."""

import html
import sys
from pathlib import Path

from docutils import nodes

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pages  # noqa: E402
import slides  # noqa: E402

project = "lmtutor"
language = "en"
html_title = "lmtutor: a course on language models"
html_short_title = "lmtutor"

extensions = ["myst_nb", "sphinx.ext.mathjax"]
mathjax_path = "mathjax/tex-chtml.js"  # with its fonts beside the pages: no request leaves them
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # no script for widgets: there are none
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "pages.slug"
# PROOFS.md begins its sections with tables of its own; a heading may leave out a level in a long chapter.
suppress_warnings = ["myst.header"]

html_theme = "furo"
templates_path = [str(HERE / "templates")]
html_static_path = [str(HERE / "static"), str(slides.folder_of("mathjax").parent)]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"defer": "defer"})]
html_show_copyright = False
html_copy_source = False
html_context = {
    "commit": pages.commit(),
    "commit_address": f"{pages.address()}/commit/{pages.commit()}",
    "changed": pages.changed(),
}
html_theme_options = {"top_of_page_buttons": []}


def captions_have_a_level(app, page, template, context, doctree):
    """Sphinx calls captions of a table of contents headings, and leaves out of which level."""
    for part in ("body", "furo_navigation_tree"):
        if part in context:
            context[part] = context[part].replace('role="heading">', 'role="heading" aria-level="2">')


def fold_optional_sections(app, doctree):
    """Whatever stands below an optional heading is folded; the heading itself stays, for contents, links and search.

    The tree of sections stays as it is: two pieces of HTML stand around what is folded. `book.js` opens it for a link.
    """
    for section in list(doctree.findall(nodes.section)):
        above = section.parent
        while above is not None and not is_optional(above):
            above = above.parent
        if above is None and is_optional(section):
            title = html.escape(section[0].astext())
            summary = f'<summary>A first reader may skip this section<span class="unseen">: {title}</span></summary>'
            section.insert(1, nodes.raw("", f'<details class="optional">{summary}<div>', format="html"))
            section.append(nodes.raw("", "</div></details>", format="html"))


def is_optional(node):
    return isinstance(node, nodes.section) and "(optional)" in node[0].astext()


def setup(app):
    app.connect("doctree-read", fold_optional_sections)
    app.connect("html-page-context", captions_have_a_level, priority=900)  # after Furo has made its navigation
