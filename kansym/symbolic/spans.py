"""Targets that are a weighted sum of given functions, however many of these there are: linear algebra alone.

Where the least squares of all functions leave nothing, or no more than the noise, the target lies in their span; the
functions that it does not need then go one by one, the one that is missed least first.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy import linalg

from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.links import Link, usable, weights_under

Array = np.ndarray
NOTHING = 1e-10  # RMS of what is left over the spread of the target
DEPENDENT = 1e-9  # of a column, when less than this of it is new
ROWS_PER_FUNCTION = 2.5
MOST_TERMS = 16
MOST_MIXED, ROWS_PER_WAVE = 5, 1.2  # of the largest sets, which are only believed when they leave nothing
POWERS = ("1", "-1", "2", "-2", "1/2", "3")
MOST_NOISY_TERMS, ROWS_PER_NOISY = 6, 4.0
NATS_PER_TERM = 4.0  # besides half a logarithm of the rows, that a term of a noisy sum must earn
ROUGHLY = 1.3  # times the noise, what a sum of a noisy target may leave


def exact_sums(rows: Rows) -> Iterator[Expression]:
    """Sums of powers, logarithms, products and waves of columns that leave nothing of the target under some link."""
    for expressions in _functions(rows.inputs.shape[1], len(rows)):
        found = list(_within(expressions, rows))
        if found:
            yield from found
            return


def rough_sums(rows: Rows, noise: float) -> Iterator[Expression]:
    """Sums of powers and products of columns that leave no more of the target than its noise under some link.

    noise: RMS over the target's spread.
    """
    names: list[Expression] = [Variable(i) for i in range(rows.inputs.shape[1])]
    squares = [raise_to(name, Fraction(2)) for name in names]
    for expressions in (_quadratic(names), [*squares, *_quadratic(squares)[len(squares) :]]):
        kept, values = _finite(expressions, rows.inputs)
        if not kept or ROWS_PER_NOISY * len(kept) > len(rows):
            continue
        matrix = np.column_stack([np.ones(len(rows)), *values])
        for link, target in usable(rows.target):
            chosen = _worth_their_place(matrix, target, link, rows)
            terms = [_term(kept, column, coefficient) for column, coefficient in chosen]
            if 0 < len(terms) <= MOST_NOISY_TERMS:
                formula = polish(link.inverse(add(*terms)), rows, 30).expression
                if mean_square(formula, rows) <= (ROUGHLY * noise * rows.spread) ** 2:
                    yield formula


def _worth_their_place(matrix: Array, target: Array, link: Link, rows: Rows) -> list[tuple[int, float]]:
    """The columns of a matrix (N, P) that a noisy target (N,) needs, and their coefficients, by least squares."""
    weights = weights_under(link, rows.target, rows.weights)
    roots = np.ones(len(rows)) if weights is None else np.sqrt(weights)
    weighed = matrix * roots[:, None]
    size = np.linalg.norm(weighed, axis=0)
    orthonormal, triangle, order = _independent(weighed / size)
    seen = orthonormal.T @ (target * roots)
    left = float(np.sum((target * roots - orthonormal @ seen) ** 2))
    price = (np.log(len(rows)) + 2.0 * NATS_PER_TERM) * left / max(len(rows) - len(order), 1)
    chosen, solution = _needed(triangle, seen, np.inf, float(np.sqrt(price)))
    return [(int(order[at]), float(c / size[order[at]])) for at, c in zip(chosen, solution, strict=True)]


def _quadratic(names: list[Expression]) -> list[Expression]:
    """The names, the products of two, and their squares."""
    pairs = [multiply(a, b) for a, b in combinations(names, 2)]
    return [*names, *pairs, *(raise_to(name, Fraction(2)) for name in names)]


def _functions(columns: int, rows: int) -> Iterator[list[Expression]]:
    """Sets of functions, the smaller first, none too large for so many rows."""
    names: list[Expression] = [Variable(i) for i in range(columns)]
    pairs = [multiply(a, b) for a, b in combinations(names, 2)]
    quadratic = _quadratic(names)
    others = [raise_to(name, Fraction(power)) for name in names for power in POWERS]
    more = [*pairs, *others, *(call("log", name) for name in names)]
    sets: tuple[list[Expression], ...] = (names, quadratic, more)
    for expressions in sets:
        if ROWS_PER_FUNCTION * len(expressions) < rows:
            yield expressions
    for listed in (_mixed, _waves, _products_of_waves) if columns <= MOST_MIXED else ():
        expressions = listed(names)
        if ROWS_PER_WAVE * len(expressions) < rows:
            yield expressions


def _mixed(names: list[Expression]) -> list[Expression]:
    """All products of powers 0, 1 and 2 of the columns."""
    every = product((0, 1, 2), repeat=len(names))
    return [multiply(*(raise_to(name, Fraction(p)) for name, p in zip(names, powers, strict=True) if p))
            for powers in every if any(powers)]  # fmt: skip


def _waves(names: list[Expression]) -> list[Expression]:
    """Sines and cosines of columns, and of sums and differences of two, by themselves and times one or two others."""
    found = list(names)
    for inside in (*combinations(names, 1), *combinations(names, 2)):
        others = [name for name in names if name not in inside]
        factors = [whole(1), *others, *(multiply(a, b) for a, b in combinations(others, 2))]
        ways = [add(*inside)] if len(inside) == 1 else [add(*inside), add(inside[0], multiply(whole(-1), inside[1]))]
        waves = [call(name, argument) for argument in ways for name in ("sin", "cos")]
        found += [multiply(factor, wave) for wave in waves for factor in factors]
    return found


def _products_of_waves(names: list[Expression]) -> list[Expression]:
    """All products of a column, its sine or its cosine, for some of the columns."""
    ways = [(whole(1), name, call("sin", name), call("cos", name)) for name in names]
    return [multiply(*factors) for factors in product(*ways)][1:]


def _within(expressions: list[Expression], rows: Rows) -> Iterator[Expression]:
    kept, values = _finite(expressions, rows.inputs)
    matrix = np.column_stack([np.ones(len(rows)), *values])
    size = np.linalg.norm(matrix, axis=0)
    orthonormal, triangle, order = _independent(matrix / size)
    for link, target in usable(rows.target):
        seen = orthonormal.T @ target
        allowed = NOTHING * float(np.std(target)) * np.sqrt(len(rows))
        left = float(np.linalg.norm(target - orthonormal @ seen))
        if left > allowed:
            continue
        chosen, solution = _needed(triangle, seen, np.sqrt(allowed**2 - left**2))
        if len(chosen) <= MOST_TERMS:
            terms = [_term(kept, int(order[at]), c / size[order[at]]) for at, c in zip(chosen, solution, strict=True)]
            yield polish(link.inverse(add(*terms)), rows, 30).expression


def _independent(matrix: Array) -> tuple[Array, Array, Array]:
    """Q (N, R), the triangle (R, R) and the order (R,) of the R columns of a matrix (N, P) that no others draw."""
    parts: Any = linalg.qr(matrix, mode="economic", pivoting=True)  # the stubs do not know how many come back
    orthonormal, triangle, order = parts
    rank = int(np.sum(np.abs(np.diag(triangle)) > DEPENDENT * np.abs(triangle[0, 0])))
    return orthonormal[:, :rank], triangle[:rank, :rank], order[:rank]


def _finite(expressions: list[Expression], inputs: Array) -> tuple[list[Expression], list[Array]]:
    with np.errstate(all="ignore"):
        pairs = [(expression, expression.evaluate(inputs)) for expression in expressions]
    good = [(e, v) for e, v in pairs if np.all(np.isfinite(v)) and np.ptp(v) > 0]
    return [e for e, _ in good], [v for _, v in good]


def _term(kept: list[Expression], column: int, coefficient: float) -> Expression:
    return multiply(Constant(float(coefficient)), *(() if column == 0 else (kept[column - 1],)))


def _needed(triangle: Array, seen: Array, allowed: float, dearest: float = np.inf) -> tuple[list[int], Array]:
    """The columns of a triangular matrix (P, P) that draw seen (P,) but for so much, and their coefficients.

    dearest: what is left when one more column goes, at most.
    """
    chosen, missed = list(range(len(triangle))), 0.0
    solution = linalg.solve_triangular(triangle, seen)
    while len(chosen) > 1:
        inverse = linalg.solve_triangular(triangle, np.eye(len(chosen)))
        cost = np.abs(solution) / np.linalg.norm(inverse, axis=1)  # what is left when one column goes
        least = int(np.argmin(cost))
        if np.hypot(missed, cost[least]) > allowed or cost[least] > dearest:
            break
        missed = float(np.hypot(missed, cost[least]))
        del chosen[least]
        rotation, triangle = np.linalg.qr(np.delete(triangle, least, axis=1))
        seen = rotation.T @ seen
        solution = linalg.solve_triangular(triangle, seen)
    return chosen, solution
