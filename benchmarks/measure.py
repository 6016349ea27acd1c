"""What the programs of this folder share: works timed in turns, and rows of the two tables of `run.py`."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from lmtutor.runtime import Stopwatch


def in_turns(works: Mapping[str, Callable[[], object]], turns: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each work in each turn. The works take turns, so that whatever else the machine does hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(-warm_up, turns):
        for name, work in works.items():
            with Stopwatch() as watch:
                work()
            if turn >= 0:
                seconds[name].append(watch.seconds)
    return seconds


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """The quotient of each turn."""
    return [a / b for a, b in zip(above, below, strict=True)]


def middle(values: Sequence[float], digits: int = 2) -> str:
    """The middle half of the values (all of them, if there are fewer than four): "1.13 to 1.24"."""
    ordered, cut = sorted(values), len(values) // 4
    return f"{ordered[cut]:,.{digits}f} to {ordered[-1 - cut]:,.{digits}f}"


def band(values: Sequence[float], digits: int = 1) -> str:
    """Lowest to highest: "80.6 to 81.7"; one number where the two are the same."""
    low, high = (f"{bound(values):,.{digits}f}" for bound in (min, max))
    return low if low == high else f"{low} to {high}"


def comparison(
    chapter: str,
    what: str,
    beside: str,
    values: Sequence[float],
    measure: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    digits: int = 2,
) -> dict:
    """A row of BENCH.md: the median of what was found in each turn, the middle half, what was asked for, whether it is.

    Args:
        chapter: "08".
        what, beside: ours, and what it was measured beside (or "" for a plain limit).
        values: one for each turn: mostly ratios.
        measure: what a value is, such as "times as fast" or "times its memory".
        at_least, at_most: what was asked for; neither, if the number is only told.
        digits: behind the point.
    """
    found = statistics.median(values)
    asked = [f"at least {at_least:,g}"] if at_least is not None else []
    asked += [f"at most {at_most:,g}"] if at_most is not None else []
    reached = (at_least is None or found >= at_least) and (at_most is None or found <= at_most)
    return {
        "chapter": chapter,
        "what": what,
        "beside": beside,
        "found": f"{found:,.{digits}f} {measure}",
        "middle half": middle(values, digits) if len(values) > 1 else "",
        "turns": len(values),
        "asked for": ", ".join(asked),
        "reached": ("yes" if reached else "NO") if asked else "",
    }


def score(chapter: str, data: str, model: str, measure: str, values: Sequence[float], digits: int = 1, **more) -> dict:
    """A row of SCOREBOARD.md: the mean over the seeds and the band from lowest to highest.

    Args:
        chapter, data, model: "07", "Multi30k en-de", "Transformer, 3 passes".
        measure: the score's name, such as "BLEU".
        values: one for each seed; a single one for a method in which nothing is random.
        digits: behind the point.
        more: `published`: a figure with its source and what differs.
    """
    several = len(values) > 1
    return {
        "chapter": chapter,
        "data": data,
        "model": model,
        "score": measure,
        "mean": f"{statistics.mean(values):,.{digits}f}",
        "lowest to highest": band(values, digits) if several else "",
        "seeds": len(values) if several else "nothing random",
        "published": more.get("published", ""),
    }
