"""The formulas of an outline: its unknown functions are fitted as splines, then each is matched or searched for.

Several candidates of every function stay alive; they are combined, refitted together on the rows and ranked by
description length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from kansym.budget import Budget, Part
from kansym.symbolic.algebraic import linear
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.curves import match_curve
from kansym.symbolic.expression import Constant, Expression, Sum, Variable, add
from kansym.symbolic.primitives import PRIMITIVES, Library
from kansym.symbolic.search import search
from kansym.symbolic.selection import description_length
from kansym.symbolic.steering.outline import Outline
from kansym.symbolic.steering.smooth import SmoothModel, State
from kansym.symbolic.table import Table

Array = np.ndarray
MOST_ROWS = 800
KEPT = 6  # candidates of every function that stay alive
COMBINED = 48
GOOD = 1.5  # times the splines' mean square error at which a formula says all that they do
FEWEST = 8  # combinations that are refitted though the time is up
ROUNDS = 2
POLISHING = 40
EXACT = 1e-9
SEARCH_SHARE = 0.4  # of the remaining time, for one function of several arguments
HELD = 5  # every so manieth row judges


@dataclass(frozen=True)
class Settings:
    """What a search for an outline may use."""

    library: Library = PRIMITIVES
    seed: int = 0


def formulas(outline: Outline, rows: Rows, budget: Budget | Part, settings: Settings) -> list[Expression]:
    """Formulas of this outline with their constants fitted to the rows (N, D), the shortest description first."""
    thin = rows if len(rows) <= MOST_ROWS else rows.take(np.arange(MOST_ROWS))
    model = SmoothModel.of(outline, thin)
    state, _ = model.fitted(settings.seed)
    found = _Found(outline, thin)
    choices = _first_choices(model, state, budget, settings)
    found.combine(state.numbers, choices, budget)
    for _ in range(ROUNDS):
        if budget.expired or found.exact or not outline.functions:
            break
        choices = _second_choices(model, found, choices, budget, settings)
        found.combine(found.numbers, choices, budget)
    return found.ranked()


class _Found:
    """The formulas so far, with the parts that they were put together from."""

    def __init__(self, outline: Outline, rows: Rows) -> None:
        self.outline, self.rows = outline, rows
        self.items: dict[Expression, tuple[float, Expression, tuple[Expression, ...]]] = {}
        self.numbers = np.array(outline.starts)
        self.least = np.inf

    @property
    def exact(self) -> bool:
        """Whether the best one leaves nothing."""
        return self.least <= (EXACT * self.rows.spread) ** 2

    @property
    def parts(self) -> tuple[Expression, ...] | None:
        """The functions of the best formula, with the constants that they had before the last refit."""
        return min(self.items.values(), key=lambda item: item[0])[2] if self.items else None

    def combine(self, numbers: Array, choices: Sequence[Sequence[Expression]], budget: Budget | Part) -> None:
        """Put the candidates together, the likeliest combinations first, and refit them."""
        orders = sorted(product(*(range(len(each)) for each in choices)), key=lambda order: (sum(order), order))
        for order in orders[:COMBINED]:
            if self.exact or (budget.expired and len(self.items) >= FEWEST):
                return
            parts = tuple(choices[k][i] for k, i in enumerate(order))
            self._add(parts, canonical(self.outline.filled(list(numbers), parts)))

    def _add(self, parts: tuple[Expression, ...], expression: Expression) -> None:
        if expression in self.items:
            return
        fitted = polish(expression, self.rows, POLISHING)
        if np.isfinite(fitted.mean_square):
            length = description_length(fitted.expression, fitted.mean_square, self.rows)
            self.items[expression] = (length, fitted.expression, parts)
            self.least = min(self.least, fitted.mean_square)

    def ranked(self) -> list[Expression]:
        """The formulas, the shortest description first."""
        return [item[1] for item in sorted(self.items.values(), key=lambda item: item[0])]


def _first_choices(
    model: SmoothModel, state: State, budget: Budget | Part, settings: Settings
) -> list[list[Expression]]:
    """Candidates of every function: matched to its spline, or with several arguments searched at the end."""
    outline = model.outline
    choices: list[list[Expression]] = [[] for _ in outline.functions]
    curves = model.curves(state)
    for number in sorted(range(len(choices)), key=lambda k: (outline.functions[k].arity, k)):
        points, values = _samples(model, number, curves)
        if outline.functions[number].arity == 1:
            choices[number] = _matched(points[:, 0], values, None, settings)
        else:
            choices[number] = _searched_everywhere(model, state, choices, number, budget, settings)
        curves = [
            choices[number][0].evaluate(each.values(model.rows.inputs)) if each.function == number else curve
            for each, curve in zip(outline.applications, curves, strict=True)
        ]
    return choices


def _searched_everywhere(
    model: SmoothModel,
    state: State,
    choices: Sequence[Sequence[Expression]],
    number: int,
    budget: Budget | Part,
    settings: Settings,
) -> list[Expression]:
    """Candidates of a function of several arguments, the others being their best candidates, or splines.

    A number added to one function can be taken from another, so the others also go without their constant terms.
    """
    found: list[Expression] = []
    for strip in (True, False):
        known = [(_stripped(each[0]) if strip else each[0]) if each else None for each in choices]
        curves = _curves(model, known, state)
        points, target, weights = _implied(model, number, state.numbers, curves)
        part = budget.part(SEARCH_SHARE * budget.remaining)
        found += [each for each in _searched(points, target, weights, part, settings) if each not in found]
        if _as_good_as_splines(model, state, [found[0] if k == number else each for k, each in enumerate(known)]):
            break
    return found[: 2 * KEPT]


def _as_good_as_splines(model: SmoothModel, state: State, parts: Sequence[Expression | None]) -> bool:
    """Whether formulas for all functions, refitted, meet the rows as well as the splines do."""
    formulas = [each for each in parts if each is not None]
    if len(formulas) < len(parts):
        return False
    smooth = model.jacobian(state)[0]
    fitted = polish(model.outline.filled(list(state.numbers), formulas), model.rows, POLISHING)
    return fitted.mean_square <= GOOD * float(np.mean(smooth**2))


def _curves(model: SmoothModel, known: Sequence[Expression | None], state: State) -> list[Array]:
    splines = model.curves(state)
    curves = []
    for each, spline in zip(model.outline.applications, splines, strict=True):
        formula = known[each.function]
        values = spline if formula is None else formula.evaluate(each.values(model.rows.inputs))
        curves.append(np.where(np.isfinite(values), values, spline))
    return curves


def _second_choices(
    model: SmoothModel,
    found: _Found,
    choices: Sequence[Sequence[Expression]],
    budget: Budget | Part,
    settings: Settings,
) -> list[list[Expression]]:
    """Every function matched anew to the rows themselves, where the others are those of the best formula."""
    outline, parts = model.outline, found.parts
    better = [list(each) for each in choices]
    for number in range(len(choices)):
        if parts is None or budget.expired or len(outline.places(number)) > 1:
            continue
        numbers, refined = _refitted(outline, found.numbers, parts, model.rows)
        found.numbers = numbers
        curves = [refined[each.function].evaluate(each.values(model.rows.inputs)) for each in outline.applications]
        if not all(np.all(np.isfinite(curve)) for curve in curves):
            continue
        points, target, weights = _implied(model, number, numbers, curves)
        if outline.functions[number].arity == 1:
            fresh = _matched(points[:, 0], target, weights, settings)
        else:
            fresh = _searched(points, target, weights, budget.part(SEARCH_SHARE * budget.remaining), settings)
        better[number] = [refined[number], *fresh][: KEPT + 1]
    return better


def _refitted(
    outline: Outline, numbers: Array, parts: Sequence[Expression], rows: Rows
) -> tuple[Array, list[Expression]]:
    """The unknown numbers and functions with their constants refitted together, still apart from each other."""
    constants = [Constant(float(number)) for number in numbers]
    whole = polish(outline.filled(list(numbers), parts), rows, POLISHING).expression
    # `filled` writes every function out in place, so the order of its constants is that of the body's leaves.
    values = iter([constant.value for constant in whole.free_constants])
    found: dict[int, Expression] = {}
    refined = list(numbers)
    first = outline.columns + len(constants)
    for leaf in _leaves(outline.body):
        if outline.columns <= leaf < first:
            refined[leaf - outline.columns] = next(values)
        elif leaf >= first:
            application = outline.applications[leaf - first]
            for argument in application.arguments:
                if argument.free_constants:
                    return numbers, list(parts)
            part = parts[application.function]
            found.setdefault(application.function, part.with_constants([next(values) for _ in part.free_constants]))
    return np.array(refined), [found.get(k, part) for k, part in enumerate(parts)]


def _leaves(node: Expression) -> Iterator[int]:
    return (each.index for each in node.walk() if isinstance(each, Variable))


def _samples(model: SmoothModel, number: int, curves: Sequence[Array]) -> tuple[Array, Array]:
    """Arguments (n, k) and values (n,) of a function over all places where it stands."""
    places = model.outline.places(number)
    points = [model.outline.applications[place].values(model.rows.inputs) for place in places]
    return np.vstack(points), np.concatenate([curves[place] for place in places])


def _implied(
    model: SmoothModel, number: int, numbers: Array, curves: Sequence[Array]
) -> tuple[Array, Array, Array | None]:
    """Points, values and weights that a function must go through; one that stands in several places, as it is."""
    places = model.outline.places(number)
    points, values = _samples(model, number, curves)
    if len(places) > 1:
        return points, values, None
    target, weights = model.implied(places[0], numbers, curves)
    return points, target, weights


def _matched(points: Array, values: Array, weights: Array | None, settings: Settings) -> list[Expression]:
    fits = match_curve(points, values, weights, settings.library, 16)
    kept = sorted(fits, key=lambda fit: np.log10(fit.error + 1e-12) + 0.15 * fit.expression.complexity)
    chosen: list[Expression] = []
    seen: dict[str, int] = {}
    for fit in kept:
        if seen.get(fit.primitive, 0) < 2 and fit.expression not in chosen:
            chosen.append(fit.expression)
            seen[fit.primitive] = seen.get(fit.primitive, 0) + 1
    return chosen[:KEPT] or [linear(Rows(points[:, None], values, weights))]


def _searched(
    points: Array, values: Array, weights: Array | None, budget: Budget | Part, settings: Settings
) -> list[Expression]:
    judge = np.arange(len(values)) % HELD == HELD - 1
    plain = weights is None or np.ptp(weights) < 1e-9 * np.max(weights)
    every = Rows(points, values, None if plain else weights)
    table = Table(every.take(np.flatnonzero(~judge)), every.take(np.flatnonzero(judge)))
    found = [candidate.expression for candidate in search(table, budget, settings.library)]
    return (found or [linear(every)])[:KEPT]


def _stripped(expression: Expression) -> Expression:
    """The formula without its constant term."""
    if not isinstance(expression, Sum):
        return expression
    return add(*(term for term in expression.terms if not isinstance(term, Constant)))
