"""Figures in one style. Each function draws on the Axes it is given, or on new ones, and returns them."""

from __future__ import annotations

import base64
import io
import itertools
import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, LogLocator, NullFormatter

from lmtutor.runtime import CourseError, several

DPI = 160  # sharp on a screen of twice the usual density, and in print
# Okabe and Ito's colours, which colour-blind readers tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Of these fonts, which hold Chinese among others, those that the machine has are asked for what DejaVu Sans lacks.
MORE_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei")
MORE_FONTS += ("WenQuanYi Micro Hei", "Arial Unicode MS", "Noto Emoji", "Segoe UI Emoji")
STYLE = {
    "font.family": ["DejaVu Sans", *sorted({*MORE_FONTS} & {*font_manager.get_font_names()}, key=MORE_FONTS.index)],
    "figure.dpi": 80,
    "figure.figsize": (6.4, 3.6),
    "figure.constrained_layout.use": True,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.framealpha": 0.8,
    "legend.edgecolor": "none",
    "font.size": 10,
}
plt.rcParams.update(STYLE)
warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)  # it is drawn as a box, and seen there


def new_axes(ax: Axes | None = None, **figure_arguments) -> Axes:
    """The Axes given, or those of a new figure."""
    return ax if ax is not None else plt.figure(**figure_arguments).add_subplot()


def show(alt: str) -> None:
    """Show the current figure, sharp, with a text for readers who cannot see it; then close it.

    Args:
        alt: what there is to see, in a sentence or two: the kind of picture, its axes, what it shows. It is compared
            where the cell's output is, so no number of it may depend on the machine.

    Raises:
        CourseError: no figure is open, or there is no text.
    """
    if not plt.get_fignums():
        raise CourseError("There is no figure to show: draw one first.")
    figure = plt.gcf()
    data, metadata = picture(figure, alt)
    plt.close(figure)
    display(data, metadata=metadata, raw=True)


def picture(figure: Figure, alt: str) -> tuple[dict, dict]:
    """What a notebook shows of a figure: a PNG of 160 dpi and its alternative text, and how large it is on the page.

    Returns:
        Jupyter's data and metadata, by MIME type.
    """
    if not alt.strip():
        raise CourseError("A figure needs an alternative text: say in `alt` what there is to see.")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight")
    png = file.getvalue()
    width, height = (round(pixels * figure.get_dpi() / DPI) for pixels in struct.unpack(">II", png[16:24]))
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    return data, {"image/png": {"alt": alt, "width": width, "height": height}}


def plain(drawn: Artist) -> None:
    """Show the texts of a figure or of Axes as they are written: two `$` in what was typed are no mathematics."""
    powers = [axis for axis in drawn.findobj(Axis) if isinstance(axis.get_major_formatter(), LogFormatter)]
    keep = {id(text) for axis in powers for text in axis.findobj(Text)}  # the 3 in 10³ is mathematics
    for text in drawn.findobj(Text):
        if id(text) not in keep:
            text.set_parse_math(False)


@cache
def _glyphs() -> frozenset[int]:
    """The code points that some font of the style has."""
    fonts = [font_manager.get_font(font_manager.findfont(name)) for name in STYLE["font.family"]]
    return frozenset().union(*(font.get_charmap() for font in fonts))


def has_glyph(character: str) -> bool:
    """Whether a character can be drawn on this machine, and not only as a box."""
    return ord(character) in _glyphs()


def curves(
    x: Sequence[float],
    ys: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    log: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One line for each entry of `ys` over the common `x`, each with its own marker. `log`: "", "x", "y" or "xy".

    An entry with fewer numbers than `x` ends earlier, as a training does that was stopped.
    """
    ax = new_axes(ax)
    for (name, y), marker in zip(ys.items(), "osD^vP*" * 3, strict=False):
        ax.plot(x[: len(y)], y, marker=marker, markersize=4, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if "x" in log:
        ax.set_xscale("log")
        _plain_numbers(ax.xaxis)
    elif len(x) <= 10 and all(float(value).is_integer() for value in x):
        ax.set_xticks(list(x))  # whole numbers, such as n, have no halves between them
    if "y" in log:
        ax.set_yscale("log")
        _plain_numbers(ax.yaxis)
    if len(ys) > 1:
        ax.legend()
    plain(ax)
    return ax


def _plain_numbers(axis) -> None:
    """On a logarithmic axis: 1, 2, 5, 10, 20, ... written out, or powers of ten where those would be too many."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e4 * low else (1,)))
    axis.set_major_formatter(_plain_number)
    axis.set_minor_formatter(NullFormatter())


def _plain_number(x: float, _position: int | None = None) -> str:
    """0.005 and 50,000 as a reader writes them; what is much smaller or larger as 5·10⁻⁵."""
    if not x or 1e-3 <= abs(x) * (1 + 1e-9) < 1e6:
        return f"{x:,.6g}"
    digits, exponent = f"{x:.6e}".split("e")
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if float(digits) == 1 else f"{float(digits):g}·{power}"


def bars(values: Mapping[str, float], *, xlabel: str, digits: int = 3, ax: Axes | None = None) -> Axes:
    """Horizontal bars, the first at the top, each with its value behind it."""
    ax = new_axes(ax, figsize=(6.4, 0.6 + 0.28 * max(len(values), 3)))
    names = list(values)
    drawn = ax.barh(np.arange(len(names)), list(values.values()), color=COLOURS[0])
    ax.bar_label(drawn, fmt=f"%.{digits}f", padding=3, fontsize=9)
    ax.set_yticks(np.arange(len(names)), names)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", integer=digits == 0)
    ax.set_xlabel(xlabel)
    plain(ax)
    return ax


def zipf(counts: Sequence[int], ax: Axes | None = None) -> Axes:
    """Counts over rank on two logarithmic axes, with the line count = largest / rank for the eye."""
    ordered = np.sort(np.asarray(counts))[::-1]
    rank = np.arange(1, len(ordered) + 1)
    ax = new_axes(ax)
    ax.loglog(rank, ordered, ".", markersize=3, label="words")
    ax.loglog(rank, ordered[0] / rank, "--", color=COLOURS[1], label="largest count / rank")
    ax.set(xlabel="rank of the word", ylabel="count", ylim=(0.7, ordered[0] * 1.5))
    ax.legend()
    return ax


def diagram(
    boxes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str]],
    *,
    residuals: Sequence[tuple[str, str]] = (),
    frames: Mapping[str, Sequence[str]] | None = None,
    fills: Mapping[str, str] | None = None,
    unit: tuple[float, float] = (1.12, 0.62),
    ax: Axes | None = None,
) -> Axes:
    """Boxes at (x, y) with arrows between them: for maps and model pictures.

    Args:
        boxes: text of each box -> its centre, in units of one box. Spaces at its ends keep two texts apart and are
            not drawn; "+" is a circle.
        arrows: (from, to) pairs of texts.
        residuals: (from, to) pairs of one column: a line that leaves above `from`, passes at the left, and enters `to`.
        frames: label -> the boxes that a frame holds together, such as the parts of a layer that is repeated.
        fills: a word -> the colour of all boxes with that word.
        unit: width and height of one unit in inches.
    """
    xs, ys = zip(*boxes.values(), strict=True)
    wide = 0.6 + 0.5 * bool(frames)  # room at the sides
    across, up = max(xs) - min(xs), max(ys) - min(ys)
    ax = new_axes(ax, figsize=(unit[0] * (across + 2 * wide - 0.2), unit[1] * (up + 1)))
    for label, inside in (frames or {}).items():
        x, y = zip(*(boxes[text] for text in several(inside, "names")), strict=True)
        low, left = min(y) - 0.62, min(x) - 1.02
        size = (max(x) + 0.88 - left, max(y) + 0.5 - low)
        ax.add_patch(FancyBboxPatch((left, low), *size, "round,pad=0,rounding_size=0.12", fc="0.97", ec="0.7", ls="--"))
        ax.text(left + 0.04, low + size[1] + 0.04, label, fontsize=8, color="0.35", ha="left", va="bottom")
    drawn = {}
    for text, (x, y) in boxes.items():
        colour = next((fill for word, fill in (fills or {}).items() if word in text), "#EAF2F8")
        shape = "circle,pad=0.1" if text.strip() == "+" else "round,pad=0.35"
        frame = {"boxstyle": shape, "fc": colour, "ec": "0.5"}
        drawn[text] = ax.text(x, y, text.strip(), ha="center", va="center", fontsize=8.5, bbox=frame)
    rims = {text: box.get_bbox_patch() for text, box in drawn.items()}  # where arrows begin and end
    look = {"arrowstyle": "->", "color": "0.4", "shrinkA": 0, "shrinkB": 1}
    for start, end in arrows:
        ends = {"patchA": rims[start], "patchB": rims[end]}
        ax.annotate("", boxes[end], boxes[start], arrowprops={**look, **ends})
    for start, end in residuals:
        (x, y), top = boxes[start], boxes[end][1]
        ax.plot([x, x - 0.85, x - 0.85], [y + 0.5, y + 0.5, top], color="0.4", linewidth=1, solid_capstyle="round")
        ax.annotate("", boxes[end], (x - 0.86, top), arrowprops={**look, "patchB": rims[end]})
    ax.set(xlim=(min(xs) - wide, max(xs) + wide), ylim=(min(ys) - 0.6, max(ys) + 0.6))
    ax.axis("off")
    plain(ax)
    return ax


def tower(
    boxes: Sequence[tuple[str, str]],
    *,
    colours: Mapping[str, str],
    skips: Sequence[tuple[int, int]] = (),
    repeated: tuple[int, int, str] | None = None,
    down: str = "",
    ax: Axes | None = None,
) -> Axes:
    """What sits on top of what in a network: a column of boxes, the input below, an arrow from each to the next.

    Args:
        boxes: text of each box, from the bottom up, and its kind.
        colours: kind -> colour; they are the legend.
        skips: residual connections: (from above which box, into which box), by their numbers.
        repeated: the first and the last box of a layer that is repeated, and what stands beside its frame.
        down: what stands beside a long arrow from the top to the bottom, such as the way of the gradient.
    """
    ax = new_axes(ax, figsize=(7.8, 0.52 * len(boxes) + 0.3))
    drawn = []
    for y, (text, kind) in enumerate(boxes):
        frame = {"boxstyle": "round,pad=0.35", "fc": colours[kind], "ec": "0.4"}
        drawn.append(ax.text(0, y, text, ha="center", va="center", fontsize=9, bbox=frame))
    look = {"arrowstyle": "->", "color": "0.3", "shrinkA": 0, "shrinkB": 1}
    for y, (low, high) in enumerate(itertools.pairwise(drawn)):
        rims = {"patchA": low.get_bbox_patch(), "patchB": high.get_bbox_patch()}
        ax.annotate("", (0, y + 1), (0, y), arrowprops=look | rims)
    for start, end in skips:
        low = start + 0.5
        ax.plot([0, 2.1, 2.1], [low, low, end], color="0.3", linewidth=1, solid_capstyle="round")
        ax.annotate("", (0, end), (2.11, end), arrowprops=look | {"patchB": drawn[end].get_bbox_patch()})
    if repeated:
        first, last, label = repeated
        low, high = first - 0.68, last + 0.42
        ax.add_patch(plt.Rectangle((-2.3, low), 4.6, high - low, fill=False, ec="0.5", ls="--"))
        ax.text(2.4, (low + high) / 2, label, va="center", fontsize=9)
    if down:
        arrow = {"arrowstyle": "-|>", "color": COLOURS[1], "lw": 2}
        ax.annotate("", (-2.6, 0), (-2.6, len(boxes) - 1), arrowprops=arrow)
        middle = {"ha": "right", "va": "center", "rotation": 90}
        ax.text(-2.68, (len(boxes) - 1) / 2, down, color=COLOURS[1], fontsize=9, **middle)
    for place, (kind, colour) in enumerate(colours.items()):
        frame = {"boxstyle": "round,pad=0.3", "fc": colour, "ec": "0.4"}
        ax.text(1.75, len(boxes) - 1 - 0.75 * place, kind, va="center", fontsize=9, bbox=frame)
    ax.set(xlim=(-3, 3.7), ylim=(-0.5, len(boxes) - 0.5))
    ax.axis("off")
    plain(ax)
    return ax


def confusion(matrix: np.ndarray, names: Sequence[str], ax: Axes | None = None) -> Axes:
    """A confusion matrix: rows are the truth, columns what the classifier said; darker is a larger share of the row."""
    matrix = np.asarray(matrix)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = 1.6 + 0.62 * len(several(names, "names"))
    ax = new_axes(ax, figsize=(size + 0.8, size))
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if share[row, column] > 0.6 else "black"
        ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=9)
    ax.set_xticks(
        range(len(names)), names, rotation=30 if len(names) > 3 else 0, ha="right" if len(names) > 3 else "center"
    )
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="the classifier says", ylabel="truth")
    ax.grid(visible=False)
    plain(ax)
    return ax


def reliability(
    confidences: Mapping[str, Sequence[float]], correct: Sequence[int], bins: int = 10, ax: Axes | None = None
) -> Axes:
    """Share that is right over mean confidence, in bins of equal width; on the diagonal a classifier is calibrated.

    Args:
        confidences: name of a classifier -> its confidences; bins with fewer than ten examples are left out.
        correct: 1 or 0 for each example, the same for all classifiers.
    """
    ax = new_axes(ax, figsize=(4.4, 3.8))
    ax.plot([0, 1], [0, 1], "--", color="0.5", linewidth=1, label="calibrated")
    right = np.asarray(correct, dtype=float)
    for (name, values), marker in zip(confidences.items(), "osD^vP*" * 3, strict=False):
        p = np.asarray(values, dtype=float)
        which = np.minimum((p * bins).astype(int), bins - 1)
        filled = [which == b for b in range(bins) if (which == b).sum() >= 10]
        ax.plot(
            [p[b].mean() for b in filled], [right[b].mean() for b in filled], marker=marker, markersize=4, label=name
        )
    ax.set(xlabel="mean probability in the bin", ylabel="share of class 1", xlim=(0, 1), ylim=(0, 1))
    ax.legend(fontsize=8)
    plain(ax)
    return ax


def marked_text(text: str, spans: Sequence[tuple[int, int, str]], width: int = 84) -> Axes:
    """A text in lines, its spans on coloured ground with their types below, one colour a type.

    Args:
        text: one line; it is broken at blanks.
        spans: (start, end, type) in characters, without overlap.
        width: characters a line.
    """
    breaks, start = [], 0
    while len(text) - start > width:
        blank = text.rfind(" ", start, start + width + 1)
        end = blank if blank > start else start + width
        breaks.append((start, end))
        start = end + (blank > start)
    breaks.append((start, len(text)))
    size, letter = 10.5, 0.602 * 10.5 / 72  # points; the width of DejaVu Sans Mono's letters in inches
    figure = plt.figure(figsize=((width + 2) * letter, 0.45 * len(breaks) + 0.15), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-1, width + 1), ylim=(len(breaks) - 0.2, -0.6))
    ax.axis("off")
    kinds = sorted({kind for *_, kind in spans})
    for line, (start, end) in enumerate(breaks):
        ax.text(0, line, text[start:end], family="DejaVu Sans Mono", fontsize=size, va="center")
        for a, b, kind in spans:
            left, right = max(a, start) - start, min(b, end) - start
            if left < right:
                colour = COLOURS[kinds.index(kind) % len(COLOURS)]
                ax.add_patch(plt.Rectangle((left, line - 0.3), right - left, 0.6, color=colour, alpha=0.25, lw=0))
                ax.text((left + right) / 2, line + 0.47, kind, fontsize=6, color=colour, ha="center", va="center")
    plain(ax)
    return ax


def word_map(places: np.ndarray, words: Sequence[str], kinds: Sequence[str], ax: Axes | None = None) -> Axes:
    """Points with their words beside them, moved until no two overlap; one colour and one marker for each kind.

    Args:
        places: [words, 2].
        kinds: the kind of each word.
    """
    ax = new_axes(ax, figsize=(8.4, 5.6))
    several(words, "words")
    names = list(dict.fromkeys(several(kinds, "kinds")))
    colour = dict(zip(names, COLOURS, strict=False))
    for name, marker in zip(names, "osD^vP*", strict=False):
        own = places[[kind == name for kind in kinds]]
        ax.plot(*own.T, marker, color=colour[name], markersize=4, label=name)
    ax.margins(0.12)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    ax.figure.draw_without_rendering()  # only now it is known where the points lie on the page
    points = ax.transData.transform(places) * 72 / ax.figure.dpi  # [words, 2], in points of 1/72 inch
    half = np.array([[2.35 * len(word) + 2, 5.0] for word in words])  # of the boxes of the words, at 8 points
    middle = {name: points[[kind == name for kind in kinds], 0].mean() for name in names}
    side = [1 if point[0] >= middle[kind] else -1 for point, kind in zip(points, kinds, strict=True)]
    centres = points + [[(size[0] + 5) * left_or_right, 0] for size, left_or_right in zip(half, side, strict=True)]
    for _ in range(400):
        moved = False
        for i in range(len(words)):
            gap = np.abs(centres - centres[i]) - half - half[i]  # an overlap where both are below 0
            dots = np.abs(points - centres[i]) - half[i] - 2
            for others, spaces in ((centres, gap), (points, dots)):
                for j in np.flatnonzero((spaces < 0).all(axis=1)):
                    if others is centres and i == j:
                        continue
                    away = np.sign(centres[i, 1] - others[j, 1]) or 1.0
                    centres[i, 1] += away * min(1.5, -spaces[j, 1] + 0.1)
                    moved = True
        if not moved:
            break
    for word, kind, point, centre, place in zip(words, kinds, points, centres, places, strict=True):
        line = {"arrowstyle": "-", "color": colour[kind], "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
        style = {"fontsize": 8, "color": colour[kind], "ha": "center", "va": "center", "textcoords": "offset points"}
        ax.annotate(word, place, xytext=centre - point, arrowprops=line, **style)
    plain(ax)
    return ax


def graph(
    boxes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str, str]],
    notes: Mapping[str, str] | None = None,
    *,
    names: Mapping[str, str] | None = None,
    orange: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """A drawn network: boxes, arrows that say what they do, and a note below a box, for computation graphs.

    Args:
        boxes: name of each box -> its centre, in inches.
        arrows: (from, to, what stands beside the arrow), each from rim to rim.
        notes: name of a box -> a text below it, in orange.
        names: name of a box -> what stands in it, if not its name; mathematics stands between dollars.
        orange: names of the boxes whose outgoing arrows to one another are orange, such as states.
    """
    xs, ys = zip(*boxes.values(), strict=True)
    size = (max(xs) - min(xs) + 1.5, max(ys) - min(ys) + 1.0)
    ax = new_axes(ax, figsize=size)
    drawn = {}
    for name, (x, y) in boxes.items():
        frame = {"boxstyle": "round,pad=0.35", "facecolor": "#EAF2F8", "edgecolor": "0.4"}
        drawn[name] = ax.text(x, y, (names or {}).get(name, name), ha="center", va="center", fontsize=9, bbox=frame)
        if note := (notes or {}).get(name):
            ax.text(x, y - 0.33, note, ha="center", va="center", fontsize=8.5, color=COLOURS[1])
    for start, end, label in arrows:
        colour = COLOURS[1] if {start, end} <= set(several(orange, "names")) else "0.25"
        rims = {"patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch()}
        look = {"arrowstyle": "-|>", "color": colour, "shrinkA": 1, "shrinkB": 1}
        ax.annotate("", boxes[end], boxes[start], arrowprops=look | rims)
        (x0, y0), (x1, y1) = boxes[start], boxes[end]
        upright = abs(x1 - x0) < 0.2
        place = ((x0 + x1) / 2 + (0.08 if upright else 0), (y0 + y1) / 2 + (0 if upright else 0.13))
        ax.text(*place, label, ha="left" if upright else "center", va="center", fontsize=9, color=colour)
    ax.set(xlim=(min(xs) - 0.75, max(xs) + 0.75), ylim=(min(ys) - 0.5, max(ys) + 0.5))
    ax.axis("off")
    return ax


def beam_tree(
    next_log_p: Callable[[Sequence[int]], Sequence[float]],
    names: Sequence[str],
    *,
    width: int,
    end: int,
    max_tokens: int,
    ax: Axes | None = None,
) -> Axes:
    """Beam search as a tree: a column for each step, the likeliest continuation at its top, with its probability.

    Args:
        next_log_p: tokens so far -> log P of each next token.
        names: what is written for each token.
        width: so many continuations are kept (blue); those among them that end are finished (orange).
        end: the token that ends a text; what has max_tokens tokens is finished, too.
    """
    names = several(names, "names")
    ax = new_axes(ax, figsize=(7.6, 3.9))
    ax.axis("off")
    kinds = {  # the look of a box
        "kept": {"fc": "#CFE4F3", "ec": COLOURS[0], "lw": 1.2},
        "finished": {"fc": "#FBE3D0", "ec": COLOURS[1], "lw": 1.2},
        "dropped": {"fc": "white", "ec": "0.75", "lw": 0.8, "ls": ":"},
    }
    ax.text(0, 0, "start", ha="center", va="center", fontsize=9, bbox=kinds["kept"] | {"boxstyle": "round,pad=0.3"})
    beams, places = [(0.0, ())], {(): 0.0}
    for step in range(1, max_tokens + 1):
        grown = [(log_p + more, (*text, i)) for log_p, text in beams for i, more in enumerate(next_log_p(text))]
        grown.sort(reverse=True)
        finished = [text for _, text in grown[:width] if text[-1] == end or step == max_tokens]
        beams = [found for found in grown if found[1][-1] != end][: width if step < max_tokens else 0]
        kept = [text for _, text in beams]
        for rank, (log_p, text) in enumerate(grown):
            y = places[text] = (len(grown) - 1) / 2 - rank
            kind = "finished" if text in finished else "kept" if text in kept else "dropped"
            colour = "0.85" if kind == "dropped" else "0.35"
            ax.plot([step - 0.78, step - 0.26], [places[text[:-1]], y], color=colour, linewidth=1, zorder=0)
            said = f"{names[text[-1]]}   {np.exp(log_p):.3f}"
            style = {"color": "0.55" if kind == "dropped" else "black", "fontsize": 8.5}
            ax.text(step, y, said, ha="center", va="center", bbox=kinds[kind] | {"boxstyle": "round,pad=0.25"}, **style)
    for number, (kind, look) in enumerate(kinds.items()):
        ax.text(number * 1.1, -4.6, kind, va="center", fontsize=8.5, bbox=look | {"boxstyle": "round,pad=0.25"})
    ax.set(xlim=(-0.4, max_tokens + 0.5), ylim=(-5, max(places.values()) + 0.6))
    plain(ax)
    return ax


def attention_heads(ax: Axes | None = None) -> Axes:
    """Multi-head attention with all its shapes: three words, vectors of four numbers, two heads of two."""
    ax = new_axes(ax, figsize=(8.9, 4.1))
    ax.set(xlim=(-0.4, 17.6), ylim=(-4.6, 4.2), aspect="equal")
    ax.axis("off")
    fills = ("#9CC9E6", "#F4C9A0")  # one colour a head
    look = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 0, "shrinkB": 0}
    white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}

    def matrix(x, y, columns, colours, name, shape):
        """Three rows of squares; x, y is the middle of the left side."""
        for row in range(3):
            for column in range(columns):
                place = (x + 0.5 * column, y + 0.25 - 0.5 * row)
                colour = colours[column * len(colours) // columns]
                ax.add_patch(plt.Rectangle(place, 0.5, 0.5, facecolor=colour, edgecolor="0.35", linewidth=0.8))
        ax.text(x + 0.25 * columns, y + 0.9, name, ha="center", va="bottom", fontsize=9.5, zorder=3, bbox=white)
        ax.text(x + 0.25 * columns, y - 0.88, shape, ha="center", va="top", fontsize=7.5, color="0.3")

    def arrow(start, end, said="", **own):
        ax.annotate("", end, start, arrowprops=look | own)
        ax.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.12, said, ha="center", va="bottom", fontsize=8.5)

    matrix(0, 0, 4, ["0.9"], "$X$", "[time, hidden]\n3 × 4")
    for y, name in ((2.9, "Q"), (0, "K"), (-2.9, "V")):
        arrow((2.1, 0.25 * y / 2.9), (4.3, y), f"$W^{name}$")
        matrix(4.4, y, 4, fills, f"${name} = XW^{name}$", "[time, hidden]" if name == "V" else "")
    for y, colour, line, head in ((1.7, fills[0], COLOURS[0], 1), (-1.7, fills[1], COLOURS[1], 2)):
        arrow((6.5, 2.9 + y / 10), (8.4, y + 0.25), color=line)
        arrow((6.5, y / 10), (8.4, y - 0.1 * y / 1.7), color=line)
        arrow(
            (6.5, -2.9 + y / 10), (10.6, y - 0.1), color=line, linestyle="--", zorder=0
        )  # the values join after the weights
        matrix(8.5, y, 3, [colour], f"weights of head {head}", "[time, time]")
        arrow((10.1, y), (11.2, y), "× V")
        matrix(11.3, y, 2, [colour], f"head {head}", "[time, hidden / heads]")
        arrow((12.4, y), (13.4, 0.15 if y > 0 else -0.15), color=line)
    matrix(13.5, 0, 4, fills, "side by side", "[time, hidden]")
    arrow((15.6, 0), (16.4, 0), "$W^O$")
    ax.text(16.5, 0, "output\n[time,\nhidden]", ha="left", va="center", fontsize=8.5)
    ax.text(9.25, 3.6, r"softmax$(Q_h K_h^\top / \sqrt{2}\,)$", ha="center", fontsize=9, color="0.3")
    return ax


def slow_and_fast_memory(ax: Axes | None = None) -> Axes:
    """What attention moves between a processor's large slow memory and its small fast one, in two ways."""
    ax = new_axes(ax, figsize=(8.6, 3.2))
    ax.set(xlim=(0, 17), ylim=(-0.2, 6))
    ax.axis("off")
    ways = {
        "the table of weights written out": [
            ("Q, K", 1),
            ("scores", -1),
            ("scores", 1),
            ("weights", -1),
            ("weights, V", 1),
        ],
        "in blocks (FlashAttention)": [
            ("a block of Q", 1),
            ("a block\nof K, V", 1),
            ("the next\nblock", 1),
            ("...", 1),
        ],
    }
    for left, (title, moves) in zip((0.2, 8.9), ways.items(), strict=True):
        for y, height, said, colour in (
            (3.9, 1.1, "fast memory, on the chip: small", "#DDEFE6"),
            (0.2, 1.1, "slow memory, beside the chip: large", "#FDF1DC"),
        ):
            ax.add_patch(plt.Rectangle((left, y), 7.9, height, facecolor=colour, edgecolor="0.4"))
            ax.text(left + 3.95, y + height / 2, said, ha="center", va="center", fontsize=9)
        ax.text(left + 3.95, 5.45, title, ha="center", va="center", fontsize=10)
        for i, (what, up) in enumerate([*moves, ("output", -1)]):
            x = left + 0.7 + i * 6.6 / len(moves)
            ends = ((x, 1.35), (x, 3.85))[::up]
            thick = 2.6 if what in ("scores", "weights", "weights, V") else 1.0
            look = {"arrowstyle": "-|>", "color": COLOURS[1] if thick > 2 else "0.3", "linewidth": thick}
            ax.annotate("", ends[1], ends[0], arrowprops=look | {"shrinkA": 0, "shrinkB": 0})
            ax.text(x + 0.1, 2.6, what, fontsize=7.5, ha="left", va="center", rotation=90)
    return ax


def low_rank(rank: int | str = "$r$", ax: Axes | None = None) -> Axes:
    """LoRA on one linear map: left the two ways of a vector and their sum, right the matrices with their shapes."""
    ax = new_axes(ax, figsize=(8.9, 3.9))
    ax.set(xlim=(-0.4, 19.2), ylim=(-1.1, 8.2), aspect="equal")
    ax.axis("off")
    frozen, learned, grey, orange = "0.88", "#F4C9A0", "0.35", COLOURS[1]

    def arrow(*points, colour=grey):
        for start, end in itertools.pairwise(points[:-1]):
            ax.plot(*zip(start, end, strict=True), color=colour, linewidth=1.5, solid_capstyle="round")
        look = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", points[-1], points[-2], arrowprops=look)

    def shape(corners, said, fill):
        ax.add_patch(plt.Polygon(corners, facecolor=fill, edgecolor="0.35"))
        ax.text(*np.mean(corners, axis=0), said, ha="center", va="center", fontsize=11)

    ax.text(3.4, -0.2, "$x$   [batch, time, $n$]", ha="center", va="center", fontsize=10)
    arrow((3.4, 0.2), (3.4, 0.7), (1.5, 0.7), (1.5, 1.6))
    arrow((3.4, 0.2), (3.4, 0.7), (5.4, 0.7), (5.4, 1.6), colour=orange)
    shape([(0, 1.6), (3, 1.6), (3, 4.8), (0, 4.8)], "$W$\nfrozen", frozen)
    shape([(3.9, 1.6), (6.9, 1.6), (5.9, 2.9), (4.9, 2.9)], "$A$", learned)
    ax.text(6.2, 3.2, f"{rank} numbers", fontsize=8.5, color=orange, va="center")
    arrow((5.4, 2.9), (5.4, 3.5), colour=orange)
    shape([(4.9, 3.5), (5.9, 3.5), (6.9, 4.8), (3.9, 4.8)], "$B$", learned)
    ax.text(7.0, 4.6, "starts at 0", fontsize=8.5, color=orange, va="center")
    ax.text(7.1, 1.75, "starts at random", fontsize=8.5, color=orange, va="center")
    arrow((1.5, 4.8), (1.5, 6.2), (3.1, 6.2))
    arrow((5.4, 4.8), (5.4, 6.2), (3.7, 6.2), colour=orange)
    ax.text(5.55, 5.5, "$× s$", fontsize=10, color=orange, va="center")
    ax.add_patch(plt.Circle((3.4, 6.2), 0.3, facecolor="white", edgecolor="0.35", zorder=3))
    ax.text(3.4, 6.2, "+", ha="center", va="center", fontsize=13, zorder=4)
    arrow((3.4, 6.5), (3.4, 7.2))
    ax.text(3.4, 7.6, "$Wx + s\\,BAx$   [batch, time, $m$]", ha="center", va="center", fontsize=10)

    def matrix(x, y, width, height, said, fill, below):
        ax.add_patch(plt.Rectangle((x, y), width, height, facecolor=fill, edgecolor="0.35"))
        ax.text(x + width / 2, y + height / 2, said, ha="center", va="center", fontsize=11)
        ax.text(x + width / 2, y - 0.4, below, ha="center", va="center", fontsize=9)

    matrix(10.6, 2.2, 3.2, 3.2, "$W$", frozen, "$m × n$")
    ax.text(14.35, 3.8, "$+ \\; s$", ha="center", va="center", fontsize=12)
    matrix(15.0, 2.2, 0.45, 3.2, "$B$", learned, "$m × r$")
    matrix(15.7, 4.95, 3.2, 0.45, "$A$", learned, "$r × n$")
    ax.text(14.8, 6.3, "merged, the sum is one matrix $m × n$ again", ha="center", fontsize=9, color=grey)
    return ax


def adapted_layer(ax: Axes | None = None) -> Axes:
    """A layer of BERT, lying, and where LoRA, adapters, IA³, prefixes and prompts act in it."""
    ax = new_axes(ax, figsize=(8.9, 4.1))
    ax.set(xlim=(-2.3, 17.4), ylim=(-3.4, 5.6))
    ax.axis("off")
    grey = "0.35"

    def box(x, y, said, fill="#DCEBF7", width=1.5, height=0.8):
        corner = (x - width / 2, y - height / 2)
        ax.add_patch(FancyBboxPatch(corner, width, height, "round,pad=0,rounding_size=0.12", fc=fill, ec="0.45"))
        ax.text(x, y, said, ha="center", va="center", fontsize=8.5)

    def arrow(start, end, style="-|>", **own):
        look = {"arrowstyle": style, "color": grey, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end, start, arrowprops=look | own)

    def mark(x, y, said, colour, place=None):
        """The name of a method; a dotted line leads from it to what it changes."""
        if place:
            ax.plot([x, place[0]], [y, place[1]], color=colour, linewidth=1.2, linestyle=":", zorder=0)
        look = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour}
        ax.text(x, y, said, ha="center", va="center", fontsize=8.5, bbox=look)

    ax.plot([-2.2, 0.4], [1.5, 1.5], color=grey, linewidth=1.2)
    ax.text(-2.2, 1.75, "vectors", fontsize=8.5, va="bottom")
    for y, said in ((3.0, "query"), (1.5, "key"), (0.0, "value")):
        arrow((0.4, 1.5), (1.25, y))
        box(2.0, y, said)
        arrow((2.75, y), (4.1, 1.5 + (y - 1.5) / 3))
    box(4.9, 1.5, "attention", "#FCE5CD", 1.6, 2.0)
    arrow((5.7, 1.5), (6.4, 1.5))
    box(7.1, 1.5, "output", width=1.4)
    arrow((7.8, 1.5), (8.6, 1.5))
    box(9.2, 1.5, "+\nnorm", "#FFF7CC", 1.1, 1.1)
    arrow((9.75, 1.5), (10.4, 1.5))
    box(11.1, 1.5, "inner", width=1.4)
    arrow((11.8, 1.5), (13.0, 1.5))
    ax.text(12.35, 1.65, "GELU", ha="center", va="bottom", fontsize=7.5, color=grey)
    box(13.7, 1.5, "outer", width=1.4)
    arrow((14.4, 1.5), (15.2, 1.5))
    box(15.8, 1.5, "+\nnorm", "#FFF7CC", 1.1, 1.1)
    arrow((16.35, 1.5), (17.1, 1.5))
    for left, right in ((0.2, 9.2), (10.05, 15.8)):  # the residual connections
        ax.plot([left, left, right], [1.5, -1.1, -1.1], color="0.7", linewidth=1.2, zorder=0)
        arrow((right, -1.1), (right, 0.95), color="0.7")
    blue, red, green, pink, yellow = COLOURS[:5]
    mark(2.0, 4.6, "LoRA, DoRA", blue, (2.0, 3.4))
    mark(1.6, -2.2, "LoRA, DoRA", blue, (1.9, -0.4))
    mark(8.2, 3.6, "bottleneck", red, (8.15, 1.5))
    mark(14.8, 3.6, "bottleneck", red, (14.75, 1.5))
    mark(4.9, -2.2, "IA³: × a factor", green, (3.3, 1.5))
    ax.plot([4.9, 3.3], [-2.2, 0.25], color=green, linewidth=1.2, linestyle=":", zorder=0)
    mark(12.4, -2.2, "IA³", green, (12.4, 1.4))
    mark(5.2, 4.6, "prefix: keys and values\nin front of the text's", pink, (4.6, 2.5))
    mark(-1.2, 3.6, "prompt: vectors\nin front", yellow, (-1.2, 1.6))
    mark(7.9, -2.9, "BitFit: the bias of every map and norm", grey)
    return ax


def lstm_cell(ax: Axes | None = None) -> Axes:
    """One step of an LSTM: the cell along the top, gates and candidate below, the hidden state at the right."""
    ax = new_axes(ax, figsize=(7.2, 3.7))
    ax.set(xlim=(-0.6, 8.2), ylim=(-0.6, 4))
    ax.axis("off")

    def arrow(start, end, colour="0.25", head="-|>"):
        look = {"arrowstyle": head, "color": colour, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end, start, arrowprops=look)

    def box(x, y, said, colour, width=0.95):
        ax.add_patch(plt.Rectangle((x - width / 2, y - 0.27), width, 0.54, facecolor=colour, edgecolor="0.3"))
        ax.text(x, y, said, ha="center", va="center", fontsize=10)

    def dot(x, y, said):
        ax.add_patch(plt.Circle((x, y), 0.2, facecolor="white", edgecolor="0.3", zorder=3))
        ax.text(x, y, said, ha="center", va="center", fontsize=11, zorder=4)

    top, middle, low = 3.4, 2.3, 1.1
    for left, right in ((0.1, 1.3), (1.7, 3.2), (3.6, 7.3)):  # the cell's way
        arrow((left, top), (right, top), COLOURS[1])
    ax.text(-0.2, top, "$c_{t-1}$", ha="center", va="center", fontsize=12)
    ax.text(7.6, top, "$c_t$", ha="center", va="center", fontsize=12)
    dot(1.5, top, "×")
    dot(3.4, top, "+")
    dot(3.4, middle, "×")
    gates = ((1.5, "$f$   σ", "forget: keep"), (2.7, "$i$   σ", "input: write"), (4.1, "$g$   tanh", "candidate"))
    for x, said, note in (*gates, (5.5, "$o$   σ", "output: show")):
        box(x, low, said, "#FDF1DC" if "σ" in said else "#DDEFE6")
        ax.text(x, low - 0.47, note, ha="center", va="center", fontsize=8.5, color="0.3")
        arrow((x, 0), (x, low - 0.68))
    arrow((1.5, low + 0.27), (1.5, top - 0.2))
    arrow((2.7, low + 0.27), (3.25, middle - 0.14))
    arrow((4.1, low + 0.27), (3.55, middle - 0.14))
    arrow((3.4, middle + 0.2), (3.4, top - 0.2))
    arrow((6.5, top), (6.5, middle + 0.57))
    box(6.5, middle + 0.3, "tanh", "#DDEFE6", 0.8)
    arrow((6.5, middle + 0.03), (6.5, low + 0.2))
    arrow((5.98, low), (6.3, low))
    dot(6.5, low, "×")
    arrow((6.7, low), (7.3, low), COLOURS[0])
    ax.text(7.6, low, "$h_t$", ha="center", va="center", fontsize=12)
    ax.plot([0.4, 5.5], [0, 0], color="0.25", linewidth=1)
    ax.text(-0.15, 0, "$x_t, h_{t-1}$", ha="center", va="center", fontsize=12)
    return ax


def timeline(events: Sequence[tuple[str, str, str, str]], ax: Axes | None = None) -> Axes:
    """Events in their order, in boxes above and below a line.

    Args:
        events: (when, name, what kind, what was new); each kind has its colour. Lines are broken by the caller.
    """
    ax = new_axes(ax, figsize=(9.6, 3.3))
    ax.axis("off")
    fills = dict(zip(dict.fromkeys(kind for _, _, kind, _ in events), ("0.92", "#FDF1DC", "#DDEFE6"), strict=False))
    ax.plot([-0.7, len(events) - 0.3], [0, 0], color="0.3", linewidth=2)
    for x, (when, name, kind, said) in enumerate(events):
        up = 1 if x % 2 == 0 else -1
        ax.plot([x, x], [0, 0.5 * up], color="0.5", linewidth=1)
        ax.plot(x, 0, "o", color="0.3", markersize=6)
        ax.text(x, -0.22 * up, when, ha="center", va="center", fontsize=8, color="0.3")
        low = 0.5 if up > 0 else -2.5
        rim = FancyBboxPatch((x - 0.96, low), 1.92, 2.0, "round,pad=0,rounding_size=0.1", fc=fills[kind], ec="0.5")
        ax.add_patch(rim)
        ax.text(x, low + 1.73, name, ha="center", va="center", fontsize=9.5, weight="bold")
        ax.text(x, low + 1.4, kind, ha="center", va="center", fontsize=7, color="0.3", style="italic")
        ax.text(x, low + 0.65, said, ha="center", va="center", fontsize=7.3, linespacing=1.3)
    ax.set(xlim=(-1.05, len(events) + 0.05), ylim=(-2.6, 2.6))
    plain(ax)
    return ax


def token_rows(rows: Mapping[str, Sequence[str]], marked: Mapping[str, str], ax: Axes | None = None) -> Axes:
    """Rows of tokens in boxes below each other: what stands in a text, what a model reads of it, what it is asked.

    Args:
        rows: what stands at the left of a row -> its tokens; "" leaves a place empty. All rows have the same number.
        marked: a token -> the colour of its boxes; the key "" is the colour of boxes below which something is asked.
    """
    count = len(next(iter(rows.values())))
    ax = new_axes(ax, figsize=(9.4, 0.3 + 0.42 * len(rows)))
    ax.axis("off")
    asked = [bool(token) for token in list(rows.values())[-1]]
    for y, (name, tokens) in enumerate(rows.items()):
        ax.text(-0.15, -y, name, ha="right", va="center", fontsize=8.5, color="0.3")
        for x, token in enumerate(several(tokens, "tokens")):
            if not token:
                continue
            colour = marked.get(token, marked.get("", "white") if asked[x] else "white")
            ax.add_patch(plt.Rectangle((x + 0.03, -y - 0.36), 0.94, 0.72, fc=colour, ec="0.55", linewidth=0.8))
            ax.text(x + 0.5, -y, token, ha="center", va="center", fontsize=7.5)
    ax.set(xlim=(-2.1, count + 0.05), ylim=(-len(rows) + 0.5, 0.5))
    plain(ax)
    return ax


def bert(
    first: Sequence[str] = ("the", "[MASK]", "was", "late"),
    second: Sequence[str] = ("we", "waited"),
    answer: str = "ferry",
    ax: Axes | None = None,
) -> Axes:
    """BERT with both its heads: the three embeddings that are added, a layer with its post-norms, what is guessed."""
    first, second = several(first, "first"), several(second, "second")
    tokens = ["[CLS]", *first, "[SEP]", *second, "[SEP]"]
    segments = ["A"] * (len(first) + 2) + ["B"] * (len(second) + 1)
    last = len(tokens) - 1
    ax = new_axes(ax, figsize=(9.0, 6.4))
    ax.set(xlim=(-1.7, last + 2.0), ylim=(0.3, 9.8))
    ax.axis("off")
    look = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 0, "shrinkB": 0}

    def box(x, y, said, fill, width=0.86, height=0.42, size=8.0):
        corner = (x - width / 2, y - height / 2)
        ax.add_patch(FancyBboxPatch(corner, width, height, "round,pad=0,rounding_size=0.06", fc=fill, ec="0.45"))
        ax.text(x, y, said, ha="center", va="center", fontsize=size)

    def arrow(start, end, **own):
        ax.annotate("", end, start, arrowprops=look | own)

    rows = (("token", 0.6, "#DCEBF7", tokens), ("position", 1.3, "#FDF1DC", range(last + 1)))
    for name, y, fill, said in (*rows, ("segment", 2.0, "#DDEFE6", segments)):
        ax.text(-0.6, y, name, ha="right", va="center", fontsize=8.5)
        for x, text in enumerate(said):
            box(x, y, f"$E_{{{text}}}$" if name != "token" else text, fill, size=8.0 if name == "token" else 9.5)
            if name != "segment":
                ax.text(x, y + 0.35, "+", ha="center", va="center", fontsize=9)
    wide, middle = last + 0.9, last / 2
    for x in range(last + 1):
        arrow((x, 2.21), (x, 2.55))
        arrow((x, 2.97), (x, 3.35))
        arrow((x, 6.65), (x, 6.99))
        box(x, 7.2, f"$h_{{{x}}}$", "0.95", size=9.5)
    box(middle, 2.76, "LayerNorm, dropout      [batch, time, hidden]", "#FFF7CC", wide)
    ax.add_patch(FancyBboxPatch((-0.75, 3.35), last + 1.5, 3.3, "round,pad=0,rounding_size=0.1", fc="none",
                                ec="0.6", ls="--"))  # fmt: skip
    ax.text(last + 0.85, 6.55, "one of\nN layers", fontsize=8, color="0.35", va="top")
    parts = (("self-attention, several heads, no mask:\neach token sees all", 3.85, "#FCE5CD", 0.56),
             ("add, then LayerNorm", 4.6, "#FFF7CC", 0.38), ("feed-forward: hidden → 4 · hidden, GELU → hidden",
              5.4, "#DCEBF7", 0.42), ("add, then LayerNorm", 6.15, "#FFF7CC", 0.38))  # fmt: skip
    for said, y, fill, height in parts:
        box(middle, y, said, fill, last - 0.6, height)
    edges = [(3.35, 3.57), (4.13, 4.41), (4.79, 5.19), (5.61, 5.96), (6.34, 6.65)]
    for low, high in edges:
        arrow((middle, low), (middle, high))
    for low, high in ((3.45, 4.6), (4.95, 6.15)):  # residual connections
        side = middle - (last - 0.6) / 2
        ax.plot([middle, side - 0.22, side - 0.22], [low, low, high], color=COLOURS[1], linewidth=1.6)
        arrow((side - 0.22, high), (side, high), color=COLOURS[1], linewidth=1.6)
    at = tokens.index("[MASK]") if "[MASK]" in tokens else 1
    arrow((0, 7.41), (0, 8.0))
    box(0, 8.25, "pooler:\nlinear, tanh", "#DDEFE6", 1.25, 0.5)
    arrow((0, 8.5), (0, 9.1))
    ax.text(0, 9.4, "linear: two logits,\nfollows or not", ha="center", va="center", fontsize=8.5)
    ax.plot([at, at, 4.4], [7.41, 7.65, 7.65], color="0.35", linewidth=1.2)
    arrow((4.4, 7.65), (4.4, 7.98))
    box(4.4, 8.25, "linear, GELU, LayerNorm, × token embeddings", "#DCEBF7", 4.6, 0.5)
    arrow((4.4, 8.5), (4.4, 9.1))
    ax.text(4.4, 9.4, f"masked language model: logits [vocabulary]\n“{answer}” should be the largest",
            ha="center", va="center", fontsize=8.5)  # fmt: skip
    plain_texts = [text for text in ax.texts if "$" not in text.get_text()]
    for text in plain_texts:
        text.set_parse_math(False)
    return ax


def encoder_decoder(heads: int = 4, ax: Axes | None = None) -> Axes:
    """The pre-norm Transformer: two residual streams, upright, and beside each the sublayers that read and add."""
    ax = new_axes(ax, figsize=(8.4, 7.4))
    ax.set(xlim=(-1.3, 9.3), ylim=(-1.75, 8.75))
    ax.axis("off")
    grey, orange = "0.35", COLOURS[1]

    def arrow(*points, colour=grey, width=1.2):
        """Along the points, with a head at the last one."""
        for start, end in itertools.pairwise(points[:-1]):
            ax.plot(*zip(start, end, strict=True), color=colour, linewidth=width, solid_capstyle="round")
        look = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", points[-1], points[-2], arrowprops=look)

    def box(x, y, said, fill, width=2.2, height=0.46):
        corner = (x - width / 2, y - height / 2)
        ax.add_patch(FancyBboxPatch(corner, width, height, "round,pad=0,rounding_size=0.08", fc=fill, ec="0.45"))
        ax.text(x, y, said, ha="center", va="center", fontsize=8.5)

    def sublayer(x, side, y, said):
        """Read the stream at y, normalise, compute, add at y + 0.95; `side` is 1 to the right, -1 to the left."""
        middle, edge = x + side * 1.85, x + side * 0.75
        arrow((x, y), (middle - side * 0.55, y))
        box(middle, y, "LayerNorm", "#FFF7CC", 1.1, 0.36)
        arrow((middle, y + 0.18), (middle, y + 0.62))
        attends = "attention" in said
        box(middle, y + 0.95, said + ("\n" if attends else ""), "#FCE5CD" if attends else "#DCEBF7", 2.2, 0.66)
        for head in range(heads if attends else 0):
            left = middle - 0.21 * heads + 0.42 * head + 0.03
            ax.add_patch(plt.Rectangle((left, y + 0.69), 0.36, 0.2, fc="white", ec="0.6", linewidth=0.8))
        arrow((edge, y + 0.95), (x + side * 0.17, y + 0.95))
        ax.add_patch(plt.Circle((x, y + 0.95), 0.17, fc="white", ec=orange, zorder=3))
        ax.text(x, y + 0.95, "+", ha="center", va="center", fontsize=12, zorder=4)

    columns = ((0, 1, "source", 2, "encoder"), (8, -1, "target", 3, "decoder"))
    for x, side, text, parts, name in columns:
        top = 1.0 + 1.7 * parts
        arrow((x, -1.2), (x, -0.75))
        ax.text(x, -1.4, f"{text} ids\n[batch, {text} length]", ha="center", va="center", fontsize=8.5)
        box(x, -0.5, "embedding + positions", "#DDEFE6")
        arrow((x, -0.27), (x, top + 0.42), colour=orange, width=3)
        ax.text(x - side * 0.72, 0.3 + top / 2, f"residual stream [batch, {text} length, hidden]", rotation=90 * side,
                ha="center", va="center", fontsize=8, color=orange)  # fmt: skip
        box(x, top + 0.65, "LayerNorm", "#FFF7CC", 1.1, 0.36)
        ends = sorted((x - side * 0.45, x + side * 3.1))
        frame = (ends[0], 0.55), ends[1] - ends[0], top - 0.5
        ax.add_patch(FancyBboxPatch(*frame, "round,pad=0,rounding_size=0.12", fc="none", ec="0.6", ls="--"))
        ax.text(x + side * 3.0, 0.68, f"one of N {name} layers", fontsize=8, color="0.35",
                ha="right" if side > 0 else "left", va="bottom")  # fmt: skip
    for y, said in ((1.3, "self-attention"), (3.0, "feed-forward")):
        sublayer(0, 1, y, said)
    for y, said in ((1.3, "causal self-attention"), (3.0, "cross-attention"), (4.7, "feed-forward")):
        sublayer(8, -1, y, said)
    arrow((0, 5.23), (0, 5.75))
    box(0, 6.0, "memory", "#DDEFE6", 1.3)
    ax.text(-0.65, 6.45, "[batch, source length, hidden]", fontsize=8, ha="left", va="center", color=orange)
    arrow((0.65, 6.0), (4.1, 6.0), (4.1, 3.95), (5.05, 3.95), colour=COLOURS[0], width=1.8)
    ax.text(3.95, 5.2, "keys, values", rotation=90, fontsize=8, ha="center", va="center", color=COLOURS[0])
    ax.text(6.25, 3.45, "queries", fontsize=8, ha="left", va="center", color=COLOURS[0])
    ax.text(3.2, 2.25, f"{heads} heads, each\nof hidden / {heads}\nnumbers", fontsize=8, va="center", color="0.35")
    arrow((8, 6.93), (8, 7.3))
    box(8, 7.55, "× embedding matrix", "#DDEFE6")
    arrow((8, 7.78), (8, 8.2))
    ax.text(8, 8.45, "logits [batch, target length, vocabulary]", ha="center", va="center", fontsize=8.5)
    return ax


def labelled_pieces(
    words: Sequence[str], pieces: Sequence[str], word_of: Sequence[int | None], labels: Sequence[str]
) -> Axes:
    """Words, the pieces that a tokenizer makes of them, and a label for each piece: one column for each piece.

    Args:
        words: of the text.
        pieces: with the special tokens.
        word_of: of each piece the number of its word, None for a special token.
        labels: what stands below each piece; those that start with "-" are drawn pale.
    """
    words, pieces, labels = several(words, "words"), several(pieces, "pieces"), several(labels, "labels")
    ax = new_axes(figsize=(min(max(0.92 * len(pieces), 3), 10.6), 2.1))
    look = {"ha": "center", "va": "center", "fontsize": 9}
    for number, word in enumerate(words):
        columns = [i for i, which in enumerate(word_of) if which == number]
        if not columns:
            continue
        middle = (columns[0] + columns[-1]) / 2
        frame = {"boxstyle": "round,pad=0.3", "fc": "#EAF2F8", "ec": "0.5"}
        ax.text(middle, 2, word, bbox=frame, **look)
        for i in columns:
            first = i == columns[0]
            style = {"arrowstyle": "-|>", "color": COLOURS[0] if first else "0.75", "shrinkA": 9, "shrinkB": 9}
            ax.annotate("", (i, 1), (middle, 2), arrowprops=style)
    for i, (piece, label) in enumerate(zip(pieces, labels, strict=True)):
        ax.text(
            i, 1, piece, family="monospace", bbox={"boxstyle": "square,pad=0.25", "fc": "white", "ec": "0.6"}, **look
        )
        pale = label.startswith("-")
        ax.text(i, 0.3, label, color="0.6" if pale else COLOURS[1], weight="normal" if pale else "bold", **look)
    for y, name in ((2, "words"), (1, "pieces"), (0.3, "labels")):
        ax.text(-0.75, y, name, ha="right", va="center", fontsize=8.5, color="0.35")
    ax.set(xlim=(-1.5, len(pieces) - 0.4), ylim=(0, 2.4))
    ax.axis("off")
    plain(ax)
    return ax


def lattice(
    probabilities: np.ndarray,
    words: Sequence[str],
    tags: Sequence[str],
    moves: np.ndarray,
    path: Sequence[int],
    other: Sequence[int] = (),
) -> Axes:
    """All sequences of tags as ways from left to right: a circle for each word and tag, darker where it is likelier.

    Args:
        probabilities: [words, tags].
        words, tags: the names of columns and rows.
        moves: [before, tag], -inf where one tag may not follow another; such moves are not drawn.
        path: the tags of the best way, in orange.
        other: the tags of another way, dashed.
    """
    words, tags = several(words, "words"), several(tags, "tags")
    ax = new_axes(figsize=(1.25 * len(words) + 1.1, 0.52 * len(tags) + 0.8))
    place = {(i, j): (i, len(tags) - 1 - j) for i in range(len(words)) for j in range(len(tags))}
    for i in range(1, len(words)):
        for before in range(len(tags)):
            for tag in range(len(tags)):
                if moves[before, tag] > -np.inf:
                    (x0, y0), (x1, y1) = place[i - 1, before], place[i, tag]
                    ax.plot([x0, x1], [y0, y1], color="0.85", linewidth=0.7, zorder=1)
    for way, style in ((other, {"color": "0.25", "linestyle": (0, (3, 2)), "linewidth": 1.6}),
                       (path, {"color": COLOURS[1], "linewidth": 3})):  # fmt: skip
        if len(way):
            xs, ys = zip(*(place[i, tag] for i, tag in enumerate(way)), strict=True)
            ax.plot(xs, ys, zorder=2, **style)
    for (i, j), (x, y) in place.items():
        share = float(probabilities[i, j])
        chosen = len(path) and path[i] == j
        shade = plt.get_cmap("Blues")(0.05 + 0.75 * share)
        rim = {"edgecolors": COLOURS[1] if chosen else "0.5", "linewidths": 1.8 if chosen else 0.8}
        ax.scatter([x], [y], s=430, color=[shade], zorder=3, **rim)
        ax.text(x, y, f"{share:.2f}", ha="center", va="center", fontsize=7.5, zorder=4,
                color="white" if share > 0.6 else "black")  # fmt: skip
    for i, word in enumerate(words):
        ax.text(i, len(tags) - 0.35, word, ha="center", va="bottom", fontsize=9)
    for j, tag in enumerate(tags):
        ax.text(-0.4, len(tags) - 1 - j, tag, ha="right", va="center", fontsize=8.5, color="0.3")
    ax.set(xlim=(-1.3, len(words) - 0.6), ylim=(-0.5, len(tags) + 0.1))
    ax.axis("off")
    plain(ax)
    return ax


def pointers(
    pieces: Sequence[str], start: Sequence[float], end: Sequence[float], span: tuple[int, int], ax: Axes | None = None
) -> Axes:
    """Two pointers over a text: the probability of the start above each piece, that of the end below it.

    Args:
        pieces: what the model reads.
        start, end: probabilities: [pieces].
        span: the first and the last piece of the answer, framed.
    """
    pieces = several(pieces, "pieces")
    widths = np.array([0.11 * len(piece) + 0.22 for piece in pieces])
    left = np.concatenate([[0], np.cumsum(widths)[:-1]])
    middle = left + widths / 2
    ax = new_axes(ax, figsize=(min(max(widths.sum() + 0.7, 4), 10.5), 2.5))
    for sign, values, colour, name in ((1, start, COLOURS[0], "start"), (-1, end, COLOURS[1], "end")):
        values = np.asarray(values, dtype=float)
        ax.bar(middle, sign * values, bottom=sign * 0.28, width=0.75 * widths, color=colour, zorder=2)
        best = int(values.argmax())
        ax.text(middle[best], sign * (values[best] + 0.33), f"{name} {values[best]:.2f}", ha="center", fontsize=8.5,
                va="bottom" if sign > 0 else "top", color=colour)  # fmt: skip
        ax.text(-0.1, sign * 0.75, f"P({name})", ha="right", va="center", fontsize=8.5, color=colour)
    for i, piece in enumerate(pieces):
        inside = span[0] <= i <= span[1]
        ax.text(middle[i], 0, piece, ha="center", va="center", fontsize=8.5, family="monospace",
                weight="bold" if inside else "normal", color="black" if inside else "0.35")  # fmt: skip
    x, width = left[span[0]], left[span[1]] + widths[span[1]] - left[span[0]]
    ax.add_patch(FancyBboxPatch((x, -0.2), width, 0.4, "round,pad=0.02", fc="#FBE3D0", ec=COLOURS[1], zorder=0))
    ax.set(xlim=(-0.75, widths.sum()), ylim=(-1.6, 1.6))
    ax.axis("off")
    plain(ax)
    return ax


def repairs(rows: Sequence[tuple[str, str, str]], ax: Axes | None = None) -> Axes:
    """How encoder-decoders are pretrained: for each a name, the damaged text that is read, and what is written."""
    rows = several(rows, "rows")
    ax = new_axes(ax, figsize=(9.2, 0.95 * len(rows) + 0.55))
    box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": "0.6"}
    for number, (name, read, written) in enumerate(rows):
        y = len(rows) - 1 - number
        ax.text(0.0, y, name, ha="left", va="center", fontsize=10, weight="bold")
        ax.text(2.75, y, read, ha="center", va="center", fontsize=8.5, bbox=box, linespacing=1.35)
        for x, part in ((5.15, "encoder"), (6.15, "decoder")):
            ax.text(x, y, part, ha="center", va="center", fontsize=8.5,
                    bbox=box | {"fc": "#EAF2F8" if part == "encoder" else "#FBE3D0"})  # fmt: skip
        ax.text(8.15, y, written, ha="center", va="center", fontsize=8.5, bbox=box, linespacing=1.35)
        for x0, x1 in ((4.45, 4.72), (5.55, 5.74), (6.58, 6.85)):
            ax.annotate("", (x1, y), (x0, y), arrowprops={"arrowstyle": "-|>", "color": "0.4"})
    for x, title in ((2.75, "what the encoder reads"), (8.15, "what the decoder has to write")):
        ax.text(x, len(rows) - 0.38, title, ha="center", va="bottom", fontsize=9, color="0.35")
    ax.set(xlim=(-0.1, 9.5), ylim=(-0.55, len(rows) - 0.1))
    ax.axis("off")
    plain(ax)
    return ax


def matrices(
    parts: Sequence[str | tuple[str, np.ndarray, Sequence[str], Sequence[str]]], ax: Axes | None = None
) -> Axes:
    """A computation with small matrices, their numbers in their cells.

    Args:
        parts: from left to right, either what stands between two matrices ("·", "="), or (title, numbers
            [rows, columns], names of the rows, names of the columns).
    """
    parts = several(parts, "parts")
    widths = [0.9 if isinstance(part, str) else np.shape(part[1])[1] + 0.3 + 0.13 * max(map(len, part[2] or [""]))
              for part in parts]  # fmt: skip
    tallest = max(len(part[1]) for part in parts if not isinstance(part, str))
    ax = new_axes(ax, figsize=(0.58 * sum(widths), 0.42 * tallest + 0.9))
    x = 0.0
    for part, width in zip(parts, widths, strict=True):
        if isinstance(part, str):
            ax.text(x + width / 2, tallest / 2, part, ha="center", va="center", fontsize=11)
            x += width
            continue
        title, numbers, rows, columns = part
        numbers = np.asarray(numbers, dtype=float)
        height, count = numbers.shape
        left, low = x + width - count - 0.15, (tallest - height) / 2
        shades = plt.get_cmap("Blues")(0.55 * np.abs(numbers) / max(np.abs(numbers).max(), 1e-9))
        for (i, j), number in np.ndenumerate(numbers):
            corner = (left + j, low + height - 1 - i)
            ax.add_patch(plt.Rectangle(corner, 1, 1, fc=shades[i, j], ec="0.5", linewidth=0.8))
            ax.text(
                corner[0] + 0.5,
                corner[1] + 0.5,
                f"{number:.2f}".rstrip("0").rstrip("."),
                ha="center",
                va="center",
                fontsize=9,
            )
        for i, name in enumerate(rows):
            ax.text(left - 0.1, low + height - i - 0.5, name, ha="right", va="center", fontsize=8.5)
        for j, name in enumerate(columns):
            ax.text(left + j + 0.5, low + height + 0.12, name, ha="center", va="bottom", fontsize=8.5)
        ax.text(left + count / 2, low - 0.2, title, ha="center", va="top", fontsize=8.5, color="0.3")
        x += width
    ax.set(xlim=(0, x), ylim=(-0.9, tallest + 0.6))
    ax.axis("off")
    plain(ax)
    return ax


def copy_gate(
    source: Sequence[str], weights: Sequence[float], written: Mapping[str, float], gate: float, ax: Axes | None = None
) -> Axes:
    """A gate between writing and copying: two distributions, each times its share, added word by word.

    Args:
        source: words of the source, from left to right.
        weights: of the attention to each of them; they sum to 1.
        written: a word of the vocabulary -> its probability.
        gate: the share of what is written, p_gen.
    """
    source = several(source, "source")
    ax = new_axes(ax, figsize=(8.8, 3.7))
    ax.set(xlim=(-0.3, 15.4), ylim=(-0.5, 6.6))
    ax.axis("off")
    words = [*written, *(word for word in dict.fromkeys(source) if word not in written)]
    copied = {word: sum(w for one, w in zip(source, weights, strict=True) if one == word) for word in words}
    write, copy = COLOURS[0], COLOURS[1]

    def bars_at(x, y, names, parts, title):
        """Upright bars on a line at y; `parts` are (heights, colour), one on top of the other."""
        ax.plot([x - 0.1, x + 1.05 * len(names)], [y, y], color="0.4", linewidth=0.8)
        low = [0.0] * len(names)
        for heights, colour in parts:
            for i, height in enumerate(heights):
                corner = (x + 1.05 * i + 0.15, y + 1.9 * low[i])
                ax.add_patch(plt.Rectangle(corner, 0.65, 1.9 * height, fc=colour, ec="0.3", linewidth=0.7))
                low[i] += height
        for i, name in enumerate(names):
            ax.text(x + 1.05 * i + 0.47, y - 0.12, name, ha="center", va="top", fontsize=8.5)
            said = f"{low[i]:.3f}".rstrip("0").rstrip(".")
            ax.text(x + 1.05 * i + 0.47, y + 1.9 * low[i] + 0.06, said, ha="center", va="bottom", fontsize=7.5)
        ax.text(x - 0.1, y + 1.75, title, ha="left", va="bottom", fontsize=9)

    def arrow(start, end, colour, said, lift):
        look = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end, start, arrowprops=look)
        ax.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + lift, said, ha="center", va="center", fontsize=9,
                color=colour)  # fmt: skip

    bars_at(0, 4.2, list(written), [(list(written.values()), write)], "written: the vocabulary's softmax")
    bars_at(0, 0.4, source, [(weights, copy)], "copied: attention to the source")
    shares = [[gate * written.get(word, 0.0) for word in words], [(1 - gate) * copied[word] for word in words]]
    right = 15.2 - 1.05 * len(words)
    bars_at(right, 2.3, words, list(zip(shares, (write, copy), strict=True)), "the next word")
    middle, end = 1.05 * max(len(written), len(source)) + 0.6, right - 0.5
    arrow((middle, 4.9), (end, 3.6), write, f"× {gate:g} (gate)", 0.75)
    arrow((middle, 1.3), (end, 2.6), copy, f"× {1 - gate:g} (1 − gate)", -0.75)
    plain(ax)
    return ax


Scored = tuple[str, Sequence[str], Sequence[float]]  # a title, words, and the score of each


def word_scores(rows: Sequence[Scored], width: int = 78, ax: Axes | None = None) -> Axes:
    """Texts whose words stand on coloured ground: blue for a positive score, orange and striped for a negative one.

    Args:
        rows: (title, words, score of each word) of each text; the strongest score of a text has the full colour.
        width: characters a line.
    """
    lines: list[list[tuple[float, str, float]]] = []
    titles: dict[int, str] = {}
    for title, words, scores in rows:
        titles[len(lines)] = title
        lines.append([])
        strongest, column = max(map(abs, scores), default=0.0) or 1.0, 0
        for word, score in zip(several(words, "words"), scores, strict=True):
            if column and column + len(word) > width:
                lines.append([])
                column = 0
            lines[-1].append((column, word, float(score) / strongest))
            column += len(word) + 1.6
    letter = 0.602 * 9.5 / 72
    ax = new_axes(ax, figsize=((width + 22) * letter, max(1.45, 0.31 * len(lines) + 0.5)))

    def word_at(column, y, word, score):
        colour, hatch = (COLOURS[0], "") if score > 0 else (COLOURS[1], "////" if score < -0.25 else "")
        look = {"fc": colour, "alpha": 0.75 * abs(score), "lw": 0, "hatch": hatch, "ec": "white"}
        ax.add_patch(plt.Rectangle((column - 0.4, y - 0.4), len(word) + 0.8, 0.8, **look))
        family = ["DejaVu Sans Mono", *STYLE["font.family"]]
        ax.text(column, y, word, va="center", family=family, fontsize=9.5)

    for y, line in enumerate(lines):
        if y in titles:
            ax.text(-1.5, y, titles[y], ha="right", va="center", fontsize=8.5, color="0.3")
        for column, word, score in line:
            word_at(column, y, word, score)
    ax.text(-1.5, len(lines) + 0.3, "score", ha="right", va="center", fontsize=8.5, color="0.3")
    word_at(0, len(lines) + 0.3, "above 0", 1.0)
    word_at(9, len(lines) + 0.3, "below 0", -1.0)
    ax.set(xlim=(-20, width + 2), ylim=(len(lines) + 0.8, -0.6))
    ax.axis("off")
    plain(ax)
    return ax


def heat_map(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    label: str,
    digits: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """A table of numbers as colours from blue (below 0) through white to orange, each number written into its field."""
    values, rows, columns = np.asarray(values, dtype=float), several(rows, "rows"), several(columns, "columns")
    ax = new_axes(ax, figsize=(1.6 + 0.74 * values.shape[1], 0.9 + 0.27 * values.shape[0]))
    most = np.nanmax(np.abs(values)) or 1.0
    drawn = ax.imshow(values, cmap="PuOr_r", vmin=-most, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.7 * most else "black"
        ax.text(
            column,
            row,
            f"{round(value, digits) + 0.0:.{digits}f}",
            ha="center",
            va="center",
            color=colour,
            fontsize=7.5,
        )
    ax.set_xticks(range(len(columns)), columns, rotation=20, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    ax.grid(visible=False)
    ax.figure.colorbar(drawn, ax=ax, label=label)
    plain(ax)
    return ax
