"""From rows of text cells to a raw table: header or none, trailing separators, ragged rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kansym.data.dataset import default_names
from kansym.data.numbers import parse_cell
from kansym.data.table import RawTable, check_header
from kansym.errors import DataError, quote


@dataclass(frozen=True)
class Record:
    """The cells of one row and where it stands (line of the file, row of the sheet)."""

    label: int
    cells: list[str]


def is_numbers(cells: Sequence[str], decimal: str) -> bool:
    """Return whether a row holds numbers, some perhaps missing, and no text: then it is not a header."""
    values = [parse_cell(cell, decimal) for cell in cells]
    return None not in values and any(value is not None and not math.isnan(value) for value in values)


def headless_names(width: int) -> tuple[str, ...]:
    """Return the names of a table without a header: x0, x1, ... and y for the last column."""
    return (*default_names(width - 1), "y")


def table_from_records(
    source: str, records: Sequence[Record], decimal: str, notes: tuple[str, ...], names: Sequence[str] | None = None
) -> RawTable:
    """Return the table of these rows; rows whose cells are all blank are skipped.

    Args:
        source: the file, for messages.
        records: rows in order, the header first if there is one.
        decimal: the decimal mark.
        notes: what the reader changed so far.
        names: names found elsewhere, such as in a comment, used if the first row is numbers.

    Raises:
        DataError: if there are no rows, a header is blank or used twice, or a row has too few or too many cells.
    """
    filled = [record for record in records if any(cell.strip() for cell in record.cells)]
    if not filled:
        raise DataError(f"{source}: the table is empty: it has neither a header nor rows")
    headless = is_numbers(filled[0].cells, decimal)
    rows = filled if headless else filled[1:]
    header = filled[0].cells
    if headless:
        width = _width(rows, len(header))
        header = list(names) if names and len(names) == width else list(headless_names(width))
    header = _without_trailing_blanks(header, rows)
    check_header(source, header)
    if not rows:
        shown = ", ".join(quote(name.strip(), 30) for name in header[:6])
        raise DataError(f"{source}: only a header ({shown}) and no rows: add rows of numbers")
    cells = [_fit(source, record, len(header)) for record in rows]
    columns = tuple(list(column) for column in zip(*cells, strict=True))
    labels = np.array([record.label for record in rows], dtype=np.int64)
    named = not headless or bool(names)
    return RawTable(source, tuple(header), columns, labels, named=named, decimal=decimal, notes=notes)


def _width(rows: Sequence[Record], width: int) -> int:
    """Return the width of a table without a header, not counting last columns that are blank in every row."""
    while width > 1 and not any(cell.strip() for row in rows for cell in row.cells[width - 1 : width]):
        width -= 1
    return width


def _without_trailing_blanks(header: list[str], rows: Sequence[Record]) -> list[str]:
    """Drop last headers that are blank, as far as no row has a cell there: they come from trailing separators."""
    width = len(header)
    while width > 1 and not header[width - 1].strip():
        if any(cell.strip() for row in rows for cell in row.cells[width - 1 :]):
            break
        width -= 1
    return header[:width]


def _fit(source: str, record: Record, width: int) -> list[str]:
    """Return exactly `width` cells, dropping blank ones from trailing separators; refuse a ragged row."""
    if len(record.cells) == width:
        return record.cells
    if len(record.cells) > width and not any(cell.strip() for cell in record.cells[width:]):
        return record.cells[:width]
    raise DataError(
        f"{source}: row {record.label} has {len(record.cells)} fields, the header has {width}: "
        "correct the row, quote fields that contain the separator, or pass --separator"
    )
