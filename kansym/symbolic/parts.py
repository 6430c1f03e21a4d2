"""A law taken apart: the pieces that its columns fall into are solved one by one, and joined on the raw rows.

`kansym.structure.splits` says into which pieces and gives values of them. The first piece is solved from these values,
which are as good as the surrogate; what is left of the raw rows then belongs to the other piece alone. The joined
formula is refitted to the raw rows in all its constants, and only its error there counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kansym.budget import Budget, Part
from kansym.structure.rows import Rows as JudgedRows
from kansym.structure.smooth import Smooth, fit_smooth
from kansym.structure.splits import Pieces, Split, find_splits, pieces_of, slice_of
from kansym.symbolic.additive import additive, separable
from kansym.symbolic.algebraic import linear, monomials
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.curves import allowed
from kansym.symbolic.expression import Constant, Expression, Product, Sum, Variable, add, multiply
from kansym.symbolic.links import LINKS, Link, usable
from kansym.symbolic.lowdim import one_variable, sparse
from kansym.symbolic.primitives import Library
from kansym.symbolic.relations import rough_rationals
from kansym.symbolic.table import EXACT, Candidate, Table, price_of, ranked

Array = np.ndarray
KINDS = ("sum", "product", "affine", "combination")
SUREST = ("sum", "product")
Solve = Callable[[Table, Budget | Part], list[Candidate]]
FEWEST_ROWS = 60
TRUSTED = 0.3  # held-out error over the spread from which a surrogate tells nothing of the structure
DEEPEST = 1  # splits of splits of a piece's values, which lose accuracy at every level
SHORT = 16  # nodes of a formula that is not just bent to its values
HYPOTHESES = 3
FIRST_KEPT, SECOND_KEPT, CORES = 2, 3, 6
PIECE_PRICE = 0.15  # e-folds of the error that a node of a piece must earn: its values' errors are no noise
HELD = 5
SMALL_FACTOR = 0.1  # rows where a factor is smaller than this share of its size say nothing about the other
PIECE_SHARE = 0.5
QUICK_COLUMNS = 2
COLLAPSE_SLACK = 2.5
PIECE_ACCURACY = 0.3
FINEST = 1e-7
EXACT_ROWS = 600  # rows of a clean table that are enough to find and tell an exact piece


@dataclass(frozen=True)
class _Task:
    """A table with what is known of it, and the means to solve smaller ones."""

    table: Table
    smooth: Smooth
    rows: JudgedRows
    library: Library
    solve: Solve
    thorough: bool

    def candidate(self, expression: Expression, split: Split, origin: str) -> Candidate:
        """A joined formula, refitted to the raw rows."""
        fitted = polish(canonical(expression), self.table.fit, 80).expression
        return Candidate(fitted, self.table.error(fitted), f"{describe(split)}; {origin}")

    def finished(self, found: Sequence[Candidate]) -> bool:
        """Whether a joined formula leaves nothing but noise."""
        return any(candidate.error <= max(self.table.goal, EXACT) for candidate in found)


def solve_by_parts(
    table: Table, budget: Budget | Part, library: Library, solve: Solve, kinds: Sequence[str] = KINDS
) -> list[Candidate]:
    """Candidate formulas of a table of 2 to 7 columns from formulas of its pieces, the best first.

    solve: the search that the pieces are given to; it may call this function again.
    kinds: the splits to try, of `KINDS`; sums and products are the surest, and cheap to look for first.
    """
    return _solved(table, budget, library, solve, tuple(kinds), 0)


def _solved(
    table: Table, budget: Budget | Part, library: Library, solve: Solve, kinds: tuple[str, ...], depth: int
) -> list[Candidate]:
    if not 2 <= table.columns <= 7 or len(table.fit) < FEWEST_ROWS or budget.expired:
        return []
    rows = table.judged
    smooth = fit_smooth(rows)
    if smooth is None or smooth.held_out > TRUSTED:
        return []
    if depth:  # the table holds values of a piece, which are as good as its goal says
        smooth = replace(smooth, error=max(smooth.error, table.goal))
    links = [link for link, _ in usable(np.concatenate([rows.target, rows.held_target]))]
    splits = _tried([split for split in find_splits(smooth, rows, links) if split.kind in kinds])[
        : 1 if depth else HYPOTHESES
    ]
    found: list[Candidate] = []
    for thorough in (False, True) if depth == 0 else (False,):
        task = _Task(table, smooth, rows, library, solve if thorough else _quickly(library, depth), thorough)
        for split in splits:
            if budget.expired or task.finished(found):
                break
            if not (thorough or depth) and max(len(split.first), len(split.second)) > QUICK_COLUMNS:
                continue  # what a solved piece leaves of the raw rows then says more than values of the other
            link = next(link for link in links if link.name == split.link)
            found += _BY_KIND[split.kind](task, split, link, budget)
    return ranked(found, price_of(len(table.fit)))


def _tried(splits: list[Split]) -> list[Split]:
    """The splits worth their time: none after the first plain sum or product, since harder ones repeat it."""
    plain = [at for at, split in enumerate(splits) if split.kind in SUREST and split.link == "y"]
    return splits[: min(plain[0] + 1 if plain else HYPOTHESES, HYPOTHESES)]


def _quickly(library: Library, depth: int) -> Solve:
    """The search for pieces that comes first: the checks that take no more than a second or two, and further splits."""

    def solve(table: Table, budget: Budget | Part) -> list[Candidate]:
        found: list[Candidate] = []
        for origin, expressions in _quick_checks(table, library):
            found += [Candidate(e, table.error(e), origin) for e in expressions if allowed(e, library)]
            if budget.expired or _short_enough(found, table.goal):
                return ranked(found, price_of(len(table.fit)))
        if table.columns > 1 and depth < DEEPEST and not budget.expired:
            found += _solved(table, budget, library, solve, KINDS, depth + 1)
        return ranked(found, price_of(len(table.fit)))

    return solve


def _quick_checks(table: Table, library: Library) -> Iterator[tuple[str, list[Expression]]]:
    rows = table.fit
    yield "monomial", monomials(rows)
    yield "linear", [linear(rows)]
    if table.columns == 1:
        yield "curve", one_variable(rows, library)
        return
    yield "additive", list(additive(table, library, LINKS[:1]))
    yield "product", list(separable(table, library))
    yield "rational", list(rough_rationals(rows))
    if table.columns == 2:
        yield from sparse(rows)


def _short_enough(found: list[Candidate], goal: float) -> bool:
    return any(candidate.error <= goal and candidate.expression.complexity <= SHORT for candidate in found)


def describe(split: Split) -> str:
    """A split in words."""
    groups = (" ".join(str(column) for column in group) for group in (split.first, split.second))
    link = "" if split.link == "y" else f" of {split.link}"
    return f"{split.kind}{link}: columns {' | '.join(groups)}"


def _in_two(task: _Task, split: Split, link: Link, budget: Budget | Part) -> list[Candidate]:
    """A sum or a product: the larger piece from what the other leaves of the raw rows, or both from their values."""
    pieces = pieces_of(task.smooth, task.rows, split, link)
    if pieces is None:
        return []
    sides = [(split.first, pieces.first_points, pieces.first), (split.second, pieces.second_points, pieces.second)]
    sides.sort(key=lambda side: len(side[0]))
    known = [
        _bare_in(piece, sides[0][0], split) for piece in _solved_piece(task, *sides[0][1:], _floor(task, split), budget)
    ]
    found: list[Candidate] = []
    if not known:
        return found
    for piece in known[:1] if task.thorough else []:
        for other in _solved_rest(task, split, link, piece, sides[1][0], budget):
            rest = _in_columns(other.expression, sides[1][0])
            joined = add(piece, rest) if split.kind == "sum" else multiply(piece, rest)
            found += _joined(task, split, link, [joined], other)
        if task.finished(found):
            return found
    for other in _solved_piece(task, *sides[1][1:], _floor(task, split), budget):
        rest = _bare_in(other, sides[1][0], split)
        found += _joined(task, split, link, [_anchored(task, split, link, [piece, rest]) for piece in known], other)
        if task.finished(found):
            return found
    return found


def _bare_in(piece: Candidate, columns: tuple[int, ...], split: Split) -> Expression:
    return _in_columns(_bare(piece.expression, split.kind == "sum"), columns)


def _anchored(task: _Task, split: Split, link: Link, bare: list[Expression]) -> Expression:
    """The join of bare pieces with the constant that their pattern leaves free, from the raw rows."""
    rows = task.table.fit
    joined = add(*bare) if split.kind == "sum" else multiply(*bare)
    with np.errstate(all="ignore"):
        target, value = link.forward(rows.target), joined.evaluate(rows.inputs)
        if split.kind == "sum":
            return add(joined, Constant(float(np.median(target - value))))
        return multiply(Constant(float(target @ value / (value @ value))), joined)


def _joined(task: _Task, split: Split, link: Link, joined: list[Expression], last: Candidate) -> list[Candidate]:
    return [task.candidate(link.inverse(expression), split, last.origin) for expression in joined]


def _affine(task: _Task, split: Split, link: Link, budget: Budget | Part) -> list[Candidate]:
    """a(A) + b(A) h(B): all from their values, or a from what the others leave of the raw rows."""
    pieces = pieces_of(task.smooth, task.rows, split, link)
    if pieces is None:
        return []
    found: list[Candidate] = []
    for second in _solved_piece(task, pieces.second_points, pieces.second, _floor(task, split), budget):
        inner = _bare(_bare(second.expression, True), False)
        factors, shifts = _in_terms_of(inner, pieces)
        right = _in_columns(inner, split.second)
        for factor in _solved_piece(task, pieces.first_points, factors, _floor(task, split), budget):
            if budget.expired:
                return found
            left = _in_columns(factor.expression, split.first)
            trials = list(_same_factor(left, right, task.table.fit, link))
            for shift in _solved_piece(task, pieces.first_points, shifts, _floor(task, split), budget):
                trials.append(add(_in_columns(shift.expression, split.first), multiply(left, right)))
            found += _joined(task, split, link, trials, factor)
            if task.finished(found):
                return found
            if not task.thorough:
                continue
            for rest in _solved_rest(task, split, link, multiply(left, right), split.first, budget):
                joined = add(_in_columns(rest.expression, split.first), multiply(left, right))
                found += _joined(task, split, link, [joined], rest)
            if task.finished(found):
                return found
    return found


def _in_terms_of(inner: Expression, pieces: Pieces) -> tuple[Array, Array]:
    """b(A) and a(A) that belong to the second piece as it was solved, whose scale and shift are its own."""
    value = inner.evaluate(pieces.second_points)
    if not np.all(np.isfinite(value)) or np.ptp(value) == 0:
        return pieces.first, pieces.shift
    scale, shift = np.linalg.lstsq(np.column_stack([value, np.ones_like(value)]), pieces.second, rcond=None)[0]
    return pieces.first * scale, pieces.shift + pieces.first * shift


def _same_factor(factor: Expression, inner: Expression, rows: Rows, link: Link) -> Iterator[Expression]:
    """c + b(A) (h(B) + d), the form of an affine pattern whose shift is its factor again."""
    with np.errstate(all="ignore"):
        target = link.forward(rows.target) - multiply(factor, inner).evaluate(rows.inputs)
        columns = np.column_stack([np.ones(len(rows)), factor.evaluate(rows.inputs)])
    if np.all(np.isfinite(columns)) and np.all(np.isfinite(target)):
        c, d = np.linalg.lstsq(columns, target, rcond=None)[0]
        yield add(Constant(float(c)), multiply(factor, add(inner, Constant(float(d)))))


def _collapsed(task: _Task, split: Split, _: Link, budget: Budget | Part) -> list[Candidate]:
    """A combination: its number h(A), read from a slice, takes the place of the group's columns."""
    found: list[Candidate] = []
    for core in _cores(task, split, budget):
        if budget.expired or task.finished(found):
            break
        column = _in_columns(core, split.first)
        inner = _with_column(task.table, column, split.second)
        if inner is None or not _still_smooth(task, inner):
            continue
        back = [column, *(Variable(old) for old in split.second)]
        for candidate in _solve(task, inner, budget)[:SECOND_KEPT]:
            found.append(task.candidate(candidate.expression.substitute(back), split, candidate.origin))
    return found


def _cores(task: _Task, split: Split, budget: Budget | Part) -> list[Expression]:
    cores: list[Expression] = []
    for quantile in (0.5, 0.8):
        cut = slice_of(task.smooth, task.rows, split, quantile)
        if cut is None:
            continue
        for candidate in _solved_piece(task, *cut, task.smooth.error, budget, CORES):
            core = core_of(candidate.expression)
            if len(core.variables) == len(split.first) and core not in cores:
                cores.append(core)
        if cores:
            break
    return sorted(cores, key=lambda core: core.complexity)[:FIRST_KEPT]


def core_of(expression: Expression) -> Expression:
    """The smallest node that holds every occurrence of the variables, without its added and multiplied constants."""
    node = canonical(expression)
    inside = {below for below in node.walk() if below.variables == node.variables}
    whole_of = [below for below in inside if not _without(node, below).variables]
    core = min(whole_of, key=lambda below: (below.complexity, str(below)))
    return _bare(_bare(core, True), False)


def _without(expression: Expression, part: Expression) -> Expression:
    return expression.map(lambda node: Constant(1.0) if node == part else node)


def _with_column(table: Table, column: Expression, rest: tuple[int, ...]) -> Table | None:
    parts = []
    for rows in (table.fit, table.held):
        values = column.evaluate(rows.inputs)
        if not np.all(np.isfinite(values)) or np.ptp(values) == 0:
            return None
        parts.append(Rows(np.column_stack([values, rows.inputs[:, list(rest)]]), rows.target, rows.weights))
    return replace(table, fit=parts[0], held=parts[1])


def _still_smooth(task: _Task, inner: Table) -> bool:
    """Whether a surrogate of the fewer columns predicts the held-out rows as well as the one of all columns did."""
    rows = inner.judged
    smooth = fit_smooth(rows)
    return smooth is not None and smooth.held_out <= max(COLLAPSE_SLACK * task.smooth.held_out, 1e-5)


def _floor(task: _Task, split: Split) -> float:
    """The error that values of a piece have: means over many crossed points, but of a surrogate that follows noise."""
    return max(PIECE_ACCURACY * split.error, task.smooth.error if task.table.goal > EXACT else 0.0)


def _solved_piece(
    task: _Task, points: Array, values: Array, error: float, budget: Budget | Part, keep: int = FIRST_KEPT
) -> list[Candidate]:
    """The best few formulas of a piece from values with such an error, the simplest of those as good as the values."""
    held = np.arange(len(values)) % HELD == 0
    if np.std(values) == 0 or not np.all(np.isfinite(values)):
        return []
    error = max(error, FINEST)
    fit, judge = Rows(points[~held], values[~held]), Rows(points[held], values[held])
    inner = replace(task.table, fit=fit, held=judge, goal=2.0 * error, rough=True, noise=0.0)
    return _best(_solve(task, inner, budget), error)[:keep]


def _best(found: list[Candidate], floor: float) -> list[Candidate]:
    """Candidates by error and length, where errors below the floor are equal; exact ones first."""

    def key(candidate: Candidate) -> tuple[bool, float]:
        size = float(np.log(np.hypot(candidate.error, floor)))
        return candidate.error > EXACT, size + PIECE_PRICE * candidate.expression.complexity

    return sorted(found, key=key)


def _solve(task: _Task, table: Table, budget: Budget | Part) -> list[Candidate]:
    if budget.expired:
        return []
    share = budget.part(PIECE_SHARE * budget.remaining) if np.isfinite(budget.remaining) else budget
    if task.thorough and table.rough:  # values of a piece: what a second or two may find is often all there is
        found = _quickly(task.library, DEEPEST)(table, share)
        if _short_enough(found, table.goal):
            return found
    return task.solve(table, share)


def _solved_rest(
    task: _Task, split: Split, link: Link, known: Expression, unknown: tuple[int, ...], budget: Budget | Part
) -> list[Candidate]:
    """Formulas of what a known piece leaves of the raw rows, which is a table of the other columns alone."""
    inner = _rest(task.table, split, link, known, unknown)
    if inner is None:
        return []
    return _best(_solve(task, inner, budget), max(0.5 * task.smooth.error, inner.goal))[:SECOND_KEPT]


def _rest(table: Table, split: Split, link: Link, known: Expression, unknown: tuple[int, ...]) -> Table | None:
    divided = split.kind == "product"
    parts, size = [], 0.0
    for rows in (table.fit, table.held):
        value = known.evaluate(rows.inputs)
        with np.errstate(all="ignore"):
            linked, slope = link.forward(rows.target), np.abs(link.slope(rows.target))
            target = linked / value if divided else linked - value
            roots = np.abs(value) / slope if divided else 1.0 / slope
        size = size or float(np.sqrt(np.mean(value**2)))
        kept = np.isfinite(target) & np.isfinite(roots) & (np.abs(value) > SMALL_FACTOR * size if divided else True)
        if kept.sum() < FEWEST_ROWS // 2:
            return None
        roots = roots[kept] * np.broadcast_to(rows.roots, len(rows))[kept]
        parts.append((rows.inputs[kept][:, list(unknown)], target[kept], roots))
    return _weighted(table, parts)


def _weighted(table: Table, parts: list[tuple[Array, Array, Array]]) -> Table | None:
    """The table of (inputs, target, roots of weights) pairs, with the goal that leaves the same error of the target."""
    (inputs, target, roots), (held_inputs, held_target, held_roots) = parts
    mean = float(np.sqrt(np.mean(roots**2)))
    even = bool(np.ptp(roots) <= 1e-9 * mean)
    held = Rows(held_inputs, held_target, None if even else (held_roots / mean) ** 2)
    size = held.spread
    if not size > 0 or not np.isfinite(size):
        fit = Rows(inputs, target, None if even else (roots / mean) ** 2)
        return replace(table, fit=fit, held=held, goal=EXACT, noise=0.0)
    if table.goal <= EXACT:
        inputs, target, roots = inputs[:EXACT_ROWS], target[:EXACT_ROWS], roots[:EXACT_ROWS]
    louder = table.held.spread / (mean * size)
    goal = EXACT if table.goal <= EXACT else louder * table.goal
    fit = Rows(inputs, target, None if even else (roots / mean) ** 2)
    return replace(table, fit=fit, held=held, goal=goal, noise=louder * table.noise)


def _in_columns(expression: Expression, columns: tuple[int, ...]) -> Expression:
    return expression.substitute([Variable(column) for column in columns])


def _bare(expression: Expression, shift: bool) -> Expression:
    """The formula without the added constant (shift), or without the constant factor, that its other piece takes up."""
    node = canonical(expression)
    if shift and isinstance(node, Sum):
        return add(*(term for term in node.terms if not isinstance(term, Constant)))
    if not shift and isinstance(node, Product):
        return multiply(*(factor for factor in node.factors if not isinstance(factor, Constant)))
    return node if shift or not isinstance(node, Sum) else _scaled_to_one(node)


def _scaled_to_one(total: Sum) -> Expression:
    """A sum divided by the coefficient of its first term that holds a variable."""
    size = next((_coefficient(term) for term in total.terms if term.variables), 1.0)
    if size == 0.0 or size == 1.0:
        return total
    return canonical(add(*(_divided(term, size) for term in total.terms)))


def _coefficient(term: Expression) -> float:
    if isinstance(term, Product):
        return float(np.prod([factor.value for factor in term.factors if isinstance(factor, Constant)]))
    return 1.0


def _divided(term: Expression, size: float) -> Expression:
    if isinstance(term, Constant):
        return Constant(term.value / size)
    factors = term.factors if isinstance(term, Product) else (term,)
    bare = [factor for factor in factors if not isinstance(factor, Constant)]
    coefficient = _coefficient(term) / size
    return multiply(*bare) if coefficient == 1.0 else multiply(Constant(coefficient), *bare)


_BY_KIND: dict[str, Callable[[_Task, Split, Link, Budget | Part], list[Candidate]]] = {
    "sum": _in_two,
    "product": _in_two,
    "affine": _affine,
    "combination": _collapsed,
}
