"""The analytic derivatives of the loss against autograd."""

import pytest
import torch
from torch import Tensor

from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training import Penalty, objective
from kansym.training.objective import Objective, Rows


def make(penalty: Penalty, masked: bool = False, base: str = "silu") -> Objective:
    generator = torch.Generator().manual_seed(2)
    x, y = (torch.rand(60, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    weights = torch.rand(60, generator=generator, dtype=torch.float64) + 0.5
    model = KAN([2, (2, 1), 2], 3, 1, KANOptions(LayerOptions(spline_scale=True, base=base)))
    if masked:
        model.stack[0].mask[1, 0, 0] = False
        model.stack[1].mask[:, 2, 1] = False
    return Objective(model, Rows(2 * x - 1, y, weights), penalty)


def autograd_gradient(loss: Objective, theta: Tensor) -> Tensor:
    slope = torch.autograd.functional.jacobian(lambda point: loss.value(point).sum(), theta)
    assert isinstance(slope, Tensor)
    return slope


@pytest.mark.parametrize("masked", [True, False])
def test_the_gradient_equals_that_of_autograd(masked: bool) -> None:
    loss = make(Penalty(0.1, 0.05, 0.1, 0.01, True), masked)
    value, slope = loss.gradient(loss.start)
    expected = torch.where(loss.packing.mask, autograd_gradient(loss, loss.start), 0.0)
    torch.testing.assert_close(slope, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(value, loss.value(loss.start))


@pytest.mark.parametrize("masked", [True, False])
def test_the_normal_equations_are_those_of_the_jacobian_of_autograd(masked: bool) -> None:
    loss = make(Penalty(), masked)

    def residuals(theta: Tensor) -> Tensor:
        out = loss._trace(0, loss.packing.unpack(theta))[-1].nodes - loss.rows.y
        return (out * loss.rows.weights.sqrt()[:, None]).flatten(1).sum(0)

    jacobian = torch.autograd.functional.jacobian(residuals, loss.start)  # (n T, E, P)
    jacobian = torch.where(loss.packing.mask, jacobian, 0.0)
    expected = 2 / loss.count * torch.einsum("nep,neq->epq", jacobian, jacobian)
    value, slope, matrix = loss.normal_equations(loss.start)
    torch.testing.assert_close(matrix, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(slope, loss.gradient(loss.start)[1], rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(value, loss.errors(loss.start))


def test_slices_of_the_jacobian_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(Penalty()).normal_equations(make(Penalty()).start)
    monkeypatch.setattr(objective, "JACOBIAN_NUMBERS", 1)
    monkeypatch.setenv("KANSYM_NATIVE", "0")
    parts = make(Penalty())
    slices = [parts.rows.take(slice(0, 17)), parts.rows.take(slice(17, 60))]
    monkeypatch.setattr(parts, "_slice_rows", lambda: iter(slices))
    for one, other in zip(whole, parts.normal_equations(parts.start), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_packing_there_and_back_keeps_the_network() -> None:
    loss = make(Penalty(), masked=True)
    again = loss.model_at(loss.start)
    torch.testing.assert_close(again(loss.rows.x), loss.model(loss.rows.x), rtol=1e-13, atol=1e-13)


def test_the_curvature_of_the_penalty_bounds_it_from_above() -> None:
    penalty = Penalty(l1=0.3, smoothness=0.2, base=True)
    generator = torch.Generator().manual_seed(0)
    here, move = (torch.randn(1, 4, 9, generator=generator, dtype=torch.float64) for _ in range(2))
    (slope,), (bend,) = penalty.gradient([here]), penalty.curvature([here])
    for length in (1e-3, 0.1, 1.0):
        step = length * move
        bound = (
            penalty.value([here]) + (slope * step).sum() + 0.5 * (step.unsqueeze(-2) @ bend @ step.unsqueeze(-1)).sum()
        )
        assert float(penalty.value([here + step])) <= float(bound) + 1e-12


@pytest.mark.parametrize("base", ["silu", "none", "tanh"])
@pytest.mark.parametrize("masked", [True, False])
def test_the_native_path_equals_torch(masked: bool, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    penalty = Penalty(0.1, 0.05, 0.1, 0.01, base != "none")
    fast = make(penalty, masked, base)
    if fast.native is None:
        pytest.skip("there is no native path on this machine")
    monkeypatch.setenv("KANSYM_NATIVE", "0")
    plain, some = make(penalty, masked, base), torch.arange(0, 60, 3)
    assert plain.native is None
    theta = fast.start
    for one, other in zip(fast.normal_equations(theta), plain.normal_equations(theta), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
    for one, other in zip(fast.gradient(theta, some), plain.gradient(theta, some), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(fast.errors(theta), plain.errors(theta), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(fast.outputs(theta), plain.outputs(theta), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("native", ["0", "1"])
def test_some_members_alone_have_the_values_they_have_among_all(native: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANSYM_NATIVE", native)
    whole = make(Penalty(0.1, ridge=torch.tensor([0.1, 0.2, 0.3]).double(), base=True), masked=True)
    part = whole.select([2, 0])
    torch.testing.assert_close(part.value(whole.start[[2, 0]]), whole.value(whole.start)[[2, 0]], rtol=1e-12, atol=0)
