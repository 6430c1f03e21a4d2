"""How long a fit may run: a deadline and an interrupt flag that every stage looks at between its steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Budget:
    """A time limit in seconds (None for none) that starts to run when the object is made.

    Stages ask `expired` between steps and return their best so far when it is true. A signal handler calls
    `interrupt`, which makes every later stage take its shortest way to a result.

    clock: gives the seconds that count: `time.monotonic`, or `time.process_time` where others keep the machine busy.
    """

    seconds: float | None = None
    interrupted: bool = False
    hit: bool = False
    started: float = field(default=float("nan"))
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        if math.isnan(self.started):
            self.started = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the budget was made."""
        return self.clock() - self.started

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
        return Part(self, self.clock() + seconds)


@dataclass
class Part:
    """A share of a budget that one stage may use; when it cuts the stage short, the whole budget remembers."""

    whole: Budget | Part
    deadline: float

    @property
    def clock(self) -> Callable[[], float]:
        """The clock of the whole budget."""
        return self.whole.clock

    @property
    def interrupted(self) -> bool:
        """Whether the user has interrupted the whole."""
        return self.whole.interrupted

    @property
    def remaining(self) -> float:
        """Seconds left to this stage."""
        return min(self.whole.remaining, max(0.0, self.deadline - self.clock()))

    @property
    def expired(self) -> bool:
        """True when this share, or the whole budget, is used up."""
        if self.clock() >= self.deadline:
            self.mark()
        return self.clock() >= self.deadline or self.whole.expired

    def mark(self) -> None:
        """Remember in the whole budget that time cut something short."""
        self.whole.mark()

    @property
    def fraction(self) -> float:
        """Share of the whole budget that is used."""
        return self.whole.fraction

    def part(self, seconds: float) -> Part:
        """A share of this share."""
        return Part(self, self.clock() + seconds)


@dataclass
class Inner(Budget):
    """A budget inside another one: it ends with it, but what it cuts short is not remembered there."""

    whole: Budget | Part | None = None

    @staticmethod
    def of(whole: Budget | Part, seconds: float) -> Inner:
        """A budget of so many seconds, by the clock of the whole."""
        return Inner(None if seconds == float("inf") else seconds, clock=whole.clock, whole=whole)

    @property
    def remaining(self) -> float:
        """Seconds left, to itself and to the whole."""
        if self.whole is not None and self.whole.interrupted:
            self.interrupted = True
        own = super().remaining
        return own if self.whole is None else min(own, self.whole.remaining)
