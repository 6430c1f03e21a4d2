"""Roots of quadratic equations under noise: A y^2 + B y + C = 0 with the coefficients that the rows make most likely.

Laws of equilibria (tight binding) and of levels that repel each other are such roots, and no link of the target lays
them open. The relation is linear in its coefficients, its error in a row is that of y times 2 A y + B, and so it is the
same eigenvalue problem as that of a quotient. Needless terms go while they can be told by that alone, before anything
is written as a root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.expression import Constant, Expression, add, multiply, ratio
from kansym.symbolic.implicit import NEAR, NEEDLESS, ROWS_PER_TERM, SEEN, most_likely
from kansym.symbolic.relations import PLAIN, roots_of, terms_in
from kansym.symbolic.table import thinned

Array = np.ndarray
Terms = Sequence[list[Expression]]
Numbers = Sequence[Array]
DEGREES = ((1, 1, 0), (1, 1, 1), (2, 1, 0), (2, 2, 2))  # of C, B and A
MOST_COLUMNS, MOST_TERMS = 4, 6
MOST_BEFORE = 32  # terms before any goes: the time grows with their cube
STEPS = 30
PLAINEST, NEARLY = 2, 0.05  # denominator of a number that is meant to be plain, and how near it must be


def likely_roots(rows: Rows, noise: float) -> Iterator[Expression]:
    """Roots y of A y^2 + B y + C = 0 with polynomials of one to four columns that leave no more than noise.

    Args:
        rows: with errors in the target.
        noise: their RMS over the spread of the target.
    """
    columns, thin = rows.inputs.shape[1], thinned(rows, SEEN)
    if not 1 <= columns <= MOST_COLUMNS:
        return
    limit = (NEAR * noise * thin.spread) ** 2
    for degrees in DEGREES:
        terms = [terms_in([PLAIN] * columns, degree) for degree in degrees]
        count = sum(map(len, terms))
        if count > MOST_BEFORE or len(thin) < ROWS_PER_TERM * count:
            continue
        relation = _Relation.of(terms, thin)
        if relation is None or not (np.isfinite(relation.misfit) and relation.misfit <= limit):
            continue
        relation = relation.pruned()
        if sum(map(len, relation.terms)) <= MOST_TERMS:
            yield canonical(polish(relation.plainer().formula, thin, STEPS).expression)
            if np.isfinite(limit):
                return


class _Relation:
    """Terms before every power of the target with their most likely numbers, and the better one of the two roots."""

    def __init__(self, terms: Terms, numbers: Numbers, rows: Rows) -> None:
        self.terms, self.numbers, self.rows = terms, numbers, rows
        with np.errstate(all="ignore"):
            options = [(mean_square(each, rows), place, each) for place, each in enumerate(self._written())]
        self.misfit, _, self.formula = min(options, key=lambda option: option[:2])

    @staticmethod
    def of(terms: Terms, rows: Rows) -> _Relation | None:
        """None where it is no quadratic equation any more, or the rows do not tell the numbers."""
        if not terms[2]:
            return None
        blocks = [
            np.column_stack([term.evaluate(rows.inputs) for term in block] or [np.zeros((len(rows), 0))])
            for block in terms
        ]
        numbers = most_likely(blocks, rows.target, rows.weights)
        return None if numbers is None else _Relation(terms, numbers, rows)

    def _written(self) -> list[Expression]:
        c, b, a = (
            add(*(_times(float(number), term) for number, term in zip(own, block, strict=True)))
            for own, block in zip(self.numbers, self.terms, strict=True)
        )
        return roots_of(c, b, a)

    def pruned(self) -> _Relation:
        """The relation without the terms that the rows do not need."""
        now = self
        while True:
            trials = [_Relation.of(terms, now.rows) for terms in _shorter(now.terms)]
            best = min((each for each in trials if each is not None), key=lambda each: each.misfit, default=None)
            if best is None or not _as_likely(best, now):
                return now
            now = best

    def plainer(self) -> _Relation:
        """The relation with numbers that are nearly plain made so, where it is no less likely then."""
        numbers = [np.array([_plain(number) for number in own]) for own in self.numbers]
        other = _Relation(self.terms, numbers, self.rows)
        return other if _as_likely(other, self) else self


def _as_likely(fewer: _Relation, relation: _Relation) -> bool:
    """Whether a relation with fewer terms or digits loses no more likelihood than one of them costs."""
    lost = np.log(max(fewer.misfit, 1e-300) / max(relation.misfit, 1e-300))
    return bool(len(relation.rows) * lost < NEEDLESS**2)


def _shorter(terms: Terms) -> Iterator[Terms]:
    """The terms less one, for each of them."""
    for power, block in enumerate(terms):
        for place in range(len(block)):
            yield [[*own[:place], *own[place + 1 :]] if power == at else own for at, own in enumerate(terms)]


def _plain(number: float) -> float:
    near = float(Fraction(number).limit_denominator(PLAINEST))
    return near if near and abs(number - near) <= NEARLY * abs(near) else number


def _times(number: float, term: Expression) -> Expression:
    """A term times a number, an exact one where it is plain."""
    exact = Fraction(number).limit_denominator(PLAINEST)
    return multiply(ratio(exact) if float(exact) == number else Constant(number), term)
