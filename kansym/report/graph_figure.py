"""The graph picture as a matplotlib figure."""

from __future__ import annotations

from typing import Any

from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from kansym.report import style
from kansym.report.canvas import Sheet, drawable, faces, sheet, size
from kansym.report.scene import Disc, Frame, Label, Path, Pen, Scene, Shape

_CODES = {"M": (Outline.MOVETO,), "L": (Outline.LINETO,), "C": (Outline.CURVE4,) * 3}
_ALIGN = {"start": "left", "middle": "center", "end": "right"}


def scene_figure(scene: Scene, onto: Sheet | None = None) -> Sheet:
    """A scene as a figure of its own size, points for points, or shrunk to the sheet that is given."""
    figure = sheet(scene.width, scene.height, onto)
    width, height = size(figure)
    scale = min(width / scene.width, height / scene.height) if onto is not None else 1.0
    share = scene.width * scale / width, scene.height * scale / height
    axes = figure.add_axes(((1 - share[0]) / 2, (1 - share[1]) / 2, *share))
    axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.set_axis_off()
    for order, shape in enumerate(shape for group in scene.groups for shape in group.shapes):
        _draw(axes, shape, order + 1, scale)
    return figure


def _draw(axes: Axes, shape: Shape, order: int, scale: float) -> None:
    if isinstance(shape, Label):
        _write(axes, shape, order, scale)
        return
    patch = _patch(shape, scale)
    patch.set_zorder(order)
    axes.add_artist(patch)  # the limits are known: to widen them patch by patch takes as long as the drawing


def _patch(shape: Path | Disc | Frame, scale: float) -> Any:
    if isinstance(shape, Path):
        return PathPatch(_outline(shape), fill=False, **_pen(shape.pen, scale))
    if isinstance(shape, Disc):
        return Circle((shape.x, shape.y), shape.radius, facecolor=shape.fill, **_pen(shape.pen, scale))
    box = shape.box
    corners = "round,pad=0,rounding_size=2"
    return FancyBboxPatch(
        (box.x, box.y), box.width, box.height, boxstyle=corners, facecolor=shape.fill, **_pen(shape.pen, scale)
    )


def _outline(path: Path) -> Outline:
    points = [step[place : place + 2] for step in path.steps for place in range(1, len(step), 2)]
    return Outline(points, [code for step in path.steps for code in _CODES[step[0]]])


def _pen(pen: Pen, scale: float) -> dict[str, Any]:
    dashes = (0, (2.6, 1.7)) if pen.dashed else "solid"
    # The colour carries the opacity, so that a fill stays opaque.
    return {
        "edgecolor": (pen.colour, pen.opacity),
        "linewidth": pen.width * scale,
        "linestyle": dashes,
        "capstyle": "butt",
        "joinstyle": "round",
    }


def _write(axes: Axes, label: Label, order: int, scale: float) -> None:
    raised = rf"$^{{\mathrm{{{label.raised}}}}}$" if label.raised else ""
    text = axes.text(
        label.x,
        label.y,
        drawable(label.text) + raised,
        parse_math=bool(raised),
        ha=_ALIGN[label.align],
        va="center_baseline",
        fontsize=label.size * scale,
        fontfamily=list(faces()),
        fontstyle="italic" if label.italic else "normal",
        fontweight="bold" if label.bold else "normal",
        color=label.colour,
        zorder=order,
        math_fontfamily="stix",
    )
    if label.halo:
        text.set_path_effects([patheffects.withStroke(linewidth=2.5, foreground=style.WHITE)])
