"""The one-graph training step equals autograd, uncompiled and compiled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kansym.kernels.compiled import CompiledNetwork
from kansym.kernels.network import AdamMoments, LayerPlan, PopulationPlan
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training.objective import Packing
from kansym.training.penalties import Penalty

CASES = {
    "even cubic": ((4, 3, 1), {}, False),
    "uneven cubic": ((4, 3, 1), {}, True),
    "points outside": ((2, 3, 2), {"domain": (-0.3, 0.2)}, False),
    "products": ((2, (2, 1), (1, 1)), {}, True),
    "degree 0": ((2, 3, 1), {"degree": 0}, True),
    "degree 1": ((2, 3, 1), {"degree": 1}, False),
    "degree 5": ((2, 3, 1), {"degree": 5, "intervals": 1}, True),
    "no base": ((2, 3, 1), {"base": "none"}, True),
    "tanh": ((2, 3, 1), {"base": "tanh", "intervals": 9}, False),
    "identity": ((2, 3, 1), {"base": "identity"}, False),
}


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def population(name: str, members: int, pruned: bool = False) -> tuple[KAN, PopulationPlan, Packing]:
    widths, options, adapted = CASES[name]
    model = KAN(widths, members, 0, KANOptions(layer=LayerOptions(**options)))
    if adapted:
        model = model.adapt_grids(numbers(40, model.widths[0].nodes, seed=5), 0.3)
    if pruned:
        masks = [numbers(*layer.mask.shape, seed=7) > -0.5 for layer in model.stack]
        for mask in masks:
            mask[:, 0, 0], mask[:, -1, -1] = False, True
        model = model.with_masks(masks)
    packing = Packing(model)
    layers = tuple(
        LayerPlan(layer.grid, width.sum, width.product, edges)
        for layer, width, edges in zip(model.stack, model.widths[1:], packing.edges, strict=True)
    )
    degree, base = model.options.layer.degree, model.options.layer.base
    return model, PopulationPlan(layers, degree, base, 2, packing.mask), packing


def forward_of(model: KAN, packing: Packing) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the network as a function of parameters and rows that autograd can follow."""

    def outputs(theta: Tensor, x: Tensor) -> Tensor:
        hidden = model.expand(x)
        for index, (layer, weights) in enumerate(zip(model.stack, packing.unpack(theta), strict=True)):
            sums = torch.einsum("enif,eiof->eno", layer.features(hidden), weights)
            hidden = model.combine(sums, index)
        return hidden

    return outputs


def problem(name: str, members: int, own_rows: bool = False, pruned: bool = False):
    """Return a network on rows, its loss for autograd, and where to try both."""
    model, plan, packing = population(name, members, pruned)
    front = (members,) if own_rows else ()
    x, y = numbers(*front, 37, model.widths[0].nodes, seed=1), numbers(*front, 37, model.widths[-1].nodes, seed=2)
    weights = numbers(37, seed=3).square()
    l1, ridge = torch.linspace(0.1, 0.2, members).double(), 0.3
    penalty, outputs = Penalty(l1=l1, ridge=ridge, base=plan.base != "none"), forward_of(model, packing)

    def loss(theta: Tensor) -> Tensor:
        errors = ((outputs(theta, x) - y).square() * weights.unsqueeze(-1)).mean((1, 2))
        return errors + penalty.value(packing.blocks(theta))

    network = CompiledNetwork(plan, x, y, weights, compiled=False)
    network.penalise(l1, ridge)
    theta = packing.pack([layer.weights() for layer in model.stack])
    return network, loss, theta + 0.1 * numbers(*theta.shape, seed=4) * packing.mask, packing


def slope_by_autograd(loss: Callable[[Tensor], Tensor], theta: Tensor, packing: Packing) -> Tensor:
    parameter = theta.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(parameter).sum(), parameter)
    return torch.where(packing.mask, slope, 0.0)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("members, own_rows, pruned", [(1, False, False), (3, False, True), (2, True, False)])
def test_value_and_gradient_equal_autograd(name: str, members: int, own_rows: bool, pruned: bool) -> None:
    network, loss, theta, packing = problem(name, members, own_rows, pruned)
    value, slope = network.gradient(theta)
    torch.testing.assert_close(value, loss(theta), rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(network.value(theta), value, rtol=1e-13, atol=0)
    torch.testing.assert_close(slope, slope_by_autograd(loss, theta, packing), rtol=1e-10, atol=1e-12)


def test_adam_takes_the_steps_of_torch() -> None:
    network, loss, theta, _ = problem("uneven cubic", 2)
    parameter = theta.clone().requires_grad_()
    optimizer = torch.optim.Adam([parameter], lr=0.02)
    for _ in range(6):
        optimizer.zero_grad()
        loss(parameter).sum().backward()
        optimizer.step()
    moments = AdamMoments(torch.zeros_like(theta), torch.zeros_like(theta))
    rates = torch.full((2,), 0.02, dtype=torch.float64)
    first, theta, moments = network.adam(theta, moments, rates, torch.ones(2))
    second, theta, moments = network.adam(theta, moments, rates, torch.ones(4))
    assert first.shape == (2, 2) and second.shape == (4, 2) and moments.age == 6
    torch.testing.assert_close(theta, parameter.detach(), rtol=1e-9, atol=1e-11)


def test_a_population_in_chunks_of_members_gives_the_same(monkeypatch) -> None:
    network, _, theta, _ = problem("products", 3, pruned=True)
    moments = AdamMoments(torch.zeros_like(theta), torch.zeros_like(theta))
    rates = torch.full((3,), 0.02, dtype=torch.float64)
    whole = network.adam(theta, moments, rates, torch.ones(3))
    monkeypatch.setattr("kansym.kernels.compiled.CHUNK_NUMBERS", 1)
    network, _, _, _ = problem("products", 3, pruned=True)
    parts = network.adam(theta, moments, rates, torch.ones(3))
    for found, wanted in zip((*parts[:2], *parts[2][:2]), (*whole[:2], *whole[2][:2]), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


# torch's compiler itself uses what torch has deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["even cubic", "products"])
def test_the_compiled_step_equals_the_plain_one(name: str) -> None:
    network, _, theta, _ = problem(name, 2)
    compiled = CompiledNetwork.__new__(CompiledNetwork)
    compiled.__dict__.update(network.__dict__)
    compiled._step = torch.compile(compiled._plain_step, fullgraph=True, dynamic=False)
    moments = AdamMoments(torch.zeros_like(theta), torch.zeros_like(theta))
    rates = torch.full((2,), 0.02, dtype=torch.float64)
    found, wanted = (each.adam(theta, moments, rates, torch.ones(3)) for each in (compiled, network))
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-9, atol=1e-12)
