"""The command `lmtutor`: doctor, run, data, progress, lesson, release, mark.

A mistake of use is told in one sentence on stderr and ends with status 2; a check or a notebook that fails ends with 1.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lmtutor.runtime import PROFILES, CourseError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (that of the process if none is given); returns the exit status."""
    try:
        options = _parser().parse_args(arguments)
        status = options.function(options)
        sys.stdout.flush()  # here, where what it says can still be told
        return status
    except BrokenPipeError:  # nobody reads on, as in `lmtutor data | head`
        _drop_output()
        return 141  # as of a command that ends by SIGPIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"There is no space left for what this command writes{_at(error.filename)}: make some.", file=sys.stderr)
        _drop_output()
        return 2
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def _drop_output() -> None:
    """What still waits to be written goes nowhere; else Python tries again at its end, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _at(filename: str | None) -> str:
    return f" to {filename}" if filename else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lmtutor", description="What the course does outside its notebooks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("doctor", help="check that this machine is ready, and say what to do if not")
    command.set_defaults(function=_doctor)

    command = commands.add_parser("run", help="execute chapters headless; executed copies and a log are kept")
    command.add_argument(
        "chapters",
        nargs="*",
        metavar="CHAPTER",
        help="a number such as 03 (with its bug hunt), or a name; default: all",
    )
    command.add_argument("--profile", choices=PROFILES, help="default: LMTUTOR_PROFILE, or quick")
    command.add_argument("--out", type=Path, default=Path("runs"), help="folder for copies and log; default: runs")
    command.add_argument("--store", action="store_true", help="for maintainers: put outputs and costs into the course")
    command.set_defaults(function=_run)

    command = commands.add_parser("data", help="list the data sets and from where each can be had")
    command.add_argument("--verify", action="store_true", help="check the files that come with the course")
    command.set_defaults(function=_data)

    command = commands.add_parser("mark", help="mark what a class handed in, in a sandbox, also with unseen cases")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="of notebooks, folders, zips; or one of them")
    command.add_argument("--chapter", help="such as 03; default: that of most hand-ins")
    command.add_argument("--out", type=Path, default=Path("marks"), help="folder for marks and pages; default: marks")
    command.add_argument("--seed", type=int, help="of the unseen cases; default: one that this machine keeps")
    command.add_argument("--seconds", type=float, default=10.0, help="of processor time for an answer; default: 10")
    command.add_argument("--memory", type=int, default=2000, help="megabytes that an answer may take; default: 2000")
    command.add_argument("--jobs", type=int, help="hand-ins at a time; default: the number of processors")
    command.add_argument("--unsafe", action="store_true", help="mark also where files and network are in reach")
    command.set_defaults(function=_mark)

    command = commands.add_parser("progress", help="show which exercises are solved")
    command.add_argument("--reset", action="store_true", help="forget all progress")
    command.add_argument("--export", type=Path, metavar="FILE", help="write it to a new file, for another machine")
    command.add_argument("--import", type=Path, metavar="FILE", dest="merge", help="add what such a file holds")
    command.set_defaults(function=_progress)

    command = commands.add_parser("lesson", help="for teachers: show the plan of a lesson of 90 minutes")
    command.add_argument("chapter", metavar="CHAPTER", help="a number such as 05")
    command.add_argument("--markdown", action="store_true", help="as Markdown, to print or to change")
    command.set_defaults(function=_lesson)

    command = commands.add_parser("release", help="for teachers: write the notebooks that a class gets")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    command.add_argument("--chapters", metavar="01-04", help="numbers or names, with commas between; default: all")
    solutions = command.add_mutually_exclusive_group()
    solutions.add_argument(
        "--without-solutions",
        action="store_true",
        help="leave out solutions, and answers to open questions; default: folded",
    )
    solutions.add_argument(
        "--nbgrader",
        action="store_true",
        help="solutions and hidden tests stand where nbgrader takes them out",
    )
    command.add_argument("--without-hints", action="store_true", help="let lm.hint refuse in these notebooks")
    command.add_argument("--outputs", action="store_true", help="keep the stored outputs; default: they are cleared")
    command.set_defaults(function=_release)
    return parser


def _doctor(options: argparse.Namespace) -> int:
    from lmtutor.course.doctor import doctor

    checks = doctor()
    width = max(len(c.check) for c in checks)
    for c in checks:
        print(f"{c.state:<4}  {c.check:<{width}}  {c.found}")
        if c.advice:
            print(f"{'':<4}  {'':<{width}}  -> {c.advice}")
    failed = sum(c.state == "fail" for c in checks)
    print(f"{failed} of {len(checks)} checks failed." if failed else "Ready.")
    return 1 if failed else 0


def _run(options: argparse.Namespace) -> int:
    from lmtutor.course import execute

    profile = options.profile or os.environ.get("LMTUTOR_PROFILE") or "quick"
    outcomes = execute.run(execute.find(options.chapters), options.out, profile=profile, store=options.store)
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _data(options: argparse.Namespace) -> int:
    from lmtutor import data

    if not options.verify:
        for name, row in data.overview().iterrows():
            places = [place for place in ("embedded", "local", "hub") if row[place]]
            print(f"{name:<16} {row['task']:<18}  {', '.join(places)}\n    {row['about']}")
        return 0
    files = data.verify()
    for name, right in files:
        print(f"{'ok' if right else 'damaged or missing':<18}  {name}")
    return 0 if all(right for _, right in files) else 1


def _mark(options: argparse.Namespace) -> int:
    from lmtutor.classroom import feedback, marking, sandbox

    limits = sandbox.Limits(options.seconds, options.memory)
    choices = {"chapter": options.chapter, "seed": options.seed, "jobs": options.jobs, "unsafe": options.unsafe}
    marks = marking.mark(options.folder, limits=limits, tell=print, **choices)
    report = feedback.write(marks, options.out)
    print("\n".join(feedback.summary(marks)[1:]))
    print(f"{options.out / 'marks.csv'}, and the report with links to each student's page: {report}")
    return 0


def _progress(options: argparse.Namespace) -> int:
    from lmtutor import exercises

    print(exercises.progress(reset=options.reset, export=options.export, merge=options.merge).to_string())
    return 0


def _lesson(options: argparse.Namespace) -> int:
    from lmtutor.classroom import lessons

    width = shutil.get_terminal_size().columns
    page = lessons.markdown(options.chapter) if options.markdown else lessons.plain(options.chapter, width)
    print(page, end="")
    return 0


def _release(options: argparse.Namespace) -> int:
    from lmtutor.classroom import release
    from lmtutor.course import execute

    wanted = [] if options.chapters is None else release.chapter_numbers(options.chapters)
    solutions = "none" if options.without_solutions else "answered" if options.nbgrader else "folded"
    kept = {"solutions": solutions, "hints": not options.without_hints, "outputs": options.outputs}
    print(*release.release(execute.find(wanted), options.folder, **kept), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
