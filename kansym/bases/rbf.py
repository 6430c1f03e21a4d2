"""Gaussian bumps with learnable centres and widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from kansym.bases.centred import CentredBasis
from kansym.bases.polynomial import derived, horner, plus, times

# exp(-900) is 0 in float64; further out z^2 would overflow in float32 and 0 times infinity is no number.
FAR = 30.0


@final
@dataclass(frozen=True, eq=False)
class RBF(CentredBasis):
    """Gaussians exp(-((x - c) w)^2), w = 1 / spacing on a new grid; grid and degree as in `CentredBasis`.

    Source: Z. Li, Kolmogorov-Arnold networks are radial basis function networks, 2024.
    """

    def _sharpness(self) -> float:
        return 1.0

    def _profile(self, z: Tensor, order: int) -> Tensor:
        near = z.clamp(-FAR, FAR)
        bump = torch.exp(-near * near)
        factor = [1.0]
        for _ in range(order):
            factor = plus(derived(factor), times([0.0, -2.0], factor))
        return horner(factor, near) * bump if order else bump
