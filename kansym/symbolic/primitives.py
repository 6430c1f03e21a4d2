"""The primitives: one-variable functions that an edge of the network, or a node of a formula, may be.

A primitive is a row of a table. `PRIMITIVES` is the whole library; `Library.only`, `.without` and `+` make another one.
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
INFINITY = math.inf


@dataclass(frozen=True)
class Primitive:
    """One row of the library.

    name: how users, formulas and run folders call it ("sin", "x^2", "x^(1/2)").
    value, derivative: vectorised float64 functions; outside the domain they give nan.
    complexity: nodes that it adds to a formula.
    domain: open interval on which it is real and smooth.
    exponent: for powers only, the exact exponent; such a primitive becomes a power in a formula, not a call.
    torch_name, sympy_name: dotted names of the same function there, or None when it is composed in `kansym.symbolic`.
    """

    name: str
    value: Unary
    derivative: Unary
    complexity: int = 1
    domain: tuple[float, float] = (-INFINITY, INFINITY)
    exponent: Fraction | None = None
    sympy: Callable[[Any, Any], Any] | None = None
    torch: Callable[[Any, Any], Any] | None = None
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
    return Primitive(
        power_name(exponent), value, derivative, complexity=1 if exponent in (2, -1, Fraction(1, 2)) else 2,
        domain=domain, exponent=exponent,
    )


def power_name(exponent: Fraction) -> str:
    """The name of a power: "x^2", "x^-1", "x^(1/2)"."""
    return f"x^{exponent}" if exponent.denominator == 1 else f"x^({exponent})"


def _row(name: str, value: Unary, derivative: Unary, complexity: int = 1, domain: tuple[float, float] = (-INFINITY, INFINITY),
         sympy: str | Callable[[Any, Any], Any] | None = None, torch: str | Callable[[Any, Any], Any] | None = None,
         latex: str | None = None, searched: bool = True) -> Primitive:
    """A row whose sympy and torch forms are a function's name there, or a builder (module, argument) -> value."""

    def builder(spec: str | Callable[[Any, Any], Any] | None) -> Callable[[Any, Any], Any]:
        if callable(spec):
            return spec
        attribute = spec or name
        return lambda module, argument: getattr(module, attribute)(argument)

    return Primitive(name, value, derivative, complexity, domain, None, builder(sympy), builder(torch), latex, searched)


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
    Fraction(p) for p in (
        "2", "-1", "1/2", "3", "-2", "-1/2", "4", "-3", "5", "-4", "-5", "3/2", "-3/2", "5/2", "-5/2",
        "1/3", "-1/3", "2/3", "-2/3", "4/3", "-4/3", "5/3", "-5/3",
    )
)

_TABLE: tuple[Primitive, ...] = (
    _row("exp", np.exp, np.exp),
    _row("log", np.log, lambda x: 1 / x, domain=(0.0, INFINITY)),
    _row("log1p", np.log1p, lambda x: 1 / (1 + x), 2, (-1.0, INFINITY), sympy=lambda m, x: m.log(1 + x), searched=False),
    _row("sin", np.sin, np.cos),
    _row("cos", np.cos, lambda x: -np.sin(x)),
    _row("tan", np.tan, lambda x: 1 + np.tan(x) ** 2, 2, (-math.pi / 2, math.pi / 2)),
    _row("asin", np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), 2, (-1.0, 1.0)),
    _row("acos", np.arccos, lambda x: -1 / np.sqrt(1 - x * x), 2, (-1.0, 1.0)),
    _row("atan", np.arctan, lambda x: 1 / (1 + x * x), 2),
    _row("sinh", np.sinh, np.cosh, 2),
    _row("cosh", np.cosh, np.sinh, 2),
    _row("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2, 2),
    _row("asinh", np.arcsinh, lambda x: 1 / np.sqrt(1 + x * x), 3),
    _row("acosh", np.arccosh, lambda x: 1 / np.sqrt(x * x - 1), 3, (1.0, INFINITY)),
    _row("atanh", np.arctanh, lambda x: 1 / (1 - x * x), 3, (-1.0, 1.0)),
    _row("sigmoid", _sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x), 3, sympy=lambda m, x: 1 / (1 + m.exp(-x)),
         latex=r"\operatorname{sigmoid}"),
    _row("softplus", lambda x: np.logaddexp(0, x), _sigmoid, 3, sympy=lambda m, x: m.log(1 + m.exp(x)),
         torch=lambda m, x: m.nn.functional.softplus(x), latex=r"\operatorname{softplus}"),
    _row("gaussian", lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), 3, sympy=lambda m, x: m.exp(-(x**2)),
         torch=lambda m, x: m.exp(-x * x), latex=r"\operatorname{gaussian}"),
    _row("lorentzian", lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2, 3, sympy=lambda m, x: 1 / (1 + x**2),
         torch=lambda m, x: 1 / (1 + x * x), latex=r"\operatorname{lorentzian}"),
    _row("sinc", _sinc, _sinc_slope, 3, sympy="sinc", torch=lambda m, x: m.sinc(x / math.pi), latex=r"\operatorname{sinc}"),
    _row("abs", np.abs, np.sign, 2, sympy="Abs"),
    _row("sign", np.sign, np.zeros_like, 2, searched=False, latex=r"\operatorname{sign}"),
    _row("erf", special.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x), 3, latex=r"\operatorname{erf}"),
    _row("besselj0", special.j0, lambda x: -special.j1(x), 3, sympy=lambda m, x: m.besselj(0, x),
         torch=lambda m, x: m.special.bessel_j0(x), latex="J_0"),
    _row("planck", _planck, _planck_slope, 3, (0.0, INFINITY), sympy=lambda m, x: 1 / (m.exp(x) - 1),
         torch=lambda m, x: 1 / m.expm1(x), latex=r"\operatorname{planck}"),
)

IDENTITY = Primitive("x", lambda x: x, np.ones_like, complexity=0, exponent=Fraction(1))
CONSTANT = Primitive("1", np.ones_like, np.zeros_like, complexity=0, exponent=Fraction(0))


@dataclass(frozen=True)
class Library:
    """An immutable set of primitives, in order; at once the API, the choice list of the command line and a test matrix."""

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
CALLS: dict[str, Primitive] = {row.name: row for row in _TABLE}


@cache
def power(exponent: Fraction) -> Primitive:
    """The primitive x -> x**exponent, also for exponents that the table does not list."""
    if exponent == 1:
        return IDENTITY
    return _power(exponent)
