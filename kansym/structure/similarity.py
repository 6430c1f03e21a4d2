"""Similarity laws: a product of powers before a function of another product of powers, y = x**p g(x**q).

Dimensional analysis leaves laws of this form wherever two groups are all there is. In logarithms it is linear but for
one function of one variable, log y = p log x + G(q log x): every direction q is one linear least squares problem with
a spline for G. It bears noise, few rows and targets over hundreds of decades, where smooth models of all columns
do not.

Source: a partially linear single-index model, Carroll, Fan, Gijbels and Wand 1997, with rational directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

import numpy as np
from scipy.interpolate import BSpline

from kansym.structure.rows import Rows, error_over_spread
from kansym.structure.smooth import modelled_error
from kansym.structure.surrogate import fit_surrogate
from kansym.structure.symmetry import Scaling, nearest_rational, whole_numbers

Array = np.ndarray
MOST_COLUMNS, FEWEST_ROWS, SCANNED_ROWS = 6, 40, 400
DEGREE, COARSE, FINER = 3, 8, (4, 8, 16, 32)
ROWS_PER_PIECE = 5  # rows that a piece of the spline needs
RIDGE = 1e-10
BEYOND = 2.0  # that the logarithm of a prediction may be above the largest target's
GREATEST = 6  # exponent of a direction of whole numbers
KEPT, ROUNDS = 3, 2  # directions that are improved one exponent at a time, and how often all are tried
EXPONENTS = tuple(
    Fraction(n, d) for n, d in ((0, 1), (1, 1), (-1, 1), (1, 2), (-1, 2), (2, 1), (-2, 1), (3, 1), (-3, 1))
)
WRONG = 0.3  # share of the rows that may have the other sign
FINALISTS = 12  # directions that are fitted to all rows
POWER_NATS = 2.0  # that a unit of an exponent must earn
MODELLED = 1.03  # of the error of a smooth model of all columns that two powers and a curve may have
BENT = 10.0  # nats by which the curve must be likelier than one product of powers
ROUNDING = 0.3  # of a fitted power


def find_similarity(rows: Rows) -> Scaling | None:
    """The powers p and q of a law y = x**p g(x**q), as a reduction; None where a smooth model of all columns is better.

    Args:
        rows: at least 40, two to six positive columns and a target of one sign, but for a few rows that noise has
            taken to the other.
    """
    logs = _Logs.of(rows)
    if logs is None:
        return None
    fits = {powers: logs.thinned.fit(powers, COARSE) for powers in _directions(logs.columns)}
    for start in sorted(fits, key=lambda powers: fits[powers].error)[:KEPT]:
        _improve(start, fits, logs.thinned)
    finalists = sorted(fits, key=lambda powers: fits[powers].error)[:FINALISTS]
    best = min(finalists, key=lambda powers: logs.fit(powers, COARSE).nats + _length(powers))
    found = min((logs.fit(best, pieces) for pieces in FINER), key=lambda fit: fit.held)
    if logs.fit(best, 0).nats - found.nats < BENT:
        return None
    reached, model = (found.missed, modelled_error(rows)) if logs.signs else (found.held, logs.modelled())
    prefactor = _prefactor(found.powers, best) if reached <= MODELLED * model else None
    return None if prefactor is None else Scaling(prefactor, (whole_numbers(best),))


Powers = tuple[Fraction, ...]


@dataclass(frozen=True)
class _Fit:
    """Weighted root mean square errors of logarithms, of the fitted and of the held-out rows; the powers p (D,).

    missed: the held-out error of the target itself over its spread. rows: fitted.
    """

    rows: int
    error: float
    held: float
    missed: float
    powers: Array

    @property
    def nats(self) -> float:
        """What the fitted rows say against it."""
        return self.rows * float(np.log(max(self.error, 1e-300)))


@dataclass(frozen=True)
class _Logs:
    """Logarithms of columns (N, D) and target (N,), and what a row weighs: errors of small targets are far apart.

    measured: the held-out target itself, its usual sign positive. signs: whether some rows have the other one.
    """

    points: Array
    target: Array
    weights: Array
    held_points: Array
    held_target: Array
    held_weights: Array
    measured: Array
    signs: bool

    @classmethod
    def of(cls, rows: Rows) -> _Logs | None:
        inputs, target = np.vstack([rows.inputs, rows.held_inputs]), np.concatenate([rows.target, rows.held_target])
        enough = 2 <= inputs.shape[1] <= MOST_COLUMNS and len(rows.target) >= FEWEST_ROWS and len(rows.held_target) > 0
        if not enough or not np.all(inputs > 0):
            return None
        sign = 1.0 if np.median(target) > 0 else -1.0
        wrong = sign * target <= 0
        if np.mean(wrong) > WRONG:
            return None
        size = np.where(wrong, np.max(np.abs(target)), np.abs(target))
        points, values = np.log(inputs), np.log(size)
        weights = (size / np.max(size)) ** 2 if np.any(wrong) else np.minimum(1.0, (size / np.median(size)) ** 2)
        weights[wrong] = 0.0
        points -= points.mean(axis=0)
        if not (np.all(np.isfinite(points)) and np.all(np.isfinite(values)) and np.all(np.ptp(points, axis=0) > 0)):
            return None
        cut = len(rows.target)
        held = points[cut:], values[cut:], weights[cut:], sign * target[cut:], bool(np.any(wrong))
        return cls(points[:cut], values[:cut], weights[:cut], *held)

    @property
    def columns(self) -> int:
        return self.points.shape[1]

    @property
    def thinned(self) -> _Logs:
        """The first of the rows."""
        few = slice(SCANNED_ROWS)
        return replace(self, points=self.points[few], target=self.target[few], weights=self.weights[few])

    def fit(self, powers: Powers, pieces: int) -> _Fit:
        """Fit p and a spline of so many pieces (0: a straight line) over the direction q by least squares."""
        q = np.array(powers, dtype=float)
        along, held_along = self.points @ q, self.held_points @ q
        pivot = int(np.argmax(np.abs(q) * self.points.std(axis=0)))  # the spline has its power
        others = [column for column in range(self.columns) if column != pivot]
        pieces = min(pieces, max(len(self.target) // ROWS_PER_PIECE - self.columns, 1))
        knots = _knots(along, held_along, pieces)
        matrix = np.hstack([self.points[:, others], _curve(along, knots)])
        roots = np.sqrt(self.weights)
        scaled = matrix * roots[:, None]
        size = np.sqrt(np.sum(scaled**2, axis=0)) + 1e-300
        scaled = scaled / size
        normal = scaled.T @ scaled + RIDGE * np.eye(scaled.shape[1])
        solution = np.linalg.solve(normal, scaled.T @ (self.target * roots)) / size
        predicted = np.hstack([self.held_points[:, others], _curve(held_along, knots)]) @ solution
        held = np.sqrt(np.mean(self.held_weights * (predicted - self.held_target) ** 2))
        top = self.target.max()
        missed = error_over_spread(np.exp(np.minimum(predicted - top, BEYOND)), self.measured / np.exp(top))
        free = max(len(self.target) - len(solution), 1)
        error = np.sqrt(np.sum(self.weights * (matrix @ solution - self.target) ** 2) / free)
        factor = np.zeros(self.columns)
        factor[others] = solution[: len(others)]
        return _Fit(len(self.target), float(error), float(held), missed, factor)

    def modelled(self) -> float:
        """The held-out error of a smooth model of all columns; infinite where there is none."""
        model = fit_surrogate(self.points, self.target, self.held_points, self.held_target)
        if model is None:
            return np.inf
        missed = model.predict(self.held_points) - self.held_target
        return float(np.sqrt(np.mean(self.held_weights * missed**2)))


def _knots(along: Array, held: Array, pieces: int) -> Array:
    """Ends of the pieces at quantiles, over all rows; empty for a straight line."""
    if pieces == 0:
        return np.empty(0)
    knots = np.unique(np.quantile(along, np.linspace(0.0, 1.0, pieces + 1)))
    reach = 1e-9 * (1.0 + np.ptp(along))
    knots[0], knots[-1] = min(along.min(), held.min()) - reach, max(along.max(), held.max()) + reach
    return np.concatenate([[knots[0]] * DEGREE, knots, [knots[-1]] * DEGREE])


def _curve(along: Array, knots: Array) -> Array:
    """Functions of the direction (N, K): splines, or without knots a straight line."""
    if len(knots) == 0:
        return np.column_stack([np.ones(len(along)), along])
    return BSpline.design_matrix(along, knots, DEGREE).toarray()


def _directions(columns: int) -> Iterator[Powers]:
    """Exponents 0, 1 and -1 of at least two columns, the first of them 1."""
    for signs in product((0, 1, -1), repeat=columns):
        used = [sign for sign in signs if sign]
        if len(used) > 1 and used[0] > 0:
            yield tuple(map(Fraction, signs))


def _improve(start: Powers, fits: dict[Powers, _Fit], logs: _Logs) -> None:
    """Change one exponent after the other for the better."""
    for _ in range(ROUNDS):
        before = start
        for column in range(logs.columns):
            for exponent in EXPONENTS:
                tried = _normal((*start[:column], exponent, *start[column + 1 :]))
                if tried is not None and tried not in fits:
                    fits[tried] = logs.fit(tried, COARSE)
                if tried is not None and fits[tried].error < fits[start].error:
                    start = tried
        if start == before:
            return


def _normal(powers: Powers) -> Powers | None:
    """The direction with first exponent 1; None where it has less than two columns or large exponents."""
    used = [power for power in powers if power]
    direction = tuple(power / used[0] for power in powers) if len(used) > 1 else ()
    return direction if direction and max(map(abs, whole_numbers(direction))) <= GREATEST else None


def _length(powers: Powers) -> float:
    """Nats that the exponents of a direction cost."""
    return POWER_NATS * sum(abs(power.numerator) + power.denominator - 1 for power in powers)


def _prefactor(powers: Array, direction: Powers) -> Powers | None:
    """The simplest rational p near the fitted one; whatever multiple of q is taken off goes into the curve."""
    q, options = np.array(direction, dtype=float), []
    for pivot in np.flatnonzero(q):
        rounded = [nearest_rational(float(value), ROUNDING) for value in powers - powers[pivot] / q[pivot] * q]
        if all(value is not None for value in rounded):
            options.append(tuple(value for value in rounded if value is not None))
    return min(options, key=lambda option: sum(abs(value) + value.denominator - 1 for value in option), default=None)
