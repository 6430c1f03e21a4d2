"""What the kernels compute, in plain torch operations: the reference, the fallback, and every second derivative."""

from __future__ import annotations

import torch
from torch import Tensor

from kansym.kernels.gpu.features import Features, Kind


def plain_sum(x: Tensor, weight: Tensor, grid: Tensor, features: Features) -> Tensor:
    """Sum features of x times weights over inputs and features, through a tensor of all features.

    Args:
        x: (E, N, I).
        weight: (E, I, F, O), outputs last.
        grid: (E, I, K), what `features` says.
        features: which functions.

    Returns:
        (E, N, O), differentiable as often as wanted in all three tensors.
    """
    return plain_features(x, grid, weight.shape[2], features).flatten(-2) @ weight.flatten(1, 2)


def plain_gradients(
    x: Tensor, weight: Tensor, grid: Tensor, slope: Tensor, features: Features, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of inputs and weights as differentiable functions of x, weight and slope (E, N, O)."""
    inner = outer = None
    if wanted[0]:
        pulled = (slope @ weight.flatten(1, 2).mT).unflatten(-1, weight.shape[1:3])  # (E, N, I, F)
        inner = (pulled * plain_features(x, grid, weight.shape[2], features, 1)).sum(-1)
    if wanted[1]:
        values = plain_features(x, grid, weight.shape[2], features).flatten(-2)  # (E, N, I F)
        outer = (values.mT @ slope).unflatten(1, weight.shape[1:3])
    return inner, outer


def plain_features(x: Tensor, grid: Tensor, count: int, features: Features, order: int = 0) -> Tensor:
    """Return all F = `count` features at x, or with order 1 their slopes: (E, N, I) -> (E, N, I, F)."""
    grid = grid.unsqueeze(-3).to(x.dtype)  # (E, 1, I, K)
    if features.is_spline:
        values = _splines(x.unsqueeze(-1), grid, features.degree, order)
    else:
        centres, widths = grid[..., : 2 * (count - features.base)].chunk(2, -1)
        values = _radial(x.unsqueeze(-1), centres, widths, features.kind, order)
    if not features.base:
        return values
    gate = torch.sigmoid(x)
    base = x * gate if order == 0 else gate * (1 + x * (1 - gate))
    return torch.cat([values, base.unsqueeze(-1)], -1)


def _splines(x: Tensor, knots: Tensor, degree: int, order: int) -> Tensor:
    low, high = knots[..., degree, None], knots[..., -degree - 1, None]
    inside = torch.where(x < low, low, torch.where(x > high, high, x))
    slopes = _spline_slopes(inside, knots, degree)
    return slopes if order else _spline_values(inside, knots, degree, degree) + (x - inside) * slopes


def _spline_values(x: Tensor, knots: Tensor, degree: int, outer: int) -> Tensor:
    """Return all B-splines of a degree on knots made for degree `outer`, by the Cox-de Boor recursion."""
    if degree == 0:
        pieces = knots.shape[-1] - 1
        right_of = x >= knots
        # The last piece of the domain is closed, the first open downwards: x is never outside.
        number = torch.arange(pieces + 1, device=x.device)
        right_of = (right_of & (number < pieces - outer)) | (number <= outer)
        return (right_of[..., :-1] & ~right_of[..., 1:]).to(x.dtype)
    lower = _spline_values(x, knots, degree - 1, outer)
    ramp = (x - knots[..., :-degree]) / (knots[..., degree:] - knots[..., :-degree])
    return ramp[..., :-1] * lower[..., :-1] + (1 - ramp[..., 1:]) * lower[..., 1:]


def _spline_slopes(x: Tensor, knots: Tensor, degree: int) -> Tensor:
    if degree == 0:
        return torch.zeros_like(_spline_values(x, knots, 0, 0))
    lower = _spline_values(x, knots, degree - 1, degree)
    scaled = lower * (degree / (knots[..., degree:] - knots[..., :-degree]))
    return scaled[..., :-1] - scaled[..., 1:]


def _radial(x: Tensor, centres: Tensor, widths: Tensor, kind: Kind, order: int) -> Tensor:
    u = (x - centres) * widths
    if kind is Kind.GAUSSIAN:
        value = torch.exp(-u * u)
        return -2 * u * value * widths if order else value
    bend = torch.tanh(u)
    value = 1 - bend * bend
    return -2 * bend * value * widths if order else value
