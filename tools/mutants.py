"""Do the checks of the exercises tell wrong from right? `make mutants` changes right answers a little and sees.

    PYTHONPATH=tests python tools/mutants.py [EXERCISE ...]

Each right answer, the one that a notebook folds away, is changed in one place at a time: a comparison, a constant, an
operator, an argument, a statement ... Each of these mutants goes to the exercise's check, which should refuse it. Those
that are as right as the answer itself stand in tests/equivalent_mutants.toml, each with the reason. What is left over
is shown as a difference, and the numbers are kept in benchmarks/results/mutants.json (for all exercises only).
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import multiprocessing
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from notebook_code import Solution, solutions  # of tests/

from lmtutor import exercises, results

EQUIVALENT = Path(__file__).resolve().parent.parent / "tests" / "equivalent_mutants.toml"
SECONDS, MEMORY = 2.0, 5e8  # of processor time, and bytes more than at the start, that a check may take

Difference = tuple[str, str]  # the lines of the answer that are changed, and what they become

_NUMBERS = {ast.Add: [ast.Sub, ast.Mult], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add], ast.Div: [ast.Mult]}
_OTHERS = {ast.FloorDiv: [ast.Div], ast.Pow: [ast.Mult], ast.Mod: [ast.Add], ast.MatMult: [ast.Mult]}
_BITS = {ast.LShift: [ast.RShift], ast.RShift: [ast.LShift], ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd]}
OPERATORS = _NUMBERS | _OTHERS | _BITS
ONE_WAY = (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow, ast.MatMult, ast.RShift)  # the sides cannot be exchanged
COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt, ast.LtE],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
TWINS = [
    *[("min", "max"), ("any", "all"), ("minimum", "maximum"), ("zeros", "ones"), ("floor", "ceil"), ("sum", "mean")],
    *[("sin", "cos"), ("tanh", "sigmoid"), ("tril", "triu"), ("startswith", "endswith"), ("log", "log2")],
    *[("log", "log10"), ("exp", "expm1"), ("append", "extend"), ("sum", "max"), ("index", "count")],
]


# --- changes ----------------------------------------------------------------------------------------------------------


def mutants(code: str) -> Iterator[str]:
    """The code with one place changed, for each place and each change, all different from each other and the code."""
    tree = ast.parse(code)
    seen = {ast.unparse(tree)}
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        names = [argument.arg for argument in function.args.args]
        for parent, part, index, node in list(_places(function)):
            for new in _changes(node, names):
                _put(parent, part, index, new)
                text = ast.unparse(tree)
                _put(parent, part, index, node)
                if text not in seen:
                    seen.add(text)
                    yield text


def _places(tree: ast.AST) -> Iterator[tuple]:
    """Each node below the tree with its place: (parent, field, index in the field or None, node)."""
    for parent in ast.walk(tree):
        for part, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, ast.AST):
                    yield parent, part, index, node


def _put(parent: ast.AST, part: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, part, node)
    else:
        getattr(parent, part)[index] = node


def _with(node: ast.AST, **parts) -> ast.AST:
    """A copy of the node with other parts."""
    new = copy.copy(node)
    for name, value in parts.items():
        setattr(new, name, value)
    return new


def _changes(node: ast.AST, names: list[str]) -> Iterator[ast.AST]:
    """What may stand in place of a node; `names` are those of the function's arguments."""
    yield from _CHANGES.get(type(node), lambda node: ())(node)
    if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef):
        yield ast.Pass()
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (_with(node, id=other) for other in names if other != node.id)


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for i, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield _with(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    yield from (_with(node, op=other()) for other in OPERATORS[type(node.op)])
    if isinstance(node.op, ONE_WAY):
        yield _with(node, left=node.right, right=node.left)
    yield from (node.left, node.right)


def _logical(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for i in range(len(node.values)):
        rest = [*node.values[:i], *node.values[i + 1 :]]
        yield rest[0] if len(rest) == 1 else _with(node, values=rest)


def _choice(node: ast.IfExp) -> Iterator[ast.AST]:
    yield from (node.body, node.orelse, _with(node, body=node.orelse, orelse=node.body))


def _condition(node: ast.If | ast.While) -> Iterator[ast.AST]:
    yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))


def _filter(node: ast.comprehension) -> Iterator[ast.AST]:
    for i, test in enumerate(node.ifs):
        yield _with(node, ifs=[*node.ifs[:i], *node.ifs[i + 1 :]])
        yield _with(node, ifs=[*node.ifs[:i], ast.UnaryOp(ast.Not(), test), *node.ifs[i + 1 :]])


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int | float):
        others = [value + 1, value - 1, *([2 * value] if isinstance(value, float) else [])]
    elif isinstance(value, str):
        others = ["", f"{value}x"]
    else:
        others = [0] if value is None else []
    yield from (ast.Constant(other) for other in others)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    for i in range(len(node.keywords)):
        yield _with(node, keywords=[*node.keywords[:i], *node.keywords[i + 1 :]])
    if len(node.args) > 1:
        yield _with(node, args=[node.args[1], node.args[0], *node.args[2:]])
        yield _with(node, args=node.args[:-1])
    elif len(node.args) == 1 and not isinstance(node.args[0], ast.GeneratorExp | ast.Starred):
        yield node.args[0]
    if isinstance(node.func, ast.Attribute):
        yield node.func.value  # x in place of x.sum()
    if isinstance(node.func, ast.Name) and node.func.id == "range":
        for i, bound in enumerate(node.args):
            yield from (_with(node, args=[*node.args[:i], one, *node.args[i + 1 :]]) for one in _beside(bound))


def _slice(node: ast.Slice) -> Iterator[ast.AST]:
    for part in ("lower", "upper"):
        bound = getattr(node, part)
        if bound is None:
            yield _with(node, **{part: ast.Constant(1 if part == "lower" else -1)})
        else:
            yield _with(node, **{part: None})
            yield from (_with(node, **{part: one}) for one in _beside(bound))


def _beside(node: ast.expr) -> list[ast.expr]:
    """One more and one less; a constant is changed elsewhere."""
    if isinstance(node, ast.Constant):
        return []
    return [ast.BinOp(node, operator(), ast.Constant(1)) for operator in (ast.Add, ast.Sub)]


def _returned(node: ast.Return) -> Iterator[ast.AST]:
    yield _with(node, value=ast.Constant(None))
    if isinstance(node.value, ast.Tuple):
        yield _with(node, value=_with(node.value, elts=node.value.elts[::-1]))
        yield from (_with(node, value=one) for one in node.value.elts)


def _added(node: ast.AugAssign) -> Iterator[ast.AST]:
    yield from (_with(node, op=other()) for other in OPERATORS[type(node.op)])
    yield ast.Assign([node.target], node.value, lineno=0)


def _twin(node: ast.Name | ast.Attribute) -> Iterator[ast.AST]:
    part = "id" if isinstance(node, ast.Name) else "attr"
    for pair in TWINS:
        if getattr(node, part) in pair:
            yield _with(node, **{part: pair[1 - pair.index(getattr(node, part))]})


_CHANGES = {
    ast.Compare: _compare,
    ast.BinOp: _binary,
    ast.BoolOp: _logical,
    ast.UnaryOp: lambda node: [node.operand],
    ast.IfExp: _choice,
    ast.If: _condition,
    ast.While: _condition,
    ast.comprehension: _filter,
    ast.Constant: _constant,
    ast.Call: _call,
    ast.Slice: _slice,
    ast.Return: _returned,
    ast.AugAssign: _added,
    ast.Name: _twin,
    ast.Attribute: _twin,
}


# --- running ----------------------------------------------------------------------------------------------------------


class Examiner:
    """One process that puts mutants before the checks; it is ended, and another begun, only if one takes too long."""

    def __init__(self):
        self._process = None

    def refuses(self, solution: Solution, code: str) -> bool:
        """Whether the check of the solution's exercise calls the code wrong, or does not come to an end with it."""
        if self._process is None:
            self._begin()
        self._pipe.send((solution, code))
        process, end = psutil.Process(self._process.pid), time.monotonic() + 60
        start = self._used(process)
        while not self._pipe.poll(0.1):
            if self._share(process, start) > 1 or time.monotonic() > end:
                self.end()
                return True
        try:
            refused = self._pipe.recv()
        except EOFError:  # the code ended the process
            self.end()
            return True
        if self._share(process, start) > 0.25:  # the check itself stopped it: who knows what still runs
            self.end()
        return refused

    @staticmethod
    def _used(process: psutil.Process) -> tuple[float, float]:
        """Seconds of processor time, and bytes."""
        return sum(process.cpu_times()[:2]), process.memory_info().rss

    def _share(self, process: psutil.Process, start: tuple[float, float]) -> float:
        """Of what a check may take, the share that it has taken."""
        seconds, memory = (now - before for now, before in zip(self._used(process), start, strict=True))
        return max(seconds / SECONDS, memory / MEMORY)

    def _begin(self) -> None:
        # A fork has all that is imported here, and needs no seconds to begin; other systems import anew.
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _work(pipe) -> None:
    import warnings

    warnings.simplefilter("ignore")
    while True:
        solution, code = pipe.recv()
        pipe.send(_refused(solution, code))


def _refused(solution: Solution, code: str) -> bool:
    namespace: dict = {}
    try:
        exec(solution.imports, namespace)
        exec(code, namespace)
        answer = namespace[solution.function]
    except Exception:  # what cannot even be defined is told by Python
        return True
    return exercises.find(solution.exercise).examine(answer) is not None


# --- telling ----------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of the mutants."""

    refused: int = 0
    equivalent: int = 0
    surviving: list[tuple[str, Difference]] = field(default_factory=list)
    wrongly_listed: list[tuple[str, Difference]] = field(default_factory=list)

    @property
    def score(self) -> float:
        """Of those that are not equivalent, the per cent that were refused."""
        return 100 * self.refused / max(self.refused + len(self.surviving), 1)


def run(names: list[str]) -> Tally:
    """Put all mutants of these exercises before their checks, and show those that are called right."""
    tally, examiner, listed, found = Tally(), Examiner(), equivalents(), solutions()
    wrong = [name for name in names if _refused(found[name], found[name].code)]  # and all is imported before the fork
    if wrong:
        raise SystemExit(f"The folded solutions of {', '.join(wrong)} are refused themselves: mend them first.")
    for name in names:
        for code in mutants(found[name].code):
            change = difference(found[name].code, code)
            refused = examiner.refuses(found[name], code)
            if (name, change) in listed:
                tally.equivalent += 1
                tally.wrongly_listed += [(name, change)] * refused
            elif refused:
                tally.refused += 1
            else:
                tally.surviving.append((name, change))
                show(name, change)
    examiner.end()
    return tally


def difference(code: str, mutant: str) -> Difference:
    """The lines that the mutant changes: before and after."""
    lines = difflib.ndiff(ast.unparse(ast.parse(code)).splitlines(), mutant.splitlines())
    changed = [line for line in lines if line[0] in "-+"]
    return tuple("\n".join(line[2:].strip() for line in changed if line[0] == side) for side in "-+")


def show(name: str, change: Difference) -> None:
    print(name)
    for sign, text in zip("-+", change, strict=True):
        print("\n".join(f"  {sign} {line}" for line in text.split("\n")))
    print(flush=True)


def equivalents() -> dict[tuple[str, Difference], str]:
    """The mutants that are as right as the answer, with the reason."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")) if EQUIVALENT.is_file() else {}
    return {
        (f"{chapter}.{name}", (entry["was"], becomes)): entry["why"]
        for chapter, of in entries.items()
        for name, found in of.items()
        for entry in found
        for becomes in entry["becomes"]
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Change right answers a little: do the checks refuse them?")
    parser.add_argument("exercise", nargs="*", help="such as ngram.add_k; all of them, if none is named")
    names = parser.parse_args(arguments).exercise
    start = time.monotonic()
    tally = run(names or exercises.all_names())
    for name, change in tally.wrongly_listed:
        print("Listed as equivalent, but refused:")
        show(name, change)
    made = tally.refused + tally.equivalent + len(tally.surviving)
    print(
        f"{made:,} mutants: {tally.refused:,} refused, {tally.equivalent} equivalent, {len(tally.surviving)} surviving"
    )
    print(f"Score: {tally.score:.1f} % of those that are not equivalent ({time.monotonic() - start:.0f} s)")
    if not names:
        keep(tally, made)
    return 1 if tally.wrongly_listed else 0


def keep(tally: Tally, made: int) -> None:
    row = {
        "exercises": len(exercises.all_names()),
        "mutants": made,
        "refused": tally.refused,
        "equivalent": tally.equivalent,
        "surviving": len(tally.surviving),
        "score": f"{tally.score:.1f} %",
    }
    results.record(
        "mutants",
        [row],
        about="Right answers to the exercises, changed in one place: how many of them do the checks refuse? (The score "
        "leaves out those that are equivalent to the right answer.)",
        command="make mutants",
        surviving=[{"exercise": name, "was": was, "becomes": becomes} for name, (was, becomes) in tally.surviving],
    )


if __name__ == "__main__":
    sys.exit(main())
