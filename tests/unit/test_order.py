"""Columns that act as one number are seen by the order of the rows, and nothing is seen where there is none."""

from fractions import Fraction

import numpy as np
import pytest

from kansym.config import Config
from kansym.data import Dataset
from kansym.narrowing import Narrowing
from kansym.structure.order import find_order
from kansym.structure.rows import Rows

Array = np.ndarray


def rows(law, columns: int = 3, count: int = 1500, seed: int = 0, noise: float = 0.0) -> Rows:
    random = np.random.default_rng(seed)
    x = random.uniform(1, 4, (count, columns))
    y = law(*x.T) + noise * random.normal(size=count)
    return Rows(x[::2], y[::2], x[1::2], y[1::2])


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_fast_wave_of_one_number_is_seen(noise: float) -> None:
    found = find_order(rows(lambda x, y, z: np.sin(9 * x * y / z**2), noise=noise))
    assert found is not None and found.invariants == ((Fraction(1), Fraction(1), Fraction(-2)),)


def test_a_column_that_carries_nothing_has_no_part_in_it() -> None:
    found = find_order(rows(lambda x, y, z: np.cos(60 * x / z)))
    assert found is not None and found.invariants == ((Fraction(1), Fraction(0), Fraction(-1)),)


@pytest.mark.parametrize("law", [
    lambda x, y, z: x * y / z,  # smooth: gradients tell more
    lambda x, y, z: np.sin(9 * x * y) + 0.5 * z,  # not of one number
    lambda x, y, z: np.random.default_rng(1).normal(size=len(x)),
])  # fmt: skip
def test_nothing_is_seen_where_there_is_nothing_to_see(law) -> None:
    assert find_order(rows(law)) is None


def test_columns_with_zeros_and_small_tables_are_left_alone() -> None:
    wave = rows(lambda x, y, z: np.sin(9 * x * y / z))
    assert find_order(Rows(wave.inputs - 2, wave.target, wave.held_inputs - 2, wave.held_target)) is None
    assert find_order(rows(lambda x, y, z: np.sin(9 * x * y / z), count=60)) is None


def test_screening_keeps_the_columns_of_a_fast_wave() -> None:
    wave = rows(lambda x, y, z: np.sin(20 * x * y / z))
    assert Narrowing.of(Dataset.from_arrays(wave.inputs, wave.target), Config()).kept == (0, 1, 2)
