"""Exact relations: quotients and roots of quadratic equations are found by linear algebra, and none is invented."""

from collections.abc import Callable

import numpy as np
import pytest

from kansym.symbolic.constants import Rows
from kansym.symbolic.relations import (
    COORDINATES,
    exact_quotients,
    exact_roots,
    further_relations,
    quick_relations,
    rationals,
    rough_rationals,
    terms_in,
)

Array = np.ndarray
Box = tuple[tuple[float, float], ...]
POSITIVE: Box = ((0.5, 3.0),) * 5


def rows_of(law: Callable[..., Array], box: Box, rows: int = 400) -> Rows:
    low, high = np.array(box).T
    inputs = np.random.default_rng(1).uniform(low, high, (rows, len(box)))
    return Rows(inputs, law(*inputs.T))


def misfits(found: list, rows: Rows) -> list[float]:
    return [float(np.std(each.evaluate(rows.inputs) - rows.target) / rows.spread) for each in found]


@pytest.mark.parametrize(
    ("law", "columns"),
    [
        (lambda a, b: (a + b) / (1 + a * b), 2),
        (lambda v, s, k, i, j: v * s * j / ((k + s) * (j + i)), 5),
        (lambda f, u, w, g: f / np.sqrt((u**2 - w**2) ** 2 + (g * w) ** 2), 4),
        (lambda a, b, c, d: 10 ** (a - b / (c + d)), 4),
        (lambda p, u, v, w: (p * u + v) / (p**2 * u + 2 * p * v + w), 4),
        (lambda r, a: (1 - a - r**3 * (a + 2)) / (r**2 * (a + 2)), 2),
    ],
)
def test_a_quotient_of_columns_is_found(law: Callable[..., Array], columns: int) -> None:
    rows = rows_of(law, POSITIVE[:columns])
    found = list(exact_quotients(rows))
    assert found and max(misfits(found, rows)) < 1e-10


@pytest.mark.parametrize(
    ("law", "box"),
    [
        (lambda e, i, k: (e + i + k - np.sqrt((e + i + k) ** 2 - 4 * e * i)) / (2 * e), POSITIVE[:3]),
        (lambda a, b, v: (a + b) / 2 + np.sqrt((a - b) ** 2 / 4 + v**2), ((-3, 3), (-3, 3), (-2, 2))),
        (lambda a, b, v: (a + b) / 2 - np.sqrt((a - b) ** 2 / 4 + v**2), ((-3, 3), (-3, 3), (-2, 2))),
        (lambda k, c: (-k + np.sqrt(k**2 + 4 * k * c)) / 2, POSITIVE[:2]),
    ],
)
def test_a_root_of_a_quadratic_equation_is_found(law: Callable[..., Array], box: Box) -> None:
    rows = rows_of(law, box)
    assert not list(exact_quotients(rows))
    found = list(exact_roots(rows))
    assert len(found) == 1 and misfits(found, rows)[0] < 1e-10


@pytest.mark.parametrize(
    ("law", "box"),
    [
        (lambda t, m: np.sqrt((np.tan(t) + m) / (1 - m * np.tan(t))), ((0.05, 0.6), (0.05, 0.7))),
        (lambda a, e, n: a * (1 - e**2) / (1 + e * np.cos(n)), ((0.5, 5.0), (0.05, 0.8), (0.0, 6.28))),
        (
            lambda r, t, s: r * np.cos(t) + np.sqrt(s**2 - r**2 * np.sin(t) ** 2),
            ((0.5, 1.5), (0.0, 6.2), (2.0, 4.0)),
        ),
        (lambda x, y: (1 + y * np.exp(x)) / (2 + y), ((-2, 2), (0.5, 3))),
        (lambda r, a, t: np.cos(t) * ((a - 1) / (a + 2) / r**2 - r), ((0.5, 3.0), (2.0, 4.0), (0.0, 3.0))),
        (lambda a, d: np.arccos(-np.tan(a) * np.tan(d)), ((-1.0, 1.0), (-0.4, 0.4))),
        (lambda a, n: np.arcsin(np.sin(a) / n), ((0.0, 1.5), (1.1, 2.0))),
    ],
)
def test_columns_may_be_seen_through_functions(law: Callable[..., Array], box: Box) -> None:
    rows = rows_of(law, box)
    found = list(quick_relations(rows))
    assert found and max(misfits(found, rows)) < 1e-10


@pytest.mark.parametrize(
    "law", [lambda t, n: (np.sin(n * t / 2) / np.sin(t / 2)) ** 2, lambda k, t: (1 - np.exp(-k / t)) / (1 + t)]
)
def test_a_column_may_be_seen_as_a_product_or_quotient(law: Callable[..., Array]) -> None:
    rows = rows_of(law, POSITIVE[:2])
    found = list(quick_relations(rows))
    assert found and max(misfits(found, rows)) < 1e-10


def test_two_of_three_columns_may_be_seen_through_functions() -> None:
    rows = rows_of(lambda x, y, z: (z + np.exp(x)) / (1 + z * np.log(y)), ((-1, 1), (1.5, 4), (0.5, 3)))
    found = list(further_relations(rows))
    assert not list(quick_relations(rows)) and found and max(misfits(found, rows)) < 1e-10


@pytest.mark.parametrize(
    "law",
    [
        lambda a, b: np.sin(2.3 * a) + b,
        lambda a, b: np.exp(-1.7 * a * b) + a,
        lambda a, b: np.tanh(a * b) / b,
        lambda a, b: a**1.37 + b,
    ],
)
def test_none_is_invented(law: Callable[..., Array]) -> None:
    assert list(quick_relations(rows_of(law, POSITIVE[:2]))) == []


@pytest.mark.parametrize("law", [lambda z: z**3 / (np.exp(z / 6.28) - 1), lambda z: np.log(np.cosh(z)) / z])
def test_a_smooth_curve_is_no_relation(law: Callable[..., Array]) -> None:
    assert list(quick_relations(rows_of(law, ((0.2, 5.0),)))) == []


def test_none_is_seen_in_noise_or_with_few_rows() -> None:
    rows = rows_of(lambda a, b: (a + b) / (1 + a * b), POSITIVE[:2])
    noisy = Rows(rows.inputs, rows.target + 1e-3 * np.random.default_rng(0).normal(size=len(rows)))
    assert list(quick_relations(noisy)) == []
    assert list(exact_quotients(rows.take(np.arange(10)))) == []
    assert list(quick_relations(Rows(np.empty((20, 0)), np.ones(20)))) == []


def test_under_noise_the_nearest_quotient_of_low_degree_is_fitted() -> None:
    rows = rows_of(lambda a, b: (a + b) / (1 + a * b), POSITIVE[:2])
    noisy = Rows(rows.inputs, rows.target + 0.01 * rows.spread * np.random.default_rng(0).normal(size=len(rows)))
    assert min(misfits(list(rough_rationals(noisy)), rows)) < 0.005


def test_degrees_above_and_below_are_kept_apart() -> None:
    rows = rows_of(lambda a, b: (a**3 + b) / (1 + b), POSITIVE[:2])
    assert max(misfits(list(rationals(rows, 3, 1)), rows)) < 1e-10
    assert list(rationals(rows, 1, 1)) == []


@pytest.mark.parametrize("coordinate", COORDINATES, ids=lambda each: each.name)
def test_terms_are_those_of_the_total_degree(coordinate) -> None:
    terms = terms_in([coordinate, coordinate], 2)
    assert len(set(terms)) == len(terms)
    values = np.array([term.evaluate(np.array([[0.7, 1.3]])) for term in terms])
    one = [coordinate.of_degree(each, 1) for each in (terms_in([COORDINATES[0]], 1)[1],)][0]
    assert len(terms) == 1 + 2 * len(one) + 2 * len(coordinate.of_degree(one[0], 2)) + len(one) ** 2
    assert np.all(np.isfinite(values))
