"""Predicted against measured values and what is left over; for one input also the data with the curve."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from kansym.report import style
from kansym.report.canvas import Sheet, drawable, faces, settle, sheet, tidy
from kansym.report.pictures.words import decades, label_axes, target_label, with_unit
from kansym.result import Result

MOST_POINTS = 2000


def fit(result: Result, onto: Sheet | None = None) -> Sheet:
    """Predicted against measured values and the residuals; for one input also the data with the curve."""
    return fit_figure(result, MOST_POINTS, onto)


def fit_figure(result: Result, limit: int, onto: Sheet | None = None) -> Sheet:
    """The fit picture with at most `limit` points in each panel."""
    single = result.points.inputs.shape[1] == 1
    figure = sheet(720 if single else 500, 250, onto)
    panels = list(figure.subplots(1, 3 if single else 2))
    chosen = _spaced(len(result.points.measured), limit)
    if single:
        _data_panel(panels.pop(0), result, chosen)
    _agreement_panel(panels[0], result, chosen)
    _residual_panel(panels[1], result, chosen)
    settle(figure, across=2.0)
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
    spread_out = decades(inputs) and decades(measured)
    low, high = float(np.min(inputs)), float(np.max(inputs))
    grid = np.geomspace(low, high, 400) if spread_out else np.linspace(low, high, 400)
    tidy(axes).plot(grid, result.predict(grid[:, None]), color=style.INK, linewidth=1.2, zorder=1)
    _scatter(axes, result, chosen, inputs, measured)
    if spread_out:
        axes.set(xscale="log", yscale="log")
    label_axes(axes, with_unit(result.table.input_names[0], result.table.input_units[:1]), target_label(result))


def _agreement_panel(axes: Axes, result: Result, chosen: np.ndarray) -> None:
    measured, predicted = result.points.measured, result.points.predicted
    log = decades(measured) and decades(predicted)
    ends = [float(np.nanmin(measured)), float(np.nanmax(measured))]
    tidy(axes).plot(ends, ends, color=style.INK, linewidth=0.9, zorder=1)
    _scatter(axes, result, chosen, measured, predicted)
    if log:
        axes.set(xscale="log", yscale="log")
    legend = axes.get_legend()
    if legend is not None and result.points.inputs.shape[1] == 1:
        legend.remove()
    label_axes(axes, f"measured {target_label(result)}", f"predicted {target_label(result)}")


def _residual_panel(axes: Axes, result: Result, chosen: np.ndarray) -> None:
    measured, predicted = result.points.measured, result.points.predicted
    tidy(axes).axhline(0, color=style.INK, linewidth=0.9, zorder=1)
    _scatter(axes, result, chosen, predicted, measured - predicted)
    if axes.get_legend() is not None:
        axes.get_legend().remove()  # type: ignore[union-attr]
    if decades(predicted):
        axes.set_xscale("log")
    axes.ticklabel_format(axis="y", scilimits=(-3, 4), useMathText=True)
    axes.yaxis.get_offset_text().set(fontsize=8, fontfamily=list(faces()), math_fontfamily="stix")
    label_axes(axes, f"predicted {target_label(result)}", "measured − predicted")
