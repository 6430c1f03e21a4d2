"""The formula as a Python function that needs nothing but the standard library."""

from __future__ import annotations

from fractions import Fraction

from kansym.export.code_writer import Language, code
from kansym.export.safe_names import quoted_line, safe_names
from kansym.result import Result
from kansym.symbolic.expression import Call, Constant, Power
from kansym.symbolic.formula import Formula
from kansym.symbolic.labels import Exact, is_name

_HELPERS = {
    "real_root": '''def real_root(x, numerator, denominator):
    """x**(numerator/denominator) for an odd denominator, real for negative x too."""
    size = abs(x) ** (numerator / denominator)
    return math.copysign(size, x) if numerator % 2 else size
''',
    "softplus": '''def softplus(x):
    """log(1 + exp(x)) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
''',
    "sigmoid": '''def sigmoid(x):
    """1/(1 + exp(-x)) without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
''',
    "sinc": '''def sinc(x):
    """sin(x)/x, 1 at 0."""
    return math.sin(x) / x if x else 1.0
''',
    "sign": '''def sign(x):
    """-1, 0 or 1."""
    return 1.0 if x > 0 else -1.0 if x < 0 else 0.0
''',
    "square": '''def square(x):
    """x*x."""
    return x * x
''',
    "besselj0": '''def besselj0(x):
    """The Bessel function J0 by the midpoint rule on its integral, which is exact to rounding here."""
    points = 40 + int(abs(x))
    angles = (math.pi * (k + 0.5) / points for k in range(points))
    return math.fsum(math.cos(x * math.sin(angle)) for angle in angles) / points
''',
}
_NEEDS = {"gaussian": "square", "lorentzian": "square"}
_PATTERNS = {
    **{name: f"math.{name}({{}})" for name in
       ("exp", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "erf")},
    **{name: f"{name}({{}})" for name in ("softplus", "sigmoid", "sinc", "sign", "besselj0", "abs")},
    "gaussian": "math.exp(-square({}))",
    "lorentzian": "(1.0/(1.0 + square({})))",
    "planck": "(1.0/math.expm1({}))",
}  # fmt: skip
_WORDS = ("math", "formula", "float", "range", "int", "abs", "max")


def _exact(number: Exact) -> str:
    ratio = number.ratio
    above = f"{ratio.numerator}.0" if ratio.denominator == 1 else f"{ratio.numerator}/{ratio.denominator}"
    for name, power in (("math.pi", number.pi), ("math.e", number.e)):
        above += "" if not power else f"*{name}" if power == 1 else f"*{name}**{power}"
    return above + (f"*math.sqrt({number.root})" if number.root != 1 else "")


def _power(base: str, exponent: Fraction) -> str:
    if exponent.denominator == 1:
        return f"(1.0/{base}**{-exponent})" if exponent < 0 else f"({base}**{exponent})"
    if exponent == Fraction(1, 2):
        return f"math.sqrt({base})"
    if exponent.denominator % 2:
        return f"real_root({base}, {exponent.numerator}, {exponent.denominator})"
    return f"math.pow({base}, {float(exponent)!r})"


PYTHON = Language(free=repr, exact=_exact, power=_power, calls=_PATTERNS)


def python(result: Result) -> str:
    """A module with one function `formula`, its arguments in the table's column order; imports only `math`."""
    return python_module(result.formula)


def python_module(formula: Formula) -> str:
    """The same for one formula. Where the formula is not real the function raises ValueError or ZeroDivisionError."""
    helpers = _helpers(formula)
    names = safe_names(formula.input_names, (*_WORDS, *_HELPERS))
    body = code(formula.expression, names, PYTHON)
    header = [f'"""A formula for {quoted_line(formula.target_name)}, found by kansym."""', "", "import math", "", ""]
    function = [f"def formula({', '.join(names)}):", *_docstring(formula, names), f"    return float({body})", ""]
    return "\n".join([*header, *(line for name in helpers for line in (_HELPERS[name], "")), *function])


def _docstring(formula: Formula, names: tuple[str, ...]) -> list[str]:
    target = _described(formula.target_name, formula.target_unit)
    units = formula.input_units or (None,) * len(names)
    boxes = formula.box or ((None, None),) * len(names)
    lines = [f'    """Return {target}.', "", "    Args:"]
    for name, column, unit, (low, high) in zip(names, formula.input_names, units, boxes, strict=True):
        seen = "" if low is None or high is None else f", {low:g} to {high:g} in the data"
        lines.append(f"        {name}: column {_described(column, unit)}{seen}")
    named = {c.label: c.value for c in formula.expression.walk() if isinstance(c, Constant) and is_name(c.label)}
    lines += [f"    Known constant: {name} = {value!r}" for name, value in named.items()]
    return [*lines, '    """']


def _described(name: str, unit: str | None) -> str:
    return quoted_line(repr(name)) + (f" in {quoted_line(unit)}" if unit else "")


def _helpers(formula: Formula) -> list[str]:
    """The helper functions that the formula calls, in the table's order."""
    used = set()
    for node in formula.expression.walk():
        if isinstance(node, Call):
            used.add(_NEEDS.get(node.name, node.name))
        if isinstance(node, Power) and node.exponent.denominator > 1 and node.exponent.denominator % 2:
            used.add("real_root")
    return [name for name in _HELPERS if name in used]
