"""What the kernel of Linux keeps a student's code from: its own namespaces, Landlock, seccomp and limits.

Through ctypes, as no package of the course offers it. This module is sent into the sandbox and uses the standard
library alone. Numbers and structures: the manual pages unshare(2), pivot_root(2), landlock(7), seccomp(2), capset(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # on Windows, where nothing is marked
    resource = None

NEW_MOUNTS, NEW_NAMES, NEW_IPC, NEW_USERS, NEW_PIDS, NEW_NETWORK = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXECUTE = 1, 2, 4, 8
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
DIE_WITH_PARENT, DUMPABLE, NO_NEW_PRIVILEGES, SECCOMP, SUBREAPER, DROP_BOUNDING = 1, 4, 38, 22, 36, 24

# System calls, by their number on (x86_64, aarch64): what a student's code is refused.
REFUSED = {
    "socket": (41, 198),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column of REFUSED, number of the architecture


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _sure(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    coded = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    _sure(_libc().mount(coded[0], coded[1], coded[2], ctypes.c_ulong(flags), coded[3]), f"mount {target}")


def hide_from_others() -> None:
    """No process of the same user may read or change this one's memory; what it leaves behind becomes its child."""
    if sys.platform == "linux":
        _libc().prctl(DUMPABLE, 0, 0, 0, 0)
        _libc().prctl(SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it ends."""
    if sys.platform == "linux":
        _libc().prctl(DIE_WITH_PARENT, 9, 0, 0, 0)


def own_root(folder: str, readable: list[str], hidden: list[str], megabytes: int) -> None:
    """Go into namespaces of our own: no network, no processes but ours, and a root with the readable folders alone.

    Returns in a new process, the first of its namespace: when it ends, the kernel ends all others in it. The process
    that called it waits for that and ends, too.

    Args:
        folder: an empty folder, on which the new root is built.
        readable: folders and files that stay where they are, read-only; of others nothing is to be seen.
        hidden: folders within these that look empty.
        megabytes: that may be written into /tmp, which is in memory.

    Raises:
        OSError: the kernel does not allow it.
    """
    users, groups = os.geteuid(), os.getegid()
    spaces = NEW_MOUNTS | NEW_NAMES | NEW_IPC | NEW_PIDS | NEW_NETWORK
    _sure(_libc().unshare(spaces if users == 0 else spaces | NEW_USERS), "unshare")
    if users:
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"{users} {users} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"{groups} {groups} 1", encoding="utf-8")
    child = os.fork()
    if child:
        for stream in (0, 1):
            os.close(stream)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0x7F)
    die_with_parent()
    _mount("none", "/", None, RECURSIVE | PRIVATE)
    _mount("lmtutor", folder, "tmpfs", NO_SETUID | NO_DEVICES, f"size={megabytes}m,nr_inodes=20000,mode=755")
    for path in readable:
        _show(path, folder + path)
    for path in hidden:
        if os.path.isdir(folder + path):
            _mount("none", folder + path, "tmpfs", READ_ONLY | NO_SETUID | NO_DEVICES, "size=4k")
    for path in ("/proc", "/dev/shm", "/tmp", "/old"):
        os.makedirs(folder + path, exist_ok=True)
    _mount("proc", folder + "/proc", "proc", NO_SETUID | NO_DEVICES | NO_EXECUTE)
    for path in ("/tmp", "/dev/shm"):
        os.chmod(folder + path, 0o1777)
    _sure(_libc().pivot_root(folder.encode(), f"{folder}/old".encode()), "pivot_root")
    os.chdir("/")
    _sure(_libc().umount2(b"/old", DETACH), "umount")
    os.rmdir("/old")
    os.chdir("/tmp")


def _show(path: str, target: str) -> None:
    """Let a file or folder be seen at the target, read-only; a link as a link."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    elif os.path.exists(path):
        Path(target).touch()
    else:
        return
    _mount(path, target, None, BIND | RECURSIVE)
    if not path.startswith("/dev/"):
        locked = os.statvfs(target).f_flag & (NO_SETUID | NO_DEVICES | NO_EXECUTE)  # the same bits as those of mount
        _mount(None, target, None, REMOUNT | BIND | READ_ONLY | NO_SETUID | NO_DEVICES | locked)


# --- what the process that runs the code can never get back -----------------------------------------------------------


def limit(seconds: int, megabytes: int, processes: int, user: int | None) -> list[str]:
    """Give up, for this process and all that it starts, whatever an answer does not need.

    Args:
        seconds: of processor time that it may take in all.
        megabytes: of memory that it may add to what it has.
        processes: that the user may have.
        user: whom to become, where the process is root's.

    Returns:
        What holds: "user", "capabilities", "calls" (seccomp).
    """
    holds = []
    for name, value in (
        ("CPU", seconds),
        ("FSIZE", 32 * 2**20),
        ("NOFILE", 256),
        ("CORE", 0),
        ("NPROC", processes),
        ("DATA", _data_size() + megabytes * 2**20),
    ):
        _lower(name, value)
    if user is not None and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        holds.append("user")
    if sys.platform == "linux":
        libc = _libc()
        for capability in range(64):
            libc.prctl(DROP_BOUNDING, capability, 0, 0, 0)
        header, nothing = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0] * 6)
        if libc.capset(header, nothing) == 0:
            holds.append("capabilities")
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if _refuse_calls():
            holds.append("calls")
    return holds


def _lower(name: str, value: int) -> None:
    """Set a limit of the process, if the system has it, to the value or to what it was if that is less."""
    kind = getattr(resource, f"RLIMIT_{name}", None)
    if kind is None:
        return
    _, most = resource.getrlimit(kind)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(kind, (value, value))


def _data_size() -> int:
    """Bytes of private memory that the process has asked for; libraries ask for far more than they use."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))
    except (OSError, StopIteration):
        return 8 * 2**30


def _refuse_calls() -> bool:
    """Make the system calls of `REFUSED` fail, for this process and its children."""
    column, architecture = MACHINES.get(platform.machine(), (None, None))
    if column is None:
        return False
    numbers = [both[column] for both in REFUSED.values()]
    load, jump_equal, jump_greater, give = 0x20, 0x15, 0x35, 0x06
    refuse = 0x00050000 | 1  # EPERM
    steps = [(load, 0, 0, 4), (jump_equal, 1, 0, architecture), (give, 0, 0, refuse), (load, 0, 0, 0)]
    steps.append((jump_greater, len(numbers), 0, 0x40000000))  # numbers of another way to call
    steps += [(jump_equal, len(numbers) - place - 1, 0, number) for place, number in enumerate(numbers)]
    steps[-1] = (jump_equal, 0, 1, numbers[-1])
    steps += [(give, 0, 0, refuse), (give, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))

    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]

    whole = Filter(len(steps), ctypes.addressof(program))
    return _libc().prctl(SECCOMP, 2, ctypes.byref(whole), 0, 0) == 0


def can_lock_files() -> bool:
    """Whether the kernel has Landlock (Linux 5.13 or later, where it is switched on)."""
    return sys.platform == "linux" and _libc().syscall(444, None, 0, 1) > 0


def lock_files(readable: list[str], writable: list[str]) -> bool:
    """By Landlock: this process reads only what is named, and writes only into the writable folders.

    Returns:
        Whether it is done.
    """
    if not can_lock_files():
        return False
    libc = _libc()
    version = libc.syscall(444, None, 0, 1)
    every = (1 << (13 + (version >= 2) + (version >= 3))) - 1
    rules = libc.syscall(444, ctypes.create_string_buffer(struct.pack("Q", every)), 8, 0)
    if rules < 0:
        return False
    look = 1 | 4 | 8  # execute, read a file, read a folder
    for path, allowed in [*((p, look) for p in readable), *((p, every) for p in writable)]:
        if not os.path.exists(path):
            continue
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed = allowed if os.path.isdir(path) else allowed & (1 | 2 | 4 | (1 << 14 if version >= 3 else 0))
        libc.syscall(445, rules, 1, ctypes.create_string_buffer(struct.pack("=Qi", allowed, handle)), 0)
        os.close(handle)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    done = libc.syscall(446, rules, 0) == 0
    os.close(rules)
    return done
