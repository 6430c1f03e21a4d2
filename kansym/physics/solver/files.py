"""Problems from TOML files, and from the plain values of a saved solution."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kansym.errors import ConfigError, did_you_mean, quote
from kansym.physics.solver.config import SolveConfig
from kansym.physics.solver.domain import Box, Union
from kansym.physics.solver.problem import Condition, Observations, Problem

KEYS = (
    "name", "coordinates", "domain", "boxes", "periodic", "fields", "equation", "equations", "conditions", "parameters",
    "observations", "exact", "settings",
)  # fmt: skip
LARGEST_FILE = 16 << 20


def read_problem(path: str | Path) -> tuple[Problem, SolveConfig]:
    """Return the problem in a TOML file, and its table of settings.

    Raises:
        ConfigError, FormulaError: when the file cannot be read, or says something that makes no problem.
    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{quote(file.name)} is larger than {LARGEST_FILE >> 20} MB: a problem is a short text")
        values = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {quote(str(path))}: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"{quote(file.name)} is not valid TOML: {error}") from error
    return problem_from(values, file.stem), SolveConfig.from_dict(dict(_table(values, "settings")))


def problem_from(values: Mapping[str, Any], name: str = "problem") -> Problem:
    """Return the problem that plain values say.

    Args:
        values: see the page "Solve differential equations" for the keys.
        name: where the values give none.
    """
    for key in values:
        if key not in KEYS:
            raise ConfigError(f"unknown key {quote(str(key))} in a problem: {did_you_mean(str(key), KEYS)}")
    fields = values.get("fields", ["u"])
    return Problem(
        str(values.get("name", name)),
        tuple(_texts(values, "equations") or _texts(values, "equation")),
        _domain(values),
        tuple(_condition(item) for item in _tables(values, "conditions")),
        tuple(str(field) for field in (fields if isinstance(fields, list) else [fields])),
        {str(key): _number(f"parameter {key}", value) for key, value in _table(values, "parameters").items()},
        tuple(_observations(item) for item in _tables(values, "observations")),
        tuple(_texts(values, "exact")) or None,
        periodic=tuple(_texts(values, "periodic")),
    )


def _domain(values: Mapping[str, Any]) -> Box | Union:
    given = values.get("boxes", values.get("domain"))
    boxes = given if isinstance(given, list) else [given]
    if not boxes or not all(isinstance(box, Mapping) for box in boxes):
        raise ConfigError("a problem needs its domain, such as [domain] with x = [0, 1], or several as [[boxes]]")
    made = tuple(Box({str(name): _ends(name, box[name]) for name in _order(values, box)}) for box in boxes)
    return made[0] if len(made) == 1 else Union(made)


def _order(values: Mapping[str, Any], box: Mapping[str, Any]) -> list[str]:
    """Return the coordinates' order: that of the key "coordinates", or of the file."""
    given = _texts(values, "coordinates") or list(box)
    if sorted(given) != sorted(box):
        raise ConfigError(f"coordinates are {', '.join(given)}, but the domain has {', '.join(box)}")
    return given


def _ends(name: Any, ends: Any) -> tuple[float, float]:
    if not isinstance(ends, list) or len(ends) != 2:
        raise ConfigError(f"the range of {name} is {ends!r}: give two numbers, such as [0, 1]")
    return _number(f"an end of {name}", ends[0]), _number(f"an end of {name}", ends[1])


def _condition(item: Mapping[str, Any]) -> Condition:
    for key in ("where", "equation"):
        if not isinstance(item.get(key), str):
            raise ConfigError(f'a condition needs {key!r} as text, such as where = "x = 0" and equation = "u = 0"')
    return Condition(item["where"], item["equation"], _number("the weight of a condition", item.get("weight", 1.0)))


def _observations(item: Mapping[str, Any]) -> Observations:
    try:
        points, values = np.array(item["points"], dtype=float), np.array(item["values"], dtype=float)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            "observations need points, one list of coordinates each, and values, one number each"
        ) from error
    return Observations(points, values, str(item.get("field", "")), _number("a weight", item.get("weight", 1.0)))


def _texts(values: Mapping[str, Any], key: str) -> list[str]:
    given = values.get(key, [])
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(text, str) for text in listed):
        raise ConfigError(f"{key} must be text, or a list of texts")
    return listed


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    given = values.get(key, {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"{key} must be a table: write [{key}] and below it one line per entry")
    return given


def _tables(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    given = values.get(key, [])
    if not isinstance(given, list) or not all(isinstance(item, Mapping) for item in given):
        raise ConfigError(f"{key} must be tables: write [[{key}]] before each")
    return given


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{what} is {value!r}: it must be a number")
    return float(value)
