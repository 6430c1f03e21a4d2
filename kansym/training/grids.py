"""Grids that follow what the nodes see, with room at the ends for rows that are still to come."""

from __future__ import annotations

import torch
from torch import Tensor

from kansym.bases import Basis
from kansym.nn import KAN
from kansym.nn.layer import contract

# Share of the range that hidden nodes' grids reach beyond it: held-out rows go a little further than training rows.
ROOM = 0.05


def spread(basis: Basis, samples: Tensor, blend: float, room: float = 0.0) -> Basis:
    """Return the basis with its grid over the samples, widened by a share of their range at both ends.

    Args:
        basis: grid (E, I, K).
        samples: (E, I, N).
        blend: 0 follows the quantiles, 1 spreads evenly over the range.
        room: >= 0.
    """
    if not room:
        return basis.adapt(samples, blend)
    low, high = samples.amin(-1, keepdim=True), samples.amax(-1, keepdim=True)
    margin = room * (high - low)
    return basis.adapt(torch.cat([low - margin, samples, high + margin], -1), blend)


def fit_grids(model: KAN, x: Tensor, blend: float = 0.5, room: float = ROOM) -> KAN:
    """Return the population with every grid over what its node sees on x, its functions kept by refitting.

    Args:
        model: any population.
        x: (N, D) or (E, N, D).
        blend: 0 follows the quantiles, 1 spreads evenly over the range.
        room: share of the range that the grids of hidden nodes reach beyond it, >= 0.
    """
    with torch.no_grad():
        hidden, layers = model.expand(x), []
        for index, layer in enumerate(model.stack):
            layers.append(layer.with_basis(spread(layer.basis, hidden.mT, blend, room if index else 0.0)))
            hidden = model.combine(contract(layers[-1].features(hidden), layers[-1].weights()), index)
    return model.with_layers(layers)
