"""Sines and cosines with learnable frequencies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi
from typing import Self, final

import torch
from torch import Tensor

from kansym.bases.interval import IntervalBasis


@final
@dataclass(frozen=True, eq=False)
class Fourier(IntervalBasis):
    """1, cos(w_1 s), sin(w_1 s), ..., cos(w_G s), sin(w_G s): `grid` holds the two ends, then w_1 ... w_G; B = 2G + 1.

    On a new grid w_m = m pi / 2 for s = -1 ... 1: the period is twice the domain, so that a function need not have
    equal values at its two ends, and G pieces are resolved. The frequencies may be learned. `degree` is ignored.
    Beyond the domain every function goes on along its tangent.

    Source: D. Huybrechs, On the Fourier extension of nonperiodic functions, SIAM J. Numer. Anal. 47, 2010.
    """

    @classmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        ends = torch.stack([low, high], -1)
        return cls(torch.cat([ends, _frequencies(1, intervals, ends)], -1), degree)

    @property
    def size(self) -> int:
        return 2 * self.intervals + 1

    @property
    def intervals(self) -> int:
        return self.grid.shape[-1] - 2

    @property
    def frequencies(self) -> Tensor:
        """w in radians per half domain, (..., G)."""
        return self.grid[..., 2:]

    @property
    def _places(self) -> int:
        return 2

    def _on_unit(self, s: Tensor, order: int) -> Tensor:
        phase = s.unsqueeze(-1) * self.frequencies
        cosine, sine = torch.cos(phase), torch.sin(phase)
        pair = [(cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine)][order % 4]
        waves = torch.stack(pair, -1)  # (..., G, 2)
        if order:
            waves = waves * (self.frequencies**order).unsqueeze(-1)
        constant = torch.full_like(phase[..., :1], float(order == 0))
        return torch.cat([constant, waves.flatten(-2)], -1)

    def refine(self, intervals: int) -> Self:
        """Return the basis with the next frequencies of a new grid added.

        Raises:
            ValueError: when fewer pieces are asked for than there are.
        """
        self._check_finer(intervals)
        added = _frequencies(self.intervals + 1, intervals, self.grid)
        return replace(self, grid=torch.cat([self.grid, added], -1))


def _frequencies(first: int, last: int, like: Tensor) -> Tensor:
    """Return the frequencies with the given numbers, one row per row of `like`."""
    wide = torch.promote_types(like.dtype, torch.float32)
    numbers = torch.arange(first, last + 1, dtype=wide, device=like.device)
    return (numbers * (pi / 2)).to(like.dtype).expand(*like.shape[:-1], -1)
