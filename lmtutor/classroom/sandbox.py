"""The marker's side of the wall: start a sandbox, load an answer into it, and call it from outside.

What a student's process prints, writes or says is never believed: of an answer only the values come back that it gives
for the arguments it was sent, as plain data (`lmtutor.classroom.plain`); whether they are right is decided here.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import pickle
import select
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lmtutor.classroom import plain, walls, warden
from lmtutor.exercises import guard
from lmtutor.runtime import CourseError

START_SECONDS = 600.0  # until a sandbox must be ready, on a machine that does much else
STOP_SECONDS = 5.0  # that it may take to end
DISK = 64  # megabytes that a student's code may write
PROCESSES = 96  # that the user of a sandbox may have
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl")
REPLIES = ("callable", "untouched", "value", "raised")  # of a worker to a loaded answer
UNSAID = {"type": "", "error": "Exception", "base": "Exception", "text": ""}
FORGED = "wrote something of its own to the marker"
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

# Reads the program from its input, as nothing of it lies where a student's code could read it.
BOOT = """
import pickle, struct, sys, types
size = struct.unpack(">I", sys.stdin.buffer.raw.read(4))[0]
data = b""
while len(data) < size:
    data += sys.stdin.buffer.raw.read(size - len(data))
sources, settings = pickle.loads(data)
modules = {}
for name, source in sources.items():
    modules[name] = types.ModuleType(name)
    sys.modules[name] = modules[name]
    exec(compile(source, name, "exec"), vars(modules[name]))
modules["warden"].main(settings, modules["walls"], modules["plain"])
"""


@dataclass(frozen=True)
class Limits:
    """What one answer may take."""

    seconds: float = 10.0  # of processor time, for loading it and for each call
    megabytes: int = 2000  # of memory, beyond that of Python with PyTorch


@dataclass(frozen=True)
class Kind:
    """How hand-ins are kept apart from the machine: what starts the sandbox, and what that means in a sentence."""

    mode: str  # "bubblewrap", "namespaces" or "process"
    says: str
    safe: bool  # whether files and network are out of reach


class Failed(CourseError):
    """The sandbox could not be started."""


class Sandbox:
    """One sandbox, for the answers of one hand-in. Use it as a context manager.

    Args:
        mode: "bubblewrap", "namespaces" or "process"; see `kind`.
        limits: what each answer may take.
    """

    def __init__(self, mode: str, limits: Limits = Limits()):
        self.mode, self.limits = mode, limits
        self.process: subprocess.Popen | None = None
        self.protects: dict = {}

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, if it does not run.

        Raises:
            Failed: the machine does not allow it.
        """
        if self.process and self.process.poll() is None:
            return
        self.stop()
        self.folder = tempfile.mkdtemp(prefix="lmtutor-mark-")
        self.process = _started(_settings(self.mode, self.limits, self.folder))
        try:
            said = self._hear(START_SECONDS)[1]
        except (OSError, EOFError):
            said = b'{"state": "failed", "reason": "it ended at once"}'
        self.protects = json.loads(said)
        if self.protects["state"] != "ready":
            self.stop()
            raise Failed(f"The sandbox could not be started ({self.mode}): {self.protects['reason']}.")

    def stop(self) -> None:
        """End it and all that runs in it."""
        if self.process:
            self.process.stdin.close()  # which tells the warden to end the answer and itself
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            shutil.rmtree(self.folder, ignore_errors=True)
        self.process = None

    def _hear(self, seconds: float) -> tuple[bytes, bytes]:
        handle, end = self.process.stdout.fileno(), time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([handle], [], [], 0.1)[0]:
                return warden.read(handle)
        raise EOFError

    def _order(self, what: dict) -> dict | object:
        """Send an order to the warden; what it says or, read as plain data, what the worker replies."""
        most = warden.WALL * (2 + what["seconds"])
        try:
            warden.write(self.process.stdin.fileno(), b"o", pickle.dumps(what))
            kind, body = self._hear(most)
        except (OSError, EOFError):
            self.stop()
            return {"state": "stopped", "reason": "ended the sandbox in which it ran"}
        if kind == b"s":
            return json.loads(body)
        return _reply(body)

    def load(self, code: list[tuple[str, bool]], expression: str) -> dict:
        """Load an answer into a fresh worker.

        Args:
            code: pieces of code, each with whether the answer fails if it fails.
            expression: what is the answer, after that code; mostly a function's name.

        Returns:
            {"state": "callable" | "untouched" | "value" | "raised" | "stopped", ...}
        """
        self.start()
        order = {"do": "load", "code": code, "expression": expression, "seconds": self.limits.seconds}
        said = self._order(order)
        return said if isinstance(said, dict) else {"state": "stopped", "reason": FORGED}

    def call(self, *arguments):
        """What the loaded answer gives for the arguments.

        Raises:
            guard.Stopped: it was stopped, or ended itself.
            BaseException: what the answer raised, under that name and with that text, but of a class made here.
        """
        said = self._order({"do": "call", "arguments": _pickled(arguments), "seconds": self.limits.seconds})
        if isinstance(said, _Value):
            return said.value
        if said and said["state"] == "raised":
            raise _error(said)
        raise guard.Stopped(said["reason"] if said and said["state"] == "stopped" else FORGED)


def _started(settings: dict) -> subprocess.Popen:
    """Python in the sandbox, with the program sent to it."""
    sources = {
        module.__name__.rpartition(".")[2]: Path(module.__file__).read_text(encoding="utf-8")
        for module in (walls, plain, warden)
    }
    body = pickle.dumps((sources, settings))
    process = subprocess.Popen(
        [*_outer(settings), sys.executable, "-P", "-s", "-c", BOOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(settings["folder"]),
        cwd="/",
        start_new_session=True,
        bufsize=0,
    )
    with contextlib.suppress(OSError):  # it has ended; it is asked next what it says
        warden.write_all(process.stdin.fileno(), len(body).to_bytes(4, "big") + body)
    return process


def _settings(mode: str, limits: Limits, folder: str) -> dict:
    """What the program in the sandbox has to know."""
    package = str(Path(__file__).resolve().parent.parent)
    libraries = _libraries()
    private = mode != "process"
    readable = [*SYSTEM, *DEVICES, *libraries, package, *_data(package)]
    return {
        "mode": mode,
        "root": folder,
        "readable": readable,
        "writable": [] if private else [folder, *DEVICES],
        "hidden": [f"{package}/exercises", f"{package}/classroom"],
        "path": [*_standard_library(), *(p for p in libraries if "-packages" in p), os.path.dirname(package)],
        "folder": "/tmp" if private else folder,
        "disk": DISK,
        "seconds": int(12 * limits.seconds),
        "megabytes": limits.megabytes,
        "processes": PROCESSES,
        "user": 61_000 + os.getpid() % 4000 if os.geteuid() == 0 and mode == "namespaces" else None,
    }


def _outer(settings: dict) -> list[str]:
    """What starts Python, if not we ourselves."""
    if settings["mode"] != "bubblewrap":
        return []
    command = [shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--as-pid-1", "--new-session"]
    for path in settings["readable"]:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif path not in DEVICES:
            command += ["--ro-bind-try", path, path]
    for path in settings["hidden"]:
        command += ["--tmpfs", path, "--remount-ro", path] if os.path.isdir(path) else []
    command += ["--proc", "/proc", "--dev", "/dev"]
    for path in ("/dev/shm", "/tmp"):
        command += [*(["--size", str(DISK * 2**20)] if _bubblewrap_sizes() else []), "--tmpfs", path]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--"]


class _Value:
    def __init__(self, value):
        self.value = value


def _reply(body: bytes) -> dict | _Value | None:
    """What a worker wrote: a state, a value, or None if it is neither."""
    try:
        if body[:1] == b"{":
            said = json.loads(body)
            fine = all(isinstance(value, str) and len(value) <= 1000 for value in said.values())
            return UNSAID | said if fine and said.get("state") in REPLIES else None
        return _Value(plain.decode(body))
    except (ValueError, RecursionError):
        return None


def _error(said: dict) -> BaseException:
    base = getattr(builtins, said.get("base", ""), Exception)
    if not (isinstance(base, type) and issubclass(base, BaseException)):
        base = Exception
    name, text = "".join(filter(str.isprintable, said.get("error", "")))[:80] or "Exception", said.get("text", "")
    kinds = [type(name, (above,), {"__str__": lambda self: text}) for above in (base, Exception)]
    try:
        return kinds[0].__new__(kinds[0])
    except TypeError:  # it needs arguments of its own
        return kinds[1]()


def _pickled(arguments: tuple) -> bytes:
    """Arguments for the sandbox, which has no exercises: what is defined in their modules goes with its code."""
    try:
        import cloudpickle
    except ImportError:  # earlier versions of joblib carry it
        from joblib.externals import cloudpickle

    for room in ("lmtutor.exercises", "lmtutor.classroom"):
        cloudpickle.register_pickle_by_value(sys.modules[room])
    return cloudpickle.dumps(arguments)


def _standard_library() -> list[str]:
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    return list(dict.fromkeys([*folders, f"{folders[0]}/lib-dynload"]))


def _libraries() -> list[str]:
    """Folders of Python and of the packages beside it."""
    found = [sys.base_prefix, sys.prefix, *_standard_library(), *site.getsitepackages()]
    found += [path for path in sys.path if path.endswith("-packages")]
    return list(dict.fromkeys(path for path in found if os.path.isdir(path) and path != "/usr"))


def _data(package: str) -> list[str]:
    """The course's texts and stored results, in a checkout beside the package."""
    root = os.path.dirname(package)
    return [path for path in (f"{root}/data", f"{root}/benchmarks/results") if os.path.isdir(path)]


def _environment(folder: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": folder,
        "TMPDIR": folder,
        "LMTUTOR_HOME": folder,
        "USER": "student",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "LMTUTOR_DEVICE": "cpu",
        "LMTUTOR_PROFILE": "quick",
        "MPLBACKEND": "agg",
    }


@cache
def _bubblewrap_sizes() -> bool:
    told = subprocess.run([shutil.which("bwrap"), "--help"], capture_output=True, text=True, check=False)
    return "--size" in told.stdout + told.stderr


KINDS = (
    Kind("bubblewrap", "a bubblewrap container: no network, no files but Python's and the course's", True),
    Kind("namespaces", "namespaces of the kernel: no network, no files but Python's and the course's", True),
    Kind("process", "Landlock and seccomp: no network, only Python's and the course's files to read", True),
    Kind("process", "limits on time and memory alone: files and network are NOT out of reach", False),
)


@cache
def kind() -> Kind:
    """The safest kind of sandbox that works here, tried out.

    Raises:
        CourseError: none does, as on Windows.
    """
    if not hasattr(os, "fork"):
        raise CourseError("Marking needs Linux or macOS: on Windows run it in WSL.")
    for mode in ("bubblewrap", "namespaces", "process"):
        if mode == "bubblewrap" and not shutil.which("bwrap"):
            continue
        if mode == "namespaces" and sys.platform != "linux":
            continue
        shut = _tried(mode)
        if shut or (mode == "process" and shut is not None):
            return next(k for k in KINDS if k.mode == mode and k.safe == shut)
    raise CourseError("No sandbox could be started here: is there memory, and may this user start processes?")


def _tried(mode: str) -> bool | None:
    """Whether files and network are out of reach in a sandbox of this mode; None if there can be none."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        secret = Path(folder, "secret")
        secret.write_text("secret", encoding="utf-8")
        try:
            with Sandbox(mode) as sandbox:
                sandbox.start()
                if sandbox.load([(_TRIAL, True)], "trial")["state"] != "callable":
                    return None
                network, read = sandbox.call(str(secret))
        except (Failed, guard.Stopped, TypeError, ValueError):
            return None
        return not network and read != "secret" and secret.read_text(encoding="utf-8") == "secret"


_TRIAL = '''
import socket

def trial(secret):
    """Whether the network can be reached, and what stands in a file, which is then written."""
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
        network = True
    except OSError as error:
        network = isinstance(error, ConnectionRefusedError)
    read = ""
    try:
        read = open(secret).read()
        open(secret, "w").close()
    except OSError:
        pass
    return network, read
'''
