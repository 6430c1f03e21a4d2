"""Symmetries read from gradients: the laws that a table obeys are found, and no others."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kansym.structure.rows import Rows
from kansym.structure.symmetry import (
    Combination,
    Scaling,
    find_by_trial,
    find_combination,
    find_scaling,
    monomial,
    nearest_rational,
    reduced_error,
)

Array = np.ndarray
Law = Callable[..., Array]


def table(law: Law, box: tuple[tuple[float, float], ...], rows: int = 300, seed: int = 0) -> Rows:
    low, high = np.array(box).T
    inputs = np.random.default_rng(seed).uniform(low, high, (rows, len(box)))
    target = law(*inputs.T)
    return Rows(inputs[:-80], target[:-80], inputs[-80:], target[-80:])


def is_function_of(values: Array, argument: Array) -> bool:
    """Whether values always rise, or always fall, with the argument: one is a function of the other."""
    ordered = np.diff(values[np.argsort(argument)])
    return bool(np.all(ordered > 0) or np.all(ordered < 0))


def test_a_monomial_has_no_variable_left() -> None:
    found = find_scaling(table(lambda m, v, r: 2.5 * m * v**2 / r, ((1, 4), (1, 4), (1, 4))))
    assert found == Scaling((Fraction(1), Fraction(2), Fraction(-1)), ())


def test_a_monomial_of_fractional_powers_is_found() -> None:
    found = find_scaling(table(lambda a, b: 0.3 * a**1.5 * b**-0.5, ((1, 5), (1, 5))))
    assert found == Scaling((Fraction(3, 2), Fraction(-1, 2)), ())


def test_a_thermal_spectrum_has_one_variable_left() -> None:
    rows = table(lambda f, t: f**3 / np.expm1(f / t), ((1, 5), (1, 5)))
    found = find_scaling(rows)
    assert found is not None and len(found.invariants) == 1
    assert found.invariants[0][0] == -found.invariants[0][1]  # the ratio of frequency and temperature
    assert sum(found.prefactor) == 3  # times a cube of either
    reduced = found.apply(rows)
    assert reduced.inputs.shape[1] == 1
    assert reduced_error(reduced, rows, found) < 1e-3


def test_columns_are_seen_on_the_scale_on_which_they_lie_evenly() -> None:
    def scattering(a: Array, w: Array, v: Array, b: Array) -> Array:
        return a**2 * (v / w) ** 2 * (v / w + w / v - np.sin(b) ** 2)

    rows = table(scattering, ((1, 5), (1, 5), (1, 5), (0.01, 6)), 1000)  # the angle is no function of its logarithm
    found = find_scaling(rows)
    assert found is not None and found.prefactor[0] == 2
    assert any(each[3] for each in found.invariants) and len(found.invariants) == 2


def test_a_relativistic_mass_keeps_the_ratio_of_the_speeds() -> None:
    rows = table(lambda m, v, c: m / np.sqrt(1 - v**2 / c**2), ((1, 5), (1, 2), (3, 10)))
    found = find_scaling(rows)
    assert found is not None and found.prefactor[0] == 1
    assert [tuple(abs(p) for p in row) for row in found.invariants] == [(0, 1, 1)]
    np.testing.assert_allclose(found.apply(rows).target, (rows.target / monomial(rows.inputs, found.prefactor)))


def test_a_column_that_may_be_negative_is_scaled_too() -> None:
    found = find_scaling(table(lambda x, y: x**2 * np.sin(y / x) / y, ((1, 3), (-3, -1))))
    assert found is not None and len(found.invariants) == 1


@pytest.mark.parametrize(
    ("law", "phi", "coefficient"),
    [
        (lambda x, y: np.exp(-0.5 * (x - y)), "x", -1.0),
        (lambda x, y: np.sin(x + 2 * y), "x", 2.0),
        (lambda x, y: 1 / (1 + x**2 + y**2), "x^2", 1.0),
        (lambda x, y: np.sqrt(5 * x**2 + 10 * y**2), "x^2", 2.0),
        (lambda x, y: np.log(1 + 1 / x + 1 / y), "x^-1", 1.0),
    ],
)
def test_two_columns_that_act_as_one_are_found(law: Law, phi: str, coefficient: float) -> None:
    found = find_combination(table(law, ((0.5, 2.0), (0.5, 2.0))))
    assert found is not None
    assert (found.first, found.second, found.phi) == (0, 1, phi)
    assert found.coefficient == pytest.approx(coefficient, rel=1e-3)


@pytest.mark.parametrize(
    ("law", "phi", "coefficient", "gain"),
    [
        (lambda x, y: np.log(np.exp(2 * x) + np.exp(2 * y)), "x", -1.0, 2.0),
        (lambda x, y: np.sin(x + 2 * y) - 3 * y, "x", 2.0, -3.0),
        (lambda x, y: x**2 / 2 + np.exp(-((x**2 - y**2) ** 2)), "x^2", -1.0, 0.5),
    ],
)
def test_two_columns_that_act_as_one_beside_a_line_are_found(
    law: Law, phi: str, coefficient: float, gain: float
) -> None:
    rows = table(law, ((0.5, 2.0), (0.5, 2.0)))
    found = find_combination(rows)
    assert found is not None
    assert (found.phi, found.coefficient, found.gain) == (phi, pytest.approx(coefficient), pytest.approx(gain))
    reduced = found.apply(rows)
    np.testing.assert_allclose(found.restored(rows.inputs, reduced.target), rows.target, atol=1e-12)
    assert reduced_error(reduced, rows, found) < 1e-4


def test_the_right_pair_of_three_columns_is_found() -> None:
    rows = table(lambda x, y, z: y * np.cos(x - z), ((-2, 2), (1, 3), (-2, 2)), 500)
    found = find_combination(rows)
    assert found is not None and found == Combination(0, 2, "x", -1.0)
    reduced = found.apply(rows)
    np.testing.assert_allclose(reduced.inputs, np.stack([rows.inputs[:, 0] - rows.inputs[:, 2], rows.inputs[:, 1]], 1))


@pytest.mark.parametrize(
    "law",
    [
        lambda x, y: x + np.sin(2 * y),
        lambda x, y: np.exp(x) * np.log(y) + y,
        lambda x, y: x**2 + y**3 + x * y,
        lambda x, y: np.tanh(x) + np.sqrt(y) * x,
    ],
)
def test_nothing_is_found_in_a_law_without_symmetry(law: Law) -> None:
    rows = table(law, ((0.5, 3.0), (0.5, 3.0)))
    assert find_combination(rows) is None
    scaling = find_scaling(rows)
    assert scaling is None or len(scaling.invariants) == 2


def test_nothing_is_found_in_pure_noise() -> None:
    generator = np.random.default_rng(0)
    inputs, target = generator.uniform(1, 2, (200, 2)), generator.normal(size=200)
    rows = Rows(inputs[:150], target[:150], inputs[150:], target[150:])
    assert find_combination(rows) is None
    assert find_scaling(rows) is None


def test_a_false_symmetry_leaves_an_error() -> None:
    rows = table(lambda x, y: np.exp(-0.5 * (x - y)), ((0.5, 2.0), (0.5, 2.0)))
    assert reduced_error(Combination(0, 1, "x", -1.0).apply(rows), rows) < 1e-4
    assert reduced_error(Combination(0, 1, "x", 1.0).apply(rows), rows) > 0.1
    half = Scaling((Fraction(1), Fraction(0)), ((Fraction(0), Fraction(1)),))
    assert reduced_error(half.apply(rows), rows, half) > 0.05


def test_a_scaling_law_is_seen_in_even_noise_that_dividing_makes_uneven() -> None:
    box = ((0.0, 10.0), (8.0, 20.0), (0.2, 1.2))
    rows = table(lambda x, v, a: x * np.tan(a) - 4.905 * (x / (v * np.cos(a))) ** 2, box, 480)
    noise = 0.02 * rows.target.std() * np.random.default_rng(1).normal(size=480)
    noisy = Rows(rows.inputs, rows.target + noise[:-80], rows.held_inputs, rows.held_target + noise[-80:])
    assert find_scaling(noisy) == Scaling(
        (Fraction(1), Fraction(0), Fraction(0)),
        ((Fraction(-1), Fraction(2), Fraction(0)), (Fraction(0), Fraction(0), Fraction(1))),
    )


def test_weights_of_a_divided_target_are_squares_of_what_divides_it() -> None:
    rows = table(lambda a, b: a**2 / b, ((1, 4), (1, 4)))
    half = Scaling((Fraction(2), Fraction(0)), ((Fraction(0), Fraction(1)),)).apply(rows)
    assert half.weights is not None
    np.testing.assert_allclose(half.weights, rows.inputs[:, 0] ** 4)
    assert Combination(0, 1, "x", 1.0).apply(rows).weights is None


def test_noise_does_not_hide_a_monomial() -> None:
    rows = table(lambda a, b: a**2 / b, ((1, 4), (1, 4)), 400)
    noise = np.random.default_rng(1).normal(size=(2, 400)) * 0.01 * rows.target.std()
    noisy = Rows(
        rows.inputs, rows.target + noise[0, : len(rows.target)], rows.held_inputs, rows.held_target + noise[1, :80]
    )
    assert find_scaling(noisy) == Scaling((Fraction(2), Fraction(-1)), ())


def test_a_fast_oscillation_is_reduced_by_trial() -> None:
    rows = table(lambda x, y: np.sin(6 * x * y), ((0.5, 3.0), (0.5, 3.0)), 380)
    found = find_by_trial(rows)
    assert found is not None
    assert found.apply(rows).inputs.shape[1] == 1
    assert is_function_of(rows.inputs.prod(axis=1), found.apply(rows).inputs[:, 0])


def test_no_trial_is_made_where_the_surrogate_is_good() -> None:
    assert find_by_trial(table(lambda x, y: x + y**2, ((1, 2), (1, 2)))) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.98, Fraction(2)),
        (-0.51, Fraction(-1, 2)),
        (0.66, Fraction(2, 3)),
        (0.0, Fraction(0)),
        (0.42, None),
        (9.0, None),
    ],
)
def test_exponents_are_rounded_to_small_rationals(value: float, expected: Fraction | None) -> None:
    assert nearest_rational(value) == expected


def test_rows_are_left_as_they_were() -> None:
    rows = table(lambda x, y: x / y, ((1, 2), (1, 2)), 120)
    before = rows.inputs.copy()
    Combination(0, 1, "x", 1.0).apply(rows)
    find_scaling(rows)
    assert np.array_equal(rows.inputs, before)
