"""The primitives: one-variable functions that an edge of the network, or a node of a formula, may be.

A primitive is a row of a table. `PRIMITIVES` is the whole library; `Library.only`, `.without` and `+` make another one,
and `register` makes a function of your own known to formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from kansym.errors import ConfigError

Array = np.ndarray
Unary = Callable[[Array], Array]
Builder = Callable[[Any, Any], Any]
INFINITY = math.inf


@dataclass(frozen=True)
class Primitive:
    """One row of the library.

    name: how users, formulas and run folders call it ("sin", "x^2", "x^(1/2)").
    value, derivative: vectorised float64 functions; outside the domain they give nan.
    complexity: nodes that it adds to a formula.
    domain: open interval on which it is real and smooth.
    exponent: for powers only, the exact exponent; such a primitive becomes a power in a formula, not a call.
    sympy, torch: (module, argument) -> the same function there. Without them, sympy shows an undefined function of that
        name, and a formula with it cannot become a torch module.
    latex: the function's name in LaTeX; None writes `name` upright.
    searched: False for functions that formulas may hold but no search tries.
    """

    name: str
    value: Unary
    derivative: Unary
    complexity: int = 1
    domain: tuple[float, float] = (-INFINITY, INFINITY)
    exponent: Fraction | None = None
    sympy: Builder | None = None
    torch: Builder | None = None
    latex: str | None = None
    searched: bool = True


def _power(exponent: Fraction) -> Primitive:
    number = float(exponent)
    odd_root = exponent.denominator == 3

    def value(x: Array) -> Array:
        return np.sign(x) ** exponent.numerator * np.abs(x) ** number if odd_root else x**number

    def derivative(x: Array) -> Array:
        return number * value(x) / x if odd_root else number * x ** (number - 1)

    whole = exponent.denominator == 1
    domain = (-INFINITY, INFINITY) if (whole and exponent > 0) else (0.0, INFINITY)
    size = 1 if exponent in (2, -1, Fraction(1, 2)) else 2
    return Primitive(power_name(exponent), value, derivative, size, domain, exponent)


def power_name(exponent: Fraction) -> str:
    """The name of a power: "x^2", "x^-1", "x^(1/2)"."""
    return f"x^{exponent}" if exponent.denominator == 1 else f"x^({exponent})"


def _row(name: str, value: Unary, derivative: Unary, complexity: int = 1, **forms: Any) -> Primitive:
    """A row whose sympy and torch forms are a function's name there (its own if none), or a builder.

    forms: `domain`, `latex`, `searched` as in Primitive; `sympy`, `torch`: a name, or (module, argument) -> value.
    """
    builders: dict[str, Any] = {module: _builder(forms.get(module, name)) for module in ("sympy", "torch")}
    return Primitive(name, value, derivative, complexity, **(forms | builders))


def _builder(form: str | Builder) -> Builder:
    return form if callable(form) else lambda module, argument: getattr(module, form)(argument)


def _sigmoid(x: Array) -> Array:
    return special.expit(x)


def _sinc(x: Array) -> Array:
    return np.sinc(x / np.pi)


def _sinc_slope(x: Array) -> Array:
    small = np.abs(x) < 1e-4
    safe = np.where(small, 1.0, x)
    return np.where(small, -x / 3, (np.cos(safe) - np.sin(safe) / safe) / safe)


def _planck(x: Array) -> Array:
    return 1.0 / np.expm1(x)


def _planck_slope(x: Array) -> Array:
    return -1.0 / (4.0 * np.sinh(x / 2) ** 2)


EXPONENTS = tuple(
    Fraction(power)
    for power in (
        *("2", "-1", "1/2", "3", "-2", "-1/2", "4", "-3", "5", "-4", "-5", "3/2", "-3/2", "5/2", "-5/2"),
        *("1/3", "-1/3", "2/3", "-2/3", "4/3", "-4/3", "5/3", "-5/3"),
    )
)
_POSITIVE, _UNIT = (0.0, INFINITY), (-1.0, 1.0)

_TABLE: tuple[Primitive, ...] = (
    _row("exp", np.exp, np.exp),
    _row("log", np.log, lambda x: 1 / x, domain=_POSITIVE),
    _row("log1p", np.log1p, lambda x: 1 / (1 + x), 2, domain=(-1.0, INFINITY), sympy=lambda m, x: m.log(1 + x),
         searched=False),
    _row("sin", np.sin, np.cos),
    _row("cos", np.cos, lambda x: -np.sin(x)),
    _row("tan", np.tan, lambda x: 1 + np.tan(x) ** 2, 2, domain=(-math.pi / 2, math.pi / 2)),
    _row("asin", np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), 2, domain=_UNIT),
    _row("acos", np.arccos, lambda x: -1 / np.sqrt(1 - x * x), 2, domain=_UNIT),
    _row("atan", np.arctan, lambda x: 1 / (1 + x * x), 2),
    _row("sinh", np.sinh, np.cosh, 2),
    _row("cosh", np.cosh, np.sinh, 2),
    _row("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2, 2),
    _row("asinh", np.arcsinh, lambda x: 1 / np.sqrt(1 + x * x), 3),
    _row("acosh", np.arccosh, lambda x: 1 / np.sqrt(x * x - 1), 3, domain=(1.0, INFINITY)),
    _row("atanh", np.arctanh, lambda x: 1 / (1 - x * x), 3, domain=_UNIT),
    _row("sigmoid", _sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x), 3, sympy=lambda m, x: 1 / (1 + m.exp(-x)),
         latex=r"\operatorname{sigmoid}"),
    _row("softplus", lambda x: np.logaddexp(0, x), _sigmoid, 3, sympy=lambda m, x: m.log(1 + m.exp(x)),
         torch=lambda m, x: m.nn.functional.softplus(x), latex=r"\operatorname{softplus}"),
    _row("gaussian", lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), 3,
         sympy=lambda m, x: m.exp(-(x**2)), torch=lambda m, x: m.exp(-x * x), latex=r"\operatorname{gaussian}"),
    _row("lorentzian", lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2, 3,
         sympy=lambda m, x: 1 / (1 + x**2), torch=lambda m, x: 1 / (1 + x * x),
         latex=r"\operatorname{lorentzian}"),
    _row("sinc", _sinc, _sinc_slope, 3, torch=lambda m, x: m.sinc(x / math.pi), latex=r"\operatorname{sinc}"),
    _row("abs", np.abs, np.sign, 2, sympy="Abs"),
    _row("sign", np.sign, np.zeros_like, 2, searched=False, latex=r"\operatorname{sign}"),
    _row("erf", special.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x), 3, latex=r"\operatorname{erf}"),
    _row("besselj0", special.j0, lambda x: -special.j1(x), 3, sympy=lambda m, x: m.besselj(0, x),
         torch=lambda m, x: m.special.bessel_j0(x), latex="J_0"),
    _row("planck", _planck, _planck_slope, 3, domain=_POSITIVE, sympy=lambda m, x: 1 / (m.exp(x) - 1),
         torch=lambda m, x: 1 / m.expm1(x), latex=r"\operatorname{planck}"),
)  # fmt: skip

IDENTITY = Primitive("x", lambda x: x, np.ones_like, complexity=0, exponent=Fraction(1))
CONSTANT = Primitive("1", np.ones_like, np.zeros_like, complexity=0, exponent=Fraction(0))


@dataclass(frozen=True)
class Library:
    """An immutable set of primitives, in order: at once the API, the command line's choices and a test matrix."""

    rows: tuple[Primitive, ...]

    def __iter__(self) -> Iterator[Primitive]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: str) -> bool:
        return any(row.name == name for row in self.rows)

    def __getitem__(self, name: str) -> Primitive:
        for row in self.rows:
            if row.name == name:
                return row
        raise ConfigError(f"no primitive is called {name!r}: choose from {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the table's order."""
        return tuple(row.name for row in self.rows)

    def only(self, *names: str) -> Library:
        """The library with these primitives alone (constant and identity always stay)."""
        return Library((CONSTANT, IDENTITY) + tuple(self[name] for name in names if name not in ("1", "x")))

    def without(self, *names: str) -> Library:
        """The library less these primitives."""
        for name in names:
            self[name]
        return Library(tuple(row for row in self.rows if row.name not in names))

    def __add__(self, other: Primitive | Iterable[Primitive]) -> Library:
        added = (other,) if isinstance(other, Primitive) else tuple(other)
        taken = {row.name for row in added}
        return Library(tuple(row for row in self.rows if row.name not in taken) + added)


PRIMITIVES = Library((CONSTANT, IDENTITY) + tuple(_power(p) for p in EXPONENTS) + _TABLE)
# What a `Call` in a formula may name.
CALLS: dict[str, Primitive] = {row.name: row for row in _TABLE}
# Words that mean something else in a formula's text.
_WORDS = frozenset(
    {"sqrt", "cbrt", "pow", "besselj", "j0", "pi", "E", "x", "Abs", "ln", "arcsin", "arccos", "arctan"}
    | {"arcsinh", "arccosh", "arctanh"}
)


def register(primitive: Primitive) -> Primitive:
    """Make a primitive of your own known to formulas, to the choice of primitives and to the readers of saved runs.

    A program that loads a run with such a formula in it has to register the primitive first.

    Returns the primitive. Raises ConfigError when its name is taken or is no plain word.
    """
    name = primitive.name
    if not name.isidentifier() or name in _WORDS or primitive.exponent is not None:
        raise ConfigError(f"a primitive cannot be called {name!r}: choose a plain word that formulas do not use yet")
    if CALLS.get(name, primitive) is not primitive:
        raise ConfigError(f"there is a primitive {name!r} already: choose another name")
    CALLS[name] = primitive
    return primitive


def library(only: Iterable[str] | None = None, drop: Iterable[str] = ()) -> Library:
    """The primitives to search with: all of them and all registered ones, less what was not chosen.

    Raises ConfigError for an unknown name.
    """
    own = tuple(row for row in CALLS.values() if row.name not in PRIMITIVES)
    every = PRIMITIVES + own if own else PRIMITIVES
    chosen = every if only is None else every.only(*only)
    dropped = tuple(drop)
    return chosen.without(*dropped) if dropped else chosen


@cache
def power(exponent: Fraction) -> Primitive:
    """The primitive x -> x**exponent, also for exponents that the table does not list."""
    if exponent == 1:
        return IDENTITY
    return _power(exponent)
