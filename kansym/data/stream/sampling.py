"""A large table for those who need a small one: a random sample as a data set, and the source to judge on all rows."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kansym.data.dataset import Dataset
from kansym.data.options import TableOptions
from kansym.data.select import build_dataset, choose_roles
from kansym.data.stream.arrays import is_compressed
from kansym.data.stream.base import RowSource, join
from kansym.data.stream.opening import WHOLE_ONLY, open_rows, suffix_of
from kansym.data.stream.statistics import column_statistics
from kansym.data.table import RawTable

LARGE = 256 << 20
"""Bytes of a file from which a sample of it stands for the table."""
SAMPLED = 50_000


def is_large(path: str | Path, least: int = LARGE) -> bool:
    """Return whether this is a file of at least `least` bytes that can be read in blocks; standard input never is."""
    file = Path(path)
    if str(path) == "-" or not file.is_file() or file.stat().st_size < least or suffix_of(file) in WHOLE_ONLY:
        return False
    return not is_compressed(file) if suffix_of(file) == ".npz" and zipfile.is_zipfile(file) else True


def read_sample(
    path: str | Path, options: TableOptions | None = None, rows: int = SAMPLED, seed: int = 0
) -> tuple[Dataset, RowSource]:
    """Read a random sample of a table, after one pass over all rows that checks every number in use.

    Args:
        path: as for `open_rows`.
        options: which columns play which part, and how the file is written.
        rows: how many are drawn; the rows that hold the least and the greatest value of every column come on top.
        seed: the same seed gives the same rows.

    Returns:
        The sample as a data set, with a note that it is one, and the source of all rows.

    Raises:
        DataError: as for `read_table`.
    """
    chosen = options or TableOptions()
    source = open_rows(path, chosen)
    roles = choose_roles(source.head, chosen)
    used = [source.names[place] for place in roles.used]
    statistics = column_statistics(source, max(1, LARGE // (64 * len(used))), used)
    drawn = source.sample(rows, seed, used)
    extremes = statistics.extremes.take(~np.isin(statistics.extremes.index, drawn.index))
    sample = join([drawn, extremes])
    columns = tuple(column.astype(np.float64) for column in sample.values.T)
    table = RawTable(source.source, tuple(used), columns, sample.index + 1)
    # The columns that are not used are gone, and with them which one was the last.
    units = {name: unit for name, unit in chosen.units.items() if source.position(name, "units") in roles.used}
    dataset = build_dataset(table, replace(chosen, target=_listed(source.names, roles.targets), units=units))
    left_out = source.rows - statistics.rows
    dropped = f", rows with missing values left out: {left_out}" if left_out else ""
    note = f"fitted to a random sample of {len(sample)} of {source.rows} rows{dropped}"
    return replace(dataset, notes=(*dataset.notes, note)), source


def _listed(names: Sequence[str], places: Sequence[int]) -> str:
    """Some of the names as one row of CSV; one name alone stands as it is."""
    if len(places) == 1:
        return names[places[0]]
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([names[place] for place in places])
    return row.getvalue()
