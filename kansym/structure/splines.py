"""Cubic splines of one column for linear fits: their columns, and least squares that no gap between rows upsets."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline

Array = np.ndarray


def spline_columns(x: Array, intervals: int) -> Array:
    """The values (N, B) of cubic B-splines with so many intervals between quantiles of x (N,)."""
    inner = np.quantile(x, np.linspace(0, 1, intervals + 1))
    if np.any(np.diff(inner) <= 0):
        inner = np.linspace(x.min(), x.max(), intervals + 1)
    margin = 1e-9 * (inner[-1] - inner[0])
    knots = np.concatenate([np.full(4, inner[0] - margin), inner[1:-1], np.full(4, inner[-1] + margin)])
    return BSpline.design_matrix(x, knots, 3).toarray()


def ridge(matrix: Array, target: Array, roots: Array) -> Array:
    """The least squares (P,) of a target (N,) by the columns of a matrix (N, P), damped a little; roots: of weights."""
    weighted = matrix * roots[:, None]
    gram = weighted.T @ weighted
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, weighted.T @ (target * roots))
