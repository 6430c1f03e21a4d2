"""Laws in SI units, whose constants rounding to 3 decimals would wipe out: put into units that suit them."""

from __future__ import annotations

import numpy as np

from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    Variable,
    add,
    call,
    multiply,
    raise_to,
)

VANISHES = 1e-4
ORDINARY = (1e-2, 1e4)


def vanishes(law: Expression) -> bool:
    """Return whether a free constant of the law, or its inverse, would be rounded to 0."""
    return any(
        constant.value and not VANISHES <= abs(constant.value) <= 1 / VANISHES for constant in law.free_constants
    )


def scaled(formula: Expression, law: Expression, inputs: np.ndarray) -> tuple[Expression, Expression]:
    """Return formula and law in units that are powers of ten of the old ones, the same for both.

    Columns of odd size get a typical size between 0.4 and 4, common powers of ten of the terms of a sum are written in
    front of it, and the number in front of the law becomes one between 1 and 10 if it was not ordinary.

    Args:
        formula, law: over the same columns.
        inputs: (N, D), where the size of the columns is seen.
    """
    from kansym.problem import power_of_ten

    columns = [_times(float(power), Variable(place)) for place, power in enumerate(power_of_ten(inputs))]
    (own, form), (factor, rest) = (_split(each.substitute(columns)) for each in (formula, law))
    unit = 1.0 if _ordinary(factor) else float(10.0 ** np.floor(np.log10(abs(factor))))
    return _times(own / unit, form), _times(factor / unit, rest)


def _whole(expression: Expression) -> Expression:
    return _times(*_split(expression))


def _times(factor: float, expression: Expression) -> Expression:
    return expression if factor == 1.0 else multiply(Constant(factor), expression)


def _split(node: Expression) -> tuple[float, Expression]:
    """Return a factor and an expression of ordinary constants whose product is the node."""
    if isinstance(node, Constant) and node.value and (node.label is None or not _ordinary(node.value)):
        return node.value, multiply()
    if isinstance(node, Product):
        parts = [_split(child) for child in node.children]
        return float(np.prod([factor for factor, _ in parts])), multiply(*(rest for _, rest in parts))
    if isinstance(node, Power):
        return _split_power(node)
    if isinstance(node, Sum):
        return _split_sum(node)
    return 1.0, call(node.name, _whole(node.children[0])) if isinstance(node, Call) else node


def _split_power(node: Power) -> tuple[float, Expression]:
    factor, rest = _split(node.children[0])
    if factor > 0 and 1e-250 < factor ** float(node.exponent) < 1e250:
        return factor ** float(node.exponent), raise_to(rest, node.exponent)
    return 1.0, raise_to(_times(factor, rest), node.exponent)


def _split_sum(node: Sum) -> tuple[float, Expression]:
    parts = [_split(child) for child in node.children]
    largest = max(abs(factor) for factor, _ in parts)
    power = 1.0 if _ordinary(largest) else float(10.0 ** np.floor(np.log10(largest)))
    return power, add(*(_times(factor / power, rest) for factor, rest in parts))


def _ordinary(size: float) -> bool:
    return ORDINARY[0] <= abs(size) < ORDINARY[1]
