"""Tables of known laws: what is known of each, and its rows from a seed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kansym.data import Dataset
from kansym.data.units import split_headers
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Expression
from kansym.symbolic.parser import parse
from tests.benchmarks.rough.columns import Array, Column, Sheet
from tests.benchmarks.rough.noise import Noise, Outliers

FRESH_ROWS = 1000
FEW = 60  # rows


@dataclass(frozen=True)
class Table:
    """A table that is drawn from a law.

    target: its header. law: text in the names of the columns. about: what the law is. noise, outliers: of the
    target. condition: what is rough about the table beside its noise. difficulty: "easy", "medium" or "hard", as
    guessed beforehand. repeated: how many of the rows are copies of others.
    """

    name: str
    target: str
    law: str
    about: str
    difficulty: str
    rows: int
    noise: Noise
    columns: tuple[Column, ...]
    condition: str = ""
    outliers: Outliers | None = None
    repeated: int = 0

    @cached_property
    def visible(self) -> tuple[Column, ...]:
        """The columns of the table, hidden ones left out (D)."""
        return tuple(each for each in self.columns if each.role != "hidden")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Their names (D)."""
        return self._split[0][:-1]

    @cached_property
    def _split(self) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
        return split_headers((*(each.header for each in self.visible), self.target))

    @cached_property
    def idle(self) -> tuple[str, ...]:
        """Names of the columns that the law does not read."""
        return tuple(each.name for each in self.visible if each.role == "idle")

    @cached_property
    def expression(self) -> Expression:
        """The law in the columns of the table."""
        return parse(self.law, self.names)

    @property
    def noise_text(self) -> str:
        """The noise in words, with the outliers."""
        count = self.outliers.count if self.outliers else 0
        return self.noise.text + (f"; {count} gross outlier{'s' * (count > 1)}" if count else "")

    def table_of(self, inputs: Array, target: Array) -> Dataset:
        """A data set with the names and units of this table, from inputs (N, D) and target (N,)."""
        names, units = self._split
        return Dataset(inputs, target, names[:-1], names[-1:], units[:-1], units[-1:], source=f"{self.name}.csv")


@dataclass(frozen=True, eq=False)
class Drawn:
    """The rows of a table: as they are measured, true values (N,), standard deviations of the errors (N,), outliers."""

    data: Dataset
    true: Array
    deviation: Array
    outliers: Array


def draw(table: Table, seed: int) -> Drawn:
    """The table as somebody might bring it; the same seed gives the same numbers in every process."""
    sheet = Sheet(_generator(table, seed, 0), table.rows - table.repeated)
    inputs = _filled(sheet, table)
    true = table.expression.evaluate(inputs)
    measured = table.noise.measured(sheet, true)
    rows = np.zeros(0, dtype=int)
    if table.outliers is not None:
        rows, added = table.outliers.drawn(sheet, true)
        measured[rows] += added
    return Drawn(table.table_of(inputs, table.noise.written(measured)), true, table.noise.deviation(sheet, true), rows)


def fresh(table: Table, seed: int) -> Rows:
    """New rows of the law to judge by: nothing rounded, no errors, no outliers; designs are filled between levels."""
    inputs = _filled(Sheet(_generator(table, seed, 1), FRESH_ROWS, fresh=True), table)
    return Rows(inputs, table.expression.evaluate(inputs))


def _generator(table: Table, seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(table.name.encode()), stream])


def _filled(sheet: Sheet, table: Table) -> Array:
    """Draw the columns onto the sheet; those of the table (N, D)."""
    for each in table.columns:
        values = each.draw(sheet)
        sheet.columns[each.name] = values if sheet.fresh else each.rounding(values)
    if table.repeated and not sheet.fresh:
        again = np.r_[np.arange(sheet.rows), sheet.random.choice(sheet.rows, table.repeated, replace=False)]
        sheet.columns = {name: values[again] for name, values in sheet.columns.items()}
        sheet.rows = table.rows
    return np.column_stack([sheet.columns[name] for name in table.names])
