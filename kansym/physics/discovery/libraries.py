"""Terms that right-hand sides may be sums of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations, combinations_with_replacement

import numpy as np

from kansym.registry import Registry
from kansym.symbolic.dictionary import everyday_features
from kansym.symbolic.expression import Expression, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.primitives import CALLS

Array = np.ndarray
MOST_TERMS = 120
ONE_VARIABLE = 30  # of the everyday functions, those of one state come first
DEGREES = {1: 5, 2: 4, 3: 4}  # of polynomials, by number of states; 2 for more

Values = tuple[tuple[Expression, ...], Array]
Terms = Callable[[Array], Values]


def polynomial(dimension: int, degree: int | None = None) -> Iterator[Expression]:
    """1 and all products of states up to a degree."""
    for power in range((degree or DEGREES.get(dimension, 2)) + 1):
        for chosen in combinations_with_replacement(range(dimension), power):
            yield multiply(*(raise_to(Variable(i), Fraction(chosen.count(i))) for i in dict.fromkeys(chosen)))


def trigonometric(dimension: int) -> Iterator[Expression]:
    """States, sines and cosines of them and of their differences, and products with a state or another sine."""
    yield whole(1)
    states = [Variable(i) for i in range(dimension)]
    yield from states
    waves = [call(name, state) for state in states for name in ("sin", "cos")]
    yield from waves
    for a, b in combinations(states, 2):
        yield from (call(name, add(a, multiply(whole(-1), b))) for name in ("sin", "cos"))
    yield from (multiply(state, wave) for state in states for wave in waves)
    yield from (multiply(a, b) for a, b in combinations_with_replacement(waves, 2) if a != b)


def of_primitives(dimension: int, names: tuple[str, ...]) -> Iterator[Expression]:
    """The states, the named functions of each, and products of a state and such a function.

    Raises:
        ConfigError: for an unknown function.
    """
    yield whole(1)
    states = [Variable(i) for i in range(dimension)]
    yield from states
    shaped = [call(name, state) for state in states for name in names if name in CALLS]
    yield from shaped
    yield from (multiply(state, function) for state in states for function in shaped)


def _polynomial(states: Array) -> Values:
    return evaluated(polynomial(states.shape[1]), states)


def _trigonometric(states: Array) -> Values:
    return evaluated(trigonometric(states.shape[1]), states)


def _everyday(states: Array) -> Values:
    """The commonest functions of one or two states, and their products: many, so that few terms of them are tried."""
    if states.shape[1] > 2:
        return (), np.empty((len(states), 0))
    found, values = everyday_features(states)
    names = [Variable(i) for i in range(states.shape[1])]
    own = [multiply(x, f) for x in names for f in (*found[:ONE_VARIABLE], call("abs", x)) if f.variables == x.variables]
    more, extra = evaluated(iter((whole(1), *own)), states)
    return (*found, *more), np.column_stack([values, extra])


LIBRARIES: Registry[Terms] = Registry("library")
"""What right-hand sides are summed of: a function from states (G, D) to terms, and their values (G, F)."""
for _name, _library in (("polynomial", _polynomial), ("trigonometric", _trigonometric), ("everyday", _everyday)):
    LIBRARIES.add(_name, _library)


def own_library(names: tuple[str, ...]) -> Terms:
    """A library of the user's functions, for `LIBRARIES`' place."""
    return lambda states: evaluated(of_primitives(states.shape[1], names), states)


def evaluated(terms: Iterator[Expression], states: Array) -> Values:
    """The terms that are finite and distinct on states (G, D), at most 120, and their values (G, F)."""
    kept: list[Expression] = []
    columns: list[Array] = []
    seen: set[bytes] = set()
    for term in terms:
        values = term.evaluate(states)
        size = float(np.max(np.abs(values)))
        key = np.round(values / (size or 1.0), 9).tobytes()
        if np.isfinite(size) and 0 < size < 1e12 and key not in seen and len(kept) < MOST_TERMS:
            seen.add(key)
            kept.append(term)
            columns.append(values)
    return tuple(kept), np.column_stack(columns)
