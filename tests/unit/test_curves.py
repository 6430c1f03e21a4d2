"""One-variable laws: planted curves of every searched primitive are recovered, with and without noise."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kansym.symbolic import curves
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.curves import CurveFit, allowed, match_curve, scaled_functions, shifted_powers
from kansym.symbolic.expression import Constant, Variable, add, call, multiply, raise_to
from kansym.symbolic.primitives import PRIMITIVES, Primitive

Array = np.ndarray
EXACT = 1e-18  # mean square over the variance
SEARCHED = [row for row in PRIMITIVES if row.searched and row.name not in ("1", "x")]
BOXES = {"asin": (-1.4, 1.4), "acos": (-1.4, 1.4), "atanh": (-1.4, 1.4), "tan": (-1.8, 1.8), "acosh": (2.2, 6.0)}


def points(primitive: Primitive, rows: int = 80) -> Array:
    positive = primitive.exponent is not None or primitive.domain[0] == 0.0
    low, high = BOXES.get(primitive.name, (0.4, 5.0) if positive else (-3.0, 3.0))
    return np.linspace(low, high, rows)


def best_error(fits: list[CurveFit]) -> float:
    return min(fit.error for fit in fits)


@pytest.mark.parametrize("primitive", SEARCHED, ids=lambda row: row.name)
def test_every_searched_primitive_is_recovered_with_its_slope(primitive: Primitive) -> None:
    z = points(primitive)
    t = 2.5 * primitive.value(0.6 * z) - 1.2
    best = match_curve(z, t, None, PRIMITIVES.only(primitive.name))[0]
    assert best.error < EXACT
    np.testing.assert_allclose(best.expression.evaluate(z[:, None]), t, atol=1e-7)


@pytest.mark.parametrize("name", ["exp", "sin", "log", "tanh", "planck", "besselj0"])
def test_a_primitive_is_recovered_among_all_others(name: str) -> None:
    z = points(PRIMITIVES[name])
    fits = match_curve(z, 2.5 * PRIMITIVES[name].value(0.6 * z) - 1.2)
    assert fits[0].error < EXACT


@pytest.mark.parametrize(
    ("name", "shift"),
    [("exp", 0.45), ("sin", 0.45), ("log", 0.45), ("tanh", -1.6), ("gaussian", -1.6), ("lorentzian", -1.6)]
    + [("x^-1", 0.45), ("x^(1/2)", 0.45), ("sigmoid", -1.6)],
)
def test_a_shift_inside_the_primitive_is_found(name: str, shift: float) -> None:
    primitive = PRIMITIVES[name]
    z = np.linspace(0.5, 4.0, 80)
    fits = match_curve(z, -1.3 * primitive.value(0.8 * z + shift) + 0.7, None, PRIMITIVES.only(name, "exp", "sin"))
    assert best_error(fits) < EXACT


@pytest.mark.parametrize("front", ["1", "-1", "2", "1/2"])
def test_a_power_in_front_is_found(front: str) -> None:
    z = np.linspace(0.5, 5.0, 80)
    t = 1.7 * z ** float(Fraction(front)) * np.exp(-0.9 * z)
    fits = match_curve(z, t, None, PRIMITIVES.only("exp", "sin"), fronts=(Fraction(0), Fraction(front)))
    assert best_error(fits) < EXACT


def test_a_power_inside_is_found() -> None:
    z = np.linspace(0.3, 4.0, 80)
    fits = match_curve(z, 3.0 * np.exp(-1.4 / z), inners=(Fraction(1), Fraction(-1)))
    assert best_error(fits) < EXACT


def test_a_fast_wave_is_found() -> None:
    z = np.linspace(0, 3, 150)
    fits = match_curve(z, 0.8 * np.sin(23.7 * z) + 0.2)
    assert fits[0].error < EXACT


def test_sums_of_plain_functions_are_found() -> None:
    z = np.linspace(-2, 2, 80)
    fits = match_curve(z, np.sin(z) + 0.5 * z**2)
    assert fits[0].error < EXACT


@pytest.mark.parametrize("name", ["exp", "sin", "tanh", "gaussian", "x^2", "x^-1"])
def test_noise_does_not_hide_the_curve(name: str) -> None:
    primitive = PRIMITIVES[name]
    z = points(primitive, 200)
    clean = 2.0 * primitive.value(0.7 * z) + 0.5
    noisy = clean + 0.02 * clean.std() * np.random.default_rng(3).normal(size=len(z))
    fits = match_curve(z, noisy, None, PRIMITIVES.only("exp", "sin", "tanh", "gaussian", "x^2", "x^-1"))
    assert fits[0].error < 1.2 * 0.02**2
    recovered = min(fits[:4], key=lambda fit: fit.error).expression.evaluate(z[:, None])
    assert np.sqrt(np.mean((recovered - clean) ** 2)) < 0.01 * clean.std()


@pytest.mark.parametrize(
    ("law", "form"),
    [
        (lambda z: 1.5 * z / np.expm1(0.4 * z), "z/(exp(z)-1)"),
        (lambda z: np.sin(0.7 * z) / z, "sin(z)/z"),
        (lambda z: 2.0 * z**2 * np.exp(-0.8 * z), "z**2*exp(z)"),
        (lambda z: np.sqrt(z) * np.tanh(1.3 / z), "sqrt(z)*tanh(1/z)"),
    ],
)
def test_a_noisy_curve_of_two_numbers_is_among_the_first(law: Callable[[Array], Array], form: str) -> None:
    z = np.random.default_rng(5).uniform(0.5, 8.0, 1200)
    clean = law(z)
    noisy = clean + 0.02 * clean.std() * np.random.default_rng(6).normal(size=len(z))
    found = scaled_functions(Rows(z[:, None], noisy), PRIMITIVES)
    left = [polish(each, Rows(z[:, None], clean)).mean_square for each in found[:3]]
    assert min(left) < EXACT * clean.var(), form
    assert all(len(each.free_constants) <= 2 for each in found)


def test_a_shorter_formula_wins_over_an_equally_good_longer_one() -> None:
    z = np.linspace(0.5, 3.0, 60)
    assert match_curve(z, 2.0 * z + 1.0)[0].expression.complexity <= 5
    assert match_curve(z, 4.0 / z)[0].expression.complexity <= 5


def test_a_constant_curve_is_a_constant() -> None:
    fits = match_curve(np.linspace(0, 1, 20), np.full(20, 3.5))
    assert [fit.expression for fit in fits] == [Constant(3.5)]


def test_weights_choose_which_rows_matter() -> None:
    z = np.linspace(0.5, 4.0, 80)
    t = np.exp(-z)
    t[-5:] += 10.0
    weights = np.where(np.arange(80) < 75, 1.0, 1e-12)
    best = match_curve(z, t, weights)[0]
    np.testing.assert_allclose(best.expression.evaluate(z[:75, None]), t[:75], atol=1e-4)


def test_only_the_given_primitives_are_used() -> None:
    z = np.linspace(0.5, 3.0, 60)
    library = PRIMITIVES.only("exp", "log", "x^2")
    fits = match_curve(z, np.sin(2 * z), None, library)
    assert fits and all(allowed(fit.expression, library) for fit in fits)


def test_a_left_out_primitive_is_not_allowed() -> None:
    library = PRIMITIVES.without("sin", "x^3")
    assert not allowed(add(call("sin", Variable(0)), Constant(1.0)), library)
    assert not allowed(multiply(Constant(2.0), raise_to(Variable(0), Fraction(3))), library)
    assert allowed(raise_to(Variable(0), Fraction(2)), library)


def test_matching_twice_gives_the_same_fits() -> None:
    z = np.linspace(0.5, 3.0, 40)
    assert match_curve(z, np.tanh(z)) == match_curve(z, np.tanh(z))


@pytest.mark.parametrize(("slope", "exponent"), [(-0.0065, 5.256), (0.8, -1.37), (0.02, 0.41), (-0.02, -2.2)])
@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_any_power_of_a_line_is_found(slope: float, exponent: float, noise: float) -> None:
    z = np.linspace(0.0, 33.0, 200)
    law = 101.3 * (1 + slope * z) ** exponent
    rows = Rows(z[:, None], law + noise * np.std(law) * np.random.default_rng(2).normal(size=200))
    best = min(mean_square(found, rows) for found in shifted_powers(rows))
    assert np.sqrt(best) < 1.05 * noise * np.std(law) + 1e-9 * np.std(law)


def test_no_power_of_a_line_is_found_where_there_is_no_line() -> None:
    assert shifted_powers(Rows(np.zeros((20, 1)), np.arange(20.0))) == []


def test_errors_of_all_kinds_are_those_of_least_squares() -> None:
    random = np.random.default_rng(3)
    z, t, weights = random.uniform(0.5, 3, 40), random.normal(size=40), random.uniform(0.5, 2, 40)
    sample = curves._thin(z, t, weights)
    kinds = curves._Kinds.of(sample, curves.FRONT_POWERS)
    shape = np.array([np.sin(2 * sample.points), np.exp(200.0 * sample.points), np.zeros(40)])
    with np.errstate(all="ignore"):
        errors = curves._errors(shape, kinds, sample)
    roots = np.sqrt(sample.weights)
    for k, (front, scaled) in enumerate(zip(kinds.fronts, kinds.scaled, strict=True)):
        factor = sample.points ** float(front)
        for row in (0, 1):
            column = shape[row] / shape[row].max() * factor
            columns = np.column_stack([column, factor if scaled else np.ones(40)]) * roots[:, None]
            left = sample.values * roots - columns @ np.linalg.lstsq(columns, sample.values * roots, rcond=None)[0]
            assert errors[row, k] == pytest.approx(np.mean(left**2) / sample.variance, rel=1e-9)
    assert np.all(np.isinf(errors[2]))
