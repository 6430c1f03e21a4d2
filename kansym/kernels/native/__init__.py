"""C sources beside this file, compiled on first use by whatever C compiler there is; without one, `None`."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).parent
SWITCH = "KANSYM_NATIVE"
COMPILERS = ("cc", "gcc", "clang")
SECONDS_PER_COMPILE = 120
# -ffast-math is left out: on shared libraries GCC's sets the whole process to flush small numbers to zero.
COMMON_FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
# From fast to portable; the first set that compiles is taken.
PROCESSOR_FLAGS = (("-march=native",), ("-mcpu=native",), ())
THREAD_FLAGS = (("-fopenmp",), ())
# What decides where the compiler and the cache are; a change of one of these is noticed at the next call.
ENVIRONMENT = ("CC", "PATH", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")


class NativeError(Exception):
    """Why a native library cannot be had; never leaves this module."""


class Outcome(NamedTuple):
    """A loaded library or None, and in words where it comes from or why there is none."""

    library: ctypes.CDLL | None
    reason: str


def library(name: str, definitions: tuple[str, ...] = ()) -> ctypes.CDLL | None:
    """Return the library compiled from `<name>.c`, or None where that is switched off or impossible.

    The first call on a machine compiles for a few seconds; the result is kept in the user's cache folder.

    Args:
        name: a C file of this folder, without its ending.
        definitions: macros to define, each as "NAME=value"; every choice is a library of its own.
    """
    return outcome(name, definitions).library


def status(name: str, definitions: tuple[str, ...] = ()) -> str:
    """Say in one line where the library comes from, or why there is none."""
    return outcome(name, definitions).reason


def outcome(name: str, definitions: tuple[str, ...] = ()) -> Outcome:
    """Return the library, or None, together with the reason."""
    if os.environ.get(SWITCH, "1") == "0":
        return Outcome(None, f"switched off by {SWITCH}=0")
    return _load(name, definitions, tuple(os.environ.get(variable, "") for variable in ENVIRONMENT))


@lru_cache(maxsize=64)
def _load(name: str, definitions: tuple[str, ...], environment: tuple[str, ...]) -> Outcome:
    """Compile and load once for each state of the environment, which is here only as the key."""
    try:
        path = _compiled(name, [*_compiler(), *(f"-D{entry}" for entry in definitions)], cache_folder())
        return Outcome(ctypes.CDLL(str(path)), f"compiled into {path}")
    except (NativeError, OSError, subprocess.SubprocessError) as error:
        return Outcome(None, " ".join(str(error).split()))


def cache_folder() -> Path:
    """Return the folder for compiled libraries, by the custom of the platform; it need not exist yet."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kansym" / "native"


def _compiler() -> list[str]:
    """Return the command that starts the C compiler."""
    chosen = shlex.split(os.environ.get("CC", ""))
    if chosen and shutil.which(chosen[0]):
        return chosen
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    raise NativeError("no C compiler was found: install gcc or clang, or name one in CC")


def _compiled(name: str, compiler: list[str], folder: Path) -> Path:
    """Return the path of the compiled library, after compiling it where that has not been done."""
    identity = _identity(name, compiler)
    ending = ".dll" if sys.platform == "win32" else ".so"
    path = folder / f"{name}-{identity}{ending}"
    _make_private(folder)
    if not path.exists():
        _compile(SOURCES / f"{name}.c", compiler, path)
    _check_owner(path)
    return path


def _identity(name: str, compiler: list[str]) -> str:
    """Return a hash of all that the machine code depends on: sources, compiler, flags, processor."""
    version = subprocess.run(
        [*compiler, "--version"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS_PER_COMPILE,
        check=False,
    )
    parts = [version.stdout, repr([compiler, *_flag_sets()]).encode(), _processor().encode()]
    parts += [path.read_bytes() for path in [SOURCES / f"{name}.c", *sorted(SOURCES.glob("*.h"))]]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:24]


def _processor() -> str:
    """Describe the processor; a home folder may be shared by machines that differ in their instructions."""
    described = [platform.system(), platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    wanted = ("model name", "flags", "Features", "CPU implementer", "CPU part")
    return "\n".join(described + [line for line in lines if line.startswith(wanted)])


def _make_private(folder: Path) -> None:
    """Make the folder for this user alone; what others can write to is never loaded."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_owner(folder)


def _check_owner(path: Path) -> None:
    """Refuse what belongs to, or can be written by, someone else."""
    if not hasattr(os, "getuid"):
        return  # on Windows the folder is inside the user's profile, which others cannot write to
    state = path.lstat()
    if stat.S_ISLNK(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise NativeError(f"{path} belongs to another user or can be changed by others: remove it")


def _flag_sets() -> Iterator[tuple[str, ...]]:
    """Yield the flags to try, from fast to portable."""
    for threads in THREAD_FLAGS:
        for processor in PROCESSOR_FLAGS:
            yield (*COMMON_FLAGS, *processor, *threads)


def _compile(source: Path, compiler: list[str], target: Path) -> None:
    """Compile into a temporary file and rename it, so that no process ever sees half a library."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".building-", suffix=target.suffix)
    os.close(handle)
    try:
        complaint = ""
        for flags in _flag_sets():
            command = [*compiler, *flags, str(source), "-o", temporary, "-lm"]
            run = subprocess.run(
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS_PER_COMPILE, check=False
            )
            if run.returncode == 0:
                os.chmod(temporary, 0o700)
                os.replace(temporary, target)
                return
            complaint = complaint or run.stderr.decode(errors="replace")
        raise NativeError(f"{compiler[0]} does not compile {source.name}: {complaint.strip()[:300]}")
    finally:
        Path(temporary).unlink(missing_ok=True)
