"""Columns that carry nothing are found before the search, weak but real ones stay, and results find the way back."""

import numpy as np
import pytest

from kansym.config import Config
from kansym.data import Dataset
from kansym.narrowing import Narrowing
from kansym.pipeline import fit
from kansym.structure.screening import filtered, missed, proportional, screen
from kansym.symbolic.expression import Variable, add, multiply, whole

Array = np.ndarray


def table(columns: int, rows: int = 250, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(1.0, 3.0, (rows, columns))


def law(x: Array) -> Array:
    return x[:, 1] ** 2 / x[:, 3]


def test_columns_without_meaning_are_dropped_with_and_without_noise() -> None:
    x = table(6)
    noise = 0.05 * np.random.default_rng(1).normal(size=len(x))
    assert screen(x, law(x)).kept == (1, 3)
    assert set(screen(x, law(x) + noise).kept) >= {1, 3}
    assert len(screen(x, law(x) + noise).kept) <= 3


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_the_only_column_without_meaning_is_dropped(noise: float) -> None:
    x = table(2)
    y = np.exp(-x[:, 1]) * np.cos(5.0 * x[:, 1])
    assert screen(x, y + noise * y.std() * np.random.default_rng(2).normal(size=len(x))).kept == (1,)


def test_a_weak_column_stays() -> None:
    x = table(5)
    y = law(x)
    assert 4 in screen(x, y + 0.01 * y.std() * np.sin(3.0 * x[:, 4])).kept


def test_columns_and_targets_over_decades_are_seen() -> None:
    x = 10.0 ** np.random.default_rng(0).uniform(-25, -20, (250, 4))
    assert screen(x, x[:, 0] * x[:, 2]).kept == (0, 2)


def test_a_column_that_only_acts_together_with_another_stays() -> None:
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (250, 4))
    assert screen(x, x[:, 0] * x[:, 3]).kept == (0, 3)


def test_columns_of_both_signs_over_decades_are_seen() -> None:
    draws = np.random.default_rng(0)
    x = 10.0 ** draws.uniform(-22, -20, (400, 5)) * draws.choice([-1.0, 1.0], (400, 5))
    assert screen(x, x[:, 0] * np.hypot(x[:, 2], x[:, 3])).kept == (0, 2, 3)
    assert screen(x, x[:, 0] * x[:, 4]).kept == (0, 4)


def test_two_angles_that_only_act_together_stay() -> None:
    x = np.random.default_rng(1).uniform((1e8, 0, 0, 0), (1e10, 0.99, 6.28, 6.28), (900, 4))
    kept = screen(x, x[:, 0] * (1 - x[:, 1] ** 2) / (1 + x[:, 1] * np.cos(x[:, 2] - x[:, 3]))).kept
    assert kept == (0, 1, 2, 3)


def test_multiples_of_a_column_are_recognised_also_negative_ones() -> None:
    x = table(3)
    wide = np.column_stack([x, -2.5 * x[:, 1], 1e-9 * x[:, 1], x[:, 0] + 1.0])
    assert proportional(wide, range(6)) == {3: 1, 4: 1}
    assert proportional(wide[:, ::-1], range(6)) == {2: 1, 4: 1}


def test_of_hundreds_of_columns_those_with_a_trace_in_the_target_are_looked_at() -> None:
    x = np.random.default_rng(0).normal(size=(300, 400))
    assert {7, 350} <= set(filtered(x, x[:, 7] * x[:, 350], 40))
    assert filtered(x[:, :5], x[:, 0], 40) == [0, 1, 2, 3, 4]


def test_residuals_tell_which_dropped_column_is_missed() -> None:
    x = np.random.default_rng(0).normal(size=(400, 4))
    noise = np.random.default_rng(1).normal(size=400)
    assert missed(x, noise, [0]) == []
    assert missed(x, noise + 0.5 * x[:, 2], [0]) == [2]
    assert missed(x, 0.1 * noise + x[:, 0] * x[:, 3], [0]) == [3]
    assert missed(x, 0.3 * noise + x[:, 1] * x[:, 2], [0]) == [1, 2]


def test_formulas_find_the_way_to_fewer_columns_and_back() -> None:
    narrow = Narrowing(Dataset.from_arrays(table(4), np.arange(250.0)), (1, 3), {0: 1})
    formula = add(multiply(whole(2), Variable(3)), Variable(1))
    assert narrow.lowered(formula) == add(multiply(whole(2), Variable(1)), Variable(0))
    assert narrow.raised(narrow.lowered(formula)) == formula
    assert narrow.notes == ("1 column carries nothing that can be seen: x2", "x0 is a multiple of x1 and was left out")
    assert narrow.widened([2]).kept == (1, 2, 3)
    assert narrow.table.input_names == ("x1", "x3")


def test_what_the_user_says_about_the_law_keeps_every_column() -> None:
    x = table(4)
    data = Dataset.from_arrays(x, law(x))
    assert Narrowing.of(data, Config(guess=("x0 + x1",))).kept == (0, 1, 2, 3)
    assert Narrowing.of(data, Config()).kept == (1, 3)
    assert Narrowing.of(data, Config(), [Variable(0)]).kept == (0, 1, 3)


@pytest.fixture(scope="module")
def data() -> Dataset:
    x = table(5)
    return Dataset.from_arrays(x, 2.0 * x[:, 4] / x[:, 2], ["a", "b", "c", "d", "e"])


def test_a_result_is_in_the_columns_of_the_user(data: Dataset) -> None:
    result = fit(data, Config(time_limit=10.0))
    assert result.formula.expression.variables == (2, 4)
    assert result.table.input_names == data.input_names and result.table.digest == data.digest
    assert "3 columns carry nothing that can be seen: a, b, d" in result.table.notes
    assert result.points.inputs.shape == data.inputs.shape and len(result.formula.box) == 5
    np.testing.assert_allclose(result.predict(data.inputs), data.targets[:, 0], rtol=1e-9)


def test_a_column_too_faint_to_see_is_searched_when_the_residuals_show_it() -> None:
    x = np.random.default_rng(0).uniform(1.0, 2.0, (300, 3))
    y = 3.0 * x[:, 0] + 1e-7 * x[:, 1]
    narrow = Narrowing(Dataset.from_arrays(x, y), (0,))
    assert narrow.missed(3.0 * x[:, 0] + 1.5e-7, np.arange(300)) == (1,)
    assert narrow.missed(y, np.arange(300)) == ()
