"""The smooth interpolant: its values, its exact gradient, and the noise that it finds."""

from dataclasses import dataclass

import numpy as np
import pytest

from kansym.structure.noise import estimate_noise, unexplained
from kansym.structure.surrogate import Surrogate, fit_surrogate

Array = np.ndarray


@dataclass(frozen=True)
class Smooth:
    """sin(x0) exp(x1 / 2) + x0 x1 on draws from a box, and its gradient."""

    inputs: Array

    @property
    def target(self) -> Array:
        x, y = self.inputs.T
        return np.sin(x) * np.exp(y / 2) + x * y

    @property
    def gradient(self) -> Array:
        x, y = self.inputs.T
        return np.stack([np.cos(x) * np.exp(y / 2) + y, np.sin(x) * np.exp(y / 2) / 2 + x], axis=1)


def draws(rows: int, seed: int, low: float = -2.0, high: float = 2.0) -> Smooth:
    return Smooth(np.random.default_rng(seed).uniform(low, high, (rows, 2)))


@pytest.fixture(scope="module")
def model() -> Surrogate:
    fitted, held = draws(300, 0), draws(100, 1)
    found = fit_surrogate(fitted.inputs, fitted.target, held.inputs, held.target)
    assert found is not None
    return found


def test_a_smooth_function_is_predicted_on_rows_that_were_not_fitted(model: Surrogate) -> None:
    fresh = draws(200, 2)
    error = model.predict(fresh.inputs) - fresh.target
    assert np.sqrt(np.mean(error**2)) < 1e-3 * fresh.target.std()
    assert model.held_out < 1e-3


def test_the_gradient_is_that_of_the_function(model: Surrogate) -> None:
    inside = draws(200, 3, -1.8, 1.8)
    error = model.gradient(inside.inputs) - inside.gradient
    assert np.sqrt(np.mean(error**2)) < 5e-3 * inside.gradient.std()


def test_the_gradient_is_the_slope_of_the_predictions(model: Surrogate) -> None:
    points, step = draws(20, 4).inputs, 1e-5
    for column in range(2):
        shift = step * np.eye(2)[column]
        slope = (model.predict(points + shift) - model.predict(points - shift)) / (2 * step)
        np.testing.assert_allclose(model.gradient(points)[:, column], slope, rtol=1e-4, atol=1e-3)


def test_rows_that_are_known_to_be_noisy_do_little_harm() -> None:
    fitted, held = draws(300, 0), draws(100, 1)
    weights = np.where(np.arange(300) % 2, 1.0, 1e-2)
    noisy = fitted.target + 0.05 * np.random.default_rng(5).normal(size=300) / np.sqrt(weights)
    even, weighed = (
        fit_surrogate(fitted.inputs, noisy, held.inputs, held.target, weights=known) for known in (None, weights)
    )
    assert even is not None and weighed is not None
    errors = [np.std(model.predict(held.inputs) - held.target) for model in (even, weighed)]
    assert errors[1] < 0.6 * errors[0]


def test_units_of_the_columns_do_not_matter() -> None:
    fitted, held = draws(150, 0), draws(60, 1)
    plain = fit_surrogate(fitted.inputs, fitted.target, held.inputs, held.target)
    scale = np.array([1e-20, 1e15])
    odd = fit_surrogate(fitted.inputs * scale, 1e-12 * fitted.target, held.inputs * scale, 1e-12 * held.target)
    assert plain is not None and odd is not None
    np.testing.assert_allclose(
        odd.predict(held.inputs * scale), 1e-12 * plain.predict(held.inputs), rtol=1e-3, atol=1e-15
    )


def test_a_constant_target_or_column_has_no_surrogate() -> None:
    fitted = draws(20, 0)
    assert fit_surrogate(fitted.inputs, np.ones(20), fitted.inputs, np.ones(20)) is None
    stuck = fitted.inputs * np.array([1.0, 0.0])
    assert fit_surrogate(stuck, fitted.target, stuck, fitted.target) is None


def test_rows_that_occur_twice_are_no_difficulty() -> None:
    fitted, held = draws(40, 0), draws(20, 1)
    twice = np.vstack([fitted.inputs, fitted.inputs])
    found = fit_surrogate(twice, np.concatenate([fitted.target, fitted.target]), held.inputs, held.target)
    assert found is not None and np.all(np.isfinite(found.predict(held.inputs)))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_the_noise_estimate_is_within_a_fifth_of_the_truth(share: float) -> None:
    smooth = draws(400, 5)
    noisy = smooth.target + share * smooth.target.std() * np.random.default_rng(6).normal(size=400)
    expected = share * smooth.target.std() / noisy.std()
    assert estimate_noise(smooth.inputs, noisy) == pytest.approx(expected, rel=0.2)


def test_clean_data_have_next_to_no_noise() -> None:
    smooth = draws(400, 5)
    assert estimate_noise(smooth.inputs, smooth.target) < 1e-4


def test_a_tiny_or_constant_table_counts_as_clean() -> None:
    smooth = draws(7, 5)
    assert estimate_noise(smooth.inputs, smooth.target) == 0.0
    assert estimate_noise(draws(50, 0).inputs, np.ones(50)) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_pure_noise_has_no_pattern(seed: int) -> None:
    generator = np.random.default_rng(seed)
    assert unexplained(generator.normal(size=(200, 2)), generator.normal(size=200)) < 0.1


def test_a_misfit_has_a_pattern() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 6, (200, 1))
    assert unexplained(x, np.sin(x[:, 0]) + 0.3 * generator.normal(size=200)) > 0.5


def test_a_misfit_of_a_small_table_shows_in_its_neighbours() -> None:
    x = np.random.default_rng(0).permutation(np.linspace(0, 6, 20))[:, None]
    assert unexplained(x, np.sin(x[:, 0])) > 0.5
    assert unexplained(x, np.zeros(20)) == 0.0
