"""Rows of a Parquet file, decoded batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kansym.data.sources import optional_module, refuse_damage
from kansym.data.stream.base import Piece, RowSource
from kansym.errors import DataError, quote

# Bytes of a column that are read at a time: without it the whole column of a row group would be.
BUFFER = 1 << 17


class ParquetRows(RowSource):
    """The rows of a Parquet file; an index that pandas saved along is not a column.

    The memory needed does not depend on the size of the row groups: columns are decoded as they are read.
    """

    def __init__(self, path: Path, missing: str = "error", precision: str = "float64") -> None:
        """Read the file's directory.

        Raises:
            DataError: if it is damaged, has no rows, or pyarrow is missing.
        """
        self._arrow = optional_module("pyarrow", "Parquet files")
        self._parquet = optional_module("pyarrow.parquet", "Parquet files")
        self.path = path
        with refuse_damage(str(path), "Parquet"), self._open() as file:
            self._schema = file.schema_arrow
            lengths = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        self._spans = tuple(pairwise(accumulate(lengths, initial=0)))
        names = [name for name in self._schema.names if not name.startswith("__index_level_")]
        super().__init__(str(path), names, missing, precision)
        if not sum(lengths):
            raise DataError(f"{path}: the table is empty: it has no rows")

    @property
    def rows(self) -> int:
        return self._spans[-1][1]

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        return self._spans

    def _open(self) -> Any:
        return self._parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=BUFFER)

    @cached_property
    def _text(self) -> frozenset[str]:
        """The columns that do not hold numbers."""
        types = self._arrow.types
        kinds = dict(zip(self._schema.names, self._schema.types, strict=True))
        return frozenset(
            name
            for name, kind in kinds.items()
            if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
        )

    def _read(self, span: int, columns: Sequence[int], most: int) -> Iterator[Piece]:
        names = [self.names[column] for column in columns]
        for name in names:
            if name in self._text:
                kind = self._schema.field(name).type
                raise DataError(f"{self.source}: column {quote(name)} holds {kind}, not real numbers: leave it out")
        with refuse_damage(self.source, "Parquet"), self._open() as file:
            for batch in file.iter_batches(most, row_groups=[span], columns=names, use_threads=False):
                yield np.column_stack([self._numbers(batch.column(name)) for name in names]), None

    def _numbers(self, column: Any) -> np.ndarray:
        return column.cast(self._arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
