"""A table as it was read: headers and columns, before any column has a part to play."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kansym.data.numbers import explain_text, parse_column
from kansym.errors import DataError, quote

Column = np.ndarray | list[str]

LEAVE_OUT = "leave the column out with --features"
"""The way out of a bad column that is one of the inputs."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """Named columns of equal length.

    Attributes:
        source: the file, for messages.
        header: distinct headers that are not blank, as written.
        columns: per header (N,) float64 with NaN for missing numbers, or N cells of text still to be parsed.
        labels: (N,) where each row stands: line of a text file, row of a sheet, else 1, 2, ...
        named: False if the source gave no names and the headers were made up.
        ordered: False if the source does not keep the order of its columns.
        decimal: the decimal mark of the text cells.
        notes: what the reader changed.

    Raises:
        DataError: if a header is blank or used twice.
    """

    source: str
    header: tuple[str, ...]
    columns: tuple[Column, ...]
    labels: np.ndarray
    named: bool = True
    ordered: bool = True
    decimal: str = "."
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_header(self.source, self.header)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.labels)


def check_header(source: str, header: Sequence[str]) -> None:
    """Raise DataError if a header is blank or used twice."""
    blank = [str(position) for position, name in enumerate(header, 1) if not name.strip()]
    if blank:
        raise DataError(f"{source}: column {', '.join(blank)} has no name in the header: give it one, or remove it")
    for name, count in Counter(name.strip() for name in header).items():
        if count > 1:
            where = " and ".join(str(i) for i, other in enumerate(header, 1) if other.strip() == name)
            raise DataError(f"{source}: column name {quote(name)} is used twice (columns {where}): rename one of them")


def number_column(table: RawTable, index: int, way_out: str = LEAVE_OUT) -> np.ndarray:
    """Return one column as numbers, (N,) float64 with NaN where a number is missing.

    Args:
        table: the table.
        index: which column.
        way_out: what the user can do if the column is no use, for the message.

    Raises:
        DataError: if a cell holds text; the message gives its row, the column and the text.
    """
    column = table.columns[index]
    if isinstance(column, np.ndarray):
        return column
    values, text = parse_column(column, table.decimal)
    if text:
        raise DataError(_text_message(table, index, text, way_out))
    return values


def _text_message(table: RawTable, index: int, text: Sequence[int], way_out: str) -> str:
    cells = table.columns[index]
    row, cell = table.labels[text[0]], str(cells[text[0]]).strip()
    name = quote(table.header[index].strip())
    if not any(_holds_numbers(table, i) for i in range(len(table.header))):
        return (
            f"{table.source}: no numeric rows: not one cell is a number (row {row}, column {name}: {quote(cell)}); "
            "check that this is a table of numbers"
        )
    if len(text) < table.rows or table.rows == 1:
        more = f" (and {len(text) - 1} more such rows)" if len(text) > 1 else ""
        reason = explain_text(cell, table.decimal) or f"text, not a number: correct the cell, or {way_out}"
        if list(text) == [0] and table.rows > 1:
            reason += "; if this row holds units, move them into the header, like T [K]"
        return f"{table.source}: row {row}, column {name}: {quote(cell)}{more} is {reason}"
    return f"{table.source}: column {name} holds text, not numbers (row {row}: {quote(cell)}): {way_out}"


def _holds_numbers(table: RawTable, index: int) -> bool:
    column = table.columns[index]
    return bool(np.isfinite(column if isinstance(column, np.ndarray) else parse_column(column, table.decimal)[0]).any())


def format_rows(labels: Sequence[int] | np.ndarray, limit: int = 5) -> str:
    """Return `row 4` or `rows 4, 9, 12`, with the first few of many."""
    shown = ", ".join(str(label) for label in labels[:limit])
    more = f" and {len(labels) - limit} more" if len(labels) > limit else ""
    return f"row{'s' if len(labels) > 1 else ''} {shown}{more}"
