"""What one pass over all rows tells: range, mean and spread of every column, and how well a prediction does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.data.scaler import Scaler
from kansym.data.stream.base import Block, RowSource, join
from kansym.errors import DataError

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Statistics:
    """Range, mean and standard deviation of some columns over all complete rows.

    Attributes:
        names: C columns.
        rows: how many rows there were.
        low, high, mean, deviation: (C,) float64; the deviation is that of the whole table (divided by N).
        extremes: at most 2 C rows, among them the least and the greatest value of every column; ascending.
    """

    names: tuple[str, ...]
    rows: int
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    extremes: Block

    def standard(self, columns: Sequence[str]) -> Scaler:
        """Return the scaler to mean 0 and standard deviation 1; a constant column keeps its magnitude as its scale."""
        index = self._index(columns)
        low, high, spread = self.low[index], self.high[index], self.deviation[index]
        constant = (low == high) | (spread == 0)
        magnitude = np.where(low == 0, 1.0, np.abs(low))
        shift = np.where(constant, low, self.mean[index])
        return Scaler(shift, np.maximum(np.where(constant, magnitude, spread), _TINY))

    def spanning(self, columns: Sequence[str]) -> Scaler:
        """Return the scaler that takes the whole range of every column to [-1, 1], a constant one to 0."""
        index = self._index(columns)
        low, high = self.low[index], self.high[index]
        half = 0.5 * high - 0.5 * low
        return Scaler(0.5 * low + 0.5 * high, np.where(half > 0, np.maximum(half, _TINY), 1.0))

    def of(self, column: str) -> tuple[float, float, float, float]:
        """Return low, high, mean and standard deviation of one column."""
        place = self._index([column])[0]
        return tuple(float(part[place]) for part in (self.low, self.high, self.mean, self.deviation))  # type: ignore[return-value]

    def _index(self, columns: Sequence[str]) -> list[int]:
        return [self.names.index(name) for name in columns]


@dataclass
class Moments:
    """Running mean and variance of columns, (C,), merged block by block.

    Values are counted in units, powers of two of about the size of the first block, so that squares neither overflow
    nor vanish.

    Source: Chan, Golub and LeVeque 1979, Updating formulae and a pairwise algorithm, eq. 2.1.
    """

    units: np.ndarray
    count: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def start(cls, values: np.ndarray) -> Moments:
        """Begin with no rows, in the units of a block (n, C), n >= 1."""
        _, exponents = np.frexp(np.abs(values).max(axis=0))
        zeros = np.zeros(values.shape[1])
        return cls(np.ldexp(1.0, np.clip(exponents, -1000, 1000)), 0, zeros, zeros)

    def add(self, values: np.ndarray) -> None:
        """Count the rows of a block (n, C), n >= 1."""
        scaled = values / self.units
        count, mean = len(scaled), scaled.mean(axis=0)
        squares = np.square(scaled - mean).sum(axis=0)
        total, apart = self.count + count, mean - self.mean
        self.mean = self.mean + apart * (count / total)
        self.squares = self.squares + squares + apart**2 * (self.count * count / total)
        self.count = total


def column_statistics(source: RowSource, most: int, columns: Sequence[str] | None = None) -> Statistics:
    """Read every row once and return what is needed to scale the columns.

    Args:
        source: the table.
        most: rows in the memory at a time, >= 1.
        columns: which columns; all if None.

    Raises:
        DataError: as for `RowSource.blocks`, or when no complete row is left.
    """
    names = source.names if columns is None else tuple(columns)
    moments: Moments | None = None
    extremes: Block | None = None
    for block in _filled(source.blocks(most, names)):
        values = block.values.astype(np.float64, copy=False)
        moments = Moments.start(values) if moments is None else moments
        moments.add(values)
        extremes = extreme_rows(block if extremes is None else join([extremes, block]))
    if moments is None or extremes is None:
        raise DataError(f"{source.source}: no row has a finite number in every column that is used: correct the table")
    low, high = extremes.values.min(axis=0).astype(np.float64), extremes.values.max(axis=0).astype(np.float64)
    mean = np.clip(moments.mean * moments.units, low, high)
    deviation = np.sqrt(moments.squares / moments.count) * moments.units
    return Statistics(names, moments.count, low, high, mean, deviation, extremes)


def extreme_rows(block: Block, by: np.ndarray | None = None) -> Block:
    """Return the rows with the least and the greatest value of every column, each row once, in their order.

    Args:
        block: n >= 1 rows.
        by: other values to choose by, (n, any); those of the block if None.
    """
    values = block.values if by is None else by
    return block.take(np.unique(np.concatenate([values.argmin(axis=0), values.argmax(axis=0)])))


@dataclass(frozen=True)
class StreamedErrors:
    """How far a prediction is from one column, over all complete rows.

    Attributes:
        rows: how many rows were compared.
        rmse, max_error: root mean square and greatest absolute difference, in the column's unit.
        nrmse: rmse over the standard deviation of the column; infinite where that is 0 and the rmse is not.
        undefined: rows where the prediction is not finite; they are in none of the other figures.
    """

    rows: int
    rmse: float
    nrmse: float
    max_error: float
    undefined: int


def streamed_errors(
    source: RowSource,
    target: str,
    features: Sequence[str],
    predict: Callable[[np.ndarray], np.ndarray],
    most: int = 1 << 16,
) -> StreamedErrors:
    """Compare a prediction with a column, block by block.

    Args:
        source: the table.
        target: the column to be predicted.
        features: D columns to predict it from.
        predict: takes inputs (n, D) in raw units and returns (n,).
        most: rows in the memory at a time, >= 1.

    Raises:
        DataError: as for `RowSource.blocks`, or when no complete row is left.
    """
    moments: Moments | None = None
    total, greatest, undefined, count = 0.0, 0.0, 0, 0
    for block in _filled(source.blocks(most, [*features, target])):
        values = block.values.astype(np.float64, copy=False)
        apart = np.reshape(predict(values[:, :-1]), len(block)) - values[:, -1]
        apart = np.abs(apart[np.isfinite(apart)])
        moments = Moments.start(values[:, -1:]) if moments is None else moments
        moments.add(values[:, -1:])
        total += float(np.square(apart / moments.units).sum())
        greatest = max(greatest, float(apart.max(initial=0.0)))
        undefined, count = undefined + len(block) - len(apart), count + len(apart)
    if moments is None:
        raise DataError(f"{source.source}: no row has a finite number in every column that is used: correct the table")
    rmse = float(np.sqrt(total / count)) if count else float("inf")
    spread = float(np.sqrt(moments.squares[0] / moments.count))
    nrmse = rmse / spread if spread else (0.0 if rmse == 0 else float("inf"))
    return StreamedErrors(count, rmse * float(moments.units[0]), nrmse, greatest, undefined)


def _filled(blocks: Iterator[Block]) -> Iterator[Block]:
    return (block for block in blocks if len(block))
