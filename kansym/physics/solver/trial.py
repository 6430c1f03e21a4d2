"""How a network's output becomes the solution: as it is, or built so that conditions hold whatever the network says.

By construction, u = g + m N: g meets the conditions, m is zero where they stand and N is the network. Periodic
coordinates are always built in, see `kansym.physics.solver.periodic`.

Source: Lagaris, Likas and Fotiadis 1998; g by Boolean sums of linear interpolation, Gordon and Hall 1973.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kansym.errors import ConfigError, quote
from kansym.nn import KAN
from kansym.physics.solver.calculus import jets_of
from kansym.physics.solver.config import SolveConfig
from kansym.physics.solver.domain import TIME, Box, Face
from kansym.physics.solver.equation import Derivative, Residual
from kansym.physics.solver.jets import Orders
from kansym.physics.solver.periodic import Lift, seams
from kansym.physics.solver.problem import Condition, Problem
from kansym.symbolic.expression import Constant, Expression, Variable, multiply, whole

Array = np.ndarray
CORNER = 1e-9
SEAM_POINTS = 100


@dataclass(frozen=True)
class Trial:
    """u = offset + factor * network, one formula of each kind per function; empty where the network is the solution.

    built: the numbers of the problem's conditions that hold by construction.
    lift: what the network reads at a point.
    """

    offsets: tuple[Expression, ...] = ()
    factors: tuple[Expression, ...] = ()
    built: tuple[int, ...] = ()
    lift: Lift = Lift()

    def inputs(self, model: KAN, orders: Orders, x: Tensor) -> Tensor:
        """Return the jets of what a network reads at points (E, N, D): (A, E, N, I)."""
        return self.lift.jets(orders, model.expand(x))

    def around(self, orders: Orders, points: Array) -> Around | None:
        """Return the jets of offset and factor at points (n, D)."""
        if not self.offsets:
            return None
        stacked = [
            torch.as_tensor(np.stack([jets_of(formula, orders, points) for formula in formulas], -1))
            for formulas in (self.offsets, self.factors)
        ]
        return Around(orders, stacked[0].unsqueeze(1), stacked[1].unsqueeze(1))


@dataclass(frozen=True, eq=False)
class Around:
    """Jets (A, 1, n, T) of offset and factor at fixed points."""

    orders: Orders
    offset: Tensor
    factor: Tensor

    def apply(self, jets: Tensor) -> Tensor:
        """Return the solution's jets for the network's, (A, E, n, T)."""
        return self.offset + self.orders.multiply(self.factor, jets)

    def pull(self, delta: Tensor) -> Tensor:
        """Pull a derivative by the solution's jets back to that by the network's."""
        return self.orders.pull(self.factor.expand_as(delta), delta)


def trial_of(problem: Problem, config: SolveConfig) -> Trial:
    """Return how a network becomes the solution of a problem with these choices.

    Raises:
        ConfigError: see `by_construction`.
    """
    trial = by_construction(problem, config.windows == 1) if config.hard else Trial()
    return replace(trial, lift=Lift.of(problem))


def by_construction(problem: Problem, start: bool = True) -> Trial:
    """Return the trial solution that meets every condition "u = g" on whole sides of a box.

    Args:
        problem: its conditions must all be of that form, but for those that are left out.
        start: build in conditions at a fixed time too.

    Raises:
        ConfigError: when the domain is a union, a condition is of another kind, or two disagree in a corner.
    """
    domain = problem.where
    if not isinstance(domain, Box):
        raise ConfigError("conditions by construction need a domain that is one box: leave hard conditions out")
    built = [place for place, item in enumerate(problem.conditions) if start or not at_fixed_time(item, problem)]
    values: list[dict[tuple[int, float], Expression]] = [{} for _ in problem.fields]
    for condition in (problem.conditions[number] for number in built):
        place, value = _prescribed(condition, problem)
        for face in problem.faces(condition.where):
            values[place].setdefault((face.axis, face.at), value)
    trial = Trial(
        tuple(_offset(faces, domain) for faces in values),
        tuple(_factor(faces, domain) for faces in values),
        tuple(built),
    )
    _check(trial, problem)
    return trial


def at_fixed_time(condition: Condition, problem: Problem) -> bool:
    """Return whether a condition stands on sides of time alone."""
    return all(problem.coordinates[face.axis] == TIME for face in problem.faces(condition.where))


def _prescribed(condition: Condition, problem: Problem) -> tuple[int, Expression]:
    """Return which function a condition prescribes, and its values as a formula of the coordinates."""
    leaves = {node for node in condition.equation.walk() if isinstance(node, Derivative)}
    leaf = next(iter(leaves))
    if len(leaves) > 1 or leaf.by:
        raise ConfigError(f"the condition at {quote(condition.where)} does not prescribe u: it cannot be built in")
    residual = Residual.of(condition.equation, problem.words)
    columns = np.random.default_rng(0).random((8, len(problem.words.plain) + 1))
    _, slopes = residual.linearised(columns)
    if problem.parameters or not np.allclose(slopes[:, -1], slopes[0, -1], rtol=1e-12, atol=0) or not slopes[0, -1]:
        raise ConfigError(f"the condition at {quote(condition.where)} is not of the form u = g: it cannot be built in")
    slot = len(problem.words.plain)
    zero = residual.expression.map(lambda node: whole(0) if node == Variable(slot) else node)
    return problem.fields.index(leaf.field), multiply(Constant(-1 / float(slopes[0, -1])), zero)


def _offset(faces: Mapping[tuple[int, float], Expression], domain: Box) -> Expression:
    """Return a formula that takes the prescribed value on every face: axis by axis, what is still missing is added."""
    offset: Expression = whole(0)
    for axis in range(len(domain.names)):
        ends = [at for place, at in faces if place == axis]
        missing = {at: _at(faces[axis, at] - offset, axis, at) for at in ends}
        for at in ends:
            offset = offset + multiply(_weight(axis, at, ends), missing[at])
    return offset


def _weight(axis: int, at: float, ends: Sequence[float]) -> Expression:
    """1 on this face and 0 on the opposite one, where that is prescribed too."""
    others = [end for end in ends if end != at]
    if not others:
        return whole(1)
    return multiply(Constant(1 / (at - others[0])), Variable(axis) - others[0])


def _at(expression: Expression, axis: int, value: float) -> Expression:
    return expression.map(lambda node: Constant(value) if node == Variable(axis) else node)


def _factor(faces: Mapping[tuple[int, float], Expression], domain: Box) -> Expression:
    """Return a formula that is 0 on every prescribed face and about 1 between them."""
    factors: list[Expression] = []
    for axis, at in faces:
        width = float(domain.high[axis] - domain.low[axis])
        sides = sum(place == axis for place, _ in faces)
        sign = 1.0 if at == domain.low[axis] else -1.0
        factors.append(multiply(Constant(sign * sides / width), Variable(axis) - at))
    return multiply(*factors) if factors else whole(1)


def _check(trial: Trial, problem: Problem) -> None:
    """Refuse conditions that contradict each other where two faces meet."""
    random = np.random.default_rng(1)
    for condition in (problem.conditions[number] for number in trial.built):
        place, value = _prescribed(condition, problem)
        for face in problem.faces(condition.where):
            points = _spots(face, random)
            gap = np.abs(trial.offsets[place].evaluate(points) - value.evaluate(points))
            if not np.max(gap) <= CORNER * (1 + np.max(np.abs(value.evaluate(points)))):
                raise ConfigError(f"the condition at {quote(condition.where)} contradicts another one in a corner")
    for seam in seams(problem, SEAM_POINTS):
        for offset in trial.offsets:
            ends = offset.evaluate(seam.low), offset.evaluate(seam.high)
            if not np.max(np.abs(ends[0] - ends[1])) <= CORNER * (1 + np.max(np.abs(ends[0]))):
                raise ConfigError(f"the conditions prescribe values that are not {seam.name}")


def _spots(face: Face, random: np.random.Generator) -> Array:
    return face.place(random.random((20, len(face.low) - 1)))
