"""From a raw table to a data set: which column plays which part, and which rows are complete."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.data.dataset import Dataset
from kansym.data.options import TableOptions
from kansym.data.table import LEAVE_OUT, RawTable, format_rows, number_column
from kansym.data.units import split_headers
from kansym.errors import DataError, did_you_mean, quote

SMALLEST_TABLE = 3
"""Fewer rows than this determine no law at all."""


@dataclass(frozen=True)
class Roles:
    """Column positions by the part they play."""

    features: tuple[int, ...]
    targets: tuple[int, ...]
    weights: int | None
    sigma: int | None

    @property
    def used(self) -> tuple[int, ...]:
        """All positions, each once: features, targets, weights or sigma."""
        return (*self.features, *self.targets, *(i for i in (self.weights, self.sigma) if i is not None))

    def way_out(self, index: int) -> str:
        """What the user can do if the column at this position is no use."""
        if index in self.targets:
            return "choose another target with --target"
        return LEAVE_OUT if index in self.features else "choose another column for weights or sigma"


def find_column(table: RawTable, wanted: str, part: str) -> int:
    """Return the position of the column that is called `wanted`, with or without its unit.

    Args:
        table: the table.
        wanted: a name such as `T`, or a full header such as `T [K]`.
        part: what the column is wanted for, for the message: "target", "feature", ...

    Raises:
        DataError: if there is no such column.
    """
    full = [header.strip() for header in table.header]
    bare = split_headers(table.header)[0]
    for names in (full, bare):
        if wanted.strip() in names:
            return names.index(wanted.strip())
    raise DataError(f"{table.source}: no column {quote(wanted)} for the {part}: {did_you_mean(wanted, bare)}")


def choose_roles(table: RawTable, options: TableOptions) -> Roles:
    """Return which columns are target, features, weights and sigma.

    Raises:
        DataError: if a column does not exist, or has two parts, or none is left as a feature.
    """
    weights = None if options.weights is None else find_column(table, options.weights, "weights")
    sigma = None if options.sigma is None else find_column(table, options.sigma, "sigma")
    targets = _choose_targets(table, options, {weights, sigma})
    if options.features is None:
        features = tuple(i for i in range(len(table.header)) if i not in (*targets, weights, sigma))
    else:
        features = tuple(find_column(table, name, "features") for name in options.features)
    parts = [*((i, "a feature") for i in features), *((i, "the target") for i in targets)]
    _check_roles(table, parts, weights, sigma)
    if not features:
        raise DataError(
            f"{table.source}: only one column to use ({quote(table.header[targets[0]])}): a table needs an input and a "
            "target; if there are more columns, pass --separator"
        )
    return Roles(features, targets, weights, sigma)


def target_positions(table: RawTable, wanted: str) -> tuple[int, ...]:
    """Return the positions of the columns that `wanted` names: one column, or several separated by commas as in CSV.

    A column whose name holds a comma is found as it stands.

    Raises:
        DataError: if there is no such column.
    """
    known = {header.strip() for header in table.header} | set(split_headers(table.header)[0])
    if wanted.strip() in known or "," not in wanted or not wanted.isprintable():
        return (find_column(table, wanted, "target"),)
    names = [name.strip() for name in next(csv.reader([wanted], skipinitialspace=True), []) if name.strip()]
    return tuple(find_column(table, name, "target") for name in names)


def _choose_targets(table: RawTable, options: TableOptions, taken: set[int | None]) -> tuple[int, ...]:
    return (_choose_target(table, taken),) if options.target is None else target_positions(table, options.target)


def _choose_target(table: RawTable, taken: set[int | None]) -> int:
    free = [i for i in range(len(table.header)) if i not in taken]
    if not table.ordered and len(free) > 1 and "y" not in table.header:
        names = ", ".join(quote(table.header[i]) for i in free[:8])
        raise DataError(f"{table.source}: this format keeps no column order: pass --target with one of {names}")
    if not table.ordered and "y" in table.header:
        return table.header.index("y")
    if not free:
        raise DataError(f"{table.source}: no column is left for the target: pass --target")
    return free[-1]


def _check_roles(table: RawTable, parts: list[tuple[int, str]], weights: int | None, sigma: int | None) -> None:
    """Raise DataError if one column has two parts."""
    parts = parts + [(i, part) for i, part in ((weights, "the weights"), (sigma, "sigma")) if i is not None]
    seen: dict[int, str] = {}
    for index, part in parts:
        if index in seen:
            both = f"given twice as {part}" if part == seen[index] else f"both {seen[index]} and {part}"
            raise DataError(f"{table.source}: column {quote(table.header[index])} is {both}: give it one part only")
        seen[index] = part


def complete_rows(table: RawTable, ways_out: Mapping[int, str], values: np.ndarray, missing: str) -> np.ndarray:
    """Return which rows have a finite number in every used column.

    Args:
        table: the table, for names and row labels.
        ways_out: per used column position what the user can do if it is no use; U entries.
        values: (N, U) numbers.
        missing: "error" or "drop".

    Returns:
        (N,) booleans.

    Raises:
        DataError: if a number is missing or infinite and `missing` is "error", or a column has no number at all.
    """
    finite = np.isfinite(values)  # (N, U)
    for position, (index, way_out) in enumerate(ways_out.items()):
        bad = np.flatnonzero(~finite[:, position])
        if len(bad) and (missing == "error" or len(bad) == table.rows):
            raise DataError(_missing_message(table, index, bad, values[:, position], way_out))
    return np.asarray(finite.all(axis=1))


def _missing_message(table: RawTable, index: int, bad: np.ndarray, column: np.ndarray, way_out: str) -> str:
    name = f"{table.source}: column {quote(table.header[index].strip())}"
    if len(bad) == table.rows:
        return f"{name} has no finite number in any row: {way_out}"
    kinds = ((np.isnan(column[bad]), "missing"), (np.isinf(column[bad]), "infinite"))
    found = " and ".join(
        f"{mask.sum()} {kind} value{'s' if mask.sum() > 1 else ''} ({format_rows(table.labels[bad[mask]])})"
        for mask, kind in kinds
        if mask.any()
    )
    return f"{name} has {found}: pass --missing drop, or {way_out}"


def build_dataset(table: RawTable, options: TableOptions) -> Dataset:
    """Return the data set that the options choose from a table; constant inputs are left out with a note.

    Raises:
        DataError: one line on the first thing that is wrong.
    """
    roles = choose_roles(table, options)
    ways_out = {index: roles.way_out(index) for index in roles.used}
    values = np.column_stack([number_column(table, index, way) for index, way in ways_out.items()])  # (N, U)
    keep = complete_rows(table, ways_out, values, options.missing)
    dropped = table.labels[~keep]
    if keep.sum() < SMALLEST_TABLE:
        after = f" left after dropping {format_rows(dropped)}" if len(dropped) else ""
        raise DataError(
            f"{table.source}: {keep.sum()} row{'s' if keep.sum() != 1 else ''} of numbers{after}, "
            f"at least {SMALLEST_TABLE} are needed: add measurements"
        )
    notes = (f"{len(dropped)} rows with missing values were dropped ({format_rows(dropped)})",) if len(dropped) else ()
    return _assemble(table, options, roles, values, keep, notes).drop_constant_inputs()


def _assemble(
    table: RawTable, options: TableOptions, roles: Roles, values: np.ndarray, keep: np.ndarray, notes: tuple[str, ...]
) -> Dataset:
    column = dict(zip(roles.used, values[keep].T, strict=True))
    labels = table.labels[keep]
    for index, part, too_small in ((roles.weights, "weights", "negative"), (roles.sigma, "sigma", "not positive")):
        if index is not None:
            _check_errors(table, labels, index, column[index], part, too_small)
    names, units = _names_and_units(table, options)
    return Dataset(
        inputs=np.column_stack([column[i] for i in roles.features]),
        targets=np.column_stack([column[i] for i in roles.targets]),
        input_names=tuple(names[i] for i in roles.features),
        target_names=tuple(names[i] for i in roles.targets),
        input_units=tuple(units[i] for i in roles.features),
        target_units=tuple(units[i] for i in roles.targets),
        weights=None if roles.weights is None else column[roles.weights],
        sigma=None if roles.sigma is None else column[roles.sigma],
        source=table.source,
        notes=table.notes + notes,
    )


def _check_errors(
    table: RawTable, labels: np.ndarray, index: int, column: np.ndarray, part: str, too_small: str
) -> None:
    bad = labels[column < 0 if part == "weights" else column <= 0]
    where = f"{table.source}: column {quote(table.header[index])}"
    if len(bad):
        raise DataError(f"{where} for the {part} is {too_small} in {format_rows(bad)}: correct it or leave it out")
    if not column.any():
        raise DataError(f"{where} for the {part} is 0 in every row: correct it or leave it out")


def _names_and_units(table: RawTable, options: TableOptions) -> tuple[tuple[str, ...], list[str | None]]:
    names, found = split_headers(table.header)
    units = list(found)
    for name, unit in options.units.items():
        units[find_column(table, name, "units")] = unit
    return names, units


def build_features(table: RawTable, options: TableOptions, names: Sequence[str]) -> np.ndarray:
    """Return these columns as numbers, (N, D); the target need not be there.

    A table without names is taken as it stands if it has exactly one column per name.

    Raises:
        DataError: if a column does not exist, holds text, or lacks a number and `options.missing` is "error".
    """
    as_it_stands = not table.named and len(table.header) == len(names)
    index = range(len(names)) if as_it_stands else [find_column(table, name, "prediction") for name in names]
    way_out = "correct the table"
    values = np.column_stack([number_column(table, i, way_out) for i in index])  # (N, D)
    return values[complete_rows(table, dict.fromkeys(index, way_out), values, options.missing)]
