"""What a user may choose about a measurement, whatever is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kansym.bench.engine import Plan
from kansym.bench.peers import Found, find
from kansym.errors import ConfigError, did_you_mean, quote

Named = TypeVar("Named")


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Args:
        device: "cpu" or a CUDA device.
        peers: folder with check-outs of other programs.
        threads: of torch; None for what it has.
        rounds: of every race; None for the suite's own number.
        quick: only show that everything runs: small data and two rounds.
        cases: names of the cases to run; all if empty.
        compiled: everybody once more through torch.compile.
        memory: measure the peak memory where a case asks for it.
        seeds: of the training suite; None for its own number.
        tell: gets a line when something begins.
    """

    device: str = "cpu"
    peers: Path | None = None
    threads: int | None = None
    rounds: int | None = None
    quick: bool = False
    cases: tuple[str, ...] = ()
    compiled: bool = False
    memory: bool = True
    seeds: int | None = None
    tell: Callable[[str], None] = field(default=lambda line: None)

    def plan(self, rounds: int = 15, seconds: float = 90.0) -> Plan:
        """Return the plan of a race that by itself has so many rounds and ends after so many seconds."""
        if self.quick:
            return Plan(self.rounds or 2, 1, 0.001, 5.0, 1)
        return Plan(self.rounds or rounds, min(3, self.rounds or 3), 0.01, seconds)

    def chosen(self, cases: Sequence[Named], name: Callable[[Named], str]) -> list[Named]:
        """Return the cases whose names were asked for, in their own order.

        Raises:
            ConfigError: when there is none of a name.
        """
        known = {name(case): case for case in cases}
        for wanted in self.cases:
            if wanted not in known:
                raise ConfigError(f"unknown case {quote(wanted)}: {did_you_mean(wanted, known)}")
        return [case for case in cases if not self.cases or name(case) in self.cases]

    def found(self) -> list[Found]:
        """Look for the peers."""
        return find(self.peers)


def lines(found: Iterable[Found]) -> tuple[str, ...]:
    """Return what to say about the peers."""
    return tuple(each.line() for each in found)
