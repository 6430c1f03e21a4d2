"""Columns that act as two numbers and a factor, seen by nearest neighbours: for laws too fast to model.

Where the target over a factor depends on two products or quotients of columns alone, rows that are near each other in
these have targets near each other, however fast the law oscillates: the mean square of differences between nearest
neighbours over twice the variance (the delta test of Pi and Peterson, Neural Computation 6, 1994) needs no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations

import numpy as np
from scipy.spatial import KDTree

from kansym.structure.rows import Rows
from kansym.structure.smooth import modelled_error
from kansym.structure.symmetry import Scaling, monomial

Array = np.ndarray
COLUMNS, FEWEST_ROWS, MOST_ROWS = range(3, 6), 200, 1500
FACTORS = (Fraction(1), Fraction(-1), Fraction(2))  # powers of the column that stands before the law
SMOOTH = 0.02  # error of a smooth model of all columns below which its gradients say more
NEAR = 0.2  # share of the variance between neighbours below which a grouping says something
CLEARER = 0.5  # of the error of the smooth model that one of the two numbers must reach


def find_neighbours(rows: Rows, idle: bool = False) -> Scaling | None:
    """The factor and the two products or quotients that the target is a function of, as a reduction; None without.

    idle: whether columns may be left out of all of them.
    """
    columns = rows.inputs.shape[1]
    if columns not in COLUMNS or len(rows.target) < FEWEST_ROWS:
        return None
    if not (np.all(rows.inputs > 0) and np.all(rows.held_inputs > 0)):
        return None
    smooth = modelled_error(rows)
    if smooth < SMOOTH:
        return None
    some = Rows(rows.inputs[:MOST_ROWS], rows.target[:MOST_ROWS], rows.held_inputs, rows.held_target)
    scored = [(_between_neighbours(some, scaling), scaling) for scaling in _scalings(columns, idle)]
    between, best = min(scored, key=lambda item: item[0])
    if between > NEAR:
        return None
    factor = monomial(rows.held_inputs, best.prefactor)
    return best if modelled_error(best.apply(rows), factor) <= CLEARER * smooth else None


def columns_of(scaling: Scaling) -> tuple[int, ...]:
    """The columns that a reduction reads."""
    every = zip(scaling.prefactor, *scaling.invariants, strict=True)
    return tuple(i for i, powers in enumerate(every) if any(powers))


def _scalings(columns: int, idle: bool) -> Iterator[Scaling]:
    """A factor, or none, and two products or quotients of at most two columns; all columns must be in one, or not."""
    unit = [tuple(Fraction(int(i == j)) for j in range(columns)) for i in range(columns)]
    pairs = [
        tuple(a + sign * b for a, b in zip(unit[i], unit[j], strict=True))
        for i, j in combinations(range(columns), 2)
        for sign in (1, -1)
    ]
    none = (Fraction(0),) * columns
    factors = [none, *(tuple(power * x for x in row) for row in unit for power in FACTORS)]
    for first, second in combinations([*unit, *pairs], 2):
        for factor in factors:
            used = [abs(a) + abs(b) + abs(c) for a, b, c in zip(first, second, factor, strict=True)]
            if (idle or all(used)) and not any(f and (a or b) for a, b, f in zip(first, second, factor, strict=True)):
                yield Scaling(factor, (first, second))


def _places(inputs: Array, scaling: Scaling) -> Array:
    return np.stack([monomial(inputs, exponents) for exponents in scaling.invariants], axis=1)


def _between_neighbours(rows: Rows, scaling: Scaling) -> float:
    """The mean square of what nearest neighbours differ by, over twice the variance of the target."""
    places, factor = _places(rows.inputs, scaling), monomial(rows.inputs, scaling.prefactor)
    ranks = np.argsort(np.argsort(places, axis=0, kind="stable"), axis=0) / len(places)
    _, places_of = KDTree(ranks).query(ranks, k=2)
    nearest = np.asarray(places_of)[:, 1]
    reduced = rows.target / factor
    gap = (reduced - reduced[nearest]) * factor
    return float(np.mean(gap**2) / max(2.0 * np.var(rows.target), 1e-300))
