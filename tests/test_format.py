"""tools/format_notebooks.py: one form for notebooks and README, whatever they come from."""

import json
import sys

import nbformat
import pytest
from test_notebooks import load_tool

from lmtutor.course import hosted

tool = load_tool()
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "", "version_major": 2, "version_minor": 0}}
COST = {"seconds": 33.3, "peak_memory_mb": 712, "machine": "2 cores", "date": "2026-01-01", "versions": {}}


@pytest.fixture
def root(tmp_path):
    """A repository with one chapter as somebody has just written it, a README, and measured costs."""
    v = nbformat.v4
    cells = [
        v.new_markdown_cell(
            "# 01 · A title\n\nIt teaches this. And that.\n\n**Cost** <!-- costs --><!-- /costs -->", metadata={"a": 1}
        ),
        v.new_code_cell("print('a')", execution_count=7, metadata={"execution": {"iopub.execute_input": "now"}}),
        v.new_markdown_cell("   "),
        v.new_code_cell("print('a')", execution_count=9, metadata={"tags": ["nbval-ignore-output"], "scrolled": True}),
    ]
    cells[1].outputs = [v.new_output("stream", text=text) for text in ("a", "b\n")]
    cells[1].outputs.append(v.new_output("execute_result", {"text/plain": "1"}, execution_count=7))
    write(
        tmp_path,
        v.new_notebook(cells=cells, metadata={"editor": "x", "language_info": {"name": "python", "version": "3.11.7"}}),
    )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nversion = "1.2.3"\n[project.urls]\nRepository = "https://github.com/someone/course"\n',
        encoding="utf-8",
    )
    (tmp_path / "README.md").write_text("# Course\n<!-- chapters -->old<!-- /chapters -->\nend\n", encoding="utf-8")
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks" / "results" / "costs.json").write_text(
        json.dumps({"01_title": {"quick": COST}}), encoding="utf-8"
    )
    return tmp_path


def write(root, notebook):
    (root / "chapters").mkdir(exist_ok=True)
    nbformat.write(notebook, root / "chapters" / "01_title.ipynb")


def formatted(root):
    tool.format_all(root, write=True)
    return nbformat.read(root / "chapters" / "01_title.ipynb", as_version=4)


def test_formatting_twice_changes_nothing(root):
    assert len(tool.format_all(root, write=True)) == 2
    assert tool.format_all(root, write=False) == []


def test_checking_writes_nothing(root):
    before = (root / "chapters" / "01_title.ipynb").read_bytes()
    assert tool.format_all(root, write=False)
    assert (root / "chapters" / "01_title.ipynb").read_bytes() == before


def test_metadata_is_reduced_and_counts_run_from_one(root):
    notebook = formatted(root)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    first, second = notebook.cells[3:]
    assert first.metadata == {} and second.metadata == {"tags": ["nbval-ignore-output"]}
    assert (first.execution_count, second.execution_count) == (1, 2)
    assert [output.get("text", output.get("execution_count")) for output in first.outputs] == ["ab\n", 1]


def test_what_a_figure_says_of_itself_is_kept(root):
    """Its alternative text, and how wide it is shown."""
    notebook = formatted(root)
    said = {"image/png": {"alt": "A line.", "width": 300, "height": 200}}
    notebook.cells[3].outputs = [nbformat.v4.new_output("display_data", {"image/png": "AAAA"}, metadata=said)]
    write(root, notebook)
    assert formatted(root).cells[3].outputs[0].metadata == said


def test_the_file_is_readable_as_text(root):
    tool.format_all(root, write=True)
    text = (root / "chapters" / "01_title.ipynb").read_text(encoding="utf-8")
    assert "01 · A title" in text and text.startswith('{\n "cells"') and text.endswith("}\n")


def test_ids_come_from_content_and_survive_new_neighbours(root):
    ids = [cell.id for cell in formatted(root).cells]
    assert len(set(ids)) == len(ids) == 5 and ids[1:3] == ["badge", "colab"]
    notebook = formatted(root)
    notebook.cells.insert(3, nbformat.v4.new_markdown_cell("between"))
    for cell in notebook.cells:
        cell.id = cell.id[::-1]  # as an editor or jupytext may
    write(root, notebook)
    assert [cell.id for cell in formatted(root).cells if cell.source != "between"] == ids


def test_missing_cells_are_inserted_after_the_title_and_renewed_where_they_are(root):
    notebook = formatted(root)
    assert [cell.metadata.get("tags") for cell in notebook.cells[:3]] == [None, ["badge"], ["colab"]]
    assert "/github/someone/course/blob/v1.2.3/chapters/01_title.ipynb" in notebook.cells[1].source
    assert '"lmtutor @ git+https://github.com/someone/course@v1.2.3"' in notebook.cells[2].source
    notebook.cells[1].source = "edited"
    notebook.cells.append(notebook.cells.pop(2))
    write(root, notebook)
    again = formatted(root)
    assert "someone/course" in again.cells[1].source and again.cells[-1].metadata.tags == ["colab"]


def install_cell(root, monkeypatch, where, **kept):
    """Run the Colab cell of a chapter that loads a model; returns what it ran, and what it asked of `hosted`."""
    ran, asked = [], []
    monkeypatch.setattr("subprocess.run", lambda command, **options: ran.append((command, options)))
    monkeypatch.setattr(hosted, "prepare", lambda *args, **options: asked.append((*args, options)))
    monkeypatch.delenv(hosted.KAGGLE, raising=False)
    if where == "Colab":
        monkeypatch.setitem(sys.modules, "google.colab", object())
    elif where == "Kaggle":
        monkeypatch.setenv(hosted.KAGGLE, "Interactive")
    notebook = formatted(root)
    notebook.cells.append(nbformat.v4.new_code_cell('pretrained.folder("minilm")\npretrained.folder(name)'))
    write(root, notebook)
    cell = formatted(root).cells[2].source
    assert len(cell.splitlines()) <= 20
    exec(cell.replace("DRIVE = False", "DRIVE = True") if kept else cell, {})
    return ran, asked


@pytest.mark.parametrize("where", ["Colab", "Kaggle"])
def test_the_colab_cell_installs_this_release_and_the_models_of_its_chapter(root, monkeypatch, where):
    ran, asked = install_cell(root, monkeypatch, where)
    ((command, options),) = ran
    assert command[1:4] == ["-m", "pip", "install"] and options == {"check": True}
    assert command[-1] == "lmtutor @ git+https://github.com/someone/course@v1.2.3"
    assert asked == [(["minilm"], {"keep_progress_on_drive": False})]


def test_the_colab_cell_keeps_progress_if_the_learner_says_so(root, monkeypatch):
    _, asked = install_cell(root, monkeypatch, "Colab", kept=True)
    assert asked == [(["minilm"], {"keep_progress_on_drive": True})]


def test_the_colab_cell_does_nothing_elsewhere(root, monkeypatch, capsys):
    assert install_cell(root, monkeypatch, "at home") == ([], [])
    assert capsys.readouterr().out == ""


def test_costs_stand_in_the_opening_cell_and_in_the_readme(root):
    assert "quick: 40 s and 0.7 GB of memory" in formatted(root).cells[0].source
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "| [01 · A title](chapters/01_title.ipynb) | It teaches this. | 40 s, 0.7 GB |" in readme
    assert readme.startswith("# Course\n") and readme.endswith("\nend\n") and "old" not in readme


def test_a_companion_is_written_like_a_chapter_and_stands_in_its_row(root):
    hunt = root / "chapters" / "01_bug_hunt.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# 01 · Bug hunt\n\nFind.\n\n**Cost** <!-- costs --><!-- /costs -->")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), hunt)
    tool.format_all(root, write=True)
    opening, badge, colab = nbformat.read(hunt, as_version=4).cells
    assert "quick: not measured yet" in opening.source and "chapters/01_bug_hunt.ipynb" in badge.source
    assert colab.metadata.tags == ["colab"]
    rows = [line for line in (root / "README.md").read_text(encoding="utf-8").splitlines() if "bug_hunt" in line]
    (row,) = rows
    assert row.startswith("| [01 · A title](chapters/01_title.ipynb) ([bug hunt](chapters/01_bug_hunt.ipynb)) | It ")


def test_a_chapter_that_was_not_measured_says_so(root):
    (root / "benchmarks" / "results" / "costs.json").unlink()
    assert "quick: not measured yet" in formatted(root).cells[0].source


def test_a_mark_without_its_end_is_told(root):
    (root / "README.md").write_text("<!-- chapters -->\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no <!-- /chapters -->"):
        tool.format_all(root, write=False)


def with_widgets(notebook, ids):
    """The notebook with a box around a slider with a layout, shown by its first code cell, under these random ids."""
    box, slider, layout, unseen = ids
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    view = json.loads(json.dumps(WIDGET))
    view["application/vnd.jupyter.widget-view+json"]["model_id"] = box
    next(c for c in notebook.cells if c.cell_type == "code").outputs = [nbformat.v4.new_output("display_data", view)]
    models = {
        unseen: {"model_name": "LayoutModel", "state": {"width": "1px"}},
        layout: {"model_name": "LayoutModel", "state": {}},
        slider: {"model_name": "IntSliderModel", "state": {"layout": f"IPY_MODEL_{layout}", "value": 3}},
        box: {"model_name": "VBoxModel", "state": {"children": [f"IPY_MODEL_{slider}"]}},
    }
    content = {"state": models, "version_major": 2, "version_minor": 0}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": content}
    return notebook


def test_widgets_get_the_same_ids_whatever_they_had(root):
    plain = formatted(root)
    texts = []
    for ids in (["b" * 32, "a" * 32, "d" * 32, "c" * 32], ["1" * 32, "2" * 32, "3" * 32, "4" * 32]):
        write(root, with_widgets(plain, ids))
        notebook = formatted(root)
        texts.append((root / "chapters" / "01_title.ipynb").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"].state
    shown = state[notebook.cells[2].outputs[0].data["application/vnd.jupyter.widget-view+json"].model_id]
    slider = state[shown.state.children[0].removeprefix("IPY_MODEL_")]
    assert shown.model_name == "VBoxModel" and slider.state.value == 3
    assert state[slider.state.layout.removeprefix("IPY_MODEL_")].model_name == "LayoutModel"
    assert len(state) == 4
    assert tool.format_all(root, write=False) == []
