"""Array files: NPZ and HDF5, each either named one-dimensional columns, or X and y with optional names."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from kansym.data.dataset import default_names
from kansym.data.options import TableOptions
from kansym.data.sources import check_size, optional_module, refuse_damage
from kansym.data.table import Column, RawTable
from kansym.errors import DataError, quote


def read_npz(data: bytes, source: str, options: TableOptions) -> RawTable:
    """Read a NumPy .npz archive without pickle.

    Raises:
        DataError: if it is damaged, holds Python objects, or its arrays make no table.
    """
    with refuse_damage(source, "NPZ"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_size(source, sum(member.file_size for member in archive.infolist()))
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return table_from_arrays(source, {name: archive[name] for name in archive.files}, ordered=True)


def read_hdf5(data: bytes, source: str, options: TableOptions) -> RawTable:
    """Read the root group of an HDF5 file: its data sets as columns, or its only data set if that is compound.

    Links to other files are never followed.

    Raises:
        DataError: if it is damaged, h5py is missing, or its data sets make no table.
    """
    h5py = optional_module("h5py", "HDF5 files")
    with refuse_damage(source, "HDF5"), h5py.File(io.BytesIO(data), "r") as file:
        links = {name: file.get(name, getlink=True) for name in file}
        found = {name: file[name] for name, link in links.items() if isinstance(link, h5py.HardLink)}
        sets = {name: item for name, item in found.items() if isinstance(item, h5py.Dataset)}
        check_size(source, sum(item.nbytes for item in sets.values()))
        if any(item.external or item.is_virtual for item in sets.values()):
            raise DataError(f"{source}: keeps its numbers in other files: copy them into one file")
        tracked = bool(file["/"].id.get_create_plist().get_link_creation_order() & h5py.h5p.CRT_ORDER_TRACKED)
        arrays = {name: _plain_array(item, h5py) for name, item in sets.items()}
        return table_from_arrays(source, arrays, ordered=tracked)


def _plain_array(item: Any, h5py: Any) -> np.ndarray:
    return item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]


def table_from_arrays(source: str, arrays: Mapping[str, np.ndarray], ordered: bool) -> RawTable:
    """Return the table in named arrays: one compound array, X and y, or one-dimensional arrays of equal length.

    Args:
        source: the file, for messages.
        arrays: arrays by name, in the order of the file.
        ordered: whether that order means anything.

    Raises:
        DataError: if they fit none of these.
    """
    if not arrays:
        raise DataError(f"{source}: holds no arrays at its top level: store one array per column, or X and y")
    first = next(iter(arrays.values()))
    if len(arrays) == 1 and first.dtype.names:
        return _make_table(source, {name: first[name] for name in first.dtype.names}, True, True)
    if "X" in arrays and "y" in arrays and arrays["X"].ndim == 2:
        return _table_from_x_and_y(source, arrays)
    return _make_table(source, arrays, True, ordered)


def _table_from_x_and_y(source: str, arrays: Mapping[str, np.ndarray]) -> RawTable:
    inputs, target = arrays["X"], arrays["y"]
    target = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
    width = inputs.shape[1]
    names = [str(name) for name in np.ravel(arrays["names"])] if "names" in arrays else None
    if names is not None and len(names) not in (width, width + 1):
        raise DataError(f"{source}: X has {width} columns but there are {len(names)} names: store one for each")
    labels = list(names or default_names(width))
    columns = dict(zip(labels[:width], inputs.T, strict=True))
    if len(columns) < width:
        raise DataError(f"{source}: 'names' holds a name twice: rename one of the columns")
    name = labels[width] if len(labels) > width else "y"
    if name in columns:
        raise DataError(f"{source}: input and target are both called {quote(name)}: rename one of them")
    return _make_table(source, {**columns, name: target}, names is not None, True)


def _make_table(source: str, columns: Mapping[str, np.ndarray], named: bool, ordered: bool) -> RawTable:
    for name, column in columns.items():
        if column.ndim != 1:
            raise DataError(
                f"{source}: array {quote(name)} has shape {column.shape}: store one array (N,) per column, or X (N, D) "
                "and y (N,)"
            )
    rows = {name: len(column) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{quote(name, 30)} {count}" for name, count in list(rows.items())[:6])
        raise DataError(f"{source}: arrays of different length ({listed}): every column needs one number for each row")
    labels = np.arange(1, next(iter(rows.values())) + 1)
    values = tuple(as_column(column) for column in columns.values())
    return RawTable(source, tuple(columns), values, labels, named=named, ordered=ordered)


def as_column(array: np.ndarray) -> Column:
    """Return real numbers as float64, anything else (text, truth values, dates, complex) as text to be refused."""
    if array.dtype.kind in "iuf":
        return array.astype(np.float64)
    return [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in array.tolist()]
