"""Formulas as plain text in sympy's syntax and the user's column names; `kansym.symbolic.parser` reads it back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from kansym.symbolic.expression import Call, Constant, Expression, Power
from kansym.symbolic.labels import Exact
from kansym.symbolic.notation import Quotient, as_real_power, exact_value, plain
from kansym.symbolic.writer import ATOM, POWER, PRODUCT, SUM, Writer

# What the parser reads as a name; narrower than Python's identifiers, in which a middle dot may stand.
WORD = re.compile(r"[^\W\d]\w*")
FUNCTIONS = {"abs": "Abs", "besselj0": "besselj"}


def to_text(expression: Expression, names: Sequence[str], digits: int | None = None) -> str:
    """The formula as text: `0.5*m*v**2`, `exp(-x)/(x + 1)`, `sqrt(x)`.

    names: the column names (D,); one that is no identifier is written in backquotes, a backquote in it doubled.
    digits: significant digits of the free constants; None writes them so that they read back exactly.

    Powers with an odd denominator, as `x**(1/3)`, mean the real root.
    """
    return _Writer(names, digits).write(plain(expression))


def quoted_name(name: str) -> str:
    """A column name as it stands in a formula's text."""
    return name if WORD.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def number_text(value: float, digits: int | None) -> str:
    """A free constant as text; with digits None it reads back to the same float."""
    return repr(float(value)) if digits is None else f"{value:.{digits}g}"


def _strength(number: str) -> int:
    return POWER if "**" in number else ATOM


class _Writer(Writer):
    def _parentheses(self, text: str) -> str:
        return f"({text})"

    def _name(self, name: str) -> str:
        return quoted_name(name)

    def _call(self, node: Call) -> tuple[str, int]:
        power = as_real_power(node)
        if power is not None:
            return self._raised(*power), POWER
        first = "0, " if node.name == "besselj0" else ""
        return f"{FUNCTIONS.get(node.name, node.name)}({first}{self.write(node.argument)})", ATOM

    def _power(self, node: Power) -> tuple[str, int]:
        if node.exponent == Fraction(1, 2):
            return f"sqrt({self.write(node.base)})", ATOM
        exponent = str(node.exponent)
        raised = exponent if node.exponent.denominator == 1 else f"({exponent})"
        return f"{self.write(node.base, ATOM)}**{raised}", POWER

    def _raised(self, base: Expression, exponent: Expression) -> str:
        return f"{self.write(base, ATOM)}**{self.write(exponent, ATOM)}"

    def _quotient(self, parts: Quotient) -> tuple[str, int]:
        top, bottom = self._numbers(parts)
        above = top + [self.write(factor, POWER) for factor in parts.above]
        below = bottom + [self.write(factor, POWER) for factor in parts.below]
        text = "*".join(above) or "1"
        if below:
            text += "/" + (below[0] if len(below) == 1 else f"({'*'.join(below)})")
        lone = len(above) <= 1 and not below
        strength = PRODUCT if not lone else self._node(parts.above[0])[1] if parts.above else _strength(text)
        return (f"-{text}", SUM) if parts.negative else (text, strength)

    def _numbers(self, parts: Quotient) -> tuple[list[str], list[str]]:
        top = [number_text(value, self.digits) for value in parts.scale]
        top = [text for text in top if text != "1"]
        number, bottom = parts.exact, []
        if parts.decimal is not None:
            top.append(repr(parts.decimal))
        if number.ratio.numerator != 1:
            top.append(str(number.ratio.numerator))
        if number.ratio.denominator != 1:
            bottom.append(str(number.ratio.denominator))
        for constant, power in ((self._pi(), number.pi), (self._e(), number.e)):
            if power:
                (top if power > 0 else bottom).append(constant if abs(power) == 1 else f"{constant}**{abs(power)}")
        if number.root != 1:
            top.append(f"sqrt({number.root})")
        return top, bottom

    def _pi(self) -> str:
        return "pi" if "pi" not in self.names else "acos(-1)"

    def _e(self) -> str:
        return "E" if "E" not in self.names else "exp(1)"


def constant_text(constant: Constant, digits: int | None = None) -> str:
    """One constant alone: its exact form, or its number."""
    known: Exact | None = exact_value(constant)
    return _Writer((), digits).write(constant) if known else number_text(constant.value, digits)
