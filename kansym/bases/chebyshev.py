"""Chebyshev polynomials of the first kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

import torch
from torch import Tensor

from kansym.bases.interval import IntervalBasis, lobatto, recurrence


def chebyshev_factors(degree: int) -> tuple[float, float]:
    """Return a and b of T_(n+1) = a s T_n - b T_(n-1), n >= 1."""
    return 2.0, 1.0


@final
@dataclass(frozen=True, eq=False)
class Chebyshev(IntervalBasis):
    """T_0 ... T_G over the domain: `grid` holds the G + 1 Lobatto points, of which only the two ends are read.

    B = G + 1: the polynomial degree is the number of intervals, and `degree` is ignored. Beyond the domain every
    function goes on along its tangent.

    Source: NIST Digital Library of Mathematical Functions, eq. 18.9.1 with table 18.9.1.
    """

    @classmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        return cls(lobatto(low, high, intervals + 1), degree)

    @property
    def size(self) -> int:
        return self.grid.shape[-1]

    @property
    def intervals(self) -> int:
        return self.size - 1

    @property
    def _places(self) -> int:
        return self.size

    def _on_unit(self, s: Tensor, order: int) -> Tensor:
        return recurrence(s, self.size, order, chebyshev_factors)[order]

    def _end_slopes(self) -> tuple[Tensor, Tensor]:
        degrees = torch.arange(self.size, dtype=self.grid.dtype, device=self.grid.device)
        return degrees * degrees * (2 * (degrees % 2) - 1), degrees * degrees

    def refine(self, intervals: int) -> Self:
        self._check_finer(intervals)
        return replace(self, grid=lobatto(*self.domain, intervals + 1))
