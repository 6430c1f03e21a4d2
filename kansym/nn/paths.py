"""The ways in which a layer can be evaluated, and the choice among them by shape.

Every path gives the sums of `reference` up to rounding; they differ in time and memory. `choose` says which and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kansym.errors import ConfigError
from kansym.kernels.tiled import tiled_sum
from kansym.registry import Registry

if TYPE_CHECKING:
    from kansym.nn.layer import KANLayer

SPLINES = ("bspline", "linear")
# The fast kernels hold one tap per degree, and one more, in registers.
MOST_DEGREE = 5
# Above this many features, rows x inputs x F, the reference path's tensors no longer fit the caches.
MOST_FOR_REFERENCE = 500_000


@dataclass(frozen=True)
class Path:
    """One way to evaluate a layer.

    Args:
        run: (layer, x (E, N, I)) -> sums (E, N, O).
        obstacle: says in half a sentence why this path cannot serve a layer and its inputs, or None when it can.
    """

    run: Callable[[KANLayer, Tensor], Tensor]
    obstacle: Callable[[KANLayer, Tensor], str | None]


@dataclass(frozen=True)
class Choice:
    """Which path serves a layer for some inputs, and why."""

    name: str
    reason: str
    path: Callable[[KANLayer, Tensor], Tensor]


def _reference(layer: KANLayer, x: Tensor) -> Tensor:
    return layer.features(x).flatten(2) @ layer.effective().flatten(1, 2)


def _tiled(layer: KANLayer, x: Tensor) -> Tensor:
    seen, weight = layer.normalise(x), layer.effective()
    return torch.stack(
        [tiled_sum(seen[member], weight[member], layer.member_features(member)) for member in range(layer.members)]
    )


def _no_obstacle(layer: KANLayer, x: Tensor) -> str | None:
    return None


def _not_tiled(layer: KANLayer, x: Tensor) -> str | None:
    return "its grid is trained" if layer.options.learn_grid else None


PATHS: Registry[Path] = Registry("path")
PATHS.add("reference", Path(_reference, _no_obstacle))
PATHS.add("tiled", Path(_tiled, _not_tiled))


def choose(layer: KANLayer, x: Tensor) -> Choice:
    """Return the path for a layer and its inputs (E, N, I).

    Raises:
        ConfigError: when the options force a path that cannot serve this layer.
    """
    forced = layer.options.path
    if forced != "auto":
        obstacle = PATHS.get(forced).obstacle(layer, x)
        if obstacle is not None:
            raise ConfigError(f"path {forced!r} cannot serve this layer: {obstacle}; use path 'auto'")
        return Choice(forced, "it was asked for", PATHS.get(forced).run)
    name, reason = _best(layer, x)
    return Choice(name, reason, PATHS.get(name).run)


def _best(layer: KANLayer, x: Tensor) -> tuple[str, str]:
    """Return the path that was measured to be fastest for such a shape, and the reason in words."""
    if torch.compiler.is_compiling():
        return "reference", "the compiler makes its own kernels"
    numbers = x.numel() * layer.features_per_input
    if layer.members > 1 and numbers <= MOST_FOR_REFERENCE * layer.members:
        return "reference", f"{layer.members} small networks go through one batched product"
    if numbers > MOST_FOR_REFERENCE and PATHS.get("tiled").obstacle(layer, x) is None:
        return "tiled", f"{numbers} features do not fit the caches at once"
    return "reference", f"{numbers} features fit the caches"
