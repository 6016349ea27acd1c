"""Lesson plans: a path of 90 minutes through each chapter, from `lessons.toml`, as plain text or as Markdown."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from lmtutor import results
from lmtutor.runtime import choose

FILE = Path(__file__).with_name("lessons.toml")
PLACES = {"in_class": "Exercises in class", "at_home": "Exercises at home", "left_out": "Exercises to leave out"}

# A block is its kind and its text. Kinds: "title", "heading", "part" (a step of the path), "text", "item".
Block = tuple[str, str]


def chapters() -> list[str]:
    """The numbers of the chapters that have a plan, such as "05", in the course's order."""
    return list(_plans())


def plan(chapter: str) -> dict:
    """The plan of a chapter as it stands in `lessons.toml`, whose first lines say what each key means.

    Args:
        chapter: its number, "05"; the name of its notebook or of its bug hunt will do, too.

    Raises:
        CourseError: there is no plan of that name; the nearest, or those that there are, are named.
    """
    name = Path(str(chapter)).name.removesuffix(".ipynb")
    known = {alias: number for number, found in _plans().items() for alias in (number, *_notebooks(found))}
    return _plans()[known[choose(f"{name:0>2}" if name.isdigit() else name, [*known], "The chapter")]]


def markdown(chapter: str) -> str:
    """A chapter's plan as a page of Markdown.

    Raises:
        CourseError: see `plan`.
    """
    marks = {"title": "# {}", "heading": "## {}", "part": "### {}", "item": "- {}", "text": "{}"}
    lines, before = [], ""
    for kind, text in _blocks(plan(chapter)):
        if lines and not before == kind == "item":
            lines.append("")
        lines.append(marks[kind].format(text))
        before = kind
    return "\n".join(lines) + "\n"


def plain(chapter: str, width: int = 80) -> str:
    """A chapter's plan as text for a terminal.

    Args:
        chapter: see `plan`.
        width: of the lines, in characters; below 40 it counts as 40, above 100 as 100, which reads better.

    Raises:
        CourseError: see `plan`.
    """
    width = min(max(width, 40), 100)
    lines, before = [], ""
    for kind, text in _blocks(plan(chapter)):
        text = text.replace("**", "")
        if lines and not before == kind == "item":
            lines.append("")
        if kind == "title":
            lines += _wrapped(text, width) + ["=" * min(len(text), width)]
        elif kind == "heading":
            lines += [text.upper()]
        elif kind == "part":
            wrapped = _wrapped(text, width)
            lines += [*wrapped, "-" * max(map(len, wrapped))]
        else:
            lines += _wrapped(text, width, "  - " if kind == "item" else "")
        before = kind
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int, first: str = "") -> list[str]:
    further = " " * len(first)
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )


@cache
def _plans() -> dict[str, dict]:
    return _on_one_line(tomllib.loads(FILE.read_text(encoding="utf-8")))


def _on_one_line(value):
    """The same, with each run of spaces and line breaks in a text as one space."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, dict):
        return {key: _on_one_line(part) for key, part in value.items()}
    return [_on_one_line(part) for part in value] if isinstance(value, list) else value


def _notebooks(found: Mapping) -> list[str]:
    """The notebooks that a plan is about: the chapter's, and its bug hunt's where there is one."""
    return [found["notebook"], *([found["hunt"]["notebook"]] if "hunt" in found else [])]


# --- a plan as blocks -------------------------------------------------------------------------------------------------


def _blocks(found: Mapping) -> Iterable[Block]:
    """All that a plan says, in the order in which a teacher reads it."""
    yield "title", f"Lesson plan: {found['title']}"
    yield "text", found["aim"]
    yield "heading", "Before the lesson"
    yield "item", "; ".join(_cost(name) for name in _notebooks(found)) + "."
    yield from (("item", text) for text in found["prepare"])
    yield "heading", "The path: 90 minutes"
    clock = 0
    for step in found["path"]:
        yield "item", f"{_time(clock)} {step['sections'][0]} ({step['minutes']} minutes)"
        clock += step["minutes"]
    clock = 0
    for step in found["path"]:
        yield from _step(step, clock)
        clock += step["minutes"]
    for place, title in PLACES.items():
        if place in found:
            yield "heading", title
            yield from (("item", f"**{name}**: {how}") for name, how in found[place].items())
    yield "heading", "To skip"
    yield from (("item", text) for text in found["skip"])
    if "hunt" in found:
        yield from _hunt(found["hunt"])


def _step(step: Mapping, clock: int) -> Iterable[Block]:
    """One step of the path, which begins `clock` minutes after the lesson does."""
    minutes = f"{step['minutes']} minutes"
    yield "part", f"{_time(clock)} to {_time(clock + step['minutes'])} ({minutes}): {' / '.join(step['sections'])}"
    yield "text", step["show"]
    if "ask" in step:
        yield "text", f"**Ask first:** {step['ask']} **Answer:** {step['answer']}"
    yield from (("item", f"**Stuck:** {where} **Say:** {say}") for where, say in step.get("stuck", []))


def _hunt(hunt: Mapping) -> Iterable[Block]:
    yield "heading", f"The bug hunt, {hunt['notebook']}"
    yield "text", hunt["use"]
    yield from (("item", f"**{case}**: {how}") for case, how in hunt["cases"])


def _time(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _cost(notebook: str) -> str:
    """What a notebook was measured to take from its first to its last cell."""
    cost = results.read("costs").get(notebook, {}).get("quick")
    if not cost:
        return f"`{notebook}`: its cost has not been measured"
    seconds, memory = -int(-cost["seconds"] // 10) * 10, cost["peak_memory_mb"] / 1000
    return f"`{notebook}` runs in {seconds} s with {memory:.1f} GB of memory ({cost['machine']}, profile quick)"
