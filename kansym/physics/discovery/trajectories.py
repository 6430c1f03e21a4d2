"""What is measured: the states of a system at moments, along one or several trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kansym.errors import DataError, quote

Array = np.ndarray
FEWEST = 8  # samples of every state in a trajectory


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One run of a system.

    Args:
        times: (N,) rising, in any unit, evenly spaced or not.
        states: (N, D); nan where a sample is missing.
    """

    times: Array
    states: Array

    def __post_init__(self) -> None:
        if self.states.ndim != 2 or self.times.shape != (len(self.states),):
            raise DataError(f"times {self.times.shape} and states {self.states.shape}: pass (N,) and (N, D)")
        if not np.all(np.isfinite(self.times)) or np.any(np.diff(self.times) <= 0):
            raise DataError("the times of a trajectory must rise: sort the rows, or name the column of trajectories")

    @property
    def seen(self) -> Array:
        """(N, D) booleans: which samples there are."""
        return np.isfinite(self.states)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """All runs of one system, with the names and units of its states.

    Args:
        parts: one trajectory or more, all with the same D states.
        names: of the states, D of them, distinct.
        time: the name of the time.
        units: of the states, D of them, None where unknown.
        time_unit: None where unknown.
        source: for messages.
        notes: what was done when they were read.

    Raises:
        DataError: when a trajectory has too few samples, or a state never changes.
    """

    parts: tuple[Trajectory, ...]
    names: tuple[str, ...]
    time: str = "t"
    units: tuple[str | None, ...] = ()
    time_unit: str | None = None
    source: str = "trajectories"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", tuple(self.units) or (None,) * len(self.names))
        if not self.parts or any(part.states.shape[1] != len(self.names) for part in self.parts):
            raise DataError(f"{self.source}: every trajectory needs {len(self.names)} states: {', '.join(self.names)}")
        for number, part in enumerate(self.parts, 1):
            for name, count in zip(self.names, part.seen.sum(axis=0), strict=True):
                if count < FEWEST:
                    where = f"trajectory {number}: " if len(self.parts) > 1 else ""
                    raise DataError(
                        f"{self.source}: {where}{count} samples of {quote(name)}: at least {FEWEST} are needed"
                    )
        for name, size in zip(self.names, self.scale, strict=True):
            if not size > 0:
                raise DataError(f"{self.source}: state {quote(name)} never changes: leave it out with --states")

    @property
    def dimension(self) -> int:
        """Number of states (D)."""
        return len(self.names)

    @property
    def samples(self) -> int:
        """Number of samples of all states and trajectories that are not missing."""
        return int(sum(part.seen.sum() for part in self.parts))

    @cached_property
    def scale(self) -> Array:
        """(D,) standard deviation of every state over all trajectories."""
        return np.nanstd(np.concatenate([part.states for part in self.parts]), axis=0)

    @cached_property
    def size(self) -> Array:
        """(D,) root mean square of every state over all trajectories."""
        return np.sqrt(np.nanmean(np.concatenate([part.states for part in self.parts]) ** 2, axis=0))
