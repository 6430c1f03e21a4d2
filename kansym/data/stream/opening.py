"""Opening a table that is read in blocks: by suffix, as for small tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kansym.data.options import TableOptions
from kansym.data.stream.arrays import open_npy, open_npz
from kansym.data.stream.base import RowSource
from kansym.data.stream.parquet import ParquetRows
from kansym.data.stream.text import TextRows
from kansym.errors import DataError
from kansym.registry import Registry

Opener = Callable[[Path, TableOptions, str], RowSource]


def _parquet(path: Path, options: TableOptions, precision: str) -> RowSource:
    return ParquetRows(path, options.missing, precision)


def _npy(path: Path, options: TableOptions, precision: str) -> RowSource:
    return open_npy(path, options.missing, precision)


def _npz(path: Path, options: TableOptions, precision: str) -> RowSource:
    return open_npz(path, options.missing, precision)


def _tsv(path: Path, options: TableOptions, precision: str) -> RowSource:
    return TextRows(path, replace(options, separator=options.separator or "\t"), precision)


WHOLE_ONLY = (".h5", ".hdf5", ".xlsx")
"""Suffixes of formats that are read as a whole or not at all."""


def _whole_only(path: Path, options: TableOptions, precision: str) -> RowSource:
    raise DataError(f"{path}: {path.suffix} files are not read in blocks: convert the table to Parquet or .npy")


STREAMS: Registry[Opener] = Registry("format that is read in blocks")
"""How to read a table in blocks, by file suffix; any other suffix is read as text."""

for _suffix, _opener in (
    (".parquet", _parquet),
    (".npy", _npy),
    (".npz", _npz),
    (".csv", TextRows),
    (".tsv", _tsv),
    (".tab", _tsv),
    *((suffix, _whole_only) for suffix in WHOLE_ONLY),
):
    STREAMS.add(_suffix, _opener)


def open_rows(path: str | Path, options: TableOptions | None = None, precision: str = "float64") -> RowSource:
    """Open a table of any size without reading its rows.

    Args:
        path: a Parquet, .npy, uncompressed .npz or text file (CSV, TSV; also as .gz).
        options: what to do with missing numbers, and how a text file is written; its choice of columns is not used.
        precision: "float64" or "float32", the type of the values that are read.

    Raises:
        DataError: if there is no such file, it is damaged, or it cannot be read in blocks.
        ConfigError: if `precision` is unknown.
    """
    file, chosen = Path(path), options or TableOptions()
    if not file.is_file():
        what = "not a regular file" if file.exists() else "no such file"
        raise DataError(f"{path}: {what}: a table that is read in blocks must be a file")
    suffix = suffix_of(file)
    opener = STREAMS.get(suffix) if suffix in STREAMS else TextRows
    return opener(file, chosen, precision)


def suffix_of(path: Path) -> str:
    """Return the suffix that tells the format: lower case, and the one before .gz."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
