"""How well a Gaussian process explains a table: its marginal likelihood, and its errors on rows it has not seen.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equations 5.8, 5.9 and 5.12. The
signal's variance is profiled out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

Array = np.ndarray
_potrf, _potri = linalg.get_lapack_funcs(("potrf", "potri"))
ROWS = 250  # of a table whose likelihood is maximised
MOST_ROWS = 900  # of a table whose rows are left out one at a time
JITTER = 1e-11
STEPS = 50
LENGTHS = (-2.5, 5.5)  # logarithms of the shortest and the longest length scale, in spreads of a column
NOISES = (np.log(1e-12), np.log(4.0))
NOISE_STARTS = (1e-6, 1e-2)  # one optimum calls the rest noise, the other bends to follow it
REACH = (-600.0, 600.0)
FAR, CLOSE = 8.0, 0.2  # times the median size: where a column that changes sign spans decades, and where those begin
DECADE = 10.0  # a positive column that spans more than this factor is seen on a logarithmic scale


@dataclass(frozen=True)
class Process:
    """A Gaussian process: logarithms of length scales (D,), the variance of noise over the signal's, and its evidence.

    evidence: the marginal likelihood's logarithm without constants, in nats; the more the better.
    """

    lengths: Array
    noise: float
    evidence: float

    def without(self, columns: list[int]) -> Process:
        """The start of a process that does not see some columns."""
        return Process(np.delete(self.lengths, columns), self.noise, -np.inf)


@dataclass(frozen=True)
class View:
    """One way to look at a target (N,): transformed values of mean 0 and spread 1, and the way back.

    nats: what the transformation adds to the evidence, so that views can be compared.
    """

    values: Array
    back: Callable[[Array], Array]
    nats: Array

    @classmethod
    def of(cls, changed: Array, back: Callable[[Array], Array], slope: Array) -> View:
        """The view of values g(y) (N,), with g's inverse and g's slope at every row."""
        centre, spread = float(changed.mean()), float(changed.std()) or 1.0
        return cls((changed - centre) / spread, lambda v: back(centre + spread * v), np.log(np.abs(slope) / spread))


def plain_view(target: Array) -> View:
    """The target itself."""
    size = float(np.max(np.abs(target))) or 1.0
    return View.of(target / size, lambda v: size * v, np.ones(len(target)))


def logarithmic_view(target: Array, unit: float) -> View:
    """The logarithm of a positive target; else asinh(y / unit), logarithmic beyond `unit` on both sides of 0."""
    size = float(np.max(np.abs(target)))
    if np.all(target > 0):
        return View.of(np.log(target), lambda v: np.exp(np.clip(v, *REACH)), size / target)
    return View.of(
        np.arcsinh(target / unit), lambda v: unit * np.sinh(np.clip(v, *REACH)), size / np.hypot(target, unit)
    )


def seen(inputs: Array, decade: float = DECADE) -> Array:
    """Columns (N, D) of mean 0 and spread 1, those over decades on logarithmic scales.

    Positive columns that span more than a decade as their logarithms; columns that change sign and whose largest value
    is far from the middling one as logarithms on both sides of 0.
    """
    low, high, size = inputs.min(axis=0), inputs.max(axis=0), np.abs(inputs)
    logs = (low > 0) & (high > decade * np.maximum(low, 1e-300))
    middle = np.median(size, axis=0)
    both = (low < 0) & (high > 0) & (size.max(axis=0) > FAR * middle) & (middle > 0)
    points = np.where(logs, np.log(np.where(logs, inputs, 1.0)), inputs)
    points = np.where(both, np.arcsinh(inputs / np.where(both, CLOSE * middle, 1.0)), points)
    points = points / np.maximum(np.max(np.abs(points), axis=0), 1e-300)
    spread = points.std(axis=0)
    return (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def gaps_of(points: Array) -> Array:
    """Squared differences (D, n * n) of every pair of points (n, D)."""
    columns = points.T
    return ((columns[:, :, None] - columns[:, None, :]) ** 2).reshape(len(columns), -1)


def best_process(gaps: Array, values: Array, steps: int = STEPS) -> Process:
    """The process of the greatest evidence from two starts."""
    columns = len(gaps)
    lengths = np.full(columns, np.log(2.0 + 0.5 * columns))
    found = [tuned(gaps, values, Process(lengths, start, -np.inf), steps) for start in NOISE_STARTS]
    return max(found, key=lambda process: process.evidence)


def tuned(gaps: Array, values: Array, start: Process, steps: int = STEPS) -> Process:
    """The process of the greatest evidence near a start; gaps (D, n * n), values (n,)."""
    bounds = [LENGTHS] * len(gaps) + [NOISES]
    first = np.append(start.lengths, np.log(start.noise))
    found = optimize.minimize(
        _Objective(gaps, values), first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}
    )
    return Process(found.x[:-1], float(np.exp(found.x[-1])), -float(found.fun))


@dataclass(frozen=True)
class _Objective:
    """Minus the evidence and its gradient by the logarithms of lengths and noise."""

    gaps: Array
    values: Array

    def __call__(self, parameters: Array) -> tuple[float, Array]:
        count = len(self.values)
        weights, noise = np.exp(-2.0 * parameters[:-1]), float(np.exp(parameters[-1]))
        kernel = np.exp(-0.5 * (weights @ self.gaps)).reshape(count, count)
        solved = _inverse(kernel, noise + JITTER)
        if solved is None:
            return 1e10, np.zeros_like(parameters)
        inverse, half_log_determinant = solved
        dual = inverse @ self.values
        scale = max(float(self.values @ dual) / count, 1e-300)
        inner = inverse - np.outer(dual, dual) / scale
        by_length = 0.5 * (self.gaps @ (inner * kernel).ravel()) * weights
        by_noise = 0.5 * noise * float(np.trace(inner))
        return 0.5 * count * float(np.log(scale)) + half_log_determinant, np.append(by_length, by_noise)


def _inverse(kernel: Array, noise: float) -> tuple[Array, float] | None:
    """The inverse of kernel + noise * 1, and half the logarithm of its determinant; None when it is singular."""
    places = np.diag_indices_from(kernel)
    matrix = kernel.T.copy(order="F")  # symmetric, and in the order that LAPACK works on without a copy of its own
    matrix[places] += noise
    factor, failed = _potrf(matrix, lower=1, clean=1, overwrite_a=1)
    if failed:
        return None
    diagonal = np.diag(factor)
    if not np.all(diagonal > 0):
        return None
    half_log_determinant = float(np.log(diagonal).sum())
    lower, failed = _potri(factor, lower=1, overwrite_c=1)  # its upper triangle stays 0
    if failed:
        return None
    inverse = lower + lower.T
    inverse[places] = lower[places]
    return inverse, half_log_determinant


def left_out(points: Array, values: Array, process: Process) -> tuple[Array, float]:
    """Predictions (n,) of every value by all the other rows, and the share of their errors' variance that is noise."""
    scaled = points / np.exp(process.lengths)
    square = (scaled**2).sum(axis=1)
    kernel = np.exp(-0.5 * np.maximum(square[:, None] + square - 2.0 * scaled @ scaled.T, 0.0))
    noise = max(process.noise, JITTER)
    solved = _inverse(kernel, noise)
    while solved is None:
        noise *= 10.0
        solved = _inverse(kernel, noise)
    inverse, _ = solved
    return values - (inverse @ values) / np.diag(inverse), float(np.median(noise * np.diag(inverse)))
