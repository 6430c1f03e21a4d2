"""A fixed order of terms and factors that does not depend on the values of free constants, except to break ties."""

from __future__ import annotations

from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable

Key = tuple


def degree(node: Expression) -> float:
    """The degree as a polynomial; functions count as 0."""
    if isinstance(node, Variable):
        return 1.0
    if isinstance(node, Power):
        return float(node.exponent) * degree(node.base)
    if isinstance(node, Product):
        return sum(degree(factor) for factor in node.factors)
    return max(degree(term) for term in node.terms) if isinstance(node, Sum) else 0.0


def values(node: Expression) -> tuple[float, ...]:
    """The free constants, to break ties between equal structures."""
    return tuple(constant.value for constant in node.free_constants)


def term_key(node: Expression) -> Key:
    """Order in a sum: high degree first, constants last."""
    return (not node.variables, -degree(node), node.skeleton, values(node))


def factor_key(node: Expression) -> Key:
    """Order in a product: numbers, then powers of variables, then sums, then functions."""
    base = node.base if isinstance(node, Power) else node
    rank = {Constant: 0, Variable: 1, Sum: 2, Product: 2, Call: 3}[type(base)]
    return (rank, base.skeleton, node.skeleton, values(node))
