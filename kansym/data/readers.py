"""Tables from files, standard input and data frames: one function in, one data set out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from kansym.data.arrays import read_hdf5, read_npz
from kansym.data.columnar import read_parquet, table_from_frame
from kansym.data.dataset import Dataset
from kansym.data.excel import read_xlsx
from kansym.data.options import TableOptions
from kansym.data.select import build_dataset, build_features
from kansym.data.sources import read_bytes
from kansym.data.table import RawTable
from kansym.data.text import read_text
from kansym.errors import ConfigError, did_you_mean, quote
from kansym.registry import Registry

Reader = Callable[[bytes, str, TableOptions], RawTable]


def _read_tsv(data: bytes, source: str, options: TableOptions) -> RawTable:
    return read_text(data, source, replace(options, separator=options.separator or "\t"))


READERS: Registry[Reader] = Registry("table format")
"""How to read a table, by file suffix; any other suffix is read as text."""

for _suffix, _reader in (
    (".csv", read_text),
    (".txt", read_text),
    (".dat", read_text),
    (".tsv", _read_tsv),
    (".tab", _read_tsv),
    (".parquet", read_parquet),
    (".npz", read_npz),
    (".h5", read_hdf5),
    (".hdf5", read_hdf5),
    (".xlsx", read_xlsx),
):
    READERS.add(_suffix, _reader)


def read_table(path: str | Path, options: TableOptions | None = None, **choices: Any) -> Dataset:
    """Read a table of numbers.

    Args:
        path: a CSV, TSV, text (each also as .gz), Parquet, NPZ, HDF5 or Excel file, or "-" for CSV on standard input.
        options: which columns play which part, and how the file is written.
        choices: single fields of `TableOptions`, such as target="P"; they win over `options`.

    Returns:
        The data set in raw units. Constant inputs are left out; `notes` says so.

    Raises:
        DataError: one line that says what is wrong, where (row: line of a text file, row of a sheet), and what to do.
        ConfigError: if a choice is unknown or impossible.
    """
    chosen = _merge(options, choices)
    return build_dataset(_read_raw(path, chosen), chosen)


def read_features(path: str | Path, options: TableOptions | None, names: Sequence[str]) -> np.ndarray:
    """Read the inputs for a prediction; the table need not have the target.

    Args:
        path: as for `read_table`.
        options: how the file is written, and what to do with missing numbers; the choice of columns is not used.
        names: the D inputs, with or without their units.

    Returns:
        (N, D) float64, in the order of `names`.

    Raises:
        DataError: if a column does not exist, holds text or lacks a number.
    """
    chosen = _merge(options, {})
    return build_features(_read_raw(path, chosen), chosen, names)


def from_frame(frame: Any, options: TableOptions | None = None, **choices: Any) -> Dataset:
    """Take a table from a pandas, polars, pyarrow or other data frame.

    Args:
        frame: the data frame; its index is not a column.
        options: which columns play which part.
        choices: single fields of `TableOptions`, such as target="P".

    Raises:
        DataError: as for `read_table`; rows are counted from 1.
    """
    chosen = _merge(options, choices)
    return build_dataset(table_from_frame(frame), chosen)


def features_of(frame: Any, names: Sequence[str]) -> np.ndarray:
    """The inputs for a prediction, (N, D), from a data frame; other columns of it do not matter.

    Raises DataError: if a column does not exist, holds text or lacks a number.
    """
    return build_features(table_from_frame(frame), TableOptions(), names)


def as_dataset(data: Any, target: str | None = None) -> Dataset:
    """A data set from whatever holds a table: a `Dataset`, the path of a file, or a data frame.

    target: the target column; a data set knows its own.

    Raises:
        DataError: as for `read_table`; ConfigError for a target beside a data set.
    """
    if isinstance(data, Dataset):
        if target is not None:
            raise ConfigError("a Dataset knows its own target: leave `target` out")
        return data
    options = TableOptions(target=target)
    return read_table(data, options) if isinstance(data, (str, Path)) else from_frame(data, options)


def _read_raw(path: str | Path, options: TableOptions) -> RawTable:
    data, source, suffix = read_bytes(path)
    reader = READERS.get(suffix) if suffix in READERS else read_text
    return reader(data, source, options)


def _merge(options: TableOptions | None, choices: dict[str, Any]) -> TableOptions:
    known = [field.name for field in fields(TableOptions)]
    for name in choices:
        if name not in known:
            raise ConfigError(f"unknown table option {quote(name)}: {did_you_mean(name, known)}")
    return replace(options or TableOptions(), **choices)
