"""Rows that no formula explains: left out of a description where naming them is shorter than fitting them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from kansym.budget import Budget, Part
from kansym.structure.noise import SIGMAS
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.error_models import ErrorModel, error_models
from kansym.symbolic.expression import Expression
from kansym.symbolic.selection import MOST_DECIMALS, description_length, floored, reaches_noise, refitted

Array = np.ndarray
Chosen = tuple[int, ...]
FEWEST, LARGE, MOST_ROWS = 10, 4000, 50000
MOST_SHARE = 0.05  # of the rows that may be left out together
FAR = 6.0  # standard deviations of the other rows
OUTLIER_NATS = 6.0  # a row that is left out, besides its number and its own value
ROUNDING = 1e-9  # of the largest target: nearer than this nothing lies apart
SHOWN = 1e-12  # how nearly a number is what it is rounded to
MOST_HIDDEN = 0.2  # of a value, that its digits may leave open
TRIED, TRIED_OF_LARGE = 8, 2  # of the shortest descriptions, and of the shortest formulas
STEPS, TURNS = 20, 3


def outlying_rows(
    expressions: Iterable[Expression], rows: Rows, most: int | None = None, budget: Budget | Part | None = None
) -> Chosen:
    """Numbers of the rows that are left out of the shortest description of a table; none where all are in it.

    A row that is left out has to be named and its value told. It must lie beyond `FAR` standard deviations of the
    others, and these must be exact or leave no pattern: a formula that cannot follow a steep law is wrong in a few
    rows, too. What the digits of a value leave open is no error, and where a formula is right to rounding, no row is
    an outlier of it.

    Args:
        expressions: formulas that may be right.
        rows: of the table; those of weight 0 are not looked at.
        most: how many may be left out; 5 % of the rows otherwise.
        budget: where it runs out, what was found so far; a table that is not large takes hardly any time.
    """
    counted = np.arange(len(rows)) if rows.weights is None else np.flatnonzero(rows.weights)
    most = max(1, int(MOST_SHARE * len(counted))) if most is None else most
    if not (FEWEST <= len(counted) <= MOST_ROWS and most > 0):
        return ()
    told = rows.take(counted)
    best, found = math.inf, Chosen()
    for expression in _tried(expressions, told):
        if budget is not None and budget.expired and len(told) > LARGE:
            break
        for chosen in [(), *_choices(expression, told, most)]:
            length = _length(expression, told, chosen)
            if length < best:
                best, found = length, chosen
    return tuple(int(counted[row]) for row in found)


def _tried(expressions: Iterable[Expression], rows: Rows) -> list[Expression]:
    """The shortest descriptions under every kind of error, and the best formulas of few nodes.

    A long formula may bend to a wrong row.
    """
    most, found = TRIED if len(rows) <= LARGE else TRIED_OF_LARGE, dict[Expression, None]()
    formulas = list(expressions)
    for model in error_models(rows):
        with np.errstate(all="ignore"):
            misfits = [(formula, mean_square(formula, model.rows)) for formula in formulas]
        scored = [(description_length(e, misfit, model.rows), e) for e, misfit in misfits if np.isfinite(misfit)]
        ranked = [expression for _, expression in sorted(scored, key=lambda item: item[0])]
        simplest: dict[int, Expression] = {}
        for expression in ranked:
            simplest.setdefault(expression.complexity, expression)
        found.update(dict.fromkeys([*ranked[:most], *(simplest[size] for size in sorted(simplest)[:most])]))
    return list(found)


def _choices(expression: Expression, rows: Rows, most: int) -> Iterator[Chosen]:
    """Rows that may be left out: under every kind of error the one that is farthest off, and all that are far off."""
    found = set[Chosen]()
    for model in error_models(rows):
        error = _error(expression, model.rows)
        if np.any(_is_far(error, model.rows)):
            found.update(_chosen(expression, model.rows, most))
    yield from sorted(found)


def _chosen(expression: Expression, rows: Rows, most: int) -> Iterator[Chosen]:
    """The same under errors of one kind, as the other rows see it."""
    fitted = refitted(expression, rows, STEPS)
    yield (int(np.argmax(_error(fitted, rows))),)
    for _ in range(TURNS):
        far = np.flatnonzero(_is_far(_error(fitted, rows), rows))
        if not 0 < len(far) <= most:
            return
        yield tuple(map(int, far))
        fitted = refitted(fitted, rows.take(np.delete(np.arange(len(rows)), far)), STEPS)


def _length(expression: Expression, rows: Rows, chosen: Chosen) -> float:
    """The shortest description by a formula with these rows left out; infinite where they may not be."""
    others = rows.take(np.delete(np.arange(len(rows)), chosen))
    return min(_told(expression, rows, model, chosen) for model in error_models(others))


def _told(expression: Expression, rows: Rows, model: ErrorModel, chosen: Chosen) -> float:
    """The same under errors of one kind."""
    others, without = model.rows, expression
    for _ in range(2):
        without = refitted(without, others, STEPS)
    misfit = mean_square(without, others)
    if not np.isfinite(misfit):
        return math.inf
    length = description_length(without, misfit, others) + model.nats
    if not chosen:
        return length
    rounding = ROUNDING * float(np.max(np.abs(others.target * others.roots)))
    in_proportion = rows.weights is None and others.weights is not None
    seen = _by_size(without, rows, others) if in_proportion else rows
    least = np.maximum(max(FAR * math.sqrt(misfit), rounding), _written_to(rows.target) * seen.roots)
    if np.any((_error(without, seen) <= least)[list(chosen)]):
        return math.inf
    if misfit > rounding**2 and not reaches_noise(without, others):
        return math.inf
    own = 0.5 * math.log(floored(misfit, others)) + model.row_nats + 0.5 * math.log(len(rows)) + OUTLIER_NATS
    return length + len(chosen) * own


def _by_size(formula: Expression, rows: Rows, others: Rows) -> Rows:
    """The rows with errors in proportion to the formula: the value of a row that is left out may be anything."""
    size = np.maximum(np.abs(formula.evaluate(rows.inputs)), np.min(others.target))
    return Rows(rows.inputs, rows.target, 1.0 / size**2)


def _is_far(error: Array, rows: Rows) -> Array:
    """Which rows (N,) have errors of another kind than the middling one, and beyond what their digits leave open."""
    rounding = ROUNDING * float(np.max(np.abs(rows.target * rows.roots)))
    least = max(FAR * SIGMAS * float(np.median(error)), rounding)
    return error > np.maximum(least, _written_to(rows.target) * rows.roots)


def _written_to(target: Array) -> Array:
    """The largest errors (N,) that the digits of every target leave open: 0.005 where it is written as 0.03."""
    halves = np.full(len(target), 0.5 * 10.0**-MOST_DECIMALS)
    for decimals in range(MOST_DECIMALS, -1, -1):
        shown = np.abs(np.round(target, decimals) - target) <= SHOWN * np.abs(target)
        halves[shown & (target != 0)] = 0.5 * 10.0**-decimals
    return np.minimum(halves, MOST_HIDDEN * np.abs(target))


def _error(expression: Expression, rows: Rows) -> Array:
    """The size (N,) of every error under the weights; infinite where the formula has no value."""
    with np.errstate(all="ignore"):
        error = np.abs((expression.evaluate(rows.inputs) - rows.target) * rows.roots)
    return np.where(np.isfinite(error), error, np.inf)
