r"""Formulas as LaTeX, written by our own printer: names are data, so every special character in them is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kansym.symbolic.expression import Call, Constant, Expression, Power, Sum, Variable
from kansym.symbolic.notation import Quotient, as_real_power, ordered_terms, plain
from kansym.symbolic.primitives import CALLS
from kansym.symbolic.writer import ATOM, POWER, PRODUCT, SUM, Writer

# Up to here pdflatex knows the letters; others are written by their number.
LAST_LATIN = 0x17F

_WORDS = (
    *(
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
    ),
    *("pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
    *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"),
)
GREEK = frozenset(_WORDS)
_LETTERS = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _WORDS, strict=True))
_LETTERS |= {"ς": "varsigma", "ϕ": "phi", "ϵ": "epsilon", "µ": "mu"}
_SPECIAL = {
    "\\": r"\backslash ", "{": r"\{", "}": r"\}", "$": r"\$", "%": r"\%", "#": r"\#", "&": r"\&", "_": r"\_",
    "^": r"\hat{\ }", "~": r"\sim ", " ": r"\ ", "'": "'", '"': "''", "<": r"<", ">": r">", "`": r"\grave{\ }",
}  # fmt: skip
_NAME = re.compile(r"(?P<base>[A-Za-z]+|[^\W\d_])(?P<digits>\d{0,6})(?:_(?P<index>[A-Za-z0-9]{1,12}))?")
FUNCTIONS = {
    "exp": r"\exp", "log": r"\ln", "sin": r"\sin", "cos": r"\cos", "tan": r"\tan", "asin": r"\arcsin",
    "acos": r"\arccos", "atan": r"\arctan", "sinh": r"\sinh", "cosh": r"\cosh", "tanh": r"\tanh",
    "asinh": r"\operatorname{arsinh}", "acosh": r"\operatorname{arcosh}", "atanh": r"\operatorname{artanh}",
    "sinc": r"\operatorname{sinc}", "sign": r"\operatorname{sgn}", "erf": r"\operatorname{erf}", "besselj0": "J_{0}",
}  # fmt: skip


def to_latex(expression: Expression, names: Sequence[str], digits: int | None = 6) -> str:
    r"""The formula as LaTeX mathematics, without the surrounding dollar signs.

    names: the column names (D,): `theta` becomes \theta, `x_1` x_{1}, anything unusual upright text, escaped.
    digits: significant digits of the free constants; None writes all of them.
    """
    return _Writer(names, digits).write(plain(expression))


def latex_terms(expression: Expression, names: Sequence[str], digits: int | None = 6) -> list[str]:
    """The terms of a sum as LaTeX, each but the first with its sign; a single one for any other formula."""
    writer, node = _Writer(names, digits), plain(expression)
    if not isinstance(node, Sum):
        return [writer.write(node)]
    first, *others = (
        writer.write(term, PRODUCT if isinstance(term, Sum) else SUM) for term in ordered_terms(node.terms)
    )
    return [first, *(f"- {text[1:]}" if text.startswith("-") else f"+ {text}" for text in others)]


def latex_name(name: str) -> str:
    r"""A column name as LaTeX: T, \theta, x_{1}, \mathrm{temp\ [K]}. Nothing in a name can act as a command."""
    found = _NAME.fullmatch(name)
    if not found or (found["digits"] and found["index"]):
        return rf"\mathrm{{{escaped(name)}}}"
    base = _letters(found["base"])
    index = found["digits"] or found["index"] or ""
    if not index:
        return base
    return f"{base}_{{{index if len(index) == 1 or index.isdigit() else _letters(index)}}}"


def escaped(text: str) -> str:
    """Any text for use inside mathematics: each special character written as a printed one."""
    return "".join(_escaped_character(character) for character in text)


def _escaped_character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character in _LETTERS:
        return f"\\{_LETTERS[character]} "
    if character.isascii():
        return character if character.isprintable() else r"\ "
    known = character.isprintable() and ord(character) <= LAST_LATIN
    return rf"\text{{{character}}}" if known else rf"\text{{U+{ord(character):04X}}}"


def _letters(word: str) -> str:
    if word in GREEK or word in _LETTERS:
        return f"\\{_LETTERS.get(word, word)}"
    return word if len(word) == 1 and word.isascii() else rf"\mathrm{{{escaped(word)}}}"


def latex_number(value: float, digits: int | None = 6) -> str:
    r"""A number: 2.5, 3.1 \times 10^{-34}."""
    text = repr(float(value)) if digits is None else f"{value:.{digits}g}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else f"-{power}" if mantissa == "-1" else rf"{mantissa} \times {power}"


class _Writer(Writer):
    def _parentheses(self, text: str) -> str:
        return rf"\left({text}\right)"

    def _name(self, name: str) -> str:
        return latex_name(name)

    def _call(self, node: Call) -> tuple[str, int]:
        power = as_real_power(node)
        if power is not None:
            return f"{self._base(power[0])}^{{{self.write(power[1])}}}", POWER
        inside = self.write(node.argument)
        if node.name == "abs":
            return rf"\left|{inside}\right|", ATOM
        if node.name == "exp" and _is_low(node.argument):
            return f"e^{{{inside}}}", POWER
        name = FUNCTIONS.get(node.name) or CALLS[node.name].latex or rf"\operatorname{{{escaped(node.name)}}}"
        return rf"{name}\left({inside}\right)", ATOM

    def _power(self, node: Power) -> tuple[str, int]:
        exponent, base = node.exponent, node.base
        if exponent.numerator == 1:
            degree = "" if exponent.denominator == 2 else f"[{exponent.denominator}]"
            return rf"\sqrt{degree}{{{self.write(base)}}}", ATOM
        shown = str(exponent)
        if isinstance(base, Call) and base.name in _RAISED and exponent.denominator == 1:
            return rf"{FUNCTIONS[base.name]}^{{{shown}}}\left({self.write(base.argument)}\right)", ATOM
        return f"{self._base(base)}^{{{shown}}}", POWER

    def _base(self, base: Expression) -> str:
        """The base of a power, in parentheses unless it is a name, a plain number or between bars."""
        text, strength = self._node(base)
        number = isinstance(base, Constant) and strength == ATOM
        bare = number or isinstance(base, Variable) or (isinstance(base, Call) and base.name == "abs")
        return text if bare else rf"\left({text}\right)"

    def _quotient(self, parts: Quotient) -> tuple[str, int]:
        scale = [text for value in parts.scale if (text := latex_number(value, self.digits)) != "1"]
        scale += [] if parts.decimal is None else [latex_number(parts.decimal, None)]
        top, bottom = self._exact(parts)
        if not parts.below and len(bottom) == 1 and parts.above and not scale:
            top, bottom = [rf"\frac{{{_beside(top) or '1'}}}{{{bottom[0]}}}"], []
        above = scale + top + [self._factor(factor) for factor in parts.above]
        below = bottom + [self._factor(factor) for factor in parts.below]
        if below:
            above = [self.write(parts.above[0])] if len(above) == 1 and parts.above else above
            below = [self.write(parts.below[0])] if len(below) == 1 and parts.below else below
            text, strength = rf"\frac{{{_beside(above) or '1'}}}{{{_beside(below)}}}", PRODUCT
        else:
            text = _beside(above) or "1"
            lone = len(above) == 1
            strength = PRODUCT if not lone else self._node(parts.above[0])[1] if parts.above else _strength(text)
        return (f"-{text}", SUM) if parts.negative else (text, strength)

    def _factor(self, node: Expression) -> str:
        return self.write(node, PRODUCT)

    def _exact(self, parts: Quotient) -> tuple[list[str], list[str]]:
        number = parts.exact
        top = [str(number.ratio.numerator)] if number.ratio.numerator != 1 else []
        bottom = [str(number.ratio.denominator)] if number.ratio.denominator != 1 else []
        top += [rf"\sqrt{{{number.root}}}"] if number.root != 1 else []
        for letter, power in ((r"\pi", number.pi), ("e", number.e)):
            raised = letter if abs(power) == 1 else f"{letter}^{{{abs(power)}}}"
            (top if power > 0 else bottom).extend([raised] if power else [])
        return top, bottom


_RAISED = frozenset({"sin", "cos", "tan", "sinh", "cosh", "tanh"})


def _strength(number: str) -> int:
    return PRODUCT if r"\times" in number or r"\frac" in number or " " in number else POWER if "^" in number else ATOM


def _is_low(node: Expression) -> bool:
    """Whether an exponent is readable as one: no power, quotient or function inside a function."""
    return sum(isinstance(inner, (Power, Call)) for inner in node.walk()) <= 3 and node.complexity <= 14


def _beside(factors: Sequence[str]) -> str:
    r"""Factors side by side, with \cdot where two numbers would run together."""
    text = ""
    for factor in factors:
        digits = factor[:1].isdigit() or factor.startswith((r"\frac{1}", "10^"))
        text += (r" \cdot " if digits else r" \, ") + factor if text else factor
    return text
