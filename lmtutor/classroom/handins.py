"""What students hand in: notebooks in a folder, in folders of their own, in zips. Nothing is unpacked onto the disk.

Whatever is wrong with one of them is told in one sentence; the others are read.
"""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import nbformat
from nbformat import NotebookNode

from lmtutor.runtime import CourseError

LARGEST = 250_000_000  # bytes of a notebook with its outputs
MEMBERS = 2000  # files of a zip
UNPACKED = 1_000_000_000  # bytes that a zip may hold in all
NESTED = 2  # zips in zips


@dataclass(frozen=True)
class HandIn:
    """One notebook of one student, or one sentence on why there is none."""

    student: str
    path: Path
    members: tuple[str, ...] = ()  # where in the zip, and in the zip in it
    problem: str = ""

    @property
    def source(self) -> str:
        """Where it lies, for the report."""
        return " > ".join([str(self.path), *self.members])


class _Bad(Exception):
    """Why a file cannot be read; one sentence."""


def find(folder: Path) -> list[HandIn]:
    """The hand-ins in a folder, a zip or a single notebook, by the students' names.

    A notebook lying in the folder itself is named after its file, one in a folder or zip within it after that.

    Raises:
        CourseError: there is no such folder or file, or nothing in it.
    """
    if not folder.exists():
        raise CourseError(f"There is no {folder}: name the folder, the zip or the notebook that was handed in.")
    paths = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if _counts(p, folder))
    root = folder.parent if folder.is_file() else folder
    found = []
    for path in paths:
        student = path.relative_to(root).parts[0]
        student = student if path.parent != root else path.stem
        if path.is_symlink():
            found.append(HandIn(student, path, problem="This is a link to another file: hand in the file itself."))
        elif path.suffix.lower() == ".zip":
            found += _in_zip(student, path, alone=folder.is_file())
        elif path.suffix.lower() == ".ipynb":
            found.append(HandIn(student, path))
        else:
            found.append(HandIn(student, path, problem="This is no notebook: its name does not end with .ipynb."))
    if not found:
        raise CourseError(f"There is nothing in {folder} that could be marked: no notebook, and no zip with one.")
    return _with_names(found)


def _counts(path: Path, folder: Path) -> bool:
    """Whether a path is a file that somebody handed in, and not what a system leaves behind."""
    parts = path.relative_to(folder).parts
    return (path.is_file() or path.is_symlink()) and not any(p.startswith((".", "__MACOSX")) for p in parts)


def _with_names(found: list[HandIn]) -> list[HandIn]:
    """Each with a name of its own: where a student handed in several files, the file's name is added."""
    often = Counter(handin.student for handin in found)
    named, used = [], Counter()
    for handin in found:
        last = PurePosixPath(handin.members[-1]).stem if handin.members else handin.path.stem
        name = handin.student if often[handin.student] == 1 else f"{handin.student} {last}"
        name = re.sub(r"[^\w .,@+-]", "_", name).strip()[:80] or "without a name"
        used[name.lower()] += 1
        named.append(replace(handin, student=name if used[name.lower()] == 1 else f"{name} ({used[name.lower()]})"))
    return named


def _in_zip(student: str, path: Path, alone: bool) -> list[HandIn]:
    try:
        found = _members(path.read_bytes() if path.stat().st_size <= UNPACKED else b"", (), 1)
    except _Bad as error:
        return [HandIn(student, path, problem=str(error))]
    except OSError as error:
        return [HandIn(student, path, problem=f"The file cannot be read: {error.strerror}.")]
    handins = []
    for members, problem in found:
        name = _student_in(members[0]) if alone and members else student
        handins.append(HandIn(name, path, members, problem))
    return handins or [HandIn(student, path, problem="There is no notebook in this zip.")]


def _student_in(member: str) -> str:
    """Whose a member of the one zip of a class is: its first folder's, else the file's own name."""
    parts = PurePosixPath(member).parts
    return parts[0] if len(parts) > 1 else PurePosixPath(member).stem


def _members(content: bytes, above: tuple[str, ...], depth: int) -> list[tuple[tuple[str, ...], str]]:
    """The notebooks in a zip, with a sentence for each that cannot be read."""
    found: list[tuple[tuple[str, ...], str]] = []
    with _opened(content) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if len(infos) > MEMBERS:
            raise _Bad(f"This zip holds {len(infos):,} files, more than the {MEMBERS:,} that are looked at.")
        if sum(info.file_size for info in infos) > UNPACKED:
            raise _Bad(f"This zip would unpack to more than {UNPACKED / 1e9:.0f} GB: it is not unpacked.")
        for info in infos:
            name = PurePosixPath(info.filename.replace("\\", "/"))
            members = (*above, info.filename)
            if ".." in name.parts or name.is_absolute() or ":" in name.parts[0]:
                climbs = "This zip holds a path that climbs out of it ({}): that file is not read."
                found.append((members, climbs.format(info.filename[:80])))
            elif any(part.startswith((".", "__MACOSX")) for part in name.parts):
                continue
            elif name.suffix.lower() == ".ipynb":
                found.append((members, ""))
            elif name.suffix.lower() == ".zip" and depth < NESTED:
                try:
                    found += _members(_unpacked(archive, info), members, depth + 1)
                except _Bad as error:
                    found.append((members, str(error)))
    return found


def _opened(content: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, OSError):
        raise _Bad("This is called .zip but is no zip that can be read.") from None


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's bytes, no more than a notebook may have, whatever the zip says."""
    try:
        with archive.open(info) as file:
            content = file.read(LARGEST + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        encrypted = "password" in str(error)
        said = "is encrypted: hand it in without a password" if encrypted else "is damaged"
        raise _Bad(f"The file {info.filename[:80]} in this zip {said}.") from None
    except Exception:  # zlib and lzma have errors of their own
        raise _Bad(f"The file {info.filename[:80]} in this zip is damaged.") from None
    if len(content) > LARGEST:
        raise _Bad(f"The file {info.filename[:80]} is larger than {LARGEST / 1e6:.0f} MB: clear its outputs.")
    return content


def read(handin: HandIn) -> NotebookNode:
    """The notebook of a hand-in, in nbformat's present version; without its outputs, which prove nothing.

    Raises:
        CourseError: it cannot be read; the sentence says why.
    """
    try:
        return _notebook(_content(handin))
    except _Bad as error:
        raise CourseError(str(error)) from None
    except OSError as error:
        raise CourseError(f"The file cannot be read: {error.strerror}.") from None


def _content(handin: HandIn) -> bytes:
    if not handin.members:
        if handin.path.stat().st_size > LARGEST:
            raise _Bad(f"The notebook is larger than {LARGEST / 1e6:.0f} MB: clear its outputs.")
        return handin.path.read_bytes()
    content = handin.path.read_bytes()
    for member in handin.members:
        with _opened(content) as archive:
            content = _unpacked(archive, archive.getinfo(member))
    return content


def _notebook(content: bytes) -> NotebookNode:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        what = "is empty" if not content.strip() else "is no notebook: it is not the JSON that Jupyter writes"
        raise _Bad(f"The file {what}.") from None
    if not isinstance(data, dict) or not ("cells" in data or "worksheets" in data):
        raise _Bad("The file is no notebook: it has no cells.")
    for cell in data["cells"] if isinstance(data.get("cells"), list) else ():
        if isinstance(cell, dict) and "outputs" in cell:
            cell["outputs"] = []
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(json.dumps(data), as_version=4)
            for cell in notebook.cells:
                cell.source, cell.metadata, cell.cell_type  # noqa: B018  (each has to be there)
                if not isinstance(cell.source, str) or not isinstance(cell.metadata, dict):
                    raise ValueError
    except Exception:
        raise _Bad("The file is no notebook that can be read: its cells are damaged.") from None
    return notebook
