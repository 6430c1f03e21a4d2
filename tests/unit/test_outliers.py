"""Outliers: found alone or several, under either kind of error, and not invented where a law is steep."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to
from kansym.symbolic.outliers import outlying_rows

Array = np.ndarray
X = Variable(0)
LINE = add(multiply(Constant(1.0), X), Constant(1.0))
PARABOLA = add(multiply(Constant(1.0), raise_to(X, Fraction(2))), LINE)
CUBIC = add(multiply(Constant(0.1), raise_to(X, Fraction(3))), PARABOLA)
WAVE = multiply(Constant(1.0), call("sin", multiply(Constant(1.0), X)))
CANDIDATES: list[Expression] = [Constant(1.0), LINE, PARABOLA, CUBIC, WAVE, call("exp", multiply(Constant(0.1), X))]


def noisy(rows: int, noise: float = 0.05, seed: int = 0) -> Rows:
    x = np.linspace(0.3, 3.0, rows)
    return Rows(x[:, None], 1.3 * x**2 - 0.4 * x + 0.7 + noise * np.random.default_rng(seed).normal(size=rows))


def spoiled(rows: Rows, by: dict[int, float]) -> Rows:
    target = rows.target.copy()
    for row, error in by.items():
        target[row] += error
    return Rows(rows.inputs, target)


def outliers(rows: Rows, candidates: list[Expression] = CANDIDATES) -> tuple[int, ...]:
    return outlying_rows([polish(each, rows).expression for each in candidates], rows)


@pytest.mark.parametrize("row", [0, 7, 19])
def test_one_wrong_row_is_found(row: int) -> None:
    assert outliers(spoiled(noisy(20, 0.02), {row: 3.0})) == (row,)


@pytest.mark.parametrize("wrong", [{3: 4.0, 40: 6.0}, {10: -5.0, 11: -5.0}, {0: 9.0, 30: -2.0, 79: 5.0}])
def test_several_wrong_rows_are_found_together(wrong: dict[int, float]) -> None:
    assert outliers(spoiled(noisy(80), wrong)) == tuple(wrong)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 299), min_size=1, max_size=6), st.integers(0, 1000))
def test_wrong_rows_of_a_large_noisy_table_are_found(wrong: set[int], seed: int) -> None:
    sizes = np.random.default_rng(seed).choice([-1, 1], len(wrong)) * np.linspace(2.0, 9.0, len(wrong))
    rows = spoiled(noisy(300, seed=seed), dict(zip(sorted(wrong), sizes, strict=True)))
    assert outliers(rows) == tuple(sorted(wrong))


@pytest.mark.parametrize("count", [25, 400])
@pytest.mark.parametrize("seed", range(6))
def test_no_outlier_is_invented_in_a_clean_table(seed: int, count: int) -> None:
    assert outliers(noisy(count, 0.05, seed)) == ()


def test_exact_tables_and_tiny_ones_have_no_outlier() -> None:
    assert outliers(noisy(20, 0.0), [PARABOLA]) == ()
    assert outliers(noisy(8)) == ()
    assert outliers(noisy(20), []) == ()


def test_no_row_is_an_outlier_of_a_formula_that_is_right_to_rounding() -> None:
    draws = np.random.default_rng(0)
    inputs = draws.uniform(1, 5, (150, 1))
    target = 3 * inputs[:, 0] * (1 + 1e-16 * draws.normal(size=150))
    target[40] *= 1 + 1e-13
    assert outlying_rows([multiply(Constant(3.0), X)], Rows(inputs, target)) == ()


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_spike_in_a_large_table_is_an_outlier(noise: float) -> None:
    draws = np.random.default_rng(0)
    inputs = draws.uniform(1, 5, (400, 1))
    pole = multiply(Constant(2.0), X, add(X, Constant(-4.25)), raise_to(add(X, Constant(-4.2501)), Fraction(-1)))
    target = 2 * inputs[:, 0] + noise * draws.normal(size=400)
    target[40] += 5.0
    assert outlying_rows([pole, multiply(Constant(2.01), X)], Rows(inputs, target)) == (40,)


def test_a_steep_law_that_is_not_among_the_formulas_keeps_its_rows() -> None:
    x = np.linspace(0.0, 0.99, 300)
    target = 1 / (1 - x) + 0.02 * np.random.default_rng(0).normal(size=300)
    assert outliers(Rows(x[:, None], target)) == ()


def test_large_errors_of_large_targets_are_no_outliers_where_errors_are_in_proportion() -> None:
    draws = np.random.default_rng(0)
    x = np.exp(draws.uniform(0, 8, 120))
    target = 0.3 * x**1.5 * (1 + 0.05 * draws.normal(size=120))
    law = polish(multiply(Constant(0.3), raise_to(X, Fraction(3, 2))), Rows(x[:, None], target)).expression
    assert outlying_rows([law], Rows(x[:, None], target, np.ones(120))) != ()  # said to be even
    assert outlying_rows([law], Rows(x[:, None], target)) == ()


def test_what_the_digits_of_a_value_leave_open_is_no_error() -> None:
    x = np.linspace(1.0, 12.0, 23)
    target = np.array([float(f"{value:.3g}") for value in 0.001 * np.exp(x)])
    target[5] = round(target[5], 2)  # 0.0332 written as 0.03
    law = polish(
        multiply(Constant(0.001), call("exp", multiply(Constant(1.01), X))), Rows(x[:, None], target)
    ).expression
    assert outlying_rows([law], Rows(x[:, None], target)) == ()
    target[5] = 0.0432
    assert outlying_rows([law], Rows(x[:, None], target)) == (5,)


@pytest.mark.parametrize("share", [2, 4, 10])
def test_rows_of_no_weight_say_nothing(share: int) -> None:
    rows = noisy(200)
    weights = np.where(np.arange(200) % share == 0, 1.0, 0.0)
    wild = rows.target + 20.0 * (weights == 0)
    assert outliers(Rows(rows.inputs, wild, weights)) == ()
    wild[5 * share] += 4.0
    assert outliers(Rows(rows.inputs, wild, weights)) == (5 * share,)


@pytest.mark.parametrize("value", [0.0, -9999.0, 0.0101])
def test_a_value_that_failed_is_an_outlier_of_a_positive_target(value: float) -> None:
    draws = np.random.default_rng(3)
    x = draws.uniform(0.5, 4.0, 150)
    target = (0.12 + 0.1 * x**2) * (1 + 0.01 * draws.normal(size=150))
    target[22] = value
    law = add(Constant(0.121), multiply(Constant(0.0995), raise_to(X, Fraction(2))))
    assert outlying_rows([law, LINE], Rows(x[:, None], target)) == (22,)


def test_a_row_does_not_go_for_constants_that_were_fitted_under_other_errors() -> None:
    for seed in range(6):
        draws = np.random.default_rng(seed)
        x = np.exp(draws.uniform(0, 5, 120))
        target = (0.3 * x**1.5 + 2) * (1 + 0.05 * draws.normal(size=120))
        rows = Rows(x[:, None], target)
        law = polish(add(multiply(Constant(0.3), raise_to(X, Fraction(3, 2))), Constant(2.0)), rows).expression
        assert outlying_rows([law], rows) == ()


def test_no_more_rows_go_than_may() -> None:
    rows = spoiled(noisy(80), {3: 4.0, 40: 6.0})
    formulas = [polish(PARABOLA, rows).expression]
    assert outlying_rows(formulas, rows, most=2) == (3, 40)
    assert outlying_rows(formulas, rows, most=0) == ()
