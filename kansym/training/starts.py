"""First weights that the data suggest, so that fewer restarts are needed than from noise alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kansym.bases.base import solve_ridge
from kansym.nn import KAN, KANLayer
from kansym.training.grids import spread
from kansym.training.objective import Rows

# Ridges of the fits, relative to the mean squared column; directions are looked for up to this many inputs.
RIDGE, MOST_INPUTS = 1e-6, 40
# Rounds of the rotation that makes directions simple, and the share of the greatest bend by which those may differ that
# are rotated among each other.
ROTATIONS, ALIKE = 50, 0.15


@dataclass(frozen=True)
class Recipe:
    """How the inner layers of a member begin: with noise, and with what the data suggest.

    Args:
        kind: "noise" for nothing else, "additive" for the best sum of functions of one input each, "directions" for the
            linear combinations of the inputs along which the data curve most.
        noise: standard deviation of the coefficients' noise, before the division by the square root of the inputs.
    """

    kind: str
    noise: float


# One unit has one direction, and a sum of functions is the better guess for it.
ONE_UNIT = (Recipe("additive", 0.03), Recipe("additive", 0.1), Recipe("directions", 0.1), Recipe("noise", 0.3))
MANY_UNITS = (Recipe("directions", 0.03), Recipe("additive", 0.1), Recipe("directions", 0.1), Recipe("noise", 0.3))


def recipes(model: KAN) -> tuple[Recipe, ...]:
    """Return the recipe of every member: those for the width of the first hidden layer, over and over."""
    cycle = ONE_UNIT if model.stack[0].outputs == 1 else MANY_UNITS
    return tuple(cycle[member % len(cycle)] for member in range(model.members))


def start_from_data(model: KAN, rows: Rows, seed: int = 0, chosen: tuple[Recipe, ...] = ()) -> KAN:
    """Return the population with first weights made from the data, on grids that cover them.

    The last layer is the least-squares fit to the targets, the base branches are silent. Directions are principal
    Hessian directions of a quadratic fit: for x y they are x + y and x - y. Those of one bend are rotated to few inputs
    each: for a distance in the plane they are the two differences.

    Args:
        model: gives shape, masks and grid sizes.
        rows: what is learnt.
        seed: of the noise; the same seed gives the same bits.
        chosen: the recipe of every member; `recipes(model)` by default.

    Source: Li 1992 (principal Hessian directions); Carroll 1953 (the rotation, quartimax).
    """
    chosen, generator = chosen or recipes(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        hidden, layers = model.expand(rows.x), []
        targets = _mixed(model, rows, generator)  # (E, N, 1)
        for index, layer in enumerate(model.stack):
            placed = layer.with_basis(spread(layer.basis, hidden.mT, 1.0))
            if index < len(model.stack) - 1:
                _begin(placed, hidden, targets, chosen, index == 0, generator)
            else:
                _fit(placed, hidden, rows)
            layers.append(placed)
            hidden = model.combine(placed.edge_outputs(hidden).sum(2), index)
        return model.with_layers(layers)


def _mixed(model: KAN, rows: Rows, generator: torch.Generator) -> Tensor:
    """Return one mixture of the targets for every member, (E, N, 1)."""
    targets = rows.y.expand(model.members, *rows.y.shape[-2:])
    if targets.shape[-1] == 1:
        return targets
    return targets @ _normal((model.members, targets.shape[-1], 1), generator, targets)


def _begin(
    layer: KANLayer, seen: Tensor, targets: Tensor, chosen: tuple[Recipe, ...], first: bool, generator: torch.Generator
) -> None:
    """Fill an inner layer by the members' recipes."""
    members, inputs, outputs, size = layer.members, layer.inputs, layer.outputs, layer.basis_size
    spline = _normal((members, inputs, outputs, size), generator, seen) / inputs**0.5
    spline = spline * torch.tensor([recipe.noise for recipe in chosen]).to(seen)[:, None, None, None]
    share = _shares(layer, generator, seen)
    for member, recipe in enumerate(chosen):
        if recipe.kind == "noise":
            continue
        here, target = seen[member], targets[member]
        if recipe.kind == "directions" and first and inputs <= MOST_INPUTS:
            lines = _lines(layer)[member].unsqueeze(1)  # (I, 1, B)
            spline[member] += lines * directions(here, target, outputs).unsqueeze(-1)
        else:
            spline[member] += _additive(layer, member, here, target).unsqueeze(1) * share[member]
    weights = torch.zeros(*spline.shape[:3], layer.features_per_input, dtype=spline.dtype, device=spline.device)
    weights[..., :size] = spline
    layer.set_weights(torch.where(layer.mask.unsqueeze(-1), weights, 0.0))


def _shares(layer: KANLayer, generator: torch.Generator, like: Tensor) -> Tensor:
    """Return what every unit takes of the additive fit, (E, 1, O, 1): all of it where there is one unit."""
    draw = _normal((layer.members, 1, layer.outputs, 1), generator, like)
    return torch.ones_like(draw) if layer.outputs == 1 else draw


def _fit(layer: KANLayer, seen: Tensor, rows: Rows) -> None:
    """Fill the last layer with the least-squares fit to the targets, edges that are not there left out."""
    root = rows.weights.sqrt().unsqueeze(-1)
    features = layer.features(seen) * root.unsqueeze(-1)  # (E, N, I, F)
    targets = (rows.y * root).expand(layer.members, *rows.y.shape[-2:])
    weights = torch.zeros(layer.members, layer.inputs, layer.outputs, layer.features_per_input).to(seen)
    for output in range(min(layer.outputs, targets.shape[-1])):
        there = layer.mask[:, :, output].to(seen)[:, None, :, None]
        found = solve_ridge((features * there).flatten(2).double(), targets[..., output : output + 1].double(), RIDGE)
        weights[:, :, output] = found.squeeze(-1).unflatten(1, (layer.inputs, -1)).to(seen)
    if layer.outputs == targets.shape[-1]:
        layer.set_weights(weights)


def _additive(layer: KANLayer, member: int, seen: Tensor, target: Tensor) -> Tensor:
    """Return the coefficients (I, B) of the sum of functions closest to a target (N, 1), each around zero."""
    features = layer.member_features(member)(seen, 0)[..., : layer.basis_size]  # (N, I, B)
    found = solve_ridge(features.flatten(1).double(), target.double(), RIDGE).unflatten(0, (layer.inputs, -1))
    return (found.squeeze(-1) - found.mean(1)).to(seen)


def _lines(layer: KANLayer) -> Tensor:
    """Return the coefficients of the functions that run from -1 to 1 over their grids, (E, I, B)."""
    points = layer.basis.even_points(4)
    return layer.basis.fit(points, torch.linspace(-1, 1, points.shape[-1]).to(points).expand_as(points))


def directions(x: Tensor, target: Tensor, count: int) -> Tensor:
    """Return the linear combinations of the inputs along which a target curves most.

    Args:
        x: (N, D), D <= 40.
        target: (N, 1).
        count: how many; beyond D they come again.

    Returns:
        (D, count), unit columns.
    """
    inputs = x.shape[1]
    scaled = (x - x.mean(0)) / x.std(0).clamp_min(1e-12)
    first, second = torch.triu_indices(inputs, inputs)
    columns = torch.cat([torch.ones_like(x[:, :1]), scaled, scaled[:, first] * scaled[:, second]], 1)
    found = solve_ridge(columns.double(), target.double(), RIDGE)[1 + inputs :, 0] / 2
    hessian = torch.zeros(inputs, inputs, dtype=found.dtype, device=found.device)
    hessian[first, second] += found
    hessian[second, first] += found
    bends, vectors = torch.linalg.eigh(hessian)
    order = torch.argsort(-bends.abs(), stable=True)[: min(count, inputs)]
    simple = _simple(bends[order], vectors[:, order])
    return simple[:, torch.arange(count, device=x.device) % simple.shape[1]].to(x)


def _simple(bends: Tensor, vectors: Tensor) -> Tensor:
    """Rotate directions of nearly the same bend among each other; which of them come out is otherwise arbitrary."""
    order = torch.argsort(bends, stable=True)
    cuts = (bends[order].diff() > ALIKE * bends.abs().amax()).nonzero().flatten() + 1
    groups = torch.tensor_split(vectors[:, order], cuts.tolist(), 1)
    return torch.cat([_rotated(group) for group in groups], 1)


def _rotated(vectors: Tensor) -> Tensor:
    """Rotate columns so that the sum of the fourth powers of their entries is largest."""
    rotation = torch.eye(vectors.shape[1], dtype=vectors.dtype, device=vectors.device)
    for _ in range(ROTATIONS):
        left, _, right = torch.linalg.svd(vectors.mT @ (vectors @ rotation) ** 3)
        rotation = left @ right
    return vectors @ rotation


def _normal(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(like)


def start_from_slopes(model: KAN, rows: Rows, slopes: Tensor) -> KAN:
    """Return networks of one hidden unit, y = g(f1(x1) + f2(x2) + ...), with first weights from the slopes of y.

    The slope in x_i is g' f_i', so that for every pair of inputs slope_i f_j' = slope_j f_i': a linear condition on the
    coefficients, whose best solution is an eigenvector. No iteration is needed and no local minimum is in the way; the
    slopes may be those of any network that fits well, whatever its shape.

    Args:
        model: of widths [D, 1, T], D >= 2.
        rows: what is learnt; the same for all members.
        slopes: the derivatives of one target with respect to the inputs, (N, D).

    Raises:
        ValueError: when the network has another shape.
    """
    if len(model.stack) != 2 or model.stack[0].outputs != 1 or model.stack[0].inputs < 2 or rows.x.dim() != 2:
        raise ValueError("slopes give a start to networks of widths [D, 1, T] with D >= 2 and shared rows only")
    with torch.no_grad():
        hidden = model.expand(rows.x)
        first = model.stack[0].with_basis(spread(model.stack[0].basis, hidden.mT, 1.0))
        weights = torch.zeros_like(first.weights())
        weights[:, :, 0, : first.basis_size] = _inner(first, rows.x, slopes).to(weights)
        first.set_weights(weights)
        inner = first.edge_outputs(hidden).sum(2)
        last = model.stack[1].with_basis(spread(model.stack[1].basis, inner.mT, 1.0))
        _fit(last, inner, rows)
        return model.with_layers([first, last])


def _inner(layer: KANLayer, x: Tensor, slopes: Tensor) -> Tensor:
    """Return the coefficients (I, B) whose functions' slopes stand in the ratios of the given slopes."""
    inputs, size = layer.inputs, layer.basis_size
    bends = layer.member_features(0)(x, 1)[..., :size].double()  # (N, I, B)
    given = slopes.double()
    gram = torch.einsum("nib,nic->ibc", bends, bends)
    match = torch.zeros(inputs, size, inputs, size, dtype=torch.float64, device=x.device)
    for i in range(inputs):
        others = (given.square().sum(1) - given[:, i].square()).unsqueeze(1)
        match[i, :, i] = bends[:, i].mT @ (others * bends[:, i])
        for j in range(inputs):
            if i != j:
                match[i, :, j] = -bends[:, i].mT @ ((given[:, i] * given[:, j]).unsqueeze(1) * bends[:, j])
    total, flat = torch.block_diag(*gram), match.reshape(inputs * size, inputs * size)
    # Constants have no slope: they are put out of reach, where a quotient of two zeros cannot pick them.
    flats = torch.block_diag(*[torch.ones(size, size, dtype=torch.float64, device=x.device)] * inputs)
    strong = flat + flats * flat.diagonal().amax()
    factor = torch.linalg.cholesky(
        total + flats * total.diagonal().amax() + RIDGE * total.diagonal().amax() * _eye(flat)
    )
    left = torch.linalg.solve_triangular(factor, strong, upper=False)
    white = torch.linalg.solve_triangular(factor, left.mT, upper=False)
    vector = torch.linalg.eigh(0.5 * (white + white.mT)).eigenvectors[:, :1]
    return torch.linalg.solve_triangular(factor.mT, vector, upper=True).view(inputs, size)


def _eye(like: Tensor) -> Tensor:
    return torch.eye(like.shape[0], dtype=like.dtype, device=like.device)
