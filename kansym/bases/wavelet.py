"""Mexican-hat wavelets with learnable translations and scales."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import final

import torch
from torch import Tensor

from kansym.bases.centred import CentredBasis
from kansym.bases.polynomial import derived, horner, plus, times

# exp(-800) is 0 in float64; further out z^2 would overflow in float32 and 0 times infinity is no number.
FAR = 40.0
HEIGHT = 2 / (3**0.5 * pi**0.25)  # makes the integral of the square 1


@final
@dataclass(frozen=True, eq=False)
class Wavelet(CentredBasis):
    """Mexican hats 2 / (sqrt(3) pi^(1/4)) (1 - z^2) exp(-z^2 / 2) at z = (x - c) w, w = 1 / spacing on a new grid.

    Grid and degree as in `CentredBasis`: c are the translations, 1 / w the scales; a refined grid adds half as large
    scales. Each function has mean 0, so constants are better left to another part of the edge.

    Source: Z. Bozorgasl, H. Chen, Wav-KAN: wavelet Kolmogorov-Arnold networks, 2024.
    """

    def _sharpness(self) -> float:
        return 1.0

    def _profile(self, z: Tensor, order: int) -> Tensor:
        near = z.clamp(-FAR, FAR)
        square = near * near
        if order == 0:
            return HEIGHT * (1 - square) * torch.exp(-0.5 * square)
        factor = [HEIGHT, 0.0, -HEIGHT]
        for _ in range(order):
            factor = plus(derived(factor), times([0.0, -1.0], factor))
        return horner(factor, near) * torch.exp(-0.5 * square)
