"""Columns that act as one number, seen by the order into which it puts the rows: for laws too fast to model.

Where the target depends on a product of powers of the columns alone, rows that follow each other in its order have
targets near each other. The mean square of successive differences over twice the variance (von Neumann 1941) is 1 for
any other order, and needs no smooth model.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np

from kansym.structure.surrogate import fit_surrogate
from kansym.structure.symmetry import Rows, Scaling, error_over_spread, monomial

Array = np.ndarray
EXPONENTS = (0, 1, -1, 2, -2)
MOST_COLUMNS, FEWEST_ROWS, MOST_ROWS = 5, 60, 1200
ORDERED = 0.25  # ratio of von Neumann below which an order says something
CLEARER = 0.5  # of the error of a smooth model of all columns that the one number must reach


def find_order(rows: Rows) -> Scaling | None:
    """The product of powers of the columns that the target is a function of, as a reduction; None if there is none."""
    columns = rows.inputs.shape[1]
    positive = np.all(rows.inputs > 0) and np.all(rows.held_inputs > 0)
    if not (2 <= columns <= MOST_COLUMNS and len(rows.target) >= FEWEST_ROWS and positive):
        return None
    powers = _directions(columns)
    inputs, target = rows.inputs[:MOST_ROWS], rows.target[:MOST_ROWS]
    ratios = _ratios(np.log(inputs) @ powers.T.astype(float), target)
    best = int(np.argmin(ratios))
    if not ratios[best] < ORDERED:
        return None
    exponents = tuple(Fraction(int(power)) for power in powers[best])
    error = _interpolated(rows, exponents)
    model = fit_surrogate(rows.inputs, rows.target, rows.held_inputs, rows.held_target)
    smooth = 1.0 if model is None else error_over_spread(model.predict(rows.held_inputs), rows.held_target)
    return Scaling((Fraction(0),) * columns, (exponents,)) if error < CLEARER * smooth else None


def _directions(columns: int) -> Array:
    """Exponents (M, D) of at least two columns, one of every set of multiples."""
    found = {}
    for powers in product(EXPONENTS, repeat=columns):
        used = [power for power in powers if power]
        if len(used) > 1 and used[0] > 0:
            found.setdefault(tuple(Fraction(power, used[0]) for power in powers), powers)
    return np.array(sorted(found.values(), key=lambda powers: sum(map(abs, powers))))


def _ratios(numbers: Array, target: Array) -> Array:
    """The ratio of von Neumann (M,) for the rows in the order of each of the numbers (N, M)."""
    ordered = target[np.argsort(numbers, axis=0, kind="stable")]
    return np.mean(np.diff(ordered, axis=0) ** 2, axis=0) / max(2.0 * float(np.var(target)), 1e-300)


def _interpolated(rows: Rows, exponents: tuple[Fraction, ...]) -> float:
    """The held-out error over the spread of straight lines between neighbours."""
    number, held = monomial(rows.inputs, exponents), monomial(rows.held_inputs, exponents)
    order = np.argsort(number, kind="stable")
    return error_over_spread(np.interp(held, number[order], rows.target[order]), rows.held_target)
