"""Derivatives of formulas by their columns, as formulas."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from kansym.errors import FormulaError
from kansym.physics.solver.jets import Order, Orders
from kansym.symbolic.expression import Expression

Array = np.ndarray


@cache
def derivative(expression: Expression, order: Order) -> Expression:
    """Return a formula's derivative.

    Args:
        expression: over at least as many columns as the order has entries; further columns are held fixed.
        order: how often by each column.

    Raises:
        FormulaError: when it has no derivative that is a formula (a sign function, say).
    """
    if not any(order):
        return expression
    axis = next(axis for axis, times in enumerate(order) if times)
    lower = tuple(times - (place == axis) for place, times in enumerate(order))
    return _once(derivative(expression, lower), axis)


def _once(expression: Expression, axis: int) -> Expression:
    import sympy

    from kansym.symbolic.sympy_form import from_sympy, to_sympy

    names = [f"v{place}" for place in range(max((*expression.variables, axis)) + 1)]
    slope = sympy.diff(to_sympy(expression, names), sympy.Symbol(names[axis]))
    if slope.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta):
        raise FormulaError("a formula here has no derivative that is a formula: it jumps or has a kink")
    return from_sympy(slope, names)


def jets_of(expression: Expression, orders: Orders, points: Array) -> Array:
    """Return a formula's jets at points (n, D): entry a is the derivative of order a over a!, (A, n)."""
    rows = [
        derivative(expression, order).evaluate(points) / factorial
        for order, factorial in zip(orders.indices, orders.factorials, strict=True)
    ]
    return np.stack(rows)


def derivatives_of(expressions: Sequence[Expression], order: Order, points: Array) -> Array:
    """Return one derivative of several formulas at points (n, D): (n, T)."""
    return np.stack([derivative(expression, order).evaluate(points) for expression in expressions], 1)
