"""The generated benchmark data: complete tables, finite values, reproducible bytes, consistent units."""

from __future__ import annotations

import numpy as np
import pytest

from kansym.errors import DataError, FormulaError
from kansym_datasets import generators
from kansym_datasets.formula import evaluate, names
from kansym_datasets.laws import BASE_UNITS, exponents
from kansym_datasets.sampling import accepted, draw_rows

SIZES = {
    "feynman": 100,
    "bonus": 20,
    "strogatz": 14,
    "nguyen": 12,
    "srsd": 120,
    "empirical": 9,
    "toys": 8,
    "everyday": 91,
    "textbook": 40,
    "field": 60,
    "workshop": 69,
    "handbook": 64,
}
LEVELS = {"srsd-easy": 30, "srsd-medium": 40, "srsd-hard": 50, "everyday-view": 36, "everyday-unseen": 55}
SAMPLED = [name for name in generators.names() if not name.startswith("strogatz")]
WITH_UNITS = generators.suite("feynman") + generators.suite("bonus")


@pytest.mark.parametrize(("suite", "size"), [*SIZES.items(), *LEVELS.items()])
def test_every_suite_has_all_its_laws(suite: str, size: int) -> None:
    assert len(generators.suite(suite)) == size


def test_names_are_unique_and_keep_their_form() -> None:
    known = generators.names()
    assert len(known) == len(set(known)) == sum(SIZES.values())
    stable = {"feynman-I.6.2a", "feynman-III.21.20", "bonus-20", "strogatz-vdp2", "nguyen-12", "srsd-I.18.16"}
    assert stable | {"srsd-bonus-1", "empirical-ideal_gas", "toy-shell"} <= set(known)


@pytest.mark.parametrize("name", generators.names())
def test_a_law_gives_finite_rows_that_follow_its_formula(name: str) -> None:
    law, data = generators.card(name), generators.load(name, rows=40)
    assert data.rows == 40
    assert data.input_names == law.input_names and data.target_names == (law.target,)
    values = dict(zip(data.input_names, data.inputs.T, strict=True))
    assert np.array_equal(np.broadcast_to(evaluate(generators.truth(name), values), 40), data.targets[:, 0])
    assert data.targets.std() > 0


@pytest.mark.parametrize("name", SAMPLED)
def test_inputs_stay_in_their_ranges(name: str) -> None:
    law, data = generators.card(name), generators.load(name, rows=100, seed=3)
    for variable, column in zip(law.variables, data.inputs.T, strict=True):
        size = {"positive": column, "negative": -column, "both": np.abs(column)}[variable.sign]
        assert size.min() >= variable.low * (1 - 1e-12) if variable.low > 0 else size.min() >= variable.low
        assert size.max() <= variable.high * (1 + 1e-12)
        if variable.scale in ("integer", "sequence"):
            assert np.array_equal(column, np.round(column))
        if variable.sign == "both":
            assert column.min() < 0 < column.max()


@pytest.mark.parametrize("name", [*generators.names()[::9], "strogatz-glider2"])
def test_a_formula_uses_only_its_own_variables(name: str) -> None:
    law = generators.card(name)
    assert set(names(law.formula)) <= set(law.input_names)


@pytest.mark.parametrize("name", WITH_UNITS)
def test_a_change_of_any_unit_changes_both_sides_of_a_feynman_law_alike(name: str) -> None:
    law, data = generators.card(name), generators.load(name, rows=10)
    for base in range(len(BASE_UNITS)):
        factor = [1.7 ** exponents(variable.unit or "")[base] for variable in law.variables]
        values = dict(zip(data.input_names, (data.inputs * factor).T, strict=True))
        expected = data.targets[:, 0] * 1.7 ** exponents(law.target_unit or "")[base]
        np.testing.assert_allclose(evaluate(law.formula, values), expected, rtol=1e-8)


def test_a_unit_of_another_base_has_no_exponents() -> None:
    with pytest.raises(DataError, match="'mag' is none of m, s, kg, K, V"):
        exponents("mag")


def test_38_of_the_100_feynman_laws_are_monomials() -> None:
    assert sum(generators.card(name).monomial for name in generators.suite("feynman")) == 38


@pytest.mark.parametrize("name", SAMPLED)
def test_exactly_the_flagged_laws_are_linear_in_log_space(name: str) -> None:
    law, data = generators.card(name), generators.load(name, rows=60)
    usable = (data.inputs != 0).all(axis=1) & (data.targets[:, 0] != 0)
    logs = np.column_stack([np.ones(60), np.log(np.abs(np.where(data.inputs == 0, 1, data.inputs)))])[usable]
    target = np.log(np.abs(data.targets[usable, 0]))
    rest = np.abs(logs @ np.linalg.lstsq(logs, target, rcond=None)[0] - target).max()
    indistinct = law.note is not None and "agrees with a monomial" in law.note
    assert (rest < 1e-8) == (law.monomial or indistinct)


@pytest.mark.parametrize("name", ["feynman-I.6.2a", "strogatz-barmag1", "srsd-I.30.3", "empirical-rydberg"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(name: str) -> None:
    first, again, other = (generators.load(name, rows=30, noise=0.01, seed=seed) for seed in (5, 5, 6))
    assert first.inputs.tobytes() == again.inputs.tobytes() and first.targets.tobytes() == again.targets.tobytes()
    assert first.digest != other.digest


def test_laws_with_equal_ranges_get_different_numbers() -> None:
    one, two = generators.load("nguyen-1", rows=20), generators.load("nguyen-2", rows=20)
    assert not np.array_equal(one.inputs, two.inputs)


@pytest.mark.parametrize("name", ["feynman-II.3.24", "srsd-III.15.14"])
def test_noise_is_gamma_times_the_rms_of_the_target(name: str) -> None:
    clean = generators.load(name, rows=20_000)
    noisy = generators.load(name, rows=20_000, noise=0.1)
    difference = noisy.targets / np.abs(clean.targets).max() - clean.targets / np.abs(clean.targets).max()
    rms = np.sqrt(np.mean((clean.targets / np.abs(clean.targets).max()) ** 2))
    assert np.array_equal(clean.inputs, noisy.inputs)
    assert difference.std() / rms == pytest.approx(0.1, rel=0.03)


def test_srsd_spreads_a_log_variable_evenly_over_its_decades() -> None:
    column = generators.load("srsd-I.29.4", rows=4000).inputs[:, 0]
    assert np.mean(column < 1e10) == pytest.approx(0.5, abs=0.03)


def test_rows_outside_the_domain_are_drawn_again() -> None:
    law = generators.card("srsd-bonus-7")
    inputs = draw_rows(law, 50, np.random.default_rng(0))
    assert accepted(law, inputs).all()
    assert not accepted(law, np.array([[1e-28, 1.0, 1e25]])).any()


def test_a_required_order_of_two_inputs_holds() -> None:
    inputs = generators.load("empirical-rydberg", rows=200).inputs
    assert (inputs[:, 1] > inputs[:, 0]).all()


def test_bode_counts_the_planets() -> None:
    data = generators.load("empirical-bode")
    assert data.inputs[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert data.targets[0, 0] == pytest.approx(0.7)


def test_a_suite_says_how_many_rows_it_draws() -> None:
    assert generators.load("nguyen-1").rows == 256
    assert generators.load("nguyen-1", rows=20).rows == 20
    assert generators.load("strogatz-lv1").rows == 400
    assert "20 points" in (generators.card("nguyen-1").about or "")


def test_competition_starts_where_the_source_starts() -> None:
    inputs = generators.load("strogatz-lv1", rows=40).inputs
    assert inputs[::10].tolist() == [[1, 3], [4, 1], [8, 2], [3, 3]]


def test_a_trajectory_follows_its_rates() -> None:
    one, two = generators.load("strogatz-predprey1", seed=1), generators.load("strogatz-predprey1", seed=1, rows=4000)
    assert two.inputs[1000] == pytest.approx(one.inputs[100], abs=1e-12)
    steps = np.diff(two.inputs[:1000, 0]) / 0.01  # central difference at the middle of each step
    middle = (two.targets[:999, 0] + two.targets[1:1000, 0]) / 2
    assert np.abs(steps - middle).max() < 0.01 * np.abs(middle).max()


def test_units_reach_the_data_set() -> None:
    data = generators.load("feynman-I.12.2", rows=5)
    assert dict(zip(data.input_names, data.input_units, strict=True))["q1"] == "m^2*s^-2*kg*V^-1"
    assert data.target_units == ("m*s^-2*kg",)
    assert generators.load("nguyen-1", rows=5).input_units == (None,)


def test_an_unknown_law_or_suite_is_refused_with_a_near_name() -> None:
    with pytest.raises(DataError, match=r"did you mean 'feynman-I\.6\.2a"):
        generators.load("feynman-i.6.2a")
    with pytest.raises(DataError, match="no suite is called 'feinman': did you mean 'feynman'"):
        generators.suite("feinman")


@pytest.mark.parametrize("wrong", [{"rows": 1}, {"noise": -0.1}, {"noise": float("nan")}, {"seed": -1}])
def test_a_number_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        generators.load("nguyen-1", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "x.real", "x[0]", "[x]", "'a'", "~x", "x @ x", "exp(x, x)", "zeta(x)"],
)
def test_anything_but_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(FormulaError, match="is not allowed"):
        evaluate(text, {"x": 1.0})


@pytest.mark.parametrize("text", ["1 +", "x = 2", "x if x else 1", "import os", ""])
def test_text_that_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(FormulaError, match="is not a formula"):
        evaluate(text, {"x": 1.0})


def test_a_missing_value_is_named() -> None:
    with pytest.raises(FormulaError, match=r"needs a value for 'y': given are x"):
        evaluate("x*y", {"x": 1.0})


def test_a_variable_may_be_called_like_a_python_keyword() -> None:
    assert evaluate("2*lambda + is", {"lambda": 3.0, "is": 1.0}) == 7.0
    assert names("lambda*lambd*pi") == ("lambd", "lambda")


def test_differences_of_nearly_equal_numbers_keep_their_digits() -> None:
    small = np.array([1e-15])
    assert evaluate("1/(exp(x)-1)", {"x": small}) == pytest.approx(1e15, rel=1e-12)
    assert evaluate("1-cos(x)", {"x": small}) == pytest.approx(5e-31, rel=1e-12)


def test_a_value_outside_the_domain_is_nan_and_an_overflow_is_infinite() -> None:
    assert np.isnan(evaluate("sqrt(x)", {"x": -1.0}))
    assert np.isinf(evaluate("1e300**2 + x", {"x": 1.0}))


def test_the_bessel_function_is_the_one_of_order_zero() -> None:
    assert evaluate("j0(x)", {"x": 2.404825557695773}) == pytest.approx(0, abs=1e-15)
