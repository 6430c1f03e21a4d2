"""Trajectories and fields from files, data sets and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kansym.data import Dataset, TableOptions
from kansym.data.readers import READERS
from kansym.data.select import find_column
from kansym.data.sources import read_bytes
from kansym.data.table import RawTable, number_column
from kansym.data.text import read_text
from kansym.data.units import split_headers
from kansym.errors import DataError, quote
from kansym.physics.discovery.fields.grid import Field
from kansym.physics.discovery.trajectories import Trajectories, Trajectory

Array = np.ndarray
RUN = "trajectory"
MOST_FIELD_BYTES = 1 << 30


def read_trajectories(
    path: str | Path, time: str = "t", states: Sequence[str] | None = None, trajectory: str | None = None
) -> Trajectories:
    """Read trajectories from a table.

    Args:
        path: any table that `kansym.read_table` reads; empty cells are missing samples.
        time: the column of times, with or without its unit.
        states: the columns of states; None takes all others.
        trajectory: the column that tells trajectories apart; None takes one called `trajectory` if there is one.

    Returns:
        The trajectories, rows sorted by time.

    Raises:
        DataError: one line on the first thing that is wrong.
    """
    data, source, suffix = read_bytes(path)
    reader = READERS.get(suffix) if suffix in READERS else read_text
    table = reader(data, source, TableOptions())
    names, units = split_headers(table.header)
    run = trajectory if trajectory is not None else RUN if RUN in names else None
    at = find_column(table, time, "time")
    runs = None if run is None else find_column(table, run, "trajectories")
    if states is None:
        chosen = [i for i in range(len(names)) if i not in (at, runs)]
    else:
        chosen = [find_column(table, name, "states") for name in states]
    _check(table, at, runs, chosen)
    values = np.column_stack([number_column(table, i, "leave the column out with --states") for i in chosen])
    times = number_column(table, at, "choose another column with --time")
    labels = np.zeros(len(times)) if runs is None else _labels(table, runs)
    parts, notes = _parts(times, values, labels, source)
    missing = int(np.isnan(values).sum())
    notes += (f"{missing} missing samples",) if missing else ()
    return Trajectories(
        parts, tuple(names[i] for i in chosen), names[at], tuple(units[i] for i in chosen), units[at], source,
        (*table.notes, *notes),
    )  # fmt: skip


def _check(table: RawTable, at: int, runs: int | None, chosen: Sequence[int]) -> None:
    if not chosen:
        raise DataError(f"{table.source}: no column is left for the states: name them with --states")
    for index in chosen:
        if index in (at, runs):
            raise DataError(
                f"{table.source}: column {quote(table.header[index])} cannot be a state too: check --states"
            )
    if len(set(chosen)) < len(chosen):
        raise DataError(f"{table.source}: a state is named twice: check --states")


def _labels(table: RawTable, index: int) -> Array:
    """A number for every run; labels may be text."""
    column = table.columns[index]
    cells = column if isinstance(column, np.ndarray) else np.array([cell.strip() for cell in column])
    return np.unique(cells, return_inverse=True)[1]


def _parts(times: Array, values: Array, labels: Array, source: str) -> tuple[tuple[Trajectory, ...], tuple[str, ...]]:
    """One trajectory for each label; samples at the same time are averaged, rows without a time or a sample dropped."""
    values = np.where(np.isfinite(values), values, np.nan)
    usable = np.isfinite(times) & np.isfinite(values).any(axis=1)
    parts, twice = [], 0
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero((labels == label) & usable)
        moments, place = np.unique(times[rows], return_inverse=True)
        twice += len(rows) - len(moments)
        own = values[rows]
        counts = np.zeros((len(moments), own.shape[1]))
        sums = np.zeros_like(counts)
        np.add.at(counts, place, np.isfinite(own))
        np.add.at(sums, place, np.nan_to_num(own))
        with np.errstate(all="ignore"):
            parts.append(Trajectory(moments, np.where(counts > 0, sums / counts, np.nan)))
    if twice > len(times) // 10:
        raise DataError(
            f"{source}: {twice} rows repeat a time: name the column that tells trajectories apart with --trajectory"
        )
    return tuple(parts), ((f"{twice} rows repeat a time and were averaged",) if twice else ())


def as_trajectories(data: Any, **choices: Any) -> Trajectories:
    """Trajectories from whatever holds them.

    Args:
        data: `Trajectories`; a file; a `Dataset` whose inputs are the time, or `trajectory` and the time, and whose
            targets are the states; or a pair (times (N,), states (N, D)).
        choices: `time`, `states`, `trajectory` for files; `names` for a pair.

    Raises:
        DataError: when it is none of these, or as for `read_trajectories`.
    """
    if isinstance(data, Trajectories):
        return data
    if isinstance(data, (str, Path)):
        return read_trajectories(data, **choices)
    if isinstance(data, Dataset):
        labels = data.inputs[:, 0] if data.columns > 1 else np.zeros(data.rows)
        parts, notes = _parts(data.inputs[:, -1], data.targets, labels, data.source)
        units, time = data.target_units, data.input_names[-1]
        return Trajectories(parts, data.target_names, time, units, data.input_units[-1], data.source, notes)
    if isinstance(data, tuple) and len(data) == 2:
        times, states = np.asarray(data[0], dtype=float), np.atleast_2d(np.asarray(data[1], dtype=float).T).T
        names = tuple(choices.get("names") or (f"x{i}" for i in range(states.shape[1])))
        return Trajectories((Trajectory(times, states),), names)
    raise DataError("trajectories come as a file, a Dataset, Trajectories, or a pair of times (N,) and states (N, D)")


def read_field(path: str | Path, time: str = "t", fields: Sequence[str] | None = None) -> Field:
    """Read a field from an .npz file.

    Args:
        path: holds one array for the time, one for every other axis (1-D), and one or more fields whose axes are these,
            in any order of unequal lengths; of equal ones the time comes first and the others in the file's order.
            Names may carry units, such as "x [m]".
        time: the name of the times.
        fields: the names of the fields; None takes every array of two axes or more.

    Raises:
        DataError: one line on the first thing that is wrong.
    """
    from io import BytesIO

    data, source, _ = read_bytes(path)
    try:
        with np.load(BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name], dtype=float) for name in archive.files}
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise DataError(f"{source}: not an .npz file of numbers ({error}): write it with numpy.savez") from error
    header = list(arrays)
    names, units = split_headers(header)
    arrays = dict(zip(names, arrays.values(), strict=True))
    if time not in arrays:
        raise DataError(f"{source}: no array {quote(time)} of times: name it with --time")
    axes = {name: array for name, array in arrays.items() if array.ndim == 1}
    chosen = tuple(fields or (name for name, array in arrays.items() if array.ndim > 1))
    for name in chosen:
        if name not in arrays:
            raise DataError(f"{source}: no field {quote(name)}: the file has {', '.join(arrays)}")
    if not chosen:
        raise DataError(f"{source}: no array has two axes or more: a field u(t, x) is needed")
    ordered = {time: axes.pop(time), **axes}
    return Field.of(ordered, {name: arrays[name] for name in chosen}, source, dict(zip(names, units, strict=True)))
