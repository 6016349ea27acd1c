"""What the chapters' cells hold, for unit tests: functions and classes that they build, and solutions of exercises."""

import ast
import copy
import json
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
COMPANION = "_bug_hunt"
CHECK = r"""^lm\.check\(\s*["']([^"']+)["'],\s*(\w+)"""


def called(path: Path) -> str:
    """How a notebook is called: a chapter by its number, "03", a companion by its name, "03_bug_hunt"."""
    return path.stem if path.stem.endswith(COMPANION) else path.stem[:2]


def definitions(chapter: str, *names: str) -> SimpleNamespace:
    """The named functions, classes and constants of a chapter, executed with its imports and nothing else of it.

    A name that is defined several times counts as it was first defined with a body of its own (exercises' stubs,
    `return ...`, do not count).
    """
    wanted, found = [], set()
    for statement in _statements(chapter):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            wanted.append(statement)
        for name in _names(statement) & set(names) - found:
            if not _is_stub(statement):
                wanted.append(statement)
                found.add(name)
    missing = set(names) - found
    assert not missing, f"chapter {chapter} does not define {sorted(missing)}"
    namespace: dict = {}
    exec(compile(ast.Module(wanted, type_ignores=[]), f"chapter {chapter}", "exec"), namespace)
    return SimpleNamespace(**{name: namespace[name] for name in names})


def cells(chapter: str) -> list[str]:
    """The code cells of a chapter, but for the one for Colab."""
    (path,) = [path for path in CHAPTERS.glob("[0-9][0-9]_*.ipynb") if called(path) == chapter]
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    plain = TransformerManager().transform_cell  # magics become calls
    return [plain(cell.source) for cell in code if "colab" not in cell.metadata.get("tags", [])]


@cache
def _statements(chapter: str) -> list[ast.stmt]:
    """All statements of a chapter's code cells."""
    return [statement for cell in cells(chapter) for statement in ast.parse(cell).body]


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()


def _is_stub(statement: ast.stmt) -> bool:
    last = statement.body[-1] if isinstance(statement, ast.FunctionDef) else None
    return isinstance(last, ast.Return) and isinstance(last.value, ast.Constant) and last.value.value is Ellipsis


# --- exercises --------------------------------------------------------------------------------------------------------


def notebooks():
    """Each notebook, as it is `called` -> cells."""
    found = {}
    for path in sorted(CHAPTERS.glob("[0-9][0-9]_*.ipynb"), key=called):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found[called(path)] = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return found


def asked_in(code):
    """The names in `lm.check("name", ...)` of a cell."""
    return [name for name, _ in re.findall(CHECK, code, re.MULTILINE)]


def parse(code):
    """A cell's statements, without the lines that only IPython understands."""
    return ast.parse("\n".join(line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))).body


def imports_of(cells):
    """A namespace made by the notebook's import statements alone, and `import lmtutor as lm`."""
    statements = [s for kind, code in cells if kind == "code" for s in parse(code)]
    wanted = [s for s in statements if isinstance(s, ast.Import | ast.ImportFrom)]
    namespace = {}
    exec("import lmtutor as lm", namespace)
    exec(compile(ast.Module(wanted, type_ignores=[]), "imports", "exec"), namespace)
    return namespace


def solution_after(cells, index):
    """The first Python code in the <details> of the next markdown cell."""
    text = next((text for kind, text in cells[index + 1 :] if kind == "markdown"), "")
    folded = re.search(r"<details.*?</details>", text, re.DOTALL)
    code = re.search(r"```python\n(.*?)```", folded.group(), re.DOTALL) if folded else None
    return code.group(1) if code else None


class Solution(NamedTuple):
    """The folded solution of an exercise."""

    exercise: str
    function: str  # what it is called in the notebook
    imports: str  # the notebook's import statements that it needs
    code: str


@cache
def solutions() -> dict[str, Solution]:
    """Exercise -> its folded solution."""
    found = {}
    for cells in notebooks().values():
        for index, (kind, code) in enumerate(cells):
            for name, function in re.findall(CHECK, code, re.MULTILINE) if kind == "code" else ():
                solution = ast.unparse(parse(solution_after(cells, index)))
                found[name] = Solution(name, function, "\n".join(imports_for(solution, cells)), solution)
    return found


def imports_for(code, cells):
    """The import statements of the cells, one a name, that bind a name which the code uses."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    for statement in (s for kind, cell in cells if kind == "code" for s in parse(cell)):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name.split(".")[0]) in used:
                    one = copy.copy(statement)
                    one.names = [alias]
                    yield ast.unparse(one)
