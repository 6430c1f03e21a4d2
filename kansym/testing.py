"""Contract suites: a new part inherits the tests that every part of its kind must pass."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from kansym.bases import Basis
from kansym.physics.solver import Problem, problem_from
from kansym.physics.solver.calculus import derivatives_of
from kansym.physics.solver.checking import check
from kansym.physics.solver.domain import on_edge
from kansym.physics.solver.sampling import edge, interior


class BasisContract(ABC):
    """What every basis must do. Inherit in a test module, name the class `Test...` and give `basis`.

    Everything is checked inside the domain and outside it, at points that avoid the places where a piece begins.
    """

    fit_error = 1e-9

    @abstractmethod
    def basis(self) -> Basis:
        """Return a float64 basis with one grid, shape (K,), and at least two intervals."""

    def inside(self, count: int = 41) -> Tensor:
        """Return points of the domain that avoid its ends, (count,)."""
        low, high = self.basis().domain
        return low + (high - low) * torch.linspace(0.0131, 0.9873, count, dtype=torch.float64)

    def everywhere(self, count: int = 13) -> Tensor:
        """Return points inside the domain and some on either side of it, (count + 4,)."""
        low, high = self.basis().domain
        beyond = torch.tensor([0.07, 1.3], dtype=torch.float64) * (high - low)
        return torch.cat([low - beyond, self.inside(count), high + beyond])

    def on_grid(self, points: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the values at the points as a function of the grid."""
        basis = self.basis()
        return lambda grid: replace(basis, grid=grid).evaluate(points)

    def test_every_finite_point_has_finite_values_and_gradients(self) -> None:
        for dtype in (torch.float64, torch.float32):
            basis = self.basis().to(dtype)
            points = torch.stack([*torch.tensor([-1e30, -1e6, -3.0, 0.0, 3.0, 1e6, 1e30], dtype=dtype), *basis.domain])
            for order in range(4):
                grid, x = basis.grid.clone().requires_grad_(), points.clone().requires_grad_()
                values = replace(basis, grid=grid).derivative(x, order)
                slopes = torch.autograd.grad((values.sum() + 0 * x.sum() + 0 * grid.sum()), (grid, x))
                assert values.isfinite().all()
                assert all(slope.isfinite().all() for slope in slopes)

    def test_the_shape_is_that_of_the_points_and_the_size(self) -> None:
        basis, points = self.basis(), torch.zeros(2, 3, dtype=torch.float64)
        assert basis.evaluate(points).shape == (2, 3, basis.size)
        assert basis.derivative(points, 1).shape == (2, 3, basis.size)
        assert basis.evaluate(points[0, 0]).shape == (basis.size,)

    def test_a_negative_order_is_refused(self) -> None:
        message = _refusal(lambda: self.basis().derivative(self.inside(), -1))
        assert "no derivative of order -1" in message

    def test_the_gradient_is_the_numerical_one(self) -> None:
        assert torch.autograd.gradcheck(self.basis().evaluate, self.everywhere().requires_grad_())

    def test_the_second_gradient_is_the_numerical_one(self) -> None:
        assert torch.autograd.gradgradcheck(self.basis().evaluate, self.everywhere(7).requires_grad_())

    def test_the_gradient_with_respect_to_the_grid_is_the_numerical_one(self) -> None:
        grid = self.basis().grid.clone().requires_grad_()
        assert torch.autograd.gradcheck(self.on_grid(self.everywhere(29)), grid)

    def test_a_derivative_is_the_gradient_of_the_one_before(self) -> None:
        basis, points = self.basis(), self.everywhere(29)
        for order in (1, 2, 3):
            before = partial(basis.derivative, order=order - 1)
            slopes = torch.autograd.functional.jacobian(lambda x, f=before: f(x).sum(0), points).mT
            scale = max(1.0, float(slopes.abs().max()))
            torch.testing.assert_close(basis.derivative(points, order), slopes, rtol=1e-10, atol=1e-11 * scale)

    def test_value_and_slope_are_continuous_at_the_ends_of_the_domain(self) -> None:
        basis = self.basis()
        bound = 2 * float(basis.derivative(self.everywhere(200), 2).abs().max()) + 1
        for end in basis.domain:
            step = 1e-7 * (1 + end.abs())
            beside = torch.stack([end - step, end, end + step])
            for order in (0, 1):
                values = basis.derivative(beside, order)
                slope = float(basis.derivative(end, 1).abs().max()) if order == 0 else 0.0
                assert float(values.diff(dim=0).abs().max()) <= float(step) * (slope + bound)

    def test_even_points_fill_the_domain(self) -> None:
        basis = self.basis()
        points, (low, high) = basis.even_points(3), basis.domain
        assert points.shape == (3 * basis.intervals + 1,)
        torch.testing.assert_close(points[[0, -1]], torch.stack([low, high]))
        torch.testing.assert_close(points.diff(), ((high - low) / (3 * basis.intervals)).expand(len(points) - 1))

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
        basis = self.basis()
        both = torch.arange(2 * basis.size, dtype=torch.float64).cos().view(2, -1)  # two functions
        points = torch.cat([self.inside(200), torch.stack(basis.domain)])
        before = basis.evaluate(points) @ both.mT
        for intervals in (2 * basis.intervals, 2 * basis.intervals + 1, 3 * basis.intervals + 2):
            finer = basis.refine(intervals)
            after = finer.evaluate(points) @ basis.carry(both, finer).mT
            assert finer.size > basis.size
            assert finer.intervals == intervals
            torch.testing.assert_close(torch.stack(finer.domain), torch.stack(basis.domain))
            assert float((after - before).abs().max()) < 1e-10
            torch.testing.assert_close(basis.carry(both[0], finer), basis.carry(both, finer)[0])

    def test_refining_to_fewer_intervals_is_refused(self) -> None:
        basis = self.basis()
        assert f"cannot refine {basis.intervals} grid intervals to 1" in _refusal(lambda: basis.refine(1))

    def test_carrying_to_an_unlike_grid_is_a_fit(self) -> None:
        basis = self.basis()
        other = basis.adapt(self.inside(60) ** 3, 0.4)
        coefficients = torch.arange(basis.size, dtype=torch.float64).sin()
        points = other.even_points(4 * (basis.degree + 1))
        expected = other.evaluate(points) @ other.fit(points, basis.evaluate(points) @ coefficients)
        torch.testing.assert_close(other.evaluate(points) @ basis.carry(coefficients, other), expected)

    def test_an_adapted_grid_covers_the_samples(self) -> None:
        samples = torch.linspace(2, 3, 50, dtype=torch.float64) ** 3
        for blend in (0.0, 0.3, 1.0):
            adapted = self.basis().adapt(torch.stack([samples, -samples]), blend)
            low, high = adapted.domain
            assert adapted.size == self.basis().size
            assert float(low[0]) <= 8 and float(high[0]) >= 27
            assert float(low[1]) <= -27 and float(high[1]) >= -8
            values = adapted.per_point().evaluate(torch.stack([samples, -samples]))
            assert values.isfinite().all() and bool((values != 0).any(-1).all())

    def test_an_adapted_grid_works_on_a_constant_column(self) -> None:
        for constant, dtype in product((0.0, 5.0, -1e4), (torch.float64, torch.float32)):
            adapted = self.basis().to(dtype).adapt(torch.full((20,), constant, dtype=dtype), 0.0)
            points = torch.tensor([constant, constant + 0.1], dtype=dtype)
            assert adapted.evaluate(points).isfinite().all()
            assert adapted.derivative(points).isfinite().all()

    def test_smaller_floats_agree_with_float64_to_rounding(self) -> None:
        for dtype, order in product((torch.float32, torch.bfloat16), (0, 1)):
            narrow, points = self.basis().to(dtype), self.everywhere().to(dtype)
            expected = narrow.to(torch.float64).derivative(points.to(torch.float64), order)
            values = narrow.derivative(points, order)
            assert values.dtype == dtype
            # One rounding of the answer, and what float32 loses on the way, magnified by the slopes.
            rounding = 0.5 * torch.finfo(dtype).eps * expected.abs()
            bound = rounding + 256 * torch.finfo(torch.float32).eps * (1 + float(expected.abs().max()))
            assert bool(((values.to(torch.float64) - expected).abs() <= bound).all())

    def test_points_and_grid_may_differ_in_dtype(self) -> None:
        basis, points = self.basis(), self.inside().to(torch.float32)
        values = basis.evaluate(points)
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, basis.evaluate(points.to(torch.float64)).to(torch.float32))

    def test_a_batch_entry_equals_the_basis_of_its_own_grid(self) -> None:
        basis, points = self.basis(), self.everywhere()
        grids = torch.stack([scale * basis.grid for scale in (1.0, 1.5, 0.7, 2.0)]).view(2, 2, -1)  # (E, I, K)
        x = torch.stack([points, points.flip(0), 2 * points, points - 1]).view(2, 2, -1).mT  # (E, N, I)
        for order in (0, 1):
            together = replace(basis, grid=grids.unsqueeze(1)).derivative(x, order)  # (E, N, I, B)
            for e, i in [(0, 0), (0, 1), (1, 0), (1, 1)]:
                apart = replace(basis, grid=grids[e, i]).derivative(x[e, :, i], order)
                torch.testing.assert_close(together[e, :, i], apart, rtol=1e-12, atol=1e-12)

    def test_an_exported_program_gives_the_same(self) -> None:
        module, points = _Values(self.basis()), self.everywhere()
        rows = ({0: torch.export.Dim("rows")},)  # any number of points
        exported = torch.export.export(module, (points,), dynamic_shapes=rows).module()
        others = self.everywhere(31).flip(0)
        torch.testing.assert_close(exported(others), module(others), rtol=0, atol=0)

    def test_points_and_grids_can_be_mapped_over(self) -> None:
        basis, points = self.basis(), self.everywhere()
        grids = torch.stack([basis.grid, 1.5 * basis.grid])
        with warnings.catch_warnings():
            # What is made contiguous under vmap is so for the mapped function only; torch's search says that it copies.
            warnings.filterwarnings("ignore", "torch.searchsorted", UserWarning)
            values = torch.func.vmap(basis.evaluate)(points)
            mapped = torch.func.vmap(self.on_grid(points))(grids)
        torch.testing.assert_close(values, basis.evaluate(points), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(mapped[1], self.on_grid(points)(grids[1]), rtol=1e-12, atol=1e-12)

    def test_the_function_is_one_traceable_graph(self) -> None:
        check_compiled(self.basis(), self.everywhere(), "eager")


def _refusal(action: Callable[[], object]) -> str:
    """Return the message of the ValueError that the action must raise."""
    try:
        action()
    except ValueError as error:
        return str(error)
    raise AssertionError("nothing was refused")


def check_device(basis: Basis, points: Tensor, device: torch.device) -> None:
    """Fail unless values, derivatives, carried coefficients and adapted grids are the same on another device.

    Args:
        basis: float64, with one grid, shape (K,).
        points: (N,) float64.
        device: the other device.
    """
    there = basis.to(device)
    for order in range(3):
        values = there.derivative(points.to(device), order).cpu()
        torch.testing.assert_close(values, basis.derivative(points, order), rtol=1e-12, atol=1e-10)
    finer = basis.refine(2 * basis.intervals)
    coefficients = torch.eye(basis.size, dtype=torch.float64)
    carried = there.carry(coefficients.to(device), finer.to(device)).cpu()
    torch.testing.assert_close(carried, basis.carry(coefficients, finer), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(there.refine(finer.intervals).grid.cpu(), finer.grid)
    torch.testing.assert_close(there.adapt(points.to(device), 0.3).grid.cpu(), basis.adapt(points, 0.3).grid)


def check_compiled(basis: Basis, points: Tensor, backend: str) -> None:
    """Fail unless the basis compiles as one graph that gives the same values and gradients.

    Args:
        basis: of any grid that the points meet.
        points: (...) float64.
        backend: of torch.compile; "eager" only traces, which is quick.
    """
    torch.compiler.reset()
    module = _Values(basis)
    compiled = torch.compile(module, backend=backend, fullgraph=True)
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        plain, traced = (points.detach().to(dtype, copy=True).requires_grad_() for _ in range(2))
        expected, values = module(plain), compiled(traced)
        expected.sin().sum().backward()
        values.sin().sum().backward()
        torch.testing.assert_close(values, expected, rtol=close, atol=close)
        torch.testing.assert_close(traced.grad, plain.grad, rtol=100 * close, atol=100 * close)


class _Values(nn.Module):
    """A module that rebuilds the basis from its numbers in every call, as a layer does."""

    grid: Tensor

    def __init__(self, basis: Basis) -> None:
        super().__init__()
        self.kind, self.degree, self.even = type(basis), basis.degree, basis.even
        self.register_buffer("grid", basis.grid)

    def forward(self, x: Tensor) -> Tensor:
        return self.kind(self.grid, self.degree, self.even).evaluate(x)


class ProblemContract(ABC):
    """What every differential equation must do. Inherit in a test module, name the class `Test...`, give `problem`."""

    @abstractmethod
    def problem(self) -> Problem:
        """Return the problem."""

    def test_its_document_gives_the_same_problem(self) -> None:
        problem = self.problem()
        again = problem_from(problem.document())
        assert again.document() == problem.document()
        assert (again.coordinates, again.fields) == (problem.coordinates, problem.fields)

    def test_every_equation_and_its_slopes_are_finite_and_agree(self) -> None:
        problem, random = self.problem(), np.random.default_rng(0)
        for residual in problem.residuals:
            points = interior(problem.where, 7, "latin", random)
            others = len(problem.parameters) + len(residual.slots)
            columns = np.concatenate([points, random.normal(size=(len(points), others))], 1)
            values, slopes = residual.linearised(columns)
            assert np.isfinite(values).all() and np.isfinite(slopes).all()
            move = 1e-6 * random.normal(size=columns.shape)
            change = residual.values(columns + move) - residual.values(columns - move)
            np.testing.assert_allclose(change, 2 * (slopes * move).sum(1), rtol=1e-4, atol=1e-9)

    def test_its_points_are_in_its_domain_and_those_of_conditions_on_the_edge(self) -> None:
        problem = self.problem()
        for sampling in ("latin", "grid"):
            assert problem.where.contains(interior(problem.where, 60, sampling, np.random.default_rng(0))).all()
        for condition in problem.conditions:
            points = edge(problem.where, problem.faces(condition.where), 60)
            assert problem.where.contains(points).all()
            assert on_edge(problem.where, points).all()

    def test_a_known_solution_solves_it(self) -> None:
        problem = self.problem()
        if problem.exact is None:
            return
        exact = problem.exact
        found = check(problem, lambda points, order: derivatives_of(exact, order, points), self.unknowns())
        assert max(size for name, size in found.residuals.items() if name != "observations") < 1e-9

    def unknowns(self) -> tuple[float, ...]:
        """Return the true values of the unknown parameters, where there are any."""
        return tuple(self.problem().parameters.values())
