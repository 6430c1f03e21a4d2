"""B-splines of any degree on any increasing grid, continued by straight lines outside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor

from kansym.bases.base import Basis
from kansym.bases.breaks import adapted_breaks, even_breaks, finer_breaks, with_outer
from kansym.bases.taps import even_piece, row_entries, searched_piece, spread


@final
@dataclass(frozen=True, eq=False)
class BSpline(Basis):
    """The B-spline basis: `grid` holds the knots t_0 < ... < t_(G+2k), the domain is [t_k, t_(G+k)], B = G + k.

    Outside the domain every function goes on along its tangent at the end, so value and slope stay continuous and
    every finite x has a finite value. Only the k+1 functions that are not zero are computed at a point.

    Source: C. de Boor, A Practical Guide to Splines, 2001, ch. IX-X (eqs. IX.14 and X.15).
    """

    @classmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        return cls(even_breaks(low, high, intervals, degree), degree, True)

    @classmethod
    def from_breaks(cls, breaks: Tensor, degree: int = 3, even: bool = False) -> Self:
        """Return the basis with the given increasing break points (..., G+1); outer knots are evenly spaced."""
        return cls(with_outer(breaks, degree), degree, even)

    @property
    def size(self) -> int:
        return self.grid.shape[-1] - self.degree - 1

    @property
    def intervals(self) -> int:
        return self.size - self.degree

    @property
    def domain(self) -> tuple[Tensor, Tensor]:
        return self.grid[..., self.degree], self.grid[..., self.size]

    @property
    def breaks(self) -> Tensor:
        """The knots inside the domain, both ends included: (..., G+1)."""
        return self.grid[..., self.degree : self.size + 1]

    def constant(self) -> Tensor:
        return torch.ones_like(self.grid[..., : self.size])  # B-splines add up to one

    def _derivative(self, x: Tensor, order: int) -> Tensor:
        first, taps = self.taps(x, order)
        return spread(taps, first, self.size)

    def taps(self, x: Tensor, order: int = 0) -> tuple[Tensor, Tensor]:
        """Return the functions that are not zero at each point.

        Args:
            x: (...), in the dtype of the grid.
            order: of the derivative, >= 0.

        Returns:
            The index of the first of them (...) int64, and the `order`-th derivatives of the k+1 (k+1, ...).
        """
        first, taps = (self._even_taps if self.even else self._searched_taps)(x, order)
        stacked = torch.stack(taps)
        if order < 2:
            return first, stacked
        low, high = self.domain
        return first, stacked * ((x >= low) & (x <= high))

    def _even_taps(self, x: Tensor, order: int) -> tuple[Tensor, list[Tensor]]:
        low, high = self.domain
        per_width = self.intervals / (high - low)
        steps = (x - low) * per_width  # distance from the low end in pieces
        inside = steps.clamp(0, self.intervals)
        piece = even_piece(steps, self.intervals)
        place = inside - piece  # 0 ... 1 within the piece
        points = _along_tangent(place, steps - inside, self.degree)
        if self.degree == 3 and order == 0:
            return piece, _even_cubic(place, points[-1])
        near = [float(knot) for knot in range(1 - self.degree, self.degree + 1)]
        taps = _triangle(near, points, self.degree, order)
        return piece, [tap * per_width**order for tap in taps] if order else taps

    def _searched_taps(self, x: Tensor, order: int) -> tuple[Tensor, list[Tensor]]:
        low, high = self.domain
        inside = x.clamp(low, high)
        piece = searched_piece(self.breaks, inside)
        points = _along_tangent(inside, x - inside, self.degree)
        return piece, _triangle(self._near(piece), points, self.degree, order)

    def _near(self, piece: Tensor) -> Sequence[Tensor]:
        """Return the knots t_(j-k+1) ... t_(j+k) around the piece [t_j, t_(j+1)) of each point, 2k tensors (...)."""
        window = torch.arange(1, 2 * self.degree + 1, device=piece.device).view(-1, *[1] * piece.dim())
        return row_entries(self.grid, piece + window).unbind(0) if self.degree else ()

    def refine(self, intervals: int) -> Self:
        """Return the basis after halving the widest pieces until there are `intervals`; all old knots stay.

        An even grid is cut evenly where `intervals` is a multiple of what there is.

        Raises:
            ValueError: when fewer pieces are asked for than there are.
        """
        self._check_finer(intervals)
        breaks, even = finer_breaks(self.breaks, intervals, self.even)
        return self.from_breaks(breaks, self.degree, even)

    def adapt(self, samples: Tensor, blend: float = 0.5) -> Self:
        return self.from_breaks(adapted_breaks(samples, self.intervals, blend), self.degree, blend >= 1)

    def _embedding(self, finer: Self) -> Tensor | None:
        """Insert knots: a coefficient on the finer grid is the old spline's polar form at that function's knots.

        Source: L. Ramshaw, Blossoms are polar forms, Computer Aided Geometric Design 6, 1989.
        """
        kept = (self.breaks.unsqueeze(-1) == finer.breaks.unsqueeze(-2)).any(-1)
        if self.degree != finer.degree or not bool(kept.all()):
            return None
        middle = torch.arange(finer.size, device=self.grid.device) + self.degree // 2
        middle = middle.clamp(self.degree, finer.size - 1)  # a piece of the domain on which the function is not zero
        old = self.per_point()
        piece = searched_piece(old.breaks, 0.5 * (finer.grid[..., middle] + finer.grid[..., middle + 1]))
        knots = [finer.grid[..., 1 + level : 1 + level + finer.size] for level in range(self.degree)]
        taps = _triangle(old._near(piece), [torch.zeros_like(piece, dtype=self.grid.dtype), *knots], self.degree, 0)
        return spread(torch.stack(taps), piece, self.size).mT


def _along_tangent(inside: Tensor, beyond: Tensor, degree: int) -> list[Tensor]:
    """Return the arguments of the polar form, one per degree, whose value lies on the tangent beyond the domain.

    A polynomial of degree k with polar form f has f(a, ..., a) as its value at a, and f(a, ..., a, a + k d) is value
    plus d times slope. Inside the domain, where d = 0, all arguments are the point itself.
    """
    return [inside, *[inside] * (degree - 1), *([inside + degree * beyond] if degree else [])]


def _even_cubic(place: Tensor, last: Tensor) -> list[Tensor]:
    """Return what the triangle gives on even knots for degree 3, in half the operations.

    Args:
        place: 0 ... 1 within the piece.
        last: the last argument of the polar form, `place` itself inside the domain.
    """
    rest = 1 - place
    first, third = rest * rest / 6, place * place / 6  # the three quadratic B-splines, by their sum
    second = 1 / 3 - first - third
    return [
        (1 - last) * first,
        (last + 2) * first + (2 - last) * second,
        (last + 1) * second + (3 - last) * third,
        last * third,
    ]


def _triangle(near: Sequence[Tensor | float], points: Sequence[Tensor], degree: int, order: int) -> list[Tensor]:
    """Return the `order`-th derivatives of the k+1 B-splines that are not zero, by the Cox-de Boor triangle.

    Args:
        near: the 2k knots around the piece.
        points: the argument of the polar form on each level, after one whose shape counts; all the same on a point.
    """
    taps = [torch.ones_like(points[0])] if degree else [1 + 0 * points[0]]  # even a constant has a gradient
    for level in range(degree):
        shares = [tap / (near[degree + i] - near[degree - 1 - level + i]) for i, tap in enumerate(taps)]
        taps = (
            _raised(near[degree - 1 - level : degree + 1 + level], points[level + 1], shares)
            if level < degree - order
            else _differences(shares, level + 1)
        )
    return taps if order <= degree else [torch.zeros_like(tap) for tap in taps]


def _raised(near: Sequence[Tensor | float], x: Tensor, shares: Sequence[Tensor]) -> list[Tensor]:
    """Raise the degree by one; inside the domain this only adds positive terms."""
    count = len(shares)
    rising = [(x - near[i]) * share for i, share in enumerate(shares)]
    falling = [(near[count + i] - x) * share for i, share in enumerate(shares)]
    return [falling[0], *[rising[i] + falling[i + 1] for i in range(count - 1)], rising[-1]]


def _differences(shares: Sequence[Tensor], degree: int) -> list[Tensor]:
    """Raise the degree by one and differentiate: k times the differences of neighbours."""
    inner = [degree * (before - after) for before, after in zip(shares, shares[1:], strict=False)]
    return [-degree * shares[0], *inner, degree * shares[-1]]
