"""The loss as a function of all parameters, grids included: for Adam where the grids are learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kansym.nn import KAN
from kansym.training.objective import Objective, Packing, Rows
from kansym.training.penalties import Penalty

# Least distance of neighbouring knots, relative to the mean distance, and the bases whose grid is a row of knots.
LEAST_GAP, KNOTS = 0.05, ("bspline", "linear")


class GridObjective(Objective):
    """Like `Objective`, but the vector holds every parameter of every layer as it is stored, (E, Q), by autograd.

    The knots of splines are kept in order: whatever the vector says, they are at least a share of their mean distance
    apart. There are no normal equations: Levenberg-Marquardt and L-BFGS leave grids as they are.
    """

    def __init__(self, model: KAN, rows: Rows, penalty: Penalty, packing: Packing | None = None) -> None:
        super().__init__(model, rows, penalty, packing)
        self.native, self.separable = None, False
        self._own = model.copy()
        self._parameters = [part for layer in self._own.stack for part in layer.parameters()]

    @property
    def start(self) -> Tensor:
        return torch.cat([part.detach().flatten(1) for layer in self.model.stack for part in layer.parameters()], -1)

    def select(self, members: Sequence[int]) -> GridObjective:
        rows, penalty = self.rows.select(members), self.penalty.select(members)
        return GridObjective(self.model.select(members), rows, penalty, self.packing.select(members))

    def model_at(self, theta: Tensor) -> KAN:
        return self._loaded(theta).copy()

    def errors(self, theta: Tensor) -> Tensor:
        with torch.no_grad():
            return self._error(self._loaded(theta), self.rows)

    def value(self, theta: Tensor) -> Tensor:
        with torch.no_grad():
            model = self._loaded(theta)
            return self._error(model, self.rows) + self.penalty.value(self._blocks(model))

    def gradient(self, theta: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            model = self._loaded(theta)
            value = self._error(model, self.rows if batch is None else self.rows.take(batch))
            value = value + self.penalty.value(self._blocks(model))
            slopes = torch.autograd.grad(value.sum(), self._parameters)
        return value.detach(), torch.cat([slope.flatten(1) for slope in slopes], -1)

    def normal_equations(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raise NotImplementedError("learnt grids have no normal equations: train them with the optimizer 'adam'")

    def _loaded(self, theta: Tensor) -> KAN:
        """Put a vector into the network."""
        sizes = [part[0].numel() for part in self._parameters]
        with torch.no_grad():
            for place, part in zip(self._parameters, theta.split(sizes, -1), strict=True):
                place.copy_(part.view_as(place))
            for layer in self._own.stack:
                if layer.options.basis in KNOTS and isinstance(layer.grid, torch.nn.Parameter):
                    layer.grid.copy_(_in_order(layer.grid))
        return self._own

    def _error(self, model: KAN, rows: Rows) -> Tensor:
        return ((model(rows.x) - rows.y) * rows.roots).square().sum((1, 2)) / rows.numbers

    def _blocks(self, model: KAN) -> list[Tensor]:
        """Return the weights of the edges that are there, (E, edges, F) per layer."""
        pairs = zip(model.stack, self.packing.edges, strict=True)
        return [layer.weights().flatten(1, 2)[:, edges] for layer, edges in pairs]


def _in_order(knots: Tensor) -> Tensor:
    """Return increasing knots (..., K) whose gaps are at least a share of the mean gap."""
    ordered = knots.sort(-1).values
    gaps = ordered.diff(dim=-1)
    least = LEAST_GAP * gaps.mean(-1, keepdim=True).clamp_min(1e-9)
    return torch.cat([ordered[..., :1], ordered[..., :1] + torch.maximum(gaps, least).cumsum(-1)], -1)
