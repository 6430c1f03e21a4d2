"""Formulas as immutable trees of our own: what the search builds, what the constants are fitted in, what is printed.

A tree has six kinds of nodes. Variables are numbered, so that a column's name never takes part in any computation.
Powers carry an exact rational exponent; every other one-variable function is a `Call` of a primitive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from kansym.symbolic.primitives import CALLS

Array = np.ndarray


class Expression:
    """A node of a formula. Nodes compare and hash by structure."""

    @property
    def children(self) -> tuple[Expression, ...]:
        """The arguments of this node, in order."""
        return ()

    def rebuilt(self, children: Sequence[Expression]) -> Expression:
        """This node with other arguments."""
        return self

    def walk(self) -> Iterator[Expression]:
        """This node and all below it, depth first, in a fixed order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def map(self, change: Callable[[Expression], Expression]) -> Expression:
        """The tree with `change` applied to every node, the leaves first."""
        children = tuple(child.map(change) for child in self.children)
        return change(self if children == self.children else self.rebuilt(children))

    @cached_property
    def variables(self) -> tuple[int, ...]:
        """The numbers of the variables that occur, in order."""
        return tuple(sorted({node.index for node in self.walk() if isinstance(node, Variable)}))

    @cached_property
    def free_constants(self) -> tuple[Constant, ...]:
        """The constants that a fit may change, in the order in which `with_constants` takes them."""
        return tuple(node for node in self.walk() if isinstance(node, Constant) and node.label is None)

    def with_constants(self, values: Sequence[float]) -> Expression:
        """The tree with its free constants replaced, in the order of `free_constants`."""
        queue = iter(values)

        def replace(node: Expression) -> Expression:
            if isinstance(node, Constant):
                return Constant(float(next(queue))) if node.label is None else node
            if not node.children:
                return node
            return node.rebuilt(tuple(replace(child) for child in node.children))

        return replace(self)

    def substitute(self, replacements: Sequence[Expression]) -> Expression:
        """The tree with variable i replaced by `replacements[i]`."""
        return self.map(lambda node: replacements[node.index] if isinstance(node, Variable) else node)

    @cached_property
    def skeleton(self) -> str:
        """The structure as text, every free constant the same."""
        return _skeleton(self)

    @cached_property
    def complexity(self) -> int:
        """Number of nodes, as PySR counts them: constants, variables, operators and functions, 1 each."""
        return _complexity(self)

    def evaluate(self, inputs: Array) -> Array:
        """Values (N,) at `inputs` (N, D); nan outside the real domain."""
        tape = Tape(self)
        with np.errstate(all="ignore"):
            return np.broadcast_to(tape.values(inputs, tape.start), (len(inputs),)).astype(float)

    def __add__(self, other: Expression | float) -> Expression:
        return add(self, as_expression(other))

    def __radd__(self, other: Expression | float) -> Expression:
        return add(as_expression(other), self)

    def __sub__(self, other: Expression | float) -> Expression:
        return add(self, -as_expression(other))

    def __rsub__(self, other: Expression | float) -> Expression:
        return as_expression(other) - self

    def __neg__(self) -> Expression:
        return multiply(whole(-1), self)

    def __mul__(self, other: Expression | float) -> Expression:
        return multiply(self, as_expression(other))

    def __rmul__(self, other: Expression | float) -> Expression:
        return multiply(as_expression(other), self)

    def __truediv__(self, other: Expression | float) -> Expression:
        return multiply(self, raise_to(as_expression(other), Fraction(-1)))

    def __rtruediv__(self, other: Expression | float) -> Expression:
        return as_expression(other) / self

    def __pow__(self, exponent: int | Fraction) -> Expression:
        return raise_to(self, Fraction(exponent))


@dataclass(frozen=True)
class Constant(Expression):
    """A number. Without a label it is free: a fit may change it. With one ("2", "1/3", "pi/2") it is exact."""

    value: float
    label: str | None = None


@dataclass(frozen=True)
class Variable(Expression):
    """An input column, by its number."""

    index: int


@dataclass(frozen=True)
class Sum(Expression):
    """The sum of two or more terms."""

    terms: tuple[Expression, ...]

    @property
    def children(self) -> tuple[Expression, ...]:
        return self.terms

    def rebuilt(self, children: Sequence[Expression]) -> Expression:
        return Sum(tuple(children))


@dataclass(frozen=True)
class Product(Expression):
    """The product of two or more factors."""

    factors: tuple[Expression, ...]

    @property
    def children(self) -> tuple[Expression, ...]:
        return self.factors

    def rebuilt(self, children: Sequence[Expression]) -> Expression:
        return Product(tuple(children))


@dataclass(frozen=True)
class Power(Expression):
    """A base to an exact rational exponent; odd roots of negative numbers are real and negative."""

    base: Expression
    exponent: Fraction

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.base,)

    def rebuilt(self, children: Sequence[Expression]) -> Expression:
        return Power(children[0], self.exponent)


@dataclass(frozen=True)
class Call(Expression):
    """A primitive, by its name, of one argument."""

    name: str
    argument: Expression

    @property
    def children(self) -> tuple[Expression, ...]:
        return (self.argument,)

    def rebuilt(self, children: Sequence[Expression]) -> Expression:
        return Call(self.name, children[0])


def as_expression(value: Expression | float) -> Expression:
    """A tree as it is; a number as a free constant."""
    return value if isinstance(value, Expression) else Constant(float(value))


def whole(number: int) -> Constant:
    """An exact whole number."""
    return Constant(float(number), str(number))


def ratio(value: Fraction) -> Constant:
    """An exact rational number."""
    return Constant(float(value), str(value))


def add(*terms: Expression) -> Expression:
    """A sum with nested sums laid flat; one term stays itself, none is 0."""
    flat = tuple(inner for term in terms for inner in (term.terms if isinstance(term, Sum) else (term,)))
    return whole(0) if not flat else flat[0] if len(flat) == 1 else Sum(flat)


def multiply(*factors: Expression) -> Expression:
    """A product with nested products laid flat; one factor stays itself, none is 1."""
    flat = tuple(part for factor in factors for part in (factor.factors if isinstance(factor, Product) else (factor,)))
    kept = tuple(factor for factor in flat if not (isinstance(factor, Constant) and factor.label == "1"))
    return whole(1) if not kept else kept[0] if len(kept) == 1 else Product(kept)


def raise_to(base: Expression, exponent: Fraction) -> Expression:
    """A power; exponent 1 is the base itself, exponent 0 is 1."""
    return base if exponent == 1 else whole(1) if exponent == 0 else Power(base, exponent)


def call(name: str, argument: Expression) -> Expression:
    """A primitive of an argument."""
    return Call(name, argument)


def _skeleton(node: Expression) -> str:
    if isinstance(node, Constant):
        return f"={node.label}" if node.label is not None else "?"
    if isinstance(node, Variable):
        return f"x{node.index:05d}"
    if isinstance(node, Power):
        return f"{node.base.skeleton}^{float(node.exponent):+.6f}"
    if isinstance(node, Call):
        return f"~{node.name}({node.argument.skeleton})"
    sign = "+" if isinstance(node, Sum) else "*"
    return f"[{sign.join(child.skeleton for child in node.children)}]"


def _complexity(node: Expression) -> int:
    below = sum(child.complexity for child in node.children)
    if isinstance(node, Sum):
        return below + len(node.terms) - 1
    if isinstance(node, Product):
        return below + len(node.factors) - 1 - _divisions(node)
    if isinstance(node, Power):
        return below + (1 if node.exponent in (2, -1, Fraction(1, 2)) else 2)
    if isinstance(node, Call):
        powers, rest = real_powers(node)
        sizes = [base.complexity + exponent.complexity + 1 for base, exponent in powers]
        if rest is not None:
            sizes.append(rest.argument.complexity + CALLS[node.name].complexity)
        return sum(sizes) + len(sizes) - 1
    return 1


def real_powers(node: Call) -> tuple[tuple[tuple[Expression, Expression], ...], Call | None]:
    """The powers ((x, p), ...) in exp(p*log(x) + ... + rest), which is written x**p * ... * exp(rest), and exp(rest).

    Any other call has no powers and is its own rest, which is None where nothing is left.
    """
    if node.name != "exp":
        return (), node
    terms = node.argument.terms if isinstance(node.argument, Sum) else (node.argument,)
    powers = [(term, power) for term in terms if (power := _exponent_of(term)) is not None]
    if not powers:
        return (), node
    rest = [term for term in terms if all(term is not found for found, _ in powers)]
    return tuple(power for _, power in powers), Call("exp", add(*rest)) if rest else None


def _exponent_of(term: Expression) -> tuple[Expression, Expression] | None:
    """(x, p) of a term p*log(x)."""
    factors = term.factors if isinstance(term, Product) else ()
    place = next((at for at, f in enumerate(factors) if isinstance(f, Call) and f.name == "log"), None)
    if place is None:
        return None
    (base,) = factors[place].children
    return base, multiply(*factors[:place], *factors[place + 1 :])


def _divisions(product: Product) -> int:
    """How many factors are divided by: a / b is one operator, not a product and a power."""
    inverses = sum(isinstance(factor, Power) and factor.exponent == -1 for factor in product.factors)
    return min(inverses, len(product.factors) - 1)


class Tape:
    """A tree written out as a list of steps, for many evaluations with other constants.

    All constants come as an array (..., P); leading axes are independent starts, evaluated together:
    `values(X (N, D), theta (S, P))` gives (S, N), `jacobian` also (S, N, P).
    """

    def __init__(self, expression: Expression) -> None:
        self.steps: list[tuple] = []
        self.start = np.array([constant.value for constant in expression.free_constants])
        self._slots = 0
        self._seen: dict[Expression, int] = {}
        self._write(expression)

    def _write(self, node: Expression) -> int:
        if node in self._seen and not node.free_constants:
            return self._seen[node]
        self.steps.append(self._step(node))
        self._seen[node] = len(self.steps) - 1
        return len(self.steps) - 1

    def _step(self, node: Expression) -> tuple:
        if isinstance(node, Constant):
            if node.label is not None:
                return ("fixed", node.value)
            self._slots += 1
            return ("free", self._slots - 1)
        if isinstance(node, Variable):
            return ("variable", node.index)
        below = tuple(self._write(child) for child in node.children)
        if isinstance(node, Sum):
            return ("sum", below)
        if isinstance(node, Product):
            return ("product", below)
        if isinstance(node, Power):
            return ("power", below[0], node.exponent)
        assert isinstance(node, Call)
        return ("call", below[0], CALLS[node.name])

    def trace(self, inputs: Array, theta: Array) -> list[Array]:
        """The value of every step, each broadcastable to (..., N)."""
        values: list[Array] = []
        for step in self.steps:
            values.append(self._evaluate(step, inputs, theta, values))
        return values

    @staticmethod
    def _evaluate(step: tuple, inputs: Array, theta: Array, values: list[Array]) -> Array:
        kind = step[0]
        if kind == "free":
            return theta[..., step[1], None]
        if kind == "fixed":
            return np.array([step[1]])
        if kind == "variable":
            return inputs[:, step[1]]
        if kind == "sum":
            return _fold(np.add, [values[i] for i in step[1]])
        if kind == "product":
            return _fold(np.multiply, [values[i] for i in step[1]])
        if kind == "power":
            return power_value(values[step[1]], step[2])
        return step[2].value(values[step[1]])

    def values(self, inputs: Array, theta: Array) -> Array:
        """Values (..., N) for constants theta (..., P)."""
        return self.trace(inputs, theta)[-1]

    def jacobian(self, inputs: Array, theta: Array) -> tuple[Array, Array]:
        """Values (..., N) and their derivatives by the free constants (..., N, P)."""
        values = self.trace(inputs, theta)
        shape = theta.shape[:-1] + (len(inputs),)
        adjoint: list[Array | None] = [None] * len(values)
        adjoint[-1] = np.ones(shape)
        columns = np.zeros(shape + (theta.shape[-1],))
        for position in range(len(values) - 1, -1, -1):
            seed = adjoint[position]
            if seed is None:
                continue
            step = self.steps[position]
            if step[0] == "free":
                columns[..., step[1]] += seed
            else:
                for target, factor in self._partials(step, values):
                    known = adjoint[target]
                    adjoint[target] = seed * factor if known is None else known + seed * factor
        return np.broadcast_to(values[-1], shape), columns

    def gradient(self, inputs: Array) -> tuple[Array, Array]:
        """Values (N,) at inputs (N, D) with the tree's own constants, and their derivatives by the columns (N, D)."""
        with np.errstate(all="ignore"):
            values = self.trace(inputs, self.start)
            adjoint: list[Array | float] = [*[0.0] * (len(values) - 1), 1.0]
            slopes = np.zeros(inputs.shape)
            for position in range(len(values) - 1, -1, -1):
                step = self.steps[position]
                if step[0] == "variable":
                    slopes[:, step[1]] += adjoint[position]
                elif step[0] not in ("free", "fixed"):
                    for target, factor in self._partials(step, values):
                        adjoint[target] = adjoint[target] + adjoint[position] * factor
        return np.broadcast_to(values[-1], (len(inputs),)), slopes

    @staticmethod
    def _partials(step: tuple, values: list[Array]) -> Iterator[tuple[int, Array | float]]:
        kind = step[0]
        if kind == "sum":
            for i in step[1]:
                yield i, 1.0
        elif kind == "product":
            for place, i in enumerate(step[1]):
                others = [values[j] for at, j in enumerate(step[1]) if at != place]
                yield i, _fold(np.multiply, others)
        elif kind == "power":
            yield step[1], power_slope(values[step[1]], step[2])
        elif kind == "call":
            yield step[1], step[2].derivative(values[step[1]])


def _fold(operation: Callable[[Array, Array], Array], values: Sequence[Array]) -> Array:
    total = values[0]
    for value in values[1:]:
        total = operation(total, value)
    return total


def power_value(base: Array, exponent: Fraction) -> Array:
    """base**exponent with real odd roots of negative numbers; nan where it is not real."""
    if exponent.denominator == 1:
        number = exponent.numerator
        return 1.0 / base ** (-number) if number < 0 else base**number
    if exponent == Fraction(1, 2):
        return np.sqrt(base)
    if exponent.denominator % 2:
        return np.sign(base) ** (exponent.numerator % 2) * np.abs(base) ** float(exponent)
    return base ** float(exponent)


def power_slope(base: Array, exponent: Fraction) -> Array:
    """The derivative of `power_value` by the base."""
    return float(exponent) * power_value(base, exponent - 1)
