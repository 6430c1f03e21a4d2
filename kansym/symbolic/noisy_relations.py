"""Quotients of sums under noise, for every choice of how the columns are seen; needless terms go one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

import numpy as np

from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Fit, Rows, mean_square, polish
from kansym.symbolic.expression import Constant, Expression, add, multiply, raise_to
from kansym.symbolic.implicit import NEAR, NEEDLESS, ROWS_PER_TERM, SEEN, most_likely
from kansym.symbolic.links import Link, usable, weights_under
from kansym.symbolic.noisy_roots import likely_roots
from kansym.symbolic.relations import COORDINATES, PLAIN, SQUARE, Coordinate, quick_relations, terms_in, values_of
from kansym.symbolic.table import EXACT, FEW, Table, thinned

Array = np.ndarray
MOST_COLUMNS, MOST_CHANGED = 4, {1: 1, 2: 2, 3: 1, 4: 0}  # columns, and how many are seen through functions
FUNCTIONS = ("x", "x^2", "sqrt x", "log x", "exp x")
LINKS = ("y", "y^2", "log y", "exp y")
DEGREES = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2))  # above and below
STEEP = (3, 2)  # of columns as they are alone
MOST_TAKEN, TRIED = 3, 2  # relations of one degree, and terms that might go, one at a time
STEPS = 30
FEWEST_NUMBERS, NUMBERS_PER_COLUMN = 4, 2  # of a relation that is worth a look, at most so many and so many a column


def relations_of(table: Table) -> Iterator[Expression]:
    """The exact relations of a table; of a noisy one without any, likely quotients, and where there is none, roots."""
    found = list(quick_relations(table.fit))
    yield from found
    if not found and table.may_be_noisy:
        noise = max(table.goal, table.noise) if table.goal > EXACT else np.inf
        quotients = list(likely_quotients(table.fit, noise))
        yield from quotients
        if not quotients or len(table.fit) < FEW:
            yield from likely_roots(table.fit, noise)


def likely_quotients(rows: Rows, noise: float) -> Iterator[Expression]:
    """Quotients P/Q of one to four columns, also of their functions and under links, that leave no more than noise.

    The best few of the plainest degree that has any, and of higher ones that come clearly nearer.

    Args:
        rows: with errors in the target.
        noise: their RMS over the spread of the target.
    """
    columns, thin = rows.inputs.shape[1], thinned(rows, SEEN)
    if not 1 <= columns <= MOST_COLUMNS:
        return
    known: dict[Expression, Array] = {}
    choices = list(_choices(rows))
    limit = NEAR * noise * thin.spread
    for degrees in DEGREES:
        found: list[Found] = []
        for coordinates in choices:
            if degrees == STEEP and any(each is not PLAIN for each in coordinates):
                continue
            found += _near_noise(thin, coordinates, degrees, known, limit)
        found.sort(key=lambda item: item[0])
        taken = found[:MOST_TAKEN]
        if taken:  # from now on what is not clearly nearer is the same with needless terms
            limit = taken[0][0] * float(np.exp(-0.5 * NEEDLESS**2 / len(thin)))
        for _, link, terms, coefficients in taken:
            quotient = canonical(_pruned(link, terms, coefficients, thin).expression)
            if len(quotient.free_constants) <= FEWEST_NUMBERS + NUMBERS_PER_COLUMN * columns:
                yield quotient


def _choices(rows: Rows) -> Iterator[tuple[Coordinate, ...]]:
    """How the columns are seen, few of them through functions."""
    most = MOST_CHANGED[rows.inputs.shape[1]]
    usual = [
        [each for each in (*COORDINATES, SQUARE) if each.name in FUNCTIONS and each.allowed(x)] for x in rows.inputs.T
    ]
    yield from (choice for choice in product(*usual) if sum(each is not PLAIN for each in choice) <= most)


Terms = tuple[list[Expression], list[Expression]]
Numbers = tuple[Array, Array]
Found = tuple[float, Link, Terms, Numbers]


def _near_noise(
    rows: Rows,
    coordinates: Sequence[Coordinate],
    degrees: tuple[int, int],
    known: dict[Expression, Array],
    limit: float,
) -> Iterator[Found]:
    """Relations in these coordinates that leave hardly more than noise: RMS error, link, terms, coefficients."""
    terms = terms_in(coordinates, degrees[0]), terms_in(coordinates, degrees[1])
    if len(rows) < ROWS_PER_TERM * (len(terms[0]) + len(terms[1])):
        return
    above, below = (np.column_stack([values_of(term, rows, known) for term in block]) for block in terms)
    if not (np.all(np.isfinite(above)) and np.all(np.isfinite(below))):
        return
    for link, target in usable(rows.target):
        if link.name not in LINKS:
            continue
        relation = most_likely((above, below), target, weights_under(link, rows.target, rows.weights))
        if relation is None:
            continue
        coefficients = -relation[0], relation[1]
        with np.errstate(all="ignore"):
            error = mean_square(link.inverse(_quotient(terms, coefficients)), rows) ** 0.5
        if np.isfinite(error) and error <= limit:
            yield error, link, terms, coefficients


def _quotient(terms: Terms, coefficients: Numbers) -> Expression:
    """P/Q; the numbers that are 1 are exact."""
    above, below = (
        add(
            *(term if c == 1.0 else multiply(Constant(float(c)), term) for term, c in zip(block, own, strict=True) if c)
        )
        for block, own in zip(terms, coefficients, strict=True)
    )
    return multiply(above, raise_to(below, Fraction(-1)))


def _pruned(link: Link, terms: Terms, coefficients: Numbers, rows: Rows) -> Fit:
    """The fit of a quotient without the terms that the rows do not need."""
    fit = polish(link.inverse(_quotient(terms, coefficients)), rows, STEPS)
    while True:
        places = [
            (side, at)
            for side in (0, 1)
            for at in map(int, np.flatnonzero(coefficients[side]))
            if coefficients[side][at] != 1
        ]
        values = [constant.value for constant in fit.expression.free_constants]
        sure = [abs(value) / (error + 1e-300) for value, error in zip(values, fit.standard_errors, strict=True)]
        trials = (_without(places, values, i, coefficients) for i in np.argsort(sure, kind="stable")[:TRIED])
        fits = (
            (fewer, polish(link.inverse(_quotient(terms, fewer)), rows, STEPS)) for fewer in trials if fewer[0].any()
        )
        better = next(((fewer, trial) for fewer, trial in fits if _as_likely(trial, fit, len(rows))), None)
        if better is None:
            return fit
        coefficients, fit = better


def _without(places: list[tuple[int, int]], values: list[float], left_out: int, coefficients: Numbers) -> Numbers:
    """The coefficients with their fitted values in their places and one of them gone."""
    fewer = coefficients[0].copy(), coefficients[1].copy()
    for i, ((side, at), value) in enumerate(zip(places, values, strict=True)):
        fewer[side][at] = 0.0 if i == left_out else value
    return fewer


def _as_likely(fewer: Fit, fit: Fit, count: int) -> bool:
    """Whether a fit with one term less loses no more likelihood than the term costs."""
    if not fewer.mean_square > 0:
        return np.isfinite(fewer.mean_square)
    return bool(count * np.log(fewer.mean_square / max(fit.mean_square, 1e-300)) < NEEDLESS**2)
