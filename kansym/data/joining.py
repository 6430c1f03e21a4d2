"""Several tables of the same columns as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

import numpy as np

from kansym.data.dataset import Dataset
from kansym.errors import DataError, quote


def joined(tables: Sequence[Dataset]) -> Dataset:
    """Return the rows of all tables below each other, columns in the order of the first.

    Args:
        tables: at least one; each with the same columns, units and targets, in any order.

    Raises:
        DataError: if a table lacks a column, has one more, or another unit, or if only some have weights or sigma.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    same = [first, *(_like(table, first) for table in tables[1:])]
    return replace(
        first,
        inputs=np.vstack([table.inputs for table in same]),
        targets=np.vstack([table.targets for table in same]),
        weights=_stacked("weights", same),
        sigma=_stacked("sigma", same),
        source=" + ".join(table.source for table in tables),
        notes=tuple(f"{PurePath(table.source).name}: {note}" for table in tables for note in table.notes),
    )


def _like(table: Dataset, first: Dataset) -> Dataset:
    """The table with its columns in the order of the first."""
    for kind, own, wanted in (
        ("input", table.input_names, first.input_names), ("target", table.target_names, first.target_names),
    ):  # fmt: skip
        odd = sorted(set(own) ^ set(wanted))
        if odd:
            raise DataError(
                f"{table.source} and {first.source} cannot be joined: the {kind} column {quote(odd[0])} is in one of "
                "them only: name the columns to use with --target and --features"
            )
    for name, unit, wanted in zip(*_units(table, first), strict=True):
        if unit != wanted:
            raise DataError(
                f"{table.source} and {first.source} cannot be joined: column {quote(name)} is in {unit or 'no unit'} "
                f"and in {wanted or 'no unit'}: convert one of them"
            )
    return replace(
        table,
        inputs=table.inputs[:, _order(table.input_names, first.input_names)],
        targets=table.targets[:, _order(table.target_names, first.target_names)],
        **{name: getattr(first, name) for name in ("input_names", "target_names", "input_units", "target_units")},
    )


def _units(table: Dataset, first: Dataset) -> tuple[tuple[str, ...], list[str | None], tuple[str | None, ...]]:
    names = (*first.input_names, *first.target_names)
    own = dict(zip((*table.input_names, *table.target_names), (*table.input_units, *table.target_units), strict=True))
    return names, [own[name] for name in names], (*first.input_units, *first.target_units)


def _order(own: Sequence[str], wanted: Sequence[str]) -> list[int]:
    return [own.index(name) for name in wanted]


def _stacked(kind: str, tables: Sequence[Dataset]) -> np.ndarray | None:
    parts = [getattr(table, kind) for table in tables]
    present = [part for part in parts if part is not None]
    if present and len(present) < len(parts):
        without = next(table.source for table, part in zip(tables, parts, strict=True) if part is None)
        raise DataError(f"{without} has no {kind}, other tables do: give all of them {kind}, or none")
    return np.concatenate(present) if present else None
