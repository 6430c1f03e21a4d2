"""The pruned network as a graph for other programs: GraphML, DOT and JSON of the networkx graph."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kansym.errors import ConfigError
from kansym.result import Result

if TYPE_CHECKING:
    import networkx

SHAPES = {"input": "box", "sum": "circle", "product": "diamond", "slot": "point"}


def plain_graph(result: Result) -> networkx.DiGraph:
    """The active nodes and edges with names and attributes of text and numbers only, as every graph format takes them.

    Nodes are called n0_1 (layer 0, node 1), with a slot as a third number for each sum that a product multiplies; they
    have kind, label, layer and index. Edges have score, primitive, r2 and the parameters a, b, c, d of
    c f(a x + b) + d, where they were matched. Raises ConfigError for a run without a network.
    """
    import networkx

    if result.graph is None:
        raise ConfigError("this run has no network (too few rows, or no time): export its formula instead")
    drawn, plain = result.graph.to_networkx(), networkx.DiGraph(name=f"the network of {result.table.target_name}")
    for place, values in drawn.nodes(data=True):
        plain.add_node(_name(place), layer=int(place[0]), index=int(place[1]), **values)
    for source, target, values in drawn.edges(data=True):
        plain.add_edge(_name(source), _name(target), **_plain(result, values))
    return plain


def _name(place: tuple[int, ...]) -> str:
    return "n" + "_".join(map(str, place))


def _plain(result: Result, values: dict[str, Any]) -> dict[str, Any]:
    assert result.graph is not None
    if "id" not in values:  # from the sum that a product multiplies to the product
        return {}
    edge = result.graph.edge(values["id"])
    named = dict(zip("abcd", map(float, edge.parameters or ()), strict=False))
    known = {"score": float(edge.score), "primitive": edge.primitive, "r2": edge.r2, **named}
    return {name: value for name, value in known.items() if value is not None}


def graphml(result: Result) -> str:
    """GraphML, which networkx, Gephi, yEd and igraph read."""
    import networkx

    graph = plain_graph(result)
    for _, values in graph.nodes(data=True):  # XML has no place for characters that control a terminal
        values["label"] = _printable(values["label"])
    graph.graph["name"] = _printable(graph.graph["name"])
    return "\n".join(networkx.generate_graphml(graph, named_key_ids=True)) + "\n"


def dot(result: Result) -> str:
    """DOT for Graphviz: inputs left, the target right, edges labelled with their primitives."""
    graph = plain_graph(result)
    lines = [f"digraph {_quoted(graph.graph['name'])} {{", "    rankdir=LR;"]
    for name, values in graph.nodes(data=True):
        lines.append(f"    {name} [label={_quoted(values['label'])}, shape={SHAPES[values['kind']]}];")
    for source, target, values in graph.edges(data=True):
        shown = [f"label={_quoted(values['primitive'])}"] if "primitive" in values else []
        shown += [f"{key}={values[key]!r}" for key in ("score", "r2") if key in values]
        lines.append(f"    {source} -> {target} [{', '.join(shown)}];")
    return "\n".join([*lines, "}", ""])


def graph_json(result: Result) -> str:
    """JSON in the node-link form of networkx and d3: {"nodes": [...], "edges": [...]}."""
    import networkx

    document = networkx.node_link_data(plain_graph(result), edges="edges")
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _quoted(text: str) -> str:
    escaped = _printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
