"""Which groups of columns a law is made of, read from a table of its values at crossed points.

Take m points A_i of one group of columns and n points B_j of all others, and look at the matrix M_ij = f(A_i, B_j). It
is a_i + b_j for a sum of the groups, a_i b_j for a product, and a_i + b_i h_j when the first group scales and shifts a
function of the second; each also under a link of the target. Where f reads the first group only through one number
h(A), the gradient by the group has one direction at A_i, whatever B_j is (Udrescu et al. 2020, arXiv:2006.10782,
section 2). The values at crossed points come from a surrogate, so a pattern is believed when it holds as well as the
surrogate itself does; the pieces' values at many points come out of the same matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np

from kansym.structure.rows import Rows
from kansym.structure.smooth import Smooth

Array = np.ndarray
POINTS = 28
PIECE_POINTS = 320
EDGE = 0.06  # share of the rows at either end of a column whose values the crossed points leave out
REACH = 1.5  # a crossed point may lie this much farther from the rows than rows lie from each other
FEWEST = 6  # crossed points of a row of the matrix that must be near the data
SLACK = 3.0
FLOOR = 3e-6
WORST = 0.06
DIRECTION_SLACK = 8.0
DIRECTION_FLOOR = 3e-3  # gradients are less sure than values; a wrong direction is off by a per cent at least
WORST_DIRECTION = 0.05
ROUNDS = 12
LARGEST = 7


class TargetLink(Protocol):
    """A transform of the target, with its derivative."""

    @property
    def name(self) -> str: ...

    def forward(self, y: Array, /) -> Array: ...

    def slope(self, y: Array, /) -> Array: ...


@dataclass(frozen=True)
class Split:
    """A hypothesis of what the target is made of.

    kind: "sum" g(first) + h(second), "product" g(first) h(second), "affine" a(first) + b(first) h(second), all of the
    linked target, or "combination": the target reads the columns `first` only through one number.
    error: RMS misfit of the pattern over the spread of the target.
    """

    kind: str
    link: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    error: float

    @property
    def effort(self) -> float:
        """How hard the pieces are: the most columns of any piece, and a little for every further piece."""
        sizes = len(self.first), len(self.second)
        if self.kind == "combination":
            return max(sizes[0], sizes[1] + 1) + 0.6
        return max(sizes) + (0.4 if self.kind == "affine" else 0.0) + (0.2 if self.link != "y" else 0.0)


@dataclass(frozen=True)
class Pieces:
    """Values of a split's pieces, at points (m, |A|) of the first group and (n, |B|) of the second.

    shift: a(A_i) for an affine split, zeros otherwise.
    """

    first_points: Array
    first: Array
    shift: Array
    second_points: Array
    second: Array


@dataclass(frozen=True)
class _Crossed:
    """Inputs (m, n, D) at all pairs of m points of one group and n of the others, the values and slopes there.

    near: which pairs are near the data.
    """

    inputs: Array
    values: Array
    slopes: Array
    near: Array

    @property
    def turned(self) -> _Crossed:
        """The same pairs, seen from the other group."""
        return _Crossed(self.inputs.transpose(1, 0, 2), self.values.T, self.slopes.transpose(1, 0, 2), self.near.T)


def find_splits(smooth: Smooth, rows: Rows, links: Sequence[TargetLink], seed: int = 0) -> list[Split]:
    """The patterns that hold as well as the surrogate does, those with the easiest pieces first.

    links: transforms that are defined on the target, the identity among them under the name "y".
    """
    columns = rows.inputs.shape[1]
    if not 2 <= columns <= LARGEST:
        return []
    generator = np.random.Generator(np.random.PCG64(seed))
    limit = min(WORST, max(SLACK * smooth.error, FLOOR))
    direction_limit = min(WORST_DIRECTION, max(DIRECTION_SLACK * smooth.error, DIRECTION_FLOOR))
    found: list[Split] = []
    reach = REACH * smooth.usual_distance(rows.held_inputs)
    for group in _groups(columns):
        crossed = _cross(smooth, rows, group, (POINTS, POINTS), generator, reach)
        if crossed is None:
            continue
        rest = others(columns, group)
        for first, second, seen in ((group, rest, crossed), (rest, group, crossed.turned)):
            turned = seen is not crossed
            found += [s for s in _patterns(smooth, seen, (first, second), links, turned) if s.error < limit]
            found += [s for s in _directions(rows, seen, (first, second)) if s.error < direction_limit]
    return sorted(_essential(found), key=lambda split: (split.effort, split.error))


def _groups(columns: int) -> Iterator[tuple[int, ...]]:
    """Every division of the columns in two, once: the groups that hold the first column."""
    for size in range(columns - 1):
        for rest in combinations(range(1, columns), size):
            yield (0, *rest)


def others(columns: int, group: tuple[int, ...]) -> tuple[int, ...]:
    """The columns that are not in the group."""
    return tuple(column for column in range(columns) if column not in group)


def _essential(found: list[Split]) -> list[Split]:
    """Without affine patterns and combinations that only repeat a sum or a product of the same groups."""
    plain = {frozenset((split.first, split.second)) for split in found if split.kind in ("sum", "product")}
    kept = []
    for split in found:
        repeats = split.kind in ("affine", "combination") and frozenset((split.first, split.second)) in plain
        if not repeats:
            kept.append(split)
    return kept


def _cross(
    smooth: Smooth,
    rows: Rows,
    first: tuple[int, ...],
    counts: tuple[int, int],
    generator: np.random.Generator,
    reach: float,
) -> _Crossed | None:
    """Crossed points inside the rows' box; points whose pairs leave the data too often are left out."""
    low, high = np.quantile(rows.inputs, EDGE, axis=0), np.quantile(rows.inputs, 1.0 - EDGE, axis=0)
    inside = np.flatnonzero(np.all((rows.inputs >= low) & (rows.inputs <= high), axis=1))
    if len(inside) < 4 * FEWEST:
        return None
    left = rows.inputs[generator.permutation(inside)[: counts[0]]]
    right = rows.inputs[generator.permutation(inside)[: counts[1]]]
    inputs = np.repeat(right[None], len(left), axis=0)
    inputs[:, :, list(first)] = left[:, None, list(first)]
    values, slopes, distance = smooth.examine(inputs.reshape(-1, inputs.shape[-1]))
    near = (distance <= reach).reshape(inputs.shape[:2])
    kept = near.sum(axis=1) >= FEWEST
    known = near[kept].sum(axis=0) >= FEWEST
    near = near[kept][:, known]
    if min(near.shape) < FEWEST or np.any(near.sum(axis=1) < FEWEST // 2):
        return None
    shape = inputs.shape[:2]
    parts = [inputs, values.reshape(shape), slopes.reshape(inputs.shape)]
    crossed, known_values, known_slopes = (part[kept][:, known] for part in parts)
    return _Crossed(crossed, known_values, known_slopes, near)


def _patterns(
    smooth: Smooth,
    crossed: _Crossed,
    groups: tuple[tuple[int, ...], tuple[int, ...]],
    links: Sequence[TargetLink],
    turned: bool,
) -> Iterator[Split]:
    """The misfit of every pattern; the symmetric ones are not told again when the groups are turned."""
    for link in links:
        linked = _linked(crossed, link)
        if linked is None:
            continue
        values, weights = linked
        kinds = ["affine"] if link.name in ("y", "1/y", "y^2", "1/y^2") else []
        if not turned:
            kinds += ["sum"] if link.name != "log y" else []
            kinds += ["product"] if link.name in ("y", "sin y", "cos y", "exp y") else []
        for kind in kinds:
            misfit = _rms(values - _pattern(kind, values, weights).values, weights) / smooth.spread
            yield Split(kind, link.name, *groups, misfit)


def _linked(crossed: _Crossed, link: TargetLink) -> tuple[Array, Array] | None:
    """The linked values (m, n), and weights that make their errors those of the target."""
    with np.errstate(all="ignore"):
        values, slopes = link.forward(crossed.values), np.abs(link.slope(crossed.values))
    good = np.isfinite(values) & np.isfinite(slopes) & crossed.near
    if not np.any(good) or np.any(good.sum(axis=1) < 3) or np.any(good.sum(axis=0) < 3):
        return None
    slopes = np.maximum(slopes, 1e-3 * np.median(slopes[good]))
    return np.where(good, values, 0.0), np.where(good, slopes**-2.0, 0.0)


def _rms(residual: Array, weights: Array) -> float:
    return float(np.sqrt(np.sum(weights * residual**2) / np.sum(weights > 0)))


@dataclass(frozen=True)
class _Pattern:
    """shift_i + factor_i * second_j, fitted to a matrix."""

    shift: Array
    factor: Array
    second: Array

    @property
    def values(self) -> Array:
        return self.shift[:, None] + self.factor[:, None] * self.second


def _pattern(kind: str, values: Array, weights: Array) -> _Pattern:
    """Weighted least squares of a pattern to the matrix (m, n), by alternation."""
    rows = len(values)
    if kind == "sum":
        shift, second = np.zeros(rows), np.zeros(values.shape[1])
        for _ in range(ROUNDS):
            shift = np.sum(weights * (values - second), axis=1) / weights.sum(axis=1)
            second = np.sum(weights * (values - shift[:, None]), axis=0) / weights.sum(axis=0)
        return _Pattern(shift, np.ones(rows), second)
    centre = np.sum(weights * values, axis=1) / weights.sum(axis=1) if kind == "affine" else np.zeros(rows)
    start = np.where(weights > 0, values - centre[:, None], 0.0) * np.sqrt(weights / weights.max())
    second = np.linalg.svd(start, full_matrices=False)[2][0]
    if kind == "product":
        second = second / np.sqrt(weights.sum(axis=0) / weights.sum(axis=0).max())
    shift, factor = centre, np.ones(rows)
    for _ in range(ROUNDS):
        shift, factor = _given_second(kind, values, weights, second)
        reduced = factor[:, None] * weights
        second = np.sum(reduced * (values - shift[:, None]), axis=0) / np.maximum(
            np.sum(reduced * factor[:, None], axis=0), 1e-300
        )
        second = second / max(float(np.max(np.abs(second))), 1e-300)
    shift, factor = _given_second(kind, values, weights, second)
    return _Pattern(shift, factor, second)


def _given_second(kind: str, values: Array, weights: Array, second: Array) -> tuple[Array, Array]:
    total = weights.sum(axis=1)
    if kind == "product":
        factor = (weights * values) @ second / np.maximum(weights @ second**2, 1e-300)
        return np.zeros(len(values)), factor
    mean, centre = (weights @ second) / total, np.sum(weights * values, axis=1) / total
    apart = second - mean[:, None]
    spread = np.maximum(np.sum(weights * apart**2, axis=1), 1e-300)
    factor = np.sum(weights * apart * (values - centre[:, None]), axis=1) / spread
    return centre - factor * mean, factor


def _directions(rows: Rows, crossed: _Crossed, groups: tuple[tuple[int, ...], tuple[int, ...]]) -> Iterator[Split]:
    """Whether the gradient by the first group points one way at each of its points."""
    columns = list(groups[0])
    if len(columns) < 2:
        return
    slopes = crossed.slopes[:, :, columns] * rows.inputs.std(axis=0)[columns] * crossed.near[:, :, None]
    total = float((slopes**2).sum())
    if total > 0 and np.isfinite(total):
        gram = np.einsum("mni,mnj->mij", slopes, slopes)
        aside = total - float(np.linalg.eigvalsh(gram)[:, -1].sum())
        yield Split("combination", "y", *groups, float(np.sqrt(max(aside, 0.0) / total)))


def pieces_of(smooth: Smooth, rows: Rows, split: Split, link: TargetLink, seed: int = 0) -> Pieces | None:
    """The values of both pieces of a sum, product or affine split; None where too few crossed points are near the data.

    The pieces are known up to what the pattern leaves free: a constant, a factor, or both.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    reach = REACH * smooth.usual_distance(rows.held_inputs)
    found = []
    for counts in ((PIECE_POINTS, POINTS), (POINTS, PIECE_POINTS)):
        crossed = _cross(smooth, rows, split.first, counts, generator, reach)
        linked = None if crossed is None else _linked(crossed, link)
        if crossed is None or linked is None:
            return None
        found.append((crossed.inputs, _pattern(split.kind, *linked)))
    (left, at_left), (right, at_right) = found
    first = at_left.shift if split.kind == "sum" else at_left.factor
    return Pieces(left[:, 0, list(split.first)], first, at_left.shift, right[0][:, list(split.second)], at_right.second)


def slice_of(smooth: Smooth, rows: Rows, split: Split, quantile: float = 0.5) -> tuple[Array, Array] | None:
    """Points (m, |A|) of the first group and the target (m,) there, the other columns held at a quantile."""
    low, high = np.quantile(rows.inputs, EDGE, axis=0), np.quantile(rows.inputs, 1.0 - EDGE, axis=0)
    inputs = rows.inputs[np.all((rows.inputs >= low) & (rows.inputs <= high), axis=1)]
    inputs[:, list(split.second)] = np.quantile(rows.inputs[:, list(split.second)], quantile, axis=0)
    values, _, distance = smooth.examine(inputs)
    near = np.flatnonzero(distance <= REACH * smooth.usual_distance(rows.held_inputs))[:PIECE_POINTS]
    return (inputs[near][:, list(split.first)], values[near]) if len(near) >= 8 * FEWEST else None
