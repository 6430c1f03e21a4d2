"""What the edges of a product may carry beside powers: functions of one column and of two."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np

from kansym.symbolic.expression import (
    Expression,
    Power,
    Variable,
    add,
    call,
    multiply,
    raise_to,
    ratio,
    whole,
)

Array = np.ndarray
PAIR_POWERS = ("1", "-1", "1/2", "-1/2", "2", "-2")  # of a sum or difference of two columns
MOST_PAIRED, NEAR_ZERO = 7, 1e-3  # columns; of its largest value, where a difference is too near to 0
FAINTEST, STEEPEST = 0.05, 20.0  # middling exponents of decays


def edges_of_one(column: int, scaled: bool, more: bool) -> Iterator[Expression]:
    """What an edge may carry: whole powers of a column that is 0 somewhere, waves, exponentials, 1 +- x."""
    x = Variable(column)
    if not scaled:
        yield from (raise_to(x, Fraction(p)) for p in (1, 2, 3, -1))
    if not more:
        return
    half, twice = multiply(ratio(Fraction(1, 2)), x), multiply(whole(2), x)
    yield from (call(name, argument) for name in ("sin", "cos") for argument in (x, half, twice))
    yield from (raise_to(call(name, x), Fraction(2)) for name in ("sin", "cos"))
    yield add(whole(1), multiply(whole(-1), call("cos", x)))
    yield from (call("exp", x), call("exp", multiply(whole(-1), x)))
    yield from (add(whole(1), x), add(whole(1), multiply(whole(-1), x)))
    yield from (raise_to(add(whole(1), sign), Fraction(-1)) for sign in (x, multiply(whole(-1), x)))
    square = raise_to(x, Fraction(2))
    for base in (add(whole(1), square), add(whole(1), multiply(whole(-1), square))):
        yield from (raise_to(base, Fraction(p)) for p in ("1/2", "-1/2", "-1"))


def powers_of_pairs(inputs: Array) -> Iterator[Expression]:
    """Powers of the sum and difference of every two columns of (N, D); whole ones where these come near to 0."""
    count = inputs.shape[1]
    for i, j in combinations(range(count if count <= MOST_PAIRED else 0), 2):
        for sign in (1, -1):
            values = inputs[:, i] + sign * inputs[:, j]
            first, second = (j, i) if np.all(values < 0) else (i, j)
            pair = add(Variable(first), multiply(whole(sign), Variable(second)))
            if np.min(np.abs(values)) > NEAR_ZERO * np.max(np.abs(values)) and np.ptp(np.sign(values)) == 0:
                yield from (raise_to(pair, Fraction(p)) for p in PAIR_POWERS[: 6 if count <= 3 else 2])
            else:
                yield from (pair, raise_to(pair, Fraction(2)))


def edges_of_two(inputs: Array) -> Iterator[Expression]:
    """Growth and decay by the product or ratio of every two positive columns of (N, D), the logarithm of the ratio, and
    one column to the power of the other; only where an exponent is neither vast nor next to nothing."""
    count = inputs.shape[1]
    for i, j in combinations(range(count if count <= MOST_PAIRED else 0), 2):
        for p, q in ((1, 1), (1, -1), (-1, 1)):
            rate = multiply(raise_to(Variable(i), Fraction(p)), raise_to(Variable(j), Fraction(q)))
            if FAINTEST < float(np.median(rate.evaluate(inputs))) < STEEPEST:
                decay = call("exp", multiply(whole(-1), rate))
                yield from (decay, add(whole(1), multiply(whole(-1), decay)), call("exp", rate))
        yield call("log", multiply(Variable(i), raise_to(Variable(j), Fraction(-1))))
    yield from _columns_to_the_power_of_columns(inputs[:, : count if count <= MOST_PAIRED else 0])


def _columns_to_the_power_of_columns(inputs: Array) -> Iterator[Expression]:
    """x**y, x**-y and x**(1/y) for every two columns of positive (N, D), where the exponent keeps within bounds."""
    for i, j in permutations(range(inputs.shape[1]), 2):
        log, y = call("log", Variable(i)), Variable(j)
        for exponent in (y, multiply(whole(-1), y), raise_to(y, Fraction(-1))):
            power = multiply(exponent, log)
            if FAINTEST < float(np.median(np.abs(power.evaluate(inputs)))) < STEEPEST:
                yield call("exp", power)


def is_power(name: Expression) -> bool:
    return isinstance(name, Variable) or (isinstance(name, Power) and isinstance(name.base, Variable))
