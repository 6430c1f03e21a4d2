"""The measured tables: a TOML card and a CSV file of numbers for each."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np

from kansym.data.dataset import Dataset
from kansym.errors import DataError, did_you_mean, quote


@dataclass(frozen=True)
class Certified:
    """What NIST certifies for a nonlinear regression set; parameters are b1, b2, ... in this order.

    Attributes:
        level: difficulty, "lower", "average" or "higher".
        start1: starting values far from the solution.
        start2: starting values near the solution.
        certified: least-squares parameters, 11 digits.
        certified_sd: their standard errors, 11 digits.
        rss: residual sum of squares.
        dof: rows less parameters.
    """

    level: str
    start1: tuple[float, ...]
    start2: tuple[float, ...]
    certified: tuple[float, ...]
    certified_sd: tuple[float, ...]
    rss: float
    dof: int


@dataclass(frozen=True)
class Card:
    """What is known about a data set.

    Attributes:
        name: how to ask for it.
        title: one line.
        source: who measured it, and where it was printed.
        licence: why it may be shipped, or under which terms.
        kind: "measured", "strd" (NIST nonlinear regression) or a family of generated laws.
        inputs: input columns, in order.
        target: the target column.
        columns: meaning of every column.
        units: unit of every column, "" for none.
        law: right-hand side of the known law, a formula of the input columns and free constants.
        truth: the law with its numbers, "target = formula"; "" where there is none.
        notes: what to know before fitting.
        constants: values of the law's free constants.
        sigma: column of standard errors of the target, or None.
        labels: name of each row, or empty.
        strd: certified values, or None.
    """

    name: str
    title: str
    source: str
    licence: str
    kind: str
    inputs: tuple[str, ...]
    target: str
    columns: Mapping[str, str]
    units: Mapping[str, str]
    law: str
    truth: str = ""
    notes: str = ""
    constants: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    sigma: str | None = None
    labels: tuple[str, ...] = ()
    strd: Certified | None = None

    @property
    def table_columns(self) -> tuple[str, ...]:
        """Columns in the order of the CSV file: inputs, target, errors."""
        return (*self.inputs, self.target, *([self.sigma] if self.sigma else []))


@cache
def names() -> tuple[str, ...]:
    """Return the names of all measured tables, sorted."""
    folder = files("kansym_datasets") / "cards"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def card(name: str) -> Card:
    """Return the card of a measured table.

    Args:
        name: one of `names()`.

    Raises:
        DataError: if there is no such table.
    """
    if name not in names():
        raise DataError(f"no data set is called {quote(name)}: {did_you_mean(name, names())}")
    return _parse_card(tomllib.loads((files("kansym_datasets") / "cards" / f"{name}.toml").read_text("utf-8")))


def load(name: str) -> Dataset:
    """Return a measured table in its raw units; a column of errors becomes `sigma`.

    Args:
        name: one of `names()`.

    Raises:
        DataError: if there is no such table.
    """
    known = card(name)
    table = dict(zip(known.table_columns, _numbers(known).T, strict=True))
    return Dataset(
        inputs=np.column_stack([table[column] for column in known.inputs]),
        targets=table[known.target][:, None],
        input_names=known.inputs,
        target_names=(known.target,),
        input_units=tuple(known.units.get(column) or None for column in known.inputs),
        target_units=(known.units.get(known.target) or None,),
        sigma=table[known.sigma] if known.sigma else None,
        source=name,
    )


def printed(name: str) -> np.ndarray:
    """Return the inputs and the target of a measured table with all their printed digits.

    Args:
        name: one of `names()`.

    Returns:
        (N, D + 1) in the machine's extended precision: as 64-bit floats, Lanczos1 would lose what its residuals are
        made of.

    Raises:
        DataError: if there is no such table.
    """
    known = card(name)
    numbers = _numbers(known, np.longdouble)
    return numbers[:, [known.table_columns.index(column) for column in (*known.inputs, known.target)]]


def _numbers(known: Card, kind: type[np.floating[Any]] = np.float64) -> np.ndarray:
    """Return the CSV file as (N, columns), its header checked against the card."""
    text = (files("kansym_datasets") / "data" / f"{known.name}.csv").read_text("utf-8")
    header, *rows = csv.reader(text.splitlines())
    if tuple(header) != known.table_columns:
        raise DataError(f"data set {quote(known.name)}: its columns do not match its card: reinstall kansym")
    return np.array([[kind(cell) for cell in row] for row in rows])


def _parse_card(raw: dict[str, Any]) -> Card:
    """Return the card of a TOML document: lists become tuples, and tables read-only."""
    frozen = {key: _frozen(value) for key, value in raw.items() if key != "strd"}
    return Card(**frozen, strd=_parse_certified(raw["strd"]) if "strd" in raw else None)


def _parse_certified(raw: dict[str, Any]) -> Certified:
    frozen = {key: _frozen(value) for key, value in raw.items()}
    return Certified(**frozen)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return MappingProxyType(value) if isinstance(value, dict) else value
