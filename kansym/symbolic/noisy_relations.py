"""Quotients of sums under noise: the relation whose residuals are most like errors of the target alone.

P(x) - y Q(x) = 0 holds on clean rows for some coefficients; with an error e of y a row leaves e Q(x). The coefficients
are those for which what is left, over what errors of one size would leave, is least: a generalised eigenvalue problem
for those of Q (Taubin 1991), since those of P follow by linear least squares. With rows weighed by 1/Q(x)**2 of the
last turn it is the most likely quotient (Sanathanan and Koerner 1963). Needless terms go one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

import numpy as np
from scipy import linalg

from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Fit, Rows, mean_square, polish
from kansym.symbolic.expression import Constant, Expression, add, multiply, raise_to
from kansym.symbolic.links import Link, usable, weights_under
from kansym.symbolic.relations import COORDINATES, PLAIN, Coordinate, quick_relations, terms_in, values_of
from kansym.symbolic.table import EXACT, Table, thinned

Array = np.ndarray
SEEN = 1500  # rows
MOST_COLUMNS, MOST_CHANGED = 4, {1: 1, 2: 2, 3: 1, 4: 0}  # columns, and how many are seen through functions
FUNCTIONS = ("x", "sqrt x", "log x", "exp x")
LINKS = ("y", "y^2", "log y", "exp y")
DEGREES = ((1, 1), (2, 1), (1, 2), (2, 2))  # above and below
TURNS = 3
ROWS_PER_TERM = 12
NEAR = 1.12  # times the noise, that a relation may leave before its needless terms go
SMALL = 0.02  # of the middling size of Q, below which a row says nothing of it
NEEDLESS = 4.0  # standard errors: what three nodes and a number cost of the likelihood
MOST_TAKEN, TRIED = 3, 2  # relations of one degree, and terms that might go, one at a time
STEPS = 30
FEWEST_NUMBERS, NUMBERS_PER_COLUMN = 4, 2  # of a relation that is worth a look, at most so many and so many a column
HAIR = 1e-13  # of a column's length: terms that hang together


def relations_of(table: Table) -> Iterator[Expression]:
    """The exact relations of a table; where there are none and it is noisy, the likely ones."""
    found = list(quick_relations(table.fit))
    yield from found
    if not found and table.goal > EXACT:
        yield from likely_quotients(table.fit, max(table.goal, table.noise))


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
    usual = [[each for each in COORDINATES if each.name in FUNCTIONS and each.allowed(x)] for x in rows.inputs.T]
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
        weights = weights_under(link, rows.target, rows.weights)
        coefficients = _most_likely(above, below, target, np.ones(len(rows)) if weights is None else weights)
        if coefficients is None:
            continue
        with np.errstate(all="ignore"):
            error = mean_square(link.inverse(_quotient(terms, coefficients)), rows) ** 0.5
        if error <= limit:
            yield error, link, terms, coefficients


def _most_likely(above: Array, below: Array, target: Array, weights: Array) -> Numbers | None:
    """The coefficients of P (P,) and of Q (Q,), that of Q's largest term 1; None where the terms do not tell."""
    sizes = np.linalg.norm(above, axis=0), np.linalg.norm(below, axis=0)
    if np.any(sizes[0] == 0) or np.any(sizes[1] == 0):
        return None
    a, b = above / sizes[0], below / sizes[1]
    roots, middle, lower = np.sqrt(weights), np.ones(len(target)), np.zeros(b.shape[1])
    for _ in range(TURNS):
        scale = (roots / middle)[:, None]
        basis = np.linalg.qr(a * scale)[0]
        seen, errors = b * target[:, None] * scale, b * scale
        seen = seen - basis @ (basis.T @ seen)
        try:
            lower = linalg.eigh(seen.T @ seen, errors.T @ errors + HAIR * np.eye(b.shape[1]))[1][:, 0]
        except (linalg.LinAlgError, ValueError):
            return None
        size = float(np.median(np.abs(b @ lower)))
        if not (np.isfinite(size) and size > 0):
            return None
        middle = np.maximum(np.abs(b @ lower) / size, SMALL)
    scale = roots / middle
    upper = np.linalg.lstsq(a * scale[:, None], (b @ lower) * target * scale, rcond=1e-12)[0]
    unit = lower[np.argmax(np.abs(lower))] / sizes[1][np.argmax(np.abs(lower))]
    return upper / sizes[0] / unit, lower / sizes[1] / unit


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
