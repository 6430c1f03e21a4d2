"""Right-hand sides that a simulation can use: rates of change, and their derivatives by states and constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from kansym.symbolic.expression import Constant, Expression, Tape, Variable

Array = np.ndarray


class Rates(Protocol):
    """A right-hand side f(x; theta) of x' = f. S systems are evaluated together, D states, P constants."""

    @property
    def start(self) -> Array:
        """The present constants (P,)."""
        ...

    def values(self, states: Array, theta: Array) -> Array:
        """Rates (S, D) at states (S, D)."""
        ...

    def slopes(self, states: Array, theta: Array) -> tuple[Array, Array, Array]:
        """Rates (S, D), their derivatives by the states (S, D, D) and by the constants (S, D, P)."""
        ...


class FormulaRates:
    """Formulas of the states, one for each; their free constants, one formula after the other, are the constants."""

    def __init__(self, formulas: Sequence[Expression]) -> None:
        self.formulas = tuple(formulas)
        self.dimension = len(self.formulas)
        self._counts = [len(formula.free_constants) for formula in self.formulas]
        self._tapes = [Tape(_opened(formula, self.dimension)) for formula in self.formulas]

    @property
    def start(self) -> Array:
        return np.array([constant.value for formula in self.formulas for constant in formula.free_constants])

    def with_constants(self, theta: Array) -> FormulaRates:
        """The same formulas with other constants (P,)."""
        parts = np.split(theta, np.cumsum(self._counts)[:-1])
        pairs = zip(self.formulas, parts, strict=True)
        return FormulaRates([formula.with_constants(part.tolist()) for formula, part in pairs])

    def _columns(self, states: Array, theta: Array) -> list[Array]:
        """The inputs of every tape: states, then that formula's constants in every row."""
        parts = np.split(theta, np.cumsum(self._counts)[:-1])
        return [np.column_stack([states, np.broadcast_to(part, (len(states), len(part)))]) for part in parts]

    def values(self, states: Array, theta: Array) -> Array:
        with np.errstate(all="ignore"):
            pairs = zip(self._tapes, self._columns(states, theta), strict=True)
            rates = [np.broadcast_to(tape.values(inputs, tape.start), (len(states),)) for tape, inputs in pairs]
        return np.stack(rates, axis=1)

    def slopes(self, states: Array, theta: Array) -> tuple[Array, Array, Array]:
        d, rows = self.dimension, len(states)
        rates, by_state = np.empty((rows, d)), np.empty((rows, d, d))
        by_constant = np.zeros((rows, d, len(theta)))
        at = 0
        for place, (tape, inputs) in enumerate(zip(self._tapes, self._columns(states, theta), strict=True)):
            rates[:, place], gradient = tape.gradient(inputs)
            by_state[:, place], own = gradient[:, :d], gradient[:, d:]
            by_constant[:, place, at : at + own.shape[1]] = own
            at += own.shape[1]
        return rates, by_state, by_constant


def _opened(formula: Expression, dimension: int) -> Expression:
    """The formula with a variable of its own in place of every free constant, so that each row may have others."""
    number = dimension - 1

    def change(node: Expression) -> Expression:
        nonlocal number
        if isinstance(node, Constant) and node.label is None:
            number += 1
            return Variable(number)
        return node.rebuilt(tuple(change(child) for child in node.children)) if node.children else node

    return change(formula)
