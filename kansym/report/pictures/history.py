"""Training: losses, refinements of the grid, prunings, and the edges that are left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kansym.report import style
from kansym.report.canvas import Sheet, faces, settle, sheet, tidy, write
from kansym.report.pictures.words import label_axes, message
from kansym.result import Result


def history(result: Result, onto: Sheet | None = None) -> Sheet:
    """Training and validation loss against the step, the stages marked, and the active edges below."""
    rows = [row for row in result.history if _number(row, "loss") is not None or _number(row, "edges") is not None]
    if not rows:
        return message(result, "No network was trained, so there is no training history.", onto)
    counted = any(_number(row, "edges") is not None for row in rows)
    figure = sheet(520, 300 if counted else 235, onto)
    ratios = {"height_ratios": (3, 1)} if counted else {}
    panels = figure.subplots(2 if counted else 1, 1, sharex=True, squeeze=False, gridspec_kw=ratios).ravel()
    _loss_panel(panels[0], rows)
    if counted:
        _step_line(tidy(panels[1]), rows, "edges", style.INK)
        label_axes(panels[1], "", "active edges")
        panels[1].set_ylim(bottom=0)
        panels[1].yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    for panel in panels:
        _mark_stages(panel, rows, named=panel is panels[0])
    label_axes(panels[-1], "step", panels[-1].get_ylabel())
    settle(figure, down=0.8)
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
    label_axes(axes, "", "loss")


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
