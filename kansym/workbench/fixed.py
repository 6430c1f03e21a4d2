"""An edge that is a primitive of four constants, c f(a x + b) + d, and how one is fitted to a curve."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kansym.symbolic.constants import Rows, fit_starts, mean_square, polish
from kansym.symbolic.curves import PRICE
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to
from kansym.symbolic.primitives import CONSTANT, IDENTITY, Library, Primitive

Array = np.ndarray
POINTS = 128  # of a curve, that starts are compared on
KEPT = 10  # starts that are refined, the best of as many shifts
EXCESS = 0.5  # e-folds of the error that an e-fold of cancelling values must earn
# Slopes and shifts of the argument, on a curve stretched to [-1, 1].
SLOPES = np.array([0.1, 0.3, 0.6, 1.0, 1.5, 2.2, 3.14, 4.5, 6.3, 9.0, 12.6, 18.0])
SHIFTS = np.array([-6.0, -4.5, -3.0, -2.0, -1.5, -1.0, -0.6, -0.25, 0.0, 0.25, 0.6, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0])
GAPS = np.array([0.02, 0.1, 0.3, 1.0, 3.0])  # of the least argument from 0, for functions of positive numbers


@dataclass(frozen=True, repr=False)
class FixedEdge:
    """The function c f(a x + b) + d of what an edge sees, all four numbers trained.

    Source: Liu et al., KAN: Kolmogorov-Arnold Networks, 2024, section 2.5.1.
    """

    primitive: Primitive
    constants: tuple[float, float, float, float]

    def __repr__(self) -> str:
        a, b, c, d = self.constants
        return f"{c:.6g}*{self.primitive.name}({a:.6g}*x {b:+.6g}) {d:+.6g}"

    def values(self, x: Array) -> Array:
        """The edge's values (N,) at x (N,); nan outside the primitive's domain."""
        a, b, c, d = self.constants
        with np.errstate(all="ignore"):
            return c * self.primitive.value(a * x + b) + d

    def inner(self, x: Array, order: int) -> Array:
        """f(a x + b) at x (N,), or with order 1 its derivative by x."""
        a, b, _, _ = self.constants
        with np.errstate(all="ignore"):
            return a * self.primitive.derivative(a * x + b) if order else self.primitive.value(a * x + b)

    def jacobian(self, x: Array) -> Array:
        """The derivatives (N, 4) by a, b, c and d at x (N,)."""
        a, b, c, _ = self.constants
        with np.errstate(all="ignore"):
            slope = c * self.primitive.derivative(a * x + b)
        return np.stack([slope * x, slope, self.inner(x, 0), np.ones_like(x)], -1)

    def expression(self, shift: float = 0.0, scale: float = 1.0) -> Expression:
        """The edge as a formula of Variable(0), where the edge sees (Variable(0) - shift) / scale."""
        a, b, c, d = self.constants
        if self.primitive.exponent == 0:
            return Constant(c + d)
        slope, offset = a / scale, b - a * shift / scale
        argument = add(multiply(Constant(slope), Variable(0)), *([Constant(offset)] if offset else []))
        if self.primitive.exponent is None:
            body = call(self.primitive.name, argument)
        else:
            body = raise_to(argument, self.primitive.exponent)
        return add(multiply(Constant(c), body), *([Constant(d)] if d else []))


@dataclass(frozen=True, repr=False)
class Suggestion:
    """A primitive for an edge, fitted to its curve.

    Attributes:
        primitive: its name.
        error: mean square error over the curve's variance; R² is 1 less this.
        complexity: nodes of the primitive.
        excess: how much larger the primitive's own values are than the spread of the curve: 1000 cos(0.01 x) - 1000
            draws a parabola by what cancels.
        edge: the primitive with its four constants.
    """

    primitive: str
    error: float
    complexity: int
    excess: float
    edge: FixedEdge

    @property
    def r2(self) -> float:
        """The share of the curve's variance that is explained."""
        return 1.0 - self.error

    @property
    def cost(self) -> float:
        """Error, complexity and excess in one number, the smaller the better."""
        return float(np.log(self.error + 1e-14)) + PRICE * self.complexity + EXCESS * float(np.log1p(self.excess))

    def __repr__(self) -> str:
        return f"{self.primitive}: R² {self.r2:.8g}, complexity {self.complexity}"


def suggestions(x: Array, y: Array, library: Library) -> list[Suggestion]:
    """Every primitive of a library fitted to a curve, best first; equally good ones, as sin and cos, as listed there.

    Args:
        x, y: what an edge saw and gave, (N,) each.
        library: the primitives to try; those that no search tries are left out.
    """
    found = (fitted(x, y, primitive) for primitive in library if primitive.searched)
    return sorted((each for each in found if np.isfinite(each.error)), key=lambda each: round(each.cost, 1))


def fitted(x: Array, y: Array, primitive: Primitive) -> Suggestion:
    """The primitive with the four constants that bring it nearest to a curve; the error is infinite where none do."""
    rows, variance = _thinned(x, y), float(np.var(y)) or 1.0
    edge = _best_edge(rows, primitive)
    residual = edge.values(x) - y
    error = float(np.mean(residual**2)) / variance
    with np.errstate(all="ignore"):
        excess = float(np.sqrt(np.mean((edge.constants[2] * edge.inner(x, 0)) ** 2) / variance))
    error, excess = (size if np.isfinite(size) else np.inf for size in (error, excess))
    return Suggestion(primitive.name, error, primitive.complexity, excess, edge)


def _thinned(x: Array, y: Array) -> Rows:
    order = np.argsort(x, kind="stable")
    kept = order[np.linspace(0, len(x) - 1, min(len(x), POINTS)).round().astype(int)]
    return Rows(x[kept, None], y[kept])


def _best_edge(rows: Rows, primitive: Primitive) -> FixedEdge:
    x, mean = rows.inputs[:, 0], float(rows.target.mean())
    if primitive.name == CONSTANT.name:
        return FixedEdge(CONSTANT, (1.0, 0.0, 0.0, mean))
    if primitive.name == IDENTITY.name:
        slope, offset = np.linalg.lstsq(np.column_stack([x, np.ones_like(x)]), rows.target, rcond=None)[0]
        return FixedEdge(IDENTITY, (1.0, 0.0, float(slope), float(offset)))
    starts = _starts(x, rows.target, primitive)
    if len(starts) == 0:
        return FixedEdge(primitive, (1.0, 0.0, 0.0, mean))
    return _refined(rows, primitive, starts)


def _refined(rows: Rows, primitive: Primitive, starts: Array) -> FixedEdge:
    """The best of some starts (S, 4), all four constants fitted together."""
    template = _template(primitive)
    theta, loss = fit_starts(template, rows, _tree_order(starts), 60)
    best = template.with_constants(theta[int(np.nanargmin(np.where(np.isfinite(loss), loss, np.inf)))])
    sharp = polish(best, rows, 120).expression
    winner = sharp if mean_square(sharp, rows) <= mean_square(best, rows) else best
    c, a, b, d = (constant.value for constant in winner.free_constants)
    return FixedEdge(primitive, (a, b, c, d))


def _template(primitive: Primitive) -> Expression:
    """c f(a x + b) + d with free constants, in the order c, a, b, d."""
    argument = add(multiply(Constant(1.0), Variable(0)), Constant(0.0))
    body = call(primitive.name, argument) if primitive.exponent is None else raise_to(argument, primitive.exponent)
    return add(multiply(Constant(1.0), body), Constant(0.0))


def _tree_order(starts: Array) -> Array:
    return starts[:, [2, 0, 1, 3]]


def _starts(x: Array, y: Array, primitive: Primitive) -> Array:
    """The best starts (a, b, c, d) of a grid of slopes and shifts, c and d by linear least squares: (S, 4)."""
    middle, half = 0.5 * (x.min() + x.max()), 0.5 * float(np.ptp(x)) or 1.0
    slopes, shifts = _grid(primitive)
    low, high = primitive.domain
    arguments = slopes[:, None] * ((x - middle) / half) + shifts[:, None]  # (S, N)
    inside = ((arguments > low) & (arguments < high)).all(1)
    slopes, shifts, arguments = slopes[inside], shifts[inside], arguments[inside]
    with np.errstate(all="ignore"):
        shape = primitive.value(arguments)
        centred, target = shape - shape.mean(1, keepdims=True), y - y.mean()
        factor = centred @ target / (centred**2).sum(1)
        errors = ((factor[:, None] * centred - target) ** 2).mean(1)
    errors = np.where(np.isfinite(errors), errors, np.inf)
    kept = _varied(errors, shifts)
    a, b = slopes[kept] / half, shifts[kept] - slopes[kept] * middle / half
    return np.stack([a, b, factor[kept], y.mean() - factor[kept] * shape[kept].mean(1)], -1)


def _varied(errors: Array, shifts: Array) -> list[int]:
    """The best start of every shift, in order: neighbours of the very best may all be in a wrong basin."""
    best: dict[float, int] = {}
    for place in np.argsort(errors, kind="stable"):
        if np.isfinite(errors[place]):
            best.setdefault(float(shifts[place]), int(place))
    return list(best.values())[:KEPT]


def _grid(primitive: Primitive) -> tuple[Array, Array]:
    """Slopes and shifts of the argument on [-1, 1], (S,) each; for positive arguments the shifts begin at 0."""
    slopes = np.concatenate([SLOPES, -SLOPES])
    pairs = [(slope, shift) for slope in slopes for shift in SHIFTS]
    low, high = primitive.domain
    if np.isfinite(low):
        pairs += [(slope, low + abs(slope) + gap) for slope in slopes for gap in GAPS]
    if np.isfinite(high):
        pairs += [(slope, 0.0) for slope in (0.5, -0.5, 0.9, -0.9)]
    return np.array(pairs)[:, 0], np.array(pairs)[:, 1]


def moved(edge: FixedEdge, numbers: Array) -> FixedEdge:
    """The edge with other constants (4,)."""
    a, b, c, d = (float(number) for number in numbers)
    return replace(edge, constants=(a, b, c, d))
