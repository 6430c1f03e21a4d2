"""Reflectional switch functions: bumps made of two tanh steps, with learnable centres and widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from kansym.bases.centred import CentredBasis
from kansym.bases.polynomial import derived, horner, times


@final
@dataclass(frozen=True, eq=False)
class RSWAF(CentredBasis):
    """Bumps 1 - tanh^2((x - c) w), w = 0.8 / spacing on a new grid; grid and degree as in `CentredBasis`.

    Source: A. Delis, FasterKAN, 2024 (the function; its gradients there leave out w).
    """

    def _sharpness(self) -> float:
        return 0.8  # fits best among the widths whose normal equations are about as well conditioned as a spline's

    def _profile(self, z: Tensor, order: int) -> Tensor:
        step = torch.tanh(z)
        if order == 0:
            return 1 - step * step
        factor = slope = [1.0, 0.0, -1.0]  # in powers of tanh, whose derivative is 1 - tanh^2
        for _ in range(order):
            factor = times(derived(factor), slope)
        return horner(factor, step)
