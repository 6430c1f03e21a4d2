"""Jets: derivatives of a KAN to any order without automatic differentiation, and their pull back to the weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.nn.layer import contract
from kansym.physics.solver.jets import Order, Orders, forward, jacobian_of, pull_edges, pull_nodes

SMOOTH = KANOptions(LayerOptions(intervals=4, degree=5, base="none", noise=1.0))


def network(widths=(2, (2, 1), 3, 1), seed: int = 0, members: int = 1) -> KAN:
    return KAN(widths, members, seed, SMOOTH)


def points(count: int = 6, columns: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return 1.6 * torch.rand(count, columns, generator=generator, dtype=torch.float64) - 0.8


def by_autograd(model: KAN, weights: list[Tensor], x: Tensor, order: Order) -> Tensor:
    """A derivative of the first output, differentiable by the weights: (n,)."""
    hidden = x.unsqueeze(0)
    for index, layer in enumerate(model.stack):
        hidden = model.combine(contract(layer.features(hidden), weights[index]), index)
    values = hidden[0, :, 0]
    for axis, times in enumerate(order):
        for _ in range(times):
            values = torch.autograd.grad(values.sum(), x, create_graph=True)[0][:, axis]
    return values


def test_a_closure_holds_everything_below_what_is_wanted():
    orders = Orders.closure([(2, 1)], 2)
    assert orders.indices == ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (2, 1))
    assert orders.factorials == (1, 1, 1, 2, 1, 2)
    assert Orders.closure([], 3).indices == ((0, 0, 0),)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=3), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_pulling_back_is_the_adjoint_of_multiplying(wanted, seed):
    orders = Orders.closure(wanted, 2)
    generator = torch.Generator().manual_seed(seed)
    a, b, c = (torch.randn(len(orders), 4, generator=generator, dtype=torch.float64) for _ in range(3))
    forwards, backwards = (orders.multiply(a, b) * c).sum(), (b * orders.pull(a, c)).sum()
    torch.testing.assert_close(forwards, backwards)


@pytest.mark.parametrize("order", [(0, 0), (1, 0), (0, 2), (2, 1), (3, 0), (2, 2)])
def test_derivatives_equal_those_of_automatic_differentiation(order):
    model, x = network(), points().requires_grad_()
    orders, weights = Orders.closure([order], 2), [layer.weights().detach() for layer in model.stack]
    jets = forward(model, orders, x.detach(), weights)[-1].nodes
    found = jets[orders.place(order), 0, :, 0] * orders.factorials[orders.place(order)]
    expected = by_autograd(model, weights, x, order).detach()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(1 + expected.abs().max()))


def test_the_jacobian_by_the_weights_equals_that_of_automatic_differentiation():
    model, x = network(), points(3).requires_grad_()
    orders = Orders.closure([(2, 0), (1, 1), (0, 2)], 2)
    weights = [layer.weights().detach().requires_grad_() for layer in model.stack]
    chosen = torch.randn(len(orders), 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    total = torch.zeros(3, dtype=torch.float64) + sum(by_autograd(model, weights, x, order) * row / factorial
                for order, row, factorial in zip(orders.indices, chosen, orders.factorials, strict=True))  # fmt: skip
    fixed = [weight.detach() for weight in weights]
    passed = forward(model, orders, x.detach(), fixed)
    delta, found = chosen[:, None, :, None], []
    for index in reversed(range(len(passed))):
        sums = pull_nodes(model, orders, index, passed[index], delta)
        found.insert(0, jacobian_of(passed[index], sums)[0])
        if index:
            seen = passed[index - 1].nodes[0]
            delta = pull_edges(model.stack[index], orders, seen, passed[index], fixed[index], sums)
    for row in range(3):
        slopes = torch.autograd.grad(total[row], weights, retain_graph=True)
        for mine, theirs in zip(found, slopes, strict=True):
            torch.testing.assert_close(mine[row], theirs[0], rtol=1e-9, atol=1e-9)


def test_every_member_of_a_population_is_the_network_by_itself():
    model, orders = network((2, 3, 1), members=3), Orders.closure([(2, 0)], 2)
    together = forward(model, orders, points(), [layer.weights() for layer in model.stack])[-1].nodes
    for member in range(3):
        single = model.member(member)
        apart = forward(single, orders, points(), [layer.weights() for layer in single.stack])[-1].nodes
        torch.testing.assert_close(together[:, [member]], apart)
