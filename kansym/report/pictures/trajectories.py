"""Samples of trajectories with a solution drawn over them, as small multiples."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from kansym.report import style
from kansym.report.canvas import Figure, drawable, faces, figure_of, settle, sheet, tidy
from kansym.report.pictures.words import label_axes

COLUMNS = 3
MOST_PANELS = 12
MOST_POINTS = 400
Panel = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def trajectories(
    panels: Mapping[str, Panel], across: str = "time", words: tuple[str, str] = ("samples", "solution")
) -> Figure:
    """Draw samples as dots and the solution as a line, at most twelve panels.

    Args:
        panels: (times (N,), samples (N,), dense times (M,), solution (M,)) by what stands above a panel; nan where
            there is no sample, or the solution has ended.
        across: words below the last row.
        words: what the dots and the line are.
    """
    shown = dict(list(panels.items())[:MOST_PANELS])
    columns = min(COLUMNS, len(shown))
    rows = ceil(len(shown) / columns)
    drawn = sheet(60 + 190 * columns, 40 + 120 * rows)
    axes = drawn.subplots(rows, columns, squeeze=False).ravel()
    for panel, (name, (times, samples, dense, solution)) in zip(axes, shown.items(), strict=False):
        step = max(1, len(times) // MOST_POINTS)
        tidy(panel).plot(times[::step], samples[::step], ".", color=style.FAINT, markersize=3.5, label=words[0])
        panel.plot(dense, solution, color=style.VERMILION, linewidth=1.1, label=words[1])
        low, high = float(np.nanmin(samples)), float(np.nanmax(samples))
        room = 0.12 * ((high - low) or 1.0)
        panel.set(ylim=(low - room, high + room))
        panel.set_title(
            drawable(style.safe(name)), fontsize=8.5, fontfamily=list(faces()), color=style.INK, parse_math=False
        )
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    for panel in axes[max(0, len(shown) - columns) : len(shown)]:
        label_axes(panel, across, "")
    axes[0].legend(loc="best", fontsize=7.5, frameon=False, prop={"family": list(faces()), "size": 7.5})
    settle(drawn)
    return figure_of(drawn)
