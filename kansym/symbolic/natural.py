"""Laws whose numbers are small whole ones but for a factor in front: what is left once units have been taken out.

In dimensionless groups a law is rarely more than c * (a * b), c * (a + b) or c * (a - b) under a link, where a and b
are short expressions without fitted numbers. All pairs of a list are tried; the best c of each follows from matrix
products. With one number to fit, noise can hardly favour a wrong form, so the pairs are ranked on many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.budget import Budget, Part
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.curves import allowed
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Variable,
    add,
    multiply,
    raise_to,
    whole,
)
from kansym.symbolic.links import LINKS, Link
from kansym.symbolic.listing import Listing, listing
from kansym.symbolic.primitives import Library
from kansym.symbolic.table import EXACT, Candidate, Table

Array = np.ndarray
Price = Callable[[Expression], float]
CLEAN_POINTS, NOISY_POINTS = 160, 600
CLEAN_LISTED, NOISY_LISTED = {1: 1000, 2: 2200, 3: 2200}, {1: 600, 2: 1800, 3: 1800}
CALL_NATS, NESTED_NATS = 2.0, 3.0  # a function is one of many, and its argument is mostly a plain product
BLOCK = 256
KEPT, PRICED, RETURNED, LOOSENED = 16, 80, 16, 4  # of every way to join and link, and of all
NODE_NATS = 2.0
FLOOR, TINY = 1e-26, 1e-9
LINKED = ("1/y", "y^2", "1/y^2", "cos y")
DIRECT_POINTS, DIRECT_LISTED = 250, 600
DIRECT_POWERS = (Fraction(-1), Fraction(1, 2), Fraction(-1, 2))


@dataclass(frozen=True)
class _Sample:
    """Listed values (F, n) with their lengths in nats, the target (n,) and weights (n,) of sum 1."""

    values: Array
    lengths: Array
    target: Array
    weights: Array


@dataclass(frozen=True)
class _Join:
    """Two members of the list and how they are joined, with nats of misfit and length."""

    cost: float
    first: int
    second: int
    kind: str
    link: str


def call_nats(expression: Expression) -> float:
    """What the functions of a formula cost beside their nodes, in nats."""
    calls = [node for node in expression.walk() if isinstance(node, Call)]
    return CALL_NATS * len(calls) + NESTED_NATS * sum(not _plain(call.argument) for call in calls)


def _plain(argument: Expression) -> bool:
    """Whether an argument is a product of columns, inverse columns and numbers."""
    parts = argument.factors if isinstance(argument, Product) else (argument,)
    bases = [part.base if isinstance(part, Power) and part.exponent == -1 else part for part in parts]
    return all(isinstance(base, (Constant, Variable)) for base in bases)


def natural(table: Table, budget: Budget | Part, library: Library, price: Price = call_nats) -> list[Candidate]:
    """Candidate formulas of one to three columns without inner numbers, the shortest descriptions first.

    price: nats of a formula beside its misfit and nodes.
    """
    rows = table.fit
    if not 1 <= table.columns <= max(CLEAN_LISTED) or len(rows) < 8:
        return []
    clean = table.goal <= EXACT
    points = rows.take(np.arange(min(len(rows), CLEAN_POINTS if clean else NOISY_POINTS)))
    found = _with_one(_listed(points.inputs, (CLEAN_LISTED if clean else NOISY_LISTED)[table.columns]), library)
    scored = []
    for join in _joins(found, points, budget):
        expression = _fitted(_expression(join, found), join.link, rows)
        scored.append((_length(expression, rows) + call_nats(expression), expression))
    scored = _distinct(scored)[:PRICED]
    scored = _distinct([(_length(expression, rows) + price(expression), expression) for _, expression in scored])
    best = [expression for length, expression in scored[:RETURNED] if np.isfinite(length)]
    best += [polish(loosened(expression), rows, 40).expression for expression in best[:LOOSENED]]
    return [Candidate(expression, table.error(expression), "natural numbers") for expression in best]


def _length(expression: Expression, rows: Rows) -> float:
    scale = max(float(np.mean((rows.target * rows.roots) ** 2)), 1e-300)
    with np.errstate(over="ignore"):
        misfit = mean_square(expression, rows) / scale
    return 0.5 * len(rows) * float(np.log(max(misfit, FLOOR))) + NODE_NATS * expression.complexity


def _distinct(scored: list[tuple[float, Expression]]) -> list[tuple[float, Expression]]:
    """Sorted by length; two ways to write one formula have equal ones."""
    kept: dict[str, tuple[float, Expression]] = {}
    for length, expression in sorted(scored, key=lambda item: item[0]):
        kept.setdefault(f"{length:.6g}", (length, expression))
    return list(kept.values())


def _listed(inputs: Array, most: int) -> Listing:
    """The short expressions of the columns; of a single one also of its inverse, because a group may be either."""
    if inputs.shape[1] > 1 or np.any(np.abs(inputs) < TINY):
        return listing(inputs, most)
    found = listing(np.column_stack([inputs, 1.0 / inputs]), most)
    both = [Variable(0), raise_to(Variable(0), Fraction(-1))]
    return Listing(tuple(tree.substitute(both) for tree in found.trees), found.values, found.complexity)


def _with_one(found: Listing, library: Library) -> Listing:
    """The list with the number 1 in front, less what the library does not allow."""
    kept = [i for i, tree in enumerate(found.trees) if allowed(tree, library)]
    ones = np.ones((1, found.values.shape[1]))
    return Listing(
        (whole(1), *(found.trees[i] for i in kept)),
        np.vstack([ones, found.values[kept]]),
        np.array([0.0, *(NODE_NATS * found.complexity[i] + call_nats(found.trees[i]) for i in kept)]),
    )


def _joins(found: Listing, points: Rows, budget: Budget | Part) -> Iterator[_Join]:
    weights = np.ones(len(points)) if points.weights is None else points.weights
    plain = _Sample(found.values, found.complexity, points.target, weights / weights.sum())
    yield from _scanned(plain, "y")
    if not np.all(points.target > 0):
        few, first = slice(0, DIRECT_POINTS), slice(0, DIRECT_LISTED)
        w = plain.weights[few] / plain.weights[few].sum()
        yield from _direct(_Sample(plain.values[first, few], plain.lengths[first], plain.target[few], w))
    for link in LINKS:
        if link.name in LINKED and link.allowed(points.target) and not budget.expired:
            with np.errstate(all="ignore"):
                target, slope = link.forward(points.target), np.abs(link.slope(points.target))
                changed = weights / np.maximum(slope, 1e-6 * slope.max()) ** 2
            if np.all(np.isfinite(target)) and np.all(np.isfinite(changed)):
                sample = _Sample(found.values, found.complexity, target, changed / changed.sum())
                yield from _scanned(sample, link.name)


def _scanned(sample: _Sample, link: str) -> Iterator[_Join]:
    """The best products, sums and differences of the list, by c alone: c may be negative, so a - b is b - a as well."""
    v, w, y = sample.values, sample.weights, sample.target
    total = float(w @ y**2)
    squares, plain, onto = v * v, (v * v) @ w, v @ (w * y)
    kept: dict[str, list[_Join]] = {"product": [], "sum": [], "difference": []}
    for start in range(0, len(v), BLOCK):
        part, before = slice(start, start + BLOCK), slice(0, start + BLOCK)
        with np.errstate(all="ignore"):
            weighted = v[part] * w
            inner = 2.0 * (weighted @ v[before].T)
            lengths = plain[part, None] + plain[before]
            gains = {
                "product": ((weighted * y) @ v[before].T) ** 2 / ((squares[part] * w) @ squares[before].T),
                "sum": (onto[part, None] + onto[before]) ** 2 / (lengths + inner),
                "difference": (onto[part, None] - onto[before]) ** 2 / np.maximum(lengths - inner, 1e-9 * lengths),
            }
        twice = np.triu_indices(len(weighted), 1)
        for kind, gain in gains.items():
            gain[:, part][twice] = -np.inf  # the same pair the other way round
            kept[kind] = _merged(kept[kind], 1.0 - gain / total, start, kind, link, sample)
    for joins in kept.values():
        yield from joins


def _direct(sample: _Sample) -> Iterator[_Join]:
    """Powers of positive sums and differences, without a link: for targets whose noise reaches beyond zero."""
    v, w, y = sample.values, sample.weights, sample.target
    total, onto = float(w @ y**2), w * y
    for kind, sign in (("sum", 1.0), ("difference", -1.0)):
        kept: dict[Fraction, list[_Join]] = {power: [] for power in DIRECT_POWERS}
        for row in range(len(v)):
            base = v[row] + sign * v[: row + 1 if kind == "sum" else len(v)]
            positive = np.flatnonzero(np.min(base, axis=1) > 0)
            if len(positive) == 0:
                continue
            root = np.sqrt(base[positive])
            inverse = 1.0 / base[positive]
            for power, value in zip(DIRECT_POWERS, (inverse, root, inverse * root), strict=True):
                errors = np.full(len(v), np.inf)
                errors[positive] = 1.0 - (value @ onto) ** 2 / ((value * value) @ w) / total
                kept[power] = _merged(kept[power], errors[None], row, kind, str(power), sample)
        for joins in kept.values():
            yield from joins


def _merged(kept: list[_Join], errors: Array, start: int, kind: str, link: str, sample: _Sample) -> list[_Join]:
    """The best joins so far and of a block of mean square errors (b, F)."""
    count = errors.shape[1]
    lengths = sample.lengths[start : start + len(errors), None] + sample.lengths[None, :count]
    with np.errstate(all="ignore"):
        cost = 0.5 * len(sample.target) * np.log(np.maximum(errors, FLOOR)) + lengths
    limit = kept[-1].cost if len(kept) >= KEPT else np.inf
    flat = np.flatnonzero(np.isfinite(cost) & (cost < limit))
    values = cost.ravel()[flat]
    if len(flat) > KEPT:
        chosen = np.argpartition(values, KEPT)[:KEPT]
        flat, values = flat[chosen], values[chosen]
    new = []
    for at, value in zip(flat.tolist(), values.tolist(), strict=True):
        row, column = divmod(at, count)
        new.append(_Join(value, start + row, column, kind, link))
    return sorted([*kept, *new], key=lambda join: join.cost)[:KEPT]


def _expression(join: _Join, found: Listing) -> Expression:
    first, second = found.trees[join.first], found.trees[join.second]
    if join.kind == "product":
        return multiply(first, second)
    return add(first, second if join.kind == "sum" else multiply(whole(-1), second))


def _fitted(body: Expression, link: str, rows: Rows) -> Expression:
    """The formula c * body under its link, c by least squares of the target itself."""
    inverse = _inverse_of(link)
    if inverse is None:
        value, start = raise_to(body, Fraction(link)), 1.0
        shape = value.evaluate(rows.inputs)
        w = np.ones(len(rows)) if rows.weights is None else rows.weights
        with np.errstate(all="ignore"):
            start = float((w * shape) @ rows.target / ((w * shape) @ shape))
        return canonical(multiply(Constant(start if np.isfinite(start) and start else 1.0), value))
    target, weights = inverse.forward(rows.target), _weights(inverse, rows)
    shape = body.evaluate(rows.inputs)
    with np.errstate(all="ignore"):
        start = float((weights * shape) @ target / ((weights * shape) @ shape))
    start = start if np.isfinite(start) and start else 1.0
    expression = inverse.inverse(multiply(Constant(start), body))
    return canonical(expression if link == "y" else polish(expression, rows, 10).expression)


def _inverse_of(link: str) -> Link | None:
    return next((each for each in LINKS if each.name == link), None)


def _weights(link: Link, rows: Rows) -> Array:
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    with np.errstate(all="ignore"):
        slope = np.abs(link.slope(rows.target))
        return weights / np.maximum(slope, 1e-6 * slope.max()) ** 2


def loosened(expression: Expression) -> Expression:
    """The formula with a free number before every argument of a function."""
    return expression.map(
        lambda node: Call(node.name, multiply(Constant(1.0), _bare(node.argument))) if isinstance(node, Call) else node
    )


def _bare(node: Expression) -> Expression:
    if isinstance(node, Product):
        return multiply(*(factor for factor in node.factors if not isinstance(factor, Constant)))
    return node
