"""From a formula to a network that computes it: every edge is one primitive of four constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch

from kansym.data.scaler import Scaler
from kansym.errors import FormulaError
from kansym.graph import EdgeId
from kansym.nn import KAN, KANOptions, LayerOptions, Width
from kansym.symbolic.canonical import canonical
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Variable, add
from kansym.symbolic.primitives import CALLS, CONSTANT, IDENTITY, Primitive, power
from kansym.symbolic.terms import factors_of, split, terms_of
from kansym.workbench.fixed import FixedEdge
from kansym.workbench.mixed import Mixed

Place = tuple[int, Expression]  # a node: its layer and what it computes


@dataclass(frozen=True)
class _Part:
    """One edge of a sum: c f(a core + b), where `core` is what its source node computes."""

    core: Expression
    primitive: Primitive
    a: float
    b: float
    c: float


@dataclass(frozen=True)
class _Line:
    """A sum of edges and a number."""

    parts: tuple[_Part, ...]
    constant: float = 0.0


@dataclass
class _Plan:
    """The nodes of every layer in order, and the edges by (layer, source, target, slot)."""

    inputs: int
    nodes: list[list[Expression]] = field(default_factory=list)
    edges: dict[tuple[int, Expression, Expression, int], FixedEdge] = field(default_factory=dict)


def network_of(law: Expression, inputs: Scaler, target: Scaler, layer: LayerOptions) -> Mixed:
    """The network of scaled columns whose output is the scaled value of a formula.

    Args:
        law: a formula of the raw columns.
        inputs, target: how columns and target are scaled for the network.
        layer: how its splines are made, should the user ask for some.

    Raises:
        FormulaError: when no column is in the formula.
    """
    law = canonical(law)
    if not law.variables:
        raise FormulaError("a formula without columns makes no network: give one that reads a column of the table")
    shift, scale = float(target.shift[0]), float(target.scale[0])
    whole = _line(law)
    output = _Line(tuple(replace(part, c=part.c / scale) for part in whole.parts), (whole.constant - shift) / scale)
    plan = _Plan(len(inputs.shift), [[Variable(i) for i in range(len(inputs.shift))]])
    depth = 1 + max(_height(part.core) for part in output.parts)
    plan.nodes += [[] for _ in range(depth)]
    plan.nodes[depth].append(law)
    _wire(plan, depth, law, (output,))
    return _built(plan, inputs, layer)


def _height(node: Expression) -> int:
    """The first layer that can hold a node with this value."""
    if isinstance(node, Variable):
        return 0
    return 1 + max((_height(part.core) for line in _lines(node) for part in line.parts), default=0)


def _lines(node: Expression) -> tuple[_Line, ...]:
    """The sums that a node multiplies: one for a sum node, several for a product."""
    if isinstance(node, Product):
        number, rest = split(node)
        factors = [_line(factor) for factor in factors_of(rest)]
        return (_times(factors[0], number.value), *factors[1:])
    return (_line(node),)


def _times(line: _Line, factor: float) -> _Line:
    parts = tuple(replace(part, c=factor * part.c) for part in line.parts)
    return _Line(parts, factor * line.constant)


def _line(node: Expression) -> _Line:
    """A value as a sum of edges. Where several would join the same two nodes, those that change it get their own."""
    terms = [split(term) for term in terms_of(node)]
    constant = sum(number.value * rest.value for number, rest in terms if isinstance(rest, Constant))
    parts = [_part(rest, number.value) for number, rest in terms if not isinstance(rest, Constant)]
    crowded = {part.core for part in parts if sum(part.core == other.core for other in parts) > 1}
    moving = [term for term in terms if not isinstance(term[1], Constant)]
    apart = [
        _Part(rest, IDENTITY, 1.0, 0.0, number.value) if part.core in crowded else part
        for part, (number, rest) in zip(parts, moving, strict=True)
    ]
    return _Line(tuple(apart), constant)


def _part(term: Expression, factor: float) -> _Part:
    """A term without its number as one edge."""
    if isinstance(term, Call):
        return _Part(*_affine(term.argument, CALLS[term.name]), factor)
    if isinstance(term, Power):
        return _Part(*_affine(term.base, power(term.exponent)), factor)
    return _Part(term, IDENTITY, 1.0, 0.0, factor)


def _affine(argument: Expression, primitive: Primitive) -> tuple[Expression, Primitive, float, float]:
    """An argument as a core times a number plus a number: (core, primitive, a, b)."""
    terms = terms_of(argument)
    numbers = [term.value for term in terms if isinstance(term, Constant)]
    moving = [term for term in terms if not isinstance(term, Constant)]
    if len(moving) != 1:
        return add(*moving), primitive, 1.0, sum(numbers)
    number, core = split(moving[0])
    return core, primitive, number.value, sum(numbers)


def _wire(plan: _Plan, layer: int, node: Expression, lines: tuple[_Line, ...]) -> None:
    """Lay the edges into one node, and make the nodes that they come from."""
    for slot, line in enumerate(lines):
        for place, part in enumerate(line.parts):
            _place(plan, layer - 1, part.core)
            edge = FixedEdge(part.primitive, (part.a, part.b, part.c, 0.0 if place else line.constant))
            plan.edges[layer - 1, part.core, node, slot] = edge


def _place(plan: _Plan, layer: int, node: Expression) -> None:
    """Make a node in a layer, by passing it on where it could stand in an earlier one."""
    if node in plan.nodes[layer]:
        return
    plan.nodes[layer].append(node)
    if _height(node) == layer:
        _wire(plan, layer, node, _lines(node))
    else:
        _wire(plan, layer, node, (_Line((_Part(node, IDENTITY, 1.0, 0.0, 1.0),)),))


def _is_product(node: Expression, layer: int, last: int) -> bool:
    return isinstance(node, Product) and _height(node) == layer and layer != last


def _built(plan: _Plan, inputs: Scaler, options: LayerOptions) -> Mixed:
    """The plan as a network: sums before products, unused slots of a product filled with 1."""
    last = len(plan.nodes) - 1
    ordered = [
        sorted(nodes, key=lambda node, at=layer: _is_product(node, at, last)) for layer, nodes in enumerate(plan.nodes)
    ]
    products = [sum(_is_product(node, layer, last) for node in nodes) for layer, nodes in enumerate(ordered)]
    widths = [Width(len(nodes) - count, count) for nodes, count in zip(ordered, products, strict=True)]
    arity = 1 + max((slot for _, _, _, slot in plan.edges), default=0)
    splines = KAN(widths, 1, 0, KANOptions(options, max(2, arity)))
    splines = splines.with_masks([torch.zeros_like(layer.mask) for layer in splines.stack])
    for each in splines.stack:
        each.set_weights(torch.zeros_like(each.weights()))
    fixed: dict[EdgeId, FixedEdge] = {}
    for (layer, source, target, slot), edge in plan.edges.items():
        identity = EdgeId(layer, ordered[layer].index(source), ordered[layer + 1].index(target), slot)
        fixed[identity] = edge if layer else _scaled(edge, inputs, identity.source)
    fixed.update({empty: FixedEdge(CONSTANT, (1.0, 0.0, 0.0, 1.0)) for empty in _open_slots(fixed, widths, arity)})
    return Mixed(splines, fixed)


def _scaled(edge: FixedEdge, inputs: Scaler, column: int) -> FixedEdge:
    """An edge of a raw column as one of the scaled column."""
    a, b, c, d = edge.constants
    return replace(edge, constants=(a * float(inputs.scale[column]), b + a * float(inputs.shift[column]), c, d))


def _open_slots(fixed: dict[EdgeId, FixedEdge], widths: list[Width], arity: int) -> Iterator[EdgeId]:
    """Edges from any node into the slots of products that have fewer factors than others."""
    taken = {(edge.layer, edge.target, edge.slot): edge.source for edge in fixed}
    for layer, width in enumerate(widths):
        for target in range(width.sum, width.nodes):
            for slot in range(max(2, arity)):
                if (layer - 1, target, slot) not in taken:
                    yield EdgeId(layer - 1, taken[layer - 1, target, 0], target, slot)
