"""From a problem to the residuals that a network is trained on, and how they are weighed against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kansym.physics.solver.domain import TIME, Box
from kansym.physics.solver.equation import Derivative, Residual, order_of
from kansym.physics.solver.jets import Order
from kansym.physics.solver.objective import Block, ResidualObjective
from kansym.physics.solver.problem import Condition, Problem
from kansym.physics.solver.sampling import edge
from kansym.physics.solver.trial import Trial, at_fixed_time

Array = np.ndarray
# Condition weights that balancing may choose, relative to the equations.
LEAST, MOST = 1.0, 1e5
# Returns one derivative of one function at points (n, D): (n,).
Earlier = Callable[[int, Order, Array], Array]


@dataclass(frozen=True, eq=False)
class Stage:
    """A problem on one window of time.

    Args:
        problem: its domain is the window.
        earlier: the solution on the window before, whose values stand in for conditions at the start; or None.
    """

    problem: Problem
    earlier: Earlier | None = None

    def equations(self, points: Array) -> list[Block]:
        """Return one block per equation."""
        named = enumerate(self.problem.residuals, 1)
        return [Block(f"equation {place}", residual, points) for place, residual in named]

    def conditions(self, trial: Trial, count: int) -> list[Block]:
        """Return the blocks of conditions that are not built in, and of observations.

        Args:
            trial: how the network becomes the solution.
            count: points per condition.
        """
        blocks: list[Block] = []
        for place, condition in enumerate(self.problem.conditions):
            if place not in trial.built:
                blocks += self._condition(place, condition, count)
        for item in self.problem.observations:
            kept = self.problem.where.contains(item.points)
            residual = Residual.of(Derivative(item.field), self.problem.words)
            blocks.append(Block("observations", residual, item.points[kept], item.values[kept], item.weight, True))
        return [block for block in blocks if len(block)]

    def _condition(self, place: int, condition: Condition, count: int) -> list[Block]:
        name = f"condition {place + 1}"
        faces = self.problem.faces(condition.where)
        points = edge(self.problem.where, faces, count)
        if self.earlier is None or not at_fixed_time(condition, self.problem):
            residual = Residual.of(condition.equation, self.problem.words)
            return [Block(name, residual, points, None, condition.weight)]
        leaves = {node for node in condition.equation.walk() if isinstance(node, Derivative)}
        return [self._continued(name, leaf, points, condition.weight) for leaf in sorted(leaves, key=str)]

    def _continued(self, name: str, leaf: Derivative, points: Array, weight: float) -> Block:
        """Ask for the values at the end of the window before."""
        assert self.earlier is not None
        order = order_of(leaf.by, self.problem.coordinates)
        values = self.earlier(self.problem.fields.index(leaf.field), order, points)
        return Block(name, Residual.of(leaf, self.problem.words), points, values, weight)


def window_of(problem: Problem, low: float, high: float) -> Problem:
    """Return the problem on a shorter range of time; conditions at its start move to the window's start."""
    assert isinstance(problem.where, Box)
    axis = problem.coordinates.index(TIME)
    start = float(problem.where.low[axis])
    domain = problem.where.with_range(TIME, low, high)
    conditions = tuple(
        replace(item, where=f"{TIME} = {low!r}") if _at_start(item, problem, start) else item
        for item in problem.conditions
    )
    return replace(problem, domain=domain, conditions=conditions)


def _at_start(condition: Condition, problem: Problem, start: float) -> bool:
    faces = problem.faces(condition.where)
    return at_fixed_time(condition, problem) and all(face.at == start for face in faces)


def balanced(objective: ResidualObjective, equations: int, factor: float) -> list[Block]:
    """Return the blocks with weights that give every condition's Gauss-Newton matrix the trace of the equations'.

    Args:
        objective: with all blocks, the first of which are the equations.
        equations: how many of them there are.
        factor: on every condition, > 0.

    Source: after Wang, Yu and Perdikaris 2022 (traces of the tangent kernel), with the traces averaged over points.
    """
    own = [block.weighted(1.0) for block in objective.blocks]
    traces = ResidualObjective(objective.model, own, objective.trial, objective.unknowns).curvatures(objective.start)
    target = sum(traces[:equations]) / equations
    conditions = zip(objective.blocks[equations:], traces[equations:], strict=True)
    return [
        *objective.blocks[:equations],
        *(block.weighted(factor * block.weight * _ratio(target, trace)) for block, trace in conditions),
    ]


def _ratio(target: float, trace: float) -> float:
    return float(np.clip(target / trace if trace > 0 else MOST, LEAST, MOST))
