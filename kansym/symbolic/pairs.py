"""Laws of one to three variables by meeting in the middle: all short expressions are listed, and all pairs are tried.

With a and b from the list, the link's value may be c a + d b + e, a (c b + d), c a b + d or c a / (b + d). The best c,
d, e of every pair follow from a few matrix products, so ten million pairs take about a second, and a law of thirteen
nodes is found from two halves of six. Noise does not hinder: the pairs are ranked by misfit and length, and the best
are fitted again with all numbers inside set free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Product,
    Sum,
    add,
    multiply,
    raise_to,
)
from kansym.symbolic.links import usable, weights_under
from kansym.symbolic.listing import Listing, even, listing

Array = np.ndarray
POINTS_CLEAN, POINTS_NOISY = 56, 240
JUDGED_CLEAN, JUDGED_NOISY = 400, 1000
SHORT, MIDDLE, LONG = 500, 2500, 6000  # a short expression meets all, one of the middle those that are not long
BLOCK = 64
TOP = 30
KEPT = 8  # pairs under one link that are fitted again
FEWEST = 24
EXACT = 1e-9
NODE_NATS = 2.0
FLOOR = 1e-24
SINGULAR = 1e-9


@dataclass(frozen=True)
class Pair:
    """Two numbers of a listing, how they are joined (sum, product, shifted), and nats of misfit and length."""

    first: int
    second: int
    join: str
    cost: float


# How pairs are joined under every link.
JOINS: Mapping[str, tuple[str, ...]] = {
    "y": ("sum", "product", "shifted", "quotient"),
    "1/y": ("sum", "product", "shifted"),
    "y^2": ("sum", "product", "shifted", "quotient"),
    "1/y^2": ("sum", "product"),
    "log y": ("sum", "product"),
    "exp y": ("sum", "product"),
} | dict.fromkeys(("sin y", "cos y", "tan y", "atanh y"), ("sum", "product", "quotient"))


def halves(rows: Rows, clean: bool) -> Iterator[Iterator[Expression]]:
    """The best formulas of two halves, link after link, for rows (N, D) with D from 1 to 3.

    clean: whether the target has no noise, so that fewer rows tell the pairs apart.
    """
    if len(rows) < FEWEST:
        return
    scanned, judged = (POINTS_CLEAN, JUDGED_CLEAN) if clean else (POINTS_NOISY, JUDGED_NOISY)
    few, thin = (rows.take(np.arange(min(len(rows), count))) for count in (scanned, judged))
    found = even(listing(few.inputs), few.target)
    if not found.trees:
        return
    for link, _ in usable(rows.target):
        if link.name not in JOINS:
            continue
        changed = [
            Rows(part.inputs, link.forward(part.target), weights_under(link, part.target, part.weights))
            for part in (few, thin)
        ]
        yield _best_under(found, changed[0], changed[1], thin, link.inverse, JOINS[link.name])


def _best_under(
    found: Listing,
    few: Rows,
    changed: Rows,
    thin: Rows,
    inverse: Callable[[Expression], Expression],
    joins: tuple[str, ...],
) -> Iterator[Expression]:
    scored = []
    for pair in best_pairs(found, few.target, few.roots**2 * np.ones(len(few)), len(few), joins):
        expression = expression_of(
            pair, found, changed.inputs, changed.target, changed.roots**2 * np.ones(len(changed))
        )
        if expression is None:
            continue
        formula = inverse(expression)
        misfit = mean_square(formula, thin)
        if np.isfinite(misfit):
            scored.append((0.5 * len(thin) * np.log(misfit + 1e-300) + NODE_NATS * formula.complexity, misfit, formula))
    scored.sort(key=lambda item: item[0])
    for _, misfit, formula in scored[:KEPT]:
        yield polish(formula, thin, 30).expression
        if misfit <= (EXACT * float(np.std(thin.target))) ** 2:
            return
        yield polish(loosened(formula), thin, 40).expression


def best_pairs(
    found: Listing, target: Array, weights: Array, rows: int, joins: tuple[str, ...], top: int = TOP
) -> list[Pair]:
    """For every join its pairs of shortest description of the target (n,), under weights (n,), for so many rows."""
    w = weights / weights.mean()
    spread = float(np.average((target - np.average(target, weights=w)) ** 2, weights=w))
    if spread == 0:
        return []
    best: list[Pair] = []
    for join in joins:
        best += _scan(found, target / np.sqrt(spread), w, rows, join, top)
    return best


def _scan(found: Listing, target: Array, w: Array, rows: int, join: str, top: int) -> list[Pair]:
    sizes = np.sqrt(np.average(found.values**2, axis=1, weights=w))
    scorer = _SCORERS[join](found.values / sizes[:, None], target, w)
    kept: list[tuple[float, int, int]] = []
    threshold = np.inf
    for left, right in _blocks(len(found.values), join in ("product", "quotient")):
        nodes = found.complexity[left, None] + found.complexity[right]
        with np.errstate(all="ignore"):
            gain, size = scorer.gains(left, right)
            # error = whole - gain / size: the least that any pair of this block may have and still be kept
            least = np.exp(
                2.0 / rows * (threshold - NODE_NATS * (found.complexity[left.start] + found.complexity[right.start]))
            )
            flat = np.flatnonzero(gain > size * (scorer.whole - min(least, 1e30)))
            error = scorer.whole - gain.ravel()[flat] / size.ravel()[flat]
            cost = 0.5 * rows * np.log(np.maximum(error, FLOOR)) + NODE_NATS * nodes.ravel()[flat]
        cost[~(size.ravel()[flat] > SINGULAR)] = np.inf
        near = np.argpartition(cost, 2 * top)[: 2 * top] if len(cost) > 2 * top else np.arange(len(cost))
        order = near[np.argsort(cost[near], kind="stable")]
        for at in order[cost[order] < threshold].tolist():
            row, column = divmod(int(flat[at]), gain.shape[1])
            kept.append((float(cost[at]), left.start + row, right.start + column))
        kept = sorted(kept)[: 2 * top]
        threshold = kept[-1][0] if len(kept) == 2 * top else np.inf
    return _distinct(kept, join, top)


def _blocks(count: int, ordered: bool) -> list[tuple[slice, slice]]:
    """Blocks of pairs, each pair once; both ways round where the order matters."""
    short, middle, long = (min(size, count) for size in (SHORT, MIDDLE, LONG))
    corners = [(slice(0, short), slice(0, count)), (slice(short, middle), slice(short, long))]
    if ordered:
        corners += [(slice(short, count), slice(0, short)), (slice(middle, long), slice(short, middle))]
    return [
        (slice(at, min(at + BLOCK, left.stop)), right)
        for left, right in corners
        for at in range(left.start, left.stop, BLOCK)
        if right.stop > right.start
    ]


def _distinct(kept: list[tuple[float, int, int]], join: str, top: int) -> list[Pair]:
    seen: set[tuple[int, int]] = set()
    pairs = []
    for cost, i, j in kept:
        key = (i, j) if join == "product" else (min(i, j), max(i, j))
        if key not in seen:
            seen.add(key)
            pairs.append(Pair(i, j, join, cost))
    return pairs[:top]


@dataclass(frozen=True)
class _Scorer:
    """gains(left, right): two matrices whose quotient is what every pair of two blocks explains, out of `whole`."""

    gains: Callable[[slice, slice], tuple[Array, Array]]
    whole: float = 1.0


def _sums(values: Array, target: Array, w: Array) -> _Scorer:
    """c a + d b + e."""
    share = w / len(w)
    centred = values - (values @ share)[:, None]
    norm = np.sqrt(np.maximum(centred**2 @ share, 1e-20))
    unit = centred / norm[:, None] * np.sqrt(share)
    y = (target - target @ share) * np.sqrt(share)
    r = unit @ y / np.linalg.norm(y)

    def gains(left: slice, right: slice) -> tuple[Array, Array]:
        gap = unit[left] @ unit[right].T
        gain = gap * (-2.0 * r[left, None])
        gain *= r[right]
        gain += r[left, None] ** 2
        gain += r[right] ** 2
        np.multiply(gap, gap, out=gap)
        np.subtract(1.0, gap, out=gap)
        return gain, gap

    return _Scorer(gains)


def _shifted(values: Array, target: Array, w: Array) -> _Scorer:
    """c a b + d."""
    share = w / len(w)
    squares, y = values * values, target - target @ share
    y = y / np.sqrt(y**2 @ share)

    def gains(left: slice, right: slice) -> tuple[Array, Array]:
        product = (values[left] * share) @ values[right].T
        size = (squares[left] * share) @ squares[right].T
        np.multiply(product, product, out=product)
        size -= product
        gain = (values[left] * (share * y)) @ values[right].T
        np.multiply(gain, gain, out=gain)
        return gain, size

    return _Scorer(gains)


def _products(values: Array, target: Array, w: Array) -> _Scorer:
    """a (c b + d), where the mean square of every value is 1."""
    share = w / len(w)
    squares = values * values
    y = target / np.sqrt((target - target @ share) ** 2 @ share)
    side = values @ (share * y)

    def gains(left: slice, right: slice) -> tuple[Array, Array]:
        mixed = (squares[left] * share) @ values[right].T
        size = (squares[left] * share) @ squares[right].T
        gain = (values[left] * (share * y)) @ values[right].T
        cross = gain * mixed
        np.multiply(gain, gain, out=gain)
        gain += size * side[left, None] ** 2
        cross *= 2.0 * side[left, None]
        gain -= cross
        np.multiply(mixed, mixed, out=mixed)
        size -= mixed
        return gain, size

    return _Scorer(gains, float(y**2 @ share))


def _quotients(values: Array, target: Array, w: Array) -> _Scorer:
    """c a / (b + d): how well y b and y together draw a, of mean square 1."""
    share = w / len(w)
    y2 = target**2 * share
    yy, ay, by = float(y2.sum()), values @ (share * target), values @ y2
    bb = values**2 @ y2

    def gains(left: slice, right: slice) -> tuple[Array, Array]:
        gain = (values[left] * (share * target)) @ values[right].T
        cross = gain * (2.0 * ay[left, None])
        cross *= by[right]
        np.multiply(gain, gain, out=gain)
        gain *= yy
        gain += ay[left, None] ** 2 * bb[right]
        gain -= cross
        size = np.broadcast_to(bb[right] * yy - by[right] ** 2, gain.shape)
        return gain, size

    return _Scorer(gains)


_SCORERS: dict[str, Callable[[Array, Array, Array], _Scorer]] = {
    "sum": _sums, "product": _products, "shifted": _shifted, "quotient": _quotients,
}  # fmt: skip


def expression_of(pair: Pair, found: Listing, inputs: Array, target: Array, weights: Array) -> Expression | None:
    """The pair as a formula, with its numbers by least squares on the rows; None where it is not finite on them."""
    a, b = found.trees[pair.first], found.trees[pair.second]
    left, right = a.evaluate(inputs), b.evaluate(inputs)
    if not (np.all(np.isfinite(left)) and np.all(np.isfinite(right))):
        return None
    if pair.join == "quotient":
        return _quotient(a, b, left, right, target, weights)
    ones = np.ones(len(target))
    parts: tuple[tuple[Expression | None, Array], ...] = {
        "sum": ((a, left), (b, right), (None, ones)),
        "product": ((multiply(a, b), left * right), (a, left)),
        "shifted": ((multiply(a, b), left * right), (None, ones)),
    }[pair.join]
    matrix = np.column_stack([values for _, values in parts]) * np.sqrt(weights)[:, None]
    scale = np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    solution = np.linalg.lstsq(matrix / scale, target * np.sqrt(weights), rcond=None)[0] / scale
    share = np.abs(solution) * scale / max(float(np.linalg.norm(target * np.sqrt(weights))), 1e-300)
    terms: list[Expression] = []
    for (tree, _), c, s in zip(parts, solution, share, strict=True):
        if s > 1e-9:
            terms.append(Constant(float(c)) if tree is None else multiply(Constant(float(c)), tree))
    if pair.join == "product" and len(terms) == 2:  # a (c b + d) rather than c a b + d a
        return multiply(a, add(multiply(Constant(float(solution[0])), b), Constant(float(solution[1]))))
    return add(*terms) if terms else None


def _quotient(a: Expression, b: Expression, left: Array, right: Array, y: Array, weights: Array) -> Expression | None:
    with np.errstate(all="ignore"):
        matrix = np.column_stack([y * right, y]) * np.sqrt(weights)[:, None]
        over, under = np.linalg.lstsq(matrix, left * np.sqrt(weights), rcond=None)[0]
        shift = under / over
    if not np.isfinite(shift) or over == 0:
        return None
    return multiply(Constant(float(1.0 / over)), a, raise_to(add(b, Constant(float(shift))), Fraction(-1)))


def loosened(expression: Expression) -> Expression:
    """The formula with its exact numbers free, and a free number before every argument of a function."""

    def change(node: Expression) -> Expression:
        if isinstance(node, Constant) and node.label is not None:
            return Constant(node.value)
        if isinstance(node, Call) and not _scaled(node.argument):
            return Call(node.name, multiply(Constant(1.0), node.argument))
        if isinstance(node, Sum):
            return add(*(term if _scaled(term) else multiply(Constant(1.0), term) for term in node.terms))
        return node

    return expression.map(change)


def _scaled(node: Expression) -> bool:
    if isinstance(node, Constant):
        return True
    if isinstance(node, Product):
        return any(isinstance(factor, Constant) for factor in node.factors)
    return isinstance(node, Sum)
