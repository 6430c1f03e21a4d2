"""The rows of a large table as a network sees them, and the loss over all of them, summed up block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kansym.data.scaler import Scaler
from kansym.data.stream import Block, RowSource, extreme_rows, join
from kansym.nn import KAN
from kansym.training.objective import Objective, Packing, Rows
from kansym.training.penalties import Penalty

# More rows at once than this bring no speed: the matrices are long enough, and short ones stay near the processor.
MOST_ROWS = 8192
# Copies of the raw numbers of a block on their way from the file to the network, and of its Jacobian.
RAW_COPIES, JACOBIAN_COPIES = 6, 4
# Numbers per row and input that evaluating a basis needs beside its result.
BASIS_WORK = 48


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a source as a network sees them: scaled tensors, held-out rows left out.

    Args:
        source: where the rows come from.
        features, targets, weights: which columns play which part.
        inputs, target: how they are scaled.
        mean_weight: over all rows; weights are divided by it.
        held_out: numbers of rows that no pass sees, ascending.
        like: a tensor of the network's dtype and device.
        watch: called with 0 at the start of a pass and with the number of rows after every block; may raise to end it.
    """

    source: RowSource
    features: tuple[str, ...]
    targets: tuple[str, ...]
    weights: str | None
    inputs: Scaler
    target: Scaler
    mean_weight: float
    like: Tensor
    held_out: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    watch: Callable[[int], None] = lambda rows: None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read, in this order: features, targets, weights."""
        return (*self.features, *self.targets, *([self.weights] if self.weights else []))

    def blocks(self, most: int) -> Iterator[Rows]:
        """Yield all rows but the held-out ones in file order, at most `most` at a time."""
        return self._training(self.source.blocks(most, self.columns))

    def shuffled(self, most: int, seed: int) -> Iterator[Rows]:
        """Yield the same rows in a random order."""
        return self._training(self.source.shuffled(most, seed, self.columns))

    def rows_of(self, block: Block) -> Rows:
        """Return a block as tensors: x (n, D), y (n, T), weights (n,)."""
        values, inputs, targets = block.values, len(self.features), len(self.targets)
        weights = values[:, -1] / self.mean_weight if self.weights else np.ones(len(block))
        x, y = self.inputs.apply(values[:, :inputs]), self.target.apply(values[:, inputs : inputs + targets])
        return Rows(*(torch.from_numpy(part).to(self.like) for part in (x, y, weights)))

    def _training(self, blocks: Iterator[Block]) -> Iterator[Rows]:
        self.watch(0)
        for block in blocks:
            kept = block.take(~self._is_held_out(block.index)) if len(self.held_out) else block
            if len(kept):
                yield self.rows_of(kept)
            self.watch(len(block))

    def _is_held_out(self, index: np.ndarray) -> np.ndarray:
        """Return which row numbers are held out, (n,) bool; much faster than numpy's isin on a sorted list."""
        place = np.searchsorted(self.held_out, index)
        return self.held_out[np.minimum(place, len(self.held_out) - 1)] == index


class StreamedObjective(Objective):
    """The loss over all rows of a table, with gradient and Gauss-Newton matrix, summed up block by block.

    It equals the objective of the same rows in memory up to rounding, so every full-batch optimizer works on it.
    """

    def __init__(self, model: KAN, table: Table, count: int, most: int, penalty: Penalty) -> None:
        """Say what the loss is measured on; nothing is read yet.

        Args:
            model: the population; its grids and masks are fixed here.
            table: the rows.
            count: how many rows a pass over the table gives, >= 1.
            most: rows in the memory at a time, >= 1.
            penalty: what is added to the error.
        """
        self.model, self.table, self.penalty = model, table, penalty
        self.packing = Packing(model)
        self.row_count, self.most = count, most

    def errors(self, theta: Tensor) -> Tensor:
        """Return every member's weighted mean squared error over all rows, (E,)."""
        total = torch.zeros(theta.shape[0], dtype=torch.float64, device=theta.device)
        for rows, part in self._parts():
            total += part.errors(theta).double() * (len(rows) / self.row_count)
        return total.to(theta.dtype)

    def gradient(self, theta: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return value (E,) and gradient (E, P) over all rows; a choice of rows cannot be given."""
        if batch is not None:
            raise ValueError("the rows of a streamed loss are not numbered: take the gradient over all of them")
        error, slope = self._sums(theta, lambda part: part.gradient(theta))
        blocks = self.packing.blocks(theta)
        return error + self.penalty.value(blocks), slope + self._penalty_slope(blocks)

    def normal_equations(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return value (E,), gradient (E, P) and Gauss-Newton matrix (E, P, P) of the value."""
        error, slope, matrix = self._sums(theta, lambda part: part.normal_equations(theta))
        blocks = self.packing.blocks(theta)
        value = error + self.penalty.value(blocks)
        return value, slope + self._penalty_slope(blocks), self._with_penalty(matrix, blocks)

    def _parts(self) -> Iterator[tuple[Rows, Objective]]:
        for rows in self.table.blocks(self.most):
            yield rows, Objective(self.model, rows, Penalty())

    def _sums(self, theta: Tensor, measure: Callable[[Objective], tuple[Tensor, ...]]) -> list[Tensor]:
        """Add up means over blocks with the share of rows of each, in double precision."""
        sums: list[Tensor] = []
        for rows, part in self._parts():
            found, share = measure(part), len(rows) / self.row_count
            sums = sums or [torch.zeros_like(tensor, dtype=torch.float64) for tensor in found]
            for total, tensor in zip(sums, found, strict=True):
                total.add_(tensor, alpha=share)
        return [total.to(theta.dtype) for total in sums]

    def _penalty_slope(self, blocks: list[Tensor]) -> Tensor:
        slope = torch.cat([part.flatten(1) for part in self.penalty.gradient(blocks)], -1)
        return torch.where(self.packing.mask, slope, 0.0)


def rows_raw(memory: int, columns: int) -> int:
    """Return how many rows of raw numbers may be in work at once."""
    return max(1, memory // (8 * RAW_COPIES * columns))


def rows_within(memory: int, model: KAN, columns: int, newton: bool) -> int:
    """Return how many rows may be in work at once so that they and what is computed from them stay within `memory`.

    Args:
        memory: bytes.
        model: the population that works on them.
        columns: how many columns are read.
        newton: whether Jacobians are made.
    """
    inputs = [layer.inputs for layer in model.stack]
    features = sum(2 * count * layer.features_per_input for count, layer in zip(inputs, model.stack, strict=True))
    numbers = model.members * (features + BASIS_WORK * max(inputs)) + RAW_COPIES * columns
    if newton:
        parameters = Packing(model).mask.shape[1]
        memory -= 8 * 4 * model.members * parameters**2
        numbers += JACOBIAN_COPIES * model.members * model.widths[-1].nodes * parameters
    return max(1, min(MOST_ROWS, memory // (8 * numbers)))


def widened(model: KAN, table: Table, sample: Tensor, most: int, blend: float) -> KAN:
    """Return the population on grids that hold every value its hidden nodes take; the same one if they do already.

    One pass finds the rows at which a hidden node is least or greatest; the grids are then adapted to the sample and
    these rows together.

    Args:
        model: the population.
        table: all rows.
        sample: rows (n, D) that stand for most of them.
        most: rows in the memory at a time.
        blend: how far the grids are even (1) or follow the quantiles (0).
    """
    if len(model.stack) == 1:
        return model
    kept: Block | None = None
    reach = torch.cat([torch.stack(layer.basis.domain).flatten(1) for layer in model.stack[1:]], 1).cpu().numpy()
    for rows in table.blocks(most):
        hidden = _hidden(model, rows.x).cpu().numpy()  # (n, all hidden nodes of all members)
        block = Block(np.arange(len(rows)), np.concatenate([hidden, rows.x.cpu().numpy()], 1))
        together = block if kept is None else join([kept, block])
        kept = extreme_rows(together, together.values[:, : hidden.shape[1]])
    nodes = reach.shape[1]
    if kept is None or bool(((kept.values[:, :nodes] >= reach[0]) & (kept.values[:, :nodes] <= reach[1])).all()):
        return model
    return model.adapt_grids(torch.cat([sample, torch.from_numpy(kept.values[:, nodes:]).to(sample)]), blend)


def _hidden(model: KAN, x: Tensor) -> Tensor:
    """Return what enters every layer after the first, the layers side by side: (n, E I + E I' + ...)."""
    hidden, found = model.expand(x), []
    with torch.no_grad():
        for index, layer in enumerate(model.stack[:-1]):
            hidden = model.combine(layer(hidden), index)  # (E, n, nodes)
            found.append(hidden.transpose(0, 1).flatten(1))
    return torch.cat(found, 1)
