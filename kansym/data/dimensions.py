"""What a unit measures: unit texts such as `kg*m^2*s^-2`, `W/(m² K)` or `kN` read as powers of base dimensions.

Only the dimension counts, so km and m are the same here. A word that is not in the table is a base dimension of its
own: apples compare with apples. A text that cannot be read for sure, such as `J/kg K` or `°C`, is refused.

Source: the SI brochure (BIPM, 9th edition, 2019), tables 2, 4, 7 and 8, and units in common use beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from kansym.errors import DataError, quote

PURE_TEXTS = frozenset({"", "1", "-", "–", "—", "[1]", "[-]", "none", "unitless", "dimensionless"})
LARGEST_POWER = 99
LONGEST = 200

_PURE = "rad mrad µrad urad sr deg degree degrees ° arcmin arcsec mas % ‰ percent ppm ppb ppt dB mag dex pH"
_OFFSET = "°C ℃ degC celsius Celsius °F ℉ degF fahrenheit Fahrenheit"  # 0 is not nothing there
_PREFIXES = "da Q R Y Z E P T G M k h d c m µ μ u n p f a z y r q"  # the longer one first

# Each word and what it measures, in words that stand before it; those of the first table take prefixes.
_PREFIXED = """
m=m g=kg s=s A=A K=K mol=mol cd=cd kelvin=K meter=m metre=m gram=kg second=s ampere=A
N=kg m s^-2; Pa=N m^-2; J=N m; W=J s^-1; Hz=s^-1; C=A s; V=W A^-1; F=C V^-1; Ohm=V A^-1; ohm=Ohm; Ω=Ohm; Ω=Ohm; S=A V^-1
Wb=V s; T=Wb m^-2; H=Wb A^-1; lm=cd; lx=cd m^-2; Bq=s^-1; Gy=J kg^-1; Sv=J kg^-1; kat=mol s^-1
L=m^3; l=m^3; bar=Pa; eV=J; cal=J; Wh=J; Ah=C; t=kg; Da=kg; pc=m; dyn=N; erg=J; P=Pa s; St=m^2 s^-1; Ci=s^-1; M☉=kg
newton=N; pascal=Pa; joule=J; watt=W; hertz=Hz; coulomb=C; volt=V; farad=F; tesla=T; henry=H; liter=L; litre=L
gauss=T; Jy=W m^-2 s; yr=s; VA=W
"""
_PLAIN = """
min=s; h=s; hr=s; hour=s; hours=s; d=s; day=s; days=s; week=s; month=s; year=s; years=s; a=s; sec=s
atm=Pa; torr=Pa; Torr=Pa; mmHg=Pa; psi=Pa; rpm=s^-1; in=m; inch=m; ft=m; yd=m; mi=m; mile=m; au=m; AU=m; ly=m; Å=m; Å=m
lb=kg; lbs=kg; oz=kg; u=kg; amu=kg; ton=kg; tonne=kg; lbf=N; kgf=N; ha=m^2; mph=m s^-1; kn=m s^-1; hp=W; BTU=J
M_sun=kg; Msun=kg; R_sun=m; L_sun=W; M=mol m^-3; G=T; Gs=T; Oe=A m^-1
"""


@dataclass(frozen=True)
class Dimension:
    """A product of powers of base dimensions, called by their unit: m, kg, s, A, K, mol, cd, or a word of the user's.

    powers: (base, exponent) pairs sorted by base, no exponent 0; empty for a pure number.
    """

    powers: tuple[tuple[str, Fraction], ...] = ()

    @staticmethod
    def of(powers: Mapping[str, Fraction]) -> Dimension:
        """The dimension with these exponents; zeros are left out."""
        return Dimension(tuple(sorted((base, Fraction(p)) for base, p in powers.items() if p)))

    @property
    def pure(self) -> bool:
        """Whether this is the dimension of a pure number."""
        return not self.powers

    def exponent(self, base: str) -> Fraction:
        """The power of one base; 0 if it does not occur."""
        return dict(self.powers).get(base, Fraction(0))

    def __mul__(self, other: Dimension) -> Dimension:
        bases = {base for base, _ in (*self.powers, *other.powers)}
        return Dimension.of({base: self.exponent(base) + other.exponent(base) for base in bases})

    def __truediv__(self, other: Dimension) -> Dimension:
        return self * other ** Fraction(-1)

    def __pow__(self, exponent: Fraction | int) -> Dimension:
        return Dimension.of({base: p * exponent for base, p in self.powers})

    def __str__(self) -> str:
        return "*".join(_power_text(base, p) for base, p in self.powers) or "1"


def _power_text(base: str, power: Fraction) -> str:
    return base if power == 1 else f"{base}^{power}" if power.denominator == 1 else f"{base}^({power})"


PURE = Dimension()


@dataclass(frozen=True)
class Dimensions:
    """The dimension of every input of a table (D), and of its target."""

    inputs: tuple[Dimension, ...]
    target: Dimension


def read_dimensions(
    names: Sequence[str], units: Sequence[str | None], target: str, target_unit: str | None
) -> tuple[Dimensions | None, tuple[str, ...]]:
    """The dimensions of a table's columns from the units that the user gave, if they say enough.

    An input without a unit beside inputs with one counts as a pure number. One unit that cannot be read, or none for
    the target, makes all of them useless: a wrong dimension is worse than none.

    Args:
        names: names of the D inputs, for messages.
        units: D unit texts; None where none was given.
        target: the target's name.
        target_unit: its unit text, or None.

    Returns:
        The dimensions, or None when no input has a unit or the units cannot be used; and notes for the user.
    """
    if all(unit is None for unit in units):
        return None, ()
    if target_unit is None:
        return None, (f"units are not used: give {quote(target)} a unit too, [1] for a pure number",)
    try:
        found = [_of_column(name, unit) for name, unit in zip((*names, target), (*units, target_unit), strict=True)]
    except DataError as error:
        return None, (f"units are not used: {error}",)
    blank = [quote(name) for name, unit in zip(names, units, strict=True) if unit is None]
    notes = (f"no unit, so taken as pure numbers: {', '.join(blank)}",) if blank else ()
    if all(dimension.pure for dimension in found):
        return None, ()
    return Dimensions(tuple(found[:-1]), found[-1]), notes


def _of_column(name: str, unit: str | None) -> Dimension:
    try:
        return parse_unit(unit or "")
    except DataError as error:
        raise DataError(f"column {quote(name)}: {error}") from None


@cache
def parse_unit(text: str) -> Dimension:
    """The dimension of a unit text.

    Words are SI units with or without prefixes, units in common use, or words of the user's own. `*`, `·`, `.`, `×` or
    a space multiply, `/` divides, powers are written `^2`, `**2`, `²`, `m2`, `s-1`, `^(1/2)`; a number may be first.

    Raises DataError, one line, when the text cannot be read or could be read in two ways.
    """
    if text.strip() in PURE_TEXTS:
        return PURE
    if len(text) > LONGEST:
        raise DataError(f"unit {quote(text[:20] + '...')} is too long: at most {LONGEST} characters")
    return _Parser(text).whole()


@cache
def _table(text: str) -> dict[str, str]:
    pairs = [entry.split("=") for entry in re.split(r"[;\n]|(?<=\S) (?=\S+=)", text) if "=" in entry]
    return {word.strip(): definition.strip() for word, definition in pairs}


@cache
def _word(word: str) -> Dimension:
    """The dimension of one word: from the tables, with a prefix, or a base dimension of its own."""
    if word in _PURE.split():
        return PURE
    if word == "kg":
        return Dimension.of({"kg": Fraction(1)})
    for table, stem in ((_PREFIXED, word), (_PLAIN, word), *_stems(word)):
        definition = _table(table).get(stem)
        if definition is not None:
            return Dimension.of({stem: Fraction(1)}) if definition == stem else parse_unit(definition)
    return Dimension.of({word: Fraction(1)})


def _stems(word: str) -> list[tuple[str, str]]:
    return [
        (_PREFIXED, word[len(prefix) :]) for prefix in _PREFIXES.split() if word.startswith(prefix) and word != prefix
    ]


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<raised>[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|(?P<power>\*\*|\^)|(?P<times>[*·⋅∙•×.])|(?P<over>[/∕÷])"
    r"|(?P<open>\()|(?P<close>\))|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<sign>[+\-−])"
    r"|(?P<word>[°%‰℃℉☉]?[^\W\d⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]*[°%‰℃℉☉]?)"
)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.end() == position:
            raise DataError(f"unit {quote(text)} has a {quote(text[position])} that cannot be read")
        found.append((str(match.lastgroup), match.group()))
        position = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens of one unit text."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, _tokens(text.strip()), 0

    def whole(self) -> Dimension:
        dimension = self._products(0)
        if self.at < len(self.tokens):
            raise self._error()
        return dimension

    def _error(self, why: str = "cannot be read: write it like kg*m^2/s^2") -> DataError:
        return DataError(f"unit {quote(self.text)} {why}")

    def _peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place][0] if place < len(self.tokens) else ""

    def _next(self) -> str:
        if self.at >= len(self.tokens):
            raise self._error()
        self.at += 1
        return self.tokens[self.at - 1][1]

    def _skip_space(self) -> bool:
        spaced = self._peek() == "space"
        self.at += spaced
        return spaced

    def _products(self, depth: int) -> Dimension:
        self._skip_space()
        total, divided = self._factor(depth, first=True), False
        while True:
            spaced = self._skip_space()
            kind = self._peek()
            if kind in ("", "close"):
                return total
            if kind in ("times", "over"):
                self._next()
                self._skip_space()
                factor = self._factor(depth, first=False)
                divided = divided or kind == "over"
                total = total * factor if kind == "times" else total / factor
            elif not spaced:
                raise self._error()
            elif divided:
                raise self._error("can be read in two ways: write a/(b*c) or a*c/b")
            else:
                total = total * self._factor(depth, first=False)

    def _factor(self, depth: int, first: bool) -> Dimension:
        kind = self._peek()
        if kind == "open" and depth < 20:
            self._next()
            inner = self._products(depth + 1)
            if self._peek() != "close":
                raise self._error()
            self._next()
            return inner ** self._power()
        if kind == "number" and first:
            self._next()
            self._power()
            return PURE
        if kind != "word":
            raise self._error()
        word = self._next()
        if word in _OFFSET.split():
            raise self._error("does not start at nothing: give the column in K")
        return _word(word) ** self._power()

    def _power(self) -> Fraction:
        if self._peek() == "space" and self._peek(1) == "power":
            self._next()
        kind = self._peek()
        if kind == "raised":
            return self._checked(self._next().translate(_SUPERSCRIPTS))
        if kind == "power":
            self._next()
            self._skip_space()
            if self._peek() == "open":
                self._next()
                power = self._ratio()
                if self._peek() != "close":
                    raise self._error()
                self._next()
                return power
            return self._signed()
        if kind == "number" or (kind == "sign" and self._peek(1) == "number"):
            return self._signed()
        return Fraction(1)

    def _ratio(self) -> Fraction:
        self._skip_space()
        power = self._signed()
        self._skip_space()
        if self._peek() == "over":
            self._next()
            self._skip_space()
            below = self._signed()
            if below == 0:
                raise self._error()
            power = power / below
        self._skip_space()
        return power

    def _signed(self) -> Fraction:
        sign = self._next() if self._peek() == "sign" else ""
        if self._peek() != "number":
            raise self._error()
        return self._checked(sign.replace("−", "-") + self._next())

    def _checked(self, text: str) -> Fraction:
        value = float(text)
        if not abs(value) <= LARGEST_POWER:
            raise self._error(f"has a power beyond {LARGEST_POWER}")
        return Fraction(text).limit_denominator(LARGEST_POWER)
