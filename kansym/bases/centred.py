"""What bases of one profile, moved and stretched, have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from kansym.bases.base import Basis, padding
from kansym.bases.breaks import adapted_breaks, even_breaks, widest_middles, with_outer

# Centres that were learned into one place still give a new function between them a finite width.
LEAST_GAP = 1e-6


@dataclass(frozen=True, eq=False)
class CentredBasis(Basis):
    """Functions p((x - c_j) w_j): `grid` holds B centres c, B inverse widths w, and the two ends of the domain.

    B = G + k for degree k, as for splines: on a new grid the centres are those of the B-splines of that degree, some of
    them beyond the ends (on the break points for k = 1), and the widths are tied to their spacing. Centres and widths
    may be learned from there, in any order; the ends only matter to refining and fitting. Far outside the domain every
    function is 0, so every finite x has a finite value. A refined basis keeps the old functions as they are and adds
    narrower ones between them.
    """

    @property
    def size(self) -> int:
        return self.grid.shape[-1] // 2 - 1

    @property
    def intervals(self) -> int:
        return self.size - self.degree

    @property
    def centres(self) -> Tensor:
        """c, (..., B)."""
        return self.grid[..., : self.size]

    @property
    def inverse_widths(self) -> Tensor:
        """w, (..., B)."""
        return self.grid[..., self.size : 2 * self.size]

    @property
    def domain(self) -> tuple[Tensor, Tensor]:
        return self.grid[..., -2], self.grid[..., -1]

    @classmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        wide = torch.promote_types(low.dtype, torch.float32)
        breaks = even_breaks(low.to(wide), high.to(wide), intervals)
        return cls(breaks, degree)._on(breaks).to(low.dtype)

    def _on(self, breaks: Tensor) -> Self:
        """Return the basis whose centres lie as those of the B-splines on these breaks, as wide as their spacing."""
        knots = with_outer(breaks, self.degree // 2)
        centres = knots if self.degree % 2 else 0.5 * (knots[..., :-1] + knots[..., 1:])  # (..., B)
        gaps = centres.diff(dim=-1) if centres.shape[-1] > 1 else breaks.diff(dim=-1)
        spacing = torch.cat([gaps[..., :1], 0.5 * (gaps[..., :-1] + gaps[..., 1:]), gaps[..., -1:]], -1)
        widths = self._sharpness() / spacing[..., : centres.shape[-1]]
        return replace(self, grid=torch.cat([centres, widths, breaks[..., :1], breaks[..., -1:]], -1))

    @abstractmethod
    def _sharpness(self) -> float:
        """Return what an inverse width is times the spacing."""

    @abstractmethod
    def _profile(self, z: Tensor, order: int) -> Tensor:
        """Return the `order`-th derivative of p: (...) -> (...), finite for every finite z."""

    def _derivative(self, x: Tensor, order: int) -> Tensor:
        values = self._profile((x.unsqueeze(-1) - self.centres) * self.inverse_widths, order)
        return values * self.inverse_widths**order if order else values

    def refine(self, intervals: int) -> Self:
        """Return the basis with more functions, in the middle of the widest gaps and half as wide as these.

        Raises:
            ValueError: when fewer pieces are asked for than there are.
        """
        self._check_finer(intervals)
        finer = self
        while finer.intervals < intervals:
            finer = finer._halved(intervals - finer.intervals)
        return finer

    def _halved(self, count: int) -> Self:
        """Add a function in the middle of each of the `count` gaps of which most lies in the domain."""
        low, high = self.grid[..., -2:-1], self.grid[..., -1:]
        if self.size == 1:
            places, spacing = 0.5 * (low + high), 0.5 * (high - low)
        else:
            points = self.centres.sort(-1).values
            inside = points.clamp(low, high).diff(dim=-1)
            places, gaps = widest_middles(points, inside, min(count, self.size - 1))
            spacing = 0.5 * torch.maximum(gaps, LEAST_GAP * (high - low))
        widths = torch.cat([self.inverse_widths, self._sharpness() / spacing], -1)
        return replace(self, grid=torch.cat([self.centres, places, widths, low, high], -1))

    def adapt(self, samples: Tensor, blend: float = 0.5) -> Self:
        return self._on(adapted_breaks(samples, self.intervals, blend))

    def _embedding(self, finer: Self) -> Tensor | None:
        pairs = (self.centres, finer.centres), (self.inverse_widths, finer.inverse_widths)
        same = self.degree == finer.degree and all(torch.equal(old, new[..., : self.size]) for old, new in pairs)
        return padding(self.size, finer.size, self.grid) if same else None
