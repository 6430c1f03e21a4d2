"""The changes of one formula at one of its nodes, each with the nats that it promises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.symbolic.constants import Rows
from kansym.symbolic.edits.places import Place, places, replaced
from kansym.symbolic.edits.stock import Stock
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    Tape,
    Variable,
    add,
    call,
    multiply,
    raise_to,
    whole,
)
from kansym.symbolic.pairs import best_pairs, expression_of
from kansym.symbolic.table import NATS_PER_NODE

Array = np.ndarray
Change = tuple[float, Expression]  # the nats that it promises, and what becomes of a node
ADDED, MULTIPLIED, REPLACED, PAIRS = 8, 4, 4, 3  # changes of a kind that are kept at every node
OWN = 1e-6  # share of a change that must not be one of the formula's constants already
READABLE = 0.9  # of the rows must tell what is wanted at a node
SHORTENED = -1.0  # nats that a shorter formula is expected to win: what it loses nobody knows before it is fitted
SCALES = (0.5, 2.0)  # of the argument of a function that takes the place of another one
JOINS = ("sum", "product", "quotient")


@dataclass(frozen=True)
class Move:
    """A changed formula, with constants near those that fit, and the nats by which its description should change."""

    nats: float
    formula: Expression


@np.errstate(all="ignore")
def moves(formula: Expression, rows: Rows, stock: Stock, count: int, floor: float) -> list[Move]:
    """Changes of a formula, the most promising first.

    Args:
        formula: fitted to the rows.
        rows: n of the table's rows, on which the stock has its values.
        stock: what is added, multiplied and put in the place of nodes.
        count: of rows that the formula must describe in the end.
        floor: the mean square of the errors that is as good as 0.
    """
    rest = Remainder.of(formula, rows, count, floor)
    if rest is None:
        return []
    found = _shortened(formula, rows.inputs)
    for place in places(formula, rows.inputs, rows.target):
        changes = _loosened(place, rest) if place.is_exact else _changes(place, rest, stock, rows)
        found += [Move(nats, replaced(formula, place.path, node)) for nats, node in changes]
    return sorted(found, key=lambda move: move.nats)


def _changes(place: Place, rest: Remainder, stock: Stock, rows: Rows) -> Iterator[Change]:
    """Everything that may become of a node, and the nats that each promises."""
    yield from _added(place, rest, stock)
    yield from _multiplied(place, rest, stock)
    yield from _raised(place, rest)
    yield from _replaced(place, rest, stock, rows)


@dataclass(frozen=True)
class Remainder:
    """What a formula leaves of n rows, to first order.

    Attributes:
        roots: (n,) of the weights.
        residual: (n,) of the target less the formula, weighed, without what its own constants could still take.
        basis: (n, P) orthonormal: what small changes of its constants do to the formula.
        square: sum of squares of all that the formula leaves, and at least what is as good as 0.
        least: sum of squares that is as good as 0.
        count: of rows that the formula must describe.
    """

    roots: Array
    residual: Array
    basis: Array
    square: float
    least: float
    count: int

    @staticmethod
    @np.errstate(all="ignore")
    def of(formula: Expression, rows: Rows, count: int, floor: float) -> Remainder | None:
        """None where the formula or its derivatives are not finite."""
        tape = Tape(formula)
        roots = rows.roots * np.ones(len(rows))
        values, slopes = tape.jacobian(rows.inputs, tape.start[None])
        own = slopes[0] * roots[:, None]
        own = own / np.maximum(np.linalg.norm(own, axis=0), 1e-300)
        residual = (rows.target - values[0]) * roots
        least, square = floor * len(rows), float(residual @ residual)
        if not (np.all(np.isfinite(own)) and np.isfinite(square)):
            return None
        basis = np.linalg.qr(own)[0] if own.shape[1] else own
        residual = residual - basis @ (basis.T @ residual)
        return Remainder(roots, residual, basis, max(square, least, 1e-300), max(least, 1e-300), count)

    @property
    def price(self) -> float:
        """Nats of one more fitted number."""
        return 0.5 * math.log(self.count)

    def nats(self, square: Array | float) -> Array:
        """How much the misfit's part of the description falls where so much is left of the squares."""
        return 0.5 * self.count * np.log(np.maximum(square, self.least) / self.square)

    @np.errstate(all="ignore")
    def gains(self, slope: Array, values: Array, squares: Array) -> tuple[Array, Array]:
        """Nats (M,) that change when c times values (M, n) come on top of a node, and the best c (M,) of each."""
        weighed = slope * self.roots
        if not np.all(np.isfinite(weighed)):
            return np.full(len(values), np.inf), np.zeros(len(values))
        length = squares @ (weighed * weighed)
        free = length - np.sum((values @ (weighed[:, None] * self.basis)) ** 2, axis=1)
        along = values @ (weighed * self.residual)
        gain = np.where(free > OWN * length, along * along / free, 0.0)
        told = (gain > 0) & np.isfinite(gain)
        return np.where(told, self.nats(self.square - gain) + self.price, np.inf), np.where(told, along / free, 0.0)


def _best(nats: Array, most: int) -> list[int]:
    """Numbers of the smallest finite nats."""
    near = np.argpartition(nats, most)[:most] if len(nats) > most else np.arange(len(nats))
    return [int(i) for i in near if np.isfinite(nats[i])]


def _single(
    rest: Remainder, slope: Array, values: Array, nodes: float, change: Callable[[float], Expression]
) -> Iterator[Change]:
    """One change of a node by a number c, which adds c times values (n,): its nats and the node then."""
    nats, numbers = rest.gains(slope, values[None], values[None] ** 2)
    if np.isfinite(nats[0]):
        yield float(nats[0]) + NATS_PER_NODE * nodes, change(float(numbers[0]))


def _loosened(place: Place, rest: Remainder) -> Iterator[Change]:
    """A free number in the place of a known one."""
    ones = np.ones(len(place.value))
    yield from _single(rest, place.slope, ones, 0.0, lambda c: Constant(float(place.value[0]) + c))


def _added(place: Place, rest: Remainder, stock: Stock) -> Iterator[Change]:
    """A constant or an expression on top of a node; a term of a sum is left to the sum."""
    if isinstance(place.parent, Sum):
        return
    ones = np.ones(len(place.value))
    yield from _single(rest, place.slope, ones, 2.0, lambda c: add(place.node, Constant(c)))
    nats, factors = rest.gains(place.slope, stock.values, stock.squares)
    nats = nats + NATS_PER_NODE * (stock.nodes + 3.0)
    for i in _best(nats, ADDED):
        yield float(nats[i]), add(place.node, multiply(Constant(float(factors[i])), stock.trees[i]))


def _multiplied(place: Place, rest: Remainder, stock: Stock) -> Iterator[Change]:
    """A number before a node, an expression or a power of one; factors are left to the product."""
    if place.is_number or isinstance(place.parent, Product):
        return
    slope = place.slope * place.value
    ones = np.ones(len(slope))
    yield from _single(rest, slope, ones, 2.0, lambda c: multiply(Constant(1.0 + c), place.node))
    nats, factors = rest.gains(slope, stock.values, stock.squares)
    nats = nats + NATS_PER_NODE * (stock.nodes + 4.0)
    for i in _best(nats, MULTIPLIED):
        for factor in _factors(stock.trees[i], float(factors[i])):
            yield float(nats[i]), multiply(place.node, factor)
    nats, powers = rest.gains(slope, stock.logarithms, stock.logarithms**2)
    nats = nats + NATS_PER_NODE * (stock.nodes[stock.bases] + 3.0)
    for i in _best(nats, MULTIPLIED):
        yield float(nats[i]), multiply(place.node, _power(stock.trees[stock.bases[i]], float(powers[i])))


def _raised(place: Place, rest: Remainder) -> Iterator[Change]:
    """A node to a power that is fitted; factors are left to the product."""
    if not place.is_number and not isinstance(place.parent, Product) and np.all(place.value > 0):
        logarithm, slope = np.log(place.value), place.slope * place.value
        yield from _single(rest, slope, logarithm, 2.0, lambda c: _power(place.node, 1.0 + c))


def _factors(tree: Expression, number: float) -> tuple[Expression, ...]:
    """Factors that are 1 + c u to first order."""
    term = multiply(Constant(number), tree)
    below = add(whole(1), multiply(Constant(-number), tree))
    return add(whole(1), term), call("exp", term), raise_to(below, Fraction(-1))


def _power(base: Expression, exponent: float) -> Expression:
    return call("exp", multiply(Constant(exponent), call("log", base)))


# What may become of a node in its own place.
_WRAPPED: tuple[tuple[Callable[[Array], Array], Callable[[Expression], Expression]], ...] = (
    (np.exp, lambda u: call("exp", u)),
    (lambda v: np.exp(-v), lambda u: call("exp", multiply(whole(-1), u))),
    (np.log, lambda u: call("log", u)),
    (np.sqrt, lambda u: raise_to(u, Fraction(1, 2))),
    (lambda v: 1.0 / v, lambda u: raise_to(u, Fraction(-1))),
    (np.square, lambda u: raise_to(u, Fraction(2))),
    (np.tanh, lambda u: call("tanh", u)),
    (np.sin, lambda u: call("sin", u)),
    (np.cos, lambda u: call("cos", u)),
    (np.arctan, lambda u: call("atan", u)),
)


def _replaced(place: Place, rest: Remainder, stock: Stock, rows: Rows) -> Iterator[Change]:
    """Another expression u in the place of a node, as c u + d or c u, or two of them joined."""
    if place.is_number or place.wanted is None:
        return
    weights = np.abs(place.slope) * rest.roots
    told = np.isfinite(place.wanted) & np.isfinite(weights)
    squares = np.where(told, weights, 0.0) ** 2
    wanted = np.where(told, place.wanted, 0.0)
    if np.mean(told) < READABLE or not 0 < float(np.sum(squares)) < np.inf:
        return
    saved = NATS_PER_NODE * place.node.complexity + rest.price * len(place.node.free_constants)
    fitted = [_in_place(wanted, squares, rest, *_candidates(place, stock, rows))]
    if place.path and np.all(told):  # at the top, pairs are the search's own
        fitted.append(_joined(wanted, squares, rest, stock, rows))
    for found in fitted:
        yield from ((nats - saved, node) for nats, node in found)


def _candidates(place: Place, stock: Stock, rows: Rows) -> tuple[list[Expression], Array, Array]:
    """What may stand in a place: functions of the node or of its argument, and anywhere but at the top the stock."""
    trees, values = [], []
    with np.errstate(all="ignore"):
        for node, value in _arguments(place, rows):
            for function, tree in _WRAPPED:
                if np.all(np.isfinite(told := function(value))):
                    trees.append(tree(node))
                    values.append(told)
    nodes = np.array([float(tree.complexity) for tree in trees])
    own = np.reshape(values, (-1, len(place.value)))
    if not place.path:
        return trees, own, nodes
    return [*trees, *stock.trees], np.vstack([own, stock.values]), np.concatenate([nodes, stock.nodes])


def _arguments(place: Place, rows: Rows) -> Iterator[tuple[Expression, Array]]:
    """What functions in a place may be of, with its values (n,): the node, and the argument of a function there."""
    yield place.node, place.value
    if isinstance(place.node, (Call, Power)):
        inside = place.node.children[0]
        value = inside.evaluate(rows.inputs)
        yield inside, value
        for scale in SCALES:
            yield multiply(Constant(scale), inside), scale * value


def _in_place(
    wanted: Array, squares: Array, rest: Remainder, trees: list[Expression], values: Array, nodes: Array
) -> Iterator[Change]:
    """The best c u + d and c u for what is wanted, under squares of weights (n,)."""
    total = float(np.sum(squares))
    mean, size = float(wanted @ squares) / total, float(wanted @ (squares * wanted))
    with np.errstate(all="ignore"):
        means, lengths, along = values @ squares / total, values**2 @ squares, values @ (squares * wanted)
        free = lengths - means * means * total
        c = (along - means * mean * total) / free
        left = size - mean * mean * total - c * c * free
        shifted = rest.nats(left) + NATS_PER_NODE * (nodes + 4.0) + 2.0 * rest.price
        shifted = np.where(np.isfinite(shifted) & (free > OWN**2 * lengths), shifted, np.inf)
        alone = rest.nats(size - along * along / lengths) + NATS_PER_NODE * (nodes + 2.0) + rest.price
        alone = np.where(np.isfinite(alone), alone, np.inf)
    for i in _best(shifted, REPLACED):
        term = multiply(Constant(float(c[i])), trees[i])
        yield float(shifted[i]), add(term, Constant(mean - float(c[i] * means[i])))
    for i in _best(alone, REPLACED):
        yield float(alone[i]), multiply(Constant(float(along[i] / lengths[i])), trees[i])


def _joined(wanted: Array, squares: Array, rest: Remainder, stock: Stock, rows: Rows) -> Iterator[Change]:
    """The best of two expressions joined for what is wanted."""
    if not stock.pairs.trees:
        return
    weights = squares / np.mean(squares)
    for pair in best_pairs(stock.pairs, wanted, weights, rest.count, JOINS, PAIRS):
        node = expression_of(pair, stock.pairs, rows.inputs, wanted, weights)
        if node is not None:
            square = float(np.sum(squares * (node.evaluate(rows.inputs) - wanted) ** 2))
            if np.isfinite(square):
                price = NATS_PER_NODE * node.complexity + rest.price * len(node.free_constants)
                yield float(rest.nats(square)) + price, node


def _shortened(formula: Expression, inputs: Array) -> list[Move]:
    """The formula without a term, a factor or a function, or with a number in the place of a node."""
    return [Move(SHORTENED, form) for form in _shorter(formula, inputs)]


def _shorter(formula: Expression, inputs: Array) -> Iterator[Expression]:
    for place in places(formula, inputs, np.zeros(len(inputs))):
        node = place.node
        if isinstance(node, (Sum, Product)):
            for i, child in enumerate(node.children):
                others = node.children[:i] + node.children[i + 1 :]
                if isinstance(node, Sum) or not isinstance(child, Constant):
                    join = add if isinstance(node, Sum) else multiply
                    yield replaced(formula, place.path, join(*others))
        elif isinstance(node, (Call, Power)) and node.variables:
            inside = node.children[0]
            yield from (replaced(formula, place.path, form) for form in (inside, multiply(Constant(1.0), inside)))
        if place.path and not isinstance(node, (Constant, Variable)) and np.all(np.isfinite(place.value)):
            yield replaced(formula, place.path, Constant(float(np.mean(place.value))))
