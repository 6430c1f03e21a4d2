"""Hat functions: piecewise linear interpolation between the break points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

import torch
from torch import Tensor

from kansym.bases.base import Basis
from kansym.bases.breaks import adapted_breaks, even_breaks, finer_breaks
from kansym.bases.taps import even_piece, row_entries, searched_piece, spread


@final
@dataclass(frozen=True, eq=False)
class Linear(Basis):
    """The hat functions: `grid` holds the break points b_0 < ... < b_G, the domain is [b_0, b_G], B = G + 1.

    Function j is 1 at b_j and 0 at every other break, so a coefficient is the value at its break. The first and the
    last piece go on as straight lines outside the domain. `degree` is ignored: it is always 1.
    """

    @classmethod
    def create(cls, low: Tensor, high: Tensor, intervals: int, degree: int = 3) -> Self:
        return cls(even_breaks(low, high, intervals), degree, True)

    @property
    def size(self) -> int:
        return self.grid.shape[-1]

    @property
    def intervals(self) -> int:
        return self.size - 1

    @property
    def domain(self) -> tuple[Tensor, Tensor]:
        return self.grid[..., 0], self.grid[..., -1]

    @property
    def breaks(self) -> Tensor:
        """The ends of the pieces, (..., G+1)."""
        return self.grid

    def constant(self) -> Tensor:
        return torch.ones_like(self.grid)

    def identity(self) -> Tensor:
        return self.grid.clone()

    def _derivative(self, x: Tensor, order: int) -> Tensor:
        first, taps = self.taps(x, order)
        return spread(taps, first, self.size)

    def taps(self, x: Tensor, order: int = 0) -> tuple[Tensor, Tensor]:
        """Return the two functions that are not zero at each point.

        Args:
            x: (...), in the dtype of the grid.
            order: of the derivative, >= 0.

        Returns:
            The index of the first of them (...) int64, and their `order`-th derivatives (2, ...).
        """
        piece, place, per_width = self._even_place(x) if self.even else self._searched_place(x)
        if order == 0:
            return piece, torch.stack([1 - place, place])
        slope = per_width.expand(place.shape) if order == 1 else torch.zeros_like(place)
        return piece, torch.stack([-slope, slope])

    def _even_place(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return piece, place within it (below 0 or above 1 only outside the domain), and pieces per unit of x."""
        low, high = self.domain
        per_width = self.intervals / (high - low)
        steps = (x - low) * per_width
        piece = even_piece(steps, self.intervals)
        return piece, steps - piece, per_width

    def _searched_place(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        piece = searched_piece(self.grid, x)
        ends = torch.arange(2, device=x.device).view(-1, *[1] * piece.dim())
        start, stop = row_entries(self.grid, piece + ends).unbind(0)
        per_width = 1 / (stop - start)
        return piece, (x - start) * per_width, per_width

    def refine(self, intervals: int) -> Self:
        """Return the basis after halving the widest pieces until there are `intervals`; all old breaks stay.

        An even grid is cut evenly where `intervals` is a multiple of what there is.

        Raises:
            ValueError: when fewer pieces are asked for than there are.
        """
        self._check_finer(intervals)
        breaks, even = finer_breaks(self.grid, intervals, self.even)
        return replace(self, grid=breaks, even=even)

    def adapt(self, samples: Tensor, blend: float = 0.5) -> Self:
        return replace(self, grid=adapted_breaks(samples, self.intervals, blend), even=blend >= 1)

    def _embedding(self, finer: Self) -> Tensor | None:
        kept = (self.grid.unsqueeze(-1) == finer.grid.unsqueeze(-2)).any(-1)
        return self.per_point().evaluate(finer.grid).mT if bool(kept.all()) else None
