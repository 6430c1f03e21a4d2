"""What splines share: which piece a point lies in, and the few functions that are not zero there."""

from __future__ import annotations

import torch
from torch import Tensor

# Counting the breaks to the left of a point costs a comparison each; a search costs a sorting of the axes first.
COUNT_UP_TO = 32


def even_piece(steps: Tensor, intervals: int) -> Tensor:
    """Return which piece each point lies in, 0 <= piece < intervals, from its distance to the low end in pieces."""
    # The second clamp only meets NaN, which has no integer: it must not become an index.
    return steps.detach().clamp(0, intervals - 1).long().clamp(0, intervals - 1)


def searched_piece(breaks: Tensor, x: Tensor) -> Tensor:
    """Return which piece each point lies in, 0 <= piece < G.

    Args:
        breaks: increasing, (..., G+1), leading axes broadcast against those of x.
        x: (...).
    """
    inner = breaks[..., 1:-1].detach()
    if inner.shape[-1] <= COUNT_UP_TO:
        first = inner.movedim(-1, 0)  # (G-1, ...): adding up whole blocks is quicker than along the last axis
        first = first.reshape(first.shape[0], *[1] * (x.dim() + 1 - first.dim()), *first.shape[1:])
        return (x.detach() >= first).sum(0)
    return _bisected_piece(inner, x.detach())


def _bisected_piece(inner: Tensor, x: Tensor) -> Tensor:
    """Search by halving, with all points that share a row of breaks side by side."""
    shape = torch.broadcast_shapes(x.shape, inner.shape[:-1])
    rows = [1] * (len(shape) - inner.dim() + 1) + list(inner.shape[:-1])
    own = [axis for axis, length in enumerate(rows) if length != 1]
    order = own + [axis for axis, length in enumerate(rows) if length == 1]
    sorted_rows = inner.reshape(*(rows[axis] for axis in own), inner.shape[-1])
    points = x.expand(shape).permute(order)
    flat = points.reshape(*sorted_rows.shape[:-1], -1)
    pieces = torch.searchsorted(sorted_rows.contiguous(), flat.contiguous(), right=True).view(points.shape)
    return pieces.permute([order.index(axis) for axis in range(len(shape))])


def row_entries(table: Tensor, columns: Tensor) -> Tensor:
    """Look numbers up in the table's row of each point.

    A look-up in the flattened table writes each entry as one contiguous block, which `gather` on the last axis does
    not: everything computed from the blocks is several times faster.

    Args:
        table: (..., K), leading axes broadcast against those of the points.
        columns: (M, ...), M columns for every point.

    Returns:
        (M, ...).
    """
    rows = torch.arange(table[..., 0].numel(), device=table.device).view(table.shape[:-1]) * table.shape[-1]
    places = rows + columns
    return table.reshape(-1).index_select(0, places.reshape(-1)).view(places.shape)


def spread(taps: Tensor, first: Tensor, size: int) -> Tensor:
    """Put taps into their places among all functions.

    Args:
        taps: (M, ...), values of M neighbouring functions at every point.
        first: index of the first of them, (...).
        size: B, >= M.

    Returns:
        (..., B), 0 where there is no tap.
    """
    points = torch.arange(first.numel(), device=first.device).view(first.shape) * size
    offsets = torch.arange(taps.shape[0], device=first.device).view(-1, *[1] * first.dim())
    places = (points + first) + offsets
    dense = torch.zeros(first.numel() * size, dtype=taps.dtype, device=taps.device)
    return dense.scatter(0, places.reshape(-1), taps.reshape(-1)).view(*first.shape, size)
