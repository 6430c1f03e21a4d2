"""A network of one layer under a linear condition: a sum of one-variable functions, and the formulas that these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

from kansym.bases import BASES
from kansym.physics.mechanics.terms import parts_of
from kansym.symbolic.curves import match_curve
from kansym.symbolic.expression import Expression, Variable

Array = np.ndarray
SIZE, ROWS_PER_FUNCTION = 40, 8
SPLINE = 1e-4  # violation up to which a sum of one-variable functions may be what is looked for
MOST_TOGETHER = 4
ROWS = 600
OPTIONS = 4
GOOD = 1e-6  # mean square over the variance below which a formula may be the curve
RIDGE = 1e-12


@dataclass(frozen=True)
class Edge:
    """The function of one column, as a sum of Chebyshev polynomials on the range of the data.

    For smooth functions these need the fewest numbers at high accuracy, and here nothing is trained step by step.

    Args:
        low, high: of the column.
        size: how many polynomials.
    """

    low: float
    high: float
    size: int

    def features(self, x: Array, order: int) -> Array:
        """Basis functions at x (N,) or their derivatives of an order, in the column's unit: (N, B)."""
        ends = torch.tensor(self.low, dtype=torch.float64), torch.tensor(self.high, dtype=torch.float64)
        basis = BASES.get("chebyshev").create(*ends, intervals=self.size - 1)
        points = torch.from_numpy(np.ascontiguousarray(x, dtype=float))  # reversed views are not taken
        return basis.derivative(points, order).numpy()


def edges_of(states: Array) -> tuple[Edge, ...]:
    """One edge for every column of states (N, D)."""
    size = max(3, min(SIZE, len(states) // (ROWS_PER_FUNCTION * states.shape[1])))
    return tuple(Edge(float(column.min()), float(column.max()), size) for column in states.T)


def flattest(parts: Sequence[Array]) -> tuple[float, Array]:
    """The coefficients whose parts cancel best.

    Args:
        parts: (N, B) each: what every column adds to a sum that should be zero, by its coefficients.

    Returns:
        Root mean square of the sum over that of the parts, and the coefficients of all parts, one after the other.
    """
    lengths = [np.linalg.norm(part, axis=0) for part in parts]
    lengths = [np.where(length > 0, length, 1.0) for length in lengths]
    parts = [part / length for part, length in zip(parts, lengths, strict=True)]
    widths = [part.shape[1] for part in parts]
    gram = np.zeros((sum(widths), sum(widths)))
    start = 0
    for part, width in zip(parts, widths, strict=True):
        gram[start : start + width, start : start + width] = part.T @ part
        start += width
    values, vectors = np.linalg.eigh(gram)
    kept = values > RIDGE * values[-1]
    whitened = vectors[:, kept] / np.sqrt(values[kept])
    _, sizes, directions = np.linalg.svd(np.hstack(parts) @ whitened, full_matrices=False)
    return float(sizes[-1]), whitened @ directions[-1] / np.concatenate(lengths)


def proposed(states: Array, rates: Array) -> tuple[Expression, ...]:
    """The one-variable functions that sums of such functions conserved by a flow are made of.

    Args:
        states, rates: (N, D).

    Returns:
        Expressions of single columns, each named by its column's place; none where no such sum is conserved.
    """
    edges = edges_of(states)
    parts = [edge.features(x, 1) * rate[:, None] for edge, x, rate in zip(edges, states.T, rates.T, strict=True)]
    found: dict[Expression, None] = {}
    explained: list[set[int]] = []
    for columns in _subsets(states.shape[1]):
        if any(known <= set(columns) for known in explained):
            continue
        left, coefficients = flattest([parts[column] for column in columns])
        if left > SPLINE:
            continue
        explained.append(set(columns))
        curves = np.split(coefficients, len(columns))
        for column, curve in zip(columns, curves, strict=True):
            found |= dict.fromkeys(read(states[:, column], edges[column], curve, column))
    return tuple(found)


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(2, min(count, MOST_TOGETHER) + 1):
        yield from combinations(range(count), size)


def read(x: Array, edge: Edge, curve: Array, column: int) -> tuple[Expression, ...]:
    """The terms of the formulas that the function of a column may be, as functions of the column of that place."""
    kept = np.linspace(0, len(x) - 1, min(ROWS, len(x))).astype(int)
    values = edge.features(x[kept], 0) @ curve
    fits = match_curve(x[kept], values - values.mean())[:OPTIONS]
    good = [fit.expression for fit in fits if fit.error < GOOD] or [fit.expression for fit in fits[:1]]
    found = (term for expression in good for term in parts_of(expression))
    return tuple(dict.fromkeys(term.substitute([Variable(column)]) for term in found))
