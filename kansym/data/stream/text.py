"""Rows of a text table, parsed a few thousand lines at a time."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from kansym.data.options import TableOptions
from kansym.data.records import headless_names, is_numbers
from kansym.data.separators import recognise, split_records
from kansym.data.sources import refuse_damage
from kansym.data.stream.base import Piece, RowSource
from kansym.data.table import RawTable, number_column
from kansym.errors import DataError

HEAD = 100
LONGEST_LINE = 1 << 20
MARK = "\ufeff"
SPREADSHEET_ERRORS = ("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!")

Line = tuple[int, str]


class TextRows(RowSource):
    """The rows of a CSV, TSV or blank-separated file in UTF-8, also gzipped; blank lines and # comments do not count.

    Every pass reads and parses the whole file: convert a table that is read often to Parquet.
    """

    def __init__(self, path: Path, options: TableOptions, precision: str = "float64") -> None:
        """Recognise the dialect and count the rows.

        Raises:
            DataError: if this is no UTF-8 text, or it has no rows.
        """
        self.path = path
        with refuse_damage(str(path), "text"):
            head = [text for _, text in _first(self._lines(), HEAD)]
            if not head:
                raise DataError(f"{path}: the file is empty: it has neither a header nor rows")
            self.dialect = recognise(head, options.separator, options.decimal)
            cells = _split(head[0], self.dialect.separator)
            headless = is_numbers(cells, self.dialect.decimal)
            self._skipped = 0 if headless else 1
            self._count = sum(1 for _ in self._lines()) - self._skipped
        while not headless and len(cells) > 1 and not cells[-1].strip():
            cells.pop()
        super().__init__(str(path), headless_names(len(cells)) if headless else cells, options.missing, precision)
        if not self._count:
            raise DataError(f"{path}: only a header and no rows: add rows of numbers")

    @property
    def rows(self) -> int:
        return self._count

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, self._count),)

    def _read(self, span: int, columns: Sequence[int], most: int) -> Iterator[Piece]:
        lines = self._lines()
        for _ in range(self._skipped):
            next(lines)
        while chunk := _first(lines, most):
            labels = np.fromiter((label for label, _ in chunk), dtype=np.int64, count=len(chunk))
            values = self._parse_fast(chunk, columns)
            yield self._parse_slowly(chunk, labels, columns) if values is None else values, labels

    def _lines(self) -> Iterator[Line]:
        """Yield the lines that hold cells, with their numbers from 1."""
        with _open(self.path) as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
                if len(raw) == LONGEST_LINE:
                    raise DataError(f"{self.path}: line {number} is longer than {LONGEST_LINE} bytes: not a text table")
                text = _decode(raw, number, self.path)
                if text.strip() and not _is_comment(text):
                    yield number, text

    def _parse_fast(self, chunk: Sequence[Line], columns: Sequence[int]) -> np.ndarray | None:
        """Return the numbers if every line has the right number of plain fields, else None."""
        separator, width = self.dialect.separator, len(self.names)
        texts = [text for _, text in chunk]
        if separator == " ":
            fits = all(len(text.split()) == width for text in texts)
        else:
            fits = all(text.count(separator) == width - 1 for text in texts)
        if not fits or any('"' in text for text in texts):
            return None
        if self.dialect.decimal == ",":
            if any("." in text for text in texts):
                return None
            texts = [text.replace(",", ".") for text in texts]
        try:
            delimiter = None if separator == " " else separator
            return np.loadtxt(texts, delimiter=delimiter, comments=None, ndmin=2, usecols=list(columns))
        except ValueError:
            return None

    def _parse_slowly(self, chunk: Sequence[Line], labels: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        """Return the numbers cell by cell, NaN where one is missing; refuse text cells and ragged rows."""
        try:
            records = [cells for _, cells in split_records((text for _, text in chunk), self.dialect.separator)]
        except csv.Error as error:
            raise DataError(f"{self.source}: cannot be split into fields ({error}): check the quotes") from error
        if len(records) != len(chunk):
            raise DataError(
                f"{self.source}: a quoted cell goes over several lines after row {labels[0]}: put every row on one line"
            )
        rows = [self._fit(cells, label) for cells, label in zip(records, labels.tolist(), strict=True)]
        table = RawTable(
            self.source, self.names, tuple(map(list, zip(*rows, strict=True))), labels, decimal=self.dialect.decimal
        )
        return np.column_stack([number_column(table, column) for column in columns])

    def _fit(self, cells: list[str], label: int) -> list[str]:
        width = len(self.names)
        if len(cells) == width or (len(cells) > width and not any(cell.strip() for cell in cells[width:])):
            return cells[:width]
        raise DataError(
            f"{self.source}: row {label} has {len(cells)} fields, the header has {width}: "
            "correct the row, quote fields that contain the separator, or pass --separator"
        )


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _first(lines: Iterator[Line], most: int) -> list[Line]:
    return [line for _, line in zip(range(most), lines, strict=False)]


def _split(line: str, separator: str) -> list[str]:
    return next((cells for _, cells in split_records([line], separator)), [])


def _decode(raw: bytes, number: int, path: Path) -> str:
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise DataError(f"{path}: line {number} is not UTF-8: save the table as UTF-8 text") from None
    if "\0" in text:
        raise DataError(f"{path}: not a text table: line {number} holds a zero byte; save it as UTF-8 text")
    return text.removeprefix(MARK) if number == 1 else text


def _is_comment(text: str) -> bool:
    stripped = text.lstrip()
    return stripped.startswith("#") and not stripped.startswith(SPREADSHEET_ERRORS)
