"""Which functions of one variable the kernels can make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """The families; the numbers are those of pointwise.py."""

    EVEN_SPLINE = 0
    KNOT_SPLINE = 1
    RSWAF = 2
    GAUSSIAN = 3


@dataclass(frozen=True)
class Features:
    """The functions of every input: a family, and the SiLU of the input as the last one where `base` says so.

    A row of the grid is that of the library's basis: for splines the B + k + 1 knots (evenly spaced for EVEN_SPLINE);
    for the radial families, 1 - tanh(u)^2 and exp(-u^2) of u = (x - c) w, B centres c, then B inverse widths w, then
    numbers that are not read.

    Args:
        kind: the family.
        degree: k of splines, >= 0; without meaning for the others.
        base: whether the last feature is the SiLU of the input.
    """

    kind: Kind
    degree: int = 3
    base: bool = True

    @property
    def is_spline(self) -> bool:
        return self.kind in (Kind.EVEN_SPLINE, Kind.KNOT_SPLINE)

    def intervals(self, functions: int) -> int:
        """Return how many steps there are between the ends of the domain, or between the centres."""
        return functions - self.degree if self.is_spline else functions - 1

    def fits(self, functions: int, row: int) -> bool:
        """Return whether a grid row of so many numbers can hold so many functions, of which there must be two."""
        held = row == functions + self.degree + 1 if self.is_spline else row >= 2 * functions
        return functions >= 2 and self.intervals(functions) >= 1 and held
