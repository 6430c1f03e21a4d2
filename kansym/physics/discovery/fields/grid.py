"""Fields on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kansym.errors import DataError, quote

Array = np.ndarray
FEWEST = 40


@dataclass(frozen=True, eq=False)
class Field:
    """Fields sampled on a grid of evenly spaced times and places.

    Args:
        axes: (n,) evenly rising, by name, the time first.
        values: (n_t, n_x[, n_y]) by name.
        source: for messages.
        units: of axes and fields, by name; those left out are not known.

    Raises:
        DataError: when an axis is uneven or short, or a field has another shape or numbers that are not finite.
    """

    axes: Mapping[str, Array]
    values: Mapping[str, Array]
    source: str = "field"
    units: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, axis in self.axes.items():
            steps = np.diff(axis)
            if len(axis) < FEWEST:
                raise DataError(
                    f"{self.source}: axis {quote(name)} has {len(axis)} points: at least {FEWEST} are needed"
                )
            if not (np.all(steps > 0) and np.ptp(steps) <= 1e-6 * steps.mean()):
                raise DataError(f"{self.source}: axis {quote(name)} is not evenly rising: resample the field first")
        shape = tuple(len(axis) for axis in self.axes.values())
        for name, values in self.values.items():
            if values.shape != shape:
                raise DataError(f"{self.source}: field {quote(name)} is {values.shape}, but its axes are {shape}")
            if not np.all(np.isfinite(values)) or not np.std(values) > 0:
                raise DataError(f"{self.source}: field {quote(name)} has missing numbers, or never changes")

    @staticmethod
    def of(
        axes: Mapping[str, Array], values: Mapping[str, Array], source: str, units: Mapping[str, str | None]
    ) -> Field:
        """A field whose axes are put into the order of `axes`, where their lengths tell; the order given otherwise."""
        wanted = [len(axis) for axis in axes.values()]
        ordered = {}
        for name, array in values.items():
            if sorted(array.shape) != sorted(wanted):
                raise DataError(f"{source}: field {quote(name)} is {array.shape}, but its axes are {tuple(wanted)}")
            distinct = len(set(wanted)) == len(wanted)
            places = [array.shape.index(n) for n in wanted] if distinct else range(array.ndim)
            ordered[name] = np.transpose(array, tuple(places))
        return Field(dict(axes), ordered, source, units)

    @property
    def time(self) -> str:
        """The name of the time."""
        return next(iter(self.axes))

    @property
    def space(self) -> tuple[str, ...]:
        """The names of the axes of space."""
        return tuple(self.axes)[1:]

    @property
    def steps(self) -> tuple[float, ...]:
        """The spacing along every axis."""
        return tuple(float(axis[1] - axis[0]) for axis in self.axes.values())
