"""B-splines: the contract of every basis, and an independent Cox-de Boor reference."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline as Reference

from kansym.bases import BASES, Basis, BSpline
from kansym.testing import BasisContract


def uneven(degree: int, pieces: int = 6) -> BSpline:
    widths = 0.2 + torch.rand(pieces + 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return BSpline.from_breaks(widths.cumsum(0) - 2, degree)


class TestEvenCubic(BasisContract):
    def basis(self) -> Basis:
        ends = torch.tensor([-1.0, 2.0], dtype=torch.float64)
        return BSpline.create(ends[0], ends[1], 5)


class TestUnevenQuintic(BasisContract):
    def basis(self) -> Basis:
        return uneven(5)


@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize("even", [True, False])
def test_values_and_derivatives_equal_the_dense_reference(degree: int, even: bool) -> None:
    ends = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    basis = BSpline.create(ends[0], ends[1], 7, degree) if even else uneven(degree)
    low, high = basis.domain
    x = low + (high - low) * torch.linspace(0, 1 - 1e-12, 301, dtype=torch.float64)
    for order in range(degree + 1):
        columns = [Reference(basis.grid.numpy(), row, degree)(x.numpy(), nu=order) for row in np.eye(basis.size)]
        expected = torch.tensor(np.stack(columns, -1))
        scale = max(1.0, float(expected.abs().max()))
        assert float((basis.derivative(x, order) - expected).abs().max()) < 1e-12 * scale


def test_the_functions_add_up_to_one_everywhere() -> None:
    x = torch.linspace(-50, 50, 1001, dtype=torch.float64)
    torch.testing.assert_close(uneven(3).evaluate(x).sum(-1), torch.ones_like(x), rtol=0, atol=1e-10)


def test_outside_the_grid_a_spline_goes_on_along_its_tangent() -> None:
    basis = uneven(3)
    coefficients = torch.arange(basis.size, dtype=torch.float64).sin()
    for end, side in zip(basis.domain, (-1, 1), strict=True):
        value, slope = basis.evaluate(end) @ coefficients, basis.derivative(end) @ coefficients
        for distance in (1e-9, 0.5, 1e5):
            line = value + side * distance * slope
            torch.testing.assert_close(basis.evaluate(end + side * distance) @ coefficients, line)
            torch.testing.assert_close(basis.derivative(end + side * distance) @ coefficients, slope)


def test_each_batch_entry_has_its_own_grid() -> None:
    grids = torch.stack([uneven(3).grid, 2 * uneven(3).grid + 1])  # (2, K)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    together = BSpline(grids.unsqueeze(-2), 3).evaluate(x.expand(2, -1))
    apart = torch.stack([BSpline(grid, 3).evaluate(x) for grid in grids])
    assert torch.equal(together, apart)


def test_refining_to_fewer_intervals_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot refine 6 grid intervals to 3"):
        uneven(3).refine(3)


def test_a_quantile_grid_of_tied_samples_still_increases() -> None:
    samples = torch.tensor([0.0] * 30 + [1.0] * 30, dtype=torch.float64)
    assert (uneven(3).adapt(samples, 0.0).grid.diff() > 0).all()


def test_the_registry_knows_the_basis() -> None:
    assert BASES.get("bspline") is BSpline
