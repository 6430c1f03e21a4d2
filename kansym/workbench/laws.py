"""From a network by hand to formulas: fixed edges stay what they are, the others are chosen together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kansym.budget import Budget
from kansym.graph import EdgeId, Graph, graph_of
from kansym.symbolic.curves import CurveFit
from kansym.symbolic.expression import Expression
from kansym.symbolic.formula import ParetoFront
from kansym.symbolic.network import Matched, choices, match_edges
from kansym.symbolic.selection import front_of, simplified
from kansym.workbench.fixed import FixedEdge, Suggestion
from kansym.workbench.mixed import Mixed
from kansym.workbench.prepared import Prepared

MOST_COMPLEX = 10_000  # the user decides how long a formula may be
SHORTENED = 40  # nodes up to which a formula is also written as a textbook would: longer ones cost sympy too long


def graph(mixed: Mixed, data: Prepared) -> Graph:
    """The network as a graph; fixed edges carry their primitive, its numbers and its curve."""
    names = data.names
    found = graph_of(mixed.network, data.rows.x, names.inputs, names.target)
    for identity, fixed in mixed.fixed.items():
        edge = found.edge(identity)
        found = found.replace_edge(
            replace(edge, primitive=fixed.primitive.name, parameters=fixed.constants, r2=1.0, fitted=edge.y)
        )
    return found


def matched(mixed: Mixed, data: Prepared) -> Matched:
    """The graph with the best primitive of every edge, and the candidates of each: one where it is fixed."""
    whole = graph(mixed, data)
    free = match_edges(whole.without(list(mixed.fixed)), data.inputs, data.library)
    for edge in free.graph.active():
        whole = whole.replace_edge(edge)
    own = {edge: (_own(edge, fixed, data),) for edge, fixed in mixed.fixed.items()}
    return Matched(whole, {**free.candidates, **own})


def _own(identity: EdgeId, fixed: FixedEdge, data: Prepared) -> CurveFit:
    return CurveFit(expression_of(identity, fixed, data), 0.0, fixed.primitive.name)


def expression_of(identity: EdgeId, fixed: FixedEdge, data: Prepared) -> Expression:
    """A fixed edge as a formula of what its source node holds; columns are read in raw units."""
    if identity.layer:
        return fixed.expression()
    return fixed.expression(float(data.inputs.shift[identity.source]), float(data.inputs.scale[identity.source]))


def front(mixed: Mixed, data: Prepared) -> ParetoFront:
    """The formulas of a network, refitted to the raw rows, with errors on rows held out; the best of them chosen."""
    found = matched(mixed, data)
    laws = [law for _, law in choices(found, data.target, data.parts.fitted, Budget(None))]
    names = data.names
    best = front_of([(law, "workbench") for law in laws], data.parts, names, MOST_COMPLEX)
    return best if best.best.complexity > SHORTENED else simplified(best, data.parts, names, MOST_COMPLEX)


def chosen_together(mixed: Mixed, data: Prepared, options: dict[EdgeId, list[Suggestion]]) -> dict[EdgeId, FixedEdge]:
    """The primitive of every edge that is still a spline, judged inside the whole formula.

    options: the best suggestions for each of these edges.
    """
    whole = graph(mixed, data)
    fits = {edge: tuple(_fits(edge, found, data)) for edge, found in options.items()}
    own = {edge: (_own(edge, fixed, data),) for edge, fixed in mixed.fixed.items()}
    *_, (last, _) = choices(Matched(whole, {**fits, **own}), data.target, data.parts.fitted, Budget(None))
    return {
        edge: next(each.edge for fit, each in zip(fits[edge], found, strict=True) if fit.expression == last[edge])
        for edge, found in options.items()
    }


def _fits(identity: EdgeId, found: list[Suggestion], data: Prepared) -> Iterator[CurveFit]:
    for each in found:
        yield CurveFit(expression_of(identity, each.edge, data), each.error, each.primitive)
