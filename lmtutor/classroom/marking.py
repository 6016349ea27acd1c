"""Mark what a class handed in: each hand-in in a sandbox of its own, with the chapter's cases and unseen ones.

Nothing of a hand-in is believed but the values that its functions give for arguments which were sent to them.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lmtutor import exercises, runtime
from lmtutor.classroom import answers, handins, handout, sandbox, unseen
from lmtutor.classroom.handins import HandIn
from lmtutor.exercises import guard
from lmtutor.runtime import CourseError

CHAPTERS = Path(__file__).resolve().parent.parent.parent / "chapters"
BUDGET = 60.0  # seconds that stopped answers of one hand-in may take together; those after that get `HURRY` each
HURRY = 2.0
LEAST_SIZE = 30  # parts of code of a hand-in: two smaller ones that are the same say nothing
READ_SECONDS, MARK_SECONDS = 300.0, 1800.0  # after which a marker that does not answer is given up

RIGHT, SHOWN_ONLY, WRONG, UNTRIED, MISSING = "right", "only the cases shown", "wrong", "not tried", "missing"


@dataclass(frozen=True)
class Result:
    """What was found about one exercise of one hand-in."""

    exercise: str
    state: str  # one of the five above
    said: str = ""  # to the student: what is wrong
    points: int = 0
    of: int = 1
    print: str = ""  # a hash of its code, and how many parts that has
    size: int = 0


@dataclass(frozen=True)
class Marked:
    """A hand-in, marked; or, with `problem`, one sentence on why it was not."""

    student: str
    source: str
    chapter: str = ""
    version: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()  # open questions with what the student wrote

    @property
    def points(self) -> int:
        """Points that were reached."""
        return sum(result.points for result in self.results)

    @property
    def of(self) -> int:
        """Points that could be reached."""
        return sum(result.of for result in self.results)


@dataclass(frozen=True)
class Marks:
    """All hand-ins of a class."""

    chapter: str
    seed: int
    sandbox: sandbox.Kind
    marked: list[Marked]
    same: list[list[str]] = field(default_factory=list)  # groups of students with the same code
    unseen_lack: list[str] = field(default_factory=list)  # exercises without unseen cases


# --- one hand-in ------------------------------------------------------------------------------------------------------


@cache
def chapter_notebook(chapter: str) -> tuple[str, NotebookNode] | None:
    """The name and the notebook of a chapter such as "03" or "03_bug_hunt"; None without a checkout of the course."""
    for path in sorted(CHAPTERS.glob(f"{chapter}*.ipynb")):
        if path.stem == chapter or (path.stem.startswith(f"{chapter}_") and not path.stem.endswith("_bug_hunt")):
            return path.stem, nbformat.read(path, as_version=4)
    return None


def questions(chapter: str) -> list[handout.Question]:
    """The exercises of a chapter as it asks them."""
    found = chapter_notebook(chapter)
    if found:
        return handout.questions(found[1])
    return [handout.Question(name, name.partition(".")[2], False, 0) for name in exercises.all_names(chapter)]


def chapter_of(notebook: NotebookNode) -> str:
    """The chapter of which most exercises are in a hand-in; "" if there is none of the course."""
    modules = {module: chapter for chapter, module in exercises.CHAPTERS.items()}
    names = set(handout.answers(notebook))
    for cell in notebook.cells:
        names |= {name for name, _ in handout.calls(cell)} | {(handout.marked(cell) or ("",))[0]}
    votes = Counter(modules[m] for name in names if (m := name.partition(".")[0]) in modules)
    if votes:
        return votes.most_common(1)[0][0]
    version = handout.read_version(notebook)
    stem = version.notebook if version else ""
    return next((c for c in exercises.CHAPTERS if stem == c or stem.startswith(f"{c}_")), "")


def peek(handin: HandIn) -> tuple[str, str]:
    """The chapter of a hand-in, and why it cannot be marked: one of them is empty."""
    if handin.problem:
        return "", handin.problem
    try:
        chapter = chapter_of(handins.read(handin))
    except CourseError as error:
        return "", str(error)
    except Exception as error:
        return "", f"This notebook cannot be read ({type(error).__name__})."
    return chapter, "" if chapter else "This notebook holds no exercise of the course."


def mark_one(handin: HandIn, chapter: str, seed: int, mode: str, limits: sandbox.Limits) -> Marked:
    """Mark one hand-in, which holds exercises of the chapter; if that cannot be done, say why in its `problem`.

    Args:
        handin: where it is.
        chapter: such as "03".
        seed: of the unseen cases.
        mode: of the sandbox.
        limits: for each answer.
    """
    try:
        return _mark_notebook(handin, handins.read(handin), chapter, seed, sandbox.Sandbox(mode, limits))
    except CourseError as error:
        problem = str(error)
    except Exception as error:
        problem = f"The marker itself failed on it: {type(error).__name__}: {str(error)[:200]}."
    return Marked(handin.student, handin.source, chapter, problem=problem)


def _mark_notebook(handin: HandIn, notebook: NotebookNode, chapter: str, seed: int, box: sandbox.Sandbox) -> Marked:
    guard.SECONDS = 1e6  # the sandbox keeps time, in seconds of the processor: a busy machine changes no mark
    limits = box.limits
    code = answers.Notebook(notebook)
    results, notes, spent = [], _notes(notebook, chapter), 0.0
    with box:
        for question in questions(chapter):
            begun = time.monotonic()
            box.limits = limits if spent < BUDGET else sandbox.Limits(HURRY, limits.megabytes)
            result = _mark_answer(question, code, seed, box)
            results.append(result)
            if "still ran" in result.said or "waited" in result.said:
                spent += min(time.monotonic() - begun, limits.seconds)
    version = handout.read_version(notebook)
    return Marked(
        handin.student,
        handin.source,
        chapter,
        str(version) if version else "",
        notes=tuple(notes),
        results=tuple(results),
        questions=tuple(open_questions(notebook, chapter)),
    )


def _mark_answer(question: handout.Question, code: answers.Notebook, seed: int, box: sandbox.Sandbox) -> Result:
    """The first answer to the exercise that was tried counts."""
    state, said, chosen = MISSING, "There is no cell with an answer: was it deleted, or its function renamed?", None
    for answer in code.answers(question.exercise, question.function):
        if isinstance(answer, answers.Unreadable):
            if state == MISSING:
                state, said = WRONG, f"Cell {answer.cell + 1} is no Python: {answer.reason}."
            continue
        found, words = _examined(answer, seed, box)
        if found != UNTRIED or state == MISSING:
            state, said, chosen = found, words, answer
        if found != UNTRIED:
            break
    result = {"exercise": question.exercise, "state": state, "said": said, "of": question.points}
    if state == RIGHT:
        result["points"] = question.points
    if chosen and state != UNTRIED:
        result |= {"print": answers.fingerprint(chosen), "size": answers.size(chosen)}
    return Result(**result)


def _examined(answer: answers.Answer, seed: int, box: sandbox.Sandbox) -> tuple[str, str]:
    """The state of an answer, and what is said to the student."""
    found = box.load(answer.code, answer.expression)
    if found["state"] == "untouched":
        return UNTRIED, ""
    if found["state"] == "stopped":
        return WRONG, f"Your code {found['reason']}.".replace("?.", "?")
    if found["state"] == "raised":
        text = f"{found['error']}: {found['text']}".removesuffix(": ")
        return WRONG, f"The code of the cell raised {text}"
    if found["state"] == "value":
        return WRONG, f"A function was expected, but a {found['type'][:80]} came."

    def ask(*arguments):
        return box.call(*arguments)

    verdict = exercises.find(answer.exercise).examine(ask)
    if verdict is Ellipsis:
        return UNTRIED, ""
    if verdict:
        return WRONG, verdict
    verdict = unseen.examine(answer.exercise, ask, seed)
    if verdict:
        return SHOWN_ONLY, verdict
    return RIGHT, ""


def _notes(notebook: NotebookNode, chapter: str) -> list[str]:
    """What a teacher should know of a hand-in, each a sentence."""
    found = []
    theirs, own = handout.read_version(notebook), chapter_notebook(chapter)
    if theirs and own:
        ours = handout.version(own[1], own[0])
        if theirs != ours:
            found.append(f"It was handed out as version {theirs}, this is {ours}: marked with this one's cases.")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    if re.search(r"lmtutor\s*\.\s*exercises\s*\.|from\s+lmtutor\.exercises\s+import", code):
        found.append("It reads lmtutor.exercises, where the solutions are; in the sandbox they are not.")
    return found


def open_questions(notebook: NotebookNode, chapter: str) -> list[tuple[str, str]]:
    """Open questions of a hand-in, each with what the student wrote below it.

    An open question is a markdown cell with the tag `open-question`, which a teacher may add to what is handed out,
    and what follows **Your bet:** in the course's bug hunts. What a student wrote is a markdown or raw cell that the
    chapter does not have.
    """
    own = chapter_notebook(chapter)
    known = set(map(_plain, handout.texts(own[1]))) if own else set()
    found: list[list[str]] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            continue
        tagged = "open-question" in str(cell.metadata.get("tags"))
        asked = [cell.source] if tagged else re.findall(r"\*\*Your bet:\*\* (.+)", cell.source)
        if asked:
            found += [[_plain(text), ""] for text in asked]
        elif found and known and _plain(cell.source) not in known and not handout.marked(cell):
            found[-1][1] = f"{found[-1][1]}\n{cell.source}".strip()[:5000]
    return [(question[:400], text) for question, text in found[:60]]


def _plain(text: str) -> str:
    return " ".join(text.split())


# --- a class ----------------------------------------------------------------------------------------------------------


def mark(
    folder: Path,
    *,
    chapter: str | None = None,
    seed: int | None = None,
    limits: sandbox.Limits = sandbox.Limits(),  # noqa: B008  (it cannot be changed)
    jobs: int | None = None,
    unsafe: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Marks:
    """Mark all hand-ins in a folder, a zip or a notebook.

    Args:
        folder: where they are; see `handins.find`.
        chapter: such as "03"; else that of most hand-ins. Others are not marked.
        seed: of the unseen cases; else one that this machine keeps.
        limits: for each answer.
        jobs: hand-ins at a time; else the number of processors.
        unsafe: mark also where neither files nor the network can be put out of reach.
        tell: is called with a line for each hand-in.

    Raises:
        CourseError: there is nothing to mark, no sandbox, or no such chapter.
    """
    found = handins.find(folder)
    if chapter is not None:
        runtime.choose(chapter, list(exercises.CHAPTERS), "The chapter")
    kind = sandbox.kind()
    if not kind.safe and not unsafe:
        raise CourseError(
            "Here nothing keeps a student's code from your files and the network: install bubblewrap, "
            "use Linux, or say --unsafe if you trust all hand-ins."
        )
    seed = unseen.kept_seed() if seed is None else seed
    jobs = jobs or os.cpu_count() or 1
    peeked = _in_processes(peek, [(handin,) for handin in found], jobs, READ_SECONDS)
    seen = [one or ("", "The file cannot be read: reading it took too long, or too much memory.") for one in peeked]
    votes = Counter(there for there, problem in seen if not problem)
    chapter = chapter or (votes.most_common(1)[0][0] if votes else "")
    tell(f"Sandbox: {kind.says}.")
    marked: list[Marked | None] = []
    for handin, (there, problem) in zip(found, seen, strict=True):
        if not problem and there != chapter:
            problem = f"This is a hand-in of chapter {there}, not of {chapter}."
        marked.append(Marked(handin.student, handin.source, there, problem=problem) if problem else None)
    todo = [i for i, one in enumerate(marked) if one is None]

    def told(place: int, one: Marked | None) -> None:
        handin = found[todo[place]]
        one = one or Marked(handin.student, handin.source, chapter, problem="The marker itself failed on it.")
        marked[todo[place]] = one
        tell(f"{one.student}: {one.problem or f'{one.points} of {one.of}'}")

    arguments = [(found[i], chapter, seed, kind.mode, limits) for i in todo]
    _in_processes(mark_one, arguments, jobs, MARK_SECONDS, told)
    names = [question.exercise for question in questions(chapter)] if chapter else []
    return Marks(chapter, seed, kind, marked, same_code(marked), unseen.without(names, seed))


def same_code(marked: Sequence[Marked]) -> list[list[str]]:
    """Groups of students whose answers are the same code but for names, layout and comments."""
    groups = defaultdict(list)
    for one in marked:
        prints = tuple((result.exercise, result.print) for result in one.results if result.print)
        if sum(result.size for result in one.results) >= LEAST_SIZE:
            groups[prints].append(one.student)
    return [sorted(students) for students in groups.values() if len(students) > 1]


def _run(function: Callable, arguments: tuple, pipe) -> None:
    pipe.send(function(*arguments))
    pipe.close()


def _in_processes(
    function: Callable,
    arguments: Sequence[tuple],
    jobs: int,
    seconds: float,
    told: Callable[[int, object], None] = lambda place, result: None,
) -> list:
    """What a function returns for each of the arguments, each in a process of its own; None where that failed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lmtutor.classroom.marking"])
    results: list = [None] * len(arguments)
    waiting, running = list(range(len(arguments)))[::-1], {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                place = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_run, args=(function, arguments[place], theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = place, process, time.monotonic() + seconds
            ready = multiprocessing.connection.wait(list(running), timeout=0.2)
            late = [pipe for pipe, (_, _, end) in running.items() if time.monotonic() > end and pipe not in ready]
            for pipe in [*ready, *late]:
                place, process, _ = running.pop(pipe)
                try:
                    results[place] = pipe.recv() if pipe in ready else None
                except EOFError:
                    results[place] = None
                pipe.close()
                process.kill() if pipe in late else process.join(5)
                told(place, results[place])
    finally:
        for _, process, _ in running.values():
            process.kill()
    return results
