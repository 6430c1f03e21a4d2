"""From a pruned network to formulas: edges matched by primitives and chosen together, constants refitted jointly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from kansym.budget import Budget, Part
from kansym.data.scaler import Scaler
from kansym.graph import Edge, EdgeId, Graph
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, fit_starts, mean_square, polish
from kansym.symbolic.curves import CurveFit, match_curve
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable, add, multiply
from kansym.symbolic.primitives import PRIMITIVES, Library, power_name
from kansym.symbolic.selection import description_length

Array = np.ndarray
OPTIONS = 4
MOST_EDGES = 24


@dataclass(frozen=True)
class Matched:
    """A graph whose edges carry their best primitive, and the ranked candidates of every active edge."""

    graph: Graph
    candidates: dict[EdgeId, tuple[CurveFit, ...]]


def match_edges(graph: Graph, inputs: Scaler, library: Library = PRIMITIVES, brief: bool = False) -> Matched:
    """Match every active edge of a graph against the library.

    Edges of the first layer are matched in the raw units of their column, so that c * x**p needs no shift.
    brief: refine few starts, enough for a picture.
    """
    candidates: dict[EdgeId, tuple[CurveFit, ...]] = {}
    for edge in islice(graph.active(), MOST_EDGES):
        z, t = _seen(edge, inputs)
        keep, polished = (2, 2) if brief else (6, None)
        fits = match_curve(z, t, None, library, keep, polished=polished)[:OPTIONS]
        if not fits:
            continue
        candidates[edge.id] = tuple(fits)
        fitted = fits[0].expression.evaluate(z[:, None])
        graph = graph.replace_edge(replace(edge, primitive=fits[0].primitive, r2=1.0 - fits[0].error, fitted=fitted))
    return Matched(graph, candidates)


def _seen(edge: Edge, inputs: Scaler) -> tuple[Array, Array]:
    if edge.id.layer:
        return edge.x, edge.y
    return inputs.shift[edge.id.source] + inputs.scale[edge.id.source] * edge.x, edge.y


def assemble(graph: Graph, chosen: dict[EdgeId, Expression], target: Scaler) -> Expression:
    """The whole network as one formula of the raw columns; an edge without a formula counts as 0."""
    values: dict[tuple[int, int], Expression] = {(0, node.index): Variable(node.index) for node in graph.layers[0]}
    for layer, nodes in enumerate(graph.layers[1:]):
        for node in nodes:
            slots: dict[int, list[Expression]] = {}
            for edge in graph.active():
                if edge.id.layer == layer and edge.id.target == node.index and edge.id in chosen:
                    source = values.get((layer, edge.id.source))
                    if source is not None:
                        slots.setdefault(edge.id.slot, []).append(chosen[edge.id].substitute([source]))
            if slots:
                values[(layer + 1, node.index)] = multiply(*(add(*terms) for _, terms in sorted(slots.items())))
    last = len(graph.layers) - 1
    output = values.get((last, 0), Constant(0.0))
    return add(multiply(Constant(float(target.scale[0])), output), Constant(float(target.shift[0])))


def formulas(matched: Matched, target: Scaler, rows: Rows, budget: Budget | Part) -> Iterator[Expression]:
    """Formulas of the network: first the best primitive of every edge, then every change of one edge that shortens the
    description of the whole table, judged after all constants have been refitted together."""
    yield from (expression for _, expression in choices(matched, target, rows, budget))


def choices(
    matched: Matched, target: Scaler, rows: Rows, budget: Budget | Part
) -> Iterator[tuple[dict[EdgeId, Expression], Expression]]:
    """The same with the candidate of every edge that each formula is made of."""
    chosen = {edge: fits[0].expression for edge, fits in matched.candidates.items()}
    if not chosen:
        return
    best = _joined(matched.graph, chosen, target, rows)
    cost = description_length(best, mean_square(best, rows), rows)
    yield chosen, best
    for edge, fits in sorted(matched.candidates.items(), key=lambda item: -matched.graph.edge(item[0]).score):
        for fit in fits[1:]:
            if budget.expired:
                return
            trial = {**chosen, edge: fit.expression}
            expression = _joined(matched.graph, trial, target, rows)
            length = description_length(expression, mean_square(expression, rows), rows)
            if length < cost:
                chosen, best, cost = trial, expression, length
                yield chosen, best


def _joined(graph: Graph, chosen: dict[EdgeId, Expression], target: Scaler, rows: Rows) -> Expression:
    expression = canonical(assemble(graph, chosen, target))
    start = np.array([[constant.value for constant in expression.free_constants]])
    if start.size == 0 or not np.all(np.isfinite(expression.evaluate(rows.inputs))):
        return expression
    theta, _ = fit_starts(expression, rows, start, 25)
    return polish(expression.with_constants(theta[0]), rows, 40).expression


def shape_name(expression: Expression) -> str:
    """What a one-variable formula is up to constants: the name of its primitive, or "law" for a composition."""
    while isinstance(expression, Sum | Product):
        moving = [child for child in expression.children if child.variables]
        if len(moving) != 1:
            return "law"
        expression = moving[0]
    if isinstance(expression, Variable):
        return "x"
    if isinstance(expression, Power) and not isinstance(expression.base, Call):
        return power_name(expression.exponent)
    return expression.name if isinstance(expression, Call) else "law"


def with_law(graph: Graph, law: Expression, inputs: Scaler, target: Scaler) -> Graph:
    """The graph of a network of one edge, with the chosen law itself drawn over the edge.

    law: a formula of the column that the network was trained on. Other graphs come back as they are.
    """
    active = graph.active()
    if len(active) != 1 or len(graph.layers) != 2 or law.variables not in ((), (0,)):
        return graph
    z, _ = _seen(active[0], inputs)
    fitted = target.apply(law.evaluate(z[:, None])[:, None])[:, 0]
    spread = float(np.var(active[0].y)) or 1.0
    r2 = 1.0 - float(np.mean((fitted - active[0].y) ** 2)) / spread
    return graph.replace_edge(replace(active[0], primitive=shape_name(law), fitted=fitted, r2=r2))
