"""The network as a page that answers: one self-contained HTML file that works offline."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from importlib.resources import files

from kansym.graph import Graph
from kansym.report.markup import mathml
from kansym.report.scene import Units, same_numbers
from kansym.report.svg import graph_svg, xml_text
from kansym.report.units import units_of
from kansym.result import Result


def graph_page(result: Result) -> str:
    """The page of a fit's network: the law, and the network before pruning with a slider for the pruning threshold.

    Returns a complete HTML document; a fit without a network gives a page that says so.
    """
    graph = _whole(result.graph_before, result.graph)
    title = f"{result.table.target_name} as a function of {', '.join(result.table.input_names)}"
    law = mathml(result.formula.expression, result.formula.input_names, 6, result.formula.target_name)
    return page(title, f'<div class="law">{law}</div>', graph, units_of(result))


def _whole(before: Graph | None, after: Graph | None) -> Graph | None:
    """The network before pruning, with what was matched afterwards on the edges that are still there."""
    if before is None or after is None:
        return after or before
    if len(before.active()) == len(after.active()) or not same_numbers(before, after):
        return after if len(before.active()) == len(after.active()) else before
    for edge in after.active():
        before = before.replace_edge(replace(edge, score=before.edge(edge.id).score))
    return before


def page(title: str, above: str, graph: Graph | None, units: Units | None = None) -> str:
    """A page of one network.

    title: any text. above: HTML that is put between the title and the picture. graph: None for no network.
    """
    style, script = _resource("graph.css"), _resource("graph.js")
    body = (
        _picture(graph, units) if graph is not None else "<p>No network was trained: a direct check found the law.</p>"
    )
    end = f"<script>{script}</script>" if graph is not None else ""
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '{_digest(script)}'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{xml_text(title)}</title><style>{style}</style></head>\n<body><main>\n"
        f"<h1>{xml_text(title)}</h1>\n{above}\n{body}\n</main>{end}</body></html>\n"
    )


def _picture(graph: Graph, units: Units | None) -> str:
    return (
        '<div class="controls"><label for="threshold">Prune</label>'
        '<input id="threshold" type="range" min="0" max="1" step="1" value="0">'
        '<output id="told" for="threshold"></output>'
        "<span>Click an edge or node to see the paths through it; Esc shows all again.</span></div>\n"
        '<p id="facts" role="status">Point at an edge for its facts.</p>\n'
        f'<div class="picture">{graph_svg(graph, units)}</div>'
    )


def _resource(name: str) -> str:
    return (files("kansym.report") / "page" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """The script's name in a content security policy: this text may run, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
