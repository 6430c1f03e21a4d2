"""What global functions of an interval have in common: one scale for all, and tangents beyond its ends."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi
from typing import Self

import torch
from torch import Tensor

from kansym.bases.base import Basis, padding
from kansym.bases.breaks import padded_range


@dataclass(frozen=True, eq=False)
class IntervalBasis(Basis):
    """Functions f_j(s) of s = -1 ... 1 over the domain, continued along their tangents beyond both ends.

    Value and slope stay continuous there, and every finite x has a finite value. The grid starts with `_places`
    numbers from the low to the high end of the domain; what follows are numbers f depends on, in units of s.
    """

    @property
    @abstractmethod
    def _places(self) -> int:
        """How many numbers of the grid are places."""

    @abstractmethod
    def _on_unit(self, s: Tensor, order: int) -> Tensor:
        """Return the `order`-th derivatives of all f with respect to s, for -1 <= s <= 1: (...) -> (..., B)."""

    def _end_slopes(self) -> tuple[Tensor, Tensor]:
        """Return the slopes of all f at s = -1 and at s = 1, each (..., B) or (B,)."""
        end = torch.ones_like(self.grid[..., 0])
        lower, upper = self._on_unit(torch.stack([-end, end]), 1).unbind(0)
        return lower, upper

    @property
    def domain(self) -> tuple[Tensor, Tensor]:
        return self.grid[..., 0], self.grid[..., self._places - 1]

    def _derivative(self, x: Tensor, order: int) -> Tensor:
        low, high = self.domain
        per_unit = 2 / (high - low)
        s = (x - low) * per_unit - 1
        inside = s.clamp(-1, 1)
        values = self._on_unit(inside, order)
        if order == 0:
            return self._extended(values, s - inside)
        scaled = values * (per_unit**order).unsqueeze(-1)
        return scaled if order == 1 else scaled * ((x >= low) & (x <= high)).unsqueeze(-1)

    def _extended(self, values: Tensor, beyond: Tensor) -> Tensor:
        """Add the slope at the end times the distance beyond it, which is 0 inside the domain."""
        lower, upper = self._end_slopes()
        below, above = beyond.clamp_max(0).unsqueeze(-1), beyond.clamp_min(0).unsqueeze(-1)
        return torch.addcmul(torch.addcmul(values, below, lower), above, upper)

    def adapt(self, samples: Tensor, blend: float = 0.5) -> Self:
        """Return the basis over the range of the samples (..., N), a hundredth wider; `blend` is ignored."""
        low, high = padded_range(samples.amin(-1), samples.amax(-1), self.intervals)
        return self._over(low, high, self._places)

    def _over(self, low: Tensor, high: Tensor, places: int) -> Self:
        """Return the basis on another domain with another number of places; the other numbers stay."""
        rest = self.grid[..., self._places :]
        rest = rest.expand(*low.shape, rest.shape[-1]).to(low.dtype)
        return replace(self, grid=torch.cat([lobatto(low, high, places), rest], -1))

    def _embedding(self, finer: Self) -> Tensor | None:
        """The functions of a refined basis on the same domain start with the old ones."""
        pairs = zip(self._fixed(), finer._fixed(), strict=True)
        same = self.degree == finer.degree and all(torch.equal(old, new[..., : old.shape[-1]]) for old, new in pairs)
        return padding(self.size, finer.size, self.grid) if same else None

    def _fixed(self) -> tuple[Tensor, Tensor]:
        """Return what must be the same in a refined basis: the ends, and the numbers f depends on."""
        return torch.stack(self.domain, -1), self.grid[..., self._places :]


def lobatto(low: Tensor, high: Tensor, count: int) -> Tensor:
    """Return the Chebyshev-Lobatto points of [low, high], both ends exact: (...) -> (..., count), count >= 2."""
    wide = torch.promote_types(low.dtype, torch.float32)
    angles = torch.arange(count, dtype=wide, device=low.device) * (pi / (count - 1))
    ends = low.to(wide).unsqueeze(-1), high.to(wide).unsqueeze(-1)
    inner = torch.lerp(*ends, 0.5 - 0.5 * torch.cos(angles[1:-1]))
    return torch.cat([ends[0], inner, ends[1]], -1).to(low.dtype)


def recurrence(s: Tensor, count: int, order: int, factors: Callable[[int], tuple[float, float]]) -> list[Tensor]:
    """Return polynomials of a three-term recurrence and their derivatives, in a way that loses no digits.

    p_0 = 1, p_1 = s, p_(n+1) = a s p_n - b p_(n-1); differentiated r times, s p_n becomes s p_n^(r) + r p_n^(r-1).

    Args:
        s: (...), -1 to 1.
        count: how many polynomials, >= 2.
        order: of the highest derivative, >= 0.
        factors: n -> (a, b).

    Returns:
        One tensor (..., count) for every derivative from 0 to `order`.
    """
    zero, one = torch.zeros_like(s), torch.ones_like(s)
    lower: list[Tensor] = []
    jets = []
    for rank in range(order + 1):
        rows = [one, s] if rank == 0 else [zero, one if rank == 1 else zero]
        for n in range(1, count - 1):
            a, b = factors(n)
            step = s * rows[n] if rank == 0 else s * rows[n] + rank * lower[n]
            rows.append(a * step - b * rows[n - 1])
        jets.append(torch.stack(rows[:count], -1))
        lower = rows
    return jets
