"""Algebraic laws by linear algebra: monomials, power laws, polynomials, and ratios of sums of functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np

from kansym.symbolic.constants import Rows, polish, spread
from kansym.symbolic.dictionary import everyday_features
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.links import Link, usable, weights_under
from kansym.symbolic.sparse import best_subsets
from kansym.symbolic.table import thinned

Array = np.ndarray
LARGEST_EXPONENT = 7.5
NEAR_FRACTIONS = (0.0, 0.01, 0.03)  # how far fitted exponents may be from fractions that they are taken for
FEWEST_OF_FUNCTIONS = 60  # rows from which fractions of functions are looked for


def monomials(rows: Rows) -> list[Expression]:
    """c * prod x**p with p rounded to small rationals: a weighted line in log space, corrected on the target itself.

    Columns that change sign have even p: `structure.signs` is for the others.
    """
    fitted = _exponents(rows)
    if fitted is None:
        return []
    signed = np.any(rows.inputs < 0, axis=0)
    found = (rounded for rounded in _roundings(fitted) if _one_signed(rounded, signed))
    return [_monomial(rounded, rows) for rounded in found]


def power_laws(rows: Rows) -> list[Expression]:
    """c * prod x**p with p as fitted, as laws of growth and scaling have them; those near small fractions exact."""
    fitted = _exponents(rows)
    if fitted is None or np.max(np.abs(fitted)) > LARGEST_EXPONENT or np.any(rows.inputs < 0):
        return []
    ways = dict.fromkeys(tuple(_made_exact(float(p), near) for p in fitted) for near in NEAR_FRACTIONS)
    free = [way for way in ways if any(isinstance(p, float) for p in way)]
    return [_monomial(way, rows) for way in free]


def _made_exact(exponent: float, near: float) -> Fraction | float:
    """The plainest fraction so near to an exponent, or the exponent itself."""
    fractions = (Fraction(exponent).limit_denominator(largest) for largest in (1, 2, 3))
    return next((each for each in fractions if abs(float(each) - exponent) <= near), exponent)


def _exponents(rows: Rows) -> Array | None:
    """The exponents (D,) of the product of powers of the columns that is nearest to the target, where there is one.

    Noise turns the sign of small values, so rows of the wrong sign are allowed as long as they weigh little.
    """
    x, y = np.abs(rows.inputs), rows.target
    sign = float(np.sign(np.sum(y)))
    good = (np.sign(y) == sign) & (y != 0)
    if (
        x.shape[1] == 0
        or np.any(x <= 0)
        or np.abs(y[good]).sum() < 0.9 * np.abs(y).sum()
        or good.sum() < x.shape[1] + 2
    ):
        return None
    logs = np.column_stack([np.log(x), np.ones(len(y))])
    roots = rows.roots * np.ones(len(y))
    weight = np.abs(y[good]) / np.abs(y[good]).max() * roots[good]
    line = np.linalg.lstsq(logs[good] * weight[:, None], np.log(np.abs(y[good])) * weight, rcond=None)[0]
    return _corrected(line, logs, sign * y, roots)[:-1]


def _one_signed(exponents: list[Fraction], signed: Array) -> bool:
    """Whether the columns that change sign have even exponents."""
    pairs = zip(exponents, signed, strict=True)
    return all(not changes or (p.denominator == 1 and p.numerator % 2 == 0) for p, changes in pairs)


def _corrected(line: Array, logs: Array, target: Array, roots: Array, steps: int = 8) -> Array:
    """Gauss-Newton steps from the line in log space to the least squares of exp(logs @ line) against the target."""
    kept, best = line, np.inf
    for _ in range(steps):
        with np.errstate(all="ignore"):
            value = np.exp(logs @ line)
            error = float(np.sum(((value - target) * roots) ** 2))
        if not np.isfinite(error) or error >= best:
            break
        kept, best = line, error
        columns = logs * (value * roots)[:, None]
        line = line + np.linalg.lstsq(columns, (target - value) * roots, rcond=None)[0]
    return kept


def _roundings(exponents: Array) -> Iterator[list[Fraction]]:
    if np.max(np.abs(exponents)) > LARGEST_EXPONENT:
        return
    for limit in (1, 2, 3):
        yield [Fraction(float(p)).limit_denominator(limit) if abs(p) > 0.02 else Fraction(0) for p in exponents]


def _monomial(exponents: Sequence[Fraction | float], rows: Rows) -> Expression:
    """The product of these powers with its best factor."""
    body = multiply(*(_power(Variable(i), p) for i, p in enumerate(exponents) if p))
    value = body.evaluate(rows.inputs)
    w = rows.weights if rows.weights is not None else np.ones(len(rows))
    with np.errstate(all="ignore"):
        size = np.max(np.abs(value))
        scale = float(np.sum(w * value / size * rows.target) / np.sum(w * (value / size) ** 2) / size)
    return multiply(Constant(scale if np.isfinite(scale) and scale else np.sign(np.sum(rows.target)) or 1.0), body)


def _power(column: Expression, exponent: Fraction | float) -> Expression:
    if isinstance(exponent, Fraction):
        return raise_to(column, exponent)
    return call("exp", multiply(Constant(exponent), call("log", column)))


def linear(rows: Rows) -> Expression:
    """A constant plus a multiple of every column, by least squares."""
    roots = rows.roots * np.ones(len(rows))
    matrix = np.column_stack([rows.inputs, np.ones(len(rows))]) * roots[:, None]
    scale = np.linalg.norm(matrix, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    solution = np.linalg.lstsq(matrix / scale, rows.target * roots, rcond=None)[0] / scale
    terms = [multiply(Constant(float(c)), Variable(i)) for i, c in enumerate(solution[:-1])]
    return add(*terms, Constant(float(solution[-1])))


def polynomials(rows: Rows) -> Iterator[Expression]:
    """Polynomials of rising degree under every link; terms that do not matter are dropped one by one."""
    thin = thinned(rows, 600)
    scale = np.max(np.abs(thin.inputs), axis=0)
    for link, target in usable(thin.target):
        for degree in range(2, 9):
            terms = _terms(thin.inputs.shape[1], degree)
            if len(terms) > min(len(thin) // 3, 130):
                break
            columns = np.column_stack([_term_values(thin.inputs / scale, term) for term in terms])
            roots = _link_roots(link, thin)
            solution, error = _least_squares(columns, target, roots)
            if error < 1e-7:
                yield polish(
                    link.inverse(_trimmed(terms, columns, solution, target, scale, roots)), thin, 30
                ).expression
                break


def _link_roots(link: Link, rows: Rows) -> Array:
    weights = weights_under(link, rows.target, rows.weights)
    return np.ones(len(rows)) if weights is None else np.sqrt(weights)


def _least_squares(columns: Array, target: Array, roots: Array) -> tuple[Array, float]:
    """The solution, and its RMS residual over the target's spread."""
    solution = np.linalg.lstsq(columns * roots[:, None], target * roots, rcond=1e-14)[0]
    residual = (columns @ solution - target) * roots
    return solution, float(np.std(residual) / max(spread(target, roots), 1e-300))


def _trimmed(
    terms: list[tuple[int, ...]], columns: Array, solution: Array, target: Array, scale: Array, roots: Array
) -> Expression:
    kept = list(range(len(terms)))
    while len(kept) > 1:
        share = np.abs(solution) * np.std(columns[:, kept], axis=0) + np.abs(solution) * (
            columns[:, kept].std(axis=0) == 0
        )
        drop = int(np.argmin(share))
        trial = kept[:drop] + kept[drop + 1 :]
        smaller, error = _least_squares(columns[:, trial], target, roots)
        if error > 1e-6:
            break
        kept, solution = trial, smaller
    factors = [1 / np.prod([scale[i] for i in terms[k]]) for k in kept]
    polynomial = _polynomial([terms[k] for k in kept], [float(c * f) for c, f in zip(solution, factors, strict=True)])
    return polynomial if polynomial is not None else Constant(0.0)


def fractions_of_functions(rows: Rows) -> Iterator[Expression]:
    """(a + b f + ...) / (1 + c g + ...) with up to four functions in all: a line in the functions and their products
    with the target."""
    thin = thinned(rows)
    expressions, values = everyday_features(thin.inputs)
    if not expressions or len(thin) < FEWEST_OF_FUNCTIONS:
        return
    both = np.hstack([values, values * thin.target[:, None]])
    for subset in best_subsets(both, thin.target, thin.weights, 4):
        above: list[Expression] = [Constant(subset.constant)]
        below: list[Expression] = [whole(1)]
        for coefficient, column in zip(subset.coefficients, subset.columns, strict=True):
            place, size = column % len(expressions), coefficient if column < len(expressions) else -coefficient
            (above if column < len(expressions) else below).append(multiply(Constant(size), expressions[place]))
        if len(below) > 1:
            quotient = multiply(add(*above), raise_to(add(*below), Fraction(-1)))
            yield tidy(polish(quotient, thin, 40).expression, thin).expression


def _terms(columns: int, degree: int) -> list[tuple[int, ...]]:
    return [term for size in range(degree + 1) for term in combinations_with_replacement(range(columns), size)]


def _term_values(inputs: Array, term: tuple[int, ...]) -> Array:
    return np.prod(inputs[:, term], axis=1) if term else np.ones(len(inputs))


def _polynomial(terms: list[tuple[int, ...]], coefficients: list[float]) -> Expression | None:
    parts = []
    for term, coefficient in zip(terms, coefficients, strict=True):
        if coefficient:
            factors = [raise_to(Variable(i), Fraction(term.count(i))) for i in sorted(set(term))]
            parts.append(multiply(Constant(coefficient), *factors))
    return add(*parts) if parts else None
