"""Sums of shapes: every family keeps its contract, and laws that are such sums come back exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.expression import Tape
from kansym.symbolic.lowdim import drawn
from kansym.symbolic.shapes import FAMILIES, Family, Shape
from kansym.symbolic.superposition import sums_of_shapes
from kansym.symbolic.table import Candidate, Table

POINTS = np.linspace(0.3, 7.0, 90)


def _rows(law, low=0.1, high=10.0, count=150, noise=0.0, seed=0) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, count)
    return Rows(x[:, None], law(x) + noise * rng.standard_normal(count))


def _best(rows: Rows, most: int) -> tuple[float, int]:
    """The least misfit over the variance up to so many shapes, and the length of that formula."""
    found = [each for sums in sums_of_shapes(rows, most) for each in sums]
    error, length = min((mean_square(each, rows) / float(np.var(rows.target)), each.complexity) for each in found)
    return error, length


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_start_of_a_family_is_a_member_with_finite_values(family: Family) -> None:
    starts = family.starts(POINTS)
    assert starts.ndim == 2 and len(starts) > 0 and np.all(np.isfinite(starts))
    for form in family.forms:
        assert len(form.free_constants) == starts.shape[1]
        values = np.broadcast_to(Tape(form).values(POINTS[:, None], starts), (len(starts), len(POINTS)))
        assert np.mean(np.all(np.isfinite(values), axis=1)) > 0.9


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_is_written_has_the_values_of_the_forms_times_their_numbers(family: Family) -> None:
    starts = family.starts(POINTS)
    shape = Shape(family, tuple(starts[len(starts) // 2]))
    outer = np.array([1.7, -0.6])[: len(family.forms)]
    forms = [form.with_constants(shape.inner).evaluate(POINTS[:, None]) for form in family.forms]
    wanted = outer @ np.array(forms)
    np.testing.assert_allclose(shape.written(outer).evaluate(POINTS[:, None]), wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("family", [each for each in FAMILIES if not each.positive], ids=lambda family: family.name)
def test_families_of_any_column_take_negative_ones(family: Family) -> None:
    shifted = POINTS - 5.0
    starts = family.starts(shifted)
    for form in family.forms:
        values = np.broadcast_to(Tape(form).values(shifted[:, None], starts), (len(starts), len(shifted)))
        assert np.mean(np.all(np.isfinite(values), axis=1)) > 0.9


@pytest.mark.parametrize(
    "law, most",
    [
        (lambda x: 2.5 * np.exp(-0.3 * x) * np.cos(4.2 * x + 0.5), 1),
        (lambda x: 4.0 * np.exp(-((x - 3.2) ** 2) / 0.98) + 0.5 + 0.1 * x, 1),
        (lambda x: 1.0 - np.exp(-((x / 3.2) ** 1.7)), 1),
        (lambda x: np.sin(0.5 * x**2 + x), 1),
        (lambda x: 10.0 * np.exp(-5.0 * np.exp(-0.4 * x)), 1),
        (lambda x: 5.0 * x**2.3 / (3.1**2.3 + x**2.3) + 0.4, 1),
        (lambda x: 5.0 * np.exp(-0.2 * x) + 3.0 * np.exp(-1.7 * x), 2),
        (lambda x: 1.0 / np.tanh(x / 1.3) - 1.3 / x, 2),
        (lambda x: 5.0 * np.exp(-0.1 * x) + 3.0 * np.exp(-0.7 * x) + 2.0 * np.exp(-4.0 * x), 3),
        (lambda x: 4.2 * (1.0 - np.exp(-0.4 * x)) ** 3.06, 1),
        (lambda x: 13.0 * np.arctan(0.76 * x) + 3.5 * np.arctan((x / 7.5) ** 2), 2),
        (lambda x: 3.6 * x**-0.8 - 6.5 * np.exp(-0.6 * (x - 3.3) ** 2) + 0.002 * x**4, 3),
    ],
    ids=["damped", "bell", "Weibull", "chirp", "Gompertz", "Hill", "two decays", "Langevin", "three decays",
         "Richards", "two angles", "hearing"],
)  # fmt: skip
def test_a_law_that_is_a_sum_of_shapes_is_found_to_the_last_digits(law, most: int) -> None:
    error, _ = _best(_rows(law), most)
    assert error < 1e-20


@settings(max_examples=2, deadline=None)
@given(st.floats(0.15, 0.5), st.floats(1.2, 3.0), st.floats(0.5, 5.0), st.floats(-5.0, -0.5), st.integers(0, 2**31))
def test_any_two_decays_come_apart(slow: float, fast: float, first: float, second: float, seed: int) -> None:
    rows = _rows(lambda x: first * np.exp(-slow * x) + second * np.exp(-fast * x) + 0.3, seed=seed)
    assert _best(rows, 2)[0] < 1e-16


def test_the_scale_and_place_of_the_column_change_nothing() -> None:
    for scale, shift in ((1e-6, 0.0), (1e5, 250.0)):
        rows = _rows(lambda x: 3.0 * np.exp(-x) * np.sin(4.0 * x) + 1.0)
        moved = Rows(scale * rows.inputs + shift, rows.target)
        assert _best(moved, 1)[0] < 1e-18


def test_noise_is_left_alone() -> None:
    rows = _rows(lambda x: 5.0 * np.exp(-0.2 * x) - 4.0 * np.exp(-1.1 * x), noise=0.02)
    error, _ = _best(rows, 2)
    assert 0.5 * 0.02**2 < error * np.var(rows.target) < 1.2 * 0.02**2


def test_rows_of_little_weight_do_not_count() -> None:
    rows = _rows(lambda x: 5.0 * np.exp(-0.3 * x) + 1.0)
    wrong = rows.inputs[:, 0] > 8.0
    bent = Rows(rows.inputs, np.where(wrong, 7.0, rows.target), np.where(wrong, 1e-12, 1.0))
    assert min(mean_square(each, bent) for each in next(sums_of_shapes(bent, 1))) < 1e-9


def test_a_slow_wave_is_no_shape_of_a_smooth_law() -> None:
    rows = _rows(lambda x: np.log(x) ** 2 / (1.0 + x), low=1.0, high=5.0)
    for sums in sums_of_shapes(rows, 2):
        for each in sums:
            waves = [node for node in each.walk() if getattr(node, "name", "") in ("sin", "cos")]
            assert all(np.ptp(wave.argument.evaluate(rows.inputs)) >= 1.9 for wave in waves)


def test_too_few_or_constant_rows_give_nothing() -> None:
    assert list(sums_of_shapes(_rows(np.exp, count=6))) == []
    assert list(sums_of_shapes(_rows(lambda x: 0.0 * x + 2.0))) == []


def test_a_noisy_column_is_drawn_by_a_short_formula_and_not_by_a_wrong_or_exact_one() -> None:
    rows = _rows(lambda x: 2.5 * np.exp(-0.3 * x) * np.cos(4.2 * x + 0.5), noise=0.02, count=400)
    table = Table(rows, rows, goal=0.04)
    found = [Candidate(each, table.error(each), "sum of shapes") for each in next(sums_of_shapes(rows))]
    assert drawn(found, table)
    assert not drawn([Candidate(each.expression, 0.3, "sum of shapes") for each in found], table)
    assert not drawn(found, Table(rows, rows))


@pytest.mark.parametrize("seed", range(2))
def test_pure_noise_and_wild_columns_are_no_obstacle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(60) * 10.0 ** rng.integers(-6, 6)
    rows = Rows(np.exp(3.0 * x / np.std(x))[:, None] if seed % 2 else x[:, None], rng.standard_normal(60))
    assert all(np.isfinite(mean_square(each, rows)) for sums in sums_of_shapes(rows, 2) for each in sums)
