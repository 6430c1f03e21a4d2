"""From a solution to a formula: the networks' table is searched, and what is found refitted to the equation itself.

A network is off by a little everywhere, and so are constants fitted to its table. Refitted until equation and
conditions hold, constants of the right formula have all their digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kansym.budget import Budget, Part
from kansym.config import Config
from kansym.data import Dataset
from kansym.errors import FormulaError, KansymError
from kansym.events import Listener
from kansym.physics.solver.blocks import Stage
from kansym.physics.solver.calculus import derivative
from kansym.physics.solver.checking import check, columns_of, gaps_at, residual_of, rms
from kansym.physics.solver.jets import Order
from kansym.physics.solver.objective import Block
from kansym.physics.solver.periodic import Seam, seams
from kansym.physics.solver.problem import Problem
from kansym.physics.solver.sampling import interior
from kansym.physics.solver.solution import ClosedForm, Solution
from kansym.physics.solver.trial import Trial
from kansym.pipeline import fit
from kansym.symbolic.constants import Rows, least_squares
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Constant, Expression, Tape, Variable

Array = np.ndarray
ROWS = 1500
REFITTED_POINTS, REFITTED_EDGE = 400, 100
# Candidates that are refitted to the equation, and nodes that one of them may have.
CANDIDATES, LARGEST = 8, 60
# Residuals this small, beside the terms of the equation, are rounding.
ROUNDING = 1e-8
# A shorter formula is taken as long as its residual is at most this many times the least one.
NEARLY = 2.0


def closed_form(solution: Solution, budget: Budget | Part, listen: Listener) -> ClosedForm | None:
    """Return the formula of a solution of one function, or None where none could be made.

    Args:
        solution: as trained.
        budget: shared by the search and the refits.
        listen: hears the events of the search.
    """
    problem = solution.problem
    if len(problem.fields) > 1:
        return None
    found = [form for candidate in _searched(solution, budget, listen) if (form := _refitted(solution, candidate))]
    if not found:
        return None
    exact = [form for form in found if form.exact]
    if exact:
        return min(exact, key=lambda form: form.expression.complexity)
    least = min(map(_size, found))
    near = [form for form in found if _size(form) <= NEARLY * least]
    return min(near, key=lambda form: form.expression.complexity)


def table_of(solution: Solution) -> Dataset:
    """Return the solution as a table over points of its domain."""
    random = np.random.default_rng(solution.config.seed)
    points = interior(solution.problem.where, ROWS, "latin", random)
    problem = solution.problem
    return Dataset.from_arrays(points, solution(points)[:, 0], problem.coordinates, problem.fields[0])


def _searched(solution: Solution, budget: Budget | Part, listen: Listener) -> list[Expression]:
    """Return the formulas of a fit to the solution's table, the chosen one first."""
    config = Config(seed=solution.config.seed, time_limit=max(1.0, min(budget.remaining, 1e6)))
    front = fit(table_of(solution), config, listen).front
    formulas = [front.best, *sorted(front.formulas, key=lambda formula: formula.description_length)]
    expressions = dict.fromkeys(formula.expression for formula in formulas)
    return [expression for expression in expressions if expression.complexity <= LARGEST][:CANDIDATES]


def _size(form: ClosedForm) -> float:
    return sum(form.check.residuals.values())


def _refitted(solution: Solution, expression: Expression) -> ClosedForm | None:
    """Return a formula with constants that make the residuals least, known numbers exact; None where that fails."""
    problem = solution.problem
    try:
        start = np.array([*(c.value for c in expression.free_constants), *solution.unknowns.values()])
        model = Refit(problem, expression, start)
        theta, _, _, _ = least_squares(model, Rows(model.places, np.zeros(len(model.places))))
        count = len(expression.free_constants)
        fitted, unknowns = expression.with_constants(theta[:count].tolist()), theta[count:]
        fitted = _tidied(problem, fitted, unknowns)
        return _judged(problem, fitted, unknowns)
    except (KansymError, ValueError, np.linalg.LinAlgError):
        return None


def _tidied(problem: Problem, expression: Expression, unknowns: Array) -> Expression:
    """Make known numbers exact where equation and conditions hold as well with them."""
    points = interior(problem.where, REFITTED_POINTS, "latin", np.random.default_rng(0))
    target = expression.evaluate(points)
    if not np.isfinite(target).all():
        raise FormulaError("the formula is not finite everywhere on the domain")
    tidied = tidy(expression, Rows(points, target)).expression
    before, after = (_judged(problem, form, unknowns) for form in (expression, tidied))
    return tidied if after.exact or _size(after) <= 1.01 * _size(before) else expression


def _judged(problem: Problem, expression: Expression, unknowns: Sequence[float] | Array) -> ClosedForm:
    function = lambda points, order: derivative(expression, order).evaluate(points)[:, None]  # noqa: E731
    found = check(problem, function, list(unknowns))
    scale = _terms(problem, function, unknowns)
    exact = all(found.residuals[name] <= ROUNDING * scale.get(name, 1.0) for name in found.residuals)
    values = dict(zip(problem.parameters, map(float, unknowns), strict=True))
    return ClosedForm(expression, problem.coordinates, exact, found, values)


def _terms(problem: Problem, function, unknowns: Sequence[float] | Array) -> dict[str, float]:
    """Return the size of the largest derivative in every equation and condition, by name, at least 1."""
    points = interior(problem.where, REFITTED_POINTS, "latin", np.random.default_rng(0))
    stage = Stage(problem)
    found = {}
    for block in [*stage.equations(points), *stage.conditions(Trial(), REFITTED_EDGE)]:
        columns = columns_of(block.residual, block.points, function, list(unknowns))
        slots = columns[:, len(problem.words.plain) :]
        found[block.name] = max(1.0, *(rms(column) for column in slots.T))
    return found


@dataclass(frozen=True, eq=False)
class Refit:
    """The residuals of a formula as a model of its free constants and the problem's unknowns, for `least_squares`.

    start: (P + Q,).
    """

    problem: Problem
    expression: Expression
    start: Array

    @cached_property
    def blocks(self) -> list[Block]:
        points = interior(self.problem.where, REFITTED_POINTS, "latin", np.random.default_rng(1))
        stage = Stage(self.problem)
        return [*stage.equations(points), *stage.conditions(Trial(), REFITTED_EDGE)]

    @property
    def places(self) -> Array:
        """One row per residual; what is in it does not matter."""
        seams = sum(len(seam.low) * len(seam.orders) for seam in self.seams)
        return np.zeros((sum(map(len, self.blocks)) + seams, 1))

    @cached_property
    def seams(self) -> tuple[Seam, ...]:
        """Where periodic ends meet."""
        return seams(self.problem, REFITTED_EDGE)

    @cached_property
    def open(self) -> Expression:
        """The formula with its free constants as further columns behind the coordinates."""
        numbers = iter(range(len(self.problem.coordinates), len(self.problem.coordinates) + self.count))
        return _opened(self.expression, numbers)

    @property
    def count(self) -> int:
        return len(self.expression.free_constants)

    def values(self, inputs: Array, theta: Array) -> Array:
        function = lambda points, order: self._slot(points, order, theta)[0][:, None]  # noqa: E731
        parts = [
            self._scale(block) * residual_of(block, function, theta[self.count :].tolist()) for block in self.blocks
        ]
        parts += [gaps_at(seam, function) / len(seam.low) ** 0.5 for seam in self.seams]
        return np.concatenate(parts)

    def jacobian(self, inputs: Array, theta: Array) -> tuple[Array, Array]:
        parts = [self._block(block, theta[0]) for block in self.blocks]
        parts += [self._seam(seam, order, theta[0]) for seam in self.seams for order in seam.orders]
        return np.concatenate([part[0] for part in parts])[None], np.concatenate([part[1] for part in parts])[None]

    def _scale(self, block: Block) -> float:
        return (block.weight / len(block)) ** 0.5

    def _slot(self, points: Array, order: Order, theta: Array) -> tuple[Array, Array]:
        """Return one derivative of the formula at points, and its slopes by the constants (n, P)."""
        columns = np.concatenate([points, np.tile(theta[: self.count], (len(points), 1))], 1)
        values, slopes = Tape(derivative(self.open, order)).gradient(columns)
        return values, slopes[:, points.shape[1] :]

    def _block(self, block: Block, theta: Array) -> tuple[Array, Array]:
        known = {order: self._slot(block.points, order, theta) for order in block.residual.orders}
        columns = columns_of(block.residual, block.points, lambda points, order: known[order][0][:, None],
                             theta[self.count :].tolist())  # fmt: skip
        values, slopes = block.residual.linearised(columns)
        plain = len(self.problem.coordinates)
        slots = slopes[:, len(self.problem.words.plain) :]
        by_constants = sum(slots[:, [place]] * known[order][1] for place, (_, order) in enumerate(block.residual.slots))
        by_unknowns = slopes[:, plain : len(self.problem.words.plain)]
        shift = 0.0 if block.shift is None else block.shift
        scale = self._scale(block)
        return scale * (values - shift), scale * np.concatenate([by_constants, by_unknowns], 1)

    def _seam(self, seam: Seam, order: Order, theta: Array) -> tuple[Array, Array]:
        low, high = (self._slot(points, order, theta) for points in (seam.low, seam.high))
        slopes = np.pad(low[1] - high[1], ((0, 0), (0, len(theta) - self.count)))
        return (low[0] - high[0]) / len(seam.low) ** 0.5, slopes / len(seam.low) ** 0.5


def _opened(node: Expression, numbers) -> Expression:
    """Replace free constants by columns, in the order in which `with_constants` takes them."""
    if isinstance(node, Constant):
        return Variable(next(numbers)) if node.label is None else node
    if not node.children:
        return node
    return node.rebuilt(tuple(_opened(child, numbers) for child in node.children))
