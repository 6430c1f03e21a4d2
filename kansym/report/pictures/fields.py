"""Functions of two coordinates beside each other, as maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kansym.report import style
from kansym.report.canvas import Figure, faces, figure_of, settle, sheet
from kansym.report.pictures.words import label_axes

WIDTH, HEIGHT = 215, 190


def fields(panels: Mapping[str, np.ndarray], names: Sequence[str], ends: Sequence[tuple[float, float]]) -> Figure:
    """Draw every field as a map with a scale of its own, even about 0; blue is negative, red positive.

    Args:
        panels: (m, n) over the first and the second coordinate, by what stands above.
        names: of the two coordinates.
        ends: of their ranges.
    """
    drawn = sheet(WIDTH * len(panels), HEIGHT)
    places = drawn.subplots(1, len(panels), squeeze=False).ravel()
    for place, (title, field) in zip(places, panels.items(), strict=True):
        reach = float(np.max(np.abs(field))) or 1.0
        shown = place.imshow(
            field.T, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-reach, vmax=reach,
            extent=(*ends[0], *ends[1]), interpolation="bilinear",
        )  # fmt: skip
        bar = drawn.colorbar(shown, ax=place, pad=0.03)
        bar.ax.ticklabel_format(scilimits=(-2, 3), useMathText=True)
        bar.ax.yaxis.get_offset_text().set(fontsize=7.5, fontfamily=list(faces()), math_fontfamily="stix")
        for axis in (place, bar.ax):
            axis.tick_params(labelsize=7.5, colors=style.INK, width=0.5, length=2.5)
            for text in (*axis.get_xticklabels(), *axis.get_yticklabels()):
                text.set_fontfamily(list(faces()))
        bar.outline.set_linewidth(0.5)
        place.set_title(title, fontsize=8.5, fontfamily=list(faces()), color=style.INK, parse_math=False)
        label_axes(place, names[0], names[1] if place is places[0] else "")
    settle(drawn)
    return figure_of(drawn)
