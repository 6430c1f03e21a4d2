"""Many curves of one variable beside the truth, as small multiples."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from kansym.report import style
from kansym.report.canvas import Figure, faces, figure_of, settle, sheet, tidy
from kansym.report.pictures.words import label_axes

COLUMNS = 3


def small_multiples(x: np.ndarray, truth: np.ndarray, curves: Mapping[str, np.ndarray], across: str, up: str) -> Figure:
    """Draw every curve over the truth (thin, dark) in a panel of its own.

    Args:
        x: (N,).
        truth: (N,).
        curves: (N,) each, by what stands above the panel; values far from the truth are cut off.
        across, up: words on the axes.
    """
    rows = ceil(len(curves) / COLUMNS)
    drawn = sheet(40 + 190 * COLUMNS, 30 + 100 * rows)
    panels = drawn.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    low, high = float(np.min(truth)), float(np.max(truth))
    room = 0.4 * ((high - low) or 1.0)
    for panel, (name, curve) in zip(panels, curves.items(), strict=False):
        tidy(panel).plot(x, truth, color=style.INK, linewidth=0.7)
        panel.plot(x, curve, color=style.VERMILION, linewidth=1.3, alpha=0.85)
        panel.set(ylim=(low - room, high + room))
        panel.set_title(name, fontsize=8.5, fontfamily=list(faces()), color=style.INK, parse_math=False)
    for panel in panels[len(curves) :]:
        panel.set_axis_off()
    for panel in panels[::COLUMNS]:
        label_axes(panel, "", up if panel is panels[0] else "")
    label_axes(panels[(rows - 1) * COLUMNS], across, "")
    settle(drawn)
    return figure_of(drawn)
