"""Typed columns: Parquet files and data frames."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kansym.data.options import TableOptions
from kansym.data.sources import optional_module, refuse_damage
from kansym.data.table import Column, RawTable, check_header
from kansym.errors import DataError

_SAVED_INDEX = re.compile(r"__index_level_\d+__")


def read_parquet(data: bytes, source: str, options: TableOptions) -> RawTable:
    """Read a Parquet file; an index that pandas saved along is not a column.

    Raises:
        DataError: if it is damaged or pyarrow is missing.
    """
    arrow = optional_module("pyarrow", "Parquet files")
    parquet = optional_module("pyarrow.parquet", "Parquet files")
    with refuse_damage(source, "Parquet"):
        table = parquet.ParquetFile(arrow.BufferReader(data)).read()
        kept = [i for i, name in enumerate(table.column_names) if not _SAVED_INDEX.fullmatch(name)]
        header = tuple(table.column_names[i] for i in kept)
        columns = tuple(_arrow_column(arrow, table.column(i)) for i in kept)
    return RawTable(source, header, columns, np.arange(1, table.num_rows + 1))


def _arrow_column(arrow: Any, column: Any) -> Column:
    kind = column.type
    if arrow.types.is_integer(kind) or arrow.types.is_floating(kind) or arrow.types.is_decimal(kind):
        return np.array(column.cast(arrow.float64(), safe=False).to_numpy(), dtype=np.float64)
    return ["" if item is None else str(item) for item in column.to_pylist()]


def table_from_frame(frame: Any, source: str = "data frame") -> RawTable:
    """Return the table in a pandas, polars, pyarrow or other data frame that narwhals knows.

    Args:
        frame: the data frame, eager or lazy; its index, if it has one, is not a column.
        source: what to call it in messages.

    Raises:
        DataError: if it is no data frame, or a column name is blank or used twice.
    """
    narwhals = optional_module("narwhals", "data frames")
    frame = frame.collect() if hasattr(frame, "collect_schema") and hasattr(frame, "collect") else frame
    names = [str(name) for name in getattr(frame, "column_names", getattr(frame, "columns", ()))]
    check_header(source, names)
    with refuse_damage(source, "a data frame"):
        wrapped = narwhals.from_native(frame)
        wrapped = wrapped.collect() if isinstance(wrapped, narwhals.LazyFrame) else wrapped
        header = tuple(str(name) for name in wrapped.columns)
        columns = tuple(_frame_column(narwhals, series) for series in wrapped.iter_columns())
        rows = len(wrapped)
    if not header:
        raise DataError(f"{source}: has no columns: pass inputs and a target")
    return RawTable(source, header, columns, np.arange(1, rows + 1))


def _frame_column(narwhals: Any, series: Any) -> Column:
    if series.dtype.is_numeric():
        return np.array(series.cast(narwhals.Float64).to_numpy(), dtype=np.float64)
    return ["" if item is None else str(item) for item in series.to_list()]


def is_frame(data: Any) -> bool:
    """Whether something has named columns: pandas, polars, pyarrow and the like."""
    return hasattr(type(data), "column_names") or hasattr(type(data), "columns")  # a lazy one would be resolved


def series_like(frame: Any, values: np.ndarray, name: str) -> Any:
    """Numbers (N,) as one column of the same kind as a data frame of N rows, with its index if it has one."""
    narwhals = optional_module("narwhals", "data frames")
    wrapped = narwhals.from_native(frame)
    wrapped = wrapped.collect() if isinstance(wrapped, narwhals.LazyFrame) else wrapped
    space = narwhals.get_native_namespace(wrapped)
    series = narwhals.new_series(name, values, narwhals.Float64, backend=space)
    index = narwhals.maybe_get_index(wrapped)
    return narwhals.to_native(series if index is None else narwhals.maybe_set_index(series, index=index))
