"""The search on dimensionless groups, and the units of a formula.

A basis of groups turns the table into one of fewer columns whatever the noise; the ordinary search then works on that,
and its formulas come back in the columns of the table. Several bases are tried, because a law that is short in one may
be long in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, takewhile

import numpy as np

from kansym.budget import Budget, Part
from kansym.data.dimensions import Dimensions
from kansym.structure.dimensions import Analysis
from kansym.structure.symmetry import Scaling
from kansym.symbolic.algebraic import linear, monomials, polynomials
from kansym.symbolic.canonical import canonical
from kansym.symbolic.consistency import unit_nats
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.curves import allowed
from kansym.symbolic.expression import Constant, Expression, Power, Product, Sum, add, multiply, raise_to, whole
from kansym.symbolic.lowdim import solve
from kansym.symbolic.natural import natural
from kansym.symbolic.noisy_relations import likely_relations
from kansym.symbolic.primitives import PRIMITIVES, Library
from kansym.symbolic.relations import quick_relations
from kansym.symbolic.search import Reduced, monomial, nothing_left, reduce_table, search
from kansym.symbolic.selection import description_length
from kansym.symbolic.table import EXACT, Candidate, Table, divided

Array = np.ndarray
LIFTED, KEPT = 10, 40
MOVED = 4  # factors that may be multiplied out
GROUP_SHARE, NOISY_SHARE = 0.6, 0.4  # of the time, for the groups; of a noisy table, where nothing ends them early
SINGLE = "units leave one monomial"  # few constants: reaching the noise settles it
RELATIONS_SHARE, NATURAL_SHARE = 0.3, 0.5  # of the time for the groups
FEWEST = 40  # rows from which symmetries of the groups are looked for


def search_groups(
    table: Table, units: Analysis, budget: Budget | Part, library: Library = PRIMITIVES
) -> list[Candidate]:
    """Candidate formulas in the table's own columns from its groups, refitted to its rows, the best first.

    Cheap checks run on every basis before dear ones run on any; the search stops when a formula is exact.

    Args:
        table: the rows.
        units: what the columns measure, and the bases of groups.
        budget: shared evenly by the bases that are left.
        library: the primitives to search with.
    """
    found: list[Candidate] = []
    bases = [basis for basis in units.bases if _finite(basis, table)]
    stages = (
        (_cheap, len(bases), 1.0), (_by_relations, len(bases), RELATIONS_SHARE), (_by_natural, 3, NATURAL_SHARE),
        (_thorough, 3, 1.0),
    )  # fmt: skip
    for stage, most, part in stages:
        whole_stage, tried = budget.part(part * budget.remaining), bases[:most]
        for number, basis in enumerate(tried):
            share = whole_stage.part(whole_stage.remaining / (len(tried) - number))
            found += stage(_Reading(table, units.dimensions, library), basis, share)
            if budget.remaining <= 0 or finished(found, table.goal):
                return shortest(found, table, units.dimensions)
            if stage is _thorough and nothing_left(found, table):
                break
    return shortest(found, table, units.dimensions)


def shortest(found: Sequence[Candidate], table: Table, dimensions: Dimensions) -> list[Candidate]:
    """The candidates of the shortest descriptions, their units counted in, the shortest first."""

    def length(candidate: Candidate) -> float:
        with np.errstate(over="ignore"):
            misfit = mean_square(candidate.expression, table.fit)
        units = unit_nats(candidate.expression, dimensions)
        return description_length(candidate.expression, misfit, table.fit) + units if np.isfinite(misfit) else np.inf

    priced = {candidate.expression: (length(candidate), candidate) for candidate in found}
    good = [item for item in priced.values() if np.isfinite(item[0]) and np.isfinite(item[1].error)]
    return [candidate for _, candidate in sorted(good, key=lambda item: item[0])[:KEPT]]


def finished(found: Sequence[Candidate], goal: float) -> bool:
    """Whether a formula is exact, or has one number alone in all and reaches the noise."""
    return any(candidate.error <= (goal if candidate.origin == SINGLE else EXACT) for candidate in found)


@dataclass(frozen=True)
class _Reading:
    """What every stage works with."""

    table: Table
    dimensions: Dimensions
    library: Library

    def natural(self, inner: Table, reduced: Reduced, budget: Budget | Part) -> list[Candidate]:
        """Natural laws of a reduced table, priced by what they are in the columns of the table."""

        def price(expression: Expression) -> float:
            return unit_nats(canonical(reduced.lift(expression)), self.dimensions)

        return natural(inner, budget, self.library, price)


def _cheap(reading: _Reading, basis: Scaling, _: Budget | Part) -> list[Candidate]:
    """What takes no time: a constant, monomials, lines, polynomials and fractions of the groups."""
    reduced = _reduced(reading.table, basis)
    inner = inner_table(reading.table, reduced)
    if inner is None:
        return []
    if inner.columns == 0:
        constant = Constant(float(np.average(inner.fit.target, weights=inner.fit.weights)))
        return [replace(_lifted(Candidate(constant, 0.0, ""), reduced, reading.table), origin=SINGLE)]
    return _at_once(reading, inner, reduced)


def _at_once(reading: _Reading, inner: Table, reduced: Reduced) -> list[Candidate]:
    """Candidates of a reduced table from linear algebra alone."""
    short = (expression for expression in _short(inner) if allowed(expression, reading.library))
    return [_lifted(Candidate(expression, 0.0, "polynomial"), reduced, reading.table) for expression in short]


def _by_relations(reading: _Reading, basis: Scaling, budget: Budget | Part) -> list[Candidate]:
    """Likely quotients and roots of the groups of a noisy table."""
    reduced = _reduced(reading.table, basis)
    inner = inner_table(reading.table, reduced)
    if inner is None or "fractions" in inner.without:
        return []
    relations = takewhile(lambda _: not budget.expired, likely_relations(inner))
    found = (expression for expression in relations if allowed(expression, reading.library))
    return [_lifted(Candidate(expression, 0.0, "relation"), reduced, reading.table) for expression in found]


def _by_natural(reading: _Reading, basis: Scaling, budget: Budget | Part) -> list[Candidate]:
    reduced = _reduced(reading.table, basis)
    inner = inner_table(reading.table, reduced)
    if inner is None:
        return []
    return [_lifted(candidate, reduced, reading.table) for candidate in reading.natural(inner, reduced, budget)]


def _short(inner: Table) -> Iterator[Expression]:
    rows = inner.fit
    yield from monomials(rows)
    yield linear(rows)
    yield from polynomials(rows)
    yield from quick_relations(rows)


def _thorough(reading: _Reading, basis: Scaling, budget: Budget | Part) -> list[Candidate]:
    """The whole search on the groups, and on what their symmetries leave of them, the fewest columns first."""
    found: list[Candidate] = []
    chain = _chain(_reduced(reading.table, basis), budget)
    for number, reduced in enumerate(chain[::-1]):
        inner = inner_table(reading.table, reduced)
        if inner is None:
            continue
        if reduced is not chain[0] and inner.columns:
            found += _at_once(reading, inner, reduced)
            if finished(found, reading.table.goal):
                break
        made = reading.natural(inner, reduced, budget) if len(chain) > 1 and number < len(chain) - 1 else []
        made += solve(inner, budget, reading.library)[: LIFTED if inner.columns > 1 else 2 * LIFTED]
        found += [_lifted(candidate, reduced, reading.table) for candidate in made]
        if budget.expired or finished(found, reading.table.goal):
            break
    return found


def _finite(basis: Scaling, table: Table) -> bool:
    rows = _reduced(table, basis).rows
    return all(np.all(np.isfinite(part)) for part in (rows.inputs, rows.target, rows.held_inputs, rows.held_target))


def _reduced(table: Table, basis: Scaling) -> Reduced:
    """The table of the groups."""
    raw = table.judged
    with np.errstate(all="ignore"):
        rows = basis.apply(raw)
    groups, front = [monomial(group) for group in basis.invariants], monomial(basis.prefactor)
    words = f"units: {len(basis.prefactor)} columns act as {len(groups)}"
    return Reduced(rows, lambda e: multiply(front, e.substitute(groups)), (words,))


def _chain(first: Reduced, budget: Budget | Part) -> list[Reduced]:
    """The table of the groups and its own reductions by symmetries, down to the fewest columns."""
    if first.rows.inputs.shape[1] < 2 or len(first.rows.target) < FEWEST:
        return [first]
    return [
        Reduced(step.rows, lambda e, step=step: first.lift(step.lift(e)), (*first.steps, *step.steps))
        for step in reduce_table(first.rows, budget)
    ]


def inner_table(table: Table, reduced: Reduced) -> Table | None:
    """The rows of a reduced table with the weights that keep the errors those of the raw target; None if not finite."""
    front, rows = reduced.lift(whole(1)), reduced.rows
    squares = (front.evaluate(table.fit.inputs) ** 2, front.evaluate(table.held.inputs) ** 2)
    return divided(table, Rows(rows.inputs, rows.target), Rows(rows.held_inputs, rows.held_target), squares)


def cleared(expression: Expression) -> Expression:
    """The formula with products multiplied out into the sums beside them where that is shorter: x (y/x - x/y)."""

    def change(node: Expression) -> Expression:
        options = [canonical(option) for option in _multiplied_out(node)] if isinstance(node, Product) else []
        shortest_option = min(options, key=lambda option: option.complexity, default=node)
        return shortest_option if shortest_option.complexity < node.complexity else node

    return expression.map(change)


def _multiplied_out(product: Product) -> Iterator[Expression]:
    """The product with some of its factors moved into one of its sums, which may stand below the line."""
    for place, factor in enumerate(product.factors):
        below = isinstance(factor, Power) and factor.exponent == -1
        inner = factor.base if isinstance(factor, Power) and below else factor
        if not isinstance(inner, Sum):
            continue
        others = product.factors[:place] + product.factors[place + 1 :]
        movable = range(min(len(others), MOVED))
        for count in range(1, len(movable) + 1):
            for chosen in combinations(movable, count):
                moved = multiply(*(others[i] for i in chosen))
                moved = raise_to(moved, Fraction(-1)) if below else moved
                spread = add(*(multiply(moved, term) for term in inner.terms))
                rest = [other for i, other in enumerate(others) if i not in chosen]
                yield multiply(*rest, raise_to(canonical(spread), Fraction(-1 if below else 1)))


def _lifted(candidate: Candidate, reduced: Reduced, table: Table) -> Candidate:
    expression = cleared(canonical(reduced.lift(candidate.expression)))
    fitted = polish(expression, table.fit, 60).expression
    return Candidate(fitted, table.error(fitted), "; ".join((*reduced.steps, candidate.origin)))


def search_with_units(
    table: Table, units: Analysis | None, budget: Budget | Part, library: Library = PRIMITIVES
) -> list[Candidate]:
    """The search on the groups, then, unless that leaves nothing to find, the search without units; the best first."""
    if units is None:
        return search(table, budget, library)
    share = GROUP_SHARE if table.goal <= EXACT else NOISY_SHARE
    found = search_groups(table, units, budget.part(share * budget.remaining), library)
    if budget.expired or finished(found, table.goal) or nothing_left(found, table):
        return found
    return shortest([*found, *search(table, budget, library)], table, units.dimensions)
