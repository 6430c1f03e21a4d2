"""Differential equations as formulas: `u.dxx + u.dyy - f` in Python, `u_xx + u_yy = f` as text, or a sympy equation.

They are the trees of `kansym.symbolic` with two more kinds of leaves, so that sums, products, powers and functions are
those of every other formula. Text is read by that package's own parser; nothing is ever run as code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kansym.errors import FormulaError, did_you_mean, quote
from kansym.physics.solver.jets import Order
from kansym.symbolic.expression import Call, Constant, Expression, Tape, Variable, as_expression
from kansym.symbolic.parser import Reader, Token
from kansym.symbolic.text import to_text

Array = np.ndarray
_DOTTED = re.compile(r"\.d(?=[^\W\d])")
MOST_ORDER = 8


@dataclass(frozen=True)
class Symbol(Expression):
    """A coordinate or an unknown parameter, by its name."""

    name: str


@dataclass(frozen=True)
class Derivative(Expression):
    """A derivative of an unknown function: `by` has one letter per differentiation, sorted; "" is the function itself.

    Its own derivatives are attributes: `u.dx`, `u.dxx`, `u.dx.dt`.
    """

    field: str
    by: str = ""

    def __getattr__(self, name: str) -> Derivative:
        if name.startswith("d") and len(name) > 1 and name[1:].isalpha():
            return Derivative(self.field, "".join(sorted(self.by + name[1:])))
        raise AttributeError(f"a function has derivatives such as .dx or .dxx, but no attribute {name!r}")

    @property
    def written(self) -> str:
        """As in text: u, u_x, u_xx."""
        return f"{self.field}_{self.by}" if self.by else self.field


def field(name: str = "u") -> Derivative:
    """Return an unknown function, to write an equation with.

    u = field("u"); x, y = coordinates("x", "y")
    equation = u.dxx + u.dyy + sin(x) * y
    """
    return Derivative(name)


def coordinates(*names: str) -> tuple[Symbol, ...]:
    """Return coordinates or unknown parameters, to write an equation with."""
    return tuple(Symbol(name) for name in names)


def apply(function: str, argument: Expression | float) -> Expression:
    """Return a function by its name ("sin", "exp", ...) of an expression."""
    return Call(function, as_expression(argument))


@dataclass(frozen=True)
class Words:
    """The names that an equation may use: coordinates (one letter each), unknown functions, and unknown parameters."""

    coordinates: tuple[str, ...]
    fields: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    @property
    def plain(self) -> tuple[str, ...]:
        return (*self.coordinates, *self.parameters)

    def leaf(self, name: str) -> Expression | None:
        """Return what a name stands for: a symbol, a function, or a derivative such as u_xx; None for no known one."""
        if name in self.plain:
            return Symbol(name)
        stem, _, by = name.rpartition("_") if name not in self.fields else (name, "", "")
        if stem in self.fields and set(by) <= set(self.coordinates) and (by or stem == name):
            return Derivative(stem, "".join(sorted(by)))
        return None


class _EquationReader(Reader):
    """The parser of formulas, with the words of an equation."""

    def __init__(self, text: str, words: Words) -> None:
        super().__init__(text, {})
        self.words = words

    def unknown_name(self, name: str, token: Token) -> Expression:
        leaf = self.words.leaf(name)
        if leaf is not None:
            return leaf
        known = [*self.words.plain, *self.words.fields]
        raise self.fail(f"nothing is called {quote(name)} here: {did_you_mean(name, known)}", token)

    def name(self, token: Token) -> Expression:
        leaf = self.words.leaf(token.text)
        called = self.next.kind == "sign" and self.next.text == "("
        return leaf if leaf is not None and not called else super().name(token)


def read(source: Any, words: Words) -> Expression:
    """Return an equation as the expression that is zero where it holds.

    Args:
        source: an expression; text, with or without "= right-hand side"; a number; or a sympy expression or Eq, in
            which functions are written u(x, y) and derivatives as sympy's Derivative.
        words: the names that it may use.

    Raises:
        FormulaError: for anything else.
    """
    if isinstance(source, Expression):
        return _checked(source, words)
    if isinstance(source, int | float) and not isinstance(source, bool):
        return as_expression(float(source))
    if isinstance(source, str):
        return _from_text(source, words)
    return _from_sympy(source, words)


def _from_text(text: str, words: Words) -> Expression:
    sides = _DOTTED.sub("_", text).split("=")
    if len(sides) > 2:
        raise FormulaError(f"{quote(text)} has more than one '=': write one equation, left = right")
    read_sides = [_EquationReader(side, words).whole_text() for side in sides]
    if len(read_sides) == 1 or read_sides[1] in (Constant(0.0, "0"), Constant(0.0)):
        return read_sides[0]
    return read_sides[0] - read_sides[1]


def _from_sympy(source: Any, words: Words) -> Expression:
    import sympy
    from sympy.core.function import AppliedUndef

    from kansym.symbolic.sympy_form import from_sympy

    if not isinstance(source, sympy.Basic):
        raise FormulaError(f"an equation is text, an expression or sympy's, not {type(source).__name__}")
    if isinstance(source, sympy.Equality):
        source = sympy.Add(source.lhs, -source.rhs)  # type: ignore[operator]
    names = _SympyNames(words)
    derivatives = {node: names.derivative(node) for node in source.atoms(sympy.Derivative)}
    source = source.xreplace(derivatives)
    source = source.xreplace({node: sympy.Symbol(str(node.func)) for node in source.atoms(AppliedUndef)})
    symbols = sorted(str(symbol) for symbol in source.free_symbols)
    leaves = [_leaf(name, words) for name in symbols]
    return from_sympy(source, symbols).substitute(leaves)


@dataclass(frozen=True)
class _SympyNames:
    words: Words

    def derivative(self, node: Any) -> Any:
        """Return the symbol u_xx for Derivative(u(x, y), (x, 2))."""
        import sympy

        by = "".join(str(variable) for variable in node.variables)
        return sympy.Symbol(f"{node.expr.func}_{by}")


def _leaf(name: str, words: Words) -> Expression:
    leaf = words.leaf(name)
    if leaf is None:
        raise FormulaError(f"nothing is called {quote(name)} here: {did_you_mean(name, (*words.plain, *words.fields))}")
    return leaf


def _checked(expression: Expression, words: Words) -> Expression:
    for node in expression.walk():
        name = node.written if isinstance(node, Derivative) else node.name if isinstance(node, Symbol) else None
        if name is not None:
            _leaf(name, words)
        if isinstance(node, Derivative) and len(node.by) > MOST_ORDER:
            raise FormulaError(f"{node.written} is a derivative of order {len(node.by)}: at most {MOST_ORDER} is taken")
    return expression


def written(expression: Expression) -> str:
    """Return an equation's expression as the text that `read` reads."""
    leaves = sorted({_name(node) for node in expression.walk() if isinstance(node, Symbol | Derivative)})
    places = {name: Variable(place) for place, name in enumerate(leaves)}

    def placed(node: Expression) -> Expression:
        return places[_name(node)] if isinstance(node, Symbol | Derivative) else node

    return to_text(expression.map(placed), leaves)


def _name(leaf: Expression) -> str:
    return leaf.written if isinstance(leaf, Derivative) else leaf.name if isinstance(leaf, Symbol) else ""


@dataclass(frozen=True, eq=False)
class Residual:
    """An equation ready for numbers: a tree over the columns coordinates, parameters, and derivatives of the functions.

    Args:
        expression: over variables in that order.
        words: what the first columns are.
        slots: the derivatives, as (number of the function, order by the coordinates).
    """

    expression: Expression
    words: Words
    slots: tuple[tuple[int, Order], ...]

    @classmethod
    def of(cls, expression: Expression, words: Words) -> Residual:
        """Number the leaves of an equation."""
        found = {node for node in expression.walk() if isinstance(node, Derivative)}
        used = sorted(found, key=lambda node: (words.fields.index(node.field), len(node.by), node.by))
        places: dict[Expression, Variable] = {Symbol(name): Variable(i) for i, name in enumerate(words.plain)}
        places |= {node: Variable(len(words.plain) + i) for i, node in enumerate(used)}
        slots = tuple((words.fields.index(node.field), order_of(node.by, words.coordinates)) for node in used)
        return cls(expression.map(lambda node: places.get(node, node)), words, slots)

    @cached_property
    def tape(self) -> Tape:
        return Tape(self.expression)

    @property
    def orders(self) -> tuple[Order, ...]:
        """The derivatives that must be known."""
        return tuple(order for _, order in self.slots)

    def linearised(self, columns: Array) -> tuple[Array, Array]:
        """Return values (n,) and slopes (n, columns) at numbers (n, columns) in the columns' order."""
        return self.tape.gradient(columns)

    def values(self, columns: Array) -> Array:
        """Return values (n,) at numbers (n, columns)."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(self.tape.values(columns, self.tape.start), (len(columns),))


def order_of(by: str, names: Sequence[str]) -> Order:
    """Return "xxy" as (2, 1)."""
    return tuple(by.count(name) for name in names)
