"""Rows that no formula explains: left out of a description where naming them is shorter than fitting them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.expression import Expression
from kansym.symbolic.selection import description_length, reaches_noise, refitted

Array = np.ndarray
FEWEST, LARGE, MOST_ROWS = 10, 4000, 50000
MOST_SHARE = 0.05  # of the rows that may be left out together
FAR = 6.0  # standard deviations of the other rows
OUTLIER_NATS = 6.0  # a row that is left out, besides its number and its own value
SIGMAS = 1.4826  # standard deviations of normal errors in one median absolute error
ROUNDING = 1e-9  # of the largest target: nearer than this nothing lies apart
MOST_DECIMALS, SHOWN = 10, 1e-12  # of a number that is rounded, and how nearly it is the rounded one
TRIED, TRIED_OF_LARGE = 8, 2  # of the shortest descriptions, and of the shortest formulas
STEPS, TURNS = 20, 3


@dataclass(frozen=True)
class ErrorModel:
    """Rows weighed as errors of one kind would be, and what that kind costs besides, in nats."""

    rows: Rows
    nats: float = 0.0


def outlying_rows(expressions: Iterable[Expression], models: Sequence[ErrorModel]) -> tuple[int, ...]:
    """Numbers of the rows that are left out of the shortest description of a table; none where all are in it.

    A row that is left out has to be named and its value told. It must lie beyond `FAR` standard deviations of the
    others; and the others must be exact or leave no pattern, since a formula that cannot follow a steep law is wrong in
    a few rows, too. Where a formula is right to rounding, no row is
    an outlier of it.

    Args:
        expressions: formulas that may be right, fitted to all rows.
        models: the same rows under every kind of error that is believed in.
    """
    expressions = list(expressions)
    best, found = math.inf, tuple[int, ...]()
    for model in models:
        rows = model.rows
        if not FEWEST <= len(rows) <= MOST_ROWS:
            continue
        with np.errstate(all="ignore"):
            scored = [
                (description_length(e, m, rows), e) for e in expressions if np.isfinite(m := mean_square(e, rows))
            ]
        scored.sort(key=lambda item: item[0])
        if not scored:
            continue
        if scored[0][0] + model.nats < best:
            best, found = scored[0][0] + model.nats, ()
        for expression in _tried([expression for _, expression in scored], len(rows)):
            for length, left_out in _options(expression, rows):
                if length + model.nats < best:
                    best, found = length + model.nats, left_out
    return found


def _tried(ranked: list[Expression], rows: int) -> list[Expression]:
    """The shortest descriptions, and the best formulas of few nodes: a long one may bend to a wrong row."""
    most = TRIED if rows <= LARGE else TRIED_OF_LARGE
    simplest: dict[int, Expression] = {}
    for expression in ranked:
        simplest.setdefault(expression.complexity, expression)
    return list(dict.fromkeys([*ranked[:most], *(simplest[size] for size in sorted(simplest)[:most])]))


def _options(expression: Expression, rows: Rows) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Descriptions by a formula with some rows left out: their lengths, and which rows."""
    rounding = ROUNDING * float(np.max(np.abs(rows.target * rows.roots)))
    error = _error(expression, rows)
    if not np.max(error) > max(FAR * SIGMAS * float(np.median(error)), rounding):
        return
    tried = set[tuple[int, ...]]()
    for chosen in _choices(expression, rows, rounding):
        if not chosen or chosen in tried:
            continue
        tried.add(chosen)
        others = rows.take(np.delete(np.arange(len(rows)), chosen))
        without = refitted(refitted(expression, others, STEPS), others, STEPS)
        misfit = mean_square(without, others)
        if not misfit > 0:
            continue
        least = np.maximum(max(FAR * math.sqrt(misfit), rounding), _written_to(rows))
        if np.any((_error(without, rows) <= least)[list(chosen)]):
            continue
        told = 0.5 * math.log(misfit) + 0.5 * math.log(len(rows)) + OUTLIER_NATS
        length = description_length(without, misfit, others) + len(chosen) * told
        if misfit <= rounding**2 or reaches_noise(without, others):
            yield length, chosen


def _choices(expression: Expression, rows: Rows, rounding: float) -> Iterator[tuple[int, ...]]:
    """Rows that may be left out: the one that is farthest off; all that are far off, as the others see it."""
    fitted = refitted(expression, rows, STEPS)
    yield (int(np.argmax(_error(fitted, rows))),)
    far = _far(_error(fitted, rows), rounding)
    for _ in range(TURNS):
        if not 0 < len(far) <= max(1, int(MOST_SHARE * len(rows))):
            return
        yield tuple(map(int, far))
        fitted = refitted(fitted, rows.take(np.delete(np.arange(len(rows)), far)), STEPS)
        far = _far(_error(fitted, rows), rounding)


def _far(error: Array, rounding: float) -> Array:
    """Numbers of the rows whose errors (N,) are of another kind than the middling one."""
    return np.flatnonzero(error > max(FAR * SIGMAS * float(np.median(error)), rounding))


def _written_to(rows: Rows) -> Array:
    """The largest error (N,), under the weights, that the digits of every target leave open: 0.005 where it is 0.03."""
    halves = np.zeros(len(rows))
    for decimals in range(MOST_DECIMALS, -1, -1):
        shown = np.abs(np.round(rows.target, decimals) - rows.target) <= SHOWN * np.abs(rows.target)
        halves[shown] = 0.5 * 10.0**-decimals
    return halves * rows.roots


def _error(expression: Expression, rows: Rows) -> Array:
    """The size (N,) of every error under the weights; infinite where the formula has no value."""
    with np.errstate(all="ignore"):
        error = np.abs((expression.evaluate(rows.inputs) - rows.target) * rows.roots)
    return np.where(np.isfinite(error), error, np.inf)
