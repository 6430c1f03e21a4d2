"""The network, whole and edge by edge."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

from matplotlib.axes import Axes

from kansym.graph import Edge, Graph
from kansym.report import style
from kansym.report.canvas import Sheet, settle, sheet, tidy, write
from kansym.report.curves import drawn
from kansym.report.graph_figure import scene_figure
from kansym.report.pictures.words import message
from kansym.report.scene import before_and_after
from kansym.report.units import units_of
from kansym.result import Result


def graph(result: Result, onto: Sheet | None = None) -> Sheet:
    """The network before and after pruning, each edge with its curve and the function found for it."""
    if result.graph is None and result.graph_before is None:
        return message(result, "No network was trained: a direct check of the data found the law.", onto)
    return scene_figure(before_and_after(result.graph_before, result.graph, units_of(result)), onto)


def edges(result: Result, onto: Sheet | None = None) -> Sheet:
    """One panel for every active edge: its curve, the matched function, its formula's name and R²."""
    network = result.graph or result.graph_before
    if network is None:
        return message(result, "No network was trained, so there are no edges to show.", onto)
    shown = [edge for edge in network.edges if edge.active]
    columns = max(1, min(len(shown), 5, ceil(sqrt(len(shown) * 1.4))))
    rows = max(1, ceil(len(shown) / columns))
    figure = sheet(24 + 150 * columns, 24 + 122 * rows, onto)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, edge in zip(panels, shown, strict=False):
        _edge_panel(panel, edge, network)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    settle(figure, across=1.0, down=1.1)
    return figure


def _edge_panel(axes: Axes, edge: Edge, network: Graph) -> None:
    tidy(axes).plot(*drawn(edge.x, edge.y, 200), color=style.CURVE, linewidth=1.8)
    if edge.fitted is not None:
        axes.plot(*drawn(edge.x, edge.fitted, 200), color=style.MATCH, linewidth=1.5, linestyle=(0, (3, 2)))
    axes.locator_params(nbins=4)
    axes.margins(0.04, 0.08)
    names = {(node.layer, node.index): node.label for node in network.nodes}
    source, target = names[edge.id.layer, edge.id.source], names[edge.id.layer + 1, edge.id.target]
    write(axes, 0.0, 1.16, f"{style.safe(source, 9)} → {style.safe(target, 9)}", transform=axes.transAxes)
    if edge.primitive:
        base, raised = style.split_power(style.safe(edge.primitive, 10))
        name = rf"${base}^{{{raised}}}$" if raised else base
        look: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8, "color": style.MATCH}
        write(axes, 0.0, 1.04, name, parse_math=bool(raised), math_fontfamily="stix", **look)
        if edge.r2 is not None:
            write(axes, 1.0, 1.04, f"R² = {_r2(edge.r2)}", ha="right", **look)


def _r2(value: float) -> str:
    """An R² near 1 told by its distance from 1, which is what matters there."""
    return f"1 − {style.number(1 - value, 2)}" if 0 < 1 - value < 1e-3 else style.number(value, 4)
