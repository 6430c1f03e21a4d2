"""Which columns of a matrix add up to nothing: its null space, the simplest columns first, as short relations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.symbolic.exact import exact_form
from kansym.symbolic.expression import Constant, Expression, add, multiply

Array = np.ndarray
NOTHING = 1e-13  # of the largest column's size: what is left of a column that is nothing
LOOSER = 2.0  # times its residual that a relation may have with fewer columns
ROUNDING = 1e-12


@dataclass(frozen=True)
class Relation:
    """Columns whose sum with these coefficients is nothing.

    Args:
        columns: their places.
        coefficients: one per column.
        errors: one standard error per coefficient; the last column's is 0.
        residual: what is left, over the size of the last column.
    """

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    errors: tuple[float, ...]
    residual: float


def relations(matrix: Array, sizes: Array, tolerance: float) -> Iterator[Relation]:
    """Find all independent relations among columns.

    Column after column is fitted by those before it that were not; where that leaves nothing, there is a relation. So
    each is told in the simplest columns that can.

    Args:
        matrix: (M, F), the simplest column first; M well above F.
        sizes: (F,) what counts as the size of a column: of its parts, where these may cancel.
        tolerance: what may be left of a column, over its size.
    """
    usable = sizes > NOTHING * sizes.max(initial=0.0)
    scaled = matrix / np.where(usable, sizes, 1.0)
    kept: list[int] = []
    basis = np.zeros((len(matrix), 0))
    for column in np.flatnonzero(usable):
        rest = scaled[:, column] - basis @ (basis.T @ scaled[:, column])
        rest -= basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > tolerance:
            kept.append(int(column))
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
        else:
            yield _shortest(scaled, sizes, kept, int(column), tolerance)


def _shortest(scaled: Array, sizes: Array, kept: Sequence[int], column: int, tolerance: float) -> Relation:
    """The relation of a column with as few others as possible: those that matter least go, one by one."""
    chosen = list(kept)
    fit, left = _fitted(scaled, chosen, column)
    limit = max(tolerance, LOOSER * left)
    while chosen:
        least = int(np.argmin(np.abs(fit) * np.linalg.norm(scaled[:, chosen], axis=0)))
        fewer = chosen[:least] + chosen[least + 1 :]
        trial, rest = _fitted(scaled, fewer, column)
        if rest > limit:
            break
        chosen, fit, left = fewer, trial, rest
    errors = _standard_errors(scaled[:, chosen], left)
    over = sizes[[*chosen, column]]
    numbers = np.array([*(-fit), 1.0]) / over
    return Relation((*chosen, column), tuple(numbers.tolist()), tuple((np.array([*errors, 0.0]) / over).tolist()), left)


def _fitted(scaled: Array, chosen: Sequence[int], column: int) -> tuple[Array, float]:
    """Least-squares coefficients of a column by others, and what is left."""
    if not chosen:
        return np.zeros(0), float(np.linalg.norm(scaled[:, column]))
    fit = np.linalg.lstsq(scaled[:, list(chosen)], scaled[:, column], rcond=None)[0]
    return fit, float(np.linalg.norm(scaled[:, column] - scaled[:, list(chosen)] @ fit))


def _standard_errors(columns: Array, left: float) -> Array:
    if columns.shape[1] == 0:
        return np.zeros(0)
    triangle = np.linalg.qr(columns, mode="r")
    inverse = np.linalg.pinv(triangle)
    sigma = max(left, ROUNDING) / np.sqrt(max(len(columns) - columns.shape[1], 1))
    return sigma * np.linalg.norm(inverse, axis=1)


def written(relation: Relation, library: Sequence[Expression], unit: int, value: float = 1.0) -> Expression:
    """The sum of a relation's terms, with known numbers exact where the standard errors allow it.

    Args:
        relation: among columns that belong to the library.
        library: one expression per column.
        unit: place in the relation of the coefficient that everything is divided by.
        value: what that coefficient becomes.
    """
    scale = value / relation.coefficients[unit]
    own = abs(relation.errors[unit] / relation.coefficients[unit])
    summands = []
    for place, (column, number, error) in enumerate(
        zip(relation.columns, relation.coefficients, relation.errors, strict=True)
    ):
        total = abs(scale) * np.hypot(error, own * abs(number))
        exact = exact_form(number * scale, 0.0 if place == unit else float(total))
        factor = exact.constant() if exact is not None else Constant(number * scale)
        summands.append((library[column].complexity, multiply(factor, library[column])))
    return add(*(term for _, term in sorted(summands, key=lambda item: item[0])))
