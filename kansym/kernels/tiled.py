"""A wide layer by plain torch: features of a tile of rows, one matrix product, the tile used again.

The tensor of all features, rows x inputs x F, is never made: forward and backward walk over tiles of rows, and only the
inputs are kept between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from kansym.kernels.products import large, rows_times_rows

# Numbers in one tile of features: 4 MB in single precision stay near the processor.
TILE_NUMBERS = 1_000_000

Features = Callable[[Tensor, int], Tensor]
"""(rows n x I, order of the derivative) -> features (n, I, F)."""


def tiled_sum(x: Tensor, weight: Tensor, features: Features) -> Tensor:
    """Sum features of x times weights over inputs and features, one tile of rows after the other.

    Args:
        x: (N, I).
        weight: (I, F, O), outputs last.
        features: a pure function that gives the features of some rows, or their derivatives of order 1.

    Returns:
        (N, O); first derivatives are analytic, second ones are autograd's.
    """
    return _TiledSum.apply(x, weight, features)


class _TiledSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, features: Features) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.features = features
        flat = weight.flatten(0, 1)  # (I F, O)
        result = x.new_empty(x.shape[0], weight.shape[2])
        across = flat.mT.contiguous() if large(x.shape[0], flat) else flat.mT  # (O, I F)
        for rows in _tiles(x, weight):
            result[rows] = rows_times_rows(features(x[rows], 0).flatten(1), across)
        return result

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (*_differentiable(x, weight, ctx.features, slope, ctx.needs_input_grad), None)
        wants_x, wants_weight = ctx.needs_input_grad[:2]
        inner = torch.empty_like(x) if wants_x else None
        outer = torch.zeros_like(weight) if wants_weight else None
        for rows in _tiles(x, weight):
            part = slope[rows].contiguous()
            if outer is not None:
                _add_outer(outer.view(-1, weight.shape[2]), ctx.features(x[rows], 0).flatten(1), part)
            if inner is not None:
                spread = rows_times_rows(part, weight.flatten(0, 1)).view(-1, *weight.shape[:2])  # (n, I, F)
                inner[rows] = (spread * ctx.features(x[rows], 1)).sum(-1)
        return inner, outer, None


def _tiles(x: Tensor, weight: Tensor) -> Iterator[slice]:
    step = max(16, TILE_NUMBERS // max(1, weight.shape[0] * weight.shape[1]))
    for start in range(0, x.shape[0], step):
        yield slice(start, start + step)


def _add_outer(total: Tensor, tile: Tensor, slope: Tensor) -> None:
    """Add tile^T slope, (n, I F) x (n, O), to (I F, O)."""
    if large(tile.shape[0], total):
        total += rows_times_rows(tile.mT.contiguous(), slope.mT.contiguous())
    else:
        total.addmm_(tile.mT, slope)


def _differentiable(
    x: Tensor, weight: Tensor, features: Features, slope: Tensor, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the same derivatives as results of autograd, so that they can be differentiated again."""
    with torch.enable_grad():
        result = features(x, 0).flatten(1) @ weight.flatten(0, 1)
        asked = [tensor for tensor, wants in zip((x, weight), wanted, strict=False) if wants]
        found = iter(torch.autograd.grad(result, asked, slope, create_graph=True))
    return (next(found) if wanted[0] else None), (next(found) if wanted[1] else None)
