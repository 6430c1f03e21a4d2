"""The contract of every basis, for every name in the table: on a refined even grid, and with learned numbers."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from kansym.bases import BASES, Basis
from kansym.testing import BasisContract, check_compiled, check_device

LOW, HIGH = torch.tensor([-1.0, 2.0], dtype=torch.float64)


def new(name: str) -> Basis:
    return BASES.get(name).create(LOW, HIGH, 5)


def refined(name: str) -> Basis:
    return new(name).refine(8)


def adapted(name: str) -> Basis:
    samples = torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return new(name).adapt(samples, 0.2)


def learned(name: str) -> Basis:
    grid = new(name).grid
    shift = 0.1 * torch.rand(grid.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return replace(new(name), grid=grid + shift, even=False)


class TestEveryBasis(BasisContract):
    @pytest.fixture(autouse=True, params=[refined, learned], ids=lambda make: make.__name__)
    def made(self, request: pytest.FixtureRequest) -> None:
        self.make = request.param

    @pytest.fixture(autouse=True, params=BASES.names())
    def named(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param

    def basis(self) -> Basis:
        return self.make(self.name)


@pytest.mark.gpu
@pytest.mark.parametrize("make", [new, refined, adapted, learned])
@pytest.mark.parametrize("name", BASES.names())
def test_the_gpu_gives_the_same(name: str, make: Callable[[str], Basis]) -> None:
    check_device(make(name), torch.linspace(-2.03, 3.01, 57, dtype=torch.float64), torch.device("cuda"))


@pytest.mark.parametrize("name", BASES.names())
def test_every_tensor_is_made_on_the_device_of_the_grid(name: str) -> None:
    meta = torch.device("meta")  # it computes shapes and nothing else, and refuses tensors of other devices
    basis, points = new(name).to(meta), torch.empty(2, 7, dtype=torch.float64, device=meta)
    for order in (0, 1, 2):
        assert basis.derivative(points, order).device == meta
        assert replace(basis, even=False).derivative(points, order).device == meta
    assert basis.even_points(3).device == meta
    assert basis.adapt(points, 0.3).grid.device == meta
    assert basis.refine(10).grid.device == meta


# Every basis is traced above; compiling one takes a minute, and a network of bspline layers is compiled elsewhere.
# Inductor loads a part of torch that calls torch.jit, which torch itself has deprecated.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_the_compiled_basis_gives_the_same() -> None:
    check_compiled(new("rational"), torch.linspace(-2.03, 3.01, 57, dtype=torch.float64), "inductor")


@pytest.mark.parametrize("name", BASES.names())
def test_a_new_basis_covers_the_interval_asked_for(name: str) -> None:
    low, high = torch.tensor([[-1.0, 2.0], [0.5, 7.0]], dtype=torch.float64)
    basis = BASES.get(name).create(low, high, 6, 2)
    assert basis.intervals == 6
    torch.testing.assert_close(torch.stack(basis.domain), torch.stack([low, high]))
    assert basis.grid.shape[:-1] == (2,)


@pytest.mark.parametrize("degree", [0, 1, 2, 5])
@pytest.mark.parametrize("intervals", [1, 2])
@pytest.mark.parametrize("name", BASES.names())
def test_few_pieces_of_any_degree_are_a_basis_too(name: str, intervals: int, degree: int) -> None:
    basis = BASES.get(name).create(LOW, HIGH, intervals, degree)
    finer = basis.refine(5)
    points = torch.linspace(-1, 2, 50, dtype=torch.float64)
    coefficients = torch.arange(basis.size, dtype=torch.float64).cos()
    before, after = basis.evaluate(points) @ coefficients, finer.evaluate(points) @ basis.carry(coefficients, finer)
    assert float((after - before).abs().max()) < 1e-10
    assert basis.evaluate(torch.tensor([-1e30, 1e30], dtype=torch.float64)).isfinite().all()
    assert basis.adapt(points, 0.1).size == basis.size


@pytest.mark.parametrize(("name", "error"), [
    ("bspline", 1e-11), ("linear", 1e-12), ("rswaf", 5e-3), ("rbf", 5e-3), ("fourier", 2e-3), ("chebyshev", 1e-12),
    ("legendre", 1e-12), ("wavelet", 6e-2), ("relu", 6e-2), ("rational", 1e-12),
])  # fmt: skip
def test_the_constant_and_the_identity_are_in_reach(name: str, error: float) -> None:
    basis = new(name)
    points = basis.even_points(7)
    assert float((basis.evaluate(points) @ basis.constant() - 1).abs().max()) < error
    assert float((basis.evaluate(points) @ basis.identity() - points).abs().max()) < 9 * error
