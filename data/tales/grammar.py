"""Reads the grammar of the tales from `grammar/`: word lists, trades, phrases and plots.

All draws go through :class:`Draw`, which uses nothing of `random.Random` but `random()`, whose sequence Python
promises to keep, so that the tales come out the same everywhere.
"""

import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

FOLDER = Path(__file__).resolve().parent / "grammar"
T = TypeVar("T")

Steps = list[tuple[float, bool, list[str]]]
"""A plot: for each step its probability, whether it opens a paragraph, and the templates to choose from."""


class Draw:
    """Seeded choices: even, weighted, and Zipf-like by position in a list."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, n: int) -> int:
        """An integer from 0 to n - 1, each as likely."""
        return int(self._random() * n)

    def chance(self, p: float) -> bool:
        """True with probability `p`."""
        return self._random() < p

    def even(self, items: list[T]) -> T:
        """One of `items`, each as likely."""
        return items[self.below(len(items))]

    def weighted(self, items: list[tuple[int, T]]) -> T:
        """One of (weight, item), in proportion to its whole-number weight."""
        point = self.below(sum(weight for weight, _ in items))
        for weight, item in items:
            point -= weight
            if point < 0:
                return item
        raise AssertionError("weights must be positive")

    def zipf(self, items: list[T]) -> T:
        """One of `items`, the earlier the likelier: weight 240 / (rank + 9), rounded down."""
        return self.weighted([(240 // (rank + 9) + 1, item) for rank, item in enumerate(items)])


@dataclass
class Plot:
    """The steps of one kind of tale, and which people share a circle of trades ("B": "A")."""

    name: str
    steps: Steps = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)


def _lines(path: Path) -> list[str]:
    """The lines of a grammar file without comments and blank lines."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _sections(path: Path) -> dict[str, list[str]]:
    """The lines under each "[name]" of a file."""
    sections: dict[str, list[str]] = {}
    for line in _lines(path):
        if line.startswith("[") and line.endswith("]") and "|" not in line:
            sections[line[1:-1]] = current = []
        else:
            current.append(line)
    return sections


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def read_words() -> dict[str, list[str]]:
    """Word lists by name; a list of pairs or triples (`a|b`) may stand one entry a line and then hold commas."""
    words = {}
    for name, lines in _sections(FOLDER / "words.txt").items():
        one_a_line = all(line.count("|") == 2 for line in lines)
        words[name] = lines if one_a_line else _entries(" ".join(line.rstrip(",") + "," for line in lines))
    return words


def read_domains() -> dict[str, dict[str, list[str]]]:
    """For each circle of trades its lists: trades, shops, goods, tools, did, states, adjs, stuff."""
    return {
        name: {key: _entries(values) for key, values in (line.split(":", 1) for line in lines)}
        for name, lines in _sections(FOLDER / "domains.txt").items()
    }


def read_phrases() -> dict[str, list[tuple[int, str]]]:
    """For each phrase its ways of being said, with weights."""

    def weigh(line: str) -> tuple[int, str]:
        match = re.match(r"(\d+) (.+)", line)
        return (int(match[1]), match[2]) if match else (1, line)

    return {name: [weigh(line) for line in lines] for name, lines in _sections(FOLDER / "phrases.txt").items()}


def read_synonyms() -> dict[str, list[str]]:
    """For words of the templates, other ways of saying them."""
    pairs = (line.split(":") for line in _lines(FOLDER / "synonyms.txt"))
    return {word: _entries(others) for word, others in pairs}


def read_plots() -> list[Plot]:
    """All plots, by name. "--" begins a step, "==" a step that opens a paragraph; a number is its probability."""
    plots = []
    for path in sorted((FOLDER / "plots").glob("*.txt")):
        plot = Plot(path.stem)
        for line in _lines(path):
            mark = re.fullmatch(r"(--|==)\s*([\d.]*)", line)
            if mark:
                plot.steps.append((float(mark[2] or 1), mark[1] == "==", []))
            elif line.startswith("same:"):
                who, like = line.split()[1:]
                plot.same[who] = like
            else:
                plot.steps[-1][2].append(line)
        plots.append(plot)
    return plots


def plural(noun: str) -> str:
    """The plural of an English noun phrase, by rule ("pair of tongs" -> "pairs of tongs")."""
    head, of, rest = noun.partition(" of ")
    if head.endswith("man"):
        return head[:-2] + "en" + of + rest
    if re.search(r"(s|x|z|ch|sh)$", head):
        return head + "es" + of + rest
    if re.search(r"[^aeiou]y$", head):
        return head[:-1] + "ies" + of + rest
    return head + "s" + of + rest


def numbers_of(entry: str) -> tuple[str, str]:
    """Singular and plural of a list entry, "loaf/loaves" or a regular noun."""
    singular, _, irregular = entry.partition("/")
    return singular, irregular or plural(singular)
