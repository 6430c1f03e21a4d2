"""The constants of a formula: fitted together by Levenberg-Marquardt in float64, with standard errors, then made exact.

Many starts run as one batch (`fit_starts`); the winner is polished by MINPACK to the last digits (`polish`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import linalg, optimize

from kansym.symbolic.expression import Expression, Tape

Array = np.ndarray
HAIR = 1e-14  # of its column's length: what holds a constant still that changes nothing, or nothing of its own


@dataclass(frozen=True)
class Rows:
    """What a formula is fitted to: inputs (N, D), target (N,), and weights (N,) (1 / sigma**2) or None."""

    inputs: Array
    target: Array
    weights: Array | None = None

    @property
    def roots(self) -> Array | float:
        """Square roots of the weights."""
        return 1.0 if self.weights is None else np.sqrt(self.weights)

    @property
    def spread(self) -> float:
        """The weighted standard deviation of the target."""
        return spread(self.target, self.roots)

    def take(self, rows: Array) -> Rows:
        """Some of the rows."""
        return Rows(self.inputs[rows], self.target[rows], None if self.weights is None else self.weights[rows])

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Fit:
    """A formula with fitted constants, its weighted mean square error, and one standard error per free constant.

    covariance: of the free constants (P, P), to first order; None where the rows do not determine them.
    """

    expression: Expression
    mean_square: float
    standard_errors: Array
    condition: float = 1.0
    covariance: Array | None = None


def spread(target: Array, roots: Array | float) -> float:
    """The weighted standard deviation of a target (N,) by roots of weights (N,): how a target varies beside its errors.

    With errors in proportion to the target, target * roots is the same in every row, but the target is not.
    """
    weights = np.broadcast_to(np.square(roots), target.shape)
    gap = target - np.average(target, weights=weights)
    return float(np.sqrt(np.mean((gap * roots) ** 2)))


def mean_square(expression: Expression, rows: Rows) -> float:
    """Weighted mean square error on rows; infinite where the formula is not real and finite."""
    return _mean_square_of((expression.evaluate(rows.inputs) - rows.target) * rows.roots)


def _mean_square_of(residual: Array) -> float:
    size = np.max(np.abs(residual)) if len(residual) else 0.0
    if not np.isfinite(size):
        return np.inf
    with np.errstate(over="ignore"):
        return 0.0 if size == 0 else float(np.mean((residual / size) ** 2) * size * size)


def fit_starts(expression: Expression, rows: Rows, starts: Array, steps: int = 30) -> tuple[Array, Array]:
    """Levenberg-Marquardt from many starts (S, P) at once; the constants (S, P) and mean squares (S,) reached."""
    tape, theta = Tape(expression), starts.astype(float).copy()
    roots = rows.roots
    damping = np.full(len(theta), 1e-2)
    with np.errstate(all="ignore"):
        loss, gram, slope = _normal(tape, rows, theta, roots)
        for _ in range(steps):
            trial = theta - _step(gram, slope, damping)
            residual = (tape.values(rows.inputs, trial) - rows.target) * roots
            new = _mean_squares(residual, len(theta), len(rows))
            better = new < loss
            if not np.any(better) and np.all((damping > 1e8) | ~np.isfinite(loss)):
                break
            settled = np.all(~better | (loss - new <= 1e-13 * loss))
            damping = np.where(better, damping * 0.2, damping * 5.0)
            theta = np.where(better[:, None], trial, theta)
            if np.any(better):
                loss, gram, slope = _normal(tape, rows, theta, roots)
            if settled and np.any(better):
                break
    return theta, loss


def _mean_squares(residual: Array, starts: int, count: int) -> Array:
    total = np.broadcast_to(np.mean(residual**2, axis=-1), (starts,))
    return np.where(np.isfinite(total), total, np.inf)


def _normal(tape: Tape, rows: Rows, theta: Array, roots: Array | float) -> tuple[Array, Array, Array]:
    values, columns = tape.jacobian(rows.inputs, theta)
    residual = (values - rows.target) * roots
    columns = columns * (roots[:, None] if isinstance(roots, np.ndarray) else roots)
    loss = _mean_squares(residual, len(theta), len(rows))
    good = np.isfinite(loss) & np.all(np.isfinite(columns), axis=(1, 2))
    columns = np.where(good[:, None, None], columns, 0.0)
    residual = np.where(good[:, None], residual, 0.0)
    gram = np.matmul(columns.transpose(0, 2, 1), columns)
    slope = np.matmul(columns.transpose(0, 2, 1), residual[..., None])[..., 0]
    return loss, gram, slope


def _step(gram: Array, slope: Array, damping: Array) -> Array:
    diagonal = np.einsum("spp->sp", gram)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = gram / scale[:, :, None] / scale[:, None, :]
    index = np.arange(gram.shape[-1])
    scaled[:, index, index] = 1.0 + np.maximum(damping, 1e-10)[:, None]
    step = _solve(scaled, slope / scale) / scale
    return np.where(np.isfinite(step), step, 0.0)


def _solve(matrices: Array, sides: Array) -> Array:
    """Solutions (S, P) of the systems (S, P, P); the least-squares ones where a matrix is singular."""
    try:
        return np.linalg.solve(matrices, sides[..., None])[..., 0]
    except np.linalg.LinAlgError:
        solved = [np.linalg.lstsq(matrix, side, rcond=1e-12)[0] for matrix, side in zip(matrices, sides, strict=True)]
        return np.array(solved)


def polish(expression: Expression, rows: Rows, evaluations: int = 200) -> Fit:
    """The constants of least squares near the present ones, to the last digits, with standard errors."""
    tape = Tape(expression)
    if len(tape.start) == 0 or len(rows) < len(tape.start):
        return Fit(expression, mean_square(expression, rows), np.zeros(len(tape.start)))
    theta, error, covariance, condition = least_squares(tape, rows, evaluations)
    errors = np.full(len(theta), np.nan) if covariance is None else np.sqrt(np.diag(covariance))
    return Fit(expression.with_constants(theta.tolist()), error, errors, condition, covariance)


class Model(Protocol):
    """What `least_squares` fits: a start (P,), and values and jacobian with the shapes of `Tape`."""

    @property
    def start(self) -> Array: ...

    def values(self, inputs: Array, theta: Array) -> Array: ...

    def jacobian(self, inputs: Array, theta: Array) -> tuple[Array, Array]: ...


def least_squares(model: Model, rows: Rows, evaluations: int = 200) -> tuple[Array, float, Array | None, float]:
    """MINPACK's Levenberg-Marquardt from model.start: constants (P,), mean square, covariance (P, P), condition.

    The start comes back when no better constants are found. One more row a constant keeps the jacobian at full rank
    where the rows do not tell constants apart: there SciPy 1.17 reads memory that nobody wrote, and its answers
    change from call to call.
    """
    if not np.all(np.isfinite(model.start)):
        return model.start, np.inf, None, np.inf
    roots = rows.roots
    unit = np.where(model.start == 0, 1.0, np.abs(model.start))
    size = float(np.max(np.abs(rows.target * roots))) or 1.0

    def residual(theta: Array) -> Array:
        value = (model.values(rows.inputs, theta * unit) - rows.target) * roots / size
        value = np.broadcast_to(np.where(np.isfinite(value), value, 1e6), (len(rows),))
        return np.concatenate([value, np.zeros(len(theta))])

    def jacobian(theta: Array) -> Array:
        _, columns = model.jacobian(rows.inputs, (theta * unit)[None])
        columns = columns[0] * (roots[:, None] if isinstance(roots, np.ndarray) else roots) * unit / size
        columns = np.where(np.isfinite(columns), columns, 0.0)
        length = np.linalg.norm(columns, axis=0)
        return np.vstack([columns, HAIR * np.diag(np.where(length > 0, length, 1.0))])

    with np.errstate(all="ignore"):
        found = optimize.least_squares(
            residual, model.start / unit,
            jacobian,  # pyright: ignore[reportArgumentType]  (the stubs know only the names of difference schemes)
            method="lm",
            xtol=3e-16, ftol=3e-16, gtol=3e-16, max_nfev=evaluations, x_scale="jac",
        )  # fmt: skip
        before = _mean_square_at(model, rows, model.start)
        theta, after = found.x * unit, _mean_square_at(model, rows, found.x * unit)
        if not (np.isfinite(after) and after <= before):
            theta, after = model.start, before
        covariance, condition = _covariance(jacobian(theta / unit)[: len(rows)], unit, after / size / size, len(rows))
    return theta, after, covariance, condition


def _mean_square_at(model: Model, rows: Rows, theta: Array) -> float:
    return _mean_square_of(np.broadcast_to((model.values(rows.inputs, theta) - rows.target) * rows.roots, (len(rows),)))


def _covariance(columns: Array, unit: Array, mean_square: float, rows: int) -> tuple[Array | None, float]:
    """s**2 (J^T J)^-1 through a QR decomposition, s**2 = RSS / (rows - constants); None where it is singular."""
    count = columns.shape[1]
    scale = np.linalg.norm(columns, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    triangle = np.linalg.qr(columns / scale, mode="r")
    singular = np.linalg.svd(triangle, compute_uv=False)
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf
    if not condition < 1e14 or rows <= count:
        return None, condition
    inverse = linalg.solve_triangular(triangle, np.eye(count))
    inverse *= (np.sqrt(mean_square * rows / (rows - count)) * unit / scale)[:, None]
    return inverse @ inverse.T, condition


def fit(expression: Expression, rows: Rows, starts: Sequence[Array] | Array | None = None, steps: int = 30) -> Fit:
    """Fit all free constants: a batch of starts (the present values first), then the best one polished."""
    own = np.array([constant.value for constant in expression.free_constants])
    if len(own) == 0:
        return Fit(expression, mean_square(expression, rows), np.zeros(0))
    batch = own[None] if starts is None or len(starts) == 0 else np.vstack([own[None], np.asarray(starts)])
    theta, loss = fit_starts(expression, rows, batch, steps)
    best = int(np.argmin(loss))
    start = theta[best] if np.isfinite(loss[best]) else own
    return polish(expression.with_constants(start.tolist()), rows)
