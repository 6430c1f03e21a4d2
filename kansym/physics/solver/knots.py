"""Finer grids where the residual is: knots are inserted, so that the network's function stays exactly what it was.

Bases other than splines have no knots of their own; their grids become finer everywhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kansym.bases import BSpline
from kansym.nn import KAN
from kansym.training.grids import fit_grids

Array = np.ndarray
ROOM = 0.1
# A piece is split no further than this share of the whole grid.
NARROWEST = 1e-4


def spread_grids(model: KAN, points: Array) -> KAN:
    """Return the population with even grids over what its nodes see on points (n, D), the functions nearly kept."""
    return fit_grids(model, torch.as_tensor(points), 1.0, ROOM)


def leaves_grids(model: KAN, points: Array) -> bool:
    """Return whether a hidden node sees something outside its grid, where splines are straight."""
    for layer, seen in zip(model.stack[1:], model.edge_samples(torch.as_tensor(points)).layers[1:], strict=True):
        low, high = layer.basis.domain
        if bool((seen.inputs.amin(1) < low).any()) or bool((seen.inputs.amax(1) > high).any()):
            return True
    return False


def refined(model: KAN, points: Array, size: Array, intervals: int) -> KAN:
    """Return a population of one on grids of `intervals` pieces, its functions kept; see `insert_knots`."""
    if all(isinstance(layer.basis, BSpline) for layer in model.stack):
        return insert_knots(model, points, size, intervals)
    return model.refine(intervals)


def insert_knots(model: KAN, points: Array, size: Array, intervals: int) -> KAN:
    """Return a population of one on grids of `intervals` pieces, split where the residual is large.

    Every node splits the piece on which the residual adds up to most, again and again; the functions stay exactly.

    Args:
        model: a population of one, of B-splines.
        points: (n, D), spread evenly.
        size: of the residual there, (n,), >= 0.
        intervals: at least those of every layer.
    """
    seen = model.edge_samples(torch.as_tensor(points)).layers
    weights = torch.as_tensor(size)
    layers = []
    for layer, sample in zip(model.stack, seen, strict=True):
        basis = layer.basis
        assert isinstance(basis, BSpline)
        nodes = [_split(basis.breaks[0, i], sample.inputs[0, :, i], weights, intervals) for i in range(layer.inputs)]
        layers.append(layer.with_basis(BSpline.from_breaks(torch.stack(nodes).unsqueeze(0), basis.degree)))
    return model.with_layers(layers)


def _split(breaks: Tensor, seen: Tensor, weights: Tensor, intervals: int) -> Tensor:
    """Halve pieces of one grid (G + 1,) until there are `intervals`."""
    ends, reach = breaks.tolist(), NARROWEST * float(breaks[-1] - breaks[0])
    loads = [_load(seen, weights, a, b) for a, b in zip(ends, ends[1:], strict=False)]
    while len(loads) < intervals:
        order = sorted(range(len(loads)), key=lambda i: (-loads[i], ends[i] - ends[i + 1], i))
        place = next((i for i in order if ends[i + 1] - ends[i] > reach), order[0])
        middle = 0.5 * (ends[place] + ends[place + 1])
        ends.insert(place + 1, middle)
        loads[place : place + 1] = [_load(seen, weights, ends[place + i], ends[place + i + 1]) for i in (0, 1)]
    return breaks.new_tensor(ends)


def _load(seen: Tensor, weights: Tensor, low: float, high: float) -> float:
    return float(weights[(seen >= low) & (seen < high)].sum())
