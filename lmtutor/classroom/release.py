"""Write the notebooks that a class gets: without solutions where wished, with a version, and as nbgrader wants them.

A folder is a whole course for nbgrader: `source/NAME/NAME.ipynb` for each notebook, and `nbgrader_config.py`. In a
notebook each exercise becomes two cells: the answer, which belongs to the learner, and below it a locked cell with
`lm.check(...)`, which nbgrader runs afresh and gives points for; hidden tests in it ask the answer unseen cases, too.
What the metadata of these cells means to nbgrader is in its documentation, "Metadata format", version 3; which exercise
they belong to is `lmtutor.classroom.handout`'s.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lmtutor.classroom import handout
from lmtutor.runtime import CourseError

SCHEMA = 3  # of nbgrader's metadata, since its version 0.6
SOLUTIONS = ("folded", "none", "answered")

CONFIG = '''\
"""Settings of nbgrader for this folder. Call it from here: nbgrader generate_assignment 00_start_here"""

c = get_config()  # noqa: F821
c.Execute.timeout = 900  # seconds that a cell may take: some train a model
c.ClearSolutions.code_stub = {"python": "return ...  # your code here"}
'''
HIDDEN = "lmtutor.classroom.unseen"  # whose hidden tests have cases that the chapter does not show
GAP = "your code here"  # the comment on the line of a stub that is to be replaced


def chapter_numbers(wanted: str) -> list[str]:
    """What "01-04", "03" or "00,03_bug_hunt" asks for: numbers and names of chapters, as `execute.find` takes them.

    Raises:
        CourseError: it is no such list, or a range whose end comes before its beginning.
    """
    found: list[str] = []
    for part in filter(None, (part.strip() for part in wanted.split(","))):
        first, dash, last = part.partition("-")
        if not dash:
            found.append(part)
        elif re.fullmatch(r"\d\d", first) and re.fullmatch(r"\d\d", last) and first <= last:
            found += [f"{number:02d}" for number in range(int(first), int(last) + 1)]
        else:
            raise CourseError(f"{part!r} is no range of chapters: write 01-04, say, or 03 for a single one.")
    if not found:
        raise CourseError("No chapter is named: write 01-04, say, or leave --chapters out for all of them.")
    return found


def release(
    chapters: Sequence[Path], folder: Path, *, solutions: str = "folded", hints: bool = True, outputs: bool = False
) -> list[str]:
    """Write notebooks of the course into a new or empty folder; all of them, or none.

    Args:
        chapters: paths of notebooks.
        folder: is made if need be.
        solutions: "folded" below each exercise, as in the course; "none"; or "answered": each stands in the answer's
            cell between BEGIN SOLUTION and END SOLUTION, from where `nbgrader generate_assignment` takes it out.
        hints: False lets `lm.hint` refuse.
        outputs: keep the stored outputs. A class runs the cells itself, and some cells ask what they will show.

    Returns:
        A line for each notebook: its path below the folder, its version, its points.

    Raises:
        CourseError: the folder holds something already or cannot be written, or a notebook cannot be read.
    """
    notebooks = [released(path, solutions=solutions, hints=hints, outputs=outputs) for path in chapters]
    made = {f"source/{path.stem}/{path.name}": one for path, one in zip(chapters, notebooks, strict=True)}
    try:
        _write(folder, {name: nbformat.writes(notebook) + "\n" for name, notebook in made.items()})
    except OSError as error:
        reason = error.strerror or str(error)
        raise CourseError(f"{str(folder)!r} cannot be written ({reason}): name another folder.") from None
    return [f"{name}  {handout.read_version(notebook)}  {_worth(notebook)}" for name, notebook in made.items()]


def _write(folder: Path, files: dict[str, str]) -> None:
    """All files or none: they are put together in a folder within, and moved when all are there."""
    is_new = not folder.exists()
    if not is_new and not folder.is_dir():
        raise CourseError(f"{str(folder)!r} is a file: name a new folder.")
    if not is_new and any(folder.iterdir()):
        raise CourseError(f"{str(folder)!r} holds files already, and nothing is overwritten: name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / ".unfinished"
    try:
        for name, text in {"nbgrader_config.py": CONFIG, **files}.items():
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            (unfinished / name).write_text(text, encoding="utf-8")
        for path in unfinished.iterdir():
            path.rename(folder / path.name)
        unfinished.rmdir()
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _worth(notebook: NotebookNode) -> str:
    points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)
    return f"{points} point{'' if points == 1 else 's'}"


# --- a notebook -------------------------------------------------------------------------------------------------------


def released(path: Path, *, solutions: str = "folded", hints: bool = True, outputs: bool = False) -> NotebookNode:
    """A notebook of the course as a class gets it. `solutions`, `hints` and `outputs` are those of `release`.

    Raises:
        CourseError: the file is no notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # of many types
        raise CourseError(f"{path.name} cannot be read as a notebook ({error}): bring it back with git.") from None
    version = handout.version(notebook, path.stem)
    asked = {question.cell: question for question in handout.questions(notebook)}
    folded = _solutions(notebook, asked.values()) if solutions == "answered" else {}
    cells: list[NotebookNode] = []
    for place, cell in enumerate(notebook.cells):
        if "badge" in cell.metadata.get("tags", []):  # it would open the chapter, with its solutions
            continue
        if cell.cell_type == "markdown" and solutions != "folded":
            cell.source = handout.without_folded(cell.source)
            if not cell.source:
                continue
        if place in asked:
            cells += _exercise(cell, asked[place], folded.get(asked[place].exercise))
        else:
            if not hints and cell.cell_type == "code" and "lm.setup(" in cell.source:
                cell.source += "\nlm.exercises.without_hints()"
            cells.append(cell)
    notebook.cells = cells
    cells[0].source = _with_version(cells[0].source, version)
    handout.stamp(notebook, version)
    if not outputs:
        _clear(notebook)
    return notebook


def _with_version(opening: str, version: handout.Version) -> str:
    """The opening cell with the version below its title."""
    title, _, rest = opening.partition("\n")
    return f"{title}\n\n*Version {version} of this notebook.*\n{rest}"


def _clear(notebook: NotebookNode) -> None:
    """Drop all outputs, and the widgets' state, to which they referred."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def _exercise(cell: NotebookNode, question: handout.Question, answer: str | None) -> list[NotebookNode]:
    """The two cells of an exercise. With `answer`, the code of its solution, the first one is a solution cell.

    Without it nbgrader is told nothing about the learner's cell, so that it leaves the stub as it is.
    """
    check = nbformat.v4.new_code_cell(f'lm.check("{question.exercise}", {question.function})')
    check.outputs, check.execution_count = cell.outputs, cell.execution_count
    cell.outputs, cell.execution_count = [], None
    cell.source = handout.without_calls(cell.source)
    tags = cell.metadata.get("tags")
    for one, part in ((cell, handout.ANSWER), (check, handout.CHECK)):
        one.metadata = NotebookNode({"tags": list(tags)} if tags else {})
        one.metadata["deletable"] = False
        handout.mark_cell(one, question.exercise, part)
    check.metadata["editable"] = False
    worth = {"grade": True, "points": question.points} if question.points else {"grade": False}
    check.metadata["nbgrader"] = _for_nbgrader(check, locked=True, solution=False, **worth)
    if answer is not None:
        cell.source = answered(cell.source, question.function, answer)
        cell.metadata["nbgrader"] = _for_nbgrader(cell, grade=False, locked=False, solution=True)
        if question.points:  # whatever a learner's copy of this cell holds, nbgrader puts this back
            hidden = f'{HIDDEN}.require("{question.exercise}", {question.function})'
            check.source += f"\n### BEGIN HIDDEN TESTS\nimport {HIDDEN}\n{hidden}\n### END HIDDEN TESTS"
    return [cell, check]


def _for_nbgrader(cell: NotebookNode, **what) -> NotebookNode:
    return NotebookNode(grade_id=cell.id, schema_version=SCHEMA, task=False, cell_type=cell.cell_type, **what)


# --- solutions --------------------------------------------------------------------------------------------------------


def _solutions(notebook: NotebookNode, asked: Sequence[handout.Question]) -> dict[str, str]:
    """Exercise -> the code of its folded solution, which stands in the next markdown cell."""
    found = {}
    for question in asked:
        below = next((cell.source for cell in notebook.cells[question.cell + 1 :] if cell.cell_type == "markdown"), "")
        folded = re.search(r"<details><summary>Solution</summary>(.*?)</details>", below, re.DOTALL)
        code = re.search(r"```python\n(.*?)```", folded[1], re.DOTALL) if folded else None
        if code is None:
            raise CourseError(f"There is no folded solution below the exercise {question.exercise}: add one.")
        found[question.exercise] = code[1]
    return found


def answered(stub: str, function: str, solution: str) -> str:
    """The code of an answer's cell, with the solution's body in place of the stub's `return ...`, between marks.

    Args:
        stub: code that defines `function`, whose last statement is `return ...`.
        solution: code that defines it, too. What else it holds, imports say, goes into the function.
    """
    lines = stub.splitlines()
    gap = _definition(stub, function).body[-1]
    right = _definition(solution, function)
    written = solution.splitlines()
    start = right.body[ast.get_docstring(right) is not None].lineno - 1
    while written[start - 1].lstrip().startswith("#"):  # comments before the first statement
        start -= 1
    around = [*written[: right.lineno - 1], *written[right.end_lineno :]]
    inside = [f"    {line}" for line in around if line.strip()] + written[start : right.end_lineno]
    marked = ["    ### BEGIN SOLUTION", *inside, "    ### END SOLUTION"]
    wanted = lines[gap.lineno - 1].partition("#")[2].strip()
    if wanted not in ("", GAP):  # "your code here: return the mean and the share"
        marked.insert(0, f"    # {wanted}")
    return "\n".join([*lines[: gap.lineno - 1], *marked, *lines[gap.end_lineno :]])


def _definition(code: str, function: str) -> ast.FunctionDef:
    found = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef) and node.name == function]
    return found[-1]
