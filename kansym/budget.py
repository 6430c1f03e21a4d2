"""How long a fit may run: a deadline and an interrupt flag that every stage looks at between its steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """A time limit in seconds (None for none) that starts to run when the object is made.

    Stages ask `expired` between steps and return their best so far when it is true. A signal handler calls
    `interrupt`, which makes every later stage take its shortest way to a result.
    """

    seconds: float | None = None
    interrupted: bool = False
    hit: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Wall-clock seconds since the budget was made."""
        return time.monotonic() - self.started

    @property
    def remaining(self) -> float:
        """Seconds left; infinite without a limit, 0 after an interrupt."""
        if self.interrupted:
            return 0.0
        return float("inf") if self.seconds is None else max(0.0, self.seconds - self.elapsed)

    @property
    def expired(self) -> bool:
        """True once the time is up or the user has interrupted; remembered in `hit` as a stop reason."""
        if self.remaining <= 0.0:
            self.mark()
            return True
        return False

    @property
    def fraction(self) -> float:
        """Share of the time that is used, 0 to 1; 0 without a limit."""
        return 0.0 if self.seconds is None else min(1.0, self.elapsed / self.seconds)

    def interrupt(self) -> None:
        """Ask every running stage to return its best so far."""
        self.interrupted = True

    def mark(self) -> None:
        """Remember that time cut something short."""
        self.hit = True

    def part(self, seconds: float) -> Part:
        """A share of this budget: at most `seconds` from now, and never more than what is left."""
        return Part(self, time.monotonic() + seconds)


@dataclass
class Part:
    """A share of a budget that one stage may use; when it cuts the stage short, the whole budget remembers."""

    whole: Budget | Part
    deadline: float

    @property
    def remaining(self) -> float:
        """Seconds left to this stage."""
        return min(self.whole.remaining, max(0.0, self.deadline - time.monotonic()))

    @property
    def expired(self) -> bool:
        """True when this share, or the whole budget, is used up."""
        if time.monotonic() >= self.deadline:
            self.mark()
        return time.monotonic() >= self.deadline or self.whole.expired

    def mark(self) -> None:
        """Remember in the whole budget that time cut something short."""
        self.whole.mark()

    @property
    def fraction(self) -> float:
        """Share of the whole budget that is used."""
        return self.whole.fraction

    def part(self, seconds: float) -> Part:
        """A share of this share."""
        return Part(self, time.monotonic() + seconds)
