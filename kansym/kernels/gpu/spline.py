"""The fused sums as differentiable functions, with the plain form wherever the kernels do not apply."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from kansym.kernels.gpu.blocks import Precision
from kansym.kernels.gpu.features import Features, Kind
from kansym.kernels.gpu.launch import kernels, launch_input_gradient, launch_sum, launch_weight_gradient
from kansym.kernels.gpu.plain import plain_gradients, plain_sum

# Most programs along the axis of members.
MOST_MEMBERS = 65_535
HIGHEST_EVEN_DEGREE = 5
HIGHEST_UNEVEN_DEGREE = 3
FLOAT32_PRECISIONS: tuple[Precision, ...] = ("ieee", "tf32", "tf32x3", "bf16")


def spline_sum_gpu(
    x: Tensor,
    weight: Tensor,
    knots: Tensor,
    degree: int,
    base: bool = True,
    even: bool = False,
    precision: Precision = "ieee",
) -> Tensor:
    """Sum B-splines of x times weights over inputs and splines, without storing the splines.

    Args:
        x: (N, I), or (E, N, I) for a population of E; float32, float64, bfloat16 or float16.
        weight: (I, F, O) or (E, I, F, O), outputs last; F = B + 1 with the weight of SiLU last, or B without `base`.
        knots: (K,), (I, K) or (E, I, K), increasing, K = B + degree + 1.
        degree: k >= 0; there are kernels for 1 to 5 on even knots and 1 to 3 on others, the rest is plain torch.
        base: whether SiLU is the last feature.
        even: whether every row of knots is evenly spaced; rows may differ.
        precision: how float32 products are made: "ieee" as on the processor, "tf32x3" nearly so on tensor cores,
            "tf32" with 10 bits of mantissa, "bf16" with 7. The other types have one way each.

    Returns:
        (N, O), or (E, N, O) where x or the weight has members. First derivatives are kernels too, second ones are
        plain torch operations. Outside the domain splines go on along their tangents.

    Raises:
        ValueError: shapes or types that do not fit together.

    Source: de Boor, A Practical Guide to Splines, 2001, eqs. IX.14 and X.15.
    """
    kind = Kind.EVEN_SPLINE if even else Kind.KNOT_SPLINE
    return fused_sum(x, weight, knots, Features(kind, degree, base), precision)


def fused_sum(x: Tensor, weight: Tensor, grid: Tensor, features: Features, precision: Precision = "ieee") -> Tensor:
    """Sum the features of any family times weights; arguments and result as for `spline_sum_gpu`.

    Args:
        x, weight, precision: as there.
        grid: (K,), (I, K) or (E, I, K), rows as `Features` says.
        features: the family.

    Raises:
        ValueError: shapes or types that do not fit together.
    """
    single = x.dim() == 2 and weight.dim() == 3 and grid.dim() < 3
    x, weight, grid = _with_members(x, weight, grid, features)
    products = _products(x.dtype, precision)
    if obstacle(x, weight, grid, features) is None:
        result = _FusedSum.apply(x, weight.contiguous(), grid, features, products)
    else:
        result = plain_sum(x, weight, grid, features)
    return result[0] if single else result


def obstacle(x: Tensor, weight: Tensor, grid: Tensor, features: Features) -> str | None:
    """Return why the plain form is used instead of the kernels, or None where the kernels are used."""
    highest = HIGHEST_EVEN_DEGREE if features.kind is Kind.EVEN_SPLINE else HIGHEST_UNEVEN_DEGREE
    reasons = (
        (not has_triton(), "triton is not installed"),
        (x.device.type != "cuda" and not _interpreted(), "the tensors are not on a CUDA device"),
        (x.dtype == torch.float64 and not _multiplies_doubles(), "triton before 3.5 has no products of float64"),
        (features.is_spline and not 1 <= features.degree <= highest, f"degree {features.degree} has no kernel"),
        (torch.is_grad_enabled() and grid.requires_grad, "the kernels have no gradient for the grid"),
        (min(*x.shape, *weight.shape) == 0, "there is nothing to sum"),
        (weight.shape[1:].numel() >= 2**31, "one member has more weights than the kernels can count"),
        (weight.shape[0] > MOST_MEMBERS, f"more than {MOST_MEMBERS} members in one launch"),
    )
    return next((reason for holds, reason in reasons if holds), None)


@cache
def has_triton() -> bool:
    """Return whether triton is installed (it comes with torch's CUDA builds, and with kansym[gpu])."""
    return find_spec("triton") is not None


def _interpreted() -> bool:
    """Return whether triton runs kernels in its interpreter, on tensors of the processor."""
    return has_triton() and bool(kernels().INTERPRETED.value)


@cache
def _multiplies_doubles() -> bool:
    return has_triton() and tuple(map(int, kernels().triton.__version__.split(".")[:2])) >= (3, 5)


class _FusedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, grid: Tensor, features: Features, precision: Precision) -> Tensor:
        ctx.save_for_backward(x, weight, grid)
        ctx.features, ctx.precision = features, precision
        return launch_sum(x, weight, grid, features, precision)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight, grid = ctx.saved_tensors
        wanted = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
        if torch.is_grad_enabled():
            return *plain_gradients(x, weight, grid, slope, ctx.features, wanted), None, None, None
        asked = (x, weight, grid, slope, ctx.features, ctx.precision)
        inner = launch_input_gradient(*asked) if wanted[0] else None
        outer = launch_weight_gradient(*asked) if wanted[1] else None
        return inner, outer, None, None, None


def _with_members(x: Tensor, weight: Tensor, grid: Tensor, features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Give all three an axis of members, without copies: (E, N, I), (E, I, F, O), (E, I, K)."""
    if x.dim() not in (2, 3) or weight.dim() not in (3, 4) or not 1 <= grid.dim() <= 3:
        raise ValueError(
            f"x has shape {tuple(x.shape)}, weight {tuple(weight.shape)}, grid {tuple(grid.shape)}: "
            "give (N, I), (I, F, O) and (I, K), each with a leading axis of members or without"
        )
    if x.dtype != weight.dtype or not x.is_floating_point():
        raise ValueError(f"x is {x.dtype} and weight {weight.dtype}: give both one floating type")
    if not x.device == weight.device == grid.device:
        raise ValueError(f"x is on {x.device}, weight on {weight.device}, grid on {grid.device}: move them together")
    inputs, functions, row = x.shape[-1], weight.shape[-2] - features.base, grid.shape[-1]
    if weight.shape[-3] != inputs or not features.fits(functions, row):
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}, but {inputs} inputs with {row} numbers in a grid row need "
            f"(..., {inputs}, F, outputs) with {_wanted(features, row)}"
        )
    members = max(x.shape[0] if x.dim() == 3 else 1, weight.shape[0] if weight.dim() == 4 else 1)
    members = max(members, grid.shape[0] if grid.dim() == 3 else 1)
    grid = grid if grid.dim() > 1 else grid.expand(inputs, row)
    return _leading(x, 3, members), _leading(weight, 4, members), _leading(grid, 3, members)


def _leading(tensor: Tensor, dimensions: int, members: int) -> Tensor:
    """Give a tensor an axis of members. A gradient through `expand` is a sum, hence it is left out where it can be."""
    tensor = tensor if tensor.dim() == dimensions else tensor.unsqueeze(0)
    return tensor if tensor.shape[0] == members else tensor.expand(members, *tensor.shape[1:])


def _wanted(features: Features, row: int) -> str:
    """Say which F a grid row allows."""
    if features.is_spline:
        return f"F = {row - features.degree - 1 + features.base}"
    return f"2 <= F - {int(features.base)} <= {row // 2}"


def _products(dtype: torch.dtype, precision: Precision) -> Precision:
    """Return how products of this type are made."""
    if precision not in FLOAT32_PRECISIONS:
        raise ValueError(f"no precision {precision!r}: choose one of {', '.join(FLOAT32_PRECISIONS)}")
    only: dict[torch.dtype, Precision] = {torch.float64: "fp64", torch.bfloat16: "bf16", torch.float16: "fp16"}
    return only.get(dtype, precision)
