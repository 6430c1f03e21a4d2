"""A whole fit as a PDF, set by matplotlib, so that no LaTeX is needed: pages of text, then a page for every picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from textwrap import wrap
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from kansym.report import style
from kansym.report.canvas import PDF_METADATA, SETTINGS, figure_of, new_figure, write
from kansym.report.figures import KINDS
from kansym.report.pictures.words import notation, write_raw
from kansym.report.story import (
    Block,
    Cell,
    Code,
    Facts,
    Grid,
    Law,
    Listing,
    Network,
    Picture,
    Words,
    story,
    title,
    verdict,
)  # fmt: skip
from kansym.result import Result

WIDTH, HEIGHT, MARGIN = 595.0, 842.0, 54.0  # A4, in points
ROOM = WIDTH - 2 * MARGIN
SIZE = 9.0
LETTERS = 96  # of a line of text
LAW = 240.0  # room for a formula in a table


@dataclass(frozen=True)
class _Line:
    """One line of a page: cells at places from the left, in points, and the height it takes."""

    cells: tuple[tuple[float, Cell], ...]
    height: float = 14.0
    size: float = SIZE
    colour: str = style.INK


def pdf_report(result: Result) -> bytes:
    """Return the PDF of one fit; the same result gives the same bytes."""
    buffer = BytesIO()
    with matplotlib.rc_context(SETTINGS), PdfPages(buffer, metadata=PDF_METADATA) as book:
        for page in _pages(list(_lines(result))):
            book.savefig(page)
        for kind in _pictures(result):
            book.savefig(figure_of(KINDS.get(kind)(result)))
    return buffer.getvalue()


def _pictures(result: Result) -> list[str]:
    """The kinds of pictures that the story wants, in its order."""
    blocks = [block for section in story(result) for block in section.blocks]
    kinds = [block.kind if isinstance(block, Picture) else "graph" for block in blocks
             if isinstance(block, Picture | Network)]  # fmt: skip
    return list(dict.fromkeys(kinds))


def _lines(result: Result) -> Iterator[_Line]:
    yield _Line(((0.0, style.safe(title(result), 46)),), 30, 15)
    if verdict(result):
        yield from _paragraph(verdict(result), style.GREY)
    if len(str(result.formula)) > LETTERS - 30:
        yield from _paragraph(str(result.formula), style.INK)
    else:
        yield _Line(((0.0, Law(result.formula, 6, named=True)),), 40, 14)
    for section in story(result):
        blocks = [block for block in section.blocks if not isinstance(block, Picture | Network)]
        if blocks:
            yield _Line(((0.0, section.title),), 26, 11.5)
        for block in blocks:
            yield from _block(block)


def _block(block: Block) -> Iterator[_Line]:
    if isinstance(block, Words):
        yield from _paragraph(block.text, style.GREY if block.quiet else style.INK)
    elif isinstance(block, Code):
        yield from _paragraph(block.text, style.INK)
    elif isinstance(block, Listing):
        for item in block.items:
            yield from _paragraph(f"•  {item}", style.INK) if isinstance(item, str) else [_Line(((8.0, item),), 22)]
    elif isinstance(block, Facts):
        for name, value in block.rows:
            first, *rest = wrap(value, LETTERS - 24) or [""]
            yield _Line(((0.0, name), (110.0, first)))
            yield from (_Line(((110.0, text),)) for text in rest)
    elif isinstance(block, Grid):
        yield from _grid(block)


def _paragraph(text: str, colour: str) -> Iterator[_Line]:
    for line in text.splitlines():
        yield from (_Line(((0.0, part),), 13, colour=colour) for part in wrap(line, LETTERS) or [""])


def _grid(block: Grid) -> Iterator[_Line]:
    """Columns as wide as what they hold; formulas get what is left."""
    rows = [block.head, *block.rows]
    widths = [max(_width(row[place]) for row in rows) + 14 for place in range(len(block.head))]
    starts = [sum(widths[:place]) for place in range(len(widths))]
    yield _Line(tuple(zip(starts, block.head, strict=True)), colour=style.GREY)
    for row in block.rows:
        tall = any(isinstance(cell, Law) for cell in row)
        yield _Line(tuple(zip(starts, row, strict=True)), 26 if tall else 14)


def _width(cell: Cell) -> float:
    return LAW if isinstance(cell, Law) else SIZE * style.ems(str(cell))


def _pages(lines: Sequence[_Line]) -> Iterator[Figure]:
    """Pages filled from the top; a heading never stands alone at the foot of one."""
    rest = list(lines)
    while rest:
        axes = _empty()
        y = MARGIN
        while rest and y + rest[0].height + (30 if rest[0].size > SIZE else 0) <= HEIGHT - MARGIN:
            line = rest.pop(0)
            y += line.height
            for x, cell in line.cells:
                _set(axes, x, y, cell, line)
        yield figure_of(axes.figure)


def _empty() -> Axes:
    axes = new_figure(WIDTH, HEIGHT).add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.set_axis_off()
    return axes


def _set(axes: Axes, x: float, y: float, cell: Cell, line: _Line) -> None:
    look: dict[str, Any] = {"fontsize": line.size, "color": line.colour, "va": "center"}
    if not isinstance(cell, Law):
        write(axes, MARGIN + x, y, str(cell), **look)
        return
    whole = _named(cell)
    drawn = notation(cell.formula, (ROOM if cell.named else LAW) - whole, line.size)
    if whole:
        write(axes, MARGIN + x, y, f"{cell.formula.target_name} =", **look)
    write_raw(axes, MARGIN + x + whole, y, drawn, color=style.INK)


def _named(law: Law) -> float:
    """Room for the target and the equals sign."""
    return 14 * style.ems(f"{law.formula.target_name} = ") if law.named else 0.0
