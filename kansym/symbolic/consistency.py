"""The units of a formula: what its value measures, and where it adds or feeds to a function what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kansym.data.dimensions import PURE, Dimension, Dimensions
from kansym.structure.dimensions import measuring
from kansym.symbolic.canonical import canonical
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable, whole

CLASH_NATS = 6.0  # for every place where no unit of the constants makes sense of a formula
CARRIED_NATS = 4.0  # for every place where a constant must have a unit, since all that matters should be a column
NODE_NATS = 2.0
CALL_NATS = 2.0  # a function is one of many, a sum or product one of few: this much more than its node
RATIO_NATS = 6.0  # a wave's argument is an angle, or a product such as omega t, rarely a ratio of like quantities
WAVES = frozenset({"sin", "cos", "tan", "sinc"})


@dataclass(frozen=True)
class Measured:
    """The dimension of a formula, None for any (a free constant may have every unit), and the number of its clashes."""

    dimension: Dimension | None
    clashes: int


def measured(expression: Expression, columns: Sequence[Dimension], pure_constants: bool = False) -> Measured:
    """What a formula measures.

    Args:
        expression: the formula.
        columns: dimensions of the D columns.
        pure_constants: whether free constants are pure numbers; otherwise each may carry whatever unit is missing.
            Exact constants are pure numbers in any case.

    Returns:
        The dimension, and the number of sums of unlike terms and of functions whose argument is no pure number.
    """
    if isinstance(expression, Variable):
        return Measured(columns[expression.index], 0)
    if isinstance(expression, Constant):
        return Measured(PURE if pure_constants or expression.label is not None else None, 0)
    parts = [measured(child, columns, pure_constants) for child in expression.children]
    clashes = sum(part.clashes for part in parts)
    if isinstance(expression, Product):
        return Measured(_product([part.dimension for part in parts]), clashes)
    if isinstance(expression, Power):
        inner = parts[0].dimension
        return Measured(None if inner is None else inner**expression.exponent, clashes)
    if isinstance(expression, Sum):
        return _summed([part.dimension for part in parts], clashes)
    assert isinstance(expression, Call)
    inner = parts[0].dimension
    if expression.name == "abs":
        return Measured(inner, clashes)
    unlike = expression.name != "sign" and inner is not None and not inner.pure
    return Measured(PURE, clashes + unlike)


def _product(dimensions: list[Dimension | None]) -> Dimension | None:
    total = PURE
    for dimension in dimensions:
        if dimension is None:
            return None
        total = total * dimension
    return total


def _summed(dimensions: list[Dimension | None], clashes: int) -> Measured:
    """The commonest dimension of the terms; every term of another one is a clash."""
    known = [dimension for dimension in dimensions if dimension is not None]
    if not known:
        return Measured(None, clashes)
    commonest = max(known, key=known.count)
    return Measured(commonest, clashes + len(known) - known.count(commonest))


def unit_nats(expression: Expression, dimensions: Dimensions | None) -> float:
    """What a formula's units cost beside its nodes, in nats; 0 without units (None).

    A formula in which all units agree and all constants are pure numbers can be said in the groups, which the units
    give for nothing: the nodes that this saves count for it. Where units are given, the columns are meant to hold all
    that matters: a sum of unlike terms is unlikely beforehand, a constant with a unit less so.
    """
    if dimensions is None:
        return 0.0
    carried, clashing = (_places(expression, dimensions, pure) for pure in (True, False))
    calls = [node for node in expression.walk() if isinstance(node, Call)]
    ratios = sum(call.name in WAVES and _of_likes(call.argument, dimensions.inputs) for call in calls)
    saved = 0 if carried else expression.complexity - _complexity_in_groups(expression, dimensions)
    prior = CALL_NATS * len(calls) + RATIO_NATS * ratios - NODE_NATS * saved
    return CARRIED_NATS * carried + CLASH_NATS * clashing + prior


def agrees(expression: Expression, dimensions: Dimensions) -> bool:
    """Whether all units of a formula agree where all its constants are pure numbers."""
    return not _places(expression, dimensions, True)


def _complexity_in_groups(expression: Expression, dimensions: Dimensions) -> int:
    lengths = [expression.complexity]
    for columns in measuring(dimensions):
        parts = [whole(1) if i in columns else Variable(i) for i in range(len(dimensions.inputs))]
        lengths.append(canonical(expression.substitute(parts)).complexity)
    return min(lengths)


def _of_likes(argument: Expression, columns: Sequence[Dimension]) -> bool:
    """Whether two columns of one dimension, not pure, occur in the argument on both sides of a fraction."""
    above, below = set[Dimension](), set[Dimension]()
    for node in argument.walk():
        if isinstance(node, Product):
            for factor in node.factors:
                base = factor.base if isinstance(factor, Power) else factor
                if isinstance(base, Variable) and not columns[base.index].pure:
                    inverse = isinstance(factor, Power) and factor.exponent < 0
                    (below if inverse else above).add(columns[base.index])
    return bool(above & below)


def _places(expression: Expression, dimensions: Dimensions, pure_constants: bool) -> int:
    found = measured(expression, dimensions.inputs, pure_constants)
    return found.clashes + (found.dimension is not None and found.dimension != dimensions.target)
