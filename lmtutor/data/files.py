"""Files of a learner's folder, of which nothing is sure: found, opened, unpacked and parsed, or told in one sentence.

What a file holds is for `lmtutor.data.readers` to know. All here raise a CourseError that names the file, and the line.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmtutor.runtime import CourseError

LARGEST = 500_000_000  # bytes of a file, unpacked: it is read whole, and takes some four times as much memory

# What lies where a data set should, by its first bytes.
_MISTAKEN = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself: run `git lfs pull` where it was cloned",
    b"<!doctype": "is a web page, not the file itself: download the raw file",
    b"<html": "is a web page, not the file itself: download the raw file",
    b"<?xml": "is XML, mostly a server's message instead of the file: download the file again",
    b"404: not found": "is a server's message that there is no such file: download it from another address",
    b"\x1f\x8b": "is packed with gzip once more than its name says: unpack it, or add .gz to its name",
    b"pk\x03\x04": "is a zip archive: unpack it",
    b"bzh91ay": "is packed with bzip2: unpack it",
    b"\xfd7zxz": "is packed with xz: unpack it",
    b"(\xb5/\xfd": "is packed with zstd: unpack it",
    b"%pdf-": "is a PDF, not text",
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MAY_BE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # how JSON writes one, or half of a proper pair


def unreadable(error: OSError, path: Path) -> CourseError:
    """What to say when the system does not let us at a file or folder."""
    return CourseError(
        f"{str(error.filename or path)!r} cannot be read ({error.strerror or error}); see who may read it, and that it "
        f"is all there."
    )


def files_in(folder: Path) -> list[Path]:
    """The files in a folder, sorted by name. (Path.glob would silently leave out a folder that may not be read.)"""
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise unreadable(error, folder) from None


def find(folder: Path, *names: str) -> Path:
    """The first of these files that exists in the folder, also with .gz behind its name."""
    paths = [path for name in names for path in (folder / name, folder / f"{name}.gz")]
    try:
        there = sorted((path for path in paths if path.exists()), key=lambda path: not path.is_file())
    except OSError as error:
        raise unreadable(error, folder) from None
    if there:
        return there[0]  # if that is no file, whoever reads it is told
    raise CourseError(f"There is no {' or '.join(names)} (nor the same with .gz) in {str(folder)!r}.")


def _bytes(path: Path) -> bytes:
    """At most one byte more than `LARGEST`, however much a small packed file may hold."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file.read(LARGEST + 1)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, unpacked if it is gzipped.

    Raises:
        CourseError: it is no file, cannot be read, is larger than `LARGEST`, not UTF-8, or plainly something else.
    """
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise CourseError(f"{str(path)!r} is not a file but a folder, a pipe or a device; put the file there.")
        data = _bytes(path)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CourseError(f"{str(path)!r} cannot be read ({error}); is the file complete?") from None
    except OSError as error:
        raise unreadable(error, path) from None
    if len(data) > LARGEST:
        raise CourseError(f"{str(path)!r} has more than {LARGEST / 1e6:.0f} MB unpacked; cut it into a smaller one.")
    start = data[:200].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, what in _MISTAKEN.items():
        if start.startswith(beginning):
            raise CourseError(f"{str(path)!r} {what}.")
    try:
        text = data.decode().lstrip("\ufeff")  # the byte order mark, which careless joining doubles
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{str(path)!r} is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}); "
            f"convert it, for example with: iconv -f LATIN1 -t UTF-8"
        ) from None
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise CourseError(
            f"Line {number} of {str(path)!r} holds a zero byte, which no text does: the file is binary, or damaged, or "
            f"UTF-16 (then convert it with: iconv -f UTF-16 -t UTF-8)."
        )
    return text


def lines_of(path: Path) -> list[str]:
    """Lines, split at line feeds only: real texts hold U+0085 and U+2028, at which str.splitlines would split too.

    Windows' line ends count as one; where there is no line feed at all, lines end at carriage returns (old Macs').
    """
    text = read_text(path)
    if "\r" in text:
        text = re.sub(r"\r+\n", "\n", text) if "\n" in text else text.replace("\r", "\n")
    return text.removesuffix("\n").split("\n") if text else []


def parse_json(text: str, where: str) -> Any:
    """The value that JSON text stands for; `where` begins the sentence that tells what is wrong with it."""
    try:
        value = json.loads(text)
        half = _MAY_BE_SURROGATE.search(text) and _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False))
    except json.JSONDecodeError:
        raise CourseError(f"{where} is not JSON; is the file complete?") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        raise CourseError(f"{where} nests too deep or has too long a number; is it the right file?") from None
    if half:
        raise CourseError(
            f"{where} holds half a character (\\u{ord(half[0]):04x} alone), which no text can: take it out, or write "
            f"both halves."
        )
    return value


def read_jsonl(path: Path, columns: tuple[str, ...] = ()) -> Iterator[dict]:
    """The rows of a file of JSON lines, each of which must have these columns."""
    for number, line in enumerate(lines_of(path), start=1):
        row = parse_json(line, f"Line {number} of {str(path)!r}")
        for column in columns:
            if not isinstance(row, dict) or column not in row:
                raise CourseError(f"Line {number} of {str(path)!r} has no {column!r}; needed are {', '.join(columns)}.")
        yield row
