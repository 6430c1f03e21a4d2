"""Hat functions: an independent reference, interpolation, and straight lines outside."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline as Reference

from kansym.bases import Linear
from kansym.testing import BasisContract


def even(pieces: int = 7) -> Linear:
    ends = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    return Linear.create(ends[0], ends[1], pieces)


def uneven(pieces: int = 6) -> Linear:
    widths = 0.2 + torch.rand(pieces + 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Linear(widths.cumsum(0) - 2)


class TestManyPieces(BasisContract):
    def basis(self) -> Linear:
        return uneven(41)


@pytest.mark.parametrize("basis", [even(), replace(even(), even=False), uneven(), uneven(40)])
def test_values_and_slopes_equal_the_dense_reference(basis: Linear) -> None:
    breaks = basis.grid.numpy()
    knots = np.concatenate([[breaks[0] - 1], breaks, [breaks[-1] + 1]])
    x = basis.grid[0] + (basis.grid[-1] - basis.grid[0]) * torch.linspace(0, 1 - 1e-12, 301, dtype=torch.float64)
    for order in (0, 1):
        columns = [Reference(knots, row, 1)(x.numpy(), nu=order) for row in np.eye(basis.size)]
        expected = torch.tensor(np.stack(columns, -1))
        assert float((basis.derivative(x, order) - expected).abs().max()) < 1e-12 * max(1.0, float(expected.max()))


@pytest.mark.parametrize("basis", [even(), uneven()])
def test_a_coefficient_is_the_value_at_its_break(basis: Linear) -> None:
    torch.testing.assert_close(basis.evaluate(basis.grid), torch.eye(basis.size, dtype=torch.float64))


@pytest.mark.parametrize("basis", [even(), uneven()])
def test_the_identity_is_the_identity_inside_and_outside(basis: Linear) -> None:
    x = torch.linspace(-20, 20, 101, dtype=torch.float64)
    torch.testing.assert_close(basis.evaluate(x) @ basis.identity(), x)


def test_a_refined_even_grid_is_even() -> None:
    assert even().refine(14).even
    assert torch.equal(even().refine(14).grid[::2], even().grid)
    assert not even().refine(9).even


def test_carried_coefficients_are_the_values_at_the_new_breaks() -> None:
    finer = uneven().refine(9)
    coefficients = torch.arange(7, dtype=torch.float64).sin()
    values = uneven().evaluate(finer.grid) @ coefficients
    torch.testing.assert_close(uneven().carry(coefficients, finer), values)
