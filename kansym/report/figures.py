"""The pictures of a fit by name: `KINDS` maps a kind to a function from a Result to a matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.ticker import MaxNLocator

from kansym.graph import Edge, Graph
from kansym.registry import Registry
from kansym.report import style
from kansym.report.canvas import drawable, faces, has_mathematical_letters, new_figure, save, tidy, write
from kansym.report.curves import drawn
from kansym.report.graph_figure import scene_figure
from kansym.report.markup import mathtext
from kansym.report.scene import before_and_after
from kansym.report.units import units_of
from kansym.result import Result
from kansym.symbolic.formula import Formula

__all__ = ["KINDS", "save"]

KINDS: Registry[Callable[[Result], Figure]] = Registry("kind of picture")
MOST_POINTS = 2000
AXES_ROOM, FORMULA_ROOM, LINE_HEIGHT = 310.0, 320.0, 24.0  # of the Pareto picture, in points
_ERROR_PARTS = ("validation", "leave-one-out", "test", "train")


@KINDS.register("graph")
def graph(result: Result) -> Figure:
    """The network before and after pruning, each edge with its curve and the function found for it."""
    if result.graph is None and result.graph_before is None:
        return _message(result, "No network was trained: a direct check of the data found the law.")
    return scene_figure(before_and_after(result.graph_before, result.graph, units_of(result)))


@KINDS.register("edges")
def edges(result: Result) -> Figure:
    """One panel for every active edge: its curve, the matched function, its formula's name and R²."""
    network = result.graph or result.graph_before
    if network is None:
        return _message(result, "No network was trained, so there are no edges to show.")
    shown = [edge for edge in network.edges if edge.active]
    columns = max(1, min(len(shown), 5, ceil(sqrt(len(shown) * 1.4))))
    rows = max(1, ceil(len(shown) / columns))
    figure = new_figure(24 + 150 * columns, 24 + 122 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, edge in zip(panels, shown, strict=False):
        _edge_panel(panel, edge, network)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    figure.tight_layout(pad=0.8, w_pad=1.0, h_pad=1.1)
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


@KINDS.register("pareto")
def pareto(result: Result) -> Figure:
    """Complexity against error for every formula of the front; the formulas are listed beside it."""
    formulas = result.front.formulas
    part = _shared_part(formulas)
    listed = [_notation(formula, FORMULA_ROOM) for formula in formulas]
    width = AXES_ROOM + 40 + max(180.0, *(entry["width"] for entry in listed))
    height = max(235.0, 70 + LINE_HEIGHT * len(formulas))
    figure = new_figure(width, height)
    axes = tidy(figure.add_axes((62 / width, 46 / height, (AXES_ROOM - 82) / width, 1 - 66 / height)))
    values = [_positive(formula.errors[part].nrmse if part else float("nan")) for formula in formulas]
    complexity = [formula.complexity for formula in formulas]
    axes.plot(complexity, values, color=style.FAINT, linewidth=1.2, drawstyle="steps-post", zorder=1)
    for place, (x, y) in enumerate(zip(complexity, values, strict=True)):
        _front_point(axes, x, y, place, result)
    axes.set_yscale("log")
    axes.margins(0.12, 0.14)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    _label_axes(axes, "complexity (nodes)", f"{part or 'held-out'} NRMSE")
    _front_list(figure, result, listed)
    return figure


def _shared_part(formulas: Sequence[Formula]) -> str | None:
    parts = (part for part in _ERROR_PARTS if all(part in formula.errors for formula in formulas))
    return next(parts, None)


def _positive(value: float) -> float:
    """An error for a logarithmic axis: an exact fit is drawn at the rounding of numbers, not left out."""
    return max(value, 1e-16) if np.isfinite(value) else np.nan


def _front_colour(result: Result, place: int) -> str:
    chosen, rival = place == result.front.chosen, place in result.front.rivals
    return style.VERMILION if chosen else style.ORANGE if rival else style.BLUE


def _front_point(axes: Axes, x: float, y: float, place: int, result: Result) -> None:
    colour = _front_colour(result, place)
    chosen = place == result.front.chosen
    axes.plot([x], [y], marker="o", markersize=8 if chosen else 5.5, color=colour, markeredgecolor=style.WHITE)
    if chosen:
        axes.plot([x], [y], marker="o", markersize=13, markerfacecolor="none", markeredgecolor=colour)
    axes.annotate(
        str(place + 1), (x, y), (7, 5), textcoords="offset points", fontsize=8, color=colour, fontfamily=list(faces())
    )


def _front_list(figure: Figure, result: Result, listed: Sequence[dict[str, Any]]) -> None:
    """The formulas, numbered as their points, in a column of their own so that no label can cover another."""
    width, height = (72 * size for size in figure.get_size_inches())
    table = figure.add_axes((AXES_ROOM / width, 0.0, 1 - AXES_ROOM / width, 1.0))
    table.set(xlim=(0, width - AXES_ROOM), ylim=(height, 0))
    table.set_axis_off()
    for place, entry in enumerate(listed):
        y = 32 + LINE_HEIGHT * place
        colour = _front_colour(result, place)
        write(table, 14, y, str(place + 1), ha="right", va="center", fontsize=8, color=colour)
        write_raw(table, 22, y, entry, color=colour if place == result.front.chosen else style.INK)
    note = {True: "chosen", False: "best approximation found"}[result.front.exact]
    rivals = ", orange: fits the data as well" if result.front.rivals else ""
    write(table, 22, height - 14, f"red: {note}{rivals}", fontsize=7.5, color=style.GREY, va="center")


def write_raw(axes: Axes, x: float, y: float, text: dict[str, Any], **options: Any) -> None:
    """Put what `_notation` made on axes, at the middle of its line."""
    look = {"parse_math": text["parse_math"], "fontsize": text["size"], "math_fontfamily": "stix"}
    axes.text(x, y, text["text"], va="center", fontfamily=list(faces()), **look, **options)


def _notation(formula: Formula, room: float, size: float = 9.5) -> dict[str, Any]:
    """A formula as mathematics if that can be drawn in the room (points), else as plain text, cut where it must be."""
    markup = mathtext(formula.expression, [drawable(name) for name in formula.input_names])
    try:
        width = MathTextParser("path").parse(markup, dpi=72).width * size / 12
    except ValueError:  # a name that mathtext cannot write
        width = np.inf
    names = "".join(formula.input_names[variable] for variable in formula.expression.variables)
    if width <= room and has_mathematical_letters(names):
        return {"text": markup, "parse_math": True, "size": size, "width": width}
    text = drawable(style.safe(formula.text(3), room / 8))
    return {"text": text, "parse_math": False, "size": 8.0, "width": 8 * style.ems(text)}


@KINDS.register("fit")
def fit(result: Result) -> Figure:
    """Predicted against measured values and the residuals; for one input also the data with the curve."""
    return fit_figure(result, MOST_POINTS)


def fit_figure(result: Result, limit: int) -> Figure:
    """The fit picture with at most `limit` points in each panel."""
    single = result.points.inputs.shape[1] == 1
    figure = new_figure(720 if single else 500, 250)
    panels = list(figure.subplots(1, 3 if single else 2))
    chosen = _spaced(len(result.points.measured), limit)
    if single:
        _data_panel(panels.pop(0), result, chosen)
    _agreement_panel(panels[0], result, chosen)
    _residual_panel(panels[1], result, chosen)
    figure.tight_layout(pad=1.0, w_pad=2.0)
    return figure


def _spaced(count: int, limit: int) -> np.ndarray:
    return np.arange(count) if count <= limit else np.linspace(0, count - 1, limit).round().astype(int)


def _scatter(axes: Axes, result: Result, chosen: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    parts = np.array([result.points.part[place] for place in chosen], dtype=object)
    size = 4.5 if len(chosen) <= 100 else 2.6
    present = sorted(dict.fromkeys(parts), key=lambda part: (list(style.PARTS) + [part]).index(part))
    for part in present:
        here = parts == part
        axes.plot(
            x[chosen][here], y[chosen][here], "o", markersize=size, color=style.PARTS.get(part, style.PURPLE),
            markeredgewidth=0.0, alpha=0.85, label=drawable(str(part)), rasterized=len(chosen) > 500,
        )  # fmt: skip
    if len(present) > 1:
        axes.legend(frameon=False, prop={"family": list(faces()), "size": 8}, handletextpad=0.1, borderpad=0.1)


def _data_panel(axes: Axes, result: Result, chosen: np.ndarray) -> None:
    inputs, measured = result.points.inputs[:, 0], result.points.measured
    spread_out = _decades(inputs) and _decades(measured)
    low, high = float(np.min(inputs)), float(np.max(inputs))
    grid = np.geomspace(low, high, 400) if spread_out else np.linspace(low, high, 400)
    tidy(axes).plot(grid, result.predict(grid[:, None]), color=style.INK, linewidth=1.2, zorder=1)
    _scatter(axes, result, chosen, inputs, measured)
    if spread_out:
        axes.set(xscale="log", yscale="log")
    _label_axes(axes, _with_unit(result.table.input_names[0], result.table.input_units[:1]), _target(result))


def _agreement_panel(axes: Axes, result: Result, chosen: np.ndarray) -> None:
    measured, predicted = result.points.measured, result.points.predicted
    log = _decades(measured) and _decades(predicted)
    ends = [float(np.nanmin(measured)), float(np.nanmax(measured))]
    tidy(axes).plot(ends, ends, color=style.INK, linewidth=0.9, zorder=1)
    _scatter(axes, result, chosen, measured, predicted)
    if log:
        axes.set(xscale="log", yscale="log")
    legend = axes.get_legend()
    if legend is not None and result.points.inputs.shape[1] == 1:
        legend.remove()
    _label_axes(axes, f"measured {_target(result)}", f"predicted {_target(result)}")


def _residual_panel(axes: Axes, result: Result, chosen: np.ndarray) -> None:
    measured, predicted = result.points.measured, result.points.predicted
    tidy(axes).axhline(0, color=style.INK, linewidth=0.9, zorder=1)
    _scatter(axes, result, chosen, predicted, measured - predicted)
    if axes.get_legend() is not None:
        axes.get_legend().remove()  # type: ignore[union-attr]
    if _decades(predicted):
        axes.set_xscale("log")
    axes.ticklabel_format(axis="y", scilimits=(-3, 4), useMathText=True)
    axes.yaxis.get_offset_text().set(fontsize=8, fontfamily=list(faces()), math_fontfamily="stix")
    _label_axes(axes, f"predicted {_target(result)}", "measured − predicted")


def _decades(values: np.ndarray) -> bool:
    """Whether positive values span more than a decade and a half, so that a logarithmic axis shows them best."""
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and bool(finite.min() > 0 and finite.max() / finite.min() > 30)


def _with_unit(name: str, units: Sequence[str | None]) -> str:
    unit = units[0] if units else None
    return f"{style.safe(name, 18)} ({style.safe(unit, 8)})" if unit else style.safe(name, 22)


def _target(result: Result) -> str:
    return _with_unit(result.table.target_name, (result.table.target_unit,))


def _label_axes(axes: Axes, across: str, up: str) -> None:
    settings: dict[str, Any] = {"parse_math": False, "fontsize": 9.5, "fontfamily": list(faces()), "color": style.INK}
    axes.set_xlabel(drawable(across), **settings)
    axes.set_ylabel(drawable(up), **settings)


@KINDS.register("history")
def history(result: Result) -> Figure:
    """Training and validation loss against the step, the stages marked, and the active edges below."""
    rows = [row for row in result.history if _number(row, "loss") is not None or _number(row, "edges") is not None]
    if not rows:
        return _message(result, "No network was trained, so there is no training history.")
    counted = any(_number(row, "edges") is not None for row in rows)
    figure = new_figure(520, 300 if counted else 235)
    ratios = {"height_ratios": (3, 1)} if counted else {}
    panels = figure.subplots(2 if counted else 1, 1, sharex=True, squeeze=False, gridspec_kw=ratios).ravel()
    _loss_panel(panels[0], rows)
    if counted:
        _step_line(tidy(panels[1]), rows, "edges", style.INK)
        _label_axes(panels[1], "", "active edges")
        panels[1].set_ylim(bottom=0)
        panels[1].yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    for panel in panels:
        _mark_stages(panel, rows, named=panel is panels[0])
    _label_axes(panels[-1], "step", panels[-1].get_ylabel())
    figure.tight_layout(pad=1.0, h_pad=0.8)
    return figure


def _number(row: dict[str, Any], key: str) -> float | None:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _step_line(axes: Axes, rows: Sequence[dict[str, Any]], key: str, colour: str, label: str | None = None) -> bool:
    """Draw one column of the history against the running number of its rows; tell whether there was anything."""
    points = [(place, value) for place, row in enumerate(rows) if (value := _number(row, key)) is not None]
    if points:
        look = {"drawstyle": "steps-post" if key == "edges" else "default", "marker": "o" if len(points) == 1 else None}
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, label=label, **look)
    return bool(points)


def _loss_panel(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    tidy(axes)
    drawn = [
        _step_line(axes, rows, "loss", style.BLUE, "training"),
        _step_line(axes, rows, "validation", style.VERMILION, "validation"),
    ]
    values = [value for row in rows for key in ("loss", "validation") if (value := _number(row, key)) is not None]
    if values and min(values) > 0:
        axes.set_yscale("log")
    if any(drawn):
        axes.legend(frameon=False, prop={"family": list(faces()), "size": 8.5}, loc="best")
    _label_axes(axes, "", "loss")


def _mark_stages(axes: Axes, rows: Sequence[dict[str, Any]], named: bool) -> None:
    """Shade every other stage, and name those that are wide enough for their name."""
    start = 0
    for place, (stage, group) in enumerate(groupby(str(row.get("stage", "")) for row in rows)):
        end = start + len(list(group))
        if place % 2 == 0:
            axes.axvspan(start - 0.5, end - 0.5, facecolor=style.PALE, zorder=0, linewidth=0)
        if named and (end - start) / len(rows) > 0.017 * style.ems(stage):
            write(axes, (start + end - 1) / 2, 1.03, style.safe(stage, 14), ha="center", fontsize=8,
                  color=style.GREY, transform=axes.get_xaxis_transform())  # fmt: skip
        start = end
    axes.set_xlim(-0.5, len(rows) - 0.5)


def _message(result: Result, text: str) -> Figure:
    """A picture that says why there is nothing to draw, with the law in it."""
    figure = new_figure(440, 110)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, 440), ylim=(110, 0))
    axes.set_axis_off()
    write(axes, 220, 32, text, ha="center", va="center", color=style.GREY)
    name = drawable(style.safe(result.formula.target_name, 14))
    notation = _notation(result.formula, 300, 13)
    write(axes, 92, 70, f"{name} =", ha="right", va="center", fontsize=13)
    write_raw(axes, 98, 70, notation, color=style.INK)
    return figure
