"""Rows in the form that training needs: logarithms, signs, primitives, and what stands beside the products."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Expression, whole
from kansym.symbolic.signomials.edges import edges_of_one, edges_of_two, powers_of_pairs

Array = np.ndarray
MANY_ROWS = 400
EXPLAINED = 1e-7  # of a product: what is left beside the columns' logarithms is rounding
SMALLEST = 1e-9  # of a column's largest value: nearer to 0 its logarithm is no use
MOST_SIGNED, MOST_PATTERNS = 8, 8


@dataclass(frozen=True)
class ProductTable:
    """Rows in the form that training needs.

    logs (N, P): logarithms of the sizes of the columns that are never 0, centred; means (P,). scaled (P,): which
    columns these are. negative (N, P): where they are negative. patterns (M, P): which of those that change sign may
    enter a product with odd powers, the likeliest first.
    factors (N, F): values of the primitives that an edge may carry, the first of them 1; names (F,) their expressions;
    owner (F,): the column of each, `columns` for sums and differences of two, `columns` + 1 for other functions of
    two; a product has one of each at most. target (N,) over `size`, roots (N,) of the weights.
    beside: which of `scaled` have their logarithm beside the products, and a constant with them; None without these.
    """

    logs: Array
    means: Array
    scaled: tuple[int, ...]
    negative: Array
    patterns: Array
    factors: Array
    names: tuple[Expression, ...]
    owner: tuple[int, ...]
    columns: int
    target: Array
    size: float
    roots: Array
    beside: tuple[int, ...] | None = None

    @cached_property
    def outside(self) -> Array:
        """What stands beside the products, weighted and orthonormal, (N, L)."""
        return np.linalg.qr(self.plain * self.roots[:, None])[0]

    @property
    def plain(self) -> Array:
        """What stands beside the products: a constant and logarithms, (N, L)."""
        if self.beside is None:
            return np.empty((len(self.target), 0))
        return np.column_stack([np.ones(len(self.target)), self.logs[:, list(self.beside)]])

    def weighted(self, values: Array) -> Array:
        """Values (..., N) times the roots of the weights, without what the columns beside the products explain."""
        weighted = values * self.roots
        if self.beside is None:
            return weighted
        left = weighted - (weighted @ self.outside) @ self.outside.T
        size, kept = (np.linalg.norm(part, axis=-1, keepdims=True) for part in (weighted, left))
        return np.where(kept > EXPLAINED * size, left, 0.0)

    def take(self, count: int) -> ProductTable:
        """The first rows."""
        return replace(
            self,
            logs=self.logs[:count],
            negative=self.negative[:count],
            factors=self.factors[:count],
            target=self.target[:count],
            roots=self.roots[:count],
        )


def table_of(rows: Rows, primitives: bool, logarithmic: bool = False) -> ProductTable | None:
    count = min(len(rows), MANY_ROWS)
    x, y = rows.inputs[:count], rows.target[:count]
    sizes = np.abs(rows.inputs)
    scaled = tuple(int(j) for j in np.flatnonzero(sizes.min(axis=0) > SMALLEST * sizes.max(axis=0)))
    size = float(np.sqrt(np.mean(y**2)))
    if size == 0 or not np.isfinite(size):
        return None
    logs, negative = np.log(np.abs(x[:, scaled])), x[:, scaled] < 0
    means = logs.mean(axis=0)
    names: list[Expression] = [whole(1)]
    owner, columns = [-1], [np.ones(count)]
    carried = [(j, each) for j in range(x.shape[1]) for each in edges_of_one(j, j in scaled, primitives)]
    if primitives and not np.any(negative):
        carried += [(x.shape[1], each) for each in powers_of_pairs(x)]
        carried += [(x.shape[1] + 1, each) for each in edges_of_two(x)]
    for place, expression in carried:
        values = expression.evaluate(x)
        largest = np.max(np.abs(values))
        if np.isfinite(largest) and largest > 0 and np.ptp(values) > 1e-9 * largest:
            names.append(expression)
            owner.append(place)
            columns.append(values)
    roots = rows.roots * np.ones(len(rows))
    roots = roots[:count] / np.sqrt(np.mean(roots[:count] ** 2))
    return ProductTable(
        logs - means,
        means,
        scaled,
        negative,
        _patterns(negative, y),
        np.column_stack(columns),
        tuple(names),
        tuple(owner),
        x.shape[1],
        y / size,
        size,
        roots,
        tuple(int(i) for i in np.flatnonzero(~np.any(negative, axis=0))) if logarithmic else None,
    )


def _patterns(negative: Array, target: Array) -> Array:
    """Sets of columns (M, P) whose signs may enter a product: those whose signs go best with the target's first."""
    signed = np.flatnonzero(np.any(negative, axis=0))[:MOST_SIGNED]
    odd = np.zeros((2 ** len(signed), negative.shape[1]), dtype=int)
    odd[:, signed] = (np.arange(len(odd))[:, None] >> np.arange(len(signed))) & 1
    together = np.abs(sign_products(negative, odd) @ target)
    return odd[np.argsort(-together, kind="stable")][:MOST_PATTERNS]


def sign_products(negative: Array, odd: Array) -> Array:
    """Products (..., N) of the signs of the columns (N, P) that enter (..., P)."""
    return 1.0 - 2.0 * ((odd @ negative.T.astype(int)) % 2)
