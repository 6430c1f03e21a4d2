"""One-variable laws: which primitives, with which constants, draw a given curve.

A curve is matched against c * z**p * f(a * z**q + b) + d over all primitives f, powers p and q, and many starts (a, b)
at once; c and d follow by linear least squares. The best few are then refined in all constants together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from kansym.symbolic.constants import Rows, fit_starts, mean_square, polish
from kansym.symbolic.dictionary import one_variable_features
from kansym.symbolic.expression import Call, Constant, Expression, Power, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.primitives import CONSTANT, IDENTITY, PRIMITIVES, Library, Primitive, power
from kansym.symbolic.sparse import best_subsets
from kansym.symbolic.table import NATS_PER_NODE

Array = np.ndarray
SCAN_POINTS = 96
FRONT_POWERS = tuple(Fraction(p) for p in ("0", "1", "-1", "2", "-2", "3", "1/2", "-1/2", "4", "-3", "5", "-5", "-4"))
INNER_POWERS = tuple(Fraction(p) for p in ("1", "-1", "2", "1/2", "-2"))
SLOPES = np.array([0.05, 0.15, 0.3, 0.6, 1.0, 1.5, 2.2, 3.1416, 4.5, 6.2832, 9.0, 12.6, 18.0, 25.0])
ZOOM_BELOW = 0.3
PRICE = 0.25  # e-folds of the mean square error that a node of a curve must earn, when its errors are not noise
BRIEF = 4  # winners kept from which on the search is meant to be thorough
HOPELESS = 7.0  # e-folds of the error behind the best scan
BRIEF_STEPS = 12
POLISHED = 10
WAVES = np.arange(1.0, 90.0, 1.0)
SCALES, SCALED_KEPT = np.geomspace(0.03, 30.0, 40), 12
LINES, LINE_POWERS = (-0.95, -0.5, -0.15, 0.15, 1.0, 5.0, 30.0), (-6.0, -2.5, -1.2, -0.4, 0.4, 1.2, 2.5, 6.0)
SHIFTS = np.array([-6.0, -3.0, -1.5708, -0.8, 0.8, 1.5708, 3.0, 6.0])


@dataclass(frozen=True)
class CurveFit:
    """A one-variable formula (in Variable(0)) and its weighted mean square error over the curve's variance."""

    expression: Expression
    error: float
    primitive: str

    def cost(self, price: float) -> float:
        """Error and length in one number, the smaller the better; price: e-folds of the error that a node must earn."""
        return float(np.log(self.error + 1e-14)) + price * self.expression.complexity


@dataclass(frozen=True)
class _Scan:
    error: float
    primitive: Primitive
    front: Fraction
    inner: Fraction
    slope: float
    shift: float
    scaled: bool  # d multiplies z**p too

    def cost(self, price: float) -> float:
        """Error and length in one number: among equally good scans, the shorter formula is refined."""
        extra = (self.shift != 0.0) + 1.5 * (self.front != 0) + (self.inner != 1) + 0.5 * self.scaled
        return float(np.log(self.error + 1e-14)) + price * (extra + self.primitive.complexity)


def match_curve(
    z: Array,
    t: Array,
    weights: Array | None = None,
    library: Library = PRIMITIVES,
    keep: int = 8,
    fronts: tuple[Fraction, ...] = (Fraction(0),),
    inners: tuple[Fraction, ...] = (Fraction(1),),
    price: float = PRICE,
    polished: int | None = None,
) -> list[CurveFit]:
    """Ranked one-variable formulas for points z (N,), t (N,): the best by error and length first.

    fronts, inners: the powers p and q that are tried. keep: how many scan winners are refined.
    price: how much the logarithm of the error must fall for every node of a formula. polished: how many of the
    refined winners are fitted to the last digit; many if not given.
    """
    rows = Rows(z[:, None], t, weights)
    variance = _variance(t, weights)
    if not variance > 0:
        return [CurveFit(Constant(float(t.mean())), 0.0, CONSTANT.name)]
    found = [*_power_fits(z, t, weights, library, variance), *_dictionary_fits(rows, library, variance)]
    scans = sorted(_scan(z, t, weights, library, fronts, inners), key=lambda scan: scan.cost(price))
    winners = list(_varied(scans, keep, price))
    found += _refined_fits(winners, rows, variance, price, polished or max(POLISHED, len(winners) // 3))
    return sorted((fit for fit in found if np.isfinite(fit.error)), key=lambda fit: fit.cost(price))


def without_constants(rows: Rows, library: Library, keep: int) -> list[CurveFit]:
    """The best multiples of functions of the only column, or of its inverse, that hold no constant themselves.

    In noise many curves are as near; 1/sqrt(1 - v**2) is then likelier than what was bent to the rows.
    """
    found: list[CurveFit] = []
    weights = np.square(rows.roots) * np.ones(len(rows))
    variance = max(_variance(rows.target, weights / weights.mean()), 1e-300)
    for exponent in (Fraction(1), Fraction(-1)):
        column = raise_to(Variable(0), exponent)
        with np.errstate(all="ignore"):
            inputs = column.evaluate(rows.inputs)[:, None]
        functions, values = one_variable_features(inputs) if np.all(np.isfinite(inputs)) else ([], inputs)
        if functions:
            factors = (weights * rows.target) @ values / (weights @ values**2)
            errors = weights @ (values * factors - rows.target[:, None]) ** 2 / weights.sum() / variance
            best = [int(at) for at in np.argsort(errors, kind="stable")[:keep]]
            forms = [multiply(Constant(float(factors[at])), functions[at].substitute([column])) for at in best]
            pairs = zip(best, forms, strict=True)
            found += [CurveFit(form, float(errors[at]), "multiple") for at, form in pairs if allowed(form, library)]
    return sorted(found, key=lambda fit: fit.error)[:keep]


def _variance(t: Array, weights: Array | None) -> float:
    w = np.ones_like(t) if weights is None else weights
    return float(np.mean(w * (t - np.average(t, weights=w)) ** 2))


def _varied(scans: list[_Scan], keep: int, price: float) -> Iterator[_Scan]:
    """The best scans overall, then the best of every primitive: a coarse grid of starts ranks a sharp law low."""
    for scan in scans[:keep]:
        yield scan
    seen: dict[str, int] = {}
    for scan in scans[keep:]:
        if scan.cost(price) > scans[0].cost(price) + (HOPELESS if keep > BRIEF else 0.3 * HOPELESS):
            return
        seen[scan.primitive.name] = seen.get(scan.primitive.name, 0) + 1
        if seen[scan.primitive.name] <= (2 if keep > BRIEF else 1):
            yield scan


def _power_fits(z: Array, t: Array, weights: Array | None, library: Library, variance: float) -> Iterator[CurveFit]:
    """c * z**p + d for every power of the library, the straight line among them, by linear least squares."""
    roots = np.ones_like(t) if weights is None else np.sqrt(weights)
    for row in library:
        if row.exponent is None or row.exponent == 0 or (row.domain[0] == 0.0 and z.min() <= 0):
            continue
        with np.errstate(all="ignore"):
            value = row.value(z)
        if not np.all(np.isfinite(value)):
            continue
        yield from _linear_fit(value, t, roots, variance, raise_to(Variable(0), row.exponent), row.name)


def _dictionary_fits(rows: Rows, library: Library, variance: float) -> Iterator[CurveFit]:
    """Sums of up to three functions without inner constants (x**4 - x**3, sin x + x): sparse linear regression."""
    thin = rows if len(rows) <= 300 else rows.take(np.linspace(0, len(rows) - 1, 300).round().astype(int))
    terms, values = one_variable_features(thin.inputs)
    kept = [i for i, term in enumerate(terms) if allowed(term, library)]
    for subset in best_subsets(values[:, kept], thin.target, thin.weights, 3 if len(thin) > 12 else 1):
        parts = [
            multiply(Constant(c), terms[kept[i]]) for c, i in zip(subset.coefficients, subset.columns, strict=True)
        ]
        expression = add(*parts, Constant(subset.constant)) if subset.constant else add(*parts)
        yield CurveFit(expression, mean_square(expression, rows) / variance, "sum")


def shifted_powers(rows: Rows, keep: int = 2) -> list[Expression]:
    """The best c (1 + a z)**p of one column with a trained p, where 1 + a z is positive: any power of a line."""
    z = rows.inputs[:, 0]
    size = float(np.max(np.abs(z)))
    if size == 0:
        return []
    thin = rows.take(np.linspace(0, len(z) - 1, min(len(z), SCAN_POINTS)).round().astype(int))
    form = multiply(Constant(1.0), call("exp", multiply(Constant(1.0), call("log", _line(1.0)))))
    starts = np.array([(1.0, p, a / size) for a in LINES for p in LINE_POWERS if np.min(1.0 + a / size * z) > 0])
    with np.errstate(all="ignore"):
        shapes = (1.0 + starts[:, 2:] * thin.inputs[:, 0]) ** starts[:, 1:2]
        starts[:, 0] = (shapes @ thin.target) / np.sum(shapes**2, axis=1)
    theta, loss = fit_starts(form, thin, starts[np.all(np.isfinite(starts), axis=1)])
    order = np.argsort(loss, kind="stable")[:keep]
    return [polish(form.with_constants(theta[at].tolist()), rows).expression for at in order if np.isfinite(loss[at])]


def scaled_functions(rows: Rows, library: Library, keep: int = SCALED_KEPT) -> list[Expression]:
    """The best c * z**p * f(a * z**q) of one column, by error and length: of all curves those with the fewest numbers.

    Where there is noise, more numbers bend other functions to any smooth curve; all rows are looked at.
    """
    z, weights = rows.inputs[:, 0], rows.roots**2 * np.ones(len(rows))
    positive, found = bool(np.all(z > 0)), list[tuple[float, Expression, float]]()
    powers = [p for p in FRONT_POWERS if positive or (p >= 0 and p.denominator == 1)]
    with np.errstate(all="ignore"):
        fronts = np.array([power(p).value(z) if p else np.ones_like(z) for p in powers])
        sides = (fronts * weights * rows.target).T, (fronts**2 * weights).T
    for inner in (q for q in INNER_POWERS if positive or (q > 0 and q.denominator == 1)):
        with np.errstate(all="ignore"):
            u = power(inner).value(z)
        for primitive in (row for row in library if row.searched and row.exponent is None and row not in _PLAIN):
            forms = [multiply(Constant(1.0), raise_to(Variable(0), p), _scaled(primitive, inner)) for p in powers]
            size = float(np.max(np.abs(u)))
            found += _best_scales(primitive, u / size, size, sides, forms, rows)
    found.sort(key=lambda item: item[0])
    return [polish(form.with_constants([1.0, slope]), rows, 20).expression for _, form, slope in found[:keep]]


_PLAIN = (CONSTANT, IDENTITY)


def _scaled(primitive: Primitive, inner: Fraction) -> Expression:
    return call(primitive.name, multiply(Constant(1.0), raise_to(Variable(0), inner)))


def _best_scales(
    primitive: Primitive, u: Array, size: float, sides: tuple[Array, Array], forms: list[Expression], rows: Rows
) -> Iterator[tuple[float, Expression, float]]:
    """Nats, form and slope for every form at the best of a grid of slopes, and of finer ones around it.

    u (n,): of size 1. sides: (n, K) what a function's values and their squares are summed with.
    """
    lengths = NATS_PER_NODE * np.array([form.complexity for form in forms])
    slopes, best = np.concatenate([SCALES, -SCALES]), np.full(len(forms), np.inf)
    chosen = np.zeros(len(forms))
    total = float(np.sum((rows.target * rows.roots) ** 2))
    for reach in (0.0, 0.12, 0.02, 0.004):
        trials = np.unique(chosen[:, None] * (1.0 + np.linspace(-reach, reach, 7))) if reach else slopes
        low, high = primitive.domain
        inside = np.outer(trials, [np.min(u), np.max(u)])
        trials = trials[np.all((inside > low) & (inside < high), axis=1)]
        if len(trials) == 0:
            return
        with np.errstate(all="ignore"):
            values = primitive.value(trials[:, None] * u)
            values = np.where(np.all(np.isfinite(values), axis=1, keepdims=True), values, 0.0)
            left = 1.0 - (values @ sides[0]) ** 2 / ((values * values) @ sides[1]) / total
        left = np.where(np.isfinite(left), left, np.inf)
        at = np.argmin(left, axis=0)
        better = left[at, range(len(forms))] < best
        best = np.where(better, left[at, range(len(forms))], best)
        chosen = np.where(better, trials[at], chosen)
    nats = 0.5 * len(rows) * np.log(np.maximum(best, 1e-26)) + lengths
    for form, cost, slope in zip(forms, nats, chosen, strict=True):
        if np.isfinite(cost):
            yield float(cost), form, float(slope) / size


def _line(slope: float) -> Expression:
    return add(whole(1), multiply(Constant(slope), Variable(0)))


def allowed(expression: Expression, library: Library) -> bool:
    """Whether a formula uses no primitive that the user left out."""
    if library is PRIMITIVES:
        return True
    exponents = {row.exponent for row in library} | {Fraction(-1), Fraction(2)}
    nodes = list(expression.walk())
    return all(node.name in library for node in nodes if isinstance(node, Call)) and all(
        node.exponent in exponents for node in nodes if isinstance(node, Power)
    )


def _linear_fit(
    value: Array, t: Array, roots: Array, variance: float, term: Expression, name: str
) -> Iterator[CurveFit]:
    for offset in (True, False):
        columns = np.column_stack([value, np.ones_like(value)] if offset else [value]) * roots[:, None]
        scale = np.linalg.norm(columns, axis=0)
        if np.any(scale == 0):
            return
        solution = np.linalg.lstsq(columns / scale, t * roots, rcond=None)[0] / scale
        error = float(np.mean((columns @ solution - t * roots) ** 2)) / variance
        expression = multiply(Constant(float(solution[0])), term)
        yield CurveFit(add(expression, Constant(float(solution[1]))) if offset else expression, error, name)


@dataclass(frozen=True)
class _Sample:
    """The few points (n,) of a curve that the scan looks at, sorted by z."""

    points: Array
    values: Array
    weights: Array

    @cached_property
    def variance(self) -> float:
        return _variance(self.values, self.weights)

    @cached_property
    def weighted(self) -> Array:
        """The values times the weights."""
        return self.weights * self.values


@dataclass(frozen=True)
class _Starts:
    """Arguments a * u + b to try, u = z**inner on the sample."""

    inner: Fraction
    u: Array
    slopes: Array
    shifts: Array


def _thin(z: Array, t: Array, weights: Array | None) -> _Sample:
    order = np.argsort(z, kind="stable")
    if len(z) > SCAN_POINTS:
        order = order[np.linspace(0, len(z) - 1, SCAN_POINTS).round().astype(int)]
    return _Sample(z[order], t[order], np.ones(len(order)) if weights is None else weights[order])


@dataclass(frozen=True)
class _Kinds:
    """What stands beside a primitive: c * factor * primitive + d * other, K kinds on the n points of a sample.

    factors, others (K, n): z**p, divided by its largest value, and 1 or the same.
    """

    fronts: tuple[Fraction, ...]
    scaled: tuple[bool, ...]
    factors: Array
    others: Array

    @classmethod
    def of(cls, sample: _Sample, fronts: tuple[Fraction, ...]) -> _Kinds:
        kinds = [(front, scaled) for front in fronts for scaled in ((False, True) if front else (False,))]
        one, factors = np.ones_like(sample.points), []
        for front, _ in kinds:
            with np.errstate(all="ignore"):
                factor = power(front).value(sample.points) if front else one
                factors.append(factor / np.max(np.abs(factor)))
        others = [factor if scaled else one for factor, (_, scaled) in zip(factors, kinds, strict=True)]
        scaled = tuple(both for _, both in kinds)
        return cls(tuple(front for front, _ in kinds), scaled, np.array(factors), np.array(others))


def _scan(
    z: Array,
    t: Array,
    weights: Array | None,
    library: Library,
    fronts: tuple[Fraction, ...],
    inners: tuple[Fraction, ...],
) -> Iterator[_Scan]:
    sample = _thin(z, t, weights)
    positive = sample.points[0] > 0
    kinds = _Kinds.of(sample, tuple(p for p in fronts if p == 0 or positive or (p > 0 and p.denominator == 1)))
    for inner in inners:
        if inner != 1 and not positive and not (inner > 0 and inner.denominator == 1):
            continue
        with np.errstate(all="ignore"):
            u = power(inner).value(sample.points)
        starts = _Starts(inner, u, *_starts(u))
        for primitive in library:
            if primitive.exponent is not None and (primitive.exponent > 1 and primitive.exponent.denominator == 1):
                continue
            if not primitive.searched or primitive in (CONSTANT, IDENTITY):
                continue
            yield from _scan_primitive(primitive, starts, sample, kinds)


def _starts(u: Array) -> tuple[Array, Array]:
    size, middle = float(np.max(np.abs(u))), float(0.5 * (u[0] + u[-1]))
    spread = max(float(np.ptp(u)), 1e-9 * size)
    plain = np.concatenate([SLOPES / size, -SLOPES / size, [1.0, -1.0, 2.0, 0.5]])
    slopes = np.concatenate([SLOPES / spread, -SLOPES / spread])
    grid = [(a, 0.0) for a in np.concatenate([plain, WAVES / size])]
    grid += [(a, b) for a in plain[: 2 * len(SLOPES)] for b in SHIFTS]
    grid += [(a, -a * middle + b) for a in slopes for b in (0.0, 0.8, -0.8)]
    low, high = float(u.min()), float(u.max())
    grid += [
        (s / spread, -s / spread * (low if s > 0 else high) + b)
        for s in (0.5, 1.0, 2.0, 5.0, 10.0, -1.0, -3.0, -0.5)
        for b in (0.02, 0.1, 0.5)
    ]
    pairs = np.array(grid)
    return pairs[:, 0], pairs[:, 1]


def _scan_primitive(primitive: Primitive, starts: _Starts, sample: _Sample, kinds: _Kinds) -> Iterator[_Scan]:
    """For every kind the best start without a shift, and the best three with one."""
    low, high = primitive.domain
    arguments = starts.slopes[:, None] * starts.u + starts.shifts[:, None]
    inside = np.all((arguments > low) & (arguments < high), axis=1)
    if primitive.exponent is not None:
        inside &= starts.shifts != 0.0
    if not np.any(inside):
        return
    with np.errstate(all="ignore"):
        errors = _errors(primitive.value(arguments[inside]), kinds, sample)
    slopes, shifts = starts.slopes[inside], starts.shifts[inside]
    chosen = []
    centred = np.flatnonzero(shifts == 0.0)
    if len(centred):
        best = centred[np.argmin(errors[centred], axis=0)]
        zoomed = _zoomed(primitive, slopes[best], errors[best, range(len(best))], starts, sample, kinds)
        chosen.append((*zoomed, np.zeros(len(best))))
    shifted = np.flatnonzero(shifts != 0.0)
    if len(shifted):
        for best in shifted[np.argsort(errors[shifted], axis=0, kind="stable")[:3]]:
            chosen.append((slopes[best], errors[best, range(len(best))], shifts[best]))
    for slope, error, shift in chosen:
        for k in np.flatnonzero(np.isfinite(error)):
            place = primitive, kinds.fronts[k], starts.inner
            yield _Scan(float(error[k]), *place, float(slope[k]), float(shift[k]), kinds.scaled[k])


def _zoomed(
    primitive: Primitive, slopes: Array, errors: Array, starts: _Starts, sample: _Sample, kinds: _Kinds
) -> tuple[Array, Array]:
    """The best slopes (K,) near those of a scan without a shift, by rounds of finer grids, and their errors (K,)."""
    near = np.flatnonzero(errors < ZOOM_BELOW)
    slopes, errors = slopes.copy(), errors.copy()
    factors, others = kinds.factors[near, None], kinds.others[near, None]
    for reach in (0.25, 0.04, 0.006) if len(near) else ():
        trials = slopes[near, None] * (1.0 + np.linspace(-reach, reach, 13))
        with np.errstate(all="ignore"):
            columns = primitive.value(trials[..., None] * starts.u) * factors
            columns /= np.max(np.abs(columns), axis=-1, keepdims=True)
            products = (columns * columns) @ sample.weights, (columns * others) @ sample.weights
            found = _left(*products, columns @ sample.weighted, kinds.others[near], sample)
        at = np.argmin(found, axis=1)
        slopes[near], errors[near] = trials[range(len(near)), at], found[range(len(near)), at]
    return slopes, errors


def _errors(shape: Array, kinds: _Kinds, sample: _Sample) -> Array:
    """What every kind leaves of a curve's variance (S, K), for a primitive's values (S, n) at every start."""
    weights, factors = sample.weights, kinds.factors
    shape = shape / np.max(np.abs(shape), axis=1, keepdims=True)
    squares, mixed = (shape * shape) @ (weights * factors**2).T, shape @ (weights * factors * kinds.others).T
    along = shape @ (sample.weighted * factors).T
    return _left(squares.T, mixed.T, along.T, kinds.others, sample).T


def _left(ss: Array, so: Array, sy: Array, others: Array, sample: _Sample) -> Array:
    """What least squares on [column, other] leaves of the variance; infinite where that is not defined.

    ss, so, sy (K, S): the columns times themselves, the others and the values, all weighted. others (K, n).
    """
    oo, oy = (others * others) @ sample.weights, others @ sample.weighted
    oo, oy, yy = oo[:, None], oy[:, None], float(sample.values @ sample.weighted)
    determinant = ss * oo - so**2
    gain = (sy**2 * oo - 2 * sy * oy * so + oy**2 * ss) / determinant
    error = np.maximum(yy - gain, 0.0) / len(sample.values) / sample.variance
    return np.where(np.isfinite(error) & (determinant > 1e-10 * ss * oo), error, np.inf)


def _refined_fits(scans: list[_Scan], rows: Rows, variance: float, price: float, polished: int) -> list[CurveFit]:
    """The scans' formulas refined briefly on few points, then the best of them on all points to the last digits."""
    z = rows.inputs[:, 0]
    thin = rows.take(
        np.argsort(z, kind="stable")[np.linspace(0, len(z) - 1, min(len(z), SCAN_POINTS)).round().astype(int)]
    )
    brief = []
    for scan in scans:
        options = _formulas(scan, thin)
        if not options:
            continue
        full = _brief(options[0], thin)
        error = mean_square(full, thin) / variance
        if np.isfinite(error):
            brief.append((float(np.log(error + 1e-14)) + price * scan.primitive.complexity, scan, full, options[1]))
    brief.sort(key=lambda item: item[0])
    found = []
    for _, scan, full, short in brief[:polished]:
        expression = _best_of([full, _brief(short, thin)], rows)
        found.append(CurveFit(expression, mean_square(expression, rows) / variance, scan.primitive.name))
    return found


def _brief(expression: Expression, rows: Rows) -> Expression:
    start = np.array([[constant.value for constant in expression.free_constants]])
    theta, _ = fit_starts(expression, rows, start, BRIEF_STEPS)
    return expression.with_constants(theta[0])


def _formulas(scan: _Scan, rows: Rows) -> list[Expression]:
    """The scan's formula with c and d solved for, with and without d; b stays out when the start had none."""
    z = Variable(0)
    argument: Expression = multiply(Constant(scan.slope), raise_to(z, scan.inner))
    if scan.shift != 0.0:
        argument = add(argument, Constant(scan.shift))
    primitive = scan.primitive
    body = Power(argument, primitive.exponent) if primitive.exponent is not None else call(primitive.name, argument)
    front = raise_to(z, scan.front)
    with np.errstate(all="ignore"):
        value = (multiply(front, body)).evaluate(rows.inputs)
        other = front.evaluate(rows.inputs) if scan.scaled else np.ones_like(value)
    roots = rows.roots * np.ones_like(value)
    columns = np.column_stack([value, other]) * roots[:, None]
    if not np.all(np.isfinite(columns)):
        return []
    c, d = np.linalg.lstsq(columns, rows.target * roots, rcond=None)[0]
    term = multiply(Constant(float(c)), front, body)
    tail = multiply(Constant(float(d)), front) if scan.scaled else Constant(float(d))
    return [add(term, tail), term]


def _best_of(options: list[Expression], rows: Rows) -> Expression:
    """The options refined; a shorter one wins over a longer one that is not clearly better."""
    fitted = [polish(expression, rows, 40).expression for expression in options]
    errors = [mean_square(expression, rows) for expression in fitted]
    floor = 1e-26 * float(np.mean(rows.target**2))
    return fitted[1] if errors[1] <= max(1.02 * errors[0], floor) else fitted[0]
