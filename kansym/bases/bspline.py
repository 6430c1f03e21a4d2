"""B-splines of any degree on any increasing grid, continued by straight lines outside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from kansym.bases.base import Basis

# Ties in the data would put two knots in one place; this share of even spacing keeps every piece open.
LEAST_EVEN = 0.02


@dataclass(frozen=True, eq=False)
class BSpline(Basis):
    """The B-spline basis: `grid` holds the knots t_0 < ... < t_(G+2k), the domain is [t_k, t_(G+k)], B = G + k.

    Outside the domain every function goes on along its tangent at the end, so value and slope stay continuous and
    every finite x has a finite value. Only the k+1 functions that are not zero are computed at a point.

    Source: C. de Boor, A Practical Guide to Splines, 2001, ch. IX-X (eqs. IX.14 and X.15).
    """

    @classmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        steps = torch.arange(-degree, intervals + degree + 1, dtype=low.dtype, device=low.device) / intervals
        return cls(low.unsqueeze(-1) + (high - low).unsqueeze(-1) * steps, degree)

    @classmethod
    def from_breaks(cls, breaks: Tensor, degree: int = 3) -> Self:
        """Return the basis with the given increasing break points (..., G+1); outer knots are evenly spaced."""
        steps = torch.arange(1, degree + 1, dtype=breaks.dtype, device=breaks.device)
        width = (breaks[..., -1:] - breaks[..., :1]) / (breaks.shape[-1] - 1)
        return cls(
            torch.cat([breaks[..., :1] - width * steps.flip(0), breaks, breaks[..., -1:] + width * steps], -1), degree
        )

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

    def derivative(self, x: Tensor, order: int = 1) -> Tensor:
        low, high = self.domain
        inside = torch.minimum(torch.maximum(x, low), high)
        values = _dense(self.grid, self.degree, inside, order)
        if order > 1:
            return values * ((x >= low) & (x <= high)).unsqueeze(-1)
        return values if order == 1 else self._extend(values, x, inside)

    def _extend(self, values: Tensor, x: Tensor, inside: Tensor) -> Tensor:
        """Add slope times the distance beyond the domain, where there is any."""
        beyond = x - inside
        if not bool((beyond.detach() != 0).any()):
            return values
        return values + beyond.unsqueeze(-1) * _dense(self.grid, self.degree, inside, 1)

    def refine(self, intervals: int) -> Self:
        """Return the basis after halving the widest pieces until there are `intervals`; all old knots stay.

        Raises:
            ValueError: when fewer pieces are asked for than there are.
        """
        if intervals < self.intervals:
            raise ValueError(
                f"cannot refine {self.intervals} grid intervals to {intervals}: ask for at least {self.intervals}"
            )
        breaks = self.breaks
        while breaks.shape[-1] - 1 < intervals:
            breaks = _halve_widest(breaks, min(intervals - breaks.shape[-1] + 1, breaks.shape[-1] - 1))
        return self.from_breaks(breaks, self.degree)

    def adapt(self, samples: Tensor, blend: float = 0.5) -> Self:
        blend = max(blend, LEAST_EVEN)
        ordered = samples.sort(-1).values
        low, high = _padded_range(ordered[..., 0], ordered[..., -1])
        steps = torch.linspace(0, 1, self.intervals + 1, dtype=samples.dtype, device=samples.device)
        even = low.unsqueeze(-1) + (high - low).unsqueeze(-1) * steps
        positions = (steps * (samples.shape[-1] - 1)).round().long()
        quantiles = torch.cat([low.unsqueeze(-1), ordered[..., positions[1:-1]], high.unsqueeze(-1)], -1)
        return self.from_breaks(blend * even + (1 - blend) * quantiles, self.degree)


def _padded_range(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Widen a range by a hundredth, and by at least enough that a constant column still has a grid."""
    margin = 0.01 * (high - low) + 1e-6 * (1 + torch.maximum(low.abs(), high.abs()))
    return low - margin, high + margin


def _halve_widest(breaks: Tensor, count: int) -> Tensor:
    """Insert the midpoints of the `count` widest pieces."""
    widest = torch.sort(breaks.diff(dim=-1), dim=-1, descending=True, stable=True).indices[..., :count]
    middles = 0.5 * (breaks[..., :-1] + breaks[..., 1:])
    return torch.cat([breaks, middles.gather(-1, widest)], -1).sort(-1).values


def _dense(knots: Tensor, degree: int, x: Tensor, order: int) -> Tensor:
    """Return the derivative of every B-spline at points of the domain: (...) -> (..., B)."""
    if order == 0:
        return _values(knots, degree, x)
    size = knots.shape[-1] - degree - 1
    if degree == 0:
        return torch.zeros(*torch.broadcast_shapes(x.shape, knots.shape[:-1]), size, dtype=x.dtype, device=x.device)
    lower = _dense(knots[..., 1:-1], degree - 1, x, order - 1)
    scaled = lower * (degree / (knots[..., 1 + degree : -1] - knots[..., 1 : -1 - degree]))
    return pad(scaled, (1, 0)) - pad(scaled, (0, 1))


def _values(knots: Tensor, degree: int, x: Tensor) -> Tensor:
    """Return every B-spline at points of the domain; the k+1 that are not zero are scattered into their places."""
    shape = torch.broadcast_shapes(x.shape, knots.shape[:-1])
    size = knots.shape[-1] - degree - 1
    piece = _piece(knots, degree, x.detach()).expand(shape)
    taps = torch.stack(_taps(knots.expand(*shape, -1), degree, x.expand(shape), piece), -1)  # (..., k+1)
    columns = piece.unsqueeze(-1) + torch.arange(degree + 1, device=x.device)
    return torch.zeros(*shape, size, dtype=x.dtype, device=x.device).scatter(-1, columns, taps)


def _piece(knots: Tensor, degree: int, x: Tensor) -> Tensor:
    """Return which grid piece each point lies in, 0 <= piece < G."""
    inner = knots[..., degree + 1 : knots.shape[-1] - degree - 1]
    return (x.unsqueeze(-1) >= inner).sum(-1)


def _taps(knots: Tensor, degree: int, x: Tensor, piece: Tensor) -> list[Tensor]:
    """Return the k+1 non-zero B-splines of each point by the Cox-de Boor triangle, which only adds positive terms."""
    window = piece.unsqueeze(-1) + torch.arange(1, 2 * degree + 1, device=x.device)
    near = knots.gather(-1, window).unbind(-1)  # t_(j-k+1) ... t_(j+k) around the piece [t_j, t_(j+1))
    left = [x - near[degree - 1 - i] for i in range(degree)]
    right = [near[degree + i] - x for i in range(degree)]
    taps = [torch.ones_like(x)]
    for level in range(degree):
        taps = _next_level(taps, left, right, level)
    return taps


def _next_level(taps: list[Tensor], left: list[Tensor], right: list[Tensor], level: int) -> list[Tensor]:
    """Raise the degree of the non-zero B-splines by one."""
    carried: Tensor | None = None
    raised = []
    for i, tap in enumerate(taps):
        share = tap / (right[i] + left[level - i])
        raised.append(right[i] * share if carried is None else carried + right[i] * share)
        carried = left[level - i] * share
    return [*raised, carried] if carried is not None else raised
