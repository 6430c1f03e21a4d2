"""KANLinear stands where torch.nn.Linear stood."""

import torch
from torch import nn

from kansym.nn import KANLinear, LayerOptions


def test_it_keeps_every_leading_axis_and_equals_the_layer_inside():
    layer = KANLinear(3, 5, seed=1)
    x = torch.randn(2, 4, 3)
    out = layer(x)
    assert out.shape == (2, 4, 5) and out.dtype == torch.float32
    torch.testing.assert_close(out[1, 2], layer.edges(x[1, 2][None, None])[0, 0])
    assert layer(x[0, 0]).shape == (5,)


def test_the_same_seed_gives_the_same_weights():
    one, two, other = (KANLinear(3, 2, seed=seed).edges.weight for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_it_learns_in_a_network_of_somebody_else():
    torch.manual_seed(0)
    x = torch.rand(256, 2) * 2 - 1
    y = torch.sin(3 * x[:, :1]) * x[:, 1:]
    plain = LayerOptions(intervals=8, initialisation="kaiming")
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), KANLinear(8, 8, plain), KANLinear(8, 1, plain, seed=1))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    before = nn.functional.mse_loss(model(x), y).item()
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02 * before


def test_it_saves_and_loads_as_any_module_does():
    one, two = KANLinear(2, 2, seed=0), KANLinear(2, 2, seed=5)
    two.load_state_dict(one.state_dict())
    x = torch.randn(7, 2)
    assert torch.equal(one(x), two(x))
