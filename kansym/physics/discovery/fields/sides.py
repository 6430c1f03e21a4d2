"""Found equations with both their sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kansym.physics.discovery.found import Curve, Equation

Array = np.ndarray
SHOWN = 400  # averages or points in the picture


@dataclass(frozen=True, eq=False)
class Side:
    """An equation with its two sides (M,) under averages or at points; exact: whether only noise is left."""

    equation: Equation
    left: Array
    right: Array
    exact: bool

    def curve(self) -> Curve:
        """The left-hand side over the right-hand side, and the line of equality."""
        rows = np.arange(0, len(self.left), max(1, len(self.left) // SHOWN))
        ends = np.array([self.right.min(), self.right.max()])
        return Curve(self.equation.left, 1, self.right[rows], self.left[rows], ends, ends)
