"""Sparse linear regression over a dictionary of features: which two, three, ... columns explain the target exactly.

Pairs are searched exhaustively, so that two terms that only work together are found; further terms join one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
BLOCK = 512
TOP_PAIRS = 24


@dataclass(frozen=True)
class Subset:
    """Chosen columns with their coefficients, the constant, and the mean square error over the target's variance."""

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    constant: float
    error: float


def best_subsets(
    features: Array, target: Array, weights: Array | None = None, most: int = 4, pairs: int = 2
) -> list[Subset]:
    """The best subset of every size 1..most of features (N, F), each with a constant term, by exact least squares.

    pairs: how many of the best pairs are given.
    """
    w = np.ones(len(target)) if weights is None else weights / weights.mean()
    centre = w @ features / w.sum()
    x = (features - centre) * np.sqrt(w)[:, None]
    size = np.linalg.norm(x, axis=0)
    usable = np.flatnonzero(size > 1e-9 * np.maximum(np.abs(centre) * np.sqrt(len(target)), 1e-300))
    if len(usable) == 0:
        return []
    x = x[:, usable] / size[usable]
    y = (target - w @ target / w.sum()) * np.sqrt(w)
    norm = np.linalg.norm(y)
    if norm == 0:
        return []
    y = y / norm
    chosen = _search(x, y, min(most, x.shape[1], len(target) - 2), pairs)
    return [_solved(tuple(int(usable[i]) for i in columns), features, target, w) for columns in chosen]


def _search(x: Array, y: Array, most: int, kept: int) -> list[tuple[int, ...]]:
    correlation, gram = y @ x, x.T @ x
    single = tuple(int(i) for i in np.argsort(-np.abs(correlation), kind="stable")[:3])
    found: list[tuple[int, ...]] = [(single[0],)]
    if most < 2:
        return found
    pairs = _best_pairs(correlation, gram)
    pairs = sorted(pairs, key=lambda pair: _residual(x, y, pair))
    found += pairs[:kept]
    front = pairs[:TOP_PAIRS]
    for size in range(3, most + 1):
        if not front:
            break
        grown = {tuple(sorted((*columns, extra))) for columns in front for extra in _joiners(x, y, columns)}
        if size == 3:
            grown |= {triple for first in single for triple in _best_triples(x, y, first)}
        front = sorted(grown, key=lambda columns: _residual(x, y, columns))[:12]
        found += front[:1]
    return found


def _best_triples(x: Array, y: Array, first: int) -> list[tuple[int, ...]]:
    """The best pairs beside a given column: two terms that only work together are found among three."""
    rest = x - np.outer(x[:, first], x[:, first] @ x)
    size = np.linalg.norm(rest, axis=0)
    others = np.flatnonzero(size > 1e-6)
    rest = rest[:, others] / size[others]
    pairs = _best_pairs((y - x[:, first] * (x[:, first] @ y)) @ rest, rest.T @ rest)
    return [tuple(sorted((first, int(others[i]), int(others[j])))) for i, j in pairs]


def _best_pairs(correlation: Array, gram: Array) -> list[tuple[int, ...]]:
    count = len(correlation)
    found: list[tuple[float, int, int]] = []
    for start in range(0, count, BLOCK):
        stop = min(start + BLOCK, count)
        g, r = gram[start:stop], correlation[start:stop, None]
        gap = 1.0 - g * g
        with np.errstate(all="ignore"):
            gain = (r * r + correlation**2 - 2.0 * r * correlation * g) / gap
        gain[gap < 1e-8] = -1.0
        top = min(TOP_PAIRS, gain.size)
        flat = np.argpartition(gain, -top, axis=None)[-top:]
        for at in flat:
            row, column = divmod(int(at), count)
            if gain[row, column] < 0:
                continue
            if start + row < column:
                found.append((float(gain[row, column]), start + row, column))
            elif start + row > column:
                found.append((float(gain[row, column]), column, start + row))
    ranked = sorted(set(found), key=lambda item: -item[0])
    return list(dict.fromkeys((i, j) for _, i, j in ranked))[:TOP_PAIRS]


def _residual(x: Array, y: Array, columns: tuple[int, ...]) -> float:
    basis, _ = np.linalg.qr(x[:, columns])
    rest = y - basis @ (basis.T @ y)
    return float(rest @ rest)


def _joiners(x: Array, y: Array, columns: tuple[int, ...], count: int = 4) -> list[int]:
    """The columns that lower the residual most when they join."""
    basis, _ = np.linalg.qr(x[:, columns])
    rest = y - basis @ (basis.T @ y)
    inside = basis.T @ x
    left = 1.0 - np.sum(inside * inside, axis=0)
    with np.errstate(all="ignore"):
        gain = np.where(left > 1e-8, (rest @ x) ** 2 / left, -1.0)
    gain[list(columns)] = -1.0
    return [int(i) for i in np.argsort(-gain, kind="stable")[:count]]


def _solved(columns: tuple[int, ...], features: Array, target: Array, w: Array) -> Subset:
    root = np.sqrt(w)
    matrix = np.column_stack([features[:, columns], np.ones(len(target))]) * root[:, None]
    scale = np.linalg.norm(matrix, axis=0)
    solution = np.linalg.lstsq(matrix / scale, target * root, rcond=None)[0] / scale
    residual = matrix @ solution - target * root
    centred = (target - w @ target / w.sum()) * root
    error = float(residual @ residual / (centred @ centred))
    return Subset(columns, tuple(float(c) for c in solution[:-1]), float(solution[-1]), error)
