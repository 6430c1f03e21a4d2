"""Columns of a table: how their values are drawn and to how many digits they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kansym.data.units import split_header
from kansym.symbolic.parser import parse

Array = np.ndarray
Rounding = Callable[[Array], Array]


@dataclass
class Sheet:
    """A table while it is drawn, column by column.

    random: where the numbers come from. rows: how many (N). columns: name -> values (N,), as they are written.
    fresh: whether the rows are new ones to judge by: unrounded, and between the levels of a design.
    """

    random: np.random.Generator
    rows: int
    fresh: bool = False
    columns: dict[str, Array] = field(default_factory=dict)

    def evaluated(self, text: str) -> Array:
        """The values (N,) of a formula of the columns that are there already."""
        return parse(text, list(self.columns)).evaluate(np.column_stack(list(self.columns.values())))


Sampler = Callable[[Sheet], Array]


def digits(count: int) -> Rounding:
    """So many significant digits."""
    return lambda values: np.array([float(f"{value:.{count}g}") for value in values])


def decimals(count: int) -> Rounding:
    """So many digits behind the point."""
    return lambda values: np.round(values, count)


def multiples(step: float) -> Rounding:
    """Multiples of a step."""
    return lambda values: np.round(values / step) * step


def as_it_is(values: Array) -> Array:
    """No rounding."""
    return values


ORDINARY = digits(5)


@dataclass(frozen=True)
class Column:
    """One column: its header as in a file, with or without a unit, and how it is drawn.

    rounding: of the values as they are written. role: "relevant" to the law, "idle", or "hidden": drawn for the sake
    of later columns, and no part of the table. like: the relevant column that this one copies or is a function of;
    a formula may use either.
    """

    header: str
    draw: Sampler
    rounding: Rounding
    role: str = "relevant"
    like: str | None = None

    @property
    def name(self) -> str:
        """The header without the unit."""
        return split_header(self.header)[0]


def column(header: str, draw: Sampler, rounding: Rounding = ORDINARY, like: str | None = None) -> Column:
    """A column that the law reads."""
    return Column(header, draw, rounding, like=like)


def idle(header: str, draw: Sampler, rounding: Rounding = ORDINARY, like: str | None = None) -> Column:
    """A column that the law does not read."""
    return Column(header, draw, rounding, "idle", like)


def hidden(name: str, draw: Sampler) -> Column:
    """Random numbers that later columns are made of."""
    return Column(name, draw, as_it_is, "hidden")


def uniform(low: float, high: float) -> Sampler:
    """Even between two ends."""
    return lambda sheet: sheet.random.uniform(low, high, sheet.rows)


def log_uniform(low: float, high: float) -> Sampler:
    """Even in the logarithm."""
    return lambda sheet: np.exp(sheet.random.uniform(np.log(low), np.log(high), sheet.rows))


def integers(low: int, high: int) -> Sampler:
    """Whole numbers, both ends included."""
    return lambda sheet: sheet.random.integers(low, high + 1, sheet.rows).astype(float)


def normal(mean: float, deviation: float) -> Sampler:
    """Normally distributed."""
    return lambda sheet: sheet.random.normal(mean, deviation, sheet.rows)


def log_normal(median: float, deviation: float) -> Sampler:
    """Normally distributed in the logarithm."""
    return lambda sheet: median * np.exp(sheet.random.normal(0, deviation, sheet.rows))


def gamma(shape: float, scale: float, offset: float) -> Sampler:
    """A gamma distribution above an offset."""
    return lambda sheet: offset + sheet.random.gamma(shape, scale, sheet.rows)


def weibull(shape: float, scale: float, offset: float) -> Sampler:
    """A Weibull distribution above an offset."""
    return lambda sheet: offset + scale * sheet.random.weibull(shape, sheet.rows)


def choice(*values: float) -> Sampler:
    """One of these, at random."""
    return lambda sheet: sheet.random.choice(np.array(values, float), sheet.rows)


def flag(share: float) -> Sampler:
    """1 in a share of the rows, else 0."""
    return lambda sheet: (sheet.random.random(sheet.rows) < share).astype(float)


def constant(value: float) -> Sampler:
    """The same in every row."""
    return lambda sheet: np.full(sheet.rows, float(value))


def either(first: Sampler, second: Sampler) -> Sampler:
    """Drawn in one way or the other, with even chances."""
    return lambda sheet: np.where(sheet.random.random(sheet.rows) < 0.5, first(sheet), second(sheet))


def levels(*values: float, each: int = 1) -> Sampler:
    """The levels of a design, each so many times in a row, all of them again until the table is full."""

    def draw(sheet: Sheet) -> Array:
        if not sheet.fresh:
            return np.resize(np.repeat(np.array(values, float), each), sheet.rows)
        known = np.unique(np.array(values, float))
        return np.interp(sheet.random.uniform(0, len(known) - 1, sheet.rows), np.arange(len(known)), known)

    return draw


def steps(low: float, high: float) -> Sampler:
    """Evenly spaced from one end to the other, one step a row."""
    return lambda sheet: uniform(low, high)(sheet) if sheet.fresh else np.linspace(low, high, sheet.rows)


def geometric(low: float, high: float, count: int | None = None, each: int = 1) -> Sampler:
    """Levels that are evenly spaced in the logarithm; as many as there are rows if no count is given."""

    def draw(sheet: Sheet) -> Array:
        if sheet.fresh:
            return log_uniform(low, high)(sheet)
        return np.resize(np.repeat(np.geomspace(low, high, count or sheet.rows), each), sheet.rows)

    return draw


def follows(text: str, low: float = -np.inf, high: float = np.inf) -> Sampler:
    """A formula of earlier columns, cut off at both ends."""
    return lambda sheet: np.clip(sheet.evaluated(text), low, high)
