"""The loss of a whole population as a function of one flat parameter vector per member, with analytic derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kansym.nn import KAN
from kansym.nn.kan import Trace, through_edges, through_nodes, trace
from kansym.training.penalties import Penalty

# Numbers that one slice of the Jacobian may hold: 64 MB in float64 stays near the processor and bounds the memory.
JACOBIAN_NUMBERS = 8_000_000


@dataclass(frozen=True)
class Rows:
    """The rows a loss is measured on: x (N, D), y (N, T), weights (N,) with mean 1."""

    x: Tensor
    y: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return self.x.shape[0]

    def take(self, index: Tensor | slice) -> Rows:
        """Return the rows at an index."""
        return Rows(self.x[index], self.y[index], self.weights[index])


class Packing:
    """Which edges are in the flat vector: those that are active in at least one member."""

    def __init__(self, model: KAN) -> None:
        self.shapes = [layer.coefficients.shape[:3] + (layer.features_per_input,) for layer in model.stack]
        self.edges = [layer.mask.any(0).flatten().nonzero().squeeze(-1) for layer in model.stack]
        self.sizes = [edges.numel() * shape[-1] for edges, shape in zip(self.edges, self.shapes, strict=True)]
        masks = [
            layer.mask.flatten(1)[:, edges].repeat_interleave(layer.features_per_input, -1)
            for layer, edges in zip(model.stack, self.edges, strict=True)
        ]
        self.mask = torch.cat(masks, -1)  # (E, P)

    def pack(self, weights: Sequence[Tensor]) -> Tensor:
        """Gather weights (E, I, O, F) of every layer into (E, P)."""
        parts = [
            tensor.detach().flatten(1, 2)[:, edges].flatten(1)
            for tensor, edges in zip(weights, self.edges, strict=True)
        ]
        return torch.cat(parts, -1)

    def unpack(self, theta: Tensor) -> list[Tensor]:
        """Spread (E, P) into weights (E, I, O, F) of every layer, absent edges 0."""
        weights = []
        for part, edges, shape in zip(theta.split(self.sizes, -1), self.edges, self.shapes, strict=True):
            members, inputs, outputs, features = shape
            whole = theta.new_zeros(members, inputs * outputs, features)
            whole.index_copy_(1, edges, part.unflatten(-1, (-1, features)))
            weights.append(whole.unflatten(1, (inputs, outputs)))
        return weights

    def blocks(self, theta: Tensor) -> list[Tensor]:
        """View (E, P) as one (E, edges, F) per layer."""
        parts = theta.split(self.sizes, -1)
        return [part.unflatten(-1, (-1, shape[-1])) for part, shape in zip(parts, self.shapes, strict=True)]


class Objective:
    """Mean squared error plus penalties for every member, with gradient and Gauss-Newton matrix.

    Args:
        model: the population; its grids and masks are fixed here, its weights only give the first vector.
        rows: what the error is measured on.
        penalty: what is added to the error.
    """

    def __init__(self, model: KAN, rows: Rows, penalty: Penalty) -> None:
        self.model, self.rows, self.penalty = model, rows, penalty
        self.packing = Packing(model)
        self.count = rows.y.numel()
        self._slices = list(self._slice_rows())
        self._first = [model.stack[0].features(model.expand(part.x)) for part in self._slices]

    @property
    def start(self) -> Tensor:
        """The model's own weights as (E, P)."""
        return self.packing.pack([layer.weights() for layer in self.model.stack])

    def model_at(self, theta: Tensor) -> KAN:
        """Return the population with the weights (E, P)."""
        model = self.model.copy()
        for layer, weights in zip(model.stack, self.packing.unpack(theta), strict=True):
            layer.set_weights(weights)
        return model

    def errors(self, theta: Tensor) -> Tensor:
        """Return every member's weighted mean squared error, (E,)."""
        weights = self.packing.unpack(theta)
        total = theta.new_zeros(theta.shape[0])
        for index, part in enumerate(self._slices):
            total = total + self._residuals(self._trace(index, weights), part).square().sum((1, 2))
        return total / self.count

    def value(self, theta: Tensor) -> Tensor:
        """Return error plus penalty of every member, (E,)."""
        return self.errors(theta) + self.penalty.value(self.packing.blocks(theta))

    def gradient(self, theta: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return value (E,) and gradient (E, P), over all rows or over the rows at index `batch`."""
        weights, error, slope = self.packing.unpack(theta), theta.new_zeros(theta.shape[0]), torch.zeros_like(theta)
        parts = self._slices if batch is None else [self.rows.take(batch)]
        for index, part in enumerate(parts):
            traces = self._trace(index, weights) if batch is None else trace(self.model, part.x, weights)
            residuals = self._residuals(traces, part)
            error = error + residuals.square().sum((1, 2))
            slope = slope + self._pull(traces, residuals * part.weights.sqrt()[:, None])
        scale = sum(part.y.numel() for part in parts)
        blocks = self.packing.blocks(theta)
        total = 2 / scale * slope + torch.cat([g.flatten(1) for g in self.penalty.gradient(blocks)], -1)
        return error / scale + self.penalty.value(blocks), torch.where(self.packing.mask, total, 0.0)

    def normal_equations(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return value (E,), gradient (E, P) and Gauss-Newton matrix (E, P, P) of the value."""
        weights, size = self.packing.unpack(theta), theta.shape[-1]
        error, slope = theta.new_zeros(theta.shape[0]), torch.zeros_like(theta)
        matrix = theta.new_zeros(theta.shape[0], size, size)
        for index, part in enumerate(self._slices):
            traces = self._trace(index, weights)
            residuals = self._residuals(traces, part).flatten(1)  # (E, n T)
            jacobian = self._jacobian(traces, part)  # (E, n T, P)
            error = error + residuals.square().sum(1)
            slope = slope + (residuals.unsqueeze(1) @ jacobian).squeeze(1)
            matrix = torch.baddbmm(matrix, jacobian.mT, jacobian)
        blocks = self.packing.blocks(theta)
        penalty = torch.cat([g.flatten(1) for g in self.penalty.gradient(blocks)], -1)
        total = torch.where(self.packing.mask, 2 / self.count * slope + penalty, 0.0)
        return (
            error / self.count + self.penalty.value(blocks),
            total,
            self._with_penalty(2 / self.count * matrix, blocks),
        )

    def _with_penalty(self, matrix: Tensor, blocks: list[Tensor]) -> Tensor:
        """Add the penalties' curvature, block by block, to a Gauss-Newton matrix."""
        start = 0
        for curvature in self.penalty.curvature(blocks):  # (E, edges, F, F)
            _, edges, features, _ = curvature.shape
            for edge in range(edges):
                rows = slice(start + edge * features, start + (edge + 1) * features)
                matrix[:, rows, rows] += curvature[:, edge]
            start += edges * features
        both = self.packing.mask.unsqueeze(-1) & self.packing.mask.unsqueeze(-2)
        return matrix if bool(both.all()) else torch.where(both, matrix, 0.0)

    def _slice_rows(self) -> Iterator[Rows]:
        numbers = self.packing.mask.numel() * self.rows.y.shape[1]
        step = max(64, JACOBIAN_NUMBERS // max(1, numbers))
        for start in range(0, len(self.rows), step):
            yield self.rows.take(slice(start, start + step))

    def _trace(self, index: int, weights: list[Tensor]) -> list[Trace]:
        return trace(self.model, self._slices[index].x, weights, self._first[index])

    @staticmethod
    def _residuals(traces: list[Trace], part: Rows) -> Tensor:
        return (traces[-1].nodes - part.y) * part.weights.sqrt()[:, None]  # (E, n, T)

    def _pull(self, traces: list[Trace], delta: Tensor) -> Tensor:
        """Return the gradient (E, P) of sum(delta * output)."""
        slopes = []
        for index in reversed(range(len(traces))):
            step, layer = traces[index], self.model.stack[index]
            sums = through_nodes(self.model, traces, index, delta)  # (E, n, S)
            flat = step.features.flatten(2).mT @ sums  # (E, I F, S)
            slopes.append(flat.unflatten(1, (layer.inputs, -1)).transpose(2, 3))
            delta = through_edges(layer, step, sums) if index else delta
        return self.packing.pack(slopes[::-1])

    def _jacobian(self, traces: list[Trace], part: Rows) -> Tensor:
        """Return the derivatives of all weighted outputs, (E, n T, P): per layer delta (x) features."""
        members, rows, targets = traces[-1].nodes.shape
        identity = torch.eye(targets, dtype=part.y.dtype, device=part.y.device) * part.weights.sqrt()[:, None, None]
        delta, parts = identity.expand(members, rows, targets, targets), []
        for index in reversed(range(len(traces))):
            step, layer = traces[index], self.model.stack[index]
            sums = through_nodes(self.model, traces, index, delta)  # (E, n, T, S)
            parts.append(_outer(step.features, sums, self.packing.edges[index]))
            delta = through_edges(layer, step, sums) if index else delta
        jacobian = torch.cat(parts[::-1], -1).flatten(1, 2)
        mask = self.packing.mask
        return jacobian if bool(mask.all()) else jacobian * mask.unsqueeze(1)


def _outer(features: Tensor, sums: Tensor, edges: Tensor) -> Tensor:
    """Multiply features (E, n, I, F) with derivatives (E, n, T, S) for the listed edges: (E, n, T, edges F)."""
    outputs = sums.shape[-1]
    chosen = features[:, :, edges // outputs]  # (E, n, edges, F)
    pulled = sums[..., edges % outputs]  # (E, n, T, edges)
    return (pulled.unsqueeze(-1) * chosen.unsqueeze(2)).flatten(3)
