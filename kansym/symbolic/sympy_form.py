"""Formulas to and from sympy, node by node; no text is ever parsed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from kansym.errors import FormulaError
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
    ratio,
    whole,
)
from kansym.symbolic.labels import Exact
from kansym.symbolic.notation import exact_value
from kansym.symbolic.primitives import CALLS

LARGEST_DENOMINATOR = 12
LARGEST_EXPONENT = 1000


def to_sympy(
    expression: Expression, names: Sequence[str], number: Callable[[Constant], Any] | None = None
) -> sympy.Expr:
    """The formula as a sympy expression.

    names: column names (D,); each becomes `Symbol(name)` as it is, whatever it contains.
    number: how constants are written; without it labelled ones become exact numbers, free ones 53-bit floats.
    """
    if isinstance(expression, Constant):
        return (number or _number)(expression)
    if isinstance(expression, Variable):
        return sympy.Symbol(names[expression.index])
    below = [to_sympy(child, names, number) for child in expression.children]
    if isinstance(expression, Sum):
        return sympy.Add(*below)
    if isinstance(expression, Product):
        return sympy.Mul(*below)
    if isinstance(expression, Power):
        return sympy.Pow(below[0], sympy.Rational(expression.exponent.numerator, expression.exponent.denominator))
    assert isinstance(expression, Call)
    build = CALLS[expression.name].sympy
    return sympy.Function(expression.name)(below[0]) if build is None else build(sympy, below[0])


def exact_to_sympy(number: Exact) -> sympy.Expr:
    """An exact number in sympy."""
    rational = sympy.Rational(number.ratio.numerator, number.ratio.denominator)
    return rational * sympy.pi**number.pi * sympy.E**number.e * sympy.sqrt(number.root)


def _number(constant: Constant) -> sympy.Expr:
    known = exact_value(constant)
    return exact_to_sympy(known) if known else sympy.Float(constant.value)


def from_sympy(expression: Any, names: Sequence[str]) -> Expression:
    """The formula that a sympy expression is.

    expression: made of numbers, symbols called as in `names`, sums, products, powers and known functions.
    Raises FormulaError for anything else: other symbols, other functions, complex or infinite numbers.
    """
    return _Reader(tuple(names)).read(expression)


class _Reader:
    def __init__(self, names: tuple[str, ...]) -> None:
        self.numbers = {name: place for place, name in enumerate(names)}

    def read(self, node: Any) -> Expression:
        if isinstance(node, sympy.Symbol):
            if node.name not in self.numbers:
                raise FormulaError(f"no column is called {node.name!r}: name the symbols as the columns are named")
            return Variable(self.numbers[node.name])
        if isinstance(node, sympy.Number):
            return _constant(node)
        if node is sympy.pi or node is sympy.E:
            return Exact(Fraction(1), pi=int(node is sympy.pi), e=int(node is sympy.E)).constant()
        if isinstance(node, sympy.Add):
            return add(*(self.read(term) for term in node.args))
        if isinstance(node, sympy.Mul):
            return multiply(*(self.read(factor) for factor in node.args))
        if isinstance(node, sympy.Pow):
            return self._power(*node.as_base_exp())
        return self._function(node)

    def _power(self, base: Any, exponent: Any) -> Expression:
        if base is sympy.E:
            return call("exp", self.read(exponent))
        known = _rational(exponent)
        if known is not None:
            return _exact_root(self.read(base), known)
        return call("exp", multiply(self.read(exponent), call("log", self.read(base))))

    def _function(self, node: Any) -> Expression:
        name = type(node).__name__
        arguments = getattr(node, "args", ())
        if name == "besselj" and len(arguments) == 2 and arguments[0] == 0:
            return call("besselj0", self.read(arguments[1]))
        if isinstance(node, AppliedUndef) and name in CALLS and len(arguments) == 1:
            return call(name, self.read(arguments[0]))
        if name not in _FUNCTIONS or len(arguments) != 1:
            raise FormulaError(f"{name} has no counterpart here: known functions are {', '.join(_FUNCTIONS)}")
        return _FUNCTIONS[name](self.read(arguments[0]))


def _constant(number: Any) -> Expression:
    if isinstance(number, sympy.Rational):
        value = Fraction(int(number.p), int(number.q))
        return ratio(value)
    if not number.is_finite:
        raise FormulaError(f"{number} is no finite number")
    return Constant(float(number))


def _rational(exponent: Any) -> Fraction | None:
    if not isinstance(exponent, sympy.Number) or not exponent.is_finite or abs(exponent) > LARGEST_EXPONENT:
        return None
    if isinstance(exponent, sympy.Rational):
        return Fraction(int(exponent.p), int(exponent.q))
    near = Fraction(float(exponent)).limit_denominator(LARGEST_DENOMINATOR)
    return near if abs(float(near) - float(exponent)) <= 1e-12 * max(1.0, abs(float(exponent))) else None


def _exact_root(base: Expression, exponent: Fraction) -> Expression:
    known = exact_value(base) if isinstance(base, Constant) else None
    power = known.power(exponent) if known else None
    return power.constant() if power else raise_to(base, exponent)


def _unary(name: str) -> Callable[[Expression], Expression]:
    return lambda argument: call(name, argument)


_SAME = (
    *("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("sinc", "sign", "erf"),
)
_FUNCTIONS: dict[str, Callable[[Expression], Expression]] = {
    "Abs": _unary("abs"),
    **{name: _unary(name) for name in _SAME},
    "sec": lambda u: raise_to(call("cos", u), Fraction(-1)),
    "csc": lambda u: raise_to(call("sin", u), Fraction(-1)),
    "cot": lambda u: raise_to(call("tan", u), Fraction(-1)),
    "coth": lambda u: raise_to(call("tanh", u), Fraction(-1)),
    "sech": lambda u: raise_to(call("cosh", u), Fraction(-1)),
    "csch": lambda u: raise_to(call("sinh", u), Fraction(-1)),
    "erfc": lambda u: add(whole(1), multiply(whole(-1), call("erf", u))),
}
