"""Right-hand sides for one state: sums of a few terms of a library, each held against the smooth path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from kansym.physics.discovery.elimination import Selection, elimination, small_subsets
from kansym.physics.discovery.forms import OVERLAP, Form
from kansym.physics.discovery.libraries import Terms
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, least_squares
from kansym.symbolic.expression import Constant, Expression, Sum, Tape, add, multiply
from kansym.symbolic.selection import NATS_PER_NODE

Array = np.ndarray
FLOOR = 1e-8  # relative error that a smooth path of clean samples leaves
MOST_TERMS = 9
KEPT = 6
FITS = 40
NEARLY = 10.0


@dataclass(frozen=True)
class Candidate:
    """A right-hand side of one state.

    Attributes:
        formula: of the states.
        error: what it leaves of the conditions of a form, over their size; on pieces left out for terms of a library.
        origin: where it comes from.
        score: nats, the smaller the better: the error by independent conditions, and the length.
    """

    formula: Expression
    error: float
    origin: str
    score: float


def from_library(form: Form, state: int, terms: Terms, origin: str) -> list[Candidate]:
    """Return the best sums of terms for one state, the best first, at most two of each number of terms."""
    expressions, values = terms(form.states)
    if not expressions:
        return []
    matrix, target = form.applied(values), form.target[:, state]
    found = [*small_subsets(matrix, target, form.blocks), *elimination(matrix, target, form.blocks)[:MOST_TERMS]]
    made = [_candidate(selection, expressions, form, origin) for selection in found]
    return best_of([made], KEPT)


def _candidate(selection: Selection, terms: tuple[Expression, ...], form: Form, origin: str) -> Candidate:
    pairs = zip(selection.coefficients, selection.columns, strict=True)
    formula = canonical(add(*(multiply(Constant(float(c)), terms[i]) for c, i in pairs)))
    return Candidate(formula, selection.error, origin, score_of(formula, selection.error, form))


def score_of(formula: Expression, error: float, form: Form) -> float:
    """Nats to tell the conditions by a formula; neighbouring bumps overlap and count only once."""
    count = max(8.0, 2 * OVERLAP * len(form.target))
    price = NATS_PER_NODE * formula.complexity + 0.5 * len(formula.free_constants) * np.log(count)
    return float(count * np.log(error + FLOOR) + price) if np.isfinite(error) else np.inf


class _Averaged:
    """A formula under the conditions of a form, for least squares: the rows are conditions, not moments."""

    def __init__(self, formula: Expression, form: Form) -> None:
        self.tape, self.form = Tape(formula), form

    @property
    def start(self) -> Array:
        return self.tape.start

    def values(self, inputs: Array, theta: Array) -> Array:
        values = np.broadcast_to(self.tape.values(self.form.states, theta), (len(self.form.states),))
        return self.form.applied(values)

    def jacobian(self, inputs: Array, theta: Array) -> tuple[Array, Array]:
        """theta is a batch of one: (1, P), as `least_squares` asks for it."""
        values, columns = self.tape.jacobian(self.form.states, theta)
        return self.form.applied(values[0])[None], self.form.applied(columns[0])[None]


def refitted(formula: Expression, form: Form, state: int, origin: str) -> Candidate:
    """Return a formula with its constants fitted to the conditions of a form."""
    target = form.target[:, state]
    size = float(np.sqrt(np.mean(target**2))) or 1.0
    with np.errstate(all="ignore"):
        if len(formula.free_constants) == 0:
            square = float(np.mean((form.applied(formula.evaluate(form.states)) - target) ** 2))
        else:
            theta, square, *_ = least_squares(_Averaged(formula, form), Rows(form.states[: len(target)], target), FITS)
            formula = formula.with_constants(theta.tolist())
    error = float(np.sqrt(square)) / size if np.isfinite(square) else np.inf
    return Candidate(formula, error, origin, score_of(formula, error, form))


def simplest_first(pool: list[Candidate]) -> list[Candidate]:
    """Return a pool with that candidate in front which is the shortest of those nearly as good as the best."""
    nearest = min(candidate.error for candidate in pool)
    good = [candidate for candidate in pool if candidate.error <= NEARLY * (nearest + FLOOR)]
    first = min(good, key=lambda candidate: (candidate.formula.complexity, candidate.error))
    return [first, *(candidate for candidate in pool if candidate is not first)]


def best_of(groups: Iterable[Iterable[Candidate]], keep: int) -> list[Candidate]:
    """Return the best candidates of all groups, each formula once."""
    found: dict[Expression, Candidate] = {}
    for candidate in sorted((each for group in groups for each in group), key=lambda each: each.score):
        if np.isfinite(candidate.score):
            found.setdefault(_shape(candidate.formula), candidate)
    return list(found.values())[:keep]


def _shape(formula: Expression) -> Expression:
    """A formula without the values of its free constants."""
    return formula.with_constants([1.0] * len(formula.free_constants))


def terms_of_sum(formula: Expression) -> Iterator[tuple[int, Expression]]:
    """(number, formula without that term) for every term of a sum."""
    terms = formula.children if isinstance(formula, Sum) else ()
    for number in range(len(terms)):
        yield number, add(*(term for place, term in enumerate(terms) if place != number))
