"""The bases that are not splines: the functions are the ones that their names say."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from kansym.bases import BASES, Basis, Chebyshev, Fourier, Legendre, Rational
from kansym.bases.centred import CentredBasis

LOW, HIGH = torch.tensor([-1.0, 2.0], dtype=torch.float64)
INSIDE = torch.linspace(-1, 2, 101, dtype=torch.float64)


def new(name: str, intervals: int = 6, degree: int = 3) -> Basis:
    return BASES.get(name).create(LOW, HIGH, intervals, degree)


def relu_pieces(z: Tensor) -> Tensor:
    """The formula of the paper for s = -1, e = 1: 16 / (e - s)^4 = 1."""
    return (torch.relu(1 - z) * torch.relu(z + 1)) ** 2


PROFILES = {
    "rbf": (lambda z: torch.exp(-(z**2)), 0.5),
    "rswaf": (lambda z: 1 - torch.tanh(z) ** 2, 0.625),
    "wavelet": (lambda z: 2 / math.sqrt(3 * math.sqrt(math.pi)) * (1 - z**2) * torch.exp(-(z**2) / 2), 0.5),
    "relu": (relu_pieces, 1.0),  # four pieces of 0.5 from -1 to 1
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_centred_function_is_its_profile_at_the_centre_of_a_spline(name: str) -> None:
    profile, width = PROFILES[name]
    centres = torch.linspace(-1.5, 2.5, 9, dtype=torch.float64)
    x = torch.linspace(-3, 4, 57, dtype=torch.float64)
    expected = profile((x.unsqueeze(-1) - centres) / width)
    torch.testing.assert_close(new(name).evaluate(x), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("degree", range(5))
def test_centres_are_those_of_the_splines_of_that_degree(degree: int) -> None:
    basis, spline = new("rbf", 6, degree), new("bspline", 6, degree)
    assert isinstance(basis, CentredBasis)
    assert basis.size == spline.size
    torch.testing.assert_close(basis.centres, 0.5 * (spline.grid[: spline.size] + spline.grid[degree + 1 :]))


def test_the_degree_of_relu_pieces_is_how_far_they_reach() -> None:
    x = INSIDE[1:-1] + 0.001
    for degree, half in [(0, 0.5), (1, 0.5), (2, 0.75), (5, 1.5)]:
        basis = new("relu", 6, degree)
        assert isinstance(basis, CentredBasis)
        assert torch.equal(basis.evaluate(x)[:, 3] > 0, (x - basis.centres[3]).abs() < half)


def test_one_function_alone_has_the_width_of_the_domain() -> None:
    basis = new("rbf", 1, 0)
    assert isinstance(basis, CentredBasis)
    torch.testing.assert_close(basis.grid, torch.tensor([0.5, 1 / 3, -1.0, 2.0], dtype=torch.float64))
    assert basis.refine(4).size == 4


def test_a_wavelet_has_mean_0_and_a_square_of_integral_1() -> None:
    basis = new("wavelet")
    x = torch.linspace(-20, 20, 8001, dtype=torch.float64)
    values = basis.evaluate(x)[:, 4]
    assert abs(float(torch.trapezoid(values, x))) < 1e-12
    assert float(torch.trapezoid(values**2, x)) == pytest.approx(0.5)  # in units of its width


@pytest.mark.parametrize("name", PROFILES)
def test_an_adapted_width_follows_the_spacing_beside_the_centre(name: str) -> None:
    basis = new(name).adapt(torch.rand(500, generator=torch.Generator().manual_seed(1)).double() ** 3, 0.1)
    assert isinstance(basis, CentredBasis)
    gaps = basis.centres.diff()
    spacing = torch.cat([gaps[:1], (gaps[:-1] + gaps[1:]) / 2, gaps[-1:]])
    ratios = basis.inverse_widths * spacing
    torch.testing.assert_close(ratios, ratios[0].expand(9))


@pytest.mark.parametrize("name", PROFILES)
def test_a_refined_basis_keeps_its_functions_and_adds_half_as_wide_ones_in_between(name: str) -> None:
    old, finer = new(name), new(name).refine(12)
    assert isinstance(old, CentredBasis) and isinstance(finer, CentredBasis)
    torch.testing.assert_close(finer.evaluate(INSIDE)[:, :9], old.evaluate(INSIDE), rtol=0, atol=0)
    assert finer.size == 15
    torch.testing.assert_close(finer.centres[9:].sort().values, 0.5 * (old.centres[1:-2] + old.centres[2:-1]))
    torch.testing.assert_close(finer.inverse_widths[9:], 2 * old.inverse_widths[:1].expand(6))


def test_functions_learned_into_one_place_can_still_be_refined() -> None:
    basis = new("rbf")
    squeezed = type(basis)(torch.cat([torch.full((9,), 0.5, dtype=torch.float64), basis.grid[9:]]))
    points = torch.tensor([0.0, 0.5], dtype=torch.float64)
    assert not squeezed.refine(9).grid.isnan().any()
    assert squeezed.evaluate(points).isfinite().all()


def test_chebyshev_and_legendre_polynomials_are_numpys() -> None:
    s = (2 * INSIDE - 1) / 3
    for basis, series in [
        (Chebyshev.create(LOW, HIGH, 12), np.polynomial.Chebyshev),
        (Legendre.create(LOW, HIGH, 12), np.polynomial.Legendre),
    ]:
        for order in range(4):
            columns = [series.basis(n).deriv(order)(s.numpy()) * (2 / 3) ** order for n in range(13)]
            expected = torch.tensor(np.stack(columns, -1))
            torch.testing.assert_close(basis.derivative(INSIDE, order), expected, rtol=1e-11, atol=1e-10)


def test_fourier_functions_have_twice_the_domain_as_their_period() -> None:
    basis = Fourier.create(LOW, HIGH, 3)
    angle = math.pi * (2 * INSIDE - 1) / 6
    waves = [wave(m * angle) for m in (1, 2, 3) for wave in (torch.cos, torch.sin)]
    torch.testing.assert_close(basis.evaluate(INSIDE), torch.stack([torch.ones_like(angle), *waves], -1))


def test_a_learned_frequency_survives_refining_and_adapting() -> None:
    start = Fourier.create(LOW, HIGH, 3)
    basis = Fourier(start.grid + torch.tensor([0, 0, 0.3, 0, 0], dtype=torch.float64))
    assert torch.equal(basis.refine(5).frequencies[:3], basis.frequencies)
    assert torch.equal(basis.adapt(INSIDE.expand(2, -1)).frequencies, basis.frequencies.expand(2, -1))


def test_a_new_rational_basis_is_the_chebyshev_basis() -> None:
    torch.testing.assert_close(new("rational").evaluate(INSIDE), new("chebyshev").evaluate(INSIDE))


def test_a_rational_function_is_a_polynomial_over_a_positive_polynomial() -> None:
    start = Rational.create(LOW, HIGH, 4, 2)
    basis = Rational(torch.cat([start.grid[:5], torch.tensor([-0.8, 1.5], dtype=torch.float64)]), 2)
    polynomials = Chebyshev.create(LOW, HIGH, 4).evaluate(INSIDE)
    root = 1 - 0.8 * polynomials[:, 1] + 1.5 * polynomials[:, 2]
    assert float(root.min()) < 0 < float(root.max())
    expected = polynomials * 1.01 / (root**2 + 0.01).unsqueeze(-1)
    torch.testing.assert_close(basis.evaluate(INSIDE), expected)


def test_a_new_denominator_has_a_gradient() -> None:
    grid = new("rational").grid.requires_grad_()
    Rational(grid).evaluate(INSIDE).sum(-1).square().sum().backward()
    assert bool((grid.grad[-3:].abs() > 1).all())  # type: ignore[index]


@pytest.mark.parametrize("name", ["fourier", "chebyshev", "legendre", "rational"])
def test_a_function_of_the_interval_goes_on_along_its_tangent(name: str) -> None:
    basis = new(name)
    for end, side in zip(basis.domain, (-1, 1), strict=True):
        for distance in (1e-9, 0.5, 1e5):
            line = basis.evaluate(end) + side * distance * basis.derivative(end)
            torch.testing.assert_close(basis.evaluate(end + side * distance), line, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(basis.derivative(end + side * distance), basis.derivative(end))


@pytest.mark.parametrize("name", PROFILES)
def test_a_centred_function_is_0_far_away(name: str) -> None:
    assert torch.equal(new(name).evaluate(torch.tensor(1e6, dtype=torch.float64)), torch.zeros(9, dtype=torch.float64))


ERRORS = {
    "bspline": 2e-4, "linear": 3e-2, "rswaf": 4e-3, "rbf": 5e-3, "fourier": 1e-6, "chebyshev": 1e-4, "legendre": 1e-4,
    "wavelet": 0.06, "relu": 4e-2, "rational": 1e-4,
}  # fmt: skip


@pytest.mark.parametrize("name", BASES.names())
def test_ten_pieces_fit_a_smooth_function(name: str) -> None:
    basis = new(name, 10)
    points = basis.even_points(20)
    target = torch.exp(points.sin()) + points
    assert float((basis.evaluate(points) @ basis.fit(points, target) - target).abs().max()) < ERRORS[name]
