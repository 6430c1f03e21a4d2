"""One layer of edges: every input goes to every output through its own function of one variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kansym.bases import BASES, Basis
from kansym.registry import Registry


def _silu_slope(x: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


@dataclass(frozen=True)
class Activation:
    """A fixed function that every edge may add to its spline, with its derivative."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


BASE_ACTIVATIONS: Registry[Activation | None] = Registry("base activation")
BASE_ACTIVATIONS.add("silu", Activation(nn.functional.silu, _silu_slope))
BASE_ACTIVATIONS.add("identity", Activation(lambda x: x, torch.ones_like))
BASE_ACTIVATIONS.add("tanh", Activation(torch.tanh, lambda x: 1 - torch.tanh(x) ** 2))
BASE_ACTIVATIONS.add("none", None)


@dataclass(frozen=True)
class LayerOptions:
    """How the edges of a layer are made.

    Args:
        intervals: grid pieces G of every edge, >= 1.
        degree: degree of the basis, >= 0 (3 = cubic).
        basis: a name in `kansym.bases.BASES`.
        base: a name in `BASE_ACTIVATIONS`; "none" leaves the base branch out.
        spline_scale: give every edge a factor of its own in front of its spline.
        domain: the ends of the first grid.
        noise: standard deviation of the first coefficients, before the division by the square root of the inputs.
    """

    intervals: int = 5
    degree: int = 3
    basis: str = "bspline"
    base: str = "silu"
    spline_scale: bool = False
    domain: tuple[float, float] = (-1.0, 1.0)
    noise: float = 0.3

    def __post_init__(self) -> None:
        BASE_ACTIVATIONS.get(self.base)
        BASES.get(self.basis)


class KANLayer(nn.Module):
    """E independent layers of I x O edges; edge (i, o) is scale * spline(x_i) + base_weight * base(x_i).

    Tensors: coefficients (E, I, O, B), base_weight (E, I, O) or None, spline_scale (E, I, O) or None,
    mask (E, I, O) bool, grid (E, I, K).

    The basis is evaluated once per input and contracted with all outgoing edges in one matrix product.

    Source: Liu et al., KAN: Kolmogorov-Arnold Networks, 2024, eqs. 2.5-2.12.
    """

    coefficients: nn.Parameter
    base_weight: nn.Parameter | None
    spline_scale: nn.Parameter | None
    mask: Tensor
    grid: Tensor

    def __init__(
        self, inputs: int, outputs: int, members: int, options: LayerOptions, dtype: torch.dtype = torch.float64
    ) -> None:
        """Make a layer of zero functions; `initialise` gives it its first values.

        Args:
            inputs, outputs: I and O, >= 1.
            members: E, >= 1, how many independent layers there are.
            options: how its edges are made.
            dtype: floating type of every tensor.
        """
        super().__init__()
        self.options = options
        low, high = (torch.full((members, inputs), end, dtype=dtype) for end in options.domain)
        basis = BASES.get(options.basis).create(low, high, options.intervals, options.degree)
        edges = (members, inputs, outputs)
        self.coefficients = nn.Parameter(torch.zeros(*edges, basis.size, dtype=dtype))
        has_base = BASE_ACTIVATIONS.get(options.base) is not None
        self.base_weight = nn.Parameter(torch.zeros(edges, dtype=dtype)) if has_base else None
        self.spline_scale = nn.Parameter(torch.ones(edges, dtype=dtype)) if options.spline_scale else None
        self.register_buffer("mask", torch.ones(edges, dtype=torch.bool))
        self.register_buffer("grid", basis.grid.contiguous())

    @property
    def members(self) -> int:
        return self.coefficients.shape[0]

    @property
    def inputs(self) -> int:
        return self.coefficients.shape[1]

    @property
    def outputs(self) -> int:
        return self.coefficients.shape[2]

    @property
    def features_per_input(self) -> int:
        """F: the basis functions and, where there is one, the base activation."""
        return self.coefficients.shape[3] + (self.base_weight is not None)

    @property
    def basis(self) -> Basis:
        """The basis of every (member, input), grid (E, I, K)."""
        return BASES.get(self.options.basis)(self.grid, self.options.degree)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the first values; two layers drawn from generators of one seed are equal bit by bit."""
        deviation = self.options.noise / self.inputs**0.5
        dtype, device = self.coefficients.dtype, self.coefficients.device
        with torch.no_grad():
            noise = torch.randn(self.coefficients.shape, generator=generator, dtype=torch.float64)
            self.coefficients.copy_((deviation * noise).to(dtype=dtype, device=device))
            if self.base_weight is not None:
                bound = 1 / self.inputs**0.5
                draw = 2 * torch.rand(self.base_weight.shape, generator=generator, dtype=torch.float64) - 1
                self.base_weight.copy_((bound * draw).to(dtype=dtype, device=device))

    def weights(self) -> Tensor:
        """Return what the features are multiplied with, masked edges exactly 0: (E, I, O, F)."""
        spline = self._unmasked(self.coefficients)
        if self.spline_scale is not None:
            spline = spline * self._unmasked(self.spline_scale.unsqueeze(-1))
        if self.base_weight is None:
            return spline
        return torch.cat([spline, self._unmasked(self.base_weight.unsqueeze(-1))], -1)

    def _unmasked(self, tensor: Tensor) -> Tensor:
        """Replace masked entries of (E, I, O, n) by 0; unlike a product this also holds for NaN, and for gradients."""
        return torch.where(self.mask.unsqueeze(-1), tensor, tensor.new_zeros(()))

    def set_weights(self, weights: Tensor) -> None:
        """Store features' weights (E, I, O, F); a spline scale other than 0 keeps its value."""
        with torch.no_grad():
            spline = weights[..., : self.coefficients.shape[-1]]
            if self.spline_scale is not None:
                self.spline_scale[self.spline_scale == 0] = 1.0
                spline = spline / self.spline_scale.unsqueeze(-1)
            self.coefficients.copy_(spline)
            if self.base_weight is not None:
                self.base_weight.copy_(weights[..., -1])

    def features(self, x: Tensor, order: int = 0) -> Tensor:
        """Return the basis functions and the base activation of every input, or their first derivatives.

        Args:
            x: (E, N, I).
            order: 0 for values, 1 for derivatives.

        Returns:
            (E, N, I, F).
        """
        basis = BASES.get(self.options.basis)(self.grid.unsqueeze(1), self.options.degree)
        values = basis.derivative(x, order)  # (E, N, I, B)
        activation = BASE_ACTIVATIONS.get(self.options.base)
        if activation is None:
            return values
        branch = activation.value(x) if order == 0 else activation.slope(x)
        return torch.cat([values, branch.unsqueeze(-1)], -1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums of the edges into every output: (E, N, I) -> (E, N, O)."""
        return contract(self.features(x), self.weights())

    def edge_outputs(self, x: Tensor) -> Tensor:
        """Return every edge's own value: (E, N, I) -> (E, N, I, O)."""
        return per_edge(self.features(x), self.weights())

    def with_basis(self, basis: Basis) -> KANLayer:
        """Return the layer on another grid of the same kind, its functions kept as well as that grid can.

        Args:
            basis: grid (E, I, K').
        """
        old = self.basis
        points = basis.even_points(4 * (self.options.degree + 1))  # (E, I, S)
        values = old.per_point().evaluate(points) @ self.coefficients.detach().mT  # (E, I, S, O)
        return self.with_tensors(basis.grid, basis.fit(points, values))

    def with_tensors(self, grid: Tensor, coefficients: Tensor) -> KANLayer:
        """Return the layer with another grid (E, I, K') and coefficients (E, I, O, B')."""
        layer = KANLayer.__new__(KANLayer)
        nn.Module.__init__(layer)
        layer.options = self.options
        layer.coefficients = nn.Parameter(coefficients.detach().clone())
        layer.base_weight = None if self.base_weight is None else nn.Parameter(self.base_weight.detach().clone())
        layer.spline_scale = None if self.spline_scale is None else nn.Parameter(self.spline_scale.detach().clone())
        layer.register_buffer("mask", self.mask.clone())
        layer.register_buffer("grid", grid.detach().clone().contiguous())
        return layer

    def select(self, members: list[int]) -> KANLayer:
        """Return the layer of the listed members, in that order; one may come more than once."""
        layer = self.with_tensors(self.grid[members], self.coefficients[members])
        layer.mask = self.mask[members]
        if self.base_weight is not None:
            layer.base_weight = nn.Parameter(self.base_weight.detach()[members])
        if self.spline_scale is not None:
            layer.spline_scale = nn.Parameter(self.spline_scale.detach()[members])
        return layer


def contract(features: Tensor, weights: Tensor) -> Tensor:
    """Sum features (E, N, I, F) times weights (E, I, O, F) over I and F: (E, N, O)."""
    members, _, outputs, _ = weights.shape
    flat = weights.transpose(2, 3).reshape(members, -1, outputs)
    return features.flatten(2) @ flat


def per_edge(features: Tensor, weights: Tensor) -> Tensor:
    """Sum features (E, N, I, F) times weights (E, I, O, F) over F alone: (E, N, I, O)."""
    return (features.transpose(1, 2) @ weights.mT).transpose(1, 2)
