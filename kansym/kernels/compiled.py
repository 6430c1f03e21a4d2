"""A population's whole Adam step as one plain torch function that the compiler turns into one graph.

The rows are the last axis everywhere and the backward pass is written out, so that there is nothing for autograd to
record and all that is elementwise melts into the loops around the matrix products. Where there is a C compiler the
native functions of `kansym.kernels.network` are faster still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad, silu

from kansym.kernels.network import AdamMoments, LayerPlan, PopulationPlan

# |w| is rounded off below this, as in kansym.training.penalties.
ROUNDING = 1e-4
# Spacings that differ by less than this share count as even; more would show in the last digits of float32.
EVEN = {torch.float32: 1e-6, torch.float64: 1e-13}
# The closed form takes the even cubic's four pieces in one line.
CUBIC = 3
# Below this many multiplications waking a second thread for every loop of the graph costs more than it brings.
LEAST_FOR_THREADS = 4_000_000
# Features and slopes that one call holds: more members at a time would leave the caches.
CHUNK_NUMBERS = 600_000


_Some = TypeVar("_Some", Tensor, Tensor | None)


class Grid(NamedTuple):
    """Knots (E or 1, I, K, 1) and, where all are evenly spaced, low end and inverse spacing (E or 1, I, 1, 1)."""

    knots: Tensor
    low: Tensor | None
    inverse: Tensor | None

    def select(self, members: slice) -> Grid:
        """Return the part of some members."""
        return Grid(_own(self.knots, members), _own(self.low, members), _own(self.inverse, members))


class Fixed(NamedTuple):
    """What no step changes; tensors of one member serve all.

    First layer's features (E or 1, I, F, N), targets (E or 1, T, N), row weights (E or 1, 1, N), mask (E, P) or None,
    penalty strengths (E, 1), grids of all layers.
    """

    features: Tensor
    y: Tensor
    weights: Tensor
    mask: Tensor | None
    l1: Tensor
    ridge: Tensor
    grids: tuple[Grid, ...]

    def select(self, members: slice) -> Fixed:
        """Return the part of some members."""
        return Fixed(
            _own(self.features, members),
            _own(self.y, members),
            _own(self.weights, members),
            _own(self.mask, members),
            _own(self.l1, members),
            _own(self.ridge, members),
            tuple(grid.select(members) for grid in self.grids),
        )


class Progress(NamedTuple):
    """What a step gives back: value before it (E,), parameters and moments after it (E, P)."""

    value: Tensor
    theta: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class Shape:
    """What the compiler may take for granted of one layer."""

    inputs: int
    functions: int
    slots: int
    sums: int
    products: int
    start: int
    stop: int


class Pass(NamedTuple):
    """One layer's part of a forward pass: features and their slopes (E or 1, I, F, N), sums (E, S, N)."""

    features: Tensor
    slopes: Tensor | None
    sums: Tensor


class CompiledNetwork:
    """A population bound to rows; with `compiled` off the same functions run one operation after the other.

    `theta` is (E, P) as for `kansym.kernels.network.NativeNetwork`.
    """

    def __init__(
        self,
        plan: PopulationPlan,
        x: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
        compiled: bool = True,
    ) -> None:
        """Lay out the rows and compute the first layer's features, which no step changes.

        Args:
            plan: the population.
            x: rows shared by all members (N, D), or their own (E, N, D).
            y: (N, T) or (E, N, T).
            weights: of the rows, (N,) or (E, N), >= 0; None for ones.
            compiled: whether the step goes through torch.compile; the first one then takes some seconds.
        """
        self.plan = plan
        self._base, self._arity, self._degree = plan.base, plan.arity, plan.degree
        self._shapes = _shapes(plan)
        self._edges = [None if _complete(plan, layer) else layer.edges for layer in plan.layers]
        self._fixed = self._fix(x, y, weights)
        self._count = y.shape[-2] * y.shape[-1]
        self._chunks = self._chunked(y.shape[-2])
        self._step: Callable[..., Progress] = self._plain_step
        if compiled:
            small = plan.members * plan.parameters * y.shape[-2] < LEAST_FOR_THREADS
            options: dict[str, Any] | None = {"cpp.threads": 1} if small else None
            self._step = torch.compile(self._plain_step, fullgraph=True, dynamic=False, options=options)

    def penalise(self, l1: Tensor | float = 0.0, ridge: Tensor | float = 0.0) -> None:
        """Set the strengths of the weight-L1 and ridge penalties, one for all members or one each, (E,)."""
        parts = (torch.as_tensor(part, dtype=self.plan.dtype) for part in (l1, ridge))
        each = [part.expand(self.plan.members).unsqueeze(1).contiguous() for part in parts]
        self._fixed = self._fixed._replace(l1=each[0], ridge=each[1])

    def value(self, theta: Tensor) -> Tensor:
        """Return error plus penalties, (E,)."""
        outputs = self._nodes(self._forward(self._unpack(theta), self._fixed, False)[-1].sums, self._shapes[-1])
        return self._error(outputs - self._fixed.y, self._fixed) + self._penalty(theta, self._fixed)[0]

    def gradient(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return value (E,) and gradient (E, P), without the compiler."""
        return self._slope(theta, self._fixed)

    def adam(
        self, theta: Tensor, moments: AdamMoments, rates: Tensor, falls: Tensor
    ) -> tuple[Tensor, Tensor, AdamMoments]:
        """Take full-batch Adam steps, one per entry of `falls`.

        Args:
            theta: (E, P).
            moments: zeros at the start.
            rates: learning rate of every member, (E,).
            falls: factor of the rates at every step, (steps,).

        Returns:
            Value before every step (steps, E), the parameters, the moments.

        Source: Kingma and Ba 2015, algorithm 1.
        """
        steps = list(enumerate(falls.tolist(), moments.age + 1))
        with torch.no_grad():
            parts = [self._walk(members, theta, moments, rates, steps) for members in self._chunks]
        values, *rest = zip(*parts, strict=True)
        moved, first, second = (torch.cat(part) for part in rest)
        return torch.cat(values, 1), moved, AdamMoments(first, second, moments.age + len(steps))

    def _walk(
        self, members: slice, theta: Tensor, moments: AdamMoments, rates: Tensor, steps: Sequence[tuple[int, float]]
    ) -> Progress:
        """Take all steps with some of the members; the values come back as (steps, members)."""
        fixed, own = self._fixed.select(members), rates[members].to(theta).unsqueeze(1)
        now = Progress(own, theta[members], moments.first[members], moments.second[members])
        values = []
        for age, fall in steps:
            rate, correction = own * (fall / (1 - 0.9**age)), torch.full_like(own, 1 / (1 - 0.999**age))
            now = self._step(now.theta, now.first, now.second, rate, correction, fixed)
            values.append(now.value)
        return now._replace(value=torch.stack(values))

    def _fix(self, x: Tensor, y: Tensor, weights: Tensor | None) -> Fixed:
        """Bring rows, targets and grids into the order of the computation and compute the first features."""
        plan = self.plan
        shared = x.dim() == 2
        grids = tuple(_grid(layer, plan.degree, index == 0 and shared) for index, layer in enumerate(plan.layers))
        rows, targets = (_members_first(part.detach().to(plan.dtype)).mT for part in (x, y))
        given = torch.ones(1, rows.shape[-1], dtype=plan.dtype) if weights is None else weights.to(plan.dtype)
        given = (given if given.dim() == 2 else given.unsqueeze(0)).unsqueeze(1)
        mask = None if plan.mask is None or bool(plan.mask.all()) else plan.mask
        none = torch.zeros(plan.members, 1, dtype=plan.dtype)
        features = self._features(rows, 0, grids[0])[0].contiguous()
        return Fixed(features, targets.contiguous(), given, mask, none, none, grids)

    def _chunked(self, rows: int) -> list[slice]:
        """Return which members go through the network together, in parts of equal size as far as possible."""
        members = self.plan.members
        one = 2 * rows * sum(shape.inputs * shape.functions for shape in self._shapes[1:])
        parts = min(members, -(-members * one // CHUNK_NUMBERS)) or 1
        size = -(-members // parts)
        return [slice(start, min(start + size, members)) for start in range(0, members, size)]

    def _plain_step(
        self, theta: Tensor, first: Tensor, second: Tensor, rate: Tensor, correction: Tensor, fixed: Fixed
    ) -> Progress:
        """Take one step; everything here becomes one graph."""
        value, slope = self._slope(theta, fixed)
        mean = 0.9 * first + 0.1 * slope
        spread = 0.999 * second + 0.001 * slope * slope
        moved = theta - rate * mean / ((spread * correction).sqrt() + 1e-8)
        return Progress(value, moved, mean, spread)

    def _slope(self, theta: Tensor, fixed: Fixed) -> tuple[Tensor, Tensor]:
        """Return value and gradient."""
        weights = self._unpack(theta)
        passes = self._forward(weights, fixed, True)
        residuals = self._nodes(passes[-1].sums, self._shapes[-1]) - fixed.y
        delta, parts = residuals * (fixed.weights * (2 / self._count)), []
        for index in reversed(range(len(passes))):
            step, shape = passes[index], self._shapes[index]
            sums = self._through_nodes(step.sums, delta, shape)
            parts.append(self._pack(_outer(sums, step.features), index))
            delta = _pull(weights[index], sums, step) if index else delta
        penalty, pulled = self._penalty(theta, fixed)
        slope = torch.cat(parts[::-1], 1) + pulled
        slope = slope if fixed.mask is None else torch.where(fixed.mask, slope, 0.0)
        return self._error(residuals, fixed) + penalty, slope

    def _error(self, residuals: Tensor, fixed: Fixed) -> Tensor:
        return (residuals * residuals * fixed.weights).sum((1, 2)) / self._count

    def _penalty(self, theta: Tensor, fixed: Fixed) -> tuple[Tensor, Tensor]:
        """Return the penalties (E,) and their gradient (E, P); every layer has its own number of functions."""
        value, parts = torch.zeros_like(theta[:, 0]), []
        for shape in self._shapes:
            part = theta[:, shape.start : shape.stop]
            rounded = (part * part + ROUNDING**2).sqrt()
            strength = fixed.l1 / shape.functions
            value = value + (strength * rounded + fixed.ridge * part * part).sum(1)
            parts.append((strength / rounded + 2 * fixed.ridge) * part)
        return value, torch.cat(parts, 1)

    def _forward(self, weights: Sequence[Tensor], fixed: Fixed, slopes: bool) -> list[Pass]:
        """Run the network on its rows; the first layer's slopes are never needed."""
        passes, nodes = [], None
        for index, shape in enumerate(self._shapes):
            if nodes is None:
                features, bends = fixed.features, None
            else:
                features, bends = self._features(nodes, index, fixed.grids[index])
            sums = _contract(weights[index], features)
            passes.append(Pass(features, bends if slopes else None, sums))
            nodes = self._nodes(sums, shape)
        return passes

    def _features(self, x: Tensor, index: int, grid: Grid) -> tuple[Tensor, Tensor]:
        """Return functions of x (E or 1, I, N) and their slopes: (E or 1, I, F, N)."""
        point = x.unsqueeze(-2)
        if grid.low is not None and grid.inverse is not None:
            values, bends = _even_cubic(point, grid.low, grid.inverse, self._shapes[index].functions - self._has_base)
        else:
            values, bends = _dense(point, grid.knots, self._degree)
        if self._has_base:
            value, slope = _base(point, self._base)
            values, bends = torch.cat([values, value], -2), torch.cat([bends, slope], -2)
        return values, bends

    @property
    def _has_base(self) -> bool:
        return self._base != "none"

    def _nodes(self, sums: Tensor, shape: Shape) -> Tensor:
        """Turn sums into node values: (E, S, N) -> (E, nodes, N)."""
        if not shape.products:
            return sums
        slots = sums[:, shape.sums :].unflatten(1, (shape.products, self._arity))
        return torch.cat([sums[:, : shape.sums], slots.prod(2)], 1)

    def _through_nodes(self, sums: Tensor, delta: Tensor, shape: Shape) -> Tensor:
        """Pull a derivative with respect to the nodes back to the sums."""
        if not shape.products:
            return delta
        slots = sums[:, shape.sums :].unflatten(1, (shape.products, self._arity))
        others = [torch.cat([slots[:, :, :a], slots[:, :, a + 1 :]], 2).prod(2) for a in range(self._arity)]
        spread = (delta[:, shape.sums :].unsqueeze(2) * torch.stack(others, 2)).flatten(1, 2)
        return torch.cat([delta[:, : shape.sums], spread], 1)

    def _unpack(self, theta: Tensor) -> list[Tensor]:
        """Spread (E, P) into weights (E, S, I F) of every layer, absent edges 0."""
        weights = []
        for shape, edges in zip(self._shapes, self._edges, strict=True):
            part = theta[:, shape.start : shape.stop].unflatten(1, (-1, shape.functions))
            if edges is not None:
                whole = part.new_zeros(part.shape[0], shape.inputs * shape.slots, shape.functions)
                part = whole.index_copy(1, edges, part)
            blocks = part.unflatten(1, (shape.inputs, shape.slots)).transpose(1, 2)  # (E, S, I, F)
            weights.append(blocks.flatten(2))
        return weights

    def _pack(self, weights: Tensor, index: int) -> Tensor:
        """Gather (E, S, I F) into the layer's part of a parameter vector."""
        shape, edges = self._shapes[index], self._edges[index]
        blocks = weights.unflatten(2, (shape.inputs, shape.functions)).transpose(1, 2).flatten(1, 2)
        return (blocks if edges is None else blocks[:, edges]).flatten(1)


def _members_first(rows: Tensor) -> Tensor:
    """Give shared rows (N, C) an axis of one member."""
    return rows if rows.dim() == 3 else rows.unsqueeze(0)


def _own(tensor: _Some, members: slice) -> _Some:
    """Return the part of some members; what there is only one of serves all."""
    return tensor if tensor is None or tensor.shape[0] == 1 else tensor[members]


def _shapes(plan: PopulationPlan) -> list[Shape]:
    """Return what is fixed of every layer."""
    shapes, start = [], 0
    for layer in plan.layers:
        stop = start + plan.edges(layer) * plan.functions(layer)
        slots = plan.slots(layer)
        counts = (layer.knots.shape[1], plan.functions(layer), slots, layer.sums, layer.products)
        shapes.append(Shape(*counts, start, stop))
        start = stop
    return shapes


def _complete(plan: PopulationPlan, layer: LayerPlan) -> bool:
    return layer.edges is None or layer.edges.numel() == layer.knots.shape[1] * plan.slots(layer)


def _grid(layer: LayerPlan, degree: int, first: bool) -> Grid:
    """Give the knots axes for functions and rows; members with one grid share it in a first layer with shared rows."""
    knots = layer.knots.detach()
    knots = knots[:1] if first and bool((knots == knots[:1]).all()) else knots
    steps = knots.diff(dim=-1)
    mean = steps.mean(-1, keepdim=True)
    if degree != CUBIC or bool(((steps - mean).abs() > EVEN[knots.dtype] * knots.abs().amax()).any()):
        return Grid(knots.unsqueeze(-1), None, None)
    return Grid(knots.unsqueeze(-1), knots[..., degree, None, None], 1 / mean.unsqueeze(-1))


def _even_cubic(x: Tensor, low: Tensor, inverse: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return cubic B-splines on an even grid and their slopes: x (E, I, 1, N) -> (E, I, B, N).

    A point t spacings from a function's middle has the value (max(2 - |t|, 0)^3 - 4 max(1 - |t|, 0)^3) / 6.

    Source: C. de Boor, A Practical Guide to Splines, 2001, ch. IX, for integer knots.
    """
    place = (x - low) * inverse
    inside = place.clamp(0, size - CUBIC)
    middles = torch.arange(-1, size - 1, dtype=x.dtype, device=x.device).unsqueeze(-1)
    t = inside - middles
    far, near = (2 - t.abs()).clamp_min(0), (1 - t.abs()).clamp_min(0)
    slope = t.sign() * (2 * near * near - 0.5 * far * far)
    value = (far * far * far - 4 * near * near * near) * (1 / 6) + (place - inside) * slope
    return value, slope * inverse


def _dense(x: Tensor, knots: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Return B-splines on any knots (E, I, K, 1) and their slopes by the recursion over all functions.

    Source: C. de Boor, A Practical Guide to Splines, 2001, ch. IX (eq. IX.14) and X (eq. X.15).
    """
    count = knots.shape[-2]
    low, high = knots[..., degree : degree + 1, :], knots[..., count - degree - 1 : count - degree, :]
    inside = torch.minimum(torch.maximum(x, low), high)
    reached = inside >= knots[..., degree + 1 : count - degree - 1, :]  # (E, I, G - 1, N)
    reached = pad(reached.to(x.dtype), (0, 0, 1, 0), value=1.0)
    piece = reached - pad(reached[..., 1:, :], (0, 0, 0, 1))  # 1 for the piece that x lies in
    level, slope = pad(piece, (0, 0, degree, degree)), torch.zeros_like(x)
    for order in range(1, degree + 1):
        width = knots[..., order:, :] - knots[..., :-order, :]
        share = level / width
        level = (inside - knots[..., : -order - 1, :]) * share[..., :-1, :] + (
            knots[..., order + 1 :, :] - inside
        ) * share[..., 1:, :]
        slope = order * (share[..., :-1, :] - share[..., 1:, :])
    return level + (x - inside) * slope, slope.expand(level.shape)


def _base(x: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Return the base activation and its slope."""
    if name == "silu":
        gate = torch.sigmoid(x)
        return silu(x), gate * (1 + x * (1 - gate))
    if name == "tanh":
        value = torch.tanh(x)
        return value, 1 - value * value
    return x, torch.ones_like(x)


def _contract(weights: Tensor, features: Tensor) -> Tensor:
    """Multiply weights (E, S, I F) with features (E or 1, I, F, N): (E, S, N); shared features need one product."""
    flat = features.flatten(1, 2)
    if flat.shape[0] == 1:
        return (weights.flatten(0, 1) @ flat[0]).unflatten(0, weights.shape[:2])
    return torch.bmm(weights, flat)


def _outer(sums: Tensor, features: Tensor) -> Tensor:
    """Sum derivatives (E, S, N) times features (E or 1, I, F, N) over the rows: (E, S, I F)."""
    flat = features.flatten(1, 2)
    if flat.shape[0] == 1:
        return (sums.flatten(0, 1) @ flat[0].mT).unflatten(0, sums.shape[:2])
    return torch.bmm(sums, flat.mT)


def _pull(weights: Tensor, sums: Tensor, step: Pass) -> Tensor:
    """Pull a derivative with respect to the sums (E, S, N) back to the inputs (E, I, N)."""
    if step.slopes is None:
        raise RuntimeError("the slopes of this layer were not computed")
    by_feature = torch.bmm(weights.mT, sums).unflatten(1, step.slopes.shape[1:3])
    return (by_feature * step.slopes).sum(2)
