"""The loss of a whole population as a function of one flat parameter vector per member, with analytic derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kansym.kernels.network import LayerPlan, NativeNetwork, PopulationPlan, native_network
from kansym.nn import KAN
from kansym.nn.kan import Trace, through_edges, through_nodes, trace
from kansym.training.linear import damped_move
from kansym.training.penalties import Penalty

# Numbers that one slice of the Jacobian may hold: 64 MB in float64 stays near the processor and bounds the memory.
JACOBIAN_NUMBERS = 8_000_000
# What the diagonal of the last layer's own matrix gets, relative to its largest entry, so that weights that no row
# touches stay where they are.
SETTLE_FLOOR = 1e-10


@dataclass(frozen=True)
class Rows:
    """The rows a loss is measured on: x (N, D), y (N, T), weights (N,) with mean 1.

    Each of them may have one more axis in front, of the E members, which then see rows of their own.
    """

    x: Tensor
    y: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return self.x.shape[-2]

    @property
    def numbers(self) -> int:
        """How many target values a member sees, N T."""
        return self.y.shape[-2] * self.y.shape[-1]

    @property
    def roots(self) -> Tensor:
        """What residuals are multiplied with, (N, 1) or (E, N, 1)."""
        return self.weights.sqrt().unsqueeze(-1)

    def take(self, index: Tensor | slice) -> Rows:
        """Return the rows at an index."""
        return Rows(self.x[..., index, :], self.y[..., index, :], self.weights[..., index])

    def select(self, members: Sequence[int]) -> Rows:
        """Return the rows of the listed members; what all members share stays as it is."""
        order = list(members)
        own = (self.x.dim() == 3, self.y.dim() == 3, self.weights.dim() == 2)
        parts = zip((self.x, self.y, self.weights), own, strict=True)
        return Rows(*(part[order] if mine else part for part, mine in parts))


class Packing:
    """Which edges are in the flat vector: those that are active in at least one member."""

    def __init__(self, model: KAN) -> None:
        self.shapes = [(layer.members, layer.inputs, layer.outputs, layer.features_per_input) for layer in model.stack]
        self.edges = [layer.mask.any(0).flatten().nonzero().squeeze(-1) for layer in model.stack]
        masks = [
            layer.mask.flatten(1)[:, edges].repeat_interleave(layer.features_per_input, -1)
            for layer, edges in zip(model.stack, self.edges, strict=True)
        ]
        self._finish(torch.cat(masks, -1))

    def _finish(self, mask: Tensor) -> None:
        self.sizes = [edges.numel() * shape[-1] for edges, shape in zip(self.edges, self.shapes, strict=True)]
        self.mask = mask  # (E, P)
        self.full = bool(mask.all())

    def select(self, members: Sequence[int]) -> Packing:
        """Return the packing of the listed members, with the same order of parameters."""
        part = Packing.__new__(Packing)
        part.edges, part.shapes = self.edges, [(len(members), *shape[1:]) for shape in self.shapes]
        part._finish(self.mask[list(members)])
        return part

    def section(self, layers: slice) -> Packing:
        """Return the packing of some neighbouring layers."""
        part = Packing.__new__(Packing)
        part.edges, part.shapes = self.edges[layers], self.shapes[layers]
        part._finish(torch.cat(self.mask.split(self.sizes, -1)[layers], -1))
        return part

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

    Where the native kernel serves the population (splines on the processor) it computes all of that; everywhere else,
    and as the reference that it must equal, torch does.

    Args:
        model: the population; its grids and masks are fixed here, its weights only give the first vector.
        rows: what the error is measured on.
        penalty: what is added to the error.
        packing: the order of the parameters; the model's own by default.
    """

    # Whether the last layer can be solved for, and what computes natively; another kind of objective has neither.
    separable: bool = False
    native: NativeNetwork | None = None

    def __init__(self, model: KAN, rows: Rows, penalty: Penalty, packing: Packing | None = None) -> None:
        self.model, self.rows, self.penalty = model, rows, penalty
        self.packing = packing or Packing(model)
        self.count = rows.numbers
        self.separable = len(model.stack) > 1 and model.widths[-1].product == 0
        self.native = _native(model, self.packing, rows, penalty)
        self._front: Objective | None = None
        self._cut: tuple[list[Rows], list[Tensor]] | None = None

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

    def select(self, members: Sequence[int]) -> Objective:
        """Return the objective of the listed members alone, with the same order of parameters."""
        rows, penalty = self.rows.select(members), self.penalty.select(members)
        return Objective(self.model.select(members), rows, penalty, self.packing.select(members))

    def errors(self, theta: Tensor) -> Tensor:
        """Return every member's weighted mean squared error, (E,)."""
        if self.native is not None and not theta.requires_grad:
            return self.native.errors(theta.contiguous())
        weights = self.packing.unpack(theta)
        total = theta.new_zeros(theta.shape[0])
        for index, part in enumerate(self._slices):
            total = total + self._residuals(self._trace(index, weights), part).square().sum((1, 2))
        return total / self.count

    def value(self, theta: Tensor) -> Tensor:
        """Return error plus penalty of every member, (E,); differentiable where theta asks for it."""
        if self.native is not None and not theta.requires_grad:
            return self.native.value(theta.contiguous())
        return self.errors(theta) + self.penalty.value(self.packing.blocks(theta))

    def gradient(self, theta: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return value (E,) and gradient (E, P), over all rows or over the rows at index `batch`."""
        if self.native is not None:
            return self._native_on(batch).gradient(theta.contiguous())
        weights, error, slope = self.packing.unpack(theta), theta.new_zeros(theta.shape[0]), torch.zeros_like(theta)
        parts = self._slices if batch is None else [self.rows.take(batch)]
        for index, part in enumerate(parts):
            traces = self._trace(index, weights) if batch is None else trace(self.model, part.x, weights)
            residuals = self._residuals(traces, part)
            error = error + residuals.square().sum((1, 2))
            slope = slope + self._pull(traces, residuals * part.roots)
        scale = sum(part.numbers for part in parts)
        blocks = self.packing.blocks(theta)
        total = 2 / scale * slope + torch.cat([g.flatten(1) for g in self.penalty.gradient(blocks)], -1)
        return error / scale + self.penalty.value(blocks), torch.where(self.packing.mask, total, 0.0)

    def normal_equations(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return value (E,), gradient (E, P) and Gauss-Newton matrix (E, P, P) of the value."""
        if self.native is not None:
            return self.native.normal_equations(theta.contiguous())
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

    def settle(self, theta: Tensor) -> Tensor:
        """Return the parameters with those of the last layer at their best for the inner layers given, (E, P).

        The output is linear in them, so that this is one least-squares problem; a penalty that is not quadratic counts
        with the quadratic that touches it. With it a Gauss-Newton step becomes one of variable projection.

        Source: Golub and Pereyra 1973; Kaufman 1975.
        """
        if not self.separable:
            return theta
        inner, outer = theta.split([sum(self.packing.sizes[:-1]), self.packing.sizes[-1]], -1)
        rows = Rows(self._last_inputs(inner), self.rows.y, self.rows.weights)
        last = Objective(
            _section(self.model, slice(-1, None)), rows, self.penalty, self.packing.section(slice(-1, None))
        )
        _, slope, matrix = last.normal_equations(outer)
        floor = SETTLE_FLOOR * matrix.diagonal(dim1=1, dim2=2).amax(1, keepdim=True)
        move, _ = damped_move(matrix, slope, floor.expand_as(slope))
        return torch.cat([inner, outer + move], 1)

    def _last_inputs(self, inner: Tensor) -> Tensor:
        """Return what the last layer sees, (E, N, I), at the parameters of the layers before it."""
        if self._front is None:
            layers = slice(0, -1)
            model, rows = _section(self.model, layers), Rows(self.rows.x, self._no_targets(), self.rows.weights)
            self._front = Objective(model, rows, Penalty(), self.packing.section(layers))
        return self._front.outputs(inner)

    def outputs(self, theta: Tensor) -> Tensor:
        """Return what the population gives on the rows, (E, N, T)."""
        if self.native is not None:
            return self.native.outputs(theta.contiguous())
        weights = self.packing.unpack(theta)
        return torch.cat([self._trace(index, weights)[-1].nodes for index in range(len(self._slices))], 1)

    def _no_targets(self) -> Tensor:
        """Return targets for a network that ends before the last layer; what they are does not matter."""
        nodes = self.model.widths[-2].nodes
        return self.rows.y.new_zeros(1, nodes).expand(len(self.rows), nodes)

    def _native_on(self, batch: Tensor | None) -> NativeNetwork:
        assert self.native is not None
        if batch is None:
            return self.native
        rows = self.rows.take(batch)
        return self.native.on(rows.x, rows.y, rows.weights)

    def _with_penalty(self, matrix: Tensor, blocks: list[Tensor]) -> Tensor:
        """Add the penalties' curvature, block by block, to a Gauss-Newton matrix."""
        start = 0
        for curvature in self.penalty.curvature(blocks):  # (E, edges, F, F)
            _, edges, features, _ = curvature.shape
            for edge in range(edges):
                rows = slice(start + edge * features, start + (edge + 1) * features)
                matrix[:, rows, rows] += curvature[:, edge]
            start += edges * features
        if self.packing.full:
            return matrix
        mask = self.packing.mask
        return torch.where(mask.unsqueeze(-1) & mask.unsqueeze(-2), matrix, 0.0)

    @property
    def _slices(self) -> list[Rows]:
        return self._sliced()[0]

    def _sliced(self) -> tuple[list[Rows], list[Tensor]]:
        """Return the rows in slices, and what the first layer makes of each; made when first asked for."""
        if self._cut is None:
            parts, first = list(self._slice_rows()), self.model.stack[0]
            self._cut = parts, [first.features(self.model.expand(part.x)) for part in parts]
        return self._cut

    def _slice_rows(self) -> Iterator[Rows]:
        numbers = self.packing.mask.numel() * self.rows.y.shape[-1]
        step = max(64, JACOBIAN_NUMBERS // max(1, numbers))
        for start in range(0, len(self.rows), step):
            yield self.rows.take(slice(start, start + step))

    def _trace(self, index: int, weights: list[Tensor]) -> list[Trace]:
        parts, first = self._sliced()
        return trace(self.model, parts[index].x, weights, first[index])

    @staticmethod
    def _residuals(traces: list[Trace], part: Rows) -> Tensor:
        return (traces[-1].nodes - part.y) * part.roots  # (E, n, T)

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
        identity = torch.eye(targets, dtype=part.y.dtype, device=part.y.device) * part.roots.unsqueeze(-1)
        delta, parts = identity.expand(members, rows, targets, targets), []
        for index in reversed(range(len(traces))):
            step, layer = traces[index], self.model.stack[index]
            sums = through_nodes(self.model, traces, index, delta)  # (E, n, T, S)
            parts.append(_outer(step.features, sums, self.packing.edges[index]))
            delta = through_edges(layer, step, sums) if index else delta
        jacobian = torch.cat(parts[::-1], -1).flatten(1, 2)
        return jacobian if self.packing.full else jacobian * self.packing.mask.unsqueeze(1)


def _outer(features: Tensor, sums: Tensor, edges: Tensor) -> Tensor:
    """Multiply features (E, n, I, F) with derivatives (E, n, T, S) for the listed edges: (E, n, T, edges F)."""
    outputs = sums.shape[-1]
    chosen = features[:, :, edges // outputs]  # (E, n, edges, F)
    pulled = sums[..., edges % outputs]  # (E, n, T, edges)
    return (pulled.unsqueeze(-1) * chosen.unsqueeze(2)).flatten(3)


def _section(model: KAN, layers: slice) -> KAN:
    """Return the network of some neighbouring layers, which shares their tensors."""
    part = model.with_layers(model.stack[layers])
    first = range(len(model.stack))[layers].start
    part.widths = model.widths[first : first + len(part.stack) + 1]
    return part


def _native(model: KAN, packing: Packing, rows: Rows, penalty: Penalty) -> NativeNetwork | None:
    """Return the native form of a population on rows, or None where only torch can compute it."""
    options, knots = model.options.layer, [layer.knots for layer in model.stack]
    plain = options.normalisation == "none" and options.path in ("auto", "native")
    if not plain or knots[0] is None or rows.x.device.type != "cpu":
        return None
    layers = [
        LayerPlan(splines[0].detach(), width.sum, width.product, edges)
        for splines, width, edges in zip(knots, model.widths[1:], packing.edges, strict=True)
        if splines is not None
    ]
    mask = None if packing.full else packing.mask
    plan = PopulationPlan(tuple(layers), knots[0][1], options.base, model.options.arity, mask)
    native = native_network(plan, rows.x, rows.y, rows.weights)
    if native is not None:
        native.penalise(penalty.l1, penalty.entropy, penalty.smoothness, penalty.ridge, penalty.group)
    return native
