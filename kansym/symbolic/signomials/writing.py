"""Trained sums as formulas."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from kansym.symbolic.expression import Expression, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.signomials.exponents import Beside
from kansym.symbolic.signomials.table import ProductTable
from kansym.symbolic.signomials.training import Sums, values_of

Array = np.ndarray
NEGLIGIBLE = 1e-10  # coefficient of a term of size 1 that is left out
ROUNDED = 1e-12  # from a fraction: an exponent that was made exact


def factor_outside(table: ProductTable, beside: Beside, number: Callable[[float], Expression]) -> Expression:
    """What the exponential of a sum is multiplied with: a constant and powers of columns."""
    if table.beside is None:
        return whole(1)
    raised = (_raised(Variable(j), float(p), number) for j, p in zip(table.scaled, beside.powers, strict=True) if p)
    return multiply(number(float(np.exp(np.clip(beside.constant, -700.0, 700.0)))), *raised)


def _size(table: ProductTable, state: Sums, term: int) -> float:
    """Root mean square of a product before its coefficient."""
    return _root_mean_square(values_of(table, state.exponents, state.values)[0, term])


def _root_mean_square(values: Array) -> float:
    """Of numbers whose squares may be too large to be written."""
    largest = float(np.max(np.abs(values)))
    return largest * float(np.sqrt(np.mean((values / largest) ** 2))) if 0 < largest < np.inf else largest


def written(table: ProductTable, state: Sums, number: Callable[[float], Expression]) -> Expression:
    terms = []
    for k in range(state.exponents.shape[1]):
        powers = [
            _raised(Variable(j), float(p), number) for j, p in zip(table.scaled, state.exponents[0, k], strict=True)
        ]
        edges = [table.names[i] for i in state.chosen[0, k] if i]
        body = multiply(*powers, *edges)
        raw = np.prod(table.factors.T[state.chosen[0, k]], axis=0)
        size = _root_mean_square(raw) or 1.0
        shift = float(np.exp(-state.exponents[0, k] @ table.means)) if len(table.means) else 1.0
        if np.abs(state.coefficients[0, k]) * _size(table, state, k) < NEGLIGIBLE:
            continue
        terms.append(multiply(number(float(state.coefficients[0, k]) * table.size * shift / size), body))
    return add(*terms)


def _raised(column: Expression, exponent: float, number: Callable[[float], Expression]) -> Expression:
    """A power of a column: of an exact exponent, or exp(p log x) of one that no fraction is near."""
    fraction = Fraction(exponent).limit_denominator(6)
    if abs(float(fraction) - exponent) < ROUNDED:
        return raise_to(column, fraction)
    return call("exp", multiply(number(exponent), call("log", column)))
