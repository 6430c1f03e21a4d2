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
    Variable,
    add,
    call,
    multiply,
    raise_to,
    ratio,
    whole,
)
from kansym.symbolic.links import usable, weights_under

Array = np.ndarray
POINTS_CLEAN, POINTS_NOISY = 56, 240
JUDGED_CLEAN, JUDGED_NOISY = 400, 1000
LISTED = 20000
SHORT, MIDDLE, LONG = 500, 2500, 6000  # a short expression meets all, one of the middle those that are not long
SPIKY = 8.0  # largest over mean size, from which a column is one row and little else
DEEPEST = 7
BLOCK = 64
TOP = 30
KEPT = 8  # pairs under one link that are fitted again
FEWEST = 24
EXACT = 1e-9
LARGEST = 1e8
NODE_NATS = 2.0
FLOOR = 1e-24
SINGULAR = 1e-9


@dataclass(frozen=True)
class _Unary:
    """How an expression is made from a shorter one: name, values, tree, and what may stand inside."""

    name: str
    values: Callable[[Array], Array]
    tree: Callable[[Expression], Expression]
    inside: frozenset[str]  # families that the argument must not contain
    family: str
    on_powers: frozenset[str] = frozenset({"power", "root", "inverse"})  # kinds of powers that the argument may be
    most: int = 9  # nodes that the argument may have


_POWERS = frozenset({"power", "root", "inverse"})
_NONE: frozenset[str] = frozenset()
_WAVES, _EXPS = frozenset({"wave", "exp", "log", "bent"}), frozenset({"exp", "log", "wave", "bent"})


def _bell(argument: Expression) -> Expression:
    return call("exp", multiply(ratio(Fraction(-1, 2)), raise_to(argument, Fraction(2))))


UNARY: tuple[_Unary, ...] = (
    _Unary("square", lambda v: v * v, lambda e: raise_to(e, Fraction(2)), _NONE, "power", frozenset()),
    _Unary(
        "inverse",
        lambda v: 1.0 / v,
        lambda e: raise_to(e, Fraction(-1)),
        _NONE,
        "inverse",
        frozenset({"power", "root"}),
    ),
    _Unary("root", np.sqrt, lambda e: raise_to(e, Fraction(1, 2)), _NONE, "root", frozenset()),
    _Unary("more", lambda v: 1.0 + v, lambda e: add(whole(1), e), _NONE, "shift"),
    _Unary("less", lambda v: 1.0 - v, lambda e: add(whole(1), multiply(whole(-1), e)), _NONE, "shift"),
    _Unary("sin", np.sin, lambda e: call("sin", e), _WAVES, "wave", most=4),
    _Unary("cos", np.cos, lambda e: call("cos", e), _WAVES, "wave", most=4),
    _Unary("exp", np.exp, lambda e: call("exp", e), _EXPS, "exp", most=5),
    _Unary("decay", lambda v: np.exp(-v), lambda e: call("exp", multiply(whole(-1), e)), _EXPS, "exp", most=5),
    _Unary("bell", lambda v: np.exp(-0.5 * v * v), _bell, _EXPS, "exp", most=4),
    _Unary("log", np.log, lambda e: call("log", e), frozenset({"log", "wave", "bent"}), "log"),
    _Unary("tanh", np.tanh, lambda e: call("tanh", e), _EXPS, "bent", most=3),
    _Unary("atan", np.arctan, lambda e: call("atan", e), _EXPS, "bent", most=3),
    _Unary(
        "half", lambda v: 0.5 * v, lambda e: multiply(ratio(Fraction(1, 2)), e), _WAVES | {"shift", "power"}, "scale"
    ),
    _Unary("twice", lambda v: 2.0 * v, lambda e: multiply(whole(2), e), _WAVES | {"shift"}, "scale", most=3),
)
_BINARY: tuple[tuple[str, Callable[[Array, Array], Array], Callable[[Expression, Expression], Expression]], ...] = (
    ("plus", lambda a, b: a + b, lambda a, b: add(a, b)),
    ("minus", lambda a, b: a - b, lambda a, b: add(a, multiply(whole(-1), b))),
    ("times", lambda a, b: a * b, lambda a, b: multiply(a, b)),
    ("over", lambda a, b: a / b, lambda a, b: multiply(a, raise_to(b, Fraction(-1)))),
    ("under", lambda a, b: b / a, lambda a, b: multiply(b, raise_to(a, Fraction(-1)))),
)


@dataclass(frozen=True)
class Listing:
    """All short expressions: trees, values (F, n) at the points, and complexities (F,)."""

    trees: tuple[Expression, ...]
    values: Array
    complexity: Array


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
    found = _even(listing(few.inputs), few.target)
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


def _even(found: Listing, target: Array) -> Listing:
    """The listing without columns that are one giant row and little else, unless the target is so, too."""
    with np.errstate(all="ignore"):
        own = [float(_spike(values)) for values in (target, 1.0 / target)]
    allowed = max([SPIKY, *(3.0 * spike for spike in own if np.isfinite(spike))])
    kept = np.flatnonzero(_spike(found.values) <= allowed) if len(found.trees) else np.empty(0, dtype=int)
    return Listing(tuple(found.trees[i] for i in kept), found.values[kept], found.complexity[kept])


def _spike(values: Array) -> Array:
    """How much the largest value stands out, for one column (n,) or several (F, n)."""
    size = np.abs(values)
    return np.max(size, axis=-1) / np.mean(size, axis=-1)


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


@dataclass
class _Level:
    trees: list[Expression]
    values: list[Array]
    families: list[frozenset[str]]
    tops: list[str]


def listing(points: Array, most: int = LISTED) -> Listing:
    """Expressions of the columns in order of length, distinct on the points (n, D), at most so many."""
    columns = points.shape[1]
    levels: list[_Level] = [_Level([], [], [], [])]
    seen: set[bytes] = set()
    first = _Level([], [], [], [])
    for j in range(columns):
        _keep(first, seen, Variable(j), points[:, j], frozenset(), "variable")
    levels.append(first)
    count = len(first.trees)
    for size in range(2, DEEPEST + 1):
        level = _Level([], [], [], [])
        for made in _made(levels, size):
            if count + len(level.trees) >= most:
                break
            _keep(level, seen, *made)
        levels.append(level)
        count += len(level.trees)
        if count >= most:
            break
    trees = [tree for level in levels for tree in level.trees]
    values = np.array([value for level in levels for value in level.values])
    return Listing(tuple(trees), values, np.array([tree.complexity for tree in trees], dtype=float))


def _made(levels: list[_Level], size: int) -> Iterator[tuple[Expression, Array, frozenset[str], str]]:
    """Everything of one node more, or of two shorter ones joined."""
    below = levels[size - 1]
    with np.errstate(all="ignore"):
        for tree, value, families, top in zip(below.trees, below.values, below.families, below.tops, strict=True):
            for rule in UNARY:
                if (
                    size - 1 > rule.most
                    or families & rule.inside
                    or top in (rule.family, "scale")
                    and rule.family in ("shift", "scale")
                ):
                    continue
                if top in _POWERS and top not in rule.on_powers:
                    continue
                yield rule.tree(tree), rule.values(value), families | {rule.family}, rule.family
        for left_size in range(1, (size - 1) // 2 + 1):
            yield from _joined(levels[left_size], levels[size - 1 - left_size], left_size == size - 1 - left_size)


def _joined(left: _Level, right: _Level, same: bool) -> Iterator[tuple[Expression, Array, frozenset[str], str]]:
    for i in range(len(left.trees)):
        for j in range(i if same else 0, len(right.trees)):
            for name, values, tree in _BINARY:
                if i == j and same:
                    continue
                family = "sum" if name in ("plus", "minus") else "product"
                families = left.families[i] | right.families[j]
                yield tree(left.trees[i], right.trees[j]), values(left.values[i], right.values[j]), families, family


def _keep(level: _Level, seen: set[bytes], tree: Expression, value: Array, families: frozenset[str], top: str) -> None:
    size = np.max(np.abs(value))
    if not (np.isfinite(size) and 1e-8 < size < LARGEST) or np.ptp(value) <= 1e-6 * size:
        return
    key = np.round(value / size, 8).tobytes()
    if key not in seen:
        seen.add(key)
        level.trees.append(tree)
        level.values.append(value)
        level.families.append(families)
        level.tops.append(top)


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
