"""Products and sums taken apart into factors and terms, and put together as they are: no rule is applied."""

from __future__ import annotations

from collections.abc import Sequence

from kansym.symbolic.arithmetic import ONE, ZERO
from kansym.symbolic.expression import Constant, Expression, Product, Sum


def factors_of(node: Expression) -> tuple[Expression, ...]:
    """The factors of a product; any other node is its own only factor."""
    return node.factors if isinstance(node, Product) else (node,)


def terms_of(node: Expression) -> tuple[Expression, ...]:
    """The terms of a sum; any other node is its own only term."""
    return node.terms if isinstance(node, Sum) else (node,)


def split(node: Expression) -> tuple[Constant, Expression]:
    """(coefficient, rest) of a term; a constant has the rest 1."""
    if isinstance(node, Constant):
        return node, ONE
    factors = factors_of(node)
    head = factors[0]
    if not isinstance(head, Constant):
        return ONE, node
    rest = factors[1:]
    return head, rest[0] if len(rest) == 1 else Product(rest)


def product_of(factors: Sequence[Expression]) -> Expression:
    """A product node as it is."""
    return ONE if not factors else factors[0] if len(factors) == 1 else Product(tuple(factors))


def sum_of(terms: Sequence[Expression]) -> Expression:
    """A sum node as it is."""
    return ZERO if not terms else terms[0] if len(terms) == 1 else Sum(tuple(terms))


def scaled(coefficient: Constant, rest: Expression) -> Expression:
    """coefficient * rest with the coefficient 1 left out."""
    if rest == ONE:
        return coefficient
    return rest if coefficient == ONE else Product((coefficient, *factors_of(rest)))


def leading_is_negative(node: Expression) -> bool:
    """Whether the first term in the fixed order has a negative coefficient."""
    return split(terms_of(node)[0])[0].value < 0
