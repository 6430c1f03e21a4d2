"""Sums and products of one-variable functions: splines fitted together, each then matched by a primitive."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.interpolate import BSpline

from kansym.symbolic.constants import Rows, polish, spread
from kansym.symbolic.curves import match_curve
from kansym.symbolic.expression import Constant, Expression, Variable, add, multiply
from kansym.symbolic.links import Link, usable, weights_under
from kansym.symbolic.primitives import Library
from kansym.symbolic.table import Table

Array = np.ndarray


def additive(table: Table, library: Library, links: tuple[Link, ...]) -> Iterator[Expression]:
    """g(y) = sum of one-variable splines, each then matched by a primitive: one linear fit per link."""
    rows = table.fit
    if len(rows) < 20 * table.columns:
        return
    for link, target in usable(rows.target):
        if link in links:
            curves = _additive_splines(rows.inputs, target, weights_under(link, rows.target, rows.weights))
            if curves is not None:
                yield from _matched(curves, rows, library, lambda parts, link=link: link.inverse(add(*parts)))


def separable(table: Table, library: Library) -> Iterator[Expression]:
    """y = product of one-variable splines (signs may change), each then matched by a primitive."""
    rows = table.fit
    if len(rows) < 20 * table.columns or np.all(rows.target > 0):
        return
    curves = _product_splines(rows.inputs, rows.target)
    if curves is not None:
        yield from _matched(curves, rows, library, lambda parts: multiply(*parts))


def spline_columns(x: Array, intervals: int = 10) -> Array:
    """The values (N, B) of cubic B-splines with so many intervals between quantiles of x (N,)."""
    inner = np.quantile(x, np.linspace(0, 1, intervals + 1))
    if np.any(np.diff(inner) <= 0):
        inner = np.linspace(x.min(), x.max(), intervals + 1)
    margin = 1e-9 * (inner[-1] - inner[0])
    knots = np.concatenate([np.full(4, inner[0] - margin), inner[1:-1], np.full(4, inner[-1] + margin)])
    return BSpline.design_matrix(x, knots, 3).toarray()


def ridge(matrix: Array, target: Array, roots: Array) -> Array:
    """The least squares (P,) of a target (N,) by the columns of a matrix (N, P), damped a little; roots: of weights."""
    weighted = matrix * roots[:, None]
    gram = weighted.T @ weighted
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, weighted.T @ (target * roots))


def _additive_splines(inputs: Array, target: Array, weights: Array | None, limit: float = 0.02) -> list[Array] | None:
    blocks = [spline_columns(column) for column in inputs.T]
    roots = np.ones(len(target)) if weights is None else np.sqrt(weights)
    solution = ridge(np.hstack(blocks), target, roots)
    edges = np.cumsum([0] + [block.shape[1] for block in blocks])
    curves = [block @ solution[a:b] for block, a, b in zip(blocks, edges[:-1], edges[1:], strict=True)]
    residual = (sum(curves) - target) * roots
    if np.std(residual) > limit * spread(target, roots):
        return None
    return curves


def _product_splines(inputs: Array, target: Array, limit: float = 0.02) -> list[Array] | None:
    blocks = [spline_columns(column) for column in inputs.T]
    curves = [np.ones(len(target)) for _ in blocks]
    for _ in range(25):
        for place, block in enumerate(blocks):
            others = np.prod([curve for at, curve in enumerate(curves) if at != place], axis=0)
            curve = block @ ridge(block * others[:, None], target, np.ones(len(target)))
            curves[place] = curve / np.sqrt(np.mean(curve**2)) if place else curve
    residual = np.prod(curves, axis=0) - target
    return curves if np.std(residual) <= limit * np.std(target) else None


def _matched(
    curves: list[Array], rows: Rows, library: Library, join: Callable[[list[Expression]], Expression]
) -> Iterator[Expression]:
    """Formulas from the best primitives of every curve, refined together on the rows."""
    options = []
    for column, curve in zip(rows.inputs.T, curves, strict=True):
        size = np.std(curve)
        fits = match_curve(column, curve, None, library, 6) if size > 0 else []
        simple = sorted(fits, key=lambda fit: np.log10(fit.error + 1e-9) + 0.15 * fit.expression.complexity)[:3]
        replaced = [fit.expression.substitute([Variable(len(options))]) for fit in simple]
        options.append(replaced or [Constant(float(curve.mean()))])
    best = [choice[0] for choice in options]
    trials = [best] + [best[:i] + [other] + best[i + 1 :] for i, choice in enumerate(options) for other in choice[1:]]
    for parts in trials:
        yield polish(join(parts), rows, 60).expression
