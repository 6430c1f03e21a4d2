"""Exact numbers: what the label of a constant ("3/2", "pi/2", "sqrt(2)") means, and exact arithmetic with them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from kansym.errors import FormulaError, quote
from kansym.symbolic.expression import Constant

LARGEST = 10**30
_FACTOR = re.compile(r"(?P<whole>\d{1,31})|(?P<pi>pi)|(?P<e>E)|sqrt\((?P<root>\d{1,31})\)")
_POWER = re.compile(r"\*\*(\d{1,3})|\*\*\((-?\d{1,3})\)")


@dataclass(frozen=True)
class Exact:
    """The number ratio * pi**pi * e**e * sqrt(root); root is a whole number without square factors."""

    ratio: Fraction
    pi: int = 0
    e: int = 0
    root: int = 1

    @property
    def value(self) -> float:
        """The number as a float."""
        return float(self.ratio) * math.pi**self.pi * math.e**self.e * math.sqrt(self.root)

    @property
    def irrational(self) -> tuple[int, int, int]:
        """What two numbers must share for their sum to be of this form."""
        return (self.pi, self.e, self.root)

    @property
    def label(self) -> str:
        """The number in sympy's syntax: "-3*pi/2", "sqrt(2)", "1/3"."""
        above = [str(abs(self.ratio.numerator))] if abs(self.ratio.numerator) != 1 else []
        below = [str(self.ratio.denominator)] if self.ratio.denominator != 1 else []
        for name, exponent in (("pi", self.pi), ("E", self.e)):
            if exponent:
                (above if exponent > 0 else below).append(name if abs(exponent) == 1 else f"{name}**{abs(exponent)}")
        if self.root != 1:
            above.append(f"sqrt({self.root})")
        bottom = "" if not below else "/" + (below[0] if len(below) == 1 else f"({'*'.join(below)})")
        return ("-" if self.ratio < 0 else "") + ("*".join(above) or "1") + bottom

    def constant(self) -> Constant:
        """The labelled constant of a formula."""
        return Constant(self.value, self.label)

    def times(self, other: Exact) -> Exact | None:
        """The product, or None when its whole numbers become too large."""
        shared = math.gcd(self.root, other.root)
        root = (self.root // shared) * (other.root // shared)
        return _checked(self.ratio * other.ratio * shared, self.pi + other.pi, self.e + other.e, root)

    def plus(self, other: Exact) -> Exact | None:
        """The sum, or None when it is not of this form."""
        if self.ratio == 0 or other.ratio == 0:
            return other if self.ratio == 0 else self
        if self.irrational != other.irrational:
            return None
        ratio = self.ratio + other.ratio
        return _checked(ratio, self.pi, self.e, self.root) if ratio else Exact(Fraction(0))

    def power(self, exponent: Fraction) -> Exact | None:
        """The real power, or None when it is not of this form."""
        if self.ratio == 0:
            return Exact(Fraction(0)) if exponent > 0 else None
        if abs(exponent) > 100:
            return None
        rooted = self._root(exponent.denominator)
        return rooted._whole_power(exponent.numerator) if rooted else None

    def _root(self, degree: int) -> Exact | None:
        if degree == 1:
            return self
        if self.root != 1 or self.pi % degree or self.e % degree or (self.ratio < 0 and degree % 2 == 0):
            return None
        pi, e = self.pi // degree, self.e // degree
        if degree == 2:
            square, root = _square_part(self.ratio.numerator * self.ratio.denominator)
            return _checked(Fraction(square, self.ratio.denominator), pi, e, root)
        above, below = _whole_root(abs(self.ratio.numerator), degree), _whole_root(self.ratio.denominator, degree)
        if above is None or below is None:
            return None
        return Exact(Fraction(above if self.ratio > 0 else -above, below), pi, e)

    def _whole_power(self, exponent: int) -> Exact | None:
        size = max(abs(self.ratio.numerator), self.ratio.denominator, self.root)
        if abs(exponent) * math.log(size or 1) > 2 * math.log(LARGEST):
            return None
        ratio = self.ratio**exponent * Fraction(self.root) ** (exponent // 2)
        return _checked(ratio, self.pi * exponent, self.e * exponent, self.root if exponent % 2 else 1)


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")


def is_name(label: object) -> bool:
    """Whether a label is the name of a known constant of the user, such as "c", and no exact number."""
    return isinstance(label, str) and NAME.fullmatch(label) is not None and label not in ("pi", "E")


def read_label(label: str) -> Exact:
    """The number that a label means.

    label: whole numbers, pi, E, sqrt(whole) and whole powers of them, joined by `*` and `/`, with an optional sign.
    Raises FormulaError for any other text; nothing is ever evaluated.
    """
    number, at, below, depth = Exact(Fraction(1)), 0, False, 0
    if label[:1] in "+-" and label:
        number, at = Exact(Fraction(-1 if label[0] == "-" else 1)), 1
    while True:
        if below and label[at : at + 1] == "(" and depth == 0:
            at, depth = at + 1, 1
        factor, at = _read_factor(label, at)
        product = number.times(factor) if not below else _divided(number, factor)
        if product is None:
            raise FormulaError(f"the exact number {label!r} is too large")
        number = product
        if depth and label[at : at + 1] == ")":
            at, depth = at + 1, 0
        if at == len(label) and not depth:
            return number
        sign = label[at : at + 1]
        if sign not in ("*", "/") or (depth and sign == "/"):
            raise _unreadable(label, at)
        below, at = (True if depth else sign == "/"), at + 1


def exact(label: str) -> Constant:
    """A labelled constant: exact("pi/2") is pi/2 and stays so in every fit."""
    return read_label(label).constant()


def _unreadable(label: str, at: int) -> FormulaError:
    where = f"{quote(label)} is no exact number (position {at + 1})"
    return FormulaError(f"{where}: write it with whole numbers, pi, E and sqrt()")


def _read_factor(label: str, at: int) -> tuple[Exact, int]:
    found = _FACTOR.match(label, at)
    if not found:
        raise _unreadable(label, at)
    number = _factor_number(found)
    raised = _POWER.match(label, found.end())
    if not raised:
        return number, found.end()
    power = number.power(Fraction(int(raised.group(1) or raised.group(2))))
    if power is None:
        raise _unreadable(label, at)
    return power, raised.end()


def _factor_number(found: re.Match[str]) -> Exact:
    if found.group("whole"):
        return Exact(Fraction(int(found.group("whole"))))
    if found.group("root"):
        square, root = _square_part(int(found.group("root")))
        return Exact(Fraction(square), 0, 0, root)
    return Exact(Fraction(1), pi=1) if found.group("pi") else Exact(Fraction(1), e=1)


def _divided(number: Exact, divisor: Exact) -> Exact | None:
    inverse = divisor.power(Fraction(-1))
    return None if inverse is None else number.times(inverse)


def _checked(ratio: Fraction, pi: int, e: int, root: int) -> Exact | None:
    if ratio == 0:
        return Exact(Fraction(0))
    too_large = max(abs(ratio.numerator), ratio.denominator, root) > LARGEST or max(abs(pi), abs(e)) > 200
    return None if too_large else Exact(ratio, pi, e, root)


def _square_part(number: int) -> tuple[int, int]:
    """(s, r) with number = s**2 * r; r is free of the squares of all primes below 1000."""
    whole = math.isqrt(number)
    if whole * whole == number:
        return (whole, 1) if number else (0, 1)
    square, divisor = 1, 2
    while divisor < 1000 and divisor * divisor <= number:
        while number % (divisor * divisor) == 0:
            number //= divisor * divisor
            square *= divisor
        divisor += 1
    whole = math.isqrt(number)
    return (square * whole, 1) if whole * whole == number else (square, number)


def _whole_root(number: int, degree: int) -> int | None:
    guess = round(number ** (1 / degree))
    return next((root for root in (guess - 1, guess, guess + 1) if root >= 0 and root**degree == number), None)
