"""Constants of a formula: the fit equals scipy's, errors included, at any scale and from any number of starts."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from kansym.symbolic.constants import Fit, Rows, fit, fit_starts, mean_square, polish
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to, whole

Array = np.ndarray
X = Variable(0)


def decay(amplitude: float, rate: float, offset: float) -> Expression:
    """amplitude * exp(rate x) + offset."""
    return add(multiply(Constant(amplitude), call("exp", multiply(Constant(rate), X))), Constant(offset))


def noisy_decay(scale: float = 1.0, rows: int = 60) -> Rows:
    x = np.linspace(0, 4, rows)
    noise = 0.02 * np.random.default_rng(0).normal(size=rows)
    return Rows(x[:, None], scale * (3.0 * np.exp(-1.2 * x) + 0.5 + noise))


def values(found: Fit) -> Array:
    return np.array([constant.value for constant in found.expression.free_constants])


def by_scipy(rows: Rows, sigma: Array | None = None) -> tuple[Array, Array]:
    def model(x: Array, a: float, b: float, c: float) -> Array:
        return a * np.exp(b * x) + c

    best, covariance = curve_fit(model, rows.inputs[:, 0], rows.target, [1.0, -0.5, 0.0], sigma, ftol=1e-15, xtol=1e-15)
    return best, np.sqrt(np.diag(covariance))


def test_values_and_standard_errors_equal_those_of_scipy() -> None:
    rows = noisy_decay()
    found = polish(decay(1.0, -0.5, 0.0), rows)
    best, errors = by_scipy(rows)
    np.testing.assert_allclose(values(found), best, rtol=1e-6)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-5)


def test_weights_act_as_measurement_errors() -> None:
    plain = noisy_decay()
    sigma = np.linspace(0.5, 3.0, len(plain))
    found = polish(decay(1.0, -0.5, 0.0), Rows(plain.inputs, plain.target, sigma**-2))
    best, errors = by_scipy(plain, sigma)
    np.testing.assert_allclose(values(found), best, rtol=1e-6)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-5)


def test_standard_errors_tell_how_far_fits_of_other_noise_lie() -> None:
    x, generator, found, told = np.linspace(0, 4, 40), np.random.default_rng(1), [], []
    for _ in range(60):
        target = 3.0 * np.exp(-1.2 * x) + 0.5 + 0.02 * generator.normal(size=40)
        fitted = polish(decay(2.5, -1.0, 0.4), Rows(x[:, None], target))
        found.append(values(fitted))
        told.append(fitted.standard_errors)
    np.testing.assert_allclose(np.std(found, axis=0), np.mean(told, axis=0), rtol=0.3)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_the_size_of_the_target_does_not_matter(scale: float) -> None:
    reference = polish(decay(1.0, -0.5, 0.0), noisy_decay())
    scaled = polish(decay(scale, -0.5, 0.0), noisy_decay(scale))
    factors = np.array([scale, 1.0, scale])
    np.testing.assert_allclose(values(scaled), factors * values(reference), rtol=1e-6)
    np.testing.assert_allclose(scaled.standard_errors, factors * reference.standard_errors, rtol=1e-4)


def test_a_batch_of_starts_equals_the_starts_one_by_one() -> None:
    rows = noisy_decay()
    starts = np.array([[1.0, -0.5, 0.0], [4.0, -2.0, 1.0], [2.0, -1.0, 0.1]])
    together, losses = fit_starts(decay(1.0, -0.5, 0.0), rows, starts, 40)
    for at, start in enumerate(starts):
        alone, loss = fit_starts(decay(1.0, -0.5, 0.0), rows, start[None], 40)
        np.testing.assert_allclose(together[at], alone[0], rtol=1e-5)
        assert losses[at] == pytest.approx(loss[0], rel=1e-9)


def test_a_start_where_the_formula_is_not_real_harms_no_other() -> None:
    x = np.linspace(0.1, 2, 30)
    rows = Rows(x[:, None], np.log(2 * x + 1))
    shape = call("log", add(multiply(Constant(1.0), X), Constant(1.0)))
    theta, losses = fit_starts(shape, rows, np.array([[-5.0, -5.0], [1.0, 1.0], [np.nan, 1.0]]), 40)
    assert not np.isfinite(losses[0]) and not np.isfinite(losses[2])
    np.testing.assert_allclose(theta[1], [2.0, 1.0], rtol=1e-6)


def test_the_best_of_many_starts_wins() -> None:
    x = np.linspace(0, 6, 80)
    rows = Rows(x[:, None], np.sin(5.0 * x))
    wave = call("sin", multiply(Constant(1.0), X))
    assert polish(wave, rows).mean_square > 0.1
    found = fit(wave, rows, np.array([[2.0], [4.9], [9.0]]))
    assert values(found) == pytest.approx([5.0], rel=1e-12)
    assert found.mean_square < 1e-25


def test_a_formula_that_is_not_real_has_infinite_error() -> None:
    rows = Rows(np.linspace(-1, 1, 10)[:, None], np.zeros(10))
    assert mean_square(call("log", X), rows) == np.inf
    assert mean_square(raise_to(X, Fraction(1, 2)), rows) == np.inf


def test_a_fit_that_cannot_improve_gives_back_its_start() -> None:
    rows = Rows(np.linspace(-1, 1, 10)[:, None], np.ones(10))
    undefined = multiply(Constant(2.0), call("log", X))
    found = polish(undefined, rows)
    assert found.mean_square == np.inf
    assert values(found) == pytest.approx([2.0])


def test_constants_that_act_as_one_have_no_standard_errors() -> None:
    rows = noisy_decay()
    found = polish(multiply(Constant(1.0), Constant(2.0), call("exp", multiply(whole(-1), X))), rows)
    assert np.all(np.isnan(found.standard_errors))
    assert found.condition > 1e12


def test_fewer_rows_than_constants_are_left_alone() -> None:
    rows = noisy_decay().take(np.array([0, 1]))
    start = decay(1.0, -0.5, 0.0)
    assert polish(start, rows).expression == start


def test_a_formula_without_free_constants_is_only_measured() -> None:
    rows = Rows(np.array([[1.0], [2.0]]), np.array([1.0, 4.5]))
    found = fit(raise_to(X, Fraction(2)), rows)
    assert found.mean_square == pytest.approx(0.125)
    assert len(found.standard_errors) == 0


@given(st.floats(0.1, 50), st.floats(-3, 3), st.integers(-150, 150))
def test_a_straight_line_is_recovered_to_the_last_digits(slope: float, offset: float, power: int) -> None:
    scale = 10.0**power
    x = np.linspace(1, 9, 12)
    rows = Rows(x[:, None], scale * (slope * x + offset))
    found = polish(add(multiply(Constant(scale), X), Constant(scale)), rows)
    np.testing.assert_allclose(values(found), [scale * slope, scale * offset], rtol=1e-9, atol=1e-9 * scale)


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=20), st.integers(-150, 150))
def test_the_mean_square_neither_overflows_nor_underflows(target: list[float], power: int) -> None:
    rows = Rows(np.zeros((len(target), 1)), 10.0**power * np.array(target))
    expected = np.mean((np.array(target)) ** 2)
    found = mean_square(whole(0), rows)
    assert found == pytest.approx(expected * 10.0 ** (2 * power), rel=1e-9, abs=1e-300)


def test_the_spread_is_that_of_the_target_also_with_errors_in_proportion_to_it() -> None:
    y = np.array([1.0, 10.0, 100.0])
    assert Rows(y[:, None], y).spread == pytest.approx(np.std(y))
    weights = 1.0 / y**2
    mean = np.sum(weights * y) / np.sum(weights)
    assert Rows(y[:, None], y, weights).spread == pytest.approx(np.sqrt(np.mean(weights * (y - mean) ** 2)))
