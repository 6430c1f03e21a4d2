"""Squared pieces made of two rectifiers, with learnable ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from kansym.bases.centred import CentredBasis
from kansym.bases.polynomial import derived, horner


@final
@dataclass(frozen=True, eq=False)
class ReLU(CentredBasis):
    """Pieces (relu(e - x) relu(x - s))^2, scaled to height 1, between a start s and an end e that may be learned.

    Grid as in `CentredBasis`, with s = c - 1 / w and e = c + 1 / w: the function is (1 - z^2)^2 for abs(z) < 1 and 0
    elsewhere, z = (x - c) w. On a new grid a function spans degree + 1 pieces, and at least 2. Value and slope are
    continuous, the second derivative jumps at s and e.

    Source: Q. Qiu et al., ReLU-KAN: new Kolmogorov-Arnold networks that only need matrix addition, dot
    multiplication, and ReLU, 2024.
    """

    def _sharpness(self) -> float:
        return 2 / max(self.degree + 1, 2)

    def _profile(self, z: Tensor, order: int) -> Tensor:
        near = z.clamp(-1, 1)
        rest = 1 - near * near
        if order == 0:
            return rest * rest
        factor = [1.0, 0.0, -2.0, 0.0, 1.0]
        for _ in range(order):
            factor = derived(factor)
        return horner(factor, near) * (z.abs() < 1)
