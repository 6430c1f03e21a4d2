"""Errors of a measured target: what kinds there are, how large they are, and rows that are grossly wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.rough.columns import Array, Rounding, Sheet, as_it_is, decimals, digits

Deviation = Callable[[Sheet, Array], Array]
Measure = Callable[[Sheet, Array], Array]
WRITTEN = digits(6)


@dataclass(frozen=True)
class Noise:
    """How a target comes to be measured.

    kind: "exact", "rounded" or "noisy". text: what it is, in words. deviation: standard deviation (N,) of the errors
    in every row, from the columns and the true values (N,). written: the rounding of what is measured. measure: draws
    the measured values; without it the errors are normal.
    """

    kind: str
    text: str
    deviation: Deviation
    written: Rounding = WRITTEN
    measure: Measure | None = None

    def measured(self, sheet: Sheet, true: Array) -> Array:
        """The values (N,) before they are written."""
        if self.measure is not None:
            return self.measure(sheet, true)
        return true + self.deviation(sheet, true) * sheet.random.standard_normal(len(true))


def _none(sheet: Sheet, true: Array) -> Array:
    return np.zeros(len(true))


def root_mean_square(values: Array) -> float:
    """The root mean square of values (N,)."""
    return float(np.sqrt(np.mean(values**2)))


def exact() -> Noise:
    """No errors at all."""
    return Noise("exact", "none", _none, as_it_is)


def rounded(count: int) -> Noise:
    """The target written with a few significant digits."""
    return Noise("rounded", f"rounded to {count} significant digits", _none, digits(count))


def additive(share: float) -> Noise:
    """Errors alike in all rows, as a share of the root mean square of the target."""
    text = f"additive, {100 * share:g} % of the root mean square of the target"
    return Noise("noisy", text, lambda sheet, true: np.full(len(true), share * root_mean_square(true)))


def of_spread(share: float) -> Noise:
    """Errors alike in all rows, as a share of the standard deviation of the target."""
    text = f"additive, {100 * share:g} % of the standard deviation of the target"
    return Noise("noisy", text, lambda sheet, true: np.full(len(true), share * float(np.std(true))))


def alike(deviation: float, unit: str) -> Noise:
    """Errors alike in all rows, in the unit of the target."""
    return Noise("noisy", f"additive, {deviation:g} {unit}", lambda sheet, true: np.full(len(true), deviation))


def proportional(share: float) -> Noise:
    """Errors in proportion to the target."""
    return Noise("noisy", f"{100 * share:g} % of the value", lambda sheet, true: share * np.abs(true))


def growing(text: str, deviation: Deviation) -> Noise:
    """Errors of another size in every row."""
    return Noise("noisy", text, deviation)


def counts() -> Noise:
    """The target is a rate, and events are counted."""
    return Noise("noisy", "Poisson counts", lambda sheet, true: np.sqrt(true), as_it_is,
                 lambda sheet, true: sheet.random.poisson(true).astype(float))  # fmt: skip


def fractions(trials: str) -> Noise:
    """The target is a chance, and the share of successes among the trials that a column tells is seen."""

    def deviation(sheet: Sheet, true: Array) -> Array:
        return np.sqrt(true * (1 - true) / sheet.columns[trials])

    def measure(sheet: Sheet, true: Array) -> Array:
        return sheet.random.binomial(sheet.columns[trials].astype(int), true) / sheet.columns[trials]

    return Noise("noisy", f"binomial, {trials}", deviation, decimals(4), measure)


@dataclass(frozen=True)
class Outliers:
    """Rows that are wrong by low to high times the size of the target, up or down, whatever their noise.

    size: gives the size of the target from its true values (N,).
    """

    count: int
    low: float
    high: float
    size: Callable[[Array], float]

    def drawn(self, sheet: Sheet, true: Array) -> tuple[Array, Array]:
        """Which rows (count,), in order, and what is added to them (count,)."""
        rows = np.sort(sheet.random.choice(len(true), self.count, replace=False))
        signs = sheet.random.choice([-1.0, 1.0], self.count)
        return rows, signs * self.size(true) * sheet.random.uniform(self.low, self.high, self.count)


def stray(count: int) -> Outliers:
    """Rows off by 0.6 to 1.2 of the target's root mean square."""
    return Outliers(count, 0.6, 1.2, root_mean_square)


def wild(count: int) -> Outliers:
    """Rows off by 4 to 9 standard deviations of the target."""
    return Outliers(count, 4.0, 9.0, lambda true: float(np.std(true)))
