"""Laws in few variables: the exact checks that need no network, each under every link of the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations, islice

import numpy as np

from kansym.budget import Budget, Part
from kansym.symbolic.additive import additive, combined, separable
from kansym.symbolic.algebraic import fractions_of_functions, linear, monomials, polynomials
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.curves import (
    FRONT_POWERS,
    INNER_POWERS,
    PRICE,
    allowed,
    match_curve,
    scaled_functions,
    shifted_powers,
    without_constants,
)
from kansym.symbolic.dictionary import features
from kansym.symbolic.expression import Constant, Expression, Variable, add, multiply, raise_to
from kansym.symbolic.links import LINKS, usable, weights_under
from kansym.symbolic.noisy_relations import relations_of
from kansym.symbolic.pairs import halves
from kansym.symbolic.primitives import PRIMITIVES, Library
from kansym.symbolic.relations import further_relations, rationals, rough_rationals
from kansym.symbolic.selection import reaches_noise
from kansym.symbolic.signomials import powers, products
from kansym.symbolic.sparse import best_subsets
from kansym.symbolic.superposition import sums_of_shapes
from kansym.symbolic.table import EXACT, NATS_PER_NODE, Candidate, Table, price_of, ranked, reached, settled, thinned

Array = np.ndarray
HIGHER_DEGREES = {2: ((3, 3), (4, 3), (4, 4)), 3: ((3, 2), (4, 3))}  # above and below, by number of columns
FEW_TERMS = 8
MOST_INVERTED = 3  # columns up to which fractions of inverse columns are looked for
MOST_DRAWN, LONGEST_DRAWN, ROWS_PER_CONSTANT = 5, 16, 20  # of a curve with which the search of a noisy column ends
SHAPED_LINKS = ("1/y", "log y")  # under which sums of shapes are looked for
MOST_COMBINED = 3
PLAINEST = 3  # multiples of functions without constants that are tried for a curve
MOST_HALVED = 3  # columns up to which all short expressions can be listed


def solve(table: Table, budget: Budget | Part, library: Library = PRIMITIVES) -> list[Candidate]:
    """Candidate formulas, the best first; stops early when one is exact."""
    found: list[Candidate] = []
    last = "curve" if "shapes" in table.without else "sum of shapes"  # of what most curves are
    matched = False
    for origin, expressions in _checks(table, library):
        for expression in expressions:
            if allowed(expression, library):
                found.append(Candidate(expression, table.error(expression), origin))
        at_goal = settled(found, table.goal)
        if budget.expired or settled(found, EXACT) or (table.rough and (at_goal or reached(found, table.goal))):
            break
        if at_goal and table.columns != 1:
            break
        matched = matched or origin == last
        if matched and drawn(found, table):  # before, a polynomial would stand for all the curves that look like it
            break
    return ranked(found, price_of(len(table.fit)))


def drawn(found: list[Candidate], table: Table) -> bool:
    """Whether a short formula of one noisy column is at the noise and leaves no pattern, so that more is idle."""
    if table.columns != 1 or table.goal <= EXACT:
        return False
    most = min(MOST_DRAWN, len(table.fit) // ROWS_PER_CONSTANT)
    limit = max(table.goal, table.noise)
    short = [each for each in found if each.expression.complexity <= LONGEST_DRAWN and each.error <= limit]
    few = [each.expression for each in short if len(each.expression.free_constants) <= most]
    return any(reaches_noise(expression, table.fit) for expression in few)


def _checks(table: Table, library: Library) -> Iterator[tuple[str, list[Expression]]]:
    for stage, check in _STAGES:
        if stage not in table.without:
            yield from check(table, library)


Check = Iterator[tuple[str, list[Expression]]]


def _first(table: Table, library: Library) -> Check:
    rows = table.fit
    yield "constant", [Constant(float(np.average(rows.target, weights=rows.weights)))]
    if table.columns == 0:
        return
    yield "monomial", monomials(rows)
    yield "linear", [linear(rows)]
    yield "polynomial", list(polynomials(rows))


def _added(table: Table, library: Library) -> Check:
    if table.columns > 1:
        yield "additive", list(additive(table, library, LINKS[:1]))
        yield "product", list(separable(table, library))


def _fractions(table: Table, library: Library) -> Check:
    yield "relation", list(relations_of(table))
    if 2 <= table.columns <= MOST_INVERTED and np.all(table.fit.inputs != 0):
        for inverted in _subsets(table.columns):
            back = [raise_to(Variable(i), Fraction(-1 if i in inverted else 1)) for i in range(table.columns)]
            rows = Rows(table.fit.inputs ** [-1.0 if i in inverted else 1.0 for i in range(table.columns)],
                        table.fit.target, table.fit.weights)  # fmt: skip
            found = [each.substitute(back) for degree in ((1, 2), (2, 2)) for each in rationals(rows, *degree)]
            yield "rational of inverse columns", list(map(canonical, found))


def _subsets(columns: int) -> list[tuple[int, ...]]:
    """Some of the columns: all choices but none."""
    return [chosen for count in range(1, columns + 1) for chosen in combinations(range(columns), count)]


def _sparse_fractions(table: Table, library: Library) -> Check:
    """Fractions of higher degree with few terms: of many terms they bend to any smooth law, and come last."""
    yield "relation of functions", list(further_relations(table.fit))
    for degree in HIGHER_DEGREES.get(table.columns, ()):
        found = rationals(table.fit, *degree)
        yield "rational", [each for each in found if len(each.free_constants) <= FEW_TERMS]


def _curves(table: Table, library: Library) -> Check:
    """One term first: single shapes, single curves; then sums of two and three shapes, and sums under links.

    Where there is no noise, the listed expressions come before the sums that bend to any curve.
    """
    if table.columns != 1:
        return
    sums = sums_of_shapes(table.fit) if "shapes" not in table.without else iter(())
    for found in islice(sums, 1):
        yield "shape", found
    if "curves" not in table.without:
        yield "curve", one_variable(table.fit, library)
        if table.may_be_noisy:
            yield "curve", scaled_functions(table.fit, library)
    if "shapes" not in table.without:
        yield from (("sum of shapes", found) for found in islice(sums, 1))
    if table.goal <= EXACT:
        for stage, listed in (("dictionary", _sparse), ("halves", _halves)):
            yield from islice(listed(table, library), 1 if stage not in table.without else 0)
    if "shapes" not in table.without:
        yield from _shapes_of_inverse(table.fit)
        yield from (("sum of shapes", found) for found in sums)
        yield from _linked_shapes(table.fit)


def _shapes_of_inverse(rows: Rows) -> Check:
    if np.all(rows.inputs > 0):
        inverse = raise_to(Variable(0), Fraction(-1))
        for found in sums_of_shapes(Rows(1.0 / rows.inputs, rows.target, rows.weights), 2):
            yield "sum of shapes of 1/x", [canonical(each.substitute([inverse])) for each in found]


def _linked_shapes(rows: Rows) -> Check:
    for link, target in usable(rows.target):
        if link.name in SHAPED_LINKS:
            changed = Rows(rows.inputs, target, weights_under(link, rows.target, rows.weights))
            for found in sums_of_shapes(changed, 2):
                inverted = [polish(link.inverse(each), rows, 60).expression for each in found]
                yield f"sum of shapes, {link.name}", inverted


def _powers(table: Table, library: Library) -> Check:
    yield from (("sum of powers", list(found)) for found in powers(table.fit))


def _products(table: Table, library: Library) -> Check:
    yield from (("sum of products", list(found)) for found in products(table.fit))


def _halves(table: Table, library: Library) -> Check:
    if 0 < table.columns <= MOST_HALVED:
        yield from (("two halves", list(found)) for found in halves(table.fit, table.goal <= EXACT))


def _sparse(table: Table, library: Library) -> Check:
    if table.columns:
        yield from sparse(table.fit)


def _linked(table: Table, library: Library) -> Check:
    if table.columns > 1:
        yield "additive under a link", list(additive(table, library, LINKS[1:]))


def _combined(table: Table, library: Library) -> Check:
    if 1 < table.columns <= MOST_COMBINED:
        yield "functions of a column and of a product", list(combined(table, library))


def _fractions_of_functions(table: Table, library: Library) -> Check:
    if 0 < table.columns <= MOST_HALVED:
        yield "fraction of functions", list(fractions_of_functions(table.fit))


def _dear_fractions(table: Table, library: Library) -> Check:
    for degree in ((3, 3), (4, 2), (4, 4)) if 0 < table.columns <= 2 else ():
        yield "rational", list(rationals(table.fit, *degree))
    if table.columns:
        yield "rational", list(rough_rationals(table.fit))


# The checks in their order: what is cheap and exact first. The names are those that `Config.without` takes.
_STAGES: tuple[tuple[str, Callable[[Table, Library], Check]], ...] = (
    ("polynomials", _first),
    ("splines", _added),
    ("fractions", _fractions),
    ("", _curves),  # of two stages
    ("powers", _powers),
    ("products", _products),
    ("splines", _combined),
    ("fractions", _sparse_fractions),
    ("dictionary", _sparse),
    ("halves", _halves),
    ("fractions", _fractions_of_functions),
    ("splines", _linked),
    ("fractions", _dear_fractions),
)


def one_variable(rows: Rows, library: Library) -> list[Expression]:
    """The best c z**p f(a z**q + b) + d, also under the links that a scan of the plain target would miss."""
    z, price = rows.inputs[:, 0], min(PRICE, 2.0 * NATS_PER_NODE / len(rows))
    plain = match_curve(z, rows.target, rows.weights, library, 16, FRONT_POWERS, INNER_POWERS, price)
    found = [fit.expression for fit in plain[:24]] + shifted_powers(rows)
    found += [fit.expression for fit in without_constants(rows, library, PLAINEST)]
    for link, target in usable(rows.target):
        if link.name in ("1/y", "y^2", "log y", "1/y^2", "sin y", "exp y"):
            for fit in match_curve(z, target, weights_under(link, rows.target, rows.weights), library, 4, price=price)[
                :4
            ]:
                found.append(polish(link.inverse(fit.expression), rows, 60).expression)
    return found


def sparse(rows: Rows) -> Iterator[tuple[str, list[Expression]]]:
    """The best few terms of the dictionary under every link."""
    thin = thinned(rows)
    expressions, values = features(thin.inputs)
    if not expressions:
        return
    most = 4 if len(thin) >= 60 else 3 if len(thin) >= 30 else 2 if len(thin) >= 12 else 1
    for link, target in usable(thin.target):
        found = []
        for subset in best_subsets(values, target, weights_under(link, thin.target, thin.weights), most):
            terms = [
                multiply(Constant(c), expressions[i]) for c, i in zip(subset.coefficients, subset.columns, strict=True)
            ]
            tail = [Constant(subset.constant)] if abs(subset.constant) > 1e-9 * np.max(np.abs(target)) else []
            found.append(polish(link.inverse(add(*terms, *tail)), thin, 40).expression)
        found += [polish(link.inverse(single), thin, 20).expression for single in _singles(expressions, values, target)]
        yield f"dictionary, {link.name}", found


def _singles(expressions: list[Expression], values: Array, target: Array, keep: int = 4) -> list[Expression]:
    """The best multiples of one feature alone, without a constant: under noise the shortest of many equals is right."""
    with np.errstate(all="ignore"):
        factors = (target @ values) / np.sum(values * values, axis=0)
        errors = np.mean((values * factors - target[:, None]) ** 2, axis=0)
    order = np.argsort(np.where(np.isfinite(errors), errors, np.inf), kind="stable")[:keep]
    return [multiply(Constant(float(factors[i])), expressions[i]) for i in order]
