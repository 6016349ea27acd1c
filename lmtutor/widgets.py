"""Explorers for notebooks: controls of ipywidgets over a picture that follows them.

The picture is an output of its own below the controls, so that a page without a kernel still shows the default state.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Mapping

import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.axes import Axes

from lmtutor import plots
from lmtutor.data import text
from lmtutor.data.bpe import BytePairEncoding
from lmtutor.models.ngram import NgramModel
from lmtutor.runtime import CourseError


def explore(draw: Callable[..., Axes], *, alt: str, **controls: ipywidgets.Widget) -> ipywidgets.VBox:
    """Show controls and, below them, what `draw(**values of the controls)` draws; redraw at every change.

    A mistake in the input (any exception of `draw`, also one that comes only when its figure is rendered) is told in a
    line between the two, and the last picture stays. What is typed is shown as it is, in pictures and in messages.

    Args:
        draw: returns the Axes of a new figure.
        alt: what the picture shows whatever the controls say, for readers who cannot see it.
        controls: ipywidgets with a `value`, under the names of draw's arguments.
    """
    message = ipywidgets.HTML()
    box = ipywidgets.VBox([*controls.values(), message])

    def picture() -> tuple[dict, dict] | None:
        before = plt.get_fignums()
        try:
            figure = draw(**{name: control.value for name, control in controls.items()}).figure
            plots.plain(figure)
            drawn = plots.picture(figure, alt)
            message.value = ""
            return drawn
        except Exception as error:
            message.value = f"<b>{html.escape(told(error))}</b>"
            return None
        finally:  # else the inline backend would show it a second time, and what failed half drawn
            for number in set(plt.get_fignums()).difference(before):
                plt.close(number)

    def redraw(_change=None) -> None:
        if drawn := picture():
            data, metadata = drawn
            handle.update(data, metadata=metadata, raw=True)

    display(box)
    data, metadata = picture() or ({"text/plain": ""}, {})
    handle = display(data, metadata=metadata, raw=True, display_id=True)
    for control in controls.values():
        control.observe(redraw, names="value")
    return box


def told(error: Exception) -> str:
    """The sentence of a CourseError; of other errors the type, too, without which `'x'` says nothing."""
    said = str(error).strip()
    return said if isinstance(error, CourseError) else f"{type(error).__name__}: {said}".removesuffix(": ")


def next_word(models: Mapping[str, Mapping[int, NgramModel]], history: str = "") -> ipywidgets.VBox:
    """Type a history, choose n and a smoothing, and see the ten likeliest next words.

    Args:
        models: name of the smoothing -> {n: model of order n}.
        history: what stands in the box at first; "<s>" is put before it.
    """
    orders = sorted(next(iter(models.values())))

    def draw(history: str, n: int, smoothing: str) -> Axes:
        model = models[smoothing][n]
        words = [text.START, *text.words(history)]
        p = model.next_distribution(words)
        best = p.argsort(kind="stable")[::-1][:10]
        values = {model.vocabulary.words[i]: float(p[i]) for i in best if p[i] > 0}
        seen = [
            "…" if len(words) > n - 1 else "",
            *(w if w in model.vocabulary else f"{w} (<unk>)" for w in words[-(n - 1) :]),
        ]
        ax = plots.bars(values or {"(no word has a probability above 0)": 0.0}, xlabel="P(word | history)")
        ax.set_xlim(0, max(0.05, 1.15 * max(values.values(), default=0)))
        ax.set_title(f"{smoothing}, n = {n}: it sees  {' '.join(seen).strip() if n > 1 else '(nothing)'}", fontsize=9)
        return ax

    return explore(
        draw,
        alt="A bar for each of the ten words that are the likeliest to come next.",
        history=ipywidgets.Text(value=history, description="history", continuous_update=False),
        n=ipywidgets.IntSlider(value=orders[-1], min=orders[0], max=orders[-1], description="n"),
        smoothing=ipywidgets.Dropdown(options=list(models), value=list(models)[-1], description="smoothing"),
    )


def tokens(tokenizers: Mapping[str, BytePairEncoding], sentence: str, num_merges: int) -> ipywidgets.VBox:
    """Type a text, choose a tokenizer and how many of its merges, and see the tokens as boxes.

    Args:
        tokenizers: name -> tokenizer.
        sentence, num_merges: what is shown at first.
    """

    def draw(text: str, tokenizer: str, merges: int) -> Axes:
        own = tokenizers[tokenizer]
        ids = own.encode(text, merges)
        rows, column = [[]], 0
        for i in ids:
            label, width = _token_label(own.tokens[i])
            if column + width > 72:
                rows, column = [*rows, []], 0
            rows[-1].append((column, label, width))
            column += width + 1
        ax = plots.new_axes(figsize=(9, 0.7 + 0.36 * len(rows)))
        for number, (y, (x, label, width)) in enumerate((y, box) for y, row in enumerate(rows) for box in row):
            box = plt.Rectangle((x, y + 0.08), width + 0.8, 0.84, color=plots.COLOURS[number % 6], alpha=0.3)
            ax.add_patch(box)
            family = ["DejaVu Sans Mono", *plots.STYLE["font.family"]]
            ax.text(x + width / 2 + 0.4, y + 0.5, label, ha="center", va="center", family=family, fontsize=9)
        ax.set(xlim=(-0.5, 75), ylim=(len(rows), 0))
        size = len(text.encode())
        ax.set_title(f"{len(ids)} tokens for {len(text)} code points, {size} bytes ({tokenizer} merges)", fontsize=9)
        ax.axis("off")
        return ax

    most = max(len(tokenizer.merges) for tokenizer in tokenizers.values())
    return explore(
        draw,
        alt="The tokens of the text as coloured boxes, row below row, and their number above them.",
        text=ipywidgets.Textarea(value=sentence, description="text", continuous_update=False),
        tokenizer=ipywidgets.Dropdown(options=list(tokenizers), description="merges of"),
        merges=ipywidgets.IntSlider(value=num_merges, min=0, max=most, step=20, description="merges"),
    )


def _token_label(token: bytes) -> tuple[str, int]:
    """What the box of a token shows, and how many columns that takes: its text, or its bytes where that has no font."""
    shown = token.decode(errors="replace").replace(" ", "\u2423").replace("\n", "\u23ce")
    if not all(map(plots.has_glyph, shown)) or "\ufffd" in shown:
        shown = token.hex(" ").upper()
    return shown, sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in shown)


Bounds = Callable[[list[int]], tuple[float, float]]
LETTERS = "abcdefghijklmnopqrstuvwxyz "  # Shannon's 27 symbols; the space may be typed as _, too


def guessing_game(
    passages: Mapping[str, str], model: NgramModel, bounds: Bounds, *, given: int = 40, guesses: str = ""
) -> ipywidgets.VBox:
    """Shannon's game: guess a text letter by letter; see how many guesses you and a model needed, and what that says.

    What is typed is read as one guess after the other: a wrong one stays and is counted, a right one uncovers the
    letter; ? gives up and uncovers it as the last of all guesses.

    Args:
        passages: name -> text of the 27 symbols (`letters_only` of the chapter).
        model: an n-gram model whose words are these symbols.
        bounds: numbers of guesses -> the two bounds of the entropy, such as `metrics.guessing_bounds`.
        given: how many letters are shown at first.
        guesses: what is typed already.
    """
    ranks_of: dict[tuple[str, int], int] = {}  # the model's, which take a moment each

    def draw(passage: str, guesses: str) -> Axes:
        hidden = passages[passage]
        yours, tried = play(hidden[given:], guesses)
        for i in range(given, given + len(yours)):
            if (passage, i) not in ranks_of:
                ranks_of[passage, i] = guess_rank(model, hidden[:i], hidden[i])
        models = [ranks_of[passage, i] for i in range(given, given + len(yours))]
        return _guessed(hidden[: given + len(yours)], yours, models, tried, bounds)

    return explore(
        draw,
        alt="The text uncovered so far; below each guessed letter the number of guesses that you and the model needed.",
        passage=ipywidgets.Dropdown(options=list(passages), description="passage"),
        guesses=ipywidgets.Text(value=guesses, description="guesses"),
    )


def play(hidden: str, guesses: str) -> tuple[list[int], str]:
    """Shannon's game, played with these guesses: how many each uncovered letter took, what was tried for the next."""
    ranks: list[int] = []
    tried = ""
    for guess in guesses.lower().replace("_", " "):
        if len(ranks) == len(hidden):
            break
        if guess == "?" or guess == hidden[len(ranks)]:
            ranks.append(len(LETTERS) if guess == "?" else len(tried) + 1)
            tried = ""
        elif guess in LETTERS and guess not in tried:
            tried += guess
    return ranks, tried


def guess_rank(model: NgramModel, before: str, letter: str) -> int:
    """Which guess of the model would have been right: 1 if the letter is the likeliest after the text before it."""
    p = model.next_distribution([text.START, *before])
    mine = p[model.vocabulary.ids[letter]]
    return 1 + int(sum(p[model.vocabulary.ids[other]] > mine for other in LETTERS if other in model.vocabulary.ids))


def _guessed(shown: str, yours: list[int], models: list[int], tried: str, bounds: Bounds) -> Axes:
    """The game's picture: what came before; a grid of letter, your guesses, the model's guesses; the bounds."""
    ax, columns = plots.new_axes(figsize=(9, 2.6)), 34
    played = min(len(yours), columns - 1)
    before = ("..." if len(shown) > 90 + played else "") + shown[: len(shown) - played][-90:]
    ax.text(0, 3.4, before.replace(" ", "_"), family="monospace", fontsize=9, color="0.35")
    for row, name in enumerate(("text", "you", "model")):
        ax.text(-0.8, 2 - row, name, ha="right", va="center", color=("black", *plots.COLOURS)[row])
    for i in range(played):
        what = shown[len(shown) - played + i].replace(" ", "_"), yours[i - played], models[i - played]
        for row, value in enumerate(what):
            size = 13 if row == 0 else 8.5
            colour = ("black", *plots.COLOURS)[row]
            ax.text(i, 2 - row, str(value), ha="center", va="center", fontsize=size, color=colour, family="monospace")
    ax.text(played, 2, "?", ha="center", va="center", fontsize=13, family="monospace", color="0.6")
    ax.text(played + 0.7, 1, f"not: {' '.join(tried.replace(' ', '_'))}" if tried else "", va="center", fontsize=8.5)
    lines = []
    for name, ranks in (("you", yours), ("model", models)):
        if ranks:
            low, high = bounds(ranks)
            first = sum(rank == 1 for rank in ranks) / len(ranks)
            lines.append(
                f"{name}: {len(ranks)} letters, {first:.0%} at the first guess, {low:.2f} to {high:.2f} bits per letter"
            )
    ax.text(0, -1, "\n".join(lines) or "type your first guess", va="top", fontsize=9)
    ax.set(xlim=(-3.2, columns), ylim=(-2.2, 4))
    ax.axis("off")
    return ax
