"""Contract suites: a new part inherits the tests that every part of its kind must pass."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from kansym.bases import Basis


class BasisContract(ABC):
    """What every basis must do. Inherit in a test module, name the class `Test...` and give `basis`."""

    fit_error = 1e-9

    @abstractmethod
    def basis(self) -> Basis:
        """Return a float64 basis with one grid, shape (K,)."""

    def inside(self, count: int = 41) -> Tensor:
        """Return points of the domain that avoid its ends, (count,)."""
        low, high = self.basis().domain
        steps = torch.linspace(0.013, 0.987, count, dtype=torch.float64)
        return low + (high - low) * steps

    def test_every_finite_point_has_finite_values(self) -> None:
        points = torch.tensor([-1e30, -1e6, -3.0, 0.0, 3.0, 1e6, 1e30], dtype=torch.float64)
        basis = self.basis()
        assert basis.evaluate(points).isfinite().all()
        assert basis.derivative(points).isfinite().all()

    def test_the_shape_is_that_of_the_points_and_the_size(self) -> None:
        basis, points = self.basis(), torch.zeros(2, 3, dtype=torch.float64)
        assert basis.evaluate(points).shape == (2, 3, basis.size)
        assert basis.derivative(points, 1).shape == (2, 3, basis.size)

    def test_the_gradient_is_the_numerical_one(self) -> None:
        points = self.inside().requires_grad_()
        assert torch.autograd.gradcheck(self.basis().evaluate, points)

    def test_the_second_gradient_is_the_numerical_one(self) -> None:
        points = self.inside().requires_grad_()
        assert torch.autograd.gradgradcheck(self.basis().evaluate, points)

    def test_the_derivative_is_the_gradient(self) -> None:
        basis, points = self.basis(), self.inside()
        slopes = torch.autograd.functional.jacobian(lambda x: basis.evaluate(x).sum(0), points).mT
        torch.testing.assert_close(basis.derivative(points, 1), slopes, rtol=1e-10, atol=1e-10)

    def test_the_second_derivative_is_that_of_the_first(self) -> None:
        basis, points = self.basis(), self.inside()
        bends = torch.autograd.functional.jacobian(lambda x: basis.derivative(x, 1).sum(0), points).mT
        torch.testing.assert_close(basis.derivative(points, 2), bends, rtol=1e-9, atol=1e-9)

    def test_fit_finds_a_function_of_its_own_span(self) -> None:
        basis, points = self.basis(), self.basis().even_points(9)
        values = basis.evaluate(points) @ torch.sin(torch.arange(basis.size, dtype=torch.float64))
        again = basis.evaluate(points) @ basis.fit(points, values)
        assert float((again - values).abs().max()) < self.fit_error

    def test_fit_on_too_few_points_has_one_finite_answer(self) -> None:
        basis, points = self.basis(), self.inside(3)
        first, second = basis.fit(points, points.square()), basis.fit(points, points.square())
        assert first.isfinite().all()
        assert torch.equal(first, second)

    def test_refining_keeps_the_function(self) -> None:
        basis, points = self.basis(), self.inside(200)
        finer = basis.refine(2 * basis.intervals + 1)
        coefficients = torch.cos(torch.arange(basis.size, dtype=torch.float64))
        dense = basis.even_points(12)
        refitted = finer.fit(dense, basis.evaluate(dense) @ coefficients)
        difference = finer.evaluate(points) @ refitted - basis.evaluate(points) @ coefficients
        assert finer.size > basis.size
        assert float(difference.abs().max()) < 1e-8

    def test_an_adapted_grid_covers_the_samples(self) -> None:
        samples = torch.linspace(2, 3, 50, dtype=torch.float64) ** 3
        adapted = self.basis().adapt(samples, 0.3)
        low, high = adapted.domain
        assert adapted.size == self.basis().size
        assert float(low) <= 8 and float(high) >= 27

    def test_an_adapted_grid_works_on_a_constant_column(self) -> None:
        adapted = self.basis().adapt(torch.full((20,), 5.0, dtype=torch.float64), 0.0)
        assert adapted.evaluate(torch.tensor([5.0], dtype=torch.float64)).isfinite().all()
