"""Varying coefficients: the number and the terms are the law's own, and the curves become its functions."""

from collections.abc import Callable

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.symbolic.coefficients import find_models, varying
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.primitives import PRIMITIVES
from kansym.symbolic.search import solve_cheaply
from kansym.symbolic.table import Table
from kansym.symbolic.text import to_text

Array = np.ndarray
Law = Callable[..., Array]
NAMES = ("p", "q", "z", "w")
FUNCTIONS = PRIMITIVES.only("exp", "cos", "sin", "tanh", "log", "x^-1", "x^(-1/2)", "x^2")
# The law, how many columns it has, the number and the terms that its coefficients belong to.
LAWS: tuple[tuple[str, Law, int, str, set[str]], ...] = (
    ("shared", lambda p, q, z: (p - 2 * z * q) / np.sqrt(1 + 3 * z**2), 3, "z", {"p", "q"}),
    ("two curves", lambda p, q, z: p * np.cos(z) + q * np.sin(z), 3, "z", {"p", "q"}),
    ("products", lambda p, q, z, w: (p * q + w) * np.exp(-0.7 * z) + 2.0, 4, "z", {"p*q", "w", "1"}),
    ("quotient", lambda p, q, z, w: p * np.tanh(z / w) + q, 4, "z/w", {"p", "q"}),
    ("product", lambda p, q, z, w: p * np.cos(z * w) + q, 4, "z*w", {"p", "q"}),
)


def rows_of(law: Law, columns: int, rows: int = 400) -> Rows:
    inputs = np.random.default_rng(5).uniform(-1.5, 1.5, (rows, columns))
    inputs[:, 3:] += 3.0
    return Rows(inputs, law(*inputs.T))


@pytest.mark.parametrize(("law", "columns", "number", "terms"), [law[1:] for law in LAWS], ids=[law[0] for law in LAWS])
def test_the_number_and_the_terms_are_those_of_the_law(law: Law, columns: int, number: str, terms: set[str]) -> None:
    best = find_models(rows_of(law, columns))[0]
    assert to_text(best.number, NAMES) == number
    assert {to_text(term, NAMES) for term in best.terms} == terms


@pytest.mark.parametrize("law", [LAWS[0], LAWS[1], LAWS[3]], ids=lambda law: law[0])
def test_the_curves_become_the_functions_of_the_law(law: tuple[str, Law, int, str, set[str]]) -> None:
    rows = rows_of(law[1], law[2])
    errors = (np.sqrt(mean_square(found, rows)) / rows.spread for found in varying(rows, FUNCTIONS))
    assert min(errors) < 1e-12


def test_a_curve_that_others_are_multiples_of_is_written_once() -> None:
    rows = rows_of(lambda p, q, z: (p - 2 * z * q) / np.sqrt(1 + 3 * z**2), 3)
    best = min(varying(rows, FUNCTIONS), key=lambda found: mean_square(found, rows))
    assert to_text(best, NAMES).count("sqrt") == 1


def test_curves_that_differ_by_a_constant_and_a_factor_are_one() -> None:
    rows = rows_of(lambda p, q, z: 13.1 + 0.6 * p + (0.4 * p - 11.4) * np.exp(0.16 * z), 3)
    best = min(varying(rows, FUNCTIONS), key=lambda found: mean_square(found, rows))
    assert np.sqrt(mean_square(best, rows)) < 1e-12 * rows.spread
    assert to_text(best, NAMES).count("exp") == 1


def test_a_sum_under_a_link_is_found() -> None:
    rows = rows_of(lambda p, q, z: 1.0 / ((p + 3.0) / (1 + np.exp(z)) + q + 3.0), 3)
    assert find_models(rows)[0].link.name == "1/y"


@pytest.mark.parametrize(
    ("law", "terms"),
    [
        (lambda p, q: (np.exp(-p * q) - np.exp(-q)) / (3.0 + p), {"exp(-q)", "exp(-q*p)"}),
        (lambda p, q: (1 - (1 + p) ** -q) / p, {"1", "(1 + p)**(-q)"}),
        (lambda p, q: np.sqrt(p) * np.cos(p * q) + np.sin(p * q) / p, {"cos(q*p)", "sin(q*p)"}),
    ],
    ids=["two decays", "payments", "two waves"],
)
def test_two_functions_of_both_columns_are_found(law: Law, terms: set[str]) -> None:
    inputs = np.random.default_rng(5).uniform((0.2, 0.3), (1.8, 5.0), (400, 2))
    models = find_models(Rows(inputs, law(*inputs.T)))
    assert terms in [{to_text(term, NAMES) for term in model.terms} for model in models]


def test_two_functions_of_both_columns_become_a_formula() -> None:
    inputs = np.random.default_rng(5).uniform((0.2, 0.3), (0.8, 5.0), (400, 2))
    rows = Rows(inputs, (np.exp(-inputs[:, 0] * inputs[:, 1]) - np.exp(-inputs[:, 1])) / (1 - inputs[:, 0]))
    errors = (np.sqrt(mean_square(found, rows)) / rows.spread for found in varying(rows, FUNCTIONS))
    assert min(errors) < 1e-12


@pytest.mark.parametrize(
    "law", [lambda p, q, z: np.sin(p * q + 2 * z), lambda p, q, z: np.exp(p - q) * np.cos(3 * z * q)]
)
def test_no_model_is_invented(law: Law) -> None:
    assert find_models(rows_of(law, 3)) == []


def test_noise_is_no_model() -> None:
    rows = rows_of(lambda p, q, z: p * np.cos(z) + q, 3)
    noise = 1e-2 * np.random.default_rng(0).normal(size=len(rows))
    assert find_models(Rows(rows.inputs, rows.target + noise)) == []


def test_noise_of_a_known_size_hides_no_model_and_makes_none() -> None:
    draws = np.random.default_rng(0)
    x, angle = draws.uniform(0.5, 3.0, 800), draws.uniform(0.2, 1.2, 800)
    y = np.tan(angle) - 0.4 / (x * np.cos(angle) ** 2)
    noisy = Rows(np.column_stack([x, angle]), y + 0.03 * y.std() * draws.normal(size=800))
    models = find_models(noisy, 0.03)
    assert {to_text(term, NAMES) for term in models[0].terms} == {"1", "1/p"}
    wrong = rows_of(lambda p, q, z: np.sin(p * q + 2 * z), 3, 800)
    assert find_models(Rows(wrong.inputs, wrong.target + 0.03 * wrong.spread * draws.normal(size=800)), 0.03) == []


def test_a_column_to_the_power_of_another_may_be_the_number() -> None:
    dose, slope, top = np.random.default_rng(0).uniform((0.2, 0.5, 2.0), (5.0, 3.0, 5.0), (400, 3)).T
    rows = Rows(np.column_stack([dose, slope, top]), 1 + (top - 1) / (1 + dose**slope))
    exact = [each for each in varying(rows, PRIMITIVES) if np.sqrt(mean_square(each, rows)) < 1e-12 * rows.spread]
    assert min(each.complexity for each in exact) < 22


def test_terms_that_share_a_curve_are_seen_to_in_noise_and_it_may_hold_no_constant() -> None:
    draws = np.random.default_rng(1)
    x, u, c, t = draws.uniform((5, 1, 3, 1), (10, 2, 20, 2), (800, 4)).T
    clean = (x - u * t) / np.sqrt(1 - (u / c) ** 2)
    noisy = Rows(np.column_stack([x, u, c, t]), clean + 0.03 * clean.std() * draws.normal(size=800))
    found = list(varying(noisy, PRIMITIVES, 0.03))
    assert any(
        len(each.free_constants) <= 2 and np.std(each.evaluate(noisy.inputs) - clean) < 0.003 * clean.std()
        for each in found
    )


def test_one_over_a_square_of_a_wave_is_recognised() -> None:
    draws = np.random.default_rng(0)
    x, angle = draws.uniform(0.5, 3.0, 400), draws.uniform(0.2, 1.2, 400)
    rows = Rows(np.column_stack([x, angle]), np.tan(angle) - 4.905 / (x * np.cos(angle) ** 2))
    exact = [each for each in varying(rows, PRIMITIVES) if np.sqrt(mean_square(each, rows)) < 1e-12 * rows.spread]
    assert min(each.complexity for each in exact) < 22


def test_few_rows_and_single_columns_give_nothing() -> None:
    assert list(varying(rows_of(lambda p, q, z: p * np.cos(z) + q, 3, rows=60), PRIMITIVES)) == []
    assert list(varying(rows_of(np.cos, 1), PRIMITIVES)) == []


def test_the_stage_can_be_left_out() -> None:
    rows = rows_of(lambda p, q, z: p * np.cos(1.3 * z) + q * np.sin(1.3 * z), 3)
    table = Table(rows, rows, without=("powers", "products"))
    assert "varying coefficients" in {found.origin for found in solve_cheaply(table, Budget(60), FUNCTIONS)}
    table = Table(rows, rows, without=("powers", "products", "coefficients"))
    assert "varying coefficients" not in {found.origin for found in solve_cheaply(table, Budget(60), FUNCTIONS)}
