"""Increasing break points of a grid: even ones, ones that follow data, finer ones."""

from __future__ import annotations

import torch
from torch import Tensor

# Ties in the data would put two breaks in one place; this share of even spacing keeps every piece open.
LEAST_EVEN = 0.02


def even_breaks(low: Tensor, high: Tensor, intervals: int, beyond: int = 0) -> Tensor:
    """Return equally spaced points, `beyond` of them on either side of [low, high]: (...) -> (..., G+1+2*beyond)."""
    # Small floats cannot count: bfloat16 has no 257.
    wide = torch.promote_types(low.dtype, torch.float32)
    steps = torch.arange(-beyond, intervals + beyond + 1, dtype=wide, device=low.device) / intervals
    return (low.to(wide).unsqueeze(-1) + (high - low).to(wide).unsqueeze(-1) * steps).to(low.dtype)


def adapted_breaks(samples: Tensor, intervals: int, blend: float) -> Tensor:
    """Return breaks that cover the samples and lie between their quantiles and even spacing.

    Args:
        samples: (..., N).
        intervals: G, >= 1.
        blend: 0 for the quantiles, 1 for even spacing.

    Returns:
        (..., G+1), strictly increasing; even where the floats are too coarse for anything else.
    """
    blend = max(blend, LEAST_EVEN)
    ordered = samples.sort(-1).values
    low, high = padded_range(ordered[..., 0], ordered[..., -1], intervals)
    wide = torch.promote_types(samples.dtype, torch.float32)
    steps = torch.linspace(0, 1, intervals + 1, dtype=wide, device=samples.device)
    even = low.unsqueeze(-1) + (high - low).unsqueeze(-1) * steps
    positions = (steps * (samples.shape[-1] - 1)).round().long()
    quantiles = torch.cat([low.unsqueeze(-1), ordered[..., positions[1:-1]], high.unsqueeze(-1)], -1)
    narrowest = LEAST_EVEN * (high - low) / intervals
    coarse = narrowest < 4 * torch.finfo(samples.dtype).eps * torch.maximum(low.abs(), high.abs())
    return torch.where(coarse.unsqueeze(-1), even, blend * even + (1 - blend) * quantiles).to(samples.dtype)


def padded_range(low: Tensor, high: Tensor, intervals: int) -> tuple[Tensor, Tensor]:
    """Widen a range by a hundredth, and by at least enough that a constant column still has `intervals` pieces."""
    least = max(1e-6, 4 * intervals * torch.finfo(low.dtype).eps)
    margin = 0.01 * (high - low) + least * (1 + torch.maximum(low.abs(), high.abs()))
    return low - margin, high + margin


def finer_breaks(breaks: Tensor, intervals: int, even: bool) -> tuple[Tensor, bool]:
    """Return `intervals` pieces that keep all old breaks, and whether they are still equally wide.

    Args:
        breaks: (..., G+1).
        intervals: at least G.
        even: whether the old pieces are equally wide.
    """
    pieces = breaks.shape[-1] - 1
    if even and intervals % pieces == 0:
        return _divided(breaks, intervals // pieces), True
    while breaks.shape[-1] - 1 < intervals:
        breaks = _halve_widest(breaks, min(intervals - breaks.shape[-1] + 1, breaks.shape[-1] - 1))
    return breaks, even and intervals == pieces


def _divided(breaks: Tensor, parts: int) -> Tensor:
    """Cut every piece into equal parts; the old breaks stay as they are, bit by bit."""
    steps = torch.arange(parts, dtype=breaks.dtype, device=breaks.device) / parts
    starts = breaks[..., :-1].unsqueeze(-1) + breaks.diff(dim=-1).unsqueeze(-1) * steps  # (..., G, parts)
    return torch.cat([starts.flatten(-2), breaks[..., -1:]], -1)


def _halve_widest(breaks: Tensor, count: int) -> Tensor:
    """Insert the midpoints of the `count` widest pieces."""
    middles, _ = widest_middles(breaks, breaks.diff(dim=-1), count)
    return torch.cat([breaks, middles], -1).sort(-1).values


def widest_middles(points: Tensor, widths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the midpoints of the `count` pieces that rank first by `widths` (..., G), and their true widths."""
    widest = torch.sort(widths, dim=-1, descending=True, stable=True).indices[..., :count]
    middles = 0.5 * (points[..., :-1] + points[..., 1:])
    return middles.gather(-1, widest), points.diff(dim=-1).gather(-1, widest)


def with_outer(breaks: Tensor, count: int) -> Tensor:
    """Add `count` points on either side, spaced by the mean width of the pieces: (..., G+1) -> (..., G+1+2*count)."""
    steps = torch.arange(1, count + 1, dtype=breaks.dtype, device=breaks.device)
    width = (breaks[..., -1:] - breaks[..., :1]) / (breaks.shape[-1] - 1)
    return torch.cat([breaks[..., :1] - width * steps.flip(0), breaks, breaks[..., -1:] + width * steps], -1)
