"""The network as a picture that answers: a slider for pruning, a click for the paths through an edge."""

from __future__ import annotations

from dataclasses import replace

from kansym.graph import Graph
from kansym.report.markup import mathml
from kansym.report.page import page
from kansym.report.scene import Units, same_numbers
from kansym.report.svg import graph_svg, xml_text
from kansym.report.units import units_of
from kansym.result import Result


def graph_page(result: Result) -> str:
    """The page of a fit's network: the law, and the network before pruning with a slider for the pruning threshold.

    Returns a complete HTML document; a fit without a network gives a page that says so.
    """
    title = f"{result.table.target_name} as a function of {', '.join(result.table.input_names)}"
    law = mathml(result.formula.expression, result.formula.input_names, 6, result.formula.target_name)
    body = network_html(result) or "<p>No network was trained: a direct check found the law.</p>"
    return network_page(title, f'<div class="law">{law}</div>\n{body}')


def network_page(title: str, body: str) -> str:
    """A page that holds one answering picture; the script is left out where the body has none."""
    scripts = ("graph.js",) if 'class="picture"' in body else ()
    return page(title, f"<h1>{xml_text(title)}</h1>\n{body}", ("graph.css",), scripts)


def network_html(result: Result) -> str:
    """The answering picture of a fit's network, for a page that runs graph.js; empty text without a network."""
    graph = _whole(result.graph_before, result.graph)
    if graph is None:
        return ""
    return picture(graph, units_of(result), _pruned(graph, result.graph or graph))


def _pruned(whole: Graph, left: Graph) -> int:
    """How many edges are weaker than all that pruning left."""
    kept = {edge.id for edge in left.active()}
    weakest = min((edge.score for edge in whole.active() if edge.id in kept), default=0.0)
    return sum(edge.score < weakest for edge in whole.active())


def _whole(before: Graph | None, after: Graph | None) -> Graph | None:
    """The network before pruning, with what was matched afterwards on the edges that are still there."""
    if before is None or after is None:
        return after or before
    if len(before.active()) == len(after.active()) or not same_numbers(before, after):
        return after if len(before.active()) == len(after.active()) else before
    for edge in after.active():
        before = before.replace_edge(replace(edge, score=before.edge(edge.id).score))
    return before


def picture(graph: Graph, units: Units | None = None, pruned: int = 0) -> str:
    """A network as HTML with its controls.

    Args:
        graph: as it was before pruning.
        units: of inputs and targets.
        pruned: how many of its weakest edges the slider leaves out at first.
    """
    return (
        '<div class="controls"><label for="threshold">Prune</label>'
        f'<input id="threshold" type="range" min="0" max="{len(graph.active())}" step="1" value="{pruned}">'
        '<output id="told" for="threshold"></output>'
        "<span>Click an edge or node to see the paths through it; Esc shows all again.</span></div>\n"
        '<p id="facts" role="status">Point at an edge for its facts.</p>\n'
        f'<div class="picture">{graph_svg(graph, units)}</div>'
    )
