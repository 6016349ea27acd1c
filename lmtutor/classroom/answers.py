"""What of a hand-in an answer needs: the cell that holds it, and of the cells before it the statements that it uses.

A hand-in is not executed as a whole: its trainings would take minutes, and its checks prove nothing, as a student can
change what they say. From the name that is handed to the check, the statements are followed backwards: those that bind
or change a name which is used, and so on. Whatever else the notebook does is left out.
"""

from __future__ import annotations

import ast
import builtins
import copy
import hashlib
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from lmtutor.classroom import handout

LONGEST = 200_000  # characters of a cell that are read as code
STARTED = {
    "lm",
    "torch",
    "np",
    "numpy",
    "pd",
    "plt",
    "random",
}  # modules that notebooks import; calling them binds nothing


@dataclass(frozen=True)
class Answer:
    """An answer to an exercise: code to run, and the expression that it is then."""

    exercise: str
    cell: int  # the place in the notebook, from 0
    expression: str
    code: list[tuple[str, bool]]  # pieces of code in order, each with whether it belongs to the answer's own cell


@dataclass(frozen=True)
class Unreadable:
    """A cell that should hold an answer and is no Python."""

    exercise: str
    cell: int
    reason: str


@dataclass(frozen=True)
class _Statement:
    cell: int
    node: ast.stmt
    code: str
    binds: frozenset[str]
    changes: frozenset[str]
    uses: frozenset[str]
    whole: bool  # whether it binds for certain, so that what stood there before does not count


class Notebook:
    """The code of a hand-in, statement by statement.

    Args:
        cells: the notebook, as nbformat reads it.
    """

    def __init__(self, cells: NotebookNode):
        self.handed_in = cells
        self.statements: list[_Statement] = []
        self.broken: dict[int, str] = {}  # place of a cell -> why it is no Python
        for place, cell in enumerate(cells.cells):
            if cell.cell_type == "code":
                self._read(place, cell.source)

    def _read(self, place: int, source: str) -> None:
        try:
            self.statements += [_statement(place, node) for node in _one_by_one(_parsed(source).body)]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            where = f"line {line}: " if line else ""
            self.broken[place] = f"{where}{getattr(error, 'msg', None) or error}"[:200]

    def answers(self, exercise: str, function: str) -> list[Answer | Unreadable]:
        """The answers to an exercise that the hand-in may hold, the likeliest first.

        Args:
            exercise: such as "recurrent.shares".
            function: what the function is called in the chapter.
        """
        places = handout.answers(self.handed_in).get(exercise, [])
        checks = self._checked(exercise)
        own = [(place, self._expression(place, checks, function)) for place in places]
        others = [(place, name) for place, name in reversed(checks) if place not in places]
        others += [(s.cell, function) for s in reversed(self.statements) if function in s.binds]
        found: list[Answer | Unreadable] = []
        for place, expression in [*own, *others]:
            if place in self.broken and place in places:
                found.append(Unreadable(exercise, place, self.broken[place]))
            elif not any(isinstance(a, Answer) and a.cell == place for a in found):
                answer = self._slice(exercise, place, expression)
                if answer:
                    found.append(answer)
        return found[:4]

    def _checked(self, exercise: str) -> list[tuple[int, str]]:
        """Where `lm.check(exercise, ...)` is called, and with what."""
        found = []
        for statement in self.statements:
            call = statement.node.value if isinstance(statement.node, ast.Expr) else None
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("check") and len(call.args) == 2:
                name, given = call.args
                if isinstance(name, ast.Constant) and name.value == exercise:
                    found.append((statement.cell, ast.unparse(given)))
        return found

    def _expression(self, place: int, checks: list[tuple[int, str]], function: str) -> str:
        """What a cell hands in: what its check says, or the next check, or the function of the chapter's name."""
        bound = {name for s in self.statements if s.cell == place for name in s.binds}
        after = [name for where, name in checks if where >= place]
        if after and (after[0] in bound or not after[0].isidentifier()):
            return after[0]
        if function in bound or not bound:
            return function
        made = [s.node.name for s in self.statements if s.cell == place and isinstance(s.node, ast.FunctionDef)]
        return made[-1] if len(made) == 1 else function  # it was renamed

    def _slice(self, exercise: str, place: int, expression: str) -> Answer | None:
        """The statements up to a cell, and itself, that an expression needs."""
        try:
            needed = _uses(ast.parse(expression, mode="eval"))
        except (SyntaxError, ValueError):
            return None
        before = [s for s in self.statements if s.cell <= place]
        taken = _needed_for(set(needed), before)
        bound = {name for s in taken for name in s.binds}
        if not taken or not needed & bound:
            return None
        missing = {name for s in taken for name in s.uses} - bound - set(dir(builtins))
        later = [s for s in self.statements if s.cell > place and s.whole and _only_defines(s.node)]
        helpers = _needed_for(missing, later)
        code = [(s.code, False) for s in helpers] + [(s.code, s.cell == place) for s in taken]
        return Answer(exercise, place, expression, code)


def _needed_for(needed: set[str], statements: list[_Statement]) -> list[_Statement]:
    """The statements that bind or change what is needed, followed backwards; in their order."""
    taken = []
    for statement in reversed(statements):
        if needed & (statement.binds | statement.changes):
            taken.append(statement)
            if statement.whole:
                needed -= statement.binds
            needed |= statement.uses
    return taken[::-1]


def _parsed(source: str) -> ast.Module:
    if len(source) > LONGEST:
        raise ValueError(f"a cell of {len(source):,} characters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(TransformerManager().transform_cell(source))  # magics become calls


def _one_by_one(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements, with an import of several modules as several imports: not all of them may be needed."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and len(node.names) > 1:
            for alias in node.names:
                one = copy.copy(node)
                one.names = [alias]
                yield one
        else:
            yield node


def _only_defines(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)


def _statement(place: int, node: ast.stmt) -> _Statement:
    """What a statement binds, changes and uses of the notebook's names."""
    code = ast.unparse(node)
    uses = _uses(node)
    whole = _only_defines(node) or (isinstance(node, ast.Assign | ast.AnnAssign) and _plain_targets(node))
    binds = frozenset(_bound(node))
    changes = frozenset() if _only_defines(node) else frozenset(_changed(node))
    return _Statement(place, node, code, binds, changes, frozenset(uses), whole and not binds & uses)


def _plain_targets(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return all(isinstance(part, ast.Name | ast.Tuple | ast.List) for part in targets)


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {node.name}
    found: set[str] = set()
    for part in _outside_functions(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(part.name)
        elif isinstance(part, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in part.names}
    return found


def _changed(node: ast.stmt) -> set[str]:
    """Names whose values a statement may change: `x[0] = 1`, `x.y = 1`, `x.append(1)`."""
    found: set[str] = set()
    for part in _outside_functions(node):
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store):
            found.add(_root(part))
        elif isinstance(part, ast.AugAssign):
            found.add(_root(part.target))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        found.add(_root(node.value.func))
    return found - STARTED - {""}


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _outside_functions(node: ast.AST):
    """All parts of a statement but what stands in functions, which runs later."""
    todo = [node]
    while todo:
        part = todo.pop()
        yield part
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(part))


def _uses(node: ast.AST) -> set[str]:
    """The notebook's names that a piece of code reads, also when its functions are called; not their own names."""
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    found: set[str] = set()
    todo = [table]
    while todo:
        part = todo.pop()
        for symbol in part.get_symbols():
            outer = part is table or symbol.is_global()
            if outer and symbol.is_referenced():
                found.add(symbol.get_name())
        todo += part.get_children()
    return found


# --- the same code twice ----------------------------------------------------------------------------------------------


def fingerprint(answer: Answer) -> str:
    """A hash of an answer's own code that is the same for another layout, other comments and other names."""
    names: dict[str, str] = {}
    own = ast.parse("\n".join(code for code, of_cell in answer.code if of_cell))
    for part in ast.walk(own):
        body = getattr(part, "body", None)
        if isinstance(body, list) and len(body) > 1 and _is_docstring(body[0]):
            body.pop(0)
    bound = {part.id for part in ast.walk(own) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    bound |= {part.arg for part in ast.walk(own) if isinstance(part, ast.arg)}
    bound |= {part.name for part in ast.walk(own) if isinstance(part, ast.FunctionDef | ast.ClassDef)}

    def short(name: str) -> str:
        return names.setdefault(name, f"n{len(names)}") if name in bound else name

    for part in ast.walk(own):
        for attribute in ("id", "arg", "name"):
            if isinstance(getattr(part, attribute, None), str):
                setattr(part, attribute, short(getattr(part, attribute)))
    return hashlib.sha256(ast.dump(own).encode()).hexdigest()


def size(answer: Answer) -> int:
    """How many parts an answer's own code has: of very short ones there are only so many ways to write them."""
    own = ast.parse("\n".join(code for code, of_cell in answer.code if of_cell))
    return sum(1 for part in ast.walk(own) if isinstance(part, ast.stmt | ast.expr))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
