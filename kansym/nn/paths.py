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
from kansym.kernels import gpu, local
from kansym.kernels.tiled import tiled_sum
from kansym.registry import Registry

if TYPE_CHECKING:
    from kansym.nn.layer import KANLayer

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
    features = [layer.member_features(member) for member in range(layer.members)]
    return _by_member(layer, x, lambda seen, weight, member: tiled_sum(seen, weight, features[member]))


def _native(layer: KANLayer, x: Tensor) -> Tensor:
    knots, degree = _splines(layer)
    return _by_member(
        layer,
        x,
        lambda seen, weight, member: local.spline_sum(seen, weight, knots[member], degree, layer.has_base, layer.even),
    )


def _by_member(layer: KANLayer, x: Tensor, kernel: Callable[[Tensor, Tensor, int], Tensor]) -> Tensor:
    """Run a kernel for one network on every member: (rows (N, I), weight (I, F, O), member) -> (N, O)."""
    seen, weight = layer.normalise(x), layer.effective()
    if layer.members == 1:  # views, where an index would make its backward pass copy all weights
        return kernel(seen.squeeze(0), weight.squeeze(0), 0).unsqueeze(0)
    parts = zip(seen.unbind(0), weight.unbind(0), range(layer.members), strict=True)
    return torch.stack([kernel(*part) for part in parts])


def _gpu(layer: KANLayer, x: Tensor) -> Tensor:
    return gpu.spline_sum_gpu(layer.normalise(x), layer.effective(), *_splines(layer), layer.has_base, layer.even)


def _splines(layer: KANLayer) -> tuple[Tensor, int]:
    if layer.knots is None:
        raise ValueError(f"basis {layer.options.basis!r} has no knots")
    return layer.knots


def _no_obstacle(layer: KANLayer, x: Tensor) -> str | None:
    return None


def _not_tiled(layer: KANLayer, x: Tensor) -> str | None:
    return "its grid is trained" if layer.options.learn_grid else None


def _not_a_spline(layer: KANLayer) -> str | None:
    if layer.knots is None or layer.options.learn_grid:
        return "it serves splines on grids that are not trained"
    if layer.options.base not in ("silu", "none"):
        return f"it does not know the base activation {layer.options.base}"
    return None


def _not_native(layer: KANLayer, x: Tensor) -> str | None:
    obstacle = _not_a_spline(layer)
    if obstacle is None and not local.is_available(x, _splines(layer)[1], layer.has_base):
        return "it needs a C compiler, the processor, float32 or float64, and a degree of at most 5"
    return obstacle


def _not_gpu(layer: KANLayer, x: Tensor) -> str | None:
    if x.device.type != "cuda":
        return "it runs on CUDA devices"
    obstacle = _not_a_spline(layer)
    if obstacle is not None:
        return obstacle
    knots, degree = _splines(layer)
    kind = gpu.Kind.EVEN_SPLINE if layer.even else gpu.Kind.KNOT_SPLINE
    return gpu.obstacle(x, layer.weight, knots, gpu.Features(kind, degree, layer.has_base))


PATHS: Registry[Path] = Registry("path")
PATHS.add("reference", Path(_reference, _no_obstacle))
PATHS.add("tiled", Path(_tiled, _not_tiled))
PATHS.add("native", Path(_native, _not_native))
PATHS.add("gpu", Path(_gpu, _not_gpu))


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
    if PATHS.get("gpu").obstacle(layer, x) is None:
        return "gpu", "the basis is made in registers"
    numbers = x.numel() * layer.features_per_input
    if layer.members > 1 and numbers <= MOST_FOR_REFERENCE * layer.members:
        return "reference", f"{layer.members} small networks go through one batched product"
    if PATHS.get("native").obstacle(layer, x) is None:
        return "native", "only the functions that are not zero at a point are touched"
    if numbers > MOST_FOR_REFERENCE and PATHS.get("tiled").obstacle(layer, x) is None:
        return "tiled", f"{numbers} features do not fit the caches at once"
    return "reference", f"{numbers} features fit the caches"
