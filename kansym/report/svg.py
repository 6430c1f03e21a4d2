"""The graph picture as standalone SVG text, written without matplotlib."""

from __future__ import annotations

from collections.abc import Collection
from xml.sax.saxutils import escape, quoteattr

from kansym.errors import printable
from kansym.graph import EdgeId, Graph
from kansym.report import style
from kansym.report.scene import Disc, Frame, Group, Label, Path, Pen, Scene, Shape, Units, before_and_after, graph_scene

FONTS = "'STIX Two Text','STIX Two Math',STIXGeneral,'Times New Roman',Times,serif"
_HALO = f' stroke="{style.WHITE}" stroke-width="3" stroke-linejoin="round" paint-order="stroke"'


def graph_svg(graph: Graph, units: Units | None = None, kept: Collection[EdgeId] | None = None) -> str:
    """One graph as an SVG document; what stands for an edge or node tells its facts when pointed at."""
    return scene_svg(graph_scene(graph, units, kept))


def graphs_svg(before: Graph | None, after: Graph | None, units: Units | None = None) -> str:
    """The graphs before and after pruning side by side as an SVG document; empty text when there is neither."""
    return scene_svg(before_and_after(before, after, units)) if before or after else ""


def scene_svg(scene: Scene) -> str:
    """Any scene as an SVG document."""
    width, height = _n(scene.width), _n(scene.height)
    size = f'width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}"'
    body = "\n".join(_group(group) for group in scene.groups)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONTS}" role="img">\n'
        f'<rect width="100%" height="100%" fill="{style.WHITE}"/>\n{body}\n</svg>\n'
    )


def _group(group: Group) -> str:
    title = f"<title>{xml_text(group.title)}</title>" if group.title else ""
    facts = "".join(f" data-{name}={quoteattr(value)}" for name, value in group.facts)
    return f"<g{facts}>{title}{''.join(_shape(shape) for shape in group.shapes)}</g>"


def xml_text(text: str) -> str:
    """Text from outside made safe for XML and HTML: no control characters, no mark-up; line breaks stay."""
    return escape("\n".join(printable(line) for line in text.split("\n")), {'"': "&quot;"})


def _shape(shape: Shape) -> str:
    if isinstance(shape, Path):
        steps = " ".join(step[0] + " ".join(_n(value) for value in step[1:]) for step in shape.steps)
        return f'<path d="{steps}" fill="none"{_pen(shape.pen)}/>'
    if isinstance(shape, Disc):
        circle = f'cx="{_n(shape.x)}" cy="{_n(shape.y)}" r="{_n(shape.radius)}"'
        return f'<circle {circle} fill="{shape.fill}"{_pen(shape.pen)}/>'
    if isinstance(shape, Frame):
        box = shape.box
        place = f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}"'
        return f'<rect {place} rx="2" fill="{shape.fill}"{_pen(shape.pen)}/>'
    return _label(shape)


def _pen(pen: Pen) -> str:
    opacity = f' stroke-opacity="{_n(pen.opacity)}"' if pen.opacity < 1 else ""
    dashes = f' stroke-dasharray="{_n(2.6 * pen.width)} {_n(1.7 * pen.width)}"' if pen.dashed else ""
    return f' stroke="{pen.colour}" stroke-width="{_n(pen.width)}"{opacity}{dashes}'


def _label(label: Label) -> str:
    place = f'x="{_n(label.x)}" y="{_n(label.y + 0.33 * label.size)}" font-size="{_n(label.size)}"'
    face = (' font-style="italic"' if label.italic else "") + (' font-weight="bold"' if label.bold else "")
    # The halo keeps a name readable where a faint line passes behind it.
    halo = _HALO if label.halo else ""
    up = f'font-size="{_n(0.72 * label.size)}" dy="{_n(-0.38 * label.size)}" font-style="normal"'
    raised = f"<tspan {up}>{xml_text(label.raised)}</tspan>" if label.raised else ""
    fill = quoteattr(label.colour)
    return f'<text {place} fill={fill} text-anchor="{label.align}"{face}{halo}>{xml_text(label.text)}{raised}</text>'


def _n(value: float) -> str:
    """A number with at most two decimals: short files, and the same text on every machine."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
