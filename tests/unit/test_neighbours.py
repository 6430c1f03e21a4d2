"""Columns that act as two numbers and a factor are seen by nearest neighbours, unless gradients say more."""

from fractions import Fraction

import numpy as np
import pytest

from kansym.config import Config
from kansym.data import Dataset
from kansym.narrowing import Narrowing
from kansym.structure.neighbours import columns_of, find_neighbours
from kansym.structure.order import find_order
from kansym.structure.rows import Rows
from kansym.structure.symmetry import Scaling

DAMPED = (lambda a, g, w, t: a * np.exp(-g * t) * np.cos(w * t), [(1, 5), (0.1, 0.6), (2, 6), (0, 6)])
WAVE = (
    lambda a, k, x, w, t: a * np.sin(k * x - w * t),
    [(1, 5), (1, 3), (0.1, 6), (2, 5), (0.1, 5)],
)


def _table(law, ranges, count: int = 1500, noise: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.uniform(low, high, count) for low, high in ranges])
    return x, law(*x.T) + noise * rng.standard_normal(count)


def _exponents(*rows: tuple[int, ...]) -> tuple[tuple[Fraction, ...], ...]:
    return tuple(tuple(map(Fraction, row)) for row in rows)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_damped_oscillation_with_all_its_numbers_as_columns_is_seen(noise: float) -> None:
    found = find_neighbours(Rows.of(*_table(*DAMPED, noise=noise)))
    assert found is not None
    assert found.prefactor == _exponents((1, 0, 0, 0))[0]
    assert found.invariants == _exponents((0, 1, 0, 1), (0, 0, 1, 1))


def test_screening_keeps_the_columns_of_a_wave_beside_nothing_else() -> None:
    x, y = _table(*WAVE, count=2000)
    assert Narrowing.of(Dataset.from_arrays(x, y), Config()).kept == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("law", [
    lambda a, b, c: a * np.exp(-b / c),  # smooth: gradients tell more
    lambda a, b, c: np.random.default_rng(5).standard_normal(len(a)),
])  # fmt: skip
def test_nothing_is_seen_where_there_is_nothing_to_see(law) -> None:
    assert find_neighbours(Rows.of(*_table(law, [(1, 5)] * 3))) is None


def test_small_tables_other_counts_of_columns_and_signs_are_left_alone() -> None:
    x, y = _table(*DAMPED)
    assert find_neighbours(Rows.of(x[:150], y[:150])) is None
    assert find_neighbours(Rows.of(x[:, 2:], y)) is None
    assert find_neighbours(Rows.of(x - 3.0, y)) is None


def test_columns_may_be_idle_where_that_is_asked() -> None:
    x, y = _table(*DAMPED, count=1000)
    noisy = np.column_stack([x, np.random.default_rng(9).uniform(1, 2, len(x))])
    found = find_neighbours(Rows.of(noisy, y), idle=True)
    assert found is not None and columns_of(found) == (0, 1, 2, 3)


def test_a_factor_may_stand_before_a_function_of_one_number() -> None:
    law = lambda i, d, s, w: i * np.cos(np.pi * d * s / w) ** 2  # noqa: E731
    found = find_order(Rows.of(*_table(law, [(1, 5), (5, 20), (0.1, 1), (0.4, 0.7)])))
    assert found == Scaling(*_exponents((1, 0, 0, 0)), _exponents((0, 1, 1, -1)))
