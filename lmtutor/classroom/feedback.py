"""What marking leaves: marks as CSV, a page of feedback for each student, and a report for the teacher."""

from __future__ import annotations

import csv
import html
import io
from pathlib import Path

from lmtutor.classroom.marking import MISSING, RIGHT, SHOWN_ONLY, UNTRIED, WRONG, Marked, Marks

WORDS = {
    RIGHT: "Right, also for cases that are not in the chapter.",
    SHOWN_ONLY: "Right for the cases in the chapter only.",
    WRONG: "Not right yet.",
    UNTRIED: "Not tried.",
    MISSING: "No answer found.",
}

STYLE = """
:root { color-scheme: light dark; }
body { font: 1.05rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
caption { text-align: left; font-weight: bold; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .5rem; border: 1px solid #767676; }
th:first-child { width: 30%; } th:nth-child(2) { width: 5.2rem; }
dt { font-weight: bold; margin-top: 1rem; } dd { margin-left: 1rem; }
code, pre { font-size: .95em; white-space: pre-wrap; } a { color: #0645ad; }
@media (max-width: 30rem) { body { font-size: 1rem; padding: 0 .5rem; } th, td { padding: .25rem; }
  th:nth-child(2) { width: 4rem; } }
@media (prefers-color-scheme: dark) { body { color: #f0f0f0; background: #121212; } a { color: #9ec3ff; } }
"""


def write(marks: Marks, folder: Path) -> Path:
    """Write marks.csv, report.html and feedback/STUDENT.html into a folder, over what an earlier marking left there.

    Returns:
        The report.
    """
    pages = folder / "feedback"
    pages.mkdir(parents=True, exist_ok=True)
    (folder / "marks.csv").write_text(
        table(marks), encoding="utf-8-sig", newline=""
    )  # the mark with which Excel opens it
    for one in marks.marked:
        (pages / f"{one.student}.html").write_text(page(one), encoding="utf-8")
    report_file = folder / "report.html"
    report_file.write_text(report(marks), encoding="utf-8")
    return report_file


def table(marks: Marks) -> str:
    """Marks as CSV: a row for each hand-in, a column for each exercise, and an empty one for each open question."""
    names = list(dict.fromkeys(result.exercise for one in marks.marked for result in one.results))
    asked = list(dict.fromkeys(text for one in marks.marked for text, _ in one.questions))
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\r\n")
    head = ["student", "file", "chapter", "version", "points", "of", *names]
    rows.writerow([*head, *(_cell(f"open: {text}") for text in asked), "remarks"])
    for one in marks.marked:
        given = {result.exercise: result.points if result.of else result.state for result in one.results}
        states = [given.get(name, "") for name in names]
        points = ["", ""] if one.problem else [one.points, one.of]
        row = [_cell(one.student), _cell(one.source), one.chapter, _cell(one.version), *points, *states]
        rows.writerow([*row, *[""] * len(asked), _cell(" ".join(remarks(one, marks)))])
    return file.getvalue()


def remarks(one: Marked, marks: Marks) -> list[str]:
    """What a teacher should know of a hand-in, in sentences."""
    found = [one.problem] if one.problem else list(one.notes)
    found += [f"{r.exercise}: {r.state}." for r in one.results if r.state in (SHOWN_ONLY, MISSING)]
    for group in marks.same:
        if one.student in group:
            others = ", ".join(student for student in group if student != one.student)
            found.append(f"The same code, but for names and layout, as {others}.")
    return found


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = " ".join(_clean(text).split())
    return f"'{text}" if text[:1] in tuple("=+-@") else text


def _clean(text: str) -> str:
    """A text without what cannot be shown, such as control characters and halves of characters."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def _escaped(text: str) -> str:
    return html.escape(_clean(text))


def _document(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def page(one: Marked) -> str:
    """The page of feedback for a student."""
    title = f"Chapter {one.chapter}: {one.student}" if one.chapter else one.student
    parts = [f"<h1>{_escaped(title)}</h1>\n"]
    if one.problem:
        return _document(title, f"{parts[0]}<p>This hand-in was not marked. {_escaped(one.problem)}</p>\n")
    parts.append(f"<p><strong>{one.points} of {one.of} points.</strong></p>\n")
    parts += [f"<p>{_escaped(note)}</p>\n" for note in one.notes]
    parts.append("<table>\n<caption>Exercises</caption>\n<thead><tr>")
    parts += [f'<th scope="col">{name}</th>' for name in ("exercise", "points", "result")]
    parts.append("</tr></thead>\n<tbody>\n")
    for result in one.results:
        points = f"{result.points} of {result.of}" if result.of else "optional"
        said = f"<p><code>{_escaped(result.said)}</code></p>" if result.said else ""
        parts.append(f'<tr><th scope="row">{_escaped(result.exercise)}</th><td>{points}</td>')
        parts.append(f"<td>{WORDS[result.state]}{said}</td></tr>\n")
    parts.append("</tbody>\n</table>\n")
    if one.questions:
        parts.append("<h2>Open questions</h2>\n<p>Your teacher marks these.</p>\n<dl>\n")
        for text, written in one.questions:
            answer = f"<pre>{_escaped(written)}</pre>" if written else "No text was written below it."
            parts.append(f"<dt>{_escaped(text)}</dt><dd>{answer}</dd>\n")
        parts.append("</dl>\n")
    return _document(title, "".join(parts))


def report(marks: Marks) -> str:
    """The page for the teacher."""
    done = [one for one in marks.marked if not one.problem]
    parts = [f"<h1>Chapter {_escaped(marks.chapter)}: {len(done)} of {len(marks.marked)} hand-ins marked</h1>\n<ul>\n"]
    parts += [f"<li>{_escaped(line)}</li>\n" for line in summary(marks)]
    parts.append("</ul>\n<table>\n<caption>Hand-ins</caption>\n<thead><tr>")
    parts += [f'<th scope="col">{name}</th>' for name in ("student", "points", "remarks")]
    parts.append("</tr></thead>\n<tbody>\n")
    for one in marks.marked:
        link = f'<a href="feedback/{_linked(one.student)}.html">{_escaped(one.student)}</a>'
        points = "not marked" if one.problem else f"{one.points} of {one.of}"
        parts.append(f'<tr><th scope="row">{link}</th><td>{points}</td>')
        parts.append(f"<td>{_escaped(' '.join(remarks(one, marks)))}</td></tr>\n")
    parts.append("</tbody>\n</table>\n")
    return _document(f"Marks of chapter {marks.chapter}", "".join(parts))


def _linked(name: str) -> str:
    from urllib.parse import quote

    return quote(name)


def summary(marks: Marks) -> list[str]:
    """What holds for the whole class, in sentences."""
    lines = [f"Sandbox: {marks.sandbox.says}.", f"Seed of the unseen cases: {marks.seed}."]
    if marks.unseen_lack:
        lines.append(f"Without unseen cases: {', '.join(marks.unseen_lack)}.")
    lines += [f"The same code, but for names and layout: {', '.join(group)}." for group in marks.same]
    return lines
