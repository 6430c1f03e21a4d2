"""Pictures of benchmarks: who takes how long, and how that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kansym.report import style
from kansym.report.canvas import faces, new_figure, tidy, write

COLOURS = (style.VERMILION, style.GREEN, style.ORANGE, style.SKY, style.PURPLE, style.GREY)
MARKS = "osD^vPX*"
ACROSS, PANEL, ROW, GAP, EDGE = 2, 250.0, 13.0, 62.0, 14.0
NAME_SPACE = 165.0
_LABEL: dict[str, Any] = {"fontsize": 8.5, "color": style.INK, "fontfamily": list(faces())}


@dataclass(frozen=True)
class Bars:
    """Times side by side.

    Args:
        title: of the panel.
        names: one per bar.
        values: seconds, > 0.
        own: which bars are kansym's.
        unit: of the axis.
    """

    title: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    own: tuple[bool, ...]
    unit: str = "seconds a step"


@dataclass(frozen=True)
class Line:
    """How one program's time grows: points (x, seconds), both > 0."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    own: bool = False


@dataclass(frozen=True)
class Lines:
    """Several programs over one axis."""

    title: str
    axis: str
    lines: tuple[Line, ...]
    unit: str = "seconds a step"


def bars_figure(panels: Sequence[Bars]) -> Figure:
    """Draw times as dots on a logarithmic axis, the fastest on top, one panel per case.

    Args:
        panels: at least one.
    """
    columns = min(ACROSS, len(panels))
    rows = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [max(len(panel.names) for panel in row) * ROW for row in rows]
    width, height = columns * (PANEL + NAME_SPACE) + EDGE, sum(heights) + len(rows) * GAP
    figure, top = new_figure(width, height), height - GAP / 2
    for row, tall in zip(rows, heights, strict=True):
        for place, panel in enumerate(row):
            left = place * (PANEL + NAME_SPACE) + NAME_SPACE
            own = len(panel.names) * ROW
            frame = (left / width, (top - own) / height, PANEL / width, own / height)
            _bars(tidy(figure.add_axes(frame)), panel)
        top -= tall + GAP
    return figure


def _bars(axes: Axes, panel: Bars) -> None:
    order = sorted(range(len(panel.names)), key=lambda place: -panel.values[place])
    least = min(panel.values)
    axes.set_xscale("log")
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_yticks([])
    for height, place in enumerate(order):
        colour = style.BLUE if panel.own[place] else style.GREY
        axes.plot([least / 2, panel.values[place]], [height, height], color=style.FAINT, linewidth=0.7)
        axes.plot(panel.values[place], height, "o", color=colour, markersize=4.5)
        settings = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center", "fontsize": 8}
        write(axes, -0.02, height, style.safe(panel.names[place], 30), color=colour, **settings)
    axes.set_xlim(least / 2, max(panel.values) * 2)
    _titled(axes, panel.title, panel.unit)


def lines_figure(panels: Sequence[Lines]) -> Figure:
    """Draw times against what was varied, both on logarithmic axes, one panel per sweep.

    Args:
        panels: at least one.
    """
    columns = min(ACROSS, len(panels))
    deep = -(-len(panels) // columns)
    legend = 90.0
    side, tall = PANEL + NAME_SPACE, PANEL * 0.8
    width, height = columns * side + EDGE, deep * (tall + GAP)
    figure = new_figure(width, height)
    for place, panel in enumerate(panels):
        left = (place % columns) * side + 50
        bottom = height - (place // columns) * (tall + GAP) - tall - GAP / 2
        frame = (left / width, bottom / height, (side - 50 - legend) / width, tall / height)
        _lines(tidy(figure.add_axes(frame)), panel)
    return figure


def _lines(axes: Axes, panel: Lines) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for place, line in enumerate(panel.lines):
        colour = style.BLUE if line.own else COLOURS[place % len(COLOURS)]
        mark = MARKS[place % len(MARKS)]
        width = 1.6 if line.own else 0.9
        axes.plot(line.x, line.y, color=colour, linewidth=width, marker=mark, markersize=3.5)
    _named(axes, panel.lines)
    _titled(axes, panel.title, panel.axis)
    places = sorted({x for line in panel.lines for x in line.x})
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.set_xticks([], minor=True)
    axes.set_ylabel(panel.unit, **_LABEL)


def _named(axes: Axes, lines: Sequence[Line]) -> None:
    """Write the names beside the last points, apart from each other, in the order of the points."""
    order = sorted(range(len(lines)), key=lambda place: lines[place].y[-1])
    for height, place in enumerate(order):
        colour = style.BLUE if lines[place].own else COLOURS[place % len(COLOURS)]
        up = (height + 0.5) / max(len(order), 12)
        mark = MARKS[place % len(MARKS)]
        axes.plot(1.04, up, mark, color=colour, markersize=3.5, transform=axes.transAxes, clip_on=False)
        settings = {"transform": axes.transAxes, "va": "center", "fontsize": 7.5, "color": colour}
        write(axes, 1.07, up, style.safe(lines[place].name, 17), **settings)


def _titled(axes: Axes, title: str, below: str) -> None:
    write(axes, 0.0, 1.04, style.safe(title, 48), transform=axes.transAxes, fontsize=9)
    axes.set_xlabel(below, **_LABEL)
