"""One layer of edges: every input goes to every output through its own function of one variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from kansym.bases import BASES, Basis, BSpline
from kansym.bases.parameterisation import PARAMETERISATIONS
from kansym.nn.normalisation import NORMALISATIONS
from kansym.nn.options import BASE_ACTIVATIONS, LayerOptions
from kansym.nn.paths import choose


class KANLayer(nn.Module):
    """E independent layers of I x O edges; edge (i, o) is scale * spline(x_i) + base_weight * base(x_i).

    Tensors: weight (E, I, F, O), of which the first B of F rows are the splines' coefficients and the last is the
    weight of the base activation where there is one; spline_scale (E, I, O) or None; gain and shift (E, I) of a trained
    normalisation or None; mask (E, I, O) bool; grid (E, I, K), a parameter with `learn_grid`; expansion (E, I, B, B)
    from what is stored to coefficients, or None where these are stored themselves.

    The basis is evaluated once per input and contracted with all outgoing edges, the base activation as one more
    column, in one matrix product.

    Source: Liu et al., KAN: Kolmogorov-Arnold Networks, 2024, eqs. 2.5-2.12.
    """

    weight: nn.Parameter
    spline_scale: nn.Parameter | None
    gain: nn.Parameter | None
    shift: nn.Parameter | None
    mask: Tensor
    grid: Tensor
    expansion: Tensor | None

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
        features = basis.size + self.has_base
        edges, nodes = (members, inputs, outputs), (members, inputs)
        normalisation = NORMALISATIONS.get(options.normalisation)
        trained = normalisation is not None and normalisation.trained
        self.weight = nn.Parameter(torch.zeros(members, inputs, features, outputs, dtype=dtype))
        self.spline_scale = nn.Parameter(torch.ones(edges, dtype=dtype)) if options.spline_scale else None
        self.gain = nn.Parameter(torch.ones(nodes, dtype=dtype)) if trained else None
        self.shift = nn.Parameter(torch.zeros(nodes, dtype=dtype)) if trained else None
        self.register_buffer("mask", torch.ones(edges, dtype=torch.bool))
        self._set_grid(basis.grid)

    @property
    def members(self) -> int:
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        return self.weight.shape[1]

    @property
    def outputs(self) -> int:
        return self.weight.shape[3]

    @property
    def features_per_input(self) -> int:
        """F: the basis functions and, where there is one, the base activation."""
        return self.weight.shape[2]

    @property
    def has_base(self) -> bool:
        """Whether every edge adds a base activation to its spline."""
        return BASE_ACTIVATIONS.get(self.options.base) is not None

    @property
    def basis_size(self) -> int:
        """B."""
        return self.features_per_input - self.has_base

    @property
    def coefficients(self) -> Tensor:
        """The splines' coefficients, (E, I, O, B); with the plain parameterisation a view of `weight`."""
        raw = self.weight[:, :, : self.basis_size]
        return (raw if self.expansion is None else self.expansion @ raw).transpose(2, 3)

    @property
    def base_weight(self) -> Tensor | None:
        """The weights of the base activation, (E, I, O): a view of `weight`."""
        return self.weight[:, :, -1] if self.has_base else None

    @property
    def basis(self) -> Basis:
        """The basis of every (member, input), grid (E, I, K)."""
        return self._basis_on(self.grid)

    @property
    def pruned(self) -> bool:
        """Whether an edge is masked; looked up anew only after the mask has changed."""
        seen, version, pruned = self._mask_seen
        if seen is not self.mask or version != self.mask._version:
            pruned = not bool(self.mask.all())
            self._mask_seen = (self.mask, self.mask._version, pruned)
        return pruned

    @property
    def knots(self) -> tuple[Tensor, int] | None:
        """Knots (E, I, K) and degree where the basis functions are B-splines; hat functions are those of degree 1."""
        if self.options.basis == "linear":
            return BSpline.from_breaks(self.grid, 1).grid, 1
        return (self.grid, self.options.degree) if self.options.basis == "bspline" else None

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the first values; two layers drawn from generators of one seed are equal bit by bit."""
        with torch.no_grad():
            self.set_weights(_INITIAL[self.options.initialisation](self, generator).to(self.weight))

    def weights(self) -> Tensor:
        """Return what the features are multiplied with, masked edges exactly 0: (E, I, O, F)."""
        return self.effective().transpose(2, 3)

    def effective(self) -> Tensor:
        """Return the weights in their own layout, outputs last, masked edges exactly 0: (E, I, F, O)."""
        weight = self.weight
        if self.spline_scale is not None or self.expansion is not None:
            weight = torch.cat([self._scaled_spline(), weight[:, :, self.basis_size :]], 2)
        return self._unmasked(weight) if torch.compiler.is_compiling() or self.pruned else weight

    def _scaled_spline(self) -> Tensor:
        """Return every spline's coefficients times its scale, (E, I, B, O)."""
        spline = self.coefficients.transpose(2, 3)
        return spline if self.spline_scale is None else spline * self._unmasked(self.spline_scale.unsqueeze(2))

    def _unmasked(self, tensor: Tensor) -> Tensor:
        """Replace masked entries of (E, I, n, O) by 0; unlike a product this also holds for NaN, and for gradients."""
        return torch.where(self.mask.unsqueeze(2), tensor, tensor.new_zeros(()))

    def set_weights(self, weights: Tensor) -> None:
        """Store features' weights (E, I, O, F); a spline scale other than 0 keeps its value."""
        with torch.no_grad():
            spline, branch = weights.transpose(2, 3).split([self.basis_size, int(self.has_base)], 2)
            if self.spline_scale is not None:
                self.spline_scale[self.spline_scale == 0] = 1.0
                spline = spline / self.spline_scale.unsqueeze(2)
            self.weight.copy_(torch.cat([self._contracted(spline, self.basis), branch], 2))

    def add_constant(self, member: int, source: int, output: int, amount: float) -> None:
        """Add a number to one edge, through the combination of its basis functions that is 1 on the grid."""
        weights, points = self.weights().detach().clone(), self.basis.even_points(4)
        one = self.basis.fit(points, torch.ones_like(points))  # (E, I, B)
        weights[member, source, output, : self.basis_size] += amount * one[member, source]
        self.set_weights(weights)

    def _contracted(self, spline: Tensor, basis: Basis) -> Tensor:
        """Return the numbers that are stored for coefficients (E, I, B, O) on a basis."""
        return PARAMETERISATIONS.get(self.options.parameterisation)().contract(spline, basis)

    def member_features(self, member: int) -> Callable[[Tensor, int], Tensor]:
        """Return a function from normalised rows (n, I) and an order to the features (n, I, F) of one member."""
        basis = self._basis_on(self.grid[member].unsqueeze(0))  # (1, I, K)
        return lambda seen, order: self._with_branch(basis.derivative(seen, order), seen, order)

    def normalise(self, x: Tensor) -> Tensor:
        """Return what the grids see of the inputs: (E, N, I) -> (E, N, I)."""
        normalisation = NORMALISATIONS.get(self.options.normalisation)
        if normalisation is None:
            return x
        return normalisation.apply(x, cast(Tensor, self.gain), cast(Tensor, self.shift))

    def pull(self, x: Tensor, delta: Tensor) -> Tensor:
        """Turn derivatives with respect to `normalise(x)`, (E, N, I) or (E, N, R, I), into those with respect to x."""
        normalisation = NORMALISATIONS.get(self.options.normalisation)
        return delta if normalisation is None else normalisation.pull(x, delta, cast(Tensor, self.gain))

    def features(self, x: Tensor, order: int = 0) -> Tensor:
        """Return the basis functions and the base activation of every input, or their first derivatives.

        Args:
            x: (E, N, I), the inputs of the layer.
            order: 0 for values, 1 for derivatives with respect to the normalised inputs.

        Returns:
            (E, N, I, F).
        """
        return self.features_of(self.normalise(x), order)

    def features_of(self, seen: Tensor, order: int = 0) -> Tensor:
        """As `features`, of inputs (E, N, I) that are normalised already."""
        values = self._basis_on(self.grid.unsqueeze(1)).derivative(seen, order)  # (E, N, I, B)
        return self._with_branch(values, seen, order)

    def _with_branch(self, values: Tensor, seen: Tensor, order: int) -> Tensor:
        """Add the base activation, or its slope, as one more column."""
        activation = BASE_ACTIVATIONS.get(self.options.base)
        if activation is None:
            return values
        branch = activation.value(seen) if order == 0 else activation.slope(seen)
        return torch.cat([values, branch.unsqueeze(-1)], -1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums of the edges into every output: (E, N, I) -> (E, N, O)."""
        return choose(self, x).path(self, x)

    def edge_outputs(self, x: Tensor) -> Tensor:
        """Return every edge's own value: (E, N, I) -> (E, N, I, O)."""
        return per_edge(self.features(x), self.weights())

    def with_basis(self, basis: Basis) -> KANLayer:
        """Return the layer on another grid of the same kind: a finer grid keeps its functions, another nearly so.

        Args:
            basis: grid (E, I, K').
        """
        return self.with_tensors(basis.grid, self.basis.carry(self.coefficients.detach(), basis))

    def with_tensors(self, grid: Tensor, coefficients: Tensor) -> KANLayer:
        """Return the layer with another grid (E, I, K') and coefficients (E, I, O, B')."""
        basis = BASES.get(self.options.basis)(grid, self.options.degree)
        spline = self._contracted(coefficients.detach().transpose(2, 3), basis)
        rows = [spline, self.weight.detach()[:, :, self.basis_size :]]
        return self.with_stored(grid, torch.cat(rows, 2))

    def with_stored(self, grid: Tensor, weight: Tensor) -> KANLayer:
        """Return the layer with another grid (E, I, K') and stored weights (E, I, F', O)."""
        return self._rebuilt(grid, weight, slice(None))

    def select(self, members: list[int]) -> KANLayer:
        """Return the layer of the listed members, in that order; one may come more than once."""
        return self._rebuilt(self.grid[members], self.weight[members], members)

    def _rebuilt(self, grid: Tensor, weight: Tensor, members: slice | list[int]) -> KANLayer:
        """Return a layer that shares no memory, with the given tensors and the rest of the listed members."""
        layer = KANLayer.__new__(KANLayer)
        nn.Module.__init__(layer)
        layer.options = self.options
        layer.weight = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
        for name in ("spline_scale", "gain", "shift"):
            tensor = getattr(self, name)
            setattr(layer, name, None if tensor is None else nn.Parameter(tensor.detach()[members].clone()))
        layer.register_buffer("mask", self.mask[members].clone())
        layer._set_grid(grid)
        return layer

    def _basis_on(self, grid: Tensor) -> Basis:
        return BASES.get(self.options.basis)(grid, self.options.degree, self.even)

    def _set_grid(self, grid: Tensor) -> None:
        """Store the grid, and whether it is even, which the fast paths make use of."""
        stored = grid.detach().clone(memory_format=torch.contiguous_format)
        if self.options.learn_grid:
            self.grid = nn.Parameter(stored)
        else:
            self.register_buffer("grid", stored)
        self.even = not self.options.learn_grid and is_even(stored)
        plain = self.options.parameterisation == "plain"
        change = PARAMETERISATIONS.get(self.options.parameterisation)()
        self.register_buffer("expansion", None if plain else change.matrix(self.basis).detach(), persistent=False)
        self._mask_seen: tuple[Tensor | None, int, bool] = (None, 0, False)


def is_even(grid: Tensor) -> bool:
    """Return whether the numbers of every grid (..., K) are evenly spaced, up to the rounding of their dtype."""
    exact = grid.double()
    low, high = exact[..., :1], exact[..., -1:]
    steps = torch.linspace(0, 1, grid.shape[-1], dtype=torch.float64, device=grid.device)
    reach = torch.maximum(low.abs(), high.abs())
    return bool(((exact - low - (high - low) * steps).abs() <= 4 * torch.finfo(grid.dtype).eps * reach).all())


def contract(features: Tensor, weights: Tensor) -> Tensor:
    """Sum features (E, N, I, F) times weights (E, I, O, F) over I and F: (E, N, O)."""
    return features.flatten(2) @ weights.transpose(2, 3).flatten(1, 2)


def per_edge(features: Tensor, weights: Tensor) -> Tensor:
    """Sum features (E, N, I, F) times weights (E, I, O, F) over F alone: (E, N, I, O)."""
    return (features.transpose(1, 2) @ weights.mT).transpose(1, 2)


def _normal(layer: KANLayer, generator: torch.Generator) -> Tensor:
    """White noise for the splines, uniform base weights."""
    edges = (layer.members, layer.inputs, layer.outputs)
    noise = torch.randn(*edges, layer.basis_size, generator=generator, dtype=torch.float64)
    spline = layer.options.noise / layer.inputs**0.5 * noise
    if not layer.has_base:
        return spline
    draw = 2 * torch.rand(edges, generator=generator, dtype=torch.float64) - 1
    return torch.cat([spline, draw.unsqueeze(-1) / layer.inputs**0.5], -1)


def _kaiming(layer: KANLayer, generator: torch.Generator) -> Tensor:
    """Uniform weights that give the sums a variance of about one for normalised inputs spread over the grid.

    Source: He et al. 2015, eq. 10, with the mean square of a spline's functions in the place of the rectifier's.
    """
    edges = (layer.members, layer.inputs, layer.outputs, layer.features_per_input)
    draw = 2 * torch.rand(edges, generator=generator, dtype=torch.float64) - 1
    points = layer.basis.even_points(8)[0].mT.unsqueeze(0)  # (1, S, I)
    squares = layer.features_of(points.expand(layer.members, -1, -1)).double().square().mean((0, 1))  # (I, F)
    spline = squares[:, : layer.basis_size].sum(-1, keepdim=True).expand(-1, layer.basis_size)
    energy = torch.cat([spline, squares[:, layer.basis_size :]], -1) * (1 + layer.has_base)
    return draw * (3 / (layer.inputs * energy.clamp_min(1e-12))).sqrt().unsqueeze(1)


def _identity(layer: KANLayer, generator: torch.Generator) -> Tensor:
    """Output o is input o; the base branch is silent."""
    if layer.inputs != layer.outputs:
        raise ValueError(f"initialisation 'identity' needs as many outputs as inputs, not {layer.outputs}")
    points = layer.basis.even_points(8)
    line = layer.basis.fit(points, points)  # (E, I, B)
    weights = torch.zeros(*line.shape[:2], layer.outputs, layer.features_per_input, dtype=line.dtype)
    for node in range(layer.inputs):
        weights[:, node, node, : layer.basis_size] = line[:, node]
    return weights


def _zero(layer: KANLayer, generator: torch.Generator) -> Tensor:
    return torch.zeros(layer.members, layer.inputs, layer.outputs, layer.features_per_input)


_INITIAL = {"normal": _normal, "kaiming": _kaiming, "identity": _identity, "zero": _zero}
