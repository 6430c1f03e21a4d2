"""Tables that are larger than the memory, read in blocks of rows."""

from kansym.data.stream.arrays import rows_of_arrays
from kansym.data.stream.base import Block, RowSource, join
from kansym.data.stream.opening import STREAMS, open_rows
from kansym.data.stream.sampling import is_large, read_sample
from kansym.data.stream.statistics import (
    Statistics,
    StreamedErrors,
    column_statistics,
    extreme_rows,
    streamed_errors,
)

__all__ = [
    "STREAMS",
    "Block",
    "RowSource",
    "Statistics",
    "StreamedErrors",
    "column_statistics",
    "extreme_rows",
    "is_large",
    "join",
    "open_rows",
    "read_sample",
    "rows_of_arrays",
    "streamed_errors",
]
