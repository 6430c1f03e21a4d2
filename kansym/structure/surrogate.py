"""A smooth interpolant of the table with exact gradients: Gaussian-process regression with one length scale per column.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equations 2.23-2.26 and 5.9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, optimize

from kansym.structure.remembering import remembering

Array = np.ndarray
TUNING_ROWS = 250
LARGEST_ROWS = 900
EVIDENCE_ROWS = 1200
JITTER = 1e-11
PRECISION = 1e-6  # of the likelihood, relative, at which tuning ends
# Length scales as functions of the columns, with noise: the likelihood has one optimum that calls the rest noise, one
# that bends to follow it, and for what oscillates one that only a short scale leads to.
STARTS = ((2.0, 0.5, 1e-6), (2.0, 0.5, 1e-2), (0.25, 0.1, 1e-3))
MOST_UNEVEN = 1e3  # times the middling one: the variance of a row's noise
CONVINCING = 3e-3  # held-out error below which the second start is not needed
LOST = 0.3  # the same above which the third is
KEPT_FITS = 16  # of one table, in a few coordinates each


@dataclass(frozen=True)
class Surrogate:
    """A fitted interpolant of y (N,) over inputs (N, D).

    held_out: RMS error over the spread of y on rows that it was not fitted to.
    noise: the fitted noise, on the same scale.
    """

    centre: Array
    spread: Array
    scales: Array
    nodes: Array
    weights: Array
    shift: float
    size: float
    held_out: float
    noise: float

    def predict(self, inputs: Array) -> Array:
        """Values (M,) at inputs (M, D)."""
        kernel = _kernel(self._scaled(inputs), self.nodes)
        return self.shift + self.size * (kernel @ self.weights)

    def gradient(self, inputs: Array) -> Array:
        """Derivatives (M, D) by the inputs."""
        points = self._scaled(inputs)
        weighted = _kernel(points, self.nodes) * self.weights
        slopes = weighted @ self.nodes - points * weighted.sum(axis=1, keepdims=True)
        return self.size * slopes / (self.scales * self.spread)

    def _scaled(self, inputs: Array) -> Array:
        return (inputs - self.centre) / (self.scales * self.spread)


@remembering(KEPT_FITS)
def fit_surrogate(
    inputs: Array,
    target: Array,
    held_inputs: Array,
    held_target: Array,
    seed: int = 0,
    weights: Array | None = None,
    held_weights: Array | None = None,
) -> Surrogate | None:
    """Fit the interpolant to inputs (N, D) and target (N,), and measure it on the held-out rows.

    Length scales and noise maximise the marginal likelihood on a subset of the rows; the variance of the noise is as
    one over the weights (N,), (M,). None when the target is constant.
    """
    centre, spread = inputs.mean(axis=0), inputs.std(axis=0)
    shift, size = float(target.mean()), float(target.std())
    if size == 0 or np.any(spread == 0):
        return None
    points, values = (inputs - centre) / spread, (target - shift) / size
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(points))
    tuning, kept = order[:TUNING_ROWS], order[:LARGEST_ROWS]
    uncertain = _uncertain(weights, len(points))
    roots = np.ones(len(held_target)) if held_weights is None else np.sqrt(held_weights / np.mean(held_weights))
    judged = max(float(np.std(held_target * roots)), 1e-300)
    best = None
    for place, start in enumerate(STARTS):
        if best is not None and best.held_out < (CONVINCING, CONVINCING, LOST)[place]:
            break
        scales, noise = _tune(points[tuning], values[tuning], uncertain[tuning], start)
        nodes = points[kept] / scales
        dual = _solve(nodes, values[kept], noise * uncertain[kept])
        amplitude = max(float(values[kept] @ dual) / len(kept), 0.0)  # of the signal, by maximum likelihood
        model = Surrogate(centre, spread, scales, nodes, dual, shift, size, 0.0, float(np.sqrt(noise * amplitude)))
        error = (model.predict(held_inputs) - held_target) * roots
        held_out = float(np.sqrt(np.mean(error**2))) / judged
        if best is None or held_out < best.held_out:
            best = replace(model, held_out=held_out)
    return best


@remembering(KEPT_FITS)
def evidence(inputs: Array, target: Array, weights: Array | None = None) -> float:
    """The logarithm of the likelihood of a target (N,) as a smooth function of inputs (N, D) with noise, in nats.

    It counts what a model with fewer columns, or of a smoother target, gains by having less to explain; constants that
    are the same for all models of the same rows are left out. At most `EVIDENCE_ROWS` rows are looked at. The variance
    of the noise is as one over the weights (N,).
    """
    count = min(len(target), EVIDENCE_ROWS)
    inputs, target = inputs[:count], target[:count]
    uncertain = _uncertain(None if weights is None else weights[:count], count)
    centre, size = float(np.average(target, weights=1.0 / uncertain)), float(target.std())
    spread = inputs.std(axis=0)
    if size == 0 or np.any(spread == 0) or not (np.all(np.isfinite(inputs)) and np.all(np.isfinite(target))):
        return -np.inf
    values = (target - centre) / size
    if inputs.shape[1] == 0:
        likelihood = -0.5 * count * np.log(np.mean(values**2 / uncertain)) - 0.5 * np.log(uncertain).sum()
        return float(likelihood) - count * float(np.log(size))
    points = (inputs - inputs.mean(axis=0)) / spread
    found = (_likelihood(points, values, uncertain, start) for start in STARTS[:2])
    return max(found) - count * float(np.log(size))


def _likelihood(points: Array, values: Array, uncertain: Array, start: tuple[float, float, float]) -> float:
    """The likelihood of values (n,) with the length scales and the noise that the first rows make most likely."""
    scales, noise = _tune(points[:TUNING_ROWS], values[:TUNING_ROWS], uncertain[:TUNING_ROWS], start)
    kernel = _kernel(points / scales, points / scales) + np.diag(noise * uncertain + JITTER)
    try:
        factor = linalg.cho_factor(kernel, lower=True)
    except linalg.LinAlgError:
        return -np.inf
    amplitude = max(float(values @ linalg.cho_solve(factor, values)) / len(values), 1e-300)
    return -0.5 * len(values) * float(np.log(amplitude)) - float(np.log(np.diag(factor[0])).sum())


def _uncertain(weights: Array | None, count: int) -> Array:
    """The variances of the rows' noise (N,) over the middling one, within bounds."""
    if weights is None:
        return np.ones(count)
    return np.clip(np.median(weights) / np.maximum(weights, 1e-300), 1.0 / MOST_UNEVEN, MOST_UNEVEN)


def _kernel(left: Array, right: Array) -> Array:
    square = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2.0 * left @ right.T
    return np.exp(-0.5 * np.maximum(square, 0.0))


def _solve(nodes: Array, values: Array, noise: Array) -> Array:
    matrix = _kernel(nodes, nodes)
    floor = np.maximum(noise, JITTER)
    while True:
        matrix[np.diag_indices_from(matrix)] = 1.0 + floor
        try:
            return linalg.cho_solve(linalg.cho_factor(matrix, lower=True), values)
        except linalg.LinAlgError:
            floor *= 10.0


def _tune(points: Array, values: Array, uncertain: Array, start: tuple[float, float, float]) -> tuple[Array, float]:
    """Length scales (D,) and noise variance, relative to the signal's, of the greatest likelihood near a start."""
    count, columns = points.shape
    gaps = ((points[:, None, :] - points[None, :, :]) ** 2).reshape(-1, columns)  # of every pair of rows
    diagonal = np.diag_indices(count)
    factorised, inverted = linalg.get_lapack_funcs(("potrf", "potri"), (gaps,))

    def objective(parameters: Array) -> tuple[float, Array]:
        inverse_squares, noise = np.exp(-2.0 * parameters[:-1]), np.exp(parameters[-1])
        kernel = np.exp(-0.5 * (gaps @ inverse_squares)).reshape(count, count)
        matrix = kernel.copy()
        matrix[diagonal] += noise * uncertain + JITTER
        factor, failed = factorised(matrix, lower=True, overwrite_a=True)
        if failed:
            return 1e10, np.zeros_like(parameters)
        lower = np.tril(inverted(factor, lower=True)[0])
        inverse = lower + np.tril(lower, -1).T
        weights = inverse @ values
        scale = max(float(values @ weights) / count, 1e-300)  # the signal variance, profiled out
        likelihood = 0.5 * count * np.log(scale) + np.log(np.diag(factor)).sum()
        inner = inverse - np.outer(weights, weights) / scale
        by_scale = 0.5 * ((inner * kernel).ravel() @ gaps) * inverse_squares
        by_noise = 0.5 * noise * float(uncertain @ np.diag(inner))
        return float(likelihood), np.append(by_scale, by_noise)

    scale, more, noise_start = start
    first = np.append(np.full(columns, np.log(scale + more * columns)), np.log(noise_start))
    bounds = [(-2.5, 5.5)] * columns + [(np.log(1e-12), np.log(4.0))]
    stop = {"maxiter": 60, "ftol": PRECISION}
    found = optimize.minimize(objective, first, jac=True, method="L-BFGS-B", bounds=bounds, options=stop)
    return np.exp(found.x[:-1]), float(np.exp(found.x[-1]))
