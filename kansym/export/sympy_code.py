"""The formula as Python code that rebuilds it in sympy; symbols are made by name, never parsed."""

from __future__ import annotations

from kansym.result import Result
from kansym.symbolic.code.safe_names import quoted_line, safe_names
from kansym.symbolic.code.writer import Language, Powers, code
from kansym.symbolic.formula import Formula

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


SYMPY = Language(
    number=lambda value: f"sympy.Float({value!r})",
    pi="sympy.pi",
    e="sympy.E",
    powers=Powers("{b}**{n}", "sympy.sqrt({x})", "{b}**sympy.Rational({n}, {d})", "{b}**({p})"),
    calls=_PATTERNS,
    whole=lambda value: f"sympy.Integer({value})",
)


def sympy_code(result: Result) -> str:
    """A module that defines one symbol for every column and the sympy expression `formula`."""
    return sympy_module(result.formula)


def srepr(result: Result) -> str:
    """The formula as one expression of sympy's constructors, as `sympy.srepr` writes it."""
    import sympy

    return sympy.srepr(result.formula.sympy()) + "\n"


def sympy_module(formula: Formula) -> str:
    """The same for one formula. Powers with odd denominators are sympy's, which are complex for negative bases."""
    names = safe_names(formula.input_names, ("sympy", "formula"))
    symbols = [f"{name} = sympy.Symbol({column!a})" for name, column in zip(names, formula.input_names, strict=True)]
    body = code(formula.expression, names, SYMPY)
    title = f'"""{quoted_line(formula.target_name)}, found by kansym."""'
    return "\n".join([title, "", "import sympy", "", *symbols, f"formula = {body}", ""])
