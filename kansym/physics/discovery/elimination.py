"""Few terms out of many. Of one, two and three terms all subsets are tried, and the best are grown by a term at a time;
from the other side all terms are fitted, and the one that is missed least goes, until one is left.

The error of every size is cross-validated by leaving pieces of time (or space) out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

Array = np.ndarray
SMALLEST = 1e-13
WIDEST = 40  # terms up to which all triples are tried
BEAM = 60
MANY = 80  # terms from which on all of them together explain anything
LARGEST = 6


@dataclass(frozen=True, eq=False)
class Selection:
    """Some columns with their coefficients, and the relative error that they leave on pieces left out."""

    columns: tuple[int, ...]
    coefficients: Array
    error: float


def elimination(matrix: Array, target: Array, blocks: Array) -> list[Selection]:
    """Return a selection of every size, the smallest first; none for more than 80 columns.

    Args:
        matrix: (M, F) values of the terms under the conditions.
        target: (M,).
        blocks: (M,) numbers of pieces to be left out in turn.
    """
    if matrix.shape[1] > MANY:
        return []
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
    return [np.asarray(np.linalg.qr(joined[blocks == block], mode="r")) for block in np.unique(blocks)]


def _solved(pieces: list[Array], kept: list[int]) -> tuple[Array, Array]:
    """Least-squares weights, and the inverse of the triangular factor, of the kept columns."""
    rows = np.concatenate([piece[:, [*kept, -1]] for piece in pieces])
    rows = np.concatenate([rows, np.zeros((max(0, len(kept) - len(rows)), len(kept) + 1))])  # fewer rows than columns
    basis, triangle = np.linalg.qr(rows[:, :-1])
    diagonal = np.abs(np.diag(triangle))
    singular = diagonal < SMALLEST * max(float(diagonal.max()), 1e-300)
    triangle = triangle + np.diag(np.where(singular, 1.0, 0.0))  # a column that others make up gets next to no weight
    side = basis.T @ rows[:, -1]
    inverse = solve_triangular(triangle, np.eye(len(kept)))
    return inverse @ np.where(singular, 0.0, side), inverse


def _left_out_error(pieces: list[Array], kept: list[int]) -> float:
    total = 0.0
    for place, piece in enumerate(pieces):
        others = [*pieces[:place], *pieces[place + 1 :]] or pieces
        weights, _ = _solved(others, kept)
        total += float(np.sum((piece[:, kept] @ weights - piece[:, -1]) ** 2))
    return float(np.sqrt(total))


def small_subsets(matrix: Array, target: Array, blocks: Array, largest: int = LARGEST) -> list[Selection]:
    """Return the best selections of 1 to `largest` columns, one of each size; arguments as for `elimination`."""
    scale = np.linalg.norm(matrix, axis=0)
    usable = np.flatnonzero(scale > SMALLEST * scale.max())
    size = float(np.linalg.norm(target)) or 1.0
    pieces = _triangles(matrix[:, usable] / scale[usable], target / size, blocks)
    gram = np.sum([piece.T @ piece for piece in pieces], axis=0)
    found, beam = [], [(i,) for i in range(len(usable))]
    for count in range(1, min(largest, len(usable)) + 1):
        beam = _grown(beam, len(usable)) if count > 1 else beam
        left = _left_by(gram, np.array(beam))
        order = np.argsort(left, kind="stable")
        keep = len(beam) if count == 1 or (count == 2 and len(usable) <= WIDEST) else BEAM
        beam = [beam[i] for i in order[:keep]]
        kept = list(beam[0])
        columns = usable[kept]
        weights = _solved(pieces, kept)[0] * size / scale[columns]
        found.append(Selection(tuple(columns.tolist()), weights, _left_out_error(pieces, kept)))
    return found


def _grown(beam: list[tuple[int, ...]], width: int) -> list[tuple[int, ...]]:
    """All subsets with one column more than one of these."""
    return sorted({tuple(sorted((*chosen, extra))) for chosen in beam for extra in range(width) if extra not in chosen})


def _left_by(gram: Array, subsets: Array) -> Array:
    """What least squares on each of the subsets (S, K) leave of the target, whose products stand last in the gram."""
    inner = gram[subsets[:, :, None], subsets[:, None, :]] + SMALLEST * np.eye(subsets.shape[1])
    side = gram[subsets, -1]
    return gram[-1, -1] - np.einsum("sk,sk->s", side, np.linalg.solve(inner, side[..., None])[..., 0])
