"""What an experiment is: one seed gives rows of figures, and bars say what figures are good enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from kansym.bench.tables import Column, Record
from kansym.budget import Budget
from kansym.errors import ConfigError, quote
from kansym.events import Listener, ignore

if TYPE_CHECKING:
    from kansym.data import Dataset
    from kansym.report.canvas import Figure

AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "median": median,
    "least": min,
    "most": max,
    "total": sum,
    "mean": lambda values: sum(values) / len(values),
}


@dataclass(frozen=True)
class Bar:
    """A figure that must be reached.

    Args:
        key: of the records; truth values count as 0 and 1.
        limit: that the figure is held against.
        at_least: whether larger is better; else the figure may be at most the limit.
        case: the rows that count, by their "case"; "" for all.
        over: how the figures of the seeds become one: "median", "least", "most", "total" or "mean".
        beats: whose figure this is, in words.
    """

    key: str
    limit: float
    at_least: bool = False
    case: str = ""
    over: str = "median"
    beats: str = ""

    def figure(self, records: Sequence[Record]) -> float | None:
        """Return the figure that the records reach; None where none of them has it."""
        values = [record.get(self.key) for record in records if self.case in ("", record["case"])]
        numbers = [float(value) for value in values if value is not None]
        return AGGREGATES[self.over](numbers) if numbers else None

    def reached(self, records: Sequence[Record]) -> bool:
        """Return whether the figure is good enough; a figure that is missing is not."""
        figure = self.figure(records)
        return figure is not None and (figure >= self.limit if self.at_least else figure <= self.limit)


def _unknown(name: str) -> Any:
    raise ConfigError(f"nothing is known of data set {quote(name)}: run the experiment by `kansym experiment run`")


@dataclass(frozen=True)
class Setting:
    """What a run of one seed is given.

    Args:
        seed: of everything that is random.
        data: gives a data set by its name; of a generated one also (name, rows, noise, seed).
        tell: hears the events of fits.
        quick: small sizes and few steps: only to see that everything runs; bars are not held against this.
        clock: of time limits and times: `time.process_time` where others keep the machine busy.
        peers: whether other programs run on the same problem, where they are installed.
        card: gives what is known of a data set by its name: law, source, certified values.
        digits: gives a measured table with all its printed digits by its name: (N, D + 1) in extended precision.
    """

    seed: int
    data: Callable[..., Dataset]
    tell: Listener = ignore
    quick: bool = False
    peers: bool = False
    card: Callable[[str], Any] = _unknown
    digits: Callable[[str], Any] = _unknown
    clock: Callable[[], float] = time.monotonic

    def budget(self, seconds: float | None) -> Budget:
        """A time limit on the clock of the run."""
        return Budget(seconds, clock=self.clock)


@dataclass(frozen=True)
class Experiment:
    """A question that a run answers.

    Args:
        name: on the command line.
        title: what is measured, in one line.
        rule: how it is measured: sizes, error measures, what counts.
        columns: of the table; every record also has "case" and "seed".
        bars: what must be reached.
        run: rows of one seed; each has "case", the name of what ran.
        picture: draws the records of all seeds; None where there is nothing to see.
    """

    name: str
    title: str
    rule: str
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...]
    run: Callable[[Setting], Sequence[dict[str, Any]]]
    picture: Callable[[Sequence[Record]], Figure] | None = None
