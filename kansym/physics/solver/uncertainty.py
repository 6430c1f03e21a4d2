"""How sure the unknown parameters of an inverse problem are: what errors of the measured values do to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kansym.physics.solver.objective import ResidualObjective

Array = np.ndarray
# Directions of the scaled Gauss-Newton matrix with less than this share of the largest eigenvalue are undetermined.
UNDETERMINED = 1e-12
# What counts as a measured value left over when the noise is estimated.
LEAST_FREE = 1.0


@dataclass(frozen=True, eq=False)
class _Measured:
    """One set of measured values: count, sum of squared residuals, and its part of the Gauss-Newton matrix."""

    count: int
    rest: float
    weight: float
    matrix: Array

    def variance(self, inverse: Array) -> float:
        """Return that of the values' errors: what is left, over the degrees of freedom of what is left."""
        taken = inverse @ self.matrix
        free = self.count - 2 * np.trace(taken) + np.sum(taken * taken.T)
        return self.rest / float(free) if free >= LEAST_FREE else float("nan")


def standard_errors(objective: ResidualObjective) -> Array:
    """Return the standard errors of the unknown parameters at a solution, (Q,); nan where the values do not tell.

    The solution makes weighted residuals least, so that to first order errors e of the measured values move it by
    H^-1 J' W e, with H the Gauss-Newton matrix of all residuals and J the rows of the values. Equations and conditions
    are without error. The variance of e is estimated from what the solution leaves of the values, set by set.

    Args:
        objective: of one member, at the solution, with blocks of observations.

    Source: Huber 1967 (the covariance of a minimiser); Hastie and Tibshirani 1990, section 3.5 (degrees of freedom).
    """
    matrix = objective.normal_equations(objective.start)[2][0].numpy() / 2
    inverse = _inverse(matrix)
    spread = np.zeros_like(matrix)
    for measured in _measured(objective):
        spread += measured.variance(inverse) * measured.weight / measured.count * measured.matrix
    rows = inverse[objective.size :]
    return np.sqrt(np.einsum("qp,pr,qr->q", rows, spread, rows))


def _measured(objective: ResidualObjective) -> list[_Measured]:
    found = []
    for block in objective.blocks:
        if block.measured:
            alone = ResidualObjective(objective.model, [block.weighted(1.0)], objective.trial, objective.unknowns)
            mean, _, matrix = alone.normal_equations(alone.start)
            part = block.weight * matrix[0].numpy() / 2
            found.append(_Measured(len(block), float(mean[0]) * len(block), block.weight, part))
    return found


def _inverse(matrix: Array) -> Array:
    """Return the inverse on what is determined, of a matrix scaled to a diagonal of ones."""
    scale = np.sqrt(np.where(np.diag(matrix) > 0, np.diag(matrix), 1.0))
    values, vectors = np.linalg.eigh(matrix / scale / scale[:, None])
    kept = values > UNDETERMINED * values[-1]
    return (vectors[:, kept] / values[kept]) @ vectors[:, kept].T / scale / scale[:, None]
