"""A results file: one JSON line for every problem, written as it is done and read again by the next run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from kansym.bench.formulas.problems import Identity
from kansym.errors import DataError

Record = dict[str, Any]
_BEGINNING = '{"method": "'
_NAMES = tuple(item.name for item in fields(Identity))


def identity_of(record: Mapping[str, Any]) -> Identity:
    """Return the identity with which a record begins.

    Raises:
        KeyError, TypeError: where the record is not one of a benchmark.
    """
    facts: dict[str, Any] = {name: record[name] for name in _NAMES}
    facts["without"] = tuple(facts["without"])
    return Identity(**facts)


def read(path: Path) -> dict[str, Record]:
    """Return the records of a file by the keys of their identities; none if there is no file.

    A line that was cut off when a run was killed is left out.

    Raises:
        DataError: if another line is no record.
    """
    if not path.exists():
        return {}
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    records = [_parsed(line, path, number) for number, line in lines]
    return {identity_of(record).key: record for record in records if record}


def _parsed(line: str, path: Path, number: int) -> Record:
    try:
        record: Record = json.loads(line)
        identity_of(record)
    except (ValueError, KeyError, TypeError) as error:
        if _BEGINNING.startswith(line[: len(_BEGINNING)]) and not line.endswith("}"):
            return {}
        raise DataError(f"line {number} of {path} is no record of this benchmark: give another --results") from error
    return record


def append(path: Path, record: Record) -> None:
    """Add a record to a file.

    Raises:
        DataError: if the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as stream:
            if stream.tell() and not _ends_a_line(stream):
                stream.write(b"\n")
            stream.write((json.dumps(finite(record), allow_nan=False) + "\n").encode())
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}: give another --results") from error


def _ends_a_line(stream: Any) -> bool:
    stream.seek(-1, 2)
    return stream.read(1) == b"\n"


def finite(value: Any) -> Any:
    """Return plain JSON values in which numbers that are not finite are None."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
