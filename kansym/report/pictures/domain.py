"""Where the data were: how the rows spread over each input, and the box in which the formula holds."""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.axes import Axes

from kansym.report import style
from kansym.report.canvas import Sheet, settle, sheet, tidy
from kansym.report.pictures.words import decades, label_axes, message, with_unit
from kansym.result import Result

BINS = 24
WIDEST = 5


def domain(result: Result, onto: Sheet | None = None) -> Sheet:
    """One histogram of the rows for each input; dashed lines are the ends of the formula's valid box."""
    count = result.points.inputs.shape[1]
    if not len(result.points.measured):
        return message(result, "The run keeps no rows.", onto)
    columns = min(count, WIDEST)
    figure = sheet(30 + 140 * columns, 26 + 95 * ceil(count / columns), onto)
    panels = figure.subplots(ceil(count / columns), columns, squeeze=False).ravel()
    for column, panel in enumerate(panels):
        if column < count:
            _panel(tidy(panel), result, column)
        else:
            panel.set_axis_off()
    settle(figure)
    return figure


def _panel(axes: Axes, result: Result, column: int) -> None:
    data = result.points.inputs[:, column]
    low, high = float(np.min(data)), float(np.max(data))
    spread = decades(data)
    edges = np.geomspace(low, high, BINS + 1) if spread else np.linspace(low, high or low + 1, BINS + 1)
    axes.hist(
        data, bins=list(np.unique(edges)) if high > low else 1, color=style.SKY, edgecolor=style.WHITE, linewidth=0.3
    )
    for end in (result.formula.box or result.table.ranges)[column : column + 1]:
        for place in end:
            axes.axvline(place, color=style.INK, linewidth=0.8, linestyle=(0, (3, 2)))
    if spread:
        axes.set_xscale("log")
    axes.locator_params(axis="y", nbins=3, integer=True)
    units = result.table.input_units
    label_axes(
        axes, with_unit(result.table.input_names[column], units[column : column + 1]), "rows" if not column else ""
    )
