"""From a solution to a formula: the networks' table is searched, and what is found refitted to the equation itself.

A network is off by a little everywhere, and so are constants fitted to its table. Refitted until equation and
conditions hold, constants of the right formula have all their digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from kansym.budget import Budget, Part
from kansym.config import Config
from kansym.data import Dataset
from kansym.errors import FormulaError, KansymError
from kansym.events import Listener
from kansym.physics.solver.blocks import Stage
from kansym.physics.solver.calculus import derivative
from kansym.physics.solver.checking import Function, check, columns_of, gaps_at, residual_of, rms
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
Formulas = tuple[Expression, ...]
ROWS = 1500
REFITTED_POINTS, REFITTED_EDGE = 400, 100
# Candidates that are refitted to the equation, and nodes that one of them may have.
CANDIDATES, LARGEST = 8, 60
# (noise laid over the tables, over their spread; share of the time that is left), one search after the other. Noise
# hides the errors of rough networks, which are not to be explained; an accurate network is read best without it.
SEARCHES, ROUGH = ((1e-3, 0.5), (0.0, 1.0)), 1e-4
# Residuals this small, beside the terms of the equation, are rounding.
ROUNDING = 1e-8
# A shorter formula is taken as long as its residual is at most this many times the least one.
NEARLY = 2.0


def closed_form(solution: Solution, budget: Budget | Part, listen: Listener) -> ClosedForm | None:
    """Return the formulas of a solution, one for each function, or None where none could be made.

    Of a system, every function is searched for by itself; then one formula after the other is exchanged, all constants
    refitted together. Where the networks are rough, a first search reads their tables under noise.

    Args:
        solution: as trained.
        budget: shared by the search and the refits.
        listen: hears the events of the search.
    """
    found: list[ClosedForm] = []
    for veil, share in SEARCHES if _roughness(solution) > ROUGH else SEARCHES[-1:]:
        part = budget.part(share * budget.remaining)
        found += [form] if (form := _joined(solution, veil, part, listen)) else []
        if budget.expired or any(form.exact for form in found):
            break
    return _best(found)


def _roughness(solution: Solution) -> float:
    """How far the networks are from solving the problem, beside the terms of its equations."""
    scale = _terms(solution.problem, solution.derivative, list(solution.unknowns.values()))
    return max(size / scale.get(name, 1.0) for name, size in solution.check.residuals.items())


def _joined(solution: Solution, veil: float, budget: Budget | Part, listen: Listener) -> ClosedForm | None:
    pools = [_searched(solution, which, veil, budget, listen) for which in range(len(solution.problem.fields))]
    if not all(pools):
        return None
    chosen, found = [pool[0] for pool in pools], None
    for which, pool in enumerate(pools):
        trials = [(*chosen[:which], candidate, *chosen[which + 1 :]) for candidate in pool]
        forms = [form for trial in trials if (form := _refitted(solution, trial))]
        found = _best([*forms, *([found] if found else [])])
        chosen = list(found.expressions) if found else chosen
    return found


def _best(forms: Sequence[ClosedForm]) -> ClosedForm | None:
    """The shortest that solves the problem exactly; where none does, the shortest that leaves nearly the least."""
    if not forms:
        return None
    least = min(map(_size, forms))
    good = [form for form in forms if form.exact] or [form for form in forms if _size(form) <= NEARLY * least]
    return min(good, key=lambda form: form.complexity)


def table_of(solution: Solution, which: int = 0, veil: float = 0.0) -> Dataset:
    """Return one function of a solution as a table over points of its domain.

    Args:
        solution: as trained.
        which: number of the function.
        veil: noise laid over its values, over their spread.
    """
    random = np.random.default_rng(solution.config.seed)
    problem = solution.problem
    points = interior(problem.where, ROWS, "latin", random)
    values = solution(points)[:, which]
    veiled = values + veil * float(np.std(values)) * random.standard_normal(len(values))
    return Dataset.from_arrays(points, veiled, problem.coordinates, problem.fields[which])


def _searched(solution: Solution, which: int, veil: float, budget: Budget | Part, listen: Listener) -> list[Expression]:
    """Return the formulas of a fit to the table of one function, the chosen one first."""
    share = budget.remaining / (len(solution.problem.fields) - which)
    config = Config(seed=solution.config.seed, time_limit=max(1.0, min(share, 1e6)))
    front = fit(table_of(solution, which, veil), config, listen).front
    formulas = [front.best, *sorted(front.formulas, key=lambda formula: formula.description_length)]
    expressions = dict.fromkeys(formula.expression for formula in formulas)
    return [expression for expression in expressions if expression.complexity <= LARGEST][:CANDIDATES]


def _size(form: ClosedForm) -> float:
    return sum(form.check.residuals.values())


def _refitted(solution: Solution, expressions: Formulas) -> ClosedForm | None:
    """Return formulas with constants that make the residuals least, known numbers exact; None where that fails."""
    problem = solution.problem
    try:
        constants = [constant.value for expression in expressions for constant in expression.free_constants]
        model = Refit(problem, expressions, np.array([*constants, *solution.unknowns.values()]))
        theta = model.start
        if len(theta):
            theta, _, _, _ = least_squares(model, Rows(model.places, np.zeros(len(model.places))))
        fitted = tuple(
            expression.with_constants(theta[rows].tolist())
            for expression, rows in zip(expressions, model.own, strict=True)
        )
        unknowns = theta[model.count :]
        for which in range(len(fitted)):
            fitted = _tidied(problem, fitted, which, unknowns)
        return _judged(problem, fitted, unknowns)
    except (KansymError, ValueError, np.linalg.LinAlgError):
        return None


def _tidied(problem: Problem, expressions: Formulas, which: int, unknowns: Array) -> Formulas:
    """Make known numbers of one formula exact where equations and conditions hold as well with them."""
    points = interior(problem.where, REFITTED_POINTS, "latin", np.random.default_rng(0))
    target = expressions[which].evaluate(points)
    if not np.isfinite(target).all():
        raise FormulaError("the formula is not finite everywhere on the domain")
    exact = tidy(expressions[which], Rows(points, target)).expression
    tidied = (*expressions[:which], exact, *expressions[which + 1 :])
    before, after = (_judged(problem, forms, unknowns) for forms in (expressions, tidied))
    return tidied if after.exact or _size(after) <= 1.01 * _size(before) else expressions


def _judged(problem: Problem, expressions: Formulas, unknowns: Sequence[float] | Array) -> ClosedForm:
    def function(points: Array, order: Order) -> Array:
        return np.column_stack([derivative(expression, order).evaluate(points) for expression in expressions])

    found = check(problem, function, list(unknowns))
    scale = _terms(problem, function, unknowns)
    exact = all(found.residuals[name] <= ROUNDING * scale.get(name, 1.0) for name in found.residuals)
    values = dict(zip(problem.parameters, map(float, unknowns), strict=True))
    return ClosedForm(expressions, problem.coordinates, exact, found, values)


def _terms(problem: Problem, function: Function, unknowns: Sequence[float] | Array) -> dict[str, float]:
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
    """The residuals of formulas as a model of their free constants and the problem's unknowns, for `least_squares`.

    expressions: one for each of the T functions. start: (P + Q,) the constants of one after the other, the unknowns.
    """

    problem: Problem
    expressions: Formulas
    start: Array

    @cached_property
    def blocks(self) -> list[Block]:
        points = interior(self.problem.where, REFITTED_POINTS, "latin", np.random.default_rng(1))
        stage = Stage(self.problem)
        return [*stage.equations(points), *stage.conditions(Trial(), REFITTED_EDGE)]

    @property
    def places(self) -> Array:
        """One row per residual; what is in it does not matter."""
        meeting = sum(len(seam.low) * len(seam.orders) for seam in self.seams)
        return np.zeros((sum(map(len, self.blocks)) + meeting * len(self.expressions), 1))

    @cached_property
    def seams(self) -> tuple[Seam, ...]:
        """Where periodic ends meet."""
        return seams(self.problem, REFITTED_EDGE)

    @cached_property
    def own(self) -> tuple[slice, ...]:
        """Which of the constants belong to each formula."""
        ends = np.cumsum([0, *(len(expression.free_constants) for expression in self.expressions)]).tolist()
        return tuple(slice(*pair) for pair in pairwise(ends))

    @property
    def count(self) -> int:
        """Of constants, P."""
        return self.own[-1].stop

    @cached_property
    def open(self) -> Formulas:
        """The formulas with their free constants as further columns behind the coordinates."""
        first = len(self.problem.coordinates)
        return tuple(
            _opened(expression, iter(range(first, first + rows.stop - rows.start)))
            for expression, rows in zip(self.expressions, self.own, strict=True)
        )

    def values(self, inputs: Array, theta: Array) -> Array:
        def function(points: Array, order: Order) -> Array:
            return self._derivatives(points, order, theta)[0]

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

    def _derivatives(self, points: Array, order: Order, theta: Array) -> tuple[Array, Array]:
        """Return one derivative of all formulas at points (n, T), and its slopes by the constants (n, T, P)."""
        values = np.empty((len(points), len(self.open)))
        slopes = np.zeros((len(points), len(self.open), self.count))
        for which, (formula, rows) in enumerate(zip(self.open, self.own, strict=True)):
            columns = np.concatenate([points, np.tile(theta[rows], (len(points), 1))], 1)
            values[:, which], found = Tape(derivative(formula, order)).gradient(columns)
            slopes[:, which, rows] = found[:, points.shape[1] :]
        return values, slopes

    def _block(self, block: Block, theta: Array) -> tuple[Array, Array]:
        known = {order: self._derivatives(block.points, order, theta) for order in dict.fromkeys(block.residual.orders)}
        columns = columns_of(block.residual, block.points, lambda points, order: known[order][0],
                             theta[self.count :].tolist())  # fmt: skip
        values, slopes = block.residual.linearised(columns)
        plain = len(self.problem.coordinates)
        slots = slopes[:, len(self.problem.words.plain) :]
        by_constants = sum(
            slots[:, [place]] * known[order][1][:, which] for place, (which, order) in enumerate(block.residual.slots)
        )
        by_unknowns = slopes[:, plain : len(self.problem.words.plain)]
        shift = 0.0 if block.shift is None else block.shift
        scale = self._scale(block)
        return scale * (values - shift), scale * np.concatenate([by_constants, by_unknowns], 1)

    def _seam(self, seam: Seam, order: Order, theta: Array) -> tuple[Array, Array]:
        low, high = (self._derivatives(points, order, theta) for points in (seam.low, seam.high))
        slopes = (low[1] - high[1]).reshape(-1, self.count)
        slopes = np.pad(slopes, ((0, 0), (0, len(theta) - self.count)))
        return (low[0] - high[0]).ravel() / len(seam.low) ** 0.5, slopes / len(seam.low) ** 0.5


def _opened(node: Expression, numbers: Iterator[int]) -> Expression:
    """Replace free constants by columns, in the order in which `with_constants` takes them."""
    if isinstance(node, Constant):
        return Variable(next(numbers)) if node.label is None else node
    if not node.children:
        return node
    return node.rebuilt(tuple(_opened(child, numbers) for child in node.children))
