"""Excel sheets (.xlsx)."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import Any

from kansym.data.options import TableOptions
from kansym.data.records import Record, table_from_records
from kansym.data.sources import check_size, optional_module, refuse_damage
from kansym.data.table import RawTable
from kansym.errors import DataError, did_you_mean, quote


def read_xlsx(data: bytes, source: str, options: TableOptions) -> RawTable:
    """Read one sheet of an Excel file: values, not formulas; row labels are those of the sheet.

    Raises:
        DataError: if it is damaged, openpyxl is missing, or there is no such sheet.
    """
    openpyxl = optional_module("openpyxl", "Excel files")
    with refuse_damage(source, "an Excel file"), warnings.catch_warnings():
        # openpyxl warns of drop-down lists and styles it does not keep; they do not touch the numbers.
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_size(source, sum(member.file_size for member in archive.infolist()))
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = _find_sheet(book, source, options.sheet)
        sheet.reset_dimensions()
        rows = enumerate(sheet.iter_rows(values_only=True), 1)
        records = [Record(label, [_cell_text(value) for value in row]) for label, row in rows if row]
        book.close()
    return table_from_records(source, _even(records), ".", ())


def _find_sheet(book: Any, source: str, name: str | None) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if name is None and sheets:
        return next(iter(sheets.values()))
    if name not in sheets:
        raise DataError(f"{source}: no sheet {quote(name or '')}: {did_you_mean(name or '', sheets)}")
    return sheets[name]


def _even(records: list[Record]) -> list[Record]:
    """Pad rows to the widest: a sheet stores no cells after the last one that is filled."""
    width = max((len(record.cells) for record in records), default=0)
    return [Record(record.label, record.cells + [""] * (width - len(record.cells))) for record in records]


def _cell_text(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
