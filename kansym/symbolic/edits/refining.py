"""Best first: the formula that is worth it most is changed, what comes of it is fitted, and so on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from kansym.budget import Budget, Part
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.edits.moves import SHORTENED, moves
from kansym.symbolic.edits.stock import Stock, rounded
from kansym.symbolic.expression import Constant, Expression
from kansym.symbolic.table import EXACT, NATS_PER_NODE, thinned

Array = np.ndarray
SCANNED, FITTED = 200, 600  # rows on which changes are looked for, and to which formulas are fitted
FEWEST = 40  # rows
SEEDS, SEED_SIZES = 12, 15  # the shortest descriptions to begin with, and the best formulas of other sizes
MOST_STEPS = 60  # formulas that are changed, for every unit of effort
PATIENCE = 24  # of these in vain, one after the other, before the end
WORTH_IT = 0.5  # nats by which a change that is not in vain is better
MOST_FITS = 20  # changes of one formula that are fitted
LONGEST = 30  # nodes of what a change may lead to, unless it is shorter than what it was made of
FIRST_FIT, SECOND_FIT, LAST_FIT = 8, 25, 15  # evaluations: a few rows roughly, a few rows, all rows
FAR, NEAR = 25.0, 10.0  # nats on the few rows by which a change may be worse after the first fit, and the second
PROMISED_DIGITS, ALIKE = 7, 3  # changes that promise the same to so many digits, and how many of them are looked at
SLACK = 6  # nodes that the canonical form of a change may be shorter than it
SIZE = 3  # nodes by which formulas of the next size are longer
KEPT = 12
RENEWED = 6  # steps after which pieces of the best formulas are taken anew
GIVEN = 20  # formulas that give pieces
Length = Callable[[Expression, Rows], float]


@dataclass(eq=False)
class _Entry:
    """A formula of the pool."""

    nats: float
    formula: Expression
    changed: bool = False


@dataclass
class _Pool:
    """All formulas so far, each once."""

    entries: dict[Expression, _Entry] = field(default_factory=dict)

    def put(self, formula: Expression, nats: float) -> None:
        """Keep a finite formula; of those that differ by their last digits or by known numbers, the best one."""
        shape = rounded(formula, 3)
        before = self.entries.get(shape)
        if np.isfinite(nats) and (before is None or nats < before.nats):
            self.entries[shape] = _Entry(nats, formula, before is not None and before.changed)

    def best(self, count: int) -> list[_Entry]:
        """The shortest descriptions, shortest first."""
        return sorted(self.entries.values(), key=lambda entry: entry.nats)[:count]

    @property
    def least(self) -> float:
        """Nats of the shortest description."""
        return min(entry.nats for entry in self.entries.values())

    def front(self) -> list[_Entry]:
        """The best formula of every size that fits better than all that are smaller, smallest first."""
        sizes: dict[int, _Entry] = {}
        for entry in self.entries.values():
            size = entry.formula.complexity
            if size not in sizes or entry.nats < sizes[size].nats:
                sizes[size] = entry
        found, least = [], np.inf
        for size in sorted(sizes):
            misfit = sizes[size].nats - NATS_PER_NODE * size
            if misfit < least:
                found.append(sizes[size])
                least = misfit
        return found

    def next(self, turn: int) -> _Entry | None:
        """What is changed next: by turns the best of all, of the front, and of the next size.

        A law is shorter than what imitates it, and mostly reached from short formulas: so all sizes have their turn.
        """
        waiting = [entry for entry in self.entries.values() if not entry.changed]
        if not waiting:
            return None
        if turn % 3 == 2:
            return _best_of(waiting)
        if turn % 3 == 1 and (front := [entry for entry in self.front() if not entry.changed]):
            return _best_of(front)
        sizes = sorted({_size(entry) for entry in waiting})
        size = sizes[turn // 3 % len(sizes)]
        return _best_of([entry for entry in waiting if _size(entry) == size])


def _best_of(entries: list[_Entry]) -> _Entry:
    return min(entries, key=lambda entry: entry.nats)


def _size(entry: _Entry) -> int:
    return entry.formula.complexity // SIZE


@dataclass(frozen=True)
class Task:
    """What formulas are refined for.

    Attributes:
        rows: (N, D) with their target.
        length: nats by which a formula describes rows.
        allowed: whether a formula may be shown.
        most: nodes that it may have.
        effort: in proportion to it grow the steps after which the search ends by itself.
    """

    rows: Rows
    length: Length
    allowed: Callable[[Expression], bool]
    most: int = LONGEST
    effort: int = 1

    def thin(self, count: int) -> Task:
        """The same for some of the rows."""
        return replace(self, rows=thinned(self.rows, count))

    def nats(self, formula: Expression) -> float:
        """The description of the rows by a formula."""
        return self.length(formula, self.rows)

    def fitted(self, formula: Expression, evaluations: int) -> Expression:
        """The formula with its constants fitted to the rows."""
        return polish(formula, self.rows, evaluations).expression

    @property
    def floor(self) -> float:
        """The mean square of the errors that is as good as 0."""
        return (EXACT * self.rows.spread) ** 2


def refined(formulas: Iterable[Expression], task: Task, budget: Budget | Part) -> list[Expression]:
    """New formulas that changes of these lead to, the shortest descriptions first; none where there are too few rows.

    The budget ends the search early; by itself it ends after so many steps, after so many in vain, or at an exact
    formula.
    """
    task = task.thin(FITTED)
    if len(task.rows) < FEWEST or task.rows.inputs.shape[1] == 0:
        return []
    pool = _Pool()
    for formula in _seeds(formulas, task):
        pool.put(formula, task.nats(formula))
    begun, vain = set(pool.entries.values()), 0
    changes = _Changes(task, task.thin(SCANNED))
    for turn in range(MOST_STEPS * task.effort):
        entry = pool.next(turn)
        if entry is None or vain >= PATIENCE * task.effort or budget.expired:
            break
        if turn % RENEWED == 0:
            changes.renew(one.formula for one in pool.best(GIVEN))
        before, entry.changed = pool.least, True
        for formula in changes.of(entry.formula, budget):
            pool.put(formula, task.nats(formula))
            if mean_square(formula, task.rows) <= task.floor:
                return _shown(pool, begun)
        vain = 0 if pool.least < before - WORTH_IT else vain + 1
    return _shown(pool, begun)


def _shown(pool: _Pool, begun: set[_Entry]) -> list[Expression]:
    """The shortest descriptions and the front, less the entries that there were at the beginning."""
    kept = dict.fromkeys(entry for entry in (*pool.best(KEPT), *pool.front()) if entry not in begun)
    return [entry.formula for entry in sorted(kept, key=lambda entry: entry.nats)]


def _seeds(formulas: Iterable[Expression], task: Task) -> Iterator[Expression]:
    """The shortest descriptions, and the best formulas of other sizes."""
    ranked = sorted(dict.fromkeys(map(canonical, formulas)), key=task.nats)
    yield from ranked[:SEEDS]
    sizes: dict[int, Expression] = {}
    for formula in ranked[SEEDS:]:
        sizes.setdefault(formula.complexity, formula)
    yield from list(sizes.values())[:SEED_SIZES]


class _Changes:
    """Changes of formulas, none of them twice."""

    def __init__(self, task: Task, few: Task) -> None:
        self.task, self.few = task, few
        self.plain = self.stock = Stock.of(few.rows.inputs, few.rows.target, task.allowed)
        self.seen: set[tuple] = set()

    def renew(self, formulas: Iterable[Expression]) -> None:
        """Take pieces of these formulas into the stock, in the place of older pieces."""
        self.stock = self.plain.with_pieces(formulas, self.few.rows.inputs)

    def of(self, formula: Expression, budget: Budget | Part) -> Iterator[Expression]:
        """The most promising changes of a formula, fitted to all rows; what is far off on a few is given up there."""
        task, few = self.task, self.few
        before = few.nats(formula)
        for form in islice(self._new(formula), MOST_FITS):
            if budget.expired:
                return
            rough = few.fitted(form, FIRST_FIT)
            if few.nats(rough) < before + FAR:
                fitted = few.fitted(rough, SECOND_FIT)
                if few.nats(fitted) < before + NEAR:
                    yield task.fitted(fitted, LAST_FIT)

    def _new(self, formula: Expression) -> Iterator[Expression]:
        """Changes that were not seen before, the most promising first.

        The same change made at different nodes promises the same nats to the last digit; only the first few of these
        are looked at.
        """
        longest = min(max(LONGEST, formula.complexity - 1), self.task.most)
        alike: Counter[float] = Counter()
        for move in moves(formula, self.few.rows, self.stock, len(self.task.rows), self.task.floor):
            promise = round(move.nats, PROMISED_DIGITS)
            if move.nats != SHORTENED and alike[promise] >= ALIKE or move.formula.complexity > longest + SLACK:
                continue
            alike[promise] += 1
            form = canonical(move.formula)
            key = _known_by(form)
            if key not in self.seen and form.complexity <= longest and self.task.allowed(form):
                self.seen.add(key)
                yield form


def _known_by(form: Expression) -> tuple:
    """The shape of a formula and its starting numbers, roughly."""
    numbers = tuple(float(f"{constant.value:.2g}") for constant in form.free_constants)
    bare = form.map(lambda node: Constant(0.0) if isinstance(node, Constant) and node.label is None else node)
    return bare, numbers
