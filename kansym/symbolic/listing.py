"""All short expressions of one to three columns, in order of length, each once: what pairs are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.symbolic.expression import Expression, Variable, add, call, multiply, raise_to, ratio, whole

Array = np.ndarray
LISTED = 20000
DEEPEST = 7
LARGEST = 1e8
SPIKY = 8.0  # largest over mean size, from which a column is one row and little else


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
    values = np.reshape([value for level in levels for value in level.values], (-1, len(points)))
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


def even(found: Listing, target: Array) -> Listing:
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
