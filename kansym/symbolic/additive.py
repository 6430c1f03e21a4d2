"""Sums and products of one-variable functions: splines fitted together, each then matched by a primitive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import permutations

import numpy as np

from kansym.structure.splines import ridge, spline_columns
from kansym.symbolic.constants import Rows, mean_square, polish, spread
from kansym.symbolic.curves import match_curve, scaled_functions
from kansym.symbolic.expression import Constant, Expression, Variable, add, multiply, raise_to
from kansym.symbolic.links import LINKS, Link, usable, weights_under
from kansym.symbolic.primitives import Library
from kansym.symbolic.superposition import best_shapes
from kansym.symbolic.table import EXACT, Table

Array = np.ndarray
Join = Callable[[list[Expression]], Expression]
COARSE, FINE = 10, 40  # intervals; the finer ones are for oscillations
FEWEST_ROWS, ENOUGH_ROWS, COARSEST = 10, 20, 4  # rows a column, and intervals where there are fewer than the second
ROWS_PER_NUMBER = 3  # of the finer splines
FOLLOWED, NOISIER = 0.02, 1.1  # RMS over the spread that splines may leave of a form that is right, or times the noise
UNKNOWN = 0.1  # the same where there are too few rows to tell the noise
PLAIN = 2  # formulas of two numbers that are tried for every curve of a noisy table
COMBINED_LINKS = ("y", "1/y")  # of sums; products are looked for by themselves
SHAPES = 2  # with two numbers inside or more, that are tried for every curve beside the primitives
OPTIONS = 4  # formulas of a curve
SPLINED = 5e-8  # share of a variance that coarse splines leave of a curve
TURNS = 25  # of least squares for the factors of a product
SEEN_ROWS, TRIED = 600, 2  # rows, and the best forms that are matched, where a function sees two columns
DECADE = 10.0  # largest over smallest value from which a column is seen on a logarithmic scale


def additive(table: Table, library: Library, links: tuple[Link, ...]) -> Iterator[Expression]:
    """g(y) = sum of one-variable splines, each then matched by a primitive: one linear fit per link."""
    rows = table.fit
    if len(rows) < FEWEST_ROWS * table.columns:
        return
    for link, target in usable(rows.target):
        if link in links:
            followed = _followed(table) if link is LINKS[0] else FOLLOWED
            weights = weights_under(link, rows.target, rows.weights)
            curves = _additive_splines(rows.inputs, target, weights, followed)
            if curves is not None:
                yield from _matched(curves, rows, library, lambda parts, link=link: link.inverse(add(*parts)))


def separable(table: Table, library: Library) -> Iterator[Expression]:
    """y = product of one-variable splines (signs may change), each then matched by a primitive."""
    rows, followed = table.fit, _followed(table)
    if len(rows) < FEWEST_ROWS * table.columns:
        return
    curves = _product_splines(rows.inputs, rows.target, followed)
    if curves is None and rows.weights is not None and np.all(rows.target > 0):  # errors in proportion
        curves = _factor_splines(rows.inputs, rows.target, followed)
    if curves is not None:
        yield from _matched(curves, rows, library, lambda parts: multiply(*parts), plain=table.may_be_noisy)


def _followed(table: Table) -> float:
    """What splines may leave of the target, RMS over its spread."""
    unknown = table.may_be_noisy and table.goal <= EXACT
    return UNKNOWN if unknown else max(FOLLOWED, NOISIER * table.goal)


@dataclass(frozen=True)
class _Form:
    """Curves (N,) of columns (N, D), how their formulas are joined, and the misfit over the spread."""

    inputs: Array
    curves: list[Array]
    join: Join
    error: float


def combined(table: Table, library: Library) -> Iterator[Expression]:
    """Sums and products of functions of which one sees the product or the quotient of two columns: f(x) g(x y)."""
    rows = table.fit.take(np.arange(min(len(table.fit), SEEN_ROWS)))
    if len(rows) < 20 * table.columns:
        return
    forms = [form for i, number in _numbers(rows.inputs) for form in _forms(i, number, rows)]
    for form in sorted(forms, key=lambda form: form.error)[:TRIED]:
        yield from _matched(form.curves, Rows(form.inputs, rows.target, rows.weights), library, form.join, rows)


def _numbers(inputs: Array) -> Iterator[tuple[int, Expression]]:
    """Columns, each with the products and quotients of it and another that may stand in its place."""
    for i, j in permutations(range(inputs.shape[1]), 2):
        for power in (Fraction(1), Fraction(-1)):
            if power > 0 or np.all(inputs[:, j] != 0):
                yield i, multiply(Variable(i), raise_to(Variable(j), power))


def _forms(place: int, number: Expression, rows: Rows) -> Iterator[_Form]:
    """The forms that hold with a number in the place of a column."""
    inputs = rows.inputs.copy()
    inputs[:, place] = number.evaluate(rows.inputs)
    if not np.all(np.isfinite(inputs)) or np.ptp(inputs[:, place]) == 0:
        return
    back = [number if i == place else Variable(i) for i in range(inputs.shape[1])]
    for link, target in usable(rows.target):
        weights = weights_under(link, rows.target, rows.weights)
        curves = _additive_splines(inputs, target, weights) if link.name in COMBINED_LINKS else None
        if curves is not None:
            error = float(np.std(sum(curves) - target) / np.std(target))
            yield _Form(inputs, curves, lambda parts, link=link: link.inverse(add(*parts)).substitute(back), error)
    for curves in _factors(inputs, rows.target):
        product = np.prod(curves, axis=0)
        curves[0] = curves[0] * (product @ rows.target) / (product @ product)
        error = float(np.std(np.prod(curves, axis=0) - rows.target) / np.std(rows.target))
        yield _Form(inputs, curves, lambda parts: multiply(*parts).substitute(back), error)


def _factors(inputs: Array, target: Array) -> Iterator[list[Array]]:
    """Curves whose product is the target, also through logarithms, where its sign allows it."""
    product = _product_splines(inputs, target)
    if product is not None:
        yield product
    factors = _factor_splines(inputs, target) if np.all(target > 0) else None
    if factors is not None:
        yield factors


def _blocks(inputs: Array, intervals: int = COARSE) -> list[Array]:
    """Splines of every column (N,), of its logarithm where it is positive and spans a decade: laws are steep there."""
    wide = [column.min() > 0 and column.max() > DECADE * column.min() for column in inputs.T]
    return [spline_columns(np.log(x) if spans else x, intervals) for x, spans in zip(inputs.T, wide, strict=True)]


def _coarse(inputs: Array) -> int:
    return COARSE if len(inputs) >= ENOUGH_ROWS * inputs.shape[1] else COARSEST


def _additive_splines(
    inputs: Array, target: Array, weights: Array | None, followed: float = FOLLOWED
) -> list[Array] | None:
    roots = np.ones(len(target)) if weights is None else np.sqrt(weights)
    for intervals in (_coarse(inputs), FINE):
        blocks = _blocks(inputs, intervals)
        edges = np.cumsum([0] + [block.shape[1] for block in blocks])
        if intervals == FINE and len(target) < ROWS_PER_NUMBER * edges[-1]:
            return None
        solution = ridge(np.hstack(blocks), target, roots)
        curves = [block @ solution[a:b] for block, a, b in zip(blocks, edges[:-1], edges[1:], strict=True)]
        if np.std((sum(curves) - target) * roots) <= followed * spread(target, roots):
            return curves
    return None


def _factor_splines(inputs: Array, target: Array, followed: float = FOLLOWED) -> list[Array] | None:
    """Curves (N,) whose product follows a positive target, through its logarithm; all of its size is in the first."""
    logarithms = _additive_splines(inputs, np.log(target), None, followed)
    if logarithms is None:
        return None
    curves = [np.exp(curve - curve.mean()) for curve in logarithms]
    curves[0] = curves[0] * np.exp(sum(curve.mean() for curve in logarithms))
    return curves


def _product_splines(inputs: Array, target: Array, followed: float = FOLLOWED) -> list[Array] | None:
    for intervals in (_coarse(inputs), 2 * COARSE, FINE):
        blocks = _blocks(inputs, intervals)
        if intervals > COARSE and len(target) < ROWS_PER_NUMBER * sum(block.shape[1] for block in blocks):
            return None
        curves = _alternated(blocks, target)
        if np.std(np.prod(curves, axis=0) - target) <= followed * np.std(target):
            return curves
    return None


def _alternated(blocks: list[Array], target: Array) -> list[Array]:
    """Curves (N,), one of each block of spline columns, whose product follows the target: least squares by turns."""
    curves = [np.ones(len(target)) for _ in blocks]
    for _ in range(TURNS):
        for place, block in enumerate(blocks):
            others = np.prod([curve for at, curve in enumerate(curves) if at != place], axis=0)
            curve = block @ ridge(block * others[:, None], target, np.ones(len(target)))
            curves[place] = curve / np.sqrt(np.mean(curve**2)) if place else curve
    return curves


def _drawing_cost(form: Expression, rows: Rows) -> float:
    """Decades of misfit and length of a formula of a curve."""
    error = mean_square(form, rows) / max(float(np.var(rows.target)), 1e-300)
    return float(np.log10(error + SPLINED)) + 0.15 * form.complexity


def _matched(
    curves: list[Array], rows: Rows, library: Library, join: Join, refined: Rows | None = None, plain: bool = False
) -> Iterator[Expression]:
    """Formulas from the best primitives of every curve, refined together on the rows that the joined formula is for.

    plain: also from those of two numbers: where there is noise, more of them bend other functions to any curve.
    """
    options = []
    for column, curve in zip(rows.inputs.T, curves, strict=True):
        size = np.std(curve)
        fits = match_curve(column, curve, None, library, 6) if size > 0 else []
        forms = [fit.expression for fit in fits]
        forms += best_shapes(column, curve, None, library, SHAPES) if refined is None and size > 0 else []
        drawn = Rows(column[:, None], curve)
        ranked = sorted(forms, key=partial(_drawing_cost, rows=drawn))[:OPTIONS]
        ranked += scaled_functions(drawn, library, PLAIN) if plain and size > 0 else []
        options.append(
            [form.substitute([Variable(len(options))]) for form in ranked] or [Constant(float(curve.mean()))]
        )
    best = [choice[0] for choice in options]
    trials = [best] + [best[:i] + [other] + best[i + 1 :] for i, choice in enumerate(options) for other in choice[1:]]
    for parts in trials:
        yield polish(join(parts), refined or rows, 60).expression
