"""Shapes of one column with numbers inside: decays, oscillations, peaks, steps, powers; each with starts to try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import TypeGuard

import numpy as np

from kansym.symbolic.expression import Call, Constant, Expression, Variable, add, call, multiply, raise_to, whole

Array = np.ndarray
X = Variable(0)
TURN_PER_POINT = np.pi  # radians between neighbouring points up to which an oscillation is tried
MOST_TURNS = 60  # periods over the range
POWERS = np.concatenate([np.arange(-6.0, 0.0, 0.25), np.arange(0.125, 8.0, 0.25)])
STRETCHES, FALLS = (0.3, 0.5, 0.7, 1.4, 1.8, 2.6, 3.5, 5.0), np.geomspace(0.2, 20.0, 8)
DAMPINGS = np.array([-16.0, -8.0, -4.0, -2.0, -1.0, -0.4, 0.7, 2.0, 5.0])
LINE_POWERS = (-3.0, -1.5, -0.7, -0.3, 0.3, 0.7, 1.5, 2.5, 4.0)
OUTER_POWERS, INNER_POWERS = (-3.0, -1.5, -0.6, 0.3, 0.7, 1.5, 3.0), (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.5)
FEW_POWERS = (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


@dataclass(frozen=True)
class Family:
    """Shapes of one kind.

    forms: the shape of Variable(0) with its inner numbers as free constants. Two of them are either a cosine and a
        sine, so that amplitude and phase are linear, or a shape and x times it.
    starts: inner numbers (S, P) to try, for points (n,) in ascending order.
    positive: whether the column must be above 0.
    repeated: whether laws with three of them are common.
    """

    name: str
    forms: tuple[Expression, ...]
    starts: Callable[[Array], Array]
    positive: bool = False
    repeated: bool = False

    @cached_property
    def oscillates(self) -> bool:
        """Whether the forms are a cosine and a sine."""
        return any(map(_is_sine, self.forms[-1].walk()))


@dataclass(frozen=True)
class Shape:
    """A member of a family, by its inner numbers."""

    family: Family
    inner: tuple[float, ...]

    @property
    def phase(self) -> Expression:
        """The argument of an oscillation."""
        return next(filter(_is_sine, self.family.forms[-1].with_constants(self.inner).walk())).argument

    def written(self, outer: Sequence[float]) -> Expression:
        """The forms times their outer numbers: a cosine and a sine as one wave with a phase, a form and x times it as a
        line times the form."""
        numbers = [Constant(float(number)) for number in outer]
        if not self.family.oscillates:
            line = numbers[0] if len(numbers) == 1 else add(numbers[0], multiply(numbers[1], X))
            return multiply(line, self.family.forms[0].with_constants(self.inner))
        quarter, phase = _nearest_wave(float(np.arctan2(outer[0], outer[1])))
        wave = self.family.forms[1 - quarter % 2].with_constants(self.inner)
        size = float(np.linalg.norm(outer)) * (-1.0 if quarter in (2, 3) else 1.0)
        return multiply(Constant(size), wave.map(lambda node: _shifted(node, phase)))


def _nearest_wave(phase: float) -> tuple[int, float]:
    """(q, p) with sin(u + phase) = sin, cos, -sin, -cos of u + p for q = 0 to 3, and p of at most an eighth turn."""
    turns = round(phase / (0.5 * np.pi))
    return turns % 4, phase - turns * 0.5 * np.pi


def _shifted(node: Expression, phase: float) -> Expression:
    if isinstance(node, Call) and node.name in ("sin", "cos"):
        return call(node.name, add(node.argument, Constant(phase)))
    return node


def _is_sine(node: Expression) -> TypeGuard[Call]:
    return isinstance(node, Call) and node.name == "sin"


def _free() -> Constant:
    return Constant(1.0)


def _times(node: Expression) -> Expression:
    return multiply(_free(), node)


def _over(node: Expression, power: int = 1) -> Expression:
    return raise_to(node, Fraction(-power))


def _power(base: Expression) -> Expression:
    """base**p with a free p."""
    return call("exp", _times(call("log", base)))


def _waves(argument: Expression, *factors: Expression) -> tuple[Expression, Expression]:
    return multiply(*factors, call("cos", argument)), multiply(*factors, call("sin", argument))


def _rates(z: Array, count: int = 20) -> Array:
    rates = np.geomspace(0.3, 60.0, count) / np.ptp(z)
    return np.concatenate([-rates, rates])


def _frequencies(z: Array, most: int = 160) -> Array:
    """Angular frequencies from a third of a period over the range up to what the points can tell, evenly."""
    span = float(np.ptp(z))
    highest = min(TURN_PER_POINT * (len(z) - 1), 2.0 * np.pi * MOST_TURNS)
    count = int(np.clip((highest - 2.0) / 1.2, 4, most))
    return np.linspace(2.0, max(highest, 4.0), count) / span


def _peaks(slope: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Slopes, from widths, and shifts of peaks at many places."""

    def starts(z: Array) -> Array:
        span = float(np.ptp(z))
        places = np.linspace(z[0] - 0.05 * span, z[-1] + 0.05 * span, 24)
        return _grid(slope(np.geomspace(0.015, 0.6, 8) * span), -places)

    return starts


def _bends(z: Array) -> Array:
    """Slopes of both signs and shifts, as of peaks."""
    starts = _peaks(lambda s: 1.0 / s)(z)[::2]
    return np.vstack([starts, starts * [-1.0, 1.0]])


def _before(z: Array) -> Array:
    """Numbers b of x + b, zero somewhere before the range."""
    return (np.geomspace(0.005, 10.0, 40) * np.ptp(z) - z[0])[:, None]


def _after(z: Array) -> Array:
    """Numbers b of b - x, zero somewhere after the range."""
    return (np.geomspace(0.005, 10.0, 40) * np.ptp(z) + z[-1])[:, None]


def _grid(*axes: Sequence[float] | Array) -> Array:
    return np.array(list(product(*axes)), dtype=float)


def _shifted_powers(places: Array) -> Array:
    """Exponents and places of a line's zero."""
    return np.array([(p, place) for p in LINE_POWERS for place in places[::4, 0]])


def _powers_of_powers(z: Array) -> Array:
    """Numbers q, a, p of (1 + a x**p)**q, 1 at three places of the range on a logarithmic scale."""
    places = np.exp(np.quantile(np.log(z), (0.1, 0.5, 0.9)))
    return np.array([(q, place**-p, p) for q in OUTER_POWERS for p in INNER_POWERS for place in places])


def _thermal(z: Array) -> Array:
    """Powers and positive rates."""
    return _grid((-2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0), _rates_over_decades(z))


def _rates_over_decades(z: Array, a_decade: int = 5) -> Array:
    """Positive rates from those that bend the largest points to those that bend all but the smallest."""
    low, high = 0.3 / np.ptp(z), 60.0 / min(float(np.ptp(z)), 3.0 * float(np.quantile(z, 0.2)))
    return np.geomspace(low, high, max(12, round(a_decade * np.log10(high / low))))


def _stretched(z: Array) -> Array:
    middle = float(np.exp(np.mean(np.log(z))))
    return np.array([(-fall / middle**p, p) for p in STRETCHES for fall in FALLS])


def _chirps(z: Array) -> Array:
    """Numbers a, b of a x**2 + b x, from frequencies at both ends of the range."""
    first, last = _grid(*2 * [np.concatenate([[0.0], _frequencies(z, 40)])]).T
    quadratic = (last - first) / (2.0 * np.ptp(z))
    changing = np.abs(last - first) * np.ptp(z) > 2.0
    return np.column_stack([quadratic, first - 2.0 * quadratic * z[0]])[changing]


_LOG, _RATE, _CENTRED = call("log", X), _times(X), add(X, _free())
_TO_THE_END = add(_free(), multiply(whole(-1), X))
_SQUARE = raise_to(_CENTRED, Fraction(2))
_DECAY, _LORENTZ = call("exp", _RATE), _over(add(whole(1), _times(_SQUARE)))
_HALF = Fraction(1, 2)


def _fixed(name: str, form: Expression, positive: bool) -> Family:
    """A family of one shape, without inner numbers."""
    return Family(name, (form,), lambda z: np.zeros((1, 0)), positive)


FAMILIES: tuple[Family, ...] = (
    _fixed("inverse", _over(X), positive=True),
    _fixed("square", raise_to(X, Fraction(2)), positive=False),
    _fixed("square root", raise_to(X, _HALF), positive=True),
    _fixed("natural logarithm", _LOG, positive=True),
    Family("decay", (_DECAY,), lambda z: _rates(z, 40)[:, None], repeated=True),
    Family("power", (_power(X),), lambda z: POWERS[:, None], positive=True, repeated=True),
    Family("bell", (call("exp", _times(_SQUARE)),), _peaks(lambda s: -0.5 / s**2)),
    Family("resonance", (_LORENTZ,), _peaks(lambda s: s**-2)),
    Family("skew resonance", (_LORENTZ, multiply(X, _LORENTZ)), _peaks(lambda s: s**-2)),
    Family("skew decay", (_DECAY, multiply(X, _DECAY)), lambda z: _rates(z, 40)[:, None]),
    Family("step", (_over(add(whole(1), call("exp", _times(_CENTRED)))),), _peaks(lambda s: -2.0 / s)),
    Family("pulse", (_over(call("cosh", _times(_CENTRED)), 2),), _peaks(lambda s: 1.0 / s)),
    Family("pole", (_over(_CENTRED),), _before),
    Family("pole ahead", (_over(_TO_THE_END),), _after),
    Family("logarithm", (call("log", _CENTRED),), _before),
    Family("logarithm ahead", (call("log", _TO_THE_END),), _after),
    Family("root", (raise_to(_CENTRED, _HALF),), _before),
    Family("root ahead", (raise_to(_TO_THE_END, _HALF),), _after),
    Family(
        "power and decay", (multiply(_power(X), _DECAY),), lambda z: _grid(FEW_POWERS, _rates(z, 10)), positive=True
    ),
    Family("power and logarithm", (multiply(_power(X), _LOG),), lambda z: POWERS[:, None], positive=True),
    Family("stretched decay", (call("exp", _times(_power(X))),), _stretched, positive=True),
    Family("activated", (call("exp", _times(_over(X))),), lambda z: _rates(1.0 / z[::-1], 30)[:, None], positive=True),
    Family(
        "bell of the logarithm",
        (call("exp", _times(raise_to(add(_LOG, _free()), Fraction(2)))),),
        lambda z: _peaks(lambda s: -0.5 / s**2)(np.log(z)),
        positive=True,
    ),
    Family(
        "step of the logarithm",
        (_over(add(whole(1), call("exp", _times(add(_LOG, _free()))))),),
        lambda z: _peaks(lambda s: -2.0 / s)(np.log(z)),
        positive=True,
    ),
    Family("angle", (call("atan", _RATE),), lambda z: _rates_over_decades(z, 16)[:, None], positive=True),
    Family(
        "angle of a square",
        (call("atan", _times(raise_to(X, Fraction(2)))),),
        lambda z: _rates_over_decades(z**2, 16)[:, None],
        positive=True,
    ),
    Family(
        "logarithm of a distance",
        (call("log", add(whole(1), _times(raise_to(X, Fraction(2))))),),
        lambda z: _rates_over_decades(z**2, 16)[:, None],
        positive=True,
    ),
    Family(
        "distance",
        (raise_to(add(whole(1), _times(raise_to(X, Fraction(2)))), _HALF),),
        lambda z: _rates_over_decades(z**2, 16)[:, None],
        positive=True,
    ),
    Family("angle beside a place", (call("atan", _times(_CENTRED)),), _peaks(lambda s: 1.0 / s)),
    Family(
        "saturation to a power",
        (_power(add(whole(1), multiply(whole(-1), _DECAY))),),
        lambda z: _grid(OUTER_POWERS, -_rates_over_decades(z)),
        positive=True,
    ),
    Family("growth that slows", (call("exp", multiply(whole(-1), call("exp", _times(_CENTRED)))),), _bends),
    Family("hyperbolic cotangent", (_over(call("tanh", _RATE)),), lambda z: -_rates(z, 50)[:50, None], positive=True),
    Family("power of a line", (_power(_CENTRED),), lambda z: _shifted_powers(_before(z)), positive=False),
    Family("power of what is ahead", (_power(_TO_THE_END),), lambda z: _shifted_powers(_after(z))),
    Family(
        "power of a power",
        (call("exp", _times(call("log", add(whole(1), _times(_power(X)))))),),
        _powers_of_powers,
        positive=True,
    ),
    *(
        Family(
            f"Bose, {name}",
            (multiply(factor, _over(add(call("exp", _RATE), whole(-1)))),),
            lambda z: _rates_over_decades(z)[:, None],
            positive=True,
        )
        for name, factor in (("number", whole(1)), ("energy", X), ("spectrum", raise_to(X, Fraction(3))))
    ),
    Family(
        "Bose, any power", (multiply(_power(X), _over(add(call("exp", _RATE), whole(-1)))),), _thermal, positive=True
    ),
    Family(
        "Einstein, heat capacity",
        (multiply(raise_to(X, Fraction(2)), _over(call("sinh", _RATE), 2)),),
        lambda z: 0.5 * _rates_over_decades(z)[:, None],
        positive=True,
    ),
    Family("Einstein, any power", (multiply(_power(X), _over(call("sinh", _RATE), 2)),), _thermal, positive=True),
    Family("hyperbolic secant", (_over(call("cosh", _RATE)),), lambda z: -_rates(z, 20)[:20, None]),
    Family("oscillation", _waves(_RATE), lambda z: _frequencies(z, 240)[:, None]),
    Family(
        "damped oscillation",
        _waves(_RATE, _DECAY),
        lambda z: _grid(DAMPINGS / np.ptp(z), _frequencies(z, 80)),
    ),
    Family("chirp", _waves(add(_times(raise_to(X, Fraction(2))), _RATE)), _chirps),
    Family("log-periodic", _waves(_times(_LOG)), lambda z: _frequencies(np.log(z), 60)[:, None], positive=True),
    Family(
        "log-periodic power",
        _waves(_times(_LOG), _power(X)),
        lambda z: _grid(FEW_POWERS, _frequencies(np.log(z), 40)),
        positive=True,
    ),
    Family(
        "power and oscillation",
        _waves(_RATE, _power(X)),
        lambda z: _grid(FEW_POWERS, _frequencies(z, 60)),
        positive=True,
    ),
)
