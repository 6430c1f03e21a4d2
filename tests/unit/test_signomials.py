"""Sums of products: powers, primitives on the edges, links, noise and rounding of exponents."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.expression import Expression, Power
from kansym.symbolic.selection import description_length
from kansym.symbolic.signomials import near_fraction, powers, products

Array = np.ndarray


def rows_of(law: Callable[..., Array], *ranges: tuple[float, float], noise: float = 0.0) -> Rows:
    draws = np.random.default_rng(8)
    inputs = np.column_stack([draws.uniform(*ends, 500) for ends in ranges])
    clean = law(*inputs.T)
    return Rows(inputs, clean + noise * np.sqrt(np.mean(clean**2)) * draws.normal(size=500))


def best_of(stage: Callable[[Rows], object], rows: Rows) -> tuple[float, Expression]:
    """The least RMS error over the spread, and its formula; stops at an exact one."""
    best: tuple[float, Expression] | None = None
    for group in stage(rows):  # pyright: ignore[reportGeneralTypeIssues]
        for formula in group:
            error = float(np.sqrt(mean_square(formula, rows)) / np.std(rows.target))
            if best is None or error < best[0]:
                best = error, formula
        if best is not None and best[0] < 1e-9:
            break
    assert best is not None
    return best


@pytest.mark.parametrize(
    ("law", "ranges"),
    [
        (lambda a, b, c: 2 * a**2 * b / c + 3 * c**1.5 / a, ((1, 4), (1, 4), (1, 4))),
        (lambda a, b, c: np.sqrt(1 + 2 * a * b**2 / c), ((1, 4), (1, 4), (1, 4))),
        (lambda a, b, c: 1 / (a / b + c**2), ((1, 4), (1, 4), (1, 4))),
        (lambda a, b, c, d: a * b - c**2 / d + 0.5 * d / a**2, ((1, 4), (1, 4), (1, 4), (1, 4))),
        (lambda a, b, x: a * x**2 - b * x, ((1, 4), (1, 4), (-3, 3))),
        (lambda x, y, z, w: 2 * x * y * z + z * w**2, ((-3, 3), (-3, 3), (-3, 3), (-3, 3))),
        (lambda a, b: a**2 + 1e-4 * b / a, ((1, 4), (1, 4))),
    ],
    ids=[
        "two terms",
        "under a root",
        "in a denominator",
        "three terms",
        "a column that changes sign",
        "columns that change sign",
        "a faint second term",
    ],
)
def test_a_sum_of_powers_is_found_exactly(law: Callable[..., Array], ranges: tuple[tuple[float, float], ...]) -> None:
    error, _ = best_of(powers, rows_of(law, *ranges))
    assert error < 1e-9


@pytest.mark.parametrize(
    ("law", "ranges"),
    [
        (lambda a, b, c, t: a * b * np.cos(t) + c * b**2 * np.sin(t), ((1, 3), (1, 3), (1, 3), (0, 6))),
        (lambda a, b, c, t: a * b * np.exp(-t) / c + c**1.5 * b, ((1, 3), (1, 3), (1, 3), (0, 4))),
        (lambda m, g, s, t, w: 0.5 * m * s**2 * w**2 + m * g * s * (1 - np.cos(t)),
         ((1, 3), (5, 15), (1, 3), (-2, 2), (-3, 3))),
    ],
    ids=["waves", "decay", "pendulum"],
)  # fmt: skip
def test_primitives_join_where_powers_do_not_do(
    law: Callable[..., Array], ranges: tuple[tuple[float, float], ...]
) -> None:
    error, _ = best_of(products, rows_of(law, *ranges))
    assert error < 1e-9


@pytest.mark.parametrize(
    ("law", "ranges"),
    [
        (lambda a, b, c: 0.3 * a**0.425 * b**1.85 / c, ((1, 4), (1, 4), (1, 4))),
        (lambda a, b: a + 0.3 * b**1.85, ((1, 4), (1, 4))),
        (lambda z: 4 * (z**-12 - z**-6), ((0.95, 2.5),)),
    ],
    ids=["a product", "one of two terms", "steep powers of one column"],
)
def test_exponents_may_be_steep_or_no_fractions(
    law: Callable[..., Array], ranges: tuple[tuple[float, float], ...]
) -> None:
    error, _ = best_of(powers, rows_of(law, *ranges))
    assert error < 1e-9


def test_a_free_exponent_keeps_its_size_under_noise() -> None:
    rows = rows_of(lambda a, b, c: 0.3 * a**0.425 * b**2 / c, (1, 4), (1, 4), (1, 4), noise=0.01)
    candidates = [formula for group in powers(rows) for formula in group]
    formula = min(candidates, key=lambda each: description_length(each, mean_square(each, rows), rows))
    assert len(formula.free_constants) == 2
    assert min(abs(constant.value - 0.425) for constant in formula.free_constants) < 0.01
    assert {node.exponent for node in formula.walk() if isinstance(node, Power)} == {Fraction(2), Fraction(-1)}


@pytest.mark.parametrize(
    ("law", "ranges"),
    [
        (lambda a, s, k, d, m: a * (s - k * d / (m - d)),
         ((0.3, 0.6), (5, 20), (0.1, 1), (0.05, 0.4), (0.6, 1.2))),
        (lambda a, t, k, u: a + (t - a) * np.exp(-k * u), ((10, 30), (60, 100), (0.02, 0.3), (0, 20))),
        (lambda c, k, q, t: c * k / (q - k) * np.exp(-k * t),
         ((1, 4), (0.1, 0.5), (0.7, 2), (0, 8))),
        (lambda f, m, p, w: f * np.exp(m * p) + w, ((10, 100), (0.1, 0.5), (0, 9), (5, 50))),
        (lambda a, b, c: a * c * np.log(a / b), ((1, 5), (1, 5), (1, 5))),
        (lambda k, c, n: k * c ** (1 / n), ((0.5, 5), (1, 20), (1, 5))),
        (lambda k, c, n: k / (c**2) * c**n + k, ((0.5, 5), (1, 4), (1, 3))),
    ],
    ids=["a difference", "a decay", "a difference and a decay", "growth", "the logarithm of a ratio",
         "a root of any order", "a power of any order"],
)  # fmt: skip
def test_an_edge_may_carry_a_function_of_two_columns(
    law: Callable[..., Array], ranges: tuple[tuple[float, float], ...]
) -> None:
    error, _ = best_of(products, rows_of(law, *ranges))
    assert error < 1e-9


def test_rows_that_noise_has_brought_below_zero_do_not_close_the_other_links() -> None:
    draws = np.random.default_rng(3)
    inputs = np.column_stack([draws.uniform(50, 100, 500), 10 ** draws.uniform(-1, 2, 500), draws.uniform(1, 30, 500)])
    clean = inputs[:, 0] * inputs[:, 1] / (inputs[:, 1] + inputs[:, 2])
    noise = 0.01 * np.sqrt(np.mean(clean**2))
    rows = Rows(inputs, clean + noise * draws.normal(size=500))
    assert np.any(rows.target < 0)
    candidates = [formula for group in powers(rows) for formula in group]
    formula = min(candidates, key=lambda each: description_length(each, mean_square(each, rows), rows))
    assert mean_square(formula, rows) < 1.1 * noise**2
    assert {node.exponent for node in formula.walk() if isinstance(node, Power)} == {Fraction(-1)}


def test_noise_leaves_the_exponents_exact() -> None:
    rows = rows_of(lambda a, b, c: 2 * a**2 * b / c + 3 * c**1.5 / a, (1, 4), (1, 4), (1, 4), noise=0.02)
    candidates = [formula for group in powers(rows) for formula in group]
    formula = min(candidates, key=lambda each: description_length(each, mean_square(each, rows), rows))
    assert mean_square(formula, rows) == pytest.approx(0.02**2 * np.mean(rows.target**2), rel=0.2)
    found = {node.exponent for node in formula.walk() if isinstance(node, Power)}
    assert found <= {Fraction(2), Fraction(-1), Fraction(3, 2)}


def test_a_law_of_another_kind_gets_no_false_exponents() -> None:
    rows = rows_of(lambda a, b: np.exp(np.sin(3 * a) * b), (1, 4), (1, 4))
    for group in powers(rows):
        for formula in group:
            assert mean_square(formula, rows) > (1e-3 * np.std(rows.target)) ** 2


@pytest.mark.parametrize(
    ("value", "tolerance", "fraction"),
    [(1.9999, 1e-3, Fraction(2)), (0.5001, 1e-3, Fraction(1, 2)), (-0.3333, 1e-3, Fraction(-1, 3)), (0.41, 1e-3, None)],
)
def test_exponents_become_the_nearest_plain_fraction(value: float, tolerance: float, fraction: Fraction | None) -> None:
    assert near_fraction(value, tolerance) == fraction


def test_an_edge_whose_square_is_beyond_all_numbers_is_tried_in_silence() -> None:
    temperatures = np.linspace(270.0, 630.0, 19)
    pressures = 1e11 * np.exp(-7700.0 / temperatures) / temperatures  # exp(630)**2 overflows
    groups = [list(group) for group in products(Rows(temperatures[:, None], pressures))]
    assert groups


@pytest.mark.parametrize(
    ("law", "ranges"),
    [
        (lambda a, w, t: a * t**2 * np.exp(-11604.5 * w / t), ((1, 4), (2, 5), (1000, 2500))),
        (lambda v, m, t: v**2 * (m / t) ** 1.5 * np.exp(-0.36 * m * v**2 / t), ((0.5, 3), (1, 5), (1, 5))),
        (lambda q, u, y, z: q / u * np.exp(-0.6 * y**2 - 1.2 * z**2), ((1, 10), (1, 5), (0, 2), (0, 1.5))),
        (lambda d, k, t: d * k**0.7 * np.exp(-0.21 * k * t), ((1, 10), (0.5, 3), (0.5, 12))),
        (lambda a, x, m, s: a * np.exp(-((x - m) ** 2) / (2 * s**2)), ((1, 5), (0, 10), (3, 6), (1, 3))),
    ],
    ids=["over decades", "powers", "columns that reach zero", "a power that no fraction is near", "a difference"],
)
def test_a_power_law_times_an_exponential_is_one_product(law: Callable[..., Array], ranges: tuple) -> None:
    error, _ = best_of(powers, rows_of(law, *ranges))
    assert error < 1e-9


def test_a_power_law_times_an_exponential_is_found_among_noise() -> None:
    rows = rows_of(lambda a, t, r: a / r**2 * np.exp(-0.4 * t * r), (1, 10), (0.5, 2), (0.5, 2), noise=0.01)
    truth = rows.inputs[:, 0] / rows.inputs[:, 2] ** 2 * np.exp(-0.4 * rows.inputs[:, 1] * rows.inputs[:, 2])
    errors = [float(np.sqrt(np.mean((formula.evaluate(rows.inputs) - truth) ** 2)) / np.std(truth))
              for group in powers(rows, 1) for formula in group]  # fmt: skip
    assert min(errors) < 2e-3
