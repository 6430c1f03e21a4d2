"""Where the nodes and the framed curves of a graph go: pure numbers in points, x to the right, y downwards.

Layers stand from left to right. Between two layers every drawn curve has a slot of its own,
near the middle of its edge.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import sqrt

from kansym.graph import Edge, EdgeId, Graph, Node

NODE_RADIUS = 9.0
INPUT_RADIUS = 3.5
PORT_RADIUS = 4.5
PORT_REACH = 17.0
NODE_PITCH = 36.0
LABELLED = 14  # more curves than this between two layers: smaller frames without names, in two staggered columns
LABEL_HEIGHT = 13.0
COLUMN_GAP = 7.0


@dataclass(frozen=True)
class Box:
    """A frame: its left upper corner and its size, in points."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The y of the middle."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Frames:
    """The common size of all frames, the distance between two slots, and in how many columns they stand."""

    width: float
    height: float
    pitch: float
    columns: int

    @property
    def labelled(self) -> bool:
        """Whether there is room for names above the frames."""
        return self.columns == 1

    @classmethod
    def of(cls, most: int) -> Frames:
        """Frames for a graph whose fullest pair of layers has `most` drawn curves."""
        if most <= LABELLED:
            pitch = min(max(560 / max(most, 1), 46.0), 66.0)
            height = pitch - LABEL_HEIGHT - 6
            return cls(1.5 * height, height, pitch, 1)
        pitch = min(max(760 / most, 9.5), 17.0)
        return cls(1.5 * (2 * pitch - 5), 2 * pitch - 5, pitch, 2)


@dataclass(frozen=True)
class NodePlace:
    """A node's centre and radius; inactive when no drawn edge touches it."""

    node: Node
    x: float
    y: float
    radius: float
    active: bool


@dataclass(frozen=True)
class EdgePlace:
    """An edge's ends, and the frame of its curve or None when the edge is only hinted at."""

    edge: Edge
    start: tuple[float, float]
    end: tuple[float, float]
    box: Box | None


@dataclass(frozen=True)
class Port:
    """The small sum in front of a product node that adds the edges of one factor."""

    x: float
    y: float
    node: NodePlace


@dataclass(frozen=True)
class Layout:
    """Everything in its place; width and height in points, without margins for names."""

    width: float
    height: float
    nodes: tuple[NodePlace, ...]
    edges: tuple[EdgePlace, ...]
    ports: tuple[Port, ...]
    frames: Frames


def layout(graph: Graph, kept: Collection[EdgeId] | None = None) -> Layout:
    """Place a graph.

    Args:
        graph: the graph. kept: the edges drawn with their curve; None takes the active ones.
    """
    drawn = [edge for edge in graph.edges if edge.active and (kept is None or edge.id in kept)]
    layers = _ordered(_layers(graph), drawn)
    gaps = [[edge for edge in drawn if edge.id.layer == layer] for layer in range(len(layers) - 1)]
    frames = Frames.of(max((len(gap) for gap in gaps), default=0))
    stacks = [(len(gap) - 1) * frames.pitch + frames.height + 4 for gap in gaps]
    tallest = max([len(layer) * NODE_PITCH for layer in layers] + stacks)
    height = tallest + (LABEL_HEIGHT if frames.labelled else 0)
    columns = _columns(layers, gaps, frames, height)
    nodes = {(place.node.layer, place.node.index): place for place in _nodes(layers, columns, height, drawn)}
    return _connected(graph, drawn, nodes, frames, height)


def _layers(graph: Graph) -> list[list[Node]]:
    count = 1 + max(node.layer for node in graph.nodes)
    return [
        sorted((node for node in graph.nodes if node.layer == layer), key=lambda node: node.index)
        for layer in range(count)
    ]


def _ordered(layers: list[list[Node]], drawn: Sequence[Edge]) -> list[list[Node]]:
    """Hidden layers sorted by where their edges come from, which removes most crossings; inputs and outputs stay."""
    result = layers[:1]
    for layer in layers[1:-1]:
        below = {node.index: (place + 0.5) / len(result[-1]) for place, node in enumerate(result[-1])}
        result.append(sorted(layer, key=lambda node: (_barycentre(node, below, drawn), node.index)))
    return result + layers[1:][-1:]


def _barycentre(node: Node, below: dict[int, float], drawn: Sequence[Edge]) -> float:
    sources = [
        below[edge.id.source] for edge in drawn if (edge.id.layer, edge.id.target) == (node.layer - 1, node.index)
    ]
    return sum(sources) / len(sources) if sources else 0.5


def _columns(layers: list[list[Node]], gaps: list[list[Edge]], frames: Frames, height: float) -> list[float]:
    """The x of every layer: room for the frames, and for lines to bend on both sides of them."""
    bend = min(max(0.16 * height, 30.0), 100.0)
    inner = frames.columns * frames.width + (frames.columns - 1) * COLUMN_GAP
    places = [INPUT_RADIUS]
    for layer in layers[1:]:
        reach = PORT_REACH if any(node.kind == "product" for node in layer) else 0.0
        places.append(places[-1] + 2 * bend + inner + NODE_RADIUS + reach)
    return places


def _nodes(layers: list[list[Node]], columns: list[float], height: float, drawn: Sequence[Edge]) -> list[NodePlace]:
    touched = {(edge.id.layer, edge.id.source) for edge in drawn} | {
        (edge.id.layer + 1, edge.id.target) for edge in drawn
    }
    return [
        NodePlace(
            node,
            columns[number],
            height * (place + 0.5) / len(layer),
            INPUT_RADIUS if node.kind == "input" else NODE_RADIUS,
            (node.layer, node.index) in touched,
        )
        for number, layer in enumerate(layers)
        for place, node in enumerate(layer)
    ]


def _connected(
    graph: Graph, drawn: Sequence[Edge], nodes: dict[tuple[int, int], NodePlace], frames: Frames, height: float
) -> Layout:
    ends, ports = _ends(graph, drawn, nodes)
    boxes = _boxes(drawn, nodes, ends, frames, height)
    edges = [
        EdgePlace(edge, _exit(nodes[edge.id.layer, edge.id.source]), ends[edge.id], boxes.get(edge.id))
        for edge in graph.edges
    ]
    width = max(place.x + place.radius for place in nodes.values())
    return Layout(width, height, tuple(nodes.values()), tuple(edges), tuple(ports), frames)


def _exit(place: NodePlace) -> tuple[float, float]:
    return place.x + place.radius, place.y


def _slot(edge: Edge) -> int:
    return edge.id.slot


def _ends(
    graph: Graph, drawn: Sequence[Edge], nodes: dict[tuple[int, int], NodePlace]
) -> tuple[dict[EdgeId, tuple[float, float]], list[Port]]:
    """Where every edge ends: at its node, or at the factor of a product node that it belongs to."""
    shared = {edge.id for edge in drawn}
    ends: dict[EdgeId, tuple[float, float]] = {}
    ports: dict[tuple[int, int, int], Port] = {}
    entering: dict[tuple[int, int], list[Edge]] = {}
    for edge in graph.edges:
        entering.setdefault((edge.id.layer, edge.id.target), []).append(edge)
    for edge in graph.edges:
        place = nodes[edge.id.layer + 1, edge.id.target]
        if place.node.kind != "product":  # of a wide network, most: to gather their fellows would take seconds
            ends[edge.id] = (place.x - place.radius, place.y)
            continue
        fellows = entering[edge.id.layer, edge.id.target]
        slots = sorted({_slot(e) for e in fellows})
        if len(slots) < 2:
            ends[edge.id] = (place.x - place.radius, place.y)
            continue
        y = place.y + (slots.index(_slot(edge)) - (len(slots) - 1) / 2) * 2.9 * PORT_RADIUS
        if sum(_slot(e) == _slot(edge) and e.id in shared for e in fellows) > 1:
            port = Port(place.x - place.radius - PORT_REACH + PORT_RADIUS, y, place)
            ports[edge.id.layer, edge.id.target, _slot(edge)] = port
            ends[edge.id] = (port.x - PORT_RADIUS, y)
        else:
            ends[edge.id] = rim(place, y)
    return ends, list(ports.values())


def rim(place: NodePlace, y: float) -> tuple[float, float]:
    """The point on the left rim of a node at height y, or as near to it as the node reaches."""
    rise = max(min(y - place.y, 0.75 * place.radius), -0.75 * place.radius)
    return place.x - sqrt(place.radius**2 - rise**2), place.y + rise


def _boxes(
    drawn: Sequence[Edge],
    nodes: dict[tuple[int, int], NodePlace],
    ends: dict[EdgeId, tuple[float, float]],
    frames: Frames,
    height: float,
) -> dict[EdgeId, Box]:
    boxes: dict[EdgeId, Box] = {}
    for layer in sorted({edge.id.layer for edge in drawn}):
        gap = [edge for edge in drawn if edge.id.layer == layer]
        starts = {edge.id: nodes[layer, edge.id.source] for edge in gap}
        gap.sort(key=lambda edge: (starts[edge.id].y + ends[edge.id][1], ends[edge.id][1]))
        wanted = [(starts[edge.id].y + ends[edge.id][1]) / 2 for edge in gap]
        top = LABEL_HEIGHT if frames.labelled else 0.0
        middles = spread(wanted, frames.pitch, (top + frames.height / 2 + 1, height - frames.height / 2 - 1))
        left = _frames_left(layer, nodes, frames)
        for place, (edge, middle) in enumerate(zip(gap, middles, strict=True)):
            x = left + (place % frames.columns) * (frames.width + COLUMN_GAP)
            boxes[edge.id] = Box(x, middle - frames.height / 2, frames.width, frames.height)
    return boxes


def _frames_left(layer: int, nodes: dict[tuple[int, int], NodePlace], frames: Frames) -> float:
    before = max(place.x + place.radius for (number, _), place in nodes.items() if number == layer)
    after = min(place.x - place.radius for (number, _), place in nodes.items() if number == layer + 1)
    if any(number == layer + 1 and place.node.kind == "product" for (number, _), place in nodes.items()):
        after -= PORT_REACH
    inner = frames.columns * frames.width + (frames.columns - 1) * COLUMN_GAP
    return (before + after - inner) / 2


def spread(wanted: Sequence[float], distance: float, limits: tuple[float, float]) -> list[float]:
    """Places as near as possible to the wanted ones (ascending), at least `distance` apart, within the limits.

    Least squares by pooling adjacent violators (Ayer et al. 1955), on the places less their minimal distances.
    """
    pools: list[tuple[float, int]] = []
    for index, value in enumerate(wanted):
        pools.append((value - index * distance, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (second, m), (first, n) = pools.pop(), pools.pop()
            pools.append(((first * n + second * m) / (n + m), n + m))
    flat = [value for value, count in pools for _ in range(count)]
    low, high = limits[0], max(limits[0], limits[1] - (len(flat) - 1) * distance)
    return [min(max(value, low), high) + index * distance for index, value in enumerate(flat)]
