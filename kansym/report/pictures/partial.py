"""The formula along one input at a time, the other inputs held."""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.axes import Axes

from kansym.report import style
from kansym.report.canvas import Sheet, settle, sheet, tidy
from kansym.report.pictures.words import decades, label_axes, message, target_label, with_unit
from kansym.result import Result

STEPS = 200
WIDEST = 4
# Where the other inputs are held: quantiles of the data, and how the line for each is drawn.
HELD = ((0.25, 0.8, 0.45), (0.5, 1.8, 1.0), (0.75, 0.8, 0.45))


def partial(result: Result, onto: Sheet | None = None) -> Sheet:
    """The formula along each of its inputs over the data's range, the others at their quartiles and median.

    Ticks at the bottom are the data. Source: partial dependence, Friedman, Ann. Statist. 29 (2001) 1189; here with
    fixed quantiles in place of the mean over rows.
    """
    shown = sorted(result.formula.expression.variables)
    if not shown or not len(result.points.measured):
        return message(result, "The formula depends on no input.", onto)
    columns = min(len(shown), WIDEST)
    rows = ceil(len(shown) / columns)
    figure = sheet(40 + 165 * columns, 30 + 150 * rows, onto)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for panel, column in zip(panels, shown, strict=False):
        _panel(tidy(panel), result, column)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for panel in panels[::columns]:
        label_axes(panel, panel.get_xlabel(), target_label(result))
    settle(figure)
    return figure


def _panel(axes: Axes, result: Result, column: int) -> None:
    inputs = result.points.inputs
    data = inputs[:, column]
    low, high = float(np.min(data)), float(np.max(data))
    along = np.geomspace(low, high, STEPS) if decades(data) else np.linspace(low, high, STEPS)
    for quantile, width, opacity in HELD if inputs.shape[1] > 1 else HELD[1:2]:
        at = np.tile(np.quantile(inputs, quantile, axis=0), (STEPS, 1))  # (steps, D)
        at[:, column] = along
        axes.plot(along, result.predict(at), color=style.BLUE, linewidth=width, alpha=opacity)
    if decades(data):
        axes.set_xscale("log")
    ticks = data[:: max(1, len(data) // 200)]
    axes.plot(ticks, np.zeros(len(ticks)), "|", color=style.GREY, markersize=5, transform=axes.get_xaxis_transform())
    axes.locator_params(axis="y", nbins=5)
    units = result.table.input_units
    label_axes(axes, with_unit(result.table.input_names[column], units[column : column + 1]), "")
