"""What is done to a layer's inputs before they meet its grids, with the way back for derivatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from kansym.registry import Registry

# Keeps the division finite where all inputs of a row are equal.
EPSILON = 1e-5


class Normalisation(ABC):
    """A map of all inputs of a row; `gain` and `shift` are (E, I), and (E, 1, I) broadcasts over the rows."""

    trained: bool = True

    @abstractmethod
    def apply(self, x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        """Return the normalised inputs: (E, N, I) -> (E, N, I)."""

    @abstractmethod
    def pull(self, x: Tensor, delta: Tensor, gain: Tensor) -> Tensor:
        """Turn derivatives with respect to the normalised inputs into those with respect to the inputs.

        Args:
            x: the inputs, (E, N, I).
            delta: (E, N, I), or (E, N, R, I) for R derivatives of every row.
            gain: (E, I).
        """


def _rows(tensor: Tensor) -> Tensor:
    return tensor.unsqueeze(1)  # (E, 1, I)


def _beside(tensor: Tensor, delta: Tensor) -> Tensor:
    """Give a tensor (E, N, I) the axis R that delta may have."""
    return tensor.unsqueeze(2) if delta.dim() > tensor.dim() else tensor


@final
class Affine(Normalisation):
    """gain x + shift, trained per input: the grid stays where it is and the data move to it."""

    def apply(self, x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return x * _rows(gain) + _rows(shift)

    def pull(self, x: Tensor, delta: Tensor, gain: Tensor) -> Tensor:
        return delta * _beside(_rows(gain), delta)


@final
class Tanh(Normalisation):
    """tanh x: every input lands inside (-1, 1), far ones close together; nothing is trained."""

    trained = False

    def apply(self, x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return torch.tanh(x)

    def pull(self, x: Tensor, delta: Tensor, gain: Tensor) -> Tensor:
        return delta * _beside(1 - torch.tanh(x).square(), delta)


@final
class LayerNorm(Normalisation):
    """Every row to mean 0 and variance 1 over its inputs, then gain and shift.

    An edge is then no longer a function of one input alone, so such layers are for prediction, not for formulas.

    Source: Ba, Kiros and Hinton 2016, eqs. 3-4.
    """

    def apply(self, x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / _deviation(centred) * _rows(gain) + _rows(shift)

    def pull(self, x: Tensor, delta: Tensor, gain: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        deviation = _deviation(centred)
        unit, scaled = _beside(centred / deviation, delta), delta * _beside(_rows(gain), delta)
        along = (scaled * unit).mean(-1, keepdim=True) * unit
        return (scaled - scaled.mean(-1, keepdim=True) - along) / _beside(deviation, delta)


def _deviation(centred: Tensor) -> Tensor:
    return (centred.square().mean(-1, keepdim=True) + EPSILON).sqrt()


NORMALISATIONS: Registry[Normalisation | None] = Registry("normalisation")
NORMALISATIONS.add("none", None)
NORMALISATIONS.add("layernorm", LayerNorm())
NORMALISATIONS.add("tanh", Tanh())
NORMALISATIONS.add("affine", Affine())
