"""Chebyshev polynomials over a learnable positive denominator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import comb
from typing import Self, final

import torch
from torch import Tensor

from kansym.bases.chebyshev import chebyshev_factors
from kansym.bases.interval import IntervalBasis, lobatto, recurrence

# The denominator never falls below FLOOR / (1 + FLOOR) of its value for b = 0.
FLOOR = 0.01


@final
@dataclass(frozen=True, eq=False)
class Rational(IntervalBasis):
    """T_0 / Q ... T_G / Q over the domain, Q = (A^2 + f) / (1 + f), A = 1 + b_1 T_1 + ... + b_d T_d, f = 0.01.

    `grid` holds G + 1 Lobatto points, of which only the two ends are read, then b_1 ... b_d, which may be learned;
    d is `degree`, B = G + 1. Q is smooth and positive for any b; a new grid has b = 0, where Q = 1 and the gradient
    with respect to b is not 0. Beyond the domain every function goes on along its tangent.

    Source: A. Molina et al., Padé activation units, ICLR 2020; a square in place of the absolute value.
    """

    @classmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        denominator = torch.zeros(*low.shape, degree, dtype=low.dtype, device=low.device)
        return cls(torch.cat([lobatto(low, high, intervals + 1), denominator], -1), degree)

    @property
    def size(self) -> int:
        return self.grid.shape[-1] - self.degree

    @property
    def intervals(self) -> int:
        return self.size - 1

    @property
    def denominator(self) -> Tensor:
        """b, (..., d)."""
        return self.grid[..., self.size :]

    @property
    def _places(self) -> int:
        return self.size

    def _on_unit(self, s: Tensor, order: int) -> Tensor:
        jets = recurrence(s, max(self.size, self.degree + 1), order, chebyshev_factors)
        bottom = self._bottom(jets)
        quotients: list[Tensor] = []
        for rank in range(order + 1):  # Leibniz: N^(r) = sum of C(r, j) Q^(j) (N / Q)^(r - j)
            known = [comb(rank, j) * bottom[j] * quotients[rank - j] for j in range(1, rank + 1)]
            top = jets[rank][..., : self.size]
            quotients.append((top - reduce(torch.add, known) if known else top) / bottom[0])
        return quotients[order]

    def _bottom(self, jets: list[Tensor]) -> list[Tensor]:
        """Return Q and its derivatives, each (..., 1)."""
        root = [(jet[..., 1 : self.degree + 1] * self.denominator).sum(-1, keepdim=True) for jet in jets]
        root[0] = 1 + root[0]
        products = [[comb(r, j) * root[j] * root[r - j] for j in range(r + 1)] for r in range(len(root))]
        squares = [reduce(torch.add, terms) for terms in products]
        return [(squares[0] + FLOOR) / (1 + FLOOR), *[square / (1 + FLOOR) for square in squares[1:]]]

    def refine(self, intervals: int) -> Self:
        """Return the basis with numerators of higher degree over the same denominator.

        Raises:
            ValueError: when fewer pieces are asked for than there are.
        """
        self._check_finer(intervals)
        return self._over(*self.domain, intervals + 1)
