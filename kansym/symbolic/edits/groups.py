"""Edits of formulas whose units agree: in the groups that the units leave, where there are fewer columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kansym.data.dimensions import Dimensions
from kansym.structure.dimensions import measured_by, measuring
from kansym.structure.symmetry import Scaling
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Expression, Variable, multiply, whole
from kansym.symbolic.search import monomial

Array = np.ndarray


@dataclass(frozen=True)
class Groups:
    """The columns that measure all others, and the others measured by them."""

    measuring: tuple[int, ...]
    scaling: Scaling

    @staticmethod
    def of(formulas: Iterable[Expression], dimensions: Dimensions, rows: Rows) -> Groups | None:
        """The measuring columns in which these formulas are shortest; None where none are positive on all rows.

        To set a column to 1 is to divide by it only where it is positive.
        """
        formulas = list(formulas)
        options = []
        for columns in measuring(dimensions):
            if not np.all(rows.inputs[:, list(columns)] > 0):
                continue
            scaling = measured_by(dimensions, columns)
            if scaling is not None and scaling.invariants:
                groups = Groups(columns, scaling)
                options.append((sum(groups.lowered(formula).complexity for formula in formulas), groups))
        return min(options, key=lambda option: option[0])[1] if options else None

    def rows(self, rows: Rows) -> Rows | None:
        """The table of the groups, its errors weighed as those of the rows; None where it is not finite."""
        front = self.front.evaluate(rows.inputs)
        inputs = np.stack([group.evaluate(rows.inputs) for group in self.groups], axis=1)
        weights = front**2 * (1.0 if rows.weights is None else rows.weights)
        target = rows.target / front
        if not (np.all(np.isfinite(inputs)) and np.all(np.isfinite(target)) and 0 < np.mean(weights) < np.inf):
            return None
        return Rows(inputs, target, weights / np.mean(weights))

    def lowered(self, formula: Expression) -> Expression:
        """A formula whose units agree as one of the groups."""
        count = len(self.scaling.prefactor)
        others = iter(range(count))
        parts = [whole(1) if i in self.measuring else Variable(next(others)) for i in range(count)]
        return canonical(formula.substitute(parts))

    def lifted(self, formula: Expression) -> Expression:
        """A formula of the groups as one of the columns."""
        return canonical(multiply(self.front, formula.substitute(list(self.groups))))

    @property
    def front(self) -> Expression:
        """A product of the measuring columns with the unit of the target."""
        return monomial(self.scaling.prefactor)

    @property
    def groups(self) -> tuple[Expression, ...]:
        """The other columns over products of the measuring ones."""
        return tuple(map(monomial, self.scaling.invariants))
