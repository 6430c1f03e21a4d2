"""Exponents that lie near small fractions become exact, in the products and beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from kansym.symbolic.signomials.table import ProductTable
from kansym.symbolic.signomials.training import CLEAN, Sums, fit_sums, placed, values_of

Array = np.ndarray
LARGEST_PLAIN = 13.0
MOST_LOOSE = 2  # exponents of a sum that may be no small fractions; a single product may have any number
SURE = 4.0  # standard errors that an exponent may be away from a fraction
NUMERICAL = 1e-5
CHANCE = 3.0  # standard deviations that the misfit may rise by chance when an exponent is made exact
SMALLEST = 1e-100  # of a slope that is divided by, so that its square is still a number


def made_exact(table: ProductTable, state: Sums) -> Sums | None:
    """The sum with exponents made exact one after the other; None when too many of them are near no fraction."""
    waiting, loose = np.ones(state.exponents.shape[1:]), np.zeros(state.exponents.shape[1:])
    errors = _standard_errors(table, state)
    while np.any(waiting):
        gaps = np.where(
            waiting > 0, np.abs(state.exponents[0] - np.round(state.exponents[0])) / (errors + NUMERICAL), np.inf
        )
        at = np.unravel_index(np.argmin(gaps), gaps.shape)
        waiting[at] = 0.0
        fixed = _fixed(table, state, (int(at[0]), int(at[1])), float(errors[at]), waiting + loose)
        if fixed is not None:
            state = fixed
            continue
        loose[at] = 1.0
        if np.any(table.negative[:, at[1]]) or (len(loose) > 1 and loose.sum() > MOST_LOOSE):
            return None
    return state


def _fixed(table: ProductTable, state: Sums, at: tuple[int, int], error: float, free: Array) -> Sums | None:
    """The sum with one exponent made exact and the free (K, P) ones trained; None when it is near no fraction."""
    fraction = near_fraction(float(state.exponents[0][at]), SURE * error + NUMERICAL)
    if fraction is None or not _real(fraction, bool(state.odd[0][at]), bool(np.any(table.negative[:, at[1]]))):
        return None
    exponents = state.exponents.copy()
    exponents[0][at] = float(fraction)
    fixed = fit_sums(table, placed(table, replace(state, exponents=exponents)), 12, free)
    limit = state.loss[0] * (1.0 + CHANCE * np.sqrt(2.0) / np.sqrt(len(table.target))) + CLEAN**2
    return None if fixed.loss[0] > limit else fixed


def _real(exponent: Fraction, odd: bool, signed: bool) -> bool:
    """Whether a power of a column has the sign that entered: whole ones of columns that change sign, odd or even."""
    return not signed or (exponent.denominator == 1 and exponent.numerator % 2 == odd)


def near_fraction(value: float, tolerance: float) -> Fraction | None:
    """The plainest of the fractions with denominators 1, 2, 3 within the tolerance, or None; none is very large."""
    if abs(value) > LARGEST_PLAIN:
        return None
    for denominator in (1, 2, 3):
        fraction = Fraction(round(value * denominator), denominator)
        if abs(float(fraction) - value) <= min(tolerance, 0.45 / denominator):
            return fraction
    return None


def _standard_errors(table: ProductTable, state: Sums) -> Array:
    """Of the exponents (K, P), by the curvature of the misfit."""
    products = values_of(table, state.exponents, state.values)[0]
    c = state.coefficients[0]
    terms, count = products.shape
    slopes = np.empty((terms, 1 + table.logs.shape[1], count))
    slopes[:, 0] = products
    slopes[:, 1:] = (products * c[:, None])[:, None] * table.logs.T
    matrix = table.weighted(slopes).reshape(-1, count)
    scale = np.maximum(np.linalg.norm(matrix, axis=1), SMALLEST)
    gram = (matrix / scale[:, None]) @ (matrix / scale[:, None]).T
    variance = (
        np.diag(np.linalg.pinv(gram, rcond=1e-13)) / scale**2 * state.loss[0] * count / max(count - len(scale), 1)
    )
    return np.sqrt(np.maximum(variance, 0.0)).reshape(terms, -1)[:, 1:]


@dataclass(frozen=True)
class Beside:
    """A sum of products with what stands beside it: powers of columns, one number for each of `scaled`, a constant."""

    state: Sums
    powers: Array
    constant: float


def powers_beside(table: ProductTable, state: Sums) -> Beside:
    """The powers beside a sum, made exact one after the other where a fraction is near, and the constant."""
    powers = np.zeros(len(table.scaled))
    waiting = list(table.beside or ())
    state, weights, errors = _solved(table, state)
    while waiting:
        sizes = weights[1:] * table.size
        place = int(np.argmin(np.abs(sizes - np.round(sizes)) / (errors[1:] * table.size + NUMERICAL)))
        column = waiting.pop(place)
        fraction = near_fraction(float(sizes[place]), SURE * float(errors[1 + place]) * table.size + NUMERICAL)
        powers[column] = sizes[place] if fraction is None else float(fraction)
        shifted = table.target - powers[column] / table.size * table.logs[:, column]
        table = replace(table, target=shifted, beside=tuple(waiting))
        state, weights, errors = _solved(table, state)
    constant = 0.0 if table.beside is None else float(weights[0]) * table.size
    return Beside(state, powers, constant - float(powers @ table.means))


def _solved(table: ProductTable, state: Sums) -> tuple[Sums, Array, Array]:
    """The sum with its coefficients at their best, and the weights of what stands beside it with standard errors."""
    state = placed(table, state)
    total = values_of(table, state.exponents, state.values)[0].T @ state.coefficients[0]
    matrix = table.plain * table.roots[:, None]
    weights = np.linalg.lstsq(matrix, (table.target - total) * table.roots, rcond=None)[0]
    every = np.column_stack([matrix, values_of(table, state.exponents, state.values)[0].T * table.roots[:, None]])
    scale = np.maximum(np.linalg.norm(every, axis=0), 1e-200)
    spread = np.diag(np.linalg.pinv((every / scale).T @ (every / scale), rcond=1e-13)) / scale**2
    errors = np.sqrt(np.maximum(spread * state.loss[0] * len(every) / max(len(every) - len(scale), 1), 0.0))
    return state, weights, errors[: len(weights)]
