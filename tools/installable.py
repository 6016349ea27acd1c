"""Can the course be installed here? `make venv` asks before it makes an environment, and again where pip has failed.

    python tools/installable.py [PIP_LOG]

Prints one sentence and ends with status 1 if not. It runs with whatever Python there is, before anything is installed,
so it uses the standard library only, and nothing that Python 3.6 lacks.
"""

import os
import platform
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# For which machines the pinned torch has ready-made files: its list on the package index says so.
OLDEST, NEWEST = (3, 11), (3, 14)
MACHINES = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",), "Windows": ("AMD64",)}
RELEASES = {"Linux": (2, 28), "Darwin": (14, 0)}  # of glibc, of macOS
BUILDS = "Linux (x86_64 or aarch64, glibc 2.28 or later), macOS 14 or later on Apple Silicon, and Windows (x86_64)"
ELSEWHERE = "open the chapters on Colab instead, with the badges in README.md"


def main(arguments):
    found = problem(sys.version_info[:2], platform.system(), platform.machine(), release())
    if not found and arguments:
        found = failure(arguments[0])
    if found:
        sys.stderr.write(found + "\n")
    return 1 if found else 0


def problem(python, system, machine, release):
    """What keeps the course from being installed, in one sentence; None if nothing is known to.

    Args:
        python, release: two numbers each; `release` is that of glibc or macOS, or None where it is not known.
        system, machine: as `platform` names them.
    """
    torch = "PyTorch " + pinned_torch()
    if not OLDEST <= python <= NEWEST:
        return (
            f"This is Python {dotted(python)}, but the course needs Python {dotted(OLDEST)} to {dotted(NEWEST)}, "
            f"for which {torch} has builds: install one of them, and name it: `make lab PYTHON=python{dotted(OLDEST)}`."
        )
    if machine not in MACHINES.get(system, ()):
        kind = f"Intel Macs ({machine})" if system == "Darwin" else f"{system} on {machine}"
        return f"{torch} has no build for {kind}, only for {BUILDS}: {ELSEWHERE}."
    if system == "Linux" and release is None:
        return f"{torch} has no build for a Linux without glibc, only for {BUILDS}: {ELSEWHERE}."
    if release and release < RELEASES.get(system, release):
        kind = f"macOS {release[0]}" if system == "Darwin" else f"glibc {dotted(release)}"
        return f"{torch} has no build for {kind}, only for {BUILDS}: update the system, or {ELSEWHERE}."
    return None


def failure(log):
    """What to do after pip has failed, from the log that it kept."""
    with open(log, encoding="utf-8", errors="replace") as file:
        said = file.read()
    if "No matching distribution found for torch" in said or "(constraint) torch==" in said:
        where = f"Python {dotted(sys.version_info[:2])} on {platform.system()} {platform.machine()}"
        return (
            f"The package index that pip asks has no PyTorch {pinned_torch()} for {where}: it has builds for Python "
            f"{dotted(OLDEST)} to {dotted(NEWEST)} on {BUILDS}; {ELSEWHERE}."
        )
    return (
        "The course could not be installed; pip says why above (mostly it is the network or a full disk), and all that "
        f"it did stands in {log}: say the same again, and it goes on where it stopped."
    )


def release():
    """The release of macOS, or of glibc; None where there is none or it does not say."""
    if platform.system() == "Darwin":
        said = platform.mac_ver()[0]
        said = "" if said == "10.16" else said  # what every later macOS tells a Python built for an older one
    elif platform.system() == "Linux":
        said = platform.libc_ver()[1] if platform.libc_ver()[0] == "glibc" else ""
    else:
        said = ""
    return tuple([int(part) for part in said.split(".")] + [0])[:2] if said else None


def pinned_torch():
    with open(os.path.join(ROOT, "constraints.txt"), encoding="utf-8") as file:
        return next(line.strip().split("==")[1] for line in file if line.startswith("torch=="))


def dotted(version):
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
