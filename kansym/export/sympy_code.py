"""The formula as Python code that rebuilds it in sympy; symbols are made by name, never parsed."""

from __future__ import annotations

from fractions import Fraction

from kansym.export.code_writer import Language, code
from kansym.export.safe_names import quoted_line, safe_names
from kansym.result import Result
from kansym.symbolic.formula import Formula
from kansym.symbolic.labels import Exact

_SAME = ("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
         "sinc", "sign", "erf")  # fmt: skip
_PATTERNS = {
    **{name: f"sympy.{name}({{}})" for name in _SAME},
    "abs": "sympy.Abs({})",
    "besselj0": "sympy.besselj(0, {})",
    "log1p": "sympy.log(1 + {})",
    "softplus": "sympy.log(1 + sympy.exp({}))",
    "sigmoid": "(1/(1 + sympy.exp(-({}))))",
    "gaussian": "sympy.exp(-({})**2)",
    "lorentzian": "(1/(1 + ({})**2))",
    "planck": "(1/(sympy.exp({}) - 1))",
}


def _exact(number: Exact) -> str:
    ratio = number.ratio
    whole = ratio.denominator == 1
    text = f"sympy.Integer({ratio})" if whole else f"sympy.Rational({ratio.numerator}, {ratio.denominator})"
    for name, power in (("sympy.pi", number.pi), ("sympy.E", number.e)):
        text += "" if not power else f"*{name}" if power == 1 else f"*{name}**{power}"
    return text + (f"*sympy.sqrt({number.root})" if number.root != 1 else "")


def _power(base: str, exponent: Fraction) -> str:
    if exponent.denominator == 1:
        return f"({base}**{exponent})" if exponent > 0 else f"({base}**({exponent}))"
    return f"({base}**sympy.Rational({exponent.numerator}, {exponent.denominator}))"


SYMPY = Language(free=lambda value: f"sympy.Float({value!r})", exact=_exact, power=_power, calls=_PATTERNS)


def sympy_code(result: Result) -> str:
    """A module that defines one symbol for every column and the sympy expression `formula`."""
    return sympy_module(result.formula)


def sympy_module(formula: Formula) -> str:
    """The same for one formula. Powers with odd denominators are sympy's, which are complex for negative bases."""
    names = safe_names(formula.input_names, ("sympy", "formula"))
    symbols = [f"{name} = sympy.Symbol({column!a})" for name, column in zip(names, formula.input_names, strict=True)]
    body = code(formula.expression, names, SYMPY)
    title = f'"""{quoted_line(formula.target_name)}, found by kansym."""'
    return "\n".join([title, "", "import sympy", "", *symbols, f"formula = {body}", ""])
