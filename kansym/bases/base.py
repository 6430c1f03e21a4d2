"""What every basis of one-dimensional functions must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

RIDGE = 1e-14


@dataclass(frozen=True, eq=False)
class Basis(ABC):
    """A family of B functions of one variable, with one grid per batch entry.

    Args:
        grid: numbers that place the functions, shape (..., K); what they mean is the subclass's business
            (knots, centres, domain ends). The leading axes broadcast against the axes of the points.
        degree: the subclass's order parameter, >= 0 (for splines the polynomial degree, 3 = cubic).
    """

    grid: Tensor
    degree: int = 3

    @classmethod
    @abstractmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        """Return the basis with an even grid of `intervals` >= 1 pieces on [low, high], each of shape (...)."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of functions, B."""

    @property
    @abstractmethod
    def intervals(self) -> int:
        """Number of grid pieces between the two ends of the domain."""

    @property
    @abstractmethod
    def domain(self) -> tuple[Tensor, Tensor]:
        """The two ends of the interval on which the basis resolves detail, each of shape (...)."""

    @abstractmethod
    def derivative(self, x: Tensor, order: int = 1) -> Tensor:
        """Return the `order`-th derivative of every function at x: (...) -> (..., B); order 0 is the value."""

    @abstractmethod
    def refine(self, intervals: int) -> Self:
        """Return a basis of the same domain with at least as many pieces, whose span contains this one's."""

    @abstractmethod
    def adapt(self, samples: Tensor, blend: float = 0.5) -> Self:
        """Return a basis with the same size whose grid follows the samples.

        Args:
            samples: points seen, shape (..., N), one row of N per batch entry of the grid.
            blend: 0 spaces the grid by the quantiles of the samples, 1 evenly over their range.
        """

    def evaluate(self, x: Tensor) -> Tensor:
        """Return the value of every function at x: (...) -> (..., B)."""
        return self.derivative(x, 0)

    def fit(self, x: Tensor, y: Tensor, ridge: float = RIDGE) -> Tensor:
        """Return the coefficients whose combination is closest to the samples, by ridge regression.

        Args:
            x: points, shape (..., N), batch axes as those of the grid.
            y: values, shape (..., N) or (..., N, O) for O functions over the same points.
            ridge: penalty relative to the mean squared column norm; > 0, so that any sample has one answer.

        Returns:
            Coefficients of shape (..., B) or (..., O, B), in the dtype of y.
        """
        single = y.dim() == x.dim()
        columns = y.unsqueeze(-1) if single else y
        matrix = self.per_point().evaluate(x).to(torch.float64)  # (..., N, B)
        solution = solve_ridge(matrix, columns.to(torch.float64), ridge).mT.to(y.dtype)  # (..., O, B)
        return solution.squeeze(-2) if single else solution

    def even_points(self, per_interval: int) -> Tensor:
        """Return points spread over the domain, both ends included, `per_interval` per piece: (..., N)."""
        low, high = self.domain
        steps = torch.linspace(0, 1, per_interval * self.intervals + 1, dtype=self.grid.dtype, device=self.grid.device)
        return low.unsqueeze(-1) + (high - low).unsqueeze(-1) * steps

    def per_point(self) -> Self:
        """Give the grid an axis for the points, so that (..., N) points meet a (..., K) grid."""
        return replace(self, grid=self.grid.unsqueeze(-2))


def solve_ridge(matrix: Tensor, columns: Tensor, ridge: float) -> Tensor:
    """Solve min ||matrix c - columns||^2 + r ||c||^2 by Cholesky, the same way in every run.

    A bare least-squares driver is not repeatable on rank-deficient spline matrices; one refinement step on the
    residual recovers what forming the normal equations loses.

    Args:
        matrix: (..., N, B) float64.
        columns: (..., N, O) float64.
        ridge: relative to the mean squared column norm, > 0.

    Returns:
        (..., B, O) float64.
    """
    normal = matrix.mT @ matrix
    scale = normal.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(torch.finfo(torch.float64).tiny)
    identity = torch.eye(normal.shape[-1], dtype=normal.dtype, device=normal.device)
    for strength in (ridge, 1e3 * ridge, 1e6 * ridge, 1e9 * ridge):
        factor, info = torch.linalg.cholesky_ex(normal + strength * scale[..., None, None] * identity)
        if not bool(info.any()):
            break
    solution = torch.cholesky_solve(matrix.mT @ columns, factor)
    return solution + torch.cholesky_solve(matrix.mT @ (columns - matrix @ solution), factor)
