"""A graph as a list of shapes, in points, y downwards: drawn in the same way by matplotlib and as SVG text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kansym.graph import Edge, EdgeId, Graph
from kansym.report import style
from kansym.report.curves import unit_curves
from kansym.report.layout import PORT_RADIUS, Box, EdgePlace, Layout, NodePlace, Port, layout, rim

MARGIN = 10.0
HEADING_HEIGHT = 26.0
PANEL_GAP = 34.0
KEY_HEIGHT = 20.0
WIDEST_PAIR = 1000.0
MOST_FRAMED = 150  # edges drawn with their curves; of a larger network the strongest, the others as lines


@dataclass(frozen=True)
class Pen:
    """How a line is drawn: colour, width in points, opacity in [0, 1], and whether it is dashed."""

    colour: str = style.INK
    width: float = 1.0
    opacity: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Path:
    """An open line: steps ("M" or "L", x, y) or ("C", x1, y1, x2, y2, x, y)."""

    steps: tuple[tuple, ...]
    pen: Pen


@dataclass(frozen=True)
class Disc:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str
    pen: Pen


@dataclass(frozen=True)
class Frame:
    """A filled rectangle with slightly rounded corners."""

    box: Box
    fill: str
    pen: Pen


@dataclass(frozen=True)
class Label:
    """A line of text whose vertical middle is y. align: "start", "middle" or "end"; raised: a superscript after it."""

    x: float
    y: float
    text: str
    size: float
    colour: str = style.INK
    align: str = "middle"
    italic: bool = False
    bold: bool = False
    raised: str = ""
    halo: bool = False


Shape = Path | Disc | Frame | Label


@dataclass(frozen=True)
class Group:
    """Shapes that belong to one thing; title is what a reader sees when pointing at it.

    facts: (name, value) pairs that a page's script finds the thing by, such as ("edge", "0 1 2 0"), ("score", "0.3").
    """

    shapes: tuple[Shape, ...]
    title: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Scene:
    """A picture: its size in points and its groups, the ones behind first."""

    width: float
    height: float
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Units:
    """The units of the inputs, by number, and of the targets; None where there is none."""

    inputs: tuple[str | None, ...] = ()
    targets: tuple[str | None, ...] = ()

    def of(self, place: NodePlace) -> str | None:
        """The unit of an input or output node."""
        units = self.inputs if place.node.kind == "input" else self.targets
        return units[place.node.index] if place.node.index < len(units) else None


def graph_scene(graph: Graph, units: Units | None = None, kept: Collection[EdgeId] | None = None) -> Scene:
    """The picture of one graph.

    Args:
        graph: nodes and edges. units: shown under the names. kept: edges drawn in full; all others are faint. Without
            it all are drawn in full, or the strongest `MOST_FRAMED` of a large network.
    """
    if kept is None and len(graph.active()) > MOST_FRAMED:
        kept = strongest(graph)
    places = layout(graph, kept)
    matched = any(place.box and place.edge.fitted is not None for place in places.edges)
    scene = _framed(_Painter(places, units or Units()).groups(), places)
    return _with_key(scene) if matched else scene


def strongest(graph: Graph, most: int = MOST_FRAMED) -> frozenset[EdgeId]:
    """The active edges of the highest scores."""
    ranked = sorted(graph.active(), key=lambda edge: (-_score(edge), edge.id))
    return frozenset(edge.id for edge in ranked[:most])


def before_and_after(before: Graph | None, after: Graph | None, units: Units | None = None) -> Scene:
    """The network before and after pruning, side by side (one above the other when wide); one alone has no heading."""
    after = _active_part(after) if after is not None else None
    if before is not None and after is not None and len(before.active()) == len(after.edges):
        before = None  # nothing was pruned: the same picture twice tells nothing
    if before is None or after is None:
        graph = after or before
        return graph_scene(graph, units) if graph is not None else Scene(0, 0, ())
    kept = {edge.id for edge in after.edges if edge.active}
    left = graph_scene(before, units, kept if same_numbers(before, after) else None)
    panels = _headed(left, "before pruning"), _headed(graph_scene(after, units), "after pruning")
    # Side by side a wide pair would be shrunk on a page until nobody can read it.
    wide = sum(panel.width for panel in panels) > WIDEST_PAIR
    return _below(*panels) if wide else _beside(*panels)


def _active_part(graph: Graph) -> Graph:
    """The graph without its pruned edges and the nodes that only those touched; the inputs it lost go too."""
    outputs = tuple(node for node in graph.nodes if node.layer == len(graph.layers) - 1)
    touched = graph.active_nodes()
    return Graph(touched + tuple(node for node in outputs if node not in touched), graph.active())


def same_numbers(before: Graph, after: Graph) -> bool:
    """Whether pruning left the nodes their numbers, so that what it removed can be shown in the graph before it."""
    kept = {edge.id for edge in after.edges if edge.active}
    return kept <= {edge.id for edge in before.edges} and _labels(before) >= _labels(after)


def _labels(graph: Graph) -> set[tuple[int, int, str]]:
    return {(node.layer, node.index, node.label) for node in graph.nodes}


class _Painter:
    """Turns a layout into shapes; scores are relative to the largest drawn one."""

    def __init__(self, places: Layout, units: Units) -> None:
        self.places = places
        self.units = units
        self.last = max(place.node.layer for place in places.nodes)
        scores = [_score(place.edge) for place in places.edges if place.box]
        self.largest = max(scores, default=0.0) or 1.0
        self.names = {(place.node.layer, place.node.index): place.node.label for place in places.nodes}

    def groups(self) -> tuple[Group, ...]:
        faint = [self._faint(place) for place in self.places.edges if place.box is None]
        lines = [self._line(place) for place in self.places.edges if place.box]
        frames = [self._frame(place, place.box) for place in self.places.edges if place.box]
        ports = [_port(port) for port in self.places.ports]
        nodes = [self._node(place) for place in self.places.nodes]
        return tuple(faint + lines + frames + ports + nodes)

    def _faint(self, place: EdgePlace) -> Group:
        pen = Pen(style.FAINT, 0.6, 0.75)
        return Group(
            (Path(_bend(place.start, place.end), pen),), self._title(place.edge) + "\npruned", _facts(place.edge)
        )

    def _line(self, place: EdgePlace) -> Group:
        box = place.box
        assert box is not None
        into = _bend(place.start, (box.x, box.middle))
        out = _bend((box.x + box.width, box.middle), place.end)
        paths = Path(into, self._pen(place.edge)), Path(out, self._pen(place.edge))
        return Group(paths, self._title(place.edge), _facts(place.edge))

    def _pen(self, edge: Edge) -> Pen:
        share = (_score(edge) / self.largest) ** 0.5
        if not self.places.frames.labelled:  # many edges: thin lines, or they hide each other
            return Pen(style.INK, 0.4 + 0.8 * share, 0.2 + 0.5 * share)
        return Pen(style.INK, 0.6 + 1.7 * share, 0.3 + 0.7 * share)

    def _frame(self, place: EdgePlace, box: Box) -> Group:
        edge = place.edge
        curve, match = unit_curves(edge.x, edge.y, edge.fitted)
        pen = replace(self._pen(edge), width=0.8, opacity=max(self._pen(edge).opacity, 0.5))
        shapes: list[Shape] = [Frame(box, style.WHITE, Pen(style.WHITE, 0.8)), Frame(box, style.WHITE, pen)]
        width = 1.6 if self.places.frames.labelled else 1.1
        shapes += _curve(curve, box, Pen(style.CURVE, width))
        if match is not None:
            shapes += _curve(match, box, Pen(style.MATCH, width, 1.0, dashed=True))
        if edge.primitive and self.places.frames.labelled:
            shapes.append(_match_label(edge.primitive, box))
        return Group(tuple(shapes), self._title(edge), _facts(edge))

    def _title(self, edge: Edge) -> str:
        source = self.names[edge.id.layer, edge.id.source]
        target = self.names[edge.id.layer + 1, edge.id.target]
        lines = [f"{source} → {target}", f"score {style.number(edge.score)}"]
        if edge.primitive:
            fit = "" if edge.r2 is None else f", R² = {style.number(edge.r2, 8)}"
            lines.append(f"{edge.primitive}{fit}")
        return "\n".join(lines)

    def _node(self, place: NodePlace) -> Group:
        colour = style.INK if place.active else style.FAINT
        shapes: list[Shape] = list(_symbol(place, colour))
        if place.node.kind == "input":
            shapes += _named(place, self.units.of(place), -1)
        elif place.node.layer == self.last:
            shapes += _named(place, self.units.of(place), +1)
        facts = (("node", f"{place.node.layer} {place.node.index}"),)
        return Group(tuple(shapes), f"{place.node.label} ({place.node.kind})", facts)


def _facts(edge: Edge) -> tuple[tuple[str, str], ...]:
    place = edge.id
    return (("edge", f"{place.layer} {place.source} {place.target} {place.slot}"), ("score", f"{_score(edge):.6g}"))


def _score(edge: Edge) -> float:
    return float(edge.score) if np.isfinite(edge.score) and edge.score > 0 else 0.0


def _bend(start: tuple[float, float], end: tuple[float, float]) -> tuple[tuple, ...]:
    """A line that leaves and arrives horizontally."""
    middle = (start[0] + end[0]) / 2
    return (("M", *start), ("C", middle, start[1], middle, end[1], *end))


def _curve(points: np.ndarray, box: Box, pen: Pen) -> list[Shape]:
    """Points in the unit square drawn into a frame, with a little air at the rim."""
    if len(points) < 2:
        return []
    air = 0.1
    x = box.x + box.width * (0.6 * air + (1 - 1.2 * air) * points[:, 0])
    y = box.y + box.height * (1 - air - (1 - 2 * air) * points[:, 1])
    steps = [("L", float(across), float(down)) for across, down in zip(x, y, strict=True)]
    return [Path((("M", *steps[0][1:]), *steps[1:]), pen)]


def _match_label(primitive: str, box: Box) -> Label:
    base, raised = style.split_power(style.safe(primitive, 8))
    middle = box.x + box.width / 2
    italic = base == "x"
    return Label(middle, box.y - 7, base, style.MATCH_SIZE, style.MATCH, italic=italic, raised=raised, halo=True)


def _symbol(place: NodePlace, colour: str) -> tuple[Shape, ...]:
    x, y, radius = place.x, place.y, place.radius
    if place.node.kind == "input":
        return (Disc(x, y, radius, colour, Pen(colour, 0.8)),)
    arm, pen = 0.5 * radius, Pen(colour, 1.1)
    if place.node.kind == "product":
        arm *= 0.75
        strokes = ((x - arm, y - arm, x + arm, y + arm), (x - arm, y + arm, x + arm, y - arm))
        disc = Disc(x, y, radius, "#fdf0d5", pen)
    else:
        strokes = ((x - arm, y, x + arm, y), (x, y - arm, x, y + arm))
        disc = Disc(x, y, radius, style.WHITE, pen)
    return (disc, *(Path((("M", a, b), ("L", c, d)), pen) for a, b, c, d in strokes))


def _port(port: Port) -> Group:
    """The sum of one factor's edges: a small plus, tied to its product node."""
    radius, end = PORT_RADIUS, rim(port.node, port.y)
    arm, pen = 0.5 * radius, Pen(style.INK, 0.9)
    x, y = port.x, port.y
    return Group(
        (
            Path((("M", x + radius, y), ("L", *end)), pen),
            Disc(x, y, radius, style.WHITE, pen),
            Path((("M", x - arm, y), ("L", x + arm, y)), pen),
            Path((("M", x, y - arm), ("L", x, y + arm)), pen),
        ),
        f"one factor of {port.node.node.label}",
    )


def _named(place: NodePlace, unit: str | None, side: int) -> list[Shape]:
    """The name beside a node, on the left (-1) or right (+1), with its unit below in grey."""
    x, align = place.x + side * (place.radius + 6), "end" if side < 0 else "start"
    colour = style.INK if place.active else style.GREY
    name = style.safe(place.node.label)
    lift = 4.5 if unit else 0.0
    italic = style.is_symbol(name) if name else False
    shapes: list[Shape] = [Label(x, place.y - lift, name, style.NAME_SIZE, colour, align, italic=italic)]
    if unit:
        shapes.append(Label(x, place.y + 6.5, style.safe(unit), style.UNIT_SIZE, style.GREY, align))
    return shapes


def _extent(groups: Sequence[Group]) -> tuple[float, float]:
    """The leftmost and rightmost x that a label reaches."""
    labels = [shape for group in groups for shape in group.shapes if isinstance(shape, Label)]
    reach = {"start": (0.0, 1.0), "middle": (0.5, 0.5), "end": (1.0, 0.0)}
    wide = [(label, style.ems(label.text) * label.size) for label in labels]
    left = min((label.x - reach[label.align][0] * width for label, width in wide), default=0.0)
    return left, max((label.x + reach[label.align][1] * width for label, width in wide), default=0.0)


def _framed(groups: tuple[Group, ...], places: Layout) -> Scene:
    left, right = _extent(groups)
    left, right = min(left, 0.0), max(right, places.width)
    moved = tuple(_moved(group, MARGIN - left, MARGIN) for group in groups)
    return Scene(right - left + 2 * MARGIN, places.height + 2 * MARGIN, moved)


def _headed(scene: Scene, text: str) -> Scene:
    heading = Group((Label(scene.width / 2, HEADING_HEIGHT / 2, text, style.HEADING_SIZE, style.GREY),))
    groups = tuple(_moved(group, 0, HEADING_HEIGHT) for group in scene.groups)
    return Scene(scene.width, scene.height + HEADING_HEIGHT, (heading, *groups))


def _beside(left: Scene, right: Scene) -> Scene:
    height = max(left.height, right.height)
    sides = ((left, 0.0), (right, left.width + PANEL_GAP))
    groups = tuple(
        _moved(group, x, 0.0 if place == 0 else (height - side.height) / 2)
        for side, x in sides
        for place, group in enumerate(side.groups)
    )
    return Scene(left.width + PANEL_GAP + right.width, height, groups)


def _below(upper: Scene, lower: Scene) -> Scene:
    width = max(upper.width, lower.width)
    sides = ((upper, 0.0), (lower, upper.height + 0.5 * PANEL_GAP))
    groups = tuple(_moved(group, (width - side.width) / 2, y) for side, y in sides for group in side.groups)
    return Scene(width, upper.height + 0.5 * PANEL_GAP + lower.height, groups)


def _with_key(scene: Scene) -> Scene:
    """The scene with a line below that tells the two kinds of curves apart."""
    middle, y = scene.width / 2, scene.height + KEY_HEIGHT / 2 - 6
    entries = ((middle - 82, "learned curve", Pen(style.CURVE, 1.6)),)
    entries += ((middle + 8, "matched function", Pen(style.MATCH, 1.6, 1.0, dashed=True)),)
    shapes: list[Shape] = []
    for x, text, pen in entries:
        shapes.append(Path((("M", x, y), ("L", x + 16, y)), pen))
        shapes.append(Label(x + 20, y, text, style.UNIT_SIZE, style.GREY, "start"))
    return Scene(max(scene.width, 190.0), scene.height + KEY_HEIGHT - 6, (*scene.groups, Group(tuple(shapes))))


def _moved(group: Group, x: float, y: float) -> Group:
    return replace(group, shapes=tuple(_shifted(shape, x, y) for shape in group.shapes))


def _shifted(shape: Shape, x: float, y: float) -> Shape:
    if isinstance(shape, Path):
        return Path(tuple((step[0], *_shift_pairs(step[1:], x, y)) for step in shape.steps), shape.pen)
    if isinstance(shape, Frame):
        return replace(shape, box=replace(shape.box, x=shape.box.x + x, y=shape.box.y + y))
    return replace(shape, x=shape.x + x, y=shape.y + y)


def _shift_pairs(values: tuple[float, ...], x: float, y: float) -> tuple[float, ...]:
    return tuple(value + (y if place % 2 else x) for place, value in enumerate(values))
