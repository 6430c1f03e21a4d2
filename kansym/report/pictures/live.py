"""A fit while it runs: the loss of every stage against the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kansym.report import style
from kansym.report.canvas import new_figure, settle, tidy, write
from kansym.report.pictures.words import label_axes

LONGEST = 90  # characters of a formula in the heading
COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)


@dataclass(frozen=True)
class Moment:
    """Where a fit stood: seconds since its start, the stage, and the loss, if it has one."""

    seconds: float
    stage: str
    loss: float | None


def live(moments: Sequence[Moment], formula: str = "") -> Figure:
    """Draw the losses of a running fit, one colour a stage, with the latest formula above."""
    figure = new_figure(520, 250)
    axes = tidy(figure.subplots())
    points = [moment for moment in moments if moment.loss is not None and np.isfinite(moment.loss) and moment.loss > 0]
    stages = list(dict.fromkeys(moment.stage for moment in points))
    for stage, group in groupby(points, key=lambda moment: moment.stage):
        part = list(group)
        look = {"color": COLOURS[stages.index(stage) % len(COLOURS)], "linewidth": 1.3, "marker": "o", "markersize": 3}
        losses = np.array([moment.loss for moment in part], dtype=float)
        axes.plot([moment.seconds for moment in part], losses, **look)
    if points:
        axes.set_yscale("log")
    axes.set_xlim(0, max((moment.seconds for moment in moments), default=1.0) or 1.0)
    label_axes(axes, "seconds", "loss")
    _legend(axes, stages)
    shown = formula if len(formula) <= LONGEST else formula[: LONGEST - 1] + "…"
    write(axes, 0.0, 1.04, shown or (moments[-1].stage if moments else "waiting"), transform=axes.transAxes)
    settle(figure)
    return figure


def _legend(axes: Axes, stages: Sequence[str]) -> None:
    """The stages by colour, at the right edge."""
    for place, stage in enumerate(stages):
        look = {"color": COLOURS[place % len(COLOURS)], "transform": axes.transAxes, "ha": "right", "va": "top"}
        write(axes, 0.99, 0.97 - 0.09 * place, stage, **look)
