"""Where an equation holds: a box, or a union of boxes; and the faces on which conditions stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kansym.errors import ConfigError, did_you_mean, quote

Array = np.ndarray
TIME = "t"
NEAR = 1e-12
_FACE = re.compile(r"\s*(\w+)\s*=\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True)
class Face:
    """A side of a box: one coordinate has a fixed value, the others run over their ranges.

    low, high: corners (D,); they agree on the face's own coordinate.
    """

    axis: int
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def at(self) -> float:
        return self.low[self.axis]

    @property
    def area(self) -> float:
        return float(
            np.prod([b - a for i, (a, b) in enumerate(zip(self.low, self.high, strict=True)) if i != self.axis])
        )

    def place(self, unit: Array) -> Array:
        """Return points (n, D) for numbers (n, D - 1) in [0, 1]."""
        full = np.insert(unit, self.axis, 0.0, axis=1)
        return np.asarray(self.low) + (np.asarray(self.high) - np.asarray(self.low)) * full


@dataclass(frozen=True)
class Box:
    """The product of intervals, one per coordinate.

    Args:
        ranges: (name, low, high) per coordinate, or a mapping from name to (low, high). Names are single letters; "t"
            is time, which "boundary" leaves out.
    """

    ranges: tuple[tuple[str, float, float], ...] | Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        given = self.ranges
        entries = given.items() if isinstance(given, Mapping) else [(name, (low, high)) for name, low, high in given]
        object.__setattr__(self, "ranges", tuple(_checked_range(name, ends) for name, ends in entries))
        if not self.ranges or len(set(self.names)) != len(self.names):
            raise ConfigError("a domain needs one range for every coordinate, each with a name of its own")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _, _ in self.ranges)

    @cached_property
    def low(self) -> Array:
        return np.array([low for _, low, _ in self.ranges])

    @cached_property
    def high(self) -> Array:
        return np.array([high for _, _, high in self.ranges])

    @property
    def box(self) -> Box:
        """The smallest box around it."""
        return self

    @property
    def boxes(self) -> tuple[Box, ...]:
        return (self,)

    @property
    def volume(self) -> float:
        return float(np.prod(self.high - self.low))

    def contains(self, points: Array, margin: float = NEAR) -> Array:
        """Return which points (n, D) are inside or on the edge, (n,)."""
        reach = margin * (self.high - self.low)
        return np.all((points >= self.low - reach) & (points <= self.high + reach), axis=1)

    def place(self, unit: Array) -> Array:
        """Return points (n, D) for numbers (n, D) in [0, 1]."""
        return self.low + (self.high - self.low) * unit

    def faces(self) -> tuple[Face, ...]:
        """Return all 2 D sides."""
        return tuple(self.face(axis, end) for axis in range(len(self.names)) for end in (self.low, self.high))

    def face(self, axis: int, ends: Array) -> Face:
        low, high = self.low.copy(), self.high.copy()
        low[axis] = high[axis] = ends[axis]
        return Face(axis, tuple(low.tolist()), tuple(high.tolist()))

    def with_range(self, name: str, low: float, high: float) -> Box:
        """Return the box with another range of one coordinate."""
        ends = zip(self.names, self.low.tolist(), self.high.tolist(), strict=True)
        return Box(tuple((n, low, high) if n == name else (n, a, b) for n, a, b in ends))


@dataclass(frozen=True)
class Union:
    """Boxes over the same coordinates; where they overlap, each point counts once."""

    boxes: tuple[Box, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", tuple(self.boxes))
        if not self.boxes or len({box.names for box in self.boxes}) != 1:
            raise ConfigError("a union needs at least one box, and all boxes the same coordinates in the same order")

    @property
    def names(self) -> tuple[str, ...]:
        return self.boxes[0].names

    @cached_property
    def box(self) -> Box:
        """The smallest box around it."""
        low = np.min([box.low for box in self.boxes], axis=0)
        high = np.max([box.high for box in self.boxes], axis=0)
        return Box(tuple(zip(self.names, low.tolist(), high.tolist(), strict=True)))

    @property
    def volume(self) -> float:
        """An upper bound: overlaps count twice."""
        return sum(box.volume for box in self.boxes)

    def contains(self, points: Array, margin: float = NEAR) -> Array:
        """Return which points (n, D) are inside or on the edge, (n,)."""
        return np.any([box.contains(points, margin) for box in self.boxes], axis=0)

    def faces(self) -> tuple[Face, ...]:
        """Return the sides of all boxes; parts of them may lie inside another box, see `on_edge`."""
        return tuple(face for box in self.boxes for face in box.faces())


Domain = Box | Union


def on_edge(domain: Domain, points: Array) -> Array:
    """Return which points (n, D) on the faces are on the edge of the whole domain, (n,).

    Inside, every small step along any axis stays in the domain.
    """
    inner = np.ones(len(points), dtype=bool)
    step = 1e-7 * (domain.box.high - domain.box.low)
    for axis in range(points.shape[1]):
        for sign in (-1, 1):
            moved = points.copy()
            moved[:, axis] += sign * step[axis]
            inner &= domain.contains(moved, 0.0)
    return ~inner


def faces_at(domain: Domain, where: str, periodic: Sequence[str] = ()) -> tuple[Face, ...]:
    """Return the faces that a text names: "x = -1", several joined by commas, or "boundary" (all but those of time).

    Args:
        domain: whose faces.
        where: the text.
        periodic: coordinates without ends: "boundary" leaves them out.

    Raises:
        ConfigError: when it names none.
    """
    if where.strip() == "boundary":
        faces = tuple(face for face in domain.faces() if domain.names[face.axis] not in (TIME, *periodic))
        if not faces:
            raise ConfigError("'boundary' names no side: all coordinates but the time are periodic")
        return faces
    return tuple(face for part in where.split(",") for face in _named(domain, part))


def _named(domain: Domain, where: str) -> Iterator[Face]:
    found = _FACE.fullmatch(where)
    if not found:
        raise ConfigError(f"{quote(where)} names no part of the edge: write 'boundary' or a side such as 'x = 0'")
    name, value = found.group(1), float(found.group(2))
    if name not in domain.names:
        raise ConfigError(f"no coordinate is called {quote(name)}: {did_you_mean(name, domain.names)}")
    axis = domain.names.index(name)
    width = float(domain.box.high[axis] - domain.box.low[axis])
    faces = [face for face in domain.faces() if face.axis == axis and abs(face.at - value) <= NEAR * width]
    if not faces:
        ends = sorted({face.at for face in domain.faces() if face.axis == axis})
        raise ConfigError(f"no side of the domain is at {name} = {value:g}: there are {_listed(name, ends)}")
    yield from faces


def _listed(name: str, ends: Sequence[float]) -> str:
    return " and ".join(f"{name} = {end:g}" for end in ends)


def _checked_range(name: str, ends: tuple[float, float]) -> tuple[str, float, float]:
    if len(name) != 1 or not name.isalpha():
        raise ConfigError(f"coordinate {quote(name)}: a coordinate is called by one letter, such as x, y, t")
    try:
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the range of {name} is {ends!r}: give two numbers, such as [0, 1]") from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ConfigError(f"the range of {name} is {low:g} to {high:g}: the first number must be below the second")
    return name, low, high
