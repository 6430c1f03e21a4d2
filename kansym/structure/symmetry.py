"""Symmetries of a table, read from the gradients of its surrogate: ways to say the same with fewer variables.

Scaling: if f(s**a1 x1, s**a2 x2, ...) = s**p f for every s, then the gradient obeys sum_j a_j x_j f_j = p f on all rows
(Euler). All such laws together are the null space of the matrix [f, x1 f1, ..., xD fD], so one singular value
decomposition finds every group of variables that dimensional analysis would find from the units, and those it would
not. Combination: if f reads xi and xj only through phi(xi) + c phi(xj), the columns fi / phi'(xi) and fj / phi'(xj) are
parallel.

The gradients only propose. A reduction is accepted when a new surrogate of the fewer variables predicts held-out rows
as well as the one of all variables did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.budget import Budget, Part
from kansym.structure.rows import (
    Rows,
    columns_of_one_sign,
    error_over_spread,
    evenly_on_logarithms,
    scales_of,
)
from kansym.structure.smooth import Smooth, fit_in

Array = np.ndarray
PROBES = 400
LARGEST_EXPONENT = 6
ROUNDING = 0.06
LOOSEST = 0.08
FACTOR = 1.3
SCALING_FLOOR = 2e-4
COMBINATION_FLOOR = 2e-6
ROUGHEST, ROUGHEST_OF_PAIRS = 0.2, 0.3  # held-out error of a model whose gradients are looked at
ROUGHEST_PAIR = 0.1  # of the slopes by two columns, what may be left of a combination
LEAST_BENT = 0.05  # times the gain, by which the slopes beside it must vary: a line alone is no combination
POOR = 0.01
IMPROVEMENT = 0.6


@dataclass(frozen=True)
class Scaling:
    """target = prod_j x_j**prefactor[j] * G(invariants), invariant k = prod_j x_j**invariants[k][j]."""

    prefactor: tuple[Fraction, ...]
    invariants: tuple[tuple[Fraction, ...], ...]

    def apply(self, rows: Rows) -> Rows:
        """The table of G: fewer columns, the same rows."""
        weighed = rows.weighed(lambda x: monomial(x, self.prefactor)) if any(self.prefactor) else rows
        return weighed.transformed(
            lambda x: (
                np.stack([monomial(x, exponents) for exponents in self.invariants], axis=1)
                if self.invariants
                else np.empty((len(x), 0))
            ),
            lambda x, y: y / monomial(x, self.prefactor),
        )

    def restored(self, inputs: Array, values: Array) -> Array:
        """The target (N,) where G has these values."""
        return values * monomial(inputs, self.prefactor)


@dataclass(frozen=True)
class Combination:
    """target = gain * phi(x_j) + G(phi(x_i) + coefficient * phi(x_j), others): the sum takes the place of i; j goes."""

    first: int
    second: int
    phi: str
    coefficient: float
    gain: float = 0.0

    def apply(self, rows: Rows) -> Rows:
        """The table with the two columns replaced by the one."""
        function = PHI[self.phi][0]

        def combined(x: Array) -> Array:
            merged = x.copy()
            merged[:, self.first] = function(x[:, self.first]) + self.coefficient * function(x[:, self.second])
            return np.delete(merged, self.second, axis=1)

        return rows.transformed(combined, lambda x, y: y - self._gained(x))

    def restored(self, inputs: Array, values: Array) -> Array:
        """The target (N,) where G has these values."""
        return values + self._gained(inputs)

    def _gained(self, inputs: Array) -> Array | float:
        return self.gain * PHI[self.phi][0](inputs[:, self.second]) if self.gain else 0.0


PHI: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "x": (lambda x: x, np.ones_like),
    "x^2": (lambda x: x**2, lambda x: 2.0 * x),
    "x^-1": (lambda x: 1.0 / x, lambda x: -1.0 / x**2),
}


def monomial(inputs: Array, exponents: tuple[Fraction, ...]) -> Array:
    """prod_j x_j**exponents[j], (N,)."""
    value = np.ones(len(inputs))
    for column, exponent in enumerate(exponents):
        if exponent:
            value = value * _rational_power(inputs[:, column], exponent)
    return value


def _rational_power(x: Array, exponent: Fraction) -> Array:
    return x ** int(exponent) if exponent.denominator == 1 else x ** float(exponent)


def find_scaling(rows: Rows) -> Scaling | None:
    """The largest verified family of scaling laws, as the reduction it allows; None when there is none."""
    ways = [(logs, mode) for logs in scales_of(rows) for mode in _target_modes(rows)]
    models = [model for logs, mode in ways if (model := _Model.of(rows, logs, mode)) is not None]
    allowed = max(FACTOR * min((model.error for model in models), default=0.0), SCALING_FLOOR)
    found = [each for model in models if (each := _verified_scaling(rows, model, allowed)) is not None]
    return min(found, key=lambda each: (len(each[0].invariants), each[1]))[0] if found else None


def _target_modes(rows: Rows) -> list[bool]:
    positive = np.all(rows.target > 0) and np.all(rows.held_target > 0)
    return [True, False] if positive else [False]


@dataclass(frozen=True)
class _Model:
    """A smooth model of the target, or of its logarithm, as far as its gradients can be believed.

    table: (n, 1+D), values and slopes by the logarithms of the columns; of a target's logarithm, relative to values.
    error: on held-out rows over the spread of the target; held_out: the same of what the model sees.
    """

    table: Array
    error: float
    held_out: float

    @classmethod
    def of(cls, rows: Rows, logs: Array, log_target: bool) -> _Model | None:
        """The model with the logarithms of some columns (D,) in their places; None where it says too little."""
        smooth = fit_in(rows, logs, log_target)
        if smooth is None or smooth.surrogate.held_out > ROUGHEST:
            return None
        at = rows.held_inputs[_trusted(smooth, rows)]
        values, slopes = smooth.fitted(at)
        table = np.column_stack([np.ones_like(values) if log_target else values, slopes * at])
        return cls(table, smooth.held_out, smooth.surrogate.held_out)


def _verified_scaling(rows: Rows, model: _Model, allowed: float) -> tuple[Scaling, float] | None:
    """The first scaling law of a model that leaves no more than is allowed to a new one, and what it leaves."""
    for scaling in _proposals(model.table, model.held_out):
        error = reduced_error(scaling.apply(rows), rows, scaling)
        if error <= allowed:
            return scaling, error
    return None


def _trusted(smooth: Smooth, rows: Rows) -> Array:
    """The held-out rows where the model's gradient can be believed: away from the edges, and well predicted."""
    points, residual = smooth.coordinates(rows.held_inputs), smooth.missed(rows)
    low, high = np.quantile(points, 0.04, axis=0), np.quantile(points, 0.96, axis=0)
    inside = np.flatnonzero(np.all((points >= low) & (points <= high), axis=1))
    if len(inside) < 8 * points.shape[1]:
        inside = np.arange(len(points))
    order = inside[np.argsort(np.abs(residual[inside]), kind="stable")]
    return order[: max(6 * points.shape[1], int(0.7 * len(order)))][:PROBES]


def reduced_error(reduced: Rows, rows: Rows, step: Scaling | Combination | None = None) -> float:
    """Held-out error of a new surrogate of what a step left of the rows, on the original target over its spread."""
    if not (np.all(np.isfinite(reduced.inputs)) and np.all(np.isfinite(reduced.target))):
        return np.inf
    restored = (lambda _, values: values) if step is None else step.restored
    constant = np.full(len(rows.held_target), np.median(reduced.target))
    if reduced.inputs.shape[1] == 0:
        return error_over_spread(restored(rows.held_inputs, constant), rows.held_target)
    errors = []
    for log_target in _target_modes(reduced):
        smooth = fit_in(reduced, evenly_on_logarithms(reduced), log_target, weighed=not log_target)
        predicted = constant if smooth is None else smooth.predict(reduced.held_inputs)
        errors.append(error_over_spread(restored(rows.held_inputs, predicted), rows.held_target))
    return min(errors)


def _proposals(table: Array, error: float) -> Iterator[Scaling]:
    """Scaling laws of falling number that the gradient table (n, 1+D) supports, with small rational exponents."""
    _, singular, right = np.linalg.svd(table / np.sqrt(np.mean(table**2)), full_matrices=False)
    singular = singular / singular[0]
    limit = min(LOOSEST, max(40 * error, 1e-3))
    count = int(np.sum(singular < limit))
    for number in range(count, 0, -1):
        exponents = _rational_echelon(right[-number:])
        if exponents is not None:
            yield exponents


def _rational_echelon(null: Array) -> Scaling | None:
    """Null vectors (m, 1+D) in reduced echelon form over the variables, rounded to small rationals."""
    matrix, pivots = null.copy(), []
    for row in range(len(matrix)):
        rest = np.abs(matrix[row:, 1:])
        rest[:, [p - 1 for p in pivots]] = 0.0
        at = np.unravel_index(np.argmax(rest), rest.shape)
        if rest[at] < 1e-3:
            return None
        pivot_row, pivot = row + int(at[0]), 1 + int(at[1])
        matrix[[row, pivot_row]] = matrix[[pivot_row, row]]
        matrix[row] /= matrix[row, pivot]
        for other in range(len(matrix)):
            if other != row:
                matrix[other] -= matrix[other, pivot] * matrix[row]
        pivots.append(pivot)
    return as_scaling(matrix, pivots)


def as_scaling(matrix: Array, pivots: list[int]) -> Scaling | None:
    columns = matrix.shape[1] - 1
    rounded: list[list[Fraction]] = []
    for row in matrix:
        exponents = [value for value in map(nearest_rational, row) if value is not None]
        if len(exponents) < len(row):
            return None
        rounded.append(exponents)
    prefactor = [Fraction(0)] * columns
    for row, pivot in zip(rounded, pivots, strict=True):
        prefactor[pivot - 1] = -row[0]  # the null vector says p*f + sum a_j x_j f_j = 0
    invariants = []
    for variable in range(1, columns + 1):
        if variable in pivots:
            continue
        exponents = [Fraction(0)] * columns
        exponents[variable - 1] = Fraction(1)
        for row, pivot in zip(rounded, pivots, strict=True):
            exponents[pivot - 1] = -row[variable]
        invariants.append(whole_numbers(exponents))
    return Scaling(tuple(prefactor), tuple(invariants))


def whole_numbers(exponents: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The least whole numbers in the proportions of fractions."""
    denominator = int(np.lcm.reduce([value.denominator for value in exponents]))
    return tuple(value * denominator for value in exponents)


def nearest_rational(value: float, tolerance: float = ROUNDING) -> Fraction | None:
    """The nearest small rational (denominator 1, 2 or 3), or None when none is near or it is too large."""
    for denominator, slack in ((1, tolerance), (2, tolerance / 2), (3, tolerance / 3)):
        numerator = round(value * denominator)
        if abs(value - numerator / denominator) <= slack and abs(numerator) <= LARGEST_EXPONENT * denominator:
            return Fraction(numerator, denominator)
    return None


def find_combination(rows: Rows) -> Combination | None:
    """The best verified pair of columns that the target reads only through one sum, difference or norm."""
    columns = rows.inputs.shape[1]
    if columns < 2:
        return None
    options = []
    for log_target in _target_modes(rows):
        smooth = fit_in(rows, evenly_on_logarithms(rows), log_target)
        if smooth is None or smooth.surrogate.held_out > ROUGHEST_OF_PAIRS:
            continue
        points = rows.held_inputs[_trusted(smooth, rows)]
        found = _pairs(points, smooth.fitted(points)[1], not log_target)
        options += [(score, smooth.held_out, combination) for score, combination in found]
    options.sort(key=lambda option: option[0])
    for score, full, combination in options[:4]:
        error = reduced_error(combination.apply(rows), rows, combination) if score < ROUGHEST_PAIR else np.inf
        if error <= max(FACTOR * full, COMBINATION_FLOOR):
            return combination
    return None


def _pairs(points: Array, slopes: Array, gaining: bool) -> Iterator[tuple[float, Combination]]:
    """Combinations with what the slopes (M, D) at points (M, D) leave of them; gaining: also those with a gain."""
    for name, (_, derivative) in PHI.items():
        if name != "x" and np.any(np.abs(points).min(axis=0) < 1e-9):
            continue
        scaled = slopes / derivative(points)
        for first in range(points.shape[1]):
            for second in range(first + 1, points.shape[1]):
                left, right = scaled[:, first], scaled[:, second]
                size = np.hypot(np.linalg.norm(left), np.linalg.norm(right))
                if min(np.linalg.norm(left), np.linalg.norm(right)) < 1e-3 * size:
                    continue
                coefficient = float(right @ left / (left @ left))
                score = float(np.linalg.norm(right - coefficient * left) / np.linalg.norm(right))
                yield score, Combination(first, second, name, _rounded(coefficient))
                if gaining and score > ROUGHEST_PAIR:
                    line = np.column_stack([np.ones(len(left)), left])
                    gain, coefficient = map(float, np.linalg.lstsq(line, right, rcond=None)[0])
                    left_over = np.linalg.norm(right - gain - coefficient * left) / np.linalg.norm(right - right.mean())
                    if abs(coefficient) * np.std(left) > LEAST_BENT * abs(gain):
                        yield float(left_over), Combination(first, second, name, _rounded(coefficient), _rounded(gain))


def _rounded(number: float) -> float:
    """A number, or the small rational that is near to it."""
    near = nearest_rational(number, 0.02)
    return float(near) if near else number


def find_by_trial(rows: Rows, budget: Budget | Part | None = None) -> Scaling | Combination | None:
    """The single step that improves the surrogate most, when gradients are too poor to propose one.

    With a budget that runs out, the best of the steps tried so far.
    """
    full = reduced_error(rows, rows)
    if full < POOR:
        return None
    best, error = None, IMPROVEMENT * full
    for step in _trials(rows):
        if budget is not None and budget.expired:
            break
        reached = reduced_error(step.apply(rows), rows, step)
        if reached < error:
            best, error = step, reached
    return best


def _trials(rows: Rows) -> Iterator[Scaling | Combination]:
    columns = rows.inputs.shape[1]
    unit = [tuple(Fraction(int(i == j)) for j in range(columns)) for i in range(columns)]
    positive = columns_of_one_sign(rows)
    for first in range(columns):
        if positive[first]:
            for exponent in (1, -1):
                prefactor = tuple(Fraction(exponent * int(first == j)) for j in range(columns))
                yield Scaling(prefactor, tuple(unit[:first] + unit[first + 1 :]))
        for second in range(first + 1, columns):
            for coefficient in (1.0, -1.0):
                yield Combination(first, second, "x", coefficient)
            for exponent in (1, -1):
                if positive[second] or exponent > 0:
                    merged = tuple(a + exponent * b for a, b in zip(unit[first], unit[second], strict=True))
                    rest = [row for at, row in enumerate(unit) if at not in (first, second)]
                    yield Scaling((Fraction(0),) * columns, (merged, *rest))
