"""JSON as the run folder writes and reads it: strict, sorted, ASCII, and null for every number that is not finite."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from kansym.errors import ModelFileError


def json_bytes(value: Any) -> bytes:
    """A JSON object, one line a field: sorted keys, ASCII only, numbers that are not finite as null."""
    lines = (f"{json.dumps(key)}: {_dumps(item)}" for key, item in sorted(plain(value).items()))
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def json_line(row: Mapping[str, Any]) -> bytes:
    """One line of a .jsonl file."""
    return f"{_dumps(plain(row))}\n".encode("ascii")


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def plain(value: Any) -> Any:
    """`value` in JSON's own types: numpy and dataclasses are unpacked, numbers that are not finite become None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise ModelFileError(f"a value of type {type(value).__name__} cannot be written to a run folder")


def parse_json(content: bytes, name: str) -> Any:
    """A JSON document without NaN and infinity. Raises ModelFileError, also when it is nested too deep."""
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse)
    except RecursionError as error:
        raise ModelFileError(f"{name} is nested too deep") from error
    except ValueError as error:
        raise ModelFileError(f"{name} is not valid JSON ({error})") from error


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")
