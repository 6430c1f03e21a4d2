"""Roots of quadratic equations come out of noisy rows in the form of the law, and nothing out of other rows."""

from collections.abc import Callable

import numpy as np
import pytest

from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.implicit import most_likely
from kansym.symbolic.noisy_roots import likely_roots

Array = np.ndarray
Law = Callable[..., Array]

LAWS: list[tuple[str, int, Law]] = [
    ("tight binding", 3, lambda e, f, k: 0.5 * (e + f + k - np.sqrt((e + f + k) ** 2 - 4.0 * e * f))),
    ("levels that repel", 3, lambda a, b, c: 0.5 * (a + b) + np.sqrt(0.25 * (a - b) ** 2 + c * c)),
    ("weak acid", 2, lambda k, c: 0.5 * (np.sqrt(k * k + 4.0 * k * c) - k)),
    ("Morrison", 3, lambda e, i, k: 1.0 - (e + i + k - np.sqrt((e + i + k) ** 2 - 4.0 * e * i)) / (2.0 * e)),
    ("a root beside a line", 3, lambda p, a, v: v + np.sqrt((p - a) ** 2 + 1.0)),
    ("fitted numbers", 2, lambda x, y: np.sqrt(1.69 * x * x + 2.2 * y + 0.7) - 1.3 * x),
]


def noisy(law: Law, columns: int, noise: float, rows: int = 600) -> tuple[Rows, Rows]:
    """The rows with noise, in shares of the spread, and without."""
    generator = np.random.default_rng(7)
    inputs = generator.uniform(0.5, 4.0, (rows, columns))
    clean = law(*inputs.T)
    return Rows(inputs, clean + noise * float(np.std(clean)) * generator.normal(size=rows)), Rows(inputs, clean)


@pytest.mark.parametrize("noise", [0.005, 0.02])
@pytest.mark.parametrize(("columns", "law"), [law[1:] for law in LAWS], ids=[law[0] for law in LAWS])
def test_the_form_of_the_law_is_found(columns: int, law: Law, noise: float) -> None:
    rows, clean = noisy(law, columns, noise)
    (found,) = likely_roots(rows, 1.05 * noise)
    assert polish(found, clean).mean_square < 1e-18 * clean.spread**2


def test_plain_numbers_are_exact() -> None:
    rows, clean = noisy(LAWS[0][2], 3, 0.02)
    (found,) = likely_roots(rows, 0.021)
    assert found.free_constants == ()
    assert mean_square(found, clean) < 1e-24


@pytest.mark.parametrize("law", [lambda x, y: y * np.sin(3.0 * x), lambda x, y: np.exp(-x) * np.cos(2.0 * y)])
def test_other_laws_are_no_roots(law: Law) -> None:
    rows, _ = noisy(law, 2, 0.01)
    assert list(likely_roots(rows, 0.0105)) == []


@pytest.mark.parametrize(("rows", "columns"), [(30, 2), (600, 5)])
def test_too_few_rows_and_too_many_columns_are_left_alone(rows: int, columns: int) -> None:
    generator = np.random.default_rng(9)
    table = Rows(generator.uniform(1.0, 2.0, (rows, columns)), generator.normal(size=rows))
    assert list(likely_roots(table, 10.0)) == []


def test_the_most_likely_numbers_are_those_of_the_relation() -> None:
    rows, clean = noisy(lambda x: np.sqrt(x + 2.0) - 0.5, 1, 0.001)  # y^2 + y - x - 7/4 = 0
    x = rows.inputs
    blocks = (np.hstack([np.ones_like(x), x]), np.ones_like(x), np.ones_like(x))
    first, second, third = most_likely(blocks, rows.target, np.ones(len(rows))) or ()
    assert first == pytest.approx([-1.75, -1.0], rel=0.02)
    assert [*second, *third] == pytest.approx([1.0, 1.0], rel=0.02)
    assert most_likely((blocks[0], 0.0 * x), clean.target, np.ones(len(rows))) is None
