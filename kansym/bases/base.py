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

    Values are those of the numbers in `grid`, computed in at least float32 and rounded once to the dtype of the
    points; they are differentiable with respect to the points and to the grid.

    Args:
        grid: all numbers that the functions depend on, shape (..., K); what they mean is the subclass's business
            (knots, centres and widths, domain ends). The leading axes broadcast against the axes of the points.
        degree: the subclass's order parameter, >= 0 (for splines the polynomial degree, 3 = cubic).
        even: the caller vouches that all pieces are equally wide. Splines then find the piece by arithmetic and read
            only the two ends of the domain; the other bases ignore it.
    """

    grid: Tensor
    degree: int = 3
    even: bool = False

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
    def refine(self, intervals: int) -> Self:
        """Return a basis of the same domain with `intervals` pieces, whose span on the domain contains this one's.

        Raises:
            ValueError: when fewer pieces are asked for than there are.
        """

    @abstractmethod
    def adapt(self, samples: Tensor, blend: float = 0.5) -> Self:
        """Return a basis with the same size whose grid follows the samples.

        Args:
            samples: points seen, shape (..., N), one row of N per batch entry of the grid.
            blend: 0 spaces the grid by the quantiles of the samples, 1 evenly over their range. A basis whose grid is
                only a domain follows the range.
        """

    @abstractmethod
    def _derivative(self, x: Tensor, order: int) -> Tensor:
        """Return what `derivative` does, for points in the dtype of the grid, float32 or float64."""

    def _embedding(self, finer: Self) -> Tensor | None:
        """Return how each function is made of those of `finer`, (..., B, B') float64, or None where it is not."""
        return None

    def derivative(self, x: Tensor, order: int = 1) -> Tensor:
        """Return the `order`-th derivative of every function at x: (...) -> (..., B); order 0 is the value.

        Where a function has a kink it is the derivative from one of the two sides. Every order is exact.

        Raises:
            ValueError: when the order is negative.
        """
        if order < 0:
            raise ValueError(f"there is no derivative of order {order}: ask for 0 (the value) or more")
        wide = torch.promote_types(torch.promote_types(x.dtype, self.grid.dtype), torch.float32)
        if x.dtype == wide and self.grid.dtype == wide:
            return self._derivative(x, order)
        return self.to(wide)._derivative(x.to(wide), order).to(x.dtype)

    def evaluate(self, x: Tensor) -> Tensor:
        """Return the value of every function at x: (...) -> (..., B)."""
        return self.derivative(x, 0)

    def fit(self, x: Tensor, y: Tensor, ridge: float = RIDGE) -> Tensor:
        """Return the coefficients whose combination is closest to the samples, by ridge regression in float64.

        Args:
            x: points, shape (..., N), batch axes as those of the grid.
            y: values, shape (..., N) or (..., N, O) for O functions over the same points.
            ridge: penalty relative to the mean squared column norm; > 0, so that any sample has one answer.

        Returns:
            Coefficients of shape (..., B) or (..., O, B), in the dtype of y.
        """
        single = y.dim() == x.dim()
        columns = y.unsqueeze(-1) if single else y
        matrix = self.to(torch.float64).per_point().evaluate(x.to(torch.float64))  # (..., N, B)
        solution = solve_ridge(matrix, columns.to(torch.float64), ridge).mT.to(y.dtype)  # (..., O, B)
        return solution.squeeze(-2) if single else solution

    def carry(self, coefficients: Tensor, basis: Self) -> Tensor:
        """Return the coefficients on another basis of this kind of the functions that have these on this one.

        On a refined basis they are exact; on any other they give the closest functions on even points of its domain.

        Args:
            coefficients: (..., B) or (..., O, B), batch axes as those of the grid.
            basis: its grid has the same batch axes.

        Returns:
            (..., B') or (..., O, B'), in the dtype of `coefficients`.
        """
        rows = coefficients.unsqueeze(-2) if coefficients.dim() == self.grid.dim() else coefficients
        carried = self._carry_rows(rows.to(torch.float64), basis).to(coefficients.dtype)
        return carried.squeeze(-2) if coefficients.dim() == self.grid.dim() else carried

    def _carry_rows(self, rows: Tensor, basis: Self) -> Tensor:
        """Carry float64 coefficients (..., O, B)."""
        old, new = self.to(torch.float64), basis.to(torch.float64)
        embedding = old._embedding(new) if basis.size >= self.size else None
        if embedding is not None:
            return rows @ embedding
        points = new._fitting_points()  # (..., N)
        return new.fit(points, old.per_point().evaluate(points) @ rows.mT)

    def constant(self) -> Tensor:
        """Return the coefficients of the function closest to f(x) = 1 on the domain, (..., B)."""
        points = self._fitting_points()
        return self.fit(points, torch.ones_like(points))

    def identity(self) -> Tensor:
        """Return the coefficients of the function closest to f(x) = x on the domain, (..., B)."""
        points = self._fitting_points()
        return self.fit(points, points)

    def _fitting_points(self) -> Tensor:
        return self.even_points(4 * (self.degree + 1))

    def even_points(self, per_interval: int) -> Tensor:
        """Return points spread over the domain, both ends included, `per_interval` per piece: (..., N)."""
        low, high = self.domain
        steps = torch.linspace(0, 1, per_interval * self.intervals + 1, dtype=self.grid.dtype, device=self.grid.device)
        return low.unsqueeze(-1) + (high - low).unsqueeze(-1) * steps

    def per_point(self) -> Self:
        """Give the grid an axis for the points, so that (..., N) points meet a (..., K) grid."""
        return replace(self, grid=self.grid.unsqueeze(-2))

    def to(self, target: torch.dtype | torch.device) -> Self:
        """Return the basis in another dtype or on another device."""
        return replace(self, grid=self.grid.to(target))

    def _check_finer(self, intervals: int) -> None:
        if intervals < self.intervals:
            raise ValueError(
                f"cannot refine {self.intervals} grid intervals to {intervals}: ask for at least {self.intervals}"
            )


def padding(size: int, finer: int, like: Tensor) -> Tensor:
    """Return the embedding of `size` functions that are the first of `finer`: (size, finer)."""
    return torch.eye(size, finer, dtype=like.dtype, device=like.device)


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
