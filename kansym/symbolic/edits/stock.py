"""What edits are made of: short expressions of the columns, and pieces of other good formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kansym.symbolic.expression import Constant, Expression, Variable
from kansym.symbolic.listing import LARGEST, Listing, even, listing

Array = np.ndarray
LISTED, PAIRED = 1200, 250  # short expressions of one or two columns; of these, those that are joined two by two
BASES = 4  # nodes of an expression that is raised to a power
LEAST_PIECE, LONGEST_PIECE, MOST_PIECES = 3, 12, 120  # nodes of pieces of other formulas, and how many are taken


@dataclass(frozen=True)
class Stock:
    """Expressions with their values on the rows.

    Attributes:
        trees: M expressions.
        values: (M, n) of them.
        nodes: (M,) their complexities.
        pairs: those of which two are joined.
    """

    trees: tuple[Expression, ...]
    values: Array
    nodes: Array
    pairs: Listing

    @staticmethod
    def of(points: Array, target: Array, allowed: Callable[[Expression], bool]) -> Stock:
        """All short expressions of the columns of points (n, D) that are allowed; more of them for more columns."""
        columns = points.shape[1]
        found = _allowed(even(listing(points, LISTED * min(max(columns - 1, 1), 3)), target), allowed)
        few = _allowed(even(listing(points, PAIRED), target), allowed)
        return Stock(found.trees, found.values, found.complexity, few)

    def with_pieces(self, formulas: Iterable[Expression], points: Array) -> Stock:
        """The stock and the pieces of other formulas."""
        size = self.values.shape[1]
        found: dict[Expression, tuple[Expression, Array]] = {}
        for node in (node for formula in formulas for node in formula.walk()):
            if len(found) == MOST_PIECES:
                break
            if isinstance(node, (Constant, Variable)) or not LEAST_PIECE <= node.complexity <= LONGEST_PIECE:
                continue
            if (shape := rounded(node, 2)) not in found and node.variables:
                value = node.evaluate(points)
                if np.all(np.isfinite(value)) and 1.0 / LARGEST < np.max(np.abs(value)) < LARGEST:
                    found[shape] = node, value
        trees, values = [tree for tree, _ in found.values()], [value for _, value in found.values()]
        nodes = [float(tree.complexity) for tree in trees]
        return Stock(
            (*self.trees, *trees), np.vstack([self.values, np.reshape(values, (-1, size))]),
            np.concatenate([self.nodes, nodes]), self.pairs,
        )  # fmt: skip

    @cached_property
    def squares(self) -> Array:
        """(M, n) squares of the values."""
        return self.values**2

    @cached_property
    def bases(self) -> Array:
        """Numbers (B,) of the short expressions that are positive on all rows."""
        return np.flatnonzero(np.all(self.values > 0, axis=1) & (self.nodes <= BASES))

    @cached_property
    def logarithms(self) -> Array:
        """(B, n) logarithms of the bases."""
        return np.log(self.values[self.bases])


def rounded(formula: Expression, digits: int) -> Expression:
    """The formula with its numbers rounded, by which it is known again."""
    text = f".{digits}g"
    return formula.map(lambda node: Constant(float(format(node.value, text))) if isinstance(node, Constant) else node)


def _allowed(found: Listing, allowed: Callable[[Expression], bool]) -> Listing:
    kept = [i for i, tree in enumerate(found.trees) if allowed(tree)]
    return Listing(tuple(found.trees[i] for i in kept), found.values[kept], found.complexity[kept])
