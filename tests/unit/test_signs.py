"""Columns that give a target its sign: found exactly, also under noise, and none invented."""

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.structure.signs import sign_columns
from kansym.symbolic.constants import Rows
from kansym.symbolic.search import search
from kansym.symbolic.table import Table

Array = np.ndarray


def decades(columns: int, rows: int = 400, seed: int = 0, width: float = 2.0) -> Array:
    """Columns over so many decades, of both signs."""
    draws = np.random.default_rng(seed)
    return 10.0 ** draws.uniform(-width / 2, width / 2, (rows, columns)) * draws.choice([-1.0, 1.0], (rows, columns))


@pytest.mark.parametrize(("noise", "width"), [(0.0, 2.0), (0.05, 0.6)])
def test_odd_columns_give_a_product_its_sign(noise: float, width: float) -> None:
    x = decades(4, width=width)
    y = x[:, 0] * x[:, 2] ** 3 / x[:, 3] * np.sqrt(1 + x[:, 1] ** 2)
    noisy = y + noise * np.std(y) * np.random.default_rng(1).normal(size=len(y))
    assert sign_columns(x, noisy) == (0, 2, 3)
    assert sign_columns(x, -noisy) == (0, 2, 3)


def test_a_target_of_one_sign_or_of_no_product_has_none() -> None:
    x = decades(3)
    assert sign_columns(x, x[:, 0] ** 2 + 1) == ()
    assert sign_columns(x, x[:, 0] * x[:, 1] + x[:, 2]) == ()
    assert sign_columns(x, np.random.default_rng(2).normal(size=len(x))) == ()
    assert sign_columns(x, np.zeros(len(x))) == ()


def test_a_column_with_a_zero_cannot_be_divided_by() -> None:
    x = decades(2)
    y = x[:, 0] * x[:, 1] ** 2
    x[3, 0] = y[3] = 0.0
    assert sign_columns(x, y) == ()


def test_a_root_behind_columns_that_change_sign_is_found() -> None:
    x = decades(4)
    y = 3.0 * x[:, 0] * x[:, 1] * np.sqrt(x[:, 2] ** 2 + x[:, 3] ** 2)
    found = search(Table(Rows(x[:300], y[:300]), Rows(x[300:], y[300:])), Budget(60))
    assert found[0].error < 1e-9
