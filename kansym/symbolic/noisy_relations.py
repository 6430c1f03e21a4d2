"""Quotients of sums under noise, for every choice of how the columns are seen; needless terms go one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np

from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.expression import Constant, Expression, add, multiply, raise_to
from kansym.symbolic.implicit import NEAR, ROWS_PER_TERM, SEEN, Relation, Seen
from kansym.symbolic.links import usable
from kansym.symbolic.noisy_roots import likely_roots
from kansym.symbolic.relations import COORDINATES, PLAIN, SQUARE, Coordinate, quick_relations, terms_in, values_of
from kansym.symbolic.table import EXACT, Table, thinned

Array = np.ndarray
MOST_COLUMNS, MOST_CHANGED = 4, {1: 1, 2: 2, 3: 1, 4: 0}  # columns, and how many are seen through functions
FUNCTIONS = ("x", "x^2", "sqrt x", "log x", "exp x", "waves")
LINKS = ("y", "y^2", "log y", "exp y", "sin y", "cos y", "tan y", "atanh y")
DEGREES = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2))  # above and below
STEEP = (3, 2)  # of columns as they are alone
PRUNED, MOST_TAKEN = 8, 3  # relations of one degree of which needless terms go, and those of them that are shown
STEPS = 30
FAR = 4.0  # times the limit, that the first numbers of a relation may leave
FEWEST_NUMBERS, NUMBERS_PER_COLUMN = 4, 2  # of a relation that is worth a look, at most so many and so many a column


def relations_of(table: Table) -> Iterator[Expression]:
    """The exact relations of a table; of a noisy one without any, likely quotients and roots."""
    found = list(quick_relations(table.fit))
    yield from found
    if not found:
        yield from likely_relations(table)


def likely_relations(table: Table) -> Iterator[Expression]:
    """Likely quotients and roots of a table that may be noisy."""
    if table.may_be_noisy:
        noise = max(table.goal, table.noise) if table.goal > EXACT else np.inf
        yield from likely_quotients(table.fit, noise)
        yield from likely_roots(table.fit, noise)


def likely_quotients(rows: Rows, noise: float) -> Iterator[Expression]:
    """Quotients P/Q of one to four columns, also of their functions and under links, that leave no more than noise.

    The best few of the plainest degree that has any, and of higher ones that describe the rows in fewer nats.

    Args:
        rows: with errors in the target.
        noise: their RMS over the spread of the target.
    """
    columns, thin = rows.inputs.shape[1], thinned(rows, SEEN)
    if not 1 <= columns <= MOST_COLUMNS:
        return
    known: dict[Expression, Array] = {}
    choices, limit, least = list(_choices(rows)), (NEAR * noise * thin.spread) ** 2, np.inf
    for degrees in DEGREES:
        found: list[Quotient] = []
        for coordinates in choices:
            if degrees == STEEP and any(each is not PLAIN for each in coordinates):
                continue
            found += _near_noise(thin, coordinates, degrees, known, limit)
        found.sort(key=lambda quotient: quotient.relation.flattery)
        taken = sorted((quotient.pruned() for quotient in found[:PRUNED]), key=lambda quotient: quotient.relation.nats)
        before = least
        for quotient in taken[:MOST_TAKEN]:
            fit = polish(quotient.expression, thin, STEPS)
            written = canonical(fit.expression)
            few = len(written.free_constants) <= FEWEST_NUMBERS + NUMBERS_PER_COLUMN * columns
            if few and np.isfinite(fit.mean_square) and quotient.relation.nats < before:
                least = min(least, quotient.relation.nats)
                yield written


def _choices(rows: Rows) -> Iterator[tuple[Coordinate, ...]]:
    """How the columns are seen, few of them through functions, or all as squares: norms, resonances, gamma factors."""
    columns = rows.inputs.shape[1]
    most = MOST_CHANGED[columns]
    if columns > most:
        yield (SQUARE,) * columns
    usual = [
        [each for each in (*COORDINATES, SQUARE) if each.name in FUNCTIONS and each.allowed(x)] for x in rows.inputs.T
    ]
    yield from (choice for choice in product(*usual) if sum(each is not PLAIN for each in choice) <= most)


Terms = tuple[list[Expression], list[Expression]]


@dataclass(frozen=True)
class Quotient:
    """A relation P - t Q = 0, t a link's of the target, and the terms of P and of Q that there were at first."""

    terms: Terms
    relation: Relation

    @property
    def expression(self) -> Expression:
        """The target; the numbers that are 1 are exact."""
        above, below = (
            add(*(term if c == 1.0 else multiply(Constant(float(c)), term) for term, c in self._block(power, sign)))
            for power, sign in ((0, -1.0), (1, 1.0))
        )
        return self.relation.seen.link.inverse(multiply(above, raise_to(below, Fraction(-1))))

    def pruned(self) -> Quotient:
        """The quotient without the terms that the rows do not need."""
        return Quotient(self.terms, self.relation.pruned())

    def _block(self, power: int, sign: float) -> Iterator[tuple[Expression, float]]:
        kept, numbers = self.relation.kept[power], self.relation.numbers[power]
        return ((self.terms[power][place], sign * float(number)) for place, number in zip(kept, numbers, strict=True))


def _near_noise(
    rows: Rows,
    coordinates: Sequence[Coordinate],
    degrees: tuple[int, int],
    known: dict[Expression, Array],
    limit: float,
) -> Iterator[Quotient]:
    """Relations in these coordinates of which the mean square of what they leave is within the limit."""
    terms = terms_in(coordinates, degrees[0]), terms_in(coordinates, degrees[1])
    if len(rows) < ROWS_PER_TERM * (len(terms[0]) + len(terms[1])):
        return
    blocks = [np.column_stack([values_of(term, rows, known) for term in block]) for block in terms]
    if not all(np.all(np.isfinite(block)) for block in blocks):
        return
    for link, target in usable(rows.target):
        if link.name not in LINKS:
            continue
        relation = Relation.of(blocks, target, Seen(rows.target, rows.weights, link))
        if relation is not None and limit < relation.misfit <= FAR * limit:
            relation = relation.refined()
        if relation is not None and np.isfinite(relation.misfit) and relation.misfit <= limit:
            yield Quotient(terms, relation)
