"""What every picture shares: colours that colour-blind readers can tell apart, sizes in points, and safe text."""

from __future__ import annotations

import re
import unicodedata

from kansym.errors import printable

# Okabe and Ito (2008), "Color universal design": safe for all common kinds of colour blindness.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
ORANGE = "#E69F00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"

INK = "#1a1a1a"
GREY = "#6e6e6e"
FAINT = "#c9c9c9"
PALE = "#f4f6f8"
WHITE = "#ffffff"

CURVE = BLUE
MATCH = VERMILION
PARTS = {"train": BLUE, "validation": GREEN, "test": VERMILION}

NAME_SIZE = 11.0
UNIT_SIZE = 8.0
MATCH_SIZE = 8.5
HEADING_SIZE = 10.0

_POWER = re.compile(r"x\^(?:(-?\d+)|\((-?\d+/\d+)\))")
_NARROW = frozenset("iljtfrI.,:;'|!()[]{} ")
_BROAD = frozenset("mwMWQOGD@%&")


def safe(text: str, limit: float = 22.0) -> str:
    """Text from a table made fit for a picture: one line, visible characters, cut at `limit` ems with an ellipsis."""
    shown = printable(text)
    if ems(shown) <= limit:
        return shown
    while ems(shown) > limit - 1:
        shown = shown[:-1]
    return shown.rstrip() + "…"


def ems(text: str) -> float:
    """The width of a text in a serif face, in multiples of its size; estimated, rather too wide than too narrow."""
    return sum(_width(character) for character in text)


def _width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    if unicodedata.combining(character):
        return 0.0
    if character in _NARROW:
        return 0.34
    return 0.9 if character in _BROAD else 0.74 if character.isupper() else 0.53


def is_symbol(name: str) -> bool:
    """Whether a name is a mathematical symbol, set in italics: one letter, perhaps with a prime."""
    return len(name.rstrip("'′")) == 1 and name[0].isalpha()


def split_power(name: str) -> tuple[str, str]:
    """A primitive's name as (base, superscript): "x^(3/2)" is ("x", "3/2"), "x^-1" is ("x", "−1"), "sin" has none."""
    power = _POWER.fullmatch(name)
    return ("x", (power[1] or power[2]).replace("-", "−")) if power else (name, "")


def number(value: float | None, digits: int = 4) -> str:
    """A number for people: few digits, a true minus sign, × 10 to a power where the plain form is long."""
    if value is None:
        return "–"
    mantissa, letter, exponent = f"{value:.{digits}g}".partition("e")
    mantissa = mantissa.replace("-", "−")
    return f"{mantissa}×10{_raised(int(exponent))}" if letter else mantissa


def _raised(whole: int) -> str:
    return str(whole).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
