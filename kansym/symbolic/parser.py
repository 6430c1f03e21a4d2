"""Formulas from text: a tokenizer and a small grammar of our own. Nothing is ever evaluated as code.

Grammar (sympy's and Python's syntax, `^` also read as `**`):

    sum     = term (("+" | "-") term)*
    term    = unary (("*" | "/") unary)*
    unary   = ("+" | "-") unary | power
    power   = atom (("**" | "^") unary)?
    atom    = number | column | constant | function "(" sum ("," sum)? ")" | "(" sum ")"

A column is a name of the table, in backquotes when it is no identifier (a backquote in it is doubled).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kansym.errors import FormulaError, did_you_mean, quote
from kansym.symbolic.expression import (
    Constant,
    Expression,
    Power,
    Product,
    Variable,
    add,
    call,
    multiply,
    raise_to,
    whole,
)
from kansym.symbolic.labels import Exact
from kansym.symbolic.notation import exact_value, height
from kansym.symbolic.primitives import CALLS

MOST_CHARACTERS = 100_000
MOST_NODES = 2000
MOST_DEPTH = 100
MOST_DIGITS = 32
LARGEST_EXPONENT = 1000
LARGEST_DENOMINATOR = 1000

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|`(?P<quoted>(?:[^`]|``)*)`"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[-+*/^(),])"
)
_CONSTANTS = {"pi": Exact(Fraction(1), pi=1), "E": Exact(Fraction(1), e=1)}
_ALIASES = {"Abs": "abs", "ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh",
            "arccosh": "acosh", "arctanh": "atanh", "j0": "besselj0"}  # fmt: skip
_ROOTS = {"sqrt": Fraction(1, 2), "cbrt": Fraction(1, 3)}
_TWO = ("besselj", "pow")


@dataclass(frozen=True)
class Token:
    """A piece of text: its kind ("number", "quoted", "name", "sign" or "end"), itself, and where it stands."""

    kind: str
    text: str
    at: int


def parse(text: str, names: Sequence[str]) -> Expression:
    """The formula that a text says.

    text: at most 2,000 nodes in at most 100 levels, numbers of at most 32 digits, exponents of at most 1,000.
    names: column names (D,); a column called `pi` or `E` wins over the constant.

    Whole numbers and their quotients, pi, E and sqrt(2) become exact constants; decimals become free ones. An exponent
    that is no exact rational number makes exp(y*log(x)).
    Raises FormulaError, which tells the position, for any other text.
    """
    if len(text) > MOST_CHARACTERS:
        raise FormulaError(f"the formula has {len(text):,} characters: at most {MOST_CHARACTERS:,} are read")
    reader = Reader(text, {name: place for place, name in enumerate(names)})
    try:
        return reader.whole_text()
    except RecursionError as error:
        raise FormulaError(f"the formula is nested too deeply: at most {MOST_DEPTH} levels are read") from error


def _tokens(text: str) -> list[Token]:
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise FormulaError(f"position {at + 1}: {quote(text[at])} has no meaning in a formula")
        kind = found.lastgroup or ""
        if kind != "space":
            tokens.append(Token(kind, found.group(kind), at))
        at = found.end()
    return [*tokens, Token("end", "", len(text))]


class Reader:
    """Reads one text by the grammar; each rule is a method, and `unknown_...` say what a name without meaning is.

    text: see `parse`. numbers: the columns' numbers by their names.
    """

    def __init__(self, text: str, numbers: dict[str, int]) -> None:
        self.tokens, self.numbers = _tokens(text), numbers
        self.place = self.depth = self.nodes = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def fail(self, message: str, token: Token | None = None) -> FormulaError:
        return FormulaError(f"position {(token or self.next).at + 1}: {message}")

    def take(self, *signs: str) -> Token | None:
        """The next token if it is one of these signs."""
        token = self.next
        if token.kind != "sign" or token.text not in signs:
            return None
        self.place += 1
        return token

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            found = quote(self.next.text) if self.next.kind != "end" else "the end"
            raise self.fail(f"expected '{sign}' but found {found}")

    def counted(self, node: Expression) -> Expression:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self.fail(f"the formula has more than {MOST_NODES:,} nodes")
        return node

    def whole_text(self) -> Expression:
        expression = self.sum()
        if self.next.kind != "end":
            raise self.fail(f"{quote(self.next.text)} is not expected here: is an operator missing?")
        if height(expression) > MOST_DEPTH:
            raise self.fail(f"the formula is nested deeper than {MOST_DEPTH}")
        return expression

    def nested(self, rule: Callable[[], Expression]) -> Expression:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self.fail(f"the formula is nested deeper than {MOST_DEPTH}")
        node = rule()
        self.depth -= 1
        return node

    def sum(self) -> Expression:
        terms = [self.term()]
        while sign := self.take("+", "-"):
            term = self.term()
            terms.append(self.counted(term if sign.text == "+" else _negative(term)))
        return add(*terms)

    def term(self) -> Expression:
        factors = [self.unary()]
        while sign := self.take("*", "/"):
            factor = self.unary()
            factors.append(self.counted(factor if sign.text == "*" else _reciprocal(factor)))
        return _joined(factors)

    def unary(self) -> Expression:
        sign = self.take("+", "-")
        if not sign:
            return self.power()
        operand = self.nested(self.unary)
        return operand if sign.text == "+" else self.counted(_negative(operand))

    def power(self) -> Expression:
        base = self.atom()
        sign = self.take("**", "^")
        return self.raised(base, self.nested(self.unary), sign) if sign else base

    def raised(self, base: Expression, exponent: Expression, sign: Token) -> Expression:
        if not isinstance(exponent, Constant):
            return self.counted(call("exp", multiply(exponent, call("log", base))))
        if abs(exponent.value) > LARGEST_EXPONENT:
            raise self.fail(
                f"an exponent of {exponent.value:g} is too large: at most {LARGEST_EXPONENT:,} is read", sign
            )
        rational = _rational(exponent)
        if rational is None:
            return self.counted(call("exp", multiply(exponent, call("log", base))))
        return self.counted(_powered(base, rational))

    def atom(self) -> Expression:
        token = self.next
        if self.take("("):
            inner = self.nested(self.sum)
            self.expect(")")
            return inner
        if token.kind not in ("number", "name", "quoted"):
            found = quote(token.text) if token.kind != "end" else "the end"
            raise self.fail(f"expected a number, a column or a function but found {found}")
        self.place += 1
        if token.kind == "number":
            return self.counted(self.number(token))
        return self.counted(self.name(token))

    def number(self, token: Token) -> Constant:
        if sum(character.isdigit() for character in token.text) > MOST_DIGITS:
            raise self.fail(f"the number has more than {MOST_DIGITS} digits", token)
        if token.text.isdigit():
            return whole(int(token.text)) if int(token.text) <= 10**30 else Constant(float(token.text))
        value = float(token.text)
        if value == float("inf"):
            raise self.fail(f"{token.text} is too large for a 64-bit float", token)
        return Constant(value)

    def name(self, token: Token) -> Expression:
        name = token.text.replace("``", "`") if token.kind == "quoted" else token.text
        if token.kind == "name" and self.next.kind == "sign" and self.next.text == "(":
            return self.function(token)
        if name in self.numbers:
            return Variable(self.numbers[name])
        if token.kind == "name" and name in _CONSTANTS:
            return _CONSTANTS[name].constant()
        return self.unknown_name(name, token)

    def unknown_name(self, name: str, token: Token) -> Expression:
        """What a name means that is no column and no constant."""
        raise self.fail(f"no column is called {quote(name)}: {did_you_mean(name, self.numbers)}", token)

    def unknown_function(self, token: Token) -> Expression:
        """What a function means that is none of the library; its arguments come next."""
        known = [*CALLS, *_ROOTS, *_TWO]
        raise self.fail(f"no function is called {quote(token.text)}: {did_you_mean(token.text, known)}", token)

    def function(self, token: Token) -> Expression:
        name = _ALIASES.get(token.text, token.text)
        if name not in CALLS and name not in _ROOTS and name not in _TWO:
            return self.unknown_function(token)
        arguments = self.arguments()
        if len(arguments) != (2 if name in _TWO else 1):
            raise self.fail(f"{token.text} takes {'two arguments' if name in _TWO else 'one argument'}", token)
        if name == "pow":
            return self.raised(arguments[0], arguments[1], token)
        if name == "besselj":
            return self.bessel(arguments, token)
        return _powered(arguments[0], _ROOTS[name]) if name in _ROOTS else call(name, arguments[0])

    def arguments(self) -> list[Expression]:
        self.expect("(")
        arguments = [self.nested(self.sum)]
        while self.take(","):
            arguments.append(self.nested(self.sum))
        self.expect(")")
        return arguments

    def bessel(self, arguments: list[Expression], token: Token) -> Expression:
        if arguments[0] != whole(0):
            raise self.fail("besselj is known for order 0 only: write besselj(0, x)", token)
        return call("besselj0", arguments[1])


def _negative(node: Expression) -> Expression:
    """-node; the sign goes into a number in front, so that -2.5 is one constant."""
    if isinstance(node, Product) and isinstance(node.factors[0], Constant):
        return Product((_negative_number(node.factors[0]), *node.factors[1:]))
    return _negative_number(node) if isinstance(node, Constant) else multiply(whole(-1), node)


def _negative_number(number: Constant) -> Constant:
    known = exact_value(number)
    return Exact(-known.ratio, known.pi, known.e, known.root).constant() if known else Constant(-number.value)


def _reciprocal(node: Expression) -> Expression:
    if isinstance(node, Power):
        return raise_to(node.base, -node.exponent)
    return _powered(node, Fraction(-1))


def _powered(base: Expression, exponent: Fraction) -> Expression:
    """A power; one of an exact number is an exact number where there is one, and not too long."""
    known = exact_value(base) if isinstance(base, Constant) else None
    power = known.power(exponent) if known else None
    return power.constant() if power else raise_to(base, exponent)


def _joined(factors: list[Expression]) -> Expression:
    """A product whose exact numbers are one: 3*pi/2 is a single constant."""
    number, rest = Exact(Fraction(1)), []
    for factor in factors:
        known = exact_value(factor) if isinstance(factor, Constant) else None
        product = number.times(known) if known else None
        if product is None:
            rest.append(factor)
        else:
            number = product
    return multiply(number.constant(), *rest) if rest else number.constant()


def _rational(exponent: Constant) -> Fraction | None:
    """The exponent as an exact fraction; decimals count when they are whole or half numbers."""
    if exponent.label is None:
        return Fraction(exponent.value) if (2 * exponent.value).is_integer() else None
    known = exact_value(exponent)
    usable = known is not None and known.irrational == (0, 0, 1) and known.ratio.denominator <= LARGEST_DENOMINATOR
    return known.ratio if known and usable else None
