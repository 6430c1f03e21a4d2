"""Which kinds of errors a target may have, and which rows noise has brought to the other side of 0."""

import numpy as np
import pytest

from kansym.symbolic.constants import Rows
from kansym.symbolic.error_models import clear_of_zero, error_models, proportional, spans_decades


def noisy(sign: float = 1.0, error: float = 0.1) -> np.ndarray:
    generator = np.random.default_rng(5)
    clean = np.exp(-generator.uniform(0.0, 4.0, 400))
    return sign * (clean + error * generator.standard_normal(400))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rows_near_0_of_a_target_of_one_sign_are_told(sign: float) -> None:
    target = noisy(sign, 0.05)
    clear = clear_of_zero(target, 0.05)
    assert np.min(sign * target) < 0
    assert np.array_equal(clear, sign * target > 0.1)


def test_where_most_rows_are_near_0_the_nearest_go() -> None:
    target = noisy(error=0.1)
    assert np.mean(target > 0.2) < 0.5 < np.mean(target > 0.1)
    assert np.array_equal(clear_of_zero(target, 0.1), target > 0.1)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (np.linspace(0.01, 2.0, 50), 0.1),  # of one sign as it is
        (np.linspace(-1.0, 2.0, 50), 0.1),  # of both signs, more than noise would make it
        (np.linspace(-0.01, 2.0, 50), 0.0),  # without noise
        (np.linspace(-0.9, 1.0, 50), 1.0),  # noise alone
    ],
)
def test_other_targets_keep_all_rows(target: np.ndarray, error: float) -> None:
    assert np.all(clear_of_zero(target, error))


def test_errors_in_proportion_make_sense_for_positive_targets_alone() -> None:
    assert proportional(np.array([1.0, 5.0])) and not proportional(np.array([1.0, -5.0]))
    assert spans_decades(np.array([1.0, 50.0])) and not spans_decades(np.array([1.0, 5.0]))
    assert [model.rows.weights is None for model in error_models(Rows(np.zeros((2, 1)), np.array([1.0, 5.0])))] == [
        True, False,
    ]  # fmt: skip
