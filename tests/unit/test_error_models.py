"""Which kinds of errors a target may have, and which rows noise has brought to the other side of 0."""

import numpy as np
import pytest

from kansym.structure.noise import smooth_values
from kansym.symbolic.constants import Rows
from kansym.symbolic.error_models import clear_of_zero, error_models, proportional, reaches_zero, spans_decades


def decay(sign: float, error: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A column, a decay in it and what was measured of that."""
    generator = np.random.default_rng(5)
    x = generator.uniform(0.0, 4.0, (400, 1))
    clean = sign * np.exp(-x[:, 0])
    return x, clean, clean + error * generator.standard_normal(400)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rows_near_0_of_a_target_of_one_sign_are_told(sign: float) -> None:
    _, clean, target = decay(sign, 0.05)
    assert reaches_zero(target, 0.05)
    assert np.array_equal(clear_of_zero(target, clean, 0.05), (sign * clean > 0.1) & (sign * target > 0))


def test_rows_that_are_left_are_not_those_that_noise_made_larger() -> None:
    x, clean, target = decay(1.0, 0.1)
    clear = clear_of_zero(target, smooth_values(x, target), 0.1)
    assert 0.4 < np.mean(clear) < 0.7
    assert abs(np.mean((target - clean)[clear])) < 0.015
    assert np.mean((target - clean)[target > 0.2]) > 0.02


def test_where_most_rows_are_near_0_fewer_go_and_where_all_are_none() -> None:
    _, clean, target = decay(1.0, 0.1)
    assert np.mean(clean > 0.2) < 0.5 < np.mean(clean > 0.1)
    assert np.array_equal(clear_of_zero(target, clean, 0.1), (clean > 0.1) & (target > 0))
    assert np.all(clear_of_zero(target, clean, 1.0))


def test_a_target_that_has_both_signs_keeps_all_rows() -> None:
    generator = np.random.default_rng(8)
    x = generator.uniform(0.0, 6.3, (600, 1))
    clean = 0.7 + np.sin(x[:, 0])
    target = clean + 0.2 * generator.standard_normal(600)
    assert reaches_zero(target, 0.2) and np.mean(clean < 0) > 0.2
    assert np.all(clear_of_zero(target, smooth_values(x, target), 0.2))


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (np.linspace(0.01, 2.0, 50), 0.1),  # of one sign as it is
        (np.linspace(-1.0, 2.0, 50), 0.1),  # of both signs, more than noise would make it
        (np.linspace(-0.01, 2.0, 50), 0.0),  # without noise
    ],
)
def test_other_targets_keep_all_rows(target: np.ndarray, error: float) -> None:
    assert not reaches_zero(target, error)


def test_a_smooth_model_says_of_every_row_what_the_others_say() -> None:
    generator = np.random.default_rng(7)
    x = generator.uniform(-2.0, 2.0, (1200, 2))
    clean = np.sin(x[:, 0]) * x[:, 1]
    values = smooth_values(x, clean + 0.1 * generator.standard_normal(1200))
    assert np.sqrt(np.mean((values - clean) ** 2)) < 0.04


def test_errors_in_proportion_make_sense_for_positive_targets_alone() -> None:
    assert proportional(np.array([1.0, 5.0])) and not proportional(np.array([1.0, -5.0]))
    assert spans_decades(np.array([1.0, 50.0])) and not spans_decades(np.array([1.0, 5.0]))
    models = error_models(Rows(np.zeros((2, 1)), np.array([1.0, 5.0])))
    assert [model.rows.weights is None for model in models] == [True, False]
