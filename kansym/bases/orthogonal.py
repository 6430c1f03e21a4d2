"""What families of orthogonal polynomials with a three-term recurrence have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from kansym.bases.interval import IntervalBasis, lobatto, recurrence


@dataclass(frozen=True, eq=False)
class OrthogonalBasis(IntervalBasis):
    """Polynomials p_0 ... p_G over the domain: `grid` holds G + 1 Lobatto points, of which only the two ends are read.

    B = G + 1: the polynomial degree is the number of intervals, and `degree` is ignored. Beyond the domain every
    function goes on along its tangent.
    """

    @staticmethod
    @abstractmethod
    def _factors(degree: int) -> tuple[float, float]:
        """Return a and b of p_(n+1) = a s p_n - b p_(n-1), n >= 1, for s = -1 ... 1."""

    @staticmethod
    @abstractmethod
    def _slopes_at_one(degrees: Tensor) -> Tensor:
        """Return the slope of every polynomial at s = 1; at -1 it is the same, with alternating signs."""

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
        return recurrence(s, self.size, order, self._factors)[order]

    def _end_slopes(self) -> tuple[Tensor, Tensor]:
        degrees = torch.arange(self.size, dtype=self.grid.dtype, device=self.grid.device)
        slopes = self._slopes_at_one(degrees)
        return slopes * (2 * (degrees % 2) - 1), slopes

    def refine(self, intervals: int) -> Self:
        self._check_finer(intervals)
        return replace(self, grid=lobatto(*self.domain, intervals + 1))
