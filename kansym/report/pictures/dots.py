"""Several measures of the same things side by side: names down, one panel a measure, one dot a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from kansym.report import style
from kansym.report.canvas import Figure, faces, figure_of, settle, sheet, tidy

COLOURS = (style.VERMILION, style.SKY, style.GREEN, style.ORANGE)
NAMES, PANEL, ROW, EDGE = 150, 120, 17, 62


@dataclass(frozen=True)
class Panel:
    """One measure.

    Args:
        title: of the panel.
        logarithm: whether its axis is; else it begins at 0.
        series: a value per name, or nan, by what the legend says.
    """

    title: str
    logarithm: bool
    series: Mapping[str, Sequence[float]]


def dots(names: Sequence[str], panels: Sequence[Panel]) -> Figure:
    """Draw the panels beside each other, the first name on top.

    Args:
        names: of the rows.
        panels: with one value per row and series.
    """
    drawn = sheet(NAMES + PANEL * len(panels), EDGE + ROW * len(names))
    axes = drawn.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    text = {"fontsize": 8.5, "color": style.INK, "fontfamily": list(faces())}
    heights = np.arange(len(names))[::-1]
    for axis, panel in zip(axes, panels, strict=True):
        tidy(axis)
        for (label, values), colour in zip(panel.series.items(), COLOURS, strict=False):
            axis.plot(values, heights, "o", color=colour, markersize=4.5, alpha=0.85, label=label, linestyle="")
        _scaled(axis, panel)
        axis.set_title(panel.title, parse_math=False, **text)
        axis.set_yticks(heights, list(names), **text)
        axis.grid(axis="y", color=style.GREY, alpha=0.25, linewidth=0.6)
        axis.tick_params(axis="y", length=0)
    axes[0].set_ylim(-0.7, len(names) - 0.3)
    axes[0].legend(loc="lower left", bbox_to_anchor=(-0.02, 1.12), ncols=len(panels[0].series), frameon=False,
                   handlelength=1.0, handletextpad=0.4, columnspacing=1.2,
                   prop={"family": list(faces()), "size": 8.5})  # fmt: skip
    settle(drawn)
    return figure_of(drawn)


def _scaled(axis: Axes, panel: Panel) -> None:
    largest = np.nanmax([value for values in panel.series.values() for value in values])
    if panel.logarithm:
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        axis.set_xlim(0, 1.06 * float(largest) or 1.0)
