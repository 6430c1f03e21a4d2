"""Data sets that come with kansym: measured tables, and seeded generators of known laws.

>>> import kansym_datasets
>>> kansym_datasets.load("kepler").target_names
('P',)
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kansym.errors import DataError, did_you_mean, quote
from kansym_datasets import catalogue
from kansym_datasets.catalogue import Card, Certified, printed

if TYPE_CHECKING:
    from kansym.data.dataset import Dataset
    from kansym_datasets.dynamics import System
    from kansym_datasets.fields import FieldCard
    from kansym_datasets.laws import Law

__all__ = ["Card", "Certified", "card", "load", "names", "printed", "write"]


def names() -> tuple[str, ...]:
    """Return the names of all data sets: the measured tables, then the generated ones."""
    return (*catalogue.names(), *(name for module in _makers() for name in module.names()))


def card(name: str) -> Card | Law | System | FieldCard:
    """Return what is known about a data set: a `Card` for a measured table, a `Law`, `System` or `FieldCard` for a
    generated one.

    All have name, title, source, licence and target.

    Args:
        name: one of `names()`.

    Raises:
        DataError: if there is no such data set.
    """
    if name in catalogue.names():
        return catalogue.card(name)
    return _generators_of(name).card(name)


def load(name: str, rows: int | None = None, noise: float = 0.0, seed: int = 0) -> Dataset:
    """Return a data set.

    Args:
        name: one of `names()`.
        rows: how many rows to generate; None for the generator's usual number. Measured tables have fixed rows.
        noise: Gaussian noise as a multiple of the root mean square of the clean target; only for generated data.
        seed: seed of the generator.

    Raises:
        DataError: if there is no such data set, or rows or noise are asked of a measured table.
    """
    if name not in catalogue.names():
        return _generators_of(name).load(name, rows=rows, noise=noise, seed=seed)
    if rows is not None or noise != 0.0:
        raise DataError(f"{quote(name)} is a measured table: load it without rows and noise")
    return catalogue.load(name)


def write(name: str, path: str | Path, rows: int | None = None, noise: float = 0.0, seed: int = 0) -> Path:
    """Write a data set as a CSV file whose header carries the units, such as `T [K]`.

    Args:
        name: one of `names()`.
        path: the file to write; replaced if it exists.
        rows, noise, seed: as for `load`.

    Returns:
        The path written.

    Raises:
        DataError: as for `load`, or if the file cannot be written.
    """
    data = load(name, rows, noise, seed)
    target = Path(path)
    try:
        with target.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows([_header(name, data), *_rows(data)])
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror}: choose another file") from error
    return target


def _header(name: str, data: Dataset) -> list[str]:
    columns = data.input_names + data.target_names
    units = data.input_units + data.target_units
    if data.sigma is not None:
        known = catalogue.card(name)  # only measured tables have errors
        columns, units = (*columns, known.sigma or "sigma"), (*units, known.units.get(known.sigma or ""))
    return [f"{column} [{unit}]" if unit else column for column, unit in zip(columns, units, strict=True)]


def _rows(data: Dataset) -> list[list[str]]:
    errors = [data.sigma[:, None]] if data.sigma is not None else []
    return [[repr(float(value)) for value in row] for row in np.hstack([data.inputs, data.targets, *errors])]


def _generators_of(name: str) -> Any:
    """Return the generators' module if it knows the name; imported late because it reads many equations."""
    for module in _makers():
        if name in module.names():
            return module
    raise DataError(f"no data set is called {quote(name)}: {did_you_mean(name, names())}")


def _makers() -> tuple[Any, ...]:
    """Return the modules that make data: tables of laws, trajectories of systems, fields of partial equations."""
    from kansym_datasets import dynamics, fields, generators

    return generators, dynamics, fields
