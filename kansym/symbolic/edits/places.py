"""The nodes of a formula: what each is on the rows, how the formula goes with it, and what would have to be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    Variable,
    add,
    multiply,
    power_slope,
    power_value,
)
from kansym.symbolic.primitives import CALLS

Array = np.ndarray
Path = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A node of a formula on n rows.

    Attributes:
        path: numbers of the children that lead to it from the top.
        node: what stands there.
        parent: what stands around it; None at the top.
        value: (n,) of the node.
        slope: (n,) derivative of the formula by the node.
        wanted: (n,) what the node would have to be for the formula to be the target, nan in rows where nothing would
            do; None where a function around it cannot be undone.
    """

    path: Path
    node: Expression
    parent: Expression | None
    value: Array
    slope: Array
    wanted: Array | None

    @property
    def is_number(self) -> bool:
        """Whether a constant stands there."""
        return isinstance(self.node, Constant)

    @property
    def is_exact(self) -> bool:
        """Whether a known number stands there."""
        return isinstance(self.node, Constant) and self.node.label is not None


# Functions on arrays that undo a primitive, on its main branch.
_UNDOES: Mapping[str, Callable[[Array], Array]] = {
    "exp": np.log, "log": np.exp, "log1p": np.expm1, "sin": np.arcsin, "cos": np.arccos, "tan": np.arctan,
    "asin": np.sin, "acos": np.cos, "atan": np.tan, "sinh": np.arcsinh, "tanh": np.arctanh, "asinh": np.sinh,
    "acosh": np.cosh, "atanh": np.tanh, "sigmoid": lambda y: np.log(y / (1.0 - y)),
}  # fmt: skip


def places(formula: Expression, inputs: Array, target: Array) -> list[Place]:
    """All nodes of a formula on rows (n, D) with a target (n,), from the top down."""
    values: dict[Path, Array] = {}
    with np.errstate(all="ignore"):
        _fill(formula, inputs, (), values)
        return list(_descend(formula, None, (), np.ones(len(inputs)), target, values))


def replaced(formula: Expression, path: Path, node: Expression) -> Expression:
    """The formula with another node at the end of a path."""
    if not path:
        return node
    children = list(formula.children)
    children[path[0]] = replaced(children[path[0]], path[1:], node)
    if isinstance(formula, Sum):
        return add(*children)
    return multiply(*children) if isinstance(formula, Product) else formula.rebuilt(children)


def _fill(node: Expression, inputs: Array, path: Path, values: dict[Path, Array]) -> Array:
    """The value (n,) of a node; those of all nodes below it go into the table."""
    below = [_fill(child, inputs, (*path, i), values) for i, child in enumerate(node.children)]
    if isinstance(node, Constant):
        value = np.full(len(inputs), node.value)
    elif isinstance(node, Variable):
        value = inputs[:, node.index]
    elif isinstance(node, Sum):
        value = np.sum(below, axis=0)
    elif isinstance(node, Product):
        value = np.prod(below, axis=0)
    elif isinstance(node, Power):
        value = power_value(below[0], node.exponent)
    else:
        assert isinstance(node, Call)
        value = CALLS[node.name].value(below[0])
    values[path] = value
    return value


def _descend(
    node: Expression, parent: Expression | None, path: Path, slope: Array, wanted: Array | None,
    values: dict[Path, Array],
) -> Iterator[Place]:  # fmt: skip
    yield Place(path, node, parent, values[path], slope, wanted)
    below = [values[*path, i] for i in range(len(node.children))]
    for i, child in enumerate(node.children):
        others = [value for j, value in enumerate(below) if j != i]
        own, inner = _through(node, below[i], others, wanted)
        yield from _descend(child, node, (*path, i), slope * own, inner, values)


def _through(
    node: Expression, child: Array, others: list[Array], wanted: Array | None
) -> tuple[Array | float, Array | None]:
    """The derivative of a node by one of its children, and what the child would have to be for the node's sake."""
    if isinstance(node, Sum):
        return 1.0, None if wanted is None else wanted - np.sum(others, axis=0)
    if isinstance(node, Product):
        rest = np.prod(others, axis=0)
        return rest, None if wanted is None else wanted / rest
    if isinstance(node, Power):
        return power_slope(child, node.exponent), None if wanted is None else _root(node, child, wanted)
    assert isinstance(node, Call)
    undo = _UNDOES.get(node.name)
    return CALLS[node.name].derivative(child), None if wanted is None or undo is None else undo(wanted)


def _root(node: Power, child: Array, wanted: Array) -> Array:
    """What to the power of the node is wanted: on the branch on which its base is."""
    size = np.abs(wanted) ** (1.0 / float(node.exponent))
    above, below = node.exponent.numerator, node.exponent.denominator
    if above % 2 and below % 2:
        return np.sign(wanted) * size
    return np.where(wanted >= 0, size if above % 2 else np.sign(child) * size, np.nan)
