"""Functions of inverse functions as algebra: exp(-asinh(u)) is sqrt(u**2 + 1) - u."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from kansym.symbolic.arithmetic import MINUS, ONE
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Product,
    add,
    call,
    multiply,
    raise_to,
)
from kansym.symbolic.notation import exact_value
from kansym.symbolic.terms import factors_of

HALF = Fraction(1, 2)


def _square(node: Expression) -> Expression:
    return raise_to(node, Fraction(2))


def _hypotenuse(u: Expression) -> Expression:
    return raise_to(add(_square(u), ONE), HALF)


def _leg(u: Expression) -> Expression:
    return raise_to(add(ONE, multiply(MINUS, _square(u))), HALF)


def _other_leg(u: Expression) -> Expression:
    return raise_to(add(_square(u), MINUS), HALF)


_INVERSE = {
    ("sin", "asin"): lambda u: u, ("cos", "acos"): lambda u: u, ("tan", "atan"): lambda u: u,
    ("sinh", "asinh"): lambda u: u, ("cosh", "acosh"): lambda u: u, ("tanh", "atanh"): lambda u: u,
    ("sin", "acos"): _leg, ("cos", "asin"): _leg, ("cosh", "asinh"): _hypotenuse, ("sinh", "acosh"): _other_leg,
    ("tan", "asin"): lambda u: u / _leg(u), ("tan", "acos"): lambda u: _leg(u) / u,
    ("sin", "atan"): lambda u: u / _hypotenuse(u), ("cos", "atan"): lambda u: ONE / _hypotenuse(u),
    ("tanh", "asinh"): lambda u: u / _hypotenuse(u), ("tanh", "acosh"): lambda u: _other_leg(u) / u,
    ("sinh", "atanh"): lambda u: u / _leg(u), ("cosh", "atanh"): lambda u: ONE / _leg(u),
    ("exp", "asinh"): lambda u: u + _hypotenuse(u), ("exp", "acosh"): lambda u: u + _other_leg(u),
    ("exp", "atanh"): lambda u: raise_to((ONE + u) / (ONE - u), HALF),
}  # fmt: skip


_MINUS_INVERSE = {
    "asinh": lambda u: _hypotenuse(u) - u,
    "acosh": lambda u: u - _other_leg(u),
    "atanh": lambda u: raise_to((ONE - u) / (ONE + u), HALF),
}


def opened(node: Call) -> Iterator[Expression]:
    """A function of an inverse function as algebra: exp(-asinh(u)) is sqrt(u**2 + 1) - u; sinc(u) is sin(u)/u."""
    inner = node.argument
    if node.name == "sinc":
        yield call("sin", inner) / inner
    if isinstance(inner, Call) and (node.name, inner.name) in _INVERSE:
        yield _INVERSE[node.name, inner.name](inner.argument)
    if node.name == "exp" and isinstance(inner, Product) and len(inner.factors) == 2:
        number, inverse = inner.factors
        if isinstance(number, Constant) and isinstance(inverse, Call) and inverse.name in _MINUS_INVERSE:
            known = exact_value(number)
            if known is not None and known.irrational == (0, 0, 1) and abs(known.ratio) <= 4:
                build = _MINUS_INVERSE[inverse.name] if known.ratio < 0 else _INVERSE["exp", inverse.name]
                yield raise_to(build(inverse.argument), abs(known.ratio))


def opened_factors(node: Expression) -> Iterator[Expression]:
    """The product with one of its functions of an inverse function written as algebra."""
    factors = factors_of(node)
    for place, factor in enumerate(factors if len(factors) > 1 else ()):
        for form in opened(factor) if isinstance(factor, Call) else ():
            yield multiply(*factors[:place], form, *factors[place + 1 :])
