"""B-splines: the contract of every basis, and an independent Cox-de Boor reference."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline as Reference

from kansym.bases import BASES, Basis, BSpline
from kansym.testing import BasisContract


def uneven(degree: int, pieces: int = 6) -> BSpline:
    widths = 0.2 + torch.rand(pieces + 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return BSpline.from_breaks(widths.cumsum(0) - 2, degree)


def even(degree: int, pieces: int = 7) -> BSpline:
    ends = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    return BSpline.create(ends[0], ends[1], pieces, degree)


def finer(degree: int) -> BSpline:
    return uneven(degree).refine(45)


class TestEvenCubic(BasisContract):
    def basis(self) -> Basis:
        return even(3)


class TestUnevenQuintic(BasisContract):
    def basis(self) -> Basis:
        return uneven(5)


class TestEvenQuadratic(BasisContract):
    def basis(self) -> Basis:
        return even(2)


class TestManyPieces(BasisContract):
    def basis(self) -> Basis:
        return uneven(3, 41)


class TestConstants(BasisContract):
    def basis(self) -> Basis:
        return even(0)

    def test_value_and_slope_are_continuous_at_the_ends_of_the_domain(self) -> None:
        beyond = torch.stack([end + side for end, side in zip(self.basis().domain, (-1, 1), strict=True)])
        assert torch.equal(self.basis().evaluate(beyond).nonzero()[:, 1], torch.tensor([0, self.basis().size - 1]))


@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize("make", [even, lambda degree: replace(even(degree), even=False), uneven, finer])
def test_values_and_derivatives_equal_the_dense_reference(degree: int, make: Callable[[int], BSpline]) -> None:
    basis = make(degree)
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


@pytest.mark.parametrize("degree", range(5))
def test_arithmetic_on_an_even_grid_gives_what_the_search_gives(degree: int) -> None:
    x = torch.linspace(-4, 5, 1001, dtype=torch.float64)
    fast, slow = even(degree), replace(even(degree), even=False)
    for order in range(degree + 1):
        # A step function may put a point that lies on a knot to the other side of it.
        near = 1e-11 if order < max(degree, 1) else torch.inf
        assert float((fast.derivative(x, order) - slow.derivative(x, order)).abs().max()) < near


@pytest.mark.parametrize("pieces", [6, 40])
@pytest.mark.parametrize("shape", [(2, 1, 3), (3,), (2, 1, 1), (1, 4, 1), (2, 4, 3)])
def test_grids_meet_points_on_any_axes(pieces: int, shape: tuple[int, ...]) -> None:
    scale = torch.rand(shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64).unsqueeze(-1) + 0.5
    grids = scale * uneven(3, pieces).grid  # (..., K)
    x = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    together = BSpline(grids, 3).evaluate(x)
    full = grids.expand(2, 4, 3, -1)
    for place in [(0, 0, 0), (1, 2, 1), (0, 3, 2), (1, 3, 0)]:
        assert torch.equal(together[place], BSpline(full[place], 3).evaluate(x[place]))


@pytest.mark.parametrize("basis", [even(3), uneven(3), uneven(3, 41)])
def test_a_point_that_is_no_number_has_values_that_are_none(basis: BSpline) -> None:
    values = basis.evaluate(torch.tensor([torch.nan, 0.0], dtype=torch.float64))
    assert values[0].isnan().any()
    assert values[1].isfinite().all()


@pytest.mark.parametrize("degree", range(6))
def test_a_refined_even_grid_is_even_and_keeps_its_knots_bit_by_bit(degree: int) -> None:
    coarse, fine = even(degree), even(degree).refine(21)
    assert fine.even and not even(degree).refine(15).even
    assert torch.equal(fine.breaks[::3], coarse.breaks)
    torch.testing.assert_close(fine.grid.diff(), torch.full((21 + 2 * degree,), 1 / 7, dtype=torch.float64))


def test_only_an_evenly_adapted_grid_is_even() -> None:
    samples = torch.linspace(0, 1, 30, dtype=torch.float64).square()
    assert even(3).adapt(samples, 1.0).even
    assert not even(3).adapt(samples, 0.9).even


def test_the_taps_are_the_values_that_are_not_zero() -> None:
    basis, x = uneven(3), torch.linspace(-3, 3, 50, dtype=torch.float64)
    first, taps = basis.taps(x)
    columns = first + torch.arange(4).unsqueeze(-1)
    assert torch.equal(basis.evaluate(x).gather(-1, columns.mT), taps.mT)


def test_refining_to_fewer_intervals_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot refine 6 grid intervals to 3"):
        uneven(3).refine(3)


def test_a_quantile_grid_of_tied_samples_still_increases() -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        samples = torch.tensor([0.0] * 30 + [1.0] * 30, dtype=dtype)
        assert (uneven(3).adapt(samples, 0.0).grid.diff() > 0).all()
        assert (uneven(3).adapt(samples * 0 + 3, 0.0).grid.diff() > 0).all()


def test_the_registry_knows_the_basis() -> None:
    assert BASES.get("bspline") is BSpline
