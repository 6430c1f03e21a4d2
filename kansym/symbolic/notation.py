"""What all printed forms of a formula share: plain functions in place of composed ones, signs, fractions, order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kansym.errors import FormulaError
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    add,
    call,
    multiply,
    raise_to,
    real_powers,
    whole,
)
from kansym.symbolic.labels import Exact, is_name, read_label

Rule = Callable[[Expression], Expression]
LARGEST_ABOVE, LARGEST_BELOW = 32, 8  # of a fraction that reads better than a decimal


def _minus(argument: Expression) -> Expression:
    return multiply(whole(-1), argument)


PLAIN: dict[str, Rule] = {
    "sigmoid": lambda u: raise_to(add(whole(1), call("exp", _minus(u))), Fraction(-1)),
    "softplus": lambda u: call("log", add(whole(1), call("exp", u))),
    "gaussian": lambda u: call("exp", _minus(raise_to(u, Fraction(2)))),
    "lorentzian": lambda u: raise_to(add(whole(1), raise_to(u, Fraction(2))), Fraction(-1)),
    "log1p": lambda u: call("log", add(whole(1), u)),
    "planck": lambda u: raise_to(add(call("exp", u), whole(-1)), Fraction(-1)),
}


def plain(expression: Expression) -> Expression:
    """The formula with composed primitives (sigmoid, planck, ...) written in functions that every tool knows, and with
    the powers in an exponential before it."""
    return powers_apart(expression.map(_plain_node))


def _plain_node(node: Expression) -> Expression:
    return PLAIN[node.name](node.argument) if isinstance(node, Call) and node.name in PLAIN else node


def exact_value(constant: Constant) -> Exact | None:
    """The exact number of a labelled constant; None for a free one or a label of another kind."""
    if constant.label is None:
        return None
    try:
        return read_label(constant.label)
    except FormulaError:
        return None


def as_decimal(number: Exact) -> float | None:
    """The decimal that a positive exact number's fraction is written as, None where it stays a fraction.

    Fractions of small numbers stay, such as 3/8 and 32/5, and so does what no decimal says as shortly, such as 1/16 and
    1000/3. Others are decimals: 9.81, 0.04, 11604.5. Beside pi or a root only long fractions become decimals.
    """
    above, below = number.ratio.numerator, number.ratio.denominator
    few = LARGEST_BELOW if number.irrational == (0, 0, 1) else LARGEST_ABOVE
    if below == 1 or (above <= LARGEST_ABOVE and below <= few):
        return None
    decimal = float(number.ratio)
    text = repr(decimal)
    short = Fraction(text) == number.ratio and len(text) <= len(str(number.ratio))
    return decimal if short else None


@dataclass(frozen=True)
class Quotient:
    """A product as it is written: sign, number in front, what stands above and below the fraction line.

    scale: the free constants with their signs taken off; decimal: the exact numbers as a decimal, None where they are a
    fraction; exact: all of them that the decimal leaves, multiplied, positive.
    """

    negative: bool
    scale: tuple[float, ...]
    decimal: float | None
    exact: Exact
    above: tuple[Expression, ...]
    below: tuple[Expression, ...]


def as_fraction(node: Expression) -> Quotient:
    """Any node taken apart as a product; negative powers go below the line."""
    factors = node.factors if isinstance(node, Product) else (node,)
    negative, scale, number = False, [], Exact(Fraction(1))
    above: list[Expression] = []
    below: list[Expression] = []
    for factor in factors:
        if isinstance(factor, Constant) and not is_name(factor.label):
            known = exact_value(factor)
            product = number.times(known) if known else None
            if product is not None:
                number = product
            else:
                negative ^= factor.value < 0
                scale.append(abs(factor.value))
        elif isinstance(factor, Power) and factor.exponent < 0:
            below.append(raise_to(factor.base, -factor.exponent))
        else:
            above.append(factor)
    if number.ratio < 0:
        negative, number = not negative, Exact(-number.ratio, number.pi, number.e, number.root)
    decimal = as_decimal(number)
    if decimal is not None:
        number = Exact(Fraction(1), number.pi, number.e, number.root)
    return Quotient(negative, tuple(scale), decimal, number, tuple(above), tuple(below))


def ordered_terms(terms: Sequence[Expression]) -> tuple[Expression, ...]:
    """The terms as written: when the first is negative, the first positive one is put before it."""
    signs = [as_fraction(term).negative for term in terms]
    if not signs[0] or all(signs):
        return tuple(terms)
    first = signs.index(False)
    return (terms[first], *terms[:first], *terms[first + 1 :])


def as_real_power(node: Call) -> tuple[Expression, Expression] | None:
    """(x, y) when the node is exp(y*log(x)), which is written x**y; None for any other call."""
    powers, rest = real_powers(node)
    return powers[0] if len(powers) == 1 and rest is None else None


def powers_apart(expression: Expression) -> Expression:
    """The formula with exp(p*log(x) + q*log(y) + z) as the product of exp(p*log(x)), exp(q*log(y)) and exp(z)."""
    return expression.map(_powers_apart)


def _powers_apart(node: Expression) -> Expression:
    if isinstance(node, Product):
        return multiply(*node.factors)
    powers, rest = real_powers(node) if isinstance(node, Call) else ((), None)
    if not powers:
        return node
    apart = [call("exp", multiply(exponent, call("log", base))) for base, exponent in powers]
    return multiply(*apart, *([] if rest is None else [rest]))


def height(expression: Expression) -> int:
    """Levels of the tree, counted without recursion, so that a hostile depth does no harm."""
    levels, level = 0, [expression]
    while level:
        levels, level = levels + 1, [child for node in level for child in node.children]
    return levels
