"""The stage of edits: the best candidates changed node by node, in dimensionless groups where their units agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kansym.budget import Budget, Part
from kansym.discovery import EFFORT
from kansym.problem import Problem
from kansym.symbolic.consistency import CALL_NATS, agrees, unit_nats
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.curves import allowed
from kansym.symbolic.edits import FEWEST, Groups, Length, Task, refined
from kansym.symbolic.error_models import proportional, relative_weights
from kansym.symbolic.expression import Call, Expression
from kansym.symbolic.selection import description_length
from kansym.symbolic.table import EDITED

Found = list[tuple[Expression, str]]
SHORTEST = 60  # descriptions that are edited in groups, where their units agree
MEASURED_BY = 12  # of these, by which the measuring columns are chosen


def may_be_edited(problem: Problem) -> bool:
    """Whether there are rows enough for edits, and they are not left out."""
    return len(problem.fitted) >= FEWEST and "edits" not in problem.config.without


def edited(problem: Problem, found: Found, budget: Budget | Part) -> Found:
    """Formulas that edits of the candidates lead to, under errors as the search believes in them first.

    Where units are given and the best candidate agrees with them, so does everything that edits lead to, as long as
    positive columns measure all others.
    """
    rows = problem.fitted
    if rows.weights is None and next(problem.views()).weights is not None and proportional(rows.target):
        rows = replace(rows, weights=relative_weights(rows.target))
    formulas = [formula for formula, _ in found]
    changed = _in_groups(problem, formulas, rows, budget)
    if changed is None:
        changed = refined(formulas, _task(problem, rows, _length(problem)), budget)
    return [(formula, EDITED) for formula in changed]


def _in_groups(
    problem: Problem, formulas: Sequence[Expression], rows: Rows, budget: Budget | Part
) -> list[Expression] | None:
    """The same on the groups that the units leave; None where there are none, or the best candidate disagrees."""
    if problem.units is None or "units" in problem.config.without:
        return None
    length, dimensions = _length(problem), problem.units.dimensions
    shortest = sorted(formulas, key=lambda formula: length(formula, rows))[:SHORTEST]
    if not shortest or not agrees(shortest[0], dimensions):
        return None
    agreeing = [formula for formula in shortest if agrees(formula, dimensions)]
    groups = Groups.of(agreeing[:MEASURED_BY], dimensions, rows)
    fewer = None if groups is None else groups.rows(rows)
    if groups is None or fewer is None:
        return None
    task = _task(problem, fewer, _length_in_groups)
    return [groups.lifted(formula) for formula in refined(map(groups.lowered, agreeing), task, budget)]


def _task(problem: Problem, rows: Rows, length: Length) -> Task:
    return Task(
        rows, length, lambda formula: allowed(formula, problem.library), problem.config.max_complexity,
        EFFORT[problem.config.preset],
    )  # fmt: skip


def _length(problem: Problem) -> Length:
    """Nats by which a formula of the columns describes rows, its units counted in."""
    dimensions = problem.units.dimensions if problem.units else None
    return lambda formula, rows: _told(formula, rows) + unit_nats(formula, dimensions)


def _length_in_groups(formula: Expression, rows: Rows) -> float:
    """Nats by which a formula of the groups describes rows, functions counted as where units are given."""
    return _told(formula, rows) + CALL_NATS * sum(isinstance(node, Call) for node in formula.walk())


def _told(formula: Expression, rows: Rows) -> float:
    misfit = mean_square(formula, rows)
    return description_length(formula, misfit, rows) if np.isfinite(misfit) else np.inf
