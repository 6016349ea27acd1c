"""Figures and explorers show what is typed as it is, and say what went wrong."""

import base64
import struct
import subprocess
import sys

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from lmtutor import plots, widgets
from lmtutor.runtime import CourseError

COSTLY = "from $5 to $7_x"  # between the two dollars, mathematics with a subscript


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def as_written(ax):
    """Whether all texts of the figure that hold a dollar are drawn sign by sign; and there is one."""
    ax.figure.canvas.draw()
    texts = [text for text in ax.figure.findobj(Text) if "$" in text.get_text()]
    return bool(texts) and all(text._preprocess_math(text.get_text())[1] is False for text in texts)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.bars({COSTLY: 1.0, "$$": 2.0}, xlabel=COSTLY),
        lambda: plots.curves([1, 2], {COSTLY: [1, 2], "b": [2, 3]}, xlabel=COSTLY, ylabel=COSTLY),
        lambda: plots.diagram({COSTLY: (0, 0), "b": (1, 1)}, [(COSTLY, "b")]),
        lambda: plots.tower([(COSTLY, "$"), ("b", "$")], colours={"$": "white"}, skips=[(0, 1)], down=COSTLY),
        lambda: plots.confusion([[1, 2], [3, 4]], [COSTLY, "b"]),
        lambda: plots.reliability({COSTLY: [0.5] * 20}, [1] * 20),
        lambda: plots.marked_text(COSTLY, [(0, 4, "$a$")]),
        lambda: plots.copy_gate([COSTLY, "b"], [0.5, 0.5], {"$a$": 1.0}, 0.4),
    ],
)
def test_two_dollars_are_no_mathematics(draw):
    assert as_written(draw())


def test_the_powers_of_ten_of_a_logarithmic_axis_stay_mathematics():
    ax = plots.new_axes()
    ax.loglog([1, 1000], [1, 1000])
    ax.set_title(COSTLY)
    plots.plain(ax.figure)
    ax.figure.canvas.draw()
    ticks = [tick for tick in ax.get_xticklabels() if "$" in tick.get_text()]
    assert ticks and all(tick.get_parse_math() for tick in ticks) and not ax.title.get_parse_math()


def test_signs_that_no_font_has_give_no_warning():
    code = "from lmtutor import plots; plots.bars({'a \\ue000 \\u4e2d': 1}, xlabel='').figure.canvas.draw()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_diagram_has_frames_around_and_lines_beside_its_boxes():
    boxes = {"in": (0, 0), "norm": (0, 1), "attention": (0, 2), "+": (0, 3), "norm ": (0, 4)}
    ax = plots.diagram(
        boxes, [("in", "norm")], residuals=[("in", "+")], frames={"layer": ["norm", "attention", "+"]},
        fills={"attention": "#ff0000"},
    )  # fmt: skip
    ax.figure.canvas.draw()
    texts = {text.get_text(): text for text in ax.texts}
    assert set(texts) == {"in", "norm", "attention", "+", "layer", ""}
    assert texts["attention"].get_bbox_patch().get_facecolor() == (1, 0, 0, 1)
    (frame,) = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    left, low, width, height = frame.get_bbox().bounds
    for text, (x, y) in boxes.items():
        assert (left < x < left + width and low < y < low + height) == (text in ("norm", "attention", "+"))
    (line,) = ax.lines
    assert min(line.get_xdata()) > left and 0 < line.get_ydata()[0] < 1 and line.get_ydata()[-1] == 3


def test_numbers_on_a_logarithmic_axis_are_written_as_a_reader_writes_them():
    ax = plots.curves([1, 2], {"a": [2e-6, 0.05]}, xlabel="n", ylabel="loss", log="y")
    ax.figure.canvas.draw()
    ticks = {tick.get_text() for tick in ax.get_yticklabels()}
    assert {"10⁻⁵", "0.001", "0.1"} <= ticks
    ax = plots.curves([2e4, 5e4], {"a": [1, 2]}, xlabel="n", ylabel="loss", log="x")
    ax.figure.canvas.draw()
    assert "20,000" in {tick.get_text() for tick in ax.get_xticklabels()}
    assert plots._plain_number(5e-5) == "5·10⁻⁵" and plots._plain_number(2e7) == "2·10⁷"


# --- showing ----------------------------------------------------------------------------------------------------------


def test_a_figure_is_shown_sharp_with_its_alternative_text_and_closed(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda data, **options: shown.append((data, options)))
    plots.curves([1, 2], {"a": [1, 2]}, xlabel="n", ylabel="loss")
    plots.show(alt="A rising line.")
    ((data, options),) = shown
    png = base64.b64decode(data["image/png"])
    about = options["metadata"]["image/png"]
    width, height = struct.unpack(">II", png[16:24])
    assert about["alt"] == data["text/plain"] == "A rising line." and plt.get_fignums() == []
    assert (width, height) == pytest.approx((2 * about["width"], 2 * about["height"]), abs=2)  # two pixels for each


def test_a_picture_without_a_text_or_without_a_figure_is_refused():
    with pytest.raises(CourseError, match="no figure to show"):
        plots.show(alt="Nothing.")
    plots.new_axes()
    with pytest.raises(CourseError, match="needs an alternative text"):
        plots.show(alt=" ")


# --- explorers --------------------------------------------------------------------------------------------------------


class Shown:
    """What a notebook would show below the controls."""

    def __init__(self, monkeypatch):
        self.pictures = []
        monkeypatch.setattr(widgets, "display", self.display)

    def display(self, what, display_id=False, **options):
        if display_id:
            self.update(what, **options)
        return self

    def update(self, what, metadata=None, raw=True):
        if metadata:  # else there is nothing to see
            self.pictures.append(what["image/png"])
            assert metadata["image/png"]["alt"] == what["text/plain"] == "A plot."


@pytest.fixture
def shown(monkeypatch):
    return Shown(monkeypatch)


def explored(draw, value="a"):
    control = ipywidgets.Text(value=value)
    box = widgets.explore(draw, alt="A plot.", typed=control)
    return control, box.children[-1]


def draws(typed):
    if typed == "raises":
        plt.figure()  # begun, and never shown
        raise CourseError("The token <unk> & <b>others</b> are not known.")
    if typed == "key":
        raise KeyError("x")
    ax = plots.new_axes()
    ax.set_title(typed)
    if typed == "late":
        ax.figure.add_artist(FailsLate())
    return ax


class FailsLate(Text):
    def draw(self, renderer):
        raise ValueError("cannot be drawn")


def test_a_mistake_is_told_as_it_is_written_and_the_last_picture_stays(shown):
    control, message = explored(draws)
    assert message.value == "" and len(shown.pictures) == 1
    control.value = "raises"
    assert message.value == "<b>The token &lt;unk&gt; &amp; &lt;b&gt;others&lt;/b&gt; are not known.</b>"
    control.value = "key"
    assert message.value == "<b>KeyError: &#x27;x&#x27;</b>"
    control.value = "late"
    assert message.value == "<b>ValueError: cannot be drawn</b>"
    assert len(shown.pictures) == 1 and plt.get_fignums() == []
    control.value = "b"
    assert message.value == "" and len(shown.pictures) == 2


@pytest.mark.parametrize("value", ["raises", "late"])
def test_what_fails_from_the_start_is_told_and_the_next_value_draws(value, shown):
    control, message = explored(draws, value)
    assert message.value != "" and plt.get_fignums() == []
    control.value = "b"
    assert message.value == "" and len(shown.pictures) == 1


def test_what_is_typed_into_an_explorer_is_no_mathematics(shown):
    drawn = []
    control, message = explored(lambda typed: drawn.append(draws(typed)) or drawn[-1], COSTLY)
    assert message.value == "" and as_written(drawn[-1])


def test_a_curve_with_fewer_numbers_ends_earlier():
    """Of two trainings one was stopped."""
    ax = plots.curves([10, 20, 30], {"whole": [3.0, 2.0, 1.0], "stopped": [3.0, 2.5]}, xlabel="step", ylabel="loss")
    assert [list(line.get_xdata()) for line in ax.lines] == [[10, 20, 30], [10, 20]]


def test_no_two_words_of_a_map_overlap():
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(24)]
    ax = plots.word_map(rng.normal(size=(24, 2)), words, ["one", "other"] * 12)
    ax.figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    shown = sorted(text.get_text() for text in ax.texts)
    plt.close(ax.figure)
    assert shown == sorted(words)
    assert not [(a, b) for a in range(24) for b in range(a) if boxes[a].overlaps(boxes[b])]


def test_a_character_is_drawn_only_where_a_font_has_it():
    assert plots.has_glyph("a") and plots.has_glyph("␣") and not plots.has_glyph("\U000e0001")


def test_a_graph_has_its_boxes_arrows_labels_and_notes():
    boxes = {"a": (0, 0), "b": (1.5, 0), "c": (1.5, 1)}
    ax = plots.graph(
        boxes, [("a", "b", "times"), ("b", "c", "up")], {"b": "slope 2"}, names={"c": "$h_1$"}, orange=["a", "b"]
    )
    said = [text.get_text() for text in ax.texts]
    assert {"a", "b", "$h_1$", "times", "up", "slope 2"} <= set(said) and "c" not in said
    colours = {t.get_text(): t.get_color() for t in ax.texts}
    assert colours["times"] == plots.COLOURS[1] != colours["up"]
    plt.close(ax.figure)


def test_the_drawn_heads_name_their_parts_and_shapes():
    said = " ".join(text.get_text() for text in plots.attention_heads().texts)
    for part in ("X", "XW^Q", "XW^K", "XW^V", "W^O", "weights of head 1", "head 2", "[time, time]", "hidden / heads"):
        assert part in said
    plt.close()


def test_the_drawn_memories_say_what_crosses_between_them():
    said = " ".join(text.get_text() for text in plots.slow_and_fast_memory().texts)
    for part in ("slow memory", "fast memory", "scores", "weights", "a block of Q", "output"):
        assert part in said
    plt.close()


def test_the_drawn_lstm_cell_names_its_gates():
    ax = plots.lstm_cell()
    said = " ".join(text.get_text() for text in ax.texts)
    assert all(word in said for word in ("forget", "input", "candidate", "output", "$c_t$", "$h_t$"))
    plt.close(ax.figure)


def test_the_drawn_low_rank_change_has_its_shapes():
    ax = plots.low_rank(rank=3)
    said = [text.get_text() for text in ax.texts]
    assert {"$m × n$", "$m × r$", "$r × n$", "3 numbers", "starts at 0", "starts at random"} <= set(said)
    assert said.count("$A$") == said.count("$B$") == 2
    plt.close(ax.figure)


def test_the_drawn_layer_names_every_method_and_map():
    ax = plots.adapted_layer()
    said = [text.get_text() for text in ax.texts]
    for part in ("query", "key", "value", "attention", "output", "inner", "outer", "GELU"):
        assert said.count(part) == 1, part
    assert said.count("LoRA, DoRA") == said.count("bottleneck") == 2
    assert all(any(text.startswith(method) for text in said) for method in ("IA³", "prefix", "prompt", "BitFit"))
    plt.close(ax.figure)


def test_the_tree_of_a_beam_search_shows_every_continuation_and_what_is_kept():
    def next_log_p(tokens):
        return np.log([0.1, 0.5, 0.4] if not tokens else [0.9, 0.06, 0.04])

    ax = plots.beam_tree(next_log_p, ["end", "a", "b"], width=2, end=0, max_tokens=2)
    said = [text.get_text() for text in ax.texts]
    assert said[0] == "start" and said[-3:] == ["kept", "finished", "dropped"]
    first, second = said[1:4], said[4:-3]
    assert first == ["a   0.500", "b   0.400", "end   0.100"]
    assert len(second) == 6 and second[:2] == ["end   0.450", "end   0.360"]
    frames = {text.get_text(): text.get_bbox_patch().get_edgecolor() for text in ax.texts}
    assert frames["a   0.500"] == frames["kept"] and frames["end   0.100"] == frames["dropped"]
    assert frames["end   0.450"] == frames["end   0.360"] == frames["finished"]
    assert frames["a   0.030"] == frames["dropped"]
    plt.close(ax.figure)


def test_the_drawn_transformer_names_its_parts_and_has_as_many_heads_as_asked_for():
    ax = plots.encoder_decoder(heads=3)
    said = [text.get_text().strip() for text in ax.texts]
    for part, times in {"+": 5, "LayerNorm": 7, "feed-forward": 2, "cross-attention": 1, "memory": 1}.items():
        assert said.count(part) == times, part
    assert "residual stream [batch, source length, hidden]" in said
    heads = [patch for patch in ax.patches if isinstance(patch, plt.Rectangle) and patch.get_width() < 0.5]
    assert len(heads) == 3 * 3  # of three attentions


def test_labels_stand_below_the_pieces_of_their_words():
    ax = plots.labelled_pieces(["Ambleton"], ["[CLS]", "amb", "##leton"], [None, 0, 0], ["-100", "B-X", "-100"])
    said = {text.get_text(): text for text in ax.texts}
    assert said["amb"].get_position()[0] == said["B-X"].get_position()[0] == 1
    assert said["Ambleton"].get_position()[0] == 1.5 and said["-100"].get_color() == "0.6"
    plt.close(ax.figure)


def test_a_lattice_leaves_out_what_is_forbidden():
    moves = np.array([[0, 0, -np.inf], [0, 0, 0], [0, 0, 0]])
    ax = plots.lattice(np.full((3, 3), 1 / 3), ["a", "b", "$c"], ["O", "B-X", "I-X"], moves, [0, 1, 2], [0, 0, 0])
    assert len(ax.lines) == 2 * 8 + 2 and {"a", "b", "$c", "O", "B-X", "I-X"} <= {t.get_text() for t in ax.texts}
    best = max(ax.lines, key=lambda line: line.get_linewidth())
    assert list(best.get_ydata()) == [2, 1, 0]
    plt.close(ax.figure)


def test_drawn_pointers_name_the_likeliest_start_and_end():
    ax = plots.pointers(["[CLS]", "a", "$b"], [0.1, 0.2, 0.7], [0.0, 0.4, 0.6], (1, 2))
    assert {"start 0.70", "end 0.60", "P(start)", "P(end)"} <= {text.get_text() for text in ax.texts}
    assert len(ax.patches) == 2 * 3 + 1
    plt.close(ax.figure)


def test_drawn_repairs_show_what_is_read_and_written():
    ax = plots.repairs([("T5", "The <X> left.", "<X> Heron"), ("BART", "left.", "The Heron left.")])
    said = [text.get_text() for text in ax.texts]
    assert said.count("encoder") == said.count("decoder") == 2 and {"T5", "The <X> left.", "<X> Heron"} <= set(said)
    plt.close(ax.figure)


def test_drawn_matrices_show_their_numbers_names_and_what_stands_between():
    ax = plots.matrices([("A", [[1.5, -0.25]], ["row"], ["x", "y"]), "·", ("B", [[2], [3]], [], ["$5"])])
    assert {"1.5", "-0.25", "2", "3", "A", "B", "row", "x", "y", "·", "$5"} == {t.get_text() for t in ax.texts}
    assert len(ax.patches) == 4


def test_words_stand_on_the_colour_of_their_score_and_long_texts_go_on_below():
    ax = plots.word_scores([("20 % good", ["not"] + ["word"] * 30, [-2.0] + [0.5] * 30), ("empty", ["so"], [0.0])])
    shown = [drawn.get_text() for drawn in ax.texts]
    assert shown.count("word") == 30 and "20 % good" in shown and "empty" in shown
    patches = ax.patches
    assert patches[0].get_hatch() and not patches[1].get_hatch() and patches[0].get_alpha() > patches[1].get_alpha()
    assert len({drawn.get_position()[1] for drawn in ax.texts}) > 2
    plt.close(ax.figure)


def test_a_heat_map_writes_its_numbers_without_a_minus_before_zero():
    ax = plots.heat_map(np.array([[0.5, -0.001], [-1.0, np.nan]]), ["a", "b"], ["x", "y"], label="share", digits=2)
    assert [drawn.get_text() for drawn in ax.texts] == ["0.50", "0.00", "-1.00", "nan"]
    plt.close(ax.figure)
