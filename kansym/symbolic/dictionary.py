"""Features for sparse regression: one-variable functions without free constants, and products of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product

import numpy as np

from kansym.symbolic.expression import Expression, Variable, add, call, multiply, raise_to, ratio, whole

Array = np.ndarray
SIZES = {1: 96, 2: 48, 3: 12}
LARGEST = 2600


def features(inputs: Array) -> tuple[list[Expression], Array]:
    """The dictionary for inputs (N, D): expressions, and their values (N, F); only finite and distinct columns stay."""
    return _evaluated(list(_crossed(inputs.shape[1])), inputs)


def one_variable_features(inputs: Array) -> tuple[list[Expression], Array]:
    """The one-variable functions alone, without their products, for inputs (N, 1)."""
    return _evaluated(list(univariate(Variable(0))), inputs)


def everyday_features(inputs: Array) -> tuple[list[Expression], Array]:
    """The commonest functions of every column of (N, D), and their products over two columns.

    Without cos(x)**2: no sum of a few of these is 1.
    """
    names = [Variable(i) for i in range(inputs.shape[1])]
    tables = [[f for f in _everyday(name) if f != _power(call("cos", name), "2")] for name in names]
    pairs = [multiply(a, b) for left, right in combinations(tables, 2) for a, b in product(left, right)]
    return _evaluated([*(each for table in tables for each in table), *pairs], inputs)


def _evaluated(expressions: list[Expression], inputs: Array) -> tuple[list[Expression], Array]:
    kept: list[Expression] = []
    columns: list[Array] = []
    seen: set[bytes] = set()
    for expression in expressions:
        values = expression.evaluate(inputs)
        size = np.max(np.abs(values))
        if not (np.isfinite(size) and 0 < size < 1e12) or np.ptp(values) <= 1e-9 * size:
            continue
        key = np.round(values / size, 9).tobytes()
        if key not in seen:
            seen.add(key)
            kept.append(expression)
            columns.append(values)
        if len(kept) >= LARGEST:
            break
    return kept, np.column_stack(columns) if columns else np.empty((len(inputs), 0))


def _crossed(dimension: int) -> Iterator[Expression]:
    names = [Variable(i) for i in range(dimension)]
    if dimension == 1:
        single = list(univariate(names[0]))
        yield from single
        yield from (multiply(left, right) for left, right in combinations(single[:64], 2))
        return
    if dimension > 3:
        yield from _monomials(names)
        return
    tables = [list(univariate(name))[: SIZES[dimension]] for name in names]
    for table in tables:
        yield from table
    for left, right in combinations(range(dimension), 2):
        yield from _joint(names[left], names[right])
        yield from (multiply(a, b) for a, b in product(tables[left], tables[right]))
    if dimension == 3:
        yield from (multiply(*triple) for triple in product(*(table[:9] for table in tables)))


def _monomials(names: list[Variable]) -> Iterator[Expression]:
    """Powers of one variable and products of up to three variables, for many columns."""
    for name in names:
        for exponent in (1, 2, -1, 3, -2):
            yield raise_to(name, Fraction(exponent))
        yield call("sin", name)
        yield call("cos", name)
    for left, right in combinations(names, 2):
        for p, q in ((1, 1), (1, -1), (-1, 1), (2, 1), (1, 2), (2, 2), (-1, -1)):
            yield multiply(raise_to(left, Fraction(p)), raise_to(right, Fraction(q)))
    for triple in combinations(names, 3):
        yield multiply(*triple)


def univariate(x: Expression) -> Iterator[Expression]:
    """One-variable functions in the order of how often laws need them."""
    yield from _everyday(x)
    yield from _roots(x)
    yield from _usual(x)
    yield from _waves(x)
    yield from (call(name, x) for name in ("sinh", "atan", "asin", "erf", "besselj0", "sinc", "abs"))
    yield from _rare(x)


def _power(base: Expression, text: str) -> Expression:
    return raise_to(base, Fraction(text))


def _less(x: Expression) -> Expression:
    """1 - x."""
    return add(whole(1), multiply(whole(-1), x))


def _more(x: Expression) -> Expression:
    """1 + x."""
    return add(whole(1), x)


def _everyday(x: Expression) -> Iterator[Expression]:
    yield from (x, _power(x, "2"), _power(x, "-1"), call("sin", x), call("cos", x), call("exp", x), call("log", x))
    yield from (_power(x, "1/2"), _power(x, "-2"), call("exp", multiply(whole(-1), x)), _power(x, "3"))
    yield from (_power(call("sin", x), "2"), _power(call("cos", x), "2"), _power(x, "-1/2"), _power(x, "4"))


def _roots(x: Expression) -> Iterator[Expression]:
    """Roots and inverses of 1 - x**2, 1 + x**2, 1 - x, 1 + x, and the roots of x - 1 and x**2 - 1."""
    square = _power(x, "2")
    for base in (_less(square), _more(square), _less(x), _more(x)):
        yield from (_power(base, exponent) for exponent in ("1/2", "-1/2", "-1", "-2"))
    for base in (add(x, whole(-1)), add(square, whole(-1))):
        yield from (_power(base, exponent) for exponent in ("1/2", "-1/2"))


def _usual(x: Expression) -> Iterator[Expression]:
    square = _power(x, "2")
    yield from (call("exp", multiply(whole(-1), square)), call("exp", multiply(ratio(Fraction(-1, 2)), square)))
    yield from (call("tanh", x), call("planck", x), _power(call("cosh", x), "-1"), call("cosh", x))
    yield from (call("log", _more(x)), call("tan", x))
    yield from (_power(x, exponent) for exponent in ("3/2", "-3", "5", "6", "-4"))


def _waves(x: Expression) -> Iterator[Expression]:
    square, twice, half = _power(x, "2"), multiply(whole(2), x), multiply(ratio(Fraction(1, 2)), x)
    yield from (call(name, argument) for argument in (twice, half, square, add(x, square)) for name in ("sin", "cos"))
    for argument in (half, twice):
        yield from (_power(call("sin", argument), exponent) for exponent in ("2", "-2"))
    yield _power(call("sin", x), "-2")


def _rare(x: Expression) -> Iterator[Expression]:
    square, inverse, minus = _power(x, "2"), _power(x, "-1"), whole(-1)
    yield from (call("exp", inverse), call("exp", square), call("exp", multiply(minus, inverse)))
    yield from (_power(_less(x), "2"), _power(_more(x), "2"), _power(_less(x), "3"))
    yield from (call("log", argument) for argument in (_less(x), _more(square), add(x, minus)))
    yield from (_power(add(whole(2), x), "-1"), _power(add(call("exp", x), whole(1)), "-1"), _power(square + x, "-1"))
    yield from (_power(_less(x), "-3"), _power(_more(x), "-3"), _power(_less(square), "-3/2"))
    yield _power(_more(square), "-3/2")
    yield from (_power(call("log", x), "2"), _power(call("log", x), "3"), multiply(x, call("log", x)))


def _joint(x: Expression, y: Expression) -> Iterator[Expression]:
    """Functions of a sum, difference, product or quotient of two variables."""
    minus = whole(-1)
    arguments = (
        multiply(x, y),
        multiply(x, raise_to(y, Fraction(-1))),
        multiply(y, raise_to(x, Fraction(-1))),
        add(x, y),
        add(x, multiply(minus, y)),
    )
    for argument in arguments:
        yield from (call(name, argument) for name in ("sin", "cos", "exp", "log", "tanh"))
        yield from (raise_to(argument, Fraction(e)) for e in ("2", "-1", "1/2", "-2", "-1/2"))
        yield call("exp", multiply(minus, argument))
    radius = add(raise_to(x, Fraction(2)), raise_to(y, Fraction(2)))
    yield from (raise_to(radius, Fraction(e)) for e in ("1/2", "-1/2", "-1"))
    power = call("exp", multiply(y, call("log", x)))
    yield power
