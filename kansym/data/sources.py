"""Getting the bytes of a table, and saying plainly why that did not work."""

from __future__ import annotations

import gzip
import importlib
import io
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO

from kansym.errors import DataError, did_you_mean, quote

MAX_BYTES = 4 << 30
"""The most that is read or unpacked from one file; it keeps a crafted archive from filling the memory."""

_KINDS = (
    (b"PK\x03\x04", (".npz", ".xlsx"), "a zip archive: rename it to .xlsx if it is an Excel file, or unpack it"),
    (b"PAR1", (".parquet",), "a Parquet file: rename it to .parquet"),
    (b"\x89HDF", (".h5", ".hdf5"), "an HDF5 file: rename it to .h5"),
    (b"\xd0\xcf\x11\xe0", (), "an old Excel file: save it as .xlsx or CSV"),
    (b"%PDF", (), "a PDF document: extract the table first"),
    (b"\x89PNG", (), "a picture: kansym reads tables of numbers"),
)  # fmt: skip


def read_bytes(path: str | Path) -> tuple[bytes, str, str]:
    """Read a file, or standard input for "-"; gzip is unpacked, whatever the file is called.

    Args:
        path: a path, or "-".

    Returns:
        The bytes, the name for messages, and the suffix that tells the format (without .gz, lower case).

    Raises:
        DataError: if there is no such file, it may not be read, is no regular file, is empty, or is another format
            than its suffix says.
    """
    if str(path) == "-":
        data, source, suffix = _read_stream(sys.stdin.buffer), "standard input", ".csv"
    else:
        data, source, suffix = _read_file(Path(path)), str(path), _suffix(Path(path))
    if data.startswith(b"\x1f\x8b"):
        data = _unpack(data, source)
    if not data.strip():
        raise DataError(f"{source}: the file is empty: it has neither a header nor rows")
    for magic, suffixes, what in _KINDS:
        if data.startswith(magic) and suffix not in suffixes:
            raise DataError(f"{source}: this is {what}")
    return data, source, suffix


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return (suffixes[:-1] if suffixes[-1:] == [".gz"] else suffixes)[-1:][0] if suffixes not in ([], [".gz"]) else ""


def _read_file(path: Path) -> bytes:
    try:
        _check_kind(path)
        with path.open("rb") as stream:
            return _read_stream(stream)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file{_near(path)}") from None
    except PermissionError:
        raise DataError(f"{path}: no permission to read it: change its rights, or copy it") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}): check the path") from error


def _check_kind(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: this is a folder: name one file in it")
    # A named pipe without a writer would block for ever; the shell's <(command) pipes always have one.
    from_shell = str(path).startswith(("/dev/fd/", "/proc/self/fd/")) or str(path) == "/dev/stdin"
    if not stat.S_ISREG(mode) and not from_shell:
        raise DataError(f"{path}: not a regular file: pass - and pipe the table in")


def _near(path: Path) -> str:
    """Return a hint at files with a similar name in the same folder."""
    folder = path.parent
    if not folder.is_dir():
        return f": there is no folder {quote(str(folder))} either"
    try:
        names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    except OSError:
        return ": check the path"
    hint = did_you_mean(path.name, names)
    return f": {hint}" if hint.startswith("did you mean") else ": check the path"


def _read_stream(stream: IO[bytes]) -> bytes:
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DataError(f"the table is larger than {MAX_BYTES >> 30} GiB: take a random sample of its rows")
    return data


def _unpack(data: bytes, source: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            return _read_stream(stream)  # pyright: ignore[reportArgumentType]
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{source}: damaged gzip file ({error}): fetch it again") from error


def optional_module(name: str, purpose: str) -> ModuleType:
    """Import a package that is not a requirement of kansym; raise DataError naming the extra if it is missing.

    Args:
        name: the module, such as "pyarrow.parquet".
        purpose: what it is needed for, such as "Parquet files".
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise DataError(f"{purpose} need the package {package}: pip install 'kansym[io]'") from error


@contextmanager
def refuse_damage(source: str, kind: str) -> Iterator[None]:
    """Turn whatever a format library raises on a damaged or foreign file into one DataError.

    These libraries document no common exception: a broken file can raise nearly anything, from KeyError to XML errors.
    """
    try:
        yield
    except (DataError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{source}: cannot be read as {kind} ({reason}): check that the file is complete") from error


def check_size(source: str, size: int) -> None:
    """Raise DataError if something unpacks to more than kansym reads."""
    if size > MAX_BYTES:
        raise DataError(
            f"{source}: unpacks to {size >> 30} GiB, more than {MAX_BYTES >> 30}: take a sample of its rows"
        )
