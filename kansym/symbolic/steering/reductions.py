"""What statements allow to say with fewer columns: difference(x, y) makes x - y one column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Constant, Expression, Variable, add, multiply, raise_to, whole
from kansym.symbolic.steering.outline import Application, Function, Outline
from kansym.symbolic.steering.statements import Statement, degree_of

Array = np.ndarray


def _square(node: Expression) -> Expression:
    return raise_to(node, Fraction(2))


_JOINED: dict[str, Callable[[Expression, Expression], Expression]] = {
    "sum": lambda x, y: add(x, y),
    "difference": lambda x, y: add(x, multiply(whole(-1), y)),
    "product": lambda x, y: multiply(x, y),
    "ratio": lambda x, y: multiply(x, raise_to(y, Fraction(-1))),
    "norm": lambda x, y: add(_square(x), _square(y)),
}


@dataclass(frozen=True)
class Reduction:
    """target = factor * G(columns), where factor and columns are formulas of the table's own columns."""

    factor: Expression
    columns: tuple[Expression, ...]

    def apply(self, rows: Rows) -> Rows | None:
        """The rows of G; None where they are not all finite, or where a column would be the same in every row."""
        columns = [column.evaluate(rows.inputs) for column in self.columns]
        factor = self.factor.evaluate(rows.inputs)
        with np.errstate(all="ignore"):
            inputs, target = np.stack(columns, axis=1), rows.target / factor
        weights = None if rows.weights is None else rows.weights * factor**2
        if isinstance(self.factor, Constant):
            weights = rows.weights
        usable = np.all(np.isfinite(inputs)) and np.all(np.isfinite(target)) and np.all(np.ptp(inputs, axis=0) > 0)
        return Rows(inputs, target, weights) if usable else None

    def lift(self, formula: Expression) -> Expression:
        """A formula of G's columns as one of the table's."""
        return multiply(self.factor, formula.substitute(self.columns))


def reductions_of(statements: Sequence[Statement], columns: int) -> list[Reduction | None]:
    """The tables to search, None for the table itself; that of the fewest columns, and before it that of an even law.

    A law that is odd in x is x times an even one.
    """
    plain = _joined(statements, columns)
    start = plain or Reduction(whole(1), tuple(Variable(i) for i in range(columns)))
    odd = [Variable(each.columns[0]) for each in statements if each.kind == "odd"]
    factors = [each for each in dict.fromkeys(odd) if each in start.columns]
    return [Reduction(multiply(start.factor, *factors), start.columns), plain] if factors else [plain]


def _joined(statements: Sequence[Statement], columns: int) -> Reduction | None:
    """The fewest columns that the statements leave; None when they leave all. One column is joined only once."""
    left: list[Expression] = [Variable(i) for i in range(columns)]
    factor: Expression = whole(1)
    for statement in statements:
        own = [Variable(i) for i in statement.columns]
        if not all(each in left for each in own):
            continue
        if statement.kind in _JOINED:
            left[left.index(own[0])] = _JOINED[statement.kind](own[0], own[1])
            left.remove(own[1])
        elif statement.kind == "homogeneous" and len(left) > 1:
            first, *others = own
            factor = multiply(factor, raise_to(first, degree_of(statement)))
            left = [_JOINED["ratio"](each, first) if each in others else each for each in left if each != first]
    return Reduction(factor, tuple(left)) if len(left) < columns else None


def outline_of(statements: Sequence[Statement], columns: int) -> Outline | None:
    """The sum, or the product, of unknown functions that the statements say the law is; None when they say neither.

    Columns stay in one function unless a statement parts them.
    """
    for kind, join in (("additive", add), ("multiplicative", multiply)):
        apart = {
            frozenset((a, b))
            for each in statements
            if each.kind == kind
            for a in each.columns
            for b in each.columns
            if a != b
        }
        groups = _groups(apart, columns)
        if apart and len(groups) > 1 and all(len(group) <= 3 for group in groups):
            functions = tuple(Function(f"f{k}", len(group)) for k, group in enumerate(groups))
            places = tuple(Application(k, tuple(Variable(i) for i in group)) for k, group in enumerate(groups))
            body = join(*(Variable(columns + k) for k in range(len(groups))))
            return Outline(body, columns, (), (), functions, places)
    return None


def _groups(apart: set[frozenset[int]], columns: int) -> list[list[int]]:
    """Columns that no statement parts, directly or through others."""
    groups: list[list[int]] = []
    for column in range(columns):
        near = [group for group in groups if any(frozenset((column, other)) not in apart for other in group)]
        merged = sorted([column, *(other for group in near for other in group)])
        groups = [group for group in groups if group not in near] + [merged]
    return sorted(groups)
