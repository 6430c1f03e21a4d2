"""Which columns matter to the target: the ones that a table can do without are found before any law is searched.

A column is dropped when a Gaussian process without it explains the table as well: its evidence falls by no more than
chance would make it fall. When in doubt, a column stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from kansym.structure.evidence import (
    MOST_ROWS,
    ROWS,
    Process,
    best_process,
    gaps_of,
    left_out,
    logarithmic_view,
    plain_view,
    seen,
    tuned,
)
from kansym.structure.signs import sign_columns

Array = np.ndarray
FEWEST_ROWS = 20
CHANCE_NATS = 2.0  # evidence that a column without meaning gains in about 2 of 100 tables
CHANCE_PER_COLUMN = 0.4  # evidence that each of several such columns gains on average, and a margin
MOST_AT_ONCE = 16
MOST_COLUMNS = 40  # that the process is shown; the others are filtered by products of two columns first
RETUNING = 25
SAME = 1e-10  # of two columns that are proportional but for rounding
SURE = 1e-4  # chance of a dependence on a dropped column that is none, over all dropped columns together
DEGREE = 3
MOST_PAIRED = 400  # dropped columns of which every pair is looked at


@dataclass(frozen=True)
class Screening:
    """Which columns carry something, in order; `same` tells which dropped column is a multiple of which kept one."""

    kept: tuple[int, ...]
    same: dict[int, int]


def screen(inputs: Array, target: Array, seed: int = 0) -> Screening:
    """The columns of (N, D) that the target (N,) depends on, as far as can be seen."""
    varying = [i for i, width in enumerate(np.ptp(inputs, axis=0)) if width > 0]
    same = proportional(inputs, varying)
    distinct = [i for i in varying if i not in same]
    if len(distinct) < 2 or len(target) < FEWEST_ROWS or np.ptp(target) == 0:
        return Screening(tuple(distinct or range(inputs.shape[1])), same)
    rows = np.random.Generator(np.random.PCG64(seed)).permutation(len(target))[:MOST_ROWS]
    points = seen(inputs[:, distinct])
    shown = filtered(points, target, MOST_COLUMNS)
    signs = [shown[i] for i in sign_columns(inputs[:, distinct][:, shown], target)]
    values = target / np.prod(inputs[:, distinct][:, signs], axis=1)
    kept = _eliminated(points[rows][:, shown], values[rows]) if np.ptp(values[rows]) > 0 else []
    kept = sorted(distinct[i] for i in {*signs, *(shown[i] for i in kept)})
    return Screening(tuple(kept), same)


def proportional(inputs: Array, columns: Sequence[int]) -> dict[int, int]:
    """Columns of (N, D) that are a multiple of an earlier one: column -> the earlier one."""
    unit = inputs[:, columns] / np.max(np.abs(inputs[:, columns]), axis=0)
    unit = unit / np.linalg.norm(unit, axis=0)
    key = np.cos(np.arange(1.0, len(unit) + 1.0)) @ unit  # proportional columns have the same, but for its sign
    unit, key = unit * np.where(key < 0, -1.0, 1.0), np.abs(key)
    order = sorted(range(len(columns)), key=lambda i: (float(key[i]), i))
    found: dict[int, int] = {}
    first = order[:1]
    for place in order[1:]:
        alike = [i for i in first if key[place] - key[i] <= SAME * len(unit)]
        twin = next((i for i in alike if np.max(np.abs(unit[:, place] - unit[:, i])) <= SAME), None)
        if twin is None:
            first = [*alike, place]
            continue
        first = [min(i, place) if i == twin else i for i in alike]
        found[columns[max(twin, place)]] = columns[min(twin, place)]
    return {column: _root(column, found) for column in found}


def _root(column: int, found: dict[int, int]) -> int:
    while column in found:
        column = found[column]
    return column


def filtered(points: Array, target: Array, most: int) -> list[int]:
    """The columns of points (N, D) with the strongest trace in the target (N,), alone or times another; at most `most`.

    One matrix product finds the correlation of the target, and of its size, with every product of two columns.
    """
    if points.shape[1] <= most:
        return list(range(points.shape[1]))
    scores = np.zeros(points.shape[1])
    ranks = np.argsort(np.argsort(target, kind="stable"), kind="stable") / (len(target) - 1.0) - 0.5
    for view in (ranks, ranks**2):
        centred = (view - view.mean()) / max(float(view.std()), 1e-300)
        for power in range(1, DEGREE + 1):
            column = points**power
            spread = np.maximum(column.std(axis=0), 1e-300)
            scores = np.maximum(scores, np.abs(centred @ (column - column.mean(axis=0))) / spread / len(target))
        pairs = np.abs((points * centred[:, None]).T @ points) / len(target)
        scores = np.maximum(scores, pairs.max(axis=1))
    return sorted(int(i) for i in np.argsort(-scores, kind="stable")[:most])


def _eliminated(points: Array, target: Array) -> list[int]:
    """The columns of points (n, D) that are left when all that can go are gone, those of longest scale first."""
    values, process = _best_view(points, target)
    gaps = gaps_of(points[:ROWS])
    kept, proven, count = list(range(points.shape[1])), set[int](), points.shape[1]
    while len(kept) > 1 and len(proven) < len(kept):
        order = [kept[i] for i in np.argsort(-process.lengths, kind="stable") if kept[i] not in proven]
        trial = order[: min(count, MOST_AT_ONCE, len(kept) - 1)]
        left = [i for i in kept if i not in trial]
        reached = tuned(gaps[left], values[:ROWS], process.without([kept.index(i) for i in trial]), RETUNING)
        if reached.evidence >= process.evidence - CHANCE_NATS - CHANCE_PER_COLUMN * (len(trial) - 1):
            kept, process = left, reached
            continue
        if len(trial) == 1:
            proven.add(trial[0])
        count = max(1, len(trial) // 2)
    predicted, _ = left_out(points[:, kept], values, process)
    return sorted([*kept, *missed(points, values - predicted, kept)])


def _best_view(points: Array, target: Array) -> tuple[Array, Process]:
    """The transformed target (n,) of the greater evidence, and its process."""
    gaps, found = gaps_of(points[:ROWS]), []
    unit = 0.1 * float(np.median(np.abs(target))) or 1e-3 * float(np.std(target))
    for view in (plain_view(target), logarithmic_view(target, unit)):
        process = best_process(gaps, view.values[:ROWS])
        found.append((process.evidence + float(view.nats[:ROWS].sum()), view.values, process))
    _, values, process = max(found, key=lambda item: item[0])
    return values, process


def missed(points: Array, residual: Array, kept: Sequence[int]) -> list[int]:
    """The columns of points (N, D), as `seen`, not among the kept ones, on which residuals (N,) depend.

    F-tests of polynomials of a column, of its products with the kept ones, and of products of two dropped ones, beyond
    polynomials of the kept ones, on the ranks of the residuals and of their sizes.
    """
    dropped = [i for i in range(points.shape[1]) if i not in kept]
    known = points[:, kept]
    base = _basis(known)
    if not dropped or len(residual) < base.shape[1] + 3 * (DEGREE + known.shape[1]):
        return []
    ranks = np.column_stack([_ranks(residual), _ranks(np.abs(residual))])
    rest = ranks - base @ (base.T @ ranks)
    allowed = SURE / len(dropped) / rest.shape[1]
    alone = [i for i in dropped if np.min(_chances(rest, base, points[:, i], known)) < allowed]
    together = _missed_pairs(rest, points[:, dropped[:MOST_PAIRED]], len(residual) - base.shape[1] - 1)
    return sorted({*alone, *(dropped[i] for i in together)})


def _missed_pairs(rest: Array, points: Array, free: int) -> set[int]:
    """The columns of points (N, D) whose product with another goes with one of the targets (N, T), but for chance."""
    count, found = points.shape[1], set[int]()
    if count < 2:
        return found
    size = np.sqrt((points**2).T @ points**2)
    for target in rest.T:
        cosine = (points * target[:, None]).T @ points / np.maximum(size * np.linalg.norm(target), 1e-300)
        share = np.minimum(cosine**2, 1.0 - 1e-12)
        chance = special.fdtrc(1, free, share / (1.0 - share) * free)
        chance[np.diag_indices(count)] = 1.0
        pairs = count * (count - 1) / 2 * rest.shape[1]
        found |= {int(i) for i in np.flatnonzero(np.min(chance, axis=0, initial=1.0) * pairs < SURE)}
    return found


def _basis(known: Array) -> Array:
    """Orthonormal columns (N, P) of the polynomials of degree 2, and the higher powers, of known columns (N, K)."""
    pairs = [known[:, i] * known[:, j] for i in range(known.shape[1]) for j in range(i)]
    powers = [known**power for power in range(1, DEGREE + 1)]
    matrix = np.column_stack([np.ones(len(known)), *powers, *pairs])
    return _orthonormal(matrix)


def _orthonormal(matrix: Array) -> Array:
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    return left[:, singular > 1e-9 * singular[0]]


def _ranks(values: Array) -> Array:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / (len(values) - 1.0) - 0.5


def _chances(rest: Array, base: Array, column: Array, known: Array) -> Array:
    """The chances (T,) that targets (N, T), already without their part in the base, go with a column by chance."""
    new = np.column_stack([column[:, None] ** np.arange(1, DEGREE + 1), known * column[:, None]])
    new = new - base @ (base.T @ new)
    size = np.linalg.norm(new, axis=0)
    new = (
        _orthonormal(new[:, size > 1e-6 * np.sqrt(len(new))]) if np.any(size > 1e-6 * np.sqrt(len(new))) else new[:, :0]
    )
    if not new.shape[1]:
        return np.ones(rest.shape[1])
    explained = np.sum((new.T @ rest) ** 2, axis=0)
    free = len(rest) - base.shape[1] - new.shape[1]
    left = np.maximum(np.sum(rest**2, axis=0) - explained, 1e-300)
    return special.fdtrc(new.shape[1], free, explained / new.shape[1] / (left / free))
