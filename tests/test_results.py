"""Stored results: written with where they come from, read back, shown as tables."""

import json
from datetime import date

import numpy as np
import pytest

from lmtutor import results, runtime
from lmtutor.runtime import CourseError

ROWS = [{"model": "bigram", "perplexity": 168.25, "tokens": 245569}, {"model": "uniform", "perplexity": None}]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results are kept in a folder of the test's own, which does not exist yet."""
    monkeypatch.setattr(runtime, "share", lambda name: tmp_path / "benchmarks" / name)
    return tmp_path / "benchmarks" / "results"


def record(name="ngram", rows=ROWS, **more):
    return results.record(name, rows, about="Perplexity on a text.", command="make bench", packages=("numpy",), **more)


def test_a_result_comes_back_as_it_was_recorded_with_where_it_comes_from(folder):
    path = record(seed=3, seconds=1.5)
    assert path == folder / "ngram.json"
    found = results.read("ngram")
    assert found["rows"] == ROWS
    assert (found["seed"], found["seconds"]) == (3, 1.5)
    assert found["about"] == "Perplexity on a text." and found["command"] == "make bench"
    assert found["date"] == date.today().isoformat()
    assert found["versions"]["numpy"] == np.__version__ and "python" in found["versions"]
    assert "cores" in found["machine"] and found["peak_memory_mb"] > 50


def test_a_result_is_a_text_file_that_ends_with_a_line_feed_and_keeps_letters_as_they_are(folder):
    text = record(rows=[{"text": "naïve 海"}]).read_text(encoding="utf-8")
    assert "naïve 海" in text and text.endswith("}\n")


def test_recording_again_replaces_the_result(folder):
    record()
    record(rows=[{"model": "new"}])
    assert results.read("ngram")["rows"] == [{"model": "new"}]


def test_rows_that_cannot_be_written_leave_the_old_result(folder):
    record()
    with pytest.raises(TypeError):
        record(rows=[{"model": object()}])
    assert results.read("ngram")["rows"] == ROWS


def test_an_unknown_result_is_told_with_the_nearest(folder):
    record()
    with pytest.raises(CourseError, match="The result 'ngrams' is not known; did you mean 'ngram'?"):
        results.read("ngrams")


def test_versions_leave_out_what_is_not_installed():
    assert set(results.versions("numpy", "no-such-package-anywhere")) == {"python", "numpy"}


def test_a_table_has_a_row_for_each_name_in_the_first_column_and_blanks_for_what_was_not_measured(folder):
    record()
    table = results.table("ngram")
    assert list(table.index) == ["bigram", "uniform"] and list(table.columns) == ["perplexity", "tokens"]
    assert table.loc["bigram"].tolist() == [168.25, 245569] and table.loc["uniform"].tolist() == ["", ""]


def test_markdown_shows_the_rows_with_thousands_and_gaps_and_the_source_below(folder):
    record()
    lines = results.markdown("ngram").splitlines()
    assert lines[:4] == [
        "| model | perplexity | tokens |",
        "|---|---|---|",
        "| bigram | 168.25 | 245,569 |",
        "| uniform |  |  |",
    ]
    assert lines[4] == "" and lines[5] == results.source("ngram").replace("\n", " ") and len(lines) == 6


def test_markdown_says_yes_and_no_in_words(folder):
    record(rows=[{"agrees": True}, {"agrees": False}])
    assert results.markdown("ngram").splitlines()[2:4] == ["| True |", "| False |"]


def test_markdown_has_the_columns_of_all_rows(folder):
    record(rows=[{"a": 1}, {"a": 2, "b": 3}])
    assert results.markdown("ngram").splitlines()[0] == "| a | b |"


def test_a_long_source_is_broken_into_lines_that_a_page_shows(folder):
    results.record("long", [{"a": 1}], about="Perplexity on a text. " * 12, command="make bench")
    assert max(map(len, results.source("long").splitlines())) <= results.WIDTH
    assert results.source("long").replace("\n", " ").startswith("Perplexity on a text. Perplexity")


def test_the_source_names_data_command_date_and_machine(folder):
    record()
    found = results.read("ngram")
    assert results.source("ngram").replace("\n", " ") == (
        f"Perplexity on a text. Made on {found['date']} by `make bench` on {found['machine']}."
    )


@pytest.mark.parametrize("show", [results.markdown, results.table])
def test_a_result_without_rows_is_told_with_the_command_that_makes_it(folder, show):
    record(rows=[])
    with pytest.raises(CourseError, match="'ngram' has no rows; make it again with: make bench"):
        show("ngram")


def test_every_result_in_the_repository_can_be_shown():
    for path in runtime.share("results").glob("*.json"):
        if path.stem == "costs":  # what the chapters cost: a table of another form, made by `make store`
            continue
        found = json.loads(path.read_text(encoding="utf-8"))
        assert {"about", "command", "date", "machine", "versions", "rows"} <= found.keys(), path.name
        assert results.markdown(path.stem)


def test_a_table_shows_all_numbers_of_a_column_with_the_same_decimals_and_still_computes_with_them(folder):
    record(rows=[{"n": 1, "ratio": 0.5, "rate": 1e-05}, {"n": 2, "ratio": 0.47, "rate": 0.01}, {"n": 3}])
    table = results.table("ngram")
    assert "0.50" in repr(table) and "0.50" in table._repr_html_() and "0.47" in repr(table)
    assert "1e-05" in repr(table) and "nan" not in repr(table).lower()
    assert table["ratio"].iloc[0] + table["ratio"].iloc[1] == 0.97
    assert "0.50" in repr(table.reset_index()[["ratio"]])
    assert "| 1 | 0.50 | 1e-05 |" in results.markdown("ngram")
