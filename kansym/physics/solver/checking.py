"""How well a function solves a problem: residuals and errors on points of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.errors import FormulaError
from kansym.physics.solver.blocks import Stage
from kansym.physics.solver.calculus import derivatives_of
from kansym.physics.solver.equation import Residual
from kansym.physics.solver.jets import Order
from kansym.physics.solver.objective import Block
from kansym.physics.solver.periodic import Seam, seams
from kansym.physics.solver.problem import Problem
from kansym.physics.solver.sampling import even_grid
from kansym.physics.solver.solution import Check
from kansym.physics.solver.trial import Trial

Array = np.ndarray
# Points of the test grid: 101 x 101 in two dimensions.
TESTED = 101**2
EDGE_TESTED = 1013
# One derivative of all functions at points (n, D): (n, T).
Function = Callable[[Array, Order], Array]


@dataclass(frozen=True, eq=False)
class Grid:
    """The points of a test, (n, D)."""

    points: Array

    @classmethod
    def of(cls, problem: Problem) -> Grid:
        """An even grid over the domain, both ends included."""
        points = problem.where.box.place(even_grid(TESTED, len(problem.coordinates), True))
        return cls(points[problem.where.contains(points)])


def check(problem: Problem, function: Function, unknowns: Sequence[float]) -> Check:
    """Return the residuals and errors of a function that claims to solve a problem.

    Args:
        problem: with or without a known solution.
        function: see `Function`.
        unknowns: values of the problem's unknown parameters, (Q,).
    """
    points, stage = Grid.of(problem).points, Stage(problem)
    blocks = [*stage.equations(points), *stage.conditions(Trial(), EDGE_TESTED)]
    residuals = {block.name: rms(residual_of(block, function, unknowns)) for block in blocks}
    residuals |= {seam.name: rms(gaps_at(seam, function)) for seam in seams(problem, EDGE_TESTED)}
    return Check(residuals, errors(problem, function, points))


def gaps_at(seam: Seam, function: Function) -> Array:
    """Return by how much derivatives differ at two ends that should meet, (n * orders * T,)."""
    gaps = [function(seam.low, order) - function(seam.high, order) for order in seam.orders]
    return np.concatenate([gap.ravel() for gap in gaps])


def residual_of(block: Block, function: Function, unknowns: Sequence[float]) -> Array:
    """Return a block's residual for a function, (n,)."""
    values = block.residual.values(columns_of(block.residual, block.points, function, unknowns))
    return values if block.shift is None else values - block.shift


def columns_of(residual: Residual, points: Array, function: Function, unknowns: Sequence[float]) -> Array:
    """Return the numbers that an equation reads at points: coordinates, parameters, derivatives, (n, C)."""
    known = {order: function(points, order) for order in dict.fromkeys(residual.orders)}
    slots = [known[order][:, [which]] for which, order in residual.slots]
    return np.concatenate([points, np.tile(np.asarray(unknowns, float), (len(points), 1)), *slots], 1)


def errors(problem: Problem, function: Function, points: Array) -> dict[str, float]:
    """Return the errors against the known solution at points (n, D); empty where none is known."""
    truth = problem.truth(points)
    if truth is None:
        return {}
    zero = (0,) * points.shape[1]
    missed = function(points, zero) - truth
    found = {
        "mse": float(np.mean(missed**2)),
        "relative_l2": float(np.linalg.norm(missed) / (np.linalg.norm(truth) or 1.0)),
        "max": float(np.max(np.abs(missed))),
    }
    slopes = _slopes_missed(problem, function, points)
    if slopes is not None:
        area = problem.where.volume
        found["h1"] = area * float(np.mean(missed**2) + sum(np.mean(slope**2) for slope in slopes))
    return found


def _slopes_missed(problem: Problem, function: Function, points: Array) -> list[Array] | None:
    if problem.exact is None:
        return None
    axes = range(points.shape[1])
    units = [tuple(int(axis == other) for other in axes) for axis in axes]
    try:
        return [function(points, unit) - derivatives_of(problem.exact, unit, points) for unit in units]
    except FormulaError:
        return None


def rms(values: Array) -> float:
    """Return the root mean square; infinite where something is not finite."""
    return float(np.sqrt(np.mean(values**2))) if np.isfinite(values).all() else float("inf")
