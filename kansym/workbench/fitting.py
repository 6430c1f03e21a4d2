"""Training of a network whose edges are splines and primitives together, by Levenberg-Marquardt."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from kansym.budget import Budget
from kansym.events import Event, Progress, ignore
from kansym.graph import sub_of
from kansym.nn.kan import Trace, through_edges, through_nodes, trace
from kansym.training.objective import Objective, Packing, Rows
from kansym.training.optimizers import LevenbergMarquardt, State
from kansym.training.penalties import Penalty
from kansym.workbench.fixed import moved
from kansym.workbench.mixed import Mixed

REGRIDS, EVERY = 4, 5  # how often grids follow what the nodes see, and the steps between
PATIENCE, TOLERANCE = 8, 1e-3  # steps in which the loss must fall by this share
HOLD = 1e-12  # of the squared constants: four of them are often more than a curve needs


class MixedObjective(Objective):
    """The loss of one network as a function of the weights of its splines and the constants of its primitives.

    The vector (1, Q) holds the splines' weights, tied ones once, and then a, b, c, d of every primitive.
    """

    def __init__(self, mixed: Mixed, rows: Rows, penalty: Penalty) -> None:
        self.mixed, self.model, self.rows, self.penalty = mixed, mixed.splines, rows, penalty
        self.packing, self.count, self.native = Packing(mixed.splines), rows.numbers, None
        self.edges = sorted(mixed.fixed)
        self.spread = self._spread()  # (P, Q)

    @property
    def start(self) -> Tensor:
        packed = self.packing.pack([layer.weights() for layer in self.model.stack])
        numbers = [number for edge in self.edges for number in self.mixed.fixed[edge].constants]
        full = torch.cat([packed, packed.new_tensor([numbers])], -1)
        return (full @ self.spread) / self.spread.sum(0)

    def mixed_at(self, theta: Tensor) -> Mixed:
        """The network with the parameters (1, Q)."""
        weights, numbers = self._parts(theta)
        splines = self.model.copy()
        for layer, weight in zip(splines.stack, self.packing.unpack(weights), strict=True):
            layer.set_weights(weight)
        groups = numbers[0].unflatten(0, (-1, 4)).numpy() if self.edges else []
        fixed = {edge: moved(self.mixed.fixed[edge], group) for edge, group in zip(self.edges, groups, strict=True)}
        return Mixed(splines, fixed, self.mixed.ties)

    def errors(self, theta: Tensor) -> Tensor:
        network = self.mixed_at(theta).network
        with torch.no_grad():
            return ((network(self.rows.x) - self.rows.y) * self.rows.roots).square().sum((1, 2)) / self.count

    def value(self, theta: Tensor) -> Tensor:
        weights, numbers = self._parts(theta)
        held = HOLD * numbers.square().sum(1)
        return self.errors(theta) + self.penalty.value(self.packing.blocks(weights)) + held

    def normal_equations(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights, numbers = self._parts(theta)
        mixed = self.mixed_at(theta)
        with torch.no_grad():
            traces = trace(mixed.network, self.rows.x)
            residuals = ((traces[-1].nodes - self.rows.y) * self.rows.roots).flatten(1)  # (1, N T)
            jacobian = self._columns(mixed, traces) @ self.spread  # (1, N T, Q)
        slope = 2 / self.count * (residuals.unsqueeze(1) @ jacobian).squeeze(1)
        matrix = 2 / self.count * (jacobian.mT @ jacobian)
        pull, bend = self._penalty(weights, numbers)
        error = residuals.square().sum(1) / self.count
        value = error + self.penalty.value(self.packing.blocks(weights)) + HOLD * numbers.square().sum(1)
        return value, slope + pull @ self.spread, matrix + self.spread.mT @ bend @ self.spread

    def _parts(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The splines' weights (1, P') and the primitives' constants (1, 4 K)."""
        return (theta @ self.spread.mT).split([sum(self.packing.sizes), 4 * len(self.edges)], -1)  # type: ignore[return-value]

    def _penalty(self, weights: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient (1, P) and curvature (P, P) of all that is added to the error."""
        blocks = self.packing.blocks(weights)
        pull = torch.cat([part.flatten(1) for part in self.penalty.gradient(blocks)] + [2 * HOLD * numbers], -1)
        bends = [bend for curvature in self.penalty.curvature(blocks) for bend in curvature[0]]
        held = 2 * HOLD * torch.eye(numbers.shape[1], dtype=numbers.dtype)
        return pull, torch.block_diag(*bends, held)

    def _columns(self, mixed: Mixed, traces: list[Trace]) -> Tensor:
        """The derivatives of all outputs by the splines' weights and the primitives' constants, (1, N T, P)."""
        network, (rows, targets) = mixed.network, traces[-1].nodes.shape[1:]
        identity = torch.eye(targets, dtype=self.rows.y.dtype) * self.rows.roots.unsqueeze(-1)
        delta, splines, primitives = identity.expand(1, rows, targets, targets), [], {}
        for index in reversed(range(len(traces))):
            step = traces[index]
            sums = through_nodes(network, traces, index, delta)  # (1, N, T, S)
            splines.append(self._spline_columns(index, step, sums))
            for edge in (edge for edge in self.edges if edge.layer == index):
                seen = step.inputs[0, :, edge.source].numpy()
                local = torch.from_numpy(mixed.fixed[edge].jacobian(seen))  # (N, 4)
                primitives[edge] = sums[..., sub_of(network, edge)].unsqueeze(-1) * local[None, :, None]
            delta = through_edges(network.stack[index], step, sums) if index else delta
        return torch.cat([*splines[::-1], *(primitives[edge] for edge in self.edges)], -1).flatten(1, 2)

    def _spline_columns(self, index: int, step: Trace, sums: Tensor) -> Tensor:
        """The part of one layer's splines, (1, N, T, edges F)."""
        edges, outputs = self.packing.edges[index], sums.shape[-1]
        features = step.features[..., : self.model.stack[index].features_per_input]
        chosen = features[:, :, edges // outputs]  # (1, N, edges, F)
        return (sums[..., edges % outputs].unsqueeze(-1) * chosen.unsqueeze(2)).flatten(3)

    def _spread(self) -> Tensor:
        """From parameters to weights, (P, Q): the identity, with the columns of tied edges joined."""
        place, owner = {}, []
        for index, (edges, shape) in enumerate(zip(self.packing.edges, self.packing.shapes, strict=True)):
            for number in edges.tolist():
                place[index, *divmod(number, shape[2])] = len(owner)
                owner += range(len(owner), len(owner) + shape[3])
        owner += range(len(owner), len(owner) + 4 * len(self.edges))
        for tie in self.mixed.ties:
            layer = self.model.stack[tie[0].layer]
            first, *others = (place[edge.layer, edge.source, sub_of(self.model, edge)] for edge in tie)
            for other in others:
                for offset in range(layer.features_per_input):
                    owner[other + offset] = first + offset
        columns, order = torch.tensor(owner, dtype=torch.long).unique(return_inverse=True)
        spread = torch.zeros(len(owner), len(columns), dtype=self.model.stack[0].grid.dtype)
        spread[torch.arange(len(owner)), order] = 1.0
        return spread


def fit(
    mixed: Mixed,
    rows: Rows,
    held_out: Rows,
    penalty: Penalty,
    steps: int,
    budget: Budget | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> tuple[Mixed, list[tuple[float, float]]]:
    """Train splines and primitives together; return the best network on the held-out rows and the losses of each step.

    Args:
        mixed: where to start; it is not changed.
        rows, held_out: scaled rows to learn from and to choose the best step by.
        penalty: what is added to the mean squared error; it touches the splines alone.
        steps: most steps in all.
        budget: asked for `expired` between steps.
        on_event: receives a `Progress` per step.
    """
    method, losses = LevenbergMarquardt(), []
    best, lowest, state = mixed, held_out_loss(mixed, held_out), None
    for share in _phases(steps, bool(sum(int(layer.mask.sum()) for layer in mixed.splines.stack))):
        mixed = mixed.regridded(rows.x)
        objective = MixedObjective(mixed, rows, penalty)
        state = method.begin(objective, state)
        for reached in _steps(method, objective, state, share):
            state, mixed = reached, objective.mixed_at(reached.theta)
            error = held_out_loss(mixed, held_out)
            losses.append((float(objective.errors(state.theta)[0]), error))
            best, lowest = (mixed, error) if error < lowest else (best, lowest)
            on_event(Progress("train", len(losses) / steps, lowest, len(mixed.edges), None))
            if budget is not None and budget.expired:
                return best, losses
    return best, losses


def _phases(steps: int, splines: bool) -> Iterator[int]:
    """Steps between the moves of the grids; without splines there is nothing to move."""
    short = min(EVERY, steps // (REGRIDS + 1)) if splines else 0
    yield from [short] * REGRIDS if short else []
    yield steps - REGRIDS * short


def _steps(method: LevenbergMarquardt, objective: MixedObjective, state: State, most: int) -> Iterator[State]:
    """States of up to `most` steps, until nothing is gained any more."""
    values = [float(state.value[0])]
    for _ in range(most):
        state = method.step(objective, state)
        yield state
        values.append(float(state.value[0]))
        slow = len(values) > PATIENCE and values[-1] > (1 - TOLERANCE) * values[-1 - PATIENCE]
        if slow or bool(state.stalled.all()):
            return


def held_out_loss(mixed: Mixed, rows: Rows) -> float:
    """The weighted mean squared error on scaled rows; infinite where the network has no value."""
    with torch.no_grad():
        error = float(((mixed.network(rows.x) - rows.y) * rows.roots).square().mean())
    return error if error == error else float("inf")
