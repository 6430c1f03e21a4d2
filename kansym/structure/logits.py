"""A smooth model of how likely something is: a Gaussian process behind a logistic function, by Laplace's approximation.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 3.4 and 5.5.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

Array = np.ndarray
TUNING_ROWS = 300
LARGEST_ROWS = 900
ROUNDS, STEPS, EVALUATIONS = 3, 30, 25
SLOPES = 4.0  # prior variance of the constant and of every slope, in units of the logit
REACH = 8.0  # logits beyond which labels say no more
SETTLED = 1e-6


@dataclass(frozen=True)
class Trials:
    """What was seen at each place: successes (N,) out of total (N,) > 0 trials; both may be fractions."""

    inputs: Array
    successes: Array
    total: Array

    def take(self, rows: Array) -> Trials:
        """Some of the rows."""
        return Trials(self.inputs[rows], self.successes[rows], self.total[rows])

    def working(self, logits: Array) -> tuple[Array, Array]:
        """The working response (N,) and its weights (N,) at logits (N,), as in iteratively reweighted least squares.

        Least squares on them has, to second order, the likelihood of the labels (Nelder and Wedderburn 1972).
        """
        logits = np.clip(logits, -REACH, REACH)
        share = 1.0 / (1.0 + np.exp(-logits))
        weights = self.total * share * (1.0 - share)
        return logits + (self.successes - self.total * share) / weights, weights

    def __len__(self) -> int:
        return len(self.total)


@dataclass(frozen=True)
class SmoothLogits:
    """Logits (N,) of a smooth model at the rows it was fitted to, and their standard deviations (N,)."""

    values: Array
    deviations: Array


def smooth_logits(trials: Trials, seed: int = 0) -> SmoothLogits:
    """Fit the process to trials; length scales and size maximise the approximate likelihood on a subset of the rows."""
    spread = trials.inputs.std(axis=0)
    points = (trials.inputs - trials.inputs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(trials))
    tuning, kept = np.sort(order[:TUNING_ROWS]), np.sort(order[:LARGEST_ROWS])
    scale = np.full(points.shape[1], np.log(1.0 + 0.5 * points.shape[1]))
    parameters, logits = np.append(scale, 0.0), np.zeros(len(tuning))
    few = trials.take(tuning)
    for _ in range(ROUNDS):  # the likelihood is that of a Gaussian response, which moves with the logits
        logits = _mode(_covariances(points[tuning], points[tuning], parameters), few, logits)
        parameters = _tuned(points[tuning], few, logits, parameters)
    matrix = _covariances(points[kept], points[kept], parameters)
    mode = _mode(matrix, trials.take(kept), np.zeros(len(kept)))
    return _everywhere(points, points[kept], trials.take(kept), mode, parameters)


def _covariances(left: Array, right: Array, parameters: Array) -> Array:
    """A straight line, and a smooth departure from it with one length scale a column."""
    inverse = np.exp(-parameters[:-1])
    a, b = left * inverse, right * inverse
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2.0 * a @ b.T
    return np.exp(parameters[-1] - 0.5 * np.maximum(square, 0.0)) + SLOPES * (1.0 + left @ right.T)


def _mode(matrix: Array, trials: Trials, logits: Array) -> Array:
    """The most likely logits (N,) under a covariance (N, N): Newton's method."""
    for _ in range(STEPS):
        response, weights = trials.working(logits)
        factor = linalg.cho_factor(matrix + np.diag(1.0 / weights), lower=True)
        before, logits = logits, matrix @ linalg.cho_solve(factor, response)
        if np.max(np.abs(logits - before)) < SETTLED * REACH:
            break
    return logits


def _tuned(points: Array, trials: Trials, logits: Array, start: Array) -> Array:
    """Logarithms of length scales (D,) and of the departure's variance, by the likelihood of the working response."""
    response, weights = trials.working(logits)
    gaps = (points[:, None, :] - points[None, :, :]) ** 2  # (n, n, D)
    fixed = SLOPES * (1.0 + points @ points.T) + np.diag(1.0 / weights)

    def objective(parameters: Array) -> tuple[float, Array]:
        inverse_squares = np.exp(-2.0 * parameters[:-1])
        smooth = np.exp(parameters[-1] - 0.5 * gaps @ inverse_squares)
        factor = linalg.cho_factor(smooth + fixed, lower=True)
        inverse = linalg.cho_solve(factor, np.eye(len(points)))
        pulled = inverse @ response
        likelihood = 0.5 * response @ pulled + np.log(np.diag(factor[0])).sum()
        inner = (inverse - np.outer(pulled, pulled)) * smooth
        by_scale = 0.5 * np.einsum("ij,ijd->d", inner, gaps) * inverse_squares
        return float(likelihood), np.append(by_scale, 0.5 * inner.sum())

    bounds = [(-1.5, 4.0)] * points.shape[1] + [(np.log(1e-3), np.log(1e3))]
    found = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": EVALUATIONS}
    )
    return found.x


def _everywhere(points: Array, nodes: Array, trials: Trials, mode: Array, parameters: Array) -> SmoothLogits:
    """The process at all points (M, D), given its mode at the nodes (N, D)."""
    response, weights = trials.working(mode)
    across = _covariances(points, nodes, parameters)  # (M, N)
    factor = linalg.cho_factor(_covariances(nodes, nodes, parameters) + np.diag(1.0 / weights), lower=True)
    explained = linalg.solve_triangular(factor[0], across.T, lower=True)
    prior = np.exp(parameters[-1]) + SLOPES * (1.0 + (points**2).sum(axis=1))
    variance = np.maximum(prior - (explained**2).sum(axis=0), 1e-12)
    return SmoothLogits(across @ linalg.cho_solve(factor, response), np.sqrt(variance))
