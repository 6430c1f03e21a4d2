"""Noise before any law is known, residuals that are no noise, and tables that hold no law at all."""

from dataclasses import replace

import numpy as np
import pytest

from kansym.config import Config
from kansym.data import Dataset
from kansym.pipeline import fit
from kansym.structure.noise import error_growth, estimate_noise, normal_scores, patterned
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Constant, Variable, add, multiply
from kansym.symbolic.selection import reaches_noise

Array = np.ndarray


def heavy(rows: int = 600, seed: int = 0) -> tuple[Array, Array]:
    x = np.random.default_rng(seed).uniform((1.0, 1.0, 0.1), (5.0, 5.0, 3.0), (rows, 3))
    return x, 3.0 * x[:, 0] * x[:, 1] / x[:, 2] ** 2


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_the_noise_of_a_law_with_heavy_tails_is_right_within_a_factor_of_one_and_a_half(share: float) -> None:
    x, y = heavy()
    noise = share * y.std()
    measured = y + noise * np.random.default_rng(1).normal(size=len(y))
    assert noise / 1.5 < estimate_noise(x, measured) * measured.std() < 1.5 * noise


def test_a_clean_law_with_heavy_tails_has_no_noise() -> None:
    assert estimate_noise(*heavy()) < 1e-4


@pytest.mark.parametrize("rows", [40, 400])
def test_a_table_of_nothing_but_noise_is_all_noise(rows: int) -> None:
    generator = np.random.default_rng(rows)
    assert estimate_noise(generator.normal(size=(rows, 3)), generator.normal(size=rows)) == 1.0


def residuals(rows: int = 300) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng(4)
    x = generator.uniform(1.0, 3.0, (rows, 2))
    return x, generator.normal(size=rows), x[:, 0] ** 2 + x[:, 1]


def test_noise_has_no_pattern_whatever_its_distribution() -> None:
    x, noise, predicted = residuals()
    generator = np.random.default_rng(5)
    for values in (noise, noise * predicted, np.exp(noise) - 1.6, generator.standard_t(3, 300)):
        assert not patterned(x, values, predicted)


def test_a_spike_a_step_and_faint_waves_are_patterns() -> None:
    x, noise, predicted = residuals()
    spike = np.where(np.arange(300) == 7, 5.0, 1e-9 * noise)
    step = noise + 1.5 * (x[:, 0] > 2)
    slow, fast = noise + 1.4 * np.sin(4.0 * x[:, 0]), noise + 1.4 * np.sin(25.0 * x[:, 1])
    for values in (spike, step, slow, fast):
        assert patterned(x, values, predicted)


def test_a_faint_smooth_remainder_of_few_rows_is_a_pattern() -> None:
    x = np.linspace(1.0, 2.0, 9)[:, None]
    assert patterned(x, 1e-4 * ((x[:, 0] - 1.5) ** 2 - 0.1), x[:, 0])


def test_normal_scores_keep_the_order_and_ties() -> None:
    scores = normal_scores(np.array([3.0, 1.0, 1.0, 100.0]))
    assert scores[1] == scores[2] < scores[0] < scores[3]


def test_errors_below_the_last_decimal_of_the_target_are_rounding() -> None:
    x = np.linspace(0.0, 1.0, 500)
    line = add(multiply(Constant(1.0), Variable(0)), Constant(0.0))
    assert reaches_noise(line, Rows(x[:, None], np.round(x, 2)))
    assert not reaches_noise(line, Rows(x[:, None], np.round(x, 2) + 0.02 * np.sin(9.0 * x)))


def noise_table(draw: str, rows: int = 120) -> Dataset:
    generator = np.random.default_rng(11)
    values = {"normal": generator.normal, "lognormal": lambda size: np.exp(2.0 * generator.normal(size=size))}[draw]
    return Dataset.from_arrays(generator.uniform(1.0, 5.0, (rows, 2)), values(size=rows))


@pytest.mark.parametrize("draw", ["normal", "lognormal"])
def test_no_law_is_found_in_noise(draw: str) -> None:
    result = fit(noise_table(draw), Config(time_limit=4.0))
    assert result.formula.expression.variables == () and not result.law_found


def test_a_faint_law_is_found_and_a_constant_target_is_a_law() -> None:
    data = noise_table("normal", 600)
    faint = data.targets[:, 0] + 0.6 * data.inputs[:, 1]
    result = fit(replace(data, targets=faint), Config(time_limit=20.0, without=("network", "halves")))
    assert result.formula.expression.variables == (1,) and result.law_found
    assert fit(replace(data, targets=np.full(600, 2.0)), Config(time_limit=2.0)).law_found


@pytest.mark.parametrize(
    "law", [lambda x: np.exp(-(x[:, 0] ** 2)), lambda x: x[:, 0] ** 3 * x[:, 1] ** 2 / x[:, 2] ** 2]
)
@pytest.mark.parametrize("noise", [0.001, 0.02])
def test_errors_that_are_even_are_told_from_errors_in_proportion(law, noise: float):
    generator = np.random.default_rng(0)
    inputs = generator.uniform(1, 2.5, (1200, 3))
    clean, errors = law(inputs), noise * generator.standard_normal(1200)
    even = clean + errors * np.sqrt(np.mean(clean**2))
    positive = even > 0
    assert error_growth(inputs[positive], even[positive]).power < 0.4
    found = error_growth(inputs, clean * (1 + errors))
    assert found.power > 0.8 and found.relative == pytest.approx(float(np.std(errors)), rel=0.3)
