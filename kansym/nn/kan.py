"""A population of Kolmogorov-Arnold networks of one shape, evaluated together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kansym.nn.layer import KANLayer, LayerOptions, contract, per_edge


@dataclass(frozen=True)
class Width:
    """The nodes of one layer: `sum` nodes add their incoming edges, `product` nodes multiply `arity` such sums."""

    sum: int
    product: int = 0

    @property
    def nodes(self) -> int:
        return self.sum + self.product

    @classmethod
    def of(cls, entry: int | Sequence[int] | Width) -> Width:
        """Read a width given as 4, as (3, 2) for three sums and two products, or as a Width."""
        if isinstance(entry, Width):
            return entry
        return cls(int(entry)) if isinstance(entry, int) else cls(*(int(count) for count in entry))


@dataclass(frozen=True)
class KANOptions:
    """How a network is made.

    Args:
        layer: how the edges of every layer are made.
        arity: how many sums a product node multiplies, >= 2.
        dtype: "float64", "float32" or "bfloat16".
    """

    layer: LayerOptions = field(default_factory=LayerOptions)
    arity: int = 2
    dtype: str = "float64"


@dataclass(frozen=True)
class LayerSamples:
    """What one layer saw: inputs (E, N, I), edge outputs (E, N, I, O) with O counting the slots of product nodes."""

    inputs: Tensor
    outputs: Tensor


@dataclass(frozen=True)
class EdgeSamples:
    """What every layer saw on some rows, and what came out of the network, (E, N, T)."""

    layers: tuple[LayerSamples, ...]
    output: Tensor


class KAN(nn.Module):
    """E networks of one shape; layer l holds the edges from the nodes of width l to those of width l + 1.

    `forward` is pure: it keeps nothing and changes nothing.
    """

    def __init__(
        self,
        widths: Sequence[int | Sequence[int] | Width],
        members: int = 1,
        seed: int = 0,
        options: KANOptions | None = None,
    ) -> None:
        """Make and initialise a population.

        Args:
            widths: nodes per layer from inputs to targets, at least two entries: [D, 4, T], or [D, (3, 2), T] for three
                sum nodes and two product nodes. The first entry cannot have product nodes.
            members: E, >= 1.
            seed: of the first values; the same seed gives the same bits.
            options: how the edges are made.

        Raises:
            ValueError: when the widths describe no network.
        """
        super().__init__()
        self.options = options or KANOptions()
        self.widths = tuple(Width.of(entry) for entry in widths)
        _check_widths(self.widths, self.options.arity)
        dtype = getattr(torch, self.options.dtype)
        self.layers = nn.ModuleList(
            KANLayer(before.nodes, self.sub_nodes(after), members, self.options.layer, dtype)
            for before, after in zip(self.widths, self.widths[1:], strict=False)
        )
        self.initialise(seed)

    @property
    def members(self) -> int:
        """E."""
        return self.stack[0].members

    @property
    def stack(self) -> tuple[KANLayer, ...]:
        """The layers, first to last."""
        return tuple(self.layers)  # type: ignore[arg-type]

    def sub_nodes(self, width: Width) -> int:
        """Return how many sums a layer computes: one per sum node, `arity` per product node."""
        return width.sum + self.options.arity * width.product

    def initialise(self, seed: int) -> None:
        """Draw new first values for every layer."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.stack:
            layer.initialise(generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all members.

        Args:
            x: rows shared by all members (N, D), or their own (E, N, D).

        Returns:
            (E, N, T).
        """
        hidden = self.expand(x)
        for index, layer in enumerate(self.stack):
            hidden = self.combine(layer(hidden), index)
        return hidden

    def expand(self, x: Tensor) -> Tensor:
        """Give shared rows (N, D) the member axis, in the network's dtype: (E, N, D)."""
        return (x if x.dim() == 3 else x.expand(self.members, *x.shape)).to(self.stack[0].grid.dtype)

    def combine(self, sums: Tensor, index: int) -> Tensor:
        """Turn the sums that layer `index` computed into node values: (..., S) -> (..., nodes)."""
        width = self.widths[index + 1]
        if width.product == 0:
            return sums
        slots = sums[..., width.sum :].unflatten(-1, (width.product, self.options.arity))
        return torch.cat([sums[..., : width.sum], slots.prod(-1)], -1)

    def edge_samples(self, x: Tensor) -> EdgeSamples:
        """Return what every edge sees and gives on the rows x, (N, D) or (E, N, D); detached."""
        with torch.no_grad():
            hidden, layers = self.expand(x), []
            for index, layer in enumerate(self.stack):
                outputs = layer.edge_outputs(hidden)
                layers.append(LayerSamples(hidden, outputs))
                hidden = self.combine(outputs.sum(2), index)
        return EdgeSamples(tuple(layers), hidden)

    def gradient(self, x: Tensor, target: int = 0) -> Tensor:
        """Return the derivative of one target with respect to the inputs, computed analytically.

        Args:
            x: (N, D) or (E, N, D).
            target: which of the T outputs.

        Returns:
            (E, N, D).
        """
        return self.sensitivities(x, target)[0]

    def sensitivities(self, x: Tensor, target: int = 0) -> tuple[Tensor, ...]:
        """Return the derivative of one target with respect to the node values of every layer.

        Args:
            x: (N, D) or (E, N, D).
            target: which of the T outputs.

        Returns:
            One tensor (E, N, nodes) per width, the inputs first.
        """
        with torch.no_grad():
            traces = trace(self, x)
            seed = torch.zeros_like(traces[-1].nodes)
            seed[..., target] = 1
            return tuple(reversed(_back_to_inputs(self, traces, seed)))

    def sum_sensitivities(self, x: Tensor, target: int = 0) -> tuple[Tensor, ...]:
        """Return the derivative of one target with respect to the sums of every layer, one (E, N, S) per layer."""
        with torch.no_grad():
            traces = trace(self, x)
            nodes = self.sensitivities(x, target)[1:]
            return tuple(through_nodes(self, traces, index, delta) for index, delta in enumerate(nodes))

    def adapt_grids(self, x: Tensor, blend: float = 0.5) -> KAN:
        """Return the population with every grid spread over what its node sees on x, its functions kept by refitting.

        Args:
            x: (N, D) or (E, N, D).
            blend: 0 follows the quantiles, 1 spreads evenly over the range.
        """
        with torch.no_grad():
            hidden, layers = self.expand(x), []
            for index, layer in enumerate(self.stack):
                layers.append(layer.with_basis(layer.basis.adapt(layer.normalise(hidden).mT, blend)))
                hidden = self.combine(layers[-1](hidden), index)
        return self.with_layers(layers)

    def refine(self, intervals: int) -> KAN:
        """Return the population on grids of at least `intervals` pieces that hold the old functions exactly."""
        with torch.no_grad():
            return self.with_layers(
                [layer.with_basis(layer.basis.refine(max(intervals, layer.basis.intervals))) for layer in self.stack]
            )

    def with_layers(self, layers: Sequence[KANLayer]) -> KAN:
        """Return a population of the same shape with other layers."""
        model = KAN.__new__(KAN)
        nn.Module.__init__(model)
        model.options, model.widths = self.options, self.widths
        model.layers = nn.ModuleList(layers)
        return model

    def copy(self) -> KAN:
        """Return a copy that shares no memory."""
        return self.select(list(range(self.members)))

    def select(self, members: Sequence[int]) -> KAN:
        """Return the population of the listed members; one may come more than once."""
        return self.with_layers([layer.select(list(members)) for layer in self.stack])

    def member(self, index: int) -> KAN:
        """Return one member as a population of one."""
        return self.select([range(self.members)[index]])

    def with_masks(self, masks: Sequence[Tensor]) -> KAN:
        """Return a copy with other masks, one bool tensor (E, I, O) per layer; (I, O) serves all members."""
        model = self.copy()
        for layer, mask in zip(model.stack, masks, strict=True):
            layer.mask = mask.to(torch.bool).expand(layer.mask.shape).clone()
        return model

    def active_edges(self) -> Tensor:
        """Return how many edges every member has, (E,) int64."""
        return torch.stack([layer.mask.flatten(1).sum(1) for layer in self.stack]).sum(0)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, contiguous and detached, ready for safetensors."""
        return {name: tensor.detach().contiguous() for name, tensor in self.state_dict().items()}

    def structure(self) -> dict[str, Any]:
        """Return what `from_tensors` needs beside the tensors, as plain JSON values."""
        widths = [[width.sum, width.product] for width in self.widths]
        return {"widths": widths, "members": self.members, "options": asdict(self.options)}

    @classmethod
    def from_tensors(cls, structure: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> KAN:
        """Rebuild a population from `structure()` and `tensors()`.

        Raises:
            ValueError: when the tensors do not fit the structure.
        """
        options = dict(structure["options"])
        layer = dict(options.pop("layer"))
        layer["domain"] = tuple(layer["domain"])
        model = cls(structure["widths"], structure["members"], 0, KANOptions(layer=LayerOptions(**layer), **options))
        layers = [_layer_from(layer, f"layers.{index}.", tensors) for index, layer in enumerate(model.stack)]
        return model.with_layers(layers)


@dataclass(frozen=True)
class Trace:
    """One layer's part of a forward pass: inputs (E, N, I), features (E, N, I, F), sums (E, N, S), nodes (E, N, O)."""

    inputs: Tensor
    features: Tensor
    weights: Tensor
    sums: Tensor
    nodes: Tensor


def trace(
    model: KAN, x: Tensor, weights: Sequence[Tensor] | None = None, first_features: Tensor | None = None
) -> list[Trace]:
    """Run the network and keep what a backward pass by hand needs.

    Args:
        model: gives shape, grids and masks.
        x: (N, D) or (E, N, D).
        weights: what the features are multiplied with, one (E, I, O, F) per layer; the model's own by default.
        first_features: the features of x in the first layer, when they are known already.
    """
    hidden, traces = model.expand(x), []
    for index, layer in enumerate(model.stack):
        known = first_features if index == 0 else None
        features = layer.features(hidden) if known is None else known
        used = layer.weights() if weights is None else weights[index]
        sums = contract(features, used)
        traces.append(Trace(hidden, features, used, sums, model.combine(sums, index)))
        hidden = traces[-1].nodes
    return traces


def through_nodes(model: KAN, traces: Sequence[Trace], index: int, delta: Tensor) -> Tensor:
    """Pull a derivative with respect to the nodes that layer `index` feeds back to its sums: (..., nodes) -> (..., S).

    The member and row axes of `delta` are those of the trace; one axis may stand between them and the last.
    """
    width, arity = model.widths[index + 1], model.options.arity
    if width.product == 0:
        return delta
    slots = traces[index].sums[..., width.sum :].unflatten(-1, (width.product, arity))
    others = torch.stack([_product_without(slots, slot) for slot in range(arity)], -1)
    others = others.reshape(*others.shape[:2], *([1] * (delta.dim() - 3)), width.product, arity)
    spread = (delta[..., width.sum :].unsqueeze(-1) * others).flatten(-2)
    return torch.cat([delta[..., : width.sum], spread], -1)


def through_edges(layer: KANLayer, step: Trace, delta: Tensor) -> Tensor:
    """Pull a derivative with respect to a layer's sums (E, N, S) or (E, N, R, S) back to its inputs."""
    slopes = per_edge(layer.features(step.inputs, 1), step.weights)  # (E, N, I, S)
    pulled = (slopes @ delta.unsqueeze(-1)).squeeze(-1) if delta.dim() == 3 else delta @ slopes.mT
    return layer.pull(step.inputs, pulled)


def _back_to_inputs(model: KAN, traces: Sequence[Trace], delta: Tensor) -> list[Tensor]:
    """Return the derivatives with respect to the nodes of every width, the last first."""
    found = [delta]
    for index in reversed(range(len(traces))):
        sums = through_nodes(model, traces, index, found[-1])
        found.append(through_edges(model.stack[index], traces[index], sums))
    return found


def _product_without(slots: Tensor, left_out: int) -> Tensor:
    """Multiply all slots but one, without dividing: (..., P, arity) -> (..., P)."""
    return torch.cat([slots[..., :left_out], slots[..., left_out + 1 :]], -1).prod(-1)


def _check_widths(widths: Sequence[Width], arity: int) -> None:
    if len(widths) < 2 or any(width.nodes < 1 or width.sum < 0 or width.product < 0 for width in widths):
        raise ValueError(f"widths {list(widths)} describe no network: give at least two layers of one node or more")
    if widths[0].product:
        raise ValueError("the input layer cannot have product nodes: give its width as the number of inputs")
    if arity < 2:
        raise ValueError(f"a product node multiplies at least 2 sums, not {arity}")


def _layer_from(layer: KANLayer, prefix: str, tensors: Mapping[str, Tensor]) -> KANLayer:
    """Fill a layer from named tensors after checking their shapes."""
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    expected = set(layer.state_dict())
    if set(found) != expected:
        raise ValueError(f"model tensors of {prefix!r} are {sorted(found)}, expected {sorted(expected)}")
    for name in expected:
        _check_tensor(name, found[name], layer.state_dict()[name].shape)
    filled = layer.with_stored(found["grid"], found["weight"])
    if filled.basis.size != filled.basis_size:
        raise ValueError(f"model tensors {prefix + 'grid'!r} and {prefix + 'weight'!r} do not fit each other")
    filled.load_state_dict(found)
    return filled


def _check_tensor(name: str, tensor: Tensor, expected: torch.Size) -> None:
    """Refuse a tensor of another shape; a refined grid may be longer, and so may the weights that go with it."""
    free = {"grid": 2, "weight": 2}.get(name)
    fits = tensor.dim() == len(expected) and all(
        axis == free or length == wanted
        for axis, (length, wanted) in enumerate(zip(tensor.shape, expected, strict=True))
    )
    if not fits:
        raise ValueError(f"model tensor {name!r} has shape {tuple(tensor.shape)}, expected one like {tuple(expected)}")
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise ValueError(f"model tensor {name!r} holds numbers that are not finite")
