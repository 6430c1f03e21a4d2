"""The pruned network itself for other programs: an ONNX model, and a program of torch.export.

Its splines are written as polynomials, one a piece, around the middle of the piece.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

from kansym.errors import ConfigError
from kansym.export.onnx_form import Graph, column
from kansym.result import Result

if TYPE_CHECKING:
    from kansym.nn import KANLayer
    from kansym.nn.raw import RawNetwork

Array = np.ndarray


def network_onnx(result: Result) -> bytes:
    """The network as an ONNX model in float64: input "rows" (rows, D) in raw units, output "value" (rows,).

    Raises ConfigError without onnx, for a run without a network, and for a network that is no spline.
    """
    graph, network = Graph(), raw_network(result)
    nodes = []
    for place, source in enumerate(network.columns.tolist()):
        shift, scale = (graph.constant(float(part[place])) for part in (network.shift, network.scale))
        nodes.append(graph.add("Div", graph.add("Sub", column(graph, "rows", source), shift), scale))
    for place, layer in enumerate(network.kan.stack):
        width, arity = network.kan.widths[place + 1], network.kan.options.arity
        sums = _sums(graph, layer, nodes)
        products = [sums[width.sum + arity * i : width.sum + arity * (i + 1)] for i in range(width.product)]
        nodes = [*sums[: width.sum], *(_folded(graph, "Mul", factors) for factors in products)]
    scaled = graph.add("Mul", nodes[0], graph.constant(network.target_scale))
    shifted = graph.add("Add", scaled, graph.constant(network.target_shift))
    value = graph.add("Expand", shifted, graph.add("Shape", column(graph, "rows", 0)))
    return graph.model(value, result.table.input_names, result.table.target_name)


def network_torch(result: Result) -> bytes:
    """The network as a program of `torch.export`, a .pt2 file: `torch.export.load(path).module()(rows)`.

    Rows are (N, D), float64, in raw units, any N >= 2; the values are (N,). Raises ConfigError for a run without a
    network.
    """
    import torch

    module = raw_network(result).eval()
    example = torch.zeros((3, len(result.table.input_names)), dtype=torch.float64)
    with torch.no_grad():
        program = torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def raw_network(result: Result) -> RawNetwork:
    """The network of a result as a module of raw columns. Raises ConfigError where it has none."""
    model = result.model
    if model is None:
        raise ConfigError("this run has no network (too few rows, or no time): export its formula instead")
    return model


def _folded(graph: Graph, operator: str, values: list[str]) -> str:
    total = values[0]
    for value in values[1:]:
        total = graph.add(operator, total, value)
    return total


def _sums(graph: Graph, layer: KANLayer, nodes: list[str]) -> list[str]:
    """What the edges of a layer add up to, one value (N,) for each of its outputs."""
    pieces = Pieces.of(layer)
    incoming: list[list[str]] = [[] for _ in range(layer.outputs)]
    for source, output in zip(*np.nonzero(layer.mask[0].numpy()), strict=True):
        incoming[output].append(_edge(graph, pieces, int(source), int(output), nodes[source]))
    return [_folded(graph, "Add", terms) if terms else graph.constant(0.0) for terms in incoming]


def _edge(graph: Graph, pieces: Pieces, source: int, output: int, x: str) -> str:
    """One function of one variable: find the piece, then Horner's scheme in the distance from its anchor."""
    raised = graph.add("Unsqueeze", x, graph.constant([-1], np.int64))
    over = graph.add("GreaterOrEqual", raised, graph.constant(pieces.breaks[source]))
    counted = graph.add("Cast", over, to=graph.onnx.TensorProto.INT64)
    place = graph.add("ReduceSum", counted, graph.constant([-1], np.int64), keepdims=0)
    away = graph.add("Sub", x, graph.add("Gather", graph.constant(pieces.anchors[source]), place))
    total = ""
    for table in pieces.polynomials[source, output, ::-1]:
        term = graph.add("Gather", graph.constant(table), place)
        total = graph.add("Add", graph.add("Mul", total, away), term) if total else term
    if pieces.branch is None:
        return total
    silu = graph.add("Mul", x, graph.add("Sigmoid", x))
    return graph.add("Add", total, graph.add("Mul", silu, graph.constant(float(pieces.branch[source, output]))))


@dataclass(frozen=True)
class Pieces:
    """A layer of splines as polynomials: piece 0 is the line below the grid, the last one that above it.

    breaks: (I, G + 1). anchors: (I, G + 2). polynomials: coefficients (I, O, degree + 1, G + 2), constants first.
    branch: weights (I, O) of x sigmoid(x) beside the spline, or None.
    """

    breaks: Array
    anchors: Array
    polynomials: Array
    branch: Array | None

    @classmethod
    def of(cls, layer: KANLayer) -> Pieces:
        """Read off one member's layer. Raises ConfigError for what is not written: other bases, normalisations."""
        options = layer.options
        if layer.knots is None or options.base not in ("silu", "none") or options.normalisation != "none":
            kind = f"basis {options.basis!r}, base {options.base!r}, normalisation {options.normalisation!r}"
            raise ConfigError(f"ONNX is written for splines with silu or no base, not for {kind}: choose network-torch")
        knots, degree = layer.knots
        size = knots.shape[-1] - degree - 1
        breaks = knots[0, :, degree : size + 1].detach().numpy()  # (I, G + 1)
        middles = 0.5 * (breaks[:, 1:] + breaks[:, :-1])
        anchors = np.hstack([breaks[:, :1], middles, breaks[:, -1:]])
        weight = layer.effective()[0].detach().numpy()  # (I, F, O)
        branch = weight[:, -1] if layer.has_base else None
        return cls(breaks, anchors, _polynomials(layer, anchors, weight[:, : layer.basis_size], degree), branch)


def _polynomials(layer: Any, anchors: Array, weight: Array, degree: int) -> Array:
    """The Taylor coefficients (I, O, degree + 1, G + 2) of every edge around the anchors; lines outside the grid."""
    import torch

    basis, points = layer._basis_on(layer.grid.unsqueeze(1)), torch.from_numpy(anchors.T.copy()).unsqueeze(0)
    found = []
    with torch.no_grad():
        for order in range(degree + 1):
            functions = basis.derivative(points, order)[0].numpy()  # (G + 2, I, B)
            values = np.einsum("gib,ibo->iog", functions, weight) / factorial(order)
            if order > 1:
                values[:, :, [0, -1]] = 0.0
            found.append(values)
    return np.stack(found, axis=2)
