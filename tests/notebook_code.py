"""Functions and classes out of the chapters' code cells, so that unit tests can try what notebooks build."""

import ast
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"


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


@cache
def _statements(chapter: str) -> list[ast.stmt]:
    """All statements of a chapter's code cells."""
    (path,) = CHAPTERS.glob(f"{chapter}_*.ipynb")
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    plain = TransformerManager().transform_cell  # magics become calls
    trees = [ast.parse(plain(cell.source)).body for cell in cells if "colab" not in cell.metadata.get("tags", [])]
    return [statement for tree in trees for statement in tree]


def _names(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()


def _is_stub(statement: ast.stmt) -> bool:
    last = statement.body[-1] if isinstance(statement, ast.FunctionDef) else None
    return isinstance(last, ast.Return) and isinstance(last.value, ast.Constant) and last.value.value is Ellipsis
