"""The switches, seeds, folders and errors that every notebook starts from."""

import os
import random
import subprocess
import sys
import time
import tomllib
from contextlib import nullcontext
from types import SimpleNamespace

import numpy
import psutil
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import lmtutor as lm
from lmtutor import runtime
from lmtutor.models.ngram import NgramCounts
from lmtutor.runtime import CourseError


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """An IPython shell, which is what runs the cells of a notebook."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))


# --- setup ------------------------------------------------------------------------------------------------------------


def test_setup_without_switches_is_quick_and_embedded_and_says_so_in_one_line(capsys, monkeypatch):
    monkeypatch.setenv("LMTUTOR_DEVICE", "cpu")
    numbers = lm.setup()
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.startswith("lmtutor ") and "| cpu (" in line and "float32" in line
    assert "profile quick | data embedded | seed 0" in line
    assert vars(numbers) == {}
    settled = runtime.current()
    assert (settled.profile, settled.source, settled.data_dir, settled.seed) == ("quick", "embedded", None, 0)
    assert (settled.device, settled.precision) == (torch.device("cpu"), "no")


def test_setup_reads_every_switch(capsys, monkeypatch, tmp_path):
    switches = {"PROFILE": "full", "SOURCE": "local", "DATA_DIR": tmp_path, "DEVICE": "cpu", "PRECISION": "bf16"}
    for name, value in switches.items():
        monkeypatch.setenv(f"LMTUTOR_{name}", str(value))
    lm.setup("01", seed=5)
    assert f", bf16 | profile full | data local ({tmp_path}) | seed 5" in capsys.readouterr().out


def test_a_quiet_setup_prints_nothing(capsys):
    lm.setup(quiet=True)
    assert capsys.readouterr().out == ""


def test_an_empty_switch_is_as_good_as_none(monkeypatch):
    for name in ("PROFILE", "SOURCE", "DATA_DIR", "DEVICE", "PRECISION"):
        monkeypatch.setenv(f"LMTUTOR_{name}", "")
    lm.setup(quiet=True)
    assert runtime.current().profile == "quick" and runtime.current().data_dir is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PROFILE", "quik", "LMTUTOR_PROFILE 'quik' is not known; did you mean 'quick'?"),
        ("PROFILE", "Full", "LMTUTOR_PROFILE 'Full' is not known; did you mean 'full'?"),
        ("PROFILE", "xyz", "LMTUTOR_PROFILE 'xyz' is not known; known: quick, full."),
        ("SOURCE", "hubb", "LMTUTOR_SOURCE 'hubb' is not known; did you mean 'hub'?"),
        ("SOURCE", "/home/me", "LMTUTOR_SOURCE '/home/me' is not known; known: embedded, local, hub."),
        ("DEVICE", "gpu", "LMTUTOR_DEVICE 'gpu' is not known; did you mean 'cpu'?"),
        ("PRECISION", "float16", "LMTUTOR_PRECISION 'float16' is not known; did you mean 'fp16'?"),
        ("PRECISION", "int8", "LMTUTOR_PRECISION 'int8' is not known; known: no, bf16, fp16."),
        ("DEVICE", "tpu:0", "LMTUTOR_DEVICE 'tpu' is not known; did you mean 'cpu'?"),
    ],
)
def test_a_switch_with_a_wrong_value_is_told_with_the_way_out_and_settles_nothing(monkeypatch, name, value, message):
    lm.setup(seed=3, quiet=True)
    before = runtime.current()
    monkeypatch.setenv(f"LMTUTOR_{name}", value)
    with pytest.raises(CourseError) as error:
        lm.setup(quiet=True)
    assert str(error.value) == message
    assert runtime.current() is before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here, so it can be asked for")
def test_a_device_that_is_not_there_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setenv("LMTUTOR_DEVICE", "cuda")
    with pytest.raises(CourseError, match="cuda"):
        lm.setup(quiet=True)


def test_a_device_number_that_is_none_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setenv("LMTUTOR_DEVICE", "cpu:first")
    with pytest.raises(CourseError, match="cpu:first"):
        lm.setup(quiet=True)


@pytest.mark.parametrize(
    ("chapter", "message"),
    [
        ("001", "Chapter '001' is not known; did you mean '01'?"),
        ("intro", "Chapter 'intro' is not known; known: 00, 01"),
    ],
)
def test_an_unknown_chapter_is_told_with_the_nearest(chapter, message):
    with pytest.raises(CourseError) as error:
        lm.setup(chapter, quiet=True)
    assert str(error.value).startswith(message)


def test_a_chapter_given_as_a_number_is_told_in_one_sentence():
    with pytest.raises(CourseError, match="Chapter 1 is not known"):
        lm.setup(1, quiet=True)


def test_setup_seeds_python_numpy_and_torch():
    def draw(seed):
        lm.setup(seed=seed, quiet=True)
        return random.random(), numpy.random.rand(), torch.rand(1).item()

    first, again, other = draw(4), draw(4), draw(5)
    assert first == again == draw(numpy.int64(4))
    assert type(runtime.current().seed) is int
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_setup_has_keras_compute_with_torch_on_the_processor(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    for name, value in {"KERAS_BACKEND": "tensorflow", "KERAS_TORCH_DEVICE": "mps"}.items():
        monkeypatch.setenv(name, value)
    lm.setup(quiet=True)
    assert (os.environ["KERAS_BACKEND"], os.environ["KERAS_TORCH_DEVICE"]) == ("torch", "cpu")


@pytest.mark.parametrize("name", ["torch", "tensorflow"])
def test_a_keras_that_was_imported_before_and_computes_with_something_else_is_told(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(backend=SimpleNamespace(backend=lambda: name)))
    told = nullcontext() if name == "torch" else pytest.raises(CourseError, match="'tensorflow'.*restart the kernel")
    with told:
        lm.setup(quiet=True)


def test_current_without_setup_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    assert runtime.current().profile == "full"


def test_what_setup_settled_holds_until_it_is_called_again(monkeypatch):
    lm.setup(quiet=True)
    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    assert runtime.current().profile == "quick"
    lm.setup(quiet=True)
    assert runtime.current().profile == "full"


# --- profiles ---------------------------------------------------------------------------------------------------------


def test_profile_and_source_win_over_what_holds_always(monkeypatch):
    table = {"07": {"a": 1, "b": 1, "c": 1, "full": {"b": 2, "c": 2}, "hub": {"c": 3}, "quick": {"a": 9}}}
    monkeypatch.setattr(runtime, "_profiles", lambda: table)
    assert runtime.chapter_numbers("07", "full", "hub") == {"a": 1, "b": 2, "c": 3}
    assert runtime.chapter_numbers("07", "quick", "embedded") == {"a": 9, "b": 1, "c": 1}


def test_profiles_have_only_the_sections_that_are_read():
    table = tomllib.loads((runtime.PACKAGE / "profiles.toml").read_text(encoding="utf-8"))
    for chapter, row in table.items():
        sections = {key for key, value in row.items() if isinstance(value, dict)}
        assert sections <= {*runtime.PROFILES, *runtime.SOURCES}, chapter


def test_every_profile_and_source_gives_a_chapter_the_same_set_of_numbers():
    for chapter in runtime._profiles():
        keys = {
            frozenset(runtime.chapter_numbers(chapter, profile, source))
            for profile in runtime.PROFILES
            for source in runtime.SOURCES
        }
        assert len(keys) == 1, f"chapter {chapter} would miss a number: {keys}"


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_data_folder_is_also_found_from_the_top_of_the_repository(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # as a notebook runs in chapters/
    monkeypatch.setenv("LMTUTOR_DATA_DIR", "data")
    lm.setup(quiet=True)
    assert runtime.current().data_dir == runtime.PACKAGE.parent / "data"
    (tmp_path / "data").mkdir()
    lm.setup(quiet=True)
    assert runtime.current().data_dir.resolve() == tmp_path / "data"  # the one that stands here comes first


def test_a_tilde_in_a_folder_is_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LMTUTOR_DATA_DIR", "~/sets")
    monkeypatch.setenv("LMTUTOR_HOME", "~/mine")
    assert runtime.current().data_dir == tmp_path / "sets"
    assert runtime.home() == tmp_path / "mine"


def test_the_home_is_the_switch_or_a_folder_in_the_user_s_home(monkeypatch, tmp_path):
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "here"))
    assert runtime.home() == tmp_path / "here"
    monkeypatch.delenv("LMTUTOR_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runtime.home() == tmp_path / ".lmtutor"


def test_a_checkout_reads_its_own_folders_and_a_wheel_the_copies_in_it(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "PACKAGE", tmp_path / "lmtutor")
    assert runtime.share("data") == tmp_path / "lmtutor" / "_share" / "data"
    (tmp_path / "pyproject.toml").touch()
    assert runtime.share("data") == tmp_path / "data"
    assert runtime.share("results") == tmp_path / "benchmarks" / "results"


# --- measuring --------------------------------------------------------------------------------------------------------


def test_a_stopwatch_runs_until_the_end_of_its_block_and_then_stands():
    with runtime.Stopwatch() as watch:
        time.sleep(0.02)
        first = watch.seconds
        time.sleep(0.02)
    end = watch.seconds
    time.sleep(0.01)
    assert 0.02 <= first < end and 0.04 <= end == watch.seconds


def test_a_stopwatch_stops_when_its_block_fails():
    with pytest.raises(ValueError), runtime.Stopwatch() as watch:
        raise ValueError
    end = watch.seconds
    time.sleep(0.01)
    assert watch.seconds == end


def test_peak_memory_is_in_bytes():
    now = psutil.Process().memory_info().rss
    assert 0.9 * now <= runtime.peak_memory() <= psutil.virtual_memory().total  # the kernel counts a little behind


# --- errors in a notebook ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("lm.load('wikitex2')", "The data set 'wikitex2' is not known; did you mean 'wikitext2'?"),
        (
            "lm.models.ngram.NgramCounts([['a']], 0)",
            "The order of an n-gram model is a whole number of at least 1, not 0.",
        ),
        ("lm.check('ngram.mel', 1)", "The exercise 'ngram.mel' is not known; did you mean 'ngram.mle'?"),
    ],
)
def test_a_notebook_shows_the_sentence_and_no_traceback(shell, capsys, code, sentence):
    shell.run_cell("import lmtutor as lm; import lmtutor.models.ngram")
    result = shell.run_cell(code)
    assert isinstance(result.error_in_exec, CourseError)
    shown = capsys.readouterr()
    assert (shown.out + shown.err).strip() == f"CourseError: {sentence}"


def test_a_notebook_shows_other_errors_in_full(shell, capsys):
    shell.run_cell("1 / 0")
    assert "Traceback" in capsys.readouterr().out


@pytest.mark.parametrize("order", [0, -1, 2.0, "3", None])
def test_an_order_below_one_is_told_in_one_sentence(order):
    with pytest.raises(CourseError, match=f"whole number of at least 1, not {order!r}"):
        NgramCounts([["a"]], order)


# --- the package ------------------------------------------------------------------------------------------------------


def test_every_public_name_of_the_package_is_there_and_others_are_not():
    for name in lm.__all__:
        assert getattr(lm, name) is not None
    assert set(lm.__all__) <= set(dir(lm))
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = lm.lod


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="asks GNU's OpenMP, which torch brings on Linux")
@pytest.mark.parametrize("chosen, expected, count", [(None, "PASSIVE", 1000), ("active", "ACTIVE", None)])
def test_waiting_threads_sleep_unless_the_learner_says_otherwise(chosen, expected, count):
    """OpenMP itself tells what it has read, when torch loads it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "verbose", "PYTHONPATH": str(runtime.PACKAGE.parent)}
    if chosen:
        environment["OMP_WAIT_POLICY"] = chosen
    done = subprocess.run([sys.executable, "-c", "import lmtutor"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert f"OMP_WAIT_POLICY = '{expected}'" in done.stderr
    assert (f"GOMP_SPINCOUNT = '{count}'" in done.stderr) == (count is not None)


def test_a_relative_home_is_the_same_folder_from_everywhere(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LMTUTOR_HOME", "course/mine")
    monkeypatch.chdir(runtime.PACKAGE)
    assert runtime.home() == tmp_path / "course" / "mine"
    monkeypatch.chdir(runtime.PACKAGE.parent)
    assert runtime.home() == tmp_path / "course" / "mine"


def test_without_a_home_folder_it_says_what_to_set(monkeypatch):
    monkeypatch.setenv("LMTUTOR_HOME", "~nobody-has-this-name/x")
    with pytest.raises(CourseError, match="There is no home folder for ~nobody-has-this-name/x: set LMTUTOR_HOME"):
        runtime.home()
