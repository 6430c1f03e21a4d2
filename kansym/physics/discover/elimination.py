"""Few terms out of many: all terms are fitted, and the one that is missed least goes, until one is left.

The error of every size is cross-validated by leaving pieces of time (or space) out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

Array = np.ndarray
SMALLEST = 1e-13


@dataclass(frozen=True, eq=False)
class Selection:
    """Some columns with their coefficients, and the relative error that they leave on pieces left out."""

    columns: tuple[int, ...]
    coefficients: Array
    error: float


def elimination(matrix: Array, target: Array, blocks: Array) -> list[Selection]:
    """Return a selection of every size, the smallest first.

    Args:
        matrix: (M, F) values of the terms under the conditions.
        target: (M,).
        blocks: (M,) numbers of pieces to be left out in turn.
    """
    scale = np.linalg.norm(matrix, axis=0)
    usable = np.flatnonzero(scale > SMALLEST * scale.max())
    size = float(np.linalg.norm(target)) or 1.0
    pieces = _triangles(matrix[:, usable] / scale[usable], target / size, blocks)
    kept, found = list(range(len(usable))), []
    while kept:
        weights, inverse = _solved(pieces, kept)
        columns = usable[kept]
        found.append(Selection(tuple(columns.tolist()), weights * size / scale[columns], _left_out_error(pieces, kept)))
        kept.pop(int(np.argmin(weights**2 / np.sum(inverse**2, axis=1))))
    return found[::-1]


def _triangles(matrix: Array, target: Array, blocks: Array) -> list[Array]:
    """Triangular factors of every piece, with the target as a last column: all that least squares need of it."""
    joined = np.column_stack([matrix, target])
    return [np.linalg.qr(joined[blocks == block], mode="r") for block in np.unique(blocks)]


def _solved(pieces: list[Array], kept: list[int]) -> tuple[Array, Array]:
    """Least-squares weights, and the inverse of the triangular factor, of the kept columns."""
    basis, triangle = np.linalg.qr(np.concatenate([piece[:, kept] for piece in pieces]))
    diagonal = np.abs(np.diag(triangle))
    singular = diagonal < SMALLEST * max(float(diagonal.max()), 1e-300)
    triangle = triangle + np.diag(np.where(singular, 1.0, 0.0))  # a column that others make up gets next to no weight
    side = basis.T @ np.concatenate([piece[:, -1] for piece in pieces])
    inverse = solve_triangular(triangle, np.eye(len(kept)))
    return inverse @ np.where(singular, 0.0, side), inverse


def _left_out_error(pieces: list[Array], kept: list[int]) -> float:
    total = 0.0
    for place, piece in enumerate(pieces):
        others = [*pieces[:place], *pieces[place + 1 :]] or pieces
        weights, _ = _solved(others, kept)
        total += float(np.sum((piece[:, kept] @ weights - piece[:, -1]) ** 2))
    return float(np.sqrt(total))
