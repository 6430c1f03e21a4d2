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
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.expression import Constant, Expression, add, multiply, ratio
from kansym.symbolic.implicit import NEAR, ROWS_PER_TERM, SEEN, Relation, Seen
from kansym.symbolic.links import LINKS
from kansym.symbolic.relations import PLAIN, roots_of, terms_in
from kansym.symbolic.table import thinned

DEGREES = ((1, 1, 0), (1, 1, 1), (2, 1, 0), (2, 2, 2))  # of C, B and A
MOST_COLUMNS, MOST_TERMS = 4, 9
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
        blocks = [np.column_stack([term.evaluate(thin.inputs) for term in block]) for block in terms]
        relation = Relation.of(blocks, thin.target, Seen(thin.target, thin.weights, LINKS[0]))
        if relation is None or not (np.isfinite(relation.misfit) and relation.misfit <= limit):
            continue
        relation = _plainer(relation.pruned())
        fit = polish(_written(relation, terms), thin, STEPS)
        if relation.terms <= MOST_TERMS and np.isfinite(fit.mean_square):
            yield canonical(fit.expression)
            if np.isfinite(limit):
                return


def _written(relation: Relation, terms: Sequence[list[Expression]]) -> Expression:
    """The root as an expression."""
    c, b, a = (
        add(*(_times(float(number), block[place]) for number, place in zip(own, kept, strict=True)))
        for own, kept, block in zip(relation.numbers, relation.kept, terms, strict=True)
    )
    return roots_of(c, b, a)[0 if relation.root == 1 else 1]


def _plainer(relation: Relation) -> Relation:
    """The relation with numbers that are nearly plain made so, where it is no less likely then."""
    other = relation.with_numbers([np.array([_plain(number) for number in own]) for own in relation.numbers])
    return other if other.is_as_likely(relation) else relation


def _plain(number: float) -> float:
    near = float(Fraction(number).limit_denominator(PLAINEST))
    return near if near and abs(number - near) <= NEARLY * abs(near) else number


def _times(number: float, term: Expression) -> Expression:
    """A term times a number, an exact one where it is plain."""
    exact = Fraction(number).limit_denominator(PLAINEST)
    return multiply(ratio(exact) if float(exact) == number else Constant(number), term)
