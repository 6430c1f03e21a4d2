"""Which character separates the fields of a text table, and which one marks the decimals."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kansym.data.numbers import parse_cell

CANDIDATES = ("\t", ";", ",", "|", " ")
"""In order of preference when two explain a file equally well; a blank stands for any run of blanks and tabs."""


@dataclass(frozen=True)
class Dialect:
    """The separator (one character; a blank means any run of blanks) and the decimal mark."""

    separator: str
    decimal: str


def split_records(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (position of the record's first line, cells); a quoted cell may hold separators and line breaks.

    Args:
        lines: lines without their line ends.
        separator: as in `Dialect`.

    Raises:
        csv.Error: if a field is longer than 131072 characters.
    """
    blank = separator == " "
    prepared = (_single_blanks(line) if blank else line + "\n" for line in lines)
    reader = csv.reader(prepared, delimiter=separator, skipinitialspace=True)
    start = 0
    for cells in reader:
        yield start, cells
        start = reader.line_num


def _single_blanks(line: str) -> str:
    return line.replace("\t", " ").strip() + "\n"


def recognise(lines: Sequence[str], separator: str | None, decimal: str | None) -> Dialect:
    """Return the dialect that explains the lines best: equal numbers of fields, and fields that are numbers.

    Args:
        lines: the head of the file, without blank lines and comments.
        separator: the separator if it is known.
        decimal: the decimal mark if it is known.
    """
    dialects = [
        Dialect(mark, point)
        for mark in ([separator] if separator else CANDIDATES)
        for point in ([decimal] if decimal else (".", ","))
        if mark != point
    ]
    return max(dialects, key=lambda dialect: _score(lines, dialect))


def _score(lines: Sequence[str], dialect: Dialect) -> float:
    """Return the share of lines with the usual number of fields times the share of fields that are numbers."""
    try:
        records = [cells for _, cells in split_records(lines, dialect.separator)]
    except csv.Error:
        return 0.0
    widths = Counter(len(cells) for cells in records if len(cells) > 1)
    if not widths:
        return 0.0
    cells = [cell for record in records for cell in record if cell.strip()]
    numbers = sum(parse_cell(cell, dialect.decimal) is not None for cell in cells)
    return widths.most_common(1)[0][1] / len(records) * (numbers + 1) / (len(cells) + 1)
