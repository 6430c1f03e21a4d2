"""Sums of shapes of one column, with trained numbers inside the shapes, over a constant or sloping background.

y = c0 + c1 x + sum of c_k shape_k(x; inner numbers); a single shape also alone. The numbers outside follow by least
squares, so only those inside need starts: each family's grid is tried, pairs of shapes exhaustively, further shapes one
by one on what is left, and the best sums of every size are trained by variable projection (Golub and Pereyra, SIAM J.
Numer. Anal. 10, 1973; the derivative is Kaufman's, BIT 15, 1975). Exponential decays side by side, a damped oscillation
with its phase, or peaks on a slope are such sums, and hardly anything else that is short comes near them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, zip_longest
from operator import attrgetter
from typing import TypeVar

import numpy as np

from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.curves import allowed
from kansym.symbolic.expression import Constant, Expression, Tape, add, multiply
from kansym.symbolic.primitives import Library
from kansym.symbolic.shapes import FAMILIES, Family, Shape, X
from kansym.symbolic.table import NATS_PER_NODE

Array = np.ndarray
Item = TypeVar("Item")
POINTS, FEWEST = 200, 8  # on which grids are tried, and the fewest different ones that say anything
ROWS_PER_NUMBER = 2
RUN, CLEAN = 2, 1e-7  # rows of a run; what neighbours leave of the variance of a target without noise
RACE = ((150, 2), (40, 8), (10, 60))  # sums of each size that are trained, and for how many steps; the best go on
WRITTEN, GROWN = 8, 4  # of these, how many are given, and how many get one more shape
BLOCKS, BESIDE = 4, 8  # oscillations of each family, and of all, beside which another shape is looked for
LEFT, TOLD_APART = 1e-5, 1e-3  # of a shape's length, what the background and what another shape must leave
TURN, TURN_BESIDE = 2.0, 4.0  # radians
PAIRS = 2  # of each two families
THINNED, THREES = (14, 27), 600  # members of a family with one and with two numbers in threes; threes that are trained
FLOOR = 1e-28
HOPELESS = 80.0  # nats by which a sum may be worse than the best
SETTLED = 1e-12  # relative change of the misfit at which training ends


@dataclass(frozen=True)
class _Sum:
    """Shapes over a polynomial of a degree (-1: nothing), with the share of the target's square that they leave."""

    shapes: tuple[Shape, ...]
    degree: int
    error: float = np.inf

    @property
    def inner(self) -> Array:
        return np.array([number for shape in self.shapes for number in shape.inner])

    @property
    def numbers(self) -> int:
        """How many there are, inside and outside."""
        return len(self.inner) + sum(len(shape.family.forms) for shape in self.shapes) + self.degree + 1

    def moved(self, inner: Array, error: float) -> _Sum:
        """The sum with other inner numbers."""
        parts, at = [], 0
        for shape in self.shapes:
            parts.append(replace(shape, inner=tuple(inner[at : at + len(shape.inner)].tolist())))
            at += len(shape.inner)
        return replace(self, shapes=tuple(parts), error=error)

    def cost(self, count: int) -> float:
        """Nats of misfit and length on so many points."""
        nodes = sum(sum(1 for _ in shape.family.forms[-1].walk()) + 3 for shape in self.shapes) + 3 * self.degree
        return 0.5 * count * float(np.log(self.error + FLOOR)) + NATS_PER_NODE * nodes


@dataclass(frozen=True)
class _Points:
    """The points that grids are tried on: inputs (n, 1), the target (n,) times the roots (n,) of the weights."""

    inputs: Array
    target: Array
    roots: Array

    @classmethod
    def of(cls, rows: Rows) -> _Points:
        """At most so many of the rows, evenly, in ascending order of the column; of noisy rows the means of runs."""
        order = np.argsort(rows.inputs[:, 0], kind="stable")
        noisy = len(order) >= RUN * POINTS and _unlike_neighbours(rows.inputs[order, 0], rows.target[order]) > CLEAN
        if noisy:
            few = _means(rows.take(order), POINTS)
        else:
            few = rows.take(order[np.linspace(0, len(order) - 1, min(len(order), POINTS)).round().astype(int)])
        roots = few.roots * np.ones(len(few))
        return cls(few.inputs, few.target * roots, roots)

    def background(self, degree: int) -> Array:
        """Columns (n, degree + 1) of the powers of the column."""
        return self.inputs ** np.arange(degree + 1) * self.roots[:, None]


def _unlike_neighbours(z: Array, y: Array) -> float:
    """What straight lines between neighbours leave of targets (N,) in the order of points (N,): a share of variance."""
    with np.errstate(all="ignore"):
        part = (z[1:-1] - z[:-2]) / (z[2:] - z[:-2])
    between = np.isfinite(part)
    left = (y[1:-1] - y[:-2] - part * (y[2:] - y[:-2]))[between]
    return float(np.mean(left**2) / max(np.var(y), 1e-300)) if len(left) else 0.0


def _means(rows: Rows, count: int) -> Rows:
    """Weighted means of runs of rows that follow each other, each with the weight of all its rows."""
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    starts = np.linspace(0, len(rows), count + 1).round().astype(int)[:-1]
    total = np.add.reduceat(weights, starts)
    inputs = np.add.reduceat(weights * rows.inputs[:, 0], starts) / total
    target = np.add.reduceat(weights * rows.target, starts) / total
    return Rows(inputs[:, None], target, total / np.mean(total))


@dataclass(frozen=True)
class _Members:
    """Members of a family: inner numbers (S, P), and orthonormal columns (S, B, n) beside a background."""

    family: Family
    inner: Array
    columns: Array

    def shape(self, at: int) -> Shape:
        return Shape(self.family, tuple(self.inner[at].tolist()))

    def gains(self, target: Array) -> Array:
        """What each takes (S,) from the square of a target (n,)."""
        return np.sum((self.columns @ target) ** 2, axis=1)


@dataclass(frozen=True)
class _Grid:
    """All members of all families, the orthonormal background (n, degree + 1), and what it leaves of the target (n,).

    size: the square of the whole target.
    """

    members: list[_Members]
    base: Array
    target: Array
    size: float

    def sum_of(self, shapes: tuple[Shape, ...], gain: float) -> _Sum:
        """A sum that takes so much of the square of what the background leaves."""
        left = float(self.target @ self.target) - gain
        return _Sum(shapes, self.base.shape[1] - 1, max(left, 0.0) / self.size)


def sums_of_shapes(rows: Rows, most: int = 3) -> Iterator[list[Expression]]:
    """The best sums of one, two, ... up to `most` shapes of Variable(0), each size by itself, trained on all rows."""
    points = _Points.of(rows)
    distinct = len(np.unique(points.inputs))
    if distinct < FEWEST or np.ptp(points.target) == 0:
        return
    grids = {degree: _grid(points, degree) for degree in (-1, 0, 1)}
    best: list[_Sum] = []
    for size in range(1, most + 1):
        if distinct < ROWS_PER_NUMBER * (3 * size + 1):
            return
        trials = [
            trial
            for each in _in_turn(best, GROWN, attrgetter("numbers"))
            for trial in _grown(each, grids[each.degree], points)
        ]
        trials += _single(grids[-1]) if size == 1 else []
        trials += [trial for degree in (0, 1) for trial in _of_size(size, grids[degree])]
        sure = [trial for degree in (0, 1) for trial in _triples(grids[degree])] if size == 3 else []
        sure += _threes(grids[0]) if size == 3 else []
        best = _best(trials, sure, points)
        fits = [polish(_written(each, points), rows, 100) for each in _in_turn(best, WRITTEN, attrgetter("numbers"))]
        yield [fit.expression for fit in fits if np.isfinite(fit.mean_square)]


def best_shapes(z: Array, t: Array, weights: Array | None, library: Library, keep: int) -> list[Expression]:
    """The best single shapes of Variable(0) on a constant or sloping background for points z (N,), t (N,)."""
    found = next(sums_of_shapes(Rows(z[:, None], t, weights), 1), [])
    return [each for each in found if allowed(each, library)][:keep]


def _best(trials: Sequence[_Sum], sure: Sequence[_Sum], points: _Points) -> list[_Sum]:
    """Sums trained, the best first: many of them a little, the best of these and the sure ones to the end."""
    ranked = sorted((each for each in trials if _turns(each, points)), key=lambda each: each.error)
    extra = [_trained(each, points, RACE[0][1]) for each in sure]
    for most, steps in RACE:
        trained = [_trained(each, points, steps) for each in _in_turn(ranked, most, attrgetter("numbers"))]
        both = [each for each in [*extra, *trained] if _turns(each, points)]
        ranked, extra = sorted(both, key=lambda each: each.cost(len(points.roots))), []
    least = ranked[0].cost(len(points.roots)) if ranked else 0.0
    same: dict[str, _Sum] = {}
    for each in (found for found in ranked if found.cost(len(points.roots)) <= least + HOPELESS):
        same.setdefault(f"{sorted(shape.family.name for shape in each.shapes)} {each.degree} {each.error:.3e}", each)
    return list(same.values())


def _turns(found: _Sum, points: _Points) -> bool:
    """Whether every oscillation goes round by so much on the points: a part of a wave bends to anything smooth."""
    least = TURN if len(found.shapes) == 1 else TURN_BESIDE
    phases = [shape.phase for shape in found.shapes if shape.family.oscillates]
    return all(np.ptp(phase.evaluate(points.inputs)) >= least for phase in phases)


def _in_turn(ranked: Sequence[Item], most: int, length: Callable[[Item], int]) -> list[Item]:
    """At most so many of ranked items: the best of the shortest, of those one longer, ..., then the next of each."""
    classes: dict[int, list[Item]] = {}
    for each in ranked:
        classes.setdefault(length(each), []).append(each)
    turns = zip_longest(*(classes[size] for size in sorted(classes)))
    return [each for turn in turns for each in turn if each is not None][:most]


def _grid(points: _Points, degree: int) -> _Grid:
    base = np.linalg.qr(points.background(degree))[0]
    members = [_members(family, points, base) for family in FAMILIES if points.inputs[0, 0] > 0 or not family.positive]
    left = points.target - base @ (base.T @ points.target)
    return _Grid(members, base, left, float(points.target @ points.target))


def _members(family: Family, points: _Points, base: Array) -> _Members:
    inner = family.starts(points.inputs[:, 0])
    with np.errstate(all="ignore"):
        shape = len(inner), len(points.roots)
        values = [np.broadcast_to(Tape(form).values(points.inputs, inner), shape) for form in family.forms]
        columns = np.stack(values, axis=1) * points.roots
        columns = columns / np.max(np.abs(columns), axis=2, keepdims=True)  # whose squares may be no floats
        columns = columns / np.linalg.norm(columns, axis=2, keepdims=True)
        columns = columns - (columns @ base) @ base.T
        size = np.linalg.norm(columns, axis=2)
        columns = columns / size[:, :, None]
        if columns.shape[1] == 2:
            columns[:, 1] -= np.sum(columns[:, 0] * columns[:, 1], axis=1, keepdims=True) * columns[:, 0]
            size[:, 1] = np.linalg.norm(columns[:, 1], axis=1)
            columns[:, 1] /= size[:, 1:]
    good = np.all(np.isfinite(columns), axis=(1, 2)) & np.all(size > LEFT, axis=1)
    return _Members(family, inner[good], columns[good])


def _top(gains: Array, count: int) -> list[int]:
    flat = gains.ravel()
    if len(flat) > count:
        near = np.flatnonzero(flat >= np.partition(flat, -count)[-count])
        return near[np.argsort(-flat[near], kind="stable")][:count].tolist()
    return np.argsort(-flat, kind="stable").tolist()


def _of_size(size: int, grid: _Grid) -> list[_Sum]:
    """Sums of so many shapes straight from the grid."""
    return _single(grid) if size == 1 else _pairs(grid) if size == 2 else []


def _single(grid: _Grid) -> list[_Sum]:
    ranked = [
        (each, gains, at) for each in grid.members for gains in [each.gains(grid.target)] for at in _top(gains, 3)
    ]
    return [grid.sum_of((each.shape(at),), float(gains[at])) for each, gains, at in ranked]


def _pairs(grid: _Grid) -> list[_Sum]:
    """The best pairs of each two families; an oscillation only as one of the best of its family, beside any shape."""
    found = []
    plain = [each for each in grid.members if each.columns.shape[1] == 1]
    for first, second in combinations_with_replacement(plain, 2):
        gains = _pair_gains(first, second, grid.target)
        for at in _top(gains, PAIRS if first is not second else 2 * PAIRS):
            i, j = divmod(at, gains.shape[1])
            if gains[i, j] > 0 and (first is not second or i < j):
                found.append(grid.sum_of((first.shape(i), second.shape(j)), float(gains[i, j])))
    waves = [each for each in grid.members if each.columns.shape[1] == 2]
    ranked = [
        (float(gains[at]), each, at)
        for each in waves
        for gains in [each.gains(grid.target)]
        for at in _top(gains, BLOCKS)
    ]
    for _, each, at in sorted(ranked, key=lambda item: -item[0])[:BESIDE]:
        beside = np.column_stack([grid.base, each.columns[at].T])
        joined = _joined(grid.members, beside, grid.target)
        found += [grid.sum_of((each.shape(at), shape), gain) for gain, shape in joined]
    return found


def _pair_gains(first: _Members, second: _Members, target: Array) -> Array:
    """What every two members (S, T) of two families of single columns take from the square of a target."""
    a, b = first.columns[:, 0], second.columns[:, 0]
    inner, onto, other = a @ b.T, (a @ target)[:, None], (b @ target)[None, :]
    gap = 1.0 - inner**2
    with np.errstate(all="ignore"):
        gains = (onto**2 + other**2 - 2.0 * onto * other * inner) / gap
    return np.where(gap > TOLD_APART**2, gains, -1.0)


def _joined(members: list[_Members], base: Array, target: Array) -> Iterator[tuple[float, Shape]]:
    """The best shape of every family beside orthonormal columns (n, K), and what they take of the target's square."""
    onto = base.T @ target
    rest, before = target - base @ onto, float(onto @ onto)
    for each in members:
        columns = each.columns - (each.columns @ base) @ base.T
        size = np.linalg.norm(columns, axis=2)
        with np.errstate(all="ignore"):
            gains = np.sum((columns @ rest) ** 2 / size**2, axis=1)
        gains = np.where(np.all(size > TOLD_APART, axis=1), gains, -1.0)
        for at in _top(gains, 1):
            yield before + float(gains[at]), each.shape(at)


def _triples(grid: _Grid) -> list[_Sum]:
    """The best threes of the families that come in threes: beside a wrong two of them the third is not found."""
    found = []
    for each in grid.members:
        if not each.family.repeated:
            continue
        best = max((_with(each, at, grid.target) for at in range(len(each.inner))), default=(0.0, (0, 0, 0)))
        if best[0] > 0:
            found.append(grid.sum_of(tuple(each.shape(at) for at in best[1]), best[0]))
    return found


def _with(members: _Members, first: int, target: Array) -> tuple[float, tuple[int, int, int]]:
    """The best two later members beside a given one, after what all three take from the square of a target."""
    given = members.columns[first, 0]
    later = members.columns[first + 1 :, 0] - (members.columns[first + 1 :, 0] @ given)[:, None] * given
    size = np.linalg.norm(later, axis=1)
    kept = np.flatnonzero(size > TOLD_APART)
    if len(kept) < 2:
        return -1.0, (first, first, first)
    beside = _Members(members.family, members.inner[kept], (later[kept] / size[kept, None])[:, None])
    gains = _pair_gains(beside, beside, target)
    i, j = divmod(int(np.argmax(gains)), len(kept))
    chosen = first, first + 1 + int(kept[i]), first + 1 + int(kept[j])
    return float(given @ target) ** 2 + float(gains[i, j]), chosen


def _threes(grid: _Grid) -> list[_Sum]:
    """The best threes of families of single columns, these thinned, before any training.

    Two of three shapes may be worse than what imitates all three, so that growing misses the third.
    """
    plain = [each for each in grid.members if each.columns.shape[1] == 1 and each.inner.size]
    counts = [min(len(each.inner), THINNED[min(each.inner.shape[1], len(THINNED)) - 1]) for each in plain]
    chosen = [np.linspace(0, len(each.inner) - 1, count).astype(int) for each, count in zip(plain, counts, strict=True)]
    columns = np.vstack([each.columns[at, 0] for each, at in zip(plain, chosen, strict=True)])
    places = [(family, int(at)) for family, several in enumerate(chosen) for at in several]
    ends = np.cumsum([0, *map(len, chosen)])
    onto, inner = columns @ grid.target, columns @ columns.T
    best, by = np.full((len(plain),) * 3, -1.0), np.zeros((len(plain),) * 3, dtype=int)
    for first, (family, _) in enumerate(places):
        gains = _gains_beside(first, slice(None), slice(None), onto, inner)
        tops = np.maximum.reduceat(np.maximum.reduceat(gains, ends[:-1], axis=0), ends[:-1], axis=1)
        by[family] = np.where(tops > best[family], first, by[family])
        best[family] = np.maximum(best[family], tops)
    ordered = [key for key in combinations_with_replacement(range(len(plain)), 3) if best[key] > 0]
    ordered.sort(key=lambda key: -best[key])
    numbers = [each.inner.shape[1] for each in plain]
    found = []
    for key in _in_turn(ordered, THREES, lambda key: sum(numbers[at] for at in key)):
        first, (second, third) = int(by[key]), (slice(ends[at], ends[at + 1]) for at in key[1:])
        gains = _gains_beside(first, second, third, onto, inner)
        i, j = np.unravel_index(int(np.argmax(gains)), gains.shape)
        members = first, int(second.start + i), int(third.start + j)
        found.append(grid.sum_of(tuple(plain[places[at][0]].shape(places[at][1]) for at in members), float(best[key])))
    return found


def _gains_beside(first: int, second: slice, third: slice, onto: Array, inner: Array) -> Array:
    """What one unit column of each of two ranges takes, with a given one beside, of the square of a target.

    onto: (K,), the target by the columns. inner: (K, K), the columns by each other.
    """
    shared = inner[first]
    new = 1.0 - shared**2 > TOLD_APART**2
    size = np.sqrt(np.where(new, 1.0 - shared**2, 1.0))
    rest = (onto - shared * onto[first]) / size
    between = inner[second, third] - np.outer(shared[second], shared[third])
    between = between / np.outer(size[second], size[third])
    gap = 1.0 - between**2
    apart = (gap > TOLD_APART**2) & np.outer(new[second], new[third])
    gains = rest[second, None] ** 2 + rest[None, third] ** 2 - 2.0 * np.outer(rest[second], rest[third]) * between
    return np.where(apart, gains / np.where(apart, gap, 1.0) + onto[first] ** 2, -1.0)


def _grown(found: _Sum, grid: _Grid, points: _Points) -> list[_Sum]:
    """A sum with one more shape: the best of each family beside it."""
    base = np.linalg.qr(_matrix(found, points))[0]
    taken = float(np.sum((base.T @ points.target) ** 2)) - (grid.size - float(grid.target @ grid.target))
    rest = points.target - base @ (base.T @ points.target)
    return [grid.sum_of((*found.shapes, shape), taken + gain) for gain, shape in _joined(grid.members, base, rest)]


def _matrix(found: _Sum, points: _Points) -> Array:
    """The columns (n, K) whose multiples make up a sum: of its shapes in order, then of its background."""
    with np.errstate(all="ignore"):
        columns = [
            np.broadcast_to(Tape(form).values(points.inputs, np.array(shape.inner)), len(points.roots))
            for shape in found.shapes
            for form in shape.family.forms
        ]
        return np.column_stack([np.array(columns).T * points.roots[:, None], points.background(found.degree)])


def _share(residual: Array, target: Array) -> float:
    return float(residual @ residual / (target @ target))


def _solved(matrix: Array, target: Array) -> tuple[Array, Array, Array] | None:
    """Orthonormal columns (n, K), numbers outside (K,), and residual (n,); None where a column is not finite."""
    if not np.all(np.isfinite(matrix)):
        return None
    size = np.max(np.abs(matrix), axis=0)  # lengths may be no floats
    if np.any(size == 0):
        return None
    q, r = np.linalg.qr(matrix / size)
    onto = q.T @ target
    diagonal = np.abs(np.diag(r))
    if diagonal.min() <= 1e-13 * diagonal.max():
        return None
    with np.errstate(all="ignore"):
        outer = np.linalg.solve(r, onto) / size
    return (q, outer, target - q @ onto) if np.all(np.isfinite(outer)) else None


def _trained(found: _Sum, points: _Points, steps: int) -> _Sum:
    """The sum after so many steps of Levenberg and Marquardt in its inner numbers alone."""
    tapes = [[Tape(form) for form in shape.family.forms] for shape in found.shapes]
    now, damping = _Step.at(found, tapes, points), 1e-2
    if now is None:
        return replace(found, error=np.inf)
    for _ in range(steps):
        trial = found.moved(found.inner - now.change(damping), np.inf)
        new = _Step.at(trial, tapes, points)
        if new is None or not new.error < now.error:
            damping *= 5.0
            if damping > 1e10:
                break
            continue
        gain = now.error - new.error
        found, now, damping = trial, new, max(0.2 * damping, 1e-12)
        if gain <= SETTLED * now.error or now.error < FLOOR:
            break
    return replace(found, error=now.error)


@dataclass(frozen=True)
class _Step:
    """Where training stands: residual (n,), its derivative by the inner numbers (n, P), the share that is left."""

    residual: Array
    jacobian: Array
    error: float

    def change(self, damping: float) -> Array:
        """What is taken from the inner numbers (P,)."""
        with np.errstate(all="ignore"):
            scale = np.linalg.norm(self.jacobian, axis=0)
            scale = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
            slopes = self.jacobian / scale
            gram = slopes.T @ slopes + damping * np.eye(len(scale))
            if not np.all(np.isfinite(gram)):
                return np.zeros(len(scale))
            return np.linalg.lstsq(gram, slopes.T @ self.residual, rcond=None)[0] / scale

    @classmethod
    def at(cls, found: _Sum, tapes: list[list[Tape]], points: _Points) -> _Step | None:
        """The step at the inner numbers of a sum; None where it is not defined."""
        columns, slopes = [], []
        with np.errstate(all="ignore"):
            for shape, forms in zip(found.shapes, tapes, strict=True):
                both = [tape.jacobian(points.inputs, np.array([shape.inner])) for tape in forms]
                columns += [np.broadcast_to(value, (1, len(points.roots)))[0] for value, _ in both]
                slopes.append([slope.reshape(len(points.roots), -1) * points.roots[:, None] for _, slope in both])
            matrix = np.column_stack([np.array(columns).T * points.roots[:, None], points.background(found.degree)])
        solved = _solved(matrix, points.target)
        if solved is None:
            return None
        q, outer, residual = solved
        moved, at = [], 0
        with np.errstate(all="ignore"):
            for forms in slopes:
                moved.append(sum(outer[at + i] * slope for i, slope in enumerate(forms)))
                at += len(forms)
        jacobian = np.hstack(moved)
        if not np.all(np.isfinite(jacobian)):
            return None
        return cls(residual, q @ (q.T @ jacobian) - jacobian, _share(residual, points.target))


def _written(found: _Sum, points: _Points) -> Expression:
    """A sum with the numbers outside its shapes."""
    solved = _solved(_matrix(found, points), points.target)
    assert solved is not None, "a sum with a finite error is defined"
    outer, parts = solved[1].tolist(), []
    for shape in found.shapes:
        count = len(shape.family.forms)
        parts.append(shape.written(outer[:count]))
        outer = outer[count:]
    background = [Constant(outer[0]), multiply(Constant(outer[-1]), X)][: found.degree + 1] if outer else []
    return add(*parts, *background)
