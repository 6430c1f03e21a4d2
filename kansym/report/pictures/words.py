"""What pictures write: labels with units, formulas as mathematics, and the picture that says why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.mathtext import MathTextParser

from kansym.report import style
from kansym.report.canvas import Sheet, drawable, faces, has_mathematical_letters, sheet, write
from kansym.report.markup import mathtext
from kansym.result import Result
from kansym.symbolic.formula import Formula


def write_raw(axes: Axes, x: float, y: float, text: dict[str, Any], **options: Any) -> None:
    """Put what `notation` made on axes, at the middle of its line."""
    look = {"parse_math": text["parse_math"], "fontsize": text["size"], "math_fontfamily": "stix"}
    axes.text(x, y, text["text"], va="center", fontfamily=list(faces()), **look, **options)


def notation(formula: Formula, room: float, size: float = 9.5) -> dict[str, Any]:
    """A formula as mathematics if that can be drawn in the room (points), else as plain text, cut where it must be."""
    markup = mathtext(formula.expression, [drawable(name) for name in formula.input_names])
    try:
        width = MathTextParser("path").parse(markup, dpi=72).width * size / 12
    except ValueError:  # a name that mathtext cannot write
        width = np.inf
    names = "".join(formula.input_names[variable] for variable in formula.expression.variables)
    if width <= room and has_mathematical_letters(names):
        return {"text": markup, "parse_math": True, "size": size, "width": width}
    text = drawable(style.safe(formula.text(3), room / 8))
    return {"text": text, "parse_math": False, "size": 8.0, "width": 8 * style.ems(text)}


def decades(values: np.ndarray) -> bool:
    """Whether positive values span more than a decade and a half, so that a logarithmic axis shows them best."""
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and bool(finite.min() > 0 and finite.max() / finite.min() > 30)


def with_unit(name: str, units: Sequence[str | None]) -> str:
    unit = units[0] if units else None
    return f"{style.safe(name, 18)} ({style.safe(unit, 8)})" if unit else style.safe(name, 22)


def target_label(result: Result) -> str:
    return with_unit(result.table.target_name, (result.table.target_unit,))


def label_axes(axes: Axes, across: str, up: str) -> None:
    settings: dict[str, Any] = {"parse_math": False, "fontsize": 9.5, "fontfamily": list(faces()), "color": style.INK}
    axes.set_xlabel(drawable(across), **settings)
    axes.set_ylabel(drawable(up), **settings)


def message(result: Result, text: str, onto: Sheet | None = None) -> Sheet:
    """A picture that says why there is nothing to draw, with the law in it."""
    figure = sheet(440, 110, onto)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, 440), ylim=(110, 0))
    axes.set_axis_off()
    write(axes, 220, 32, text, ha="center", va="center", color=style.GREY)
    name = drawable(style.safe(result.formula.target_name, 14))
    drawn = notation(result.formula, 300, 13)
    write(axes, 92, 70, f"{name} =", ha="right", va="center", fontsize=13)
    write_raw(axes, 98, 70, drawn, color=style.INK)
    return figure
