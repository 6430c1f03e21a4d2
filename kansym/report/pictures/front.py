"""The Pareto front: complexity against error, and the formulas beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kansym.report import style
from kansym.report.canvas import Sheet, faces, sheet, size, tidy, write
from kansym.report.pictures.words import label_axes, notation, write_raw
from kansym.result import Result
from kansym.symbolic.formula import Formula

AXES_ROOM, FORMULA_ROOM, LINE_HEIGHT = 310.0, 320.0, 24.0  # in points
_ERROR_PARTS = ("validation", "leave-one-out", "test", "train")


def pareto(result: Result, onto: Sheet | None = None) -> Sheet:
    """Complexity against error for every formula of the front; the formulas are listed beside it."""
    formulas = result.front.formulas
    part = _shared_part(formulas)
    listed = [notation(formula, FORMULA_ROOM) for formula in formulas]
    width = AXES_ROOM + 40 + max(180.0, *(entry["width"] for entry in listed))
    height = max(235.0, 70 + LINE_HEIGHT * len(formulas))
    figure = sheet(width, height, onto)
    width, height = size(figure)
    room = _axes_room(width)
    axes = tidy(figure.add_axes((62 / width, 46 / height, (room - 82) / width, 1 - 66 / height)))
    values = [_positive(formula.errors[part].nrmse if part else float("nan")) for formula in formulas]
    complexity = [formula.complexity for formula in formulas]
    axes.plot(complexity, values, color=style.FAINT, linewidth=1.2, drawstyle="steps-post", zorder=1)
    for place, (x, y) in enumerate(zip(complexity, values, strict=True)):
        _front_point(axes, x, y, place, result)
    axes.set_yscale("log")
    axes.margins(0.12, 0.14)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    label_axes(axes, "complexity (nodes)", f"{part or 'held-out'} NRMSE")
    _front_list(figure, result, listed)
    return figure


def _shared_part(formulas: Sequence[Formula]) -> str | None:
    parts = (part for part in _ERROR_PARTS if all(part in formula.errors for formula in formulas))
    return next(parts, None)


def _positive(value: float) -> float:
    """An error for a logarithmic axis: an exact fit is drawn at the rounding of numbers, not left out."""
    return max(value, 1e-16) if np.isfinite(value) else np.nan


def _front_colour(result: Result, place: int) -> str:
    chosen, rival = place == result.front.chosen, place in result.front.rivals
    return style.VERMILION if chosen else style.ORANGE if rival else style.BLUE


def _front_point(axes: Axes, x: float, y: float, place: int, result: Result) -> None:
    colour = _front_colour(result, place)
    chosen = place == result.front.chosen
    axes.plot([x], [y], marker="o", markersize=8 if chosen else 5.5, color=colour, markeredgecolor=style.WHITE)
    if chosen:
        axes.plot([x], [y], marker="o", markersize=13, markerfacecolor="none", markeredgecolor=colour)
    axes.annotate(
        str(place + 1), (x, y), (7, 5), textcoords="offset points", fontsize=8, color=colour, fontfamily=list(faces())
    )


def _axes_room(width: float) -> float:
    """What the axes get of a width in points; the formulas get the rest."""
    return min(AXES_ROOM, max(100.0, 0.5 * width))


def _front_list(figure: Sheet, result: Result, listed: Sequence[dict[str, Any]]) -> None:
    """The formulas, numbered as their points, in a column of their own so that no label can cover another."""
    width, height = size(figure)
    room = _axes_room(width)
    table = figure.add_axes((room / width, 0.0, 1 - room / width, 1.0))
    table.set(xlim=(0, width - room), ylim=(height, 0))
    table.set_axis_off()
    for place, entry in enumerate(listed):
        y = 32 + LINE_HEIGHT * place
        colour = _front_colour(result, place)
        write(table, 14, y, str(place + 1), ha="right", va="center", fontsize=8, color=colour)
        write_raw(table, 22, y, entry, color=colour if place == result.front.chosen else style.INK)
    note = {True: "chosen", False: "best approximation found"}[result.front.exact]
    rivals = ", orange: fits the data as well" if result.front.rivals else ""
    write(table, 22, height - 14, f"red: {note}{rivals}", fontsize=7.5, color=style.GREY, va="center")
