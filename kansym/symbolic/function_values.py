"""Functions of constants as constants: sin(pi/2) is 1, exp of a fitted number is a fitted number."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from kansym.symbolic.arithmetic import MINUS, ONE, ZERO
from kansym.symbolic.expression import Constant
from kansym.symbolic.labels import Exact
from kansym.symbolic.primitives import CALLS

VALUES: dict[tuple[str, str], Constant] = {
    ("exp", "0"): ONE, ("exp", "1"): Exact(Fraction(1), e=1).constant(), ("log", "1"): ZERO,
    ("log", "E"): ONE, ("sin", "0"): ZERO, ("cos", "0"): ONE, ("tan", "0"): ZERO, ("sinh", "0"): ZERO,
    ("cosh", "0"): ONE, ("tanh", "0"): ZERO, ("asin", "0"): ZERO, ("atan", "0"): ZERO, ("asinh", "0"): ZERO,
    ("atanh", "0"): ZERO, ("erf", "0"): ZERO, ("sign", "0"): ZERO, ("abs", "0"): ZERO, ("log1p", "0"): ZERO,
    ("sin", "pi"): ZERO, ("cos", "pi"): MINUS, ("sin", "pi/2"): ONE, ("cos", "pi/2"): ZERO,
    ("gaussian", "0"): ONE, ("lorentzian", "0"): ONE, ("sinc", "0"): ONE, ("besselj0", "0"): ONE,
    ("sigmoid", "0"): Exact(Fraction(1, 2)).constant(),
}  # fmt: skip


def known_value(name: str, argument: Constant) -> Constant | None:
    """A function of a constant as a constant: free of free; exact only where the exact value is known."""
    if argument.label is not None:
        return VALUES.get((name, argument.label))
    primitive = CALLS[name]
    low, high = primitive.domain
    if not low < argument.value < high:
        return None
    value = _value(name, argument.value)
    return Constant(value) if math.isfinite(value) and (value != 0 or name != "exp") else None


def _value(name: str, number: float) -> float:
    with np.errstate(all="ignore"):
        return float(CALLS[name].value(np.array(number)))
