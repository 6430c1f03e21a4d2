"""Spreadsheets: the formula of one row, for Excel, LibreOffice and Google Sheets.

The inputs stand in the table's column order from column A on, with their names in row 1: the formula is that of row 2.
A spreadsheet keeps 15 digits of a number, and its minus sign binds more tightly than a power.
"""

from __future__ import annotations

from fractions import Fraction

from kansym.symbolic.code.writer import Language, Powers, code
from kansym.symbolic.formula import Formula

_LETTERS = 26


def excel(formula: Formula) -> str:
    """The cell's text, from the equals sign on."""
    cells = [f"{column_letters(place)}2" for place in range(len(formula.input_names))]
    return f"={code(formula.expression, cells, _LANGUAGE)}\n"


def column_letters(place: int) -> str:
    """A, B, ..., Z, AA, AB, ... for 0, 1, ..."""
    before, letter = divmod(place, _LETTERS)
    return (column_letters(before - 1) if before else "") + chr(ord("A") + letter)


def _number(value: float) -> str:
    return f"{value:.15g}".upper()


class _Powers(Powers):
    """Real roots of negative numbers have no function of their own."""

    def pattern(self, exponent: Fraction) -> str:
        if exponent.denominator % 2 == 0 or exponent.denominator == 1:
            return super().pattern(exponent)
        size = "POWER(ABS({x}),{n}/{d})"
        return f"(SIGN({{x}})*{size})" if exponent.numerator % 2 else size


_SAME = {
    "exp": "EXP", "log": "LN", "sin": "SIN", "cos": "COS", "tan": "TAN", "asin": "ASIN", "acos": "ACOS", "atan": "ATAN",
    "sinh": "SINH", "cosh": "COSH", "tanh": "TANH", "asinh": "ASINH", "acosh": "ACOSH", "atanh": "ATANH", "abs": "ABS",
    "sign": "SIGN", "erf": "ERF",
}  # fmt: skip
_LANGUAGE = Language(
    number=_number,
    pi="PI()",
    e="EXP(1)",
    powers=_Powers("POWER({x},{n})", "SQRT({x})", "", "POWER({x},{p})"),
    calls={
        **{name: f"{function}({{}})" for name, function in _SAME.items()},
        "log1p": "(2*ATANH(({})/(2+({}))))",
        "softplus": "(MAX({},0)+2*ATANH(EXP(-ABS({}))/(2+EXP(-ABS({})))))",
        "sigmoid": "(1/(1+EXP(-({}))))",
        "gaussian": "EXP(-POWER({},2))",
        "lorentzian": "(1/(1+POWER({},2)))",
        "sinc": "IF({}=0,1,SIN({})/({}))",
        "besselj0": "BESSELJ({},0)",
        "planck": "(1/(2*EXP(({})/2)*SINH(({})/2)))",
    },
)
