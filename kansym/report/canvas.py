"""Matplotlib without pyplot and without global settings: fonts, fresh figures, and files equal byte for byte."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec

from kansym.errors import ConfigError, printable
from kansym.report import style

Sheet = Figure | SubFigure  # what a picture is drawn on: a figure, or a part of one
SUFFIXES = (".svg", ".png", ".pdf")
# No dates and no versions: the same figure gives the same bytes.
PDF_METADATA = {"CreationDate": None, "ModDate": None, "Creator": "kansym", "Producer": "kansym"}
_METADATA: dict[str, dict[str, str | None]] = {
    ".svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    ".png": {"Software": None},
    ".pdf": PDF_METADATA,
}
SETTINGS: dict[Any, Any] = {"svg.hashsalt": "kansym", "svg.fonttype": "path", "pdf.fonttype": 42}

# Bundled with matplotlib first, then faces that cover the writing systems those lack, where they are installed.
_FACES = ("STIXGeneral", "DejaVu Sans")
_WIDER_FACES = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans", "Microsoft YaHei", "Yu Gothic",
    "Malgun Gothic", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS",
    "Noto Sans Devanagari", "Noto Sans Arabic", "Noto Sans Symbols2", "Noto Emoji", "Segoe UI Emoji",
)  # fmt: skip


@cache
def faces() -> tuple[str, ...]:
    """The font families to draw with, in order of preference."""
    installed = set(font_manager.get_font_names())
    return _FACES + tuple(face for face in _WIDER_FACES if face in installed)


@cache
def _covered() -> frozenset[int]:
    paths = [font_manager.findfont(face) for face in faces()]
    return frozenset(code for path in paths for code in font_manager.get_font(path).get_charmap())


@cache
def _mathematical() -> frozenset[int]:
    return frozenset(font_manager.get_font(font_manager.findfont(_FACES[0])).get_charmap())


def has_mathematical_letters(text: str) -> bool:
    """Whether the face that mathematics is set in has every character of a text."""
    return all(ord(character) in _mathematical() for character in printable(text))


def drawable(text: str) -> str:
    """The text on one line, with a box for every character that no font at hand can draw."""
    return "".join(character if ord(character) in _covered() else "□" for character in printable(text))


class Picture(Figure):
    """A figure that notebooks show by themselves: they only know how to draw those that pyplot made."""

    def _repr_svg_(self) -> str:
        return encode(self, ".svg").decode("utf-8")


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of a size in points, drawn by Agg until it is saved as something else."""
    figure = Picture(figsize=(width / 72, height / 72), facecolor=style.WHITE)
    FigureCanvasAgg(figure)
    return figure


def sheet(width: float, height: float, onto: Sheet | None = None) -> Sheet:
    """What to draw on: the sheet that is given, or else a new figure of a size in points."""
    return new_figure(width, height) if onto is None else onto


def place_of(axes: Axes) -> SubFigure:
    """The room that axes take in their figure, as a sheet; the axes are hidden."""
    figure = axes.figure
    part = figure.add_subfigure(GridSpec(1, 1)[0], facecolor="none")
    part.bbox_relative.set(axes.get_position())
    axes.set_axis_off()
    return part


def figure_of(sheet: Sheet) -> Figure:
    """The whole figure that a sheet is or is part of."""
    return sheet if isinstance(sheet, Figure) else figure_of(sheet.figure)


def size(sheet: Sheet) -> tuple[float, float]:
    """Width and height in points."""
    return 72 * sheet.bbox.width / sheet.dpi, 72 * sheet.bbox.height / sheet.dpi


def settle(sheet: Sheet, across: float = 1.0, down: float = 1.0) -> None:
    """Leave room for labels; `across` and `down` are the gaps between panels, in multiples of the letters' size."""
    if isinstance(sheet, Figure):
        sheet.tight_layout(pad=1.0, w_pad=across, h_pad=down)
        return
    width, height = size(sheet)
    gaps = {"wspace": 0.25 + 0.1 * across, "hspace": 0.45 + 0.1 * down}
    sheet.subplots_adjust(min(0.3, 48 / width), min(0.3, 40 / height), 1 - 10 / width, 1 - 18 / height, **gaps)


def tidy(axes: Axes) -> Axes:
    """Axes in the house style: thin lines on two sides, serif numbers."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set(linewidth=0.7, color=style.INK)
    axes.tick_params(which="both", width=0.6, labelsize=8.5, labelcolor=style.INK, color=style.INK)
    axes.tick_params(which="both", labelfontfamily=list(faces()))
    return axes


def write(axes: Axes, x: float, y: float, text: str, **options: Any) -> Any:
    """Put a text from a table on axes; options as matplotlib's."""
    settings = {"fontfamily": list(faces()), "fontsize": 9, "color": style.INK, "parse_math": False, **options}
    return axes.text(x, y, drawable(text), **settings)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as its suffix says; the same figure gives the same bytes.

    Args:
        figure: any figure of this package. path: ends in .svg, .png (200 dots per inch) or .pdf.

    Raises:
        ConfigError: for another suffix.
    """
    target = Path(path)
    target.write_bytes(encode(figure, target.suffix.lower()))
    return target


def encode(figure: Figure, suffix: str) -> bytes:
    """A figure as the bytes of a file of that suffix (".svg", ".png" or ".pdf")."""
    if suffix not in SUFFIXES:
        raise ConfigError(f"cannot draw a picture as '{suffix}': choose a file name that ends in .svg, .png or .pdf")
    buffer = BytesIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(buffer, format=suffix[1:], dpi=200, metadata=_METADATA[suffix])
    return buffer.getvalue()
