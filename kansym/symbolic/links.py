"""Links: transforms of the target after which a law may become simple (a sum, a polynomial, a single primitive)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.symbolic.expression import Constant, Expression, call, multiply, raise_to, whole

Array = np.ndarray
STEEPEST = 1e300  # slope that is told from a steeper one


@dataclass(frozen=True)
class Link:
    """forward: y -> t on arrays; inverse: an expression of t -> an expression of y; slope: dt/dy, for weighting."""

    name: str
    forward: Callable[[Array], Array]
    inverse: Callable[[Expression], Expression]
    slope: Callable[[Array], Array]
    allowed: Callable[[Array], bool]


def _positive(y: Array) -> bool:
    return bool(np.all(y > 0))


def _nonzero(y: Array) -> bool:
    return bool(np.all(y > 0) or np.all(y < 0))


def _never_near_zero(y: Array) -> bool:
    return bool(np.min(np.abs(y)) > 1e-9 * np.max(np.abs(y)))


def _within(low: float, high: float) -> Callable[[Array], bool]:
    return lambda y: bool(y.min() >= low and y.max() <= high and y.max() - y.min() > 0.05)


LINKS: tuple[Link, ...] = (
    Link("y", lambda y: y, lambda t: t, np.ones_like, lambda y: True),
    Link("1/y", lambda y: 1 / y, lambda t: raise_to(t, Fraction(-1)), lambda y: -1 / y**2, _never_near_zero),
    Link("y^2", lambda y: y**2, lambda t: raise_to(t, Fraction(1, 2)), lambda y: 2 * y, _positive),
    Link("1/y^2", lambda y: y**-2.0, lambda t: raise_to(t, Fraction(-1, 2)), lambda y: -2 * y**-3.0, _positive),
    Link("sqrt y", np.sqrt, lambda t: raise_to(t, Fraction(2)), lambda y: 0.5 / np.sqrt(y), _positive),
    Link("1/sqrt y", lambda y: y**-0.5, lambda t: raise_to(t, Fraction(-2)), lambda y: -0.5 * y**-1.5, _positive),
    Link("log y", np.log, lambda t: call("exp", t), lambda y: 1 / y, _positive),
    Link("exp y", np.exp, lambda t: call("log", t), np.exp, lambda y: bool(np.ptp(y) < 12 and np.max(np.abs(y)) < 50)),
    Link("sin y", np.sin, lambda t: call("asin", t), np.cos, _within(-np.pi / 2, np.pi / 2)),
    Link("cos y", np.cos, lambda t: call("acos", t), lambda y: -np.sin(y), _within(0.0, np.pi)),
    Link("tan y", np.tan, lambda t: call("atan", t), lambda y: 1 + np.tan(y) ** 2, _within(-1.55, 1.55)),
    Link("atanh y", np.arctanh, lambda t: call("tanh", t), lambda y: 1 / (1 - y**2), _within(-0.99999, 0.99999)),
)

NEGATED_SQUARE = Link(
    "y^2 (y < 0)",
    lambda y: y**2,
    lambda t: multiply(whole(-1), raise_to(t, Fraction(1, 2))),
    lambda y: 2 * y,
    lambda y: bool(np.all(y < 0)),
)


def usable(target: Array) -> list[tuple[Link, Array]]:
    """The links that are defined on this target (N,), with the transformed target of each."""
    found = []
    for link in (*LINKS, NEGATED_SQUARE):
        if link.allowed(target):
            with np.errstate(all="ignore"):
                changed = link.forward(target)
            if np.all(np.isfinite(changed)) and np.ptp(changed) > 0:
                found.append((link, changed))
    return found


def weights_under(link: Link, target: Array, weights: Array | None) -> Array | None:
    """Weights (N,) of the transformed target that keep its errors those of the target itself (delta method), mean 1."""
    if link is LINKS[0]:
        return weights
    with np.errstate(all="ignore"):
        slope = np.fmin(np.abs(link.slope(target)), STEEPEST)
        slope = slope / slope.max()  # of targets such as 1e-100 the squares of slopes are no floats
    before = np.ones(len(target)) if weights is None else weights
    changed = before / np.maximum(slope, 1e-6) ** 2
    return changed / changed.mean()


def free(value: float) -> Constant:
    """A constant that a fit may change."""
    return Constant(float(value))
