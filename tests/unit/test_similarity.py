"""Similarity laws, y = x**p g(x**q), are told from tables with noise, few rows and targets over hundreds of decades."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

import kansym
from kansym.config import Config
from kansym.data import Dataset
from kansym.structure.rows import Rows
from kansym.structure.similarity import find_similarity
from kansym.structure.symmetry import Scaling

Array = np.ndarray
Law = Callable[..., Array]
LAWS: list[tuple[Law, tuple[int, ...]]] = [
    (lambda h, w, c, k, t: h * w**3 / (c**2 * np.expm1(h * w / (k * t))), (1, 1, 0, -1, -1)),
    (lambda n, m, g, x, k: n * np.exp(-m * g * x / (2 * k)), (0, 1, 1, 1, -1)),
    (lambda n, m, b, k: n * m * np.tanh(m * b / k), (0, 1, 1, -1)),
    (lambda a, b, c: -c * np.sqrt(a**2 + b**2), (1, -1, 0)),
    (lambda a, b: np.sqrt(b) / (1 + a**2 / b), (2, -1)),
]


def table(law: Law, columns: int, noise: float, rows: int = 1000, seed: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    x = random.uniform(1, 5, (rows, columns))
    y = law(*x.T)
    return x, y + noise * np.sqrt(np.mean(y**2)) * random.standard_normal(rows)


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.05])
@pytest.mark.parametrize(("law", "powers"), LAWS)
def test_the_powers_inside_are_found_under_noise(law: Law, powers: tuple[int, ...], noise: float) -> None:
    found = find_similarity(Rows.of(*table(law, len(powers), noise)))
    assert found is not None
    ((inside,), wanted) = found.invariants, np.array(powers, dtype=float)
    got = np.array([float(power) for power in inside])
    assert np.allclose(got / np.linalg.norm(got), wanted / np.linalg.norm(wanted) * np.sign(got @ wanted))


@pytest.mark.parametrize(("law", "powers"), LAWS)
def test_what_is_left_is_a_curve(law: Law, powers: tuple[int, ...]) -> None:
    x, y = table(law, len(powers), 0.0)
    found = find_similarity(Rows.of(x, y + 1e-3 * np.random.default_rng(1).standard_normal(len(y)) * np.abs(y)))
    assert found is not None
    left = found.apply(Rows.of(x, y))
    order = np.argsort(left.inputs[:, 0])
    between = np.interp(left.held_inputs[:, 0], left.inputs[order, 0], left.target[order])
    assert np.median(np.abs(between / left.held_target - 1)) < 1e-3


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01])
@pytest.mark.parametrize(
    "law",
    [
        lambda a, b, c: a * b + a * np.exp(c / 3),
        lambda a, b, c: a * np.sqrt(b**2 + c**2 + 1),
        lambda a, b, c: np.sin(2 * a) + b / c,
    ],
)
def test_other_laws_are_none(law: Law, noise: float) -> None:
    found = find_similarity(Rows.of(*table(law, 3, noise)))
    assert found is None


@pytest.mark.parametrize("noise", [0.001, 0.01, 0.1])
def test_a_product_of_powers_needs_no_curve(noise: float) -> None:
    assert find_similarity(Rows.of(*table(lambda a, b, c: a**2 * np.sqrt(b) / c, 3, noise))) is None


def test_columns_of_both_signs_few_rows_and_constants_are_none() -> None:
    x, y = table(LAWS[4][0], 2, 0.0)
    assert find_similarity(Rows.of(x - 3.0, y)) is None
    assert find_similarity(Rows.of(x[:30], y[:30])) is None
    assert find_similarity(Rows.of(x[:, :1], y)) is None
    assert find_similarity(Rows.of(np.column_stack([x[:, 0], np.ones(len(x))]), y)) is None
    assert find_similarity(Rows.of(x, np.zeros(len(x)))) is None


def test_the_factor_and_the_number_are_whole_where_the_law_is() -> None:
    x, y = table(lambda a, b, c: a**2 / b * np.exp(-c / a), 3, 0.001)
    found = find_similarity(Rows.of(x, y))
    assert isinstance(found, Scaling)
    assert {power.denominator for power in (*found.prefactor, *found.invariants[0])} == {1}
    assert found.prefactor[1] == Fraction(-1)


@pytest.mark.slow
def test_a_spectrum_over_hundreds_of_decades_is_exact() -> None:
    random = np.random.default_rng(4)
    nu, t = 10 ** random.uniform(-2, 3, 100), 10 ** random.uniform(0, 2, 100)
    nu = np.minimum(nu, 300 * t)
    result = kansym.fit(Dataset(np.column_stack([nu, t]), 3.7 * nu**3 / np.expm1(1.3 * nu / t), ("nu", "T"), ("B",)),
                        Config(time_limit=60.0))  # fmt: skip
    assert result.front.exact and result.formula.complexity <= 16
