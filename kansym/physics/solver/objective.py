"""What is made small: the residuals of equations, conditions and observations, with their exact Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kansym.nn import KAN
from kansym.physics.solver.equation import Residual
from kansym.physics.solver.jets import (
    LayerJets,
    Orders,
    features,
    forward,
    gradient_of,
    jacobian_of,
    pull_edges,
    pull_nodes,
)
from kansym.physics.solver.trial import Around, Trial
from kansym.training.objective import Objective, Packing, Rows
from kansym.training.penalties import Penalty

Array = np.ndarray
# Numbers that one slice of the Jacobian may hold: 32 MB in float64.
SLICE_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Block:
    """One kind of residual at its points.

    Args:
        name: for reports.
        residual: what must be zero.
        points: (n, D).
        shift: what is taken off the residual at every point, (n,): measured values; or None.
        weight: of its mean square in the sum, > 0.
        measured: whether the shift has errors of its own.
    """

    name: str
    residual: Residual
    points: Array
    shift: Array | None = None
    weight: float = 1.0
    measured: bool = False

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def orders(self) -> Orders:
        return Orders.closure(self.residual.orders, self.points.shape[1])

    def weighted(self, weight: float) -> Block:
        return replace(self, weight=weight)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some rows of a block, with what does not change while the grids stay."""

    block: Block
    rows: slice
    x: Tensor
    around: Around | None
    inputs: Tensor
    first: tuple[Tensor, ...]


class ResidualObjective(Objective):
    """Half of what every other objective is to the optimizers: value, gradient and Gauss-Newton matrix of

        sum over blocks of weight * mean square of the residual.

    The parameters are the network's weights and then the problem's unknown numbers, (E, P + Q). Residuals are computed
    from the exact jets of the network, and every row's derivative by all parameters by pulling those back.

    Args:
        model: the population; its grids and masks are fixed here.
        blocks: what must be zero.
        trial: how the network becomes the solution.
        unknowns: values of the unknown parameters, (Q,) for all members or (E, Q).
    """

    def __init__(self, model: KAN, blocks: Sequence[Block], trial: Trial, unknowns: Tensor | None = None) -> None:
        self.model, self.blocks, self.trial = model, tuple(blocks), trial
        self.packing, self.separable, self.native = Packing(model), False, None
        self.size = self.packing.mask.shape[1]
        given = torch.zeros(0, dtype=torch.float64) if unknowns is None else unknowns
        self.unknowns = given.expand(model.members, given.shape[-1])
        self.penalty = Penalty()
        first = torch.as_tensor(self.blocks[0].points)
        self.rows = Rows(first, torch.zeros(len(first), 1), torch.ones(len(first)))
        self._pieces = [piece for block in self.blocks for piece in self._cut_block(block)]

    @property
    def start(self) -> Tensor:
        return torch.cat([self.packing.pack([layer.weights() for layer in self.model.stack]), self.unknowns], -1)

    def _cut_block(self, block: Block) -> list[_Piece]:
        step = max(64, SLICE_NUMBERS // (self.model.members * self.size))
        pieces = []
        for start in range(0, len(block), step):
            rows = slice(start, start + step)
            points = block.points[rows]
            x = self.model.expand(torch.as_tensor(points))
            inputs = self.trial.inputs(self.model, block.orders, x)
            first = features(self.model.stack[0], inputs[0], block.orders.most)
            pieces.append(_Piece(block, rows, x, self.trial.around(block.orders, points), inputs, first))
        return pieces

    def model_at(self, theta: Tensor) -> KAN:
        return super().model_at(theta[:, : self.size])

    def unknowns_at(self, theta: Tensor) -> Tensor:
        """Return the unknown parameters, (E, Q)."""
        return theta[:, self.size :]

    def value(self, theta: Tensor) -> Tensor:
        weights = self.packing.unpack(theta[:, : self.size])
        total = theta.new_zeros(theta.shape[0])
        for piece in self._pieces:
            residuals, _ = self._residuals(piece, self._passed(piece, weights), theta, False)
            total = total + piece.block.weight / len(piece.block) * residuals.square().sum(1)
        return total

    def mean_squares(self, theta: Tensor) -> dict[str, float]:
        """Return the unweighted mean square of every block of the first member, by its name."""
        weights, totals = self.packing.unpack(theta[:, : self.size]), dict.fromkeys((b.name for b in self.blocks), 0.0)
        for piece in self._pieces:
            residuals, _ = self._residuals(piece, self._passed(piece, weights), theta, False)
            totals[piece.block.name] += float(residuals[0].square().sum()) / len(piece.block)
        return totals

    def sizes(self, theta: Tensor) -> list[Tensor]:
        """Return the unweighted residuals of every block of the first member, (n,) each."""
        weights = self.packing.unpack(theta[:, : self.size])
        found: dict[int, list[Tensor]] = {}
        for piece in self._pieces:
            residuals, _ = self._residuals(piece, self._passed(piece, weights), theta, False)
            found.setdefault(self.blocks.index(piece.block), []).append(residuals[0])
        return [torch.cat(found[place]) for place in range(len(self.blocks))]

    def gradient(self, theta: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if batch is not None:
            raise NotImplementedError("a residual's gradient is over all points")
        weights = self.packing.unpack(theta[:, : self.size])
        total, slope = theta.new_zeros(theta.shape[0]), torch.zeros_like(theta)
        for piece in self._pieces:
            residuals, passed, delta, unknown = self._linearised(piece, weights, theta)
            scale = piece.block.weight / len(piece.block)
            total = total + scale * residuals.square().sum(1)
            by_weights = self._pulled(piece, passed, weights, delta * residuals.unsqueeze(-1), gradient_of)
            by_unknowns = (residuals.unsqueeze(1) @ unknown).squeeze(1)
            slope = slope + 2 * scale * torch.cat([by_weights, by_unknowns], -1)
        return total, slope if self.packing.full else self._unmasked(slope)

    def normal_equations(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights = self.packing.unpack(theta[:, : self.size])
        members, size = theta.shape
        total, slope = theta.new_zeros(members), torch.zeros_like(theta)
        matrix = theta.new_zeros(members, size, size)
        for piece in self._pieces:
            residuals, jacobian = self._rows_of(piece, weights, theta)
            scale = piece.block.weight / len(piece.block)
            total = total + scale * residuals.square().sum(1)
            slope = slope + 2 * scale * (residuals.unsqueeze(1) @ jacobian).squeeze(1)
            matrix.baddbmm_(jacobian.mT, jacobian, alpha=2 * scale)
        return total, slope, matrix

    def curvatures(self, theta: Tensor) -> list[float]:
        """Return the trace of every block's own Gauss-Newton matrix at weight 1, of the first member."""
        weights = self.packing.unpack(theta[:, : self.size])
        traces = [0.0] * len(self.blocks)
        for piece in self._pieces:
            _, jacobian = self._rows_of(piece, weights, theta)
            traces[self.blocks.index(piece.block)] += float(jacobian[0].square().sum()) / len(piece.block)
        return traces

    def _passed(self, piece: _Piece, weights: Sequence[Tensor]) -> list[LayerJets]:
        return forward(self.model, piece.block.orders, piece.x, weights, piece.first, piece.inputs)

    def _residuals(
        self, piece: _Piece, passed: Sequence[LayerJets], theta: Tensor, linearised: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return residuals (E, n) and, when asked for, their derivatives by the columns of the equation (E, n, C)."""
        block, orders = piece.block, piece.block.orders
        jets = passed[-1].nodes if piece.around is None else piece.around.apply(passed[-1].nodes)  # (A, E, n, T)
        members, count = jets.shape[1:3]
        known = [piece.x, self.unknowns_at(theta).unsqueeze(1).expand(members, count, -1)]
        slots = [jets[orders.place(o), :, :, f] * orders.factorials[orders.place(o)] for f, o in block.residual.slots]
        columns = torch.cat([*known, torch.stack(slots, -1)], -1).flatten(0, 1).detach().numpy()
        if linearised:
            values, slopes = block.residual.linearised(columns)
        else:
            values, slopes = block.residual.values(columns), None
        found = torch.as_tensor(np.array(values)).view(members, count)
        if block.shift is not None:
            found = found - torch.as_tensor(block.shift[piece.rows])
        return found, None if slopes is None else torch.as_tensor(slopes).view(members, count, -1)

    def _linearised(
        self, piece: _Piece, weights: Sequence[Tensor], theta: Tensor
    ) -> tuple[Tensor, list[LayerJets], Tensor, Tensor]:
        """Return residuals (E, n), the pass, and the residuals' derivatives by the network's jets and the unknowns."""
        passed = self._passed(piece, weights)
        residuals, slopes = self._residuals(piece, passed, theta, True)
        assert slopes is not None
        plain = piece.x.shape[-1]
        unknown = slopes[..., plain : plain + theta.shape[1] - self.size]
        delta = self._by_jets(piece, slopes[..., plain + unknown.shape[-1] :], passed[-1].nodes)
        return residuals, passed, delta, unknown

    def _rows_of(self, piece: _Piece, weights: Sequence[Tensor], theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return residuals (E, n) and their Jacobian (E, n, P + Q)."""
        residuals, passed, delta, unknown = self._linearised(piece, weights, theta)
        jacobian = torch.cat([self._pulled(piece, passed, weights, delta, jacobian_of), unknown], -1)
        return residuals, jacobian if self.packing.full else self._unmasked(jacobian.mT).mT

    def _unmasked(self, columns: Tensor) -> Tensor:
        """Set what belongs to masked edges to 0, (E, P + Q, ...)."""
        mask = torch.nn.functional.pad(self.packing.mask, (0, columns.shape[1] - self.size), value=True)
        return torch.where(mask.view(*mask.shape, *[1] * (columns.dim() - 2)), columns, 0.0)

    def _by_jets(self, piece: _Piece, slopes: Tensor, nodes: Tensor) -> Tensor:
        """Return the residuals' derivatives by the network's jets, (A, E, n, T)."""
        delta, orders = torch.zeros_like(nodes), piece.block.orders
        for place, (which, order) in enumerate(piece.block.residual.slots):
            at = orders.place(order)
            delta[at, :, :, which] = slopes[..., place] * orders.factorials[at]
        return delta if piece.around is None else piece.around.pull(delta)

    def _pulled(
        self,
        piece: _Piece,
        passed: Sequence[LayerJets],
        weights: Sequence[Tensor],
        delta: Tensor,
        collect: Callable[[LayerJets, Tensor], Tensor],
    ) -> Tensor:
        """Pull derivatives by the network's jets back to all weights, (E, n, P), or (E, P) for their sum over rows."""
        parts: list[Tensor] = []
        for index in reversed(range(len(passed))):
            sums = pull_nodes(self.model, piece.block.orders, index, passed[index], delta)
            edges = collect(passed[index], sums).flatten(-3, -2)  # (..., edges, F)
            parts.append(edges[..., self.packing.edges[index], :].flatten(-2))
            if index:
                before = passed[index - 1].nodes[0]
                layer = self.model.stack[index]
                delta = pull_edges(layer, piece.block.orders, before, passed[index], weights[index], sums)
        return torch.cat(parts[::-1], -1)
