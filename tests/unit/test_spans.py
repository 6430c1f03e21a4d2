"""Exact sums: a target in the span of simple functions is written with those it needs, and nothing else comes back."""

from collections.abc import Callable

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.expression import Expression
from kansym.symbolic.search import search
from kansym.symbolic.spans import exact_sums, rough_sums
from kansym.symbolic.table import Table

Array = np.ndarray


def rows_of(law: Callable[..., Array], columns: int, rows: int = 400) -> Rows:
    inputs = np.random.default_rng(3).uniform(0.6, 1.4, (rows, columns))
    return Rows(inputs, law(*inputs.T))


def misfit(expression: Expression, rows: Rows) -> float:
    return float(np.sqrt(mean_square(expression, rows)) / np.std(rows.target))


@pytest.mark.parametrize(
    ("law", "columns", "constants"),
    [
        (lambda *x: 2.5 * x[0] - 0.3 * x[7] + 1.0, 8, 3),
        (lambda *x: x[0] * x[1] + x[2] * x[3] + x[4] * x[5] + x[6] * x[7], 8, 4),
        (lambda *x: 0.4 * (x[0] ** 2 + x[3] ** 2 + x[6] ** 2 - 1) + 0.3 * np.log(x[7]), 8, 5),
        (lambda *x: np.sqrt(x[0] ** 2 + x[1] ** 2 + x[2] ** 2 + x[3] ** 2), 5, 4),
        (lambda *x: 1 / (x[0] + 2 / x[1] + 3 * np.sqrt(x[2])), 4, 3),
    ],
    ids=["linear", "products", "squares and a logarithm", "a root", "an inverse"],
)
def test_a_sum_is_found_with_the_terms_that_it_has(law: Callable[..., Array], columns: int, constants: int) -> None:
    rows = rows_of(law, columns)
    exact = [found for found in exact_sums(rows) if misfit(found, rows) < 1e-12]
    assert min(len(found.free_constants) for found in exact) == constants


@pytest.mark.parametrize(
    ("law", "columns"),
    [
        (lambda a, b, q: (1.0 + a * q) * (1.0 + b * q), 3),
        (lambda g, k, w, f, e: g + k * (np.cos(w + f) + e * np.cos(w)), 5),
        (lambda a, b, t: 2.0 * a * np.sin(t) - b * np.cos(t) + 0.5 * a, 3),
        (lambda d, u, h: np.sin(d) * np.sin(u) + np.cos(d) * np.cos(u) * np.cos(h), 3),
    ],
    ids=["products of four", "waves of sums", "waves times columns", "products of waves"],
)
def test_products_of_squares_and_waves_are_in_the_span(law: Callable[..., Array], columns: int) -> None:
    rows = rows_of(law, columns, 700)
    assert min(misfit(expression, rows) for expression in exact_sums(rows)) < 1e-12


def test_columns_that_depend_on_others_are_no_obstacle() -> None:
    inputs = np.random.default_rng(3).uniform(0.6, 1.4, (400, 4))
    inputs = np.column_stack([inputs, inputs[:, 0] + inputs[:, 1], inputs[:, 2] * inputs[:, 3]])
    rows = Rows(inputs, inputs[:, 0] * inputs[:, 3] - 0.5 * inputs[:, 1] ** 2)
    assert min(misfit(found, rows) for found in exact_sums(rows)) < 1e-12


def test_a_target_outside_of_the_span_gives_nothing() -> None:
    assert list(exact_sums(rows_of(lambda *x: np.sin(3 * x[0]) * x[1], 4))) == []


def test_noise_gives_nothing() -> None:
    rows = rows_of(lambda *x: x[0] * x[1], 4)
    noisy = Rows(rows.inputs, rows.target + 1e-6 * np.random.default_rng(0).normal(size=len(rows)))
    assert list(exact_sums(noisy)) == []


def test_as_many_functions_as_rows_prove_nothing() -> None:
    assert list(exact_sums(rows_of(lambda *x: np.sin(3 * x[0]) * x[1], 4, rows=12))) == []


def test_the_stage_can_be_left_out() -> None:
    rows = rows_of(lambda *x: x[0] * x[1] + x[2] * x[3] + x[4] * x[5] + x[6] * x[7], 8)
    origins = {
        stages: {found.origin for found in search(Table(rows, rows, without=stages), Budget(0.0))}
        for stages in ((), ("sums",))
    }
    assert "exact sum" in origins[()] and "exact sum" not in origins[("sums",)]


@pytest.mark.parametrize(
    ("law", "columns", "constants"),
    [
        (lambda *x: x[0] * x[1] + x[2] * x[3] - x[4] * x[5], 6, 3),
        (lambda *x: np.sqrt((x[0] - x[1]) ** 2 + 4 * x[2] ** 2), 3, 4),
        (lambda *x: 1 / np.sqrt((x[0] ** 2 - x[1] ** 2) ** 2 + (x[1] * x[2]) ** 2), 3, 4),
    ],
    ids=["products", "a root", "a root below of squares"],
)
def test_a_sum_in_noise_keeps_the_terms_that_it_has(law: Callable[..., Array], columns: int, constants: int) -> None:
    inputs = np.random.default_rng(3).uniform(
        (1.0, 2.0, 0.5, 1.0, 1.0, 1.0)[:columns], (2.0, 4.0, 2.0, 2.0, 3.0, 2.0)[:columns], (300, columns)
    )
    clean = law(*inputs.T)
    rows = Rows(inputs, clean + 0.02 * clean.std() * np.random.default_rng(0).normal(size=300))
    near = [found for found in rough_sums(rows, 0.02) if misfit(found, Rows(inputs, clean)) < 0.01]
    assert constants in {len(found.free_constants) for found in near}


def test_no_sum_is_seen_in_noise_that_is_none() -> None:
    rows = rows_of(lambda *x: np.sin(3 * x[0] * x[1]) + x[2], 3)
    noisy = Rows(rows.inputs, rows.target + 0.02 * rows.spread * np.random.default_rng(0).normal(size=len(rows)))
    assert list(rough_sums(noisy, 0.02)) == []
