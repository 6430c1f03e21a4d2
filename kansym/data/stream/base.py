"""A table that is read in blocks of rows, for tables larger than the memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from kansym.data.select import find_column
from kansym.data.table import LEAVE_OUT, RawTable, format_rows
from kansym.errors import ConfigError, DataError, quote

# So many runs of rows are read side by side when rows are shuffled: neighbours in the file are seldom independent.
SIDE_BY_SIDE = 4
PRECISIONS = ("float64", "float32")

Piece = tuple[np.ndarray, np.ndarray | None]
"""Values (n, C) with NaN for missing numbers, and how messages call these rows, (n,); None for 1, 2, ..."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some complete rows of a source: their numbers from 0, index (n,) int64, and finite values (n, C)."""

    index: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, which: np.ndarray | slice) -> Block:
        """Return the rows at positions `which`, or where it is True."""
        return Block(self.index[which], self.values[which])


def join(blocks: Sequence[Block]) -> Block:
    """Return the rows of at least one block as one."""
    return Block(np.concatenate([block.index for block in blocks]), np.concatenate([block.values for block in blocks]))


class RowSource(ABC):
    """A table of which only some rows are in the memory at a time.

    Every method reads only the columns it is asked for, and gives them in that order.

    Attributes:
        source: the file, for messages.
        names: C distinct headers, as written.
        missing: "error" refuses rows with missing or infinite numbers, "drop" leaves them out.
        precision: "float64" or "float32", the type of the values.
    """

    def __init__(self, source: str, names: Sequence[str], missing: str = "error", precision: str = "float64") -> None:
        """Remember what the table is called and how it is read.

        Raises:
            ConfigError: if `missing` or `precision` is none of the words above.
            DataError: if a header is blank or used twice.
        """
        if missing not in ("error", "drop"):
            raise ConfigError(f"missing must be 'error' or 'drop', got {quote(str(missing))}")
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be {' or '.join(PRECISIONS)}, got {quote(str(precision))}")
        self.source, self.names = source, tuple(names)
        self.missing, self.precision = missing, precision
        self.head = RawTable(source, self.names, (), np.empty(0, dtype=np.int64))

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many rows the table has, incomplete ones too."""

    @property
    @abstractmethod
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The runs of rows (start, stop) that can be read on their own, in file order, together all rows."""

    @abstractmethod
    def _read(self, span: int, columns: Sequence[int], most: int) -> Iterator[Piece]:
        """Read one run of rows, in order, in pieces of at most `most` rows."""

    def position(self, name: str, part: str = "features") -> int:
        """Return where the column stands that is called `name`, with or without its unit.

        Raises:
            DataError: if there is no such column.
        """
        return find_column(self.head, name, part)

    def blocks(self, most: int, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """Read all rows in file order.

        Args:
            most: rows per block at most, >= 1; a block may have fewer, also where rows were dropped.
            columns: the names of the columns; all if None.

        Raises:
            DataError: if a column does not exist or is not numbers, a number is missing, or the file is damaged.
        """
        places = self._places(columns)
        for span in range(len(self.spans)):
            yield from self._span(span, places, most)

    def shuffled(self, most: int, seed: int, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """Read all rows in a random order: runs of rows in random order, several side by side, shuffled block by block.

        Rows of one run meet only rows that are read at the same time. A text file is a single run.

        Args:
            most: rows per block at most, >= 1; this is how far rows are mixed.
            seed: the same seed gives the same order.
            columns: as for `blocks`.

        Raises:
            DataError: as for `blocks`.
        """
        places, random = self._places(columns), np.random.Generator(np.random.PCG64(seed))
        strip = max(1, most // SIDE_BY_SIDE)
        order = random.permutation(len(self.spans)).tolist()
        strips = _side_by_side(self._span(span, places, strip) for span in order)
        taken: list[Block] = []
        for block in strips:
            if sum(map(len, taken)) + len(block) > most:
                yield _mixed(taken, random)
                taken = []
            taken.append(block)
        if taken:
            yield _mixed(taken, random)

    def sample(self, count: int, seed: int, columns: Sequence[str] | None = None) -> Block:
        """Return rows drawn at random without replacement, in random order.

        Args:
            count: how many, >= 0; all rows if there are fewer. Rows dropped for missing numbers are not made up for.
            seed: the same seed gives the same rows.
            columns: as for `blocks`.

        Raises:
            DataError: as for `blocks`.
        """
        random = np.random.Generator(np.random.PCG64(seed))
        chosen = np.sort(random.choice(self.rows, min(count, self.rows), replace=False))
        found = self.take(chosen, columns)
        return found.take(random.permutation(len(found)))

    def take(self, index: np.ndarray, columns: Sequence[str] | None = None) -> Block:
        """Return the rows with these numbers, ascending; only runs that hold one of them are read."""
        places = self._places(columns)
        wanted, found = np.asarray(index, dtype=np.int64), [self._empty(len(places))]
        for span, (start, stop) in enumerate(self.spans):
            inside = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, stop)]
            if len(inside):
                found += self._picked(span, places, inside)
        return join(found)

    def _picked(self, span: int, places: Sequence[int], wanted: np.ndarray) -> Iterator[Block]:
        """Yield the wanted rows of one run; a sample is small, so it is read a few rows at a time."""
        start = self.spans[span][0]
        for values, labels in self._read(span, places, 1 << 14):
            inside = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + len(values))]
            rows = inside - start
            yield self._complete(inside, values[rows], places, None if labels is None else labels[rows])
            start += len(values)
            if start > wanted[-1]:
                return

    def _span(self, span: int, places: Sequence[int], most: int) -> Iterator[Block]:
        start = self.spans[span][0]
        for values, labels in self._read(span, places, max(1, most)):
            yield self._complete(np.arange(start, start + len(values)), values, places, labels)
            start += len(values)

    def _complete(
        self, index: np.ndarray, values: np.ndarray, places: Sequence[int], labels: np.ndarray | None
    ) -> Block:
        """Return the complete rows; refuse the others unless they may be dropped."""
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
            whole = Block(index, values.astype(self.precision, copy=False))
        finite = np.isfinite(whole.values)
        if finite.all():
            return whole
        if self.missing == "drop":
            return whole.take(np.flatnonzero(finite.all(axis=1)))
        column = int(np.flatnonzero(~finite.all(axis=0))[0])
        bad = np.flatnonzero(~finite[:, column])
        kind = "missing" if np.isnan(values[bad[0], column]) else "infinite"
        called = (index + 1 if labels is None else labels)[bad]
        raise DataError(
            f"{self.source}: column {quote(self.names[places[column]].strip())} has {kind} values "
            f"({format_rows(called)}, more may follow): pass --missing drop, or {LEAVE_OUT}"
        )

    def _places(self, columns: Sequence[str] | None) -> list[int]:
        return list(range(len(self.names))) if columns is None else [self.position(name) for name in columns]

    def _empty(self, width: int) -> Block:
        return Block(np.empty(0, dtype=np.int64), np.empty((0, width), dtype=self.precision))


def _side_by_side(readers: Iterator[Iterator[Block]]) -> Iterator[Block]:
    """Read from several readers in turn; one that has ended is replaced by the next."""
    open_ones = deque(islice(readers, SIDE_BY_SIDE))
    while open_ones:
        reader = open_ones.popleft()
        block = next(reader, None)
        if block is not None:
            open_ones.append(reader)
            yield block
        else:
            open_ones.extend(islice(readers, 1))


def _mixed(blocks: Sequence[Block], random: np.random.Generator) -> Block:
    together = join(blocks)
    return together.take(random.permutation(len(together)))
