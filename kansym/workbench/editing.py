"""Changes of a network by hand: edges removed, fixed, unfixed, tied; every one returns a new network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kansym.errors import ConfigError
from kansym.graph import EdgeId, edge_scores, sub_of
from kansym.pruning import closed_masks
from kansym.workbench.fixed import FixedEdge
from kansym.workbench.mixed import Mixed


def edge_id(mixed: Mixed, edge: EdgeId | Sequence[int]) -> EdgeId:
    """An edge named as (layer, source, target) or (layer, source, target, slot).

    Raises:
        ConfigError: when the network has no such edge.
    """
    identity = edge if isinstance(edge, EdgeId) else EdgeId(*(int(place) for place in edge))
    if identity not in mixed.edges:
        names = ", ".join(edge_name(each) for each in mixed.edges[:12])
        more = f" and {len(mixed.edges) - 12} more" if len(mixed.edges) > 12 else ""
        raise ConfigError(f"there is no edge {edge_name(identity)}: choose from {names}{more}")
    return identity


def edge_name(edge: EdgeId) -> str:
    """(layer, source, target), with the slot where there is more than one."""
    places = (edge.layer, edge.source, edge.target, *([edge.slot] if edge.slot else []))
    return f"({', '.join(map(str, places))})"


def samples_of(mixed: Mixed, edge: EdgeId, x: Tensor) -> tuple[Tensor, Tensor]:
    """What an edge sees and gives on the rows x (N, D): (N,) each."""
    seen = mixed.network.edge_samples(x).layers[edge.layer]
    return seen.inputs[0, :, edge.source], seen.outputs[0, :, edge.source, sub_of(mixed.splines, edge)]


def with_fixed(mixed: Mixed, changes: dict[EdgeId, FixedEdge]) -> Mixed:
    """The network with primitives in the place of splines."""
    masks = [layer.mask.clone() for layer in mixed.splines.stack]
    for edge in changes:
        masks[edge.layer][0, edge.source, sub_of(mixed.splines, edge)] = False
    ties = tuple(tie for tie in mixed.ties if not set(tie) & set(changes))
    return Mixed(mixed.splines.with_masks(masks), {**mixed.fixed, **changes}, ties)


def with_splines_again(mixed: Mixed, edges: Collection[EdgeId], x: Tensor) -> Mixed:
    """The network with splines in the place of primitives, fitted to their values on the rows x (N, D)."""
    masks = [layer.mask.clone() for layer in mixed.splines.stack]
    for edge in edges:
        masks[edge.layer][0, edge.source, sub_of(mixed.splines, edge)] = True
    splines = mixed.splines.with_masks(masks)
    for edge in edges:
        seen, given = samples_of(mixed, edge, x)
        layer, output = splines.stack[edge.layer], sub_of(mixed.splines, edge)
        points = seen.expand(1, layer.inputs, len(seen))
        coefficients = layer.basis.fit(points, given.expand_as(points), 1e-10)[0, edge.source]
        weights = layer.weights().detach().clone()
        weights[0, edge.source, output] = 0.0
        weights[0, edge.source, output, : layer.basis_size] = coefficients
        layer.set_weights(weights)
    return replace(mixed, splines=splines, fixed={edge: own for edge, own in mixed.fixed.items() if edge not in edges})


def without_edges(mixed: Mixed, edges: Collection[EdgeId], x: Tensor) -> Mixed:
    """The network without these edges and what then leads nowhere; a neighbour takes over the mean of each.

    Raises:
        ConfigError: when the output would lose its last path.
    """
    masks = [layer.mask.clone() for layer in mixed.network.stack]
    for edge in edges:
        masks[edge.layer][0, edge.source, sub_of(mixed.splines, edge)] = False
    closed = closed_masks(mixed.network, masks)
    if closed is None:
        raise ConfigError("without these edges nothing reaches the output: keep one path from an input")
    kept = {edge: own for edge, own in mixed.fixed.items() if _has(closed, mixed, edge)}
    splines = [layer.mask & mask for layer, mask in zip(mixed.splines.stack, closed, strict=True)]
    ties = tuple(tie for tie in mixed.ties if all(_has(closed, mixed, edge) for edge in tie))
    smaller = Mixed(mixed.splines.with_masks(splines), kept, ties)
    return _with_means(smaller, [edge for edge in mixed.edges if not _has(closed, mixed, edge)], mixed, x)


def _has(masks: Sequence[Tensor], mixed: Mixed, edge: EdgeId) -> bool:
    return bool(masks[edge.layer][0, edge.source, sub_of(mixed.splines, edge)])


def _with_means(smaller: Mixed, lost: Sequence[EdgeId], before: Mixed, x: Tensor) -> Mixed:
    """Add the mean of every lost edge to an edge that still feeds the same sum."""
    layers = before.network.edge_samples(x).layers
    fixed, splines = dict(smaller.fixed), smaller.splines.copy()
    for edge in lost:
        output = sub_of(before.splines, edge)
        mean = float(layers[edge.layer].outputs[0, :, edge.source, output].mean())
        heirs = [each for each in smaller.edges if each.layer == edge.layer and sub_of(splines, each) == output]
        if heirs and heirs[0] in fixed:
            a, b, c, d = fixed[heirs[0]].constants
            fixed[heirs[0]] = replace(fixed[heirs[0]], constants=(a, b, c, d + mean))
        elif heirs:
            splines.stack[edge.layer].add_constant(0, heirs[0].source, output, mean)
    return Mixed(splines, fixed, smaller.ties)


def weak_edges(mixed: Mixed, x: Tensor, threshold: float) -> list[EdgeId]:
    """The edges that cause less than this share of the output's spread."""
    scores = edge_scores(mixed.network, x)
    return [e for e in mixed.edges if float(scores[e.layer][0, e.source, sub_of(mixed.splines, e)]) < threshold]


def tied(mixed: Mixed, edges: Sequence[EdgeId], x: Tensor) -> Mixed:
    """The network in which these splines of one layer are one function, at first the mean of them.

    Raises:
        ConfigError: for fewer than two edges, edges of several layers, or edges that are no splines.
    """
    if len(set(edges)) < 2 or len({edge.layer for edge in edges}) > 1:
        raise ConfigError("edges that share one function are two or more of one layer: name them one after the other")
    for edge in edges:
        if edge in mixed.fixed:
            raise ConfigError(f"edge {edge_name(edge)} is {mixed.fixed[edge].primitive.name}: unfix it first")
    ties = (*(tie for tie in mixed.ties if not set(tie) & set(edges)), tuple(sorted(set(edges))))
    joined = replace(mixed, ties=ties).regridded(x)
    layer = joined.splines.stack[edges[0].layer]
    weights = layer.weights().detach().clone()
    places = [(edge.source, sub_of(mixed.splines, edge)) for edge in ties[-1]]
    mean = torch.stack([weights[0, source, output] for source, output in places]).mean(0)
    for source, output in places:
        weights[0, source, output] = mean
    splines = joined.splines.copy()
    splines.stack[edges[0].layer].set_weights(weights)
    return joined.with_splines(splines)


def untied(mixed: Mixed, edges: Collection[EdgeId]) -> Mixed:
    """The network in which these edges are functions of their own again."""
    return replace(mixed, ties=tuple(tie for tie in mixed.ties if not set(tie) & set(edges)))
