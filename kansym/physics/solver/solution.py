"""What a solver returns: the networks, the unknown parameters, how well everything holds, and the formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from kansym.nn import KAN
from kansym.physics.solver.config import SolveConfig
from kansym.physics.solver.domain import TIME
from kansym.physics.solver.jets import Order, Orders, forward
from kansym.physics.solver.problem import Problem
from kansym.physics.solver.trial import Trial
from kansym.symbolic.expression import Expression
from kansym.symbolic.latex import to_latex
from kansym.symbolic.text import to_text

Array = np.ndarray
# Rows for which a network is evaluated at once.
BATCH = 5000


@dataclass(frozen=True, eq=False)
class Piece:
    """The solution on a window of time (or everywhere, with infinite ends)."""

    low: float
    high: float
    model: KAN


@dataclass(frozen=True)
class Check:
    """How well a function solves a problem, on points that were not trained on.

    residuals: root mean square of every equation and condition, by name; in the units of the equation.
    errors: against the known solution, by name ("mse", "relative_l2", "max", "h1"); empty where none is known. "h1" is
        the integral of error^2 + (gradient of the error)^2, where a formula is known.
    """

    residuals: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """Formulas for the solution, one for each function.

    expressions: over the coordinates, called `names`. exact: they fulfil the equations and conditions to rounding.
    check: their own residuals and errors. unknowns: the parameters of the problem refitted with them.
    """

    expressions: tuple[Expression, ...]
    names: tuple[str, ...]
    exact: bool
    check: Check
    unknowns: Mapping[str, float] = field(default_factory=dict)

    @property
    def complexity(self) -> int:
        """Nodes of all formulas."""
        return sum(expression.complexity for expression in self.expressions)

    def __str__(self) -> str:
        return "; ".join(to_text(expression, self.names) for expression in self.expressions)

    def latex(self, digits: int | None = 6) -> str:
        """As LaTeX, one line for each function."""
        return r" \\ ".join(to_latex(expression, self.names, digits) for expression in self.expressions)

    def __call__(self, points: Array) -> Array:
        """Values at points (n, D): (n,) of one function, (n, T) of several."""
        values = np.column_stack([expression.evaluate(points) for expression in self.expressions])
        return values[:, 0] if len(self.expressions) == 1 else values


@dataclass(frozen=True, eq=False)
class Solution:
    """The outcome of `solve`.

    pieces: one network per window of time. unknowns: the problem's unknown parameters as found; standard_errors: what
    errors of the measured values leave open in them, nan where the values do not tell.
    check: of the networks. formula: of all functions, or None where no search was made, or it found nothing.
    history: one record per round. seconds: of the clock; cpu_seconds: of the processor; both without the formula.
    stop_reason: "finished", "time limit" or "interrupted".
    """

    problem: Problem
    config: SolveConfig
    pieces: tuple[Piece, ...]
    trial: Trial
    unknowns: Mapping[str, float]
    check: Check
    history: tuple[dict[str, Any], ...]
    seconds: float
    cpu_seconds: float
    stop_reason: str
    formula: ClosedForm | None = None
    notes: tuple[str, ...] = ()
    standard_errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many numbers the networks hold."""
        return sum(layer.weight.numel() for piece in self.pieces for layer in piece.model.stack)

    def __call__(self, points: Array) -> Array:
        """Return the solution at points (n, D) as (n, T)."""
        return self.derivative(points, (0,) * len(self.problem.coordinates))

    def derivative(self, points: Array, order: Order) -> Array:
        """Return an exact derivative of the networks' solution.

        Args:
            points: (n, D).
            order: how often by each coordinate, such as (2, 0).

        Returns:
            (n, T).
        """
        return evaluate(self.pieces, self.trial, self.problem, np.asarray(points, float), order)

    @cached_property
    def text(self) -> str:
        """What was found, in lines of plain text."""
        return "\n".join(_lines(self))

    def __str__(self) -> str:
        return self.text


def evaluate(pieces: Sequence[Piece], trial: Trial, problem: Problem, points: Array, order: Order) -> Array:
    """Return one derivative of a solution in pieces at points (n, D): (n, T)."""
    found = np.empty((len(points), len(problem.fields)))
    orders = Orders.closure([order], points.shape[1])
    for rows, piece in _shared(pieces, problem, points):
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            found[part] = _of_piece(piece.model, trial, orders, order, points[part])
    return found


def _of_piece(model: KAN, trial: Trial, orders: Orders, order: Order, points: Array) -> Array:
    with torch.no_grad():
        weights = [layer.weights() for layer in model.stack]
        x = torch.as_tensor(points)
        jets = forward(model, orders, x, weights, inputs=trial.inputs(model, orders, x))[-1].nodes
        around = trial.around(orders, points)
        jets = jets if around is None else around.apply(jets)
    place = orders.place(order)
    return (jets[place, 0] * orders.factorials[place]).numpy()


def _shared(pieces: Sequence[Piece], problem: Problem, points: Array) -> list[tuple[Array, Piece]]:
    """Return which rows belong to which piece."""
    if len(pieces) == 1:
        return [(np.arange(len(points)), pieces[0])]
    time = points[:, problem.coordinates.index(TIME)]
    place = np.searchsorted([piece.high for piece in pieces[:-1]], time, side="left")
    return [(np.flatnonzero(place == number), piece) for number, piece in enumerate(pieces)]


def _lines(solution: Solution) -> list[str]:
    lines = []
    if solution.formula is not None:
        form = solution.formula
        pairs = zip(solution.problem.fields, form.expressions, strict=True)
        told = [f"{name} = {to_text(each, form.names)}" for name, each in pairs]
        told[-1] += "" if form.exact else "   (an approximation: it does not solve the equation to rounding)"
        lines += [*told, ""]
    lines += [_unknown(solution, name) for name in solution.unknowns]
    lines += _told("networks", solution.check)
    if solution.formula is not None:
        lines += _told("formula", solution.formula.check)
    lines.append(
        f"{solution.parameters} numbers in {len(solution.pieces)} network{'s' * (len(solution.pieces) > 1)}, "
        f"{solution.seconds:.1f} s ({solution.cpu_seconds:.1f} s of the processor); {solution.stop_reason}"
    )
    return [*lines, *(f"note: {note}" for note in solution.notes)]


def _unknown(solution: Solution, name: str) -> str:
    error = solution.standard_errors.get(name, float("nan"))
    sure = f" ± {error:.2g}" if np.isfinite(error) else ""
    return f"{name} = {solution.unknowns[name]:.8g}{sure}"


def _told(who: str, check: Check) -> list[str]:
    facts = [f"rms of {name} {value:.2e}" for name, value in check.residuals.items()]
    errors = [f"{name} {value:.2e}" for name, value in check.errors.items()]
    return [f"{who}: {', '.join(facts)}", *([f"{who}, errors: {', '.join(errors)}"] if errors else [])]
