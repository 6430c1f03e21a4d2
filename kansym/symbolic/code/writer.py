"""Formulas as program code with infix operators; a language is a small table of how it writes each thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kansym.errors import FormulaError
from kansym.symbolic.expression import Call, Constant, Expression, Power
from kansym.symbolic.labels import is_name
from kansym.symbolic.notation import Quotient, as_real_power, powers_apart
from kansym.symbolic.writer import ATOM, POWER, PRODUCT, SUM, Writer

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Powers:
    """Patterns for powers: `whole` exponents, square roots (`half`), exponents with an `odd` denominator, `other` ones.

    {x} stands for the base as an argument, {b} for the base as an operand; {n} and {d} for the exponent's numerator
    and denominator, {p} for it as one number.
    """

    whole: str
    half: str
    odd: str
    other: str

    def pattern(self, exponent: Fraction) -> str:
        """The pattern for an exact exponent."""
        if exponent.denominator == 1:
            return self.whole
        return self.half if exponent == HALF else self.odd if exponent.denominator % 2 else self.other


@dataclass(frozen=True)
class Language:
    """How a programming language writes a formula.

    number: a free number. pi, e: these constants. powers: see `Powers`. calls: a primitive's name -> pattern with `{}`
    for its argument. times, over: the operators. whole: whole numbers, as `number` where it is None.
    """

    number: Callable[[float], str]
    pi: str
    e: str
    powers: Powers
    calls: Mapping[str, str]
    times: str = "*"
    over: str = "/"
    whole: Callable[[int], str] | None = None

    def integer(self, value: int) -> str:
        """A whole number as code."""
        return self.whole(value) if self.whole else self.number(float(value))


def code(expression: Expression, names: Sequence[str], language: Language) -> str:
    """The formula as one expression of a language.

    Raises FormulaError for a primitive that the language does not know, such as one that a user registered.
    """
    return _CodeWriter(names, language).write(powers_apart(expression))


class _CodeWriter(Writer):
    def __init__(self, names: Sequence[str], language: Language) -> None:
        super().__init__(names, None)
        self.language = language

    def _node(self, node: Expression) -> tuple[str, int]:
        if isinstance(node, Constant) and is_name(node.label):
            return self.language.number(node.value), SUM if node.value < 0 else ATOM
        return super()._node(node)

    def _parentheses(self, text: str) -> str:
        return f"({text})"

    def _name(self, name: str) -> str:
        return name

    def _call(self, node: Call) -> tuple[str, int]:
        power = as_real_power(node)
        if power is not None:
            base, exponent = power
            return self._raised(self.language.powers.other, base, p=self.write(exponent))
        pattern = self.language.calls.get(node.name)
        if pattern is None:
            raise FormulaError(f"this format has no form of the primitive {node.name!r}: export as latex or json")
        return pattern.replace("{}", self.write(node.argument)), ATOM

    def _power(self, node: Power) -> tuple[str, int]:
        above, below = node.exponent.numerator, node.exponent.denominator
        exponent = f"{self.language.integer(above)}/{self.language.integer(below)}"
        return self._raised(self.language.powers.pattern(node.exponent), node.base, n=above, d=below, p=exponent)

    def _raised(self, pattern: str, base: Expression, **numbers: object) -> tuple[str, int]:
        infix = "{b}" in pattern
        written = self.write(base, ATOM if infix else SUM)
        return pattern.format(b=written, x=written, **numbers), POWER if infix else ATOM

    def _quotient(self, parts: Quotient) -> tuple[str, int]:
        top, bottom = self._numbers(parts)
        above = top + [self.write(factor, POWER) for factor in parts.above]
        below = bottom + [self.write(factor, POWER) for factor in parts.below]
        text = self.language.times.join(above) or self.language.integer(1)
        if below:
            text += self.language.over
            text += below[0] if len(below) == 1 else self._parentheses(self.language.times.join(below))
        lone = len(above) <= 1 and not below
        strength = PRODUCT if not lone else self._node(parts.above[0])[1] if parts.above else ATOM
        return (f"-{text}", SUM) if parts.negative else (text, strength)

    def _numbers(self, parts: Quotient) -> tuple[list[str], list[str]]:
        number, language = parts.exact, self.language
        top, bottom = [language.number(value) for value in parts.scale], []
        if parts.decimal is not None:
            top.append(language.number(parts.decimal))
        if number.ratio.numerator != 1:
            top.append(language.integer(number.ratio.numerator))
        if number.ratio.denominator != 1:
            bottom.append(language.integer(number.ratio.denominator))
        for constant, power in ((language.pi, number.pi), (language.e, number.e)):
            (top if power > 0 else bottom).extend([constant] * abs(power))
        if number.root != 1:
            root = language.integer(number.root)
            top.append(language.powers.half.format(x=root, b=root))
        return top, bottom
