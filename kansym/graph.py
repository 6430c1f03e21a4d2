"""The network as a graph of values: what later stages read, match and draw."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

# A saved graph is shown without torch: only what measures a live network loads it.
if TYPE_CHECKING:
    import networkx
    from torch import Tensor

    from kansym.nn import KAN

Numbers = NDArray[np.float64]


@dataclass(frozen=True, order=True)
class EdgeId:
    """Names one edge: it leaves node `source` of layer `layer` and enters node `target` of layer `layer` + 1.

    A product node multiplies several sums; `slot` says which of them the edge adds to (0 for sum nodes).
    """

    layer: int
    source: int
    target: int
    slot: int = 0


@dataclass(frozen=True)
class Node:
    """A node: layer from 0 (the inputs), index in its layer, kind "input", "sum" or "product", and a label to show."""

    layer: int
    index: int
    kind: str
    label: str


@dataclass(frozen=True, eq=False)
class Edge:
    """One function of one variable.

    Args:
        id: where it is.
        score: its share of the output's spread, >= 0.
        x, y: what it saw and gave, both (n,), sorted by x.
        active: False when it has been pruned.
        primitive: name of the closed form matched to it, or None.
        parameters: (a, b, c, d) of c f(a x + b) + d, or None.
        r2: of the match on held-out samples, or None.
        fitted: the match's values at x (n,), or None.
    """

    id: EdgeId
    score: float
    x: Numbers
    y: Numbers
    active: bool = True
    primitive: str | None = None
    parameters: tuple[float, float, float, float] | None = None
    r2: float | None = None
    fitted: Numbers | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and edges of one network; a directed acyclic graph, since edges only lead from a layer to the next."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        places = {(node.layer, node.index) for node in self.nodes}
        if len(places) != len(self.nodes) or len(self._by_id) != len(self.edges):
            raise ValueError("a graph has two nodes or two edges in the same place")
        for edge in self.edges:
            ends = {(edge.id.layer, edge.id.source), (edge.id.layer + 1, edge.id.target)}
            if not ends <= places:
                raise ValueError(f"edge {edge.id} has no node at one of its ends")

    @cached_property
    def _by_id(self) -> dict[EdgeId, Edge]:
        return {edge.id: edge for edge in self.edges}

    @cached_property
    def layers(self) -> tuple[tuple[Node, ...], ...]:
        """The nodes of every layer, inputs first."""
        depth = max(node.layer for node in self.nodes) + 1
        return tuple(tuple(node for node in self.nodes if node.layer == layer) for layer in range(depth))

    def active(self) -> tuple[Edge, ...]:
        """Return the edges that have not been pruned."""
        return tuple(edge for edge in self.edges if edge.active)

    def active_nodes(self) -> tuple[Node, ...]:
        """Return the nodes that an active edge touches."""
        touched = {(edge.id.layer, edge.id.source) for edge in self.active()}
        touched |= {(edge.id.layer + 1, edge.id.target) for edge in self.active()}
        return tuple(node for node in self.nodes if (node.layer, node.index) in touched)

    def edge(self, identity: EdgeId) -> Edge:
        """Return one edge.

        Raises:
            KeyError: when the graph has no such edge.
        """
        return self._by_id[identity]

    def without(self, identities: Collection[EdgeId]) -> Graph:
        """Return the graph with these edges pruned; they stay as inactive edges, so that a picture can show them."""
        for identity in identities:
            self.edge(identity)
        return replace(self, edges=tuple(_pruned(edge, identities) for edge in self.edges))

    def replace_edge(self, edge: Edge) -> Graph:
        """Return the graph with another edge in the place of the one with the same id.

        Raises:
            KeyError: when the graph has no such edge.
        """
        self.edge(edge.id)
        return replace(self, edges=tuple(edge if old.id == edge.id else old for old in self.edges))

    def to_networkx(self) -> networkx.DiGraph:
        """Return the active part: nodes (layer, index), and (layer, index, slot) for the sums a product multiplies."""
        import networkx

        graph = networkx.DiGraph()
        kinds = {(node.layer, node.index): node for node in self.nodes}
        for node in self.active_nodes():
            graph.add_node((node.layer, node.index), kind=node.kind, label=node.label)
        for edge in self.active():
            target = (edge.id.layer + 1, edge.id.target)
            if kinds[target].kind == "product":
                slot = (*target, edge.id.slot)
                graph.add_node(slot, kind="slot", label="")
                graph.add_edge(slot, target)
                target = slot
            graph.add_edge(
                (edge.id.layer, edge.id.source), target, id=edge.id, score=edge.score, primitive=edge.primitive
            )
        return graph

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values from which `from_json` makes the same graph."""
        return {"nodes": [asdict(node) for node in self.nodes], "edges": [_edge_to_json(edge) for edge in self.edges]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Graph:
        """Read what `to_json` returned."""
        return cls(
            tuple(Node(**node) for node in value["nodes"]), tuple(_edge_from_json(edge) for edge in value["edges"])
        )


def graph_of(
    model: KAN,
    x: Tensor,
    input_names: Sequence[str],
    target_name: str | Sequence[str],
    member: int = 0,
) -> Graph:
    """Return the graph of one member with the samples its edges see on the rows x.

    Args:
        model: a population.
        x: rows (N, D), N >= 1.
        input_names: D labels.
        target_name: the label of the target, or T labels.
        member: which member.
    """
    import torch

    single = model.member(member)
    with torch.no_grad():
        samples, scores = single.edge_samples(x), edge_scores(single, x)
    targets = [target_name] if isinstance(target_name, str) else list(target_name)
    edges = []
    for layer, seen in enumerate(samples.layers):
        for source, sub in np.ndindex(*seen.outputs.shape[2:]):
            target, slot = slot_of(single, layer, sub)
            identity = EdgeId(layer, source, target, slot)
            active = bool(single.stack[layer].mask[0, source, sub])
            inputs, outputs = seen.inputs[0, :, source], seen.outputs[0, :, source, sub]
            edges.append(_sampled(identity, float(scores[layer][0, source, sub]), inputs, outputs, active))
    return Graph(tuple(_nodes(single, input_names, targets)), tuple(edges))


def edge_scores(model: KAN, x: Tensor) -> list[Tensor]:
    """Return how much every edge matters: the spread it causes in the outputs, as a share of the outputs' spread.

    To first order, replacing an edge by its mean changes an output by (edge - mean) times the output's derivative with
    respect to the sum the edge adds to; the score is the root mean square of that over the rows and the targets.

    Args:
        model: a population.
        x: rows (N, D) or (E, N, D).

    Returns:
        One (E, I, O) per layer, >= 0, masked edges 0.
    """
    import torch

    with torch.no_grad():
        samples, totals = model.edge_samples(x), []
        for target in range(model.widths[-1].nodes):
            spread = samples.output[..., target].std(1, correction=0).clamp_min(torch.finfo(torch.float64).tiny)
            effects = _effects(model, x, samples.layers, target)
            totals.append([effect / spread[:, None, None] for effect in effects])
    return [torch.stack(layer).square().mean(0).sqrt() for layer in zip(*totals, strict=True)]


def _effects(model: KAN, x: Tensor, layers: Sequence[Any], target: int) -> list[Tensor]:
    """Return the root mean square effect of every edge on one target, (E, I, O) per layer."""
    pulled = model.sum_sensitivities(x, target)
    found = []
    for seen, delta in zip(layers, pulled, strict=True):
        deviation = seen.outputs - seen.outputs.mean(1, keepdim=True)  # (E, N, I, O)
        found.append((deviation * delta.unsqueeze(2)).square().mean(1).sqrt())
    return found


def slot_of(model: KAN, layer: int, sub: int) -> tuple[int, int]:
    """Return the (node, slot) that the sum `sub` of a layer belongs to."""
    width, arity = model.widths[layer + 1], model.options.arity
    if sub < width.sum:
        return sub, 0
    product, slot = divmod(sub - width.sum, arity)
    return width.sum + product, slot


def sub_of(model: KAN, identity: EdgeId) -> int:
    """Return which sum of its layer an edge adds to."""
    width, arity = model.widths[identity.layer + 1], model.options.arity
    if identity.target < width.sum:
        return identity.target
    return width.sum + (identity.target - width.sum) * arity + identity.slot


def _nodes(model: KAN, input_names: Sequence[str], targets: Sequence[str]) -> Iterable[Node]:
    last = len(model.widths) - 1
    for layer, width in enumerate(model.widths):
        names = input_names if layer == 0 else targets if layer == last else None
        if names is not None and len(names) != width.nodes:
            raise ValueError(f"layer {layer} has {width.nodes} nodes, but {len(names)} names were given")
        for index in range(width.nodes):
            kind = "input" if layer == 0 else "sum" if index < width.sum else "product"
            yield Node(layer, index, kind, names[index] if names is not None else f"h{layer}_{index}")


def _sampled(identity: EdgeId, score: float, x: Tensor, y: Tensor, active: bool) -> Edge:
    order = x.sort(stable=True).indices
    inputs, outputs = (tensor[order].double().cpu().numpy() for tensor in (x, y))
    return Edge(identity, score, inputs, outputs, active)


def _pruned(edge: Edge, identities: Collection[EdgeId]) -> Edge:
    return replace(edge, active=False) if edge.id in identities else edge


def _edge_to_json(edge: Edge) -> dict[str, Any]:
    value = {**edge.__dict__, "id": asdict(edge.id), "x": edge.x.tolist(), "y": edge.y.tolist()}
    value["fitted"] = None if edge.fitted is None else edge.fitted.tolist()
    value["parameters"] = None if edge.parameters is None else list(edge.parameters)
    return value


def _edge_from_json(value: Mapping[str, Any]) -> Edge:
    fields = dict(value)
    for name in ("x", "y", "fitted"):
        fields[name] = None if fields[name] is None else np.asarray(fields[name], dtype=np.float64)
    if fields["parameters"] is not None:
        a, b, c, d = (float(number) for number in fields["parameters"])
        fields["parameters"] = (a, b, c, d)
    return Edge(**{**fields, "id": EdgeId(**fields["id"])})
