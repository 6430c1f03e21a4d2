"""Networks of another shape that compute the same: more nodes, one more layer, or none of the idle nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kansym.graph import EdgeId
from kansym.nn import KAN, KANLayer, Width
from kansym.workbench.mixed import Mixed

NOISE = 0.1  # of the splines into new nodes; those out of them begin at 0


def widened(mixed: Mixed, layer: int, sums: int, products: int, seed: int) -> Mixed:
    """The network with more nodes in one hidden layer, from which nothing flows yet.

    Args:
        mixed: any network.
        layer: which layer of nodes, 1 for the first hidden one.
        sums, products: how many nodes of either kind are added.
        seed: of the splines into them.
    """
    old = mixed.splines.widths
    width = Width(old[layer].sum + sums, old[layer].product + products)
    larger = _empty(mixed.splines, [*old[:layer], width, *old[layer + 1 :]])
    grown = _carried(mixed, larger, layer, sums)
    into, out = grown.splines.stack[layer - 1], grown.splines.stack[layer]
    generator = torch.Generator().manual_seed(seed)
    new_sums, new_nodes = _new_places(mixed.splines, larger, layer)
    with torch.no_grad():
        noise = NOISE * torch.randn(1, into.inputs, into.basis_size, len(new_sums), generator=generator)
        into.weight[:, :, : into.basis_size, new_sums] = noise.to(into.weight)
        into.mask[:, :, new_sums] = True
        out.mask[:, new_nodes] = True
    return grown


def deepened(mixed: Mixed, x: Tensor) -> Mixed:
    """The network with one more layer behind it, that passes the output on.

    Args:
        mixed: any network.
        x: rows (N, D) that tell the range of the output.
    """
    old = mixed.splines
    last = KANLayer(old.widths[-1].nodes, old.widths[-1].nodes, 1, old.options.layer, old.stack[0].grid.dtype)
    with torch.no_grad():
        last = last.with_basis(last.basis.adapt(mixed.network(x).mT, 1.0))
        line = last.basis.identity()  # (1, T, B)
        last.mask[0] = torch.eye(last.inputs, dtype=torch.bool)
        for node in range(last.inputs):
            last.weight[0, node, : last.basis_size, node] = line[0, node]
    deeper = old.with_layers([*old.stack, last])
    deeper.widths = (*old.widths, old.widths[-1])
    return mixed.with_splines(deeper)


def compacted(mixed: Mixed) -> Mixed:
    """The network without hidden nodes that no edge touches; the others keep their order and move up."""
    old, last = mixed.splines, len(mixed.splines.widths) - 1
    used = {(edge.layer + 1, edge.target) for edge in mixed.edges}
    kept = [
        [node for node in range(width.nodes) if layer in (0, last) or (layer, node) in used]
        for layer, width in enumerate(old.widths)
    ]
    widths = [_width_of(nodes, width) for nodes, width in zip(kept, old.widths, strict=True)]
    sums = [_sums_of(old, nodes, layer) for layer, nodes in enumerate(kept)]
    model = KAN(widths, 1, 0, old.options)
    layers = [
        _picked(layer, new, kept[index], sums[index + 1])
        for index, (layer, new) in enumerate(zip(old.stack, model.stack, strict=True))
    ]

    def move(edge: EdgeId) -> EdgeId:
        return replace(edge, source=kept[edge.layer].index(edge.source), target=kept[edge.layer + 1].index(edge.target))

    fixed = {move(edge): value for edge, value in mixed.fixed.items()}
    return Mixed(model.with_layers(layers), fixed, tuple(tuple(map(move, tie)) for tie in mixed.ties))


def _width_of(nodes: Sequence[int], width: Width) -> Width:
    sums = sum(node < width.sum for node in nodes)
    return Width(sums, len(nodes) - sums)


def _sums_of(old: KAN, nodes: Sequence[int], layer: int) -> list[int]:
    """The sums that feed these nodes: one for a sum node, all slots of a product."""
    width, arity = old.widths[layer], old.options.arity
    return [
        place
        for node in nodes
        for place in (
            [node] if node < width.sum else range(_first_slot(width, arity, node), _first_slot(width, arity, node + 1))
        )
    ]


def _first_slot(width: Width, arity: int, node: int) -> int:
    return width.sum + (node - width.sum) * arity


def _picked(before: KANLayer, after: KANLayer, inputs: list[int], outputs: list[int]) -> KANLayer:
    """The part of a layer between these inputs and outputs."""
    picked = after.with_stored(before.grid[:, inputs], before.weight[:, inputs][..., outputs])
    picked.mask = before.mask[:, inputs][..., outputs]
    return picked


def _empty(old: KAN, widths: Sequence[Width]) -> KAN:
    """A network of other widths, all splines 0 and masked."""
    model = KAN(widths, 1, 0, old.options)
    for layer in model.stack:
        layer.set_weights(torch.zeros_like(layer.weights()))
        layer.mask = torch.zeros_like(layer.mask)
    return model


def _carried(mixed: Mixed, larger: KAN, layer: int, sums: int) -> Mixed:
    """The larger network with all edges of the smaller one in their places, also on finer grids."""
    old, layers = mixed.splines, []
    for index, (before, after) in enumerate(zip(old.stack, larger.stack, strict=True)):
        inputs = _kept_nodes(old, larger, index)
        outputs = _kept_sums(old, larger, index)
        layers.append(_filled(before, after, inputs, outputs))
    move = _mover(old.widths[layer].sum, layer, sums)
    fixed = {move(edge): value for edge, value in mixed.fixed.items()}
    ties = tuple(tuple(move(edge) for edge in tie) for tie in mixed.ties)
    return Mixed(larger.with_layers(layers), fixed, ties)


def _filled(before: KANLayer, after: KANLayer, inputs: list[int], outputs: list[int]) -> KANLayer:
    """A layer of zero splines with those of a smaller one put at these inputs and outputs."""
    weight = before.weight.new_zeros(1, after.inputs, before.features_per_input, after.outputs)
    grid = before.grid[:, :1].repeat(1, after.inputs, 1)
    mask = torch.zeros(1, after.inputs, after.outputs, dtype=torch.bool)
    rows, columns = torch.tensor(inputs), torch.tensor(outputs)
    with torch.no_grad():
        weight[:, rows[:, None], :, columns] = before.weight.detach().permute(1, 3, 0, 2)
        grid[:, rows] = before.grid
        mask[0, rows[:, None], columns] = before.mask[0]
        filled = after.with_stored(grid, weight)
        filled.mask = mask
    return filled


def _kept_nodes(old: KAN, larger: KAN, index: int) -> list[int]:
    """Where the nodes of layer `index` are in the larger network: new sums come after the old ones, before products."""
    width, added = old.widths[index], larger.widths[index].sum - old.widths[index].sum
    return [node + (added if node >= width.sum else 0) for node in range(width.nodes)]


def _kept_sums(old: KAN, larger: KAN, index: int) -> list[int]:
    """The same for the sums that layer `index` of edges feeds."""
    width, added = old.widths[index + 1], larger.widths[index + 1].sum - old.widths[index + 1].sum
    return [place + (added if place >= width.sum else 0) for place in range(old.sub_nodes(width))]


def _new_places(old: KAN, larger: KAN, layer: int) -> tuple[list[int], list[int]]:
    """The sums, and the nodes, that the larger network has more."""
    kept_sums = set(_kept_sums(old, larger, layer - 1))
    kept_nodes = set(_kept_nodes(old, larger, layer))
    all_sums, all_nodes = range(larger.sub_nodes(larger.widths[layer])), range(larger.widths[layer].nodes)
    return [i for i in all_sums if i not in kept_sums], [i for i in all_nodes if i not in kept_nodes]


def _mover(old_sums: int, layer: int, added: int) -> Callable[[EdgeId], EdgeId]:
    """From an edge's name in the smaller network to that in the larger one."""

    def move(edge: EdgeId) -> EdgeId:
        if edge.layer == layer and edge.source >= old_sums:
            return replace(edge, source=edge.source + added)
        if edge.layer == layer - 1 and edge.target >= old_sums:
            return replace(edge, target=edge.target + added)
        return edge

    return move
