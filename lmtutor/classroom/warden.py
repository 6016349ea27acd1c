"""The program within the sandbox: it runs a student's code, one answer at a time, and tells what came of it.

The marker sends the texts of this module, of `walls` and of `plain` to a fresh Python, which executes them: the sandbox
sees nothing else of `lmtutor.classroom`. The warden itself runs no line of a student. For each answer it forks a
worker, which gives up what it does not need and only then runs the student's code; the warden watches time, memory and
processes, and ends the worker with all that it has started.

To the marker: frames of a kind and a body. Kind "s" is JSON that the warden says; kind "r" is what the worker
wrote, unread, which the marker must not trust.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import pickle
import select
import signal
import struct
import sys
import time
import types

CHECK_SECONDS = 0.03  # between two looks at the worker
IDLE_SECONDS = 5.0  # that all processes of an answer may wait for something, without computing
WALL = 40.0  # times its processor time, and as many seconds more, that an answer may take on a busy machine
PROCESSES = 64  # that an answer may have at once
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
LARGEST = 20_000_000  # bytes of a frame


# --- frames -----------------------------------------------------------------------------------------------------------


def write(handle: int, kind: bytes, body: bytes) -> None:
    """Write one frame: length, kind, body."""
    write_all(handle, struct.pack(">IB", len(body), kind[0]) + body)


def write_all(handle: int, data: bytes) -> None:
    """Write bytes, as many times as it takes."""
    while data:
        data = data[os.write(handle, data) :]


def _exactly(handle: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(handle, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read(handle: int) -> tuple[bytes, bytes]:
    """The kind and the body of the next frame.

    Raises:
        EOFError: there is none, or it is larger than a frame may be.
    """
    size, kind = struct.unpack(">IB", _exactly(handle, 5))
    if size > LARGEST:
        raise EOFError
    return bytes([kind]), _exactly(handle, size)


# --- the warden -------------------------------------------------------------------------------------------------------


class Warden:
    """Starts workers, passes questions and answers on, and stops what goes too far."""

    def __init__(self, settings: dict, marker_in: int, marker_out: int, walls, plain):
        self.settings, self.marker_in, self.marker_out = settings, marker_in, marker_out
        self.walls, self.plain = walls, plain
        self.worker = self.asking = self.hearing = None
        self.spent = 0.0  # seconds of processor time of the present worker

    def serve(self) -> None:
        """Do what the marker says until it says no more."""
        try:
            while True:
                _, body = read(self.marker_in)
                self.obey(pickle.loads(body))  # from the marker, which is trusted
        except EOFError:
            self.end()

    def obey(self, order: dict) -> None:
        """Load an answer or call it, and tell what came of it."""
        if order["do"] == "load":
            self.end()
            self.start(order)
            self.relay(order["seconds"])
        elif self.worker:
            with contextlib.suppress(OSError):  # it has ended
                write(self.asking, b"c", order["arguments"])
            self.relay(order["seconds"])
        else:
            self.say({"state": "stopped", "reason": "had ended before"})

    def say(self, what: dict) -> None:
        """Tell the marker something of the warden's own."""
        write(self.marker_out, b"s", json.dumps(what).encode())

    def start(self, order: dict) -> None:
        """Fork a worker."""
        questions_in, self.asking = os.pipe()
        self.hearing, replies_out = os.pipe()
        self.worker = os.fork()
        if not self.worker:
            ours = (self.asking, self.hearing, self.marker_in, self.marker_out)
            _work(order, self.settings, ours, questions_in, replies_out, self.walls, self.plain)
        os.close(questions_in)
        os.close(replies_out)
        self.spent, self.base, self.heard = 0.0, _memory_of(self.worker), bytearray()

    def relay(self, seconds: float) -> None:
        """Pass the worker's reply on, or say why there is none. `seconds`: of processor time."""
        watch = _Watch(seconds, self.settings["megabytes"], self.base, self.spent)
        while True:
            ready, _, _ = select.select([self.hearing, self.marker_in], [], [], CHECK_SECONDS)
            if self.marker_in in ready:  # it only speaks now if it has ended
                raise EOFError
            if ready:
                body = self.heard_whole()
                if body:
                    write(self.marker_out, b"r", body)
                elif body is not None:
                    self.say({"state": "stopped", "reason": _end_of(self.worker)})
                    self.end()
                if body is not None:
                    return
            reason = watch.reason(_inmates())
            self.spent = watch.spent
            if reason:
                self.end()
                self.say({"state": "stopped", "reason": reason})
                return

    def heard_whole(self) -> bytes | None:
        """What the worker has written once it is a whole frame, None before; b"" if it is none, or the worker ended."""
        part = os.read(self.hearing, 1 << 20)
        self.heard += part
        size = int.from_bytes(self.heard[:4], "big")
        if not part or size > LARGEST:
            return b""
        if len(self.heard) < 5 + size:
            return None
        body, self.heard = self.heard[5 : 5 + size], self.heard[5 + size :]
        return bytes(body)

    def end(self) -> None:
        """End the worker and all that it has started, and delete what it wrote."""
        if self.worker:
            for handle in (self.asking, self.hearing):
                os.close(handle)
            for _ in range(200):
                _kill_all(_inmates(), alone=os.getpid() == 1)
                if not _reap():
                    break
                time.sleep(0.005)
        self.worker = None
        for folder in ("/tmp", "/dev/shm") if os.getpid() == 1 else ():
            for name in os.listdir(folder):
                _remove(os.path.join(folder, name))


class _Watch:
    """Looks at the processes of an answer until it has replied, and says when they go too far."""

    def __init__(self, seconds: float, megabytes: int, base: int, spent: float):
        self.seconds, self.megabytes, self.base = seconds, megabytes, base
        self.before = self.spent = self.seen = spent
        self.begun = self.idle_since = time.monotonic()

    def reason(self, inmates: list[int]) -> str:
        """Why they have to be stopped; "" if they need not."""
        now, look = time.monotonic(), _Look(inmates, self.base)
        self.spent = max(self.spent, look.seconds)
        if look.running or look.seconds > self.seen + 0.02:
            self.idle_since, self.seen = now, look.seconds
        if self.spent - self.before > self.seconds or now - self.begun > WALL * (1 + self.seconds):
            return f"still ran after {self.seconds:g} s: does a loop in it never end?"
        if now - self.idle_since > IDLE_SECONDS:
            return f"waited {IDLE_SECONDS:.0f} s for something that did not come"
        if look.bytes > 2 * self.megabytes * 2**20:  # one process alone meets the kernel's limit first, each time
            return f"took more than {2 * self.megabytes / 1000:.1f} GB of memory"
        return f"started more than {PROCESSES} processes" if look.processes > PROCESSES else ""


def _end_of(worker: int) -> str:
    """Why a worker does not speak any more."""
    deadline, status = time.monotonic() + 1, None
    while status is None and time.monotonic() < deadline:
        ended, found = os.waitpid(worker, os.WNOHANG)
        status = found if ended else None
        time.sleep(0 if ended else 0.01)
    if status is None:
        return "closed its connection to the marker, or wrote something of its own to it"
    if not os.WIFSIGNALED(status):
        return "ended its own process (exit, os._exit)"
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return "used up its time: does a loop in it never end?"
    return f"crashed ({signal.Signals(number).name})"


def _inmates() -> list[int]:
    """All processes that a student's code may have started."""
    own = os.getpid()
    if own == 1:  # the first of its namespace: all others are theirs
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
    return _descendants(own)


def _remove(path: str) -> None:
    import shutil

    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)


def _kill_all(processes: list[int], alone: bool) -> None:
    if alone:
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGKILL)  # all but the first process of the namespace, at once
        return
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def _reap() -> bool:
    """Collect what has ended; whether there are children still."""
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not ended:
            return True


def _stat(process: int) -> list[str]:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()  # begins with the state
    except OSError:
        return []


def _memory_of(process: int) -> int:
    fields = _stat(process)
    return int(fields[21]) * PAGE if fields else 0


def _descendants(root: int) -> list[int]:
    if not os.path.isdir("/proc/self"):
        import psutil

        return [child.pid for child in psutil.Process(root).children(recursive=True)]
    parents = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found, todo = [], [root]
    while todo:
        above = todo.pop()
        below = [pid for pid, fields in parents.items() if fields and int(fields[1]) == above]
        found += below
        todo += below
    return found


class _Look:
    """What an answer's processes do: seconds of processor time, bytes beyond those at the start, whether one runs."""

    def __init__(self, processes: list[int], base: int):
        self.seconds, self.bytes, self.processes, self.running = 0.0, 0, len(processes), False
        for process in processes:
            if os.path.isdir("/proc/self"):
                fields = _stat(process)
                if fields:
                    self.seconds += sum(map(int, fields[11:15])) / TICKS
                    self.bytes += max(0, int(fields[21]) * PAGE - base)
                    self.running |= fields[0] == "R"
            else:
                self._ask_psutil(process)

    def _ask_psutil(self, process: int) -> None:
        import psutil

        try:
            found = psutil.Process(process)
            self.seconds += sum(found.cpu_times()[:2])
            self.bytes += found.memory_info().rss
            self.running |= found.status() == psutil.STATUS_RUNNING
        except psutil.Error:
            pass


# --- the worker: from here on nothing can be trusted ------------------------------------------------------------------


def _work(order: dict, settings: dict, close: tuple, questions: int, replies: int, walls, plain) -> None:
    """Be a worker, and end."""
    try:
        for handle in close:
            os.close(handle)
        walls.die_with_parent()
        _answer(order, settings, questions, replies, walls, plain)
    finally:
        os._exit(0)


def _answer(order: dict, settings: dict, questions: int, replies: int, walls, plain) -> None:
    """Give up all rights, load the answer, and answer questions with it."""
    os.setsid()
    walls.limit(settings["seconds"], settings["megabytes"], settings["processes"], settings["user"])
    if settings["mode"] == "process":
        walls.lock_files(settings["readable"], settings["writable"])
    os.chdir(settings["folder"])
    _without_checks()
    namespace, said = _load(order)
    if "error" in said:
        answer = None
    else:
        try:
            answer = eval(compile(order["expression"], "<your answer>", "eval"), namespace)
        except BaseException as error:
            answer, said = None, _raised(error)
    if not said:
        kind = "untouched" if answer is Ellipsis else "callable" if callable(answer) else "value"
        said = {"state": kind, "type": type(answer).__name__}
    write(replies, b"r", json.dumps(said).encode())
    while True:
        try:
            _, body = read(questions)
        except EOFError:
            return
        try:
            arguments = pickle.loads(body)  # from the marker
            result = plain.encode(answer(*arguments))
        except BaseException as error:
            write(replies, b"r", json.dumps(_raised(error)).encode())
        else:
            write(replies, b"r", result)


def _load(order: dict) -> tuple[dict, dict]:
    """Run what the answer needs; the namespace, and {"error": ...} if the answer's own code fails."""
    import random

    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    namespace = {"__name__": "__main__", "__builtins__": builtins, "display": lambda *_, **__: None}
    said: dict = {}
    for source, needed in order["code"]:
        try:
            exec(compile(source, "<your answer>", "exec"), namespace)
        except BaseException as error:
            if needed:
                return namespace, _raised(error)
    return namespace, said


def _raised(error: BaseException) -> dict:
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        text = ""
    base = next((kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"), "Exception")
    return {"state": "raised", "error": name[:80], "base": base, "text": text[:1000]}


def _without_checks() -> None:
    """The course's checks and solutions are not here; `lm.check` and its like do nothing."""
    empty = types.ModuleType("lmtutor.exercises")
    empty.__path__ = []
    empty.check = empty.hint = empty.progress = empty.require = lambda *_, **__: None
    sys.modules["lmtutor.exercises"] = empty


def main(settings: dict, walls, plain) -> None:
    """Build the walls, import what answers need, and serve. Streams 0 and 1 lead to the marker."""
    marker_in, marker_out = os.dup(0), os.dup(1)
    walls.die_with_parent()
    try:
        if settings["mode"] == "namespaces":
            walls.own_root(settings["root"], settings["readable"], settings["hidden"], settings["disk"])
    except OSError as error:
        write(marker_out, b"s", json.dumps({"state": "failed", "reason": str(error)}).encode())
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.path[:] = settings["path"]
    walls.hide_from_others()
    import numpy  # noqa: F401
    import torch

    import lmtutor.runtime  # noqa: F401

    torch.set_num_threads(1)
    warden = Warden(settings, marker_in, marker_out, walls, plain)
    warden.say({"state": "ready", "files": walls.can_lock_files(), "first": os.getpid() == 1})
    warden.serve()
    os._exit(0)  # at once: to take PyTorch down in good order costs seconds
