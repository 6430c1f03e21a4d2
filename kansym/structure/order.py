"""Columns that act as one number and a factor, seen by the order of the rows: for laws too fast to model.

Where the target over a factor depends on a product of powers of the columns alone, rows that follow each other in its
order have targets near each other. The mean square of successive differences over twice the variance (von Neumann
1941) is 1 for any other order, and needs no smooth model.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np

from kansym.structure.rows import Rows, error_over_spread
from kansym.structure.smooth import modelled_error
from kansym.structure.symmetry import Scaling, monomial

Array = np.ndarray
EXPONENTS = (0, 1, -1, 2, -2)
MOST_COLUMNS, FEWEST_ROWS, MOST_ROWS = 5, 60, 1200
ORDERED = 0.25  # ratio of von Neumann below which an order says something
FACTOR_POWERS, FACTOR_PAYS = (1, -1, 2), 0.5  # what a factor before the law must lower the ratio to
CLEARER = 0.5  # of the error of a smooth model of all columns that the one number must reach


def find_order(rows: Rows) -> Scaling | None:
    """The factor and the product of powers that the target is a function of, as a reduction; None if there is none."""
    columns = rows.inputs.shape[1]
    positive = np.all(rows.inputs > 0) and np.all(rows.held_inputs > 0)
    if not (2 <= columns <= MOST_COLUMNS and len(rows.target) >= FEWEST_ROWS and positive):
        return None
    powers, logs = _directions(columns), np.log(rows.inputs[:MOST_ROWS])
    best, found = ORDERED, None
    for factor in _factors(columns):
        free = powers[np.all((powers == 0) | (np.array(factor) == 0), axis=1)]
        free = free[np.max(np.abs(free), axis=1) == 1] if any(factor) else free
        size = np.exp(logs @ np.array(factor, dtype=float))
        ratios = _ratios(logs @ free.T.astype(float), rows.target[:MOST_ROWS] / size, size)
        if len(ratios) and ratios.min() < (best if found is None else FACTOR_PAYS * best):
            best, found = float(ratios.min()), (factor, free[int(np.argmin(ratios))])
    if found is None:
        return None
    factor, exponents = (tuple(Fraction(int(power)) for power in row) for row in found)
    scaling = Scaling(factor, (exponents,))
    return scaling if _interpolated(rows, scaling) < CLEARER * modelled_error(rows) else None


def _factors(columns: int) -> list[tuple[int, ...]]:
    """Exponents (D,) of what stands before the law: nothing, or a power of one column."""
    unit = np.eye(columns, dtype=int)
    return [(0,) * columns, *(tuple((power * row).tolist()) for row in unit for power in FACTOR_POWERS)]


def _directions(columns: int) -> Array:
    """Exponents (M, D) of at least two columns, one of every set of multiples."""
    found = {}
    for powers in product(EXPONENTS, repeat=columns):
        used = [power for power in powers if power]
        if len(used) > 1 and used[0] > 0:
            found.setdefault(tuple(Fraction(power, used[0]) for power in powers), powers)
    return np.array(sorted(found.values(), key=lambda powers: sum(map(abs, powers))))


def _ratios(numbers: Array, reduced: Array, size: Array) -> Array:
    """The ratio of von Neumann (M,) of reduced * size (N,) for the rows in the order of each of the numbers (N, M)."""
    order = np.argsort(numbers, axis=0, kind="stable")
    steps = np.diff(reduced[order], axis=0) * size[order[1:]]
    return np.mean(steps**2, axis=0) / max(2.0 * float(np.var(reduced * size)), 1e-300)


def _interpolated(rows: Rows, scaling: Scaling) -> float:
    """The held-out error over the spread of straight lines between neighbours."""
    reduced = scaling.apply(rows)
    order = np.argsort(reduced.inputs[:, 0], kind="stable")
    between = np.interp(reduced.held_inputs[:, 0], reduced.inputs[order, 0], reduced.target[order])
    return error_over_spread(between * monomial(rows.held_inputs, scaling.prefactor), rows.held_target)
