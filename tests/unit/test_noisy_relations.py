"""Quotients of sums come out of noisy rows in the form of the law, and nothing comes out of rows without one."""

from collections.abc import Callable

import numpy as np
import pytest

from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.noisy_relations import likely_quotients, relations_of
from kansym.symbolic.table import EXACT, Table

Array = np.ndarray


def noisy(law: Callable[..., Array], columns: int, noise: float, rows: int = 600) -> tuple[Rows, Rows]:
    """The rows with noise, in shares of the spread, and without."""
    generator = np.random.default_rng(7)
    inputs = generator.uniform(0.5, 4.0, (rows, columns))
    clean = law(*inputs.T)
    error = noise * float(np.std(clean)) * generator.normal(size=rows)
    return Rows(inputs, clean + error), Rows(inputs, clean)


LAWS: list[tuple[str, int, Callable[..., Array]]] = [
    ("line over a line", 1, lambda x: (3.0 * x - 1.0) / (x + 0.7)),
    ("saturation", 2, lambda s, i: 2.0 * s / (s + 0.4 * i + 0.3)),
    ("reflectance", 2, lambda n, k: ((n - 1.0) ** 2 + k**2) / ((n + 1.0) ** 2 + k**2)),
    ("centre of mass", 4, lambda a, b, x, y: (a * x + b * y) / (a + b)),
    ("logarithm below", 1, lambda x: 2.0 / (1.5 + np.log(x))),
    ("root of a quotient", 2, lambda x, y: np.sqrt((x + 2.0) / (y + 0.5))),
    ("squares", 1, lambda x: (x**2 + 3.0) / (x**2 + 0.6)),
    ("a phase of two waves", 3, lambda a, b, x: np.arctan(a * np.sin(x) / (5.0 + a * np.cos(x) + b))),
    ("a resonance", 4, lambda f, w, v, g: f / np.sqrt((w**2 - v**2) ** 2 + (g * v) ** 2)),
    ("a third power", 3, lambda x, y, z: 0.2 * x * (y**2 + z**2) / (1.0 + x * y)),
]


@pytest.mark.parametrize("noise", [0.005, 0.02])
@pytest.mark.parametrize(("columns", "law"), [law[1:] for law in LAWS], ids=[law[0] for law in LAWS])
def test_the_form_of_the_law_is_found(columns: int, law: Callable[..., Array], noise: float) -> None:
    rows, clean = noisy(law, columns, noise)
    found = list(likely_quotients(rows, 1.05 * noise))
    left = min(polish(each, clean).mean_square for each in found)
    assert left < 1e-18 * clean.spread**2


def test_needless_terms_are_gone() -> None:
    rows, clean = noisy(lambda s, i: 2.0 * s / (s + 0.4 * i + 0.3), 2, 0.01)
    right = [
        each for each in likely_quotients(rows, 0.0105) if polish(each, clean).mean_square < 1e-18 * clean.spread**2
    ]
    assert min(len(each.free_constants) for each in right) == 3


def test_imitations_of_a_lower_degree_do_not_hide_a_quotient() -> None:
    """Imitations of a lower degree have more terms; what decides is what is left of them without the needless ones."""
    generator = np.random.default_rng(11)
    speed, angle = generator.uniform(0.17, 0.75, 1500), generator.uniform(1.0, 3.0, 1500)
    clean = np.arccos((np.cos(angle) - speed) / (1.0 - speed * np.cos(angle)))
    inputs = np.column_stack([speed, angle])
    rows = Rows(inputs, clean + 0.05 * float(np.std(clean)) * generator.standard_normal(1500))
    found = list(likely_quotients(rows, 0.05))
    assert min(polish(each, Rows(inputs, clean)).mean_square for each in found) < 1e-18


def test_weights_tell_which_rows_are_noisy() -> None:
    rows, clean = noisy(lambda x: (3.0 * x - 1.0) / (x + 0.7), 1, 0.0)
    generator = np.random.default_rng(8)
    loud = np.where(np.arange(len(rows)) % 2, 0.5, 0.005)
    spoiled = Rows(rows.inputs, rows.target + loud * generator.normal(size=len(rows)), 1.0 / loud**2)
    best = min(likely_quotients(spoiled, 10.0), key=lambda each: mean_square(each, clean))
    assert mean_square(best, clean) < (0.002) ** 2


@pytest.mark.parametrize("rows", [5, 40, 600])
def test_noise_alone_has_no_quotient(rows: int) -> None:
    generator = np.random.default_rng(9)
    table = Rows(generator.uniform(1.0, 2.0, (rows, 2)), generator.normal(size=rows))
    assert list(likely_quotients(table, 0.05)) == []


def test_more_columns_than_it_is_made_for_and_constant_ones_are_left_alone() -> None:
    generator = np.random.default_rng(10)
    inputs = generator.uniform(1.0, 2.0, (300, 5))
    assert list(likely_quotients(Rows(inputs, inputs[:, 0] / inputs[:, 1]), 0.1)) == []
    still = np.column_stack([inputs[:, 0], np.ones(300)])
    found = list(likely_quotients(Rows(still, inputs[:, 0] / (inputs[:, 0] + 2.0)), 0.01))
    assert all(np.isfinite(mean_square(each, Rows(still, inputs[:, 0]))) for each in found)


def test_exact_rows_are_left_to_exact_relations() -> None:
    _, clean = noisy(lambda s, i: 2.0 * s / (s + 0.4 * i + 0.3), 2, 0.0)
    (found,) = relations_of(Table(clean, clean, EXACT))
    assert mean_square(found, clean) < 1e-24


def test_a_small_table_of_rounded_numbers_shows_its_quotient() -> None:
    x = np.linspace(0.4, 2.3, 30)
    index = np.sqrt(2.7 + 0.019 / (x**2 - 0.018) - 0.0135 * x**2)
    rows = Rows(x[:, None], np.round(index, 5))
    found = list(relations_of(Table(rows, rows, EXACT)))
    assert min(mean_square(each, Rows(x[:, None], index)) for each in found) < 1e-5**2
