"""Hidden sums: two columns that act through A(xi) + B(xj) alone, y = F(A(xi) + B(xj), the others), all three unknown.

The slopes of a smooth model tell: log|f_i / f_j| = log|A'(xi)| - log|B'(xj)| is then a function of the one column plus
a function of the other, whatever F is. A power of a third column may stand before B, as in F(x - v t, v). Both are
drawn by splines, and matched by the derivatives of powers, logarithms, exponentials and angles of the column, of a line
in it or of its square. Where two columns are all there are, the numbers inside are trained on the raw rows, with a
spline in the place of F. A Combination is the special case where A and B are known.

Source: Horowitz and Mammen, Rate-optimal estimation for a general class of nonparametric regression models with unknown
link functions, Ann. Statist. 35 (2007) 2589, for the model; the slopes in the place of backfitting are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, product

import numpy as np
from scipy import optimize

from kansym.structure.rows import Rows
from kansym.structure.smooth import fit_smooth
from kansym.structure.splines import ridge, spline_columns
from kansym.structure.symmetry import nearest_rational, reduced_error

Array = np.ndarray
Factor = tuple[int, Fraction]
FEWEST_ROWS, PROBES = 80, 500
POOREST = 0.02  # held-out error over the spread of a model whose slopes are looked at
INSIDE = 0.03  # quantile at both ends of every column beyond which slopes are not looked at
STEEP = 0.02  # of the typical slope, from which its logarithm says something
MOSTLY = 0.6  # of the probes that must be steep by both columns
ONE_WAY = 0.99  # of these, where the slopes have the same signs
INTERVALS = 6
LEFT = 0.06  # of log|f_i / f_j|, RMS, what a sum of functions of both may leave
NEAR = 1.6  # times the least misfit of a derivative: families as good as the best
ALIKE, FOLLOWING = 0.005, 2.0  # misfit below which families are as good; times what is left of the sum of curves
PAIRS, KEPT = 3, 2  # of columns that are tried, and families of each side
SHIFTS = np.geomspace(0.01, 30.0, 60)  # of a line's zero from the nearest row, over the range of the column
LOGARITHMIC = 0.04  # exponents this near to 0 are logarithms
PIECES, FOLLOWED = 24, 2e-4  # of F; RMS over the spread that the rows may leave of it
FINER, EXACTLY = 0.5, 1e-7  # of which finer pieces leave so much at most, but for rounding: what is wrong does not go
VERIFIED, ROUGHLY = 1.6, 1e-5  # times the error of all columns, and in any case, that a model of one less may have
AS_GOOD = 1.5  # times the least error, that a plainer sum may have
SNAPPED = 0.03  # how near numbers are to the small fractions that they are taken for
CLOSE = 0.01  # the same of trained exponents


@dataclass(frozen=True)
class _Kind:
    """A function of a number and its derivative, by what it is of (N,) and the number inside."""

    value: Callable[[Array, float], Array]
    slope: Callable[[Array, float], Array]
    trained: bool = False


KINDS = {
    "power": _Kind(lambda u, n: u**n, lambda u, n: n * u ** (n - 1.0), trained=True),
    "logarithm": _Kind(lambda u, _: np.log(u), lambda u, _: 1.0 / u),
    "exponential": _Kind(lambda u, n: np.exp(n * u), lambda u, n: n * np.exp(n * u), trained=True),
    "sin": _Kind(lambda u, _: np.sin(u), lambda u, _: np.cos(u)),
    "cos": _Kind(lambda u, _: np.cos(u), lambda u, _: -np.sin(u)),
    "tan": _Kind(lambda u, _: np.tan(u), lambda u, _: 1.0 / np.cos(u) ** 2),
    "sin^2": _Kind(lambda u, _: np.sin(u) ** 2, lambda u, _: np.sin(2.0 * u)),
    "tan^2": _Kind(lambda u, _: np.tan(u) ** 2, lambda u, _: 2.0 * np.tan(u) / np.cos(u) ** 2),
}
ANGLES = ("sin", "cos", "tan", "sin^2", "tan^2")


@dataclass(frozen=True)
class Inner:
    """A function of one column: one of `KINDS` of x + shift, or of shift - x, or of these with x**2."""

    kind: str
    number: float = 1.0
    shift: float = 0.0
    ahead: bool = False
    squared: bool = False

    def base(self, x: Array) -> Array:
        """What the function is of, (N,)."""
        own = x**2 if self.squared else x
        return self.shift - own if self.ahead else own + self.shift

    def value(self, x: Array) -> Array:
        """A(x), (N,)."""
        return KINDS[self.kind].value(self.base(x), self.number)

    def slope(self, x: Array) -> Array:
        """A'(x), (N,)."""
        inside = (-1.0 if self.ahead else 1.0) * (2.0 * x if self.squared else 1.0)
        return KINDS[self.kind].slope(self.base(x), self.number) * inside

    @property
    def numbers(self) -> tuple[float, ...]:
        """What is trained: the exponent or rate, and the shift where there is one."""
        own = (self.number,) if KINDS[self.kind].trained else ()
        return (*own, self.shift) if self.shift else own

    def with_numbers(self, numbers: Sequence[float] | Array) -> Inner:
        """The function with other numbers."""
        number = float(numbers[0]) if KINDS[self.kind].trained else self.number
        return replace(self, number=number, shift=float(numbers[-1]) if self.shift else 0.0)

    def plainly(self) -> Inner:
        """The function with an exponent that is nearly a small fraction made that fraction."""
        return replace(self, number=_snapped(self.number, CLOSE)) if self.kind == "power" else self


@dataclass(frozen=True)
class HiddenSum:
    """target = F(A(x_i) + coefficient * B(x_j), others): the sum takes the place of column i; j goes.

    Of two logarithms the product that they are the logarithm of takes its place.
    factor: a third column, which stays, and its power before B.
    """

    first: int
    second: int
    inner: tuple[Inner, Inner]
    coefficient: float
    factor: Factor | None = None

    @property
    def is_product(self) -> bool:
        """Whether both functions are logarithms."""
        return all(inner.kind == "logarithm" for inner in self.inner)

    def value(self, inputs: Array) -> Array:
        """The sum (N,), or the product."""
        one, other = self.inner
        second = self.coefficient * other.value(inputs[:, self.second])
        if self.factor is not None:
            second = second * inputs[:, self.factor[0]] ** float(self.factor[1])
        total = one.value(inputs[:, self.first]) + second
        return np.exp(total) if self.is_product else total

    def apply(self, rows: Rows) -> Rows:
        """The table with the two columns replaced by the one."""

        def combined(x: Array) -> Array:
            merged = x.copy()
            merged[:, self.first] = self.value(x)
            return np.delete(merged, self.second, axis=1)

        return rows.transformed(combined, lambda _, y: y)


def find_hidden_sum(rows: Rows) -> HiddenSum | None:
    """The best verified pair of columns that act through a hidden sum; None where there is none, or too much noise."""
    columns = rows.inputs.shape[1]
    if columns < 2 or len(rows.target) < FEWEST_ROWS:
        return None
    smooth = fit_smooth(rows)
    if smooth is None or smooth.held_out > POOREST:
        return None
    points = _inside(rows.inputs)[:PROBES]
    slopes = smooth.examine(points)[1]
    ratios = [ratio for pair in combinations(range(columns), 2) if (ratio := _Ratio.of(points, slopes, pair))]
    for ratio in sorted(ratios, key=lambda each: each.left)[:PAIRS]:
        tried = [step for step in ratio.sums() if _is_finite(step, rows)]
        judged = [_judged(step, rows) for step in tried]
        allowed = FOLLOWED if columns == 2 else max(VERIFIED * smooth.held_out, ROUGHLY)
        least = min((left for _, left in judged), default=np.inf)
        if least < allowed:  # the sums come in the order of their plainness
            return next(step for step, left in judged if left <= max(AS_GOOD * least, EXACTLY))
    return None


def _judged(step: HiddenSum, rows: Rows) -> tuple[HiddenSum, float]:
    """A sum, trained where its columns are the only two, and the error over the spread of a model of it."""
    return _trained(step, rows) if rows.inputs.shape[1] == 2 else (step, reduced_error(step.apply(rows), rows))


def _inside(inputs: Array) -> Array:
    """The rows that are away from the ends of every column."""
    low, high = np.quantile(inputs, INSIDE, axis=0), np.quantile(inputs, 1.0 - INSIDE, axis=0)
    return inputs[np.all((inputs >= low) & (inputs <= high), axis=1)]


def _is_finite(step: HiddenSum, rows: Rows) -> bool:
    with np.errstate(all="ignore"):
        values = step.value(np.vstack([rows.inputs, rows.held_inputs]))
    return bool(np.all(np.isfinite(values)) and np.ptp(values) > 0)


@dataclass(frozen=True)
class _Ratio:
    """log|f_i / f_j| (n,) of two columns at points (n, 2), as the difference of two curves (n,), and what that leaves.

    sign: of f_i / f_j. factor: a third column and its power before the function of the second; it is taken out of the
        ratio.
    """

    pair: tuple[int, int]
    points: Array
    target: Array
    curves: tuple[Array, Array]
    left: float
    sign: float
    factor: Factor | None = None

    @classmethod
    def of(cls, points: Array, slopes: Array, pair: tuple[int, int]) -> _Ratio | None:
        """None where the slopes say nothing, or the ratio is no such sum."""
        one, other = slopes[:, pair[0]], slopes[:, pair[1]]
        steep = (np.abs(one) > STEEP * np.median(np.abs(one))) & (np.abs(other) > STEEP * np.median(np.abs(other)))
        if np.mean(steep) < MOSTLY or np.sum(steep) < FEWEST_ROWS // 2:
            return None
        signs = np.sign(one[steep] * other[steep])
        if abs(np.mean(signs)) < 2.0 * ONE_WAY - 1.0:
            return None
        sign = float(np.sign(np.mean(signs)))
        agreed = np.flatnonzero(steep)[signs == sign]
        if not np.all(np.ptp(points[agreed][:, pair], axis=0) > 0):
            return None
        ratio = np.log(np.abs(one / other)[agreed])
        for factor, target in _without_a_third(points[agreed], ratio, pair):
            curves, left = _two_curves(points[agreed][:, pair], target)
            if left <= LEFT:
                return cls(pair, points[agreed][:, pair], target, curves, left, sign, factor)
        return None

    def sums(self) -> Iterator[HiddenSum]:
        """The sums whose derivatives follow both curves, the plainest and nearest of each side."""
        most = FOLLOWING * max(self.left, ALIKE)
        sides = [_families(x, curve, most)[:KEPT] for x, curve in zip(self.points.T, self.curves, strict=True)]
        for one, other in product(*sides):
            numbers = np.array([*one.numbers, *other.numbers])
            if len(numbers):
                found = optimize.least_squares(self._missed, numbers, x_scale="jac", max_nfev=30, args=(one, other))
                numbers = found.x
            first, second = _moved((one, other), numbers)
            inner = first.plainly(), second.plainly()
            with np.errstate(all="ignore"):
                slopes = self._slopes(inner)
                logs = np.median(np.log(np.abs(slopes)) - self.target)
            coefficient = self.sign * float(np.sign(np.median(slopes)) * np.exp(logs))
            step = HiddenSum(*self.pair, inner, _snapped(coefficient), self.factor)
            if not (self.factor and step.is_product):
                yield step

    def _slopes(self, inner: tuple[Inner, Inner]) -> Array:
        """A'(xi) / B'(xj) at the points, (n,)."""
        return inner[0].slope(self.points[:, 0]) / inner[1].slope(self.points[:, 1])

    def _missed(self, numbers: Array, one: Inner, other: Inner) -> Array:
        """The ratio's error (n,) but for a constant, for other numbers in two functions."""
        with np.errstate(all="ignore"):
            error = np.log(np.abs(self._slopes(_moved((one, other), numbers)))) - self.target
        return error - error.mean() if np.all(np.isfinite(error)) else np.full(len(error), 1e3)


def _without_a_third(points: Array, ratio: Array, pair: tuple[int, int]) -> Iterator[tuple[Factor | None, Array]]:
    """The ratio (n,) as it is, and without the power of a third positive column that makes most of what is left."""
    yield None, ratio
    thirds = [z for z in range(points.shape[1]) if z not in pair and points[:, z].min() > 0]
    splines = np.hstack([spline_columns(x, INTERVALS) for x in points[:, pair].T])
    found = []
    for z in thirds:
        matrix = np.column_stack([splines, np.log(points[:, z])])
        solution = ridge(matrix, ratio - ratio.mean(), np.ones(len(ratio)))
        power = nearest_rational(-float(solution[-1]), SNAPPED)
        if power:
            found.append((_rms(matrix @ solution - ratio), (z, power)))
    if found:
        z, power = min(found)[1]
        yield (z, power), ratio + float(power) * np.log(points[:, z])


def _two_curves(points: Array, target: Array) -> tuple[tuple[Array, Array], float]:
    """A target (n,) as a function of the first column minus one of the second, (n,) each, and the RMS that is left."""
    splines = [spline_columns(x, INTERVALS) for x in points.T]
    solution = ridge(np.hstack(splines), target - target.mean(), np.ones(len(target)))
    ends = splines[0].shape[1]
    first, second = splines[0] @ solution[:ends] + target.mean(), -splines[1] @ solution[ends:]
    return (first, second), float(np.sqrt(np.mean((first - second - target) ** 2)))


def _moved(inner: tuple[Inner, Inner], numbers: Array) -> tuple[Inner, Inner]:
    """Two functions with other numbers."""
    count = len(inner[0].numbers)
    return inner[0].with_numbers(numbers[:count]), inner[1].with_numbers(numbers[count:])


def _snapped(number: float, tolerance: float = SNAPPED) -> float:
    near = nearest_rational(number, tolerance)
    return float(near) if near else number


def _families(x: Array, curve: Array, most: float) -> list[Inner]:
    """Functions of x (n,) of which the logarithm of the derivative follows a curve (n,) but for a constant.

    most: RMS that may be left of the curve.
    """
    rate, left = _line(x, curve)
    found = [(_rms(curve), 0.0, Inner("power")), (left, 2.0, Inner("exponential", rate))]
    with np.errstate(all="ignore"):
        angles = ((kind, curve - np.log(np.abs(Inner(kind).slope(x)))) for kind in ANGLES)
        found += [(_rms(rest), 1.5, Inner(kind)) for kind, rest in angles if np.all(np.isfinite(rest))]
    if x.min() > 0:
        exponent, left = _line(np.log(x), curve)
        found += [(_rms(curve + np.log(x)), 0.5, Inner("logarithm")), (left, 1.0, _power(exponent + 1.0))]
    found += _of_lines(x, curve, squared=False)
    if np.min(np.abs(x)) > 0:
        found += _of_lines(x, curve - np.log(np.abs(x)), squared=True)
    least = max(min(left for left, _, _ in found), ALIKE)
    near = [item for item in found if item[0] <= min(NEAR * least, most)]
    return [inner for _, _, inner in sorted(near, key=lambda item: (item[1], item[0]))]


def _of_lines(x: Array, curve: Array, squared: bool) -> Iterator[tuple[float, float, Inner]]:
    """The best power and logarithm of lines in a column, or its square, with what each leaves and its length."""
    own = x**2 if squared else x
    low, high, span = float(own.min()), float(own.max()), float(np.ptp(own))
    for ahead in (False, True):
        shifts = (high + SHIFTS * span if ahead else SHIFTS * span - low).tolist()
        bases = [(shift, np.log(shift - own if ahead else own + shift)) for shift in shifts]
        left, shift = min((_rms(curve + base), shift) for shift, base in bases)
        yield left, 2.0 + squared, Inner("logarithm", 1.0, shift, ahead, squared)
        exponent, left, shift = min(((*_line(base, curve), shift) for shift, base in bases), key=lambda line: line[1])
        yield left, 3.0 + squared, replace(_power(exponent + 1.0, shift, ahead), squared=squared)


def _power(exponent: float, shift: float = 0.0, ahead: bool = False) -> Inner:
    if abs(exponent) < LOGARITHMIC:
        return Inner("logarithm", 1.0, shift, ahead)
    return Inner("power", _snapped(exponent), shift, ahead)


def _line(x: Array, y: Array) -> tuple[float, float]:
    """The slope of the straight line through points, and the RMS that it leaves."""
    centred = x - x.mean()
    slope = float(centred @ y / max(centred @ centred, 1e-300))
    return slope, _rms(y - slope * centred)


def _rms(values: Array) -> float:
    return float(np.std(values))


def _trained(step: HiddenSum, rows: Rows) -> tuple[HiddenSum, float]:
    """The sum of the only two columns with its numbers trained, and the RMS over the spread that its curve leaves."""
    start = np.array([*step.inner[0].numbers, *step.inner[1].numbers, step.coefficient])
    spread = max(float(np.std(rows.target)), 1e-300)

    def moved(numbers: Array) -> HiddenSum:
        *inner, coefficient = numbers * start
        return replace(step, inner=_moved(step.inner, np.array(inner)), coefficient=float(coefficient))

    def left(numbers: Array, pieces: int = PIECES) -> Array:
        with np.errstate(all="ignore"):
            along = moved(numbers).value(rows.inputs)
        if not np.all(np.isfinite(along)) or np.ptp(along) == 0:
            return np.full(len(along), 1e3)
        matrix = spline_columns(along, pieces)
        return (matrix @ ridge(matrix, rows.target, np.ones(len(along))) - rows.target) / spread

    found = optimize.least_squares(left, np.ones(len(start)), max_nfev=40, x_scale=0.1, diff_step=1e-6)
    coarse, fine = (float(np.sqrt(np.mean(left(found.x, pieces) ** 2))) for pieces in (PIECES, 2 * PIECES))
    return moved(found.x), fine if fine < max(FINER * coarse, EXACTLY) else np.inf
