"""Rows of NumPy arrays: held in memory, or mapped block by block from a .npy file or an uncompressed .npz archive.

A mapping lasts for one block only, so that the pages of a large file do not pile up in the memory of the process.
"""

from __future__ import annotations

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from kansym.data.arrays import table_from_arrays
from kansym.data.records import headless_names
from kansym.data.sources import refuse_damage
from kansym.data.stream.base import Piece, RowSource
from kansym.errors import DataError, quote

# A table is cut into about so many runs, so that rows can be shuffled; shorter runs than this are not worth it.
RUNS, SHORTEST_RUN = 64, 4096
# Rows far apart are gathered with a fresh mapping after every so many.
GATHERED = 256
NUMBERS = "iuf"


class Stored(ABC):
    """An array that is opened when it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @abstractmethod
    def open(self) -> np.ndarray:
        """Return the array, or a read-only mapping of it that ends with the last reference."""


@dataclass(frozen=True, eq=False)
class Held(Stored):
    """An array in memory."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.array.dtype

    def open(self) -> np.ndarray:
        return self.array


@dataclass(frozen=True, eq=False)
class Mapped(Stored):
    """An array that lies in a file as plain numbers from byte `offset` on, row by row or column by column."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool

    def open(self) -> np.ndarray:
        order = "F" if self.by_columns else "C"
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)


@dataclass(frozen=True)
class Place:
    """Where a column is: in which array, and at which position or under which field name of it."""

    array: int
    inside: int | str | None = None


class ArrayRows(RowSource):
    """The rows of one or more arrays of equal length."""

    def __init__(
        self, source: str, arrays: Sequence[Stored], places: Mapping[str, Place], missing: str, precision: str
    ) -> None:
        """Take arrays and say where each column is; they need not fit into the memory.

        Raises:
            DataError: if the arrays differ in length or have no rows, or a name is blank.
        """
        super().__init__(source, tuple(places), missing, precision)
        self.arrays, self.where = tuple(arrays), tuple(places.values())
        lengths = {array.shape[0] for array in self.arrays}
        if len(lengths) != 1 or lengths == {0}:
            raise DataError(f"{source}: its arrays have {sorted(lengths)} rows: every column needs one number per row")

    @property
    def rows(self) -> int:
        return self.arrays[0].shape[0]

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        length = max(SHORTEST_RUN, -(-self.rows // RUNS))
        return tuple((start, min(start + length, self.rows)) for start in range(0, self.rows, length))

    def _read(self, span: int, columns: Sequence[int], most: int) -> Iterator[Piece]:
        start, stop = self.spans[span]
        for first in range(start, stop, most):
            yield self._columns(columns, slice(first, min(first + most, stop))), None

    def _picked(self, span: int, places: Sequence[int], wanted: np.ndarray) -> Iterator[Any]:
        for first in range(0, len(wanted), GATHERED):
            index = wanted[first : first + GATHERED]
            yield self._complete(index, self._columns(places, index), places, None)

    def _columns(self, columns: Sequence[int], rows: slice | np.ndarray) -> np.ndarray:
        """Copy some rows of some columns, (n, C)."""
        for column in columns:
            self._refuse_text(column)
        opened = {self.where[column].array: None for column in columns}
        parts = {number: self.arrays[number].open()[rows] for number in opened}
        length = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        values = np.empty((length, len(columns)), dtype=np.float64)
        for number, part in parts.items():
            here = [position for position, column in enumerate(columns) if self.where[column].array == number]
            inside = [self.where[columns[position]].inside for position in here]
            if part.ndim == 2:
                values[:, here] = part[:, np.array(inside)]
            else:
                for position, field in zip(here, inside, strict=True):
                    values[:, position] = part if field is None else part[field]
        return values

    def _refuse_text(self, column: int) -> None:
        place = self.where[column]
        kind = self.arrays[place.array].dtype
        kind = kind[place.inside] if isinstance(place.inside, str) else kind
        if kind.kind not in NUMBERS:
            raise DataError(
                f"{self.source}: column {quote(self.names[column])} holds {kind}, not real numbers: leave it out"
            )


def rows_of_arrays(
    columns: Mapping[str, Any], source: str = "arrays", missing: str = "error", precision: str = "float64"
) -> ArrayRows:
    """Return the rows of arrays in memory, one (N,) per column name.

    Raises:
        DataError: if they differ in length, are empty, or a name is blank.
    """
    arrays = [Held(np.asarray(column)) for column in columns.values()]
    return _of_columns(source, dict(zip(columns, arrays, strict=True)), missing, precision)


def open_npy(path: Path, missing: str, precision: str) -> ArrayRows:
    """Map a .npy file: (N, C) numbers, the last column being the target y, or (N,) records with named fields.

    Raises:
        DataError: if it is damaged, holds Python objects, or has another shape.
    """
    with refuse_damage(str(path), "NPY"), path.open("rb") as stream:
        return _of_arrays(str(path), {"array": _header(stream, path, path.stat().st_size)}, missing, precision)


def open_npz(path: Path, missing: str, precision: str) -> ArrayRows:
    """Map an uncompressed .npz archive: X (N, D) and y (N,), with names if there are any, or one (N,) per column.

    Raises:
        DataError: if it is damaged or compressed, holds Python objects, or its arrays make no table.
    """
    arrays: dict[str, Stored] = {}
    with refuse_damage(str(path), "NPZ"), zipfile.ZipFile(path) as archive, path.open("rb") as stream:
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                arrays[member.filename.removesuffix(".npy")] = _member(stream, path, member)
        return _of_arrays(str(path), arrays, missing, precision)


def is_compressed(path: Path) -> bool:
    """Return whether a member of an archive is packed, so that it cannot be mapped."""
    with refuse_damage(str(path), "NPZ"), zipfile.ZipFile(path) as archive:
        return not all(map(_is_plain, archive.infolist()))


def _is_plain(member: zipfile.ZipInfo) -> bool:
    """Return whether a member lies in the archive as it is: neither compressed nor encrypted."""
    return member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1


def _member(stream: IO[bytes], path: Path, member: zipfile.ZipInfo) -> Mapped:
    """Find the numbers of one member: they lie in the archive as they are if it is not compressed."""
    if not _is_plain(member):
        raise DataError(
            f"{path}: array {quote(member.filename.removesuffix('.npy'))} is compressed and cannot be read in blocks: "
            "save the table with numpy.savez, or as Parquet"
        )
    stream.seek(member.header_offset)
    local = stream.read(30)
    if local[:4] != b"PK\x03\x04" or len(local) < 30:
        raise DataError(f"{path}: damaged archive: fetch it again")
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    stream.seek(member.header_offset + 30 + lengths)
    return _header(stream, path, stream.tell() + member.file_size)


def _header(stream: IO[bytes], path: Path, end: int) -> Mapped:
    """Read the header of a .npy file; the numbers must end at or before byte `end` and within the file."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(stream)
    if version[0] >= 3 and dtype.names:  # this version's names are UTF-8, and were read as Latin-1
        dtype.names = tuple(name.encode("latin-1").decode("utf-8") for name in dtype.names)
    if dtype.hasobject:
        raise DataError(f"{path}: holds Python objects, which are never loaded: save plain numbers")
    found = Mapped(path, stream.tell(), shape, dtype, by_columns)
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    if min(shape, default=0) < 0 or found.offset + size > min(end, path.stat().st_size):
        raise DataError(f"{path}: is cut short: it should hold {size} bytes of numbers: fetch it again")
    return found


def _of_arrays(source: str, arrays: Mapping[str, Stored], missing: str, precision: str) -> ArrayRows:
    """Arrange arrays as `read_npz` does: one compound array or matrix, X and y, or one (N,) per column."""
    first = next(iter(arrays.values()), None)
    if first is not None and len(arrays) == 1 and first.dtype.names and len(first.shape) == 1:
        return ArrayRows(source, [first], {name: Place(0, name) for name in first.dtype.names}, missing, precision)
    if first is not None and len(arrays) == 1 and len(first.shape) == 2:
        names = headless_names(first.shape[1])
        return ArrayRows(source, [first], {name: Place(0, i) for i, name in enumerate(names)}, missing, precision)
    if "X" in arrays and "y" in arrays and len(arrays["X"].shape) == 2:
        return _of_x_and_y(source, arrays, missing, precision)
    return _of_columns(source, arrays, missing, precision)


def _of_x_and_y(source: str, arrays: Mapping[str, Stored], missing: str, precision: str) -> ArrayRows:
    inputs, target = arrays["X"], arrays["y"]
    # Names and shapes are judged on one row by the reader of small tables, so that both take the same files.
    heads = {name: np.ones((1, *arrays[name].shape[1:])) for name in ("X", "y")}
    if "names" in arrays:
        heads["names"] = np.array(arrays["names"].open())
    header = table_from_arrays(source, heads, ordered=True).header
    places = {name: Place(0, i) for i, name in enumerate(header[:-1])}
    last = Place(1, 0 if len(target.shape) == 2 else None)
    return ArrayRows(source, [inputs, target], {**places, header[-1]: last}, missing, precision)


def _of_columns(source: str, arrays: Mapping[str, Stored], missing: str, precision: str) -> ArrayRows:
    for name, array in arrays.items():
        if len(array.shape) != 1:
            raise DataError(
                f"{source}: array {quote(name)} has shape {array.shape}: store one array (N,) per column, or X (N, D) "
                "and y (N,)"
            )
    if not arrays:
        raise DataError(f"{source}: holds no arrays: store one array per column, or X and y")
    return ArrayRows(
        source, list(arrays.values()), {name: Place(i) for i, name in enumerate(arrays)}, missing, precision
    )
