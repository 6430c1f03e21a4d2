"""Text tables: CSV, TSV and columns between blanks."""

from __future__ import annotations

import codecs
import csv
import re

import numpy as np

from kansym.data.options import TableOptions
from kansym.data.records import Record, headless_names, is_numbers, table_from_records
from kansym.data.separators import Dialect, recognise, split_records
from kansym.data.table import RawTable
from kansym.data.units import join_unit_tokens
from kansym.errors import DataError

_SAMPLE = 100
_COMMENT = re.compile(r"\s*#(?!N/A|DIV/0!|VALUE!|REF!|NUM!|NAME\?|NULL!)")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_WEB_PAGE = re.compile(r"\s*(?:<!doctype html|<html)", re.IGNORECASE)

Line = tuple[int, str]


def read_text(data: bytes, source: str, options: TableOptions) -> RawTable:
    """Read a text table.

    Args:
        data: the file's bytes: UTF-8 with or without a byte order mark, UTF-16 with one, or Windows-1252.
        source: the file, for messages.
        options: separator and decimal mark, recognised if None.

    Raises:
        DataError: if this is no text, is empty, or its rows are ragged.
    """
    text, notes = decode(data, source)
    if _WEB_PAGE.match(text):
        raise DataError(f"{source}: this is a web page, not a table: download the data file itself")
    numbered = list(enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1))
    lines = [line for line in numbered if line[1].strip() and not _COMMENT.match(line[1])]
    if not lines:
        raise DataError(f"{source}: the file is empty: it has neither a header nor rows")
    lines, told = _excel_separator(lines)
    dialect = recognise([line for _, line in lines[:_SAMPLE]], options.separator or told, options.decimal)
    names, comment_notes = _comment_names(numbered, lines, dialect)
    notes += comment_notes
    table = _read_fast(lines, dialect, source, notes, names)
    return table or _read_slow(lines, dialect, source, notes, names)


def decode(data: bytes, source: str) -> tuple[str, tuple[str, ...]]:
    """Return the text and a note if its encoding had to be guessed; raise DataError if this is no text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], encoding, source), ()
    if b"\0" in data:
        where = data.index(b"\0")
        raise DataError(f"{source}: not a text table: byte {where} is zero; save it as UTF-8 text, or name its format")
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        text = data.decode("cp1252", errors="replace")
        if "\ufffd" in text or _CONTROL.search(text):
            raise DataError(
                f"{source}: not a text table: byte {error.start} is 0x{data[error.start]:02x}, which is not UTF-8; "
                "save the table as UTF-8 text"
            ) from None
        return text, ("the file is not UTF-8 and was read as Windows-1252",)


def _decode_as(data: bytes, encoding: str, source: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source}: not valid {encoding.upper()} at byte {error.start}: save it as UTF-8 text"
        ) from None


def _excel_separator(lines: list[Line]) -> tuple[list[Line], str | None]:
    """Take Excel's own first line `sep=;` for what it is."""
    match = re.fullmatch(r"(?i)sep=(.)", lines[0][1].strip("\r\n\ufeff"))
    return (lines[1:], match[1]) if match and len(lines) > 1 else (lines, None)


def _comment_names(
    numbered: list[Line], lines: list[Line], dialect: Dialect
) -> tuple[list[str] | None, tuple[str, ...]]:
    """Return the names in a comment right above a first row of numbers, if there is one name per column."""
    label, first = lines[0]
    above = numbered[label - 2][1] if label > 1 else ""
    cells = _split(first, dialect)
    if not (_COMMENT.match(above) and is_numbers(cells, dialect.decimal)):
        return None, ()
    names = [name.strip() for name in _split(above.strip().lstrip("#").strip(), dialect)]
    names = join_unit_tokens(names) if dialect.separator == " " else names
    usable = len(names) == len(cells) == len(set(names)) and all(names) and not is_numbers(names, dialect.decimal)
    return (names, (f"the column names were taken from the comment in line {label - 1}",)) if usable else (None, ())


def _split(line: str, dialect: Dialect) -> list[str]:
    for _, cells in split_records([line], dialect.separator):
        return cells
    return []


def _read_fast(
    lines: list[Line], dialect: Dialect, source: str, notes: tuple[str, ...], names: list[str] | None
) -> RawTable | None:
    """Return the table if it is clean and all numbers, else None: the slow reader then says what is wrong where."""
    try:
        header = _split(lines[0][1], dialect)
    except csv.Error:
        return None
    headless = is_numbers(header, dialect.decimal)
    body = lines if headless else lines[1:]
    matrix = _load_numbers(body, dialect)
    if matrix is None or matrix.shape[1] != len(header):
        return None
    header = (names or list(headless_names(len(header)))) if headless else header
    labels = np.fromiter((label for label, _ in body), dtype=np.int64, count=len(body))
    named = not headless or names is not None
    columns = tuple(np.ascontiguousarray(column) for column in matrix.T)
    return RawTable(source, tuple(header), columns, labels, named=named, notes=notes)


def _load_numbers(body: list[Line], dialect: Dialect) -> np.ndarray | None:
    texts = [text for _, text in body]
    if dialect.decimal == ",":
        if any("." in text for text in texts):
            return None
        texts = [text.replace(",", ".") for text in texts]
    try:
        delimiter = None if dialect.separator == " " else dialect.separator
        matrix = np.loadtxt(texts, delimiter=delimiter, comments=None, ndmin=2) if texts else None
    except ValueError:
        return None
    complete = matrix is not None and len(matrix) == len(body) and np.isfinite(matrix).all()
    return matrix if complete else None


def _read_slow(
    lines: list[Line], dialect: Dialect, source: str, notes: tuple[str, ...], names: list[str] | None
) -> RawTable:
    try:
        found = split_records((text for _, text in lines), dialect.separator)
        records = [Record(lines[start][0], cells) for start, cells in found]
    except csv.Error as error:
        raise DataError(f"{source}: cannot be split into fields ({error}): check the quotes") from error
    if dialect.separator == " " and len(records) > 1 and len(records[0].cells) != len(records[1].cells):
        records[0] = Record(records[0].label, join_unit_tokens(records[0].cells))
    return table_from_records(source, records, dialect.decimal, notes, names)
