"""Formulas as mathematics for a page (MathML) and for a figure (matplotlib's mathtext), by one set of rules.

What changes between the two is a dialect: how a number, a name, a fraction or a power is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape

from kansym.errors import printable
from kansym.report import style
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable
from kansym.symbolic.labels import Exact, is_name
from kansym.symbolic.notation import as_fraction, as_real_power, ordered_terms, plain

SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly a piece holds together
_FUNCTIONS = {"besselj0": "J₀"}


@dataclass(frozen=True)
class Piece:
    """A printed part of a formula.

    binding: how tightly it holds together. negative: whether a minus, left out of the text, stands before it.
    numeric: whether it starts with a number, which must not run into a factor before it.
    word: whether it is a name of several letters, which must not run into another factor.
    """

    text: str
    binding: int = ATOM
    negative: bool = False
    numeric: bool = False
    word: bool = False


class Dialect:
    """How the parts of a formula are written; this one writes MathML (Core, as browsers draw it without help)."""

    times = '<mo lspace="0.17em" rspace="0">&#x2062;</mo>'
    dot = "<mo>·</mo>"
    plus = "<mo>+</mo>"
    minus = "<mo>−</mo>"
    sign = '<mo form="prefix">−</mo>'

    def number(self, mantissa: str, exponent: str) -> str:
        if not exponent:
            return f"<mn>{mantissa}</mn>"
        ten = f"<msup><mn>10</mn><mn>{exponent}</mn></msup>"
        return f"<mrow><mn>{mantissa}</mn><mo>×</mo>{ten}</mrow>"

    def name(self, text: str) -> str:
        return f"<mi>{escape(printable(text))}</mi>"

    def row(self, parts: Sequence[str]) -> str:
        return "<mrow>" + "".join(parts) + "</mrow>"

    def fraction(self, above: str, below: str) -> str:
        return f"<mfrac>{above}{below}</mfrac>"

    def power(self, base: str, exponent: str) -> str:
        return f"<msup>{base}<mrow>{exponent}</mrow></msup>"

    def root(self, inner: str) -> str:
        return f"<msqrt>{inner}</msqrt>"

    def brackets(self, inner: str) -> str:
        return f"<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>"

    def bars(self, inner: str) -> str:
        return f"<mrow><mo>|</mo>{inner}<mo>|</mo></mrow>"

    def function(self, name: str, argument: str) -> str:
        return f"<mrow><mi>{escape(name)}</mi><mo>&#x2061;</mo>{self.brackets(argument)}</mrow>"


class Mathtext(Dialect):
    """The same for matplotlib's mathtext, without the dollar signs around it."""

    times = r"\,"
    dot = r"\cdot "
    plus = "+"
    minus = "-"
    sign = "-"
    _escapes = {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", "'": "’", " ": r"\ ", "`": "‘", '"': "”"}

    def number(self, mantissa: str, exponent: str) -> str:
        mantissa = mantissa.replace("−", "-")
        return rf"{mantissa}{{\times}}10^{{{exponent.replace('−', '-')}}}" if exponent else mantissa

    def name(self, text: str) -> str:
        inner = "".join(self._escapes.get(c, "\\" + c if c in "${}_%" else c) for c in printable(text))
        return inner if style.is_symbol(text) else rf"\mathrm{{{inner}}}"

    def row(self, parts: Sequence[str]) -> str:
        return "".join(parts)

    def fraction(self, above: str, below: str) -> str:
        return rf"\frac{{{above}}}{{{below}}}"

    def power(self, base: str, exponent: str) -> str:
        return f"{{{base}}}^{{{exponent}}}"

    def root(self, inner: str) -> str:
        return rf"\sqrt{{{inner}}}"

    def brackets(self, inner: str) -> str:
        return rf"\left({inner}\right)"

    def bars(self, inner: str) -> str:
        return rf"\left|{inner}\right|"

    def function(self, name: str, argument: str) -> str:
        return rf"\mathrm{{{name}}}{self.brackets(argument)}".replace("_", r"\_")


def mathml(expression: Expression, names: Sequence[str], digits: int = 6, target: str | None = None) -> str:
    """A formula as a MathML element, with `target =` before it when a target is given."""
    body = _whole(Dialect(), expression, names, digits, target)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true">{body}</math>'


def mathtext(expression: Expression, names: Sequence[str], digits: int = 4, target: str | None = None) -> str:
    """A formula as text for matplotlib, dollar signs included."""
    return f"${_whole(Mathtext(), expression, names, digits, target)}$"


def _whole(dialect: Dialect, expression: Expression, names: Sequence[str], digits: int, target: str | None) -> str:
    body = _signed(dialect, _Printer(dialect, names, digits).piece(plain(expression)))
    equals = dialect.name(target) + ("=" if isinstance(dialect, Mathtext) else "<mo>=</mo>") if target else ""
    return dialect.row([equals, body])


def _signed(dialect: Dialect, piece: Piece) -> str:
    return dialect.row([dialect.sign, piece.text]) if piece.negative else piece.text


class _Printer:
    """Writes a tree in a dialect; each method gives a piece without its leading minus."""

    def __init__(self, dialect: Dialect, names: Sequence[str], digits: int) -> None:
        self.dialect = dialect
        self.names = names
        self.digits = digits

    def piece(self, node: Expression) -> Piece:
        if isinstance(node, Variable) or (isinstance(node, Constant) and is_name(node.label)):
            name = self.names[node.index] if isinstance(node, Variable) else node.label or ""
            return Piece(self.dialect.name(name), word=not style.is_symbol(name))
        if isinstance(node, Sum):
            return self._sum(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Power) and node.exponent > 0:
            return self._power(node.base, node.exponent)
        if isinstance(node, Constant | Product | Power):
            return self._quotient(node)
        raise TypeError(f"a formula cannot hold a {type(node).__name__}")

    def _sum(self, node: Sum) -> Piece:
        parts: list[str] = []
        for piece in (self.piece(term) for term in ordered_terms(node.terms)):
            text = self._wrapped(piece.text, piece.binding == SUM)
            sign = self.dialect.minus if piece.negative else self.dialect.plus
            parts += [sign if parts else self.dialect.sign if piece.negative else "", text]
        return Piece(self.dialect.row(parts), SUM)

    def _quotient(self, node: Expression) -> Piece:
        parts = as_fraction(node)
        exact_above, exact_below = self._exact(parts.exact)
        numbers = [self._number(value) for value in parts.scale]
        numbers += [] if parts.decimal is None else [self._decimal(parts.decimal)]
        above = numbers + exact_above + [self.piece(f) for f in parts.above]
        below = exact_below + [self.piece(factor) for factor in parts.below]
        negative = parts.negative ^ (sum(piece.negative for piece in above + below) % 2 == 1)
        if below:
            text = self.dialect.fraction(self._chain(above, True).text, self._chain(below, True).text)
            return Piece(text, PRODUCT, negative, numeric=True)
        chain = self._chain(above, False)
        return Piece(chain.text, chain.binding, negative, chain.numeric)

    def _chain(self, pieces: Sequence[Piece], framed: bool) -> Piece:
        """Factors side by side; `framed` ones stand over or under a bar, where a single sum needs no brackets."""
        if not pieces:
            return Piece(self.dialect.number("1", ""), ATOM, numeric=True)
        if len(pieces) == 1:
            piece = pieces[0]
            return piece if framed or piece.binding > SUM else Piece(self.dialect.brackets(piece.text))
        joined = [self._wrapped(pieces[0].text, pieces[0].binding == SUM)]
        for before, piece in zip(pieces, pieces[1:], strict=False):
            apart = piece.numeric or before.word or (piece.word and not before.numeric)
            link = self.dialect.dot if apart else self.dialect.times
            joined += [link, self._wrapped(piece.text, piece.binding == SUM)]
        return Piece(self.dialect.row(joined), PRODUCT, numeric=pieces[0].numeric)

    def _number(self, value: float) -> Piece:
        return self._written(f"{abs(value):.{self.digits}g}", value < 0)

    def _decimal(self, value: float) -> Piece:
        return self._written(repr(value), False)

    def _written(self, text: str, negative: bool) -> Piece:
        mantissa, letter, exponent = text.partition("e")
        power = str(int(exponent)).replace("-", "−") if letter else ""
        if not letter and "." not in mantissa:
            mantissa += ".0"  # a fitted number that happens to round to a whole one is not an exact one
        return Piece(self.dialect.number(mantissa, power), PRODUCT if power else ATOM, negative, numeric=True)

    def _exact(self, number: Exact) -> tuple[list[Piece], list[Piece]]:
        """What of an exact number stands above the line and what below."""
        above = [self._whole(number.ratio.numerator)] if number.ratio.numerator != 1 else []
        below = [self._whole(number.ratio.denominator)] if number.ratio.denominator != 1 else []
        for symbol, exponent in (("π", number.pi), ("e", number.e)):
            if exponent:
                (above if exponent > 0 else below).append(self._symbol(symbol, abs(exponent)))
        if number.root != 1:
            above.append(Piece(self.dialect.root(self._whole(number.root).text), numeric=True))
        return above, below

    def _whole(self, value: int) -> Piece:
        return Piece(self.dialect.number(str(value), ""), numeric=True)

    def _symbol(self, symbol: str, exponent: int) -> Piece:
        name = self.dialect.name(symbol)
        return Piece(name if exponent == 1 else self.dialect.power(name, self._whole(exponent).text))

    def _power(self, base: Expression, exponent: Fraction) -> Piece:
        inner = self.piece(base)
        signed = _signed(self.dialect, inner)
        if exponent == Fraction(1, 2):
            return Piece(self.dialect.root(signed))
        raised = self.dialect.number(str(exponent).replace("-", "−"), "")
        return self._raised(inner, signed, raised)

    def _raised(self, inner: Piece, signed: str, raised: str) -> Piece:
        bare = inner.binding == ATOM and not inner.negative
        text = self.dialect.power(self._wrapped(signed, not bare), raised)
        return Piece(text, POWER, numeric=inner.numeric, word=inner.word)

    def _call(self, node: Call) -> Piece:
        power = as_real_power(node)
        if power is not None:
            base, exponent = (self.piece(part) for part in power)
            return self._raised(base, _signed(self.dialect, base), _signed(self.dialect, exponent))
        argument = _signed(self.dialect, self.piece(node.argument))
        if node.name == "abs":
            return Piece(self.dialect.bars(argument))
        # Not an atom: a power of it is set in brackets, so that sin(x)^2 cannot be read as sin(x^2).
        return Piece(self.dialect.function(_FUNCTIONS.get(node.name, node.name), argument), POWER)

    def _wrapped(self, text: str, needed: bool) -> str:
        return self.dialect.brackets(text) if needed else text
