"""How the edges of a layer are made, and the fixed functions they may add to their splines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kansym.bases import BASES
from kansym.bases.parameterisation import PARAMETERISATIONS
from kansym.errors import ConfigError, did_you_mean, quote
from kansym.nn.normalisation import NORMALISATIONS
from kansym.registry import Registry


def _silu_slope(x: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


@dataclass(frozen=True)
class Activation:
    """A fixed function that every edge may add to its spline, with its derivative."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


BASE_ACTIVATIONS: Registry[Activation | None] = Registry("base activation")
BASE_ACTIVATIONS.add("silu", Activation(nn.functional.silu, _silu_slope))
BASE_ACTIVATIONS.add("identity", Activation(lambda x: x, torch.ones_like))
BASE_ACTIVATIONS.add("tanh", Activation(torch.tanh, lambda x: 1 - torch.tanh(x) ** 2))
BASE_ACTIVATIONS.add("none", None)

INITIALISATIONS = ("normal", "kaiming", "identity", "zero")
PATHS = ("auto", "reference", "tiled", "native", "gpu")

# What `local=True` means: a change at one place of the input leaves the function elsewhere as it was.
LOCAL = {"base": "none", "spline_scale": False, "normalisation": "none", "learn_grid": False}


@dataclass(frozen=True)
class LayerOptions:
    """How the edges of a layer are made.

    Args:
        intervals: grid pieces G of every edge, >= 1.
        degree: degree of the basis, >= 0 (3 = cubic); bases without a degree ignore it.
        basis: a name in `kansym.bases.BASES`.
        base: a name in `BASE_ACTIVATIONS`; "none" leaves the base branch out.
        spline_scale: give every edge a factor of its own in front of its spline.
        domain: the ends of the first grid.
        noise: with "normal", the standard deviation of the first coefficients before the division by sqrt(I).
        initialisation: "normal" (coefficients of that deviation, base weights uniform within 1/sqrt(I)), "kaiming"
            (spline and base branch bring half of a variance of one each), "identity" (outputs equal inputs; needs
            O = I) or "zero".
        normalisation: a name in `NORMALISATIONS`, applied to the inputs of the layer.
        parameterisation: a name in `PARAMETERISATIONS`: the coordinates in which the coefficients are trained.
        learn_grid: make the numbers that place the basis (knots, centres, widths) parameters as well.
        local: what learning one thing after the other needs: no base branch, no trainable scale, no normalisation, a
            grid whose widths stay tied to its spacing. Overrides those options.
        path: "auto" picks the way of evaluation by shape; the others force one (see `kansym.nn.paths`).
    """

    intervals: int = 5
    degree: int = 3
    basis: str = "bspline"
    base: str = "silu"
    spline_scale: bool = False
    domain: tuple[float, float] = (-1.0, 1.0)
    noise: float = 0.3
    initialisation: str = "normal"
    normalisation: str = "none"
    parameterisation: str = "plain"
    learn_grid: bool = False
    local: bool = False
    path: str = "auto"

    def __post_init__(self) -> None:
        for name, value in LOCAL.items() if self.local else ():
            object.__setattr__(self, name, value)
        BASE_ACTIVATIONS.get(self.base)
        BASES.get(self.basis)
        NORMALISATIONS.get(self.normalisation)
        PARAMETERISATIONS.get(self.parameterisation)
        if self.learn_grid and self.parameterisation == "demmler-reinsch":
            raise ConfigError("parameterisation 'demmler-reinsch' is made for one grid: leave learn_grid out")
        _check_choice("initialisation", self.initialisation, INITIALISATIONS)
        _check_choice("path", self.path, PATHS)


def _check_choice(kind: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"unknown {kind} {quote(value)}: {did_you_mean(value, choices)}")
